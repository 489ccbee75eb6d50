"""Windows of TCP streams: what payload rules look at. One row = one chunk of a stream and up to 4096 bytes before it.

Input: Chunks. Output: Windows. Made only for rules that look at streams.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch
from detector.errors import PacketAnomaly
from detector.flows.columns import SHARDS, WINDOW_BYTES, WINDOW_CELLS, Chunks
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.snapshot import Saved, put_back, saved

kernels = Kernels("detector.flows.window_kernels")

STATE_COLUMNS = 4  # as window_kernels.py names them


class Tails(NamedTuple):
    """state: int64[2 * slots, 4].  rings: uint8[tails * size], a ring of `size` bytes each.  owners: int64[tails].  hands: int64[64].
    counts: int64[2], tails that were given to another stream, rows marked. Columns are named in window_kernels.py."""

    state: NDArray[np.int64]
    rings: NDArray[np.uint8]
    owners: NDArray[np.int64]
    hands: NDArray[np.int64]
    counts: NDArray[np.int64]
    size: int


class Windows(NamedTuple):
    """cells: int64[windows, 10], one row per TCP chunk in the order of chunks, columns flows.columns.Window.
    spans: int64[windows, 2], where whole windows were put so far, -1 for nowhere."""

    cells: NDArray[np.int64]
    spans: NDArray[np.int64]


class WindowTable:
    """Keeps the windows of one run."""

    def __init__(self, memory_bytes: int, flow_slots: int) -> None:
        """memory_bytes: ceiling of all tails together, of which each shard of flows has its part."""
        tails = max(1, memory_bytes // WINDOW_BYTES // SHARDS) * SHARDS
        self.tails = Tails(
            np.zeros((2 * flow_slots, STATE_COLUMNS), np.int64), np.zeros(tails * WINDOW_BYTES, np.uint8), np.zeros(tails, np.int64),
            np.zeros(SHARDS, np.int64), np.zeros(2, np.int64), WINDOW_BYTES,
        )  # fmt: skip

    @property
    def evicted(self) -> int:
        """Streams whose last bytes were given up for those of another one."""
        return int(self.tails.counts[0])

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by stream anomaly that only the comparison with a stream's last bytes shows."""
        different = int(self.tails.counts[1])
        return Counter({PacketAnomaly.STREAM_OVERLAP_DIFFERENT_DATA.label: different} if different else {})

    def state(self) -> list[Saved]:
        """What a later run needs to go on. To be asked after remember."""
        return saved(self.tails[:-1])

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        put_back(state, self.tails[:-1])

    def follow(self, packets: PacketTable, chunks: Chunks) -> Windows:
        """The windows of a batch's chunks; marks rows that repeat bytes otherwise."""
        batch = packets.batch
        cells = np.empty((len(chunks.cells), WINDOW_CELLS), np.int64)
        words = packets.structure.words
        cells = cells[: kernels.follow_windows(chunks.cells, chunks.repeats, words, batch.buffer, self.tails, cells)]
        return Windows(cells, np.full((len(cells), 2), -1, np.int64))

    def copy(self, batch: Batch, windows: Windows, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n, 2]: where the whole bytes of windows are in the batch's buffer, put there if they were not yet."""
        batch.reserve(kernels.room_for(windows.cells, rows, windows.spans))
        out = np.empty((len(rows), 2), np.int64)
        batch.used = kernels.copy_windows(windows.cells, self.tails, batch.buffer, batch.used, rows, windows.spans, out)
        return out

    def remember(self, batch: Batch, windows: Windows) -> None:
        """Keeps the last bytes of each stream for later batches. To be called once rules have seen the batch, before the next
        is followed and while its buffer lives."""
        kernels.remember_windows(windows.cells, batch.buffer, self.tails)
