"""Packets as Scapy expressions in rules: what is known, and that anything else is refused at its place, unevaluated."""

from __future__ import annotations

import socket
import time

import pytest
from scapy.layers.inet import IP, TCP

from detector.errors import InputError, Position
from detector.testing.literals import MOST_LAYERS, MOST_PACKETS, Wait, read_packets


def at(text: str, quote: str = "") -> Position:
    """Where a text stands that begins in the seventh column of a YAML line."""
    line = f"    - {quote}{text}{quote}"
    return Position("rule.yml", 3, 7, len(line) - 6, line)


def refused(text: str, quote: str = "", read: str = "") -> InputError:
    """The mistake that is found; `read`: the text as YAML hands it on, where that is not as it stands there."""
    with pytest.raises(InputError) as found:
        read_packets(read or text, at(text, quote))
    assert found.value.position is not None and found.value.position.path == "rule.yml" and found.value.hint
    return found.value


def marked(error: InputError) -> str:
    """The part of the line that the mark stands under."""
    place = error.position
    assert place is not None
    return place.text[place.column - 1 : place.column - 1 + place.length]


def test_a_packet_a_repetition_and_a_pause() -> None:
    (packet,) = read_packets('IP(src="10.0.0.1", dst="10.0.0.2", ttl=3)/TCP(dport=502, flags="S")/Raw(b"ab")', at(""))
    assert (packet[IP].ttl, packet[TCP].dport, bytes(packet[TCP].payload)) == (3, 502, b"ab")
    assert len(read_packets("IP()/TCP() * 5", at(""))) == 5
    assert len(read_packets("(IP()/TCP()) * 5 * 3", at(""))) == 15
    (pause,) = read_packets(" wait(1.5) ", at(""))
    assert isinstance(pause, Wait) and pause.seconds == 1.5
    (options,) = read_packets('TCP(options=[("MSS", 1460), ("NOP", None)])', at(""))
    assert options[TCP].options == [("MSS", 1460), ("NOP", None)]


def test_layers_as_the_value_of_a_field() -> None:
    """Objects of a PDU: DNP3's header of class 1 data, as its bytes are in IEEE 1815-2012, 4.2.2.7."""
    (packet,) = read_packets('DNP3Request(func=1, objects=[DNP3Header(group=60, variation=2), DNP3Header(group=60, variation=3)])', at(""))  # fmt: skip
    assert bytes(packet)[1:] == bytes.fromhex("01 3c0206 3c0306")


HOSTILE = [
    ('__import__("os").system("touch /tmp/owned")', '__import__("os").system("touch /tmp/owned")', "only layers"),
    ("open('/etc/passwd')", "open", "unknown layer 'open'"),
    ("IP.__class__", "IP.__class__", "only layers"),
    ("IP().__class__()", "IP().__class__()", "only layers"),
    ("(lambda: IP())()", "(lambda: IP())()", "only layers"),
    ("[IP() for _ in range(9)]", "[IP() for _ in range(9)]", "only layers"),
    ("IP(ttl=[x for x in (1,)])", "[x for x in (1,)]", "a field takes a literal"),
    ('IP(src=open("/etc/passwd").read())', 'open("/etc/passwd").read()', "a field takes a literal"),
    ("IP(ttl=9**9**9)", "9**9**9", "a field takes a literal"),
    ("IP(ttl=ttl)", "ttl", "a field takes a literal"),
    ('Raw("x" * 10)', '"x" * 10', "a field takes a literal"),
    ("DNP3Request(objects=[DNP3Header() * 2])", "DNP3Header() * 2", "a repetition cannot be part of a packet"),
    ("DNP3Request(objects=[DNP3Haeder()])", "DNP3Haeder", "unknown layer 'DNP3Haeder'"),
    ("IP(ttl=1 / 2)", "1 / 2", "a field takes a literal"),
    ('Raw(f"{1}")', 'f"{1}"', "a field takes a literal"),
    ("IP() * 1000000000", "IP() * 1000000000", "repetitions are 1 to 100000"),
    ("IP() * 1000 * 1000", "IP() * 1000 * 1000", "repetitions are 1 to 100000"),
    ("IP() * 0", "IP() * 0", "repetitions are 1 to 100000"),
    ("IP() * -1", "IP() * -1", "only layers"),
    ("IP() * True", "IP() * True", "only layers"),
    ("5 * IP()", "5 * IP()", "only layers"),
    ("IP() * 2 / TCP()", "IP() * 2 / TCP()", "a repetition cannot be part of a packet"),
    ("wait(1) / IP()", "wait(1) / IP()", "a repetition cannot be part of a packet"),
    ("IP() + TCP()", "IP() + TCP()", "only layers"),
    ("IP() if 1 else TCP()", "IP() if 1 else TCP()", "only layers"),
    ("IP", "IP", "IP is not called"),
    ("IP()/TPC()", "TPC", "unknown layer 'TPC'"),
    ("IP(tll=3)", "tll=3", "IP has no field 'tll'"),
    ("IP(ttl=1, ttl=2)", "ttl=2", "ttl is given twice"),
    ("IP(64)", "IP(64)", "fields of IP are given by name"),
    ('IP(**{"ttl": 1})', '{"ttl": 1}', "fields of IP are given by name"),
    ("Raw(5)", "Raw(5)", "Raw takes bytes"),
    ("Packet()", "Packet", "unknown layer 'Packet'"),
    ('IP(dst="example.com")', 'IP(dst="example.com")', "names are not looked up"),
    ('IP()/TCP(dport="nope")', 'TCP(dport="nope")', "Scapy refuses this TCP"),
    ('IP(dst="10.0.0.0/24")', 'IP(dst="10.0.0.0/24")', "this stands for 256 packets"),
    ("IP()/TCP(dport=[1, 2])", "TCP(dport=[1, 2])", "this stands for 2 packets"),
    ("IP()/TCP(dport=(1, 65535))", "TCP(dport=(1, 65535))", "this stands for 65535 packets"),
    ("wait(-1)", "wait(-1)", "wait takes a number of seconds"),
    ("wait(1e300)", "wait(1e300)", "a pause is 0 seconds to a year"),
    ("wait(1e999)", "wait(1e999)", "a pause is 0 seconds to a year"),
    ("wait(True)", "wait(True)", "a pause is 0 seconds to a year"),
    ("wait()", "wait()", "wait takes a number of seconds"),
    ("IP(", "(", "not a packet: '(' was never closed"),
    ("IP()//TCP()", "IP()//TCP()", "only layers"),
    ("IP(); TCP()", ";", "not a packet: invalid syntax"),
    ("x = IP()", "=", "not a packet: invalid syntax"),
    ('b"text"', 'b"text"', "only layers"),
    ("", "", "not a packet"),
]


