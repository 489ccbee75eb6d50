"""A protocol's vocabulary applied to its table of one batch: where conditions hold, numbers, points with texts and values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.columns import Array, Column, ObjectTable
from detector.kernel import Kernels
from detector.protocols.table import PduTable
from detector.protocols.vocabulary import Condition, Number, PointLine

kernels = Kernels("detector.protocols.ics_kernels")

MOST_POINTS = 2000  # of one range, the last for all that is left: as many coils as Modbus reads at once
LITERAL, NUMBER, SPAN = 0, 1, 2  # as ics_kernels.py names them
LOOKED_UP = 0xFFFF  # numbers up to here are looked up
NUMBER_TEXT = 20  # digits of a number at most, with its sign
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Points(NamedTuple):
    """Points of rows. rows: int64[n], of each, ascending.  cells: int64[n, 4], bounds of the text, bits of the value, whether
    there is one.  text: uint8[...]."""

    rows: Numbers
    cells: Numbers
    text: NDArray[np.uint8]


NO_POINTS = Points(np.zeros(0, np.int64), np.zeros((0, 4), np.int64), np.zeros(0, np.uint8))


class First(NamedTuple):
    """The first value of a field in each place. values: numbers, or int64[places, 2] spans into the batch's buffer."""

    values: Array
    present: Mask


class Read(NamedTuple):
    """Numbers of a field, the place of each, its labels. found: bool[largest + 1], those that occur, where they are small."""

    values: Array
    places: Numbers
    labels: Mapping[int, str]
    found: Mask | None


class Words:
    """Conditions and numbers of one table; a place is one of its rows, or one of its objects."""

    def __init__(self, table: PduTable) -> None:
        self.table = table
        self.buffer = table.packets.batch.buffer
        self._where: dict[tuple[Condition, bool], Mask] = {}
        self._read: dict[tuple[str, int, bool], Read] = {}

    def is_of_objects(self, name: str) -> bool:
        """Whether objects have the field."""
        return self.table.fields[name].level == "object"

    def speaks_of_objects(self, line: PointLine) -> bool:
        """Whether a line's points are objects of the table."""
        numbers = [number for piece in line.pieces if not isinstance(piece, str) for number in piece]
        return any(self.is_of_objects(number.field) for number in numbers)

    @property
    def objects(self) -> ObjectTable:
        """The table's objects."""
        found = self.table.objects()
        assert found is not None
        return found

    def where(self, conditions: Sequence[Condition], of_objects: bool = False) -> Mask:
        """bool[places], where all conditions hold. Of a row an object's condition holds where it does for one of them."""
        made = np.ones(self.objects.rows if of_objects else self.table.rows, np.bool_)
        for condition in conditions:  # per condition
            if not made.any():
                break
            key = (condition, of_objects)
            if key not in self._where:
                self._where[key] = self._holds(condition, of_objects)
            made &= self._where[key]
        return made

    def _holds(self, condition: Condition, of_objects: bool) -> Mask:
        """bool[places], where one condition holds."""
        if of_objects and not self.is_of_objects(condition.field):
            rows: Mask = self.where((condition,))[self.objects.parents]
            return rows
        values, places, labels, found = self._values(condition.field, condition.byte, of_objects)
        made = np.zeros(self.objects.rows if of_objects else self.table.rows, np.bool_)
        if not (condition.ranges or condition.names):
            made[places] = True
            return made
        ranges = [*condition.ranges, *((code, code) for code, label in labels.items() if label in condition.names)]
        if found is not None:
            held = np.zeros(len(found), np.bool_)
            for low, high in ranges:  # per range
                held[low : high + 1] = found[low : high + 1]
            if held.any():
                made[places[held[values]]] = True  # of several values in a place one is enough
            return made
        for low, high in ranges:  # per range
            made[places[(values >= low) & (values <= high)]] = True
        return made

    def _values(self, name: str, byte: int, of_objects: bool) -> Read:
        """A field's values in all places."""
        key = (name, byte, of_objects)
        if key not in self._read:
            column = (self.objects if of_objects else self.table).column(name)
            values, places = self._flat(column, byte)
            found = None
            if len(values) and values.dtype.kind in "ui" and values.min() >= 0 and values.max() <= LOOKED_UP:
                found = np.bincount(values.astype(np.intp)) > 0
            self._read[key] = Read(values, places, column.field.labels, found)
        return self._read[key]

    def _flat(self, column: Column, byte: int) -> tuple[Array, Numbers]:
        """(numbers of a column, the place of each): of bytes the one at a place."""
        values, places = column.flat()
        if column.field.kind not in ("bytes", "string"):
            return values.astype(np.uint8) if values.dtype == np.bool_ else values, places
        at = values[:, 0] + byte
        there = at < values[:, 1]
        assert column.buffer is not None
        return column.buffer[at[there]], places[there]

    def first(self, number: Number, of_objects: bool) -> First:
        """The first value of a number in each place, through its map; of texts their spans."""
        if of_objects and not self.is_of_objects(number.field):
            found = self.first(number, False)
            parents = self.objects.parents
            return First(found.values[parents], found.present[parents])
        column = (self.objects if of_objects else self.table).column(number.field)
        size = self.objects.rows if of_objects else self.table.rows
        if column.field.kind in ("bytes", "string") and number.byte < 0:
            values, places = column.flat()
        else:
            values, places = self._flat(column, number.byte)
        if number.map:
            values, places = mapped(values, places, number)
        made = np.zeros((size, *values.shape[1:]), values.dtype)
        present = np.zeros(size, np.bool_)
        made[places[::-1]] = values[::-1]  # the first of several stays
        present[places] = True
        return First(made, present)


