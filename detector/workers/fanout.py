"""The coordinator of workers that have rings of their own: Linux deals packets out by flow, and each worker takes its share
through all stages. It judges what they find, and is to the daemon both the run and its source.

    each worker     ring -> decode -> flows, streams, PDUs, rules -> found       draft alerts
    this process                                                  judge -> settle ids -> alerts

Workers have clocks of their own, and each says up to which it has told everything: its watermark. What was found is judged
in the order of clocks as far as all watermarks have come. Nobody is waited for longer than PATIENCE_SECONDS: what a worker
finds later than that is judged at the clock that the others have reached, as a packet that comes late always is. Alerts that
are asked for, and new rules, are waited for; but a worker that says nothing for STUCK_SECONDS gives its place to another.
"""

from __future__ import annotations

import logging
import random
import socket
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from detector.alerts.alert import Alert, Draft
from detector.capture.batch import Batch, no_packets
from detector.capture.interface import InterfaceSettings
from detector.capture.packet_socket import Fanout, Opener
from detector.capture.source import BATCH_SECONDS, OfInterfaces, SourceReport, summed
from detector.detect.judge import Verdicts
from detector.detect.selection import CLOCK, Selection
from detector.errors import InputError
from detector.packets.table import PacketTable
from detector.pipeline import PipelineSettings, Prepared, ruleset_of
from detector.rules.model import Ruleset
from detector.workers.crew import MOST_SECONDS, Crew, PreparedJudge, WorkerError
from detector.workers.fanout_worker import main
from detector.workers.messages import (
    Drafts,
    Ended,
    Exchanged,
    Join,
    Judged,
    Listen,
    Listening,
    Made,
    Rules,
    Seen,
    Stop,
)
from detector.workers.processes import Process
from detector.workers.worker import unpickled

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0
STUCK_SECONDS = 120.0  # without a word after which a worker is taken for lost; each says something at every turn
SAVE_SECONDS = 2.0  # that a worker may take to answer a checkpoint
DRAIN_SECONDS = 10.0  # that workers may take for what has arrived when they are stopped
LATEST = 2**62
MOST_GROUPS = 65000  # fanout groups; each further interface takes the next one


class Opening(NamedTuple):
    """How workers have sockets opened by somebody else: what they inherit to ask on, and what they make of it."""

    descriptor: int
    opener: Callable[[socket.socket], Opener]


@dataclass
class Standing:
    """What one worker has said of itself. done: packets that are judged and whose alerts are handed on. silence: seconds
    in which it was listened to and said nothing."""

    watermark: int = 0
    done: int = 0
    reports: Mapping[str, SourceReport] = field(default_factory=dict)
    unclaimed: Mapping[str, int] = field(default_factory=dict)
    has_ended: bool = False
    is_overdue: bool = False
    silence: float = 0.0

    @property
    def packets(self) -> int:
        """Packets that it has taken."""
        return sum(one.packets for one in self.reports.values())


@dataclass
class Held:
    """What was found in a batch and is not judged yet. is_kept: its worker keeps the batch. heard: when, steady clock."""

    number: int
    sequence: int
    selection: Selection
    packets: int
    clock: int
    is_kept: bool
    heard: float


@dataclass
class Round:
    """What was judged together. owners: the worker behind each origin. silent: workers whose alerts are awaited.

    packets: by worker, of batches that are done with this.
    """

    number: int
    verdicts: Verdicts
    owners: Sequence[int]
    silent: set[int]
    packets: Counter[int]
    drafts: dict[int, Iterator[Draft]] = field(default_factory=dict)


