"""The kernel that puts TCP payload in stream order. One row of state = one direction of a flow slot.

What is in order is passed on where it lies. A segment ahead of its turn is kept (arena) until the bytes before it come; it
is then put behind the batch and passed on with the row that filled the gap. A gap is given up when the other side
acknowledges what lies behind it (the segment was lost to the sensor, not to the receiver), or when too much waits.
Of bytes that come twice the first are kept; what is sent again is dropped.
"""

from __future__ import annotations

import numpy as np

from detector import arena_kernels as arena
from detector.flows.columns import DIRECTION, FLOW, IS_DATAGRAM, IS_FIRST, IS_GAP, ROW, SLOT, START, STOP, STREAM
from detector.kernel import kernel
from detector.packets.rows import PAYLOAD_START, PAYLOAD_STOP, SEQUENCE, TCP, TCP_FLAGS, UDP

SYN, RST, ACK = 2, 4, 16
# Columns of state.
S_FLOW, S_NEXT, S_PIECE, S_WAITING, S_COUNT = 0, 1, 2, 3, 4
UNKNOWN = -1
# Columns of pieces.
P_SEQ, P_LENGTH, P_BYTES, P_NEXT = 0, 1, 2, 3
# counts: first free piece, repeated bytes, gaps, segments refused for want of room.
C_FREE, C_REPEATED, C_GAPS, C_REFUSED = 0, 1, 2, 3
MOST_WAITING = 128  # segments of a stream
FURTHEST = 1 << 26  # a sequence number further ahead belongs to nothing that was sent lately


@kernel
def ahead(sequence, reference):
    """How far a sequence number is ahead of another, in arithmetic modulo 2**32."""
    distance = (sequence - reference) & 0xFFFFFFFF
    return distance - 0x100000000 if distance & 0x80000000 else distance


@kernel
def forget(state, pieces, blocks, links, meta, counts, stream):
    """Gives up what waits in a stream."""
    piece = state[stream, S_PIECE]
    while piece >= 0:
        following = pieces[piece, P_NEXT]
        arena.free_blocks(links, meta, pieces[piece, P_BYTES])
        pieces[piece, P_NEXT] = counts[C_FREE]
        counts[C_FREE] = piece
        piece = following
    state[stream, S_PIECE] = -1
    state[stream, S_WAITING] = 0
    state[stream, S_COUNT] = 0


@kernel
def keep(state, pieces, blocks, links, meta, counts, stream, sequence, buffer, start, stop):
    """Keeps a segment that is ahead of its turn; whether there was room."""
    piece = counts[C_FREE]
    if piece < 0 or state[stream, S_COUNT] >= MOST_WAITING:
        return False
    head = arena.store_blocks(blocks, links, meta, buffer, start, stop)
    if head < 0:
        return False
    counts[C_FREE] = pieces[piece, P_NEXT]
    pieces[piece, P_SEQ] = sequence
    pieces[piece, P_LENGTH] = stop - start
    pieces[piece, P_BYTES] = head
    pieces[piece, P_NEXT] = state[stream, S_PIECE]
    state[stream, S_PIECE] = piece
    state[stream, S_WAITING] += stop - start
    state[stream, S_COUNT] += 1
    return True


@kernel
def emit(out, found, row, stream, start, stop, is_first, is_gap, is_datagram):
    """One chunk."""
    out[found, ROW] = row
    out[found, STREAM] = stream
    out[found, START] = start
    out[found, STOP] = stop
    out[found, IS_FIRST] = is_first
    out[found, IS_GAP] = is_gap
    out[found, IS_DATAGRAM] = is_datagram
    return found + 1


@kernel
def drain(state, pieces, blocks, links, meta, counts, stream, row, buffer, used, out, found, is_gap):
    """Passes on what waited and is in turn now; (chunks found, bytes used)."""
    is_moved = True
    while is_moved and state[stream, S_PIECE] >= 0:
        is_moved = False
        before, piece = -1, state[stream, S_PIECE]
        while piece >= 0:
            following = pieces[piece, P_NEXT]
            distance, length = ahead(pieces[piece, P_SEQ], state[stream, S_NEXT]), pieces[piece, P_LENGTH]
            if distance <= 0:
                if length + distance > 0:
                    arena.load_blocks(blocks, links, pieces[piece, P_BYTES], length, buffer, used)
                    found = emit(out, found, row, stream, used - distance, used + length, 0, is_gap, 0)
                    is_gap = 0
                    used += length
                    state[stream, S_NEXT] = (state[stream, S_NEXT] + length + distance) & 0xFFFFFFFF
                    is_moved = True
                else:
                    counts[C_REPEATED] += length
                arena.free_blocks(links, meta, pieces[piece, P_BYTES])
                state[stream, S_WAITING] -= length
                state[stream, S_COUNT] -= 1
                if before < 0:
                    state[stream, S_PIECE] = following
                else:
                    pieces[before, P_NEXT] = following
                pieces[piece, P_NEXT] = counts[C_FREE]
                counts[C_FREE] = piece
            else:
                before = piece
            piece = following
    return found, used


