"""Tests on columns against their definition in plain Python: any and all over the values of a row, sets, texts, objects."""

from __future__ import annotations

import operator
import random
import re
from ipaddress import ip_address, ip_network
from typing import Any

import numpy as np
import pytest

from detector.columns import ObjectTable
from detector.detect.predicates import Compiler, Scope, evaluate
from detector.rules.model import (
    And,
    Compare,
    Every,
    Exists,
    FieldValue,
    ListValue,
    Literal_,
    Membership,
    Not,
    OneObject,
    Or,
    Test,
    Xor,
)
from tests.detect.tables import Given, column, given

pytestmark = pytest.mark.kernel

SIGNS: dict[str, Any] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}
KINDS = {"x": "uint", "y": "uint", "z": "int", "t": "string"}
LETTERS = ["", "a", "A", "ab", "aB", "b", "\n", "ba", "abab", "é"]
X, Y, Z, T = (FieldValue(name) for name in "xyzt")


def random_table(seed: int) -> tuple[Given, list[dict[str, list[Any]]]]:
    """Rows with up to three values of x, t and z; y is dense: one value, or none."""
    chosen = random.Random(seed)
    rows: list[dict[str, list[Any]]] = []
    for _ in range(60):
        row: dict[str, list[Any]] = {name: [chosen.randrange(6) for _ in range(chosen.randrange(4))] for name in "xz"}
        row["z"] = [value - 3 for value in row["z"]]
        row["y"] = [chosen.randrange(6)] if chosen.random() < 0.7 else []
        row["t"] = [chosen.choice(LETTERS) for _ in range(chosen.randrange(3))]
        rows.append(row)
    return given(KINDS, {name: [row[name] for row in rows] for name in KINDS}, ("y",)), rows


def reduced(quantifier: str, results: list[bool]) -> bool:
    """Wireshark 4: any of them; all of them and at least one."""
    return any(results) if quantifier == "any" else bool(results) and all(results)


def holds(test: Test, row: dict[str, list[Any]]) -> bool:
    """The definition."""
    match test:
        case Not(inner):
            return not holds(inner, row)
        case And(tests):
            return all(holds(one, row) for one in tests)
        case Or(tests):
            return any(holds(one, row) for one in tests)
        case Xor(tests):
            return sum(holds(one, row) for one in tests) % 2 == 1
        case Exists(operand):
            return bool(row[operand.name])
        case Compare(sign, FieldValue(name), FieldValue(other), quantifier):
            return reduced(quantifier, [SIGNS[sign](a, b) for a in row[name] for b in row[other]])
        case Compare(sign, FieldValue(name), Literal_(value), quantifier, ignore_case):
            return reduced(quantifier, [compared(sign, one, value, ignore_case) for one in row[name]])
        case Membership(FieldValue(name), entries, quantifier, ignore_case):
            return reduced(
                quantifier, [any(is_entry(one, entry, ignore_case) for entry in entries) for one in row[name]]
            )
    raise AssertionError(test)


def compared(sign: str, one: Any, value: Any, ignore_case: bool) -> bool:
    if isinstance(one, int):
        return bool(SIGNS[sign](one, value))
    mine = one.encode()
    if sign == "matches":
        flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
        return re.search(value.encode(), mine, flags) is not None
    if ignore_case:
        mine, value = mine.lower(), value.lower()
    texts = {"contains": value in mine, "startswith": mine.startswith(value), "endswith": mine.endswith(value)}
    return texts[sign] if sign in texts else bool(SIGNS[sign](mine, value))


def is_entry(one: Any, entry: Any, ignore_case: bool) -> bool:
    if isinstance(entry, ListValue):
        return any(is_entry(one, inner, ignore_case) for inner in entry.entries)
    if isinstance(entry, tuple):
        mine = one.encode() if isinstance(one, str) else one
        return bool(entry[0].value <= mine <= entry[1].value)
    if isinstance(entry.value, tuple):
        return bool(entry.value[0] <= one <= entry.value[1])
    return compared("eq", one, entry.value, ignore_case)


