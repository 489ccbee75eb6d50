"""A .rules file to the text of its rules, taken apart: one rule a line, as Suricata reads it.

A semicolon ends an option even within quotes, unless a backslash stands before it. A line whose last character is a
backslash goes on in the next one. A line that begins with # is a comment, so a rule behind it is switched off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from detector.errors import InputError, Position, nearest
from detector.lists import read_bounded
from detector.rules.options import Option, RuleText

LARGEST_FILE = 512 * 2**20
PIECE = 2**18  # characters of a file, about 1,000 rules, that are read together
LONGEST_RULE = 8191  # characters: Suricata's own bound
ACTIONS = ("alert", "pass", "drop", "reject", "rejectsrc", "rejectdst", "rejectboth", "config")
DIRECTIONS = ("->", "<>")
WORDS = ("action", "protocol", "source", "source ports", "direction", "destination", "destination ports")
EXAMPLE = 'alert tcp any any -> any 502 (msg:"..."; content:"|00 01|"; sid:1000001;)'
HINT = f"a rule is {EXAMPLE}"
KEPT = "surrogateescape"  # bytes that are no UTF-8 come back as they were

# keyword; or keyword:value; where the value ends at the first semicolon without a backslash before it.
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
SNORT_ACTIONS = ("log", "activate", "dynamic", "sdrop", "block", "react", "rewrite", "file_id")
SNORT_3 = re.compile(r"\s*,\s*(?:nocase|offset|depth|distance|within|fast_pattern|width|endian)")
OPTION = re.compile(r"\s*([^\s:;]+)\s*(?::\s*([^;]*(?:(?<=\\);[^;]*)*))?;")
QUOTE = re.compile(r'(?<!\\)(?:\\\\)*"')
END = re.compile(r"\s*\)\s*")
FIRST = re.compile(r"(?<=\s)[\w.]+(?=\s*:)")
SID = re.compile(r"[;(\s]sid\s*:\s*([0-9]+)")
GID = re.compile(r"[;(\s]gid\s*:\s*([0-9]+)")
MSG = re.compile(r'[;(\s]msg\s*:\s*"((?:[^";\\]++|\\.)*+)')

option = partial(tuple.__new__, Option)  # a fifth of the time that naming its parts takes

Header = tuple[tuple[str, str, str, str, str, str, str], tuple[int, int, int, int, int, int, int]]


class Places:
    """Where a rule's text stands in its file. parts: (offset in the text, line, the source line)."""

    __slots__ = ("parts", "path")

    def __init__(self, path: str, parts: tuple[tuple[int, int, str], ...]) -> None:
        self.path, self.parts = path, parts

    def __call__(self, at: int, length: int) -> Position:
        """The position of some characters of the text."""
        place = len(self.parts) - 1
        while place and self.parts[place][0] > at:  # per line of a rule that goes on
            place -= 1
        offset, line, source = self.parts[place]
        shift = max(0, min(at - offset, len(source)))
        return Position(self.path, line, shift + 1, max(1, min(length, len(source) - shift)), source)


def readable(text: str) -> str:
    """A rule's text for people and JSON: as UTF-8, or where it is not that, as Latin-1."""
    if text.isascii():
        return text
    data = text.encode("utf-8", KEPT)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


class Unreadable(NamedTuple):
    """A rule that could not be taken apart: why, and its text."""

    error: InputError
    text: str


def read_rules(path: Path) -> Iterator[RuleText | Unreadable]:
    """The rules of a .rules file in its order, each with its places. Raises InputError where it cannot be read."""
    return rules_of(read_text(path), str(path))


