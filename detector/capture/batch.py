"""One batch: the unit of work between stages. One row = one packet as it was captured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Origin(NamedTuple):
    """Where a pcapng file says that packets come from: number of its section from 1, name and description of the interface."""

    section: int
    name: str
    description: str


def no_notes() -> NDArray[np.int64]:
    """Notes of a batch that has none."""
    return np.zeros((0, 3), np.int64)


@dataclass(slots=True)
class Batch:
    """Packets in one byte buffer, in the order in which they were captured.

    buffer: uint8[capacity]; the first `used` bytes are taken. What later stages must make contiguous (reassembled
        fragments, PDUs over several segments) they append behind `used`; `reserve` makes room, so that an offset, once
        given, stays valid as long as the batch lives.
    starts, stops: int64[packets], half-open bounds of each packet's captured bytes in buffer.
    wire_lengths: int64[packets], length on the wire.
    times: int64[packets], ns since 1970 UTC.
    link_types: int32[packets], LINKTYPE_ number of the interface.
    numbers: int64[packets], counted from 1 within the packet's file.
    files: int32[packets], row of `paths`.
    interfaces: int32[packets], interface number within the file's section, -1 where the format has none.
    comments: {packet: [text]}, pcapng's packet comments.
    notes: int64[n, 3] of packet, option code, value: numbers that pcapng's packet blocks have as options.
    origins: int32[packets], row of `described`, -1 where the format tells nothing; None for no packet.
    described: interfaces of the source as far as it is read; it grows with later batches.
    is_unsummed: bool[packets], the sender's network card was still to fill the checksums in; None for no packet.
    """

    buffer: NDArray[np.uint8]
    used: int
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    wire_lengths: NDArray[np.int64]
    times: NDArray[np.int64]
    link_types: NDArray[np.int32]
    numbers: NDArray[np.int64]
    files: NDArray[np.int32]
    interfaces: NDArray[np.int32]
    paths: list[str]
    comments: dict[int, list[str]] = field(default_factory=dict)
    notes: NDArray[np.int64] = field(default_factory=no_notes)
    origins: NDArray[np.int32] | None = None
    described: list[Origin] = field(default_factory=list)
    is_unsummed: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.starts)

    def reserve(self, size: int) -> None:
        """Room for `size` more bytes behind `used`; offsets into the buffer stay valid."""
        if self.used + size > len(self.buffer):
            grown = np.zeros(max(self.used + size, len(self.buffer) * 3 // 2), np.uint8)
            grown[: self.used] = self.buffer[: self.used]
            self.buffer = grown

    def take(self, rows: NDArray[np.int64]) -> Batch:
        """A batch of the chosen packets over the same buffer."""
        places = {row: place for place, row in enumerate(rows.tolist())} if self.comments else {}
        comments = {places[row]: said for row, said in self.comments.items() if row in places}
        return Batch(
            self.buffer, self.used, self.starts[rows], self.stops[rows], self.wire_lengths[rows], self.times[rows],
            self.link_types[rows], self.numbers[rows], self.files[rows], self.interfaces[rows], self.paths, comments,
            moved(self.notes, rows, len(self)), None if self.origins is None else self.origins[rows], self.described,
            None if self.is_unsummed is None else self.is_unsummed[rows],
        )  # fmt: skip


def moved(notes: NDArray[np.int64], rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Notes of `count` packets, for those that are chosen as rows."""
    places = np.full(count, -1, np.int64)
    places[rows] = np.arange(len(rows))
    found = np.copy(notes)
    found[:, 0] = places[notes[:, 0]]
    kept: NDArray[np.int64] = found[found[:, 0] >= 0]
    return kept


def batch_of(packets: Sequence[bytes], times: Sequence[int], link_type: int = 1, path: str = "") -> Batch:
    """A batch of packets at hand, whole as on the wire: for rule tests and warming, where no capture is read."""
    lengths = np.array([len(packet) for packet in packets], np.int64)
    stops = np.cumsum(lengths)
    n, used = len(packets), int(lengths.sum())
    buffer = np.zeros(used + 65536, np.uint8)
    buffer[:used] = np.frombuffer(b"".join(packets), np.uint8)
    return Batch(buffer, used, stops - lengths, stops, lengths, np.array(times, np.int64),
                 np.full(n, link_type, np.int32), np.arange(1, n + 1), np.zeros(n, np.int32), np.full(n, -1, np.int32),
                 [path])  # fmt: skip


def no_packets() -> Batch:
    """A batch without packets: what a live source yields when nothing came."""
    return batch_of([], [])
