"""Checkpoints: the state of all stages in one file, together with where in the source and in the spool it was taken.

A state is mostly arrays, and mostly empty ones: of each array only the blocks that hold something are kept. `freeze` copies
them, between two batches, in some milliseconds; `Frozen.write` may then take its time in another thread. A file replaces
the one before it whole or not at all, and carries a checksum.

Only classes of these stages, of NumPy and a few plain ones are made while reading: a file that someone has changed can make
no other object.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import InputError

MAGIC = b"detector checkpoint 1\n"
BLOCK_BYTES = 16 * 2**10
COUNT = struct.Struct("<Q")
RUN = struct.Struct("<QQ")  # first byte, bytes
PLAIN = {
    ("builtins", "set"), ("builtins", "frozenset"), ("builtins", "bytearray"), ("builtins", "complex"),
    ("collections", "Counter"), ("collections", "OrderedDict"), ("collections", "deque"), ("collections", "defaultdict"),
}  # fmt: skip
NUMPY = {"_reconstruct", "_frombuffer", "ndarray", "dtype", "scalar"}


@dataclass(frozen=True)
class Frozen:
    """A state as bytes. header: JSON that goes with it; body: the pickle; buffers: of each array its length and runs."""

    header: dict[str, Any]
    body: bytes
    buffers: Sequence[tuple[int, Sequence[tuple[int, bytes]]]]

    def write(self, path: Path) -> int:
        """Replaces the file at a path, on disk when it returns. Returns its size in bytes.

        Raises:
            OSError: it could not be written; the file before it is untouched.
        """
        aside = path.with_name(path.name + ".new")
        try:
            with aside.open("wb") as file:
                out = Summed(file)
                out.write(MAGIC)
                self._write_parts(out)
                file.write(COUNT.pack(out.sum))
                file.flush()
                os.fsync(file.fileno())
                size = file.tell()
            os.replace(aside, path)
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return size

    def _write_parts(self, out: Summed) -> None:
        for part in (json.dumps(self.header).encode(), self.body):
            out.write(COUNT.pack(len(part)))
            out.write(part)
        out.write(COUNT.pack(len(self.buffers)))
        for length, runs in self.buffers:  # per array
            out.write(RUN.pack(length, len(runs)))
            for start, data in runs:  # per run
                out.write(RUN.pack(start, len(data)))
                out.write(data)


class Summed:
    """A file that sums up what is written to it."""

    def __init__(self, file: io.BufferedWriter) -> None:
        self._file = file
        self.sum = 0

    def write(self, data: bytes) -> None:
        """Appends."""
        self.sum = zlib.crc32(data, self.sum)
        self._file.write(data)


def freeze(header: dict[str, Any], state: Any) -> Frozen:
    """A copy of a state that later changes do not reach."""
    arrays: list[pickle.PickleBuffer] = []
    body = pickle.dumps(state, protocol=5, buffer_callback=arrays.append)
    return Frozen(header, body, [runs_of(np.frombuffer(array.raw(), np.uint8)) for array in arrays])


def runs_of(data: NDArray[np.uint8]) -> tuple[int, list[tuple[int, bytes]]]:
    """Length of an array, and (first byte, bytes) of its runs of blocks that are not all zero."""
    whole = len(data) // BLOCK_BYTES
    is_used = np.zeros(whole + 3, np.bool_)  # an unused block at either end, so that every run has both ends
    is_used[1 : whole + 1] = data[: whole * BLOCK_BYTES].view(np.uint64).reshape(whole, BLOCK_BYTES // 8).any(axis=1)
    is_used[whole + 1] = data[whole * BLOCK_BYTES :].any()
    edges = np.flatnonzero(is_used[1:] != is_used[:-1]).reshape(-1, 2) * BLOCK_BYTES
    return len(data), [(first, data[first:stop].tobytes()) for first, stop in edges.tolist()]


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
    buffers = [parts.array() for _ in range(parts.number())]
    try:
        return header, Reader(io.BytesIO(body), buffers=buffers).load()
    except Exception as error:  # noqa: BLE001 - a state of another version may fail in any way
        raise InputError(f"{path}: holds a state of another version of detector: {error}") from None


class Parts:
    """Takes apart the bytes of a checkpoint, which its checksum has vouched for."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = memoryview(data)
        self._at = at

    def number(self) -> int:
        """The next number."""
        self._at += COUNT.size
        return int(COUNT.unpack_from(self._data, self._at - COUNT.size)[0])

    def take(self) -> bytes:
        """The next bytes, which their length precedes."""
        size = self.number()
        self._at += size
        return bytes(self._data[self._at - size : self._at])

    def array(self) -> NDArray[np.uint8]:
        """The next array, its unused blocks zero."""
        length, runs = self.number(), self.number()
        found = np.zeros(length, np.uint8)
        for _ in range(runs):  # per run
            start, size = self.number(), self.number()
            found[start : start + size] = np.frombuffer(self._data[self._at : self._at + size], np.uint8)
            self._at += size
        return found
