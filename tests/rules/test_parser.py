"""The display-filter parser: what is printed from a tree is read back as that tree; and what Wireshark 4.0 does not have."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
literals = st.integers(0, 65535).map(Literal_)
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
        ("tcp xor udp", "(tcp and not udp) or (not tcp and udp)"),
        ("tcp ^^ udp", "(tcp and not udp) or (not tcp and udp)"),
        ("ip.flags.df == true", "ip.flags.df == True"),
        ("(tcp.flags & 0x12) == 0x12", "tcp.flags & 0x12 == 0x12"),
        ("tcp.port in {80,443}", "tcp.port in {80, 443}"),
        ("tcp.dstport not in {80}", "not tcp.dstport in {80}"),
    ],
)
def test_forms_of_later_versions(newer: str, older: str) -> None:
    """What people paste from Wireshark 4.2 and later means what it says there."""
    assert parse_filter(newer) == parse_filter(older)
