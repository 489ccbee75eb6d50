"""`detector top`: one page in a pipe, a page that renews itself on a terminal, also over a restart of the daemon."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

from tests.cli.command import detector, environment, refused
from tests.service.daemons import daemon, fresh_status


def test_one_page_in_a_pipe(tmp_path: Path) -> None:
    with daemon(tmp_path / "control", fresh_status(), packets=50_000) as server:
        done = detector("top", "--control", server.path)
    assert done.code == 0 and done.err == "" and "\x1b" not in done.out
    lines = [" ".join(line.split()) for line in done.out.splitlines()]
    assert lines[0].startswith("detector 0.1.0 on substation-7: healthy, up 2 h 1 min")
    (eth1,) = [line for line in lines if line.startswith("eth1")]
    found = re.fullmatch(r"eth1 ([\d,]+) ([\d.]+) MB/s 0 12 0\.1 s \S+ s ago", eth1)
    assert found is not None, eth1
    assert 20_000 < int(found[1].replace(",", "")) <= 50_000
    assert "high 12 0 300 Modbus write from unknown master" in lines
    assert "9,000 781.2 KB 10.20.0.10 10.20.0.21" in lines
    assert "es up 0 12 3.0 s 4 no answer within 30 s" in lines


def test_a_page_without_alerts_talkers_or_sinks(tmp_path: Path) -> None:
    status = fresh_status()
    status["top"], status["sinks"] = {"rules": [], "talkers": []}, []
    status["overload"] = {"level": 1, "shed": ["scapy fields"]}
    with daemon(tmp_path / "control", status) as server:
        done = detector("top", "--once", "--control", server.path)
    assert (
        done.code == 0
        and "no alerts yet" in done.out
        and "talkers" not in done.out
        and "overload, step 1: scapy fields" in done.out
    )


def test_no_daemon_is_running(tmp_path: Path) -> None:
    assert refused(detector("top", "--control", tmp_path / "control")).startswith("no daemon is running at")


class Screen:
    """A terminal on which `detector top` runs; what it wrote so far."""

    def __init__(self, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        self.program = subprocess.Popen(
            [sys.executable, "-m", "detector", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment()
        )
        os.close(theirs)
        self._written = b""
        self._reading = threading.Thread(target=self._read)
        self._reading.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._ours, 65536):
                self._written += part
        except OSError:  # the terminal has no writer left
            pass

    def wait_for(self, text: str, seconds: float = 180) -> None:
        """Until a text comes from now on."""
        start, until = len(self._written), time.monotonic() + seconds
        while text.encode() not in self._written[start:]:
            assert time.monotonic() < until and self.program.poll() is None, self._written[start:].decode()
            time.sleep(0.05)

    def end(self) -> int:
        """Ctrl-C; the exit code."""
        self.program.send_signal(signal.SIGINT)
        try:
            return self.program.wait(timeout=180)
        finally:
            self.program.kill()
            self._reading.join()
            os.close(self._ours)


def test_it_renews_itself_waits_for_a_daemon_that_restarts_and_ends_quietly(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with daemon(path, fresh_status(), packets=1000):
        screen = Screen("top", "--control", str(path))
        screen.wait_for("substation-7")
        screen.wait_for("substation-7")
    screen.wait_for("waiting for the daemon")
    later = fresh_status()
    later["pid"], later["sensor"] = 4712, "substation-8"
    with daemon(path, later):
        screen.wait_for("substation-8")
        assert screen.end() == 0
    assert "Traceback" not in screen._written.decode()
