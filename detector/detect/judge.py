"""What crosses flows: memory, new values, correlations, limits, in this order. One judge, however many selectors.

Input: selections. Output: Verdicts, the rows that alert, in the order (clock, packet, packet row, rule, row).
"""

from __future__ import annotations

import logging
import traceback
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.detect.costs import Costs
from detector.detect.groups import Hashes
from detector.detect.memory import Memory
from detector.detect.selection import (
    CLOCK,
    KEYS,
    ROW,
    RULE,
    Counted,
    Found,
    Rows,
    Selection,
    Tally,
    merged,
)
from detector.detect.state import CorrelationState, LimitState, NewValueState, StateTable
from detector.errors import Position
from detector.rules.model import Rule, Ruleset

log = logging.getLogger(__name__)

# Columns of verdicts behind those of keys.
ORIGIN, STOOD_FOR, COUNT, IS_FULL = range(KEYS, KEYS + 4)
NO_COUNT = -1
NOWHERE = Position("", 0, 0)


@dataclass(frozen=True)
class EngineSettings:
    """groups: ceiling of groups that one rule's limit or correlation keeps apart, a multiple of 8.

    states: ceiling of what all rules together remember of flows, and again of hosts (flowbits, xbits ...), a multiple of 8.
    """

    groups: int = 65536
    states: int = 262144


class Verdicts(NamedTuple):
    """The rows that alert, in their order.

    cells: int64[n, 9]: the columns of keys; the place of the selection that a row is from; how many matches it stands for;
        what a correlation counted or -1; whether a rule's memory of seen values was full.
    """

    cells: Rows

    def of(self, origin: int) -> Verdicts:
        """Those of one selection."""
        return Verdicts(self.cells[self.cells[:, ORIGIN] == origin])

    def of_some(self, origins: Collection[int]) -> Verdicts:
        """Those of several selections."""
        return Verdicts(self.cells[np.isin(self.cells[:, ORIGIN], list(origins))])

    def origins(self) -> list[int]:
        """The selection behind each row."""
        found: list[int] = self.cells[:, ORIGIN].tolist()
        return found


def rows_by_rule(verdicts: Verdicts) -> list[tuple[int, int]]:
    """(place of a rule, rows)."""
    return list(Counter(verdicts.cells[:, RULE].tolist()).items())


@dataclass
class Events:
    """What one rule matched: rows in order, with the groups of its limit; counts and fullness where a stage gave them."""

    keys: Rows
    limits: Hashes | None
    origins: Rows | None
    counts: Rows | None = None
    is_full: NDArray[np.bool_] | None = None


@dataclass
class JudgeState:
    """A judge's state of each rule by its id, with the rules themselves, to see whether they still mean the same.

    It is the judge's own and not a copy: pickle it before the next batch, which makes it small.
    """

    rules: dict[str, Rule] = field(default_factory=dict)
    limits: dict[str, LimitState] = field(default_factory=dict)
    correlations: dict[str, CorrelationState] = field(default_factory=dict)
    new_values: dict[str, NewValueState] = field(default_factory=dict)
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    filters: dict[str, LimitState] = field(default_factory=dict)
    memory: dict[str, StateTable] = field(default_factory=dict)


