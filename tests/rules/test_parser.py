"""The display-filter parser: what is printed from a tree is read back as that tree; and what Wireshark 4.0 does not have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import InputError
from detector.rules.model import (
    And,
    Arithmetic,
    Call,
    Compare,
    Exists,
    FieldValue,
    Literal_,
    Membership,
    Not,
    Or,
)
from detector.rules.parser import parse_filter

SIGNS = {"eq": "==", "ne": "!=", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def printed(tree: Any) -> str:
    """The filter that stands for a tree."""
    match tree:
        case And(tests):
            return " and ".join(map(inner, tests))
        case Or(tests):
            return " or ".join(map(inner, tests))
        case Not(test):
            return f"not {inner(test)}"
        case Exists(operand):
            return printed(operand)
        case Compare(operator, left, right, quantifier):
            return f"{quantifier} {printed(left)} {SIGNS.get(operator, operator)} {printed(right)}"
        case Membership(left, entries, quantifier):
            listed = [f"{printed(e[0])}..{printed(e[1])}" if isinstance(e, tuple) else printed(e) for e in entries]
            return f"{quantifier} {printed(left)} in {{{', '.join(listed)}}}"
        case FieldValue(name, slices, occurrence):
            number = "" if occurrence is None else f"#{occurrence}"
            cuts = ", ".join(f"{a}:" if b is None else f"{a}:{b - a}" for a, b in slices)
            return name + number + (f"[{cuts}]" if cuts else "")
        case Call(function, arguments):
            return f"{function}({', '.join(map(printed, arguments))})"
        case Arithmetic(sign, left, right):
            return f"{printed(left)} {sign} {printed(right)}"
        case Literal_(value):
            return value.hex(":") if isinstance(value, bytes) else str(value)
    raise AssertionError(tree)


def inner(tree: Any) -> str:
    return f"({printed(tree)})" if isinstance(tree, And | Or) else printed(tree)


numbers = st.sampled_from(["tcp.dstport", "ip.ttl", "modbus.func_code", "frame.len", "mbtcp.unit_id"]).map(FieldValue)
literals = st.integers(0, 255).map(Literal_)  # what every one of them can hold
octets = st.builds(
    FieldValue,
    st.just("tcp.payload"),
    st.lists(st.tuples(st.integers(0, 9), st.just(None)) | st.integers(0, 9).map(lambda a: (a, a + 2)), max_size=2).map(
        tuple
    ),
    st.none() | st.integers(1, 3),
)
quantifiers = st.sampled_from(["any", "all"])
sides = (
    numbers
    | st.builds(Arithmetic, st.sampled_from("&+-*/%"), numbers, literals)
    | octets.map(lambda field: Call("len", (FieldValue(field.name, field.slices),)))
)
compares = st.builds(Compare, st.sampled_from(list(SIGNS)), sides, literals | numbers, quantifiers)
contained = st.builds(
    Compare, st.just("contains"), octets, st.binary(min_size=2, max_size=4).map(Literal_), quantifiers
)
ranges = st.tuples(literals, literals)
members = st.builds(Membership, numbers, st.lists(literals | ranges, min_size=1, max_size=4).map(tuple), quantifiers)
leaves = compares | contained | members | numbers.map(Exists)
several = st.lists(leaves, min_size=2, max_size=3).map(tuple)
trees = st.recursive(
    leaves,
    lambda part: (
        part.map(Not)
        | st.lists(part, min_size=2, max_size=3).map(lambda tests: And(tuple(tests)))
        | st.lists(part, min_size=2, max_size=3).map(lambda tests: Or(tuple(tests)))
    ),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None)
@given(trees)
def test_printed_and_read_back_a_filter_is_the_same(tree: Any) -> None:
    """Precedence, brackets, quantifiers and slices: nothing is lost between text and tree."""
    assert parse_filter(printed(tree)) == tree


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ("tcp ^^ udp", "tcp xor udp"),
        ("tcp xor udp and ip", "tcp xor (udp and ip)"),
        ("arp or tcp xor udp", "arp or (tcp xor udp)"),
        ("ip.flags.df == true", "ip.flags.df == True"),
        ("(tcp.flags & 0x12) == 0x12", "tcp.flags & 0x12 == 0x12"),
        ("tcp.port in {80,443}", "tcp.port in {80, 443}"),
        ("tcp.dstport not in {80}", "not tcp.dstport in {80}"),
    ],
)
def test_forms_of_later_versions(newer: str, older: str) -> None:
    """What people paste from Wireshark 4.2 and later means what it says there."""
    assert parse_filter(newer) == parse_filter(older)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("tcp or udp and ip", "tcp or (udp and ip)"),
        ("not tcp and udp", "(not tcp) and udp"),
        ("not tcp or udp", "(not tcp) or udp"),
        ("! ! tcp", "not (not tcp)"),
        ("tcp && udp || ip", "(tcp and udp) or ip"),
        ("not ip.ttl == 5", "not (ip.ttl == 5)"),
        ("ip.ttl + 1 * 2 == 5", "ip.ttl + (1 * 2) == 5"),
        ("ip.ttl - 1 - 2 == 5", "(ip.ttl - 1) - 2 == 5"),
        ("tcp.flags & 2 + 1 == 3", "(tcp.flags & 2) + 1 == 3"),
        ("5 == ip.ttl", "ip.ttl == 5"),
        ("5 < ip.ttl", "ip.ttl > 5"),
        ("5 >= ip.ttl", "ip.ttl <= 5"),
        ("1 < ip.ttl < 64", "ip.ttl > 1 and ip.ttl < 64"),
        ("ip.ttl == 64 == ip.id", "ip.ttl == 64 and ip.id == 64"),
        ("ip.src eq 10.0.0.1", "ip.src == 10.0.0.1"),
        ("ip.ttl GE 5 AND NOT tcp", "ip.ttl >= 5 and not tcp"),
        ("any ip.addr == 10.0.0.1", "ip.addr == 10.0.0.1"),
        ("all ip.addr != 10.0.0.1", "ip.addr != 10.0.0.1"),
        ("ip.addr all_eq 10.0.0.1", "ip.addr === 10.0.0.1"),
        ("any ip.addr != 10.0.0.1", "ip.addr !== 10.0.0.1"),
        ("ip.addr ~= 10.0.0.1", "ip.addr !== 10.0.0.1"),
        ("ip.ttl == 0x40", "ip.ttl == 64"),
        ("eth.src[0:2] == 00:1d", "eth.src[:2] == 00-1d"),
        ("eth.src[1-2] == 1d:9c", "eth.src[1:2] == 1d9c"),
        ("eth.src[-3--2] == c7:b0", "eth.src[-3:2] == c7:b0"),
        ("eth.src[5] == 70", "eth.src[5:1] == 70"),
        ("eth.src[-1] == 70", "eth.src[-1:] == 70"),
        ('tcp.payload contains "ab"', "tcp.payload contains 61:62"),
        ('frame.comment == "a\\x41\\n"', 'frame.comment == "aA\\n"'),
        ('frame.comment matches r"\\d"', 'frame.comment matches "\\\\d"'),
    ],
)
def test_two_ways_to_write_it(text: str, same: str) -> None:
    """Precedence, symbols and words, sides, quantifiers and slices, as in wireshark-filter(4)."""
    assert parse_filter(text) == parse_filter(same)


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "the filter is empty"),
        ("tcp udp", 5, "unexpected 'udp' after a complete test"),
        ("(tcp", 5, "expected ')', found the end"),
        ("ip.ttl >", 9, "expected a field or a value, found the end"),
        ("any tcp", 8, "any asks for a comparison"),
        ("ip.ttl in {1, , 2}", 15, "an entry is missing"),
        ("ip.ttl in {1, }", 15, "an entry is missing"),
        ("tcp.payload matches 5", 21, "matches needs a text in quotes"),
        ("ip.ttl in {1 2}", 14, "a comma is missing in the set"),
        ("ip.ttl == $X", 11, "$X is a list"),
        ("ip.src > 10.0.0.0/8", 10, "a network is equal or not"),
        ("tcp == 1", 1, "tcp is a protocol, not a number"),
        ("len(tcp.payload)", 1, "a function alone is no test"),
        ("ip.src[0:0] == 00", 8, "a slice of 0 bytes"),
        ("eth.src[-1:2] == 00", 9, "a slice that is never there"),
        ("eth.src[3-1] == 00", 9, "a slice that is never there"),
        ("eth.src[-3-1] == 00", 9, "a slice from one end to the other"),
        ("ip.ttl[0] == 1", 1, "ip.ttl cannot be sliced"),
        ("ip.src == ipv6.src", 8, "ip.src is ipv4, ipv6.src is ipv6"),
        ("ip.ttl == tcp.payload", 8, "ip.ttl is uint, tcp.payload is bytes"),
        ("tcp.payload[0:1] == ip.ttl", 18, "bytes is bytes, ip.ttl is uint"),
        ("ip.ttl + ip.src == 1", 8, "ip.src is no number"),
        ("ip.ttl == 5 +", 14, "found the end"),
        ("lenn(tcp.payload) > 1", 1, "unknown function 'lenn'"),
        ("ip.scr == 10.0.0.1", 1, "unknown field 'ip.scr'"),
    ],
)
def test_what_is_wrong_and_where(text: str, column: int, problem: str) -> None:
    """Each would otherwise be a filter that never selects a packet, or that fails at the first one."""
    with pytest.raises(InputError) as refused:
        parse_filter(text)
    position = refused.value.position
    assert position is not None and position.column == column, str(refused.value)
    assert problem in refused.value.problem and refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "tcp" + ")" * 5000,
        "not " * 5000 + "tcp",
        "(" * 5000,
        "ip.ttl " + "+ 1 " * 5000 + "== 3",
        "ip.ttl " + "& 1 " * 5000 + "== 3",
        "len(" * 5000 + "tcp.payload" + ")" * 5000 + " > 1",
        "(ip.ttl " * 5000,
    ],
    ids=["brackets", "nots", "open", "sums", "masks", "functions", "operands"],
)
def test_what_no_person_reads_is_refused(text: str) -> None:
    """It would end in a traceback here, or later where the tree is compiled and hashed."""
    with pytest.raises(InputError) as refused:
        parse_filter(text)
    assert refused.value.position is not None and refused.value.hint


def test_what_a_person_may_well_write_is_not_refused() -> None:
    """Long is fine, deep is not: lists of addresses are pasted into filters."""
    assert parse_filter(" or ".join(f"ip.src == 10.0.{n // 256}.{n % 256}" for n in range(3000)))
    assert parse_filter("ip.ttl in {" + ", ".join(map(str, range(256))) + "}")
    assert parse_filter(" xor ".join(["tcp"] * 200))
    assert parse_filter("(" * 40 + "tcp" + ")" * 40)
    assert parse_filter("not " * 60 + "tcp")
