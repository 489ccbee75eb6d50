"""Alerts for a person at a terminal: two lines each, aligned, coloured by level, readable at 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from detector.alerts.alert import Alert
from detector.columns import printable

COLOURS = {"informational": "dim", "low": "cyan", "medium": "yellow", "high": "red", "critical": "bold white on red"}
SHORT = {"informational": "info"}
TIME_WIDTH, LEVEL_WIDTH, TITLE_WIDTH, ENDS_WIDTH = 12, 8, 38, 39  # with the blanks between them 100 columns
INDENT = TIME_WIDTH + 1 + LEVEL_WIDTH + 1
NARROWEST = 40


class ConsoleTable:
    """Writes to the given console, by default standard output. `limit` alerts at most, then says how many were not.

    Long messages are folded on a terminal; in a pipe a line stays whole, for grep.
    """

    name = "console"

    def __init__(self, console: Console | None = None, limit: int = 0) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._limit = limit
        self._written = 0
        self._heading = ""

    def write(self, alerts: Sequence[Alert]) -> None:
        """Prints the alerts, a line with date and capture before the first of each."""
        for alert in alerts:
            self._written += 1
            if not self._limit or self._written <= self._limit:
                self._print(alert)

    def close(self) -> None:
        """Says how many alerts were left out of the table."""
        if self._limit and self._written > self._limit:
            self._console.print(Text(f"... and {self._written - self._limit} more alerts", style="dim"))

    def _print(self, alert: Alert) -> None:
        moment = datetime.fromtimestamp(alert.time_ns // 10**9, UTC)
        heading = f"{moment:%Y-%m-%d} UTC  {printable(alert.document['log']['file']['path'])}"
        if heading != self._heading:
            self._heading = heading
            self._console.print(Text(heading, style="bold"))
        level, ends = alert.rule.level, f"{alert.source} > {alert.destination}"
        line = Text(f"{moment:%H:%M:%S}.{alert.time_ns % 10**9 // 10**6:03d} ")
        line.append(f"{SHORT.get(level, level):<{LEVEL_WIDTH}}", style=COLOURS[level])
        fits = len(alert.rule.title) <= TITLE_WIDTH and len(ends) <= ENDS_WIDTH
        line.append(f" {alert.rule.title:<{TITLE_WIDTH}}" if fits else f" {alert.rule.title}", style="bold")
        self._console.print(line.append(f" {ends}") if fits else line)
        number = f"packet {alert.document['packet']['number']}"
        for text in [*([] if fits else [ends]), *self._folded(detail_of(alert))]:
            self._console.print(Text(f"{number:<{INDENT}}{text}", style="dim"))
            number = ""

    def _folded(self, text: str) -> list[str]:
        """The lines of a message."""
        if not self._console.is_terminal:
            return [text]
        return textwrap.wrap(text, max(NARROWEST, self._console.width - INDENT))


def detail_of(alert: Alert) -> str:
    """The sentence of an alert, and what its limit or its rule's state has to say."""
    detail = printable(alert.message)
    if alert.match.stood_for:
        detail += f" (and {alert.match.stood_for:,} alike since the last one)"
    return f"{detail} [{alert.match.note}]" if alert.match.note else detail
