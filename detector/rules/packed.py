"""What came of a piece of a .rules file, as bytes: what the cache keeps, and what processes hand to one another.

Of a rule only what loading needs is read at once; the rest stays on a shelf (shelf.py). A pickle can name any class, so
these are read by an unpickler that knows classes of rules only.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any

from detector.rules.model import Rule
from detector.rules.shelf import Shelf, Shelved, rest_of, shelved, taken
from detector.rules.signature import Signature
from detector.rules.suricata import Loaded

LENGTH = 8
# What is looked at of every rule when a ruleset is loaded or its engine made; the rest stays on the shelf.
KEPT: dict[type[Shelved], tuple[str, ...]] = {
    Signature: ("header", "where", "states", "suppressions", "tag", "gid", "sid", "rev", "order", "buffers", "sought", "is_one_content"),
    Rule: ("id", "name", "title", "level", "table", "test", "correlation", "new_value", "fields", "silent", "inactive", "signature"),
}  # fmt: skip
MODULES = ("detector.rules.", "detector.errors", "detector.columns")
PLAIN = {("builtins", "set"), ("builtins", "frozenset"), ("pathlib", "PosixPath"), ("copyreg", "_reconstructor"), ("builtins", "object")}  # fmt: skip


class Rules(pickle.Unpickler):
    """Unpickles rules, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """A class of rules. Raises UnpicklingError for any other."""
        found = super().find_class(module, name) if module.startswith(MODULES) or (module, name) in PLAIN else None
        if (module, name) not in PLAIN and not (isinstance(found, type) and found.__module__ == module):
            raise pickle.UnpicklingError(
                f"{module}.{name} is no part of a rule"
            )  # not what a module of rules imports either
        return found


def unpickled(data: bytes | memoryview) -> Any:
    """What was pickled, where it is a part of rules."""
    return Rules(io.BytesIO(data)).load()


def unpacked(data: memoryview) -> Loaded:
    """Rules on shelves, which are these bytes."""
    size = int.from_bytes(data[:LENGTH], "little")
    index = unpickled(data[LENGTH : LENGTH + size])
    blocks = data[LENGTH + size :]
    made: list[list[Any]] = []
    for kind, names in KEPT.items():  # per class
        count, columns, offsets = index[kind.__name__]
        shelf = Shelf(rest_of(kind, names), [blocks[a:b] for a, b in pairwise(offsets)], unpickled)
        if kind is Rule:
            columns["signature"] = made[0]
        made.append(taken(kind, count, columns, shelf))
    return Loaded(tuple(made[1]), index["refused"], index["warnings"])


def packed(loaded: Loaded) -> bytes:
    """Rules as bytes: an index, then the blocks of the shelves."""
    index: dict[str, Any] = {"refused": loaded.refused, "warnings": loaded.warnings}
    blocks: list[bytes] = []
    at = 0
    for kind, names in KEPT.items():  # per class
        objects: Sequence[Any] = loaded.rules if kind is Rule else [rule.signature for rule in loaded.rules]
        columns = {name: list(map(attrgetter(name), objects)) for name in names if name != "signature"}
        mine = list(shelved(objects, rest_of(kind, names)))
        offsets = [at, *(at := at + len(block) for block in mine)]
        index[kind.__name__] = len(objects), columns, offsets
        blocks += mine
    table = pickle.dumps(index, pickle.HIGHEST_PROTOCOL)
    return b"".join((len(table).to_bytes(LENGTH, "little"), table, *blocks))
