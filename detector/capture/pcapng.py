"""pcapng files: one row = one packet block.

draft-ietf-opsawg-pcapng: sections (each with its byte order and interfaces), interface descriptions (link type, snaplen,
if_tsresol, if_tsoffset), enhanced, simple and obsolete packet blocks with their comments; other blocks are passed over.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Origin
from detector.capture.capture_formats import Found
from detector.kernel import Kernels

kernels = Kernels("detector.capture.capture_kernels")

MAGIC = b"\x0a\x0d\x0d\x0a"
LONGEST_BLOCK = 16 * 2**20  # as Wireshark bounds it
COMMENTS_PER_CALL = 4096
NAME, DESCRIPTION, TSRESOL, TSOFFSET = 2, 3, 9, 14
MICROSECONDS = 6


class Pcapng:
    """Finds packets; keeps the section's byte order and interfaces."""

    def __init__(self) -> None:
        self._is_big = False
        self._interfaces = np.zeros((8, 5), np.int64)
        self._interface_count = 0
        self._section = 0
        self.described: list[Origin] = []

    def find(self, buffer: NDArray[np.uint8], position: int, stop: int, limit: int) -> Found:
        """At most `limit` packets of buffer[position:stop], up to the next section or interface where that is sooner."""
        while True:  # per section or interface block
            out = np.empty((min(limit, (stop - position) // 16 + 1), 5), np.int64)
            said = np.empty((COMMENTS_PER_CALL, 3), np.int64)
            notes = np.empty((4 * len(out), 3), np.int64)
            count, comments, noted, position, why = kernels.index_pcapng(
                buffer,
                position,
                stop,
                self._is_big,
                self._interfaces,
                self._interface_count,
                LONGEST_BLOCK,
                out,
                said,
                notes,
                len(out),
            )
            damaged = why == kernels.DAMAGED
            if count or why != kernels.META:
                packets = out[:count]
                links = self._interfaces[packets[:, 4], 0].astype(np.int32) if count else np.zeros(0, np.int32)
                origins = (packets[:, 4] + len(self.described) - self._interface_count).astype(np.int32)
                return Found(
                    packets, links, position, damaged, texts(buffer, said[:comments]), notes[:noted].copy(), origins
                )
            taken = self._take(buffer[position:stop])
            if taken <= 0:
                return Found(out[:0], np.zeros(0, np.int32), position, taken < 0)
            position += taken

    def _take(self, block: NDArray[np.uint8]) -> int:
        """Reads a section header or interface description; its length, 0 for "not whole yet", -1 for damaged."""
        kind = bytes(block[:4])
        if kind == MAGIC:
            order = {b"\x1a\x2b\x3c\x4d": ">", b"\x4d\x3c\x2b\x1a": "<"}.get(bytes(block[8:12]))
            if order is None:
                return -1
            length = int(struct.unpack(f"{order}I", bytes(block[4:8]))[0])
            if length < 28 or length % 4 or length > LONGEST_BLOCK:
                return -1
            if len(block) < length:
                return 0
            self._is_big = order == ">"
            self._interface_count = 0
            self._section += 1
            return length
        order = ">" if self._is_big else "<"
        length = int(struct.unpack(f"{order}I", bytes(block[4:8]))[0])
        if length < 20:
            return -1
        if self._interface_count == len(self._interfaces):
            self._interfaces = np.concatenate((self._interfaces, np.zeros_like(self._interfaces)))
        body = bytes(block[8 : length - 4])
        self._interfaces[self._interface_count] = interface(body, order)
        said = {code: value.decode("utf-8", "replace") for code, value in options(body, order)}
        self.described.append(
            Origin(self._section, said.get(NAME) or said.get(DESCRIPTION, ""), said.get(DESCRIPTION, ""))
        )
        self._interface_count += 1
        return length


def interface(body: bytes, order: str) -> tuple[int, int, int, int, int]:
    """(link type, power of if_tsresol, is binary, if_tsoffset in s, snaplen) of an interface description's body."""
    link_type, _, snaplen = struct.unpack(f"{order}HHI", body[:8])
    power, binary, offset = MICROSECONDS, 0, 0
    for code, value in options(body, order):  # per option
        if code == TSRESOL and len(value) == 1:
            power, binary = value[0] & 0x7F, value[0] >> 7
        if code == TSOFFSET and len(value) == 8:
            offset = struct.unpack(f"{order}q", value)[0]
    return link_type, power, binary, max(-(2**32), min(2**32, offset)), snaplen


def options(body: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """(code, value) of an interface description's options, up to the first that is not whole."""
    at = 8
    while at + 4 <= len(body):  # per option
        code, length = struct.unpack(f"{order}HH", body[at : at + 4])
        value = body[at + 4 : at + 4 + length]
        if code == 0 or len(value) < length:
            return
        yield code, value
        at += 4 + (length + 3) // 4 * 4


def texts(buffer: NDArray[np.uint8], said: NDArray[np.int64]) -> dict[int, list[str]]:
    """{packet: comments} of (packet, start, stop) rows."""
    found: dict[int, list[str]] = {}
    for packet, start, stop in said.tolist():  # per comment
        found.setdefault(packet, []).append(buffer[start:stop].tobytes().decode("utf-8", "replace"))
    return found
