"""Every query of dashboards, recording and alerting rules against what the real daemon exports and delivers.

A daemon that watches an interface and a folder, a real Prometheus that scrapes it with the shipped configuration, a real
Elasticsearch that takes its alerts; scenarios are played meanwhile. All of it lives at the sensor's end of a cable.
"""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from detector.service.metrics import METRICS
from detector.sinks.elasticsearch_settings import ElasticsearchSettings
from detector.sinks.elasticsearch_setup import apply, plan
from tests.dashboards.queries import (
    elasticsearch_queries_of_dashboards,
    grafana_dashboards,
    has_data,
    panels_of,
    promql_of_dashboards,
)
from tests.differential.tshark import require_tool
from tests.live.network import Cable, network
from tests.runs import RULES, SCENARIOS, frames_of, pcap_bytes
from tests.servers.elasticsearch import RELEASES, Missing, Server, prepared, server_for
from tests.servers.ports import wait_until
from tests.servers.prometheus import Prometheus, Refused, prometheus_in
from tests.service.running import RunningDaemon, lines_of, until
from tests.service.writes import write_rule, writes

SENSOR, NAMESPACE = "plant-a", "plant"
SCENARIOS_SENT = ("minute-attack", "modbus-takeover", "register-scan", "syn-flood", "arp-man-in-the-middle")
PLAY_SECONDS = 14

# Panels that show nothing of a sensor that is well, and why.
EMPTY_WHERE_WELL = {"overview.json: Alarms about sensors": "no alarm is raised, which another test asserts"}
# Metrics without a sample of a sensor that is well, and why: all others begin at 0.
WITHOUT_SAMPLES: dict[str, str] = {}


@dataclass(frozen=True)
class Watched:
    """What the tests ask."""

    daemon: RunningDaemon
    prometheus: Prometheus
    elasticsearch: Server
    folder: Path
    began_ms: int


