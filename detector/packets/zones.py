"""Zones: named groups of addresses with a level, as IEC 62443-3-2 and the Purdue model have them. Columns of packet rows.

Input: packet rows and what zones.yml says. Output: zone.*, which other tables have through their packet rows. An address
lies in the zone with the most specific network; of rows without IP the MAC addresses count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Network

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.packets.table import PacketTable

NOWHERE = -1
ENDS = ("src", "dst")
ZONES = {
    end: Field(f"zone.{end}", "string", f"zone of the {name}")
    for end, name in zip(ENDS, ("source", "destination"), strict=True)
}
LEVELS = {
    end: Field(f"zone.{end}_level", "float", f"level of that zone: 0 process to 5 enterprise ({name})")
    for end, name in zip(ENDS, ("source", "destination"), strict=True)
}  # fmt: skip
CROSSING = Field("zone.crossing", "bool", "source and destination lie in different zones")
CONDUIT = Field(
    "zone.conduit", "string", "the conduit that joins the two zones; none: they are not to speak with each other"
)
ZONE_FIELDS = (*ZONES.values(), *LEVELS.values(), CROSSING, CONDUIT)
Places = NDArray[np.int64]


@dataclass(frozen=True)
class Zone:
    """A zone. addresses: networks of IPv4 and IPv6, and MAC addresses as numbers."""

    name: str
    level: float | None
    networks: tuple[IPv4Network | IPv6Network, ...]
    macs: tuple[int, ...]


@dataclass(frozen=True)
class Conduit:
    """What joins two zones. is_one_way: from the first to the second only."""

    name: str
    ends: tuple[str, str]
    is_one_way: bool = False


@dataclass(frozen=True)
class Zones:
    """All zones and conduits of a site."""

    zones: tuple[Zone, ...] = ()
    conduits: tuple[Conduit, ...] = ()


class Atlas:
    """Zones made ready for looking up: an address's zone is its place among them."""

    def __init__(self, zones: Zones) -> None:
        self.names = [zone.name for zone in zones.zones]
        self._text, self._spans = text_of([*self.names, *(conduit.name for conduit in zones.conduits)])
        self._levels = np.array([np.nan if zone.level is None else zone.level for zone in zones.zones] + [np.nan])
        self._starts, self._places = bounds_of(zones.zones)
        networks = [(network, place) for place, zone in enumerate(zones.zones) for network in zone.networks]
        self._v6 = sorted(
            ((network, place) for network, place in networks if network.version == 6),
            key=lambda one: -one[0].prefixlen,
        )
        macs = sorted((mac, place) for place, zone in enumerate(zones.zones) for mac in zone.macs)
        self._macs = np.array([mac for mac, _ in macs], np.uint64)
        self._mac_places = np.array([place for _, place in macs], np.int64)
        count = len(self.names)
        self._conduits = np.full((count + 1, count + 1), NOWHERE, np.int64)  # the last row and column: of no zone
        for number, conduit in reversed(list(enumerate(zones.conduits))):  # per conduit
            first, second = (self.names.index(end) for end in conduit.ends)
            self._conduits[first, second] = count + number
            if not conduit.is_one_way:
                self._conduits[second, first] = count + number

    def places(self, packets: PacketTable, end: str) -> Places:
        """int64[rows], the zone of each row's source or destination, NOWHERE for none."""
        made = np.full(packets.rows, NOWHERE, np.int64)
        if not self.names:
            return made
        values, rows = packets.column(f"eth.{end}").flat()
        if len(self._macs):
            at = np.minimum(np.searchsorted(self._macs, values), len(self._macs) - 1)
            made[rows] = np.where(self._macs[at] == values, self._mac_places[at], NOWHERE)
        values, rows = packets.column(f"ip.{end}").flat()
        made[rows] = self._places[np.searchsorted(self._starts, values, "right") - 1]
        values, rows = packets.column(f"ipv6.{end}").flat()
        if len(rows):
            different, inverse = np.unique(values, return_inverse=True)
            made[rows] = np.array([self._of_v6(bytes(one)) for one in different.tolist()], np.int64)[inverse]
        return made

    def _of_v6(self, address: bytes) -> int:
        """The zone of an IPv6 address."""
        number = int.from_bytes(address.ljust(16, b"\0"), "big")
        for network, place in self._v6:  # per network, the most specific first
            if int(network.network_address) == number & int(network.netmask):
                return place
        return NOWHERE

    def name(self, field: Field, end: str, packets: PacketTable) -> Column:
        """zone.src, zone.dst."""
        return self._texts(field, self.places(packets, end))

    def level(self, field: Field, end: str, packets: PacketTable) -> Column:
        """zone.src_level, zone.dst_level."""
        values = self._levels[self.places(packets, end)]
        return Column(field, np.nan_to_num(values), ~np.isnan(values))

    def crossing(self, packets: PacketTable) -> Column:
        """zone.crossing; only of rows whose two ends lie in zones."""
        first, second = (self.places(packets, end) for end in ENDS)
        return Column(CROSSING, first != second, (first != NOWHERE) & (second != NOWHERE))

    def conduit(self, packets: PacketTable) -> Column:
        """zone.conduit."""
        first, second = (self.places(packets, end) for end in ENDS)
        return self._texts(CONDUIT, self._conduits[first, second])

    def _texts(self, field: Field, places: Places) -> Column:
        """A column of names."""
        return Column(field, self._spans[np.maximum(places, 0)], places != NOWHERE, None, self._text)


def offer(packets: PacketTable, atlas: Atlas) -> None:
    """Offers the columns of zones."""
    for end in ENDS:  # per end
        packets.offer(ZONES[end].name, partial(atlas.name, ZONES[end], end))
        packets.offer(LEVELS[end].name, partial(atlas.level, LEVELS[end], end))
    packets.offer(CROSSING.name, atlas.crossing)
    packets.offer(CONDUIT.name, atlas.conduit)


def text_of(names: Sequence[str]) -> tuple[NDArray[np.uint8], Places]:
    """(names one behind the other, int64[names, 2] their bounds); one at least."""
    parts = [name.encode() for name in names] or [b""]
    stops = np.cumsum([len(part) for part in parts])
    return np.frombuffer(b"".join(parts) or b"\0", np.uint8), np.stack(
        (stops - [len(part) for part in parts], stops), axis=1
    )


def bounds_of(zones: Sequence[Zone]) -> tuple[NDArray[np.uint32], Places]:
    """(first addresses of runs of IPv4 addresses, the zone of each run): the most specific network has an address."""
    networks = [
        (network, place) for place, zone in enumerate(zones) for network in zone.networks if network.version == 4
    ]
    edges = {0}
    for network, _ in networks:  # per network
        edges |= {int(network.network_address), min(int(network.broadcast_address) + 1, 2**32 - 1)}
    starts = np.array(sorted(edges), np.uint32)
    places = np.full(len(starts), NOWHERE, np.int64)
    for network, place in sorted(networks, key=lambda one: one[0].prefixlen):  # per network
        first = np.searchsorted(starts, int(network.network_address))
        stop = np.searchsorted(starts, int(network.broadcast_address), "right")
        places[first:stop] = place
    return starts, places
