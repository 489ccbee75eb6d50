"""What a replay of a scenario saw of it: expected alerts that came in time, and alerts that nothing explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from detector.alerts.alert import Alert
from detector.exercise.scenario import Expected, Inject, Scenario, slug

EARLY_NS = 1_000_000_000  # an inject's time is given in whole seconds


@dataclass(frozen=True)
class Score:
    """One expectation: how many alerts came in its time; or, without `expected`, an alert that nothing explains."""

    text: str
    passed: bool
    line: int


def score(scenario: Scenario, alerts: Sequence[Alert], first_ns: int) -> list[Score]:
    """A Score for each expectation, then one for each rule that alerted outside them, or for the silence beside them."""
    scores, explained = [], set()
    for inject in scenario.injects:
        for expected in inject.expect:
            found = [alert for alert in alerts if is_due(alert, inject, expected, first_ns)]
            explained |= {id(alert) for alert in found}
            passed = len(found) == expected.alerts if expected.alerts else bool(found)
            wanted = f"{expected.alerts} alerts" if expected.alerts else "an alert"
            scores.append(
                Score(f"{inject.name}: {expected.rule}: expected {wanted}, got {len(found)}", passed, expected.line)
            )
    others = [alert for alert in alerts if id(alert) not in explained]
    for title in dict.fromkeys(alert.rule.title for alert in others):
        count = sum(alert.rule.title == title for alert in others)
        at = next((alert.time_ns - first_ns) / 1e9 for alert in others if alert.rule.title == title)
        scores.append(Score(f"unexpected: {slug(title)} alerted {count} times, first after {at:.1f} s", False, 1))
    return scores if others else [*scores, Score("silence: nothing else alerted", True, 1)]


def is_due(alert: Alert, inject: Inject, expected: Expected, first_ns: int) -> bool:
    """Whether an alert is what an inject expects, in its time."""
    since = alert.time_ns - first_ns - inject.at_ns
    return slug(alert.rule.title) == expected.rule and -EARLY_NS <= since <= expected.within_ns
