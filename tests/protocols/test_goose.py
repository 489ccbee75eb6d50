"""GOOSE against IEC 61850-8-1: the PDU's members, entries of data sets, and what a publisher's numbers say."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw

from detector.protocols.ber_layers import element
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.goose import ANOMALIES, DATA
from detector.protocols.goose_layers import GOOSE, GOOSEPDU, GOOSEData
from tests.protocols.link_frames import forgotten, rows_of

pytestmark = pytest.mark.kernel

RELAY, GROUP = "02:00:00:00:00:01", "01:0c:cd:01:00:01"
TIME = 1_700_000_000
NAMES = tuple(name for name in FIELDS if table_of(name) == "goose")
HEAD = ("goose.appid", "goose.gocbRef", "goose.stNum", "goose.sqNum", "pdu.kind", "pdu.anomaly")
VALUES = ("goose.Data", "goose_data.depth", "goose_data.entry")
STRUCTURE = GOOSEData(tag=0xA2, value=[GOOSEData(tag=0x83, value=b"\x01"), GOOSEData(tag=0xA1, value=[
    GOOSEData(tag=0x85, value=b"\xff"), GOOSEData(tag=0x85, value=b"\x01\x02")])])  # fmt: skip
ENTRIES = [
    GOOSEData(tag=0x83, value=b"\x01"), GOOSEData(tag=0x84, value=b"\x03\xa8"), GOOSEData(tag=0x85, value=b"\xff\x00"),
    GOOSEData(tag=0x86, value=b"\x00\xff\xff"), GOOSEData(tag=0x87, value=b"\x08\x41\x48\x00\x00"),
    GOOSEData(tag=0x87, value=b"\x0b" + struct.pack(">d", 1.5)), GOOSEData(tag=0x89, value=b"abc"), GOOSEData(tag=0x8A, value=b"hello"),
    GOOSEData(tag=0x8C, value=bytes(4)), GOOSEData(tag=0x8C, value=b"\x00\x00\x00\x01\x00\x02"), GOOSEData(tag=0x8D, value=b"\x12"),
    GOOSEData(tag=0x8E, value=b"\x04\xf0"), GOOSEData(tag=0x90, value=b"text"),
    GOOSEData(tag=0x91, value=struct.pack(">I", TIME) + b"\x80\x00\x00\x0a"), STRUCTURE, GOOSEData(tag=0xA2, value=[]),
]  # fmt: skip


def message(state: int = 1, sequence: int = 0, *data: Packet, source: str = RELAY, **more: Any) -> bytes:
    """A frame with a message; data: entries of its data set, one that is true unless some are given."""
    entries = list(data) or [GOOSEData(tag=0x83, value=b"\x01")]
    fields = {"t": TIME, "numDatSetEntries": len(entries), "allData": entries, **more}
    header = {name: fields.pop(name) for name in ("appid", "length", "reserve1", "reserve2") if name in fields}
    return bytes(Ether(src=source, dst=GROUP) / GOOSE(**header) / GOOSEPDU(stNum=state, sqNum=sequence, **fields))


def typical() -> list[bytes]:
    """What a relay sends: an event and its repetitions, with twenty-four entries."""
    entries = [
        GOOSEData(tag=0x84, value=b"\x03\x00\x00") if number & 1 else GOOSEData(tag=0x83, value=b"\x00")
        for number in range(24)
    ]
    return [message(7, sequence, *entries, goID="bay 1") for sequence in range(16)]


def managed(way: int, service: int, *parts: bytes, state: int = 5) -> bytes:
    """A frame with a management PDU; way 1 asks, 2 answers."""
    said = element(0xA0 | way, element(0xA0 | service if service else 0x80, b"".join(parts)))
    return bytes(Ether(src=RELAY, dst=GROUP) / GOOSE() / Raw(element(0x60, element(0x80, bytes([state])) + said)))


IDENT, OFFSETS = element(0x80, b"IED1LD0/LLN0$GO$gcb1"), element(0xA1, bytes.fromhex("020101 02020102"))
REFERENCES = element(0xA1, element(0x1A, b"a") + element(0x1A, b"bc"))
RESULTS = element(0xA1, element(0x80, b"\x02") + element(0x81, b"ref") + element(0x82, b"\x01"))
MANAGEMENT = [
    managed(1, 1, IDENT, OFFSETS), managed(1, 2, IDENT, REFERENCES), managed(1, 3, IDENT, OFFSETS), managed(1, 4, IDENT, REFERENCES),
    managed(2, 1, IDENT, element(0x81, b"\x03"), element(0xA2, element(0x80, b"ds") + RESULTS)), managed(2, 0),
    managed(2, 2, IDENT, element(0xA2, RESULTS)), managed(2, 4, IDENT, element(0x83, b"\x01")),
]  # fmt: skip


def anomalies(*frames: bytes, times: tuple[int, ...] = ()) -> list[str]:
    """The anomalies of each message."""
    found = [one.get("pdu.anomaly", []) for one in rows_of(frames, "goose", HEAD, times)]
    return [",".join(name.removeprefix("goose.") for name in ([one] if isinstance(one, str) else one)) for one in found]


def test_members() -> None:
    (one,) = rows_of(
        [message(3, 9, goID="x", simulation=1, reserve1=0x8000, confRev=300, ndsCom=1, t=TIME + 0.5)],
        "goose",
        (*NAMES, "pdu.kind"),
    )
    expected = {
        "goose.appid": 1, "goose.length": 98, "goose.reserve1": 0x8000, "goose.reserve1.s_bit": True, "goose.gocbRef": "IED1LD0/LLN0$GO$gcb1",
        "goose.timeAllowedtoLive": 2000, "goose.datSet": "IED1LD0/LLN0$ds1", "goose.goID": "x", "goose.t": f"{TIME}.500000000",
        "goose.stNum": 3, "goose.sqNum": 9, "goose.simulation": True, "goose.confRev": 300, "goose.ndsCom": True,
        "goose.numDatSetEntries": 1, "goose.allData": 1, "goose.boolean": True, "pdu.kind": "report",
    }  # fmt: skip
    assert {name: one.get(name) for name in expected} == {
        **expected,
        "goose.length": len(message(3, 9, goID="x", confRev=300)) - 14,
    }


def test_entries_of_every_type() -> None:
    (one,) = rows_of([message(1, 0, *ENTRIES)], "goose", NAMES)
    assert set(one["goose.Data"]) == set(DATA) - {8, 15}  # those that no profile of GOOSE has
    expected = {
        "goose.boolean": [True, True], "goose.bit_string": "a8", "goose.integer": [-256, -1, 258], "goose.unsigned": 65535,
        "goose.float_value": 12.5, "goose.octet_string": "61:62:63", "goose.visible_string": "hello", "goose.bcd": 18,
        "goose.binary_time": ["00:00:00:00", "00:00:00:01:00:02"], "goose.booleanArray": "f0", "goose.mMSString": "text",
        "goose.utc_time": f"{TIME}.500000000", "goose.structure": [2, 0], "goose.array": 2, "goose.allData": 16,
    }  # fmt: skip
    assert {name: one.get(name) for name in expected} == expected


def test_what_is_in_structures_follows_them() -> None:
    (one,) = rows_of([message(1, 0, ENTRIES[0], STRUCTURE, ENTRIES[0])], "goose", VALUES)
    assert one["goose.Data"] == [3, 2, 3, 1, 5, 5, 3]
    assert one["goose_data.depth"] == [0, 0, 1, 1, 2, 2, 0] and one["goose_data.entry"] == [1, 2, 2, 2, 2, 2, 3]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_batches_change_nothing(size: int) -> None:
    frames = [
        message(1, 0),
        message(1, 1),
        message(2, 0, *ENTRIES),
        message(2, 3, *ENTRIES),
        message(2, 3, *ENTRIES),
        b"\x00" * 20,
    ]
    assert rows_of(frames, "goose", NAMES, size=size) == rows_of(frames, "goose", NAMES)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [([(1, 0), (1, 1), (2, 0), (2, 1)], ["", "", "", ""]), ([(4294967295, 0), (1, 0)], ["", ""]), ([(5, 4294967295), (5, 0)], ["", ""]),
     ([(5, 1), (7, 0), (6, 0), (7, 1)], ["", "stnum_jump", "replayed", ""]), ([(5, 1), (5, 3), (5, 4)], ["", "sqnum_gap", ""]),
     ([(5, 1), (5, 1), (5, 2)], ["", "replayed", ""]), ([(5, 7), (6, 1), (6, 2)], ["", "sqnum_start", ""]),
     ([(5, 7), (4, 8), (5, 8)], ["", "replayed", ""]), ([(9, 7), (1, 0), (1, 1)], ["", "replayed", "replayed"])],
    ids=str,
)  # fmt: skip
def test_numbers_of_states_and_messages(frames: list[tuple[int, int]], expected: list[str]) -> None:
    """18.1.2.5: a state number goes up by one with each change, and the sequence number begins at 0 with it."""
    assert anomalies(*(message(*one) for one in frames)) == expected


def test_a_publisher_begins_anew() -> None:
    """After a restart the first state is younger than the latest one before it."""
    assert anomalies(message(9, 7), message(1, 0, t=TIME + 100), message(1, 1, t=TIME + 100)) == ["", "restarted", ""]
    assert anomalies(message(1, 7), message(1, 1, t=TIME + 100), message(1, 2, t=TIME + 100)) == ["", "restarted", ""]


def test_time_allowed_to_live() -> None:
    """Behind it any message begins the numbers anew, as for a subscriber."""
    frames = [message(5, sequence, timeAllowedtoLive=100) for sequence in (1, 2, 3)]
    assert anomalies(*frames, times=(0, 100, 201)) == ["", "", "ttl_expired"]
    frames = [message(*one) for one in ((5, 0), (99, 0), (5, 1), (5, 2), (5, 3))]
    assert anomalies(*frames, times=(0, 500, 1000, 2400, 2600)) == [
        "", "stnum_jump", "replayed", "replayed", "replayed,ttl_expired",
    ]  # fmt: skip
    assert anomalies(*frames, message(5, 4), times=(0, 500, 1000, 2400, 2600, 3000))[-1] == ""


def test_what_a_state_says() -> None:
    other = GOOSEData(tag=0x83, value=b"\x00")
    assert anomalies(message(5, 0), message(5, 1, other)) == ["", "data_changed"]
    assert anomalies(message(5, 0), message(6, 0, other, t=TIME - 100)) == ["", "time_back"]
    assert anomalies(message(5, 0), message(5, 1, confRev=2)) == ["", "confrev_changed"]


def test_each_control_block_has_numbers_of_its_own() -> None:
    """By its name, its sender and its application."""
    others = [message(50, 0, source="02:00:00:00:00:09"), message(60, 0, gocbRef="other"), message(70, 0, appid=2)]
    assert anomalies(message(5, 0), *others, message(5, 1), times=(0, 1, 2, 3, 4)) == [""] * 5


def test_what_a_mirror_port_repeats_is_not_replayed() -> None:
    """The same frame within a millisecond, as packet.anomaly says."""
    assert anomalies(message(5, 0), message(5, 0), times=(10, 10)) == ["", ""]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [(message(length=300), "invalid_length"), (message(length=40), "invalid_length"), (message(length=8), "invalid_length"),
     (message(numDatSetEntries=2), "invalid_entries"), (message(confRev=None), "missing_member"),
     (message(reserve1=0x8000), "invalid_simulation"), (message(1, 0, GOOSEData(tag=0x8B, value=b"x")), "invalid_pdu"),
     (message(1, 0, GOOSEData(tag=0xA2, value=b"\x83\x05\x01")), "invalid_pdu"), (message(rest=b"\x8c\x01\x00"), "invalid_pdu"),
     (message(t=b"\x01\x02"), "invalid_pdu,missing_member"), (message(ndsCom=255), "invalid_pdu"), (bytes(Ether(type=0x88B8) / Raw(bytes(5))), "invalid_length"),
     (bytes(Ether() / GOOSE() / Raw(b"\x65\x01\x00")), "invalid_pdu"), (bytes(Ether() / GOOSE() / Raw(b"\x61\x80\x00\x00")), "invalid_pdu")],
)  # fmt: skip
def test_what_is_wrong_has_a_name(frame: bytes, expected: str) -> None:
    assert anomalies(frame) == [expected]


def test_every_anomaly_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [name for name in ANOMALIES if name.removeprefix("goose.") not in text] == []


def test_nesting_is_bounded() -> None:
    """Sixteen levels; what is deeper is not read, and every byte is looked at once."""
    data = b"\x83\x01\x00"
    for _ in range(600):
        data = element(0xA2, data)
    (one,) = rows_of([message(1, 0, Raw(data[4:]), numDatSetEntries=1)], "goose", (*VALUES, "pdu.kind", "pdu.anomaly"))
    assert one["pdu.kind"] == "malformed" and len(one["goose.Data"]) == 16


def test_padding_and_tags() -> None:
    """What fills a frame up is no part of it; a message is found behind VLAN tags, and belongs to its flow."""
    short = message(1, 0) + bytes(30)
    tagged = bytes(Ether(src=RELAY, dst=GROUP) / Dot1Q(vlan=7) / GOOSE(message(1, 1)[14:]))
    found = rows_of([short, tagged, message(1, 2, appid=2)], "goose", (*HEAD, "vlan.id", "flow.id"))
    assert [one.get("vlan.id") for one in found] == [None, 7, None] and "pdu.anomaly" not in found[0]
    assert found[0]["flow.id"] == found[1]["flow.id"] != found[2]["flow.id"]


def test_further_pdus_of_a_frame_are_rows() -> None:
    frame = bytes(Ether(src=RELAY, dst=GROUP) / GOOSE() / GOOSEPDU(sqNum=0) / GOOSEPDU(sqNum=1) / GOOSEPDU(sqNum=2))
    found = rows_of([frame], "goose", HEAD)
    assert [one["goose.sqNum"] for one in found] == [0, 1, 2] and ["goose.appid" in one for one in found] == [
        True,
        False,
        False,
    ]


def test_management() -> None:
    """Annex A: what is asked about a control block, and what is answered."""
    names = ("goose.stateID", "goose.requests", "goose.responses", "goose.offset_item", "goose.references_item", "goose.posNeg", "goose.offset",
             "goose.reference", "goose.error", "goose.confRev", "goose.datSet", "goose.responseNegative", "pdu.kind", "pdu.anomaly")  # fmt: skip
    found = rows_of(MANAGEMENT, "goose", names)
    assert [one["pdu.kind"] for one in found] == ["request"] * 4 + ["response", "exception", "response", "exception"]
    assert found[0] == {"goose.stateID": 5, "goose.requests": 1, "goose.offset_item": [1, 258], "pdu.kind": "request"}
    assert found[1]["goose.references_item"] == ["a", "bc"] and found[7]["goose.responseNegative"] == 1
    assert found[4] == {"goose.stateID": 5, "goose.responses": 1, "goose.posNeg": 2, "goose.offset": 2, "goose.reference": "ref", "goose.error": 1,
                        "goose.confRev": 3, "goose.datSet": "ds", "pdu.kind": "response"}  # fmt: skip
    assert anomalies(managed(1, 1, IDENT, REFERENCES), managed(1, 9), managed(2, 1, element(0x85, b""))) == ["invalid_pdu", "invalid_pdu,missing_member", "invalid_pdu"]  # fmt: skip


def test_damaged_frames_are_read_as_far_as_they_go() -> None:
    """Every column can be made of whatever an attacker sends."""
    chosen, frames = random.Random(3), []
    whole = [message(2, 0, *ENTRIES), *MANAGEMENT]
    for _ in range(900):
        data = bytearray(chosen.choice(whole))
        for _ in range(chosen.randrange(1, 8)):
            data[chosen.randrange(14, len(data))] = chosen.randrange(256)
        frames.append(bytes(data[: chosen.randrange(14, len(data)) if chosen.random() < 0.3 else len(data)]))
    assert len(rows_of(frames, "goose", NAMES)) >= 900


def test_built_and_dissected() -> None:
    for frame in (message(1, 0, *ENTRIES), message(300, 70000, goID="é", rest=b"\x8c\x01\x00"), message(t=b"x")):
        assert bytes(GOOSE(frame[14:])) == frame[14:]
        assert bytes(forgotten(GOOSE(frame[14:]))) == frame[14:]
    again = GOOSE(message(3, 4, *ENTRIES)[14:])[GOOSEPDU]
    assert (again.stNum, again.sqNum, again.t[:4], len(again.allData)) == (3, 4, struct.pack(">I", TIME), 16)
    longer = message(1, 0)[14:].replace(b"\x85\x01\x01", b"\x85\x02\x00\x01")  # a number in more octets than it takes
    assert bytes(forgotten(GOOSE(longer)))[8:] == longer[8:]


def test_scapy_reads_whatever_there_is() -> None:
    chosen, whole = random.Random(5), message(2, 0, *ENTRIES)[14:]
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chosen.randrange(1, 8)):
            data[chosen.randrange(len(data))] = chosen.randrange(256)
        GOOSE(bytes(data)).show(dump=True)
