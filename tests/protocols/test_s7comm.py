"""S7comm and S7comm-plus: TPKT, COTP, jobs, data in pieces, pairing. PDUs are built by the Scapy layers.

Bytes that are written out are those of a PLC's and its clients' as published (S7comm) or checked by hand against the layout of
the public plugin (S7comm-plus); what fields they give is compared with tshark in tests/differential.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from scapy.packet import NoPayload, Packet, Raw

from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.s7comm_layers import (
    S7,
    TPKT,
    COTPConnection,
    COTPData,
    COTPParameter,
    S7Block,
    S7Code,
    S7Function,
    S7Item,
    S7Plus,
    S7PlusAlive,
    S7PlusRequest,
    S7PlusResponse,
    S7Service,
    S7Setup,
    S7Stop,
    S7UserData,
    S7UserFunction,
    S7Value,
    S7Variables,
)
from tests.flows.frames import ACK, PUSH, SECOND, End, batches, tcp
from tests.protocols.s7_pdus import cut, jobs, s7, tpkt, userdata
from tests.protocols.streams import Turn, pdus_of, segments

pytestmark = pytest.mark.kernel

PORT = 102
CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", PORT)
HEAD = ("s7comm.header.rosctr", "s7comm.header.pduref", "s7comm.param.func", "pdu.kind", "pdu.anomaly")
VARIABLES = (
    "s7comm.param.item.area",
    "s7comm.param.item.db",
    "s7comm.param.item.address.byte",
    "s7comm.param.item.address.bit",
    "s7comm.data.returncode",
    "s7comm.resp.data",
)
NAMES = tuple(name for name in FIELDS if table_of(name) == "s7comm")


def asked(kind: int, **more: Any) -> S7:
    """A job that asks for a system status list."""
    function = S7UserFunction(type=4, funcgroup=4, subfunc=1, **more)
    return S7(rosctr=7, param=function, data=[S7UserData(data=kind.to_bytes(2, "big") + b"\0\0")])


def told(data: bytes, reference: int = 0, has_more: int = 0) -> S7:
    """What answers it."""
    function = S7UserFunction(
        reqres1=0x12, type=8, funcgroup=4, subfunc=1, dataunitref=reference, lastdataunit=has_more, errcod=0
    )
    return S7(rosctr=7, param=function, data=[S7UserData(data=data)])


def framed(turns: list[Turn], fields: tuple[str, ...] = HEAD, sizes: list[int] | None = None, size: int = 1000,
           server: End = SERVER) -> list[dict[str, Any]]:  # fmt: skip
    return pdus_of(segments(turns, sizes or [], CLIENT, server), "s7comm", fields, size)


ACCESS = [
    COTPParameter(code=0xC0, value=b"\x0a"),
    COTPParameter(value=b"\x01\x00"),
    COTPParameter(code=0xC2, value=b"\x01\x02"),
]
CONNECT = bytes(TPKT() / COTPConnection(srcref=1, parameters=ACCESS))
CONFIRM = bytes(TPKT() / COTPConnection(type=0xD0, destref=1, srcref=2, parameters=ACCESS))
READ = S7(
    param=S7Variables(func=4, items=[S7Item(area=0x84, db=7, address=83), S7Item(area=0x81, address=16, length=3)])
)
VALUES = S7(rosctr=3, param=S7Variables(func=4, itemcount=2), data=[S7Value(transportsize=3, length=1, value=b"\1", fill=b"\0"),
                                                                    S7Value(value=b"abc")])  # fmt: skip
WRITE = S7(
    param=S7Variables(func=5, items=[S7Item(area=0x83, address=8), S7Item(area=0x82, address=9)]),
    data=[
        S7Value(returncode=0, value=b"\x2a", fill=b"\0"),
        S7Value(returncode=0, transportsize=3, length=1, value=b"\1"),
    ],
)
WRITTEN = S7(rosctr=3, param=S7Variables(func=5, itemcount=2), data=[S7Code(), S7Code(returncode=5)])
LIST = b"\x00\x11\x00\x00\x00\x1c\x00\x02" + b"".join(
    b"\0" + bytes([n]) + b"6ES7 315-2EH14-0AB0 \0\xc0\0\4\0\1" for n in (1, 6)
)


def conversation() -> list[Turn]:
    """What a client says and hears, each side's bytes in one piece, some PDUs in pieces."""
    said = [
        CONNECT,
        tpkt(S7(param=S7Setup(), pduref=1)),
        s7(READ, 2),
        *cut(bytes(WRITE), 11),
        s7(asked(0x0011), 4),
        s7(asked(0x0011), 5),
    ]
    heard = [CONFIRM, tpkt(S7(rosctr=3, param=S7Setup(), pduref=1)), *cut(s7(VALUES, 2)[7:], 9), s7(WRITTEN, 3), s7(told(LIST[:30], 9, 1), 4),
             s7(told(LIST[30:], 9), 5)]  # fmt: skip
    return [("c", b"".join(said)), ("s", b"".join(heard))]


