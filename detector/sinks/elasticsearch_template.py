"""What `detector setup elasticsearch` puts on a server: an index template, its mapping, and roles.

Core field types only, so that every distribution of Elasticsearch takes it. Nothing that a document holds may make the
server refuse it: fields that are not listed are kept and not indexed (`dynamic: false`), free ones are `flattened`, texts
longer than IGNORE_ABOVE are kept and not indexed, addresses and numbers that are none likewise (`ignore_malformed`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from detector.sinks.elasticsearch_settings import DATASET, ElasticsearchSettings

# Rises with each change of what is below: an older program leaves a newer template alone.
VERSION = 1
TEMPLATE = f"logs-{DATASET}"
PATTERN = f"logs-{DATASET}-*"
MAPPINGS, CUSTOM = f"{TEMPLATE}@mappings", f"{TEMPLATE}@custom"
PRIORITY = 300  # Elastic's own template for logs-*-* has 100, those of its integrations 200
IGNORE_ABOVE = 8191  # characters; of four bytes each they are Lucene's longest term, 32766 bytes
IGNORE_ABOVE_FLATTENED = 4096  # the name of the key is part of the term
DEPTH = 200  # of objects in a flattened field
UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
META = {"managed_by": "detector", "description": "Alerts of detector, in ECS"}

KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": IGNORE_ABOVE}
TEXT: dict[str, Any] = {"type": "text", "norms": False}
LONG: dict[str, Any] = {"type": "long", "ignore_malformed": True}
IP: dict[str, Any] = {"type": "ip", "ignore_malformed": True}
DATE: dict[str, Any] = {"type": "date", "ignore_malformed": True}
FLATTENED: dict[str, Any] = {"type": "flattened", "ignore_above": IGNORE_ABOVE_FLATTENED, "depth_limit": DEPTH}

# Every field that alerts/ecs.py writes.
FIELDS: dict[str, dict[str, Any]] = {
    "@timestamp": {"type": "date_nanos"},
    "message": TEXT,
    "labels": FLATTENED,
    "detector.fields": FLATTENED,
    "detector.dissection": TEXT,
    **dict.fromkeys(("event.severity", "source.port", "destination.port", "packet.number", "detector.count", "detector.stood_for",
                     "detector.suricata.gid", "detector.suricata.signature_id", "detector.suricata.rev", "detector.suricata.priority"), LONG),
    **dict.fromkeys(("source.ip", "destination.ip", "related.ip"), IP),
    "event.start": DATE,
    # What sinks/elasticsearch.py adds.
    **dict.fromkeys(("data_stream.type", "data_stream.dataset", "data_stream.namespace"), KEYWORD),
    **dict.fromkeys((
        "ecs.version", "event.id", "event.kind", "event.category", "event.type", "event.module", "event.dataset",
        "rule.id", "rule.uuid", "rule.name", "rule.description", "rule.author", "rule.reference", "rule.category", "rule.version",
        "threat.framework", "threat.tactic.id", "threat.tactic.name",
        "threat.technique.id", "threat.technique.name", "threat.technique.reference",
        "source.address", "source.mac", "destination.address", "destination.mac",
        "network.type", "network.transport", "network.iana_number", "network.protocol", "network.community_id", "network.vlan.id",
        "observer.vendor", "observer.product", "observer.type", "observer.version", "observer.name", "observer.ingress.interface.name",
        "log.file.path", "detector.level", "detector.tags", "detector.table", "detector.group", "detector.note",
        "detector.suricata.classtype", "detector.suricata.category", "detector.suricata.target", "detector.suricata.metadata",
    ), KEYWORD),
}  # fmt: skip

# What the daemon may: add alerts, and look up those that it is not sure of. Nothing that is there can be changed by it.
SENSOR_ROLE: dict[str, Any] = {
    "cluster": ["monitor"],
    "indices": [{"names": [PATTERN], "privileges": ["create_doc", "read", "maintenance"]}],
}
# What who runs `detector setup elasticsearch` may.
SETUP_ROLE: dict[str, Any] = {
    "cluster": ["manage_index_templates", "monitor"],
    "indices": [{"names": [PATTERN], "privileges": ["manage", "create_index"]}],
}


@dataclass(frozen=True)
class Part:
    """One template. kind: what the server calls such a one, for people."""

    kind: str
    name: str
    body: dict[str, Any]

    @property
    def path(self) -> str:
        """Where the server keeps it."""
        return f"/_{self.kind.replace(' ', '_')}/{self.name}"


def parts(settings: ElasticsearchSettings) -> list[Part]:
    """The templates, in the order in which they must be put. What @custom holds is the operator's, and wins."""
    lifecycle: dict[str, Any] = {"enabled": True}
    if settings.retention:
        lifecycle["data_retention"] = retention_text(settings)
    component = {"template": {"mappings": mappings()}, "version": VERSION, "_meta": META}
    index_template = {
        "index_patterns": [PATTERN],
        "priority": PRIORITY,
        "data_stream": {},
        "composed_of": [MAPPINGS, CUSTOM],
        "ignore_missing_component_templates": [CUSTOM],
        "template": {"lifecycle": lifecycle},
        "version": VERSION,
        "_meta": META,
    }
    return [Part("component template", MAPPINGS, component), Part("index template", TEMPLATE, index_template)]


def mappings() -> dict[str, Any]:
    """FIELDS as a mapping."""
    made: dict[str, Any] = {"dynamic": False, "date_detection": False, "properties": {}}
    for name, field in FIELDS.items():
        *above, last = name.split(".")
        properties = made["properties"]
        for word in above:
            properties = properties.setdefault(word, {"properties": {}})["properties"]
        properties[last] = field
    return made


def retention_text(settings: ElasticsearchSettings) -> str:
    """The retention as Elasticsearch writes it, in the largest unit that it is a whole number of: 365d, 36h, 90s."""
    seconds = settings.retention // 10**9
    unit, size = next((unit, size) for unit, size in UNITS.items() if seconds % size == 0)
    return f"{seconds // size}{unit}"
