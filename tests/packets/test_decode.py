"""Headers of every kind, whole and cut at every byte: which rows, which layers, which anomaly."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, GRE, Dot1Q, Ether
from scapy.layers.sctp import SCTP
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from detector.capture.batch import Batch, batch_of
from detector.errors import PacketAnomaly
from detector.packets.decode import DecodeSettings, PacketDecoder
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

pytestmark = pytest.mark.kernel

SECOND = 10**9
ENDS = {"src": "10.0.0.1", "dst": "10.0.0.2"}
INNER = {"src": "192.168.0.1", "dst": "192.168.0.2"}


def decoded(
    packets: Sequence[bytes],
    link_type: int = 1,
    settings: DecodeSettings | None = None,
    times: Sequence[int] | None = None,
) -> PacketTable:
    batch = batch_of(packets, times or [SECOND * (n + 1) for n in range(len(packets))], link_type)
    return PacketDecoder(settings).decode(batch)


def odd(table: PacketTable, row: int = 0) -> list[str]:
    return [str(value) for value in table.column("packet.anomaly").at(row)]


def values(table: PacketTable, name: str) -> list[list[object]]:
    return [table.column(name).at(row) for row in range(table.rows)]


LINKS = {
    1: bytes.fromhex("020000000002020000000001" "0800"), 101: b"", 12: b"", 14: b"", 228: b"",
    0: struct.pack("<I", 2), 108: struct.pack(">I", 2), 9: b"\xff\x03\x00\x21", 50: b"\x00\x21",
    113: struct.pack(">HHH8sH", 0, 1, 6, b"", 0x0800), 276: struct.pack(">HHIHBB8s", 0x0800, 0, 1, 1, 0, 6, b""),
}  # fmt: skip


@pytest.mark.parametrize("link_type", LINKS)
def test_link_types(link_type: int) -> None:
    """Whatever the capture's link layer is, the same packet above it is found."""
    data = LINKS[link_type] + bytes(IP(**ENDS) / UDP(sport=5, dport=6) / Raw(b"abc"))
    table = decoded([data], link_type)
    assert values(table, "ip.src") == [["10.0.0.1"]] and values(table, "udp.dstport") == [[6]]
    assert odd(table) == []


def test_an_unknown_link_type_is_an_anomaly_and_counted() -> None:
    decoder = PacketDecoder()
    table = decoder.decode(batch_of([bytes(60)], [SECOND], 147))
    assert odd(table) == ["packet.unknown_link_type"]
    assert decoder.unknown_link_types == {147: 1}


def test_a_row_for_each_ip_layer_outermost_first() -> None:
    """GRE, IP in IP, 6in4, VXLAN: `outer` points to the parent, values are listed outermost first."""
    packets: list[Packet] = [
        Ether() / IP(**ENDS) / GRE() / IP(**INNER) / UDP(sport=5, dport=6), Ether() / IP(**ENDS) / IP(**INNER) / UDP(sport=5, dport=6),
        Ether() / IP(**ENDS) / UDP(sport=1, dport=4789) / VXLAN(vni=7) / Ether() / IP(**INNER) / UDP(sport=5, dport=6),
    ]  # fmt: skip
    table = decoded([bytes(packet) for packet in packets])
    assert [row[0] for row in values(table, "ip.src")] == ["10.0.0.1", "192.168.0.1"] * 3
    assert table.structure.outer.tolist() == [-1, 0, -1, 2, -1, 4]
    assert table.structure.packet.tolist() == [0, 0, 1, 1, 2, 2]
    six = decoded([bytes(Ether() / IP(**ENDS) / IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=5, dport=6))])
    assert values(six, "ipv6.src") == [[], ["fe80::1"]]


def test_tunnels_end_at_eight_layers() -> None:
    """An attacker's onion is cut, and said."""
    packet: Packet = IP(**ENDS) / UDP(sport=5, dport=6)
    for _ in range(9):
        packet = IP(**ENDS) / packet
    table = decoded([bytes(Ether() / packet)])
    assert table.rows == 8
    assert odd(table, 7) == ["packet.too_many_layers"]


def test_vlan_stacks() -> None:
    table = decoded([bytes(Ether() / Dot1Q(vlan=5, type=0x8100) / Dot1Q(vlan=7) / IP(**ENDS) / UDP())])
    assert values(table, "vlan.id") == [[5, 7]] and values(table, "ip.dst") == [["10.0.0.2"]]