@contextmanager
def elasticsearch_8(folder: Path) -> Iterator[Server]:
    """A server in the namespace that this thread is in: one that is given elsewhere cannot be reached from there."""
    folder.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DETECTOR_ELASTICSEARCH_8", raising=False)
        yield from server_for(8, folder)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A sensor that has seen attacks for some seconds; this thread is at its end of the cable."""
    folder = tmp_path_factory.mktemp("watched")
    with suppress(Missing):  # what cannot be had is told by server_for
        prepared(RELEASES[8])  # while this thread has a way to the world
    with ExitStack() as stack:
        cable = stack.enter_context(network())
        stack.enter_context(cable.sensor.entered())
        elasticsearch = stack.enter_context(elasticsearch_8(folder / "elasticsearch"))
        prometheus = stack.enter_context(prometheus_in(folder / "prometheus"))
        set_up(elasticsearch)
        began_ms = int(time.time() * 1000)
        daemon = stack.enter_context(sensor(cable, folder, elasticsearch).start())
        prometheus.start({f"127.0.0.1:{daemon.port}": {"sensor": SENSOR, "namespace": NAMESPACE}})
        prometheus.wait_for_targets()  # what happened before the first scrape is in no rate
        play(cable, daemon, folder)
        elasticsearch.call("POST", "/logs-detector.alert-*/_refresh")
        yield Watched(daemon, prometheus, elasticsearch, folder, began_ms)


def settings_of(elasticsearch: Server) -> ElasticsearchSettings:
    return ElasticsearchSettings(hosts=(elasticsearch.url,), namespace=NAMESPACE)


def set_up(elasticsearch: Server) -> None:
    """As `detector setup elasticsearch` does."""
    settings = settings_of(elasticsearch)
    with Elasticsearch(elasticsearch.url) as client:
        for change in plan(client, settings).changes:
            apply(client, change)


def sensor(cable: Cable, folder: Path, elasticsearch: Server) -> RunningDaemon:
    """The shipped rules and one that always alerts, on an interface and a folder, alerts to Elasticsearch and to a file."""
    (folder / "captures").mkdir()
    return RunningDaemon(folder, {
        "sensor": SENSOR, "checkpoint": "2s", "rules": [str(RULES), str(write_rule(folder))],
        "sources": [{"interface": {"name": cable.sensor.interface}}, {"folder": {"path": str(folder / "captures")}}],
        "alerts": [{"elasticsearch": {"hosts": [elasticsearch.url], "namespace": NAMESPACE}},
                   {"jsonl": {"path": str(folder / "alerts.jsonl")}}],
    })  # fmt: skip


def play(cable: Cable, daemon: RunningDaemon, folder: Path) -> None:
    """Sends scenarios again and again while Prometheus scrapes, lets a capture appear, loads rules, sends a test alert."""
    bring(folder / "captures", "modbus-takeover")
    daemon.ask("reload")
    daemon.ask("test-alert")
    end = time.monotonic() + PLAY_SECONDS
    (folder / "writes.pcap").write_bytes(pcap_bytes(writes(50)))
    sent = 0
    while time.monotonic() < end:
        sent += cable.replay(folder / "writes.pcap").packets
        for scenario in SCENARIOS_SENT:
            sent += cable.replay(SCENARIOS / scenario / "capture.pcap", "--pps", "5000").packets
        time.sleep(0.5)
    until(
        lambda: daemon.metric("detector_packets_seen_total", source=cable.sensor.interface) == sent, 30, "all packets"
    )
    until(lambda: daemon.metric("detector_spool_waiting") == 0, 30, "all alerts to be delivered")


def bring(watched: Path, scenario: str) -> None:
    """A capture of a scenario that has ended just now."""
    frames = frames_of(SCENARIOS / scenario / "capture.pcap")
    later = time.time_ns() - frames[-1][0]
    aside = watched / ".capture.part"
    aside.write_bytes(pcap_bytes([(at + later, data) for at, data in frames]))
    aside.rename(watched / f"{scenario}.pcap")


def test_every_promql_of_the_dashboards_has_data(watched: Watched) -> None:
    """A panel in error, or empty while a sensor runs, is found here and not at night."""
    wrong = []
    for query in promql_of_dashboards(sensor=f"({SENSOR}|other)", namespace=NAMESPACE, shown="30s"):
        where = f"{query.dashboard}: {query.panel}"
        try:
            now = watched.prometheus.query(query.expression)
            shown = watched.prometheus.query_range(query.expression, time.time() - 10, time.time())
        except Refused as error:
            wrong.append(f"{where}: {query.expression}: {error}")
            continue
        if not (now and shown) and where not in EMPTY_WHERE_WELL:
            wrong.append(f"{where}: no data: {query.expression}")
        wrong += [f"{where}: {query.expression}: {one}" for one in now if one["value"][1] in ("NaN", "+Inf", "-Inf")]
    assert not wrong, "\n".join(wrong)


def test_every_rule_of_prometheus_is_evaluated_and_no_alarm_is_raised(watched: Watched) -> None:
    prometheus = watched.prometheus
    assert wait_until(lambda: all(rule["health"] == "ok" for rule in prometheus.rules()), 20), prometheus.rules()
    recorded = [rule["name"] for rule in prometheus.rules() if rule["type"] == "recording"]
    assert len(recorded) > 3
    assert [name for name in recorded if not prometheus.query(name)] == []
    alarms = [rule for rule in prometheus.rules() if rule["type"] == "alerting"]
    assert len(alarms) > 10
    assert {rule["name"]: rule["alerts"] for rule in alarms if rule["state"] == "firing"} == {}
    for alarm in alarms:
        prometheus.query(alarm["query"])


def test_every_elasticsearch_query_of_the_dashboards_has_data(watched: Watched) -> None:
    """A field that the daemon does not fill in leaves a panel empty."""
    wrong = []
    for query in elasticsearch_queries_of_dashboards(
        start_ms=watched.began_ms - 3_600_000,
        stop_ms=int(time.time() * 1000),
        sensor=f'("{SENSOR}")',
        namespace=f'("{NAMESPACE}")',
    ):
        try:
            answer = watched.elasticsearch.call("POST", "/logs-detector.alert-*/_search", query.body)
        except urllib.error.HTTPError as error:
            with error:
                wrong.append(f"{query.dashboard}: {query.panel}: {error.read().decode()[:300]}")
            continue
        if answer["_shards"]["failed"] or not has_data(answer):
            wrong.append(f"{query.dashboard}: {query.panel}: no data: {json.dumps(query.body)}")
    assert not wrong, "\n".join(wrong)


def test_elasticsearch_holds_what_the_file_holds(watched: Watched) -> None:
    found = watched.elasticsearch.call("GET", "/logs-detector.alert-*/_count")
    written = len(lines_of(watched.folder / "alerts.jsonl"))
    assert found["count"] == written == watched.daemon.metric("detector_sink_delivered_total", sink="elasticsearch")
    assert written > 100


def test_the_page_is_as_prometheus_wants_it(watched: Watched) -> None:
    require_tool("promtool")
    page = watched.daemon.page()[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_every_metric_of_the_catalogue_is_on_the_page(watched: Watched) -> None:
    """Of the type that it says, and with samples, so that a rate of it begins with its first event."""
    page = watched.daemon.page()[1]
    told = {(line.split()[2], line.split()[3]) for line in page.splitlines() if line.startswith("# TYPE ")}
    assert [metric.name for metric in METRICS if (metric.name, metric.kind) not in told] == []
    sampled = {name for name, _, _ in watched.daemon.samples()}
    names = {metric.name: f"{metric.name}_count" if metric.kind == "histogram" else metric.name for metric in METRICS}
    assert {name for name, sample in names.items() if sample not in sampled} == set(WITHOUT_SAMPLES)


def test_the_exceptions_are_panels() -> None:
    """What is no longer there needs no exception."""
    panels = {
        f"{name}: {panel['title']}"
        for name, dashboard in grafana_dashboards().items()
        for panel in panels_of(dashboard)
    }
    assert set(EMPTY_WHERE_WELL) <= panels
