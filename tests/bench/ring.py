"""What it costs to take packets out of a ring: nanoseconds a packet, by length, the copy included.

python -m tests.bench.ring
"""

from __future__ import annotations

import time

import numpy as np

from detector.capture.ring import LATEST, Columns, Ring
from detector.capture.ring_kernels import ETHERNET_TAG
from detector.warming import ring_block

BLOCK, BLOCKS, ROUNDS = 2**20, 16, 12


def measured(size: int) -> float:
    """ns a packet of `size` bytes, the best of several rounds over a ring that is full."""
    count = (BLOCK - 4096) // ((82 + size + 15) // 16 * 16)
    full = np.concatenate([ring_block([bytes(size)] * count, BLOCK)] * BLOCKS)
    best = float("inf")
    for _ in range(ROUNDS):
        ring = Ring(full.copy(), BLOCK, ETHERNET_TAG)
        columns = Columns(count * BLOCKS, len(full))
        columns.buffer[:] = 1  # memory that is there
        began = time.perf_counter()
        ring.walk(columns, BLOCKS, LATEST, LATEST)
        best = min(best, time.perf_counter() - began)
        assert columns.rows == count * BLOCKS
    return best / (count * BLOCKS) * 1e9


def main() -> None:
    """Prints the figures."""
    for size in (60, 170, 500, 1514):
        print(f"{size:5} bytes: {measured(size):6.1f} ns a packet")


if __name__ == "__main__":
    main()
