"""EtherNet/IP and CIP as Scapy layers: encapsulation, items, messages and their paths (The CIP Networks Library, vol. 1 and 2).

Lengths, counts, sizes of paths and offsets are computed where they are None. What a reply's data are depends on its request;
they are bytes, but for those of the Connection Manager and of multiple service packets.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from scapy.fields import (
    BitField,
    ByteField,
    ConditionalField,
    FieldLenField,
    FieldListField,
    IPField,
    LEFieldLenField,
    LEIntField,
    LEShortField,
    PacketLenField,
    PacketListField,
    ShortField,
    StrField,
    StrFixedLenField,
    StrLenField,
    X3BytesField,
    XByteField,
    XLEIntField,
    XLEShortField,
)
from scapy.packet import Packet, Raw

HEADER_BYTES, OPENED_BYTES, SEND_BYTES = 24, 26, 6
CONNECTION_MANAGER, MULTIPLE, UNCONNECTED_SEND, FORWARD_OPEN, LARGE_FORWARD_OPEN, FORWARD_CLOSE = (
    0x06,
    0x0A,
    0x52,
    0x54,
    0x5B,
    0x4E,
)
VALUE_BYTES = (1, 2, 4)  # of logical segments, by their format


class CIPSegment(Packet):  # type: ignore[misc]
    """The rest of a path, of which nothing is known."""

    name = "CIP segment"
    fields_desc = [StrField("data", b"")]  # noqa: RUF012 - Scapy's

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What follows is the next segment."""
        return b"", s


class CIPLogical8(CIPSegment):
    """A logical segment: 0x20 class, 0x24 instance, 0x28 member, 0x2c connection point, 0x30 attribute."""

    name = "CIP logical segment of 8 bits"
    fields_desc = [XByteField("kind", 0x20), XByteField("value", 0)]  # noqa: RUF012


class CIPLogical16(CIPSegment):
    """A logical segment: 0x21 class, 0x25 instance, 0x29 member, 0x2d connection point, 0x31 attribute."""

    name = "CIP logical segment of 16 bits"
    fields_desc = [XByteField("kind", 0x21), ByteField("pad", 0), XLEShortField("value", 0)]  # noqa: RUF012


class CIPLogical32(CIPSegment):
    """A logical segment: 0x22 class, 0x26 instance, 0x2a member, 0x2e connection point, 0x32 attribute."""

    name = "CIP logical segment of 32 bits"
    fields_desc = [XByteField("kind", 0x22), ByteField("pad", 0), XLEIntField("value", 0)]  # noqa: RUF012


class CIPKey(CIPSegment):
    """An electronic key: what a device must be."""

    name = "CIP electronic key"
    fields_desc = [  # noqa: RUF012
        XByteField("kind", 0x34), ByteField("format", 4), XLEShortField("vendor", 0), XLEShortField("devtype", 0),
        XLEShortField("product_code", 0), BitField("compatible", 0, 1), BitField("major_rev", 0, 7), ByteField("minor_rev", 0),
    ]  # fmt: skip


class CIPPort(CIPSegment):
    """A port and a link address of one byte, such as a slot."""

    name = "CIP port segment"
    fields_desc = [XByteField("kind", 1), ByteField("link", 0)]  # noqa: RUF012


class CIPPortLink(CIPSegment):
    """A port and a link address that is a text."""

    name = "CIP port segment with text"
    fields_desc = [  # noqa: RUF012
        XByteField("kind", 0x12), FieldLenField("size", None, fmt="B", length_of="link"),
        StrLenField("link", b"", length_from=lambda pkt: pkt.size),
        ConditionalField(ByteField("pad", 0), lambda pkt: len(pkt.link) & 1),
    ]  # fmt: skip


class CIPSymbol(CIPSegment):
    """The name of a tag."""

    name = "CIP symbol"
    fields_desc = [  # noqa: RUF012
        XByteField("kind", 0x91), FieldLenField("size", None, fmt="B", length_of="symbol"),
        StrLenField("symbol", b"", length_from=lambda pkt: pkt.size),
        ConditionalField(ByteField("pad", 0), lambda pkt: len(pkt.symbol) & 1),
    ]  # fmt: skip


