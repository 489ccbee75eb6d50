"""Kernels that take packets out of the blocks of a TPACKET_V3 ring. One row = one packet.

Layout (linux/if_packet.h). A block begins with its description: status at 8, number of packets at 12, offset of the
first packet at 16, used bytes at 20. A packet begins with tpacket3_hdr: offset of the next one at 0, seconds at 4,
nanoseconds at 8, captured length at 12, length at 16, status at 20, offset of the bytes at 24 (16 bits), VLAN tag at 32,
its TPID at 36 (16 bits); at 48 follows a sockaddr_ll: protocol at 50 (16 bits, network order), hardware type at 56,
packet type at 58, length and bytes of the address from 59. All offsets are the kernel's own and even; words are in the
machine's order.

The state of a ring is int64[3]: the block that is read next, where its next packet begins (0: the block was not begun),
packets left in it.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16
from detector.kernel import kernel

LATEST = 2**62
SECOND = 1000000000
OF_USER = 1  # status of a block that the Linux kernel has handed over
UNSUMMED, VLAN_VALID, TPID_VALID = 8, 16, 64  # status of a packet
DOT1Q = 0x8100
ARP, IPV4, IPV6 = 0x0806, 0x0800, 0x86DD
ETHERNET_TAG, COOKED_TAG, NO_TAG = 12, 14, -1  # where a VLAN tag belongs
COOKED_BYTES = 16
TAG_BYTES = 4


@kernel
def time_of(words, at):
    """Time of the packet at `at`, ns."""
    return np.int64(words[(at + 4) >> 2]) * SECOND + np.int64(words[(at + 8) >> 2])


@kernel
def survey(words, block_bytes, state, most_packets, most_bytes):
    """What can be read now, without copying.

    Returns:
        (blocks that are ready, packets in them, bytes they take, time up to which one may read so as to stay below
        both ceilings). The time is LATEST where they are not reached, and never before the first packet's, so that one
        packet at least can be read also where times go back.
    """
    blocks = len(words) * 4 // block_bytes
    block, ready, packets, size, first = state[0], 0, 0, 0, np.int64(-1)
    while ready < blocks:
        base = block * block_bytes
        if np.int64(words[(base + 8) >> 2]) & OF_USER == 0:
            break
        at, count = base + np.int64(words[(base + 16) >> 2]), np.int64(words[(base + 12) >> 2])
        if ready == 0 and state[1] > 0:
            at, count = state[1], state[2]
        if first < 0 and count > 0:
            first = time_of(words, at)
        ready += 1
        packets += count
        size += np.int64(words[(base + 20) >> 2])
        if packets >= most_packets or (size >= most_bytes and count > 0):
            for _ in range(min(count, count - (packets - most_packets)) - 1):
                at += np.int64(words[at >> 2])
            return ready, packets, size, max(first, time_of(words, at))
        block = (block + 1) % blocks
    return ready, packets, size, LATEST


@kernel
def put16(buffer, at, value):
    """Two bytes in network order."""
    buffer[at] = value >> 8
    buffer[at + 1] = value & 0xFF


@kernel
def put_cooked(buffer, at, ring, halves, header):
    """The header of a Linux cooked capture (LINKTYPE_LINUX_SLL), all but its protocol, from a sockaddr_ll."""
    put16(buffer, at, np.int64(ring[header + 58]))
    put16(buffer, at + 2, np.int64(halves[(header + 56) >> 1]))
    put16(buffer, at + 4, np.int64(ring[header + 59]))
    for k in range(8):
        buffer[at + 6 + k] = ring[header + 60 + k]


@kernel
def walk(
    ring, halves, words, longs, block_bytes, state, ready, until, now, tag_at,
    buffer, buffer_longs, used, starts, stops, wire_lengths, times, is_unsummed, row, limit,
):  # fmt: skip
    """Copies packets of ready blocks behind `used` and fills their rows from `row` on.

    A packet lies in the buffer as it lies in the ring within eight bytes, so that it is copied by words of eight:
    42 ns a packet of 170 bytes, 209 byte by byte (tests/bench/ring.py).

    Args:
        ring, halves, words, longs: the ring as uint8, uint16, uint32, uint64.
        ready: blocks that may be read.
        until, now: a packet of a later time ends the walk, unless it is later than `now`: then a clock was set back.
        tag_at: where a VLAN tag belongs; COOKED_TAG also says that the link header is to be made.
        buffer, buffer_longs: the batch's buffer as uint8 and uint64.
        limit: row at which the walk ends.

    Returns:
        (used, row, blocks that are done, tagged packets that no protocol of the host takes).
    """
    blocks = len(words) * 4 // block_bytes
    block, at, left = state[0], state[1], state[2]
    lead = COOKED_BYTES if tag_at == COOKED_TAG else 0
    done, unclaimed, is_held = 0, 0, False
    while done < ready and not is_held:
        base = block * block_bytes
        if at == 0:
            at, left = base + np.int64(words[(base + 16) >> 2]), np.int64(words[(base + 12) >> 2])
        while left > 0:
            time = time_of(words, at)
            if row == limit or until < time <= now:
                is_held = True
                break
            status, captured = np.int64(words[(at + 20) >> 2]), np.int64(words[(at + 12) >> 2])
            source = at + np.int64(halves[(at + 24) >> 1])
            tag = TAG_BYTES if status & VLAN_VALID and tag_at >= 0 and (lead > 0 or captured >= tag_at) else 0
            place = ((used + lead + tag + 7) & ~7) + (source & 7)
            count = ((source & 7) + captured + 7) >> 3
            for k in range(count):
                buffer_longs[(place >> 3) + k] = longs[(source >> 3) + k]
            start = place - lead - tag
            if lead:
                put_cooked(buffer, start, ring, halves, at)
                put16(buffer, start + COOKED_TAG + tag, be16(ring, at + 50))
            if tag:
                if not lead:
                    for k in range(tag_at):
                        buffer[start + k] = ring[source + k]
                put16(buffer, start + tag_at, np.int64(halves[(at + 36) >> 1]) if status & TPID_VALID else DOT1Q)
                put16(buffer, start + tag_at + 2, np.int64(words[(at + 32) >> 2]) & 0xFFFF)
            if status & VLAN_VALID:
                protocol = be16(ring, at + 50)
                unclaimed += protocol != IPV4 and protocol != IPV6 and protocol != ARP
            used = place + captured
            starts[row] = start
            stops[row] = used
            wire_lengths[row] = np.int64(words[(at + 16) >> 2]) + lead + tag
            times[row] = time
            is_unsummed[row] = status & UNSUMMED != 0
            row += 1
            left -= 1
            at += np.int64(words[at >> 2])
        if left == 0:
            done, at, block = done + 1, 0, (block + 1) % blocks
    state[0], state[1], state[2] = block, at, left
    return used, row, done, unclaimed
