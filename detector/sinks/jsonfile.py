"""Destination: a file of JSON lines, one alert a line, that grows over restarts and is rotated."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detector.settings import setting
from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.files import write_all

log = logging.getLogger(__name__)

TAIL_BYTES = 4 << 20  # of a file, at least, in which alerts are looked for that may have been written already
PACKED = (".gz", ".xz", ".bz2", ".zst")


@dataclass(frozen=True)
class JsonFileSettings:
    """What the configuration says of a file of alerts."""

    path: str = setting("path", "the file; its folder must be there", example="/var/log/detector/alerts.jsonl")
    name: str = setting("text", "name of this destination in metrics and in the spool", "jsonl")
    rotate: int = setting(
        "size", "size beyond which the file is renamed to `.1` (and `.1` to `.2`) and begun anew; 0 leaves that to "
        "logrotate, followed by SIGHUP", 0, least=0,
    )  # fmt: skip
    keep: int = setting("number", "how many renamed files are kept", 10, least=1, most=1000)
    sync: bool = setting("flag", "force the alerts to the disk before they count as delivered", True)
    batch: int = setting("number", "alerts that are written at once", 1000, least=1, most=10_000)


class JsonFile:
    """Appends to the file; other programs may read it, and rename it before SIGHUP.

    A line that was being written when the machine stopped is cut off when the file is opened. Alerts that may have been
    written before a crash are looked for in the last lines of the file and of the two that were renamed last.
    """

    def __init__(self, settings: JsonFileSettings) -> None:
        self.name = settings.name
        self.batch = settings.batch
        self._settings = settings
        self._path = Path(settings.path)
        self._file = -1

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        """Appends those that are not there.

        Raises:
            Unavailable: the file takes none; what was written of them is taken back.
        """
        try:
            if self._file >= 0 and not is_named(self._path, self._file):
                self.reopen()
            if self._file < 0:
                self._open()
            new = self._without_written(records) if is_resent else records
            size = os.fstat(self._file).st_size
            data = b"".join(record.body + b"\n" for record in new)
            if self._settings.rotate and size and size + len(data) > self._settings.rotate:
                self._rotate()
            self._append(data)
        except OSError as error:
            self.reopen()
            raise Unavailable("io", f"{self._path}: {error.strerror}") from None
        return Receipt(len(records))

    def reopen(self) -> None:
        """The next alerts go to the file that has the name then."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """Closes the file."""
        self.reopen()

    def _open(self) -> None:
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        size = os.fstat(self._file).st_size
        if not size or os.pread(self._file, 1, size - 1) == b"\n":
            return
        start, last = last_line(self._file, size)
        if last.startswith(b"{") and id_of(last) is None:
            log.warning("%s: an unfinished line of %d bytes is cut off", self._path, len(last))
            os.ftruncate(self._file, start)
        else:
            write_all(self._file, b"\n")

    def _append(self, data: bytes) -> None:
        size = os.fstat(self._file).st_size
        try:
            write_all(self._file, data)
            if self._settings.sync:
                os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def _rotate(self) -> None:
        """alerts.jsonl becomes alerts.jsonl.1, that one .2, and so on; the last one goes."""
        self.reopen()
        for number in range(self._settings.keep, 0, -1):
            older = self._numbered(number - 1) if number > 1 else self._path
            if older.exists():
                older.replace(self._numbered(number))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _without_written(self, records: Sequence[Record]) -> list[Record]:
        most = max(TAIL_BYTES, 2 * sum(len(record.body) + 1 for record in records))
        written: set[str] = set()
        for path in [self._path, *renamed(self._path)[:2]]:
            written.update(ids_in_tail(path, most))
        return [record for record in records if record.id not in written]


def is_named(path: Path, file: int) -> bool:
    """Whether an open file still has this name: nobody renamed or removed it."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def renamed(path: Path) -> list[Path]:
    """Files that had this name before: `alerts.jsonl.1`, `alerts.jsonl-20260101`; the latest first, packed ones not."""
    found = [
        (other.stat().st_mtime_ns, other)
        for other in path.parent.iterdir()
        if other.name.startswith((f"{path.name}.", f"{path.name}-")) and other.suffix not in PACKED and other.is_file()
    ]
    return [other for _, other in sorted(found, reverse=True)]


def ids_in_tail(path: Path, most: int) -> Iterable[str]:
    """Ids of the alerts in the last bytes of a file."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - most))
            lines = file.read().split(b"\n")
    except FileNotFoundError:
        return []
    return [found for line in lines if (found := id_of(line)) is not None]


def id_of(line: bytes) -> str | None:
    """event.id of a document, None where it is none."""
    try:
        return str(json.loads(line)["event"]["id"])
    except (ValueError, KeyError, TypeError):
        return None


def last_line(file: int, size: int) -> tuple[int, bytes]:
    """Where the text behind the last newline begins, and that text."""
    length = 4096
    while True:
        start = max(0, size - length)
        data = os.pread(file, size - start, start)
        if (at := data.rfind(b"\n")) >= 0 or start == 0:
            return start + at + 1, data[at + 1 :]
        length *= 4
