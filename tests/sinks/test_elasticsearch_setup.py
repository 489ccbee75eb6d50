"""Templates on real servers: put once, shown before, never put back; and a mapping that no document can break."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from detector.errors import InputError
from detector.sinks.destination import Record
from detector.sinks.elasticsearch_client import connect
from detector.sinks.elasticsearch_settings import DAY_NS, ElasticsearchSettings
from detector.sinks.elasticsearch_setup import Plan, plan
from detector.sinks.elasticsearch_template import CUSTOM, FIELDS, MAPPINGS, TEMPLATE, VERSION, mappings, parts
from tests.alerts.made import hostile, made
from tests.alerts.test_ecs import ECS, FRAMES, flat
from tests.samples import sample
from tests.servers.elasticsearch import RELEASES, Server, server_for
from tests.sinks.elastic import a_namespace, destination_for, document, record, set_up, settings_for, stored

TYPES = {"keyword": "keyword", "mac": "keyword", "text": "text", "long": "long", "ip": "ip", "date": "date_nanos"}


@pytest.fixture(scope="module", params=sample(sorted(RELEASES), 1), ids=lambda major: f"fresh{major}")
def fresh(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose templates these tests may change."""
    for server in server_for(request.param, tmp_path_factory.mktemp("fresh")):
        yield server.require_own()


@pytest.fixture
def target(fresh: Server) -> Iterator[ElasticsearchSettings]:
    """A data stream of its own on a server without any of our templates."""
    yield settings_for(fresh.url)
    for index in fresh.call("GET", "/_cat/indices?format=json&expand_wildcards=all"):
        if not index["index"].startswith(".ds-"):
            fresh.call("DELETE", f"/{index['index']}")
    # What a data stream uses cannot be deleted, and the jars have no way to delete a data stream; another can stand in.
    stand_in = {"index_patterns": ["logs-detector.alert-*"], "priority": 9, "data_stream": {}}
    fresh.call("PUT", "/_index_template/stand-in", stand_in)
    for path in (f"/_index_template/{TEMPLATE}", f"/_component_template/{MAPPINGS}", f"/_component_template/{CUSTOM}"):
        delete(fresh, path)


def delete(server: Server, path: str) -> None:
    if "404" not in (answer := str(tried(server, path))):
        assert "acknowledged" in answer, answer


def tried(server: Server, path: str) -> Any:
    try:
        return server.call("DELETE", path)
    except OSError as error:  # HTTPError is one
        error.close()  # type: ignore[attr-defined]
        return error


def planned(target: ElasticsearchSettings) -> Plan:
    with connect(target) as client:
        return plan(client, target)


def everything(server: Server) -> dict[str, Any]:
    """All that setup could change."""
    state = server.call("GET", "/_cluster/state/metadata?filter_path=metadata.index_template,metadata.component_template,metadata.indices.*.mappings,metadata.data_stream")  # fmt: skip
    return dict(state)


def test_a_dry_run_shows_everything_and_changes_nothing(fresh: Server, target: ElasticsearchSettings) -> None:
    before = everything(fresh)
    first = planned(target)
    assert [change.title for change in first.changes] == [
        "create component template logs-detector.alert@mappings", "create index template logs-detector.alert"]  # fmt: skip
    shown = "\n".join(change.shown() for change in first.changes)
    lines = [line.split() for line in shown.splitlines()]
    assert ["+", '"type":', '"date_nanos"'] in lines and ["+", '"data_retention":', '"365d",'] in lines
    assert not any(line[0].startswith("-") for line in lines)
    assert everything(fresh) == before
    assert first.notes == ["this server does not offer _data_stream: the data stream is made by the first alert"]


def test_the_second_time_nothing_changes(fresh: Server, target: ElasticsearchSettings) -> None:
    assert set_up(target) == 2
    state = everything(fresh)
    assert set_up(target) == 0
    destination = destination_for(target)
    assert destination.deliver([record("a")], is_resent=False).delivered == 1
    destination.close()
    assert set_up(target) == 0
    assert planned(target).notes[-1].endswith("the retention of the data stream that is there stays as it is")
    index = fresh.call("GET", f"/{target.data_stream}/_mapping")
    assert next(iter(index.values()))["mappings"]["properties"]["@timestamp"] == {"type": "date_nanos"}
    templates = {key: value for key, value in state["metadata"].items() if key.endswith("template")}
    assert {key: everything(fresh)["metadata"][key] for key in templates} == templates


