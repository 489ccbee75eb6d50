"""Every kernel compiled ahead: a small synthetic run through all stages asks for every column and every kind of rule."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scapy.contrib.modbus import (
    ModbusADURequest,
    ModbusPDU03ReadHoldingRegistersRequest,
    ModbusPDU06WriteSingleRegisterRequest,
)
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from detector.capture import open_source
from detector.capture.batch import batch_of
from detector.capture.ring import Columns, Ring, in_order
from detector.columns import Table
from detector.detect.engine import Engine
from detector.detect.predicates import evaluate
from detector.flows.followed import Watched
from detector.flows.table import FlowTable
from detector.flows.windows import WindowTable
from detector.packets.decode import DecodeSettings, PacketDecoder
from detector.packets.table import PacketTable
from detector.pipeline import Decoding, Following, Pipeline, PipelineSettings
from detector.protocols import PROTOCOLS
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.frames import FrameTable
from detector.protocols.ics import ICS, ICS_FIELDS
from detector.protocols.table import PduTable
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.rules.parser import parse_filter
from detector.shipped import rules_folder
from detector.workers.messages import Begin, Work
from detector.workers.shared import make_slot, write_batch
from detector.workers.worker import Worker

HOUR = 3600 * 10**9
MASTERS = {"MODBUS_MASTERS": "10.0.0.1"}
DNP3_READ = "0564 0b c4 0400 0300 e42b c0c1 01 3c0206 52c3"  # class 1
ENIP_STOP = "6f00 1600 01000000 00000000 0100000000000000 00000000 00000000 0a00 0200 0000 0000 b200 0600 0702208e2401"
IEC104_INTERROGATION = "680e 00000000 6401 0600 0100 000000 14"
S7_READ = "0300001f02f080320100000001000e00000401120a10020001000184000010"  # a byte of a data block
GOOSE_MESSAGE = (
    "0001004000000000 6136800161810101820162840800000000000000008501018601008701008801"
    "018901008a0103ab0f850101a20787050800000000840100"
)
SAMPLES = "4000002700000000601d800101a218301680016182020000830400000001850102870400000000"
MAC = "02:00:00:00:00:01"
FILTERS = ("ip[0:2] == 45:00", "tcp.payload contains 00:06", 'frame.comment == "a"')  # bytes, and text without case

# What kernels of payload rules branch on: literals in packets and streams, every kind of step, headers, memory, thresholds.
PAYLOAD_RULES = """
alert ip any any -> any any (msg:"anywhere"; content:"detector"; content:"t"; distance:0; byte_test:1,>,0,0; sid:1;)
alert tcp any any -> $HOME_NET 1: (msg:"packet"; dsize:>1; content:"|00|"; pcre:"/x/"; flowbits:set,a; sid:2;)
alert ip any any -> any any (msg:"number"; ttl:64; xbits:set,b,track ip_src; threshold:type limit,track by_src,count 1,seconds 9; sid:3;)
alert udp any any -> any any (msg:"everywhere"; content:"|00|"; flowint:number,+,1; sid:4;)
alert ip any any -> any any (msg:"header"; detection_filter:track by_dst,count 1,seconds 9; sid:5;)
"""


def traffic() -> list[bytes]:
    """A packet for each branch that has a kernel of its own."""
    request = ModbusADURequest() / ModbusPDU03ReadHoldingRegistersRequest()
    write = ModbusADURequest() / ModbusPDU06WriteSingleRegisterRequest()
    ends = {"src": "10.0.0.1", "dst": "10.0.0.2"}
    layers = (
        IP(src="10.0.0.3", dst="10.0.0.2")
        / TCP(sport=40000, dport=502, flags="PA", seq=1)
        / write,  # no master: alerts
        IP(**ends) / TCP(sport=40000, dport=502, flags="PA", seq=1, options=[("MSS", 1460)]) / request,
        Dot1Q(vlan=7) / IP(**ends) / UDP(sport=40000, dport=502) / request,
        IP(**ends, flags="MF") / Raw(b"x" * 16),
        IP(**ends) / ICMP(type=3) / IP(**ends) / UDP(),
        IP(**ends) / UDP(sport=40000, dport=20000) / Raw(bytes.fromhex(DNP3_READ)),
        IP(**ends) / TCP(sport=40000, dport=2404, flags="PA", seq=1) / Raw(bytes.fromhex(IEC104_INTERROGATION)),
        IP(**ends) / TCP(sport=40000, dport=102, flags="PA", seq=1) / Raw(bytes.fromhex(S7_READ)),
        IP(**ends) / TCP(sport=40000, dport=44818, flags="PA", seq=1) / Raw(bytes.fromhex(ENIP_STOP)),
        Dot1Q(type=0x88B8) / Raw(bytes.fromhex(GOOSE_MESSAGE)),
        Dot1Q(type=0x88BA) / Raw(bytes.fromhex(SAMPLES)),
        ARP(hwsrc=MAC, psrc="10.0.0.1", pdst="10.0.0.2"),
    )
    # All addresses are given: Scapy would ask the network for one that is not, and a sensor sends nothing.
    return [bytes(Ether(src=MAC, dst=MAC) / layer) for layer in layers]


def literals() -> list[bytes]:
    """A segment with a literal of PAYLOAD_RULES, and a datagram that is so full of it that a kernel searches for them."""
    ends = {"src": "10.0.0.1", "dst": "10.0.0.2"}
    layers = (
        IP(**ends) / TCP(sport=40001, dport=80, flags="PA", seq=1) / Raw(b"a detector"),
        IP(**ends) / UDP(sport=40001, dport=80) / Raw(b"detector" * 1000),
    )
    return [bytes(Ether(src=MAC, dst=MAC) / layer) for layer in layers]


def loaded() -> Ruleset:
    """The shipped packs and PAYLOAD_RULES."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "warming.rules"
        path.write_text(PAYLOAD_RULES)
        return load_rules([rules_folder(), path], variables=MASTERS, home_net=["10.0.0.0/8"])


