"""All fields of packets, in the order of the headers."""

from __future__ import annotations

from detector.columns import Field
from detector.packets import frame_fields, icmp, link, network, transport, tunnels
from detector.packets.header import PacketField
from detector.packets.rows import Layer

SPECIFICATIONS: tuple[PacketField, ...] = (
    *frame_fields.FIELDS, *link.FIELDS, *network.FIELDS, *tunnels.FIELDS, *transport.FIELDS, *icmp.FIELDS,
)  # fmt: skip
# Protocols whose bytes filters may look at: where they begin, and how long their header is: a number of bytes, the field
# that says it, or None for all there is.
SPANS: dict[str, tuple[Layer, int | str | None]] = {
    "frame": (Layer.LINK, None), "eth": (Layer.ETH, 14), "vlan": (Layer.VLAN, 4), "mpls": (Layer.MPLS, 4), "llc": (Layer.LLC, 3),
    "arp": (Layer.ARP, 28), "ip": (Layer.IP, "ip.hdr_len"), "ipv6": (Layer.IPV6, 40), "tcp": (Layer.TCP, "tcp.hdr_len"),
    "udp": (Layer.UDP, 8), "icmp": (Layer.ICMP, None), "icmpv6": (Layer.ICMPV6, None), "igmp": (Layer.IGMP, None),
    "sctp": (Layer.SCTP, None),
}  # fmt: skip
BY_NAME: dict[str, PacketField] = {declared.field.name: declared for declared in SPECIFICATIONS}
PACKET_FIELDS: tuple[Field, ...] = tuple(declared.field for declared in SPECIFICATIONS)
