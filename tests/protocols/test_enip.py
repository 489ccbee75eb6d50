"""EtherNet/IP and CIP against the standard: encapsulation, items, paths, connections, requests and their answers."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scapy.packet import Packet, Raw

from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.enip_layers import (
    CIP,
    ENIP,
    CIPForwardClose,
    CIPForwardOpen,
    CIPForwardOpenReply,
    CIPLargeForwardOpen,
    CIPLogical8,
    CIPLogical16,
    CIPMultiple,
    CIPPort,
    CIPSymbol,
    CIPUnconnectedSend,
    ENIPConnectedAddress,
    ENIPConnectedData,
    ENIPIdentity,
    ENIPImplicit,
    ENIPItem,
    ENIPItems,
    ENIPRegister,
    ENIPSend,
    ENIPSequencedAddress,
)
from detector.protocols.fields import FIELDS, table_of
from tests.flows.frames import SECOND, End, batches, udp
from tests.protocols.streams import Turn, pdus_of, segments

pytestmark = pytest.mark.kernel

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 44818)
HEAD = ("enip.command", "enip.length", "enip.session", "pdu.kind", "pdu.anomaly")
MESSAGE = ("cip.sc", "cip.rr", "cip.class", "cip.instance", "cip.attribute", "cip.symbol", "cip.genstat", "cip.data")
NAMES = tuple(name for name in FIELDS if table_of(name) == "enip")
SESSION = 0x01020304
OT, TO = 0x11223344, 0x55667788  # connection ids
LENGTHS = ("length", "itemcount", "path_size", "addstat_size", "connpath_size", "route_path_size", "msg_req_size", "size", "namelen",
           "app_reply_size")  # fmt: skip


def to(one: int, instance: int, attribute: int | None = None) -> list[Packet]:
    """A path to an object."""
    made: list[Packet] = [CIPLogical8(kind=0x20, value=one), CIPLogical8(kind=0x24, value=instance)]
    return made if attribute is None else [*made, CIPLogical8(kind=0x30, value=attribute)]


def request(service: int, path: list[Packet], data: bytes | Packet = b"") -> Packet:
    """A request."""
    made = CIP(sc=service, path=path)
    return made / data if data else made


def reply(service: int, data: bytes | Packet = b"", genstat: int = 0, addstat: list[int] | None = None) -> Packet:
    """A response."""
    made = CIP(rr=1, sc=service, genstat=genstat, addstat=addstat or [])
    return made / data if data else made


def unconnected(message: bytes | Packet, context: int = 1, **more: Any) -> bytes:
    """Send RR Data."""
    items = [ENIPItem(typeid=0), ENIPItem(typeid=0xB2) / message]
    return bytes(
        ENIP(cmd=0x6F, session=SESSION, context=context.to_bytes(8, "little"), **more)
        / ENIPSend(timeout=10, items=items)
    )


def connected(message: bytes | Packet, sequence: int, connection: int) -> bytes:
    """Send Unit Data."""
    items = [ENIPItem(typeid=0xA1) / ENIPConnectedAddress(connid=connection),
             ENIPItem(typeid=0xB1) / ENIPConnectedData(seq=sequence) / message]  # fmt: skip
    return bytes(ENIP(cmd=0x70, session=SESSION) / ENIPSend(items=items))


def registration() -> list[Turn]:
    """A session's beginning."""
    return [
        ("c", bytes(ENIP(cmd=0x65) / ENIPRegister())),
        ("s", bytes(ENIP(cmd=0x65, session=SESSION) / ENIPRegister())),
    ]


ROUTE: list[Packet] = [CIPPort(kind=1, link=0)]
ROUTER: list[Packet] = [*ROUTE, *to(2, 1)]


def opening(
    context: int = 7, path: list[Packet] = ROUTER, large: bool = False, transport: int = 0xA3, serial: int = 1
) -> list[Turn]:
    """A connection's beginning."""
    kind = CIPLargeForwardOpen if large else CIPForwardOpen
    asked = request(
        0x5B if large else 0x54,
        to(6, 1),
        kind(to_connid=TO, connpath=path, timeout_multiplier=1, transport=transport, conn_serial_num=serial),
    )
    told = reply(
        0x5B if large else 0x54,
        CIPForwardOpenReply(ot_connid=OT, to_connid=TO, otapi=2_000_000, conn_serial_num=serial),
    )
    return [("c", unconnected(asked, context)), ("s", unconnected(told, context))]


