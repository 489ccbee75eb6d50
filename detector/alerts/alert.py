"""One alert: a match that passed its limits, with the texts and values a person needs to judge it.

Input: matches and the tables they point into. Output: Alert, whose document is one ECS 8 event.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from detector.alerts import dissection, ecs
from detector.alerts.message import fill
from detector.alerts.row import Row
from detector.columns import Field, Table
from detector.detect.match import Match
from detector.protocols.fields import FIELDS
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


class Draft(NamedTuple):
    """An alert whose id is still to be given, and the bytes that tell it from others."""

    alert: Alert
    identity: bytes


@dataclass
class Occurrences:
    """Counts identical occurrences of one run, among the latest RECENT_IDS, and gives alerts their ids.

    It crosses flows, and so there is one for all workers. Pickle it to go on with it.
    """

    _seen: OrderedDict[bytes, int] = field(default_factory=OrderedDict)

    def settle(self, draft: Draft) -> Alert:
        """The alert with its id."""
        key = hashlib.sha256(draft.identity)
        occurrence = self._seen.pop(key.digest(), -1) + 1
        self._seen[key.digest()] = occurrence
        if len(self._seen) > RECENT_IDS:
            self._seen.popitem(last=False)
        key.update(f"\0{occurrence}".encode())
        draft.alert.document["event"]["id"] = key.hexdigest()[:40]
        return draft.alert


@dataclass(frozen=True)
class AlertBuilder:
    """Builds alerts of one run. `run` sets exercise runs apart; `observer` is the sensor's name, "" for none."""

    run: str = ""
    observer: str = ""
    occurrences: Occurrences = field(default_factory=Occurrences)

    def build(self, match: Match, tables: Mapping[str, Table]) -> Alert:
        """The alert of a match. Its tables must still hold the match's batch."""
        return self.occurrences.settle(self.draft(match, tables))

    def draft(self, match: Match, tables: Mapping[str, Table]) -> Draft:
        """The alert of a match but for its id, which depends on those before it."""
        row = Row(tables[match.table], match.row)
        message = fill(match.rule.message or match.rule.title, values_of(match, row))
        ends = row.endpoints()
        document = ecs.document(match, row, ends, message, "", dissection.text_of(row), self.run, self.observer)
        alert = Alert(match.rule, match, row.time_ns, message, ends.source_text, ends.destination_text, document)
        return Draft(alert, self._identity(match, row))

    def _identity(self, match: Match, row: Row) -> bytes:
        """Rule, time in microseconds, Community ID, the row's bytes and place, group: with the occurrence, the alert's id.

        Neither host, version nor wall clock takes part, so the id is the same live and offline.
        """
        parts = (self.run, match.rule.id, row.time_ns // 1000, row.community_id, row.offset, *match.group)
        return b"".join(f"{part}\0".encode() for part in parts) + row.data


def values_of(match: Match, row: Row) -> Callable[[str], list[Any]]:
    """What {references} of a message stand for."""
    special: dict[str, list[Any]] = {
        "count": [] if match.count is None else [match.count],
        "group": list(match.group),
        "stood_for": [match.stood_for],
        "note": [match.note] if match.note else [],
    }

    def values(name: str) -> list[Any]:
        return special[name] if name in special else labelled(FIELDS[name], row.values(name))

    return values


def labelled(declared: Field, values: list[Any]) -> list[Any]:
    """Values of a field as people know them: a number that has a name with it, as in "Cold Restart (13)"."""
    if declared.kind not in ("uint", "int"):
        return values
    return [f"{declared.labels[value]} ({value})" if value in declared.labels else value for value in values]