def typical() -> list[Turn]:
    """What most of such traffic is: reads and their answers, a write now and then."""
    turns: list[Turn] = []
    for number in range(8):
        pair = (WRITE, WRITTEN) if number == 7 else (READ, VALUES)
        turns += [("c", s7(pair[0], number)), ("s", s7(pair[1], number))]
    return turns


def test_published_bytes() -> None:
    setup = bytes.fromhex("0300001902f08032010000cd1d00080000f0000001000101e0")
    read = bytes.fromhex("0300001f02f080320100000001000e00000401120a10020001000184000010")
    fields = (
        *HEAD,
        *VARIABLES,
        "tpkt.length",
        "cotp.type",
        "cotp.eot",
        "s7comm.param.pdu_length",
        "s7comm.param.itemcount",
    )
    first, second = framed([("c", setup + read)], fields)
    assert first == {"s7comm.header.rosctr": 1, "s7comm.header.pduref": 0xCD1D, "s7comm.param.func": 0xF0, "pdu.kind": "request",
                     "tpkt.length": 25, "cotp.type": 15, "cotp.eot": True, "s7comm.param.pdu_length": 480}  # fmt: skip
    assert second == {"s7comm.header.rosctr": 1, "s7comm.header.pduref": 1, "s7comm.param.func": 4, "pdu.kind": "request",
                      "tpkt.length": 31, "cotp.type": 15, "cotp.eot": True, "s7comm.param.itemcount": 1, "s7comm.param.item.area": 0x84,
                      "s7comm.param.item.db": 1, "s7comm.param.item.address.byte": 2, "s7comm.param.item.address.bit": 0}  # fmt: skip


def test_variables_and_values() -> None:
    """A variable and what is written to it are one object; answers come in the order of what was asked."""
    turns: list[Turn] = [("c", s7(READ, 2)), ("s", s7(VALUES, 2)), ("c", s7(WRITE, 3)), ("s", s7(WRITTEN, 3))]
    read, values, write, written = framed(turns, (*VARIABLES, "pdu.request_frame", "s7comm.data.length"))
    assert read == {"s7comm.param.item.area": [0x84, 0x81], "s7comm.param.item.db": [7, 0], "s7comm.param.item.address.byte": [10, 2],
                    "s7comm.param.item.address.bit": [3, 0]}  # fmt: skip
    assert values == {"s7comm.data.returncode": [255, 255], "s7comm.resp.data": ["01", "61:62:63"], "s7comm.data.length": [1, 3],
                      "pdu.request_frame": 4}  # fmt: skip
    assert write["s7comm.param.item.area"] == [0x83, 0x82] and write["s7comm.resp.data"] == ["2a", "01"]
    assert written == {"s7comm.data.returncode": [255, 5], "pdu.request_frame": 6}


def test_a_variable_and_its_value_are_one_object() -> None:
    frames = segments([("c", s7(WRITE, 3))], [], CLIENT, SERVER)
    batch = next(iter(batches(frames, [SECOND + number for number in range(len(frames))], 100)))
    table = Decoding(PipelineSettings()).tables(batch)[1]["s7comm"]
    objects = table.objects()
    assert objects is not None and objects.rows == 2
    assert [objects.column("s7comm.resp.data").at(row) for row in range(2)] == [["2a"], ["01"]]
    assert [objects.column("s7comm.param.item.area").at(row) for row in range(2)] == [[0x83], [0x82]]


