"""Lists from files: what counts as an entry, and where a wrong one is looked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import InputError
from detector.lists import LONGEST_ENTRY, read_list


@pytest.mark.parametrize(
    ("content", "entries"),
    [
        (b"", []),
        (b"# all of it\n\n   \n", []),
        (b"10.0.0.1\n10.0.0.2", ["10.0.0.1", "10.0.0.2"]),
        (b"10.0.0.1  # the HMI\n", ["10.0.0.1"]),
        (b"  10.0.0.0/8\t\n", ["10.0.0.0/8"]),
        (b"10.0.0.1\r\n10.0.0.2\r\n", ["10.0.0.1", "10.0.0.2"]),
        (b"\xef\xbb\xbf10.0.0.1\n", ["10.0.0.1"]),  # a byte order mark, as editors on Windows write it
        ("Łódź substation\n".encode(), ["Łódź substation"]),
        (b"10.0.0.1\n10.0.0.1\n", ["10.0.0.1", "10.0.0.1"]),
    ],
)
def test_entries(content: bytes, entries: list[str], tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(content)
    assert [entry.text for entry in read_list(path)] == entries


def test_an_entry_knows_where_it_stands(tmp_path: Path) -> None:
    """Without it a wrong entry among ten thousand would be looked for by hand."""
    path = tmp_path / "list.txt"
    path.write_text("# masters\n10.0.0.1\n   10.0.0.300  # typo\n")
    position = read_list(path)[1].position
    assert position is not None
    assert (position.path, position.line, position.column, position.length) == (str(path), 3, 4, 10)
    assert position.text == "   10.0.0.300  # typo"


def test_what_cannot_be_read_is_one_mistake_with_a_hint(tmp_path: Path) -> None:
    binary = tmp_path / "list.bin"
    binary.write_bytes(b"\xff\xfe\x00")
    long = tmp_path / "long.txt"
    long.write_text("a\n" + "x" * (LONGEST_ENTRY + 1))
    for path, said in (
        (tmp_path / "none.txt", "No such file"),
        (tmp_path, "directory"),
        (binary, "no text file"),
        (long, "too long"),
    ):
        with pytest.raises(InputError, match=said) as refused:
            read_list(path)
        assert refused.value.hint and str(path) in str(refused.value)
