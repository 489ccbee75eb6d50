"""Batches cut where rules hold so often that what is found of a whole one, and its alerts, would fill the memory.

No alert depends on where a batch ends, so that this costs time alone, and only where a packet matches a dozen rules. What the
next packets will match is not known: it is taken to be what the last ones did. A run begins with a few packets, and each
portion is only some times as large as the one before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from detector.capture.batch import Batch
from detector.detect.selection import Tally

MOST_FOUND = 200_000  # rows at which rules hold, of one portion: 70 MB, and half a gigabyte where all of them alert
FIRST_PACKETS = 16
GROWTH = 8


class Portions:
    """Cuts the batches of one run. tally: what its rules have been asked so far; it may lag behind, and begin anew."""

    def __init__(self, tally: Callable[[], Tally]) -> None:
        self._tally = tally
        self._before = tally()
        self._size = FIRST_PACKETS

    def of(self, batch: Batch) -> Iterator[Batch]:
        """The packets of a batch in their order, in as many parts as it takes; the next is cut when it is asked for."""
        at = 0
        while True:  # per portion
            size = self._next_size()
            if at == 0 and size >= len(batch):
                yield batch
                return
            yield batch.take(np.arange(at, min(at + size, len(batch))))
            at += size
            if at >= len(batch):
                return

    def _next_size(self) -> int:
        """How many packets may go together: more than before only when those have been judged."""
        now = self._tally()
        before = self._before if now.rows >= self._before.rows else Tally()  # other rules have begun to count
        if now.rows > before.rows:
            fitting = MOST_FOUND * (now.rows - before.rows) // max(1, now.found - before.found)
            self._size = max(FIRST_PACKETS, min(fitting, self._size * GROWTH))
            self._before = now
        return self._size
