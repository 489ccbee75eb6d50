"""Lists from files: one entry a line, `#` begins a comment. Look-up only; what an entry means is its user's matter."""

from __future__ import annotations

from pathlib import Path

from detector.errors import InputError, Position

LONGEST_ENTRY = 4096


def read_list(path: Path) -> tuple[str, ...]:
    """The entries of a list file, in order.

    Raises:
        InputError: the file cannot be read, or holds what is no text.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", hint="a list has one entry a line") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text file", hint="a list has one entry a line, in UTF-8") from None
    entries = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.partition("#")[0].strip()
        if len(entry) > LONGEST_ENTRY:
            raise InputError(
                "an entry is too long", position=Position(str(path), number, 1, 1, line[:80]), hint="one entry a line"
            )
        if entry:
            entries.append(entry)
    return tuple(entries)
