"""Alerts counted by rule: the table at the end of a replay."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from detector.alerts.alert import Alert
from detector.alerts.ecs import timestamp
from detector.columns import printable
from detector.rules.model import LEVELS
from detector.sinks.console import COLOURS, folded

LEVEL_WIDTH = max(map(len, LEVELS))


class Summary:
    """Counts alerts; prints one line a rule at the end, the gravest first."""

    name = "summary"

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
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
        heading = f"\n{'level':<{LEVEL_WIDTH}}  alerts  {'first':<19}  {'last':<19}  rule"
        self._console.print(Text(heading, style="bold"))
        rules = [alert.rule for alert in self._first.values()]
        for rule in sorted(rules, key=lambda rule: (-LEVELS.index(rule.level), -self._counts[rule.id], rule.title)):
            first, last = (seconds(found[rule.id]) for found in (self._first, self._last))
            line = Text(f"{rule.level:<{LEVEL_WIDTH}}", style=COLOURS[rule.level])
            line.append(f"  {self._counts[rule.id]:>6}  {first}  {last}  ", style="default")
            indent = line.cell_len
            for text in folded(self._console, printable(rule.title), indent):
                self._console.print(line.append(text, style="default"))
                line = Text(" " * indent)


def seconds(alert: Alert) -> str:
    """When an alert was, to the second."""
    return timestamp(alert.time_ns)[:19].replace("T", " ")