def closing(context: int = 8, serial: int = 1) -> list[Turn]:
    """Its end."""
    triad = bytes(CIPForwardOpenReply(conn_serial_num=serial))[8:16]
    return [("c", unconnected(request(0x4E, to(6, 1), CIPForwardClose(connpath=ROUTER, conn_serial_num=serial)), context)),
            ("s", unconnected(reply(0x4E, triad + bytes(2)), context))]  # fmt: skip


def conversation() -> list[Turn]:
    """What an engineering station says and hears."""
    identity = bytes.fromhex("01000e0036001014603088775544") + b"\x041756"
    tag = [CIPSymbol(symbol=b"Pump"), CIPLogical8(kind=0x28, value=3)]
    parts = [
        request(0x4C, tag, b"\x01\x00"),
        request(0x0E, to(1, 1, 7)),
        request(3, to(1, 1), b"\x02\x00\x01\x00\x05\x00"),
    ]
    answers = [
        reply(0x4C, b"\xc4\x00\x2a\x00\x00\x00"),
        reply(0x0E, b"\x041756"),
        reply(3, bytes.fromhex("0200 0100 0000 0100 0500 0000 6030")),
    ]
    sent = CIPUnconnectedSend(message=request(1, to(1, 1)), route=ROUTE)
    pccc = bytes.fromhex("07 4d00 78563412 0f 00 3412 a2 04 07 89 05 00")
    return [
        *registration(), *opening(),
        ("c", connected(request(7, to(0x8E, 1)), 1, OT)), ("s", connected(reply(7), 1, TO)),
        ("c", connected(request(0x0A, to(2, 1), CIPMultiple(messages=parts)), 2, OT)),
        ("s", connected(reply(0x0A, CIPMultiple(messages=answers)), 2, TO)),
        ("c", unconnected(request(0x52, to(6, 1), sent), 3)), ("s", unconnected(reply(1, identity), 3)),
        ("c", unconnected(request(0x4B, to(0x67, 1), pccc), 4)),
        ("s", unconnected(reply(0x4B, bytes.fromhex("07 4d00 78563412 4f 00 3412 01020304")), 4)),
        ("c", unconnected(request(5, to(1, 1), b"\x01"), 5)), ("s", unconnected(reply(5, genstat=0x0F, addstat=[0x1234]), 5)),
        *closing(),
        ("c", bytes(ENIP(cmd=0x66, session=SESSION))),
    ]  # fmt: skip


def typical() -> list[Turn]:
    """What most of such traffic is: attributes read within a connection, again and again."""
    asked, told = request(0x0E, to(0x6B, 1, 2)), reply(0x0E, b"\x2a\x00\x00\x00")
    made: list[Turn] = []
    for sequence in range(64):
        made += [("c", connected(asked, sequence, OT)), ("s", connected(told, sequence, TO))]
    return made


def framed(turns: list[Turn], fields: tuple[str, ...] = HEAD, sizes: list[int] | None = None, size: int = 1000,
           server: End = SERVER) -> list[dict[str, Any]]:  # fmt: skip
    return pdus_of(segments(turns, sizes or [], CLIENT, server), "enip", fields, size)


def asked_of(message: bytes | Packet) -> dict[str, Any]:
    """Every field of a request."""
    return framed([("c", unconnected(message))], NAMES)[0]


def test_commands_and_kinds() -> None:
    """Volume 2, table 2-3.2. Replies are those of the service's top bit."""
    found = framed(conversation(), (*HEAD, "pdu.request_frame"))
    kinds = [one["pdu.kind"] for one in found]
    assert kinds[:-3] == ["request", "response"] * 6 + ["request", "exception"] and kinds[-3:] == [
        "request",
        "response",
        "request",
    ]
    assert [one["enip.command"] for one in found[:4]] == [0x65, 0x65, 0x6F, 0x6F] and found[-1]["enip.command"] == 0x66
    assert [one["pdu.request_frame"] for one in found if "pdu.request_frame" in one] == [4, 6, 8, 10, 12, 14, 16, 18]
    assert not any("pdu.anomaly" in one for one in found)


def test_a_path_and_its_answer() -> None:
    """A reply says not what it answers; it has the path of its request."""
    turns: list[Turn] = [("c", unconnected(request(0x0E, [CIPLogical16(kind=0x21, value=0x300), *to(1, 1)[1:], CIPLogical8(kind=0x30, value=5)]))),
                         ("s", unconnected(reply(0x0E, b"\x99")))]  # fmt: skip
    asked, told = framed(turns, (*MESSAGE, "cip.request_path_size", "enip.response_to", "enip.time"))
    for one in (asked, told):
        assert (one["cip.class"], one["cip.instance"], one["cip.attribute"], one["cip.request_path_size"]) == (
            0x300,
            1,
            5,
            4,
        )
    assert asked["cip.rr"] == 0 and told["cip.rr"] == 1 and told["cip.data"] == "99" and told["enip.response_to"] == 4
    assert told["enip.time"] == 1e-9


