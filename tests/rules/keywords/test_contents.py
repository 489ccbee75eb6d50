"""Contents, their modifiers, buffers, lengths: expected values are what Suricata's manual says of each keyword."""

from __future__ import annotations

import pytest

from detector.rules.model import Compare, FieldValue, Literal_, Membership
from detector.rules.signature import IN_PAYLOAD, IN_PDUS, Base64, Buffer, BufferSize, Content, IsDataAt, Where
from tests.rules.keywords.written import conditions, refused, signature, steps


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('content:"abc";', Content(b"abc")),
        ('content:!"abc";', Content(b"abc", is_negated=True)),
        ('content:"!abc";', Content(b"!abc")),
        ('content:"|00 fF|a|2021|";', Content(b"\x00\xffa !")),
        ('content:"|6 1|";', Content(b"a")),
        (r'content:"a\;b\:c\\d\"e";', Content(b'a;b:c\\d"e')),
        ('content:"a"; nocase;', Content(b"a", nocase=True)),
        ('content:"a"; offset:3; depth:0x10;', Content(b"a", offset=3, depth=16)),
        ('content:"a"; distance:-4; within:9;', Content(b"a", distance=-4, within=9)),
        ('content:"a"; startswith;', Content(b"a", startswith=True)),
        ('content:"a"; endswith;', Content(b"a", endswith=True)),
        ('content:"a"; rawbytes;', Content(b"a")),
        ('content:"abc"; fast_pattern;', Content(b"abc", is_fast=True)),
        ('content:"abc"; fast_pattern:only;', Content(b"abc", is_fast=True, is_fast_only=True)),
        ('content:"abc"; fast_pattern:1,2;', Content(b"abc", is_fast=True, fast_part=(1, 2))),
        ("isdataat:10;", IsDataAt(10)),
        ("isdataat:!10,relative;", IsDataAt(10, is_negated=True, is_relative=True)),
        ("isdataat:10, relative, rawbytes;", IsDataAt(10, is_relative=True)),
    ],
)
def test_steps(options: str, expected: object) -> None:
    assert steps(options)[-1] == expected


def test_a_modifier_belongs_to_the_content_before_it() -> None:
    assert steps('content:"a"; content:"b"; isdataat:1; nocase;') == (
        Content(b"a"),
        Content(b"b", nocase=True),
        IsDataAt(1),
    )


def test_numbers_may_be_variables() -> None:
    assert steps('byte_extract:1,0,len; content:"a"; offset:len; depth:len;')[1] == Content(
        b"a", offset="len", depth="len"
    )
    assert steps('byte_extract:1,0,len; content:"a"; content:"b"; distance:len; within:len;')[2] == Content(
        b"b", distance="len", within="len"
    )
    assert steps("byte_extract:1,0,len; isdataat:!len;")[1] == IsDataAt("len", is_negated=True)


@pytest.mark.parametrize("buffer", [one for one in Buffer if one not in (*IN_PAYLOAD, *IN_PDUS)])
def test_header_buffers(buffer: Buffer) -> None:
    protocol = {"tcp": "tcp", "udp": "udp", "icmpv4": "icmp", "icmpv6": "icmp"}.get(buffer.label.split(".")[0], "ip")
    found = signature(f'{buffer.label}; content:"a"; pkt_data; content:"b";', f"alert {protocol} any any -> any any")
    assert {one.buffer: one.steps for one in found.inspections} == {
        buffer: (Content(b"a"),),
        Buffer.PAYLOAD: (Content(b"b"),),
    }
    assert found.where == Where.PACKET


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("5", BufferSize(5, 5)), ("<5", BufferSize(0, 4)), ("<=5", BufferSize(0, 5)), (">5", BufferSize(6, 2**63 - 1)),
        (">=5", BufferSize(5, 2**63 - 1)), ("5<>9", BufferSize(6, 8)), ("5-9", BufferSize(6, 8)), ("!5", BufferSize(5, 5, is_negated=True)),
    ],
)  # fmt: skip
def test_bsize(value: str, expected: BufferSize) -> None:
    assert steps(f"tcp.hdr; bsize:{value};", Buffer.TCP_HDR) == (expected,)


def test_base64() -> None:
    assert steps('base64_decode:bytes 12, offset 4, relative; base64_data; content:"x"; nocase;') == (
        Base64(12, 4, True, (Content(b"x", nocase=True),)),
    )
    assert steps('base64_decode; base64_data; content:"x"; pkt_data; content:"y";') == (
        Base64(None, 0, False, (Content(b"x"),)),
        Content(b"y"),
    )


def test_dsize_is_a_test_on_the_length() -> None:
    length = FieldValue("packet.payload_len", occurrence=1)
    assert conditions("dsize:5;") == (Compare("eq", length, Literal_(5)),)
    assert conditions("dsize:5<>9;") == (Membership(length, ((Literal_(6), Literal_(8)),)),)
    assert conditions("dsize:!0;") == (Membership(length, ((Literal_(1), Literal_(65535)),)),)


@pytest.mark.parametrize(
    ("options", "column", "problem"),
    [
        ("nocase;", 40, "nocase has no content before it"),
        ('content:"a|61";', 50, "a | is not closed"),
        ('content:"a|616|";', 50, "|616| has half a byte"),
        ('content:"|zz|";', 49, "|zz| is not hexadecimal"),
        (r'content:"a\nb";', 50, r"\n means nothing in a content"),
        ("content:abc;", 48, "the value of content needs quotes"),
        ('content:"abc"; depth:2;', 61, "a content of 3 bytes is never found within a depth of 2"),
        ('content:"abc"; offset:70000;', 62, "the offset 70000 is out of bounds"),
        ('content:"abc"; offset:x;', 62, "the offset 'x' is neither a number nor a variable"),
        ('content:"a"; distance:1; offset:1;', 72, "offset does not go with distance"),
        ('content:"a"; offset:1; within:4;', 70, "within does not go with offset"),
        ('content:"abc"; within:2;', 62, "a content of 3 bytes is never found within 2"),
        ('content:"abc"; depth:5; startswith;', 64, "startswith does not go with depth"),
        ('content:!"abc"; fast_pattern:only;', 69, "fast_pattern:only goes with no place and no negation"),
        ('content:"a"; fast_pattern; content:"b"; fast_pattern;', 80, "fast_pattern is given for two contents"),
        ("bsize:5;", 46, "bsize needs a buffer"),
        ('tcp.hdr; content:"abc"; bsize:2;', 1, "the contents need 3 bytes, bsize of tcp.hdr is 2"),
        ("tcp.hdr;", 40, "nothing is asked of tcp.hdr"),
        ('udp.hdr; content:"a";', 40, "an tcp packet has no udp.hdr"),
        ("dsize:5<>6;", 46, "nothing lies between 5 and 6"),
        ("dsize:5; dsize:6;", 55, "dsize is given twice"),
        ('dsize:5; content:"abc"; content:"def"; distance:0;', 1, "the contents need 6 bytes, dsize is 5"),
        ('base64_data; content:"a";', 40, "base64_data has no base64_decode before it"),
        (
            'content:"a"; flow:only_stream; dsize:5;',
            53,
            "the rule asks for streams only, and for what a packet alone has",
        ),
    ],
)
def test_mistakes(options: str, column: int, problem: str) -> None:
    error = refused(options)
    assert error.position is not None
    assert (error.position.column, error.problem) == (column, problem)
    assert error.hint


def test_a_long_content_is_refused() -> None:
    assert refused(f'content:"{"a" * 4097}";').problem == "a content of 4,097 bytes"
