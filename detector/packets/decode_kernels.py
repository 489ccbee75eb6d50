"""The kernel that finds every header of a packet. One row = one IP layer (rows.py).

It goes from the link header up, once, and writes where each header begins; values of fields are loaded later, by those
who ask. Whatever is odd is a bit in `anomalies`; nothing is read outside the packet's captured bytes.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, be32, le32, u8
from detector.errors import PacketAnomaly as Odd
from detector.kernel import kernel
from detector.packets.arrival_kernels import HAS_ANOMALY, hash_packet, mark
from detector.packets.fragment_kernels import FRAGMENT_ROOM, add_fragment
from detector.packets.rows import (
    ANOMALIES,
    ARP,
    CELLS,
    DESTINATION_PORT,
    ETH,
    ETHERTYPE,
    HSR,
    ICMP,
    ICMPV6,
    IGMP,
    IP,
    IPV6,
    IPV6_EXT,
    IS_FRAGMENT,
    IS_QUOTED,
    LAYER_COUNT,
    LINK,
    LLC,
    MPLS,
    MPLS_COUNT,
    NETWORK,
    OUTER,
    PACKET,
    PAYLOAD_START,
    PAYLOAD_STOP,
    PRP,
    S_QUOTES,
    S_REDUNDANCY,
    SCTP,
    SEEN_ETHERTYPES,
    SEEN_LAYERS,
    SEQUENCE,
    SOURCE_PORT,
    STOP,
    TCP,
    TCP_FLAGS,
    TRANSPORT,
    TUNNEL,
    UDP,
    VLAN,
    VLAN_COUNT,
    VLAN_ID,
    WORDS,
)  # fmt: skip

ISL, ISL_BYTES = 0x00000C00, 26  # first bytes of the receiver 01:00:0c:00:00 or 03:00:0c:00:00, without the type bits
MOST_DEEP = 8  # IP layers of a packet
MOST_TAGS = 16
MOST_EXTENSIONS = 16
NO_IP = 255
# What follows, beside EtherTypes: the packet ends here.
NOTHING = -1
T_IP, T_ARP, T_IPV6, T_VLAN, T_QINQ, T_QINQ_OLD, T_MPLS, T_MPLS_MULTICAST, T_PPPOE, T_TEB = (
    0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8, 0x9100, 0x8847, 0x8848, 0x8864, 0x6558)  # fmt: skip
T_HSR, T_PRP = 0x892F, 0x88FB
HSR_BYTES, PRP_BYTES = 6, 6  # of the tag with the EtherType that follows it; of the trailer
LAN_A, LAN_B = 10, 11
VXLAN_PORT, VXLAN_PORT_LINUX = 4789, 8472

IPV4_PREFIX = np.uint64(0xFFFF00000000)

O_LINK = int(Odd.PACKET_UNKNOWN_LINK_TYPE)
O_DEEP = int(Odd.PACKET_TOO_MANY_LAYERS)
O_CUT = int(Odd.PACKET_TRUNCATED)
O_ETH = int(Odd.ETHERNET_PKT_TOO_SMALL)
O_SLL = int(Odd.SLL_PKT_TOO_SMALL)
O_NULL = int(Odd.NULL_PKT_TOO_SMALL)
O_NULL_TYPE = int(Odd.NULL_UNSUPPORTED_TYPE)
O_PPP = int(Odd.PPP_PKT_TOO_SMALL)
O_PPPOE = int(Odd.PPPOE_PKT_TOO_SMALL)
O_VLAN = int(Odd.VLAN_HEADER_TOO_SMALL)
O_VLANS = int(Odd.VLAN_TOO_MANY_LAYERS)
O_HSR = int(Odd.HSR_PKT_TOO_SMALL)
O_MPLS = int(Odd.MPLS_HEADER_TOO_SMALL)
O_LLC = int(Odd.LLC_PKT_TOO_SMALL)
O_ARP = int(Odd.ARP_PKT_TOO_SMALL)
O_IP = int(Odd.IPV4_PKT_TOO_SMALL)
O_IP_HLEN = int(Odd.IPV4_HLEN_TOO_SMALL)
O_IP_LEN = int(Odd.IPV4_IPLEN_SMALLER_THAN_HLEN)
O_IP_CUT = int(Odd.IPV4_TRUNC_PKT)
O_IP_VERSION = int(Odd.IPV4_WRONG_IP_VERSION)
O_IP_OPTION = int(Odd.IPV4_OPT_INVALID_LEN)
O_IP6 = int(Odd.IPV6_PKT_TOO_SMALL)
O_IP6_CUT = int(Odd.IPV6_TRUNC_PKT)
O_IP6_VERSION = int(Odd.IPV6_WRONG_IP_VERSION)
O_IP6_EXT_CUT = int(Odd.IPV6_TRUNC_EXTHDR)
O_IP6_EXTS = int(Odd.IPV6_TOO_MANY_EXTHDR)
O_TCP = int(Odd.TCP_PKT_TOO_SMALL)
O_TCP_HLEN = int(Odd.TCP_HLEN_TOO_SMALL)
O_TCP_OPTION = int(Odd.TCP_INVALID_OPTLEN)
O_UDP = int(Odd.UDP_PKT_TOO_SMALL)
O_UDP_HLEN = int(Odd.UDP_HLEN_TOO_SMALL)
O_UDP_LEN = int(Odd.UDP_HLEN_INVALID)
O_ICMP = int(Odd.ICMPV4_PKT_TOO_SMALL)
O_ICMP6 = int(Odd.ICMPV6_PKT_TOO_SMALL)
O_IGMP = int(Odd.IGMP_PKT_TOO_SMALL)
O_SCTP = int(Odd.SCTP_PKT_TOO_SMALL)
O_GRE = int(Odd.GRE_PKT_TOO_SMALL)
O_GRE_VERSION = int(Odd.GRE_WRONG_VERSION)
O_VXLAN = int(Odd.VXLAN_PKT_TOO_SMALL)


@kernel
def begin_row(cells, words, n, packet, outer, stop):
    """A row for a layer of a packet, so far without headers, addresses, ports, anomalies."""
    for column in range(LAYER_COUNT):
        cells[column, n] = -1
    for column in range(LAYER_COUNT, CELLS):
        cells[column, n] = 0
    for column in range(WORDS):
        words[n, column] = np.uint64(0)
    cells[TRANSPORT, n] = NO_IP
    cells[VLAN_ID, n] = -1
    cells[PACKET, n] = packet
    cells[OUTER, n] = outer
    cells[STOP, n] = stop
    cells[PAYLOAD_START, n] = stop
    cells[PAYLOAD_STOP, n] = stop


@kernel
def load_mac(buffer, at):
    """48 bits of a MAC address."""
    return (be16(buffer, at) << 32) | be32(buffer, at + 2)


@kernel
def load_u64(buffer, at):
    """Eight bytes, big-endian, as uint64."""
    return (np.uint64(be32(buffer, at)) << np.uint64(32)) | np.uint64(be32(buffer, at + 4))


@kernel
def decode_llc(buffer, cells, words, n, at, stop):
    """LLC and SNAP (IEEE 802.2): the EtherType that SNAP names, or NOTHING; and where its header ends."""
    cells[LLC, n] = at
    if stop - at < 3:
        mark(words, n, O_LLC)
        return NOTHING, stop
    if u8(buffer, at) == 0xAA and u8(buffer, at + 1) == 0xAA and u8(buffer, at + 2) == 3:
        if stop - at < 8:
            mark(words, n, O_LLC)
            return NOTHING, stop
        organisation = (be16(buffer, at + 3) << 8) | u8(buffer, at + 5)
        if organisation in (0, 0x0000F8):
            return be16(buffer, at + 6), at + 8
        return NOTHING, at + 8
    control = u8(buffer, at + 2)
    return NOTHING, min(stop, at + (3 if control & 3 == 3 else 4))


@kernel
def find_prp_trailer(buffer, cells, n, at, stop, seen):
    """The trailer of a frame that came over one of two LANs (IEC 62439-3:2016, 4.2.7), known by its LAN and its suffix."""
    if stop - at >= 14 + PRP_BYTES and be16(buffer, stop - 2) == T_PRP and u8(buffer, stop - 4) >> 4 in (LAN_A, LAN_B):
        cells[PRP, n] = stop - PRP_BYTES
        seen[SEEN_LAYERS] |= np.uint64(S_REDUNDANCY)


@kernel
def decode_ethernet(buffer, cells, words, n, at, stop, seen):
    """Ethernet II or 802.3: the EtherType and where the header ends."""
    if stop - at >= ISL_BYTES + 14 and be32(buffer, at) & 0xF0FFFFFF == ISL and u8(buffer, at + 4) == 0:
        at += ISL_BYTES  # Cisco's trunk: a frame inside a header of its own, and a checksum behind it
        stop -= 4
        cells[STOP, n] = stop
    if stop - at < 14:
        cells[ETH, n] = at
        mark(words, n, O_ETH)
        return NOTHING, stop
    cells[ETH, n] = at
    words[n, 3] = np.uint64(load_mac(buffer, at))
    words[n, 1] = np.uint64(load_mac(buffer, at + 6))
    kind = be16(buffer, at + 12)
    behind = stop - at - 14 - be16(buffer, at + 16) if kind == T_IP and stop - at >= 34 else PRP_BYTES
    if behind < 0 or behind >= PRP_BYTES:  # the end of a frame that IPv4 fills lies far from its headers in memory
        find_prp_trailer(buffer, cells, n, at, stop, seen)
    if kind >= 1536:
        return kind, at + 14
    if kind > 1500 or kind == 0:  # neither a type nor a length
        return NOTHING, at + 14
    end = min(stop, at + 14 + kind)
    cells[STOP, n] = end
    if end - at >= 16 and be16(buffer, at + 14) == 0xFFFF:  # IPX straight above 802.3 (Novell), without LLC
        return NOTHING, at + 14
    return decode_llc(buffer, cells, words, n, at + 14, end)


@kernel
def decode_ppp(buffer, cells, words, n, at, stop):
    """PPP (RFC 1661; RFC 1662 address and control may stand before it): EtherType and end of the header."""
    if stop - at >= 2 and u8(buffer, at) == 0xFF and u8(buffer, at + 1) == 3:
        at += 2
    if stop - at < 1:
        mark(words, n, O_PPP)
        return NOTHING, stop
    protocol, at_next = u8(buffer, at), at + 1
    if protocol & 1 == 0:
        if stop - at < 2:
            mark(words, n, O_PPP)
            return NOTHING, stop
        protocol, at_next = be16(buffer, at), at + 2
    if protocol == 0x21:
        return T_IP, at_next
    if protocol == 0x57:
        return T_IPV6, at_next
    if protocol == 0x281:
        return T_MPLS, at_next
    return NOTHING, at_next


@kernel
def decode_link(buffer, cells, words, n, at, stop, link_type, seen):
    """The packet's link header: the EtherType of what follows, NOTHING, or 0 for "IP by its version"; and its end."""
    cells[LINK, n] = at
    if link_type == 1:
        return decode_ethernet(buffer, cells, words, n, at, stop, seen)
    if link_type in (101, 12, 14, 228, 229):
        return 0, at
    if link_type == 113 or link_type == 276:
        size = 16 if link_type == 113 else 20
        if stop - at < size:
            mark(words, n, O_SLL)
            return NOTHING, stop
        kind = be16(buffer, at + 14) if link_type == 113 else be16(buffer, at)
        if kind == 4 or kind == 1:
            return decode_llc(buffer, cells, words, n, at + size, stop)
        return (kind if kind else NOTHING), at + size
    if link_type == 0 or link_type == 108:
        if stop - at < 4:
            mark(words, n, O_NULL)
            return NOTHING, stop
        family = be32(buffer, at)
        if family > 0xFFFF:
            family = le32(buffer, at)
        if family == 2:
            return T_IP, at + 4
        if family in (24, 28, 30):
            return T_IPV6, at + 4
        if (
            family > 1500
        ):  # an EtherType, as some systems write it; as in Wireshark, where it fits no other way the last half
            return (family if family <= 0xFFFF else be16(buffer, at + 2)), at + 4
        mark(words, n, O_NULL_TYPE)
        return NOTHING, at + 4
    if link_type == 9 or link_type == 50:
        return decode_ppp(buffer, cells, words, n, at, stop)
    mark(words, n, O_LINK)
    return NOTHING, at