def test_retention_is_the_data_streams_lifecycle(fresh: Server, target: ElasticsearchSettings) -> None:
    for retention, text in ((30 * DAY_NS, "30d"), (36 * 3600 * 10**9, "36h"), (0, None)):
        one = replace(target, retention=retention, namespace=a_namespace())
        set_up(one)
        assert set_up(one) == 0
        destination = destination_for(one)
        destination.deliver([record("a")], is_resent=False)
        destination.close()
        state = fresh.call("GET", f"/_cluster/state/metadata/{one.data_stream}")
        lifecycle = state["metadata"]["data_stream"]["data_stream"][one.data_stream]["lifecycle"]
        assert lifecycle["enabled"] is True and lifecycle.get("data_retention") == text


def test_what_somebody_changed_is_shown_and_put_right(fresh: Server, target: ElasticsearchSettings) -> None:
    set_up(target)
    changed = json.loads(json.dumps(parts(target)[0].body))
    changed["template"]["mappings"]["properties"]["message"] = {"type": "keyword"}
    fresh.call("PUT", f"/_component_template/{MAPPINGS}", changed)
    (change,) = planned(target).changes
    assert change.title == "update component template logs-detector.alert@mappings"
    lines = [line.split() for line in change.shown().splitlines()]
    assert ["-", '"type":', '"keyword"'] in lines and ["+", '"type":', '"text"'] in lines
    assert set_up(target) == 1 and set_up(target) == 0


def test_a_newer_program_is_not_undone(fresh: Server, target: ElasticsearchSettings) -> None:
    set_up(target)
    newer = {**parts(target)[1].body, "version": VERSION + 1, "priority": 301}
    fresh.call("PUT", f"/_index_template/{TEMPLATE}", newer)
    with pytest.raises(InputError, match=f"has version {VERSION + 1}, this program knows {VERSION}"):
        planned(target)
    assert fresh.call("GET", f"/_index_template/{TEMPLATE}")["index_templates"][0]["index_template"]["priority"] == 301


def older(server: Server, target: ElasticsearchSettings, change: dict[str, Any], drop: str) -> None:
    """The data stream as an older program would have made it."""
    body = json.loads(json.dumps(parts(target)[0].body))
    properties = body["template"]["mappings"]["properties"]
    properties |= change
    del properties[drop]
    set_up(target)
    server.call("PUT", f"/_component_template/{MAPPINGS}", {**body, "version": 0})
    destination = destination_for(target)
    assert destination.deliver([record("old")], is_resent=False).delivered == 1
    destination.close()


def test_new_fields_are_added_to_the_index_that_is_written(fresh: Server, target: ElasticsearchSettings) -> None:
    older(fresh, target, {}, "packet")
    update, add = planned(target).changes
    assert update.title.startswith("update component template") and add.title.startswith(
        "add fields to .ds-logs-detector.alert-"
    )
    assert "packet.number" in add.shown() and "rule.name" not in add.shown()
    assert set_up(target) == 2 and set_up(target) == 0
    (index,) = fresh.call("GET", f"/{target.data_stream}/_mapping").values()
    assert index["mappings"]["properties"]["packet"]["properties"]["number"]["type"] == "long"


def test_a_field_of_another_type_needs_a_new_index(fresh: Server, target: ElasticsearchSettings) -> None:
    older(fresh, target, {"message": {"type": "keyword"}}, "packet")
    titles = [change.title for change in planned(target).changes]
    assert len(titles) == 2 and titles[1].startswith(f"roll {target.data_stream} over: in .ds-")
    assert set_up(target) == 2 and set_up(target) == 0
    indices = fresh.call("GET", f"/{target.data_stream}/_mapping")
    kinds = [indices[name]["mappings"]["properties"]["message"]["type"] for name in sorted(indices)]
    assert kinds == ["keyword", "text"]
    assert stored(fresh, target) == {"old": 1}


