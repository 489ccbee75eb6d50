"""All fields of packets, in the order of the headers."""

from __future__ import annotations

from detector.columns import Field
from detector.packets import frame_fields, icmp, link, network, transport, tunnels
from detector.packets.header import PacketField

SPECIFICATIONS: tuple[PacketField, ...] = (
    *frame_fields.FIELDS, *link.FIELDS, *network.FIELDS, *tunnels.FIELDS, *transport.FIELDS, *icmp.FIELDS,
)  # fmt: skip
BY_NAME: dict[str, PacketField] = {declared.field.name: declared for declared in SPECIFICATIONS}
PACKET_FIELDS: tuple[Field, ...] = tuple(declared.field for declared in SPECIFICATIONS)
