"""Points: what the targets of devices are called, and how their numbers become values with a unit. Columns of `ics` objects.

Input: targets and values of ics.py, and what points.yml says. Output: point.*: name, device, value, unit, and whether the
value is outside its limits. A point over several registers stands at the first of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.packets.zones import text_of
from detector.protocols.declared import as_float64

kernels = Kernels("detector.protocols.ics_kernels")

NONE = ANY = -1
TYPES = {
    "uint16": 1,
    "int16": 1,
    "uint32": 2,
    "int32": 2,
    "float32": 2,
    "uint64": 4,
    "int64": 4,
    "float64": 4,
}  # registers of each
NAME = Field("point.name", "string", "the point's name in points.yml", level="object")
DEVICE = Field("point.device", "string", "name of the device that has the point", level="object")
VALUE = Field("point.value", "float", "the point's value in its unit, put together and scaled", level="object")
UNIT = Field("point.unit", "string", "unit of the value", level="object")
OUTSIDE = Field("point.outside", "bool", "the value is outside the point's limits, or not a number", level="object")
POINT_FIELDS = (NAME, DEVICE, VALUE, UNIT, OUTSIDE)
Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Point:
    """A point of a device. target: as in ics.target.  type: one of TYPES, or "" for the value as it is.

    value = number * scale + offset, in `unit`; low, high: its limits. is_low_first: of several registers the one with the
    lowest bits comes first.
    """

    name: str
    target: str
    type: str = ""
    is_low_first: bool = False
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""
    low: float = -np.inf
    high: float = np.inf


@dataclass(frozen=True)
class Device:
    """A device with its points. address: of IP, or a MAC address as a number.  unit: its station or unit, None for any."""

    name: str
    address: IPv4Address | IPv6Address | int
    unit: int | None
    points: tuple[Point, ...]


class Register:
    """Devices and points made ready for looking up."""

    def __init__(self, devices: Sequence[Device] = ()) -> None:
        self.points = [point for device in devices for point in device.points]
        owners = [device for device in devices for _ in device.points]
        self._names = {
            NAME.name: text_of([point.name for point in self.points]),
            DEVICE.name: text_of([device.name for device in owners]),
            UNIT.name: text_of([point.unit for point in self.points]),
        }
        self._addresses = {
            address: number for number, address in enumerate({device.address: None for device in devices})
        }
        self._keys = np.array(
            [(self._addresses[device.address], ANY if device.unit is None else device.unit) for device in owners],
            np.int64,
        ).reshape(-1, 2)
        self._text, self._spans = text_of([point.target for point in self.points])
        hashes = np.zeros(len(self.points), np.int64)
        kernels.hash_points(self._text, self._spans, self._keys, hashes)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]

    def find(self, text: NDArray[np.uint8], spans: Numbers, addresses: Numbers, units: Numbers) -> Numbers:
        """int64[objects], the point of each target, NONE for none. addresses, units: of the devices; ANY: not known."""
        places = np.full(len(spans), NONE, np.int64)
        if self.points:
            keys = np.stack((addresses, units), axis=1)
            kernels.find_points(
                text, spans, keys, self._hashes, self._order, self._text, self._spans, self._keys, places
            )
        return places

    def addresses(self, packets: PacketTable, rows: Numbers, of_source: NDArray[np.bool_]) -> Numbers:
        """int64[rows], number of the device's address in each packet row, NONE for none; it is the source's or the other."""
        made = np.full(len(rows), NONE, np.int64)
        for end, chosen in (("src", of_source), ("dst", ~of_source)):  # per end
            for name, make in ADDRESSES.items():  # per kind of address
                column = packets.column(f"{name}.{end}").take(rows)
                values, at = column.flat()
                different, inverse = np.unique(values, return_inverse=True)
                numbers = np.array(
                    [self._addresses.get(make(one), NONE) for one in different.tolist()] or [NONE], np.int64
                )
                found = numbers[inverse] if len(values) else np.zeros(0, np.int64)
                wanted = chosen[at] & (found != NONE)
                made[at[wanted]] = found[wanted]
        return made

    def texts(self, field: Field, places: Numbers) -> Column:
        """A column of the points' names, devices or units."""
        text, spans = self._names[field.name]
        chosen = spans[np.maximum(places, 0)]
        return Column(field, chosen, (places != NONE) & (chosen[:, 0] < chosen[:, 1]), None, text)

    def values(
        self, places: Numbers, parents: Numbers, numbers: NDArray[np.float64], known: NDArray[np.bool_]
    ) -> Column:
        """point.value. numbers, known: of ics.value; of a point over several registers those behind are taken with it."""
        values, present = np.zeros(len(places), np.float64), np.zeros(len(places), np.bool_)
        for place in np.unique(places[places != NONE]).tolist():  # per point that occurs
            point = self.points[place]
            at = np.flatnonzero(places == place)
            count = TYPES.get(point.type, 1)
            at = at[at + count <= len(places)]
            words = at[:, None] + np.arange(count)
            whole = known[words].all(axis=1) & (parents[words] == parents[at][:, None]).all(axis=1)
            at, words = at[whole], words[whole]
            raw = numbers[words]
            with np.errstate(invalid="ignore", over="ignore"):
                values[at] = (typed(point, raw) if point.type else raw[:, 0]) * point.scale + point.offset
            present[at] = True
        return Column(VALUE, values, present)

    def outside(self, places: Numbers, values: Column) -> Column:
        """point.outside, of points with limits. NaN is never inside: a controller may do anything with it."""
        lows = np.array([point.low for point in self.points] + [-np.inf])[places]
        highs = np.array([point.high for point in self.points] + [np.inf])[places]
        assert values.present is not None
        has_limits = np.isfinite(lows) | np.isfinite(highs)
        is_inside = (values.values >= lows) & (values.values <= highs)
        return Column(OUTSIDE, ~is_inside, values.present & has_limits)


def typed(point: Point, registers: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[n], numbers of int64[n, count] registers of 16 bits."""
    words = registers.astype(np.int64).astype(np.uint16)
    ordered = words[:, ::-1] if point.is_low_first else words
    kind, bits = point.type.rstrip("0123456789"), 16 * words.shape[1]
    data = np.ascontiguousarray(ordered).astype(">u2").view(f">{'u' if kind == 'uint' else kind[0]}{bits // 8}")
    return as_float64(data.reshape(len(words)))


ADDRESSES: dict[str, Callable[[Any], IPv4Address | IPv6Address | int]] = {
    "eth": int,
    "ip": IPv4Address,
    "ipv6": lambda value: IPv6Address(value.ljust(16, b"\0")),
}
