"""Lists from files: one entry a line, `#` begins a comment. Look-up only; what an entry means is its user's matter."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from detector.errors import InputError, Position

LONGEST_ENTRY = 4096
LARGEST_LIST = 64 * 2**20


@dataclass(frozen=True)
class Entry:
    """One entry, and where it stands; an entry that was given on the command line has no place."""

    text: str
    position: Position | None = None


def read_bounded(path: Path, most: int) -> bytes:
    """A file that a user named, of at most so many bytes: a device or a pipe may have no end.

    Raises:
        InputError: it is larger.  OSError: it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise InputError(f"{path}: is larger than {most // 2**20} MiB", hint="is it the file that was meant?")
    return data


def read_list(path: Path) -> tuple[Entry, ...]:
    """The entries of a list file, in order.

    Raises:
        InputError: the file cannot be read, is too large, or holds what is no text.
    """
    try:
        text = read_bounded(path, LARGEST_LIST).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", hint="a list has one entry a line") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text file", hint="a list has one entry a line, in UTF-8") from None
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        column = line.find(entry) + 1
        if len(entry) > LONGEST_ENTRY:
            raise InputError(
                "an entry is too long", position=Position(str(path), number, 1, 1, line[:80]), hint="one entry a line"
            )
        if entry:
            entries.append(Entry(entry, Position(str(path), number, column, len(entry), line)))
    return tuple(entries)
