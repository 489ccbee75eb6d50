"""Alerts counted by rule: the gravest first, when they began and ended, within the terminal's width."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from detector.alerts.alert import Alert
from detector.rules.model import LEVELS
from detector.sinks import SINKS, Summary
from tests.alerts.made import made
from tests.flows.frames import SYN, tcp
from tests.rules.written import id_of
from tests.sinks.terminals import console, plain, shown

SECOND = 10**9


def of(alert: Alert, number: int, level: str, title: str, seconds: int = 0) -> Alert:
    rule = replace(alert.rule, id=id_of(number), level=level, title=title)
    return replace(alert, rule=rule, match=replace(alert.match, rule=rule), time_ns=alert.time_ns + seconds * SECOND)


@pytest.fixture
def alert(tmp_path: Path) -> Alert:
    return made(tmp_path, tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), SYN))


def test_the_gravest_first_then_the_most_frequent(alert: Alert) -> None:
    alerts = [of(alert, 1, "low", "Often", n) for n in range(3)] + [of(alert, 2, "critical", "Grave")]
    alerts += [of(alert, 3, "low", "Seldom", 5), of(alert, 4, "low", "Rare", 5)]
    target = console()
    assert plain(shown(Summary(target), target, alerts[:2], alerts[2:])) == [
        "",
        "level          alerts  first                last                 rule",
        "critical            1  2024-05-01 08:00:00  2024-05-01 08:00:00  Grave",
        "low                 3  2024-05-01 08:00:00  2024-05-01 08:00:02  Often",
        "low                 1  2024-05-01 08:00:05  2024-05-01 08:00:05  Rare",
        "low                 1  2024-05-01 08:00:05  2024-05-01 08:00:05  Seldom",
    ]


def test_without_an_alert_there_is_no_table() -> None:
    target = console()
    assert shown(Summary(target), target, [], []) == []


@pytest.mark.parametrize(
    "title", ["Short", "A rule whose title has more words than a terminal has columns " * 2, "中" * 60, "x" * 200]
)
def test_nothing_wraps(title: str, alert: Alert) -> None:
    target = console()
    found = plain(
        shown(
            Summary(target),
            target,
            [of(alert, 1, level, title) for level in LEVELS[:1]],
            [of(alert, 2, "high", "Next")],
        )
    )
    assert all(cell_len(line) <= 100 for line in found)
    assert "".join("".join(line[65:] for line in found[3:]).split()) == "".join(title.split()), "nothing is left out"
    assert found[2].endswith("  Next")


def test_in_a_pipe_a_rule_is_one_line_without_colours(alert: Alert) -> None:
    target = console(is_terminal=False)
    found = shown(Summary(target), target, [of(alert, 1, "high", "A title " * 20)])
    assert len(found) == 3 and found == plain(found)


def test_a_title_steers_no_terminal(alert: Alert) -> None:
    target = console()
    found = plain(shown(Summary(target), target, [of(alert, 1, "high", "\x1b[2J[red]x[/red]\n")]))
    assert all(line.isprintable() for line in found) and found[-1].endswith(r"\x1b[2J[red]x[/red]\n")


def test_files_are_written_before_people_are_told() -> None:
    assert [sink.name for sink in SINKS] == ["jsonl", "console", "summary"]
