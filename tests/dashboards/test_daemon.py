"""The real daemon, scraped by a real Prometheus while the demo's player feeds it: dashboards show what it does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.compose.scripts import script
from tests.dashboards.queries import promql_of_dashboards
from tests.runs import HOME_NET, SCENARIOS, VARIABLES
from tests.servers.ports import wait_until
from tests.servers.prometheus import Prometheus, prometheus_in
from tests.service.running import RunningDaemon

SCENARIOS_PLAYED = ("minute-attack", "modbus-takeover", "register-scan")
PARTS = 8
PLAYER = script("player")


@dataclass
class Plant:
    daemon: RunningDaemon
    prometheus: Prometheus


def feed(watched: Path) -> None:
    """The scenarios in parts, one a second, with packets of now."""
    captures = {name: PLAYER.packets_of(SCENARIOS / name / "capture.pcap") for name in SCENARIOS_PLAYED}
    for part in range(PARTS):
        for name, packets in captures.items():
            size = -(-len(packets) // PARTS)
            chunk = packets[part * size : (part + 1) * size]
            now = time.time() - chunk[-1][0]
            PLAYER.write(watched, f"{time.time():017.6f}-{name}.pcap", now, chunk)
        time.sleep(1)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A daemon that has judged scenarios, and a Prometheus that has watched it."""
    folder = tmp_path_factory.mktemp("daemon")
    watched = folder / "watched"
    watched.mkdir()
    daemon = RunningDaemon(folder, {
        "sensor": "plant-a", "home_net": list(HOME_NET), "variables": dict(VARIABLES), "checkpoint": "1s",
        "sources": [{"folder": {"name": "captures", "path": str(watched), "finished": "keep"}}],
        "alerts": [{"jsonl": {"path": str(folder / "alerts.jsonl")}}],
    })  # fmt: skip
    with prometheus_in(folder / "prometheus") as prometheus, daemon:
        daemon.start()
        prometheus.start({f"127.0.0.1:{daemon.port}": {"sensor": "plant-a", "namespace": "default"}})
        prometheus.wait_for_targets(scrapes=2)
        feed(watched)
        assert wait_until(lambda: bool(prometheus.query("sum(detector_alerts_total) > 3")), 30)
        time.sleep(3)
        yield Plant(daemon, prometheus)


def test_every_panel_has_data(plant: Plant) -> None:
    """What the daemon exports is what dashboards ask for."""
    empty = [
        f"{query.dashboard}: {query.panel}: {query.expression}"
        for query in promql_of_dashboards(sensor="plant-a", namespace="default", rate_interval="20s")
        if query.is_due and not plant.prometheus.query(query.expression)
    ]
    assert empty == []


def test_the_budgets_of_the_daemon_add_up(plant: Plant) -> None:
    """Packets and alerts: nothing is unaccounted for."""
    ask = plant.prometheus.number
    assert ask("sum(detector_packets_seen_total)") > 500
    assert (
        ask(
            "sum(detector_packets_seen_total) - sum(detector_packets_decoded_total) - sum(detector_packets_dropped_total)"
        )
        == 0
    )
    assert (
        ask("sum(detector_sink_due_total)") == ask("sum(detector_spooled_total)") == ask("sum(detector_alerts_total)")
    )
    assert wait_until(lambda: ask("sensor_sink:detector_alerts_unaccounted") == 0, 20)


def test_no_alarm_is_raised_about_a_sensor_that_is_well(plant: Plant) -> None:
    """Not even one that waits for its time; save what is true here: packets are minutes old, and a scan has no answers."""
    expected = "DetectorDetectionSlow|DetectorCaptureLag|DetectorOneDirectionOnly"
    assert plant.prometheus.query(f'ALERTS{{alertname!~"{expected}"}}') == []
