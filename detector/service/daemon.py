"""`detector run`: the loop that replay shares, between sources that go on and sinks that may be away, for months.

One thread, the main one, reads, judges and writes alerts to the spool. Beside it: a thread for each sink, one each for the
listeners, for reloads, and for a checkpoint while it is written. They meet in the spool, on the board of metrics and
between two batches, where the loop takes what waits for it.

After a crash the loop begins at the last checkpoint: state, place in the source and place in the spool belong together.
What it then judges again gives the same alerts with the same ids; those that lie in the spool behind the checkpoint's place
are not written a second time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.alerts.alert import Alert
from detector.capture.batch import Batch
from detector.capture.source import LiveSource
from detector.errors import InputError
from detector.pipeline import Pipeline
from detector.rules.model import Ruleset
from detector.service import state
from detector.service.config import Config
from detector.service.notify import Notifier
from detector.service.publish import Publisher
from detector.service.reload import Outcome, Reloader, Waiting
from detector.sinks.delivery import Deliveries
from detector.sinks.destination import Record
from detector.sinks.jsonl import line_of
from detector.sinks.spool import Place, Spool

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint"  # file of the state folder, and holder of spooled records
FORMAT = 1  # of the checkpoint's header
PUBLISH_SECONDS = 0.5


@dataclass
class Parts:
    """What the loop works with, opened and ready."""

    config: Config
    ruleset: Ruleset
    source: LiveSource
    pipeline: Pipeline
    spool: Spool
    deliveries: Deliveries
    reloader: Reloader
    publisher: Publisher
    notifier: Notifier


class Daemon:
    """The loop. `stop` may be called from a signal handler."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self._source, self._pipeline, self._spool = parts.source, parts.pipeline, parts.spool
        self._checkpoints = Checkpoints(Path(parts.config.state) / CHECKPOINT, parts.config.checkpoint / 1e9, parts)
        self._known: set[str] = set()  # ids that lie in the spool from before a crash
        self._requests: list[Future[None]] = []
        self._lock = threading.Lock()
        self._published = 0.0
        self.failed_batches = 0

    def restore(self) -> dict[str, Any]:
        """Takes up the last checkpoint; the place in the source where reading goes on."""
        header = self._checkpoints.restore()
        self._known = self._spool.ids_since(header["spool"])
        if self._known:
            log.info("%d alerts lie in the spool from after the last checkpoint: they are not written again", len(self._known))  # fmt: skip
        return dict(header["position"])

    def stop(self) -> None:
        """Ends the loop after the packets at hand."""
        self._source.stop()

    def checkpoint(self, seconds: float) -> None:
        """Has the loop write a checkpoint and waits for it. For the control socket."""
        done: Future[None] = Future()
        with self._lock:
            self._requests.append(done)
        done.result(seconds)

    def run(self) -> None:
        """Until `stop`. What is at hand then is judged, spooled and checkpointed."""
        for batch in self._source.batches():
            self._process(batch)
            self._between()
        self._hand_on(self._pipeline.finish(), is_live=True)
        self._checkpoints.write(self._source.position, is_last=True)
        self._publish()

    def _process(self, batch: Batch) -> None:
        """A batch's alerts to the spool; a batch that brings the program to fail is counted, told and left."""
        try:
            alerts = self._pipeline.feed(batch)
        except Exception:
            self.failed_batches += 1
            log.exception("a batch of %d packets failed and is not judged", len(batch))
            self.parts.publisher.failed(len(batch))
            return
        if alerts:
            self._hand_on(alerts, is_live=True)

    def _hand_on(self, alerts: Sequence[Alert], *, is_live: bool) -> None:
        """Alerts to the spool, save those that are there already."""
        records, kept = [], []
        for alert in alerts:
            record = Record(str(alert.document["event"]["id"]), line_of(alert)[:-1])
            if record.id in self._known:
                self._known.discard(record.id)
                continue
            records.append(record)
            kept.append(alert)
        if records:
            self._spool.append(records)
        self.parts.publisher.alerted(kept)

    def _between(self) -> None:
        """What is due between two batches."""
        publisher = self.parts.publisher
        publisher.beat()
        self.parts.notifier.beat()
        if waiting := self.parts.reloader.take():
            self.parts.reloader.done(waiting, self._swap(waiting))
        now = time.monotonic()
        if self._requests or self._checkpoints.is_due(now):
            self._answer_requests()
        if now - self._published >= PUBLISH_SECONDS:
            self._published = now
            self._publish()

    def _answer_requests(self) -> None:
        """A checkpoint, and an answer to who asked for one."""
        self._hand_on(self._pipeline.finish(), is_live=True)
        with self._lock:
            asked, self._requests = self._requests, []
        self._checkpoints.write(self._source.position, is_last=bool(asked))
        for one in asked:
            one.set_result(None)

    def _swap(self, waiting: Waiting) -> Outcome:
        """New rules in place of the running ones; where that fails the running ones stay."""
        self._hand_on(self._pipeline.finish(), is_live=True)
        try:
            self._pipeline.swap(waiting.ruleset)
        except Exception as error:
            log.exception("new rules could not be swapped in")
            return Outcome("failed", f"the rules before go on: {error}", waiting.diff)
        self.parts.publisher.rules_changed(waiting.ruleset)
        return Outcome("ok", str(waiting.diff), waiting.diff)

    def _publish(self) -> None:
        self.parts.publisher.publish(self._checkpoints)


