"""The kernel that looks for what is odd within headers, by Suricata 7's decoder events (events.py). It reads what decoding
found once more, where a rule asks; nothing is read outside a packet's bytes.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, u8
from detector.kernel import kernel
from detector.packets import events as odd
from detector.packets.rows import (
    ETHERTYPE,
    ICMP,
    ICMPV6,
    IP,
    IPV6,
    IS_QUOTED,
    MPLS,
    NETWORK,
    PACKET,
    STOP,
    TCP,
    TRANSPORT,
    TUNNEL,
    VLAN,
    VLAN_COUNT,
)  # fmt: skip

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, NO_NEXT, DESTINATION = 0, 43, 44, 51, 59, 60
MOST_HEADERS = 16
MOST_TAGS = 3  # that Suricata looks behind


@kernel
def ipv4_options(buffer, at, stop):
    """Events of IPv4's options (RFC 791 3.1), up to the first that cannot be read."""
    found, seen = np.int64(0), np.int64(0)
    if (stop - at) % 8:
        found |= odd.IPV4_OPT_PAD_REQUIRED
    while at < stop:
        kind = u8(buffer, at)
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if at + 1 >= stop:
            return found | odd.IPV4_OPT_EOL_REQUIRED
        size = u8(buffer, at + 1)
        if size < 2 or at + size > stop:
            return found | odd.IPV4_OPT_INVALID_LEN
        pointer = u8(buffer, at + 2) if size > 2 else 0
        bit, is_short, is_malformed = 0, False, False
        if kind == 7 or kind == 131 or kind == 137:
            bit = 1 if kind == 7 else 2 if kind == 131 else 4
            is_short = size < 3
            is_malformed = pointer < 4 or pointer % 4 or pointer > size + 1
        elif kind == 68:
            bit, is_short = 8, size < 5
            is_malformed = pointer < 5 or pointer > size + 1 or (pointer - 5) % (4 if size > 3 and u8(buffer, at + 3) & 3 == 0 else 8)  # fmt: skip
        elif kind == 25:
            bit, is_short = 16, size != 8
        elif kind == 136 or kind == 148:
            bit, is_short = 32 if kind == 136 else 64, size != 4
        elif kind == 130 or kind == 133:
            bit = 128 if kind == 130 else 256
        elif kind == 134:
            bit, is_short = 512, size < 8
        else:
            found |= odd.IPV4_OPT_INVALID
        if seen & bit:
            found |= odd.IPV4_OPT_DUPLICATE
        elif is_short:
            return found | odd.IPV4_OPT_INVALID_LEN
        elif is_malformed:
            return found | odd.IPV4_OPT_MALFORMED
        seen |= bit
        at += size
    return found


@kernel
def ipv6_options(buffer, at, stop, is_hop):
    """Events of the options in a Hop-by-Hop or Destination header (RFC 8200 4.2)."""
    found, is_padding = np.int64(0), True
    while at < stop:
        kind = u8(buffer, at)
        if kind == 0:
            at += 1
            continue
        size = u8(buffer, at + 1) if at + 1 < stop else 255
        if at + 2 + size > stop:
            return odd.IPV6_EXTHDR_INVALID_OPTLEN
        if kind == 1:
            if size == 0:
                found |= odd.IPV6_ZERO_LEN_PADN
        else:
            is_padding = False
            if kind != 5 and kind != 0xC2 and kind != 0xC9:
                found |= odd.IPV6_HOPOPTS_UNKNOWN_OPT if is_hop else odd.IPV6_DSTOPTS_UNKNOWN_OPT
        at += 2 + size
    if is_padding:
        found |= odd.IPV6_HOPOPTS_ONLY_PADDING if is_hop else odd.IPV6_DSTOPTS_ONLY_PADDING
    return found


