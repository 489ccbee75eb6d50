"""Batches to packet rows: the clock, the headers, repeats, checksums, in this order.

Input: Batch. Output: PacketTable. One row = one IP layer of a packet.
"""

from __future__ import annotations

from collections import Counter
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch
from detector.errors import PacketAnomaly
from detector.kernel import Kernels
from detector.packets.fields import BY_NAME, SPANS
from detector.packets.fragments import make_fragments
from detector.packets.frame import FrameClock
from detector.packets.rows import S_REDUNDANCY, SEEN_WORDS, Cell, PacketRows, Seen, make_rows
from detector.packets.table import PacketTable
from detector.snapshot import put_back, saved

kernels = Kernels("detector.packets.decode_kernels")
arrivals = Kernels("detector.packets.arrival_kernels")
checksums = Kernels("detector.packets.checksum_kernels")

REPEAT_PLACES, COPY_PLACES = 8192, 2048
LONGEST_COPIED = 1536  # as in arrival_kernels.py; here, so that a decoder is made without Numba
NONE_UNSUMMED = np.zeros(0, np.bool_)
UNKNOWN_LINK_TYPE = np.uint64(1) << np.uint64(PacketAnomaly.PACKET_UNKNOWN_LINK_TYPE)


@dataclass(frozen=True)
class DecodeSettings:
    """clock_step_ns: a jump forward by more waits for a second packet to confirm it: a night is shorter, and no
    control network is silent for a day. drop_redundant: whether the second of two copies is left out that PRP or HSR
    make of a frame. fragment_*: ceilings of reassembly."""

    check_checksums: bool = False
    drop_repeats: bool = False
    drop_redundant: bool = True
    clock_step_ns: int = 24 * 3600 * 10**9
    fragment_datagrams: int = 4096
    fragment_bytes: int = 16 * 2**20


