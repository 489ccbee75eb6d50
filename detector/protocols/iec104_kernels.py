"""IEC 60870-5-104 framing, pairing and information objects (IEC 60870-5-104:2006, 5 (APCI), 6 and 7; IEC 60870-5-101, 7.2).

A row is an APDU. What is no APDU is skipped up to the next start octet, and told once.
"""

from __future__ import annotations

from detector.bytes_kernels import le16, u8
from detector.flows.columns import FLOW, IS_FIRST, IS_GAP, ROW, SHARDS, START, STOP, STREAM
from detector.hash_kernels import mix
from detector.kernel import kernel
from detector.packets.arrival_kernels import hash_bytes
from detector.packets.rows import PACKET
from detector.protocols.framing_kernels import (
    F_OWN,
    OTHER,
    SPOKEN,
    UNKNOWN,
    end_chunk,
    home_of,
    is_settled,
    mode_so_far,
    open_span,
    server_port,
)  # fmt: skip
from detector.protocols.pairing_kernels import (
    EXCEPTION,
    LINK,
    MALFORMED,
    P_ANOMALIES,
    P_KIND,
    P_OWN,
    P_START,
    P_STOP,
    R_OWN,
    REPORT,
    REQUEST,
    RESPONSE,
    add_row,
    find_request,
    is_request,
    join_request,
    keep_request,
)  # fmt: skip

PORT = 2404
NUMBER = 2  # place among the protocols
START_OCTET, HEADER = 0x68, 6
SHORTEST, LONGEST = 4, 253  # of the length octet: the four control octets, and an ASDU of 249
MOST = 257  # octets that a length octet can speak of, with itself and the start
UNIT = 6  # octets of an ASDU before its first object: type, structure, cause, originator, common address
ADDRESS = 3  # octets of an information object's address
# Stream state behind framing's own: what it was found to be and the flow that was found of; whether its bytes are skipped;
# the next send sequence number plus one, 0 where none was seen; the hash of the command that was selected last, 0 where none is, and its
# type without a time tag.
F_LOST, F_NEXT, F_SELECTED, F_SELECTED_TYPE = range(F_OWN, F_OWN + 4)
STATE_COLUMNS = F_OWN + 4
P_APCI, P_FORMAT, P_SENT, P_RECEIVED, P_ASDU = range(P_OWN, P_OWN + 5)
OUT_COLUMNS = P_OWN + 5
FIRST_COMMAND = 45  # of the types; those below it are sent by stations alone
ACTIVATION = 6  # cause of transmission: do it
I_FORMAT, S_FORMAT, U_FORMAT = 0, 1, 3
# Bits of anomalies, in the order of iec104.ANOMALIES.
O_START, O_LENGTH, O_OBJECTS, O_TYPE, O_SEQUENCE, O_UNSOLICITED, O_OTHER, O_NO_ROOM = 1, 2, 4, 8, 16, 32, 64, 128
DOUBTS = O_START | O_LENGTH | O_OBJECTS | O_TYPE | O_NO_ROOM
REQUEST_COLUMNS = R_OWN
# Columns of layouts: octets of an object without its address (-1: not known), value, quality and time (-1, -1, 0: none) and
# where the last two begin; whether the standard has the type.
L_SIZE, L_VALUE, L_QUALITY, L_TIME, L_QUALITY_AT, L_TIME_AT, L_IS_KNOWN = range(7)
LAYOUT_COLUMNS = 7


@kernel
def has_bad_length(buffer, start):
    """Whether an APDU's length is not one that its format may have (5.1)."""
    length = u8(buffer, start + 1)
    if not SHORTEST <= length <= LONGEST:
        return True
    return (length == SHORTEST) == (u8(buffer, start + 2) & 1 == 0)


@kernel
def number_of_objects(buffer, at, stop, layouts):
    """How many objects an ASDU has room for whose header says how many there are; -1 where they do not fill it."""
    kind, structure = u8(buffer, at), u8(buffer, at + 1)
    size, count = layouts[kind, L_SIZE], structure & 0x7F
    if size < 0:  # not known
        return 1
    whole = ADDRESS + count * size if structure & 0x80 else count * (ADDRESS + size)
    return count if whole == stop - at - UNIT else -1


