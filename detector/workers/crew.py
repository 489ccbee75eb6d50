"""What a coordinator of worker processes is, however they get their packets: it starts, hears and replaces them, and judges.

What crosses flows lies with it: the judge of the rules, and the occurrences that give alerts their ids.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import Any, NamedTuple, Self

from detector.alerts.alert import Alert, Occurrences
from detector.capture.source import Source
from detector.detect.costs import Clock, Costs
from detector.detect.judge import Judge, kept_rules
from detector.detect.selector import Selector
from detector.packets.decode import PacketDecoder
from detector.pipeline import Counts, Decoding, FlowTotals, PipelineSettings, Totals
from detector.protocols import PROTOCOLS
from detector.rules.model import Rule, Ruleset
from detector.snapshot import NoState, UnfitState
from detector.workers.messages import Restore, Restored, Save, Saved, Sparing
from detector.workers.processes import Process, load
from detector.workers.shared import Slot
from detector.workers.worker import load_kernels

log = logging.getLogger(__name__)

MOST_SECONDS = 5.0
MOST_FAILURES = 5  # workers in a row that die before they have said anything: they cannot work here at all


class WorkerError(RuntimeError):
    """Workers cannot be run."""


class PreparedJudge(NamedTuple):
    """Rules made ready for a Crew. kept: ids of those whose state goes on where `before` are the rules that run."""

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


class Crew:
    """Workers, and the judge of what they find. Close it, or use it as a context manager.

    feed: how workers get their packets; a state fits only the same.
    """

    feed_name = ""

    def __init__(
        self, ruleset: Ruleset, settings: PipelineSettings | None, workers: int, slots: Sequence[Slot] = ()
    ) -> None:
        self._settings = settings or PipelineSettings()
        self.ruleset = ruleset
        self.workers = workers
        self.decoding = GatheredDecoding(self._settings)
        self.engine = Judge(ruleset, self._settings.engine)
        self._slots = list(slots)
        self._occurrences = Occurrences()
        self._ready: list[Alert] = []
        self._replies: dict[int, Saved | Restored] = {}
        self._asked: dict[int, Process] = {}  # workers that have not answered
        self._failures = 0
        self._clock: Clock | None = None
        self._shed: frozenset[str] = frozenset()
        load_kernels()  # one process compiles; the others find them
        load()
        self._processes: list[Process] = []
        # Before Python joins its child processes at the end of the program: they end when their connection does.
        self._finalizer = Finalize(self, close_all, (self._processes, self._slots), exitpriority=10)
        for number in range(workers):  # per worker
            self._processes.append(self._begin(number))

    def __enter__(self) -> Self:
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

    def learn(self, source: Source) -> None:
        """Takes a source as known good: new_value rules learn from it, nothing alerts, its flows and clock are its own."""
        decoding, selector = Decoding(self._settings), Selector(self.ruleset)
        decoding.following.watch(selector.watched)
        for batch in source.batches():
            packets, pdus = decoding.tables(batch)
            self.engine.learn(selector.known({"packet": packets, **pdus}))
            decoding.following.remember(packets)

    def prepare(self, ruleset: Ruleset) -> PreparedJudge:
        """Makes rules ready beside the running ones, for exchange_rules. Another thread may do so meanwhile."""
        judge, before = Judge(ruleset, self._settings.engine), self.engine.rules
        return PreparedJudge(ruleset, judge, before, kept_rules(before, judge.rules))

    def _exchange(self, new: PreparedJudge) -> frozenset[str]:
        """Judges with other rules from now on; ids of those whose state goes on."""
        running = self.engine
        kept = new.kept if new.before is running.rules else kept_rules(running.rules, new.judge.rules)
        new.judge.adopt(running, kept)
        new.judge.costs = running.costs
        self.ruleset, self.engine = new.ruleset, new.judge
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

    def _spare(self) -> None:
        self._send_all(self._sparing())

    def _sparing(self) -> Sparing:
        return Sparing(self._shed, is_measured=self._clock is not None)

    def _saved(self, patience: float | None = None) -> dict[str, Any]:
        """What every checkpoint of workers keeps: theirs, the judge's, and what was counted. NoState: as of _ask."""
        self._ask(lambda number: Save(), patience)
        return {
            "workers": self.workers,
            "feed": self.feed_name,
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
            UnfitState: it was made with other ceilings, another number of workers, or by workers that were fed in
                another way; this object is to be closed.
        """
        if state.get("workers") != self.workers:
            before = state.get("workers", 1)
            raise UnfitState(f"the saved state was made with {before} workers, and there are {self.workers} now")
        if (before := state.get("feed", "reader")) != self.feed_name:
            raise UnfitState(f"the saved state was made by workers fed by {before}, and it is {self.feed_name} now")
        self._ask(lambda number: Restore(state["following"][number]))
        for problem in {reply.problem for reply in self._replies.values() if isinstance(reply, Restored)} - {""}:
            raise UnfitState(problem)
        self.decoding.counts, self.decoding.gone = state["counts"], state["gone"]
        self.decoding.totals = state["totals"]
        self._occurrences = state["occurrences"]
        return self.engine.restore(state["judge"])

    def _ask(self, question: Callable[[int], object], patience: float | None = None) -> None:
        """Asks every worker, and waits for all answers; a worker that dies of it is asked anew.

        Raises:
            NoState: a worker has not answered after so many seconds. It is asked no more until it has.
        """
        end = None if patience is None else time.monotonic() + patience
        late = [number for number, process in self._asked.items() if process is self._processes[number]]
        if late:
            raise NoState(f"worker {late[0]} still does not answer")
        self._replies = {}
        self._asked = {}
        while len(self._replies) < self.workers:
            for number in range(self.workers):  # per worker
                if number not in self._replies and self._asked.get(number) is not self._processes[number]:
                    self._asked[number] = self._processes[number]
                    self._send(number, question(number))
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                raise NoState(f"worker {min(self._asked)} has not answered for {patience:g} s")
            self._hear(left)

    def _send_all(self, message: object) -> None:
        """Says something to every worker."""
        for number in range(self.workers):  # per worker
            self._send(number, message)

    def _send(self, number: int, message: object) -> None:
        """Says something to a worker; one that cannot hear it has died."""
        try:
            self._processes[number].connection.send(message)
        except OSError:
            self._bury(number)

    def _hear(self, seconds: float | None) -> bool:
        """Waits for workers, MOST_SECONDS at the most, and hears those that have something to say; whether there was any."""
        by_connection = {process.connection: process for process in self._processes}
        heard = wait(list(by_connection), MOST_SECONDS if seconds is None else min(seconds, MOST_SECONDS))
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

    def _taken(self) -> list[Alert]:
        """The alerts that are ready."""
        taken, self._ready = self._ready, []
        self.decoding.counts.alerts += len(taken)
        return taken

    def _bury(self, number: int) -> None:
        """Puts another worker into the place of one that has died; what that had not handed on is counted."""
        process = self._processes[number]
        code = process.end()
        lost = self._lost_with(number)
        counts, decoding = self.decoding.counts, self.decoding
        counts.worker_restarts += 1
        counts.lost_packets += lost
        decoding.gone += decoding.totals.pop(number, Totals())
        self._failures += not process.is_heard
        log.error("worker %d died (exit code %s) and is started anew; %d packets were lost with it", number, code, lost)
        if self._failures >= MOST_FAILURES:
            raise WorkerError(f"{self._failures} workers in a row died before they had done anything: see the log")
        self._processes[number] = self._begin(number)

    def _begin(self, number: int) -> Process:
        """A new worker process, told what it begins with."""
        raise NotImplementedError

    def _started(self, number: int, main: Callable[[Connection, int], None], descriptors: int) -> Process:
        """A process that is not told anything yet. WorkerError where none can be had."""
        try:
            return Process(number, main, descriptors)
        except (OSError, EOFError) as error:
            raise WorkerError(f"no worker can be started: {error}") from error

    def _take(self, number: int, message: object) -> None:
        """What a worker says."""
        if isinstance(message, Saved | Restored):
            self._replies[number] = message
            self._asked.pop(number, None)

    def _advance(self) -> None:
        """Goes on with what workers have said."""
        raise NotImplementedError

    def _lost_with(self, number: int) -> int:
        """Goes on without what a dead worker had not handed on; how many packets are lost with it."""
        raise NotImplementedError


def close_all(processes: list[Process], slots: list[Slot]) -> None:
    """Ends all workers and gives the slots back."""
    for process in processes:  # per worker
        process.end()
    for slot in slots:  # per slot
        slot.close()
