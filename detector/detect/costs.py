"""What rules cost: nanoseconds by rule, measured on a few batches and scaled up.

Clock calls around each rule's step on every batch would be a good part of what cheap rules cost. What several rules ask
for is made once a batch, and counts for the rule that asked first.
"""

from __future__ import annotations

from collections.abc import Callable

Clock = Callable[[], int]  # ns of a steady clock
SAMPLED = 16  # one batch of so many is measured


class Costs:
    """Measures steps of rules. Without a clock nothing is measured: a replay reads none.

    spent_ns: of the batch at hand, by the rules' places, scaled up to all batches; empty for most batches.
    """

    def __init__(self, clock: Clock | None = None, every: int = SAMPLED) -> None:
        self.spent_ns: dict[int, int] = {}
        self._clock = clock
        self._every = every
        self._batches = 0
        self._is_sampled = False
        self._within = 0  # ns of steps within the step at hand, which are theirs and not its

    def begin(self) -> None:
        """A batch begins. The first ones are not measured: kernels are loaded in them."""
        self._batches += 1
        self._is_sampled = self._clock is not None and self._batches % self._every == 0
        self.spent_ns = {}

    def enter(self) -> tuple[int, int] | None:
        """A step begins; what is returned is handed back to `leave`."""
        if not self._is_sampled or self._clock is None:
            return None
        before, self._within = self._within, 0
        return self._clock(), before

    def leave(self, place: int, entered: tuple[int, int] | None) -> None:
        """The step of a rule has ended."""
        if entered is None or self._clock is None:
            return
        began, before = entered
        took = self._clock() - began
        self.spent_ns[place] = self.spent_ns.get(place, 0) + (took - self._within) * self._every
        self._within = before + took
