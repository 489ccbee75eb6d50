"""DNP3 framing, transport and objects (IEEE 1815-2012: 9 link layer, 8 transport function, 4 and 11 application and objects).

A row is a link frame. Messages of several frames are put together behind the batch's bytes, without the checksums; the
frame that completes one has it. What is no frame is skipped up to the next header with a right checksum, and told once.
"""

from __future__ import annotations

from detector import arena_kernels as arena
from detector.bytes_kernels import copy_bytes, le16, le32, u8
from detector.flows.columns import FLOW, IS_DATAGRAM, IS_FIRST, IS_GAP, ROW, SHARDS, START, STOP, STREAM
from detector.hash_kernels import mix
from detector.kernel import kernel
from detector.packets.rows import PACKET
from detector.protocols.framing_kernels import (
    F_OWN,
    NUMBER_BYTES,
    OTHER,
    SPOKEN,
    UNKNOWN,
    end_chunk,
    home_of,
    is_settled,
    mode_so_far,
    open_span,
    put_number,
    server_port,
    watch_flood,
)  # fmt: skip
from detector.protocols.pairing_kernels import (
    CONFIRM,
    LINK,
    P_ANOMALIES,
    P_KIND,
    P_OWN,
    P_START,
    PART,
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

PORT = 20000
NUMBER = 1  # place among the protocols
LAST_REQUEST = 33  # of the function codes that the standard gives a meaning
SELECT, OPERATE = 3, 4
SECURITY = 120  # group of objects that sign
FIRST_BROADCAST = 65533  # addresses of all outstations, of which none answers
HEADER, BLOCK = 10, 16  # bytes of a link header with its checksum, and of a block of data without it
LONGEST = 292  # of a frame
PIECES = 64  # of a message: 2 KB are usual, which take nine
LONGEST_MESSAGE = PIECES * 249
# Stream state behind framing's own: what the stream was found to be and the flow that was found of; whether its bytes are
# skipped; the message that is not whole yet: its first block plus one, bytes, pieces, last sequence number, addresses; requests since
# the last reply; of the last select its objects' hash, 0 where none is known, and its addresses.
F_LOST, T_HEAD, T_LENGTH, T_PIECES, T_SEQUENCE, T_ENDS, F_ASKED, F_SELECTED, F_SELECT_ENDS = range(F_OWN, F_OWN + 9)
STATE_COLUMNS = F_OWN + 9
# Columns of out behind those of every protocol. Bounds of: the transport octet, a piece of a message that is not whole with it, the message, its internal
# indications, the numbers of its frames. -1: there is none.
(
    P_LINK, P_IS_PRIMARY, P_TRANSPORT, P_PIECE, P_PIECE_STOP, P_APPLICATION, P_APPLICATION_STOP, P_INDICATIONS, P_FRAMES,
    P_FRAMES_STOP, P_PIECES, P_LENGTH,
) = range(P_OWN, P_OWN + 12)  # fmt: skip
OUT_COLUMNS = P_OWN + 12
# Bits of anomalies, in the order of dnp3.ANOMALIES.
O_HEADER, O_CRC, O_LENGTH, O_TRANSPORT, O_INCOMPLETE, O_FUNCTION, O_UNSOLICITED = 1, 2, 4, 8, 16, 32, 64
O_OTHER_OBJECTS, O_FLOODED, O_NO_ROOM = 128, 256, 512
DOUBTS = O_HEADER | O_NO_ROOM
REQUEST_COLUMNS = R_OWN


@kernel
def is_checked(buffer, start, stop, table):
    """Whether the two bytes at stop are the checksum of those before (9.2.4.3)."""
    crc = 0
    for k in range(start, stop):
        crc = (crc >> 8) ^ table[(crc ^ u8(buffer, k)) & 0xFF]
    return crc ^ 0xFFFF == le16(buffer, stop)


@kernel
def is_header(buffer, start, have, table):
    """Whether bytes can be a link header's, as far as they go."""
    if u8(buffer, start) != 0x05 or (have > 1 and u8(buffer, start + 1) != 0x64):
        return False
    return have < HEADER or (u8(buffer, start + 2) >= 5 and is_checked(buffer, start, start + 8, table))


@kernel
def frame_size(buffer, start):
    """Bytes of the frame whose header begins at start, with all checksums."""
    data = u8(buffer, start + 2) - 5
    return HEADER + data + 2 * ((data + BLOCK - 1) // BLOCK)


@kernel
def drop_message(state, links, meta, pool, stream):
    """Gives up a message that is not whole; whether there was one."""
    if state[stream, T_HEAD] == 0:
        return False
    arena.free_blocks(links, meta, pool, state[stream, T_HEAD] - 1)
    state[stream, T_HEAD] = 0
    return True


@kernel
def copy_piece(out, i, buffer, used, table):
    """Copies a frame's data behind `used`, without transport octet and checksums; how much is used then, -1 where one is wrong."""
    at, left = out[i, P_START] + HEADER, u8(buffer, out[i, P_START] + 2) - 5
    skip = 1
    while left > 0:
        size = min(left, BLOCK)
        if not is_checked(buffer, at, at + size, table):
            return -1
        copy_bytes(buffer, at + skip, buffer, used, size - skip)
        used += size - skip
        skip = 0
        at += size + 2
        left -= size
    return used


@kernel
def join(state, blocks, links, meta, pool, stream, out, i, buffer, used, frame):
    """The transport function (8.2): takes the piece in buffer[P_PIECE:P_PIECE_STOP], whose end `used` is; how much is used then."""
    octet = u8(buffer, out[i, P_TRANSPORT])
    is_last, is_first, sequence = octet >> 7, (octet >> 6) & 1, octet & 63
    ends = (le16(buffer, out[i, P_LINK] + 4) << 16) | le16(buffer, out[i, P_LINK] + 6)
    piece, size = out[i, P_PIECE], out[i, P_PIECE_STOP] - out[i, P_PIECE]
    before, pieces = 0, 0
    if is_first:
        if drop_message(state, links, meta, pool, stream):
            out[i, P_ANOMALIES] |= O_INCOMPLETE
    else:
        known = state[stream, T_HEAD] > 0 and state[stream, T_ENDS] == ends
        if known and sequence == state[stream, T_SEQUENCE]:  # sent again
            return used
        if not known or sequence != (state[stream, T_SEQUENCE] + 1) & 63 or state[stream, T_PIECES] == PIECES:
            out[i, P_ANOMALIES] |= O_TRANSPORT
            drop_message(state, links, meta, pool, stream)
            return used
        before, pieces = state[stream, T_LENGTH], state[stream, T_PIECES]
    start = used
    if before:  # what is kept: the bytes so far, and the numbers of their frames behind them
        arena.load_blocks(blocks, links, state[stream, T_HEAD] - 1, before + pieces * NUMBER_BYTES, buffer, start)
        for k in range(pieces * NUMBER_BYTES - 1, -1, -1):
            buffer[start + before + size + k] = buffer[start + before + k]
        copy_bytes(buffer, piece, buffer, start + before, size)
        drop_message(state, links, meta, pool, stream)
    else:
        start = piece
    middle = start + before + size
    pieces += 1
    put_number(buffer, middle + (pieces - 1) * NUMBER_BYTES, frame)
    stop = middle + pieces * NUMBER_BYTES
    if is_last:
        out[i, P_APPLICATION], out[i, P_APPLICATION_STOP] = start, middle
        out[i, P_FRAMES], out[i, P_FRAMES_STOP] = middle, stop
        out[i, P_PIECES], out[i, P_LENGTH] = pieces, before + size
        out[i, P_PIECE] = -1
        return stop
    head = arena.store_blocks(blocks, links, meta, pool, buffer, start, stop)
    if head < 0:
        out[i, P_ANOMALIES] |= O_NO_ROOM
        return used
    state[stream, T_HEAD], state[stream, T_LENGTH], state[stream, T_PIECES] = head + 1, before + size, pieces
    state[stream, T_SEQUENCE], state[stream, T_ENDS] = sequence, ends
    return used


@kernel
def is_answered(function):
    """Whether an outstation answers a function (table 4-2): not confirmations, and not what says that it wants none."""
    return function not in (0, 6, 8, 10, 12)


@kernel
def hash_of(buffer, start, stop):
    """A hash of bytes, never 0."""
    value = stop - start
    while start + 4 <= stop:
        value = mix(value, le32(buffer, start))
        start += 4
    for at in range(start, stop):
        value = mix(value, u8(buffer, at))
    return value + 1


@kernel
def watch_select(state, stream, out, i, buffer, function, start, stop, ends):
    """Select before operate (4.4.4): the objects of an operate are those of the select before it, in every byte.

    Where messages are signed the signatures differ, so that nothing can be said.
    """
    is_signed = start < stop and u8(buffer, start) == SECURITY
    objects = 0 if is_signed else hash_of(buffer, start, stop)
    if function == SELECT:
        state[stream, F_SELECTED], state[stream, F_SELECT_ENDS] = objects, ends
    elif state[stream, F_SELECTED] and objects and state[stream, F_SELECT_ENDS] == ends:
        if objects != state[stream, F_SELECTED]:
            out[i, P_ANOMALIES] |= O_OTHER_OBJECTS


@kernel
def judge(state, stream, requests, out, i, buffer, flow, frame, now):
    """What a message is, what is odd about it, and the request that it answers."""
    start, stop = out[i, P_APPLICATION], out[i, P_APPLICATION_STOP]
    if stop - start < 2:
        out[i, P_ANOMALIES] |= O_LENGTH
        return
    function, sequence = u8(buffer, start + 1), u8(buffer, start) & 15
    destination, source = le16(buffer, out[i, P_LINK] + 4), le16(buffer, out[i, P_LINK] + 6)
    if 129 <= function <= 131:
        out[i, P_KIND] = REPORT if function == 130 else RESPONSE
        if stop - start < 4:
            out[i, P_ANOMALIES] |= O_LENGTH
        else:
            out[i, P_INDICATIONS] = start + 2
    else:
        out[i, P_KIND] = CONFIRM if function == 0 else REQUEST
        if function > LAST_REQUEST:
            out[i, P_ANOMALIES] |= O_FUNCTION
        elif function in (SELECT, OPERATE):
            watch_select(state, stream, out, i, buffer, function, start + 2, stop, (destination << 16) | source)
    if out[i, P_KIND] == REQUEST and is_answered(function) and destination < FIRST_BROADCAST:
        key = (destination << 20) | (source << 4) | sequence
        place = find_request(requests, flow, key)
        keep_request(requests, place, flow, key, frame, now, out, i)
    elif out[i, P_KIND] == RESPONSE and u8(buffer, start) & 0x80:  # the first of its fragments
        key = (source << 20) | (destination << 4) | sequence
        place = find_request(requests, flow, key)
        if is_request(requests, place, flow, key):
            join_request(requests, place, out, i)
        else:
            out[i, P_ANOMALIES] |= O_UNSOLICITED


@kernel
def take_frame(state, blocks, links, meta, pool, stream, requests, out, i, buffer, used, table, flow, frame, now):
    """Makes row i of the whole frame whose bytes it has; how much of the buffer is used then."""
    start = out[i, P_START]
    control, data = u8(buffer, start + 3), u8(buffer, start + 2) - 5
    out[i, P_KIND], out[i, P_LINK], out[i, P_IS_PRIMARY] = LINK, start, (control >> 6) & 1
    if control & 15 in (0, 9, 11):  # the link's own: acknowledge, reset, status (9.2.4.1.3)
        return used
    if data == 0:
        if out[i, P_IS_PRIMARY] and control & 15 in (3, 4):
            out[i, P_ANOMALIES] |= O_LENGTH
        return used
    out[i, P_KIND], out[i, P_TRANSPORT] = PART, start + HEADER
    end = copy_piece(out, i, buffer, used, table)
    if end < 0:
        out[i, P_ANOMALIES] |= O_CRC
        return used
    out[i, P_PIECE], out[i, P_PIECE_STOP] = used, end
    used = join(state, blocks, links, meta, pool, stream, out, i, buffer, end, frame)
    if out[i, P_APPLICATION] >= 0:
        judge(state, stream, requests, out, i, buffer, flow, frame, now)
    return used


@kernel
def mode_of(marks, chunks, i, cells, flows, buffer, start, stop, table):
    """Whether a chunk's stream speaks DNP3: on its port, or like its other direction, or as it begins with a whole header."""
    row = chunks[i, ROW]
    if server_port(cells, flows, row) == PORT:
        return SPOKEN
    mode = mode_so_far(marks, chunks, i, NUMBER, flows, start < stop)
    if mode == UNKNOWN and start < stop:
        mode = SPOKEN if stop - start >= HEADER and is_header(buffer, start, stop - start, table) else OTHER
    return mode


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
    table,
    out,
    found,
):
    """Frames of chosen chunks, in their order.

    Args:
        chosen: int64[n], ascending, the chunks of streams that speak it.  first: place in it.
        times, numbers: int64[packets], ns and frame number.
        state: int64[streams, STATE_COLUMNS].
        requests: int64[power of two, REQUEST_COLUMNS], open requests.
        table: int64[256], of the checksum.
        out: int64[capacity, OUT_COLUMNS].

    Returns:
        (next place, frames found, bytes used): next place < len(chosen) asks for room in out or buffer.
    """
    for place in range(first, len(chosen)):
        i = chosen[place]
        row, stream = chunks[i, ROW], chunks[i, STREAM]
        shard = flows[row, FLOW] % SHARDS
        size = chunks[i, STOP] - chunks[i, START] + LONGEST
        # Its own bytes, their pieces, these put together, numbers of frames; the message before, and that kept again.
        room = 4 * size + 2 * (LONGEST_MESSAGE + LONGEST + PIECES * NUMBER_BYTES)
        if found + size // HEADER + 3 > len(out) or len(buffer) - used < room:
            return place, found, used
        if chunks[i, IS_FIRST]:
            state[stream, F_ASKED] = 0
        if chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
            state[stream, F_SELECTED] = 0
        is_datagram = chunks[i, IS_DATAGRAM] != 0
        if is_datagram:
            start, stop = chunks[i, START], chunks[i, STOP]
            state[stream, F_LOST] = 0
        else:
            if chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
                drop_message(state, links, meta, shard, stream)
                state[stream, F_LOST] = 0
            start, stop, used = open_span(state, blocks, links, meta, shard, chunks, i, buffer, used)
        packet, before, begin = cells[PACKET, row], found, start
        while start < stop:
            have = stop - start
            is_whole = have >= HEADER and have >= frame_size(buffer, start)
            if not is_header(buffer, start, have, table) or (is_datagram and not is_whole):
                if not state[stream, F_LOST]:
                    add_row(out, found, row, start, start + 1, O_HEADER)
                    found += 1
                    state[stream, F_LOST] = 1
                start += 1
                continue
            if not is_whole:
                break
            state[stream, F_LOST] = 0
            end = start + frame_size(buffer, start)
            add_row(out, found, row, start, end, 0)
            used = take_frame(
                state, blocks, links, meta, shard, stream, requests, out, found, buffer, used, table, flows[row, FLOW],
                numbers[packet], times[packet],
            )  # fmt: skip
            watch_flood(state, stream, F_ASKED, out, found, O_FLOODED)
            found += 1
            start = end
        if start < stop or not is_settled(state, flows, row, stream):
            found = end_chunk(
                state, blocks, links, meta, shard, chunks, i, flows, buffer, begin, start, stop, home_of(cells, flows, row, PORT, PORT),
                out, before, found, DOUBTS, O_NO_ROOM,
            )  # fmt: skip
    return len(chosen), found, used


# Columns of objects. Bounds of: the object header, its range, an object's prefix, and the object's parts; FIRST: whether
# it is the first behind its header; CODE: group and variation, of octet strings the group alone; COUNTED: where it begins when it has no index of its own;
# INVALID: I_HEADER or I_DATA where it cannot be read on; -1: there is none.
(
    B_PDU, B_FIRST, B_HEADER, B_HEADER_STOP, B_RANGE, B_RANGE_STOP, B_RANGE_KIND, B_PREFIX, B_PREFIX_STOP, B_PREFIX_KIND,
    B_COUNTED, B_INDEX, B_FLAGS, B_FLAGS_KIND, B_VALUE, B_VALUE_STOP, B_VALUE_KIND, B_STATUS, B_TIME, B_TIME_KIND, B_NUMBER,
    B_STOP, B_CODE, B_INVALID,
) = range(24)  # fmt: skip
OBJECT_COLUMNS = 24
# Kinds of the parts, in the order of dnp3.FLAGS, VALUES and TIMES.
NO_FLAGS, STATUS_FIRST, STATUS_LAST = 0, 7, 8
(
    V_NONE, V_BIT, V_TWO_BITS, V_ANA16, V_ANA32, V_ANAF, V_ANAD, V_OUT16, V_OUT32, V_OUTF, V_OUTD, V_CNT16, V_CNT32, V_COMMANDED,
    V_CONTROL, V_DELAY, V_INTERVAL, V_OCTETS, V_FILE_READ, V_FILE_WRITE, V_FILE_APPEND, V_FILE_STATUS, V_FILE_BLOCK,
    V_FILE_BLOCK_STATUS, V_TEXT, V_U8, V_U16, V_U32, V_I8, V_I16, V_I32, V_F32, V_F64, V_ATTRIBUTE, V_EMPTY, V_UNKNOWN,
    V_AGGRESSIVE, V_KEY_REQUEST, V_CHALLENGE, V_REPLY, V_KEY_STATUS, V_KEY_CHANGE, V_AUTH_ERROR, V_MAC, V_SECURITY,
) = range(45)  # fmt: skip
T_NONE, T_ABSOLUTE, T_RELATIVE = 0, 1, 2
I_HEADER, I_DATA = 1, 2
LAYOUT_VARIATIONS, LAYOUT_GROUPS = 16, 128


@kernel
def range_of(buffer, at, stop, kind):
    """(bytes of a range field, first index, how many objects), of a qualifier's range code (4.2.2.7.3).

    How many: -I_HEADER where the field cannot be read, -I_DATA where it ends before it begins.
    """
    size = 0
    if kind <= 5:  # the first and the last index, or virtual address
        size = 2 << (kind % 3)
    elif 7 <= kind <= 9:
        size = 1 << (kind - 7)
    elif kind == 11:
        size = 1
    elif kind != 6:
        return 0, 0, -I_HEADER
    if at + size > stop:
        return 0, 0, -I_HEADER
    if kind <= 5:
        half = size // 2
        first, last = number_of(buffer, at, half), number_of(buffer, at + half, half)
        return size, first, last - first + 1 if last >= first else -I_DATA
    return size, 0, number_of(buffer, at, size) if size else 0


@kernel
def number_of(buffer, at, size):
    """A little-endian number of 1, 2 or 4 bytes."""
    return u8(buffer, at) if size == 1 else le16(buffer, at) if size == 2 else le32(buffer, at)


@kernel
def has_no_data(function):
    """Whether a function's objects are headers alone: what is read, frozen, assigned to a class, confirmed."""
    return function in (0, 1, 7, 8, 9, 10, 11, 12, 22)


@kernel
def attribute_kind(kind, length):
    """What a device attribute's value is (11.9, table of data types)."""
    if kind == 1:
        return V_TEXT
    if kind == 2 and length in (1, 2, 4):
        return V_U8 if length == 1 else V_U16 if length == 2 else V_U32
    if kind == 3 and length in (1, 2, 4):
        return V_I8 if length == 1 else V_I16 if length == 2 else V_I32
    if kind == 4 and length in (4, 8):
        return V_F32 if length == 4 else V_F64
    return V_ATTRIBUTE


@kernel
def put_value(o, buffer, at, stop, group, size, layout, sizes):
    """Says in o, the cells of an object, where its parts lie, whose first byte is at; where it ends, -1 where it cannot.

    size: of the object by its prefix, -1 where it has no such.
    """
    value = layout[1]
    if group == 0:
        if at + 2 > stop or at + 2 + u8(buffer, at + 1) > stop:
            return -1
        end = at + 2 + u8(buffer, at + 1)
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, end, attribute_kind(u8(buffer, at), end - at - 2)
        return end
    if value >= V_FILE_READ and value <= V_FILE_BLOCK_STATUS:
        end = at + size if size >= 0 else stop
        least = 26 if value == V_FILE_READ else 13 if value == V_FILE_STATUS else 8 if value == V_FILE_BLOCK else 9
        if end > stop or end - at < least:
            return -1
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, end, value
        if value == V_FILE_READ:
            mode, name = le16(buffer, at + 20), le16(buffer, at + 2)
            o[B_VALUE_KIND] = V_FILE_WRITE if mode == 2 else V_FILE_APPEND if mode == 3 else V_FILE_READ
            o[B_VALUE_STOP] = min(end, at + 26 + name)
        elif value != V_FILE_STATUS:
            o[B_NUMBER] = le32(buffer, at + 4) & 0x7FFFFFFF
        return end
    if value >= V_AGGRESSIVE:  # of these, two need no size of their own
        end = at + size if size >= 0 else at + sizes[value] if value <= V_KEY_REQUEST else -1
        if end > stop or end - at < sizes[value]:
            return -1
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, end, value
        return end
    flags, time = layout[0], layout[2]
    if flags != NO_FLAGS and flags < STATUS_FIRST:
        o[B_FLAGS], o[B_FLAGS_KIND] = at, flags
        at += 1
    elif flags == STATUS_FIRST:
        o[B_STATUS] = at
        at += 1
    if value == V_COMMANDED:
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at - 1, at, value
    elif value != V_NONE and value != V_INTERVAL:
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, at + sizes[value], value
        if value == V_CONTROL:
            o[B_STATUS] = at + 10
        at += sizes[value]
    if flags == STATUS_LAST:
        o[B_STATUS] = at
        at += 1
    if time != T_NONE:
        o[B_TIME], o[B_TIME_KIND] = at, time
        at += 6 if time == T_ABSOLUTE else 2
    if value == V_INTERVAL:
        at += sizes[value]
    return at if at <= stop else -1


@kernel
def clear_object(o, pdu, header, range_stop, is_first, code):
    """An object behind a header, of which nothing else is known yet."""
    for column in range(OBJECT_COLUMNS):
        o[column] = -1
    o[B_PDU], o[B_FIRST] = pdu, is_first
    o[B_HEADER], o[B_HEADER_STOP] = header, header + 3
    o[B_RANGE], o[B_RANGE_STOP] = header + 3, range_stop
    o[B_STOP], o[B_CODE] = range_stop, code


@kernel
def list_message(buffer, pdu, at, stop, function, layouts, sizes, objects, found):
    """The objects of one message; how many there are with it. One that cannot be ends it: nothing says where the next begins."""
    o = objects[len(objects) - 1]  # where what finds no room is put
    while at + 3 <= stop:
        group, variation, qualifier = u8(buffer, at), u8(buffer, at + 1), u8(buffer, at + 2)
        prefix, kind = (qualifier >> 4) & 7, qualifier & 15
        size, index, count = range_of(buffer, at + 3, stop, kind)
        header, at = at, at + 3 + size
        range_stop = at
        layout = layouts[0]
        if group == 0:  # attributes of the device, which say themselves what they are
            layout = layouts[1]
        elif group < LAYOUT_GROUPS and variation < LAYOUT_VARIATIONS:
            layout = layouts[group * LAYOUT_VARIATIONS + variation]
        octets = group in (110, 111, 112, 113)
        code = group << 8 if octets else (group << 8) | variation
        value = layout[1]
        if octets:  # the variation is their length
            value = V_OCTETS if variation > 0 else V_EMPTY
        has_data = not has_no_data(function) or (4 <= prefix <= 6)
        if count <= 0 or (not has_data and prefix == 0):
            if found < len(objects) - 1:
                o = objects[found]
            clear_object(o, pdu, header, range_stop, 1, code)
            o[B_RANGE_KIND] = kind
            found += 1
            if count < 0:
                o[B_INVALID] = -count
                return found
            continue
        prefix_size = 0 if prefix == 0 else 1 << ((prefix - 1) % 3)
        k = 0
        while k < count:
            o = objects[found] if found < len(objects) - 1 else objects[len(objects) - 1]
            clear_object(o, pdu, header, range_stop, 1 if k == 0 else 0, code)
            o[B_RANGE_KIND], o[B_PREFIX_KIND] = kind, prefix
            found += 1
            point, data = at, at + prefix_size
            if data > stop or prefix == 7:
                o[B_INVALID] = I_DATA
                return found
            if prefix == 0:
                o[B_COUNTED], o[B_INDEX] = at, index + k
            else:
                o[B_PREFIX], o[B_PREFIX_STOP] = at, data
                o[B_INDEX] = number_of(buffer, at, prefix_size)
            given = number_of(buffer, at, prefix_size) if prefix >= 4 else -1
            if not has_data:
                at = data
            elif value == V_EMPTY:  # such an object has no data, and so none of them is there
                at, k = data, count
            elif value == V_BIT or value == V_TWO_BITS:
                each = 8 if value == V_BIT else 4
                if prefix > 0:
                    each = 1
                if data >= stop:
                    o[B_INVALID] = I_DATA
                    return found
                bits = u8(buffer, data)
                shift = (k % each) * (8 // each if each > 1 else 0)
                o[B_NUMBER] = (bits >> shift) & (1 if value == V_BIT else 3)
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = data, data + 1, value
                if k % each == each - 1 or k == count - 1:
                    at = data + 1
            elif value == V_UNKNOWN and given < 0:
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = point, stop, value
                return found
            elif value == V_UNKNOWN:
                if data + given > stop:
                    o[B_INVALID] = I_DATA
                    return found
                at = data + given
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = data, at, value
            elif octets:
                if data + variation > stop:
                    o[B_INVALID] = I_DATA
                    return found
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = data, data + variation, value
                at = data + variation
            else:
                end = put_value(o, buffer, data, stop, group, given, layout, sizes)
                if end < 0:
                    for column in range(B_FLAGS, B_STOP):
                        o[column] = -1
                    o[B_INVALID] = I_DATA
                    return found
                at = end
            o[B_STOP] = at
            k += 1
    return found


@kernel
def list_objects(pdus, buffer, layouts, sizes, objects):
    """Objects of every message; how many there are.

    Args:
        pdus: int64[pdus, OUT_COLUMNS].
        layouts: int64[groups * variations, 3], flags, value and time of each object.
        sizes: int64[values], bytes of each kind of value.
        objects: int64[capacity, OBJECT_COLUMNS]; the last row is scratch.
    """
    found = 0
    for pdu in range(len(pdus)):
        start, stop = pdus[pdu, P_APPLICATION], pdus[pdu, P_APPLICATION_STOP]
        if start < 0 or stop - start < 2:
            continue
        function = u8(buffer, start + 1)
        at = start + 2
        if 129 <= function <= 131:
            at += 2
        elif function > LAST_REQUEST:
            continue
        found = list_message(buffer, pdu, at, stop, function, layouts, sizes, objects, found)
    return found
