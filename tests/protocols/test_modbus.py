"""Modbus/TCP against the MODBUS Application Protocol Specification V1.1b3 and Messaging on TCP/IP Implementation Guide V1.0b."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from scapy.contrib.modbus import (
    ModbusADURequest,
    ModbusADUResponse,
    ModbusPDU03ReadHoldingRegistersRequest,
    ModbusPDU03ReadHoldingRegistersResponse,
)
from scapy.packet import Raw

from tests.flows.frames import CLIENT, PUSH, SERVER, tcp, udp
from tests.protocols.streams import Turn, pdus_of, segments

pytestmark = pytest.mark.kernel

HEAD = ("mbtcp.trans_id", "mbtcp.unit_id", "modbus.func_code", "pdu.kind", "pdu.anomaly")


def adu(transaction: int, body: str, unit: int = 1, protocol: int = 0, length: int | None = None) -> bytes:
    data = bytes.fromhex(body)
    return struct.pack(">HHHB", transaction, protocol, len(data) + 1 if length is None else length, unit) + data


# (request, reply, fields of the request, fields of the reply): the examples of clause 6, values as printed there.
EXAMPLES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("0100130013", "0103cd6b05", {"modbus.reference_num": 19, "modbus.bit_cnt": 19},
     {"modbus.byte_cnt": 3, "modbus.bitnum": [*range(19, 38)],
      "modbus.bitval": [c == "1" for c in "1011001111010110101"]}),
    ("0200c40016", "0203acdb35", {"modbus.reference_num": 196, "modbus.bit_cnt": 22}, {"modbus.byte_cnt": 3}),
    ("03006b0003", "0306022b00000064", {"modbus.reference_num": 107, "modbus.word_cnt": 3},
     {"modbus.byte_cnt": 6, "modbus.regnum16": [107, 108, 109], "modbus.regval_uint16": [555, 0, 100]}),
    ("0400080001", "0402000a", {"modbus.reference_num": 8, "modbus.word_cnt": 1}, {"modbus.regnum16": 8, "modbus.regval_uint16": 10}),
    ("0500acff00", "0500acff00", {"modbus.reference_num": 172}, {"modbus.reference_num": 172}),
    ("0600010003", "0600010003", {"modbus.regnum16": 1, "modbus.regval_uint16": 3}, {"modbus.regnum16": 1, "modbus.regval_uint16": 3}),
    ("07", "076d", {}, {}),
    ("080000a537", "080000a537", {"modbus.diagnostic_code": 0}, {"modbus.diagnostic_code": 0}),
    ("0b", "0bffff0108", {}, {}),
    ("0f0013000a02cd01", "0f0013000a", {"modbus.reference_num": 19, "modbus.bitnum": [*range(19, 29)],
      "modbus.bitval": [c == "1" for c in "1011001110"]}, {"modbus.reference_num": 19}),
    ("100001000204000a0102", "1000010002", {"modbus.regnum16": [1, 2], "modbus.regval_uint16": [10, 258]}, {}),
    ("16000400f20025", "16000400f20025", {"modbus.reference_num": 4}, {}),
    ("170003000600 0e00030600ff00ff00ff", "170c00fe0acd00010003000d00ff", {"modbus.regnum16": [14, 15, 16], "modbus.regval_uint16": [255] * 3},
     {"modbus.byte_cnt": 12, "modbus.regval_uint16": [254, 2765, 1, 3, 13, 255]}),
    ("1804de", "1800060002 01b81284", {}, {}),
    ("2b0e0100", "2b0e01010000020004 41636d65 0104 56312e30", {"modbus.mei": 14},
     {"modbus.object_id": [0, 1], "modbus.object_str_value": ["Acme", "V1.0"]}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("request_body", "reply_body", "asked", "answered"), EXAMPLES, ids=[one[0][:2] for one in EXAMPLES]
)
def test_examples_of_the_specification(
    request_body: str, reply_body: str, asked: dict[str, Any], answered: dict[str, Any]
) -> None:
    """Every public function: its fields, its objects, and the reply joined with its request."""
    request, reply = adu(7, request_body), adu(7, reply_body)
    fields = (*HEAD, "pdu.request_frame", *asked, *answered)
    first, second = pdus_of(segments([("c", request), ("s", reply)]), "modbus", fields)
    code = int(request_body[:2], 16)
    assert first == {
        **first,
        "mbtcp.trans_id": 7,
        "mbtcp.unit_id": 1,
        "modbus.func_code": code,
        "pdu.kind": "request",
        **asked,
    }
    assert second == {**second, "modbus.func_code": code, "pdu.kind": "response", "pdu.request_frame": 4, **answered}
    assert "pdu.anomaly" not in first and "pdu.anomaly" not in second


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5, 6, 7, 8, 10, 11])
def test_exceptions(code: int) -> None:
    """Clause 7: the function with its highest bit set, and one byte that says why."""
    turns: list[Turn] = [("c", adu(1, "03006b0003")), ("s", adu(1, f"83{code:02x}"))]
    found = pdus_of(segments(turns), "modbus", (*HEAD, "modbus.exception_code", "pdu.request_frame"))
    assert found[1] == {"mbtcp.trans_id": 1, "mbtcp.unit_id": 1, "modbus.func_code": 3, "pdu.kind": "exception",
                        "modbus.exception_code": code, "pdu.request_frame": 4}  # fmt: skip


def conversation() -> list[Turn]:
    """All examples, one after the other, each side's bytes in one piece."""
    asked = b"".join(adu(number, one[0]) for number, one in enumerate(EXAMPLES))
    told = b"".join(adu(number, one[1]) for number, one in enumerate(EXAMPLES))
    return [("c", asked), ("s", told)]


