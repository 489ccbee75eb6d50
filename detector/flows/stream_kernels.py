"""The kernel that puts TCP payload in stream order. One row of state = one direction of a flow slot.

What is in order is passed on where it lies. A segment ahead of its turn is kept in pieces, sorted and without overlap, until
the bytes before it come; it is then put behind the batch and passed on with the row that filled the gap. Where bytes come
twice and differ, the row is marked. The first are kept where they were passed on; where they wait, the receiver's policy says.

What waits is also marked to be looked at alone, with its own packet: the bytes before it may never come, and nothing else is
known of it when a flow or the capture ends.

A gap is given up when the other side has acknowledged all of it (it was lost to the sensor, not to the receiver) or when too
much waits; always with a row of the stream's own direction, so that a chunk's row names its sender. Each shard of flows has
its part of the store, and a ring of pieces in the order in which they came: where room is short the oldest of the shard
give way, whosever they are. A sequence number further behind
than FURTHEST is no repetition but belongs to bytes ahead, so that a stream recovers from a jump it did not see.
"""

from __future__ import annotations

import numpy as np

from detector import arena_kernels as arena
from detector.bytes_kernels import be16
from detector.errors import PacketAnomaly as Odd
from detector.flows.columns import (
    BASE,
    DIRECTION,
    FLOW,
    IS_DATAGRAM,
    IS_FIRST,
    IS_GAP,
    IS_LATE,
    PEER,
    PEER_ENTERED,
    PEER_FOLLOWED,
    PEER_LOOKS,
    PEER_RESYN,
    POSITION,
    R_POSITION,
    R_ROW,
    R_START,
    R_STOP,
    R_STREAM,
    ROW,
    SHARDS,
    SLOT,
    START,
    STOP,
    STREAM,
    WINDOW_BYTES,
)
from detector.kernel import kernel
from detector.packets.rows import (
    ANOMALIES,
    IP,
    IPV6,
    IS_FRAGMENT,
    NETWORK,
    PAYLOAD_START,
    PAYLOAD_STOP,
    SEQUENCE,
    TCP,
    TCP_FLAGS,
    UDP,
)  # fmt: skip

SYN, RST, ACK, URG = 2, 4, 16, 32
# Columns of state. NEXT is the sequence number of the first byte that was not passed on, with FRESH and LOST beside it;
# POSITION how many bytes of the stream come before it. BASE is the position from which Suricata has still to look at bytes.
S_FLOW, S_NEXT, S_ACKED, S_PIECE, S_WAITING, S_COUNT, S_POSITION, S_BASE = 0, 1, 2, 3, 4, 5, 6, 7
UNKNOWN = -1
MASK = 0xFFFFFFFF
FRESH = 1 << 33  # nothing was passed on yet
LOST = 1 << 34  # bytes right before NEXT are missing for good
# Columns of pieces; a piece without stream (-1) is free.
# FIRST and END: bounds of the segment that it is a part of. IS_LATE: 1 where its segment was looked at alone, -1 where bytes of
# another one have taken the place of some since.
P_STREAM, P_SEQ, P_LENGTH, P_BYTES, P_NEXT, P_FIRST, P_END, P_IS_LATE = 0, 1, 2, 3, 4, 5, 6, 7
FIRST_WINS, BSD, LINUX, OLD_LINUX, SOLARIS = range(5)  # streams.POLICIES
# rings: where the ring of a shard's pieces begins and ends (never wrapped).
RING_TAIL, RING_HEAD = 0, 1
# counts: bytes sent again; rows marked with each anomaly.
C_REPEATED, C_DIFFERENT, C_GAPS, C_MEMCAP = 0, 1, 2, 3
O_FIRST = int(Odd.STREAM_OVERLAP_DIFFERENT_DATA)
O_GAP, O_MEMCAP = int(Odd.STREAM_GAP), int(Odd.STREAM_MEMCAP)
O_URGENT, O_RESYN = int(Odd.STREAM_URGENT_DATA), int(Odd.STREAM_EST_SYN_RESEND_DIFF_SEQ)
O_OUTSIDE, O_RESET = int(Odd.STREAM_EST_PACKET_OUT_OF_WINDOW), int(Odd.STREAM_RST_OUT_OF_WINDOW)
LARGEST_WINDOW = 1 << 20  # bytes by which a RST may be ahead; receivers take only the next number (RFC 5961 3.2)
CUT = np.uint64(1 << Odd.IPV4_TRUNC_PKT | 1 << Odd.IPV6_TRUNC_PKT)
NO_PAYLOAD = np.uint64(1 << Odd.TCP_PKT_TOO_SMALL | 1 << Odd.TCP_HLEN_TOO_SMALL)  # nor a usable sequence number
MOST_WAITING = 128  # pieces of a stream
# Bytes that Suricata lets be acknowledged before it looks at them (stream.reassembly.toserver-chunk-size).
LOOKED_AT = 2560
FURTHEST = 1 << 26
DESTINATION = 2  # word of rows: the receiver's address


