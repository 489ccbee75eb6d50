"""What a replay of a scenario saw of it: expected alerts that came in time, and alerts that nothing explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detector.alerts.alert import Alert
from detector.errors import nearest
from detector.exercise.scenario import Expected, Inject, Scenario, slug
from detector.rules.model import Rule, Ruleset

EARLY_NS = 1_000_000_000  # an inject's time is given in whole seconds


@dataclass(frozen=True)
class Score:
    """One expectation: how many alerts came in its time; or, without `expected`, an alert that nothing explains."""

    text: str
    passed: bool
    line: int


def score(scenario: Scenario, alerts: Sequence[Alert], first_ns: int, ruleset: Ruleset) -> list[Score]:
    """A Score for each expectation, then one for each rule that alerted outside them, or for the silence beside them.

    first_ns: time of the capture's first packet. ruleset: what the alerts are of; an expected rule that is not in it, or
    not active, is said.
    """
    rules = {slug(rule.title): rule for rule in ruleset.rules}
    scores, explained = [], set()
    for inject in scenario.injects:
        for expected in inject.expect:
            found = [alert for alert in alerts if is_due(alert, inject, expected, first_ns)]
            explained |= {id(alert) for alert in found}
            passed = len(found) == expected.alerts if expected.alerts else bool(found)
            wanted = "an alert" if expected.alerts < 2 else f"{expected.alerts} alerts"
            text = f"{inject.name}: {expected.rule}: expected {wanted}, got {len(found)}"
            scores.append(Score(text + ("" if passed else why_not(expected.rule, rules)), passed, expected.line))
    others = [alert for alert in alerts if id(alert) not in explained]
    for title in dict.fromkeys(alert.rule.title for alert in others):
        count = sum(alert.rule.title == title for alert in others)
        at = next((alert.time_ns - first_ns) / 1e9 for alert in others if alert.rule.title == title)
        times = "once" if count == 1 else f"{count} times, first"
        scores.append(Score(f"unexpected: {slug(title)} alerted {times} after {at:.1f} s", False, 1))
    return scores if others else [*scores, Score("silence: nothing else alerted", True, 1)]


def why_not(name: str, rules: Mapping[str, Rule]) -> str:
    """What kept a rule from alerting, where that is known."""
    if name in rules:
        return f": the rule is inactive, {rules[name].inactive}" if rules[name].inactive else ""
    guess = nearest(name, rules)
    return ": no rule is called so" + (f", did you mean {guess}?" if guess else "")


def is_due(alert: Alert, inject: Inject, expected: Expected, first_ns: int) -> bool:
    """Whether an alert is what an inject expects, in its time."""
    since = alert.time_ns - first_ns - inject.at_ns
    return slug(alert.rule.title) == expected.rule and -EARLY_NS <= since <= expected.within_ns
