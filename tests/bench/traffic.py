"""Large captures for the benchmark, made from the shipped scenarios: the same hour again and again, later each time."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scapy.utils import RawPcapReader

ROOT = Path(__file__).parents[2]
HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
BLOCK = 64 * 2**20


def shipped_packets() -> list[bytes]:
    """The packets of every shipped scenario, one after the other, each scenario in a subnet of its own."""
    packets: list[bytes] = []
    for number, path in enumerate(sorted((ROOT / "replay_pcaps").glob("*/capture.pcap"))):
        with RawPcapReader(str(path)) as reader:
            for data, _ in reader:
                changed = bytearray(data)
                if changed[12:14] == b"\x08\x00":
                    changed[28] ^= number
                    changed[32] ^= number
                packets.append(bytes(changed))
    return packets


def tcp_places(packets: list[bytes]) -> list[tuple[int, int, tuple[object, ...], bool]]:
    """(packet, where its TCP header begins, (sender, receiver), whether it is a SYN without ACK), of IPv4 in Ethernet."""
    found = []
    for number, data in enumerate(packets):
        if data[12:14] == b"\x08\x00" and len(data) >= 54 and data[23] == 6 and data[20] & 0x3F == 0 and data[21] == 0:
            at = 14 + (data[14] & 15) * 4
            ends = (data[26:30] + data[at : at + 2], data[30:34] + data[at + 2 : at + 4])
            found.append((number, at, ends, data[at + 13] & 0x12 == 2))
    return found


class Changes:
    """What differs from one repetition to the next, so that no packet is a retransmission of an earlier one.

    Connections that begin with a handshake come from another port each time; the others go on, their sequence numbers
    advanced by what each side has sent.
    """

    def __init__(self, packets: list[bytes], starts: NDArray[np.int64]) -> None:
        tcp = tcp_places(packets)
        clients = {ends for _, _, ends, is_syn in tcp if is_syn}
        first: dict[tuple[object, ...], int] = {}
        last: dict[tuple[object, ...], int] = {}
        for number, at, ends, _ in tcp:
            data = packets[number]
            sequence = int.from_bytes(data[at + 4 : at + 8], "big")
            sent = int.from_bytes(data[16:18], "big") - (at - 14) - (data[at + 12] >> 4) * 4
            begin = first.setdefault(ends, sequence)
            last[ends] = max(
                last.get(ends, 0), (sequence - begin) % 2**32 + sent if (sequence - begin) % 2**32 < 2**31 else 0
            )
        ports, numbers = [], []
        for number, at, ends, _ in tcp:
            place = int(starts[number]) + 16 + at
            if ends in clients:
                ports.append(place)
            elif ends[::-1] in clients:
                ports.append(place + 2)
            else:
                numbers += [(place + 4, last[ends]), (place + 8, last.get(ends[::-1], 0))]
        self._ports = np.array(ports, np.int64)
        self._numbers = np.array(numbers, np.int64).reshape(-1, 2)

    def apply(self, records: NDArray[np.uint8]) -> None:
        """Turns the records of one repetition into those of the next."""
        places = self._ports[:, None] + np.arange(2)
        values = records[places].astype(np.int64) @ (256, 1)
        values = 1024 + (values - 1024 + 7919) % 64000
        records[places] = values[:, None] >> (8, 0) & 255
        places = self._numbers[:, :1] + np.arange(4)
        values = records[places].astype(np.int64) @ (1 << 24, 1 << 16, 1 << 8, 1) + self._numbers[:, 1]
        records[places] = values[:, None] >> (24, 16, 8, 0) & 255


def write_capture(path: Path, packets: list[bytes], count: int, step_us: int = 20) -> None:
    """A pcap of `count` packets: `packets` again and again with Changes, `step_us` apart."""
    records = [struct.pack("<IIII", 0, 0, len(data), len(data)) + data for data in packets]
    starts = np.concatenate(([0], np.cumsum([len(record) for record in records])))[:-1]
    one = np.frombuffer(b"".join(records), np.uint8).copy()
    sizes = np.append(starts[1:], len(one))
    changes = Changes(packets, starts)
    with path.open("wb") as file:
        file.write(HEADER)
        for first in range(0, count, len(packets)):
            here = min(len(packets), count - first)
            times = 1_700_000_000_000_000 + (first + np.arange(here, dtype=np.int64)) * step_us
            for offset, values in ((0, times // 10**6), (4, times % 10**6)):
                stamped = values.astype("<u4").view(np.uint8).reshape(-1, 4)
                for byte in range(4):
                    one[starts[:here] + offset + byte] = stamped[:, byte]
            file.write(one[: sizes[here - 1]].tobytes())
            changes.apply(one)


def syn_flood(count: int = 20000) -> list[bytes]:
    """SYNs from ever other addresses and ports to one server."""
    generator = np.random.default_rng(7)
    frames = []
    for _ in range(count):
        source, port, sequence = (
            generator.integers(0, 2**32),
            generator.integers(1024, 65536),
            generator.integers(0, 2**32),
        )
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40, 1, 0, 64, 6, 0, int(source), 0x0A4D0005)
        tcp = struct.pack(">HHIIBBHHH", int(port), 502, int(sequence), 0, 0x50, 2, 8192, 0, 0)
        frames.append(bytes.fromhex("0200000000010200000000020800") + ip + tcp + bytes(6))
    return frames


def stream(payloads: list[bytes]) -> list[bytes]:
    """One client's segments to port 502, a payload each."""
    frames, sequence = [], 1
    for data in payloads:
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + len(data), 1, 0, 64, 6, 0, 0x0A4D000A, 0x0A4D0005)
        tcp = struct.pack(">HHIIBBHHH", 40000, 502, sequence % 2**32, 1, 0x50, 0x18, 8192, 0, 0)
        frame = bytes.fromhex("0200000000010200000000020800") + ip + tcp + data
        frames.append(frame.ljust(60, b"\0"))
        sequence += len(data)
    return frames


READ = bytes.fromhex("000100000006010300000001")
WRITE = bytes.fromhex("000100000006010600010002")


def one_byte_segments(count: int = 24000) -> list[bytes]:
    """Modbus reads, each byte in a segment of its own."""
    return stream([bytes([byte]) for byte in READ * (count // len(READ))])


def writes(count: int = 20000) -> list[bytes]:
    """A Modbus write in every packet, so that each may alert."""
    return stream([WRITE] * count)


def fragments(count: int = 20000) -> list[bytes]:
    """Datagrams of four fragments each."""
    frames = []
    for number in range(count // 4):
        for part in range(4):
            more = 0x2000 if part < 3 else 0
            head = struct.pack(
                ">BBHHHBBHII", 0x45, 0, 84, number % 65536, more | part * 8, 64, 17, 0, 0x0A4D000A, 0x0A4D0005
            )
            body = struct.pack(">HHHH", 5000, 5001, 256, 0) if part == 0 else b""
            frames.append(bytes.fromhex("0200000000010200000000020800") + head + body.ljust(64, b"x"))
    return frames
