"""Zones: which zone an address lies in, which conduits join two of them, what rules see of it. Expected by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.capture import open_source
from detector.packets.zones import ZONE_FIELDS, Atlas
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.loader import load_rules
from detector.rules.zones import read_zones
from tests.flows.frames import ACK, SECOND, batches, tcp
from tests.runs import pcap_bytes

FILE = """
zones:
  - {name: control, level: 2, addresses: [10.20.0.0/16, "fd00:20::/32", 02:00:00:00:00:02]}
  - {name: cell 1, level: 1, addresses: 10.20.7.0/24}
  - {name: one device, addresses: [10.20.7.9]}
  - {name: enterprise, level: 4.5, addresses: [0.0.0.0/0, "::/0"]}
conduits:
  - {name: polling, between: [control, cell 1]}
  - {name: history, from: control, to: enterprise}
"""
RULE = """
title: Crossing without a conduit
id: 3f1f7c53-3a7f-4a53-9a0a-2b8f1e9d0c11
level: high
protocol: packet
detection: {crossing: {zone.crossing: true}, allowed: {zone.conduit|startswith: ""}, condition: crossing and not allowed}
alert: {message: "{zone.src} to {zone.dst}", limit: none}
tests:
  - {alerts: 1, zones: [{name: a, addresses: 10.0.0.1}, {name: b, addresses: 10.0.0.2}], packets: ['IP(src="10.0.0.1", dst="10.0.0.2")']}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "zones.yml"
    path.write_text(FILE)
    return path


def test_the_most_specific_network_has_an_address(path: Path) -> None:
    ends = [
        ("10.20.0.1", "10.20.7.1"),
        ("10.20.7.9", "10.20.7.10"),
        ("8.8.8.8", "255.255.255.255"),
        ("fd00:20::5", "fd00:21::5"),
    ]
    frames = [tcp((source, 1), (destination, 2), ACK, 0) for source, destination in ends]
    pipeline = Pipeline(load_rules([]), PipelineSettings(zones=read_zones(path)))
    (batch,) = batches(frames, [SECOND] * len(frames), 100)
    packets, _ = pipeline.decoding.tables(batch)
    assert [[packets.column(field.name).at(row) for field in ZONE_FIELDS] for row in range(4)] == [
        [["control"], ["cell 1"], [2.0], [1.0], [True], ["polling"]],
        [["one device"], ["cell 1"], [], [1.0], [True], []],
        [["enterprise"], ["enterprise"], [4.5], [4.5], [False], []],
        [["control"], ["enterprise"], [2.0], [4.5], [True], ["history"]],
    ]


def test_a_one_way_conduit_and_mac_addresses(path: Path) -> None:
    """Answers of what a one-way conduit allows are the reverse, which it does not; MACs count where there is no IP."""
    atlas = Atlas(read_zones(path))
    assert atlas.names == ["control", "cell 1", "one device", "enterprise"]
    arp = bytes.fromhex(
        "ffffffffffff 020000000002 0806 0001 0800 06 04 0001 020000000002 0a140001 000000000000 0a140002"
    )
    (batch,) = batches([tcp(("8.8.8.8", 1), ("10.20.0.1", 2), ACK, 0), arp.ljust(60, b"\0")], [SECOND] * 2, 100)
    packets, _ = Pipeline(load_rules([]), PipelineSettings(zones=read_zones(path))).decoding.tables(batch)
    assert packets.column("zone.conduit").at(0) == [] and packets.column("zone.src").at(0) == ["enterprise"]
    assert packets.column("zone.src").at(1) == ["control"] and packets.column("zone.dst").at(1) == []


def test_rules_name_zones(path: Path, tmp_path: Path) -> None:
    (tmp_path / "rule.yml").write_text(RULE)
    capture = tmp_path / "a.pcap"
    ends = [("10.20.0.1", "10.20.7.1"), ("10.20.7.9", "8.8.8.8"), ("10.20.0.1", "10.20.0.2")]
    capture.write_bytes(
        pcap_bytes([(SECOND, tcp((source, 1), (destination, 2), ACK, 0)) for source, destination in ends])
    )
    pipeline = Pipeline(load_rules([tmp_path / "rule.yml"]), PipelineSettings(zones=read_zones(path)))
    found = [alert.message for alerts, _ in pipeline.run(open_source([str(capture)])) for alert in alerts]
    assert found == ["one device to enterprise"]
