"""Watched folders for tests: what a source yields, packet by packet, and captures whose packets tell their number."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard

from detector.capture import folder, watch
from detector.capture.batch import Batch
from detector.capture.folder import FolderSource
from detector.capture.folder_settings import FolderSettings
from tests.pcapng import blocks, interface, packet, section
from tests.runs import pcap_bytes

SECOND = 10**9
Seen = tuple[str, int, bytes]  # file's name, number in the file, the packet's bytes


def frames(first: int, count: int) -> list[tuple[int, bytes]]:
    """Frames that carry their number, a millisecond apart; of uneven length."""
    return [(n * 10**6 + SECOND, n.to_bytes(8, "big") * (2 + n % 9)) for n in range(first, first + count)]


def as_pcap(first: int, count: int) -> bytes:
    return pcap_bytes(frames(first, count))


def as_pcapng(first: int, count: int) -> bytes:
    parts = [packet(data, at // 1000, n % 2) for n, (at, data) in enumerate(frames(first, count))]
    return blocks(section(), interface(1), interface(1), *parts)


FORMATS: dict[str, Callable[[int, int], bytes]] = {
    ".pcap": as_pcap,
    ".pcapng": as_pcapng,
    ".pcap.gz": lambda first, count: gzip.compress(as_pcap(first, count)),
    ".pcapng.zst": lambda first, count: zstandard.compress(as_pcapng(first, count)),
}


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Waits are short: the writer of a test does not dawdle."""
    patch.setattr(folder, "SETTLED_SECONDS", 0.03)
    patch.setattr(folder, "PACKED_SECONDS", 0.03)
    patch.setattr(folder, "LOOK_SECONDS", 0.005)
    patch.setattr(folder, "LOOK_SHARE", 0)
    patch.setattr(watch, "STATS_PER_LOOK", 10**6)


def source_of(path: Path, position: Any = None, batch_packets: int = 16384, **settings: Any) -> FolderSource:
    """A source that waits little; its position went through JSON, as that of a checkpoint does."""
    made = FolderSource(
        FolderSettings(path=str(path), **settings), json.loads(json.dumps(position)), batch_packets=batch_packets
    )
    made.idle_seconds = 0.01
    return made


def packets_of(batch: Batch) -> list[Seen]:
    """The packets of a batch."""
    return [
        (
            Path(batch.paths[batch.files[row]]).name,
            int(batch.numbers[row]),
            batch.buffer[batch.starts[row] : batch.stops[row]].tobytes(),
        )
        for row in range(len(batch))
    ]


def read_on(source: FolderSource, packets: int, seconds: float = 10.0, rest: float = 0.0) -> list[Seen]:
    """What a source yields until there are so many packets, and for `rest` seconds more."""
    return gathered(source, [], packets, seconds, rest)


def gathered(source: FolderSource, found: list[Seen], packets: int, seconds: float, rest: float) -> list[Seen]:
    batches = source.batches()
    until = time.monotonic() + seconds
    while len(found) < packets and time.monotonic() < until:
        found += packets_of(next(batches))
    until = time.monotonic() + rest
    while time.monotonic() < until:
        found += packets_of(next(batches))
    batches.close()  # type: ignore[attr-defined]
    return found


def numbers(seen: Sequence[Seen]) -> list[int]:
    """The numbers that packets carry."""
    return [int.from_bytes(data[:8], "big") for _, _, data in seen]
