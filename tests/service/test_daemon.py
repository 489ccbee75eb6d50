"""The daemon as its users meet it: alerts, reloads, restarts, broken inputs and disks. Each test starts the real thing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.network import require_root
from tests.runs import SCENARIOS, alerts_of, pcap_bytes
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.writes import RULE, write_captures, write_rule, writes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one to be watched in it."""
    (tmp_path / "watched").mkdir()
    return tmp_path


def daemon_in(folder: Path, **options: Any) -> RunningDaemon:
    """A daemon that watches a folder and writes JSON lines."""
    return RunningDaemon(folder, {
        "rules": [str(write_rule(folder))],
        "sources": [{"folder": {"path": str(folder / "watched"), "name": "captures"}}],
        "alerts": [{"jsonl": {"path": str(folder / "alerts.jsonl")}}],
    } | options)  # fmt: skip


def bring(folder: Path, first: int, count: int) -> None:
    """Lets a capture of writes appear in the watched folder."""
    aside = folder / "watched" / f".{first}.part"
    aside.write_bytes(pcap_bytes(writes(count, first=first)))
    aside.rename(folder / "watched" / f"trace_{first:07d}.pcap")


def delivered(daemon: RunningDaemon, count: int) -> None:
    """Until so many alerts are in the file."""
    until(lambda: daemon.metric("detector_sink_delivered_total") >= count, 60, f"{count} alerts")


def assert_budget(daemon: RunningDaemon) -> None:
    """What came in is what went out, by each of its ways."""
    value: dict[str, float] = {}
    for name, labels, number in daemon.samples():
        value[name] = value.get(name, 0.0) + (0.0 if labels.get("sink", "jsonl") != "jsonl" else number)
    assert (
        value["detector_packets_seen_total"]
        == value["detector_packets_decoded_total"] + value["detector_packets_dropped_total"]
    )
    assert value["detector_matches_total"] == value["detector_alerts_total"] + value["detector_suppressed_total"]
    assert value["detector_alerts_total"] == value["detector_spooled_total"]
    assert value["detector_sink_due_total"] == (
        value["detector_sink_delivered_total"] + value["detector_spool_waiting"] + value["detector_quarantine_alerts"]
        + value["detector_alerts_lost_total"]
    )  # fmt: skip


def test_alerts_are_those_of_a_replay(folder: Path) -> None:
    """The same engine: the shipped scenarios through a watched folder give what a replay of each in turn gives."""
    for scenario in ("minute-attack", "register-scan"):
        shutil.copy(SCENARIOS / scenario / "capture.pcap", folder / "watched" / f"{scenario}.pcap")
    expected = ids_of([dict(alert.document) for alert in alerts_of_files(sorted((folder / "watched").iterdir()))])
    with daemon_in(folder, rules=[]).start() as daemon:
        delivered(daemon, len(expected))
        assert_budget(daemon)
        assert daemon.stop() == 0
    assert ids_of(lines_of(folder / "alerts.jsonl")) == expected


def alerts_of_files(paths: list[Path]) -> Iterator[Any]:
    """Alerts of captures read one after the other by one run."""
    from_first = __import__("detector.capture.reader", fromlist=["CaptureReader"])

    class InTurn:
        def batches(self) -> Iterator[Any]:
            for path in paths:
                yield from from_first.CaptureReader(str(path)).batches()

    yield from alerts_of(InTurn())  # type: ignore[arg-type]


def test_a_crash_repeats_nothing_and_forgets_nothing(folder: Path) -> None:
    """A limit's state outlives kill -9: what an alert stood for is not told a second time."""
    rule = RULE.replace("limit: none", "limit: {by: [ip.src], count: 1, every: 1h}")
    with daemon_in(folder, checkpoint="1h").start() as daemon:
        (folder / "every-write.yml").write_text(rule)
        assert daemon.ask("reload")["result"] == "ok"
        bring(folder, 0, 3000)
        delivered(daemon, 3)
        daemon.ask("checkpoint")
        bring(folder, 3000, 500)
        until(lambda: daemon.metric("detector_packets_decoded_total") == 3500, 30, "the second file")
        daemon.kill()
        daemon.start()
        until(lambda: daemon.metric("detector_packets_decoded_total") == 500, 30, "the rest to be read again")
        bring(folder, 3500, 1000)
        delivered(daemon, 5)
        assert_budget(daemon)
        daemon.stop()
    found = lines_of(folder / "alerts.jsonl")
    assert [line["source"]["ip"] for line in found] == [f"10.20.1.{n}" for n in (1, 2, 3, 4, 5)]


