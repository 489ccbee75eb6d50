"""How long rules' expressions may take in a batch: the one thing whose work cannot be counted, so that a clock must do.

What counts is the time beyond that of a search which goes over its bytes once, and the time as a whole. A rule that has
used up either is left alone for some batches: bytes made for it would take that time for ever. All rules together have
a limit too; beyond it only those are tried for as long of which it is known that they are quick.
"""

from __future__ import annotations

from collections import Counter

MILLISECOND = 10**6
# What a search may take, and for each byte: far more than most do.
SEARCH_NS, BYTE_NS = 2 * MILLISECOND, 200
MOST_SLOW_NS = 350 * MILLISECOND  # of one rule in a batch, beyond that
MOST_NS = 30_000 * MILLISECOND  # of one rule in a batch, all in all
MOST_TOGETHER_NS = 2_000 * MILLISECOND  # of all rules in a batch, beyond what searches may take
CALL_NS = 5_000  # what a search costs before it begins
PAUSE = 32  # batches after such a one in which the rule's expressions are not tried


class Budget:
    """Times by rule, whatever number the user has for it."""

    def __init__(self) -> None:
        self._slow_ns: Counter[int] = Counter()
        self._all_ns: Counter[int] = Counter()
        self._together_ns = 0
        self._quick: set[int] = set()
        self._slow: set[int] = set()
        self._pauses: dict[int, int] = {}  # batches for which a rule is left alone
        self._pause = 0  # and for which all are that are not known to be quick

    def begin(self) -> None:
        """A batch begins."""
        self._slow_ns.clear()
        self._all_ns.clear()
        self._together_ns = 0
        self._pause = max(0, self._pause - 1)
        self._pauses = {rule: left - 1 for rule, left in self._pauses.items() if left > 1}

    def admits(self, rule: int) -> bool:
        """Whether a rule's expression may be tried."""
        return rule not in self._pauses and (not self._pause or (rule in self._quick and rule not in self._slow))

    def spend(self, rule: int, spent_ns: int, size: int) -> bool:
        """Notes a search over so many bytes; whether the rule has now used up what it may take."""
        self._all_ns[rule] += spent_ns + CALL_NS
        slow_ns = spent_ns - SEARCH_NS - BYTE_NS * size
        if slow_ns > 0:
            self._slow_ns[rule] += slow_ns
            self._together_ns += slow_ns
            self._slow.add(rule)
            if self._together_ns >= MOST_TOGETHER_NS:
                self._pause = PAUSE + 1
        else:
            self._quick.add(rule)
        if self._slow_ns[rule] < MOST_SLOW_NS and self._all_ns[rule] < MOST_NS:
            return False
        self._pauses[rule] = PAUSE + 1
        return True
