"""JSON lines: one ECS document a line, flushed batch by batch."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from detector.alerts.alert import Alert
from detector.errors import InputError


class JsonLines:
    """Writes to a file, made anew, or to standard output where the path is "-"."""

    name = "jsonl"

    def __init__(self, path: str) -> None:
        try:
            self._file = sys.stdout if path == "-" else Path(path).open("w", encoding="utf-8")  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise InputError(f"{path}: cannot write alerts: {error.strerror}", hint="--alerts takes a file") from None

    def write(self, alerts: Sequence[Alert]) -> None:
        """Appends the documents and flushes."""
        self._file.writelines(
            json.dumps(alert.document, ensure_ascii=False, separators=(",", ":")) + "\n" for alert in alerts
        )
        self._file.flush()

    def close(self) -> None:
        """Closes the file, standard output stays open."""
        if self._file is not sys.stdout:
            self._file.close()
