"""zones.yml: every mistake is told with its place and a hint."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detector.errors import InputErrors
from detector.rules.loader import load_rules
from detector.rules.points import read_points
from detector.rules.zones import read_zones
from tests.runs import ROOT

MISTAKES = [
    ("zones: [{name: a, addresses: [10.0.0.0/33]}]", "1:31: '10.0.0.0/33' is no address"),
    ("zones: [{name: a, addresses: 10.0.0.1}, {name: b, addresses: 10.0.0.1}]", "1:62: 10.0.0.1 lies in zone 'a' already"),
    ("zones: [{name: a, addresses: 10.0.0.1}, {name: a, addresses: 10.0.0.2}]", "1:48: zone 'a' is there already"),
    ("zones: [{name: a, level: 7, addresses: 10.0.0.1}]", "1:26: level cannot be 7"),
    ("zones: [{name: a}]", "a zone has no 'addresses'"),
    ("zones: {a: 10.0.0.1}", "zones must be a list"),
    ("zones: [{name: plant, addresses: 10.0.0.1}]\nconduits: [{name: c, between: [plant, palnt]}]", "2:39: there is no zone 'palnt'"),
    ("zones: [{name: a, addresses: 10.0.0.1}]\nconduits: [{name: c, between: [a]}]", "between has two zones"),
    ("zones: [{name: a, addresses: 10.0.0.1}]\nconduits: [{name: c, from: a}]", "a conduit joins two zones"),
    ("zones: [{name: a, addresses: 10.0.0.1}]\nconduit: []", "unknown key 'conduit'"),
    ("", "the file holds no zones"),
    ("zones: [", "1:9"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES, ids=[said for _, said in MISTAKES])
def test_mistakes(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "zones.yml"
    path.write_text(text)
    with pytest.raises(InputErrors) as raised:
        read_zones(path)
    assert said in str(raised.value) and all(error.hint for error in raised.value.errors)


def test_the_files_in_the_documentation(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "zones-and-points.md").read_text(encoding="utf-8")
    zones, rule, points, _ = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    for name, content in (("zones.yml", zones), ("points.yml", points)):
        (tmp_path / name).write_text(content)
    assert [zone.name for zone in read_zones(tmp_path / "zones.yml").zones] == ["cell 1", "control", "operations"]
    assert [device.name for device in read_points(tmp_path / "points.yml")] == ["boiler", "mixer behind a gateway"]
    (tmp_path / "rules").mkdir()
    head = "title: Command across zones\nid: 3f1f7c53-3a7f-4a53-9a0a-2b8f1e9d0c19\nlevel: high\n"
    (tmp_path / "rules" / "rule.yml").write_text(head + rule)
    assert load_rules([tmp_path / "rules"]).rules[0].table == "ics"
