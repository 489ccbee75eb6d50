"""What a rule is called and how bad its matches are."""

from __future__ import annotations

import pytest

from tests.rules.keywords.written import compiled, refused


def test_names() -> None:
    found = compiled(
        "rev:3; gid:2; target:dest_ip; metadata:created 2020, mitre_technique_id T0836; metadata:x, mitre_technique_id_2 T1046;"
    )
    assert found.title == "m"
    assert (found.signature.sid, found.signature.rev, found.signature.gid, found.signature.target) == (
        1,
        3,
        2,
        "dest_ip",
    )
    assert found.signature.metadata == (
        ("created", "2020"),
        ("mitre_technique_id", "T0836"),
        ("x", ""),
        ("mitre_technique_id_2", "T1046"),
    )
    assert found.tags == ("attack.ics.t0836", "attack.t1046")


@pytest.mark.parametrize(
    ("options", "priority", "level"),
    [
        ("", 3, "low"),
        ("classtype:attempted-admin;", 1, "high"),
        ("priority:2; classtype:attempted-admin;", 2, "medium"),
        ("classtype:attempted-admin; priority:7;", 7, "informational"),
        ("classtype:unheard-of;", 3, "low"),
    ],
)
def test_priority(options: str, priority: int, level: str) -> None:
    found = compiled(options)
    assert (found.signature.priority, found.level) == (priority, level)


def test_an_unknown_class_is_said() -> None:
    assert compiled("classtype:unheard-of;").warnings == ("classtype unheard-of is not known: its priority is 3",)


def test_references() -> None:
    found = compiled("reference:url,example.org/a,b; reference:CVE,2015-5374; reference:bid,7;")
    assert found.references == ("https://example.org/a,b", "https://cve.example/2015-5374", "bid:7")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("rev:0;", "rev '0' is no number"),
        ("rev:1; rev:2;", "rev is given twice"),
        ("sid:2;", "sid is given twice"),
        ('msg:"n";', "msg is given twice"),
        ("priority:high;", "priority 'high' is no number"),
        ('priority:"1";', "the value of priority has quotes"),
        ("reference:url;", "reference cannot be read: url"),
        ("target:foo;", "unknown target 'foo'"),
        ("prefilter;", "prefilter has nothing before it"),
    ],
)
def test_mistakes(options: str, problem: str) -> None:
    assert refused(options).problem == problem
