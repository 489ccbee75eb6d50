"""Captures that are hard on order and state, made from the shipped scenarios: disordered, repeated, split, wrapped."""

from __future__ import annotations

import random
import struct

from tests.flows.frames import tcp
from tests.runs import SCENARIOS, Frame, frames_of

MILLISECOND = 10**6
SECOND = 10**9


def attack() -> list[Frame]:
    """A few hundred packets of a takeover, a scan and ARP spoofing, one after the other."""
    parts = (
        ("modbus-takeover", 560, 420),
        ("register-scan", 550, 400),
        ("arp-man-in-the-middle", 120, 300),
        ("slow-scan", 0, 300),
    )
    frames: list[Frame] = []
    for name, first, count in parts:
        part = frames_of(SCENARIOS / name / "capture.pcap", first, count)
        begin = (frames[-1][0] if frames else part[0][0]) + SECOND
        frames += [(begin + time - part[0][0], data) for time, data in part]
    return frames


def disordered(seed: int) -> list[Frame]:
    """Packets that overtake each other, clocks that step back, and single packets from far ahead and far behind."""
    chosen = random.Random(seed)
    frames = attack()
    for at in range(0, len(frames) - 8, 8):
        window = frames[at : at + 8]
        chosen.shuffle(window)
        frames[at : at + 8] = window
    made = []
    for time, data in frames:
        odd = chosen.random()
        if odd < 0.02:
            time += chosen.choice((86400 * 400, -86400 * 30, 7200)) * SECOND
        elif odd < 0.1:
            time -= chosen.randrange(50 * MILLISECOND)
        made.append((max(time, 0), data))
    return made


def repeated(seed: int) -> list[Frame]:
    """What two mirror ports send: many packets twice, the second with another TTL or in a VLAN; and TCP sent again later."""
    chosen = random.Random(seed)
    made: list[Frame] = []
    later: list[Frame] = []
    for time, data in attack():
        made.append((time, data))
        odd = chosen.random()
        if odd < 0.3 and data[12:14] == b"\x08\x00":
            again = bytearray(data)
            again[22] -= 1
            made.append((time + chosen.randrange(MILLISECOND), bytes(again)))
        elif odd < 0.5:
            made.append((time + 1000, data[:12] + struct.pack(">HH", 0x8100, 7) + data[12:]))
        elif odd < 0.6:
            later.append((time + 200 * MILLISECOND, data))
    return sorted(made + later, key=lambda frame: frame[0])


def fragment(data: bytes, identification: int, size: int) -> list[bytes]:
    """An IPv4 packet in fragments of `size` payload bytes, a multiple of eight."""
    header, payload = bytearray(data[14:34]), data[34 : 14 + int.from_bytes(data[16:18], "big")]
    parts = []
    for at in range(0, len(payload), size):
        part = payload[at : at + size]
        more = at + size < len(payload)
        struct.pack_into(">HHH", header, 2, 20 + len(part), identification, (0x2000 if more else 0) | at // 8)
        parts.append(data[:14] + bytes(header) + part)
    return parts


def wrapped(data: bytes, how: int) -> bytes:
    """An IPv4 packet in a tunnel: GRE, VXLAN, or IP in IP."""
    inner = data[14:]
    if how == 0:
        protocol, inside = 47, struct.pack(">HH", 0, 0x0800) + inner
    elif how == 1:
        protocol, inside = 17, struct.pack(">HHHHII", 50000, 4789, 16 + len(data), 0, 0x08000000, 7 << 8) + data
    else:
        protocol, inside = 4, inner
    outer = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(inside), 1, 0, 64, protocol, 0, bytes((192, 0, 2, 1)), bytes((192, 0, 2, 2))
    )
    return data[:14] + outer + inside


def split_and_wrapped(seed: int) -> list[Frame]:
    """IP fragments in any order, some lost, and packets in tunnels."""
    chosen = random.Random(seed)
    made: list[Frame] = []
    for number, (time, data) in enumerate(attack()):
        is_plain = data[12:14] == b"\x08\x00" and data[14] == 0x45
        odd = chosen.random()
        if is_plain and odd < 0.4:
            parts = fragment(data, number % 65536, 8 * chosen.randrange(1, 4))
            chosen.shuffle(parts)
            made += [(time + place, part) for place, part in enumerate(parts) if chosen.random() > 0.02]
        elif is_plain and odd < 0.6:
            made.append((time, wrapped(data, chosen.randrange(3))))
        else:
            made.append((time, data))
    return made


def torn(seed: int) -> list[Frame]:
    """Modbus writes torn over segments, out of order, with bytes sent twice that differ; fragments that overlap."""
    chosen = random.Random(seed)
    client, server = ("10.20.0.66", 40000), ("10.20.0.21", 502)
    writes = b"".join(struct.pack(">HHHBBHH", number, 0, 6, 1, 6, number % 100, number) for number in range(60))
    frames = [tcp(client, server, 2, 999), tcp(server, client, 18, 4999, 1000), tcp(client, server, 16, 1000, 5000)]
    at = 0
    while at < len(writes):
        size = chosen.randrange(1, 30)
        parts = [(at, writes[at : at + size]), (at + size, writes[at + size : at + 2 * size])]
        if chosen.random() < 0.5:
            parts.insert(1, (at + size, bytes(len(parts[1][1]))))
        parts.reverse()
        frames += [tcp(client, server, 24, 1000 + start, 5000, data) for start, data in parts if data]
        at += 2 * size
    whole = tcp(client, server, 24, 1000 + len(writes), 5000, writes[:96])
    for number in range(20):
        pieces = fragment(whole, 7000 + number, 32)
        other = bytearray(pieces[1])
        other[-1] ^= 0xFF
        frames += [pieces[0], bytes(other), pieces[1], *pieces[2:]]
    return [(1_714_550_400 * SECOND + number * MILLISECOND, data) for number, data in enumerate(frames)]


BUILT = {
    "plain": lambda seed: attack(),
    "disordered": disordered,
    "repeated": repeated,
    "split and wrapped": split_and_wrapped,
    "torn": torn,
}
