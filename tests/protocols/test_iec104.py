"""IEC 60870-5-104 against the standard: formats, sequence numbers, ASDUs of every type, commands and their confirmations."""

from __future__ import annotations

import random
from typing import Any

import pytest
from scapy.packet import Packet, Raw

from detector.protocols.fields import FIELDS, table_of
from detector.protocols.iec104_layers import IEC104, IEC104ASDU, IEC104Element, IEC104Object
from tests.flows.frames import End
from tests.protocols.streams import Turn, pdus_of, segments
from tests.samples import IS_LONG

pytestmark = pytest.mark.kernel

CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 2404)
HEAD = (
    "iec60870_104.type",
    "iec60870_104.tx",
    "iec60870_asdu.typeid",
    "iec60870_asdu.causetx",
    "pdu.kind",
    "pdu.anomaly",
)
POINTS = (
    "iec60870_asdu.ioa",
    "iec60870_asdu.siq.spi",
    "iec60870_asdu.scalval",
    "iec60870_asdu.sco.on",
    "iec60870_asdu.sco.se",
)
NAMES = tuple(name for name in FIELDS if table_of(name) == "iec60870_104")
STARTDT, STARTDT_CON = IEC104(control=1, tx=3), IEC104(control=1, tx=5)


def unit(sent: int, typeid: int, cause: int, *objects: Packet, received: int = 0, **more: Any) -> bytes:
    """An APDU with an ASDU."""
    asdu = IEC104ASDU(typeid=typeid, causetx=cause, objects=list(objects), **{"numix": len(objects), **more})
    return bytes(IEC104(tx=sent, rx=received) / asdu)


def framed(turns: list[Turn], fields: tuple[str, ...] = HEAD, sizes: list[int] | None = None, size: int = 1000,
           server: End = SERVER) -> list[dict[str, Any]]:  # fmt: skip
    return pdus_of(segments(turns, sizes or [], CLIENT, server), "iec60870_104", fields, size)


def command(sent: int, cause: int, octet: int, ioa: int = 5001) -> bytes:
    """C_SC_NA_1."""
    return unit(sent, 45, cause, IEC104Object(ioa=ioa, data=bytes([octet])))


def set_point(sent: int, cause: int, value: bytes, qualifier: int, typeid: int = 50, time: bytes = b"") -> bytes:
    """C_SE_NC_1, or C_SE_TC_1 with a time."""
    return unit(sent, typeid, cause, IEC104Object(ioa=6001, data=value + bytes([qualifier]) + time))


