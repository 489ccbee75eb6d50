"""Under overload rules are switched off in a written order, so that packets are not lost instead; and are taken back.

The order, each step once overload has lasted for `after` (again):

1. Of the rules below level critical that still run, the costliest, until a quarter of their measured time is saved.
   Rules that feed a correlation go with it, and with what else feeds on them, as one: a correlation whose rules are
   partly off would be silently wrong. Such a group is critical where one of its rules is.
2. Step 1 again, as often as needed, until all of them are off.
3. Then critical rules in the same way. Decoding, flows and counts always go on.

When there was no sign of overload for `recover`, and lag and fill are below half their bounds, one group is taken back,
the last one that was switched off first, and so on one by one. Where overload comes back soon after that, the pause
before the next one doubles.

What is decided depends on the arguments of `observe` alone; the clock is handed in.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from detector.detect.memory import names_of
from detector.rules.model import Rule
from detector.settings import setting

SECOND = 10**9
SAVED_SHARE = 0.25  # of the time of the rules that still run, saved by a step
COST_SECONDS = 10.0  # between two remembered sums of costs;
COST_SUMS = 3  # so many of them: what rules cost lately counts, not what they cost last week
LONGEST_PAUSE = 16  # times `recover`


@dataclass(frozen=True)
class OverloadSettings:
    """When rules are switched off because packets come faster than they can be judged."""

    enabled: bool = setting(
        "flag", "switch rules off under overload; else packets are lost, and counted, instead", True
    )
    lag: int = setting("span", "overload: packets of an interface are judged so late", 2 * SECOND, least=SECOND // 10)
    fill: float = setting("ratio", "overload: so much of a capture ring is full", 0.75, least=0, most=1)
    after: int = setting("span", "overload must last so long before rules are switched off", 3 * SECOND, least=0)
    recover: int = setting("span", "calm must last so long before rules are taken back", 30 * SECOND, least=SECOND)


@dataclass(frozen=True)
class Load:
    """How the interfaces stand, the worst of each. A watched folder that is behind is no overload: it loses nothing.

    lag_seconds: of the last packet judged. fill: part of a ring that waits. dropped: packets lost so far.
    """

    lag_seconds: float = 0.0
    fill: float = 0.0
    dropped: int = 0


@dataclass(frozen=True)
class Group:
    """Rules that are switched off together, by id."""

    rules: tuple[str, ...]
    is_critical: bool


@dataclass(frozen=True)
class Change:
    """What was decided: ids of rules that are off now, or on again. lines: for the log, a summary and each rule."""

    shed: tuple[str, ...]
    taken_back: tuple[str, ...]
    level: int
    lines: tuple[str, ...]


class Overload:
    """`shed`: ids of the rules that are off. `level`: steps of the written order that are in force."""

    def __init__(self, settings: OverloadSettings, rules: Sequence[Rule]) -> None:
        self._settings = settings
        self._steps: list[list[Group]] = []
        self._sums: deque[tuple[float, Mapping[str, float]]] = deque(maxlen=COST_SUMS)
        self._dropped: int | None = None
        self._began: float | None = None  # first sign of an overload that goes on
        self._latest = 0.0  # last sign
        self._calm: float | None = None
        self._pause = settings.recover / SECOND
        self._taken_back: float | None = None
        self._rules: dict[str, Rule] = {}
        self._groups: list[Group] = []
        self.reload(rules)

    @property
    def shed(self) -> frozenset[str]:
        """Ids of the rules that are off."""
        return frozenset(rule for step in self._steps for group in step for rule in group.rules)

    @property
    def level(self) -> int:
        """0: every rule runs."""
        return len(self._steps)

    def reload(self, rules: Sequence[Rule]) -> None:
        """Takes over a new set of rules; those that are off stay off, with what they belong together with now."""
        self._rules = {rule.id: rule for rule in rules}
        self._groups = grouped(rules)
        left = list(self._groups)
        steps = []
        for step in self._steps:
            off = {rule for group in step for rule in group.rules}
            steps.append([group for group in left if off & set(group.rules)])
            left = [group for group in left if not off & set(group.rules)]
        self._steps = [step for step in steps if step]

    def observe(self, now: float, load: Load, costs: Mapping[str, float]) -> Change | None:
        """Decides, some times a second. now: seconds of a steady clock. costs: seconds spent so far, by rule id."""
        recent = self._recent_costs(now, costs)
        signs = self._signs(load)
        if not self._settings.enabled:
            return None
        if signs:
            return self._under_load(now, signs, recent)
        if self._began is not None and now - self._latest > self._settings.after / SECOND:
            self._began = None
        return self._without_signs(now, load)

    def _signs(self, load: Load) -> list[str]:
        """What speaks of overload, in words."""
        new = 0 if self._dropped is None else max(0, load.dropped - self._dropped)
        self._dropped = load.dropped
        signs = []
        if load.lag_seconds * SECOND > self._settings.lag:
            signs.append(f"packets are judged {load.lag_seconds:.1f} s late")
        if load.fill > self._settings.fill:
            signs.append(f"ring {load.fill:.0%} full")
        if new:
            signs.append(f"{new} packets dropped")
        return signs

    def _under_load(self, now: float, signs: Sequence[str], recent: Mapping[str, float]) -> Change | None:
        self._calm, self._latest = None, now
        if self._began is None:
            self._began = now
        if now - self._began < self._settings.after / SECOND:
            return None
        chosen = self._costliest(recent)
        if not chosen:
            return None
        lasted, self._began = now - self._began, now
        relapsed = self._taken_back is not None and now - self._taken_back < 2 * self._pause
        recover = self._settings.recover / SECOND
        self._pause = min(2 * self._pause, LONGEST_PAUSE * recover) if relapsed else recover
        self._taken_back = None
        self._steps.append(chosen)
        rules = [rule for group in chosen for rule in group.rules]
        total = sum(recent.values()) or 1.0
        lines = [f"overloaded for {lasted:.0f} s ({', '.join(signs)}): level {self.level}, rules off: {len(self.shed)}"]
        lines += [
            f"rule off: {self._name(rule)}, {recent.get(rule, 0.0) / total:.0%} of the time of rules" for rule in rules
        ]
        return Change(tuple(rules), (), self.level, tuple(lines))

    def _without_signs(self, now: float, load: Load) -> Change | None:
        settings = self._settings
        if load.lag_seconds * SECOND > settings.lag / 2 or load.fill > settings.fill / 2:
            self._calm = None
            return None
        if self._calm is None:
            self._calm = now
        if not self._steps or now - self._calm < self._pause:
            return None
        self._calm = self._taken_back = now
        group = self._steps[-1].pop()
        if not self._steps[-1]:
            self._steps.pop()
        lines = [f"calm for {self._pause:.0f} s: level {self.level}, rules off: {len(self.shed)}"]
        lines += [f"rule on again: {self._name(rule)}" for rule in group.rules]
        return Change((), group.rules, self.level, tuple(lines))

    def _costliest(self, recent: Mapping[str, float]) -> list[Group]:
        """The groups of the next step."""
        off = self.shed
        running = [group for group in self._groups if not off & set(group.rules)]
        running = [group for group in running if not group.is_critical] or running
        costs = {group: sum(recent.get(rule, 0.0) for rule in group.rules) for group in running}
        if not any(costs.values()):  # nothing was measured: rules count alike
            costs = {group: float(len(group.rules)) for group in running}
        ranked = sorted(running, key=lambda group: (-costs[group], group.rules))
        chosen: list[Group] = []
        while ranked and sum(costs[group] for group in chosen) < SAVED_SHARE * sum(costs.values()):
            chosen.append(ranked.pop(0))
        return chosen

    def _recent_costs(self, now: float, costs: Mapping[str, float]) -> dict[str, float]:
        """Seconds that each rule took lately."""
        before = self._sums[0][1] if self._sums else {}
        recent = {rule: max(0.0, seconds - before.get(rule, 0.0)) for rule, seconds in costs.items()}
        if not self._sums or now - self._sums[-1][0] >= COST_SECONDS:
            self._sums.append((now, dict(costs)))
        return recent

    def _name(self, rule: str) -> str:
        return f"{self._rules[rule].title} ({rule}, {self._rules[rule].level})"


def grouped(rules: Sequence[Rule]) -> list[Group]:
    """Rules that belong together: correlations with the rules that feed them, and whatever else those feed; rules that
    remember under one name (flowbits and the like)."""
    place = {rule.id: number for number, rule in enumerate(rules)}
    leader = list(range(len(rules)))

    def find(number: int) -> int:
        while leader[number] != number:
            number = leader[number]
        return number

    for rule in rules:
        for base in rule.correlation.rules if rule.correlation is not None else ():
            if base in place:
                first, second = sorted((find(place[rule.id]), find(place[base])))
                leader[second] = first
    first_with: dict[tuple[str, str], int] = {}
    for number, rule in enumerate(rules):
        for name in names_of(rule.signature) if rule.signature is not None else ():
            first, second = sorted((find(number), find(first_with.setdefault(name, number))))
            leader[second] = first
    members: dict[int, list[Rule]] = {}
    for number, rule in enumerate(rules):
        members.setdefault(find(number), []).append(rule)
    return [
        Group(tuple(rule.id for rule in group), any(rule.level == "critical" for rule in group))
        for group in members.values()
    ]