CUTS: list[list[int]] = [[], [1], [2], [7], [8], [13], [100], [1, 6, 1, 200]]


@pytest.mark.parametrize("sizes", CUTS, ids=str)
@pytest.mark.parametrize("size", [1, 1000])
def test_pdus_do_not_depend_on_segments(sizes: list[int], size: int) -> None:
    """Whole, byte by byte, and with other PDUs following: a stream has no edges."""
    fields = (*HEAD, "modbus.reference_num", "modbus.regval_uint16", "modbus.bitval", "modbus.object_str_value")
    expected = []
    for number, (asked, told, _, _) in enumerate(EXAMPLES):
        expected += pdus_of(segments([("c", adu(number, asked)), ("s", adu(number, told))]), "modbus", fields)
    found = pdus_of(segments(conversation(), sizes), "modbus", fields, size)
    assert found == expected[::2] + expected[1::2]


def test_random_cuts() -> None:
    """Two hundred ways of cutting the same bytes give the same PDUs."""
    expected = pdus_of(segments(conversation()), "modbus", HEAD)
    for seed in range(200):
        chosen = random.Random(seed)
        sizes = [chosen.randrange(1, 40) for _ in range(60)]
        assert pdus_of(segments(conversation(), sizes), "modbus", HEAD) == expected, f"seed {seed}"


def test_pipelined_requests_are_paired_by_transaction() -> None:
    """Several are open at once and answered in another order."""
    turns: list[Turn] = [("c", adu(1, "0300000001") + adu(2, "0300100001") + adu(3, "0300200001")),
                         ("s", adu(3, "03020003") + adu(1, "03020001") + adu(2, "03020002"))]  # fmt: skip
    found = pdus_of(segments(turns), "modbus", ("pdu.kind", "modbus.regnum16", "modbus.regval_uint16"))[3:]
    assert [(one["modbus.regnum16"], one["modbus.regval_uint16"]) for one in found] == [(32, 3), (0, 1), (16, 2)]


@pytest.mark.parametrize(
    ("body", "options", "anomaly"),
    [("03006b0003", {"protocol": 1}, "modbus.invalid_protocol_id"), ("03006b0003", {"length": 1}, "modbus.invalid_length"),
     ("03006b0003", {"length": 2000}, "modbus.invalid_length"), ("03006b000300", {}, "modbus.invalid_length"),
     ("03006b0000", {}, "modbus.invalid_value"), ("03006b007e", {}, "modbus.invalid_value"), ("0100000000", {}, "modbus.invalid_value"),
     ("0500ac1234", {}, "modbus.invalid_value"), ("0f0013000a01cd", {}, "modbus.invalid_value"),
     ("09", {}, "modbus.invalid_function_code"), ("7f00", {}, "modbus.invalid_function_code")],
)  # fmt: skip
def test_what_is_wrong_is_a_row_with_a_name(body: str, options: dict[str, int], anomaly: str) -> None:
    """Suricata's event names (modbus-events.rules), so that a rule may ask for them."""
    (found,) = pdus_of(segments([("c", adu(1, body, **options))]), "modbus", HEAD)
    assert found["pdu.anomaly"] == anomaly


def test_an_unsolicited_reply_and_one_that_does_not_fit() -> None:
    turns: list[Turn] = [("s", adu(9, "0302000a")), ("c", adu(1, "0600010003")), ("s", adu(1, "0600010004"))]
    found = pdus_of(segments(turns), "modbus", ("pdu.anomaly", "pdu.kind"))
    assert [one.get("pdu.anomaly") for one in found] == ["modbus.unsolicited_response", None, "modbus.value_mismatch"]


@pytest.mark.parametrize("size", [1000, 7])
def test_a_flood_of_requests(size: int) -> None:
    """The 501st request without a reply is one, in each connection, once until there is a reply."""
    ask, answer = adu(1, "0300010001"), adu(1, "0302000a")
    turns: list[Turn] = [*[("c", ask)] * 500, ("s", answer), *[("c", ask)] * 1200, ("s", answer), *[("c", ask)] * 501]
    frames = [*segments(turns), *segments([("c", ask)] * 500, client=("10.0.0.1", 40077))]
    found = pdus_of(frames, "modbus", ("pdu.anomaly",), size)
    assert [place for place, one in enumerate(found) if one] == [501 + 500, 501 + 1201 + 500]
    assert {one["pdu.anomaly"] for one in found if one} == {"modbus.flooded"}


