"""Steps of payload rules as programs for inspect_kernels.

Input: the steps of each inspection. Output: Programs, whose arrays the kernel runs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from detector.detect.fast_patterns import WEIGHTS, Literal
from detector.rules.signature import (
    Base64,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    ByteTest,
    Content,
    IsDataAt,
    Number,
    Numeral,
    Pcre,
    Step,
)

# As inspect_kernels.py names them; that module is not imported before there is something to run.
CODE_COLUMNS = 11
CONTENT, IS_DATA_AT, BYTE_TEST, BYTE_JUMP, BYTE_EXTRACT, BYTE_MATH, PCRE, BUFFER_SIZE, BASE64 = range(1, 10)
NONE, VARIABLE = 1 << 61, 1 << 60
NEGATED, NOCASE, ENDSWITH, RELATIVE, RELATIVE_NEXT, LITTLE, ALIGNED, NAMED, LAST_CHANCE = (1 << bit for bit in range(9))
COMPARISONS = ("<", ">", "=", "<=", ">=", "&", "^")
OPERATIONS = ("+", "-", "*", "/", "<<", ">>")
ORIGINS = ("", "beginning", "end")
MOST_VARIABLES = 16
ANCHOR = re.compile(r"(?<!\[)\^|\\A")  # in an expression
# Whether such an expression matches may depend on where its bytes begin.
LOOKS_AROUND = re.compile(r"\^|\\[AbBG]|\(\?<[=!]")


class Programs:
    """code: int64[steps, 11], bounds: int64[programs, 2], pool: uint8[...], as the kernel wants them.

    A program is made when it is first needed: of a large ruleset few rules ever have a candidate.
    questions: {step: Pcre or Base64}, what Python answers.
    """

    def __init__(self, count: int, steps_of: Callable[[int], Sequence[Step]]) -> None:
        """steps_of: the steps of a program, by its number."""
        self.questions: dict[int, Pcre | Base64] = {}
        self._steps_of = steps_of
        self._rows: list[list[int]] = []
        self._pool = bytearray()
        self._places: dict[Literal, int] = {}
        self.code = np.zeros((0, CODE_COLUMNS), np.int64)
        self.bounds = np.full((count, 2), -1, np.int64)
        self.pool = np.zeros(1, np.uint8)
        self._placed = np.zeros(count, np.bool_)

    def is_placed(self, which: NDArray[np.int64]) -> NDArray[np.bool_]:
        """bool[n]: of programs, whether it matters where their bytes begin."""
        self.need(which)
        return self._placed[which]

    def need(self, which: NDArray[np.int64]) -> None:
        """Makes those of some programs that are not made yet."""
        missing = np.unique(which[self.bounds[which, 0] < 0])
        if not len(missing):
            return
        for program in missing.tolist():  # per program
            first = len(self._rows)
            steps = self._steps_of(program)
            self._compile(steps)
            self._placed[program] = any(map(counts_from_the_start, steps))
            self.bounds[program] = first, len(self._rows)
        self.code = np.array(self._rows, np.int64).reshape(-1, CODE_COLUMNS)
        self.pool = np.frombuffer(bytes(self._pool) or b"\0", np.uint8).copy()

    def _compile(self, steps: Sequence[Step]) -> None:
        """The rows of one program."""
        names: dict[str, int] = {}
        first = len(self._rows)
        followed, last_chances = followed_by_relative(steps), sought_to_the_end(steps)
        for number, step in enumerate(steps):  # per step
            row = [0] * CODE_COLUMNS
            row[1] = RELATIVE_NEXT * (number in followed) | LAST_CHANCE * (number in last_chances)
            self._fill(row, step, names)
            if row[0] in (PCRE, BASE64):
                assert isinstance(step, Pcre | Base64)
                self.questions[first + number] = step
            self._rows.append(row)

    def _text(self, content: Content) -> int:
        """Where a content's bytes are in the pool."""
        literal = Literal(content.sought, content.nocase)
        if literal not in self._places:
            self._places[literal] = len(self._pool)
            self._pool += literal.text
        return self._places[literal]

    def _fill(self, row: list[int], step: Step, names: dict[str, int]) -> None:
        """One step."""

        def number(value: Number | None) -> int:
            if value is None:
                return NONE
            return VARIABLE + names[value] if isinstance(value, str) else value

        def variable(name: str) -> int:
            if name not in names and len(names) == MOST_VARIABLES:
                raise ValueError(f"a rule may keep {MOST_VARIABLES} numbers")  # the loader refuses it before
            return names.setdefault(name, len(names))

        match step:
            case Content():
                row[0] = CONTENT
                row[1] |= (
                    NEGATED * step.is_negated
                    | NOCASE * step.nocase
                    | ENDSWITH * step.endswith
                    | RELATIVE * step.is_relative
                )
                depth = len(step.pattern) if step.startswith else step.depth
                row[2:4] = self._text(step), len(step.pattern)
                row[10] = int(WEIGHTS[np.frombuffer(step.sought, np.uint8)].argmax())
                row[4:8] = number(step.offset), number(depth), number(step.distance), number(step.within)
            case IsDataAt():
                row[0], row[1], row[2] = (
                    IS_DATA_AT,
                    NEGATED * step.is_negated | RELATIVE * step.is_relative,
                    number(step.position),
                )
            case BufferSize():
                row[0], row[1], row[2], row[3] = BUFFER_SIZE, NEGATED * step.is_negated, step.low, step.high
            case Pcre():
                row[0] = PCRE
                row[1] |= NEGATED * step.is_negated | RELATIVE * step.is_relative
            case Base64():
                row[0], row[1] = BASE64, RELATIVE * step.is_relative
            case ByteTest():
                row[0] = BYTE_TEST
                self._numeral(row, step.numeral, step.offset, step.is_relative, number)
                row[1] |= NEGATED * step.is_negated
                if isinstance(step.value, str):
                    row[1] |= NAMED
                    row[5] = names[step.value]
                else:
                    row[5] = signed(step.value)
                row[6:8] = mask(step.bitmask)
                row[8] = COMPARISONS.index(step.operator)
            case ByteJump():
                row[0] = BYTE_JUMP
                self._numeral(row, step.numeral, step.offset, step.is_relative, number)
                row[1] |= ALIGNED * step.is_aligned
                row[5] = step.multiplier
                row[6:8] = mask(step.bitmask)
                row[8], row[9] = ORIGINS.index(step.origin), number(step.post_offset)
            case ByteExtract():
                row[0] = BYTE_EXTRACT
                self._numeral(row, step.numeral, step.offset, step.is_relative, number)
                row[5], row[8], row[9] = step.multiplier, step.align, variable(step.name)
            case ByteMath():
                row[0] = BYTE_MATH
                self._numeral(row, step.numeral, step.offset, step.is_relative, number)
                row[5] = number(step.right)
                row[6:8] = mask(step.bitmask)
                row[8], row[9] = OPERATIONS.index(step.operator), variable(step.name)

    @staticmethod
    def _numeral(row: list[int], numeral: Numeral, offset: Number, is_relative: bool, number) -> None:  # type: ignore[no-untyped-def]
        row[1] |= LITTLE * numeral.is_little | RELATIVE * is_relative
        row[2], row[3], row[4] = number(numeral.size), numeral.base, number(offset)


