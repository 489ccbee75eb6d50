"""The table `ics`: what PDUs of all protocols do, in one vocabulary. One row = one command, reply or report.

Input: the tables of PDUs of one batch. Output: IcsTable; the points of a row are objects below it. It is made only where a
rule or a person asks for it. A PDU that does two things, such as reading and writing, makes two rows.

What is a verb, a point, a value is said by each protocol's vocabulary (vocabulary.py). The first reply to a request has the
verb of it, and its points where these say more: requests that are open when a batch ends are remembered, in arrays of
fixed size. Points are worked out when a rule or a person asks for them, and of requests that are remembered. A request
that nobody answers in time makes a row once more, with the outcome `unanswered` (unanswered.py).
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field, ObjectTable
from detector.flows.columns import FlowColumns
from detector.kernel import Kernels
from detector.packets.header import offsets_of, ragged
from detector.packets.table import PacketTable
from detector.packets.zones import Atlas
from detector.protocols import PROTOCOLS
from detector.protocols.points import OUTSIDE, POINT_FIELDS, VALUE, Register
from detector.protocols.reader import REQUESTS
from detector.protocols.table import OWN, ROW, PduTable, shared_fields
from detector.protocols.unanswered import KIND_UNANSWERED, REPEATED, Deadlines, Kept, Late, LatePart, extended, heads_of
from detector.protocols.vocabulary import SAME, VERBS, Number, OutcomeLine, Vocabulary
from detector.protocols.words import NO_POINTS, Numbers, Points, Words, points_of
from detector.snapshot import Saved, put_back, saved

kernels = Kernels("detector.protocols.ics_kernels")

ICS = "ics"
OK, ERROR, UNANSWERED = "ok", "error", "unanswered"
LOST = "ics.forgotten_request"  # as anomalies are counted
RECORD_BYTES = 1024  # of a request's verbs and points
REQUEST, RESPONSE, EXCEPTION, MALFORMED, PART = 0, 1, 2, 3, 6  # as table.KINDS has them


def outcomes() -> dict[str, int]:
    """{name: code} of the outcomes of all protocols."""
    names = set()
    for protocol in PROTOCOLS:  # per protocol
        labels = {field.name: field.labels for field in protocol.fields}
        for line in protocol.vocabulary.outcomes:  # per line
            names |= set(labels[line.name[1:-1]].values()) if line.name.startswith("<") else {line.name}
    return {name: code for code, name in enumerate([OK, ERROR, UNANSWERED, *sorted(names - {OK, ERROR, UNANSWERED})])}


OUTCOMES = outcomes()
SHARED = shared_fields(protocol.fields for protocol in PROTOCOLS)
ICS_FIELDS = (
    Field(ICS, "protocol", "the row is a command, a reply or a report of an industrial protocol"),
    Field("ics.protocol", "label", "the protocol", labels=dict(enumerate(one.name for one in PROTOCOLS))),
    Field("ics.verb", "label", "what is asked for or done; of a reply, what was asked for", labels=dict(enumerate(VERBS))),
    Field("ics.unit", "uint", "number of the station, or of the unit behind it, that is spoken to or speaks"),
    Field("ics.outcome", "label", "of replies: ok, or the error's name; of requests whose time has passed: unanswered", labels={code: name for name, code in OUTCOMES.items()}),
    Field("ics.target", "string", "a point, block or object: kind and address", level="object"),
    Field("ics.value", "float", "the value that is written, read or reported; 1 is on, 0 is off", level="object"),
    *POINT_FIELDS,
)  # fmt: skip
BY_NAME = {field.name: field for field in ICS_FIELDS}
FIRST_ANOMALY = np.array(
    [min(code for field in one.fields if field.name == "pdu.anomaly" for code in field.labels) for one in PROTOCOLS]
)
OF_POINTS = frozenset(field.name for field in ICS_FIELDS if field.level == "object")


class Part:
    """The rows of one protocol in a batch. pdus: int64[n], the PDU of each, ascending.  protocol: place in PROTOCOLS.

    cells: int64[n, 4], columns I_* of ics_kernels.py.  sources, fetched: where requests are, as match_requests says.
    """

    def __init__(
        self, words: Words, protocol: int, cells: Numbers, sources: Numbers, fetched: NDArray[np.uint8]
    ) -> None:
        self.words, self.protocol, self.cells = words, protocol, cells
        self.vocabulary = PROTOCOLS[protocol].vocabulary
        self.pdus, self.verbs = cells[:, 0], cells[:, 3]
        self._sources, self._fetched = sources, fetched
        self._points: Points | None = None

    def only(self, row: int) -> tuple[Part, int]:
        """A part with a row, with what else its PDU is and its request, and where the row stands in it."""
        pdus = [self.pdus[row]]
        if self._sources[row] >= 0:
            pdus.insert(0, self.pdus[self._sources[row]])
        bounds = [(np.searchsorted(self.pdus, pdu), np.searchsorted(self.pdus, pdu, "right")) for pdu in pdus]
        rows = np.concatenate([np.arange(*one) for one in bounds])
        cells, sources = self.cells[rows], self._sources[rows]
        cells[:, 0] = np.searchsorted(pdus, cells[:, 0])
        sources[sources >= 0] = np.searchsorted(rows, sources[sources >= 0])
        table = self.words.table
        words = Words(PROTOCOLS[self.protocol].table(table.packets, table.cells[pdus]))
        return Part(words, self.protocol, cells, sources, self._fetched), int(np.searchsorted(rows, row))

    def own_cells(self) -> Numbers:
        """int64[rows, OWN], what every table of PDUs has of them."""
        return self.words.table.cells[self.pdus, :OWN]

    def units(self) -> Numbers:
        """int64[rows], number of the station or unit, -1 for none."""
        return units_of(self.words, self.vocabulary)[self.pdus]

    def outcomes(self) -> Numbers:
        """int64[rows], codes of OUTCOMES, -1 for what is no reply."""
        return outcomes_of(self.words, self.vocabulary)[self.pdus]

    def points(self) -> Points:
        """The points of the rows, those of requests among them."""
        if self._points is None:
            own = own_points(self.words, self.vocabulary, self.pdus, self.verbs)
            offsets, taken = offsets_of(own.rows, len(self.pdus)), np.zeros((len(own.rows) + 1024, 5), np.int64)
            while True:  # per growth: once more where there are more than there was room for
                count = kernels.recall_points(
                    self.cells, offsets, own.cells, self._sources, self._fetched, RECORD_BYTES, len(own.text), taken
                )
                if count <= len(taken):
                    break
                taken = np.zeros((count, 5), np.int64)
            taken = taken[:count]
            kept = ~np.isin(own.rows, taken[:, 0]) if count else np.ones(len(own.rows), np.bool_)
            rows = np.concatenate((own.rows[kept], taken[:, 0]))
            order = np.argsort(rows, kind="stable")
            cells = np.concatenate((own.cells[kept], taken[:, 1:]))[order]
            self._points = Points(rows[order], cells, np.concatenate((own.text, self._fetched)))
        return self._points


class IcsTable(PduTable):
    """Commands, replies and reports of all protocols, in the order of packets."""

    span_starts: Mapping[str, int] = {}

    def __init__(self, packets: PacketTable, parts: Sequence[Part | LatePart], register: Register) -> None:
        cells = np.concatenate([np.zeros((0, OWN), np.int64), *(one.own_cells() for one in parts)])
        self._order = judged_order(packets, cells[:, ROW])
        super().__init__(ICS, packets, cells[self._order], {**SHARED, **BY_NAME})
        self._parts, self._register = parts, register
        self._protocols = self._ordered([np.full(len(one.pdus), one.protocol) for one in parts])
        self._objects: ObjectTable | None = None
        self._found: Numbers | None = None
        self._single: tuple[int, IcsTable, int] | None = None  # the row that was asked for last, alone

    def protocol_of(self, row: int) -> str:
        """The protocol of a row's PDU."""
        return PROTOCOLS[int(self._protocols[row])].name

    def _ordered(self, parts: Sequence[Numbers]) -> Numbers:
        """Numbers of the parts' rows in the order of rows."""
        joined: Numbers = np.concatenate([np.zeros(0, np.int64), *parts])[self._order]
        return joined

    def _placed(self, parts: Sequence[Numbers]) -> tuple[Numbers, Numbers]:
        """(row of each, order) of what belongs to rows of the parts, so that rows ascend."""
        place = np.empty(self.rows, np.int64)
        place[self._order] = np.arange(self.rows)
        first = np.cumsum([0, *(len(one.pdus) for one in self._parts)])
        rows = place[np.concatenate([np.zeros(0, np.int64), *(rows + first[n] for n, rows in enumerate(parts))])]
        order = np.argsort(rows, kind="stable")
        return rows[order], order

    def _make(self, name: str) -> Column:
        if name != "pdu.anomaly":
            return super()._make(name)
        return self._anomalies(self.fields[name], FIRST_ANOMALY[self._protocols])

    def _make_own(self, field: Field) -> Column:
        match field.name:
            case "ics":
                return Column(field, np.ones(self.rows, np.bool_))
            case "ics.protocol":
                return self._known(field, self._protocols)
            case "ics.verb":
                return self._known(field, self._ordered([one.verbs for one in self._parts]))
            case "ics.unit":
                return self._known(field, self._ordered([one.units() for one in self._parts]))
            case "ics.outcome":
                return self._known(field, self._ordered([one.outcomes() for one in self._parts]))
        objects = self.objects()
        column = objects.column(field.name)
        values, rows = column.flat()
        return ragged(field, values, objects.parents[rows], self.rows, column.buffer)

    def values_at(self, name: str, row: int) -> list[Any]:
        """The values of one row. The points of all others are not worked out for it."""
        if self._objects is not None or name not in OF_POINTS:
            return super().values_at(name, row)
        if self._single is None or self._single[0] != row:
            first = np.cumsum([0, *(len(one.pdus) for one in self._parts)])
            number = int(np.searchsorted(first, self._order[row], "right")) - 1
            part, place = self._parts[number].only(int(self._order[row] - first[number]))
            self._single = row, IcsTable(self.packets, [part], self._register), place
        _, table, place = self._single
        return table.column(name).at(place)

    def _known(self, field: Field, numbers: Numbers) -> Column:
        """A column of numbers, -1 where there is none."""
        return Column(field, np.maximum(numbers, 0).astype(np.uint16 if field.labels else np.int64), numbers >= 0)

    def objects(self) -> ObjectTable:
        """The points of the rows."""
        if self._objects is None:
            parts = [one.points() for one in self._parts]
            rows, order = self._placed([one.rows for one in parts])
            points = joined(parts)
            cells, text = points.cells[order], points.text
            self._objects = ObjectTable(ICS, offsets_of(rows, self.rows), {
                "ics.target": lambda: Column(BY_NAME["ics.target"], cells[:, :2], None, None, text),
                "ics.value": lambda: Column(BY_NAME["ics.value"], cells[:, 2].copy().view(np.float64), cells[:, 3] > 0),
                **self._point_columns(),
            })  # fmt: skip
        return self._objects

    def _point_columns(self) -> dict[str, Callable[[], Column]]:
        """What makes point.*; it does not hold the table, which must be free when its batch is done with."""
        return {field.name: partial(point_column, weakref.ref(self), field) for field in POINT_FIELDS}

    def point_column(self, field: Field) -> Column:
        """A column of point.*, over objects."""
        if field is VALUE:
            return self._point_values()
        if field is OUTSIDE:
            return self._register.outside(self._places(), self.objects().column(VALUE.name))
        return self._point_texts(field)

    def _point_texts(self, field: Field) -> Column:
        """point.name and other texts."""
        return self._register.texts(field, self._places())

    def _point_values(self) -> Column:
        """point.value."""
        objects = self.objects()
        numbers = objects.column("ics.value")
        assert numbers.present is not None
        return self._register.values(self._places(), objects.parents, numbers.values, numbers.present)

    def _places(self) -> Numbers:
        """int64[objects], the point of each."""
        if self._found is None:
            objects, targets = self.objects(), self.objects().column("ics.target")
            units = self._ordered([one.units() for one in self._parts])
            addresses = self._register.addresses(
                self.packets, self.row_of_pdu, ~np.isin(self.kinds, (REQUEST, KIND_UNANSWERED))
            )
            assert targets.buffer is not None
            self._found = self._register.find(
                targets.buffer, targets.values, addresses[objects.parents], units[objects.parents]
            )
        return self._found