@kernel
def decode_tags(buffer, cells, words, n, kind, at, stop, seen):
    """VLAN and HSR tags, MPLS labels, PPPoE: the EtherType behind them and where they end."""
    tags = 0
    while True:
        if kind == T_VLAN or kind == T_QINQ or kind == T_QINQ_OLD:
            if stop - at < 4:
                mark(words, n, O_VLAN)
                return NOTHING, stop
            if cells[VLAN, n] < 0:
                cells[VLAN, n] = at
                cells[VLAN_ID, n] = be16(buffer, at) & 0xFFF
            if cells[HSR, n] < cells[VLAN, n]:  # what lies behind an HSR tag does not follow on those before it
                cells[VLAN_COUNT, n] += 1
            kind, at = be16(buffer, at + 2), at + 4
            if kind < 1536:
                return decode_llc(buffer, cells, words, n, at, stop)
        elif kind == T_HSR:
            if stop - at < HSR_BYTES:
                mark(words, n, O_HSR)
                return NOTHING, stop
            if cells[HSR, n] < 0:
                cells[HSR, n] = at
                seen[SEEN_LAYERS] |= np.uint64(S_REDUNDANCY)
            kind, at = be16(buffer, at + 4), at + HSR_BYTES
            if kind < 1536:
                return NOTHING, at
        elif kind == T_MPLS or kind == T_MPLS_MULTICAST:
            cells[MPLS, n] = at
            is_bottom = False
            while not is_bottom:
                if stop - at < 4 or cells[MPLS_COUNT, n] == MOST_TAGS:
                    mark(words, n, O_MPLS)
                    return NOTHING, stop
                is_bottom = u8(buffer, at + 2) & 1 == 1
                cells[MPLS_COUNT, n] += 1
                at += 4
            if at >= stop:
                return NOTHING, stop
            version = u8(buffer, at) >> 4
            return (T_IP if version == 4 else T_IPV6 if version == 6 else NOTHING), at
        elif kind == T_PPPOE:
            if stop - at < 8:
                mark(words, n, O_PPPOE)
                return NOTHING, stop
            return decode_ppp(buffer, cells, words, n, at + 6, stop)
        else:
            return kind, at
        tags += 1
        if tags == MOST_TAGS:
            mark(words, n, O_VLANS)
            return NOTHING, stop


