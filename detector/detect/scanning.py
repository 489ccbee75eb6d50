"""The search for the literals of rules over a batch's bytes, region by region; each region has literals of its own.

Hyperscan does it, in one call for a region. A hit of it costs a call into Python, though, and traffic that is full of a
rule's bytes would cut it to some megabytes a second. So a region has a budget of hits; beyond it, and for a while
afterwards, a kernel searches: slower over bytes, and much faster over hits. Both find the same. `fallbacks` counts such
batches. A region's database is made, or read from the cache, when bytes first come to it: most rulesets are about more
ports than a network has.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property
from importlib.metadata import version
from itertools import pairwise

import hyperscan
import numpy as np
from numpy.typing import NDArray

from detector.cache import read_own, write_own
from detector.detect.fast_patterns import Literal, worth
from detector.kernel import Kernels, cache_root

kernels = Kernels("detector.detect.scan_kernels")
log = logging.getLogger(__name__)

HASHES = 1 << 18
HASHED = 4
HITS_PER_MEGABYTE = 3000  # where a kernel's slower search costs as much as so many calls into Python
LEAST_BUDGET = 256
PAUSE = 32  # batches that the kernel searches before Hyperscan is tried again
FOLD = np.array([byte | 32 if 65 <= byte <= 90 else byte for byte in range(256)], np.uint8)
Hits = NDArray[np.int64]
Tables = tuple[NDArray[np.uint8], NDArray[np.int32], Hits, NDArray[np.uint8]]


class Scanner:
    """Searches for literals. fallbacks: batches of a region in which there were too many hits for Hyperscan."""

    def __init__(self, literals: Sequence[Literal], regions: NDArray[np.bool_]) -> None:
        """regions: bool[regions, literals], which literals are searched for in each."""
        self.literals = tuple(literals)
        self.fallbacks = 0
        self.regions = regions
        self._pauses = [0] * len(regions)
        self._databases: dict[int, hyperscan.Database] = {}
        self._out = np.empty((max(4096, 2 * len(self.literals)), 2), np.int64)

    def scan(self, arena: NDArray[np.uint8], bounds: Sequence[int]) -> Hits:
        """int64[n, 2]: the place behind each occurrence and its literal, in this order. bounds: of the regions in the arena."""
        parts = [np.empty((0, 2), np.int64)]
        filled = [(region, start, stop) for region, (start, stop) in enumerate(pairwise(bounds)) if start < stop]
        self._make_databases([region for region, _, _ in filled])
        for region, start, stop in filled:  # per region
            hits = self._search(region, arena[start:stop])
            hits[:, 0] += start
            parts.append(hits)
        return np.concatenate(parts)

    def _make_databases(self, regions: Sequence[int]) -> None:
        """Those that are not there yet, several at once: Hyperscan compiles outside Python's lock. Where no thread can be
        started, each is made when it is searched with."""
        missing = [region for region in regions if region not in self._databases]
        if len(missing) > 1:
            with suppress(RuntimeError), ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
                list(pool.map(self._database, missing))

    def _search(self, region: int, data: NDArray[np.uint8]) -> Hits:
        if self._pauses[region] == 0:
            hits = self._by_hyperscan(region, data)
            if hits is not None:
                return hits
            self._pauses[region] = PAUSE
        self._pauses[region] -= 1
        self.fallbacks += 1
        found = self._by_kernel(data)
        wanted: Hits = found[self.regions[region, found[:, 1]]]
        return wanted

    def _database(self, region: int) -> hyperscan.Database:
        """A region's database, made at its first use."""
        if region not in self._databases:
            numbers = np.flatnonzero(self.regions[region])
            self._databases[region] = database_of([self.literals[number] for number in numbers.tolist()], numbers)
        return self._databases[region]

    def _by_hyperscan(self, region: int, data: NDArray[np.uint8]) -> Hits | None:
        """The hits, or None where there are too many."""
        budget = max(LEAST_BUDGET, len(data) * HITS_PER_MEGABYTE // 2**20)
        ends: list[int] = []
        literals: list[int] = []
        end, literal = ends.append, literals.append

        def note(number: int, start: int, stop: int, flags: int, context: object) -> bool | None:
            end(stop)
            literal(number)
            return True if len(ends) > budget else None

        try:
            self._database(region).scan(data.data, match_event_handler=note)  # type: ignore[type-var]
        except hyperscan.ScanTerminated:
            return None
        if len(ends) > budget:
            return None
        return sorted_hits(np.array((ends, literals), np.int64).T)

    @cached_property
    def _tables(self) -> Tables:
        """What find_literals needs, made when it first does."""
        return tables_of(self.literals)

    def _by_kernel(self, data: NDArray[np.uint8]) -> Hits:
        found = at = 0
        while True:  # per growth of the output
            found, at = kernels.find_literals(data, at, len(data), FOLD, *self._tables, self._out, found)
            if at >= len(data):
                return sorted_hits(self._out[:found].copy())
            self._out = np.concatenate((self._out, np.empty_like(self._out)))


def sorted_hits(hits: Hits) -> Hits:
    """By place, then by literal."""
    return hits[np.lexsort((hits[:, 1], hits[:, 0]))]


def tables_of(literals: Sequence[Literal]) -> Tables:
    """(bits, heads, literals, pool), as find_literals wants them. Of each literal those four bytes that tell most are hashed."""
    pool = np.frombuffer(b"".join(one.text for one in literals), np.uint8)
    lengths = np.array([len(one.text) for one in literals])
    starts = np.cumsum(lengths) - lengths
    folded = FOLD[pool].astype(np.int64)
    fours = folded[:-3] << 24 | folded[1:-2] << 16 | folded[2:-1] << 8 | folded[3:]
    told = np.convolve(worth(folded.astype(np.uint8)), np.ones(HASHED), "valid")
    owners = np.repeat(np.arange(len(literals)), lengths)
    places = np.flatnonzero(owners[:-3] == owners[3:])  # where four bytes of one literal begin
    order = places[np.lexsort((-told[places], owners[places]))]
    best = order[np.unique(owners[order], return_index=True)[1]]  # of each literal
    hashes = ((fours[best] * kernels.MULTIPLIER) >> kernels.SHIFT) & (HASHES - 1)
    bits, heads = np.zeros(HASHES, np.uint8), np.full(HASHES, -1, np.int32)
    bits[hashes] = 1
    heads[hashes] = np.arange(len(literals))  # the last of each hash; it leads to the others
    after = np.full(len(literals), -1)
    order = np.argsort(hashes, kind="stable")
    alike = hashes[order[1:]] == hashes[order[:-1]]
    after[order[1:][alike]] = order[:-1][alike]
    behind = lengths - (best - starts) - HASHED
    nocase = np.array([one.nocase for one in literals])
    table = np.stack((starts, lengths, nocase, behind, after), axis=1).astype(np.int64)
    return np.packbits(bits, bitorder="little"), heads, table, pool


def expression(literal: Literal) -> bytes:
    """A literal as Hyperscan reads it."""
    return b"".join(b"\\x%02x" % byte for byte in literal.text)


def database_of(literals: Sequence[Literal], numbers: NDArray[np.int64]) -> hyperscan.Database:
    """Compiled, or read from the cache of databases that were compiled before. numbers: what hits of each are to say."""
    expressions = [expression(literal) for literal in literals]
    flags = [hyperscan.HS_FLAG_CASELESS if literal.nocase else 0 for literal in literals]
    digest = hashlib.sha256(repr((version("hyperscan"), flags, numbers.tolist())).encode() + b"\n".join(expressions))
    path = cache_root() / f"patterns-{digest.hexdigest()[:32]}.hs"
    if (kept := read_own(path)) is not None:
        try:
            database = hyperscan.loadb(kept, hyperscan.HS_MODE_BLOCK)
            database.scratch = hyperscan.Scratch(database)
            return database
        except hyperscan.HyperscanError:
            log.info("%s is of another Hyperscan and is made anew", path)
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=expressions, ids=numbers.tolist(), elements=len(literals), flags=flags)
    if not write_own(path, hyperscan.dumpb(database), mode=0o644):  # for a daemon that runs as somebody else
        log.info("no cache of patterns in %s", path.parent)
    return database
