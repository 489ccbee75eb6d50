"""The table `ics`: one vocabulary over protocols. Expected rows are read off the bytes that were built."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from detector.protocols import PROTOCOLS
from detector.protocols.dnp3_layers import DNP3Header, DNP3Request, DNP3Response
from detector.protocols.goose_layers import GOOSEData
from detector.protocols.ics import BY_NAME, OUTCOMES
from detector.protocols.iec104_layers import IEC104Element, IEC104Object
from detector.protocols.s7comm_layers import S7, S7Block, S7Code, S7Function, S7Service, S7Stop, S7Variables
from detector.protocols.vocabulary import SAME, VERBS, Number
from tests.flows.frames import CLIENT, End
from tests.protocols import test_sv
from tests.protocols.link_frames import rows_of
from tests.protocols.s7_pdus import s7
from tests.protocols.streams import Turn, pdus_of, segments
from tests.protocols.test_dnp3 import ANSWER, OPERATE, READ, asked, told
from tests.protocols.test_enip import conversation as enip_conversation
from tests.protocols.test_goose import MANAGEMENT, STRUCTURE, message
from tests.protocols.test_iec104 import command, unit
from tests.protocols.test_s7comm import WRITE
from tests.protocols.test_s7comm import asked as asked_list

pytestmark = pytest.mark.kernel

FIELDS = ("ics.protocol", "ics.verb", "pdu.kind", "ics.unit", "ics.target", "ics.value", "ics.outcome")
MODBUS_SERVER: End = ("10.0.0.2", 502)
PORTS: dict[str, End] = {one.name: ("10.0.0.2", one.tcp_ports[0]) for one in PROTOCOLS if one.tcp_ports}


def adu(number: int, body: str, unit: int = 7) -> bytes:
    """A Modbus ADU of function and data in hex."""
    data = bytes.fromhex(body)
    return struct.pack(">HHHB", number, 0, len(data) + 1, unit) + data


def said(protocol: str, turns: list[Turn], sizes: list[int] | None = None, size: int = 1000) -> list[tuple[Any, ...]]:
    """(verb, kind, unit, target, value, outcome) of each row."""
    server = PORTS[protocol]
    rows = pdus_of(segments(turns, sizes or [], CLIENT, server), "ics", FIELDS, size)
    assert {row["ics.protocol"] for row in rows} <= {protocol}
    return [tuple(row.get(name) for name in FIELDS[1:]) for row in rows]


MODBUS: list[Turn] = [
    ("c", adu(1, "03 0064 0002")), ("s", adu(1, "03 04 0141 ffff")),
    ("c", adu(2, "05 0010 ff00")), ("s", adu(2, "05 0010 ff00")),
    ("c", adu(3, "10 0005 0002 04 0001 0002")), ("s", adu(3, "10 0005 0002")),
    ("c", adu(4, "06 0007 002a")), ("s", adu(4, "86 02")),
    ("c", adu(5, "17 0001 0002 0009 0001 02 0007")), ("s", adu(5, "17 04 0003 0004")),
    ("c", adu(6, "08 0001 0000")), ("s", adu(6, "08 0001 0000")),
    ("c", adu(7, "5a 00 41 ff00")), ("s", adu(7, "5a 00 fd 0000")),
]  # fmt: skip
MODBUS_ROWS = [
    ("read", "request", 7, ["register:100", "register:101"], None, None),
    ("read", "response", 7, ["register:100", "register:101"], [321, 65535], "ok"),
    ("write", "request", 7, "coil:16", 1, None),
    ("write", "response", 7, "coil:16", 1, "ok"),
    ("write", "request", 7, ["register:5", "register:6"], [1, 2], None),
    ("write", "response", 7, ["register:5", "register:6"], [1, 2], "ok"),  # its values are the request's
    ("write", "request", 7, "register:7", 42, None),
    ("write", "exception", 7, "register:7", 42, "Illegal data address"),
    ("read", "request", 7, ["register:1", "register:2"], None, None),
    ("write", "request", 7, "register:9", 7, None),
    ("read", "response", 7, ["register:1", "register:2"], [3, 4], "ok"),
    ("write", "response", 7, "register:9", 7, "ok"),
    ("restart", "request", 7, None, None, None),
    ("restart", "response", 7, None, None, "ok"),
    ("stop", "request", 7, None, None, None),
    ("stop", "response", 7, None, None, "error"),
]  # fmt: skip


def test_modbus_in_common_words() -> None:
    assert said("modbus", MODBUS) == MODBUS_ROWS


@pytest.mark.parametrize("size", [1, 3])
def test_requests_of_earlier_batches_are_remembered(size: int) -> None:
    assert said("modbus", MODBUS, size=size) == MODBUS_ROWS
    assert said("modbus", MODBUS, [1], size) == MODBUS_ROWS


def test_a_request_with_too_many_points_leaves_its_reply_alone() -> None:
    """120 registers take more than a kilobyte: the reply says what it says itself, in one batch or in several."""
    registers = "".join(f"{number:04x}" for number in range(120))
    turns: list[Turn] = [("c", adu(1, f"10 0000 0078 f0 {registers}")), ("s", adu(1, "10 0000 0078"))]
    for size in (1, 1000):
        request, reply = said("modbus", turns, size=size)
        assert request[4] == list(range(120)) and reply[3] == request[3] and reply[4] is None


def test_a_reply_whose_request_was_not_seen_says_what_it_can() -> None:
    """Read replies have values and no addresses; an exception has the function alone."""
    assert said("modbus", [("s", adu(4, "86 02")), ("s", adu(1, "5a 00 fe"))]) == [
        ("write", "exception", 7, None, None, "Illegal data address"),
        (None, "response", 7, None, None, "ok"),
    ]


def test_dnp3_in_common_words() -> None:
    """IEEE 1815: a reply has no verb of its own; the status of a control and the indications are outcomes."""
    refused = OPERATE.objects[0].copy()
    refused.data = bytes.fromhex("0500 81 01 64000000 00000000 02")  # trips; status 2: there was no select
    assert said("dnp3", [
        ("c", asked(READ)), ("s", told(ANSWER)),
        ("c", asked(DNP3Request(func=4, seq=2, objects=[refused]))), ("s", told(DNP3Response(func=129, seq=2, objects=[refused]))),
        ("c", asked(DNP3Request(func=13, seq=3))), ("s", told(DNP3Response(func=129, seq=3, iin="fcni"))),
        ("s", told(DNP3Response(func=129, seq=9))),
    ]) == [
        ("read", "request", 4, ["class:1", *(f"analog_input:{number}" for number in range(2, 6))], None, None),
        ("read", "response", 4, [*(f"binary_input:{number}" for number in range(3, 13)), "analog_input:7", "analog_input:8", "counter:9"],
         [1, 0, 1, 0, 0, 0, 0, 0, 0, 1, -1, 10, 123456], "ok"),
        ("operate", "request", 4, "binary_output:5", 0, None),
        ("operate", "response", 4, "binary_output:5", 0, "no select"),
        ("restart", "request", 4, None, None, None),
        ("restart", "response", 4, None, None, "unknown function"),
        (None, "response", 4, None, None, "ok"),
    ]  # fmt: skip


def test_iec104_in_common_words() -> None:
    """IEC 60870-5-101, 7.2: types are verbs, cause 45 is a refusal, S/E sets a select apart, and the address counts on."""
    assert said("iec60870_104", [
        ("c", command(0, 6, 0x81)), ("s", command(0, 7, 0x81)), ("c", command(1, 6, 0x01)), ("s", command(1, 45, 0x01)),
        ("s", unit(2, 1, 20, IEC104Object(ioa=100, data=b"\x01"), IEC104Element(data=b"\x00"), sq=1)),
        ("s", unit(3, 11, 3, IEC104Object(ioa=300, data=b"\xf6\xff\x00"))),
        ("c", unit(2, 105, 6, IEC104Object(ioa=0, data=b"\x01"))),
    ]) == [
        ("select", "request", 1, "ioa:5001", 1, None), ("select", "response", 1, "ioa:5001", 1, "ok"),
        ("operate", "request", 1, "ioa:5001", 1, None), ("operate", "exception", 1, "ioa:5001", 1, "unknown cause"),
        ("read", "report", 1, ["ioa:100", "ioa:101"], [1, 0], None), ("report", "report", 1, "ioa:300", -10, None),
        ("restart", "request", 1, "ioa:0", 1, None),
    ]  # fmt: skip


def test_s7comm_in_common_words() -> None:
    """Addresses are a request's, values too where they are bytes or bits; a mode, a list and a service have no variables."""
    refused = S7(rosctr=3, param=S7Variables(func=5, itemcount=2), data=[S7Code(), S7Code(returncode=5)])
    start, stop = S7(param=S7Service(parameterblock=b"C ")), S7(param=S7Stop())
    denied = S7(rosctr=2, errcls=0x85, errcod=4)
    assert said("s7comm", [
        ("c", s7(WRITE, 1)), ("s", s7(refused, 1)), ("c", s7(start, 2)), ("s", s7(S7(rosctr=3, param=S7Function(func=0x28)), 2)),
        ("c", s7(stop, 3)), ("s", s7(denied, 3)), ("c", s7(S7(param=S7Block(func=0x1A)), 4)), ("c", s7(asked_list(0x0011), 5)),
    ]) == [
        ("write", "request", None, ["flag:1.0", "output:1.1"], [42, 1], None),
        ("write", "response", None, ["flag:1.0", "output:1.1"], [42, 1], "Invalid address"),
        ("start", "request", None, None, None, None), ("start", "response", None, None, None, "ok"),
        ("stop", "request", None, None, None, None), ("stop", "exception", None, None, None, "Error on supplies"),
        ("program_download", "request", None, "block:_0800001P", None, None), ("identify", "request", None, "list:17", None, None),
    ]  # fmt: skip


