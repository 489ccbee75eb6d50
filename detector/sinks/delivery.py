"""Alerts from the spool to every destination, each in a thread of its own and at its own speed.

A destination's position is written before its records are sent (up to where they may have arrived) and after (up to where
they are settled). After `kill -9` the records between the two are sent again, marked as resent, so that the destination
leaves out what has arrived. A delivery that fails is tried again for ever, at growing intervals; what a destination
refuses for good goes to its quarantine. At any time, for each destination:

    appended = delivered + waiting + quarantined + lost (by cause)

A destination that is new in the configuration begins at the end of the spool. One that is no longer in the configuration
holds no segments; its position and its quarantine stay, and should it come back, it goes on where it was: what the spool
has deleted meanwhile counts as lost.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from detector.errors import InputError
from detector.settings import setting
from detector.sinks import position
from detector.sinks.destination import CAUSES, Destination, Receipt, Record, Unavailable
from detector.sinks.position import Position
from detector.sinks.quarantine import Key, Quarantine, Refused
from detector.sinks.reader import Entry
from detector.sinks.spool import Spool

log = logging.getLogger(__name__)

FOLDER = "destinations"  # in the spool's folder: a folder for each destination
NAMES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
IDLE_SECONDS = 1.0  # between two looks for records that somebody wants delivered again
LONGEST_AFTER = 3600.0  # seconds that a destination may ask to be left alone


@dataclass(frozen=True)
class DeliverySettings:
    """What the configuration says of deliveries to every destination."""

    first_wait: int = setting(
        "span", "wait after the first failure; doubles with each further one", 500_000_000, least=10**6
    )
    longest_wait: int = setting("span", "longest wait between two tries", 60 * 10**9, least=10**6)
    quarantine: int = setting(
        "size", "size of each destination's quarantine; what is refused beyond it is lost", 64 << 20, least=1 << 16
    )


@dataclass(frozen=True)
class Counts:
    """What became of a destination's alerts, at one moment.

    quarantined: alerts that are in quarantine now; refused: all that ever were. seconds: deliveries by duration, one
    count for each bound and one for longer ones. reached: number of the first record that is not settled. oldest_ns: when the oldest waiting alert was appended, 0 for none.
    success_ns: when the last delivery succeeded, 0 for never. is_up: the last delivery succeeded, or none was tried yet.
    """

    appended: int
    delivered: int
    waiting: int
    quarantined: int
    refused: int
    lost: dict[str, int]
    failures: dict[str, int]
    oldest_ns: int
    success_ns: int
    is_up: bool
    last_error: str  # of the last failure, empty while it is up
    reached: int
    seconds: tuple[int, ...]
    seconds_sum: float


@dataclass
class Flight:
    """Records that are being delivered. entries: all of them, from the acknowledged place on; open: those not settled."""

    entries: list[Entry] = field(default_factory=list)
    open: list[Entry] = field(default_factory=list)
    is_resent: bool = False
    is_retry: bool = False  # of the quarantine, not of the spool


class Delivery:
    """One thread for each destination; one Delivery for each Spool that is opened.

    Args:
        spool: open, and resumed from a checkpoint where there is one; it must outlive this.
        destinations: with names that differ.
        settings: waits, size of quarantines.
        bounds: of the buckets of durations, in seconds.
        clock: time in ns.

    Raises:
        InputError: two destinations have one name, or a name that is no file name; the spool's folder cannot be written.
    """

    def __init__(
        self, spool: Spool, destinations: Sequence[Destination], settings: DeliverySettings, *,
        bounds: Sequence[float], clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        for name, count in Counter(destination.name for destination in destinations).items():
            if count > 1:
                raise InputError(f"{count} destinations are named {name!r}", hint="give each a `name` of its own")
            if not NAMES.fullmatch(name):
                raise InputError(f"{name!r} cannot be the name of a destination", hint="letters, digits, _ . -")
        self._spool = spool
        self._feeds = [Feed(spool, destination, settings, bounds, clock) for destination in destinations]
        spool.listen(self._wake)

    def start(self) -> None:
        """Begins to deliver."""
        for feed in self._feeds:
            feed.thread.start()

    def counts(self) -> dict[str, Counts]:
        """The counts of each destination, by its name."""
        return {feed.name: feed.counts() for feed in self._feeds}

    def refusals(self, record_id: str) -> dict[str, str]:
        """Why destinations have this record in quarantine, by their names."""
        return {feed.name: why for feed in self._feeds if (why := feed.refusal(record_id)) is not None}

    def pause(self) -> None:
        """Begins no more deliveries; those that are under way end as they do."""
        for feed in self._feeds:
            feed.is_paused = True

    def resume(self) -> None:
        """Goes on after a pause."""
        for feed in self._feeds:
            feed.is_paused = False
        self._wake()

    def reopen(self) -> None:
        """Has every destination open its files and connections anew, between two deliveries."""
        for feed in self._feeds:
            feed.is_reopening = True
        self._wake()

    def drain(self, seconds: float, is_enough: Callable[[], bool] = lambda: False) -> bool:
        """Waits until everything is delivered, that long at most and until it is enough; ends waits after failures.

        Whether everything was delivered.
        """
        self.resume()
        self._spool.flush()
        for feed in self._feeds:
            feed.is_hurried = True
        self._wake()
        deadline = time.monotonic() + seconds
        while any(feed.counts().waiting for feed in self._feeds):
            if time.monotonic() >= deadline or is_enough():
                return False
            time.sleep(min(0.02, seconds))
        return True

    def close(self, seconds: float = 10.0) -> None:
        """Ends every thread after its delivery. One that takes longer is left alone: its records are resent next time."""
        for feed in self._feeds:
            feed.is_closing = True
        self._wake()
        deadline = time.monotonic() + seconds
        for feed in self._feeds:
            if feed.thread.ident is None:
                feed.end()
                continue
            feed.thread.join(max(0.0, deadline - time.monotonic()))
            if feed.thread.is_alive():
                log.warning("%s: a delivery does not end, its alerts are sent again after the next start", feed.name)

    def _wake(self) -> None:
        for feed in self._feeds:
            feed.wake.set()


class Feed:
    """One destination's way through the spool. Everything but `counts` and the flags happens in its thread."""

    def __init__(
        self, spool: Spool, destination: Destination, settings: DeliverySettings, bounds: Sequence[float],
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self.name = destination.name
        self.wake = threading.Event()
        self.is_paused = self.is_reopening = self.is_hurried = self.is_closing = False
        self.thread = threading.Thread(target=self._run, name=f"delivery {self.name}", daemon=True)
        self._spool = spool
        self._destination = destination
        self._settings = settings
        self._bounds = bounds
        self._clock = clock
        self._lock = threading.Lock()  # what counts() sees is of one moment
        self._folder = spool.folder / FOLDER / self.name
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self._folder}: cannot keep a position there: {error.strerror}") from None
        self._quarantine = Quarantine(self._folder, settings.quarantine)
        self._position = self._begin()
        self._read = self._position.acknowledged  # the place behind the flight
        self._flight = Flight()
        self._in_row = 0  # failures since the last progress
        self._is_up, self._last_error = True, ""
        self._said = ""  # the failure that the log has told of
        self._failures: Counter[str] = Counter()
        self._seconds = [0] * (len(bounds) + 1)
        self._seconds_sum = 0.0
        self._is_saved = False
        self._is_unsaved_said = False
        self._save()

    def counts(self) -> Counts:
        """What became of this destination's alerts."""
        with self._lock:
            at, tally, level = self._position, self._quarantine.tally, self._spool.level()
            gone = max(0, level.first.number - self._read.number)
            ahead = [number for number in at.settled if number >= self._read.number]
            gone -= sum(number < level.first.number for number in ahead)
            unread = level.end.number - self._read.number - gone - len(ahead)
            in_flight = 0 if self._flight.is_retry else len(self._flight.open)
            waiting = unread + in_flight + level.unwritten + tally.retried
            lost = Counter(at.lost)
            for entry in self._flight.entries:
                lost.update(oldest=entry.dropped, disk=entry.damaged)
            unwritten = {"newest": level.lost_newest - at.unwritten.get("newest", 0),
                         "disk": level.lost_disk - at.unwritten.get("disk", 0)}  # fmt: skip
            lost.update(unwritten, oldest=gone, dropped=tally.dropped)
            appended = level.end.number - at.began + level.unwritten + sum(unwritten.values())
            return Counts(
                appended, at.delivered + tally.delivered, waiting, tally.kept, at.refused,
                {cause: count for cause, count in lost.items() if count}, dict(self._failures),
                self._oldest() if waiting else 0, at.success_ns, self._is_up, self._last_error, at.acknowledged.number,
                tuple(self._seconds), self._seconds_sum,
            )  # fmt: skip

    def refusal(self, record_id: str) -> str | None:
        """Why a record is in this destination's quarantine, None where it is not."""
        return next((one.reason for one in self._quarantine.listed() if one.record.id == record_id), None)

    def end(self) -> None:
        """The thread's last act, or instead of it."""
        self._save()
        try:
            self._destination.close()
        except Exception:
            log.exception("%s: failed to close", self.name)

    # the thread

    def _run(self) -> None:
        while not self.is_closing:
            self.wake.clear()
            try:
                if self.is_reopening:
                    self.is_reopening = False
                    self._destination.reopen()
                is_done = self.is_paused or not self._step()
                if is_done:
                    self._save()
            except Exception as error:  # a spool that cannot be read, a mistake of ours: nobody else is held up
                log.exception("%s: delivery failed", self.name)
                self._failed("error", repr(error), None)
                continue
            if is_done:
                self.wake.wait(IDLE_SECONDS)
        self.end()

    def _step(self) -> bool:
        """Delivers the next records. False where there are none."""
        if not self._flight.open:
            with self._lock:
                self._flight = self._load()
                if not self._flight.entries:
                    return False
                self._advance()
        if self._flight.open:  # after a restart they may all be settled
            self._send()
        return True

    def _load(self) -> Flight:
        """The next records: those that somebody wants delivered again, then those of the spool."""
        if again := self._quarantine.to_retry(self._destination.batch):
            entries = [Entry(one.record, one.number, one.time_ns, self._read) for one in again]
            return Flight(entries, list(entries), is_resent=True, is_retry=True)
        in_doubt = self._position.attempted - self._read.number
        most = min(self._destination.batch, in_doubt) if in_doubt > 0 else self._destination.batch
        entries = self._spool.read(self._read, most)
        if not entries:
            return Flight()
        settled = set(self._position.settled)
        entries = [without(entry, settled) for entry in entries]
        self._read = entries[-1].after
        still_open = [entry for entry in entries if entry.number not in settled]
        return Flight(entries, still_open, is_resent=in_doubt > 0)

    def _send(self) -> None:
        flight = self._flight
        if not flight.is_retry:
            reached = flight.entries[-1].number + 1
            if reached > self._position.attempted or not self._is_saved:
                self._position.attempted = max(reached, self._position.attempted)
                self._is_saved = False
                self._save()
        started = time.monotonic()
        try:
            records = [entry.record for entry in flight.open]
            receipt = self._destination.deliver(records, is_resent=flight.is_resent)
            check(records, receipt)
        except Unavailable as failure:
            flight.is_resent = True
            self._observe(started)
            self._failed(failure.cause, failure.why, failure.after)
        except Exception as error:
            log.exception("%s: delivery failed", self.name)
            flight.is_resent = True
            self._observe(started)
            self._failed("error", repr(error), None)
        else:
            self._observe(started)
            self._settle(receipt)

    def _settle(self, receipt: Receipt) -> None:
        """Counts what was delivered, keeps what was refused, leaves the rest open."""
        flight, at = self._flight, self._position
        delivered, refused, again = sorted_out(flight.open, receipt)
        try:
            with self._lock:
                if flight.is_retry:
                    self._quarantine.settle(set(map(key_of, delivered)), {key_of(entry): why for entry, why in refused})
                else:
                    at.lose("dropped", self._keep(refused))
                    at.delivered += len(delivered)
                    at.refused += len(refused)
                    at.settled += [entry.number for entry in [*delivered, *(entry for entry, _ in refused)]]
                if delivered:
                    at.success_ns = self._clock()
                flight.open = again
                self._advance()
                self._is_saved = False
        except OSError as error:  # what was refused cannot be kept: it is tried again, with all others
            flight.is_resent = True
            self._failed("io", f"the quarantine cannot be written: {error.strerror}", None)
            return
        if again:
            if delivered or refused:
                self._in_row = 0
            self._failed(receipt.cause, receipt.why, None)
        else:
            self._succeeded()

    def _keep(self, refused: Sequence[tuple[Entry, str]]) -> int:
        """Puts refused records into quarantine. Returns how many found no room."""
        if not refused:
            return 0
        now = self._clock()
        without_room = self._quarantine.add([Refused(e.record, e.number, now, reason) for e, reason in refused])
        log.warning("%s: refused %d alerts, now in quarantine; the first: %s", self.name, len(refused), refused[0][1])
        if without_room:
            log.error("%s: the quarantine is full, %d refused alerts are lost", self.name, without_room)
        return without_room

    def _advance(self) -> None:
        """Acknowledges the records at the beginning of the flight that are settled."""
        if self._flight.is_retry:
            return
        at = self._position
        is_open = {entry.number for entry in self._flight.open}
        done = 0
        for entry in self._flight.entries:
            if entry.number in is_open:
                break
            at.lose("oldest", entry.dropped)
            at.lose("disk", entry.damaged)
            at.acknowledged = entry.after
            done += 1
        if done:
            del self._flight.entries[:done]
            at.settled = [number for number in at.settled if number >= at.acknowledged.number]
            self._is_saved = False

    # failures

    def _failed(self, cause: str, why: str, after: float | None) -> None:
        """Counts a failure, says it where it is news, and waits."""
        cause = cause if cause in CAUSES else "error"
        with self._lock:
            self._failures[cause] += 1
            self._is_up, self._last_error = False, why
        if cause != self._said:
            self._said = cause
            log.warning("%s: cannot deliver (%s): %s; trying again", self.name, cause, why)
        self._save()
        wait = min(self._settings.longest_wait, self._settings.first_wait * 2 ** min(self._in_row, 40)) / 1e9
        self._in_row += 1
        wait *= random.uniform(0.5, 1.0)  # so that sensors that lost one server do not all come back at once
        self._rest(max(wait, min(after or 0.0, LONGEST_AFTER)))

    def _succeeded(self) -> None:
        with self._lock:
            self._is_up, self._last_error = True, ""
        self._in_row = 0
        if self._said:
            self._said = ""
            log.warning("%s: delivers again", self.name)

    def _rest(self, seconds: float) -> None:
        """Waits, unless there is a reason to try at once."""
        deadline = time.monotonic() + seconds
        while not (self.is_closing or self.is_hurried or self.is_reopening):
            if (left := deadline - time.monotonic()) <= 0:
                break
            self.wake.wait(left)
            self.wake.clear()
        self.is_hurried = False

    def _observe(self, started: float) -> None:
        seconds = time.monotonic() - started
        with self._lock:
            self._seconds[bisect_left(self._bounds, seconds)] += 1
            self._seconds_sum += seconds

    # the position

    def _begin(self) -> Position:
        """Where this destination was, the end of the spool where it is new."""
        level = self._spool.level()
        path = self._folder / "position.json"
        try:
            found = position.load(path)
        except (OSError, ValueError) as error:
            log.error("%s: %s: %s; all that is in the spool is delivered again", self.name, path, error)
            return self._known(Position(level.first, level.end.number, level.first.number))
        if found is None:
            lost = {"newest": level.lost_newest, "disk": level.lost_disk}
            return Position(level.end, level.end.number, level.end.number, unwritten=lost)
        if (ahead := found.forget_from(level.end)) > 0:
            # A power failure took records from the spool that had been delivered. Their alerts may come again.
            log.warning("%s: the spool ends before %d alerts that were delivered", self.name, ahead)
        for cause, count in (("newest", level.lost_newest), ("disk", level.lost_disk)):
            found.unwritten[cause] = min(count, found.unwritten.get(cause, 0))
        return self._known(found)

    def _known(self, found: Position) -> Position:
        """Settles records in doubt that are in quarantine already: the process ended between the two."""
        place, keys = found.acknowledged, self._quarantine.keys
        while keys and place.number < found.attempted:
            entries = self._spool.read(place, found.attempted - place.number)
            known = [e.number for e in entries if (e.number, e.record.id) in keys and e.number not in found.settled]
            found.settled += [number for number in known if number < found.attempted]
            found.refused += len(known)
            if not entries:
                break
            place = entries[-1].after
        return found

    def _save(self) -> None:
        """Writes the position; where the disk takes nothing, the delivery goes on all the same."""
        if not self._is_saved:
            try:
                self._position.save(self._folder / "position.json", is_synced=self._spool.settings.sync != "never")
            except OSError as error:
                if not self._is_unsaved_said:
                    log.error(
                        "%s: the position cannot be written: %s; should the process be killed now, alerts may be "
                        "delivered twice", self.name, error.strerror,
                    )  # fmt: skip
                self._is_unsaved_said = True
            else:
                self._is_saved, self._is_unsaved_said = True, False
        self._spool.retain(self.name, self._position.acknowledged)

    def _oldest(self) -> int:
        """When the oldest waiting record was appended."""
        times = [entry.time_ns for entry in self._flight.open] or [
            entry.time_ns for entry in self._spool.read(self._read, 1)
        ]
        return min(times, default=0)


