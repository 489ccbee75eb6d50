"""IEC 60870-5-104 as Scapy layers: APDU, ASDU and information objects (IEC 60870-5-104:2006, 5; IEC 60870-5-101, 7)."""

from __future__ import annotations

from functools import cache

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteField,
    LEShortField,
    LEThreeBytesField,
    PacketListField,
    StrField,
    StrFixedLenField,
    XByteField,
)
from scapy.packet import Packet, Raw

from detector.protocols.iec104 import CAUSES, LAYOUT

CONTROL_BYTES = 4
SIZES = LAYOUT[:, 0].tolist()  # octets of an object of each type, -1: all there are


class IEC104Element(Packet):  # type: ignore[misc]
    """An information object whose address follows from the one before it."""

    name = "IEC 104 element"
    fields_desc = [StrField("data", b"")]  # noqa: RUF012 - Scapy's

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What follows is the next object."""
        return b"", s


class IEC104Object(IEC104Element):
    """An information object with its address."""

    name = "IEC 104 object"
    fields_desc = [LEThreeBytesField("ioa", 0), StrField("data", b"")]  # noqa: RUF012


@cache
def sized(has_address: bool, size: int) -> type[Packet]:
    """A class of objects of so many octets behind their address."""
    address = [LEThreeBytesField("ioa", 0)] if has_address else []
    below: type[Packet] = IEC104Object if has_address else IEC104Element
    data = StrField("data", b"") if size < 0 else StrFixedLenField("data", b"", size)
    return type(below.__name__, (below,), {"fields_desc": [*address, data]})


def next_object(pkt: Packet, objects: list[Packet], _current: Packet | None, remain: bytes) -> type[Packet] | None:
    """The class of the next object; Raw for octets behind the last one that the structure qualifier names."""
    if not remain:
        return None
    size, has_address = SIZES[pkt.typeid], not objects or not pkt.sq
    is_whole = len(remain) >= max(size, 0) + 3 * has_address
    if not is_whole or (len(objects) >= pkt.numix and size >= 0):
        return Raw  # type: ignore[no-any-return]
    return sized(has_address, size)


class IEC104ASDU(Packet):  # type: ignore[misc]
    """A unit of application data."""

    name = "IEC 104 ASDU"
    fields_desc = [  # noqa: RUF012
        ByteField("typeid", 100), BitField("sq", 0, 1), BitField("numix", 1, 7), BitField("test", 0, 1), BitField("nega", 0, 1),
        BitEnumField("causetx", 6, 6, CAUSES), ByteField("oa", 0), LEShortField("addr", 1),
        PacketListField("objects", [], next_cls_cb=next_object),
    ]  # fmt: skip


class IEC104(Packet):  # type: ignore[misc]
    """An APDU. `len` is computed where it is None.

    control 0: an ASDU follows, with tx and rx.  control 1: with tx 0 it confirms up to rx; otherwise tx is twice the
    function and one: 3 and 5 start, 9 and 17 stop, 33 and 65 test, the second of each as confirmation.
    """

    name = "IEC 104"
    fields_desc = [  # noqa: RUF012
        XByteField("start", 0x68), ByteField("len", None),
        BitField("tx", 0, 15, tot_size=-2), BitField("control", 0, 1, end_tot_size=-2),
        BitField("rx", 0, 15, tot_size=-2), BitField("reserved", 0, 1, end_tot_size=-2),
    ]  # fmt: skip

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.len is None:
            pkt = pkt[:1] + bytes([CONTROL_BYTES + len(pay)]) + pkt[2:]
        return pkt + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """The ASDU, and the APDUs behind it."""
        size = max(0, (self.len or CONTROL_BYTES) - CONTROL_BYTES)
        return s[:size], s[size:]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """Only the first format has one."""
        return Raw if self.control or len(payload) < 6 else IEC104ASDU  # type: ignore[no-any-return]
