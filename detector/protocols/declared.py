"""Protocol tables whose fields are declared by where they lie: a line of text each, read once.

A framing kernel says of every PDU, and an object kernel of every object, where its parts begin, in cells: one column has
the first byte of a part, one the byte behind its last, one what the part is. A field is then a place in a part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.columns import Array, Column, Field, ObjectTable
from detector.packets.header import merged, offsets_of, place_of, ragged
from detector.packets.load import Place, load
from detector.packets.table import PacketTable
from detector.protocols.table import PduTable

MILLISECONDS = 1_000_000
LATEST = (2**63 - 1) // MILLISECONDS  # milliseconds: 48 bits hold times beyond the year 2262, which int64 of ns cannot
Cells = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """A run of bytes that PDUs, or objects, may have. start, stop, kind: columns of cells.

    start: of its first byte, -1 where there is no such part.
    kind: of what it is, a place in `kinds`; -1: all are the same.
    is_object: it is an object's.
    first: column that tells whether an object is the first with this part; -1: none shares it. What several objects share
        is a value of each of them, and of the PDU once.
    """

    start: int
    stop: int
    kind: int = -1
    kinds: tuple[str, ...] = ()
    is_object: bool = False
    first: int = -1


class Spot(NamedTuple):
    """One place of a field. numbers: the kinds of the part that have it, all where empty.

    at: bits in the part; None with `column`, the column of cells that has the value, or with `skip`, the bytes of the part
    from there on, `size` of them where it is not -1.
    is_decimal: each nibble is a digit.
    """

    part: Part
    numbers: tuple[int, ...]
    at: Place | None
    column: int = -1
    skip: int = 0
    size: int = -1
    is_decimal: bool = False


@dataclass(frozen=True)
class Declared:
    """The fields of a protocol. several: those that a PDU has once for each of their spots, and not in one of them."""

    fields: Mapping[str, Field]
    spots: Mapping[str, Sequence[Spot]]
    several: frozenset[str] = field(default_factory=frozenset)


def declared(
    lines: str, parts: Mapping[str, Part], columns: Mapping[str, int], labels: Mapping[str, Mapping[int, str]]
) -> Declared:
    """Fields of lines: name, kind, part or part:kind,kind, place, meaning.

    The kind ends with "x" where people read hexadecimal, with "*" where each of several lines gives a value of its own. The
    place is "@offset:width" in bits, with "le" behind it where the least byte comes first, "bcd" where each nibble is a
    digit; "@offset:" for all bytes from there on; "=name" for a column of cells.
    """
    fields: dict[str, Field] = {}
    spots: dict[str, list[Spot]] = {}
    several = set()
    for line in filter(None, map(str.strip, lines.splitlines())):  # per place of a field
        name, kind, where, place, meaning = line.split(None, 4)
        word, _, kinds = where.partition(":")
        part = parts[word]
        numbers = tuple(part.kinds.index(one) for one in kinds.split(",") if one)
        if place.startswith("="):
            spot = Spot(part, numbers, None, columns[place[1:]])
        elif kind.rstrip("*") in ("bytes", "string"):
            skip, size = place[1:].split(":")
            spot = Spot(part, numbers, None, -1, int(skip) // 8, int(size) // 8 if size else -1)
        else:
            spot = Spot(part, numbers, place_of(place.removesuffix("bcd")), is_decimal=place.endswith("bcd"))
        if kind.endswith("*"):
            several.add(name)
        base, stored = (16 if "x" in kind[-2:] else 10), kind.rstrip("*").removesuffix("x")
        level = "object" if part.is_object else "row"
        bits = spot.at.width if spot.at else 0
        fields.setdefault(
            name, Field(name, stored, meaning, labels=labels.get(name, {}), bits=bits, base=base, level=level)
        )
        spots.setdefault(name, []).append(spot)
    return Declared(fields, spots, frozenset(several))


class DeclaredTable(PduTable):
    """PDUs of a protocol with declared fields."""

    declared: Declared

    def __init__(self, name: str, packets: PacketTable, cells: Cells, fields: Mapping[str, Field]) -> None:
        super().__init__(name, packets, cells, fields)
        self._objects: ObjectTable | None = None
        self._object_cells = np.zeros((0, 1), np.int64)

    def list_objects(self) -> tuple[Cells, NDArray[np.int64]]:
        """(cells of the objects, the PDU of each, ascending)."""
        raise NotImplementedError

    def objects(self) -> ObjectTable:
        """The objects below the PDUs, made at the first call."""
        if self._objects is None:
            cells, parents = self.list_objects()
            self._object_cells = cells
            buffer = self.packets.batch.buffer
            self._objects = ObjectTable(self.name, offsets_of(parents, self.rows), {
                name: partial(self.object_column, one, cells, buffer)
                for name, one in self.fields.items() if one.level == "object"
            })  # fmt: skip
        return self._objects

    @classmethod
    def object_column(cls, field: Field, cells: Cells, buffer: NDArray[np.uint8]) -> Column:
        """The column of a field over objects. Not of a table: what makes columns must not hold one."""
        return spotted_in(cls.declared, field, cells, buffer, is_object=True)

    def _make_own(self, field: Field) -> Column:
        if field.level != "object":
            column = spotted_in(self.declared, field, self.cells, self.packets.batch.buffer)
            return self._with_objects(column) if self.shares(field) else column
        objects = self.objects()
        column = objects.column(field.name)
        values, rows = column.flat()
        spots = self.declared.spots.get(field.name)
        if spots and (first := spots[0].part.first) >= 0:
            chosen = self._object_cells[rows, first] > 0
            values, rows = values[chosen], rows[chosen]
        return ragged(field, values, objects.parents[rows], self.rows, column.buffer)

    def shares(self, field: Field) -> bool:
        """Whether objects may have values of a PDU's field."""
        return any(spot.part.is_object for spot in self.declared.spots[field.name])

    def _with_objects(self, column: Column) -> Column:
        """The column with what objects have of its field, behind the PDU's own values."""
        parents = self.objects().parents
        below = spotted_in(self.declared, column.field, self._object_cells, self.packets.batch.buffer, is_object=True)
        values, places = below.flat()
        return merged(column.field, (column.flat(), (values, parents[places])), self.rows, column.buffer)


