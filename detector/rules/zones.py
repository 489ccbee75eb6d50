"""zones.yml: what groups of addresses are called, their levels, and which of them may speak with each other.

zones:
  - {name: control, level: 2, addresses: [10.20.0.0/24, 02:00:00:00:00:01]}
  - {name: operations, level: 3, addresses: 10.30.0.0/16}
conduits:
  - {name: historian, between: [control, operations]}
  - {name: backup, from: control, to: operations}
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar

import yaml

from detector.errors import InputErrors, nearest
from detector.packets.zones import Conduit, Zone, Zones
from detector.rules.document import Document, read_single

Address = TypeVar("Address")
MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}")


def read_zones(path: Path) -> Zones:
    """A zones.yml.

    Raises:
        InputErrors: every mistake in it.
    """
    document, node = read_single(
        path, ("the file holds no zones", "zones: [{name: control, level: 2, addresses: [10.20.0.0/24]}]"),
        ("a second document in one file", "write all zones in one list"), "zones are in a .yml file",
    )  # fmt: skip
    found = read_parts(document, document.mapping(node, "zones.yml", ("zones", "conduits"), ("zones",)))
    if document.errors:
        raise InputErrors(document.errors)
    return found


def read_parts(document: Document, parts: dict[str, tuple[Any, Any]]) -> Zones:
    """The zones and conduits of a mapping; mistakes are noted."""
    zones: dict[str, Zone] = {}
    taken: dict[IPv4Network | IPv6Network | int, str] = {}
    for one in document.entries(parts, "zones"):
        read_zone(document, one, zones, taken)
    conduits = [read_conduit(document, one, zones) for one in document.entries(parts, "conduits")]
    return Zones(tuple(zones.values()), tuple(conduit for conduit in conduits if conduit))


def read_zone(
    document: Document, node: Any, zones: dict[str, Zone], taken: dict[IPv4Network | IPv6Network | int, str]
) -> None:
    """One zone, put among the others."""
    parts = document.mapping(node, "a zone", ("name", "level", "addresses"), ("name", "addresses"))
    name = document.text(parts["name"][1], "name") if "name" in parts else ""
    if name in zones:
        document.error(parts["name"][1], f"zone {name!r} is there already", "write all its addresses in one list")
    level = read_level(document, parts["level"][1]) if "level" in parts else None
    networks: list[IPv4Network | IPv6Network] = []
    macs: list[int] = []
    addresses = parts["addresses"][1] if "addresses" in parts else None
    for one in addresses.value if isinstance(addresses, yaml.SequenceNode) else [addresses] if addresses else []:
        address = read_address(
            document, one, partial(ip_network, strict=False), "an address", "no address", "10.20.0.0/24, fd00::/8"
        )
        if address is None:
            continue
        if taken.setdefault(address, name) != name:
            document.error(one, f"{one.value} lies in zone {taken[address]!r} already", "an address lies in one zone")
        if isinstance(address, int):
            macs.append(address)
        else:
            networks.append(address)
    if name:
        zones[name] = Zone(name, level, tuple(networks), tuple(macs))


def read_level(document: Document, node: Any) -> float:
    """A level of the Purdue model."""
    level = document.decimal(node, "level")
    if not 0 <= level <= 5:
        document.error(
            node, f"level cannot be {level:g}", "0 is the process, 3 operations, 3.5 the DMZ, 5 the enterprise"
        )
    return level


def read_address(
    document: Document, node: Any, make: Callable[[str], Address], what: str, problem: str, example: str
) -> Address | int | None:
    """What `make` makes of a text, or a MAC address as a number; a mistake where it is neither."""
    text = document.text(node, what)
    if MAC.fullmatch(text):
        return int(re.sub("[:-]", "", text), 16)
    try:
        return make(text) if text else None
    except ValueError:
        document.error(node, f"{text!r} is {problem}", f"for example {example} or 02:00:00:00:00:01")
        return None


def read_conduit(document: Document, node: Any, zones: dict[str, Zone]) -> Conduit | None:
    """One conduit."""
    parts = document.mapping(node, "a conduit", ("name", "between", "from", "to"), ("name",))
    name = document.text(parts["name"][1], "name") if "name" in parts else ""
    if ("between" in parts) == ("from" in parts) or ("from" in parts) != ("to" in parts):
        document.error(
            node, "a conduit joins two zones", "between: [control, operations], or from: control and to: operations"
        )
        return None
    is_one_way = "from" in parts
    nodes = [parts["from"][1], parts["to"][1]] if is_one_way else getattr(parts["between"][1], "value", [])
    ends = tuple(document.text(one, "a zone", ()) for one in nodes) if isinstance(nodes, list) else ()
    if len(ends) != 2:
        document.error(parts["between"][1], "between has two zones", "between: [control, operations]")
        return None
    for one, end in zip(nodes, ends, strict=True):
        if end and end not in zones:
            guess = nearest(end, zones)
            document.error(
                one, f"there is no zone {end!r}", f"did you mean {guess}?" if guess else f"known are {', '.join(zones)}"
            )
    return Conduit(name, (ends[0], ends[1]), is_one_way)