def mapped(values: Array, places: Numbers, number: Number) -> tuple[Array, Numbers]:
    """Values put through a number's map; those that it does not have are left out."""
    made, known = np.zeros(len(values), np.float64), np.zeros(len(values), np.bool_)
    for key, value in number.map.items():  # per value that is mapped
        chosen = values == key
        made[chosen], known[chosen] = value, True
    return made[known], places[known]


class Pieces(NamedTuple):
    """What texts are made of: int64[points, pieces] each, as write_targets takes them; where they are known; points of each range."""

    kinds: Numbers
    firsts: Numbers
    seconds: Numbers
    known: Mask
    counts: Numbers


def pieces_of(words: Words, line: PointLine, of_objects: bool, literals: bytearray) -> Pieces:
    """A template's pieces in every place; the texts between numbers are put behind `literals`."""
    size = words.objects.rows if of_objects else words.table.rows
    shape = (size, len(line.pieces))
    kinds, firsts, seconds = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    made = Pieces(kinds, firsts, seconds, np.ones(size, np.bool_), np.ones(size, np.int64))
    for place, piece in enumerate(line.pieces):  # per piece
        if isinstance(piece, str):
            made.firsts[:, place] = len(literals)
            literals += piece.encode()
            made.seconds[:, place] = len(literals)
            continue
        there = np.zeros(size, np.bool_)
        for number in piece:  # per alternative
            found = words.first(number, of_objects)
            chosen = found.present & ~there
            there |= chosen
            if found.values.ndim == 2:
                made.kinds[chosen, place] = SPAN
                made.firsts[chosen, place], made.seconds[chosen, place] = found.values[chosen].T
                continue
            made.kinds[chosen, place] = NUMBER
            made.firsts[chosen, place] = found.values[chosen].astype(np.int64)
            made.counts[chosen] = range_lengths(words, number, found, of_objects)[chosen]
        made.known[~there] = False
    return made


def range_lengths(words: Words, number: Number, found: First, of_objects: bool) -> Numbers:
    """How many numbers there are from each on; 1 where it is no range, 0 where that is empty."""
    if not (number.last or number.number):
        return np.ones(len(found.values), np.int64)
    end = words.first(Number(number.last or number.number, 0, {}), of_objects)
    counts = end.values.astype(np.int64) - (found.values.astype(np.int64) - 1 if number.last else 0)
    return np.where(end.present, np.maximum(counts, 0), 1)


def points_of(words: Words, line: PointLine) -> tuple[Points, Numbers]:
    """The points of a line by the table's rows, and the object or row of each."""
    of_objects = words.speaks_of_objects(line)
    chosen = words.where(line.when, of_objects)
    if not chosen.any():
        return NO_POINTS, NO_POINTS.rows
    literals = bytearray(b"-")
    pieces = pieces_of(words, line, of_objects, literals)
    places = np.flatnonzero(chosen & pieces.known)
    wanted = pieces.counts[places]
    counts = np.minimum(wanted, MOST_POINTS)
    steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    left = np.repeat(wanted - counts, counts)
    places = np.repeat(places, counts)
    kinds, firsts, seconds = pieces.kinds[places], pieces.firsts[places], pieces.seconds[places]
    last = max(place for place, piece in enumerate(line.pieces) if not isinstance(piece, str))
    firsts[:, last] += np.where(kinds[:, last] == NUMBER, steps, 0)
    if left.any():
        rests = np.where((left > 0) & (steps == MOST_POINTS - 1), firsts[:, last] + left, -1)
        kinds, firsts, seconds = with_rests(kinds, firsts, seconds, rests)
    room = int(np.where(kinds == NUMBER, NUMBER_TEXT, seconds - firsts).sum())
    text, spans = np.zeros(room, np.uint8), np.zeros((len(places), 2), np.int64)
    fixed = np.array(literals, np.uint8)
    used = kernels.write_targets(kinds, firsts, seconds, fixed, words.buffer, text, spans)
    cells = np.concatenate((spans, values_of(words, line, of_objects, places)), axis=1)
    rows = words.objects.parents[places] if of_objects else places
    return Points(rows, cells, text[:used]), places


def with_rests(kinds: Numbers, firsts: Numbers, seconds: Numbers, rests: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Pieces with "-" and a last number behind them where `rests` has one, as in "1999-65535"; the dash is the first literal."""
    is_rest = rests >= 0
    nothing = np.zeros(len(rests), np.int64)
    return (
        np.column_stack((kinds, nothing, np.where(is_rest, NUMBER, LITERAL))),
        np.column_stack((firsts, nothing, np.where(is_rest, rests, 0))),
        np.column_stack((seconds, is_rest.astype(np.int64), nothing)),
    )


def values_of(words: Words, line: PointLine, of_objects: bool, places: Numbers) -> Numbers:
    """int64[points, 2], bits of the values of points and whether there is one."""
    values, there = np.zeros(len(places), np.float64), np.zeros(len(places), np.bool_)
    for number in line.values:  # per alternative
        found = words.first(number, of_objects)
        chosen = found.present[places] & ~there
        values[chosen] = found.values[places][chosen].astype(np.float64)
        there |= chosen
    return np.stack((values.view(np.int64), there.astype(np.int64)), axis=1)