@kernel
def check_options(buffer, at, stop, words, n, odd):
    """Type-length options of IPv4 or TCP: marks `odd` where a length does not fit."""
    while at < stop:
        kind = u8(buffer, at)
        if kind == 0:
            return
        if kind == 1:
            at += 1
            continue
        if at + 1 >= stop or u8(buffer, at + 1) < 2 or at + u8(buffer, at + 1) > stop:
            mark(words, n, odd)
            return
        at += u8(buffer, at + 1)


@kernel
def decode_ipv4(buffer, cells, words, n, at, stop):
    """IPv4 (RFC 791): (is usable, protocol, where its payload begins, fragment offset in bytes, more fragments)."""
    cells[IP, n] = at
    if stop - at < 20:
        mark(words, n, O_IP)
        return False, 0, stop, 0, False
    first = u8(buffer, at)
    if first >> 4 != 4:
        mark(words, n, O_IP_VERSION)
        return False, 0, stop, 0, False
    header = (first & 15) * 4
    cells[NETWORK, n] = 4
    words[n, 0] = np.uint64(0)
    words[n, 1] = IPV4_PREFIX | np.uint64(be32(buffer, at + 12))
    words[n, 2] = np.uint64(0)
    words[n, 3] = IPV4_PREFIX | np.uint64(be32(buffer, at + 16))
    protocol = u8(buffer, at + 9)
    cells[TRANSPORT, n] = protocol
    if header < 20:
        mark(words, n, O_IP_HLEN)
        return False, protocol, stop, 0, False
    total = be16(buffer, at + 2)
    if total == 0:  # segmentation offload: the card fills the length in after the capture
        total = stop - at
    if total < header:
        mark(words, n, O_IP_LEN)
        return False, protocol, stop, 0, False
    if at + total > stop:
        mark(words, n, O_IP_CUT)
    else:
        stop = at + total
    cells[STOP, n] = stop
    if header > 20:
        check_options(buffer, at + 20, min(stop, at + header), words, n, O_IP_OPTION)
    fragment = be16(buffer, at + 6)
    return True, protocol, min(stop, at + header), (fragment & 0x1FFF) * 8, fragment & 0x2000 != 0


