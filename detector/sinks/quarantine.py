"""Alerts that a destination refused for good, kept with the reason until a person has them delivered again or drops them.

One file of JSON lines for each destination. Its first line counts what has left it; each further line is a record:
number, id, time, reason, whether it is to be delivered again, and its document. A running daemon and the command
`detector spool` change it under a lock beside it, so the command works whether or not a daemon runs: a delivery looks
for records to be delivered again whenever the file has changed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from detector.sinks import files
from detector.sinks.destination import Record

NAME = "quarantine.jsonl"
DOCUMENT = b',"document":'  # cannot occur earlier in a line: quotes inside of texts are escaped
Key = tuple[int, str]  # number and id of a record


@dataclass(frozen=True, slots=True)
class Refused:
    """One record in quarantine. number: in the spool. is_retried: it waits to be delivered again."""

    record: Record
    number: int
    time_ns: int
    reason: str
    is_retried: bool = False

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.number, self.record.id

    def line(self) -> bytes:
        """Its line of the file."""
        said = {"number": self.number, "id": self.record.id, "time": self.time_ns, "reason": self.reason,
                "retry": self.is_retried}  # fmt: skip
        return json.dumps(said, separators=(",", ":")).encode()[:-1] + DOCUMENT + self.record.body + b"}\n"


@dataclass(frozen=True)
class Tally:
    """What is in a quarantine, and what has left it: delivered after all, dropped by a person."""

    kept: int = 0
    retried: int = 0
    delivered: int = 0
    dropped: int = 0


class Quarantine:
    """The quarantine of one destination, in its folder. Several processes may use it at once.

    Args:
        folder: the destination's own; made where it is missing.
        most_bytes: size of the file beyond which further records are not kept.
    """

    def __init__(self, folder: Path, most_bytes: int = 64 << 20) -> None:
        self._path = folder / NAME
        self._most_bytes = most_bytes
        self._signature: tuple[int, ...] = ()
        self._tally = Tally()
        self._keys: dict[Key, bool] = {}  # is_retried of each

    @property
    def tally(self) -> Tally:
        """How many there are, as of now."""
        self._look()
        return self._tally

    @property
    def keys(self) -> Collection[Key]:
        """The records that are in it."""
        self._look()
        return self._keys.keys()

    def add(self, refused: Sequence[Refused]) -> int:
        """Keeps these, once each. Returns how many found no room.

        Raises:
            OSError: it cannot be written; none is kept.
        """
        with self._locked():
            self._look()
            size = self._path.stat().st_size if self._path.exists() else 0
            data, keys, without_room = b"" if size else head_of(Tally()), {}, 0
            for one in refused:
                if one.key in self._keys or one.key in keys:
                    continue
                line = one.line()
                if size + len(data) + len(line) > self._most_bytes:
                    without_room += 1
                    continue
                data += line
                keys[one.key] = False
            if keys:
                self._append(size, data)
                self._keys |= keys
                self._tally = replace(self._tally, kept=self._tally.kept + len(keys))
                self._signature = signature(self._path)
            return without_room

    def listed(self) -> list[Refused]:
        """All records that are in it, the oldest first."""
        return list(entries(self._path))

    def to_retry(self, most: int) -> list[Refused]:
        """Records that somebody wants delivered again."""
        if not self.tally.retried:
            return []
        return [one for one in entries(self._path) if one.is_retried][:most]

    def settle(self, delivered: Collection[Key], refused: dict[Key, str]) -> None:
        """Takes out what has been delivered after all; keeps with the new reason what was refused again."""

        def settled(one: Refused) -> Refused | None:
            if one.key in delivered:
                return None
            return replace(one, reason=refused[one.key], is_retried=False) if one.key in refused else one

        self._change(settled, delivered=True)

    def retry(self, ids: Collection[str] | None = None) -> int:
        """Has these, or all, delivered again. Returns how many."""

        def asked(one: Refused) -> Refused | None:
            return replace(one, is_retried=True) if ids is None or one.record.id in ids else one

        return self._change(asked)

    def drop(self, ids: Collection[str] | None = None) -> int:
        """Throws these, or all, away, save those that wait to be delivered again. Returns how many."""

        def asked(one: Refused) -> Refused | None:
            return None if not one.is_retried and (ids is None or one.record.id in ids) else one

        return self._change(asked)

    def _change(self, change: Callable[[Refused], Refused | None], *, delivered: bool = False) -> int:
        """Writes the file anew. Returns how many records changed or left."""
        if not self._path.exists():
            return 0
        with self._locked():
            self._look()
            before = self.listed()
            after = [change(one) for one in before]
            left = after.count(None)
            changed = sum(old != new for old, new in zip(before, after, strict=True))
            if changed:
                key = "delivered" if delivered else "dropped"
                head = head_of(replace(self._tally, **{key: getattr(self._tally, key) + left}))
                lines = [one.line() for one in after if one is not None]
                files.replace(self._path, head + b"".join(lines), is_synced=True)
                self._look()
            return changed

    def _append(self, size: int, data: bytes) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            end = whole_size(self._path, size)
            if end < size:  # a line that was being written when the process ended
                os.ftruncate(file, end)
                size = end
            files.write_all(file, data)
            os.fsync(file)
        except OSError:
            os.ftruncate(file, size)
            raise
        finally:
            os.close(file)

    def _look(self) -> None:
        """Reads the file where somebody has changed it."""
        found = signature(self._path)
        if found == self._signature:
            return
        self._signature = found
        self._keys = {one.key: one.is_retried for one in entries(self._path)}
        retried = sum(self._keys.values())
        delivered, dropped = left_of(self._path)
        self._tally = Tally(len(self._keys) - retried, retried, delivered, dropped)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(self._path.with_name(f"{NAME}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)


def head_of(tally: Tally) -> bytes:
    """The first line of the file."""
    said = {"quarantine": 1, "delivered": tally.delivered, "dropped": tally.dropped}
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def left_of(path: Path) -> tuple[int, int]:
    """How many records were delivered and dropped, by the first line."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.readline())
        return int(found["delivered"]), int(found["dropped"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def entries(path: Path) -> Iterator[Refused]:
    """The records of a file; lines that are none (damaged, or being written) are passed over."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            head, mark, document = line.partition(DOCUMENT)
            if not mark or not document.endswith(b"}\n"):
                continue
            try:
                said = json.loads(head + b"}")
                record = Record(str(said["id"]), document[:-2])
                yield Refused(record, int(said["number"]), int(said["time"]), str(said["reason"]), bool(said["retry"]))
            except (ValueError, KeyError, TypeError):
                continue


def whole_size(path: Path, size: int) -> int:
    """Where the last whole line ends."""
    with path.open("rb") as file:
        while size:
            start = max(0, size - 65536)
            file.seek(start)
            if (at := file.read(size - start).rfind(b"\n")) >= 0:
                return start + at + 1
            size = start
    return 0


def signature(path: Path) -> tuple[int, ...]:
    """Changes whenever the file does."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0,)
    return found.st_ino, found.st_mtime_ns, found.st_size
