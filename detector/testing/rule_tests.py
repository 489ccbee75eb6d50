"""A rule's own tests: its packets or captures through the pipeline, and how many alerts of that rule came."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from detector.capture import open_source
from detector.capture.batch import Batch, batch_of
from detector.errors import InputError
from detector.exercise.synthesis import Synthesis
from detector.flows.table import FlowSettings
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.loader import load_rules
from detector.rules.model import Rule, Ruleset, RuleTest
from detector.testing.literals import Wait, read_packets

SETTINGS = PipelineSettings(flows=FlowSettings(flows=16384))


@dataclass(frozen=True)
class Outcome:
    """One test and what came of it; problem: why it could not run."""

    rule: Rule
    test: RuleTest
    alerts: int
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether the expected number of alerts came."""
        return not self.problem and self.alerts == self.test.alerts


def run_tests(path: Path) -> Iterator[Outcome]:
    """The outcomes of all tests in a rule file.

    Raises:
        InputErrors: mistakes in the rules.
    """
    for rule in load_rules([path]).rules:
        for test in rule.tests:
            yield run_test(path, rule, test)


def run_test(path: Path, rule: Rule, test: RuleTest) -> Outcome:
    """One test. The rules of the whole file are loaded with the test's variables, so that correlations have their bases."""
    ruleset = load_rules([path], variables=dict(test.variables))
    tested = next(one for one in ruleset.rules if one.id == rule.id)
    if tested.inactive:
        return Outcome(
            rule, test, 0, f"the rule is inactive: {tested.inactive}; give the test variables: {{NAME: value}}"
        )
    try:
        return Outcome(rule, test, count_alerts(ruleset, rule, test))
    except InputError as error:
        return Outcome(rule, test, 0, str(error))


def count_alerts(ruleset: Ruleset, rule: Rule, test: RuleTest) -> int:
    """How many alerts of a rule a test's packets give."""
    pipeline = Pipeline(ruleset, SETTINGS)
    alerts = [alert for batch in batches_of(test) for alert in pipeline.process(batch)]
    if pipeline.engine.rule_errors:
        raise InputError("a rule failed while it was matched: see the log")
    return sum(alert.rule.id == rule.id for alert in alerts)


def batches_of(test: RuleTest) -> Iterator[Batch]:
    """The packets of a test."""
    if test.capture:
        yield from open_source([test.capture]).batches()
        return
    synthesis = Synthesis()
    for text, position in test.packets:
        for packet in read_packets(text, position):
            if isinstance(packet, Wait):
                synthesis.wait(packet.seconds)
            else:
                synthesis.send(packet)
    if synthesis.frames:
        yield batch_of([data for _, data in synthesis.frames], [time for time, _ in synthesis.frames])
