"""What a server lacks of our templates, as changes that can be shown and made. One change = one request.

Running it again finds nothing to do. A template of a newer program is left alone.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elastic_transport import ApiError
from elasticsearch import Elasticsearch, NotFoundError

from detector.errors import InputError
from detector.sinks.elasticsearch_client import JSON_HEADERS, told_by_cause
from detector.sinks.elasticsearch_settings import ElasticsearchSettings
from detector.sinks.elasticsearch_template import CUSTOM, VERSION, Part, mappings, parts, retention_text

# What servers add to a template when they are asked for it.
ADDED = ("created_date", "created_date_millis", "modified_date", "modified_date_millis")
# The end of a backing index's name; what moved the index may have put something in front.
BACKING = re.compile(r"\.ds-.*-[0-9]{6,}$")
# What is the same as nothing.
DEFAULTS = ({"hidden": "false", "allow_custom_routing": "false"}, {"enabled": "true"})


@dataclass(frozen=True)
class Change:
    """One request, and what it changes: `before` and `after` are what the server has and what it will have."""

    title: str
    method: str
    path: str
    body: dict[str, Any] | None
    before: Any = None
    after: Any = None

    def shown(self) -> str:
        """Title and difference, for people."""
        old, new = (json.dumps(value, indent=2, sort_keys=True).splitlines() if value is not None else []
                    for value in (self.before, self.after))  # fmt: skip
        lines = [line for line in difflib.unified_diff(old, new, n=2, lineterm="") if not line.startswith(("---", "+++", "@@"))]  # fmt: skip
        return "\n".join([self.title, *(f"    {line}" for line in lines)])


@dataclass(frozen=True)
class Plan:
    """changes: in the order in which they are to be made. notes: what this server cannot be asked or told."""

    changes: Sequence[Change]
    notes: Sequence[str] = field(default=())


def plan(client: Elasticsearch, settings: ElasticsearchSettings) -> Plan:
    """What has to be done on the server. Changes nothing.

    Raises:
        InputError: the server has templates of a newer program.
        Unavailable: the server cannot be asked.
    """
    notes: list[str] = []
    with told_by_cause():
        changes = [change for part in parts(settings) if (change := of_part(client, part)) is not None]
        changes += of_stream(client, settings, notes)
    return Plan(changes, notes)


def apply(client: Elasticsearch, change: Change) -> None:
    """Makes one change.

    Raises:
        Unavailable: the server did not take it.
    """
    with told_by_cause():
        client.perform_request(change.method, change.path, headers=JSON_HEADERS, body=change.body)


def of_part(client: Elasticsearch, part: Part) -> Change | None:
    """What has to be done for one template."""
    found = template_of(client, part.kind, part.name)
    wanted = normal(part.body)
    if found is None:
        return Change(f"create {part.kind} {part.name}", "PUT", part.path, part.body, None, wanted)
    if int(found.get("version") or 0) > VERSION:
        raise InputError(f"the server's {part.kind} {part.name} has version {found['version']}, this program knows {VERSION}",
                         hint="set up by a newer detector: use that one")  # fmt: skip
    if normal(found) == wanted:
        return None
    return Change(f"update {part.kind} {part.name}", "PUT", part.path, part.body, normal(found), wanted)


def template_of(client: Elasticsearch, kind: str, name: str) -> dict[str, Any] | None:
    """A template as the server has it."""
    key = kind.replace(" ", "_")
    try:
        found = asked(client, f"/_{key}/{name}")[f"{key}s"][0][key]
    except NotFoundError:
        return None
    return dict(found)


def of_stream(client: Elasticsearch, settings: ElasticsearchSettings, notes: list[str]) -> Iterator[Change]:
    """What has to be done for the data stream: made, its mapping brought up to date, its retention set."""
    stream = settings.data_stream
    try:
        indices = asked(client, f"/{stream}/_mapping")
    except NotFoundError:
        if answers(client, f"/_data_stream/{stream}", notes, "the data stream is made by the first alert"):
            yield Change(f"create data stream {stream}", "PUT", f"/_data_stream/{stream}", None)
        return
    if not all(BACKING.search(name) for name in indices):
        raise InputError(f"{stream} is an index on this server, and no data stream", hint="made before the template was: move it away")  # fmt: skip
    # Backing indices are numbered: the last one is written to.
    write_index = max(indices, key=lambda name: int(name.rsplit("-", 1)[1]))
    yield from of_mapping(client, stream, write_index, indices[write_index]["mappings"])
    yield from of_retention(client, settings, notes)


def of_mapping(client: Elasticsearch, stream: str, index: str, found: Mapping[str, Any]) -> Iterator[Change]:
    """New fields are added to the index that is written to. A field that must change needs a new index."""
    custom = template_of(client, "component template", CUSTOM) or {}
    wanted = merged(mappings(), custom.get("template", {}).get("mappings", {}))
    has, needs = normal(fields_of(found)), normal(fields_of(wanted))
    different = {name: kind for name, kind in needs.items() if name in has and has[name] != kind}
    if different:
        yield Change(f"roll {stream} over: in {index} fields have another type", "POST", f"/{stream}/_rollover", None,
                     {name: has[name] for name in different}, different)  # fmt: skip
        return
    missing = {name: kind for name, kind in needs.items() if name not in has}
    if missing:
        yield Change(f"add fields to {index}", "PUT", f"/{stream}/_mapping?write_index_only=true",
                     {"properties": wanted["properties"]}, {}, missing)  # fmt: skip


def of_retention(client: Elasticsearch, settings: ElasticsearchSettings, notes: list[str]) -> Iterator[Change]:
    """The lifecycle of a data stream that is there: the template's holds for those that are made later."""
    path = f"/_data_stream/{settings.data_stream}/_lifecycle"
    if not answers(client, path, notes, "the retention of the data stream that is there stays as it is"):
        return
    streams = asked(client, path)["data_streams"]
    lifecycle = streams[0].get("lifecycle", {}) if streams else {}
    wanted = {"data_retention": retention_text(settings)} if settings.retention else {}
    has = {key: value for key, value in lifecycle.items() if key == "data_retention"}
    if has != wanted or lifecycle.get("enabled") is False:
        yield Change(f"set the retention of {settings.data_stream}", "PUT", path, wanted, has, wanted)


