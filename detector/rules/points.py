"""points.yml: what the targets of devices are called, and how their numbers become values.

devices:
  - name: boiler
    address: 10.20.0.5            # or a MAC address; unit: 1 where several share one address
    points:
      - {name: boiler.pressure, target: register:100, type: float32, words: low first, unit: bar, high: 16}
      - {name: boiler.valve, target: coil:3}
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import numpy as np

from detector.errors import InputErrors
from detector.protocols.points import TYPES, Device, Point
from detector.rules.document import Document, read_single
from detector.rules.zones import read_address

KEYS = ("name", "target", "type", "words", "scale", "offset", "unit", "low", "high")
WORDS = ("high first", "low first")
TARGET = re.compile(r"[^:\s]+:\S.*")


def read_points(path: Path) -> tuple[Device, ...]:
    """A points.yml.

    Raises:
        InputErrors: every mistake in it.
    """
    document, node = read_single(
        path, ("the file holds no devices", "devices: [{name: boiler, address: 10.20.0.5, points: [...]}]"),
        ("a second document in one file", "write all devices in one list"), "points are in a .yml file",
    )  # fmt: skip
    found = read_devices(document, document.mapping(node, "points.yml", ("devices",), ("devices",)))
    if document.errors:
        raise InputErrors(document.errors)
    return found


def read_devices(document: Document, parts: dict[str, tuple[Any, Any]]) -> tuple[Device, ...]:
    """The devices of a mapping; mistakes are noted."""
    names: dict[str, str] = {}
    made = [read_device(document, one, names) for one in document.entries(parts, "devices")]
    return tuple(device for device in made if device is not None)


def read_device(document: Document, node: Any, names: dict[str, str]) -> Device | None:
    """One device. names: the points so far, each with its device."""
    parts = document.mapping(node, "a device", ("name", "address", "unit", "points"), ("name", "address", "points"))
    name = document.text(parts["name"][1], "name") if "name" in parts else ""
    address = None
    if "address" in parts:
        problem, example = "no address of a device", "10.20.0.5, fd00::5"
        address = read_address(document, parts["address"][1], ip_address, "address", problem, example)
    unit = document.number(parts["unit"][1], "unit") if "unit" in parts else None
    points = []
    targets: set[str] = set()
    for one in document.entries(parts, "points"):
        point = read_point(document, one)
        if point is None:
            continue
        if point.target in targets:
            document.error(one, f"{point.target} of {name} has a name already", "a target is one point")
        if point.name in names:
            document.error(
                one, f"point {point.name!r} is there already, of {names[point.name]}", "give each a name of its own"
            )
        targets.add(point.target)
        names[point.name] = name
        points.append(point)
    return None if address is None or not name else Device(name, address, unit, tuple(points))


def read_point(document: Document, node: Any) -> Point | None:
    """One point."""
    parts = document.mapping(node, "a point", KEYS, ("name", "target"))
    name = document.text(parts["name"][1], "name") if "name" in parts else ""
    target = document.text(parts["target"][1], "target") if "target" in parts else ""
    if target and not TARGET.fullmatch(target):
        document.error(
            parts["target"][1], f"{target!r} is no target", "kind:address as in ics.target, for example register:100"
        )
    kind = document.text(parts["type"][1], "type", TYPES) if "type" in parts else ""
    words = document.text(parts["words"][1], "words", WORDS) if "words" in parts else WORDS[0]
    unit = document.text(parts["unit"][1], "unit") if "unit" in parts else ""
    values = {
        key: document.decimal(parts[key][1], key) if key in parts else default
        for key, default in (("scale", 1.0), ("offset", 0.0), ("low", -np.inf), ("high", np.inf))
    }
    if values["low"] > values["high"]:
        document.error(parts["low"][1], "low lies above high", "low: 0 and high: 16")
    if not name or not target:
        return None
    return Point(
        name, target, kind, words == WORDS[1], values["scale"], values["offset"], unit, values["low"], values["high"]
    )
