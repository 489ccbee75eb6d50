"""The disk spool: every alert goes here first, and from here to each destination at its own speed.

Alerts are appended to segment files (segment.py); deliveries read them (reader.py) and say how far they are; a segment
that everybody has passed is deleted. Input: records, one alert each. Output: the same, until they are delivered.

What happens when things go wrong:

* The process is killed, the power fails: what is left of a record that was being written is cut off at the next start.
* Bytes are damaged: reading goes on at the next record that is whole. Numbers tell how many are missing.
* The spool is full: the oldest segment, or what comes newly, is dropped, and counted.
* The disk is full or read-only: alerts wait in memory, up to a bound, until they can be written; what is beyond is lost,
  and counted. The detection goes on.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from detector.errors import InputError
from detector.settings import setting
from detector.sinks import segment
from detector.sinks.destination import Record
from detector.sinks.files import replace, sync_folder
from detector.sinks.reader import Extent, Place, SpoolReader

log = logging.getLogger(__name__)

TEND_SECONDS = 1.0  # between two tries to write what waits in memory
LEDGER = "lost.json"
Waiting = tuple[Record, int]  # and its time


@dataclass(frozen=True)
class SpoolSettings:
    """What the configuration says of the spool."""

    size: int = setting("size", "size on disk at which alerts are dropped", 1 << 30, least=1 << 20)
    when_full: str = setting(
        "text", "what a full spool drops: its oldest alerts, or those that come newly", "drop_oldest",
        choices=("drop_oldest", "drop_newest"),
    )  # fmt: skip
    sync: str = setting(
        "text", "when alerts are forced to the disk, so that they outlive a power failure: before detection goes on, at "
        "an interval, or when the system chooses; `kill -9` loses nothing in any case", "interval",
        choices=("always", "interval", "never"),
    )  # fmt: skip
    interval: int = setting("span", "between two times alerts are forced to the disk", 10**9, least=10**7)
    segment: int = setting(
        "size", "size of one file of the spool; at most an eighth of the whole", 16 << 20, least=1 << 16
    )
    memory: int = setting(
        "size", "alerts that are kept in memory while the disk takes none; more are lost", 64 << 20, least=1 << 16
    )


class Level(NamedTuple):
    """How full the spool is, at one moment. unwritten: alerts that wait in memory. lost: alerts that were not written."""

    first: Place
    end: Place
    unwritten: int
    lost_newest: int
    lost_disk: int


class Spool(SpoolReader):
    """The spool's one writer; any thread may read.

    Args:
        folder: made where it is missing. One process at a time holds it.
        settings: size, policies.
        holders: names that must have said their place (`retain`) before anything is deleted, "checkpoint" for a daemon
            that looks up after a crash what it has spooled already.
        clock: time that records are stamped with, in ns.

    Raises:
        InputError: the folder cannot be written, or another process holds it.
    """

    def __init__(
        self, folder: Path, settings: SpoolSettings, holders: Iterable[str] = (),
        clock: Callable[[], int] = time.time_ns,
    ) -> None:  # fmt: skip
        self.settings = settings
        self._lock_file = locked(folder)
        try:
            super().__init__(folder)
        except OSError as error:
            os.close(self._lock_file)
            raise InputError(f"{folder}: the spool cannot be read: {error.strerror}") from None
        self._clock = clock
        self._segment_size = min(settings.segment, settings.size // 8)
        self._holders: dict[str, Place | None] = dict.fromkeys(holders)
        self._file = -1  # of the segment that is written
        self._is_synced = True
        self._is_new = False  # the folder knows a segment that the disk may not
        self._unsynced: list[int] = []  # ended segments
        self._syncing = threading.Lock()
        self._queue: deque[Waiting] = deque()
        self._queue_bytes = 0
        self._lost = {"newest": 0, "disk": 0} | self._read_ledger()
        self._written_ledger = dict(self._lost)
        self._troubles: dict[str, str] = {}  # what cannot be done, and why, as long as it cannot
        self._is_full = False
        self._listeners: list[Callable[[], None]] = []
        self._closing = threading.Event()
        self._cut_tail()
        self._tender = threading.Thread(target=self._tend, name="spool", daemon=True)
        self._tender.start()

    # writing

    def append(self, records: Sequence[Record]) -> None:
        """Takes alerts in their order. Never raises for what the disk does: see `level` and the log."""
        now = self._clock()
        with self._changed:
            for record in records:
                self._queue.append((record, now))
                self._queue_bytes += segment.size_of(record)
            if "write" not in self._troubles:
                self._write_queue()
            self._bound_queue()
        if self.settings.sync == "always":
            self.sync()
        for listener in self._listeners:
            listener()

    def flush(self) -> None:
        """Tries now to write what waits in memory. A thread of the spool does so every second."""
        with self._changed:
            self._write_queue()
        for listener in self._listeners:
            listener()

    def sync(self) -> None:
        """Forces all that was written to the disk: before a checkpoint that counts on it. Holds up nobody who writes."""
        with self._syncing:  # who comes while another is at it must wait as well
            files: list[int] = []
            try:
                with self._changed:
                    files, self._unsynced = self._unsynced, []
                    if self._file >= 0 and not self._is_synced:
                        files.append(os.dup(self._file))
                        self._is_synced = True
                    is_new, self._is_new = self._is_new, False
                for file in files:
                    os.fdatasync(file)
                if is_new:
                    sync_folder(self.folder)
            except OSError as error:
                self._say_trouble("force alerts to the disk", error)
            else:
                self._say_recovered("force alerts to the disk")
            finally:
                for file in files:
                    os.close(file)

    def close(self) -> None:
        """Writes what it can, and lets go of the folder. Says how many alerts are lost with the memory."""
        self._closing.set()
        self._tender.join()
        with self._changed:
            self._write_queue()
            if self._queue:
                log.error("%s: %d alerts could not be written and are lost", self.folder, len(self._queue))
                self._lost["disk"] += len(self._queue)
                self._queue.clear()
            self._write_ledger()
            self._close_file()
        if self.settings.sync != "never":
            self.sync()
        os.close(self._lock_file)

    # places

    def level(self) -> Level:
        """First and last place, and what is not on disk."""
        with self._changed:
            return Level(self._first(), self._end(), len(self._queue), self._lost["newest"], self._lost["disk"])

    def listen(self, listener: Callable[[], None]) -> None:
        """Calls this after records were appended."""
        self._listeners.append(listener)

    def retain(self, name: str, place: Place) -> None:
        """Somebody needs the records from a place on. Deletes segments that all who said so have passed."""
        with self._changed:
            self._holders[name] = place
            held = list(self._holders.values())
            for old in list(self._extents)[:-1]:
                if any(at is None or (at.segment <= old and not self._is_behind(at, old)) for at in held):
                    break
                try:
                    self._delete(old)
                except OSError as error:
                    self._say_trouble("delete what is delivered", error)
                    break

    def resume(self, name: str, place: Place) -> set[str]:
        """Ids of the records from a checkpoint's place on: traffic behind the checkpoint is judged again after a crash,
        and these alerts are in the spool. Retains the place.

        Where the checkpoint is behind the last record, records that it counts on did not survive a power failure: their
        numbers are left out, so that every destination counts them as lost.
        """
        with self._changed:
            missing = place.number - self._next_number
            if missing > 0:
                log.error("%s: %d alerts written before the last checkpoint are lost", self.folder, missing)
                self._close_file()
                self._next_number += missing
                self._next_segment = max(self._next_segment, place.segment + 1)
        found = self.ids_since(place)
        self.retain(name, place)
        return found

    def _is_behind(self, place: Place, name: int) -> bool:
        """Whether a place is at the end of a segment."""
        return place.segment == name and place.offset >= self._extents[name].size

    # the queue, which is empty while all is well

    def _write_queue(self) -> None:
        try:
            while self._queue:
                if room := self._room():
                    self._write(room)
                else:
                    self._lose_first()
        except OSError as error:
            self._say_trouble("write", error)
        else:
            self._say_recovered("write")

    def _room(self) -> int:
        """Bytes that may be written to the current segment, 0 where the first of the queue has no room in the spool.

        Begins a new segment, and drops the oldest, where need be.
        """
        need = segment.size_of(self._queue[0][0])
        if need + segment.HEADER.size > self.settings.size:
            return 0
        if self._file >= 0 and segment.HEADER.size < self._current().size > self._segment_size - need:
            self._close_file()
        if not self._make_room(need if self._file >= 0 else need + segment.HEADER.size):
            return 0
        if self._file < 0:
            self._begin()
        return max(need, min(self._segment_size - self._current().size, self.settings.size - self._size()))

    def _make_room(self, need: int) -> bool:
        """Whether that many bytes fit; drops the oldest segments for them where the configuration says so."""
        dropped = 0
        while self._size() + need > self.settings.size:
            others = [name for name in self._extents if self._file < 0 or name != self._end().segment]
            if self.settings.when_full == "drop_newest" or not others:
                break
            numbers = [extent.first for extent in self._extents.values()]
            dropped += numbers[1] - numbers[0] if len(numbers) > 1 else self._next_number - numbers[0]
            self._delete(others[0])
        if dropped:
            log.error("%s: full, its %d oldest alerts are dropped", self.folder, dropped)
        return self._size() + need <= self.settings.size

    def _lose_first(self) -> None:
        record, _ = self._queue.popleft()
        self._queue_bytes -= segment.size_of(record)
        self._lost["newest"] += 1
        if not self._is_full:
            self._is_full = True
            log.error("%s: full, new alerts are dropped until destinations have taken some", self.folder)

    def _bound_queue(self) -> None:
        while self._queue_bytes > self.settings.memory:
            record, _ = self._queue.pop()
            self._queue_bytes -= segment.size_of(record)
            self._lost["disk"] += 1

    # the file that is written

    def _current(self) -> Extent:
        return self._extents[next(reversed(self._extents))]

    def _begin(self) -> None:
        """Begins a segment."""
        self._close_file()
        name = self._next_segment
        path = self.path_of(name)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            head = segment.header(self._next_number)
            if os.write(file, head) < len(head):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        self._file = file
        self._is_new = self.settings.sync != "never"
        self._next_segment = name + 1
        self._extents[name] = Extent(self._next_number, segment.HEADER.size)

    def _write(self, room: int) -> None:
        """Writes as many records of the queue as there is room for, in one go; those that are whole leave the queue."""
        data = bytearray()
        ends: list[int] = []
        for record, time_ns in self._queue:
            if ends and len(data) + segment.size_of(record) > room:
                break
            data += segment.encoded(record, self._next_number + len(ends), time_ns)
            ends.append(len(data))
        written, failure = 0, None
        try:
            while written < len(data):
                written += os.write(self._file, memoryview(data)[written:])
        except OSError as error:
            failure = error
        whole = sum(end <= written for end in ends)
        self._is_synced = False
        self._current().size += ends[whole - 1] if whole else 0
        self._next_number += whole
        for _ in range(whole):
            self._queue_bytes -= segment.size_of(self._queue.popleft()[0])
        if whole:
            self._is_full = False
        if failure is not None:
            self._cut_file()
            raise failure

    def _cut_file(self) -> None:
        """Takes back what was written of a record; where that fails, a new segment goes on."""
        try:
            os.ftruncate(self._file, self._current().size)
        except OSError:
            self._close_file()

    def _close_file(self) -> None:
        """Ends the current segment; `sync` closes it where it is still to be forced to the disk."""
        if self._file < 0:
            return
        if self.settings.sync != "never" and not self._is_synced:
            self._unsynced.append(self._file)
        else:
            os.close(self._file)
        self._file, self._is_synced = -1, True

    def _cut_tail(self) -> None:
        """Cuts off what was being written when the process ended."""
        if self.cut_bytes:
            log.warning("%s: %d bytes of an unfinished record are cut off", self.folder, self.cut_bytes)
        try:
            for name in self._empty:
                self.path_of(name).unlink(missing_ok=True)
            if self.cut_bytes and self._extents:
                name, extent = next(reversed(self._extents.items()))
                os.truncate(self.path_of(name), extent.size)
        except OSError as error:
            self._say_trouble("cut it off", error)

    def _delete(self, name: int) -> None:
        self.path_of(name).unlink(missing_ok=True)
        del self._extents[name]

    def _vanished(self, name: int) -> None:
        if self._file >= 0 and name == self._end().segment:
            self._close_file()
        super()._vanished(name)

    # what is done beside

    def _tend(self) -> None:
        """Runs in a thread: tries again what could not be written, forces to the disk what was."""
        seconds = min(TEND_SECONDS, self.settings.interval / 1e9)
        while not self._closing.wait(seconds):
            if self._queue:
                self.flush()
            if self.settings.sync == "interval":
                self.sync()
            with self._changed:
                self._write_ledger()

    def _say_trouble(self, what: str, error: OSError) -> None:
        why = error.strerror or str(error)
        if why != self._troubles.get(what):
            waits = "; alerts wait in memory until it can" if what == "write" else ""
            log.error("%s: cannot %s: %s%s", self.folder, what, why, waits)
        self._troubles[what] = why

    def _say_recovered(self, what: str) -> None:
        if self._troubles.pop(what, ""):
            log.warning("%s: can %s again; alerts lost so far: %d", self.folder, what, self._lost["disk"])

    def _read_ledger(self) -> dict[str, int]:
        """Alerts that were not written in earlier runs."""
        try:
            found = json.loads((self.folder / LEDGER).read_bytes())
            return {cause: int(found[cause]) for cause in ("newest", "disk")}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _write_ledger(self) -> None:
        if self._lost == self._written_ledger:
            return
        try:
            replace(self.folder / LEDGER, json.dumps(self._lost).encode(), is_synced=False)
        except OSError as error:
            self._say_trouble("note how many are lost", error)
        else:
            self._say_recovered("note how many are lost")
            self._written_ledger = dict(self._lost)


def locked(folder: Path) -> int:
    """The lock of a spool's folder, held until it is closed. Makes the folder."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot keep the spool there: {error.strerror}", hint="it must be writable"
        ) from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise InputError(f"{folder}: another detector is using this spool", hint="one daemon, one folder") from None
    return file
