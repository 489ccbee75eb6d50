"""Fields of IPv4 and IPv6."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.packets.header import Make, PacketField, both, header, made, presence, ragged
from detector.packets.items import (
    KIND,
    LENGTH,
    ROW,
    START,
    Found,
    Shape,
    Walk,
    among,
    behind,
    bits,
    kept,
    listed,
    parts_of,
    repeated,
    spans_of,
    walked,
    within_row,
)
from detector.packets.load import Place, kernels, load
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

PROTOCOLS = {1: "ICMP", 2: "IGMP", 4: "IPIP", 6: "TCP", 17: "UDP", 41: "IPv6", 47: "GRE", 50: "ESP", 51: "AH",
             58: "ICMPv6", 89: "OSPF", 112: "VRRP", 132: "SCTP"}  # fmt: skip


LENGTHS = {"ip.len": (16, 16), "ipv6.plen": (32, 16)}  # where a header says how long its packet is
MOST_DEEP = 8  # IP layers of a packet, as decode_kernels.py has it
HOP_BY_HOP, DESTINATION, ROUTING, FRAGMENT = 0, 60, 43, 44
RECORD_ROUTE, LOOSE_ROUTE, STRICT_ROUTE, SECURITY = 7, 131, 137, 130
TIMESTAMP, BROADCAST, QUICK_START = 68, 149, 25
SOURCE_ROUTING, SEGMENT_ROUTING, PATH_MTU, IPV6_QUICK_START = 0, 4, 48, 38
ROUTES = (RECORD_ROUTE, LOOSE_ROUTE, STRICT_ROUTE)
TRAVELLED, PLANNED, EMPTY, FINAL = range(4)
RFC791_LEVELS = (0x0000, 0xF135, 0x789A, 0xBC4D, 0x5E26, 0xAF13, 0xD788, 0x6BC5, 0x35E2, 0x9AF1, 0x4D78, 0x24BD, 0x135E, 0x89AF,
                 0xC4D6, 0xE26B)  # fmt: skip
# Registry of IP option numbers; kinds that Wireshark does not know have no fields.
IP_OPTION_FIELDS = """
    ip.opt.type                  uint  @0:8    0,1,7,11,12,25,68,82,130,131,133,134,136,137,148,149 type of each option
    ip.opt.type.copy             bool  @0:1    0,1,7,11,12,25,68,82,130,131,133,134,136,137,148,149 whether each option is copied into fragments
    ip.opt.type.class            uint  @1:2    0,1,7,11,12,25,68,82,130,131,133,134,136,137,148,149 class of each option
    ip.opt.type.number           uint  @3:5    0,1,7,11,12,25,68,82,130,131,133,134,136,137,148,149 number of each option
    ip.opt.len                   uint  @8:8    7,11,12,25,68,82,130,131,133,134,136,137,148,149 length of each option that has one
    ip.options.eol               bytes @0:     0             end of the options (as bytes, like all options below)
    ip.options.nop               bytes @0:     1             no operation
    ip.options.record_route      bytes @0:     7             record route
    ip.options.route             bytes @0:     131           loose source route
    ip.options.source_route      bytes @0:     137           strict source route
    ip.options.timestamp         bytes @0:     68            internet timestamp
    ip.options.security          bytes @0:     130           security (RFC 791, RFC 1108)
    ip.options.ext_security      bytes @0:     133           extended security
    ip.options.cipso             bytes @0:     134           commercial security
    ip.options.sid               bytes @0:     136           stream identifier
    ip.options.mtu_probe         bytes @0:     11            path MTU probe (RFC 1063)
    ip.options.mtu_reply         bytes @0:     12            path MTU reply
    ip.options.traceroute        bytes @0:     82            traceroute (RFC 1393)
    ip.options.routeralert       bytes @0:     148           router alert (RFC 2113)
    ip.options.sdb               bytes @0:     149           selective directed broadcast (RFC 1770)
    ip.options.qs                bytes @0:     25            quick start (RFC 4782)
    ip.opt.ptr                   uint  @16:8   7,68,131,137  place of the next address or timestamp, from 1
    ip.opt.overflow              uint  @24:4   68            stations that had no room for their timestamp
    ip.opt.flag                  uintx @28:4   68            what is recorded: 0 timestamps, 1 and 3 addresses as well
    ip.opt.ra                    uint  @16:16  148           value of router alert
    ip.opt.sid                   uint  @16:16  136           stream identifier
    ip.opt.mtu                   uint  @16:16  11,12         path MTU
    ip.opt.id_number             uint  @16:16  82            number of a traceroute
    ip.opt.ohc                   uint  @32:16  82            hops of a traceroute's outbound packet
    ip.opt.rhc                   uint  @48:16  82            hops of a traceroute's return packet
    ip.opt.originator            ipv4  @64:32  82            where a traceroute began
    ip.opt.ext_sec_add_sec_info_format_code uintx @16:8 133  format of additional security information
    ip.opt.ext_sec_add_sec_info  bytes @24:    133           additional security information
    ip.cipso.doi                 uint  @16:32  134           domain of interpretation of a commercial security option
    ip.opt.qs_func               uint  @16:4   25            quick start: 0 request, 8 report
    ip.opt.qs_rate               uint  @20:4   25            if 16:4=0,8 rate that is asked for
    ip.opt.qs_ttl                uint  @24:8   25            if 16:4=0 lifetime of the request
    ip.opt.qs_unused             uint  @24:8   25            if 16:4=8 unused byte of a report
    ip.opt.qs_nonce              uintx @32:30  25            if 16:4=0,8 random number of a quick start
    ip.opt.qs_reserved           uintx @62:2   25            if 16:4=0,8 reserved bits of a quick start
