"""`detector test-alert`: one marked alert through the running daemon, and which destinations have it."""

from __future__ import annotations

import argparse
import sys

from detector.cli.page import BAD, GOOD, table
from detector.cli.running import add_daemon_options, connect
from detector.cli.terminal import Terminal
from detector.errors import InputError

SECONDS = 30
MOST_SECONDS = 600
ARRIVED = "delivered"  # what the daemon says of a destination that has confirmed it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_daemon_options(parser)
    parser.add_argument(
        "--seconds",
        type=int,
        default=SECONDS,
        metavar="N",
        help=f"how long to wait for destinations (default: {SECONDS})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints what became of it at each destination; 1 where one has not confirmed it."""
    if not 1 <= arguments.seconds <= MOST_SECONDS:
        raise InputError(f"--seconds must be from 1 to {MOST_SECONDS}, not {arguments.seconds}")
    with connect(arguments) as client:
        reply = client.ask("test-alert", timeout=arguments.seconds + 10.0, seconds=arguments.seconds)
    sinks: dict[str, str] = reply["sinks"]
    if not sinks:
        print("alerts go nowhere: `alerts` in the daemon's configuration names no destination", file=sys.stderr)
        return 1
    console = Terminal()
    console.print(f"test alert, event.id {reply['id']}")
    rows = [(name, said if said in (ARRIVED, "waits") or said.startswith("refused") else f"waits: {said}")
            for name, said in sorted(sinks.items())]  # fmt: skip
    styles = [GOOD if said == ARRIVED else BAD for _, said in rows]
    for line in table(("destination", f"after {arguments.seconds} seconds at most"), rows, styles=styles):
        console.print(line)
    missing = [name for name, said in rows if said != ARRIVED]
    if missing:
        console.print("what waits is delivered later; what was refused: detector spool list")
    return 1 if missing else 0
