"""Batches in the time of their packets, or faster: for exercises, and for tests of what a live sensor would do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from detector.capture.batch import Batch

STEP_NS = 50_000_000  # packets that are due within this time go together


class Pacer:
    """Hands batches on when they are due. speed 1 is the capture's own time; clock (seconds) and sleep are handed in."""

    def __init__(self, speed: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._speed, self._clock, self._sleep = speed, clock, sleep
        self._began: tuple[float, int] | None = None

    def paced(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same packets in batches of what is due together."""
        for batch in batches:
            latest = np.maximum.accumulate(batch.times)
            steps = np.flatnonzero(np.diff(latest // int(STEP_NS * max(self._speed, 1e-9)))) + 1
            for first, stop in zip([0, *steps.tolist()], [*steps.tolist(), len(batch)], strict=True):
                if first < stop:
                    self._wait(int(latest[first]))
                    yield batch.take(np.arange(first, stop))

    def _wait(self, time_ns: int) -> None:
        if self._began is None:
            self._began = self._clock(), time_ns
        began, first_ns = self._began
        due = began + (time_ns - first_ns) / 1e9 / self._speed
        if (left := due - self._clock()) > 0:
            self._sleep(left)
