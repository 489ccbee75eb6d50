"""What lint warns of: each finding in a rule that has it, and in none that has not."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.rules.lint import CHECKS, lint_rules
from tests.rules.written import loaded, rule
from tests.runs import shipped_rules

TESTS = "tests: [{packets: IP(), alerts: 1}, {packets: IP(), alerts: 0}]\n"
GOOD = rule(
    "detection: {a: {ip.ttl: 1}, condition: a}\nalert: {message: '{ip.src}'}\nfalsepositives: [nobody]\n" + TESTS
)


def findings(folder: Path, text: str) -> list[str]:
    found = list(lint_rules(loaded(folder, text)))
    assert all(one.position is not None and one.hint for one in found)
    return [one.problem.removeprefix("A rule: ") for one in found]


def test_a_good_rule_has_no_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (TESTS, "", "A rule nobody has tried: nobody knows whether it matches"),
        ("alerts: 1", "alerts: 0", "Tests that expect nothing only: a rule that never matches would pass its tests"),
        ("alerts: 0", "alerts: 2", "Tests that expect alerts only: a rule that always matches would pass its tests"),
        ("falsepositives: [nobody]\n", "", "A rule that does not say whom it alerts about wrongly: whoever gets the alert cannot judge it"),
        ("alert: {message: '{ip.src}'}\n", "", "Alerts that show the title only: alerts do not say which stations are meant"),
        ("level: low\n", "level: low\nstatus: deprecated\n", "A rule that should no longer be used: it still runs"),
        ("level: low\n", "level: low\nstatus: unsupported\n", "A rule that should no longer be used: it still runs"),
        ("{ip.ttl: 1}", "'ip.ttl in {9..5}'", "A set whose range ends before it begins: it never matches"),
        ("{ip.ttl: 1}", "'not (tcp and ip.src in {10.0.0.9..10.0.0.1})'", "A set whose range ends before it begins: it never matches"),
        ("{ip.ttl: 1}", "'tcp xor ip.ttl in {1, 9..5}'", "A set whose range ends before it begins: it never matches"),
        ("{ip.ttl: 1}", "'ip.src in {10.0.0.0/8..10.0.0.9}'", ""),  # from the first address of the network on
        ("{ip.ttl: 1}", "'ip.src in {11.0.0.0/8..10.0.0.0/8}'", "A set whose range ends before it begins: it never matches"),
        ("{ip.ttl: 1}", "'ip.ttl in {5..5}'", ""),
        ("{ip.ttl: 1}", "{tcp: true}", "A rule that asks for protocols only: it matches every packet of them"),
        ("{ip.ttl: 1}", "'tcp and not modbus'", "A rule that asks for protocols only: it matches every packet of them"),
        ("{ip.ttl: 1}", "'tcp and ip.ttl == 1'", ""),
        ("{ip.ttl: 1}", "{vlan.id|exists: true}", ""),
    ],
)  # fmt: skip
def test_each_finding(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in GOOD
    assert findings(tmp_path, GOOD.replace(old, new)) == ([said] if said else [])


def test_rules_that_only_feed_correlations_need_no_words_for_people(tmp_path: Path) -> None:
    silent = rule("generate: false\ndetection: {a: {ip.ttl: 1}, condition: a}")
    assert findings(tmp_path, silent) == []


def test_each_kind_of_finding_says_what_comes_of_it_and_what_to_do() -> None:
    assert all(check.consequence and check.remedy and type(check).__doc__ for check in CHECKS)


def test_the_shipped_rules_have_none() -> None:
    assert [str(one) for one in lint_rules(shipped_rules())] == []
