"""byte_test and its kin: the examples of Suricata's manual, and what it refuses."""

from __future__ import annotations

import pytest

from detector.rules.keywords import Unsupported
from detector.rules.signature import ByteExtract, ByteJump, ByteMath, ByteTest, Numeral
from tests.rules.keywords.written import refused, steps


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("byte_test:2,>,568,0;", ByteTest(Numeral(2), ">", False, 568, 0)),
        ("byte_test:2,!=,568,0,relative;", ByteTest(Numeral(2), "=", True, 568, 0, is_relative=True)),
        ("byte_test:1,!,5,0;", ByteTest(Numeral(1), "=", True, 5, 0)),
        ("byte_test: 4 , & , 0x80 , -2 , relative , little ;", ByteTest(Numeral(4, is_little=True), "&", False, 128, -2, is_relative=True)),
        ("byte_test:3,=,10,0,string,oct;", ByteTest(Numeral(3, base=8), "=", False, 10, 0)),
        ("byte_test:2,<=,5,0,bitmask 0x7f;", ByteTest(Numeral(2), "<=", False, 5, 0, bitmask=0x7F)),
        ("byte_jump:4,0,relative,little,post_offset -1;", ByteJump(Numeral(4, is_little=True), 0, is_relative=True, post_offset=-1)),
        ("byte_jump:4,0,multiplier 2,align,from_beginning;", ByteJump(Numeral(4), 0, multiplier=2, is_aligned=True, origin="beginning")),
        ("byte_jump:2,1,string,hex,from_end;", ByteJump(Numeral(2, base=16), 1, origin="end")),
        ("byte_extract:2,4,len,relative,little,multiplier 2;", ByteExtract(Numeral(2, is_little=True), 4, "len", is_relative=True, multiplier=2)),
        ("byte_extract:4,3,len,string,dec,align 4;", ByteExtract(Numeral(4, base=10), 3, "len", align=4)),
        ("byte_math:bytes 1, offset 0, oper +, rvalue 248, result v;", ByteMath(Numeral(1), 0, "+", 248, "v")),
        ("byte_math:bytes 2,offset -2,oper <<,rvalue 3,result v,relative,endian little,bitmask 0xff00;",
         ByteMath(Numeral(2, is_little=True), -2, "<<", 3, "v", is_relative=True, bitmask=0xFF00)),
        ("byte_math:bytes 3,offset 0,oper *,rvalue 2,result v,string dec;", ByteMath(Numeral(3, base=10), 0, "*", 2, "v")),
    ],
)  # fmt: skip
def test_steps(options: str, expected: object) -> None:
    assert steps(options) == (expected,)


def test_variables() -> None:
    found = steps(
        "byte_extract:1,0,n; byte_test:n,>,n,n; byte_jump:n,n; byte_math:bytes n,offset 0,oper +,rvalue n,result m; byte_test:1,=,m,0;"
    )
    assert found[1:] == (
        ByteTest(Numeral("n"), ">", False, "n", "n"), ByteJump(Numeral("n"), "n"), ByteMath(Numeral("n"), 0, "+", "n", "m"),
        ByteTest(Numeral(1), "=", False, "m", 0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "column", "problem"),
    [
        ("byte_test:4,>,5;", 50, "byte_test cannot be read: 4,>,5"),
        ("byte_test:1,==,5,0;", 52, "unknown operator '=='"),
        ("byte_test:9,>,5,0;", 50, "9 bytes are no number that can be read"),
        ("byte_test:4,>,v,0;", 54, "the value 'v' is neither a number nor a variable"),
        ("byte_test:4,>,5,0,foo;", 58, "unknown option 'foo' of byte_test"),
        ("byte_test:4,>,5,0,hex;", 50, "a base goes with string only"),
        ("byte_jump:4,0,from_beginning,from_end;", 50, "from_beginning and from_end exclude each other"),
        ("byte_jump:4,0,multiplier 0;", 54, "multiplier 0 is out of bounds"),
        ("byte_extract:4,0,n,align 3;", 53, "align 3 is not known"),
        ("byte_extract:4,0,n,string,dec,little;", 53, "a number that is text has no byte order"),
        (
            "byte_math:bytes 4,offset 0,oper +,rvalue 5;",
            50,
            "byte_math cannot be read: bytes 4,offset 0,oper +,rvalue 5",
        ),
        ("byte_math:bytes 4,offset 0,oper %,rvalue 5,result x;", 72, "unknown operator '%'"),
    ],
)
def test_mistakes(options: str, column: int, problem: str) -> None:
    error = refused(options)
    assert error.position is not None
    assert (error.position.column, error.problem) == (column, problem)
    assert error.hint


@pytest.mark.parametrize("options", ["byte_test:4,>,5,0,dce;", "byte_jump:4,0,dce;", "byte_extract:4,0,n,dce;"])
def test_dce_is_not_supported(options: str) -> None:
    error = refused(options)
    assert isinstance(error, Unsupported)
    assert error.keyword == options.partition(":")[0]
