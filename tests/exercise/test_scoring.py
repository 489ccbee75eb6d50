"""What a replay saw of a scenario: in time, so many, why not, and what nothing explains."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from detector.alerts.alert import Alert
from detector.capture import open_source
from detector.exercise.scenario import Expected, Inject, Scenario
from detector.exercise.scoring import EARLY_NS, score
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from tests.runs import SCENARIOS, alerts_of, frames_of

SECOND = 10**9
CAPTURE = SCENARIOS / "minute-attack" / "capture.pcap"
FIRST_NS = frames_of(CAPTURE)[0][0]
RULES = """\
title: Write
id: 5c2d1f0e-6f0b-4a43-9a0e-3a1c8f6f2a11
level: high
detection: {a: {modbus.func_code: 6, flow.direction: to_server, ip.src: 10.20.0.66}, condition: a}
alert: {limit: none}
---
title: Waits for a value
id: 5c2d1f0e-6f0b-4a43-9a0e-3a1c8f6f2a12
level: high
detection: {a: {ip.src: $NOBODY}, condition: a}
"""


@pytest.fixture(scope="module")
def ruleset(tmp_path_factory: pytest.TempPathFactory) -> Ruleset:
    path = tmp_path_factory.mktemp("scoring") / "rules.yml"
    path.write_text(RULES)
    return load_rules([path])


@cache
def alerts(ruleset: Ruleset) -> list[Alert]:
    """Four writes, between 29 and 59 seconds after the first packet."""
    found = alerts_of(open_source([str(CAPTURE)]), ruleset)
    assert len(found) == 4
    return found


def since_start(ruleset: Ruleset) -> list[int]:
    return [alert.time_ns - FIRST_NS for alert in alerts(ruleset)]


def scored(ruleset: Ruleset, *expected: Expected, at_ns: int = 0) -> list[tuple[bool, str]]:
    scenario = Scenario(Path("scenario.yml"), "A", {}, (), (Inject(at_ns, "step", expected),))
    return [(one.passed, one.text) for one in score(scenario, alerts(ruleset), FIRST_NS, ruleset)]


def test_expected_and_nothing_else(ruleset: Ruleset) -> None:
    assert scored(ruleset, Expected("write", 60 * SECOND, 4, 1)) == [
        (True, "step: write: expected 4 alerts, got 4"),
        (True, "silence: nothing else alerted"),
    ]
    assert scored(ruleset, Expected("write", 60 * SECOND, 0, 1))[0] == (True, "step: write: expected an alert, got 4")


def test_a_wrong_number_fails(ruleset: Ruleset) -> None:
    assert scored(ruleset, Expected("write", 60 * SECOND, 1, 1))[0] == (False, "step: write: expected an alert, got 4")
    assert scored(ruleset, Expected("write", 60 * SECOND, 5, 1))[0] == (False, "step: write: expected 5 alerts, got 4")


def test_the_time_is_from_the_inject_to_within_both_included(ruleset: Ruleset) -> None:
    """An inject's time is given in whole seconds: an alert up to a second before it is its own."""
    first = since_start(ruleset)[0]
    for within, at_ns, passed in [(first, 0, True), (first - 1, 0, False), (1, first, True), (1, first + EARLY_NS, True),
                                  (1, first + EARLY_NS + 1, False)]:  # fmt: skip
        found = scored(ruleset, Expected("write", within, 0, 1), at_ns=at_ns)
        assert found[0][0] is passed, (within, at_ns)


def test_what_nothing_explains_is_said_once_a_rule(ruleset: Ruleset) -> None:
    first, last = since_start(ruleset)[0], since_start(ruleset)[-1]
    found = scored(ruleset)
    assert found == [(False, f"unexpected: write alerted 4 times, first after {first / 1e9:.1f} s")]
    found = scored(ruleset, Expected("write", last - 1, 3, 1))
    assert found[1] == (False, f"unexpected: write alerted once after {last / 1e9:.1f} s")


def test_why_a_rule_could_not_alert(ruleset: Ruleset) -> None:
    """Not set up, or no such rule: the exercise's staff must not look for a miss in the wrong place."""
    found = scored(ruleset, Expected("waits-for-a-value", SECOND, 0, 1), Expected("wriet", SECOND, 0, 1),
                   Expected("xyzzy", SECOND, 0, 1))  # fmt: skip
    assert [text.partition(", got 0")[2] for _, text in found[:3]] == [
        ": the rule is inactive, $NOBODY is not set",
        ": no rule is called so, did you mean write?",
        ": no rule is called so",
    ]


def test_no_alert_where_none_is_expected(ruleset: Ruleset) -> None:
    scenario = Scenario(Path("scenario.yml"), "A", {}, (), ())
    assert [(one.passed, one.text) for one in score(scenario, [], 0, ruleset)] == [
        (True, "silence: nothing else alerted")
    ]
