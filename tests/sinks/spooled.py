"""Records with numbers, spools of any size, and a destination that keeps what it gets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from detector.settings import settings_of
from detector.sinks.delivery import Counts, Delivery, DeliverySettings
from detector.sinks.destination import Destination, Receipt, Record
from detector.sinks.spool import Spool, SpoolSettings

BOUNDS = (0.01, 0.1, 1.0)
FAST = DeliverySettings(first_wait=10**6, longest_wait=2 * 10**7)


def record(number: int, size: int = 0) -> Record:
    document = {"event": {"id": f"id-{number}"}, "message": f"alert {number}", "filling": "x" * size}
    return Record(f"id-{number}", json.dumps(document).encode())


def numbered(count: int, first: int = 0, size: int = 0) -> list[Record]:
    return [record(number, size) for number in range(first, first + count)]


def ids(records: Sequence[Record]) -> list[str]:
    return [one.id for one in records]


@contextmanager
def spool_at(folder: Path, holders: Sequence[str] = (), **settings: object) -> Iterator[Spool]:
    spool = Spool(folder, SpoolSettings(**settings), holders)  # type: ignore[arg-type]
    try:
        yield spool
    finally:
        spool.close()


@contextmanager
def delivery_of(
    spool: Spool, *destinations: Destination, settings: DeliverySettings = FAST, is_started: bool = True
) -> Iterator[Delivery]:
    delivery = Delivery(spool, destinations, settings, bounds=BOUNDS)
    if is_started:
        delivery.start()
    try:
        yield delivery
    finally:
        delivery.close()


def adds_up(counts: Counts) -> bool:
    """The loss budget."""
    return counts.appended == counts.delivered + counts.waiting + counts.quarantined + sum(counts.lost.values())


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Waits for what another thread does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.005)


class Keeping:
    """Keeps the records; `behave` may raise, or return a receipt, instead."""

    def __init__(self, name: str = "keeping", batch: int = 10) -> None:
        self.name = name
        self.batch = batch
        self.records: list[Record] = []
        self.calls: list[tuple[list[str], bool]] = []
        self.behave: Callable[[Sequence[Record]], Receipt | None] = lambda records: None
        self.reopened = self.closed = 0
        self.thread = 0

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        self.calls.append((ids(records), is_resent))
        self.thread = threading.get_ident()
        if (receipt := self.behave(records)) is not None:
            gone = {one.id for one in [*receipt.again, *(refused for refused, _ in receipt.refused)]}
            self.records += [one for one in records if one.id not in gone]
            return receipt
        self.records += records
        return Receipt(len(records))

    def reopen(self) -> None:
        self.reopened += 1

    def close(self) -> None:
        self.closed += 1


def defaults_within_bounds(declared: type) -> bool:
    """Whether no default of a settings class would be refused in a configuration."""
    for name, told in settings_of(declared).items():
        default = declared.__dataclass_fields__[name].default  # type: ignore[attr-defined]
        if told.choices and default not in told.choices:
            return False
        if isinstance(default, int) and not (told.least or 0) <= default <= (told.most or default):
            return False
    return True