@kernel
def skip_gap(state, pieces, blocks, links, meta, counts, stream, row, buffer, used, out, found):
    """Gives up the bytes before the first segment that waits, and passes that on."""
    piece = state[stream, S_PIECE]
    nearest = ahead(pieces[piece, P_SEQ], state[stream, S_NEXT])
    while piece >= 0:
        nearest = min(nearest, ahead(pieces[piece, P_SEQ], state[stream, S_NEXT]))
        piece = pieces[piece, P_NEXT]
    state[stream, S_NEXT] = (state[stream, S_NEXT] + nearest) & 0xFFFFFFFF
    counts[C_GAPS] += 1
    return drain(state, pieces, blocks, links, meta, counts, stream, row, buffer, used, out, found, 1)


@kernel
def follow_streams(
    cells, words, flows, buffer, used, first, state, pieces, blocks, links, meta, counts, limit, out, found
):
    """Chunks of all rows, in their order.

    Args:
        flows: int64[rows, 13], FlowColumns.cells.
        state: int64[2 * slots, 5].
        limit: bytes that may wait in one stream.
        out: int64[capacity, 7], columns Chunk.

    Returns:
        (next row, chunks found, bytes used): next row < len(cells) asks for room in out or buffer.
    """
    for row in range(first, len(cells)):
        slot = flows[row, SLOT]
        if slot < 0:
            continue
        start, stop = np.int64(cells[row, PAYLOAD_START]), np.int64(cells[row, PAYLOAD_STOP])
        if cells[row, TCP] < 0:
            if cells[row, UDP] >= 0 and stop > start:
                if found == len(out):
                    return row, found, used
                found = emit(out, found, row, 2 * slot + flows[row, DIRECTION], start, stop, 0, 0, 1)
            continue
        flags = np.int64(cells[row, TCP_FLAGS])
        stream = 2 * slot + flows[row, DIRECTION]
        other = stream ^ 1
        if (
            found + 2 * MOST_WAITING + 4 > len(out)
            or len(buffer) - used < state[stream, S_WAITING] + state[other, S_WAITING]
        ):
            return row, found, used
        number = flows[row, FLOW] + 1  # 0 is a state that was never used
        if state[stream, S_FLOW] != number:
            if state[stream, S_FLOW]:
                forget(state, pieces, blocks, links, meta, counts, stream)
            state[stream, S_PIECE] = -1
            state[stream, S_FLOW] = number
            state[stream, S_NEXT] = UNKNOWN
        sequence = np.int64(words[row, SEQUENCE] >> np.uint64(32))
        if flags & SYN:
            sequence = (sequence + 1) & 0xFFFFFFFF
            if state[stream, S_NEXT] == UNKNOWN and stop == start:
                state[stream, S_NEXT] = sequence | 0x200000000  # known, and nothing was passed on yet
        if flags & ACK and state[other, S_FLOW] == number and state[other, S_PIECE] >= 0:
            acknowledged = np.int64(words[row, SEQUENCE] & np.uint64(0xFFFFFFFF))
            if ahead(acknowledged, state[other, S_NEXT]) > 0:
                found, used = skip_gap(state, pieces, blocks, links, meta, counts, other, row, buffer, used, out, found)
        if stop <= start or flags & RST:
            continue
        is_first = 0
        if state[stream, S_NEXT] == UNKNOWN:
            is_first = 1
            state[stream, S_NEXT] = sequence
        elif state[stream, S_NEXT] & 0x200000000:
            is_first = 1
            state[stream, S_NEXT] &= 0xFFFFFFFF
        distance = ahead(sequence, state[stream, S_NEXT])
        length = stop - start
        if distance > 0:
            if is_first:  # the bytes after the handshake were not captured
                found = emit(out, found, row, stream, start, start, 1, 0, 0)
            if distance > FURTHEST or not keep(
                state, pieces, blocks, links, meta, counts, stream, sequence, buffer, start, stop
            ):
                counts[C_REFUSED] += 1
            elif state[stream, S_WAITING] > limit or state[stream, S_COUNT] == MOST_WAITING:
                found, used = skip_gap(
                    state, pieces, blocks, links, meta, counts, stream, row, buffer, used, out, found
                )
            continue
        if length + distance <= 0:
            counts[C_REPEATED] += length
            continue
        counts[C_REPEATED] -= distance
        found = emit(out, found, row, stream, start - distance, stop, is_first, 0, 0)
        state[stream, S_NEXT] = (sequence + length) & 0xFFFFFFFF
        if state[stream, S_PIECE] >= 0:
            found, used = drain(state, pieces, blocks, links, meta, counts, stream, row, buffer, used, out, found, 0)
    return len(cells), found, used
