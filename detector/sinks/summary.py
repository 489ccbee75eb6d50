"""Alerts counted by rule: the table at the end of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from detector.alerts.alert import Alert
from detector.alerts.ecs import timestamp
from detector.rules.model import LEVELS
from detector.sinks.console import COLOURS


class Summary:
    """Counts alerts and those they stood for; prints one line a rule at the end, the gravest first."""

    name = "summary"

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False)
        self._counts: Counter[str] = Counter()
        self._first: dict[str, Alert] = {}
        self._last: dict[str, Alert] = {}

    def write(self, alerts: Sequence[Alert]) -> None:
        """Counts these alerts."""
        for alert in alerts:
            self._counts[alert.rule.id] += 1
            self._first.setdefault(alert.rule.id, alert)
            self._last[alert.rule.id] = alert

    def close(self) -> None:
        """Prints the table, nothing where no alert came."""
        if not self._counts:
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("level", "alerts", "first", "last", "rule"):
            table.add_column(name, justify="right" if name == "alerts" else "left", no_wrap=name != "rule")
        rules = [alert.rule for alert in self._first.values()]
        for rule in sorted(rules, key=lambda rule: (-LEVELS.index(rule.level), -self._counts[rule.id], rule.title)):
            times = (timestamp(found[rule.id].time_ns)[:19].replace("T", " ") for found in (self._first, self._last))
            table.add_row(Text(rule.level, style=COLOURS[rule.level]), str(self._counts[rule.id]), *times, rule.title)
        self._console.print(table)
