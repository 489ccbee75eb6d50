"""`detector lint`: every mistake in rules at once."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from detector.cli.options import add_suricata_option, amount, rule_paths
from detector.errors import InputError, InputErrors
from detector.rules.lint import lint_rules
from detector.rules.loader import load_rules
from detector.rules.model import Refused, Ruleset
from detector.testing.literals import read_packets

UNSET = " is not set"  # how the reason of an inactive rule ends


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("paths", nargs="+", metavar="PATH", help="rule files and folders")
    add_suricata_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Prints errors, then warnings; 1 where there are errors."""
    paths = [Path(path) for path in arguments.paths]
    try:
        ruleset = load_rules(paths, suricata_yaml=arguments.suricata_yaml)
    except InputErrors as found:
        if all(error.position is None for error in found.errors):
            raise
        print(found)
        print(amount(len(found.errors), "mistake"))
        return 1
    mistakes = [one.error() for one in ruleset.refused if one.why == "mistake"] + list(mistakes_in_tests(ruleset))
    for mistake in mistakes:
        print(mistake)
    unsupported = [one for one in ruleset.refused if one.why == "unsupported"]
    for one in unsupported:
        print(f"not supported: {one.error()}")
    replaced = [f"{one.position}: {one.reason}" for one in ruleset.refused if one.why == "replaced"]
    warnings = [*replaced, *ruleset.warnings, *lint_rules(ruleset)]
    for warning in warnings:
        print(f"warning: {warning}")
    said = amount(len(mistakes), "mistake") if mistakes else "no mistakes"
    files = amount(sum(len(rule_paths(path)) for path in paths), "file")
    refused = f", {len(unsupported):,} refused: {by_keyword(unsupported)}" if unsupported else ""
    print(f"{amount(len(ruleset.rules), 'rule')} in {files}, {said}, {amount(len(warnings), 'warning')}{refused}")
    if waiting := [rule.inactive.removesuffix(UNSET) for rule in ruleset.rules if rule.inactive.endswith(UNSET)]:
        verb = "runs" if len(waiting) == 1 else "run"
        print(
            f"{amount(len(waiting), 'rule')} {verb} only where variables are set (--home-net, --var): {counted(waiting)}"
        )
    return 1 if mistakes else 0


def by_keyword(refused: list[Refused]) -> str:
    """Rules counted by the keyword that is not supported, the most frequent first."""
    return counted(one.keyword for one in refused)


def counted(names: Iterable[str]) -> str:
    """How often each name is there, the most frequent first."""
    counts = Counter(names)
    return ", ".join(
        f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    )


def mistakes_in_tests(ruleset: Ruleset) -> Iterator[InputError]:
    """Packets of rules' tests that cannot be read."""
    for rule in ruleset.rules:
        for test in rule.tests:
            for text, position in test.packets:
                try:
                    read_packets(text, position)
                except InputError as error:
                    yield error
