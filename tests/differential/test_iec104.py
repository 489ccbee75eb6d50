"""Every IEC 104 field against tshark, frame by frame, objects included.

Where we differ: Wireshark 4.0 does not take reads and test commands apart (types 102, 104 and 107), it shows the first address
and the rest as raw data.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scapy.packet import Packet

from detector.capture import open_source
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.ics import MALFORMED
from detector.protocols.iec104 import LAYOUT, VALUES
from detector.protocols.iec104_layers import IEC104, IEC104Element, IEC104Object
from tests.differential import tshark
from tests.differential.compare import compare_frames
from tests.flows.frames import SECOND
from tests.protocols.streams import Turn, segments
from tests.protocols.test_iec104 import CLIENT, SERVER, cleared, conversation, unit
from tests.runs import pcap_bytes

pytestmark = pytest.mark.differential

NAMES = [
    name
    for name, field in FIELDS.items()
    if table_of(name) == "iec60870_104" and field.kind != "protocol" and not name.startswith("pdu.")
]
NOT_TAKEN_APART = (102, 104, 107)
TAG = struct.pack("<HBBBBB", 31500, 45, 13, 17 | 2 << 5, 6, 24)


def objects_of(typeid: int, chosen: random.Random) -> Iterator[tuple[list[Packet], bool]]:
    """Three objects, each with its address, and three behind one address; whether they are the latter."""
    size, value, _, time, _, at, _ = LAYOUT[typeid].tolist()
    word = list(VALUES)[value] if value >= 0 else ""
    made = []
    for _ in range(3):
        data = bytearray(chosen.randbytes(size if size >= 0 else 9))
        if word == "flt":
            data[:4] = struct.pack("<f", chosen.randrange(-1000, 1000) / 8)
        if time:
            data[at:] = TAG[: 3 if time == 1 else 7]
        made.append(bytes(data))
    if size < 0:
        yield [IEC104Object(ioa=77, data=made[0])], False
        return
    yield [IEC104Object(ioa=70_000 + number, data=data) for number, data in enumerate(made)], False
    yield [IEC104Object(ioa=255, data=made[0]), *(IEC104Element(data=data) for data in made[1:])], True


def built(folder: Path) -> Path:
    """A capture of a conversation, and of ASDUs of every type."""
    chosen, turns, sent = random.Random(8), list[Turn](conversation()), 6
    for typeid in [*range(1, 128), 200]:
        for objects, is_sequence in objects_of(typeid, chosen):
            cause = chosen.choice((3, 6, 7, 10, 20, 47))
            turns.append(
                (
                    "s",
                    unit(
                        sent,
                        typeid,
                        cause,
                        *objects,
                        sq=int(is_sequence),
                        oa=sent % 256,
                        addr=sent * 7,
                        test=sent & 1,
                        nega=sent >> 1 & 1,
                    ),
                )
            )
            sent += 1
    path = folder / "iec104.pcap"
    frames = segments(turns, [], CLIENT, SERVER)
    path.write_bytes(pcap_bytes([(2 * SECOND + number * SECOND // 1000, frame) for number, frame in enumerate(frames)]))
    return path


def test_every_type(tmp_path: Path) -> None:
    tshark.require_tool("tshark")
    path = built(tmp_path)
    compared, differences = compare_frames(path, NAMES, 1000)
    print("\n".join(f"{compared[name]:6} {name}" for name in NAMES))
    other = set(tshark.frames(path, f"iec60870_asdu.typeid in {{{', '.join(map(str, NOT_TAKEN_APART))}}}"))
    differences = [text for text in differences if int(text.split(" frame ")[1].split()[0]) not in other]
    assert differences == [], "\n".join(differences[:40])
    assert [name for name in NAMES if not compared[name]] == [], "build an ASDU that has them"


def test_real_captures(captures: Path) -> None:
    tshark.require_tool("tshark")
    total: Counter[str] = Counter()
    left: list[str] = []
    for path in sorted(captures.glob("iec104/*.pcap*")):
        compared, differences = compare_frames(path, NAMES, 5000)
        total += compared
        left += differences
    print("\n".join(f"{total[name]:8,} {name}" for name in NAMES if total[name]))
    assert total["iec60870_asdu.typeid"] > 200
    assert left == [], "\n".join(left[:40])


def test_scapy_builds_what_it_dissects(captures: Path) -> None:
    """Every APDU of the captures with a length that fits, which is computed anew."""
    seen = 0
    for path in sorted(captures.glob("iec104/*.pcap*")):
        decoding = Decoding(PipelineSettings())
        for batch in open_source([str(path)]).batches():
            table = decoding.tables(batch)[1]["iec60870_104"]
            for row in np.flatnonzero((table.anomalies & 0b11 == 0) & (table.kinds != MALFORMED)).tolist():
                apdu = batch.buffer[int(table.starts[row]) : int(table.stops[row])].tobytes()
                assert bytes(cleared(IEC104(apdu))) == apdu, f"{path.name}: {apdu.hex()}"
                seen += 1
    assert seen > 300
