"""Trees of tests on columns. An atom is one array operation over the rows of its table, computed once a batch however
many rules share it.

Input: Test and Table. Output: bool[rows].
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import regex
from numpy.typing import NDArray

from detector.columns import Array, Table
from detector.detect.operands import Values, as_bytes, pairs, values_of
from detector.kernel import Kernels
from detector.rules.expressions import LONGEST_SEARCHED
from detector.rules.model import (
    And,
    Call,
    Compare,
    Every,
    Exists,
    FieldValue,
    ListValue,
    Literal_,
    Membership,
    Not,
    OneObject,
    Operand,
    Or,
    Test,
    Xor,
)  # fmt: skip

kernels = Kernels("detector.detect.predicate_kernels")

Mask = NDArray[np.bool_]
Atom = Callable[["Scope"], Mask]
TEXTS: dict[str, Any] = {"eq": operator.eq, "ne": operator.ne, "contains": operator.contains, "gt": operator.gt, "ge": operator.ge,
                         "lt": operator.lt, "le": operator.le}  # fmt: skip
LONGEST_SEARCH_SECONDS = 1.0  # the last resort against one that backtracks for ever; most take microseconds
SMALL_SET = 4  # values for which comparing one after the other beats a look-up

NUMERIC: dict[str, Any] = {"eq": np.equal, "ne": np.not_equal, "gt": np.greater, "ge": np.greater_equal, "lt": np.less,
                           "le": np.less_equal}  # fmt: skip
# Operator on bytes: (kernel's number, whether the result is turned round).
TEXTUAL = {"eq": (0, False), "ne": (0, True), "lt": (1, False), "le": (2, False), "gt": (3, False), "ge": (4, False),
           "contains": (5, False), "startswith": (6, False), "endswith": (7, False)}  # fmt: skip
ORDERS = [TEXTUAL[each][0] for each in ("lt", "le", "gt", "ge")]


class Scope:
    """One table in one batch, with the masks of the atoms that were asked for."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.masks: dict[int, Mask] = {}
        self._objects: Scope | None = None

    def objects(self) -> Scope | None:
        """The scope of the objects below the table's rows."""
        if self._objects is None and (below := self.table.objects()) is not None:
            self._objects = Scope(below)
        return self._objects


class Compiler:
    """Compiles tests to functions of a Scope; equal tests become one atom."""

    def __init__(self) -> None:
        self._atoms: dict[Test, Atom] = {}

    def compile(self, test: Test) -> Atom:
        """The function that computes a test's mask."""
        found = self._atoms.get(test)
        if found is None:
            made = self._make(test)  # first: it compiles parts, which take numbers of their own
            found = self._atoms[test] = remembered(len(self._atoms), made)
        return found

    def _make(self, test: Test) -> Atom:
        match test:
            case And(tests):
                return all_of([self.compile(one) for one in sorted(tests, key=cost)])
            case Or(tests):
                return any_of([self.compile(one) for one in tests])
            case Xor(tests):
                return odd_of([self.compile(one) for one in tests])
            case Not(inner):
                inner_atom = self.compile(inner)
                return lambda scope: ~inner_atom(scope)
            case OneObject(inner):
                return on_objects(self.compile(inner), is_every=False)
            case Every(inner):
                return on_objects(self.compile(inner), is_every=True)
            case Exists(operand):
                return lambda scope: exists(operand, scope.table)
            case Membership():
                return membership(test)
            case Compare():
                return comparison(test)


def evaluate(test: Test, table: Table) -> Mask:
    """bool[rows]: where a test holds."""
    return Compiler().compile(test)(Scope(table))


def remembered(number: int, atom: Atom) -> Atom:
    """The atom, computed at most once in a scope."""

    def compute(scope: Scope) -> Mask:
        mask = scope.masks.get(number)
        if mask is None:
            mask = scope.masks[number] = atom(scope)
        return mask

    return compute


