"""Items: parts of which a packet may have several, found by one walk: options, extension headers, records, addresses.

A walk gives one row for each item of every packet row; `listed` makes fields of them from a table, one line for each place
that a field may have. A message (ICMP) is an item too, the only one of its row: so what lies where depends on its type.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.columns import Array, Column, Field
from detector.packets.header import Make, PacketField, ragged
from detector.packets.load import Place, dtype_of, kernels
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

Found = NDArray[np.int64]  # [items, 4]: packet row, kind, start, length
Walk = Callable[[PacketTable], Found]
ROW, KIND, START, LENGTH = range(4)
PLACE = re.compile(r"@(?P<at>\d+):(?P<width>\d*|\?)(?P<little>le)?(?P<inverted>~)?")
CONDITION = re.compile(r"(?:(?P<at>\d+):(?P<width>\d+)|len)(?P<sign>!=|>=|<=|=)(?P<values>[\da-fx,]+)")
KINDS_SHOWN_AS_SPANS = ("bytes", "string")


class Shape(NamedTuple):
    """How a list of items is walked, in bytes from the item's start.

    kind_at: its kind, one byte.  length_at, length_bytes: its length, in units of `unit`, with `added` bytes that it does
    not count.  singles: kinds up to this one are a single byte, -1 for none.  count_at, count_unit: a further number of
    two bytes, in units of its own, -1 for none.  least: no item is shorter.  keeps_short: one that says so is the last, of its
    kind and length alone; else it is none.  overruns: the last may end behind its list; else it is none.  ends: what an item of kind 0 ends: nothing (0), the list (1), or
    the list but for further ones of its kind (2).
    """

    kind_at: int = 0
    length_at: int = 1
    length_bytes: int = 1
    unit: int = 1
    added: int = 0
    singles: int = -1
    count_at: int = -1
    count_unit: int = 0
    least: int = 2
    keeps_short: bool = False
    overruns: bool = False
    ends: int = 0


def kept(key: str, walk: Walk) -> Walk:
    """The walk, made once for each table."""

    def remembered(table: PacketTable) -> Found:
        found = table.kept.get(key)
        if found is None:
            found = table.kept[key] = walk(table)
        return found

    return remembered


def walked(table: PacketTable, spans: Found, shape: Shape) -> Found:
    """The items of lists that lie in spans: (packet row, -, start, length)."""
    if not len(spans):
        return spans
    found = np.zeros((256, 4), np.int64)
    numbers = np.array(shape, np.int64)
    while (count := kernels.walk_items(table.batch.buffer, spans, numbers, found)) > len(found):  # per growth
        found = np.zeros((count, 4), np.int64)
    return found[:count]


def within_row(table: PacketTable, found: Found) -> Found:
    """Items that overran their list, cut to the bytes of their packet."""
    stops = table.structure.cell(Cell.STOP)[found[:, ROW]]
    found[:, LENGTH] = np.minimum(found[:, LENGTH], stops - found[:, START])
    return found


def spans_of(rows: Array, kinds: Array, starts: Array, stops: Array) -> Found:
    """Items from their columns; one that ends before it starts has no bytes."""
    starts = starts.astype(np.int64)
    return np.stack((rows, kinds, starts, np.maximum(0, stops - starts)), axis=1).astype(np.int64)


def messages(layer: Layer) -> Walk:
    """Each row's message from its first byte on, which is its kind."""

    def walk(table: PacketTable) -> Found:
        starts, stops = table.structure.layer(layer), table.structure.cell(Cell.STOP)
        rows = np.flatnonzero((starts >= 0) & (starts < stops))
        return spans_of(rows, table.batch.buffer[starts[rows]], starts[rows], stops[rows])

    return kept(f"messages of {layer.name}", walk)


def among(items: Found, wanted: Array) -> Found:
    """Some of the items, chosen by a mask or by their numbers."""
    chosen: Found = items[wanted]
    return chosen


def behind(items: Found, skip: int) -> Found:
    """Items without their first bytes."""
    found = np.copy(items)
    found[:, START] += skip
    found[:, LENGTH] -= skip
    return found


def parts_of(items: Found, kinds: Iterable[int], skip: int, size: int) -> Found:
    """Parts of `size` bytes, as many as fit, behind the first `skip` bytes of items of some kinds; kinds are kept."""
    found = items[np.isin(items[:, KIND], tuple(kinds)) & (items[:, LENGTH] >= skip + size)]
    counts = (found[:, LENGTH] - skip) // size
    nth = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    parts = np.repeat(found, counts, axis=0)
    parts[:, START] += skip + size * nth
    parts[:, LENGTH] = size
    return parts


def repeated(key: str, items: Walk, kinds: Iterable[int], skip: int, size: int) -> Walk:
    """A walk of parts_of another one's items."""
    return kept(key, lambda table: parts_of(items(table), kinds, skip, size))


@dataclass(frozen=True)
class Part:
    """One place of a field.

    kinds: the items that have it, None for all; `is_other` turns the choice round.  place: bits from the item's start; a
    width of 0 is all up to the item's end, `may_be_empty` where that may be nothing.  is_inverted: every bit is turned.  conditions: what else must hold of the item.
    """

    kinds: tuple[int, ...] | None
    is_other: bool
    place: Place
    may_be_empty: bool
    is_inverted: bool
    conditions: tuple[tuple[Place | None, str, tuple[int, ...]], ...]

    def choose(self, table: PacketTable, found: Found) -> NDArray[np.int64]:
        """Numbers of the items that have the field here."""
        chosen = np.ones(len(found), np.bool_)
        if self.kinds is not None:
            chosen = np.isin(found[:, KIND], self.kinds) != self.is_other
        for place, sign, values in self.conditions:  # per condition
            numbers, has = (found[:, LENGTH], True) if place is None else bits(table, found, place)
            match sign:
                case ">=":
                    holds = numbers >= values[0]
                case "<=":
                    holds = numbers <= values[0]
                case _:
                    holds = np.isin(numbers, values) == (sign == "=")
            chosen &= holds & has
        return np.flatnonzero(chosen)