def answers(client: Elasticsearch, path: str, notes: list[str], otherwise: str) -> bool:
    """Whether the server has this part of the interface; where it has not, a note says what follows."""
    try:
        asked(client, path)
    except NotFoundError:
        return True
    except ApiError as error:
        if error.meta.status not in (400, 405):
            raise
        notes.append(f"this server does not offer {path.split('/')[1]}: {otherwise}")
        return False
    return True


def asked(client: Elasticsearch, path: str) -> Any:
    """The server's answer to GET."""
    return client.perform_request("GET", path, headers=JSON_HEADERS).body


def fields_of(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, dict[str, Any]]:
    """{full name: its type and parameters} of a mapping."""
    found: dict[str, dict[str, Any]] = {}
    for name, kind in mapping.get("properties", {}).items():
        if "properties" in kind:
            found |= fields_of(kind, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = dict(kind)
    return found


def merged(ours: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping with another laid over it, as the server composes templates."""
    made = dict(ours)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(made.get(key), Mapping) and "type" not in value
        made[key] = merged(made[key], value) if both else value
    return made


def normal(value: Any) -> Any:
    """A template as text to be compared: values as the server writes them, without what it adds."""
    if isinstance(value, Mapping):
        made = {key: normal(inner) for key, inner in value.items() if key not in ADDED}
        return {} if made in DEFAULTS else made
    if isinstance(value, list | tuple):
        return [normal(inner) for inner in value]
    return str(value).lower() if isinstance(value, bool) else str(value)
