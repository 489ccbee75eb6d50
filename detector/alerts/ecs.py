"""The alert as one Elastic Common Schema (8.11) document. Fields of the rule language stay below `detector.fields`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from detector import __version__
from detector.alerts.attack import threat_of
from detector.alerts.row import TRANSPORTS, Endpoints, Row
from detector.detect.match import Match
from detector.protocols.table import PduTable
from detector.rules.model import LEVELS, Rule

ECS_VERSION = "8.11.0"
SEVERITIES = dict(zip(LEVELS, (10, 21, 47, 73, 99), strict=True))  # as Elastic's detection engine maps levels


def timestamp(time_ns: int) -> str:
    """ISO 8601 with nanoseconds, UTC."""
    seconds, rest = divmod(time_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def document(
    match: Match, row: Row, ends: Endpoints, message: str, event_id: str, dissection: str, run: str, observer: str
) -> dict[str, Any]:
    """One JSON-ready document; keys in a fixed order, absent values left out."""
    made: dict[str, Any] = {
        "@timestamp": timestamp(row.time_ns),
        "ecs": {"version": ECS_VERSION},
        "message": message,
        "event": event_of(event_id, match.rule.level),
        "rule": rule_of(match.rule),
        "threat": threat_of(match.rule.tags),
        "source": end(ends.source_ip, ends.source_port, ends.source_mac),
        "destination": end(ends.destination_ip, ends.destination_port, ends.destination_mac),
        "network": network_of(row),
        "observer": observer_of(observer, ingress_of(row)),
        "related": present({"ip": distinct(ends.source_ip, ends.destination_ip)}),
        "packet": {"number": int(row.batch.numbers[row.packet])},
        "log": present({"file": present({"path": row.batch.paths[int(row.batch.files[row.packet])]})}),
        "detector": detector_of(match, row, dissection),
        "labels": present({"run": run}),
    }
    return {key: value for key, value in made.items() if value != {}}


def event_of(event_id: str, level: str) -> dict[str, Any]:
    """ECS `event.*` of every alert."""
    return {
        "id": event_id, "kind": "alert", "category": ["network", "intrusion_detection"], "type": ["info"], "module": "detector",
        "dataset": "detector.alert", "severity": SEVERITIES[level],
    }  # fmt: skip


def observer_of(name: str, ingress: dict[str, Any] | None = None) -> dict[str, Any]:
    """ECS `observer.*`: who we are, and the interface that a packet came in on."""
    made = {
        "vendor": "detector",
        "product": "detector",
        "type": "ids",
        "version": __version__,
        "name": name,
        "ingress": ingress,
    }
    return present(made)


def rule_of(rule: Rule) -> dict[str, Any]:
    """ECS `rule.*`."""
    return present(
        {
            "id": rule.id,
            "uuid": rule.id,
            "name": rule.title,
            "description": rule.description,
            "author": [rule.author] if rule.author else [],
            "reference": rule.references[0] if rule.references else "",
            "category": rule.category or rule.table,
            "version": str(rule.signature.rev) if rule.signature is not None and rule.signature.rev else "",
        }
    )


def suricata_of(rule: Rule) -> dict[str, Any]:
    """A Suricata rule's numbers and class, as Suricata's own alerts name them."""
    signature = rule.signature
    if signature is None or not signature.sid:
        return {}
    return present(
        {
            "gid": signature.gid,
            "signature_id": signature.sid,
            "rev": signature.rev,
            "classtype": signature.classtype,
            "category": rule.category,
            "priority": signature.priority,
            "target": signature.target,
            "metadata": [f"{name} {value}".strip() for name, value in signature.metadata],
        }
    )


def ingress_of(row: Row) -> dict[str, Any]:
    """ECS `observer.ingress`: the interface of this sensor, for packets that come from no file."""
    batch = row.batch
    if batch.origins is None or batch.paths[int(batch.files[row.packet])]:
        return {}
    return {"interface": {"name": batch.described[int(batch.origins[row.packet])].name}}


def end(ip: str | None, port: int | None, mac: str | None) -> dict[str, Any]:
    """ECS `source.*` or `destination.*`."""
    return present({"address": ip or mac, "ip": ip, "port": port, "mac": mac and mac.upper().replace(":", "-")})


def network_of(row: Row) -> dict[str, Any]:
    """ECS `network.*`, with the Community ID and the outermost VLAN."""
    at, rows = row.packet_row, row.structure
    transport = int(rows.transport[at])
    has_ip = bool(rows.network[at])
    vlan = int(rows.vlan[row.outermost_row])
    return present(
        {
            "type": {4: "ipv4", 6: "ipv6"}.get(int(rows.network[at]), ""),
            "transport": TRANSPORTS.get(transport, "") if has_ip else "",
            "iana_number": str(transport) if has_ip else "",
            "protocol": row.table.protocol_of(row.row) if isinstance(row.table, PduTable) else "",
            "community_id": row.community_id,
            "vlan": {"id": str(vlan)} if vlan >= 0 else None,
        }
    )


def detector_of(match: Match, row: Row, dissection: str) -> dict[str, Any]:
    """What ECS has no place for: level, the fields the rule names, the group, the dissection."""
    rule = match.rule
    fields = {name: row.values(name) for name in rule.fields}
    return present(
        {
            "level": rule.level,
            "tags": list(rule.tags),
            "table": match.table,
            "fields": {name: found[0] if len(found) == 1 else found for name, found in fields.items() if found},
            "group": [str(value) for value in match.group],
            "count": match.count,
            "stood_for": match.stood_for or None,
            "note": match.note,
            "suricata": suricata_of(rule),
            "dissection": dissection,
        }
    )


def present(values: dict[str, Any]) -> dict[str, Any]:
    """The entries that have a value: zero is one, empty texts, lists and None are not."""
    return {key: value for key, value in values.items() if value is not None and value not in ("", [], {})}


def distinct(*values: str | None) -> list[str]:
    """The given values, each once, in order."""
    return list(dict.fromkeys(value for value in values if value))