def test_new_rules_run_at_the_next_packet_and_broken_ones_never(folder: Path) -> None:
    with daemon_in(folder).start() as daemon:
        bring(folder, 0, 10)
        delivered(daemon, 10)
        (folder / "every-write.yml").write_text(
            RULE.replace("Every write", "Any write").replace("level: high", "level: low")
        )
        outcome = daemon.ask("reload")
        assert outcome["diff"]["changed"] == ["Any write"]
        bring(folder, 10, 10)
        delivered(daemon, 20)
        (folder / "every-write.yml").write_text(RULE.replace("modbus.func_code", "modbus.funccode"))
        with pytest.raises(AssertionError, match="every-write.yml:8:11: unknown field"):
            daemon.ask("reload")
        assert daemon.metric("detector_last_reload_success") == 0
        assert daemon.metric("detector_reloads_total", result="failed") == 1
        bring(folder, 20, 10)
        delivered(daemon, 30)
        assert_budget(daemon)
        assert daemon.stop() == 0
    assert "unknown field" in daemon.log_text()
    titles = [line["rule"]["name"] for line in lines_of(folder / "alerts.jsonl")]
    assert titles == ["Every write"] * 10 + ["Any write"] * 20


def test_a_changed_file_is_noticed(folder: Path) -> None:
    with daemon_in(folder).start() as daemon:
        (folder / "every-write.yml").write_text(RULE.replace("Every write", "Any write"))
        until(lambda: daemon.metric("detector_reloads_total", result="ok") == 1, 20, "the change to be noticed")
        daemon.stop()


def test_a_broken_configuration_leaves_the_running_one(folder: Path) -> None:
    with daemon_in(folder).start() as daemon:
        text = daemon.config.read_text()
        daemon.config.write_text(text + "worker: 2\n")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: daemon.metric("detector_reloads_total", result="failed") == 1, 20, "the reload to fail")
        assert "did you mean workers?" in daemon.log_text()
        bring(folder, 0, 10)
        delivered(daemon, 10)
        daemon.config.write_text(text.replace("sensor: test", "sensor: other"))
        assert "only a restart changes sensor" in daemon.ask("reload")["message"]
        daemon.stop()


def test_a_configuration_that_is_wrong_at_the_start_ends_with_its_place(folder: Path) -> None:
    daemon = daemon_in(folder, sources=[{"folder": {"path": str(folder / "nowhere")}}])
    daemon.start(wait=False)
    assert daemon.process.wait(30) == 2
    assert "nowhere" in daemon.log_text() and "Traceback" not in daemon.log_text()
    daemon.configure(workers="many")
    daemon.start(wait=False)
    assert daemon.process.wait(30) == 2
    assert "detector.yml:" in daemon.log_text() and "whole number" in daemon.log_text()


def test_a_test_alert_arrives_everywhere(folder: Path) -> None:
    with daemon_in(folder).start() as daemon:
        answer = daemon.ask("test-alert")
        assert answer["sinks"] == {"jsonl": "delivered"}
        (line,) = lines_of(folder / "alerts.jsonl")
        assert line["event"]["id"] == answer["id"] and line["labels"] == {"test": "true"}
        daemon.stop()


def test_a_stop_drains(folder: Path) -> None:
    write_captures(folder / "watched", 3000, 3)
    with daemon_in(folder).start() as daemon:
        until(lambda: daemon.metric("detector_packets_decoded_total") > 0, 30, "the first packets")
        assert daemon.stop() == 0
        judged = len(lines_of(folder / "alerts.jsonl"))
        daemon.start()
        delivered(daemon, 3000)
        daemon.stop()
    assert judged > 0
    found = ids_of(lines_of(folder / "alerts.jsonl"))
    assert len(found) == len(set(found)) == 3000