def random_leaf(chosen: random.Random) -> Test:
    quantifier: Any = chosen.choice(["any", "all"])
    name = chosen.choice("xyzt")
    left, is_text = FieldValue(name), name == "t"
    number = lambda: Literal_(chosen.randrange(-4, 8))  # noqa: E731
    text = lambda: Literal_(chosen.choice(LETTERS).encode())  # noqa: E731
    kind = chosen.randrange(5)
    if kind == 0:
        return Exists(left)
    if kind == 1:
        other = FieldValue("t" if is_text else chosen.choice("xyz"))
        return Compare(chosen.choice(list(SIGNS)), left, other, quantifier)  # type: ignore[arg-type]
    if kind == 2:
        entries: list[Any] = []
        for _ in range(chosen.choice((1, 2, 6))):
            one = (text if is_text else number)()
            entries.append(chosen.choice([one, one, (one, (text if is_text else number)()), ListValue("L", (one,))]))
        return Membership(left, tuple(entries), quantifier, is_text and chosen.random() < 0.5)
    if not is_text:
        return Compare(chosen.choice(list(SIGNS)), left, number(), quantifier)  # type: ignore[arg-type]
    if kind == 3:
        pattern = chosen.choice(["a", "^a", "b$", "a.", "(ab)+", "[^a]", "\\n", "A"])
        return Compare("matches", left, Literal_(pattern), quantifier, chosen.random() < 0.5)
    if chosen.random() < 0.3:
        return Compare(chosen.choice(list(SIGNS)), left, text(), quantifier)  # type: ignore[arg-type]
    sign: Any = chosen.choice(["eq", "ne", "contains", "startswith", "endswith"])
    return Compare(sign, left, text(), quantifier, chosen.random() < 0.5)


def random_test(chosen: random.Random, depth: int = 2) -> Test:
    if depth == 0 or chosen.random() < 0.3:
        return random_leaf(chosen)
    if chosen.random() < 0.3:
        return Not(random_test(chosen, depth - 1))
    kind = chosen.choice([And, Or, Xor])
    return kind(tuple(random_test(chosen, depth - 1) for _ in range(chosen.randrange(1, 4))))


@pytest.mark.parametrize("seed", range(8))
def test_random_tests_on_random_rows(seed: int) -> None:
    """Every operator, quantifier, set and text comparison, alone and joined."""
    table, rows = random_table(seed)
    chosen = random.Random(seed)
    telling = 0
    for _ in range(150):
        test = random_test(chosen)
        expected = [holds(test, row) for row in rows]
        assert evaluate(test, table).tolist() == expected, test
        telling += 0 < sum(expected) < len(rows)
    assert telling > 75


@pytest.mark.parametrize("seed", range(3))
def test_equal_parts_of_many_rules_are_computed_once(seed: int) -> None:
    """Sharing atoms must not change what any of them means."""
    table, rows = random_table(seed)
    chosen, compiler, scope = random.Random(seed + 100), Compiler(), Scope(table)
    tests = [random_test(chosen) for _ in range(100)]
    for test, atom in [(test, compiler.compile(test)) for test in tests]:
        assert atom(scope).tolist() == [holds(test, row) for row in rows], test


def test_of_no_tests_and_holds_and_or_does_not() -> None:
    table, _ = random_table(0)
    assert evaluate(And(()), table).all() and not evaluate(Or(()), table).any() and not evaluate(Xor(()), table).any()


# Wireshark 4 on the two ends of one packet, 10.0.0.1 and 10.0.0.2 (wireshark-filter(4), "any" and "all").
ENDS = [["10.0.0.1", "10.0.0.2"], ["10.0.0.1", "10.0.0.1"], []]


