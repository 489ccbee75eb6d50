"""Operands of tests to values over the rows of a table: fields, slices, functions, arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.columns import Array, Column, Table, readable
from detector.rules.model import Arithmetic, Call, FieldValue, Literal_, Operand

WIDTHS = {"ether": 6, "ipv4": 4, "ipv6": 16}


@dataclass(frozen=True, slots=True)
class Values:
    """Values over `count` rows. rows None: one for each row, of which `present` are there (None: all); else rows[i] is the
    row of values[i]. buffer: what bytes and texts (values int64[n, 2]) are spans of."""

    values: Array
    count: int
    present: NDArray[np.bool_] | None = None
    rows: NDArray[np.int64] | None = None
    buffer: NDArray[np.uint8] | None = None

    def any(self, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """bool[count]: whether it holds for a value of the row."""
        if self.rows is None:
            return holds if self.present is None else holds & self.present
        out = np.zeros(self.count, np.bool_)
        out[self.rows[holds]] = True
        return out

    def all(self, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """bool[count]: whether the row has values, and it holds for all of them."""
        if self.rows is None:
            return self.any(holds)
        out = self.any(np.ones(len(holds), np.bool_))
        out[self.rows[~holds]] = False
        return out

    def flat(self) -> tuple[Array, NDArray[np.int64]]:
        """The values that are there, and their rows."""
        if self.rows is not None:
            return self.values, self.rows
        rows = np.arange(self.count) if self.present is None else np.flatnonzero(self.present)
        return (self.values, rows) if self.present is None else (self.values[rows], rows)


def values_of(operand: Operand, table: Table) -> Values:
    """The values of an operand over the rows of a table."""
    if isinstance(operand, FieldValue):
        return field_values(operand, table)
    if isinstance(operand, Literal_):
        return Values(np.full(table.rows, operand.value), table.rows)
    if isinstance(operand, Call):
        return call(operand, table)
    return arithmetic(operand, table)


def of_column(column: Column, count: int) -> Values:
    """A column as Values."""
    if column.offsets is None:
        return Values(column.values, count, column.present, None, column.buffer)
    return Values(column.values, count, None, np.repeat(np.arange(count), np.diff(column.offsets)), column.buffer)


def field_values(operand: FieldValue, table: Table) -> Values:
    """A field's values, one occurrence of them, slices of them."""
    column = table.span(operand.name, operand.span == "whole") if operand.span else table.column(operand.name)
    found = of_column(column, table.rows)
    if operand.occurrence is not None:
        found = occurrence(found, operand.occurrence)
    if operand.slices:
        found = sliced(found, column.field.kind, operand.slices)
    return found


def occurrence(found: Values, number: int) -> Values:
    """The number-th value of each row, from the end where it is negative."""
    values, rows = found.flat()
    counts = np.bincount(rows, minlength=found.count)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen = nth == number - 1 if number > 0 else nth == counts[rows] + number
    return Values(values[chosen], found.count, None, rows[chosen], found.buffer)


def as_bytes(found: Values, kind: str) -> Values:
    """Addresses as the bytes they have on the wire."""
    if kind not in WIDTHS:
        return found
    values, rows = found.flat()
    width = WIDTHS[kind]
    if kind == "ipv6":
        matrix = np.frombuffer(values.astype("S16").tobytes(), np.uint8).reshape(-1, 16)
    else:
        matrix = values.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width :]
    starts = np.arange(len(values), dtype=np.int64) * width
    buffer = np.ascontiguousarray(matrix).reshape(-1)
    return Values(np.stack((starts, starts + width), axis=1), found.count, None, rows, buffer)


def sliced(found: Values, kind: str, slices: tuple[tuple[int, int | None], ...]) -> Values:
    """Slices of each value's bytes, joined; a value that is too short has none."""
    found = as_bytes(found, kind)
    spans, rows = found.flat()
    assert found.buffer is not None
    parts, whole = [], np.ones(len(spans), np.bool_)
    for start, stop in slices:  # per slice
        size = spans[:, 1] - spans[:, 0]
        first = start if start >= 0 else size + start
        last = size if stop is None else np.full(len(spans), stop) if stop >= 0 else size + stop
        whole &= (first >= 0) & (last <= size) & (first < last)
        parts.append(np.stack((spans[:, 0] + first, spans[:, 0] + last), axis=1))
    parts, rows = [part[whole] for part in parts], rows[whole]
    if len(parts) == 1:
        return Values(parts[0], found.count, None, rows, found.buffer)
    joined = [
        b"".join(found.buffer[a:b].tobytes() for a, b in pair)
        for pair in zip(*(part.tolist() for part in parts), strict=True)
    ]
    return of_texts(joined, rows, found.count)


def of_texts(texts: list[bytes], rows: NDArray[np.int64], count: int) -> Values:
    """Byte strings as Values with a buffer of their own."""
    stops = np.cumsum([len(text) for text in texts], dtype=np.int64)
    starts = stops - np.array([len(text) for text in texts], np.int64)
    return Values(
        np.stack((starts, stops), axis=1).reshape(-1, 2),
        count,
        None,
        rows,
        np.frombuffer(b"".join(texts) + b"\0", np.uint8),
    )


