"""However a batch's rows are shared out among selectors, the judge sees what a single selector finds."""

from __future__ import annotations

import pickle
import random
from pathlib import Path

import numpy as np
import pytest

from detector.capture.batch import batch_of
from detector.columns import Table
from detector.detect.judge import Judge, Verdicts
from detector.detect.selection import Selection, merged
from detector.detect.selector import Selector, Share
from detector.flows.table import FlowSettings
from detector.packets.table import PacketTable
from detector.pipeline import Decoding, PipelineSettings
from detector.rules.model import Ruleset
from tests.flows.frames import SYN, ip, tcp
from tests.rules.written import loaded, rule

SECOND = 10**9
START = 1_714_550_400 * SECOND
RULES = "---\n".join(
    (
        rule("name: base\ngenerate: false\ndetection: {a: {ip: true}, condition: a}"),
        rule("correlation: {type: value_count, rules: [base], group-by: [ip.src], timespan: 5s, condition: {field: ip.dst, gte: 4}}\nalert: {limit: {by: [ip.dst], count: 2, every: 20s}}", 2),
        rule("correlation: {type: event_count, rules: [base], group-by: [ip.dst], timespan: 5s, condition: {gte: 3}}\nalert: {limit: none}", 3),
        rule("detection: {a: {ip.src: 10.0.0.2}, condition: a}\nalert: {limit: {by: [ip.src], count: 1, every: 3s}}", 4),
        rule("detection: {a: {tcp.flags.syn: true}, condition: a}\nanomaly: {type: new_value, fields: [ip.src, ip.dst], learn: 9s, max_values: 30}\nalert: {limit: none}", 5),
        rule("detection: {a: {ip.proto: 4}, condition: a}\nalert: {limit: none}", 6),
    )
)  # fmt: skip


