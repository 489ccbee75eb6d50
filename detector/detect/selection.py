"""What the rules found in one part of a batch, as arrays that need no table: made by selectors, put together by the judge.

One row of Found = one row of a table at which a rule's test holds. What state asks of a row (the group of a limit, the
value that is new or counted) is here as a hash, so that whoever keeps the state never sees the packet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.detect.groups import Hashes
from detector.rules.model import Rule

Rows = NDArray[np.int64]
Kind = TypeVar("Kind", np.uint64, np.bool_, np.int64)

# Columns of keys: what matches are ordered by. PACKET and PACKET_ROW are those of the whole batch; ROW is the row of its
# table, which only the selector that found it knows.
CLOCK, PACKET, PACKET_ROW, RULE, ROW = range(5)
KEYS = 5
# What payload rules run into: candidates that take too many steps; expressions that take too long, and those that are not
# tried for a while after that; hits in streams that others push out; streams whose last bytes are given up; batches so full
# of hits that a slower search takes over, which loses nothing.
LIMITS = ("steps", "expressions", "untried", "hits", "streams", "searches")


@dataclass(frozen=True)
class Counted:
    """What one correlation counts of a base rule's rows.

    correlation: its place among the rules.  of: int64[n], places among the base rule's rows, ascending.
    groups: uint64[n, 2].  values: uint64[n], None where it counts events.  limits: uint64[n, 2], groups of its own limit,
    None where it makes no alerts.
    """

    correlation: int
    of: Rows
    groups: Hashes
    values: Hashes | None
    limits: Hashes | None

    def kept(self, is_kept: NDArray[np.bool_]) -> Counted:
        """What is left where only some rows of the base rule are."""
        made = self.kept_at(np.flatnonzero(is_kept[self.of]))
        return replace(made, of=(np.cumsum(is_kept) - 1)[made.of])

    def kept_at(self, chosen: Rows) -> Counted:
        """Some of the counted rows."""
        return replace(
            self,
            of=self.of[chosen],
            groups=self.groups[chosen],
            values=None if self.values is None else self.values[chosen],
            limits=None if self.limits is None else self.limits[chosen],
        )


@dataclass(frozen=True)
class Found:
    """What one rule found.

    rule: its place among the rules.  keys: int64[n, 5], columns above, in their order.
    limits: uint64[n, 2], groups of its limit, None where it makes no alerts.
    values: uint64[n, 2], of a new_value rule.  counted: for each correlation that counts the rule.
    subjects: uint64[n, 6, 2], whom states and thresholds belong to, by Subject; None where the rule has none.
    lengths: int64[n], bytes of the packets, where the rule counts them.
    is_suppressed: bool[n], rows that make no alert whatever they set; None where the rule has no suppressions.
    origins: int64[n], which of several selections a row is from; None: of one.
    """

    rule: int
    keys: Rows
    limits: Hashes | None
    values: Hashes | None = None
    counted: tuple[Counted, ...] = ()
    origins: Rows | None = None
    subjects: Hashes | None = None
    is_suppressed: NDArray[np.bool_] | None = None
    lengths: Rows | None = None

    def kept(self, is_kept: NDArray[np.bool_]) -> Found:
        """Some of the rows."""
        return replace(
            self,
            keys=self.keys[is_kept],
            limits=None if self.limits is None else self.limits[is_kept],
            values=None if self.values is None else self.values[is_kept],
            counted=tuple(one.kept(is_kept) for one in self.counted),
            origins=None if self.origins is None else self.origins[is_kept],
            subjects=None if self.subjects is None else self.subjects[is_kept],
            is_suppressed=None if self.is_suppressed is None else self.is_suppressed[is_kept],
            lengths=None if self.lengths is None else self.lengths[is_kept],
        )

    def not_before(self, clock: int) -> Found:
        """The same rows, none earlier than a clock."""
        keys = self.keys.copy()
        keys[:, CLOCK] = np.maximum(keys[:, CLOCK], clock)
        return replace(self, keys=keys)


class Tally(NamedTuple):
    """What rules were asked so far. rows: of packets.  found: rows, of any table, at which a rule held, once for each rule."""

    rows: int = 0
    found: int = 0


@dataclass
class Selection:
    """What all rules found in the rows that one selector was given.

    rows: rows that rules could look at, by table.  first_clock: of the first row, None without rows.
    errors: of each rule that failed, by its place: the traceback, empty where it was told before.
    spent_ns: what rules cost, by their places, where this batch was measured.
    shed: rows that rules did not look at because they are switched off, by their places.
    limits: how often payload rules ran into each of LIMITS.
    """

    rows: dict[str, int] = field(default_factory=dict)
    first_clock: int | None = None
    found: dict[int, Found] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)
    spent_ns: dict[int, int] = field(default_factory=dict)
    shed: dict[int, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)

    def tally(self, before: Tally) -> Tally:
        """What there was before, and this."""
        found = sum(len(one.keys) for one in self.found.values())
        return Tally(before.rows + self.rows.get("packet", 0), before.found + found)

    def before(self, clock: int) -> tuple[Selection, Selection]:
        """What was found before a clock, with everything that was counted, and what was found from then on."""
        early, late = {}, {}
        for place, found in self.found.items():  # per rule that matched
            is_early = found.keys[:, CLOCK] < clock
            if is_early.all():
                early[place] = found
            elif not is_early.any():
                late[place] = found
            else:
                early[place], late[place] = found.kept(is_early), found.kept(~is_early)
        return replace(self, found=early), Selection(found=late)

    def not_before(self, clock: int) -> Selection:
        """The same, judged at this clock where it would be earlier."""
        return replace(self, found={place: found.not_before(clock) for place, found in self.found.items()})


def merged(selections: Sequence[Selection], rules: Sequence[Rule], is_one_batch: bool) -> dict[int, Found]:
    """What several selectors found, in order, by the rules' places.

    is_one_batch: each had its rows of the same batch, so that two of them may have found rows of one packet: of those
        the innermost is kept, as a single selector does. Otherwise their packets have nothing to do with each other.
    """
    if len(selections) == 1:
        return selections[0].found
    parts: dict[int, list[tuple[int, Found]]] = {}
    for origin, selection in enumerate(selections):  # per selector
        for place, found in selection.found.items():  # per rule that matched
            parts.setdefault(place, []).append((origin, found))
    made = {place: joined(found, is_one_batch) for place, found in parts.items()}
    if is_one_batch:
        made |= {place: innermost(found) for place, found in made.items() if names_innermost(rules[place])}
    return made


def names_innermost(rule: Rule) -> bool:
    """Whether of several rows of a packet that match only the innermost alerts; payload rules, like Suricata's, tell of each."""
    return rule.table == "packet" and rule.signature is None


