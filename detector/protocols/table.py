"""Tables of PDUs: the part that all protocols share.

A protocol's reader gets the batch's chunks of stream bytes in order and returns a PduTable. Its state (unfinished PDUs,
open requests) lives in arrays that outlive the batch, so the size of a batch changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field, Table
from detector.flows.columns import Chunks, FlowColumns
from detector.packets.header import ragged
from detector.packets.table import PacketTable
from detector.snapshot import Saved

# What a PDU is. exception: a refusal.  malformed: bytes that no PDU could be made of.  report: sent without being asked.
# part: of a message that is not whole yet.  link: of the connection alone, without a message.
# unanswered: a request once more, when its time has passed; in the table `ics` alone.
KINDS = {
    0: "request", 1: "response", 2: "exception", 3: "malformed", 4: "report", 5: "confirm", 6: "part", 7: "link", 8: "unanswered",
}  # fmt: skip
# Columns of cells that every protocol has, as pairing_kernels.py names them.
ROW, START, STOP, ANOMALIES, KIND, REQUEST_FRAME, PLACE = range(7)
OWN = 7
MOST_ANOMALIES = 32  # of a protocol


def port_anomalies(name: str, spoken: str) -> dict[str, str]:
    """What framing_kernels.end_chunk says of the port of a stream, behind all other anomalies of a protocol. spoken: its name."""
    return {
        f"{name}.not_{name}": f"a registered port on which something else than {spoken} is spoken; once for a connection",
        f"{name}.other_port": f"{spoken}, known by its bytes, on a port that is not registered; once for a connection",
    }


def general_fields(number: int, anomalies: Mapping[str, str]) -> tuple[Field, ...]:
    """The pdu.* fields of a protocol's table. number: the protocol's, from which the codes of its anomalies come."""
    labels = {number * MOST_ANOMALIES + place: name for place, name in enumerate(anomalies)}
    return (
        Field("pdu.request_frame", "uint", "frame of the request that this reply or exception answers"),
        Field("pdu.kind", "label", "what the PDU is", labels=KINDS),
        Field("pdu.anomaly", "label", "what is odd about the PDU", labels=labels),
    )


def shared_fields(protocols: Iterable[Sequence[Field]]) -> dict[str, Field]:
    """The pdu.* fields of all protocols, by name: each has anomalies of its own."""
    made: dict[str, Field] = {}
    for fields in protocols:
        for field in fields:  # per field
            if field.protocol == "pdu":
                labels = made[field.name].labels if field.name in made else {}
                if field.name == "pdu.anomaly" and labels.keys() & field.labels.keys():
                    raise ValueError(f"two protocols have one number: {', '.join(field.labels.values())}")
                made[field.name] = replace(field, labels={**labels, **field.labels})
    return made


class PduTable(Table):
    """PDUs of one protocol. One row = one PDU.

    cells: int64[pdus, n], which begin with the seven that follow; further columns are the protocol's own.
    row_of_pdu: int64[pdus], the packet row with which the PDU was complete.
    starts, stops: int64[pdus], its bytes in the batch's buffer, contiguous.
    anomalies: int64[pdus], bits in the order of the protocol's `anomalies`.
    kinds: int64[pdus], as in KINDS.  request_frames: int64[pdus], frame of the request that each answers, negative for none.
    places: int64[pdus], where among open requests one stands, or the one that it answers; -1 for none.
    span_starts: {protocol: offset in the PDU of its first byte}.
    A field of packets, flows or frames is the packet row's value.
    """

    span_starts: Mapping[str, int]

    def __init__(self, name: str, packets: PacketTable, cells: NDArray[np.int64], fields: Mapping[str, Field]) -> None:
        super().__init__(name, len(cells))
        self.packets = packets
        self.cells = cells
        self.row_of_pdu, self.starts, self.stops, self.anomalies, self.kinds, self.request_frames, self.places = (
            cells[:, column] for column in range(OWN)
        )
        self.fields = fields

    def _make(self, name: str) -> Column:
        field = self.fields.get(name)
        if field is None:
            return self.packets.column(name).take(self.row_of_pdu)
        if field.kind == "protocol" and field.name != self.name:
            return Column(field, np.ones(self.rows, np.bool_))
        match field.name:
            case "pdu.anomaly":
                return self._anomalies(field, np.full(self.rows, min(field.labels)))
            case "pdu.kind":
                return Column(field, self.kinds.astype(np.uint8))
            case "pdu.request_frame":
                return Column(field, self.request_frames, self.request_frames >= 0)
        return self._make_own(field)

    def protocol_of(self, row: int) -> str:
        """The protocol of a row's PDU, by the name of its table."""
        return self.name

    def span(self, name: str, is_whole: bool) -> Column:
        """The bytes of the PDU, from where the named protocol begins; of a packet's protocol the packet row's."""
        if name not in self.span_starts:
            return self.packets.span(name, is_whole).take(self.row_of_pdu)
        starts = np.minimum(self.starts + self.span_starts[name], self.stops)
        return Column(
            Field(name, "bytes", ""), np.stack((starts, self.stops), axis=1), None, None, self.packets.batch.buffer
        )

    def message(self) -> NDArray[np.int64]:
        """int64[pdus, 2]: bounds of the application message of each PDU in the batch's buffer; an empty one where there is none."""
        raise NotImplementedError

    def _make_own(self, field: Field) -> Column:
        """A column of the protocol's own."""
        raise KeyError(field.name)

    def _anomalies(self, field: Field, first: NDArray[np.int64]) -> Column:
        """pdu.anomaly. first: int64[pdus], the code of bit 0."""
        rows, bits = np.nonzero((self.anomalies[:, None] >> np.arange(MOST_ANOMALIES)) & 1)
        return ragged(field, (bits + first[rows]).astype(np.uint16), rows, self.rows)


def kept_numbers(
    field: Field, starts: NDArray[np.int64], counts: NDArray[np.int64], buffer: NDArray[np.uint8]
) -> Column:
    """A column of numbers that kernels have put into the buffer: counts[i] of them for row i, eight bytes each, from starts[i]."""
    rows = np.repeat(np.arange(len(starts)), counts)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    at = starts[rows, None] + 8 * places[:, None] + np.arange(8)
    values = np.ascontiguousarray(buffer[at]).view("<u8").reshape(len(rows))
    return ragged(field, values, rows, len(starts))


def listed(fill: Callable[[NDArray[np.int64]], int], room: int, columns: int) -> NDArray[np.int64]:
    """int64[n, columns], objects that a kernel lists; it says how many there are, and has need of one row more than that."""
    while True:  # per growth
        cells = np.zeros((room, columns), np.int64)
        count = fill(cells)
        if count < room:
            return cells[:count]
        room = count + 1


class ProtocolReader(Interface):
    """Turns chunks into PDU rows; one for each protocol and run."""

    def frame(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks, chosen: NDArray[np.int64]) -> PduTable:
        """The PDUs that became complete with this batch, in the order of (packet row, position)."""
        ...

    def state(self) -> list[Saved]:
        """What a later run needs to go on: unfinished PDUs, open requests."""
        ...

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        ...
