"""The coordinator: decodes, deals rows out to workers, judges what they find, and hands their alerts on in order.

    this process   decode -> slot                          judge -> settle ids -> alerts
    each worker              flows, streams, PDUs, rules -> found     draft alerts

Several batches are under way at once, each in a slot; when all are taken the coordinator waits, so that what is under way
is bounded. Batches are judged in their order, when all workers have told what they found.
"""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.util import Finalize
from typing import Any, NamedTuple

import numpy as np

from detector.alerts.alert import Alert, Draft, Occurrences
from detector.capture.batch import Batch
from detector.capture.source import Source
from detector.detect.costs import Clock, Costs
from detector.detect.judge import ORIGIN, Judge, Verdicts, kept_rules
from detector.detect.selection import Selection
from detector.detect.selector import Selector
from detector.flows.columns import SHARDS
from detector.flows.table import FlowTable
from detector.packets.decode import PacketDecoder
from detector.packets.table import PacketTable
from detector.pipeline import Counts, Decoding, FlowTotals, PipelineSettings, Prepared, Totals, ruleset_of
from detector.protocols import PROTOCOLS
from detector.rules.model import Rule, Ruleset
from detector.snapshot import UnfitState
from detector.workers.messages import Begin, Drafts, Found, Restore, Restored, Rules, Save, Saved, Sparing, Told, Work
from detector.workers.processes import Process, load
from detector.workers.shared import Layout, Slot, make_slot, packets_of, write_batch
from detector.workers.worker import load_kernels, shards_of, unpickled

log = logging.getLogger(__name__)

SLOTS = 4
MOST_FAILURES = 5  # workers in a row that die before they have said anything: they cannot work here at all


class WorkerError(RuntimeError):
    """Workers cannot be run."""


@dataclass
class UnderWay:
    """A batch that is not done. silent: workers that are not heard yet, of what they found and then of their alerts.

    bereft: those that died before they had handed on their part.
    """

    sequence: int
    layout: Layout
    silent: set[int]
    selections: dict[int, Selection] = field(default_factory=dict)
    verdicts: Verdicts | None = None
    drafts: dict[int, list[Draft]] = field(default_factory=dict)
    bereft: set[int] = field(default_factory=set)


class PreparedJudge(NamedTuple):
    """Rules made ready for a WorkerPipeline. kept: ids of those whose state goes on where `before` are the rules that run."""

    ruleset: Ruleset
    judge: Judge
    before: Sequence[Rule]
    kept: frozenset[str]