@kernel
def decode_ipv6(buffer, cells, words, n, at, stop):
    """IPv6 with extension headers (RFC 8200): as decode_ipv4, and the fragment's identification or -1."""
    cells[IPV6, n] = at
    if stop - at < 40:
        mark(words, n, O_IP6)
        return False, 0, stop, 0, False, -1
    if u8(buffer, at) >> 4 != 6:
        mark(words, n, O_IP6_VERSION)
        return False, 0, stop, 0, False, -1
    cells[NETWORK, n] = 6
    for word in range(4):
        words[n, word] = load_u64(buffer, at + 8 + 8 * word)
    length = be16(buffer, at + 4)
    if length:
        if at + 40 + length > stop:
            mark(words, n, O_IP6_CUT)
        else:
            stop = at + 40 + length
    cells[STOP, n] = stop
    protocol = u8(buffer, at + 6)
    at += 40
    seen, offset, more, identification = 0, 0, False, -1
    while protocol in (0, 43, 44, 51, 60, 135, 139, 140):
        if seen == 0:
            cells[IPV6_EXT, n] = at
        seen += 1
        if stop - at < 8:
            cells[TRANSPORT, n] = protocol
            mark(words, n, O_IP6_EXT_CUT)
            return False, protocol, stop, 0, False, -1
        if seen > MOST_EXTENSIONS:
            cells[TRANSPORT, n] = protocol
            mark(words, n, O_IP6_EXTS)
            return False, protocol, stop, 0, False, -1
        size = (u8(buffer, at + 1) + 1) * 8
        if protocol == 44:
            size = 8
            field = be16(buffer, at + 2)
            offset, more, identification = field & 0xFFF8, field & 1 == 1, be32(buffer, at + 4)
        elif protocol == 51:
            size = (u8(buffer, at + 1) + 2) * 4
        if at + size > stop:
            cells[TRANSPORT, n] = protocol
            mark(words, n, O_IP6_EXT_CUT)
            return False, protocol, stop, 0, False, -1
        protocol = u8(buffer, at)
        at += size
        if offset > 0:
            break  # what follows in a later fragment is the middle of something
    cells[TRANSPORT, n] = protocol
    return True, protocol, at, offset, more, identification


