"""A worker: follows the flows of its shards, tests the rules on its rows, builds the alerts that the coordinator asks for.

It lives as long as its connection: when the coordinator is gone, however it ended, so is the worker.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.alerts.alert import AlertBuilder, Draft
from detector.capture.batch import batch_of
from detector.columns import Table
from detector.detect.costs import Costs
from detector.detect.engine import Engine, matches_of
from detector.detect.selector import Selector, Share
from detector.flows.columns import SHARDS
from detector.pipeline import Decoding, Following, PipelineSettings
from detector.rules.model import Rule, Ruleset
from detector.snapshot import UnfitState
from detector.workers.messages import Begin, Drafts, Found, Restore, Restored, Rules, Save, Saved, Sparing, Told, Work
from detector.workers.shared import Slot, read_part

FRAME = bytes(12) + b"\x08\x00" + bytes(46)  # whatever is in it


def shards_of(number: int, workers: int) -> NDArray[np.bool_]:
    """bool[64], the shards of one of so many workers."""
    mine: NDArray[np.bool_] = np.arange(SHARDS) % workers == number
    return mine


class Member:
    """What every worker does, however it gets its packets. stages: whose state is kept by flow."""

    def __init__(self, settings: PipelineSettings, ruleset: Ruleset, stages: Following | Decoding) -> None:
        self._stages = stages
        self._selector = Selector(ruleset)
        self._watch()
        self._builder = AlertBuilder(settings.run, settings.observer)
        self._sparing = Sparing(frozenset(), is_measured=False)

    def answer(self, message: object) -> object | None:
        """What is to be said to a message; None: nothing."""
        match message:
            case Rules(ruleset):
                self._choose(ruleset)
                self._spare()
                return None
            case Sparing():
                self._sparing = message
                self._spare()
                return None
            case Save():
                return Saved({**self._stages.state(), "waiting": self._selector.signatures.state()})
            case Restore(state):
                try:
                    self._stages.restore(state)
                    self._selector.signatures.restore(state["waiting"])
                except UnfitState as problem:
                    return Restored(str(problem))
                return Restored("")
        raise TypeError(message)

    def _choose(self, ruleset: Ruleset) -> None:
        """Goes on with these rules."""
        waiting = self._selector.signatures.state()
        self._selector = Selector(ruleset)
        self._selector.signatures.restore(waiting)
        self._watch()

    def _watch(self) -> None:
        """Tells stages what the rules look at."""
        following = self._stages if isinstance(self._stages, Following) else self._stages.following
        following.watch(self._selector.watched)

    def _spare(self) -> None:
        """Switches rules off, and measures them, as was said last."""
        self._selector.shed(self._sparing.shed)
        if self._sparing.is_measured:
            self._selector.costs = Costs(time.perf_counter_ns)


class Worker(Member):
    """One worker's stages, and the batches that it has not been told about."""

    def __init__(self, begin: Begin, slots: Sequence[Slot]) -> None:
        self._number, self._slots = begin.number, slots
        self._shards = shards_of(begin.number, begin.workers)
        self._following = Following(begin.settings, self._shards)
        self._waiting: dict[int, dict[str, Table]] = {}
        super().__init__(begin.settings, begin.ruleset, self._following)

    def answer(self, message: object) -> object | None:
        """As of Member, and to batches."""
        match message:
            case Work():
                return self._work(message)
            case Told(sequence, verdicts):
                tables = self._waiting.pop(sequence)
                matches = matches_of(verdicts, self._selector.rules, tables)
                if not matches:
                    return None
                drafts = [self._builder.draft(match, tables) for match in matches]
                return Drafts(sequence, pickled(drafts, self._selector.rules))
        return super().answer(message)

    def tables_of(self, sequence: int) -> Mapping[str, Table]:
        """The tables of a batch that it has not been told about."""
        return self._waiting[sequence]

    def _work(self, work: Work) -> Found:
        """What the rules find in the worker's part of a batch."""
        part = read_part(self._slots[work.layout.slot], work.layout, self._number, self._shards)
        tables: dict[str, Table] = {"packet": part.packets, **self._following.tables(part.packets)}
        selection = self._selector.select(tables, Share(part.owned, part.places))
        self._following.remember(part.packets)
        self._waiting[work.sequence] = tables
        return Found(work.sequence, selection, self._following.totals)


def load_kernels() -> None:
    """Takes one packet through the stages, so that their kernels are there; compiles those that are not."""
    packets, pdus = Decoding(PipelineSettings()).tables(batch_of([FRAME], [0]))
    Engine(Ruleset(())).detect({"packet": packets, **pdus})


def main(connection: Connection, slots: int) -> None:
    """The process: takes the slots, then answers messages until the connection ends."""
    descriptors, inbox = begun(connection, slots)
    worker = Worker(inbox.get(), [Slot(one) for one in descriptors])
    gc.freeze()
    while True:
        answer = worker.answer(inbox.get())
        if answer is not None:
            send(connection, answer)


def begun(connection: Connection, count: int) -> tuple[list[int], SimpleQueue[Any]]:
    """A worker process at its beginning: so many descriptors that it is handed, and where messages come from then on."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # of the whole group: the coordinator decides
        signal.signal(number, signal.SIG_IGN)
    try:
        descriptors = [recv_handle(connection) for _ in range(count)]
    except (EOFError, OSError):  # the coordinator ended just now
        os._exit(0)
    inbox: SimpleQueue[Any] = SimpleQueue()
    # The coordinator must never wait to be heard, or the two could wait for each other; and its end must be seen in the
    # middle of a batch as well.
    threading.Thread(target=receive, args=(connection, inbox), daemon=True).start()
    return descriptors, inbox


def receive(connection: Connection, inbox: SimpleQueue[Any]) -> None:
    """Messages into the inbox; ends the process with the connection."""
    while True:
        try:
            message = connection.recv()
        except (EOFError, OSError):
            os._exit(0)
        inbox.put(message)


def send(connection: Connection, message: object) -> None:
    """Says something; ends the process where nobody listens any more."""
    try:
        connection.send(message)
    except OSError:
        os._exit(0)


class WithoutRules(pickle.Pickler):
    """Pickles alerts; a rule, which both sides have, is its place."""

    def __init__(self, file: io.BytesIO, rules: Sequence[Rule]) -> None:
        super().__init__(file, pickle.HIGHEST_PROTOCOL)
        self._places = {id(rule): place for place, rule in enumerate(rules)}

    def persistent_id(self, obj: Any) -> int | None:
        """The place of a rule."""
        return self._places.get(id(obj)) if isinstance(obj, Rule) else None


class WithRules(pickle.Unpickler):
    """Reads what WithoutRules has written."""

    def __init__(self, file: io.BytesIO, rules: Sequence[Rule]) -> None:
        super().__init__(file)
        self._rules = rules

    def persistent_load(self, pid: int) -> Rule:
        """The rule at a place."""
        return self._rules[pid]


def pickled(drafts: list[Draft], rules: Sequence[Rule]) -> bytes:
    """Alerts without their rules."""
    file = io.BytesIO()
    WithoutRules(file, rules).dump(drafts)
    return file.getvalue()


def unpickled(data: bytes, rules: Sequence[Rule]) -> list[Draft]:
    """Alerts with their rules."""
    drafts: list[Draft] = WithRules(io.BytesIO(data), rules).load()
    return drafts
