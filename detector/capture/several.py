"""Several live sources as one: they take turns, without threads.

A source's batch is only good until its next one is asked for, so nobody reads ahead. While any of them has packets, the
others are asked without waiting; when all are quiet, each waits for its part of QUIET_SECONDS. So a packet waits for
what others have at hand, and never for the silence of others beyond that. Packets are not put into time order over
sources: rules judge a late one at the clock, as always.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from detector.capture.batch import Batch, no_packets
from detector.capture.source import BATCH_SECONDS, LiveSource, SourceReport, summed

QUIET_SECONDS = 0.02  # of a round in which nobody has packets


class SeveralSources:
    """A LiveSource of live sources, by names that do not change: a position is kept under them."""

    def __init__(self, sources: Mapping[str, LiveSource]) -> None:
        self.idle_seconds = BATCH_SECONDS
        self._sources = dict(sources)

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        """Of all sources."""
        return {name: report for source in self._sources.values() for name, report in source.reports.items()}

    @property
    def report(self) -> SourceReport:
        """The sum of all, up where all are."""
        return summed(self.reports.values())

    @property
    def position(self) -> dict[str, Any]:
        """Each source's position by its name."""
        return {name: source.position for name, source in self._sources.items()}

    def batches(self) -> Iterator[Batch]:
        """The packets of all, a batch of each in turn, until every source has ended, as `stop` tells them to."""
        running = {name: source.batches() for name, source in self._sources.items()}
        try:
            until, wait = time.monotonic() + self.idle_seconds, 0.0
            while running:  # per round
                has_packets = False
                for name in list(running):  # per source
                    source = self._sources[name]
                    source.idle_seconds = 0.0 if has_packets else min(wait, max(0.0, until - time.monotonic()))
                    batch = next(running[name], None)
                    if batch is None:
                        del running[name]
                    elif len(batch):
                        has_packets = True
                        yield batch
                        until = time.monotonic() + self.idle_seconds
                wait = 0.0 if has_packets or not running else QUIET_SECONDS / len(running)
                if not has_packets and time.monotonic() >= until:
                    yield no_packets()
                    until = time.monotonic() + self.idle_seconds
        finally:
            for iterator in running.values():  # per source
                iterator.close()  # type: ignore[attr-defined]

    def stop(self) -> None:
        """Ends all after the packets at hand."""
        for source in self._sources.values():  # per source
            source.stop()

    def release(self, position: Mapping[str, Any]) -> None:
        """Tells each source its own."""
        for name, source in self._sources.items():  # per source
            if name in position:
                source.release(position[name])
