"""The daemon on a live interface: what it alerts is what a replay of a recording of the same interface alerts.

Two network namespaces joined by a cable; tcpreplay sends, tcpdump records beside the daemon. Both get each packet with the
kernel's one timestamp, so the alerts are equal to the byte in what they say of traffic, ids included.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from detector.capture import open_source
from detector.rules.loader import load_rules
from tests.differential.tshark import require_tool
from tests.live.network import Cable, network, sent
from tests.runs import SCENARIOS, alerts_of, pcap_bytes
from tests.service.running import RunningDaemon, ids_of, lines_of, until
from tests.service.writes import write_rule, writes

MINUTES = ("minute-attack", "minute-polling")
FAST = 100_000  # packets a second
FAST_SECONDS = 30


@contextmanager
def sensor(cable: Cable, folder: Path, **options: Any) -> Iterator[RunningDaemon]:
    """A daemon on the cable's far end that writes JSON lines."""
    daemon = RunningDaemon(folder, {
        "sources": [{"interface": {"name": cable.sensor.interface}}],
        "alerts": [{"jsonl": {"path": str(folder / "alerts.jsonl")}}],
    } | options, namespace=cable.sensor.namespace)  # fmt: skip
    with daemon.start():
        yield daemon


@contextmanager
def recorded(cable: Cable, path: Path) -> Iterator[None]:
    """tcpdump beside the daemon; the recording is complete afterwards."""
    require_tool("tcpdump")
    process = cable.sensor.start("tcpdump", "-i", cable.sensor.interface, "-w", path, "-U", "-B", "65536", "-s", "0",
                                 "--time-stamp-precision", "nano", "-Z", "root", stderr=-1)  # fmt: skip
    try:
        until(path.exists, 20, "tcpdump to begin")
        time.sleep(0.3)
        yield
        written(path)
    finally:
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=20)[1]
    assert "0 packets dropped by kernel" in said, said


