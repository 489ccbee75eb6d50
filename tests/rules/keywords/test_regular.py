"""pcre: its spelling and flags."""

from __future__ import annotations

import pytest

from detector.rules.keywords import Unsupported
from detector.rules.signature import Pcre
from tests.rules.keywords.written import refused, steps


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('pcre:"/ab+c/";', Pcre("ab+c")),
        ("pcre:/abc/i;", Pcre("abc", "i")),
        ('pcre:!"/abc/";', Pcre("abc", is_negated=True)),
        ('pcre:"!/abc/";', Pcre("abc", is_negated=True)),
        ('pcre:"/a\\/b/smxAEBO";', Pcre("a\\/b", "smxAE")),
        ('content:"a"; pcre:"/^(?=b)/R";', Pcre("^(?=b)", is_relative=True)),
        ('pcre:"/(a)\\1/";', Pcre("(a)\\1")),
    ],
)
def test_steps(options: str, expected: Pcre) -> None:
    assert steps(options)[-1] == expected


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ('pcre:"abc";', "pcre 'abc' has no slashes around it"),
        ('pcre:"/abc/K";', "unknown flag 'K'"),
        ('pcre:"/abc/R";', "the flag R has no content or pcre before it"),
        ('byte_jump:1,0; pcre:"/abc/R";', "the flag R has no content or pcre before it"),
    ],
)
def test_mistakes(options: str, problem: str) -> None:
    assert refused(options).problem == problem


@pytest.mark.parametrize("pattern", ["a(", "a[", "a{2,1}"])
def test_what_is_no_expression(pattern: str) -> None:
    error = refused(f'pcre:"/{pattern}/";')
    assert error.problem.startswith("not an expression: ")
    assert error.position is not None
    assert error.position.column == 47


@pytest.mark.parametrize(
    ("options", "keyword"),
    [
        ('pcre:"/a(?R)?b/";', "pcre"),
        ('pcre:"/a/U";', "http.uri"),
        ('pcre:"/a/V";', "http.user_agent"),
        ('pcre:"/(a)/,flow:x";', "pcre"),
        ('pcre:"/(?<flow_x>a)/";', "pcre"),
    ],
)
def test_other_buffers_are_not_supported(options: str, keyword: str) -> None:
    error = refused(options)
    assert isinstance(error, Unsupported)
    assert error.keyword == keyword