def cost(test: Test) -> int:
    """Which of several tests is tried first: numbers before texts before regular expressions and objects."""
    match test:
        case Exists():
            return 0
        case Membership() | Compare(operator="eq" | "ne" | "gt" | "ge" | "lt" | "le"):
            return 1
        case Compare(operator="matches"):
            return 3
        case OneObject() | Every():
            return 4
        case Not(inner):
            return cost(inner)
        case And(tests) | Or(tests) | Xor(tests):
            return max(map(cost, tests), default=0)
        case _:
            return 2


def all_of(atoms: list[Atom]) -> Atom:
    """All atoms; the rest is not asked once nothing is left."""

    def compute(scope: Scope) -> Mask:
        if not atoms:
            return np.ones(scope.table.rows, np.bool_)
        mask = atoms[0](scope)
        for atom in atoms[1:]:  # per atom
            if not mask.any():
                break
            mask = mask & atom(scope)
        return mask

    return compute


def any_of(atoms: list[Atom]) -> Atom:
    """Any atom."""

    def compute(scope: Scope) -> Mask:
        mask = np.zeros(scope.table.rows, np.bool_)
        for atom in atoms:  # per atom
            mask = mask | atom(scope)
        return mask

    return compute


def odd_of(atoms: list[Atom]) -> Atom:
    """An odd number of the atoms."""

    def compute(scope: Scope) -> Mask:
        mask = np.zeros(scope.table.rows, np.bool_)
        for atom in atoms:  # per atom
            mask = mask ^ atom(scope)
        return mask

    return compute


def on_objects(atom: Atom, is_every: bool) -> Atom:
    """Whether it holds for one object below the row, or for every one and at least one."""

    def compute(scope: Scope) -> Mask:
        below = scope.objects()
        out = np.zeros(scope.table.rows, np.bool_)
        if below is None or not below.table.rows:
            return out
        parents = below.table.parents  # type: ignore[attr-defined]
        mask = atom(below)
        if is_every:
            relevant = parents
            out[relevant] = True
            out[parents[~mask]] = False
        else:
            out[parents[mask]] = True
        return out

    return compute


def exists(operand: FieldValue, table: Table) -> Mask:
    """Whether the row has a value; of a protocol, whether it is there."""
    found = values_of(operand, table)
    if found.values.dtype == np.bool_ and table.column(operand.name).field.kind == "protocol":
        return found.any(found.values)
    return found.any(np.ones(len(found.values), np.bool_))


def reduced(found: Values, holds: Mask, quantifier: str) -> Mask:
    """any or all over the values of each row."""
    return found.any(holds) if quantifier == "any" else found.all(holds)


def comparison(test: Compare) -> Atom:
    """left OP right."""
    right = test.right
    if test.operator == "matches":
        assert isinstance(right, Literal_)
        flags = regex.DOTALL | (regex.IGNORECASE if test.ignore_case else 0)
        pattern = regex.compile(right.value.encode("utf-8", "surrogateescape"), flags)
        return lambda scope: matched(spans_of(test.left, scope.table), pattern, test.quantifier)
    if not isinstance(right, Literal_):
        return lambda scope: fields_compared(test, scope.table)
    if isinstance(right.value, bytes | str):
        wanted = right.value if isinstance(right.value, bytes) else right.value.encode()
        return textual(test, wanted)
    if isinstance(right.value, tuple):
        low, high = right.value

        def network(scope: Scope) -> Mask:
            found = values_of(test.left, scope.table)
            inside = (found.values >= low) & (found.values <= high)
            return reduced(found, inside if test.operator == "eq" else ~inside, test.quantifier)

        return network
    operation, value = NUMERIC[test.operator], right.value

    def number(scope: Scope) -> Mask:
        found = values_of(test.left, scope.table)
        return reduced(found, operation(found.values, value), test.quantifier)

    return number