def bits(table: PacketTable, found: Found, place: Place) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Numbers at a place of items, and whether the items are as long as that."""
    values, present = np.empty(len(found), np.int64), np.empty(len(found), np.bool_)
    starts = found[:, START].astype(np.int32)
    stops = (found[:, START] + found[:, LENGTH]).astype(np.int32)
    kernels.load_bits(table.batch.buffer, starts, stops, *place, values, present)
    return values, present


def values_at(table: PacketTable, field: Field, found: Found, part: Part) -> tuple[Array, NDArray[np.bool_]]:
    """Values of a field at a part's place of the items, and whether it is there."""
    first, size = part.place.offset // 8, part.place.width // 8
    if field.kind in KINDS_SHOWN_AS_SPANS:
        starts = found[:, START] + first
        stops = starts + size if size else found[:, START] + found[:, LENGTH]
        has = (stops <= found[:, START] + found[:, LENGTH]) & (starts < stops + part.may_be_empty)
        return np.stack((starts, stops), axis=1), has
    if field.kind == "protocol":
        return np.ones(len(found), np.bool_), found[:, LENGTH] * 8 >= part.place.offset + part.place.width
    if field.kind == "ipv6":
        text, present = np.zeros((len(found), size), np.uint8), np.zeros(len(found), np.bool_)
        starts = (found[:, START] + first).astype(np.int32)
        stops = (found[:, START] + found[:, LENGTH]).astype(np.int32)
        kernels.load_bytes(table.batch.buffer, starts, stops, 0, text, present)
        return np.pad(text, ((0, 0), (0, 16 - size))).view("S16").reshape(len(found)), present
    values, present = bits(table, found, part.place)
    if part.is_inverted:
        values ^= (1 << part.place.width) - 1
    if field.kind == "int":
        half = 1 << (part.place.width - 1)
        return ((values ^ half) - half).astype(f"i{max(1, part.place.width // 8)}"), present
    return values.astype(dtype_of(field, part.place.width)), present


def from_parts(items: Walk, parts: tuple[Part, ...]) -> Make:
    """A field with its values from every item that has one of the parts, in the order of the packet's bytes."""

    def make(table: PacketTable, field: Field) -> Column:
        found = items(table)
        values, numbers = [], []
        for part in parts:  # per place of the field
            chosen = part.choose(table, found)
            of_part, present = values_at(table, field, found[chosen], part)
            values.append(of_part[present])
            numbers.append(chosen[present])
        number = np.concatenate(numbers)
        order = np.argsort(number, kind="stable")
        buffer = table.batch.buffer if field.kind in KINDS_SHOWN_AS_SPANS else None
        return ragged(field, np.concatenate(values)[order], found[number[order], ROW], table.rows, buffer)

    return make


def part_of(at: str, kinds: str, conditions: list[str]) -> Part:
    """A Part from the words of its line."""
    found = PLACE.fullmatch(at)
    assert found is not None, at
    may_be_empty = found["width"] == "?"
    place = Place(int(found["at"]), 0 if may_be_empty else int(found["width"] or 0), found["little"] is not None)
    is_other = kinds.startswith("!")
    wanted = None if kinds == "*" else tuple(int(kind) for kind in kinds.lstrip("!").split(","))
    tests = []
    for text in conditions:  # per condition
        test = CONDITION.fullmatch(text)
        assert test is not None, text
        where = None if test["at"] is None else Place(int(test["at"]), int(test["width"]), False)
        tests.append((where, test["sign"], tuple(int(value, 0) for value in test["values"].split(","))))
    return Part(wanted, is_other, place, may_be_empty, found["inverted"] is not None, tuple(tests))


def listed(items: Walk, rows: str, labels: Mapping[str, Mapping[int, str]] | None = None) -> tuple[PacketField, ...]:
    """PacketFields of items, from a table: lines of name, kind, place, kinds of item, [if condition;condition] meaning.

    A place is "@offset:width" in bits from the item's start ("~" behind it turns them), or "@offset:" for the bytes up to the
    item's end ("@offset:?" where none are a value too). Kinds are numbers, "*" for all, "!" before those that do not have the field. A condition is
    "offset:width=values", or "len" for the item's length, with = != >= <=. Further lines of the same name are further
    places of the field.
    """
    parts: dict[str, list[Part]] = {}
    fields: dict[str, Field] = {}
    for line in filter(None, map(str.strip, rows.splitlines())):  # per place of a field
        name, kind, at, kinds, rest = line.split(None, 4)
        conditions: list[str] = []
        if rest.startswith("if "):
            _, condition, rest = rest.split(None, 2)
            conditions = condition.split(";")
        base = 16 if kind.endswith("x") else 10
        fields.setdefault(name, Field(name, kind.rstrip("x"), rest, base=base, labels=(labels or {}).get(name, {})))
        parts.setdefault(name, []).append(part_of(at, kinds, conditions))
    return tuple(PacketField(field, make=from_parts(items, tuple(parts[name]))) for name, field in fields.items())
