"""Which bytes of a payload rule are searched for in all traffic: the rarest of those that every match needs.

Input: contents of rules. Output: FastPatterns, each literal once. A rule whose contents are all short or common has none
and is tried on every row that its header admits; that is cheaper than hits without end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


LONGEST, SHORTEST = 16, 4
LEAST_SCORE = 8.0
TAIL = 8  # bytes of a literal that Hyperscan looks at first
# How much a byte tells: what industrial protocols and texts are full of tells little.
WEIGHTS = np.full(256, 4.0)
WEIGHTS[[0x00, 0xFF]] = 0.5, 1.0
WEIGHTS[[0x01, 0x02, 0x03, 0x04, 0x20]] = 2.0
WEIGHTS[np.frombuffer(b"eariotnslcud0123456789", np.uint8)] = 2.5
AGAIN = 0.3  # what a byte tells that repeats the one before


class Literal(NamedTuple):
    """Bytes to search for; folded to lower case where case does not matter."""

    text: bytes
    nocase: bool


class FastPatterns(NamedTuple):
    """literals: each once, in order.  of: int64[rules], the literal of each rule, -1 for none."""

    literals: tuple[Literal, ...]
    of: NDArray[np.int64]


def worth(text: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64[bytes]: what each byte tells; one that repeats the byte before it next to nothing."""
    weights = WEIGHTS[text]
    weights[1:][text[1:] == text[:-1]] = AGAIN
    return weights


def fast_patterns(rules: Sequence[Sequence[tuple[bytes, bool]]]) -> FastPatterns:
    """The literal of each rule, of the contents that it needs (Signature.sought); rules that share one share its search.

    Hyperscan looks at the last bytes of a literal first. So a literal ends where a content's bytes are rarest: by what each
    byte tells, and by how few of the ruleset's contents have them, four at a time. On texts that are made of the same
    words as 10,000 rules this took a third of the search's time away (docs/speed.md).
    """
    contents = [
        (number, text, nocase)
        for number, contents in enumerate(rules)
        for text, nocase in contents
        if len(text) >= SHORTEST
    ]
    of = np.full(len(rules), -1, np.int64)
    if not contents:
        return FastPatterns((), of)
    texts = [text for _, text, _ in contents]
    sizes = np.array([len(text) for text in texts])
    stops = np.cumsum(sizes)
    starts = stops - sizes
    pool = np.frombuffer(b"".join(texts), np.uint8)
    totals = np.concatenate(([0.0], np.cumsum(worth(pool))))
    rarity = np.concatenate(([0.0], np.cumsum(rarities(pool))))
    owners = np.repeat(np.arange(len(texts)), sizes)
    ends = np.arange(1, len(pool) + 1)  # of candidates: one for each byte
    began = np.maximum(starts[owners], ends - LONGEST)
    tail = np.maximum(starts[owners], ends - TAIL)
    told = totals[ends] - totals[began]
    rare = rarity[np.maximum(tail, ends - 3)] - rarity[tail]
    is_good = (ends - began >= SHORTEST) & (told >= LEAST_SCORE)
    value = np.where(is_good, rare + told / 2, -1.0)
    highest = np.maximum.reduceat(value, starts)
    at_highest = np.flatnonzero(value == highest[owners])
    best_end = at_highest[np.unique(owners[at_highest], return_index=True)[1]]  # of each content
    numbers = np.array([number for number, _, _ in contents])
    order = np.lexsort((-highest, numbers))  # the first of those that are worth the same: lexsort is stable
    chosen = order[np.unique(numbers[order], return_index=True)[1]]  # the content of each rule that has one
    places: dict[Literal, int] = {}
    for at in chosen[highest[chosen] >= 0].tolist():  # per rule
        number, text, nocase = contents[at]
        end = best_end[at]
        literal = Literal(text[began[end] - starts[at] : end + 1 - starts[at]], nocase)
        of[number] = places.setdefault(literal, len(places))
    return FastPatterns(tuple(places), of)


def rarities(pool: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64[bytes]: of the four bytes that begin at each place, how few others there are like them; 0 for the last three."""
    found = np.zeros(len(pool))
    if len(pool) >= 4:
        folded = np.where((pool >= 65) & (pool <= 90), pool | 32, pool).astype(np.uint32)
        fours = folded[:-3] << 24 | folded[1:-2] << 16 | folded[2:-1] << 8 | folded[3:]
        _, inverse, counts = np.unique(fours, return_inverse=True, return_counts=True)
        found[:-3] = -np.log(counts[inverse] / len(fours))
    return found