@kernel
def ahead(sequence, reference):
    """How far a sequence number is ahead of another; negative up to FURTHEST behind."""
    return ((sequence - reference + FURTHEST) & MASK) - FURTHEST


@kernel
def note(words, row, counts, odd):
    """Marks a row with one of the stream anomalies and counts it once."""
    bit = np.uint64(1) << np.uint64(odd & 63)
    if words[row, ANOMALIES + (odd >> 6)] & bit == 0:
        words[row, ANOMALIES + (odd >> 6)] |= bit
        counts[C_DIFFERENT + odd - O_FIRST] += 1


@kernel
def shard_of(streams, stream):
    """The shard whose flow a stream belongs to."""
    return stream // (len(streams.state) // SHARDS)


@kernel
def forget(streams, stream):
    """Gives up what waits in a stream."""
    piece = streams.state[stream, S_PIECE]
    while piece >= 0:
        following = streams.pieces[piece, P_NEXT]
        arena.free_blocks(streams.links, streams.meta, shard_of(streams, stream), streams.pieces[piece, P_BYTES])
        streams.pieces[piece, P_STREAM] = -1
        piece = following
    streams.state[stream, S_PIECE] = -1
    streams.state[stream, S_WAITING] = 0
    streams.state[stream, S_COUNT] = 0


@kernel
def begin_streams(streams, slot, number):
    """Both directions of a slot for a new flow."""
    for stream in range(2 * slot, 2 * slot + 2):
        if streams.state[stream, S_FLOW]:
            forget(streams, stream)
        streams.state[stream, S_FLOW] = number
        streams.state[stream, S_NEXT] = UNKNOWN
        streams.state[stream, S_ACKED] = UNKNOWN
        streams.state[stream, S_PIECE] = -1
        streams.state[stream, S_POSITION] = 0
        streams.state[stream, S_BASE] = 0


@kernel
def make_room(streams, words, row, shard, pieces, blocks):
    """Lets the shard's oldest pieces go until so many more pieces and blocks are free; whether they are."""
    rings, meta, ring = streams.rings, streams.meta, len(streams.pieces) // SHARDS
    while rings[shard, RING_TAIL] < rings[shard, RING_HEAD] and (
        rings[shard, RING_HEAD] - rings[shard, RING_TAIL] + pieces > ring or meta[shard, 1] < blocks
    ):
        stream = streams.pieces[shard * ring + rings[shard, RING_TAIL] % ring, P_STREAM]
        if stream >= 0:
            forget(streams, stream)
            note(words, row, streams.counts, O_MEMCAP)
        rings[shard, RING_TAIL] += 1
    return pieces <= ring and meta[shard, 1] >= blocks


@kernel
def holds(streams, piece, skip, buffer, at, length):
    """Whether bytes of a piece, from `skip` on, equal buffer[at:at + length]."""
    return arena.equal_blocks(streams.blocks, streams.links, streams.pieces[piece, P_BYTES], skip, buffer, at, length)


@kernel
def policy_of(streams, words, row):
    """What the receiver of a row does with bytes that differ; hosts: the first that fits."""
    for host in range(len(streams.hosts)):
        if (
            words[row, DESTINATION] & streams.hosts[host, 2] == streams.hosts[host, 0]
            and words[row, DESTINATION + 1] & streams.hosts[host, 3] == streams.hosts[host, 1]
        ):
            return streams.policies[host]
    return streams.policies[len(streams.hosts)]


