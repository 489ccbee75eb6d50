"""Scapy's full dissection of what an alert is about, as text. Made after limits only: it costs half a millisecond."""

from __future__ import annotations

import logging
import re
from functools import cache, lru_cache
from typing import Any

from detector.alerts.row import Row
from detector.flows.columns import Direction
from detector.layers import scapy_module
from detector.protocols import PROTOCOLS
from detector.protocols.table import PduTable

LONGEST = 16384  # characters of a dissection that an alert keeps
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
LINK_CLASSES = {
    1: "scapy.layers.l2.Ether",
    113: "scapy.layers.l2.CookedLinux",
    276: "scapy.layers.l2.CookedLinuxV2",
    9: "scapy.layers.ppp.PPP",
    0: "scapy.layers.l2.Loopback",
    108: "scapy.layers.l2.Loopback",
    228: "scapy.layers.inet.IP",
    229: "scapy.layers.inet6.IPv6",
}
RAW_IP = (12, 14, 101)  # IPv4 or IPv6, as the first four bits say

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)  # its remarks on interfaces are no concern of ours


@cache
def scapy_class(dotted: str) -> Any:
    """A Scapy class by its dotted name, imported at first use."""
    module, _, name = dotted.rpartition(".")
    return getattr(scapy_module(module), name)


def text_of(row: Row) -> str:
    """Scapy's `show()` of the PDU, or of the packet where the row is one. Says so where Scapy cannot."""
    try:
        return shown(class_of(row), row.data)
    except Exception as error:  # noqa: BLE001 - Scapy raises what it likes on hostile bytes; the alert must leave
        return f"Scapy could not dissect this: {type(error).__name__}: {error}"


@lru_cache(maxsize=64)
def shown(of: Any, data: bytes) -> str:
    """Scapy's view of bytes, without colours. Kept for a while: of one packet several rules may alert."""
    return COLOUR.sub("", of(data).show(dump=True))[:LONGEST]


def class_of(row: Row) -> Any:
    """The Scapy class that the row's bytes begin with."""
    if isinstance(row.table, PduTable):
        direction = next(iter(row.values("flow.direction")), Direction.TO_SERVER.name.lower())
        protocol = row.table.protocol_of(row.row)
        declared = next(one for one in PROTOCOLS if one.name == protocol)
        return scapy_class(declared.scapy[direction])
    link_type = int(row.batch.link_types[row.packet])
    if link_type in LINK_CLASSES:
        return scapy_class(LINK_CLASSES[link_type])
    version = row.data[0] >> 4 if row.data and link_type in RAW_IP else 0
    return scapy_class({4: LINK_CLASSES[228], 6: LINK_CLASSES[229]}.get(version, "scapy.packet.Raw"))
