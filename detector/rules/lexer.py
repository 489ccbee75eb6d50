"""Display filters to tokens, each with its place in the text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from detector.errors import InputError, Position

TOKENS = (
    ("space", r"\s+"),
    ("string", r'r?"(?:[^"\\]|\\.)*"'),
    ("char", r"'(?:[^'\\]|\\.[^']*)'"),
    ("variable", r"\$[A-Za-z_]\w*"),
    ("literal", r"(?:[0-9A-Fa-f]{2}-)+[0-9A-Fa-f]{2}(?![\w-])"),  # bytes with dashes
    ("literal", r"\d+\.\d+\.\d+\.\d+(?:/\d+(?:\.\d+\.\d+\.\d+)?)?(?!\w|\.(?!\.))"),  # IPv4
    (
        "literal",
        r"[0-9A-Fa-f]*:(?:[0-9A-Fa-f:]+(?:\.\d+)*|(?=:))[0-9A-Fa-f:]*(?:/\d+)?",
    ),  # IPv6, MAC, bytes with colons
    ("literal", r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?)?Z?"),  # a point in time
    ("literal", r"\d+\.\d+(?!\w|\.(?!\.))"),
    ("word", r"[A-Za-z_0-9]\w*(?:\.(?!\.)\w+(?:-[A-Za-z]\w*)*)*"),
    ("operator", r"===|!==|==|!=|~=|>=|<=|\.\.|&&|\|\||\^\^|[<>!~&()\[\]{},#:+\-*/%]"),
)
HINTS = {
    "=": "equality is written ==",
    '"': 'close it, or write \\" for a quote inside',
    "'": "a character in quotes is one character: 'a'",
}
PATTERN = re.compile("|".join(f"(?P<{kind}_{number}>{pattern})" for number, (kind, pattern) in enumerate(TOKENS)))


@dataclass(frozen=True)
class Token:
    """kind: string, char, variable, literal, word, operator or end; at: offset in the text."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Place:
    """Where a filter stands, so that a mistake in it is shown in its file: the position of its first character."""

    path: str = "filter"
    line: int = 1
    column: int = 1
    source: str = ""
    parts: tuple[tuple[int, Position], ...] = ()  # offset in the text, and where it stands, for each further line

    def position(self, at: int, length: int, text: str) -> Position:
        """The position of some characters of the filter."""
        before = [part for part in self.parts if part[0] <= at]
        if before:
            offset, there = before[-1]
            return Position(self.path, there.line, there.column + at - offset, max(1, length), there.text)
        return Position(self.path, self.line, self.column + at, max(1, length), self.source or text)


def split(text: str, place: Place) -> list[Token]:
    """The tokens of a filter, with an end token.

    Raises:
        InputError: a character that begins no token, a string without its end.
    """
    tokens, at = [], 0
    while at < len(text):
        found = PATTERN.match(text, at)
        if found is None:
            raise InputError(f"unexpected character {text[at]!r}" if text[at] not in "\"'" else "string without its closing quote",
                             position=place.position(at, 1, text), hint=HINTS.get(text[at], "strings are written in double quotes"))  # fmt: skip
        kind = (found.lastgroup or "").partition("_")[0]
        if kind != "space":
            tokens.append(Token(kind, found.group(), at))
        at = found.end()
    return [*tokens, Token("end", "", len(text))]