def read_text(path: Path) -> str:
    """The text of a .rules file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        data = read_bounded(path, LARGEST_FILE)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read: {error.strerror}", hint="a .rules file has one rule a line"
        ) from None
    if data.startswith(UTF_16):
        raise InputError(
            "the file is in UTF-16", position=Position(str(path), 1, 1), hint="save it as UTF-8, or as plain text"
        )
    return data.decode("utf-8", KEPT).removeprefix("\ufeff")


def pieces(text: str, size: int = PIECE) -> Iterator[tuple[int, str]]:
    """(lines before it, text) of a file's pieces, of `size` characters and the rest of a line. None begins within a rule or a
    comment that a backslash continues, so that each can be read for itself."""
    at = before = 0
    while at < len(text):  # per piece
        stop = at + size
        while (end := text.find("\n", stop)) >= 0:  # per line that goes on
            stop = end + 1
            if text[max(at, text.rfind("\n", at, end) + 1) : end].rstrip()[-1:] != "\\":
                break
        else:
            stop = len(text)
        yield before, text[at:stop]
        before += text.count("\n", at, stop)
        at = stop


def rules_of(text: str, path: str, before: int = 0) -> Iterator[RuleText | Unreadable]:
    """The rules of a file's text, or of a piece of it. before: lines of the file that lie before the piece."""
    headers: dict[str, Header] = {}  # distinct ones are few
    for joined, places in rule_lines(text, path, before):  # per rule
        try:
            yield take_apart(joined, places, headers)
        except InputError as error:
            yield Unreadable(error, joined)


def rule_lines(text: str, path: str, before: int = 0) -> Iterator[tuple[str, Places]]:
    """(text, places) of each rule: lines joined that a backslash continues, comments and empty lines left out."""
    lines = numbered(text, before)
    is_comment = False
    for number, line in lines:
        if not line or line[0] == "#" or (is_comment and line[0].isspace()):
            is_comment = line.endswith("\\")  # what is set in under a comment that goes on belongs to it
            continue
        is_comment = False
        if line[-1] != "\\":
            yield line, Places(path, ((0, number, line),))
            continue
        joined, parts = line[:-1], [(0, number, line)]
        while line[-1:] == "\\" and (following := next(lines, None)):
            number, line = following
            if len(joined) <= LONGEST_RULE and len(parts) <= LONGEST_RULE:  # of more it is refused, by its first line
                parts.append((len(joined), number, line))
                joined += line.removesuffix("\\")
            elif len(joined) <= LONGEST_RULE:
                joined = joined.ljust(LONGEST_RULE + 1)
        joined += "\\" if line[-1:] == "\\" else ""
        if joined:  # a lone backslash and an empty line are nothing, in Suricata too
            yield joined, Places(path, tuple(parts))


def numbered(text: str, number: int = 0) -> Iterator[tuple[int, str]]:
    """(number, line) of a file's lines, without the blanks at their ends. Not all at once: a file may be nothing but lines.
    number: of the line before the first."""
    at = 0
    while at < len(text):  # per line
        stop = text.find("\n", at)
        stop = len(text) if stop < 0 else stop
        number += 1
        yield number, text[at:stop].rstrip()
        at = stop + 1


def take_apart(text: str, places: Places, headers: dict[str, Header]) -> RuleText:
    """The header's words and the options of a rule. headers: those that were split before, by their text.

    Raises:
        InputError: with the place.
    """
    if len(text) > LONGEST_RULE:
        first = places(0, 1)  # without the line, which nobody wants to see
        raise InputError(f"the rule is longer than {LONGEST_RULE:,} characters", position=Position(first.path, first.line, first.column),
                         hint="Suricata has the same bound; put long lists into a variable or a dataset")  # fmt: skip
    opening = text.find("(")
    header = headers.get(text[:opening]) if opening > 0 else None
    if header is None:
        refuse_unlikely(text, places)
        if opening < 0:
            raise no_opening(text, places)
        header = headers[text[:opening]] = split_header(text[:opening], places)
    options: list[Option] = []
    at = opening + 1
    for found in OPTION.finditer(text, at):
        if found.start() != at:
            raise no_end(text, at, places)
        keyword, value = found.groups()
        begin, at = found.start(1), found.end()
        if value is None:
            options.append(option((keyword.lower(), None, begin, at - 1)))
        else:
            value = value.rstrip()
            if value and value[0] in '"!' and (value.count('"') != 2 or value[-1] != '"'):
                refuse_quotes(value, found.start(2), keyword, places)
            options.append(option((keyword.lower(), value, begin, found.start(2))))
    end = END.match(text, at)
    if end is None or end.end() != len(text):
        raise no_end(text, at, places)
    return RuleText(*header, tuple(options), places, text)


