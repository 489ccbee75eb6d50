"""A page /metrics as the daemon's, with made-up numbers: every metric of METRICS, every label, moving with each scrape.

The loss budgets of the numbers add up, so that panels and alarms about them have something true to show.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from detector.capture.source import DROP_CAUSES
from detector.detect.memory import KINDS
from detector.detect.selection import LIMITS
from detector.protocols import PROTOCOLS
from detector.service.metrics import LOST_CAUSES, METRICS, Metric
from detector.sinks.destination import CAUSES

RULES = (
    {"rule": "1", "title": "Modbus write from unknown master", "level": "high"},
    {"rule": "2", "title": "Port scan (fast) [a+b]", "level": "medium"},
    {"rule": "3", "title": "Never matches", "level": "low"},
)
VALUES: dict[str, tuple[str, ...]] = {
    "version": ("0.1.0",), "python": ("3.12.1",), "source": ("eth1", "/captures"), "result": ("read", "damaged"),
    "direction": ("to_server", "to_client"), "protocol": tuple(protocol.name for protocol in PROTOCOLS),
    "anomaly": ("ipv4.frag_overlap", "modbus.invalid_length"), "state": ("active", "inactive", "shed"),
    "sink": ("elasticsearch", "jsonl"), "cause": CAUSES,
}  # fmt: skip
VALUES_OF = {
    ("detector_packets_dropped_total", "cause"): DROP_CAUSES,
    ("detector_alerts_lost_total", "cause"): LOST_CAUSES,
    ("detector_states_lost_total", "kind"): KINDS,
    ("detector_payload_limits_total", "limit"): LIMITS,
    ("detector_reloads_total", "result"): ("ok", "failed", "unchanged"),
    ("detector_checkpoints_total", "result"): ("ok", "failed"),
}
DROPPED, LOST = len(DROP_CAUSES), len(LOST_CAUSES)
# What a counter gains by a scrape; others gain 3.
GAINS = {"detector_packets_seen_total": 1000, "detector_packets_decoded_total": 1000 - 3 * DROPPED, "detector_bytes_seen_total": 90_000,
         "detector_spooled_total": 50, "detector_sink_due_total": 50, "detector_sink_delivered_total": 50 - 3 * LOST, "detector_matches_total": 12,
         "detector_alerts_total": 2, "detector_suppressed_total": 10, "detector_rule_seconds_total": 0.01}  # fmt: skip
GAUGES = {"detector_memory_bytes": 3e8, "detector_open_files": 40, "detector_spool_bytes": 2e6, "detector_spool_limit_bytes": 1e9,
          "detector_spool_waiting": 0, "detector_quarantine_alerts": 0, "detector_spool_oldest_seconds": 0, "detector_overload_level": 0,
          "detector_capture_lag_seconds": 0.2}  # fmt: skip


def label_sets(metric: Metric) -> list[dict[str, str]]:
    """Every combination of labels that a sensor would have."""
    if "title" in metric.labels:
        return [{name: rule[name] for name in metric.labels} for rule in RULES]
    choices = [VALUES_OF.get((metric.name, label), VALUES.get(label, ())) for label in metric.labels]
    assert all(choices), f"say in tests/servers/exposition.py which values the labels of {metric.name} have"
    return [dict(zip(metric.labels, values, strict=True)) for values in itertools.product(*choices)]


class Numbers(Collector):
    """Everything of METRICS; each time it is asked, counters have grown."""

    def __init__(self) -> None:
        self.scrapes, self.started = 0, time.time() - 60
        self.lock = threading.Lock()

    def collect(self) -> Iterator[Any]:
        """Families for a page."""
        with self.lock:
            self.scrapes += 1
        for metric in METRICS:
            yield getattr(self, metric.kind)(metric)

    def counter(self, metric: Metric) -> CounterMetricFamily:
        family = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for labels in label_sets(metric):
            gain = 0 if labels.get("title") == "Never matches" else GAINS.get(metric.name, 3)
            family.add_metric(tuple(labels.values()), gain * self.scrapes)
        return family

    def gauge(self, metric: Metric) -> GaugeMetricFamily:
        family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        is_time = metric.name.endswith("_timestamp_seconds") or metric.name == "detector_start_time_seconds"
        for labels in label_sets(metric):
            family.add_metric(tuple(labels.values()), GAUGES.get(metric.name, self.started if is_time else 1))
        return family

    def histogram(self, metric: Metric) -> HistogramMetricFamily:
        family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
        for labels in label_sets(metric):
            buckets = [(str(bound), float(self.scrapes * (place + 1))) for place, bound in enumerate(metric.buckets)]
            buckets.append(("+Inf", buckets[-1][1]))
            family.add_metric(tuple(labels.values()), buckets, sum_value=self.scrapes * 0.3)
        return family


@contextmanager
def page() -> Iterator[str]:
    """host:port of a server with the page."""
    registry = CollectorRegistry()
    registry.register(Numbers())

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = generate_latest(registry)
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
