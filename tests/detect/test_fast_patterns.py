"""Which literal of a rule is searched for."""

from __future__ import annotations

from collections.abc import Sequence

from detector.detect.fast_patterns import Literal, fast_patterns
from detector.rules.signature import Buffer, Content, Header, Inspection, Signature


def needed(*contents: Content, buffer: Buffer = Buffer.PAYLOAD) -> Sequence[tuple[bytes, bool]]:
    return Signature(Header(), (Inspection(buffer, contents),)).sought


def of(*contents: Content, buffer: Buffer = Buffer.PAYLOAD) -> Literal | None:
    found = fast_patterns([needed(*contents, buffer=buffer)])
    assert found.of.tolist() == [0 if found.literals else -1]
    return found.literals[0] if found.literals else None


def test_the_longer_of_two() -> None:
    assert of(Content(b"abcd"), Content(b"longer text")) == Literal(b"longer text", False)


def test_rare_bytes_before_common_ones() -> None:
    assert of(Content(bytes(12)), Content(b"\x9c\xe1\x7f\x84")) == Literal(b"\x9c\xe1\x7f\x84", False)


def test_none_that_is_short_common_or_negated() -> None:
    assert of(Content(b"abc")) is None
    assert of(Content(bytes(16))) is None
    assert of(Content(b"not this", is_negated=True)) is None


def test_letters_are_folded_where_case_does_not_matter() -> None:
    assert of(Content(b"PowerShell", nocase=True)) == Literal(b"powershell", True)


def test_at_most_sixteen_bytes_and_those_that_tell_most() -> None:
    assert of(Content(bytes(20) + b"0Z23Y56X89abWdef" + bytes(20))) == Literal(b"0Z23Y56X89abWdef", False)


def test_it_ends_where_the_ruleset_has_least_of_the_same() -> None:
    texts = (b"user agent: abc", b"user agent: qzx", b"user agent: wvk", b"common tail user agent: ")
    found = fast_patterns([needed(Content(text)) for text in texts])
    assert not found.literals[3].text.endswith(b"agent: ")


def test_headers_are_not_searched() -> None:
    assert of(Content(b"longer text"), buffer=Buffer.TCP_HDR) is None


def test_rules_share_literals() -> None:
    first, second = Content(b"first text"), Content(b"second text")
    found = fast_patterns([needed(one) for one in (first, second, first, Content(b"a"))])
    assert found.literals == (Literal(b"first text", False), Literal(b"second text", False))
    assert found.of.tolist() == [0, 1, 0, -1]
