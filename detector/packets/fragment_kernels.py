"""IPv4 and IPv6 reassembly (RFC 791 3.2, RFC 8200 4.5). One slot = one datagram in the making, one piece = one fragment.

Slots are taken in turn: a new datagram takes the place of the oldest, whose pieces are given up and counted. Bytes that
two fragments give differently are taken from the one that came first; that they overlap at all is an anomaly, and so is a
fragment of a datagram that was complete already: what completed it may never have reached the receiver.
"""

from __future__ import annotations

import numpy as np

from detector import arena_kernels as arena
from detector.errors import PacketAnomaly as Odd
from detector.hash_kernels import mix_word
from detector.kernel import kernel
from detector.packets.rows import ANOMALIES, NETWORK

LARGEST_DATAGRAM = 65535
FRAGMENT_ROOM = 2 * LARGEST_DATAGRAM  # bytes that must be free behind the batch for one packet
MOST_PIECES = 512
TIMEOUT_NS = 60 * 1000000000  # RFC 8200; RFC 791 leaves it open

O_OVERLAP, O_LARGE, O_MANY, O_ROOM = (int(x) for x in (Odd.IPV4_FRAG_OVERLAP, Odd.IPV4_FRAG_PKT_TOO_LARGE,
                                                       Odd.IPV4_FRAG_TOO_MANY, Odd.IPV4_FRAG_NO_ROOM))  # fmt: skip
V6 = int(Odd.IPV6_FRAG_OVERLAP) - O_OVERLAP

# Columns of Fragments.slots, after the four words of addresses in Fragments.keys.
S_ID, S_STARTED, S_TOTAL, S_GOT, S_PIECE, S_PIECES, S_USED = 0, 1, 2, 3, 4, 5, 6
MAKING, DONE = 1, 2  # S_USED; 0 was never used
# Columns of Fragments.pieces.
P_OFFSET, P_LENGTH, P_BYTES, P_NEXT = 0, 1, 2, 3
# Fragments.counts: next slot to take, first free piece, evicted, timed out, completed.
C_SLOT, C_FREE, C_EVICTED, C_EXPIRED, C_COMPLETED = 0, 1, 2, 3, 4


@kernel
def free_pieces(state, slot):
    """Gives up a slot's pieces."""
    piece = state.slots[slot, S_PIECE]
    while piece >= 0:
        following = state.pieces[piece, P_NEXT]
        arena.free_blocks(state.arena.links, state.arena.meta, 0, state.pieces[piece, P_BYTES])
        state.pieces[piece, P_NEXT] = state.counts[C_FREE]
        state.counts[C_FREE] = piece
        piece = following
    state.slots[slot, S_PIECE] = -1


@kernel
def release(state, slot):
    """Gives up a slot."""
    free_pieces(state, slot)
    state.slots[slot, S_USED] = 0
    bucket = state.slots[slot, 7]
    before = state.buckets[bucket]
    if before == slot:
        state.buckets[bucket] = state.slots[slot, 8]
        return
    while state.slots[before, 8] != slot:
        before = state.slots[before, 8]
    state.slots[before, 8] = state.slots[slot, 8]


@kernel
def begin_datagram(state, slot, clock):
    """A slot for a datagram of which nothing has come."""
    state.slots[slot, S_STARTED] = clock
    state.slots[slot, S_TOTAL] = -1
    state.slots[slot, S_GOT] = 0
    state.slots[slot, S_PIECE] = -1
    state.slots[slot, S_PIECES] = 0
    state.slots[slot, S_USED] = MAKING


@kernel
def find_slot(state, cells, words, n, identification, clock):
    """The slot of the row's datagram, a new one where there is none."""
    mixed = np.int64(identification)
    for word in range(4):
        mixed = mix_word(mixed, words[n, word])
    bucket = mixed & (len(state.buckets) - 1)
    slot = state.buckets[bucket]
    while slot >= 0:
        same = state.slots[slot, S_ID] == identification
        for word in range(4):
            same = same and state.keys[slot, word] == words[n, word]
        if same:
            if clock - state.slots[slot, S_STARTED] <= TIMEOUT_NS:
                return slot
            state.counts[C_EXPIRED] += state.slots[slot, S_USED] == MAKING
            release(state, slot)
            break
        slot = state.slots[slot, 8]
    slot = state.counts[C_SLOT]
    state.counts[C_SLOT] = (slot + 1) % len(state.slots)
    if state.slots[slot, S_USED]:
        state.counts[C_EVICTED] += state.slots[slot, S_USED] == MAKING
        release(state, slot)
    for word in range(4):
        state.keys[slot, word] = words[n, word]
    state.slots[slot, S_ID] = identification
    begin_datagram(state, slot, clock)
    state.slots[slot, 7] = bucket
    state.slots[slot, 8] = state.buckets[bucket]
    state.buckets[bucket] = slot
    return slot