@kernel
def is_replaced(policy, first, end, old_first, old_end):
    """Whether a segment's bytes take the place of an older one's, by where both begin and end, as Suricata 7 has it."""
    if policy == FIRST_WINS:
        return False
    if policy == SOLARIS:
        return end > old_end or (end == old_end and first <= old_first)
    if first == old_first:
        return (policy == LINUX and end > old_end) or (policy == OLD_LINUX and end >= old_end)
    return first < old_first


@kernel
def settle(streams, words, row, piece, skip, buffer, at, length, first, end):
    """Compares bytes of a piece with those of a segment from `first` to `end`; marks the row and replaces them."""
    if holds(streams, piece, skip, buffer, at, length):
        return
    note(words, row, streams.counts, O_FIRST)
    old_first = first + ahead(streams.pieces[piece, P_FIRST], first)
    old_end = first + ahead(streams.pieces[piece, P_END], first)
    stop = first + ahead(end, first)
    if is_replaced(policy_of(streams, words, row), first, stop, old_first, old_end):
        arena.replace_blocks(streams.blocks, streams.links, streams.pieces[piece, P_BYTES], skip, buffer, at, length)
        streams.pieces[piece, P_IS_LATE] = -1
        streams.pieces[piece, P_FIRST] = first
        streams.pieces[piece, P_END] = end


@kernel
def insert_piece(streams, stream, before, after, sequence, buffer, start, stop, first, end):
    """Keeps bytes that no piece holds between two pieces (-1: the ends of the list). make_room was asked before."""
    rings, pieces, state = streams.rings, streams.pieces, streams.state
    shard, ring = shard_of(streams, stream), len(pieces) // SHARDS
    piece = shard * ring + rings[shard, RING_HEAD] % ring
    rings[shard, RING_HEAD] += 1
    pieces[piece, P_STREAM] = stream
    pieces[piece, P_SEQ] = sequence
    pieces[piece, P_LENGTH] = stop - start
    pieces[piece, P_FIRST] = first
    pieces[piece, P_END] = end
    pieces[piece, P_BYTES] = arena.store_blocks(streams.blocks, streams.links, streams.meta, shard, buffer, start, stop)
    pieces[piece, P_NEXT] = after
    pieces[piece, P_IS_LATE] = 0
    if before < 0:
        state[stream, S_PIECE] = piece
    else:
        pieces[before, P_NEXT] = piece
    state[stream, S_WAITING] += stop - start
    state[stream, S_COUNT] += 1
    return piece


@kernel
def keep(streams, words, row, stream, sequence, buffer, start, stop):
    """Keeps what is new of a segment ahead of its turn; False: the store is too small for it."""
    state, pieces = streams.state, streams.pieces
    base = state[stream, S_NEXT] & MASK
    first = ahead(sequence, base)
    at, end = first, first + stop - start
    parts, piece = 1, state[stream, S_PIECE]
    while piece >= 0 and ahead(pieces[piece, P_SEQ], base) < end:
        parts += ahead(pieces[piece, P_SEQ], base) > at
        piece = pieces[piece, P_NEXT]
    size = streams.blocks.shape[1]
    if not make_room(
        streams, words, row, shard_of(streams, stream), parts, (stop - start + size - 1) // size + parts - 1
    ):
        return False
    before, piece = -1, state[stream, S_PIECE]
    while at < end:
        upto = end
        if piece >= 0:
            there = ahead(pieces[piece, P_SEQ], base)
            if there + pieces[piece, P_LENGTH] <= at:
                before, piece = piece, pieces[piece, P_NEXT]
                continue
            if there <= at:
                upto = min(end, there + pieces[piece, P_LENGTH])
                settle(
                    streams,
                    words,
                    row,
                    piece,
                    at - there,
                    buffer,
                    start + at - first,
                    upto - at,
                    sequence,
                    (base + end) & MASK,
                )
                streams.counts[C_REPEATED] += upto - at
                at = upto
                continue
            upto = min(end, there)
        before = insert_piece(
            streams,
            stream,
            before,
            piece,
            (base + at) & MASK,
            buffer,
            start + at - first,
            start + upto - first,
            sequence,
            (base + end) & MASK,
        )
        at = upto
    return True


@kernel
def emit(out, found, row, stream, start, stop, is_first, is_gap, is_datagram, position, base, is_late):
    """One chunk."""
    out[found, ROW] = row
    out[found, STREAM] = stream
    out[found, START] = start
    out[found, STOP] = stop
    out[found, IS_FIRST] = is_first
    out[found, IS_GAP] = is_gap
    out[found, IS_DATAGRAM] = is_datagram
    out[found, POSITION] = position
    out[found, BASE] = base
    out[found, IS_LATE] = is_late
    return found + 1


