"""Every metric that the daemon exports: its name, type, labels and meaning. docs/metrics.md and the dashboards are made of it.

The loss budget: packets seen = decoded + dropped(cause); matches = alerts + suppressed; alerts = spooled; for each sink
alerts due = delivered + waiting in the spool + in quarantine + lost(cause).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """labels: each of a bounded set. Counters end in _total; times are seconds, sizes bytes."""

    name: str
    kind: str  # counter, gauge, histogram
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


LATENCIES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
LOST_CAUSES = ("oldest", "newest", "disk", "dropped")

METRICS: tuple[Metric, ...] = (
    # the process
    Metric("detector_build_info", "gauge", "1, with the version of the program and of Python", ("version", "python")),
    Metric("detector_start_time_seconds", "gauge", "when the daemon started, Unix time"),
    Metric("detector_ready", "gauge", "1 while every source is open and rules are loaded"),
    Metric("detector_memory_bytes", "gauge", "resident memory of all processes of the daemon"),
    Metric("detector_open_files", "gauge", "open file descriptors of the main process"),
    Metric("detector_workers", "gauge", "worker processes that run"),
    Metric("detector_worker_restarts_total", "counter", "workers that died and were started again"),
    Metric("detector_log_suppressed_total", "counter", "log lines held back by their rate limit"),
    # capture
    Metric("detector_source_up", "gauge", "1 while the source can be read", ("source",)),
    Metric("detector_source_reconnects_total", "counter", "times the source was opened anew", ("source",)),
    Metric("detector_packets_seen_total", "counter", "packets that reached the sensor: decoded and dropped", ("source",)),
    Metric("detector_packets_decoded_total", "counter", "packets that became rows", ("source",)),
    Metric("detector_packets_dropped_total", "counter", "packets that were not judged, by cause", ("source", "cause")),
    Metric("detector_bytes_seen_total", "counter", "captured bytes of decoded packets", ("source",)),
    Metric("detector_bytes_skipped_total", "counter", "bytes of capture files that could not be read", ("source",)),
    Metric("detector_capture_lag_seconds", "gauge", "wall clock minus time of the last packet when it was decoded",
           ("source",)),
    Metric("detector_last_packet_timestamp_seconds", "gauge", "time of the last packet, Unix time", ("source",)),
    Metric("detector_files_total", "counter", "capture files of a watched folder, by result (read, damaged)",
           ("source", "result")),
    # flows, protocols
    Metric("detector_flows_created_total", "counter", "flows begun"),
    Metric("detector_flows_evicted_total", "counter", "flows given up before their time because the table was full"),
    Metric("detector_flow_packets_total", "counter", "packets of TCP and UDP by direction: to_server, to_client",
           ("direction",)),
    Metric("detector_pdus_total", "counter", "PDUs decoded", ("protocol",)),
    Metric("detector_anomalies_total", "counter", "rows with an anomaly", ("anomaly",)),
    # rules
    Metric("detector_rules", "gauge", "rules by state: active, inactive, shed (switched off under overload)", ("state",)),
    Metric("detector_matches_total", "counter", "rows that a rule matched, before its limit", ("rule", "title")),
    Metric("detector_alerts_total", "counter", "alerts that a rule made", ("rule", "title", "level")),
    Metric("detector_suppressed_total", "counter", "matches held back by a rule's limit", ("rule", "title")),
    Metric("detector_rule_errors_total", "counter", "failures of a rule", ("rule", "title")),
    Metric("detector_rule_groups_lost_total", "counter", "groups that a rule forgot because its memory was full",
           ("rule", "title")),
    Metric("detector_states_lost_total", "counter", "what rules remembered of flows, of hosts (flowbits, xbits ...) and was "
           "forgotten because their memory was full", ("kind",)),
    Metric("detector_payload_limits_total", "counter", "how often payload rules ran into a limit: steps (of a candidate), "
           "expressions (took too long), untried (for a while after that), hits (pushed out), streams (last bytes given up), "
           "searches (batches so full of hits that they took longer)", ("limit",)),
    Metric("detector_rule_seconds_total", "counter", "time spent on a rule, sampled and scaled up", ("rule", "title")),
    Metric("detector_rule_shed_rows_total", "counter", "rows that a rule did not see while it was shed",
           ("rule", "title")),
    Metric("detector_overload_level", "gauge", "0: every rule runs; n: n steps of the order of docs/operations.md are off"),
    Metric("detector_detection_latency_seconds", "histogram", "from a packet's time to its alert in the spool", (),
           LATENCIES),
    # delivery
    Metric("detector_spooled_total", "counter", "alerts written to the spool"),
    Metric("detector_spool_bytes", "gauge", "size of the spool on disk"),
    Metric("detector_spool_limit_bytes", "gauge", "size at which the spool drops alerts"),
    Metric("detector_spool_waiting", "gauge", "alerts that a sink has not taken yet", ("sink",)),
    Metric("detector_spool_oldest_seconds", "gauge", "age of the oldest alert that a sink has not taken", ("sink",)),
    Metric("detector_sink_up", "gauge", "1 while the sink's last delivery succeeded", ("sink",)),
    Metric("detector_sink_delivered_total", "counter", "alerts that a sink has taken", ("sink",)),
    Metric("detector_sink_due_total", "counter", "alerts spooled since the sink was configured", ("sink",)),
    Metric("detector_sink_quarantined_total", "counter", "alerts that a sink refused", ("sink",)),
    Metric("detector_quarantine_alerts", "gauge", "alerts in a sink's quarantine", ("sink",)),
    Metric("detector_sink_failures_total", "counter", "deliveries that failed and are tried again", ("sink", "cause")),
    Metric("detector_sink_seconds", "histogram", "duration of a delivery", ("sink",), LATENCIES),
    Metric("detector_alerts_lost_total", "counter", "alerts that a sink will never get, by cause", ("sink", "cause")),
    # operations
    Metric("detector_reloads_total", "counter", "reloads by result: ok, failed, unchanged", ("result",)),
    Metric("detector_last_reload_success", "gauge", "1 where the last reload took effect, 0 where it failed"),
    Metric("detector_last_reload_timestamp_seconds", "gauge", "when rules were last loaded, Unix time"),
    Metric("detector_checkpoints_total", "counter", "checkpoints by result: ok, failed", ("result",)),
    Metric("detector_checkpoint_timestamp_seconds", "gauge", "when state was last written, Unix time"),
)  # fmt: skip