def next_segment(_pkt: Packet, _list: list[Packet], _current: Packet | None, remain: bytes) -> type[Packet] | None:
    """The class of a path's next segment."""
    if not remain:
        return None
    kind = remain[0]
    if kind >> 5 == 1 and (kind >> 2) & 7 <= 4 and kind & 3 < 3:
        found = (CIPLogical8, CIPLogical16, CIPLogical32)[kind & 3]
        return found if len(remain) >= 2 + (kind & 3) * 2 else CIPSegment
    if kind == 0x34 and len(remain) >= 10 and remain[1] == 4:
        return CIPKey
    if kind < 0x10 and kind != 15 and len(remain) >= 2:
        return CIPPort
    if len(remain) >= 2 and len(remain) >= 2 + remain[1] + (remain[1] & 1):
        if kind == 0x91:
            return CIPSymbol
        if 0x10 <= kind < 0x1F:
            return CIPPortLink
    return CIPSegment


def path(name: str, size: str, **more: Any) -> tuple[FieldLenField, PacketListField]:
    """A path behind its size in words."""
    return (
        FieldLenField(size, None, fmt="B", length_of=name, adjust=lambda pkt, x: x // 2),
        PacketListField(name, [], next_cls_cb=next_segment, length_from=lambda pkt: 2 * pkt.getfieldval(size), **more),
    )


REQUEST_SIZE, REQUEST_PATH = path("path", "path_size")


def is_request(pkt: Packet) -> bool:
    """Whether a message is one."""
    return not pkt.rr


def is_response(pkt: Packet) -> bool:
    """Whether a message is one."""
    return bool(pkt.rr)


class CIP(Packet):  # type: ignore[misc]
    """A CIP message: a request with its path, or a response with its status."""

    name = "CIP"
    fields_desc = [  # noqa: RUF012
        BitField("rr", 0, 1), BitField("sc", 14, 7),
        ConditionalField(REQUEST_SIZE, is_request), ConditionalField(REQUEST_PATH, is_request),
        ConditionalField(ByteField("reserved", 0), is_response), ConditionalField(XByteField("genstat", 0), is_response),
        ConditionalField(FieldLenField("addstat_size", None, fmt="B", count_of="addstat"), is_response),
        ConditionalField(FieldListField("addstat", [], XLEShortField("", 0), count_from=lambda pkt: pkt.addstat_size), is_response),
    ]  # fmt: skip

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """By the service, of the Connection Manager where the path says so."""
        if self.sc == MULTIPLE and is_regular(payload):
            return CIPMultiple
        if self.rr:
            is_open = self.sc in (FORWARD_OPEN, LARGE_FORWARD_OPEN) and self.genstat == 0
            return CIPForwardOpenReply if is_open and len(payload) >= OPENED_BYTES else Raw  # type: ignore[no-any-return]
        first = self.path[0] if self.path else None
        if not isinstance(first, CIPLogical8) or first.kind != 0x20 or first.value != CONNECTION_MANAGER:
            return Raw  # type: ignore[no-any-return]
        found = MANAGER_REQUESTS.get(self.sc)
        return found if found and found.fits(payload) else Raw  # type: ignore[no-any-return]


def is_regular(data: bytes) -> bool:
    """Whether the offsets of a multiple service packet say no more than that its messages follow one another."""
    count = int.from_bytes(data[:2], "little")
    offsets = offsets_of(data)
    if count == 0 or len(data) < 2 + 2 * count or offsets[0] != 2 + 2 * count or offsets[-1] >= len(data):
        return False
    bounds = [*offsets, len(data)]
    return all(is_message(data[start:stop]) for start, stop in pairwise(bounds))


def offsets_of(data: bytes) -> list[int]:
    """Where the messages of a multiple service packet begin."""
    count = int.from_bytes(data[:2], "little")
    return [int.from_bytes(data[at : at + 2], "little") for at in range(2, 2 + 2 * count, 2)]


def is_message(data: bytes) -> bool:
    """Whether bytes hold a message's header."""
    if len(data) < 4:
        return len(data) >= 2 and data[0] < 0x80 and data[1] == 0
    return len(data) >= (4 + 2 * data[3] if data[0] & 0x80 else 2 + 2 * data[1])


class CIPMessages(PacketListField):  # type: ignore[misc]
    """The messages of a multiple service packet, behind their number and offsets."""

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, list[Packet]]:
        """The messages; nothing is left."""
        bounds = [*offsets_of(s), len(s)]
        return b"", [CIP(s[start:stop]) for start, stop in pairwise(bounds)]

    def addfield(self, pkt: Packet, s: bytes, val: list[Packet]) -> bytes:
        """Number, offsets and messages."""
        built = [bytes(message) for message in val]
        at, offsets = 2 + 2 * len(built), b""
        for message in built:  # per message of a list
            offsets += at.to_bytes(2, "little")
            at += len(message)
        return s + len(built).to_bytes(2, "little") + offsets + b"".join(built)


