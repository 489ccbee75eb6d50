"""GOOSE messages: components, entries of the data set, and what a publisher's numbers say (IEC 61850-8-1, 18.1 and annex A).

A row is a PDU. A frame has a header and one PDU; further ones behind it are rows without a header.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, u8
from detector.flows.columns import FLOW, SHARDS
from detector.hash_kernels import mix, mix_word
from detector.kernel import kernel
from detector.packets.arrival_kernels import REPEAT, hash_bytes
from detector.packets.rows import ANOMALIES, PACKET, PAYLOAD_START, PAYLOAD_STOP
from detector.protocols.ber_kernels import UTC_BYTES, integer, is_integer, read_element, utc_time
from detector.protocols.pairing_kernels import (
    EXCEPTION,
    MALFORMED,
    P_ANOMALIES,
    P_KIND,
    P_OWN,
    P_ROW,
    P_START,
    P_STOP,
    R_FLOW,
    R_KEY,
    R_OWN,
    R_TIME,
    REPORT,
    REQUEST,
    RESPONSE,
    find_request,
    is_request,
)

IS_REPEAT = np.uint64(1) << np.uint64(REPEAT)
HEADER = 8
MOST_PDUS = 4  # of a frame; the standard has one
MOST_DEEP = 16  # structures and arrays in each other
MANAGEMENT, GOOSE = 0x60, 0x61  # identifiers of PDUs
# Components of a goosePdu: its members' numbers.
(
    C_REFERENCE, C_TTL, C_SET, C_ID, C_TIME, C_STATE, C_SEQUENCE, C_SIMULATION, C_REVISION, C_COMMISSIONING, C_ENTRIES,
    C_DATA,
) = range(12)  # fmt: skip
COMPONENTS = 12
OPTIONAL = (1 << C_ID) | (1 << C_SIMULATION) | (1 << C_COMMISSIONING)
INTEGERS = (1 << C_TTL) | (1 << C_STATE) | (1 << C_SEQUENCE) | (1 << C_REVISION) | (1 << C_ENTRIES)
TRUTHS = (1 << C_SIMULATION) | (1 << C_COMMISSIONING)
IS_CONSTRUCTED, CONTEXT = 0x20, 0x80

# Bits of anomalies, in the order of goose.ANOMALIES.
(
    O_LENGTH, O_PDU, O_MISSING, O_ENTRIES, O_SIMULATION, O_JUMP, O_RESTART, O_REPLAY, O_GAP, O_BEGIN, O_LATE, O_BACK, O_DATA,
    O_REVISION,
) = (1 << bit for bit in range(14))  # fmt: skip

# Columns of PDUs. HEADER_AT: where the frame's header begins, PDU and MANAGEMENT_AT: where the contents of either kind of PDU
# do; -1: there is none. ALL, OBJECTS: entries of its data set, and elements that can be read. STARTS, STOPS, VALUES: COMPONENTS
# columns each; a component begins at -1 where it is not there.
P_HEADER, P_PDU, P_MANAGEMENT, P_ALL, P_OBJECTS = range(P_OWN, P_OWN + 5)
P_STARTS = P_OWN + 5
P_STOPS = P_STARTS + COMPONENTS
P_VALUES = P_STOPS + COMPONENTS
# Of a management PDU. Each where it begins, -1 for none, and its value: STATE, WAY (1 request, 2 response) with its SERVICE,
# ANSWER (2 positive, 3 negative), FAILURE; IDENT and LIST with their ends. LIST_KIND: 0 offsets, 1 references, 2 results.
(
    P_STATE_AT, P_STATE, P_WAY_AT, P_WAY, P_SERVICE, P_IDENT, P_IDENT_STOP, P_LIST, P_LIST_STOP, P_LIST_KIND, P_LIST_COUNT,
    P_ANSWER_AT, P_ANSWER, P_FAILURE_AT, P_FAILURE,
) = range(P_VALUES + COMPONENTS, P_VALUES + COMPONENTS + 15)  # fmt: skip
OUT_COLUMNS = P_VALUES + COMPONENTS + 15
ASKS, ANSWERS, POSITIVE = 1, 2, 2
OFFSETS, REFERENCES, RESULTS = 0, 1, 2
I_INTEGER, I_STRING = 0x02, 0x1A  # universal identifiers

# What is known of a publisher's control block: its latest message that was taken for a new one.
S_STATE, S_SEQUENCE, S_TTL, S_STAMP, S_REVISION, S_DATA = range(R_OWN, R_OWN + 6)
STATE_COLUMNS = R_OWN + 6

# Columns of objects. START: -1 for those of a management PDU.  TAG: Wireshark's number of what it is; KIND: the same, SINGLE for a float of 32 bits; NUMBER: its value,
# ns, or how many items it has.
B_PDU, B_START, B_STOP, B_TAG, B_KIND, B_VALUE, B_NUMBER, B_DEPTH, B_ENTRY = range(9)
OBJECT_COLUMNS = 9
ARRAY, STRUCTURE, INTEGER, UNSIGNED, FLOAT, BCD, UTC, SINGLE = 1, 2, 5, 6, 7, 13, 17, 18
K_OFFSET, K_REFERENCE, K_RESULT = (
    19,
    20,
    21,
)  # kinds of items of a management PDU; K_RESULT and two more: offset, reference, error
NO_TAG = 11  # the standard leaves it out
SINGLE_BYTES, SINGLE_EXPONENT = 5, 8


@kernel
def tag_of(identifier):
    """What an element of a data set is, -1 for what none may be."""
    tag = identifier & 31
    if identifier & 0xC0 != CONTEXT or not ARRAY <= tag <= UTC or tag == NO_TAG:
        return np.int64(-1)
    is_constructed = identifier & IS_CONSTRUCTED != 0
    return tag if is_constructed == (tag <= STRUCTURE) else np.int64(-1)


@kernel
def put_object(o, pdu, start, stop, tag, begin, depth, entry, buffer):
    """An element as an object."""
    o[B_PDU], o[B_START], o[B_STOP], o[B_TAG], o[B_KIND], o[B_VALUE] = pdu, start, stop, tag, tag, begin
    o[B_NUMBER], o[B_DEPTH], o[B_ENTRY] = 0, depth, entry
    if tag == INTEGER or tag == UNSIGNED or tag == BCD:
        if is_integer(begin, stop):
            o[B_NUMBER] = integer(buffer, begin, stop)
        else:
            o[B_KIND] = 0
    elif tag == UTC:
        if stop - begin == UTC_BYTES:
            o[B_NUMBER] = utc_time(buffer, begin)
        else:
            o[B_KIND] = 0
    elif tag == FLOAT and stop - begin == SINGLE_BYTES and u8(buffer, begin) == SINGLE_EXPONENT:
        o[B_KIND] = SINGLE


@kernel
def walk_data(buffer, at, stop, pdu, open_stops, open_objects, objects, found):
    """Lists the elements of a data set, each before those in it: (entries, objects found so far, whether all could be read).

    Args:
        open_stops, open_objects: int64[MOST_DEEP], scratch: of what the walk is in, its end and its object.
        objects: int64[capacity, OBJECT_COLUMNS]; the last row is scratch; without rows nothing is listed.
    """
    depth, entries = 0, 0
    open_stops[0] = stop
    while True:
        while depth > 0 and at >= open_stops[depth]:
            depth -= 1
        if at >= stop:
            return entries, found, True
        identifier, begin, end = read_element(buffer, at, open_stops[depth])
        tag = tag_of(identifier)
        if begin < 0 or end > open_stops[depth] or tag < 0:
            return entries, found, False
        if depth == 0:
            entries += 1
        place = min(found, len(objects) - 1)
        if place >= 0:
            put_object(objects[place], pdu, at, end, tag, begin, depth, entries, buffer)
            if depth > 0:
                objects[open_objects[depth], B_NUMBER] += 1
        found += 1
        if tag <= STRUCTURE:
            if depth + 1 == MOST_DEEP:
                return entries, found, False
            depth += 1
            open_stops[depth], open_objects[depth] = end, place
            at = begin
        else:
            at = end


@kernel
def add_row(out, found, row, start, stop):
    """A row for a PDU whose bytes are these."""
    for column in range(OUT_COLUMNS):
        out[found, column] = -1
    out[found, P_ROW], out[found, P_START], out[found, P_STOP] = row, start, stop
    out[found, P_ANOMALIES], out[found, P_KIND] = 0, MALFORMED


@kernel
def take_components(out, i, buffer, at, stop):
    """The members of a goosePdu: where each lies, and the values of numbers. A member that is cut short is left out."""
    out[i, P_PDU] = at
    missing = (1 << COMPONENTS) - 1 - OPTIONAL
    while at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        number = identifier & 31
        expected = CONTEXT | C_DATA | IS_CONSTRUCTED if number == C_DATA else CONTEXT | number
        if begin < 0 or end > stop or number >= COMPONENTS or identifier != expected:
            out[i, P_ANOMALIES] |= O_PDU
            if begin < 0 or end > stop:
                break
            at = end
            continue
        bit = 1 << number
        is_right = is_integer(begin, end) or not INTEGERS & bit
        if number == C_TIME:
            is_right = end - begin == UTC_BYTES
        elif TRUTHS & bit:
            is_right = end - begin == 1
        if is_right:
            out[i, P_STARTS + number], out[i, P_STOPS + number] = begin, end
            missing &= ~bit
            if INTEGERS & bit:
                out[i, P_VALUES + number] = integer(buffer, begin, end)
            elif number == C_TIME:
                out[i, P_VALUES + number] = utc_time(buffer, begin)
        else:
            out[i, P_ANOMALIES] |= O_PDU
        at = end
    if missing:
        out[i, P_ANOMALIES] |= O_MISSING
    for number in (C_STATE, C_SEQUENCE):
        if out[i, P_STARTS + number] >= 0:
            out[i, P_VALUES + number] &= 0xFFFFFFFF


@kernel
def put_item(o, pdu, kind, identifier, begin, stop, buffer):
    """An item of a management PDU's list; whether it is one that such a list has."""
    tag = identifier & 31
    is_number = tag != 1 if kind == RESULTS else kind == OFFSETS
    if kind == RESULTS:
        is_right = identifier & 0xE0 == CONTEXT and tag <= 2
    else:
        is_right = identifier == (I_INTEGER if kind == OFFSETS else I_STRING)
    if not is_right or (is_number and not is_integer(begin, stop)):
        return False
    o[B_PDU], o[B_START], o[B_STOP], o[B_TAG], o[B_VALUE] = pdu, -1, stop, tag, begin
    o[B_KIND] = K_RESULT + tag if kind == RESULTS else K_OFFSET + kind
    o[B_NUMBER], o[B_DEPTH], o[B_ENTRY] = integer(buffer, begin, stop) if is_number else 0, 0, 0
    return True


