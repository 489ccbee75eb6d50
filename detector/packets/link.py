"""Fields of link headers: Ethernet, VLAN tags, MPLS, LLC, Linux cooked captures, ARP."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.columns import Array, Column, Field
from detector.packets.header import Make, PacketField, both, header, made, presence, ragged
from detector.packets.load import Place, load
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6", 0x8100: "802.1Q", 0x88A8: "802.1ad", 0x8847: "MPLS",
              0x88B8: "GOOSE", 0x88BA: "Sampled Values", 0x8892: "PROFINET", 0x88CC: "LLDP"}  # fmt: skip
ARP_OPERATIONS = {1: "request", 2: "reply", 3: "reverse request", 4: "reverse reply"}


def tag(offset: int, width: int, layer: Layer = Layer.VLAN, count: Cell = Cell.VLAN_COUNT) -> Make:
    """Some bits of every VLAN tag (or MPLS label) of a row; they are four bytes each, one behind the other."""

    def make(table: PacketTable, field: Field) -> Column:
        structure = table.structure
        counts = structure.cell(count).astype(np.int64)
        rows = np.repeat(np.arange(table.rows), counts)
        nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        starts = (structure.cells[layer, rows] + 4 * nth).astype(np.int32)
        column = load(field, Place(offset, width, False), table.batch.buffer, starts, structure.cell(Cell.STOP)[rows])
        return ragged(field, column.values, rows, table.rows)

    return make


def ethernet_type(is_type: bool) -> Make:
    """Ethernet II's type (1536 and more), or 802.3's length."""

    def make(table: PacketTable, field: Field) -> Column:
        starts = table.structure.layer(Layer.ETH)
        column = load(field, Place(96, 16, False), table.batch.buffer, starts, table.structure.cell(Cell.STOP))
        assert column.present is not None
        return Column(field, column.values, column.present & ((column.values >= 1536) == is_type))

    return make


def arp_flag(holds: Callable[[Array, Array, Array], Array]) -> Make:
    """A flag that is there where it is true, of sender's address, target's address and operation."""

    def make(table: PacketTable, field: Field) -> Column:
        source, target, operation = (
            table.own(f"arp.{name}") for name in ("src.proto_ipv4", "dst.proto_ipv4", "opcode")
        )
        assert source.present is not None and target.present is not None
        true = holds(source.values, target.values, operation.values) & source.present & target.present
        return Column(field, true, true)

    return make


FIELDS: tuple[PacketField, ...] = (
    made("eth", "protocol", "the packet has an Ethernet header", presence(Layer.ETH)),
    *header(Layer.ETH, """
        eth.dst     ether Ether.dst        MAC address of the receiver
        eth.src     ether Ether.src        MAC address of the sender
        eth.dst.lg  bool  Ether.dst[6:7]   locally administered receiver address
        eth.dst.ig  bool  Ether.dst[7:8]   group (multicast or broadcast) receiver address
        eth.src.lg  bool  Ether.src[6:7]   locally administered sender address
        eth.src.ig  bool  Ether.src[7:8]   group bit of the sender address
        eth.dst.oui uint  Ether.dst[0:24]  vendor part of the receiver address
        eth.src.oui uint  Ether.src[0:24]  vendor part of the sender address
    """),
    made("eth.addr", "ether", "MAC address of either side", both("eth.dst", "eth.src")),
    made("eth.lg", "bool", "locally administered address of either side", both("eth.dst.lg", "eth.src.lg")),
    made("eth.ig", "bool", "group bit of either side", both("eth.dst.ig", "eth.src.ig")),
    made("eth.addr.oui", "uint", "vendor part of either side's address", both("eth.dst.oui", "eth.src.oui")),
    made("eth.type", "uint", "EtherType", ethernet_type(True), base=16, labels=ETHERTYPES),
    made("eth.len", "uint", "length of an 802.3 frame", ethernet_type(False), unit="B"),
    made("vlan", "protocol", "the packet has a VLAN tag", presence(Layer.VLAN)),
    made("vlan.priority", "uint", "priority of each VLAN tag", tag(0, 3)),
    made("vlan.dei", "bool", "drop eligible bit of each VLAN tag", tag(3, 1)),
    made("vlan.id", "uint", "id of each VLAN tag, outermost first", tag(4, 12)),
    made("vlan.etype", "uint", "EtherType behind each VLAN tag", tag(16, 16), base=16, labels=ETHERTYPES),
    made("mpls", "protocol", "the packet has MPLS labels", presence(Layer.MPLS)),
    made("mpls.label", "uint", "each MPLS label, outermost first", tag(0, 20, Layer.MPLS, Cell.MPLS_COUNT)),
    made("mpls.exp", "uint", "traffic class of each label", tag(20, 3, Layer.MPLS, Cell.MPLS_COUNT)),
    made("mpls.bottom", "uint", "1 for the last label of the stack", tag(23, 1, Layer.MPLS, Cell.MPLS_COUNT)),
    made("mpls.ttl", "uint", "lifetime of each label", tag(24, 8, Layer.MPLS, Cell.MPLS_COUNT)),
    made("llc", "protocol", "the frame has an LLC header (802.2)", presence(Layer.LLC)),
    *header(Layer.LLC, """
        llc.dsap uintx LLC.dsap  destination service access point
        llc.ssap uintx LLC.ssap  source service access point
    """),
    made("arp", "protocol", "the packet is ARP", presence(Layer.ARP)),
    *header(Layer.ARP, """
        arp.hw.type        uint  ARP.hwtype  kind of hardware address, 1 for Ethernet
        arp.proto.type     uintx ARP.ptype   kind of protocol address, 0x0800 for IPv4
        arp.hw.size        uint  ARP.hwlen   bytes of a hardware address
        arp.proto.size     uint  ARP.plen    bytes of a protocol address
        arp.opcode         uint  ARP.op      1 request, 2 reply
        arp.src.hw_mac     ether @64:48      when arp.hw.size=6 sender's MAC address
        arp.src.proto_ipv4 ipv4  @112:32     when arp.hw.size=6 sender's IPv4 address
        arp.dst.hw_mac     ether @144:48     when arp.hw.size=6 target's MAC address
        arp.dst.proto_ipv4 ipv4  @192:32     when arp.hw.size=6 target's IPv4 address
    """, {"arp.opcode": ARP_OPERATIONS}),
    made("arp.isgratuitous", "bool", "sender and target address are the same", arp_flag(lambda source, target, op: (source == target) & (source != 0))),
    made("arp.isprobe", "bool", "asks whether an address is free", arp_flag(lambda source, target, op: (source == 0) & (target != 0) & (op == 1))),
    made("arp.isannouncement", "bool", "tells that an address is taken now", arp_flag(lambda source, target, op: (source == target) & (source != 0) & (op == 1))),
)  # fmt: skip
