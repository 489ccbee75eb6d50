"""Tables of columns: what every stage hands to the next.

One row = one packet, PDU or object. A Field declares a column (Wireshark's name, kind, meaning); a Column holds its
values for one batch; a Table makes columns when they are asked for and keeps them as long as its batch lives.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
IPV4_MAPPED = bytes(10) + b"\xff\xff"

NOT_FINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}  # JSON has no numbers for them

KINDS: Final = (
    "protocol",
    "bool",
    "uint",
    "int",
    "float",
    "label",
    "ipv4",
    "ipv6",
    "ether",
    "bytes",
    "string",
    "time",
    "duration",
)


@dataclass(frozen=True)
class Field:
    """A column's declaration.

    kind says how values are stored and compared:
        protocol   bool: "this row has the protocol"
        bool       bool
        uint, int  uint8..uint64, int8..int64
        float      float64
        label      uint8 or uint16, an index into `labels`; compared and printed as the label's text
        ipv4       uint32, host order
        ipv6       S16, network order
        ether      uint64, the 48 bits of a MAC address
        bytes      int64[n, 2] spans (start, stop) into the column's buffer
        string     as bytes; compared as text
        time       int64 nanoseconds since 1970 UTC
        duration   int64 nanoseconds
    """

    name: str
    kind: str
    meaning: str
    unit: str = ""
    labels: Mapping[int, str] = field(default_factory=dict, compare=False)
    bits: int = 0  # width on the wire, 0 where it has none, or where Scapy knows it
    base: int = 10  # how people read it: 16 for masks and codes
    level: str = "row"  # "object" where the value belongs to an object row below the table's
    scapy: str = ""  # "IP.ttl": Scapy's layer and field, the schema of a fixed header

    @property
    def protocol(self) -> str:
        """The first word of the name, which is the table or header it belongs to."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one field over the rows of one table.

    Dense: values[rows] and present bool[rows] (None: all present). Ragged: values[n] flat, offsets int64[rows + 1].
    Bytes and strings: values int64[n, 2], half-open spans into buffer uint8[bytes].
    """

    field: Field
    values: Array
    present: NDArray[np.bool_] | None = None
    offsets: NDArray[np.int64] | None = None
    buffer: NDArray[np.uint8] | None = None

    def take(self, rows: NDArray[np.int64]) -> Column:
        """The column over other rows: row i is this column's row rows[i]; -1 has no value."""
        if self.offsets is not None:
            counts = np.where(rows >= 0, self.offsets[rows + 1] - self.offsets[rows], 0)
            offsets = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
            flat = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts) + np.repeat(self.offsets[rows], counts)
            return Column(self.field, self.values[flat], None, offsets, self.buffer)
        present = rows >= 0
        if len(self.values) == 0:
            return Column(
                self.field,
                np.zeros((len(rows), *self.values.shape[1:]), self.values.dtype),
                np.zeros(len(rows), bool),
                None,
                self.buffer,
            )
        if self.present is not None:
            present = present & self.present[rows]
        return Column(self.field, self.values[rows], present, None, self.buffer)

    def flat(self) -> tuple[Array, NDArray[np.int64]]:
        """All values in row order and the row of each."""
        if self.offsets is not None:
            return self.values, np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        if self.present is None:
            return self.values, np.arange(len(self.values))
        rows = np.flatnonzero(self.present)
        return self.values[rows], rows

    def at(self, row: int) -> list[Any]:
        """The Python values of one row, as people read them: addresses and bytes as text, labels as their names."""
        if self.offsets is not None:
            chosen = self.values[self.offsets[row] : self.offsets[row + 1]]
        elif self.present is not None and not self.present[row]:
            return []
        else:
            chosen = self.values[row : row + 1]
        return [readable(self.field, value, self.buffer) for value in chosen]


def readable(declared: Field, value: Any, buffer: NDArray[np.uint8] | None = None) -> Any:
    """One stored value as JSON shows it."""
    match declared.kind:
        case "bool" | "protocol":
            return bool(value)
        case "label":
            return declared.labels.get(int(value), str(int(value)))
        case "ipv4":
            return str(IPv4Address(int(value)))
        case "ipv6":
            return ipv6_text(bytes(value).ljust(16, b"\0"))
        case "ether":
            return int(value).to_bytes(8, "big")[2:].hex(":")
        case "bytes" | "string":
            assert buffer is not None
            text = buffer[int(value[0]) : int(value[1])].tobytes()
            return text.hex(":") if declared.kind == "bytes" else text.decode("utf-8", "replace")
        case "time":
            seconds, rest = divmod(abs(int(value)), 10**9)
            return f"{'-' if value < 0 else ''}{seconds}.{rest:09d}"
        case "duration":
            return int(value) / 10**9
        case "float":
            return float(value) if math.isfinite(value) else NOT_FINITE.get(float(value), "NaN")
        case _:
            return int(value)


def ipv6_text(address: bytes) -> str:
    """An IPv6 address as RFC 5952 writes it, with the dotted end of one that holds an IPv4 address (its section 5)."""
    if address.startswith(IPV4_MAPPED):
        return f"::ffff:{IPv4Address(address[12:])}"
    if address.startswith(bytes(12)) and address[12:14] != bytes(2):
        return f"::{IPv4Address(address[12:])}"
    return str(IPv6Address(address))


def printable(text: str) -> str:
    """A text from the network as it may be shown in a line: what could steer a terminal is escaped."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


class Table:
    """Rows of one kind in one batch. A stage's table subclasses it and says how a column is made."""

    name: str
    rows: int

    def __init__(self, name: str, rows: int) -> None:
        self.name = name
        self.rows = rows
        self._columns: dict[str, Column] = {}
        self._offered: dict[str, Callable[[Any], Column]] = {}

    def column(self, name: str) -> Column:
        """The column of a field, made at the first call. KeyError: no such field here (the loader has refused it)."""
        found = self._columns.get(name)
        if found is None:
            offered = self._offered.get(name)
            found = self._columns[name] = offered(self) if offered else self._make(name)
        return found

    def values_at(self, name: str, row: int) -> list[Any]:
        """The Python values of a field in one row, as Column.at gives them."""
        return self.column(name).at(row)

    def offer(self, name: str, make: Callable[[Any], Column]) -> None:
        """A column that a later stage can make of this table when it is asked for (flow.direction on packet rows).

        `make` is handed the table and does not hold it: a batch's memory is free as soon as the batch is done with, and
        waits for no garbage collection.
        """
        self._offered[name] = make

    def has(self, name: str) -> bool:
        """Whether a later stage offers the column."""
        return name in self._offered

    def span(self, name: str, is_whole: bool) -> Column:
        """The bytes of a protocol in each row: its header, or all from its first byte on. KeyError: none is known."""
        raise KeyError(name)

    def _make(self, name: str) -> Column:
        raise KeyError(name)

    def objects(self) -> ObjectTable | None:
        """The object rows below this table's, made at the first call; None where the protocol nests none."""
        return None


class ObjectTable(Table):
    """Objects (registers, points) below the rows of a parent table.

    offsets: int64[parent rows + 1].  parents: int64[rows], the parent row of each object.
    columns: what makes each of its columns when it is asked for.
    """

    def __init__(self, name: str, offsets: NDArray[np.int64], columns: Mapping[str, Callable[[], Column]]) -> None:
        super().__init__(name, int(offsets[-1]))
        self._makers = columns
        self.offsets = offsets
        self.parents = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))

    def _make(self, name: str) -> Column:
        return self._makers[name]()
