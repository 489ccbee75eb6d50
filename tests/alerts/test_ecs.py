"""The ECS document: names and types of Elastic Common Schema 8.11, and what each kind of packet fills in."""

from __future__ import annotations

import ipaddress
import json
import re
from pathlib import Path
from typing import Any

import pytest

from detector import __version__
from detector.alerts.ecs import SEVERITIES, timestamp
from detector.rules.model import LEVELS
from detector.sinks.jsonl import line_of
from tests.alerts.made import START, hostile, made
from tests.flows.frames import ACK, PUSH, SYN, icmp, ip, tcp, udp
from tests.rules.written import rule

# Field -> its type in ECS 8.11 (ecs_flat.yml), "list " where it is normalized to an array.
ECS = {
    "@timestamp": "date", "ecs.version": "keyword", "message": "text", "event.id": "keyword", "event.kind": "keyword",
    "event.category": "list keyword", "event.type": "list keyword", "event.module": "keyword", "event.dataset": "keyword",
    "event.severity": "long", "rule.id": "keyword", "rule.uuid": "keyword", "rule.name": "keyword", "rule.description": "keyword",
    "rule.author": "list keyword", "rule.reference": "keyword", "rule.category": "keyword", "rule.version": "keyword", "threat.framework": "keyword",
    "threat.tactic.id": "list keyword", "threat.tactic.name": "list keyword", "threat.technique.id": "list keyword",
    "threat.technique.name": "list keyword", "threat.technique.reference": "list keyword", "source.address": "keyword",
    "source.ip": "ip", "source.port": "long", "source.mac": "mac", "destination.address": "keyword", "destination.ip": "ip",
    "destination.port": "long", "destination.mac": "mac", "network.type": "keyword", "network.transport": "keyword",
    "network.iana_number": "keyword", "network.protocol": "keyword", "network.community_id": "keyword", "network.vlan.id": "keyword",
    "observer.vendor": "keyword", "observer.product": "keyword", "observer.type": "keyword", "observer.version": "keyword",
    "observer.name": "keyword", "observer.ingress.interface.name": "keyword", "related.ip": "list ip", "log.file.path": "keyword", "labels.run": "keyword",
}  # fmt: skip
OWN = ("packet.number", "detector.")
# What event.category and event.type may hold: ECS 8.11, "ECS Categorization Fields".
TYPES_OF = {"network": {"access", "allowed", "connection", "denied", "end", "info", "protocol", "start"},
            "intrusion_detection": {"allowed", "denied", "info"}}  # fmt: skip

FULL = rule(
    "status: stable\ndescription: What it is.\nauthor: Somebody\nreferences: [https://a.example/1, https://a.example/2]\n"
    "tags: [attack.ics.T0855, attack.ics.t0855, attack.ics.t0836, cve.2021.1]\n"
    "detection: {a: {modbus.func_code: 6}, condition: a}\nalert: {message: '{ip.src} wrote', limit: {by: [ip.src]}}", level="critical",
)  # fmt: skip
WRITE = tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), 24, 1, 1, bytes.fromhex("000100000006ff0600010003"), vlan=7)


