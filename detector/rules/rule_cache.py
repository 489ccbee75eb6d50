"""What came of .rules files, kept on disk under a hash of all that it was made of, so that a large ruleset starts quickly.

A file is a pickle, which can run code: it is read only where it, and its folder, belong to this user or to root and nobody
else can write them, and even then it can name classes of rules only. What is broken or foreign is made anew.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import os
import pickle
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from detector.cache import read_own, write_own
from detector.errors import InputError
from detector.kernel import cache_root
from detector.lists import LARGEST_LIST, read_bounded
from detector.rules.keywords import Context
from detector.rules.model import Rule
from detector.rules.signature import ByteJump, ByteTest, Content, Header, Pcre, Signature
from detector.rules.suricata import Loaded, no_collection
from detector.rules.suricata_text import LARGEST_FILE

PACKAGE = Path(__file__).parent
SPARSE = (Rule, Signature, Content, Pcre, ByteTest, ByteJump, Header)
MOST_FILES = 16  # the newest are kept
NAMED_FILES = re.compile(rb"\b(?:load|state)[\s:]+([^\s,;]+)")
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
    for named in sorted({found[1] for found in NAMED_FILES.finditer(data)}):
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
    if data is None:
        return None
    if hashlib.sha256(data[32:]).digest() != data[:32]:
        return None
    try:
        with no_collection():
            found = Rules(io.BytesIO(data[32:])).load()
    except Exception:  # noqa: BLE001 - pickle raises whatever a broken file leads to; the rules are read anew
        return None
    return found if isinstance(found, Loaded) else None


def dumped(loaded: Loaded) -> bytes:
    """The pickle. What a dataclass has as its default is its class's attribute, and is left out."""
    file = io.BytesIO()
    pickler = pickle.Pickler(file, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = dict.fromkeys(SPARSE, sparse)
    pickler.dump(loaded)
    return file.getvalue()


def sparse(value: Any) -> tuple[Any, tuple[type], dict[str, Any]]:
    """How pickle makes a dataclass anew: without what is the default anyway."""
    defaults = type(value).__dict__
    state = {name: one for name, one in value.__dict__.items() if name not in defaults or defaults[name] != one}
    return copyreg.__newobj__, (type(value),), state  # type: ignore[attr-defined]


def write(folder: Path, name: str, loaded: Loaded) -> None:
    """Keeps rules; a folder that cannot be written is no mistake, since a daemon's may be read-only."""
    with no_collection():
        data = dumped(loaded)
    if write_own(folder / name, hashlib.sha256(data).digest() + data):
        with suppress(OSError):
            files = sorted(folder.glob("*.rules"), key=lambda file: file.stat().st_mtime_ns)
            for old in files[:-MOST_FILES]:
                old.unlink()
