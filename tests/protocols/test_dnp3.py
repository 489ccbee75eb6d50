"""DNP3 against IEEE 1815-2012: frames, messages in pieces, objects, pairing. Frames are built by the Scapy layers.

Checksums are checked against the standard's example (9.2.4.3) and, in tests/differential, by tshark.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from scapy.packet import Packet, Raw

from detector.protocols.dnp3_layers import (
    DNP3,
    DNP3Header,
    DNP3Object,
    DNP3Request,
    DNP3Response,
    DNP3Transport,
    checksum,
)
from detector.protocols.fields import FIELDS, table_of
from tests.flows.frames import ACK, PUSH, End, tcp, udp
from tests.protocols.streams import Turn, pdus_of, segments
from tests.samples import IS_LONG

pytestmark = pytest.mark.kernel

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 20000)
MASTER, OUTSTATION = 3, 4
HEAD = ("dnp3.src", "dnp3.dst", "dnp3.al.func", "dnp3.al.seq", "pdu.kind", "pdu.anomaly")
POINTS = (
    "dnp3.al.obj",
    "dnp3.al.point_index",
    "dnp3.al.index",
    "dnp3.al.bit",
    "dnp3.al.ana.int",
    "dnp3.al.cnt",
    "dnp3.ctl.op",
)


def asked(message: Packet, sequence: int = 0, dst: int = OUTSTATION, **link: Any) -> bytes:
    """A frame of the master."""
    return bytes(DNP3(dir=1, src=MASTER, dst=dst, **link) / DNP3Transport(seq=sequence) / message)


def told(message: Packet, sequence: int = 0) -> bytes:
    """A frame of the outstation."""
    return bytes(DNP3(dir=0, src=OUTSTATION, dst=MASTER) / DNP3Transport(seq=sequence) / message)


def pieces(message: Packet, sequence: int = 0, size: int = 200) -> list[bytes]:
    """A message of the outstation in several frames."""
    data = bytes(message)
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return [
        bytes(DNP3(dir=0, src=OUTSTATION, dst=MASTER)
              / DNP3Transport(fir=int(number == 0), fin=int(number == len(parts) - 1), seq=(sequence + number) % 64) / Raw(part))
        for number, part in enumerate(parts)
    ]  # fmt: skip


def framed(turns: list[Turn], fields: tuple[str, ...] = HEAD, sizes: list[int] | None = None, size: int = 1000,
           server: End = SERVER) -> list[dict[str, Any]]:  # fmt: skip
    return pdus_of(segments(turns, sizes or [], CLIENT, server), "dnp3", fields, size)


NAMES = tuple(name for name in FIELDS if table_of(name) == "dnp3")
READ = DNP3Request(
    func=1,
    seq=1,
    objects=[DNP3Header(group=60, variation=2), DNP3Header(group=30, variation=1, range=0, start=2, stop=5)],
)
OPERATE = DNP3Request(func=4, seq=2, objects=[
    DNP3Object(group=12, variation=1, prefix=2, range=8, quantity=1, data=bytes.fromhex("0500 41 01 64000000 00000000 00"))])  # fmt: skip
ANSWER = DNP3Response(func=129, seq=1, iin="rst+tsr", objects=[
    DNP3Object(group=1, variation=1, range=0, start=3, stop=12, data=bytes.fromhex("0502")),
    DNP3Object(group=30, variation=2, range=0, start=7, stop=8, data=bytes.fromhex("01ffff 010a00")),
    DNP3Object(group=22, variation=1, prefix=1, range=7, quantity=1, data=bytes.fromhex("09 01 40e20100"))])  # fmt: skip
ECHO = DNP3Response(func=129, seq=2, objects=[OPERATE.objects[0]])
LONG = DNP3Response(func=129, seq=1, objects=[
    DNP3Object(group=30, variation=4, range=1, start=0, stop=399, data=b"".join(n.to_bytes(2, "little") for n in range(400)))])  # fmt: skip


def test_checksum() -> None:
    """9.2.4.3 and every published reset of a link: 05 64 05 c0 01 00 00 04 with e9 21 behind it."""
    assert checksum(bytes.fromhex("056405c001000004")).hex() == "e921"


def test_request_and_answer() -> None:
    first, second = framed(
        [("c", asked(READ)), ("s", told(ANSWER))], (*HEAD, *POINTS, "dnp3.al.iin", "pdu.request_frame")
    )
    assert first == {"dnp3.src": 3, "dnp3.dst": 4, "dnp3.al.func": 1, "dnp3.al.seq": 1, "pdu.kind": "request",
                     "dnp3.al.obj": [0x3C02, 0x1E01]}  # fmt: skip
    assert second == {
        "dnp3.src": 4, "dnp3.dst": 3, "dnp3.al.func": 129, "dnp3.al.seq": 1, "pdu.kind": "response", "pdu.request_frame": 4,
        "dnp3.al.iin": 0x9000, "dnp3.al.obj": [0x0101, 0x1E02, 0x1601], "dnp3.al.point_index": [*range(3, 13), 7, 8],
        "dnp3.al.index": 9, "dnp3.al.bit": [True, False, True, *[False] * 6, True], "dnp3.al.ana.int": [-1, 10], "dnp3.al.cnt": 123456,
    }  # fmt: skip


def test_a_control() -> None:
    """11.9.1: a relay's output block, with its index, code, times and status."""
    (found,) = framed([("c", asked(OPERATE))], ("dnp3.al.obj", "dnp3.al.index", "dnp3.ctl.op", "dnp3.ctl.trip", "dnp3.al.count",
                                                "dnp3.al.on_time", "dnp3.al.ctrlstatus"))  # fmt: skip
    assert found == {"dnp3.al.obj": 0x0C01, "dnp3.al.index": 5, "dnp3.ctl.op": 1, "dnp3.ctl.trip": 1, "dnp3.al.count": 1,
                     "dnp3.al.on_time": 100, "dnp3.al.ctrlstatus": 0}  # fmt: skip