def judged_order(packets: PacketTable, rows: Numbers) -> Numbers:
    """int64[rows], the order in which PDUs of some packet rows are judged."""
    if not len(packets.earlier):
        return np.argsort(rows, kind="stable")
    keys = packets.order_of(rows)
    return np.lexsort((keys[:, 1], keys[:, 0], packets.clock[rows]))


def point_column(table: weakref.ref[IcsTable], field: Field) -> Column:
    """A column of point.*, while there is the table."""
    owner = table()
    assert owner is not None
    return owner.point_column(field)


def joined(parts: Sequence[Points]) -> Points:
    """Points of several parts, with the texts of all in one."""
    texts = np.cumsum([0, *(len(one.text) for one in parts)])
    moved = [one.cells + np.array([texts[n], texts[n], 0, 0]) for n, one in enumerate(parts)]
    return Points(
        np.concatenate([NO_POINTS.rows, *(one.rows for one in parts)]), np.concatenate([NO_POINTS.cells, *moved]),
        np.concatenate([NO_POINTS.text, *(one.text for one in parts)]),
    )  # fmt: skip


class Memory:
    """Requests of one protocol that were open when a batch ended, each at its place among the open ones."""

    def __init__(self, timeout_ns: int) -> None:
        self._kept = Kept.empty(REQUESTS, RECORD_BYTES)
        self._lengths, self._records = self._kept.lengths, self._kept.records
        self._latest = np.zeros(REQUESTS, np.int64)
        self.deadlines = Deadlines(timeout_ns)

    def late(self, words: Words, protocol: int, cells: Numbers, flows: FlowColumns) -> Late | None:
        """The requests whose time has passed with a batch; before it is matched."""
        table, pdus = words.table, cells[:, 0]
        clocks = table.packets.clock[table.row_of_pdu[pdus]]
        repeats = table.request_frames[pdus] == REPEATED
        events = self.deadlines.find(cells, clocks, repeats, table.packets.now)
        if not len(events):
            return None
        is_new = events[:, 0] >= 0
        kept = Kept.empty(len(events), RECORD_BYTES)
        before = np.flatnonzero(~is_new)
        kept.fill(before, self._kept.take(-1 - events[before, 0]))
        firsts = events[is_new, 0]
        rows = np.flatnonzero(np.isin(cells[:, 0], cells[firsts, 0]))
        chosen = cells[rows]
        places = np.flatnonzero(is_new)[np.argsort(firsts)]
        chosen[:, 1] = places[np.searchsorted(np.sort(cells[firsts, 0]), chosen[:, 0])]
        keep(words, protocol, chosen, kept, flows)
        by, is_repeated = np.full(len(events), -1, np.int64), events[:, 2] >= 0
        by[is_repeated] = table.packets.structure.packet[table.row_of_pdu[pdus[events[is_repeated, 2]]]]
        return Late(protocol, kept, events[:, 1], by).ordered()

    def match(self, cells: Numbers) -> tuple[Numbers, NDArray[np.uint8]]:
        """(where the request of each row is, records fetched). Verbs in cells are filled in."""
        sources, fetched = np.zeros(len(cells), np.int64), np.zeros(16 * RECORD_BYTES, np.uint8)
        row = used = 0
        while True:  # per growth
            row, used = kernels.match_requests(
                cells, row, self._lengths, self._records, self._latest, sources, fetched, used
            )
            if row == len(cells):
                return sources, fetched[:used].copy()
            fetched = np.concatenate((fetched, np.zeros_like(fetched)))

    def remember(self, part: Part, flows: FlowColumns) -> None:
        """Keeps the requests of a batch that are still open."""
        opened = np.zeros(len(part.cells), np.bool_)
        if kernels.open_requests(part.cells, self._latest, opened):
            keep(part.words, part.protocol, part.cells[opened], self._kept, flows)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """What a later run needs."""
        return (*self._kept, *self.deadlines.arrays)