class CIPMultiple(Packet):  # type: ignore[misc]
    """A multiple service packet, or the replies to one."""

    name = "CIP multiple service packet"
    fields_desc = [CIPMessages("messages", [], CIP)]  # noqa: RUF012

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """Nothing follows."""
        return b"", s


TICKS = [
    BitField("reserved_priority", 0, 3),
    BitField("priority", 0, 1),
    BitField("tick_time", 7, 4),
    ByteField("timeout_tick", 249),
]
TRIAD = [LEShortField("conn_serial_num", 1), XLEShortField("vendor", 0x4D), XLEIntField("orig_serial_num", 1)]


class CIPForwardOpen(Packet):  # type: ignore[misc]
    """Asks for a connection. transport: 0xa3 is for messages, 0x01 for implicit data."""

    name = "CIP Forward Open"
    parameters: type[LEShortField] = XLEShortField
    shortest = 36
    fields_desc = [  # noqa: RUF012
        *TICKS, XLEIntField("ot_connid", 0), XLEIntField("to_connid", 0), *TRIAD, ByteField("timeout_multiplier", 0),
        X3BytesField("reserved", 0), LEIntField("otrpi", 1_000_000), XLEShortField("ot_net_params", 0x43F4), LEIntField("torpi", 1_000_000),
        XLEShortField("to_net_params", 0x43F4), XByteField("transport", 0xA3), *path("connpath", "connpath_size"),
    ]  # fmt: skip

    @classmethod
    def fits(cls, data: bytes) -> bool:
        """Whether bytes hold one."""
        return len(data) >= cls.shortest and len(data) >= cls.shortest + 2 * data[cls.shortest - 1]


class CIPLargeForwardOpen(CIPForwardOpen):
    """Asks for a connection whose data may be larger."""

    name = "CIP Large Forward Open"
    shortest = 40
    fields_desc = [  # noqa: RUF012
        *TICKS, XLEIntField("ot_connid", 0), XLEIntField("to_connid", 0), *TRIAD, ByteField("timeout_multiplier", 0),
        X3BytesField("reserved", 0), LEIntField("otrpi", 1_000_000), XLEIntField("ot_net_params", 0x42000FA2), LEIntField("torpi", 1_000_000),
        XLEIntField("to_net_params", 0x42000FA2), XByteField("transport", 0xA3), *path("connpath", "connpath_size"),
    ]  # fmt: skip


