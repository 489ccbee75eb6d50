"""What rules remember: by hand, and against an obvious model that keeps dictionaries of names."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np
import pytest

from detector.detect.memory import Memory, names_of
from detector.detect.selection import Found
from detector.rules.model import And, Limit, Rule
from detector.rules.signature import Bits, FlowInt, Header, Signature, Subject
from tests.rules.written import rule_with

pytestmark = pytest.mark.kernel

SECOND = 10**9
State = Bits | FlowInt
FLOW, SOURCE, DESTINATION, PAIR = Subject.FLOW, Subject.SOURCE, Subject.DESTINATION, Subject.PAIR


def rule(*states: State, order: tuple[int, ...] = ()) -> Rule:
    return rule_with(signature=Signature(Header(), states=states, order=order), test=And(()), limit=Limit((), 1, 1))


def bits(action: Any, *names: str, subject: Subject = FLOW, expire: int = 0) -> Bits:
    kind: Any = "flowbits" if subject == FLOW else "xbits"
    return Bits(action, kind, names, subject, expire * SECOND)


Row = tuple[int, int, int, int]  # ns, flow, source, destination; flow 0: none


def subjects(rows: list[Row]) -> np.ndarray:
    """A hash for each subject; addresses have one as source and as destination."""
    made = np.zeros((len(rows), 5, 2), np.uint64)
    for at, (_, flow, source, destination) in enumerate(rows):
        pair = min(source, destination) * 1000 + max(source, destination)
        for subject, number in ((FLOW, flow), (SOURCE, source), (DESTINATION, destination), (PAIR, pair)):
            if number:
                made[at, subject] = (number * 0x9E3779B97F4A7C15) % 2**64, number
    return made


def found_of(place: int, rows: list[Row], chosen: list[int], first: int = 0) -> Found:
    keys = np.array([(rows[at][0], at - first, at - first, place, at - first) for at in chosen], np.int64).reshape(
        -1, 5
    )
    return Found(place, keys, None, subjects=subjects([rows[at] for at in chosen]))


def stays(memory: Memory, rows: list[Row], chosen: list[list[int]], size: int = 10**6) -> list[set[int]]:
    """Packets that stay of each rule, fed in batches of a size. chosen: packets that match the rule otherwise."""
    made: list[set[int]] = [set() for _ in chosen]
    for first in range(0, len(rows), size):
        parts = [[at for at in one if first <= at < first + size] for one in chosen]
        found = {place: found_of(place, rows, one, first) for place, one in enumerate(parts) if one}
        for place, one in memory.pass_rows(found, True).items():
            made[place] |= {first + int(row) for row in one.keys[:, 1]}
    return made


def packets(*seconds: float, flow: int = 1, source: int = 1, destination: int = 2) -> list[Row]:
    return [(round(at * SECOND), flow, source, destination) for at in seconds]


def test_a_bit_is_seen_by_later_rules_on_the_same_packet() -> None:
    """Rules that read come behind those that set, whatever their places: Suricata 7.0.10 alerts on the first packet too."""
    rules = [
        rule(bits("isset", "a"), order=(2,)),
        rule(bits("set", "a"), order=(1,)),
        rule(bits("isset", "a"), order=(0,)),
    ]
    assert stays(Memory(rules, 64), packets(0, 1, 2), [[0, 1, 2], [0], [0, 1, 2]]) == [{0, 1, 2}, {0}, {1, 2}]


def test_a_bit_belongs_to_its_flow() -> None:
    rows = [(0, 1, 1, 2), (1, 2, 1, 2), (2, 1, 2, 1), (3, 0, 1, 2)]
    every = [0, 1, 2, 3]
    rules = [rule(bits("set", "a")), rule(bits("isset", "a")), rule(bits("isnotset", "a"))]
    assert stays(Memory(rules, 64), rows, [[0, 3], every, every]) == [{0, 3}, {0, 2}, {1}], "row 3 has no flow: neither"


def test_a_rule_changes_nothing_unless_all_its_conditions_hold() -> None:
    rules = [rule(bits("set", "b"), bits("isset", "a")), rule(bits("isset", "b"))]
    assert stays(Memory(rules, 64), packets(0, 1), [[0, 1], [0, 1]]) == [set(), set()]


def test_unset_and_toggle() -> None:
    """By hand: t at 0 sets, at 2 unsets, at 4 sets, u at 5 unsets."""
    rules = [rule(bits("toggle", "a")), rule(bits("unset", "a")), rule(bits("isset", "a"))]
    rows = packets(*range(7))
    assert stays(Memory(rules, 64), rows, [[0, 2, 4], [5], list(range(7))])[2] == {0, 1, 4}


def test_of_several_names_one_is_enough() -> None:
    """isset: one that is set; isnotset: one that is not (Suricata 7.0.10: alerts until both are set, and after one goes)."""
    rules = [rule(bits("set", "a")), rule(bits("set", "b")), rule(bits("unset", "a")), rule(bits("isset", "a", "b")),
             rule(bits("isnotset", "a", "b"))]  # fmt: skip
    every = list(range(8))
    found = stays(Memory(rules, 64), packets(*every), [[1, 4], [2], [7], every, every])
    assert found[3:] == [{1, 2, 3, 4, 5, 6, 7}, {0, 1, 7}]


def test_a_bit_of_a_host_whoever_it_is_in_a_packet() -> None:
    rows = [(0, 1, 1, 2), (1, 1, 2, 1), (2, 2, 1, 3), (3, 3, 3, 2)]
    every = [0, 1, 2, 3]
    rules = [rule(bits("set", "a", subject=SOURCE, expire=60)), rule(bits("isset", "a", subject=SOURCE)),
             rule(bits("isset", "a", subject=DESTINATION)), rule(bits("isset", "a", subject=PAIR))]  # fmt: skip
    assert stays(Memory(rules, 64), rows, [[0], every, every, every]) == [{0}, {0, 2}, {1}, set()]


def test_a_bit_of_a_pair_whichever_speaks() -> None:
    rows = [(0, 1, 1, 2), (1, 1, 2, 1), (2, 2, 1, 3), (3, 3, 1, 2)]
    rules = [rule(bits("set", "a", subject=PAIR, expire=60)), rule(bits("isset", "a", subject=PAIR))]
    assert stays(Memory(rules, 64), rows, [[0], [0, 1, 2, 3]])[1] == {0, 1, 3}


def test_a_bit_ends_behind_a_whole_second() -> None:
    """Set at 0.5 for 10 s: to the end of second 10, as Suricata counts. Set again, it ends later."""
    rows = packets(0.5, 10.999999999, 11.0, 20.2, 29.9, 39.9, 40.0)
    rules = [rule(bits("set", "a", subject=SOURCE, expire=10)), rule(bits("isset", "a", subject=SOURCE))]
    assert stays(Memory(rules, 64), rows, [[0, 3, 4], list(range(7))])[1] == {0, 1, 3, 4, 5}


def test_toggle_takes_a_bit_away_whose_time_has_passed() -> None:
    """Suricata 7.0.10 on packets at 0 t, 20 t, 21, 22 t, 23 with expire 10: set at 23, not at 21."""
    rows = packets(0, 20, 21, 22, 23)
    rules = [rule(bits("toggle", "a", subject=SOURCE, expire=10)), rule(bits("isset", "a", subject=SOURCE))]
    assert stays(Memory(rules, 64), rows, [[0, 1, 3], [2, 4]])[1] == {4}


@pytest.mark.parametrize(("operator", "number", "expected"), [
    ("<", 3, {0, 1}), ("<=", 3, {0, 1, 2}), ("==", 3, {2}), ("!=", 3, {0, 1, 3, 4}), (">=", 3, {2, 3, 4}), (">", 3, {3, 4}),
    ("isset", 0, {0, 1, 2, 3, 4}), ("isnotset", 0, set()), (">", "missing", {0, 1, 2, 3, 4}), ("==", "n", {0, 1, 2, 3, 4}),
])  # fmt: skip
def test_a_number_that_counts_packets(operator: str, number: int | str, expected: set[int]) -> None:
    """The first addition begins at zero; a number that is not there counts as zero on the right."""
    rules = [rule(FlowInt("n", "+", 1), order=(0,)), rule(FlowInt("n", operator, number), order=(1,))]
    assert stays(Memory(rules, 64), packets(*range(5)), [list(range(5))] * 2)[1] == expected


def test_numbers_have_32_bits_and_nothing_is_taken_from_nothing() -> None:
    rules = [
        rule(FlowInt("n", "-", 1)),
        rule(FlowInt("n", "isset")),
        rule(FlowInt("n", "=", 5)),
        rule(FlowInt("n", ">", 2**32 - 7)),
    ]
    found = stays(Memory(rules, 64), packets(*range(10)), [[0, *range(3, 10)], [0, 1, 2], [1], list(range(10))])
    assert found[1] == {2} and found[0] == {0, *range(3, 10)}, "it matches all the same"
    assert found[3] == {8, 9}, "5 - 6 at packet 8"


def test_what_is_compared_is_the_number_before_the_packet() -> None:
    """Conditions come first, wherever they stand (Suricata 7.0.10: no alert at the first packet)."""
    rules = [
        rule(FlowInt("n", "+", 1), FlowInt("n", "isset")),
        rule(FlowInt("m", "=", "m")),
        rule(FlowInt("m", "==", 0)),
    ]
    assert stays(Memory(rules, 64), packets(0, 1), [[0, 1]] * 3) == [set(), {0, 1}, {0, 1}]


def test_one_name_of_several_kinds_is_several_things() -> None:
    rules = [rule(bits("set", "a")), rule(FlowInt("a", "isset")), rule(bits("isset", "a", subject=SOURCE))]
    assert stays(Memory(rules, 64), packets(0, 1), [[0, 1]] * 3) == [{0, 1}, set(), set()]
    shared = [bits("set", "a", subject=SOURCE), Bits("isset", "hostbits", ("a",), DESTINATION, 0)]
    assert names_of(Signature(Header(), states=tuple(shared))) == {("hostbits", "a")}
    assert names_of(Signature(Header(), states=(FlowInt("n", ">", "m"),))) == {("flowint", "n"), ("flowint", "m")}


def test_what_finds_no_room_pushes_out_the_oldest_and_is_counted() -> None:
    """Eight places, nine flows: the first is forgotten. Hosts have places of their own, and ended bits are no loss."""
    rows = [(at * SECOND, at + 1, at + 1, 99) for at in range(9)] + [(10 * SECOND, 1, 1, 99), (11 * SECOND, 3, 3, 99)]
    rules = [rule(bits("set", "a")), rule(bits("isset", "a")), rule(bits("set", "h", subject=SOURCE, expire=2))]
    memory = Memory(rules, 8)
    found = stays(memory, rows, [list(range(9)), [9, 10], list(range(9))])
    assert found[1] == {10} and memory.lost == {"flow": 1}


def test_no_rule_that_remembers_no_memory() -> None:
    memory = Memory([rule()], 64)
    found = {0: found_of(0, packets(0), [0])}
    assert memory.tables == {} and memory.pass_rows(found, True) is found and memory.lost == {}


class Model:
    """The obvious way: names in a dictionary by subject."""

    def __init__(self, rules: list[Rule]) -> None:
        self.rules, self.kept = rules, {}  # type: ignore[var-annotated]

    def key(self, state: State, row: Row, name: str) -> tuple[object, ...] | None:
        _, flow, source, destination = row
        if isinstance(state, FlowInt) or state.subject == FLOW:
            return (type(state).__name__, flow, name) if flow else None
        if state.subject == PAIR:
            return "pair", frozenset((source, destination)), name
        return "host", source if state.subject == SOURCE else destination, name

    def value(self, state: State, row: Row, name: str) -> int | None:
        key, second = self.key(state, row, name), row[0] // SECOND
        value, ends = self.kept.get(key, (None, 0))
        if value is not None and ends is not None and ends < second:
            del self.kept[key]
            return None
        return value

    def holds(self, state: State, row: Row) -> bool:
        if isinstance(state, Bits):
            if self.key(state, row, "") is None:
                return False
            values = [self.value(state, row, name) for name in state.names]
            if state.action == "isset":
                return any(value is not None for value in values)
            return any(value is None for value in values)
        if self.key(state, row, "") is None:
            return False
        value = self.value(state, row, state.name)
        if state.operator in ("isset", "isnotset"):
            return (value is None) == (state.operator == "isnotset")
        other = (self.value(state, row, state.value) or 0) if isinstance(state.value, str) else state.value
        return value is not None and bool(eval(f"{value} {state.operator} {other}"))

    def change(self, state: State, row: Row) -> None:
        if self.key(state, row, "") is None:
            return
        if isinstance(state, Bits):
            for name in state.names:
                key = self.key(state, row, name)
                if state.action == "unset" or (state.action == "toggle" and key in self.kept):
                    self.kept.pop(key, None)
                else:
                    self.kept[key] = 1, row[0] // SECOND + state.expire_ns // SECOND if state.expire_ns else None
            return
        other = (self.value(state, row, state.value) or 0) if isinstance(state.value, str) else state.value
        value = self.value(state, row, state.name)
        if state.operator == "=":
            value = other
        elif state.operator == "+":
            value = ((value or 0) + other) % 2**32
        elif value is not None:
            value = (value - other) % 2**32
        if value is not None:
            self.kept[self.key(state, row, state.name)] = value, None

    def run(self, rows: list[Row], chosen: list[list[int]]) -> list[set[int]]:
        made: list[set[int]] = [set() for _ in self.rules]
        changes = ("set", "unset", "toggle", "=", "+", "-")
        signatures = [one.signature for one in self.rules if one.signature is not None]
        for at, row in enumerate(rows):
            for place in sorted(range(len(signatures)), key=lambda place: (signatures[place].order, place)):
                states = signatures[place].states
                acting = [one for one in states if (one.action if isinstance(one, Bits) else one.operator) in changes]
                if at in chosen[place] and all(self.holds(one, row) for one in states if one not in acting):
                    made[place].add(at)
                    for one in acting:
                        self.change(one, row)
        return made


def random_state(chosen: random.Random) -> State:
    if chosen.random() < 0.3:
        operator = chosen.choice(("isset", "isnotset", "<", "<=", "==", "!=", ">=", ">", "=", "+", "+", "-"))
        return FlowInt(chosen.choice("nm"), operator, chosen.choice((0, 1, 2, 3, "n", "m")))
    subject = chosen.choice((FLOW, FLOW, SOURCE, DESTINATION, PAIR))
    action = chosen.choice(("set", "set", "unset", "toggle", "isset", "isnotset"))
    may_be_several = action[:2] == "is" and subject == FLOW  # or-lists are of flowbits only
    names = tuple(chosen.sample("abc", chosen.choice((1, 1, 2)) if may_be_several else 1))
    return bits(action, *names, subject=subject, expire=0 if subject == FLOW else chosen.choice((1, 5, 30)))


@pytest.mark.parametrize("seed", range(60))
def test_random_rules_are_as_the_model_says(seed: int) -> None:
    """Whatever the batch, and over a checkpoint in the middle."""
    chosen = random.Random(seed)
    rules = [
        rule(*(random_state(chosen) for _ in range(chosen.choice((1, 1, 2, 3)))), order=(chosen.randrange(3),))
        for _ in range(12)
    ]
    clock, rows = 0, []
    for _ in range(150):
        clock += chosen.choice((0, SECOND // 3, SECOND, 4 * SECOND))
        rows.append((clock, chosen.randrange(4), chosen.randrange(1, 4), chosen.randrange(1, 4)))
    matching = [[at for at in range(len(rows)) if chosen.random() < 0.5] for _ in rules]
    expected = Model(rules).run(rows, matching)
    assert any(expected)
    for size in (1, 7, 1000):
        memory = Memory(rules, 4096)
        assert stays(memory, rows, matching, size) == expected
        assert memory.lost == {}
    first, second = Memory(rules, 4096), Memory(rules, 4096)
    early = stays(first, rows[:70], [[at for at in one if at < 70] for one in matching])
    second.take(pickle.loads(pickle.dumps(first.tables)))
    late = stays(second, rows[70:], [[at - 70 for at in one if at >= 70] for one in matching])
    assert [one | {at + 70 for at in two} for one, two in zip(early, late, strict=True)] == expected


def test_packets_of_several_sources_keep_their_rules_together() -> None:
    """Two of one clock and number, of different workers: each is judged by all rules before the other is."""
    rules = [rule(bits("isset", "a", subject=SOURCE), order=(0,)), rule(bits("set", "a", subject=SOURCE), order=(1,))]
    row = packets(0) * 2
    keys = np.zeros((2, 5), np.int64)
    found = {place: Found(place, keys, None, origins=np.array([0, 1]), subjects=subjects(row)) for place in (0, 1)}
    passed = Memory(rules, 64).pass_rows(found, False)
    assert passed[0].origins is not None and passed[0].origins.tolist() == [1]
