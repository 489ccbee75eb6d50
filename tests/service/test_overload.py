"""Under overload rules go in the written order and come back one by one: decided by what is handed in alone."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest

from detector.rules.model import Correlation, Rule
from detector.service.overload import COST_SECONDS, SECOND, Change, Load, Overload, OverloadSettings
from tests.runs import shipped_rules

TEMPLATE = next(rule for rule in shipped_rules().rules if rule.correlation is None)
CALM, BUSY = Load(), Load(lag_seconds=3.0)
SETTINGS = OverloadSettings(after=2 * SECOND, recover=10 * SECOND)


def rule(id_: str, level: str = "high", feeds_on: tuple[str, ...] = ()) -> Rule:
    correlation = Correlation("event_count", feeds_on, (), SECOND, {"gte": 2}) if feeds_on else None
    return replace(TEMPLATE, id=id_, title=f"rule {id_}", level=level, correlation=correlation)


def costs_of(text: str) -> dict[str, float]:
    """a=5 b=1"""
    return {word.split("=")[0]: float(word.split("=")[1]) for word in text.split()}


def observed(
    overload: Overload, seconds: range, load: Load, costs: Mapping[str, float] | None = None
) -> list[tuple[int, Change]]:
    """What is decided, second by second; each second a rule costs as much again."""
    spent = [(second, {rule: cost * (second + 1) for rule, cost in (costs or {}).items()}) for second in seconds]
    found = [(second, overload.observe(float(second), load, costs)) for second, costs in spent]
    return [(second, change) for second, change in found if change is not None]


@pytest.mark.parametrize(("rules", "costs", "steps"), [
    # Costliest first, until a quarter is saved.
    ([rule("a"), rule("b"), rule("c"), rule("d")], "a=1 b=6 c=2 d=1", ["b", "c", "a", "d"]),
    ([rule(id_) for id_ in "abcdefgh"], "a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1", ["a b", "c d", "e", "f", "g", "h"]),
    # Critical ones last, however much they cost.
    ([rule("a", "critical"), rule("b"), rule("c", "critical"), rule("d", "low")], "a=90 b=2 c=1 d=1", ["b", "d", "a", "c"]),
    # What belongs together goes together: correlations, their bases, other correlations of these.
    ([rule("a"), rule("b", feeds_on=("a",)), rule("c"), rule("d", feeds_on=("a", "e")), rule("e"), rule("f")],
     "a=1 b=1 c=5 d=1 e=3 f=4", ["a b d e", "c", "f"]),
    # A critical correlation keeps what feeds it.
    ([rule("a", "low"), rule("b", "critical", feeds_on=("a",)), rule("c", "low")], "a=9 b=1 c=1", ["c", "a b"]),
    # Nothing was measured: rules count alike, in the order of their ids.
    ([rule(id_) for id_ in "ba"], "", ["a", "b"]),
])  # fmt: skip
def test_the_written_order(rules: list[Rule], costs: str, steps: list[str]) -> None:
    """Each step when overload has lasted for 2 seconds again; back in the reverse order, group by group."""
    overload = Overload(SETTINGS, rules)
    went = observed(overload, range(100), BUSY, costs_of(costs))
    assert [" ".join(sorted(change.shed)) for _, change in went] == steps
    assert [second for second, _ in went] == [2 * number for number in range(1, len(steps) + 1)]
    assert [change.level for _, change in went] == [*range(1, len(steps) + 1)]
    assert overload.shed == {rule.id for rule in rules} and overload.level == len(steps)
    came = observed(overload, range(100, 400), CALM, costs_of(costs))
    order = [rule for _, change in went for rule in change.shed]
    back = [group for _, change in came for group in reversed(change.taken_back)]
    assert set(back) == set(order) and len(came) == len(overload._groups)
    if not any(rule.correlation for rule in rules):
        assert back == order[::-1]
    assert [later - earlier for (earlier, _), (later, _) in pairwise(came)] == [10] * (len(came) - 1)
    assert overload.shed == frozenset() and overload.level == 0


@pytest.mark.parametrize(("load", "sign"), [
    (Load(lag_seconds=2.1), "packets are judged 2.1 s late"),
    (Load(fill=0.8), "ring 80% full"),
])  # fmt: skip
def test_signs(load: Load, sign: str) -> None:
    overload = Overload(SETTINGS, [rule("a")])
    ((_, change),) = observed(overload, range(5), load, {"a": 1.0})
    assert change.lines == (
        f"overloaded for 2 s ({sign}): level 1, rules off: 1",
        "rule off: rule a (a, high), 100% of the time of rules",
    )


def test_drops_are_a_sign_while_they_go_on() -> None:
    """What was dropped before the daemon looked, or once, is none; a counter that begins anew is none."""
    overload = Overload(SETTINGS, [rule("a"), rule("b")])
    assert observed(overload, range(10), Load(dropped=10**6)) == []
    assert observed(overload, range(10, 20), Load(dropped=10**6 + 5)) == []
    assert observed(overload, range(20, 30), Load(dropped=0)) == []
    shed = [overload.observe(30.0 + second, Load(dropped=100 * second), {}) for second in range(5)]
    assert [change is not None for change in shed] == [False, False, False, True, False]
    assert shed[3] is not None and "(100 packets dropped)" in shed[3].lines[0]


def test_a_peak_is_no_overload_and_a_pause_no_calm() -> None:
    """Shorter than `after`: nothing. Between the bounds and half of them: nothing is taken back, nothing goes."""
    overload = Overload(SETTINGS, [rule("a"), rule("b")])
    for begin in range(0, 100, 10):
        assert observed(overload, range(begin, begin + 2), BUSY) == []
        assert observed(overload, range(begin + 2, begin + 10), CALM) == []
    assert len(observed(overload, range(100, 103), BUSY)) == 1
    assert observed(overload, range(103, 200), Load(lag_seconds=1.5)) == []
    assert observed(overload, range(200, 300), Load(fill=0.5)) == []
    assert [second for second, _ in observed(overload, range(300, 320), CALM)] == [310]


def test_what_comes_back_too_soon_waits_longer() -> None:
    """Load that one rule more is too much for: it is tried less and less often, and never given up."""
    overload = Overload(SETTINGS, [rule(id_) for id_ in "abcd"])
    found, load = [], BUSY
    for second in range(2000):
        change = overload.observe(float(second), load, {"a": 10.0 * second, "b": 1.0, "c": 1.0, "d": 1.0})
        if change is not None and change.taken_back:
            found.append(second)
        load = CALM if "a" in overload.shed else BUSY
    pauses = [later - earlier for earlier, later in pairwise(found)]
    assert pauses[0] < pauses[1] < pauses[2] < pauses[3] and max(pauses) <= 16 * 10 + 5 and len(found) > 10


def test_what_rules_cost_lately_counts() -> None:
    """A rule that was the costliest an hour ago is not switched off for it."""
    overload = Overload(SETTINGS, [rule("a"), rule("b")])
    for second in range(1000):
        overload.observe(float(second), CALM, {"a": 1000.0, "b": second / 100})
    changes = [overload.observe(1000.0 + second, BUSY, {"a": 1000.0, "b": 10.1}) for second in range(3)]
    assert changes[2] is not None and changes[2].shed == ("b",) and COST_SECONDS < 1000


def test_reload_keeps_what_is_off() -> None:
    """Rules that are gone are forgotten, new ones run; one that now feeds a correlation takes it along."""
    overload = Overload(SETTINGS, [rule("a"), rule("b"), rule("c")])
    assert len(observed(overload, range(5), BUSY, costs_of("a=3 b=2 c=1"))) == 2
    assert overload.shed == {"a", "b"}
    overload.reload([rule("b"), rule("c"), rule("d", feeds_on=("b",)), rule("e")])
    assert overload.shed == {"b", "d"} and overload.level == 1
    overload.reload([rule("c")])
    assert overload.shed == frozenset() and overload.level == 0
    assert observed(overload, range(5, 100), CALM) == []


def test_switched_off_it_does_nothing() -> None:
    overload = Overload(replace(SETTINGS, enabled=False), [rule("a")])
    assert observed(overload, range(100), BUSY) == []


def test_the_same_input_gives_the_same_decisions() -> None:
    def run() -> list[tuple[int, Change]]:
        chosen, overload = random.Random(1), Overload(SETTINGS, shipped_rules().active)
        found = []
        for second in range(500):
            load = Load(chosen.random() * 4, chosen.random(), second * chosen.randrange(2))
            costs = {rule.id: second * (number % 7) for number, rule in enumerate(shipped_rules().active)}
            if (change := overload.observe(float(second), load, costs)) is not None:
                found.append((second, change))
        return found

    assert run() == run() != []
