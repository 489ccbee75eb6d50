"""Operands over rows: occurrences, slices, functions, arithmetic; against plain Python."""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest

from detector.detect.operands import values_of
from detector.detect.predicates import evaluate
from detector.rules.model import Arithmetic, Call, FieldValue, Literal_, Operand
from detector.rules.parser import parse_filter
from detector.rules.values import convert
from tests.detect.tables import Given, column, given

KINDS = {"x": "uint", "y": "uint", "t": "string", "b": "bytes"}


def random_table(seed: int) -> tuple[Given, list[dict[str, list[Any]]]]:
    """x and b ragged, y and t dense with holes."""
    chosen = random.Random(seed)
    rows: list[dict[str, list[Any]]] = []
    for _ in range(80):
        rows.append({
            "x": [chosen.randrange(2**16) for _ in range(chosen.randrange(4))],
            "y": [chosen.randrange(2**16)] if chosen.random() < 0.7 else [],
            "t": ["".join(chosen.choice("aBé") for _ in range(chosen.randrange(5)))] if chosen.random() < 0.7 else [],
            "b": [chosen.randbytes(chosen.randrange(9)) for _ in range(chosen.randrange(3))],
        })  # fmt: skip
    return given(KINDS, {name: [row[name] for row in rows] for name in KINDS}, ("y", "t")), rows


def listed(operand: Operand, table: Given) -> list[list[Any]]:
    """The values of each row, bytes as bytes."""
    found = values_of(operand, table)
    values, rows = found.flat()
    out: list[list[Any]] = [[] for _ in range(found.count)]
    for value, row in zip(values.tolist(), rows.tolist(), strict=True):
        out[row].append(found.buffer[value[0] : value[1]].tobytes() if found.buffer is not None else value)
    return out


def is_there(size: int, start: int, stop: int | None) -> bool:
    """Wireshark has no value where a slice reaches beyond the bytes, or holds none."""
    first = start if start >= 0 else size + start
    last = size if stop is None else stop if stop >= 0 else size + stop
    return 0 <= first < last <= size


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "slices",
    [
        ((0, 3),), ((1, 2),), ((0, None),), ((3, None),), ((-1, None),), ((-2, -1),), ((-4, None),), ((0, 1), (2, 3)), ((0, 2), (-1, None)),
        ((0, 1), (0, 1), (1, 4)), ((2, -1),), ((0, 9),),
    ],
)  # fmt: skip
def test_slices(slices: tuple[tuple[int, int | None], ...], seed: int) -> None:
    table, rows = random_table(seed)
    expected = [
        [b"".join(one[a:b] for a, b in slices) for one in row["b"] if all(is_there(len(one), a, b) for a, b in slices)]
        for row in rows
    ]
    assert listed(FieldValue("b", slices), table) == expected


@pytest.mark.parametrize(
    ("kind", "text", "slices", "expected"),
    [
        ("ether", "00:1d:9c:c7:b0:70", ((0, 3),), "001d9c"),
        ("ether", "00:1d:9c:c7:b0:70", ((-2, None),), "b070"),
        ("ipv4", "10.1.2.3", ((0, 2),), "0a01"),
        ("ipv4", "10.1.2.3", ((3, 4),), "03"),
        ("ipv6", "fe80::1", ((0, 2), (-1, None)), "fe8001"),
        ("ipv6", "fe80::", ((14, 16),), "0000"),
    ],
)
def test_slices_of_addresses_are_their_bytes_on_the_wire(kind: str, text: str, slices: Any, expected: str) -> None:
    field = FieldValue("a", slices)
    value = int(text.replace(":", ""), 16) if kind == "ether" else text
    table = Given({"a": column("a", kind, [[value], []])}, 2)
    assert listed(field, table) == [[bytes.fromhex(expected)], []]


@pytest.mark.parametrize("number", [1, 2, 3, 4, -1, -2, -4])
def test_occurrences(number: int) -> None:
    table, rows = random_table(1)
    at = number - 1 if number > 0 else number
    expected = [[row["x"][at]] if -len(row["x"]) <= at < len(row["x"]) else [] for row in rows]
    assert listed(FieldValue("x", (), number), table) == expected


@pytest.mark.parametrize("seed", range(3))
def test_functions(seed: int) -> None:
    table, rows = random_table(seed)
    x, y, t, b = (FieldValue(name) for name in "xytb")
    for operand, of in (
        (Call("len", (b,)), lambda row: [len(one) for one in row["b"]]),
        (Call("len", (t,)), lambda row: [len(one.encode()) for one in row["t"]]),
        (Call("len", (FieldValue("b", ((1, 3),)),)), lambda row: [2 for one in row["b"] if len(one) >= 3]),
        (Call("count", (x,)), lambda row: [len(row["x"])] if row["x"] else []),
        (Call("count", (y,)), lambda row: [1] if row["y"] else []),
        (Call("min", (x, y)), lambda row: [min(row["x"] + row["y"])] if row["x"] + row["y"] else []),
        (Call("max", (x, Literal_(100))), lambda row: [max([*row["x"], 100])]),
        (Call("abs", (Arithmetic("-", y, Literal_(30000)),)), lambda row: [abs(one - 30000) for one in row["y"]]),
        (Call("string", (x,)), lambda row: [str(one).encode() for one in row["x"]]),
        (Call("upper", (t,)), lambda row: [one.encode().upper() for one in row["t"]]),
        (Call("lower", (t,)), lambda row: [one.encode().lower() for one in row["t"]]),
    ):
        assert listed(operand, table) == [of(row) for row in rows], operand