class Judge:
    """The state of the rules of one run.

    matched, suppressed, rule_errors: counts by rule id; rows_by_table: rows that rules could look at.
    spent_ns: time spent on each rule here and by selectors, sampled and scaled up, where `costs` and theirs have clocks.
    shed_rows: rows that each rule did not look at because it was switched off.  limits: as in selection.LIMITS.
    tally: what was judged, since this object was made.
    """

    def __init__(self, ruleset: Ruleset, settings: EngineSettings | None = None) -> None:
        self._settings = settings or EngineSettings()
        self.rules = ruleset.active
        self._memory = Memory(self.rules, self._settings.states)
        self._filters: dict[str, LimitState] = {}  # detection_filter of rules that have matched
        self._limits: dict[str, LimitState] = {}  # of rules that have matched
        self._correlations = {
            rule.id: CorrelationState(rule.correlation, self._settings.groups)
            for rule in self.rules
            if rule.correlation is not None
        }
        self._new_values = {rule.id: NewValueState(rule.new_value) for rule in self.rules if rule.new_value is not None}
        self.matched: Counter[str] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.rule_errors: Counter[str] = Counter()
        self.rows_by_table: Counter[str] = Counter()
        self.spent_ns: Counter[str] = Counter()
        self.shed_rows: Counter[str] = Counter()
        self.limits: Counter[str] = Counter()
        self.costs = Costs()
        self.tally = Tally()

    @property
    def lost_groups(self) -> Counter[str]:
        """Groups that were pushed out of a rule's state, by rule id."""
        lost = Counter({rule: state.lost for rule, state in self._limits.items()})
        lost.update({rule: state.lost for rule, state in self._filters.items()})
        lost.update({rule: state.lost for rule, state in self._correlations.items()})
        return +lost

    @property
    def lost_states(self) -> Counter[str]:
        """What rules remembered of flows and of hosts and was pushed out, by these two."""
        return self._memory.lost

    def is_learning(self, rule_id: str, clock: int) -> bool:
        """Whether a new_value rule still takes what it sees at this clock as known good."""
        state = self._new_values.get(rule_id)
        return state is not None and state.is_learning(clock)

    def learn(self, values: Mapping[str, Hashes]) -> None:
        """Lets new_value rules take values, by rule id, as known good."""
        for rule_id, hashes in values.items():  # per rule
            self._new_values[rule_id].learn(hashes)

    def judge(self, selections: Sequence[Selection], is_one_batch: bool = True) -> Verdicts:
        """The rows that alert. is_one_batch: as in selection.merged."""
        self._begin(selections)
        found = self._memory.pass_rows(merged(selections, self.rules, is_one_batch), is_one_batch)
        events: dict[int, Events] = {}
        counted: dict[int, list[tuple[Found, Counted]]] = {}
        for place in sorted(found):  # per rule that matched
            with self._guarded(place):
                self._admit(found[place], events, counted)
        for place in sorted(counted):  # per correlation
            with self._guarded(place):
                self._correlate(place, counted[place], events)
        parts: list[Rows] = []
        for place in sorted(events):  # per rule that matched
            if not self.rules[place].silent:
                with self._guarded(place):
                    parts.append(self._limit(place, events[place]))
        self._spend(self.costs.spent_ns)
        if not parts:
            return Verdicts(np.zeros((0, KEYS + 4), np.int64))
        cells = np.concatenate(parts)
        return Verdicts(cells[np.lexsort(cells[:, ROW::-1].T)] if len(parts) > 1 else cells)

    def _begin(self, selections: Sequence[Selection]) -> None:
        """Counts rows and failures, and tells learning rules when the run began."""
        self.costs.begin()
        for selection in selections:  # per selector
            self.rows_by_table.update(selection.rows)
            self.tally = selection.tally(self.tally)
            self._spend(selection.spent_ns)
            self.limits.update(selection.limits)
            self.shed_rows.update({self.rules[place].id: rows for place, rows in selection.shed.items()})
        for place in sorted({place for selection in selections for place in selection.errors}):  # per rule that failed
            told = (selection.errors.get(place, "") for selection in selections)
            self._failed(self.rules[place], next(filter(None, told), ""))
        clocks = [selection.first_clock for selection in selections if selection.first_clock is not None]
        for state in self._new_values.values() if clocks else ():  # per rule
            if state.first_ns is None:
                state.first_ns = min(clocks)

    def _spend(self, spent_ns: Mapping[int, int]) -> None:
        self.spent_ns.update({self.rules[place].id: spent for place, spent in spent_ns.items()})

    def _failed(self, rule: Rule, told: str) -> None:
        """Counts a failure of a rule; the first is told."""
        if not self.rule_errors[rule.id]:
            log.error("rule %s (%s) failed\n%s", rule.title, rule.position, told)
        self.rule_errors[rule.id] += 1

    @contextmanager
    def _guarded(self, place: int) -> Iterator[None]:
        """One rule's step; a rule that fails is counted and told once, and stops nobody else."""
        entered = self.costs.enter()
        try:
            yield
        except Exception:  # noqa: BLE001 - told by _failed
            self._failed(self.rules[place], traceback.format_exc())
        finally:
            self.costs.leave(place, entered)

    def _admit(self, found: Found, events: dict[int, Events], counted: dict[int, list[tuple[Found, Counted]]]) -> None:
        """A rule's rows, of a new_value rule those that bring a new value; and what correlations count of them."""
        rule, is_full = self.rules[found.rule], None
        found = self._filtered(rule, found)
        if found.values is not None:
            codes = self._new_values[rule.id].judge(found.values, np.ascontiguousarray(found.keys[:, CLOCK]))
            found, is_full = found.kept(codes > 0), codes[codes > 0] == 2
        if not len(found.keys):
            return
        self.matched[rule.id] += len(found.keys)
        events[found.rule] = Events(found.keys, found.limits, found.origins, None, is_full)
        for one in found.counted:  # per correlation
            if len(one.of):
                counted.setdefault(one.correlation, []).append((found, one))

    def _filtered(self, rule: Rule, found: Found) -> Found:
        """What is left after suppressions and detection_filter. What is suppressed has matched; what is filtered has not."""
        if found.is_suppressed is not None and found.is_suppressed.any():
            suppressed = int(found.is_suppressed.sum())
            self.matched[rule.id] += suppressed
            self.suppressed[rule.id] += suppressed
            found = found.kept(~found.is_suppressed)
        declared = None if rule.signature is None else rule.signature.detection_filter
        if declared is None:
            return found
        if rule.id not in self._filters:
            self._filters[rule.id] = LimitState(declared, self._settings.groups)
        assert found.subjects is not None
        passed, _ = self._filters[rule.id].pass_events(
            np.ascontiguousarray(found.subjects[:, declared.subject]), np.ascontiguousarray(found.keys[:, CLOCK])
        )
        return found.kept(passed)

    def _correlate(self, place: int, parts: Sequence[tuple[Found, Counted]], events: dict[int, Events]) -> None:
        """Events of a correlation: those of its base rules at which its condition holds."""
        rule = self.rules[place]
        keys = np.concatenate([found.keys[one.of] for found, one in parts])
        # One base rule's rows are in order already.
        order = np.lexsort(keys.T[::-1]) if len(parts) > 1 else np.arange(len(keys))
        keys = keys[order]
        groups = np.concatenate([one.groups for _, one in parts])[order]
        state = self._correlations[rule.id]
        counts = state.count(
            groups, np.ascontiguousarray(keys[:, CLOCK]), concatenated([one.values for _, one in parts], order)
        )
        chosen = state.holds(counts)
        if not chosen.any():
            return
        self.matched[rule.id] += int(chosen.sum())
        keys, order = keys[chosen], order[chosen]
        keys[:, RULE] = place
        origins = [None if found.origins is None else found.origins[one.of] for found, one in parts]
        events[place] = Events(
            keys, concatenated([one.limits for _, one in parts], order), concatenated(origins, order), counts[chosen]
        )

    def _limit(self, place: int, found: Events) -> Rows:
        """Verdicts of one rule on the matches that pass its threshold, or its limit."""
        rule = self.rules[place]
        if rule.id not in self._limits:
            threshold = None if rule.signature is None else rule.signature.threshold
            self._limits[rule.id] = LimitState(threshold or rule.limit, self._settings.groups)
        assert found.limits is not None
        passed, stood_for = self._limits[rule.id].pass_events(
            np.ascontiguousarray(found.limits), np.ascontiguousarray(found.keys[:, CLOCK])
        )
        chosen = np.flatnonzero(passed)
        self.suppressed[rule.id] += len(passed) - len(chosen)
        cells = np.zeros((len(chosen), KEYS + 4), np.int64)
        cells[:, :KEYS] = found.keys[chosen]
        cells[:, STOOD_FOR] = stood_for[chosen]
        cells[:, COUNT] = NO_COUNT if found.counts is None else found.counts[chosen]
        if found.origins is not None:
            cells[:, ORIGIN] = found.origins[chosen]
        if found.is_full is not None:
            cells[:, IS_FULL] = found.is_full[chosen]
        return cells

    def hold(self, verdicts: Verdicts) -> None:
        """Rows whose alerts are still to be made count as no match until `release`: they may be lost with their packets."""
        for place, rows in rows_by_rule(verdicts):  # per rule
            self.matched[self.rules[place].id] -= rows

    def release(self, verdicts: Verdicts) -> None:
        """Rows that were held and have alerted."""
        for place, rows in rows_by_rule(verdicts):  # per rule
            self.matched[self.rules[place].id] += rows

    def state(self) -> JudgeState:
        """What a checkpoint keeps."""
        counts = {name: getattr(self, name) for name in COUNTS}
        rules = {rule.id: rule for rule in self.rules}
        return JudgeState(
            rules, self._limits, self._correlations, self._new_values, counts, self._filters, self._memory.tables
        )

    def restore(self, state: JudgeState) -> frozenset[str]:
        """Takes over the state of those rules that mean what they meant; their ids."""
        kept = kept_rules(state.rules.values(), self.rules)
        self._take(state, kept)
        return kept

    def adopt(self, other: Judge, rule_ids: Iterable[str]) -> None:
        """Takes over another judge's state of these rules, which must mean the same to both: see kept_rules."""
        self._take(other.state(), frozenset(rule_ids))

    def _take(self, state: JudgeState, kept: frozenset[str]) -> None:
        """The state of some rules, what was counted of all that are here too, and what is remembered of flows and hosts: it
        goes by names, whichever rules set it."""
        self._limits |= {name: one for name, one in state.limits.items() if name in kept}
        self._filters |= {name: one for name, one in state.filters.items() if name in kept}
        self._correlations |= {name: one for name, one in state.correlations.items() if name in kept}
        self._new_values |= {name: one for name, one in state.new_values.items() if name in kept}
        self._memory.take(state.memory)
        ids = {rule.id for rule in self.rules}
        for name in COUNTS:  # per kind of count
            taken = state.counts[name]
            getattr(self, name).update(
                taken if name in ("rows_by_table", "limits") else {k: n for k, n in taken.items() if k in ids}
            )


COUNTS = ("matched", "suppressed", "rule_errors", "rows_by_table", "spent_ns", "shed_rows", "limits")


Kind = TypeVar("Kind", np.int64, np.uint64)


def concatenated(parts: Sequence[NDArray[Kind] | None], order: Rows) -> NDArray[Kind] | None:
    """Parts of several base rules in order; None where they have none."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there)[order] if there else None


def same_meaning(one: Rule, other: Rule) -> bool:
    """Whether two rules match, count and tell the same, wherever their text stands and whatever tests it has."""
    return meaning_of(one) == meaning_of(other)


def meaning_of(rule: Rule) -> Rule:
    """A rule without its place and its tests."""
    return replace(rule, position=NOWHERE, tests=(), source="")


def kept_rules(before: Iterable[Rule], after: Iterable[Rule]) -> frozenset[str]:
    """Ids of rules whose state may go on: they mean the same, and of a correlation so do the rules that it counts."""
    old = {rule.id: rule for rule in before}
    same = {rule.id: rule for rule in after if rule.id in old and same_meaning(old[rule.id], rule)}
    return frozenset(
        name for name, rule in same.items() if rule.correlation is None or set(rule.correlation.rules) <= set(same)
    )
