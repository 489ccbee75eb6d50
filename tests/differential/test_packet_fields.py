"""Promise 2: a field means what Wireshark says it means. Every packet field against tshark, frame by frame.

Where we differ on purpose, found by comparing mutated frames, and why:

- Wireshark gives a packet up where an option or message is shorter than what it holds (shown as malformed); we go on with
  the next option and the layers above, for else a broken option would hide an attack.
- Data in a TCP segment with RST is the reset's cause to Wireshark, and no tcp.payload.
- An IPv6 packet with a length of 0 ends with its header to Wireshark; to us it is offloaded or a jumbogram, with all there is.
- Behind compressed routing headers (draft-bonica-6man-comp-rtg-hdr), and in ATM's ARP, Wireshark decodes nothing that we do.
- An option of IPv6 that is shorter than its document says has no values beyond its end; Wireshark reads on.
- Wireshark guesses: an Ethernet frame behind MPLS (pseudo-wire), VSS Monitoring's trailer in place of eth.trailer and eth.fcs.
- LLDP whose items do not fit has no trailer in Wireshark.
- pcapng: Wireshark 4.0 takes a later section's interface names from the first section; the length of the frame check
  sequence in packet flags is not applied to eth.fcs; packets of simple blocks have the time 0, in Wireshark none.
- Relative numbers of TCP (tcp.seq, tcp.ack and what follows from them) begin anew where flows/ sees a new flow; Wireshark
  also joins what lies far apart under the same addresses and ports.
"""

from __future__ import annotations

import struct
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.igmp import IGMP
from scapy.layers.inet import (
    ICMP,
    IP,
    TCP,
    UDP,
    IPOption_NOP,
    IPOption_Router_Alert,
    IPOption_RR,
    IPOption_Timestamp,
)
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6MLDMultAddrRec,
    ICMPv6MLReport2,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, GRE, LLC, SNAP, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from detector.exercise.synthesis import write_capture
from detector.protocols.fields import FIELDS, table_of
from tests.conftest import ROOT
from tests.differential import tshark
from tests.differential.compare import compare_frames
from tests.differential.unusual import unusual
from tests.pcapng import blocks, interface, option, packet, section
from tests.samples import sample

pytestmark = pytest.mark.differential

