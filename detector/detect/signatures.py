"""Payload rules on one batch: a search for literals, then header, then steps. The rest of a rule is the selector's.

Rules of three kinds. With a literal: looked at where it occurs. With steps but no literal and no other condition: looked at
in every row and window that the header admits. With another condition: looked at where that holds (check).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.detect.fast_patterns import fast_patterns
from detector.detect.headers import Headers, row_arrays
from detector.detect.inspection import Inspector
from detector.detect.programs import Programs
from detector.detect.searched import Search
from detector.detect.traffic_groups import traffic_groups
from detector.flows.columns import Cell as FlowCell
from detector.flows.columns import Peer, Window
from detector.flows.followed import Followed, followed
from detector.kernel import Kernels
from detector.packets.rows import Cell, Layer, PacketRows
from detector.packets.table import PacketTable
from detector.protocols.table import PduTable
from detector.rules.expressions import compile_pattern
from detector.rules.model import Rule
from detector.rules.signature import IN_PAYLOAD, Buffer, Content, Inspection, IsDataAt, Pcre, Signature, Step, Where

kernels = Kernels("detector.detect.candidate_kernels")

Rows = NDArray[np.int64]
Owned = NDArray[np.bool_] | None
MOST_AT_ONCE = 1 << 18  # candidates, some 30 MB with all that is noted of them
ROW_BITS = 32
WAITING_COLUMNS, FIRST_HIT = 18, 2  # of hits in turn: the user of a literal, and the place in its stream
SPANS = {Buffer.IPV4_HDR: "ip", Buffer.IPV6_HDR: "ipv6", Buffer.TCP_HDR: "tcp", Buffer.UDP_HDR: "udp",
         Buffer.ICMPV4_HDR: "icmp", Buffer.ICMPV6_HDR: "icmpv6"}  # fmt: skip
NO_ROWS = np.zeros(0, np.int64)
NO_WINDOWS = np.zeros((0, len(Window)), np.int64)


class Candidates(NamedTuple):
    """rules: place among signatures; rows: packet row; windows: window or -1. All int64[n]."""

    rules: Rows
    rows: Rows
    windows: Rows

    def chosen(self, mask: NDArray[np.bool_]) -> Candidates:
        """Those of a mask."""
        return Candidates(self.rules[mask], self.rows[mask], self.windows[mask])


class Waiting(NamedTuple):
    """Hits that wait in streams. rules: id of the rule of each user of a literal.  streams: how many there may be.
    rows: int64[n], the streams.  cells: int64[n, 18], as candidate_kernels.py names them."""

    rules: list[str]
    streams: int
    rows: Rows
    cells: Rows


NO_CANDIDATES = Candidates(NO_ROWS, NO_ROWS, NO_ROWS)


def joined(parts: Sequence[Candidates]) -> Candidates:
    """Candidates of several kinds."""
    return Candidates(*map(np.concatenate, zip(*parts, strict=True)))


def icmp_header_bytes(buffer: NDArray[np.uint8], spans: Rows, kind: int) -> Rows:
    """Bytes of ICMP headers as Suricata counts them: eight, twenty of version 4's timestamps (RFC 792: types 13 and 14)."""
    if kind == Buffer.ICMPV6_HDR or not len(buffer):
        return np.full(len(spans), 8)
    first = buffer[np.minimum(spans[:, 0], len(buffer) - 1)]
    is_timestamp = (first == 13) | (first == 14)
    return np.where(is_timestamp, 20, 8)


def stops_of_ipv6(structure: PacketRows, rows: Rows, stops: Rows) -> Rows:
    """Where IPv6's header ends as Suricata has it, with the extension headers behind it."""
    behind = structure.cell(Cell.PAYLOAD_START)[rows].astype(np.int64)
    for layer in (Layer.TCP, Layer.UDP, Layer.ICMPV6, Layer.SCTP):  # per layer
        starts = structure.layer(layer)[rows]
        behind = np.where(starts >= 0, starts, behind)
    return np.where(structure.layer(Layer.IPV6_EXT)[rows] >= 0, np.maximum(stops, behind), stops)


def holds_on_nothing(inspections: Sequence[Inspection]) -> bool:
    """Whether a rule holds where there is not a byte: it asks only for what is not there.

    Suricata looks into a stream with a packet without data too (Peer.LOOKS), and then into the nothing that this one carries.
    Not so where the bytes that it searches for first are those that must not occur: it then searches the stream alone.
    """
    if not all(step_holds_on_nothing(step) for one in inspections for step in one.steps):
        return False
    return not any(
        isinstance(step, Content) and not step.startswith and step.offset is None and step.depth is None and step.within is None
        for one in inspections for step in one.steps
    )  # fmt: skip


