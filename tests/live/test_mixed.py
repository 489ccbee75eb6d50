"""An interface by its ring, another by Scapy's socket, and a watched folder, side by side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.capture.interface import InterfaceSettings
from detector.capture.ring import RingSource
from detector.capture.several import SeveralSources
from detector.capture.sniff import SniffSource
from tests.capture.folders import as_pcap, hurry, source_of
from tests.live.network import SENSOR, Cable, network
from tests.runs import frames_of, pcap_bytes

COUNT = 2000


@pytest.fixture
def cable() -> Iterator[Cable]:
    """A cable; the test itself stands in the sensor's namespace."""
    with network() as made, made.sensor.entered():
        yield made


def test_all_come_and_stop_drains(cable: Cable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each source's packets once; none starves where another is busy or asked without waiting; positions stay apart."""
    hurry(monkeypatch)
    watched = tmp_path / "in"
    watched.mkdir()
    capture = tmp_path / "sent.pcap"
    capture.write_bytes(as_pcap(0, COUNT))
    capture.write_bytes(
        pcap_bytes((at, bytes.fromhex("ffffffffffff020000000001") + data) for at, data in frames_of(capture))
    )
    (watched / "a.pcap").write_bytes(as_pcap(0, 10 * COUNT))
    other = cable.second()
    several = SeveralSources({
        "ring": RingSource([InterfaceSettings(name=SENSOR)]),
        "scapy": SniffSource([InterfaceSettings(name=other.sensor.interface, capture="scapy")]),
        "folder": source_of(watched, batch_packets=100),
    })  # fmt: skip
    batches = several.batches()
    next(batches)
    for one in (cable, other):
        one.replay(capture, "--pps", "20000")
    for _ in batches:
        if several.reports["in"].packets == 10 * COUNT:
            several.stop()
    reports = several.reports
    assert reports[SENSOR].packets == COUNT and reports["in"].packets == 10 * COUNT
    lost = reports[other.sensor.interface].dropped.total()
    assert COUNT - lost - 1 <= reports[other.sensor.interface].packets <= COUNT
    assert several.position["ring"] == {} and several.position["folder"]["files"]
    several.release(several.position)