@pytest.mark.parametrize(
    ("sign", "quantifier", "expected"),
    [
        ("eq", "any", [True, True, False]),  # ==
        ("ne", "all", [False, False, False]),  # !=
        ("eq", "all", [False, True, False]),  # ===
        ("ne", "any", [True, False, False]),  # !==
    ],
)
def test_equal_and_not_equal_over_several_values(sign: Any, quantifier: Any, expected: list[bool]) -> None:
    table = given({"ip.addr": "ipv4"}, {"ip.addr": ENDS})
    test = Compare(sign, FieldValue("ip.addr"), Literal_(int(ip_address("10.0.0.1"))), quantifier)
    assert evaluate(test, table).tolist() == expected


def test_networks() -> None:
    """As a value, in a set with addresses, and turned round."""
    addresses = ["9.255.255.255", "10.0.0.0", "10.255.255.255", "11.0.0.0", "0.0.0.0", "255.255.255.255"]
    table = given({"ip.src": "ipv4"}, {"ip.src": [[one] for one in addresses]})
    network = ip_network("10.0.0.0/8")
    ten = Literal_((int(network[0]), int(network[-1])))
    inside = [ip_address(one) in network for one in addresses]
    assert evaluate(Compare("eq", FieldValue("ip.src"), ten), table).tolist() == inside
    assert evaluate(Compare("ne", FieldValue("ip.src"), ten, "all"), table).tolist() == [not one for one in inside]
    both = Membership(FieldValue("ip.src"), (ten, Literal_(int(ip_address("11.0.0.0")))))
    assert evaluate(both, table).tolist() == [False, True, True, True, False, False]


@pytest.mark.parametrize("count", [1, 3, 40, 70_000])
def test_sets_of_any_size(count: int) -> None:
    """Small sets are compared one after the other, larger ones looked up or searched."""
    chosen = random.Random(count)
    wanted = {chosen.randrange(2**20) for _ in range(count)} | {2**40}
    values = [chosen.choice([chosen.randrange(2**20), *list(wanted)[:50]]) for _ in range(500)]
    test = Membership(X, tuple(Literal_(one) for one in wanted))
    for dtype in (np.uint16, np.uint32, np.int64, np.uint64):
        kept = [
            [value % 65536 if dtype == np.uint16 else value] for value in values if dtype != np.uint32 or value < 2**32
        ]
        table = Given({"x": column("x", "uint", kept, dtype=dtype)}, len(kept))
        assert evaluate(test, table).tolist() == [one[0] in wanted for one in kept], dtype


def test_ranges_that_overlap_or_are_empty() -> None:
    ranges = [(3, 7), (5, 9), (9, 9), (20, 10), (30, 40), (31, 32)]
    test = Membership(X, tuple((Literal_(a), Literal_(b)) for a, b in ranges))
    table = given({"x": "uint"}, {"x": [[value] for value in range(50)]})
    assert evaluate(test, table).tolist() == [any(a <= value <= b for a, b in ranges) for value in range(50)]
    assert not evaluate(Membership(X, ()), table).any()


def test_ipv6_addresses_that_end_in_zeros() -> None:
    """NumPy cuts zero bytes at the end of a text: fe80:: must stay different from its neighbours."""
    addresses = ["::", "::1", "fe80::", "fe80::1", "fe80:0:0:1::", "ffff::"]
    table = given({"ipv6.src": "ipv6"}, {"ipv6.src": [[one] for one in addresses]})
    source = FieldValue("ipv6.src")
    for one in addresses:
        packed = Literal_(ip_address(one).packed)
        for sign, compare in SIGNS.items():
            expected = [compare(ip_address(other), ip_address(one)) for other in addresses]
            assert evaluate(Compare(sign, source, packed), table).tolist() == expected, (sign, one)  # type: ignore[arg-type]
        assert evaluate(Membership(source, (packed,)), table).tolist() == [other == one for other in addresses]
    link_local = ip_network("fe80::/64")
    test = Membership(
        source, (Literal_((link_local[0].packed, link_local[-1].packed)), Literal_(ip_address("::1").packed))
    )
    assert evaluate(test, table).tolist() == [False, True, True, True, False, False]


