"""What a reload looks at: the difference of two sets of rules, files that have changed, rules that fail when they are tried."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.service.config import Config, read_config
from detector.service.reload import MOST_NAMED, RulesDiff, difference, fingerprint, rules_of
from detector.shipped import rules_folder
from tests.service.writes import RULE

OTHER = (
    RULE.replace("8d1b7a54", "8d1b7a55").replace("Every write", "Every read").replace("func_code: 6", "func_code: 3")
)
TO_REGISTERS = RULE.replace("func_code: 6", "reference_num: $REGISTERS")


def rules(folder: Path, *texts: str, **variables: str) -> Ruleset:
    """The rules of files, each written into a folder of its own."""
    place = folder / str(len(list(folder.iterdir())))
    place.mkdir()
    for number, text in enumerate(texts):
        (place / f"{number}.yml").write_text(text)
    return load_rules([place], variables=variables)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([RULE], [RULE], {}),
        ([RULE], [RULE, OTHER], {"added": ["Every read"]}),
        ([RULE, OTHER], [OTHER], {"removed": ["Every write"]}),
        ([RULE], [RULE.replace("level: high", "level: low")], {"changed": ["Every write"]}),
        ([RULE], [RULE.replace("func_code: 6", "func_code: 5")], {"changed": ["Every write"]}),
        ([RULE], [RULE.replace("limit: none", "limit: {by: [ip.src], count: 1, every: 1m}")], {"changed": ["Every write"]}),
        ([RULE], ["# a comment\n" + RULE], {}),
        ([RULE, OTHER], [OTHER, RULE], {}),
        ([OTHER], [OTHER, TO_REGISTERS], {"added": ["Every write"], "inactive": ["Every write ($REGISTERS is not set)"]}),
    ],
)  # fmt: skip
def test_the_difference_of_two_sets_of_rules(before: list[str], after: list[str], expected: dict[str, list[str]], tmp_path: Path) -> None:  # fmt: skip
    """By id and by meaning: comments and places in files change nothing."""
    found = difference(rules(tmp_path, *before), rules(tmp_path, *after))
    assert {what: titles for what, titles in asdict(found).items() if titles} == expected
    assert bool(found) == bool(set(expected) - {"inactive"})


def test_a_variable_changes_the_rules_that_use_it(tmp_path: Path) -> None:
    one = rules(tmp_path, TO_REGISTERS, OTHER, REGISTERS="1,2")
    assert difference(one, rules(tmp_path, TO_REGISTERS, OTHER, REGISTERS="1,3")).changed == ["Every write"]
    assert difference(one, rules(tmp_path, TO_REGISTERS, OTHER, REGISTERS="1,2", UNUSED="5")).changed == []


def test_a_long_difference_is_said_in_short() -> None:
    assert str(RulesDiff()) == "no rule has changed"
    assert str(RulesDiff(added=["a"], inactive=["b (why)"])) == "1 added: a; 1 inactive: b (why)"
    said = str(RulesDiff(removed=[f"r{n}" for n in range(MOST_NAMED + 5)]))
    assert said.startswith("25 removed: r0, r1") and said.endswith("r19 and 5 more")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Rules in a folder, overrides and a list in files."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text(RULE)
    (tmp_path / "masters.txt").write_text("10.0.0.10\n")
    (tmp_path / "overrides.yml").write_text("{}\n")
    path = tmp_path / "detector.yml"
    path.write_text(yaml.safe_dump({"sources": [{"folder": {"path": "."}}], "rules": ["rules"], "overrides": ["overrides.yml"],
                                    "variables": {"MASTERS": ["10.0.0.1", "@masters.txt"]}}))  # fmt: skip
    return read_config(path)


@pytest.mark.parametrize("changed", ["detector.yml", "masters.txt", "overrides.yml", "rules/a.yml", "rules/new.yml"])
def test_every_file_that_rules_are_made_of_is_watched(changed: str, config: Config, tmp_path: Path) -> None:
    before = fingerprint(tmp_path / "detector.yml", config)
    assert fingerprint(tmp_path / "detector.yml", config) == before
    aside = tmp_path / "aside"
    aside.write_text((tmp_path / changed).read_text() if (tmp_path / changed).exists() else "{}")
    os.utime(aside, ns=(1, 1))
    aside.rename(tmp_path / changed)  # as editors do: another file of the same name
    assert fingerprint(tmp_path / "detector.yml", config) != before


def test_a_file_that_has_gone_is_a_change_and_no_failure(config: Config, tmp_path: Path) -> None:
    before = fingerprint(tmp_path / "detector.yml", config)
    (tmp_path / "masters.txt").unlink()
    (tmp_path / "rules" / "a.yml").unlink()
    assert len(fingerprint(tmp_path / "detector.yml", config)) == len(before) - 2


def test_shipped_rules_run_where_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "detector.yml").write_text("sources: [{folder: {path: .}}]\n")
    config = read_config(tmp_path / "detector.yml")
    assert len(rules_of(config).rules) > 20
    assert any(path.startswith(str(rules_folder())) for path in fingerprint(tmp_path / "detector.yml", config))
