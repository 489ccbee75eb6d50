"""S7comm and S7comm-plus as Scapy layers: TPKT (RFC 1006), COTP of class 0 (ISO 8073), the PDUs and what they carry.

A PDU in several TPKTs has plain bytes in each of them.
"""

from __future__ import annotations

from scapy.fields import (
    BitEnumField,
    BitField,
    ByteEnumField,
    ByteField,
    ConditionalField,
    FieldLenField,
    PacketLenField,
    PacketListField,
    ShortField,
    StrField,
    StrFixedLenField,
    StrLenField,
    ThreeBytesField,
    X3BytesField,
    XByteEnumField,
    XByteField,
    XIntField,
    XShortEnumField,
    XShortField,
)
from scapy.packet import Packet, Raw

from detector.protocols.s7comm_fields import (
    AREAS,
    DATA_SIZES,
    FUNCTIONS,
    GROUPS,
    PLUS_FUNCTIONS,
    PLUS_OPCODES,
    RETURN_CODES,
    ROSCTRS,
    TRANSPORT_SIZES,
    WAYS,
)

HEADER, SHORT, LONG = 4, 10, 12  # bytes of a TPKT's header, of S7's without and with an error
COUNT_BITS = (3, 4, 5)  # transport sizes of data whose length counts bits
CONNECTIONS = (0xE0, 0xD0, 0x80)


class Part(Packet):  # type: ignore[misc]
    """What stands in a list: what follows it is the next."""

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What follows is not its own."""
        return b"", s


class S7Item(Part):
    """A variable that is read or written."""

    name = "S7 item"
    fields_desc = [  # noqa: RUF012 - Scapy's
        XByteField("varspec", 0x12), ByteField("varspec_length", 10), XByteField("syntaxid", 0x10),
        ByteEnumField("transp_size", 2, TRANSPORT_SIZES), ShortField("length", 1), ShortField("db", 0),
        XByteEnumField("area", 0x83, AREAS), X3BytesField("address", 0),
    ]  # fmt: skip


class S7OtherItem(Part):
    """An address in another syntax. `varspec_length` is computed where it is None."""

    name = "S7 other item"
    fields_desc = [  # noqa: RUF012
        XByteField("varspec", 0x12), FieldLenField("varspec_length", None, length_of="address", fmt="B"),
        StrLenField("address", b"", length_from=lambda pkt: pkt.varspec_length),
    ]  # fmt: skip


def next_item(_pkt: Packet, _list: list[Packet], _current: Packet | None, remain: bytes) -> type[Packet] | None:
    """The class of the next variable."""
    if len(remain) < 3:
        return Raw if remain else None
    return S7Item if remain[1:3] == b"\x0a\x10" and len(remain) >= 12 else S7OtherItem


class FillField(StrField):  # type: ignore[misc]
    """The byte that makes a value's length even, where another value follows."""

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, bytes]:
        """One byte or none."""
        size = 1 if len(pkt.value) % 2 and s else 0
        return s[size:], s[:size]


class S7Value(Part):
    """A value with its header. `length` is computed where it is None: in bits of sizes 3 to 5."""

    name = "S7 value"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("returncode", 0xFF, RETURN_CODES), XByteEnumField("transportsize", 4, DATA_SIZES), ShortField("length", None),
        StrLenField("value", b"", length_from=lambda pkt: pkt.size()), FillField("fill", b""),
    ]  # fmt: skip

    def size(self) -> int:
        """Bytes of the value."""
        if self.returncode not in (0, 0xFF):
            return 0
        return (self.length + 7) // 8 if self.transportsize in COUNT_BITS else int(self.length)

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.length is None:
            size = len(self.value) * (8 if self.transportsize in COUNT_BITS else 1)
            pkt = pkt[:2] + size.to_bytes(2, "big") + pkt[4:]
        return pkt + pay


class S7Code(Part):
    """The outcome of one write."""

    name = "S7 code"
    fields_desc = [XByteEnumField("returncode", 0xFF, RETURN_CODES)]  # noqa: RUF012


class S7UserData(Part):
    """Data of a userdata PDU. `length` is computed where it is None."""

    name = "S7 user data"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("returncode", 0xFF, RETURN_CODES), XByteEnumField("transportsize", 9, DATA_SIZES),
        FieldLenField("length", None, length_of="data"), StrLenField("data", b"", length_from=lambda pkt: pkt.length),
    ]  # fmt: skip