class Checkpoints:
    """Writes checkpoints, one at a time, in a thread of their own; `ok` and `failed` count them."""

    def __init__(self, path: Path, every_seconds: float, parts: Parts) -> None:
        self._path = path
        self._every = every_seconds
        self._parts = parts
        self._next = 0.0  # the first is written at once: a crash before it would begin anew
        self._thread: threading.Thread | None = None
        self.ok = self.failed = 0
        self.time = 0.0  # of the last good one, Unix time
        self.message = "none yet"

    def restore(self) -> dict[str, Any]:
        """Takes up the state of the last checkpoint; its header."""
        none: dict[str, Any] = {"spool": list(self._parts.spool.start), "position": {}}
        try:
            header, found = state.read(self._path)
        except FileNotFoundError:
            return none
        except InputError as error:
            log.error("%s: state begins anew", error)
            self.message = str(error)
            return none
        if header.get("format") != FORMAT:
            log.error("%s: is of another version: state begins anew", self._path)
            return none
        try:
            self._parts.pipeline.restore(found)
        except InputError as error:
            log.error("%s: %s: state begins anew, reading goes on where it was", self._path, error)
        self.time = header["written"]
        return header

    def is_due(self, now: float) -> bool:
        """Whether it is time for one (monotonic seconds)."""
        return now >= self._next

    def write(self, position: dict[str, Any], *, is_last: bool = False) -> None:
        """Copies the state and has it written. is_last: returns when it is on disk."""
        if self._thread is not None and (self._thread.is_alive() and not is_last):
            return  # the one before is still being written: the disk is slow
        self.wait()
        self._next = time.monotonic() + self._every
        place = self._parts.spool.end
        header = {"format": FORMAT, "position": position, "spool": list(place), "written": time.time()}
        frozen = state.freeze(header, self._parts.pipeline.state())
        self._thread = threading.Thread(target=self._save, args=(frozen, place, position), name="checkpoint")
        self._thread.start()
        if is_last:
            self.wait()

    def wait(self) -> None:
        """Until the one that is being written is on disk."""
        if self._thread is not None:
            self._thread.join()

    def _save(self, frozen: state.Frozen, place: Place, position: dict[str, Any]) -> None:
        """On disk, the spool first: what a checkpoint counts on must be there."""
        try:
            self._parts.spool.sync()
            frozen.write(self._path)
        except Exception as error:
            self.failed += 1
            self.message = f"{self._path}: {error}"
            log.exception("no checkpoint could be written: a crash would begin at the one before")
            return
        self.ok += 1
        self.time, self.message = frozen.header["written"], "ok"
        self._parts.spool.retain(CHECKPOINT, place)
        self._parts.source.release(position)
