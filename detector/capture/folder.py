"""A watched folder as a live source: captures that another program rotates into it, each read once and in order.

    look (watch.py)  ->  queue, by place  ->  the first file is read  ->  finished  ->  released  ->  deleted or moved

The first file of the queue is read, also while it grows; it is finished once a later one is there and it has not grown
for a moment, or after a long silence. Whatever turns out wrong later costs no packet: a finished file that grows is
read on from where it was left, and a file that comes late is read at once, before those that are waiting.

A position says which files were read. Naming all of them would make it as long as the folder is large, so the last
RECENT finished files are named, with those partly read; all others are told from new ones by two bounds: their place in
the order is not beyond that of the last file begun (`mark`), and the file system changed them (ctime, which no rename and
no rsync sets back) not after the last file that is no longer named (`floor`).
"""

from __future__ import annotations

import heapq
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from detector.capture.batch import Batch, no_packets
from detector.capture.folder_settings import FolderSettings
from detector.capture.reader import CaptureReader
from detector.capture.source import BATCH_PACKETS, BATCH_SECONDS, SourceReport
from detector.capture.streams import WatchedBytes
from detector.capture.watch import HEAD_BYTES, PACKED_NAMES, Changes, Head, Remembered, Standing, Watch, WatchedFile
from detector.errors import InputError

SECOND = 10**9
RECENT = 256  # finished files that a position names
LOOK_SECONDS = 0.05  # between two looks at the folder, longer where a look takes long:
LOOK_SHARE = 20  # a look takes no more than this part of the time
SETTLED_SECONDS = 0.3  # a file with a later one behind it is whole when it has not grown for so long
PACKED_SECONDS = 1.0  # a compressed file is read when it has not grown for so long
BLOCK_BYTES = 2**21
SMALLEST_BYTES = 28  # of a file that can be recognised


class Opened:
    """A file being read. skip: packets of it that were yielded before it was opened."""

    def __init__(self, path: str, raw: BinaryIO, file: WatchedFile, batch_packets: int) -> None:
        self.file = file
        self.bytes = WatchedBytes(raw, self._is_same)
        self.reader = CaptureReader(path, batch_packets=batch_packets, block_bytes=BLOCK_BYTES, opened=self.bytes)
        self.iterator = self.reader.batches()
        self.skip = file.packets
        self.is_foreign = False

    def close(self) -> None:
        """Closes the file, wherever in it one is."""
        self.iterator.close()  # type: ignore[attr-defined]
        self.bytes.close()

    def _is_same(self, descriptor: int) -> bool:
        """Whether the file still begins as it did; a longer beginning is remembered."""
        first, head = os.pread(descriptor, HEAD_BYTES, 0), self.file.head
        if head is not None and not head.begins(first):
            return False
        if head is None or head.length < len(first):
            self.file.head = Head.of(first)
        return True