def test_bytes_of_addresses_are_searched_as_on_the_wire() -> None:
    """eth.src matches, contains and starts with bytes."""
    table = given({"eth.src": "ether"}, {"eth.src": [[0x001D9CC7B070], [0x02000000000A], []]})
    source = FieldValue("eth.src")
    for test, expected in (
        (Compare("matches", source, Literal_("^\\x00\\x1d")), [True, False, False]),
        (Compare("contains", source, Literal_(b"\x9c\xc7")), [True, False, False]),
        (Compare("matches", source, Literal_("\\x0a$")), [False, True, False]),
    ):
        assert evaluate(test, table).tolist() == expected


def test_a_protocol_is_there_where_it_is_true() -> None:
    table = given(
        {"tcp": "protocol", "flag": "bool"}, {"tcp": [[True], [False]], "flag": [[False], [False]]}, ("tcp", "flag")
    )
    assert evaluate(Exists(FieldValue("tcp")), table).tolist() == [True, False]
    assert evaluate(Exists(FieldValue("flag")), table).tolist() == [True, True], "a flag that is not set is there"


def test_numbers_that_do_not_fit_the_column() -> None:
    """ip.ttl > -1 and ip.ttl < 300 hold for every byte, and neither wraps round."""
    table = Given({"x": column("x", "uint", [[0], [255]], dtype=np.uint8)}, 2)
    for sign, value, expected in (
        ("gt", -1, True),
        ("lt", 300, True),
        ("eq", 256, False),
        ("eq", -1, False),
        ("ge", 2**40, False),
    ):
        assert evaluate(Compare(sign, X, Literal_(value)), table).tolist() == [expected] * 2, (sign, value)  # type: ignore[arg-type]


def objects() -> Given:
    """Rows with objects (1, 5), (2, 6); none; (2, 5)."""
    below = ObjectTable("objects", np.array([0, 2, 2, 3]), {
        "a": lambda: column("a", "uint", [[1], [2], [2]], True), "b": lambda: column("b", "uint", [[5], [6], [5]], True),
    })  # fmt: skip
    return Given({}, 3, below)


A1, A2, B5 = (Compare("eq", FieldValue(name), Literal_(value)) for name, value in (("a", 1), ("a", 2), ("b", 5)))


@pytest.mark.parametrize(
    ("test", "expected"),
    [
        (OneObject(A2), [True, False, True]),
        (OneObject(And((A2, B5))), [False, False, True]),  # together on one object
        (And((OneObject(A2), OneObject(B5))), [True, False, True]),
        (Not(OneObject(A1)), [False, True, True]),  # said of the row
        (Every(A2), [False, False, True]),
        (Every(Or((A1, A2))), [True, False, True]),  # of no object nothing is said
        (Not(Every(A2)), [True, True, False]),
    ],
)
def test_objects(test: Test, expected: list[bool]) -> None:
    assert evaluate(test, objects()).tolist() == expected


def test_a_table_without_objects_has_none_that_match() -> None:
    table = given({"x": "uint"}, {"x": [[1]]})
    assert not evaluate(OneObject(A1), table).any() and not evaluate(Every(A1), table).any()


def test_a_table_without_rows() -> None:
    table = given(KINDS, {name: [] for name in KINDS})
    chosen = random.Random(1)
    for _ in range(50):
        assert evaluate(random_test(chosen), table).tolist() == []


def test_a_regular_expression_looks_at_the_first_65536_bytes() -> None:
    """A bound on work that an attacker can choose."""
    table = given({"t": "string"}, {"t": [["a" * 65535 + "b"], ["a" * 65536 + "b"]]})
    assert evaluate(Compare("matches", T, Literal_("b")), table).tolist() == [True, False]
