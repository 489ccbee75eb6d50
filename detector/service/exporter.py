"""The counts of the daemon and how Prometheus gets them: a board that everything writes to, copied whole at each scrape.

Every name is one of METRICS, every label set is bounded. A scrape holds the board's lock for as long as copying its
dictionaries takes, and makes its text afterwards.
"""

from __future__ import annotations

import itertools
import logging
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from detector import __version__
from detector.capture.source import DROP_CAUSES
from detector.columns import printable
from detector.detect.memory import KINDS
from detector.detect.selection import LIMITS
from detector.errors import PacketAnomaly
from detector.protocols import PROTOCOLS
from detector.protocols.ics import LOST
from detector.rules.model import LEVELS
from detector.service.metrics import LOST_CAUSES, METRICS, Metric
from detector.sinks.destination import CAUSES

log = logging.getLogger(__name__)

MOST_SERIES = 5000  # of one metric; what comes later is one series of rule="other"
OTHER = "other"
LONGEST_LABEL = 200

Labels = tuple[str, ...]

# Values of labels that are known ahead: by label, and where that differs by metric. A value of none of them is "other".
FIXED: dict[str, Sequence[str]] = {
    "direction": ("to_server", "to_client"),
    "protocol": tuple(protocol.name for protocol in PROTOCOLS),
    "anomaly": (
        *(anomaly.label for anomaly in PacketAnomaly),
        *(name for one in PROTOCOLS for name in one.anomalies),
        LOST,
    ),
    "state": ("active", "inactive", "shed"),
    "level": tuple(LEVELS),
}
FIXED_BY_METRIC: dict[tuple[str, str], Sequence[str]] = {
    ("detector_packets_dropped_total", "cause"): DROP_CAUSES,
    ("detector_sink_failures_total", "cause"): CAUSES,
    ("detector_alerts_lost_total", "cause"): LOST_CAUSES,
    ("detector_files_total", "result"): ("read", "damaged"),
    ("detector_reloads_total", "result"): ("ok", "failed", "unchanged"),
    ("detector_states_lost_total", "kind"): KINDS,
    ("detector_payload_limits_total", "limit"): LIMITS,
    ("detector_checkpoints_total", "result"): ("ok", "failed"),
}


def fixed_values(metric: str, label: str) -> Sequence[str] | None:
    """The values that a label can have, None where they come from rules, sources or the configuration."""
    return FIXED_BY_METRIC.get((metric, label), FIXED.get(label))


@dataclass
class Distribution:
    """One series of a histogram. counts: int64[buckets + 1], not cumulative; the last one is beyond every bound."""

    counts: NDArray[np.int64]
    sum: float = 0.0


@dataclass(frozen=True)
class Snapshot:
    """Everything at one moment: {metric: {label values: number}}, and of histograms their distributions."""

    values: Mapping[str, Mapping[Labels, float]] = field(default_factory=dict)
    distributions: Mapping[str, Mapping[Labels, Distribution]] = field(default_factory=dict)