def captures(packets: list[bytes]) -> dict[str, bytes]:
    """{name: bytes} of a capture in each format."""
    records = b"".join(struct.pack("<IIII", 1, 0, len(packet), len(packet)) + packet for packet in packets)
    blocks = [(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)), (1, struct.pack("<HHI", 1, 0, 0))]
    for packet in packets:
        padded = packet.ljust((len(packet) + 3) // 4 * 4, b"\0")
        blocks.append((6, struct.pack("<IIIII", 0, 0, 0, len(packet), len(packet)) + padded))
    framed = (
        struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12) for kind, body in blocks
    )
    return {"a.pcap": struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1) + records, "b.pcapng": b"".join(framed)}


def ring_block(packets: list[bytes], block_bytes: int = 65536, status: int = 0, tag: int = 0,
               tpid: int = 0x8100) -> NDArray[np.uint8]:  # fmt: skip
    """A block of a TPACKET_V3 ring as Linux hands it over: packets of one status, VLAN tag and TPID, a second apart."""
    records, size = b"", 48
    for number, packet in enumerate(packets):
        next_offset = (82 + len(packet) + 15) // 16 * 16
        header = struct.pack(
            "=6I2H2IH10x", next_offset, number + 1, number, len(packet), len(packet), status, 82, 96, 0, tag, tpid
        )
        address = struct.pack("=H2siHBB8s", 17, packet[12:14], 1, 1, 0, 6, packet[6:12])
        records += (header + address + bytes(14) + packet).ljust(next_offset, b"\0")
        size += next_offset
    description = struct.pack("=6IQ4I", 3, 0, 1, len(packets), 48, size, 1, 1, 0, len(packets), 0)
    return np.frombuffer(bytearray((description + records).ljust(block_bytes, b"\0")), np.uint8)


