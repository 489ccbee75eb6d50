"""Where a capture's bytes come from: a file, a pipe, a file that is still being written. Blocks, never mapped."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import BinaryIO

POLL_SECONDS = 0.05


class FileBytes:
    """A finished file, or a decompressed one: reads until its end."""

    is_live = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw

    def read(self, target: memoryview, seconds: float | None) -> int | None:
        """Bytes read into target, 0 at the end. A file never makes one wait: `seconds` means nothing here."""
        return self._raw.readinto(target)  # type: ignore[attr-defined, no-any-return]

    def is_replaced(self) -> bool:
        """A finished file is not."""
        return False

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()


STDIN = 0


class PipeBytes:
    """Standard input or a named pipe: bytes come when the writer sends them."""

    is_live = True

    def __init__(self, raw: BinaryIO, stopped: Event) -> None:
        self._raw = raw  # kept open
        self._descriptor = raw.fileno()
        self._stopped = stopped

    def read(self, target: memoryview, seconds: float | None) -> int | None:
        """Bytes read into target, 0 at the end, None where none came within `seconds` (None: as long as it takes)."""
        until = None if seconds is None else time.monotonic() + seconds
        while not self._stopped.is_set():  # per wait
            left = POLL_SECONDS if until is None else min(POLL_SECONDS, until - time.monotonic())
            if select.select([self._descriptor], [], [], max(0.0, left))[0]:
                return os.readv(self._descriptor, [target])
            if until is not None and time.monotonic() >= until:
                return None
        return 0

    def is_replaced(self) -> bool:
        """A pipe is not."""
        return False

    def close(self) -> None:
        """Closes a named pipe; standard input stays open: it is not ours."""
        if self._descriptor != STDIN:
            self._raw.close()


class GrowingBytes:
    """A file that another program still writes: at its end one waits for more, until it is replaced or cut."""

    is_live = True

    def __init__(self, path: str, raw: BinaryIO, stopped: Event) -> None:
        self._path = Path(path)
        self._raw = raw
        self._stopped = stopped

    def read(self, target: memoryview, seconds: float | None) -> int | None:
        """As of PipeBytes; 0 where the path now names another file, or this one became shorter."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:  # per poll of the file
            replaced = self.is_replaced()  # asked first: what was written before the change is still read
            if count := self._raw.readinto(target):  # type: ignore[attr-defined]
                return int(count)
            if self._stopped.is_set() or replaced:
                return 0
            if until is not None and time.monotonic() >= until:
                return None
            # Not stopped.wait(): a signal handler that sets the event while its lock is held here would wait for ever.
            time.sleep(POLL_SECONDS if until is None else max(0.001, min(POLL_SECONDS, until - time.monotonic())))

    def is_replaced(self) -> bool:
        """Whether the path names a new file, or the file was cut to start again."""
        try:
            now, mine = self._path.stat(), os.fstat(self._raw.fileno())
        except OSError:  # rotated away, the next file is not there yet
            return False
        return (now.st_ino, now.st_dev) != (mine.st_ino, mine.st_dev) or mine.st_size < self._raw.tell()

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()


class WatchedBytes:
    """A file of a watched folder, perhaps still being written: says at once that nothing is there, until `finish`.

    A ring buffer may write anew into a file that is being read. What is read counts only while the file still begins
    as it did (`is_same`, asked after each read); from then on the file is `overwritten` and its bytes end.
    `taken`: bytes read that count.
    """

    is_live = True

    def __init__(self, raw: BinaryIO, is_same: Callable[[int], bool]) -> None:
        self._raw = raw
        self._is_same = is_same
        self._is_finished = False
        self.overwritten = False
        self.taken = 0

    def read(self, target: memoryview, seconds: float | None) -> int | None:
        """Bytes read into target, None where there are none now, 0 at the end. It never waits."""
        if self.overwritten:
            return 0
        count = self._raw.readinto(target)  # type: ignore[attr-defined]
        if self.size < self.taken or not self._is_same(self._raw.fileno()):
            self.overwritten = True
            return 0
        self.taken += int(count)
        return int(count) if count or self._is_finished else None

    @property
    def size(self) -> int:
        """The file's size now."""
        return os.fstat(self._raw.fileno()).st_size

    def finish(self) -> None:
        """Nothing more will be written: the next read that finds nothing is the end."""
        self._is_finished = True

    def is_replaced(self) -> bool:
        """The watch over the folder finds out, not this."""
        return False

    def close(self) -> None:
        """Closes the file."""
        self._raw.close()


Bytes = FileBytes | PipeBytes | GrowingBytes | WatchedBytes