@kernel
def repeats_last_byte(state, stream, sequence, length):
    """Whether a segment is a keep-alive of one byte: the last that was passed on, or that was acknowledged before the capture began."""
    following = state[stream, S_NEXT]
    if following == UNKNOWN:
        following = state[stream, S_ACKED]
    return length == 1 and following != UNKNOWN and sequence == (following - 1) & MASK


@kernel
def look(state, stream):
    """Moves BASE behind the bytes that Suricata looks at with a packet of this stream, if they are enough; whether it did."""
    following = state[stream, S_NEXT]
    if following != UNKNOWN and state[stream, S_ACKED] != UNKNOWN:
        acknowledged = state[stream, S_POSITION] + min(0, ahead(state[stream, S_ACKED], following & MASK))
        if acknowledged - state[stream, S_BASE] >= LOOKED_AT:
            state[stream, S_BASE] = acknowledged
            return True
    return False


@kernel
def pass_on(state, out, found, row, stream, start, stop, is_late):
    """A chunk of the bytes at NEXT, which moves behind them."""
    following, position = state[stream, S_NEXT], state[stream, S_POSITION]
    state[stream, S_NEXT] = ((following & MASK) + stop - start) & MASK
    state[stream, S_POSITION] = position + stop - start
    is_first, is_gap = np.int64(following & FRESH != 0), np.int64(following & LOST != 0)
    if is_gap or position - state[stream, S_BASE] > WINDOW_BYTES:  # farther windows do not reach back
        state[stream, S_BASE] = position
    return emit(out, found, row, stream, start, stop, is_first, is_gap, 0, position, state[stream, S_BASE], is_late)


@kernel
def pass_piece(streams, stream, row, buffer, used, out, found):
    """Passes on the first piece, which is in turn; (chunks found, bytes used)."""
    state, pieces = streams.state, streams.pieces
    piece = state[stream, S_PIECE]
    length = pieces[piece, P_LENGTH]
    arena.load_blocks(streams.blocks, streams.links, pieces[piece, P_BYTES], length, buffer, used)
    arena.free_blocks(streams.links, streams.meta, shard_of(streams, stream), pieces[piece, P_BYTES])
    pieces[piece, P_STREAM] = -1
    state[stream, S_PIECE] = pieces[piece, P_NEXT]
    state[stream, S_WAITING] -= length
    state[stream, S_COUNT] -= 1
    found = pass_on(state, out, found, row, stream, used, used + length, np.int64(pieces[piece, P_IS_LATE] > 0))
    return found, used + length


@kernel
def pass_pieces(streams, stream, row, buffer, used, out, found):
    """Passes on what waited and is in turn now; (chunks found, bytes used)."""
    state, pieces = streams.state, streams.pieces
    while state[stream, S_PIECE] >= 0 and pieces[state[stream, S_PIECE], P_SEQ] == state[stream, S_NEXT] & MASK:
        found, used = pass_piece(streams, stream, row, buffer, used, out, found)
    return found, used


@kernel
def pass_between(streams, words, stream, row, sequence, end, buffer, used, start, stop, out, found):
    """Passes on what is in turn of a segment, around the pieces that hold some of its bytes already."""
    state, pieces = streams.state, streams.pieces
    while start < stop:
        piece, upto = state[stream, S_PIECE], stop
        if piece >= 0:
            distance = ahead(pieces[piece, P_SEQ], state[stream, S_NEXT] & MASK)
            if distance == 0:
                shared = min(pieces[piece, P_LENGTH], stop - start)
                settle(streams, words, row, piece, 0, buffer, start, shared, sequence, end)
                streams.counts[C_REPEATED] += shared
                found, used = pass_piece(streams, stream, row, buffer, used, out, found)
                start += shared
                continue
            upto = min(stop, start + distance)
        found = pass_on(state, out, found, row, stream, start, upto, 0)
        start = upto
    return pass_pieces(streams, stream, row, buffer, used, out, found)


