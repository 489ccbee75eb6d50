"""The spool read: places in it, and records from a place on. Used by deliveries, and by commands beside a running daemon."""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from detector.sinks import segment
from detector.sinks.destination import Record

log = logging.getLogger(__name__)

NAME = re.compile(r"(\d{8,})\.spool")
READ_BYTES = 8 << 20  # of one read, so that a batch of large documents stays small in memory


class Place(NamedTuple):
    """A place in the spool, before the record with this number. Places compare in the order of the spool."""

    segment: int = 0
    offset: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A record of the spool. after: the place behind it. time_ns: when it was appended.

    dropped, damaged: how many records are missing right before it, because they were dropped as the oldest of a full
    spool, and because their bytes are damaged.
    """

    record: Record
    number: int
    time_ns: int
    after: Place
    dropped: int = 0
    damaged: int = 0


@dataclass(slots=True)
class Extent:
    """A segment: number of its first record, and how many of its bytes count."""

    first: int
    size: int


class SpoolReader:
    """Reads a spool that another process may be writing. Sees what was there when it was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cut_bytes = 0  # behind the last record: they were being written when the process or the machine stopped
        self._changed = threading.Condition()
        self._extents: dict[int, Extent] = {}  # in their order
        self._next_segment = 1
        self._next_number = 0
        self._empty: list[int] = []  # segments without a record, and without a header
        self._said: set[tuple[int, int]] = set()  # damage that the log has told of
        self._scan()

    @property
    def end(self) -> Place:
        """The place behind the last record."""
        with self._changed:
            return self._end()

    @property
    def first(self) -> Place:
        """The place of the oldest record."""
        with self._changed:
            return self._first()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with self._changed:
            return self._size()

    def read(self, place: Place, most: int) -> list[Entry]:
        """Up to `most` records from a place on; none where there are no more yet.

        Places in segments that are gone mean the oldest that is there. Damaged bytes are skipped.
        """
        found: list[Entry] = []
        expected, dropped, left = place.number, 0, READ_BYTES
        while True:
            with self._changed:
                if place.segment < (first := self._first()).segment:
                    gone = max(0, first.number - expected)
                    expected, dropped = expected + gone, dropped + gone
                name = next((name for name in self._extents if name >= place.segment), 0)
                if not name:
                    return found
                limit, is_last = self._extents[name].size, name == next(reversed(self._extents))
            offset = place.offset if name == place.segment else segment.HEADER.size
            with self._opened(name) as file:
                for at in segment.records(file, offset, limit):
                    self._say_damage(name, at.start, at.skipped)
                    after = Place(name, at.stop, at.number + 1)
                    found.append(Entry(at.record, at.number, at.time_ns, after, dropped, max(0, at.number - expected)))
                    expected, dropped, left = at.number + 1, 0, left - (at.stop - at.start)
                    if len(found) >= most or left <= 0:
                        return found
            if is_last:
                return found
            place = Place(name + 1, segment.HEADER.size, expected)

    def ids_since(self, place: Place) -> set[str]:
        """Ids of the records from a place on."""
        found: set[str] = set()
        while entries := self.read(place, 10_000):
            found.update(entry.record.id for entry in entries)
            place = entries[-1].after
        return found

    def path_of(self, name: int) -> Path:
        """The file of a segment."""
        return self.folder / f"{name:08d}.spool"

    @contextmanager
    def _opened(self, name: int) -> Iterator[int]:
        """A segment's file, an empty one where it cannot be read: what was in it shows as a gap in the numbers."""
        try:
            file = os.open(self.path_of(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # dropped since, or taken away by somebody
            with self._changed:
                self._vanished(name)
            file = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield file
        except OSError as error:
            if (name, -1) not in self._said:
                self._said.add((name, -1))
                log.error("%s: cannot be read: %s", self.path_of(name), error.strerror)
        finally:
            os.close(file)

    def _vanished(self, name: int) -> None:
        if self._extents.pop(name, None) is not None:
            log.error("%s: is gone, the records in it are lost", self.path_of(name))

    def _say_damage(self, name: int, stop: int, size: int) -> None:
        if size and (name, stop) not in self._said:
            self._said.add((name, stop))
            log.error("%s: %d damaged bytes before byte %d are skipped", self.path_of(name), size, stop)

    def _end(self) -> Place:
        if not self._extents:
            return Place(self._next_segment, segment.HEADER.size, self._next_number)
        name, extent = next(reversed(self._extents.items()))
        return Place(name, extent.size, self._next_number)

    def _first(self) -> Place:
        if not self._extents:
            return self._end()
        name, extent = next(iter(self._extents.items()))
        return Place(name, segment.HEADER.size, extent.first)

    def _size(self) -> int:
        return sum(extent.size for extent in self._extents.values())

    def _scan(self) -> None:
        """Finds the segments, and in the last ones the last record: what is behind it was never written in full."""
        found = (NAME.fullmatch(path.name) for path in self.folder.iterdir())
        names = sorted(int(match[1]) for match in found if match)
        if not names:
            return
        self._next_segment = names[-1] + 1
        is_known = False  # whether the last record has been found
        for name in reversed(names):
            try:
                extent, last, cut = examined(self.path_of(name), is_whole=is_known)
            except FileNotFoundError:  # deleted meanwhile by the daemon
                continue
            self.cut_bytes += cut
            if extent is None:
                self._empty.append(name)
                continue
            self._extents[name] = extent
            if not is_known:
                self._next_number, is_known = last, True
        self._extents = dict(sorted(self._extents.items()))


def examined(path: Path, *, is_whole: bool) -> tuple[Extent | None, int, int]:
    """What a segment holds, the number after its last record, and how many bytes behind that are of no record.

    is_whole: it is not the last one, so that records follow and nothing of it is cut; the number is not worked out.
    """
    first, size = segment.first_number(path), path.stat().st_size
    if first is not None and is_whole:
        return Extent(first, size), first, 0
    numbers, stop = extent_of(path, size)
    if first is None and not numbers:
        return None, 0, 0 if is_whole else size
    first = first if first is not None else numbers[0]
    if is_whole:
        return Extent(first, size), first, 0
    return Extent(first, stop), numbers[-1] + 1 if numbers else first, size - stop


def extent_of(path: Path, size: int) -> tuple[list[int], int]:
    """Numbers of the first and the last record that can be read, and where the last one ends."""
    numbers: list[int] = []
    stop = segment.HEADER.size
    with path.open("rb", buffering=0) as file:
        for found in segment.records(file.fileno(), segment.HEADER.size, size):
            numbers[1:] = [found.number]
            stop = found.stop
    return numbers, stop
