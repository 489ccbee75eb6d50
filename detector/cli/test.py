"""`detector test`: rules' own tests, and scenarios against what they expect."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import track

from detector.capture import open_source
from detector.cli.options import add_suricata_option, amount, rule_paths
from detector.errors import InputError
from detector.exercise.scenario import read_scenario
from detector.exercise.scoring import score
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.loader import load_rules, paths_of
from detector.shipped import rules_folder
from detector.testing.rule_tests import run_tests

SCENARIO = "scenario.yml"
RULES = (".yml", ".yaml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="rule files and folders, scenarios' folders")
    parser.add_argument(
        "--rules", nargs="+", metavar="PATH", help="rules that scenarios are tested with (default: the shipped packs)"
    )
    add_suricata_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs the tests, prints what failed; 1 where something did."""
    steps = list(found_tests([Path(path) for path in arguments.paths]))
    passed = failed = untested = 0
    for path in track(steps, "testing", console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()):
        results = list(scenario_results(path, arguments) if path.name == SCENARIO else rule_results(path, arguments))
        untested += not results
        for is_passed, text in results:
            passed, failed = passed + is_passed, failed + (not is_passed)
            if not is_passed:
                print(text)
    print(f"{passed} passed, {failed} failed" + (f", {amount(untested, 'file')} without tests" if untested else ""))
    return 1 if failed else 0


def found_tests(paths: list[Path]) -> Iterator[Path]:
    """scenario.yml files, and rule files; of a folder that holds both, both."""
    for path in paths:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        scenarios = sorted(path.rglob(SCENARIO)) if path.is_dir() else []
        yield from scenarios
        rules = any(file.suffix in RULES for file in path.rglob("*") if file.name != SCENARIO) if scenarios else True
        yield from (file for file in (rule_paths(path) if rules else []) if file not in scenarios)


def rule_results(path: Path, arguments: argparse.Namespace) -> Iterator[tuple[bool, str]]:
    """(passed, sentence) of each test of a rule file."""
    for outcome in run_tests(path, arguments.suricata_yaml):
        what = outcome.problem or f"expected {amount(outcome.test.alerts, 'alert')}, got {outcome.alerts}"
        yield outcome.passed, f"{outcome.test.position}: {outcome.rule.title}: {what}"


def scenario_results(path: Path, arguments: argparse.Namespace) -> Iterator[tuple[bool, str]]:
    """(passed, sentence) of each expectation of a scenario."""
    scenario = read_scenario(path)
    ruleset = load_rules(
        paths_of(arguments.rules or (), rules_folder(), arguments.suricata_yaml), variables=scenario.variables,
        home_net=scenario.home_net, suricata_yaml=arguments.suricata_yaml,
    )  # fmt: skip
    pipeline = Pipeline(ruleset, PipelineSettings(zones=scenario.zones, points=scenario.points))
    alerts = [alert for found, _ in pipeline.run(open_source([str(scenario.capture)])) for alert in found]
    first_ns = pipeline.decoding.counts.first_ns
    if first_ns is None:
        yield False, f"{scenario.capture}: no packet in this capture"
        return
    for one in score(scenario, alerts, first_ns, ruleset):
        yield one.passed, f"{path}:{one.line}: {one.text}"
