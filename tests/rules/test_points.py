"""points.yml: what is read of it, and every mistake with its place and a hint."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from detector.errors import InputErrors
from detector.protocols.points import Device, Point
from detector.rules.points import read_points
from detector.testing.rule_tests import run_tests

FILE = """
devices:
  - name: boiler
    address: 10.20.0.5
    unit: 1
    points:
      - {name: pressure, target: register:100, type: float32, words: low first, scale: 0.5, unit: bar, high: 16}
  - {name: relay, address: "02:00:00:00:00:01", points: [{name: breaker, target: coil:3}]}
"""
WRITE = 'IP(dst="10.0.0.5")/TCP(dport=502)/ModbusADURequest()/ModbusPDU06WriteSingleRegisterRequest(registerAddr=4, registerValue={})'
RULE = f"""
title: Too much
id: 3f1f7c53-3a7f-4a53-9a0a-2b8f1e9d0c12
level: high
protocol: ics
detection: {{high: {{ics.verb: write, point.name: pressure, point.outside: true}}, condition: high}}
alert: {{message: "{{point.device}}: {{point.name}} is to be {{point.value}} {{point.unit}}", limit: none}}
tests:
  - &one {{alerts: 1, devices: &plant [{{name: boiler, address: 10.0.0.5, points: [{{name: pressure, target: register:4, high: 16, unit: bar}}]}}],
     packets: ['{WRITE.format(17)}']}}
  - {{alerts: 0, devices: *plant, packets: ['{WRITE.format(16)}']}}
"""
ONE = "devices: [{{name: a, address: 10.0.0.1, points: [{}]}}]"
MISTAKES = [
    ("devices: [{name: a, address: here, points: []}]", "1:30: 'here' is no address"),
    (ONE.format("{name: p, target: 100}"), "'100' is no target"),
    (ONE.format("{name: p, target: coil:1, type: float}"), "type cannot be 'float'"),
    (ONE.format("{name: p, target: coil:1, scale: x}"), "scale must be a number"),
    (ONE.format("{name: p, target: coil:1, low: 5, high: 1}"), "low lies above high"),
    (ONE.format("{name: p, target: coil:1}, {name: q, target: coil:1}"), "coil:1 of a has a name already"),
    (ONE.format("{name: p, target: coil:1}, {name: p, target: coil:2}"), "point 'p' is there already"),
    (ONE.format("{target: coil:1}"), "a point has no 'name'"),
    ("devices: 3", "devices must be a list"),
    ("", "the file holds no devices"),
]  # fmt: skip


def test_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "points.yml"
    path.write_text(FILE)
    assert read_points(path) == (
        Device("boiler", IPv4Address("10.20.0.5"), 1, (Point("pressure", "register:100", "float32", True, 0.5, 0.0, "bar", high=16.0),)),
        Device("relay", 0x020000000001, None, (Point("breaker", "coil:3"),)),
    )  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_mistakes(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "points.yml"
    path.write_text(text)
    with pytest.raises(InputErrors) as raised:
        read_points(path)
    assert said in str(raised.value) and all(error.hint for error in raised.value.errors)


def test_a_rule_names_a_point(tmp_path: Path) -> None:
    """A write of 17 to a point that may hold 16 at most, in a rule's own test."""
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    assert [(outcome.alerts, outcome.problem) for outcome in run_tests(path)] == [(1, ""), (0, "")]
