"""The captures of golden cases that no scenario has: built here, byte for byte.

python -m tests.golden.captures       writes them anew
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

from tests.flows.frames import ACK, PUSH, SYN, ip, tcp, udp
from tests.runs import Frame, pcap_bytes

FOLDER = Path(__file__).parent
START = 1_714_550_400 * 10**9
MASTER, STRANGER, CONTROLLER = ("10.20.0.10", 41000), ("10.20.0.66", 42000), ("10.20.0.21", 502)


def timed(packets: list[bytes]) -> list[Frame]:
    """Packets a hundred milliseconds apart."""
    return [(START + number * 10**8, packet.ljust(60, b"\0")) for number, packet in enumerate(packets)]


def modbus(number: int, data: bytes, unit: int = 1) -> bytes:
    """An MBAP header and a PDU (Modbus Messaging on TCP/IP 1.0b, 3.1.3)."""
    return struct.pack(">HHHB", number, 0, len(data) + 1, unit) + data


def registers() -> list[Frame]:
    """Writes of a known master and of a stranger: two PDUs in one segment, one PDU over two segments, a broadcast."""
    packets: list[bytes] = []

    def connect(client: tuple[str, int]) -> None:
        packets.append(tcp(client, CONTROLLER, SYN, 999))
        packets.append(tcp(CONTROLLER, client, SYN | ACK, 4999, 1000))
        packets.append(tcp(client, CONTROLLER, ACK, 1000, 5000))

    connect(MASTER)
    inside = modbus(1, struct.pack(">BHH", 6, 7, 120))  # register 7, which the process writes
    outside = modbus(2, struct.pack(">BHH", 6, 4000, 1))  # register 4000, which it does not
    packets.append(tcp(MASTER, CONTROLLER, PUSH | ACK, 1000, 5000, inside + outside))
    packets.append(tcp(CONTROLLER, MASTER, PUSH | ACK, 5000, 1000 + len(inside + outside), inside + outside))
    connect(STRANGER)
    several = modbus(3, struct.pack(">BHHBHHH", 16, 98, 3, 6, 11, 22, 33))  # registers 98, 99, 100
    packets.append(tcp(STRANGER, CONTROLLER, ACK, 1000, 5000, several[:9]))
    packets.append(tcp(STRANGER, CONTROLLER, PUSH | ACK, 1009, 5000, several[9:]))
    packets.append(
        tcp(CONTROLLER, STRANGER, PUSH | ACK, 5000, 1000 + len(several), modbus(3, struct.pack(">BHH", 16, 98, 3)))
    )
    broadcast = modbus(4, struct.pack(">BHH", 5, 3, 0xFF00), unit=0)
    packets.append(tcp(STRANGER, CONTROLLER, PUSH | ACK, 1000 + len(several), 5012, broadcast))
    return timed(packets)


def broken() -> list[Frame]:
    """Packets that no station sends: a header longer than its packet, fragments that overlap, a tunnel around one."""
    plain = udp(("10.20.0.66", 5000), ("10.20.0.21", 6000), b"hello")
    short = bytearray(plain)
    short[14] = 0x44  # IPv4 header of 16 bytes
    cut = bytearray(plain)
    struct.pack_into(">H", cut, 16, 200)  # longer than the packet
    tiny = bytearray(tcp(STRANGER, CONTROLLER, SYN, 1))
    tiny[46] = 0x10  # TCP header of 4 bytes
    first = ip("10.20.0.66", "10.20.0.21", 17, bytes(24), fragment=0x2000)
    second = ip("10.20.0.66", "10.20.0.21", 17, b"\xff" * 16, fragment=2)  # bytes 16 to 32: 16 to 24 differ
    inner = bytes(tiny)[14:]
    gre = ip("192.0.2.1", "192.0.2.2", 47, struct.pack(">HH", 0, 0x0800) + inner)
    return timed([plain, bytes(short), bytes(cut), bytes(tiny), first, second, gre])


CAPTURES: dict[str, Callable[[], list[Frame]]] = {"registers": registers, "broken-packets": broken}


def main() -> None:
    """All of them."""
    for name, build in CAPTURES.items():
        (FOLDER / name).mkdir(exist_ok=True)
        (FOLDER / name / "capture.pcap").write_bytes(pcap_bytes(build()))


if __name__ == "__main__":
    main()
