"""ASN.1's Basic Encoding Rules (ITU-T X.690) for Scapy layers: sequences whose members are fields, and lists of elements."""

from __future__ import annotations

import struct
from typing import Any

from scapy.fields import Field, StrLenField, XByteField
from scapy.packet import Packet, Raw

MOST_DEEP = 16
IS_CONSTRUCTED = 0x20


class Sized(int):
    """An integer that takes as many octets as it was read from."""

    size: int


def length_octets(length: int) -> bytes:
    """A length in as few octets as it takes (8.1.3)."""
    if length < 128:
        return bytes([length])
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([128 | len(octets)]) + octets


def element(identifier: int, contents: bytes) -> bytes:
    """An element."""
    return bytes([identifier]) + length_octets(len(contents)) + contents


def read_length(data: bytes) -> tuple[int, int] | None:
    """(length, its octets) at the beginning of data; None where there is none."""
    if not data or data[0] == 128:
        return None
    octets = data[0] & 127 if data[0] & 128 else 0
    if len(data) < 1 + octets:
        return None
    return (int.from_bytes(data[1 : 1 + octets], "big") if octets else data[0]), 1 + octets


def read_element(data: bytes) -> tuple[int, bytes, bytes] | None:
    """(identifier, contents, what follows), None where data does not begin with an element as `element` would write it."""
    found = read_length(data[1:])
    if found is None:
        return None
    length, octets = found
    begin = 1 + octets
    contents = data[begin : begin + length]
    if len(contents) < length or octets != len(length_octets(length)):
        return None
    return data[0], contents, data[begin + length :]


class MemberField(Field):  # type: ignore[misc, type-arg]
    """A member of a sequence, an octet string to begin with. None: it is left out."""

    __slots__ = ["identifier"]

    def __init__(self, name: str, default: Any, identifier: int) -> None:
        Field.__init__(self, name, default)
        self.identifier = identifier

    def contents_of(self, value: Any) -> bytes:
        """The octets of a value."""
        return value.encode() if isinstance(value, str) else bytes(value)

    def value_of(self, contents: bytes) -> Any:
        """The value of octets."""
        return contents

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """The member behind what is there."""
        return s if val is None else s + element(self.identifier, self.contents_of(val))

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        """What follows, and the value."""
        found = read_element(s)
        if found is None or found[0] != self.identifier:
            return s, None
        return found[2], self.value_of(found[1])


class IntegerField(MemberField):
    """An integer, or a truth: what its octets say, in as few octets as it takes where they are not given."""

    def contents_of(self, value: Any) -> bytes:
        """Two's complement."""
        number = int(value)
        return number.to_bytes(getattr(value, "size", number.bit_length() // 8 + 1), "big", signed=True)

    def value_of(self, contents: bytes) -> Any:
        """With its size."""
        number = Sized.from_bytes(contents, "big", signed=True)
        number.size = len(contents)
        return number


class FixedField(IntegerField):
    """A number without a sign in octets that are always as many."""

    __slots__ = ["size"]

    def __init__(self, name: str, default: Any, identifier: int, size: int) -> None:
        IntegerField.__init__(self, name, default, identifier)
        self.size = size

    def contents_of(self, value: Any) -> bytes:
        """As many octets as it was read from, or as the standard has."""
        return int(value).to_bytes(getattr(value, "size", self.size), "big")

    def value_of(self, contents: bytes) -> Any:
        """With its size."""
        number = Sized.from_bytes(contents, "big")
        number.size = len(contents)
        return number


class UtcField(MemberField):
    """A UtcTime of IEC 61850-8-1, eight octets; seconds since 1970 are written as such."""

    def contents_of(self, value: Any) -> bytes:
        """Seconds, a fraction of 24 bits, and a quality that says so."""
        if isinstance(value, bytes):
            return value
        fraction = int(value % 1 * 2**24)
        return struct.pack(">II", int(value), fraction << 8 | 24)


class BERElement(Packet):  # type: ignore[misc]
    """An element; `value` is octets, or a list of elements where its identifier says that it is constructed."""

    name = "BER element"

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """What follows is the next element."""
        return b"", s


class ValueField(Field):  # type: ignore[misc, type-arg]
    """The length and the contents of an element."""

    islist = 1
    holds_packets = 1

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """Length and contents."""
        contents = b"".join(map(bytes, val)) if isinstance(val, list) else bytes(val)
        return s + length_octets(len(contents)) + contents

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        """Never asked: elements are made by `elements`."""
        return b"", s


def elements(of: type[Packet], data: bytes, depth: int = 0) -> list[Packet]:
    """Elements one behind the other; Raw from where there is none on, octets where they are nested too deep."""
    made: list[Packet] = []
    while data:  # per element
        found = read_element(data)
        if found is None:
            made.append(Raw(data))
            break
        identifier, contents, data = found
        is_list = identifier & IS_CONSTRUCTED and depth < MOST_DEEP
        made.append(of(tag=identifier, value=elements(of, contents, depth + 1) if is_list else contents))
    return made


class ElementsField(MemberField):
    """A member that is a list of elements of one class."""

    __slots__ = ["of"]
    islist = 1
    holds_packets = 1

    def __init__(self, name: str, default: Any, identifier: int, of: type[Packet]) -> None:
        MemberField.__init__(self, name, default, identifier)
        self.of = of

    def contents_of(self, value: Any) -> bytes:
        """The elements."""
        return b"".join(map(bytes, value))

    def value_of(self, contents: bytes) -> Any:
        """The elements."""
        return elements(self.of, contents)


class SequencesField(ElementsField):
    """A member that is a list of sequences."""

    def value_of(self, contents: bytes) -> Any:
        """The sequences."""
        made: list[Packet] = []
        while contents:  # per sequence
            found = read_element(contents)
            size = len(contents) - len(found[2]) if found else len(contents)
            is_one = found is not None and found[0] == self.of().tag
            made.append((self.of if is_one else Raw)(contents[:size]))
            contents = contents[size:]
        return made


class LengthField(Field):  # type: ignore[misc, type-arg]
    """The length of a sequence; None: BERSequence computes it."""

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """Its octets."""
        return s if val is None else s + length_octets(val)

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        """What follows, and the length."""
        found = read_length(s)
        return (s, None) if found is None else (s[found[1] :], found[0])


def rest_of(pkt: Packet) -> int:
    """How many octets of a sequence are in none of its members."""
    members = (one for one in pkt.fields_desc if isinstance(one, MemberField))
    return max(0, (pkt.len or 0) - sum(len(one.addfield(pkt, b"", pkt.getfieldval(one.name))) for one in members))


class BERSequence(Packet):  # type: ignore[misc]
    """A sequence; `rest` is what of it is no member in the order of the standard."""

    name = "BER sequence"

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """The length."""
        return pkt[:1] + (length_octets(len(pkt) - 1) if self.len is None else b"") + pkt[1:] + pay


def sequence(identifier: int, *members: Field) -> list[Any]:  # type: ignore[type-arg]
    """The fields of a BERSequence."""
    return [
        XByteField("tag", identifier),
        LengthField("len", None),
        *members,
        StrLenField("rest", b"", length_from=rest_of),
    ]
