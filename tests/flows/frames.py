"""Frames of one TCP connection, or of any two ends, from plain numbers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from detector.capture.batch import Batch, batch_of
from detector.flows.columns import Chunk
from detector.flows.streams import StreamSettings, StreamTable
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from detector.packets.table import PacketTable

FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16
SECOND = 10**9
CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 502)
End = tuple[str, int]


def ethernet(data: bytes, kind: int = 0x0800, vlan: int | None = None) -> bytes:
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return bytes.fromhex("020000000002020000000001") + tag + struct.pack(">H", kind) + data


def ip(source: str, destination: str, protocol: int, data: bytes, fragment: int = 0, vlan: int | None = None) -> bytes:
    ends = ip_address(source).packed + ip_address(destination).packed
    if len(ends) == 8:
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), 1, fragment, 64, protocol, 0)
        return ethernet(head + ends + data, vlan=vlan)
    return ethernet(struct.pack(">IHBB", 6 << 28, len(data), protocol, 64) + ends + data, 0x86DD, vlan)


def tcp(source: End, destination: End, flags: int, sequence: int = 0, acknowledged: int = 0, payload: bytes = b"",
        options: bytes = b"", window: int = 8192, vlan: int | None = None) -> bytes:  # fmt: skip
    words = (20 + len(options)) // 4
    head = struct.pack(">HHIIBBHHH", source[1], destination[1], sequence % 2**32, acknowledged % 2**32, words << 4, flags,
                       window, 0, 0)  # fmt: skip
    return ip(source[0], destination[0], 6, head + options + payload, vlan=vlan)


def udp(source: End, destination: End, payload: bytes = b"") -> bytes:
    head = struct.pack(">HHHH", source[1], destination[1], 8 + len(payload), 0)
    return ip(source[0], destination[0], 17, head + payload)


def icmp(source: str, destination: str, kind: int, code: int = 0) -> bytes:
    return ip(source, destination, 58 if ":" in source else 1, struct.pack(">BBHI", kind, code, 0, 0))


@dataclass
class Followed:
    """What flows and streams made of frames: values of a field for each row, and the chunks as tuples."""

    values: dict[str, list[object]]
    chunks: list[tuple[int, int, bytes, bool, bool, bool]]  # row, stream, bytes, is_first, is_gap, is_datagram
    odd: list[list[str]]  # packet.anomaly of each row
    flows: FlowTable
    streams: StreamTable


def batches(frames: Sequence[bytes], times: Sequence[int], size: int, cut: int = 0) -> list[Batch]:
    """Batches of at most `size` packets; `cut`: captured bytes of a packet at most."""
    found = []
    for first in range(0, len(frames), size):
        batch = batch_of(frames[first : first + size], times[first : first + size])
        batch.numbers[:] += first
        if cut:
            batch.stops[:] = batch.starts + (batch.stops - batch.starts).clip(max=cut)
        found.append(batch)
    return found


def follow(frames: Sequence[bytes], fields: Sequence[str] = (), times: Sequence[int] | None = None, size: int = 1000,
           settings: FlowSettings | None = None, limits: StreamSettings | None = None, cut: int = 0,
           flows: FlowTable | None = None) -> Followed:  # fmt: skip
    decoder = PacketDecoder()
    flows = flows or FlowTable(settings or FlowSettings(flows=256))
    streams = StreamTable(limits or StreamSettings(memory_bytes=64 * 65536), flows.slots)
    done = Followed({name: [] for name in fields}, [], [], flows, streams)
    rows = 0
    for batch in batches(frames, times or [SECOND + n for n in range(len(frames))], size, cut):
        packets: PacketTable = decoder.decode(batch)
        columns = flows.follow(packets)
        for cells in streams.follow(packets, columns).cells.tolist():
            data = batch.buffer[cells[Chunk.START] : cells[Chunk.STOP]].tobytes()
            said = (cells[Chunk.IS_FIRST] > 0, cells[Chunk.IS_GAP] > 0, cells[Chunk.IS_DATAGRAM] > 0)
            done.chunks.append((rows + cells[Chunk.ROW], cells[Chunk.STREAM], data, *said))
        for name in fields:
            column = packets.column(name)
            done.values[name] += [next(iter(column.at(row)), None) for row in range(packets.rows)]
        odd = packets.column("packet.anomaly")
        done.odd += [[str(value) for value in odd.at(row)] for row in range(packets.rows)]
        rows += packets.rows
    return done
