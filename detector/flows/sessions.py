"""TCP sessions as Suricata 7 follows them: the size of both streams and the events of each row. Made only where a rule asks.

Input: PacketTable and FlowColumns. Output: the columns of SESSION_COLUMNS, which the packet table then offers; without
sessions they have no value in any row.
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.flows.columns import FlowColumns
from detector.flows.events import StreamEvent
from detector.kernel import Kernels
from detector.packets.header import ragged
from detector.packets.table import PacketTable
from detector.snapshot import Saved, put_back, saved

kernels = Kernels("detector.flows.session_kernels")

STATE_COLUMNS, EVENTS, CLIENT, SERVER, OUT_COLUMNS = 26, 0, 1, 2, 3  # as session_kernels.py names them
EVENT = Field("stream.event", "label", "what does not fit its TCP session: Suricata's stream events",
              labels={event.value: event.label for event in StreamEvent})  # fmt: skip
SIZES = (
    Field("stream.client_size", "uint", "what Suricata's stream_size counts: bytes of the client, and one for its SYN", unit="B"),
    Field("stream.server_size", "uint", "as stream.client_size, of the server", unit="B"),
)  # fmt: skip
SESSION_FIELDS = (EVENT, *SIZES)


class SessionTable:
    """Follows the sessions of one run."""

    def __init__(self, flow_slots: int, is_midstream: bool) -> None:
        """is_midstream: whether sessions are followed whose handshake was not seen."""
        self._state = np.zeros((flow_slots, STATE_COLUMNS), np.int64)
        self._is_midstream = is_midstream

    def state(self) -> list[Saved]:
        """What a later run needs to go on."""
        return saved((self._state,))

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        put_back(state, (self._state,))

    def follow(self, packets: PacketTable, flows: FlowColumns) -> NDArray[np.int64]:
        """Follows a batch and offers its columns; what was found, int64[rows, 3]."""
        out = np.empty((packets.rows, OUT_COLUMNS), np.int64)
        kernels.follow_sessions(
            packets.structure.cells, packets.structure.words, packets.batch.buffer, flows.cells, packets.batch.times, self._state,
            self._is_midstream, out,
        )  # fmt: skip
        offer(packets, out)
        return out


def offer(packets: PacketTable, found: NDArray[np.int64] | None) -> None:
    """Offers the columns of sessions, int64[rows, 3]; None: nobody followed any."""
    packets.offer(EVENT.name, partial(events, found))
    for field, place in zip(SIZES, (CLIENT, SERVER), strict=True):  # per field
        packets.offer(field.name, partial(size, field, place, found))


def events(found: NDArray[np.int64] | None, packets: PacketTable) -> Column:
    """The set bits of each row."""
    bits = np.zeros(packets.rows, np.int64) if found is None else found[:, EVENTS]
    rows = np.flatnonzero(bits)
    where, values = np.nonzero(bits[rows, None] >> np.arange(len(StreamEvent)) & 1)
    return ragged(EVENT, values.astype(np.uint8), rows[where], len(bits))


def size(field: Field, place: int, found: NDArray[np.int64] | None, packets: PacketTable) -> Column:
    """The size of one side's stream after each row."""
    values = np.full(packets.rows, -1, np.int64) if found is None else found[:, place]
    return Column(field, values, values >= 0)