@kernel
def ipv6_headers(buffer, at, stop):
    """Events of IPv6's extension headers, and of what they lead to."""
    found, kind, end = np.int64(0), u8(buffer, at + 6), at + 40
    hops = routes = fragments = guards = destinations = 0
    for _ in range(MOST_HEADERS):
        if kind not in (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, 135, 139, 140) or end + 8 > stop:
            break
        at, this = end, kind
        size = (u8(buffer, at + 1) + 1) * 8
        if this == FRAGMENT:
            size = 8
        elif this == AUTHENTICATION:
            size = (u8(buffer, at + 1) + 2) * 4
        kind, end = u8(buffer, at), at + size
        if end > stop:
            break
        if this == HOP_BY_HOP:
            hops += 1
            found |= odd.IPV6_EXTHDR_DUPL_HH if hops > 1 else ipv6_options(buffer, at + 2, end, True)
        elif this == DESTINATION:
            destinations += 1
            found |= odd.IPV6_EXTHDR_DUPL_DH if destinations > 2 else ipv6_options(buffer, at + 2, end, False)
        elif this == ROUTING:
            routes += 1
            if routes > 1:
                found |= odd.IPV6_EXTHDR_DUPL_RH
            elif u8(buffer, at + 2) == 0:
                found |= odd.IPV6_RH_TYPE_0
        elif this == AUTHENTICATION:
            guards += 1
            if guards > 1:
                found |= odd.IPV6_EXTHDR_DUPL_AH
            if be16(buffer, at + 2):
                found |= odd.IPV6_EXTHDR_AH_RES_NOT_NULL
        elif this == FRAGMENT:
            fragments += 1
            offset, is_last = be16(buffer, at + 2) & 0xFFF8, be16(buffer, at + 2) & 1 == 0
            if u8(buffer, at + 1):
                found |= odd.IPV6_FH_NON_ZERO_RESERVED_FIELD
            if offset == 0 and is_last:
                found |= odd.IPV6_EXTHDR_USELESS_FH
            elif not is_last and (stop - end) % 8:
                found |= odd.IPV6_FRAG_INVALID_LENGTH
            if fragments > 1:
                found |= odd.IPV6_EXTHDR_DUPL_FH
            if offset or not is_last:
                return found
    left = max(0, stop - end)
    version = u8(buffer, end) >> 4 if left else 0
    if kind == NO_NEXT:
        found |= odd.IPV6_DATA_AFTER_NONE_HEADER if left else 0
    elif kind == 1:
        found |= odd.IPV6_ICMPV4
    elif kind == 4:
        found |= (
            odd.IPV6_IPV4_IN_IPV6_TOO_SMALL if left < 20 else odd.IPV6_IPV4_IN_IPV6_WRONG_VERSION if version != 4 else 0
        )
    elif kind == 41:
        found |= (
            odd.IPV6_IPV6_IN_IPV6_TOO_SMALL if left < 40 else odd.IPV6_IPV6_IN_IPV6_WRONG_VERSION if version != 6 else 0
        )
    elif kind not in (
        HOP_BY_HOP,
        ROUTING,
        FRAGMENT,
        AUTHENTICATION,
        DESTINATION,
        135,
        139,
        140,
        6,
        17,
        58,
        132,
        47,
        50,
    ):
        found |= odd.IPV6_UNKNOWN_NEXT_HEADER
    return found


@kernel
def icmpv4_message(buffer, at, stop):
    """Events of an ICMP message (RFC 792)."""
    kind, code = u8(buffer, at), u8(buffer, at + 1)
    if kind in (1, 2, 6, 7, 10) or kind > 18:
        return odd.ICMPV4_UNKNOWN_TYPE
    most = 15 if kind == 3 else 3 if kind == 5 else 1 if kind == 11 else 255 if kind == 9 else 0
    if code > most:
        return odd.ICMPV4_UNKNOWN_CODE
    if kind == 13 or kind == 14:
        return odd.ICMPV4_IPV4_TRUNC_PKT if stop - at < 20 else 0
    if kind in (3, 4, 5, 11, 12) and stop > at + 8:
        if stop - at < 28:
            return odd.ICMPV4_IPV4_TRUNC_PKT
        if u8(buffer, at + 8) >> 4 != 4:
            return odd.ICMPV4_IPV4_UNKNOWN_VER
    return 0