class CIPForwardOpenReply(Packet):  # type: ignore[misc]
    """The connection that was made; an application's reply may follow."""

    name = "CIP Forward Open reply"
    fields_desc = [  # noqa: RUF012
        XLEIntField("ot_connid", 0), XLEIntField("to_connid", 0), *TRIAD, LEIntField("otapi", 1_000_000), LEIntField("toapi", 1_000_000),
        FieldLenField("app_reply_size", None, fmt="B", length_of="app_reply", adjust=lambda pkt, x: x // 2), ByteField("reserved", 0),
        StrLenField("app_reply", b"", length_from=lambda pkt: 2 * pkt.app_reply_size),
    ]  # fmt: skip


class CIPForwardClose(Packet):  # type: ignore[misc]
    """Ends a connection."""

    name = "CIP Forward Close"
    SIZE, PATH = path("connpath", "connpath_size")
    fields_desc = [*TICKS, *TRIAD, SIZE, ByteField("reserved", 0), PATH]  # noqa: RUF012

    @classmethod
    def fits(cls, data: bytes) -> bool:
        """Whether bytes hold one."""
        return len(data) >= 12 and len(data) >= 12 + 2 * data[10]


class CIPUnconnectedSend(Packet):  # type: ignore[misc]
    """A message that is sent on along a route."""

    name = "CIP Unconnected Send"
    SIZE, PATH = path("route", "route_path_size")
    fields_desc = [  # noqa: RUF012
        *TICKS, LEFieldLenField("msg_req_size", None, length_of="message"),
        PacketLenField("message", CIP(), CIP, length_from=lambda pkt: pkt.msg_req_size),
        ConditionalField(ByteField("pad", 0), lambda pkt: len(bytes(pkt.message)) & 1), SIZE, ByteField("reserved", 0), PATH,
    ]  # fmt: skip

    @classmethod
    def fits(cls, data: bytes) -> bool:
        """Whether bytes hold one, with a whole message."""
        size = int.from_bytes(data[2:4], "little")
        at = 4 + size + (size & 1)
        return len(data) >= at + 2 and len(data) >= at + 2 + 2 * data[at] and is_message(data[4 : 4 + size])


MANAGER_REQUESTS: dict[int, Any] = {
    FORWARD_OPEN: CIPForwardOpen, LARGE_FORWARD_OPEN: CIPLargeForwardOpen, FORWARD_CLOSE: CIPForwardClose,
    UNCONNECTED_SEND: CIPUnconnectedSend,
}  # fmt: skip


class ENIPConnectedAddress(Packet):  # type: ignore[misc]
    """The connection of a message."""

    name = "ENIP connected address"
    fields_desc = [XLEIntField("connid", 0)]  # noqa: RUF012


class ENIPSequencedAddress(Packet):  # type: ignore[misc]
    """The connection of implicit data, and their number in it."""

    name = "ENIP sequenced address"
    fields_desc = [XLEIntField("connid", 0), LEIntField("seq", 0)]  # noqa: RUF012


class ENIPConnectedData(Packet):  # type: ignore[misc]
    """A message of a connection, behind its sequence count."""

    name = "ENIP connected data"
    fields_desc = [LEShortField("seq", 0)]  # noqa: RUF012

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """A message, where bytes can be one."""
        return CIP if is_message(payload) else Raw  # type: ignore[no-any-return]


class ENIPIdentity(Packet):  # type: ignore[misc]
    """What a device is."""

    name = "ENIP identity"
    fields_desc = [  # noqa: RUF012
        LEShortField("encapver", 1), ShortField("sinfamily", 2), ShortField("sinport", 44818), IPField("sinaddr", "0.0.0.0"),
        StrFixedLenField("sinzero", bytes(8), 8), XLEShortField("vendor", 1), LEShortField("devtype", 14), LEShortField("prodcode", 1),
        ByteField("major_rev", 1), ByteField("minor_rev", 1), XLEShortField("status", 0), XLEIntField("serial", 1),
        FieldLenField("namelen", None, fmt="B", length_of="product"), StrLenField("product", b"", length_from=lambda pkt: pkt.namelen),
        XByteField("state", 3),
    ]  # fmt: skip


class ENIPServices(Packet):  # type: ignore[misc]
    """What a device offers."""

    name = "ENIP services"
    fields_desc = [  # noqa: RUF012
        LEShortField("encapver", 1),
        XLEShortField("capaflags", 0x120),
        StrFixedLenField("service", b"Communications\0\0", 16),
    ]


ITEM_CLASSES: dict[int, tuple[type[Packet], int]] = {
    0x0C: (ENIPIdentity, 34), 0xA1: (ENIPConnectedAddress, 4), 0xB1: (ENIPConnectedData, 2), 0x100: (ENIPServices, 20),
    0x8002: (ENIPSequencedAddress, 8),
}  # fmt: skip


class ENIPItem(Packet):  # type: ignore[misc]
    """An item of the common packet format. is_io: its data are not messages."""

    name = "ENIP item"
    fields_desc = [XLEShortField("typeid", 0), LEShortField("length", None)]  # noqa: RUF012
    is_io = False

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.length is None:
            pkt = pkt[:2] + len(pay).to_bytes(2, "little")
        return pkt + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """The item's data, and the items behind it."""
        return s[: self.length], s[self.length :]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """By the type."""
        if self.typeid == 0xB2 and is_message(payload):
            return CIP
        found, least = ITEM_CLASSES.get(self.typeid, (Raw, 0))
        if self.typeid == 0x0C and len(payload) >= least and len(payload) < least + payload[32]:
            return Raw  # type: ignore[no-any-return]
        return found if len(payload) >= least and not (self.is_io and self.typeid == 0xB1) else Raw  # type: ignore[no-any-return]


class ENIPImplicitItem(ENIPItem):
    """An item of implicit data."""

    is_io = True


COUNT = LEFieldLenField("itemcount", None, count_of="items")


class ENIPItems(Packet):  # type: ignore[misc]
    """Items alone: replies that list something."""

    name = "ENIP items"
    fields_desc = [COUNT, PacketListField("items", [], ENIPItem, count_from=lambda pkt: pkt.itemcount)]  # noqa: RUF012


class ENIPImplicit(Packet):  # type: ignore[misc]
    """A datagram of implicit data, on UDP port 2222."""

    name = "ENIP implicit data"
    fields_desc = [COUNT, PacketListField("items", [], ENIPImplicitItem, count_from=lambda pkt: pkt.itemcount)]  # noqa: RUF012


class ENIPSend(Packet):  # type: ignore[misc]
    """Data of Send RR Data and Send Unit Data."""

    name = "ENIP send"
    fields_desc = [  # noqa: RUF012
        XLEIntField("iface", 0), LEShortField("timeout", 0), COUNT,
        PacketListField("items", [], ENIPItem, count_from=lambda pkt: pkt.itemcount),
    ]  # fmt: skip


class ENIPRegister(Packet):  # type: ignore[misc]
    """Begins a session."""

    name = "ENIP register session"
    fields_desc = [LEShortField("version", 1), XLEShortField("flags", 0)]  # noqa: RUF012


BODIES: dict[int, tuple[type[Packet], int]] = {
    0x04: (ENIPItems, 2), 0x63: (ENIPItems, 2), 0x64: (ENIPItems, 2), 0x65: (ENIPRegister, 4), 0x6F: (ENIPSend, 8), 0x70: (ENIPSend, 8),
}  # fmt: skip


class ENIP(Packet):  # type: ignore[misc]
    """An encapsulation PDU. `length` is computed where it is None."""

    name = "ENIP"
    fields_desc = [  # noqa: RUF012
        XLEShortField("cmd", 0x6F), LEShortField("length", None), XLEIntField("session", 0), XLEIntField("status", 0),
        StrFixedLenField("context", bytes(8), 8), XLEIntField("options", 0),
    ]  # fmt: skip

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.length is None:
            pkt = pkt[:2] + len(pay).to_bytes(2, "little") + pkt[4:]
        return pkt + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """The command's data, and the PDUs behind it."""
        return s[: self.length], s[self.length :]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """By the command."""
        found, least = BODIES.get(self.cmd, (Raw, 0))
        return found if len(payload) >= least else Raw  # type: ignore[no-any-return]