"""
SECURITY_FIELDS = """
    ip.opt.sec_rfc791_sec        uintx  @16:16 1 security level as in RFC 791
    ip.opt.sec_rfc791_comp       uint   @32:16 1 compartments
    ip.opt.sec_rfc791_hr         string @48:16 1 handling restrictions
    ip.opt.sec_rfc791_tcc        string @64:24 1 transmission control code
    ip.opt.sec_cl                uintx  @16:8  0 classification level
"""
AUTHORITY_FIELDS = """
    ip.opt.sec_prot_auth_flags      uintx @0:8 *  authorities whose rules protect the packet, and whether a further byte follows
    ip.opt.sec_prot_auth_genser     bool  @0:1 0  GENSER
    ip.opt.sec_prot_auth_siop_esi   bool  @1:1 0  SIOP-ESI
    ip.opt.sec_prot_auth_sci        bool  @2:1 0  SCI
    ip.opt.sec_prot_auth_nsa        bool  @3:1 0  NSA
    ip.opt.sec_prot_auth_doe        bool  @4:1 0  DOE
    ip.opt.sec_prot_auth_unassigned uintx @5:2 0  bits without a meaning
    ip.opt.sec_prot_auth_unassigned uintx @0:7 1  bits without a meaning
    ip.opt.sec_prot_auth_fti        bool  @7:1 *  a further byte follows
"""
ROUTE_FIELDS = """
    ip.rec_rt   ipv4 @0:32 0 addresses of a route that was travelled
    ip.src_rt   ipv4 @0:32 1 addresses of a source route that are still to come
    ip.empty_rt ipv4 @0:32 2 places of a record route that are still free
"""
TIMESTAMP_FIELDS = """
    ip.opt.time_stamp_addr ipv4 @0:32  8 address of a station that noted its time
    ip.opt.time_stamp      uint @0:32  4 timestamp, milliseconds since midnight UTC
    ip.opt.time_stamp      uint @32:32 8 timestamp, milliseconds since midnight UTC
"""
BROADCAST_FIELDS = """
    ip.opt.addr ipv4 @0:32 * address of a selective directed broadcast
