"""PRP and HSR against IEC 62439-3: where tags and trailers are found, and which frames are copies of others."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from detector.packets.decode import DecodeSettings
from detector.packets.redundancy import FIELDS
from detector.pipeline import Decoding, PipelineSettings
from tests.flows.frames import SECOND, batches
from tests.protocols.link_frames import MILLISECOND
from tests.protocols.test_goose import GROUP, RELAY, message

pytestmark = pytest.mark.kernel

NODE, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
DATAGRAM = bytes(
    Ether(src=RELAY, dst=GROUP) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / Raw(b"x" * 40)
)
KEEP = DecodeSettings(drop_redundant=False)
LANS = (10, 11)


def prp(frame: bytes, number: int, lan: int, tags: int = 0, size: int | None = None) -> bytes:
    """A frame as it goes over one of the LANs."""
    return frame + struct.pack(
        ">HHH", number, lan << 12 | (len(frame) - 8 - 4 * tags if size is None else size), 0x88FB
    )


def hsr(frame: bytes, number: int, path: int = 0, tags: int = 0) -> bytes:
    """A frame as it goes one way round the ring; the tag stands behind VLAN tags."""
    at = 12 + 4 * tags
    return frame[:at] + struct.pack(">HHH", 0x892F, path << 12 | (len(frame) - at + 4), number) + frame[at:]


def supervision(said: bytes) -> bytes:
    """A supervision frame."""
    return bytes(Ether(src=RELAY, dst="01:15:4e:00:01:00", type=0x88FB) / Raw(said))


def rows_of(
    frames: Sequence[bytes], times: Sequence[int] = (), size: int = 1000, settings: DecodeSettings | None = None
) -> tuple[list[int], int]:
    """(numbers of frames that have rows, how many were copies); times in ms."""
    decoding, found = Decoding(PipelineSettings(decode=settings or DecodeSettings())), []
    stamps = [SECOND + MILLISECOND * time for time in (times or range(len(frames)))]
    for batch in batches(frames, stamps, size):
        packets, _ = decoding.tables(batch)
        found += [stamps.index(time) + 1 for time in batch.times[packets.structure.packet].tolist()]
    return found, decoding.anomalies["packet.redundant"]


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("frame", [message(1, 0), DATAGRAM], ids=["goose", "ip"])
def test_one_of_two_copies_is_left(frame: bytes, size: int) -> None:
    over_lans = [prp(frame, number, lan) for number in range(3) for lan in LANS]
    assert rows_of(over_lans, size=size) == ([1, 3, 5], 3)
    assert rows_of(over_lans, size=size, settings=KEEP) == ([1, 2, 3, 4, 5, 6], 3)
    assert rows_of([hsr(frame, number, way) for number in range(3) for way in (0, 1)], size=size) == ([1, 3, 5], 3)


def test_what_differs_is_no_copy() -> None:
    """Content that hides behind another frame's number is judged, and so is what comes the same way again."""
    assert rows_of([prp(message(1, 0), 7, 10), prp(message(99, 0), 7, 11)]) == ([1, 2], 0)
    assert rows_of([prp(message(1, 0), 7, 10), prp(message(1, 0), 8, 11)]) == ([1, 2], 0)
    assert rows_of([prp(message(1, 0), 7, 10), prp(message(1, 0), 7, 10)]) == ([1, 2], 0)
    assert rows_of([prp(message(1, 0), 7, lan) for lan in (10, 11, 11, 10)]) == ([1, 3, 4], 1)
    assert rows_of([message(1, 0), message(1, 0)], times=[0, 5]) == ([1, 2], 0)
    assert rows_of([hsr(message(1, 0, source="02:00:00:00:00:09"), 1, 0), hsr(message(1, 0), 1, 1)]) == ([1, 2], 0)


def test_frames_too_long_to_be_kept_are_no_copies() -> None:
    long = bytes(Ether(src=RELAY, dst=GROUP, type=0x88B5) / Raw(bytes(1600)))
    assert rows_of([prp(long, 7, lan) for lan in LANS]) == ([1, 2], 0)