@pytest.mark.parametrize(
    ("sign", "of"),
    [
        ("+", lambda a, b: a + b),
        ("-", lambda a, b: a - b),
        ("*", lambda a, b: a * b),
        ("&", lambda a, b: a & b),
        ("/", lambda a, b: math.trunc(a / b)),
        ("%", math.fmod),
    ],
)
def test_arithmetic_over_every_pair_of_values(sign: str, of: Any) -> None:
    """On 16-bit columns nothing wraps; what is divided by zero has no value."""
    table, rows = random_table(5)
    for left, right in (("x", "y"), ("y", "x"), ("x", "x"), ("y", "y")):
        expected = [[of(a, b) for a in row[left] for b in row[right] if b or sign not in "/%"] for row in rows]
        assert listed(Arithmetic(sign, FieldValue(left), FieldValue(right)), table) == expected
    for number in (0, 3, -1):
        expected = [[of(a, number) for a in row["y"] if number or sign not in "/%"] for row in rows]
        assert listed(Arithmetic(sign, FieldValue("y"), Literal_(number)), table) == expected


def test_floats_stay_floats() -> None:
    """A NaN hides no other value; infinity over infinity is none; a number is cut nowhere."""
    nan = math.nan
    table = given({"f": "float"}, {"f": [[nan, 1.5, 2.25], [nan], [], [1e308], [-0.5]]})
    f = FieldValue("f")
    assert str(listed(Call("max", (f, Literal_(1))), table)) == "[[2.25], [1.0], [1.0], [1e+308], [1.0]]"
    assert str(listed(Call("min", (f,)), table)) == "[[1.5], [nan], [], [1e+308], [-0.5]]"
    assert str(listed(Call("abs", (f,)), table)) == "[[nan, 1.5, 2.25], [nan], [], [1e+308], [0.5]]"
    doubled = listed(Arithmetic("*", f, Literal_(10)), table)
    assert str(doubled) == "[[nan, 15.0, 22.5], [nan], [], [inf], [-5.0]]"
    assert str(listed(Arithmetic("/", f, Literal_(2)), table)) == "[[nan, 0.75, 1.125], [nan], [], [5e+307], [-0.25]]"
    assert listed(Arithmetic("/", f, Literal_(0)), table) == [[], [], [], [], []]


def test_slices_of_bytes_are_numbers_in_arithmetic() -> None:
    """tcp[13] & 2: big-endian, as on the wire."""
    table = given({"b": "bytes"}, {"b": [[b"\x01\x02\x03"], [b"\xff" * 9], [b""]]})
    mask = Literal_(2**63 - 1)
    assert listed(Arithmetic("&", FieldValue("b", ((0, 2),)), mask), table) == [[0x0102], [0xFFFF], []]
    assert listed(Arithmetic("&", FieldValue("b", ((0, 8),)), Literal_(0xFF)), table) == [[], [0xFF], []]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # rows: ttl 64 id 7; ttl 1; nothing
        ("1 < ip.ttl < 128", [True, False, False]),
        ("0 < ip.ttl < 128 < ip.id", [False, False, False]),
        ("ip.ttl == 64 and ip.id == 7", [True, False, False]),
        ("ip.ttl & 0x40", [True, False, False]),
        ("ip.ttl & 1 == 1", [False, True, False]),
        ("not ip.ttl == 64", [False, True, True]),
        ("ip.ttl != 64", [False, True, False]),
        ("ip.ttl - 1 == 0", [False, True, False]),
        ("ip.ttl == ip.ttl", [True, True, False]),
        ("len(ip.ttl) == 1", [True, True, False]),
        ("ip.id", [True, False, False]),
        ("max(ip.ttl, ip.id) == 64", [True, False, False]),
        ('string(ip.ttl) matches "^6"', [True, False, False]),
        ("ip.ttl == 64 xor ip.id == 7", [False, False, False]),
        ("ip.ttl == 64 xor ip.id == 8", [True, False, False]),
    ],
)
def test_filters_as_they_are_written(text: str, expected: list[bool]) -> None:
    table = Given({"ip.ttl": column("ip.ttl", "uint", [[64], [1], []], dtype=np.uint8),
                   "ip.id": column("ip.id", "uint", [[7], [], []], True)}, 3)  # fmt: skip
    assert evaluate(parse_filter(text), table).tolist() == expected


def test_constants_stand_in_every_row() -> None:
    table, rows = random_table(2)
    value = convert(column("a", "uint", [[1]]).field, "5")
    assert listed(value, table) == [[5]] * len(rows)