class Board:
    """The present value of every series. Any thread may write; a wrong metric or number of labels raises at once.

    Series whose labels are all known ahead begin at 0, so that rate() sees their first step; `declare` and
    `declare_rules` do that for sources, sinks and rules.
    """

    def __init__(self, metrics: Sequence[Metric] = METRICS, most_series: int = MOST_SERIES) -> None:
        self.metrics = {metric.name: metric for metric in metrics}
        self._most = most_series
        self._lock = threading.RLock()
        self._values: dict[str, dict[Labels, float]] = {}
        self._distributions: dict[str, dict[Labels, Distribution]] = {}
        self._bounds: dict[str, NDArray[np.float64]] = {}
        for metric in metrics:
            if metric.kind == "histogram":
                self._distributions[metric.name] = {}
                self._bounds[metric.name] = np.array(metric.buckets, np.float64)
            else:
                self._values[metric.name] = {}
        self._begin({})
        if "detector_build_info" in self._values:
            self.set("detector_build_info", 1, __version__, platform.python_version())

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside is in a scrape as a whole or not at all, so that its sums add up."""
        with self._lock:
            yield

    def set(self, name: str, value: float, *labels: str) -> None:
        """The present value of a gauge, or a counter's total that is kept elsewhere."""
        with self._lock:
            self._values[name][self._series(name, labels, self._values[name])] = float(value)

    def add(self, name: str, value: float, *labels: str) -> None:
        """So much more. A counter only grows."""
        if value < 0 and self.metrics[name].kind == "counter":
            raise ValueError(f"{name} is a counter: {value}")
        with self._lock:
            series = self._values[name]
            key = self._series(name, labels, series)
            series[key] = series.get(key, 0.0) + float(value)

    def observe(self, name: str, seconds: float, *labels: str, count: int = 1) -> None:
        """`count` observations of one size."""
        self._observe(name, np.full(count, seconds, np.float64), labels)

    def observe_all(self, name: str, seconds: NDArray[np.float64], *labels: str) -> None:
        """Observations of an array. A negative one, of clocks that disagree, counts as 0."""
        self._observe(name, seconds, labels)

    def set_distribution(self, name: str, counts: Sequence[int], total_seconds: float, *labels: str) -> None:
        """A histogram that is kept elsewhere: one count for each bucket and one beyond, and the sum of all."""
        with self._lock:
            series = self._distributions[name]
            series[self._series(name, labels, series)] = Distribution(np.array(counts, np.int64), total_seconds)

    def declare(self, label: str, values: Iterable[str]) -> None:
        """Begins the series of these sources or sinks at 0."""
        self._begin({label: tuple(values)})

    def declare_rules(self, rules: Iterable[tuple[str, str, str]]) -> None:
        """Begins the series of these rules (id, title, level) at 0. Where there is no room for them, series of rules that
        are no longer among them go."""
        wanted = [dict(zip(("rule", "title", "level"), rule, strict=True)) for rule in rules]
        with self._lock:
            for metric in self.metrics.values():
                if "rule" in metric.labels and set(metric.labels) <= {"rule", "title", "level"}:
                    series = self._values[metric.name]
                    keys = {self._cleaned(metric.name, [rule[label] for label in metric.labels]) for rule in wanted}
                    if len(series.keys() | keys) > self._most:
                        for key in [key for key in series if key not in keys and key[0] != OTHER]:
                            del series[key]
                    for key in itertools.islice(sorted(keys - series.keys()), max(0, self._most - len(series))):
                        series[key] = 0.0

    def snapshot(self) -> Snapshot:
        """A copy of everything at this moment."""
        with self._lock:
            values = {name: dict(series) for name, series in self._values.items()}
            distributions = {
                name: {key: Distribution(one.counts.copy(), one.sum) for key, one in series.items()}
                for name, series in self._distributions.items()
            }
        return Snapshot(values, distributions)

    def _observe(self, name: str, seconds: NDArray[np.float64], labels: Labels) -> None:
        bounds = self._bounds[name]
        seconds = np.maximum(seconds[~np.isnan(seconds)], 0.0)
        counts = np.bincount(np.searchsorted(bounds, seconds, side="left"), minlength=len(bounds) + 1)
        with self._lock:
            series = self._distributions[name]
            key = self._series(name, labels, series)
            found = series.setdefault(key, Distribution(np.zeros(len(bounds) + 1, np.int64)))
            found.counts += counts
            found.sum += float(seconds.sum())

    def _begin(self, known: Mapping[str, Sequence[str]]) -> None:
        """Series at 0 of every metric all of whose labels are fixed or known, and that names one of the known."""
        with self._lock:
            for name, metric in self.metrics.items():
                if known and not set(known) & set(metric.labels):
                    continue
                choices = [known.get(label, fixed_values(name, label)) for label in metric.labels]
                if None in choices:
                    continue
                for labels in itertools.product(*(choice or () for choice in choices)):
                    if metric.kind == "histogram":
                        self._observe(name, np.zeros(0), labels)
                    else:
                        self.add(name, 0.0, *labels)

    def _series(self, name: str, labels: Labels, series: Mapping[Labels, object]) -> Labels:
        """The key under which a series is kept: itself, or that of all others where there is no room for it."""
        if labels in series:
            return labels
        key = self._cleaned(name, labels)
        if key in series or len(series) < self._most:
            return key
        return tuple(value if fixed_values(name, label) else OTHER
                     for label, value in zip(self.metrics[name].labels, key, strict=True))  # fmt: skip

    def _cleaned(self, name: str, labels: Sequence[str]) -> Labels:
        """Label values without control characters, of a bounded length, of the fixed set where there is one."""
        cleaned = []
        for label, value in zip(self.metrics[name].labels, labels, strict=True):
            fixed = fixed_values(name, label)
            cleaned.append(printable(value)[:LONGEST_LABEL] if fixed is None else value if value in fixed else OTHER)
        return tuple(cleaned)


class BoardCollector(Collector):
    """The metric families of a board. refresh: called before each scrape, to set what is cheap to ask for (memory, ages)."""

    def __init__(self, board: Board, refresh: Callable[[], None] | None = None) -> None:
        self._board = board
        self._refresh = refresh

    def describe(self) -> Iterable[Family]:
        """The families without samples."""
        return [Family(family_name(metric), metric.meaning, metric.kind) for metric in self._board.metrics.values()]

    def collect(self) -> Iterable[Family]:
        """The families as they are now. What refresh leaves undone stays as it was."""
        if self._refresh is not None:
            try:
                self._refresh()
            except Exception:  # a scrape is the last thing that may fail: it tells of the fault
                log.exception("metrics could not be refreshed")
        snapshot = self._board.snapshot()
        for metric in self._board.metrics.values():
            family = Family(family_name(metric), metric.meaning, metric.kind)
            if metric.kind == "histogram":
                for labels, distribution in snapshot.distributions[metric.name].items():
                    family.samples += histogram_samples(metric, labels, distribution)
            else:
                family.samples = [
                    Sample(metric.name, dict(zip(metric.labels, labels, strict=True)), value)
                    for labels, value in snapshot.values[metric.name].items()
                ]
            yield family


def family_name(metric: Metric) -> str:
    """The metric as OpenMetrics names the family of a counter: without _total."""
    return metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name


def histogram_samples(metric: Metric, labels: Labels, distribution: Distribution) -> list[Sample]:
    """Cumulative buckets, count and sum of one series."""
    named = dict(zip(metric.labels, labels, strict=True))
    bounds = [*(repr(float(bound)) for bound in metric.buckets), "+Inf"]
    totals = np.cumsum(distribution.counts).tolist()
    samples = [
        Sample(f"{metric.name}_bucket", {**named, "le": bound}, float(total))
        for bound, total in zip(bounds, totals, strict=True)
    ]
    samples.append(Sample(f"{metric.name}_count", named, float(totals[-1])))
    samples.append(Sample(f"{metric.name}_sum", named, distribution.sum))
    return samples


def registry_of(board: Board, refresh: Callable[[], None] | None = None) -> CollectorRegistry:
    """What a scrape exports: the board, and prometheus_client's process_* of the main process."""
    registry = CollectorRegistry()
    registry.register(BoardCollector(board, refresh))
    ProcessCollector(registry=registry)
    return registry
