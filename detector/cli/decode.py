"""`detector decode`: the values of fields, one line per PDU, or per packet where all fields are packet fields."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from detector.capture import open_source
from detector.cli.options import add_site_options, of_site
from detector.columns import Table, printable
from detector.detect.predicates import evaluate
from detector.errors import InputError, nearest
from detector.flows.followed import Watched
from detector.packets.decode import DecodeSettings
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.fields import ANY_PDU, FIELDS, PACKET, table_of
from detector.protocols.frames import FrameTable
from detector.protocols.table import PduTable
from detector.rules.model import FieldValue, ListValue, Test
from detector.rules.parser import parse_filter

NUMBER = "frame.number"
WIDEST = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("capture", metavar="CAPTURE", help="capture file, folder, or - for standard input")
    parser.add_argument("--fields", required=True, metavar="a,b,c", help="Wireshark field names; see detector fields")
    parser.add_argument(
        "--filter", default="", metavar="'display filter'", help="only frames that Wireshark would show"
    )
    add_site_options(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Prints the rows."""
    names = [name.strip() for name in arguments.fields.split(",") if name.strip()]
    table = table_of_fields(names)
    names = list(dict.fromkeys([NUMBER, *names]))
    condition = frame_filter(arguments.filter) if arguments.filter else None
    source = open_source([arguments.capture])
    decode = DecodeSettings(drop_redundant=False)
    decoding = Decoding(of_site(PipelineSettings(decode=decode), arguments))
    decoding.following.watch(Watched(sessions=True, ics=True))
    widths: list[int] = []
    count = seen = 0
    for batch in source.batches():
        packets, pdus = decoding.tables(batch)
        rows = list(rows_of(names, FrameTable(packets, pdus), pdus.get(table), condition))
        sys.stdout.writelines(as_json(names, rows) if arguments.json else aligned(names, rows, widths))
        sys.stdout.flush()
        seen += pdus[table].rows if table in pdus else 0
        count += len(rows)
    for warning in source.report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if not count:
        print(f"warning: no row: {why_nothing(decoding, table, seen, arguments.filter)}", file=sys.stderr)
    return 0


def why_nothing(decoding: Decoding, table: str, seen: int, condition: str) -> str:
    """What was missing where nothing is printed. seen: rows of the table."""
    counts = decoding.counts
    if not counts.packets:
        return "no packet was read"
    if table != PACKET and not seen:
        return f"no {table} PDU in {counts.packets:,} packets"
    return f"no frame of {counts.packets:,} is selected by {condition!r}"


def frame_filter(text: str) -> Test:
    """The test that --filter stands for. Raises InputError, also for what makes sense in rules only."""
    condition = parse_filter(text, "--filter")
    for part in parts_of(condition):
        if isinstance(part, ListValue):
            raise InputError(
                f"--filter: ${part.name} has no value here", hint="write the values: in {10.0.0.1, 10.0.0.2}"
            )
        if isinstance(part, FieldValue) and part.name in FIELDS and table_of(part.name) == ANY_PDU:
            raise InputError(f"--filter: {part.name} is a field of a PDU, the filter selects frames",
                             hint=f"--fields with a protocol's field and {part.name} shows it")  # fmt: skip
    return condition


def parts_of(part: Any) -> Iterator[Any]:
    """Every node of a tree of tests."""
    yield part
    if is_dataclass(part):
        for one in fields(part):
            inner = getattr(part, one.name)
            for below in inner if isinstance(inner, tuple) else (inner,):
                if is_dataclass(below):
                    yield from parts_of(below)


def table_of_fields(names: Sequence[str]) -> str:
    """The one protocol whose PDUs the fields describe, or "packet". Raises InputError where there is no such one."""
    for name in names:
        if name not in FIELDS:
            guess = nearest(name.lower(), FIELDS)
            raise InputError(
                f"--fields: unknown field {name!r}",
                hint=f"did you mean {guess}?" if guess else "all of them: detector fields",
            )
    if not names:
        raise InputError("--fields: no field given", hint="for example --fields ip.src,ip.dst,modbus.func_code")
    owners = {table_of(name): name for name in reversed(names)}
    owners.pop(PACKET, None)
    general = owners.pop(ANY_PDU, "")
    if general and not owners:
        raise InputError(f"--fields: {general} needs a protocol", hint=f"name one beside it: --fields modbus,{general}")
    if len(owners) > 1:
        said = " and ".join(f"{name} ({owner})" for owner, name in reversed(owners.items()))
        raise InputError(
            f"--fields: fields of two protocols: {said}",
            hint="a line is a PDU of one protocol: run decode once for each",
        )
    return next(iter(owners), PACKET)


def rows_of(
    names: Sequence[str], frames: FrameTable, pdus: PduTable | None, condition: Test | None
) -> Iterator[list[list[Any]]]:
    """The values of each chosen row: of PDUs, or of frames where there is no PDU table."""
    chosen = None if condition is None else evaluate(condition, frames)
    columns = []
    for name in names:
        if pdus is not None and table_of(name) in (pdus.name, ANY_PDU):
            columns.append(pdus.column(name))
        else:
            column = frames.column(name)
            columns.append(column if pdus is None else column.take(frames.packet_of(pdus)))
    table: Table = frames if pdus is None else pdus
    packet_of = range(frames.rows) if pdus is None else frames.packet_of(pdus).tolist()
    for row in range(table.rows):  # per printed line
        if packet_of[row] < 0:  # its frame has passed: it is shown with what its own packet says
            if pdus is not None and condition is None:
                yield [pdus.values_at(name, row) for name in names]
        elif chosen is None or chosen[packet_of[row]]:
            yield [column.at(row) for column in columns]


def as_json(names: Sequence[str], rows: Iterable[list[list[Any]]]) -> Iterator[str]:
    """One object a line; a field with several values is a list, one without is left out. What could steer a terminal
    is written as \\u and four digits."""
    for row in rows:
        found = {
            name: values[0] if len(values) == 1 else values for name, values in zip(names, row, strict=True) if values
        }
        text = json.dumps(found, ensure_ascii=False)
        yield (text if text.isprintable() else json.dumps(found)) + "\n"


def aligned(names: Sequence[str], rows: Iterable[list[list[Any]]], widths: list[int]) -> Iterator[str]:
    """Aligned text under a line of names; columns only grow, so that a stream can be read as it comes. A value longer
    than WIDEST moves its own line only."""
    texts = [[cell(values) for values in row] for row in rows]
    heading = [] if widths or not texts else [list(names)]
    for column, name in enumerate(names):
        longest = max([len(name), *(len(text[column]) for text in texts if len(text[column]) <= WIDEST)])
        widths[column : column + 1] = [max([longest, *widths[column : column + 1]])]
    for text in heading + texts:
        yield "  ".join(one.ljust(width) for one, width in zip(text, widths, strict=True)).rstrip() + "\n"


def cell(values: Sequence[Any]) -> str:
    """The values of a field in one line."""
    return ",".join(str(value).lower() if isinstance(value, bool) else printable(str(value)) for value in values) or "-"
