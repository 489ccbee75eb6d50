"""What all stages make of captures, as hashes: run once compiled and once as plain Python, the two must be one.

python -m tests.digest CAPTURE...        prints JSON: {what: hash}, and "kernels" with the plain ones that ran
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import numpy as np

from detector.capture import open_source
from detector.columns import Table
from detector.packets.decode import DecodeSettings
from detector.pipeline import Pipeline, PipelineSettings
from detector.protocols.fields import FIELDS, table_of
from tests.runs import shipped_rules

SETTINGS = PipelineSettings(decode=DecodeSettings(check_checksums=True))


def hashed(table: Table, name: str) -> str:
    """A column's values and rows."""
    values, rows = table.column(name).flat()
    column = table.column(name)
    if values.ndim == 2 and column.buffer is not None:
        data = b"\0".join(column.buffer[a:b].tobytes() for a, b in values.tolist())
    else:
        data = np.ascontiguousarray(values).tobytes()
    return hashlib.sha256(data + rows.tobytes()).hexdigest()[:16]


def digest(path: str) -> dict[str, str]:
    """Hashes of every column of every table, and of the alerts, batch by batch."""
    found: dict[str, str] = {}
    pipeline = Pipeline(shipped_rules(), SETTINGS)
    name = Path(path).name
    for number, batch in enumerate(open_source([path], batch_packets=97).batches()):
        packets, pdus = pipeline.decoding.tables(batch)
        tables: dict[str, Table] = {"packet": packets, **pdus}
        for field in FIELDS:
            table: Table | None = tables.get(table_of(field))
            if table is not None and FIELDS[field].level == "object":
                table = table.objects()
            if table is not None:
                found[f"{name} {number} {field}"] = hashed(table, field)
        matches = pipeline.engine.detect(tables)
        alerts = [(match.rule.title, match.packet, match.stood_for, match.count) for match in matches]
        found[f"{name} {number} alerts"] = hashlib.sha256(repr(alerts).encode()).hexdigest()[:16]
    return found


class Seen:
    """Counts the calls of functions in kernel modules, where they run as plain Python."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename.endswith("_kernels.py"):
            self.calls[f"{Path(frame.f_code.co_filename).name}:{frame.f_code.co_name}"] += 1


def main() -> None:
    """Digests of all captures named on the command line."""
    seen = Seen()
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        sys.setprofile(seen)
    found: dict[str, object] = {}
    for path in sys.argv[1:]:
        found |= digest(path)
    sys.setprofile(None)
    print(json.dumps({**found, "kernels": sorted(seen.calls)}))


if __name__ == "__main__":
    main()