def textual(test: Compare, wanted: bytes) -> Atom:
    """A comparison with bytes; of IPv6 addresses too, whose columns are bytes."""
    how, is_turned = TEXTUAL[test.operator]
    literal = np.frombuffer(wanted, np.uint8)

    def compute(scope: Scope) -> Mask:
        found = values_of(test.left, scope.table)
        if found.buffer is None and found.values.dtype.kind == "S":
            return reduced(found, NUMERIC[test.operator](found.values, wanted), test.quantifier)
        found = spans_of(test.left, scope.table)
        holds = compare_bytes(found, literal, how, test.ignore_case, is_text(test.left, scope.table))
        return reduced(found, holds ^ is_turned, test.quantifier)

    return compute


def spans_of(operand: Operand, table: Table) -> Values:
    """The values of an operand as spans of bytes; addresses as the bytes they have on the wire."""
    found = values_of(operand, table)
    if found.buffer is None and isinstance(operand, FieldValue):
        return as_bytes(found, table.column(operand.name).field.kind)
    return found


def is_text(operand: Operand, table: Table) -> bool:
    """Whether the values have the order of texts, by their bytes; bytes are ordered by their number first, as in Wireshark."""
    if isinstance(operand, FieldValue):
        return not (operand.slices or operand.span) and table.column(operand.name).field.kind == "string"
    return isinstance(operand, Call)


def compare_bytes(
    found: Values, wanted: NDArray[np.uint8], how: int, ignore_case: bool, of_texts: bool = False
) -> Mask:
    """bool[values]: how each value's bytes compare. of_texts: see is_text()."""
    out = np.zeros(len(found.values), np.bool_)
    assert found.buffer is not None
    spans = np.ascontiguousarray(found.values, np.int64)
    if found.present is not None:
        spans = np.where(found.present[:, None], spans, 0)
    kernels.compare_spans(readable_buffer(found.buffer), spans, wanted.copy(), how, ignore_case, out)
    if how not in ORDERS or of_texts:
        return out
    sizes = spans[:, 1] - spans[:, 0]
    is_less = how in (TEXTUAL["lt"][0], TEXTUAL["le"][0])
    return np.where(sizes == len(wanted), out, (sizes < len(wanted)) == is_less)


