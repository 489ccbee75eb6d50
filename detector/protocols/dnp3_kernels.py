"""DNP3 framing, transport and messages (IEEE 1815-2012: 9 link layer, 8 transport function, 4 application).

A row is a link frame. Messages of several frames are put together behind the batch's bytes, without the checksums; the
frame that completes one has it. What is no frame is skipped up to the next header with a right checksum, and told once.
"""

from __future__ import annotations

import numpy as np

from detector import arena_kernels as arena
from detector.bytes_kernels import copy_bytes, le16, u8
from detector.flows.columns import FLOW, IS_DATAGRAM, IS_FIRST, IS_GAP, ROW, SHARDS, START, STOP, STREAM
from detector.kernel import kernel
from detector.packets.arrival_kernels import hash_bytes
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
def watch_select(state, stream, out, i, buffer, function, start, stop, ends):
    """Select before operate (4.4.4): the objects of an operate are those of the select before it, in every byte.

    Where messages are signed the signatures differ, so that nothing can be said.
    """
    is_signed = start < stop and u8(buffer, start) == SECURITY
    objects = 0 if is_signed else hash_bytes(buffer, start, stop, np.int64(1)) + 1
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
