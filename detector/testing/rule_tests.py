"""A rule's own tests: its packets or captures through the pipeline, and how many alerts of that rule came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from detector.capture import open_source
from detector.capture.batch import Batch, batch_of
from detector.capture.source import SourceReport
from detector.errors import InputError, Position
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


def run_tests(path: Path, suricata_yaml: str | None = None) -> Iterator[Outcome]:
    """The outcomes of all tests in a rule file.

    Raises:
        InputErrors: mistakes in the rules.
    """
    for rule in load_rules([path], suricata_yaml=suricata_yaml).rules:
        for test in rule.tests:
            yield run_test(path, rule, test, suricata_yaml)


def run_test(path: Path, rule: Rule, test: RuleTest, suricata_yaml: str | None = None) -> Outcome:
    """One test. The rules of the whole file are loaded with the test's variables, so that correlations have their bases."""
    ruleset = load_rules([path], variables=dict(test.variables), suricata_yaml=suricata_yaml)
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
    pipeline = Pipeline(ruleset, replace(SETTINGS, zones=test.zones, points=test.devices))
    learned, judged = parted(batches_of(test), test.learn_packets)
    if learned:
        pipeline.learn(Given(learned))
    alerts = [alert for batch in judged for alert in pipeline.process(batch)]
    if pipeline.engine.rule_errors:
        raise InputError("a rule failed while it was matched: see the log")
    return sum(alert.rule.id == rule.id for alert in alerts)


@dataclass
class Given:
    """A Source of batches at hand."""

    given: list[Batch]
    report: SourceReport = field(default_factory=SourceReport)

    def batches(self) -> Iterator[Batch]:
        """The batches."""
        yield from self.given

    def stop(self) -> None:
        """Nothing is waited for."""


def parted(batches: Iterable[Batch], first: int) -> tuple[list[Batch], Iterable[Batch]]:
    """The first so many packets, which a test's `learn` gives as known good, and the others."""
    if not first:
        return [], batches
    before, after = [], []
    for batch in batches:
        rows = np.arange(len(batch))
        before += [batch.take(rows[:first])] if first > 0 else []
        after += [batch.take(rows[max(first, 0) :])] if first < len(batch) else []
        first -= len(batch)
    return before, after


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
                send(synthesis, packet, position)
    if synthesis.frames:
        yield batch_of([data for _, data in synthesis.frames], [time for time, _ in synthesis.frames])


def send(synthesis: Synthesis, packet: Any, position: Position) -> None:
    """One packet of a test. Raises InputError where Scapy cannot make bytes of it."""
    try:
        synthesis.send(packet)
    except Exception as error:  # noqa: BLE001 - Scapy raises what it likes about a value; the author needs to know where
        what = str(error).strip().splitlines()
        raise InputError(f"Scapy cannot build this packet: {' '.join(what[:2]) or type(error).__name__}",
                         position=position, hint="check the fields' values") from None  # fmt: skip