def key_of(entry: Entry) -> Key:
    """What tells a record from others in quarantine."""
    return entry.number, entry.record.id


def without(entry: Entry, settled: Collection[int]) -> Entry:
    """An entry that no longer counts, among those missing before it, what had been settled."""
    first = entry.number - entry.dropped - entry.damaged
    known = sum(first <= number < entry.number for number in settled)
    if not known:
        return entry
    damaged = max(0, entry.damaged - known)
    dropped = max(0, entry.dropped - (known - (entry.damaged - damaged)))
    return Entry(entry.record, entry.number, entry.time_ns, entry.after, dropped, damaged)


def sorted_out(entries: Sequence[Entry], receipt: Receipt) -> tuple[list[Entry], list[tuple[Entry, str]], list[Entry]]:
    """Entries that were delivered, those refused with the reasons, those to be tried again; in the order of the spool."""
    verdicts: dict[str, list[str | None]] = {}
    for record in receipt.again:
        verdicts.setdefault(record.id, []).append(None)
    for record, why in receipt.refused:
        verdicts.setdefault(record.id, []).append(why)
    delivered: list[Entry] = []
    refused: list[tuple[Entry, str]] = []
    again: list[Entry] = []
    for entry in entries:
        if not (found := verdicts.get(entry.record.id)):
            delivered.append(entry)
        elif (verdict := found.pop()) is None:
            again.append(entry)
        else:
            refused.append((entry, verdict))
    return delivered, refused, again


def check(records: Sequence[Record], receipt: Receipt) -> None:
    """A receipt must tell of every record.

    Raises:
        ValueError: it does not; what arrived is not known then.
    """
    told = Counter(record.id for record in [*receipt.again, *(record for record, _ in receipt.refused)])
    if told - Counter(record.id for record in records):
        raise ValueError("the receipt tells of records that were not sent")
    if receipt.delivered + told.total() != len(records):
        raise ValueError(f"the receipt tells of {receipt.delivered + told.total()} records, {len(records)} were sent")
