"""The daemon treated badly: streams that are closed, impatient signals, checkpoints that are no good, times and link types
that cannot be. Each test starts the real thing.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runs import ROOT, pcap_bytes
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.test_daemon import bring, daemon_in, delivered
from tests.service.writes import writes

CLOSED = """
import os, sys
for number in (0, 1, 2):
    os.close(number)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one to be watched in it."""
    (tmp_path / "watched").mkdir()
    return tmp_path


def test_a_daemon_without_standard_streams_harms_no_file(folder: Path) -> None:
    """The first files that it opens would be its standard error: a line of log in the spool or in the alerts."""
    daemon = daemon_in(folder)
    daemon.configure()
    words = [sys.executable, "-c", CLOSED, "-m", "detector", "run", "--config", str(daemon.config)]
    with daemon:
        daemon._process = subprocess.Popen(words, cwd=ROOT)
        daemon.wait_ready()
        for number in (0, 1, 2):
            assert os.readlink(f"/proc/{daemon.pid}/fd/{number}") == os.devnull
        bring(folder, 0, 50)
        delivered(daemon, 50)
        assert daemon.ask("reload")["result"] == "unchanged"
        assert daemon.stop() == 0
    assert len(lines_of(folder / "alerts.jsonl")) == 50


def test_signals_while_sinks_are_waited_for(folder: Path) -> None:
    """SIGHUP ends nothing; a second SIGTERM ends the wait, orderly; what is in the spool is delivered after the next start."""
    nowhere = {"webhook": {"url": "http://127.0.0.1:9/"}}
    daemon = daemon_in(folder, shutdown="10m", alerts=[nowhere, {"jsonl": {"path": str(folder / "alerts.jsonl")}}])
    with daemon.start():
        bring(folder, 0, 50)
        until(lambda: daemon.metric("detector_sink_delivered_total", sink="jsonl") == 50, 30, "alerts in the file")
        daemon.process.send_signal(signal.SIGTERM)
        until(lambda: not (folder / "control.sock").exists() or "reload" in daemon.ask("status"), 10, "it to stop")
        for _ in range(20):
            daemon.process.send_signal(signal.SIGHUP)
        with pytest.raises(subprocess.TimeoutExpired):
            daemon.process.wait(2)
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.process.wait(30) == 0
        assert "alerts are left in the spool" in daemon.log_text()
        assert not (folder / "control.sock").exists()
        daemon.configure(alerts=[{"jsonl": {"path": str(folder / "other.jsonl"), "name": "webhook"}}])
        with daemon.start():
            delivered(daemon, 50)
            assert daemon.stop() == 0
    assert ids_of(lines_of(folder / "other.jsonl")) == ids_of(lines_of(folder / "alerts.jsonl"))


def test_checkpoints_that_are_no_good_are_said_and_double_nothing(folder: Path) -> None:
    """Of a newer version, damaged, empty: everything is judged again, and nothing told a second time."""
    checkpoint = folder / "state" / "checkpoint"
    with daemon_in(folder).start() as daemon:
        bring(folder, 0, 50)
        delivered(daemon, 50)
        assert daemon.stop() == 0
        good = checkpoint.read_bytes()
        newer = good.replace(b"detector checkpoint 1\n", b"detector checkpoint 9\n")
        for data, said in ((newer, "no checkpoint of this version"), (good[:300] + b"?" + good[301:], "is damaged"), (b"", "no checkpoint")):  # fmt: skip
            checkpoint.write_bytes(data)
            daemon.log.unlink()
            daemon.start()
            until(lambda: daemon.metric("detector_packets_decoded_total") == 50, 20, "all to be judged again")
            assert said in daemon.log_text() and "state begins anew" in daemon.log_text()
            assert daemon.stop() == 0
    assert len(lines_of(folder / "alerts.jsonl")) == 50


def test_what_is_odd_about_packets_is_told_once(folder: Path) -> None:
    """A link type that cannot be decoded would blind every rule; a time far ahead stops limits and correlations."""
    with daemon_in(folder).start() as daemon:
        (folder / "watched" / "a.pcap").write_bytes(pcap_bytes(writes(5), link_type=147))
        (folder / "watched" / "b.pcap").write_bytes(pcap_bytes(writes(5, start_ns=4 * 10**18)))
        (folder / "watched" / "c.pcap").write_bytes(pcap_bytes(writes(5, start_ns=4 * 10**18 + 10**9)))
        until(lambda: daemon.metric("detector_packets_decoded_total") == 15, 20, "packets")
        until(lambda: "ahead of this machine's clock" in daemon.log_text(), 10, "the clock to be told")
        assert daemon.stop() == 0
    log = daemon.log_text()
    assert log.count("packets of link type 147 cannot be decoded") == 1
    assert log.count("ahead of this machine's clock") == 1


def test_two_daemons_on_one_state(folder: Path) -> None:
    """The second is refused with what is wrong, and the first does not notice."""
    with daemon_in(folder).start() as daemon:
        other = RunningDaemon(folder, daemon.options | {"control": str(folder / "other.sock"), "metrics": {"listen": "127.0.0.1:0"}})  # fmt: skip
        other.config, other.log = folder / "other.yml", folder / "other.log"
        other.start(wait=False)
        assert other.process.wait(60) == 2
        assert (
            other.log_text()
            .splitlines()[-1]
            .endswith("another detector is using this spool (hint: one daemon, one folder)")
        )
        bring(folder, 0, 10)
        delivered(daemon, 10)
        assert daemon.stop() == 0
