"""What a protocol declares, once, so that every stage to the right can work with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.columns import Field
from detector.packets.table import PacketTable
from detector.protocols.table import PduTable, ProtocolReader
from detector.protocols.vocabulary import Vocabulary


@dataclass(frozen=True)
class Protocol:
    """One protocol table. One row = one PDU.

    name: the table's name and the rules' `protocol:`.
    also: further field prefixes of this table (modbus: mbtcp).
    tcp_ports, udp_ports: registered ports; flows/ is handed them to tell the server's side.
    fields: every field of the table, in the order `detector fields` lists them; objects' fields have level "object".
    anomalies: {name: meaning} of pdu.anomaly values, such as modbus.invalid_length; a name's place is its bit.
    spans: {protocol: offset in the PDU} of the protocols in it whose bytes filters may look at.
    reader: makes the object that turns chunks of stream bytes into tables, with its state for a run.
    table: makes its table of packets and of cells of PDUs in them.
    vocabulary: what its PDUs do, in the words that all protocols share.
    scapy: dotted name of the Scapy class that dissects a whole PDU ("scapy.contrib.modbus.ModbusADURequest"), by
        flow direction ("to_server", "to_client").
    """

    name: str
    title: str
    also: tuple[str, ...]
    tcp_ports: tuple[int, ...]
    udp_ports: tuple[int, ...]
    fields: tuple[Field, ...]
    anomalies: Mapping[str, str]
    spans: Mapping[str, int]
    reader: Callable[[], ProtocolReader]
    table: Callable[[PacketTable, NDArray[np.int64]], PduTable]
    vocabulary: Vocabulary
    scapy: Mapping[str, str]
