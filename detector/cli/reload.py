"""`detector reload`: has the running daemon load rules, lists and variables anew, and shows what that changed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from detector.cli.options import amount
from detector.cli.running import add_daemon_options, connect
from detector.columns import printable
from detector.service.control import Refused

SECONDS = 150.0  # longer than the daemon waits for its own reload


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_daemon_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints what has changed; 1 where the daemon refused the new rules and goes on with those before."""
    with connect(arguments) as client:
        try:
            reply = client.ask("reload", timeout=SECONDS)
        except Refused as refusal:
            print(refusal, file=sys.stderr)
            return 1
    for line in page(reply):
        print(printable(line))
    return 0


def page(reply: Mapping[str, Any]) -> Iterator[str]:
    """The lines of the diff."""
    diff = reply["diff"]
    changes = [f"{len(diff[what])} {what}" for what in ("added", "removed", "changed") if diff[what]]
    if changes and reply["result"] != "ok":  # of two that were asked for at once the later one is taken
        yield str(reply["message"])
        return
    yield f"{', '.join(changes) or 'no rule has changed'}; {amount(reply['active'], 'rule')} active"
    for what in ("added", "removed", "changed", "inactive"):
        for title in diff[what]:
            yield f"  {what + ':':<10}{title}"
    if reply["restart"]:
        yield f"only a restart of the daemon changes {', '.join(reply['restart'])}"
