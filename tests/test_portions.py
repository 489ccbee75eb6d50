"""Batches cut by how often rules hold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from detector.capture.batch import Batch, batch_of
from detector.detect.selection import Tally
from detector.portions import FIRST_PACKETS, GROWTH, MOST_FOUND, Portions

WHOLE = 16_384


class Rules:
    """Rules that hold so often at each packet, and that may be late with saying so."""

    def __init__(self, each: int) -> None:
        self.each, self.tally = each, Tally()
        self.portions = Portions(lambda: self.tally)

    def judge(self, packets: int) -> None:
        self.tally = Tally(self.tally.rows + packets, self.tally.found + packets * self.each)

    def sizes(self, batch: Batch) -> Iterator[int]:
        for portion in self.portions.of(batch):
            yield len(portion)
            self.judge(len(portion))


def batch(count: int = WHOLE) -> Batch:
    return batch_of([bytes([number % 256]) for number in range(count)], list(range(count)))


def test_nothing_is_left_out_and_the_order_stays() -> None:
    rules, whole = Rules(each=1000), batch(1000)
    times = [portion.times for portion in rules.portions.of(whole)]
    assert len(times) > 1 and np.concatenate(times).tolist() == whole.times.tolist()


def test_a_run_begins_with_few_packets_and_then_takes_whole_batches() -> None:
    rules = Rules(each=1)
    first = list(rules.sizes(batch()))
    assert first[:3] == [FIRST_PACKETS, FIRST_PACKETS * GROWTH, FIRST_PACKETS * GROWTH**2] and len(first) == 5
    whole = batch()
    assert [portion is whole for portion in rules.portions.of(whole)] == [True]


def test_what_is_found_of_a_portion_stays_within_its_room() -> None:
    each = 1000
    rules = Rules(each)
    sizes = list(rules.sizes(batch()))
    assert sum(sizes) == WHOLE and max(sizes) * each <= MOST_FOUND and len(sizes) < WHOLE * each / MOST_FOUND + 5
    rules.each = 0
    assert len(list(rules.sizes(batch()))) < 5, "it does not stay slow for ever"


def test_what_was_not_judged_yet_makes_no_larger_portion() -> None:
    rules = Rules(each=1)
    assert [len(portion) for portion in rules.portions.of(batch(100))] == [16, 16, 16, 16, 16, 16, 4]


def test_other_rules_begin_to_count_anew() -> None:
    rules = Rules(each=1)
    list(rules.sizes(batch()))
    rules.tally, rules.each = Tally(), 100_000
    rules.judge(10)
    assert max(rules.sizes(batch(100))) == FIRST_PACKETS


def test_a_batch_of_nothing_is_handed_on() -> None:
    """It says of a live source that nothing has come."""
    assert [len(portion) for portion in Rules(each=1).portions.of(batch(0))] == [0]
