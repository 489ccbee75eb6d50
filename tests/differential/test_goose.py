"""Every field of GOOSE and of Sampled Values against tshark, frame by frame, entries and ASDUs included.

Where we differ: Wireshark 4.0 shows 32 bits of every integer, with a sign even where it is unsigned (IEC 61850-8-1 table 27 maps
INT64 and INT32U to GOOSE); it does not know the `security` of a savPdu (IEC 61850-9-2, annex A), and shows nothing behind it.
What is built here stays within what it can show. `goose.real` it fails an assertion of its own on; it and `goose.objId` are no
data of IEC 61850 (8-1, table 27), and their elements have `goose.Data` alone. It reads `goose.mMSString` as ASCII, which is UTF-8
(ISO 9506-2), and shows the octet that counts unused bits as the value of a bit string without bits.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scapy.layers.l2 import Dot1Q, Ether

from detector.capture import open_source
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.goose_layers import GOOSE, GOOSEPDU, GOOSEData
from detector.protocols.sv_layers import SV
from tests.differential import tshark
from tests.differential.compare import compare_frames
from tests.flows.frames import SECOND
from tests.protocols import test_sv
from tests.protocols.link_frames import forgotten
from tests.protocols.test_goose import ENTRIES, GROUP, MANAGEMENT, RELAY, STRUCTURE, message
from tests.runs import pcap_bytes

pytestmark = pytest.mark.differential

OUR_OWN = ("pdu.", "goose_data.")
NAMES = {
    table: [
        name for name, field in FIELDS.items()
        if table_of(name) == table and field.kind != "protocol" and not name.startswith(OUR_OWN)
    ]
    for table in ("goose", "sv")
}  # fmt: skip


def built_goose(folder: Path) -> Path:
    """A capture of messages with every member and every type of entry."""
    numbers = [GOOSEData(tag=0x85, value=value.to_bytes(size, "big", signed=True))
               for size, value in ((1, -128), (1, 127), (2, -32768), (3, 70000), (4, 2**31 - 1), (5, -1))]  # fmt: skip
    frames = [
        message(1, 0), message(5, 7, *ENTRIES, goID="x"), message(2, 2**32 - 1, STRUCTURE, STRUCTURE), message(3, 0, *numbers),
        message(2**31, 300, simulation=1, reserve1=0x8000, ndsCom=-1, confRev=2**31 - 1), message(1, 0, goID="", numDatSetEntries=0, allData=[]),
        message(1, 0, simulation=None, ndsCom=None), message(1, 0) + bytes(30), message(1, 0, length=40), message(1, 0, length=8),
        bytes(Ether(src=RELAY, dst=GROUP) / Dot1Q(vlan=7, prio=4) / Dot1Q(vlan=0) / GOOSE(message(2, 0)[14:])),
        bytes(Ether(src=RELAY, dst=GROUP) / GOOSE() / GOOSEPDU() / GOOSEPDU(sqNum=4, allData=ENTRIES[:2], numDatSetEntries=2)),
        *MANAGEMENT, message(1, 0, t=bytes(8)), message(1, 0, t=b"\xff" * 8),
    ]  # fmt: skip
    return written(folder / "goose.pcap", frames)


def built_sv(folder: Path) -> Path:
    """A capture of frames with every member."""
    sample, frame = test_sv.sample, test_sv.frame
    full = sample(3, datSet="DS1", refrTm=test_sv.TIME + 0.3, smpRate=80, smpMod=1, gmidData=test_sv.MAKER)
    frames = [
        *test_sv.typical(), frame(full, sample(4, gmidData=bytes(range(8)), smpSynch=0), appid=0x4001, reserve1=0x8000),
        frame(sample(5)) + bytes(9), bytes(Ether(src=test_sv.UNIT, dst=GROUP) / Dot1Q(vlan=7) / SV(frame(sample(6))[14:])),
        frame(sample(32767, confRev=2**31 - 1, seqData=b"x")), frame(sample(1), count=4), frame(count=0),
    ]  # fmt: skip
    return written(folder / "sv.pcap", frames)


def written(path: Path, frames: list[bytes]) -> Path:
    """The frames as a capture."""
    path.write_bytes(pcap_bytes([(2 * SECOND + number * SECOND // 1000, frame) for number, frame in enumerate(frames)]))
    return path


@pytest.mark.parametrize("table", ["goose", "sv"])
def test_built(table: str, tmp_path: Path) -> None:
    tshark.require_tool("tshark")
    path = {"goose": built_goose, "sv": built_sv}[table](tmp_path)
    compared, differences = compare_frames(path, NAMES[table], 1000)
    print("\n".join(f"{compared[name]:6} {name}" for name in NAMES[table]))
    assert differences == [], "\n".join(differences[:40])
    assert [name for name in NAMES[table] if not compared[name]] == [], "build a PDU that has them"


def test_real_captures(captures: Path) -> None:
    tshark.require_tool("tshark")
    total: Counter[str] = Counter()
    left: list[str] = []
    for path in sorted(captures.glob("goose_mms/*.pcap*")):
        compared, differences = compare_frames(path, NAMES["goose"], 5000)
        total += compared
        left += differences
    print("\n".join(f"{total[name]:8,} {name}" for name in NAMES["goose"] if total[name]))
    assert total["goose.stNum"] > 400
    assert left == [], "\n".join(left[:40])


def test_scapy_builds_what_it_dissects(captures: Path) -> None:
    """Every PDU of the captures; numbers keep their size, lengths are computed anew."""
    seen = 0
    for path in sorted(captures.glob("goose_mms/*.pcap*")):
        decoding = Decoding(PipelineSettings())
        for batch in open_source([str(path)]).batches():
            table = decoding.tables(batch)[1]["goose"]
            for row in np.flatnonzero(table.anomalies & 1 == 0).tolist():
                pdu = batch.buffer[int(table.starts[row]) : int(table.stops[row])].tobytes()
                assert bytes(forgotten(GOOSE(pdu))) == pdu, f"{path.name}: {pdu.hex()}"
                seen += 1
    assert seen > 400
