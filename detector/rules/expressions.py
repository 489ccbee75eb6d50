"""PCRE expressions of rules on bytes: by RE2 in linear time where it can say them, else by a library with limits.

RE2 cannot look around or back. Such expressions go to `regex`, which backtracks: over bounded input and with a time limit,
whose passing is the rule's failure and not a result.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import re2
import regex

LONGEST_SEARCHED = 65536  # bytes that an expression which backtracks looks at
LONGEST_SECONDS = 0.1  # most take microseconds
LONGEST_PATTERN = 8192
LARGEST_PROGRAM = 10_000  # of RE2: a search may take 30 ns for each byte and instruction
# `regex` prepares a search for plain text in the cube of its length, without a limit: 500 characters 0.1 s, 4000 half a minute.
LONGEST_BACKTRACKING, MOST_PLAIN = 2048, 512
PLAIN_RUN = re.compile(rf"[^\\\[\](){{}}.*+?^$|]{{{MOST_PLAIN + 1}}}")
ESCAPED, CLASS = re.compile(r"\\.", re.DOTALL), re.compile(r"\[\^?\]?[^\]]*\]")
# What RE2 takes for something else than PCRE does, or not at all: left to `regex`.
ONLY_REGEX = re.compile(r"\\[1-9gkGKZRXNhHvVCuUlLQE]|\(\?(?![:imsU-]|P<)|[*+?}]\+|\(\?[imsU-]*[xn]")
REFUSED = re.compile(r"\\[CNX]|\(\*|\(\?[RC\d&|]|\(\?\(|\\g|\(\?P>")
# Quotes \Q...\E, and classes of PCRE that the libraries spell otherwise.
QUOTED = re.compile(r"\\Q(.*?)(?:\\E|$)", re.DOTALL)
Search = Callable[[bytes, int], tuple[int, int] | None]


class Refused(ValueError):
    """An expression that cannot be matched with PCRE's meaning."""


def translated(pattern: str) -> str:
    """The pattern without what the libraries spell otherwise."""
    plain = QUOTED.sub(lambda found: re.escape(found.group(1)), pattern)
    plain = plain.replace(r"\h", r"[ \t\xa0]").replace(r"\e", r"\x1b").replace(r"\R", r"(?:\r\n|[\n\v\f\r\x85])")
    return re.sub(r"\\/", "/", plain)


def compile_pattern(pattern: str, flags: str) -> Search:
    """A search in bytes from a place on; (start, stop) of the first match, None for none. TimeoutError: it gave up.

    Raises:
        Refused: it is no expression, or one that neither library can say.
    """
    if len(pattern) > LONGEST_PATTERN:
        raise Refused(f"the expression is longer than {LONGEST_PATTERN} characters")
    if found := REFUSED.search(pattern):
        raise Refused(f"{found.group()} cannot be matched here")
    text = translated(pattern)
    linear, group = ends_strictly(text) if ends_loosely(text, flags) else (text, 0)
    if linear and "x" not in flags and "E" not in flags and not ONLY_REGEX.search(text):
        made = by_re2(rf"\A(?:{linear})" if "A" in flags else linear, flags, group)
        if made is not None:
            return made
    return by_regex(rf"\A(?:{text})" if "A" in flags else text, flags)


def ends_loosely(text: str, flags: str) -> bool:
    """Whether a $ may also stand before a last line feed, which RE2 does not know."""
    return "$" in text and "m" not in flags


def ends_strictly(text: str) -> tuple[str, int]:
    """An expression that ends in its one $ as RE2 can say it, and the group that is the match; "" where that cannot be done."""
    head = text[:-1]
    if text[-1] != "$" or "$" in head or has_choice(head) or (len(head) - len(head.rstrip("\\"))) % 2:
        return "", 0
    return rf"({head})\n?\z", 1


def has_choice(text: str) -> bool:
    """Whether an expression has a | outside of brackets, or is too odd to tell."""
    plain = CLASS.sub("", ESCAPED.sub("", text))
    depth = 0
    for letter in plain:
        depth += (letter == "(") - (letter == ")")
        if letter in "[]" or depth < 0 or (letter == "|" and not depth):
            return True
    return depth != 0


def by_re2(text: str, flags: str, group: int = 0) -> Search | None:
    """RE2's search for a group of an expression, None where it cannot say it, or only at length."""
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    options.log_errors = False
    options.case_sensitive = "i" not in flags
    options.dot_nl = "s" in flags
    options.max_mem = 8 << 20
    for letter, meant in (("m", "m"), ("G", "U")):
        if letter in flags:
            text = f"(?{meant}:{text})"
    try:
        expression = re2.compile(text.encode("utf-8", "surrogateescape"), options)
    except (re2.error, UnicodeEncodeError):
        return None
    if expression.programsize > LARGEST_PROGRAM:
        return None

    def search(data: bytes, start: int) -> tuple[int, int] | None:
        found = expression.search(data, start)
        return None if found is None else found.span(group)

    return search


def by_regex(text: str, flags: str) -> Search:
    """The search of `regex`, with its limits."""
    letters = 0
    for letter, flag in (("i", regex.IGNORECASE), ("m", regex.MULTILINE), ("s", regex.DOTALL), ("x", regex.VERBOSE)):
        if letter in flags:
            letters |= flag
    if "E" in flags:
        text = re.sub(r"(?<!\\)\$", r"\\Z", text)
    if "G" in flags:
        raise Refused("the flag G (ungreedy) cannot be matched here")
    if len(text) > LONGEST_BACKTRACKING or PLAIN_RUN.search(text):
        raise Refused(
            f"an expression that RE2 cannot say may have {LONGEST_BACKTRACKING} characters, {MOST_PLAIN} plain ones together"
        )
    try:
        expression = regex.compile(text.encode("utf-8", "surrogateescape"), letters | regex.VERSION0)
    except (regex.error, RecursionError, OverflowError, UnicodeEncodeError) as error:
        raise Refused(f"not an expression: {error}") from None

    def search(data: bytes, start: int) -> tuple[int, int] | None:
        found = expression.search(data[:LONGEST_SEARCHED], start, timeout=LONGEST_SECONDS)
        return None if found is None else found.span()

    return search