FRAMES_OF_EACH = 60
# Names of protocols, for which tshark prints their title.
PROTOCOLS = {name for name, field in FIELDS.items() if field.kind == "protocol" and "." not in name}
EXEMPT = {
    "igmp.maddr": "tshark lists the groups of an IGMPv3 report, we those of versions 1 and 2 only",
}  # fmt: skip
ENDS = {"src": "10.0.0.1", "dst": "10.0.0.2"}
SIX = {"src": "fe80::1", "dst": "fe80::2"}
BUILT: list[Packet] = [
    Ether() / Dot1Q(vlan=5, prio=3, type=0x8100) / Dot1Q(vlan=7, dei=1) / IP(**ENDS) / UDP(sport=1, dport=2) / Raw(b"abc"),
    Ether() / IP(**ENDS, tos=0xB9, flags="DF") / TCP(sport=1, dport=2, flags="SECN", options=[("MSS", 1460), ("WScale", 7), ("SAckOK", b"")]),
    Ether() / IP(**ENDS) / TCP(sport=1, dport=2, flags="A", seq=5, ack=9, options=[("SAck", (20, 30, 40, 50)), ("Timestamp", (7, 8))]),
    Ether() / IP(**ENDS) / TCP(sport=3, dport=4, flags="FPU", seq=5, urgptr=9) / Raw(b"x" * 20),
    Ether() / IP(**ENDS) / ICMP(type=8, id=0x1234, seq=3) / Raw(b"ping"),
    Ether() / IP(**ENDS) / ICMP(type=3, code=4, nexthopmtu=1400) / IP(**ENDS) / UDP(sport=9, dport=10) / Raw(b"quoted!!"),
    Ether() / IP(**ENDS) / ICMP(type=5, code=1, gw="10.0.0.9") / IP(**ENDS) / UDP(sport=9, dport=10),
    Ether() / IP(**ENDS) / ICMP(type=11) / IP(**ENDS) / UDP(sport=9, dport=10),
    Ether() / IP(**ENDS) / GRE() / IP(src="192.168.0.1", dst="192.168.0.2") / UDP(sport=5, dport=6) / Raw(b"in gre"),
    Ether() / IP(**ENDS) / IP(src="192.168.0.1", dst="192.168.0.2", ttl=3) / TCP(sport=5, dport=6, flags="S"),
    Ether() / IP(**ENDS) / UDP(sport=5, dport=4789) / VXLAN(vni=77) / Ether(src="02:00:00:00:00:09") / IP(**ENDS) / ICMP(),
    Ether() / IP(**ENDS) / IPv6(**SIX) / UDP(sport=5, dport=6) / Raw(b"6in4"),
    Ether() / IPv6(**SIX, tc=0xB8, fl=0x12345, hlim=3) / TCP(sport=5, dport=6, flags="S"),
    Ether() / IPv6(**SIX) / ICMPv6EchoRequest(id=7, seq=9, data=b"x"),
    Ether() / IPv6(**SIX) / ICMPv6ND_NS(tgt="fe80::9"),
    Ether() / IPv6(**SIX) / ICMPv6ND_NA(tgt="fe80::9", R=1, S=0, O=1),
    Ether() / IPv6(**SIX) / ICMPv6ND_RA(chlim=64, routerlifetime=1800),
    Ether() / IPv6(**SIX) / ICMPv6PacketTooBig(mtu=1280) / IPv6(**SIX) / UDP(sport=9, dport=10) / Raw(b"quoted"),
    Ether() / IPv6(**SIX) / IPv6ExtHdrHopByHop() / UDP(sport=5, dport=6) / Raw(b"hop"),
    Ether() / IPv6(**SIX) / IPv6ExtHdrRouting(type=0, segleft=0, addresses=["fe80::7"]) / UDP(sport=5, dport=6) / Raw(b"route"),
    Ether() / IPv6(**SIX) / IPv6ExtHdrFragment(id=0x77, m=1, nh=17) / Raw(b"x" * 16),
    Ether() / IPv6(**SIX) / IPv6ExtHdrFragment(id=0x77, m=0, offset=2, nh=17) / Raw(b"y" * 16),
    Ether(dst="01:80:c2:00:00:00", type=16) / LLC(dsap=0x42, ssap=0x42, ctrl=3) / Raw(b"spanning tree"),
    # Left out: a TCP header quoted in an ICMP error, of which Wireshark shows some numbers and not others.
    Ether(type=20) / LLC() / SNAP(OUI=0, code=0x0800) / IP(**ENDS) / UDP(sport=5, dport=6),
    Ether() / ARP(op=1, hwsrc="02:00:00:00:00:01", psrc="10.0.0.1", pdst="10.0.0.1"),
    Ether() / ARP(op=1, psrc="0.0.0.0", pdst="10.0.0.1"),
    Ether() / ARP(op=2, psrc="10.0.0.3", pdst="10.0.0.1"),
    Ether() / IP(**ENDS) / SCTP(sport=5, dport=36412, tag=0x01020304) / Raw(b"\x0a\x00\x00\x04"),
    Ether(type=0x8847) / MPLS(label=77, cos=5, s=0, ttl=3) / MPLS(label=78, s=1, ttl=9) / IP(**ENDS) / UDP(sport=5, dport=6),
    Ether() / IP(src="10.0.0.1", dst="239.1.2.3", ttl=1, options=[IPOption_Router_Alert()]) / IGMP(type=0x16, gaddr="239.1.2.3"),
    Ether() / IP(src="10.0.0.1", dst="224.0.0.1", ttl=1, options=[IPOption_Router_Alert()]) / IGMP(type=0x11, mrcode=100),
    Ether() / IP(**ENDS, options=[IPOption_RR(routers=["1.2.3.4"]), IPOption_NOP(), IPOption_Timestamp()]) / UDP(sport=5, dport=6),
    Ether() / IPv6(**SIX) / ICMPv6MLReport2(records=[ICMPv6MLDMultAddrRec(dst="ff02::1:2"), ICMPv6MLDMultAddrRec(dst="ff02::1:3")]),
    Ether() / IP(**ENDS, id=9, flags="MF") / Raw(b"\x00\x07\x00\x08\x00\x20\x00\x00" + b"a" * 8),
    Ether() / IP(**ENDS, id=9, frag=2, proto=17) / Raw(b"b" * 16),
]  # fmt: skip


