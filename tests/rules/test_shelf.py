"""Objects whose fields are read when they are asked for: the same as those that were put away, and one block at a time."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from detector.rules.shelf import BLOCK, Shelf, Shelved, rest_of, shelved, taken


@dataclass(frozen=True, slots=True)
class Thing(Shelved):
    number: int
    text: str
    parts: tuple[str, ...] = ()
    length: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", len(self.text))


THINGS = [Thing(number, "x" * number, (str(number),) if number % 2 else ()) for number in range(2 * BLOCK + 5)]


class Reader:
    """Counts the blocks that are read."""

    def __init__(self) -> None:
        self.read = 0

    def __call__(self, data: bytes | memoryview) -> Any:
        self.read += 1
        return pickle.loads(data)


def on_shelf(columns: tuple[str, ...]) -> tuple[list[Thing], Reader]:
    reader, rest = Reader(), rest_of(Thing, columns)
    shelf = Shelf(rest, list(shelved(THINGS, rest)), reader)
    return taken(Thing, len(THINGS), {name: [getattr(one, name) for one in THINGS] for name in columns}, shelf), reader


@pytest.mark.parametrize("columns", [(), ("number",), ("number", "parts"), ("length", "text")])
def test_they_are_the_same(columns: tuple[str, ...]) -> None:
    found, _ = on_shelf(columns)
    assert found == THINGS
    assert [one.length for one in found] == [one.length for one in THINGS]


def test_a_column_reads_nothing_and_a_field_its_block_once() -> None:
    found, reader = on_shelf(("number",))
    assert [one.number for one in found] == list(range(len(THINGS))) and reader.read == 0
    assert found[3].text == "xxx" and found[3].parts == ("3",) and reader.read == 1
    assert [one.text for one in found[:BLOCK]] == ["x" * number for number in range(BLOCK)] and reader.read == 1
    assert found[-1].text == THINGS[-1].text and reader.read == 2


def test_they_are_changed_copied_and_pickled_as_others_are() -> None:
    found, _ = on_shelf(("number",))
    assert replace(found[5], number=9) == replace(THINGS[5], number=9)
    assert copy.deepcopy(found[6]) == THINGS[6]
    assert pickle.loads(pickle.dumps(found[7])) == THINGS[7]
    assert hash(found[8]) == hash(THINGS[8]) and repr(found[9]) == repr(THINGS[9])


def test_what_no_field_is_called_is_missing() -> None:
    found, _ = on_shelf(("number",))
    for one in (found[0], THINGS[0]):
        with pytest.raises(AttributeError, match="nothing"):
            one.nothing  # type: ignore[attr-defined] # noqa: B018