def test_enip_in_common_words() -> None:
    """A service means what the class makes it; of several messages in one PDU each has a point; the unit is the slot of a route."""
    several = ["tag:Pump", "attribute:1.1.7", "object:1.1"]
    assert said("enip", enip_conversation()) == [
        ("subscribe", "request", 0, "object:6.1", None, None), ("subscribe", "response", 0, "object:6.1", None, "ok"),
        ("stop", "request", 0, "object:142.1", None, None), ("stop", "response", 0, "object:142.1", None, "ok"),
        ("identify", "request", 0, several, None, None), ("read", "request", 0, several, None, None),
        ("identify", "response", 0, several, None, "ok"), ("read", "response", 0, several, None, "ok"),
        ("identify", "request", 0, "object:1.1", None, None), ("identify", "response", 0, "object:1.1", None, "ok"),
        ("read", "request", None, "file:7.5.0", None, None), ("read", "response", None, "file:7.5.0", None, "ok"),
        ("restart", "request", None, "object:1.1", None, None), ("restart", "exception", None, "object:1.1", None, "privilege violation"),
        ("cancel", "request", 0, "object:6.1", None, None), ("cancel", "response", 0, "object:6.1", None, "ok"),
    ]  # fmt: skip


def test_goose_and_samples_in_common_words() -> None:
    """A point is an entry of a data set, whatever structure its value is in; of samples it is their stream."""
    frames = [
        message(1, 0, GOOSEData(value=b"\x01"), STRUCTURE, GOOSEData(tag=0x84, value=b"\x06\x80")),
        MANAGEMENT[0],
        MANAGEMENT[7],
    ]
    block = "IED1LD0/LLN0$GO$gcb1"
    assert [tuple(row.get(name) for name in FIELDS) for row in rows_of(frames, "ics", FIELDS)] == [
        ("goose", "report", "report", 1, [f"{block}:1", *[f"{block}:2"] * 3, f"{block}:3"], [1, 1, -1, 258], None),
        ("goose", "identify", "request", 1, block, None, None),
        ("goose", "identify", "exception", 1, block, None, "unknownControlBlock"),
    ]
    assert [tuple(row.get(name) for name in FIELDS) for row in rows_of(test_sv.typical()[:1], "ics", FIELDS)] == [
        ("sv", "report", "report", 0x4000, "MU01", None, None)
    ]


