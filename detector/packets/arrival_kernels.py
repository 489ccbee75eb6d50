"""What a packet's arrival says before its bytes are looked at: the run's clock; repeats of a mirror port; redundant copies."""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, be32, copy_bytes, u8
from detector.errors import PacketAnomaly as Odd
from detector.hash_kernels import mix, mix_word
from detector.kernel import kernel
from detector.packets.rows import (
    ANOMALIES,
    DESTINATION_PORT,
    ETHERTYPE,
    HSR,
    IP,
    IPV6,
    OUTER,
    PACKET,
    PAYLOAD_START,
    PRP,
    SEQUENCE,
    SOURCE_PORT,
    STOP,
    TCP,
    TCP_FLAGS,
    UDP,
)  # fmt: skip

LATE, JUMP, REPEAT = int(Odd.PACKET_LATE), int(Odd.PACKET_TIME_JUMP), int(Odd.PACKET_REPEAT)
REPEAT_NS = 1000000
LONGEST_COPIED = 1536  # bytes of a frame
REDUNDANT = int(Odd.PACKET_REDUNDANT)
REDUNDANT_NS = 400_000_000  # for which nodes remember what they have seen (IEC 62439-3:2016, table 8, EntryForgetTime)
LONGEST_HASHED = 256  # bytes of an IP packet without a transport checksum that take part in its hash

CLOCK, PENDING, HAS_CLOCK = 0, 1, 2
IS_LATE, IS_JUMP, HAS_ANOMALY = 1, 2, 4  # bits of odds; the last: a row of the packet has an anomaly


@kernel
def follow_clock(times, step_ns, state, clocks, odds):
    """The clock at each packet: the running maximum of times, where a lone jump forward does not count.

    A time more than step_ns ahead is held back until the next packet is as far ahead (within the step): then the clock
    follows. One packet with a wrong time so moves nothing.

    Args:
        state: int64[3]: clock, the time that waits to be confirmed, whether there is a clock.
        clocks: int64[packets], filled.
        odds: uint8[packets], filled: 0, IS_LATE or IS_JUMP.
    """
    for i in range(len(times)):
        now = times[i]
        odds[i] = 0
        if state[HAS_CLOCK] == 0:
            state[CLOCK], state[PENDING], state[HAS_CLOCK] = now, now, 1
        if now < state[CLOCK]:
            odds[i] = IS_LATE
            state[PENDING] = state[CLOCK]
        elif now - state[CLOCK] <= step_ns:
            state[CLOCK], state[PENDING] = now, now
        elif state[PENDING] > state[CLOCK] and abs(now - state[PENDING]) <= step_ns:
            state[CLOCK] = max(now, state[PENDING])
            state[PENDING] = state[CLOCK]
        else:
            odds[i] = IS_JUMP
            state[PENDING] = now
        clocks[i] = state[CLOCK]


@kernel
def hash_bytes(buffer, start, stop, value):
    """The bytes mixed into a hash, eight at a time."""
    while start + 8 <= stop:
        value = mix(value, (be32(buffer, start) << 30) ^ be32(buffer, start + 4))
        start += 8
    while start < stop:
        value = mix(value, u8(buffer, start))
        start += 1
    return value


@kernel
def hash_packet(buffer, cells, words, n):
    """What two sightings of one packet have in common: everything but VLAN, TTL and the checksum that covers it.

    TCP's and UDP's checksum stands for their payload, so little more than the row is read; other packets are hashed as
    bytes.
    """
    at, stop = np.int64(cells[IP, n]), np.int64(cells[STOP, n])
    start = np.int64(cells[PAYLOAD_START, n])
    value = (np.int64(cells[ETHERTYPE, n]) << 32) | (stop - start)
    if at >= 0:
        value = mix_word(value, (words[n, 1] << np.uint64(30)) ^ words[n, 3])
        if at + 6 <= stop:
            value ^= be16(buffer, at + 4) << 40
    else:
        for word in range(4):
            value = mix_word(value, words[n, word])
    header = np.int64(cells[TCP, n])
    if header >= 0 and header + 18 <= stop:
        sent = be16(buffer, header + 16) | (np.int64(cells[TCP_FLAGS, n]) << 16)
        value = mix_word(value, words[n, SEQUENCE])
        ports = (np.int64(cells[SOURCE_PORT, n]) << 16) | np.int64(cells[DESTINATION_PORT, n])
        return mix(value, (sent << 32) ^ ports ^ np.int64(words[n, SEQUENCE] >> np.uint64(62)))
    header = np.int64(cells[UDP, n])
    if header >= 0 and header + 8 <= stop and be16(buffer, header + 6) != 0:
        return mix(value, (be32(buffer, header) << 30) ^ be32(buffer, header + 4))
    if at < 0 and cells[IPV6, n] < 0:  # nothing in it stands for the rest
        return hash_bytes(buffer, start, stop, value)
    at = start if at < 0 else min(stop, at + 20)
    return hash_bytes(buffer, at, min(stop, at + LONGEST_HASHED), value)


