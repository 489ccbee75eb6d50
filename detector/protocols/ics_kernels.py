"""Texts of points, and what replies take over from their requests: verb, points, values."""

from __future__ import annotations

from detector.bytes_kernels import le16, le32, u8
from detector.hash_kernels import mix
from detector.kernel import kernel
from detector.protocols.pairing_kernels import EXCEPTION, REQUEST, RESPONSE

LITERAL, NUMBER, SPAN = 0, 1, 2  # kinds of a template's pieces
SAME = -1  # the verb of a reply that is its request's
# Columns of rows. PLACE: of the request among open ones, -1 for none.
I_PDU, I_PLACE, I_KIND, I_VERB = range(4)
# Columns of points: bounds of the text, bits of the value, whether there is one.
T_START, T_STOP, T_BITS, T_HAS = range(4)
# Columns of what is recalled: the row, and a point's.
C_ROW, C_START, C_STOP, C_BITS, C_HAS = range(5)
# A record is for each row verb and number of points, and for each point whether it has a value, that, length, text.
ROW_BYTES, POINT_BYTES = 5, 11
# Where a reply's request is: a row of the batch, or behind EARLIER the start of its record among those that were fetched.
NOWHERE, EARLIER = -1, -2


@kernel
def write_number(text, at, number):
    """Decimal digits of a number; where they end."""
    if number < 0:
        text[at] = 45
        at += 1
        number = -number
    digits, rest = 1, number // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for k in range(digits):
        text[at + digits - 1 - k] = 48 + number % 10
        number //= 10
    return at + digits


@kernel
def write_targets(kinds, firsts, seconds, literals, source, text, spans):
    """The texts of points, one behind the other.

    Args:
        kinds, firsts, seconds: int64[points, pieces]: LITERAL and SPAN with bounds in literals or source, NUMBER with it.
        text: uint8[...], with room for all.
        spans: int64[points, 2], bounds of each point's text.
    """
    at = 0
    for i in range(len(kinds)):
        spans[i, 0] = at
        for piece in range(kinds.shape[1]):
            first, second = firsts[i, piece], seconds[i, piece]
            if kinds[i, piece] == NUMBER:
                at = write_number(text, at, first)
                continue
            for k in range(first, second):
                text[at] = literals[k] if kinds[i, piece] == LITERAL else source[k]
                at += 1
        spans[i, 1] = at
    return at


@kernel
def match_requests(rows, first, lengths, records, latest, sources, fetched, used):
    """Finds the request of each reply, and fetches the records of those that came in earlier batches, once for each.

    Args:
        rows: int64[rows, 4], of one protocol. The verb of a reply that has none itself is set.
        lengths, records: int64[places], uint8[places, RECORD_BYTES]: requests of earlier batches; 0: none.
        latest: int64[places], row of the batch's last request plus one; all 0 before and after.
        sources: int64[rows], set to where the first row of the request is, or NOWHERE.  fetched: uint8[...].

    Returns:
        (next row, bytes fetched): next row < len(rows) asks for room.
    """
    i = first
    while i < len(rows):
        stop, place = group_end(rows, i), rows[i, I_PLACE]
        source = NOWHERE
        if place >= 0 and rows[i, I_KIND] == REQUEST:
            forget(lengths, records, place)
            latest[place] = i + 1
        elif place >= 0 and (rows[i, I_KIND] == RESPONSE or rows[i, I_KIND] == EXCEPTION):
            if latest[place] > 0:
                source = latest[place] - 1
                latest[place] = 0
            elif lengths[place] > 0:
                length = lengths[place]
                if used + 2 + length > len(fetched):
                    return i, used
                source = EARLIER - used
                used = put_number(fetched, used, length, 2)
                for k in range(length):
                    fetched[used + k] = records[place, k]
                used += length
                forget(lengths, records, place)
        for k in range(i, stop):
            sources[k] = source
            if rows[k, I_VERB] == SAME and source >= 0:
                rows[k, I_VERB] = rows[source, I_VERB]
            elif rows[k, I_VERB] == SAME and source <= EARLIER:
                rows[k, I_VERB] = u8(fetched, EARLIER - source + 2)
        i = stop
    return len(rows), used


