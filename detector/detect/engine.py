"""Rules on tables: predicates, then new values and correlations, then limits, in this order.

Input: the tables of one batch. Output: matches in the order (clock, packet, row, rule).
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.columns import Table
from detector.detect.candidates import Candidates
from detector.detect.groups import group_hashes, has_values
from detector.detect.match import Match
from detector.detect.predicates import Atom, Compiler, Scope
from detector.detect.state import CorrelationState, LimitState, NewValueState
from detector.errors import Position
from detector.packets.rows import Cell
from detector.packets.table import PacketTable
from detector.protocols.table import PduTable
from detector.rules.model import Rule, Ruleset

log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
NOWHERE = Position("", 0, 0)
FULL = "its memory of seen values is full: this value is not remembered and may be told again"


@dataclass(frozen=True)
class EngineSettings:
    """groups: ceiling of groups that one rule's limit or correlation keeps apart, a multiple of 8."""

    groups: int = 65536


@dataclass
class Events:
    """What one rule matched in a batch: rows of one table; counts and codes where a stage gave them."""

    table: str
    rows: Rows
    counts: Rows | None = None
    is_full: NDArray[np.bool_] | None = None

    def take(self, chosen: NDArray[np.int64] | NDArray[np.bool_]) -> Events:
        """Some of the events."""
        return Events(self.table, self.rows[chosen], None if self.counts is None else self.counts[chosen],
                      None if self.is_full is None else self.is_full[chosen])  # fmt: skip


