"""Where packets come from: the interface of every source, and what a source has to say when it ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from detector.capture.batch import Batch

BATCH_PACKETS = 16384
BATCH_SECONDS = 0.1
# Why packets that reached the sensor were not judged; the label `cause` of a metric, so the set is fixed.
DROP_CAUSES = ("ring", "interface", "worker", "repeat", "damaged", "shutdown", "error")


@dataclass
class SourceReport:
    """What was read and what was not: `warnings` are sentences for people (a daemon
    takes them out as it logs them), `skipped_bytes` by cause, `dropped` packets
    by cause (of DROP_CAUSES). Packets seen are `packets` and those dropped."""

    packets: int = 0
    bytes: int = 0  # captured bytes of packets
    size_bytes: int = 0  # bytes of the input as stored, for a progress bar; 0: unknown
    read_bytes: int = 0  # of them read so far
    warnings: list[str] = field(default_factory=list)
    skipped_bytes: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    is_up: bool = True  # of a live source: it can be read now
    reconnects: int = 0  # times a live source was opened anew
    fill: float = 0.0  # of an interface: part of its ring that waits to be read
    files: Counter[str] = field(default_factory=Counter)  # of a watched folder: read, damaged


def summed(reports: Iterable[SourceReport]) -> SourceReport:
    """Several reports as one; up where all are, as full as the fullest."""
    total = SourceReport()
    for one in reports:  # per capture, interface or folder
        total.packets += one.packets
        total.bytes += one.bytes
        total.size_bytes += one.size_bytes
        total.read_bytes += one.read_bytes
        total.warnings += one.warnings
        total.skipped_bytes += one.skipped_bytes
        total.dropped += one.dropped
        total.is_up = total.is_up and one.is_up
        total.reconnects += one.reconnects
        total.fill = max(total.fill, one.fill)
        total.files += one.files
    return total


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


class LiveSource(Source, Protocol):
    """A source of the daemon: it goes on until `stop`, and yields at least every BATCH_SECONDS, an empty batch
    (`no_packets`) where nothing came, so that the daemon gets its turn.

    idle_seconds: how long it waits for packets before it yields an empty batch, BATCH_SECONDS unless set; 0: not at all.
        Several sources that take turns are told to wait for less. It may be set between batches.
    """

    idle_seconds: float

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        """What was read so far of each interface or folder, by its name."""
        ...

    @property
    def position(self) -> dict[str, Any]:
        """Where the packets begin that were not yielded yet, as JSON; given back on a restart, reading goes on there.

        It is that of the batch yielded last, also while the next one is being prepared.
        """
        ...

    def release(self, position: Mapping[str, Any]) -> None:
        """What lies before this position will never be asked for again: a checkpoint on disk holds what came of it.

        A watched folder deletes or moves files that it finished before; others have nothing to let go.
        """
        ...


class OfInterfaces:
    """What every live source of interfaces is: their reports summed up, and no place in them to go back to."""

    idle_seconds = BATCH_SECONDS
    _is_stopped = False

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        """What was captured so far on each interface."""
        raise NotImplementedError

    @property
    def report(self) -> SourceReport:
        """The sum of all interfaces; up while all are."""
        return summed(self.reports.values())

    @property
    def position(self) -> dict[str, Any]:
        """None: what has passed an interface cannot be read again."""
        return {}

    def release(self, position: Mapping[str, Any]) -> None:
        """Nothing is kept of what was yielded."""

    def stop(self) -> None:
        """Ends the iterator after the packets that have arrived."""
        self._is_stopped = True