@kernel
def mark(words, row, odd):
    """Sets an anomaly's bit."""
    words[row, ANOMALIES + (odd >> 6)] |= np.uint64(1) << np.uint64(odd & 63)


@kernel
def is_marked(words, row, odd):
    """Whether an anomaly's bit is set."""
    return words[row, ANOMALIES + (odd >> 6)] >> np.uint64(odd & 63) & np.uint64(1) != 0


@kernel
def is_same(buffer, start, at, frames, place, size):
    """Whether a frame is the one that is kept in a place, but for the first four bits at `at`."""
    for k in range(size):
        other = buffer[start + k] ^ frames[place * LONGEST_COPIED + k]
        if other and (start + k != at or other & 15):
            return False
    return True


@kernel
def is_copy(buffer, cells, row, start, stop, now, copies, frames):
    """Whether the same frame came over the other LAN (PRP) or the other way round the ring (HSR) within REDUNDANT_NS.

    All its bytes must be the same, but for the four bits that name the way: so nothing hides behind the number of another
    frame. What comes the same way again is no copy, nor is what is too long to be kept.

    Args:
        copies: int64[power of two, 4]: hash, time, ways and length of the latest frame in each place.
        frames: uint8[LONGEST_COPIED times as many], its bytes.
    """
    at, size = np.int64(cells[HSR, row]), stop - start
    if at < 0:
        at = np.int64(cells[PRP, row]) + 2
    if size > LONGEST_COPIED:
        return False
    way, rest = np.int64(1) << (u8(buffer, at) >> 4), u8(buffer, at) & 15
    value = hash_bytes(buffer, at + 1, stop, mix(hash_bytes(buffer, start, at, np.int64(1)), rest))
    place = value & (len(copies) - 1)
    is_known = copies[place, 0] == value and copies[place, 3] == size and abs(now - copies[place, 1]) <= REDUNDANT_NS
    if is_known and is_same(buffer, start, at, frames, place, size):
        is_other = copies[place, 2] & way == 0
        copies[place, 2] |= way
        return is_other
    copies[place, 0], copies[place, 1], copies[place, 2], copies[place, 3] = value, now, way, size
    copy_bytes(buffer, start, frames, place * LONGEST_COPIED, size)
    return False


@kernel
def find_copies(buffer, starts, stops, cells, words, times, copies, frames, odds, redundant):
    """Which packets are a copy of one before. redundant: bool[packets], filled, all False before; the others as for is_copy."""
    for row in range(len(words)):
        if cells[OUTER, row] < 0 and (cells[HSR, row] >= 0 or cells[PRP, row] >= 0):
            packet = cells[PACKET, row]
            redundant[packet] = is_copy(
                buffer, cells, row, starts[packet], stops[packet], times[packet], copies, frames
            )
            if redundant[packet]:
                mark(words, row, REDUNDANT)
                odds[packet] |= HAS_ANOMALY


@kernel
def judge_arrivals(cells, words, times, clocks, odds, hashes, table, repeats, row_clocks, anomalies, seen):
    """What each row's arrival says: its clock, an odd time, and whether the same packet was seen within REPEAT_NS.

    Args:
        clocks: int64[packets], as follow_clock fills them.
        odds: uint8[packets], as follow_clock and all that marks rows leave them.
        hashes: int64[packets], as hash_packet has them.
        table: int64[power of two, 2]: hash and time of the latest packet in each place.
        repeats: bool[packets], filled, all False before. A copy that find_copies has marked is none.
        row_clocks: int64[rows], filled.
        anomalies: int64[128], counts of rows by PacketAnomaly, added to.
        seen: uint64[4], words Seen, to which the anomalies are added.
    """
    for row in range(len(words)):
        packet = cells[PACKET, row]
        row_clocks[row] = clocks[packet]
        if odds[packet] & (IS_LATE | IS_JUMP):
            mark(words, row, LATE if odds[packet] & IS_LATE else JUMP)
        if cells[OUTER, row] < 0 and not (odds[packet] & HAS_ANOMALY and is_marked(words, row, REDUNDANT)):
            value = hashes[packet]
            place = value & (len(table) - 1)
            repeats[packet] = table[place, 0] == value and abs(times[packet] - table[place, 1]) <= REPEAT_NS
            if repeats[packet]:
                mark(words, row, REPEAT)
                odds[packet] |= HAS_ANOMALY
            table[place, 0] = value
            table[place, 1] = times[packet]
        for word in range(2 if odds[packet] else 0):
            bits, place = words[row, ANOMALIES + word], 64 * word
            seen[word] |= bits
            while bits:
                anomalies[place] += np.int64(bits & np.uint64(1))
                bits >>= np.uint64(1)
                place += 1
