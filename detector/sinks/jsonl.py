"""JSON lines: one ECS document a line, in UTF-8, flushed batch by batch."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from detector.alerts.alert import Alert
from detector.errors import InputError

# What JSON leaves as it is and should not be in a line that people list on a terminal or split with other tools: DEL and
# C1 controls, line and paragraph separators, marks that turn the direction of text; and halves of UTF-16 pairs, which
# file names that are no UTF-8 are full of.
UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class JsonLines:
    """Writes to a file, made anew, or to standard output where the path is "-"."""

    name = "jsonl"

    def __init__(self, path: str) -> None:
        self._path = path
        try:
            # Without a buffer: what could not be written is not tried again behind our back when the file is closed.
            self._file: BinaryIO = sys.stdout.buffer if path == "-" else Path(path).open("wb", buffering=0)  # type: ignore[assignment] # noqa: SIM115 - closed by close()
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise InputError(f"{path}: cannot write alerts: {why}", hint="--alerts takes a file") from None

    def write(self, alerts: Sequence[Alert]) -> None:
        """Appends the documents and flushes.

        Raises:
            InputError: the file takes no more.
            BrokenPipeError: nobody reads standard output any more.
        """
        left = memoryview(b"".join(line_of(alert) for alert in alerts))
        try:
            while left:
                left = left[self._file.write(left) :]
            self._file.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise InputError(f"{self._path}: cannot write alerts: {error.strerror}", hint="alerts up to here are in it") from None  # fmt: skip

    def close(self) -> None:
        """Closes the file, standard output stays open."""
        if self._path != "-":
            self._file.close()


def line_of(alert: Alert) -> bytes:
    """The document in one line of UTF-8."""
    return encoded(alert.document) + b"\n"


def encoded(document: Mapping[str, Any]) -> bytes:
    """A document as such a line, without its end."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return UNSAFE.sub(escaped, text).encode()


def escaped(found: re.Match[str]) -> str:
    """A character as JSON's escape; what is no character at all as the replacement character."""
    return "\ufffd" if "\ud800" <= found.group() <= "\udfff" else f"\\u{ord(found.group()):04x}"
