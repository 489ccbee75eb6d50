"""Packets written one after the other with a clock, and TCP conversations with right sequence numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from tests.runs import Frame, pcap_bytes

SECOND = 10**9
START = 1_700_000_000 * SECOND
STEP = SECOND // 100
End = tuple[str, int]
MACS = {"dst": "02:00:00:00:00:02", "src": "02:00:00:00:00:01"}


class Wire:
    """The frames of a capture."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.now = START

    def wait(self, seconds: float) -> None:
        """Lets time pass."""
        self.now += int(seconds * SECOND)

    def send(self, packet: Packet | bytes, after: float = 0.0) -> None:
        """Puts a packet on the wire: a whole frame as bytes or Ether, or something above Ethernet."""
        if isinstance(packet, Packet) and not isinstance(packet, Ether):
            packet = Ether(**MACS) / packet
        self.now += STEP + int(after * SECOND)
        self.frames.append((self.now, bytes(packet)))

    def datagram(self, source: End, destination: End, data: bytes, **header: Any) -> None:
        """UDP over IPv4 or IPv6."""
        self.send(network(source[0], destination[0], **header) / UDP(sport=source[1], dport=destination[1]) / Raw(data))

    def ask(self, client: End, server: End, question: bytes, answer: bytes) -> None:
        """A datagram and its answer."""
        self.datagram(client, server, question)
        self.datagram(server, client, answer)

    def write(self, path: Path) -> Path:
        """A nanosecond pcap of all frames."""
        path.write_bytes(pcap_bytes(self.frames))
        return path


def network(source: str, destination: str, **header: Any) -> Packet:
    """The IP layer between two addresses; ttl is the hop limit in IPv6."""
    if ":" in source:
        if "ttl" in header:
            header["hlim"] = header.pop("ttl")
        return IPv6(src=source, dst=destination, **header)
    return IP(src=source, dst=destination, **header)


class Conversation:
    """A TCP connection. Side 0 is the client."""

    def __init__(self, wire: Wire, client: End, server: End, sequences: tuple[int, int] = (1000, 900_000)) -> None:
        self.wire = wire
        self.ends = (client, server)
        self.sequences = list(sequences)

    def segment(self, side: int, flags: str, data: bytes = b"", shift: int = 0, options: Sequence[Any] = (),
                window: int = 8192, urgent: int = 0, **header: Any) -> Packet:  # fmt: skip
        """A segment at the side's place in the stream, moved by `shift` bytes; the place does not move on."""
        source, destination = self.ends[side], self.ends[1 - side]
        acknowledged = self.sequences[1 - side] if "A" in flags else 0
        tcp = TCP(sport=source[1], dport=destination[1], flags=flags, seq=(self.sequences[side] + shift) % 2**32,
                  ack=acknowledged % 2**32, window=window, urgptr=urgent, options=list(options))  # fmt: skip
        packet = network(source[0], destination[0], **header) / tcp
        return packet / Raw(data) if data else packet

    def send(self, side: int, flags: str, data: bytes = b"", shift: int = 0, **rest: Any) -> None:
        """Sends a segment and moves the side's place behind it, unless it is shifted."""
        self.wire.send(self.segment(side, flags, data, shift, **rest))
        if not shift:
            self.sequences[side] += len(data) + ("S" in flags) + ("F" in flags)

    def open(self, options: Sequence[Any] = (("MSS", 1460),), **rest: Any) -> Conversation:
        """The handshake."""
        self.send(0, "S", options=options, **rest)
        self.send(1, "SA", options=options, **rest)
        self.send(0, "A", **rest)
        return self

    def say(self, side: int, data: bytes, size: int = 1400, acknowledge: bool = True, **rest: Any) -> None:
        """Data in segments of at most `size` bytes, each acknowledged."""
        for at in range(0, len(data), size):
            self.send(side, "PA", data[at : at + size], **rest)
            if acknowledge:
                self.send(1 - side, "A", **rest)

    def close(self) -> None:
        """FIN both ways."""
        self.send(0, "FA")
        self.send(1, "FA")
        self.send(0, "A")

    def reset(self, side: int = 0) -> None:
        """RST."""
        self.send(side, "RA")