def innermost(found: Found) -> Found:
    """Of the rows of one packet the innermost."""
    packets = found.keys[:, PACKET]
    is_last = np.append(packets[1:] != packets[:-1], True)
    return found if is_last.all() else found.kept(is_last)


def joined(parts: Sequence[tuple[int, Found]], is_one_batch: bool) -> Found:
    """One rule's rows from several selectors, in order."""
    keys = np.concatenate([found.keys for _, found in parts])
    origins = np.concatenate([np.full(len(found.keys), origin) for origin, found in parts])
    if is_one_batch:  # each packet row is one selector's
        order = np.lexsort((keys[:, PACKET_ROW], keys[:, PACKET], keys[:, CLOCK]))
    else:
        order = np.lexsort((keys[:, ROW], keys[:, PACKET_ROW], keys[:, PACKET], origins, keys[:, CLOCK]))
    first = np.cumsum([0, *(len(found.keys) for _, found in parts)])
    return Found(
        parts[0][1].rule,
        keys[order],
        stacked([found.limits for _, found in parts], order),
        stacked([found.values for _, found in parts], order),
        recounted([[replace(one, of=one.of + first[n]) for one in found.counted] for n, (_, found) in enumerate(parts)], order),
        origins[order],
        stacked([found.subjects for _, found in parts], order),
        stacked([found.is_suppressed for _, found in parts], order),
        stacked([found.lengths for _, found in parts], order),
    )  # fmt: skip


def stacked(parts: Sequence[NDArray[Kind] | None], order: Rows) -> NDArray[Kind] | None:
    """Hashes or marks of several parts in a new order; of a rule that has none, None."""
    there = [part for part in parts if part is not None]
    return np.concatenate(there)[order] if there else None


def recounted(parts: Sequence[Sequence[Counted]], order: Rows) -> tuple[Counted, ...]:
    """What correlations count of several parts whose rows were put into a new order."""
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    by_correlation: dict[int, list[Counted]] = {}
    for part in parts:  # per selector
        for one in part:  # per correlation
            by_correlation.setdefault(one.correlation, []).append(one)
    made = []
    for correlation, several in by_correlation.items():  # per correlation
        of = places[np.concatenate([one.of for one in several])]
        sorting = np.argsort(of, kind="stable")
        made.append(
            Counted(
                correlation,
                of[sorting],
                np.concatenate([one.groups for one in several])[sorting],
                stacked([one.values for one in several], sorting),
                stacked([one.limits for one in several], sorting),
            )
        )
    return tuple(made)