def keep(batch: Words, protocol: int, cells: Numbers, kept: Kept, flows: FlowColumns) -> None:
    """Keeps requests of a batch, each at its place in cells: int64[rows, 4], all rows of each."""
    vocabulary = PROTOCOLS[protocol].vocabulary
    pdus, first, place = np.unique(cells[:, 0], return_index=True, return_inverse=True)
    table = batch.table
    words = Words(PROTOCOLS[protocol].table(table.packets, table.cells[pdus]))
    points = own_points(words, vocabulary, place, cells[:, 3])
    kernels.remember_requests(
        cells, offsets_of(points.rows, len(cells)), points.cells, points.text, kept.lengths, kept.records
    )
    units = units_of(words, vocabulary)
    kept.put(cells[first, 1], heads_of(table, pdus, units, flows), table.packets, table.row_of_pdu[pdus])


class IcsReader:
    """Makes the table in one run. register: the site's points.  atlas: its zones.  timeout_ns: a request has this long."""

    def __init__(self, register: Register, atlas: Atlas, timeout_ns: int) -> None:
        self._register, self._atlas, self._timeout_ns = register, atlas, timeout_ns
        self._memories: dict[str, Memory] = {}

    def table(
        self, packets: PacketTable, tables: Mapping[str, PduTable], flows: FlowColumns, sessions: Numbers | None
    ) -> IcsTable:
        """The rows of a batch. flows, sessions: of its packet rows."""
        parts: list[Part | LatePart] = []
        late: list[Late] = []
        for number, protocol in enumerate(PROTOCOLS):  # per protocol
            table = tables[protocol.name]
            if table.rows or table.name in self._memories:
                part, passed = self._part(table, number, flows)
                parts.append(part)
                late += [] if passed is None else [passed]
        if late:
            packets, rows, starts = extended(packets, late, flows, sessions, self._atlas)
            parts += [LatePart(*one, OUTCOMES[UNANSWERED]) for one in zip(late, rows, starts, strict=True)]
        return IcsTable(packets, parts, self._register)

    def _part(self, table: PduTable, protocol: int, flows: FlowColumns) -> tuple[Part, Late | None]:
        """The rows of one protocol, and the requests whose time has passed."""
        words = Words(table)
        pdus, verbs = verbs_of(words, PROTOCOLS[protocol].vocabulary)
        cells = np.stack((pdus, table.places[pdus], table.kinds[pdus], verbs), axis=1)
        if table.name not in self._memories:
            self._memories[table.name] = Memory(self._timeout_ns)
        memory = self._memories[table.name]
        late = memory.late(words, protocol, cells, flows)
        part = Part(words, protocol, cells, *memory.match(cells))
        memory.remember(part, flows)
        return part, late

    @property
    def lost(self) -> Counter[str]:
        """How many requests others pushed out before their time had passed: whether they were answered is not known."""
        return +Counter({LOST: sum(memory.deadlines.lost for memory in self._memories.values())})

    def state(self) -> dict[str, list[Saved]]:
        """What a later run needs to go on: open requests."""
        return {name: saved(memory.arrays) for name, memory in self._memories.items()}

    def restore(self, state: dict[str, list[Saved]]) -> None:
        """Goes on from a state, before the first batch."""
        for name, arrays in state.items():  # per protocol
            self._memories[name] = Memory(self._timeout_ns)
            put_back(arrays, self._memories[name].arrays)


