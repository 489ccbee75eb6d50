"""Every EtherNet/IP and CIP field against tshark, frame by frame, messages in messages included.

Where we differ: Wireshark counts connections (cip.connection) through the whole file and knows those of other TCP connections;
ours are counted, and known, within their flow, so that flows can be spread over workers. It reads the instances that a Find Next
Object found as bytes; they have two each (volume 1, A-4.13).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scapy.packet import Packet, Raw

from detector.capture import open_source
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.enip_layers import (
    CIP,
    ENIP,
    CIPForwardOpen,
    CIPForwardOpenReply,
    CIPKey,
    CIPLogical8,
    CIPLogical16,
    CIPLogical32,
    CIPMultiple,
    CIPPortLink,
    CIPSegment,
    CIPSymbol,
    CIPUnconnectedSend,
    ENIPIdentity,
    ENIPImplicit,
    ENIPItem,
    ENIPItems,
    ENIPSend,
    ENIPSequencedAddress,
    ENIPServices,
)
from detector.protocols.enip_parts import ATTRIBUTES
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.ics import MALFORMED
from tests.differential import tshark
from tests.differential.compare import compare_frames
from tests.flows.frames import SECOND, udp
from tests.protocols.streams import Turn, segments
from tests.protocols.test_enip import (
    CLIENT,
    ROUTE,
    SERVER,
    cleared,
    closing,
    connected,
    conversation,
    opening,
    reply,
    request,
    to,
    unconnected,
)
from tests.runs import pcap_bytes
from tests.samples import IS_LONG, sample

pytestmark = pytest.mark.differential

OTHERWISE = ("cip.connection", "cip.find_next_object.instance")
NAMES = [
    name
    for name, field in FIELDS.items()
    if table_of(name) == "enip" and field.kind != "protocol" and not name.startswith("pdu.")
]
SEGMENTS: list[list[Packet]] = [
    [CIPLogical16(kind=0x21, value=0x300), CIPLogical32(kind=0x26, value=0x10000)],
    [CIPLogical8(kind=0x20, value=4), CIPLogical8(kind=0x2C, value=100), CIPLogical16(kind=0x2D, value=300), CIPLogical32(kind=0x2E, value=70000)],
    [CIPSymbol(symbol=b"Tank"), CIPLogical8(kind=0x28, value=1), CIPLogical16(kind=0x29, value=300), CIPLogical32(kind=0x2A, value=70000)],
    [CIPSymbol(symbol=b"Odd"), *to(0x64, 2), CIPLogical16(kind=0x31, value=300)], [CIPLogical32(kind=0x22, value=9), CIPLogical32(kind=0x32, value=1)],
    [CIPKey(vendor=1, devtype=14, product_code=54, major_rev=16, minor_rev=20, compatible=1), *to(2, 1)],
    [CIPPortLink(kind=0x12, link=b"10.0.0.7"), *to(2, 1)], [CIPPortLink(kind=0x12, link=b"10.0.0.77"), *to(2, 1)],
    *([CIPSegment(data=bytes.fromhex(text))] for text in (
        "38 05", "3c 01 02 00", "3d 01 02 03", "3e 01 02 03 04 05", "65 4d6f746f72", "60 c6 07 00", "60 c7 0700", "60 c8 07000000", "60 22 00610062",
        "80 02 01020304", "41 05", "42 06", "43 07", "51 02 01000000", "5f 03 0100 02030405", "50 02 07 00 0000", "0f 05 1100", "1f 02 1100 3132", "34 05 4d00 0e00 3600 90 14 01020304",
    )),
]  # fmt: skip
PCCC_ID = bytes.fromhex("07 4d00 78563412")
COMMANDS = ("06 00 3412 00 01", "06 00 3412 03", "07 00 3412 00", "0f 00 3412 80 06", "0f 00 3412 88 02 03 aa 0102 01 53", "0f 00 3412 a2 04 07 89 05 00",
            "0f 00 3412 aa 04 07 89 05 00 01020304", "0f 00 3412 a1 01 02 03", "0f 00 3412 3a 01", "05 00 3412 01 02")  # fmt: skip
ANSWERS = ("46 00 3412 00", "46 00 3412", "47 00 3412", "4f 00 3412", "4f 00 3412 01020304", "4f f0 3412 0b", "4f 10 3412", "4f 00 3412 01 02",
           "4f 00 3412", "45 00 3412")  # fmt: skip
MODBUS = {0x4B: (b"\x01\x00\x08\x00", b"\xaa"), 0x4C: (b"\x01\x00\x08\x00", b"\xaa"), 0x4D: (b"\x01\x00\x01\x00", b"\x01\x02"),
          0x4E: (b"\x01\x00\x01\x00", b"\x01\x02"), 0x4F: (b"\x01\x00\x09\x00\xff\x01", b"\x01\x00\x09\x00"),
          0x50: (b"\x01\x00\x01\x00\x07\x00", b"\x01\x00\x01\x00"), 0x52: (b"\x01", b"\x02")}  # fmt: skip


def objects() -> Iterator[tuple[int, int, list[int]]]:
    """Class, instance and attributes of each object whose attributes are known."""
    for line in ATTRIBUTES.strip().splitlines():
        one, level, *words = line.split()
        numbers = [int(word[: len(word) - len(word.lstrip("0123456789"))]) for word in words]
        yield int(one, 16) or 0x99, int(level == "i"), numbers


def value(one: int, instance: int, number: int, chosen: random.Random) -> bytes:
    """An attribute's value: lists and texts as they are, others at random, longer than any."""
    text = {(1, 1, 7): b"\x041756", (0xF4, 1, 4): b"\x02EN", (0xF6, 1, 10): b"\x05Port1", (0xF5, 1, 6): b"\x03\x00abc\x00", (2, 1, 1): bytes.fromhex("0200 0100 0200"),
            (0xF5, 1, 4): bytes.fromhex("0200 20f6 2401"), (0xF4, 1, 3): bytes.fromhex("0200 20f6 2401"), (0xF6, 1, 11): bytes.fromhex("0f000000 02 0a0000 640001"),
            (0xF5, 1, 5): bytes(range(20)) + b"\x03\x00abc\x00", (0x37, 1, 4): b"\x01eng\xd0\x04\x00\x02\x00ab", (0xF4, 0, 9): bytes(range(8)), (0xF5, 1, 11): bytes(range(35))}.get((one, instance, number))  # fmt: skip
    if text is not None:
        return text
    if instance == 0 and number in (4, 5):
        return bytes.fromhex("0200 0100 0e00")
    return chosen.randbytes(70)