def call(operand: Call, table: Table) -> Values:
    """The functions of the filter language."""
    first = operand.arguments[0]
    if operand.function == "count":
        _, rows = values_of(first, table).flat()
        counts = np.bincount(rows, minlength=table.rows)
        return Values(counts, table.rows, counts > 0)
    if operand.function == "len":
        assert isinstance(first, FieldValue)
        kind = "bytes" if first.span else table.column(first.name).field.kind
        found = values_of(first, table) if first.slices else as_bytes(values_of(first, table), kind)
        if found.values.ndim != 2:
            return Values(
                np.full(len(found.values), found.values.dtype.itemsize), found.count, found.present, found.rows
            )
        return Values(found.values[:, 1] - found.values[:, 0], found.count, found.present, found.rows)
    if operand.function == "string":
        assert isinstance(first, FieldValue)
        field = table.column(first.name).field
        values, rows = values_of(first, table).flat()
        return of_texts([str(readable(field, value)).encode() for value in values], rows, table.rows)
    if operand.function in ("lower", "upper"):
        found = values_of(first, table)
        assert found.buffer is not None
        text = found.buffer.tobytes()
        changed = text.lower() if operand.function == "lower" else text.upper()
        return Values(found.values, found.count, found.present, found.rows, np.frombuffer(changed, np.uint8))
    if operand.function == "abs":
        found = values_of(first, table)
        return Values(np.abs(wide(found.values)), found.count, found.present, found.rows)
    return extreme(operand, table)


def extreme(operand: Call, table: Table) -> Values:
    """The least or the greatest of all arguments' values in each row; NaN only where there is nothing else."""
    found = [values_of(argument, table).flat() for argument in operand.arguments]
    values, rows = np.concatenate([wide(one) for one, _ in found]), np.concatenate([one for _, one in found])
    is_least = operand.function == "min"
    limits = np.iinfo(np.int64)
    start = np.nan if values.dtype.kind == "f" else limits.max if is_least else limits.min
    out = np.full(table.rows, start, values.dtype)
    (np.fmin if is_least else np.fmax).at(out, rows, values)
    present = np.zeros(table.rows, np.bool_)
    present[rows] = True
    return Values(out, table.rows, present)


def divided(dividend: Array, divisor: Array) -> Array:
    """The quotient; of whole numbers without its rest, towards zero as in C. No divisor is 0."""
    if dividend.dtype.kind == "f" or divisor.dtype.kind == "f":
        return np.asarray(dividend / divisor)
    return np.asarray((dividend - np.fmod(dividend, divisor)) // divisor)


OPERATIONS: dict[str, Callable[[Array, Array], Array]] = {
    "+": np.add, "-": np.subtract, "*": np.multiply, "&": np.bitwise_and, "/": divided, "%": np.fmod,
}  # fmt: skip


def arithmetic(operand: Arithmetic, table: Table) -> Values:
    """left OP right over every pair of values of a row; what is divided by zero has no value, as in Wireshark."""
    left, right = as_numbers(values_of(operand.left, table)), as_numbers(values_of(operand.right, table))
    if left.rows is None and right.rows is None:
        known = [one.present for one in (left, right) if one.present is not None]
        first, second, rows = wide(left.values), wide(right.values), None
        present = np.logical_and.reduce(known) if known else None
    else:
        first, second, rows = pairs(left, right)
        first, second, present = wide(first), wide(second), None
    if operand.operator in ("/", "%"):
        is_divided = second != 0
        if rows is None:
            present = is_divided if present is None else present & is_divided
            second = np.where(is_divided, second, 1)
        else:
            first, second, rows = first[is_divided], second[is_divided], rows[is_divided]
    with np.errstate(all="ignore"):  # floats may become infinite
        return Values(OPERATIONS[operand.operator](first, second), table.rows, present, rows)


def as_numbers(found: Values) -> Values:
    """Slices of bytes as big-endian numbers, of their last eight bytes; numbers as they are."""
    if found.buffer is None:
        return found
    spans, rows = found.flat()
    numbers = np.zeros(len(spans), np.int64)
    for place in range(8):  # per place of a number
        at = spans[:, 1] - 8 + place
        inside = at >= spans[:, 0]
        numbers[inside] = numbers[inside] << 8 | found.buffer[at[inside]]
    return Values(numbers, found.count, None, rows)


def wide(values: Array) -> Array:
    """Numbers as int64, so that nothing wraps."""
    return values if values.dtype.kind == "f" else values.astype(np.int64)


def pairs(left: Values, right: Values) -> tuple[Array, Array, NDArray[np.int64]]:
    """Every pair of a left and a right value of one row, and that row."""
    first, first_rows = left.flat()
    second, second_rows = right.flat()
    counts = np.bincount(second_rows, minlength=right.count)
    begins = np.cumsum(counts) - counts
    repeats = counts[first_rows]
    chosen = (
        np.arange(repeats.sum())
        - np.repeat(np.cumsum(repeats) - repeats, repeats)
        + np.repeat(begins[first_rows], repeats)
    )
    return np.repeat(first, repeats, axis=0), second[chosen], np.repeat(first_rows, repeats)
