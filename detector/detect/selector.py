"""Tests of rules on the tables of one batch. What it does not know: anything of other flows or other batches.

Input: the tables of one batch, or of a worker's part of one. Output: Selection.
"""

from __future__ import annotations

import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.columns import Table
from detector.detect.candidates import Candidates
from detector.detect.costs import Costs
from detector.detect.groups import Hashes, group_hashes, has_values, with_field
from detector.detect.predicates import Atom, Compiler, Scope
from detector.detect.selection import Counted, Found, Rows, Selection
from detector.detect.signatures import Signatures, inspects_streams
from detector.detect.subjects import Suppressions, asks_for_flow, counts_bytes, has_subjects, lengths_of, subjects_of
from detector.flows.followed import Watched
from detector.flows.sessions import SESSION_FIELDS
from detector.packets.rows import Cell
from detector.packets.table import PacketTable
from detector.protocols.ics import ICS
from detector.protocols.table import PduTable
from detector.rules.model import And, Rule, Ruleset, Test

EXPIRED = "a regular expression of it took too long in {} places, which count as no match; bytes may be made for that\n"


@dataclass(frozen=True)
class Share:
    """A worker's part of a batch, of which its packet table holds some rows.

    owned: bool[rows], those that it judges; the others are there because a packet of its own needs them.
    places: int64[rows], where each stands in the whole batch.
    """

    owned: NDArray[np.bool_]
    places: Rows


def asks_sessions(rules: Sequence[Rule]) -> bool:
    """Whether a ruleset has a rule that names a field of TCP sessions."""
    names = {field.name for field in SESSION_FIELDS}
    return any(not names.isdisjoint(rule.fields) for rule in rules)


class Hashing:
    """Groups of chosen rows of a table, each worked out once: a group by two fields is on the way to one by three."""

    def __init__(self, table: Table, rows: Rows) -> None:
        self._table, self._rows = table, rows
        self._made: dict[tuple[str, ...], Hashes] = {(): np.zeros((len(rows), 2), np.uint64)}

    def __call__(self, fields: Sequence[str]) -> Hashes:
        """uint64[rows, 2], the group of each row by some fields."""
        names = tuple(fields)
        if names not in self._made:
            self._made[names] = with_field(self(names[:-1]), self._table, names[-1], self._rows)
        return self._made[names]


