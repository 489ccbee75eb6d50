"""The sentence of an alert."""

from __future__ import annotations

from detector.alerts.message import fill, references

VALUES = {"ip.src": ["10.0.0.66"], "mbtcp.unit_id": [3], "tcp.port": [40000, 502], "vlan.id": []}


def test_references_are_replaced_by_values() -> None:
    assert fill("{ip.src} wrote to unit {mbtcp.unit_id}", VALUES.__getitem__) == "10.0.0.66 wrote to unit 3"


def test_several_values_are_joined_and_a_missing_one_is_a_dash() -> None:
    assert fill("ports {tcp.port}, VLAN {vlan.id}", VALUES.__getitem__) == "ports 40000, 502, VLAN -"


def test_doubled_braces_are_braces() -> None:
    assert fill("{{literal}} {ip.src}", VALUES.__getitem__) == "{literal} 10.0.0.66"


def test_references_lists_fields_without_the_match_facts() -> None:
    assert references("{ip.src} {count} {{x}} {tcp.port}") == ["ip.src", "tcp.port"]