def test_of_a_long_range_the_rest_is_one_point() -> None:
    """A read of all 65,536 inputs in 13 bytes."""
    everything = DNP3Request(func=1, seq=1, objects=[DNP3Header(group=1, variation=2, range=1, start=0, stop=65535)])
    ((verb, _, _, targets, _, _),) = said("dnp3", [("c", asked(everything))])
    assert verb == "read" and targets == [
        *(f"binary_input:{number}" for number in range(1999)),
        "binary_input:1999-65535",
    ]


def test_every_vocabulary_names_what_there_is() -> None:
    """Fields and verbs of all lines exist, and points and outcomes are of PDUs that have a verb."""
    for protocol in PROTOCOLS:
        names, lines = {field.name for field in protocol.fields}, protocol.vocabulary
        assert lines.verbs, protocol.name
        assert {line.verb for line in lines.verbs} <= {*VERBS, SAME}
        assert {verb for line in lines.points for verb in line.verbs} <= set(VERBS)
        for line in (*lines.verbs, *lines.points, *lines.outcomes, *lines.units):
            assert {condition.field for condition in line.when} <= names, line
        numbers = [one for line in lines.points for one in line.values]
        numbers += [
            one for line in lines.points for piece in line.pieces if not isinstance(piece, str) for one in piece
        ]
        assert {name for one in numbers for name in named(one)} <= names
        assert {line.field for line in lines.units} <= names


def named(number: Number) -> list[str]:
    """The fields of a number."""
    return [name for name in (number.field, number.last, number.number) if name]


def test_outcomes_are_told_apart_from_ok() -> None:
    assert OUTCOMES["ok"] == 0 and len(set(OUTCOMES.values())) == len(OUTCOMES) == len(BY_NAME["ics.outcome"].labels)