@kernel
def decode_tcp(buffer, cells, words, n, at, stop):
    """TCP (RFC 9293)."""
    cells[TCP, n] = at
    if stop - at >= 4:
        cells[SOURCE_PORT, n] = be16(buffer, at)
        cells[DESTINATION_PORT, n] = be16(buffer, at + 2)
    if stop - at < 20:
        mark(words, n, O_TCP)
        cells[TCP, n] = at
        return
    words[n, SEQUENCE] = load_u64(buffer, at + 4)
    offset_flags = be16(buffer, at + 12)
    cells[TCP_FLAGS, n] = offset_flags & 0xFFF
    header = (offset_flags >> 12) * 4
    if header < 20 or at + header > stop:
        mark(words, n, O_TCP_HLEN if header < 20 else O_TCP)
        return
    if header > 20:
        check_options(buffer, at + 20, at + header, words, n, O_TCP_OPTION)
    cells[PAYLOAD_START, n] = at + header
    cells[PAYLOAD_STOP, n] = stop


@kernel
def decode_udp(buffer, cells, words, n, at, stop):
    """UDP (RFC 768)."""
    cells[UDP, n] = at
    if stop - at >= 4:
        cells[SOURCE_PORT, n] = be16(buffer, at)
        cells[DESTINATION_PORT, n] = be16(buffer, at + 2)
    if stop - at < 8:
        mark(words, n, O_UDP)
        return
    length = be16(buffer, at + 4)
    if length == 0:  # a jumbogram (RFC 2675), or an offloaded segment
        length = stop - at
    if length < 8:
        mark(words, n, O_UDP_HLEN)
        return
    if at + length > stop:
        mark(words, n, O_UDP_LEN)
    else:
        stop = at + length
    cells[PAYLOAD_START, n] = at + 8
    cells[PAYLOAD_STOP, n] = stop


@kernel
def decode_transport(buffer, cells, words, n, protocol, at, stop):
    """The header above IP; what is not known is payload."""
    if protocol == 6:
        decode_tcp(buffer, cells, words, n, at, stop)
        return
    if protocol == 17:
        decode_udp(buffer, cells, words, n, at, stop)
        return
    layer, size, odd = -1, 0, 0
    if protocol == 1:
        layer, size, odd = ICMP, 8, O_ICMP
    elif protocol == 58:
        layer, size, odd = ICMPV6, 4, O_ICMP6
    elif protocol == 2:
        layer, size, odd = IGMP, 8, O_IGMP
    elif protocol == 132:
        layer, size, odd = SCTP, 12, O_SCTP
    if layer < 0:
        cells[PAYLOAD_START, n] = min(at, stop)
        cells[PAYLOAD_STOP, n] = stop
        return
    cells[layer, n] = at
    if layer == SCTP and stop - at >= 4:
        cells[SOURCE_PORT, n] = be16(buffer, at)
        cells[DESTINATION_PORT, n] = be16(buffer, at + 2)
    if stop - at < size:
        mark(words, n, odd)
        return
    cells[PAYLOAD_START, n] = at + size
    cells[PAYLOAD_STOP, n] = stop


