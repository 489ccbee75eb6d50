"""`detector decode`: the values of fields, one line per PDU, or per packet where all fields are packet fields."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from detector.capture import open_source
from detector.columns import Table, printable
from detector.detect.predicates import evaluate
from detector.errors import InputError, nearest
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.fields import FIELDS, table_of
from detector.protocols.frames import FrameTable
from detector.protocols.table import PduTable
from detector.rules.model import Test
from detector.rules.parser import parse_filter

NUMBER = "frame.number"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("capture", metavar="CAPTURE", help="capture file, folder, or - for standard input")
    parser.add_argument("--fields", required=True, metavar="a,b,c", help="Wireshark field names; see detector fields")
    parser.add_argument(
        "--filter", default="", metavar="'display filter'", help="only frames that Wireshark would show"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Prints the rows."""
    names = [name.strip() for name in arguments.fields.split(",") if name.strip()]
    table = table_of_fields(names)
    names = [NUMBER, *(name for name in names if name != NUMBER)]
    condition = parse_filter(arguments.filter) if arguments.filter else None
    source = open_source([arguments.capture])
    decoding = Decoding(PipelineSettings())
    widths: list[int] = []
    for batch in source.batches():
        packets, pdus = decoding.tables(batch)
        frames = FrameTable(packets, pdus)
        rows: Iterator[list[list[Any]]] = rows_of(names, frames, pdus.get(table), condition)
        lines = as_json(names, rows) if arguments.json else aligned(names, rows, widths)
        sys.stdout.writelines(lines)
        sys.stdout.flush()
    for warning in source.report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    return 0


def table_of_fields(names: Sequence[str]) -> str:
    """The one protocol whose PDUs the fields describe, or "packet". Raises InputError where there is no such one."""
    for name in names:
        if name not in FIELDS:
            guess = nearest(name, FIELDS)
            raise InputError(
                f"--fields: unknown field {name!r}",
                hint=f"did you mean {guess}?" if guess else "all of them: detector fields",
            )
    if not names:
        raise InputError("--fields: no field given", hint="for example --fields ip.src,ip.dst,modbus.func_code")
    owners = {table_of(name): name for name in reversed(names)}
    owners.pop("packet", None)
    if len(owners) > 1:
        said = " and ".join(f"{name} ({owner})" for owner, name in owners.items())
        raise InputError(
            f"--fields: fields of two protocols: {said}",
            hint="a line is a PDU of one protocol: run decode once for each",
        )
    return next(iter(owners), "packet")


def rows_of(
    names: Sequence[str], frames: FrameTable, pdus: PduTable | None, condition: Test | None
) -> Iterator[list[list[Any]]]:
    """The values of each chosen row: of PDUs, or of frames where there is no PDU table."""
    chosen = None if condition is None else evaluate(condition, frames)
    columns = []
    for name in names:
        if pdus is not None and table_of(name) == pdus.name:
            columns.append(pdus.column(name))
        else:
            column = frames.column(name)
            columns.append(column if pdus is None else column.take(frames.packet_of(pdus)))
    table: Table = frames if pdus is None else pdus
    packet_of = range(frames.rows) if pdus is None else frames.packet_of(pdus).tolist()
    for row in range(table.rows):  # per printed line
        if chosen is None or chosen[packet_of[row]]:
            yield [column.at(row) for column in columns]


def as_json(names: Sequence[str], rows: Iterator[list[list[Any]]]) -> Iterator[str]:
    """One object a line; a field with several values is a list, one without is left out."""
    for row in rows:
        found = {
            name: values[0] if len(values) == 1 else values for name, values in zip(names, row, strict=True) if values
        }
        yield json.dumps(found, ensure_ascii=False) + "\n"


def aligned(names: Sequence[str], rows: Iterator[list[list[Any]]], widths: list[int]) -> Iterator[str]:
    """Aligned text under a line of names; columns only grow, so that a stream can be read as it comes."""
    for row in rows:
        if not widths:
            widths += [len(name) for name in names]
            texts = [cell(values) for values in row]
            widths[:] = map(max, widths, map(len, texts))
            yield "  ".join(name.ljust(width) for name, width in zip(names, widths, strict=True)).rstrip() + "\n"
        texts = [cell(values) for values in row]
        widths[:] = map(max, widths, map(len, texts))
        yield "  ".join(text.ljust(width) for text, width in zip(texts, widths, strict=True)).rstrip() + "\n"


def cell(values: Sequence[Any]) -> str:
    """The values of a field in one line."""
    return ",".join(str(value).lower() if isinstance(value, bool) else printable(str(value)) for value in values) or "-"
