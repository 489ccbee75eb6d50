"""YAML's payload rules, `traffic:`, `conditions:` and `payload:`, to the options that a Suricata rule would have.

Each keyword is spelled as Suricata spells it. A rule's YAML is written out as one Suricata rule, option by option, and
what is said about a place in that text is said about the YAML it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import yaml

from detector.errors import InputError, Position
from detector.rules.document import Document
from detector.rules.keywords import Context, compile_rule
from detector.rules.model import And, Test
from detector.rules.options import Option, RuleText
from detector.rules.signature import IN_PAYLOAD, Buffer, Signature
from detector.rules.suricata_text import LONGEST_RULE, Places, split_header

KEYS = ("traffic", "conditions", "payload", "suricata")
SURICATA_KEYS = ("sid", "gid", "rev", "classtype", "priority", "metadata", "action")
SAID_ELSEWHERE = {"msg": "title", "reference": "references", "content": "payload", "pcre": "payload", **dict.fromkeys(SURICATA_KEYS, "suricata")}  # fmt: skip
QUOTED = ("content", "pcre")  # their value stands in quotes, and a ! before those negates it
BUFFERS = (*(buffer.label for buffer in Buffer if buffer not in IN_PAYLOAD), "dnp3_data", "pkt_data")
LONGEST = 2 * LONGEST_RULE  # what was imported is written with more blanks here
OWN_SID = "1"  # Suricata's rules must have one; a rule of ours without suricata: has none


@dataclass(frozen=True)
class Payload:
    """What the keys mean. key: the first of them, for mistakes."""

    key: str
    signature: Signature
    test: Test | None
    fields: tuple[str, ...]
    inactive: str
    category: str
    source: str
    is_silent: bool
    table: str


class Writer:
    """The Suricata rule that a YAML rule is, and which part of it came from which node."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.text = ""
        self.options: list[Option] = []
        self.parts: list[tuple[int, int, Any]] = []  # (first character, where the node's own text begins, the node)

    def write(self, text: str, node: Any, shift: int = 0) -> int:
        """Adds text that came from a node, whose own text begins `shift` characters on; where it begins."""
        at = len(self.text)
        self.parts.append((at, at + shift, node))
        self.text += text
        return at

    def option(self, keyword: str, value: str | None, key: Any, node: Any, shift: int = 0) -> None:
        """Adds keyword:value;"""
        self.text += " " if self.options else "("
        at = self.write(keyword, key)
        if value is None:
            self.options.append(Option(keyword.lower(), None, at, len(self.text)))
        else:
            self.text += ":"
            self.options.append(Option(keyword.lower(), value, at, self.write(value, node, shift)))
        self.text += ";"

    def position(self, at: int, length: int) -> Position:
        """Where some characters of the Suricata rule came from."""
        _, begin, node = next(part for part in reversed(self.parts) if part[0] <= at or part is self.parts[0])
        if isinstance(node, yaml.ScalarNode) and str(node.value):
            offset = max(0, min(at - begin, len(str(node.value)) - 1))
            length = min(length, len(str(node.value)) - offset)
            return self.document.place(node).position(offset, length, str(node.value))
        return self.document.position(node)


def read_payload(document: Document, keys: Mapping[str, tuple[Any, Any]], context: Context) -> Payload | None:
    """What a rule's keys mean; None where it has none of them. Mistakes are noted in the document."""
    key = next((one for one in KEYS if one in keys), "")
    if not key:
        return None
    before = len(document.errors)
    if "traffic" not in keys:
        document.error(keys[key][0], f"{key} needs traffic", "for example traffic: tcp any any -> $HOME_NET 502")
        return None
    text = rule_text(document, keys)
    if text is None or len(document.errors) > before:
        return None
    try:
        compiled = compile_rule(text, context)
    except InputError as error:
        position = error.position or document.position(keys[key][0])
        document.errors.append(InputError(error.problem, position=position, hint=error.hint))
        return None
    signature = compiled.signature if "suricata" in keys else replace(compiled.signature, sid=0)
    category = context.classifications.get(signature.classtype, ("", 0))[0]
    return Payload(key, signature, compiled.test, compiled.fields, compiled.inactive, category, text.text, compiled.silent, compiled.table)  # fmt: skip


