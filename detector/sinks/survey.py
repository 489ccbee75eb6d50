"""The spool as commands show it: where each destination is, what waits, what was refused. Reads beside a running daemon."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from detector.errors import InputError
from detector.sinks import position
from detector.sinks.delivery import FOLDER
from detector.sinks.quarantine import NAME, Quarantine
from detector.sinks.reader import Place, SpoolReader


@dataclass(frozen=True)
class Standing:
    """One destination. oldest_ns: when its oldest waiting alert was appended, 0 for none. reasons: of what is in its
    quarantine, the most frequent first. problem: why its position cannot be read."""

    name: str
    place: Place
    waiting: int
    oldest_ns: int
    delivered: int
    lost: int
    quarantined: int
    retried: int
    reasons: list[tuple[str, int]]
    problem: str = ""


@dataclass(frozen=True)
class Survey:
    """A spool: its bytes on disk, its first and last place, its destinations by name."""

    size: int
    first: Place
    end: Place
    standings: list[Standing]


def survey(folder: Path) -> Survey:
    """What is in a spool's folder.

    Raises:
        InputError: there is no spool.
    """
    try:
        reader = SpoolReader(folder)
    except FileNotFoundError:
        raise InputError(f"{folder}: no spool is there", hint="it lies in the folder `state` of detector.yml, once a daemon has run") from None  # fmt: skip
    standings = [standing(reader, folder / FOLDER / name) for name in destinations(folder)]
    return Survey(reader.size, reader.first, reader.end, standings)


def destinations(folder: Path) -> list[str]:
    """Names of all destinations that a spool knows, also of those that are no longer configured."""
    below = folder / FOLDER
    return sorted(path.name for path in below.iterdir() if path.is_dir()) if below.is_dir() else []


def quarantine_of(folder: Path, name: str) -> Quarantine:
    """The quarantine of a destination: `listed`, `retry`, `drop`.

    Raises:
        InputError: the spool knows no destination of this name.
    """
    if name not in (known := destinations(folder)):
        raise InputError(f"{folder}: no destination {name!r}", hint=f"there are: {', '.join(known) or 'none'}")
    return Quarantine(folder / FOLDER / name)


def standing(reader: SpoolReader, folder: Path) -> Standing:
    """Where one destination is."""
    quarantine = Quarantine(folder)
    reasons = (
        Counter(one.reason for one in quarantine.listed() if not one.is_retried)
        if (folder / NAME).exists()
        else Counter()
    )
    tally = quarantine.tally
    try:
        found, problem = position.load(folder / "position.json"), ""
    except (OSError, ValueError) as error:
        found, problem = None, str(error)
    if found is None:
        return Standing(folder.name, reader.end, tally.retried, 0, tally.delivered, tally.dropped, tally.kept, tally.retried,
                        reasons.most_common(), problem)  # fmt: skip
    start = max(found.acknowledged.number, reader.first.number)
    settled = sum(number >= start for number in found.settled)
    waiting = max(0, reader.end.number - start - settled)
    oldest = reader.read(found.acknowledged, 1) if waiting else []
    return Standing(
        folder.name, found.acknowledged, waiting + tally.retried, oldest[0].time_ns if oldest else 0,
        found.delivered + tally.delivered, sum(found.lost.values()) + tally.dropped, tally.kept, tally.retried,
        reasons.most_common(), problem,
    )  # fmt: skip
