"""What a live source gives, packet by packet, for tests."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from detector.capture.batch import Batch
from detector.capture.source import LiveSource


@dataclass(frozen=True)
class Got:
    """One packet."""

    data: bytes
    time: int
    wire_length: int
    interface: int
    number: int
    link_type: int
    is_unsummed: bool


def packets_of(batch: Batch) -> list[Got]:
    """The packets of a batch."""
    unsummed = [False] * len(batch) if batch.is_unsummed is None else batch.is_unsummed.tolist()
    columns = (
        batch.starts,
        batch.stops,
        batch.times,
        batch.wire_lengths,
        batch.interfaces,
        batch.numbers,
        batch.link_types,
    )
    rows = zip(*(column.tolist() for column in columns), unsummed, strict=True)
    return [Got(batch.buffer[start:stop].tobytes(), *rest) for start, stop, *rest in rows]


def drained(source: LiveSource) -> list[Got]:
    """What has arrived so far; the source ends."""
    source.stop()
    return [one for batch in source.batches() for one in packets_of(batch)]


def gathered(source: LiveSource, is_enough: Callable[[list[Got]], bool], seconds: float = 15.0) -> list[Got]:
    """Packets until there are enough, and those that have arrived by then; the source ends. Fails after `seconds`."""
    until, found = time.monotonic() + seconds, list[Got]()
    for batch in source.batches():
        found += packets_of(batch)
        if is_enough(found):
            source.stop()
        elif time.monotonic() > until:
            source.stop()
            raise AssertionError(f"only {len(found)} packets after {seconds} s: {source.report}")
    return found


def seen(source: LiveSource) -> int:
    """Packets that reached the sensor."""
    return source.report.packets + source.report.dropped.total()
