"""Fields of ICMP, ICMPv6 and IGMP. Headers that an error quotes are further values of ip.*, tcp.* and so on.

A message is an item whose kind is its type, so that one table says what lies where in which of them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.columns import Array, Column, Field
from detector.packets.header import Make, PacketField, header, made, presence, ragged
from detector.packets.items import (
    KIND,
    LENGTH,
    ROW,
    START,
    Found,
    Shape,
    among,
    behind,
    bits,
    kept,
    listed,
    messages,
    parts_of,
    repeated,
    walked,
    within_row,
)
from detector.packets.load import Place
from detector.packets.rows import Layer
from detector.packets.table import PacketTable

TYPES_4 = {0: "Echo (ping) reply", 3: "Destination unreachable", 4: "Source quench", 5: "Redirect", 8: "Echo (ping) request",
           9: "Router advertisement", 10: "Router solicitation", 11: "Time-to-live exceeded", 12: "Parameter problem",
           13: "Timestamp request", 14: "Timestamp reply", 17: "Address mask request", 18: "Address mask reply",
           42: "Extended echo request", 43: "Extended echo reply"}  # fmt: skip
TYPES_6 = {1: "Destination Unreachable", 2: "Packet Too Big", 3: "Time Exceeded", 4: "Parameter Problem", 128: "Echo (ping) request",
           129: "Echo (ping) reply", 130: "Multicast Listener Query", 131: "Multicast Listener Report", 132: "Multicast Listener Done",
           133: "Router Solicitation", 134: "Router Advertisement", 135: "Neighbor Solicitation", 136: "Neighbor Advertisement",
           137: "Redirect", 138: "Router Renumbering", 143: "Multicast Listener Report Message v2", 151: "Multicast Router Advertisement",
           160: "Extended Echo Request", 161: "Extended Echo Reply"}  # fmt: skip
ROUTER_ADVERTISEMENT, EXTENDED_ECHO_REQUESTS = 9, (42, 160)
LISTENER_QUERY, LISTENER_REPORT_2 = 130, 143
OPTIONS_AT = {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}  # where options begin in messages of neighbour discovery
QUOTED_BYTES = 128  # of a quoted packet that does not say how long it is (RFC 4884 5.1)

# RFC 792, 950, 1256, 4884, 8335.
MESSAGE_FIELDS = """
    icmp.type                    uint  @0:8     *            type
    icmp.code                    uint  @8:8     *            code
    icmp.checksum                uintx @16:16   *            checksum
    icmp.unused                  bytes @32:32   3            if 40:8=0;8:8!=4 unused bytes
    icmp.unused                  bytes @32:16   3            if 40:8=0;8:8=4 unused bytes
    icmp.unused                  bytes @32:32   11           if 40:8=0 unused bytes
    icmp.unused                  bytes @40:24   12           if 40:8=0 unused bytes
    icmp.unused                  bytes @32:8    3,11         if 40:8!=0 unused bytes
    icmp.unused                  bytes @48:16   3            if 40:8!=0;8:8!=4 unused bytes
    icmp.unused                  bytes @48:16   11,12        if 40:8!=0 unused bytes
    icmp.length                  uint  @40:8    3,11,12      if 40:8!=0 length of the quoted packet, in four bytes
    icmp.mtu                     uint  @48:16   3            if 8:8=4 largest size of the next hop
    icmp.redir_gw                ipv4  @32:32   5            gateway of a redirect
    icmp.pointer                 uint  @32:8    12           place of the mistake in the quoted packet
    icmp.ident                   uint  @32:16   0,8,13,14,15,16,17,18,42,43 identifier
    icmp.ident_le                uint  @32:16le 0,8,13,14,15,16,17,18,42,43 identifier, read as little-endian
    icmp.seq                     uint  @48:16   0,8,13,14,15,16,17,18 sequence number
    icmp.seq_le                  uint  @48:16le 0,8,13,14,15,16,17,18 sequence number, read as little-endian
    icmp.originate_timestamp     uint  @64:32   13,14        when the request was sent, milliseconds since midnight UTC
    icmp.receive_timestamp       uint  @96:32   13,14        when the request was received
    icmp.transmit_timestamp      uint  @128:32  13,14        when the reply was sent
    icmp.address_mask            ipv4  @64:32   17,18        subnet mask
    icmp.num_addrs               uint  @32:8    9            addresses that a router tells
    icmp.addr_entry_size         uint  @40:8    9            words of each address
    icmp.lifetime                uint  @48:16   9            for how long the addresses hold, seconds
    icmp.ext.echo.seq            uint  @48:8    42,43        sequence number of an extended echo
    icmp.ext.echo.req.res        uintx @56:7    42           reserved bits of a request
    icmp.ext.echo.req.local      bool  @63:1    42           the interface belongs to the node that is asked
    icmp.ext.echo.rsp.state      uint  @56:3    43           state of the interface
    icmp.ext.echo.rsp.res        uintx @59:2    43           reserved bits of a reply
    icmp.ext.echo.rsp.active     bool  @61:1    43           the interface is up
    icmp.ext.echo.rsp.ipv4       bool  @62:1    43           IPv4 runs on the interface
    icmp.ext.echo.rsp.ipv6       bool  @63:1    43           IPv6 runs on the interface
