"""`detector lint`: every mistake in rules at once."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.options import rule_paths
from detector.errors import InputErrors
from detector.rules.lint import lint_rules
from detector.rules.loader import load_rules


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
        print(f"{len(found.errors)} mistakes")
        return 1
    warnings = list(lint_rules(ruleset))
    for warning in warnings:
        print(f"warning: {warning}")
    files = sum(len(rule_paths(path)) for path in paths)
    print(f"{len(ruleset.rules)} rules in {files} files, no mistakes, {len(warnings)} warnings")
    return 0
