"""Headers of payload rules as arrays: each distinct header once, and its ranges of addresses and ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.flows.followed import followed
from detector.kernel import Kernels
from detector.packets.table import PacketTable
from detector.rules.signature import AddressGroup, FlowCondition, Header, PortGroup

kernels = Kernels("detector.detect.header_kernels")

PROTOCOLS = {"ip": -1, "icmp": -2, "pkthdr": -3, "tcp": 6, "udp": 17, "sctp": 132}
WORD = 2**64 - 1
ANY = -1
CHANGING = (
    FlowCondition.ESTABLISHED | FlowCondition.NOT_ESTABLISHED | FlowCondition.FIRST_IN_DIRECTION
)  # while a flow lives
Mask = NDArray[np.bool_]


class HeaderArrays(NamedTuple):
    """cells: int64[headers, 7], columns H_ of header_kernels.  lasting: the same without what may change while a flow lives.
    of: int64[rules], the place of each rule's header.  groups: int64[groups + 1], lows, highs: uint64[ranges, 2], of addresses.
    port_groups: int64[groups + 1], ranges: int64[ranges, 2]."""

    cells: NDArray[np.int64]
    lasting: NDArray[np.int64]
    of: NDArray[np.int64]
    groups: NDArray[np.int64]
    lows: NDArray[np.uint64]
    highs: NDArray[np.uint64]
    port_groups: NDArray[np.int64]
    ranges: NDArray[np.int64]


class RowArrays(NamedTuple):
    """What headers are asked of: cells and words of a packet table's rows, cells of their flows, and where in the batch's
    buffer datagrams stand that were put together from fragments."""

    cells: NDArray[np.int32]
    words: NDArray[np.uint64]
    flows: NDArray[np.int64]
    rebuilt_from: int


class Groups:
    """Distinct groups of ranges, numbered in order; any is -1."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[tuple[int, int], ...], int] = {}

    def number(self, group: AddressGroup | PortGroup) -> int:
        """The number of a group."""
        return ANY if group.is_any else self._numbers.setdefault(group.ranges, len(self._numbers))

    @property
    def offsets(self) -> NDArray[np.int64]:
        """int64[groups + 1]: where each group's ranges begin."""
        return np.cumsum([0, *map(len, self._numbers)], dtype=np.int64)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges of all groups, one after the other."""
        return [one for ranges in self._numbers for one in ranges]


class Headers:
    """The headers of a ruleset. distinct: each once. of: int64[rules], the place of each rule's header among them.
    is_both_ways: bool[rules]."""

    def __init__(self, headers: Sequence[Header]) -> None:
        numbers: dict[Header, int] = {}
        by_object = {id(header): header for header in headers}  # few: a file's headers that say the same are one object
        number_of = {one: numbers.setdefault(header, len(numbers)) for one, header in by_object.items()}
        self.of = np.array([number_of[id(header)] for header in headers], np.int64)
        self.distinct = tuple(numbers)
        self.is_both_ways = np.array([header.is_both_ways for header in numbers], np.bool_)[self.of]
        addresses, ports = Groups(), Groups()
        cells = [
            (
                PROTOCOLS[header.protocol], addresses.number(header.source), ports.number(header.source_ports),
                addresses.number(header.destination), ports.number(header.destination_ports), header.is_both_ways, header.flow,
            )
            for header in numbers
        ]  # fmt: skip
        table = np.array(cells, np.int64).reshape(-1, 7)
        lasting = table.copy()
        lasting[:, 6] &= ~CHANGING
        ranges = addresses.ranges
        self.arrays = HeaderArrays(
            table, lasting, self.of, addresses.offsets, words([low for low, _ in ranges]), words([high for _, high in ranges]),
            ports.offsets, np.array(ports.ranges, np.int64).reshape(-1, 2),
        )  # fmt: skip

    def count(
        self, packets: PacketTable, rules: NDArray[np.int64], rows: NDArray[np.int64], windows: NDArray[np.int64]
    ) -> NDArray[np.int8]:
        """int8[n]: how often the header of rule rules[i] names rows[i], or where windows[i] is not -1 its window."""
        out = np.empty(len(rows), np.int8)
        kernels.check_headers(self.arrays, rules, rows, windows, row_arrays(packets), out)
        return out

    def masks(self, packets: PacketTable, chosen: NDArray[np.int64]) -> Mask:
        """bool[headers, rows], filled in for the chosen headers: whether a row or its window may be among theirs."""
        out = np.zeros((len(self.distinct), packets.rows), np.bool_)
        kernels.spread_headers(self.arrays, chosen, row_arrays(packets), out)
        return out


def row_arrays(packets: PacketTable) -> RowArrays:
    """What headers are asked of, of a packet table that was followed."""
    structure, batch = packets.structure, packets.batch
    return RowArrays(structure.cells, structure.words, followed(packets).flows.cells, int(batch.stops.max(initial=0)))


def words(addresses: Sequence[int]) -> NDArray[np.uint64]:
    """uint64[n, 2], the halves of 128-bit addresses."""
    return np.array([(one >> 64, one & WORD) for one in addresses], np.uint64).reshape(-1, 2)
