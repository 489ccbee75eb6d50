"""Every Elasticsearch query of the dashboards by a real server that holds alerts of the shipped scenarios."""

from __future__ import annotations

import json
import urllib.error

import pytest
from elasticsearch import Elasticsearch

from detector.capture import open_source
from detector.sinks.destination import Record
from detector.sinks.elasticsearch import ElasticsearchDestination
from detector.sinks.elasticsearch_settings import ElasticsearchSettings
from detector.sinks.elasticsearch_setup import apply, plan
from tests.dashboards.queries import elasticsearch_queries_of_dashboards, has_data
from tests.runs import SCENARIOS, alerts_of, lines_of
from tests.servers.elasticsearch import Server

NAMESPACE, SENSOR = "dashboards", "plant-a"
DAY_MS = 86_400_000
START_MS = 1_714_521_600_000  # 2024-05-01


@pytest.fixture(scope="module")
def loaded(elasticsearch: Server, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A server with the shipped mapping and the alerts of some scenarios, delivered as the daemon does."""
    settings = ElasticsearchSettings(hosts=(elasticsearch.url,), namespace=NAMESPACE)
    with Elasticsearch(elasticsearch.url) as client:
        for change in plan(client, settings).changes:
            apply(client, change)
    records = []
    for scenario in ("minute-attack", "modbus-takeover", "register-scan"):
        source = open_source([str(SCENARIOS / scenario / "capture.pcap")])
        for line in lines_of(alerts_of(source), tmp_path_factory.mktemp(scenario)):
            document = json.loads(line)
            document["observer"]["name"] = SENSOR
            records.append(Record(document["event"]["id"], json.dumps(document).encode()))
    destination = ElasticsearchDestination(settings)
    receipt = destination.deliver(records, is_resent=False)
    destination.close()
    assert receipt.delivered == len(records) > 5, receipt
    elasticsearch.call("POST", f"/{settings.data_stream}/_refresh")
    return elasticsearch


def test_every_query_is_answered_and_has_data(loaded: Server) -> None:
    """A field that is not indexed, or not as it is asked for, leaves a panel empty or in error."""
    wrong = []
    for query in elasticsearch_queries_of_dashboards(start_ms=START_MS, stop_ms=START_MS + DAY_MS, sensor=f'("{SENSOR}")',
                                                     namespace=f'("{NAMESPACE}" OR "other")'):  # fmt: skip
        try:
            answer = loaded.call("POST", "/logs-detector.alert-*/_search", query.body)
        except urllib.error.HTTPError as error:
            with error:
                wrong.append(f"{query.dashboard}: {query.panel}: {error.read().decode()[:300]}")
            continue
        if answer["_shards"]["failed"] or not has_data(answer):
            wrong.append(f"{query.dashboard}: {query.panel}: no data: {json.dumps(query.body)}")
    assert wrong == []


@pytest.mark.parametrize(("sensor", "namespace"), [('("other")', "*"), ("*", '("other")')])
def test_variables_choose(loaded: Server, sensor: str, namespace: str) -> None:
    """What is of another sensor or namespace is not shown."""
    queries = elasticsearch_queries_of_dashboards(
        start_ms=START_MS, stop_ms=START_MS + DAY_MS, sensor=sensor, namespace=namespace
    )
    grafana = [query for query in queries if query.dashboard != "kibana"]
    assert len(grafana) > 10
    for query in grafana:
        assert not has_data(loaded.call("POST", "/logs-detector.alert-*/_search", query.body)), query.panel


def test_the_time_chooses(loaded: Server) -> None:
    for query in elasticsearch_queries_of_dashboards(start_ms=START_MS - DAY_MS, stop_ms=START_MS - 1):
        assert not has_data(loaded.call("POST", "/logs-detector.alert-*/_search", query.body)), query.panel