"""
EXTENSION_FIELDS = """
    ipv6.hopopts.nxt             uint  @0:8    0   next header of hop-by-hop options
    ipv6.hopopts.len             uint  @8:8    0   length of hop-by-hop options, in eight bytes, less one
    ipv6.dstopts.nxt             uint  @0:8    60  next header of destination options
    ipv6.dstopts.len             uint  @8:8    60  length of destination options, in eight bytes, less one
    ipv6.routing.nxt             uint  @0:8    43  next header of a routing header
    ipv6.routing.len             uint  @8:8    43  length of a routing header, in eight bytes, less one
    ipv6.routing.type            uint  @16:8   43  type of a routing header
    ipv6.routing.segleft         uint  @24:8   43  segments left of a routing header
    ipv6.routing.src.reserved    bytes @32:32  43  if 16:8=0 reserved bytes of a source route (RFC 2460)
    ipv6.routing.mipv6.reserved  bytes @32:32  43  if 16:8=2 reserved bytes of a mobile node's route (RFC 6275)
    ipv6.routing.mipv6.home_address ipv6 @64:128 43 if 16:8=2 home address of a mobile node
    ipv6.routing.srh.last_entry  uint  @32:8   43  if 16:8=4 last entry of a segment list (RFC 8754)
    ipv6.routing.srh.flags       uintx @40:8   43  if 16:8=4 flags of a segment routing header
    ipv6.routing.srh.tag         bytes @48:16  43  if 16:8=4 tag of a segment routing header
    ipv6.routing.unknown_data    bytes @32:    43  if 16:8!=0,2,3,4,5,6 what a routing header of another type holds
    ipv6.fraghdr.nxt             uint  @0:8    44  next header of a fragment
    ipv6.fraghdr.reserved_octet  uintx @8:8    44  reserved byte of a fragment header
    ipv6.fraghdr.offset          uint  @16:13  44  where a fragment belongs, in eight bytes
    ipv6.fraghdr.reserved_bits   uint  @29:2   44  reserved bits of a fragment header
    ipv6.fraghdr.more            bool  @31:1   44  more fragments follow
    ipv6.fraghdr.ident           uintx @32:32  44  identification of a fragment
"""
ROUTING_FIELDS = """
    ipv6.routing.src.addr        ipv6  @0:128  0   addresses of a source route
    ipv6.routing.srh.addr        ipv6  @0:128  4   addresses of a segment list
