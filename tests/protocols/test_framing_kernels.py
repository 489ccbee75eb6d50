"""What a protocol's port is used for: something else on it, and the protocol on another one, once for a connection."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from detector.protocols import PROTOCOLS
from tests.flows.frames import ACK, PUSH, SYN, End, tcp, udp
from tests.protocols.streams import Turn, pdus_of, segments
from tests.protocols.test_dnp3 import ANSWER, READ, asked, told

pytestmark = pytest.mark.kernel

CLIENT = ("10.0.0.1", 40000)
PORTS = {one.name: one.tcp_ports[0] for one in PROTOCOLS if one.tcp_ports}
HTTP = b"GET /index.xml HTTP/1.1\r\nHost: 10.0.0.2\r\nUser-Agent: curl/8\r\n\r\n"  # none of the protocols' first bytes
HEAD = ("frame.number", "pdu.kind", "pdu.anomaly")
REGISTER = struct.pack("<HHIIQI", 0x65, 4, 0, 0, 0, 0) + b"\x01\x00\x00\x00"
# What each protocol's connections begin with: the example of a read in Modbus' specification (6.3), a read of class 0 in
# DNP3, STARTDT, COTP's connection with both TSAPs, the registration of a session.
BEGINNINGS: dict[str, list[Turn]] = {
    "modbus": [
        ("c", bytes.fromhex("000100000006 01 03 006b0003")),
        ("s", bytes.fromhex("000100000009 01 03 06 022b00000064")),
    ],
    "dnp3": [("c", asked(READ)), ("s", told(ANSWER))],
    "iec60870_104": [("c", bytes.fromhex("680407000000")), ("s", bytes.fromhex("68040b000000"))],
    "s7comm": [
        ("c", bytes.fromhex("03000016 11e00000000100 c0010a c1020100 c2020102")),
        ("s", bytes.fromhex("03000016 11d00001000100 c0010a c1020100 c2020102")),
    ],
    "enip": [("c", REGISTER), ("s", REGISTER[:4] + b"\x07" + REGISTER[5:])],
}
NAMES = sorted(BEGINNINGS)


def told_of(rows: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """(frame, anomaly) of what is said about ports."""
    found = []
    for one in rows:
        values = one.get("pdu.anomaly", [])
        for value in [values] if isinstance(values, str) else values:
            if value.split(".")[1].startswith("not_") or value.endswith(".other_port"):
                found.append((one["frame.number"], value))
    return found


def server(port: int) -> End:
    return "10.0.0.2", port


def said(name: str, turns: list[Turn], port: int, sizes: list[int] | None = None, size: int = 1000) -> list[tuple[int, str]]:  # fmt: skip
    return told_of(pdus_of(segments(turns, sizes or [], CLIENT, server(port)), name, HEAD, size))


def test_every_protocol_over_tcp_or_udp_is_here() -> None:
    assert sorted(PORTS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_something_else_on_its_port(name: str) -> None:
    """Frames 1 to 3 are the handshake. What follows in either direction is not told again."""
    turns: list[Turn] = [("c", HTTP), ("s", b"HTTP/1.1 400 Bad Request\r\n" + bytes(200)), ("c", HTTP * 100)]
    assert said(name, turns, PORTS[name]) == [(4, f"{name}.not_{name}")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("sizes", [[], [1], [2, 60, 1], [15, 1, 30]], ids=str)
@pytest.mark.parametrize("size", [1, 1000])
def test_once_however_it_comes(name: str, sizes: list[int], size: int) -> None:
    found = said(name, [("c", HTTP)], PORTS[name], sizes, size)
    assert [anomaly for _, anomaly in found] == [f"{name}.not_{name}"]
    if name in ("dnp3", "s7comm", "iec60870_104") and sizes == [1]:
        assert found[0][0] == 3 + 16  # bytes without a PDU, each in a frame


@pytest.mark.parametrize("name", NAMES)
def test_what_follows_does_not_change_it(name: str) -> None:
    """PDUs behind too many other bytes: the rows are the same where all come in one segment."""
    turns: list[Turn] = [("c", HTTP + BEGINNINGS[name][0][1] * 2)]
    if name != "modbus":  # which drops a segment with its first wrong PDU
        rows = [pdus_of(segments(turns, sizes, CLIENT, server(PORTS[name])), name, HEAD[1:]) for sizes in ([], [1])]
        assert rows[0] == rows[1] and [one["pdu.kind"] for one in rows[0]][:2] == ["malformed", "malformed"]
    assert [anomaly for _, anomaly in said(name, turns, PORTS[name])] == [f"{name}.not_{name}"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 1000])
def test_on_its_own_port_nothing_is_said(name: str, size: int) -> None:
    """Not either of what comes behind its PDUs, nor of a few bytes before them."""
    turns = BEGINNINGS[name]
    assert said(name, turns, PORTS[name], size=size) == []
    assert said(name, turns, PORTS[name], [1], size) == []
    assert said(name, [*turns, ("c", HTTP), ("s", HTTP * 200)], PORTS[name], size=size) == []
    assert said(name, [turns[0], ("s", HTTP)], PORTS[name], size=size) == []
    assert said(name, [("c", b"\xff" * 15), *turns], PORTS[name], size=size) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [1, 1000])
def test_on_another_port(name: str, size: int) -> None:
    assert said(name, BEGINNINGS[name] * 3, 19998, size=size) == [(4, f"{name}.other_port")]
    assert said(name, [("c", HTTP), ("s", HTTP)], 80, size=size) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("owner", NAMES)
def test_one_on_the_port_of_another(name: str, owner: str) -> None:
    """Both say so: the one that is spoken, and the one whose port it is. What is as short as IEC 104's beginning comes again."""
    turns = BEGINNINGS[name] * 8
    expected = name != owner
    assert [one for _, one in said(name, turns, PORTS[owner])] == [f"{name}.other_port"] * expected
    if (owner, name) == (
        "s7comm",
        "dnp3",
    ):  # its source address and checksum are the beginning of a TPKT of 43,354 bytes
        expected = False
    assert [one for _, one in said(owner, turns, PORTS[owner])] == [f"{owner}.not_{owner}"] * expected


