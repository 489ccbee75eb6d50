"""What the README shows is what a stranger gets: the demo's lines, the rule that authors copy, the commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

from detector.cli.main import COMMANDS
from detector.rules.lint import lint_rules
from detector.rules.loader import load_rules
from detector.testing.rule_tests import run_tests
from tests.cli.command import detector
from tests.runs import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def block_after(words: str) -> list[str]:
    """The lines of the first indented block behind some words, without their indentation."""
    lines = README[README.index(words) :].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("    "))
    stop = next((n for n, line in enumerate(lines) if n > first and line and not line.startswith("    ")), len(lines))
    return [line[4:] for line in lines[first:stop] if line]


def test_the_demo_shows_what_the_readme_promises() -> None:
    make = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    command = re.search(r"^\t\$\(BIN\)/detector (replay .*)$", make, re.MULTILINE)
    assert command is not None
    words = shlex.split(command[1].replace("--alerts alerts.jsonl", ""))
    done = detector(*words, cwd=ROOT)
    assert done.code == 0, done.err
    shown = [re.sub(r"; [\d.]+ s$", "", line) for line in done.out.splitlines()]
    promised = [re.sub(r"; [\d.]+ s$", "", line) for line in block_after("What `make demo` shows") if line != "..."]
    assert len(promised) > 10
    assert [line for line in promised if line not in shown] == []


def test_the_example_rule_lints_and_passes_its_test(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    lines = block_after("### For rule authors")
    text = "\n".join(lines[: next(n for n, line in enumerate(lines) if line.startswith("detector "))])
    rule.write_text(text + "\n")
    assert [str(warning) for warning in lint_rules(load_rules([rule], variables={"MODBUS_MASTERS": "10.0.0.10"}))] == []
    outcomes = list(run_tests(rule))
    assert outcomes and all(outcome.passed for outcome in outcomes)


def test_every_command_is_told_of() -> None:
    for name in COMMANDS:
        assert f"detector {name}" in README, name