def split_header(text: str, places: Places) -> Header:
    """The seven words before the options, and where each begins. A list in brackets is one word, blanks included.

    Raises:
        InputError: with the place.
    """
    words, starts = words_of(text, places)
    if len(words) > 4 and words[4] not in DIRECTIONS and not any(word in DIRECTIONS for word in words):
        raise InputError(f"the header has no direction, but {words[4]!r} in its place",
                         position=places(starts[4], len(words[4])), hint="write -> or, for both ways, <>")  # fmt: skip
    if len(words) != len(WORDS) or words[4] not in DIRECTIONS:
        last = starts[-1] + len(words[-1]) - 1 if len(words) < len(WORDS) else starts[len(WORDS)] if len(words) > len(WORDS) else starts[4]  # fmt: skip
        hint = f"they are {', '.join(WORDS)}"
        if len(words) < 3 and words[0].lower() in ACTIONS:
            hint = "Snort 3 lets addresses and ports be left out; here they are written: alert tcp any any -> any any"
        if any(":" in word and '"' in word for word in words):
            hint = f"is the ( before the options missing? {hint}"
        raise InputError(f"the header has {len(words)} words, not seven" if len(words) != len(WORDS) else f"the direction must be the fifth word, not {words[4]!r}",
                         position=places(last, 1), hint=hint)  # fmt: skip
    if not text[-1].isspace():
        raise InputError("a blank is missing before the (", position=places(len(text), 1), hint=HINT)
    return (words[0], words[1], words[2], words[3], words[4], words[5], words[6]), (
        starts[0], starts[1], starts[2], starts[3], starts[4], starts[5], starts[6])  # fmt: skip


def words_of(text: str, places: Places) -> tuple[list[str], list[int]]:
    """The words of a header, and where they begin.

    Raises:
        InputError: a list that does not end.
    """
    words: list[str] = []
    starts: list[int] = []
    at, depth, opened = 0, 0, 0
    for found in re.finditer(r"\[|\]|\s+|[^\s\[\]]+", text):
        part = found.group()
        if part.isspace() and not depth:
            if found.start() > at:
                words.append(text[at : found.start()])
                starts.append(at)
            at = found.end()
        elif part == "[":
            opened = found.start() if not depth else opened
            depth += 1
        elif part == "]":
            depth -= 1
            if depth < 0:
                raise InputError("] closes no list", position=places(found.start(), 1), hint="a list is [10.0.0.0/8,192.168.0.0/16]")  # fmt: skip
    if depth:
        raise InputError("a list is not closed", position=places(opened, 1), hint="every [ needs its ]")
    if at < len(text):
        words.append(text[at:])
        starts.append(at)
    return words, starts


def refuse_unlikely(text: str, places: Places) -> None:
    """Refuses a line that is no rule, or that Suricata would pass over.

    Raises:
        InputError: with the place.
    """
    word = re.split(r"[\s(]", text.lstrip(), maxsplit=1)[0]
    if text[0].isspace():
        raise InputError("Suricata passes over a line that begins with a blank", position=places(0, len(text) - len(text.lstrip())),
                         hint="begin the rule at the start of its line, or switch it off with #")  # fmt: skip
    if word.lower() not in ACTIONS:
        guess = nearest(word.lower(), ACTIONS)
        hint = f"did you mean {guess}?" if guess else "a rule begins with alert, a comment with #"
        if word.lower() in SNORT_ACTIONS:
            hint = "it is one of Snort's: write alert, or drop"
        raise InputError(f"{word!r} is no action", position=places(0, len(word)), hint=hint)


