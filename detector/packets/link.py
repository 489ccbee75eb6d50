"""Fields of link headers: Ethernet, VLAN tags, MPLS, LLC, Linux cooked captures, ARP."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.packets.header import Make, PacketField, both, header, made, presence
from detector.packets.items import LENGTH, START, Found, bits, kept, listed, spans_of
from detector.packets.load import Place, kernels, load
from detector.packets.redundancy import supervision_stops
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

ETHERTYPES = {0x0800: "IPv4", 0x0806: "ARP", 0x86DD: "IPv6", 0x8100: "802.1Q", 0x88A8: "802.1ad", 0x8847: "MPLS",
              0x88B8: "GOOSE", 0x88BA: "Sampled Values", 0x8892: "PROFINET", 0x88CC: "LLDP", 0x88FB: "PRP",
              0x892F: "HSR"}  # fmt: skip
ARP_OPERATIONS = {1: "request", 2: "reply", 3: "reverse request", 4: "reverse reply"}
ARP_ADDRESSES = (("hw_mac", "ether", "mac", "MAC address"), ("hw_ax25", "bytes", "ax25", "AX.25 address"),
                 ("hw", "bytes", "", "hardware address of another kind"), ("proto_ipv4", "ipv4", "ipv4", "IPv4 address"),
                 ("proto", "bytes", "", "protocol address of another kind"))  # fmt: skip
LLDP = 0x88CC
SMALLEST_TYPE, LARGEST_TYPE, LONGEST_LENGTH = 1536, 0xFFFF, 1500  # of EtherTypes, of 802.3 lengths (IEEE 802.3 3.2.6)
PADDING, TRAILER, VLAN_TRAILER, CHECKSUM, COOKED_TRAILER = range(5)
COOKED_HEADERS = {113: 16, 276: 20}  # bytes of Linux cooked headers, by link type
PROVIDER_TAG = 0x88A8
VLAN_FIELDS = """
    vlan.priority uint  @0:3   0  priority of each VLAN tag
    vlan.dei      bool  @3:1   0  drop eligible bit of each VLAN tag
    vlan.id       uint  @4:12  0  id of each VLAN tag, outermost first
    vlan.etype    uintx @16:16 0  if 16:16>=1536 EtherType behind each VLAN tag
    vlan.len      uint  @16:16 0  if 16:16<=1535 length behind a VLAN tag, in a frame of 802.3
    ieee8021ad.priority uint @0:3  1  priority of each provider's tag (802.1ad)
    ieee8021ad.dei      bool @3:1  1  drop eligible bit of each provider's tag
    ieee8021ad.id       uint @4:12 1  id of each provider's tag, outermost first
"""
MPLS_FIELDS = """
    mpls.label    uint  @0:20  *  each MPLS label, outermost first
    mpls.exp      uint  @20:3  *  traffic class of each label
    mpls.bottom   uint  @23:1  *  1 for the last label of the stack
    mpls.ttl      uint  @24:8  *  lifetime of each label
"""
TRAILER_FIELDS = """
    eth.padding  bytes @0:     0  zeros that fill a frame up to its shortest length
    eth.trailer  bytes @0:     1  bytes behind the packet
    vlan.trailer bytes @0:     2  bytes behind the packet in a frame with a VLAN tag
    eth.fcs      uintx @0:32   3  frame check sequence, where there seems to be one
