"""Every Modbus field against tshark, PDU by PDU: the fields of a frame's PDUs, in their order.

Where we differ on purpose, found by comparing mutated streams, and why:

- Other ports than 502: we recognise Modbus by its consistency, Wireshark does not look for it.
- An exception whose code is 0: Wireshark takes it for a reply; to us it is an exception with modbus.invalid_exception_code.
- A PDU that ends before its function code's values: Wireshark shows none of it, or its rest as modbus.data; we show what is whole.
- What is no Modbus on port 502 (wrong protocol id or length): a row of ours, data to Wireshark.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from detector.errors import Position
from detector.exercise.synthesis import Synthesis, write_capture
from detector.protocols.fields import FIELDS, table_of
from detector.testing.literals import read_packets
from tests.conftest import ROOT
from tests.differential import tshark
from tests.differential.compare import compare_frames

pytestmark = pytest.mark.differential

NAMES = [name for name, field in FIELDS.items() if table_of(name) == "modbus" and field.kind != "protocol"]
WRITES = "values of writes: Wireshark 4.0 shows them as modbus.data only; the specification (6.6, 6.11, 6.12) names registers and coils"
EXEMPT = {"modbus.regnum16": WRITES, "modbus.regval_uint16": WRITES, "modbus.bitnum": WRITES, "modbus.bitval": WRITES}
# Wireshark 4.0 takes the bytes of a file record for as many as the whole reply has (6.14).
RECORD_DATA = "modbus.data: tshark ['0dfe0020050633cd0040'"
MISSING = "modbus.data: tshark ['']"  # data of no bytes, in a body that ends before them
# Frames on port 502 that are no Modbus: we make a row of each, so that rules can ask for it; Wireshark shows data.
NOT_MODBUS = {"test-data-part1.pcap": {76, 78, 80, 82, 113}}
CLIENT, SERVER = 'IP(src="10.0.0.1", dst="10.0.0.2")/TCP(dport=502)/ModbusADURequest(transId={})', 'IP(src="10.0.0.2", dst="10.0.0.1")/TCP(sport=502)/ModbusADUResponse(transId={})'  # fmt: skip
# (request body, response body) in hexadecimal, from the examples of the MODBUS Application Protocol Specification V1.1b3.
EXCHANGES = (
    ("0100130013", "0103cd6b05"), ("0200c40016", "0203acdb35"), ("03006b0003", "0306022b00000064"), ("0400080001", "0402000a"),
    ("0500acff00", "0500acff00"), ("0600010003", "0600010003"), ("07", "076d"), ("080000a537", "080000a537"), ("08000a0000", "08000a0000"),
    ("0800020000", "0800021234"), ("08000b0000", "08000b0007"), ("08000c0000", "08000c0007"), ("08000d0000", "08000d0007"),
    ("08000e0000", "08000e0007"), ("08000f0000", "08000f0007"), ("0800100000", "0800100007"), ("0800110000", "0800110007"),
    ("0800120000", "0800120007"), ("0b", "0bffff0108"), ("0f0013000a02cd01", "0f0013000a"), ("100001000204000a0102", "1000010002"),
    ("16000400f20025", "16000400f20025"), ("170003000600 0e00030600ff00ff00ff", "170c00fe0acd00010003000d00ff"),
    ("1804de", "18000600 0201b81284"), ("2b0e0100", "2b0e010100000200 04 41636d6501 04 56312e30"), ("0901", "8901"),
    ("0c", "0c0b 0000 0108 0121 80 a0 00 04 45"), ("0c", "0c0e 0000 0001 0002 41 40 00 04 ff 82 c1 63"), ("0c", "0c"),
    ("140e 06 0004 0001 0002 06 0003 0009 0002", "140c 05060dfe0020 050633cd0040"), ("14", "1400"),
    ("150d 06 0004 0007 0003 06af04be100d", "150d 06 0004 0007 0003 06af04be100d"), ("1507 06 0004 0007 0000", "1507 06 0004 0007 0000"),
    ("2b0e0100", "2b0e010100000400 06 02 4142 07 02 4344 7f 01 41 03 00"), ("2b0e0401", "2b0e040100000180020102"), ("2b0d0001", "2b0d0001"),
    ("110a", "1104 01ff4142"), ("5a00024142", "5a00fe4142"), ("4101", "4102"), ("0800040000", "0b01"), ("0800010000", "0800010000"),
    ("0800034100", "0800034100"), ("08000500ff", "08000500ff"), ("08001300ff", "08001300ff"), ("030001", "830b"), ("0500acff00aabb", "0500acff00aabb"),
)  # fmt: skip


def built(folder: Path) -> Path:
    """A capture of all exchanges."""
    synthesis = Synthesis()
    for number, pair in enumerate(EXCHANGES):
        for template, body in zip((CLIENT, SERVER), pair, strict=True):
            literal = bytes.fromhex(body.replace(" ", ""))
            for packet in read_packets(f"{template.format(number)}/Raw({literal!r})", Position("built", 1, 1)):
                synthesis.send(packet)
    path = folder / "modbus.pcap"
    write_capture(path, synthesis.frames)
    return path


def judged(capture: Path, most: int) -> tuple[Counter[str], list[str]]:
    """compare_frames without what is exempt."""
    tshark.require_tool("tshark")
    compared, differences = compare_frames(capture, [name for name in NAMES if not name.startswith("pdu.")], most)
    frames = NOT_MODBUS.get(capture.name, set())
    kept = [
        text for text in differences
        if MISSING not in text and RECORD_DATA not in text and not any(f" {name}:" in text and "tshark []" in text for name in EXEMPT) and int(text.split(" frame ")[1].split()[0]) not in frames
    ]  # fmt: skip
    return compared, kept


def test_every_function_of_the_specification(tmp_path: Path) -> None:
    compared, differences = judged(built(tmp_path), 1000)
    print("\n".join(f"{compared[name]:6} {name}" for name in NAMES))
    assert differences == []
    assert compared["modbus.func_code"] == 2 * len(EXCHANGES)
    without = [name for name in NAMES if not name.startswith("pdu.") and not compared[name] and name not in EXEMPT]
    assert without == [], "build a PDU that has them"


@pytest.mark.parametrize("name", ["modbus/test-data-part1.pcap", "modbus/test-data-part2.pcap", "modbus/test.pcap", "modbus/test-2.pcap",
                                  "modbus/tcp.pcap", "modicon/modicon-test.pcap", "mixed/plant-modbus-s7-enip.pcap"])  # fmt: skip
def test_real_captures(captures: Path, name: str) -> None:
    compared, differences = judged(captures / name, 3000)
    print("\n".join(f"{count:7} {field}" for field, count in sorted(compared.items()) if count))
    assert compared["modbus.func_code"] > 0
    assert differences == [], "\n".join(differences[:20])


@pytest.mark.parametrize("name", ["modbus-takeover", "register-scan", "minute-attack"])
def test_shipped_scenarios(name: str) -> None:
    compared, differences = judged(ROOT / "replay_pcaps" / name / "capture.pcap", 1500)
    assert compared["modbus.func_code"] > 0
    assert differences == [], "\n".join(differences[:20])