def test_connection() -> None:
    """TSAPs as text where they are, as digits where not (RFC 1006)."""
    name = [COTPParameter(value=b"SIMATIC"), COTPParameter(code=0xC2, value=b"\x03\x02")]
    found = framed([("c", CONNECT), ("s", CONFIRM), ("c", bytes(TPKT() / COTPConnection(type=0x80, option=128))),
                    ("c", bytes(TPKT() / COTPConnection(parameters=name)))],
                   ("cotp.type", "cotp.src-tsap", "cotp.dst-tsap", "cotp.dst-tsap-bytes", "cotp.tpdu_size", "cotp.parameter_code", "pdu.kind"))  # fmt: skip
    assert found[0] == {"cotp.type": 14, "cotp.src-tsap": "0x0100", "cotp.dst-tsap": "0x0102", "cotp.dst-tsap-bytes": "01:02",
                        "cotp.tpdu_size": 1024, "cotp.parameter_code": [0xC0, 0xC1, 0xC2], "pdu.kind": "link"}  # fmt: skip
    assert [one["cotp.type"] for one in found] == [14, 13, 8, 14] and found[3]["cotp.src-tsap"] == "SIMATIC"


CUTS: list[list[int]] = [[], [1], [2], [4], [7], [8], [100], [1, 6, 1, 300]]


@pytest.mark.parametrize("sizes", CUTS, ids=str)
@pytest.mark.parametrize("size", [1, 1000])
def test_pdus_do_not_depend_on_segments(sizes: list[int], size: int) -> None:
    fields = (*HEAD, *VARIABLES, "s7comm.szl.xy11.0001.index", "cotp.segment.count", "s7comm.fragment.count")
    expected = framed(conversation(), fields)
    assert sum("cotp.segment.count" in one for one in expected) == 2
    assert expected[-1]["s7comm.szl.xy11.0001.index"] == [1, 6] and expected[-1]["s7comm.fragment.count"] == 2
    assert {one["pdu.kind"] for one in expected} == {"link", "request", "response", "part"}
    assert not any("pdu.anomaly" in one for one in expected)
    assert framed(conversation(), fields, sizes, size) == expected


def test_random_cuts() -> None:
    expected = framed(conversation())
    for seed in range(30):
        chosen = random.Random(seed)
        sizes = [chosen.randrange(1, 40) for _ in range(60)]
        assert framed(conversation(), HEAD, sizes) == expected, f"seed {seed}"


@pytest.mark.parametrize("sizes", CUTS, ids=str)
def test_what_is_no_tpkt_is_skipped_and_told_once(sizes: list[int]) -> None:
    """Bytes before, between and behind; those that only begin like one too."""
    turns: list[Turn] = [
        ("c", b"junk\x03\x01" + s7(READ, 2) + b"\x03\x00\x00\x07\x09" + s7(WRITE, 3) + b"\x03\x00"),
        ("s", s7(VALUES, 2)),
    ]
    found = framed(turns, HEAD, sizes)
    assert [one.get("pdu.anomaly") for one in found] == [
        "s7comm.invalid_header",
        None,
        "s7comm.invalid_header",
        None,
        None,
    ]
    assert [one["s7comm.param.func"] for one in found if "s7comm.param.func" in one] == [4, 5, 4]


def damaged(pdu: bytes, at: int, value: int) -> bytes:
    """A PDU with one byte changed."""
    return pdu[:at] + bytes([value]) + pdu[at + 1 :]


LONG_CONNECT = damaged(CONNECT, 12, 99)  # a parameter beyond the header's end


@pytest.mark.parametrize(
    ("data", "anomaly", "kind"),
    [
        (damaged(s7(READ), 14, 99), "s7comm.invalid_length", "request"), (damaged(s7(READ), 16, 1), "s7comm.invalid_length", "request"),
        (damaged(s7(READ), 8, 5), "s7comm.invalid_type", "malformed"), (tpkt(Raw(b"\x32\1\0\0")), "s7comm.invalid_length", "malformed"),
        (tpkt(Raw(b"\x32\3\0\0\0\0\0\0\0\0\0")), "s7comm.invalid_length", "malformed"), (LONG_CONNECT, "s7comm.invalid_length", "link"),
        (s7(VALUES), "s7comm.unsolicited_response", "response"), (tpkt(Raw(b"\x72\1\0\x09\x31")), "s7comm.invalid_length", "malformed"),
        (tpkt(Raw(b"\x72\1\0\x01\x31\x72\1\0\0")), "s7comm.invalid_type", "malformed"),
        (damaged(s7(asked(1)), 13, 40), "s7comm.invalid_length", "request"),
    ],
)  # fmt: skip
def test_what_is_wrong_has_a_name(data: bytes, anomaly: str, kind: str) -> None:
    (found,) = framed([("c", data)])
    assert (found["pdu.anomaly"], found["pdu.kind"]) == (anomaly, kind)


