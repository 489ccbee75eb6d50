"""Kernels for windows of TCP streams: a chunk with the bytes that stand right before it.

Nothing is copied that lies in the batch: a window knows the window before it in its stream. Of earlier batches the last
bytes of a stream lie in its *tail*, a ring in which the byte at position p of the stream stands at p modulo the ring's
size (a power of two). It is written when the batch is done with, only with what is new; until then it holds what it held at the
batch's beginning, also where another stream has already been given its place.

Who has a tail is settled chunk by chunk, so that the size of a batch changes nothing: each shard of flows has its part of
the tails, and gives the next one that was not used since the shard's hand last passed it.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import copy_bytes
from detector.errors import PacketAnomaly
from detector.flows.columns import (
    BASE,
    IS_DATAGRAM,
    IS_FIRST,
    IS_GAP,
    IS_LATE,
    POSITION,
    R_POSITION,
    R_ROW,
    R_START,
    R_STOP,
    R_STREAM,
    ROW,
    SHARDS,
    START,
    STOP,
    STREAM,
    W_BASE,
    W_IS_LATE,
    W_KEPT,
    W_POSITION,
    W_PREVIOUS,
    W_ROW,
    W_START,
    W_STOP,
    W_STREAM,
    W_TAIL,
)
from detector.kernel import kernel
from detector.packets.rows import ANOMALIES

# Columns of state: the stream's tail plus one, bytes known before the next chunk, the stream's last window in this batch
# plus one; 0 is none. And the position behind the last chunk.
T_TAIL, T_KNOWN, T_WINDOW, T_END = 0, 1, 2, 3
DIFFERENT = int(PacketAnomaly.STREAM_OVERLAP_DIFFERENT_DATA)
# Tails.owners: 2 * (stream + 1), plus 1 where the tail was used since the hand passed; 0 is free.


@kernel
def take_tail(tails, stream):
    """A tail for a stream, from another one of the shard if need be; its number."""
    per_shard = len(tails.owners) // SHARDS
    shard = stream // (len(tails.state) // SHARDS)
    while True:
        tail = shard * per_shard + tails.hands[shard]
        tails.hands[shard] = (tails.hands[shard] + 1) % per_shard
        owner = tails.owners[tail]
        if owner & 1:
            tails.owners[tail] = owner - 1
            continue
        if owner:
            tails.state[(owner >> 1) - 1, T_TAIL] = 0
            tails.state[(owner >> 1) - 1, T_KNOWN] = 0
            tails.counts[0] += 1
        return tail


@kernel
def copy_from_ring(tails, tail, position, buffer, at, length):
    """buffer[at : at + length] = the bytes that a tail has from a position of its stream on; not more than its size."""
    rings, size = tails.rings, tails.size
    place = position & (size - 1)
    first = min(length, size - place)
    copy_bytes(rings, tail * size + place, buffer, at, first)
    copy_bytes(rings, tail * size, buffer, at + first, length - first)


@kernel
def copy_to_ring(tails, tail, position, buffer, at, length):
    """The other way round."""
    rings, size = tails.rings, tails.size
    place = position & (size - 1)
    first = min(length, size - place)
    copy_bytes(buffer, at, rings, tail * size + place, first)
    copy_bytes(buffer, at + first, rings, tail * size, length - first)


@kernel
def copy_before(cells, tails, buffer, window, length, target, at):
    """Copies the last `length` bytes before a window's chunk, so that they end at target[at]."""
    previous = cells[window, W_PREVIOUS]
    while length > 0 and previous >= 0:
        stop = cells[previous, W_STOP]
        here = min(length, stop - cells[previous, W_START])
        at -= here
        copy_bytes(buffer, stop - here, target, at, here)
        length -= here
        window = previous
        previous = cells[window, W_PREVIOUS]
    if length > 0:
        copy_from_ring(tails, cells[window, W_KEPT], cells[window, W_POSITION] - length, target, at - length, length)


@kernel
def is_different(windows, tails, buffer, stream, position, start, stop):
    """Whether buffer[start:stop] differs from the stream's bytes from a position on, as far as they are known."""
    state, rings, mask = tails.state, tails.rings, tails.size - 1
    least = state[stream, T_END] - state[stream, T_KNOWN]
    upto, shift = min(position + stop - start, state[stream, T_END]), start - position
    window = state[stream, T_WINDOW] - 1
    while window >= 0 and upto > max(position, least):
        began = windows[window, W_POSITION]
        here = windows[window, W_START] - began
        for p in range(max(began, position, least), upto):
            if buffer[here + p] != buffer[shift + p]:
                return True
        upto = min(upto, began)
        window = windows[window, W_PREVIOUS]
    tail = state[stream, T_TAIL] - 1
    at = max(position, least)
    while at < upto and rings[tail * tails.size + (at & mask)] == buffer[shift + at]:
        at += 1
    return at < upto


