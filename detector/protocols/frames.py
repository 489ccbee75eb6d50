"""Frames: one row = one captured packet with everything in it, the scope of a display filter in Wireshark.

A field's values are those of all the frame's rows, outermost first: of every IP layer, of every PDU.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Table
from detector.packets.header import ragged
from detector.packets.table import PacketTable
from detector.protocols.fields import table_of
from detector.protocols.table import PduTable


class FrameTable(Table):
    """Columns over frames, gathered from packet rows and PDU rows; all of them ragged."""

    def __init__(self, packets: PacketTable, pdus: Mapping[str, PduTable]) -> None:
        super().__init__("frame", len(packets.batch))
        self.packets = packets
        self.pdus = pdus

    def packet_of(self, table: Table) -> NDArray[np.int64]:
        """int64[rows], the batch's packet of each row of a table; -1: of none, as unanswered requests of earlier packets.

        Quoted rows have -1 as well: their parent lists their values.
        """
        structure = self.packets.structure
        of_row = np.where(structure.is_quoted, -1, structure.packet.astype(np.int64))
        if not isinstance(table, PduTable):
            return of_row
        return np.append(of_row, -1)[np.minimum(table.row_of_pdu, len(of_row))]

    def _make(self, name: str) -> Column:
        owner = table_of(name)
        table: Table = self.packets if owner == "packet" else self.pdus[owner]
        return self._gather(table, table.column(name))

    def span(self, name: str, is_whole: bool) -> Column:
        """A protocol's bytes, wherever it stands in the frame."""
        owner = table_of(name)
        table: Table = self.packets if owner == "packet" else self.pdus[owner]
        return self._gather(table, table.span(name, is_whole))

    def _gather(self, table: Table, column: Column) -> Column:
        """A table's column as one over frames."""
        values, rows = column.flat()
        packets = self.packet_of(table)[rows]
        kept = packets >= 0
        if column.field.kind == "protocol":
            kept &= values.astype(bool)
        if column.field.name.startswith("frame."):  # a frame's own fields are there once, with its outermost row
            kept &= self.packets.structure.outer[rows] < 0
        return ragged(column.field, values[kept], packets[kept], self.rows, column.buffer)