def test_headers_quoted_in_icmp_errors_are_fields_and_no_packets() -> None:
    """The ICMP row lists them; flows and rules do not take them for traffic."""
    quoted = IP(src="10.0.0.2", dst="10.0.0.9") / UDP(sport=7, dport=8)
    table = decoded([bytes(Ether() / IP(**ENDS) / ICMP(type=3, code=3) / quoted)])
    assert table.column("ip.src").at(0) == ["10.0.0.1", "10.0.0.2"]
    assert table.structure.is_quoted.tolist() == [False, True]


CUT: list[tuple[Packet, set[PacketAnomaly]]] = [
    (Ether() / IP(**ENDS) / TCP(sport=1, dport=2, options=[("MSS", 1460)]) / Raw(b"abcd"), {PacketAnomaly.IPV4_TRUNC_PKT}),
    (Ether() / IP(**ENDS) / UDP(sport=1, dport=2) / Raw(b"abcd"), {PacketAnomaly.IPV4_TRUNC_PKT}),
    (Ether() / IP(**ENDS) / ICMP() / Raw(b"abcd"), {PacketAnomaly.IPV4_TRUNC_PKT}),
    (Ether() / IP(**ENDS) / SCTP() / Raw(b"abcd"), {PacketAnomaly.IPV4_TRUNC_PKT}),
    (Ether() / IPv6(src="fe80::1", dst="fe80::2") / TCP(sport=1, dport=2) / Raw(b"abcd"), {PacketAnomaly.IPV6_TRUNC_PKT}),
    (Ether() / IPv6(src="fe80::1", dst="fe80::2") / ICMPv6EchoRequest(data=b"abcd"), {PacketAnomaly.IPV6_TRUNC_PKT}),
    (Ether() / Dot1Q(vlan=5) / IP(**ENDS) / GRE() / IP(**INNER) / UDP(), {PacketAnomaly.IPV4_TRUNC_PKT}),
    (Ether() / ARP(), {PacketAnomaly.ARP_PKT_TOO_SMALL}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("packet", "expected"), CUT, ids=lambda value: value.lastlayer().name if isinstance(value, Packet) else ""
)
def test_a_packet_cut_at_every_byte(packet: Packet, expected: set[PacketAnomaly]) -> None:
    """No byte beyond the captured ones is read, nothing raises, and what is missing has a name."""
    whole = bytes(packet)
    batch = batch_of([whole] * len(whole), [SECOND] * len(whole))
    batch.stops[:] = batch.starts + np.arange(len(whole))
    table = PacketDecoder().decode(batch)
    structure = table.structure
    for row in range(table.rows):
        names, kept = set(odd(table, row)), int(structure.packet[row])
        assert "packet.truncated" in names or structure.outer[row] >= 0
        stop = batch.starts[kept] + kept
        for layer in Layer:
            assert structure.layer(layer)[row] <= stop
        assert structure.cell(Cell.STOP)[row] <= stop and structure.cell(Cell.PAYLOAD_STOP)[row] <= stop
        assert structure.cell(Cell.PAYLOAD_START)[row] <= structure.cell(Cell.PAYLOAD_STOP)[row]
    last = {name for row in np.flatnonzero(structure.packet == len(whole) - 1) for name in odd(table, row)}
    assert {one.label for one in expected} <= last
    assert "ethernet.pkt_too_small" in odd(table, 0)


ODD = [
    (bytes(Ether() / IP(**ENDS, ihl=4) / UDP()), "ipv4.hlen_too_small"), (bytes(Ether() / IP(**ENDS, len=12) / UDP()), "ipv4.iplen_smaller_than_hlen"),
    (bytes(Ether(type=0x0800) / IP(**ENDS, version=7) / UDP()), "ipv4.wrong_ip_version"), (bytes(Ether() / IP(**ENDS) / TCP(dataofs=3)), "tcp.hlen_too_small"),
    (bytes(Ether() / IP(**ENDS) / TCP(dataofs=6) / b"\x02\x09\x00\x00"), "tcp.invalid_optlen"), (bytes(Ether() / IP(**ENDS) / UDP(len=4)), "udp.hlen_too_small"),
    (bytes(Ether() / IP(**ENDS) / UDP(len=99) / b"abc"), "udp.hlen_invalid"), (bytes(Ether(type=0x86DD) / IPv6(version=5) / UDP()), "ipv6.wrong_ip_version"),
    (bytes(Ether() / IP(**ENDS) / GRE(version=3)), "gre.wrong_version"), (bytes(Ether() / IP(**ENDS, options=b"\x07\x01\x00\x00") / UDP()), "ipv4.opt_invalid_len"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "name"), ODD, ids=[name for _, name in ODD])
def test_what_is_odd_has_a_stable_name(data: bytes, name: str) -> None:
    assert name in odd(decoded([data]))


@pytest.mark.parametrize(
    ("layer", "field", "name"),
    [(IP, "chksum", "ipv4.csum_invalid"), (TCP, "chksum", "tcp.csum_invalid"), (UDP, "chksum", "udp.csum_invalid"), (ICMP, "chksum", "icmpv4.csum_invalid")],
)  # fmt: skip
def test_checksums_are_checked_on_request(layer: type[Packet], field: str, name: str) -> None:
    """Scapy's checksums are right; one bit more is not."""
    above: dict[type[Packet], Packet] = {IP: UDP(), TCP: TCP() / b"x", UDP: UDP() / b"xyz", ICMP: ICMP() / b"x"}
    good = Ether(bytes(Ether() / IP(**ENDS) / above[layer]))
    bad = good.copy()
    bad[layer].setfieldval(field, good[layer].getfieldval(field) ^ 1)
    packets = [bytes(good), bytes(bad)]
    table = decoded(packets, settings=DecodeSettings(check_checksums=True))
    assert odd(table, 0) == [] and odd(table, 1) == [name]
    assert odd(decoded(packets), 1) == []


def test_checksums_that_were_still_to_be_made_are_not_checked() -> None:
    """A sensor's own packets are captured before its network card has summed them."""
    wrong = bytes(Ether() / IP(**ENDS) / UDP(chksum=1) / Raw(b"x" * 20))
    batch = batch_of([wrong, wrong], [0, 10**9])
    batch.is_unsummed = np.array([True, False])
    decoder = PacketDecoder(DecodeSettings(check_checksums=True))
    table = decoder.decode(batch)
    assert decoder.anomalies == {"udp.csum_invalid": 1}
    assert [odd(table, row) for row in (0, 1)] == [[], ["udp.csum_invalid"]]
    chosen = batch.take(np.array([1, 0])).is_unsummed
    assert chosen is not None and chosen.tolist() == [False, True]


def fragments(payload: bytes, cuts: Sequence[int], identification: int = 9) -> list[bytes]:
    """IPv4 fragments of a UDP datagram, cut at these offsets (multiples of eight)."""
    edges = [0, *cuts, len(payload)]
    return [
        bytes(Ether() / IP(**ENDS, id=identification, proto=17, frag=start // 8, flags="MF" if stop < len(payload) else 0) / payload[start:stop])
        for start, stop in pairwise(edges)
    ]  # fmt: skip


DATAGRAM = struct.pack(">HHHH", 7, 8, 8 + 56, 0) + bytes(range(56))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0), (0, 2, 1), (2, 0, 1)])
def test_fragments_in_any_order(order: Sequence[int]) -> None:
    """The row that completes the datagram has its ports and payload, the others have none."""
    pieces = fragments(DATAGRAM, [16, 40])
    table = decoded([pieces[place] for place in order])
    assert values(table, "udp.dstport") == [[], [], [8]]
    assert table.column("udp.payload").at(2) == [bytes(range(56)).hex(":")]


