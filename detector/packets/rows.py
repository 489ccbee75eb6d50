"""The structure of packet rows: one row = one IP layer of a packet (or the packet itself where it has no IP).

Rows stand in packet order, outermost first. `outer` of an inner row (tunnel) is its parent. A header quoted inside an
ICMP error is a row too, set in `is_quoted` with the ICMP row as its parent: it has columns like any other, so that
`ip.src` of the ICMP row lists it, but neither flows nor rules take it for a packet of its own.

The numbers of all rows lie in two arrays, since a kernel that is handed one array for each column spends long on handing
them on. A column of `cells` lies together, so that a stage reads the few that it needs and no others: rows of 128 bytes
took 443 ns a packet through all stages, columns 353 (tests/bench, stages).
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Layer(IntEnum):
    """Where each header begins in the buffer: the first columns of PacketRows.cells; -1 means "no such header"."""

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
    HSR = 16  # the first tag of High-availability Seamless Redundancy
    PRP = 17  # the trailer of the Parallel Redundancy Protocol, at the frame's end


class Cell(IntEnum):
    """The other columns of PacketRows.cells."""

    PACKET = 18  # row of the batch
    OUTER = 19  # parent row or -1
    STOP = 20  # end of the capture, of the IP total length if that is sooner, or of the reassembled datagram
    PAYLOAD_START = 21  # bytes above TCP/UDP/SCTP (above ICMP's first 8; above IP for others; above the link header
    PAYLOAD_STOP = 22  # where there is no IP); start == stop: none
    NETWORK = 23  # 4, 6 or 0
    TRANSPORT = 24  # IP protocol after extension headers; 255 where there is no IP
    ETHERTYPE = 25  # after VLAN tags and MPLS; 0 for LLC length fields
    SOURCE_PORT = 26
    DESTINATION_PORT = 27
    TCP_FLAGS = 28  # 12 bits
    VLAN_ID = 29  # of the outermost tag, or -1
    VLAN_COUNT = 30
    MPLS_COUNT = 31
    IS_QUOTED = 32
    IS_FRAGMENT = 33  # an IP fragment: the row that completes the datagram has transport columns, the others none


class Word(IntEnum):
    """Columns of PacketRows.words. Addresses are 16 bytes, IPv4 mapped (::ffff:a.b.c.d); MAC addresses in the low halves
    where there is no IP."""

    SOURCE_HIGH = 0
    SOURCE_LOW = 1
    DESTINATION_HIGH = 2
    DESTINATION_LOW = 3
    ANOMALIES = 4  # two words: bit n of 128 is PacketAnomaly(n)
    SEQUENCE = 6  # TCP's sequence number << 32 | acknowledgement number


class Seen(IntEnum):
    """Words of what the rows of a batch have together, uint64[4]. A row that is dropped leaves its bits."""

    ANOMALIES = 0  # two words, as Word.ANOMALIES
    ETHERTYPES = 2  # bit n: an EtherType but IPv4's whose low six bits are n
    LAYERS = 3  # S_*


CELLS = 34
WORDS = 7
SEEN_WORDS = 4

# The same as plain numbers, which kernels need.
LINK, ETH, VLAN, MPLS, LLC, ARP, IP, IPV6, IPV6_EXT, TCP, UDP, ICMP, ICMPV6, IGMP, SCTP, TUNNEL, HSR, PRP = map(
    int, Layer
)
(PACKET, OUTER, STOP, PAYLOAD_START, PAYLOAD_STOP, NETWORK, TRANSPORT, ETHERTYPE, SOURCE_PORT, DESTINATION_PORT, TCP_FLAGS,
 VLAN_ID, VLAN_COUNT, MPLS_COUNT, IS_QUOTED, IS_FRAGMENT) = map(int, Cell)  # fmt: skip
ANOMALIES, SEQUENCE = int(Word.ANOMALIES), int(Word.SEQUENCE)
SEEN_ETHERTYPES, SEEN_LAYERS = int(Seen.ETHERTYPES), int(Seen.LAYERS)
S_REDUNDANCY, S_QUOTES = 1, 2  # tags of HSR or trailers of PRP; headers that errors quote
LAYER_COUNT = len(Layer)


class PacketRows(NamedTuple):
    """cells: int32[34, capacity], first axis Layer and Cell.  words: uint64[rows, 7], columns Word.

    There are as many rows as `words` has. Offsets are into the batch's buffer. The properties are views of columns.
    """

    cells: NDArray[np.int32]
    words: NDArray[np.uint64]

    def cell(self, column: Cell) -> NDArray[np.int32]:
        """A column of cells, int32[rows]."""
        return self.cells[column, : len(self.words)]

    def layer(self, layer: Layer) -> NDArray[np.int32]:
        """Where each row's header of a layer begins, int32[rows]; -1 for none."""
        return self.cells[layer, : len(self.words)]

    @property
    def packet(self) -> NDArray[np.int32]:
        """Row of the batch, int32[rows]."""
        return self.cell(Cell.PACKET)

    @property
    def outer(self) -> NDArray[np.int32]:
        """Parent row or -1, int32[rows]."""
        return self.cell(Cell.OUTER)

    @property
    def is_quoted(self) -> NDArray[np.bool_]:
        """Whether the row is a header quoted in an ICMP error, bool[rows]."""
        quoted: NDArray[np.bool_] = self.cell(Cell.IS_QUOTED) != 0
        return quoted

    @property
    def transport(self) -> NDArray[np.int32]:
        """IP protocol, int32[rows]; 255 where there is no IP."""
        return self.cell(Cell.TRANSPORT)

    @property
    def network(self) -> NDArray[np.int32]:
        """IP version, int32[rows]: 4, 6 or 0."""
        return self.cell(Cell.NETWORK)

    @property
    def ports(self) -> NDArray[np.int32]:
        """Source and destination port, int32[rows, 2]."""
        return self.cells[Cell.SOURCE_PORT : Cell.TCP_FLAGS, : len(self.words)].T

    @property
    def vlan(self) -> NDArray[np.int32]:
        """Id of the outermost VLAN tag or -1, int32[rows]."""
        return self.cell(Cell.VLAN_ID)

    @property
    def addresses(self) -> NDArray[np.uint64]:
        """Source high, low, destination high, low, uint64[rows, 4]."""
        return self.words[:, :4]

    @property
    def anomalies(self) -> NDArray[np.uint64]:
        """Bits of PacketAnomaly, uint64[rows, 2]."""
        return self.words[:, Word.ANOMALIES : Word.SEQUENCE]


def make_rows(capacity: int) -> PacketRows:
    """Rows with room for `capacity` or a little more: columns a multiple of 4 KiB apart would share cache lines."""
    capacity += -capacity % 1024 + 64
    return PacketRows(np.empty((CELLS, capacity), np.int32), np.empty((capacity, WORDS), np.uint64))
