"""What the daemon counts, brought to the board of metrics and into the status that `detector status` shows.

The loop tells of alerts as they are made; everything else is read from the parts, which count for themselves.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from detector import __version__
from detector.alerts.alert import Alert
from detector.capture.batch import Batch
from detector.capture.source import LiveSource
from detector.detect.memory import KINDS
from detector.detect.selection import LIMITS
from detector.pipeline import Run
from detector.rules.model import Rule, Ruleset
from detector.service.config import SOURCES, Config, kind_of, name_of
from detector.service.counted import Counted, counted
from detector.service.exporter import Board
from detector.service.health import Heartbeat
from detector.service.logs import Logs
from detector.service.overload import Load, Overload
from detector.service.reload import Reloader
from detector.service.status import Check, SinkStatus, SourceStatus, Status
from detector.service.talkers import Talkers
from detector.sinks.delivery import Counts, Delivery
from detector.sinks.destinations import DECLARED
from detector.sinks.spool import Spool

if TYPE_CHECKING:
    from detector.service.daemon import Checkpoints

STILL_SECONDS = 30.0  # of the loop, after which the daemon is not well
RECENT_SECONDS = 1.0  # a lag is of packets that were judged within that time: silence is no lag
MOST_SHOWN = 20  # rules and talkers in the status
RECENT = 16  # batches; more than workers ever have at once


class Publisher:
    """Writes the board and makes the status. Methods of the loop: beat, saw, alerted, publish."""

    def __init__(
        self, config: Config, board: Board, logs: Logs, source: LiveSource, pipeline: Run, spool: Spool,
        delivery: Delivery, reloader: Reloader, checkpoints: Checkpoints,
        overload: Overload,
    ) -> None:  # fmt: skip
        self._config, self._board, self._logs = config, board, logs
        self._source, self._pipeline, self._spool = source, pipeline, spool
        self._delivery, self._reloader = delivery, reloader
        self._heartbeat = Heartbeat(STILL_SECONDS)
        self._started = time.time()
        self._alerts: Counter[str] = Counter()
        self._clock_ns = 0
        self._lag: dict[str, float] = {}
        self._judged: dict[str, float] = {}  # when packets of a source were judged last, by a steady clock
        self._last_packet: dict[str, float] = {}
        self._rules: dict[str, Rule] = {}
        self._told: defaultdict[str, Counter[str]] = defaultdict(Counter)  # counts by rule that are on the board
        self._packets: Counter[str] = Counter()  # of each source, when it was looked at last
        self._failed: Counter[str] = Counter()  # packets of batches that brought the program to fail, by source
        self._lost: Counter[str] = Counter()  # packets that were lost with workers, by source
        self._recent: deque[Mapping[str, int]] = deque(maxlen=RECENT)  # packets of the last batches, by source
        self._kinds = {name_of(one): kind_of(one, SOURCES) for one in config.sources}
        self._kinds |= {name_of(one): kind_of(one, DECLARED) for one in config.alerts}
        self._checkpoints, self._overload = checkpoints, overload
        self._base = counted(pipeline)
        self._talkers = Talkers()
        pipeline.watch(self._talkers.add)
        self.is_started = False
        board.set("detector_start_time_seconds", self._started)
        board.declare("source", source.reports)
        board.declare("sink", delivery.counts())
        self.rules_changed(pipeline.ruleset)

    def _totals(self) -> Counted:
        """What this process has counted: the counts of stages and rules go on over restarts, with their state."""
        return counted(self._pipeline).since(self._base)

    def beat(self) -> None:
        """The loop turns."""
        self._heartbeat.beat()

    def rules_changed(self, ruleset: Ruleset) -> None:
        """Other rules run now."""
        self._rules |= {rule.id: rule for rule in ruleset.rules}
        self._board.declare_rules((rule.id, rule.title, rule.level) for rule in ruleset.alerting)

    def saw(self, batch: Batch, *, is_judged: bool = True) -> None:
        """A batch has been judged, or it brought the program to fail. It is of the sources whose packets have grown."""
        is_shared = self._config.feed == "fanout"  # packets are with workers
        last_ns = self._pipeline.decoding.counts.last_ns if is_shared else 0
        if is_shared and last_ns <= self._clock_ns:
            return
        grown = {}
        for name, report in self._source.reports.items():
            grown[name] = report.packets - self._packets[name]
            self._packets[name] = report.packets
        if len(batch):
            last_ns = int(batch.times[-1])
        elif not is_shared:
            return
        self._clock_ns = max(self._clock_ns, last_ns)
        last = last_ns / 1e9
        self._recent.append(grown)
        for name, packets in grown.items():
            if packets:
                self._last_packet[name] = last
                self._lag[name] = time.time() - last
                self._judged[name] = time.monotonic()
                self._failed[name] += 0 if is_judged else packets

    def alerted(self, alerts: Sequence[Alert]) -> None:
        """Alerts are in the spool."""
        if not alerts:
            return
        for rule, count in Counter(alert.rule.id for alert in alerts).items():
            self._alerts[rule] += count
            self._board.add("detector_alerts_total", count, rule, self._rules[rule].title, self._rules[rule].level)
        self._board.add("detector_spooled_total", len(alerts))
        late = time.time() - np.array([alert.time_ns for alert in alerts], np.float64) / 1e9
        self._board.observe_all("detector_detection_latency_seconds", late)

    def publish(self) -> None:
        """Everything to the board, as a whole. By the loop, twice a second."""
        totals = self._totals()
        self._count_lost(totals)
        with self._board.together():
            self._publish_sources()
            self._publish_stages(totals)
            self._publish_rules(totals)
            self._publish_delivery()
            self._publish_operations()

    def _count_lost(self, totals: Counted) -> None:
        """Tells packets that were lost with workers apart by source: in the proportion of the last batches."""
        new = totals.lost_packets - self._lost.total()
        recent = sum(map(Counter, self._recent), start=Counter())  # type: ignore[arg-type]
        for name, share in sorted(shares(new, recent).items()):  # per source
            self._lost[name] += share

    def _publish_sources(self) -> None:
        board = self._board
        for name, report in self._source.reports.items():
            failed, lost = self._failed[name], self._lost[name]
            dropped = sum(report.dropped.values())
            board.set("detector_source_up", report.is_up, name)
            board.set("detector_source_reconnects_total", report.reconnects, name)
            board.set("detector_packets_seen_total", report.packets + dropped, name)
            board.set("detector_packets_decoded_total", report.packets - failed - lost, name)
            board.set("detector_packets_dropped_total", lost, name, "worker")
            board.set("detector_packets_dropped_total", failed, name, "error")
            for cause, packets in report.dropped.items():
                board.set("detector_packets_dropped_total", packets, name, cause)
            board.set("detector_bytes_seen_total", report.bytes, name)
            board.set("detector_bytes_skipped_total", sum(report.skipped_bytes.values()), name)
            board.set("detector_capture_lag_seconds", self._lag.get(name, 0.0), name)
            board.set("detector_last_packet_timestamp_seconds", self._last_packet.get(name, 0.0), name)
            for result, files in report.files.items():
                board.set("detector_files_total", files, name, result)

    def _publish_stages(self, totals: Counted) -> None:
        board = self._board
        board.set("detector_flows_created_total", totals.flows_created)
        board.set("detector_flows_evicted_total", totals.flows_evicted)
        for direction, packets in totals.directions.items():
            board.set("detector_flow_packets_total", packets, direction)
        for protocol, pdus in totals.pdus.items():
            board.set("detector_pdus_total", pdus, protocol)
        for anomaly, rows in totals.anomalies.items():
            board.set("detector_anomalies_total", rows, anomaly)
        board.set("detector_overload_level", self._overload.level)
        board.set("detector_workers", self._config.workers)
        board.set("detector_worker_restarts_total", totals.worker_restarts)

    def _publish_rules(self, totals: Counted) -> None:
        board = self._board
        ruleset = self._pipeline.ruleset
        shed = self._overload.shed & {rule.id for rule in ruleset.alerting}
        board.set("detector_rules", len(ruleset.alerting) - len(shed), "active")
        board.set("detector_rules", len(shed), "shed")
        board.set("detector_rules", sum(bool(rule.inactive) for rule in ruleset.rules), "inactive")
        for kind in KINDS:  # per table
            board.set("detector_states_lost_total", totals.states_lost.get(kind, 0), kind)
        for limit in LIMITS:  # per limit
            board.set("detector_payload_limits_total", totals.limits.get(limit, 0), limit)
        for name, counts in (("detector_matches_total", totals.matched), ("detector_suppressed_total", totals.suppressed),
                             ("detector_rule_errors_total", totals.rule_errors),
                             ("detector_rule_groups_lost_total", totals.groups_lost),
                             ("detector_rule_shed_rows_total", totals.shed_rows),
                             ("detector_rule_seconds_total", totals.rule_ns)):  # fmt: skip
            self._add_new(name, counts, 1e-9 if name == "detector_rule_seconds_total" else 1.0)

    def _add_new(self, name: str, counts: Mapping[str, int], unit: float) -> None:
        """What a count by rule has grown by, under the rule's present title: it may have another one after a reload."""
        told = self._told[name]
        for rule_id, count in counts.items():
            rule = self._rules.get(rule_id)
            if rule is None or (rule.silent and name == "detector_matches_total"):
                continue
            if (new := count - told[rule_id]) > 0:
                self._board.add(name, new * unit, rule_id, rule.title)
            told[rule_id] = count

    def _publish_delivery(self) -> None:
        board = self._board
        board.set("detector_spool_bytes", self._spool.size)
        board.set("detector_spool_limit_bytes", self._config.spool.size)
        for name, counts in self._delivery.counts().items():
            board.set("detector_sink_due_total", counts.appended, name)
            board.set("detector_spool_waiting", counts.waiting, name)
            board.set("detector_spool_oldest_seconds", age(counts), name)
            board.set("detector_sink_up", counts.is_up, name)
            board.set("detector_sink_delivered_total", counts.delivered, name)
            board.set("detector_sink_quarantined_total", counts.refused, name)
            board.set("detector_quarantine_alerts", counts.quarantined, name)
            for cause, failures in counts.failures.items():
                board.set("detector_sink_failures_total", failures, name, cause)
            for cause, lost in counts.lost.items():
                board.set("detector_alerts_lost_total", lost, name, cause)
            board.set_distribution("detector_sink_seconds", counts.seconds, counts.seconds_sum, name)

    def _publish_operations(self) -> None:
        board, reloader = self._board, self._reloader
        for result, count in reloader.counts.items():
            board.set("detector_reloads_total", count, result)
        board.set("detector_last_reload_success", reloader.last.result != "failed")
        board.set("detector_last_reload_timestamp_seconds", reloader.loaded_time)
        board.set("detector_log_suppressed_total", self._logs.suppressed)
        board.set("detector_ready", self.is_ready)
        board.set("detector_checkpoints_total", self._checkpoints.ok, "ok")
        board.set("detector_checkpoints_total", self._checkpoints.failed, "failed")
        board.set("detector_checkpoint_timestamp_seconds", self._checkpoints.time)

    def load(self) -> Load:
        """How the interfaces stand. A watched folder that is behind loses nothing."""
        live = [(name, one) for name, one in self._source.reports.items() if self._kinds.get(name) == "interface"]
        now = time.monotonic()
        lags = [self._lag[name] for name, _ in live if now - self._judged.get(name, now - 60.0) < RECENT_SECONDS]
        return Load(
            max(lags, default=0.0),
            max((one.fill for _, one in live), default=0.0),
            sum(one.dropped["ring"] for _, one in live),
        )

    def refresh(self) -> None:
        """What is asked for at each scrape only."""
        self._board.set("detector_memory_bytes", memory_of(os.getpid()))
        self._board.set("detector_open_files", len(os.listdir("/proc/self/fd")))

    def health(self) -> str:
        """Why the daemon is not well, empty where it is."""
        return self._heartbeat.why()

    @property
    def is_ready(self) -> bool:
        """Whether all checks hold."""
        return all(check["ok"] for check in self.checks())

    def checks(self) -> list[Check]:
        """The conditions of being ready."""
        found: list[Check] = [{"name": "started", "ok": self.is_started, "why": "" if self.is_started else "not yet"}]
        for name, report in self._source.reports.items():
            found.append(
                {"name": f"source {name}", "ok": report.is_up, "why": "" if report.is_up else "cannot be read now"}
            )
        rules = len(self._pipeline.ruleset.active)
        found.append({"name": "rules", "ok": rules > 0, "why": "" if rules else "no rule is active"})
        unwritten = self._spool.level().unwritten
        why = f"{unwritten} alerts cannot be written to disk" if unwritten else ""
        found.append({"name": "spool", "ok": not unwritten, "why": why})
        return found

    def status(self) -> Status:
        """Everything that `detector status` shows."""
        totals, ruleset, reloader = self._totals(), self._pipeline.ruleset, self._reloader
        checks, last = self.checks(), self._reloader.last
        checkpoints = self._checkpoints
        return {
            "sensor": self._config.observer, "version": __version__, "pid": os.getpid(), "started": self._started,
            "ready": all(check["ok"] for check in checks), "checks": checks,
            "sources": [self._source_status(name) for name in self._source.reports],
            "rules": {
                "active": len(ruleset.alerting),
                "inactive": [{"title": rule.title, "why": rule.inactive} for rule in ruleset.rules if rule.inactive],
                "shed": [self._title(rule_id) for rule_id in sorted(self._overload.shed)],
                "errors": [{"rule": rule_id, "title": self._title(rule_id), "count": count}
                           for rule_id, count in totals.rule_errors.items() if count],
            },
            "spool": {"bytes": self._spool.size, "limit": self._config.spool.size},
            "sinks": [self._sink_status(name, counts) for name, counts in self._delivery.counts().items()],
            "reload": {
                "result": last.result, "time": reloader.last_time, "message": last.message,
                "diff": {"added": list(last.diff.added), "removed": list(last.diff.removed),
                         "changed": list(last.diff.changed), "inactive": list(last.diff.inactive)},
            },
            "checkpoint": {"time": checkpoints.time, "ok": not checkpoints.is_failing, "message": checkpoints.message},
            "workers": {"count": self._config.workers, "restarts": totals.worker_restarts},
            "memory_bytes": memory_of(os.getpid()),
            "overload": {"level": self._overload.level, "shed": [self._title(one) for one in sorted(self._overload.shed)]},
            "top": {
                "rules": [
                    {"rule": rule_id, "title": self._title(rule_id), "level": self._rules[rule_id].level, "alerts": count,
                     "suppressed": totals.suppressed.get(rule_id, 0)}
                    for rule_id, count in self._alerts.most_common(MOST_SHOWN)
                ],
                "talkers": [
                    {"source": one.addresses[0], "destination": one.addresses[1], "packets": one.packets, "bytes": one.bytes}
                    for one in self._talkers.top(MOST_SHOWN, self._clock_ns)
                ],
            },
        }  # fmt: skip

    def _title(self, rule_id: str) -> str:
        return self._rules[rule_id].title if rule_id in self._rules else rule_id

    def _source_status(self, name: str) -> SourceStatus:
        report, failed, lost = self._source.reports[name], self._failed[name], self._lost[name]
        return {
            "name": name, "kind": self._kinds.get(name, ""), "up": report.is_up, "packets": report.packets - failed - lost, "bytes": report.bytes,
            "dropped": dict(report.dropped + Counter(error=failed, worker=lost)), "lag_seconds": self._lag.get(name, 0.0),
            "last_packet": self._last_packet.get(name, 0.0), "reconnects": report.reconnects,
        }  # fmt: skip

    def _sink_status(self, name: str, counts: Counts) -> SinkStatus:
        return {
            "name": name, "kind": self._kinds.get(name, ""), "up": counts.is_up, "delivered": counts.delivered,
            "waiting": counts.waiting, "oldest_seconds": age(counts), "quarantined": counts.quarantined, "lost": counts.lost,
            "failures": counts.failures, "last_error": counts.last_error,
        }  # fmt: skip


def age(counts: Counts) -> float:
    """Seconds since the oldest alert that waits was spooled; 0 where none waits, or where the clock was set back since."""
    return max(0.0, (time.time_ns() - counts.oldest_ns) / 1e9) if counts.oldest_ns else 0.0


def shares(total: int, weights: Mapping[str, int]) -> dict[str, int]:
    """A number of packets split in the proportion of weights; what cannot be split goes to the heaviest."""
    if not total or not weights:
        return {}
    split = {name: total * weight // sum(weights.values()) for name, weight in weights.items()}
    split[max(weights, key=weights.__getitem__)] += total - sum(split.values())
    return split


def memory_of(pid: int) -> int:
    """Resident bytes of a process and of all below it; of one that has just ended, none."""
    total, todo = 0, [pid]
    while todo:  # per process
        one = todo.pop()
        with contextlib.suppress(OSError, ValueError):
            total += int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for task in Path(f"/proc/{one}/task").iterdir():
                todo += map(int, (task / "children").read_text().split())
    return total
