"""What rules cost: seconds by rule id, measured on a few batches and scaled up.

Clock calls around each rule's step on every batch would be a good part of what cheap rules cost. What several rules ask
for is made once a batch, and counts for the rule that asked first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

Clock = Callable[[], int]  # ns of a steady clock
SAMPLED = 16  # one batch of so many is measured


class Costs:
    """seconds: by rule id. Without a clock nothing is measured: a replay reads none."""

    def __init__(self, clock: Clock | None = None, every: int = SAMPLED) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._clock = clock
        self._every = every
        self._batches = 0
        self._is_sampled = False

    def begin(self) -> None:
        """A batch begins; the first one is not measured: kernels are loaded in it."""
        self._batches += 1
        self._is_sampled = self._clock is not None and self._batches % self._every == 0

    def measured(self, rule_id: str, step: Callable[[], object]) -> None:
        """Takes one rule's step."""
        if not self._is_sampled or self._clock is None:
            step()
            return
        began = self._clock()
        try:
            step()
        finally:
            self.seconds[rule_id] += (self._clock() - began) * self._every / 1e9
