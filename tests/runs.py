"""Whole runs for tests: captures and sources through shipped rules to the bytes that the JSON lines sink writes."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path

from detector.alerts.alert import Alert
from detector.capture import Source, open_source
from detector.exercise.synthesis import PCAP_HEADER
from detector.pipeline import Pipeline, PipelineSettings, Run
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.sinks import JsonLines
from detector.workers import WorkerPipeline

ROOT = Path(__file__).parent.parent
RULES = ROOT / "rules"
SCENARIOS = ROOT / "replay_pcaps"
VARIABLES = {"MODBUS_MASTERS": "10.20.0.10", "MODBUS_WRITABLE_REGISTERS": "0..99"}
HOME_NET = ["10.20.0.0/16"]

Frame = tuple[int, bytes]  # time in ns, bytes


@cache
def shipped_rules() -> Ruleset:
    """The shipped packs with every variable set."""
    return load_rules([RULES], variables=VARIABLES, home_net=HOME_NET)


def pcap_bytes(frames: Iterable[Frame], link_type: int = 1) -> bytes:
    """A nanosecond pcap of frames in their order."""
    records = [struct.pack("<IIII", time // 10**9, time % 10**9, len(data), len(data)) + data for time, data in frames]
    return PCAP_HEADER[:20] + struct.pack("<I", link_type) + b"".join(records)


def frames_of(capture: Path, first: int = 0, count: int = 10**9) -> list[Frame]:
    """Frames of a nanosecond pcap."""
    data, at, found = capture.read_bytes(), 24, []
    while at < len(data):
        seconds, fraction, size, _ = struct.unpack_from("<IIII", data, at)
        found.append((seconds * 10**9 + fraction, data[at + 16 : at + 16 + size]))
        at += 16 + size
    return found[first : first + count]


def alerts_of(
    source: Source, ruleset: Ruleset | None = None, settings: PipelineSettings | None = None, workers: int = 0
) -> list[Alert]:
    """All alerts of a source; workers: processes beside this one."""
    rules = ruleset or shipped_rules()
    with closing(WorkerPipeline(rules, settings, workers) if workers else Pipeline(rules, settings)) as pipeline:
        return fed(pipeline, source)


def fed(pipeline: Run, source: Source) -> list[Alert]:
    """All alerts of a source from a run; no rule may fail, and no worker die."""
    found = [alert for batch in source.batches() for alert in pipeline.feed(batch)] + pipeline.finish()
    assert not pipeline.engine.rule_errors, pipeline.engine.rule_errors
    assert not pipeline.decoding.counts.worker_restarts
    return found


def counts_of(pipeline: Run) -> dict[str, object]:
    """Everything that a run has counted."""
    decoding, engine = pipeline.decoding, pipeline.engine
    return {
        "counts": decoding.counts, "anomalies": decoding.anomalies, "flows": decoding.flows, "pdus": decoding.pdus,
        "links": decoding.decoder.unknown_link_types, "repeats": decoding.decoder.repeats, "matched": engine.matched,
        "suppressed": engine.suppressed, "errors": engine.rule_errors, "rows": engine.rows_by_table,
        "lost": engine.lost_groups, "forgotten": engine.lost_states,
    }  # fmt: skip


def lines_of(alerts: Sequence[Alert], folder: Path) -> list[bytes]:
    """The lines that the JSON lines sink writes of them."""
    path = folder / "lines.jsonl"
    sink = JsonLines(str(path))
    sink.write(alerts)
    sink.close()
    return path.read_bytes().splitlines()


def replayed(capture: Path, batch_packets: int = 16384, workers: int = 0) -> list[bytes]:
    """Alert lines of a capture."""
    return lines_of(
        alerts_of(open_source([str(capture)], batch_packets=batch_packets), workers=workers), capture.parent
    )