class S7Function(Part):
    """A function with parameters that are not taken apart."""

    name = "S7 function"
    fields_desc = [XByteEnumField("func", 0xF0, FUNCTIONS), StrField("data", b"")]  # noqa: RUF012


class S7Variables(Part):
    """Read or write: a job's variables, or how many values the answer has. `itemcount` is computed where it is None."""

    name = "S7 variables"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("func", 4, FUNCTIONS), FieldLenField("itemcount", None, count_of="items", fmt="B"),
        PacketListField("items", [], next_cls_cb=next_item),
    ]  # fmt: skip


class S7Setup(Part):
    """Setup communication."""

    name = "S7 setup communication"
    fields_desc = [XByteEnumField("func", 0xF0, FUNCTIONS), XByteField("reserved", 0), ShortField("maxamq_calling", 1),  # noqa: RUF012
                   ShortField("maxamq_called", 1), ShortField("pdu_length", 480)]  # fmt: skip


class S7Block(Part):
    """Request download, download block, download ended, start upload: with the name of a block or file."""

    name = "S7 block"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("func", 0x1A, FUNCTIONS), XByteField("functionstatus", 0), XShortField("errorcode", 0x0100), XIntField("uploadid", 0),
        FieldLenField("filename_len", None, length_of="filename", fmt="B"),
        StrLenField("filename", b"_0800001P", length_from=lambda pkt: pkt.filename_len), StrField("data", b""),
    ]  # fmt: skip


class S7Service(Part):
    """Calls a program invocation service: `P_PROGRAM` starts, `_INSE` links blocks, `_DELE` deletes them."""

    name = "S7 PI service"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("func", 0x28, FUNCTIONS), StrFixedLenField("unknown1", b"\0\0\0\0\0\0\xfd", 7),
        FieldLenField("parameterblock_len", None, length_of="parameterblock"),
        StrLenField("parameterblock", b"", length_from=lambda pkt: pkt.parameterblock_len),
        FieldLenField("string_len", None, length_of="servicename", fmt="B"),
        StrLenField("servicename", b"P_PROGRAM", length_from=lambda pkt: pkt.string_len), StrField("data", b""),
    ]  # fmt: skip


class S7Stop(Part):
    """Stops a CPU."""

    name = "S7 PLC stop"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("func", 0x29, FUNCTIONS), StrFixedLenField("unknown1", bytes(5), 5),
        FieldLenField("part2_len", None, length_of="servicename", fmt="B"),
        StrLenField("servicename", b"P_PROGRAM", length_from=lambda pkt: pkt.part2_len), StrField("data", b""),
    ]  # fmt: skip


class S7UserFunction(Part):
    """Parameters of a userdata PDU. `length` is computed where it is None: 8 with the last three, else 4."""

    name = "S7 user function"
    fields_desc = [  # noqa: RUF012
        ThreeBytesField("head", 0x000112), ByteField("length", None), XByteField("reqres1", 0x11), BitEnumField("type", 4, 4, WAYS),
        BitEnumField("funcgroup", 4, 4, GROUPS), ByteField("subfunc", 1), ByteField("seq_num", 0),
        ConditionalField(ByteField("dataunitref", 0), lambda pkt: pkt.is_long()),
        ConditionalField(XByteField("lastdataunit", 0), lambda pkt: pkt.is_long()),
        ConditionalField(XShortField("errcod", 0), lambda pkt: pkt.is_long()), StrField("data", b""),
    ]  # fmt: skip

    def is_long(self) -> bool:
        """Whether it says how data are split, and whether something went wrong."""
        return bool(self.reqres1 == 0x12 if self.length is None else self.length >= 8)

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.length is None:
            pkt = pkt[:3] + bytes([len(pkt) - 4]) + pkt[4:]
        return pkt + pay


