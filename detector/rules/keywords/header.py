"""STAND-IN of helper A: take helper E's."""

from __future__ import annotations

import ipaddress
from typing import Any

from detector.rules.signature import AddressGroup


class Missing(Exception):
    """A variable that is not set."""


class Broken(Exception):
    """What is wrong with a group: (problem, the part that is meant)."""


def address_group(text: str, context: Any) -> AddressGroup:
    """One network."""
    if text.startswith("$"):
        if text[1:] not in context.variables:
            raise Missing(text)
        text = context.variables[text[1:]]
    try:
        network = ipaddress.IPv4Network(text)
    except ValueError:
        raise Broken(f"{text} is no address", text) from None
    base = 0xFFFF << 32
    return AddressGroup(((base + int(network[0]), base + int(network[-1])),))
