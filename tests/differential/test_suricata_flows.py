"""Direction and state of flows as Suricata sees them, packet by packet, on connections that are built and on real captures."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.flows.columns import Cell, Peer
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from tests.differential.small_rules import alerts_by_packet
from tests.flows.frames import ACK, CLIENT, FIN, PUSH, RST, SERVER, SYN, icmp, tcp, udp

pytestmark = pytest.mark.differential

# sid: what the rule asks of a packet's flow. The last one is an "IP-only" rule: the first packet of each direction.
RULES = [
    'alert ip any any -> any any (msg:"to server"; flow:to_server; sid:1;)',
    'alert ip any any -> any any (msg:"to client"; flow:to_client; sid:2;)',
    'alert ip any any -> any any (msg:"established"; flow:established; sid:3;)',
    'alert ip any any -> any any (msg:"not established"; flow:not_established; sid:4;)',
    'alert ip any any -> any any (msg:"first"; sid:5;)',
]
C, S = CLIENT, SERVER
HELLO = [tcp(C, S, SYN, 100), tcp(S, C, SYN | ACK, 500, 101), tcp(C, S, ACK, 101, 501)]
TALK = [
    frame
    for n in range(3)
    for frame in (
        tcp(C, S, ACK | PUSH, 101 + 5 * n, 501 + 5 * n, b"quest"),
        tcp(S, C, ACK | PUSH, 501 + 5 * n, 106 + 5 * n, b"reply"),
    )
]
BYE = [
    tcp(C, S, ACK | FIN, 116, 516),
    tcp(S, C, ACK, 516, 117),
    tcp(S, C, ACK | FIN, 516, 117),
    tcp(C, S, ACK, 117, 517),
]
AGAIN = [
    tcp(C, S, SYN, 9000), tcp(S, C, SYN | ACK, 7000, 9001), tcp(C, S, ACK, 9001, 7001), tcp(C, S, ACK, 9001, 7001, b"again"),
    tcp(S, C, ACK, 7001, 9006, b"yes"),
]  # fmt: skip
ONE, TWO, NAMES = ("10.0.0.1", 999), ("10.0.0.2", 888), ("10.0.0.2", 53)
CONNECTIONS = {
    "handshake, talk, end, late data": [*HELLO, *TALK, *BYE, tcp(C, S, ACK, 117, 517, b"late")],
    "reset by the server": [*HELLO, *TALK, tcp(S, C, RST, 516), tcp(C, S, ACK, 116, 516, b"after")],
    "reset by the client": [*HELLO, *TALK, tcp(C, S, RST | ACK, 116, 516), tcp(S, C, ACK, 516, 116, b"after")],
    "reset out of window": [*HELLO, *TALK, tcp(C, S, RST, 100116, 516), tcp(C, S, ACK, 116, 516, b"after")],
    "no handshake": [*TALK, *BYE],
    "no handshake, the server speaks first": [*TALK[1:], *BYE],
    "SYN/ACK first": [*HELLO[1:], *TALK],
    "SYN/ACK and the server's data": [HELLO[1], *TALK[1::2]],
    "client's side only": [HELLO[0], HELLO[2], *TALK[::2]],
    "client's side only, no handshake": TALK[::2],
    "server's side only, no handshake": TALK[1::2],
    "ports used again": [*HELLO, *TALK, *BYE, *AGAIN],
    "ports used again without an end": [*HELLO, *TALK, *AGAIN],
    "ports used again after a reset": [*HELLO, *TALK, tcp(S, C, RST | ACK, 516, 116), *AGAIN],
    "handshake repeated": [HELLO[0], HELLO[0], HELLO[1], HELLO[1], HELLO[2], *TALK],
    "refused twice": [HELLO[0], tcp(S, C, RST | ACK, 0, 101), tcp(C, S, SYN, 200), tcp(S, C, RST | ACK, 0, 201)],
    "data ends the handshake": [*HELLO[:2], *TALK],
    "the server's data before the handshake's end": [*HELLO[:2], tcp(S, C, ACK, 501, 101, b"hello"), HELLO[2],
                                                     tcp(C, S, ACK, 101, 506, b"q")],
    "SYN/ACK of another SYN": [HELLO[0], tcp(S, C, SYN | ACK, 500, 999), tcp(C, S, ACK, 999, 501, b"x")],
    "FIN first": [tcp(C, S, FIN, 100), tcp(S, C, ACK, 500, 101), tcp(C, S, ACK, 101, 500, b"abc")],
    "RST first": [tcp(C, S, RST, 100), tcp(C, S, ACK, 101, 500, b"abc"), tcp(S, C, ACK, 500, 104, b"abc")],
    "no flags": [tcp(C, S, 0, 101, 0, b"abc"), tcp(C, S, PUSH, 104, 0, b"abc")],
    "retransmissions": [*HELLO, *TALK, *TALK[:2]],
    "datagrams": [udp(ONE, TWO, b"a"), udp(ONE, TWO, b"a"), udp(TWO, ONE, b"b"), udp(ONE, TWO, b"a"), udp(NAMES, ONE, b"x"),
                  udp(ONE, NAMES, b"y")],
    "pings": [icmp("10.0.0.1", "10.0.0.2", 8), icmp("10.0.0.1", "10.0.0.2", 8), icmp("10.0.0.2", "10.0.0.1", 0),
              icmp("10.0.0.1", "10.0.0.2", 8)],
}  # fmt: skip


def write(path: Path, frames: list[bytes]) -> Path:
    """A capture of frames ten milliseconds apart."""
    records = (struct.pack("<IIII", 10**9, 10000 * n, len(frame), len(frame)) + frame for n, frame in enumerate(frames))
    path.write_bytes(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + b"".join(records))
    return path


def ours(capture: Path, is_midstream: bool) -> dict[int, set[int]]:
    """{packet: sids} as our columns have it; quoted rows have no flow of their own."""
    decoder, flows = PacketDecoder(), FlowTable(FlowSettings(flows=16384, midstream=is_midstream))
    found, before = {}, 0
    for batch in open_source([str(capture)]).batches():
        packets = decoder.decode(batch)
        cells = flows.follow(packets).cells
        for packet, flow, peer in zip(packets.structure.packet.tolist(), cells[:, Cell.FLOW].tolist(),
                                      cells[:, Cell.PEER].tolist(), strict=True):  # fmt: skip
            if flow >= 0:
                sids = {2 if peer & Peer.TO_CLIENT else 1, 3 if peer & Peer.ESTABLISHED else 4}
                if peer & Peer.ALONE:
                    sids.discard(4)
                found[before + packet + 1] = sids | ({5} if peer & Peer.FIRST else set())
        before += len(batch)
    return found


@pytest.mark.parametrize("is_midstream", [True, False], ids=["midstream", "handshake"])
@pytest.mark.parametrize("name", CONNECTIONS)
def test_built_connections(name: str, is_midstream: bool, tmp_path: Path) -> None:
    """Without this, `flow:established,to_server` holds for other packets than where the rule was written for."""
    capture = write(tmp_path / "built.pcap", CONNECTIONS[name])
    assert ours(capture, is_midstream) == alerts_by_packet(capture, tmp_path, RULES, is_midstream)


REAL = (
    "mixed/plant-modbus-s7-enip.pcap",
    "modbus/test-data-part1.pcap",
    "modicon/modicon-test.pcap",
    "iec104/090813-diverse.pcap",
    "mixed/synchrophasor-and-it.pcapng",
    "mixed/multimedia-messaging.pcap",
    "mixed/profinet-failed.pcap",
    "enip/controlprotocolchangeattempt.pcap",
)
# Packets where the two differ: Suricata's protocol detection takes the first packet of a PROFINET connection, DCE/RPC over UDP,
# for an answer, and turns the flow round.
TURNED = {"mixed/plant-modbus-s7-enip.pcap": {1182, 3089, 5115, 5116, 7094, 8909, 10882, 12624}}


@pytest.mark.parametrize("is_midstream", [True, False], ids=["midstream", "handshake"])
@pytest.mark.parametrize("name", REAL)
def test_real_captures(captures: Path, name: str, is_midstream: bool, tmp_path: Path) -> None:
    said, own = alerts_by_packet(captures / name, tmp_path, RULES, is_midstream), ours(captures / name, is_midstream)
    differences = {packet: (said[packet], own.get(packet)) for packet in said if said[packet] != own.get(packet)}
    turned = TURNED.get(name, set()) if is_midstream else set()
    assert len(said) > 15
    assert set(differences) == turned
    assert all(theirs ^ own[packet] == {1, 2} for packet, (theirs, _) in differences.items())
