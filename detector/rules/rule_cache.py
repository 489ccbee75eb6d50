"""What came of .rules files, kept on disk under a hash of all that it was made of, so that a large ruleset starts quickly.

A file is pickles, which can run code: it is read only where it, and its folder, belong to this user or to root and nobody
else can write them, and even then it can name classes of rules only. What is broken or foreign is made anew. Of a rule only
what loading needs is read at once (shelf.py).
"""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from detector.cache import read_own, write_own
from detector.errors import InputError
from detector.kernel import cache_root
from detector.lists import LARGEST_LIST, read_bounded
from detector.rules.keywords import Context
from detector.rules.model import Rule
from detector.rules.shelf import Shelf, Shelved, rest_of, shelved, taken
from detector.rules.signature import Signature
from detector.rules.suricata import Loaded, no_collection
from detector.rules.suricata_text import LARGEST_FILE

PACKAGE = Path(__file__).parent
DIGEST, LENGTH = 32, 8
# What is looked at of every rule when a ruleset is loaded or its engine made; the rest stays on the shelf.
KEPT: dict[type[Shelved], tuple[str, ...]] = {
    Signature: ("header", "where", "states", "suppressions", "gid", "sid", "rev", "order", "buffers", "sought", "is_one_content"),
    Rule: ("id", "name", "title", "level", "table", "test", "correlation", "new_value", "fields", "silent", "inactive", "signature"),
}  # fmt: skip
MOST_FILES = 16  # the newest are kept
NAMED_FILES = [
    re.compile(word + rb"(?<=\b" + word + rb")[\s:]+([^\s,;]+)") for word in (b"load", b"state")
]  # fast to search
MODULES = ("detector.rules.", "detector.errors", "detector.columns")
PLAIN = {("builtins", "set"), ("builtins", "frozenset"), ("pathlib", "PosixPath"), ("copyreg", "_reconstructor"), ("builtins", "object")}  # fmt: skip


def cached(path: Path, context: Context, make: Callable[[Path, Context], Loaded]) -> Loaded:
    """What `make` gives for a .rules file, from disk where nothing that it depends on has changed."""
    try:
        name = name_of(path, context)
    except OSError:
        return make(path, context)
    folder = cache_root() / "rules"
    found = read(folder / name)
    if found is None:
        found = make(path, context)
        write(folder, name, found)
    return found


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


class Rules(pickle.Unpickler):
    """Unpickles rules, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        """A class of rules. Raises UnpicklingError for any other."""
        if not module.startswith(MODULES) and (module, name) not in PLAIN:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a rule")
        return super().find_class(module, name)


def read(path: Path) -> Loaded | None:
    """The content of a cache file; None where there is none that can be trusted."""
    data = read_own(path)
    if data is None or hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
        return None
    try:
        with no_collection():
            return loaded_of(memoryview(data)[DIGEST:])
    except Exception:  # noqa: BLE001 - pickle raises whatever a broken file leads to; the rules are read anew
        return None


def unpickled(data: bytes | memoryview) -> Any:
    """What was pickled, where it is a part of rules."""
    return Rules(io.BytesIO(data)).load()


def loaded_of(data: memoryview) -> Loaded:
    """Rules on shelves, which are the file: its index, then its blocks."""
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


def dumped(loaded: Loaded) -> bytes:
    """The content of a cache file, without its sum."""
    index: dict[str, Any] = {"refused": loaded.refused, "warnings": loaded.warnings}
    blocks: list[bytes] = []
    at = 0
    for kind, names in KEPT.items():  # per class
        objects: Sequence[Any] = loaded.rules if kind is Rule else [rule.signature for rule in loaded.rules]
        columns = {name: [getattr(one, name) for one in objects] for name in names if name != "signature"}
        mine = list(shelved(objects, rest_of(kind, names)))
        offsets = [at, *(at := at + len(block) for block in mine)]
        index[kind.__name__] = len(objects), columns, offsets
        blocks += mine
    table = pickle.dumps(index, pickle.HIGHEST_PROTOCOL)
    return b"".join((len(table).to_bytes(LENGTH, "little"), table, *blocks))


def write(folder: Path, name: str, loaded: Loaded) -> None:
    """Keeps rules; a folder that cannot be written is no mistake, since a daemon's may be read-only."""
    with no_collection():
        data = dumped(loaded)
    if write_own(folder / name, hashlib.sha256(data).digest() + data):
        with suppress(OSError):
            files = sorted(folder.glob("*.rules"), key=lambda file: file.stat().st_mtime_ns)
            for old in files[:-MOST_FILES]:
                old.unlink()
