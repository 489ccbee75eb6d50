"""One alert: a match that passed its limits, with the texts and values a person needs to judge it.

Input: matches and the tables they point into. Output: Alert, whose document is one ECS 8 event.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from detector.alerts import dissection, ecs
from detector.alerts.message import fill
from detector.alerts.row import Row
from detector.columns import Table
from detector.detect.match import Match
from detector.rules.model import Rule

RECENT_IDS = 65536  # identical occurrences are counted among that many latest alerts


@dataclass(frozen=True, slots=True)
class Alert:
    """time_ns is the packet's own time; `document` is what sinks write."""

    rule: Rule
    match: Match
    time_ns: int
    message: str
    source: str  # "10.0.0.66", for people
    destination: str  # "10.0.0.5:502"
    document: Mapping[str, Any] = field(compare=False)


@dataclass
class AlertBuilder:
    """Builds alerts of one run. `run` sets exercise runs apart; `observer` is the sensor's name, "" for none."""

    run: str = ""
    observer: str = ""
    _seen: OrderedDict[bytes, int] = field(default_factory=OrderedDict)

    def build(self, match: Match, tables: Mapping[str, Table]) -> Alert:
        """The alert of a match. Its tables must still hold the match's batch."""
        row = Row(tables[match.table], match.row)
        message = fill(match.rule.message or match.rule.title, values_of(match, row))
        event_id = self._event_id(match, row)
        ends = row.endpoints()
        document = ecs.document(match, row, ends, message, event_id, dissection.text_of(row), self.run, self.observer)
        return Alert(match.rule, match, row.time_ns, message, ends.source_text, ends.destination_text, document)

    def state(self) -> OrderedDict[bytes, int]:
        """What outlives a batch, for a checkpoint: how often each of the latest alerts occurred."""
        return self._seen

    def restore(self, state: OrderedDict[bytes, int]) -> None:
        """Takes up a state."""
        self._seen = state

    def _event_id(self, match: Match, row: Row) -> str:
        """Hash of rule, time in microseconds, Community ID, the row's bytes and place, group and occurrence.

        Neither host, version nor wall clock takes part, so the id is the same live and offline.
        """
        digest = hashlib.sha256()
        parts = (self.run, match.rule.id, row.time_ns // 1000, row.community_id, row.offset, *match.group)
        for part in parts:
            digest.update(f"{part}\0".encode())
        digest.update(row.data)
        key = digest.digest()
        occurrence = self._seen.pop(key, -1) + 1
        self._seen[key] = occurrence
        if len(self._seen) > RECENT_IDS:
            self._seen.popitem(last=False)
        digest.update(f"\0{occurrence}".encode())
        return digest.hexdigest()[:40]


def values_of(match: Match, row: Row) -> Callable[[str], list[Any]]:
    """What {references} of a message stand for."""
    special: dict[str, list[Any]] = {
        "count": [] if match.count is None else [match.count],
        "group": list(match.group),
        "stood_for": [match.stood_for],
        "note": [match.note] if match.note else [],
    }

    def values(name: str) -> list[Any]:
        return special[name] if name in special else row.values(name)

    return values
