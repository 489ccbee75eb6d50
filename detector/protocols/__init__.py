"""Streams to PDUs. One file per protocol; PROTOCOLS lists them in the order in which they may claim a stream."""

from detector.protocols.dnp3 import DNP3
from detector.protocols.enip import ENIP
from detector.protocols.goose import GOOSE
from detector.protocols.iec104 import IEC104
from detector.protocols.modbus import MODBUS
from detector.protocols.protocol import Protocol
from detector.protocols.s7comm import S7COMM
from detector.protocols.sv import SV

PROTOCOLS: tuple[Protocol, ...] = (
    MODBUS,
    DNP3,
    IEC104,
    S7COMM,
    ENIP,
    GOOSE,
    SV,
)  # each claims its ports, and streams that only it can have begun

__all__ = ["PROTOCOLS", "Protocol"]
