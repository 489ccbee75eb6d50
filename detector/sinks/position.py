"""How far a destination is in the spool, and its counts: one small file each, replaced as a whole."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from detector.sinks.files import replace
from detector.sinks.reader import Place

ROOM = (
    16384  # bytes of the file: always the same, so that it can be overwritten where a full disk has no room for another
)


@dataclass
class Position:
    """acknowledged: every record before it is settled (delivered, quarantined or lost). settled: numbers of further ones
    that are. attempted: records before this number may have arrived. began: the number of the first record.

    The counts go over restarts: end of the spool - began = delivered + waiting + quarantined + lost.
    lost: by cause. unwritten: alerts that the spool had lost without a number when this destination began, by cause.
    """

    acknowledged: Place
    attempted: int
    began: int
    settled: list[int] = field(default_factory=list)
    delivered: int = 0
    refused: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    unwritten: dict[str, int] = field(default_factory=dict)
    success_ns: int = 0  # time of the last successful delivery

    def lose(self, cause: str, count: int) -> None:
        """Counts alerts that this destination will never get."""
        if count:
            self.lost[cause] = self.lost.get(cause, 0) + count

    def forget_from(self, end: Place) -> int:
        """Takes back that records from the spool's end on were settled: they are no longer there, others will have their
        numbers. Returns how many; what becomes of the others is resent, because attempted stays."""
        beyond = max(0, self.acknowledged.number - end.number)
        beyond += sum(number >= end.number for number in self.settled)
        if self.acknowledged.number > end.number:
            self.acknowledged = end
        self.settled = [number for number in self.settled if number < end.number]
        self.began -= beyond
        return beyond

    def save(self, path: Path, *, is_synced: bool) -> None:
        """Replaces the file; overwrites it where there is no room for a second one.

        Raises:
            OSError: neither was possible.
        """
        data = json.dumps(asdict(self)).encode().ljust(ROOM - 1) + b"\n"
        try:
            replace(path, data, is_synced=is_synced)
        except OSError:
            file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.pwrite(file, data, 0)
                os.ftruncate(file, len(data))
            finally:
                os.close(file)


def load(path: Path) -> Position | None:
    """The position in a file, None where there is no file.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        found = json.loads(path.read_bytes())
        return Position(**{**found, "acknowledged": Place(*found["acknowledged"])})
    except FileNotFoundError:
        return None
    except (TypeError, KeyError) as error:
        raise ValueError(f"not a position: {error}") from None