"""
IPV6_OPTION_FIELDS = """
    ipv6.opt                     protocol @0:8 *     the packet has an option
    ipv6.opt.type                uintx @0:8    *     type of each option
    ipv6.opt.type.action         uint  @0:2    !0    what is done with a packet whose option is not known
    ipv6.opt.type.change         bool  @2:1    !0    the option may change on its way
    ipv6.opt.type.rest           uintx @3:5    !0    the other bits of an option's type
    ipv6.opt.length              uint  @8:8    !0    length of an option's data
    ipv6.opt.pad1                protocol @0:8 0     one byte of padding
    ipv6.opt.padn                bytes @16:?   1     padding
    ipv6.opt.tel                 uint  @16:8   4     tunnel encapsulation limit (RFC 2473)
    ipv6.opt.router_alert        uint  @16:16  5     router alert (RFC 2711)
    ipv6.opt.calipso.doi         uint  @16:32  7     domain of interpretation (RFC 5570)
    ipv6.opt.calipso.cmpt.length uint  @48:8   7     length of compartments, in four bytes
    ipv6.opt.calipso.sens_level  uint  @56:8   7     sensitivity level
    ipv6.opt.calipso.checksum    uintx @64:16  7     checksum of a CALIPSO option
    ipv6.opt.calipso.cmpt_bitmap bytes @80:?   7     compartments
    ipv6.opt.pdm.scale_dtlr      uint  @16:8   15    scale of the time since the last packet received (RFC 8250)
    ipv6.opt.pdm.scale_dtls      uint  @24:8   15    scale of the time since the last packet sent
    ipv6.opt.pdm.psn_this_pkt    uint  @32:16  15    number of this packet
    ipv6.opt.pdm.psn_last_recv   uint  @48:16  15    number of the last packet received
    ipv6.opt.pdm.delta_last_recv uint  @64:16  15    time since the last packet received
    ipv6.opt.pdm.delta_last_sent uint  @80:16  15    time since the last packet sent
    ipv6.opt.qs_func             uint  @16:4   38    quick start (RFC 4782): 0 request, 8 report
    ipv6.opt.qs_rate             uint  @20:4   38    if 16:4=0,8 rate that is asked for
    ipv6.opt.qs_ttl              uint  @24:8   38    if 16:4=0 lifetime of the request
    ipv6.opt.qs_unused           uint  @24:8   38    if 16:4=8 unused byte of a report
    ipv6.opt.qs_nonce            uintx @32:30  38    if 16:4=0,8 random number of a quick start
    ipv6.opt.qs_reserved         uintx @62:2   38    if 16:4=0,8 reserved bits of a quick start
    ipv6.opt.pmtu.min            uint  @16:16  48    smallest MTU of the path (RFC 9268)
    ipv6.opt.pmtu.r_flag         bool  @47:1   48    the MTU is to be told back
    ipv6.opt.ilnp_nonce          bytes @16:    139   nonce of ILNP (RFC 6744)
    ipv6.opt.lio.length          uint  @16:8   140   length of a line identification (RFC 6788)
    ipv6.opt.jumbo               uint  @16:32  194   length of a jumbogram (RFC 2675)
    ipv6.opt.mipv6.home_address  ipv6  @16:128 201   home address of a mobile node (RFC 6275)
    ipv6.opt.dff.flags           uintx @16:8   238   flags of depth-first forwarding (RFC 6971)
    ipv6.opt.dff.flag.ver        uint  @16:2   238   version of depth-first forwarding
    ipv6.opt.dff.flag.dup        bool  @18:1   238   duplicate packet
    ipv6.opt.dff.flag.ret        bool  @19:1   238   returned packet
    ipv6.opt.dff.flag.rsv        uintx @20:4   238   reserved flags
    ipv6.opt.dff.sequence_number uint  @24:16  238   sequence number of depth-first forwarding
    ipv6.opt.experimental        bytes @16:    30,62,94,126,158,190,222,254 data of an experimental option
"""
# Addresses that hold others: 6to4 (RFC 3056), ISATAP (RFC 5214), Teredo (RFC 4380), IPv4 behind a translator (RFC 6052).
EMBEDDED_FIELDS = """
    ipv6.{side}6to4_gw_ipv4 ipv4 @16:32  {kind} if 0:16=0x2002 gateway of a 6to4 address
    ipv6.{side}6to4_sla_id  uint @48:16  {kind} if 0:16=0x2002 subnet of a 6to4 address
    ipv6.{side}isatap_ipv4  ipv4 @96:32  {kind} if 64:6=0;72:24=0x5efe IPv4 address in an ISATAP address
    ipv6.{side}ts_ipv4      ipv4 @32:32  {kind} if 0:32=0x20010000 server of a Teredo address
    ipv6.{side}tc_port      uint @80:16~ {kind} if 0:32=0x20010000 port of a Teredo client
    ipv6.{side}tc_ipv4      ipv4 @96:32~ {kind} if 0:32=0x20010000 address of a Teredo client
    ipv6.{side}embed_ipv4   ipv4 @96:32  {kind} if 0:32=0x64ff9b;32:32=0;64:32=0 IPv4 address behind a translator
"""


def scaled(at: tuple[int, int], layer: Layer, factor: int) -> Make:
    """A number that the header gives in units of `factor`."""

    def make(table: PacketTable, field: Field) -> Column:
        stops = table.structure.cell(Cell.STOP) if layer == Layer.TCP else table.stops(layer)
        column = load(field, Place(*at, False), table.batch.buffer, table.structure.layer(layer), stops)
        return Column(field, column.values * np.uint8(factor), column.present)  # 60 at most

    return make


def version(table: PacketTable, field: Field) -> Column:
    """The version that IP headers give; Wireshark shows IPv6's under this name as well."""
    structure = table.structure
    starts = np.stack((structure.layer(Layer.IP), structure.layer(Layer.IPV6)), axis=1).ravel()
    rows = np.repeat(np.arange(table.rows), 2)
    column = load(field, Place(0, 4, False), table.batch.buffer, starts, structure.cell(Cell.STOP)[rows])
    values, chosen = column.flat()
    return ragged(field, values, rows[chosen], table.rows)


