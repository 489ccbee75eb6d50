"""Batches in the time of their packets, or faster: for exercises, and for tests of what a live sensor would do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from detector.capture.batch import Batch
from detector.kernel import Kernels
from detector.packets.decode import DecodeSettings

arrivals = Kernels("detector.packets.arrival_kernels")

STEP_NS = 50_000_000  # packets that are due within this time go together
NAP_SECONDS = 0.1  # a signal's stop() is seen after this time at most


class Pacer:
    """Hands batches on when they are due. speed 1 is the capture's own time, 0 as fast as it goes; clock (seconds) and
    sleep are handed in.

    Due is what the run's own clock says: one packet whose time is far ahead by mistake makes nobody wait.
    """

    def __init__(self, speed: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._speed, self._clock, self._sleep = speed, clock, sleep
        self._began: tuple[float, int] | None = None
        self._is_stopped = False
        self._run_clock = np.zeros(3, np.int64)

    def stop(self) -> None:
        """Ends waiting, and with it what `paced` yields; for a signal handler."""
        self._is_stopped = True

    def paced(self, batches: Iterable[Batch]) -> Iterator[Batch]:
        """The same packets in batches of what is due together."""
        if not self._speed:
            yield from batches
            return
        for batch in batches:
            if not len(batch):
                continue
            clocks, odds = np.empty(len(batch), np.int64), np.empty(len(batch), np.uint8)
            arrivals.follow_clock(batch.times, DecodeSettings().clock_step_ns, self._run_clock, clocks, odds)
            steps = np.flatnonzero(np.diff(clocks // max(1, int(STEP_NS * self._speed)))) + 1
            for first, stop in zip([0, *steps.tolist()], [*steps.tolist(), len(batch)], strict=True):
                self._wait(int(clocks[first]))
                if self._is_stopped:
                    return
                yield batch.take(np.arange(first, stop))

    def _wait(self, time_ns: int) -> None:
        if self._began is None:
            self._began = self._clock(), time_ns
        began, first_ns = self._began
        due = began + (time_ns - first_ns) / 1e9 / self._speed
        while not self._is_stopped and (left := due - self._clock()) > 0:
            self._sleep(min(left, NAP_SECONDS))
