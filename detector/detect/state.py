"""The state that limits, correlations and new values keep, each for one rule, in arrays of fixed size."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from detector.detect.groups import Hashes
from detector.kernel import Kernels
from detector.rules.model import Correlation, Limit, NewValue
from detector.rules.signature import Subject, Threshold

kernels = Kernels("detector.detect.state_kernels")

ENTRY_COLUMNS = 5
WAYS = 8
STATE_BYTES = 16 * 2**20  # of a correlation's lists: fewer groups where each needs a longer list

MAPPED_BYTES = 2**16  # of an array that gets memory of its own
PACKED = "packed"
TOUCHED = "_touched"  # sets of places in which a group was put ever; a checkpoint need not look at others

Clocks = NDArray[np.int64]
KINDS = ("limit", "threshold", "both", "detection")  # by their numbers in kernels
MICROSECOND, SECOND = 10**3, 10**9


class LimitState:
    """Groups of one rule's limit or threshold. `lost` counts groups that were pushed out. Pickled, it is as large as what it
    holds.

    A threshold is Suricata's: times in whole microseconds, both ends of its window inside, of `limit` the first always
    passes, and a row that is no IP packet (its subject is zero) is not counted and passes.
    """

    def __init__(self, limit: Limit | Threshold, groups: int) -> None:
        self._is_threshold = isinstance(limit, Threshold)
        if isinstance(limit, Threshold):
            self._kind, self._every_ns = KINDS.index(limit.kind), limit.seconds * SECOND + 1
            self._count = max(limit.count, 1) if limit.kind == "limit" else limit.count
            is_one = limit.subject == Subject.RULE
        else:
            self._kind, self._count, self._every_ns = 0, limit.count, limit.every_ns
            is_one = not limit.by
        groups = WAYS if is_one else groups
        self._keys, self._entries = make_groups(groups)
        self._touched = np.zeros(groups // WAYS, np.bool_)
        self.lost = 0

    def pass_events(self, hashes: Hashes, clocks: Clocks) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """(which events pass, how many each stands for)."""
        if not self._is_threshold:
            return self._pass(hashes, clocks)
        clocks = clocks // MICROSECOND * MICROSECOND
        passed, stood_for = np.ones(len(hashes), np.bool_), np.zeros(len(hashes), np.int64)
        counted = np.flatnonzero(hashes.any(axis=1))
        passed[counted], stood_for[counted] = self._pass(hashes[counted], clocks[counted])
        return passed, stood_for

    def _pass(self, hashes: Hashes, clocks: Clocks) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        passed, stood_for = np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.int64)
        touch(self._touched, hashes)
        self.lost += kernels.limit_events(
            hashes, clocks, self._keys, self._entries, self._kind, self._count, self._every_ns, passed, stood_for
        )
        return passed, stood_for

    def __getstate__(self) -> dict[str, Any]:
        return packed(self.__dict__, used_places(self._touched, self._entries), ("_keys", "_entries"))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= unpacked(state)


class StateTable:
    """What rules remember of flows, or of hosts: bits and numbers by subject and name. `lost` counts what was pushed out.
    Pickled, it is as large as what it holds."""

    def __init__(self, places: int) -> None:
        self.keys, self.entries = make_groups(places)
        self._touched = np.zeros(places // WAYS, np.bool_)
        self.lost = 0

    @property
    def arrays(self) -> tuple[Hashes, NDArray[np.int64], NDArray[np.bool_]]:
        """What kernels take: keys, entries, which sets were ever touched."""
        return self.keys, self.entries, self._touched

    def __getstate__(self) -> dict[str, Any]:
        return packed(self.__dict__, used_places(self._touched, self.entries), ("keys", "entries"))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= unpacked(state)


class CorrelationState:
    """Groups of one correlation. `lost` counts groups that were pushed out. Pickled, it is as large as what it holds."""

    def __init__(self, correlation: Correlation, groups: int) -> None:
        self._correlation = correlation
        size = max(correlation.condition.values()) + 1
        per_group = size * (16 if correlation.kind == "value_count" else 8)
        groups = max(WAYS, min(groups, STATE_BYTES // per_group // WAYS * WAYS))
        self._keys, self._entries = make_groups(groups)
        self._touched = np.zeros(groups // WAYS, np.bool_)
        self._clocks = zeros((groups, size), np.int64)
        self._values = zeros((groups if correlation.kind == "value_count" else 0, size), np.uint64)
        self.lost = 0

    def count(self, hashes: Hashes, clocks: Clocks, values: NDArray[np.uint64] | None) -> NDArray[np.int64]:
        """int64[events]: what each event's window holds, itself included."""
        counts = np.zeros(len(hashes), np.int64)
        touch(self._touched, hashes)
        timespan = self._correlation.timespan_ns
        if values is None:
            self.lost += kernels.count_events(hashes, clocks, self._keys, self._entries, self._clocks, timespan, counts)
        else:
            self.lost += kernels.count_values(
                hashes, clocks, values, self._keys, self._entries, self._values, self._clocks, timespan, counts
            )
        return counts

    def holds(self, counts: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Where the condition holds."""
        compare = {"gt": np.greater, "gte": np.greater_equal, "lt": np.less, "lte": np.less_equal, "eq": np.equal}
        out = np.ones(len(counts), np.bool_)
        for name, number in self._correlation.condition.items():  # per condition
            out &= compare[name](counts, number)
        return out

    def __getstate__(self) -> dict[str, Any]:
        names = ("_keys", "_entries", "_clocks", *(("_values",) if len(self._values) else ()))
        return packed(self.__dict__, used_places(self._touched, self._entries), names)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= unpacked(state)


class NewValueState:
    """Values of one rule seen so far. `is_learned`: known good traffic was given, so that no time is spent on learning.
    Pickled, it is as large as what it holds."""

    def __init__(self, declared: NewValue) -> None:
        self._declared = declared
        places = 1 << (2 * declared.max_values - 1).bit_length()
        self._keys, self._used = zeros((places, 2), np.uint64), zeros(places, np.bool_)
        self.stored = 0
        self.is_learned = False
        self.first_ns: int | None = None

    def is_learning(self, clock: int) -> bool:
        """Whether values at this clock are taken as known good."""
        return not self.is_learned and self.first_ns is not None and clock < self.first_ns + self._declared.learn_ns

    def learn(self, hashes: Hashes) -> None:
        """Remembers values without judging them."""
        self.is_learned = True
        self._add(hashes)

    def judge(self, hashes: Hashes, clocks: Clocks) -> NDArray[np.uint8]:
        """uint8[events]: 0 known or still learning, 1 new, 2 new and no room to remember it."""
        out = self._add(hashes)
        if not self.is_learned and self.first_ns is not None:
            out[clocks < self.first_ns + self._declared.learn_ns] = 0
        return out

    def _add(self, hashes: Hashes) -> NDArray[np.uint8]:
        out = np.zeros(len(hashes), np.uint8)
        self.stored = int(
            kernels.add_values(hashes, self._keys, self._used, self._declared.max_values, self.stored, out)
        )
        return out

    def __getstate__(self) -> dict[str, Any]:
        return packed(self.__dict__, np.flatnonzero(self._used), ("_keys", "_used"))

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= unpacked(state)


def touch(touched: NDArray[np.bool_], hashes: Hashes) -> None:
    """Notes the sets of places in which groups may be from now on."""
    touched[hashes[:, 0] % np.uint64(len(touched))] = True


def used_places(touched: NDArray[np.bool_], entries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Places that hold a group. To look at every place of 800 limits took 0.4 s, at those of touched sets 5 ms."""
    places = (np.flatnonzero(touched)[:, None] * WAYS + np.arange(WAYS)).reshape(-1)
    used: NDArray[np.int64] = places[entries[places, 0] != 0]
    return used


def packed(attributes: dict[str, Any], places: NDArray[np.int64], names: Sequence[str]) -> dict[str, Any]:
    """Attributes in which the named arrays are cut down to the places that are used, and what follows from them is left out."""
    arrays = {name: (attributes[name].shape, attributes[name][places]) for name in names}
    kept = {name: value for name, value in attributes.items() if name != TOUCHED}
    return {**kept, **dict.fromkeys(names), PACKED: (places, arrays)}


def unpacked(attributes: dict[str, Any]) -> dict[str, Any]:
    """What `packed` was given; places that were not used are zero."""
    places, arrays = attributes[PACKED]
    whole = {name: attributes[name] for name in attributes if name != PACKED}
    for name, (shape, values) in arrays.items():  # per array
        whole[name] = zeros(shape, values.dtype)
        whole[name][places] = values
    if "_used" not in arrays:
        whole[TOUCHED] = np.zeros(next(iter(arrays.values()))[0][0] // WAYS, np.bool_)
        whole[TOUCHED][places // WAYS] = True
    return whole


def make_groups(groups: int) -> tuple[Hashes, NDArray[np.int64]]:
    """Empty keys and entries of a power-of-ways number of groups."""
    return zeros((groups, 2), np.uint64), zeros((groups, ENTRY_COLUMNS), np.int64)


def zeros(shape: tuple[int, ...] | int, dtype: DTypeLike) -> NDArray[Any]:
    """An array of zeros that takes memory only where it is written to, and gives all of it back.

    What malloc returns after a reload is memory of the rules of before, which it must overwrite with zeros, all of it: a
    daemon with 45 rules that had been reloaded took 480 MB in place of 290.
    """
    count, kind = int(np.prod(shape)), np.dtype(dtype)
    if sys.platform == "win32" or count * kind.itemsize < MAPPED_BYTES:
        return np.zeros(shape, kind)
    memory = mmap.mmap(-1, count * kind.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(memory, kind, count).reshape(shape)