def test_errors_are_exceptions() -> None:
    refused = S7(rosctr=2, errcls=0x85, errcod=0x04)
    turns: list[Turn] = [("c", s7(READ, 2)), ("s", s7(refused, 2))]
    found = framed(turns, (*HEAD, "s7comm.header.errcls", "s7comm.param.errcod", "pdu.request_frame"))[1]
    assert found == {"s7comm.header.rosctr": 2, "s7comm.header.pduref": 2, "pdu.kind": "exception", "s7comm.header.errcls": 0x85,
                     "s7comm.param.errcod": 0x8504, "pdu.request_frame": 4}  # fmt: skip


def test_a_plc_asks_for_the_blocks_that_it_is_sent() -> None:
    """The jobs of a download come from the PLC (0x1b, 0x1c), and are told apart from the client's with the same reference."""
    ask, block = S7(param=S7Block(func=0x1A)), S7(param=S7Block(func=0x1B))
    given = S7(rosctr=3, param=S7Function(func=0x1B, data=b"\0"), data=[Raw(b"\0\4\0\xfbcode")])
    turns: list[Turn] = [
        ("c", s7(ask, 9)),
        ("s", s7(block, 9)),
        ("c", s7(given, 9)),
        ("s", s7(S7(rosctr=3, param=S7Function(func=0x1A)), 9)),
    ]
    fields = (
        *HEAD,
        "pdu.request_frame",
        "s7comm.param.blockcontrol.filename",
        "s7comm.data.blockcontrol.block_type",
        "s7comm.resp.data",
    )
    found = framed(turns, fields)
    assert [(one["pdu.kind"], one.get("pdu.request_frame")) for one in found] == [
        ("request", None), ("request", None), ("response", 5), ("response", 4)]  # fmt: skip
    assert (
        found[0]["s7comm.param.blockcontrol.filename"] == "_0800001P"
        and found[1]["s7comm.data.blockcontrol.block_type"] == "08"
    )
    assert found[2]["s7comm.resp.data"] == "63:6f:64:65"


def test_services_and_stop_are_told_from_their_fields() -> None:
    """What rules ask for."""
    service, argument = "s7comm.param.pistart.servicename", "s7comm.param.pistart.argument"
    listed = S7Service(servicename=b"_INSE", parameterblock=b"\1\x000800001P")
    turns: list[Turn] = [
        ("c", s7(S7(param=S7Stop()), 1)),
        ("c", s7(S7(param=S7Service(parameterblock=b"C ")), 2)),
        ("c", s7(S7(param=listed), 3)),
    ]
    stop, start, link = framed(turns, ("s7comm.param.func", service, argument, "s7comm.data.blockcontrol.block_number"))
    assert stop == {"s7comm.param.func": 0x29, service: "P_PROGRAM"}
    assert start == {"s7comm.param.func": 0x28, service: "P_PROGRAM", argument: "C "}
    assert link == {"s7comm.param.func": 0x28, service: "_INSE", "s7comm.data.blockcontrol.block_number": "00001"}


def test_pushed_messages_are_reports() -> None:
    mode = S7UserFunction(reqres1=0x12, type=0, funcgroup=0, subfunc=0, dataunitref=0, lastdataunit=0, errcod=0)
    (found,) = framed([("s", s7(S7(rosctr=7, param=mode)))], (*HEAD, "s7comm.param.modetrans.subfunc"))
    assert found == {
        "s7comm.header.rosctr": 7,
        "s7comm.header.pduref": 0,
        "pdu.kind": "report",
        "s7comm.param.modetrans.subfunc": 0,
    }