@kernel
def compare_repeats(repeats, first, row, windows, tails, words, buffer):
    """Marks rows up to `row` whose repeated bytes differ from what their streams had there; the next repeat."""
    bit = np.uint64(1) << np.uint64(DIFFERENT & 63)
    while first < len(repeats) and repeats[first, R_ROW] <= row:
        at, start, stop = repeats[first, R_ROW], repeats[first, R_START], repeats[first, R_STOP]
        if words[at, ANOMALIES + (DIFFERENT >> 6)] & bit == 0 and is_different(
            windows, tails, buffer, repeats[first, R_STREAM], repeats[first, R_POSITION], start, stop
        ):
            words[at, ANOMALIES + (DIFFERENT >> 6)] |= bit
            tails.counts[1] += 1
        first += 1
    return first


@kernel
def follow_windows(chunks, repeats, words, buffer, tails, out):
    """Windows of all TCP chunks, in their order; how many. Marks rows whose repeated bytes differ from the first.

    Args:
        chunks: int64[chunks, 10], columns Chunk.
        repeats: int64[repeats, 5], columns Repeat.
        tails: windows.Tails.
        out: int64[chunks, 10], columns Window.
    """
    state, owners, size = tails.state, tails.owners, tails.size
    found, repeat = 0, 0
    for chunk in range(len(chunks)):
        if chunks[chunk, IS_DATAGRAM]:
            continue
        if repeat < len(repeats) and repeats[repeat, R_ROW] <= chunks[chunk, ROW]:
            repeat = compare_repeats(repeats, repeat, chunks[chunk, ROW], out, tails, words, buffer)
        stream = chunks[chunk, STREAM]
        tail = state[stream, T_TAIL] - 1
        if tail < 0:
            tail = take_tail(tails, stream)
            state[stream, T_TAIL] = tail + 1
        owners[tail] = 2 * (stream + 1) + 1
        if chunks[chunk, IS_FIRST] or chunks[chunk, IS_GAP]:
            state[stream, T_KNOWN] = 0
        known, previous = state[stream, T_KNOWN], state[stream, T_WINDOW] - 1
        out[found, W_ROW] = chunks[chunk, ROW]
        out[found, W_STREAM] = stream
        out[found, W_START] = chunks[chunk, START]
        out[found, W_STOP] = chunks[chunk, STOP]
        out[found, W_POSITION] = chunks[chunk, POSITION]
        out[found, W_PREVIOUS] = previous if known else -1
        out[found, W_TAIL] = known
        out[found, W_KEPT] = tail
        out[found, W_BASE] = chunks[chunk, BASE]
        out[found, W_IS_LATE] = chunks[chunk, IS_LATE]
        state[stream, T_KNOWN] = min(size, known + chunks[chunk, STOP] - chunks[chunk, START])
        found += 1
        state[stream, T_WINDOW] = found
        state[stream, T_END] = chunks[chunk, POSITION] + chunks[chunk, STOP] - chunks[chunk, START]
    compare_repeats(repeats, repeat, len(words), out, tails, words, buffer)
    return found


@kernel
def room_for(cells, rows, spans):
    """Bytes that copy_windows needs for windows."""
    room = np.int64(0)
    for k in range(len(rows)):
        row = rows[k]
        if spans[row, 0] < 0 and cells[row, W_TAIL]:
            room += cells[row, W_TAIL] + cells[row, W_STOP] - cells[row, W_START]
    return room


@kernel
def copy_windows(cells, tails, buffer, used, rows, spans, out):
    """Makes windows contiguous behind the batch, each once; bytes used.

    Args:
        rows: int64[n], windows.
        spans: int64[windows, 2], where windows were put so far, -1 for nowhere.
        out: int64[n, 2], where each of rows is now.
    """
    for k in range(len(rows)):
        row = rows[k]
        if spans[row, 0] < 0:
            start, stop, tail = cells[row, W_START], cells[row, W_STOP], cells[row, W_TAIL]
            if tail:
                spans[row, 0] = used
                used += tail
                copy_before(cells, tails, buffer, row, tail, buffer, used)
                copy_bytes(buffer, start, buffer, used, stop - start)
                used += stop - start
                spans[row, 1] = used
            else:
                spans[row, 0] = start
                spans[row, 1] = stop
        out[k, 0] = spans[row, 0]
        out[k, 1] = spans[row, 1]
    return used


@kernel
def remember_windows(cells, buffer, tails):
    """Writes what is new of each stream into its tail, as far as later windows reach back."""
    state = tails.state
    for window in range(len(cells)):
        stream = cells[window, W_STREAM]
        if state[stream, T_WINDOW] != window + 1:
            continue
        state[stream, T_WINDOW] = 0
        tail, wanted, here = state[stream, T_TAIL] - 1, state[stream, T_KNOWN], window
        while wanted > 0 and here >= 0:
            start, stop = cells[here, W_START], cells[here, W_STOP]
            position = cells[here, W_POSITION] - start
            start = max(start, stop - wanted)
            copy_to_ring(tails, tail, position + start, buffer, start, stop - start)
            wanted -= stop - start
            here = cells[here, W_PREVIOUS]
