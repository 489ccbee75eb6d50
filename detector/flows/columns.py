"""What flows add to packet rows, and the chunks of stream bytes that protocols frame."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


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


class FlowColumns(NamedTuple):
    """Arrays of one length, one row per packet row; -1 in `flow` where a row has none (quoted rows).

    flow: int64, number of the flow, counted from 0 over the run: never used again.
    slot: int64, place in the flow table; a later flow may take it over.
    direction: int8, Direction.  state: uint8, FlowState after this row.  is_new: bool, the flow's first row.
    clock: int64, ns: running maximum of packet times, at which everything in time is judged.
    started: int64, ns, the clock at the flow's first row.
    packets, bytes: int64[rows, 2], of the flow up to and including this row, to server and to client; bytes on the wire.
    relative_seq, relative_ack: int64, as Wireshark's tcp.seq and tcp.ack; -1 where there is none.
    """

    flow: NDArray[np.int64]
    slot: NDArray[np.int64]
    direction: NDArray[np.int8]
    state: NDArray[np.uint8]
    is_new: NDArray[np.bool_]
    clock: NDArray[np.int64]
    started: NDArray[np.int64]
    packets: NDArray[np.int64]
    bytes: NDArray[np.int64]
    relative_seq: NDArray[np.int64]
    relative_ack: NDArray[np.int64]


class Chunks(NamedTuple):
    """Bytes of TCP streams in stream order, and whole UDP payloads; arrays of one length in the order of packet rows.

    row: int64, packet row with which the bytes became available (the one that filled a gap, for bytes that waited).
    stream: int64, slot * 2 + direction: index into per-stream state arrays of the protocols.
    start, stop: int64, bounds in the batch's buffer.
    is_first: bool, first bytes of this stream since its flow began (the state of the slot is to be reset).
    is_gap: bool, bytes before this chunk are missing for good: what waited unfinished is to be given up.
    is_datagram: bool, a UDP payload: complete in itself, nothing is carried over.
    """

    row: NDArray[np.int64]
    stream: NDArray[np.int64]
    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    is_first: NDArray[np.bool_]
    is_gap: NDArray[np.bool_]
    is_datagram: NDArray[np.bool_]
