"""State that outlives a batch, taken out for a checkpoint and put back: arrays of a fixed shape, filled in place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import InputError

Arrays = Sequence[NDArray[Any]]


def fill(arrays: Iterable[NDArray[Any]], saved: Arrays, what: str) -> None:
    """Puts saved arrays into those at hand.

    Raises:
        InputError: their shapes differ, because a ceiling is another one now; then nothing is changed.
    """
    own = list(arrays)
    if [(one.shape, one.dtype) for one in own] != [(one.shape, one.dtype) for one in saved]:
        raise InputError(
            f"the saved state of {what} has another size", hint="a ceiling in the configuration was changed"
        )
    for array, content in zip(own, saved, strict=True):  # per array
        np.copyto(array, content)