SECURITY = {  # messages without their control field and function, by what they are; the first three from real captures
    "aggressive": ("5", "78030701 09000000 0100 0c012801000100 03016400000064000000 00 78095b01 1000 ba8db44d5e72cd0ad418e5e415256867", {
        "dnp3.al.obj": [0x7803, 0x0C01, 0x7809], "dnp3.al.sa.csq": 9, "dnp3.al.sa.usr": 1, "dnp3.al.index": 1, "dnp3.ctl.op": 3,
        "dnp3.al.sa.mac": "ba:8d:b4:4d:5e:72:cd:0a:d4:18:e5:e4:15:25:68:67"}),
    "challenge": ("131", "9000 78015b01 0c00 03000000 0000 04 01 73746576", {
        "dnp3.al.obj": 0x7801, "dnp3.al.sa.csq": 3, "dnp3.al.sa.usr": 0, "dnp3.al.sa.mal": 4, "dnp3.al.sa.rfc": 1, "dnp3.al.sa.cd": "73:74:65:76"}),
    "reply": ("32", "78025b01 1600 03000000 0100 06fae1911a2cce2dda8abfece1cac8c4", {
        "dnp3.al.obj": 0x7802, "dnp3.al.sa.csq": 3, "dnp3.al.sa.usr": 1, "dnp3.al.sa.mac": "06:fa:e1:91:1a:2c:ce:2d:da:8a:bf:ec:e1:ca:c8:c4"}),
    "key_request": ("32", "78040701 0200", {"dnp3.al.obj": 0x7804, "dnp3.al.sa.usr": 2}),
    "key_status": ("131", "0000 78055b01 0f00 07000000 0200 01 02 04 0400 61626364", {
        "dnp3.al.obj": 0x7805, "dnp3.al.sa.ksq": 7, "dnp3.al.sa.usr": 2, "dnp3.al.sa.kwa": 1, "dnp3.al.sa.ks": 2, "dnp3.al.sa.mal": 4, "dnp3.al.sa.cdl": 4}),
    "key_change": ("32", "78065b01 0a00 07000000 0200 01020304", {
        "dnp3.al.obj": 0x7806, "dnp3.al.sa.ksq": 7, "dnp3.al.sa.usr": 2, "dnp3.al.sa.key": "01:02:03:04"}),
    "error": ("131", "0000 78075b01 0f00 08000000 0200 0300 05 000000000000", {
        "dnp3.al.obj": 0x7807, "dnp3.al.sa.seq": 8, "dnp3.al.sa.usr": 2, "dnp3.al.sa.assoc_id": 3, "dnp3.al.sa.err": 5}),
}  # fmt: skip


