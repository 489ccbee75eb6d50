"""What systemd hears: real datagrams at a real socket, with a path and in the abstract namespace."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.service.notify import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket as the service manager has it, and what $NOTIFY_SOCKET says of it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@detector-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if name.startswith("@") else name)
        listener.settimeout(5)
        yield listener, name


def test_each_message_is_what_systemd_expects(manager: tuple[socket.socket, str]) -> None:
    listener, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready("29 rules,\n2 sources")
    assert listener.recv(4096) == b"READY=1\nSTATUS=29 rules, 2 sources"
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.reloading()
    first, second = listener.recv(4096).decode().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notifier.status("working")
    assert listener.recv(4096) == b"STATUS=working"
    notifier.watchdog()
    assert listener.recv(4096) == b"WATCHDOG=1"
    notifier.stopping()
    assert listener.recv(4096) == b"STOPPING=1"


def test_nobody_listens_and_nothing_happens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        Notifier({}).ready("x")
        assert caplog.records == []
        for gone in (str(tmp_path / "gone"), "@detector-nobody", "a\0b", "x" * 300):
            Notifier({"NOTIFY_SOCKET": gone}).watchdog()
    assert len(caplog.records) == 4


def test_a_manager_that_does_not_read_holds_nothing_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        with caplog.at_level(logging.WARNING):
            for _ in range(2000):
                notifier.watchdog()
                if caplog.records:
                    return
    pytest.fail("the socket's queue never filled")


@pytest.mark.parametrize(
    ("variables", "seconds"),
    [({"WATCHDOG_USEC": "30000000"}, 15.0), ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
     ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0), ({}, 0.0), ({"WATCHDOG_USEC": "soon"}, 0.0), ({"WATCHDOG_USEC": "-5"}, 0.0)],
)  # fmt: skip
def test_half_of_the_watchdogs_time(variables: dict[str, str], seconds: float) -> None:
    assert Notifier({"NOTIFY_SOCKET": "@x", **variables}).watchdog_seconds == seconds
    assert Notifier(variables).watchdog_seconds == 0.0