@kernel
def tunnel_of(buffer, cells, words, n, protocol, at, stop):
    """(EtherType of the packet inside, T_TEB for an Ethernet frame, NOTHING for no tunnel; where it begins)."""
    if protocol == 4:
        return T_IP, at
    if protocol == 41:
        return T_IPV6, at
    if protocol == 47:
        cells[TUNNEL, n] = at
        if stop - at < 4:
            mark(words, n, O_GRE)
            return NOTHING, stop
        flags, kind = be16(buffer, at), be16(buffer, at + 2)
        if flags & 7 > 1:
            mark(words, n, O_GRE_VERSION)
            return NOTHING, stop
        size = 4
        for bit in (0x8000, 0x2000, 0x1000):  # checksum, key, sequence number: four bytes each (RFC 2784, 2890)
            if flags & bit:
                size += 4
        if flags & 7 == 1 and flags & 0x80:  # PPTP's acknowledgement (RFC 2637)
            size += 4
        if stop - at < size:
            mark(words, n, O_GRE)
            return NOTHING, stop
        cells[PAYLOAD_START, n] = at + size
        if kind == T_IP or kind == T_IPV6 or kind == T_TEB or kind == T_MPLS or kind == T_ARP:
            return kind, at + size
        if kind == 0x880B:
            return decode_ppp(buffer, cells, words, n, at + size, stop)
        return NOTHING, at + size
    if protocol == 17 and cells[DESTINATION_PORT, n] in (VXLAN_PORT, VXLAN_PORT_LINUX) and cells[UDP, n] >= 0:
        at = cells[PAYLOAD_START, n]
        stop = cells[PAYLOAD_STOP, n]
        if stop - at < 8:
            if stop > at:
                mark(words, n, O_VXLAN)
            return NOTHING, stop
        if u8(buffer, at) & 8:
            cells[TUNNEL, n] = at
            return T_TEB, at + 8
    return NOTHING, at


@kernel
def find_redirected(buffer, at, stop):
    """Where the packet begins that an ICMPv6 redirect's option quotes (RFC 4861 4.6.3), or stop."""
    while at + 8 <= stop and u8(buffer, at + 1) > 0:
        if u8(buffer, at) == 4:
            return at + 8
        at += 8 * u8(buffer, at + 1)
    return stop


@kernel
def decode_quoted(buffer, cells, words, n, parent):
    """The headers that an ICMP or ICMPv6 error or redirect quotes, as a quoted row n; whether there are any."""
    stop = np.int64(cells[PAYLOAD_STOP, parent])
    at = np.int64(cells[ICMP, parent])
    if at >= 0:
        kind = u8(buffer, at)
        if kind not in (3, 4, 5, 11, 12):
            return False
        at += 8
        if kind == 5 and stop > at:  # only these bytes count, as RFC 792 has it
            stop = min(stop, at + 4 * (u8(buffer, at) & 15) + 8)
    else:
        at = np.int64(cells[ICMPV6, parent])
        kind = u8(buffer, at) if at >= 0 else 0
        if kind == 137:
            at = find_redirected(buffer, at + 40, stop)
        elif kind in (1, 2, 3, 4):
            at += 8
        else:
            return False
    if stop - at < 20:
        return False
    begin_row(cells, words, n, cells[PACKET, parent], parent, stop)
    cells[IS_QUOTED, n] = 1
    version = u8(buffer, at) >> 4
    if version == 4:
        usable, protocol, at, offset, _ = decode_ipv4(buffer, cells, words, n, at, stop)
        words[n, ANOMALIES + (0)] = np.uint64(0)  # a quote is cut short by nature
        if usable and offset == 0:
            decode_transport(buffer, cells, words, n, protocol, at, np.int64(cells[STOP, n]))
    elif version == 6 and stop - at >= 40:
        usable, protocol, at, offset, _, _ = decode_ipv6(buffer, cells, words, n, at, stop)
        if usable and offset == 0:
            decode_transport(buffer, cells, words, n, protocol, at, np.int64(cells[STOP, n]))
    words[n, ANOMALIES + (0)] = np.uint64(0)
    return True


