"""Tables of plain Python values for tests: each row has a list of values of each field, none where it is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

import numpy as np

from detector.columns import Column, Field, ObjectTable, Table

DTYPES = {"uint": np.uint16, "int": np.int32, "bool": np.bool_, "protocol": np.bool_, "label": np.uint8, "ipv4": np.uint32,
          "ether": np.uint64, "ipv6": "S16", "float": np.float64, "time": np.int64, "duration": np.int64}  # fmt: skip
Rows = Sequence[Sequence[Any]]


def column(name: str, kind: str, rows: Rows, is_dense: bool = False, dtype: Any = None) -> Column:
    """A column: ragged, or dense where each row has one value at most and it is asked for. Addresses are given as text."""
    field = Field(name, kind, "")
    flat = [value for values in rows for value in values]
    if kind in ("ipv4", "ipv6"):
        packed = {one: ip_address(one).packed for one in flat}
        flat = [packed[one] if kind == "ipv6" else int.from_bytes(packed[one], "big") for one in flat]
    if kind in ("bytes", "string"):
        texts = [value if isinstance(value, bytes) else value.encode() for value in flat]
        buffer = np.frombuffer(b"??" + b"".join(texts) + b"?", np.uint8).copy()
        stops = np.cumsum([len(text) for text in texts], dtype=np.int64) + 2
        found: Any = np.stack((stops - [len(text) for text in texts], stops), axis=1).reshape(-1, 2).astype(np.int64)
    else:
        found, buffer = np.array(flat, dtype or DTYPES[kind]), None
    counts = np.array([len(values) for values in rows], np.int64)
    if not is_dense:
        return Column(field, found, None, np.concatenate(([0], np.cumsum(counts))).astype(np.int64), buffer)
    assert (counts <= 1).all()
    spread = np.zeros((len(rows), *found.shape[1:]), found.dtype)
    spread[counts > 0] = found
    return Column(field, spread, counts > 0, None, buffer)


class Given(Table):
    """A table of given columns, and the objects below its rows."""

    def __init__(self, columns: Mapping[str, Column], rows: int, below: ObjectTable | None = None) -> None:
        super().__init__("given", rows)
        self._columns.update(columns)
        self.below = below

    def objects(self) -> ObjectTable | None:
        return self.below


def given(kinds: Mapping[str, str], values: Mapping[str, Rows], dense: Sequence[str] = ()) -> Given:
    """A table of fields with their kinds and values."""
    rows = len(next(iter(values.values())))
    return Given({name: column(name, kinds[name], values[name], name in dense) for name in kinds}, rows)
