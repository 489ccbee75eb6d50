"""Decoder events, by the standards; all of them beside Suricata's are in differential/test_suricata_events.py."""

from __future__ import annotations

import struct

import pytest

from detector.packets.decode import PacketDecoder
from tests.flows.frames import ACK, CLIENT, SECOND, SERVER, batches, ethernet, icmp, ip, tcp

pytestmark = pytest.mark.kernel


def ipv6(following: int, data: bytes, cut: int = 0) -> bytes:
    head = struct.pack(">IHBB", 6 << 28, len(data) + cut, following, 64)
    return ethernet(head + bytes(15) + b"\1" + bytes(15) + b"\2" + data, 0x86DD)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (tcp(CLIENT, SERVER, ACK, 1, 1), ""),
        (tcp(CLIENT, SERVER, ACK, 1, 1, options=bytes.fromhex("020405b4020405b4")), "tcp.opt_duplicate"),
        (tcp(CLIENT, SERVER, ACK, 1, 1, options=bytes.fromhex("0303070a0304070a")), "tcp.opt_invalid_len"),
        (icmp("10.0.0.1", "10.0.0.2", 8), ""),
        (icmp("10.0.0.1", "10.0.0.2", 200), "icmpv4.unknown_type"),
        (icmp("10.0.0.1", "10.0.0.2", 8, 7), "icmpv4.unknown_code"),
        (ip("10.0.0.1", "10.0.0.2", 58, bytes(8)), "ipv4.icmpv6"),
        (ipv6(43, bytes([59, 2, 0, 1]) + bytes(20)), "ipv6.rh_type_0"),  # RFC 5095
        (ipv6(44, bytes([59, 0, 0, 0, 0, 0, 0, 9])), "ipv6.exthdr_useless_fh"),
        (ipv6(44, bytes([17, 0, 0, 1, 0, 0, 0, 9]) + bytes(13)), "ipv6.frag_invalid_length"),  # RFC 8200 4.5
        (ipv6(59, b"data"), "ipv6.data_after_none_header"),  # RFC 8200 4.7
        (ipv6(60, bytes([59, 200]) + bytes(6)), ""),  # longer than the packet: packet.anomaly has it
        (ipv6(60, bytes([59, 0, 30, 4]) + bytes(3), 1), ""),  # cut short by the capture
    ],
)
def test_an_event(frame: bytes, expected: str) -> None:
    packets = PacketDecoder().decode(batches([frame], [SECOND], 1)[0])
    assert packets.column("packet.event").at(0) == expected.split()


def test_nothing_is_read_behind_a_packet() -> None:
    """Every odd frame, cut at every length, in a buffer that ends with it."""
    frames = [tcp(CLIENT, SERVER, ACK, 1, 1, options=bytes.fromhex("020405b40303070a")), ipv6(0, bytes([60, 0, 1, 4]) + bytes(4) + bytes([44, 0, 30, 4]) + bytes(12)),
              icmp("10.0.0.1", "10.0.0.2", 3), ip("10.0.0.1", "10.0.0.2", 47, bytes.fromhex("b000080000000000"))]  # fmt: skip
    events = []
    for frame in frames:
        for size in range(len(frame) + 1):
            packets = PacketDecoder().decode(batches([frame[:size]], [SECOND], 1)[0])
            events.append(packets.column("packet.event").at(0))
    assert {name for found in events for name in found} >= {"ipv6.dstopts_unknown_opt", "gre.version0_hdr_too_big"}
