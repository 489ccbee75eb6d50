"""What is in a watched folder: which files are new, renamed, overwritten, grown or gone. One row = one file.

A file is known by its name, its inode and the first bytes: names change by rotation, inodes are used again, and a ring
buffer writes anew under an old name. First bytes alone are not enough: a copy is a file of its own.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from detector.capture import compressed

HEAD_BYTES = 1024  # beyond a pcapng file's own headers: the time of the first packet is in it
PACKED_HEAD_BYTES = 64 * 2**10  # of a compressed file, enough for that many bytes of the capture in it
PACKED_NAMES = (".gz", ".zst", ".xz", ".bz2")
UNFINISHED_NAMES = (".tmp", ".part", ".partial", ".filepart", "~")
CONTINUED = ("read", "cut", "forgotten")  # states of files that are read on where they grow
FINISHED = (*CONTINUED, "damaged")
STATS_PER_LOOK = 500  # of finished files, in turn: with 100,000 of them a look stays cheap

Standing = tuple[int, tuple[str | int, ...]]  # what files are ordered by: time (0 where the name decides), natural name


class Head(NamedTuple):
    """The first bytes of a file, as a hash of so many of them."""

    length: int
    digest: str

    @classmethod
    def of(cls, first: bytes) -> Head:
        """The head that these bytes are."""
        return cls(len(first), hashlib.blake2b(first, digest_size=12).hexdigest())

    def begins(self, first: bytes) -> bool:
        """Whether a file that begins with these bytes begins with this head."""
        return len(first) >= self.length and Head.of(first[: self.length]) == self


@dataclass(slots=True, eq=False)
class WatchedFile:
    """A file. packets: those yielded so far. changed: when it was last seen to grow, by the clock of the watch.

    generation: how often its name was written anew, so that a ring's second round follows its first.
    state: "waiting", "open" (part of it was read), "read", "cut" (ended too soon; more may come), "damaged" (nothing
        more can be read), "forgotten" (read, and told from new ones by a position's bounds alone).
    """

    name: str
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int
    standing: Standing
    head: Head | None
    changed: float
    generation: int = 0
    packets: int = 0
    state: str = "waiting"
    serial: int = 0  # of finished files, in the order in which they were finished
    is_lost: bool = False  # its name is gone, or means another file now

    @property
    def place(self) -> tuple[int, Standing]:
        """What files are read in the order of."""
        return self.generation, self.standing

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be read, as far as is known."""
        return self.state in FINISHED

    def entry(self) -> list[Any]:
        """What a position remembers of it, as JSON."""
        head = self.head or Head.of(b"")
        return [self.name, self.inode, self.size, self.generation, self.packets, self.state, self.serial, *head]


class Remembered(NamedTuple):
    """An entry of a position."""

    name: str
    inode: int
    size: int
    generation: int
    packets: int
    state: str
    serial: int
    length: int
    digest: str

    @property
    def head(self) -> Head:
        """Its first bytes."""
        return Head(self.length, self.digest)


@dataclass
class Changes:
    """What a look found. grown: finished files that have more now. overwritten: (as it was, as it is).
    gone: files that are no longer there. refused: folders that may not be read, each told once, and why."""

    new: list[WatchedFile] = field(default_factory=list)
    grown: list[WatchedFile] = field(default_factory=list)
    overwritten: list[tuple[WatchedFile, WatchedFile]] = field(default_factory=list)
    gone: list[WatchedFile] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)


