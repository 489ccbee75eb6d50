"""Frames with what real traffic seldom has: every option, extension and message that a field is declared for, byte by byte."""

from __future__ import annotations

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

MACS = {"src": "02:00:00:00:00:01", "dst": "02:00:00:00:00:02"}
ENDS = {"src": "10.0.0.1", "dst": "10.0.0.2"}
SIX = {"src": "fe80::1", "dst": "fe80::2"}
ABOVE = bytes(UDP(sport=5, dport=6))
HOST = "20010db8000000000000000000000001"
GROUP = "ff020000000000000000000000010003"
MAC = "020000000001"
QUOTED_4 = "4500002400010000401100000102030405060708 0005000600100000" + "11" * 8
QUOTED_6 = "6000000000081140" + HOST * 2 + "0005000600080000"


def octets(text: str) -> bytes:
    """Bytes of hexadecimal digits with spaces between."""
    return bytes.fromhex(text.replace(" ", ""))


def above_ethernet(packet: Packet, kind: int = 0x0800) -> bytes:
    return bytes(Ether(**MACS, type=kind) / packet)


def tcp_option(text: str) -> bytes:
    """A SYN with options, filled up with zeros."""
    options = octets(text)
    options += bytes(-len(options) % 4)
    header = TCP(sport=1234, dport=5858, seq=1, flags="S", dataofs=5 + len(options) // 4)
    return above_ethernet(IP(**ENDS, proto=6) / Raw(bytes(header) + options))


def ip_option(text: str) -> bytes:
    """A datagram with options, filled up with zeros."""
    options = octets(text)
    options += bytes(-len(options) % 4)
    header = bytes([0x45 + len(options) // 4, 0]) + (20 + len(options) + len(ABOVE)).to_bytes(2, "big")
    return above_ethernet(Raw(header + octets("0001 0000 40 11 0000 0a000001 0a000002") + options + ABOVE))


def icmp(text: str) -> bytes:
    return above_ethernet(IP(**ENDS, proto=1) / Raw(octets(text)))


def icmpv6(text: str) -> bytes:
    return above_ethernet(IPv6(**SIX, nh=58) / Raw(octets(text)), 0x86DD)


def extension(kind: int, text: str) -> bytes:
    return above_ethernet(IPv6(**SIX, nh=kind) / Raw(octets(text) + ABOVE), 0x86DD)


def arp(text: str) -> bytes:
    return above_ethernet(Raw(octets(text)), 0x0806)


def trailed(behind: bytes, payload: int = 4) -> bytes:
    """A frame with bytes behind its packet."""
    return above_ethernet(IP(**ENDS) / UDP(sport=5, dport=6) / Raw(b"a" * payload)) + behind


TCP_OPTIONS = (
    "02040578 03030701 0402 0101 080a0000000100000002", "050a0000000100000002", "050affffff00ffffff10", "051200000001 00000005 00000001 00000009",
    "1312" + "ab" * 16, "1d10010203040506070809101112 1314", "1c048005", "2208aabbccddeeff 2202 0101", "fd08f98911223344 fd04f989",
    "fe06aabbccdd", "060600000001", "070600000002", "0b0600000005", "0c06000000050d06 00000005", "1b08070300000000", "4d0611223344",
    "ac0b000001000002000003", "ae0b000001000002000003", "fd0dacc0000001000002000003", "fd0dacc1000001000002000003", "0303 0f", "0304 0101",
    "0206 01020304", "0808010203040506", "1c0601020304", "fd0301", "fd04abcd", "1d0301", "1d040102", "1302", "0602", "0b02", "1b02", "ac05000001",
    "ac040001", "220301", "040301", "4d02", "4d01", "4d0901", "00020405060100", "00000000", "0000000000000001",
)  # fmt: skip
IP_OPTIONS = (
    "070b04 00000000 00000000", "070b0c 01020304 05060708", "070b08 01020304 05060708", "830b04 01020304 05060708", "830b0c 01020304 05060708",
    "890b08 01020304 05060708", "830704 01020304", "830705 01020304", "830a04 01020304 010203", "070703 01020304", "070a04 01020304 010203",
    "440c0500 11223344 55667788", "44140d51 01020304 00000001 05060708 00000002", "440c0903 01020304 00000001", "440a0501 01020304 0506",
    "94040005", "94050000 00", "88040007", "820bf135 0001 4142 434445", "8203ab", "8204ab80", "8205ab0180", "8206ab010380", "820b1234 0001 4142 434445",
    "85040102", "8505010203", "0b040578 0c040579", "520c 0001 0002 0003 0a000001", "1908 05 40 00000004", "1908 85 40 00000007", "1908 25 40 00000004",
    "8606 00000001", "95060a000001", "950b0a000001 0a000002 09", "9908 aabbccddeeff 0101", "0000 0304", "01010100", "0102 0401", "9901",
)  # fmt: skip
ICMP = (
    "0300 0000 00000000" + QUOTED_4, "0304 0000 00000578" + QUOTED_4, "0304 0000 12340578" + QUOTED_4, "0301 0000 12345678" + QUOTED_4,
    "0400 0000 00000000" + QUOTED_4, "0500 0000 0a000009" + QUOTED_4, "0a00 0000 00000000", "0900 0000 02 02 0708 0a000001 00000001 0a000002 80000000",
    "0900 0000 01 03 0708 0a000001 00000001 00000005", "0b00 0000 00000000" + QUOTED_4, "0b00 0000 12345678" + QUOTED_4,
    "0c00 0000 14000000" + QUOTED_4, "0c00 0000 14345678" + QUOTED_4, "0d00 0000 1234 0001 00000001 00000002 00000003",
    "0e00 0000 1234 0001 00000001 00000002 00000003", "0f00 0000 1234 0001", "1100 0000 1234 0001 00000000", "1200 0000 1234 0001 ffffff00",
    "0b00 0000 00200000" + (QUOTED_4.replace(" ", "") + "00" * 128)[:256] + "2000 0000 0008 0101 000104ff 0010 0209 00000007 00010000 0a000001",
    "0b00 0000 00000000" + (QUOTED_4.replace(" ", "") + "00" * 128)[:256] + "2000 0000 0008 0101 000104ff",
    "2a00 0000 1234 01 01", "2b00 0000 1234 01 67",
)  # fmt: skip
ICMPV6 = (
    "0100 0000 00000000" + QUOTED_6, "0300 0000 00000000" + QUOTED_6, "0401 0000 00000006" + QUOTED_6, "8100 0000 00070009 aabbccdd",
    "8200 0000 03e8 0000" + GROUP, "8300 0000 0000 0000" + GROUP, "8400 0000 0000 0000" + GROUP, "8200 0000 03e8 0000" + GROUP + "0a 7d 0002" + HOST * 2,
    "8500 0000 00000000 0101" + MAC,
    "8600 0000 40c8 0708 00001388 000003e8 0101" + MAC + "0501 0000 000005dc 0304 40c0 00015180 00003840 00000000" + HOST
    + "1903 0000 00000e10" + HOST + "1f03 0000 00000e10 076578616d706c65 03636f6d 00000000 1802 3008 00000e10 20010db800000000 1803 40ff 00000e10" + HOST,
    "8600 0000 4000 0708 00001388 000003e8 0701 0000 00001000 0801 0000 00010002 1a01 8000 00000000 2602 0708 20010db80000000000000000 ff01" + MAC,
    "8600 0000 4000 0708 00001388 000003e8 0500",
    "8700 0000 00000000" + HOST + "0101" + MAC + "0e01" + "112233445566", "8800 0000 e0000000" + HOST + "0201" + MAC,
    "8900 0000 00000000" + HOST * 2 + "0201" + MAC + "0407 000000000000" + QUOTED_6,
    "8f00 0000 0000 0002 0400 0001" + GROUP + HOST + "0101 0000" + GROUP + "aabbccdd",
    "8a00 0000 00000001 01 60 0000 00000000", "9700 0000 007d 0002", "a000 0000 0001 01 01 2000 0000", "a100 0000 0001 01 67",
)  # fmt: skip
EXTENSIONS = (
    (0, "1100 05020000 0100"), (0, "1101 c20400011170 0106000000000000"), (60, "1100 010400000000"), (60, "1100 00 0103000000"),
    (60, "1101 040105 1e03112233 010400000000"), (60, "1102 c910" + HOST + "01020000"), (0, "1101 0708 00000001 00 01 0203 01020000"),
    (0, "1102 070c 00000001 01 01 0203 01020304 0106 000000000000"), (0, "1100 3e0411223344"), (60, "1101 0f0a 01 02 0003 0004 0005 0006 0000"),
    (0, "1100 300405780579"), (0, "1100 ee0380010200"), (0, "1101 2606 050400000007 0104 00000000"), (0, "1101 2606 850400000007 0104 00000000"),
    (60, "1100 8b0401020304"), (60, "1100 8c0403414243"), (43, "1102 0001 00000000" + HOST), (43, "1102 0201 00000000" + HOST),
    (43, "1102 0400 00 05 0007" + HOST), (43, "1104 0401 01 05 0007" + HOST * 2), (43, "1100 0901 00000000"), (44, "1100 0001 00000077"),
    (44, "1155 000e 00000078"),
)  # fmt: skip
# 6to4, ISATAP, Teredo, made of a MAC address, behind a translator, mapped, compatible.
ADDRESSES = ("2002:a00:1:7::1", "fe80::200:5efe:a00:1", "2001:0:a00:1:0:1234:f5ff:fffe", "fe80::211:22ff:fe33:4455", "64:ff9b::a00:1",
             "::ffff:1.2.3.4", "::1.2.3.4")  # fmt: skip
ARPS = (
    "0001 0800 08 04 0001" + "01" * 8 + "0a000001" + "02" * 8 + "0a000002", "0001 86dd 06 10 0001" + MAC + HOST + MAC + HOST,
    "0003 0800 07 04 0001 82a0a4a6404060 0a000001 00000000000000 0a000002", "0006 0800 06 04 0002" + MAC + "0a000001" + MAC + "0a000002",
    "000f 0800 02 04 0002 0102 0a000001 0203 0a000002", "0001 0800 00 04 0001 0a000001 0a000002", "0001 0800 06 00 0001" + MAC * 2,
    "0001 0800 06 04 0001" + MAC + "0a000001",
)  # fmt: skip
TRAILERS = (
    (b"\0" * 14, 4), (b"\0" * 18, 4), (b"\0" * 14 + b"abcd", 4), (b"x" * 14, 4), (b"x" * 18, 4), (b"\0" * 10, 4), (b"abcd", 30), (b"abc", 30),
    (b"abcdefg", 30), (b"\0" * 20, 4), (b"\0" * 15, 4),
)  # fmt: skip
# What Ethernet carries without a length, with one, with one that is too long, with neither length nor type.
LENGTHS = (
    above_ethernet(Raw(octets("0207 04" + MAC + "0403 07 3132 0602 0078 0000") + bytes(30)), 0x88CC),
    above_ethernet(Raw(b"\x42\x42\x03\x00" + bytes(42)), 4), above_ethernet(Raw(b"x" * 40), 0x5FF), above_ethernet(Raw(b"\x42\x42\x03\x00" + bytes(42)), 60),
    above_ethernet(Raw(octets("0005 0004 42420300") + bytes(42)), 0x8100), above_ethernet(Raw(octets("6007 8100 3005 0800") + bytes(IP(**ENDS) / UDP())), 0x88A8),
    above_ethernet(Raw(b"x" * 46), 0), above_ethernet(IP(**ENDS, version=6) / Raw(bytes(40))), above_ethernet(IP(**ENDS, version=9) / UDP()),
    above_ethernet(IP(**ENDS, ihl=3) / UDP()), above_ethernet(IP(**ENDS, len=15) / UDP()), above_ethernet(IPv6(**SIX, version=5) / UDP(), 0x86DD),
    above_ethernet(IP(**ENDS) / TCP(dataofs=3) / Raw(b"abc")), above_ethernet(IP(**ENDS) / UDP(len=10) / Raw(b"abcdef")), above_ethernet(Raw(octets("0005 0004 42420300") + bytes(42) + b"xyzw" * 4), 0x8100),
    above_ethernet(Raw(octets("0005 0806") + bytes(ARP()) + bytes(20) + b"tail"), 0x8100), above_ethernet(Raw(b"\xff\xff\x00\x00" + bytes(42)), 3),
)  # fmt: skip


def unusual() -> list[bytes]:
    """All of them."""
    embedded = [{"src": one, "dst": "2001:db8::1"} for one in ADDRESSES]
    embedded += [{"src": "2001:db8::1", "dst": one} for one in ADDRESSES]
    return [
        *map(tcp_option, TCP_OPTIONS), *map(ip_option, IP_OPTIONS), *map(icmp, ICMP), *map(icmpv6, ICMPV6),
        *(extension(kind, text) for kind, text in EXTENSIONS),
        *(above_ethernet(IPv6(**ends) / UDP(sport=5, dport=6), 0x86DD) for ends in embedded),
        *map(arp, ARPS), *(trailed(behind, payload) for behind, payload in TRAILERS), *LENGTHS,
    ]  # fmt: skip