"""


def tags(table: PacketTable, layer: Layer, count: Cell) -> Found:
    """VLAN tags or MPLS labels: four bytes each, one behind the other. A tag's kind is whether it is a provider's (802.1ad)."""
    structure = table.structure
    counts = structure.cell(count).astype(np.int64)
    rows = np.repeat(np.arange(table.rows), counts)
    nth = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    starts = structure.cells[layer, rows].astype(np.int64) + 4 * nth
    before, _ = bits(table, spans_of(rows, rows, starts - 2, starts), Place(0, 16, False))
    return spans_of(rows, before == PROVIDER_TAG, starts, np.minimum(starts + 4, structure.cell(Cell.STOP)[rows]))


vlan_tags = kept("tags", lambda table: tags(table, Layer.VLAN, Cell.VLAN_COUNT))
mpls_labels = kept("labels", lambda table: tags(table, Layer.MPLS, Cell.MPLS_COUNT))


def ethernet_type(low: int, high: int) -> Make:
    """The type or length of Ethernet headers, where it is one of low..high."""

    def make(table: PacketTable, field: Field) -> Column:
        starts = table.structure.layer(Layer.ETH)
        column = load(field, Place(96, 16, False), table.batch.buffer, starts, table.structure.cell(Cell.STOP))
        assert column.present is not None
        chosen = (low <= column.values) & (column.values <= high)
        if high == LARGEST_TYPE:
            chosen |= column.values == 0  # no length, and no type that is known
        return Column(field, column.values, column.present & chosen)

    return make


def list_trailers(table: PacketTable) -> Found:
    """What follows the packet in an Ethernet frame: items of kind PADDING, TRAILER, VLAN_TRAILER or CHECKSUM.

    A packet ends where IP, ARP or an 802.3 length says. As in Wireshark (add_ethernet_trailer), the zeros that fill a frame
    up to 60 bytes are padding, and the last four bytes of a trailer in a frame of 64 or more are a checksum; behind a
    VLAN tag all that is no padding is trailer.
    """
    structure, batch = table.structure, table.batch
    headers = header_stops(table)
    rows = np.flatnonzero(headers >= 0)
    packets = structure.packet[rows]
    captured, wire = batch.stops[packets], batch.starts[packets] + batch.wire_lengths[packets]
    stops = packet_stops(table, rows, headers[rows], captured)
    frame, in_tag = structure.layer(Layer.ETH)[rows].astype(np.int64), structure.cell(Cell.VLAN_COUNT)[rows] > 0
    size = batch.wire_lengths[packets]
    missing = np.maximum(0, 60 - (size - (wire - stops)))
    missing = np.where((size >= 60) & (stops < wire), np.minimum(missing, wire - stops), 0)
    is_zero = np.zeros(len(rows), np.bool_)
    kernels.find_zeros(batch.buffer, stops, np.minimum(stops + missing, captured), is_zero)
    usable = (stops < captured) & (stops + missing <= captured)
    rest = stops + np.where(is_zero, missing, 0)
    has_checksum = ~in_tag & (frame >= 0) & (wire - frame >= 64) & (wire - rest >= 4)
    end = np.where(has_checksum, np.minimum(wire - 4, captured), captured)
    found = np.concatenate((
        spans_of(rows, np.full_like(rows, PADDING), stops, rest),
        spans_of(rows, np.where(in_tag, VLAN_TRAILER, np.where(frame >= 0, TRAILER, COOKED_TRAILER)), rest, end),
        spans_of(rows, np.full_like(rows, CHECKSUM), end, np.where(has_checksum & (wire == captured), captured, end)),
    ))  # fmt: skip
    found = found[np.tile(usable, 3) & (found[:, LENGTH] > 0)]
    return found[np.argsort(found[:, START], kind="stable")]


def header_stops(table: PacketTable) -> NDArray[np.int64]:
    """Where an Ethernet or Linux cooked header ends, tags included, int64[rows]; -1 for rows without."""
    structure = table.structure
    stops = np.where(structure.layer(Layer.ETH) >= 0, structure.layer(Layer.ETH) + 14, -1).astype(np.int64)
    links = table.batch.link_types[structure.packet]
    for link, size in COOKED_HEADERS.items():  # per cooked format
        stops = np.where(
            (links == link) & (structure.layer(Layer.LINK) >= 0), structure.layer(Layer.LINK) + size, stops
        )
    stops = np.where(
        structure.layer(Layer.HSR) >= 0, -1, stops
    )  # Wireshark shows nothing behind what an HSR tag is before
    return np.where((stops >= 0) & ~structure.is_quoted, stops + 4 * structure.cell(Cell.VLAN_COUNT), -1)


def packet_stops(
    table: PacketTable, rows: NDArray[np.int64], above: NDArray[np.int64], captured: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Where the packets above link headers end, int64[rows]: where the frames do if nothing in them says."""
    structure, stops = table.structure, np.copy(captured)
    labels = 4 * structure.cell(Cell.MPLS_COUNT)[rows].astype(np.int64)
    length, _ = bits(table, spans_of(rows, rows, above - 2, captured), Place(0, 16, False))
    is_length = (length > 0) & (length <= LONGEST_LENGTH) & (structure.layer(Layer.ETH)[rows] >= 0)
    stops = np.where(is_length, above + length, stops)
    versions = ((Layer.IP, 16, 0, "ip.id"), (Layer.IPV6, 32, 40, "ipv6.nxt"))
    for layer, offset, added, behind in versions:  # per version of IP
        begin = structure.layer(layer)[rows].astype(np.int64)
        begins = begin == above + labels
        length, present = bits(table, spans_of(rows, rows, begin, captured), Place(offset, 16, False))
        says = begins & present & (length > 0) & table.own(behind).present[rows]  # type: ignore[index]
        stops = np.where(says, begin + added + length, stops)
    begins = structure.layer(Layer.ARP)[rows] == above
    sizes, present = bits(table, spans_of(rows, rows, above, captured), Place(32, 16, False))
    stops = np.where(begins & present, above + 8 + 2 * (sizes >> 8) + 2 * (sizes & 0xFF), stops)
    supervised = supervision_stops(table)[rows]
    stops = np.where(supervised >= 0, supervised, stops)
    is_lldp = np.flatnonzero(structure.cell(Cell.ETHERTYPE)[rows] == LLDP)
    ends = captured[is_lldp]
    kernels.find_lldp_stops(table.batch.buffer, above[is_lldp], ends)
    stops[is_lldp] = ends
    return np.minimum(stops, captured)