def test_fragments_over_batches() -> None:
    decoder = PacketDecoder()
    found = [
        values(decoder.decode(batch_of([piece], [SECOND])), "udp.dstport") for piece in fragments(DATAGRAM, [16, 40])
    ]
    assert found == [[[]], [[]], [[8]]]


def test_overlapping_fragments_are_an_anomaly_and_the_first_counts() -> None:
    """What the second version says differs: an evasion, or a broken stack."""
    pieces = fragments(DATAGRAM, [16, 40])
    other = fragments(DATAGRAM[:16] + bytes(48), [16, 40])[1]
    table = decoded([pieces[0], pieces[1], other, pieces[2]])
    assert odd(table, 2) == ["ipv4.frag_overlap"]
    assert table.column("udp.payload").at(3) == [bytes(range(56)).hex(":")]
    assert odd(decoded([pieces[0], pieces[1], pieces[1], pieces[2]]), 2) == [], "the same bytes again are a repeat"


def test_a_missing_fragment_and_one_that_comes_too_late() -> None:
    pieces = fragments(DATAGRAM, [16, 40])
    assert values(decoded([pieces[0], pieces[2]]), "udp.dstport") == [[], []]
    late = decoded(pieces, times=[0, 1, 3600 * SECOND])
    assert values(late, "udp.dstport") == [[], [], []]


