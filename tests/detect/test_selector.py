"""What a selector hands on: rows in order with what state asks of them, and failures by rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from detector.detect.selector import Selector, Share
from detector.flows.table import FlowSettings
from detector.pipeline import Decoding, PipelineSettings
from detector.rules.model import Compare, FieldValue, Literal_
from tests.detect.test_selection import RULES, START, frames, tables_of
from tests.flows.frames import SYN, ip, tcp
from tests.rules.written import loaded, selecting

SETTINGS = PipelineSettings(flows=FlowSettings(flows=1024))


def test_hashes_are_there_for_what_state_asks(tmp_path: Path) -> None:
    """A silent base rule has no limit; a correlation that alerts has one of its own."""
    _, tables = tables_of(frames(0), Decoding(SETTINGS))
    found = Selector(loaded(tmp_path, RULES)).select(tables).found
    base = found[0]
    assert base.limits is None and base.values is None
    assert [one.correlation for one in base.counted] == [1, 2]
    assert base.counted[0].values is not None and base.counted[1].values is None
    assert all(len(one.groups) == len(one.of) == len(base.keys) for one in base.counted)
    assert found[3].limits is not None and found[4].values is not None


def test_keys_are_in_order_and_of_the_whole_batch(tmp_path: Path) -> None:
    """A worker's table holds some rows only; what it tells of them is where they stand in all."""
    packets, tables = tables_of(frames(1), Decoding(SETTINGS))
    selector = Selector(loaded(tmp_path, selecting("{ip.src: 10.0.0.2}")))
    owned = np.arange(packets.rows) % 3 > 0
    keys = selector.select(tables, Share(owned, np.arange(packets.rows) + 1000)).found[0].keys
    assert len(keys) > 5 and (np.diff(keys[:, 0]) >= 0).all()
    assert (keys[:, 2] == keys[:, 4] + 1000).all() and owned[keys[:, 4]].all()


def test_rows_are_counted_once_over_all_shares(tmp_path: Path) -> None:
    selector = Selector(loaded(tmp_path, selecting("{ip: true}")))
    packets, tables = tables_of(frames(2), Decoding(SETTINGS))
    owner = np.arange(packets.rows) % 4
    shares = [Share(owner == n, np.arange(packets.rows)) for n in range(4)]
    assert sum(selector.select(tables, one).rows["packet"] for one in shares) == selector.select(tables).rows["packet"]


def test_a_tunnel_is_told_by_its_innermost_row(tmp_path: Path) -> None:
    inner = tcp(("192.168.0.1", 40000), ("192.168.0.2", 80), SYN)
    _, tables = tables_of([(START, ip("10.0.0.1", "10.0.0.2", 4, inner[14:]))], Decoding(SETTINGS))
    keys = Selector(loaded(tmp_path, selecting("{ip: true}"))).select(tables).found[0].keys
    assert keys[:, 4].tolist() == [1]


def test_a_rule_that_fails_is_named_with_its_traceback_once(tmp_path: Path) -> None:
    ruleset = loaded(tmp_path, selecting("{ip.ttl: 64}"))
    broken = replace(ruleset.rules[0], test=Compare("eq", FieldValue("no.such.field"), Literal_(1)))
    selector = Selector(replace(ruleset, rules=(broken,)))
    _, tables = tables_of(frames(0)[:2], Decoding(SETTINGS))
    assert "no.such.field" in selector.select(tables).errors[0]
    again = selector.select(tables)
    assert again.errors == {0: ""} and not again.found
