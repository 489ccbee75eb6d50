"""The arrays of a bounded store of byte strings (arena_kernels.py works on them)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BLOCK_BYTES = 256


class Arena(NamedTuple):
    """blocks: uint8[blocks, BLOCK_BYTES].  links: int64[blocks], the next block or -1.  meta: int64[pools, 2],
    first free block and number of free blocks. A pool has its own blocks, whatever the others need."""

    blocks: NDArray[np.uint8]
    links: NDArray[np.int64]
    meta: NDArray[np.int64]


def make_arena(capacity_bytes: int, pools: int = 1) -> Arena:
    """An empty store of about that many bytes in all; its memory is touched only as it is used."""
    each = max(1, capacity_bytes // BLOCK_BYTES // pools)
    count = each * pools
    links = np.arange(1, count + 1, dtype=np.int64)
    links[each - 1 :: each] = -1
    meta = np.stack((np.arange(pools) * each, np.full(pools, each)), axis=1).astype(np.int64)
    return Arena(np.zeros((count, BLOCK_BYTES), np.uint8), links, meta)