def rule_text(document: Document, keys: Mapping[str, tuple[Any, Any]]) -> RuleText | None:
    """The rule as Suricata would have it."""
    writer = Writer(document)
    numbers: dict[str, tuple[Any, Any]] = {}
    if "suricata" in keys:
        numbers = document.mapping(keys["suricata"][1], "suricata", SURICATA_KEYS, ("sid",))
    action = document.text(numbers["action"][1], "action") if "action" in numbers else "alert"
    node = keys["traffic"][1]
    traffic = document.text(node, "traffic")
    if not traffic:
        return None
    writer.write(f"{action} ", numbers["action"][1] if "action" in numbers else keys["traffic"][0])
    writer.write(f"{traffic.strip()} ", node)
    places = Places(document.path, ((0, 1, writer.text),))  # the words' places are asked of the writer
    try:
        words, starts = split_header(writer.text, places)
    except InputError as error:
        at = error.position.column - 1 if error.position else 0
        hint = "for example traffic: tcp $EXTERNAL_NET any -> $HOME_NET 502"
        document.errors.append(InputError(error.problem, position=writer.position(at, 1), hint=hint))
        return None
    for name in ("conditions", "payload"):
        if name in keys:
            listed = keys[name][1]
            if not isinstance(listed, yaml.SequenceNode):
                document.error(listed, f"{name} must be a list", "each entry is - keyword: value")
                continue
            for entry in listed.value:
                (condition if name == "conditions" else step)(document, writer, entry)
    if "suricata" not in keys:
        writer.option("sid", OWN_SID, keys["traffic"][0], keys["traffic"][0])
    for name, (key, value) in numbers.items():
        if name == "metadata":
            writer.option(name, ", ".join(document.texts(value, name)), key, value)
        elif name != "action":
            writer.option(name, document.text(value, name), key, value)
    writer.text += ")"
    if len(writer.text) > LONGEST:
        at = keys.get("payload", keys["traffic"])[0]
        document.error(at, f"the rule is longer than {LONGEST:,} characters", "make several rules of it")
        return None
    return RuleText(words, starts, tuple(writer.options), writer.position, writer.text)


def condition(document: Document, writer: Writer, entry: Any) -> None:
    """One entry of conditions: a keyword alone, or keyword: value."""
    if isinstance(entry, yaml.ScalarNode):
        name, value = document.text(entry, "a condition"), None
        key = node = entry
    else:
        parts = document.mapping(entry, "a condition")
        if len(parts) != 1:
            if parts:
                document.error(entry, "a condition has one keyword", "begin each with - on a line of its own")
            return
        ((name, (key, node)),) = parts.items()
        value = document.text(node, name)
    if elsewhere := SAID_ELSEWHERE.get(name):
        document.error(key, f"{name} is no condition", f"it is said by {elsewhere}:")
    elif name and value != "":
        writer.option(name, value, key, node)


def step(document: Document, writer: Writer, entry: Any) -> None:
    """One entry of payload: a buffer, or a keyword with its modifiers."""
    if isinstance(entry, yaml.ScalarNode):
        name = document.text(entry, "a step")
        if name in BUFFERS:
            document.error(entry, f"{name} is a buffer", f"write - buffer: {name}")
        elif name:
            writer.option(name, None, entry, entry)
        return
    parts = document.mapping(entry, "a step")
    negated = (
        document.text(parts["negated"][1], "negated", ("true", "false")) == "true" if "negated" in parts else False
    )
    for place, (name, (key, node)) in enumerate(parts.items()):
        if name == "negated":
            if next(iter(parts)) not in QUOTED:
                document.error(key, "negated belongs to content and pcre", "other keywords have ! within their value")
            continue
        value = document.text(node, name)
        if not value:
            continue
        if name == "buffer":
            writer.option(value, None, node, node)
        elif name in QUOTED and not place:
            sign = '!"' if negated else '"'
            writer.option(name, f'{sign}{value}"', key, node, len(sign))
        elif place and value in ("true", "false") and node.tag == "tag:yaml.org,2002:bool":
            if value == "true":
                writer.option(name, None, key, node)
        else:
            writer.option(name, value, key, node)


def together(first: Test | None, second: Test | None) -> Test:
    """Both tests; a rule of traffic alone has none, and looks at all of it."""
    tests = tuple(test for test in (first, second) if test is not None)
    return tests[0] if len(tests) == 1 else And(tests)