def test_garbage_is_given_up_and_framing_begins_anew_with_the_next_segment() -> None:
    """An attacker's bytes do not blind the sensor to what follows."""
    turns: list[Turn] = [("c", b"GET / HTTP/1.1\r\n\r\n"), ("c", adu(2, "0600010003"))]
    found = pdus_of(segments(turns), "modbus", HEAD)
    assert found[0]["pdu.kind"] == "malformed" and "modbus.func_code" not in found[0]
    assert found[-1]["modbus.func_code"] == 6


def test_a_connection_that_began_unseen() -> None:
    """A control network's connections live for months: the first packet seen is in their middle."""
    frames = [
        tcp(CLIENT, SERVER, PUSH | 16, 70000, 90000, adu(5, "03006b0003")),
        tcp(SERVER, CLIENT, PUSH | 16, 90000, 70012, adu(5, "0306022b00000064")),
    ]
    found = pdus_of(frames, "modbus", (*HEAD, "modbus.regval_uint16"))
    assert [one["pdu.kind"] for one in found] == ["request", "response"]
    assert found[1]["modbus.regval_uint16"] == [555, 0, 100]


def test_a_lost_segment_costs_the_pdus_in_it_and_no_more() -> None:
    """The sensor missed a packet, the other side has acknowledged it: what follows is framed again."""
    parts = [adu(number, "0600010003") for number in range(6)]
    frames = segments([("c", b"".join(parts))], [12])
    lost = frames[:5] + frames[6:]
    lost += [
        tcp(SERVER, CLIENT, 16, 5000, 1000 + 72),
        tcp(CLIENT, SERVER, PUSH | 16, 1000 + 72, 5000, adu(6, "0600010003")),
    ]
    found = pdus_of(lost, "modbus", ("mbtcp.trans_id",))
    assert [one["mbtcp.trans_id"] for one in found] == [0, 1, 3, 4, 5, 6]


@pytest.mark.parametrize("port", [1502, 5020, 8502, 40123])
def test_another_port_is_recognised_by_its_consistency(port: int) -> None:
    """Moving the server to another port hides nothing."""
    server = ("10.0.0.2", port)
    found = pdus_of(
        segments([("c", adu(1, "03006b0003")), ("s", adu(1, "0306022b00000064"))], server=server), "modbus", HEAD
    )
    assert [one["modbus.func_code"] for one in found] == [3, 3]


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", bytes(200), bytes(range(200)), b"\x00\x01\x00\x00\x00\x06\x01\x63\x00\x00\x00\x01",
                                  b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)])  # fmt: skip
def test_other_protocols_on_other_ports_are_not_modbus(data: bytes) -> None:
    """HTTP, zeroes, TLS, and a header whose function the specification does not know."""
    assert pdus_of(segments([("c", data)], server=("10.0.0.2", 8080)), "modbus", HEAD) == []


def test_random_bytes_on_other_ports_are_not_modbus() -> None:
    chosen = random.Random(5)
    for _ in range(300):
        data = chosen.randbytes(chosen.randrange(8, 80))
        assert pdus_of(segments([("c", data)], server=("10.0.0.2", 9000)), "modbus", HEAD) == []


def test_datagrams() -> None:
    """Over UDP a PDU is a datagram, and nothing is carried over to the next."""
    frames = [
        udp(CLIENT, SERVER, adu(1, "03006b0003")),
        udp(SERVER, CLIENT, adu(1, "0306022b00000064")),
        udp(CLIENT, SERVER, adu(1, "03006b0003")[:9]),
    ]
    found = pdus_of(frames, "modbus", HEAD)
    assert [one["pdu.kind"] for one in found] == ["request", "response", "malformed"]


def test_scapys_layers_both_ways() -> None:
    """What Scapy builds we read, and what we frame Scapy dissects."""
    request = bytes(
        ModbusADURequest(transId=4, unitId=9) / ModbusPDU03ReadHoldingRegistersRequest(startAddr=2, quantity=2)
    )
    reply = bytes(ModbusADUResponse(transId=4, unitId=9) / ModbusPDU03ReadHoldingRegistersResponse(registerVal=[7, 8]))
    found = pdus_of(
        segments([("c", request), ("s", reply)]), "modbus", (*HEAD, "modbus.regnum16", "modbus.regval_uint16")
    )
    assert (
        found[0]["mbtcp.unit_id"] == 9
        and found[1]["modbus.regnum16"] == [2, 3]
        and found[1]["modbus.regval_uint16"] == [7, 8]
    )
    for number, (asked, _, _, _) in enumerate(EXAMPLES):
        read = ModbusADURequest(adu(number, asked))
        assert read.transId == number and read.unitId == 1 and not isinstance(read.payload, Raw)
