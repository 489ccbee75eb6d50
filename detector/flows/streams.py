"""TCP streams in order, and UDP payloads, as chunks for the protocols.

Input: packet rows with their flows. Output: Chunks. One row of state = one direction of a flow slot.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detector.arena import make_arena
from detector.flows.columns import Chunks, FlowColumns
from detector.kernel import Kernels
from detector.packets.table import PacketTable

kernels = Kernels("detector.flows.stream_kernels")

PIECES = 16384
ROOM = 2**20  # bytes made free behind the batch when the kernel asks
SLACK_CHUNKS = 1024


@dataclass(frozen=True)
class StreamSettings:
    """Ceilings of segments that wait for a gap: of one stream, and of all together."""

    stream_bytes: int = 256 * 2**10
    memory_bytes: int = 32 * 2**20


class StreamTable:
    """Follows the streams of one run."""

    def __init__(self, settings: StreamSettings, flow_slots: int) -> None:
        self._limit = settings.stream_bytes
        self._state = np.zeros((2 * flow_slots, 5), np.int64)
        self._arena = make_arena(settings.memory_bytes)
        self._pieces = np.zeros((PIECES, 4), np.int64)
        self._pieces[:, 3] = np.arange(1, PIECES + 1)
        self._pieces[-1, 3] = -1
        self._counts = np.zeros(4, np.int64)

    @property
    def repeated_bytes(self) -> int:
        """Bytes that were sent again and dropped."""
        return int(self._counts[1])

    @property
    def gaps(self) -> int:
        """Gaps that were given up."""
        return int(self._counts[2])

    @property
    def refused(self) -> int:
        """Segments ahead of their turn for which there was no room."""
        return int(self._counts[3])

    def follow(self, packets: PacketTable, flows: FlowColumns) -> Chunks:
        """The chunks of a batch; what had waited is appended to the batch's buffer."""
        batch, structure = packets.batch, packets.structure
        out = np.zeros((packets.rows + SLACK_CHUNKS, 7), np.int64)
        row, found = 0, 0
        while True:  # per growth of the buffer or the chunks
            row, found, batch.used = kernels.follow_streams(
                *structure, flows.cells, batch.buffer, batch.used, row, self._state, self._pieces, *self._arena, self._counts,
                self._limit, out, found,
            )  # fmt: skip
            if row == packets.rows:
                return Chunks(out[:found])
            batch.reserve(ROOM)
            out = np.concatenate((out, np.zeros((len(out), 7), np.int64)))
