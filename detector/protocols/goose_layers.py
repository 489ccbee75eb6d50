"""GOOSE as Scapy layers: the frame's header, the PDU, and elements of data sets (IEC 61850-8-1, annexes A and C)."""

from __future__ import annotations

from typing import Any

from scapy.fields import ShortField, XByteField, XShortField
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Packet, Raw, bind_top_down

from detector.protocols.ber_layers import (
    BERElement,
    BERSequence,
    ElementsField,
    IntegerField,
    MemberField,
    UtcField,
    ValueField,
    sequence,
)
from detector.protocols.goose import ETHERTYPE

HEADER = 8


class GOOSEData(BERElement):
    """An element of a data set. tag: 0x83 boolean, 0x84 bit-string, 0x85 integer, 0x87 floating-point, 0xa2 structure ..."""

    name = "GOOSE data"
    fields_desc = [XByteField("tag", 0x83), ValueField("value", b"\x00")]  # noqa: RUF012 - Scapy's


class GOOSEPDU(BERSequence):
    """A goosePdu. None leaves a member out."""

    name = "GOOSE PDU"
    fields_desc = sequence(
        0x61,
        MemberField("gocbRef", "IED1LD0/LLN0$GO$gcb1", 0x80), IntegerField("timeAllowedtoLive", 2000, 0x81),
        MemberField("datSet", "IED1LD0/LLN0$ds1", 0x82), MemberField("goID", None, 0x83), UtcField("t", 0, 0x84),
        IntegerField("stNum", 1, 0x85), IntegerField("sqNum", 0, 0x86), IntegerField("simulation", 0, 0x87),
        IntegerField("confRev", 1, 0x88), IntegerField("ndsCom", 0, 0x89), IntegerField("numDatSetEntries", 0, 0x8A),
        ElementsField("allData", [], 0xAB, GOOSEData),
    )  # fmt: skip

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """Another PDU, or nothing of GOOSE."""
        return GOOSEPDU if payload[:1] == b"\x61" else Raw  # type: ignore[return-value]


class FrameHeader(Packet):  # type: ignore[misc]
    """The header of a frame of IEC 61850 (annex C of part 8-1). `length` is computed where it is None.

    identifier: what its PDU begins with, which is of the class `pdu`.
    """

    identifier = b""
    pdu: type[Packet] = Raw

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.length is None:
            pkt = pkt[:2] + (HEADER + len(pay)).to_bytes(2, "big") + pkt[4:]
        return pkt + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """The PDU, and what fills the frame up."""
        size = max(0, (self.length or 0) - HEADER)
        return s[:size], s[size:]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """Its PDU, or nothing that is taken apart."""
        return self.pdu if payload[:1] == self.identifier else Raw  # type: ignore[return-value]


def header_fields(appid: int) -> list[Any]:
    """The fields of such a header."""
    return [
        XShortField("appid", appid),
        ShortField("length", None),
        XShortField("reserve1", 0),
        XShortField("reserve2", 0),
    ]


class GOOSE(FrameHeader):
    """The header of a GOOSE frame."""

    name = "GOOSE"
    fields_desc = header_fields(0x0001)
    identifier, pdu = b"\x61", GOOSEPDU


for below in (Ether, Dot1Q):  # per layer below: what is built above it says so there, and it dissects nothing otherwise
    bind_top_down(below, GOOSE, type=ETHERTYPE)