@pytest.mark.parametrize("kind", SECURITY)
def test_secure_authentication(kind: str) -> None:
    """Group 120 (11.9, annex A.45): what is signed and what signs it, and the command between them."""
    function, objects, expected = SECURITY[kind]
    message = bytes([0xCC, int(function)]) + bytes.fromhex(objects)
    side = "s" if int(function) > 128 else "c"
    frame = bytes(DNP3(dir=int(side == "c"), src=MASTER, dst=OUTSTATION) / DNP3Transport() / Raw(message))
    names = tuple(name for name in FIELDS if name.startswith("dnp3.al.sa."))
    (found,) = framed([(side, frame)], (*names, "dnp3.al.obj", "dnp3.object.invalid", "dnp3.al.index", "dnp3.ctl.op"))
    assert found == expected
    assert bytes(cleared(DNP3(frame))) == frame


@pytest.mark.parametrize(
    ("objects", "codes", "invalid"),
    [
        ("0c012801000500 4101640000000000000000", 0x0C01, None),
        ("0c012801000500 41016400000000000000", 0x0C01, "data"),  # a byte of the command is missing
        ("0c012801 00", 0x0C01, "data"),  # a byte of its index
        ("0c012801", 0x0C01, "header"),  # a byte of the quantity
        ("0c012a01", 0x0C01, "header"),  # a reserved way of counting
        ("0c010009 05", 0x0C01, "data"),  # from 9 to 5
        ("5101 5b01 0300 aabbcc 3c0106", [0x5101, 0x3C01], None),  # nobody knows the first, which says how long it is
        ("5101 5b01 0400 aabbcc", 0x5101, "data"),
    ],
)
def test_where_objects_cannot_be_read_on(objects: str, codes: int | list[int], invalid: str | None) -> None:
    (found,) = framed([("c", asked(Raw(b"\xc1\x02" + bytes.fromhex(objects))))], ("dnp3.al.obj", "dnp3.object.invalid"))
    places = {"header": 1, "data": 2}
    assert found == {"dnp3.al.obj": codes} | ({"dnp3.object.invalid": places[invalid]} if invalid else {})


def control(function: int, index: int, code: int = 3, outstation: int = OUTSTATION, signed: bytes = b"") -> bytes:
    """A select (3) or operate (4) of a relay."""
    body = signed + b"\x0c\x01\x17\x01" + bytes([index, code, 1]) + bytes(9)
    return asked(Raw(bytes([0xC0, function]) + body), dst=outstation)


CSQ = bytes.fromhex("780307 01 09000000 0100")


