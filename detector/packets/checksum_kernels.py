"""Internet checksums (RFC 1071) of IPv4, TCP, UDP, ICMP and ICMPv6, verified on request only."""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16, u8
from detector.errors import PacketAnomaly as Odd
from detector.kernel import kernel
from detector.packets.arrival_kernels import HAS_ANOMALY, mark
from detector.packets.rows import (
    ANOMALIES,
    ICMP,
    ICMPV6,
    IP,
    IS_QUOTED,
    NETWORK,
    PACKET,
    PAYLOAD_STOP,
    STOP,
    TCP,
    TRANSPORT,
    UDP,
)

LAYERS = (TCP, UDP, ICMP, ICMPV6)
ODDS = (
    int(Odd.TCP_CSUM_INVALID),
    int(Odd.UDP_CSUM_INVALID),
    int(Odd.ICMPV4_CSUM_INVALID),
    int(Odd.ICMPV6_CSUM_INVALID),
)
O_IP = int(Odd.IPV4_CSUM_INVALID)
PACKET_TRUNCATED, IPV4_TRUNC, IPV6_TRUNC = (
    int(x) for x in (Odd.PACKET_TRUNCATED, Odd.IPV4_TRUNC_PKT, Odd.IPV6_TRUNC_PKT))  # fmt: skip


@kernel
def add_words(buffer, start, stop, total):
    """The sum of 16-bit words, the last byte padded with zero."""
    while start + 2 <= stop:
        total += be16(buffer, start)
        start += 2
    if start < stop:
        total += u8(buffer, start) << 8
    return total


@kernel
def is_sound(total):
    """Whether a sum that includes the checksum is right."""
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


@kernel
def has(cells, words, n, odd):
    """Whether the row has an anomaly."""
    return (words[n, ANOMALIES + (odd >> 6)] >> np.uint64(odd & 63)) & np.uint64(1) != np.uint64(0)


@kernel
def check_rows(buffer, cells, words, is_unsummed, odds):
    """Marks rows whose checksums are wrong; what was not captured whole is left alone, and so are quotes.

    Args:
        is_unsummed: bool[packets], packets taken before the network card filled their checksums in; or bool[0]: none is.
        odds: uint8[packets], HAS_ANOMALY is added to.
    """
    for n in range(len(words)):
        at = np.int64(cells[IP, n])
        stop = np.int64(cells[STOP, n])
        if (
            cells[IS_QUOTED, n]
            or (len(is_unsummed) > 0 and is_unsummed[cells[PACKET, n]])
            or has(cells, words, n, PACKET_TRUNCATED)
            or has(cells, words, n, IPV4_TRUNC)
            or has(cells, words, n, IPV6_TRUNC)
        ):
            continue
        if at >= 0 and cells[NETWORK, n] == 4:
            header = (u8(buffer, at) & 15) * 4
            if header >= 20 and not is_sound(add_words(buffer, at, at + header, 0)):
                mark(words, n, O_IP)
                odds[cells[PACKET, n]] |= HAS_ANOMALY
        for which in range(4):
            at = np.int64(cells[LAYERS[which], n])
            if at < 0 or stop - at < 8 or (which == 1 and be16(buffer, at + 6) == 0):
                continue
            end = np.int64(cells[PAYLOAD_STOP, n]) if which == 1 else stop
            total = 0
            if which != 2:
                for word in range(4):
                    value = words[n, word]
                    if cells[NETWORK, n] == 4:
                        value &= np.uint64(0xFFFFFFFF)
                    for shift in (0, 16, 32, 48):
                        total += np.int64((value >> np.uint64(shift)) & np.uint64(0xFFFF))
                total += end - at + np.int64(cells[TRANSPORT, n])
            if not is_sound(add_words(buffer, at, end, total)):
                mark(words, n, ODDS[which])
                odds[cells[PACKET, n]] |= HAS_ANOMALY
