"""What rules remember."""

from __future__ import annotations

import pytest

from detector.rules.signature import Bits, FlowInt, Subject, Tag, Threshold
from tests.rules.keywords.written import compiled, refused, signature

SECOND = 10**9


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("flowbits:set,a.b;", Bits("set", "flowbits", ("a.b",), Subject.FLOW)),
        ("flowbits:isset,a | b;", Bits("isset", "flowbits", ("a", "b"), Subject.FLOW)),
        ("flowbits:isnotset,a|b;", Bits("isnotset", "flowbits", ("a", "b"), Subject.FLOW)),
        ("flowbits:toggle, a;", Bits("toggle", "flowbits", ("a",), Subject.FLOW)),
        ("flowbits:unset,a;", Bits("unset", "flowbits", ("a",), Subject.FLOW)),
        ("flowint:cnt,+,1;", FlowInt("cnt", "+", 1)),
        ("flowint: cnt , >= , other ;", FlowInt("cnt", ">=", "other")),
        ("flowint:cnt,isset;", FlowInt("cnt", "isset")),
        ("flowint:cnt,notset;", FlowInt("cnt", "isnotset")),
        ("xbits:set,a,track ip_src,expire 60;", Bits("set", "xbits", ("a",), Subject.SOURCE, 60 * SECOND)),
        ("xbits:isset,a,track ip_pair;", Bits("isset", "xbits", ("a",), Subject.PAIR, 30 * SECOND)),
        ("hostbits:set,a;", Bits("set", "hostbits", ("a",), Subject.SOURCE, 300 * SECOND)),
        ("hostbits:isnotset,a,dst;", Bits("isnotset", "hostbits", ("a",), Subject.DESTINATION, 300 * SECOND)),
    ],
)
def test_states(options: str, expected: object) -> None:
    assert signature(options).states == (expected,)


def test_thresholds() -> None:
    found = signature("threshold: type limit, track by_src, seconds 60, count 2;")
    assert found.threshold == Threshold("limit", Subject.SOURCE, 2, 60)
    assert signature("threshold:type both,track by_both,count 5,seconds 9;").threshold == Threshold(
        "both", Subject.PAIR, 5, 9
    )
    filtered = signature("detection_filter:track by_dst, count 30, seconds 60;")
    assert filtered.detection_filter == Threshold("detection", Subject.DESTINATION, 30, 60)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("session", Tag("session", 300, "seconds")),
        ("session,5,packets", Tag("session", 5, "packets")),
        ("host,60,seconds,dst", Tag("host", 60, "seconds", Subject.DESTINATION)),
        ("host,9,bytes", Tag("host", 9, "bytes", Subject.SOURCE)),
    ],
)
def test_tags(value: str, expected: Tag) -> None:
    assert signature(f"tag:{value};").tag == expected


@pytest.mark.parametrize("options", ["noalert;", "flowbits:noalert;", "hostbits:noalert;"])
def test_silent_rules(options: str) -> None:
    assert compiled(options).silent
    assert not compiled("flowbits:set,a;").silent


@pytest.mark.parametrize(
    ("options", "column", "problem"),
    [
        ("flowbits:sett,a;", 49, "unknown action 'sett' of flowbits"),
        ("flowbits:set;", 49, "flowbits:set names no bit"),
        ("flowbits:set,a b;", 53, "the name of a flowbit has no blanks"),
        ("flowint:c,+,1;", 48, "flowint cannot be read: c,+,1"),
        ("flowint:cnt,+,4294967296;", 54, "4294967296 is too large"),
        ("xbits:set,a;", 46, "xbits cannot be read: set,a"),
        ("xbits:set,a,track ip_src,expire 0;", 72, "expire 0 is out of bounds"),
        ("hostbits:set,a,both;", 55, "unknown side 'both' of hostbits"),
        ("threshold:type limit, track by_src, count 1;", 50, "threshold lacks seconds"),
        ("threshold:type limt, track by_src, count 1, seconds 1;", 55, "unknown type 'limt'"),
        ("detection_filter:track by_rule, count 1, seconds 1;", 63, "unknown track 'by_rule'"),
        (
            "detection_filter:track by_src, count 0, seconds 1;",
            57,
            "count and seconds of detection_filter are 1 or more",
        ),
        ("tag:session,5;", 44, "tag cannot be read: session,5"),
    ],
)
def test_mistakes(options: str, column: int, problem: str) -> None:
    error = refused(options)
    assert error.position is not None
    assert (error.position.column, error.problem) == (column, problem)
    assert error.hint
