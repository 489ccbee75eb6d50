"""Batches to packet rows: the clock, the headers, repeats, checksums, in this order.

Input: Batch. Output: PacketTable. One row = one IP layer of a packet.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch
from detector.errors import PacketAnomaly
from detector.kernel import Kernels
from detector.packets.fields import BY_NAME, SPANS
from detector.packets.fragments import make_fragments
from detector.packets.frame import FrameClock
from detector.packets.rows import Cell, PacketRows, make_rows
from detector.packets.table import PacketTable

kernels = Kernels("detector.packets.decode_kernels")
arrivals = Kernels("detector.packets.arrival_kernels")
checksums = Kernels("detector.packets.checksum_kernels")

REPEAT_PLACES = 8192
ODD_TIMES = {1: PacketAnomaly.PACKET_LATE, 2: PacketAnomaly.PACKET_TIME_JUMP}
LABELS = {anomaly.value: anomaly.label for anomaly in PacketAnomaly}


@dataclass(frozen=True)
class DecodeSettings:
    """clock_step_ns: a jump forward by more waits for a second packet to confirm it: a night is shorter, and no
    control network is silent for a day. fragment_*: ceilings of reassembly."""

    check_checksums: bool = False
    drop_repeats: bool = False
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
        self._rows = make_rows(0)
        self._frames = FrameClock()
        self.anomalies: Counter[str] = Counter()
        self.unknown_link_types: Counter[int] = Counter()
        self.repeats = 0

    def decode(self, batch: Batch) -> PacketTable:
        """The packet table of a batch; reassembled datagrams are appended to the batch's buffer."""
        clocks, odds = np.empty(len(batch), np.int64), np.empty(len(batch), np.uint8)
        arrivals.follow_clock(batch.times, self._settings.clock_step_ns, self._clock, clocks, odds)
        rows = self._decode_rows(batch, clocks)
        self._mark_times(rows, odds)
        repeats = np.zeros(len(batch), np.bool_)
        arrivals.find_repeats(batch.buffer, *rows, len(rows.cells), batch.times, self._repeats, repeats)
        self.repeats += int(repeats.sum())
        if self._settings.check_checksums:
            checksums.check_rows(batch.buffer, *rows)
        self._count(batch, rows)
        times = self._frames.follow(batch.times)
        if self._settings.drop_repeats and repeats.any():
            rows = without(rows, repeats)
        return PacketTable(batch, rows, clocks[rows.packet], times, BY_NAME, SPANS)

    def _decode_rows(self, batch: Batch, clocks: NDArray[np.int64]) -> PacketRows:
        capacity = len(batch) + len(batch) // 4 + 64
        if len(self._rows.cells) < capacity:
            self._rows = make_rows(capacity)
        self._rows.empty()
        done, n = 0, 0
        while True:  # per growth of the buffer or the rows
            batch.reserve(2 * 65536 + 1)
            done, n, batch.used = kernels.decode_packets(
                batch.buffer, batch.used, batch.starts, batch.stops, batch.wire_lengths, batch.link_types, clocks, done,
                *self._rows, n, self._fragments,
            )  # fmt: skip
            if done == len(batch):
                return PacketRows(self._rows.cells[:n], self._rows.words[:n])
            if n + 64 > len(self._rows.cells):
                grown = make_rows(2 * len(self._rows.cells))
                grown.cells[:n], grown.words[:n] = self._rows.cells[:n], self._rows.words[:n]
                self._rows = grown

    def _mark_times(self, rows: PacketRows, odds: NDArray[np.uint8]) -> None:
        if odds.any():
            for code, anomaly in ODD_TIMES.items():  # per anomaly
                rows.anomalies[odds[rows.packet] == code, anomaly >> 6] |= np.uint64(1) << np.uint64(anomaly & 63)

    def _count(self, batch: Batch, rows: PacketRows) -> None:
        """Counts anomalies by name."""
        for word in (0, 1):  # per word of anomaly bits
            column = rows.anomalies[:, word]
            seen = int(np.bitwise_or.reduce(column)) if len(column) else 0
            while seen:  # per anomaly that occurs
                bit = (seen & -seen).bit_length() - 1
                seen &= seen - 1
                self.anomalies[LABELS[64 * word + bit]] += int((column >> np.uint64(bit) & np.uint64(1)).sum())
        unknown = np.uint64(1) << np.uint64(PacketAnomaly.PACKET_UNKNOWN_LINK_TYPE)
        if (is_unknown := (rows.anomalies[:, 0] & unknown) > 0).any():
            self.unknown_link_types.update(batch.link_types[rows.packet[is_unknown]].tolist())


def without(rows: PacketRows, repeats: NDArray[np.bool_]) -> PacketRows:
    """The rows of packets that are no repeats, with `outer` pointing to where its row is now."""
    kept = np.flatnonzero(~repeats[rows.packet])
    places = np.cumsum(~repeats[rows.packet]) - 1
    cells = rows.cells[kept]
    cells[:, Cell.OUTER] = np.where(rows.outer >= 0, places[rows.outer], -1)[kept]
    return PacketRows(cells, rows.words[kept])
