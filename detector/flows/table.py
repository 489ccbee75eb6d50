"""The flow table: ids, direction, state and counts for every packet row.

Input: PacketTable. Output: FlowColumns, and the columns of FLOW_COLUMNS, which the packet table then offers. One slot = one flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.flows.columns import AHEAD, CELLS, SHARDS, FlowColumns
from detector.flows.fields import FLOW_COLUMNS
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.snapshot import Saved, put_back, saved

kernels = Kernels("detector.flows.flow_kernels")

SECOND = 10**9
LINK_COLUMNS, ROW_BYTES, COUNTS, SHARD_COLUMNS = (
    4,
    128,
    5,
    4,
)  # as in flow_kernels.py; here, so that a table is made without Numba
CACHE_LINE = 128  # two lines of 64 bytes, which are fetched together

# Services that are no protocol table of ours but tell which side is the server.
SERVICE_PORTS = (
    *(
        7,
        20,
        21,
        22,
        23,
        25,
        37,
        53,
        67,
        69,
        79,
        80,
        88,
        102,
        110,
        111,
        119,
        123,
        135,
        137,
        138,
        139,
        143,
        161,
        162,
        179,
    ),
    *(
        389,
        443,
        445,
        465,
        502,
        512,
        513,
        514,
        515,
        548,
        554,
        587,
        623,
        631,
        636,
        873,
        902,
        989,
        990,
        993,
        995,
        1080,
        1433,
    ),
    *(1521, 1723, 1883, 1900, 1911, 2049, 2222, 2404, 3128, 3306, 3389, 4712, 4713, 4840, 4911, 5060, 5094, 5432, 5601),
    *(5900, 5985, 5986, 6379, 8000, 8080, 8443, 8883, 9092, 9200, 9600, 11740, 18245, 20000, 20256, 44818, 47808),
)


@dataclass(frozen=True)
class FlowSettings:
    """flows: ceiling of all shards together. midstream: whether TCP is followed where its handshake was not seen. Idle timeouts in
    seconds of event time; there are no hard ones."""

    flows: int = 131072
    vlan_in_key: bool = False
    midstream: bool = True
    tcp_unanswered_seconds: int = 60
    tcp_seconds: int = 24 * 3600
    tcp_closed_seconds: int = 24 * 3600  # what still comes is a straggler; another connection begins with another SYN
    udp_seconds: int = 300
    other_seconds: int = 300


class Flows(NamedTuple):
    """keys: uint64[slots, 16], slots: int64[slots, 16], small: int8[slots, 128]: three views of the same rows.
    links: int32[slots, 4].  buckets: int32[2 * slots].  shards: int64[64, 4].  counts: int64[5].
    Columns are named in flow_kernels.py."""

    keys: NDArray[np.uint64]
    slots: NDArray[np.int64]
    small: NDArray[np.int8]
    links: NDArray[np.int32]
    buckets: NDArray[np.int32]
    shards: NDArray[np.int64]
    counts: NDArray[np.int64]


def aligned_zeros(rows: int, row_bytes: int) -> NDArray[np.int8]:
    """int8[rows, row_bytes] of zeros that begin at a cache line."""
    memory = np.zeros(rows * row_bytes + CACHE_LINE, np.int8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + rows * row_bytes].reshape(rows, row_bytes)


def known_ports(ports: Iterable[int]) -> NDArray[np.bool_]:
    """bool[65536], set for service ports."""
    known = np.zeros(65536, np.bool_)
    known[[*SERVICE_PORTS, *ports]] = True
    return known


class FlowTable:
    """Follows the flows of one run. `created`, `expired`, `evicted` count them."""

    def __init__(
        self, settings: FlowSettings, tcp_ports: Iterable[int] = (), udp_ports: Iterable[int] = (),
        shards: NDArray[np.bool_] | None = None,
    ) -> None:  # fmt: skip
        """shards: bool[64], those that are followed here; None: all. Rows of the others have no flow."""
        self._followed = np.ones(SHARDS, np.bool_) if shards is None else shards
        self.slots = 1 << max(6, settings.flows - 1).bit_length()
        self._settings = settings
        lists = np.zeros((SHARDS, SHARD_COLUMNS), np.int64)
        lists[:, 1:3] = -1
        rows = aligned_zeros(self.slots, ROW_BYTES)
        self._flows = Flows(
            rows.view(np.uint64), rows.view(np.int64), rows, np.zeros((self.slots, LINK_COLUMNS), np.int32), np.full(2 * self.slots, -1, np.int32), lists,
            np.zeros(COUNTS, np.int64),
        )  # fmt: skip
        self._tcp_ports, self._udp_ports = known_ports(tcp_ports), known_ports(udp_ports)
        seconds = (settings.tcp_unanswered_seconds, settings.tcp_seconds, settings.tcp_closed_seconds,
                   settings.udp_seconds, settings.other_seconds)  # fmt: skip
        self._timeouts = np.array(seconds, np.int64) * SECOND
        self._ahead = np.empty((AHEAD, 6), np.uint64)

    @property
    def created(self) -> int:
        """Flows begun."""
        return int(self._flows.counts[0])

    @property
    def expired(self) -> int:
        """Flows whose next packet came too late and began another."""
        return int(self._flows.counts[1])

    @property
    def evicted(self) -> int:
        """Flows given up because their shard was full."""
        return int(self._flows.counts[2])

    @property
    def directions(self) -> dict[str, int]:
        """Rows of TCP and UDP by flow.direction."""
        to_server, to_client = self._flows.counts[3:].tolist()
        return {"to_server": to_server, "to_client": to_client}

    def shards_of(self, packets: PacketTable) -> NDArray[np.uint8]:
        """uint8[rows]: the shard of each row's flow; of a quoted row that of the row around it."""
        out = np.empty(packets.rows, np.uint8)
        kernels.find_shards(*packets.structure, packets.batch.buffer, self._settings.vlan_in_key, out)
        return out

    def state(self) -> list[Saved]:
        """What a later run needs to go on."""
        return saved(self._arrays)

    def restore(self, state: list[Saved]) -> None:
        """Goes on from a state, before the first batch."""
        put_back(state, self._arrays)

    @property
    def _arrays(self) -> tuple[NDArray[Any], ...]:
        return self._flows[2:]  # keys and slots are views of small

    def follow(self, packets: PacketTable) -> FlowColumns:
        """The flow of every packet row; offers the columns of FLOW_COLUMNS on the table."""
        out = np.empty((packets.rows, CELLS), np.int64)
        structure = packets.structure
        kernels.follow_rows(
            structure.cells, structure.words, packets.batch.buffer, packets.clock, packets.batch.wire_lengths, *self._flows,
            self._tcp_ports, self._udp_ports, self._timeouts, self._settings.vlan_in_key, self._settings.midstream, self._followed,
            self._ahead, out,
        )  # fmt: skip
        flows = FlowColumns(out)
        offer(packets, flows)
        return flows


def offer(packets: PacketTable, flows: FlowColumns) -> None:
    """Offers the columns of FLOW_COLUMNS."""
    for field, make in FLOW_COLUMNS:  # per field
        packets.offer(field.name, partial(make, field, flows))
