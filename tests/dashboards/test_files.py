"""The files that users import are what the code makes, and hang together: layout, links, references, words."""

from __future__ import annotations

import difflib
import json
import re
from typing import Any

import pytest

from dashboards.build import FILES, FOLDER
from tests.dashboards.queries import GRAFANA, grafana_dashboards, kibana_objects, panels_of

DASHBOARDS = grafana_dashboards()
each_dashboard = pytest.mark.parametrize("name", DASHBOARDS)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_what_the_code_makes(name: str) -> None:
    """A change of code without `make dashboards`, or of a file by hand, would be lost with the next build."""
    kept, made = (FOLDER / name).read_text(encoding="utf-8"), FILES[name]()
    diff = difflib.unified_diff(kept.splitlines(True), made.splitlines(True), name, "from the code", n=0)
    assert kept == made, f"run: make dashboards\n{''.join(list(diff)[:30])}"


def test_every_file_is_made() -> None:
    """A dashboard that is no longer made would be kept for ever."""
    assert {str(path.relative_to(FOLDER)) for path in [*GRAFANA.glob("*.json"), *FOLDER.glob("kibana/*")]} == set(FILES)


@each_dashboard
def test_panels_fill_the_grid(name: str) -> None:
    """A panel that reaches over the edge or over another one is moved about by Grafana."""
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height, (
        f"holes: {sorted({y for y in range(height) if len([c for c in taken if c[1] == y]) < 24})}"
    )


@each_dashboard
def test_a_panel_says_what_it_answers(name: str) -> None:
    for panel in panels_of(DASHBOARDS[name]):
        assert "?" in panel["description"], f"{panel['title']}: {panel['description']!r} asks nothing"
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@each_dashboard
def test_units_are_given(name: str) -> None:
    """A number without its unit is a guess."""
    for panel in panels_of(DASHBOARDS[name]):
        if panel["type"] in ("stat", "timeseries", "bargauge"):
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


def test_ids_are_unique() -> None:
    """Links and Grafana's own database go by them."""
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)
    for dashboard in DASHBOARDS.values():
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(ids)) == len(ids)


def test_links_lead_somewhere() -> None:
    """From overview to detail, to a dashboard and variables that are there."""
    known = {
        dashboard["uid"]: {one["name"] for one in dashboard["templating"]["list"]} for dashboard in DASHBOARDS.values()
    }
    found = set()
    for dashboard in DASHBOARDS.values():
        for uid, variables in re.findall(r'"/d/([\w-]+)\?([^ ]*?)"[,}\n]', json.dumps(dashboard)):
            found.add((dashboard["uid"], uid))
            assert uid in known
            for variable in re.findall(r"var-(\w+)=", variables):
                assert variable in known[uid], (uid, variable)
    assert {
        ("detector-overview", "detector-health"),
        ("detector-overview", "detector-rules"),
        ("detector-industrial", "detector-rules"),
    } <= found


def test_tables_of_alerts_show_what_an_analyst_needs() -> None:
    """Time, level, rule, source, destination, message."""
    for name in ("overview.json", "industrial-protocols.json", "rules-and-tuning.json"):
        tables = [
            panel
            for panel in panels_of(DASHBOARDS[name])
            if panel["targets"][0].get("metrics", [{}])[0].get("type") == "raw_data"
        ]
        assert tables, name
        for panel in tables:
            [arranged] = [one["options"] for one in panel["transformations"] if one["id"] == "organize"]
            shown = sorted(arranged["renameByName"], key=arranged["indexByName"].__getitem__)
            assert [arranged["renameByName"][name] for name in shown][:6] == [
                "time",
                "level",
                "rule",
                "source",
                "destination",
                "message",
            ]


def test_data_sources_are_provisioned() -> None:
    """Every data source that a panel names is in the provisioning file."""
    provisioned = (GRAFANA / "provisioning" / "datasources" / "detector.yml").read_text()
    for uid in {
        target["datasource"]["uid"]
        for one in DASHBOARDS.values()
        for panel in panels_of(one)
        for target in panel["targets"]
    }:
        assert f"uid: {uid}\n" in provisioned


def referred(one: dict[str, Any]) -> list[tuple[str, str]]:
    return [(reference["type"], reference["id"]) for reference in one["references"]]


def test_kibana_objects_refer_to_each_other() -> None:
    """An import with a reference that leads nowhere ends in a dialogue."""
    there: set[tuple[str, str]] = set()
    for one in kibana_objects():
        assert all(reference in there for reference in referred(one)), one["id"]
        there.add((one["type"], one["id"]))
        for reference in one["references"]:
            inside = reference["name"].split(":")[-1]
            assert inside in json.dumps(one["attributes"]) or one["type"] == "lens", reference
    assert {kind for kind, _ in there} == {"index-pattern", "search", "lens", "dashboard"}
