"""A run that was stopped and goes on from its state gives the alerts of one that was not, and the same counts."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.capture import open_source
from detector.flows.table import FlowSettings
from detector.packets.decode import DecodeSettings
from detector.pipeline import Pipeline, PipelineSettings
from detector.snapshot import BLOCK_BYTES, UnfitState, put_back, saved
from tests.rough import BUILT
from tests.runs import SCENARIOS, Frame, counts_of, frames_of, lines_of, pcap_bytes, shipped_rules

CASES: dict[str, Callable[[], list[Frame]]] = {
    **{name: lambda build=build: build(7) for name, build in BUILT.items()},
    **{name: lambda name=name: frames_of(SCENARIOS / name / "capture.pcap", 0, 2500)
       for name in ("modbus-takeover", "mixed-day", "replayed-commands")},
}  # fmt: skip
SETTINGS = PipelineSettings(decode=DecodeSettings(drop_repeats=True), flows=FlowSettings(flows=4096))


@pytest.mark.parametrize("case", CASES)
def test_a_run_goes_on_from_its_state(case: str, tmp_path: Path) -> None:
    """Fragments, gaps, unfinished PDUs, open requests, limits, counts: whatever a restart forgot would show."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_bytes(CASES[case]()))
    whole = Pipeline(shipped_rules(), SETTINGS)
    expected = [one for found, _ in whole.run(open_source([str(path)], batch_packets=61)) for one in found]
    assert expected
    pipeline, made = Pipeline(shipped_rules(), SETTINGS), []
    for number, batch in enumerate(open_source([str(path)], batch_packets=61).batches()):
        if number % 11 == 5:
            state = pickle.dumps(pipeline.state())
            pipeline = Pipeline(shipped_rules(), SETTINGS)
            assert pipeline.restore(pickle.loads(state)) == {rule.id for rule in shipped_rules().active}
        made += pipeline.process(batch)
    assert lines_of(made, tmp_path) == lines_of(expected, tmp_path)
    assert counts_of(pipeline) == counts_of(whole)
    ours, theirs = pipeline.decoding.following.streams, whole.decoding.following.streams
    assert (ours.repeated_bytes, ours.waiting_bytes) == (theirs.repeated_bytes, theirs.waiting_bytes)


def test_a_state_is_as_large_as_what_it_holds() -> None:
    """Tables take a hundred megabytes by default; a checkpoint every few seconds must not."""
    pipeline = Pipeline(shipped_rules())
    assert len(pickle.dumps(pipeline.state())) < 11 * 2**20
    for batch in open_source([str(SCENARIOS / "minute-attack" / "capture.pcap")]).batches():
        pipeline.process(batch)
    assert len(pickle.dumps(pipeline.state())) < 14 * 2**20


def test_a_state_of_other_ceilings_is_refused() -> None:
    state = pickle.loads(pickle.dumps(Pipeline(shipped_rules(), SETTINGS).state()))
    with pytest.raises(UnfitState, match="other ceilings"):
        Pipeline(shipped_rules()).restore(state)
    state["decoding"]["following"]["readers"]["other"] = []
    with pytest.raises(UnfitState, match="other protocols"):
        Pipeline(shipped_rules(), SETTINGS).restore(state)


@given(st.integers(0, 5 * BLOCK_BYTES), st.lists(st.integers(0, 5 * BLOCK_BYTES), max_size=6))
def test_every_byte_comes_back_and_empty_blocks_take_no_room(length: int, places: list[int]) -> None:
    data = np.zeros(length, np.uint8)
    data[[place for place in places if place < length]] = 7
    (part,) = saved([data])
    assert sum(len(content) for _, content in part.runs) <= BLOCK_BYTES * len(
        {place // BLOCK_BYTES for place in places}
    )
    rebuilt = np.full(length, 9, np.uint8)
    put_back([part], [rebuilt])
    assert (rebuilt == data).all()
