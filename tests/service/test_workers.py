"""The daemon with several workers: the alerts of one, and nothing hidden where a worker dies. Each test starts the real thing."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live.network import network, require_root
from tests.live.test_daemon import ended, of_recording, recorded
from tests.runs import SCENARIOS
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.test_daemon import assert_budget, bring, daemon_in, delivered
from tests.service.writes import RULE

LIMITED = RULE.replace("limit: none", "limit: {by: [ip.src], count: 1, every: 1h}")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one to be watched in it."""
    (tmp_path / "watched").mkdir()
    return tmp_path


def children_of(pid: int) -> list[int]:
    """Processes that a process has started."""
    found: list[int] = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


def is_running(pid: int) -> bool:
    """Whether a process is there and not merely waiting to be reaped."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def server_of(daemon: RunningDaemon) -> int:
    """The process that workers are forked from."""
    return next(child for child in children_of(daemon.pid) if children_of(child))


def workers_of(daemon: RunningDaemon) -> list[int]:
    """Process ids of the workers."""
    return [child for child in children_of(server_of(daemon)) if is_running(child)]


def judged(daemon: RunningDaemon, packets: int) -> None:
    """Until so many packets, each of which matches, were judged or lost."""
    names = ("detector_matches_total", "detector_packets_dropped_total")
    until(lambda: sum(map(daemon.metric, names)) == packets, 60, f"{packets} packets to be judged")


def test_the_alerts_of_one_worker_also_after_a_restart(folder: Path) -> None:
    """Byte for byte; limits go on over a crash. With another number of workers state begins anew, and nothing is doubled."""
    made = []
    for workers in (1, 3):
        home = folder / str(workers)
        (home / "watched").mkdir(parents=True)
        (home / "every-write.yml").write_text(LIMITED)
        with daemon_in(home, workers=workers, checkpoint="1h").start() as daemon:
            (home / "every-write.yml").write_text(LIMITED)
            assert daemon.ask("reload")["result"] == "ok"
            bring(home, 0, 2500)
            judged(daemon, 2500)
            daemon.ask("checkpoint")
            bring(home, 2500, 1000)
            judged(daemon, 3500)
            daemon.kill()
            daemon.start()
            judged(daemon, 1000)
            bring(home, 3500, 1000)
            delivered(daemon, 5)
            assert_budget(daemon)
            assert daemon.stop() == 0
            made.append((home / "alerts.jsonl").read_bytes().replace(bytes(home), b""))
    assert made[0] == made[1] and made[0].count(b"\n") == 5
    daemon.configure(workers=2)
    with daemon.start():
        bring(home, 4500, 1000)
        delivered(daemon, 7)
        assert "made with 3 workers, and there are 2 now" in daemon.log_text()
        assert daemon.stop() == 0
    sources = [line["source"]["ip"] for line in lines_of(home / "alerts.jsonl")]
    assert sources == [f"10.20.1.{n}" for n in (1, 2, 3, 4, 5, 5, 6)], "10.20.1.5 is told again: its limit is not known"
    assert len(set(ids_of(lines_of(home / "alerts.jsonl")))) == 7


def test_a_worker_that_dies_is_counted_and_replaced(folder: Path) -> None:
    """Killed in the middle of its work: what it had not handed on is lost, and said; everything else arrives."""
    with daemon_in(folder, workers=3).start() as daemon:
        for number in range(4):
            bring(folder, number * 4000, 4000)
        until(lambda: daemon.metric("detector_alerts_total") > 0, 60, "the first alerts")
        os.kill(workers_of(daemon)[0], signal.SIGKILL)
        judged(daemon, 16000)
        until(lambda: len(workers_of(daemon)) == 3, 20, "another one")
        os.kill(server_of(daemon), signal.SIGKILL)  # where workers come from: another one comes with the next worker
        bring(folder, 16000, 1000)
        judged(daemon, 17000)
        assert_budget(daemon)
        lost = daemon.metric("detector_packets_dropped_total", cause="worker")
        assert daemon.metric("detector_alerts_total") == 17000 - lost
        restarts = daemon.metric("detector_worker_restarts_total")
        status = daemon.ask("status")
        assert status["workers"] == {"count": 3, "restarts": restarts} and restarts >= 1
        assert status["sources"][0]["dropped"].get("worker", 0) == lost
        assert "worker 0 died (exit code -9) and is started anew" in daemon.log_text()
        assert daemon.stop() == 0
    assert len(set(ids_of(lines_of(folder / "alerts.jsonl")))) == 17000 - lost


def test_nobody_is_left_behind_and_nobody_has_privileges(folder: Path) -> None:
    """Workers are asked to reload, one dies, at last the daemon is killed: nobody outlives it."""
    require_root()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        (home / "watched").mkdir()
        daemon = daemon_in(home, run_as={"user": "nobody"}, workers=2)
        for path in (home, home / "watched"):
            shutil.chown(path, "nobody")
        with daemon.start():
            server, workers = server_of(daemon), workers_of(daemon)
            for pid in (daemon.pid, server, *workers):
                lines = Path(f"/proc/{pid}/status").read_text().splitlines()
                status = dict(line.split(":\t") for line in lines if ":\t" in line)
                assert status["Uid"].split() == ["65534"] * 4 and status["NoNewPrivs"] == "1"
                assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapInh"], 16) == 0
            one = Path(f"/proc/{workers[0]}/statm").read_text().split()
            assert daemon.metric("detector_memory_bytes") > 2 * int(one[1]) * os.sysconf("SC_PAGE_SIZE")
            for pid in (*workers, daemon.pid):
                os.kill(pid, signal.SIGHUP)
            until(lambda: "rules are loaded: SIGHUP" in daemon.log_text(), 20, "a reload")
            os.kill(workers[0], signal.SIGKILL)
            until(lambda: daemon.metric("detector_worker_restarts_total") > 0, 20, "another worker")
            bring(home, 0, 500)
            delivered(daemon, 500)
            assert daemon.metric("detector_worker_restarts_total") == 1, "a reload ends no worker"
            bring(home, 500, 500)
            delivered(daemon, 1000)
            assert not daemon.ask("status")["rules"]["errors"]
            everybody = [server, *workers, *workers_of(daemon)]
            daemon.kill()
            until(lambda: not any(map(is_running, everybody)), 20, "all to end")


def test_live_capture_alerts_as_the_recording(tmp_path: Path) -> None:
    with network() as cable:
        daemon = RunningDaemon(tmp_path, {
            "workers": 2, "sources": [{"interface": {"name": cable.sensor.interface}}],
            "alerts": [{"jsonl": {"path": str(tmp_path / "alerts.jsonl")}}],
        }, namespace=cable.sensor.namespace)  # fmt: skip
        with daemon.start():
            with recorded(cable, tmp_path / "recording.pcap"):
                capture = SCENARIOS / "minute-attack" / "capture.pcap"
                packets = cable.replay(capture, "--multiplier", "20").packets
            time.sleep(0.5)
            found = ended(daemon, packets)
    assert ids_of(found) == ids_of(of_recording(tmp_path / "recording.pcap"))
    assert found
