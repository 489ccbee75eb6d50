"""What the daemon says of itself over its control socket: one object, which `detector status` and `detector top` show.

The daemon fills exactly this; `detector status --json` prints it unchanged. Times are Unix times in seconds, 0 where the
thing has not happened; totals count from the daemon's start.
"""

from __future__ import annotations

from typing import TypedDict


class Check(TypedDict):
    """One condition of being ready. why: empty where it holds."""

    name: str
    ok: bool
    why: str


class SourceStatus(TypedDict):
    """An interface or a watched folder. dropped: packets by cause, of DROP_CAUSES."""

    name: str
    kind: str
    up: bool
    packets: int
    bytes: int
    dropped: dict[str, int]
    lag_seconds: float
    last_packet: float
    reconnects: int


class InactiveRule(TypedDict):
    """A rule that is loaded and does not run. why: the variable that is missing, the override that disables it."""

    title: str
    why: str


class RuleErrors(TypedDict):
    """How often a rule failed."""

    rule: str
    title: str
    count: int


class RulesStatus(TypedDict):
    """shed: titles of the rules that are off because of overload."""

    active: int
    inactive: list[InactiveRule]
    shed: list[str]
    errors: list[RuleErrors]


class SpoolStatus(TypedDict):
    """limit: bytes at which alerts are dropped by policy."""

    bytes: int
    limit: int


class SinkStatus(TypedDict):
    """A destination of alerts. lost and failures: by cause."""

    name: str
    kind: str
    up: bool
    delivered: int
    waiting: int
    oldest_seconds: float
    quarantined: int
    lost: dict[str, int]
    failures: dict[str, int]
    last_error: str


class RuleChanges(TypedDict):
    """What a reload changed, by titles of rules."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    inactive: list[str]


class ReloadStatus(TypedDict):
    """The last reload. result: ok, failed, unchanged, or empty where there was none."""

    result: str
    time: float
    message: str
    diff: RuleChanges


class CheckpointStatus(TypedDict):
    """The last time that state was written."""

    time: float
    ok: bool
    message: str


class WorkersStatus(TypedDict):
    """count: worker processes that run. restarts: how many died and were started again."""

    count: int
    restarts: int


class OverloadStatus(TypedDict):
    """level: steps of the order of docs/operations.md that are off. shed: what they are."""

    level: int
    shed: list[str]


class TopRule(TypedDict):
    """A rule by its alerts."""

    rule: str
    title: str
    level: str
    alerts: int
    suppressed: int


class Talker(TypedDict):
    """A pair of addresses by its packets."""

    source: str
    destination: str
    packets: int
    bytes: int


class TopStatus(TypedDict):
    """The busiest rules and talkers, most first."""

    rules: list[TopRule]
    talkers: list[Talker]


class Status(TypedDict):
    """The daemon as a whole. checks: those of /readyz; ready: all of them hold."""

    sensor: str
    version: str
    pid: int
    started: float
    ready: bool
    checks: list[Check]
    sources: list[SourceStatus]
    rules: RulesStatus
    spool: SpoolStatus
    sinks: list[SinkStatus]
    reload: ReloadStatus
    checkpoint: CheckpointStatus
    workers: WorkersStatus
    memory_bytes: int
    overload: OverloadStatus
    top: TopStatus
