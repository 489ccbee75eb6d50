"""Workers that share a live interface by Linux's fanout: together they alert as a replay of a recording of it does.

Each test starts the real daemon on a cable between two namespaces.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from detector.capture.interface import InterfaceSettings
from detector.pipeline import PipelineSettings
from detector.rules.model import Ruleset
from detector.workers import fanout
from tests.live.network import network, require_root
from tests.live.test_daemon import ended, of_recording, recorded, seen, sensor
from tests.runs import SCENARIOS, pcap_bytes
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.test_workers import server_of, workers_of
from tests.service.writes import RULE, write_rule, writes

FED: dict[str, Any] = {"workers": 2, "feed": "fanout"}
LIMITED = RULE.replace("limit: none", "limit: {by: [ip.dst], count: 1, every: 10ms}")


def capture_of(folder: Path, count: int, first: int = 0) -> Path:
    """Writes from many stations: many flows."""
    path = folder / f"writes{first}.pcap"
    frames = writes(count, first=first)
    path.write_bytes(pcap_bytes([(time_ns, spread(frame, n)) for n, (time_ns, frame) in enumerate(frames)]))
    return path


def spread(frame: bytes, number: int) -> bytes:
    """The same with one of 50 source ports: another flow."""
    return frame[:34] + (40000 + number % 50).to_bytes(2, "big") + frame[36:]


def settled(daemon: RunningDaemon) -> int:
    """What is accounted for when nothing comes any more."""
    before = -1
    while (now := accounted(daemon)) != before:
        before = now
        time.sleep(1.5)  # metrics are published twice a second
    return now


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
        daemon.ask("checkpoint")
        assert daemon.stop() == 0, daemon.log_text()
        found = lines_of(tmp_path / "alerts.jsonl")
        with daemon.start():
            assert "state begins anew" not in daemon.log_text()
            total = cable.replay(capture_of(tmp_path, 500, first=6000)).packets
            again = ended(daemon, total)
    assert sorted(ids_of(found)) == sorted(ids_of(of_recording(tmp_path / "recording.pcap", [rule])))
    assert len(again) == len(found) + 500


@pytest.mark.alone
def test_a_worker_that_is_killed_or_stands_still(tmp_path: Path) -> None:
    """Another takes its place, and what was lost is counted as far as anybody knows; others do not wait for one that hangs."""
    with network() as cable, sensor(cable, tmp_path, rules=[str(write_rule(tmp_path))], **FED) as daemon:
        first, second = workers_of(daemon)
        os.kill(first, signal.SIGSTOP)
        packets = cable.replay(capture_of(tmp_path, 2000), "--pps", "4000").packets
        until(lambda: daemon.metric("detector_alerts_total") > 0, 60, "alerts of the other")
        assert accounted(daemon) < packets, "half of the flows wait with the one that stands still"
        assert "is behind" in daemon.log_text()
        alerts = daemon.metric("detector_alerts_total")
        daemon.ask("checkpoint")
        cable.replay(capture_of(tmp_path, 500, first=9000), "--pps", "4000")
        until(lambda: daemon.metric("detector_alerts_total") > alerts, 20, "alerts behind a checkpoint that cannot be")
        assert "no checkpoint could be written" in daemon.log_text() and "has not answered" in daemon.log_text()
        packets += 500
        os.kill(first, signal.SIGCONT)
        until(lambda: accounted(daemon) == packets, 30, "all to be judged")
        until(lambda: daemon.metric("detector_alerts_total") == packets, 20, "all to alert")
        sending = cable.start_replay(capture_of(tmp_path, 4000, first=2000), "--pps", "2000")
        until(lambda: daemon.metric("detector_alerts_total") > packets, 20, "more alerts")
        os.kill(second, signal.SIGKILL)
        sending.communicate(timeout=30)
        until(lambda: len(workers_of(daemon)) == 2, 20, "another one")
        until(lambda: all(is_capturing(pid) for pid in workers_of(daemon)), 20, "it to capture")
        until(lambda: daemon.metric("detector_worker_restarts_total") == 1, 20, "it to be counted")
        before = settled(daemon)
        assert packets + 1000 < before <= packets + 4000
        cable.replay(capture_of(tmp_path, 1000, first=6000), "--pps", "4000")
        until(lambda: accounted(daemon) == before + 1000, 30, "packets to come in again")
        found = ("detector_alerts_total", "detector_matches_total")
        until(lambda: daemon.metric(found[0]) == daemon.metric(found[1]), 20, "it to add up")
        time.sleep(1)
        alerts, counts = daemon.metric(found[0]), seen(daemon)
        assert alerts == daemon.metric(found[1])
        # Of a batch that was lost with its worker, rows up to some clock may have alerted before.
        assert counts["packets"] <= alerts <= before + 1000, counts
        assert daemon.stop() == 0, daemon.log_text()
        assert "died (exit code -9) and is started anew" in daemon.log_text()
    assert len(set(ids_of(lines_of(tmp_path / "alerts.jsonl")))) == alerts


def test_without_privileges_and_in_the_order_of_time(tmp_path: Path) -> None:
    """A limit over all flows passes exactly the rows that it passes in the recording; a stop leaves nothing behind; a new
    worker has its socket opened by the process that may."""
    require_root()
    (tmp_path / "limited.yml").write_text(LIMITED)
    with tempfile.TemporaryDirectory() as name, network() as cable:
        home = Path(name)
        shutil.chown(home, "nobody")
        (home / "limited.yml").write_text(LIMITED)
        rules = [str(home / "limited.yml")]
        with sensor(cable, home, rules=rules, run_as={"user": "nobody"}, **FED) as daemon:
            for pid in (daemon.pid, server_of(daemon), *workers_of(daemon)):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                status = dict(line.split(":\t") for line in lines if ":\t" in line)
                assert status["Uid"].split() == ["65534"] * 4 and int(status["CapEff"], 16) == 0
            with recorded(cable, tmp_path / "recording.pcap"):
                assert cable.replay(capture_of(tmp_path, 3000), "--pps", "2000").packets == 3000
            until(lambda: accounted(daemon) == 3000, 30, "all to be judged")
            os.kill(workers_of(daemon)[0], signal.SIGKILL)
            until(lambda: daemon.metric("detector_worker_restarts_total") == 1, 20, "another one")
            until(lambda: all(is_capturing(pid) for pid in workers_of(daemon)), 20, "it to capture")
            with recorded(cable, tmp_path / "later.pcap"):
                cable.replay(capture_of(tmp_path, 400, first=3000))
                assert daemon.stop() == 0, daemon.log_text()
        found = lines_of(home / "alerts.jsonl")
    expected = of_recording(tmp_path / "recording.pcap", [Path(tmp_path / "limited.yml")])
    assert 20 < len(expected) < 1000
    assert ids_of(found)[: len(expected)] == ids_of(expected)
    assert len(found) > len(expected), "what came just before the stop is judged"


def is_capturing(pid: int) -> bool:
    """Whether a process has a packet socket."""
    links = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()]
    rings = Path(f"/proc/{pid}/net/packet").read_text()
    return any(link.startswith("socket:") and link[8:-1] in rings for link in links)


def test_an_interface_that_is_not_there_ends_the_start(tmp_path: Path) -> None:
    with network() as cable:
        daemon = RunningDaemon(tmp_path, {
            "sources": [{"interface": {"name": "miror0"}}], "rules": [str(write_rule(tmp_path))],
            "alerts": [{"jsonl": {"path": str(tmp_path / "alerts.jsonl")}}], **FED,
        }, namespace=cable.sensor.namespace)  # fmt: skip
        with daemon.start(wait=False):
            assert daemon.process.wait(60) == 2
        assert "there is no network interface 'miror0'" in daemon.log_text()
        assert "did you mean mirror0?" in daemon.log_text()


def test_one_that_says_nothing_any_more_gives_its_place_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some time in which it was listened to; the run goes on."""
    require_root()
    monkeypatch.setattr(fanout, "STUCK_SECONDS", 6.0)
    with fanout.FanoutRun(Ruleset(()), PipelineSettings(), 2, [InterfaceSettings("lo")]) as run:
        run.listen()
        stuck, other = run.pids
        os.kill(stuck, signal.SIGSTOP)
        end = time.monotonic() + 30
        for batch in run.batches():
            run.feed(batch)
            assert time.monotonic() < end, "the one that stands still is still waited for"
            if run.decoding.counts.worker_restarts:
                break
        assert run.pids[0] != stuck and run.pids[1] == other
        assert set(run.state()) and run.decoding.counts.worker_restarts == 1
