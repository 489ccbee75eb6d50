"""Kibana: a data view of all alerts, saved searches, and a dashboard of them. Their queries read the same in KQL and Lucene."""

from __future__ import annotations

import json
from typing import Any

VIEW = "detector-alerts"
INDICES = "logs-detector.alert-*"
COLUMNS = ["detector.level", "rule.name", "source.address", "destination.address", "message", "observer.name"]
# id: title, what it answers, query
SEARCHES = {
    "detector-all": ("Detector: all alerts", "What was found, newest first?", ""),
    "detector-grave": ("Detector: critical and high", "What cannot wait?", "detector.level:(critical OR high)"),
    "detector-protocols": ("Detector: industrial protocols", "What were controllers told?", "network.protocol:*"),
    "detector-discovery": ("Detector: reconnaissance", "Who is looking around?", "threat.tactic.name:Discovery"),
}
OVER_TIME, DASHBOARD = "detector-over-time", "detector-alerts-dashboard"
# Kibana migrates what is older than itself: these are the oldest forms that hold everything that is used here.
CORE = "8.8.0"


def saved_objects() -> list[dict[str, Any]]:
    """The objects in the order in which they refer to each other."""
    return [data_view(), *(search(name) for name in SEARCHES), alerts_over_time(), dashboard()]


def saved(
    kind: str, name: str, version: str, attributes: dict[str, Any], references: list[dict[str, str]]
) -> dict[str, Any]:
    """One saved object."""
    return {
        "type": kind, "id": name, "attributes": attributes, "references": references, "coreMigrationVersion": CORE,
        "typeMigrationVersion": version, "managed": False,
    }  # fmt: skip


def data_view() -> dict[str, Any]:
    """All alerts of all namespaces."""
    attributes = {"title": INDICES, "name": "Detector alerts", "timeFieldName": "@timestamp"}
    return saved("index-pattern", VIEW, "8.0.0", attributes, [])


def source(query: str, *, has_index: bool) -> dict[str, str]:
    """What is searched, as Kibana stores it: JSON in a text."""
    made: dict[str, Any] = {"query": {"query": query, "language": "kuery"}, "filter": []}
    if has_index:
        made["indexRefName"] = "kibanaSavedObjectMeta.searchSourceJSON.index"
    return {"searchSourceJSON": json.dumps(made, sort_keys=True)}


def to_view(name: str) -> dict[str, str]:
    """A reference to the data view."""
    return {"name": name, "type": "index-pattern", "id": VIEW}


def search(name: str) -> dict[str, Any]:
    """A saved search."""
    title, answers, query = SEARCHES[name]
    attributes = {"title": title, "description": answers, "columns": COLUMNS, "sort": [["@timestamp", "desc"]], "grid": {},
                  "hideChart": False, "isTextBasedQuery": False, "kibanaSavedObjectMeta": source(query, has_index=True)}  # fmt: skip
    return saved("search", name, "8.0.0", attributes, [to_view("kibanaSavedObjectMeta.searchSourceJSON.index")])


def alerts_over_time() -> dict[str, Any]:
    """Bars of alerts by level."""
    columns = {
        "level": {"label": "level", "dataType": "string", "operationType": "terms", "sourceField": "detector.level", "isBucketed": True,
                  "scale": "ordinal", "params": {"size": 5, "orderBy": {"type": "column", "columnId": "alerts"}, "orderDirection": "desc",
                                                 "otherBucket": False, "missingBucket": False, "parentFormat": {"id": "terms"}}},
        "time": {"label": "@timestamp", "dataType": "date", "operationType": "date_histogram", "sourceField": "@timestamp", "isBucketed": True,
                 "scale": "interval", "params": {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}},
        "alerts": {"label": "alerts", "dataType": "number", "operationType": "count", "sourceField": "___records___", "isBucketed": False,
                   "scale": "ratio", "params": {"emptyAsNull": False}},
    }  # fmt: skip
    layer = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}}
    shown = {"layerId": "layer", "layerType": "data", "seriesType": "bar_stacked", "xAccessor": "time", "splitAccessor": "level",
             "accessors": ["alerts"], "position": "top", "showGridlines": False}  # fmt: skip
    state = {
        "datasourceStates": {"formBased": {"layers": {"layer": layer}}}, "filters": [], "query": {"query": "", "language": "kuery"},
        "visualization": {"layers": [shown], "legend": {"isVisible": True, "position": "right"}, "preferredSeriesType": "bar_stacked",
                          "valueLabels": "hide"},
    }  # fmt: skip
    attributes = {"title": "Detector: alerts by level", "description": "When did alerts come, and how grave were they?",
                  "visualizationType": "lnsXY", "state": state}  # fmt: skip
    return saved("lens", OVER_TIME, "8.9.0", attributes, [to_view("indexpattern-datasource-layer-layer")])


def dashboard() -> dict[str, Any]:
    """Alerts over time, the grave ones, all of them."""
    shown = [("lens", OVER_TIME, 10), ("search", "detector-grave", 14), ("search", "detector-all", 20)]
    panels, references, top = [], [], 0
    for place, (kind, name, height) in enumerate(shown):
        key = f"panel-{place}"
        grid = {"x": 0, "y": top, "w": 48, "h": height, "i": key}
        panels.append(
            {"type": kind, "panelIndex": key, "panelRefName": f"panel_{key}", "gridData": grid, "embeddableConfig": {}}
        )
        references.append({"name": f"{key}:panel_{key}", "type": kind, "id": name})
        top += height
    attributes = {"title": "Detector: alerts", "description": "What was found, and when.", "panelsJSON": json.dumps(panels, sort_keys=True),
                  "optionsJSON": json.dumps({"useMargins": True}), "timeRestore": False, "version": 1,
                  "kibanaSavedObjectMeta": source("", has_index=False)}  # fmt: skip
    return saved("dashboard", DASHBOARD, "8.9.0", attributes, references)
