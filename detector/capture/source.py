"""Where packets come from: the interface of every source, and what a source has to say when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from detector.capture.batch import Batch

BATCH_PACKETS = 16384
BATCH_SECONDS = 0.1


@dataclass
class SourceReport:
    """What was read and what was not: `warnings` are sentences for people, `skipped_bytes` by cause."""

    packets: int = 0
    bytes: int = 0  # captured bytes of packets
    size_bytes: int = 0  # bytes of the input as stored, for a progress bar; 0: unknown
    read_bytes: int = 0  # of them read so far
    warnings: list[str] = field(default_factory=list)
    skipped_bytes: Counter[str] = field(default_factory=Counter)


class Source(Protocol):
    """Yields batches in capture order: full ones, or what there is after BATCH_SECONDS.

    A source never raises for what is in a capture; it raises InputError (with the path) where a capture cannot be
    opened or is none. `stop` may be called from a signal handler: the iterator ends after the packets at hand.
    """

    @property
    def report(self) -> SourceReport:
        """What was read so far."""
        ...

    def batches(self) -> Iterator[Batch]:
        """The packets."""
        ...

    def stop(self) -> None:
        """Ends the iterator after the packets at hand."""
        ...
