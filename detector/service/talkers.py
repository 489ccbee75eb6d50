"""Who talks most with whom: pairs of addresses by bytes within the last minute, for `detector top`.

An estimate that costs little: of each batch at most SAMPLED rows are looked at, chosen at random with a fixed seed, and
stand for the others. Memory is bounded: of each slice of time the largest pairs are kept, the others summed up.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from ipaddress import IPv6Address

import numpy as np
from numpy.typing import NDArray

from detector.packets.rows import PacketRows
from detector.packets.table import PacketTable

SECOND = 10**9
WINDOW_NS = 60 * SECOND
SLICE_NS = 5 * SECOND
SAMPLED = 1024  # rows of a batch; all of 16,384 would take 1.5 ms, these 0.1
PAIRS = 2000  # kept of each slice
MIXERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0xA0761D6478BD642F, 0xE7037ED1A0B428DB], np.uint64)

Pair = tuple[int, int, int, int, bool]  # high and low half of the lower and of the higher address, whether they are IP


@dataclass(frozen=True)
class Talker:
    """Two addresses and what went between them, estimated."""

    addresses: tuple[str, str]
    packets: int
    bytes: int


@dataclass
class Slice:
    """Pairs of a few seconds, packets and bytes of each. others: those of pairs that were too many."""

    begin_ns: int
    pairs: dict[Pair, tuple[float, float]] = field(default_factory=dict)
    others: tuple[float, float] = (0.0, 0.0)

    def add(self, pair: Pair, packets: float, size: float) -> None:
        """Counts for one pair."""
        before = self.pairs.get(pair, (0.0, 0.0))
        self.pairs[pair] = before[0] + packets, before[1] + size

    def bound(self) -> None:
        """Keeps the largest pairs where there are twice too many."""
        if len(self.pairs) <= 2 * PAIRS:
            return
        ranked = sorted(self.pairs.items(), key=lambda item: item[1][1], reverse=True)
        for _, (packets, size) in ranked[PAIRS:]:
            self.others = self.others[0] + packets, self.others[1] + size
        self.pairs = dict(ranked[:PAIRS])


class Talkers:
    """Pairs of the last minute, by the clock of the packets."""

    def __init__(self) -> None:
        self._slices: deque[Slice] = deque()
        self._random = np.random.default_rng(0)

    def add(self, table: PacketTable) -> None:
        """Counts the packets of a batch, each once: by its outermost row."""
        structure = table.structure
        rows = np.flatnonzero((structure.outer < 0) & ~structure.is_quoted)
        if not len(rows):
            return
        current = self._slice(int(table.clock[rows[-1]]))
        weight = max(1.0, len(rows) / SAMPLED)
        if len(rows) > SAMPLED:
            rows = rows[self._random.integers(0, len(rows), SAMPLED)]
        lengths = table.batch.wire_lengths[structure.packet[rows]]
        for pair, packets, size in pairs_of(structure, rows, lengths):
            current.add(pair, packets * weight, size * weight)
        current.bound()

    def top(self, count: int, now_ns: int) -> list[Talker]:
        """The pairs with the most bytes within the minute before `now_ns`."""
        total = Slice(now_ns)
        for part in self._slices:
            if part.begin_ns > now_ns - WINDOW_NS:
                for pair, (packets, size) in part.pairs.items():
                    total.add(pair, packets, size)
        ranked = sorted(total.pairs.items(), key=lambda item: (-item[1][1], item[0]))
        return [Talker(addresses_of(pair), round(packets), round(size)) for pair, (packets, size) in ranked[:count]]

    def _slice(self, clock: int) -> Slice:
        """The slice of a clock; older ones than a minute go."""
        begin = clock - clock % SLICE_NS
        if not self._slices or self._slices[-1].begin_ns < begin:
            self._slices.append(Slice(begin))
        while self._slices[0].begin_ns <= begin - WINDOW_NS:
            self._slices.popleft()
        return self._slices[-1]


def pairs_of(
    structure: PacketRows, rows: NDArray[np.int64], lengths: NDArray[np.int64]
) -> list[tuple[Pair, float, float]]:
    """(pair, packets, bytes) of chosen rows; both directions are one pair."""
    one, other = structure.addresses[rows, :2], structure.addresses[rows, 2:]
    is_higher = (one[:, 0] > other[:, 0]) | ((one[:, 0] == other[:, 0]) & (one[:, 1] > other[:, 1]))
    keys = np.where(is_higher[:, None], np.hstack((other, one)), np.hstack((one, other)))
    is_ip = structure.network[rows] != 0
    mixed = (keys ^ (keys >> np.uint64(29))) * MIXERS
    hashes = (mixed ^ (mixed >> np.uint64(32))).sum(axis=1, dtype=np.uint64) + is_ip
    _, firsts, places = np.unique(hashes, return_index=True, return_inverse=True)
    packets, sizes = np.bincount(places), np.bincount(places, lengths)
    found = zip(keys[firsts].tolist(), is_ip[firsts].tolist(), packets.tolist(), sizes.tolist(), strict=True)
    return [((*key, ip), float(count), size) for key, ip, count, size in found]


def addresses_of(pair: Pair) -> tuple[str, str]:
    """Both addresses as text: IPv4, IPv6, or MAC where a packet has no IP."""
    return address_text(pair[0], pair[1], pair[4]), address_text(pair[2], pair[3], pair[4])


def address_text(high: int, low: int, is_ip: bool) -> str:
    """An address of two halves as text."""
    if not is_ip:
        return low.to_bytes(8, "big")[2:].hex(":")
    address = IPv6Address(high << 64 | low)
    return str(address.ipv4_mapped or address)