def list_options(table: PacketTable) -> Found:
    """Options of IPv4 headers (RFC 791 3.1)."""
    begins = table.structure.layer(Layer.IP)
    if not kernels.has_ip_options(table.batch.buffer, begins, table.stops(Layer.IP)):
        return np.zeros((0, 4), np.int64)
    lengths = table.own("ip.hdr_len")
    rows = np.flatnonzero(lengths.values > 20)
    starts = begins[rows]
    stops = np.minimum(starts + lengths.values[rows].astype(np.int32), table.stops(Layer.IP)[rows])
    return walked(table, spans_of(rows, np.zeros_like(rows), starts + 20, stops), Shape(singles=1, ends=1))


ip_options = kept("options of IPv4", list_options)


def list_routes_under_way(table: PacketTable) -> Found:
    """Source route options whose pointer names one of their addresses, so that the header's receiver is the next stop."""
    options = ip_options(table)
    pointers, _ = bits(table, options, Place(16, 8, False))
    valid = (pointers >= 4) & (pointers % 4 == 0) & (pointers <= options[:, LENGTH])
    return among(options, np.isin(options[:, KIND], (LOOSE_ROUTE, STRICT_ROUTE)) & valid)


def list_routes(table: PacketTable) -> Found:
    """Addresses of route options (RFC 791 3.1); their kind is what an address is: TRAVELLED, PLANNED, EMPTY or FINAL."""
    options = ip_options(table)
    pointers, _ = bits(table, options, Place(16, 8, False))
    used = np.isin(options[:, KIND], ROUTES) & (pointers >= 4) & (pointers % 4 == 0)
    found = parts_of(options[used], ROUTES, 3, 4)
    number = np.searchsorted(options[:, START], found[:, START], side="right") - 1
    stops = options[number, START] + options[number, LENGTH]
    place, pointer = found[:, START] - options[number, START] + 1, pointers[number]
    is_record = found[:, KIND] == RECORD_ROUTE
    is_last = found[:, START] + 4 == stops
    travelled = (pointer > options[number, LENGTH]) | (place < pointer)
    kinds = np.where(travelled, TRAVELLED, np.where(is_record, EMPTY, PLANNED))
    found[:, KIND] = np.where(~is_record & is_last & (pointer <= options[number, LENGTH]), FINAL, kinds)
    return found


ip_routes = kept("routes of IPv4", list_routes)


def list_timestamps(table: PacketTable) -> Found:
    """Entries of timestamp options (RFC 791 3.1); their kind is their size: 4 bytes, or 8 with an address."""
    options = ip_options(table)
    flags, _ = bits(table, options, Place(28, 4, False))
    has_address = np.isin(flags, (1, 3))
    parts = [parts_of(options[has_address == (size == 8)], (TIMESTAMP,), 4, size) for size in (4, 8)]
    found = np.concatenate(parts)
    found[:, KIND] = found[:, LENGTH]
    return among(found, np.argsort(found[:, START], kind="stable"))


def broadcast_padding(table: PacketTable, field: Field) -> Column:
    """What is left of a selective directed broadcast that is no whole address."""
    found = ip_options(table)
    found = found[(found[:, KIND] == BROADCAST) & (found[:, LENGTH] % 4 != 2)]
    stops = found[:, START] + found[:, LENGTH]
    spans = np.stack((stops - (found[:, LENGTH] - 2) % 4, stops), axis=1)
    return ragged(field, spans, found[:, ROW], table.rows, table.batch.buffer)


