"""The daemon as its users meet it: alerts, reloads, restarts, broken inputs and disks. Each test starts the real thing."""

from __future__ import annotations

import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from detector.capture.batch import Batch
from detector.capture.reader import CaptureReader
from tests.differential.tshark import require_tool
from tests.live.network import network, require_root
from tests.runs import SCENARIOS, alerts_of, pcap_bytes
from tests.servers.certificates import Authority
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
    captures = InTurn(sorted((folder / "watched").iterdir()))
    expected = ids_of([dict(alert.document) for alert in alerts_of(captures)])  # type: ignore[arg-type]
    with daemon_in(folder, rules=[]).start() as daemon:
        delivered(daemon, len(expected))
        assert_budget(daemon)
        assert daemon.stop() == 0
    assert ids_of(lines_of(folder / "alerts.jsonl")) == expected


class InTurn:
    """Captures read one after the other, as from a watched folder."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def batches(self) -> Iterator[Batch]:
        for path in self._paths:
            yield from CaptureReader(str(path)).batches()


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
        with pytest.raises(AssertionError, match=r"every-write\.yml:7:11: unknown field"):
            daemon.ask("reload")
        until(lambda: daemon.metric("detector_last_reload_success") == 0, 10, "the metric to say so")
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


@contextmanager
def failing_disk(folder: Path) -> Iterator[tuple[Path, Callable[[], None]]]:
    """An ext4 file system, and what makes it read-only as an error of the disk does, with files open for writing."""
    require_root()
    image, disk = folder / "disk.image", folder / "disk"
    image.write_bytes(bytes(48 * 2**20))
    disk.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    subprocess.run(["mount", "-o", "loop,errors=remount-ro", str(image), str(disk)], check=True)
    try:
        said = subprocess.run(["losetup", "-j", str(image)], check=True, capture_output=True, text=True).stdout
        device = Path(said.split(":")[0]).name
        yield disk, lambda: Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("broken by a test\n") and None
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_disk_that_turns_read_only_is_said_and_survived(folder: Path) -> None:
    with (
        failing_disk(folder) as (disk, fail),
        daemon_in(folder, state=str(disk / "state"), checkpoint="1s").start() as daemon,
    ):
        bring(folder, 0, 100)
        delivered(daemon, 100)
        until(lambda: daemon.metric("detector_checkpoints_total", result="ok") > 0, 10, "a checkpoint")
        fail()
        bring(folder, 100, 400)
        until(lambda: daemon.metric("detector_packets_decoded_total") == 500, 30, "packets to be judged all the same")
        until(lambda: daemon.metric("detector_checkpoints_total", result="failed") > 0, 10, "a checkpoint to fail")
        assert daemon.page("/readyz")[0] == 503
        assert_budget(daemon)
        assert daemon.stop() == 0
    assert "Read-only file system" in daemon.log_text()
    assert "400 alerts could not be written and are lost" in daemon.log_text()


def test_a_broken_certificate_leaves_the_good_one(folder: Path) -> None:
    require_tool("openssl")
    authority = Authority(folder / "ca")
    pair = authority.issue("metrics")
    daemon = daemon_in(folder)
    daemon.options["metrics"] |= {"certificate": str(pair.certificate), "key": str(pair.key)}
    context = ssl.create_default_context(cafile=str(authority.certificate))

    def scraped() -> bool:
        with urllib.request.urlopen(f"https://127.0.0.1:{daemon.port}/metrics", timeout=10, context=context) as answer:
            return "detector_build_info" in answer.read().decode()

    with daemon.start():
        assert scraped()
        pair.certificate.write_text("no certificate")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "the one from before stays" in daemon.log_text(), 20, "it to be said")
        assert scraped()
        assert daemon.stop() == 0


def test_privileges_are_dropped(folder: Path) -> None:
    """No capability is left, and a reconnect goes through the opener."""
    require_root()
    with tempfile.TemporaryDirectory() as name, network() as cable:
        home = Path(name)
        (home / "watched").mkdir()
        daemon = daemon_in(
            home, run_as={"user": "nobody"}, rules=[], sources=[{"interface": {"name": cable.sensor.interface}}]
        )
        daemon.namespace = cable.sensor.namespace
        shutil.chown(home, "nobody")
        with daemon.start():
            status = dict(
                line.split(":\t")
                for line in Path(f"/proc/{daemon.pid}/status").read_text().splitlines()
                if ":\t" in line
            )
            assert status["Uid"].split() == ["65534"] * 4
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapInh"], 16) == 0
            assert status["NoNewPrivs"] == "1"
            cable.disconnect()
            until(lambda: not daemon.ask("status")["sources"][0]["up"], 20, "the interface to be missed")
            cable.connect()
            until(lambda: daemon.ask("status")["sources"][0]["up"], 20, "the interface to be found again")
            cable.replay(SCENARIOS / "minute-attack" / "capture.pcap")
            delivered(daemon, 1)
            assert daemon.ask("status")["sources"][0]["reconnects"] == 1
            assert daemon.stop() == 0


def test_under_overload_rules_go_by_the_written_order_and_come_back(folder: Path) -> None:
    """Each is named and what it did not see is counted; while another rule runs, none of level critical goes."""
    capture = folder / "traffic.pcap"
    capture.write_bytes(pcap_bytes(writes(20_000)))
    with network() as cable:
        daemon = daemon_in(folder, sources=[{"interface": {"name": cable.sensor.interface}}],
                           overload={"lag": "300ms", "after": "0s", "recover": "1s"})  # fmt: skip
        daemon.namespace = cable.sensor.namespace
        (folder / "grave.yml").write_text(RULE.replace("Every write", "A grave write").replace("7a01", "7a02")
                                          .replace("level: high", "level: critical").replace("limit: none", "limit: {count: 1, every: 1h}"))  # fmt: skip
        daemon.options["rules"] = [str(folder / "every-write.yml"), str(folder / "grave.yml")]
        with daemon.start():
            sending = cable.start_replay(capture, "--pps", "2000", "--loop", "1")
            until(lambda: daemon.metric("detector_packets_decoded_total") > 0, 20, "the first packets")
            daemon.process.send_signal(signal.SIGSTOP)
            time.sleep(1.5)
            daemon.process.send_signal(signal.SIGCONT)
            until(lambda: "rule off: Every write" in daemon.log_text(), 20, "a rule to be switched off")
            until(lambda: "rule on again: Every write" in daemon.log_text(), 30, "it to come back")
            sending.communicate(timeout=60)
            until(lambda: daemon.metric("detector_overload_level") == 0, 10, "the metric to say so")
            unseen = daemon.metric("detector_rule_shed_rows_total", title="Every write")
            matched = daemon.metric("detector_matches_total", title="Every write")
            assert unseen > 0 and unseen + matched == daemon.metric("detector_packets_decoded_total")
            assert daemon.stop() == 0
    runs = True  # of the other rule, line by line of the log; a busy machine can need a second step
    for line in daemon.log_text().splitlines():
        runs = "rule on again: Every write" in line or (runs and "rule off: Every write" not in line)
        assert not (runs and "rule off: A grave write" in line), line
    assert "rule off: Every write" in daemon.log_text()


def test_memory_and_descriptors_come_back_after_many_reloads(folder: Path) -> None:
    with daemon_in(folder, rules=[]).start() as daemon:
        for _ in range(4):
            (folder / "overrides.yml").write_text("{}\n")
            daemon.ask("reload")
        before = daemon.metric("detector_memory_bytes"), daemon.metric("detector_open_files")
        for _ in range(12):
            daemon.ask("reload")
            time.sleep(0.05)
        after = daemon.metric("detector_memory_bytes"), daemon.metric("detector_open_files")
        daemon.stop()
    assert after[0] < before[0] * 1.05 and after[1] <= before[1] + 1