@kernel
def icmpv6_message(buffer, at, stop, hops):
    """Events of an ICMPv6 message (RFC 4443, and IANA's list of types)."""
    kind, code = u8(buffer, at), u8(buffer, at + 1)
    if kind == 0 or kind == 127:
        return odd.ICMPV6_UNKNOWN_TYPE
    if kind in (100, 101, 200, 201):
        return odd.ICMPV6_EXPERIMENTATION_TYPE
    if 5 <= kind <= 126 or kind >= 160:
        return odd.ICMPV6_UNASSIGNED_TYPE
    if kind in (130, 131, 132) and hops != 1 and code == 0:
        return odd.ICMPV6_MLD_MESSAGE_WITH_INVALID_HL
    most = 0
    if kind == 1:
        most = 6
    elif kind == 3:
        most = 1
    elif kind in (4, 139, 140) or (kind == 138 and code != 255):
        most = 2
    elif kind == 155:
        most = 3
    elif kind == 138:
        most = 255
    if code > most and kind not in (150, 151, 152, 153):
        return odd.ICMPV6_UNKNOWN_CODE
    if kind in (1, 2, 3, 4):
        if stop - at < 48:
            return odd.ICMPV6_IPV6_TRUNC_PKT
        if u8(buffer, at + 8) >> 4 != 6:
            return odd.ICMPV6_IPV6_UNKNOWN_VERSION
    return 0


@kernel
def tcp_options(buffer, at, stop):
    """Events of TCP's options (RFC 9293 3.1)."""
    found, seen = np.int64(0), np.int64(0)
    while at + 1 < stop:
        kind, size = u8(buffer, at), u8(buffer, at + 1)
        if kind == 0:
            break
        if kind == 1:
            at += 1
            continue
        if size < 2 or at + size > stop:
            return found | odd.TCP_OPT_INVALID_LEN
        bit, fits = 0, True
        if kind == 2:
            bit, fits = 1, size == 4
        elif kind == 3:
            bit, fits = 2, size == 3
        elif kind == 4:
            bit, fits = 4, size == 2
        elif kind == 5:
            bit, fits = 8, size == 2 or (size >= 10 and size <= 34 and (size - 2) % 8 == 0)
        elif kind == 8:
            bit, fits = 16, size == 10
        elif kind == 19:
            bit, fits = 32, size == 18
        elif kind == 34:
            bit, fits = 64, size == 2 or (size >= 6 and size <= 18 and size % 2 == 0)
        if not fits:
            found |= odd.TCP_OPT_INVALID_LEN
        elif seen & bit:
            found |= odd.TCP_OPT_DUPLICATE
        else:
            seen |= bit
        at += size
    return found


@kernel
def gre_header(buffer, at, stop):
    """Events of GRE (RFC 1701, 2784, 2890; version 1: RFC 2637)."""
    if stop - at < 4:
        return 0
    flags, version, size = be16(buffer, at), be16(buffer, at) & 7, 4
    if version > 1:
        return 0
    if flags & 0x0700:
        return odd.GRE_VERSION0_RECUR if version == 0 else odd.GRE_VERSION1_RECUR
    if version == 0:
        if flags & 0x0078:
            return odd.GRE_VERSION0_FLAGS
        size += 4 * (flags & 0x2000 != 0) + 4 * (flags & 0x1000 != 0) + 4 * (flags & 0xC000 != 0)
        return odd.GRE_VERSION0_HDR_TOO_BIG if stop - at < size else 0
    if flags & 0x8000:
        return odd.GRE_VERSION1_CHKSUM
    if flags & 0x4000:
        return odd.GRE_VERSION1_ROUTE
    if flags & 0x0800:
        return odd.GRE_VERSION1_SSR
    if flags & 0x0078:
        return odd.GRE_VERSION1_FLAGS
    if be16(buffer, at + 2) != 0x880B:
        return odd.GRE_VERSION1_WRONG_PROTOCOL
    if flags & 0x2000 == 0:
        return odd.GRE_VERSION1_NO_KEY
    size += 4 + 4 * (flags & 0x1000 != 0) + 4 * (flags & 0x0080 != 0)
    return odd.GRE_VERSION1_HDR_TOO_BIG if stop - at < size else 0