def list_security(table: PacketTable) -> Found:
    """Security options; their kind is 1 for the format of RFC 791, 0 for that of RFC 1108."""
    options = ip_options(table)
    found: Found = options[options[:, KIND] == SECURITY]
    levels, _ = bits(table, found, Place(16, 16, False))
    found[:, KIND] = (found[:, LENGTH] == 11) & np.isin(levels, RFC791_LEVELS)
    return found


ip_security = kept("security of IPv4", list_security)


def list_authorities(table: PacketTable) -> Found:
    """Bytes of protection authority flags (RFC 1108 2.4): each says whether another one follows. Kind 0 is the first."""
    options = ip_security(table)
    found = parts_of(options, (0,), 3, 1)
    option = np.searchsorted(options[:, START], found[:, START], side="right") - 1
    found[:, KIND] = np.diff(option, prepend=-1) == 0
    ends = np.cumsum(table.batch.buffer[found[:, START]] & 1 == 0)
    ends_before = np.concatenate(([0], ends[:-1])) if len(ends) else ends
    first = np.flatnonzero(found[:, KIND] == 0)
    return among(found, ends_before == np.repeat(ends_before[first], np.diff(first, append=len(found))))


def list_extensions(table: PacketTable) -> Found:
    """Extension headers of IPv6 (RFC 8200 4)."""
    structure = table.structure
    found = np.zeros((256, 4), np.int64)
    arrays = structure.layer(Layer.IPV6_EXT), structure.cell(Cell.STOP), structure.layer(Layer.IPV6)
    while (count := kernels.walk_extensions(table.batch.buffer, *arrays, found)) > len(found):  # per growth
        found = np.zeros((count, 4), np.int64)
    return found[:count]


extensions = kept("extensions of IPv6", list_extensions)


def list_ipv6_options(table: PacketTable) -> Found:
    """Options of hop-by-hop and destination headers (RFC 8200 4.2)."""
    spans = extensions(table)
    spans = behind(spans[np.isin(spans[:, KIND], (HOP_BY_HOP, DESTINATION))], 2)
    return within_row(table, walked(table, spans, Shape(added=2, singles=0, overruns=True)))


ipv6_options = kept("options of IPv6", list_ipv6_options)


def list_ipv6_routes(table: PacketTable) -> Found:
    """Addresses of routing headers; their kind is the header's type."""
    headers = extensions(table)
    headers = headers[headers[:, KIND] == ROUTING]
    types, _ = bits(table, headers, Place(16, 8, False))
    lasts, _ = bits(table, headers, Place(32, 8, False))
    headers[:, KIND] = types
    most = np.where(types == SEGMENT_ROUTING, 8 + 16 * (lasts + 1), headers[:, LENGTH])
    headers[:, LENGTH] = np.minimum(headers[:, LENGTH], most)
    return parts_of(headers, (SOURCE_ROUTING, SEGMENT_ROUTING), 8, 16)


def list_ipv6_addresses(table: PacketTable) -> Found:
    """Both addresses of IPv6 headers: kind 0 is the sender's, 1 the receiver's."""
    structure = table.structure
    rows = np.flatnonzero(table.own("ipv6.dst").present)  # type: ignore[arg-type]
    starts = structure.layer(Layer.IPV6)[rows].astype(np.int64)
    found = np.zeros((2 * len(rows), 4), np.int64)
    found[:, ROW], found[:, LENGTH] = np.repeat(rows, 2), 16
    found[::2, START], found[1::2, START] = starts + 8, starts + 24
    found[1::2, KIND] = 1
    return found


ipv6_addresses = kept("addresses of IPv6", list_ipv6_addresses)


def slaac_mac(kind: int) -> Make:
    """The MAC address in an address made of one (RFC 4291, appendix A): its first byte's second bit turned, ff:fe taken out."""

    def make(table: PacketTable, field: Field) -> Column:
        found = ipv6_addresses(table)
        found = found[found[:, KIND] == kind]
        (high, _), (middle, _), (low, _) = (
            bits(table, found, Place(*place, False)) for place in ((64, 24), (88, 16), (104, 24))
        )
        chosen = middle == 0xFFFE
        return ragged(
            field, (high << 24 | low).astype(np.uint64)[chosen] ^ np.uint64(1 << 41), found[chosen, ROW], table.rows
        )

    return make


