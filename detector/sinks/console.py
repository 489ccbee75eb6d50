"""Alerts for a person at a terminal: two lines each, aligned, coloured by level, readable at 100 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from detector.alerts.alert import Alert
from detector.columns import printable

COLOURS = {"informational": "dim", "low": "cyan", "medium": "yellow", "high": "red", "critical": "bold white on red"}
SHORT = {"informational": "info"}
TIME_WIDTH, LEVEL_WIDTH, TITLE_WIDTH, ENDS_WIDTH = 12, 8, 38, 39  # with the blanks between them 100 columns
INDENT = TIME_WIDTH + 1 + LEVEL_WIDTH + 1
NARROWEST = 24


class ConsoleTable:
    """Writes to the given console, by default standard output. `limit` alerts at most, then says how many were not.

    What is too long is folded on a terminal, at its width; in a pipe a line stays whole, for grep.
    """

    name = "console"

    def __init__(self, console: Console | None = None, limit: int = 0) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._limit = limit
        self._written = 0
        self._heading = ""

    def write(self, alerts: Sequence[Alert]) -> None:
        """Prints the alerts, a line with date and capture before the first of each. At once: rich takes its time to begin."""
        shown = alerts[: max(0, self._limit - self._written)] if self._limit else alerts
        self._written += len(alerts)
        if shown:
            self._console.print(*(line for alert in shown for line in self._lines(alert)), sep="\n")

    def close(self) -> None:
        """Says how many alerts were left out of the table."""
        if self._limit and self._written > self._limit:
            self._console.print(Text(f"... and {self._written - self._limit} more alerts", style="dim"))

    def _lines(self, alert: Alert) -> Iterator[Text]:
        """The lines of an alert."""
        moment = datetime.fromtimestamp(alert.time_ns // 10**9, UTC)
        heading = f"{moment:%Y-%m-%d} UTC  {printable(path_of(alert))}".rstrip()
        if heading != self._heading:
            self._heading = heading
            for text in folded(self._console, heading, 0):
                yield Text(text, style="bold")
        title, ends = printable(alert.rule.title), f"{alert.source} > {alert.destination}"
        fits = cell_len(title) <= TITLE_WIDTH and cell_len(ends) <= ENDS_WIDTH
        if self._console.is_terminal:
            fits = fits and INDENT + TITLE_WIDTH + 1 + cell_len(ends) <= self._console.width
        titles = [set_cell_size(title, TITLE_WIDTH)] if fits else folded(self._console, title, INDENT)
        level = alert.rule.level
        line = Text(f"{moment:%H:%M:%S}.{alert.time_ns % 10**9 // 10**6:03d} ")
        line.append(f"{SHORT.get(level, level):<{LEVEL_WIDTH}}", style=COLOURS[level])
        line.append(f" {titles[0]}", style="bold")
        yield line.append(f" {ends}") if fits else line
        for text in titles[1:]:
            yield Text(f"{'':<{INDENT}}{text}", style="bold")
        number = f"packet {alert.document['packet']['number']}"
        below = [] if fits else folded(self._console, ends, INDENT)
        for text in [*below, *folded(self._console, detail_of(alert), INDENT)]:
            yield Text(f"{number:<{INDENT}}{text}", style="dim")
            number = ""


def folded(console: Console, text: str, indent: int) -> list[str]:
    """The lines of a text that begin in a column, at a terminal's width; in a pipe one line."""
    if not console.is_terminal:
        return [text]
    return [line.plain.rstrip() for line in Text(text).wrap(console, max(NARROWEST, console.width - indent))]


def path_of(alert: Alert) -> str:
    """The capture of an alert, empty where its packet came from none."""
    return str(alert.document.get("log", {}).get("file", {}).get("path", ""))


def detail_of(alert: Alert) -> str:
    """The sentence of an alert, and what its limit or its rule's state has to say."""
    detail = printable(alert.message)
    if alert.match.stood_for:
        detail += f" (and {alert.match.stood_for:,} alike since the last one)"
    return f"{detail} [{alert.match.note}]" if alert.match.note else detail
