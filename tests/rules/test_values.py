"""Texts to values: what a rule author may write for a field of each kind, and what is refused with a hint."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from detector.columns import Field
from detector.errors import InputError
from detector.rules.values import CONVERTERS, EXAMPLES, convert

LABELS = {0: "to_server", 1: "to_client"}
CODES = {5: "Write Single Coil", 6: "Write Single Register"}
FIRST_OF_MAY = 1_714_550_400 * 10**9  # 2024-05-01T08:00:00Z


def field(kind: str) -> Field:
    names = {"ipv4": "ip.src", "ipv6": "ipv6.src"}
    return Field(names.get(kind, "a.field"), kind, "", labels=LABELS if kind == "label" else {})


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("uint", "502", 502),
        ("uint", "0x1F6", 502),
        ("uint", "010", 8),  # octal, as in display filters: tshark -Y 'ip.len == 050' selects 40
        ("uint", "0b11", 3),
        ("uint", 502, 502),
        ("int", "-4", -4),
        ("float", "1.5", 1.5),
        ("bool", "true", True),
        ("bool", "FALSE", False),
        ("bool", "1", True),
        ("bool", "no", False),
        ("bool", "on", True),
        ("ipv4", "10.0.0.1", 0x0A000001),
        ("ipv4", "10.0.0.7/8", (0x0A000000, 0x0AFFFFFF)),  # bits of the host do not matter
        ("ipv4", "10.0.0.1/32", (0x0A000001, 0x0A000001)),
        ("ipv4", "0.0.0.0/0", (0, 2**32 - 1)),
        ("ipv6", "fe80::1", bytes.fromhex("fe80" + "0" * 27 + "1")),
        ("ipv6", "fe80::/16", (bytes.fromhex("fe80" + "0" * 28), bytes.fromhex("fe80" + "f" * 28))),
        ("ether", "00:1d:9c:c7:b0:70", 0x001D9CC7B070),
        ("ether", "00-1D-9C-C7-B0-70", 0x001D9CC7B070),
        ("ether", "001d.9cc7.b070", 0x001D9CC7B070),
        ("bytes", "0a:ff:20", b"\x0a\xff\x20"),
        ("bytes", "0aff20", b"\x0a\xff\x20"),
        ("bytes", "0x45", b"\x45"),  # tshark -Y 'ip[0] == 0x45'
        ("bytes", "5", b"\x05"),  # tshark -Y 'tcp.payload contains 5'
        ("string", "Siemens", b"Siemens"),
        ("string", "Łódź", "Łódź".encode()),
        ("label", "TO_client", 1),
        ("time", "1714550400", FIRST_OF_MAY),
        ("time", "1714550400.5", FIRST_OF_MAY + 500_000_000),
        ("time", "2024-05-01T08:00:00", FIRST_OF_MAY),
        ("time", "2024-05-01 08:00", FIRST_OF_MAY),
        ("time", "2024-05-01T10:00:00+02:00", FIRST_OF_MAY),
        ("time", "2024-05-01T08:00:00Z", FIRST_OF_MAY),
        ("time", "2024-05-01T08:00:00.123456789", FIRST_OF_MAY + 123_456_789),
        ("time", "2024-05-01T10:00:00.000000001+02:00", FIRST_OF_MAY + 1),
        ("time", "1969-12-31T23:59:59.5", -500_000_000),
        ("duration", "0.5", 500_000_000),
        ("duration", "-0.5", -500_000_000),  # late packets: frame.time_delta < -0.5
        ("duration", "-1.5", -1_500_000_000),
        ("duration", "2", 2_000_000_000),
        ("duration", "0.0000000019", 1),  # ns at most
    ],
)
def test_values(kind: str, text: object, value: object) -> None:
    found = convert(field(kind), text).value
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize("text", ["write single register", "6", "Write Single Register"])
def test_a_number_may_be_given_by_the_name_of_its_value(text: str) -> None:
    """modbus.func_code: Write Single Register, whatever the case."""
    assert convert(Field("modbus.func_code", "uint", "", labels=CODES), text).value == 6


def test_quotes_make_a_character_a_number_and_a_text_bytes() -> None:
    """Wireshark: ip.ttl == '@' is 64; tcp.payload contains "0a" is two letters."""
    assert convert(field("uint"), "@", quoted=True).value == 64
    assert convert(field("bytes"), "0a", quoted=True).value == b"0a"


def test_a_point_in_time_is_exact_to_the_microsecond() -> None:
    """Floating-point arithmetic would be a microsecond off every now and then."""
    chosen = random.Random(7)
    for _ in range(2000):
        micro = chosen.randrange(-(10**15), 2 * 10**15)
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micro)
        assert convert(field("time"), f"{moment:%Y-%m-%dT%H:%M:%S.%f}").value == micro * 1000


@pytest.mark.parametrize(
    ("kind", "text", "hint"),
    [
        ("uint", "abc", "whole number"),
        ("uint", "1.5", "whole number"),
        ("uint", "-1", "from 0 on"),
        ("uint", "089", "whole number"),
        ("uint", str(2**63), "64 bits"),
        ("uint", "9" * 5000, ""),
        ("uint", "1-5", "1..5"),
        ("uint", "", "whole number"),
        ("int", str(-(2**63) - 1), "64 bits"),
        ("bool", "2", "true or false"),
        ("ipv4", "10.0.0.300", "10.0.0.0/8"),
        ("ipv4", "10.0.0.0/33", "10.0.0.0/8"),
        ("ipv4", "10.0.0.*", "10.0.0.0/8"),
        ("ipv4", "010.0.0.1", "10.0.0.0/8"),
        ("ipv4", "fe80::1", "use ipv6.src"),
        ("ipv6", "10.0.0.1", "use ip.src"),
        ("ether", "00:11:22", "00:1d:9c:c7:b0:70"),
        ("ether", "00:11:22:33:44:5g", "00:1d:9c:c7:b0:70"),
        ("bytes", "GET", "0a:ff:20"),
        ("bytes", "0aff2", "0a:ff:20"),
        ("bytes", "0x4500", "0a:ff:20"),
        ("label", "to_serverr", "did you mean 'to_server'?"),
        ("label", "0", "its names: detector fields a"),
        ("time", "yesterday", "seconds since 1970"),
        ("time", "2024-02-30", "seconds since 1970"),
        ("time", "2024-05-01T08:00:00.", "seconds since 1970"),
        ("time", "9" * 12, "64 bits"),
        ("time", "9999-01-01", "64 bits"),
        ("duration", "2024-05-01", "0.5"),
        ("duration", "1.-5", "0.5"),
        ("float", "one", "1.5"),
        ("float", "nan", 'string(a.field) == "NaN"'),
        ("float", "1_0.5", "1.5"),
        ("uint", "6_4", "whole number"),
    ],
)
def test_what_is_no_value_is_refused_with_a_hint(kind: str, text: str, hint: str) -> None:
    """Never a traceback: these texts come from rules, variables, list files and filters."""
    with pytest.raises(InputError) as refused:
        convert(field(kind), text)
    assert refused.value.hint and hint in refused.value.hint


def test_every_kind_has_a_converter_and_an_example() -> None:
    assert set(CONVERTERS) == set(EXAMPLES)