@kernel
def walk_items(pdus, i, buffer, objects, found):
    """Lists the items of a management PDU: (items, objects found so far, whether all could be read)."""
    at, stop, count = pdus[i, P_LIST], pdus[i, P_LIST_STOP], 0
    while 0 <= at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        if begin < 0 or end > stop:
            return count, found, False
        o = objects[min(found, len(objects) - 1)]
        if not put_item(o, i, pdus[i, P_LIST_KIND], identifier, begin, end, buffer):
            return count, found, False
        count, found, at = count + 1, found + 1, end
    return count, found, True


@kernel
def take_positive(out, i, buffer, at, stop):
    """What a positive answer holds: a data set's name, and results."""
    while at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        if begin < 0 or end > stop:
            out[i, P_ANOMALIES] |= O_PDU
            return
        if identifier == CONTEXT:
            out[i, P_STARTS + C_SET], out[i, P_STOPS + C_SET] = begin, end
        elif identifier == CONTEXT | IS_CONSTRUCTED | 1:
            out[i, P_LIST], out[i, P_LIST_STOP], out[i, P_LIST_KIND] = begin, end, RESULTS
        else:
            out[i, P_ANOMALIES] |= O_PDU
        at = end


@kernel
def take_service(out, i, buffer, at, stop):
    """What a management PDU asks, or answers."""
    way, service = out[i, P_WAY], out[i, P_SERVICE]
    while at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        if begin < 0 or end > stop:
            out[i, P_ANOMALIES] |= O_PDU
            return
        if identifier == CONTEXT:
            out[i, P_IDENT], out[i, P_IDENT_STOP] = begin, end
        elif way == ASKS and identifier == CONTEXT | IS_CONSTRUCTED | 1:
            out[i, P_LIST], out[i, P_LIST_STOP] = begin, end
            out[i, P_LIST_KIND] = OFFSETS if service & 1 else REFERENCES
        elif way == ANSWERS and identifier == CONTEXT | 1 and is_integer(begin, end):
            out[i, P_STARTS + C_REVISION], out[i, P_STOPS + C_REVISION] = begin, end
            out[i, P_VALUES + C_REVISION] = integer(buffer, begin, end)
        elif way == ANSWERS and identifier == CONTEXT | IS_CONSTRUCTED | 2:
            out[i, P_ANSWER_AT], out[i, P_ANSWER] = begin, POSITIVE
            take_positive(out, i, buffer, begin, end)
        elif way == ANSWERS and identifier == CONTEXT | 3 and is_integer(begin, end):
            out[i, P_ANSWER_AT], out[i, P_ANSWER] = begin, POSITIVE + 1
            out[i, P_FAILURE_AT], out[i, P_FAILURE] = begin, integer(buffer, begin, end)
        else:
            out[i, P_ANOMALIES] |= O_PDU
        at = end


