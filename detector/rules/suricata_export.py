"""Suricata's rules written as YAML that gives the same alerts: `detector import suricata`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from detector.rules.model import Rule
from detector.rules.options import Option, RuleText
from detector.rules.payload import BUFFERS, QUOTED, SURICATA_KEYS
from detector.rules.suricata_text import readable

MODIFIERS = ("nocase", "offset", "depth", "distance", "within", "startswith", "endswith", "fast_pattern", "rawbytes")
STEPS = (*QUOTED, *BUFFERS, "byte_test", "byte_jump", "byte_extract", "byte_math", "isdataat", "bsize", "base64_decode",
         "base64_data", "dataset")  # fmt: skip
PLAIN = re.compile(r"[A-Za-z0-9_$/][\w$/.,:+-]*(?: [\w$/.(+-][\w$/.,()+-]*)*")
WORDS = frozenset(["true", "false", "yes", "no", "on", "off", "null", "y", "n"])
UNWRITABLE = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]+")


@dataclass
class Entry:
    """One entry of payload: its keyword first, then modifiers."""

    pairs: list[tuple[str, str | None]] = field(default_factory=list)


def yaml_of(text: RuleText, rule: Rule) -> str:
    """One YAML document for a rule. rule: what the text was compiled to."""
    lines = [
        f"# {rule.position.path.rpartition('/')[2]}, line {rule.position.line}",
        f"title: {scalar(rule.title)}",
        f"id: {rule.id}",
    ]
    lines += [f"status: {rule.status}", f"level: {rule.level}"]
    lines += [f"date: {rule.date}"] if rule.date else []
    lines += listed("references", rule.references) + listed("tags", rule.tags)
    lines += ["suricata:", *(f"  {line}" for line in numbers(text))]
    lines.append(f"traffic: {scalar(' '.join(text.header[1:]))}")
    conditions, payload = parted(text.options)
    if conditions:
        lines += ["conditions:", *(f"  - {pair(*one)}" for one in conditions)]
    if payload:
        lines += ["payload:", *(line for entry in payload for line in entry_lines(entry))]
    lines.append("alert: {limit: none}")
    return "\n".join(lines) + "\n"


def numbers(text: RuleText) -> Iterator[str]:
    """The lines of suricata:, in the order of its keys."""
    given: dict[str, list[str]] = {}
    for option in text.options:
        given.setdefault(option.keyword, []).append(option.value or "")
    for name in SURICATA_KEYS:
        if name == "action":
            if text.header[0].lower() != "alert":
                yield f"action: {text.header[0]}"
        elif name == "metadata" and name in given:
            parts = [part.strip() for value in given[name] for part in value.split(",") if part.strip()]
            yield from listed(name, [readable(part) for part in parts])
        elif name in given:
            yield f"{name}: {scalar(readable(given[name][-1]))}"


def parted(options: Sequence[Option]) -> tuple[list[tuple[str, str | None]], list[Entry]]:
    """(conditions, the entries of payload)."""
    conditions: list[tuple[str, str | None]] = []
    payload: list[Entry] = []
    last: Entry | None = None  # the content that modifiers belong to
    for option in options:
        keyword, value = option.keyword, option.value
        if keyword in MODIFIERS and last is not None:
            last.pairs.append((keyword, value))
        elif keyword in BUFFERS:
            payload.append(Entry([("buffer", keyword)]))
        elif keyword in QUOTED and value:
            is_negated = value[0] == "!"
            body = (value[1:].lstrip() if is_negated else value)[1:-1]
            entry = Entry([(keyword, writable(body, keyword))])
            entry.pairs += [("negated", None)] if is_negated else []
            payload.append(entry)
            last = entry if keyword == "content" else last
        elif keyword in STEPS or keyword in MODIFIERS:
            payload.append(Entry([(keyword, value)]))
        elif keyword not in SURICATA_KEYS and keyword not in ("msg", "reference"):
            conditions.append((keyword, value))
    return conditions, payload


def writable(text: str, keyword: str) -> str:
    """A pattern without the bytes that YAML cannot hold as they are."""
    if keyword == "content":
        return UNWRITABLE.sub(lambda found: f"|{found[0].encode('utf-8', 'surrogateescape').hex(' ')}|", text)
    return UNWRITABLE.sub(
        lambda found: "".join(f"\\x{byte:02x}" for byte in found[0].encode("utf-8", "surrogateescape")), text
    )


def entry_lines(entry: Entry) -> Iterator[str]:
    """An entry of payload: its keyword and each modifier on a line."""
    if len(entry.pairs) == 1 and entry.pairs[0][1] is None:
        yield f"  - {entry.pairs[0][0]}"
        return
    for place, (name, value) in enumerate(entry.pairs):
        yield f"  {'-' if not place else ' '} {name}: {'true' if value is None else scalar(value)}"


def pair(name: str, value: str | None) -> str:
    """A condition."""
    return name if value is None else f"{name}: {scalar(value)}"


def listed(name: str, values: Sequence[str]) -> list[str]:
    """A list of texts."""
    return [f"{name}:", *(f"  - {scalar(value)}" for value in values)] if values else []


def scalar(text: str) -> str:
    """A text as YAML: plain where it can be, in quotes where it must."""
    text = readable(text)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS and not text.endswith(":") and ": " not in text:
        return text
    if UNWRITABLE.search(text):
        return json.dumps(text)
    return "'" + text.replace("'", "''") + "'"
