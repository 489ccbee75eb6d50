"""Points: targets of devices by their names, numbers put together of registers, limits. Expected by hand (IEEE 754)."""

from __future__ import annotations

from ipaddress import IPv4Address
from typing import Any

import pytest

from detector.flows.followed import Watched
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.points import Device, Point
from tests.flows.frames import CLIENT, SECOND, batches
from tests.protocols.streams import Turn, segments
from tests.protocols.test_ics import MODBUS_SERVER, adu

pytestmark = pytest.mark.kernel

BOILER = Device("boiler", IPv4Address("10.0.0.2"), None, (
    Point("pressure", "register:100", "float32", unit="bar", low=0, high=16),
    Point("flow", "register:102", "int32", is_low_first=True, scale=0.1, unit="l/s"),
    Point("level", "register:104", "int16", offset=5, low=0),
    Point("valve", "coil:16"),
))  # fmt: skip
OTHER = Device("mixer", IPv4Address("10.0.0.2"), 9, (Point("speed", "register:100", "uint16"),))
ELSEWHERE = Device("far", IPv4Address("10.0.0.99"), None, (Point("nothing", "register:103"),))
FIELDS = ("ics.target", "point.device", "point.name", "point.value", "point.unit", "point.outside")


def named(turns: list[Turn], *devices: Device) -> list[list[tuple[Any, ...]]]:
    """The points of each row that has some."""
    decoding = Decoding(PipelineSettings(points=devices))
    decoding.following.watch(Watched(ics=True))
    frames = segments(turns, (), CLIENT, MODBUS_SERVER)
    (batch,) = batches(frames, [SECOND] * len(frames), 1000)
    table = decoding.tables(batch)[1]["ics"]
    objects = table.objects()
    assert objects is not None
    rows: list[list[tuple[Any, ...]]] = [[] for _ in range(table.rows)]
    for number, parent in enumerate(objects.parents.tolist()):
        values = tuple((objects.column(name).at(number) or [None])[0] for name in FIELDS)
        if values[2] is not None:
            rows[parent].append(values)
    return rows


def read_words(words: str) -> list[Turn]:
    """A reply with the two registers from 100 on."""
    return [("c", adu(1, "03 0064 0002")), ("s", adu(1, f"03 04 {words}"))]


READ: list[Turn] = [("c", adu(1, "03 0064 0005")), ("s", adu(1, "03 0a 4184 0000 fff6 ffff fffa"))]


def test_numbers_over_several_registers() -> None:
    """16.5 is 0x41840000; -10 is 0xfffffff6, here with its low word first; 0xfffa is -6."""
    request, reply = named(READ, BOILER, OTHER, ELSEWHERE)
    assert [point[2:4] for point in request] == [("pressure", None), ("flow", None), ("level", None)]
    assert reply == [
        ("register:100", "boiler", "pressure", 16.5, "bar", True),
        ("register:102", "boiler", "flow", -1.0, "l/s", None),
        ("register:104", "boiler", "level", -1.0, None, True),
    ]


def test_a_unit_s_own_point_comes_before_the_device_s() -> None:
    turns: list[Turn] = [
        ("c", adu(1, "03 0064 0001", unit=9)),
        ("s", adu(1, "03 02 0102", unit=9)),
        ("c", adu(2, "05 0010 ff00", unit=9)),
    ]
    assert named(turns, BOILER, OTHER)[1:] == [
        [("register:100", "mixer", "speed", 258.0, None, None)],
        [("coil:16", "boiler", "valve", 1.0, None, None)],
    ]


def test_a_number_that_is_not_whole_has_no_value() -> None:
    """One of its two registers was read."""
    assert named([READ[0], ("s", adu(1, "03 02 4184"))], BOILER)[1] == [
        ("register:100", "boiler", "pressure", None, "bar", None)
    ]


@pytest.mark.parametrize(("words", "value", "is_outside"), [
    ("7fc00000", "NaN", True), ("7f800001", "NaN", True),  # quiet and signalling
    ("7f800000", "Infinity", True), ("ff800000", "-Infinity", True), ("7f7fffff", 3.4028234663852886e38, True),
    ("41800000", 16.0, False), ("80000000", 0.0, False),
])  # fmt: skip
def test_numbers_without_end_are_outside(words: str, value: float | str, is_outside: bool) -> None:
    """What a regulator does with such a set point nobody knows; in alerts they are texts, since JSON has no numbers for them."""
    assert named(read_words(words), BOILER)[1] == [("register:100", "boiler", "pressure", value, "bar", is_outside)]


def test_scaling_cannot_overflow_loudly() -> None:
    """1e308 (bits 7fe1ccf385ebc8a0) times 1000 has no number any more."""
    device = Device("boiler", BOILER.address, None, (Point("big", "register:100", "float64", scale=1000, high=16),))
    turns: list[Turn] = [("c", adu(1, "03 0064 0004")), ("s", adu(1, "03 08 7fe1 ccf3 85eb c8a0"))]
    assert named(turns, device)[1] == [("register:100", "boiler", "big", "Infinity", None, True)]