@pytest.mark.parametrize(
    ("messages", "differs"),
    [
        ([control(3, 5), control(4, 5)], False),
        ([control(3, 5), control(4, 6)], True),  # another point
        ([control(3, 5), control(4, 5, code=4)], True),  # off in place of on
        ([control(3, 5), control(3, 6), control(4, 6)], False),  # the last select counts
        ([control(3, 5), control(4, 5), control(4, 5)], False),  # said again
        ([control(4, 5)], False),  # nothing is known of a select
        ([control(3, 5), control(4, 6, outstation=9)], False),  # nor of this outstation's
        ([control(3, 5, signed=CSQ), control(4, 5, signed=CSQ[:-1] + b"\x01")], False),  # signed one by one
    ],
)
@pytest.mark.parametrize("sizes", [[], [1]])
def test_an_operate_and_its_select(messages: list[bytes], differs: bool, sizes: list[int]) -> None:
    """4.4.4: an outstation refuses an operate whose objects are not those of the select before it."""
    found = framed([("c", message) for message in messages], ("pdu.anomaly",), sizes)
    assert found == [{}] * (len(messages) - 1) + ([{"pdu.anomaly": "dnp3.operate_differs"}] if differs else [{}])


def test_a_select_of_another_connection_says_nothing() -> None:
    other = segments([("c", control(4, 6))], [], ("10.0.0.1", 40001), SERVER)
    first = segments([("c", control(3, 5))], [], CLIENT, SERVER)
    assert pdus_of([*first, *other], "dnp3", ("pdu.anomaly",)) == [{}, {}]


def conversation() -> list[Turn]:
    """Frames of all kinds, each side's bytes in one piece."""
    link = bytes(DNP3(prm=1, func=9, src=MASTER, dst=OUTSTATION))
    return [("c", asked(READ) + link + asked(OPERATE, 1)), ("s", told(ANSWER) + b"".join(pieces(LONG, 62)))]


def typical() -> list[Turn]:
    """What most of such traffic is: a poll and some points, a control and its echo."""
    return [("c", asked(READ)), ("s", told(ANSWER)), ("c", asked(OPERATE, 1)), ("s", told(ECHO, 1))]


CUTS: list[list[int]] = [[], [1], [2], [9], [10], [11], [100], [1, 6, 1, 300]]


@pytest.mark.parametrize("sizes", CUTS, ids=str)
@pytest.mark.parametrize("size", [1, 1000])
def test_frames_do_not_depend_on_segments(sizes: list[int], size: int) -> None:
    fields = (*HEAD, *POINTS, "dnp3.al.fragment.count")
    expected = framed(conversation(), fields)
    assert [one.get("pdu.kind") for one in expected] == [
        "request",
        "link",
        "request",
        "response",
        *["part"] * 4,
        "response",
    ]
    assert expected[-1]["dnp3.al.ana.int"] == [*range(400)] and expected[-1]["dnp3.al.fragment.count"] == 5
    assert framed(conversation(), fields, sizes, size) == expected


def test_random_cuts() -> None:
    expected = framed(conversation())
    for seed in range(30):
        chosen = random.Random(seed)
        sizes = [chosen.randrange(1, 40) for _ in range(60)]
        assert framed(conversation(), HEAD, sizes) == expected, f"seed {seed}"


@pytest.mark.parametrize("sizes", CUTS, ids=str)
def test_what_is_no_frame_is_skipped_and_told_once(sizes: list[int]) -> None:
    """Bytes before, between and behind frames; those that only begin like one too."""
    wrong = bytearray(asked(READ))
    wrong[6] ^= 1
    turns: list[Turn] = [
        ("c", b"junk\x05" + asked(READ) + bytes(wrong) + asked(OPERATE, 1) + b"\x05\x64\x05"),
        ("s", told(ANSWER)),
    ]
    found = framed(turns, HEAD, sizes)
    assert [one.get("pdu.anomaly") for one in found] == ["dnp3.invalid_header", None, "dnp3.invalid_header", None, None]
    assert [one["dnp3.al.func"] for one in found if "dnp3.al.func" in one] == [1, 4, 129]


def test_wrong_checksum_of_data() -> None:
    """The header is believed, what it carries is not."""
    wrong = bytearray(asked(OPERATE))
    wrong[14] ^= 1
    (found,) = framed([("c", bytes(wrong))])
    assert found == {"dnp3.src": 3, "dnp3.dst": 4, "pdu.kind": "part", "pdu.anomaly": "dnp3.bad_crc"}