class FanoutRun(Crew, OfInterfaces):
    """One run of one ruleset on live interfaces: a Run, and the LiveSource whose batches are all empty.

    Close it, or use it as a context manager.
    """

    feed_name = "fanout"

    def __init__(
        self, ruleset: Ruleset, settings: PipelineSettings, workers: int, interfaces: Sequence[InterfaceSettings],
        opening: Opening | None = None,
    ) -> None:  # fmt: skip
        """opening: who opens sockets; None: each worker itself."""
        self._interfaces, self._opening = interfaces, opening
        self._fanout = Fanout(random.randint(1, MOST_GROUPS), workers)
        self._standings = [Standing() for _ in range(workers)]
        self._held: list[Held] = []
        self._coming: Ruleset | None = None  # rules that are being exchanged
        self._exchanged: set[int] = set()  # workers that have them
        self._early: list[Held] = []  # what these have found with them meanwhile
        self._rounds: deque[Round] = deque()
        self._number = 0
        self._judged = 0  # the latest clock that was judged
        self._turned = time.monotonic()
        self._is_listening = self._is_ending = False
        self._listening: dict[int, Listening] = {}
        self._reports = {one.name: SourceReport() for one in interfaces}
        self._gone: dict[str, SourceReport] = {one.name: SourceReport() for one in interfaces}  # with workers that died
        self._gone_unclaimed: Counter[str] = Counter()
        super().__init__(ruleset, settings, workers)

    # --- the source

    def listen(self) -> None:
        """Has workers open the interfaces. InputError where that cannot be."""
        self._is_listening = True
        self._send_all(Listen(is_again=False))
        while len(self._listening) < self.workers:
            self._hear(None)
        for answer in self._listening.values():  # per worker
            if answer.problem:
                raise InputError(answer.problem, hint=answer.hint)

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        """What all workers have captured so far on each interface."""
        return self._reports

    def batches(self) -> Iterator[Batch]:
        """An empty batch whenever workers have said something: packets stay with them."""
        deadline = 0.0
        while not all(one.has_ended for one in self._standings):  # per turn
            if self._is_stopped and not self._is_ending:
                self._is_ending, deadline = True, time.monotonic() + DRAIN_SECONDS
                self._send_all(Stop())
            elif self._is_ending and time.monotonic() > deadline:
                for number, standing in enumerate(self._standings):  # per worker
                    if not standing.has_ended:
                        self._bury(number)
            self._hear(self.idle_seconds)
            yield no_packets()

    # --- the run

    def feed(self, batch: Batch) -> list[Alert]:
        """The alerts that are ready, in order. The batch is this run's own, and empty."""
        until = time.monotonic() + BATCH_SECONDS
        while self._hear(0) and time.monotonic() < until:
            pass
        return self._taken()

    def finish(self) -> list[Alert]:
        """The alerts of all that is judged by now; of all that was captured, where workers have been stopped."""
        if self._is_ending:
            self._judge(LATEST)
        last = self._number
        while self._rounds and self._rounds[0].number < last:
            self._hear(None)
        return self._taken()

    def exchange_rules(self, ruleset: Ruleset | Prepared) -> frozenset[str]:
        """Goes on with other rules; ids of those that mean what they meant, whose state goes on.

        Each worker has them from its next batch on. What was found with the rules of before is judged first, by them.
        """
        new = ruleset if isinstance(ruleset, PreparedJudge) else self.prepare(ruleset_of(ruleset))
        self._coming = new.ruleset
        self._send_all(Rules(new.ruleset))
        while len(self._exchanged) < self.workers:
            self._hear(None)
        self._judge(LATEST)
        while self._rounds:
            self._hear(None)
        kept = self._exchange(new)
        self._held, self._early = self._early, []
        self._coming, self._exchanged = None, set()
        return kept

    def watch(self, onlooker: Callable[[PacketTable], None]) -> None:
        """Shows nothing: packets are with workers."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps. Pickle it before the next turn.

        What was found and is not judged yet is not in it: packets of an interface that have passed are lost in a crash.

        Raises:
            NoState: a worker stands still. The others go on without it, and no checkpoint is written.
        """
        return self._saved(SAVE_SECONDS)

    # --- workers

    def _begin(self, number: int) -> Process:
        """A new worker process, with the rules and on the interfaces that the others have."""
        descriptors = [self._opening.descriptor] if self._opening else []
        process = self._started(number, main, len(descriptors))
        opener = self._opening.opener if self._opening else None
        self._standings[number] = Standing(has_ended=self._is_ending)
        self._exchanged.discard(number)
        with suppress(OSError):  # it has died already, which is seen when it is heard
            process.begin(Join(self._settings, self.ruleset, self._interfaces, self._fanout, opener), descriptors)
            process.connection.send(self._sparing())
            if self._coming is not None:
                process.connection.send(Rules(self._coming))
            if self._is_listening and not self._is_ending:
                process.connection.send(Listen(is_again=True))
        return process

    def _take(self, number: int, message: object) -> None:
        """What a worker says."""
        self._standings[number].silence = 0.0
        match message:
            case Seen():
                self._see(number, message)
            case Made():
                self.decoding.totals[number] = message.totals
                self.decoding.counts.rows += message.rows
                held = Held(number, message.sequence, message.selection, message.packets, message.clock,
                            bool(message.selection.found), time.monotonic())  # fmt: skip
                (self._early if number in self._exchanged else self._held).append(held)
                self._clock_at(message.clock)
            case Drafts(round_number, drafts):
                one = self._rounds[round_number - self._rounds[0].number]
                one.drafts[number] = iter(unpickled(drafts, self.engine.rules))
                one.silent.discard(number)
            case Exchanged():
                self._exchanged.add(number)
            case Ended():
                self._standings[number].has_ended = True
            case Listening(problem):
                if problem and self._listening.get(number) is not None:
                    raise WorkerError(f"worker {number} cannot capture any more: {problem}")
                self._listening[number] = message
            case _:
                super()._take(number, message)

    def _clock_at(self, clock: int) -> None:
        """Packets up to this clock were decoded."""
        counts = self.decoding.counts
        counts.first_ns = clock if counts.first_ns is None else counts.first_ns
        counts.last_ns = max(counts.last_ns, clock)

    def _see(self, number: int, seen: Seen) -> None:
        """How far a worker is, and what has passed."""
        standing = self._standings[number]
        standing.watermark = max(standing.watermark, seen.watermark)
        standing.reports, standing.unclaimed = seen.reports, seen.unclaimed
        for level, text in seen.said:  # per line
            log.log(level, "worker %d: %s", number, text)
        counts = self.decoding.counts
        before = self.report
        for name, report in self._reports.items():  # per interface
            self._renew(name, report)
        now = self.report
        counts.packets += now.packets - before.packets
        counts.bytes += now.bytes - before.bytes

    def _renew(self, name: str, report: SourceReport) -> None:
        """Sums up what workers say of an interface."""
        there = [one.reports[name] for one in self._standings if name in one.reports]
        found = summed([self._gone[name], *there])
        lost = max(report.dropped["interface"], self._lost_by(name))
        report.packets, report.bytes = found.packets, found.bytes
        report.dropped = without_interface(found.dropped)
        if lost:
            report.dropped["interface"] = lost
        report.is_up, report.fill = found.is_up, max((one.fill for one in there), default=0.0)
        report.reconnects = max(report.reconnects, *(one.reconnects for one in there), 0)  # one for all of them

    def _lost_by(self, name: str) -> int:
        """Packets that the interface had no room for. Every worker reads the same counter, and takes off what itself has
        captured of it: here that of all is taken off."""
        told = [(one.reports[name].dropped["interface"], one.unclaimed.get(name, 0))
                for one in self._standings if name in one.reports]  # fmt: skip
        counted = max((lost + unclaimed for lost, unclaimed in told), default=0)
        return max(0, counted - self._gone_unclaimed[name] - sum(unclaimed for _, unclaimed in told))

    # --- judging

    def _advance(self) -> None:
        """Judges what nobody can add to, in order, and hands on what is done; replaces who has not been heard for long."""
        now = time.monotonic()
        turn, self._turned = min(now - self._turned, MOST_SECONDS), now  # also where this process itself stood still
        for number, one in enumerate(self._standings):  # per worker
            one.silence += turn
            if one.silence > STUCK_SECONDS and number in self._listening and not one.has_ended:
                log.error("worker %d has said nothing for %d s and is given up", number, STUCK_SECONDS)
                self._bury(number)
        if self._held:
            self._judge(self._complete())
        while self._rounds and not self._rounds[0].silent:
            self._settle(self._rounds.popleft())

    def _complete(self) -> int:
        """The clock up to which all workers have told everything, or up to which they were waited for long enough."""
        running = [one for one in self._standings if not one.has_ended]
        complete = min((one.watermark for one in running), default=LATEST)
        long_ago = time.monotonic() - PATIENCE_SECONDS
        overdue = max((one.clock + 1 for one in self._held if one.heard < long_ago), default=0)
        for number, one in enumerate(self._standings):  # per worker
            was_overdue, one.is_overdue = one.is_overdue, not one.has_ended and one.watermark < overdue - 1
            if one.is_overdue and not was_overdue:
                log.warning("worker %d is behind: what others have found is judged before its packets", number)
        return max(complete, overdue)

    def _judge(self, until: int) -> None:
        """Says which of the rows before a clock alert, and tells their workers."""
        parts: list[Held] = []
        left: list[Held] = []
        for held in self._held:  # per batch
            early, late = held.selection.before(until)
            if not late.found:
                parts.append(held)
            elif not early.found:
                left.append(held)
            else:
                parts.append(replace(held, selection=early, packets=0, is_kept=False))
                left.append(replace(held, selection=late))
        if not parts:
            return
        self._held = left
        verdicts = self.engine.judge([one.selection.not_before(self._judged) for one in parts], is_one_batch=False)
        self.engine.hold(verdicts)
        clocks = [int(found.keys[-1, CLOCK]) for one in parts for found in one.selection.found.values()]
        self._judged = max(self._judged, *clocks, 0)
        self._tell(parts, verdicts)

    def _tell(self, parts: Sequence[Held], verdicts: Verdicts) -> None:
        """Begins a round: workers are told which of their rows alert, and which batches are done."""
        alerting = sorted(set(verdicts.origins()))
        owners = [one.number for one in parts]
        packets: Counter[int] = Counter()
        for one in parts:  # per batch
            packets[one.number] += one.packets
        made = Round(self._number, verdicts, owners, {owners[origin] for origin in alerting}, packets)
        self._number += 1
        self._rounds.append(made)
        for number in sorted(set(owners)):  # per worker
            own = [origin for origin in alerting if owners[origin] == number]
            done = [one.sequence for one in parts if one.number == number and one.is_kept]
            if own or done:
                sequences = {origin: parts[origin].sequence for origin in own}
                self._send(number, Judged(made.number, verdicts.of_some(own), sequences, done))

    def _settle(self, one: Round) -> None:
        """Alerts of a round in order, with their ids."""
        for origin in one.verdicts.origins():  # per alert
            number = one.owners[origin]
            if number in one.drafts:
                self._ready.append(self._occurrences.settle(next(one.drafts[number])))
        self.engine.release(one.verdicts.of_some([at for at, owner in enumerate(one.owners) if owner in one.drafts]))
        for number, packets in one.packets.items():  # per worker
            self._standings[number].done += packets

    def _lost_with(self, number: int) -> int:
        """Goes on without what a dead worker had not handed on; how many packets are lost with it.

        A batch counts as a whole, though some of its rows may have alerted. What lay in its rings is not known: nobody can
        ask them any more.
        """
        standing = self._standings[number]
        for one in self._rounds:  # per round
            packets = one.packets.pop(number, 0)
            if number in one.silent:
                one.silent.discard(number)  # its alerts were held, and are no match now
            else:
                standing.done += packets
        self._held = [one for one in self._held if one.number != number]
        self._early = [one for one in self._early if one.number != number]
        for name, report in standing.reports.items():  # per interface
            gone = self._gone[name]
            self._gone[name] = summed([gone, replace(report, dropped=without_interface(report.dropped), is_up=True)])
            self._gone_unclaimed[name] += standing.unclaimed.get(name, 0)
        return standing.packets - standing.done


def without_interface(dropped: Counter[str]) -> Counter[str]:
    """Drops save those that every worker counts."""
    return Counter({cause: packets for cause, packets in dropped.items() if cause != "interface"})
