"""One capture, file or stream, to batches. A batch's buffer is the block as it was read: packets are not copied."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from detector.capture import compressed, pcap, pcapng
from detector.capture.batch import Batch, Origin, no_packets
from detector.capture.capture_formats import Format, Found
from detector.capture.source import BATCH_PACKETS, BATCH_SECONDS, SourceReport
from detector.capture.streams import Bytes, FileBytes, GrowingBytes, PipeBytes
from detector.errors import InputError

BLOCK_BYTES = 4 * 2**20
SLACK_BYTES = 512 * 2**10  # for what later stages append
SMALLEST_BLOCK = 640 * 2**10  # the largest packet with its record, and as much again
STDIN = "-"


class CaptureReader:
    """A Source of one capture. `follow` waits at the end of a file for what its writer adds, also after rotation.

    `opened` is read in place of the file at `path`; where it says that nothing is there now, an empty batch is yielded.
    """

    def __init__(self, path: str, *, follow: bool = False, batch_packets: int = BATCH_PACKETS,
                 block_bytes: int = BLOCK_BYTES, opened: Bytes | None = None) -> None:  # fmt: skip
        self.path = path
        self.report = SourceReport()
        self._follow = follow
        self._batch_packets = batch_packets
        self._capacity = max(block_bytes, SMALLEST_BLOCK)
        self._stopped = Event()
        self._opened = opened or self._open()

    def stop(self) -> None:
        """Ends the iterator after the packets at hand."""
        self._stopped.set()

    def batches(self) -> Iterator[Batch]:
        """The packets, in the file's order."""
        while True:  # per file that follows another by rotation
            try:
                yield from self._read(self._opened)
                is_replaced = self._follow and self._opened.is_replaced()
            except OSError as error:  # a disk or a network drive that fails
                if not self.report.packets:
                    raise InputError(f"{self.path}: cannot be read: {error.strerror}") from None
                where = f"after packet {self.report.packets}"
                self.report.warnings.append(f"{self.path}: cannot be read on {where}: {error.strerror}")
                return
            finally:
                self._opened.close()
            if not is_replaced or self._stopped.is_set():
                return
            try:
                self._opened = self._open()
            except InputError as error:
                self.report.warnings.append(f"after rotation: {error.problem}")
                return

    def _open(self) -> Bytes:
        if self.path == STDIN:
            return PipeBytes(cast(BinaryIO, sys.stdin.buffer), self._stopped)
        try:
            raw = Path(self.path).open("rb", buffering=0)  # noqa: SIM115 - read until its end or stop()
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read: {error.strerror}") from None
        path = Path(self.path)
        if path.is_fifo():
            return PipeBytes(cast(BinaryIO, raw), self._stopped)
        self.report.size_bytes += path.stat().st_size
        if self._follow:
            return GrowingBytes(self.path, cast(BinaryIO, raw), self._stopped)
        return FileBytes(cast(BinaryIO, raw))

    def _read(self, source: Bytes) -> Iterator[Batch]:
        """All batches of one opened file."""
        buffer = np.zeros(self._capacity + SLACK_BYTES, np.uint8)
        filled, source = self._begin(source, buffer)
        if filled == 0 and (source.is_live or self._stopped.is_set()):
            return
        if problem := problem_of(source):
            if filled < pcap.HEADER_BYTES:
                raise InputError(f"{self.path}: {problem}", hint="nothing of it can be read")
        found_format, position = self._recognise(buffer[:filled].tobytes())
        number, is_last = 0, False
        while not is_last:  # per block
            before = filled
            filled, is_last = self._fill(source, buffer, position, filled)
            if filled == before and not is_last:
                yield no_packets()
                continue
            while True:  # per batch of the block
                found = found_format.find(buffer, position, filled, self._batch_packets)
                position = found.position
                if len(found.packets):
                    yield self._batch(buffer, filled, found, number, found_format.described)
                    number += len(found.packets)
                if self._stopped.is_set() and not source.is_live:
                    self.report.warnings.append(f"{self.path}: not read to its end: stopped after packet {number}")
                    return
                if found.damaged or not len(found.packets):
                    break
            if found.damaged:
                self._give_up(source, found.position, filled, number, "damaged")
                return
            if position == 0 and filled == self._capacity:  # one pcapng block that is larger than the buffer
                self._capacity *= 2
                buffer = np.concatenate((buffer, np.zeros(self._capacity // 2, np.uint8)))
            else:
                buffer[: filled - position] = buffer[position:filled].copy()
                position, filled = 0, filled - position
        if filled:
            self._give_up(source, 0, filled, number, "cut short")
        elif problem := problem_of(source):
            self.report.warnings.append(f"{self.path}: {problem} after packet {number}")

    def _begin(self, source: Bytes, buffer: NDArray[np.uint8]) -> tuple[int, Bytes]:
        """The first bytes of the capture, decompressed; enough to recognise it, fewer where there are no more."""
        filled = self._at_least(source, buffer, pcap.HEADER_BYTES)
        packed = compressed.recognise(buffer[: compressed.LONGEST_MAGIC].tobytes()) if filled else None
        if packed is None:
            return filled, source
        head = io.BytesIO(buffer[:filled].tobytes())
        raw = Chained(head, source)
        unpacked = compressed.Decompressed(cast(BinaryIO, raw), *packed)
        source = FileBytes(cast(BinaryIO, unpacked))
        return self._at_least(source, buffer, pcap.HEADER_BYTES), source

    def _at_least(self, source: Bytes, buffer: NDArray[np.uint8], wanted: int) -> int:
        filled = 0
        while filled < wanted:  # per read
            count = source.read(memoryview(buffer)[filled:wanted], None)  # type: ignore[arg-type]
            if not count:
                break
            filled += count
            self.report.read_bytes += count
        return filled

    def _recognise(self, first: bytes) -> tuple[Format, int]:
        """The reader of the format that the capture begins with, and where its records begin."""
        if first.startswith(pcapng.MAGIC):
            return pcapng.Pcapng(), 0
        if pcap.recognise(first) is not None and len(first) >= pcap.HEADER_BYTES:
            return pcap.Pcap(first[: pcap.HEADER_BYTES]), pcap.HEADER_BYTES
        if pcap.recognise(first) is not None:
            raise InputError(f"{self.path}: cut short within the file header ({len(first)} of 24 bytes)")
        if not first:
            raise InputError(f"{self.path}: is empty", hint="a capture has at least a file header")
        raise InputError(f"{self.path}: is not a capture: it begins with {first[:8].hex(' ')}",
                         hint="read are pcap and pcapng, also in gzip, zstd, xz or bzip2")  # fmt: skip

    def _fill(self, source: Bytes, buffer: NDArray[np.uint8], position: int, filled: int) -> tuple[int, bool]:
        """Reads until the block is full, or the deadline of a live source; (bytes in the block, whether it has ended)."""
        view = memoryview(buffer)  # type: ignore[arg-type]
        deadline: float | None = None
        while filled < self._capacity:  # per read
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return filled, False
            count = source.read(view[filled : self._capacity], left)
            if count is None:
                return filled, False
            if count == 0:
                return filled, True
            filled += count
            self.report.read_bytes += count
            if source.is_live and deadline is None:
                deadline = time.monotonic() + BATCH_SECONDS
        return filled, False

    def _batch(
        self, buffer: NDArray[np.uint8], filled: int, found: Found, number: int, described: list[Origin]
    ) -> Batch:
        packets, n = found.packets, len(found.packets)
        self.report.packets += n
        self.report.bytes += int((packets[:, 1] - packets[:, 0]).sum())
        return Batch(
            buffer, filled, packets[:, 0].copy(), packets[:, 1].copy(), packets[:, 2].copy(), packets[:, 3].copy(), found.link_types,
            np.arange(number + 1, number + n + 1), np.zeros(n, np.int32), packets[:, 4].astype(np.int32), [self.path],
            found.comments, found.notes, found.origins, described,
        )  # fmt: skip

    def _give_up(self, source: Bytes, position: int, filled: int, number: int, what: str) -> None:
        """Counts what cannot be read, and says so."""
        self.report.skipped_bytes[f"{self.path}: {what}"] += filled - position
        self.report.warnings.append(f"{self.path}: {what} in packet {number + 1}; read up to packet {number}")


def problem_of(source: Bytes) -> str:
    """What is wrong with a compressed stream, found so far."""
    raw: object = source._raw if isinstance(source, FileBytes) else None
    return raw.problem if isinstance(raw, compressed.Decompressed) else ""


class Chained(io.RawIOBase):
    """Bytes already taken from a stream, then the stream."""

    def __init__(self, head: io.BytesIO, tail: Bytes) -> None:
        self._head = head
        self._tail = tail

    def readable(self) -> bool:
        """True."""
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        """Bytes read into target; 0 at the end."""
        return self._head.readinto(target) or self._tail.read(target, None) or 0