class Engine:
    """The rules of one run with their state.

    matched, suppressed, rule_errors: counts by rule id; rows_by_table: rows that rules could look at.
    """

    def __init__(self, ruleset: Ruleset, settings: EngineSettings | None = None) -> None:
        self._settings = settings or EngineSettings()
        self._rules = ruleset.active
        self._selecting = [rule for rule in self._rules if rule.correlation is None]
        self._candidates = Candidates(self._selecting)
        self._order = {rule.id: place for place, rule in enumerate(self._rules)}
        compiler = Compiler()
        self._atoms: dict[str, Atom] = {
            rule.id: compiler.compile(rule.test) for rule in self._rules if rule.test is not None
        }
        self._limits: dict[str, LimitState] = {}  # of rules that have matched
        self._correlations = {
            rule.id: CorrelationState(rule.correlation, self._settings.groups)
            for rule in self._rules
            if rule.correlation is not None
        }
        self._new_values = {
            rule.id: NewValueState(rule.new_value) for rule in self._rules if rule.new_value is not None
        }
        self.matched: Counter[str] = Counter()
        self.suppressed: Counter[str] = Counter()
        self.rule_errors: Counter[str] = Counter()
        self.rows_by_table: Counter[str] = Counter()

    @property
    def lost_groups(self) -> Counter[str]:
        """Groups that were pushed out of a rule's state, by rule id."""
        lost = Counter({rule: state.lost for rule, state in self._limits.items()})
        lost.update({rule: state.lost for rule, state in self._correlations.items()})
        return +lost

    def is_learning(self, rule_id: str, clock: int) -> bool:
        """Whether a new_value rule still takes what it sees at this clock as known good."""
        state = self._new_values.get(rule_id)
        return state is not None and state.is_learning(clock)

    def state(self) -> dict[str, Any]:
        """What outlives a batch, by rule: for a checkpoint, or for the engine of another ruleset."""
        kept = {rule.id: rule for rule in self._rules}
        return {
            "rules": {rule_id: meaning_of(rule) for rule_id, rule in kept.items()},
            "limits": self._limits, "correlations": self._correlations, "new_values": self._new_values,
            "counts": (self.matched, self.suppressed, self.rule_errors, self.rows_by_table),
        }  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up the state of those rules that mean the same here and there; all counts go on."""
        same = {rule.id for rule in self._rules if state["rules"].get(rule.id) == meaning_of(rule)}
        for own, saved in ((self._limits, state["limits"]), (self._correlations, state["correlations"]),
                           (self._new_values, state["new_values"])):  # fmt: skip
            own.update({rule_id: kept for rule_id, kept in saved.items() if rule_id in same})
        self.matched, self.suppressed, self.rule_errors, self.rows_by_table = map(Counter, state["counts"])

    def learn(self, tables: Mapping[str, Table]) -> None:
        """Lets new_value rules take these rows as known good."""
        scopes = {name: Scope(table) for name, table in tables.items()}
        for rule in self._rules:  # per rule
            if rule.new_value is not None and rule.table in tables:
                table = tables[rule.table]
                rows = eligible_rows(table, self._atoms[rule.id](scopes[rule.table]))
                self._new_values[rule.id].learn(group_hashes(table, rule.new_value.fields, rows))

    def detect(self, tables: Mapping[str, Table]) -> list[Match]:
        """The matches of a batch that pass their rules' limits."""
        self._begin(tables)
        scopes = {name: Scope(table) for name, table in tables.items()}
        events: dict[str, Events] = {}
        for rule in self._possible(tables):  # per rule
            self._guarded(rule, lambda rule=rule: self._select(rule, scopes[rule.table], events))
        for rule_id in self._correlations:  # per rule
            rule = self._rules[self._order[rule_id]]
            self._guarded(rule, lambda rule=rule: self._correlate(rule, tables, scopes, events))
        matches: list[tuple[tuple[int, ...], Match]] = []
        for rule_id in sorted(events, key=self._order.__getitem__):  # per rule that matched
            rule = self._rules[self._order[rule_id]]
            if not rule.silent:
                self._guarded(rule, lambda rule=rule: matches.extend(self._limit(rule, tables, events[rule.id])))
        return [match for _, match in sorted(matches, key=lambda pair: pair[0])]

    def _begin(self, tables: Mapping[str, Table]) -> None:
        """Counts rows, and tells learning rules when the run began."""
        for name, table in tables.items():  # per table
            self.rows_by_table[name] += table.rows
        packets = tables["packet"]
        for state in self._new_values.values():  # per rule
            if state.first_ns is None and packets.rows:
                state.first_ns = int(clock_of(packets)[0])

    def _possible(self, tables: Mapping[str, Table]) -> list[Rule]:
        """The rules that may match in a batch, in their order."""
        chosen = np.zeros(len(self._selecting), np.bool_)
        chosen[self._candidates.always] = True
        for wanted in self._candidates.wanted:  # per field
            if wanted.table in tables and tables[wanted.table].rows:
                try:
                    chosen[wanted.candidates(tables[wanted.table])] = True
                except Exception:  # noqa: BLE001 - the rules that ask for the field will fail of it, each by its name
                    chosen[wanted.rules] = True
        possible = (self._selecting[place] for place in np.flatnonzero(chosen).tolist())
        return [rule for rule in possible if rule.table in tables and tables[rule.table].rows]

    def _guarded(self, rule: Rule, step: object) -> None:
        """One rule's step; a rule that fails is counted and told once, and stops nobody else."""
        try:
            step()  # type: ignore[operator]
        except Exception:
            if not self.rule_errors[rule.id]:
                log.exception("rule %s (%s) failed", rule.title, rule.position)
            self.rule_errors[rule.id] += 1

    def _select(self, rule: Rule, scope: Scope, events: dict[str, Events]) -> None:
        """Rows where a rule's test holds; for a new_value rule those that bring a new value."""
        mask = self._atoms[rule.id](scope)
        if not mask.any():
            return
        rows = eligible_rows(scope.table, mask)
        found = Events(rule.table, rows)
        if rule.new_value is not None:
            hashes = group_hashes(scope.table, rule.new_value.fields, rows)
            codes = self._new_values[rule.id].judge(hashes, clock_of(scope.table)[rows])
            found = Events(rule.table, rows, None, codes == 2).take(codes > 0)
        if len(found.rows):
            self.matched[rule.id] += len(found.rows)
            events[rule.id] = found

    def _correlate(
        self, rule: Rule, tables: Mapping[str, Table], scopes: Mapping[str, Scope], events: dict[str, Events]
    ) -> None:
        """Events of a correlation: those of its base rules at which its condition holds."""
        correlation = rule.correlation
        assert correlation is not None
        bases = [(base, self._counted(rule, scopes, events[base])) for base in correlation.rules if base in events]
        bases = [(base, found) for base, found in bases if len(found.rows)]
        if not bases:
            return
        parts = [self._keys(tables[found.table], found.rows, self._order[base]) for base, found in bases]
        hashes = np.concatenate(
            [group_hashes(tables[found.table], correlation.group_by, found.rows) for _, found in bases]
        )
        values = None
        if correlation.field:
            values = np.concatenate(
                [group_hashes(tables[found.table], [correlation.field], found.rows)[:, 0] for _, found in bases]
            )
        keys = np.concatenate(parts)
        order = np.lexsort(keys.T[::-1])
        state = self._correlations[rule.id]
        counts = state.count(
            hashes[order], np.ascontiguousarray(keys[order, 0]), None if values is None else values[order]
        )
        chosen = state.holds(counts)
        counts, order = counts[chosen], order[chosen]
        if not len(order):
            return
        self.matched[rule.id] += len(order)
        events[rule.id] = Events(rule.table, np.concatenate([found.rows for _, found in bases])[order], counts)

    def _counted(self, rule: Rule, scopes: Mapping[str, Scope], found: Events) -> Events:
        """The events of a base rule that a correlation counts: those that no override excepts, and that have a value."""
        assert rule.correlation is not None
        scope = scopes[found.table]
        if rule.id in self._atoms:
            found = found.take(self._atoms[rule.id](scope)[found.rows])
        if rule.correlation.field:
            found = found.take(has_values(scope.table, rule.correlation.field, found.rows))
        return found

    def _keys(self, table: Table, rows: Rows, order: int) -> Rows:
        """int64[rows, 5], what matches are ordered by: clock, packet, packet row, rule, row."""
        packets, packet_rows = packet_rows_of(table, rows)
        return np.stack(
            (
                clock_of(table)[rows],
                packets.structure.packet[packet_rows],
                packet_rows,
                np.full(len(rows), order),
                rows,
            ),
            axis=1,
        ).astype(np.int64)

    def _limit(self, rule: Rule, tables: Mapping[str, Table], found: Events) -> list[tuple[tuple[int, ...], Match]]:
        """Matches of one rule that pass its limit, with what they are ordered by."""
        table = tables[found.table]
        hashes = group_hashes(table, rule.limit.by, found.rows)
        if rule.id not in self._limits:
            self._limits[rule.id] = LimitState(rule.limit, self._settings.groups)
        passed, stood_for = self._limits[rule.id].pass_events(hashes, clock_of(table)[found.rows])
        self.suppressed[rule.id] += int(len(passed) - passed.sum())
        chosen = np.flatnonzero(passed)
        kept = found.take(chosen)
        keys = self._keys(table, kept.rows, self._order[rule.id])
        made = []
        for place, (key, row) in enumerate(zip(keys.tolist(), kept.rows.tolist(), strict=True)):  # per alert
            group = tuple(value for name in rule.limit.by for value in table.column(name).at(row))
            made.append((tuple(key), Match(
                rule, found.table, row, key[1], key[0], int(stood_for[chosen[place]]), group,
                None if kept.counts is None else int(kept.counts[place]),
                FULL if kept.is_full is not None and kept.is_full[place] else "",
            )))  # fmt: skip
        return made


