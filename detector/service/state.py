"""Checkpoints: the state of all stages in one file, together with where in the source and in the spool it was taken.

`freeze` pickles the state, which copies it, between two batches; `Frozen.write` may then take its time in another thread. A
file replaces the one before it whole or not at all, and carries a checksum.

Only classes of these stages, of NumPy and a few plain ones are made while reading: a file that someone has changed can make
no other object.
"""

from __future__ import annotations

import io
import json
import pickle
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detector.errors import InputError
from detector.sinks.files import replace, sync_folder

MAGIC = b"detector checkpoint 1\n"
COUNT = struct.Struct("<Q")
PLAIN = {
    ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytearray"), ("builtins", "complex"),
    ("collections", "Counter"), ("collections", "OrderedDict"), ("collections", "deque"), ("collections", "defaultdict"),
}  # fmt: skip
NUMPY = {"_reconstruct", "_frombuffer", "ndarray", "dtype", "scalar"}


@dataclass(frozen=True)
class Frozen:
    """A state as bytes. header: JSON that goes with it; body: the pickle."""

    header: dict[str, Any]
    body: bytes

    def write(self, path: Path) -> int:
        """Replaces the file at a path, on disk when it returns. Returns its size in bytes.

        Raises:
            OSError: it could not be written; the file before it is untouched.
        """
        parts = [MAGIC]
        for part in (json.dumps(self.header).encode(), self.body):
            parts += [COUNT.pack(len(part)), part]
        data = b"".join(parts)
        data += COUNT.pack(zlib.crc32(data))
        replace(path, data, is_synced=True)
        sync_folder(path.parent)
        return len(data)


def freeze(header: dict[str, Any], state: Any) -> Frozen:
    """A copy of a state that later changes do not reach."""
    return Frozen(header, pickle.dumps(state, protocol=5))


class Reader(pickle.Unpickler):
    """Makes states only."""

    def find_class(self, module: str, name: str) -> Any:
        """A class or function that a state may have."""
        origin = module.partition(".")[0]
        if (origin == "numpy" and name in NUMPY) or (module, name) in PLAIN:
            return super().find_class(module, name)
        if origin == "detector" and isinstance(found := super().find_class(module, name), type):
            return found
        raise pickle.UnpicklingError(f"no state has {module}.{name}")


def read(path: Path) -> tuple[dict[str, Any], Any]:
    """Header and state of a checkpoint.

    Raises:
        FileNotFoundError: there is none.
        InputError: it cannot be used, and why.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if not data.startswith(MAGIC):
        raise InputError(f"{path}: is no checkpoint of this version of detector")
    if len(data) < len(MAGIC) + COUNT.size or COUNT.unpack(data[-COUNT.size :])[0] != zlib.crc32(data[: -COUNT.size]):
        raise InputError(f"{path}: is damaged: its checksum does not fit")
    parts = Parts(data[: -COUNT.size], len(MAGIC))
    header = json.loads(parts.take())
    body = parts.take()
    try:
        return header, Reader(io.BytesIO(body)).load()
    except Exception as error:  # noqa: BLE001 - a state of another version may fail in any way
        raise InputError(f"{path}: holds a state of another version of detector: {error}") from None


class Parts:
    """Takes apart the bytes of a checkpoint, which its checksum has vouched for."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = memoryview(data)
        self._at = at

    def take(self) -> bytes:
        """The next bytes, which their length precedes."""
        size = int(COUNT.unpack_from(self._data, self._at)[0])
        self._at += COUNT.size + size
        return bytes(self._data[self._at - size : self._at])
