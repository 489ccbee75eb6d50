"""What is shipped holds together: rules, their tests, scenarios, and the captures that the script in the repo builds."""

from __future__ import annotations

import uuid
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from detector.alerts.attack import TECHNIQUES
from detector.cli.main import main
from detector.exercise.scenario import Scenario, read_scenario, slug
from detector.rules.lint import lint_rules
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.shipped import rules_folder
from tests.runs import RULES, SCENARIOS

RULE_FILES = sorted(RULES.rglob("*.yml"))
FOLDERS = sorted(path.parent for path in SCENARIOS.glob("*/scenario.yml"))


@cache
def shipped() -> Ruleset:
    """The shipped packs as they are without any variable."""
    return load_rules([RULES])


@cache
def builder() -> ModuleType:
    """replay_pcaps/build.py."""
    spec = spec_from_file_location("build", SCENARIOS / "build.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(path: Path) -> str:
    """What a rule file or a scenario is called in test ids."""
    return path.stem if path.is_file() else path.name


def test_a_checkout_runs_the_rules_that_lie_beside_it() -> None:
    assert rules_folder() == RULES


def test_shipped_rules_lint_clean() -> None:
    """Neither a mistake nor a warning: the packs are the example that authors copy."""
    assert [str(warning) for warning in lint_rules(shipped())] == []


def test_shipped_rules_pass_their_own_tests(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["test", str(RULES)])
    said = capsys.readouterr().out
    assert code == 0, said
    assert ", 0 failed" in said and "without tests" not in said


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_scenario_gives_the_alerts_it_promises_and_no_other(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Expected rules in their time, and silence beside them; a benign scenario proves the silence."""
    code = main(["test", str(folder)])
    said = capsys.readouterr().out
    assert code == 0, said
    assert not said.startswith("0 passed"), "nothing was judged"


def test_there_are_twenty_alerting_rules_and_eight_scenarios() -> None:
    alerting = [rule for rule in shipped().rules if not rule.silent]
    assert len(alerting) >= 20
    assert len({rule.table for rule in alerting}) >= 2
    assert any(rule.new_value for rule in alerting)
    assert {rule.correlation.kind for rule in alerting if rule.correlation} == {"event_count", "value_count"}
    assert len(FOLDERS) >= 8


def test_every_alerting_rule_is_tried_both_ways() -> None:
    """A rule that never matches, or always, would pass tests of one kind only."""
    for rule in shipped().rules:
        if not rule.silent:
            assert any(test.alerts for test in rule.tests), f"{rule.title}: no positive test"
            assert any(not test.alerts for test in rule.tests), f"{rule.title}: no negative test"


@pytest.mark.parametrize("path", RULE_FILES, ids=name_of)
def test_folder_and_file_name_follow_from_the_rule(path: Path) -> None:
    """Whoever reads an alert finds its rule's file without searching."""
    first = load_rules([path]).rules[0]
    assert path.stem == slug(first.title)
    assert path.parent.name == ("network" if first.table == "packet" else first.table)


def test_ids_are_uuids_and_tags_are_techniques_of_attack_for_ics() -> None:
    for rule in shipped().rules:
        assert str(uuid.UUID(rule.id)) == rule.id
        for tag in rule.tags:
            prefix, _, technique = tag.rpartition(".")
            assert prefix == "attack.ics" and technique.upper() in TECHNIQUES, f"{rule.title}: {tag}"
        assert rule.silent or rule.tags, f"{rule.title} names no technique"


def test_rules_name_no_station_of_ours() -> None:
    """Addresses belong into variables: a pack runs at every site."""
    for path in RULE_FILES:
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            said = {key: value for key, value in document.items() if key != "tests"}
            assert "10.20." not in str(said) and "192.168." not in str(said), path


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_the_script_builds_a_capture_byte_for_byte(folder: Path, tmp_path: Path) -> None:
    """Without it nobody could say what is in a capture, or change it."""
    module = builder()
    built = tmp_path / "capture.pcap"
    module.write_capture(built, module.SCENARIOS[folder.name]().frames)
    assert built.read_bytes() == (folder / "capture.pcap").read_bytes(), (
        f"run: python replay_pcaps/build.py {folder.name}"
    )


def test_every_scenario_has_its_builder_and_every_builder_its_scenario() -> None:
    assert sorted(builder().SCENARIOS) == [folder.name for folder in FOLDERS]


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_a_scenario_is_told_to_people(folder: Path) -> None:
    """README.md begins with the scenario's title and says what scenario.yml says; expected rules exist."""
    scenario: Scenario = read_scenario(folder / "scenario.yml")
    said = (folder / "README.md").read_text(encoding="utf-8")
    described = yaml.safe_load((folder / "scenario.yml").read_text(encoding="utf-8"))["description"]
    assert said.startswith(f"# {scenario.title}\n")
    assert described in said.replace("\n", " ")
    assert f"replay_pcaps/{folder.name}" in said
    titles = {slug(rule.title) for rule in shipped().rules if not rule.silent}
    for inject in scenario.injects:
        for expected in inject.expect:
            assert expected.rule in titles