def spotted_in(
    declared: Declared, field: Field, cells: Cells, buffer: NDArray[np.uint8], is_object: bool = False
) -> Column:
    """The column of a field over rows of cells, which are PDUs' or objects'."""
    spots = (spot for spot in declared.spots[field.name] if spot.part.is_object == is_object)
    found = [spotted(field, spot, cells, buffer) for spot in spots]
    if field.name in declared.several:
        return merged(field, [column.flat() for column in found], len(cells), buffer)
    values, present = found[0].values, present_in(found[0])
    for column in found[1:]:  # per further place
        more = present_in(column)
        chosen = more if values.ndim == 1 else more[:, None]
        values, present = np.where(chosen, column.values, values), present | more
    return Column(field, values, present, None, found[0].buffer)


def date_and_time(values: Array) -> Array:
    """Milliseconds since 1970 of eight bytes whose nibbles are digits: year, from 1990 on, month, day, hour, minute, second, and
    three nibbles of milliseconds. Digits too large count on, into the next month too."""
    parts = [
        decimal((values.astype(np.uint64) >> np.uint64(shift)) & np.uint64(255), 8).astype(np.int64)
        for shift in range(56, 8, -8)
    ]
    year, month, day, hour, minute, second = parts
    milliseconds = decimal((values.astype(np.uint64) >> np.uint64(4)) & np.uint64(0xFFF), 12).astype(np.int64)
    months = (year + np.where(year < 90, 30, -70)) * 12 + month - 1
    days = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + day - 1
    return (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + milliseconds


def present_in(column: Column) -> NDArray[np.bool_]:
    """Where a dense column of spotted() has values."""
    assert column.present is not None
    return column.present


def spotted(field: Field, spot: Spot, cells: Cells, buffer: NDArray[np.uint8]) -> Column:
    """The values that a field has at one of its places."""
    part = spot.part
    starts, stops = cells[:, part.start], cells[:, part.stop]
    holds = starts >= 0
    if spot.numbers:
        is_chosen = np.zeros(len(part.kinds) + 2, np.bool_)  # the first is for -1, the last for kinds without a name
        is_chosen[np.array(spot.numbers) + 1] = True
        holds &= is_chosen.take(cells[:, part.kind] + 1, mode="clip")
    if spot.at is not None:
        loaded = load(PLAIN, spot.at, buffer, np.where(holds, starts, -1).astype(np.int32), stops.astype(np.int32))
        values = loaded.values
        if spot.is_decimal:
            values = date_and_time(values) if field.kind == "time" else decimal(values, spot.at.width)
        return Column(field, converted(field, values, spot.at.width), present_in(loaded))
    if spot.column >= 0:
        return Column(field, stored(field, cells[:, spot.column]), holds)
    begins = starts + spot.skip
    ends = stops if spot.size < 0 else begins + spot.size
    present = holds & (begins < ends) & (ends <= stops)
    if field.kind == "string" and spot.size >= 0:
        ends = begins + lengths(buffer, begins, spot.size, present)
    return Column(field, np.stack((begins, ends), axis=1), present, None, buffer)


def lengths(buffer: NDArray[np.uint8], begins: Cells, size: int, present: NDArray[np.bool_]) -> Cells:
    """Bytes of texts before their first zero byte, in fields of a fixed size."""
    found = np.full(len(begins), size, np.int64)
    ends = buffer[begins[present][:, None] + np.arange(size)] == 0
    found[present] = np.where(ends.any(axis=1), np.argmax(ends, axis=1), size)
    return found


def decimal(values: Array, width: int) -> Array:
    """Numbers whose nibbles are digits, the first the highest."""
    numbers = values.astype(np.int64)
    found = np.zeros(len(numbers), np.int64)
    for shift in range(width - 4, -1, -4):  # per digit
        found = found * 10 + ((numbers >> shift) & 15)
    return found.astype(np.uint32)


PLAIN = Field("", "uint", "")


def converted(field: Field, values: Array, width: int) -> Array:
    """Bits from the wire as a kind of field stores them."""
    match field.kind:
        case "int":
            shift = 64 - width
            return (values.astype(np.int64) << shift) >> shift
        case "float" if width == 16:  # a fraction of one
            return values.astype(np.uint16).view(np.int16) / 32768
        case "float":
            return as_float64(values.astype(np.uint32).view(np.float32) if width == 32 else values.astype(np.uint64).view(np.float64))  # fmt: skip
        case "time" | "duration":
            return np.minimum(values.astype(np.int64), LATEST) * MILLISECONDS
        case _:
            return stored(field, values)


def as_float64(values: Array) -> NDArray[np.float64]:
    """Numbers of any width; a signalling NaN becomes a quiet one, of which the processor must not complain."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def stored(field: Field, values: Array) -> Array:
    """Numbers as a kind of field stores them."""
    return values != 0 if field.kind == "bool" else values
