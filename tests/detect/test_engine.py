"""Rules on batches: order, limits, correlations and new values in time, against the obvious way of keeping them; faults."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from detector.capture.batch import batch_of
from detector.detect.engine import FULL, Engine
from detector.detect.judge import EngineSettings
from detector.flows.table import FlowSettings
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.model import Compare, FieldValue, Literal_
from tests.flows.frames import SYN, ip, tcp, udp
from tests.rules.written import Frame, alerts, alerts_of_frames, id_of, loaded, rule, selecting

SECOND = 10**9
START = 1_714_550_400 * SECOND
SYNS = "{tcp.flags.syn: true}"


def syn(source: int, port: int = 80, destination: int = 200) -> bytes:
    return tcp((f"10.0.0.{source}", 40000), (f"10.0.0.{destination}", port), SYN)


def random_frames(seed: int, count: int = 400) -> list[tuple[int, int, int]]:
    """(time, source, port): disordered, with equal times, pauses, and steps back."""
    chosen = random.Random(seed)
    time, found = START, []
    for _ in range(count):
        time += chosen.choice((0, 0, 1, SECOND // 3, SECOND, 4 * SECOND, 20 * SECOND))
        late = chosen.choice((0, 0, 0, chosen.randrange(30 * SECOND)))
        found.append((time - late, chosen.randrange(1, 5), chosen.randrange(1, 8)))
    return found


def judged_at(times: list[int]) -> list[int]:
    """The clock at which each packet is judged: the running maximum."""
    clocks, latest = [], 0
    for time in times:
        latest = max(latest, time)
        clocks.append(latest)
    return clocks


@pytest.mark.parametrize(("seed", "size"), [(0, 1), (1, 7), (2, 1000), (3, 7)])
def test_a_limit_over_time(seed: int, size: int, tmp_path: Path) -> None:
    """Two alerts of a source in ten seconds from its first; the next says how many it stands for. Late packets count now."""
    found = random_frames(seed)
    text = rule(f"detection: {{a: {SYNS}, condition: a}}\nalert: {{limit: {{by: [ip.src], count: 2, every: 10s}}}}")
    made = alerts_of_frames(loaded(tmp_path, text), [(time, syn(source, port)) for time, source, port in found], size)
    begun: dict[int, int] = {}
    passed: dict[int, int] = defaultdict(int)
    held: dict[int, int] = defaultdict(int)
    expected = []
    for clock, (time, source, _) in zip(judged_at([time for time, _, _ in found]), found, strict=True):
        if source not in begun or clock - begun[source] >= 10 * SECOND:
            begun[source], passed[source] = clock, 0
        if passed[source] < 2:
            passed[source] += 1
            expected.append((time, f"10.0.0.{source}", held[source]))
            held[source] = 0
        else:
            held[source] += 1
    assert [(one.time_ns, one.source, one.match.stood_for) for one in made] == expected


def base(detection: str = SYNS) -> str:
    return rule(f"name: base\ngenerate: false\ndetection: {{a: {detection}, condition: a}}") + "---\n"


@pytest.mark.parametrize(("seed", "size"), [(0, 1), (1, 7), (2, 1000)])
@pytest.mark.parametrize(
    ("condition", "holds"),
    [("gte: 4", lambda n: n >= 4), ("gt: 4", lambda n: n > 4), ("eq: 3", lambda n: n == 3), ("lt: 2", lambda n: n < 2), ("gte: 2, lte: 4", lambda n: 2 <= n <= 4)],
)  # fmt: skip
def test_event_count_over_time(condition: str, holds: Any, seed: int, size: int, tmp_path: Path) -> None:
    """Each SYN counts those of its source in the ten seconds before it, itself included."""
    found = random_frames(seed)
    text = base() + rule(
        f"correlation: {{type: event_count, rules: [base], group-by: [ip.src], timespan: 10s, condition: {{{condition}}}}}\nalert: {{limit: none}}", 2
    )  # fmt: skip
    made = alerts_of_frames(loaded(tmp_path, text), [(time, syn(source, port)) for time, source, port in found], size)
    expected, seen = [], defaultdict(list)
    for clock, (time, source, port) in zip(judged_at([time for time, _, _ in found]), found, strict=True):
        seen[source].append(clock)
        if holds(sum(clock - other <= 10 * SECOND for other in seen[source])):
            expected.append((time, f"10.0.0.{source}", f"10.0.0.200:{port}"))
    assert [(one.time_ns, one.source, one.destination) for one in made] == expected
    assert expected


@pytest.mark.parametrize(("seed", "size"), [(0, 1), (1, 7), (2, 1000), (3, 7)])
def test_value_count_over_time(seed: int, size: int, tmp_path: Path) -> None:
    """Different ports of a source in ten seconds."""
    found = random_frames(seed)
    text = base() + rule(
        "correlation: {type: value_count, rules: [base], group-by: [ip.src], timespan: 10s, condition: {field: tcp.dstport, gte: 4}}\nalert: {limit: none, message: '{count}'}", 2
    )  # fmt: skip
    made = alerts_of_frames(loaded(tmp_path, text), [(time, syn(source, port)) for time, source, port in found], size)
    expected = []
    latest: dict[int, dict[int, int]] = defaultdict(dict)
    for clock, (time, source, port) in zip(judged_at([time for time, _, _ in found]), found, strict=True):
        latest[source][port] = clock
        if (count := sum(clock - when <= 10 * SECOND for when in latest[source].values())) >= 4:
            expected.append((time, f"10.0.0.{source}", str(min(count, 5))))
    assert [(one.time_ns, one.source, one.message) for one in made] == expected
    assert expected


def test_events_without_a_value_are_not_counted(tmp_path: Path) -> None:
    """Sigma counts values: packets of no VLAN are no further VLAN."""
    text = base() + rule(
        "correlation: {type: value_count, rules: [base], timespan: 10s, condition: {field: vlan.id, gte: 2}}\nalert: {limit: none}",
        2,
    )
    ruleset = loaded(tmp_path, text)
    tagged = tcp(("10.0.0.1", 40000), ("10.0.0.2", 80), SYN, vlan=5)
    other = tcp(("10.0.0.1", 40000), ("10.0.0.2", 80), SYN, vlan=6)
    assert alerts_of_frames(ruleset, [(START, syn(1)), (START, tagged), (START, syn(2))]) == []
    assert len(alerts_of_frames(ruleset, [(START, syn(1)), (START, tagged), (START, other)])) == 1


@pytest.mark.parametrize(("seed", "size"), [(0, 1), (1, 7), (2, 1000), (3, 7)])
def test_new_values_over_time(seed: int, size: int, tmp_path: Path) -> None:
    """Pairs of source and port that were not seen in the first minute, each once; twenty fit into its memory."""
    found = random_frames(seed)
    text = rule(
        f"detection: {{a: {SYNS}, condition: a}}\nanomaly: {{type: new_value, fields: [ip.src, tcp.dstport], learn: 60s, max_values: 20}}\nalert: {{limit: none}}"
    )
    made = alerts_of_frames(loaded(tmp_path, text), [(time, syn(source, port)) for time, source, port in found], size)
    known: set[tuple[int, int]] = set()
    expected = []
    clocks = judged_at([time for time, _, _ in found])
    for clock, (time, source, port) in zip(clocks, found, strict=True):
        if (source, port) not in known:
            is_full = len(known) >= 20
            if clock >= clocks[0] + 60 * SECOND:
                expected.append((time, f"10.0.0.{source}", FULL if is_full else ""))
            if not is_full:
                known.add((source, port))
    assert [(one.time_ns, one.source, one.match.note) for one in made] == expected
    assert any(note for _, _, note in expected) and any(not note for _, _, note in expected)


def test_a_value_of_the_learning_time_is_known_for_ever_and_known_good_traffic_takes_its_place(tmp_path: Path) -> None:
    text = rule(f"detection: {{a: {SYNS}, condition: a}}\nanomaly: {{type: new_value, fields: [ip.src], learn: 1h}}\nalert: {{limit: none}}")  # fmt: skip
    pipeline = Pipeline(loaded(tmp_path, text), PipelineSettings(flows=FlowSettings(flows=1024)))
    first = batch_of([syn(1)], [START])
    packets, pdus = pipeline.decoding.tables(first)
    assert pipeline.engine.is_learning(id_of(1), START) is False, "no packet was seen"
    pipeline.engine.learn({"packet": packets, **pdus})
    made = pipeline.process(batch_of([syn(1), syn(2), syn(2)], [START + 1, START + 2, START + 3]))
    assert [one.source for one in made] == ["10.0.0.2"], "no hour is waited for"


def test_alerts_are_in_the_order_of_packets_and_then_of_rules(tmp_path: Path) -> None:
    """And the rows of a packet in theirs: two writes in one segment."""
    text = selecting(SYNS) + "---\n" + selecting("{tcp.dstport: 80}").replace(id_of(1), id_of(2))
    made = alerts_of_frames(loaded(tmp_path, text), [(START, syn(1)), (START, syn(2)), (START - SECOND, syn(3))])
    assert [(one.source[-1], one.rule.id[-1]) for one in made] == [("1", "1"), ("1", "2"), ("2", "1"), ("2", "2"), ("3", "1"), ("3", "2")]  # fmt: skip


def test_a_correlation_counts_events_of_several_rules_in_their_order(tmp_path: Path) -> None:
    text = base("{tcp.dstport: 22}") + base("{tcp.dstport: 23}").replace("name: base", "name: other").replace(id_of(1), id_of(3)) + rule(
        "correlation: {type: event_count, rules: [base, other], group-by: [ip.src], timespan: 10s, condition: {gte: 3}}\nalert: {limit: none}", 2
    )  # fmt: skip
    ports = (22, 23, 80, 23, 22, 80)
    made = alerts_of_frames(loaded(tmp_path, text), [(START + n, syn(1, port)) for n, port in enumerate(ports)])
    assert [one.destination for one in made] == ["10.0.0.200:23", "10.0.0.200:22"], "the fourth packet and the fifth"


def test_a_tunnel_alerts_once_and_names_the_innermost(tmp_path: Path) -> None:
    """Rules test each row of a packet; alerts name the innermost that matches."""
    inner = ip("192.168.0.1", "192.168.0.2", 17, b"\0\x35\0\x35\0\x08\0\0")[14:]
    frame = ip("10.0.0.1", "10.0.0.2", 4, inner)
    for selection, source in (
        ("{ip: true}", "192.168.0.1"),
        ("{ip.src: 10.0.0.1}", "10.0.0.1"),
        ("{udp: true}", "192.168.0.1"),
    ):
        made = alerts_of_frames(loaded(tmp_path, selecting(selection)), [(START, frame)])
        assert [one.source for one in made] == [source], selection


def test_what_an_icmp_error_quotes_are_fields_of_its_row(tmp_path: Path) -> None:
    """As in Wireshark; the alert is one, and names who sent the error, not who sent the quoted packet."""
    quoted = udp(("10.0.0.1", 5000), ("10.0.0.2", 53))[14:]
    frame = ip("10.0.0.2", "10.0.0.1", 1, b"\x03\x03\0\0\0\0\0\0" + quoted)
    for selection in ("{icmp: true}", "{udp.dstport: 53}", "{ip.src: 10.0.0.1}", "{ip.src: 10.0.0.2}"):
        made = alerts_of_frames(loaded(tmp_path, selecting(selection)), [(START, frame)])
        assert [(one.source, one.destination) for one in made] == [("10.0.0.2", "10.0.0.1")], selection


def test_a_rule_that_fails_is_counted_and_stops_nobody_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The loader lets none through that would; but we may be wrong, and the other rules still have to see attacks."""
    good = selecting(SYNS).replace(id_of(1), id_of(2))
    ruleset = loaded(tmp_path, selecting("{ip.ttl: 64}") + "---\n" + good)
    broken = replace(ruleset.rules[0], test=Compare("eq", FieldValue("no.such.field"), Literal_(1)))
    ruleset = replace(ruleset, rules=(broken, ruleset.rules[1]))
    pipeline = Pipeline(ruleset, PipelineSettings(flows=FlowSettings(flows=1024)))
    made = [one for n in range(3) for one in pipeline.process(batch_of([syn(1)], [START + n]))]
    assert [one.rule.id for one in made] == [id_of(2)] * 3
    assert pipeline.engine.rule_errors == {id_of(1): 3}
    assert len([record for record in caplog.records if "failed" in record.message]) == 1, "told once"