@kernel
def take_management(out, i, buffer, at, stop, item):
    """A GSE management PDU (annex A): its state, the service that it asks for or answers, and what it lists.

    Args:
        item: int64[1, OBJECT_COLUMNS], scratch.
    """
    out[i, P_MANAGEMENT] = at
    while at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        if begin < 0 or end > stop:
            out[i, P_ANOMALIES] |= O_PDU
            break
        if identifier == CONTEXT and is_integer(begin, end):
            out[i, P_STATE_AT], out[i, P_STATE] = begin, integer(buffer, begin, end)
        elif identifier == CONTEXT | IS_CONSTRUCTED | ASKS or identifier == CONTEXT | IS_CONSTRUCTED | ANSWERS:
            service, contents, close = read_element(buffer, begin, end)
            if contents < 0 or close != end or service & 31 > 4:
                out[i, P_ANOMALIES] |= O_PDU
            else:
                out[i, P_WAY_AT], out[i, P_WAY], out[i, P_SERVICE] = begin, identifier & 31, service & 31
                take_service(out, i, buffer, contents, close)
        else:
            out[i, P_ANOMALIES] |= O_PDU
        at = end
    out[i, P_LIST_COUNT], _, is_sound = walk_items(out, i, buffer, item, 0)
    if not is_sound:
        out[i, P_ANOMALIES] |= O_PDU
    if out[i, P_STATE_AT] < 0 or out[i, P_WAY_AT] < 0:
        out[i, P_ANOMALIES] |= O_MISSING
    if out[i, P_ANOMALIES] == 0:
        is_refusal = out[i, P_ANSWER] > POSITIVE or (out[i, P_WAY] == ANSWERS and out[i, P_SERVICE] == 0)
        out[i, P_KIND] = REQUEST if out[i, P_WAY] == ASKS else EXCEPTION if is_refusal else RESPONSE