def test_nodes_forget_after_400_ms() -> None:
    """Table 8, EntryForgetTime."""
    copies = [prp(message(1, 0), 7, lan) for lan in LANS]
    assert rows_of(copies, times=[0, 400]) == ([1], 1) and rows_of(copies, times=[0, 401]) == ([1, 2], 0)


def test_a_copy_is_no_replay() -> None:
    decoding = Decoding(PipelineSettings())
    frames = [prp(message(1, number), number, lan) for number in range(4) for lan in LANS]
    for batch in batches(frames, [SECOND + MILLISECOND * number for number in range(len(frames))], 3):
        decoding.tables(batch)
    assert decoding.pdus["goose"] == 4 and decoding.anomalies == {"packet.redundant": 4}


def test_state_goes_on() -> None:
    first, second = Decoding(PipelineSettings()), Decoding(PipelineSettings())
    one, other = batches([prp(message(1, 0), 7, lan) for lan in LANS], [SECOND, SECOND + MILLISECOND], 1)
    first.tables(one)
    second.restore(first.state())
    assert second.tables(other)[0].rows == 0


def test_tags_and_trailers() -> None:
    """Behind VLAN tags, and before them; of a trailer its LAN and its suffix decide."""
    tagged = bytes(Ether(src=RELAY, dst=GROUP) / Dot1Q(vlan=7) / Raw(message(1, 0)[14:]))
    tagged = tagged[:16] + b"\x88\xb8" + tagged[18:]
    frames = [
        prp(tagged, 3, 11, 1),
        prp(message(1, 0), 4, 5),
        hsr(tagged, 5, 3, 1),
        hsr(tagged, 6, 0),
        hsr(message(1, 0), 1)[:17],
    ]
    (batch,) = batches(frames, [SECOND + number for number in range(len(frames))], 100)
    table = Decoding(PipelineSettings()).tables(batch)[0]
    assert [table.column("prp.trailer.prp_lan").at(row) for row in range(5)] == [[11], [], [], [], []]
    assert [table.column("hsr.path").at(row) for row in range(5)] == [[], [], [3], [0], []]
    assert [table.column("vlan.id").at(row) for row in range(5)] == [[7], [], [7], [7], []]
    assert table.column("packet.anomaly").at(4) == ["hsr.pkt_too_small"]


def test_supervision_frames() -> None:
    frames = [
        supervision(struct.pack(">HH", 1, 5) + b"\x14\x06" + NODE + b"\x1e\x06" + OTHER + bytes(20)),
        supervision(struct.pack(">H", 0) + b"\x15\x0c" + NODE + OTHER + b"\x1f\x06" + OTHER + bytes(20)), supervision(b"\x00"),
    ]  # fmt: skip
    (batch,) = batches(frames, [SECOND] * 3, 100)
    table = Decoding(PipelineSettings()).tables(batch)[0]
    values = {
        field.field.name.split(".", 1)[1]: table.column(field.field.name)
        for field in FIELDS
        if "supervision" in field.field.name
    }
    assert (
        values["tlv.type"].at(0) == [20, 30, 0]
        and values["tlv.type"].at(1) == [21, 31]
        and values["tlv.type"].at(2) == []
    )
    assert values["supervision_seqno"].at(0) == [5] and values["supervision_seqno"].at(1) == []
    assert values["source_mac_address"].at(0) == ["02:00:00:00:00:01"] and values["source_mac_address_B"].at(1) == [
        "02:00:00:00:00:02"
    ]


def test_damaged_frames_are_read_as_far_as_they_go() -> None:
    chosen, frames = random.Random(9), []
    whole = [hsr(prp(message(1, 0), 1, 10), 1), supervision(struct.pack(">HH", 1, 5) + b"\x14\x06" + NODE + bytes(30))]
    for number in range(600):
        data = bytearray(whole[number & 1])
        for _ in range(chosen.randrange(1, 6)):
            data[chosen.randrange(12, len(data))] = chosen.randrange(256)
        frames.append(bytes(data[: chosen.randrange(8, len(data)) if chosen.random() < 0.3 else len(data)]))
    (batch,) = batches(frames, [SECOND + number for number in range(600)], 1000)
    table = Decoding(PipelineSettings(decode=KEEP)).tables(batch)[0]
    assert {len(table.column(field.field.name).flat()[0]) >= 0 for field in FIELDS} == {True} and table.rows == 600