@pytest.mark.parametrize(("text", "mark", "problem"), HOSTILE, ids=[text[:40] for text, *_ in HOSTILE])
def test_what_is_refused_and_where(text: str, mark: str, problem: str) -> None:
    error = refused(text)
    assert problem in error.problem
    assert marked(error) == mark


@pytest.mark.parametrize(("text", "hint"), [("IP()/TPC()", "TCP"), ("ModbusADURequst()", "ModbusADURequest"), ("IP(tll=3)", "ttl"),
                                           ("TCP(dprot=3)", "dport")])  # fmt: skip
def test_the_nearest_right_word(text: str, hint: str) -> None:
    assert refused(text).hint == f"did you mean {hint}?"


@pytest.mark.parametrize(
    ("text", "quote", "read", "mark"),
    [
        ("IP()/TPC()", "'", "IP()/TPC()", "TPC"),
        ('IP(src=\\"10.0.0.1\\")/TPC()', '"', 'IP(src="10.0.0.1")/TPC()', "TPC"),
        ("IP(src=''10.0.0.1'')/TPC()", "'", "IP(src='10.0.0.1')/TPC()", "TPC"),
        ("   IP()/TPC()", "'", "   IP()/TPC()", "TPC"),
        ('Raw("é")/TPC()', "", 'Raw("é")/TPC()', "TPC"),
    ],
)
def test_the_mark_stands_right_in_quoted_texts(text: str, quote: str, read: str, mark: str) -> None:
    """Quotes, escapes and letters of more than a byte must not move it."""
    assert marked(refused(text, quote, read)) == mark


def test_a_text_over_several_lines_is_marked_where_it_begins() -> None:
    with pytest.raises(InputError) as found:
        read_packets("IP()/\nTPC()", Position("rule.yml", 3, 7, 5, "    - IP()/"))
    assert found.value.position == Position("rule.yml", 3, 7, 5, "    - IP()/") or found.value.position.line == 3


@pytest.mark.parametrize(
    "text",
    ["/".join(["IP()"] * (MOST_LAYERS + 1)), "/".join(["IP()"] * 3000), "(" * 90 + "IP()" + ")" * 90, "(" * 5000 + "IP()" + ")" * 5000,
     "-" * 5000 + "1", "IP(ttl=" + "[" * 150 + "]" * 150 + ")", "IP(ttl=" + "9" * 5000 + ")", "IP(src=" * 3000 + ")" * 3000, "Raw(b'" + "x" * 70000 + "')",
     "IP() * " + "9" * 40, "IP" * 50000],
    ids=lambda text: f"{text[:12]} {len(text)}",
)  # fmt: skip
def test_what_is_too_deep_or_too_long_ends_at_once(text: str) -> None:
    """A rule file comes from elsewhere: neither a traceback nor a machine without memory."""
    began = time.monotonic()
    try:
        read_packets(text, at(text))
    except InputError as error:
        assert error.hint
    assert time.monotonic() - began < 2


def test_as_many_as_are_allowed() -> None:
    assert len(read_packets(f"IP() * {MOST_PACKETS}", at(""))) == MOST_PACKETS
    assert len(read_packets("/".join(["IP()"] * MOST_LAYERS), at(""))[0].layers()) == MOST_LAYERS


def test_no_name_server_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither for a name nor for a network: a test runs the same without one."""

    def asked(*_: object) -> None:
        raise AssertionError("a name was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", asked)
    monkeypatch.setattr(socket, "gethostbyname", asked)
    for text in (
        'IP(dst="example.com")',
        'IP(dst="10.0.0.0/30")',
        'DNSRR(type="A", rdata="example.com")',
        'IPv6(dst="example.com")',
    ):
        refused(text)
