"""One vocabulary over all protocols: what a PDU does (its verb), to which points, with which values and outcome.

Each protocol says so in lines that a person can read; ics.py makes the table `ics` of them. Declarations only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

VERBS = (
    "read", "write", "select", "operate", "cancel", "start", "stop", "restart", "program_upload", "program_download", "firmware",
    "configure", "diagnose", "authenticate", "identify", "time_set", "file", "alarm", "report", "subscribe",
)  # fmt: skip
SAME = "="  # the verb of a reply that is the request's
EXPRESSION = re.compile(r"(?P<field>[\w-]+(\.[\w-]+)*)(@(?P<byte>\d+))?(\{(?P<map>[^}]*)\})?(?P<more>\.\.|\+)?")
PIECE = re.compile(r"<([^>]*)>")


class Condition(NamedTuple):
    """A field has a value in one of some ranges, bounds and all; of bytes, the byte at a place. No ranges: it is there."""

    field: str
    byte: int
    ranges: tuple[tuple[int, int], ...]
    names: tuple[str, ...]  # or one of a label's texts


class Number(NamedTuple):
    """A field's value; of bytes, the byte at a place, -1: all of them, as a text; put through a map where there is one.

    last: the field that has the last number of a range, number: how many it holds; "": it is one number.
    """

    field: str
    byte: int
    map: Mapping[int, float]
    last: str = ""
    number: str = ""


@dataclass(frozen=True)
class VerbLine:
    """PDUs for which all conditions hold have the verb."""

    verb: str
    when: tuple[Condition, ...]


@dataclass(frozen=True)
class PointLine:
    """The points of such PDUs. pieces: texts and, of what stands in <>, the first number that is there of several.

    verbs: those of the PDU's that it speaks of; all where empty.  values: the first that is there.
    """

    template: str
    pieces: tuple[str | tuple[Number, ...], ...]
    verbs: tuple[str, ...]
    when: tuple[Condition, ...]
    values: tuple[Number, ...]


@dataclass(frozen=True)
class OutcomeLine:
    """What such replies came to. name: "ok", or the name of an error; or "<field>" for the name of the field's value."""

    name: str
    when: tuple[Condition, ...]


@dataclass(frozen=True)
class UnitLine:
    """The field with the number of the station, or of the unit behind it, to which such PDUs belong."""

    field: str
    when: tuple[Condition, ...]


@dataclass(frozen=True)
class Vocabulary:
    """All lines of a protocol, each kind in the order in which they are written. written: their cells, for people."""

    written: Mapping[str, list[list[str]]]
    verbs: tuple[VerbLine, ...]
    points: tuple[PointLine, ...]
    outcomes: tuple[OutcomeLine, ...]
    units: tuple[UnitLine, ...]


def vocabulary(verbs: str, points: str, outcomes: str, units: str) -> Vocabulary:
    """The lines of four texts, whose columns are set apart by " | ".

    verbs: verb, conditions; "=" for replies whose verb is that of the request.
    points: template, verbs or "*", conditions, values.
    outcomes: name, conditions; a reply without one is "ok".
    units: field, conditions.
    Conditions: "field=1,3-5" or "field", several set apart by spaces. Numbers: "field", "field@0" for a byte of bytes,
    with "{1:0,2:1}" a map; alternatives set apart by " or ". In a template numbers stand in <>, and the last of them may be
    a range: "first..last" or "first+count".
    """
    written = {
        "verbs": rows_of(verbs, 2), "points": rows_of(points, 4), "outcomes": rows_of(outcomes, 2), "units": rows_of(units, 2),
    }  # fmt: skip
    return Vocabulary(
        written,
        tuple(VerbLine(verb, conditions(when)) for verb, when in written["verbs"]),
        tuple(
            PointLine(
                template,
                pieces_of(template),
                () if for_verbs == "*" else tuple(for_verbs.split(",")),
                conditions(when),
                numbers(values),
            )
            for template, for_verbs, when, values in written["points"]
        ),
        tuple(OutcomeLine(name, conditions(when)) for name, when in written["outcomes"]),
        tuple(UnitLine(name, conditions(when)) for name, when in written["units"]),
    )


def rows_of(text: str, columns: int) -> list[list[str]]:
    """The cells of each line."""
    rows = [[cell.strip() for cell in line.split("|")] for line in text.splitlines() if line.strip()]
    for row in rows:  # per line
        assert len(row) <= columns, row
        row.extend([""] * (columns - len(row)))
    return rows


def conditions(text: str) -> tuple[Condition, ...]:
    """ "field=1,3-5 other" as conditions."""
    made = []
    for one in text.split():  # per condition
        word, _, values = one.partition("=")
        name, _, byte = word.partition("@")
        ranges, names = [], []
        for value in filter(None, values.split(",")):  # per value
            low, _, high = value.partition("-")
            if low.isdecimal() or low.startswith("0x"):
                ranges.append((int(low, 0), int(high or low, 0)))
            else:
                names.append(value)
        made.append(Condition(name, int(byte or 0), tuple(ranges), tuple(names)))
    return tuple(made)


def numbers(text: str) -> tuple[Number, ...]:
    """Alternatives of a number."""
    return tuple(number(one.strip()) for one in text.split(" or ") if one.strip())


def number(text: str) -> Number:
    """One of them."""
    found = EXPRESSION.match(text)
    assert found is not None, text
    pairs = (pair.split(":") for pair in (found["map"] or "").split(",") if pair)
    rest = text[found.end() :]
    return Number(
        found["field"], int(found["byte"] or -1), {int(key, 0): float(value) for key, value in pairs},
        last=rest if found["more"] == ".." else "", number=rest if found["more"] == "+" else "",
    )  # fmt: skip


def pieces_of(template: str) -> tuple[str | tuple[Number, ...], ...]:
    """Texts and numbers of a template, in turn."""
    return tuple(
        numbers(piece) if place % 2 else piece
        for place, piece in enumerate(PIECE.split(template))
        if place % 2 or piece
    )
