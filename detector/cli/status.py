"""`detector status`: how the running daemon is, as a page or as JSON."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator

from rich.text import Text

from detector.cli.options import amount
from detector.cli.page import BAD, GOOD, ago, by_cause, clock, duration, size, table
from detector.cli.running import add_daemon_options, connect, status_of
from detector.cli.terminal import Terminal
from detector.columns import printable
from detector.service.status import Status

MOST_NAMED = 10  # of a list of rules


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_daemon_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object, as docs/operations.md describes it")


def run(arguments: argparse.Namespace) -> int:
    """Prints the status; 0 where the daemon is healthy, 1 where it is not."""
    with connect(arguments) as client:
        status = status_of(client)
    if arguments.json:
        print(json.dumps(status, indent=2))
    else:
        console = Terminal()
        for line in page(status, time.time()):
            console.print(line)
    return 0 if is_healthy(status) else 1


def is_healthy(status: Status) -> bool:
    """Whether every condition of being ready holds."""
    return status["ready"] and all(check["ok"] for check in status["checks"])


def page(status: Status, now: float) -> Iterator[Text]:
    """The lines of the page."""
    yield from head(status, now)
    yield from sources(status, now)
    yield from rules(status)
    yield from delivery(status)
    yield from operations(status, now)


def head(status: Status, now: float) -> Iterator[Text]:
    """What it is, and whether it is well."""
    verdict = ("healthy", GOOD) if is_healthy(status) else ("not healthy", BAD)
    yield Text.assemble(f"detector {printable(status['version'])} on {printable(status['sensor'])}: ", verdict)
    workers = status["workers"]
    restarts = f" ({amount(workers['restarts'], 'restart')})" if workers["restarts"] else ""
    yield Text(f"  up {duration(now - status['started'])}, since {clock(status['started'])}; process {status['pid']}, "
               f"{amount(workers['count'], 'worker')}{restarts}, {size(status['memory_bytes'])} of memory")  # fmt: skip
    for check in status["checks"]:
        if not check["ok"]:
            yield Text(f"  {printable(check['name'])}: {printable(check['why'])}", style=BAD)


def sources(status: Status, now: float) -> Iterator[Text]:
    """Where packets come from."""
    yield Text("\nsources", style="bold")
    rows = [(one["name"], one["kind"], "up" if one["up"] else "down", f"{one['packets']:,}", size(one["bytes"]), duration(one["lag_seconds"]),
             ago(one["last_packet"], now), str(one["reconnects"]), by_cause(one["dropped"])) for one in status["sources"]]  # fmt: skip
    styles = ["" if one["up"] else BAD for one in status["sources"]]
    yield from table(
        ("name", "kind", "state", "packets", "bytes", "lag", "last packet", "reopened", "dropped"),
        rows,
        {3, 4, 5, 6, 7},
        styles,
    )


def rules(status: Status) -> Iterator[Text]:
    """What is looked for, and what is not."""
    found, overload = status["rules"], status["overload"]
    yield Text("\nrules", style="bold")
    yield Text(
        f"  {found['active']:,} active, {len(found['inactive']):,} inactive, {len(found['shed']):,} off under overload"
    )
    yield from some([f"inactive: {one['title']}: {one['why']}" for one in found["inactive"]])
    yield from some([f"off: {title}" for title in found["shed"]], BAD)
    yield from some(
        [f"{amount(one['count'], 'error')}: {one['title']} ({one['rule']})" for one in found["errors"]], BAD
    )
    if overload["level"]:
        yield Text(f"  overload, step {overload['level']}: {printable(', '.join(overload['shed']))}", style=BAD)


def some(lines: list[str], style: str = "") -> Iterator[Text]:
    """The first of them, and how many more there are."""
    for line in lines[:MOST_NAMED]:
        yield Text(f"    {printable(line)}", style=style)
    if len(lines) > MOST_NAMED:
        yield Text(f"    ... and {len(lines) - MOST_NAMED:,} more: detector status --json", style=style)


def delivery(status: Status) -> Iterator[Text]:
    """Spool and sinks."""
    spool = status["spool"]
    yield Text("\nalerts", style="bold")
    yield Text(f"  spool: {size(spool['bytes'])} of {size(spool['limit'])}")
    if not status["sinks"]:
        return
    rows = [(one["name"], one["kind"], "up" if one["up"] else "down", f"{one['delivered']:,}", f"{one['waiting']:,}",
             duration(one["oldest_seconds"]) if one["waiting"] else "-", f"{one['quarantined']:,}", by_cause(one["lost"]), by_cause(one["failures"]))
            for one in status["sinks"]]  # fmt: skip
    styles = ["" if one["up"] else BAD for one in status["sinks"]]
    yield from table(
        ("sink", "kind", "state", "delivered", "waiting", "oldest", "quarantined", "lost", "failures"),
        rows,
        {3, 4, 5, 6},
        styles,
    )
    for one in status["sinks"]:
        if one["last_error"]:
            yield Text(f"    {printable(one['name'])}: {printable(one['last_error'])}", style="" if one["up"] else BAD)


def operations(status: Status, now: float) -> Iterator[Text]:
    """Reloads and checkpoints."""
    reload, checkpoint = status["reload"], status["checkpoint"]
    yield Text("\noperations", style="bold")
    if reload["result"]:
        changes = ", ".join(
            f"{len(titles):,} {what}" for what, titles in reload["diff"].items() if isinstance(titles, list) and titles
        )
        details = "; ".join(printable(part) for part in (reload["message"], changes) if part)
        yield Text(f"  last reload: {printable(reload['result'])}, {ago(reload['time'], now)}{': ' if details else ''}{details}",
                   style=BAD if reload["result"] == "failed" else "")  # fmt: skip
    else:
        yield Text("  last reload: none")
    is_bad = bool(checkpoint["time"]) and not checkpoint["ok"]
    message = f": {printable(checkpoint['message'])}" if checkpoint["message"] else ""
    yield Text(
        f"  last checkpoint: {'failed, ' if is_bad else ''}{ago(checkpoint['time'], now)}{message}",
        style=BAD if is_bad else "",
    )
