"""EtherNet/IP and CIP. One row = one encapsulation PDU, or one datagram of implicit data; CIP messages are objects below it.

Input: chunks of TCP streams and UDP payloads on port 44818, UDP payloads on port 2222, and any TCP stream that begins with the
registration of a session. Output: PduTable with Wireshark's enip.*, cip.* and cipio.* fields. Fields of the items of a PDU are
its row's, those of CIP messages belong to objects: what is sent on in an unconnected send or a multiple service packet is a
message of its own.

The CIP Networks Library, vol. 2: 2 (encapsulation, common packet format); vol. 1: 2 (messages), 3 (connections), 5 (objects),
A (services), B (status), C (paths). PCCC: Rockwell 1770-6.5.16, 7.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.arena import make_arena
from detector.columns import Column, Field, ObjectTable
from detector.flows.columns import SHARDS
from detector.kernel import Kernels
from detector.packets.header import offsets_of, ragged
from detector.packets.table import PacketTable
from detector.protocols.declared import Cells, DeclaredTable, spotted, spotted_in
from detector.protocols.enip_fields import (
    ANOMALIES,
    B_KIND,
    B_OBJECT,
    B_PDU,
    B_START,
    BY_NAME,
    COMMAND,
    COMMAND_KINDS,
    DECLARED,
    FIELDS,
    HEADER,
    ITEMS_AT,
)
from detector.protocols.enip_parts import KINDS, tables
from detector.protocols.enip_words import VOCABULARY
from detector.protocols.protocol import Protocol
from detector.protocols.reader import FramingReader
from detector.protocols.table import OWN

kernels = Kernels("detector.protocols.enip_kernels")
piece_kernels = Kernels("detector.protocols.enip_piece_kernels")

STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS = 8, 6, OWN + 21
CONNECTIONS, CONNECTION_COLUMNS, KEPT_BYTES = 16384, 15, 32 * 2**20
PIECE_COLUMNS, TASK_COLUMNS, TASKS = 6, 13, 48
SPANS = {"enip": 0}
TABLES = tables()
# Of the fields of pieces their spots, each with the kinds of pieces that it is in; cells are chosen by these beforehand.
SPOTS = {
    name: [(spot._replace(numbers=()), spot.numbers) for spot in spots]
    for name, spots in DECLARED.spots.items()
    if spots[0].part.start == B_START and spots[0].part.kind == B_KIND
}


class EnipTable(DeclaredTable):
    """PDUs of EtherNet/IP. cells: int64[pdus, 28], columns named in enip_kernels.py."""

    declared = DECLARED
    span_starts = SPANS

    def __init__(self, packets: PacketTable, cells: Cells) -> None:
        super().__init__("enip", packets, cells, BY_NAME)
        self._pieces: Cells | None = None
        self._messages = 0
        self._by_kind = np.zeros(0, np.int64)  # pieces, those of each kind together
        self._kind_starts = np.zeros(len(KINDS) + 1, np.int64)

    @property
    def pieces(self) -> Cells:
        """int64[pieces, 6], listed at the first call."""
        if self._pieces is None:
            scratch = np.zeros((TASKS + 2, TASK_COLUMNS), np.int64), np.zeros((2, 3), np.int64)
            room = self.rows * 16 + 64
            while True:  # per growth
                pieces = np.zeros((room, PIECE_COLUMNS), np.int64)
                found, self._messages = piece_kernels.list_pieces(
                    self.cells, self.packets.batch.buffer, *TABLES, *scratch, pieces
                )
                if found < room:
                    break
                room = found + 1
            self._pieces = pieces[:found]
            self._by_kind = np.zeros(found, np.int64)
            piece_kernels.group_pieces(self._pieces, self._kind_starts, self._by_kind)
        return self._pieces

    def _of_kinds(self, kinds: tuple[int, ...]) -> NDArray[np.int64]:
        """The pieces of some kinds."""
        starts = self._kind_starts
        return np.concatenate([self._by_kind[starts[kind] : starts[kind + 1]] for kind in kinds])

    def objects(self) -> ObjectTable:
        """The CIP messages of all PDUs."""
        if self._objects is None:
            pieces = self.pieces
            begins = pieces[self._of_kinds((KINDS.index("service"),)), B_PDU]
            self._objects = ObjectTable(self.name, offsets_of(begins, self.rows), {
                name: partial(self._gathered, field, B_OBJECT, self._messages)
                for name, field in DECLARED.fields.items() if field.level == "object"
            })  # fmt: skip
        return self._objects

    def _make_own(self, field: Field) -> Column:
        match field.name:
            case "enip":
                return Column(field, (self.cells[:, HEADER] >= 0) | (self.cells[:, ITEMS_AT] >= 0))
            case "enip.context":
                return self._context(field)
        if field.name in SPOTS:
            return self._gathered(field, B_PDU, self.rows)
        return spotted_in(DECLARED, field, self.cells, self.packets.batch.buffer)

    def _context(self, field: Field) -> Column:
        """The sender's context, whose first two bytes a request for identities uses otherwise."""
        starts = self.cells[:, HEADER]
        skip = np.where(self.cells[:, COMMAND] == COMMAND_KINDS.index("identity"), 14, 12)
        spans = np.stack((starts + skip, starts + 20), axis=1)
        return Column(field, spans, (starts >= 0) & (spans[:, 1] <= self.stops), None, self.packets.batch.buffer)

    def _gathered(self, field: Field, owner: int, owners: int) -> Column:
        """A field of pieces as a column over PDUs, or over messages."""
        pieces, buffer = self.pieces, self.packets.batch.buffer
        found, places = [], []
        for spot, kinds in SPOTS[field.name]:  # per place of the field
            chosen = self._of_kinds(kinds)
            if len(chosen):
                values, rows = spotted(field, spot, pieces[chosen], buffer).flat()
                found.append(values)
                places.append(chosen[rows])
        if not found:
            empty = np.zeros((0, 2) if field.kind in ("bytes", "string") else 0, np.int64)
            return ragged(field, empty, np.zeros(0, np.int64), owners, buffer)
        values, place = np.concatenate(found), np.concatenate(places)
        owned = pieces[place, owner]
        if owner == B_OBJECT and owned.min(initial=0) < 0:  # of no message
            values, place, owned = values[owned >= 0], place[owned >= 0], owned[owned >= 0]
        if (place[1:] < place[:-1]).any() or (owned[1:] < owned[:-1]).any():
            order = np.lexsort((place, owned))  # what stands behind a message in another one is that one's again
            values, owned = values[order], owned[order]
        if field.kind == "float":
            values = values / 1000
        return ragged(field, values, owned, owners, buffer)


class EnipReader(FramingReader):
    """Frames EtherNet/IP in one run. Connections, and requests' messages, outlive the batch."""

    def __init__(self) -> None:
        self._kept = (np.zeros((CONNECTIONS, CONNECTION_COLUMNS), np.int64), *make_arena(KEPT_BYTES, SHARDS))
        columns = (STATE_COLUMNS, REQUEST_COLUMNS, OUT_COLUMNS)
        super().__init__(columns, kernels, EnipTable, self._kept)

    @property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return (*super()._arrays, *self._kept)


ENIP = Protocol(
    name="enip",
    title="EtherNet/IP and CIP",
    also=("cip", "cipio"),
    tcp_ports=(44818,),
    udp_ports=(44818, 2222),
    fields=FIELDS,
    anomalies=ANOMALIES,
    spans=SPANS,
    reader=EnipReader,
    table=EnipTable,
    vocabulary=VOCABULARY,
    scapy={"to_server": "detector.protocols.enip_layers.ENIP", "to_client": "detector.protocols.enip_layers.ENIP"},
)