def test_messages_in_messages() -> None:
    """Multiple service packet (volume 1, A-4.10), unconnected send (3-5.5.4)."""
    found = framed(conversation(), MESSAGE)
    asked, told = found[6:8]
    assert asked["cip.sc"] == [0x0A, 0x4C, 0x0E, 3] and asked["cip.symbol"] == "Pump" and told["cip.symbol"] == "Pump"
    assert told["cip.genstat"] == [0] * 4 and told["cip.data"] == "c4:00:2a:00:00:00"
    assert found[8]["cip.sc"] == [0x52, 1] and found[8]["cip.class"] == [6, 1]
    assert (
        found[9]["cip.sc"] == 1
        and found[9]["cip.class"] == [6, 1]
        and found[9]["cip.attribute"] == [1, 2, 3, 4, 5, 6, 7]
    )


def test_objects_are_messages() -> None:
    """What a message says stays together."""
    decoding = Decoding(PipelineSettings())
    frames = segments(conversation(), [], CLIENT, SERVER)
    (batch,) = batches(frames, [SECOND + number for number in range(len(frames))], 1000)
    table = decoding.tables(batch)[1]["enip"]
    objects = table.objects()  # type: ignore[attr-defined]
    rows = [row for row in range(objects.rows) if objects.parents[row] == 6]
    found = [
        [objects.column(name).at(row) for name in ("cip.sc", "cip.class", "cip.symbol", "cip.attribute")]
        for row in rows
    ]
    assert found == [[[0x0A], [2], [], []], [[0x4C], [], ["Pump"], []], [[0x0E], [1], [], [7]], [[3], [1], [], [1, 5]]]


def test_attributes_have_names() -> None:
    """Volume 1, 5-2 (identity)."""
    told = framed(conversation(), ("cip.id.vendor_id", "cip.id.major_rev", "cip.id.minor_rev", "cip.id.serial_number", "cip.id.product_name",
                                   "cip.id.status"))[9]  # fmt: skip
    assert told == {"cip.id.vendor_id": 1, "cip.id.major_rev": 16, "cip.id.minor_rev": 20, "cip.id.serial_number": 0x44557788,
                    "cip.id.product_name": "1756", "cip.id.status": 0x3060}  # fmt: skip


CONNECTION = (
    "enip.fwd_open_in",
    "cip.connection",
    "cip.cm.otapi",
    "cip.cm.toapi",
    "cip.fwd_open_in",
    "cip.cm.ot_timeout",
    "pdu.anomaly",
)


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("size", [1, 1000])
def test_connections(large: bool, size: int) -> None:
    """Volume 1, 3-5.5: messages in both directions belong to the connection that a Forward Open made, until it is closed."""
    stop = [("c", connected(request(7, to(0x8E, 1)), 1, OT)), ("s", connected(reply(7), 1, TO))]
    found = framed([*registration(), *opening(large=large), *stop, *closing(), *stop], CONNECTION, size=size)
    frame = 6
    for one in found[4:6]:
        assert one == {
            "enip.fwd_open_in": frame,
            "cip.connection": 0,
            "cip.cm.otapi": 2_000_000,
            "cip.cm.toapi": 1_000_000,
        }
    assert (
        found[6]["cip.fwd_open_in"] == frame
        and found[6]["cip.cm.ot_timeout"] == 8000.0
        and found[7]["cip.connection"] == 0
    )
    assert [one.get("pdu.anomaly") for one in found[8:]] == ["enip.closed_connection"] * 2


def test_connections_that_carry_no_messages() -> None:
    """Of a connection to another object than the message router only its data are known; implicit data go another way."""
    data = [("c", connected(b"\x01\x02\x03\x04", 1, OT))]
    implicit = framed([*opening(path=to(4, 100)), *data], ("cip.sc", "cip.data", "cip.connection"))[-1]
    assert implicit == {"cip.data": "01:02:03:04", "cip.connection": 0}
    assert "cip.connection" not in framed([*opening(transport=1), *data], ("cip.connection",))[-1]


CUTS: list[list[int]] = [[], [1], [2], [3], [23], [24], [25], [100], [1, 5, 1, 300]]


