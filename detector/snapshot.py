"""State arrays as a checkpoint keeps them: only the rows that differ from those of a run that has seen nothing.

Tables are as large as their ceilings, and most of their rows were never used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class UnfitState(ValueError):
    """State of a run with other ceilings, or of another version."""


class Saved(NamedTuple):
    """One array: its shape, the rows that are kept, and their values."""

    shape: tuple[int, ...]
    rows: NDArray[np.int64]
    values: Array


def changed(now: Sequence[Array], fresh: Sequence[Array]) -> list[Saved]:
    """What differs between state arrays and fresh ones of the same shapes."""
    parts = []
    for one, other in zip(now, fresh, strict=True):  # per array
        differs = one != other
        rows = np.flatnonzero(differs.reshape(len(one), -1).any(axis=1)) if differs.size else np.zeros(0, np.int64)
        parts.append(Saved(one.shape, rows, one[rows]))
    return parts


def put_back(parts: Sequence[Saved], arrays: Sequence[Array]) -> None:
    """Fresh arrays become those that `changed` was given.

    Raises:
        UnfitState: the arrays have other shapes; none was changed.
    """
    if [(part.shape, part.values.dtype) for part in parts] != [(array.shape, array.dtype) for array in arrays]:
        raise UnfitState("the saved state was made with other ceilings or by another version")
    for part, array in zip(parts, arrays, strict=True):  # per array
        array[part.rows] = part.values
