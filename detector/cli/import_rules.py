"""`detector import suricata`: .rules files to YAML that gives the same alerts."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from detector.cli.lint import by_keyword
from detector.cli.options import add_suricata_option, amount, rule_paths
from detector.errors import InputError
from detector.rules.keywords import Context
from detector.rules.loader import context_of
from detector.rules.model import Refused, Rule
from detector.rules.options import RuleText
from detector.rules.suricata import load_texts, newest
from detector.rules.suricata_config import SuricataConfig, read_suricata_yaml
from detector.rules.suricata_export import yaml_of
from detector.rules.variables import NO_VARIABLES

MOST_CHARACTERS = 3 * 2**20  # of one YAML file
INTRO = "# Written by detector import suricata from {path}. Change it here: nothing writes it again.\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("format", choices=("suricata",), metavar="FORMAT", help="what is imported: suricata")
    parser.add_argument("paths", nargs="+", metavar="PATH", help=".rules files and folders")
    parser.add_argument("-o", "--output", required=True, metavar="FOLDER", help="where the YAML files are written")
    add_suricata_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Writes a YAML file for each .rules file, lists what was refused; 1 where something was."""
    config = read_suricata_yaml(Path(arguments.suricata_yaml)) if arguments.suricata_yaml else SuricataConfig()
    context = context_of(config, NO_VARIABLES)
    files = [file for path in arguments.paths for file in rule_paths(Path(path)) if file.suffix == ".rules"]
    if not files:
        raise InputError(
            "there is no .rules file among these", hint="detector import suricata team.rules -o rules/team"
        )
    folder = Path(arguments.output)
    targets = {file: folder / f"{file.stem}.yml" for file in files}
    refuse_collisions(targets)
    refused, written = import_files(targets, context)
    for one in refused:
        print(("not supported: " if one.why == "unsupported" else "") + str(one.error()))
    unsupported = [one for one in refused if one.why == "unsupported"]
    said = f"; {amount(len(refused), 'rule')} refused" if refused else ""
    said += f", of these not supported: {by_keyword(unsupported)}" if unsupported else ""
    print(f"{amount(sum(written.values()), 'rule')} written to {amount(len(written), 'file')} in {folder}{said}")
    return 1 if refused else 0


def refuse_collisions(targets: dict[Path, Path]) -> None:
    """Refuses to overwrite. Raises InputError."""
    seen: dict[Path, Path] = {}
    for file, target in targets.items():
        if target.exists():
            raise InputError(f"{target}: is there already", hint="remove it, or write to another folder with -o")
        if target in seen:
            raise InputError(f"{file}: would be written to the same file as {seen[target]}", hint="import them one by one, to two folders")  # fmt: skip
        seen[target] = file


def import_files(targets: dict[Path, Path], context: Context) -> tuple[list[Refused], dict[Path, int]]:
    """(what was refused, how many rules each written file has)."""
    loaded = {file: load_texts(file, context) for file in targets}
    kept, left_out = newest([one.loaded for one in loaded.values()])
    refused = [*(one for texts in loaded.values() for one in texts.loaded.refused), *left_out]
    written: dict[Path, int] = {}
    for (file, texts), rules in zip(loaded.items(), kept, strict=True):
        by_id = {rule.id: rule for rule in rules}
        pairs = [(text, rule) for text, rule in zip(texts.texts, texts.loaded.rules, strict=True) if by_id.get(rule.id) is rule]  # fmt: skip
        for number, (content, count) in enumerate(documents(pairs), 1):
            target = targets[file] if number == 1 else targets[file].with_stem(f"{file.stem}-{number}")
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as out:
                out.write(INTRO.format(path=file.name) + content)
            written[target] = count
    return sorted(refused, key=lambda one: one.position), written


def documents(pairs: Sequence[tuple[RuleText, Rule]]) -> Iterator[tuple[str, int]]:
    """(YAML, how many rules it holds), each short enough for a file."""
    parts: list[str] = []
    size = 0
    for text, rule in pairs:  # per rule
        parts.append(yaml_of(text, rule))
        size += len(parts[-1])
        if size > MOST_CHARACTERS:
            yield "---\n".join(parts), len(parts)
            parts, size = [], 0
    if parts:
        yield "---\n".join(parts), len(parts)
