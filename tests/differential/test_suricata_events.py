"""Decoder events beside Suricata's: headers of every kind with something odd in them, and as they should be."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.packets.events import DecoderEvent
from detector.pipeline import Decoding, PipelineSettings
from tests.differential.suricata.compare import configuration
from tests.differential.suricata.program import events
from tests.differential.suricata.wire import Wire

pytestmark = pytest.mark.differential

DATAGRAM = struct.pack(">HHHH", 1000, 2000, 16, 0) + b"y" * 8
HOSTS = bytes([10, 0, 0, 1, 10, 0, 0, 2])
HOSTS6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002")
IPV4_OPTIONS = """00|01010101|0101010101010100|0707040000000000|070704000000000100000000|0707050000000000|07030400|07030300|0707080000000000
    |07070c0000000000|070b0400000000000000000000|070b0600000000000000000000|07070400000000070704000000000000|4408050000000000|4408050100000000
    |440c05010000000000000000|440c05030000000000000000|4408040000000000|44040500|44030500|4408090000000000|4408060000000000|820b000000000000000000
    |82030000|85030000|88040000|88030000|8805000000000000|94040000|94030000|8307040000000000|8907040000000000|1908000000000000|19040000
    |8606000000010000|860a00000001010400000000|520c00000000000000000000|1e040000|3f020101|07|01010107|01010144|07000000|07010000|07ff0000
    |9404000094040000|44080500000000004408050000000000|00070704|01000703"""  # fmt: skip
TCP_OPTIONS = """020405b4|020305b4|0204|03030701|03040707|080a00000001000000020101|08090000000100000201|04020101|04030001|050a0000000100000002
    |0509000000010000|050a0000000100000002050a0000000100000002|020405b4020405b4|0303070103030701|080a0000000100000002080a0000000100000002|04020402
    |1e040000|fd04f989|0500|ff|01010102|220a0000000000000000|22030001|131200000000000000000000000000000000|13040000|05020101|080a0000"""  # fmt: skip
GRE = """00000800|8000080000000000|2000080000000001|1000080000000001|08000800|01000800|07000800|00f80800|00080800|00800800|2001880b0018000100000001
    |3001880b0018000100000000|3081880b001800010000000000000000|0001880b|2001080000180001|a001880b00180001|6001880b00180001|2801880b00180001
    |2101880b00180001|2009880b00180001|2079880b00180001|b0000800000000000000000000000000"""  # fmt: skip
MPLS = "00010140|00001140|0000104000010140|00003140|00004140|0000e140|0000f140|00000140|00002140"
VLAN = """00011234|00010806|00010020|000188cc|000188b8|00010000|0001810000021234|00018100000281000003|0001810000028100000381000004"""
# First next header; then each header as hexadecimal digits, whose last bytes are a datagram (+) or nothing.
IPV6_HEADERS = """60 1100010400000000+|60 1100000000000000+|60 1100010001000100+|60 11001e0400000000+|60 1102c91000000000000000000000000000000000 01020000+
    |60 1100050200000100+|60 11001e2000000000+|60 1100c20400010000+|0 1100050200000100+|0 1100050400000000+|0 1100010400000000+|0 11001e0400000000+
    |0 11001e2000000000+|0 1100630400000000+|0 0000050200000000 1100050200000000+|60 3c001e0400000000 11001e0400000000+
    |60 3c001e0400000000 3c001e0400000000 11001e0400000000+|60 2b001e0400000000 3c00020000000000 11001e0400000000+
    |43 2b00020000000000 1100020000000000+|43 1102000100000000 00000000000000000000000000000000+|43 1100000000000000+|44 1100000000000009+
    |44 1107000100000019+|44 2c00000000000029 1100000000000029+|51 1104000000000000 00000000000000000000000000000000+
    |51 1104000100000000 00000000000000000000000000000000+|59 61626364|59|0 3b00050200000000 6161|1 0800000000010001|200 61626364|89 61626364
    |51 3304000000000000 00000000000000000000000000000000 1104000000000000 00000000000000000000000000000000+
    |4 65000000000000000000000000000000000000000000000000000000|41 450000000000000000000000000000000000000000000000000000000000000000000000000000000000000000
    |135 3b00000000000000|139 3b00000000000000|4 45000000000000000000|41 60000000000000000000|4"""  # fmt: skip


def ethernet(kind: int, data: bytes) -> bytes:
    return bytes.fromhex("020000000002020000000001") + struct.pack(">H", kind) + data


def ipv4(data: bytes, protocol: int = 17, options: bytes = b"") -> bytes:
    options += bytes(-len(options) % 4)
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(data), 1, 0, 64, protocol, 0)
    return head + HOSTS + options + data


def ipv6(following: int, data: bytes, hops: int = 64) -> bytes:
    return ethernet(0x86DD, struct.pack(">IHBB", 6 << 28, len(data), following, hops) + HOSTS6 + data)


def words(text: str) -> list[str]:
    """The cases of a table."""
    return [one.strip() for one in text.split("|")]


def cases() -> dict[str, bytes]:
    """Frames by what they are."""
    made = {}
    for text in words(IPV4_OPTIONS):
        made[f"IPv4 options {text}"] = ethernet(0x800, ipv4(DATAGRAM, options=bytes.fromhex(text)))
    for text in words(TCP_OPTIONS):
        options = bytes.fromhex(text)
        options += bytes(-len(options) % 4)
        head = struct.pack(">HHIIBBHHH", 1000, 80, 1, 1, (5 + len(options) // 4) << 4, 16, 100, 0, 0)
        made[f"TCP options {text}"] = ethernet(0x800, ipv4(head + options, 6))
    for size in (0, 3, 4, 6, 15):
        made[f"TCP header of {size} words"] = ethernet(
            0x800, ipv4(struct.pack(">HHIIBBHHH", 1000, 80, 1, 1, size << 4, 16, 100, 0, 0), 6)
        )
    for text in words(GRE):
        made[f"GRE {text}"] = ethernet(0x800, ipv4(bytes.fromhex(text) + ipv4(DATAGRAM), 47))
    made["GRE cut"] = ethernet(0x800, ipv4(bytes.fromhex("b000080000000000"), 47))
    made["GRE 1 cut"] = ethernet(0x800, ipv4(bytes.fromhex("3081880b00180001"), 47))
    for text in words(MPLS):
        made[f"MPLS {text}"] = ethernet(0x8847, bytes.fromhex(text) + ipv4(DATAGRAM))
    for text in ("00010140a0000000", "0001014000000000", "00010140"):
        made[f"MPLS alone {text}"] = ethernet(0x8847, bytes.fromhex(text))
    for text in words(VLAN):
        made[f"VLAN {text}"] = ethernet(0x8100, bytes.fromhex(text) + bytes(50))
    for text in words(IPV6_HEADERS):
        first, _, headers = text.partition(" ")
        made[f"IPv6 {text}"] = ipv6(
            int(first), bytes.fromhex(headers.rstrip("+")) + (DATAGRAM if text.endswith("+") else b"")
        )
    quoted = bytes(4) + ipv4(DATAGRAM)
    for kind in range(256):
        for code in (0, 1, 2, 3, 4, 15, 16, 255):
            made[f"ICMP {kind} {code}"] = ethernet(0x800, ipv4(bytes([kind, code, 0, 0]) + quoted, 1))
            body = bytes([kind, code, 0, 0]) + bytes(4) + bytes([0x60]) + bytes(47)
            made[f"ICMPv6 {kind} {code}"] = ipv6(58, body, 1)
        made[f"ICMPv6 {kind} from afar"] = ipv6(58, bytes([kind, 0, 0, 0]) + bytes(4) + bytes([0x60]) + bytes(47))
    made["ICMP quotes version 6"] = ethernet(0x800, ipv4(b"\3\1\0\0\0\0\0\0\x60" + bytes(40), 1))
    made["ICMP quotes too little"] = ethernet(0x800, ipv4(b"\3\1\0\0\0\0\0\0\x45" + bytes(10), 1))
    made["ICMP timestamp cut"] = ethernet(0x800, ipv4(b"\15" + bytes(7), 1))
    made["ICMPv6 quotes version 4"] = ipv6(58, b"\1\0\0\0\0\0\0\0\x45" + bytes(50))
    made["ICMPv6 quotes too little"] = ipv6(58, b"\1\0\0\0\0\0\0\0\x60" + bytes(20))
    made["ICMPv6 in IPv4"] = ethernet(0x800, ipv4(b"\x80\0\0\0aaaa", 58))
    return made


def test_events(tmp_path: Path) -> None:
    """Each frame has the events that Suricata gives it, and no others."""
    made, wire = cases(), Wire()
    for frame in made.values():
        wire.send(frame)
    path = wire.write(tmp_path / "events.pcap")
    rules = tmp_path / "events.rules"
    lines = (
        f'alert pkthdr any any -> any any (msg:"{event.label}"; decode-event:{event.label}; sid:{event + 1};)'
        for event in DecoderEvent
    )
    rules.write_text("\n".join(lines) + "\n")
    their: list[set[str]] = [set() for _ in made]
    for said in events(configuration(), rules, path, tmp_path):
        if said["event_type"] == "alert":
            their[said["pcap_cnt"] - 1].add(said["alert"]["signature"])
    mine: list[set[str]] = [set() for _ in made]
    decoding = Decoding(PipelineSettings())
    first = 0
    for batch in open_source([str(path)]).batches():
        packets, _ = decoding.tables(batch)
        column = packets.column("packet.event")
        for row in range(packets.rows):
            mine[first + int(packets.structure.packet[row])] |= set(column.at(row))
        first += len(batch)
    different = {name: (a, b) for name, a, b in zip(made, mine, their, strict=True) if a != b}
    assert different == {}
    assert set().union(*their) >= {event.label for event in DecoderEvent} - {"ipv6.frag_invalid_length"}