@pytest.mark.parametrize("name", NAMES)
def test_from_the_middle_of_a_connection(name: str) -> None:
    """There the rest of a PDU comes first: more bytes are waited for. They are counted without a SYN, and behind a gap."""
    for lost in (False, True):
        for count, expected in ((4000, []), (4200, [f"{name}.not_{name}"])):
            frames = segments(
                [("c", b"\xff" * (20 if lost else 1000)), ("c", b"\xff" * count)], [1000], CLIENT, server(PORTS[name])
            )
            chosen = [*frames[:3], *frames[4:]] if lost else frames[4:]
            if lost:  # acknowledged by the server without having been captured
                chosen.append(tcp(server(PORTS[name]), CLIENT, ACK, 5000, 1000 + 20 + count))
                chosen += [tcp(CLIENT, server(PORTS[name]), PUSH | ACK, 1020 + count, 5000, b"\xff")] * 2
            assert [one for _, one in told_of(pdus_of(chosen, name, HEAD))] == expected, (lost, count)


@pytest.mark.parametrize("name", NAMES)
def test_a_clients_own_port_says_nothing(name: str) -> None:
    """A browser may have been given port 20000."""
    frames = segments([("c", HTTP), ("s", HTTP)], [], ("10.0.0.1", PORTS[name]), ("10.0.0.2", 80))
    assert told_of(pdus_of(frames, name, HEAD)) == []


@pytest.mark.parametrize(("name", "port"), [("modbus", 502), ("dnp3", 20000), ("enip", 44818), ("enip", 2222)])
@pytest.mark.parametrize("size", [1, 1000])
def test_datagrams(name: str, port: int, size: int) -> None:
    """Each by itself: one that is long enough tells, and none where one before it was a PDU."""
    end = server(port)
    frames = [udp(CLIENT, end, HTTP[:15]), udp(CLIENT, end, HTTP[:9]), udp(CLIENT, end, HTTP), udp(end, CLIENT, HTTP)]
    assert told_of(pdus_of(frames, name, HEAD, size)) == [(3, f"{name}.not_{name}")]
    first = b"\x00\x00" if port == 2222 else BEGINNINGS[name][0][1]  # there no items
    assert told_of(pdus_of([udp(CLIENT, end, first), *frames], name, HEAD, size)) == []


def test_dnp3_in_datagrams_on_another_port() -> None:
    frames = [udp(CLIENT, server(19998), asked(READ)), udp(server(19998), CLIENT, told(ANSWER))]
    assert told_of(pdus_of(frames, "dnp3", HEAD)) == [(1, "dnp3.other_port")]


def test_a_pdu_in_doubt_settles_nothing() -> None:
    """An ASDU of a type that the standard does not have: neither proof of IEC 104, nor of anything else."""
    doubtful = bytes.fromhex("680e 00000000 1a01060001000100 00 81")
    assert said("iec60870_104", [("c", doubtful * 20)], 2404) == []
    assert len(said("iec60870_104", [("c", doubtful * 20 + HTTP)], 2404)) == 1
    assert len(said("iec60870_104", [("c", HTTP[:10] + doubtful * 20 + HTTP[:10])], 2404, [1])) == 1


def test_a_later_connection_is_told_again() -> None:
    """The same addresses and ports, behind a RST and a new handshake."""
    first = segments([("c", HTTP)], [], CLIENT, server(502))
    end = tcp(CLIENT, server(502), 4 | ACK, 1000 + len(HTTP), 5000)
    again = [
        tcp(CLIENT, server(502), SYN, 70999), tcp(server(502), CLIENT, SYN | ACK, 90999, 71000),
        tcp(CLIENT, server(502), ACK, 71000, 91000), tcp(CLIENT, server(502), PUSH | ACK, 71000, 91000, HTTP),
    ]  # fmt: skip
    assert [frame for frame, _ in told_of(pdus_of([*first, end, *again], "modbus", HEAD))] == [4, 9]
