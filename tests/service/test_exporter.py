"""What Prometheus reads: parsed by prometheus_client's own parser and judged by promtool."""

from __future__ import annotations

import ast
import logging
import subprocess
import threading

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from detector import __version__
from detector.errors import PacketAnomaly
from detector.service.exporter import Board, registry_of
from detector.service.metrics import METRICS, Metric
from tests.differential.tshark import require_tool
from tests.runs import ROOT

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(board: Board) -> Series:
    """{(name, labels): value} as Prometheus sees it."""
    text = generate_latest(registry_of(board)).decode()
    samples: list[Sample] = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    assert len({(one.name, tuple(sorted(one.labels.items()))) for one in samples}) == len(samples), "a series twice"
    return {(one.name, frozenset(one.labels.items())): one.value for one in samples}


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((name, frozenset(labels.items())))


def full_board() -> Board:
    """A board as a daemon with sources, sinks and rules has it."""
    board = Board()
    board.declare("source", ["eth1", "folder"])
    board.declare("sink", ["es", "file"])
    board.declare_rules([("r1", "Rule one", "high"), ("r2", 'A "quoted" \\ title', "low")])
    board.observe_all("detector_detection_latency_seconds", np.array([0.001, 0.3, 99.0]))
    board.observe("detector_sink_seconds", 0.02, "es", count=3)
    return board


def test_every_metric_is_exported_with_its_type_and_meaning() -> None:
    text = generate_latest(registry_of(full_board())).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for metric in METRICS:
        family = families[metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name]
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        assert family.samples, f"{metric.name} has no series although everything is declared"
        assert all(set(sample.labels) - {"le"} == set(metric.labels) for sample in family.samples)
    assert "process_resident_memory_bytes" in families and "process_open_fds" in families


def test_promtool_finds_nothing_wrong() -> None:
    require_tool("promtool")
    text = generate_latest(registry_of(full_board()))
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_series_that_are_known_ahead_begin_at_0() -> None:
    """rate() does not see the step of a series that comes into being with its first event."""
    series = scraped(Board())
    assert value(series, "detector_flows_created_total") == 0
    assert value(series, "detector_pdus_total", protocol="modbus") == 0
    assert value(series, "detector_reloads_total", result="failed") == 0
    for anomaly in PacketAnomaly:
        assert value(series, "detector_anomalies_total", anomaly=anomaly.label) == 0
    assert value(series, "detector_detection_latency_seconds_bucket", le="+Inf") == 0
    assert value(series, "detector_packets_dropped_total", source="eth1", cause="ring") is None
    series = scraped(full_board())
    assert value(series, "detector_packets_dropped_total", source="eth1", cause="ring") == 0
    assert value(series, "detector_alerts_lost_total", sink="es", cause="oldest") == 0
    assert value(series, "detector_alerts_total", rule="r1", title="Rule one", level="high") == 0


def test_counts_gauges_and_build_info() -> None:
    board = full_board()
    board.add("detector_alerts_total", 2, "r1", "Rule one", "high")
    board.add("detector_alerts_total", 1, "r1", "Rule one", "high")
    board.set("detector_memory_bytes", 5e9)
    series = scraped(board)
    assert value(series, "detector_alerts_total", rule="r1", title="Rule one", level="high") == 3
    assert value(series, "detector_memory_bytes") == 5e9
    builds = [labels for name, labels in series if name == "detector_build_info"]
    assert len(builds) == 1 and ("version", __version__) in builds[0]


def test_buckets_hold_what_is_at_most_their_bound() -> None:
    board = Board()
    board.observe_all("detector_detection_latency_seconds", np.array([0.005, 0.0051, 0.01, 60.0, 61.0, -3.0, np.nan]))
    series = scraped(board)
    found = {
        le: value(series, "detector_detection_latency_seconds_bucket", le=le)
        for le in ("0.005", "0.01", "60.0", "+Inf")
    }
    assert found == {"0.005": 2, "0.01": 4, "60.0": 5, "+Inf": 6}
    assert value(series, "detector_detection_latency_seconds_count") == 6
    assert value(series, "detector_detection_latency_seconds_sum") == pytest.approx(121.0201)