def test_a_regular_expression_that_tries_for_ever_is_a_failure_of_its_rule(tmp_path: Path) -> None:
    """An attacker who knows the pattern would stop the engine with a packet."""
    text = rule("detection: {a: 'udp.payload matches \"(a|aa)+$\"', condition: a}")
    ruleset = loaded(
        tmp_path, text + "---\n" + rule("detection: {a: {udp.dstport: 9}, condition: a}").replace(id_of(1), id_of(2))
    )
    pipeline = Pipeline(ruleset, PipelineSettings(flows=FlowSettings(flows=1024)))
    began = perf_counter()
    made = pipeline.process(batch_of([udp(("10.0.0.1", 9), ("10.0.0.2", 9), b"a" * 900 + b"!")], [START]))
    assert perf_counter() - began < 30
    assert [one.rule.id for one in made] == [id_of(2)]
    assert pipeline.engine.rule_errors == {id_of(1): 1}


def test_counts_of_what_was_matched_held_back_and_lost(tmp_path: Path) -> None:
    text = rule(f"detection: {{a: {SYNS}, condition: a}}\nalert: {{limit: {{by: [ip.src, tcp.dstport], count: 1, every: 1h}}}}")  # fmt: skip
    settings = PipelineSettings(flows=FlowSettings(flows=1024), engine=EngineSettings(groups=8))
    pipeline = Pipeline(loaded(tmp_path, text), settings)
    frames: list[Frame] = [(START + n, syn(1, port)) for n, port in enumerate([1, 1, 1, *range(2, 10)])]
    made = pipeline.process(batch_of([data for _, data in frames], [time for time, _ in frames]))
    engine = pipeline.engine
    assert (len(made), engine.matched[id_of(1)], engine.suppressed[id_of(1)]) == (9, 11, 2)
    assert engine.lost_groups == {id_of(1): 1}, "nine groups in eight places"
    assert engine.rows_by_table["packet"] == 11 and engine.rows_by_table["modbus"] == 0


def test_rows_without_the_limits_fields_are_a_group_of_their_own(tmp_path: Path) -> None:
    text = rule("detection: {a: {eth: true}, condition: a}\nalert: {limit: {by: [ip.src], count: 1, every: 1h}}")
    made = alerts(loaded(tmp_path, text), 'ARP(psrc="10.0.0.1")', 'ARP(psrc="10.0.0.2")', 'IP(src="10.0.0.1")/UDP()', 'IP(src="10.0.0.2")/UDP()')  # fmt: skip
    assert [one.match.group for one in made] == [(), ("10.0.0.1",), ("10.0.0.2",)]


def test_an_engine_without_rules_or_packets(tmp_path: Path) -> None:
    ruleset = replace(loaded(tmp_path, selecting(SYNS)), rules=())
    assert alerts_of_frames(ruleset, [(START, syn(1))]) == []
    assert Engine(ruleset).lost_groups == {}
    pipeline = Pipeline(loaded(tmp_path, selecting(SYNS)), PipelineSettings(flows=FlowSettings(flows=1024)))
    assert pipeline.process(batch_of([], [])) == []