def read_ring(memory: NDArray[np.uint8], block_bytes: int, tag_at: int) -> Columns:
    """Everything that is ready in a ring."""
    ring = Ring(memory, block_bytes, tag_at)
    ready, count, size, until = ring.survey(len(memory), len(memory))
    columns = Columns(count, size)
    ring.walk(columns, ready, until, until)
    return columns


def steps() -> list[tuple[str, Callable[[], object]]]:
    """What is to be run, in order, each with the name of what it compiles."""
    settings = PipelineSettings(decode=DecodeSettings(check_checksums=True, drop_repeats=True))
    decoding = Decoding(settings)
    packets = traffic()
    batch = batch_of(packets, range(len(packets)))
    tables: dict[str, Table] = {}
    packet_table: list[PacketTable] = []
    pdu_tables: dict[str, PduTable] = {}

    def capture() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in captures(packets).items():
                (Path(folder) / name).write_bytes(content)
            for _ in open_source([folder]).batches():
                pass

    def live() -> None:
        for tag_at in (12, 14):
            read_ring(ring_block(packets, status=80, tag=7), 65536, tag_at)
        in_order(batch, [len(packets)])

    def decode() -> None:
        decoding.following.watch(Watched(ics=True))
        table, pdus = decoding.tables(batch)
        decoding.following.flows.shards_of(table)  # what a coordinator deals rows out by
        tables.update({"packet": table, **pdus})
        packet_table.append(table)
        pdu_tables.update(pdus)
        _, late = decoding.tables(batch_of(packets[:1], [HOUR]))  # requests that nobody has answered by then
        for field in ICS_FIELDS:  # per field
            late[ICS].column(field.name).flat()

    def windows() -> None:
        decoded = PacketDecoder(settings.decode).decode(batch_of(packets, range(len(packets))))
        following = Following(settings)
        flows = following.flows.follow(decoded)
        following.sessions.follow(decoded, flows)
        chunks = following.streams.follow(decoded, flows)
        table = WindowTable(2**20, following.flows.slots)
        found = table.follow(decoded, chunks)
        table.copy(decoded.batch, found, np.arange(len(found.cells)))
        table.remember(decoded.batch, found)

    def columns(owner: str) -> None:
        for name in FIELDS:
            if table_of(name) == owner:
                tables[owner].column(name).flat()
        tables[owner].objects()

    def rules() -> None:
        engine = Engine(loaded(), settings.engine)
        engine.learn(tables)
        engine.detect(tables)

    def filters() -> None:
        for text in FILTERS:
            evaluate(parse_filter(text), FrameTable(packet_table[0], pdu_tables))

    def payload_rules() -> None:
        pipeline = Pipeline(loaded(), settings)
        watched, pdus = pipeline.decoding.tables(batch_of([*packets, *literals()], range(len(packets) + 2)))
        pipeline.engine.detect({"packet": watched, **pdus})
        pipeline.decoding.following.remember(watched)

    def workers() -> None:
        """The same in memory that processes share: other kinds of arrays to a kernel, though of the same numbers."""
        slot = make_slot()
        decoded = PacketDecoder(settings.decode).decode(batch_of(packets, range(len(packets))))
        layout = write_batch(slot, 0, decoded, FlowTable(settings.flows).shards_of(decoded), 1)
        worker = Worker(Begin(0, 1, settings, loaded()), [slot])
        worker.answer(Work(0, layout))
        for owner, table in worker.tables_of(0).items():
            for name in FIELDS:
                if table_of(name) == owner:
                    table.column(name).flat()
        slot.close()

    owners = ("packet", *(protocol.name for protocol in PROTOCOLS), ICS)
    return [
        ("capture", capture),
        ("live capture", live),
        ("decode", decode),
        ("windows of streams", windows),
        *((f"columns of {owner}", lambda owner=owner: columns(owner)) for owner in owners),
        ("filters", filters),
        ("rules", rules),
        ("payload rules", payload_rules),
        ("workers", workers),
    ]
