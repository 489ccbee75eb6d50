"""All fields of packets, in the order of the headers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.columns import Field
from detector.packets import frame_fields, icmp, link, network, redundancy, transport, tunnels
from detector.packets.header import PacketField
from detector.packets.rows import Layer
from detector.packets.table import HeaderLength, PacketTable

SHORTEST_HEADER = 20  # bytes of the headers that say how long they are, those of IPv4 and TCP

SPECIFICATIONS: tuple[PacketField, ...] = (
    *frame_fields.FIELDS, *link.FIELDS, *redundancy.FIELDS, *network.FIELDS, *tunnels.FIELDS, *transport.FIELDS, *icmp.FIELDS,
)  # fmt: skip


def header_length(name: str) -> HeaderLength:
    """The length that a field says, or the shortest that there is: so has it Wireshark."""

    def sizes(table: PacketTable) -> NDArray[np.int64]:
        known: NDArray[np.int64] = np.maximum(table.own(name).values.astype(np.int64), SHORTEST_HEADER)
        return known

    return sizes


# Protocols whose bytes filters may look at: where they begin, and how long their header is: a number of bytes, what tells
# it for each row, or None for all there is.
SPANS: dict[str, tuple[Layer, HeaderLength]] = {
    "frame": (Layer.LINK, None), "eth": (Layer.ETH, 14), "vlan": (Layer.VLAN, 4), "mpls": (Layer.MPLS, 4), "llc": (Layer.LLC, 3),
    "arp": (Layer.ARP, link.arp_length), "ip": (Layer.IP, header_length("ip.hdr_len")), "ipv6": (Layer.IPV6, 40), "tcp": (Layer.TCP, header_length("tcp.hdr_len")),
    "udp": (Layer.UDP, 8), "icmp": (Layer.ICMP, None), "icmpv6": (Layer.ICMPV6, None), "igmp": (Layer.IGMP, None),
    "sctp": (Layer.SCTP, None), "hsr": (Layer.HSR, 4), "prp": (Layer.PRP, 6),
}  # fmt: skip
BY_NAME: dict[str, PacketField] = {declared.field.name: declared for declared in SPECIFICATIONS}
PACKET_FIELDS: tuple[Field, ...] = tuple(declared.field for declared in SPECIFICATIONS)