def signed(value: int) -> int:
    """64 bits as an int64 holds them."""
    return value - 2**64 if value >= 2**63 else value


def mask(bitmask: int | None) -> tuple[int, int]:
    """(a mask or 0, how far its lowest bit is up)."""
    return (bitmask, (bitmask & -bitmask).bit_length() - 1) if bitmask else (0, 0)


def is_relative(step: Step) -> bool:
    """Whether a step counts from the match before."""
    return not isinstance(step, BufferSize) and step.is_relative


def counts_from_the_start(step: Step) -> bool:
    """Whether it matters to a step where the bytes begin: it counts from there, or asks for what is nowhere in them.

    On a stream Suricata's begin where it looked last; all others are found whatever the bytes before them were.
    """
    match step:
        case ByteJump(origin="beginning"):
            return True
        case _ if is_relative(step):
            return False
        case Content():
            return step.is_negated or step.startswith or (step.offset, step.depth) != (None, None)
        case Pcre():
            return step.is_negated or ANCHOR.search(step.pattern) is not None or "A" in step.flags
    return True


def followed_by_relative(steps: Sequence[Step]) -> set[int]:
    """Contents and expressions that are searched again where a later step fails: those that the next step that counts from
    a match counts from. Another step that moves the place may stand between them; then nothing is searched again."""
    found: set[int] = set()
    last = -1
    for number, step in enumerate(steps):  # per step
        if is_relative(step) and last >= 0:
            found.add(last)
        if isinstance(step, Content | Pcre):
            last = number
        elif isinstance(step, ByteTest | ByteJump | ByteExtract | ByteMath):
            last = -1
    return found


def sought_to_the_end(steps: Sequence[Step]) -> set[int]:
    """Relative contents and expressions whose absence ends the program: they are searched up to the end of the buffer, and
    what matched before them can only match further behind. Without this 1400 like bytes take a thousand searches."""
    found = set()
    for number, step in enumerate(steps):  # per step
        if isinstance(step, IsDataAt | BufferSize):
            continue
        if isinstance(step, Pcre) and step.is_relative and not step.is_negated:
            if "A" not in step.flags and not LOOKS_AROUND.search(step.pattern):
                found.add(number)
        if not isinstance(step, Content) or any(
            isinstance(one, str) for one in (step.offset, step.depth, step.distance, step.within)
        ):
            break  # what it matches at, or counts from, may lie further in front
        if step.is_relative and not step.is_negated and step.depth is None and step.within is None:
            found.add(number)
    return found