def own_points(words: Words, vocabulary: Vocabulary, pdus: Numbers, verbs: Numbers) -> Points:
    """The points that rows name themselves, by row. Lines of PDUs count for rows without a point of the PDU's objects."""
    made: list[Points] = []
    objects: list[Numbers] = []
    for of_objects in (True, False):  # per level
        has_points = np.zeros(len(pdus), np.bool_)
        for one in made:  # per line
            has_points[one.rows] = True
        for line in vocabulary.points:  # per line
            if words.speaks_of_objects(line) != of_objects:
                continue
            allowed = ~has_points
            if line.verbs:
                allowed &= np.array([verb in line.verbs for verb in (*VERBS, SAME)])[verbs]
            if allowed.any():
                given, of = given_to(*points_of(words, line), pdus, np.flatnonzero(allowed))
                made.append(given)
                objects.append(of)
    both = joined(made)
    order = np.lexsort((np.concatenate([NO_POINTS.rows, *objects]), both.rows))
    return Points(both.rows[order], both.cells[order], both.text)


def verbs_of(words: Words, vocabulary: Vocabulary) -> tuple[Numbers, Numbers]:
    """(PDU, verb) of each row, in the order of PDUs and of lines; -1 for the request's."""
    is_whole = ~np.isin(words.table.kinds, (MALFORMED, PART))
    found = [(np.flatnonzero(words.where(line.when) & is_whole), line.verb) for line in vocabulary.verbs]
    pdus = np.concatenate([rows for rows, _ in found])
    verbs = np.concatenate([np.full(len(rows), -1 if verb == SAME else VERBS.index(verb)) for rows, verb in found])
    order = np.argsort(pdus, kind="stable")
    return pdus[order], verbs[order]