def test_a_date_and_time() -> None:
    """Two digits a byte; years from 90 on are of the last century."""
    function = S7UserFunction(reqres1=0x12, type=8, funcgroup=7, subfunc=1, dataunitref=0, lastdataunit=0, errcod=0)
    pdus = [S7(rosctr=7, param=function, data=[S7UserData(data=bytes.fromhex(text))])
            for text in ("0019 14 08 20 11 59 43 91 24", "0019 94 01 01 00 00 00 00 07")]  # fmt: skip
    found = framed(
        [("s", b"".join(map(tpkt, pdus)))], ("s7comm.data.ts", "s7comm.data.ts_millisecond", "s7comm.data.ts_weekday")
    )
    assert found == [{"s7comm.data.ts": "1408535983.912000000", "s7comm.data.ts_millisecond": 912, "s7comm.data.ts_weekday": 4},
                     {"s7comm.data.ts": "757382400.000000000", "s7comm.data.ts_millisecond": 0, "s7comm.data.ts_weekday": 7}]  # fmt: skip


@pytest.mark.parametrize(
    ("units", "anomalies", "entries"),
    [
        (((9, 1), (9, 0)), [None, None], 2), (((9, 1), (8, 0)), [None, "s7comm.incomplete_data"], 0),
        (((9, 1), (9, 1), (9, 0)), [None, None, None], 2), (((9, 0),), [None], 0), (((9, 1),), [None], 0),
    ],
)  # fmt: skip
def test_data_in_pieces(units: tuple[tuple[int, int], ...], anomalies: list[str | None], entries: int) -> None:
    """They are joined by their number; other data begin anew."""
    step = len(LIST) // len(units) + 1 if len(units) > 1 else 30
    parts = [LIST[at : at + step] for at in range(0, step * len(units), step)]
    turns: list[Turn] = []
    for number, ((reference, has_more), part) in enumerate(zip(units, parts, strict=True)):
        turns += [("c", s7(asked(0x11), number)), ("s", s7(told(part, reference, has_more), number))]
    found = framed(turns, ("pdu.anomaly", "s7comm.szl.xy11.0001.bgtyp"))[1::2]
    assert [one.get("pdu.anomaly") for one in found] == anomalies
    last = found[-1].get("s7comm.szl.xy11.0001.bgtyp", [])
    assert len(last if isinstance(last, list) else [last]) == entries


def test_a_pdu_in_too_many_pieces_is_given_up() -> None:
    """Pieces without an end, of bytes and without any."""
    for piece in (b"x" * 60_000, b""):
        data = bytes(TPKT() / COTPData(eot=0) / Raw(piece))
        found = framed([("c", data * (3 if piece else 1100) + s7(READ, 2))], HEAD, [1400])
        assert sum(one.get("pdu.anomaly") == "s7comm.too_long" for one in found) == 1, len(piece)


def test_another_protocol_over_cotp() -> None:
    """MMS has the same port: its connection and its data are rows, without S7."""
    (found,) = framed([("c", tpkt(Raw(b"\x0d\x0a\x05\x06\x13\x01\x00")))], (*HEAD, "cotp.type", "tpkt.length"))
    assert found == {"pdu.kind": "link", "cotp.type": 15, "tpkt.length": 14}


def test_on_another_port() -> None:
    """By what it begins with: a connection with both access points, or a PDU. A remote desktop begins with a TPKT too."""
    server = ("10.0.0.2", 4999)
    assert [one["pdu.kind"] for one in framed([("c", CONNECT + s7(READ, 1)), ("s", CONFIRM + s7(VALUES, 1))], server=server)] == [
        "link", "request", "link", "response"]  # fmt: skip
    assert len(framed([("c", s7(READ, 1)), ("s", s7(VALUES, 1))], server=server)) == 2
    cookie = bytes(TPKT() / COTPConnection(parameters=[]) / Raw(b"Cookie: mstshash=a\r\n"))
    desktop = (
        bytes.fromhex("0300002b26e00000000000") + b"Cookie: mstshash=hello\r\n" + bytes.fromhex("0100080003000000")
    )
    for data in (cookie, desktop, b"x" + s7(READ, 1), tpkt(Raw(b"\x0d\x0a\x05\x06"))):
        assert framed([("c", data)], server=server) == []


