"""DNP3 as Scapy layers: link frame, transport octet, application message and its objects (IEEE 1815-2012).

The checksums of a frame's blocks are taken out before it is dissected and computed when it is built, so that what lies
above is one run of bytes. A message in several frames has its header in the first; the others carry plain bytes.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    ConditionalField,
    FlagsField,
    LEShortField,
    PacketListField,
    StrLenField,
    XLEShortField,
    XShortField,
)
from scapy.packet import Packet, Raw

from detector.protocols.dnp3 import (
    FLAGS,
    FUNCTIONS,
    LEAST,
    PRIMARY,
    SIZES,
    TIME_BYTES,
    TIMES,
    VALUES,
    VARIATIONS,
    crc_table,
    layouts,
)

HEADER, BLOCK, LINK_BYTES = 10, 16, 5  # of the header with its checksum; of a block; of what `len` counts of the header
TABLE = crc_table().tolist()
LAYOUTS = layouts().tolist()
RANGE_BYTES = (1, 2, 4)
INDICATIONS = ["fcni", "obju", "pioor", "ebo", "oae", "cc", "reserved1", "reserved2",
               "bmsg", "cls1d", "cls2d", "cls3d", "tsr", "dol", "dt", "rst"]  # fmt: skip


def checksum(data: bytes) -> bytes:
    """The two bytes behind a block (9.2.4.3)."""
    crc: int = reduce(lambda crc, byte: (crc >> 8) ^ TABLE[(crc ^ byte) & 0xFF], data, 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


class DNP3Range(ByteField):  # type: ignore[misc]
    """A number of a range field, whose width the qualifier says."""

    __slots__ = ["widths"]

    def __init__(self, name: str, widths: dict[int, int]) -> None:
        super().__init__(name, 0)
        self.widths = widths

    def addfield(self, pkt: Packet, s: bytes, val: Any) -> bytes:
        """The number's bytes, the least first."""
        return s + int(val).to_bytes(self.widths[pkt.range], "little")

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, int]:
        """The number, and what is behind it."""
        width = self.widths[pkt.range]
        return s[width:], int.from_bytes(s[:width], "little")


START_STOP = {0: 1, 1: 2, 2: 4, 3: 1, 4: 2, 5: 4}  # indexes, virtual addresses
QUANTITY = {7: 1, 8: 2, 9: 4, 11: 1}


