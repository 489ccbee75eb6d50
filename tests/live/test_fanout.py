"""Workers that share a live interface by Linux's fanout: together they alert as a replay of a recording of it does.

Each test starts the real daemon on a cable between two namespaces.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from detector.errors import InputErrors
from detector.service.config import read_config
from tests.live.network import network
from tests.live.test_daemon import ended, of_recording, recorded, seen, sensor
from tests.runs import SCENARIOS, pcap_bytes
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.test_workers import children_of, server_of, workers_of
from tests.service.writes import RULE, write_rule, writes

FED: dict[str, Any] = {"workers": 2, "feed": "fanout"}
LATE = RULE.replace("every write", "one write").replace("7a01", "7a02").replace("Every", "Another")
OTHER = "---\n" + LATE


def capture_of(folder: Path, count: int, first: int = 0) -> Path:
    """Writes from many stations: many flows."""
    path = folder / f"writes{first}.pcap"
    frames = writes(count, first=first)
    path.write_bytes(pcap_bytes([(time_ns, spread(frame, n)) for n, (time_ns, frame) in enumerate(frames)]))
    return path


def spread(frame: bytes, number: int) -> bytes:
    """The same with one of 50 source ports: another flow."""
    return frame[:34] + (40000 + number % 50).to_bytes(2, "big") + frame[36:]


def accounted(daemon: RunningDaemon) -> int:
    """Packets that were judged, or dropped and counted."""
    counts = seen(daemon)
    return int(counts["packets"]) + sum(counts["dropped"].values())


def test_alerts_are_those_of_the_recording_and_the_work_is_shared(tmp_path: Path) -> None:
    """An attack whose rules count over flows, and then writes that alert one by one."""
    with network() as cable, sensor(cable, tmp_path, **FED) as daemon:
        with recorded(cable, tmp_path / "recording.pcap"):
            packets = cable.replay(SCENARIOS / "minute-attack" / "capture.pcap", "--multiplier", "20").packets
        found = ended(daemon, packets)
    expected = of_recording(tmp_path / "recording.pcap")
    assert set(ids_of(found)) == set(ids_of(expected)) and found
    assert len(found) == len(expected)


def test_every_flow_is_somebodys_through_reloads_and_a_restart(tmp_path: Path) -> None:
    """Rules are exchanged while packets come: each packet is judged once, by one set of rules."""
    rule = write_rule(tmp_path)
    total = 0
    with network() as cable, sensor(cable, tmp_path, rules=[str(rule)], **FED) as daemon:
        with recorded(cable, tmp_path / "recording.pcap"):
            capture = capture_of(tmp_path, 6000)
            sending = cable.start_replay(capture, "--pps", "3000")
            for number in range(3):
                rule.write_text(RULE.replace("every write", f"write, {number}") + f"# {number}\n")
                assert daemon.ask("reload")["result"] in ("ok", "unchanged")
            assert sending.wait(30) == 0
            sending.communicate()
            total += 6000
            until(lambda: seen(daemon)["packets"] == total, 30, "all to be judged")
            busy = [cpu_ticks(pid) for pid in workers_of(daemon)]
        daemon.ask("checkpoint")
        assert daemon.stop() == 0, daemon.log_text()
        found = lines_of(tmp_path / "alerts.jsonl")
        with daemon.start():
            assert "state begins anew" not in daemon.log_text()
            total = cable.replay(capture_of(tmp_path, 500, first=6000)).packets
            again = ended(daemon, total)
    assert len(busy) == 2 and min(busy) > 0
    assert sorted(ids_of(found)) == sorted(ids_of(of_recording(tmp_path / "recording.pcap", [rule])))
    assert len(again) == len(found) + 500


def cpu_ticks(pid: int) -> int:
    """Time that a process has worked, in ticks."""
    words = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(words[11]) + int(words[12])


def test_a_worker_that_is_killed_or_stands_still(tmp_path: Path) -> None:
    """Another takes its place, and what was lost is counted as far as anybody knows; others do not wait for one that hangs."""
    with network() as cable, sensor(cable, tmp_path, rules=[str(write_rule(tmp_path))], **FED) as daemon:
        first, second = workers_of(daemon)
        os.kill(first, signal.SIGSTOP)
        packets = cable.replay(capture_of(tmp_path, 2000), "--pps", "4000").packets
        until(lambda: daemon.metric("detector_alerts_total") > 0, 20, "alerts of the other")
        os.kill(first, signal.SIGCONT)
        until(lambda: accounted(daemon) == packets, 30, "all to be judged")
        until(lambda: daemon.metric("detector_alerts_total") == packets, 20, "all to alert")
        os.kill(second, signal.SIGKILL)
        until(lambda: "worker 1 died" in daemon.log_text() or "worker 0 died" in daemon.log_text(), 20, "it to be noticed")
        until(lambda: len(workers_of(daemon)) == 2, 20, "another one")
        until(lambda: daemon.metric("detector_worker_restarts_total") == 1, 20, "it to be counted")
        before = accounted(daemon)
        cable.replay(capture_of(tmp_path, 1000, first=2000), "--pps", "4000")
        until(lambda: accounted(daemon) >= before + 900, 30, "packets to come in again")
        counts = seen(daemon)
        assert daemon.stop() == 0, daemon.log_text()
    assert len(lines_of(tmp_path / "alerts.jsonl")) == counts["packets"]


def test_privileges_are_given_up_and_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with network() as cable:
        daemon = RunningDaemon(tmp_path, {
            "sources": [{"interface": {"name": "mirror9"}}], "rules": [str(write_rule(tmp_path))],
            "alerts": [{"jsonl": {"path": str(tmp_path / "alerts.jsonl")}}], **FED,
        }, namespace=cable.sensor.namespace)  # fmt: skip
        with daemon.start(wait=False):
            assert daemon.process.wait(60) == 2
            assert "there is no network interface 'mirror9'" in daemon.log_text()
        assert children_of(os.getpid()) is not None
        with sensor(cable, tmp_path, rules=[str(write_rule(tmp_path))], **FED) as running:
            assert server_of(running)
            packets = cable.replay(capture_of(tmp_path, 300)).packets
            assert len(ended(running, packets)) == packets


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("feed: fanout\nworkers: 2\nsources: [{folder: {path: /tmp}}]\n", "needs interfaces with capture: ring"),
        ("feed: fanout\nsources: [{interface: {name: eth1}}]\n", "and there is one"),
    ],
)
def test_where_it_cannot_be(text: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "detector.yml").write_text(text)
    with pytest.raises(InputErrors, match=problem):
        read_config(tmp_path / "detector.yml", {})
