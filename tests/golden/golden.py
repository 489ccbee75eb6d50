"""The golden cases: which captures with which rules, and the alerts they give.

A case is a folder here: case.yml (capture, rules, variables, home_net; paths from the top of the checkout), alerts.jsonl,
README.md (how its content was checked by hand), and capture.pcap where it is no shipped scenario's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from detector.capture import open_source
from detector.rules.loader import load_rules
from tests.runs import ROOT, alerts_of

FOLDER = Path(__file__).parent
CASES = sorted(path.parent for path in FOLDER.glob("*/case.yml"))
VERSION = "VERSION"  # of the detector: a release changes no alert


@dataclass(frozen=True)
class Case:
    """What case.yml says."""

    capture: str
    rules: tuple[str, ...]
    variables: dict[str, str]
    home_net: tuple[str, ...]


def read_case(folder: Path) -> Case:
    """A case. KeyError: it has no capture or no rules."""
    said = yaml.safe_load((folder / "case.yml").read_text(encoding="utf-8"))
    unknown = set(said) - {"capture", "rules", "variables", "home_net"}
    assert not unknown, f"{folder}/case.yml: unknown keys {unknown}"
    variables = {name: str(value) for name, value in said.get("variables", {}).items()}
    return Case(said["capture"], tuple(said["rules"]), variables, tuple(said.get("home_net", ())))


def lines(folder: Path) -> Iterator[str]:
    """The alerts of a case, a document a line; to be called at the top of the checkout, for paths are relative."""
    case = read_case(folder)
    assert Path.cwd() == ROOT, "the documents name the capture by its path from the top of the checkout"
    ruleset = load_rules([Path(path) for path in case.rules], variables=case.variables, home_net=case.home_net)
    for alert in alerts_of(open_source([case.capture]), ruleset):
        document = {**alert.document, "observer": {**alert.document["observer"], "version": VERSION}}
        yield json.dumps(document, ensure_ascii=False, separators=(",", ":")) + "\n"
