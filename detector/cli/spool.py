"""`detector spool`: alerts that wait for a destination, and those that one refused; beside a running daemon or without one."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from detector.cli.options import amount
from detector.cli.page import BAD, ago, clock, size, table
from detector.cli.running import named_path
from detector.cli.terminal import Terminal
from detector.columns import printable
from detector.errors import InputError
from detector.service.privileges import Identity, acting_as
from detector.sinks.quarantine import Quarantine, Refused
from detector.sinks.survey import Standing, Survey, quarantine_of, survey

USUAL = "/var/lib/detector"
MOST_REASONS = 5  # of one destination


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "action",
        choices=("list", "retry", "drop"),
        metavar="list|retry|drop",
        help="list: where each destination is, or what is in the quarantine of one; retry: have refused alerts delivered "
        "again; drop: throw refused alerts away",
    )
    parser.add_argument(
        "destination", nargs="?", metavar="DESTINATION", help="its name; of `list` every one unless given"
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="event.id of refused alerts; all of them unless given")
    parser.add_argument("--config", metavar="FILE", help="the daemon's configuration, which names its folder of state")
    parser.add_argument("--state", metavar="PATH", help=f"that folder itself (default: {USUAL})")
    parser.add_argument("--json", action="store_true", help="of `list`: one JSON object in place of a page")


def run(arguments: argparse.Namespace) -> int:
    """Lists, or changes a quarantine; 1 where an alert that was named is not in it."""
    folder = spool_folder(arguments)
    if arguments.action == "list":
        if arguments.ids:
            raise InputError("`spool list` takes a destination and no ids")
        return show(folder, arguments.destination, is_json=arguments.json)
    if not arguments.destination:
        raise InputError(f"`spool {arguments.action}` needs a destination", hint="detector spool list names them")
    if arguments.json:
        raise InputError("--json goes with `spool list`")
    with acting_as(owner(folder)):  # what root writes here the daemon could not read
        return change(quarantine_of(folder, arguments.destination), arguments)


def spool_folder(arguments: argparse.Namespace) -> Path:
    """Where the spool is. Raises InputErrors where the configuration cannot be read."""
    if arguments.state or not arguments.config:
        return Path(arguments.state or USUAL) / "spool"
    return named_path(Path(arguments.config), "state", USUAL) / "spool"


def owner(folder: Path) -> Identity:
    """Whose a folder is. Raises InputError where there is none."""
    try:
        found = folder.stat()
    except FileNotFoundError:
        survey(folder)  # says it
        raise
    return Identity(found.st_uid, found.st_gid)


def show(folder: Path, destination: str | None, *, is_json: bool) -> int:
    """All destinations, or the quarantine of one."""
    if destination is None:
        found = survey(folder)
        shown: Any = as_json(folder, found)
        lines = page(folder, found, time.time())
    else:
        refused = quarantine_of(folder, destination).listed()
        shown = {"destination": destination, "quarantine": [refused_as_json(one) for one in refused]}
        lines = refused_page(destination, refused)
    if is_json:
        print(json.dumps(shown, indent=2))
        return 0
    console = Terminal()
    for line in lines:
        console.print(line)
    return 0


def page(folder: Path, found: Survey, now: float) -> Iterator[Text]:
    """Where each destination is."""
    yield Text(f"{printable(str(folder))}: {size(found.size)}, alerts {found.first.number:,} to {found.end.number:,}")
    if not found.standings:
        yield Text("  no destination: no daemon with `alerts` has run on it")
        return
    rows = [(one.name, f"{one.place.number:,}", f"{one.waiting:,}", ago(one.oldest_ns / 1e9, now) if one.oldest_ns else "-",
             f"{one.delivered:,}", f"{one.lost:,}", f"{one.quarantined:,}", f"{one.retried:,}") for one in found.standings]  # fmt: skip
    styles = [BAD if one.problem or one.quarantined else "" for one in found.standings]
    heading = ("destination", "position", "waiting", "oldest", "delivered", "lost", "quarantined", "to be retried")
    yield from table(heading, rows, set(range(1, len(heading))), styles)
    for one in found.standings:
        yield from details(one)


def details(one: Standing) -> Iterator[Text]:
    """What is wrong with a destination."""
    name = printable(one.name)
    if one.problem:
        yield Text(f"    {name}: its position cannot be read: {printable(one.problem)}", style=BAD)
    for reason, count in one.reasons[:MOST_REASONS]:
        yield Text(f"    {name}: {count:,} refused: {printable(reason)}")
    if len(one.reasons) > MOST_REASONS:
        yield Text(f"    ... and {len(one.reasons) - MOST_REASONS:,} more reasons: detector spool list {name}")


def refused_page(destination: str, refused: Sequence[Refused]) -> Iterator[Text]:
    """What is in the quarantine of one destination."""
    yield Text(f"{printable(destination)}: {amount(len(refused), 'alert')} in quarantine")
    if refused:
        rows = [(one.record.id, clock(one.time_ns / 1e9), "to be retried" if one.is_retried else "kept", one.reason)
                for one in refused]  # fmt: skip
        yield from table(("event.id", "refused", "state", "reason"), rows)


def as_json(folder: Path, found: Survey) -> dict[str, Any]:
    """The same for scripts. Times are Unix times in seconds, 0 for none."""
    destinations = [
        {"name": one.name, "position": one.place.number, "waiting": one.waiting, "oldest": one.oldest_ns / 1e9,
         "delivered": one.delivered, "lost": one.lost, "quarantined": one.quarantined, "to_be_retried": one.retried,
         "reasons": dict(one.reasons), "problem": one.problem}
        for one in found.standings
    ]  # fmt: skip
    return {"folder": str(folder), "bytes": found.size, "first": found.first.number, "end": found.end.number,
            "destinations": destinations}  # fmt: skip


def refused_as_json(one: Refused) -> dict[str, Any]:
    """One refused alert with its document."""
    return {"id": one.record.id, "time": one.time_ns / 1e9, "reason": one.reason, "to_be_retried": one.is_retried,
            "document": json.loads(one.record.body)}  # fmt: skip


def change(quarantine: Quarantine, arguments: argparse.Namespace) -> int:
    """Retries or drops, and says how many."""
    ids = set(arguments.ids) or None
    there = {one.record.id for one in quarantine.listed()}
    if arguments.action == "retry":
        count = quarantine.retry(ids)
        print(
            f"{arguments.destination}: {amount(count, 'alert')} to be delivered again, by the daemon that runs or the next one"
        )
    else:
        count = quarantine.drop(ids)
        print(f"{arguments.destination}: {amount(count, 'alert')} dropped, counted as lost")
    missing = sorted((ids or set()) - there)
    if missing:
        print(f"not in its quarantine: {', '.join(missing)}")
    return 1 if missing else 0