@kernel
def open_requests(rows, latest, opened):
    """Marks the rows of requests that are still open, and forgets which was the latest of each place; how many there are."""
    count = 0
    for i in range(len(rows)):
        place = rows[i, I_PLACE]
        if place >= 0 and rows[i, I_KIND] == REQUEST and latest[place] > 0:
            first = latest[place] - 1
            opened[i] = rows[first, I_PDU] == rows[i, I_PDU]
            count += opened[i]
    for i in range(len(rows)):
        if rows[i, I_PLACE] >= 0:
            latest[rows[i, I_PLACE]] = 0
    return count


@kernel
def forget(lengths, records, place):
    """Takes a record away, with its bytes."""
    for k in range(lengths[place]):
        records[place, k] = 0
    lengths[place] = 0


@kernel
def put_number(out, at, number, width):
    """A number's low bytes, the least first; where they end."""
    for k in range(width):
        out[at + k] = (number >> (8 * k)) & 0xFF
    return at + width


@kernel
def get_number(data, at):
    """Eight bytes as a number."""
    number = 0
    for k in range(8):
        number |= u8(data, at + k) << (8 * k)
    return number


@kernel
def fits(offsets, points, first, stop, room):
    """Whether a record of some rows has room for their points."""
    length = 0
    for i in range(first, stop):
        length += ROW_BYTES
        for point in range(offsets[i], offsets[i + 1]):
            length += POINT_BYTES + points[point, T_STOP] - points[point, T_START]
    return length <= room


@kernel
def group_end(rows, i):
    """Where the rows of the PDU end to which row i belongs."""
    stop = i + 1
    while stop < len(rows) and rows[stop, I_PDU] == rows[i, I_PDU]:
        stop += 1
    return stop


@kernel
def remember_requests(rows, offsets, points, text, lengths, records):
    """Keeps the records of open requests, at their places. Of one whose points do not fit only the verbs are kept.

    Args:
        rows: int64[rows, 4].  offsets, points, text: int64[rows + 1], int64[points, 4], uint8[...]: the points of the rows.
        lengths, records: as of match_requests.
    """
    i = 0
    while i < len(rows):
        stop, place, at = group_end(rows, i), rows[i, I_PLACE], 0
        has_room = fits(offsets, points, i, stop, records.shape[1])
        for k in range(i, stop):
            at = put_number(records[place], at, rows[k, I_VERB], 1)
            at = put_number(records[place], at, offsets[k + 1] - offsets[k] if has_room else 0, 4)
            for point in range(offsets[k], offsets[k + 1] if has_room else offsets[k]):
                start, end = points[point, T_START], points[point, T_STOP]
                at = put_number(records[place], at, points[point, T_HAS], 1)
                at = put_number(records[place], at, points[point, T_BITS], 8)
                at = put_number(records[place], at, end - start, 2)
                for byte in range(start, end):
                    records[place, at] = text[byte]
                    at += 1
        lengths[place] = at
        i = stop


@kernel
def has_value(points, first, stop):
    """Whether one of some points has a value."""
    found = False
    for point in range(first, stop):
        found |= points[point, T_HAS] > 0
    return found


@kernel
def has_value_in_record(record, at, number):
    """The same of points in a record."""
    for _ in range(number):
        if u8(record, at):
            return True
        at += POINT_BYTES + le16(record, at + 9)
    return False