def parameters(data: bytes, rosctr: int) -> Packet:
    """The parameters of a PDU."""
    if rosctr == 7:
        return S7UserFunction(data) if len(data) >= (12 if data[3:4] >= b"\x08" else 8) else Raw(data)
    function, size, is_job = data[0], len(data), rosctr == 1
    if function in (4, 5) and size >= 2:
        return S7Variables(data)
    if function == 0xF0 and size == 8:
        return S7Setup(data)
    if is_job and 0x1A <= function <= 0x1D and size >= 9 and size >= 9 + data[8]:
        return S7Block(data)
    if is_job and function == 0x28 and size >= 10:
        block = int.from_bytes(data[8:10], "big")
        if size > 10 + block and size >= 11 + block + data[10 + block]:
            return S7Service(data)
    if is_job and function == 0x29 and size >= 7 and size >= 7 + data[6]:
        return S7Stop(data)
    return S7Function(data)


class S7Parameters(PacketLenField):  # type: ignore[misc]
    """Parameters, whose class depends on the PDU and the function."""

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, Packet | None]:
        """The parameters, and what is behind them."""
        size = min(pkt.parlg, len(s))
        return s[size:], parameters(s[:size], pkt.rosctr) if size else None


def next_data(pkt: Packet, _list: list[Packet], _current: Packet | None, remain: bytes) -> type[Packet] | None:
    """The class of the next piece of data."""
    if not remain:
        return None
    function = getattr(pkt.param, "func", None)
    if pkt.rosctr == 3 and function == 5:
        return S7Code
    if len(remain) >= 4 and (pkt.rosctr, function) in ((3, 4), (1, 5)):
        bits = int.from_bytes(remain[2:4], "big")
        size = 0 if remain[0] not in (0, 0xFF) else (bits + 7) // 8 if remain[1] in COUNT_BITS else bits
        return S7Value if len(remain) >= 4 + size else Raw
    if len(remain) >= 4 and pkt.rosctr == 7 and len(remain) >= 4 + int.from_bytes(remain[2:4], "big"):
        return S7UserData
    return Raw  # type: ignore[no-any-return]


class S7(Packet):  # type: ignore[misc]
    """An S7 PDU. parlg and datlg are computed where they are None."""

    name = "S7"
    fields_desc = [  # noqa: RUF012
        XByteField("protid", 0x32), ByteEnumField("rosctr", 1, ROSCTRS), XShortField("redid", 0), ShortField("pduref", 0),
        ShortField("parlg", None), ShortField("datlg", None),
        ConditionalField(XByteField("errcls", 0), lambda pkt: pkt.rosctr in (2, 3)),
        ConditionalField(XByteField("errcod", 0), lambda pkt: pkt.rosctr in (2, 3)),
        S7Parameters("param", None, S7Function, length_from=lambda pkt: pkt.parlg),
        PacketListField("data", [], next_cls_cb=next_data, length_from=lambda pkt: pkt.datlg),
    ]  # fmt: skip

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The lengths."""
        head = LONG if self.rosctr in (2, 3) else SHORT
        size = len(bytes(self.param)) if self.param is not None else 0
        if self.parlg is None:
            pkt = pkt[:6] + size.to_bytes(2, "big") + pkt[8:]
        if self.datlg is None:
            pkt = pkt[:8] + (len(pkt) - head - size).to_bytes(2, "big") + pkt[10:]
        return pkt + pay


class S7PlusRequest(Part):
    """A function that is called."""

    name = "S7-plus request"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("opcode", 0x31, PLUS_OPCODES), XShortField("reserved1", 0), XShortEnumField("function", 0x04CA, PLUS_FUNCTIONS),
        XShortField("reserved2", 0), ShortField("seqnum", 1), XIntField("sessionid", 0x120), XByteField("unknown1", 0x36), StrField("data", b""),
    ]  # fmt: skip


class S7PlusResponse(Part):
    """What it answers."""

    name = "S7-plus response"
    fields_desc = [  # noqa: RUF012
        XByteEnumField("opcode", 0x32, PLUS_OPCODES), XShortField("reserved1", 0), XShortEnumField("function", 0x04CA, PLUS_FUNCTIONS),
        XShortField("reserved2", 0), ShortField("seqnum", 1), XByteField("unknown1", 0x36), StrField("data", b""),
    ]  # fmt: skip


class S7PlusContent(PacketLenField):  # type: ignore[misc]
    """Data of an S7-plus PDU; in version 3 a digest stands before what they say, and they stay bytes."""

    def getfield(self, pkt: Packet, s: bytes) -> tuple[bytes, Packet | None]:
        """The data, and what is behind them."""
        size = min(pkt.length, len(s))
        data, rest = s[:size], s[size:]
        if pkt.version != 3 and size >= 14 and data[0] == 0x31:
            return rest, S7PlusRequest(data)
        if pkt.version != 3 and size >= 10 and data[0] == 0x32:
            return rest, S7PlusResponse(data)
        return rest, Raw(data) if data else None


class S7Plus(Packet):  # type: ignore[misc]
    """An S7-plus PDU. `length` and `trailer` are computed where they are None; one that goes on has no trailer (b"")."""

    name = "S7-plus"
    fields_desc = [  # noqa: RUF012
        XByteField("protid", 0x72), XByteField("version", 1), ShortField("length", None),
        S7PlusContent("content", None, S7PlusRequest, length_from=lambda pkt: pkt.length), StrField("trailer", None),
    ]  # fmt: skip

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Length and trailer."""
        if self.length is None:
            size = len(pkt) - 4 - len(self.trailer or b"")
            pkt = pkt[:2] + size.to_bytes(2, "big") + pkt[4:]
        if self.trailer is None:
            pkt += bytes([self.protid, self.version, 0, 0])
        return pkt + pay


