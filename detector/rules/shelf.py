"""Objects whose fields are read only when they are asked for: of a large ruleset few rules ever make an alert.

A shelf holds the rest of many objects of one class, pickled some at a time. An object on it has those fields that whoever
loads rules looks at in every one of them, its columns; the first look at another field takes all of them from the shelf.
"""

from __future__ import annotations

import pickle
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

BLOCK = 64  # objects that are pickled together: what they share is written once


class Shelved:
    """A dataclass with slots whose fields may still be on a shelf."""

    __slots__ = ("_place", "_shelf")

    if not TYPE_CHECKING:  # it would let every name pass

        def __getattr__(self, name: str) -> Any:
            """A field that has no value yet."""
            try:
                shelf = object.__getattribute__(self, "_shelf")
            except AttributeError:
                raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}") from None
            shelf.fill(self, object.__getattribute__(self, "_place"))
            return object.__getattribute__(self, name)


Kind = TypeVar("Kind", bound=Shelved)


class Shelf:
    """The fields `names` of objects. blocks: pickles of up to 64 objects' values each; load: reads one."""

    def __init__(
        self, names: Sequence[str], blocks: Sequence[bytes | memoryview], load: Callable[[bytes | memoryview], Any]
    ) -> None:
        self._names, self._blocks, self._load = tuple(names), blocks, load
        self._last: tuple[int, Any] = (-1, ())

    def fill(self, one: Shelved, place: int) -> None:
        """Gives an object its fields."""
        number, at = divmod(place, BLOCK)
        last, values = self._last
        if last != number:
            values = self._load(self._blocks[number])
            self._last = number, values
        for name, value in zip(self._names, values[at], strict=True):
            object.__setattr__(one, name, value)


def rest_of(kind: type[Shelved], columns: Sequence[str]) -> list[str]:
    """The fields of a class that are no columns."""
    return [field.name for field in fields(kind) if field.name not in columns]  # type: ignore[arg-type]


def shelved(objects: Sequence[Shelved], names: Sequence[str]) -> Iterator[bytes]:
    """The blocks of a shelf for some fields, two or more, of objects."""
    values = attrgetter(*names)
    for first in range(0, len(objects), BLOCK):  # per block
        yield pickle.dumps(list(map(values, objects[first : first + BLOCK])), pickle.HIGHEST_PROTOCOL)


def taken(kind: type[Kind], count: int, columns: Mapping[str, Sequence[Any]], shelf: Shelf) -> list[Kind]:
    """Objects on a shelf, with their columns."""
    made = [kind.__new__(kind) for _ in range(count)]
    for name, values in {**columns, "_shelf": repeat(shelf, count), "_place": range(count)}.items():  # per column
        deque(map(getattr(kind, name).__set__, made, values), 0)
    return made
