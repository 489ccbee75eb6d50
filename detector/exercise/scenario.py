"""Scenarios: what happens when in a capture, and which rules are expected to see it.

A folder holds capture.pcap, scenario.yml and README.md, and where rules are to know the plant zones.yml and points.yml.
scenario.yml:

    title: Modbus takeover
    variables: {MODBUS_MASTERS: 10.20.0.10}
    home_net: 10.20.0.0/16
    zones: zones.yml                   # and points: points.yml, files beside this one
    injects:
      - at: 10m                      # since the first packet
        name: the attacker writes
        expect:
          - {rule: write-from-unknown-master, within: 30s}      # and alerts: 3 where the number matters
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from detector.alerts.attack import TECHNIQUES
from detector.errors import InputErrors, nearest
from detector.packets.zones import Zones
from detector.protocols.points import Device
from detector.rules.document import Document, read_single
from detector.rules.points import read_points
from detector.rules.zones import read_zones

START = re.compile(r"0+ *(ms|s|m|h|d|w)?")
KEYS = ("title", "description", "variables", "home_net", "zones", "points", "injects")
Read = TypeVar("Read")


@dataclass(frozen=True)
class Expected:
    """A rule (by the slug of its title) that must alert within a time of its inject; alerts: exactly so many, 0 for any."""

    rule: str
    within_ns: int
    alerts: int
    line: int


@dataclass(frozen=True)
class Inject:
    """A planned attack step, at_ns after the first packet."""

    at_ns: int
    name: str
    expect: tuple[Expected, ...]


@dataclass(frozen=True)
class Scenario:
    """One scenario; capture and path are its files."""

    path: Path
    title: str
    variables: dict[str, str]
    home_net: tuple[str, ...]
    injects: tuple[Inject, ...]
    zones: Zones = field(default_factory=Zones)
    points: tuple[Device, ...] = ()

    @property
    def capture(self) -> Path:
        """Its capture."""
        return self.path.parent / "capture.pcap"


def slug(title: str) -> str:
    """A title as files are named: lower case, words joined by dashes."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


def read_scenario(path: Path) -> Scenario:
    """A scenario.yml.

    Raises:
        InputErrors: every mistake in it.
    """
    document, node = read_single(
        path, ("the file holds no scenario", "a scenario begins with title: ..."),
        ("a second scenario in one file", "give each a folder of its own"),
    )  # fmt: skip
    parts = document.mapping(node, "a scenario", KEYS, ("title", "injects"))
    title = document.text(parts["title"][1], "title") if "title" in parts else ""
    variables = {}
    if "variables" in parts:
        for name, (_, node) in document.mapping(parts["variables"][1], "variables").items():
            variables[name] = ",".join(document.texts(node, name))
    home_net = document.texts(parts["home_net"][1], "home_net") if "home_net" in parts else ()
    zones = read_beside(document, parts, "zones", read_zones) or Zones()
    points = read_beside(document, parts, "points", read_points) or ()
    injects = tuple(read_inject(document, node) for node in document.entries(parts, "injects"))
    if document.errors:
        raise InputErrors(document.errors)
    return Scenario(path, title, variables, home_net, injects, zones, points)


def read_beside(
    document: Document, parts: Mapping[str, tuple[Any, Any]], key: str, read: Callable[[Path], Read]
) -> Read | None:
    """What a file beside the scenario says, whose name stands behind a key; its mistakes are the document's too."""
    name = document.text(parts[key][1], key) if key in parts else ""
    if not name:
        return None
    path = Path(document.path).parent / name
    if not path.is_file():
        document.error(parts[key][1], f"there is no file {path}", f"put {key}.yml beside the scenario")
        return None
    try:
        return read(path)
    except InputErrors as found:
        document.errors += found.errors
        return None


def read_inject(document: Document, node: Any) -> Inject:
    """One inject."""
    parts = document.mapping(node, "an inject", ("at", "name", "attack", "expect"), ("at", "name", "expect"))
    expect = tuple(read_expected(document, one) for one in document.entries(parts, "expect"))
    at_ns = 0
    if "at" in parts and not START.fullmatch(str(parts["at"][1].value)):
        at_ns = document.span(parts["at"][1], "at")
    if "attack" in parts:
        technique = document.text(parts["attack"][1], "attack")
        if technique and technique not in TECHNIQUES:
            guess = nearest(technique, TECHNIQUES)
            document.error(parts["attack"][1], f"{technique!r} is no technique of ATT&CK for ICS",
                           f"did you mean {guess}?" if guess else "for example T0855")  # fmt: skip
    return Inject(at_ns, document.text(parts["name"][1], "name") if "name" in parts else "", expect)


def read_expected(document: Document, node: Any) -> Expected:
    """One expected rule."""
    parts = document.mapping(node, "an expectation", ("rule", "within", "alerts"), ("rule", "within"))
    return Expected(
        document.text(parts["rule"][1], "rule") if "rule" in parts else "",
        document.span(parts["within"][1], "within") if "within" in parts else 1,
        document.number(parts["alerts"][1], "alerts", 1) if "alerts" in parts else 0,
        node.start_mark.line + 1,
    )
