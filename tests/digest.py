"""What all stages make of captures, as hashes: run once compiled and once as plain Python, the two must be one.

python -m tests.digest CAPTURE... --rules RULES.rules --payloads CAPTURE...
    prints JSON: {what: hash}, and "kernels" with the plain ones that ran. RULES.rules are tried on the second captures.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import numpy as np

import detector.kernel
from detector.capture import open_source
from detector.columns import Table
from detector.detect.predicates import evaluate
from detector.flows.sessions import SESSION_FIELDS, SessionTable
from detector.flows.streams import POLICIES, StreamSettings, StreamTable
from detector.flows.table import FlowSettings, FlowTable
from detector.flows.windows import WindowTable
from detector.packets.decode import DecodeSettings
from detector.packets.table import PacketTable
from detector.pipeline import Pipeline, PipelineSettings
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.frames import FrameTable
from detector.protocols.points import Device, Point
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.rules.parser import parse_filter
from detector.warming import read_ring, ring_block, traffic
from tests.runs import ROOT, shipped_rules

DEVICES = tuple(
    Device(f"plc {number}", IPv4Address(f"10.20.0.{number}"), unit, (Point(f"{number} {unit}", f"register:{first}", "float32", high=9),))
    for number in range(20, 30) for unit, first in ((None, 0), (1, 100))
)  # fmt: skip
SMALL = PipelineSettings(
    points=DEVICES,
    decode=DecodeSettings(check_checksums=True, fragment_datagrams=8),
    flows=FlowSettings(flows=128),
    streams=StreamSettings(
        stream_bytes=2000,
        memory_bytes=64 * 1024,
        pieces=64 * 4,
        policies=tuple((f"10.1.{number}.0/24", name) for number, name in enumerate(POLICIES)),
    ),
)
FILTERS = [
    line for line in (ROOT / "tests/differential/filters.txt").read_text().splitlines() if line[:1] not in ("", "#")
]


def hashed(table: Table, name: str) -> str:
    """A column's values and rows."""
    values, rows = table.column(name).flat()
    column = table.column(name)
    if values.ndim == 2 and column.buffer is not None:
        data = b"\0".join(column.buffer[a:b].tobytes() for a, b in values.tolist())
    else:
        data = np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(data + rows.tobytes()).hexdigest()[:16]


def digest(name: str, paths: Sequence[str], settings: PipelineSettings, batch_packets: int = 97) -> dict[str, str]:
    """Hashes of every column of every table, of what filters select, and of the alerts, batch by batch."""
    found: dict[str, str] = {}
    pipeline = Pipeline(shipped_rules(), settings)
    windows = Windowing(settings)
    for number, batch in enumerate(open_source(paths, batch_packets=batch_packets).batches()):
        packets, pdus = pipeline.decoding.tables(batch)
        tables: dict[str, Table] = {"packet": packets, **pdus}
        for field in FIELDS:
            table: Table | None = tables.get(table_of(field))
            if table is not None and FIELDS[field].level == "object":
                table = table.objects()
            if table is not None:
                found[f"{name} {number} {field}"] = hashed(table, field)
        shards = pipeline.decoding.following.flows.shards_of(packets)
        found[f"{name} {number} shards"] = hashlib.sha256(shards.tobytes()).hexdigest()[:16]
        found[f"{name} {number} windows"] = windows.digest(packets)
        frames = FrameTable(packets, pdus)
        for text in FILTERS:
            mask = evaluate(parse_filter(text), frames)
            found[f"{name} {number} {text}"] = hashlib.sha256(mask.tobytes()).hexdigest()[:16]
        matches = pipeline.engine.detect(tables)
        pipeline.decoding.following.remember(packets)
        alerts = [(match.rule.title, match.packet, match.stood_for, match.count) for match in matches]
        found[f"{name} {number} alerts"] = hashlib.sha256(repr(alerts).encode()).hexdigest()[:16]
    return found


