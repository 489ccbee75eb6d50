"""Packets made whole: what a test or a scenario leaves out is filled in as a real station would send it.

Ethernet addresses follow from IP addresses; a TCP packet gets ports, flags, sequence numbers, and its connection a handshake;
times are a millisecond apart. Nothing is random: the same packets give the same bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scapy.contrib.modbus import ModbusADURequest, ModbusADUResponse
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot3, Ether
from scapy.packet import Packet

START_NS = 1_714_550_400 * 10**9  # 2024-05-01 08:00:00 UTC
STEP_NS = 1_000_000
MODBUS_PORT = 502
FIRST_PORT = 40000
DEFAULT_ENDS = {IP: ("192.0.2.1", "192.0.2.2"), IPv6: ("2001:db8::1", "2001:db8::2")}  # RFC 5737, RFC 3849
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)  # nanoseconds, Ethernet


def mac_of(address: str) -> str:
    """The MAC address that a station with this IP address has here."""
    tail = bytes(map(int, address.split("."))) if "." in address else address.encode()[-4:].rjust(4, b"0")
    return "02:00:" + tail.hex(":")


def complete_addresses(packet: Packet) -> None:
    """Addresses that were not given: Scapy would take those of the machine at hand, or ask its network for them."""
    layer = packet
    while layer:
        if isinstance(layer, IP | IPv6):
            source, destination = DEFAULT_ENDS[IP if isinstance(layer, IP) else IPv6]
            layer.fields.setdefault("src", source)
            layer.fields.setdefault("dst", destination)
        elif isinstance(layer, ARP):
            layer.fields.setdefault("psrc", DEFAULT_ENDS[IP][0])
            layer.fields.setdefault("pdst", DEFAULT_ENDS[IP][1])
            layer.fields.setdefault("hwsrc", mac_of(layer.psrc))
        elif isinstance(layer, Ether) and layer is not packet:  # inside a tunnel
            layer.fields.setdefault("src", "02:00:00:00:00:01")
            layer.fields.setdefault("dst", "02:00:00:00:00:02")
        layer = layer.payload


class Synthesis:
    """Collects frames: (time in ns, bytes) in `frames`."""

    def __init__(self, start_ns: int = START_NS) -> None:
        self.now_ns = start_ns
        self.frames: list[tuple[int, bytes]] = []
        self._next: dict[tuple[str, int, str, int], int] = {}  # sequence number that each side sends next
        self._ports: dict[tuple[str, str, int], int] = {}
        self._identification: dict[str, int] = {}

    def wait(self, seconds: float) -> None:
        """Lets time pass before the next packet."""
        self.now_ns += int(seconds * 1e9) - STEP_NS

    def send(self, packet: Packet) -> None:
        """One packet, made whole; before the first data of a connection its handshake."""
        packet = packet.copy()
        complete_addresses(packet)
        networks = sum(issubclass(layer, IP | IPv6) for layer in packet.layers())
        if networks > 1:  # in a tunnel, or quoted: as it is given
            pass
        elif packet.haslayer(TCP) and networks and not packet.haslayer("ICMP"):
            self._complete_tcp(packet)
        elif packet.haslayer(UDP) and not packet.haslayer("ICMP"):
            self._complete_ports(packet, packet[UDP], packet[UDP].payload)
        self._emit(packet)

    def _emit(self, packet: Packet) -> None:
        network = next((packet.getlayer(layer) for layer in (IP, IPv6) if packet.haslayer(layer)), None)
        if isinstance(network, IP) and "id" not in network.fields:
            self._identification[network.src] = network.id = self._identification.get(network.src, 0x1000) % 0xFFFF + 1
        if not isinstance(packet, Ether | Dot3):
            packet = Ether() / packet
        ether = packet
        if network is not None:
            ether.fields.setdefault("src", mac_of(network.src))
            ether.fields.setdefault("dst", mac_of(network.dst))
        elif packet.haslayer(ARP):
            ether.fields.setdefault("src", packet[ARP].hwsrc)
            ether.fields.setdefault("dst", "ff:ff:ff:ff:ff:ff" if packet[ARP].op == 1 else packet[ARP].hwdst)
        else:
            ether.fields.setdefault("src", "02:00:00:00:00:01")
            ether.fields.setdefault("dst", "02:00:00:00:00:02")
        self.now_ns += STEP_NS
        self.frames.append((self.now_ns, bytes(packet).ljust(60, b"\0")))

    def _complete_ports(self, packet: Packet, layer: Any, payload: Packet) -> None:
        """Ports that were not given: the service's, and a client port that stays the same for a pair of stations."""
        network = packet.getlayer(IP) or packet.getlayer(IPv6)
        has_source, has_destination = "sport" in layer.fields, "dport" in layer.fields
        if not has_source and not has_destination and isinstance(payload, ModbusADURequest | ModbusADUResponse):
            name = "dport" if isinstance(payload, ModbusADURequest) else "sport"
            setattr(layer, name, MODBUS_PORT)
            has_source, has_destination = name == "sport", name == "dport"
        if has_destination and not has_source:
            layer.sport = self._client_port(network.src, network.dst, layer.dport)
        elif has_source and not has_destination:
            layer.dport = self._client_port(network.dst, network.src, layer.sport)

    def _client_port(self, client: str, server: str, port: int) -> int:
        return self._ports.setdefault((client, server, port), FIRST_PORT + len(self._ports) % 20000)

    def _complete_tcp(self, packet: Packet) -> None:
        tcp = packet[TCP]
        self._complete_ports(packet, tcp, tcp.payload)
        network = packet.getlayer(IP) or packet.getlayer(IPv6)
        size = len(bytes(tcp.payload))
        if "flags" not in tcp.fields:
            tcp.flags = "PA" if size else "S"
        key = (network.src, tcp.sport, network.dst, tcp.dport)
        back = (network.dst, tcp.dport, network.src, tcp.sport)
        if size and not tcp.flags.S and key not in self._next and "seq" not in tcp.fields:
            self._handshake(packet, key, back)
        if key not in self._next:
            self._next[key] = self._initial_sequence()
        tcp.fields.setdefault("seq", self._next[key])
        if tcp.flags.A:
            tcp.fields.setdefault("ack", self._next.get(back, 0))
        self._next[key] = (tcp.seq + size + int(bool(tcp.flags.S)) + int(bool(tcp.flags.F))) & 0xFFFFFFFF

    def _initial_sequence(self) -> int:
        """RFC 9293, 3.4.1: a clock that ticks every 4 µs, so that a connection that comes again is seen to be another."""
        return self.now_ns // 4000 & 0xFFFFFFFF

    def _handshake(self, packet: Packet, key: tuple[str, int, str, int], back: tuple[str, int, str, int]) -> None:
        """SYN, SYN/ACK, ACK by the side that asks: the one that does not send from a service's port."""
        is_reply = key[1] < 1024 <= key[3] or isinstance(packet[TCP].payload, ModbusADUResponse)
        client, server = (back, key) if is_reply else (key, back)
        self._next[client], self._next[server] = self._initial_sequence(), self._initial_sequence() ^ 0x5A5A5A5A
        made = IPv6 if packet.haslayer(IPv6) else IP
        for ends, flags, forward in ((client, "S", True), (server, "SA", False), (client, "A", True)):
            other = server if forward else client
            segment = TCP(sport=ends[1], dport=ends[3], flags=flags, seq=self._next[ends])
            if flags != "S":
                segment.ack = self._next[other]
            if "S" in flags:
                segment.options = [("MSS", 1460)]
                self._next[ends] += 1
            self._emit(made(src=ends[0], dst=ends[2]) / segment)


def write_capture(path: Path, frames: Iterable[tuple[int, bytes]]) -> None:
    """A nanosecond pcap of frames in their order."""
    with path.open("wb") as file:
        file.write(PCAP_HEADER)
        for time_ns, data in frames:
            file.write(struct.pack("<IIII", time_ns // 10**9, time_ns % 10**9, len(data), len(data)) + data)
