"""PCRE's expressions on bytes, by whichever library can say them."""

from __future__ import annotations

import pytest

from detector.rules.expressions import (
    LONGEST_BACKTRACKING,
    LONGEST_PATTERN,
    MOST_PLAIN,
    Refused,
    by_regex,
    compile_pattern,
)


@pytest.mark.parametrize(
    ("pattern", "flags", "data", "wanted"),
    [
        ("a+b", "", b"xaab", (1, 4)),
        ("A+B", "i", b"xaab", (1, 4)),
        (r"\x90{4}", "", b"x\x90\x90\x90\x90", (1, 5)),
        (r"\xff", "", b"\xff", (0, 1)),
        ("a$", "", b"ba\n", (1, 2)),  # $ also before a last line feed
        ("a$", "E", b"ba\n", None),
        ("^a", "m", b"b\na", (2, 3)),
        ("^a", "", b"b\na", None),
        ("a", "A", b"ba", None),
        ("a+", "G", b"aaa", (0, 1)),
        ("a b", "x", b"ab", (0, 2)),
        (r"(?i)ab", "", b"AB", (0, 2)),
        (r"foo(?!bar)", "", b"foobar foobaz", (7, 10)),
        (r"(?<=user=)\w+", "", b"user=root", (5, 9)),
        (r"(a)\1", "", b"aba aa", (4, 6)),
        (r"\Qa.b\E", "", b"axb a.b", (4, 7)),
        (r"[[:digit:]]+", "", b"a12", (1, 3)),
        (r"a\/b", "", b"a/b", (0, 3)),
        (r"\h+", "", b"a \tb", (1, 3)),
    ],
)
def test_finds_what_pcre_finds(pattern: str, flags: str, data: bytes, wanted: tuple[int, int] | None) -> None:
    assert compile_pattern(pattern, flags)(data, 0) == wanted


@pytest.mark.parametrize(
    "pattern", ["$", "a*$", "a*?$", ".*$", ".*?$", "^a?$", "(a|b)+$", "[ab\\n]*$", "[|]?b$", r"a\n$", r"\s*$", "(?i)B$", r"\\*$", "(?:a|ab)(?:c|bcd)?$"]
)  # fmt: skip
@pytest.mark.parametrize("flags", ["", "s", "i", "A"])
def test_the_end_before_a_last_line_feed_in_linear_time(pattern: str, flags: str) -> None:
    """A $ at the end, in some way in half of all rules' expressions, would otherwise be searched for by backtracking: beside
    the library that does so."""
    for data in (b"", b"\n", b"a", b"aa\n", b"ba\n\n", b"ab", b"b\n", b"abcd\n", b"\\\\", b"|b\n", b"B"):
        text = rf"\A(?:{pattern})" if "A" in flags else pattern
        assert compile_pattern(pattern, flags)(data, 0) == by_regex(text, flags)(data, 0), data


def test_searches_from_a_place_on() -> None:
    assert compile_pattern("a", "")(b"aXa", 1) == (2, 3)
    assert compile_pattern("(?=a)a", "")(b"aXa", 1) == (2, 3)


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "[a",
        "a{2,1}",
        r"(?R)",
        r"(*ACCEPT)",
        r"\C",
        "a" * (LONGEST_PATTERN + 1),
        "b" + "a" * MOST_PLAIN + "(?=c)",
        "(?=c)" + r"\x61" * (LONGEST_BACKTRACKING // 4),
    ],
)
def test_refuses(pattern: str) -> None:
    with pytest.raises(Refused):
        compile_pattern(pattern, "")


def test_an_exponential_expression_ends() -> None:
    assert compile_pattern("(a+)+b", "")(b"a" * 100_000, 0) is None
    with pytest.raises(TimeoutError):
        compile_pattern("(a+)+(?=b)c", "")(b"a" * 5000, 0)
    for pattern in ("(a+)+$", "(a|aa)+$"):  # not those that RE2 can say
        assert compile_pattern(pattern, "")(b"a" * 60_000 + b"b", 0) is None
