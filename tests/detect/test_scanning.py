"""The search for literals: Hyperscan and the kernel find what a plain search of Python finds."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import hyperscan
import numpy as np
import pytest
from numpy.typing import NDArray

from detector.detect import scanning
from detector.detect.fast_patterns import Literal
from detector.detect.scanning import Scanner, database_of

pytestmark = pytest.mark.kernel


def by_hand(literals: list[Literal], data: bytes) -> list[tuple[int, int]]:
    """Every occurrence, found with bytes.find."""
    found = []
    for number, literal in enumerate(literals):
        text = data.lower() if literal.nocase else data
        at = text.find(literal.text)
        while at >= 0:
            found.append((at + len(literal.text), number))
            at = text.find(literal.text, at + 1)
    return sorted(found)


def some(seed: int) -> tuple[list[Literal], bytes]:
    """Literals over few letters, so that they occur often, overlap and repeat each other."""
    choose = random.Random(seed)
    data = bytes(choose.choice(b"aAb") for _ in range(3000))
    literals: dict[Literal, None] = {}
    while len(literals) < 40:
        at, nocase = choose.randrange(2980), choose.random() < 0.5
        text = data[at : at + choose.randint(4, 6)]
        literals[Literal(text.lower() if nocase else text, nocase)] = None
    return list(literals), data


def everywhere(literals: list[Literal]) -> Scanner:
    """A scanner with one region."""
    return Scanner(literals, np.ones((1, len(literals)), np.bool_))


@pytest.mark.parametrize("seed", range(5))
def test_both_find_every_occurrence(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    literals, data = some(seed)
    wanted = by_hand(literals, data)
    assert len(wanted) > 1000
    buffer = np.frombuffer(data + b"abab" * 10, np.uint8).copy()  # what lies behind the stop is not searched
    scanner = everywhere(literals)
    assert list(map(tuple, scanner.scan(buffer, [0, len(data)]).tolist())) == wanted
    assert scanner.fallbacks == 1, "so many hits are the kernel's"
    monkeypatch.setattr(scanning, "HITS_PER_MEGABYTE", 10**9)
    scanner = everywhere(literals)
    assert list(map(tuple, scanner.scan(buffer, [0, len(data)]).tolist())) == wanted
    assert scanner.fallbacks == 0


@pytest.mark.parametrize("budget", [0, 10**9], ids=["kernel", "hyperscan"])
def test_each_region_has_its_own_literals(budget: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "HITS_PER_MEGABYTE", budget)
    monkeypatch.setattr(scanning, "LEAST_BUDGET", budget)
    literals, data = some(6)
    buffer = np.frombuffer(data, np.uint8).copy()
    even = np.arange(len(literals)) % 2 == 0
    wanted = [
        (start + place, number)
        for start, stop, parity in ((0, 1000, 0), (1000, 2500, 1))
        for place, number in by_hand(literals, data[start:stop])
        if number % 2 == parity
    ]
    scanner = Scanner(literals, np.stack((even, ~even)))
    assert list(map(tuple, scanner.scan(buffer, [0, 1000, 2500]).tolist())) == wanted
    assert scanner.fallbacks == (0 if budget else 2)


@pytest.mark.parametrize("can_start", [True, False])
def test_databases_that_one_batch_needs_are_made_at_once(
    can_start: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two that wait for each other get done only in two threads. Without threads both are made all the same."""
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1})
    both = threading.Barrier(2 if can_start else 1)
    real = scanning.database_of

    def waiting(literals: list[Literal], numbers: NDArray[np.int64]) -> hyperscan.Database:
        both.wait(60)
        return real(literals, numbers)

    def no_thread(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(scanning, "database_of", waiting)
    if not can_start:
        monkeypatch.setattr(threading.Thread, "start", no_thread)
    monkeypatch.setattr(scanning, "HITS_PER_MEGABYTE", 10**9)
    literals, data = some(7)
    buffer = np.frombuffer(data, np.uint8).copy()
    scanner = Scanner(literals, np.ones((3, len(literals)), np.bool_))
    hits = scanner.scan(buffer, [0, 1000, 1000, 3000])
    wanted = [
        (start + place, number)
        for start, stop in ((0, 1000), (1000, 3000))
        for place, number in by_hand(literals, data[start:stop])
    ]
    assert list(map(tuple, hits.tolist())) == wanted and sorted(scanner._databases) == [0, 2]


def test_hyperscan_is_tried_again_after_a_while() -> None:
    literals, data = some(1)
    full, empty = np.frombuffer(data, np.uint8).copy(), np.zeros(100, np.uint8)
    scanner = everywhere(literals)
    scanner.scan(full, [0, len(full)])
    for _ in range(scanning.PAUSE + 10):
        scanner.scan(empty, [0, len(empty)])
    assert scanner.fallbacks == scanning.PAUSE


def test_a_database_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path))
    literals, _ = some(2)
    database_of(literals, np.arange(len(literals)))
    (kept,) = tmp_path.glob("patterns-*.hs")
    before = kept.stat().st_mtime_ns
    database_of(literals, np.arange(len(literals)))
    assert kept.stat().st_mtime_ns == before
    kept.write_bytes(b"no database")
    database_of(literals, np.arange(len(literals)))
    assert kept.read_bytes() != b"no database", "a broken one is made anew"


def test_a_database_that_others_may_write_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path))
    literals, _ = some(3)
    database_of(literals, np.arange(len(literals)))
    (kept,) = tmp_path.glob("patterns-*.hs")
    kept.chmod(0o666)
    database_of(literals, np.arange(len(literals)))
    assert kept.stat().st_mode & 0o022 == 0, "it was made anew"


def test_a_folder_that_cannot_be_written_is_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path / "file" / "below"))
    literals, data = some(4)
    buffer = np.frombuffer(data, np.uint8).copy()
    assert len(everywhere(literals).scan(buffer, [0, len(data)])) == len(by_hand(literals, data))


def test_nothing_to_search_for() -> None:
    assert len(Scanner((), np.zeros((0, 0), np.bool_)).scan(np.zeros(10, np.uint8), [0])) == 0