@kernel
def skip_to(streams, words, row, stream, sequence):
    """Gives up the bytes before a sequence number."""
    following = streams.state[stream, S_NEXT]
    streams.state[stream, S_POSITION] += ahead(sequence, following & MASK)
    streams.state[stream, S_NEXT] = sequence | (following & FRESH) | LOST
    note(words, row, streams.counts, O_GAP)


@kernel
def release(streams, words, stream, row, buffer, used, limit, out, found):
    """Gives up gaps that will not be filled, and passes on what waited behind them; (chunks found, bytes used)."""
    state, pieces = streams.state, streams.pieces
    while state[stream, S_PIECE] >= 0:
        nearest, following = pieces[state[stream, S_PIECE], P_SEQ], state[stream, S_NEXT] & MASK
        acknowledged = state[stream, S_ACKED]
        is_seen = acknowledged != UNKNOWN and ahead(acknowledged, following) >= ahead(nearest, following)
        if not (is_seen or state[stream, S_WAITING] > limit or state[stream, S_COUNT] > MOST_WAITING):
            break
        skip_to(streams, words, row, stream, nearest)
        found, used = pass_pieces(streams, stream, row, buffer, used, out, found)
    return found, used


@kernel
def mark_new(streams, stream, sequence, length):
    """Marks what a segment has added to the bytes that wait, to be looked at by itself now; whether it has added any."""
    pieces, following = streams.pieces, streams.state[stream, S_NEXT] & MASK
    first, piece, is_new = ahead(sequence, following), streams.state[stream, S_PIECE], False
    while piece >= 0 and ahead(pieces[piece, P_SEQ], following) < first + length:
        if ahead(pieces[piece, P_SEQ], following) >= first and pieces[piece, P_IS_LATE] == 0:
            pieces[piece, P_IS_LATE] = 1
            is_new = True
        piece = pieces[piece, P_NEXT]
    return is_new


@kernel
def cut_bytes(cells, words, row, buffer):
    """Payload bytes of a TCP row that were sent and not captured."""
    odd = words[row, ANOMALIES]
    if odd & CUT == 0 or odd & NO_PAYLOAD or cells[IS_FRAGMENT, row]:
        return np.int64(0)
    if cells[NETWORK, row] == 4:
        end = np.int64(cells[IP, row]) + be16(buffer, np.int64(cells[IP, row]) + 2)
    else:
        end = np.int64(cells[IPV6, row]) + 40 + be16(buffer, np.int64(cells[IPV6, row]) + 4)
    return max(np.int64(0), end - np.int64(cells[PAYLOAD_STOP, row]))


@kernel
def follow_segment(streams, words, stream, row, sequence, buffer, used, start, stop, cut, limit, out, found):
    """A segment that is not simply next; (chunks found, bytes used)."""
    state = streams.state
    if stop > start:
        distance = ahead(sequence, state[stream, S_NEXT] & MASK)
        if distance > 0 and not keep(streams, words, row, stream, sequence, buffer, start, stop):
            note(words, row, streams.counts, O_MEMCAP)
            skip_to(streams, words, row, stream, sequence)
            distance = 0
        if distance <= 0:
            streams.counts[C_REPEATED] += min(-distance, stop - start)
            found, used = pass_between(
                streams,
                words,
                stream,
                row,
                sequence,
                (sequence + stop - start) & MASK,
                buffer,
                used,
                min(stop, start - distance),
                stop,
                out,
                found,
            )
    if cut and state[stream, S_NEXT] & MASK == (sequence + stop - start) & MASK:
        skip_to(streams, words, row, stream, (sequence + stop - start + cut) & MASK)
        found, used = pass_pieces(streams, stream, row, buffer, used, out, found)
    return release(streams, words, stream, row, buffer, used, limit, out, found)


@kernel
def note_repeat(state, repeats, repeated, row, stream, sequence, buffer, start, stop):
    """Says which bytes of a segment were passed on before; repeats found. A keep-alive's byte says nothing."""
    distance = ahead(sequence, state[stream, S_NEXT] & MASK)
    if distance >= 0 or state[stream, S_NEXT] & (FRESH | LOST) or (stop - start == 1 and buffer[start] == 0):
        return repeated
    repeats[repeated, R_ROW] = row
    repeats[repeated, R_STREAM] = stream
    repeats[repeated, R_START] = start
    repeats[repeated, R_STOP] = min(stop, start - distance)
    repeats[repeated, R_POSITION] = state[stream, S_POSITION] + distance
    return repeated + 1