@pytest.mark.parametrize("sizes", CUTS, ids=str)
@pytest.mark.parametrize("size", [1, 1000])
def test_pdus_do_not_depend_on_segments(sizes: list[int], size: int) -> None:
    fields = (*HEAD, *MESSAGE, "cip.connection", "cip.pccc.fnc.code_0f", "cip.id.product_name")
    assert framed(conversation(), fields, sizes, size) == framed(conversation(), fields)


@pytest.mark.parametrize("sizes", CUTS, ids=str)
def test_what_is_no_pdu_is_skipped_and_told_once(sizes: list[int]) -> None:
    stop = unconnected(request(7, to(0x8E, 1)))
    turns: list[Turn] = [("c", b"junk" * 9 + stop + b"\xff" * 30 + stop + stop[:30])]
    anomalies = [one.get("pdu.anomaly") for one in framed(turns, HEAD, sizes)]
    assert anomalies == ["enip.invalid_header", "enip.not_enip", None, "enip.invalid_header", None]


@pytest.mark.parametrize(
    ("pdu", "anomaly"),
    [(ENIP(cmd=0x42), "invalid_command"), (ENIP(cmd=0x65) / Raw(b"\x01"), "invalid_length"), (ENIP(cmd=0x6F) / Raw(bytes(7)), "invalid_length"),
     (ENIP(cmd=0x6F) / Raw(bytes(6) + b"\x01\x00\xb2\x00\x05\x00\x0e"), "invalid_items"),
     (ENIP(cmd=0x6F) / Raw(bytes(6) + b"\x02\x00\x00\x00\x00\x00"), "invalid_items"),
     (unconnected(b"\x0e\x03\x20\x01"), "invalid_message"), (unconnected(b"\x0e"), "invalid_message"),
     (unconnected(b"\x8e\x00\x00\x01"), "invalid_message"), (unconnected(reply(0x0E)), "unsolicited_response")],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_has_a_name(pdu: Any, anomaly: str) -> None:
    (found,) = framed([("c", bytes(pdu))])
    anomalies = found["pdu.anomaly"]
    assert f"enip.{anomaly}" in ([anomalies] if isinstance(anomalies, str) else anomalies)


def test_answers_out_of_order() -> None:
    """Those without a connection are told by the sender's context, those with one by the sequence count."""
    turns: list[Turn] = [("c", unconnected(request(0x0E, to(1, 1, 1)), 1) + unconnected(request(0x0E, to(1, 1, 2)), 2)),
                         ("s", unconnected(reply(0x0E, b"\x0e\x00"), 2) + unconnected(reply(0x0E, b"\x4d\x00"), 1))]  # fmt: skip
    found = framed(turns, ("cip.id.vendor_id", "cip.id.device_type"))
    assert found[2:] == [{"cip.id.device_type": 14}, {"cip.id.vendor_id": 0x4D}]


def test_answers_of_an_unconnected_send() -> None:
    """They are those of the message that was sent on, or say why it was not."""
    sent = request(0x52, to(6, 1), CIPUnconnectedSend(message=request(0x0E, to(1, 1, 1)), route=ROUTE))
    fields = ("cip.id.vendor_id", "cip.cm.ext_status", "cip.cm.remain_path_size", "cip.cm.route_path_size", "pdu.kind")
    assert framed([("c", unconnected(sent)), ("s", unconnected(reply(0x0E, b"\x4d\x00")))], fields)[1] == {
        "cip.id.vendor_id": 0x4D, "cip.cm.route_path_size": 1, "pdu.kind": "response"}  # fmt: skip
    late = unconnected(reply(0x52, b"\x01\x00", 1, [0x204]))
    assert framed([("c", unconnected(sent)), ("s", late)], fields)[1] == {
        "cip.cm.ext_status": 0x204, "cip.cm.remain_path_size": 1, "cip.cm.route_path_size": 1, "pdu.kind": "exception"}  # fmt: skip


def test_pccc() -> None:
    """Rockwell 1770-6.5.16, 7: protected typed logical read with three address fields."""
    found = framed(conversation(), ("cip.pccc.cmd.code", "cip.pccc.fnc.code_0f", "cip.pccc.tns.code", "cip.pccc.file.num", "cip.pccc.file.type",
                                    "cip.pccc.resp.code", "cip.pccc.data"))  # fmt: skip
    assert found[10] == {"cip.pccc.cmd.code": 0x0F, "cip.pccc.fnc.code_0f": 0xA2, "cip.pccc.tns.code": 0x1234, "cip.pccc.file.num": 7,
                         "cip.pccc.file.type": 0x89}  # fmt: skip
    assert found[11] == {"cip.pccc.resp.code": 0x4F, "cip.pccc.tns.code": 0x1234, "cip.pccc.data": "01:02:03:04"}


def test_on_another_port() -> None:
    """By the registration that every session begins with."""
    server = ("10.0.0.2", 19998)
    assert len(framed([*registration(), *opening()], server=server)) == 4
    assert framed(opening(), server=server) == []


def test_datagrams() -> None:
    """Volume 2, 2-4.2: identities are listed over UDP, mostly by broadcast; implicit data go to port 2222."""
    identity = ENIPItem(typeid=0x0C) / ENIPIdentity(product=b"1756-EN2T", sinaddr="10.0.0.2")
    items = [ENIPItem(typeid=0x8002) / ENIPSequencedAddress(connid=OT, seq=9), ENIPItem(typeid=0xB1) / Raw(b"\x01\x02")]
    frames = [udp(CLIENT, ("255.255.255.255", 44818), bytes(ENIP(cmd=0x63))),
              udp(SERVER, CLIENT, bytes(ENIP(cmd=0x63) / ENIPItems(items=[identity]))),
              udp(("10.0.0.1", 2222), ("10.0.0.2", 2222), bytes(ENIPImplicit(items=items))),
              udp(CLIENT, SERVER, bytes(ENIP(cmd=0x63)) + b"\0"), udp(CLIENT, SERVER, bytes(ENIP(cmd=0x63))[:20])]  # fmt: skip
    found = pdus_of(
        frames, "enip", (*HEAD, "enip.lir.name", "enip.sinaddr", "enip.cpf.sai.seq", "cip.connid", "cipio.data")
    )
    assert found[0]["pdu.kind"] == "request" and found[1]["pdu.kind"] == "response" and "pdu.anomaly" not in found[1]
    assert (found[1]["enip.lir.name"], found[1]["enip.sinaddr"]) == ("1756-EN2T", "10.0.0.2")
    assert found[2] == {"pdu.kind": "report", "enip.cpf.sai.seq": 9, "cip.connid": OT, "cipio.data": "01:02"}
    assert [one["pdu.anomaly"] for one in found[3:]] == ["enip.invalid_length", "enip.invalid_header"]


def test_messages_lie_in_each_other_as_deep_as_one_likes() -> None:
    """Work and memory are bounded by the PDU's bytes."""
    message = request(7, to(0x8E, 1))
    for _ in range(60):
        message = request(0x0A, to(2, 1), CIPMultiple(messages=[message, request(1, to(1, 1))]))
    (found,) = framed([("c", unconnected(message))], NAMES)
    assert 10 < len(found["cip.sc"]) <= 121


def test_damaged_pdus_are_read_as_far_as_they_go() -> None:
    """Lengths, counts and offsets that were overwritten; every column can be made all the same."""
    chosen, rows = random.Random(12), 0
    whole = [*conversation(), *opening(large=True)]
    for _ in range(150):
        turns: list[Turn] = []
        for side, data in whole:
            made = bytearray(data)
            for _ in range(chosen.randrange(4)):
                made[chosen.randrange(24, len(made)) if len(made) > 24 else 0] = chosen.choice(
                    (0, 1, 2, 0x7F, 0xFF, chosen.randrange(256))
                )
            turns.append((side, bytes(made)))
        rows += len(framed(turns, NAMES))
    assert rows > 2000


def cleared(packet: Packet) -> Packet:
    """A packet that has to be built anew: no layer remembers its bytes, lengths are computed."""
    layer = packet
    while isinstance(layer, Packet) and layer.name != "NoPayload":
        layer.raw_packet_cache = None
        layer.raw_packet_cache_fields = None
        layer.explicit = 0
        for name, value in list(layer.fields.items()):
            if name in LENGTHS:
                setattr(layer, name, None)
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, Packet):
                    cleared(inner)
        layer = layer.payload
    return packet


def test_built_and_dissected() -> None:
    for _, data in [*conversation(), *opening(large=True)]:
        dissected = ENIP(data)
        assert bytes(cleared(dissected)) == data
    multiple = ENIP(conversation()[6][1])[ENIPSend].items[1][CIPMultiple]
    assert [message.sc for message in multiple.messages] == [0x4C, 0x0E, 3] and multiple.messages[0].path[
        0
    ].symbol == b"Pump"
    data = bytes(
        ENIPImplicit(
            items=[
                ENIPItem(typeid=0x8002) / ENIPSequencedAddress(connid=1, seq=2),
                ENIPItem(typeid=0xB1) / Raw(b"\x0e"),
            ]
        )
    )
    assert bytes(cleared(ENIPImplicit(data))) == data
