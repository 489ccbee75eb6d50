"""Every DNP3 field against tshark, frame by frame, objects included.

Where we differ on purpose, each by its meaning (IEEE 1815-2012 in brackets):

- Wireshark 4.0 takes the objects of some functions, and of some groups, not apart. We do.
- Its 4.0 knows transport sequence numbers that begin anew at 64 for no sequence (8.3.1.4); later versions do.
- A double point's state in flags is two bits to it, b6 and b7, in 4.0; in later versions, and here, it is dnp3.al.2bit too.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scapy.packet import Packet

from detector.capture import open_source
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.dnp3 import FLAGS, GROUPS, SIZES, TIME_BYTES, TIMES, VALUES, VARIATIONS, layouts
from detector.protocols.dnp3_layers import DNP3, DNP3Header, DNP3Object, DNP3Request, DNP3Response
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.ics import MALFORMED
from tests.differential import tshark
from tests.differential.compare import compare_frames
from tests.flows.frames import SECOND
from tests.protocols.streams import segments
from tests.protocols.test_dnp3 import CLIENT, SERVER, asked, cleared, told
from tests.runs import pcap_bytes
from tests.samples import IS_LONG, sample

pytestmark = pytest.mark.differential

UNKNOWN = ("dnp3.al.sa.", "dnp3.object.")  # that Wireshark 4.0 has no fields for: tests/protocols/test_dnp3.py
NAMES = [
    name
    for name, field in FIELDS.items()
    if table_of(name) == "dnp3" and field.kind != "protocol" and not name.startswith(UNKNOWN)
]


TABLE = layouts().tolist()
ELSEWHERE = {"dnp3.al.frag_data", "dnp3.al.size", "dnp3.al.unknown_data_chunk"}  # compared on real captures
WRONG_BYTES = 0b11  # dnp3.invalid_header, dnp3.bad_crc


class Exemption(NamedTuple):
    """frames: of a capture's frames, by what tshark says of them: field, values.  fields: what may differ there."""

    why: str
    query: str
    fields: Callable[[str], bool]


def is_of_objects(name: str) -> bool:
    """A field of objects."""
    return FIELDS[name].level == "object"


def is_of_messages(name: str) -> bool:
    """A field that a frame has only with a whole message, or without one."""
    return name.startswith("dnp3.al.") or is_of_objects(name)


EXEMPT = (
    Exemption("objects of functions that 4.0 takes for empty (4.4)", "dnp3.al.func in {11..19,22..24,28..33}", is_of_objects),
    Exemption("4.0 does not know authentication responses (4.2.2.5): neither their indications nor their objects", "dnp3.al.func == 131",
              lambda name: is_of_objects(name) or name.startswith("dnp3.al.iin")),
    Exemption("objects that 4.0 does not know, and so nothing behind them: relative times of double points, frozen analogue inputs, "
              "deadbands of 16 bits, times with an interval, unsynchronised times (annexes A.5, A.14, A.16, A.17, A.23, A.24)",
              "dnp3.al.obj in {0x0403,0x1f01..0x1f06,0x2101..0x2104,0x3401,0x3202,0x3302}", is_of_objects),
    Exemption("4.0 reads what follows a command of 32 bits in its value (annex A.22)", "dnp3.al.obj in {0x2b01,0x2b03}", is_of_objects),
    Exemption("4.0 knows one virtual address only; they are a first and a last one (4.2.2.7.3, table 4-5)", "dnp3.al.objq.range in {3..5}",
              is_of_objects),
    Exemption("4.0 knows no secure authentication, and so nothing behind it; and of objects that it does not know, it believes no size "
              "(annex A.45, 4.2.2.7.3)", "dnp3.al.obj in {0x7801..0x780f} || (dnp3.al.unknown_data_chunk && dnp3.al.objq.prefix in {4..6})",
              is_of_objects),
    Exemption("4.0 does not know that sequence numbers begin anew (8.3.1.4)", "dnp3.tr.seq == 0 && dnp3.tr.fir == 0", is_of_messages),
    Exemption("4.0 joins pieces whose numbers it has seen a cycle before, and then says so", "dnp3.al.fragment.overlap", is_of_messages),
    Exemption("4.0 looks for permissions at the object's first byte; they stand behind its time (11.9.7)", "dnp3.al.file.perms",
              lambda name: name.startswith("dnp3.al.file.perms")),
    Exemption("4.0 shows a double point's state as b6 and b7 only", "dnp3.al.obj in {0x0302,0x0401,0x0402,0x0403}",
              lambda name: name == "dnp3.al.2bit"),
)  # fmt: skip


