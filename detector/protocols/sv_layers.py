"""Sampled Values as Scapy layers: the frame's header, the PDU and its ASDUs (IEC 61850-9-2, 8 and annex A)."""

from __future__ import annotations

from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import bind_top_down

from detector.protocols.ber_layers import (
    BERSequence,
    FixedField,
    IntegerField,
    MemberField,
    SequencesField,
    UtcField,
    sequence,
)
from detector.protocols.goose_layers import FrameHeader, header_fields
from detector.protocols.sv import ETHERTYPE


class SVASDU(BERSequence):
    """An ASDU. None leaves a member out."""

    name = "SV ASDU"
    fields_desc = sequence(
        0x30,
        MemberField("svID", "MU01", 0x80), MemberField("datSet", None, 0x81), FixedField("smpCnt", 0, 0x82, 2),
        FixedField("confRev", 1, 0x83, 4), UtcField("refrTm", None, 0x84), FixedField("smpSynch", 2, 0x85, 1),
        FixedField("smpRate", None, 0x86, 2), MemberField("seqData", bytes(64), 0x87), FixedField("smpMod", None, 0x88, 2),
        MemberField("gmidData", None, 0x89),
    )  # fmt: skip


class SVPDU(BERSequence):
    """A savPdu."""

    name = "SV PDU"
    fields_desc = sequence(
        0x60,
        IntegerField("noASDU", 1, 0x80),
        MemberField("security", None, 0x81),
        SequencesField("seqASDU", [], 0xA2, SVASDU),
    )


class SV(FrameHeader):
    """The header of a frame."""

    name = "SV"
    fields_desc = header_fields(0x4000)
    identifier, pdu = b"\x60", SVPDU


for below in (Ether, Dot1Q):  # per layer below: what is built above it says so there, and it dissects nothing otherwise
    bind_top_down(below, SV, type=ETHERTYPE)