class FolderSource:
    """A LiveSource. `position` is that of a source before, of the same folder.

    Raises:
        InputError: the folder cannot be read, or `move_to` is unfit.
    """

    def __init__(self, settings: FolderSettings, position: Mapping[str, Any] | None = None, *,
                 batch_packets: int = BATCH_PACKETS) -> None:  # fmt: skip
        self.name = settings.name or Path(settings.path).name
        self.report = SourceReport()
        self.idle_seconds = BATCH_SECONDS
        self._settings = settings
        self._root = Path(settings.path)
        self._target = checked(settings)
        self._batch_packets = batch_packets
        self._watch = Watch(
            self._root, settings.pattern, is_recursive=settings.recursive, by_time=settings.order == "time"
        )
        self._queue: list[tuple[tuple[int, Standing], int, WatchedFile]] = []
        self._queued = 0
        self._aside: list[WatchedFile] = []  # until the next look
        self._made_of: dict[WatchedFile, WatchedFile] = {}  # a compressed file that waits: what it was made of
        self._opened: dict[WatchedFile, Opened] = {}
        self._next_look = 0.0
        self._is_stopped = False
        self._finished = 0
        self._recent: deque[WatchedFile] = deque()
        self._named: dict[str, WatchedFile] = {}  # finished, no longer recent, and not told by the two bounds
        self._awaiting: deque[WatchedFile] = deque()  # finished, to be deleted or moved once released
        self._mark: tuple[int, Standing] | None = None
        self._floor = -1
        self._entries: list[list[Any]] | None = None
        self._restore(position or {})

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        """The folder's report by its name."""
        return {self.name: self.report}

    @property
    def position(self) -> dict[str, Any]:
        """Files read, and how many packets of those that are being read; as of the batch yielded last."""
        if self._entries is None:
            self._entries = [file.entry() for file in (*self._named.values(), *self._recent)]
        waiting = [*self._aside, *(file for _, _, file in self._queue)]
        unread = [file.entry() for file in waiting if file.packets or self._seems_read(file)]
        return {
            "finished": self._finished,
            "mark": self._mark,
            "floor": self._floor,
            "files": [*self._entries, *unread],
        }

    def batches(self) -> Iterator[Batch]:
        """The packets of all files, until `stop`."""
        try:
            while not self._is_stopped:  # per batch
                until = time.monotonic() + self.idle_seconds
                batch = self._take()
                while not len(batch) and not self._is_stopped and (left := until - time.monotonic()) > 0:  # per wait
                    time.sleep(min(LOOK_SECONDS, left))
                    batch = self._take()
                yield batch
        finally:
            for opened in self._opened.values():  # per file being read
                opened.close()
            self._opened.clear()

    def stop(self) -> None:
        """Ends the iterator after the packets at hand."""
        self._is_stopped = True

    def release(self, position: Mapping[str, Any]) -> None:
        """Deletes or moves the files that were finished at this position."""
        while self._awaiting and self._awaiting[0].serial <= position.get("finished", 0):  # per file
            self._dispose(self._awaiting.popleft())

    # --- reading ---

    def _take(self) -> Batch:
        """The next packets, or none where there are none now, or passing over files takes longer than BATCH_SECONDS."""
        self._look()
        until = time.monotonic() + BATCH_SECONDS
        while self._queue and time.monotonic() < until:  # per batch, or file that has none
            file = self._queue[0][2]
            opened = self._opened.get(file) or self._open(file)
            if opened is None:
                if not file.is_finished and not self._put_aside(file):
                    break
                continue
            batch = self._read(opened)
            if batch is None:
                self._close(opened)
            elif len(batch):
                return batch
            elif not self._has_more(opened):
                break
        return no_packets()

    def _read(self, opened: Opened) -> Batch | None:
        """The next packets of a file that were not yielded yet; an empty batch where there are none now, None at its end."""
        file = opened.file
        try:
            batch = next(opened.iterator, None)
        except InputError as error:
            self._say(error.problem)
            opened.is_foreign = file.size >= SMALLEST_BYTES and not file.name.endswith(PACKED_NAMES)
            opened.reader.report.skipped_bytes[": foreign"] += file.size
            return None
        if batch is not None and len(batch) and int(batch.numbers[0]) <= opened.skip:
            batch = batch.take(np.flatnonzero(batch.numbers > opened.skip))
        if batch is not None and len(batch):
            file.packets, file.state = int(batch.numbers[-1]), "open"
            self.report.packets += len(batch)
            self.report.bytes += int((batch.stops - batch.starts).sum())
        return batch

    def _open(self, file: WatchedFile) -> Opened | None:
        """Begins to read a file; None where that is not possible yet, or it has no more to give."""
        now = time.monotonic()
        path = str(self._root / file.name)
        if file.is_lost or not self._watch.refresh(file, now):
            self._next_look = 0.0
            return None
        twin = self._twin(file)
        if twin is not None and twin.is_finished and self._watch.unpacked_size(file.name) == twin.size % 2**32:
            file.packets = twin.packets
            self._finish(file, twin.state)
            return None
        if not self._is_ready(file, now):
            return None
        if twin is not None:  # read on behind its packets: it may hold more than was read of the original
            file.packets = twin.packets
        try:
            raw = cast(BinaryIO, Path(path).open("rb", buffering=0))  # noqa: SIM115 - read until it is finished
        except OSError as error:
            self._say(f"{path}: cannot be read: {error.strerror}")
            self._finish(file, "cut")
            return None
        if file.size == 0:
            raw.close()
            self._say(f"{path}: is empty")
            self._finish(file, "cut")
            return None
        if not file.packets and self._mark is not None and file.place < self._mark:
            self._say(f"{path}: came after a later file was begun; its packets are judged late")
        self._advance(file)
        self._watch.generation = file.generation
        opened = self._opened[file] = Opened(path, raw, file, self._batch_packets)
        return opened

    def _is_ready(self, file: WatchedFile, now: float) -> bool:
        """Whether a file is whole enough to begin with it."""
        if file.name.endswith(PACKED_NAMES):
            return now - file.changed >= PACKED_SECONDS
        return file.size >= SMALLEST_BYTES or self._is_over(file)

    def _is_over(self, file: WatchedFile) -> bool:
        """Whether nothing more will be written to the first file of the queue."""
        still = time.monotonic() - file.changed
        has_later = len(self._queue) > 1 or file.is_lost
        return still * SECOND >= self._settings.quiet or (has_later and still >= SETTLED_SECONDS)

    def _has_more(self, opened: Opened) -> bool:
        """At the end of what is written: whether there is more to be read by now, were it only the end of the file."""
        file, size = opened.file, opened.bytes.size
        if opened.bytes.overwritten:
            return True
        if size != file.size:
            file.size, file.changed = size, time.monotonic()
        if self._is_over(file):
            opened.bytes.finish()
            return True
        return size > opened.bytes.taken

    def _close(self, opened: Opened) -> None:
        """A file was read to its end, as far as it can be read."""
        file, told = opened.file, opened.reader.report
        lost = max(0, file.size - opened.bytes.taken) if opened.bytes.overwritten else 0
        if lost:
            self._say(
                f"{self._root / file.name}: was overwritten while it was read; what followed packet {file.packets} is lost"
            )
            self.report.skipped_bytes["overwritten"] += lost
        for warning in told.warnings:  # per warning
            self._say(warning)
        causes = Counter({cause.rpartition(": ")[2]: count for cause, count in told.skipped_bytes.items()})
        self.report.skipped_bytes.update(causes)
        opened.close()
        del self._opened[file]
        is_hopeless = opened.is_foreign or causes["damaged"]
        self._finish(file, "damaged" if is_hopeless else "cut" if told.warnings or causes or lost else "read")

    def _finish(self, file: WatchedFile, state: str) -> None:
        """Takes the first file off the queue: nothing of it is left."""
        heapq.heappop(self._queue)
        self._made_of.pop(file, None)
        if not file.serial:
            self.report.files["read" if state in ("read", "forgotten") else "damaged"] += 1
        self._finished += 1
        file.state, file.serial = state, self._finished
        self._advance(file)
        self._remember(file)
        if self._settings.finished != "keep" and state == "read":
            self._awaiting.append(file)

    def _advance(self, file: WatchedFile) -> None:
        if self._mark is None or file.place > self._mark:
            self._mark = file.place

    # --- the folder ---

    def _look(self) -> None:
        """Looks at the folder where that is due."""
        now = time.monotonic()
        if now < self._next_look:
            return
        try:
            changes = self._watch.look(now)
        except OSError as error:
            if self.report.is_up:
                self._say(f"{self._root}: cannot be read: {error.strerror}; it is tried again")
            self.report.is_up = False
            self._next_look = now + 1.0
            return
        if not self.report.is_up:
            self.report.reconnects += 1
            self._say(f"{self._root}: can be read again")
        self.report.is_up = True
        aside, self._aside = self._aside, []
        for file in aside:  # per file
            self._enqueue(file)
        self._take_over(changes)
        took = time.monotonic() - now
        self._next_look = now + max(LOOK_SECONDS, LOOK_SHARE * took)

    def _take_over(self, changes: Changes) -> None:
        self._lose([*changes.gone, *(before for before, _ in changes.overwritten)])
        for below, why in changes.refused:  # per folder
            self._say(f"{self._root / below}: cannot be read, it is left out: {why}")
        for file in changes.grown:  # per file
            self._say(f"{self._root / file.name}: there is more of it than when it was finished; it is read on")
            self._recall(file)
        former = {file.name: file for file in self._recent if file.is_lost} if changes.new else {}
        gone = {file.name: file for file in changes.gone}
        for file in changes.new:  # per file
            if (original := gone.get(name := unpacked_name(file.name), self._watch.files.get(name))) is not None:
                self._made_of[file] = original
            self._welcome(file, former.get(file.name))
        for file in (*changes.grown, *(after for _, after in changes.overwritten)):  # per file
            self._enqueue(file)

    def _welcome(self, file: WatchedFile, former: WatchedFile | None) -> None:
        """A file with a new name, or one that went away: it has come back, or its name was written anew."""
        if former is None:
            self._enqueue(file)
        elif (
            former.head is not None
            and former.head.length
            and former.head.begins(self._watch.first_bytes(file.name) or b"")
        ):
            self._recent.remove(former)
            self._entries = None
            self._resume(file, Remembered(*former.entry()))
        else:
            file.generation = former.generation + 1
            self._enqueue(file)

    def _lose(self, files: Sequence[WatchedFile]) -> None:
        """Files whose names are gone: one that is open is read to its end, one that waits cannot be read any more."""
        unread = {file for file in files if not file.is_finished and file not in self._opened}
        if not unread:
            return
        self._queue = [waiting for waiting in self._queue if waiting[2] not in unread]
        heapq.heapify(self._queue)
        for file in unread:  # per file
            self._made_of.pop(file, None)
            if file.packets:
                self._recent.append(file)
                self._entries = None
            if not self._has_packed(file):  # else that one is read in its place
                self._say(f"{self._root / file.name}: was gone before it was read")
                self.report.skipped_bytes["gone"] += file.size
                self.report.files["damaged"] += 1

    def _enqueue(self, file: WatchedFile) -> None:
        self._queued += 1
        heapq.heappush(self._queue, (file.place, self._queued, file))

    def _has_packed(self, file: WatchedFile) -> bool:
        """Whether a file was compressed meanwhile."""
        return any(file.name + ending in self._watch.files for ending in PACKED_NAMES)

    def _twin(self, file: WatchedFile) -> WatchedFile | None:
        """The file that this one was made of by compressing it, where packets of that one were read."""
        known = [] if file.packets else [other for other in self._originals(file) if other.packets and other.head]
        first = self._watch.unpacked_bytes(file.name) if known else b""
        return next((other for other in known if other.head and other.head.begins(first)), None)

    def _originals(self, file: WatchedFile) -> list[WatchedFile]:
        """Files that have a compressed file's name without its ending."""
        name = unpacked_name(file.name)
        if not name:
            return []
        known = [other for other in (*self._recent, *self._named.values()) if other.name == name]
        return [*known, *filter(None, (self._made_of.get(file), self._watch.files.get(name)))]

    def _put_aside(self, file: WatchedFile) -> bool:
        """A file that was read is being compressed, it seems, which takes its time: others need not wait for it."""
        if file.packets or not any(other.is_finished for other in self._originals(file)):
            return False
        heapq.heappop(self._queue)
        self._aside.append(file)
        return True

    def _dispose(self, file: WatchedFile) -> None:
        """Deletes or moves a finished file, unless it is no longer what was read."""
        path = self._root / file.name
        try:
            stat = path.stat()
            if (
                file.is_lost
                or (stat.st_ino, stat.st_size) != (file.inode, file.size)
                or not self._watch.is_same(file, stat)
            ):
                return
            if self._target is None:
                path.unlink()
            else:
                move(path, self._target / file.name)
        except FileNotFoundError:  # somebody else was faster
            return
        except OSError as error:
            self._say(
                f"{path}: was read and cannot be {'deleted' if self._target is None else 'moved'}: {error.strerror}"
            )
            return
        file.is_lost = True
        self._watch.forget(file)

    # --- what a position says ---

    def _remember(self, file: WatchedFile) -> None:
        """Names a finished file in positions; the oldest one is left to the two bounds where they tell it."""
        self._entries = None
        self._recent.append(file)
        while len(self._recent) > RECENT:  # per file
            self._named[self._recent[0].name] = self._recent.popleft()
        assert self._mark is not None
        awaiting = {waiting.name for waiting in self._awaiting} if self._named else set()
        for name, old in list(self._named.items()):  # per file
            if old.is_lost:
                del self._named[name]
            elif name not in awaiting and old.standing <= self._mark[1]:
                del self._named[name]
                self._forget(old)

    def _forget(self, file: WatchedFile) -> None:
        """Leaves a finished file to the two bounds."""
        try:
            stat = (self._root / file.name).stat()
        except OSError:
            return
        self._floor = max(self._floor, file.ctime_ns, stat.st_ctime_ns)
        file.state = "forgotten" if file.state == "read" else file.state

    def _recall(self, file: WatchedFile) -> None:
        """A finished file is to be read on."""
        if file in self._recent:
            self._recent.remove(file)
        if file in self._awaiting:
            self._awaiting.remove(file)
        self._named.pop(file.name, None)
        self._entries = None
        file.state = "open"

    def _seems_read(self, file: WatchedFile) -> bool:
        """Whether the two bounds say that a file was read."""
        return self._mark is not None and file.standing <= self._mark[1] and file.ctime_ns <= self._floor

    def _restore(self, position: Mapping[str, Any]) -> None:
        """Looks at the folder for the first time, and tells what was read before."""
        self._finished, self._floor = position.get("finished", 0), position.get("floor", -1)
        if (mark := position.get("mark")) is not None:
            generation, (moment, name) = mark
            self._mark = (generation, (moment, tuple(name)))
            self._watch.generation = generation
        try:
            changes = self._watch.look(time.monotonic())
        except OSError as error:
            raise InputError(f"{self._root}: cannot be read: {error.strerror}") from None
        files, changes.new = changes.new, []
        self._take_over(changes)
        entries = [Remembered(*entry) for entry in position.get("files", ())]
        places = {entry.name: entry for entry in entries}
        matched = match(entries, files, self._watch)
        for file in files:  # per file
            if (entry := matched.get(file)) is not None:
                self._resume(file, entry)
            elif (entry := places.get(file.name)) is not None:
                file.generation = entry.generation + 1  # written anew under its old name
                self._enqueue(file)
            elif self._seems_read(file):
                file.state = "forgotten"
            else:
                self._enqueue(file)
        self._miss([entry for entry in entries if entry not in set(matched.values())])
        self._recent = deque(sorted(self._recent, key=lambda file: file.serial))
        self._awaiting = deque(sorted(self._awaiting, key=lambda file: file.serial))

    def _resume(self, file: WatchedFile, entry: Remembered) -> None:
        """A file that a position names."""
        file.generation, file.packets, file.state, file.serial = (
            entry.generation,
            entry.packets,
            entry.state,
            entry.serial,
        )
        first = self._watch.first_bytes(file.name)
        file.head = None if first is None else Head.of(first)
        if file.is_finished and (file.state == "damaged" or file.size <= entry.size):
            self._recent.append(file)
            if self._settings.finished != "keep" and file.state == "read":
                self._awaiting.append(file)
            return
        file.state = "open" if file.packets else "waiting"
        self._enqueue(file)

    def _miss(self, entries: Sequence[Remembered]) -> None:
        """Files that a position names and that are not there: they are known where they come back compressed."""
        for entry in entries:  # per file
            file = WatchedFile(entry.name, entry.inode, entry.size, 0, 0, self._watch.standing(entry.name, 0), entry.head, 0.0,
                               entry.generation, entry.packets, entry.state, entry.serial, True)  # fmt: skip
            self._recent.append(file)
            if not file.is_finished and not self._has_packed(file):
                self._say(f"{self._root / file.name}: is gone; it was read up to packet {file.packets}")
                self.report.files["damaged"] += 1

    def _say(self, warning: str) -> None:
        self.report.warnings.append(warning)


