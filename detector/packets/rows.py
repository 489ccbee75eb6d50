"""The structure of packet rows: one row = one IP layer of a packet (or the packet itself where it has no IP).

Rows stand in packet order, outermost first. `outer` of an inner row (tunnel) is its parent. A header quoted inside an
ICMP error is a row too, set in `is_quoted` with the ICMP row as its parent: it has columns like any other, so that
`ip.src` of the ICMP row lists it, but neither flows nor rules take it for a packet of its own.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Layer(IntEnum):
    """Columns of PacketRows.layers: where each header begins in the buffer."""

    LINK = 0  # Ethernet, SLL, SLL2, NULL, PPP: which one says the packet's link type
    ETH = 1
    VLAN = 2  # the first tag; further ones follow every 4 bytes
    MPLS = 3
    LLC = 4
    ARP = 5
    IP = 6
    IPV6 = 7
    IPV6_EXT = 8  # the first extension header
    TCP = 9
    UDP = 10
    ICMP = 11
    ICMPV6 = 12
    IGMP = 13
    SCTP = 14
    TUNNEL = 15  # GRE or VXLAN header that this row's payload begins with


LAYER_COUNT = len(Layer)


class PacketRows(NamedTuple):
    """Arrays of one length, filled by the decode kernel; offsets are into the batch's buffer, -1 means "no such header".

    packet: int32, row of the batch.  outer: int32, parent row or -1.
    layers: int32[rows, LAYER_COUNT].
    stop: int32, where the row's bytes end: the end of the capture, or of the IP total length if that is sooner, or of
        the reassembled datagram in the appended part of the buffer (then transport offsets point there too).
    payload_start, payload_stop: int32, bytes above TCP/UDP/SCTP (above ICMP's first 8 bytes; above IP for others; above
        the link header where there is no IP); start == stop: none.
    network: uint8, 4, 6 or 0.  transport: uint8, IP protocol after extension headers (255 where there is no IP).
    ethertype: uint16, after VLAN tags and MPLS (0 for LLC length fields).
    addresses: uint64[rows, 4]: source high, low, destination high, low: 16 bytes, IPv4 mapped (::ffff:a.b.c.d); MAC
        addresses in the low halves where there is no IP.
    ports: uint16[rows, 2].  tcp_flags: uint16 (12 bits).  tcp_seq, tcp_ack: uint32.
    vlan: int32, id of the outermost tag or -1.  vlan_count, mpls_count: uint8.
    is_quoted: bool.  is_fragment: bool: an IP fragment (the row that completes the datagram has transport columns, the
        others none).
    anomalies: uint64[rows, 2], bit n of 128 is PacketAnomaly(n).
    """

    packet: NDArray[np.int32]
    outer: NDArray[np.int32]
    layers: NDArray[np.int32]
    stop: NDArray[np.int32]
    payload_start: NDArray[np.int32]
    payload_stop: NDArray[np.int32]
    network: NDArray[np.uint8]
    transport: NDArray[np.uint8]
    ethertype: NDArray[np.uint16]
    addresses: NDArray[np.uint64]
    ports: NDArray[np.uint16]
    tcp_flags: NDArray[np.uint16]
    tcp_seq: NDArray[np.uint32]
    tcp_ack: NDArray[np.uint32]
    vlan: NDArray[np.int32]
    vlan_count: NDArray[np.uint8]
    mpls_count: NDArray[np.uint8]
    is_quoted: NDArray[np.bool_]
    is_fragment: NDArray[np.bool_]
    anomalies: NDArray[np.uint64]


def make_rows(capacity: int) -> PacketRows:
    """Rows with room for `capacity`, zeroed."""
    n = capacity
    return PacketRows(
        packet=np.zeros(n, np.int32), outer=np.zeros(n, np.int32), layers=np.zeros((n, LAYER_COUNT), np.int32),
        stop=np.zeros(n, np.int32), payload_start=np.zeros(n, np.int32), payload_stop=np.zeros(n, np.int32),
        network=np.zeros(n, np.uint8), transport=np.zeros(n, np.uint8), ethertype=np.zeros(n, np.uint16),
        addresses=np.zeros((n, 4), np.uint64), ports=np.zeros((n, 2), np.uint16), tcp_flags=np.zeros(n, np.uint16),
        tcp_seq=np.zeros(n, np.uint32), tcp_ack=np.zeros(n, np.uint32), vlan=np.zeros(n, np.int32),
        vlan_count=np.zeros(n, np.uint8), mpls_count=np.zeros(n, np.uint8), is_quoted=np.zeros(n, np.bool_),
        is_fragment=np.zeros(n, np.bool_), anomalies=np.zeros((n, 2), np.uint64))  # fmt: skip