@kernel
def decode_packets(
    buffer, used, starts, stops, wire_lengths, link_types, clocks, first, cells, words, n, fragments, hashes, odds, seen
):
    """Fills rows for packets first.. until all are done or there is no room left.

    Args:
        buffer: uint8[capacity], of which `used` bytes are taken; reassembled datagrams are appended.
        n: rows filled so far.
        fragments: Fragments, the state of reassembly.
        hashes: int64[packets], filled as hash_packet has them: here, where what it reads is at hand.
        odds: uint8[packets], HAS_ANOMALY is added to those of which a row has one.
        seen: uint64[4], added to, words Seen; anomalies not yet.

    Returns:
        (next packet, rows filled, bytes used): next packet < len(starts) asks for more room in rows or buffer.
    """
    for packet in range(first, len(starts)):
        if n + 2 * MOST_DEEP > len(words) or len(buffer) - used < FRAGMENT_ROOM:
            return packet, n, used
        at, stop, outermost = starts[packet], stops[packet], n
        begin_row(cells, words, n, packet, -1, stop)
        if stop - at < wire_lengths[packet]:
            mark(words, n, O_CUT)
        kind, at = decode_link(buffer, cells, words, n, at, stop, link_types[packet], seen)
        depth = 1
        while True:
            stop = min(stop, np.int64(cells[STOP, n]))
            if kind != T_IP:  # a few packets
                kind, at = decode_tags(buffer, cells, words, n, kind, at, stop, seen)
                if kind == 0:
                    kind = T_IPV6 if at < stop and u8(buffer, at) >> 4 == 6 else T_IP
                seen[SEEN_ETHERTYPES] |= np.uint64(1 << (max(kind, 0) & 63))
            cells[ETHERTYPE, n] = max(kind, 0)
            if kind != T_IP and kind != T_IPV6:
                if kind == T_ARP:
                    cells[ARP, n] = at
                    if stop - at < 8 or stop - at < 8 + 2 * (u8(buffer, at + 4) + u8(buffer, at + 5)):
                        mark(words, n, O_ARP)
                cells[PAYLOAD_START, n] = min(at, stop)
                break
            identification = -1
            header = at
            if kind == T_IP:
                usable, protocol, at, offset, more = decode_ipv4(buffer, cells, words, n, at, stop)
                if usable:
                    identification = be16(buffer, header + 4)
            else:
                usable, protocol, at, offset, more, identification = decode_ipv6(buffer, cells, words, n, at, stop)
            if not usable:
                if kind == T_IP and header < stop and u8(buffer, header) >> 4 == 6:  # Wireshark believes the version
                    kind, at = T_IPV6, header
                    continue
                break
            stop = np.int64(cells[STOP, n])
            if more or offset > 0:
                cells[IS_FRAGMENT, n] = 1
                cells[PAYLOAD_START, n] = at
                at, stop = add_fragment(fragments, cells, words, n, identification, protocol, offset, more, buffer, at, stop, used,
                                        clocks[packet])  # fmt: skip
                if at < 0:
                    break
                used = stop
                cells[STOP, n] = stop
                cells[PAYLOAD_START, n] = stop
                cells[PAYLOAD_STOP, n] = stop
            decode_transport(buffer, cells, words, n, protocol, at, stop)
            kind, at = tunnel_of(buffer, cells, words, n, protocol, at, stop)
            if kind == NOTHING:
                break
            if depth == MOST_DEEP:
                mark(words, n, O_DEEP)
                break
            depth += 1
            n += 1
            begin_row(cells, words, n, packet, n - 1, stop)
            if kind == T_TEB:
                kind, at = decode_ethernet(buffer, cells, words, n, at, stop, seen)
        n += 1
        if (cells[ICMP, n - 1] >= 0 or cells[ICMPV6, n - 1] >= 0) and decode_quoted(buffer, cells, words, n, n - 1):
            seen[SEEN_LAYERS] |= np.uint64(S_QUOTES)
            n += 1
        for row in range(outermost, n):
            if words[row, ANOMALIES] or words[row, ANOMALIES + 1]:
                odds[packet] |= HAS_ANOMALY
        hashes[packet] = hash_packet(buffer, cells, words, outermost)
    return len(starts), n, used
