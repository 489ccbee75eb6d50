"""Which bytes of a payload rule are searched for in all traffic: the rarest of those that every match needs.

Input: inspections of rules. Output: FastPatterns, each literal once. A rule whose contents are all short or common has none
and is tried on every row that its header admits; that is cheaper than hits without end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.rules.signature import Buffer, Content, Inspection

LONGEST, SHORTEST = 16, 4
LEAST_SCORE = 8.0
SEARCHED = (Buffer.PAYLOAD, Buffer.STREAM)
# How much a byte tells: what industrial protocols and texts are full of tells little.
WEIGHTS = np.full(256, 4.0)
WEIGHTS[[0x00, 0xFF]] = 0.5, 1.0
WEIGHTS[[0x01, 0x02, 0x03, 0x04, 0x20]] = 2.0
WEIGHTS[np.frombuffer(b"eariotnslcud0123456789", np.uint8)] = 2.5
WEIGHT = WEIGHTS.tolist()
AGAIN = 0.3  # what a byte tells that occurs in the literal before


class Literal(NamedTuple):
    """Bytes to search for; folded to lower case where case does not matter."""

    text: bytes
    nocase: bool


class FastPatterns(NamedTuple):
    """literals: each once, in order.  of: int64[rules], the literal of each rule, -1 for none."""

    literals: tuple[Literal, ...]
    of: NDArray[np.int64]


def score(text: bytes) -> float:
    """How rare a literal may be."""
    total, seen = 0.0, set()
    for byte in text:  # per byte
        total += AGAIN if byte in seen else WEIGHT[byte]
        seen.add(byte)
    return total


def best_part(text: bytes, longest: int = LONGEST) -> bytes:
    """The part of at most so many bytes that tells most, the first of several."""
    if len(text) <= longest:
        return text
    parts = [text[at : at + longest] for at in range(len(text) - longest + 1)]
    return max(parts, key=score)


def needed_contents(inspections: Iterable[Inspection]) -> list[Content]:
    """Contents that must occur in a payload or stream."""
    return [
        step
        for inspection in inspections
        if inspection.buffer in SEARCHED
        for step in inspection.steps
        if isinstance(step, Content) and not step.is_negated
    ]


def literal_of(inspections: Sequence[Inspection]) -> Literal | None:
    """The literal to search for, of all that a match needs; None where none is worth it."""
    best: Literal | None = None
    most = LEAST_SCORE
    for content in needed_contents(inspections):  # per content
        if len(content.pattern) < SHORTEST:
            continue
        part = best_part(content.pattern)
        if (worth := score(part.lower() if content.nocase else part)) >= most:
            if best is not None and worth == most:
                continue
            best, most = Literal(part.lower() if content.nocase else part, content.nocase), worth
    return best


def fast_patterns(rules: Sequence[Sequence[Inspection]]) -> FastPatterns:
    """The literal of each rule; rules that share one share its search."""
    places: dict[Literal, int] = {}
    of = np.full(len(rules), -1, np.int64)
    for number, inspections in enumerate(rules):  # per rule
        found = literal_of(inspections)
        if found is not None:
            of[number] = places.setdefault(found, len(places))
    return FastPatterns(tuple(places), of)
