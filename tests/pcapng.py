"""pcapng files from their parts, by the draft (draft-ietf-opsawg-pcapng), for tests."""

from __future__ import annotations

import struct

ENHANCED, SIMPLE, OLD = 6, 3, 2
Block = tuple[int, bytes]


def padded(data: bytes) -> bytes:
    return data.ljust((len(data) + 3) // 4 * 4, b"\0")


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(f"{order}HH", code, len(value)) + padded(value)


def section(order: str = "<", version: int = 1) -> Block:
    return 0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, version, 0, -1)


def interface(link_type: int = 1, options: bytes = b"", snaplen: int = 0, order: str = "<") -> Block:
    end = option(0, b"", order) if options else b""
    return 1, struct.pack(f"{order}HHI", link_type, 0, snaplen) + options + end


def packet(
    data: bytes,
    ticks: int = 1,
    number: int = 0,
    wire: int | None = None,
    comment: str = "",
    order: str = "<",
    options: bytes = b"",
) -> Block:
    """An enhanced packet block."""
    said = options + (option(1, comment.encode(), order) if comment else b"")
    said += option(0, b"", order) if said else b""
    head = struct.pack(
        f"{order}IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data) if wire is None else wire
    )
    return ENHANCED, head + padded(data) + said


def blocks(*parts: Block, order: str = "<") -> bytes:
    """The blocks of one section, in one byte order."""
    made = b""
    for kind, body in parts:
        body = padded(body)
        made += struct.pack(f"{order}II", kind, 12 + len(body)) + body + struct.pack(f"{order}I", 12 + len(body))
    return made