def returned_mtu(table: PacketTable, field: Field) -> Column:
    """The returned MTU of a path MTU option, in which the last bit is a flag of its own."""
    found = ipv6_options(table)
    found = found[(found[:, KIND] == PATH_MTU) & (found[:, LENGTH] >= 6)]
    values, _ = bits(table, found, Place(32, 16, False))
    return ragged(field, (values & 0xFFFE).astype(np.uint16), found[:, ROW], table.rows)


def sent_stops(table: PacketTable) -> NDArray[np.int64]:
    """Where each row's packet ends, int64[rows], counted on the wire: behind STOP where the capture cut it short."""
    structure, batch = table.structure, table.batch
    stops = structure.cell(Cell.STOP).astype(np.int64)
    missing = batch.wire_lengths - (batch.stops - batch.starts)
    if not missing.any():
        return stops
    packets = structure.packet
    cut = (stops == batch.stops[packets]) & (missing[packets] > 0) & ~structure.is_quoted
    ends = np.where(cut, stops + missing[packets], stops)
    for layer, name, added in ((Layer.IP, "ip.len", 0), (Layer.IPV6, "ipv6.plen", 40)):  # per version of IP
        starts = structure.layer(layer)
        length = load(table.fields[name].field, Place(*LENGTHS[name], False), batch.buffer, starts, table.stops(layer))
        says = cut & (length.values > 0)
        ends = np.where(says, np.minimum(ends, starts + added + length.values), ends)
    inner = np.flatnonzero(structure.outer >= 0)
    for _ in range(MOST_DEEP):  # per layer of tunnels
        ends[inner] = np.minimum(ends[inner], ends[structure.outer[inner]])
    return ends


def total_length(table: PacketTable, field: Field) -> Column:
    """The length that the header gives, or that of the packet."""
    starts = table.structure.layer(Layer.IP)
    column = load(field, Place(*LENGTHS["ip.len"], False), table.batch.buffer, starts, table.stops(Layer.IP))
    unsaid = np.flatnonzero(column.values == 0)
    if len(unsaid):
        column.values[unsaid] = np.clip(sent_stops(table)[unsaid] - starts[unsaid], 0, 0xFFFF)
    return column


def next_destination(table: PacketTable, field: Field) -> Column:
    """The receiver that the header names."""
    starts = table.structure.layer(Layer.IP)
    return load(field, Place(128, 32, False), table.batch.buffer, starts, table.stops(Layer.IP))


def final_destination(table: PacketTable, field: Field) -> Column:
    """The receiver: of a packet with a source route under way, the route's last address."""
    column = next_destination(table, field)
    if not len(ip_options(table)):
        return column
    assert column.present is not None
    found = ip_routes(table)
    column.present[list_routes_under_way(table)[:, ROW]] = False
    found = found[found[:, KIND] == FINAL]
    column.values[found[:, ROW]] = bits(table, found, Place(0, 32, False))[0]
    column.present[found[:, ROW]] = True
    return column


def current_route(table: PacketTable, field: Field) -> Column:
    """The next stop of a source routed packet, which stands in the header in place of the receiver."""
    rows = np.unique(list_routes_under_way(table)[:, ROW])
    return ragged(field, next_destination(table, field).values[rows], rows, table.rows)


def ttl_difference(options: Walk, kind: int, lifetime: str) -> Make:
    """How much the lifetime and a quick start option's own have moved apart, modulo 256."""

    def make(table: PacketTable, field: Field) -> Column:
        found = options(table)
        values, present = bits(table, found, Place(16, 16, False))
        chosen = np.flatnonzero((found[:, KIND] == kind) & present & (values >> 12 == 0))
        rows = found[chosen, ROW]
        values = table.own(lifetime).values.astype(np.int64)[rows] - (values[chosen] & 0xFF)
        return ragged(field, (values & 0xFF).astype(np.uint8), rows, table.rows)

    return make


