"""What is searched for literals: payloads of packets and chunks of streams, gathered by groups of traffic.

Only what rules look at is searched: no headers, and of a ruleset for many networks what is about this traffic. The groups
in which the same literals are searched for lie together in one region of the arena, and Hyperscan is called once for
each. A chunk is searched with the last 15 bytes before it, so that literals of 16 bytes are found over seams.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.detect.fast_patterns import FastPatterns
from detector.detect.scanning import Scanner
from detector.detect.traffic_groups import TrafficGroups
from detector.flows.columns import Window
from detector.flows.followed import Followed
from detector.kernel import Kernels
from detector.packets.table import PacketTable

kernels = Kernels("detector.detect.searched_kernels")

GROUPED_FROM = 1000  # literals; fewer are searched for as fast as some of them
EXTENT_COLUMNS = 6  # as searched_kernels names them
NO_WINDOWS = np.zeros((0, len(Window)), np.int64)
Rows = NDArray[np.int64]


class Search:
    """The search of one ruleset."""

    def __init__(self, patterns: FastPatterns, groups: TrafficGroups) -> None:
        self._lengths = np.array([len(one.text) for one in patterns.literals], np.int64)
        self._classes = groups.classes
        self._regions, literals = regions_of(patterns, groups)
        self.scanner = Scanner(patterns.literals, literals)
        self._arena = np.empty(0, np.uint8)

    def hits(self, packets: PacketTable, about: Followed, owned: NDArray[np.bool_] | None) -> tuple[Rows, Rows]:
        """(int64[n, 2] of packet row and literal, int64[m, 3] of window, literal and place in the stream; by window)."""
        batch, cells, windows = packets.batch, packets.structure.cells, about.windows
        of_windows = NO_WINDOWS if windows is None else windows.cells
        owned = np.ones(packets.rows, np.bool_) if owned is None else owned
        totals = np.zeros((len(self.scanner.regions), 2), np.int64)
        listed = np.empty((packets.rows + len(of_windows), EXTENT_COLUMNS), np.int64)
        is_listed = np.zeros(packets.rows, np.bool_)
        listed = listed[
            : kernels.list_extents(
                cells, about.flows.cells, owned, of_windows, self._classes, self._regions, is_listed, totals, listed
            )
        ]
        ends = np.cumsum(totals, axis=0)
        bounds = [0, *ends[:, 1].tolist()]
        if bounds[-1] > len(self._arena):
            self._arena = np.empty(bounds[-1] * 5 // 4, np.uint8)
        extents = np.empty_like(listed)
        kernels.gather(listed, of_windows, about.table.tails, batch.buffer, ends - totals, self._arena, extents)
        hits = self.scanner.scan(self._arena, bounds)
        row_hits, window_hits = np.empty((len(hits), 2), np.int64), np.empty((len(hits), 3), np.int64)
        in_rows, in_windows = kernels.place_hits(hits, self._lengths, extents, of_windows, row_hits, window_hits)
        window_hits = window_hits[:in_windows]
        return row_hits[:in_rows], window_hits[np.argsort(window_hits[:, 0], kind="stable")]


def regions_of(patterns: FastPatterns, groups: TrafficGroups) -> tuple[Rows, NDArray[np.bool_]]:
    """(int64[groups], the region of each or -1 where nothing is looked for; bool[regions, literals])."""
    count = len(patterns.literals)
    having = np.flatnonzero(patterns.of >= 0)
    wanted = np.zeros((len(groups.members), count), np.bool_)
    for group, members in enumerate(groups.members):  # per group
        wanted[group, patterns.of[having[members[having]]]] = True
    if count < GROUPED_FROM:
        wanted[wanted.any(axis=1)] = True
    numbers: dict[bytes, int] = {}
    found = np.full(len(wanted), -1, np.int64)
    firsts: list[int] = []
    for group, literals in enumerate(wanted):  # per group
        if literals.any():
            found[group] = numbers.setdefault(literals.tobytes(), len(numbers))
            if len(firsts) < len(numbers):
                firsts.append(group)
    return found, wanted[firsts]
