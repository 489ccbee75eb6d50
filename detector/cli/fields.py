"""`detector fields`: every field that rules and filters can name."""

from __future__ import annotations

import argparse
import shutil
import textwrap

from detector.columns import Field
from detector.errors import InputError, nearest
from detector.protocols.fields import FIELDS, table_of

NARROWEST = 24


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "protocol", nargs="?", default="", help="only fields of this protocol, such as modbus, tcp, flow"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints a table of fields."""
    wanted = arguments.protocol.lower()
    chosen = [field for field in FIELDS.values() if not wanted or wanted in (field.protocol, table_of(field.name))]
    if not chosen:
        known = sorted({field.protocol for field in FIELDS.values()})
        guess = nearest(wanted, known)
        raise InputError(
            f"no fields of {wanted!r}", hint=f"did you mean {guess}?" if guess else f"known are {', '.join(known)}"
        )
    rows = [(field.name, kind_of(field), field.unit, meaning_of(field)) for field in chosen]
    widths = [max(len(row[column]) for row in [("field", "type", "unit", ""), *rows]) for column in range(3)]
    room = max(NARROWEST, shutil.get_terminal_size((100, 24)).columns - sum(widths) - 6)
    for row in [("field", "type", "unit", "meaning and values"), *rows]:
        lines = textwrap.wrap(row[3], room) or [""]
        head = "  ".join(text.ljust(width) for text, width in zip(row[:3], widths, strict=True))
        print(f"{head}  {lines[0]}".rstrip())
        for line in lines[1:]:
            print(" " * (len(head) + 2) + line)
    return 0


def kind_of(field: Field) -> str:
    """The field's type in a word; objects' fields are marked."""
    return field.kind + (" (object)" if field.level == "object" else "")


def meaning_of(field: Field) -> str:
    """What it means, and its values' names where they are few enough to read."""
    if not field.labels or len(field.labels) > 200:
        return field.meaning
    if field.kind == "label":
        return f"{field.meaning}: {', '.join(field.labels.values())}"
    return f"{field.meaning}: " + ", ".join(f"{number} {text}" for number, text in field.labels.items())