def judged(capture: Path, most: int = 5000) -> tuple[Counter[str], list[str]]:
    """compare_frames without what is exempt."""
    tshark.require_tool("tshark")
    compared, differences = compare_frames(capture, [name for name in NAMES if not name.startswith("pdu.")], most)
    if not differences:
        return compared, []
    exempt = [(one, set(tshark.frames(capture, one.query))) for one in EXEMPT]
    return compared, [text for text in differences if not is_exempt(text, exempt)]


def is_exempt(text: str, exempt: Sequence[tuple[Exemption, set[int]]]) -> bool:
    """Whether a difference lies in a frame and a field that may differ."""
    frame, name = text.split(" frame ")[1].split(":")[0].split()
    return any(int(frame) in frames and one.fields(name) for one, frames in exempt)


def bodies() -> Iterator[tuple[Packet, bool]]:
    """Object headers with every object of the standard that has a layout, and with every way of counting them; whether
    a master sends them."""
    chosen = random.Random(7)
    for group in range(GROUPS):
        for variation in range(VARIATIONS):
            flags, value, time = TABLE[group * VARIATIONS + variation]
            word = VALUES[value]
            if word in ("unknown", "empty", "attribute", "bit", "two_bits") or word.startswith("file") or group == 0:
                continue
            size = int(FLAGS[flags] != "none") + SIZES.get(word, 0) + TIME_BYTES[TIMES[time]]
            data = [chosen.randbytes(size) for _ in range(3)]
            if "double" in word or word in ("anaf", "outf", "anad", "outd"):
                head = b"\x01" if FLAGS[flags] in ("ai", "ao", "status_first") else b""
                data = [(head + plain(word)).ljust(size, b"\0")] * 3
            if time and TIMES[time] == "absolute":  # tshark's text of a time ends at the year 9999
                data = [one[:-6] + (1_600_000_000_123 + place).to_bytes(6, "little") for place, one in enumerate(data)]
            is_command = group in (12, 41, 34, 50)
            yield (
                DNP3Object(group=group, variation=variation, range=0, start=7, stop=9, data=b"".join(data)),
                is_command,
            )
            indexed = b"".join(number.to_bytes(2, "little") + one for number, one in enumerate(data, 300))
            yield DNP3Object(group=group, variation=variation, prefix=2, range=8, quantity=3, data=indexed), is_command
    for kind, count in ((0, 3), (1, 3), (2, 3)):
        ends = {"start": 2, "stop": 1 + count}
        yield DNP3Object(group=1, variation=1, range=kind, **ends, data=b"\x05"), False
        yield DNP3Object(group=3, variation=1, range=kind, **ends, data=b"\x26"), False
        yield DNP3Object(group=80, variation=1, range=kind, start=7, stop=7, data=b"\x00"), True
    for kind in (3, 4, 5):
        yield DNP3Object(group=30, variation=4, range=kind, start=9, stop=9, data=b"\xfe\xff"), False
    for kind in (7, 8, 9):
        yield DNP3Object(group=20, variation=6, range=kind, quantity=2, data=b"\x01\x00\x02\x00"), False
    yield DNP3Object(group=20, variation=6, prefix=3, range=9, quantity=1, data=b"\x01\x00\x02\x00\x07\x00"), False
    one = {"group": 0, "range": 0, "start": 0, "stop": 0}
    for length in (1, 2, 4):
        for kind, first in ((2, 240), (3, 220)):
            data = bytes([kind, length, *range(200, 200 + length)])
            yield DNP3Object(variation=first + length, data=data, **one), False
    yield DNP3Object(group=0, variation=242, range=0, start=0, stop=0, data=b"\x01\x05v1.23"), False
    yield DNP3Object(group=0, variation=208, range=0, start=0, stop=0, data=b"\x04\x04" + plain("anaf")), False
    yield DNP3Object(group=0, variation=209, range=0, start=0, stop=0, data=b"\x04\x08" + plain("anad")), False
    yield DNP3Object(group=110, variation=5, range=0, start=0, stop=1, data=b"helloworld"), False
    yield DNP3Object(group=111, variation=3, prefix=1, range=7, quantity=1, data=b"\x04abc"), False


