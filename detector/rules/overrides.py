"""overrides.yml: what a site changes of rules it did not write, by id, with a reason and an end.

- rule: 5c2d1f0e-6f0b-4a43-9a0e-3a1c8f6f2a11
  reason: the new engineering station is not in the asset list yet
  until: 2026-12-31
  except: 'ip.src == 10.0.0.77'        # or disable: true, level: low, limit: {by: [ip.src], count: 1, every: 1h}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from detector.errors import InputError, InputErrors, nearest
from detector.protocols.fields import FIELDS
from detector.rules.compiler import SelectionCompiler
from detector.rules.document import Document, read_documents
from detector.rules.model import LEVELS, And, Limit, Not, Rule, Ruleset, Test
from detector.rules.variables import Variables

KEYS = ("rule", "reason", "until", "disable", "level", "except", "limit")
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
    where: str


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
    rule = document.text(parts["rule"][1], "rule") if "rule" in parts else ""
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
    if "until" in parts:
        try:
            until = date.fromisoformat(document.text(parts["until"][1], "until"))
        except ValueError:
            document.error(parts["until"][1], "until must be a date", "for example 2026-12-31")
    exception = None
    if "except" in parts:
        exception = SelectionCompiler(document, FIELDS, variables, {}).selection(parts["except"][1])
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
                if name not in FIELDS:
                    document.error(one, f"unknown field {name!r}", f"did you mean {nearest(name, FIELDS)}?")
    level = document.text(parts["level"][1], "level", LEVELS) if "level" in parts else ""
    disable = "disable" in parts and document.text(parts["disable"][1], "disable", ("true", "false")) == "true"
    return Override(rule, reason, until, disable, level, exception, limit, str(document.position(node)))


def apply_overrides(ruleset: Ruleset, overrides: Sequence[Override], today: date | None) -> Ruleset:
    """The ruleset with its overrides; one whose end has passed changes nothing and is a warning."""
    rules = {rule.id: rule for rule in ruleset.rules}
    warnings = list(ruleset.warnings)
    for override in overrides:
        if today is not None and override.until < today:
            warnings.append(f"{override.where}: this override ended on {override.until}: {override.reason}")
            continue
        rule = rules[override.rule]
        if override.disable:
            rule = replace(rule, inactive=f"disabled until {override.until}: {override.reason}")
        if override.level:
            rule = replace(rule, level=override.level)
        if override.exception is not None and rule.test is not None:
            rule = replace(rule, test=And((rule.test, Not(override.exception))))
        if override.limit is not None:
            rule = replace(rule, limit=override.limit)
        rules[override.rule] = rule
    return Ruleset(tuple(rules[rule.id] for rule in ruleset.rules), tuple(warnings))
