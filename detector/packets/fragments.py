"""The state of IP reassembly: its arrays and ceilings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.arena import Arena, make_arena

SLOT_COLUMNS = 9


class Fragments(NamedTuple):
    """keys: uint64[slots, 4], addresses.  slots: int64[slots, 9].  buckets: int64[power of two], first slot of a hash.
    pieces: int64[pieces, 4].  arena: the bytes.  counts: int64[5]; columns are named in fragment_kernels.py."""

    keys: NDArray[np.uint64]
    slots: NDArray[np.int64]
    buckets: NDArray[np.int64]
    pieces: NDArray[np.int64]
    arena: Arena
    counts: NDArray[np.int64]


def make_fragments(datagrams: int, memory_bytes: int) -> Fragments:
    """An empty state for at most `datagrams` at once, whose fragments take at most `memory_bytes`."""
    count = datagrams * 8
    pieces = np.zeros((count, 4), np.int64)
    pieces[:, 3] = np.arange(1, count + 1)
    pieces[-1, 3] = -1
    return Fragments(
        np.zeros((datagrams, 4), np.uint64), np.zeros((datagrams, SLOT_COLUMNS), np.int64), np.full(4096, -1, np.int64),
        pieces, make_arena(memory_bytes), np.zeros(5, np.int64),
    )  # fmt: skip
