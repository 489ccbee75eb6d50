"""Groups of rows by the values of fields, as 128-bit hashes; the same values give the same hash in every batch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Table

Hashes = NDArray[np.uint64]
LANES = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
MISSING = np.uint64(0xA0761D6478BD642F)


def mixed(values: Hashes) -> Hashes:
    """A 64-bit finalizer."""
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def words_of(column: Column) -> Hashes:
    """uint64[values, ...] words that stand for each value."""
    values = column.values
    if values.ndim == 2:
        assert column.buffer is not None
        texts = (column.buffer[start:stop].tobytes() for start, stop in values.tolist())
        digests = b"".join(
            hashlib.blake2b(text, digest_size=16).digest() for text in texts
        )  # whoever chooses a text must
        return np.frombuffer(digests, np.uint64).reshape(-1, 2)  # not be able to find another one of its group
    if values.dtype.kind == "S":
        return np.frombuffer(values.astype("S16").tobytes(), np.uint64).reshape(-1, 2)
    if values.dtype.kind == "f":
        return values.astype(np.float64).view(np.uint64).reshape(-1, 1)
    return values.astype(np.int64).view(np.uint64).reshape(-1, 1)


def group_hashes(table: Table, fields: Sequence[str], rows: NDArray[np.int64]) -> Hashes:
    """uint64[rows, 2], the group of each chosen row; a row without a value is in the group of those without."""
    hashes = np.zeros((len(rows), 2), np.uint64)
    for name in fields:  # per field
        hashes = with_field(hashes, table, name, rows)
    return hashes


def with_field(hashes: Hashes, table: Table, field: str, rows: NDArray[np.int64]) -> Hashes:
    """The groups of rows by one more field."""
    column = table.column(field).take(rows)
    words = words_of(column)
    made = np.empty_like(hashes)
    for lane, seed in enumerate(LANES):  # per half of the hash
        each = np.full(len(words), seed, np.uint64)
        for word in range(words.shape[1]):  # per word
            each = mixed(each * LANES[0] + words[:, word])
        made[:, lane] = mixed(hashes[:, lane] * seed + of_rows(column, each, len(rows)))
    return made


def has_values(table: Table, field: str, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """bool[rows]: whether a chosen row has a value of a field."""
    column = table.column(field).take(rows)
    if column.offsets is not None:
        return np.diff(column.offsets) > 0
    return np.ones(len(rows), np.bool_) if column.present is None else column.present


def of_rows(column: Column, each: Hashes, rows: int) -> Hashes:
    """One word for each row: of its value, or of all its values where there are several."""
    if column.offsets is not None:
        counts = np.diff(column.offsets)
        total = np.where(counts > 0, np.uint64(0), MISSING)
        np.add.at(total, np.repeat(np.arange(rows), counts), each)
        return total
    return each if column.present is None else np.where(column.present, each, MISSING)
