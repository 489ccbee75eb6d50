"""Steps on bytes. Expected values are Suricata 7's: asked of it in tests/differential, here from its documentation by hand."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detector.detect.inspection import Inspector, decode_base64
from detector.detect.programs import Programs, followed_by_relative
from detector.rules.signature import (
    Base64,
    BufferSize,
    ByteExtract,
    ByteJump,
    ByteMath,
    ByteTest,
    Content,
    IsDataAt,
    Numeral,
    Pcre,
    Step,
)

pytestmark = pytest.mark.kernel
WORD, TEXT = Numeral(2), Numeral(2, base=10)


def inspector(steps: Sequence[Step], limit: int = 3000) -> Inspector:
    return Inspector(Programs(1, lambda _: steps), limit)


def holds(steps: Sequence[Step], data: bytes, fresh: int = 0, made: Inspector | None = None) -> bool:
    buffer, zero = np.frombuffer(b"<" + data + b">", np.uint8).copy(), np.zeros(1, np.int64)
    made = made or inspector(steps)
    return bool(made.inspect(buffer, zero, np.array([[1, 1 + len(data)]], np.int64), zero + fresh)[0])


CASES: list[tuple[list[Step], bytes, bool]] = [
    ([Content(b"abc")], b"xxabcxx", True),
    ([Content(b"abc")], b"xxabxcx", False),
    ([Content(b"ABC")], b"abc", False),
    ([Content(b"ABC", nocase=True)], b"aBc", True),
    ([Content(b"abc", is_negated=True)], b"xxabc", False),
    ([Content(b"abc", is_negated=True)], b"xxab", True),
    ([Content(b"abc", offset=2)], b"xxabc", True),
    ([Content(b"abc", offset=3)], b"xxabc", False),
    ([Content(b"abc", depth=4)], b"xabc", True),
    ([Content(b"abc", depth=4)], b"xxabc", False),
    ([Content(b"abc", offset=2, depth=3)], b"xxabc", True),  # the depth counts from the offset
    ([Content(b"abc", offset=2, depth=3)], b"xxxabc", False),
    ([Content(b"abc", startswith=True)], b"abcx", True),
    ([Content(b"abc", startswith=True)], b"xabc", False),
    ([Content(b"abc", endswith=True)], b"xabc", True),
    ([Content(b"abc", endswith=True)], b"abcx", False),
    ([Content(b"a"), Content(b"b", distance=1)], b"axb", True),
    ([Content(b"a"), Content(b"b", distance=1)], b"ab", False),
    ([Content(b"a"), Content(b"b", distance=-2)], b"ba", True),
    ([Content(b"a"), Content(b"b", distance=0, within=2)], b"axb", True),
    ([Content(b"a"), Content(b"b", distance=0, within=1)], b"axb", False),
    ([Content(b"a"), Content(b"b", distance=0, within=1)], b"axab", True),  # another a is tried
    ([Content(b"a"), Content(b"b", distance=0), Content(b"c", distance=0, within=1)], b"abxbc", True),
    ([Content(b"a"), Content(b"b", distance=0, within=1, is_negated=True)], b"ab", False),
    ([Content(b"a"), Content(b"b", distance=0, within=1, is_negated=True)], b"abac", True),
    ([Content(b"a"), IsDataAt(3, is_relative=True)], b"axyz", True),
    ([Content(b"a"), IsDataAt(4, is_relative=True)], b"axyz", False),
    ([Content(b"a"), IsDataAt(1, is_relative=True, is_negated=True)], b"xa", True),
    ([IsDataAt(3)], b"abcd", True),
    ([IsDataAt(4)], b"abcd", False),
    ([BufferSize(2, 4)], b"abcd", True),
    ([BufferSize(5, 9)], b"abcd", False),
    ([ByteTest(WORD, "=", False, 0x0102, 0)], b"\x01\x02", True),
    ([ByteTest(Numeral(2, is_little=True), "=", False, 0x0201, 0)], b"\x01\x02", True),
    ([ByteTest(WORD, ">", False, 258, 0)], b"\x01\x02", False),
    ([ByteTest(WORD, ">", True, 258, 0)], b"\x01\x02", True),
    ([ByteTest(WORD, "=", False, 0x10, 0, bitmask=0x0FF0)], b"\x11\x02", True),  # 0x110 >> 4 is 0x11: see below
    ([ByteTest(TEXT, "=", False, 42, 1)], b"x42", True),
    ([ByteTest(Numeral(4, base=16), "=", False, 0x1F, 0)], b"0x1f", True),
    ([ByteTest(WORD, "=", False, 1, 1)], b"\x00\x01", False),  # reaches beyond the end
    ([ByteTest(Numeral(8), "=", False, 2**64 - 1, 0)], b"\xff" * 8, True),
    ([ByteJump(WORD, 0), Content(b"X", distance=0, within=1)], b"\x00\x03abcX", True),
    ([ByteJump(WORD, 0), Content(b"X", distance=0, within=1)], b"\x00\x02abcX", False),
    # A number of no bytes is 0, and may stand right behind the last byte.
    ([ByteJump(Numeral(0), 2), Content(b"c", distance=0, within=1)], b"abcd", True),
    ([ByteJump(Numeral(0), 2, post_offset=1), Content(b"d", distance=0, within=1)], b"abcd", True),
    ([Content(b"a"), ByteJump(Numeral(0), 2, is_relative=True), Content(b"d", distance=0, within=1)], b"abcd", True),
    ([ByteJump(Numeral(0), 4)], b"abcd", True),
    ([ByteJump(Numeral(0), 5)], b"abcd", False),
    ([ByteJump(Numeral(0, base=16), 0)], b"abcd", False),
    ([ByteTest(Numeral(0), "=", False, 0, 0)], b"abcd", True),
    ([ByteJump(WORD, 0, is_aligned=True), Content(b"X", distance=0, within=1)], b"\x00\x03abcdX", True),
    ([ByteJump(WORD, 0, origin="beginning"), Content(b"X", distance=0, within=1)], b"\x00\x03aX", True),
    ([ByteJump(WORD, 0, post_offset=1), Content(b"X", distance=0, within=1)], b"\x00\x02abcX", True),
    ([ByteJump(WORD, 0)], b"\x00\x09abc", False),
    ([ByteExtract(WORD, 0, "n"), Content(b"X", offset="n")], b"\x00\x04abX", True),
    ([ByteExtract(WORD, 0, "n"), Content(b"X", offset="n")], b"\x00\x05abX", False),
    ([ByteExtract(WORD, 0, "n", multiplier=2), IsDataAt("n", is_relative=True)], b"\x00\x01ab", True),
    ([ByteMath(WORD, 0, "+", 2, "n"), ByteTest(Numeral(1), "=", False, "n", 2)], b"\x00\x05\x07", True),
    ([ByteMath(WORD, 0, "/", 0, "n")], b"\x00\x05", False),
    ([Pcre("a[0-9]+b")], b"xa12b", True),
    ([Pcre("A[0-9]+B", "i")], b"xa12b", True),
    ([Pcre("a.b")], b"a\nb", False),
    ([Pcre("a.b", "s")], b"a\nb", True),
    ([Pcre("a[0-9]+b", is_negated=True)], b"xa12b", False),
    ([Content(b"ab"), Pcre("^c", is_relative=True)], b"abxabc", True),
    ([Pcre("a."), Content(b"z", distance=0, within=1)], b"axayz", True),  # the expression is tried again
    ([Content(b"x:"), Base64(None, 0, True, (Content(b"hello"),))], b"x:aGVsbG8=", True),
    ([Base64(8, 0, False, (Content(b"hello"),))], b"aGVsbG8=", True),
    ([Base64(4, 0, False, (Content(b"hello"),))], b"aGVsbG8=", False),
]
# Under the mask 0x0FF0 the bits of 0x1102 are 0x0100; moved down by the mask's four lowest zeros they are 0x10.


@pytest.mark.parametrize("number", range(len(CASES)))
def test_a_case(number: int) -> None:
    steps, data, wanted = CASES[number]
    assert holds(steps, data) is wanted


def test_an_empty_buffer_never_holds() -> None:
    assert not holds([Content(b"a", is_negated=True)], b"")


@pytest.mark.parametrize(
    ("steps", "data", "fresh"),
    [
        ([Content(b"abc")], b"abcXXabc", 4),
        ([Content(b"abc"), Content(b"def")], b"abcdefXXabcdef", 7),
        ([Content(b"ab"), Content(b"cd", distance=0)], b"abcdXXcd", 5),
        ([Pcre("abc")], b"abcXXabc", 4),
    ],
)  # fmt: skip
def test_new_bytes_hold_it_again(steps: list[Step], data: bytes, fresh: int) -> None:
    assert holds(steps, data, fresh)


def test_what_is_all_old_does_not_hold() -> None:
    assert not holds([Content(b"abc")], b"abcXXXX", 4)
    assert not holds([Pcre("abc")], b"abcXXXX", 4)
    assert holds([Content(b"zzz", is_negated=True)], b"abcXXXX", 4), "that nothing is there is as true as before"


def test_work_is_bounded() -> None:
    chain: list[Step] = (
        [Content(b"a")] + [Content(b"a", distance=0) for _ in range(8)] + [Content(b"z", distance=0, within=1)]
    )
    made = inspector(chain)
    assert not holds(chain, b"a" * 2000, made=made)
    assert made.gave_up == {0: 1}


def test_an_expression_that_backtracks_for_ever_ends_and_is_told() -> None:
    steps = [Pcre(r"(a+)+(?=b)c")]
    made = inspector(steps)
    assert not holds(steps, b"a" * 5000, made=made)
    assert made.failed == {0: 1}


def test_an_expression_that_keeps_expiring_is_left_alone_for_a_while() -> None:
    """Packets made for a rule could otherwise take a tenth of a second each. Others of its batch have a chance of their own."""
    steps = [Pcre(r"(a+)+(?=b)c")]
    made = inspector(steps)
    for _ in range(6):
        assert not holds(steps, b"a" * 5000, made=made)
    assert (made.failed, made.untried) == ({0: 4}, {0: 2})
    for batch in range(1, 34):
        made.begin()
        assert not holds(steps, b"aac", made=made), batch
    assert made.untried == {0: 2 + 32}, "32 batches without it, then it is tried again"


def test_contents_that_are_searched_again() -> None:
    relative = Content(b"b", distance=0)
    assert followed_by_relative([Content(b"a"), relative]) == {0}
    assert followed_by_relative([Content(b"a"), Content(b"c")]) == set()
    assert followed_by_relative([Content(b"a"), ByteTest(WORD, "=", False, 1, 0), relative]) == set()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [(b"aGVsbG8=", b"hello"), (b"aGVsbG8", b"hello"), (b"aGVs*bG8=", b"hel"), (b"*", b""), (b"aGVsb", b"hel")],
)
def test_base64(text: bytes, wanted: bytes) -> None:
    assert decode_base64(text) == wanted