def exchange(context: int, asked: Packet, told: Packet) -> list[Turn]:
    """A request and its reply, without connection."""
    return [("c", unconnected(asked, context)), ("s", unconnected(told, context))]


def everything() -> list[Turn]:
    """Messages of every kind."""
    chosen, turns = random.Random(8), list(conversation())
    pairs: list[tuple[Packet, Packet]] = [
        (request(0x4C, path, b"\x01\x00"), reply(0x4C, b"\xc4\x00\x01\x02")) for path in SEGMENTS
    ]
    for one, instance, numbers in objects():
        values = {number: value(one, instance, number, chosen) for number in numbers}
        for number, data in values.items():
            pairs.append((request(0x0E, to(one, instance, number)), reply(0x0E, data)))
            pairs.append((request(0x10, to(one, instance, number), data), reply(0x10)))
            listed = b"\x01\x00" + number.to_bytes(2, "little")
            pairs.append((request(3, to(one, instance), listed), reply(3, listed + b"\0\0" + data)))
            pairs.append((request(4, to(one, instance), listed + data), reply(4, listed + b"\x05\x00", 0x0A)))
        pairs.append((request(1, to(one, instance)), reply(1, chosen.randbytes(20))))
    pairs += [(request(service, to(0x44, 1), asked), reply(service, told)) for service, (asked, told) in MODBUS.items()]
    pairs.append((request(0x4C, to(0x44, 1), b"\x01\x00\x08\x00"), reply(0x4C, b"\x01", 0x20)))
    pairs += [(request(0x4B, to(0x67, 1), PCCC_ID + bytes.fromhex(asked)), reply(0x4B, PCCC_ID + bytes.fromhex(told)))
              for asked, told in zip(COMMANDS, ANSWERS, strict=True)]  # fmt: skip
    pairs += [
        (request(5, to(1, 1), b"\x01"), reply(5)), (request(5, to(1, 1)), reply(5, genstat=2)), (request(8, to(0x72, 0), b"\x07"), reply(8, b"\x07\x00")),
        (request(0x11, to(4, 0), b"\x05"), reply(0x11, b"\x02\x01\x00\x02\x00")), (request(0x1C, to(0x43, 1)), reply(0x1C, b"\x01")),
        (request(9, to(0x72, 7)), reply(9, genstat=0x16)), (request(0x4E, to(0x6B, 7), b"\x04\x00" + bytes(8)), reply(0x4E)),
        (request(3, to(1, 1), b"\x03\x00\x01\x00\x99\x00\x02\x00"), reply(3, b"\x03\x00\x01\x00\0\0\x4d\0\x99\x00\x14\0\x02\x00\0\0\x0e\0", 0x0A)),
        (request(0x5A, to(6, 1), b"\x00\x02\x20\x04\x24\x01"), reply(0x5A, bytes(range(12)))), (request(0x56, to(6, 1), b"\x01\x00"), reply(0x56, b"\x01\x00")), (request(0x0E, to(6, 1, 9)), reply(0x0E, b"\x09\x00\xff\x01")),
        *((request(0x54, to(6, 1), CIPForwardOpen(connpath=[*ROUTE, *to(2, 1)], reserved_priority=2, priority=1, tick_time=10)),
           reply(0x54, bytes(CIPForwardOpenReply())[8:16] + b"\x01\x00", status, extended)) for status, extended in ((1, [0x100]), (1, [0x113, 5]), (2, []))),
        *((request(0x52, to(6, 1), CIPUnconnectedSend(message=request(0x10, to(0x99, 1, 2), data), route=ROUTE)), told)
          for data, told in ((b"\x01", reply(0x52, b"\x01\x00", 1, [0x204])), (b"\x01\x02", reply(0x10)), (b"", reply(0x10, genstat=0x14)),
                             (b"", reply(0x52, b"\x02\x00", 2)), (b"", reply(0x52, genstat=5)))),
        (request(0x0A, to(2, 1), CIPMultiple(messages=[request(1, to(1, 1)), request(0x54, to(6, 1), CIPForwardOpen(connpath=ROUTE)), request(0x4B, to(0x67, 1), PCCC_ID + bytes.fromhex(COMMANDS[3]))])),
         reply(0x0A, CIPMultiple(messages=[reply(1, b"\x4d\x00"), reply(0x54, CIPForwardOpenReply()), reply(0x4B, PCCC_ID + bytes.fromhex(ANSWERS[3]))]), 0x1E)),
        (request(0x54, to(6, 1), CIPForwardOpen(connpath=ROUTE)), reply(0x54, CIPForwardOpenReply(app_reply=b"ab"))),
        (request(0x0A, to(2, 1), b"\x02\x00\x06\x00\x40\x00\x01\x00"), reply(0x0A, b"\x01\x00", 0x1E)),
    ]  # fmt: skip
    for context, (asked, told) in enumerate(pairs):
        turns += exchange(1000 + context, asked, told)
    address = bytes.fromhex("0002 08ae 0a000007") + bytes(8)
    items = [
        ENIPItem(typeid=0),
        ENIPItem(typeid=0xB2) / request(0x0E, to(1, 1, 1)),
        ENIPItem(typeid=0x8000) / Raw(address),
        ENIPItem(typeid=0x8001) / Raw(address),
    ]
    turns += [("c", bytes(ENIP(cmd=0x6F) / ENIPSend(items=items))), ("c", bytes(ENIP(cmd=0x6F, status=0x64))), ("c", bytes(ENIP(cmd=0x42) / Raw(b"abc"))),
              ("s", bytes(ENIP(cmd=4) / ENIPItems(items=[ENIPItem(typeid=0x100) / ENIPServices()]))), ("c", bytes(ENIP(cmd=0) / Raw(b"x"))),
              ("s", bytes(ENIP(cmd=0x64) / ENIPItems(items=[ENIPItem(typeid=0x77) / Raw(b"\x01\x02")]))), *opening(20, large=True, serial=2),
              ("c", connected(request(7, to(0x8E, 1)), 9, 0x11223344)), *closing(21, serial=2), *opening(22, path=to(4, 100), serial=3),
              ("c", connected(b"\x01\x02\x03", 10, 0x11223344)), ("s", connected(b"\x03", 10, 0x55667788))]  # fmt: skip
    return turns


