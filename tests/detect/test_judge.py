"""State that crosses flows goes on: over a pickle, and in a judge of other rules, as far as the rules mean the same."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from detector.detect.judge import EngineSettings, Judge, kept_rules, same_meaning
from detector.detect.selector import Selector
from detector.flows.table import FlowSettings
from detector.pipeline import Decoding, PipelineSettings
from detector.rules.model import Ruleset
from tests.detect.test_selection import RULES, SECOND, START, frames, tables_of
from tests.rules.written import id_of, loaded, rule


def verdicts(
    ruleset: Ruleset, judge: Judge, decoding: Decoding, found: list[tuple[int, bytes]], size: int = 50
) -> list[list[int]]:
    """What a judge says of packets, in batches."""
    selector = Selector(ruleset)
    parts = (found[at : at + size] for at in range(0, len(found), size))
    return [
        cells for part in parts for cells in judge.judge([selector.select(tables_of(part, decoding)[1])]).cells.tolist()
    ]


def decoding() -> Decoding:
    return Decoding(PipelineSettings(flows=FlowSettings(flows=1024)))


@pytest.mark.parametrize("at", [50, 150, 250])
def test_a_judge_goes_on_where_a_pickled_one_stopped(at: int, tmp_path: Path) -> None:
    """A checkpoint that lost a limit would alert twice, one that lost a count or a known value not at all or wrongly."""
    ruleset, found = loaded(tmp_path, RULES), frames(1)
    whole_judge = Judge(ruleset)
    whole = verdicts(ruleset, whole_judge, decoding(), found)
    first, stages = Judge(ruleset), decoding()
    made = verdicts(ruleset, first, stages, found[:at])
    state = pickle.dumps(first.state())
    second = Judge(ruleset)
    assert second.restore(pickle.loads(state)) == {one.id for one in ruleset.rules}
    assert made + verdicts(ruleset, second, stages, found[at:]) == whole
    assert (second.matched, second.suppressed) == (whole_judge.matched, whole_judge.suppressed)
    assert second.rows_by_table == whole_judge.rows_by_table
    assert len(state) < 100_000, "as large as what it holds, not as what it could hold"


def test_what_is_held_back_and_lost_goes_on(tmp_path: Path) -> None:
    text = rule("detection: {a: {ip: true}, condition: a}\nalert: {limit: {by: [ip.src, ip.dst], count: 1, every: 1h}}")
    ruleset, found, stages = loaded(tmp_path, text), frames(2), decoding()
    first = Judge(ruleset, EngineSettings(groups=8))
    verdicts(ruleset, first, stages, found[:200])
    second = Judge(ruleset, EngineSettings(groups=8))
    second.restore(pickle.loads(pickle.dumps(first.state())))
    assert second.lost_groups == first.lost_groups and first.lost_groups[id_of(1)] > 0


def test_rules_that_mean_the_same_keep_their_state_in_another_ruleset(tmp_path: Path) -> None:
    """A reload: one rule moved, one changed its limit, one came, one went."""
    limited = "detection: {{a: {{ip: true}}, condition: a}}\nalert: {{limit: {{by: [ip.src], count: {}, every: 1h}}}}"
    kept, changed, gone = (rule(limited.format(1), number) for number in (1, 2, 3))
    before = loaded(tmp_path, "---\n".join((kept, changed, gone)))
    after = loaded(tmp_path, "---\n".join((rule(limited.format(3), 2), "\n\n" + kept, rule(limited.format(1), 4))))
    found, stages = frames(3), decoding()
    first = Judge(before)
    verdicts(before, first, stages, found[:200])
    assert kept_rules(before.active, after.active) == {id_of(1)}
    second = Judge(after)
    second.adopt(first, kept_rules(before.active, after.active))
    assert second.matched[id_of(1)] == first.matched[id_of(1)] and id_of(3) not in second.matched
    alerted = {after.active[cells[3]].id for cells in verdicts(after, second, stages, found[200:])}
    assert alerted == {id_of(2), id_of(4)}, "the kept rule's sources have all alerted within the hour"


def test_same_meaning_is_not_the_same_place(tmp_path: Path) -> None:
    text = rule("detection: {a: {ip: true}, condition: a}\ntests:\n  - packets: [IP()]\n    alerts: 1")
    one = loaded(tmp_path, text).rules[0]
    moved = loaded(tmp_path, "\n\n\n" + text.replace("tests:\n  - packets: [IP()]\n    alerts: 1", "")).rules[0]
    assert one != moved and same_meaning(one, moved)
    for other in (
        replace(one, title="Another"),
        replace(one, level="high"),
        replace(one, limit=replace(one.limit, count=9)),
    ):
        assert not same_meaning(one, other)


def test_a_correlation_whose_base_changed_begins_anew(tmp_path: Path) -> None:
    """What it has counted so far was something else."""
    before = loaded(tmp_path, RULES)
    after = loaded(tmp_path, RULES.replace("{ip: true}", "{ip.ttl: 64}", 1))
    assert kept_rules(before.active, after.active) == {id_of(number) for number in (4, 5, 6)}


def test_learning_begins_with_the_first_packet_of_any_selector(tmp_path: Path) -> None:
    ruleset = loaded(tmp_path, RULES)
    judge, selector = Judge(ruleset), Selector(ruleset)
    late = selector.select(tables_of([(START + SECOND, frames(0)[0][1])], decoding())[1])
    early = selector.select(tables_of([(START, frames(0)[1][1])], decoding())[1])
    assert not judge.is_learning(id_of(5), START)
    judge.judge([late, early])
    assert judge.is_learning(id_of(5), START + 9 * SECOND - 1) and not judge.is_learning(id_of(5), START + 9 * SECOND)
