"""`detector fields`: every field that rules and filters can name."""

from __future__ import annotations

import argparse
import shutil
import textwrap

from detector.columns import Field
from detector.errors import InputError, nearest
from detector.protocols.fields import FIELDS, table_of

NARROWEST = 20
WIDEST_NAME = 34


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "protocol", nargs="?", default="", help="only fields of this protocol, such as modbus, tcp, flow; or one field"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prints a table of fields."""
    chosen = chosen_fields(arguments.protocol.lower())
    rows = [("field", "type", "unit", "meaning and values")]
    rows += [(field.name, kind_of(field), field.unit, meaning_of(field)) for field in chosen]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    widths[0] = max(len(row[0]) for row in rows if len(row[0]) <= WIDEST_NAME)
    room = max(NARROWEST, shutil.get_terminal_size((100, 24)).columns - sum(widths) - 6)
    for row in rows:
        head = "  ".join(text.ljust(width) for text, width in zip(row[:3], widths, strict=True))
        lines = textwrap.wrap(row[3], room, break_on_hyphens=False) or [""]
        if len(row[0]) > widths[0]:  # the few long names have a line of their own
            print(row[0])
            head = head[len(row[0]) :].rjust(len(head) - len(row[0]) + widths[0])
        print(f"{head}  {lines[0]}".rstrip())
        for line in lines[1:]:
            print(" " * (len(head) + 2) + line)
    return 0


def chosen_fields(wanted: str) -> list[Field]:
    """The fields of a protocol or a table, or the one of that name with those below it; "": all.

    Raises:
        InputError: there is none.
    """
    chosen = [field for field in FIELDS.values() if not wanted or wanted in (field.protocol, table_of(field.name))]
    chosen = chosen or [field for field in FIELDS.values() if f"{field.name}.".startswith(f"{wanted}.")]
    if not chosen:
        known = sorted({field.protocol for field in FIELDS.values()})
        guess = nearest(wanted, [*known, *FIELDS])
        raise InputError(
            f"no fields of {wanted!r}", hint=f"did you mean {guess}?" if guess else f"known are {', '.join(known)}"
        )
    return chosen


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