@kernel
def is_covered(state, slot):
    """Whether the pieces leave no hole from 0 to the total."""
    covered, total = 0, state.slots[slot, S_TOTAL]
    while covered < total:
        furthest = covered
        piece = state.slots[slot, S_PIECE]
        while piece >= 0:
            if state.pieces[piece, P_OFFSET] <= covered:
                furthest = max(furthest, state.pieces[piece, P_OFFSET] + state.pieces[piece, P_LENGTH])
            piece = state.pieces[piece, P_NEXT]
        if furthest == covered:
            return False
        covered = furthest
    return True


@kernel
def odd_mark(cells, words, n, odd):
    """Sets an anomaly's bit, the IPv6 one for an IPv6 row."""
    if cells[NETWORK, n] == 6:
        odd += V6
    words[n, ANOMALIES + (odd >> 6)] |= np.uint64(1) << np.uint64(odd & 63)


@kernel
def add_fragment(state, cells, words, n, identification, protocol, offset, more, buffer, start, stop, used, clock):
    """Takes a fragment; where it completes its datagram, puts that behind the batch.

    Returns:
        (start, stop) of the datagram's payload in buffer, or (-1, -1).
    """
    length = stop - start
    if cells[NETWORK, n] == 4:
        identification |= protocol << 32
    else:
        identification |= 1 << 40
    if more:
        length &= ~7
    if offset + length > LARGEST_DATAGRAM:
        odd_mark(cells, words, n, O_LARGE)
        return -1, -1
    if length <= 0:
        return -1, -1
    slot = find_slot(state, cells, words, n, identification, clock)
    if state.slots[slot, S_USED] == DONE:
        odd_mark(cells, words, n, O_OVERLAP)
        begin_datagram(state, slot, clock)
    piece = state.slots[slot, S_PIECE]
    is_overlap = False
    while piece >= 0:
        have, size = state.pieces[piece, P_OFFSET], state.pieces[piece, P_LENGTH]
        if have == offset and size == length:
            stored = state.pieces[piece, P_BYTES]
            if not arena.equal_blocks(state.arena.blocks, state.arena.links, stored, 0, buffer, start, length):
                odd_mark(cells, words, n, O_OVERLAP)
            return -1, -1  # a repeat, or a second version of the same bytes: the first counts
        is_overlap = is_overlap or (have < offset + length and offset < have + size)
        piece = state.pieces[piece, P_NEXT]
    if is_overlap:
        odd_mark(cells, words, n, O_OVERLAP)
    if state.slots[slot, S_PIECES] == MOST_PIECES:
        odd_mark(cells, words, n, O_MANY)
        return -1, -1
    piece = state.counts[C_FREE]
    head = (
        arena.store_blocks(state.arena.blocks, state.arena.links, state.arena.meta, 0, buffer, start, start + length)
        if piece >= 0
        else arena.NONE
    )
    if head == arena.NONE:
        odd_mark(cells, words, n, O_ROOM)
        return -1, -1
    state.counts[C_FREE] = state.pieces[piece, P_NEXT]
    state.pieces[piece, P_OFFSET] = offset
    state.pieces[piece, P_LENGTH] = length
    state.pieces[piece, P_BYTES] = head
    state.pieces[piece, P_NEXT] = state.slots[slot, S_PIECE]
    state.slots[slot, S_PIECE] = piece
    state.slots[slot, S_PIECES] += 1
    state.slots[slot, S_GOT] += length
    if not more and state.slots[slot, S_TOTAL] < 0:
        state.slots[slot, S_TOTAL] = offset + length
    total = state.slots[slot, S_TOTAL]
    if total < 0 or state.slots[slot, S_GOT] < total or not is_covered(state, slot):
        return -1, -1
    piece = state.slots[slot, S_PIECE]
    while piece >= 0:  # the latest first, so that the earliest has the last word
        have = state.pieces[piece, P_OFFSET]
        size = min(state.pieces[piece, P_LENGTH], total - have)
        if size > 0:
            arena.load_blocks(
                state.arena.blocks, state.arena.links, state.pieces[piece, P_BYTES], size, buffer, used + have
            )
        piece = state.pieces[piece, P_NEXT]
    free_pieces(state, slot)
    state.slots[slot, S_USED] = DONE
    state.counts[C_COMPLETED] += 1
    return used, used + total
