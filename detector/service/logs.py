"""The daemon's own log on standard error: JSON lines for machines, or lines for people, with a limit for each message.

Modules log as usual, `log.warning("source %s is down", name, extra={"source": name})`: what is in `extra` becomes a field
(logging raises where a field is named as one of its own: name, args, module, process, thread ...).
The limit is by logger and message template, so one that repeats itself cannot fill a disk; what it held back is counted and
said. Texts are bounded and their control characters escaped: some of them come from the network.
"""

from __future__ import annotations

import json
import logging
import numbers
import os
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from detector.columns import printable
from detector.settings import setting

LEVELS = ("debug", "info", "warning", "error")
WINDOW_SECONDS = 60.0
MOST_TEMPLATES = 1000  # that are told apart by the limit
LONGEST_MESSAGE, LONGEST_FIELD, LONGEST_TRACEBACK = 4000, 2000, 16000
PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7))
COLOURS = {"DEBUG": "2", "INFO": "0", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}

Key = tuple[str, str]


@dataclass(frozen=True)
class LogSettings:
    """The daemon's own log, on standard error."""

    level: str = setting("text", "the least grave that is written", "info", choices=LEVELS)
    format: str = setting("text", "json: one object a line; console: for people; auto: console on a terminal, else json",
                          "auto", choices=("auto", "json", "console"))  # fmt: skip
    limit: int = setting("number", "lines of one message within a minute; what is held back is counted and said; 0: no limit",
                         20, least=0, most=100_000)  # fmt: skip


