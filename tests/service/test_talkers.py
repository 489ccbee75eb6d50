"""Top talkers: who they are and roughly how much, within the last minute, at little cost and in bounded memory."""

from __future__ import annotations

import random
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from detector.capture.batch import batch_of
from detector.packets.decode import PacketDecoder
from detector.packets.table import PacketTable
from detector.service.talkers import PAIRS, SECOND, Talker, Talkers

START = 1_700_000_000 * SECOND


def table_of(packets: list[bytes], time_ns: int = START) -> PacketTable:
    return PacketDecoder().decode(batch_of(packets, [time_ns] * len(packets)))


def udp(source: str, destination: str, size: int) -> bytes:
    return bytes(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=source, dst=destination) / UDP()
                 / Raw(bytes(size)))  # fmt: skip


def test_both_directions_are_one_pair_and_every_packet_counts_once() -> None:
    """IPv4, IPv6, no IP at all; a tunnel's packet is that of its outer addresses."""
    talkers = Talkers()
    tunnel = bytes(
        Ether(dst="02:00:00:00:00:02") / IP(src="9.9.9.9", dst="9.9.9.8") / IP(src="1.1.1.1", dst="2.2.2.2") / UDP()
    )
    six = bytes(Ether(dst="02:00:00:00:00:02") / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP() / Raw(bytes(300)))
    arp = bytes(Ether(src="02:00:00:00:00:01", dst="ff:ff:ff:ff:ff:ff") / ARP())
    talkers.add(table_of([udp("10.0.0.2", "10.0.0.1", 1000), udp("10.0.0.1", "10.0.0.2", 500), six, tunnel, arp]))
    assert talkers.top(10, START) == [
        Talker(("10.0.0.1", "10.0.0.2"), 2, 1584),
        Talker(("2001:db8::1", "2001:db8::2"), 1, 362),
        Talker(("9.9.9.8", "9.9.9.9"), 1, len(tunnel)),
        Talker(("02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"), 1, len(arp)),
    ]
    assert [talker.packets for talker in talkers.top(1, START)] == [2]


def test_a_minute_later_they_are_gone() -> None:
    talkers = Talkers()
    for second in range(0, 120, 2):
        talkers.add(table_of([udp("10.0.0.1", f"10.0.0.{2 + second // 60}", 100)], START + second * SECOND))
    (top, *rest) = talkers.top(10, START + 119 * SECOND)
    assert top.addresses == ("10.0.0.1", "10.0.0.3") and 27 <= top.packets <= 30
    assert sum(talker.packets for talker in rest) <= 3
    assert talkers.top(10, START + 200 * SECOND) == []


def test_large_batches_are_estimated_and_floods_stay_small() -> None:
    """A steady pair within a flood of random senders, also where packets alternate strictly: found, within a tenth."""
    talkers, chosen = Talkers(), random.Random(1)
    steady = udp("10.0.0.1", "10.0.0.2", 400)
    for number in range(10):
        flood = [udp(f"{chosen.randrange(1, 220)}.{chosen.randrange(256)}.{chosen.randrange(256)}.1", "10.0.0.9", 0)
                 for _ in range(1500)]  # fmt: skip
        batch = [packet for one in flood for packet in (steady, one)]
        talkers.add(table_of(batch, START + number * SECOND))
    top = talkers.top(3, START + 9 * SECOND)
    assert top[0].addresses == ("10.0.0.1", "10.0.0.2")
    assert abs(top[0].packets - 15000) < 1500 and abs(top[0].bytes - 15000 * 442) < 1500 * 442
    assert all(len(part.pairs) <= 2 * PAIRS for part in talkers._slices)
    table = table_of([steady] * 16384)
    began = time.perf_counter()
    for _ in range(20):
        talkers.add(table)
    print(f"{(time.perf_counter() - began) / 20 / 16384 * 1e9:.0f} ns a packet")
