"""The part of a protocol's reader that all share: arrays that outlive the batch, and room where a kernel asks for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from detector.arena import make_arena
from detector.flows.columns import SHARDS, Chunks, FlowColumns
from detector.kernel import Kernels
from detector.packets.rows import Cell, Seen
from detector.packets.table import PacketTable
from detector.protocols.table import PduTable
from detector.snapshot import Saved, put_back, saved

CARRY_BYTES, REQUESTS, ROOM = 16 * 2**20, 65536, 2**20
MOST_ROWS = 2**18  # of a chunk with what was left before it: no PDU is shorter than two bytes
Cells = NDArray[np.int64]
Kind = TypeVar("Kind", bound=np.generic)


class FramingReader:
    """Frames one protocol in one run. Its kernel frame_chunks is handed the batch, this object's arrays, `constants`, out, found.

    columns: of the state of streams, of open requests, and of a PDU.
    kernels: their frame_chunks says how far it came: (next chosen chunk, PDUs found, bytes used); it stops where it asks for room.
    table: the PDUs of a batch as a table.
    """

    def __init__(
        self, columns: tuple[int, int, int], kernels: Kernels,
        table: Callable[[PacketTable, Cells], PduTable], constants: Sequence[NDArray[Any]] = (),
    ) -> None:  # fmt: skip
        self._state_columns, request_columns, self._out_columns = columns
        self._kernels, self._table, self._constants = kernels, table, constants
        self._state = np.zeros((0, self._state_columns), np.int64)
        self._arena = make_arena(CARRY_BYTES, SHARDS)
        self._requests = np.zeros((REQUESTS, request_columns), np.int64)

    def frame(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks, chosen: NDArray[np.int64]) -> PduTable:
        """The PDUs that became complete with these chunks. chosen: int64[n], ascending, those of streams that speak it."""
        batch, cells = packets.batch, chunks.cells
        if not len(chosen):
            return self._table(packets, np.zeros((0, self._out_columns), np.int64))
        self._state = with_streams(self._state, chunks)
        out = np.zeros((len(chosen) + 64, self._out_columns), np.int64)
        chunk, found, room = 0, 0, ROOM
        while True:  # per growth of the buffer or the rows
            before = chunk
            chunk, found, batch.used = self._kernels.frame_chunks(
                cells, chosen, chunk, packets.structure.cells, flows.cells, batch.times, batch.numbers, batch.buffer, batch.used,
                self._state, *self._arena, self._requests, *self._constants, out, found,
            )  # fmt: skip
            if chunk == len(chosen):
                return self._table(packets, out[:found])
            room = 2 * room if chunk == before else ROOM  # one chunk may ask for many megabytes
            batch.reserve(room)
            if len(out) - found < MOST_ROWS:
                out = np.concatenate((out, np.zeros((len(out), self._out_columns), np.int64)))

    def state(self) -> list[Saved]:
        """Unfinished PDUs, what streams were found to be, open requests."""
        return saved(self._arrays)

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        self._state = np.zeros((state[0].shape[0], self._state_columns), np.int64)
        put_back(state, self._arrays)

    @property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (self._state, *self._arena, self._requests)


def with_streams(state: NDArray[Kind], chunks: Chunks) -> NDArray[Kind]:
    """What is known of streams, with a row for each that there may be; memory is taken as rows are used."""
    if len(state) >= chunks.streams:
        return state
    grown = np.zeros((chunks.streams, state.shape[1]), state.dtype)
    grown[: len(state)] = state
    return grown


class PacketReader:
    """Frames a protocol that lies straight above link headers, in one run: its packets are known by EtherType.

    Its kernel frame_packets is handed the packet rows, the batch, this object's array, `constants`, out, found; it says how
    far it came: (next packet row, PDUs found), and stops where it asks for room in out.

    state: rows and columns of what is known of senders.  columns: of a PDU.
    """

    def __init__(
        self, ethertypes: Sequence[int], state: tuple[int, int], columns: int, kernels: Kernels,
        table: Callable[[PacketTable, Cells], PduTable], constants: Sequence[Cells] = (),
    ) -> None:  # fmt: skip
        self._ethertypes, self._columns = np.array(ethertypes, np.int32), columns
        self._ethertype_bits = sum({1 << (ethertype & 63) for ethertype in ethertypes})
        self._kernels, self._table, self._constants = kernels, table, constants
        self._state = np.zeros(state, np.int64)

    def frame(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks, chosen: NDArray[np.int64]) -> PduTable:
        """The PDUs of a batch; a row that another worker follows has none here."""
        structure, batch = packets.structure, packets.batch
        if not int(packets.seen[Seen.ETHERTYPES]) & self._ethertype_bits:
            return self._table(packets, np.zeros((0, self._columns), np.int64))
        rows = np.flatnonzero(np.isin(structure.cell(Cell.ETHERTYPE), self._ethertypes))
        rows = rows[flows.flow[rows] >= 0]
        out = np.zeros((len(rows) + 8, self._columns), np.int64)
        done, found = 0, 0
        while len(rows):  # per growth of the rows
            done, found = self._kernels.frame_packets(
                rows, done, structure.cells, structure.words, flows.cells, batch.times, batch.buffer, self._state,
                *self._constants, out, found,
            )  # fmt: skip
            if done == len(rows):
                break
            out = np.concatenate((out, np.zeros((len(out), self._columns), np.int64)))
        return self._table(packets, out[:found])

    def state(self) -> list[Saved]:
        """What is known of senders."""
        return saved((self._state,))

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        put_back(state, (self._state,))
