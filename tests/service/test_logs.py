"""The daemon's log as a person or a collector reads it: one record a line, bounded, without secrets, with a limit."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from detector.service.logs import JsonFormatter, Logs, LogSettings
from detector.settings import Secret

log = logging.getLogger("detector.capture.ring")


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def opened(clock: Clock | None = None, **settings: Any) -> Iterator[tuple[Logs, io.StringIO]]:
    stream = io.StringIO()
    logs = Logs(LogSettings(**settings), stream, clock or Clock())
    try:
        yield logs, stream
    finally:
        logs.close()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_has_time_level_logger_message_and_fields() -> None:
    with opened() as (_, stream):
        log.warning(
            "source %s is down",
            "eth1",
            extra={"source": "eth1", "packets": np.int64(5), "lag": np.float32(0.5), "why": None},
        )
    (line,) = lines(stream)
    assert line.pop("ts").endswith("Z") and list(line)[:3] == ["level", "logger", "message"]
    assert line == {"level": "warning", "logger": "detector.capture.ring", "message": "source eth1 is down",
                    "source": "eth1", "packets": 5, "lag": 0.5, "why": None}  # fmt: skip


def test_a_traceback_is_a_field_of_the_same_line() -> None:
    with opened() as (_, stream):
        try:
            raise ValueError("first\nsecond")
        except ValueError:
            log.exception("failed")
    (line,) = lines(stream)
    assert (
        line["level"] == "error"
        and "Traceback" in line["traceback"]
        and line["traceback"].endswith("ValueError: first\nsecond")
    )


def test_what_the_network_says_cannot_steer_a_terminal_or_make_lines() -> None:
    nasty = 'a\nb\x1b[2J\x9b\u202e\u2028\ud800"end'
    with opened() as (_, stream):
        log.warning("bad %s", nasty, extra={"text": nasty})
    written = stream.getvalue()
    assert written.count("\n") == 1 and written[:-1].isprintable()
    assert json.loads(written)["text"] == nasty and json.loads(written)["message"] == f"bad {nasty}"
    with opened(format="console") as (_, stream):
        log.warning("bad %s", nasty, extra={"text": nasty})
        try:
            raise ValueError(nasty)
        except ValueError:
            log.exception("worse")
    assert all(line.isprintable() for line in stream.getvalue().split("\n"))
    assert "a\\nb\\x1b[2J" in stream.getvalue() and stream.getvalue().count("detector.capture.ring") == 2


def test_secrets_are_never_printed() -> None:
    secret = Secret("hunter2", "file /etc/detector/es")
    for form in ("json", "console"):
        with opened(format=form) as (_, stream):
            log.warning("using %s", secret, extra={"key": secret, "all": {"one": [secret]}, "same": (secret,)})
        assert (
            "hunter2" not in stream.getvalue() and stream.getvalue().count("<secret from file /etc/detector/es>") == 4
        )


def test_long_texts_are_cut_and_say_so() -> None:
    with opened() as (_, stream):
        log.warning(
            "x%s", "y" * 100_000, extra={"text": "z" * 100_000, "many": list(range(10**5)), "deep": [[[[[[1]]]]]]}
        )
    assert len(stream.getvalue()) < 10_000 and "more)" in lines(stream)[0]["message"]


def test_levels_and_libraries() -> None:
    with opened(level="warning") as (_, stream):
        log.info("no")
        log.warning("yes")
        logging.getLogger("elastic_transport").info("no")
        logging.getLogger("elastic_transport").warning("yes")
    assert [line["message"] for line in lines(stream)] == ["yes", "yes"]


def test_a_message_that_repeats_itself_is_held_back_and_counted() -> None:
    clock = Clock()
    with opened(clock, limit=3) as (logs, stream):
        for number in range(123):
            log.warning("drop %d", number)
        log.error("another")
        assert [line["message"] for line in lines(stream)] == ["drop 0", "drop 1", "drop 2", "another"]
        assert logs.suppressed == 120
        clock.now += 61
        logs.tick()
        last = lines(stream)[-1]
        assert (last["message"], last["level"], last["suppressed"]) == (
            "drop %d ... and 120 more in the last minute",
            "warning",
            120,
        )
        log.warning("drop %d", 1000)
        assert lines(stream)[-1]["message"] == "drop 1000"
        for number in range(5):
            log.warning("drop %d", number)
    assert lines(stream)[-1]["message"] == "drop %d ... and 3 more in the last minute"
    assert logs.suppressed == 123


def test_messages_that_are_all_different_are_limited_too() -> None:
    """A message put together before it is logged has no template of its own."""
    with opened(limit=5) as (logs, stream):
        for number in range(5000):
            log.warning(f"drop {number}")
        assert len(lines(stream)) + logs.suppressed == 5000 and len(lines(stream)) < 1010


def test_no_limit_where_it_is_0() -> None:
    with opened(limit=0) as (logs, stream):
        for number in range(100):
            log.warning("drop %d", number)
    assert len(lines(stream)) == 100 and logs.suppressed == 0


def test_console_lines_are_for_people() -> None:
    with opened(format="console") as (_, stream):
        log.warning("source is down", extra={"source": "eth 1", "packets": 5})
    assert stream.getvalue()[25:] == 'warning  detector.capture.ring: source is down  source="eth 1"  packets=5\n'


def test_a_stream_that_fails_ends_nothing() -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    logs = Logs(LogSettings(), Full(), Clock())
    try:
        log.warning("one")
    finally:
        logs.close()
    assert logs.unwritten == 1


def test_a_wrong_template_is_shown_with_its_arguments() -> None:
    record = logging.makeLogRecord({"msg": "two %d %d", "args": (1,), "levelname": "INFO"})
    assert json.loads(JsonFormatter().format(record))["message"] == "two %d %d (1,)"


def test_threads_and_warnings_come_into_the_log() -> None:
    with opened() as (_, stream):
        thread = threading.Thread(target=lambda: 1 / 0, name="sink es")
        thread.start()
        thread.join()
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("old", stacklevel=1)
    thread_line, warning_line = lines(stream)
    assert thread_line["thread_name"] == "sink es" and "ZeroDivisionError" in thread_line["traceback"]
    assert warning_line["logger"] == "py.warnings" and "old" in warning_line["message"]


def test_closing_leaves_logging_as_it_was() -> None:
    before = logging.getLogger().level, list(logging.getLogger().handlers), threading.excepthook
    with opened():
        pass
    assert (logging.getLogger().level, list(logging.getLogger().handlers), threading.excepthook) == before


PROGRAM = """
import logging
from detector.service.logs import Logs, LogSettings
logs = Logs(LogSettings())
logging.getLogger("detector").error("bad")
logging.getLogger("detector").info("good")
"""


def test_journal_gets_priorities_and_a_pipe_json(tmp_path: Path) -> None:
    place = tmp_path / "journal"
    with place.open("wb") as journal:
        found = os.fstat(journal.fileno())
        environment = os.environ | {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        subprocess.run([sys.executable, "-c", PROGRAM], stderr=journal, env=environment, check=True)
    assert [line[:4] for line in place.read_text().splitlines()] == ["<3>{", "<6>{"]
    done = subprocess.run([sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, env=environment, check=True)
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()] == ["error", "info"]
