"""Alerts on a terminal: aligned, coloured by level, within its width; nothing from the network steers it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from detector.alerts.alert import Alert
from detector.rules.model import LEVELS
from detector.sinks import ConsoleTable
from detector.sinks.console import COLOURS
from tests.alerts.made import hostile, made
from tests.flows.frames import SYN, tcp
from tests.sinks.terminals import console, plain, shown

SHORT = tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), SYN)
LONG = tcp(("fe80:1111:2222:3333:4444:5555:6666:7777", 40000), ("fe80:1111:2222:3333:4444:5555:6666:8888", 50200), SYN)


def changed(alert: Alert, title: str = "", level: str = "", message: str = "", path: str = "") -> Alert:
    rule = replace(alert.rule, title=title or alert.rule.title, level=level or alert.rule.level)
    document = {**alert.document, "log": {"file": {"path": path}}} if path else alert.document
    return replace(
        alert, rule=rule, match=replace(alert.match, rule=rule), message=message or alert.message, document=document
    )


def lines(*alerts: Alert, width: int = 100, is_terminal: bool = True) -> list[str]:
    target = console(width, is_terminal)
    return shown(ConsoleTable(target), target, alerts)


def test_two_lines_an_alert_below_day_and_capture(tmp_path: Path) -> None:
    alert = changed(made(tmp_path, SHORT), "Modbus write", "high", "10.0.0.1 wrote", "a.pcap")
    assert plain(lines(alert, alert)) == [
        "2024-05-01 UTC  a.pcap",
        *2 * [
            "08:00:00.123 high     Modbus write                           10.0.0.1 > 10.0.0.2:502",
            "packet 1              10.0.0.1 wrote",
        ],
    ]  # fmt: skip


def test_a_new_capture_or_day_has_its_heading(tmp_path: Path) -> None:
    first, second = (changed(made(tmp_path, SHORT), path=path) for path in ("a.pcap", "b.pcap"))
    third = replace(second, time_ns=second.time_ns + 86400 * 10**9)
    found = [line for line in plain(lines(first, first, second, third)) if "UTC" in line]
    assert found == ["2024-05-01 UTC  a.pcap", "2024-05-01 UTC  b.pcap", "2024-05-02 UTC  b.pcap"]


TITLES = [
    "Short",
    "T" * 38,
    "T" * 39,
    "A title of so many words that no column could ever hold them all " * 3,
    "中" * 19,
    "中" * 20,
    "w" * 150,
    "é" * 38,
]
MESSAGES = ["", "one", "word " * 60, "x" * 300, "中文" * 80, "a" + "\u0301" * 20, "😀 " * 60, "1 2  3"]


@pytest.mark.parametrize("width", [80, 100, 137])
@pytest.mark.parametrize("frame", [SHORT, LONG], ids=["short ends", "long ends"])
def test_nothing_wraps_and_columns_stand_below_each_other(frame: bytes, width: int, tmp_path: Path) -> None:
    """A terminal that wraps a line for us breaks it anywhere, and the columns are gone."""
    alert = made(tmp_path, frame)
    for title in TITLES:
        for message in MESSAGES:
            for level in LEVELS:
                found = plain(lines(changed(alert, title, level, message, "captures/" + "long-" * 30), width=width))
                assert all(cell_len(line) <= width for line in found), (title, message, found)
                body = found[next(at for at, line in enumerate(found) if line.startswith("08:00:00")) :]
                assert all(line[:22].strip() == "" or line.startswith(("08:00:00.123 ", "packet 1  ")) for line in body)
                assert all(line[21] == " " and line[22:23].strip() for line in body if line.strip()), body
                text = "".join("".join(line[22:] for line in body).split())
                assert "".join(title.split()) in text and "".join(message.split()) in text, "nothing is left out"


def test_ends_stand_in_one_column_where_they_fit(tmp_path: Path) -> None:
    alert = made(tmp_path, SHORT)
    for title in ("Short", "T" * 38, "é" * 38, "中" * 19):
        line = next(line for line in plain(lines(changed(alert, title))) if line.startswith("08"))
        assert cell_len(line[: line.index("10.0.0.1")]) == 61


def test_in_a_pipe_a_line_stays_whole_and_has_no_colour(tmp_path: Path) -> None:
    """For grep and cut."""
    alert = changed(made(tmp_path, LONG), "A title " * 20, message="word " * 100, path="p" * 200)
    found = lines(alert, is_terminal=False)
    assert found == plain(found)
    assert found[0] == "2024-05-01 UTC  " + "p" * 200
    assert found[1].endswith("A title " * 20) or found[1].endswith(("A title " * 20).rstrip())
    assert [line[22:].strip() for line in found[2:]] == [
        f"{alert.source} > {alert.destination}",
        ("word " * 100).strip(),
    ]


@pytest.mark.parametrize("level", LEVELS)
def test_the_level_has_its_colour(level: str, tmp_path: Path) -> None:
    """And only the level: an alert is found by its colour before it is read."""
    codes = {"informational": "2", "low": "36", "medium": "33", "high": "31", "critical": "1;37;41"}
    line = next(line for line in lines(changed(made(tmp_path, SHORT), level=level)) if line.startswith("08"))
    word = "info" if level == "informational" else level
    assert f"\x1b[{codes[level]}m{word}" in line
    assert set(codes) == set(COLOURS) == set(LEVELS)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_nothing_of_the_network_steers_the_terminal(is_terminal: bool, tmp_path: Path) -> None:
    """A device that names itself `ESC [2J` must not clear the screen of who watches it; nor rich's markup, nor a rule's title."""
    alert = hostile(tmp_path)
    for odd in (
        alert,
        changed(alert, title="\x1b[2J\nTitle\x07", path="\x1b[2Jx\r.pcap"),
        changed(alert, message="[red]x[/red] :smile: [/]"),
    ):
        found = plain(lines(odd, is_terminal=is_terminal))
        assert all(line.isprintable() for line in found), found
    assert any("[red]x[/red] :smile: [/]" in line for line in found)
    assert any(r"\x1b[2J\x07\r\n\t" in line for line in plain(lines(alert, is_terminal=is_terminal)))


def test_what_the_limit_and_the_state_have_to_say(tmp_path: Path) -> None:
    alert = made(tmp_path, SHORT)
    told = replace(alert, match=replace(alert.match, stood_for=12345, note="its memory is full"))
    assert plain(lines(told))[-1].strip() == "packet 1              A rule (and 12,345 alike since the last one) [its memory is full]"  # fmt: skip


def test_a_limit_of_lines_says_how_many_were_left_out(tmp_path: Path) -> None:
    alert = made(tmp_path, SHORT)
    target = console()
    found = plain(shown(ConsoleTable(target, limit=2), target, [alert], [alert, alert], [alert]))
    assert sum(line.startswith("08:00:00") for line in found) == 2
    assert found[-1] == "... and 2 more alerts"