class S7PlusAlive(Packet):  # type: ignore[misc]
    """A sign of life."""

    name = "S7-plus keep alive"
    fields_desc = [  # noqa: RUF012
        XByteField("protid", 0x72),
        XByteField("version", 0xFF),
        ByteField("keepalive_seqnum", 0),
        XByteField("reserved", 0),
    ]


class COTPParameter(Part):
    """A parameter of a connection."""

    name = "COTP parameter"
    fields_desc = [  # noqa: RUF012
        XByteField("code", 0xC1), FieldLenField("length", None, length_of="value", fmt="B"),
        StrLenField("value", b"\x01\x00", length_from=lambda pkt: pkt.length),
    ]  # fmt: skip


class COTPConnection(Packet):  # type: ignore[misc]
    """Connect request (0xe0), connect confirm (0xd0), disconnect request (0x80). `li` is computed where it is None."""

    name = "COTP connection"
    fields_desc = [  # noqa: RUF012
        ByteField("li", None), XByteField("type", 0xE0), XShortField("destref", 0), XShortField("srcref", 1), ByteField("option", 0),
        PacketListField("parameters", [], COTPParameter, length_from=lambda pkt: pkt.li - 6),
    ]  # fmt: skip

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.li is None:
            pkt = bytes([len(pkt) - 1]) + pkt[1:]
        return pkt + pay


class COTPData(Packet):  # type: ignore[misc]
    """Data of class 0."""

    name = "COTP data"
    fields_desc = [ByteField("li", 2), XByteField("type", 0xF0), BitField("eot", 1, 1), BitField("number", 0, 7)]  # noqa: RUF012

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """By the first byte; a piece of a PDU stays bytes."""
        if self.eot and payload[:1] == b"\x32" and len(payload) >= (LONG if payload[1] in (2, 3) else SHORT):
            return S7
        if self.eot and payload[:1] == b"\x72" and len(payload) >= 4:
            return S7PlusAlive if payload[1] == 0xFF else S7Plus
        return Raw  # type: ignore[no-any-return]


class TPKT(Packet):  # type: ignore[misc]
    """A TPKT. `length` is computed where it is None."""

    name = "TPKT"
    fields_desc = [ByteField("version", 3), ByteField("reserved", 0), ShortField("length", None)]  # noqa: RUF012

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        if self.length is None:
            pkt = pkt[:2] + (HEADER + len(pay)).to_bytes(2, "big") + pkt[4:]
        return pkt + pay

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What it carries, and the TPKTs behind it."""
        size = max(0, (self.length or HEADER) - HEADER)
        return s[:size], s[size:]

    def guess_payload_class(self, payload: bytes) -> type[Packet]:
        """By COTP's type."""
        if len(payload) >= 3 and payload[1] == 0xF0 and payload[0] == 2:
            return COTPData
        if len(payload) >= 7 and payload[1] in CONNECTIONS and payload[0] >= 6 and len(payload) >= payload[0] + 1:
            return COTPConnection
        return Raw  # type: ignore[no-any-return]