class GatheredDecoding:
    """What is known of the packets of a run whose flows lie with workers."""

    def __init__(self, settings: PipelineSettings) -> None:
        self.decoder = PacketDecoder(settings.decode)
        self.counts = Counts()
        self.totals: dict[int, Totals] = {}  # of each worker
        self.gone = Totals(pdus=Counter({protocol.name: 0 for protocol in PROTOCOLS}))  # of workers that are no more

    @property
    def _all(self) -> Totals:
        return sum(self.totals.values(), start=self.gone)

    @property
    def flows(self) -> FlowTotals:
        """Flows so far."""
        return self._all.flows

    @property
    def pdus(self) -> Counter[str]:
        """PDUs so far, by protocol."""
        return self._all.pdus

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by the name of their anomalies, of packets, streams and PDUs."""
        return self.decoder.anomalies + self._all.anomalies


class WorkerPipeline:
    """One run of one ruleset in several processes; as Pipeline, but that alerts may come with a later batch.

    Close it, or use it as a context manager.
    """

    def __init__(self, ruleset: Ruleset, settings: PipelineSettings | None = None, workers: int = 2) -> None:
        self._settings = settings or PipelineSettings()
        self.ruleset = ruleset
        self.workers = workers
        self.decoding = GatheredDecoding(self._settings)
        self.engine = Judge(ruleset, self._settings.engine)
        self._sharding = FlowTable(self._settings.flows)
        self._occurrences = Occurrences()
        self._slots = [make_slot() for _ in range(SLOTS)]
        self._free = deque(range(SLOTS))
        self._under_way: deque[UnderWay] = deque()
        self._sequence = 0
        self._ready: list[Alert] = []
        self._replies: dict[int, Saved | Restored] = {}
        self._failures = 0
        self._clock: Clock | None = None
        self._shed: frozenset[str] = frozenset()
        self._onlooker: Callable[[PacketTable], None] | None = None
        load_kernels()  # one process compiles; the others find them
        load()
        self._processes: list[Process] = []
        # Before Python joins its child processes at the end of the program: they end when their connection does.
        self._finalizer = Finalize(self, close_all, (self._processes, self._slots), exitpriority=10)
        for number in range(workers):  # per worker
            self._processes.append(self._begin(number))

    def __enter__(self) -> WorkerPipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [process.pid for process in self._processes]

    def close(self) -> None:
        """Ends the workers. What is under way is given up: finish() comes before."""
        self._finalizer()

    def feed(self, batch: Batch) -> list[Alert]:
        """Takes a batch; the alerts that are ready, in order: of this batch or of earlier ones."""
        if len(batch):
            packets = self.decoding.decoder.decode(batch)
            self.decoding.counts.count(packets)
            if self._onlooker is not None:
                self._onlooker(packets)
            shards = self._sharding.shards_of(packets)
            while not self._free:
                self._hear(None)
            slot = self._free.popleft()
            layout = write_batch(self._slots[slot], slot, packets, shards, self.workers)
            self._under_way.append(UnderWay(self._sequence, layout, set(range(self.workers))))
            for number in range(self.workers):  # per worker
                self._send(number, Work(self._sequence, layout))
            self._sequence += 1
        while self._hear(0):
            pass
        return self._taken()

    def finish(self) -> list[Alert]:
        """The alerts of all that was fed. More may be fed afterwards."""
        while self._under_way:
            self._hear(None)
        return self._taken()

    def learn(self, source: Source) -> None:
        """Takes a source as known good: new_value rules learn from it, nothing alerts, its flows and clock are its own."""
        decoding, selector = Decoding(self._settings), Selector(self.ruleset)
        for batch in source.batches():
            packets, pdus = decoding.tables(batch)
            self.engine.learn(selector.known({"packet": packets, **pdus}))

    def prepare(self, ruleset: Ruleset) -> PreparedJudge:
        """Makes rules ready beside the running ones, for exchange_rules. Another thread may do so meanwhile."""
        judge, before = Judge(ruleset, self._settings.engine), self.engine.rules
        return PreparedJudge(ruleset, judge, before, kept_rules(before, judge.rules))

    def exchange_rules(self, ruleset: Ruleset | Prepared) -> frozenset[str]:
        """Goes on with other rules from the next batch; ids of those that mean what they meant, whose state goes on."""
        new = ruleset if isinstance(ruleset, PreparedJudge) else self.prepare(ruleset_of(ruleset))
        while self._under_way:  # their alerts are of the rules of before
            self._hear(None)
        running = self.engine
        kept = new.kept if new.before is running.rules else kept_rules(running.rules, new.judge.rules)
        new.judge.adopt(running, kept)
        new.judge.costs = running.costs
        self.ruleset, self.engine = new.ruleset, new.judge
        for number in range(self.workers):  # per worker
            self._send(number, Rules(new.ruleset))
        return kept

    def measure(self, clock: Clock) -> None:
        """Measures from now on what rules cost, on a sample of batches; clock in ns. Workers have a clock of their own."""
        self._clock = clock
        self.engine.costs = Costs(clock)
        self._spare()

    def shed(self, rule_ids: Collection[str]) -> None:
        """Switches these rules off from the next batch on, all others on."""
        self._shed = frozenset(rule_ids)
        self._spare()

    def watch(self, onlooker: Callable[[PacketTable], None]) -> None:
        """Shows somebody the packets of each batch from now on."""
        self._onlooker = onlooker

    def _spare(self) -> None:
        for number in range(self.workers):  # per worker
            self._send(number, self._sparing())

    def _sparing(self) -> Sparing:
        return Sparing(self._shed, is_measured=self._clock is not None)

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; to be asked after finish(). Pickle it before the next batch."""
        if self._under_way:
            raise WorkerError("batches are under way: finish() comes before state()")
        self._ask(lambda number: Save())
        return {
            "workers": self.workers,
            "decoder": self.decoding.decoder.state(),
            "counts": self.decoding.counts,
            "gone": self.decoding.gone,
            "totals": self.decoding.totals,
            "following": [self._replies[number].state for number in range(self.workers)],  # type: ignore[union-attr]
            "judge": self.engine.state(),
            "occurrences": self._occurrences,
        }

    def restore(self, state: dict[str, Any]) -> frozenset[str]:
        """Goes on from an unpickled state, before the first batch; ids of the rules whose state could be taken over.

        Raises:
            UnfitState: it was made with other ceilings or another number of workers; this object is to be closed.
        """
        if state.get("workers") != self.workers:
            before = state.get("workers", 1)
            raise UnfitState(f"the saved state was made with {before} workers, and there are {self.workers} now")
        self.decoding.decoder.restore(state["decoder"])
        self._ask(lambda number: Restore(state["following"][number]))
        for problem in {reply.problem for reply in self._replies.values() if isinstance(reply, Restored)} - {""}:
            raise UnfitState(problem)
        self.decoding.counts, self.decoding.gone = state["counts"], state["gone"]
        self.decoding.totals = state["totals"]
        self._occurrences = state["occurrences"]
        return self.engine.restore(state["judge"])

    def _ask(self, question: Callable[[int], object]) -> None:
        """Asks every worker, and waits for all answers; a worker that dies of it is asked anew."""
        self._replies = {}
        asked: dict[int, Process] = {}
        while len(self._replies) < self.workers:
            for number in range(self.workers):  # per worker
                if number not in self._replies and asked.get(number) is not self._processes[number]:
                    asked[number] = self._processes[number]
                    self._send(number, question(number))
            self._hear(None)

    def _begin(self, number: int) -> Process:
        """A new worker process."""
        try:
            process = Process(number, SLOTS)
        except (OSError, EOFError) as error:
            raise WorkerError(f"no worker can be started: {error}") from error
        with suppress(OSError):  # it has died already, which is seen when it is heard
            process.begin(Begin(number, self.workers, self._settings, self.ruleset), self._slots)
            process.connection.send(self._sparing())
        return process

    def _send(self, number: int, message: object) -> None:
        """Says something to a worker; one that cannot hear it has died."""
        try:
            self._processes[number].connection.send(message)
        except OSError:
            self._bury(number)

    def _hear(self, seconds: float | None) -> bool:
        """Waits for workers and hears those that have something to say; whether there was any."""
        by_connection = {process.connection: process for process in self._processes}
        heard = wait(list(by_connection), seconds)
        for connection in heard:  # per worker
            process = by_connection[connection]  # type: ignore[index]
            try:
                message = process.connection.recv()
            except (EOFError, OSError):
                self._bury(process.number)
                continue
            process.is_heard, self._failures = True, 0
            self._take(process.number, message)
        self._advance()
        return bool(heard)

    def _take(self, number: int, message: object) -> None:
        """What a worker says."""
        match message:
            case Found(sequence, selection, totals):
                one = self._under_way[sequence - self._under_way[0].sequence]
                one.selections[number] = selection
                one.silent.discard(number)
                self.decoding.totals[number] = totals
            case Drafts(sequence, drafts):
                one = self._under_way[sequence - self._under_way[0].sequence]
                one.drafts[number] = unpickled(drafts, self.engine.rules)
                one.silent.discard(number)
            case Saved() | Restored():
                self._replies[number] = message

    def _advance(self) -> None:
        """Judges what is complete, in order, and hands on what is done."""
        for one in list(self._under_way):
            if one.verdicts is None:
                if one.silent:
                    break
                self._judge(one)
        while self._under_way and self._under_way[0].verdicts is not None and not self._under_way[0].silent:
            self._settle(self._under_way.popleft())

    def _judge(self, one: UnderWay) -> None:
        """Says which rows of a batch alert, and tells their workers."""
        one.verdicts = self.engine.judge([one.selections.get(number, Selection()) for number in range(self.workers)])
        self.engine.hold(one.verdicts)
        alerting = {int(origin) for origin in np.unique(one.verdicts.cells[:, ORIGIN])}
        one.silent = alerting
        for number in list(one.selections):  # per worker that waits to be told
            self._send(number, Told(one.sequence, one.verdicts.of(number)))

    def _settle(self, one: UnderWay) -> None:
        """Alerts of a batch in order, with their ids."""
        assert one.verdicts is not None
        drafts = {number: iter(found) for number, found in one.drafts.items()}
        for origin in one.verdicts.cells[:, ORIGIN].tolist():  # per alert
            if origin in drafts:
                self._ready.append(self._occurrences.settle(next(drafts[origin])))
        for origin in drafts:  # per worker with alerts
            self.engine.release(one.verdicts.of(origin))
        self._free.append(one.layout.slot)

    def _taken(self) -> list[Alert]:
        """The alerts that are ready."""
        taken, self._ready = self._ready, []
        self.decoding.counts.alerts += len(taken)
        return taken

    def _bury(self, number: int) -> None:
        """Puts another worker into the place of one that has died; what that had not handed on is counted."""
        process = self._processes[number]
        code = process.end()
        lost = sum(self._lose(one, number) for one in self._under_way)
        counts, decoding = self.decoding.counts, self.decoding
        counts.worker_restarts += 1
        counts.lost_packets += lost
        decoding.gone += decoding.totals.pop(number, Totals())
        self._failures += not process.is_heard
        log.error("worker %d died (exit code %s) and is started anew; %d packets were lost with it", number, code, lost)
        if self._failures >= MOST_FAILURES:
            raise WorkerError(f"{self._failures} workers in a row died before they had done anything: see the log")
        self._processes[number] = self._begin(number)

    def _lose(self, one: UnderWay, number: int) -> int:
        """Goes on without a dead worker's part of a batch; how many packets are lost with it."""
        if number not in one.silent and one.verdicts is not None:
            return 0
        before = self._lost_of(one)
        one.silent.discard(number)
        one.selections.pop(number, None)
        one.bereft.add(number)
        return self._lost_of(one) - before

    def _lost_of(self, one: UnderWay) -> int:
        """How many packets of a batch had a row with a worker that died."""
        shards = np.zeros(SHARDS, np.bool_)
        for number in one.bereft:  # per worker
            shards |= shards_of(number, self.workers)
        return packets_of(self._slots[one.layout.slot], one.layout, shards)


def close_all(processes: list[Process], slots: list[Slot]) -> None:
    """Ends all workers and gives the slots back."""
    for process in processes:  # per worker
        process.end()
    for slot in slots:  # per slot
        slot.close()
