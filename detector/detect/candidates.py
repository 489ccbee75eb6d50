"""Which rules can match in a batch at all: one look-up for all rules that ask for equality on one field.

Most rules of a large set ask for a value that a batch does not have: a function code, a port, an address. A rule whose test
needs one of some values of a field is tried only where one of them occurs; a field is looked through once, however many
rules ask for it.

Input: the tests of rules and the tables of one batch. Output: the places of rules, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.columns import Array, Table
from detector.rules.model import And, Compare, FieldValue, ListValue, Literal_, Membership, Rule, Test

FEW = 8  # constants that are compared one after the other; more are searched for
SMALL = 65536


@dataclass(frozen=True)
class Wanted:
    """Rules that need one of their values of a field.

    constants: int64[n], sorted, each once.  rules, places: pairs of a rule's place and a constant's.
    """

    table: str
    field: str
    constants: NDArray[np.int64]
    rules: NDArray[np.int64]
    places: NDArray[np.int64]

    def candidates(self, table: Table) -> NDArray[np.int64]:
        """The rules of which a value occurs in the table."""
        rules: NDArray[np.int64] = self.rules[occurring(table.column(self.field).values, self.constants)[self.places]]
        return rules


class Candidates:
    """The rules of one run by what they need. `always` are the places of those that may match in any batch."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self.always = [place for place, rule in enumerate(rules) if needed(rule.test) is None]
        by_field: dict[tuple[str, str], list[tuple[int, int]]] = {}
        for place, rule in enumerate(rules):  # per rule
            if (found := needed(rule.test)) is not None:
                field, values = found
                by_field.setdefault((rule.table, field), []).extend((place, value) for value in values)
        self.wanted = [gathered(*names, pairs) for names, pairs in by_field.items()]


def gathered(table: str, field: str, pairs: list[tuple[int, int]]) -> Wanted:
    """(rule, value) pairs of one field as Wanted."""
    rules, values = np.array(pairs, np.int64).T
    constants, places = np.unique(values, return_inverse=True)
    return Wanted(table, field, constants, rules, places)


def occurring(values: Array, constants: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[constants]: which of them are among the values. Values of rows that have none may be among them too."""
    if values.dtype.kind in "ub" and values.dtype.itemsize <= 2:
        seen = np.zeros(SMALL, np.bool_)
        seen[values.view(np.uint8) if values.dtype == np.bool_ else values] = True
        found: NDArray[np.bool_] = seen[constants.clip(0, SMALL - 1)] & (constants >= 0) & (constants < SMALL)
        return found
    if len(constants) <= FEW:  # compared in the values' own type: a wider copy of them takes longer than that
        kind = values.dtype.type
        return np.array([in_range(values, one) and (values == kind(one)).any() for one in constants.tolist()], np.bool_)
    if values.dtype.kind == "u":
        values = values.astype(np.int64)  # beside int64, NumPy takes uint64 for a float, which is not exact
    found = np.zeros(len(constants), np.bool_)
    at = np.searchsorted(constants, values).clip(max=len(constants) - 1)
    found[at[constants[at] == values]] = True
    return found


def in_range(values: Array, constant: int) -> bool:
    """Whether a constant can be one of some values at all, by their type."""
    if values.dtype.kind == "f":
        return True
    limits = np.iinfo(values.dtype)
    return bool(limits.min <= constant <= limits.max)


def needed(test: Test | None) -> tuple[str, frozenset[int]] | None:
    """A field and values of which every row that a test holds for has one; the fewest values, where there is a choice."""
    choices = list(needs(test)) if test is not None else []
    return min(choices, key=lambda choice: len(choice[1]), default=None)


def needs(test: Test) -> Iterator[tuple[str, frozenset[int]]]:
    """Every such field with its values."""
    match test:
        case And(tests):
            for one in tests:  # per part
                yield from needs(one)
        case Compare("eq", FieldValue(name, (), None, ""), Literal_(value), "any"):
            if is_number(value):
                yield name, frozenset((value,))
        case Membership(FieldValue(name, (), None, ""), entries, "any"):
            values = [one for entry in entries for one in (entry.entries if isinstance(entry, ListValue) else (entry,))]
            numbers = [one.value for one in values if isinstance(one, Literal_)]
            if len(numbers) == len(values) and all(map(is_number, numbers)):
                yield name, frozenset(numbers)


def is_number(value: object) -> bool:
    """Whether a constant is a whole number that an int64 holds, as ports, codes and IPv4 addresses are."""
    return isinstance(value, int) and -(2**63) <= value < 2**63
