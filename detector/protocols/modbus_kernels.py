"""Modbus/TCP framing, pairing and objects (MODBUS Messaging on TCP/IP 1.0b, MODBUS Application Protocol V1.1b3).

Three outcomes at the front of a stream's bytes: a PDU, not yet, malformed. What is malformed becomes a row, so that a rule
can ask for it, and framing begins anew with the next segment.
"""

from __future__ import annotations

from detector.bytes_kernels import be16, be32, u8
from detector.flows.columns import DIRECTION, FLOW, IS_DATAGRAM, IS_FIRST, ROW, SHARDS, START, STOP, STREAM
from detector.kernel import kernel
from detector.packets.rows import DESTINATION_PORT, PACKET, SOURCE_PORT
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
    watch_flood,
)  # fmt: skip
from detector.protocols.pairing_kernels import (
    EXCEPTION,
    MALFORMED,
    P_ANOMALIES,
    P_KIND,
    P_OWN,
    P_PLACE,
    P_REQUEST_FRAME,
    P_ROW,
    P_START,
    P_STOP,
    R_OWN,
    R_TIME,
    REQUEST,
    RESPONSE,
    find_request,
    is_request,
    join_request,
    keep_request,
)  # fmt: skip

PORT = 502
NUMBER = 0  # place among the protocols
FIRST_OWN_IDENTITY = 7  # identity objects that the specification names are texts; others may hold anything
HEADER = 7  # the MBAP header
SHORTEST, LONGEST = 2, 254  # of its length field: unit id and function code; the specification's 260 bytes less six
UNITY, LONGEST_UNITY = (
    90,
    1100,
)  # Schneider's controllers send longer PDUs of their own function than the standard allows
# Stream state behind framing's own: requests since the last reply.
F_ASKED = F_OWN
STATE_COLUMNS = F_OWN + 1
# Columns of out behind those of every protocol.
# P_WHAT, P_SUB: places in modbus.WHATS and modbus.SUBS, -1 for none.
P_FUNCTION, P_REQUEST_NS, P_REFERENCE, P_QUANTITY, P_WHAT, P_SUB = range(P_OWN, P_OWN + 6)
OUT_COLUMNS = P_OWN + 6
MOST_FUNCTIONS, MOST_CODES = 128, 64
# Bits of anomalies, in the order of modbus.ANOMALIES.
O_PROTOCOL, O_LENGTH, O_FUNCTION, O_VALUE, O_EXCEPTION, O_UNSOLICITED, O_MISMATCH, O_FLOODED, O_NO_ROOM = (
    1,
    2,
    4,
    8,
    16,
    32,
    64,
    128,
    256,
)
DOUBTS = O_PROTOCOL | O_LENGTH | O_FUNCTION | O_VALUE | O_EXCEPTION | O_NO_ROOM
# Columns of requests behind pairing's own.
R_REFERENCE, R_QUANTITY = R_OWN, R_OWN + 1


@kernel
def body_length(buffer, at, stop, function, is_request):
    """How long a PDU's body behind the function code should be, by its own bytes; -1 where that cannot be said."""
    have = stop - at
    if is_request:
        if function in (1, 2, 3, 4, 5, 6):
            return 4
        if function in (7, 11, 12, 17):
            return 0
        if function == 15 or function == 16:
            return 5 + u8(buffer, at + 4) if have >= 5 else 5
        if function in (20, 21):
            return 1 + u8(buffer, at) if have >= 1 else 1
        if function == 22:
            return 6
        if function == 23:
            return 9 + u8(buffer, at + 8) if have >= 9 else 9
        if function == 24:
            return 2
        return -1
    if function in (1, 2, 3, 4, 12, 17, 20, 21, 23):
        return 1 + u8(buffer, at) if have >= 1 else 1
    if function in (5, 6, 11, 15, 16):
        return 4
    if function == 7:
        return 1
    if function == 22:
        return 6
    if function == 24:
        return 2 + be16(buffer, at) if have >= 2 else 2
    return -1


@kernel
def has_bad_value(buffer, at, stop, function):
    """Quantities and values of a request outside what the specification allows (clause 6 of each function)."""
    if function in (1, 2, 3, 4, 15, 16) and stop - at >= 4:
        quantity = be16(buffer, at + 2)
        most = 2000 if function <= 2 else 125 if function <= 4 else 1968 if function == 15 else 123
        if quantity < 1 or quantity > most:
            return True
        if function == 15 and stop - at >= 5:
            return u8(buffer, at + 4) != (quantity + 7) // 8
        if function == 16 and stop - at >= 5:
            return u8(buffer, at + 4) != 2 * quantity
        return False
    if function == 5 and stop - at >= 4:
        return be16(buffer, at + 2) not in (0x0000, 0xFF00)
    if function == 23 and stop - at >= 9:
        read, write = be16(buffer, at + 2), be16(buffer, at + 6)
        return read < 1 or read > 125 or write < 1 or write > 121 or u8(buffer, at + 8) != 2 * write
    return False


