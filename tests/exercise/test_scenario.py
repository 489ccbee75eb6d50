"""scenario.yml: what is read of it, and that every mistake in it is said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import InputError, InputErrors
from detector.exercise.scenario import Expected, read_scenario, slug

SECOND = 10**9
WHOLE = """\
title: Takeover
description: what happens
variables: {MODBUS_MASTERS: [10.0.0.1, 10.0.0.2], REGISTERS: 0..9}
home_net: 10.0.0.0/8
injects:
  - at: 10m
    name: the attacker writes
    attack: T0855
    expect:
      - {rule: write-from-unknown-master, within: 30s, alerts: 3}
      - {rule: new-master, within: 1h}
  - at: 0s
    name: nothing
    expect: []
"""


def read(tmp_path: Path, text: str) -> list[InputError]:
    """The mistakes in a scenario."""
    path = tmp_path / "scenario.yml"
    path.write_text(text)
    with pytest.raises(InputErrors) as refused:
        read_scenario(path)
    return refused.value.errors


def test_a_whole_scenario(tmp_path: Path) -> None:
    path = tmp_path / "scenario.yml"
    path.write_text(WHOLE)
    found = read_scenario(path)
    assert (found.title, found.home_net) == ("Takeover", ("10.0.0.0/8",))
    assert found.variables == {"MODBUS_MASTERS": "10.0.0.1,10.0.0.2", "REGISTERS": "0..9"}
    assert found.capture == tmp_path / "capture.pcap"
    first, second = found.injects
    assert (first.at_ns, first.name) == (600 * SECOND, "the attacker writes")
    assert first.expect == (
        Expected("write-from-unknown-master", 30 * SECOND, 3, 10),
        Expected("new-master", 3600 * SECOND, 0, 11),
    )
    assert (second.at_ns, second.expect) == (0, ())


def test_zones_and_points_beside_a_scenario(tmp_path: Path) -> None:
    """What the files say is the scenario's; their mistakes are told with their own places, beside those of the scenario."""
    keys = "zones: zones.yml\npoints: points.yml\n"
    path = tmp_path / "scenario.yml"
    path.write_text(keys + WHOLE)
    (tmp_path / "zones.yml").write_text("zones: [{name: control, level: 2, addresses: [10.0.0.0/24]}]\n")
    (tmp_path / "points.yml").write_text(
        "devices: [{name: boiler, address: 10.0.0.5, points: [{name: p, target: coil:3}]}]\n"
    )
    found = read_scenario(path)
    assert [(zone.name, zone.level) for zone in found.zones.zones] == [("control", 2)]
    assert [device.name for device in found.points] == ["boiler"]
    (tmp_path / "zones.yml").write_text("zones: [{name: control, level: 2, addresses: [10.0.0.300]}]\n")
    (tmp_path / "points.yml").unlink()
    wrong, missing = read(tmp_path, keys + WHOLE)
    assert str(wrong).startswith(f"{tmp_path}/zones.yml:1:47: ") and "10.0.0.300" in str(wrong)
    assert str(missing).startswith(f"{path}:2:9: there is no file {tmp_path}/points.yml")


@pytest.mark.parametrize(
    ("old", "new", "line", "problem", "hint"),
    [
        ("title: Takeover\n", "", 1, "a scenario has no 'title'", "title:"),
        ("injects:", "inject:", 5, "unknown key 'inject' in a scenario", "did you mean injects?"),
        ("at: 10m", "at: ten minutes", 6, "at must be a duration", "30s"),
        ("at: 10m", "at: 10", 6, "at must be a duration", "30s"),
        ("within: 30s", "within: 0s", 10, "within must be a duration", "30s"),
        ("alerts: 3", "alerts: none", 10, "alerts must be a whole number", "1"),
        ("alerts: 3", "alerts: 0", 10, "alerts must be at least 1", "1"),
        ("rule: new-master", "rules: new-master", 11, "unknown key 'rules' in an expectation", "did you mean rule?"),
        ("T0855", "T9855", 8, "'T9855' is no technique of ATT&CK for ICS", "did you mean T0855?"),
        ("expect: []", "expect: {rule: new-master, within: 1s}", 14, "expect must be a list", "dash"),
        ("expect: []", "expect: new-master", 14, "expect must be a list", "dash"),
        ("expect: []", "expects: []", 14, "unknown key 'expects' in an inject", "did you mean expect?"),
        ("name: nothing", "name: ''", 13, "name is empty", "name:"),
    ],
)
def test_mistakes(old: str, new: str, line: int, problem: str, hint: str, tmp_path: Path) -> None:
    """A key that is misspelt, or a list that is none, must not leave an expectation unjudged in silence."""
    assert old in WHOLE
    errors = read(tmp_path, WHOLE.replace(old, new))
    found = next((error for error in errors if problem in error.problem), None)
    assert found is not None, [str(error) for error in errors]
    assert found.position is not None and found.position.line == line
    assert hint in found.hint


def test_all_mistakes_at_once(tmp_path: Path) -> None:
    errors = read(tmp_path, WHOLE.replace("at: 10m", "at: x").replace("within: 1h", "within: y").replace("T0855", "z"))
    assert len(errors) == 3


@pytest.mark.parametrize(
    "text", ["", "[]", "just text", "injects:\n  - 5\ntitle: A\n", "title: A\ninjects: 5\n", WHOLE + "---\n" + WHOLE]
)
def test_what_is_no_scenario(text: str, tmp_path: Path) -> None:
    assert all(error.position is not None for error in read(tmp_path, text))


def test_slugs() -> None:
    assert slug("Modbus write: from UNKNOWN master!") == "modbus-write-from-unknown-master"
    assert slug("  --  ") == ""