@pytest.mark.parametrize(
    ("commands", "differs"),
    [
        ([command(0, 6, 0x81), command(1, 6, 0x01)], False),
        ([command(0, 6, 0x81), command(1, 6, 0x00)], True),  # off, and on was selected
        ([command(0, 6, 0x81), command(1, 6, 0x01, ioa=5002)], True),  # another switch
        ([command(0, 6, 0x81), command(1, 6, 0x80, ioa=5002), command(2, 6, 0x00, ioa=5002)], False),  # selected later
        ([command(0, 6, 0x81), command(1, 8, 0x81), command(2, 6, 0x00)], False),  # broken off between
        ([command(0, 6, 0x81), command(1, 6, 0x01), command(2, 6, 0x00)], False),  # done, then one without a select
        ([command(0, 6, 0x01)], False),
        ([command(0, 6, 0x81), set_point(1, 6, bytes(4), 0), command(2, 6, 0x01)], False),  # a set point between
        ([set_point(0, 6, b"\0\0\x80\x3f", 0x80), set_point(1, 6, b"\0\0\x80\x3f", 0)], False),
        ([set_point(0, 6, b"\0\0\x80\x3f", 0x80), set_point(1, 6, b"\0\0\x80\x40", 0)], True),
        ([set_point(0, 6, b"\0\0\x80\x3f", 0x80, 63, bytes(7)), set_point(1, 6, b"\0\0\x80\x3f", 0, 63, bytes([1] * 7))], False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sizes", [[], [1]])
def test_what_is_executed_is_what_was_selected(commands: list[bytes], differs: bool, sizes: list[int]) -> None:
    """IEC 60870-5-101, 6.8; times are those of each message."""
    found = framed([("c", one) for one in commands], ("pdu.anomaly",), sizes)
    last = {"pdu.anomaly": "iec60870_104.execute_differs"} if differs else {}
    assert found == [{}] * (len(commands) - 1) + [last]


def conversation() -> list[Turn]:
    """What a control centre says and hears, each side's octets in one piece."""
    points = [IEC104Object(ioa=100, data=b"\x01"), *(IEC104Element(data=bytes([number & 1])) for number in range(19))]
    values = [
        IEC104Object(ioa=ioa, data=(ioa * 100 - 40000).to_bytes(2, "little", signed=True) + b"\x00")
        for ioa in (300, 500)
    ]
    asked = [
        bytes(STARTDT),
        unit(0, 100, 6, IEC104Object(ioa=0, data=b"\x14")),
        command(1, 6, 0x81),
        command(2, 6, 0x01),
        bytes(IEC104(control=1, rx=3)),
    ]
    told = [bytes(STARTDT_CON), unit(0, 100, 7, IEC104Object(ioa=0, data=b"\x14")), unit(1, 1, 20, *points, sq=1), unit(2, 11, 20, *values),
            unit(3, 100, 10, IEC104Object(ioa=0, data=b"\x14")), command(4, 7, 0x81), command(5, 7, 0x01)]  # fmt: skip
    return [("c", b"".join(asked)), ("s", b"".join(told))]


def typical() -> list[Turn]:
    """What most of such traffic is: spontaneous values, confirmed now and then."""
    values = [IEC104Object(ioa=ioa, data=bytes([ioa, 1, 0])) for ioa in range(4)]
    return [("s", unit(number, 11, 3, *values)) for number in range(8)] + [("c", bytes(IEC104(control=1, rx=8)))]


def test_formats_and_kinds() -> None:
    found = framed(conversation(), (*HEAD, "iec60870_104.utype", "iec60870_104.rx", "pdu.request_frame"))
    assert [one["pdu.kind"] for one in found] == ["link", "request", "request", "request", "link",
                                                  "link", "response", "report", "report", "response", "response", "response"]  # fmt: skip
    assert [one.get("iec60870_104.utype") for one in found] == [1, *[None] * 4, 2, *[None] * 6]
    assert found[4]["iec60870_104.rx"] == 3 and "iec60870_104.tx" not in found[4]
    assert {one["pdu.request_frame"] for one in found if one["pdu.kind"] == "response"} == {4}
    assert not any("pdu.anomaly" in one for one in found)


def test_objects_in_sequence_and_one_by_one() -> None:
    """7.2.2.1: one address for all, or one for each."""
    found = framed(conversation(), (*HEAD, *POINTS))
    assert found[7]["iec60870_asdu.ioa"] == [*range(100, 120)]
    assert found[7]["iec60870_asdu.siq.spi"] == [True, *(bool(number & 1) for number in range(19))]
    assert found[8]["iec60870_asdu.ioa"] == [300, 500] and found[8]["iec60870_asdu.scalval"] == [-10000, 10000]


def test_select_and_execute() -> None:
    first, second = (
        one
        for one in framed(conversation(), (*HEAD, *POINTS))
        if one.get("pdu.kind") == "request" and one["iec60870_asdu.typeid"] == 45
    )
    assert (first["iec60870_asdu.sco.se"], second["iec60870_asdu.sco.se"]) == (True, False)
    assert first["iec60870_asdu.ioa"] == 5001 and second["iec60870_asdu.sco.on"] is True


CUTS: list[list[int]] = [[], [1], [2], [3], [6], [7], [100], [1, 5, 1, 300]]


@pytest.mark.parametrize("sizes", CUTS, ids=str)
@pytest.mark.parametrize("size", [1, 1000])
def test_apdus_do_not_depend_on_segments(sizes: list[int], size: int) -> None:
    fields = (*HEAD, *POINTS)
    assert framed(conversation(), fields, sizes, size) == framed(conversation(), fields)


@pytest.mark.parametrize("sizes", CUTS, ids=str)
def test_what_is_no_apdu_is_skipped_and_told_once(sizes: list[int]) -> None:
    turns: list[Turn] = [
        ("c", b"junk" + bytes(STARTDT) + b"\x00\x00" + command(0, 6, 1) + b"\x68\x04\x01"),
        ("s", bytes(STARTDT_CON)),
    ]
    found = framed(turns, HEAD, sizes)
    assert [one.get("pdu.anomaly") for one in found] == [
        "iec60870_104.invalid_start",
        None,
        "iec60870_104.invalid_start",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("octets", "anomaly"),
    [("6803010000", "invalid_length"), ("680500000000 01", "invalid_length"), ("680443000000", None), ("680501000000 00", "invalid_length"),
     ("680400000000", "invalid_length"), ("680e 00000000 2d01060001000100 00 81", None), ("680f 00000000 2d01060001000100 00 8100", "invalid_objects"),
     ("680e 00000000 2d02060001000100 00 81", "invalid_objects"), ("680e 00000000 1a01060001000100 00 81", "invalid_type"),
     ("680e 00000000 2d01070001000100 00 81", "unsolicited_response")],
)  # fmt: skip
def test_what_is_wrong_has_a_name(octets: str, anomaly: str | None) -> None:
    (found,) = framed([("c", bytes.fromhex(octets))])
    expected = None if anomaly is None else f"iec60870_104.{anomaly}"
    assert found.get("pdu.anomaly") in (
        expected,
        [expected, "iec60870_104.invalid_length"],
        ["iec60870_104.invalid_length", expected],
    )


def test_sequence_numbers() -> None:
    """5.1: one more each time, and after 32767 comes 0; a gap is told, and counting goes on behind it."""
    turns: list[Turn] = [("c", b"".join(command(sent, 6, 1) for sent in (32766, 32767, 0, 1, 3, 4)))]
    assert [one.get("pdu.anomaly") for one in framed(turns)] == [None] * 4 + ["iec60870_104.sequence", None]


def test_a_refusal() -> None:
    """Causes 44 to 47."""
    turns: list[Turn] = [("c", command(0, 6, 1)), ("s", unit(0, 45, 47, IEC104Object(ioa=5001, data=b"\x01"), nega=1))]
    found = framed(turns, (*HEAD, "pdu.request_frame", "iec60870_asdu.nega"))
    assert (
        found[1]["pdu.kind"] == "exception"
        and found[1]["pdu.request_frame"] == 4
        and found[1]["iec60870_asdu.nega"] is True
    )


def test_on_another_port() -> None:
    """By the unnumbered APDU that every connection begins with."""
    server = ("10.0.0.2", 19998)
    turns: list[Turn] = [("c", bytes(STARTDT)), ("s", bytes(STARTDT_CON)), ("c", command(0, 6, 1))]
    assert [one["pdu.kind"] for one in framed(turns, server=server)] == ["link", "link", "request"]
    assert framed([("c", command(0, 6, 1)), ("s", bytes(STARTDT_CON)[:5])], server=server) == []


def test_time_tags() -> None:
    """7.2.6.18: 29 February 2024, 23:59:58.765; and one whose day does not exist counts on."""
    tag = (58765).to_bytes(2, "little") + bytes([59, 23, 29 | 4 << 5, 2, 24])
    other = (0).to_bytes(2, "little") + bytes([0, 0, 31, 4, 99])
    found = framed([("s", unit(0, 30, 3, IEC104Object(ioa=1, data=b"\x01" + tag), IEC104Object(ioa=2, data=b"\x00" + other)))],
                   ("iec60870_asdu.cp56time", "iec60870_asdu.cp56time.dow"))  # fmt: skip
    assert found[0]["iec60870_asdu.cp56time"] == ["1709251198.765000000", "925516800.000000000"]


def test_damaged_apdus_are_read_as_far_as_they_go() -> None:
    """A length that was overwritten may take what follows with it; every column can be made all the same."""
    chosen, rows = random.Random(12), 0
    for _ in range(300 if IS_LONG else 120):
        data = bytearray(b"".join(data for _, data in conversation()))
        for _ in range(chosen.randrange(1, 6)):
            data[chosen.randrange(len(data))] = chosen.randrange(256)
        at = chosen.randrange(len(data))
        cut = bytes(data[:at]) + chosen.randbytes(chosen.randrange(20)) + bytes(data[at:])
        rows += len(framed([("s", cut)], NAMES))
    assert rows > 1000


def cleared(packet: Packet) -> Packet:
    """A packet that has to be built anew: no layer remembers its bytes, lengths are computed."""
    layer = packet
    while isinstance(layer, Packet) and layer.name != "NoPayload":
        layer.raw_packet_cache = None
        layer.raw_packet_cache_fields = None
        layer.explicit = 0
        for inner in layer.fields.get("objects", []):
            cleared(inner)
        layer = layer.payload
    if isinstance(packet, IEC104):
        packet.len = None
    return packet


def test_built_and_dissected() -> None:
    for _, data in conversation():
        left = IEC104(data)
        assert bytes(left) == data
        first = data[: 2 + data[1]]
        assert bytes(cleared(IEC104(first))) == first
    whole = unit(
        3, 13, 3, IEC104Object(ioa=7, data=b"\x00\x00\x80\x3f\x00"), IEC104Object(ioa=9, data=b"\x00\x00\x00\x40\x10")
    )
    again = cleared(IEC104(whole))
    assert bytes(again) == whole and [one.ioa for one in again[IEC104ASDU].objects] == [7, 9] and Raw not in again
