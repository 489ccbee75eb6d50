"""Alerts for a person at a terminal: two lines each, aligned, coloured by level, readable at 100 columns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.text import Text

from detector.alerts.alert import Alert

COLOURS = {"informational": "dim", "low": "cyan", "medium": "yellow", "high": "red", "critical": "bold white on red"}
TIME_WIDTH, LEVEL_WIDTH, ENDS_WIDTH = 12, 8, 34
INDENT = TIME_WIDTH + 1 + LEVEL_WIDTH + 1


class ConsoleTable:
    """Writes to the given console, by default standard output. `limit` alerts at most, then says how many were not."""

    name = "console"

    def __init__(self, console: Console | None = None, limit: int = 0) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._limit = limit
        self._written = 0
        self._day = ""

    def write(self, alerts: Sequence[Alert]) -> None:
        """Prints the alerts, a line with the date before the first of each day."""
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
        if (day := f"{moment:%Y-%m-%d}") != self._day:
            self._day = day
            self._console.print(Text(f"{day} UTC", style="bold"))
        level = alert.rule.level
        line = Text(f"{moment:%H:%M:%S}.{alert.time_ns % 10**9 // 10**6:03d} ")
        line.append(f"{SHORT.get(level, level):<{LEVEL_WIDTH}}", style=COLOURS[level])
        line.append(f" {alert.source + ' > ' + alert.destination:<{ENDS_WIDTH}} ")
        line.append(alert.rule.title, style="bold")
        self._console.print(line)
        detail = " " * INDENT + alert.message
        if alert.match.stood_for:
            detail += f" (and {alert.match.stood_for} alike before it)"
        if alert.match.note:
            detail += f" [{alert.match.note}]"
        self._console.print(Text(detail, style="dim"))


SHORT = {"informational": "info"}