"""
ROUTER_FIELDS = """
    icmp.router_address          ipv4  @0:32    *            address of a router
    icmp.pref_level              int   @32:32   *            how much a router is to be preferred
"""
EXTENSION_FIELDS = """
    icmp.ext                     protocol @0:0  *            the error has extensions (RFC 4884)
    icmp.ext.version             uint  @0:4     *            version of extensions
    icmp.ext.res                 uintx @4:12    *            reserved bits of extensions
    icmp.ext.checksum            uintx @16:16   *            checksum of extensions
"""
# RFC 4884 7, RFC 4950 (labels), RFC 5837 (interface information).
OBJECT_FIELDS = """
    icmp.ext.length              uint  @0:16    *            length of an extension object
    icmp.ext.class               uint  @16:8    *            class of an extension object: 1 labels, 2 interface, 3 interface that is asked for
    icmp.ext.ctype               uint  @24:8    *            type of an extension object
    icmp.int_info.role           uint  @24:2    2            role of an interface
    icmp.int_info.reserved       uint  @26:2    2            reserved bits of interface information
    icmp.int_info.ifindex        bool  @28:1    2            the interface's index is told
    icmp.int_info.ipaddr         bool  @29:1    2            the interface's address is told
    icmp.int_info.name_present   bool  @30:1    2            the interface's name is told
    icmp.int_info.mtu_present    bool  @31:1    2            the interface's MTU is told
"""
LABEL_FIELDS = """
    icmp.mpls.label              uint  @0:20    *            MPLS label of the packet that was dropped
    icmp.mpls.exp                uint  @20:3    *            traffic class of a label
    icmp.mpls.s                  bool  @23:1    *            last label of the stack
    icmp.mpls.ttl                uint  @24:8    *            lifetime of a label
