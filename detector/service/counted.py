"""What all stages of a run have counted so far, copied: the run goes on while it is shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from detector.pipeline import Run


@dataclass(frozen=True)
class Counted:
    """Rules by id. lost_packets: of those decoded, what a worker had not handed on when it died."""

    directions: Mapping[str, int]
    pdus: Mapping[str, int]
    anomalies: Mapping[str, int]
    flows_created: int
    flows_evicted: int
    matched: Mapping[str, int]
    suppressed: Mapping[str, int]
    rule_errors: Mapping[str, int]
    groups_lost: Mapping[str, int]
    states_lost: Mapping[str, int]
    limits: Mapping[str, int]
    shed_rows: Mapping[str, int]
    rule_ns: Mapping[str, int]
    worker_restarts: int
    lost_packets: int

    def since(self, before: Counted) -> Counted:
        """What has come since something was counted before."""
        made: dict[str, Any] = {}
        for one in fields(self):  # per kind of count
            now, then = getattr(self, one.name), getattr(before, one.name)
            if isinstance(now, Mapping):
                made[one.name] = {key: max(0, count - then.get(key, 0)) for key, count in now.items()}
            else:
                made[one.name] = max(0, now - then)
        return Counted(**made)


def counted(run: Run) -> Counted:
    """The counts of a run at this moment."""
    decoding, engine = run.decoding, run.engine
    flows, counts = decoding.flows, decoding.counts
    return Counted(
        dict(flows.directions), dict(decoding.pdus), dict(decoding.anomalies), flows.created, flows.evicted,
        dict(engine.matched), dict(engine.suppressed), dict(engine.rule_errors), dict(engine.lost_groups), dict(engine.lost_states), dict(engine.limits),
        dict(engine.shed_rows), dict(engine.spent_ns), counts.worker_restarts, counts.lost_packets,
    )  # fmt: skip