def checked(settings: FolderSettings) -> Path | None:
    """The folder that finished files are moved to, None where they are not."""
    if not Path(settings.path).is_dir():
        raise InputError(f"{settings.path}: no such folder")
    if settings.finished != "move":
        return None
    if not settings.move_to:
        raise InputError(f"{settings.path}: finished files are to be moved, and move_to does not say where")
    root, target = Path(settings.path).resolve(), Path(settings.move_to)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: cannot be made: {error.strerror}") from None
    if target.resolve() == root or (settings.recursive and root in target.resolve().parents):
        raise InputError(f"{target}: move_to lies in the watched folder: files would be read again")
    if target.stat().st_dev != root.stat().st_dev:
        raise InputError(f"{target}: move_to lies on another file system than {root}",
                         hint="files are renamed, never copied: a copy would hold up reading")  # fmt: skip
    return target


def unpacked_name(name: str) -> str:
    """A compressed file's name without its ending; empty for other files."""
    return next((name.removesuffix(ending) for ending in PACKED_NAMES if name.endswith(ending)), "")


def match(entries: Sequence[Remembered], files: Sequence[WatchedFile], watch: Watch) -> dict[WatchedFile, Remembered]:
    """Which file each entry of a position is now: by inode, whatever its name, else by name; it begins as it did."""
    places = {entry.name: entry for entry in entries}
    inodes = {entry.inode: entry for entry in entries}
    matched: dict[WatchedFile, Remembered] = {}
    taken: set[Remembered] = set()
    for candidates, key in ((inodes, "inode"), (places, "name")):  # per way of knowing a file
        for file in files:  # per file
            entry = candidates.get(getattr(file, key))  # type: ignore[attr-defined]
            if entry is None or entry in taken or file in matched:
                continue
            if entry.head.begins(watch.first_bytes(file.name) or b""):
                matched[file] = entry
                taken.add(entry)
    return matched


def move(path: Path, target: Path) -> None:
    """Renames a file without replacing another: a ring writes its names again and again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    place, number = target, 0
    while place.exists():  # per file of that name
        number += 1
        place = target.with_name(f"{target.name}.{number}")
    path.rename(place)
