"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime
from pathlib import Path

from detector.errors import InputError, InputErrors
from detector.rules.loader import expand, load_rules
from detector.rules.model import Ruleset
from detector.shipped import rules_folder


def add_rule_options(parser: argparse.ArgumentParser) -> None:
    """--rules, --overrides, --home-net, --var."""
    parser.add_argument(
        "--rules",
        nargs="+",
        action="extend",
        metavar="PATH",
        help="rule files and folders (default: the shipped packs)",
    )
    parser.add_argument(
        "--overrides",
        action="append",
        default=[],
        metavar="FILE",
        help="disable, re-level, except or limit rules by id",
    )
    parser.add_argument("--home-net", default="", metavar="CIDR,...", help="own networks: $HOME_NET in rules")
    parser.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="value of $NAME in rules: comma list, or @file"
    )


def load_ruleset(arguments: argparse.Namespace) -> Ruleset:
    """The rules that the options ask for. Raises InputErrors with every mistake in them."""
    variables = dict(split_variable(text) for text in arguments.var)
    home_net = [part.strip() for part in arguments.home_net.split(",") if part.strip()]
    paths = arguments.rules or [str(rules_folder())]
    return load_rules([Path(path) for path in paths], variables=variables, home_net=home_net,
                      overrides=[Path(path) for path in arguments.overrides], today=date.today())  # fmt: skip


def split_variable(text: str) -> tuple[str, str]:
    """NAME=VALUE as a pair."""
    name, sign, value = text.partition("=")
    if not sign or not name.lstrip("$").isidentifier():
        raise InputError(
            f"--var {text}: not of the form NAME=VALUE", hint="for example --var MODBUS_MASTERS=10.0.0.10,10.0.0.11"
        )
    return name.lstrip("$"), value


def time_ns(text: str) -> int:
    """A point in time: seconds since 1970, or ISO 8601 (UTC where it names no zone), as ns. For argparse `type=`."""
    try:
        seconds, _, fraction = text.partition(".")
        if seconds.lstrip("-").isdigit():
            return int(seconds) * 10**9 + int(f"{fraction:0<9.9}")
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"not a time: {text!r}; for example 2024-05-01T08:00:00 or 1714550400.5"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000


def positive(text: str) -> int:
    """A whole number above zero. For argparse `type=`."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"not a whole number above zero: {text!r}")
    return number


def pace(text: str) -> float:
    """How many times as fast as the capture's own time; 0: as fast as it goes. For argparse `type=`."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"not a speed: {text!r}; 1 is the capture's own time, 10 ten times as fast")
    return number


def rule_paths(path: Path) -> list[Path]:
    """The rule files of a file or folder. Raises InputErrors where there is none."""
    errors: list[InputError] = []
    files, _ = expand([path], errors)
    if errors:
        raise InputErrors(errors)
    return files