@kernel
def recall_points(rows, offsets, points, sources, fetched, room, text_bytes, recalled):
    """The points that replies take over of their requests: where these say more, of the row with the same verb.

    A request says more where the reply has no points, or none with a value and the request has some.

    Args:
        rows, offsets, points: as of remember_requests.  sources, fetched: as match_requests left them.
        room: bytes of a record: of a request that has none for its points a reply takes over nothing, in one batch or two.
        text_bytes: what the bounds of texts in `fetched` are counted from.
        recalled: int64[capacity, 5].

    Returns:
        How many there are; beyond the capacity they are counted only.
    """
    count = 0
    for i in range(len(rows)):
        own = offsets[i + 1] - offsets[i]
        if sources[i] == NOWHERE or has_value(points, offsets[i], offsets[i + 1]):
            continue
        if sources[i] >= 0:
            first = sources[i]
            stop = group_end(rows, first)
            if not fits(offsets, points, first, stop, room):
                continue
            for k in range(first, stop):
                if rows[k, I_VERB] != rows[i, I_VERB]:
                    continue
                if own == 0 or has_value(points, offsets[k], offsets[k + 1]):
                    for point in range(offsets[k], offsets[k + 1]):
                        if count < len(recalled):
                            recalled[count, C_ROW] = i
                            for column in range(4):
                                recalled[count, 1 + column] = points[point, column]
                        count += 1
                break
            continue
        at = EARLIER - sources[i]
        end = at + 2 + le16(fetched, at)
        at += 2
        while at < end:
            verb, number = u8(fetched, at), le32(fetched, at + 1)
            at += ROW_BYTES
            is_wanted = verb == rows[i, I_VERB] and (own == 0 or has_value_in_record(fetched, at, number))
            for _ in range(number):
                size = le16(fetched, at + 9)
                if is_wanted:
                    if count < len(recalled):
                        recalled[count, C_ROW] = i
                        recalled[count, C_START] = text_bytes + at + POINT_BYTES
                        recalled[count, C_STOP] = text_bytes + at + POINT_BYTES + size
                        recalled[count, C_BITS], recalled[count, C_HAS] = get_number(fetched, at + 1), u8(fetched, at)
                    count += 1
                at += POINT_BYTES + size
            if verb == rows[i, I_VERB]:
                break
    return count


@kernel
def hash_target(text, start, stop, address, unit):
    """A hash of a target, its device's address and unit."""
    value = mix(address + 1, unit + 1)
    for k in range(start, stop):
        value = mix(value, u8(text, k))
    return value


@kernel
def hash_points(text, spans, keys, hashes):
    """Hashes of points. keys: int64[points, 2], address and unit, -1 for any."""
    for i in range(len(keys)):
        hashes[i] = hash_target(text, spans[i, 0], spans[i, 1], keys[i, 0], keys[i, 1])


@kernel
def is_target(text, start, stop, other, first, last):
    """Whether two texts are equal."""
    same = 0
    if stop - start == last - first:
        while same < stop - start and text[start + same] == other[first + same]:
            same += 1
    return same == stop - start == last - first


@kernel
def find_points(text, spans, keys, hashes, order, point_text, point_spans, point_keys, places):
    """The point of each target: one of its device and unit, else one of the device, whatever the unit.

    Args:
        text, spans, keys: of targets, as of hash_points; address -1: of no device.
        hashes: int64[points], ascending.  order: int64[points], the point of each.
        point_text, point_spans, point_keys: of points.
        places: int64[targets], set where there is one.
    """
    for i in range(len(keys)):
        if keys[i, 0] < 0:
            continue
        for attempt in range(2):
            unit = keys[i, 1] if attempt == 0 else -1
            wanted = hash_target(text, spans[i, 0], spans[i, 1], keys[i, 0], unit)
            low, high = 0, len(hashes)
            while low < high:
                middle = (low + high) >> 1
                if hashes[middle] < wanted:
                    low = middle + 1
                else:
                    high = middle
            while low < len(hashes) and hashes[low] == wanted and places[i] < 0:
                point = order[low]
                is_same = point_keys[point, 0] == keys[i, 0] and point_keys[point, 1] == unit
                if is_same and is_target(
                    text, spans[i, 0], spans[i, 1], point_text, point_spans[point, 0], point_spans[point, 1]
                ):
                    places[i] = point
                low += 1
            if places[i] >= 0:
                break
