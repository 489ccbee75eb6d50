"""Sensor health: for whoever runs a sensor. Nothing is lost without being counted, and the counts add up."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.panels import (
    BAD_ABOVE_ZERO,
    BLUE,
    BY,
    GOOD_AT_ONE,
    GREEN,
    RED,
    YELLOW,
    big,
    framed,
    graph,
    heat_of,
    latest,
    listing,
    metric,
    promql,
    rate,
    states,
)

UP = {"0": ("down", RED), "1": ("up", GREEN)}
SEEN, DECODED, DROPPED = (rate(f"detector_packets_{what}_total") for what in ("seen", "decoded", "dropped"))
FAILED_CHECKPOINTS = metric("detector_checkpoints_total", more='result="failed"')
OF_SINK = "sum by (namespace, sensor, sink)"


def one_number(name: str, *, function: str = "max") -> str:
    """A gauge of the worst sensor."""
    return f"{function}({metric(name)})"


def health() -> Dashboard:
    """The dashboard."""
    now = [
        big("Ready", "Do all chosen sensors run with rules and open sources?", latest(one_number("detector_ready", function="min")),
            steps=GOOD_AT_ONE, names={"0": ("no", RED), "1": ("yes", GREEN)}),
        big("Last packet", "How long ago was the last packet of the quietest source?",
            latest(f"time() - {one_number('detector_last_packet_timestamp_seconds', function='min')}"), unit="s",
            steps=((None, GREEN), (60, YELLOW), (600, RED))),
        big("Overload", "Are rules switched off to keep up? 0: every rule runs.", latest(one_number("detector_overload_level")),
            steps=BAD_ABOVE_ZERO),
        big("Spool", "How full is the spool of the fullest sensor?",
            latest(f"max({metric('detector_spool_bytes')} / {metric('detector_spool_limit_bytes')})"), unit="percentunit",
            steps=((None, GREEN), (0.5, YELLOW), (0.8, RED))),
        big("Last reload", "Did the last reload of rules take effect?", latest(one_number("detector_last_reload_success", function="min")),
            steps=GOOD_AT_ONE, names={"0": ("failed", RED), "1": ("ok", GREEN)}),
        big("Runs for", "When did the youngest sensor start?", latest(f"time() - {one_number('detector_start_time_seconds')}"), unit="s"),
    ]  # fmt: skip
    sources = [
        states("Sources", "Which source could be read, and when not?",
               promql(f"min by (namespace, sensor, source) ({metric('detector_source_up')})", "{{sensor}} {{source}}"), UP),
        graph("Reconnects", "Is a source opened again and again: a cable, a driver, a folder that is unmounted?",
              promql(rate("detector_source_reconnects_total", "source"), "{{sensor}} {{source}}"), height=6),
        graph("Packets by source", "How much traffic comes in by each source?",
              promql(rate("detector_packets_seen_total", "source"), "{{sensor}} {{source}}"), unit="pps"),
        graph("Bytes by source", "How much of the line is in use?",
              promql(rate("detector_bytes_seen_total", "source"), "{{sensor}} {{source}}"), unit="Bps"),
        graph("Capture lag", "How far behind now is what is being judged? Below nothing: the sender's clock is ahead.",
              promql(f"max by (namespace, sensor, source) ({metric('detector_capture_lag_seconds')})", "{{sensor}} {{source}}"),
              unit="s", least=None),
        graph("Directions", "Does the mirror port show both directions? Requests and answers should both be there.",
              promql(rate("detector_flow_packets_total", "direction"), "{{sensor}} {{direction}}"), unit="pps"),
        graph("Capture files", "Are files of watched folders read, and were some of them damaged?",
              promql(rate("detector_files_total", "source, result"), "{{sensor}} {{source}} {{result}}"), unit="short"),
        graph("Bytes that could not be read", "How much of capture files was skipped?",
              promql(rate("detector_bytes_skipped_total", "source"), "{{sensor}} {{source}}"), unit="Bps"),
    ]  # fmt: skip
    budget = [
        graph("Packets: seen = decoded + dropped", "Where did every packet go? The line must lie on top of the areas.",
              promql(f"sum({DECODED})", "decoded"), promql(f"sum({DROPPED})", "dropped"), promql(f"sum({SEEN})", "seen"),
              unit="pps", colours={"decoded": GREEN, "dropped": RED, "seen": BLUE}, width=8),
        graph("Dropped by cause", "Why were packets not judged?",
              promql(rate("detector_packets_dropped_total", "source, cause"), "{{sensor}} {{source}} {{cause}}"), unit="pps", stacked=True, width=8),
        graph("Packets that nobody accounts for", "Do the counters of the capture add up? More than nothing for long is a defect: tell us.",
              promql(metric("sensor:detector_packets_unaccounted:rate5m"), "{{sensor}}"), unit="pps", least=None, width=8),
        graph("Alerts: due = delivered + waiting + in quarantine + lost",
              "Where did every alert go that a sink should get? The line must lie on top of the areas.",
              promql(f"{OF_SINK} ({metric('detector_sink_delivered_total')})", "delivered {{sink}}"),
              promql(f"{OF_SINK} ({metric('detector_spool_waiting')})", "waiting {{sink}}"),
              promql(f"{OF_SINK} ({metric('detector_quarantine_alerts')})", "in quarantine {{sink}}"),
              promql(f"{OF_SINK} ({metric('detector_alerts_lost_total')})", "lost {{sink}}"),
              promql(f"{OF_SINK} ({metric('detector_sink_due_total')})", "due {{sink}}")),
        graph("Alerts that nobody accounts for",
              "Did a sink get fewer alerts than it should? Anything but nothing, for long, is a defect: tell us.",
              promql(metric("sensor_sink:detector_alerts_unaccounted"), "{{sensor}} {{sink}}"), least=None, width=12),
    ]  # fmt: skip
    delivery = [
        states("Sinks", "Which sink took its last delivery?",
               promql(f"min by (namespace, sensor, sink) ({metric('detector_sink_up')})", "{{sensor}} {{sink}}"), UP, width=8),
        graph("Alerts waiting", "How many alerts does a sink still have to take?",
              promql(f"max by (namespace, sensor, sink) ({metric('detector_spool_waiting')})", "{{sensor}} {{sink}}"), width=8, height=6),
        graph("Age of the oldest waiting alert", "For how long has a sink been behind?",
              promql(f"max by (namespace, sensor, sink) ({metric('detector_spool_oldest_seconds')})", "{{sensor}} {{sink}}"), unit="s",
              steps=((None, GREEN), (300, RED)), width=8, height=6),
        graph("Spool on disk", "How long until the spool is full?",
              promql(f"max {BY} ({metric('detector_spool_bytes')})", "{{sensor}}"),
              promql(f"max {BY} ({metric('detector_spool_limit_bytes')})", "{{sensor}} limit"), unit="bytes", width=8),
        graph("Failed deliveries by cause", "Why does a sink not take alerts?",
              promql(rate("detector_sink_failures_total", "sink, cause"), "{{sensor}} {{sink}} {{cause}}"), stacked=True, width=8),
        graph("Duration of a delivery, 99 %", "Is a sink slow?",
              promql(f"histogram_quantile(0.99, {rate('detector_sink_seconds_bucket', 'sink, le')})", "{{sensor}} {{sink}}"), unit="s", width=8),
        graph("Alerts delivered", "How fast do sinks take alerts?",
              promql(rate("detector_sink_delivered_total", "sink"), "{{sensor}} {{sink}}"), promql(rate("detector_spooled_total"), "{{sensor}} spooled"),
              width=8),
        graph("Alerts in quarantine", "Which alerts did a sink refuse? `detector spool list` says why.",
              promql(f"{OF_SINK} ({metric('detector_quarantine_alerts')})", "{{sensor}} {{sink}}"), width=8),
        graph("Alerts lost by cause", "Which alerts will a sink never get, and why?",
              promql(f"sum by (namespace, sensor, sink, cause) ({metric('detector_alerts_lost_total')})", "{{sensor}} {{sink}} {{cause}}"),
              steps=((None, GREEN), (1, RED)), width=8),
    ]  # fmt: skip
    detection = [
        heat_of("From packet to alert", "How soon after its packet is an alert safe in the spool?",
                promql(f"sum by (le) (rate({metric('detector_detection_latency_seconds_bucket')}[$__rate_interval]))", "{{le}}", buckets=True)),
        graph("From packet to alert, 50 % and 99 %", "Is detection late?",
              promql(f"histogram_quantile(0.5, {rate('detector_detection_latency_seconds_bucket', 'le')})", "{{sensor}} 50 %"),
              promql(f"histogram_quantile(0.99, {rate('detector_detection_latency_seconds_bucket', 'le')})", "{{sensor}} 99 %"), unit="s"),
        graph("Flows", "How many flows begin, and are some given up because the table is full?",
              promql(rate("detector_flows_created_total"), "{{sensor}} begun"), promql(rate("detector_flows_evicted_total"), "{{sensor}} given up")),
        graph("Overload", "Were rules switched off to keep up, and how many rows did they not see?",
              promql(f"max {BY} ({metric('detector_overload_level')})", "{{sensor}} level"),
              promql(rate("detector_rule_shed_rows_total"), "{{sensor}} rows a second")),
    ]  # fmt: skip
    process = [
        graph("Memory", "Is memory flat?", promql(f"max {BY} ({metric('detector_memory_bytes')})", "{{sensor}}"), unit="bytes", width=8),
        graph("Open files", "Are file descriptors leaked?", promql(f"max {BY} ({metric('detector_open_files')})", "{{sensor}}"), width=8),
        graph("Workers", "Do all workers run, and were some started again?", promql(f"max {BY} ({metric('detector_workers')})", "{{sensor}} run"),
              promql(f"sum {BY} (increase({metric('detector_worker_restarts_total')}[$__rate_interval]))", "{{sensor}} restarted"),
              colours={"restarted": RED}, width=8),
        graph("Reloads", "When were rules reloaded, and did it work?",
              promql(f"sum by (namespace, sensor, result) (increase({metric('detector_reloads_total')}[$__rate_interval]))", "{{sensor}} {{result}}"),
              bars=True, width=8),
        graph("Checkpoints", "Is state written, so that a restart forgets nothing?",
              promql(f"time() - max {BY} ({metric('detector_checkpoint_timestamp_seconds')})", "{{sensor}} age"),
              promql(f"sum {BY} (increase({FAILED_CHECKPOINTS}[$__rate_interval]))", "{{sensor}} failed"),
              unit="s", width=8),
        graph("Log lines held back", "Does something repeat itself in the log?", promql(rate("detector_log_suppressed_total"), "{{sensor}}"), width=8),
        listing("Versions", "Which version runs where, and when did it last load rules?",
                promql(f"max by (namespace, sensor, version, python) ({metric('detector_build_info')})", now=True),
                promql(f"time() - max {BY} ({metric('detector_last_reload_timestamp_seconds')})", now=True),
                columns={"sensor": "sensor", "namespace": "namespace", "version": "version", "python": "Python", "Value #B": "rules loaded before"},
                hidden=["Time", "Value #A"], units={"rules loaded before": "s"}, height=6),
    ]  # fmt: skip
    rows = {
        "Now": now,
        "Sources": sources,
        "Loss budget": budget,
        "Delivery of alerts": delivery,
        "Detection": detection,
        "Process": process,
    }
    answers = "For whoever runs a sensor: what it sees, what it loses and why, whether alerts arrive."
    return framed("detector-health", answers, rows)
