"""Dashboards, rules and the catalogue of metrics speak of the same things."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from detector.service.metrics import METRICS
from tests.dashboards.queries import promql_of_dashboards
from tests.servers.prometheus import SHIPPED

BY_NAME = {metric.name: metric for metric in METRICS}
SCRAPED = {"namespace", "sensor", "job", "instance"}  # labels that Prometheus adds
NAME = re.compile(r"\b(?:detector_\w+|[a-z_]+:detector_[\w:]+)")
SELECTOR = re.compile(r"\b(detector_\w+)(?:\{((?:[^}\"]|\"(?:[^\"\\]|\\.)*\")*)\})?")
TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_right|group_left) \(([^)]*)\)")

# Metrics that no panel and no rule asks for, and why that is well.
UNUSED: dict[str, str] = {}


def rules() -> list[dict[str, Any]]:
    found = [yaml.safe_load((SHIPPED / f"{kind}-rules.yml").read_text()) for kind in ("recording", "alerting")]
    return [rule for one in found for group in one["groups"] for rule in group["rules"]]


RULES = rules()
RECORDED = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
EXPRESSIONS = [(f"{one.dashboard}: {one.panel}", one.written, one.labels) for one in promql_of_dashboards()]
EXPRESSIONS += [(rule.get("record") or rule["alert"], rule["expr"], ()) for rule in RULES]


def base_of(name: str) -> tuple[str, set[str]]:
    """(name in METRICS, labels that its series have) of a series' name."""
    for ending in ("_bucket", "_sum", "_count"):
        short = name.removesuffix(ending)
        if short != name and short in BY_NAME and BY_NAME[short].kind == "histogram":
            return short, {*BY_NAME[short].labels, "le"} if ending == "_bucket" else set(BY_NAME[short].labels)
    return name, set(BY_NAME[name].labels) if name in BY_NAME else set()


def names_in(expression: str) -> Iterator[str]:
    """Metrics and recorded series of an expression, without what stands in quotes."""
    yield from NAME.findall(TEXT.sub('""', expression))


def labels_of(expression: str) -> set[str]:
    """Labels that the series of an expression can have."""
    labels = set(SCRAPED)
    for name in names_in(expression):
        labels |= labels_of(RECORDED[name]) if name in RECORDED else base_of(name)[1]
    return labels


@pytest.mark.parametrize(("where", "expression", "legend"), EXPRESSIONS, ids=[where for where, _, _ in EXPRESSIONS])
def test_metrics_and_labels_are_in_the_catalogue(where: str, expression: str, legend: tuple[str, ...]) -> None:
    """A metric that was renamed leaves a panel empty and an alarm silent for ever."""
    for name in names_in(expression):
        assert name in RECORDED or base_of(name)[0] in BY_NAME, f"{where}: {name} is no metric"
    for name, selector in SELECTOR.findall(expression):
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", TEXT.sub('""', selector)))
        assert asked <= base_of(name)[1] | SCRAPED, f"{where}: {name} has no {asked - base_of(name)[1] - SCRAPED}"
    if "ALERTS" not in expression:
        grouped = {label for group in GROUPING.findall(expression) for label in re.split(r",\s*", group) if label}
        assert grouped | set(legend) <= labels_of(expression), (
            f"{where}: {(grouped | set(legend)) - labels_of(expression)}"
        )


def test_every_metric_is_looked_at() -> None:
    """A metric that nobody looks at is not worth its cost, or its panel was forgotten."""
    used = {base_of(name)[0] for _, expression, _ in EXPRESSIONS for name in names_in(expression)}
    assert {name for name in BY_NAME if name not in used} == set(UNUSED)


def test_every_recorded_series_is_used() -> None:
    used = {name for where, expression, _ in EXPRESSIONS for name in names_in(expression) if where != name}
    assert set(RECORDED) - used == set()
