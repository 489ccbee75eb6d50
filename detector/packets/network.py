"""Fields of IPv4 and IPv6."""

from __future__ import annotations

import numpy as np

from detector.columns import Column, Field
from detector.packets.header import Make, PacketField, both, header, made, presence, ragged
from detector.packets.load import Place, load
from detector.packets.options import extensions, inside, ip_options, kinds, lengths
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

PROTOCOLS = {1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 51: "AH",
             58: "ICMPv6", 89: "OSPF", 112: "VRRP", 132: "SCTP"}  # fmt: skip


def scaled(at: tuple[int, int], layer: Layer, factor: int) -> Make:
    """A number that the header gives in units of `factor`."""

    def make(table: PacketTable, field: Field) -> Column:
        column = load(
            field, Place(*at, False), table.batch.buffer, table.structure.layer(layer), table.structure.cell(Cell.STOP)
        )
        return Column(field, column.values.astype(np.uint16) * np.uint16(factor), column.present)

    return make


def version(table: PacketTable, field: Field) -> Column:
    """The version that either IP header gives; Wireshark shows IPv6's under this name as well."""
    starts = np.maximum(table.structure.layer(Layer.IP), table.structure.layer(Layer.IPV6))
    return load(field, Place(0, 4, False), table.batch.buffer, starts, table.structure.cell(Cell.STOP))


def option_flags(bits: slice) -> Make:
    """Some bits of each IPv4 option's type: copied, class, number (RFC 791 3.1)."""

    def make(table: PacketTable, field: Field) -> Column:
        found = ip_options(table)
        values = (found[:, 1] >> (8 - bits.stop)) & ((1 << (bits.stop - bits.start)) - 1)
        return ragged(field, values.astype(np.bool_ if field.kind == "bool" else np.uint8), found[:, 0], table.rows)

    return make


def in_extension(kind: int, offset: int, width: int) -> Make:
    """Some bits of every extension header of a kind."""

    def make(table: PacketTable, field: Field) -> Column:
        found = extensions(table)
        found = found[found[:, 1] == kind]
        starts, rows = found[:, 2].astype(np.int32), found[:, 0]
        column = load(
            field, Place(offset, width, False), table.batch.buffer, starts, table.structure.cell(Cell.STOP)[rows]
        )
        return ragged(field, column.values, rows, table.rows)

    return make


def extension_octets(table: PacketTable, field: Field) -> Column:
    """Length in bytes of every hop-by-hop header."""
    found = extensions(table)
    found = found[found[:, 1] == 0]
    return ragged(field, found[:, 3].astype(np.uint16), found[:, 0], table.rows)


FIELDS: tuple[PacketField, ...] = (
    made("ip", "protocol", "the packet is IPv4", presence(Layer.IP)),
    made("ip.version", "uint", "4 or 6", version),
    made("ip.hdr_len", "uint", "length of the header", scaled((4, 4), Layer.IP, 4), unit="B"),
    *header(Layer.IP, """
        ip.dsfield       uintx IP.tos          differentiated services field
        ip.dsfield.dscp  uint  IP.tos[0:6]     differentiated services code point
        ip.dsfield.ecn   uint  IP.tos[6:8]     explicit congestion notification
        ip.len           uint  IP.len          total length
        ip.id            uintx IP.id           identification
        ip.flags         uintx IP.flags        the three flags
        ip.flags.rb      bool  IP.flags[0:1]   reserved bit
        ip.flags.df      bool  IP.flags[1:2]   do not fragment
        ip.flags.mf      bool  IP.flags[2:3]   more fragments
    """),
    *header(Layer.IP, """
        ip.frag_offset   uint  IP.frag         where this fragment's bytes belong, in units of eight
    """),
    *header(Layer.IP, """
        ip.ttl           uint  IP.ttl          lifetime
        ip.proto         uint  IP.proto        protocol above
        ip.checksum      uintx IP.chksum       header checksum
        ip.src           ipv4  IP.src          address of the sender
        ip.dst           ipv4  IP.dst          address of the receiver
    """, {"ip.proto": PROTOCOLS}),
    made("ip.addr", "ipv4", "address of either side", both("ip.src", "ip.dst")),
    made("ip.opt.type", "uint", "type of each option", kinds(ip_options)),
    made("ip.opt.type.copy", "bool", "whether each option is copied into fragments", option_flags(slice(0, 1))),
    made("ip.opt.type.class", "uint", "class of each option", option_flags(slice(1, 3))),
    made("ip.opt.type.number", "uint", "number of each option", option_flags(slice(3, 8))),
    made("ip.opt.len", "uint", "length of each option that has one", lengths(ip_options), unit="B"),
    made("ip.opt.ra", "uint", "router alert option", inside(ip_options, 148, 16, 16, 4)),
    made("ipv6", "protocol", "the packet is IPv6", presence(Layer.IPV6)),
    *header(Layer.IPV6, """
        ipv6.version     uint  IPv6.version    6
        ipv6.tclass      uintx IPv6.tc         traffic class
        ipv6.tclass.dscp uint  IPv6.tc[0:6]    differentiated services code point
        ipv6.tclass.ecn  uint  IPv6.tc[6:8]    explicit congestion notification
        ipv6.flow        uintx IPv6.fl         flow label
        ipv6.plen        uint  IPv6.plen       length of the payload
        ipv6.nxt         uint  IPv6.nh         next header
        ipv6.hlim        uint  IPv6.hlim       hop limit
        ipv6.src         ipv6  IPv6.src        address of the sender
        ipv6.dst         ipv6  IPv6.dst        address of the receiver
    """, {"ipv6.nxt": PROTOCOLS}),
    made("ipv6.addr", "ipv6", "address of either side", both("ipv6.src", "ipv6.dst")),
    made("ipv6.hopopts.nxt", "uint", "next header of hop-by-hop options", in_extension(0, 0, 8)),
    made("ipv6.hopopts.len", "uint", "length of hop-by-hop options, in eight bytes, less one", in_extension(0, 8, 8)),
    made("ipv6.hopopts.len_oct", "uint", "length of hop-by-hop options", extension_octets, unit="B"),
    made("ipv6.routing.type", "uint", "type of a routing header", in_extension(43, 16, 8)),
    made("ipv6.routing.segleft", "uint", "segments left of a routing header", in_extension(43, 24, 8)),
    made("ipv6.fraghdr.nxt", "uint", "next header of a fragment", in_extension(44, 0, 8)),
    made("ipv6.fraghdr.more", "bool", "more fragments follow", in_extension(44, 31, 1)),
    made("ipv6.fraghdr.ident", "uint", "identification of a fragment", in_extension(44, 32, 32), base=16),
)  # fmt: skip