@kernel
def kind_of(kind, cause):
    """What an ASDU is, by its type and cause (IEC 60870-5-101, 7.2.1 and 7.2.3). What was asked for comes as reports do."""
    if kind < FIRST_COMMAND and cause < 44:
        return REPORT
    if cause in (5, 6, 8):
        return REQUEST
    if cause in (7, 9, 10):
        return RESPONSE
    return EXCEPTION if 44 <= cause <= 47 else REPORT


@kernel
def watch_select(state, stream, out, i, buffer, at, stop, kind, cause, key):
    """Select and execute (IEC 60870-5-101, 6.8): what is executed is the command that was selected, to the same object.

    Commands of another type say nothing: set points may be sent at any time, and need no select.

    Args:
        at: of the object's address, behind which its value stands, whose last octet tells whether it is selected or executed.
    """
    like = kind - 13 if kind >= 58 else kind  # with a time tag
    if like < FIRST_COMMAND or like > 50:
        return
    first = at + ADDRESS
    last = first + (0 if like <= 47 else 2 if like <= 49 else 4)
    if last >= stop:
        return
    value = hash_bytes(buffer, first, last, mix(key & 0xFFFFFFFFFF, (like << 8) | (u8(buffer, last) & 0x7F)))
    if cause == ACTIVATION and u8(buffer, last) & 0x80:
        state[stream, F_SELECTED], state[stream, F_SELECTED_TYPE] = value + 1, like
    elif state[stream, F_SELECTED] and state[stream, F_SELECTED_TYPE] == like:
        if cause == ACTIVATION and state[stream, F_SELECTED] != value + 1:
            out[i, P_ANOMALIES] |= O_OTHER
        state[stream, F_SELECTED] = 0


@kernel
def judge(requests, state, stream, out, i, buffer, layouts, flow, frame, now):
    """What an APDU of the I format is, what is odd about it, and the command that it answers."""
    start, stop = out[i, P_START], out[i, P_STOP]
    sent, at = le16(buffer, start + 2) >> 1, start + HEADER
    out[i, P_SENT] = sent
    if state[stream, F_NEXT] > 0 and state[stream, F_NEXT] - 1 != sent:
        out[i, P_ANOMALIES] |= O_SEQUENCE
    state[stream, F_NEXT] = ((sent + 1) & 0x7FFF) + 1
    if at < stop:
        out[i, P_ASDU] = at
    if stop - at < UNIT:
        out[i, P_ANOMALIES] |= O_LENGTH
        out[i, P_KIND] = MALFORMED
        return
    kind, cause = u8(buffer, at), u8(buffer, at + 2) & 63
    out[i, P_KIND] = kind_of(kind, cause)
    if layouts[kind, L_IS_KNOWN] == 0:
        out[i, P_ANOMALIES] |= O_TYPE
    elif number_of_objects(buffer, at, stop, layouts) < 0:
        out[i, P_ANOMALIES] |= O_OBJECTS
    if stop - at < UNIT + ADDRESS or out[i, P_KIND] == REPORT:
        return
    address = le16(buffer, at + UNIT) | (u8(buffer, at + UNIT + 2) << 16)
    key = (kind << 40) | (le16(buffer, at + 4) << 24) | address
    place = find_request(requests, flow, key)
    if out[i, P_KIND] == REQUEST:
        keep_request(requests, place, flow, key, frame, now, out, i)
        watch_select(state, stream, out, i, buffer, at + UNIT, stop, kind, cause, key)
    elif is_request(requests, place, flow, key):
        join_request(requests, place, out, i)
    else:
        out[i, P_ANOMALIES] |= O_UNSOLICITED