def test_what_an_operator_adds_is_left_alone(fresh: Server, target: ElasticsearchSettings) -> None:
    """@custom wins, and is no reason to roll over again and again."""
    custom = {"template": {"settings": {"index.number_of_replicas": 0}, "mappings": {"properties": {
        "message": {"type": "keyword"}, "site": {"type": "keyword"}}}}}  # fmt: skip
    fresh.call("PUT", f"/_component_template/{CUSTOM}", custom)
    set_up(target)
    destination = destination_for(target)
    destination.deliver([record("a", site="here")], is_resent=False)
    destination.close()
    assert set_up(target) == 0
    (index,) = fresh.call("GET", f"/{target.data_stream}/_mapping").values()
    assert index["mappings"]["properties"]["message"] == {"type": "keyword"}
    assert fresh.call("GET", f"/{target.data_stream}/_search?q=site:here")["hits"]["total"]["value"] in (0, 1)


def test_an_index_in_place_of_the_data_stream_is_told(fresh: Server, target: ElasticsearchSettings) -> None:
    """Made by somebody who wrote there before the template was: it would never get one."""
    fresh.call("PUT", "/_index_template/plain", {"index_patterns": [target.data_stream], "priority": 999})
    fresh.call("PUT", f"/{target.data_stream}", {})
    delete(fresh, "/_index_template/plain")
    with pytest.raises(InputError, match="is an index on this server, and no data stream"):
        planned(target)


@pytest.mark.parametrize("name", FRAMES)
def test_every_field_that_is_written_is_mapped(name: str, tmp_path: Path) -> None:
    """A field that is not mapped is kept and cannot be searched: nobody would notice."""
    for field in flat(made(tmp_path, *FRAMES[name]).document):
        inside = field.split(".")
        assert field in FIELDS or any(".".join(inside[:count]) in FIELDS for count in range(1, len(inside))), field


def test_types_are_those_of_ecs() -> None:
    """event.start is ours to fill in for times before 1970; labels are flattened, so that any label can be searched."""
    for field, kind in FIELDS.items():
        if field in ECS:
            assert kind["type"] == TYPES[ECS[field].removeprefix("list ")], field
        else:
            ours = ("detector.", "packet.", "data_stream.")  # data_stream: of Elastic, in every data stream
            assert field.startswith(ours) or field in ("labels", "event.start"), field
    assert set(ECS) - set(FIELDS) == {"labels.run"}


def test_a_broken_alert_of_every_kind_is_stored_and_found(elasticsearch: Server, tmp_path: Path) -> None:
    """Real alerts, the one with hostile text among them, found by what people search for."""
    target = settings_for(elasticsearch.url)
    set_up(target)
    alerts = [made(tmp_path, *frame) for frame in FRAMES.values()] + [hostile(tmp_path)]
    records = [Record(alert.document["event"]["id"], json.dumps(alert.document).encode()) for alert in alerts]
    destination = destination_for(target)
    assert destination.deliver(records, is_resent=False).delivered == len(records)
    destination.close()
    assert set(stored(elasticsearch, target)) == {one.id for one in records}

    def found(query: dict[str, Any]) -> int:
        return int(elasticsearch.call("POST", f"/{target.data_stream}/_count", {"query": query})["count"])

    assert found({"term": {"source.ip": "10.0.0.0/8"}}) >= 4
    assert found({"term": {"detector.fields.modbus.func_code": "6"}}) == 1
    assert found({"term": {"rule.name": "A rule"}}) == len(records)
    assert found({"range": {"@timestamp": {"gte": "2024-05-01T08:00:00.123456789Z", "lte": "2024-05-01T08:00:00.123456789Z"}}}) == len(records)  # fmt: skip
    by_rule = {"size": 0, "aggs": {"rules": {"terms": {"field": "rule.name"}}}}
    assert elasticsearch.call("POST", f"/{target.data_stream}/_search", by_rule)["aggregations"]["rules"]["buckets"]


# JSON that nobody would write: any text, numbers beyond every type, lists of lists, objects in objects.
NUMBERS = strategies.one_of(strategies.integers(-(2**70), 2**70), strategies.integers(10**300, 10**301), strategies.floats(allow_nan=False, allow_infinity=False))  # fmt: skip
TEXTS = strategies.one_of(strategies.text(max_size=50), strategies.text(max_size=5).map(lambda text: text * 9000),
                          strategies.sampled_from(["\0", "\x1b[2J", "'\"\\", "\u202e", "null", "2024-01-01", "\U0001f600" * 9000]))  # fmt: skip