def readable_buffer(buffer: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The buffer as one that kernels were compiled for: writable."""
    return buffer if buffer.flags.writeable else buffer.copy()


def matched(found: Values, pattern: Any, quantifier: str) -> Mask:
    """A regular expression on each value. TimeoutError: one that tries for ever, which is told as the rule's failure."""
    values, rows = found.flat()
    assert found.buffer is not None
    holds = np.zeros(len(values), np.bool_)
    for index, (start, stop) in enumerate(values.tolist()):  # per candidate value: the library takes one at a time
        searched = found.buffer[start : min(stop, start + LONGEST_SEARCHED)].tobytes()
        holds[index] = pattern.search(searched, timeout=LONGEST_SEARCH_SECONDS) is not None
    return reduced(Values(values, found.count, None, rows), holds, quantifier)


def fields_compared(test: Compare, table: Table) -> Mask:
    """A comparison of two operands, over every pair of their values in a row."""
    left, right = values_of(test.left, table), values_of(test.right, table)
    if left.values.ndim == 2 or right.values.ndim == 2:
        of_texts = is_text(test.left, table) and is_text(test.right, table)
        return texts_compared(test, spans_of(test.left, table), spans_of(test.right, table), of_texts)
    first, second, rows = pairs(left, right)
    holds = NUMERIC[test.operator](comparable(first), comparable(second))
    return reduced(Values(first, table.rows, None, rows), holds, test.quantifier)


def comparable(values: Array) -> Array:
    """Numbers as int64, so that signs do not matter."""
    return values.astype(np.int64) if values.dtype.kind in "ui" else values


def texts_compared(test: Compare, left: Values, right: Values, of_texts: bool) -> Mask:
    """Two fields of bytes. of_texts: see is_text()."""
    first, second, rows = pairs(left, right)
    assert left.buffer is not None and right.buffer is not None
    texts = [
        (left.buffer[a:b].tobytes(), right.buffer[c:d].tobytes())
        for (a, b), (c, d) in zip(first.tolist(), second.tolist(), strict=True)
    ]
    compared: Callable[[Any, Any], bool] = TEXTS[test.operator]
    if of_texts or TEXTUAL[test.operator][0] not in ORDERS:
        holds = np.array([compared(a, b) for a, b in texts], np.bool_)
    else:
        holds = np.array([compared((len(a), a), (len(b), b)) for a, b in texts], np.bool_)
    return reduced(Values(first, left.count, None, rows), holds, test.quantifier)


def membership(test: Membership) -> Atom:
    """left in {...}: single values by look-up, ranges and networks by search in their merged intervals."""
    entries: list[Any] = []
    for entry in test.entries:  # per entry
        if isinstance(entry, ListValue):
            entries += [one.value for one in entry.entries]
        elif isinstance(entry, tuple):
            entries.append((first_of(entry[0].value), last_of(entry[1].value)))
        else:
            entries.append(entry.value)
    ranges = [entry for entry in entries if isinstance(entry, tuple)]
    singles = [entry for entry in entries if not isinstance(entry, tuple)]
    is_bytes = any(isinstance(entry, bytes) for entry in (*singles, *itertools.chain(*ranges)))
    lows, highs = merged_intervals(ranges)
    texts = [np.frombuffer(entry, np.uint8) for entry in singles] if is_bytes else []
    between = [tuple(np.frombuffer(end, np.uint8) for end in entry) for entry in ranges] if is_bytes else []
    values = np.unique(np.array(singles)) if singles and not is_bytes else None
    table = lookup_table(values)

    def compute(scope: Scope) -> Mask:
        found = values_of(test.left, scope.table)
        holds = np.zeros(len(found.values), np.bool_)
        if is_bytes and found.buffer is not None:
            for wanted in texts:  # per entry
                holds |= compare_bytes(found, wanted, TEXTUAL["eq"][0], test.ignore_case)
            of_texts = is_text(test.left, scope.table)
            for low, high in between:  # per range
                is_inside = compare_bytes(found, low, TEXTUAL["ge"][0], False, of_texts)
                holds |= is_inside & compare_bytes(found, high, TEXTUAL["le"][0], False, of_texts)
            return reduced(found, holds, test.quantifier)
        if is_bytes and singles:
            holds = np.isin(found.values, np.array(singles, "S16"))
        elif values is not None and len(values) <= SMALL_SET:
            for value in values.tolist():  # per entry
                holds |= found.values == value
        elif values is not None and table is not None and found.values.dtype in (np.uint8, np.uint16):
            holds = table[found.values]
        elif values is not None:
            at = np.searchsorted(values, found.values).clip(max=len(values) - 1)
            holds = values[at] == found.values
        if ranges:
            at = np.searchsorted(lows, found.values, side="right") - 1
            holds = holds | ((at >= 0) & (found.values <= highs[at.clip(min=0)]))
        return reduced(found, holds, test.quantifier)

    return compute


def first_of(value: Any) -> Any:
    """The first address of a network, or the value."""
    return value[0] if isinstance(value, tuple) else value


def last_of(value: Any) -> Any:
    """The last address of a network, or the value."""
    return value[1] if isinstance(value, tuple) else value


def merged_intervals(ranges: list[tuple[Any, Any]]) -> tuple[Array, Array]:
    """Sorted lows and highs of ranges that do not overlap."""
    merged: list[list[Any]] = []
    for low, high in sorted(one for one in ranges if one[0] <= one[1]):  # per range
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([low, high])
    if not merged:
        return np.zeros(1, np.int64), np.full(1, -1, np.int64)
    kind = "S16" if isinstance(merged[0][0], bytes) else None
    return np.array([low for low, _ in merged], kind), np.array([high for _, high in merged], kind)


def lookup_table(values: Array | None) -> Mask | None:
    """bool[65536] of small whole numbers, for columns of one or two bytes."""
    if values is None or values.dtype.kind not in "iub" or not len(values):
        return None
    table = np.zeros(65536, np.bool_)
    table[values[(values >= 0) & (values < 65536)].astype(np.int64)] = True
    return table