def arp_addresses(table: PacketTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bounds of ARP's four addresses, int64[rows, 5]: sender's hardware, protocol, target's hardware, protocol; and sizes.

    A row whose addresses are not all captured has bounds of -1.
    """
    structure = table.structure
    sizes = [table.own(f"arp.{name}.size").values.astype(np.int64) for name in ("hw", "proto")]
    begin = structure.layer(Layer.ARP).astype(np.int64) + 8
    bounds = np.stack((np.zeros_like(begin), *sizes, *sizes), axis=1).cumsum(axis=1) + begin[:, None]
    whole = (structure.layer(Layer.ARP) >= 0) & (bounds[:, 4] <= structure.cell(Cell.STOP))
    return np.where(whole[:, None], bounds, -1), np.stack((*sizes, *sizes), axis=1)


def arp_length(table: PacketTable) -> NDArray[np.int64]:
    """Length of ARP packets, int64[rows], by the sizes of their addresses."""
    sizes = [table.own(f"arp.{name}.size").values.astype(np.int64) for name in ("hw", "proto")]
    return 8 + 2 * (sizes[0] + sizes[1])


def arp_address(place: int, what: str) -> Make:
    """An address of ARP, in the order of the packet, where it is `what`; "" for what has no name of its own."""

    def make(table: PacketTable, field: Field) -> Column:
        bounds, sizes = arp_addresses(table)
        starts, size = bounds[:, place], sizes[:, place]
        kind, protocol = table.own("arp.hw.type").values, table.own("arp.proto.type").values
        known = {
            "mac": np.isin(kind, (1, 6)) & (size == 6),
            "ax25": (kind == 3) & (size == 7),
            "ipv4": (protocol == 0x0800) & (size == 4),
        }
        mine = ("ipv4",) if place % 2 else ("mac", "ax25")
        other = ~np.logical_or.reduce([known[name] for name in mine]) & (size > 0)
        present = (known[what] if what else other) & (starts >= 0)
        if field.kind == "bytes":
            spans = np.where(present[:, None], np.stack((starts, starts + size), axis=1), 0)
            return Column(field, spans, present, None, table.batch.buffer)
        chosen = np.where(present, starts, -1).astype(np.int32)
        at = Place(0, 32 if what == "ipv4" else 48, False)
        return load(field, at, table.batch.buffer, chosen, table.structure.cell(Cell.STOP))

    return make


def is_gratuitous(table: PacketTable, field: Field) -> Column:
    """Requests and replies whose sender and target have the same protocol address."""
    bounds, sizes = arp_addresses(table)
    same = np.zeros(table.rows, np.bool_)
    kernels.find_equal(table.batch.buffer, bounds[:, 1].copy(), bounds[:, 3].copy(), sizes[:, 1].copy(), same)
    true = same & (bounds[:, 0] >= 0) & np.isin(table.own("arp.opcode").values, (1, 2))
    return Column(field, true, true)


def arp_claim(is_probe: bool) -> Make:
    """A request for an IPv4 address that asks whether it is free (RFC 5227): from nobody; or tells that it is taken."""

    def make(table: PacketTable, field: Field) -> Column:
        source, gratuitous = table.own("arp.src.proto_ipv4"), table.own("arp.isgratuitous").values
        assert source.present is not None
        true = source.present & (table.own("arp.opcode").values == 1)
        true &= (source.values == 0) & ~gratuitous if is_probe else gratuitous
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
    made("eth.type", "uint", "EtherType", ethernet_type(SMALLEST_TYPE, LARGEST_TYPE), base=16, labels=ETHERTYPES),
    made("eth.len", "uint", "length of an 802.3 frame", ethernet_type(1, LONGEST_LENGTH), unit="B"),
    made("eth.invalid_lentype", "uint", "neither a length nor a type", ethernet_type(LONGEST_LENGTH + 1, SMALLEST_TYPE - 1), base=16),
    *listed(kept("trailers of Ethernet", list_trailers), TRAILER_FIELDS),
    made("vlan", "protocol", "the packet has a VLAN tag", presence(Layer.VLAN)),
    *listed(vlan_tags, VLAN_FIELDS, {"vlan.etype": ETHERTYPES}),
    made("mpls", "protocol", "the packet has MPLS labels", presence(Layer.MPLS)),
    *listed(mpls_labels, MPLS_FIELDS),
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
    """, {"arp.opcode": ARP_OPERATIONS}),
    *(made(f"arp.{side}.{name}", kind, f"{whose} {meaning}", arp_address(at + (what == "ipv4" or name == "proto"), what))
      for side, whose, at in (("src", "sender's", 0), ("dst", "target's", 2))
      for name, kind, what, meaning in ARP_ADDRESSES),
    made("arp.isgratuitous", "bool", "sender and target address are the same", is_gratuitous),
    made("arp.isprobe", "bool", "asks whether an address is free", arp_claim(True)),
    made("arp.isannouncement", "bool", "tells that an address is taken now", arp_claim(False)),
)  # fmt: skip