KEYS = strategies.text(
    strategies.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=60
)
VALUES = strategies.recursive(strategies.one_of(strategies.none(), strategies.booleans(), NUMBERS, TEXTS),
                              lambda inner: strategies.lists(inner, max_size=3) | strategies.dictionaries(KEYS, inner, max_size=3), max_leaves=12)  # fmt: skip
FREE = [name for name, kind in FIELDS.items() if kind["type"] == "flattened"]
SCALARS = [name for name, kind in FIELDS.items() if kind["type"] not in ("flattened", "date_nanos")]


def nested(name: str, value: Any) -> dict[str, Any]:
    for word in reversed(name.split(".")):
        value = {word: value}
    return dict(value)


@given(free=strategies.dictionaries(KEYS, VALUES, max_size=5), unknown=strategies.dictionaries(KEYS.map("x".__add__), VALUES, max_size=3),
       scalar=NUMBERS | TEXTS | strategies.booleans() | strategies.lists(NUMBERS | TEXTS, max_size=3))  # fmt: skip
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_no_document_breaks_the_mapping(
    elasticsearch: Server, free: dict[str, Any], unknown: dict[str, Any], scalar: Any
) -> None:
    """Whatever the network or a later version puts into a field, the alert arrives: each in a field of every kind."""
    target = settings_for(elasticsearch.url, namespace="hostile")
    set_up(target)
    documents = [document(**unknown)]
    documents += [document(**nested(name, free)) for name in FREE]
    documents += [document(**nested(name, scalar)) for name in SCALARS if name != "event.start"]
    records = [Record(f"{random.getrandbits(120):x}", json.dumps(one).encode()) for one in documents]
    destination = destination_for(target)
    receipt = destination.deliver(records, is_resent=False)
    destination.close()
    assert (receipt.delivered, receipt.refused, receipt.again) == (len(records), [], []), receipt


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"d": value}
    return value


EXTREMES: dict[str, dict[str, Any]] = {
    "100,000 distinct keys": {"detector": {"fields": {f"key{number}": number for number in range(100_000)}}},
    "100,000 unknown fields": {"unknown": {f"key{number}": number for number in range(100_000)}},
    "deep objects": {"detector": {"fields": {"a": deep(150)}}},
    "deep unknown objects": {"unknown": deep(150)},
    "a text of a megabyte": {"message": "x" * 1_000_000, "rule": {"name": "y" * 1_000_000}, "detector": {"fields": {"f": "z" * 1_000_000}}},
    "a list of 100,000": {"detector": {"fields": {"f": list(range(100_000))}, "group": ["g"] * 100_000}},
    "wide letters": {"rule": {"name": "\U0001f600" * 8191}, "detector": {"fields": {"k" * 200: "\U0001f600" * 4096}}},
    "control characters": {"message": "".join(map(chr, range(32))), "detector": {"fields": {"f": "\0\x01\x7f\x9f"}}},
    "numbers out of range": {"source": {"port": 10**400}, "event": {"severity": -(2**65)}, "detector": {"fields": {"f": 10**400}}},
    "addresses that are none": {"source": {"ip": "999.1.1.1"}, "related": {"ip": ["10.0.0.1", "", "::zz"]}},
    "empty keys and dots": {"detector": {"fields": {"": 1, ".": 2, "a..b": 3, " ": 4, "a.": 5}}},
    "a date that is none": {"event": {"start": "yesterday"}},
}  # fmt: skip


@pytest.mark.parametrize("name", EXTREMES)
def test_extreme_documents_are_stored(name: str, elasticsearch: Server) -> None:
    target = settings_for(elasticsearch.url)
    set_up(target)
    destination = destination_for(target)
    receipt = destination.deliver([record("a", **EXTREMES[name])], is_resent=False)
    assert (receipt.delivered, receipt.refused) == (1, []), receipt.refused
    assert destination.present(["a"]) == {"a"}
    destination.close()
    (index,) = elasticsearch.call("GET", f"/{target.data_stream}/_mapping").values()
    assert set(index["mappings"]["properties"]) == set(mappings()["properties"])  # nothing was added by a document