PLUS_HEAD = ("s7comm-plus.header.pdutype", "s7comm-plus.header.datlg", "s7comm-plus.data.opcode", "s7comm-plus.data.function",
             "s7comm-plus.data.seqnum", "s7comm-plus.data.sessionid", "s7comm-plus.trailer.datlg", "pdu.kind", "pdu.anomaly")  # fmt: skip


def plus_turns() -> list[Turn]:
    """Create an object to open a session, its answer, the first bytes of both as a panel and a PLC send them."""
    ask = bytes.fromhex("72010012 31 0000 04ca 0000 0001 00000120 36 00000000 72010000".replace(" ", ""))
    answer = bytes.fromhex("7201000e 32 0000 04ca 0000 0001 36 1102 8773 72010000".replace(" ", ""))
    alive, notice = bytes.fromhex("72ff0500"), bytes.fromhex("72020006 33 7000 0000 01 72020000".replace(" ", ""))
    digest = bytes.fromhex("7203002f 20" + "ab" * 32 + "31 0000 054c 0000 0007 000003aa 34 72030000".replace(" ", ""))
    return [
        ("c", tpkt(Raw(ask))),
        ("s", tpkt(Raw(answer))),
        ("s", tpkt(Raw(alive))),
        ("s", tpkt(Raw(notice))),
        ("c", tpkt(Raw(digest))),
    ]


def test_plus_by_hand() -> None:
    found = framed(plus_turns(), (*PLUS_HEAD, "s7comm-plus.header.keepalive_seqnum", "pdu.request_frame"))
    assert found[0] == {"s7comm-plus.header.pdutype": 1, "s7comm-plus.header.datlg": 18, "s7comm-plus.data.opcode": 0x31,
                        "s7comm-plus.data.function": 0x04CA, "s7comm-plus.data.seqnum": 1, "s7comm-plus.data.sessionid": 0x120,
                        "s7comm-plus.trailer.datlg": 0, "pdu.kind": "request"}  # fmt: skip
    assert found[1] == {"s7comm-plus.header.pdutype": 1, "s7comm-plus.header.datlg": 14, "s7comm-plus.data.opcode": 0x32,
                        "s7comm-plus.data.function": 0x04CA, "s7comm-plus.data.seqnum": 1, "s7comm-plus.trailer.datlg": 0,
                        "pdu.kind": "response", "pdu.request_frame": 4}  # fmt: skip
    assert found[2] == {"s7comm-plus.header.pdutype": 255, "s7comm-plus.header.keepalive_seqnum": 5, "pdu.kind": "link"}
    assert found[3] == {"s7comm-plus.header.pdutype": 2, "s7comm-plus.header.datlg": 6, "s7comm-plus.data.opcode": 0x33,
                        "s7comm-plus.trailer.datlg": 0, "pdu.kind": "report"}  # fmt: skip
    assert found[4]["s7comm-plus.data.function"] == 0x054C and found[4]["s7comm-plus.data.sessionid"] == 0x3AA


def test_plus_in_pieces() -> None:
    """A PDU without a trailer goes on in the next; only its first piece says what is called."""
    pieces = [S7Plus(version=2, content=S7PlusRequest(function=0x04BB, seqnum=5, data=b"a" * 40), trailer=b""),
              S7Plus(version=2, content=Raw(b"\x31" + b"b" * 40), trailer=b""), S7Plus(version=2, content=Raw(b"\x31" + b"c" * 9)),
              S7Plus(version=2, content=S7PlusRequest(function=0x056B, seqnum=6))]  # fmt: skip
    found = framed([("c", b"".join(map(tpkt, pieces)))], PLUS_HEAD)
    assert [(one["pdu.kind"], one.get("s7comm-plus.data.function")) for one in found] == [
        ("request", 0x04BB), ("part", None), ("part", None), ("request", 0x056B)]  # fmt: skip


