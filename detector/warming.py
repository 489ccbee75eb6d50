"""Every kernel compiled ahead: a small synthetic run through all stages asks for every column and every kind of rule."""

from __future__ import annotations

from collections.abc import Callable

from scapy.contrib.modbus import ModbusADURequest, ModbusPDU03ReadHoldingRegistersRequest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from detector.capture.batch import batch_of
from detector.columns import Table
from detector.detect.engine import Engine
from detector.packets.decode import DecodeSettings
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols import PROTOCOLS
from detector.protocols.fields import FIELDS, table_of
from detector.rules.loader import load_rules
from detector.shipped import rules_folder

MASTERS = {"MODBUS_MASTERS": "10.0.0.1"}


def traffic() -> list[bytes]:
    """A packet for each branch that has a kernel of its own."""
    request = ModbusADURequest() / ModbusPDU03ReadHoldingRegistersRequest()
    ends = {"src": "10.0.0.1", "dst": "10.0.0.2"}
    layers = (
        IP(**ends) / TCP(sport=40000, dport=502, flags="PA", seq=1, options=[("MSS", 1460)]) / request,
        Dot1Q(vlan=7) / IP(**ends) / UDP(sport=40000, dport=502) / request,
        IP(**ends, flags="MF") / Raw(b"x" * 16),
        IP(**ends) / ICMP(type=3) / IP(**ends) / UDP(),
        ARP(),
    )
    return [bytes(Ether() / layer) for layer in layers]


def steps() -> list[tuple[str, Callable[[], object]]]:
    """What is to be run, in order, each with the name of what it compiles."""
    settings = PipelineSettings(decode=DecodeSettings(check_checksums=True, drop_repeats=True))
    decoding = Decoding(settings)
    packets = traffic()
    batch = batch_of(packets, range(len(packets)))
    tables: dict[str, Table] = {}

    def decode() -> None:
        table, pdus = decoding.tables(batch)
        tables.update({"packet": table, **pdus})

    def columns(owner: str) -> None:
        for name in FIELDS:
            if table_of(name) == owner:
                tables[owner].column(name).flat()
        tables[owner].objects()

    def rules() -> None:
        engine = Engine(load_rules([rules_folder()], variables=MASTERS, home_net=["10.0.0.0/8"]), settings.engine)
        engine.learn(tables)
        engine.detect(tables)

    owners = ("packet", *(protocol.name for protocol in PROTOCOLS))
    return [
        ("decode", decode),
        *((f"columns of {owner}", lambda owner=owner: columns(owner)) for owner in owners),
        ("rules", rules),
    ]
