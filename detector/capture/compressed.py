"""Compressed captures, recognised by their first bytes: gzip, zstd, xz, bzip2."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, cast

import zstandard

Opener = Callable[[BinaryIO], BinaryIO]

# (first bytes, name, opener)
FORMATS: tuple[tuple[bytes, str, Opener], ...] = (
    (b"\x1f\x8b", "gzip", lambda raw: cast(BinaryIO, gzip.GzipFile(fileobj=raw))),
    (b"\x28\xb5\x2f\xfd", "zstd", lambda raw: cast(BinaryIO, zstandard.ZstdDecompressor().stream_reader(
        raw, read_across_frames=True))),
    (b"\xfd7zXZ\x00", "xz", lambda raw: cast(BinaryIO, lzma.LZMAFile(raw, "rb"))),  # noqa: SIM115
    (b"BZh", "bzip2", lambda raw: cast(BinaryIO, bz2.BZ2File(raw, "rb"))),
)  # fmt: skip
ERRORS = (EOFError, OSError, lzma.LZMAError, zlib.error, zstandard.ZstdError)  # what a damaged one raises, and when cut
LONGEST_MAGIC = max(len(magic) for magic, _, _ in FORMATS)


def recognise(first: bytes) -> tuple[str, Opener] | None:
    """The name and opener of the compression that a file begins with."""
    return next(((name, opener) for magic, name, opener in FORMATS if first.startswith(magic)), None)


class Decompressed(io.RawIOBase):
    """The decompressed bytes of a stream; where it is damaged or cut, they end there and `problem` says so."""

    def __init__(self, raw: BinaryIO, name: str, opener: Opener) -> None:
        self._inner = opener(raw)
        self._name = name
        self._is_read = False
        self.problem = ""

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Bytes read into target; 0 at the end or where the stream is damaged."""
        if self.problem:
            return 0
        try:
            # read1, not read: where the stream is cut, what comes before the cut in the same piece is not lost.
            data = self._inner.read1(min(len(target), 1 << 18))  # type: ignore[attr-defined]
        except ERRORS as error:
            self.problem = f"its {self._name} data is damaged or cut short ({error})"
            return 0
        if not data and not self._is_read:  # zstd says nothing where it is cut within its first block
            self.problem = f"its {self._name} data is cut short, or holds nothing"
        self._is_read = True
        target[: len(data)] = data
        return len(data)