def refuse_quotes(value: str, at: int, keyword: str, places: Places) -> None:
    """Refuses a quoted value whose quotes do not fit.

    Raises:
        InputError: with the place.
    """
    body = value[1:].lstrip() if value[0] == "!" else value
    if body[:1] != '"':
        return
    at += len(value) - len(body)
    quotes = [found.end() - 1 for found in QUOTE.finditer(body)]
    if len(quotes) < 2:
        raise InputError(f"the quote of {keyword} is not closed", position=places(at, 1),
                         hint='write "..."; a ; ends the option even within quotes: write \\; or in content |3B|')  # fmt: skip
    behind = body[quotes[1] + 1 :]
    if behind:
        shift = len(behind) - len(behind.lstrip())
        if keyword == "content" and SNORT_3.match(behind):
            raise InputError("options behind a content, as Snort 3 writes them", position=places(at + quotes[1] + 1 + shift, len(behind.strip())),
                             hint='write each as an option of its own: content:"abc"; nocase; offset:5;')  # fmt: skip
        raise InputError(f"{behind.strip()[:20]!r} stands behind the closing quote of {keyword}", position=places(at + quotes[1] + 1 + shift, 1),
                         hint='end each option with ; and write a quote within quotes as \\" or in content |22|')  # fmt: skip


def no_opening(text: str, places: Places) -> InputError:
    """A rule without its (."""
    if found := FIRST.search(text, 0, text.rfind(";") + 1):
        return InputError("the ( before the options is missing", position=places(found.start(), len(found.group())), hint=HINT)  # fmt: skip
    return InputError("the rule has no options", position=places(len(text.rstrip("\\")) - 1, 1), hint=HINT)


def no_option(text: str, at: int, places: Places) -> InputError:
    """What stands where an option should begin."""
    at += len(text[at:]) - len(text[at:].lstrip())
    if text[at] == ";":
        return InputError("an empty option", position=places(at, 1), hint="one ; ends an option: remove the other")
    return InputError("an option has no name before its :", position=places(at, 1), hint="options are keyword; or keyword:value;")  # fmt: skip


def no_end(text: str, at: int, places: Places) -> InputError:
    """What is wrong behind the last option that could be read."""
    rest = text[at:]
    begin = at + len(rest) - len(rest.lstrip())
    rest = rest.strip()
    if not rest:
        return InputError("the ) behind the options is missing", position=places(len(text) - 1, 1), hint=HINT)
    if rest == "\\":
        return InputError("the rule goes on in the next line, and there is none", position=places(begin, 1), hint="remove the backslash at its end")  # fmt: skip
    if rest[0] == ")":
        return InputError(f"{rest[1:].strip()[:20]!r} stands behind the rule's )", position=places(begin + len(rest) - len(rest[1:].lstrip()), 1),
                          hint="a rule ends with its ): put a comment on a line of its own, with # at its start")  # fmt: skip
    if rest[0] in ":;":
        return no_option(text, at, places)
    end = len(text[:begin]) + len(rest.rstrip(")").rstrip())
    return InputError(f"the option {rest.split(':')[0].strip()[:20]!r} does not end with ;", position=places(end - 1, 1),
                      hint="end each option with ;, the last one too, and the rule with )")  # fmt: skip


def glimpse(text: str) -> tuple[int, int, str]:
    """(gid, sid, msg) of a rule that may be no rule, as far as they can be made out: 1, 0 and an empty text where not."""
    text = text[:LONGEST_RULE]
    gid, sid, msg = GID.search(text), SID.search(text), MSG.search(text)
    return (
        int(gid[1][:9]) if gid else 1,
        int(sid[1][:10]) if sid else 0,
        readable(re.sub(r"\\(.)", r"\1", msg[1])) if msg else "",
    )
