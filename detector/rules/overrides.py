"""overrides.yml: what a site changes of rules it did not write, by id, with a reason and an end.

- rule: 5c2d1f0e-6f0b-4a43-9a0e-3a1c8f6f2a11
  reason: the new engineering station is not in the asset list yet
  until: 2026-12-31
  except: 'ip.src == 10.0.0.77'        # or disable: true, level: low, limit: {by: [ip.src], count: 1, every: 1h}
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from detector.errors import InputError, InputErrors, Position, nearest
from detector.protocols.fields import FIELDS
from detector.rules.compiler import SelectionCompiler, refuse_foreign
from detector.rules.document import Document, read_documents
from detector.rules.model import LEVELS, And, Limit, Not, Rule, Ruleset, Test
from detector.rules.suricata import rule_id
from detector.rules.variables import Variables

KEYS = ("rule", "reason", "until", "disable", "level", "except", "limit")
NUMBERS = re.compile(r"([0-9]{1,10}):([0-9]{1,10})")
CHANGES = ("disable", "level", "except", "limit")


@dataclass(frozen=True)
class Override:
    """One change of one rule."""

    rule: str
    reason: str
    until: date
    disable: bool
    level: str
    exception: Test | None
    limit: Limit | None
    position: Position
    missing: tuple[str, ...] = ()  # variables that its exception needs and that are not set

    def is_over(self, today: date | None) -> bool:
        """Whether its last day has passed."""
        return today is not None and self.until < today

    def changes(self) -> list[str]:
        """What it sets of a rule, of which there can be one value only."""
        found = {"disable": self.disable, "level": self.level, "limit": self.limit is not None}
        return [name for name, is_set in found.items() if is_set]


def read_overrides(
    path: Path, rules: Mapping[str, Rule], variables: Variables, errors: list[InputError]
) -> list[Override]:
    """The overrides of a file; mistakes are added to errors."""
    try:
        document, nodes = read_documents(path)
    except InputErrors as found:
        errors += found.errors
        return []
    except InputError as error:
        errors.append(error)
        return []
    found_overrides = []
    for node in nodes:
        entries = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found_overrides += [read_one(document, entry, rules, variables) for entry in entries]
    errors += document.errors
    return found_overrides


def read_one(document: Document, node: Any, rules: Mapping[str, Rule], variables: Variables) -> Override:
    """One entry."""
    parts = document.mapping(node, "an override", KEYS, ("rule", "reason", "until"))
    rule = canonical(document.text(parts["rule"][1], "rule")) if "rule" in parts else ""
    names: dict[str, Any] = {}
    if rule and rule not in rules:
        guess = nearest(rule, rules)
        document.error(
            parts["rule"][1],
            f"no rule has the id {rule!r}",
            f"did you mean {guess}?" if guess else "ids are in the rules' files",
        )
    if parts and not any(change in parts for change in CHANGES):
        document.error(node, "the override changes nothing", f"add one of {', '.join(CHANGES)}")
    reason = document.text(parts["reason"][1], "reason") if "reason" in parts else ""
    until = date.max
    if "until" in parts and (text := document.text(parts["until"][1], "until")):
        try:
            until = date.fromisoformat(text)
        except ValueError:
            document.error(parts["until"][1], "until must be a date", "for example 2026-12-31")
    exception = None
    variables.missing.clear()
    if "except" in parts:
        exception = SelectionCompiler(document, FIELDS, variables, names).selection(parts["except"][1])
    limit = None
    if "limit" in parts:
        inner = document.mapping(parts["limit"][1], "limit", ("by", "count", "every"), ("by", "count", "every"))
        if len(inner) == 3:
            limit = Limit(document.texts(inner["by"][1], "by"), document.number(inner["count"][1], "count", 1),
                          document.span(inner["every"][1], "every"))  # fmt: skip
            for name, one in zip(
                limit.by,
                inner["by"][1].value if isinstance(inner["by"][1], yaml.SequenceNode) else [inner["by"][1]],
                strict=True,
            ):
                if name in FIELDS:
                    names.setdefault(name, one)
                elif name:
                    guess = nearest(name, FIELDS)
                    hint = f"did you mean {guess}?" if guess else "all fields: detector fields"
                    document.error(one, f"unknown field {name!r}", hint)
    level = document.text(parts["level"][1], "level", LEVELS) if "level" in parts else ""
    disable = "disable" in parts and document.text(parts["disable"][1], "disable", ("true", "false")) == "true"
    if rule in rules:
        refuse_foreign(document, names, rules[rule].table)
    missing = tuple(sorted(variables.missing))
    return Override(rule, reason, until, disable, level, exception, limit, document.position(node), missing)


def canonical(text: str) -> str:
    """An id as rules are known by it: UUIDs are written in several ways, and a Suricata rule is named by 1:2000001."""
    if found := NUMBERS.fullmatch(text):
        return rule_id(int(found[1]), int(found[2]))
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return text


def refuse_contradictions(overrides: Sequence[Override], today: date | None, errors: list[InputError]) -> None:
    """Notes overrides that set what another one in force has set of the same rule; several exceptions are no mistake."""
    seen: dict[tuple[str, str], Override] = {}
    for override in overrides:
        for change in override.changes() if override.rule and not override.is_over(today) else []:
            first = seen.setdefault((override.rule, change), override)
            if first is not override:
                errors.append(InputError(f"{change} of this rule is already set by {first.position}",
                                         position=override.position, hint="keep one of them"))  # fmt: skip


def apply_overrides(ruleset: Ruleset, overrides: Sequence[Override], today: date | None) -> Ruleset:
    """The ruleset with its overrides; one whose end has passed changes nothing and is a warning."""
    rules = {rule.id: rule for rule in ruleset.rules}
    warnings = list(ruleset.warnings)
    for override in overrides:
        if override.is_over(today):
            warnings.append(f"{override.position}: this override ended on {override.until}: {override.reason}")
            continue
        for name in override.missing:
            warnings.append(
                f"{override.position}: this exception excepts nothing, ${name} is not set: {override.reason}"
            )
        rule = rules[override.rule]
        if override.disable:
            rule = replace(rule, inactive=f"disabled until {override.until}: {override.reason}")
        if override.level:
            rule = replace(rule, level=override.level)
        if override.exception is not None and not override.missing:
            tests = (Not(override.exception),) if rule.test is None else (rule.test, Not(override.exception))
            rule = replace(rule, test=And(tests))
        if override.limit is not None:
            rule = replace(rule, limit=override.limit)
        rules[override.rule] = rule
    return replace(ruleset, rules=tuple(rules[rule.id] for rule in ruleset.rules), warnings=tuple(warnings))
