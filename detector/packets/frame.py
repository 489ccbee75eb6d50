"""Frames as they were captured: numbers, times, lengths. What depends on earlier frames is carried from batch to batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class FrameClock:
    """Carries the first and the latest time from batch to batch."""

    first_ns: int | None = None
    latest_ns: int = 0

    def follow(self, times: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(time since the previous frame, since the first frame), int64[packets] ns, as Wireshark counts them."""
        if not len(times):
            return times, times
        if self.first_ns is None:
            self.first_ns = self.latest_ns = int(times[0])
        deltas = np.diff(times, prepend=self.latest_ns)
        self.latest_ns = int(times[-1])
        return deltas, times - self.first_ns
