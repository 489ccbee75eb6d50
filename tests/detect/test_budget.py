from __future__ import annotations

from detector.detect.budget import MILLISECOND, MOST_NS, MOST_TOGETHER_NS, PAUSE, Budget

SLOW = 90 * MILLISECOND  # just under what one search may take


def spend_until_refused(budget: Budget, rule: int, spent_ns: int, size: int = 0) -> int:
    """How many searches of a batch are made."""
    for count in range(10**7):
        if not budget.admits(rule):
            return count
        budget.spend(rule, spent_ns, size)
    return -1


def test_searches_just_under_their_limit_add_up() -> None:
    """Bytes made for a rule could otherwise take 0.09 s a packet, for ever, and nothing would be counted."""
    budget = Budget()
    assert [budget.spend(1, SLOW, 1400) for _ in range(4)] == [False, False, False, True]
    assert not budget.admits(1) and budget.admits(2)


def test_searches_that_are_as_quick_as_their_bytes_allow_do_not() -> None:
    """20 us and 2 ms for a window of 5,500 bytes are what a long expression takes on a slow machine: no reason to be silent."""
    budget = Budget()
    for _ in range(5000):
        assert budget.admits(1)
        assert not budget.spend(1, 1 * MILLISECOND, 5500)


def test_but_not_without_end() -> None:
    """A hundred searches a packet, each of them quick."""
    assert spend_until_refused(Budget(), 1, 10_000, 65_000) == -(-MOST_NS // (10_000 + 5_000))


def test_a_pause_ends() -> None:
    budget = Budget()
    assert spend_until_refused(budget, 1, SLOW) == 4
    found = []
    for _ in range(PAUSE + 2):
        budget.begin()
        found.append(budget.admits(1))
    assert found == [False] * PAUSE + [True, True]


def test_a_thousand_slow_rules_together() -> None:
    """They share what some batches may take, not each of its own. A rule that was always quick is tried in any case."""
    budget, searches = Budget(), []
    for _ in range(100):
        budget.begin()
        assert budget.admits(1000) and not budget.spend(1000, 1000, 1000)
        count = 0
        for rule in range(1000):
            if budget.admits(rule):
                budget.spend(rule, SLOW, 1000)
                count += 1
        searches.append(count)
    assert max(searches) * SLOW <= 1.1 * MOST_TOGETHER_NS
    assert [count > 0 for count in searches] == [batch % (PAUSE + 1) == 0 for batch in range(100)]