def known_to_tshark() -> set[str]:
    made = subprocess.run(
        ["tshark", "-G", "fields"], capture_output=True, check=True, encoding="utf-8", errors="replace"
    )
    return {line.split("\t")[2] for line in made.stdout.splitlines() if line[:2] in ("F\t", "P\t")}


@pytest.fixture(scope="module")
def names() -> list[str]:
    tshark.require_tool("tshark")
    known = known_to_tshark()
    chosen = [name for name, field in FIELDS.items() if table_of(name) == "packet" and name not in PROTOCOLS]
    own = {name for name in chosen if name.startswith(("flow.", "packet.", "stream.", "zone."))}
    assert not [name for name in chosen if name not in known and name not in own], (
        "a field that Wireshark does not have"
    )
    return [name for name in chosen if name in known and name not in EXEMPT]


def built_capture(folder: Path) -> Path:
    path = folder / "built.pcap"
    packets = [*(bytes(packet).ljust(60, b"\0") for packet in BUILT), *unusual()]
    frames = [(1_700_000_000_000_000_000 + number * 1_234_567, packet) for number, packet in enumerate(packets)]
    write_capture(path, frames)
    return path


def described_capture(folder: Path) -> Path:
    """A pcapng file whose interfaces have names and descriptions, or not, and whose packets have every option."""
    told = [
        struct.pack("<HHI", 2, 4, flags) + struct.pack("<HHQ", 4, 8, number) + struct.pack("<HHQHHI", 5, 8, 1 << 40 | number, 6, 4, number)
        for number, flags in enumerate((0x00000001, 0xFF00FE1E, 0x55000A0A))
    ]  # fmt: skip
    frames = [
        packet(bytes(one), 5 * number, number % 3, comment=f"said {number}", options=told[number % 3] if number % 2 else option(1, b"first"))
        for number, one in enumerate(BUILT)
    ]  # fmt: skip
    names = option(2, b"eth0") + option(3, b"uplink"), b"", option(3, b"mirror port")
    path = folder / "described.pcapng"
    path.write_bytes(blocks(section(), *(interface(options=told) for told in names), *frames))
    return path


def test_built_packets_agree_and_every_field_is_compared(names: list[str], tmp_path: Path) -> None:
    compared, differences = compare_frames(built_capture(tmp_path), names, 1000)
    assert differences == []
    more, different = compare_frames(described_capture(tmp_path), names, 1000)
    assert different == []
    for name in names:
        print(f"{compared[name] + more[name]:8} {name}")
    elsewhere = (
        "hsr",
        "prp",
        "hsr_prp_supervision",
    )  # test_redundancy.py builds them: tshark looks for trailers if it is told to
    without = [name for name in names if not compared[name] + more[name] and FIELDS[name].protocol not in elsewhere]
    assert without == [], "build a packet that has them"


def test_real_captures_agree(names: list[str], captures: Path) -> None:
    total: Counter[str] = Counter()
    problems: list[str] = []
    for capture in sample(sorted(captures.glob("*/*.pcap*")), 25):
        compared, differences = compare_frames(capture, names, FRAMES_OF_EACH)
        total += compared
        problems += differences
    print("\n".join(f"{count:9} {name}" for name, count in sorted(total.items())))
    assert problems == [], "\n".join(problems[:40])


@pytest.mark.parametrize("scenario", sorted(path.name for path in (ROOT / "replay_pcaps").iterdir() if path.is_dir()))
def test_shipped_scenarios_agree(names: list[str], scenario: str) -> None:
    compared, differences = compare_frames(ROOT / "replay_pcaps" / scenario / "capture.pcap", names, 300)
    assert compared["eth.src"] > 0
    assert differences == []
