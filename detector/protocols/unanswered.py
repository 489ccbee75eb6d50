"""Requests that nobody answered in time, as rows of the table `ics`, with the packets that they came in.

Input: the rows of each protocol in a batch. Output: LatePart for each protocol, and a packet table in which the packets of
such requests stand behind those of the batch. A request's time is reckoned by the running clock: its row is judged at the
clock at which it has passed, or at which the same request takes its place. Of a packet its first FRAME_BYTES are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch
from detector.flows.columns import CELLS as FLOW_CELLS
from detector.flows.columns import FlowColumns
from detector.flows.sessions import offer as offer_sessions
from detector.flows.table import offer as offer_flows
from detector.kernel import Kernels
from detector.packets.decode import DecodeSettings, PacketDecoder
from detector.packets.fields import BY_NAME, SPANS
from detector.packets.rows import Cell, PacketRows, Word
from detector.packets.table import PacketTable
from detector.packets.zones import Atlas
from detector.packets.zones import offer as offer_zones
from detector.protocols.reader import REQUESTS
from detector.protocols.table import ANOMALIES, KIND, OWN, PLACE, REQUEST_FRAME, ROW, START, STOP, PduTable
from detector.protocols.words import Numbers, Points

kernels = Kernels("detector.protocols.unanswered_kernels")

Bytes = NDArray[np.uint8]
FRAME_BYTES = 512
KIND_UNANSWERED = 8  # as table.KINDS has it
REPEATED = -2  # as pairing_kernels.py has it
NO_EVENTS, NONE_DUE = np.zeros((0, 3), np.int64), np.zeros(0, np.int64)
NEVER = 2**63 - 1
NO_SESSION = 0, -1, -1  # no event, no sizes
EARLIER_ROWS = 2**40  # places of packet rows of earlier batches, behind all of a batch


class Head(IntEnum):
    """Columns of what is kept of a request and its packet; behind them its row of FlowColumns.cells."""

    TIME = 0
    NUMBER = 1
    FILE = 2
    INTERFACE = 3
    ORIGIN = 4
    LINK_TYPE = 5
    WIRE_LENGTH = 6
    CAPTURED = 7  # bytes that are kept
    DELTA = 8  # ns since the frame before, and since the first
    SINCE = 9
    DEPTH = 10  # which row of its packet it is
    START = 11  # bounds of the PDU, from the packet's first byte; -1 where it came in several
    STOP = 12
    ANOMALIES = 13
    UNIT = 14
    ODDS = 15  # two columns, the packet row's anomalies


OWN_HEADS = len(Head) + 1
HEADS = OWN_HEADS + FLOW_CELLS


def heads_of(table: PduTable, pdus: Numbers, units: Numbers, flows: FlowColumns) -> Numbers:
    """int64[pdus, HEADS], what is kept of requests. units: int64[pdus]."""
    packets, rows = table.packets, table.row_of_pdu[pdus]
    batch, structure = packets.batch, packets.structure
    packet = structure.packet[rows]
    starts, stops = batch.starts[packet], batch.stops[packet]
    first, last = table.starts[pdus] - starts, table.stops[pdus] - starts
    is_inside = (first >= 0) & (last <= np.minimum(stops - starts, FRAME_BYTES))
    heads = np.empty((len(pdus), HEADS), np.int64)
    origins = np.full(len(batch), -1, np.int32) if batch.origins is None else batch.origins
    for head, values in (  # per column
        (Head.TIME, batch.times[packet]), (Head.NUMBER, batch.numbers[packet]), (Head.FILE, batch.files[packet]),
        (Head.INTERFACE, batch.interfaces[packet]), (Head.ORIGIN, origins[packet]), (Head.LINK_TYPE, batch.link_types[packet]),
        (Head.WIRE_LENGTH, batch.wire_lengths[packet]), (Head.CAPTURED, np.minimum(stops - starts, FRAME_BYTES)),
        (Head.DELTA, packets.times[0][packet]), (Head.SINCE, packets.times[1][packet]),
        (Head.DEPTH, rows - np.searchsorted(structure.packet, packet)),
        (Head.START, np.where(is_inside, first, -1)), (Head.STOP, np.where(is_inside, last, -1)),
        (Head.ANOMALIES, table.anomalies[pdus]), (Head.UNIT, units),
    ):  # fmt: skip
        heads[:, head] = values
    heads[:, Head.ODDS : OWN_HEADS] = structure.anomalies[rows].view(np.int64)
    heads[:, OWN_HEADS:] = flows.cells[rows]
    return heads


class Kept(NamedTuple):
    """Requests with their packets. heads: int64[n, HEADS].  frames: uint8[n, FRAME_BYTES].

    lengths, records: int64[n], uint8[n, bytes], verbs and points, as ics_kernels.remember_requests leaves them.
    """

    heads: Numbers
    frames: Bytes
    lengths: Numbers
    records: Bytes

    @classmethod
    def empty(cls, count: int, record_bytes: int) -> Kept:
        """Room for some."""
        return cls(
            np.zeros((count, HEADS), np.int64), np.zeros((count, FRAME_BYTES), np.uint8), np.zeros(count, np.int64),
            np.zeros((count, record_bytes), np.uint8),
        )  # fmt: skip

    def take(self, places: Numbers) -> Kept:
        """A copy of some of them."""
        return Kept(self.heads[places], self.frames[places], self.lengths[places], self.records[places])

    def fill(self, places: Numbers, others: Kept) -> None:
        """Takes over others, each at its place."""
        for name in self._fields:  # per array
            getattr(self, name)[places] = getattr(others, name)

    def put(self, places: Numbers, heads: Numbers, packets: PacketTable, rows: Numbers) -> None:
        """Keeps requests, whose packet rows are `rows`, at some places; records are put there by others."""
        self.heads[places] = heads
        packet = packets.structure.packet[rows]
        kernels.copy_frames(
            packets.batch.buffer, packets.batch.starts[packet], packets.batch.stops[packet], places, self.frames
        )


def joined(parts: Sequence[Kept]) -> Kept:
    """All of several."""
    return Kept(
        *(np.concatenate([one[place] for one in parts]) for place in range(4))  # per array
    )


@dataclass(frozen=True)
class Late:
    """Requests of one protocol whose time has passed. when: int64[n], clocks.  by: int64[n], packets that took their places,
    -1 for none."""

    protocol: int
    kept: Kept
    when: Numbers
    by: Numbers

    def ordered(self) -> Late:
        """The same in the order in which they are judged."""
        order = np.lexsort((self.kept.heads[:, Head.START], self.kept.heads[:, Head.NUMBER], self.when))
        return Late(self.protocol, self.kept.take(order), self.when[order], self.by[order])


class Deadlines:
    """When the time of each open request of one protocol ends. lost: requests that others pushed out before."""

    def __init__(self, timeout_ns: int) -> None:
        self._timeout_ns = timeout_ns
        self._ends, self._latest = np.zeros(REQUESTS, np.int64), np.zeros(REQUESTS, np.int64)
        self._soonest = 0  # none of them ends sooner
        self.lost = 0

    @property
    def arrays(self) -> tuple[Numbers]:
        """What a later run needs."""
        return (self._ends,)

    def find(self, cells: Numbers, clocks: Numbers, repeats: NDArray[np.bool_], now: int) -> Numbers:
        """int64[n, 3], columns U_* of unanswered_kernels.py: requests whose time has passed with a batch."""
        due = NONE_DUE
        if self._soonest < now:
            opened = np.flatnonzero(self._ends)
            ends = self._ends[opened]
            due, self._soonest = opened[ends < now], int(ends[ends >= now].min(initial=NEVER))
        if not len(cells) and not len(due):
            return NO_EVENTS
        events = np.empty((2 * len(cells) + len(due), 3), np.int64)
        count, lost, soonest = kernels.find_unanswered(
            cells, clocks, repeats, now, self._timeout_ns, due, self._ends, self._latest, events
        )
        self._soonest = min(self._soonest, soonest)
        self.lost += lost
        return events[:count]


class LatePart:
    """Rows of unanswered requests of one protocol. first: row of the packet table with the first of their packets.

    pdus: int64[rows], the request of each row.  verbs: int64[rows].
    """

    def __init__(self, late: Late, rows: Numbers, starts: Numbers, outcome: int) -> None:
        self.protocol, self._outcome = late.protocol, outcome
        kept = late.kept
        found, points = np.zeros((2 * len(rows), 2), np.int64), np.zeros((8 * len(rows), 5), np.int64)
        while True:  # per growth
            row, point = kernels.read_records(kept.lengths, kept.records, found, points)
            if row <= len(found) and point <= len(points):
                break
            found, points = np.zeros((row, 2), np.int64), np.zeros((point, 5), np.int64)
        self.pdus, self.verbs = found[:row, 0], found[:row, 1]
        self._points = Points(points[:point, 0], points[:point, 1:], kept.records.reshape(-1))
        self._heads = kept.heads[self.pdus]
        self._rows, self._starts = rows[self.pdus], starts[self.pdus]

    def own_cells(self) -> Numbers:
        """int64[rows, OWN], what every table of PDUs has of them."""
        cells = np.full((len(self.pdus), OWN), -1, np.int64)
        heads, is_inside = self._heads, self._heads[:, Head.START] >= 0
        cells[:, ROW], cells[:, KIND], cells[:, ANOMALIES] = self._rows, KIND_UNANSWERED, heads[:, Head.ANOMALIES]
        cells[:, REQUEST_FRAME] = cells[:, PLACE] = -1
        for column, head in ((START, Head.START), (STOP, Head.STOP)):  # per column
            cells[:, column] = self._starts + np.where(is_inside, heads[:, head], 0)
        return cells

    def units(self) -> Numbers:
        """As of Part."""
        return self._heads[:, Head.UNIT]

    def outcomes(self) -> Numbers:
        """As of Part."""
        return np.full(len(self.pdus), self._outcome)

    def points(self) -> Points:
        """As of Part."""
        return self._points

    def only(self, row: int) -> tuple[LatePart, int]:
        """As of Part: these points are worked out already."""
        return self, row


def extended(
    packets: PacketTable, late: Sequence[Late], flows: FlowColumns, sessions: Numbers | None, atlas: Atlas
) -> tuple[PacketTable, list[Numbers], list[Numbers]]:
    """(the packet table with the requests' packets behind its own; for each of late: their rows; where they begin).

    flows, sessions: of the table's own rows; sessions: int64[rows, 3], None where nobody follows them.
    """
    kept = joined([one.kept for one in late])
    heads, sizes = kept.heads, kept.heads[:, Head.CAPTURED].copy()
    batch = packets.batch
    batch.reserve(int(sizes.sum()))
    stops = batch.used + np.cumsum(sizes)
    batch.used = kernels.put_frames(kept.frames, sizes, batch.buffer, batch.used)
    behind = Batch(
        batch.buffer, batch.used, stops - sizes, stops, heads[:, Head.WIRE_LENGTH].copy(), np.zeros(len(heads), np.int64),
        heads[:, Head.LINK_TYPE].astype(np.int32), heads[:, Head.NUMBER].copy(), heads[:, Head.FILE].astype(np.int32),
        heads[:, Head.INTERFACE].astype(np.int32), batch.paths,
    )  # fmt: skip
    decoded = PacketDecoder(DecodeSettings(drop_redundant=False)).decode(behind)
    own, more = packets.structure, decoded.structure
    cells = more.cells[:, : decoded.rows].copy()
    first = np.searchsorted(more.packet, np.arange(len(behind)))
    counts = np.bincount(more.packet, minlength=len(behind))
    rows = first + np.minimum(heads[:, Head.DEPTH], counts - 1)
    cells[Cell.PACKET] += len(batch)
    cells[Cell.OUTER] += np.where(cells[Cell.OUTER] >= 0, packets.rows, 0).astype(np.int32)
    when, by = np.concatenate([one.when for one in late]), np.concatenate([one.by for one in late])
    flow_cells = np.full((decoded.rows, FLOW_CELLS), -1, np.int64)
    flow_cells[rows] = heads[:, OWN_HEADS:]
    words = more.words.copy()
    words[rows, Word.ANOMALIES : Word.SEQUENCE] = heads[:, Head.ODDS : OWN_HEADS].view(np.uint64)
    table = PacketTable(
        whole_batch(batch, behind, heads),
        PacketRows(np.concatenate((own.cells[:, : packets.rows], cells), axis=1), np.concatenate((own.words, words))),
        np.concatenate((packets.clock, when[more.packet])),
        (
            np.concatenate((packets.times[0], heads[:, Head.DELTA])),
            np.concatenate((packets.times[1], heads[:, Head.SINCE])),
        ),
        BY_NAME, SPANS, packets.seen | decoded.seen,
    )  # fmt: skip
    numbers = heads[more.packet, Head.NUMBER]
    table.earlier = np.stack((np.where(by >= 0, by, EARLIER_ROWS)[more.packet], EARLIER_ROWS + numbers), axis=1)
    offer_flows(table, FlowColumns(np.concatenate((flows.cells, flow_cells))))
    if sessions is not None:
        sessions = np.concatenate((sessions, np.tile(NO_SESSION, (decoded.rows, 1))))
    offer_sessions(table, sessions)
    offer_zones(table, atlas)
    parts = np.cumsum([len(one.when) for one in late])[:-1]
    return table, np.split(packets.rows + rows, parts), np.split(behind.starts, parts)


def whole_batch(batch: Batch, behind: Batch, heads: Numbers) -> Batch:
    """A batch with the packets of another behind its own."""
    origins, unsummed = batch.origins, batch.is_unsummed
    return Batch(
        behind.buffer, behind.used, np.concatenate((batch.starts, behind.starts)), np.concatenate((batch.stops, behind.stops)),
        np.concatenate((batch.wire_lengths, behind.wire_lengths)), np.concatenate((batch.times, heads[:, Head.TIME])),
        np.concatenate((batch.link_types, behind.link_types)), np.concatenate((batch.numbers, behind.numbers)),
        np.concatenate((batch.files, behind.files)), np.concatenate((batch.interfaces, behind.interfaces)),
        batch.paths, batch.comments, batch.notes, described=batch.described,
        origins=None if origins is None else np.concatenate((origins, heads[:, Head.ORIGIN].astype(np.int32))),
        is_unsummed=None if unsummed is None else np.concatenate((unsummed, np.ones(len(behind), np.bool_))),
    )  # fmt: skip
