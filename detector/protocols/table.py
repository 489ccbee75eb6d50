"""Tables of PDUs: the part that all protocols share.

A protocol's reader gets the batch's chunks of stream bytes in order and returns a PduTable. Its state (unfinished PDUs,
open requests) lives in arrays that outlive the batch, so the size of a batch changes nothing.
"""

from __future__ import annotations

from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch
from detector.columns import Column, Table
from detector.flows.columns import Chunks
from detector.packets.table import PacketTable


class PduTable(Table):
    """PDUs of one protocol. One row = one PDU.

    row_of_pdu: int64[pdus], the packet row with which the PDU was complete.
    starts, stops: int64[pdus], its bytes in the batch's buffer, contiguous.
    anomalies: uint64[pdus], bits by the order of the protocol's `anomalies`.
    A field of packets, flows or frames is the packet row's value.
    """

    def __init__(self, name: str, packets: PacketTable, row_of_pdu: NDArray[np.int64], starts: NDArray[np.int64],
                 stops: NDArray[np.int64], anomalies: NDArray[np.uint64]) -> None:
        super().__init__(name, len(row_of_pdu))
        self.packets = packets
        self.row_of_pdu = row_of_pdu
        self.starts = starts
        self.stops = stops
        self.anomalies = anomalies

    def _make(self, name: str) -> Column:
        return self.packets.column(name).take(self.row_of_pdu)


class ProtocolReader(Interface):
    """Turns chunks into PDU rows; one for each protocol and run."""

    def frame(self, batch: Batch, packets: PacketTable, chunks: Chunks) -> PduTable:
        """The PDUs that became complete with this batch, in the order of (packet row, position)."""
        ...
