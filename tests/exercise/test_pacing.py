"""Batches in the time of their packets: when they are due, what a wrong time or a signal changes. No real clock runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detector.capture.batch import Batch, batch_of
from detector.exercise.pacing import NAP_SECONDS, STEP_NS, Pacer

SECOND = 10**9
START = 1_714_550_400 * SECOND


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


def batch(times: Sequence[float]) -> Batch:
    """Packets at these seconds after START; each packet's byte is its number."""
    return batch_of([bytes([number]) for number in range(len(times))], [START + int(time * SECOND) for time in times])


def played(times: Sequence[Sequence[float]], speed: float) -> list[tuple[float, int]]:
    """(seconds since the beginning, number) of each packet of some batches."""
    clock = Clock()
    pacer = Pacer(speed, clock, clock.sleep)
    found = []
    for part in pacer.paced([batch(one) for one in times]):
        found += [(round(clock.now - 1000, 6), int(number)) for number in part.numbers]
    assert all(0 < nap <= NAP_SECONDS for nap in clock.naps)
    return found


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_a_packet_comes_when_it_is_due(speed: float) -> None:
    """Not before, and at most a step late."""
    times = [0, 0.2, 0.21, 1, 1, 5.5]
    step = STEP_NS / SECOND
    for (came, number), time in zip(played([times], speed), times, strict=True):
        assert time / speed - step <= came <= time / speed + 1e-6, number


def test_packets_keep_their_order_and_batches_go_on_where_the_last_ended() -> None:
    found = played([[0, 1], [2, 3], [3, 4]], 1.0)
    assert [came for came, _ in found] == [0, 1, 2, 3, 3, 4]
    assert [number for _, number in found] == [1, 2] * 3


def test_speed_zero_waits_for_nothing() -> None:
    clock = Clock()
    given = [batch([0, 3600]), batch([7200])]
    assert list(Pacer(0, clock, clock.sleep).paced(given)) == given
    assert clock.naps == []


def test_late_packets_come_at_once() -> None:
    """A packet from before the one ahead of it is due already."""
    assert [came for came, _ in played([[0, 2, 1, 3]], 1.0)] == [0, 2, 2, 3]


def test_one_wrong_time_makes_nobody_wait() -> None:
    """A frame that a broken clock stamped a year ahead would hold an exercise up for a year."""
    found = played([[0, 1, 400 * 86400, 2, 3], [4]], 1.0)
    assert [came for came, _ in found] == [0, 1, 1, 2, 3, 4]


def test_a_jump_that_lasts_is_the_captures_time() -> None:
    """Two days of silence, at a speed at which they pass."""
    found = played([[0, 2 * 86400, 2 * 86400 + 100]], 86400.0)
    assert found[-1][0] == pytest.approx(2, abs=0.01)


def test_stop_ends_waiting_and_the_rest_is_left() -> None:
    """As Ctrl-C does, in the middle of a pause of an hour."""
    clock = Clock()
    pacer = Pacer(1.0, clock, lambda seconds: pacer.stop() if clock.now > 1010 else clock.sleep(seconds))
    found = [part.numbers.tolist() for part in pacer.paced([batch([0, 1, 3600, 3601]), batch([7200])])]
    assert found == [[1], [2]]
    assert clock.now < 1011


def test_an_empty_batch_is_passed_over() -> None:
    clock = Clock()
    given = batch([0, 1])
    empty = given.take(np.zeros(0, np.int64))
    assert [len(part) for part in Pacer(1.0, clock, clock.sleep).paced([empty, given, empty])] == [1, 1]
