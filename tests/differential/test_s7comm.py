"""Every S7comm, COTP and TPKT field against tshark, frame by frame, objects included.

What Wireshark shows as trees (s7comm.header, s7comm.param.item ...) has no value and is no field here. Where we differ on
purpose, each by its meaning:

- Wireshark 4.0 prints a destination reference of data, which in class 0 have none (ISO 8073, 13.7.1).
- A value that could not be read keeps, in 4.0, the type and length of the value before it; here they are what the bytes say.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from detector.capture import open_source
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.ics import MALFORMED
from detector.protocols.s7comm_layers import TPKT, COTPConnection, COTPParameter
from tests.differential import tshark
from tests.differential.compare import compare_frames
from tests.flows.frames import SECOND
from tests.protocols.s7_pdus import cut, jobs, moment, s7, told, tpkt, userdata
from tests.protocols.streams import Turn, segments
from tests.protocols.test_s7comm import CLIENT, PORT, SERVER, cleared
from tests.runs import pcap_bytes
from tests.samples import IS_LONG, sample

pytestmark = pytest.mark.differential

NAMES = [
    name
    for name, field in FIELDS.items()
    if table_of(name) == "s7comm" and field.kind != "protocol" and not name.startswith(("pdu.", "s7comm-plus."))
]
WRONG = 0b1111111 & ~0b100000  # all anomalies but a reply without a request


class Exemption(NamedTuple):
    """query: what tshark says of the frames; names: of the fields that may differ there."""

    why: str
    query: str
    names: tuple[str, ...]


EXEMPT = (
    Exemption("data of class 0 have no reference", "cotp.type == 15", ("cotp.destref",)),
    Exemption("4.0 shows the type and length of the value before", "s7comm.data.returncode in {1..9, 11..254}",
              ("s7comm.data.transportsize", "s7comm.data.length")),
)  # fmt: skip


def judged(capture: Path, most: int = 1500) -> tuple[Counter[str], list[str]]:
    """compare_frames without what is exempt."""
    tshark.require_tool("tshark")
    compared, differences = compare_frames(capture, NAMES, most)
    exempt = [(one, set(tshark.frames(capture, one.query))) for one in EXEMPT]
    return compared, [text for text in differences if not is_exempt(text, exempt)]


def is_exempt(text: str, exempt: Sequence[tuple[Exemption, set[int]]]) -> bool:
    """Whether a difference lies in a frame and a field that may differ."""
    frame, name = text.split(" frame ")[1].split(":")[0].split()
    return any(int(frame) in frames and name in one.names for one, frames in exempt)


def built(folder: Path) -> Path:
    """A capture of all of them, each with its own reference, PDUs and data in several pieces too."""
    chosen = random.Random(9)
    parameters = [
        COTPParameter(code=0xC0, value=b"\x0a"),
        COTPParameter(value=b"\1\0"),
        COTPParameter(code=0xC2, value=b"SIMATIC-ROOT"),
    ]
    turns: list[Turn] = [
        ("c", bytes(TPKT() / COTPConnection(srcref=7, parameters=parameters))),
        ("s", bytes(TPKT() / COTPConnection(type=0xD0, destref=7, srcref=9, parameters=parameters[::-1]))),
    ]
    for number, (side, pdu) in enumerate([*jobs(chosen), *userdata(chosen)]):
        pdu.pduref = number
        turns.append((side, tpkt(pdu)))
    number = len(turns)
    whole = bytes(told(4, 1, bytes.fromhex("00a0 0000 0014 0004") + chosen.randbytes(12) + moment(chosen, 1) * 1))
    turns += [("s", piece) for piece in cut(whole, 20)]
    body = b"".join(chosen.randbytes(12) + moment(chosen, 14) for _ in range(3))
    first = told(4, 1, bytes.fromhex("00a0 0000 0014 0003") + body[:25], dataunitref=5, lastdataunit=1)
    turns += [("s", s7(first, number)), ("s", s7(told(4, 1, body[25:], dataunitref=5), number + 1))]
    turns.append(("c", bytes(TPKT() / COTPConnection(type=0x80, destref=9, srcref=7, option=128))))
    path = folder / "s7comm.pcap"
    frames = segments(turns, [], CLIENT, SERVER)
    path.write_bytes(pcap_bytes([(2 * SECOND + number * SECOND // 1000, frame) for number, frame in enumerate(frames)]))
    return path


ELSEWHERE = ("s7comm.readrec.", "s7comm.tis.accu3", "s7comm.tis.accu4", "s7comm.tis.continued", "s7comm.data.userdata")


def test_every_function(tmp_path: Path) -> None:
    compared, differences = judged(built(tmp_path))
    print("\n".join(f"{compared[name]:6} {name}" for name in NAMES))
    assert differences == [], "\n".join(differences[:40])
    assert [name for name in NAMES if not compared[name] and not name.startswith(ELSEWHERE)] == [], (
        "build a PDU that has them"
    )


def mended(path: Path, target: Path) -> Path:
    """A capture's S7 connections without what is missing in them: the same payloads, as if nothing had been between them."""
    decoding = Decoding(PipelineSettings())
    turns: dict[tuple[str, int, str], list[Turn]] = {}
    for batch in open_source([str(path)]).batches():
        packets = decoding.decoder.decode(batch)
        columns = [packets.column(name) for name in ("ip.src", "ip.dst", "tcp.srcport", "tcp.dstport", "tcp.payload")]
        for row in range(packets.rows):
            source, destination, sport, dport, payload = (column.at(row) for column in columns)
            if not payload:
                continue
            is_client = dport == [PORT]
            key = (source[0], sport[0], destination[0]) if is_client else (destination[0], dport[0], source[0])
            turns.setdefault(key, []).append(("c" if is_client else "s", bytes.fromhex(payload[0].replace(":", ""))))
    frames = []
    for (client, port, server), said in turns.items():
        frames += segments(said, [], (client, port), (server, PORT))
    target.write_bytes(
        pcap_bytes([(2 * SECOND + number * SECOND // 1000, frame) for number, frame in enumerate(frames)])
    )
    return target


@pytest.fixture(scope="module")
def all_captures(captures: Path) -> list[Path]:
    """Every capture with S7."""
    return sorted((*captures.glob("s7comm/*.pcap*"), *captures.glob("mixed/plant-modbus-s7-enip.pcap")))


def test_real_captures(all_captures: Sequence[Path], tmp_path: Path) -> None:
    """Those that lack segments of their connections are compared as if these had not been: tshark waits for them longer."""
    total: Counter[str] = Counter()
    left: list[str] = []
    for path in sample(all_captures, 8):
        lacks = tshark.frames(path, "tcp.port == 102 && tcp.analysis.lost_segment")
        compared, differences = judged(mended(path, tmp_path / f"{path.stem}.pcap") if lacks else path)
        total += compared
        left += differences
    print("\n".join(f"{total[name]:8,} {name}" for name in NAMES if total[name]))
    assert total["s7comm.header.rosctr"] > (5000 if IS_LONG else 100)
    assert left == [], "\n".join(left[:40])


def test_scapy_builds_what_it_dissects(all_captures: Sequence[Path]) -> None:
    """Every TPKT of the captures without an anomaly, with lengths computed anew."""
    seen = 0
    for path in sample(all_captures, 8):
        decoding = Decoding(PipelineSettings())
        for batch in open_source([str(path)]).batches():
            table = decoding.tables(batch)[1]["s7comm"]
            for row in np.flatnonzero((table.anomalies & WRONG == 0) & (table.kinds != MALFORMED)).tolist():
                frame = batch.buffer[int(table.starts[row]) : int(table.stops[row])].tobytes()
                assert bytes(cleared(TPKT(frame))) == frame, f"{path.name}: {frame.hex()}"
                seen += 1
    assert seen > (10_000 if IS_LONG else 500)
