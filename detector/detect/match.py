"""A match that passed its rule's limit: what an alert is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detector.rules.model import Rule


@dataclass(frozen=True, slots=True)
class Match:
    """table, row: where it matched, in the batch at hand; packet: the batch's packet. stood_for: matches of its group that
    the limit kept back since the previous alert. group: values of the limit's fields. count: events or values that a
    correlation counted. note: what a person must know, such as a full memory."""

    rule: Rule
    table: str
    row: int
    packet: int
    clock_ns: int
    stood_for: int
    group: tuple[Any, ...]
    count: int | None = None
    note: str = ""
