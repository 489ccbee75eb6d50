"""The coordinator: decodes, deals rows out to workers, judges what they find, and hands their alerts on in order.

    this process   decode -> slot                          judge -> settle ids -> alerts
    each worker              flows, streams, PDUs, rules -> found     draft alerts

Several batches are under way at once, each in a slot; when all are taken the coordinator waits, so that what is under way
is bounded. Batches are judged in their order, when all workers have told what they found.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from detector.alerts.alert import Alert, Draft
from detector.capture.batch import Batch
from detector.detect.judge import ORIGIN, Verdicts
from detector.detect.selection import Selection
from detector.flows.columns import SHARDS
from detector.flows.table import FlowTable
from detector.packets.table import PacketTable
from detector.pipeline import PipelineSettings, Prepared, ruleset_of
from detector.rules.model import Ruleset
from detector.workers.crew import Crew, PreparedJudge, WorkerError
from detector.workers.messages import Begin, Drafts, Found, Rules, Told, Work
from detector.workers.processes import Process
from detector.workers.shared import Layout, make_slot, packets_of, write_batch
from detector.workers.worker import main, shards_of, unpickled

SLOTS = 4


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


class WorkerPipeline(Crew):
    """One run of one ruleset in several processes; as Pipeline, but that alerts may come with a later batch.

    Close it, or use it as a context manager.
    """

    feed_name = "reader"

    def __init__(self, ruleset: Ruleset, settings: PipelineSettings | None = None, workers: int = 2) -> None:
        self._free = deque(range(SLOTS))
        self._under_way: deque[UnderWay] = deque()
        self._sequence = 0
        self._onlooker: Callable[[PacketTable], None] | None = None
        super().__init__(ruleset, settings, workers, [make_slot() for _ in range(SLOTS)])
        self._sharding = FlowTable(self._settings.flows)

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
            self._send_all(Work(self._sequence, layout))
            self._sequence += 1
        while self._hear(0):
            pass
        return self._taken()

    def finish(self) -> list[Alert]:
        """The alerts of all that was fed. More may be fed afterwards."""
        while self._under_way:
            self._hear(None)
        return self._taken()

    def exchange_rules(self, ruleset: Ruleset | Prepared) -> frozenset[str]:
        """Goes on with other rules from the next batch; ids of those that mean what they meant, whose state goes on."""
        new = ruleset if isinstance(ruleset, PreparedJudge) else self.prepare(ruleset_of(ruleset))
        while self._under_way:  # their alerts are of the rules of before
            self._hear(None)
        kept = self._exchange(new)
        self._send_all(Rules(new.ruleset))
        return kept

    def watch(self, onlooker: Callable[[PacketTable], None]) -> None:
        """Shows somebody the packets of each batch from now on."""
        self._onlooker = onlooker

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; to be asked after finish(). Pickle it before the next batch."""
        if self._under_way:
            raise WorkerError("batches are under way: finish() comes before state()")
        return {"decoder": self.decoding.decoder.state(), **self._saved()}

    def restore(self, state: dict[str, Any]) -> frozenset[str]:
        """As of Crew; the decoder's state is here."""
        kept = super().restore(state)
        self.decoding.decoder.restore(state["decoder"])
        return kept

    def _begin(self, number: int) -> Process:
        """A new worker process."""
        process = self._started(number, main, SLOTS)
        with suppress(OSError):  # it has died already, which is seen when it is heard
            process.begin(
                Begin(number, self.workers, self._settings, self.ruleset), [one.descriptor for one in self._slots]
            )
            process.connection.send(self._sparing())
        return process

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
            case _:
                super()._take(number, message)

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

    def _lost_with(self, number: int) -> int:
        """Goes on without a dead worker's parts of all batches; how many packets are lost with it."""
        return sum(self._lose(one, number) for one in self._under_way)

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