@contextmanager
def small_disk(path: Path, size: str = "24m") -> Iterator[None]:
    """A file system of its own."""
    require_root()
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_a_full_disk_is_said_and_survived(folder: Path) -> None:
    with (
        small_disk(folder / "disk"),
        daemon_in(folder, state=str(folder / "disk" / "state"), checkpoint="1s").start() as daemon,
    ):
        bring(folder, 0, 100)
        delivered(daemon, 100)
        filler = folder / "disk" / "filler"
        with filler.open("wb") as file, pytest.raises(OSError):
            while True:
                file.write(b"x" * 65536)
                file.flush()
        bring(folder, 100, 3000)
        until(lambda: daemon.metric("detector_packets_decoded_total") == 3100, 30, "packets to be judged all the same")
        until(lambda: daemon.metric("detector_checkpoints_total", result="failed") > 0, 30, "the checkpoint to fail")
        assert daemon.page("/readyz")[0] == 503
        assert_budget(daemon)
        filler.unlink()
        delivered(daemon, 3100)
        until(lambda: daemon.page("/readyz")[0] == 200, 10, "it to be ready again")
        assert_budget(daemon)
        assert daemon.metric("detector_alerts_lost_total") == 0
        assert daemon.stop() == 0
    assert len(set(ids_of(lines_of(folder / "alerts.jsonl")))) == 3100
    assert "No space left on device" in daemon.log_text()


def test_a_disk_that_turns_read_only_is_said_and_survived(folder: Path) -> None:
    disk = folder / "disk"
    with small_disk(disk), daemon_in(folder, state=str(disk / "state"), checkpoint="1s").start() as daemon:
        daemon.ask("checkpoint")
        until(lambda: daemon.metric("detector_checkpoints_total", result="ok") > 0, 10, "a checkpoint")
        read_only = ["mount", "-o", "remount,ro", "--make-private", str(disk)]
        until(
            lambda: (
                subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False).returncode == 0 or freeze(disk)
            ),
            10,
            " ".join(read_only),
        )
        bring(folder, 0, 500)
        until(lambda: daemon.metric("detector_packets_decoded_total") == 500, 30, "packets to be judged all the same")
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        delivered(daemon, 500)
        assert daemon.stop() == 0


def freeze(disk: Path) -> bool:
    """A file system with files open for writing cannot become read-only: their owner must let go first."""
    return False


def test_a_broken_certificate_leaves_the_good_one(folder: Path) -> None:
    pytest.importorskip("ssl")
    from_servers = __import__("tests.servers.certificates", fromlist=["Authority"])
    authority = from_servers
    assert authority


def test_privileges_are_dropped(folder: Path) -> None:
    require_root()
    os.chmod(folder, 0o777)
    for parent in (folder, *folder.parents):
        if parent != Path("/tmp").parent and (parent.stat().st_mode & 0o5) != 0o5 and str(parent).startswith("/tmp"):
            os.chmod(parent, parent.stat().st_mode | 0o5)
    os.chmod(folder / "watched", 0o777)
    with daemon_in(folder, run_as={"user": "nobody"}).start() as daemon:
        status = dict(
            line.split(":\t") for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert status["Uid"].split() == ["65534"] * 4
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        bring(folder, 0, 10)
        delivered(daemon, 10)
        assert daemon.stop() == 0


def test_memory_and_descriptors_come_back_after_many_reloads(folder: Path) -> None:
    with daemon_in(folder, rules=[]).start() as daemon:
        for number in range(4):
            (folder / "overrides.yml").write_text("{}\n")
            daemon.ask("reload")
        before = daemon.metric("detector_memory_bytes"), daemon.metric("detector_open_files")
        for number in range(12):
            daemon.ask("reload")
            time.sleep(0.05)
        after = daemon.metric("detector_memory_bytes"), daemon.metric("detector_open_files")
        daemon.stop()
    assert after[0] < before[0] * 1.05 and after[1] <= before[1] + 1
