"""A worker with rings of its own: takes its share of the interfaces' packets through all stages, and tells what rules found.

It reads on while what it found is judged elsewhere, with a bound: then packets wait in the ring, where the kernel counts
those that find no room.
"""

from __future__ import annotations

import gc
import logging
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple

import numpy as np

from detector.capture.batch import Batch, batch_of
from detector.capture.packet_socket import DirectOpener
from detector.capture.ring import SLACK_NS, Columns, Ring, RingSource, in_order
from detector.columns import Table
from detector.detect.engine import matches_of
from detector.detect.selection import Tally
from detector.detect.selector import Selector
from detector.errors import InputError
from detector.packets.rows import PacketRows
from detector.pipeline import Decoding
from detector.portions import Portions
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
from detector.workers.worker import FRAME, Member, begun, pickled, send

IDLE_SECONDS = 0.02  # others wait for the word that nothing has come
MOST_WAITING = 64  # batches with findings that are not judged
SMALLEST_RING = 2 * 65536


class Waiting(NamedTuple):
    """A batch whose findings are not judged, and who selected them."""

    tables: dict[str, Table]
    selector: Selector


class Heard(logging.Handler):
    """Keeps what is logged in this process, which has no log of its own, for the coordinator's."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        self._lines.append((record.levelno, record.getMessage()))

    def taken(self) -> list[tuple[int, str]]:
        """The lines since the last time."""
        taken, self._lines = self._lines, []
        return taken


class FanoutWorker(Member):
    """One worker's stages and source. say: tells the coordinator something."""

    def __init__(self, join: Join, descriptors: Sequence[int], say: Callable[[object], None]) -> None:
        self._join, self._say = join, say
        self._decoding = Decoding(join.settings)
        super().__init__(join.settings, join.ruleset, self._decoding)
        self._opener = (
            join.opener(socket.socket(fileno=descriptors[0])) if join.opener else DirectOpener(join.interfaces)
        )
        self._heard = Heard()
        logging.getLogger().addHandler(self._heard)
        self._waiting: dict[int, Waiting] = {}
        self._sequence = 0
        self._tally = Tally()
        self._portions = Portions(lambda: self._tally)
        self._watermark = 0
        self._hold = max(one.block_timeout for one in join.interfaces) + SLACK_NS
        self.source: RingSource | None = None

    def answer(self, message: object) -> object | None:
        """As of Member, and to what is said of its batches and its source."""
        match message:
            case Judged():
                return self._draft(message)
            case Rules():
                super().answer(message)
                return Exchanged()
            case Listen(is_again):
                return self._open(is_again)
            case Stop():
                assert self.source is not None
                self.source.stop()
                return None
        return super().answer(message)

    def capture(self, inbox: SimpleQueue[Any]) -> None:
        """Tells of batches, and answers between them, until the source ends."""
        assert self.source is not None
        batches = chain.from_iterable(map(self._portions.of, self.source.batches()))
        while True:  # per batch
            while not inbox.empty() or len(self._waiting) >= MOST_WAITING:
                if (answer := self.answer(inbox.get())) is not None:
                    self._say(answer)
            looked = time.time_ns()
            batch = next(batches, None)
            if batch is None:
                break
            if len(batch):
                self._see()
                self._tell(batch)
            else:  # all that came before has been handed over by the kernel, and taken
                self._watermark = max(self._watermark, looked - self._hold)
            self._see()
        self._see()
        self._say(Ended())
        self.source = None

    def _open(self, is_again: bool) -> Listening:
        """Opens the rings. In the place of another worker an interface that is not there now is waited for."""
        interfaces = [replace(one, wait=one.wait or is_again) for one in self._join.interfaces]
        try:
            self.source = RingSource(interfaces, opener=self._opener, fanout=self._join.fanout)
        except InputError as error:
            return Listening(error.problem, error.hint)
        self.source.idle_seconds = IDLE_SECONDS
        return Listening()

    def _see(self) -> None:
        """Says how far it is."""
        assert self.source is not None
        self._say(Seen(self._watermark, self.source.reports, self.source.unclaimed, self._heard.taken()))

    def _tell(self, batch: Batch) -> None:
        """Takes a batch through the stages and tells what rules found."""
        decoding = self._decoding
        packets = decoding.decoder.decode(batch)
        packets.structure = own(packets.structure)  # the decoder's rows are good until its next batch only
        tables: dict[str, Table] = {"packet": packets, **decoding.following.tables(packets)}
        decoding.counts.count(packets)
        selection = self._selector.select(tables)
        self._tally = selection.tally(self._tally)
        decoding.following.remember(packets)
        if packets.rows:
            self._watermark = max(self._watermark, int(packets.clock[-1]))
        if selection.found:
            self._waiting[self._sequence] = Waiting(tables, self._selector)
        totals = replace(decoding.following.totals, anomalies=decoding.anomalies)
        self._say(Made(self._sequence, selection, len(batch), packets.rows, self._watermark, totals))
        self._sequence += 1

    def _draft(self, judged: Judged) -> Drafts | None:
        """The alerts that are asked for, in their order."""
        made, rules = {}, self._selector.rules
        for origin, sequence in judged.sequences.items():  # per batch
            tables, selector = self._waiting[sequence]
            rules = selector.rules
            matches = matches_of(judged.verdicts.of(origin), rules, tables)
            made[origin] = iter([self._builder.draft(match, tables) for match in matches])
        for sequence in judged.done:  # per batch
            del self._waiting[sequence]
        drafts = [next(made[origin]) for origin in judged.verdicts.origins()]
        return Drafts(judged.number, pickled(drafts, rules)) if drafts else None


def own(rows: PacketRows) -> PacketRows:
    """Rows that nobody else writes to."""
    return PacketRows(rows.cells[:, : len(rows.words)].copy(), rows.words.copy())


def load_ring_kernels() -> None:
    """Looks into an empty ring, so that the kernels of live capture are there."""
    ring = Ring(np.zeros(SMALLEST_RING, np.uint8), SMALLEST_RING // 2, 12)
    ring.survey(1, 1)
    ring.walk(Columns(1, 1), 0, 0, 0)
    in_order(batch_of([FRAME], [0]), [1])


def main(connection: Connection, sockets: int) -> None:
    """The process: takes what it opens sockets with, then answers messages, and captures, until the connection ends."""
    descriptors, inbox = begun(connection, sockets)

    def say(message: object) -> None:
        send(connection, message)

    worker = FanoutWorker(inbox.get(), descriptors, say)
    gc.freeze()
    while True:  # per message, or time that it captures
        answer = worker.answer(inbox.get())
        if answer is not None:
            say(answer)
        if worker.source is not None:
            worker.capture(inbox)