def written(path: Path) -> None:
    """Waits until tcpdump has written all that it was given: at its end it forgets what it has not read yet."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < 1.5:
        time.sleep(0.1)
        if (now := path.stat().st_size) != size:
            size, since = now, time.monotonic()


def ended(daemon: RunningDaemon, packets: int) -> list[dict[str, Any]]:
    """Waits until the daemon has judged so many packets, stops it, and returns its alerts."""
    until(lambda: seen(daemon)["packets"] >= packets, 60, f"{packets} packets to be judged")
    assert daemon.stop() == 0, daemon.log_text()
    return lines_of(daemon.folder / "alerts.jsonl")


def seen(daemon: RunningDaemon) -> dict[str, Any]:
    """What the daemon says of its first source."""
    found: dict[str, Any] = daemon.ask("status")["sources"][0]
    return found


def of_recording(path: Path, rules: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """Documents of a replay."""
    ruleset = load_rules(rules) if rules else None
    return [dict(alert.document) for alert in alerts_of(open_source([str(path)]), ruleset)]


def by_rule(documents: Sequence[dict[str, Any]]) -> Counter[str]:
    return Counter(document["rule"]["name"] for document in documents)


@pytest.mark.parametrize("speed", ["10", "100"])
@pytest.mark.parametrize("scenario", MINUTES)
def test_alerts_are_those_of_the_recording(scenario: str, speed: str, tmp_path: Path) -> None:
    capture = SCENARIOS / scenario / "capture.pcap"
    with network() as cable, sensor(cable, tmp_path) as daemon:
        with recorded(cable, tmp_path / "recording.pcap"):
            packets = cable.replay(capture, "--multiplier", speed).packets
        found = ended(daemon, packets)
    expected = of_recording(tmp_path / "recording.pcap")
    assert ids_of(found) == ids_of(expected)
    assert by_rule(found) == by_rule(expected)


@pytest.mark.slow
def test_in_its_own_time_a_scenario_alerts_as_offline(tmp_path: Path) -> None:
    """Both scenarios at once, each on a cable of its own."""
    folders = {scenario: tmp_path / scenario for scenario in MINUTES}
    for folder in folders.values():
        folder.mkdir()
    attack, polling = MINUTES
    with (
        network() as one,
        network() as two,
        sensor(one, folders[attack]) as first,
        sensor(two, folders[polling]) as second,
    ):
        with recorded(one, folders[attack] / "r.pcap"), recorded(two, folders[polling] / "r.pcap"):
            sending = [
                cable.start_replay(SCENARIOS / scenario / "capture.pcap", "--multiplier", "1")
                for cable, scenario in ((one, attack), (two, polling))
            ]
            packets = [sent(process.communicate(timeout=120)[0]).packets for process in sending]
        found = {attack: ended(first, packets[0]), polling: ended(second, packets[1])}
    for scenario in MINUTES:
        offline = of_recording(SCENARIOS / scenario / "capture.pcap")
        assert ids_of(found[scenario]) == ids_of(of_recording(folders[scenario] / "r.pcap"))
        assert by_rule(found[scenario]) == by_rule(offline), scenario
    assert by_rule(found[attack]), "the attack was not seen"


@pytest.mark.slow
@pytest.mark.alone
def test_a_hundred_thousand_packets_a_second_without_a_drop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One worker, half a minute, an alert every thousandth packet; how late alerts are is measured on the way."""
    capture = tmp_path / "traffic.pcap"
    alerting = writes(50)
    silent = [(time_ns, frame[:36] + b"\x00\x35" + frame[38:]) for time_ns, frame in writes(50_000)]  # not Modbus' port
    for place, frame in enumerate(alerting):
        silent[place * 1000] = frame
    capture.write_bytes(pcap_bytes([(place * 10_000, frame) for place, (_, frame) in enumerate(silent)]))
    with network() as cable, sensor(cable, tmp_path, rules=[str(write_rule(tmp_path))]) as daemon:
        loops = FAST * FAST_SECONDS // len(silent)
        sending = cable.start_replay(capture, "--pps", str(FAST), "--loop", str(loops))
        result = sent(sending.communicate(timeout=FAST_SECONDS * 6)[0])
        until(lambda: seen(daemon)["packets"] + sum(seen(daemon)["dropped"].values()) >= result.packets, 60, "the rest")
        counts = seen(daemon)
        late = latency(daemon)
        assert daemon.stop() == 0
    with capsys.disabled():
        print(f"\n{result.packets:,} packets sent at {result.per_second:,.0f} a second, {counts['dropped']} dropped; "
              f"{late[1]:,} alerts, {late[0]:.2%} of them in the spool within 250 ms")  # fmt: skip
    assert counts["packets"] == result.packets
    assert not sum(counts["dropped"].values())
    assert len(lines_of(tmp_path / "alerts.jsonl")) == loops * len(alerting)
    assert late[0] >= 0.99


def latency(daemon: RunningDaemon) -> tuple[float, int]:
    """(share of alerts that were in the spool 250 ms after their packet, alerts in all)."""
    total = daemon.metric("detector_detection_latency_seconds_count")
    return daemon.metric("detector_detection_latency_seconds_bucket", le="0.25") / total, int(total)


def test_an_overrun_is_counted_to_the_packet(tmp_path: Path) -> None:
    """A daemon that does not get its turn loses packets; it must say how many, and from where."""
    capture = tmp_path / "traffic.pcap"
    capture.write_bytes(pcap_bytes(writes(40_000)))
    source = {"interface": {"ring": "1MB", "block": "64KB"}}
    with network() as cable:
        source["interface"]["name"] = cable.sensor.interface
        with sensor(cable, tmp_path, sources=[source], rules=[str(write_rule(tmp_path))]) as daemon:
            daemon.process.send_signal(signal.SIGSTOP)
            packets = cable.replay(capture).packets
            daemon.process.send_signal(signal.SIGCONT)
            until(lambda: seen(daemon)["packets"] + sum(seen(daemon)["dropped"].values()) >= packets, 60, "the rest")
            counts = seen(daemon)
            assert daemon.stop() == 0
    assert counts["dropped"]["ring"] > 0
    assert counts["packets"] + sum(counts["dropped"].values()) == packets
    assert len(lines_of(tmp_path / "alerts.jsonl")) == counts["packets"]