@pytest.mark.parametrize(
    ("order", "anomalies", "is_whole"),
    [((0, 1, 2), [None] * 3, True), ((0, 0, 1, 2), [None, "dnp3.incomplete_message", None, None], True),
     ((0, 1, 1, 2), [None] * 4, True), ((0, 2), [None, "dnp3.transport_sequence"], False), ((1, 2), ["dnp3.transport_sequence"] * 2, False)],
)  # fmt: skip
def test_pieces_in_any_order(order: tuple[int, ...], anomalies: list[str | None], is_whole: bool) -> None:
    """8.3.1.4: a first piece begins anew, one that was there already is passed over, a gap gives the message up."""
    parts = pieces(DNP3Response(bytes(LONG)[:600]), 63)
    found = framed([("c", asked(READ)), ("s", b"".join(parts[place] for place in order))])[1:]
    assert [one.get("pdu.anomaly") for one in found] == anomalies
    assert (found[-1].get("dnp3.al.func") == 129) == is_whole


def test_over_udp() -> None:
    """Each datagram by itself; one that ends within a frame is none."""
    frames = [
        udp(CLIENT, SERVER, asked(READ)),
        udp(SERVER, CLIENT, told(ANSWER)),
        udp(CLIENT, SERVER, asked(OPERATE)[:-3]),
    ]
    found = pdus_of(frames, "dnp3", (*HEAD, "pdu.request_frame"))
    assert [one.get("dnp3.al.func") for one in found] == [1, 129, None]
    assert found[1]["pdu.request_frame"] == 1 and found[2]["pdu.anomaly"] == "dnp3.invalid_header"


def test_on_another_port() -> None:
    """By its first header, whose checksum only DNP3 has."""
    server = ("10.0.0.2", 4999)
    turns: list[Turn] = [("c", asked(READ)), ("s", told(ANSWER))]
    assert [one["dnp3.al.func"] for one in framed(turns, server=server)] == [1, 129]
    assert framed([("c", b"\x05\x64" + asked(READ)), ("s", told(ANSWER)[1:])], server=server) == []


def test_who_was_asked() -> None:
    """A reply that nobody asked for, a report that needs no asking, and commands that want no answer."""
    report = DNP3Response(func=130, uns=1, seq=3)
    turns: list[Turn] = [("s", told(ANSWER)), ("s", told(report, 1)), ("c", asked(DNP3Request(func=6, seq=5)))]
    found = framed(turns)
    assert [(one["pdu.kind"], one.get("pdu.anomaly")) for one in found] == [
        ("response", "dnp3.unsolicited_response"), ("report", None), ("request", None)]  # fmt: skip


def test_a_flood_of_requests() -> None:
    """Of requests that want an answer; reports answer none."""
    quiet, report = asked(DNP3Request(func=6, seq=5)), told(DNP3Response(func=130, uns=1, seq=3), 1)
    turns: list[Turn] = [
        *[("c", quiet)] * 600,
        *[("c", asked(READ))] * 500,
        ("s", report),
        ("c", asked(READ)),
        ("s", told(ANSWER)),
    ]
    found = framed([*turns, *[("c", asked(READ))] * 500])
    assert [(place, one["pdu.anomaly"]) for place, one in enumerate(found) if one.get("pdu.anomaly")] == [
        (1101, "dnp3.flooded")
    ]


@pytest.mark.parametrize(
    ("function", "anomaly"),
    [(33, None), (34, "dnp3.invalid_function"), (128, "dnp3.invalid_function"), (132, "dnp3.invalid_function")],
)
def test_reserved_functions(function: int, anomaly: str | None) -> None:
    (found,) = framed([("c", asked(DNP3Request(func=function)))])
    assert found.get("pdu.anomaly") == anomaly


