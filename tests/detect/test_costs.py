"""What rules cost, and rules that are switched off: measured by the clock that is handed in, counted, and no alert changed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from detector.capture import open_source
from detector.capture.batch import batch_of
from detector.detect.costs import SAMPLED, Costs
from detector.pipeline import Pipeline
from tests.flows.frames import SYN, tcp
from tests.rules.written import id_of, loaded, rule, selecting
from tests.runs import SCENARIOS, alerts_of, shipped_rules

SECOND = 10**9
CAPTURE = SCENARIOS / "minute-attack" / "capture.pcap"


def ticking() -> Iterator[int]:
    """A clock that goes on by 1000 ns each time it is read."""
    now = 0
    while True:
        now += 1000
        yield now


def test_a_step_within_a_step_counts_once() -> None:
    """The outer one is charged for what is left; every batch stands for those that were not measured."""
    costs = Costs(ticking().__next__, every=2)
    costs.begin()
    assert costs.enter() is None and costs.spent_ns == {}  # not this batch
    costs.begin()
    outer = costs.enter()
    for place in (7, 8):
        costs.leave(place, costs.enter())
    costs.leave(5, outer)
    costs.leave(7, costs.enter())
    assert costs.spent_ns == {5: 2 * 3000, 7: 2 * 2000, 8: 2 * 1000}
    costs.begin()
    assert costs.spent_ns == {}


def test_without_a_clock_nothing_is_measured() -> None:
    costs = Costs()
    for _ in range(2 * SAMPLED):
        costs.begin()
        costs.leave(1, costs.enter())
        assert costs.spent_ns == {}


def run(pipeline: Pipeline) -> list[str]:
    """Ids of the alerts of a capture."""
    source = open_source([str(CAPTURE)], batch_packets=20)
    return [alert.document["event"]["id"] for batch in source.batches() for alert in pipeline.process(batch)]


def test_measuring_changes_no_alert_and_adds_up() -> None:
    """Sampled and scaled up, the sum is near what all batches would have given: same clock, same steps."""
    ruleset = shipped_rules()
    expected = [
        alert.document["event"]["id"] for alert in alerts_of(open_source([str(CAPTURE)], batch_packets=20), ruleset)
    ]
    pipeline = Pipeline(ruleset)
    pipeline.engine.measure(time.perf_counter_ns)
    began = time.perf_counter_ns()
    assert run(pipeline) == expected
    took = time.perf_counter_ns() - began
    spent = pipeline.engine.spent_ns
    assert set(spent) <= {one.id for one in ruleset.rules} and len(spent) > 5
    assert 0 < sum(spent.values()) < 20 * took


def test_a_slow_rule_is_the_costliest(tmp_path: Path) -> None:
    """A regular expression over every payload costs more than a look at a port."""
    text = selecting("{tcp.dstport: [80, 81]}") + "---\n"
    text += selecting("'tcp.payload matches \"(a|b|ab)*c{3}x\"'").replace(id_of(1), id_of(2))
    pipeline = Pipeline(loaded(tmp_path, text))
    pipeline.engine.measure(time.perf_counter_ns)
    for number in range(2 * SAMPLED):
        send(pipeline, [tcp(("10.0.0.1", 40000), ("10.0.0.2", 80), 24, number, payload=b"ab" * 700)] * 200, number)
    spent = pipeline.engine.spent_ns
    assert spent[id_of(2)] > spent[id_of(1)] > 0


def send(pipeline: Pipeline, packets: list[bytes], second: int) -> list[str]:
    """Titles of the alerts of one batch."""
    made = pipeline.process(batch_of(packets, [(1_700_000_000 + second) * SECOND] * len(packets)))
    return [alert.match.rule.title for alert in made]


BASE = """name: base
generate: false
detection: {a: {tcp.flags.syn: true}, condition: a}"""
OFTEN = """correlation:
  type: event_count
  rules: [base]
  group-by: [ip.src]
  timespan: 1h
  condition: {gte: 3}
alert: {limit: none}"""


def test_rules_that_are_off_see_nothing_and_that_is_counted(tmp_path: Path) -> None:
    """Others go on; a correlation goes on counting where it stopped, once it is on again."""
    text = (
        rule(BASE, 1)
        + "---\n"
        + rule(OFTEN, 2, "often")
        + "---\n"
        + selecting("{tcp: true}").replace(id_of(1), id_of(3))
    )
    pipeline = Pipeline(loaded(tmp_path, text))
    packet = tcp(("10.0.0.1", 40000), ("10.0.0.2", 80), SYN)
    assert send(pipeline, [packet, packet], 0) == ["A rule"] * 2
    pipeline.engine.shed({id_of(1), id_of(2)})
    assert send(pipeline, [packet] * 5, 1) == ["A rule"] * 5
    assert pipeline.engine.shed_rows == {id_of(1): 5, id_of(2): 5}
    pipeline.engine.shed({id_of(2), id_of(3)})
    assert send(pipeline, [packet], 2) == []
    pipeline.engine.shed(())
    assert send(pipeline, [packet], 3) == ["often", "A rule"]
    assert pipeline.engine.shed_rows == {id_of(1): 5, id_of(2): 6, id_of(3): 1}
    assert pipeline.engine.matched == {id_of(1): 4, id_of(2): 1, id_of(3): 8}