@kernel
def take_apdu(state, stream, requests, out, i, buffer, layouts, flow, frame, now):
    """Makes row i of the whole APDU whose octets it has."""
    start = out[i, P_START]
    out[i, P_KIND], out[i, P_APCI] = LINK, start
    if has_bad_length(buffer, start):
        out[i, P_ANOMALIES] |= O_LENGTH
        out[i, P_KIND] = MALFORMED
    if out[i, P_STOP] - start < HEADER:
        return
    control = u8(buffer, start + 2)
    out[i, P_FORMAT] = I_FORMAT if control & 1 == 0 else control & 3
    if out[i, P_FORMAT] != U_FORMAT:
        out[i, P_RECEIVED] = le16(buffer, start + 4) >> 1
    if out[i, P_FORMAT] == I_FORMAT:
        judge(requests, state, stream, out, i, buffer, layouts, flow, frame, now)


@kernel
def mode_of(marks, chunks, i, cells, flows, buffer, start, stop):
    """Whether a chunk's stream speaks IEC 104: on its port, or like its other direction, or as it consists of APDUs."""
    row = chunks[i, ROW]
    if server_port(cells, flows, row) == PORT:
        return SPOKEN
    mode = mode_so_far(marks, chunks, i, NUMBER, flows, start < stop)
    if mode == UNKNOWN and start < stop:
        mode = SPOKEN if is_strict(buffer, start, stop) else OTHER
    return mode


@kernel
def is_strict(buffer, start, stop):
    """Whether a chunk is what a connection begins with: one of the six unnumbered APDUs, with all its zeros (5.3)."""
    if stop - start != HEADER or u8(buffer, start) != START_OCTET or u8(buffer, start + 1) != SHORTEST:
        return False
    if u8(buffer, start + 2) not in (0x07, 0x0B, 0x13, 0x23, 0x43, 0x83):
        return False
    return le16(buffer, start + 3) == 0 and u8(buffer, start + 5) == 0


@kernel
def frame_chunks(
    chunks,
    chosen,
    first,
    cells,
    flows,
    times,
    numbers,
    buffer,
    used,
    state,
    blocks,
    links,
    meta,
    requests,
    layouts,
    out,
    found,
):
    """APDUs of chosen chunks, in their order.

    Args:
        chosen: int64[n], ascending, the chunks of streams that speak it.  first: place in it.
        times, numbers: int64[packets], ns and frame number.
        state: int64[streams, STATE_COLUMNS].
        requests: int64[power of two, REQUEST_COLUMNS], open commands.
        layouts: int64[256, LAYOUT_COLUMNS], of each type of ASDU.
        out: int64[capacity, OUT_COLUMNS].

    Returns:
        (next place, APDUs found, bytes used): next place < len(chosen) asks for room in out or buffer.
    """
    for place in range(first, len(chosen)):
        i = chosen[place]
        row, stream = chunks[i, ROW], chunks[i, STREAM]
        shard = flows[row, FLOW] % SHARDS
        size = chunks[i, STOP] - chunks[i, START] + MOST
        if found + size // 2 + 3 > len(out) or len(buffer) - used < size:
            return place, found, used
        if chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
            state[stream, F_LOST], state[stream, F_NEXT], state[stream, F_SELECTED] = 0, 0, 0
        start, stop, used = open_span(state, blocks, links, meta, shard, chunks, i, buffer, used)
        packet, before, begin = cells[PACKET, row], found, start
        while start < stop:
            have = stop - start
            if u8(buffer, start) != START_OCTET:
                if not state[stream, F_LOST]:
                    add_row(out, found, row, start, start + 1, O_START)
                    found += 1
                    state[stream, F_LOST] = 1
                start += 1
                continue
            if have < 2 or have < 2 + u8(buffer, start + 1):
                break
            state[stream, F_LOST] = 0
            end = start + 2 + u8(buffer, start + 1)
            add_row(out, found, row, start, end, 0)
            take_apdu(
                state, stream, requests, out, found, buffer, layouts, flows[row, FLOW], numbers[packet], times[packet]
            )
            found += 1
            start = end
        if start < stop or not is_settled(state, flows, row, stream):
            found = end_chunk(
                state, blocks, links, meta, shard, chunks, i, flows, buffer, begin, start, stop, home_of(cells, flows, row, PORT, PORT),
                out, before, found, DOUBTS, O_NO_ROOM,
            )  # fmt: skip
    return len(chosen), found, used


