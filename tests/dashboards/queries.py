"""Every query of the shipped dashboards, read from the files that users import.

`promql_of_dashboards()` and `elasticsearch_queries_of_dashboards()` give queries with the variables filled in, ready to be
asked; `is_due` says whether an answer must hold data once a sensor runs (a panel that says what it shows when empty need not).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.runs import ROOT

GRAFANA = ROOT / "dashboards" / "grafana"
KIBANA = ROOT / "dashboards" / "kibana" / "detector.ndjson"
LEFT_OVER = re.compile(r"\$(?!__all)\{?\w+")
QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class PromQuery:
    """expression: variables filled in. written: as it stands in the file. labels: that the legend names."""

    dashboard: str
    panel: str
    expression: str
    written: str
    is_due: bool
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ElasticQuery:
    """body: of a search over logs-detector.alert-*, as Grafana or Kibana sends it."""

    dashboard: str
    panel: str
    body: dict[str, Any]
    is_due: bool


def grafana_dashboards() -> dict[str, dict[str, Any]]:
    """File name: dashboard."""
    return {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(GRAFANA.glob("*.json"))}


def panels_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def is_never_empty(panel: dict[str, Any]) -> bool:
    """Whether the panel says nothing of what it shows when it is empty."""
    return "noValue" not in panel["fieldConfig"]["defaults"]


def promql_of_dashboards(
    *, sensor: str = ".+", namespace: str = ".+", rule: str = ".*", rate_interval: str = "10s", shown: str = "1m"
) -> list[PromQuery]:
    """Queries of panels, and those of variables as the selectors that they look at. Variables are regular expressions."""
    filled = {
        "$__rate_interval": rate_interval,
        "$__range": shown,
        "$namespace": namespace,
        "$sensor": sensor,
        "$rule": rule,
    }
    found = []
    for name, dashboard in grafana_dashboards().items():
        for variable in dashboard["templating"]["list"]:
            selector = variable["query"]["query"].removeprefix("label_values(").rpartition(",")[0]
            found.append(PromQuery(name, f"${variable['name']}", replaced(selector, filled), selector, True))
        for panel in panels_of(dashboard):
            for target in panel["targets"]:
                if target["datasource"]["type"] == "prometheus":
                    labels = tuple(re.findall(r"\{\{(\w+)\}\}", target.get("legendFormat", "")))
                    found.append(
                        PromQuery(
                            name,
                            panel["title"],
                            replaced(target["expr"], filled),
                            target["expr"],
                            is_never_empty(panel),
                            labels,
                        )
                    )
    return found


def replaced(text: str, values: dict[str, str]) -> str:
    """The text with its variables filled in."""
    for name, value in values.items():
        text = text.replace(name, value)
    assert not LEFT_OVER.search(text), text
    return text


def elasticsearch_queries_of_dashboards(
    *, start_ms: int, stop_ms: int, sensor: str = "*", namespace: str = "*", rule: str = "*"
) -> list[ElasticQuery]:
    """Queries of Grafana's panels and Kibana's saved searches between two times. Variables are Lucene's: (a OR b)."""
    filled = {"${sensor:lucene}": sensor, "${namespace:lucene}": namespace, "${rule:lucene}": rule}
    found = []
    for name, dashboard in grafana_dashboards().items():
        for panel in panels_of(dashboard):
            for target in panel["targets"]:
                if target["datasource"]["type"] == "elasticsearch":
                    body = search(target, replaced(target["query"], filled), start_ms, stop_ms)
                    found.append(ElasticQuery(name, panel["title"], body, is_never_empty(panel)))
    found += kibana_searches(start_ms, stop_ms)
    return found


def search(target: dict[str, Any], query: str, start_ms: int, stop_ms: int) -> dict[str, Any]:
    """What Grafana's data source makes of a panel's query."""
    body: dict[str, Any] = {"size": 0, "query": chosen(query, target["timeField"], start_ms, stop_ms)}
    kinds = [metric["type"] for metric in target["metrics"]]
    if kinds == ["raw_data"]:
        newest = {target["timeField"]: {"order": "desc", "unmapped_type": "boolean"}}
        return {
            **body,
            "size": int(target["metrics"][0]["settings"]["size"]),
            "sort": [newest, {"_doc": {"order": "desc"}}],
        }
    assert kinds == ["count"], f"teach tests/dashboards/queries.py what {kinds} is"
    inner = body
    for bucket in target["bucketAggs"]:
        inner["aggs"] = {bucket["id"]: aggregation(bucket, start_ms, stop_ms)}
        inner = inner["aggs"][bucket["id"]]
    return body


def chosen(query: str, time_field: str, start_ms: int, stop_ms: int) -> dict[str, Any]:
    """A time and a text in Lucene's language."""
    between = {"range": {time_field: {"gte": start_ms, "lte": stop_ms, "format": "epoch_millis"}}}
    return {"bool": {"filter": [between, {"query_string": {"analyze_wildcard": True, "query": query}}]}}


def aggregation(bucket: dict[str, Any], start_ms: int, stop_ms: int) -> dict[str, Any]:
    """A bucket of Grafana as an aggregation of Elasticsearch."""
    settings = bucket["settings"]
    if bucket["type"] == "terms":
        return {"terms": {"field": bucket["field"], "size": int(settings["size"]), "min_doc_count": int(settings["min_doc_count"]),
                          "order": {settings["orderBy"]: settings["order"]}}}  # fmt: skip
    assert bucket["type"] == "date_histogram", f"teach tests/dashboards/queries.py what {bucket['type']} is"
    seconds = max(1, (stop_ms - start_ms) // 1000 // 500)
    return {"date_histogram": {"field": bucket["field"], "fixed_interval": f"{seconds}s", "min_doc_count": int(settings["min_doc_count"]),
                               "extended_bounds": {"min": start_ms, "max": stop_ms}, "format": "epoch_millis"}}  # fmt: skip


def kibana_objects() -> list[dict[str, Any]]:
    """Saved objects of the file that is imported."""
    return [json.loads(line) for line in KIBANA.read_text(encoding="utf-8").splitlines()]


def kibana_searches(start_ms: int, stop_ms: int) -> Iterator[ElasticQuery]:
    """Saved searches. Their queries are written so that KQL and Lucene read the same in them."""
    for one in kibana_objects():
        if one["type"] == "search":
            query = json.loads(one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])["query"]["query"] or "*"
            body = {"size": 50, "query": chosen(query, "@timestamp", start_ms, stop_ms), "sort": [{"@timestamp": "desc"}],
                    "fields": one["attributes"]["columns"]}  # fmt: skip
            yield ElasticQuery("kibana", one["attributes"]["title"], body, True)


def has_data(answer: dict[str, Any]) -> bool:
    """Whether an answer of Elasticsearch would show anything."""
    if "aggregations" not in answer:
        return bool(answer["hits"]["hits"])
    outer = next(iter(answer["aggregations"].values()))["buckets"]
    return any(bucket["doc_count"] for bucket in outer)