"""
# RFC 4443, 4861, 2710, 3810, 4286, 2894, 8335.
MESSAGE_FIELDS_6 = """
    icmpv6.type                  uint  @0:8     *            type
    icmpv6.code                  uint  @8:8     *            code
    icmpv6.checksum              uintx @16:16   *            checksum
    icmpv6.reserved              bytes @32:32   1,3,133,135,137 reserved bytes
    icmpv6.reserved              bytes @48:16   130,131,132  reserved bytes
    icmpv6.reserved              bytes @32:16   143          reserved bytes
    icmpv6.reserved              bytes @96:32   138          reserved bytes
    icmpv6.mtu                   uint  @32:32   2            largest size of the next hop
    icmpv6.pointer               uint  @32:32   4            place of the mistake in the quoted packet
    icmpv6.echo.identifier       uintx @32:16   128,129,160,161 identifier
    icmpv6.echo.sequence_number  uint  @48:16   128,129      sequence number
    icmpv6.ext.echo.seq          uint  @48:8    160,161      sequence number of an extended echo
    icmpv6.ext.echo.req.res      uintx @56:7    160          reserved bits of a request
    icmpv6.ext.echo.req.local    bool  @63:1    160          the interface belongs to the node that is asked
    icmpv6.ext.echo.rsp.state    uint  @56:3    161          state of the interface
    icmpv6.ext.echo.rsp.res      uintx @59:2    161          reserved bits of a reply
    icmpv6.ext.echo.rsp.active   bool  @61:1    161          the interface is up
    icmpv6.ext.echo.rsp.ipv4     bool  @62:1    161          IPv4 runs on the interface
    icmpv6.ext.echo.rsp.ipv6     bool  @63:1    161          IPv6 runs on the interface
    icmpv6.nd.ra.cur_hop_limit   uint  @32:8    134          hop limit that a router tells
    icmpv6.nd.ra.flag            uintx @40:8    134          flags of a router advertisement
    icmpv6.nd.ra.flag.m          bool  @40:1    134          addresses come from DHCP
    icmpv6.nd.ra.flag.o          bool  @41:1    134          other configuration comes from DHCP
    icmpv6.nd.ra.flag.h          bool  @42:1    134          the router is a home agent
    icmpv6.nd.ra.flag.prf        uint  @43:2    134          preference: 0 medium, 1 high, 3 low
    icmpv6.nd.ra.flag.p          bool  @45:1    134          told on behalf of another router
    icmpv6.nd.ra.flag.rsv        uint  @46:2    134          reserved flags
    icmpv6.nd.ra.router_lifetime uint  @48:16   134          for how long it is a default router, seconds
    icmpv6.nd.ra.reachable_time  uint  @64:32   134          for how long a neighbour is taken to be reachable, milliseconds
    icmpv6.nd.ra.retrans_timer   uint  @96:32   134          time between solicitations, milliseconds
    icmpv6.nd.ns.target_address  ipv6  @64:128  135          address that is looked for
    icmpv6.nd.na.target_address  ipv6  @64:128  136          address that is told
    icmpv6.nd.na.flag            uintx @32:32   136          flags of a neighbour advertisement
    icmpv6.nd.na.flag.r          bool  @32:1    136          the sender is a router
    icmpv6.nd.na.flag.s          bool  @33:1    136          the answer was asked for
    icmpv6.nd.na.flag.o          bool  @34:1    136          overrides what is known
    icmpv6.nd.na.flag.rsv        uint  @35:29   136          reserved flags
    icmpv6.nd.rd.target_address  ipv6  @64:128  137          better first hop
    icmpv6.rd.na.destination_address ipv6 @192:128 137       address that is redirected
    icmpv6.mld.maximum_response_delay uint @32:16 131,132    longest response delay
    icmpv6.mld.maximum_response_delay uint @32:16 130        if len=24 longest response delay
    icmpv6.mld.maximum_response_code uint @32:16 130         if len>=28 longest response delay, as a code
    icmpv6.mld.multicast_address ipv6  @64:128  130,131,132  multicast group
    icmpv6.mld.flag              uintx @192:8   130          if len>=28 flags of a query
    icmpv6.mld.flag.s            bool  @196:1   130          if len>=28 routers are not to process it
    icmpv6.mld.flag.qrv          uint  @197:3   130          if len>=28 robustness of the querier
    icmpv6.mld.flag.reserved     uint  @192:4   130          if len>=28 reserved flags
    icmpv6.mld.qqi               uint  @200:8   130          if len>=28 interval of the querier, seconds
    icmpv6.mld.nb_sources        uint  @208:16  130          if len>=28 number of sources
    icmpv6.mldr.nb_mcast_records uint  @48:16   143          number of multicast records
    icmpv6.mcast_ra.query_interval uint @32:16  151          interval of queries
    icmpv6.mcast_ra.robustness_variable uint @48:16 151      robustness
    icmpv6.rr.sequence_number    uint  @32:32   138          sequence number of router renumbering
    icmpv6.rr.segment_number     uint  @64:8    138          segment number
    icmpv6.rr.flag               uintx @72:8    138          flags of router renumbering
    icmpv6.rr.flag.t             bool  @72:1    138          a test
    icmpv6.rr.flag.r             bool  @73:1    138          a result is asked for
    icmpv6.rr.flag.a             bool  @74:1    138          for all interfaces
    icmpv6.rr.flag.s             bool  @75:1    138          for this site
    icmpv6.rr.flag.p             bool  @76:1    138          processed before
    icmpv6.rr.flag.rsv           uint  @77:3    138          reserved flags
    icmpv6.rr.maxdelay           uint  @80:16   138          longest delay, milliseconds