@kernel
def has_bad_length(buffer, start, stop):
    """Whether the MBAP header at `start` has a length that no PDU has; not as long as that cannot be said."""
    length = be16(buffer, start + 4)
    if length <= LONGEST or stop - start < 8:
        return length < SHORTEST
    return length > LONGEST_UNITY or u8(buffer, start + 7) & 0x7F != UNITY


@kernel
def is_public(function):
    """Whether a function code is one that the specification defines."""
    return 1 <= function <= 8 or function in (11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43)


@kernel
def is_strict(buffer, start, stop, is_request):
    """Whether a chunk is one or more whole PDUs whose every length and quantity fits: Modbus on a port of its own choice.

    The shortest request fixes 16 bits of protocol id, 16 of length, and the function code's seven with what must follow;
    random bytes pass in less than one of 2**36 segments.
    """
    if stop <= start:
        return False
    while start < stop:
        if stop - start < 8 or be16(buffer, start + 2) != 0:
            return False
        length = be16(buffer, start + 4)
        if length < SHORTEST or length > LONGEST or start + 6 + length > stop:
            return False
        function, at, end = u8(buffer, start + 7), start + 8, start + 6 + length
        if function & 0x80:
            if is_request or length != 3 or not is_public(function & 0x7F) or not 1 <= u8(buffer, at) <= 11:
                return False
        elif (
            not is_public(function)
            or body_length(buffer, at, end, function, is_request) != end - at
            or (is_request and has_bad_value(buffer, at, end, function))
        ):
            return False
        start = end
    return True


@kernel
def judge(buffer, start, stop, kind, function):
    """Anomaly bits of a whole PDU."""
    odd = 0
    if kind == EXCEPTION:
        if stop - start != HEADER + 2:
            odd |= O_LENGTH
        elif not 1 <= u8(buffer, start + 8) <= 11 or u8(buffer, start + 8) == 9:
            odd |= O_EXCEPTION
        return odd
    if not (is_public(function) or 65 <= function <= 72 or 100 <= function <= 110 or function == 90):
        odd |= O_FUNCTION
    expected = body_length(buffer, start + 8, stop, function, kind == REQUEST)
    if expected >= 0 and expected != stop - start - 8:
        odd |= O_LENGTH
    if kind == REQUEST and has_bad_value(buffer, start + 8, stop, function):
        odd |= O_VALUE
    return odd


@kernel
def pair(requests, out, i, buffer, flow, frame, now):
    """Remembers a request; joins a reply with its request."""
    start, stop, function = out[i, P_START], out[i, P_STOP], out[i, P_FUNCTION]
    key = (be16(buffer, start) << 16) | (u8(buffer, start + 6) << 8) | function
    place = find_request(requests, flow, key)
    if out[i, P_KIND] == REQUEST:
        keep_request(requests, place, flow, key, frame, now, out, i)
        requests[place, R_REFERENCE] = be16(buffer, start + 8) if stop - start >= 10 else -1
        requests[place, R_QUANTITY] = be16(buffer, start + 10) if stop - start >= 12 else -1
        return
    if not is_request(requests, place, flow, key):
        out[i, P_ANOMALIES] |= O_UNSOLICITED
        return
    join_request(requests, place, out, i)
    out[i, P_REQUEST_NS] = requests[place, R_TIME]
    out[i, P_REFERENCE] = requests[place, R_REFERENCE]
    out[i, P_QUANTITY] = requests[place, R_QUANTITY]
    if out[i, P_KIND] == RESPONSE and function in (5, 6, 15, 16) and stop - start >= 12:
        if (
            be16(buffer, start + 8) != requests[place, R_REFERENCE]
            or be16(buffer, start + 10) != requests[place, R_QUANTITY]
        ):
            out[i, P_ANOMALIES] |= O_MISMATCH


