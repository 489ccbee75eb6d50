"""`detector config`: is a configuration right, what does it say in full, and which settings are there."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import yaml

from detector.cli.options import amount
from detector.service.config import Config, read_config
from detector.service.preflight import obstacles, remarks
from detector.service.reload import rules_of
from detector.service.settings_reader import schema_of, shown
from detector.silence import refused_rules

DEFAULT = "/etc/detector/detector.yml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "action",
        choices=("check", "show", "schema"),
        metavar="check|show|schema",
        help="check: every mistake in it and in its rules, and what it names on this machine; show: all settings as the daemon takes them, secrets hidden; "
        "schema: JSON Schema, for editors",
    )
    add_config_option(parser)


def add_config_option(parser: argparse.ArgumentParser) -> None:
    """--config, for every command that needs the daemon's configuration."""
    parser.add_argument("--config", default=DEFAULT, metavar="FILE", help=f"the configuration (default: {DEFAULT})")


def run(arguments: argparse.Namespace) -> int:
    """Checks, or prints."""
    if arguments.action == "schema":
        about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "detector.yml"}
        print(json.dumps(about | schema_of(Config), indent=2))
        return 0
    config = read_config(Path(arguments.config))
    if arguments.action == "show":
        yaml.safe_dump(shown(config), sys.stdout, sort_keys=False, allow_unicode=True, width=120)
        return 0
    return check(Path(arguments.config), config)


def check(path: Path, config: Config) -> int:
    """Says what is wrong on this machine, and what is worth knowing; 1 where a daemon would not start.

    Raises:
        InputErrors: mistakes in the rules.
    """
    ruleset = rules_of(config)
    found = obstacles(path.resolve(), config)
    inactive = sum(bool(rule.inactive) for rule in ruleset.rules)
    rules = f"{amount(len(ruleset.alerting), 'rule')} active, {inactive} inactive"
    if found:
        print(f"{path}: is well written, but a daemon could not run with it here ({rules})")
    else:
        print(f"{path}: fine; {rules}")
    for error in found:
        print(f"  error: {error}")
    refused = refused_rules(ruleset)
    for text in (*remarks(config), *map(str, ruleset.warnings), *([refused] if refused else ())):
        print(f"  - {text}")
    for rule in ruleset.rules:
        if rule.inactive:
            print(f"  - inactive, {rule.inactive}: {rule.title}")
    return 1 if found else 0