class Watch:
    """The files of a folder, `files` by their names within it. `generation` is that of the file being read."""

    def __init__(self, root: Path, patterns: Sequence[str], *, is_recursive: bool, by_time: bool) -> None:
        self.root = root
        self.files: dict[str, WatchedFile] = {}
        self.generation = 0
        self._is_wanted = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns)).match
        self._is_recursive = is_recursive
        self._by_time = by_time
        self._turn = 0
        self._refused: dict[str, str] = {}

    def look(self, now: float) -> Changes:
        """What has changed since the last look. Raises OSError where the folder cannot be read."""
        known = set(self._refused)
        found = dict(self._names())
        changes = Changes(refused=[(folder, why) for folder, why in self._refused.items() if folder not in known])
        gone = [file for name, file in self.files.items() if name not in found]
        suspects = self._suspects(found)
        inodes = {file.inode: file for file in gone}
        inodes |= {file.inode: file for name in suspects if (file := self.files.get(name)) is not None}
        placed: dict[str, WatchedFile] = {}
        for name, stat in suspects.items():  # per file that is new or changed
            before, renamed = self.files.get(name), inodes.get(stat.st_ino)
            if renamed is not None and renamed is not before and self._is_renamed(renamed, found, name):
                placed[name] = renamed
            elif before is not None and self.is_same(before, stat):
                if self._update(before, stat, now) and before.state in CONTINUED:
                    changes.grown.append(before)
            else:
                generation = self.generation if before is None else before.generation + 1
                placed[name] = WatchedFile(
                    name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, self.standing(name, stat.st_mtime_ns),
                    None, now, generation)  # fmt: skip
        self._place(placed, gone, changes)
        return changes

    def forget(self, file: WatchedFile) -> None:
        """A file that was deleted or moved away by us."""
        if self.files.get(file.name) is file:
            del self.files[file.name]

    def refresh(self, file: WatchedFile, now: float) -> bool:
        """Looks at one file again before it is read; whether it is still there."""
        try:
            stat = (self.root / file.name).stat()
        except OSError:
            return False
        if stat.st_ino != file.inode or not self.is_same(file, stat):
            return False
        self._update(file, stat, now)
        first = self.first_bytes(file.name)
        file.head = None if first is None else Head.of(first)
        return True

    def is_same(self, file: WatchedFile, stat: os.stat_result) -> bool:
        """Whether a name still means the file that was known by it; a copy that took its place and begins the same is
        one (rsync replaces a file that has grown). Where first bytes cannot be compared, the file system's word counts."""
        if not file.packets and not file.is_finished:  # whatever is there now is what will be read
            return True
        if file.head is None or (first := self.first_bytes(file.name)) is None:
            return (file.inode, file.size, file.mtime_ns) == (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        return file.head.begins(first)

    def first_bytes(self, name: str) -> bytes | None:
        """The first bytes of a file, None where it cannot be read."""
        try:
            with (self.root / name).open("rb", buffering=0) as raw:
                return raw.read(HEAD_BYTES) or b""
        except OSError:
            return None

    def unpacked_bytes(self, name: str) -> bytes:
        """The first bytes of what a compressed file holds; none where it is damaged."""
        try:
            with (self.root / name).open("rb", buffering=0) as raw:
                first = raw.read(PACKED_HEAD_BYTES) or b""
        except OSError:
            return b""
        packed = compressed.recognise(first)
        if packed is None:
            return b""
        unpacked = compressed.Decompressed(io.BytesIO(first), *packed)  # type: ignore[arg-type]
        target = bytearray(HEAD_BYTES)
        return bytes(target[: unpacked.readinto(memoryview(target))])

    def unpacked_size(self, name: str) -> int | None:
        """How long a gzip file says that its content is, modulo 2**32 (RFC 1952, 2.3.1: ISIZE, its last four bytes)."""
        try:
            with (self.root / name).open("rb", buffering=0) as raw:
                raw.seek(-4, os.SEEK_END)
                return int.from_bytes(raw.read(4), "little") if name.endswith(".gz") else None
        except OSError:
            return None

    def standing(self, name: str, mtime_ns: int) -> Standing:
        """What a file is ordered by within its generation."""
        return (mtime_ns if self._by_time else 0), natural(name)

    def _names(self, below: str = "") -> Iterator[tuple[str, int]]:
        """(name within the folder, inode) of the files that are to be read some day."""
        with os.scandir(self.root / below) as entries:
            folders = []
            for entry in entries:  # per file
                if entry.name.startswith(".") or entry.name.endswith(UNFINISHED_NAMES):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(below + entry.name + "/")
                elif self._is_wanted(entry.name):
                    yield below + entry.name, entry.inode()
        if self._is_recursive:
            for folder in folders:  # per folder
                try:
                    yield from self._names(folder)
                except FileNotFoundError:  # it went away meanwhile
                    continue
                except OSError as error:
                    self._refused.setdefault(folder, error.strerror or "")

    def _suspects(self, found: dict[str, int]) -> dict[str, os.stat_result]:
        """Files that are new, or seem to have changed, of those looked at closely this time."""
        suspects: dict[str, os.stat_result] = {}
        first, count = self._turn, max(1, len(found))
        for place, (name, inode) in enumerate(found.items()):  # per file
            file = self.files.get(name)
            in_turn = (place - first) % count < STATS_PER_LOOK
            if file is not None and file.inode == inode and not (in_turn or file.state == "open"):
                continue
            try:
                stat = (self.root / name).stat()
            except OSError:  # gone between two looks: the next one tells
                continue
            if S_ISREG(stat.st_mode) and (file is None or is_changed(file, stat)):
                suspects[name] = stat
        self._turn = (first + STATS_PER_LOOK) % count
        return suspects

    def _is_renamed(self, file: WatchedFile, found: dict[str, int], name: str) -> bool:
        """Whether the file at a name, which has a known inode, is the one that was known by another name."""
        if found.get(file.name) == file.inode:
            return False
        if not file.packets and not file.is_finished:
            return True
        first = self.first_bytes(name)
        return first is not None and file.head is not None and file.head.begins(first)

    def _update(self, file: WatchedFile, stat: os.stat_result, now: float) -> bool:
        """Takes over what the file system says now; whether there is more to be read than there was."""
        has_more = stat.st_size > file.size
        if stat.st_size != file.size:
            file.changed = now
        if file.head is None or file.head.length < HEAD_BYTES:
            first = self.first_bytes(file.name)
            has_more |= file.state == "cut" and file.head is None and first is not None  # it may be read at last
            file.head = None if first is None else Head.of(first)
        file.inode, file.size, file.mtime_ns, file.ctime_ns = (
            stat.st_ino,
            stat.st_size,
            stat.st_mtime_ns,
            stat.st_ctime_ns,
        )
        return has_more

    def _place(self, placed: dict[str, WatchedFile], gone: list[WatchedFile], changes: Changes) -> None:
        """Puts new and renamed files where their names are now."""
        kept = {id(file) for file in placed.values()}
        for file in gone:  # per file
            if self.files.get(file.name) is file:
                del self.files[file.name]
            if id(file) not in kept:
                file.is_lost = True
                changes.gone.append(file)
        known = {id(file) for file in (*self.files.values(), *gone)}
        for name, file in placed.items():  # per file that is new or renamed
            before = self.files.get(name)
            self.files[name] = file
            if id(file) in known:
                file.name = name
                continue
            if before is not None and id(before) not in kept:
                before.is_lost = True
                changes.overwritten.append((before, file))
            else:
                changes.new.append(file)


def natural(name: str) -> tuple[str | int, ...]:
    """What names are compared by: numbers as numbers, so that name.pcap, name.pcap1 and name.pcap10 follow each other.

    The ending of a compressed file does not count.
    """
    stem = next((name[: -len(ending)] for ending in PACKED_NAMES if name.endswith(ending)), name)
    return tuple(int(word) if place % 2 else word for place, word in enumerate(re.split(r"([0-9]+)", stem)))


def is_changed(file: WatchedFile, stat: os.stat_result) -> bool:
    """Whether a file has to be looked into: what the file system says of it is not what it said."""
    known = (file.inode, file.size, file.mtime_ns, file.ctime_ns)
    return (file.head is None and file.is_finished) or known != (
        stat.st_ino,
        stat.st_size,
        stat.st_mtime_ns,
        stat.st_ctime_ns,
    )
