"""What one worker says to each message, without a process around it."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.alerts.alert import AlertBuilder
from detector.capture.batch import batch_of
from detector.detect.judge import Judge
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from detector.pipeline import PipelineSettings
from detector.workers.messages import Begin, Drafts, Found, Restore, Restored, Rules, Save, Saved, Told, Work
from detector.workers.shared import Layout, Slot, make_slot, read_part, write_batch
from detector.workers.worker import Worker, shards_of, unpickled
from tests.flows.frames import SYN, tcp
from tests.rules.written import loaded, selecting

SETTINGS = PipelineSettings(flows=FlowSettings(flows=256), run="r", observer="o")


def batch_in(slot: Slot) -> Layout:
    frames = [tcp((f"10.0.0.{n}", 40000), ("10.0.1.1", 80), SYN) for n in range(40)]
    packets = PacketDecoder().decode(batch_of(frames, range(40)))
    return write_batch(slot, 0, packets, FlowTable(SETTINGS.flows).shards_of(packets), 2)


def test_every_shard_has_one_worker() -> None:
    for workers in range(1, 9):
        assert sum(shards_of(number, workers).astype(int) for number in range(workers)).tolist() == [1] * 64  # type: ignore[union-attr]


def test_a_part_lies_in_memory_as_a_batch_does() -> None:
    """Kernels are compiled anew for arrays in another order: seconds at the first packet of each worker."""
    slot = make_slot()
    part = read_part(slot, batch_in(slot), 0, shards_of(0, 2))
    assert 0 < part.packets.rows < 40
    assert part.packets.structure.cells.flags.c_contiguous and part.packets.structure.words.flags.c_contiguous
    slot.close()


def test_work_is_answered_and_alerts_are_drafted_when_they_are_asked_for(tmp_path: Path) -> None:
    slot, ruleset = make_slot(), loaded(tmp_path, selecting("{tcp: true}"))
    layout = batch_in(slot)
    workers = [Worker(Begin(number, 2, SETTINGS, ruleset), [slot]) for number in range(2)]
    found = [worker.answer(Work(0, layout)) for worker in workers]
    assert all(isinstance(one, Found) for one in found)
    judge = Judge(ruleset)
    verdicts = judge.judge([one.selection for one in found if isinstance(one, Found)])
    total = 0
    for number, worker in enumerate(workers):
        drafts = worker.answer(Told(0, verdicts.of(number)))
        assert isinstance(drafts, Drafts)
        made = unpickled(drafts.drafts, ruleset.active)
        assert all(draft.alert.rule is ruleset.active[0] for draft in made)
        assert b"id: 0000" not in drafts.drafts, "a rule is not sent with each of its alerts"
        total += len(made)
    assert total == 40
    slot.close()


def test_where_nothing_alerts_nothing_is_said(tmp_path: Path) -> None:
    slot, ruleset = make_slot(), loaded(tmp_path, selecting("{udp: true}"))
    worker = Worker(Begin(0, 1, SETTINGS, ruleset), [slot])
    found = worker.answer(Work(0, batch_in(slot)))
    assert isinstance(found, Found) and not found.selection.found and found.totals.flows.created == 40
    assert worker.answer(Told(0, Judge(ruleset).judge([found.selection]))) is None
    assert worker._waiting == {}, "the batch is free"
    slot.close()


def test_state_and_rules(tmp_path: Path) -> None:
    slot, ruleset = make_slot(), loaded(tmp_path, selecting("{tcp: true}"))
    layout = batch_in(slot)
    first = Worker(Begin(0, 1, SETTINGS, loaded(tmp_path, selecting("{udp: true}"))), [slot])
    first.answer(Work(0, layout))
    assert first.answer(Rules(ruleset)) is None
    again = first.answer(Work(1, layout))
    assert isinstance(again, Found) and again.selection.found and again.totals.flows.created == 40
    saved = first.answer(Save())
    assert isinstance(saved, Saved)
    second = Worker(Begin(0, 1, SETTINGS, ruleset), [slot])
    assert second.answer(Restore(saved.state)) == Restored("")
    more = second.answer(Work(0, layout))
    assert isinstance(more, Found) and more.totals.flows.created == 40, "its flows go on"
    other = Worker(Begin(0, 1, PipelineSettings(), ruleset), [slot])
    refused = other.answer(Restore(saved.state))
    assert isinstance(refused, Restored) and "ceilings" in refused.problem
    with pytest.raises(TypeError):
        other.answer(AlertBuilder())
    slot.close()
