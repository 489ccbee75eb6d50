"""Several captures as one, in time order.

A capture's own order is kept: its packets are placed by the running maximum of their times, so that a late packet stays
behind those before it. Ties go to the capture named first. The order does not depend on the size of any batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch, Origin, moved, no_notes
from detector.capture.reader import SLACK_BYTES, CaptureReader
from detector.capture.source import SourceReport, summed
from detector.kernel import Kernels

kernels = Kernels("detector.capture.capture_kernels")


@dataclass
class Lane:
    """One capture on its way into the merge: the batch at hand, from row `next` on."""

    reader: CaptureReader
    iterator: Iterator[Batch]
    batch: Batch | None = None
    keys: NDArray[np.int64] | None = None  # running maximum of times
    latest: int = -(2**62)
    next: int = 0

    def refill(self) -> None:
        """The next batch, once this one is used up."""
        if self.batch is not None and self.next < len(self.batch):
            return
        self.batch = next(self.iterator, None)
        self.next = 0
        if self.batch is not None:
            self.keys = np.maximum.accumulate(np.maximum(self.batch.times, self.latest))
            self.latest = int(self.keys[-1])


class MergedSource:
    """A Source of several captures."""

    def __init__(self, readers: Sequence[CaptureReader], batch_packets: int) -> None:
        self._lanes = [Lane(reader, iter(reader.batches())) for reader in readers]
        self._batch_packets = batch_packets
        self._paths = [reader.path for reader in readers]

    @property
    def report(self) -> SourceReport:
        """The sum of the captures' reports."""
        return summed(lane.reader.report for lane in self._lanes)

    def stop(self) -> None:
        """Ends every capture after the packets at hand."""
        for lane in self._lanes:  # per capture
            lane.reader.stop()

    def batches(self) -> Iterator[Batch]:
        """The packets of all captures, in time order."""
        while True:  # per step: until the capture whose batch ends first needs its next one
            for lane in self._lanes:  # per capture
                lane.refill()
            open_lanes = [(lane, index) for index, lane in enumerate(self._lanes) if lane.batch is not None]
            if not open_lanes:
                return
            bound = min((lane.latest, index) for lane, index in open_lanes)
            yield from self._step(open_lanes, bound)

    def _step(self, lanes: list[tuple[Lane, int]], bound: tuple[int, int]) -> Iterator[Batch]:
        """Batches of what is placed at or before `bound` (time, capture)."""
        keys, sources, rows = [], [], []
        for lane, index in lanes:  # per capture
            assert lane.keys is not None
            side = "right" if index <= bound[1] else "left"
            stop = int(np.searchsorted(lane.keys, bound[0], side=side))  # type: ignore[call-overload]
            taken = np.arange(lane.next, max(stop, lane.next))
            keys.append(lane.keys[taken])
            sources.append(np.full(len(taken), index))
            rows.append(taken)
            lane.next = max(stop, lane.next)
        key, source, row = np.concatenate(keys), np.concatenate(sources), np.concatenate(rows)
        order = np.lexsort((row, source, key))
        for first in range(0, len(order), self._batch_packets):  # per batch
            chosen = order[first : first + self._batch_packets]
            yield self._gather(source[chosen], row[chosen])

    def _told(
        self, source: NDArray[np.int64], row: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int32] | None, list[Origin]]:
        """Notes, origins and interfaces of (capture, row) pairs, as a batch has them."""
        notes, origins = [no_notes()], np.full(len(row), -1, np.int32)
        described: list[Origin] = []
        for index in np.unique(source).tolist():  # per capture
            batch, at = self._lanes[index].batch, np.flatnonzero(source == index)
            assert batch is not None
            if batch.origins is not None:
                origins[at] = batch.origins[row[at]] + len(described)
                described += batch.described
            found = moved(batch.notes, row[at], len(batch))
            found[:, 0] = at[found[:, 0]]
            notes.append(found)
        return np.concatenate(notes), origins if described else None, described

    def _gather(self, source: NDArray[np.int64], row: NDArray[np.int64]) -> Batch:
        """A batch of its own of (capture, row) pairs."""
        n = len(row)
        columns: dict[str, NDArray[np.int64]] = {
            name: np.zeros(n, np.int64)
            for name in ("starts", "stops", "wire_lengths", "times", "link_types", "numbers", "interfaces")
        }
        comments: dict[int, list[str]] = {}
        for index in np.unique(source).tolist():  # per capture
            batch, at = self._lanes[index].batch, source == index
            assert batch is not None
            for name, column in columns.items():  # per column
                column[at] = getattr(batch, name)[row[at]]
            if batch.comments:
                places = dict(zip(row[at].tolist(), np.flatnonzero(at).tolist(), strict=True))
                comments |= {places[number]: said for number, said in batch.comments.items() if number in places}
        notes, origins, described = self._told(source, row)
        lengths = columns["stops"] - columns["starts"]
        buffer = np.zeros(int(lengths.sum()) + SLACK_BYTES, np.uint8)
        stops = np.cumsum(lengths)
        starts = stops - lengths
        for index in np.unique(source).tolist():  # per capture
            batch, at = self._lanes[index].batch, source == index
            assert batch is not None
            kernels.scatter_packets(buffer, starts[at], batch.buffer, columns["starts"][at], columns["stops"][at])
        return Batch(
            buffer, int(lengths.sum()), starts, stops, columns["wire_lengths"], columns["times"],
            columns["link_types"].astype(np.int32), columns["numbers"], source.astype(np.int32),
            columns["interfaces"].astype(np.int32), self._paths, comments, notes, origins, described,
        )  # fmt: skip