def datagrams() -> list[bytes]:
    """Identities and implicit data."""
    identity = ENIPItem(typeid=0x0C) / ENIPIdentity(product=b"1756-EN2T", sinaddr="10.0.0.2", status=0x60)
    items = [
        ENIPItem(typeid=0x8002) / ENIPSequencedAddress(connid=77, seq=9),
        ENIPItem(typeid=0xB1) / Raw(b"\x01\x02\x03"),
    ]
    return [udp(CLIENT, ("255.255.255.255", 44818), bytes(ENIP(cmd=0x63, context=b"\x01\x02\x03\x04\x05\x06\x07\x08"))),
            udp(SERVER, CLIENT, bytes(ENIP(cmd=0x63) / ENIPItems(items=[identity]))),
            udp(("10.0.0.1", 2222), ("10.0.0.2", 2222), bytes(ENIPImplicit(items=items)))]  # fmt: skip


def built(folder: Path) -> Path:
    """A capture of all that."""
    path = folder / "enip.pcap"
    frames = [*segments(everything(), [], CLIENT, SERVER), *datagrams()]
    path.write_bytes(pcap_bytes([(2 * SECOND + number * SECOND // 1000, frame) for number, frame in enumerate(frames)]))
    return path


def is_known(difference: str) -> bool:
    """Whether a difference is one of those that are told above."""
    return any(f" {name}: " in difference for name in OTHERWISE)


def test_every_kind(tmp_path: Path) -> None:
    tshark.require_tool("tshark")
    path = built(tmp_path)
    compared, differences = compare_frames(path, NAMES, 5000)
    print("\n".join(f"{compared[name]:6} {name}" for name in NAMES))
    differences = [text for text in differences if not is_known(text)]
    assert differences == [], "\n".join(differences[:60])
    assert [name for name in NAMES if not compared[name]] == [], "build a message that has them"


def test_real_captures(captures: Path) -> None:
    tshark.require_tool("tshark")
    total: Counter[str] = Counter()
    left: list[str] = []
    for path in sample([*sorted(captures.glob("enip/*.pcap*")), *sorted(captures.glob("mixed/*enip*"))], 6):
        if tshark.frames(path, "enip"):  # it takes a client's port 1102 for another protocol's
            compared, differences = compare_frames(path, NAMES, 4000)
            total += compared
            left += [text for text in differences if not is_known(text)]
    print("\n".join(f"{total[name]:8,} {name}" for name in NAMES if total[name]))
    assert total["enip.command"] > 100 and (not IS_LONG or (total["cip.sc"] > 20000 and total["cip.pccc.sc"] > 100))
    assert left == [], "\n".join(left[:40])


def test_scapy_builds_what_it_dissects(captures: Path) -> None:
    """PDUs of the captures whose lengths fit, which are computed anew."""
    seen = 0
    for path in sorted(captures.glob("enip/*.pcap*")):
        decoding = Decoding(PipelineSettings())
        batch = next(iter(open_source([str(path)], batch_packets=2000 if IS_LONG else 500).batches()))
        table = decoding.tables(batch)[1]["enip"]
        for row in np.flatnonzero((table.anomalies & 0b11111 == 0) & (table.kinds != MALFORMED)).tolist():
            pdu = batch.buffer[int(table.starts[row]) : int(table.stops[row])].tobytes()
            dissected = ENIP(pdu)
            assert bytes(cleared(dissected)) == pdu, f"{path.name}: {pdu.hex()}"
            seen += 1
    assert seen > (3000 if IS_LONG else 1000)
    for _, data in everything():
        assert bytes(cleared(ENIP(data))) == data
    assert CIP in ENIP(everything()[4][1])
