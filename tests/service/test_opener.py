"""The opener of sockets: opens what is configured, for whoever lost the privilege, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.capture.interface import InterfaceSettings
from detector.capture.packet_socket import Fanout
from detector.capture.ring import RingSource
from detector.errors import InputError
from detector.service.opener import OpenerGone, OpenerProcess, RemoteOpener
from detector.service.privileges import identity_of
from tests.live.network import SENSOR, Cable, network
from tests.live.packets import drained
from tests.live.test_capture import SMALL, frame
from tests.runs import ROOT

SETTINGS = [InterfaceSettings(SENSOR, ring=SMALL, filter="udp port 4000")]
DAEMON = """
import sys, time
from detector.capture.interface import InterfaceSettings
from detector.capture.ring import RingSource
from detector.service.opener import OpenerProcess
from detector.service.privileges import drop, identity_of
from detector.warming import steps
settings = [InterfaceSettings(sys.argv[1], ring=2**20)]
me = identity_of("nobody")
opener = OpenerProcess(settings, me)
source = RingSource(settings, opener=opener.opener)
for name, step in steps():
    if "capture" in name:
        step()
print("dropped", drop(me).capabilities, flush=True)
for batch in source.batches():
    for start, stop in zip(batch.starts, batch.stops):
        print("packet", batch.buffer[start:stop].tobytes().hex(), flush=True)
    if source.report.packets == 2:
        source.stop()
print("reconnects", source.report.reconnects, flush=True)
opener.close()
"""


@pytest.fixture
def cable() -> Iterator[Cable]:
    with network() as made, made.sensor.entered():
        yield made


@pytest.fixture
def process(cable: Cable) -> Iterator[OpenerProcess]:
    with OpenerProcess(SETTINGS, identity_of("nobody")) as made:
        yield made
    assert not made.is_running()


def test_it_opens_what_is_configured(cable: Cable, process: OpenerProcess) -> None:
    """With everything that the settings say: the filter works on a socket that came from there."""
    source = RingSource(SETTINGS, opener=process.opener)
    cable.send(frame(1), frame(2, port=22), frame(3))
    assert [one.data for one in drained(source)] == [frame(1), frame(3)]


def test_it_opens_nothing_else(cable: Cable, process: OpenerProcess) -> None:
    """Whoever takes the daemon over gets no socket on the management network by asking."""
    for name in ("lo", "out0", "", "../mirror0", SENSOR + "\0"):
        with pytest.raises(InputError, match="is not a configured interface"):
            process.opener.open(name)
    with pytest.raises(InputError, match="not a configured"):
        RingSource([InterfaceSettings("lo")], opener=process.opener)


def test_it_keeps_one_capability_only(process: OpenerProcess) -> None:
    lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    assert [status[name][0].lstrip("0") for name in ("CapEff", "CapPrm", "CapBnd")] == ["2000"] * 3  # CAP_NET_RAW
    assert [int(status[name][0], 16) for name in ("CapInh", "CapAmb")] == [0, 0]
    assert status["NoNewPrivs"] == ["1"] and "0" not in status["Uid"] and status["Threads"] == ["1"]


def test_bad_requests_do_it_no_harm(process: OpenerProcess) -> None:
    asking = socket.socket(fileno=os.dup(process.opener.fileno()))
    descriptors = set(os.listdir(f"/proc/{process.pid}/fd"))
    with asking:
        for request in (b"", b"{", b"\xff" * 5000, b"[" * 4000, b'{"interface": 7, "fanout": null}', b'"x"',
                        b'{"interface": "mirror0", "fanout": [1, 2, 3]}', b'{"interface": "mirror0", "fanout": "ab"}'):  # fmt: skip
            asking.send(request)  # nowhere to answer to
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with ours:
                with theirs:
                    socket.send_fds(asking, [request or b" "], [theirs.fileno()])
                ours.settimeout(5)
                said, given, _, _ = socket.recv_fds(ours, 4096, 1)
                assert not given and "something else" in json.loads(said)["problem"], request
        with Path("/dev/null").open() as file:
            socket.send_fds(asking, [b"{}"], [file.fileno()])  # no socket to answer on
            socket.send_fds(asking, [b"{}"], [file.fileno()] * 40)  # more than it takes
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(process.pid, number)
    process.opener.open(SENSOR).close()
    until = time.monotonic() + 5  # it closes its ends just after it has answered
    while set(os.listdir(f"/proc/{process.pid}/fd")) != descriptors:
        assert time.monotonic() < until, "descriptors are left open"
        time.sleep(0.01)


def test_what_is_wrong_is_told(cable: Cable) -> None:
    """The same words as where the process opens its own."""
    settings = [InterfaceSettings(SENSOR, filter="tcp prt 1"), InterfaceSettings("miror0")]
    with OpenerProcess(settings, identity_of("nobody")) as process:
        for name, expected in ((SENSOR, "filter 'tcp prt 1'"), ("miror0", "there is no network interface")):
            with pytest.raises(InputError, match=expected) as caught:
                process.opener.open(name)
            assert caught.value.hint


def test_several_workers_ask_at_once(cable: Cable, process: OpenerProcess) -> None:
    """Each gets its own answer, and they share the packets."""
    workers = [RemoteOpener(socket.socket(fileno=os.dup(process.opener.fileno()))) for _ in range(2)]
    sources = [RingSource(SETTINGS, opener=worker, fanout=Fanout(7, 2)) for worker in workers]
    frames = [frame(number) for number in range(50)]
    cable.send(*frames)
    shares = [[one.data for one in drained(source)] for source in sources]
    assert sorted(shares[0] + shares[1]) == sorted(frames) and all(shares)
    for worker in workers:
        worker.close()


def test_it_ends_with_whom_it_serves(cable: Cable) -> None:
    """Also when that process is killed: nothing privileged is left behind."""
    script = "import sys, time\nfrom detector.service.opener import *\nfrom detector.service.privileges import identity_of\n" \
             "made = OpenerProcess([], identity_of('nobody'))\nprint(made.pid, flush=True)\ntime.sleep(60)"  # fmt: skip
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as served:
        assert served.stdout is not None
        pid = int(served.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        served.kill()
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < until
        time.sleep(0.02)


def test_one_that_has_gone_is_said(cable: Cable) -> None:
    with OpenerProcess(SETTINGS, identity_of("nobody")) as process:
        os.kill(process.pid, signal.SIGKILL)
        while process.is_running():
            time.sleep(0.01)
        with pytest.raises(OpenerGone, match="has gone"):
            process.opener.open(SENSOR)


def test_a_process_without_privileges_comes_back(cable: Cable) -> None:
    """The interface vanishes after privileges were dropped, and returns: the sensor sees again."""
    with cable.sensor.start(
        sys.executable, "-c", DAEMON, SENSOR, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    ) as daemon:
        try:
            assert daemon.stdout is not None and daemon.stderr is not None
            assert daemon.stdout.readline() == "dropped 0\n", daemon.stderr.read()
            cable.send(frame(1))
            assert daemon.stdout.readline() == f"packet {frame(1).hex()}\n"
            cable.disconnect()
            assert "there is no such interface now" in daemon.stderr.readline()
            cable.connect()
            assert "opened anew" in daemon.stderr.readline()
            cable.send(frame(2))
            assert daemon.stdout.readline() == f"packet {frame(2).hex()}\n"
            assert daemon.stdout.readline() == "reconnects 1\n"
            assert daemon.wait(20) == 0
        finally:
            daemon.kill()