@kernel
def follow_streams(cells, words, flows, buffer, used, first, streams, limit, out, found, repeats, repeated):
    """Chunks of all rows, in their order.

    Args:
        flows: int64[rows, 15], FlowColumns.cells; marks rows whose payload entered a stream.
        streams: streams.Streams.
        limit: bytes that may wait in one stream.
        out: int64[capacity, 10], columns Chunk.
        repeats: int64[rows, 5], columns Repeat.

    Returns:
        (next row, chunks found, bytes used, repeats found): next row < len(words) asks for room in out or buffer.
    """
    state = streams.state
    for row in range(first, len(words)):
        slot = flows[row, SLOT]
        if slot < 0:
            continue
        start, stop = np.int64(cells[PAYLOAD_START, row]), np.int64(cells[PAYLOAD_STOP, row])
        stream = 2 * slot + flows[row, DIRECTION]
        if cells[TCP, row] < 0:
            if cells[UDP, row] >= 0 and stop > start:
                if found == len(out):
                    return row, found, used, repeated
                found = emit(out, found, row, stream, start, stop, 0, 0, 1, 0, 0, 0)
            continue
        if found + 4 * MOST_WAITING + 8 > len(out) or len(buffer) - used < state[stream, S_WAITING] + stop - start:
            return row, found, used, repeated
        number = flows[row, FLOW] + 1  # 0 is a state that was never used
        if state[stream, S_FLOW] != number:
            begin_streams(streams, slot, number)
        flags = np.int64(cells[TCP_FLAGS, row])
        if flows[row, PEER] & PEER_FOLLOWED == 0:
            continue
        if flags & RST:
            following = state[stream, S_NEXT]
            distance = ahead(np.int64(words[row, SEQUENCE] >> np.uint64(32)), following & MASK)
            if following != UNKNOWN and not -LARGEST_WINDOW <= distance <= LARGEST_WINDOW:
                note(words, row, streams.counts, O_RESET)
            continue
        if flows[row, PEER] & PEER_RESYN:
            note(words, row, streams.counts, O_RESYN)
        if flags & ACK:
            acknowledged, known = np.int64(words[row, SEQUENCE] & np.uint64(MASK)), state[stream ^ 1, S_ACKED]
            if known == UNKNOWN or ahead(acknowledged, known) > 0:
                state[stream ^ 1, S_ACKED] = acknowledged
        if look(state, stream) and stop <= start:
            flows[row, PEER] |= PEER_LOOKS
        sequence = np.int64(words[row, SEQUENCE] >> np.uint64(32))
        following = state[stream, S_NEXT]
        if flags & SYN:
            sequence = (sequence + 1) & MASK
            if following == UNKNOWN or (following & FRESH and following & MASK != sequence):
                forget(streams, stream)
                following = state[stream, S_NEXT] = sequence | FRESH
        is_keep_alive = repeats_last_byte(state, stream, sequence, stop - start)
        if stop > start and not is_keep_alive:
            flows[row, PEER] |= PEER_ENTERED
            if flags & URG:
                note(words, row, streams.counts, O_URGENT)
        cut = cut_bytes(cells, words, row, buffer)
        if stop <= start and cut == 0 and state[stream, S_PIECE] < 0:
            continue
        if following == UNKNOWN:
            if is_keep_alive:
                continue
            following = state[stream, S_NEXT] = sequence | FRESH
        if sequence == following & MASK and stop > start and cut == 0 and state[stream, S_PIECE] < 0:
            found = pass_on(state, out, found, row, stream, start, stop, 0)
        else:
            if stop > start:
                if (
                    state[stream, S_POSITION] + ahead(sequence, following & MASK) + stop - start <= 0
                    and stop - start > 1
                ):
                    note(words, row, streams.counts, O_OUTSIDE)
                    flows[row, PEER] &= ~PEER_ENTERED
                repeated = note_repeat(state, repeats, repeated, row, stream, sequence, buffer, start, stop)
            found, used = follow_segment(
                streams, words, stream, row, sequence, buffer, used, start, stop, cut, limit, out, found
            )
            if stop > start and mark_new(streams, stream, sequence, stop - start):
                flows[row, PEER] &= ~PEER_ENTERED
    return len(words), found, used, repeated
