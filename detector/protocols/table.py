"""Tables of PDUs: the part that all protocols share.

A protocol's reader gets the batch's chunks of stream bytes in order and returns a PduTable. Its state (unfinished PDUs,
open requests) lives in arrays that outlive the batch, so the size of a batch changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field, Table
from detector.flows.columns import Chunks, FlowColumns
from detector.packets.table import PacketTable
from detector.snapshot import Saved

KINDS = {0: "request", 1: "response", 2: "exception", 3: "malformed"}  # malformed: bytes that no PDU could be made of


class PduTable(Table):
    """PDUs of one protocol. One row = one PDU.

    row_of_pdu: int64[pdus], the packet row with which the PDU was complete.
    starts, stops: int64[pdus], its bytes in the batch's buffer, contiguous.
    anomalies: int64[pdus], bits in the order of the protocol's `anomalies`.
    span_starts: {protocol: offset in the PDU of its first byte}.
    A field of packets, flows or frames is the packet row's value.
    """

    span_starts: Mapping[str, int]

    def __init__(self, name: str, packets: PacketTable, row_of_pdu: NDArray[np.int64], starts: NDArray[np.int64],
                 stops: NDArray[np.int64], anomalies: NDArray[np.int64], fields: Mapping[str, Field]) -> None:  # fmt: skip
        super().__init__(name, len(row_of_pdu))
        self.packets = packets
        self.row_of_pdu = row_of_pdu
        self.starts = starts
        self.stops = stops
        self.anomalies = anomalies
        self.fields = fields

    def _make(self, name: str) -> Column:
        field = self.fields.get(name)
        if field is None:
            return self.packets.column(name).take(self.row_of_pdu)
        if field.kind == "protocol" and field.name != self.name:
            return Column(field, np.ones(self.rows, np.bool_))
        if field.name == "pdu.anomaly":
            return self._anomalies(field)
        return self._make_own(field)

    def span(self, name: str, is_whole: bool) -> Column:
        """The bytes of the PDU, from where the named protocol begins; of a packet's protocol the packet row's."""
        if name not in self.span_starts:
            return self.packets.span(name, is_whole).take(self.row_of_pdu)
        starts = np.minimum(self.starts + self.span_starts[name], self.stops)
        return Column(
            Field(name, "bytes", ""), np.stack((starts, self.stops), axis=1), None, None, self.packets.batch.buffer
        )

    def _make_own(self, field: Field) -> Column:
        """A column of the protocol's own."""
        raise KeyError(field.name)

    def _anomalies(self, field: Field) -> Column:
        bits = (self.anomalies[:, None] >> np.arange(len(field.labels))) & 1
        rows, values = np.nonzero(bits)
        offsets = np.zeros(self.rows + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=self.rows), out=offsets[1:])
        return Column(field, values.astype(np.uint8), None, offsets)


class ProtocolReader(Interface):
    """Turns chunks into PDU rows; one for each protocol and run."""

    def frame(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks) -> PduTable:
        """The PDUs that became complete with this batch, in the order of (packet row, position)."""
        ...

    def state(self) -> list[Saved]:
        """What a later run needs to go on: unfinished PDUs, open requests."""
        ...

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        ...
