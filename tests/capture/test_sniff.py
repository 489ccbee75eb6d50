"""Scapy's sockets as a source: the same packets as through a ring, slower."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from detector.capture.interface import InterfaceSettings
from detector.capture.sniff import SniffSource
from detector.errors import InputError
from tests.live.network import SENSOR, Cable, network
from tests.live.packets import Got, gathered, packets_of, seen
from tests.live.test_capture import MAC, frame, numbered
from tests.runs import ROOT, SCENARIOS, alerts_of, frames_of

SETTINGS = InterfaceSettings(SENSOR, capture="scapy")


@pytest.fixture
def cable() -> Iterator[Cable]:
    with network() as made, made.sensor.entered():
        yield made


def all_of(source: SniffSource, count: int) -> list[Got]:
    """So many packets, and what comes within a moment more."""
    ends: list[float] = []

    def is_enough(found: list[Got]) -> bool:
        if len(found) >= count and not ends:
            ends.append(time.monotonic() + 0.3)
        return bool(ends) and time.monotonic() > ends[0]

    return gathered(source, is_enough)


def test_a_scenario_arrives(cable: Cable) -> None:
    capture = SCENARIOS / "minute-attack" / "capture.pcap"
    frames = [data for _, data in frames_of(capture)]
    source = SniffSource([SETTINGS])
    cable.replay(capture)
    found = all_of(source, len(frames))
    assert [one.data for one in found] == frames
    assert [one.number for one in found] == list(range(1, len(frames) + 1))
    assert {one.link_type for one in found} == {1}
    assert all(0 <= time.time_ns() - one.time < 60 * 10**9 for one in found)
    assert seen(source) == len(frames)


def test_tags_filter_and_snaplen(cable: Cable) -> None:
    tagged = bytes(Ether(src=MAC, dst=MAC) / Dot1Q(vlan=7) / Raw(b"y" * 500))
    source = SniffSource([InterfaceSettings(SENSOR, snaplen=96, filter="not udp port 22")])
    cable.send(tagged, frame(1, port=22), frame(2, 1000))
    assert [(one.data, one.wire_length) for one in all_of(source, 2)] == [
        (tagged[:96], 518),
        (frame(2, 1000)[:96], 1000),
    ]


def test_two_interfaces(cable: Cable) -> None:
    other = cable.second()
    source = SniffSource([SETTINGS, InterfaceSettings(other.sensor.interface)])
    cable.send(frame(1))
    other.send(frame(2))
    cable.send(frame(3))
    assert [(one.interface, one.data) for one in all_of(source, 3)] == [(0, frame(1)), (1, frame(2)), (0, frame(3))]
    assert {name: report.packets for name, report in source.reports.items()} == {SENSOR: 2, "mirror1": 1}


def test_loopback_shows_each_packet_once(cable: Cable) -> None:
    cable.sensor.link("set", "lo", "up")
    source = SniffSource([InterfaceSettings("lo", filter="udp")])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind(("127.0.0.1", 0))
        sender.sendto(b"once", sender.getsockname())
    assert [one.data[42:] for one in all_of(source, 1)] == [b"once"]


def test_overrun_is_counted(cable: Cable) -> None:
    source = SniffSource([InterfaceSettings(SENSOR, ring=2**17)])
    cable.send(*numbered(3000))
    found = all_of(source, 1)
    assert source.report.dropped["ring"] > 0
    assert len(found) + source.report.dropped["ring"] == 3000


def test_an_interface_that_is_made_anew(cable: Cable, caplog: pytest.LogCaptureFixture) -> None:
    source = SniffSource([SETTINGS])
    cable.send(frame(1))
    found: list[bytes] = []

    def replace() -> None:
        cable.disconnect()
        while source.report.is_up:
            time.sleep(0.01)
        cable.connect()
        while not source.report.is_up:
            time.sleep(0.01)
        cable.send(frame(2))

    until = time.monotonic() + 20
    for batch in source.batches():
        new = [one.data for one in packets_of(batch)]
        if new and not found:
            threading.Thread(target=replace).start()
        found += new
        if len(found) == 2 or time.monotonic() > until:
            source.stop()
    assert found == [frame(1), frame(2)] and source.report.reconnects == 1
    said = [record.getMessage() for record in caplog.records]
    assert f"{SENSOR}: nothing is captured: Network is down" in said and f"{SENSOR}: opened anew" in said


def test_what_cannot_be_opened_is_said(cable: Cable) -> None:
    for settings, problem, hint in (
        (InterfaceSettings("miror0"), "there is no network interface 'miror0'", "did you mean mirror0?"),
        (InterfaceSettings(SENSOR, filter="tcp prt 502"), "filter 'tcp prt 502': ", "man pcap-filter"),
    ):
        with pytest.raises(InputError) as caught:
            SniffSource([settings])
        assert problem in caught.value.problem and hint in caught.value.hint
    waiting = SniffSource([InterfaceSettings("later0", wait=True)])
    assert not waiting.report.is_up
    assert len(next(iter(waiting.batches()))) == 0


def test_alerts_name_the_interface(cable: Cable) -> None:
    source = SniffSource([SETTINGS])
    cable.replay(SCENARIOS / "minute-attack" / "capture.pcap")
    threading.Timer(1.5, source.stop).start()
    alerts = alerts_of(source)
    assert alerts
    assert all(alert.document["observer"]["ingress"] == {"interface": {"name": SENSOR}} for alert in alerts)


def test_nothing_loads_all_of_scapy(cable: Cable) -> None:
    script = f"import sys\nfrom detector.capture.sniff import *\nSniffSource([InterfaceSettings({SENSOR!r})]).close()\n" \
             "print('scapy.all' in sys.modules)"  # fmt: skip
    with cable.sensor.start(sys.executable, "-c", script, stdout=subprocess.PIPE, cwd=ROOT) as done:
        assert done.communicate()[0] == "False\n"


THROUGH_LIBPCAP = """
import sys, threading, time
from scapy.config import conf
from detector.capture.interface import InterfaceSettings
from detector.capture.sniff import SniffSource
from detector.layers import scapy_module
scapy_module("scapy.arch")
conf.use_pcap = True
source = SniffSource([InterfaceSettings(sys.argv[1], filter="udp port 4000")])
print("open", flush=True)
threading.Timer(2, source.stop).start()
for batch in source.batches():
    for start, stop in zip(batch.starts, batch.stops):
        print(batch.buffer[start:stop].tobytes().hex(), flush=True)
print(source.report.packets, conf.L2listen.__name__)
"""


def test_through_libpcap(cable: Cable) -> None:
    """How it is done on systems that have no packet sockets."""
    with cable.sensor.start(sys.executable, "-c", THROUGH_LIBPCAP, SENSOR, stdout=subprocess.PIPE, cwd=ROOT) as done:
        assert done.stdout is not None and done.stdout.readline() == "open\n"
        cable.send(frame(1), frame(2, port=22), frame(3))
        lines = done.stdout.read().split("\n")
    assert lines[:2] == [frame(1).hex(), frame(3).hex()] and lines[2] == "2 L2pcapListenSocket"
