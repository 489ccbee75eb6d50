"""`detector run`: the loop that replay shares, between sources that go on and sinks that may be away, for months.

One thread, the main one, reads, judges and writes alerts to the spool. Beside it: a thread for each sink, one each for the
listeners, for reloads, and for a checkpoint while it is written. They meet in the spool, on the board of metrics and
between two batches, where the loop takes what waits for it.

After a crash the loop begins at the last checkpoint: state, place in the source and place in the spool belong together.
What it then judges again gives the same alerts with the same ids; those that lie in the spool behind the checkpoint's place
are not written a second time. A checkpoint taken meanwhile names those of them that were not judged again yet.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from detector.alerts.alert import Alert
from detector.capture.batch import Batch
from detector.capture.source import LiveSource
from detector.errors import InputError
from detector.pipeline import Run
from detector.portions import Portions
from detector.service import state
from detector.service.notify import Notifier
from detector.service.overload import Overload
from detector.service.publish import Publisher
from detector.service.reload import Outcome, Reloader, Waiting
from detector.sinks.destination import Record
from detector.sinks.jsonl import encoded
from detector.sinks.reader import Place
from detector.sinks.spool import Spool
from detector.snapshot import NoState, UnfitState
from detector.workers import WorkerError

log = logging.getLogger(__name__)

HOLDER = "checkpoint"  # of spooled records
FORMAT = 1  # of the checkpoint's header
PUBLISH_SECONDS = 0.5
MOST_AHEAD = 60.0  # seconds that packets may be ahead of this machine's clock before it is told


class Daemon:
    """The loop."""

    def __init__(
        self, source: LiveSource, pipeline: Run, spool: Spool, reloader: Reloader, publisher: Publisher,
        notifier: Notifier, checkpoints: Checkpoints, overload: Overload,
    ) -> None:  # fmt: skip
        self._source, self._pipeline, self._spool = source, pipeline, spool
        self._reloader, self._publisher, self._notifier = reloader, publisher, notifier
        self._checkpoints, self._overload = checkpoints, overload
        self._known = checkpoints.spooled
        self._requests: list[Future[None]] = []
        self._lock = threading.Lock()
        self._published = 0.0
        self._unknown: set[int] = set()  # link types that were told
        self._is_ahead = False
        self._portions = Portions(lambda: pipeline.engine.tally)

    def checkpoint(self, seconds: float) -> None:
        """Has the loop write a checkpoint and waits for it. For the control socket."""
        done: Future[None] = Future()
        with self._lock:
            self._requests.append(done)
        done.result(seconds)

    def run(self) -> None:
        """Until the source ends. What is at hand then is judged, spooled and checkpointed."""
        for batch in self._source.batches():
            for portion in self._portions.of(batch):
                self._process(portion)
            self._between()
        self._hand_on(self._pipeline.finish())
        self._checkpoints.write(self._source, is_last=True)
        self._publisher.publish()

    def _process(self, batch: Batch) -> None:
        """A batch's alerts to the spool; a batch that brings the program to fail is counted, told and left."""
        try:
            alerts = self._pipeline.feed(batch)
        except WorkerError:  # nothing would be judged any more
            raise
        except Exception:
            log.exception("a batch of %d packets failed and is not judged", len(batch))
            self._publisher.saw(batch, is_judged=False)
            return
        self._hand_on(alerts)
        self._publisher.saw(batch)

    def _hand_on(self, alerts: Sequence[Alert]) -> None:
        """Alerts to the spool, save those that are there already."""
        records = [Record(str(alert.document["event"]["id"]), encoded(alert.document)) for alert in alerts]
        new = [record for record in records if record.id not in self._known]
        self._known.difference_update(record.id for record in records)
        if new:
            self._spool.append(new)
        self._publisher.alerted(alerts)

    def _between(self) -> None:
        """What is due between two batches."""
        self._publisher.beat()
        if waiting := self._reloader.take():
            self._reloader.done(waiting, self._swap(waiting))
        now = time.monotonic()
        if self._requests or self._checkpoints.is_due(now):
            self._answer_requests()
        if now - self._published >= PUBLISH_SECONDS:
            self._published = now
            self._relieve(now)
            self._tell()
            self._publisher.publish()
            self._notifier.watchdog()

    def _answer_requests(self) -> None:
        """A checkpoint, and an answer to who asked for one."""
        self._hand_on(self._pipeline.finish())
        with self._lock:
            asked, self._requests = self._requests, []
        self._checkpoints.write(self._source, is_last=bool(asked))
        for one in asked:
            one.set_result(None)

    def _swap(self, waiting: Waiting) -> Outcome:
        """New rules in place of the running ones; where that fails the running ones stay."""
        self._hand_on(self._pipeline.finish())
        self._publisher.publish()  # counts under the titles that rules had
        try:
            self._pipeline.exchange_rules(waiting.prepared)
        except Exception as error:
            log.exception("new rules could not be swapped in")
            return Outcome("failed", f"the rules before go on: {error}", waiting.diff)
        self._overload.reload(waiting.prepared.ruleset.active)
        self._pipeline.shed(self._overload.shed)
        self._publisher.rules_changed(waiting.prepared.ruleset)
        return Outcome("ok", str(waiting.diff), waiting.diff)

    def _tell(self) -> None:
        """What sources have to say, to the log; and what is odd about their packets."""
        for name, report in self._source.reports.items():
            said, report.warnings = report.warnings, []
            for warning in said:
                log.warning("%s: %s", name, warning)
        decoder = self._pipeline.decoding.decoder
        for link_type in decoder.unknown_link_types.keys() - self._unknown:
            self._unknown.add(link_type)
            log.warning("packets of link type %d cannot be decoded: no rule looks into them", link_type)
        ahead = decoder.clock_ns / 1e9 - time.time()
        if (ahead > MOST_AHEAD) != self._is_ahead:
            self._is_ahead = ahead > MOST_AHEAD
            if self._is_ahead:
                log.warning(
                    "packets are %.0f s ahead of this machine's clock, which was set back, or a capture has wrong times: "
                    "limits and correlations stand still until it is reached; a start without the file checkpoint in "
                    "the folder of state begins anew", ahead
                )  # fmt: skip
            else:
                log.warning("packets are no longer ahead of this machine's clock")

    def _relieve(self, now: float) -> None:
        """Switches rules off where packets come too fast, and back on."""
        costs = {rule: spent / 1e9 for rule, spent in self._pipeline.engine.spent_ns.items()}
        change = self._overload.observe(now, self._publisher.load(), costs)
        if change is not None:
            for line in change.lines:
                log.warning(line)
            self._pipeline.shed(self._overload.shed)


