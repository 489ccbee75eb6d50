"""Tables of columns: values by row, other rows of them, and how people read them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from detector.columns import Column, Field, ObjectTable, Table, printable, readable

NUMBER = Field("a.number", "uint", "")
TEXT = Field("a.text", "string", "")


def dense() -> Column:
    return Column(NUMBER, np.array([10, 20, 30], np.uint8), np.array([True, False, True]))


def ragged() -> Column:
    """Rows [1, 2], [], [3]."""
    return Column(NUMBER, np.array([1, 2, 3], np.uint16), None, np.array([0, 2, 2, 3]))


def spans() -> Column:
    buffer = np.frombuffer(b"abcdef", np.uint8)
    return Column(TEXT, np.array([[0, 2], [2, 2], [3, 6]]), None, None, buffer)


def rows_of(column: Column, rows: int) -> list[list[object]]:
    return [column.at(row) for row in range(rows)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [(dense(), [[10], [], [30]]), (ragged(), [[1, 2], [], [3]]), (spans(), [["ab"], [""], ["def"]])],
    ids=["dense", "ragged", "spans"],
)
def test_values_of_other_rows(column: Column, expected: list[list[object]]) -> None:
    """A PDU sees its packet's values, in any order, repeated, and none where there is no packet (-1)."""
    assert rows_of(column, 3) == expected
    for chosen in ([2, 0, 1], [0, 0, 2, 2], [-1, 2, -1], [], [-1]):
        taken = column.take(np.array(chosen, np.int64))
        assert rows_of(taken, len(chosen)) == [expected[row] if row >= 0 else [] for row in chosen], chosen
        again = taken.take(np.arange(len(chosen), dtype=np.int64))
        assert rows_of(again, len(chosen)) == rows_of(taken, len(chosen))


def test_a_column_without_rows_has_no_values_for_rows_that_are_not_there() -> None:
    for column in (
        Column(NUMBER, np.zeros(0, np.uint8)),
        Column(NUMBER, np.zeros(0, np.uint8), None, np.zeros(1, np.int64)),
        Column(TEXT, np.zeros((0, 2), np.int64), None, None, np.zeros(0, np.uint8)),
    ):
        assert rows_of(column.take(np.array([-1, -1])), 2) == [[], []]


def test_flat_leaves_out_what_is_not_there() -> None:
    assert [part.tolist() for part in dense().flat()] == [[10, 30], [0, 2]]
    assert [part.tolist() for part in ragged().flat()] == [[1, 2, 3], [0, 0, 2]]
    assert [part.tolist() for part in Column(NUMBER, np.array([7, 8])).flat()] == [[7, 8], [0, 1]]


@pytest.mark.parametrize(
    ("kind", "stored", "shown"),
    [
        ("protocol", np.True_, True),
        ("bool", np.uint8(0), False),
        ("uint", np.uint64(2**63), 2**63),
        ("int", np.int8(-1), -1),
        ("ipv4", np.uint32(0x0A000001), "10.0.0.1"),
        ("ipv4", np.uint32(0), "0.0.0.0"),
        ("ipv6", np.bytes_(b"\xfe\x80" + b"\0" * 14), "fe80::"),  # NumPy cuts zeros at the end
        ("ipv6", np.bytes_(b"\0" * 15 + b"\x01"), "::1"),
        ("ether", np.uint64(0x001D9CC7B070), "00:1d:9c:c7:b0:70"),
        ("time", np.int64(1_714_550_400_000_000_001), "1714550400.000000001"),
        ("time", np.int64(-1), "-0.000000001"),
        ("time", np.int64(-1_500_000_000), "-1.500000000"),
        ("duration", np.int64(-500_000_000), -0.5),
        ("float", np.float64(0.25), 0.25),
    ],
)
def test_values_as_people_read_them(kind: str, stored: object, shown: object) -> None:
    """Always values that JSON knows, never NumPy's."""
    value = readable(Field("x", kind, ""), stored)
    assert value == shown and type(value) is type(shown)
    json.dumps(value)


def test_labels_are_shown_by_name_and_an_unknown_one_by_number() -> None:
    field = Field("x", "label", "", labels={0: "request", 1: "response"})
    assert [readable(field, np.uint8(code)) for code in (1, 9)] == ["response", "9"]


def test_bytes_are_shown_in_hexadecimal_and_texts_as_texts() -> None:
    buffer = np.frombuffer(b"A\xff\0", np.uint8)
    span = np.array([0, 3])
    assert readable(Field("x", "bytes", ""), span, buffer) == "41:ff:00"
    assert readable(Field("x", "string", ""), span, buffer) == "A\ufffd\0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, é, 中", "plain text, é, 中"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\t", "two\\nlines\\r\\t"),
        ("\x9b31m \x7f", "\\x9b31m \\x7f"),  # C1: one character that begins an escape sequence
        ("abc\u202edef", "abc\\u202edef"),  # turns the direction of what follows
        ("\ud800", "\\ud800"),
        ("\u2028", "\\u2028"),
    ],
)
def test_printable_text_steers_no_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown and printable(text).isprintable()


class Made(Table):
    """A table that counts how often a column is made."""

    def __init__(self) -> None:
        super().__init__("made", 3)
        self.made: list[str] = []

    def _make(self, name: str) -> Column:
        if name != "a.number":
            raise KeyError(name)
        self.made.append(name)
        return dense()


def test_a_column_is_made_once_and_an_unknown_one_is_refused() -> None:
    table = Made()
    assert table.column("a.number") is table.column("a.number")
    assert table.made == ["a.number"]
    with pytest.raises(KeyError):
        table.column("a.other")
    with pytest.raises(KeyError):
        table.span("a", False)
    assert table.objects() is None


def test_a_later_stage_offers_columns() -> None:
    table = Made()
    assert not table.has("flow.id")
    table.offer("flow.id", lambda made: Column(NUMBER, np.arange(made.rows)))
    assert table.has("flow.id") and table.column("flow.id").at(2) == [2]


def test_objects_know_their_parents() -> None:
    """Rows with 2, 0 and 1 objects."""
    below = ObjectTable("objects", np.array([0, 2, 2, 3]), {"a.number": lambda: Column(NUMBER, np.array([5, 6, 7]))})
    assert below.rows == 3
    assert below.parents.tolist() == [0, 0, 2]
    assert below.column("a.number").at(2) == [7]