class Windowing:
    """Windows of streams and TCP sessions beside a run's own stages, all windows copied."""

    def __init__(self, settings: PipelineSettings) -> None:
        self._flows = FlowTable(settings.flows)
        self._streams = StreamTable(settings.streams, self._flows.slots)
        self._windows = WindowTable(2**20, self._flows.slots)
        self._sessions = SessionTable(self._flows.slots, settings.flows.midstream)

    def digest(self, packets: PacketTable) -> str:
        """A hash of the windows of a batch, of their bytes and of the seams, and of what sessions say."""
        batch = packets.batch
        flows = self._flows.follow(packets)
        self._sessions.follow(packets, flows)
        windows = self._windows.follow(packets, self._streams.follow(packets, flows))
        spans = self._windows.copy(batch, windows, np.arange(len(windows.cells)))
        data = b"\0".join(batch.buffer[start:stop].tobytes() for start, stop in spans.tolist())
        self._windows.remember(batch, windows)
        data += b"".join(np.ascontiguousarray(part).tobytes() for part in windows[:2])
        data += b"".join(packets.column(field.name).flat()[0].tobytes() for field in SESSION_FIELDS)
        return hashlib.sha256(data).hexdigest()[:16]


def live() -> dict[str, str]:
    """Hashes of what is read of rings: plain, tagged, cooked, both."""
    found: dict[str, str] = {}
    for status in (0, 8, 16, 80):
        for tag_at in (-1, 12, 14):
            columns = read_ring(ring_block(traffic(), status=status, tag=0x2007, tpid=0x88A8), 65536, tag_at)
            values = (columns.starts, columns.stops, columns.wire_lengths, columns.times, columns.is_unsummed)
            data = columns.buffer[: columns.used].tobytes() + b"".join(value.tobytes() for value in values)
            found[f"ring {status} {tag_at}"] = hashlib.sha256(data).hexdigest()[:16]
    return found


def signatures(name: str, rules: Ruleset, path: str, settings: PipelineSettings) -> dict[str, str]:
    """Hashes of what payload rules find, batch by batch. Alerts are not made: that is no kernel's work, and slow."""
    found: dict[str, str] = {}
    pipeline = Pipeline(rules, settings)
    for number, batch in enumerate(open_source([path], batch_packets=60).batches()):
        packets, pdus = pipeline.decoding.tables(batch)
        alerts = [(one.rule.id, one.packet, one.row) for one in pipeline.engine.detect({"packet": packets, **pdus})]
        pipeline.decoding.following.remember(packets)
        found[f"{name} {number} signatures"] = hashlib.sha256(repr(alerts).encode()).hexdigest()[:16]
    matched = sorted(pipeline.engine.matched.items())
    return found | {f"{name} matched": hashlib.sha256(repr(matched).encode()).hexdigest()[:16]}


def seen(kernels: set[str]) -> Callable[..., Callable[..., Any]]:
    """A decorator in place of Numba's that notes which kernels run. sys.setprofile would take five times as long."""

    def options(**_: object) -> Callable[..., Any]:
        def decorate(loop: Callable[..., Any]) -> Callable[..., Any]:
            name = f"{Path(loop.__code__.co_filename).name}:{loop.__name__}"

            @functools.wraps(loop)
            def run(*arguments: object) -> Any:
                kernels.add(name)
                return loop(*arguments)

            return run

        return decorate

    return options


def main() -> None:
    """Digests of all captures named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("captures", nargs="+")
    parser.add_argument("--rules")
    parser.add_argument("--payloads", nargs="+", default=[])
    given = parser.parse_args()
    kernels: set[str] = set()
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        assert not [name for name in sys.modules if name.endswith("_kernels")], "kernels are imported late"
        detector.kernel._njit = lambda: seen(kernels)  # type: ignore[assignment]
    found: dict[str, object] = {}
    for path in given.captures:
        found |= digest(Path(path).name, [path], PipelineSettings())
    found |= digest("all, small tables", given.captures, SMALL, 800)
    found |= live()
    if given.rules:
        rules = load_rules([Path(given.rules)], suricata_yaml=Path(given.rules).with_name("suricata.yaml"))
        for path in given.payloads:
            found |= signatures(Path(path).name, rules, path, SMALL)
    print(json.dumps({**found, "kernels": sorted(kernels)}))


if __name__ == "__main__":
    main()
