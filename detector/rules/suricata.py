"""Suricata's rules as rules of ours: what an alert says of them, how often one number may be given, thresholds of files.

A rule that is refused stops no other. Numbers are (gid, sid); of two rules with one number the one with the higher rev
counts, of equal ones the first, as in Suricata.
"""

from __future__ import annotations

import gc
import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from detector.errors import InputError, Position
from detector.rules.keywords import CompiledRule, Context, Unsupported, compile_rule
from detector.rules.model import And, Limit, Refused, Rule
from detector.rules.options import RuleText
from detector.rules.signature import Signature
from detector.rules.suricata_text import Unreadable, glimpse, read_rules, readable

NAMESPACE = uuid.UUID("3f0c8a52-9d1e-4f6b-8a7c-5e2d40b1c973").bytes
EVERY_ROW = And(())  # one for all rules without a test
MOST_MISTAKES = 10_000  # of one file: it is something else
NO_LIMIT = Limit((), 2**31, 1)
DAY = re.compile(r"([0-9]{4})[_-]([0-9]{2})[_-]([0-9]{2})")


def rule_id(gid: int, sid: int, what: str = "") -> str:
    """The id of a Suricata rule: always the same for the same numbers. what: which of several that share them."""
    text = hashlib.sha1(NAMESPACE + f"{gid}:{sid}{what}".encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(text[16], 16) & 3]  # a UUID of version 5, made 8 times as fast as by the module uuid
    return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{variant}{text[17:20]}-{text[20:32]}"


def day_of(metadata: Iterable[tuple[str, str]]) -> str:
    """The day on which a rule was written, as its metadata says; "" where it does not."""
    for name, value in metadata:
        if name == "created_at" and (found := DAY.fullmatch(value.strip())):
            try:
                return str(date(int(found[1]), int(found[2]), int(found[3])))
            except ValueError:
                return ""
    return ""


@dataclass(frozen=True)
class Loaded:
    """What came of one .rules file."""

    rules: tuple[Rule, ...] = ()
    refused: tuple[Refused, ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Texts:
    """Loaded, and of each of its rules the text that it was made of."""

    loaded: Loaded
    texts: tuple[RuleText, ...]


def load_texts(path: Path, context: Context) -> Texts:
    """The rules of a .rules file, with their texts. Raises InputError where it cannot be read, or hardly is one."""
    found = compiled(read_rules(path), context)
    return Texts(joined([found.loaded]), found.texts)


def compiled(found: Iterable[RuleText | Unreadable], context: Context) -> Texts:
    """The rules that were found in a file, or in a piece of it. Behind one mistake more than are borne the rest is not read."""
    rules: list[Rule] = []
    texts: list[RuleText] = []
    refused: list[Refused] = []
    warnings: list[str] = []
    mistakes = 0
    with no_collection():
        for text in found:  # per rule
            try:
                if isinstance(text, Unreadable):
                    raise text.error
                rule = compile_rule(text, context)
            except InputError as error:
                refused.append(refusal(error, text))
                mistakes += refused[-1].why == "mistake"
                if mistakes > MOST_MISTAKES:
                    break
                continue
            rules.append(rule_of(text, rule, context.classifications))
            texts.append(text)
            warnings += [f"{rules[-1].position}: {warning}" for warning in rule.warnings]
    return Texts(Loaded(tuple(rules), tuple(refused), tuple(warnings)), tuple(texts))


def joined(pieces: Sequence[Loaded]) -> Loaded:
    """What came of one file, of what came of its pieces.

    Raises:
        InputError: it hardly is a file of rules.
    """
    refused = tuple(one for piece in pieces for one in piece.refused)
    mistakes = [one for one in refused if one.why == "mistake"]
    if len(mistakes) > MOST_MISTAKES:
        raise InputError(f"more than {MOST_MISTAKES:,} mistakes: the rest is not read",
                         position=mistakes[MOST_MISTAKES].position, hint="is it a file of Suricata's rules?")  # fmt: skip
    rules = tuple(rule for piece in pieces for rule in piece.rules)
    return Loaded(rules, refused, tuple(one for piece in pieces for one in piece.warnings))


@contextmanager
def no_collection() -> Iterator[None]:
    """No search for garbage: among a million new objects, none of them garbage, it takes longer than making them."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def refusal(error: InputError, text: RuleText | Unreadable) -> Refused:
    """Why a rule is not loaded."""
    gid, sid, title = glimpse(text.text)
    taken_apart = text if isinstance(text, RuleText) else None
    position = error.position or (taken_apart.position(0, 1) if taken_apart else Position("", 1, 1))
    if isinstance(error, Unsupported):
        return Refused("unsupported", position, gid, sid, title, error.keyword, error.problem, error.hint)
    keyword = keyword_at(taken_apart, position) if taken_apart else ""
    return Refused("mistake", position, gid, sid, title, keyword, error.problem, error.hint)


def keyword_at(text: RuleText, position: Position) -> str:
    """The option that a place lies in, "header" where in none."""
    found = "header"
    for option in text.options:
        there = text.position(option.at, 1)
        if (there.line, there.column) > (position.line, position.column):
            break
        found = option.keyword
    return found


def rule_of(text: RuleText, compiled: CompiledRule, classifications: Mapping[str, tuple[str, int]]) -> Rule:
    """The rule of a Suricata rule."""
    signature = compiled.signature
    title = compiled.title or f"Suricata rule {signature.gid}:{signature.sid}"
    return Rule(
        id=rule_id(signature.gid, signature.sid), name="", title=title, level=compiled.level, status="stable",
        description="", references=compiled.references, author="", date=day_of(signature.metadata),
        tags=compiled.tags, falsepositives=(), table=compiled.table,
        test=compiled.test if compiled.test is not None else EVERY_ROW, correlation=None, new_value=None, message="",
        limit=NO_LIMIT, fields=compiled.fields, tests=(), position=text.position(0, len(text.header[0])),
        silent=compiled.silent, inactive=compiled.inactive, source=readable(text.text), signature=signature,
        category=classifications.get(signature.classtype, ("", 0))[0],
    )  # fmt: skip


def newest(files: Sequence[Loaded]) -> tuple[list[tuple[Rule, ...]], list[Refused]]:
    """(the rules of each file, without those whose number another one has; what was left out)."""
    kept: dict[str, Rule] = {}
    refused: list[Refused] = []
    for loaded in files:
        for rule in loaded.rules:  # per rule
            first = kept.setdefault(rule.id, rule)
            if first is rule:
                continue
            mine, other = signature_of(rule), signature_of(first)
            if mine.rev > other.rev:
                kept[rule.id] = rule
                refused.append(left_out("replaced", first, f"revision {mine.rev} of it takes its place: {rule.position}", "remove the older one"))  # fmt: skip
            else:
                what = "has the same revision" if mine.rev == other.rev else f"has revision {other.rev}, a newer one"
                refused.append(left_out("mistake", rule, f"its number is already used: {first.position} {what}", "give it a sid of its own, or a higher rev"))  # fmt: skip
    return [tuple(rule for rule in loaded.rules if kept[rule.id] is rule) for loaded in files], refused


def signature_of(rule: Rule) -> Signature:
    """What a Suricata rule has."""
    assert rule.signature is not None
    return rule.signature


def left_out(why: Any, rule: Rule, reason: str, hint: str) -> Refused:
    """A rule that another one stands in the way of."""
    signature = signature_of(rule)
    return Refused(why, rule.position, signature.gid, signature.sid, rule.title, "sid", reason, hint)