"""
# RFC 4861 4.6, 4191, 8106, 3971, 6275, 5175, 8910, 8781.
OPTION_FIELDS = """
    icmpv6.opt                   protocol @0:16 *            the message has an option
    icmpv6.opt.type              uint  @0:8     *            type of each option
    icmpv6.opt.length            uint  @8:8     *            length of each option, in eight bytes
    icmpv6.opt.linkaddr          bytes @16:     1,2          link-layer address
    icmpv6.opt.src_linkaddr      bytes @16:     1            link-layer address of the sender
    icmpv6.opt.target_linkaddr   bytes @16:     2            link-layer address of the target
    icmpv6.opt.prefix.length     uint  @16:8    3,24         bits of a prefix
    icmpv6.opt.prefix.flag       uintx @24:8    3            flags of a prefix
    icmpv6.opt.prefix.flag.l     bool  @24:1    3            the prefix is on the link
    icmpv6.opt.prefix.flag.a     bool  @25:1    3            addresses may be made of the prefix
    icmpv6.opt.prefix.flag.r     bool  @26:1    3            the prefix is a router's address
    icmpv6.opt.prefix.flag.reserved uint @27:5  3            reserved flags
    icmpv6.opt.prefix.valid_lifetime uint @32:32 3           for how long a prefix holds, seconds
    icmpv6.opt.prefix.preferred_lifetime uint @64:32 3       for how long addresses of a prefix are preferred, seconds
    icmpv6.opt.prefix            ipv6  @128:128 3            prefix
    icmpv6.opt.prefix            ipv6  @64:64   24           if len=16 prefix
    icmpv6.opt.prefix            ipv6  @64:128  24           if len=24 prefix
    icmpv6.opt.reserved          protocol @16:32 3           reserved bytes
    icmpv6.opt.reserved          protocol @16:48 4           reserved bytes
    icmpv6.opt.reserved          protocol @16:16 5,7,8,12,25,31 reserved bytes
    icmpv6.opt.reserved          protocol @32:32 26          reserved bytes
    icmpv6.opt.redirected_packet protocol @64:8 4            part of the packet that is redirected
    icmpv6.opt.mtu               uint  @32:32   5            MTU of the link
    icmpv6.opt.advertisement_interval uint @32:32 7          interval of advertisements, milliseconds
    icmpv6.opt.home_agent_preference uint @32:16 8           preference of a home agent
    icmpv6.opt.home_agent_lifetime uint @48:16  8            for how long it is a home agent, seconds
    icmpv6.opt.nonce             bytes @16:     14           nonce
    icmpv6.opt.route_info.flag   uintx @24:8    24           flags of a route
    icmpv6.opt.route_info.flag.route_preference uint @27:2 24 preference of a route: 0 medium, 1 high, 3 low
    icmpv6.opt.route_lifetime    uint  @32:32   24           for how long a route holds, seconds
    icmpv6.opt.rdnss.lifetime    uint  @32:32   25           for how long a name server is used, seconds
    icmpv6.opt.efo               uintx @16:16   26           extended flags
    icmpv6.opt.efo.m             bool  @16:1    26           addresses come from DHCP
    icmpv6.opt.efo.o             bool  @17:1    26           other configuration comes from DHCP
    icmpv6.opt.efo.h             bool  @18:1    26           the router is a home agent
    icmpv6.opt.efo.prf           uint  @19:2    26           preference
    icmpv6.opt.efo.p             bool  @21:1    26           told on behalf of another router
    icmpv6.opt.efo.rsv           uint  @22:10   26           reserved flags
    icmpv6.opt.dnssl.lifetime    uint  @32:32   31           for how long a domain is searched, seconds
    icmpv6.opt.pref64.scaled_lifetime uint @16:13 38         for how long a prefix of a translator holds, in eight seconds
    icmpv6.opt.pref64.plc        uintx @29:3    38           code of the length of a translator's prefix