class Selector:
    """The rules of one run, compiled. costs: measures them where it has a clock."""

    def __init__(self, ruleset: Ruleset) -> None:
        self.rules = ruleset.active
        places = {rule.id: place for place, rule in enumerate(self.rules)}
        self.signatures = Signatures(self.rules, lambda rule: has_conditions(rule.test))
        self.watched = Watched(
            inspects_streams(self.rules), asks_sessions(self.rules), any(rule.table == ICS for rule in self.rules)
        )
        self._selecting = [
            place
            for place, rule in enumerate(self.rules)
            if rule.correlation is None and (rule.signature is None or self.signatures.begins_with_test(place))
        ]
        self._candidates = Candidates([self.rules[place] for place in self._selecting])
        compiler = Compiler()
        self._atoms: dict[int, Atom] = {
            place: compiler.compile(rule.test) for place, rule in enumerate(self.rules) if rule.test is not None
        }
        self._suppressions = {
            place: Suppressions(rule.signature.suppressions)
            for place, rule in enumerate(self.rules)
            if rule.signature is not None and rule.signature.suppressions
        }
        self._counting: dict[int, list[int]] = {}  # correlations by base rule
        for place, rule in enumerate(self.rules):  # per rule
            for base in rule.correlation.rules if rule.correlation is not None else ():  # per base rule
                self._counting.setdefault(places[base], []).append(place)
        self._told: set[int] = set()
        self._shed: frozenset[int] = frozenset()
        self.costs = Costs()

    def shed(self, rule_ids: Collection[str]) -> None:
        """Switches rules off from the next batch on, all others on; a correlation and what feeds it belong together."""
        self._shed = frozenset(place for place, rule in enumerate(self.rules) if rule.id in rule_ids)

    def select(self, tables: Mapping[str, Table], share: Share | None = None) -> Selection:
        """What each rule finds; a rule that fails finds nothing and stops nobody else."""
        packets = tables["packet"]
        assert isinstance(packets, PacketTable)
        made = Selection({name: table.rows for name, table in tables.items()})
        if share is not None:
            made.rows["packet"] = int(share.owned.sum())
        if packets.rows:
            made.first_clock = int(packets.clock[0])
        self.costs.begin()
        made.shed = {place: rows for place in self._shed if (rows := made.rows.get(self.rules[place].table, 0))}
        scopes = {name: Scope(table) for name, table in tables.items()}
        inspected = self.signatures.found(packets, None if share is None else share.owned)
        for place in sorted({*self._possible(tables), *inspected} - self._shed):  # per rule
            with self._guarded(place, made):
                found = self._select(place, scopes[self.rules[place].table], share, made, inspected.get(place))
                if found is not None:
                    made.found[place] = found
        made.spent_ns = self.costs.spent_ns
        made.limits, expired = self.signatures.limits(packets)
        for place, times in expired.items():  # per rule whose expression took too long
            made.errors[place] = "" if place in self._told else EXPIRED.format(times)
            self._told.add(place)
        return made

    def known(self, tables: Mapping[str, Table]) -> dict[str, Hashes]:
        """The values of these rows that new_value rules look at, by rule id."""
        scopes = {name: Scope(table) for name, table in tables.items()}
        found = {}
        for place, rule in enumerate(self.rules):  # per rule
            if rule.new_value is not None and rule.table in tables:
                table = tables[rule.table]
                rows = eligible_rows(table, self._atoms[place](scopes[rule.table]))
                found[rule.id] = group_hashes(table, rule.new_value.fields, rows)
        return found

    def _possible(self, tables: Mapping[str, Table]) -> list[int]:
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
        return [
            place
            for place in possible
            if place not in self._shed and (table := tables.get(self.rules[place].table)) is not None and table.rows
        ]

    @contextmanager
    def _guarded(self, place: int, made: Selection) -> Iterator[None]:
        """One rule's step; a failure is noted."""
        entered = self.costs.enter()
        try:
            yield
        except Exception:  # noqa: BLE001 - it is told by the judge
            made.errors[place] = "" if place in self._told else traceback.format_exc()
            self._told.add(place)
        finally:
            self.costs.leave(place, entered)

    def _select(
        self, place: int, scope: Scope, share: Share | None, made: Selection, inspected: Rows | None
    ) -> Found | None:
        """Rows where a rule's test holds; of a payload rule that was inspected, those of the rows that were found."""
        rule, table = self.rules[place], scope.table
        rows = self._rows(place, scope, share) if inspected is None else inspected
        if inspected is not None and place in self._atoms and len(rows):
            rows = rows[self._atoms[place](scope)[rows]]
        if not len(rows):
            return None
        if rule.signature is not None and isinstance(table, PacketTable):
            rows = self.signatures.repeated(place, table, rows)
        hashing = Hashing(table, rows)
        counted: list[Counted] = []
        for other in [one for one in self._counting.get(place, ()) if one not in self._shed]:  # per correlation
            with self._guarded(other, made):
                counted += self._count(other, scope, rows, hashing)
        signature, subjects, limits = rule.signature, None, None
        if signature is not None and has_subjects(signature):
            subjects = subjects_of(*packet_rows_of(table, rows), asks_for_flow(signature))
        if signature is not None and signature.threshold is not None and subjects is not None:
            limits = subjects[:, signature.threshold.subject]
        elif not rule.silent:
            limits = hashing(rule.limit.by)
        return Found(
            place,
            keys_of(table, rows, place, share),
            limits,
            None if rule.new_value is None else hashing(rule.new_value.fields),
            tuple(counted),
            subjects=subjects,
            is_suppressed=self._suppressions[place].of(*packet_rows_of(table, rows))
            if place in self._suppressions
            else None,
            lengths=lengths_of(*packet_rows_of(table, rows))
            if signature is not None and counts_bytes(signature)
            else None,
        )

    def _rows(self, place: int, scope: Scope, share: Share | None) -> Rows:
        """Rows where a rule's test holds, and where it is a payload rule what it says of bytes."""
        table, mask = scope.table, self._atoms[place](scope)
        owned = share.owned if share is not None and isinstance(table, PacketTable) else None
        if owned is not None:
            mask = mask & owned
        if not mask.any():
            return np.zeros(0, np.int64)
        if self.rules[place].signature is None:
            return eligible_rows(table, mask)
        if isinstance(table, PacketTable):
            return self.signatures.check(place, table, mask, owned)
        assert isinstance(table, PduTable)
        rows = self.signatures.check_pdus(place, table, np.flatnonzero(mask))
        return np.repeat(rows, self.signatures.named(place, *packet_rows_of(table, rows)))

    def _count(self, place: int, scope: Scope, rows: Rows, hashing: Hashing) -> Iterator[Counted]:
        """What a correlation counts of a base rule's rows: those that no override excepts, and that have a value."""
        rule, table = self.rules[place], scope.table
        correlation = rule.correlation
        assert correlation is not None
        is_counted = np.ones(len(rows), np.bool_)
        if place in self._atoms:
            is_counted &= self._atoms[place](scope)[rows]
        if correlation.field:
            is_counted &= has_values(table, correlation.field, rows)
        of = np.flatnonzero(is_counted)
        if not len(of):
            return
        values = hashing((correlation.field,))[:, 0] if correlation.field else None
        made = Counted(
            place,
            np.arange(len(rows)),
            hashing(correlation.group_by),
            values,
            None if rule.silent else hashing(rule.limit.by),
        )
        yield made if len(of) == len(rows) else made.kept_at(of)


def has_conditions(test: Test | None) -> bool:
    """Whether a test asks for anything."""
    return test is not None and test != And(())


def keys_of(table: Table, rows: Rows, place: int, share: Share | None) -> Rows:
    """int64[rows, 5], what matches are ordered by."""
    packets, packet_rows = packet_rows_of(table, rows)
    keys = np.empty((len(rows), 5), np.int64)
    keys[:, 0] = packets.clock[packet_rows]
    keys[:, 1:3] = packets.order_of(packet_rows, None if share is None else share.places)
    keys[:, 3] = place
    keys[:, 4] = rows
    return keys


def packet_rows_of(table: Table, rows: Rows) -> tuple[PacketTable, Rows]:
    """The packet table behind a table, and the packet row of each chosen row."""
    if isinstance(table, PduTable):
        return table.packets, table.row_of_pdu[rows]
    assert isinstance(table, PacketTable)
    return table, rows


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
