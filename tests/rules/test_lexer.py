"""Display filters to tokens: what is one token, and where a mistake stands."""

from __future__ import annotations

import pytest

from detector.errors import InputError
from detector.rules.lexer import Place, split


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind, token.text) for token in split(text, Place())][:-1]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("modbus.func_code", "word"),
        ("tcp", "word"),
        ("502", "word"),
        ("0x1f", "word"),
        ("scapy.IP.ttl", "word"),
        ("10.0.0.1", "literal"),
        ("10.0.0.0/8", "literal"),
        ("10.0.0.0/255.0.0.0", "literal"),
        ("fe80::1", "literal"),
        ("::", "literal"),
        ("::1", "literal"),
        ("fe80::/10", "literal"),
        ("::ffff:10.0.0.1", "literal"),
        ("00:1d:9c:c7:b0:70", "literal"),
        ("00-1d-9c-c7-b0-70", "literal"),
        ("0a:ff", "literal"),
        ("1.5", "literal"),
        ("2024-05-01T08:00:00.5Z", "literal"),
        ('"a \\" quote"', "string"),
        ('r"\\d+"', "string"),
        ("'a'", "char"),
        ("'\\x41'", "char"),
        ("$MASTERS", "variable"),
    ],
)
def test_one_token(text: str, kind: str) -> None:
    assert kinds(text) == [(kind, text)]
    assert kinds(f" {text} ") == [(kind, text)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a==b", ["a", "==", "b"]),
        ("a===b", ["a", "===", "b"]),
        ("a!==b", ["a", "!==", "b"]),
        ("a>=1&&!b", ["a", ">=", "1", "&&", "!", "b"]),
        ("{1..5,7}", ["{", "1", "..", "5", ",", "7", "}"]),
        ("{10.0.0.1..10.0.0.9}", ["{", "10.0.0.1", "..", "10.0.0.9", "}"]),
        ("{1.5..2.5}", ["{", "1.5", "..", "2.5", "}"]),
        ("eth.src[1-2]", ["eth.src", "[", "1", "-", "2", "]"]),
        ("tcp.flags&0x12", ["tcp.flags", "&", "0x12"]),
        ("ip.ttl+1", ["ip.ttl", "+", "1"]),
        ("a||b^^c", ["a", "||", "b", "^^", "c"]),
        ("len(tcp.payload)>1", ["len", "(", "tcp.payload", ")", ">", "1"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_tokens_without_blanks_between_them(text: str, tokens: list[str]) -> None:
    assert [token for _, token in kinds(text)] == tokens


def test_a_token_knows_its_place() -> None:
    assert [token.at for token in split("ip.ttl  > 5", Place())] == [0, 8, 10, 11]


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("ip.ttl = 5", 8, "equality is written =="),
        ('ip.src == "abc', 11, "close it"),
        ("ip.ttl == 'a", 11, "one character"),
        ("ip.ttl == ?", 11, "double quotes"),
        ("ip.ttl ü 5", 8, "double quotes"),
    ],
)
def test_what_is_no_token_is_shown_at_its_place(text: str, column: int, hint: str) -> None:
    with pytest.raises(InputError) as refused:
        split(text, Place("rule.yml", 4, 10))
    position = refused.value.position
    assert position is not None
    assert (position.path, position.line, position.column) == ("rule.yml", 4, 9 + column)
    assert hint in refused.value.hint