class Logs:
    """The log of this process, from `open_logs` to `close`."""

    def __init__(
        self, settings: LogSettings, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        stream = stream or sys.stderr
        is_console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
        formatter = ConsoleFormatter(stream.isatty()) if is_console else JsonFormatter()
        self._handler = LimitedHandler(stream, formatter, settings.limit, clock)
        self._root, self._own = logging.getLogger(), logging.getLogger("detector")
        self._before = self._root.level, self._own.level, threading.excepthook
        self._root.addHandler(self._handler)
        self._root.setLevel(logging.WARNING)  # of libraries
        self._own.setLevel(settings.level.upper())
        logging.captureWarnings(True)
        threading.excepthook = log_thread_failure

    @property
    def suppressed(self) -> int:
        """Lines held back so far: detector_log_suppressed_total."""
        return self._handler.suppressed

    @property
    def unwritten(self) -> int:
        """Lines that standard error did not take."""
        return self._handler.unwritten

    def tick(self) -> None:
        """Says what was held back in minutes that are over; to be called now and then."""
        self._handler.sweep()

    def close(self) -> None:
        """Says what was held back, and leaves logging as it was."""
        self._handler.sweep(is_end=True)
        self._root.removeHandler(self._handler)
        root, own, threading.excepthook = self._before
        self._root.setLevel(root)
        self._own.setLevel(own)
        logging.captureWarnings(False)
        self._handler.close()


@dataclass
class Window:
    """A minute of one message. level: the gravest that was held back."""

    began: float
    passed: int = 0
    held: int = 0
    level: int = logging.NOTSET


class LimitedHandler(logging.Handler):
    """Writes at most `limit` records of one logger and template within a minute. A stream that fails ends nothing."""

    def __init__(self, stream: TextIO, formatter: logging.Formatter, limit: int, clock: Callable[[], float]) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.suppressed = 0
        self.unwritten = 0
        self._stream = stream
        self._limit = limit
        self._clock = clock
        self._windows: OrderedDict[Key, Window] = OrderedDict()  # in the order in which they began
        self._has_priorities = is_journal(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the record, or counts it. Called with the handler's lock held."""
        self._sweep(self._clock())
        if not self._limit or self._passes(record):
            self._write(record)

    def sweep(self, *, is_end: bool = False) -> None:
        """Closes the minutes that are over, at the end all of them."""
        with self.lock or threading.RLock():
            self._sweep(float("inf") if is_end else self._clock())

    def _passes(self, record: logging.LogRecord) -> bool:
        key = (record.name, record.msg if isinstance(record.msg, str) else type(record.msg).__name__)
        if key not in self._windows and len(self._windows) >= MOST_TEMPLATES:
            key = (record.name, "")  # messages that are put together before they are logged share one limit
            if key not in self._windows and len(self._windows) > 2 * MOST_TEMPLATES:
                self._close(*self._windows.popitem(last=False))
        window = self._windows.setdefault(key, Window(self._clock()))
        if window.passed < self._limit:
            window.passed += 1
            return True
        window.held += 1
        window.level = max(window.level, record.levelno)
        self.suppressed += 1
        return False

    def _sweep(self, now: float) -> None:
        while self._windows:
            key = next(iter(self._windows))
            if now - self._windows[key].began < WINDOW_SECONDS:
                return
            self._close(key, self._windows.pop(key))

    def _close(self, key: Key, window: Window) -> None:
        if window.held:
            message = f"{key[1] or 'other messages'} ... and {window.held:,} more in the last minute"
            record = logging.LogRecord(key[0], window.level, "", 0, message, None, None)
            record.suppressed = window.held
            self._write(record)

    def _write(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
            if self._has_priorities:
                line = "\n".join(f"<{priority_of(record.levelno)}>{part}" for part in line.split("\n"))
            self._stream.write(line + "\n")
            self._stream.flush()
        # A full disk, a pipe without a reader, a field that cannot be shown: there is nowhere to say it.
        except Exception:  # noqa: BLE001
            self.unwritten += 1


class JsonFormatter(logging.Formatter):
    """ts, level, logger, message, then the fields of `extra`, then the traceback; one line."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line: dict[str, Any] = {
            "ts": moment_of(record), "level": record.levelname.lower(), "logger": record.name, "message": message_of(record),
        }  # fmt: skip
        line |= {name: plain(value) for name, value in fields_of(record) if name not in line}
        if trace := traceback_of(record):
            line["traceback"] = trace
        return escaped(json.dumps(line, ensure_ascii=False))


class ConsoleFormatter(logging.Formatter):
    """Time, level, logger, message, fields as name=value; the traceback on lines of its own below."""

    def __init__(self, is_coloured: bool) -> None:
        super().__init__()
        self._is_coloured = is_coloured

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines of a record."""
        level = f"{record.levelname.lower():<8}"
        if self._is_coloured:
            level = f"\x1b[{COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        fields = "".join(f"  {printable(name)}={shown(plain(value))}" for name, value in fields_of(record))
        lines = [f"{moment_of(record)} {level} {record.name}: {printable(message_of(record))}{fields}"]
        lines += [f"    {printable(line)}" for line in traceback_of(record).splitlines()]
        return "\n".join(lines)


def moment_of(record: logging.LogRecord) -> str:
    """UTC, to the millisecond."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message_of(record: logging.LogRecord) -> str:
    """The message with its arguments; a wrong template is shown with them."""
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        message = f"{record.msg} {record.args!r}"
    return cut(message, LONGEST_MESSAGE)


def fields_of(record: logging.LogRecord) -> Iterator[tuple[str, Any]]:
    """What was given as `extra`."""
    return ((name, value) for name, value in vars(record).items() if name not in PLAIN)


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON may hold it, bounded. A Secret becomes the text that says where it came from."""
    match value:
        case None | bool():
            return value
        case str():
            return cut(value, LONGEST_FIELD)
        case numbers.Integral():
            return int(value)
        case numbers.Real() if float("-inf") < float(value) < float("inf"):
            return float(value)
        case Mapping() if depth < 4:
            return {cut(str(name), LONGEST_FIELD): plain(one, depth + 1) for name, one in list(value.items())[:100]}
        case list() | tuple() | set() | frozenset() if depth < 4:
            return [plain(one, depth + 1) for one in list(value)[:100]]
        case _:
            return cut(str(value), LONGEST_FIELD)


def shown(value: Any) -> str:
    """A field's value for people."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return json.dumps(text, ensure_ascii=False) if " " in text or not text else printable(text)


def traceback_of(record: logging.LogRecord) -> str:
    """The traceback, its end where it is long; empty where there is none."""
    if not record.exc_info or record.exc_info[1] is None:
        return ""
    text = "".join(traceback.format_exception(record.exc_info[1])).rstrip()
    return text if len(text) <= LONGEST_TRACEBACK else "... " + text[-LONGEST_TRACEBACK:]


def cut(text: str, most: int) -> str:
    """The beginning of a text that is too long, and how much was left out."""
    return text if len(text) <= most else f"{text[:most]} ... ({len(text) - most:,} more)"


def escaped(line: str) -> str:
    """A line of JSON whose unprintable characters, which stand inside of strings only, are written as JSON escapes."""
    if line.isprintable():
        return line
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in line)


def is_journal(stream: TextIO) -> bool:
    """Whether what is written goes to systemd's journal, which reads <3> before a line as its priority."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or a stream in memory
        return False
    return (str(found.st_dev), str(found.st_ino)) == (device, inode)


def priority_of(level: int) -> int:
    """The priority of syslog."""
    return next(priority for least, priority in PRIORITIES if level >= least)


def log_thread_failure(failure: threading.ExceptHookArgs) -> None:
    """A thread that ends with an exception says so in the log."""
    if failure.exc_value is not None and not isinstance(failure.exc_value, SystemExit):
        name = failure.thread.name if failure.thread else ""
        logging.getLogger("detector").error("a thread ended with an exception", exc_info=failure.exc_value, extra={"thread_name": name})  # fmt: skip
