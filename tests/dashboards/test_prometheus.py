"""Configuration and rules by promtool; every PromQL of dashboards and rules by a real Prometheus."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.dashboards.queries import promql_of_dashboards
from tests.differential.tshark import require_tool
from tests.servers.exposition import page
from tests.servers.ports import wait_until
from tests.servers.prometheus import SHIPPED, Prometheus, Refused, prometheus_in, promtool

ALARMS = [
    rule for group in yaml.safe_load((SHIPPED / "alerting-rules.yml").read_text())["groups"] for rule in group["rules"]
]
UNIT_TESTS = sorted((SHIPPED / "tests").glob("*.yml"))
RECORDED = [
    rule["record"] for rule in yaml.safe_load((SHIPPED / "recording-rules.yml").read_text())["groups"][0]["rules"]
]
# What the made-up numbers are alarmed about: they hold errors, losses and drops, so that panels show them.
TROUBLED = {"DetectorRuleErrors", "DetectorQuarantine", "DetectorAlertsLost", "DetectorRuleForgets", "DetectorCaptureFileDamaged",
            "DetectorWorkerRestarts"}  # fmt: skip
SEVERITIES = {"critical", "warning", "info"}


def test_configuration_and_rules_are_valid() -> None:
    require_tool("promtool")
    done = promtool("check", "config", SHIPPED / "prometheus.yml")
    assert done.returncode == 0, done.stdout
    done = promtool("check", "rules", "--lint-fatal", SHIPPED / "recording-rules.yml", SHIPPED / "alerting-rules.yml")
    assert done.returncode == 0, done.stdout


def test_alarms_fire_when_they_should_and_only_then() -> None:
    require_tool("promtool")
    done = promtool("test", "rules", *UNIT_TESTS)
    assert done.returncode == 0, done.stdout


def samples() -> tuple[set[tuple[str, str]], set[str]]:
    """((alarm, sensor) that fires, sensors whose series the unit tests feed)."""
    fires, sensors = set(), set()
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text())["tests"]:
            sensors |= {name for one in test["input_series"] for name in re.findall(r'sensor="([^"]+)"', one["series"])}
            for expected in test.get("promql_expr_test", []):
                for sample in expected["exp_samples"] if "firing" in expected["expr"] else []:
                    fires |= set(re.findall(r'alertname="(\w+)", sensor="([^"]+)"', sample["labels"]))
            for expected in test.get("alert_rule_test", []):
                sensor = expected["alertname"] if expected["exp_alerts"] else f"not {expected['alertname']}"
                sensors.add(sensor)
                if expected["exp_alerts"]:
                    fires.add((expected["alertname"], sensor))
    return fires, sensors


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm["alert"])
def test_an_alarm_has_both_tests_and_tells_what_to_do(alarm: dict[str, Any]) -> None:
    """A sensor named after it raises it, and one named "not ..." comes close and does not."""
    name = alarm["alert"]
    fires, sensors = samples()
    assert (name, name) in fires
    assert f"not {name}" in sensors and (name, f"not {name}") not in fires
    assert alarm["labels"]["severity"] in SEVERITIES
    assert {"summary", "description", "runbook"} == set(alarm["annotations"])
    assert all(len(text) > 15 for text in alarm["annotations"].values())


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that has scraped a sensor for some seconds and recorded what it should."""
    with prometheus_in(tmp_path_factory.mktemp("prometheus")) as server, page() as address:
        server.start({address: {"sensor": "plant-a", "namespace": "default"}})
        server.wait_for_targets(scrapes=5)
        assert wait_until(lambda: all(server.query(name) for name in RECORDED), 20), server.rules()
        yield server


def test_every_query_is_answered_and_has_data_where_data_is_due(watched: Prometheus) -> None:
    """A panel with an error, or one that stays empty while a sensor runs, is found here and not at night."""
    wrong = []
    for query in promql_of_dashboards(sensor="(plant-a|other)", namespace="default"):
        where = f"{query.dashboard}: {query.panel}: {query.expression}"
        try:
            now = watched.query(query.expression)
            shown = watched.query_range(query.expression, time.time() - 5, time.time())
        except Refused as error:
            wrong.append(f"{where}: {error}")
            continue
        if query.is_due and not (now and shown):
            wrong.append(f"{where}: no data")
        if any(sample["value"][1] in ("NaN", "+Inf", "-Inf") for sample in now):
            wrong.append(f"{where}: not a number")
    assert wrong == []


def test_every_rule_is_evaluated(watched: Prometheus) -> None:
    """Without an error, and without an alarm about what is well."""
    assert wait_until(lambda: all(rule["health"] == "ok" for rule in watched.rules()), 20), watched.rules()
    firing = {rule["name"] for rule in watched.rules() if rule.get("state") == "firing"}
    assert firing <= TROUBLED


@pytest.mark.parametrize("alarm", ALARMS, ids=lambda alarm: alarm["alert"])
def test_the_condition_of_an_alarm_can_be_asked(watched: Prometheus, alarm: dict[str, Any]) -> None:
    """An operator who follows an alarm pastes its expression."""
    watched.query(alarm["expr"])


def test_the_loss_budgets_add_up(watched: Prometheus) -> None:
    """The arithmetic of the panels: nothing is left of a sensor whose counters add up."""
    assert [float(one["value"][1]) for one in watched.query("sensor_sink:detector_alerts_unaccounted")] == [0, 0]
    assert watched.number("sensor:detector_packets_unaccounted:rate5m") == pytest.approx(0, abs=1e-6)
    assert watched.number("sensor:detector_packets_dropped:ratio5m") == pytest.approx(0.018, rel=0.2)


def test_a_sensor_that_goes_is_noticed_and_a_new_one_found(prometheus: Prometheus) -> None:
    """Targets are read from files while the server runs; the one that no longer answers is down."""
    with page() as first:
        prometheus.start({first: {"sensor": "a", "namespace": "default"}})
        prometheus.wait_for_targets(scrapes=1)
        with page() as second:
            prometheus.targets[second] = {"sensor": "b", "namespace": "default"}
            prometheus.write()
            prometheus.reload()
            prometheus.wait_for_targets(scrapes=1)
        down = 'ALERTS{alertname="DetectorDown",sensor="b"}'
        assert wait_until(lambda: bool(prometheus.query(down)), 20)
        assert prometheus.query('ALERTS{alertname="DetectorDown",sensor="a"}') == []
