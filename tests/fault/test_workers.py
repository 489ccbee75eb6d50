"""Processes that are killed: a worker is replaced and what was lost is told; without its coordinator no worker stays."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detector.capture.batch import batch_of
from detector.capture.source import SourceReport
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from detector.pipeline import PipelineSettings
from detector.silence import reasons
from detector.workers import WorkerError, WorkerPipeline
from detector.workers.worker import shards_of
from tests.flows.frames import SYN, tcp
from tests.rules.written import loaded, selecting
from tests.runs import ROOT, SCENARIOS, VARIABLES, frames_of, pcap_bytes

SETTINGS = PipelineSettings(flows=FlowSettings(flows=16384))
FRAMES = [tcp((f"10.0.0.{n}", 40000), ("10.0.1.1", 80), SYN) for n in range(100)]
START = 1_714_550_400 * 10**9


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for something to become so."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def state_of(pid: int) -> str:
    """The process's letter of state; "" where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def is_gone(pid: int) -> bool:
    return state_of(pid) in ("", "Z", "X")


def descendants(pid: int) -> list[int]:
    """Processes below one."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def packets_of_worker(number: int) -> int:
    packets = PacketDecoder().decode(batch_of(FRAMES, range(100)))
    return int(shards_of(number, 2)[FlowTable(SETTINGS.flows).shards_of(packets)].sum())


def test_a_killed_worker_is_replaced_and_what_it_had_not_handed_on_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The others go on; of the batch that was under way its packets are missing, and no other's."""
    with (
        WorkerPipeline(loaded(tmp_path, selecting("{tcp: true}")), SETTINGS, 2) as pipeline,
        caplog.at_level(logging.ERROR),
    ):
        assert len(pipeline.feed(batch_of(FRAMES, [START] * 100)) + pipeline.finish()) == 100
        victim, other = pipeline.pids
        os.kill(victim, signal.SIGSTOP)  # so that it is certain not to have handed the next batch on
        until(lambda: state_of(victim) == "T")
        made = pipeline.feed(batch_of(FRAMES, [START + 1] * 100))
        os.kill(victim, signal.SIGKILL)
        made += pipeline.finish()
        lost = packets_of_worker(0)
        assert 0 < lost < 100 and len(made) == 100 - lost
        counts = pipeline.decoding.counts
        assert (counts.worker_restarts, counts.lost_packets) == (1, lost)
        assert pipeline.pids[1] == other and pipeline.pids[0] != victim
        made = pipeline.feed(batch_of(FRAMES, [START + 2] * 100)) + pipeline.finish()
        assert len(made) == 100, "the new one works"
        assert pipeline.decoding.flows.created == 100 + lost, "its flows began anew, those of the other went on"
        assert any(
            f"1 times a worker died and was started anew: {lost} packets" in said
            for said in reasons(pipeline, SourceReport())
        )
    assert any(f"{lost} packets were lost with it" in record.message for record in caplog.records)


def test_workers_killed_over_and_over_while_batches_are_under_way(tmp_path: Path) -> None:
    """No deadlock, no alert twice, none out of order; each packet alerts or is counted as lost."""
    ruleset = loaded(tmp_path, selecting("{tcp: true}"))
    chosen = np.random.default_rng(1)
    with WorkerPipeline(ruleset, SETTINGS, 3) as pipeline:
        made = []
        for n in range(60):
            made += pipeline.feed(batch_of(FRAMES, [START + n] * 100))
            if n % 10 == 3:
                os.kill(pipeline.pids[int(chosen.integers(3))], signal.SIGKILL)
        made += pipeline.finish()
        counts = pipeline.decoding.counts
        assert counts.worker_restarts == 6
        assert len(made) + counts.lost_packets == 6000
        times = [alert.time_ns for alert in made]
        assert times == sorted(times)
        assert len({alert.document["event"]["id"] for alert in made}) == len(made)


def test_a_worker_killed_while_its_state_is_asked_for(tmp_path: Path) -> None:
    with WorkerPipeline(loaded(tmp_path, selecting("{tcp: true}")), SETTINGS, 2) as pipeline:
        pipeline.feed(batch_of(FRAMES, [START] * 100))
        pipeline.finish()
        os.kill(pipeline.pids[1], signal.SIGKILL)
        assert len(pipeline.state()["following"]) == 2
        assert pipeline.decoding.counts.worker_restarts == 1


def test_workers_that_cannot_work_at_all_are_not_started_for_ever(tmp_path: Path) -> None:
    pipeline = WorkerPipeline(loaded(tmp_path, selecting("{tcp: true}")), SETTINGS, 1)
    pipeline._settings = "nonsense"  # type: ignore[assignment] # what each new worker is told to begin with
    os.kill(pipeline.pids[0], signal.SIGKILL)
    with pipeline, pytest.raises(WorkerError, match="in a row died"):
        for _ in range(20):
            pipeline.feed(batch_of(FRAMES, [START] * 100))
            pipeline.finish()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_worker_outlives_the_program(number: signal.Signals, tmp_path: Path) -> None:
    """Nor does anything stay in shared memory; where it may, the program ends with its summary."""
    frames = frames_of(SCENARIOS / "modbus-takeover" / "capture.pcap")
    growing, alerts = tmp_path / "capture.pcap", tmp_path / "alerts.jsonl"
    growing.write_bytes(pcap_bytes(frames))
    before = set(os.listdir("/dev/shm"))
    program = subprocess.Popen(
        [sys.executable, "-m", "detector", "replay", "--follow", str(growing), "--alerts", str(alerts), "--workers", "2",
         "--var", f"MODBUS_MASTERS={VARIABLES['MODBUS_MASTERS']}", "--rules", str(ROOT / "rules" / "modbus")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)  # fmt: skip
    try:
        ends_with_its_workers(program, number, alerts, len(frames))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        program.communicate(timeout=10)
    assert set(os.listdir("/dev/shm")) <= before


def ends_with_its_workers(program: subprocess.Popen[str], number: signal.Signals, alerts: Path, packets: int) -> None:
    """Sends the signal once there are alerts; sees the program and all below it go."""
    until(lambda: len(descendants(program.pid)) >= 3)
    until(lambda: alerts.exists() and alerts.read_bytes().count(b"\n") > 0)
    below = descendants(program.pid)
    for pid in (
        [program.pid, *below] if number != signal.SIGKILL else [program.pid]
    ):  # a terminal's Ctrl-C, systemd's stop
        os.kill(pid, number)
    out, _ = program.communicate(timeout=30)
    until(lambda: all(is_gone(pid) for pid in below), 20)
    if number != signal.SIGKILL:
        assert program.returncode == 0 and f"{packets:,} packets" in out and "worker died" not in out
