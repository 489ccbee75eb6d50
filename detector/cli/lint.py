"""`detector lint`: every mistake in rules at once."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from detector.cli.options import amount, rule_paths
from detector.errors import InputError, InputErrors
from detector.rules.lint import lint_rules
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.testing.literals import read_packets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="rule files and folders")


def run(arguments: argparse.Namespace) -> int:
    """Prints errors, then warnings; 1 where there are errors."""
    paths = [Path(path) for path in arguments.paths]
    try:
        ruleset = load_rules(paths)
    except InputErrors as found:
        if all(error.position is None for error in found.errors):
            raise
        print(found)
        print(amount(len(found.errors), "mistake"))
        return 1
    mistakes = list(mistakes_in_tests(ruleset))
    for mistake in mistakes:
        print(mistake)
    warnings = list(lint_rules(ruleset))
    for warning in warnings:
        print(f"warning: {warning}")
    said = amount(len(mistakes), "mistake") if mistakes else "no mistakes"
    files = amount(sum(len(rule_paths(path)) for path in paths), "file")
    print(f"{amount(len(ruleset.rules), 'rule')} in {files}, {said}, {amount(len(warnings), 'warning')}")
    return 1 if mistakes else 0


def mistakes_in_tests(ruleset: Ruleset) -> Iterator[InputError]:
    """Packets of rules' tests that cannot be read."""
    for rule in ruleset.rules:
        for test in rule.tests:
            for text, position in test.packets:
                try:
                    read_packets(text, position)
                except InputError as error:
                    yield error
