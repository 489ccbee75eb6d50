"""Limits, counts and new values over time, against the obvious way of keeping them: lists in a dictionary."""

from __future__ import annotations

import mmap
import random
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from detector.detect.state import ENTRY_COLUMNS, CorrelationState, LimitState, NewValueState
from detector.rules.model import Correlation, Limit, NewValue

pytestmark = pytest.mark.kernel

SECOND = 10**9


def events(seed: int, count: int = 400) -> list[tuple[int, int, int]]:
    """(clock, group, value), the clock never going back."""
    chosen = random.Random(seed)
    clock, found = 0, []
    for _ in range(count):
        clock += chosen.choice((0, 1, SECOND // 2, SECOND, 5 * SECOND, 40 * SECOND))
        found.append((clock, chosen.randrange(6), chosen.randrange(9)))
    return found


def hashes_of(groups: list[int]) -> np.ndarray:
    return np.array([[group * 0x1234567 + 1, group + 77] for group in groups], np.uint64)


def in_pieces(items: list[tuple[int, int, int]], size: int) -> list[list[tuple[int, int, int]]]:
    return [items[at : at + size] for at in range(0, len(items), size)]


@pytest.mark.parametrize("size", [1, 7, 400])
@pytest.mark.parametrize("seed", range(4))
def test_a_limit_passes_so_many_in_a_window_from_the_first(seed: int, size: int) -> None:
    """And the next that passes says how many it stands for."""
    state = LimitState(Limit(("ip.src",), 2, 60 * SECOND), 64)
    begun: dict[int, int] = {}
    passed_so_far: dict[int, int] = defaultdict(int)
    held: dict[int, int] = defaultdict(int)
    for piece in in_pieces(events(seed), size):
        clocks, groups, _ = map(list, zip(*piece, strict=True))
        passed, stood_for = state.pass_events(hashes_of(groups), np.array(clocks, np.int64))
        for row, (clock, group) in enumerate(zip(clocks, groups, strict=True)):
            if group not in begun or clock - begun[group] >= 60 * SECOND:
                begun[group], passed_so_far[group] = clock, 0
            if passed_so_far[group] < 2:
                passed_so_far[group] += 1
                assert passed[row] and stood_for[row] == held[group]
                held[group] = 0
            else:
                assert not passed[row]
                held[group] += 1
    assert state.lost == 0


def correlation(kind: str, condition: dict[str, int]) -> Correlation:
    return Correlation(kind=kind, rules=("a",), group_by=("ip.src",), timespan_ns=60 * SECOND, condition=condition,
                       field="ip.dst" if kind == "value_count" else "")  # fmt: skip


@pytest.mark.parametrize("size", [1, 7, 400])
@pytest.mark.parametrize("seed", range(4))
def test_event_count_is_a_sliding_window(seed: int, size: int) -> None:
    """Each event counts those of its group within the timespan before it, itself included, up to what is asked."""
    state = CorrelationState(correlation("event_count", {"gte": 9}), 64)
    seen: dict[int, list[int]] = defaultdict(list)
    for piece in in_pieces(events(seed), size):
        clocks, groups, _ = map(list, zip(*piece, strict=True))
        counts = state.count(hashes_of(groups), np.array(clocks, np.int64), None)
        for row, (clock, group) in enumerate(zip(clocks, groups, strict=True)):
            seen[group].append(clock)
            assert counts[row] == min(10, sum(clock - other <= 60 * SECOND for other in seen[group]))


@pytest.mark.parametrize("size", [1, 7, 400])
@pytest.mark.parametrize("seed", range(4))
def test_value_count_counts_different_values(seed: int, size: int) -> None:
    """A value is counted once, as long as it was last seen within the timespan."""
    state = CorrelationState(correlation("value_count", {"gte": 5}), 64)
    latest: dict[int, dict[int, int]] = defaultdict(dict)
    for piece in in_pieces(events(seed), size):
        clocks, groups, values = map(list, zip(*piece, strict=True))
        counts = state.count(hashes_of(groups), np.array(clocks, np.int64), np.array(values, np.uint64))
        for row, (clock, group, value) in enumerate(piece):
            latest[group][value] = clock
            expected = sum(clock - when <= 60 * SECOND for when in latest[group].values())
            assert counts[row] == min(6, expected)


@pytest.mark.parametrize(("condition", "holds"), [({"gt": 2}, [0, 0, 0, 1]), ({"gte": 2}, [0, 0, 1, 1]), ({"eq": 2}, [0, 0, 1, 0]),
                                                  ({"lt": 2}, [1, 1, 0, 0]), ({"gte": 1, "lte": 2}, [0, 1, 1, 0])])  # fmt: skip
def test_conditions(condition: dict[str, int], holds: list[int]) -> None:
    state = CorrelationState(correlation("event_count", condition), 64)
    assert state.holds(np.array([0, 1, 2, 3])).tolist() == [bool(one) for one in holds]


def test_groups_beyond_the_ceiling_push_out_the_oldest_and_are_counted() -> None:
    """Eight groups share a set of places; the ninth takes that of the one heard of longest ago."""
    state = LimitState(Limit(("ip.src",), 1, 3600 * SECOND), 8)
    groups = list(range(9))
    passed, _ = state.pass_events(hashes_of(groups), np.arange(9, dtype=np.int64))
    assert passed.all() and state.lost == 1
    again, _ = state.pass_events(hashes_of([8, 1, 0]), np.array([20, 21, 22], np.int64))
    assert again.tolist() == [False, False, True], "group 0 was pushed out, 8 and 1 were not"


@pytest.mark.parametrize("size", [1, 7, 400])
def test_a_new_value_is_new_once_and_after_learning(size: int) -> None:
    """Nothing alerts in the learning time; what was seen then is known."""
    state = NewValueState(NewValue(fields=("ip.src",), learn_ns=100 * SECOND, max_values=1000))
    state.first_ns = 0
    known: set[int] = set()
    for piece in in_pieces(events(3), size):
        clocks, _, values = map(list, zip(*piece, strict=True))
        codes = state.judge(hashes_of(values), np.array(clocks, np.int64))
        for row, (clock, _, value) in enumerate(piece):
            assert codes[row] == (value not in known and clock >= 100 * SECOND)
            known.add(value)


def test_a_full_memory_tells_each_time_that_it_cannot_remember() -> None:
    state = NewValueState(NewValue(fields=("ip.src",), learn_ns=1, max_values=3))
    state.first_ns = -(10**12)
    codes = state.judge(hashes_of([1, 2, 3, 4, 4, 1]), np.arange(6, dtype=np.int64))
    assert codes.tolist() == [1, 1, 1, 2, 2, 0]
    assert state.stored == 3


def test_learnt_traffic_is_known_at_once() -> None:
    """--learn-from takes the place of the learning time."""
    state = NewValueState(NewValue(fields=("ip.src",), learn_ns=3600 * SECOND, max_values=10))
    state.first_ns = 0
    state.learn(hashes_of([1, 2]))
    assert state.judge(hashes_of([1, 2, 3, 3]), np.zeros(4, np.int64)).tolist() == [0, 0, 1, 0]


def test_what_was_held_back_is_never_lost_in_silence() -> None:
    """A group whose window is over has nothing to tell unless it held matches back; then its place is not free."""
    told = LimitState(Limit(("ip.src",), 1, 10 * SECOND), 8)
    told.pass_events(hashes_of(list(range(8))), np.zeros(8, np.int64))
    told.pass_events(hashes_of([8]), np.array([60 * SECOND], np.int64))
    assert told.lost == 0
    held = LimitState(Limit(("ip.src",), 1, 10 * SECOND), 8)
    held.pass_events(hashes_of([*range(8), *range(8)]), np.zeros(16, np.int64))
    held.pass_events(hashes_of([8]), np.array([60 * SECOND], np.int64))
    assert held.lost == 1, "one match of group 0 was held back, and its next alert would have said so"


@pytest.mark.parametrize(("gap", "passes"), [(60 * SECOND - 1, False), (60 * SECOND, True), (60 * SECOND + 1, True)])
def test_the_end_of_a_window_is_exact(gap: int, passes: bool) -> None:
    """From the first alert on, not from the last match."""
    state = LimitState(Limit(("ip.src",), 1, 60 * SECOND), 64)
    clocks = [0, 59 * SECOND, gap] if gap > 59 * SECOND else [0, gap]
    passed, stood_for = state.pass_events(hashes_of([1] * len(clocks)), np.array(clocks, np.int64))
    assert bool(passed[-1]) is passes
    assert stood_for[-1] == (1 if passes else 0)


@pytest.mark.parametrize(("gap", "count"), [(60 * SECOND - 1, 2), (60 * SECOND, 2), (60 * SECOND + 1, 1)])
@pytest.mark.parametrize("kind", ["event_count", "value_count"])
def test_the_edge_of_a_sliding_window_is_exact(kind: str, gap: int, count: int) -> None:
    state = CorrelationState(correlation(kind, {"gte": 5}), 64)
    values = np.array([1, 2], np.uint64) if kind == "value_count" else None
    assert state.count(hashes_of([1, 1]), np.array([0, gap], np.int64), values).tolist() == [1, count]


@pytest.mark.parametrize("kind", ["event_count", "value_count"])
@pytest.mark.parametrize("seed", range(2))
def test_more_groups_than_places_miscount_and_say_so(kind: str, seed: int) -> None:
    """Memory is bounded: a group that was pushed out begins anew, and each such loss is counted."""
    chosen = random.Random(seed)
    state = CorrelationState(correlation(kind, {"gte": 3}), 16)
    groups = [chosen.randrange(500) for _ in range(2000)]
    clocks = np.arange(2000, dtype=np.int64)
    values = np.array(groups, np.uint64) if kind == "value_count" else None
    whole = state.count(hashes_of(groups), clocks, values)
    assert state.lost > 1000 and (whole >= 1).all()
    again = CorrelationState(correlation(kind, {"gte": 3}), 16)
    parts = [
        again.count(
            hashes_of(groups[at : at + 7]), clocks[at : at + 7], None if values is None else values[at : at + 7]
        )
        for at in range(0, 2000, 7)
    ]
    assert np.concatenate(parts).tolist() == whole.tolist() and again.lost == state.lost


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="asks Linux for resident memory")
def test_state_takes_memory_only_where_it_is_used_and_gives_it_back() -> None:
    """Else a daemon would hold the full size of the state of all rules twice after a reload."""
    limit = Limit(count=1, every_ns=10**9, by=("ip.src",))
    size = 65536 * (2 + ENTRY_COLUMNS) * 8
    for _ in range(3):  # malloc has memory at hand that is not zero, as after a reload
        used = [np.ones(size // 8) for _ in range(20)]
        del used
    before = resident()
    states = [LimitState(limit, 65536) for _ in range(20)]
    assert resident() - before < size
    for state in states:
        state._entries[:] = 1
    assert resident() - before > 10 * size
    del states, state
    assert resident() - before < size
