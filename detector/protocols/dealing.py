"""Deals chunks of stream bytes out to protocols: each gets those of streams that speak it.

Nearly every stream speaks one protocol or none. To ask each protocol's own array, batch after batch, took 20 to 35 ns a
packet and protocol; one array for all, looked at once, takes as much for all of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.flows.columns import Chunks, FlowColumns
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.protocols.dnp3 import crc_table
from detector.protocols.reader import with_streams
from detector.snapshot import Saved, put_back, saved

kernels = Kernels("detector.protocols.dealing_kernels")

MARKS = 3  # as framing_kernels.py has it


class Dealer:
    """What streams were found to speak in one run, and so many protocols to which their chunks go."""

    def __init__(self, protocols: int) -> None:
        self._protocols = protocols
        self._table = crc_table()
        self._marks, self._settled = np.zeros((0, MARKS), np.int64), np.zeros((0, 1), np.uint8)
        self._places = np.empty((protocols, 0), np.int64)

    def deal(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks) -> list[NDArray[np.int64]]:
        """int64[n] for each protocol, ascending, the places of its chunks, until the next batch; none of a protocol that has its packets straight above link headers."""
        cells = chunks.cells
        self._marks, self._settled = with_streams(self._marks, chunks), with_streams(self._settled, chunks)
        if self._places.shape[1] < len(cells):  # kept: fresh memory for each batch costs more than what is done with it
            self._places = np.empty((self._protocols, 2 * len(cells)), np.int64)
        places = self._places
        counts = np.zeros(self._protocols, np.int64)
        kernels.deal_chunks(
            cells,
            packets.structure.cells,
            flows.cells,
            packets.batch.buffer,
            self._table,
            self._marks,
            self._settled.reshape(-1),
            places,
            counts,
        )
        return [places[protocol, :count] for protocol, count in enumerate(counts.tolist())]

    def state(self) -> list[Saved]:
        """What a later run needs to go on."""
        return saved((self._marks, self._settled))

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        self._marks, self._settled = np.zeros(state[0].shape, np.int64), np.zeros(state[1].shape, np.uint8)
        put_back(state, (self._marks, self._settled))
