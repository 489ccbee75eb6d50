"""Bytes in: captures, pipes and growing files to batches of packets. SOURCES of a later day stand beside open_source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from detector.capture.batch import Batch
from detector.capture.directory import expand
from detector.capture.merge import MergedSource
from detector.capture.reader import BLOCK_BYTES, CaptureReader
from detector.capture.source import BATCH_PACKETS, Source, SourceReport

__all__ = ["Batch", "Source", "SourceReport", "open_source"]

MERGE_BYTES = 64 * 2**20  # for the blocks of all captures that are merged


class Between:
    """The packets of a source whose time lies in [since, until)."""

    def __init__(self, source: Source, since_ns: int | None, until_ns: int | None) -> None:
        self._source = source
        self._since = -(2**62) if since_ns is None else since_ns
        self._until = 2**62 if until_ns is None else until_ns

    @property
    def report(self) -> SourceReport:
        """The source's own."""
        return self._source.report

    def stop(self) -> None:
        """Ends the source."""
        self._source.stop()

    def batches(self) -> Iterator[Batch]:
        """Batches without the packets outside, with those packets' numbers kept."""
        for batch in self._source.batches():  # per batch
            rows = np.flatnonzero((batch.times >= self._since) & (batch.times < self._until))
            if len(rows) == len(batch):
                yield batch
            elif len(rows):
                yield batch.take(rows)


def open_source(
    paths: Sequence[str], *, follow: bool = False, batch_packets: int = BATCH_PACKETS,
    since_ns: int | None = None, until_ns: int | None = None,
) -> Source:  # fmt: skip
    """The packets of files, folders and "-" (standard input), merged in time order where they are several.

    Raises:
        InputError: a path that cannot be read, a folder without captures.
    """
    found = expand(paths)
    block = BLOCK_BYTES if len(found) == 1 else MERGE_BYTES // len(found)
    readers = [
        CaptureReader(path, follow=follow, batch_packets=batch_packets, block_bytes=min(block, BLOCK_BYTES))
        for path in found
    ]
    source: Source = readers[0] if len(readers) == 1 else MergedSource(readers, batch_packets)
    return source if since_ns is None and until_ns is None else Between(source, since_ns, until_ns)
