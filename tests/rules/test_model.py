"""What a rule is once it has been read: values that can be compared, hashed and shared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detector.rules.model import And, Compare, FieldValue, Literal_, Not, Or, Ruleset, Xor
from tests.rules.written import loaded, selecting


def test_only_rules_that_are_not_inactive_are_run(tmp_path: Path) -> None:
    first = loaded(tmp_path, selecting("{ip.ttl: 1}")).rules[0]
    second = replace(first, inactive="$X is not set")
    assert Ruleset((first, second)).active == (first,)


def test_equal_tests_are_one(tmp_path: Path) -> None:
    """However many rules share an atom, it is computed once: equal trees must be equal and have one hash."""
    texts = ("{ip.ttl: 64, tcp.dstport: [80, 443]}", "{ip.ttl: 0x40, tcp.dstport: [0x50, '443']}")
    first, second = (loaded(tmp_path, selecting(text)).rules[0].test for text in texts)
    assert first == second and hash(first) == hash(second)


@pytest.mark.parametrize("kind", [And, Or, Xor])
def test_tests_of_another_kind_are_others(kind: type) -> None:
    tests = (Compare("eq", FieldValue("ip.ttl"), Literal_(1)), Not(Compare("eq", FieldValue("ip.id"), Literal_(1))))
    assert kind(tests) == kind(tests) and len({And(tests), Or(tests), Xor(tests)}) == 3