def plain(word: str) -> bytes:
    """1.5, as a value is stored."""
    return struct.pack("<f" if word.endswith("f") else "<d", 1.5)


def built(folder: Path) -> Path:
    """A capture of all of them, each in a message of its own, in both directions of one connection."""
    turns = []
    for number, (body, is_command) in enumerate(bodies()):
        common = {"seq": number % 16, "objects": [body]}
        if is_command:
            turns.append(("c", asked(DNP3Request(func=2 if body.group != 12 else 5, **common), number % 64)))
        else:
            turns.append(("s", told(DNP3Response(func=129, iin=number * 77 & 0x3FFF, **common), number % 64)))
    for function in range(1, 34):
        objects = [DNP3Header(group=60, variation=1 + function % 4)]
        turns.append(("c", asked(DNP3Request(func=function, seq=function % 16, objects=objects))))
    for control in range(16):
        bits = {"prm": control >> 3, "fcb": control & 1, "fcv": control >> 1 & 1, "func": (0, 9, 11, 1)[control & 3]}
        turns.append(("s", bytes(DNP3(dir=0, src=4, dst=3, **bits))))
    path = folder / "dnp3.pcap"
    path.write_bytes(pcap_bytes([(2 * SECOND + number * SECOND // 1000, frame)
                                 for number, frame in enumerate(segments(turns, [], CLIENT, SERVER))]))  # fmt: skip
    return path


def test_every_object_and_function(tmp_path: Path) -> None:
    compared, differences = judged(built(tmp_path))
    print("\n".join(f"{compared[name]:6} {name}" for name in NAMES))
    assert differences == [], "\n".join(differences[:40])
    without = [
        name
        for name in NAMES
        if not name.startswith(("pdu.", "dnp3.al.file")) and not compared[name] and name not in ELSEWHERE
    ]
    assert without == [], "build a message that has them"


@pytest.fixture(scope="module")
def all_captures(captures: Path) -> list[Path]:
    """Every capture with DNP3."""
    return sorted(captures.glob("dnp3/*.pcap*"))


def test_real_captures(all_captures: Sequence[Path]) -> None:
    """Some of them, others in each run; `make test-long` takes all."""
    total: Counter[str] = Counter()
    left: list[str] = []
    for path in sample(all_captures, 16):
        compared, differences = judged(path)
        total += compared
        left += differences
    print("\n".join(f"{total[name]:8,} {name}" for name in NAMES if total[name]))
    assert total["dnp3.al.func"] > (100 if IS_LONG else 20)
    assert left == [], "\n".join(left[:40])


def test_scapy_builds_what_it_dissects(all_captures: Sequence[Path]) -> None:
    """Every frame of the captures without an anomaly, with lengths and checksums computed anew."""
    seen = 0
    for path in all_captures:
        decoding = Decoding(PipelineSettings())
        for batch in open_source([str(path)]).batches():
            table = decoding.tables(batch)[1]["dnp3"]
            for row in np.flatnonzero((table.anomalies & WRONG_BYTES == 0) & (table.kinds != MALFORMED)).tolist():
                frame = batch.buffer[int(table.starts[row]) : int(table.stops[row])].tobytes()
                assert bytes(cleared(DNP3(frame))) == frame, f"{path.name}: {frame.hex()}"
                seen += 1
    assert seen > 2000
