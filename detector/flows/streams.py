"""TCP streams in order, and UDP payloads, as chunks for the protocols.

Input: packet rows with their flows. Output: Chunks. One row of state = one direction of a flow slot.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.arena import make_arena
from detector.errors import InputError, PacketAnomaly, nearest
from detector.flows.columns import CHUNK_CELLS, REPEAT_CELLS, SHARDS, Chunks, FlowColumns
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.snapshot import Saved, put_back, saved

kernels = Kernels("detector.flows.stream_kernels")

STATE_COLUMNS, PIECE_COLUMNS, COUNTS = 8, 8, 8  # as stream_kernels.py names them
PIECES = 65536
ROOM = 2**20  # bytes made free behind the batch when the kernel asks
SLACK_CHUNKS = 1024
LARGEST_PAYLOAD = 65536
ANOMALIES = (PacketAnomaly.STREAM_OVERLAP_DIFFERENT_DATA, PacketAnomaly.STREAM_GAP, PacketAnomaly.STREAM_MEMCAP,
             PacketAnomaly.STREAM_URGENT_DATA, PacketAnomaly.STREAM_EST_SYN_RESEND_DIFF_SEQ,
             PacketAnomaly.STREAM_EST_PACKET_OUT_OF_WINDOW, PacketAnomaly.STREAM_RST_OUT_OF_WINDOW)  # fmt: skip


MAPPED = 0xFFFF << 32  # IPv4 addresses are mapped into IPv6
# What systems do with bytes that come twice and differ, as Suricata 7 has it; stream_kernels.py names the numbers.
POLICIES = {
    "first": 0, "vista": 0, "bsd": 1, "bsd-right": 1, "hpux10": 1, "irix": 1, "macos": 1, "windows": 1, "windows2k3": 1, "linux": 2,
    "old-linux": 3, "solaris": 4, "old-solaris": 4, "hpux11": 4,
}  # fmt: skip


@dataclass(frozen=True)
class StreamSettings:
    """Ceilings of segments that wait for a gap: of one stream, and of all together, of which each shard of flows has its part.
    window_bytes: of the last bytes of all streams, which payload rules look at.
    policies: (network, name in POLICIES) of receivers; the narrowest network counts, without any the first bytes do.
    """

    stream_bytes: int = 256 * 2**10
    memory_bytes: int = 64 * 2**20
    pieces: int = PIECES
    window_bytes: int = 64 * 2**20
    policies: tuple[tuple[str, str], ...] = ()


class Streams(NamedTuple):
    """state: int64[2 * slots, 8].  pieces: int64[pieces, 8].  blocks, links, meta: Arena, a pool for each shard.
    rings: int64[64, 2].  counts: int64[8]. Columns are named in stream_kernels.py.
    hosts: uint64[n, 4], a network and its mask, narrower ones first.  policies: int64[n + 1], theirs, and that of all others."""

    state: NDArray[np.int64]
    pieces: NDArray[np.int64]
    blocks: NDArray[np.uint8]
    links: NDArray[np.int64]
    meta: NDArray[np.int64]
    rings: NDArray[np.int64]
    counts: NDArray[np.int64]
    hosts: NDArray[np.uint64]
    policies: NDArray[np.int64]

    @property
    def kept(self) -> tuple[NDArray[Any], ...]:
        """What changes."""
        return self[:-2]


def check_policy(network: str, name: str) -> None:
    """Whether a receiver's network and policy can be read.

    Raises:
        InputError: without a position: the caller knows where it was written.
    """
    if name not in POLICIES:
        guess = nearest(name, POLICIES)
        raise InputError(
            f"unknown policy {name!r}", hint=f"did you mean {guess}?" if guess else f"known are {', '.join(POLICIES)}"
        )
    try:
        ip_network(network, strict=False)
    except ValueError:
        raise InputError(f"{network!r} is no network", hint="write 10.0.0.0/8, 2001:db8::/32 or an address") from None


def host_policies(policies: Iterable[tuple[str, str]]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Streams' hosts and policies."""
    networks = [(ip_network(network, strict=False), POLICIES[name]) for network, name in policies]
    networks.sort(key=lambda one: one[0].prefixlen + (96 if one[0].version == 4 else 0), reverse=True)
    rows = []
    for network, _ in networks:  # per network
        prefix = network.prefixlen + (96 if network.version == 4 else 0)
        first = int(network.network_address) + (MAPPED if network.version == 4 else 0)
        mask = (1 << 128) - (1 << 128 - prefix)
        rows.append([part for number in (first, mask) for part in (number >> 64, number & 2**64 - 1)])
    return np.array(rows, np.uint64).reshape(-1, 4), np.array([*(policy for _, policy in networks), 0], np.int64)


class StreamTable:
    """Follows the streams of one run."""

    def __init__(self, settings: StreamSettings, flow_slots: int) -> None:
        self._settings = settings
        self._limit = settings.stream_bytes
        self._streams = Streams(
            np.zeros((2 * flow_slots, STATE_COLUMNS), np.int64), np.zeros((max(1, settings.pieces // SHARDS) * SHARDS, PIECE_COLUMNS), np.int64),
            *make_arena(settings.memory_bytes, SHARDS), np.zeros((SHARDS, 2), np.int64), np.zeros(COUNTS, np.int64),
            *host_policies(settings.policies),
        )  # fmt: skip

    @property
    def repeated_bytes(self) -> int:
        """Bytes that were sent again and dropped."""
        return int(self._streams.counts[0])

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by stream anomaly: bytes sent again that differ, gaps given up, segments let go for want of room."""
        counted = zip(ANOMALIES, self._streams.counts[1:].tolist(), strict=True)
        return Counter({anomaly.label: count for anomaly, count in counted if count})

    @property
    def waiting_bytes(self) -> int:
        """Bytes that wait for a gap, of all streams, in whole blocks of the store."""
        blocks = self._streams.blocks
        return int((len(blocks) - self._streams.meta[:, 1].sum()) * blocks.shape[1])

    def state(self) -> list[Saved]:
        """What a later run needs to go on: where each stream stands, and the bytes that wait."""
        return saved(self._streams.kept)

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        put_back(state, self._streams.kept)

    def follow(self, packets: PacketTable, flows: FlowColumns) -> Chunks:
        """The chunks of a batch; what had waited is appended to the batch's buffer, oddities are marked on the rows."""
        batch, structure = packets.batch, packets.structure
        out = np.empty((packets.rows + SLACK_CHUNKS, CHUNK_CELLS), np.int64)
        repeats = np.empty((packets.rows, REPEAT_CELLS), np.int64)
        row, found, repeated = 0, 0, 0
        while True:  # per growth of the buffer or the chunks
            row, found, batch.used, repeated = kernels.follow_streams(
                structure.cells, structure.words, flows.cells, batch.buffer, batch.used, row, self._streams, self._limit,
                out, found, repeats, repeated,
            )  # fmt: skip
            if row == packets.rows:
                return Chunks(out[:found], repeats[:repeated], len(self._streams.state))
            batch.reserve(max(ROOM, self._limit + 2 * LARGEST_PAYLOAD))
            out = np.concatenate((out, np.empty_like(out)))