@kernel
def add_row(out, found, row, start, stop, odd, direction, buffer):
    """A row for the bytes of a PDU, or of what should have been one."""
    function = u8(buffer, start + 7) if stop - start >= 8 else 0
    out[found, P_ROW] = row
    out[found, P_START] = start
    out[found, P_STOP] = stop
    out[found, P_WHAT] = out[found, P_SUB] = -1
    if odd:  # no PDU: its bytes mean nothing
        out[found, P_KIND], out[found, P_FUNCTION] = MALFORMED, -1
    else:
        kind = EXCEPTION if function & 0x80 else REQUEST if direction == 0 else RESPONSE
        out[found, P_KIND], out[found, P_FUNCTION] = kind, function & 0x7F
        out[found, P_WHAT] = kind * MOST_FUNCTIONS + (function & 0x7F)
        if function == 8 and stop - start >= 10:
            out[found, P_SUB] = kind * MOST_CODES + min(be16(buffer, start + 8), MOST_CODES - 1)
        elif function == 43 and stop - start >= 9:
            out[found, P_SUB] = (2 + kind) * MOST_CODES + min(u8(buffer, start + 8), MOST_CODES - 1)
    out[found, P_REQUEST_FRAME] = -1
    out[found, P_PLACE] = -1
    out[found, P_REQUEST_NS] = -1
    out[found, P_REFERENCE] = -1
    out[found, P_QUANTITY] = -1
    out[found, P_ANOMALIES] = odd


@kernel
def mode_of(marks, chunks, i, cells, flows, buffer, start, stop):
    """Whether a chunk's stream speaks Modbus: on port 502, or like its other direction, or by its own consistency."""
    row = chunks[i, ROW]
    if cells[SOURCE_PORT, row] == PORT or cells[DESTINATION_PORT, row] == PORT:  # no client has it by chance
        return SPOKEN
    if chunks[i, IS_DATAGRAM]:
        return OTHER
    mode = mode_so_far(marks, chunks, i, NUMBER, flows, start < stop)
    if mode == UNKNOWN and start < stop:
        mode = SPOKEN if is_strict(buffer, start, stop, flows[row, DIRECTION] == 0) else OTHER
    return mode


@kernel
def frame_chunks(
    chunks, chosen, first, cells, flows, times, numbers, buffer, used, state, blocks, links, meta, requests, out, found
):
    """PDUs of chosen chunks, in their order.

    Args:
        chosen: int64[n], ascending, the chunks of streams that speak it.  first: place in it.
        times, numbers: int64[packets], ns and frame number.
        state: int64[streams, STATE_COLUMNS].
        requests: int64[power of two, 6], open requests; one that is pushed out by another goes unpaired.
        out: int64[capacity, OUT_COLUMNS].

    Returns:
        (next place, PDUs found, bytes used): next place < len(chosen) asks for room in out or buffer.
    """
    for place in range(first, len(chosen)):
        i = chosen[place]
        row, stream = chunks[i, ROW], chunks[i, STREAM]
        shard = flows[row, FLOW] % SHARDS
        size = chunks[i, STOP] - chunks[i, START]
        if found + size // 8 + 3 > len(out) or len(buffer) - used < size + LONGEST_UNITY + 6:
            return place, found, used
        if chunks[i, IS_FIRST]:
            state[stream, F_ASKED] = 0
        is_datagram = chunks[i, IS_DATAGRAM] != 0
        if is_datagram:
            start, stop = chunks[i, START], chunks[i, STOP]
        else:
            start, stop, used = open_span(state, blocks, links, meta, shard, chunks, i, buffer, used)
        before, begin = found, start
        direction, packet = flows[row, DIRECTION], cells[PACKET, row]
        while start < stop:
            have = stop - start
            odd = 0
            if have >= 4 and be16(buffer, start + 2) != 0:
                odd = O_PROTOCOL
            elif have >= 6 and has_bad_length(buffer, start, stop):
                odd = O_LENGTH
            if odd or (is_datagram and (have < 8 or have < 6 + be16(buffer, start + 4))):
                add_row(out, found, row, start, stop, odd if odd else O_LENGTH, direction, buffer)
                found += 1
                start = stop
                break
            if have < 8 or have < 6 + be16(buffer, start + 4):
                break
            end = start + 6 + be16(buffer, start + 4)
            add_row(out, found, row, start, end, 0, direction, buffer)
            out[found, P_ANOMALIES] = judge(buffer, start, end, out[found, P_KIND], out[found, P_FUNCTION])
            pair(requests, out, found, buffer, flows[row, FLOW], numbers[packet], times[packet])
            watch_flood(state, stream, F_ASKED, out, found, O_FLOODED)
            found += 1
            start = end
        if start < stop or not is_settled(state, flows, row, stream):
            found = end_chunk(
                state, blocks, links, meta, shard, chunks, i, flows, buffer, begin, start, stop, home_of(cells, flows, row, PORT, PORT),
                out, before, found, DOUBTS, O_NO_ROOM,
            )  # fmt: skip
    return len(chosen), found, used


# Kinds of object, and columns of objects.
BIT, REGISTER, IDENTITY, RECORD, ASKED_IDENTITY, OWN_IDENTITY, RECORD_REPLY, EVENT, EVENT_RECEIVED, EVENT_SENT = range(
    10
)
B_PDU, B_KIND, B_NUMBER, B_VALUE, B_START, B_STOP = 0, 1, 2, 3, 4, 5