# Columns of objects. Bounds of: its value, its quality, its time; -1: there is none. GIVEN: where its address stands.
(
    B_PDU, B_START, B_STOP, B_ADDRESS, B_VALUE, B_VALUE_STOP, B_VALUE_KIND, B_QUALITY, B_QUALITY_KIND, B_TIME, B_TIME_KIND,
    B_TIME_NS,
) = range(12)  # fmt: skip
OBJECT_COLUMNS = 12
T_NONE, T_SHORT, T_LONG = 0, 1, 2
DAY_NS = 86_400_000_000_000


@kernel
def days_of(year, month, day):
    """Days since 1970 of a date; months and days outside their range count on, as C's mktime has them."""
    year += (month - 1) // 12
    month = (month - 1) % 12 + 1
    shifted = year - (1 if month <= 2 else 0)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year + day - 1 - 719_468


@kernel
def time_of(buffer, at, kind):
    """ns of a time tag (7.2.6.18, 7.2.6.20): since 1970, or of a short one since its hour began."""
    milliseconds, minute = le16(buffer, at), u8(buffer, at + 2) & 63
    within = milliseconds * 1_000_000 + minute * 60_000_000_000
    if kind == T_SHORT:
        return within
    year = u8(buffer, at + 6) & 127
    year += 1900 if year >= 70 else 2000
    days = days_of(year, u8(buffer, at + 5) & 15, u8(buffer, at + 4) & 31)
    return days * DAY_NS + (u8(buffer, at + 3) & 31) * 3_600_000_000_000 + within


@kernel
def put_object(o, pdu, start, at, stop, address, layout, buffer):
    """An object whose octets without its address begin at `at` and end before `stop`."""
    for column in range(OBJECT_COLUMNS):
        o[column] = -1
    o[B_PDU], o[B_START], o[B_STOP], o[B_ADDRESS] = pdu, start, stop, address
    if layout[L_VALUE] >= 0 and at < stop:
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, stop, layout[L_VALUE]
    if layout[L_QUALITY] >= 0:
        o[B_QUALITY], o[B_QUALITY_KIND] = at + layout[L_QUALITY_AT], layout[L_QUALITY]
    if layout[L_TIME] > T_NONE:
        o[B_TIME], o[B_TIME_KIND] = at + layout[L_TIME_AT], layout[L_TIME]
        o[B_TIME_NS] = time_of(buffer, at + layout[L_TIME_AT], layout[L_TIME])


@kernel
def list_objects(pdus, buffer, layouts, objects):
    """Information objects of every ASDU; how many there are. What is cut short is left out.

    Args:
        pdus: int64[pdus, OUT_COLUMNS].
        objects: int64[capacity, OBJECT_COLUMNS]; the last row is scratch.
    """
    found = 0
    for pdu in range(len(pdus)):
        at, stop = pdus[pdu, P_ASDU], pdus[pdu, P_STOP]
        if at < 0 or stop - at < UNIT + ADDRESS:
            continue
        layout, structure = layouts[u8(buffer, at)], u8(buffer, at + 1)
        count, size = structure & 0x7F, layout[L_SIZE]
        at += UNIT
        address = 0
        if size < 0:  # one object, of which nothing is known but its address
            count, size = 1, stop - at - ADDRESS
        for k in range(count):
            start = at
            if k == 0 or structure & 0x80 == 0:
                if at + ADDRESS > stop:
                    break
                address = le16(buffer, at) | (u8(buffer, at + 2) << 16)
                at += ADDRESS
            else:
                address += 1
            if at + size > stop:
                break
            o = objects[found] if found < len(objects) - 1 else objects[len(objects) - 1]
            put_object(o, pdu, start, at, at + size, address, layout, buffer)
            found += 1
            at += size
    return found