def step_holds_on_nothing(step: Step) -> bool:
    """Whether a step holds where there is not a byte."""
    if isinstance(step, Pcre):
        return (compile_pattern(step.pattern, step.flags)(b"", 0) is None) == step.is_negated
    return isinstance(step, Content | IsDataAt) and step.is_negated


def inspects_streams(rules: Sequence[Rule]) -> bool:
    """Whether a ruleset has a rule that looks at streams."""
    return any(rule.signature is not None and is_of_streams(rule.signature) for rule in rules)


def is_of_streams(signature: Signature) -> bool:
    """Whether a signature looks at streams."""
    return bool(signature.where & Where.STREAM) and any(one in IN_PAYLOAD for one in signature.buffers)


class Signatures:
    """The payload rules of one run. places: where each stands among all rules."""

    def __init__(self, rules: Sequence[Rule], is_tested: Callable[[Rule], bool]) -> None:
        """is_tested: whether a rule has conditions on columns, so that one without a literal begins with them."""
        self.places = np.array([place for place, rule in enumerate(rules) if rule.signature is not None], np.int64)
        self.number = {place: number for number, place in enumerate(self.places.tolist())}
        found = [rules[place] for place in self.places.tolist()]
        signatures = [rule.signature for rule in found if rule.signature is not None]
        self._signatures: list[Signature] = signatures
        self._looks = np.array([signature.where for signature in signatures], np.int64)
        self.headers = Headers([signature.header for signature in signatures])
        patterns = fast_patterns([signature.sought for signature in signatures])
        self.search = Search(patterns, traffic_groups(self.headers.distinct, self.headers.of))
        self._users_of, self._users = self._make_users(patterns.of, len(patterns.literals))
        self._count = np.array([len(signature.buffers) for signature in signatures], np.int64)
        self._first = np.cumsum(self._count) - self._count
        self._buffer_of = np.array([buffer for signature in signatures for buffer in signature.buffers], np.int64)
        self._number_of = np.repeat(np.arange(len(signatures)), self._count)  # the rule of each program
        self.inspector = Inspector(Programs(len(self._number_of), self._steps_of))
        self._needs_payload = np.zeros(len(signatures), np.bool_)
        self._is_payload = np.isin(self._buffer_of, IN_PAYLOAD)  # of each program
        self._needs_payload[self._number_of[self._is_payload]] = True
        self._is_tested = np.array([is_tested(rule) for rule in found], np.bool_) & (patterns.of < 0)
        free = (patterns.of < 0) & ~self._is_tested
        self._everywhere = np.flatnonzero(free & (self._count > 0))
        self._bare = np.flatnonzero(free & (self._count == 0))
        self._ids = [rule.id for rule in found]
        self._waiting = np.zeros((0, WAITING_COLUMNS), np.int64)
        self._is_waiting = np.zeros(0, np.bool_)
        self._holds_on_nothing = np.array(
            [
                place < 0 and is_of_streams(signature) and holds_on_nothing(signature.inspections)
                for place, signature in zip(patterns.of.tolist(), signatures, strict=True)
            ],
            np.bool_,
        )
        self._of_nothing = np.flatnonzero(self._holds_on_nothing & ~self._is_tested)
        self._gave_way = np.zeros(1, np.int64)
        self._met: Counter[str] = Counter()  # what limits() has told of
        self._expired: Counter[int] = Counter()

    def begins_with_test(self, place: int) -> bool:
        """Whether a payload rule has no literal, so that its conditions on columns come first."""
        return bool(self._is_tested[self.number[place]])

    def state(self) -> Waiting:
        """The hits that wait in streams for more bytes."""
        rows = np.flatnonzero(self._is_waiting)
        return Waiting(
            [self._ids[number] for number in self._users[:, 0].tolist()],
            len(self._is_waiting),
            rows,
            self._waiting[rows],
        )

    def restore(self, state: Waiting) -> None:
        """Goes on with hits that waited, of rules that are still there. One that now looks for something else is only tried
        once more than it need be."""
        mine = {self._ids[number]: user for user, number in enumerate(self._users[:, 0].tolist())}
        user_of = np.array([*(mine.get(rule, -1) for rule in state.rules), -1], np.int64)
        cells = state.cells.copy()
        cells[:, FIRST_HIT::2] = user_of[cells[:, FIRST_HIT::2]]
        self._waiting = np.zeros((state.streams, WAITING_COLUMNS), np.int64)
        self._is_waiting = np.zeros(state.streams, np.bool_)
        self._waiting[state.rows], self._is_waiting[state.rows] = cells, True

    def limits(self, packets: PacketTable) -> tuple[dict[str, int], dict[int, int]]:
        """(how often each of LIMITS was run into with this batch; by place of a rule, its expressions that took too long)."""
        if not len(self.places):
            return {}, {}
        inspector, now = self.inspector, Counter(hits=int(self._gave_way[0]), searches=self.search.scanner.fallbacks)
        now.update({"steps": inspector.gave_up.total(), "untried": inspector.untried.total()})
        expired = inspector.failed - self._expired
        met = {name: count for name, count in (now - self._met).items() if count}
        self._met, self._expired = now, Counter(inspector.failed)
        met |= {"expressions": expired.total()} if expired else {}
        met |= {"streams": evicted} if (evicted := followed(packets).evicted) else {}
        return met, {self._place_of(program): count for program, count in expired.items()}

    def _place_of(self, program: int) -> int:
        """The place of the rule that a program is of."""
        return int(self.places[self._number_of[program]])

    def _steps_of(self, program: int) -> Sequence[Step]:
        """The steps of a program."""
        number = int(self._number_of[program])
        return self._signatures[number].inspections[program - int(self._first[number])].steps

    def _make_users(self, of: Rows, literals: int) -> tuple[Rows, Rows]:
        """(int64[literals + 1], int64[n, 4]): the rules that need each literal; a rule of one step does not wait for more."""
        numbers = np.flatnonzero(of >= 0)
        numbers = numbers[np.argsort(of[numbers], kind="stable")]
        waits = [not self._signatures[number].is_one_content for number in numbers.tolist()]
        users = np.stack((numbers, self._looks[numbers], np.array(waits, np.int64), self.headers.of[numbers]), axis=1)
        offsets = np.zeros(literals + 1, np.int64)
        np.cumsum(np.bincount(of[numbers], minlength=literals), out=offsets[1:])
        return offsets, users

    def found(self, packets: PacketTable, owned: Owned) -> dict[int, Rows]:
        """The rows of each rule that does not begin with a test, by its place among all rules."""
        if not len(self.places) or not packets.rows:
            return {}
        self.inspector.begin()
        about = followed(packets)
        parts = chain(self._hit(packets, about, owned), self._paired(packets, about, owned))
        held = joined((NO_CANDIDATES, *(self._checked(packets, about, part) for part in parts)))
        if len(self._of_nothing):
            looking = np.flatnonzero(about.flows.cells[:, FlowCell.PEER] & Peer.LOOKS)
            rules = np.repeat(self._of_nothing, len(looking))
            held = joined((held, self._looking(packets, rules, np.tile(looking, len(self._of_nothing)), owned)))
        return self._by_place(held)

    def check(self, place: int, packets: PacketTable, mask: NDArray[np.bool_], owned: Owned) -> Rows:
        """Of the rows of a mask those at which a rule that begins with a test holds."""
        number = self.number[place]
        rows = np.flatnonzero(mask)
        looks = int(self._looks[number])
        needs_payload = bool(self._needs_payload[number])
        about = followed(packets)
        is_packet = np.ones(len(rows), np.bool_)
        if needs_payload and not looks & Where.PACKET:
            is_packet = about.flows.cells[rows, FlowCell.PEER] & Peer.ENTERED == 0
        chosen = rows[is_packet]
        parts = [Candidates(np.full(len(chosen), number), chosen, np.full(len(chosen), -1))]
        if needs_payload and looks & Where.STREAM and about.windows is not None:
            of_windows = about.windows.cells[:, Window.ROW]
            inside = np.flatnonzero(mask[of_windows])
            parts.append(Candidates(np.full(len(inside), number), of_windows[inside], inside))
        held = self._checked(packets, about, self._named(packets, joined(parts), owned))
        if self._holds_on_nothing[number]:
            looking = rows[about.flows.cells[rows, FlowCell.PEER] & Peer.LOOKS > 0]
            held = joined((held, self._looking(packets, np.full(len(looking), number), looking, owned)))
        return self._by_place(held).get(place, NO_ROWS)

    def check_pdus(self, place: int, pdus: PduTable, rows: Rows) -> Rows:
        """Of rows of PDUs those at whose messages a rule's steps hold."""
        number = self.number[place]
        for nth in range(int(self._count[number])):  # per inspection
            which = np.full(len(rows), self._first[number] + nth)
            nothing = np.zeros(len(rows), np.int64)
            rows = rows[self.inspector.inspect(pdus.packets.batch.buffer, which, pdus.message()[rows], nothing)]
        return rows

    def _looking(self, packets: PacketTable, rules: Rows, rows: Rows, owned: Owned) -> Candidates:
        """Of rules that hold on nothing, each with a row of Peer.LOOKS, those whose header holds."""
        return self._named(packets, Candidates(rules, rows, np.full(len(rows), -1)), owned)

    def _named(self, packets: PacketTable, candidates: Candidates, owned: Owned) -> Candidates:
        """The candidates whose row is this process's and whose header holds."""
        if owned is not None:
            candidates = candidates.chosen(owned[candidates.rows])
        return candidates.chosen(self.headers.count(packets, *candidates) > 0)

    def named(self, place: int, packets: PacketTable, rows: Rows) -> Rows:
        """How often a rule's header names each of some packet rows."""
        counts = self.headers.count(packets, np.full(len(rows), self.number[place]), rows, np.full(len(rows), -1))
        return counts.astype(np.int64)

    def repeated(self, place: int, packets: PacketTable, rows: Rows) -> Rows:
        """Rows at which a rule holds; several times those that its header names more than once."""
        number = self.number[place]
        if not self.headers.is_both_ways[number] and not packets.structure.cell(Cell.IS_FRAGMENT)[rows].any():
            return rows
        counts = self.headers.count(packets, np.full(len(rows), number), rows, np.full(len(rows), -1))
        return np.repeat(rows, np.maximum(1, counts))

    def _hit(self, packets: PacketTable, about: Followed, owned: Owned) -> Iterator[Candidates]:
        """Candidates of the search, in parts: a batch may be full of what many rules look for."""
        if not len(self._users):
            return
        windows, lines = about.windows, (self.headers.arrays, row_arrays(packets))
        if windows is not None and len(self._is_waiting) != about.streams:
            self._waiting = np.zeros((about.streams, WAITING_COLUMNS), np.int64)
            self._is_waiting = np.zeros(about.streams, np.bool_)
        row_hits, window_hits = self.search.hits(packets, about, owned)
        hits = min(len(row_hits) + len(window_hits), MOST_AT_ONCE)
        out = np.empty((max(1024, len(self._users) + 64, hits), 3), np.int64)
        seen = np.zeros(len(self._users), np.int64)
        found = at = 0
        while True:  # per part
            found, at = kernels.take_rows(row_hits, self._users_of, self._users, *lines, seen, out, found, at)
            if at == len(row_hits):
                break
            yield Candidates(*out[:found].T.copy())
            found = 0
        if windows is not None:
            seen[:] = 0
            window = hit = 0
            while True:  # per part
                found, window, hit = kernels.take_windows(
                    window_hits, windows.cells, self._users_of, self._users, *lines, seen, self._waiting, self._is_waiting,
                    self._gave_way, out, found, window, hit,
                )  # fmt: skip
                if window == len(windows.cells):
                    break
                if found:
                    yield Candidates(*out[:found].T.copy())
                else:  # no room for one window
                    out = np.empty((2 * len(out), 3), np.int64)
                found = 0
        yield Candidates(*out[:found].T.copy())

    def _paired(self, packets: PacketTable, about: Followed, owned: Owned) -> Iterator[Candidates]:
        """Candidates of rules without a literal and without a test, in parts."""
        if not len(self._everywhere) and not len(self._bare):
            return
        of = self.headers.of
        masks = self.headers.masks(packets, np.unique(of[np.concatenate((self._everywhere, self._bare))]))
        if owned is not None:
            masks &= owned  # so that what is named below is of owned rows
        parts = [NO_CANDIDATES]
        for number in self._bare.tolist():  # per rule of a header alone
            rows = np.flatnonzero(masks[of[number]])
            parts.append(Candidates(np.full(len(rows), number), rows, np.full(len(rows), -1)))
        yield self._named(packets, joined(parts), None)
        cells = NO_WINDOWS if about.windows is None else about.windows.cells
        places = packets.rows + len(cells)
        step = max(1, MOST_AT_ONCE // places)
        out = np.empty((min(step, len(self._everywhere)) * places, 3), np.int64)
        for first in range(0, len(self._everywhere), step):  # per some rules
            rules = self._everywhere[first : first + step]
            found = kernels.pair_rows(
                rules, self._looks[rules], self._needs_payload[rules], of[rules], masks, about.flows.cells, packets.structure.cells, cells, out,
            )  # fmt: skip
            yield self._named(packets, Candidates(*out[:found].T.copy()), None)

    def _checked(self, packets: PacketTable, about: Followed, candidates: Candidates) -> Candidates:
        """The candidates at which all inspections hold, without those that held on the same bytes by themselves before."""
        held_alone = self._looked_at_alone(about, candidates)
        nth = 0
        while True:  # per inspection of a rule
            having = np.flatnonzero(self._count[candidates.rules] > nth)
            if not len(having):
                return candidates.chosen(~held_alone) if held_alone.any() else candidates
            which = self._first[candidates.rules[having]] + nth
            spans, fresh = self._bytes(packets, about, candidates, having, which)
            held = np.ones(len(candidates.rules), np.bool_)
            held[having] = self.inspector.inspect(packets.batch.buffer, which, spans, fresh)
            again = np.flatnonzero(held[having] & held_alone[having] & self._is_payload[which])
            if len(again):
                assert about.windows is not None
                chunks = about.windows.cells[candidates.windows[having[again]]][:, (Window.START, Window.STOP)]
                held_alone[having[again]] = self.inspector.inspect(
                    packets.batch.buffer, which[again], chunks, np.zeros(len(again), np.int64)
                )
            candidates, held_alone = candidates.chosen(held), held_alone[held]
            nth += 1

    def _looked_at_alone(self, about: Followed, candidates: Candidates) -> NDArray[np.bool_]:
        """bool[n]: candidates in windows whose chunk waited, of rules that looked at it with its own packet then.

        Rules that look at packets and at streams alert for both, as in Suricata.
        """
        alone = np.zeros(len(candidates.rules), np.bool_)
        if about.windows is not None:
            at = np.flatnonzero((candidates.windows >= 0) & (self._looks[candidates.rules] & Where.PACKET == 0))
            alone[at] = about.windows.cells[candidates.windows[at], Window.IS_LATE] > 0
        return alone

    def _bytes(
        self, packets: PacketTable, about: Followed, candidates: Candidates, having: Rows, which: Rows
    ) -> tuple[Rows, Rows]:
        """(spans, fresh) of the bytes that some candidates' programs look into; a span of nothing never holds."""
        rows, of_windows = candidates.rows[having], candidates.windows[having]
        spans = np.zeros((len(rows), 2), np.int64)
        fresh = np.zeros(len(rows), np.int64)
        structure, windows = packets.structure, about.windows
        is_payload = self._is_payload[which]
        in_window = is_payload & (of_windows >= 0)
        at = np.flatnonzero(is_payload & ~in_window)
        spans[at, 0] = structure.cell(Cell.PAYLOAD_START)[rows[at]]
        spans[at, 1] = structure.cell(Cell.PAYLOAD_STOP)[rows[at]]
        if windows is not None and in_window.any():
            at = np.flatnonzero(in_window)
            chosen, back = np.unique(of_windows[at], return_inverse=True)
            spans[at] = about.copy_windows(packets, chosen)[back]
            cells = windows.cells[of_windows[at]]
            fresh[at] = cells[:, Window.TAIL]
            before = cells[:, Window.BASE] - cells[:, Window.POSITION] + cells[:, Window.TAIL]
            ahead = np.maximum(0, before) * self.inspector.programs.is_placed(which[at])
            spans[at, 0] += ahead
            fresh[at] -= ahead
        of_headers = np.flatnonzero(~is_payload)
        buffers = self._buffer_of[which[of_headers]]
        for buffer in set(buffers.tolist()):  # per kind of buffer
            at = of_headers[buffers == buffer]
            spans[at] = packets.own_span(SPANS[Buffer(buffer)]).values[rows[at]]
            if buffer == Buffer.IPV6_HDR:
                spans[at, 1] = stops_of_ipv6(structure, rows[at], spans[at, 1])
            if buffer in (Buffer.ICMPV4_HDR, Buffer.ICMPV6_HDR):
                spans[at, 1] = np.minimum(
                    spans[at, 1], spans[at, 0] + icmp_header_bytes(packets.batch.buffer, spans[at], buffer)
                )
        return spans, fresh

    def _by_place(self, held: Candidates) -> dict[int, Rows]:
        """Rows of candidates by the place of their rules, each once, ascending."""
        if not len(held.rules):
            return {}
        rules, rows = np.divmod(np.unique(held.rules << ROW_BITS | held.rows), 1 << ROW_BITS)
        firsts = np.flatnonzero(np.append(True, rules[1:] != rules[:-1]))
        return dict(zip(self.places[rules[firsts]].tolist(), np.split(rows, firsts[1:]), strict=True))
