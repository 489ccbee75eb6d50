"""Traffic that alerts at every packet: Modbus writes over UDP, each with a transaction of its own, and the rule for it."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.runs import Frame, pcap_bytes

START_NS = 1_714_550_400 * 10**9
RULE = """\
title: Every write
id: 8d1b7a54-0c7e-4a0b-9b60-6f6c1f0f7a01
status: test
level: high
protocol: modbus
detection:
  write: {modbus.func_code: 6, pdu.kind: request}
  condition: write
alert: {message: "{ip.src} wrote register {modbus.reference_num}", limit: none}
"""


def write_rule(folder: Path) -> Path:
    """The rule as a file."""
    path = folder / "every-write.yml"
    path.write_text(RULE)
    return path


def writes(count: int, *, first: int = 0, start_ns: int = START_NS, step_ns: int = 10**6) -> list[Frame]:
    """So many writes, from number `first` on; 1,000 of them come from each of several stations."""
    frames = []
    for number in range(first, first + count):
        station = 1 + number // 1000 % 200
        body = struct.pack(">HHHBBHH", number % 65536, 0, 6, 1, 6, number % 60000, number // 7 % 65536)
        udp = struct.pack(">HHHH", 40000, 502, 8 + len(body), 0) + body
        source, destination = bytes((10, 20, 1, station)), bytes((10, 20, 2, 1))
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), number % 65536, 0x4000, 64, 17, 0)
        words = struct.unpack(">10H", head + source + destination)
        total = sum(words)
        total = (total & 0xFFFF) + (total >> 16)
        head = head[:10] + struct.pack(">H", 0xFFFF - ((total & 0xFFFF) + (total >> 16)))
        ethernet = b"\x02\0\0\0\0\x01\x02\0\0\0\0" + bytes((station,)) + b"\x08\0"
        frames.append((start_ns + number * step_ns, ethernet + head + source + destination + udp))
    return frames


def write_captures(folder: Path, alerts: int, files: int) -> list[Path]:
    """Captures of so many writes in all, numbered as a rotating writer does."""
    folder.mkdir(exist_ok=True)
    each = -(-alerts // files)
    made = []
    for place in range(files):
        path = folder / f"trace_{place + 1:05d}.pcap"
        path.write_bytes(pcap_bytes(writes(min(each, alerts - place * each), first=place * each)))
        made.append(path)
    return made
