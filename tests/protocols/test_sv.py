"""Sampled Values against IEC 61850-9-2: frames, ASDUs, and samples that follow on each other."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from detector.protocols.fields import FIELDS, table_of
from detector.protocols.sv import ANOMALIES
from detector.protocols.sv_layers import SV, SVASDU, SVPDU
from tests.protocols.link_frames import forgotten, rows_of

pytestmark = pytest.mark.kernel

UNIT, GROUP = "02:00:00:00:00:01", "01:0c:cd:04:00:01"
TIME = 1_700_000_000
NAMES = tuple(name for name in FIELDS if table_of(name) == "sv")
HEAD = ("sv.appid", "sv.svID", "sv.smpCnt", "pdu.kind", "pdu.anomaly")
MAKER = bytes.fromhex("001122fffe334455")


def sample(number: int, **more: Any) -> SVASDU:
    """An ASDU with eight values."""
    return SVASDU(smpCnt=number, **{"seqData": struct.pack(">iI", number * 10, 0) * 8, **more})


def frame(*samples: SVASDU, source: str = UNIT, count: int | None = None, rest: bytes = b"", **header: Any) -> bytes:
    """A frame of some ASDUs."""
    pdu = SVPDU(noASDU=len(samples) if count is None else count, seqASDU=list(samples), rest=rest)
    return bytes(Ether(src=source, dst=GROUP) / SV(**header) / pdu)


def typical() -> list[bytes]:
    """What a merging unit sends: one sample a frame."""
    return [frame(sample(number)) for number in range(16)]


def anomalies(*frames: bytes, times: tuple[int, ...] = ()) -> list[str]:
    """The anomalies of each frame."""
    found = [one.get("pdu.anomaly", []) for one in rows_of(frames, "sv", HEAD, times)]
    return [",".join(name.removeprefix("sv.") for name in ([one] if isinstance(one, str) else one)) for one in found]


def numbered(*numbers: int) -> list[str]:
    """The anomalies of samples with these numbers."""
    return anomalies(*(frame(sample(number)) for number in numbers))


def test_members() -> None:
    first = sample(400, datSet="DS1", refrTm=TIME + 0.25, smpRate=80, smpMod=1, gmidData=MAKER)
    (one,) = rows_of(
        [frame(first, sample(401, smpSynch=200, gmidData=bytes(8)), appid=0x4001)], "sv", (*NAMES, "pdu.kind")
    )
    expected = {
        "sv.appid": 0x4001, "sv.noASDU": 2, "sv.seqASDU": 2, "sv.svID": ["MU01", "MU01"], "sv.datSet": "DS1", "sv.smpCnt": [400, 401],
        "sv.confRev": [1, 1], "sv.refrTm": f"{TIME}.250000000", "sv.smpSynch": [2, 200], "sv.smpRate": 80, "sv.smpMod": 1,
        "sv.gmidentity": [int.from_bytes(MAKER), 0], "sv.gmidentity_manuf": "00:11:22", "pdu.kind": "report", "sv.reserve1.s_bit": False,
    }  # fmt: skip
    assert {name: one.get(name) for name in expected} == expected
    assert [len(text) for text in one["sv.seqData"]] == [64 * 3 - 1] * 2


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_batches_change_nothing(size: int) -> None:
    frames = [
        frame(sample(0), sample(1)),
        frame(sample(2), sample(3)),
        frame(sample(9)),
        frame(sample(9)),
        b"\x00" * 20,
    ]
    assert rows_of(frames, "sv", NAMES, size=size) == rows_of(frames, "sv", NAMES)


def test_numbers_of_samples() -> None:
    """They go up by one, and begin anew at 0 with each second."""
    assert numbered(3998, 3999, 0, 1, 2) == [""] * 5
    assert numbered(1, 2, 4, 5) == ["", "", "smpcnt_gap", ""]
    assert numbered(1, 2, 2, 3) == ["", "", "replayed", ""]
    assert numbered(1000, 900, 901) == ["", "replayed", ""]
    assert numbered(3999, 0, 1, 3998, 0) == ["", "", "", "smpcnt_gap", "smpcnt_gap"]
    assert numbered(3997, 3, 4) == ["", "smpcnt_gap", ""]


def test_samples_of_one_frame_follow_on_each_other() -> None:
    assert anomalies(frame(sample(0), sample(1)), frame(sample(2), sample(4))) == ["", "smpcnt_gap"]


def test_each_stream_has_numbers_of_its_own() -> None:
    others = [
        frame(sample(9), source="02:00:00:00:00:09"),
        frame(sample(9, svID="other")),
        frame(sample(9), appid=0x4002),
    ]
    assert anomalies(frame(sample(0)), *others, frame(sample(1))) == [""] * 5


def test_what_a_stream_says() -> None:
    assert anomalies(frame(sample(0)), frame(sample(1, confRev=2))) == ["", "confrev_changed"]
    assert anomalies(frame(sample(0)), frame(sample(1, smpSynch=0)), frame(sample(2))) == ["", "sync_lost", ""]


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(frame(sample(0), length=300), "invalid_length"), (frame(sample(0), length=8), "invalid_length"), (frame(sample(0), count=2), "invalid_count"),
     (frame(sample(0, confRev=None)), "missing_member"), (frame(sample(0, rest=b"\x8b\x01\x00")), "invalid_pdu"),
     (frame(sample(0), rest=b"\x85\x01\x00"), "invalid_pdu"), (bytes(Ether(type=0x88BA) / Raw(bytes(5))), "invalid_length"),
     (bytes(Ether() / SV() / Raw(b"\x61\x00")), "invalid_pdu"), (bytes(Ether() / SV() / SVPDU(seqASDU=None)), "missing_member"),
     (bytes(Ether() / SV() / SVPDU(seqASDU=[Raw(b"\x30\x7f\x00")])), "invalid_pdu,invalid_count")],
)  # fmt: skip
def test_what_is_wrong_has_a_name(octets: bytes, expected: str) -> None:
    assert anomalies(octets) == [expected]


def test_every_anomaly_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [name for name in ANOMALIES if name.removeprefix("sv.") not in text] == []


def test_tags_and_flows() -> None:
    tagged = bytes(Ether(src=UNIT, dst=GROUP) / Dot1Q(vlan=7) / SV(frame(sample(1))[14:]))
    found = rows_of([frame(sample(0)), tagged, frame(sample(2), appid=0x4002)], "sv", (*HEAD, "vlan.id", "flow.id"))
    assert [one.get("vlan.id") for one in found] == [None, 7, None]
    assert found[0]["flow.id"] == found[1]["flow.id"] != found[2]["flow.id"]


def test_damaged_frames_are_read_as_far_as_they_go() -> None:
    """Every column can be made of whatever an attacker sends."""
    chosen, frames = random.Random(3), []
    whole = frame(sample(400, datSet="DS1", refrTm=TIME, smpRate=80, smpMod=1, gmidData=MAKER), sample(401))
    for _ in range(600):
        data = bytearray(whole)
        for _ in range(chosen.randrange(1, 8)):
            data[chosen.randrange(14, len(data))] = chosen.randrange(256)
        frames.append(bytes(data[: chosen.randrange(14, len(data)) if chosen.random() < 0.3 else len(data)]))
    assert len(rows_of(frames, "sv", NAMES)) == 600


def test_built_and_dissected() -> None:
    for one in (
        frame(sample(0)),
        frame(sample(4, datSet="DS1", refrTm=TIME, gmidData=MAKER, rest=b"\x8b\x01\x00"), sample(5)),
    ):
        assert bytes(SV(one[14:])) == one[14:]
        assert bytes(forgotten(SV(one[14:]))) == one[14:]
    again = SV(frame(sample(4), sample(5))[14:])[SVPDU]
    assert [one.smpCnt for one in again.seqASDU] == [4, 5] and again.seqASDU[0].svID == b"MU01"
