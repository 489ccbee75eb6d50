"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from detector.errors import InputError, InputErrors, nearest
from detector.packets.zones import Zones
from detector.pipeline import PipelineSettings
from detector.rules.loader import expand, load_rules, paths_of
from detector.rules.model import Ruleset
from detector.rules.points import read_points
from detector.rules.zones import read_zones
from detector.shipped import rules_folder

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECONDS = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]*))?")
DAY = re.compile(r"[12][0-9]{7}")
FRACTION = re.compile(r"(?<=:[0-9]{2})[.,]([0-9]+)")


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
    parser.add_argument(
        "--home-net", action="append", default=[], metavar="CIDR,...", help="own networks: $HOME_NET in rules"
    )
    parser.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="value of $NAME in rules: comma list, or @file"
    )
    add_site_options(parser)
    add_suricata_option(parser)


def add_site_options(parser: argparse.ArgumentParser) -> None:
    """--zones, --points."""
    parser.add_argument(
        "--points", metavar="FILE", help="points.yml: names, units and limits of devices' targets, point.* in rules"
    )
    parser.add_argument(
        "--zones", metavar="FILE", help="zones.yml: names and levels of address groups, zone.* in rules"
    )


def of_site(settings: PipelineSettings, arguments: argparse.Namespace) -> PipelineSettings:
    """Settings with what --zones and --points say."""
    return replace(
        settings, zones=read_zones(Path(arguments.zones)) if arguments.zones else Zones(),
        points=read_points(Path(arguments.points)) if arguments.points else (),
    )  # fmt: skip


def add_suricata_option(parser: argparse.ArgumentParser) -> None:
    """--suricata-yaml."""
    parser.add_argument(
        "--suricata-yaml",
        metavar="FILE",
        help="Suricata's configuration: variables, classtypes, references, thresholds, and without --rules its rule files",
    )


def load_ruleset(arguments: argparse.Namespace) -> Ruleset:
    """The rules that the options ask for. Raises InputErrors with every mistake in them."""
    variables: dict[str, str] = {}
    for name, value in map(split_variable, arguments.var):
        if name in variables:
            raise InputError(f"--var {name}: is given twice", hint="several values are joined by commas")
        variables[name] = value
    home_net = [part.strip() for text in arguments.home_net for part in text.split(",") if part.strip()]
    paths = paths_of(arguments.rules or (), rules_folder(), arguments.suricata_yaml)
    try:
        ruleset = load_rules(paths, variables=variables, home_net=home_net, overrides=[Path(path) for path in arguments.overrides],
                             today=date.today(), suricata_yaml=arguments.suricata_yaml)  # fmt: skip
    except InputErrors as found:
        raise InputErrors(of_variables_once(found.errors)) from None
    refuse_misspelt(variables, ruleset, paths)
    return ruleset


def of_variables_once(errors: Sequence[InputError]) -> list[InputError]:
    """A value that --var gives wrongly is one mistake, and not one for each rule that uses it."""
    kept: dict[str, InputError] = {}
    for error in errors:
        is_variable = error.problem.startswith("$") and error.position is not None
        if is_variable:
            error = InputError(
                f"--var {error.problem.removeprefix('$')}", hint=f"{error.hint}; used in {error.position}"
            )
        kept.setdefault(error.problem if is_variable else str(error), error)
    return list(kept.values())


def refuse_misspelt(given: Iterable[str], ruleset: Ruleset, paths: Sequence[Path]) -> None:
    """A variable that no rule names is refused where rules wait for one that is called nearly so."""
    missing = {name for rule in ruleset.rules for name in re.findall(r"\$(\w+)", rule.inactive)}
    suspects = {name: guess for name in given if (guess := nearest(name, missing))}
    if suspects:
        texts = [file.read_text(encoding="utf-8", errors="replace") for path in paths for file in rule_paths(path)]
        for name, guess in suspects.items():
            if not any(re.search(rf"\${name}\b", text) for text in texts):
                raise InputError(f"--var {name}: no rule names ${name}", hint=f"did you mean {guess}?")


def split_variable(text: str) -> tuple[str, str]:
    """NAME=VALUE as a pair."""
    name, sign, value = text.partition("=")
    if not sign or not name.lstrip("$").isidentifier():
        raise InputError(
            f"--var {text}: not of the form NAME=VALUE", hint="for example --var MODBUS_MASTERS=10.0.0.10,10.0.0.11"
        )
    return name.lstrip("$"), value


def time_ns(text: str) -> int:
    """A point in time: seconds since 1970, or ISO 8601 (UTC where it names no zone), as ns. For argparse `type=`.

    Eight digits are a day, 20240501, as ISO 8601 writes it.
    """
    if (seconds := SECONDS.fullmatch(text)) and not DAY.fullmatch(text):
        size = int(seconds[2]) * 10**9 + int(f"{seconds[3] or '':0<9.9}")
        return -size if seconds[1] else size
    fraction = FRACTION.search(text)
    try:
        moment = datetime.fromisoformat(FRACTION.sub("", text))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"not a time: {text!r}; for example 2024-05-01T08:00:00 or 1714550400.5"
        ) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = (moment - EPOCH) // timedelta(seconds=1)
    return whole * 10**9 + (int(f"{fraction[1]:0<9.9}") if fraction else 0)


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


def amount(count: int, one: str, many: str = "") -> str:
    """1 packet, 2 packets."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
