"""`detector top`: what the running daemon does right now, renewed every second; in a pipe one page."""

from __future__ import annotations

import argparse
import contextlib
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Group
from rich.live import Live
from rich.text import Text

from detector.cli.page import BAD, GOOD, QUIET, ago, duration, size, table
from detector.cli.running import add_daemon_options, connect, status_of
from detector.cli.status import is_healthy
from detector.cli.terminal import Terminal
from detector.columns import printable
from detector.errors import InputError
from detector.service.control import ControlClient
from detector.service.signals import handled
from detector.service.status import Status

SECONDS, STEP_SECONDS = 1.0, 0.05  # between two pages, and between two looks for a signal
MOST_ROWS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_daemon_options(parser)
    parser.add_argument("--once", action="store_true", help="one page, of a second, as in a pipe")


@dataclass(frozen=True)
class Look:
    """The daemon at one moment, by the clock that only goes forward."""

    status: Status
    moment: float


def run(arguments: argparse.Namespace) -> int:
    """Shows the page until it is interrupted; 0."""
    console = Terminal()
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connect(arguments))
        before = look(client)
        time.sleep(SECONDS)
        if arguments.once or not console.is_terminal:
            for line in page(before, look(client), time.time()):
                console.print(line)
            return 0
        watch(console, client, arguments, before)
    return 0


def look(client: ControlClient) -> Look:
    """The daemon now."""
    return Look(status_of(client), time.monotonic())


def watch(console: Terminal, client: ControlClient, arguments: argparse.Namespace, before: Look) -> None:
    """Renews the page each second until SIGINT or SIGTERM; a daemon that has gone is waited for."""
    is_connected = True
    signals: list[bool] = []  # noted, not raised: an exception may come where it is lost, as inside of a destructor
    ends = dict.fromkeys((signal.SIGINT, signal.SIGTERM), lambda: signals.append(True))
    with handled(ends), Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live:
        while not signals:
            try:
                if not is_connected:
                    client = connect(arguments)
                    is_connected = True
                now = look(client)
                lines = list(page(before, now, time.time()))
                before = now
            except InputError as error:
                client.close()
                is_connected = False
                lines = [Text("waiting for the daemon:", style=BAD), Text(printable(error.problem))]
            for line in lines:
                line.no_wrap, line.overflow = True, "ellipsis"
            live.update(Group(*lines), refresh=True)
            until = time.monotonic() + SECONDS
            while not signals and time.monotonic() < until:
                time.sleep(STEP_SECONDS)


def page(before: Look, now: Look, wall: float) -> Iterator[Text]:
    """The lines of the page: rates between two looks, and totals."""
    status, seconds = now.status, max(1e-3, now.moment - before.moment)
    restarted = status["pid"] != before.status["pid"]
    earlier = now.status if restarted else before.status
    verdict = ("healthy", GOOD) if is_healthy(status) else ("not healthy", BAD)
    yield Text.assemble(f"detector {printable(status['version'])} on {printable(status['sensor'])}: ", verdict,
                        f", up {duration(wall - status['started'])}, {size(status['memory_bytes'])} of memory")  # fmt: skip
    if status["overload"]["level"]:
        yield Text(
            f"overload, step {status['overload']['level']}: {printable(', '.join(status['overload']['shed']))}",
            style=BAD,
        )
    yield from sources(earlier, status, seconds, wall)
    yield from rules(earlier, status, seconds)
    yield from talkers(status)
    yield from sinks(earlier, status, seconds)


def sources(before: Status, now: Status, seconds: float, wall: float) -> Iterator[Text]:
    """Packets, bytes and drops of each source."""
    earlier = {one["name"]: one for one in before["sources"]}
    rows, styles = [], []
    for one in now["sources"]:
        past = earlier.get(one["name"], one)
        dropped = sum(one["dropped"].values()) - sum(past["dropped"].values())
        rows.append((one["name"], rate(one["packets"] - past["packets"], seconds), f"{size((one['bytes'] - past['bytes']) / seconds)}/s",
                     rate(dropped, seconds), f"{sum(one['dropped'].values()):,}", duration(one["lag_seconds"]),
                     ago(one["last_packet"], wall) if one["up"] else "down"))  # fmt: skip
        styles.append(BAD if dropped or not one["up"] else "")
    yield Text("\nsources", style="bold")
    yield from table(
        ("name", "packets/s", "bytes", "drops/s", "drops", "lag", "last packet"), rows, {1, 2, 3, 4, 5, 6}, styles
    )


def rules(before: Status, now: Status, seconds: float) -> Iterator[Text]:
    """The rules with the most alerts."""
    yield Text("\nrules", style="bold")
    earlier = {one["rule"]: one for one in before["top"]["rules"]}
    rows = []
    for one in now["top"]["rules"][:MOST_ROWS]:
        past = earlier.get(one["rule"], one)
        rows.append(
            (
                one["level"],
                f"{one['alerts']:,}",
                rate(one["alerts"] - past["alerts"], seconds),
                f"{one['suppressed']:,}",
                one["title"],
            )
        )
    if rows:
        yield from table(("level", "alerts", "alerts/s", "suppressed", "title"), rows, {1, 2, 3})
    else:
        yield Text("  no alerts yet", style=QUIET)


def talkers(now: Status) -> Iterator[Text]:
    """The pairs of addresses with the most packets."""
    rows = [
        (f"{one['packets']:,}", size(one["bytes"]), one["source"], one["destination"])
        for one in now["top"]["talkers"][:MOST_ROWS]
    ]
    if rows:
        yield Text("\ntalkers", style="bold")
        yield from table(("packets", "bytes", "source", "destination"), rows, {0, 1})


def sinks(before: Status, now: Status, seconds: float) -> Iterator[Text]:
    """How alerts leave."""
    earlier = {one["name"]: one for one in before["sinks"]}
    rows = []
    for one in now["sinks"]:
        past = earlier.get(one["name"], one)
        rows.append((one["name"], "up" if one["up"] else "down", rate(one["delivered"] - past["delivered"], seconds), f"{one['waiting']:,}",
                     duration(one["oldest_seconds"]) if one["waiting"] else "-", f"{sum(one['lost'].values()):,}", one["last_error"]))  # fmt: skip
    yield Text("\nsinks", style="bold")
    yield Text(f"  spool {size(now['spool']['bytes'])} of {size(now['spool']['limit'])}")
    if rows:
        styles = ["" if one["up"] else BAD for one in now["sinks"]]
        yield from table(
            ("name", "state", "alerts/s", "waiting", "oldest", "lost", "last error"), rows, {2, 3, 4, 5}, styles
        )


def rate(count: float, seconds: float) -> str:
    """So many in a second; 0 where a total began anew."""
    found = max(0.0, count) / seconds
    return f"{found:,.0f}" if found >= 10 or found == 0 else f"{found:.1f}"