def frames(seed: int, count: int = 300) -> list[tuple[int, bytes]]:
    """SYNs, some inside a tunnel, of a few addresses."""
    chosen, time, found = random.Random(seed), START, []
    for _ in range(count):
        time += chosen.choice((0, 0, SECOND // 4, SECOND))
        ends = [f"10.0.0.{chosen.randrange(1, 6)}" for _ in range(4)]
        inner = tcp((ends[0], 40000), (ends[1], 80), SYN)
        found.append((time, ip(ends[2], ends[3], 4, inner[14:]) if chosen.random() < 0.4 else inner))
    return found


def tables_of(found: list[tuple[int, bytes]], decoding: Decoding) -> tuple[PacketTable, dict[str, Table]]:
    packets, pdus = decoding.tables(batch_of([data for _, data in found], [time for time, _ in found]))
    return packets, {"packet": packets, **pdus}


def verdicts(ruleset: Ruleset, seed: int, shares: int, size: int) -> list[list[int]]:
    """Verdicts of a run whose rows are dealt to so many selectors at random; pickled on their way, as to a coordinator."""
    selectors, judge = [Selector(ruleset) for _ in range(shares)], Judge(ruleset)
    decoding = Decoding(PipelineSettings(flows=FlowSettings(flows=1024)))
    dealt, made = np.random.default_rng(seed), []
    found = frames(seed)
    for at in range(0, len(found), size):
        packets, tables = tables_of(found[at : at + size], decoding)
        if shares == 1:
            selections = [selectors[0].select(tables)]
        else:
            owner = dealt.integers(shares, size=packets.rows)
            parts = (Share(owner == number, np.arange(packets.rows)) for number in range(shares))
            selections = [selector.select(tables, part) for selector, part in zip(selectors, parts, strict=True)]
            selections = pickle.loads(pickle.dumps(selections))
        made += judge.judge(selections).cells.tolist()
    assert not judge.rule_errors
    return [[*cells[:5], *cells[6:]] for cells in made]


@pytest.mark.parametrize("seed", range(4))
def test_rows_dealt_to_several_selectors_give_the_verdicts_of_one(seed: int, tmp_path: Path) -> None:
    """A tunnel's rows may lie with two of them: of those the innermost alerts, and is counted."""
    ruleset = loaded(tmp_path, RULES)
    whole = verdicts(ruleset, seed, 1, 50)
    assert {cells[3] for cells in whole} == {1, 2, 3, 4, 5}, "every rule that may alert does"
    for shares in (2, 3):
        assert verdicts(ruleset, seed, shares, 50) == whole


def test_verdicts_know_whose_rows_they_are(tmp_path: Path) -> None:
    ruleset = loaded(tmp_path, rule("detection: {a: {ip: true}, condition: a}\nalert: {limit: none}"))
    _, tables = tables_of(
        [(START + n, tcp(("10.0.0.1", 40000), ("10.0.0.2", 80), SYN)) for n in range(6)],
        Decoding(PipelineSettings(flows=FlowSettings(flows=1024))),
    )
    owner = np.array([0, 1, 1, 0, 2, 0])
    selections = [Selector(ruleset).select(tables, Share(owner == n, np.arange(6))) for n in range(3)]
    found = Judge(ruleset).judge(selections)
    assert isinstance(found, Verdicts) and found.cells[:, 5].tolist() == owner.tolist()
    assert [found.of(n).cells[:, 4].tolist() for n in range(3)] == [[0, 3, 5], [1, 2], [4]]


def test_selections_of_other_batches_are_put_in_the_order_of_the_clock(tmp_path: Path) -> None:
    """Packets of two sources have the same numbers, and nothing to do with each other."""
    ruleset = loaded(tmp_path, rule("detection: {a: {ip: true}, condition: a}\nalert: {limit: none}"))
    selections = []
    for offset in (0, 1):
        found = [(START + 2 * n + offset, tcp(("10.0.0.1", 40000), ("10.0.0.2", 80), SYN)) for n in range(3)]
        tables = tables_of(found, Decoding(PipelineSettings(flows=FlowSettings(flows=1024))))[1]
        selections.append(Selector(ruleset).select(tables))
    cells = Judge(ruleset).judge(selections, is_one_batch=False).cells
    assert [(clock - START, row, origin) for clock, _, _, _, row, origin, *_ in cells.tolist()] == [
        (0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1), (4, 2, 0), (5, 2, 1)
    ]  # fmt: skip


def test_nothing_found_merges_to_nothing() -> None:
    assert merged([Selection(), Selection()], [], True) == {}


@pytest.mark.parametrize("seed", range(4))
def test_in_parts_by_clock_it_is_judged_as_a_whole(seed: int, tmp_path: Path) -> None:
    """Selectors with flows of their own, told of piece by piece: cut at clocks and put together again, nothing differs."""
    ruleset, judges = loaded(tmp_path, RULES), []
    found = frames(seed)
    _, tables = tables_of(found, Decoding(PipelineSettings(flows=FlowSettings(flows=1024))))
    whole = Selector(ruleset).select(tables)
    for cuts in ([], [START + 20 * SECOND], [START + n * 7 * SECOND for n in range(40)]):
        judge, rest, made = Judge(ruleset), whole, []
        for cut in [*cuts, 2**62]:
            early, rest = rest.before(cut)
            made += judge.judge([early, Selection()], is_one_batch=False).cells.tolist()
        assert not rest.found
        judges.append((made, judge.rows_by_table, judge.matched))
    assert judges[0][0] and judges[0] == judges[1] == judges[2]


def test_what_comes_late_is_judged_at_the_clock_of_the_others(tmp_path: Path) -> None:
    ruleset = loaded(tmp_path, rule("detection: {a: {ip: true}, condition: a}\nalert: {limit: none}"))
    _, tables = tables_of(frames(1, 20), Decoding(PipelineSettings(flows=FlowSettings(flows=1024))))
    late = Selector(ruleset).select(tables).not_before(START + 3 * SECOND)
    clocks = late.found[0].keys[:, 0]
    assert clocks.min() == START + 3 * SECOND < clocks.max()
