"""Which bytes of a payload rule are searched for in all traffic: the rarest of those that every match needs.

Input: contents of rules. Output: FastPatterns, each literal once. A rule whose contents are all short or common has none
and is tried on every row that its header admits; that is cheaper than hits without end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
MULTIPLIER, HASH_BITS = 0x9E3779B1, 20
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
    sizes = np.array([len(text) for text in texts], np.int32)
    stops = np.cumsum(sizes, dtype=np.int32)
    starts = stops - sizes
    pool = np.frombuffer(b"".join(texts), np.uint8)
    totals = np.concatenate(([0.0], np.cumsum(worth(pool))))
    rarity = np.concatenate(([0.0], np.cumsum(rarities(pool))))
    owners = np.repeat(np.arange(len(texts), dtype=np.int32), sizes)
    ends = np.arange(1, len(pool) + 1, dtype=np.int32)  # of candidates: one for each byte
    first = np.repeat(starts, sizes)
    began = np.maximum(first, ends - LONGEST)
    tail = np.maximum(first, ends - TAIL)
    told = totals[1:] - totals[began]
    rare = rarity[np.maximum(tail, ends - 3)] - rarity[tail]
    is_good = (ends - began >= SHORTEST) & (told >= LEAST_SCORE)
    value = np.where(is_good, rare + told / 2, -1.0)
    highest = np.maximum.reduceat(value, starts)
    at_highest = np.flatnonzero(value == np.repeat(highest, sizes))
    best_end = at_highest[begins_of_runs(owners[at_highest])]  # of each content
    numbers = np.array([number for number, _, _ in contents])
    order = np.lexsort((-highest, numbers))  # the first of those that are worth the same: lexsort is stable
    chosen = order[begins_of_runs(numbers[order])]  # the content of each rule that has one
    chosen = chosen[highest[chosen] >= 0]
    froms = began[best_end[chosen]] - starts[chosen]
    tos = best_end[chosen] + 1 - starts[chosen]
    places: dict[tuple[bytes, bool], int] = {}
    having, literals = [], []
    for at, begin, stop in zip(chosen.tolist(), froms.tolist(), tos.tolist(), strict=True):  # per rule
        number, text, nocase = contents[at]
        having.append(number)
        literals.append(places.setdefault((text[begin:stop], nocase), len(places)))
    of[having] = literals
    return FastPatterns(tuple(map(Literal._make, places)), of)


def begins_of_runs(values: NDArray[Any]) -> NDArray[np.intp]:
    """int64[runs]: where each run of equal values begins; there is at least one value."""
    return np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))


def rarities(pool: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64[bytes]: of the four bytes that begin at each place, how few others there are like them; 0 for the last three.

    They are counted by a hash of 20 bits: it takes a tenth of the time, and what is rare seldom shares one with what is not.
    """
    found = np.zeros(len(pool))
    if len(pool) >= 4:
        folded = np.where((pool >= 65) & (pool <= 90), pool | 32, pool).astype(np.uint32)
        fours = folded[:-3] << 24 | folded[1:-2] << 16 | folded[2:-1] << 8 | folded[3:]
        hashes = (fours * np.uint32(MULTIPLIER)) >> np.uint32(32 - HASH_BITS)
        counts = np.bincount(hashes, minlength=1 << HASH_BITS)
        found[:-3] = np.log(len(fours) / np.maximum(counts, 1))[hashes]
    return found