def test_a_stream_with_a_gap_goes_on_behind_it() -> None:
    """What stood before the gap is given up, what begins behind it is found."""
    lost = b"".join(cut(bytes(WRITE), 11))[:25]
    frames = segments([("c", s7(READ, 1) + lost)], [], CLIENT, SERVER)
    later = 1000 + len(s7(READ, 1)) + len(lost) + 50
    frames += [tcp(SERVER, CLIENT, ACK, 5000, later), tcp(CLIENT, SERVER, PUSH | ACK, later, 5000, s7(WRITE, 2))]
    found = pdus_of(frames, "s7comm", HEAD)
    assert [one["s7comm.param.func"] for one in found if "s7comm.param.func" in one] == [4, 5]


def test_counts_that_no_pdu_can_hold() -> None:
    """What is there is an object, the rest is not made up."""
    bodies = [S7(param=S7Variables(func=4, itemcount=255, items=[S7Item()])), S7(rosctr=3, param=S7Variables(func=4, itemcount=255), data=[S7Value()]),
              told(b"\0\x11\0\0\0\x02\xff\xff" + bytes(8)), told(b"\0\x00\0\0\0\0\xff\xff")]  # fmt: skip
    fields = ("s7comm.param.item.area", "s7comm.data.returncode", "s7comm.szl.xy11.0001.index")
    found = [framed([("c", tpkt(body))], fields)[0] for body in bodies]
    assert found == [{"s7comm.param.item.area": 0x83}, {"s7comm.data.returncode": 255},
                     {"s7comm.data.returncode": 255, "s7comm.szl.xy11.0001.index": [0] * 4}, {"s7comm.data.returncode": 255}]  # fmt: skip


def test_damaged_pdus_are_read_as_far_as_they_go() -> None:
    """Bytes are overwritten, left out and put in, the TPKT's length put right: every column can be made."""
    chosen = random.Random(11)
    whole = [bytes(pdu) for _, pdu in (*jobs(chosen), *userdata(chosen))] + [bytes(S7Plus(content=S7PlusRequest()))]
    turns: list[Turn] = []
    for data in whole * 3:
        made = bytearray(data)
        for _ in range(chosen.randrange(1, 5)):
            made[chosen.randrange(1, len(made))] = chosen.randrange(256)
        if chosen.random() < 0.3:
            made = made[: chosen.randrange(1, len(made) + 1)]
        if chosen.random() < 0.3:
            made += chosen.randbytes(chosen.randrange(40))
        turns.append(
            (chosen.choice("cs"), b"".join(cut(bytes(made), 30)) if chosen.random() < 0.2 else tpkt(Raw(bytes(made))))
        )
    assert len(framed(turns, NAMES)) >= len(turns)


LENGTHS = (
    "length",
    "li",
    "parlg",
    "datlg",
    "filename_len",
    "parameterblock_len",
    "string_len",
    "part2_len",
    "varspec_length",
)


def cleared(packet: Packet) -> Packet:
    """A packet that is built anew: no layer remembers its bytes, lengths are computed, but those that count single bits or nothing."""
    layer = packet
    while isinstance(layer, Packet) and not isinstance(layer, NoPayload):
        layer.raw_packet_cache = layer.raw_packet_cache_fields = None
        layer.explicit = 0
        for name, value in list(layer.fields.items()):
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, Packet):
                    cleared(inner)
            is_given = isinstance(layer, S7Item) or (
                isinstance(layer, S7Value) and (layer.transportsize == 3 or layer.returncode not in (0, 0xFF))
            )
            if name in LENGTHS and not is_given and not isinstance(layer, COTPData):
                layer.fields[name] = None
        layer = layer.payload
    return packet


@pytest.mark.parametrize(
    "pdu",
    [READ, VALUES, WRITE, WRITTEN, asked(0x11), told(LIST), S7(param=S7Stop()), S7(param=S7Service()), S7(param=S7Block()), S7(rosctr=2),
     S7Plus(content=S7PlusRequest(data=b"abc")), S7Plus(version=2, content=S7PlusResponse()), S7PlusAlive(keepalive_seqnum=4)],
    ids=lambda pdu: pdu.name + str(getattr(getattr(pdu, "param", None), "name", "")),
)  # fmt: skip
def test_built_and_dissected(pdu: Packet) -> None:
    data = tpkt(pdu)
    again = cleared(TPKT(data))
    assert bytes(again) == data and type(again[COTPData].payload) is type(pdu)
    for data in (CONNECT, CONFIRM):
        assert bytes(cleared(TPKT(data))) == data