class DNP3Header(Packet):  # type: ignore[misc]
    """An object header whose objects have no data: what is read, frozen or assigned."""

    __slots__ = ["whole"]
    name = "DNP3 Object Header"
    fields_desc = [  # noqa: RUF012 - Scapy's
        ByteField("group", 0), ByteField("variation", 0), BitField("reserved", 0, 1), BitField("prefix", 0, 3),
        BitField("range", 6, 4),
        ConditionalField(DNP3Range("start", START_STOP), lambda pkt: pkt.range in START_STOP),
        ConditionalField(DNP3Range("stop", START_STOP), lambda pkt: pkt.range in START_STOP),
        ConditionalField(DNP3Range("quantity", QUANTITY), lambda pkt: pkt.range in QUANTITY),
        StrLenField("data", b"", length_from=lambda pkt: pkt.data_bytes()),
    ]  # fmt: skip
    has_data = False

    def pre_dissect(self, s: bytes) -> bytes:
        """Keeps the bytes, in which objects of varying size say how long they are."""
        self.whole = s
        return s

    def count(self) -> int:
        """How many objects there are."""
        if self.range in START_STOP:
            return max(0, int(self.stop) - int(self.start) + 1)
        return int(self.quantity) if self.range in QUANTITY else 0

    def data_bytes(self) -> int:
        """Bytes of the objects behind the header."""
        width = 0 if self.prefix == 0 else RANGE_BYTES[(self.prefix - 1) % 3]
        if not self.has_data and self.prefix < 4:
            return self.count() * width
        at = begin = 3 + sum(widths.get(self.range, 0) for widths in (START_STOP, START_STOP, QUANTITY))
        size = self.object_bytes()
        if size is not None and self.prefix < 4:
            return self.count() * (width + size) if size >= 0 else self.packed_bytes(width, -size)
        for _ in range(min(self.count(), len(self.whole))):  # per entry, which says itself how long it is
            given = int.from_bytes(self.whole[at : at + width], "little")
            at += width + (given if self.prefix >= 4 else 2 + sum(self.whole[at + width + 1 : at + width + 2]))
        return at - begin

    def packed_bytes(self, width: int, bits: int) -> int:
        """Bytes of objects that are bits: packed, unless each has an index."""
        return self.count() * (width + 1) if width else (self.count() * bits + 7) // 8

    def object_bytes(self) -> int | None:
        """Bytes of each object, minus its bits where it is less than a byte; None: it says so itself."""
        if 110 <= self.group <= 113:
            return int(self.variation)
        if self.group == 0 or self.variation >= VARIATIONS or self.group >= len(LAYOUTS) // VARIATIONS:
            return None
        flags, value, time = LAYOUTS[self.group * VARIATIONS + self.variation]
        word = VALUES[value]
        if word in ("bit", "two_bits"):
            return -1 if word == "bit" else -2
        if word.startswith("file") or word in ("unknown", "mac", "security", *LEAST):
            return None
        return int(FLAGS[flags] != "none") + SIZES.get(word, 0) + TIME_BYTES[TIMES[time]]

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What follows is the next header."""
        return b"", s


class DNP3Object(DNP3Header):
    """An object header with the objects behind it."""

    name = "DNP3 Object"
    has_data = True


WITHOUT_DATA = (0, 1, 7, 8, 9, 10, 11, 12, 22)


def next_object(pkt: Packet, _list: list[Packet], _current: Packet | None, remain: bytes) -> type[Packet] | None:
    """The class of the next object header; none where its bytes cannot be one."""
    if len(remain) < 3:
        return Raw if remain else None
    return DNP3Header if pkt.func in WITHOUT_DATA else DNP3Object


CONTROL = [
    BitField("fir", 1, 1),
    BitField("fin", 1, 1),
    BitField("con", 0, 1),
    BitField("uns", 0, 1),
    BitField("seq", 0, 4),
]


class DNP3Request(Packet):  # type: ignore[misc]
    """A message of a master."""

    name = "DNP3 Request"
    fields_desc = [  # noqa: RUF012 - Scapy's
        *CONTROL,
        ByteEnumField("func", 1, FUNCTIONS),
        PacketListField("objects", [], next_cls_cb=next_object),
    ]


class DNP3Response(Packet):  # type: ignore[misc]
    """A message of an outstation, with its internal indications."""

    name = "DNP3 Response"
    fields_desc = [*CONTROL, ByteEnumField("func", 129, FUNCTIONS), FlagsField("iin", 0, 16, INDICATIONS),  # noqa: RUF012
                   PacketListField("objects", [], next_cls_cb=next_object)]  # fmt: skip


class DNP3Transport(Packet):  # type: ignore[misc]
    """The octet before each piece of a message."""

    name = "DNP3 Transport"
    fields_desc = [BitField("fin", 1, 1), BitField("fir", 1, 1), BitField("seq", 0, 6)]  # noqa: RUF012

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """The message's header is in its first piece."""
        if not self.fir or len(payload) < 2 or (payload[1] in (129, 130, 131) and len(payload) < 4):
            return Raw  # type: ignore[no-any-return]
        return DNP3Response if payload[1] in (129, 130, 131) else DNP3Request


class DNP3(Packet):  # type: ignore[misc]
    """A link frame. len and crc are computed where they are None; the checksums of data always are."""

    name = "DNP3"
    fields_desc = [  # noqa: RUF012 - Scapy's
        XShortField("start", 0x0564), ByteField("len", None), BitField("dir", 1, 1), BitField("prm", 1, 1), BitField("fcb", 0, 1),
        BitField("fcv", 0, 1), BitEnumField("func", 4, 4, PRIMARY), LEShortField("dst", 1), LEShortField("src", 0),
        XLEShortField("crc", None),
    ]  # fmt: skip

    def pre_dissect(self, s: bytes) -> bytes:
        """The frame without the checksums of its data."""
        if len(s) < HEADER:
            return s
        left, at, data = max(0, s[2] - LINK_BYTES), HEADER, b""
        while left > 0 and at < len(s):  # per block
            size = min(left, BLOCK)
            data += s[at : at + size]
            at += size + 2
            left -= size
        return s[:HEADER] + data + s[at:]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Length and checksums."""
        if self.len is None:
            pkt = pkt[:2] + bytes([LINK_BYTES + len(pay)]) + pkt[3:]
        if self.crc is None:
            pkt = pkt[:8] + checksum(pkt[:8])
        blocks = (pay[at : at + BLOCK] for at in range(0, len(pay), BLOCK))
        return pkt + b"".join(block + checksum(block) for block in blocks)

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """The data, and what is behind the frame."""
        size = max(0, (self.len or LINK_BYTES) - LINK_BYTES)
        return s[:size], s[size:]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """Frames of the link alone have no transport octet."""
        return Raw if self.func in (0, 9, 11) else DNP3Transport