@kernel
def put_object(objects, found, pdu, kind, number, value, start, stop):
    """One object, where there is room; they are counted in any case."""
    if found < len(objects):
        objects[found, B_PDU] = pdu
        objects[found, B_KIND] = kind
        objects[found, B_NUMBER] = number
        objects[found, B_VALUE] = value
        objects[found, B_START] = start
        objects[found, B_STOP] = stop
    return found + 1


@kernel
def list_objects(pdus, buffer, objects):
    """Registers, coils and identity objects of every PDU, each with its number and value; how many there are.

    Args:
        pdus: int64[pdus, OUT_COLUMNS].
        objects: int64[capacity, 6]: PDU, kind, number (-1: the request was not seen), value, start, stop.
    """
    found = 0
    for pdu in range(len(pdus)):
        start, stop = pdus[pdu, P_START], pdus[pdu, P_STOP]
        kind, function = pdus[pdu, P_KIND], pdus[pdu, P_FUNCTION]
        at, have = start + 8, stop - start - 8
        if kind == EXCEPTION or have < 1:
            continue
        is_request = kind == REQUEST
        number, quantity, end = pdus[pdu, P_REFERENCE], pdus[pdu, P_QUANTITY], at
        what = REGISTER
        if function == 15 and is_request and have >= 5:
            number, quantity, what, at = be16(buffer, at), be16(buffer, at + 2), BIT, at + 5
            end = min(stop, at + u8(buffer, at - 1))
        elif function == 16 and is_request and have >= 5:
            number, at = be16(buffer, at), at + 5
            end = min(stop, at + u8(buffer, at - 1))
        elif function == 6 and have >= 4:
            number, at = be16(buffer, at), at + 2
            end = at + 2
        elif function == 23 and is_request and have >= 9:
            number, at = be16(buffer, at + 4), at + 9
            end = min(stop, at + u8(buffer, at - 1))
        elif function in (1, 2) and not is_request:
            what, at = BIT, at + 1
            end = min(stop, at + u8(buffer, at - 1))
            if quantity < 0:
                quantity = 8 * (end - at)
        elif function in (3, 4, 23) and not is_request:
            at += 1
            end = min(stop, at + u8(buffer, at - 1))
        elif function == 43 and is_request and have >= 3 and u8(buffer, at) == 14:
            found = put_object(objects, found, pdu, ASKED_IDENTITY, u8(buffer, at + 2), 0, at, at)
            continue
        elif function == 43 and not is_request and have >= 6 and u8(buffer, at) == 14:
            count, at = u8(buffer, at + 5), at + 6
            while count > 0 and at + 2 <= stop and at + 2 + u8(buffer, at + 1) <= stop:
                length = u8(buffer, at + 1)
                number = u8(buffer, at)
                what = IDENTITY if number < FIRST_OWN_IDENTITY else OWN_IDENTITY
                found = put_object(objects, found, pdu, what, number, length, at + 2, at + 2 + length)
                at += 2 + length
                count -= 1
            continue
        elif function in (20, 21) and (is_request or function == 21):
            end = min(stop, at + 1 + u8(buffer, at))
            at += 1
            while at + 7 <= end:
                size = 7 + (2 * be16(buffer, at + 5) if function == 21 else 0)
                found = put_object(
                    objects, found, pdu, RECORD, be32(buffer, at + 1), be16(buffer, at + 5), at, min(end, at + size)
                )
                at += size
            continue
        elif function == 20:
            end = min(stop, at + 1 + u8(buffer, at))
            at += 1
            while at + 2 <= end:
                size = max(2, 1 + u8(buffer, at))
                found = put_object(objects, found, pdu, RECORD_REPLY, -1, size, at, min(end, at + size))
                at += size
            continue
        elif function == 12 and not is_request:
            for event in range(at + 7, min(stop, at + 1 + u8(buffer, at))):
                value = u8(buffer, event)
                what = EVENT_RECEIVED if value & 0x80 else EVENT_SENT if value & 0x40 else EVENT
                found = put_object(objects, found, pdu, what, event - at - 7, value, event, event + 1)
            continue
        if what == BIT:
            for k in range(min(quantity, 8 * (end - at))):
                value = (u8(buffer, at + (k >> 3)) >> (k & 7)) & 1
                found = put_object(
                    objects, found, pdu, BIT, number + k if number >= 0 else k, value, at + (k >> 3), at + (k >> 3) + 1
                )
        else:
            for k in range((end - at) // 2):
                word = at + 2 * k
                found = put_object(
                    objects, found, pdu, REGISTER, number + k if number >= 0 else k, be16(buffer, word), word, word + 2
                )
    return found