def test_a_wrong_name_or_number_of_labels_is_a_mistake_of_the_program() -> None:
    board = Board()
    with pytest.raises(KeyError):
        board.add("detector_alertz_total", 1)
    with pytest.raises(ValueError, match="zip"):
        board.add("detector_alerts_total", 1, "r1")
    with pytest.raises(ValueError, match="counter"):
        board.add("detector_flows_created_total", -1)


def test_the_program_writes_to_metrics_that_exist() -> None:
    """Each name in the code, so that none waits for the day on which its branch is taken."""
    known = {metric.name for metric in METRICS}
    written = [
        (f"{path.relative_to(ROOT)}:{node.lineno}", node.args[0].value)
        for path in (ROOT / "detector").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("set", "add", "observe", "observe_all")
        and node.args and isinstance(node.args[0], ast.Constant) and str(node.args[0].value).startswith("detector_")
    ]  # fmt: skip
    assert written and [(where, name) for where, name in written if name not in known] == []


def test_labels_are_cleaned_and_fixed_sets_stay_fixed() -> None:
    board = Board()
    board.add("detector_rule_errors_total", 1, "r\n1", "\x1b[31m" + "x" * 500)
    board.add("detector_pdus_total", 1, "a protocol that nobody knows")
    text = generate_latest(registry_of(board)).decode()
    line = next(line for line in text.splitlines() if line.startswith("detector_rule_errors_total{"))
    assert line.startswith('detector_rule_errors_total{rule="r\\\\n1",title="\\\\x1b[31mxxx') and len(line) < 300
    assert 'detector_pdus_total{protocol="other"} 1.0' in text


def test_rules_beyond_the_ceiling_share_a_series() -> None:
    board = Board(most_series=10)
    for number in range(500):
        board.add("detector_alerts_total", 1, f"r{number}", f"title {number}", ("low", "high")[number % 2])
    found = {
        dict(labels)["rule"] + dict(labels)["level"]: count
        for (name, labels), count in scraped(board).items()
        if name == "detector_alerts_total"
    }
    assert len(found) == 12
    assert found["otherlow"] + found["otherhigh"] == 490 and sum(found.values()) == 500


def test_rules_that_are_gone_make_room() -> None:
    """A daemon that loads other rules for months must not end with all of them as "other"."""
    board = Board(most_series=10)
    for generation in range(30):
        rules = [(f"r{generation}-{number}", "title", "low") for number in range(4)]
        board.declare_rules(rules)
        for rule in rules:
            board.add("detector_alerts_total", 1, *rule)
    found = {dict(labels)["rule"] for name, labels in scraped(board) if name == "detector_alerts_total"}
    assert {f"r29-{number}" for number in range(4)} <= found and "other" not in found and len(found) <= 10


def test_what_is_written_together_is_scraped_together() -> None:
    """The loss budget, seen = decoded + dropped, holds in every scrape while another thread counts."""
    board = full_board()
    ending = threading.Event()

    def count() -> None:
        while not ending.is_set():
            with board.together():
                board.add("detector_packets_seen_total", 3, "eth1")
                board.add("detector_packets_decoded_total", 2, "eth1")
                board.add("detector_packets_dropped_total", 1, "eth1", "ring")

    thread = threading.Thread(target=count)
    thread.start()
    try:
        for _ in range(30):
            series = scraped(board)
            seen = value(series, "detector_packets_seen_total", source="eth1")
            decoded = value(series, "detector_packets_decoded_total", source="eth1")
            dropped = value(series, "detector_packets_dropped_total", source="eth1", cause="ring")
            assert seen is not None and decoded is not None and dropped is not None and seen == decoded + dropped
    finally:
        ending.set()
        thread.join()
    assert seen > 0


def test_a_refresh_that_fails_costs_no_scrape(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()

    def refresh() -> None:
        board.set("detector_open_files", 7)
        raise OSError("gone")

    with caplog.at_level(logging.ERROR):
        text = generate_latest(registry_of(board, refresh)).decode()
    assert "detector_open_files 7.0" in text and "gone" in caplog.text


def test_names_follow_the_conventions() -> None:
    for metric in METRICS:
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric
        assert (metric.kind == "histogram") == bool(metric.buckets), metric
    with pytest.raises(KeyError):
        Board([Metric("a", "gauge", "m")]).set("b", 1)
