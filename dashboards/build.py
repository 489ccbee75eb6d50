"""Writes the dashboards: grafana/*.json and kibana/detector.ndjson. Run by `make dashboards`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.health import health
from dashboards.industrial import industrial
from dashboards.kibana import saved_objects
from dashboards.overview import overview
from dashboards.rules import rules

FOLDER = Path(__file__).parent


def grafana(build: Callable[[], Dashboard]) -> str:
    """A dashboard as Grafana reads it."""
    return json.dumps(build(), cls=JSONEncoder, indent=1, sort_keys=True) + "\n"


def kibana() -> str:
    """Saved objects as Kibana imports them, one a line."""
    return "".join(json.dumps(one, sort_keys=True) + "\n" for one in saved_objects())


FILES: dict[str, Callable[[], str]] = {
    "grafana/overview.json": lambda: grafana(overview),
    "grafana/sensor-health.json": lambda: grafana(health),
    "grafana/rules-and-tuning.json": lambda: grafana(rules),
    "grafana/industrial-protocols.json": lambda: grafana(industrial),
    "kibana/detector.ndjson": kibana,
}


def main() -> None:
    """Writes all files."""
    for name, build in FILES.items():
        (FOLDER / name).write_text(build(), encoding="utf-8")
        print(f"dashboards/{name}")


if __name__ == "__main__":
    main()
