"""What a batch took is free when it is done with: months of daemon must not wait for garbage collections."""

from __future__ import annotations

import gc
import weakref

from detector.capture import open_source
from detector.pipeline import Pipeline
from detector.protocols.fields import FIELDS, table_of
from tests.runs import SCENARIOS, shipped_rules


def test_tables_of_a_batch_are_freed_without_the_collector() -> None:
    """A reference back from a column to its table kept 500 MB alive in a fast replay."""
    pipeline = Pipeline(shipped_rules())
    batches = open_source([str(SCENARIOS / "mixed-day" / "capture.pcap")], batch_packets=500).batches()
    gc.collect()
    gc.disable()
    try:
        packets, pdus = pipeline.decoding.tables(next(batches))
        pipeline.engine.detect({"packet": packets, **pdus})
        for name in FIELDS:
            if table_of(name) == "packet":
                packets.column(name)
        watched = [weakref.ref(table) for table in (packets, *pdus.values())]
        del packets, pdus
        assert [one() for one in watched] == [None] * len(watched)
    finally:
        gc.enable()
