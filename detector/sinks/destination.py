"""Where spooled alerts go: the interface of destinations that may be away (a server), each fed from the spool.

A sink (sink.py) takes alerts at once, from a replay. A destination takes records of the spool, in their order, each time
those that it has not taken yet; sinks/delivery.py remembers how far each one is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

# Why a delivery failed; the label `cause` of a metric, so the set is fixed.
CAUSES = ("unreachable", "timeout", "tls", "refused", "busy", "blocked", "io", "error")


@dataclass(frozen=True, slots=True)
class Record:
    """One spooled alert. id: its event.id. body: its ECS document, one line of JSON in UTF-8 without the newline."""

    id: str
    body: bytes


@dataclass(frozen=True)
class Receipt:
    """What became of the records of one delivery: each is delivered (or was there already), refused for good with the
    reason, or to be tried again, and why."""

    delivered: int
    refused: Sequence[tuple[Record, str]] = ()
    again: Sequence[Record] = ()
    cause: str = ""  # of CAUSES, where there are some to be tried again
    why: str = ""


@dataclass
class Unavailable(Exception):
    """Nothing is known to have arrived, or the answer was lost. after: seconds that the other side asked one to wait."""

    cause: str  # of CAUSES
    why: str
    after: float | None = None
    args: tuple[object, ...] = field(init=False, default=())

    def __str__(self) -> str:
        return self.why


class Destination(Protocol):
    """One file each, and one line in DESTINATIONS. Called from one thread of its own."""

    name: str  # of this destination in the configuration, unique: label `sink` of metrics, folder of its position
    batch: int  # records of one delivery at most

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        """Takes these records. is_resent: an earlier delivery of some of them may have arrived (its answer was lost, or
        the process ended before it came): what has arrived must not be written twice.

        Raises:
            Unavailable: to be tried again as a whole, as resent.
        """
        ...

    def reopen(self) -> None:
        """Opens files anew (SIGHUP, after rotation by another program) and forgets connections."""
        ...

    def close(self) -> None:
        """No more records will come."""
        ...
