"""How much of a long test runs: a part that is another one in each run, or all of it with DETECTOR_LONG=1 (`make test-long`)."""

from __future__ import annotations

import os
import random
import zlib
from collections.abc import Sequence
from typing import TypeVar

IS_LONG = os.environ.get("DETECTOR_LONG") == "1"
RUN = os.environ.get(
    "PYTEST_XDIST_TESTRUNUID", ""
)  # the same in all processes of a run: they must collect the same tests
SEED = int(
    os.environ.get("DETECTOR_SEED") or (zlib.crc32(RUN.encode()) if RUN else random.SystemRandom().randrange(2**31))
)
Case = TypeVar("Case")


def sample(cases: Sequence[Case], size: int) -> list[Case]:
    """So many of the cases, in their order, or all. The seed is printed: DETECTOR_SEED makes a failed run's choice again."""
    if IS_LONG or size >= len(cases):
        return [*cases]
    print(f"DETECTOR_SEED={SEED}")
    return [cases[at] for at in sorted(random.Random(SEED).sample(range(len(cases)), size))]