class PacketDecoder:
    """Decodes the batches of one run. `anomalies` counts rows by anomaly, `unknown_link_types` packets by link type."""

    def __init__(self, settings: DecodeSettings | None = None) -> None:
        self._settings = settings or DecodeSettings()
        self._fragments = make_fragments(self._settings.fragment_datagrams, self._settings.fragment_bytes)
        self._clock = np.zeros(3, np.int64)
        self._repeats = np.zeros((REPEAT_PLACES, 2), np.int64)
        self._copies = np.zeros((COPY_PLACES, 4), np.int64)
        self._copied = np.zeros(COPY_PLACES * LONGEST_COPIED, np.uint8)
        self._rows = make_rows(0)
        self._frames = FrameClock()
        self._anomalies = np.zeros(128, np.int64)
        self.unknown_link_types: Counter[int] = Counter()
        self.repeats = 0

    def decode(self, batch: Batch) -> PacketTable:
        """The packet table of a batch; reassembled datagrams are appended to the batch's buffer."""
        clocks, odds = np.empty(len(batch), np.int64), np.empty(len(batch), np.uint8)
        arrivals.follow_clock(batch.times, self._settings.clock_step_ns, self._clock, clocks, odds)
        seen = np.zeros(SEEN_WORDS, np.uint64)
        hashes = np.empty(len(batch), np.int64)
        rows = self._decode_rows(batch, clocks, (hashes, odds, seen))
        if self._settings.check_checksums:
            unsummed = NONE_UNSUMMED if batch.is_unsummed is None else batch.is_unsummed
            checksums.check_rows(batch.buffer, *rows, unsummed, odds)
        repeats, row_clocks = np.zeros(len(batch), np.bool_), np.empty(len(rows.words), np.int64)
        redundant = self._find_copies(batch, rows, odds) if int(seen[Seen.LAYERS]) & S_REDUNDANCY else None
        arrivals.judge_arrivals(
            *rows, batch.times, clocks, odds, hashes, self._repeats, repeats, row_clocks, self._anomalies, seen
        )
        self.repeats += (repeated := int(repeats.sum()))
        if seen[0] & UNKNOWN_LINK_TYPE:
            self._count_link_types(batch, rows)
        times = self._frames.follow(batch.times)
        dropped = repeats if repeated and self._settings.drop_repeats else None
        if redundant is not None and self._settings.drop_redundant:
            dropped = redundant if dropped is None else dropped | redundant
        if dropped is not None and dropped.any():
            kept = ~dropped[rows.packet]
            rows, row_clocks = without(rows, kept), row_clocks[kept]
        now = int(row_clocks[-1]) if len(row_clocks) else 0
        return PacketTable(batch, rows, row_clocks, times, BY_NAME, SPANS, seen, now)

    def _find_copies(self, batch: Batch, rows: PacketRows, odds: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """bool[packets], copies that PRP or HSR made."""
        redundant = np.zeros(len(batch), np.bool_)
        arrivals.find_copies(
            batch.buffer, batch.starts, batch.stops, *rows, batch.times, self._copies, self._copied, odds, redundant
        )
        return redundant

    def _decode_rows(self, batch: Batch, clocks: NDArray[np.int64], noted: tuple[NDArray[Any], ...]) -> PacketRows:
        """The rows. noted: hashes, odds and seen of decode_packets."""
        capacity = len(batch) + len(batch) // 4 + 64
        if len(self._rows.words) < capacity:
            self._rows = make_rows(capacity)
        done, n = 0, 0
        while True:  # per growth of the buffer or the rows
            batch.reserve(2 * 65536 + 1)
            done, n, batch.used = kernels.decode_packets(
                batch.buffer, batch.used, batch.starts, batch.stops, batch.wire_lengths, batch.link_types, clocks, done,
                *self._rows, n, self._fragments, *noted,
            )  # fmt: skip
            if done == len(batch):
                return PacketRows(self._rows.cells, self._rows.words[:n])
            if n + 64 > len(self._rows.words):
                grown = make_rows(2 * len(self._rows.words))
                grown.cells[:, :n], grown.words[:n] = self._rows.cells[:, :n], self._rows.words[:n]
                self._rows = grown

    @property
    def clock_ns(self) -> int:
        """The clock of the run: what limits, correlations and expiry go by."""
        return int(self._clock[0])

    def state(self) -> dict[str, Any]:
        """What a later run needs to go on: clock, fragments, latest packets, counts."""
        counts = {name: getattr(self, name) for name in ("unknown_link_types", "repeats", "_frames")}
        return {"arrays": saved(self._arrays), "counts": counts}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state, before the first batch."""
        put_back(state["arrays"], self._arrays)
        for name, count in state["counts"].items():  # per count
            setattr(self, name, copy(count))

    @property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        keys, slots, buckets, pieces, arena, counts = self._fragments
        return (
            keys,
            slots,
            buckets,
            pieces,
            *arena,
            counts,
            self._clock,
            self._repeats,
            self._copies,
            self._copied,
            self._anomalies,
        )

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by the name of their anomalies."""
        return Counter({anomaly.label: count for anomaly in PacketAnomaly if (count := int(self._anomalies[anomaly]))})

    def _count_link_types(self, batch: Batch, rows: PacketRows) -> None:
        """Packets by a link type that is not known."""
        is_unknown = (rows.anomalies[:, 0] & UNKNOWN_LINK_TYPE) > 0
        self.unknown_link_types.update(batch.link_types[rows.packet[is_unknown]].tolist())


def without(rows: PacketRows, kept: NDArray[np.bool_]) -> PacketRows:
    """The chosen rows, with `outer` pointing to where its row is now."""
    places = np.cumsum(kept) - 1
    # Column after column, as decoded: NumPy's own choice of a mask is row after row, for which each kernel is compiled anew.
    cells = rows.cells[:, : len(kept)].take(np.flatnonzero(kept), axis=1)
    cells[Cell.OUTER] = np.where(rows.outer >= 0, places[rows.outer], -1)[kept]
    return PacketRows(cells, rows.words[kept])