def test_counts_that_no_message_can_hold() -> None:
    """Four billion objects of no bytes, of one bit, of more than there is: what is there is a row, the rest is not made up."""
    most = {"range": 2, "start": 0, "stop": 2**32 - 1}
    bodies = [DNP3Object(group=60, variation=1, **most, data=b""), DNP3Object(group=110, variation=0, **most, data=b""),
              DNP3Object(group=1, variation=1, **most, data=b"\xff"), DNP3Object(group=30, variation=1, **most, data=b"\x01")]  # fmt: skip
    for body in bodies:
        message = DNP3Request(bytes(DNP3Request(func=2)) + bytes(Raw(bytes(body))))
        (found,) = framed([("c", asked(Raw(bytes(message))))], ("dnp3.al.obj", "dnp3.al.point_index"))
        assert found["dnp3.al.obj"] == body.group << 8 | body.variation


def test_damaged_frames_are_read_as_far_as_they_go() -> None:
    """Bytes are overwritten, left out and put in, checksums put right: every column can be made, and rows lie in the bytes."""
    chosen = random.Random(11)
    whole = [asked(READ), asked(OPERATE, 1), told(ANSWER), *pieces(LONG, 5)]
    for _ in range(300 if IS_LONG else 120):
        turns: list[Turn] = []
        for frame in whole:
            data = bytearray(DNP3(frame).payload.build())
            for _ in range(chosen.randrange(4)):
                data[chosen.randrange(len(data))] = chosen.randrange(256)
            if chosen.random() < 0.3:
                data = data[: chosen.randrange(1, len(data) + 1)]
            if chosen.random() < 0.3:
                data = (data + chosen.randbytes(chosen.randrange(40)))[:250]
            turns.append(("s", bytes(DNP3(dir=0, src=OUTSTATION, dst=MASTER) / Raw(bytes(data)))))
        found = framed(turns, NAMES)
        assert len(found) == len(whole)


def cleared(packet: Packet) -> Packet:
    """A packet that has to be built anew: no layer remembers its bytes, lengths and checksums are computed."""
    layer = packet
    while isinstance(layer, Packet) and layer.name != "NoPayload":
        layer.raw_packet_cache = None
        layer.raw_packet_cache_fields = None
        layer.explicit = 0
        for inner in layer.fields.get("objects", []):
            cleared(inner)
        layer = layer.payload
    if isinstance(packet, DNP3):
        packet.len = packet.crc = None
    return packet


@pytest.mark.parametrize("message", [READ, OPERATE, ANSWER, LONG], ids=["read", "operate", "answer", "long"])
def test_built_and_dissected(message: Packet) -> None:
    for frame in [asked(message)] if len(bytes(message)) < 250 else pieces(message):
        again = cleared(DNP3(frame))
        assert bytes(again) == frame


def test_a_restart_and_a_broadcast_are_told_from_their_fields() -> None:
    """What rules ask for."""
    (found,) = framed(
        [("c", bytes(DNP3(dir=1, src=MASTER, dst=65535) / DNP3Transport() / DNP3Request(func=13)))],
        (*HEAD, "dnp3.ctl.dir"),
    )
    assert found == {
        "dnp3.src": 3,
        "dnp3.dst": 65535,
        "dnp3.al.func": 13,
        "dnp3.al.seq": 0,
        "pdu.kind": "request",
        "dnp3.ctl.dir": True,
    }


def test_a_stream_with_a_gap_goes_on_behind_it() -> None:
    """What stood before the gap is given up, what begins behind it is found."""
    frames = segments([("c", asked(READ) + asked(OPERATE, 1)[:20])], [], CLIENT, SERVER)
    later = 1000 + len(asked(READ)) + len(asked(OPERATE, 1))
    frames += [tcp(SERVER, CLIENT, ACK, 5000, later),  # the other side has had what is not in the capture
               tcp(CLIENT, SERVER, PUSH | ACK, later, 5000, asked(DNP3Request(func=13), 2))]  # fmt: skip
    found = pdus_of(frames, "dnp3", HEAD)
    assert [one["dnp3.al.func"] for one in found if "dnp3.al.func" in one] == [1, 13]
