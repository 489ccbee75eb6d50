"""What came of .rules files, kept on disk under a hash of all that it was made of, so that a large ruleset starts quickly.

A file is pickles (packed.py), which can run code: it is read only where it, and its folder, belong to this user or to root
and nobody else can write them, and even then it can name classes of rules only. What is broken or foreign is made anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path

from detector.cache import read_own, write_own
from detector.errors import InputError
from detector.kernel import cache_root
from detector.lists import LARGEST_LIST, read_bounded
from detector.rules.keywords import Context
from detector.rules.packed import LENGTH, unpacked
from detector.rules.shares import Made
from detector.rules.suricata import Loaded, joined, no_collection
from detector.rules.suricata_text import LARGEST_FILE

PACKAGE = Path(__file__).parent
DIGEST = 32
MOST_FILES = 16  # the newest are kept
NAMED_FILES = [
    re.compile(word + rb"(?<=\b" + word + rb")[\s:]+([^\s,;]+)") for word in (b"load", b"state")
]  # fast to search
Make = Callable[[Sequence[Path], Context], dict[Path, Made]]


def cached(paths: Sequence[Path], context: Context, make: Make) -> dict[Path, Loaded | InputError]:
    """Of each .rules file its rules, or why it cannot be read; from disk, where nothing that they depend on has changed.
    make: makes the pieces of those that are not there."""
    folder = cache_root() / "rules"
    found: dict[Path, Loaded | InputError | None] = {}
    names: dict[Path, str] = {}
    for path in paths:  # per file
        try:
            names[path] = name_of(path, context)
            found[path] = read(folder / names[path])
        except OSError:
            found[path] = None
        except InputError as error:
            found[path] = error
    made = make([path for path in paths if found[path] is None], context)
    for path, packed in made.items():  # per file
        found[path] = loaded_of(packed)
        if path in names and not isinstance(packed, InputError) and isinstance(found[path], Loaded):
            write(folder, names[path], packed)
    return {path: one for path, one in found.items() if one is not None}


def loaded_of(made: Made) -> Loaded | InputError:
    """What came of a file, of its pieces."""
    if isinstance(made, InputError):
        return made
    try:
        with no_collection():
            return joined([unpacked(memoryview(piece)) for piece in made])
    except InputError as error:
        return error


def name_of(path: Path, context: Context) -> str:
    """The cache file: a hash of the rules, of the lists they name, of the variables and of our own code.

    Raises:
        InputError: the file is too large.  OSError: it cannot be read.
    """
    digest = hashlib.sha256(code())
    data = read_bounded(path, LARGEST_FILE)
    digest.update(f"{path}\0{len(data)}\0".encode(errors="surrogateescape"))
    digest.update(data)
    for field in (one for one in fields(context) if one.compare):
        value = getattr(context, field.name)
        shown = sorted(value.items()) if isinstance(value, dict) else value
        digest.update(f"{field.name}={shown!r}\0".encode(errors="surrogateescape"))
    for named in sorted({found for pattern in NAMED_FILES for found in pattern.findall(data)}):
        digest.update(named)
        with suppress(OSError, ValueError, InputError):
            digest.update(read_bounded(Path(context.folder) / os.fsdecode(named), LARGEST_LIST))
    return f"{digest.hexdigest()[:40]}.rules"


@cache
def code() -> bytes:
    """A hash of everything that turns text into rules."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(PACKAGE.parent.rglob("*.py")):
        if file.parent.name in ("rules", "keywords", "packets", "flows", "protocols") or file.parent == PACKAGE.parent:
            digest.update(file.read_bytes())
    return digest.digest()


def read(path: Path) -> Loaded | None:
    """The content of a cache file; None where there is none that can be trusted."""
    data = read_own(path)
    if data is None or hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
        return None
    pieces = []
    at = DIGEST
    while at < len(data):  # per piece
        begin = at + LENGTH
        at = begin + int.from_bytes(data[at:begin], "little")
        pieces.append(memoryview(data)[begin:at])
    try:
        with no_collection():
            return joined([unpacked(piece) for piece in pieces])
    except Exception:  # noqa: BLE001 - pickle raises whatever a broken file leads to; the rules are read anew
        return None


def write(folder: Path, name: str, pieces: Sequence[bytes]) -> None:
    """Keeps rules; a folder that cannot be written is no mistake, since a daemon's may be read-only."""
    data = b"".join(part for piece in pieces for part in (len(piece).to_bytes(LENGTH, "little"), piece))
    if write_own(folder / name, hashlib.sha256(data).digest() + data):
        with suppress(OSError):
            files = sorted(folder.glob("*.rules"), key=lambda file: file.stat().st_mtime_ns)
            for old in files[:-MOST_FILES]:
                old.unlink()
