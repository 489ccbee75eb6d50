"""`detector test`: rules' own tests and scenarios; what failed is said with its place, and only that."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.command import detector, inside, left_on_screen, on_terminal, refused
from tests.rules.test_messages import FOLDER as BROKEN
from tests.runs import RULES, SCENARIOS

RULE = RULES / "modbus" / "modbus-write-from-unknown-master.yml"
ATTACK = SCENARIOS / "minute-attack"


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A copy of a scenario to change."""
    folder = tmp_path / "scenario"
    shutil.copytree(ATTACK, folder)
    return folder / "scenario.yml"


def test_passing_tests_are_counted() -> None:
    done = detector("test", RULE, ATTACK)
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith(" passed, 0 failed\n") and done.out.count("\n") == 1


def test_a_failing_rule_test_says_where_and_what(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE.read_text().replace("alerts: 1", "alerts: 2").replace("alerts: 0", "alerts: 1"))
    done = detector("test", rule)
    assert done.code == 1 and done.err == ""
    lines = done.out.splitlines()
    assert any(line.startswith(f"{rule}:") and line.endswith("expected 2 alerts, got 1") for line in lines)
    assert any(line.endswith("expected 1 alert, got 0") for line in lines)
    assert lines[-1].endswith(" failed") and not lines[-1].endswith("0 failed")


def test_a_test_that_cannot_run_fails(tmp_path: Path) -> None:
    """Packets that cannot be read, a variable that is not given: neither is a passed test."""
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE.read_text().replace("variables: {", "variables: {OTHER_"))
    done = inside("test", rule)
    assert done.code == 1
    assert "the rule is inactive: $MODBUS_MASTERS is not set; give the test variables: {NAME: value}" in done.out
    rule.write_text(RULE.read_text().replace("TCP(dport=502)", "TCP(dprot=502)"))
    done = inside("test", rule)
    assert done.code == 1 and "TCP has no field 'dprot'" in done.out and "hint: did you mean dport?" in done.out


def test_a_file_without_tests_is_counted(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE.read_text().partition("tests:")[0])
    assert inside("test", rule).out == "0 passed, 0 failed, 1 file without tests\n"


def test_a_scenario_fails_with_place_inject_and_rule(scenario: Path) -> None:
    """An alert that does not come in its time, and one that nothing explains."""
    scenario.write_text(scenario.read_text().replace("at: 24s", "at: 50s"))
    done = detector("test", scenario.parent)
    assert done.code == 1
    assert done.out.splitlines() == [
        f"{scenario}:15: writes of set-points: modbus-write-from-unknown-master: expected an alert, got 0",
        f"{scenario}:1: unexpected: modbus-write-from-unknown-master alerted once after 29.1 s",
        "1 passed, 2 failed",
    ]


def test_a_scenario_says_why_its_rule_could_not_alert(scenario: Path) -> None:
    """A rule that is not set up, or is called otherwise, is no miss of the rule's."""
    text = scenario.read_text()
    scenario.write_text(text.replace("variables: {MODBUS_MASTERS: 10.20.0.10}", ""))
    assert "got 0: the rule is inactive, $MODBUS_MASTERS is not set" in inside("test", scenario).out
    scenario.write_text(text.replace("modbus-write-from-unknown-master", "modbus-write-from-unknown-masters"))
    assert "got 0: no rule is called so, did you mean modbus-write-from-unknown-master?" in inside("test", scenario).out


def test_a_scenario_with_other_rules() -> None:
    done = inside("test", ATTACK, "--rules", RULES / "network")
    assert done.code == 1 and done.out.endswith("1 passed, 2 failed\n")
    assert "no rule is called so" in done.out


def test_a_scenario_without_its_capture(scenario: Path) -> None:
    (scenario.parent / "capture.pcap").unlink()
    assert refused(inside("test", scenario)) == f"{scenario.parent}/capture.pcap: no such file or folder"


def test_a_folder_with_rules_and_scenarios_has_both_tested(scenario: Path) -> None:
    """Rules beside a scenario must not be passed over in silence."""
    alone = inside("test", scenario).out
    shutil.copy(RULE, scenario.parent.parent / "rule.yml")
    both = inside("test", scenario.parent.parent)
    assert both.code == 0 and int(both.out.split()[0]) > int(alone.split()[0])


@pytest.mark.parametrize(("path", "said"), [("/no/such/path", "/no/such/path: no such file or folder")])
def test_what_is_not_there(path: str, said: str, tmp_path: Path) -> None:
    assert refused(inside("test", path)) == said
    assert (
        refused(inside("test", tmp_path))
        == f"{tmp_path}: no rule in this folder (hint: rules are .yml and .rules files)"
    )
    assert refused(inside("test", ATTACK, "--rules", path)).startswith(said)


def test_a_broken_rule_is_bad_input() -> None:
    done = inside("test", BROKEN / "level-unknown.yml")
    assert done.code == 2 and done.out == "" and "did you mean high?" in done.err


def test_progress_on_a_terminal_only() -> None:
    code, written = on_terminal("test", RULE)
    left = [line for line in left_on_screen(written) if line]
    assert code == 0 and "testing" in written
    assert len(left) == 1 and left[0].endswith("0 failed")
