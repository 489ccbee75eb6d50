"""One file of the spool: how records lie in it, and how they are found again where bytes are damaged.

A segment is a header (format, number of its first record, checksum) and records behind each other: a mark, a checksum of
all that follows, the lengths, the record's number, its time, its id and its body. Numbers count every record that was ever
written to the spool, without gaps: what is missing between two that can be read is known to be lost, and how many.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detector.sinks.destination import Record

# 0xD5 begins a character of two bytes in UTF-8 and "D" cannot be its second: no document contains the mark.
MARK = b"\xd5DR1"
FORMAT = b"detector spool 1"
HEADER = struct.Struct("<16sqI")  # format, number of the first record, checksum of both
HEAD = struct.Struct("<4sIIHqq")  # mark, checksum of what follows it, bytes of the body, of the id, number, time in ns
SUMMED = 8  # the checksum covers a record from here on
BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Found:
    """One record that could be read. start, stop: its bytes in the file. skipped: damaged bytes before it."""

    record: Record
    number: int
    time_ns: int
    start: int
    stop: int
    skipped: int


def header(first: int) -> bytes:
    """The header of a segment whose first record has this number."""
    head = FORMAT + first.to_bytes(8, "little", signed=True)
    return head + zlib.crc32(head).to_bytes(4, "little")


def first_number(path: Path) -> int | None:
    """What the header says, None where there is none or it is damaged."""
    with path.open("rb") as file:
        data = file.read(HEADER.size)
    if len(data) < HEADER.size or data[:16] != FORMAT:
        return None
    _, first, checksum = HEADER.unpack(data)
    return int(first) if zlib.crc32(data[:-4]) == checksum else None


def encoded(record: Record, number: int, time_ns: int) -> bytes:
    """A record as it lies in the file."""
    name = record.id.encode()
    head = HEAD.pack(MARK, 0, len(record.body), len(name), number, time_ns)
    summed = head[SUMMED:] + name + record.body
    return MARK + zlib.crc32(summed).to_bytes(4, "little") + summed


def size_of(record: Record) -> int:
    """Bytes that a record takes in the file."""
    return HEAD.size + len(record.id.encode()) + len(record.body)


class Window:
    """Reads a file by blocks. What lies behind `limit` is not there."""

    def __init__(self, file: int, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._start = 0
        self._block = b""

    def get(self, offset: int, size: int) -> bytes:
        """These bytes, fewer where the file ends."""
        size = min(size, self._limit - offset)
        at = offset - self._start
        if at < 0 or at + size > len(self._block):
            self._start, at = offset, 0
            self._block = os.pread(self._file, min(max(size, BLOCK), self._limit - offset), offset)
        return self._block[at : at + size]

    def find_mark(self, offset: int) -> int:
        """Where the next mark begins, the limit where there is none."""
        while offset < self._limit:
            block = self.get(offset, BLOCK)
            if (at := block.find(MARK)) >= 0:
                return offset + at
            if len(block) < len(MARK):
                break
            offset += len(block) - len(MARK) + 1  # a mark may lie across two blocks
        return self._limit


def records(file: int, offset: int, limit: int) -> Iterator[Found]:
    """The records that can be read, from an offset on where one begins (or the damaged bytes that were one)."""
    window = Window(file, limit)
    skipped = 0
    while offset + HEAD.size <= limit:
        found = record_at(window, offset, limit, skipped)
        if found is None:
            following = window.find_mark(offset + 1)
            skipped += following - offset
            offset = following
        else:
            yield found
            skipped, offset = 0, found.stop


def record_at(window: Window, offset: int, limit: int, skipped: int) -> Found | None:
    """The record that begins here, None where none does."""
    head = window.get(offset, HEAD.size)
    if len(head) < HEAD.size or head[:4] != MARK:
        return None
    _, checksum, body_bytes, id_bytes, number, time_ns = HEAD.unpack(head)
    size = HEAD.size + id_bytes + body_bytes
    if offset + size > limit:
        return None
    data = window.get(offset, size)
    if len(data) < size or zlib.crc32(memoryview(data)[SUMMED:]) != checksum:
        return None
    name, body = data[HEAD.size : HEAD.size + id_bytes], data[HEAD.size + id_bytes :]
    return Found(Record(name.decode(), body), number, time_ns, offset, offset + size, skipped)