def test_fragments_of_many_datagrams_stay_within_memory() -> None:
    """Lone first fragments push out the oldest; a datagram that is completed at once still is."""
    lone = [fragments(DATAGRAM, [16, 40], number)[0] for number in range(200)]
    pieces = fragments(DATAGRAM, [16, 40], 5000)
    table = decoded([*lone, *pieces], settings=DecodeSettings(fragment_datagrams=16, fragment_bytes=8192))
    assert table.column("udp.dstport").at(table.rows - 1) == [8]


def test_the_clock_is_the_running_maximum() -> None:
    """Late packets are judged at the clock; a lone packet from the far future moves nothing."""
    day = 86400 * SECOND
    times = [10 * SECOND, 20 * SECOND, 15 * SECOND, 500 * day, 21 * SECOND, 600 * day, 600 * day + 1]
    packets = [bytes(Ether() / IP(**ENDS, id=number) / UDP()) for number in range(len(times))]
    table = decoded(packets, times=times)
    assert table.clock.tolist() == [
        10 * SECOND,
        20 * SECOND,
        20 * SECOND,
        20 * SECOND,
        21 * SECOND,
        21 * SECOND,
        600 * day + 1,
    ]
    assert [odd(table, row) for row in (2, 3, 5, 6)] == [
        ["packet.late"],
        ["packet.time_jump"],
        ["packet.time_jump"],
        [],
    ]


def repeats_of(second: bytes, after_ns: int, first: bytes = b"") -> list[str]:
    first = first or bytes(Ether() / IP(**ENDS, id=3) / TCP(sport=1, dport=2, seq=5) / b"abc")
    return odd(decoded([first, second], times=[SECOND, SECOND + after_ns]), 1)


def test_repeats_of_a_mirror_port() -> None:
    """The same packet within a millisecond, TTL and VLAN aside; later, or with other bytes, it is another packet."""
    inside = IP(**ENDS, id=3) / TCP(sport=1, dport=2, seq=5) / b"abc"
    same, hop = bytes(Ether() / inside), IP(bytes(inside))
    hop.ttl -= 1
    del hop.chksum
    assert repeats_of(same, 500_000) == ["packet.repeat"]
    assert repeats_of(bytes(Ether() / hop), 500_000) == ["packet.repeat"]
    assert repeats_of(bytes(Ether() / Dot1Q(vlan=4) / inside), 500_000) == ["packet.repeat"]
    assert repeats_of(same, 1_000_001) == []
    for other in (IP(**ENDS, id=4) / TCP(sport=1, dport=2, seq=5) / b"abc", IP(**ENDS, id=3) / TCP(sport=1, dport=2, seq=6) / b"abc",
                  IP(**ENDS, id=3) / TCP(sport=1, dport=3, seq=5) / b"abc", IP(**ENDS, id=3) / TCP(sport=1, dport=2, seq=5) / b"abd"):  # fmt: skip
        assert repeats_of(bytes(Ether() / other), 500_000) == []


def test_repeats_are_left_out_on_request() -> None:
    data = bytes(Ether() / IP(**ENDS, id=3) / UDP() / b"abc")
    table = decoded(
        [data, data, data],
        times=[SECOND, SECOND + 1000, SECOND + 5 * 10**6],
        settings=DecodeSettings(drop_repeats=True),
    )
    assert table.structure.packet.tolist() == [0, 2]


def test_batch_keeps_offsets_when_it_grows() -> None:
    """Reassembled bytes are put behind the batch; rows decoded before stay where they were."""
    big = bytes(range(256)) * 100
    datagram = struct.pack(">HHHH", 7, 8, 8 + len(big), 0) + big
    batch: Batch = batch_of([bytes(Ether() / IP(**ENDS) / UDP(sport=5, dport=6) / b"first"), *fragments(datagram, range(1480, 25600, 1480))],
                            [SECOND + n for n in range(19)])  # fmt: skip
    table = PacketDecoder().decode(batch)
    assert table.column("udp.payload").at(0) == [b"first".hex(":")]
    assert table.column("udp.payload").at(table.rows - 1) == [big.hex(":")]
