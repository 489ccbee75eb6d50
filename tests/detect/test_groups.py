"""Groups of rows: the same values are the same group, in every batch; other values are another."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from detector.detect.groups import group_hashes, has_values
from tests.detect.tables import Given, column, given

KINDS = {"n": "uint", "a": "ipv4", "s": "ipv6", "m": "ether", "t": "string", "f": "bool"}


def random_values(chosen: random.Random) -> dict[str, list[Any]]:
    row: dict[str, list[Any]] = {
        "n": [chosen.choice((0, 1, 256, 65535))],
        "a": [chosen.choice(("10.0.0.1", "10.0.0.2", "0.0.0.0"))],
        "s": [chosen.choice(("::", "::1", "fe80::", "fe80::1"))],
        "m": [chosen.choice((0, 1, 2**47))],
        "t": [chosen.choice(("", "a", "b", "ab", "ba"))],
        "f": [chosen.random() < 0.5],
    }
    return {name: values if chosen.random() < 0.8 else [] for name, values in row.items()}


def table_of(rows: list[dict[str, list[Any]]], dense: bool) -> Given:
    return given(KINDS, {name: [row[name] for row in rows] for name in KINDS}, tuple(KINDS) if dense else ())


def keys(table: Given, fields: list[str], rows: list[int]) -> list[bytes]:
    return [one.tobytes() for one in group_hashes(table, fields, np.array(rows, np.int64))]


@pytest.mark.parametrize("fields", [["n"], ["a"], ["s"], ["m"], ["t"], ["f"], ["n", "a"], ["a", "n", "t"], list(KINDS)])
@pytest.mark.parametrize("dense", [True, False])
def test_groups_are_equal_where_values_are(fields: list[str], dense: bool) -> None:
    chosen = random.Random(len(fields))
    rows = [random_values(chosen) for _ in range(300)]
    found = keys(table_of(rows, dense), fields, list(range(300)))
    wanted = [tuple(tuple(row[name]) for name in fields) for row in rows]
    assert len(set(zip(found, wanted, strict=True))) == len(set(found)) == len(set(wanted))


def test_a_group_is_the_same_in_every_batch_and_column() -> None:
    """Else the size of a batch would change what a limit lets through."""
    chosen = random.Random(4)
    rows = [random_values(chosen) for _ in range(100)]
    whole = keys(table_of(rows, True), list(KINDS), list(range(100)))
    assert keys(table_of(rows, False), list(KINDS), list(range(100))) == whole
    assert [keys(table_of([row], True), list(KINDS), [0])[0] for row in rows] == whole
    assert keys(table_of(rows, True), list(KINDS), [7, 3, 7]) == [whole[7], whole[3], whole[7]]


def test_the_width_of_a_column_does_not_matter() -> None:
    small = Given({"n": column("n", "uint", [[5]], dtype=np.uint8)}, 1)
    large = Given({"n": column("n", "uint", [[5]], dtype=np.uint64)}, 1)
    assert keys(small, ["n"], [0]) == keys(large, ["n"], [0])


def test_fields_are_not_mixed_up() -> None:
    """(1, 2) is not (2, 1); a value that is missing is not zero."""
    table = given({"x": "uint", "y": "uint"}, {"x": [[1], [2], [0], []], "y": [[2], [1], [], [0]]}, ("x", "y"))
    assert len(set(keys(table, ["x", "y"], [0, 1, 2, 3]))) == 4
    assert keys(table, ["x"], [2]) != keys(table, ["x"], [3])


def test_several_values_of_a_row_are_one_group_in_any_order() -> None:
    """ip.addr of request and reply."""
    table = given({"a": "ipv4"}, {"a": [["10.0.0.1", "10.0.0.2"], ["10.0.0.2", "10.0.0.1"], ["10.0.0.1"], []]})
    found = keys(table, ["a"], [0, 1, 2, 3])
    assert found[0] == found[1] and len(set(found)) == 3


def test_without_fields_there_is_one_group() -> None:
    table = given({"n": "uint"}, {"n": [[1], [2]]})
    assert len(set(keys(table, [], [0, 1]))) == 1


@pytest.mark.parametrize("dense", [True, False])
def test_which_rows_have_a_value(dense: bool) -> None:
    table = given({"n": "uint"}, {"n": [[1], [], [0]]}, ("n",) if dense else ())
    assert has_values(table, "n", np.array([2, 1, 0, 1])).tolist() == [True, False, True, False]