@kernel
def sender_of(words, row, flow, application):
    """A number for a sender's address and application, in the shard of its flow."""
    value = mix(mix_word(np.int64(application), words[row, 1]), 1)
    return (value // SHARDS) * SHARDS + flow % SHARDS


@kernel
def keep_sender(senders, place, sender, key, now):
    """Takes a place for what is known of a sender."""
    senders[place, R_FLOW] = sender + 1
    senders[place, R_KEY] = key
    senders[place, R_TIME] = now


@kernel
def judge(publishers, out, i, buffer, sender, now):
    """What is odd about a message, by the latest one of its publisher's control block (18.1.2.5).

    A message that is not new changes nothing, as subscribers have it, until the time allowed to live of the latest one is over.
    """
    state, sequence = out[i, P_VALUES + C_STATE], out[i, P_VALUES + C_SEQUENCE]
    stamp, revision = out[i, P_VALUES + C_TIME], out[i, P_VALUES + C_REVISION]
    key = hash_bytes(buffer, out[i, P_STARTS + C_REFERENCE], out[i, P_STOPS + C_REFERENCE], np.int64(1))
    data = hash_bytes(buffer, out[i, P_STARTS + C_DATA], out[i, P_STOPS + C_DATA], np.int64(1))
    place = find_request(publishers, sender, key)
    odd = 0
    if is_request(publishers, place, sender, key):
        k = publishers[place]
        is_late = k[S_TTL] > 0 and now - k[R_TIME] > k[S_TTL]
        if is_late:
            odd |= O_LATE
        if revision != k[S_REVISION]:
            odd |= O_REVISION
        ahead, further = (state - k[S_STATE]) & 0xFFFFFFFF, sequence - k[S_SEQUENCE]
        is_behind = further < 1 if ahead == 0 else ahead != 1
        if state <= 1 and sequence <= 1 and is_behind and stamp > k[S_STAMP]:
            odd |= O_RESTART
        elif ahead == 0:
            if data != k[S_DATA]:
                odd |= O_DATA
            if further > 1:
                odd |= O_GAP
            elif further < 1 and not (k[S_SEQUENCE] == 0xFFFFFFFF and sequence <= 1):
                odd |= O_REPLAY
        elif ahead == 1 or (k[S_STATE] == 0xFFFFFFFF and state == 1):
            if sequence != 0:
                odd |= O_BEGIN
            if stamp < k[S_STAMP]:
                odd |= O_BACK
        elif state > k[S_STATE]:
            odd |= O_JUMP
        else:
            odd |= O_REPLAY
        out[i, P_ANOMALIES] |= odd
        if odd & O_REPLAY and not is_late:
            return
    keep_sender(publishers, place, sender, key, now)
    publishers[place, S_STATE], publishers[place, S_SEQUENCE] = state, sequence
    publishers[place, S_TTL] = min(max(out[i, P_VALUES + C_TTL], 0), 0xFFFFFFFF) * 1_000_000
    publishers[place, S_STAMP], publishers[place, S_REVISION], publishers[place, S_DATA] = stamp, revision, data


@kernel
def take_pdu(publishers, out, i, buffer, at, stop, open_stops, open_objects, objects, is_simulated, sender, now):
    """Makes row i of the PDU whose contents lie at buffer[at:stop]. sender: -1: it repeats the packet before it."""
    take_components(out, i, buffer, at, stop)
    if out[i, P_STARTS + C_DATA] >= 0:
        begin, end = out[i, P_STARTS + C_DATA], out[i, P_STOPS + C_DATA]
        entries, count, is_sound = walk_data(buffer, begin, end, 0, open_stops, open_objects, objects, 0)
        out[i, P_ALL], out[i, P_OBJECTS] = entries, count
        if not is_sound:
            out[i, P_ANOMALIES] |= O_PDU
        elif out[i, P_STARTS + C_ENTRIES] >= 0 and entries != out[i, P_VALUES + C_ENTRIES]:
            out[i, P_ANOMALIES] |= O_ENTRIES
    flag = out[i, P_STARTS + C_SIMULATION]
    if is_simulated and (flag < 0 or u8(buffer, flag) == 0):
        out[i, P_ANOMALIES] |= O_SIMULATION
    if out[i, P_ANOMALIES] & (O_PDU | O_MISSING) == 0:
        out[i, P_KIND] = REPORT
        if sender >= 0:
            judge(publishers, out, i, buffer, sender, now)


@kernel
def frame_packets(
    rows, first, cells, words, flows, times, buffer, publishers, open_stops, open_objects, objects, item, out, found
):
    """PDUs of packet rows, in their order.

    Args:
        rows: int64[n], packet rows of the protocol.
        publishers: int64[power of two, STATE_COLUMNS], what is known of control blocks.
        open_stops, open_objects, objects: as for walk_data; objects without rows.
        item: as for take_management.
        out: int64[capacity, OUT_COLUMNS].

    Returns:
        (next of rows, PDUs found): next < len(rows) asks for room in out.
    """
    for i in range(first, len(rows)):
        if found + MOST_PDUS > len(out):
            return i, found
        row = rows[i]
        start, stop = np.int64(cells[PAYLOAD_START, row]), np.int64(cells[PAYLOAD_STOP, row])
        add_row(out, found, row, start, stop)
        out[found, P_HEADER] = start
        if stop - start < HEADER:
            out[found, P_ANOMALIES] |= O_LENGTH
            found += 1
            continue
        length = start + be16(buffer, start + 2)
        sender = np.int64(-1)
        if words[row, ANOMALIES] & IS_REPEAT == np.uint64(0):
            sender = sender_of(words, row, flows[row, FLOW], be16(buffer, start))
        is_simulated = be16(buffer, start + 4) & 0x8000 != 0
        now, at, count = times[cells[PACKET, row]], start + HEADER, 0
        while at < min(length, stop) and count < MOST_PDUS:
            if count > 0:
                add_row(out, found, row, at, min(length, stop))
            count += 1
            found += 1
            identifier, begin, end = read_element(buffer, at, stop)
            if begin < 0 or (identifier != GOOSE and identifier != MANAGEMENT):
                out[found - 1, P_ANOMALIES] |= O_PDU
                at = length
                break
            if end > stop:
                out[found - 1, P_ANOMALIES] |= O_PDU
            at = min(end, stop)
            out[found - 1, P_STOP] = at
            if identifier == GOOSE:
                take_pdu(
                    publishers,
                    out,
                    found - 1,
                    buffer,
                    begin,
                    at,
                    open_stops,
                    open_objects,
                    objects,
                    is_simulated,
                    sender,
                    now,
                )
            else:
                take_management(out, found - 1, buffer, begin, at, item)
        if count == 0:
            found += 1
        if count == 0 or at != length:
            out[found - 1, P_ANOMALIES] |= O_LENGTH
    return len(rows), found


@kernel
def list_objects(pdus, buffer, open_stops, open_objects, objects):
    """Entries of the data set of every PDU, and what is in them, and items of management PDUs; how many there are. What cannot be read is left out.

    Args:
        pdus: int64[pdus, OUT_COLUMNS].
        open_stops, open_objects, objects: as for walk_data.
    """
    found = 0
    for pdu in range(len(pdus)):
        at, stop = pdus[pdu, P_STARTS + C_DATA], pdus[pdu, P_STOPS + C_DATA]
        if at >= 0:
            _, found, _ = walk_data(buffer, at, stop, pdu, open_stops, open_objects, objects, found)
        elif pdus[pdu, P_LIST] >= 0:
            _, found, _ = walk_items(pdus, pdu, buffer, objects, found)
    return found
