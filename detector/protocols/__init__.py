"""Streams to PDUs. One file per protocol; PROTOCOLS lists them in the order in which they may claim a stream."""

from detector.protocols.modbus import MODBUS
from detector.protocols.protocol import Protocol

PROTOCOLS: tuple[Protocol, ...] = (MODBUS,)  # claims by port 502, or by strict consistency: nothing else can pass that

__all__ = ["PROTOCOLS", "Protocol"]
