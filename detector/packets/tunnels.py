"""Fields of tunnel headers: GRE and VXLAN. The packet inside is a row of its own."""

from __future__ import annotations

import numpy as np

from detector.columns import Column, Field
from detector.packets.header import Make, PacketField, header, made
from detector.packets.rows import Layer
from detector.packets.table import PacketTable

GRE, UDP = 47, 17


def tunnel(protocol: int) -> Make:
    """Whether the row's payload begins with a tunnel header of the kind that this IP protocol carries."""

    def make(table: PacketTable, field: Field) -> Column:
        structure = table.structure
        return Column(field, (structure.layer(Layer.TUNNEL) >= 0) & (structure.transport == np.uint8(protocol)))

    return make


FIELDS: tuple[PacketField, ...] = (
    made("gre", "protocol", "the packet carries GRE", tunnel(GRE)),
    *header(Layer.TUNNEL, """
        gre.proto uintx GRE.proto when ip.proto=47 EtherType of the packet inside
    """),
    made("vxlan", "protocol", "the packet carries VXLAN", tunnel(UDP)),
    *header(Layer.TUNNEL, """
        vxlan.vni uint  @32:24    when ip.proto=17 network identifier
    """),
)  # fmt: skip