def octets(kind: int) -> Make:
    """Length in bytes of every extension header of a kind."""

    def make(table: PacketTable, field: Field) -> Column:
        found = extensions(table)
        found = found[found[:, KIND] == kind]
        return ragged(field, found[:, LENGTH].astype(np.uint16), found[:, ROW], table.rows)

    return make


FIELDS: tuple[PacketField, ...] = (
    made("ip", "protocol", "the packet is IPv4", presence(Layer.IP)),
    made("ip.version", "uint", "4 or 6", version),
    made("ip.hdr_len", "uint", "length of the header", scaled((4, 4), Layer.IP, 4), unit="B"),
    *header(Layer.IP, """
        ip.dsfield       uintx IP.tos          differentiated services field
        ip.dsfield.dscp  uint  IP.tos[0:6]     differentiated services code point
        ip.dsfield.ecn   uint  IP.tos[6:8]     explicit congestion notification
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
    """, {"ip.proto": PROTOCOLS}),
    made("ip.len", "uint", "total length; where the header says 0, as offloaded packets do, what there is", total_length, unit="B", scapy="IP.len"),
    made("ip.dst", "ipv4", "address of the receiver, the last of a source route", final_destination, scapy="IP.dst"),
    made("ip.addr", "ipv4", "address of either side", both("ip.src", "ip.dst")),
    made("ip.cur_rt", "ipv4", "next stop of a source route, which the header names as receiver", current_route),
    *listed(ip_options, IP_OPTION_FIELDS),
    *listed(ip_security, SECURITY_FIELDS),
    *listed(kept("authorities of IPv4", list_authorities), AUTHORITY_FIELDS),
    *listed(ip_routes, ROUTE_FIELDS),
    *listed(kept("timestamps of IPv4", list_timestamps), TIMESTAMP_FIELDS),
    *listed(repeated("addresses of IPv4 broadcasts", ip_options, (BROADCAST,), 2, 4), BROADCAST_FIELDS),
    made("ip.opt.padding", "bytes", "bytes behind the last address of a selective directed broadcast", broadcast_padding),
    made("ip.opt.qs_ttl_diff", "uint", "how far the two lifetimes of a quick start have moved apart", ttl_difference(ip_options, QUICK_START, "ip.ttl")),
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
    *listed(extensions, EXTENSION_FIELDS),
    made("ipv6.hopopts.len_oct", "uint", "length of hop-by-hop options", octets(HOP_BY_HOP), unit="B"),
    made("ipv6.dstopts.len_oct", "uint", "length of destination options", octets(DESTINATION), unit="B"),
    made("ipv6.routing.len_oct", "uint", "length of a routing header", octets(ROUTING), unit="B"),
    *listed(ipv6_options, IPV6_OPTION_FIELDS),
    made("ipv6.opt.qs_ttl_diff", "uint", "how far the two lifetimes of a quick start have moved apart", ttl_difference(ipv6_options, IPV6_QUICK_START, "ipv6.hlim")),
    made("ipv6.opt.pmtu.rtn", "uint", "MTU that is told back (RFC 9268), its last bit left out", returned_mtu, unit="B"),
    *listed(kept("addresses of IPv6 routes", list_ipv6_routes), ROUTING_FIELDS),
    *listed(ipv6_addresses, "".join(EMBEDDED_FIELDS.format(side=side, kind=kind) for side, kind in (("src_", "0"), ("dst_", "1"), ("", "*")))),
    *listed(ipv6_addresses, "ipv6.embed_ipv4_prefix bytes @0:96 * if 0:32=0x64ff9b;32:32=0;64:32=0 prefix of a translator"),
    made("ipv6.src_slaac_mac", "ether", "MAC address that the sender's address is made of", slaac_mac(0)),
    made("ipv6.dst_slaac_mac", "ether", "MAC address that the receiver's address is made of", slaac_mac(1)),
    made("ipv6.slaac_mac", "ether", "MAC address that either side's address is made of", both("ipv6.src_slaac_mac", "ipv6.dst_slaac_mac")),
)  # fmt: skip