"""
RECORD_FIELDS = """
    icmpv6.mldr.mar              protocol @0:8  *            the report has a multicast record
    icmpv6.mldr.mar.record_type  uint  @0:8     *            type of a multicast record
    icmpv6.mldr.mar.aux_data_len uint  @8:8     *            length of auxiliary data, in four bytes
    icmpv6.mldr.mar.nb_sources   uint  @16:16   *            number of sources
    icmpv6.mldr.mar.multicast_address ipv6 @32:128 *         multicast group of a record
"""


def derived(name: str, change: Callable[[Array], Array]) -> Make:
    """Another field's values, changed."""

    def make(table: PacketTable, field: Field) -> Column:
        values, rows = table.own(name).flat()
        return ragged(field, change(values.astype(np.uint16)), rows, table.rows)

    return make


icmp_messages, icmpv6_messages = messages(Layer.ICMP), messages(Layer.ICMPV6)


def list_routers(table: PacketTable) -> Found:
    """Addresses of router advertisements (RFC 1256): as many as they say, where each is two words."""
    found = icmp_messages(table)
    counts, sizes = (bits(table, found, Place(offset, 8, False))[0] for offset in (32, 40))
    found = np.copy(found)
    found[:, LENGTH] = np.minimum(found[:, LENGTH], np.where(sizes == 2, 8 + 8 * counts, 0))
    return parts_of(found, (ROUTER_ADVERTISEMENT,), 8, 8)


def list_extensions(table: PacketTable) -> Found:
    """Extension structures of errors (RFC 4884 7): behind the quoted packet, or behind 128 bytes where those hold all of it.

    And of extended echo requests (RFC 8335 2).
    """
    found = np.copy(icmp_messages(table))
    words, _ = bits(table, found, Place(40, 8, False))
    lengths, _ = bits(table, found, Place(80, 16, False))
    is_error = np.isin(found[:, KIND], (3, 11, 12))
    skip = np.where(words > 0, 8 + 4 * words, 8 + QUOTED_BYTES)
    holds = is_error & ((words > 0) | (lengths <= QUOTED_BYTES))
    found[:, START] += skip
    found[:, LENGTH] -= skip
    requests = [behind(walk(table), 8) for walk in (icmp_messages, icmpv6_messages)]
    requests = [one[np.isin(one[:, KIND], EXTENDED_ECHO_REQUESTS)] for one in requests]
    found = np.concatenate((found[holds], requests[0]))
    found = np.concatenate((found[found[:, LENGTH] > 0], requests[1]))
    return among(found, np.argsort(found[:, ROW], kind="stable"))


def list_objects(table: PacketTable) -> Found:
    """Objects of extension structures; their kind is their class."""
    return walked(table, behind(icmp_extensions(table), 4), Shape(kind_at=2, length_at=0, length_bytes=2, least=4))


icmp_extensions = kept("extensions of ICMP", list_extensions)
icmp_objects = kept("objects of ICMP", list_objects)


def list_options(table: PacketTable) -> Found:
    """Options of neighbour discovery (RFC 4861 4.6)."""
    found = icmpv6_messages(table)
    found = found[np.isin(found[:, KIND], tuple(OPTIONS_AT))]
    skip = np.array(
        [OPTIONS_AT[kind] for kind in found[:, KIND].tolist()], np.int64
    )  # per message of neighbour discovery
    found[:, START] += skip
    found[:, LENGTH] -= skip
    return within_row(table, walked(table, found, Shape(unit=8, least=8, keeps_short=True, overruns=True)))


