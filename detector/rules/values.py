"""Texts and YAML values to values as columns store them, by the kind of the field they are compared with."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from detector.columns import Field
from detector.errors import InputError, nearest
from detector.packets.header import bits_of
from detector.rules.model import Literal_

ONE_BYTE_MOST = 255  # fits every field: the width of one is asked for, which may load Scapy, only above it
HEX_BYTES = re.compile(r"[0-9A-Fa-f]{2}(?:[:.\-]?[0-9A-Fa-f]{2})*")
ONE_BYTE = re.compile(r"0x[0-9A-Fa-f]{2}|[0-9]")  # as Wireshark reads them: 0x45 and 5, both hexadecimal
SECONDS = re.compile(r"(-?)([0-9]+)(?:\.([0-9]*))?")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")
EXAMPLES = {
    "uint": "a whole number such as 5 or 0x1f", "int": "a whole number", "float": "a number such as 1.5", "bool": "true or false",
    "ipv4": "an IPv4 address or network such as 10.0.0.0/8", "ipv6": "an IPv6 address or network such as fe80::/10",
    "ether": "a MAC address such as 00:1d:9c:c7:b0:70", "bytes": "bytes such as 0a:ff:20", "string": "a text in quotes",
    "time": "a time such as 2024-05-01T08:00:00 or seconds since 1970", "duration": "seconds such as 0.5", "label": "a name",
    "protocol": "true or false",
}  # fmt: skip


def convert(field: Field, value: Any, quoted: bool = False) -> Literal_:
    """The value that a text (or a YAML scalar) stands for.

    Raises:
        InputError: without a position; the caller adds it.
    """
    text = value if isinstance(value, str) else str(value)
    try:
        return Literal_(CONVERTERS[field.kind](field, text, quoted))
    except InputError:
        raise
    except (ValueError, OverflowError):
        problem = f"{text!r} is no value of {field.name}"
        guess = nearest(text, list(field.labels.values()))
        hint = f"did you mean {guess!r}?" if guess else f"{field.name} is {EXAMPLES[field.kind]}"
        if field.labels and not guess:
            hint += f"; its names: detector fields {field.protocol}"
        if field.kind in ("uint", "int") and re.fullmatch(r"\d+\s*-\s*\d+", text):
            hint = f"a range is written {re.sub(r'[^0-9]+', '..', text)}, in a display filter or a variable"
        raise InputError(problem, hint=hint) from None


def whole(field: Field, text: str, quoted: bool) -> int:
    """A number in any base, a character, or the name of a value."""
    for number, label in field.labels.items():
        if label.lower() == text.lower():
            return number
    if quoted and len(text) == 1:
        return ord(text)
    number = int(plain(text), 0) if not re.fullmatch(r"0\d+", text) else int(text, 8)
    if number < 0 and field.kind == "uint":
        raise InputError(f"{field.name} is never negative", hint="compare with a number from 0 on")
    if number > ONE_BYTE_MOST and field.kind == "uint" and number >= 1 << (8 * -(-(bits_of(field) or 64) // 8)):
        raise InputError(
            f"{text} does not fit into {field.name}", hint=f"its largest value is {(1 << bits_of(field)) - 1}"
        )
    return within_64_bits(field, number, text)


def plain(text: str) -> str:
    """The text of a number, without what Python alone takes for one: 1_000, and digits of other scripts."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text


def decimal(field: Field, text: str, quoted: bool) -> float:
    """A number with or without a fraction, or inf."""
    number = float(plain(text))
    if math.isnan(number):
        raise InputError(f"{text} equals no number, not even itself", hint=f'write string({field.name}) == "NaN"')
    return number


def truth(field: Field, text: str, quoted: bool) -> bool:
    """true or false."""
    if text.lower() in TRUE or text.lower() in FALSE:
        return text.lower() in TRUE
    raise ValueError(text)


def ipv4(field: Field, text: str, quoted: bool) -> Any:
    """An address as a number, a network as (first, last)."""
    network = ip_network(text, strict=False) if "/" in text else ip_address(text)
    if network.version != 4:
        raise InputError(
            f"{text} is an IPv6 address, {field.name} is IPv4", hint=f"use {field.name.replace('ip.', 'ipv6.', 1)}"
        )
    if isinstance(network, IPv4Network):
        return int(network[0]), int(network[-1])
    return int(network)  # type: ignore[arg-type]


def ipv6(field: Field, text: str, quoted: bool) -> Any:
    """An address as 16 bytes, a network as (first, last)."""
    network = ip_network(text, strict=False) if "/" in text else ip_address(text)
    if network.version != 6:
        raise InputError(
            f"{text} is an IPv4 address, {field.name} is IPv6", hint=f"use {field.name.replace('ipv6.', 'ip.', 1)}"
        )
    if isinstance(network, IPv6Network):
        return network[0].packed, network[-1].packed
    return network.packed  # type: ignore[union-attr]


def octets(text: str) -> bytes:
    """Bytes written in hexadecimal, with or without colons, dots or dashes."""
    if not HEX_BYTES.fullmatch(text):
        raise ValueError(text)
    return bytes.fromhex(re.sub(r"[:.\-]", "", text))


def ether(field: Field, text: str, quoted: bool) -> int:
    """A MAC address as a number."""
    if len(found := octets(text)) != 6:
        raise ValueError(text)
    return int.from_bytes(found, "big")


def raw(field: Field, text: str, quoted: bool) -> bytes:
    """Bytes: as hexadecimal, or as the text itself where it is quoted."""
    if quoted:
        return text.encode()
    return bytes([int(text, 16)]) if ONE_BYTE.fullmatch(text) else octets(text)


def nanoseconds(field: Field, text: str, quoted: bool) -> int:
    """Seconds, or a point in time, as ns."""
    if found := SECONDS.fullmatch(text):
        size = int(found[2]) * 10**9 + int(f"{found[3] or '':0<9.9}")
        return within_64_bits(field, -size if found[1] else size, text)
    if field.kind == "duration":
        raise ValueError(text)
    day_and_time, dot, rest = text.partition(".")
    fraction = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    if dot and not fraction:
        raise ValueError(text)
    moment = datetime.fromisoformat(day_and_time + rest[len(fraction) :])
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH
    return within_64_bits(field, since // timedelta(seconds=1) * 10**9 + int(f"{fraction:0<9.9}"), text)


def within_64_bits(field: Field, number: int, text: str) -> int:
    """The number, where a column can hold it."""
    if not -(2**63) <= number < 2**63:
        raise InputError(f"{text} is too large for {field.name}", hint="fields are 64 bits at most")
    return number


def label(field: Field, text: str, quoted: bool) -> int:
    """The number of a name."""
    for number, name in field.labels.items():
        if name.lower() == text.lower():
            return number
    raise ValueError(text)


CONVERTERS = {
    "uint": whole, "int": whole, "float": decimal, "bool": truth, "protocol": truth,
    "ipv4": ipv4, "ipv6": ipv6, "ether": ether, "bytes": raw, "string": lambda field, text, quoted: text.encode(),
    "time": nanoseconds, "duration": nanoseconds, "label": label,
}  # fmt: skip