def meaning_of(rule: Rule) -> str:
    """A hash of what a rule does: all of it but where it stands, its tests and its text. Equal where a state fits both."""
    said = replace(rule, position=NOWHERE, tests=(), source="")
    return hashlib.sha256(repr(said).encode("utf-8", "surrogatepass")).hexdigest()


def packet_rows_of(table: Table, rows: Rows) -> tuple[PacketTable, Rows]:
    """The packet table behind a table, and the packet row of each chosen row."""
    if isinstance(table, PduTable):
        return table.packets, table.row_of_pdu[rows]
    assert isinstance(table, PacketTable)
    return table, rows


def clock_of(table: Table) -> Rows:
    """int64[rows], ns, the clock at which each row is judged."""
    if isinstance(table, PduTable):
        return table.packets.clock[table.row_of_pdu]
    assert isinstance(table, PacketTable)
    return table.clock


def eligible_rows(table: Table, mask: NDArray[np.bool_]) -> Rows:
    """The rows of a mask that alerts may name: no quotes, and of the rows of one packet the innermost."""
    if not isinstance(table, PacketTable):
        return np.flatnonzero(mask)
    structure = table.structure
    rows = np.flatnonzero(mask & (structure.cell(Cell.IS_QUOTED) == 0))
    if len(rows) > 1 and (structure.outer >= 0).any():
        packets = structure.packet[rows]
        rows = rows[np.append(packets[1:] != packets[:-1], True)]
    return rows
