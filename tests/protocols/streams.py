"""Bytes of a connection through all stages to a protocol's table: whole, byte by byte, or cut anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from detector.flows.followed import Watched
from detector.pipeline import Decoding, PipelineSettings
from tests.flows.frames import ACK, CLIENT, PUSH, SECOND, SERVER, SYN, End, batches, tcp

Turn = tuple[str, bytes]  # "c" or "s", and what that side sends


def segments(
    turns: Iterable[Turn], sizes: Sequence[int] = (), client: End = CLIENT, server: End = SERVER
) -> list[bytes]:
    """Frames of a connection: handshake, then each turn in segments of the given sizes (the last one again and again)."""
    frames = [
        tcp(client, server, SYN, 999),
        tcp(server, client, SYN | ACK, 4999, 1000),
        tcp(client, server, ACK, 1000, 5000),
    ]
    sent = {"c": 1000, "s": 5000}
    for side, data in turns:
        at, count = 0, 0
        while at < len(data):
            size = sizes[min(count, len(sizes) - 1)] if sizes else len(data)
            part = data[at : at + size]
            source, destination, other = (client, server, "s") if side == "c" else (server, client, "c")
            frames.append(tcp(source, destination, PUSH | ACK, sent[side], sent[other], part))
            sent[side] += len(part)
            at, count = at + len(part), count + 1
    return frames


def pdus_of(frames: Sequence[bytes], protocol: str, fields: Sequence[str], size: int = 1000) -> list[dict[str, Any]]:
    """The fields of every PDU; a field with several values is a list, one without is left out."""
    decoding = Decoding(PipelineSettings())
    decoding.following.watch(Watched(ics=True))
    found = []
    for batch in batches(frames, [SECOND + number for number in range(len(frames))], size):
        table = decoding.tables(batch)[1][protocol]
        for row in range(table.rows):
            values = {name: table.column(name).at(row) for name in fields}
            found.append({name: one[0] if len(one) == 1 else one for name, one in values.items() if one})
    return found
