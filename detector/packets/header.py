"""How a packet field gets its column: from a place in a header, or by a function of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detector.columns import Array, Column, Field
from detector.packets.load import Place, layout
from detector.packets.rows import Layer

if TYPE_CHECKING:
    from detector.packets.table import PacketTable

Make = Callable[["PacketTable", Field], Column]
PLACE = re.compile(
    r"(?:(?P<layer>\w+)\.(?P<name>\w+)|@(?P<at>\d+):(?P<width>\d+)(?P<little>le)?)(?:\[(?P<start>\d+):(?P<stop>\d+)\])?"
)


@dataclass(frozen=True)
class PacketField:
    """A field and how its column is made.

    layer, at: the header it lies in, and the place there: Scapy's "IP.ttl", some bits of it "IP.tos[0:6]", or
        "@offset:width" in bits where Scapy's layer has no fixed field.
    when: (field, values) pairs, the field is there only in rows where each other field has one of its values.
    make: for what is not one place of one header.
    """

    field: Field
    layer: Layer | None = None
    at: str = ""
    when: tuple[tuple[str, tuple[int, ...]], ...] = ()
    make: Make | None = None


def place_of(text: str) -> Place:
    """The place that a PacketField's `at` names."""
    found = PLACE.fullmatch(text)
    assert found is not None, text
    if found["layer"]:
        whole = layout(found["layer"])[found["name"]]
    else:
        whole = Place(int(found["at"]), int(found["width"]), found["little"] is not None)
    if found["start"] is None:
        return whole
    start, stop = int(found["start"]), int(found["stop"])
    return Place(whole.offset + start, stop - start, False)


def placed(at: str) -> dict[str, Any]:
    """What a Field says of its place: Scapy's name for it, or its width."""
    return {"bits": place_of(at).width} if at.startswith("@") else {"scapy": at}


def bits_of(field: Field) -> int:
    """Width of a field on the wire, 0 where it has none of its own."""
    return field.bits or (place_of(field.scapy).width if field.scapy else 0)


def header(layer: Layer, rows: str, labels: Mapping[str, Mapping[int, str]] | None = None) -> tuple[PacketField, ...]:
    """PacketFields from a table: one line each of name, kind, place, [when field=1,2,] meaning."""
    made = []
    for line in filter(None, map(str.strip, rows.splitlines())):  # per field
        name, kind, at, rest = line.split(None, 3)
        when: tuple[tuple[str, tuple[int, ...]], ...] = ()
        if rest.startswith("when "):
            _, condition, rest = rest.split(None, 2)
            when = tuple(
                (other, tuple(int(value) for value in values.split(",")))
                for other, _, values in (part.partition("=") for part in condition.split(";"))
            )
        base = 16 if kind.endswith("x") else 10
        field = Field(name, kind.rstrip("x"), rest, base=base, labels=(labels or {}).get(name, {}), **placed(at))
        made.append(PacketField(field, layer, at, when))
    return tuple(made)


def made(name: str, kind: str, meaning: str, make: Make, **more: Any) -> PacketField:
    """A field with a function of its own."""
    return PacketField(Field(name, kind, meaning, **more), make=make)


def ragged(
    field: Field, values: Array, of_row: NDArray[np.int64], rows: int, buffer: NDArray[np.uint8] | None = None
) -> Column:
    """A ragged column of flat values whose rows do not fall."""
    return Column(field, values, None, offsets_of(of_row, rows), buffer)


def merged(
    field: Field, parts: Sequence[tuple[Array, NDArray[np.int64]]], rows: int, buffer: NDArray[np.uint8] | None = None
) -> Column:
    """A ragged column of several parts, (values, row of each), in each row those of the first part first."""
    values, of_row = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = np.argsort(of_row, kind="stable")
    return ragged(field, values[order], of_row[order], rows, buffer)


def offsets_of(of_row: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """int64[rows + 1], where the values of each row begin and end; of_row: the row of each value, none below the one before."""
    offsets = np.zeros(rows + 1, np.int64)
    np.cumsum(np.bincount(of_row, minlength=rows), out=offsets[1:])
    return offsets


def both(first: str, second: str) -> Make:
    """Values of two fields, the first one's first: ip.addr of ip.src and ip.dst."""

    def make(table: PacketTable, field: Field) -> Column:
        return merged(field, [table.own(name).flat() for name in (first, second)], table.rows)

    return make


def presence(layer: Layer) -> Make:
    """Whether the row has a header."""

    def make(table: PacketTable, field: Field) -> Column:
        return Column(field, table.structure.layer(layer) >= 0)

    return make