def given_to(points: Points, of: Numbers, pdus: Numbers, rows: Numbers) -> tuple[Points, Numbers]:
    """Points of PDUs as those of rows, of which a PDU may have several; and the object of each."""
    first = np.searchsorted(points.rows, pdus[rows])
    counts = np.searchsorted(points.rows, pdus[rows], "right") - first
    chosen = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    return Points(np.repeat(rows, counts), points.cells[chosen], points.text), of[chosen]


def units_of(words: Words, vocabulary: Vocabulary) -> Numbers:
    """int64[PDUs], number of the station or unit, -1 for none."""
    made = np.full(words.table.rows, -1, np.int64)
    for line in vocabulary.units:  # per line
        found = words.first(Number(line.field, 0, {}), False)
        chosen = (made < 0) & found.present & words.where(line.when)
        made[chosen] = found.values[chosen]
    return made


def outcomes_of(words: Words, vocabulary: Vocabulary) -> Numbers:
    """int64[PDUs], codes of OUTCOMES; -1 for what is no reply."""
    kinds = words.table.kinds
    is_open = np.isin(kinds, (RESPONSE, EXCEPTION))
    made = np.where(is_open, np.where(kinds == RESPONSE, OUTCOMES[OK], OUTCOMES[ERROR]), -1)
    for line in vocabulary.outcomes:  # per line
        chosen = words.where(line.when) & is_open
        made[chosen] = codes_of(words, line)[chosen]
        is_open &= ~chosen
    return made


def codes_of(words: Words, line: OutcomeLine) -> Numbers:
    """int64[PDUs], the code that a line gives."""
    if not line.name.startswith("<"):
        return np.full(words.table.rows, OUTCOMES[line.name])
    name = line.name[1:-1]
    limits = [condition for condition in line.when if condition.field == name and condition.ranges]
    values, rows = words.table.column(name).flat()
    labels = words.table.fields[name].labels
    made = np.full(words.table.rows, OUTCOMES[ERROR])
    chosen = np.ones(len(values), np.bool_)
    for condition in limits:  # per condition of the field itself
        chosen &= np.any([(values >= low) & (values <= high) for low, high in condition.ranges], axis=0)
    values, rows = values[chosen][::-1], rows[chosen][::-1]  # the first of several stays
    for value in np.unique(values).tolist():  # per outcome
        made[rows[values == value]] = OUTCOMES.get(labels.get(value, ERROR), OUTCOMES[ERROR])
    return made
