"""What is not wrong in a rule but should be better: one small class for each, its name, consequence and remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from detector.errors import InputError
from detector.protocols.fields import FIELDS
from detector.rules.compiler import fields_of
from detector.rules.model import Literal_, Membership, Rule, Ruleset, Test


def is_imported(rule: Rule) -> bool:
    """Whether a rule was written for Suricata, which has no place for tests, messages and false positives."""
    return rule.signature is not None and rule.signature.sid > 0


class Check:
    """One kind of finding. `consequence` says what comes of it, `remedy` what to do."""

    consequence: str
    remedy: str

    def found(self, rule: Rule) -> bool:
        """Whether a rule has it."""
        raise NotImplementedError


class NoTests(Check):
    """A rule nobody has tried."""

    consequence, remedy = "nobody knows whether it matches", "add tests: with packets and alerts: 1"

    def found(self, rule: Rule) -> bool:
        """No test at all."""
        return not rule.tests and not rule.silent and not is_imported(rule)


class NoPositiveTest(Check):
    """Tests that expect nothing only."""

    consequence, remedy = "a rule that never matches would pass its tests", "add a test with alerts: 1"

    def found(self, rule: Rule) -> bool:
        """No test with an alert."""
        return bool(rule.tests) and not any(test.alerts for test in rule.tests)


class NoNegativeTest(Check):
    """Tests that expect alerts only."""

    consequence, remedy = "a rule that always matches would pass its tests", "add a test with alerts: 0"

    def found(self, rule: Rule) -> bool:
        """No test without an alert."""
        return bool(rule.tests) and all(test.alerts for test in rule.tests)


class NoFalsePositives(Check):
    """A rule that does not say whom it alerts about wrongly."""

    consequence, remedy = "whoever gets the alert cannot judge it", "add falsepositives: [...]"

    def found(self, rule: Rule) -> bool:
        """No falsepositives."""
        return not rule.falsepositives and not rule.silent and not is_imported(rule)


class NoMessage(Check):
    """Alerts that show the title only."""

    consequence, remedy = "alerts do not say which stations are meant", 'add alert: {message: "{ip.src} ..."}'

    def found(self, rule: Rule) -> bool:
        """No message."""
        return not rule.message and not rule.silent and not is_imported(rule)


class Deprecated(Check):
    """A rule that should no longer be used."""

    consequence, remedy = "it still runs", "remove it, or disable it in overrides.yml"

    def found(self, rule: Rule) -> bool:
        """status: deprecated."""
        return rule.status in ("deprecated", "unsupported")


class TooBroad(Check):
    """A rule that asks for protocols only."""

    consequence, remedy = "it matches every packet of them", "name a field and its value in a selection"

    def found(self, rule: Rule) -> bool:
        """No field but protocols' names in the test of a rule that alerts on each match."""
        if rule.test is None or rule.correlation is not None or rule.new_value is not None or rule.silent:
            return False
        if rule.signature is not None:
            return False
        return all(FIELDS[name].kind == "protocol" for name in fields_of(rule.test))


class EmptyRange(Check):
    """A set whose range ends before it begins."""

    consequence, remedy = "it never matches", "write the smaller number first"

    def found(self, rule: Rule) -> bool:
        """A range (low, high) with low above high."""
        return rule.test is not None and any(
            isinstance(entry, tuple) and ends_of(entry[0])[0] > ends_of(entry[1])[1]
            for one in memberships(rule.test)
            for entry in one.entries
        )


CHECKS: tuple[Check, ...] = (
    EmptyRange(),
    TooBroad(),
    NoTests(),
    NoPositiveTest(),
    NoNegativeTest(),
    NoMessage(),
    NoFalsePositives(),
    Deprecated(),
)


def ends_of(value: Literal_) -> tuple[Any, Any]:
    """First and last of a network, or the value twice."""
    return value.value if isinstance(value.value, tuple) else (value.value, value.value)


def memberships(test: Test) -> Iterator[Membership]:
    """Every membership in a tree of tests."""
    if isinstance(test, Membership):
        yield test
    for part in getattr(test, "tests", ()) or ([test.test] if hasattr(test, "test") else []):
        yield from memberships(part)


def lint_rules(ruleset: Ruleset) -> Iterator[InputError]:
    """A warning for each finding, in the order of the rules."""
    for rule in ruleset.rules:
        for check in CHECKS:
            if check.found(rule):
                what = (type(check).__doc__ or "").rstrip(".")
                yield InputError(
                    f"{rule.title}: {what}: {check.consequence}", position=rule.position, hint=check.remedy
                )