@kernel
def mpls_labels(buffer, at, stop):
    """Events of an MPLS stack (RFC 3032, 3429 for label 14), and of what lies below it."""
    while at + 4 <= stop:
        label, is_bottom = be16(buffer, at) << 4 | u8(buffer, at + 2) >> 4, u8(buffer, at + 2) & 1 == 1
        at += 4
        if not is_bottom:
            continue
        if at >= stop:
            return odd.MPLS_PKT_TOO_SMALL
        if label == 1:
            return odd.MPLS_BAD_LABEL_ROUTER_ALERT
        if label == 3:
            return odd.MPLS_BAD_LABEL_IMPLICIT_NULL
        if 4 <= label <= 14:
            return odd.MPLS_BAD_LABEL_RESERVED
        first = u8(buffer, at) >> 4
        is_known = label == 0 or label == 2 or first == 4 or first == 6 or first == 0
        return 0 if is_known else odd.MPLS_UNKNOWN_PAYLOAD_TYPE
    return 0


@kernel
def find_events(buffer, stops, cells, out):
    """Bits of events of each row.

    Args:
        stops: int64[packets], where packets end in the buffer.
        out: int64[rows], zeros.
    """
    for row in range(len(out)):
        if cells[IS_QUOTED, row]:
            continue
        found = np.int64(0)
        end, stop = stops[cells[PACKET, row]], np.int64(cells[STOP, row])
        at = np.int64(cells[IP, row])
        if cells[NETWORK, row] == 4:
            header = (u8(buffer, at) & 15) * 4
            if header > 20 and at + header <= min(end, at + max(header, be16(buffer, at + 2))):
                found |= ipv4_options(buffer, at + 20, at + header)
            if cells[TRANSPORT, row] == 58 and header >= 20:
                found |= odd.IPV4_ICMPV6
        elif cells[NETWORK, row] == 6:
            at = np.int64(cells[IPV6, row])
            length = be16(buffer, at + 4)
            found |= ipv6_headers(buffer, at, min(end, at + 40 + length) if length else end)
        place = np.int64(cells[ICMP, row])
        if place >= 0 and stop - place >= 8:
            found |= icmpv4_message(buffer, place, stop)
        place = np.int64(cells[ICMPV6, row])
        if place >= 0 and stop - place >= 8 and cells[NETWORK, row] == 6:
            found |= icmpv6_message(buffer, place, stop, u8(buffer, at + 7))
        place = np.int64(cells[TCP, row])
        if place >= 0 and stop - place >= 20:
            header = (u8(buffer, place + 12) >> 4) * 4
            if header < 20:
                found |= odd.TCP_INVALID_OPTLEN
            elif place + header > stop:
                found |= odd.TCP_HLEN_TOO_SMALL
            elif header > 20:
                found |= tcp_options(buffer, place + 20, place + header)
        if cells[TRANSPORT, row] == 47 and cells[TUNNEL, row] >= 0:
            found |= gre_header(buffer, np.int64(cells[TUNNEL, row]), stop)
        if cells[MPLS, row] >= 0:
            found |= mpls_labels(
                buffer, np.int64(cells[MPLS, row]), min(end, stop) if cells[NETWORK, row] == 0 else end
            )
        if cells[VLAN_COUNT, row] > MOST_TAGS:
            found |= odd.VLAN_TOO_MANY_LAYERS
        elif cells[VLAN, row] >= 0 and cells[MPLS, row] < 0 and cells[NETWORK, row] == 0:
            kind = np.int64(cells[ETHERTYPE, row])
            if kind not in (0x0800, 0x86DD, 0x0806, 0x8864, 0x8863, 0x6558) and end - cells[VLAN, row] >= 4:
                found |= odd.VLAN_UNKNOWN_TYPE
        out[row] = found
