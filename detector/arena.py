"""The arrays of a bounded store of byte strings (arena_kernels.py works on them)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 256


class Arena(NamedTuple):
    """blocks: uint8[blocks, BLOCK_BYTES].  links: int64[blocks], the next block or -1.  meta: int64[2], first free
    block and number of free blocks."""

    blocks: NDArray[np.uint8]
    links: NDArray[np.int64]
    meta: NDArray[np.int64]


def make_arena(capacity_bytes: int) -> Arena:
    """An empty store of about that many bytes; its memory is touched only as it is used."""
    count = max(1, capacity_bytes // BLOCK_BYTES)
    links = np.arange(1, count + 1, dtype=np.int64)
    links[-1] = -1
    return Arena(np.zeros((count, BLOCK_BYTES), np.uint8), links, np.array([0, count], np.int64))
