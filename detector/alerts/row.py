"""The matched row as an alert sees it: its packet, its bytes, its values, its two ends."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Any

from detector.columns import Table
from detector.flows.communityid import community_id
from detector.packets.rows import Layer, PacketRows
from detector.packets.table import PacketTable
from detector.protocols.table import PduTable

TRANSPORTS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 47: "gre", 58: "ipv6-icmp", 132: "sctp"}
WITH_PORTS = (6, 17, 132)
ICMP_LAYERS = {1: Layer.ICMP, 58: Layer.ICMPV6}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Sender and receiver of a row; None where the row has none."""

    source_ip: str | None
    destination_ip: str | None
    source_port: int | None
    destination_port: int | None
    source_mac: str | None
    destination_mac: str | None

    @property
    def source_text(self) -> str:
        """Address of the sender for people."""
        return self.source_ip or self.source_mac or "-"

    @property
    def destination_text(self) -> str:
        """Address and port of the receiver for people."""
        name = self.destination_ip or self.destination_mac or "-"
        if self.destination_port is None:
            return name
        return f"[{name}]:{self.destination_port}" if ":" in name else f"{name}:{self.destination_port}"


class Row:
    """One row of a table. `packets` is the packet table, `packet_row` its row there."""

    def __init__(self, table: Table, row: int) -> None:
        self.table = table
        self.row = row
        if isinstance(table, PduTable):
            self.packets = table.packets
            self.packet_row = int(table.row_of_pdu[row])
        else:
            assert isinstance(table, PacketTable)
            self.packets = table
            self.packet_row = row
        self.batch = self.packets.batch
        self.structure: PacketRows = self.packets.structure
        self.packet = int(self.structure.packet[self.packet_row])
        self.time_ns = int(self.batch.times[self.packet])
        self.community_id = self._community_id()

    def values(self, name: str) -> list[Any]:
        """The row's values of a field as people read them; none where the field is not there."""
        return self.table.values_at(name, self.row)

    @property
    def bounds(self) -> tuple[int, int]:
        """Where the PDU, or else the packet as captured, lies in the buffer."""
        if isinstance(self.table, PduTable):
            return int(self.table.starts[self.row]), int(self.table.stops[self.row])
        return int(self.batch.starts[self.packet]), int(self.batch.stops[self.packet])

    @property
    def data(self) -> bytes:
        """The row's own bytes: of the PDU, or of the packet."""
        start, stop = self.bounds
        return self.batch.buffer[start:stop].tobytes()

    @property
    def packet_bytes(self) -> bytes:
        """The packet as captured."""
        return self.batch.buffer[self.batch.starts[self.packet] : self.batch.stops[self.packet]].tobytes()

    @property
    def offset(self) -> int:
        """Where the row's bytes begin within its packet; -1 where they were put together from several."""
        start = self.bounds[0]
        first, stop = int(self.batch.starts[self.packet]), int(self.batch.stops[self.packet])
        if not isinstance(self.table, PduTable):
            return len(self._outer_rows())
        return start - first if first <= start < stop else -1

    def _outer_rows(self) -> list[int]:
        rows, row = [], int(self.structure.outer[self.packet_row])
        while row >= 0:
            rows.append(row)
            row = int(self.structure.outer[row])
        return rows

    @property
    def outermost_row(self) -> int:
        """The packet row of the frame itself, around every tunnel."""
        return [self.packet_row, *self._outer_rows()][-1]

    def endpoints(self) -> Endpoints:
        """Addresses, ports and MAC addresses of the two ends."""
        at, rows = self.packet_row, self.structure
        has_ip = bool(rows.network[at])
        has_ports = has_ip and int(rows.transport[at]) in WITH_PORTS and int(rows.ports[at].sum()) > 0
        macs = [next(iter(self.packets.column(name).at(at)), None) for name in ("eth.src", "eth.dst")]
        return Endpoints(
            self._address(0) if has_ip else None,
            self._address(2) if has_ip else None,
            int(rows.ports[at, 0]) if has_ports else None,
            int(rows.ports[at, 1]) if has_ports else None,
            macs[0],
            macs[1],
        )

    def _address(self, half: int) -> str:
        return address_text(self._address_bytes(half))

    def _address_bytes(self, half: int) -> bytes:
        high, low = self.structure.addresses[self.packet_row, half : half + 2]
        return int(high).to_bytes(8, "big") + int(low).to_bytes(8, "big")

    def _community_id(self) -> str:
        at, rows = self.packet_row, self.structure
        if not rows.network[at]:
            return ""
        source, destination = (
            found[12:] if rows.network[at] == 4 else found for found in map(self._address_bytes, (0, 2))
        )
        transport = int(rows.transport[at])
        first, second = int(rows.ports[at, 0]), int(rows.ports[at, 1])
        if transport in ICMP_LAYERS and (start := int(rows.layer(ICMP_LAYERS[transport])[at])) >= 0:
            first, second = self.batch.buffer[start : start + 2].tolist()
        return community_id(source, destination, transport, first, second)


def address_text(packed: bytes) -> str:
    """16 bytes as people write the address; an IPv4 address mapped into IPv6 as IPv4."""
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)
