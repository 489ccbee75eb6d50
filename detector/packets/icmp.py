"""Fields of ICMP, ICMPv6 and IGMP. Headers that an error quotes are further values of ip.*, tcp.* and so on."""

from __future__ import annotations

from detector.packets.header import PacketField, header, made, presence
from detector.packets.rows import Layer

TYPES_4 = {0: "Echo (ping) reply", 3: "Destination unreachable", 4: "Source quench", 5: "Redirect", 8: "Echo (ping) request",
           9: "Router advertisement", 10: "Router solicitation", 11: "Time-to-live exceeded", 12: "Parameter problem",
           13: "Timestamp request", 14: "Timestamp reply", 17: "Address mask request", 18: "Address mask reply"}  # fmt: skip
TYPES_6 = {1: "Destination Unreachable", 2: "Packet Too Big", 3: "Time Exceeded", 4: "Parameter Problem", 128: "Echo (ping) request",
           129: "Echo (ping) reply", 130: "Multicast Listener Query", 131: "Multicast Listener Report", 133: "Router Solicitation",
           134: "Router Advertisement", 135: "Neighbor Solicitation", 136: "Neighbor Advertisement", 137: "Redirect",
           143: "Multicast Listener Report Message v2"}  # fmt: skip

FIELDS: tuple[PacketField, ...] = (
    made("icmp", "protocol", "the packet is ICMP", presence(Layer.ICMP)),
    *header(Layer.ICMP, """
        icmp.type        uint  ICMP.type    type
        icmp.code        uint  ICMP.code    code
        icmp.checksum    uintx ICMP.chksum  checksum
        icmp.ident       uint  @32:16       when icmp.type=0,8,13,14,15,16,17,18 identifier
        icmp.ident_le    uint  @32:16le     when icmp.type=0,8 identifier, read as little-endian
        icmp.seq         uint  @48:16       when icmp.type=0,8,13,14,15,16,17,18 sequence number
        icmp.seq_le      uint  @48:16le     when icmp.type=0,8 sequence number, read as little-endian
        icmp.mtu         uint  @48:16       when icmp.type=3;icmp.code=4 largest size of the next hop
        icmp.redir_gw    ipv4  @32:32       when icmp.type=5 gateway of a redirect
    """, {"icmp.type": TYPES_4}),
    made("icmpv6", "protocol", "the packet is ICMPv6", presence(Layer.ICMPV6)),
    *header(Layer.ICMPV6, """
        icmpv6.type                uint  @0:8     type
        icmpv6.code                uint  @8:8     code
        icmpv6.checksum            uintx @16:16   checksum
        icmpv6.echo.identifier     uintx @32:16   when icmpv6.type=128,129 identifier
        icmpv6.echo.sequence_number uint @48:16   when icmpv6.type=128,129 sequence number
        icmpv6.mtu                 uint  @32:32   when icmpv6.type=2 largest size of the next hop
        icmpv6.nd.ns.target_address ipv6 @64:128  when icmpv6.type=135 address that is looked for
        icmpv6.nd.na.target_address ipv6 @64:128  when icmpv6.type=136 address that is told
        icmpv6.nd.na.flag.r        bool  @32:1    when icmpv6.type=136 the sender is a router
        icmpv6.nd.na.flag.s        bool  @33:1    when icmpv6.type=136 the answer was asked for
        icmpv6.nd.na.flag.o        bool  @34:1    when icmpv6.type=136 overrides what is known
        icmpv6.nd.ra.cur_hop_limit uint  @32:8    when icmpv6.type=134 hop limit that a router tells
        icmpv6.nd.ra.router_lifetime uint @48:16  when icmpv6.type=134 for how long it is a default router
        icmpv6.mldr.nb_mcast_records uint @48:16  when icmpv6.type=143 number of multicast records
    """, {"icmpv6.type": TYPES_6}),
    made("igmp", "protocol", "the packet is IGMP", presence(Layer.IGMP)),
    *header(Layer.IGMP, """
        igmp.type        uintx @0:8         type
        igmp.max_resp    uint  @8:8         when igmp.type=17,22,23 longest response time, tenths of a second
        igmp.checksum    uintx @16:16       checksum
        igmp.maddr       ipv4  @32:32       when igmp.type=17,18,22,23 multicast group
    """),
)  # fmt: skip
