"""What flows add to packet rows, and the chunks of stream bytes that protocols frame."""

from __future__ import annotations

from enum import IntEnum, IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SHARDS = 64  # parts of all state that is kept by flow; what happens in one never depends on another


class Direction(IntEnum):
    """`flow.direction` of a row."""

    TO_SERVER = 0
    TO_CLIENT = 1


class FlowState(IntEnum):
    """`flow.state` of a row's flow after the row."""

    NEW = 0  # packets of one side only
    ESTABLISHED = 1  # TCP: handshake seen, or both sides sent data; else: packets both ways
    CLOSING = 2  # a FIN was seen
    CLOSED = 3  # FIN both ways and acknowledged, or RST


class Cell(IntEnum):
    """Columns of FlowColumns.cells."""

    FLOW = (
        0  # number of the flow, never used again: SHARDS times its place in its shard, plus the shard; -1 where a row
    )
    # has none: quoted rows, and rows of flows that another worker follows
    SLOT = 1  # place in the flow table; a later flow may take it over
    DIRECTION = 2  # Direction
    FLOW_STATE = 3  # FlowState after this row
    IS_NEW = 4  # the flow's first row
    CLOCK = 5  # ns: running maximum of packet times, at which everything in time is judged
    BEGAN = 6  # ns, the clock at the flow's first row
    RELATIVE_SEQ = 7  # as Wireshark's tcp.seq, -1 where there is none
    RELATIVE_ACK = 8
    PACKETS_SO_FAR = 9  # two columns, to server and to client, of the flow up to and including this row
    BYTES_SO_FAR = 11  # as PACKETS_SO_FAR; bytes on the wire
    WINDOW_SCALE = 13  # shift of the sender's window, -1 unknown, -2 not used
    PEER = 14  # bits of Peer: the flow as Suricata sees it
    PEER_AGE = 15  # whole seconds from the flow's first packet, as Suricata sees it


CELLS = 16

# The same as plain numbers, which kernels need.
(FLOW, SLOT, DIRECTION, FLOW_STATE, IS_NEW, CLOCK, BEGAN, RELATIVE_SEQ, RELATIVE_ACK, PACKETS_SO_FAR, BYTES_SO_FAR, WINDOW_SCALE, PEER, PEER_AGE) = map(
    int, Cell)  # fmt: skip


AHEAD = 64  # rows whose flows are looked for together


class Peer(IntFlag):
    """A row's flow as Suricata sees it, for payload rules alone: its direction and states differ from ours."""

    TO_CLIENT = 1
    ESTABLISHED = 2
    FIRST = 4  # the first packet of its direction
    ENTERED = 8  # the row's payload is part of its stream now; not where it waits for the bytes before it
    FOLLOWED = 16  # TCP: it has a session, or needs none (FlowSettings.midstream)
    ALONE = 32  # Suricata keeps no flow for it (IGMP, GRE ...): it goes to a server, is neither established nor not, and first
    RESYN = 64  # TCP: a SYN with another number on a connection that was not over
    OPEN = 128  # TCP: the session is established, or was, once this packet has been seen
    LOOKS = 256  # TCP: no data comes with it, and Suricata looks at its sender's: it ends a session, or enough was acknowledged


# The same as plain numbers, which kernels need.
(
    PEER_TO_CLIENT,
    PEER_ESTABLISHED,
    PEER_FIRST,
    PEER_ENTERED,
    PEER_FOLLOWED,
    PEER_ALONE,
    PEER_RESYN,
    PEER_OPEN,
    PEER_LOOKS,
) = map(int, Peer)


class FlowColumns(NamedTuple):
    """cells: int64[rows, 16], one row per packet row, columns Cell. One array, for the reason given in packets/rows.py."""

    cells: NDArray[np.int64]

    @property
    def flow(self) -> NDArray[np.int64]:
        """Number of each row's flow, -1 for none."""
        return self.cells[:, FLOW]

    @property
    def direction(self) -> NDArray[np.int64]:
        """Direction of each row."""
        return self.cells[:, DIRECTION]


class Chunk(IntEnum):
    """Columns of Chunks.cells."""

    ROW = 0  # packet row with which the bytes became available (the one that filled a gap, for bytes that waited)
    STREAM = 1  # slot * 2 + direction: index into per-stream state arrays of the protocols
    START = 2  # bounds in the batch's buffer
    STOP = 3
    IS_FIRST = 4  # first bytes of this stream since its flow began (the state of the slot is to be reset)
    IS_GAP = 5  # bytes before this chunk are missing for good: what waited unfinished is to be given up
    IS_DATAGRAM = 6  # a UDP payload: complete in itself, nothing is carried over
    POSITION = (
        7  # bytes of the stream before this chunk, counted from where it was first seen, those that are missing too
    )
    BASE = 8  # POSITION of the first byte that Suricata has not looked at: from there payload rules count places
    IS_LATE = 9  # bytes that waited, and were looked at by themselves when they came


class Chunks(NamedTuple):
    """Bytes of TCP streams in stream order, and whole UDP payloads, in the order of packet rows.

    cells: int64[chunks, 10], columns Chunk.
    repeats: int64[repeats, 5], columns Repeat, in the order of packet rows.
    streams: how many streams there may be; all numbers of streams are smaller.
    """

    cells: NDArray[np.int64]
    repeats: NDArray[np.int64]
    streams: int


class Repeat(IntEnum):
    """Columns of Chunks.repeats: bytes of a TCP stream that came once more, after they were passed on."""

    ROW = 0  # as Chunk's
    STREAM = 1
    START = 2
    STOP = 3
    POSITION = 4


CHUNK_CELLS, REPEAT_CELLS = 10, 5

# The same as plain numbers, which kernels need.
ROW, STREAM, START, STOP, IS_FIRST, IS_GAP, IS_DATAGRAM, POSITION, BASE, IS_LATE = map(int, Chunk)
R_ROW, R_STREAM, R_START, R_STOP, R_POSITION = map(int, Repeat)


class Window(IntEnum):
    """Columns of Windows.cells: a TCP chunk with the bytes of its stream that stand right before it."""

    ROW = 0  # as Chunk's
    STREAM = 1
    START = 2  # the chunk's bounds in the batch's buffer
    STOP = 3
    POSITION = 4  # as Chunk's
    PREVIOUS = 5  # window of the chunk before it in this batch, -1: what is known before it is in the stream's tail
    TAIL = 6  # bytes right before the chunk that are known; 0 at the stream's beginning and behind a gap
    KEPT = 7  # number of the stream's tail
    BASE = 8  # as Chunk's
    IS_LATE = 9  # as Chunk's


WINDOW_CELLS = 10
WINDOW_BYTES = 4096  # of a stream that are known before a chunk

# The same as plain numbers, which kernels need.
W_ROW, W_STREAM, W_START, W_STOP, W_POSITION, W_PREVIOUS, W_TAIL, W_KEPT, W_BASE, W_IS_LATE = map(int, Window)