icmpv6_options = kept("options of ICMPv6", list_options)


def list_records(table: PacketTable) -> Found:
    """Records of multicast listener reports (RFC 3810 5.2): a group, its sources, auxiliary data."""
    found = icmpv6_messages(table)
    spans = behind(found[found[:, KIND] == LISTENER_REPORT_2], 8)
    return walked(table, spans, Shape(unit=4, added=20, count_at=2, count_unit=16, least=20))


icmpv6_records = kept("records of ICMPv6", list_records)


def list_record_sources(table: PacketTable) -> Found:
    """Sources of records."""
    found = np.copy(icmpv6_records(table))
    counts, _ = bits(table, found, Place(16, 16, False))
    found[:, KIND], found[:, LENGTH] = 0, 20 + 16 * counts
    return parts_of(found, (0,), 20, 16)


def list_query_sources(table: PacketTable) -> Found:
    """Sources of a listener query (RFC 3810 5.1)."""
    found = np.copy(icmpv6_messages(table))
    counts, _ = bits(table, found, Place(208, 16, False))
    found[:, LENGTH] = np.minimum(found[:, LENGTH], 28 + 16 * counts)
    return parts_of(found, (LISTENER_QUERY,), 28, 16)


def auxiliary_data(table: PacketTable, field: Field) -> Column:
    """What a record holds behind its sources."""
    found = icmpv6_records(table)
    counts, _ = bits(table, found, Place(16, 16, False))
    starts, stops = found[:, START] + 20 + 16 * counts, found[:, START] + found[:, LENGTH]
    has = starts < stops
    return ragged(field, np.stack((starts, stops), axis=1)[has], found[has, ROW], table.rows, table.batch.buffer)


FIELDS: tuple[PacketField, ...] = (
    made("icmp", "protocol", "the packet is ICMP", presence(Layer.ICMP)),
    *listed(icmp_messages, MESSAGE_FIELDS, {"icmp.type": TYPES_4}),
    made("icmp.length.original_datagram", "uint", "length of the quoted packet", derived("icmp.length", lambda words: words * 4), unit="B"),
    *listed(kept("routers of ICMP", list_routers), ROUTER_FIELDS),
    *listed(icmp_extensions, EXTENSION_FIELDS),
    *listed(icmp_objects, OBJECT_FIELDS),
    *listed(repeated("labels of ICMP", icmp_objects, (1,), 4, 4), LABEL_FIELDS),
    made("icmpv6", "protocol", "the packet is ICMPv6", presence(Layer.ICMPV6)),
    *listed(icmpv6_messages, MESSAGE_FIELDS_6, {"icmpv6.type": TYPES_6}),
    *listed(kept("sources of ICMPv6 queries", list_query_sources), "icmpv6.mld.source_address ipv6 @0:128 * source that is asked for"),
    *listed(icmpv6_options, OPTION_FIELDS),
    made("icmpv6.opt.route_info.flag.reserved", "uint", "reserved flags of a route",
         derived("icmpv6.opt.route_info.flag", lambda flags: flags & 0xE7)),
    *listed(repeated("name servers of ICMPv6", icmpv6_options, (25,), 8, 16), "icmpv6.opt.rdnss ipv6 @0:128 * name server"),
    *listed(icmpv6_records, RECORD_FIELDS),
    *listed(kept("sources of ICMPv6 records", list_record_sources), "icmpv6.mldr.mar.source_address ipv6 @0:128 * source of a record"),
    made("icmpv6.mldr.mar.auxiliary_data", "bytes", "auxiliary data of a record", auxiliary_data),
    made("igmp", "protocol", "the packet is IGMP", presence(Layer.IGMP)),
    *header(Layer.IGMP, """
        igmp.type        uintx @0:8         type
        igmp.max_resp    uint  @8:8         when igmp.type=17,22,23 longest response time, tenths of a second
        igmp.checksum    uintx @16:16       checksum
        igmp.maddr       ipv4  @32:32       when igmp.type=17,18,22,23 multicast group
    """),
)  # fmt: skip