def flat(document: Any, prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        found |= (
            flat(value, f"{name}.")
            if isinstance(value, dict) and not name.startswith("detector.fields")
            else {name: value}
        )
    return found


def is_of(kind: str, value: Any) -> bool:
    if kind.startswith("list "):
        return isinstance(value, list) and bool(value) and all(is_of(kind[5:], one) for one in value)
    if kind == "long":
        return type(value) is int
    if not isinstance(value, str) or not value:
        return False
    if kind == "ip":
        return str(ipaddress.ip_address(value)) == value
    if kind == "mac":  # RFC 7042, as ECS asks: upper case, hyphens
        return re.fullmatch(r"[0-9A-F]{2}(-[0-9A-F]{2}){5}", value) is not None
    if kind == "date":
        return re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", value) is not None
    return True


FRAMES = {
    "modbus in a VLAN": (WRITE, FULL),
    "tcp": (tcp(("10.0.0.1", 1), ("10.0.0.1", 2), SYN), ""),
    "udp over IPv6": (udp(("fe80::1", 5), ("fe80::2", 53)), ""),
    "icmp": (icmp("10.0.0.1", "10.0.0.2", 8), ""),
    "arp": (
        bytes.fromhex("ffffffffffff0200000000010806" + "00010800060400010200000000010a0000010000000000000a000002"),
        "",
    ),
    "ip protocol 200": (ip("10.0.0.1", "10.0.0.2", 200, b""), ""),
    "nothing known": (b"\x01\x02\x03", ""),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_field_is_ecs_or_our_own_and_has_its_type(name: str, tmp_path: Path) -> None:
    """Elasticsearch refuses a document whose field has another type than the index: an alert that is lost."""
    alert = made(tmp_path, *FRAMES[name])
    for field, value in flat(alert.document).items():
        if not field.startswith(OWN):
            assert field in ECS, field
            assert is_of(ECS[field], value), (field, value)
    assert type(alert.document["packet"]["number"]) is int
    assert {"@timestamp", "ecs", "event", "rule", "message", "observer", "packet", "detector"} <= set(alert.document)
    json.dumps(alert.document, allow_nan=False)


def test_hostile_text_does_not_change_types(tmp_path: Path) -> None:
    for field, value in flat(hostile(tmp_path).document).items():
        assert field.startswith(OWN) or is_of(ECS[field], value), field


def test_the_whole_document_of_a_modbus_write(tmp_path: Path) -> None:
    document = dict(made(tmp_path, *FRAMES["modbus in a VLAN"]).document)
    event = document.pop("event")
    assert re.fullmatch(r"[0-9a-f]{40}", event.pop("id"))
    assert event == {"kind": "alert", "category": ["network", "intrusion_detection"], "type": ["info"], "module": "detector",
                     "dataset": "detector.alert", "severity": 99}  # fmt: skip
    assert all(set(event["type"]) <= TYPES_OF[category] for category in event["category"])
    detector = document.pop("detector")
    assert "Write Single Register" in detector.pop("dissection")
    assert detector == {"level": "critical", "tags": ["attack.ics.T0855", "attack.ics.t0855", "attack.ics.t0836", "cve.2021.1"],
                        "table": "modbus", "fields": {"modbus.func_code": 6, "ip.src": "10.0.0.1"}, "group": ["10.0.0.1"]}  # fmt: skip
    community_id = document["network"].pop("community_id")
    assert re.fullmatch(r"1:[A-Za-z0-9+/]{27}=", community_id)
    assert document == {
        "@timestamp": "2024-05-01T08:00:00.123456789Z",
        "ecs": {"version": "8.11.0"},
        "message": "10.0.0.1 wrote",
        "rule": {"id": "00000000-0000-0000-0000-000000000001", "uuid": "00000000-0000-0000-0000-000000000001", "name": "A rule",
                 "description": "What it is.", "author": ["Somebody"], "reference": "https://a.example/1", "category": "modbus"},
        "threat": {
            "framework": "MITRE ATT&CK for ICS",
            "tactic": {"id": ["TA0106"], "name": ["Impair Process Control"]},
            "technique": {"id": ["T0855", "T0836"], "name": ["Unauthorized Command Message", "Modify Parameter"],
                          "reference": ["https://attack.mitre.org/techniques/T0855/", "https://attack.mitre.org/techniques/T0836/"]},
        },
        "source": {"address": "10.0.0.1", "ip": "10.0.0.1", "port": 40000, "mac": "02-00-00-00-00-01"},
        "destination": {"address": "10.0.0.2", "ip": "10.0.0.2", "port": 502, "mac": "02-00-00-00-00-02"},
        "network": {"type": "ipv4", "transport": "tcp", "iana_number": "6", "protocol": "modbus", "vlan": {"id": "7"}},
        "observer": {"vendor": "detector", "product": "detector", "type": "ids", "version": __version__},
        "related": {"ip": ["10.0.0.1", "10.0.0.2"]},
        "packet": {"number": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "network", "source", "related"),
    [
        ("tcp", ("ipv4", "tcp", "6"), {"ip": "10.0.0.1", "port": 1}, ["10.0.0.1"]),  # each address once
        ("udp over IPv6", ("ipv6", "udp", "17"), {"ip": "fe80::1", "port": 5}, ["fe80::1", "fe80::2"]),
        ("icmp", ("ipv4", "icmp", "1"), {"ip": "10.0.0.1"}, ["10.0.0.1", "10.0.0.2"]),
        ("ip protocol 200", ("ipv4", None, "200"), {"ip": "10.0.0.1"}, ["10.0.0.1", "10.0.0.2"]),
        ("arp", (None, None, None), {"address": "02:00:00:00:00:01", "mac": "02-00-00-00-00-01"}, None),
        ("nothing known", (None, None, None), {}, None),
    ],
)
def test_what_each_kind_of_packet_fills_in(name: str, network: tuple[Any, ...], source: dict[str, Any], related: Any, tmp_path: Path) -> None:  # fmt: skip
    """What a packet has not is left out: never null, never an empty text."""
    document = made(tmp_path, *FRAMES[name]).document
    found = document.get("network", {})
    assert (found.get("type"), found.get("transport"), found.get("iana_number")) == network
    assert source.items() <= document.get("source", {}).items() and ("port" in source) == (
        "port" in document.get("source", {})
    )
    assert document.get("related", {}).get("ip") == related
    assert all(value not in (None, "", [], {}) for value in flat(document).values())


def test_the_outermost_vlan_is_named_in_a_tunnel_too(tmp_path: Path) -> None:
    inner = ip("192.168.0.1", "192.168.0.2", 17, b"\0\x35\0\x35\0\x08\0\0")[14:]
    document = made(tmp_path, ip("10.0.0.1", "10.0.0.2", 4, inner, vlan=5)).document
    assert document["source"]["ip"] == "192.168.0.1" and document["network"]["vlan"] == {"id": "5"}
    assert "vlan" not in made(tmp_path, ip("10.0.0.1", "10.0.0.2", 4, inner)).document["network"]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        # Community ID, baseline of its specification (corelight/community-id-spec), seed 0
        (tcp(("128.232.110.120", 34855), ("66.35.250.204", 80), 16), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (tcp(("66.35.250.204", 80), ("128.232.110.120", 34855), 16), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
        (udp(("192.168.1.52", 54585), ("8.8.8.8", 53)), "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
        (icmp("192.168.0.89", "192.168.0.1", 8), "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
        (icmp("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 135), "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
    ],
)
def test_community_id(frame: bytes, expected: str, tmp_path: Path) -> None:
    assert made(tmp_path, frame).document["network"]["community_id"] == expected


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (START, "2024-05-01T08:00:00.123456789Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (2**63 - 1, "2262-04-11T23:47:16.854775807Z"),
        (-(2**63), "1677-09-21T00:12:43.145224192Z"),
    ],
)
def test_timestamps_of_every_time_a_capture_can_hold(time: int, text: str) -> None:
    assert timestamp(time) == text


def test_severities_rise_with_the_level() -> None:
    """Elastic's detection engine: low 21, medium 47, high 73, critical 99."""
    assert [SEVERITIES[level] for level in LEVELS[1:]] == [21, 47, 73, 99] and SEVERITIES["informational"] < 21


@pytest.mark.parametrize(("word", "expected"), [
    ("0100807f", "NaN"), ("0000807f", "Infinity"), ("000080ff", "-Infinity"), ("0000c03f", 1.5),
])  # fmt: skip
def test_numbers_that_json_does_not_have_are_texts(word: str, expected: float | str, tmp_path: Path) -> None:
    """A set point of IEC 60870-5-104 (type 50) may be anything that four bytes can be; the document must stay JSON."""
    setpoint = bytes.fromhex(f"6812000000003201060001000100 00 {word} 00")
    frame = tcp(("10.0.0.1", 40000), ("10.0.0.2", 2404), ACK | PUSH, 1, 1, setpoint)
    text = rule("detection: {a: {iec60870_asdu.float|exists: true}, condition: a}\n"
                "alert: {message: 'set to {iec60870_asdu.float}', limit: none}")  # fmt: skip
    alert = made(tmp_path, frame, text)
    document = json.loads(line_of(alert), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert document["message"] == f"set to {expected}"
    assert document["detector"]["fields"] == {"iec60870_asdu.float": expected}
