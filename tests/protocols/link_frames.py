"""Frames straight above Ethernet through all stages to a protocol's table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scapy.packet import Packet

from detector.flows.followed import Watched
from detector.pipeline import Decoding, PipelineSettings
from tests.flows.frames import SECOND, batches

MILLISECOND = SECOND // 1000


def rows_of(
    frames: Sequence[bytes], protocol: str, fields: Sequence[str], times: Sequence[int] = (), size: int = 1000
) -> list[dict[str, Any]]:
    """The fields of every PDU, a second after each other unless times (ms) are given; a field with several values is a list, one without is left out."""
    decoding, found = Decoding(PipelineSettings()), []
    decoding.following.watch(Watched(ics=protocol == "ics"))
    stamps = [SECOND + MILLISECOND * time for time in (times or range(0, 1000 * len(frames), 1000))]
    for batch in batches(frames, stamps, size):
        table = decoding.tables(batch)[1][protocol]
        for row in range(table.rows):
            values = {name: table.column(name).at(row) for name in fields}
            found.append({name: one[0] if len(one) == 1 else one for name, one in values.items() if one})
    return found


def forgotten(packet: Packet) -> Packet:
    """A packet of BER layers that has to be built anew: no layer remembers its bytes, lengths are computed."""
    layer = packet
    while isinstance(layer, Packet) and layer.name != "NoPayload":
        layer.raw_packet_cache = layer.raw_packet_cache_fields = None
        layer.explicit = 0
        for name in ("length", "len"):
            if name in layer.fields:
                layer.fields[name] = None
        for value in layer.fields.values():
            for inner in value if isinstance(value, list) else ():
                if isinstance(inner, Packet):
                    forgotten(inner)
        layer = layer.payload
    return packet