class Checkpoints:
    """Writes checkpoints, one at a time, in a thread of their own; `ok` and `failed` count them.

    spooled: after `restore`, ids that lie in the spool behind the checkpoint. time: of the last good one, Unix time.
    """

    def __init__(self, path: Path, every_seconds: float, pipeline: Run, spool: Spool) -> None:
        self._path = path
        self._every = every_seconds
        self._pipeline, self._spool = pipeline, spool
        self._next = 0.0  # the first is written at once: a crash before it would begin anew
        self._thread: threading.Thread | None = None
        self.spooled: set[str] = set()
        self.is_restored = self.is_failing = False
        self.ok = self.failed = 0
        self.time = 0.0
        self.message = "none yet"

    def restore(self) -> dict[str, Any]:
        """Takes up the last checkpoint; the place in the sources where reading goes on."""
        header = self._read()
        place = Place(*header["spool"]) if header else self._spool.first
        self.spooled |= self._spool.resume(HOLDER, place)
        position = dict(header["position"]) if header else {}
        if header:
            self.spooled |= set(header["spooled"])
            if not any(position.values()):  # of interfaces only: nothing is read again
                self.spooled.clear()
        if self.spooled:
            log.info(
                "%d alerts from after the last checkpoint lie in the spool: they are not written again",
                len(self.spooled),
            )
        return position

    def _read(self) -> dict[str, Any] | None:
        """The header of the last checkpoint, whose state has been taken up; None where there is none of use."""
        try:
            header, found = state.read(self._path)
        except FileNotFoundError:
            return None
        except InputError as error:
            log.error("%s: state begins anew", error)
            self.message = str(error)
            return None
        if header.get("format") != FORMAT:
            log.error("%s: is of another version: state begins anew", self._path)
            return None
        try:
            self._pipeline.restore(found)
            self.is_restored = True
        except UnfitState as error:
            log.error("%s: %s: state begins anew, reading goes on where it was", self._path, error)
        self.time = header["written"]
        return header

    def is_due(self, now: float) -> bool:
        """Whether it is time for one (monotonic seconds)."""
        return now >= self._next

    def write(self, source: LiveSource, *, is_last: bool = False) -> None:
        """Copies the state and has it written. is_last: returns when it is on disk."""
        if self._thread is not None and (self._thread.is_alive() and not is_last):
            return  # the one before is still being written: the disk is slow
        self.wait()
        self._next = time.monotonic() + self._every
        if unwritten := self._spool.level().unwritten:  # judged, and not on disk: a crash must judge them again
            self._failed(f"{unwritten} alerts wait in memory for the disk")
            return
        place, position = self._spool.end, source.position
        header = {"format": FORMAT, "position": position, "spool": list(place), "written": time.time(),
                  "spooled": sorted(self.spooled)}  # fmt: skip
        try:
            frozen = state.freeze(header, self._pipeline.state())
        except NoState as problem:
            self._failed(str(problem))
            return
        self._thread = threading.Thread(target=self._save, args=(frozen, place, source), name="checkpoint")
        self._thread.start()
        if is_last:
            self.wait()

    def _failed(self, why: str) -> None:
        self.failed += 1
        self.is_failing = True
        self.message = why
        log.error("no checkpoint could be written, a crash would begin at the one before: %s", why)

    def wait(self) -> None:
        """Until the one that is being written is on disk."""
        if self._thread is not None:
            self._thread.join()

    def _save(self, frozen: state.Frozen, place: Place, source: LiveSource) -> None:
        """On disk, the spool first: what a checkpoint counts on must be there."""
        try:
            self._spool.sync()
            frozen.write(self._path)
        except Exception as error:  # noqa: BLE001 - whatever it is, the loop goes on without a checkpoint
            self._failed(f"{self._path}: {error}")
            return
        self.ok += 1
        self.is_failing = False
        self.time, self.message = frozen.header["written"], "ok"
        self._spool.retain(HOLDER, place)
        source.release(frozen.header["position"])
