"""YAML's payload rules mean what the same Suricata rule means."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from detector.rules.loader import load_rules
from detector.rules.model import Rule

HEAD = "title: a\nid: 0e6f4b0e-2f0c-4a59-9b55-6d6c2d0f7c11\nlevel: low\n"


def of_yaml(folder: Path, text: str) -> Rule:
    path = folder / "a.yml"
    path.write_text(HEAD + text)
    return load_rules([path], home_net=["10.0.0.0/8"]).rules[0]


def of_suricata(folder: Path, text: str) -> Rule:
    path = folder / "a.rules"
    path.write_text(text + "\n")
    ruleset = load_rules([path], home_net=["10.0.0.0/8"])
    assert not ruleset.refused, ruleset.refused[0].error()
    return ruleset.rules[0]


@pytest.mark.parametrize(
    ("yaml", "suricata"),
    [
        ('traffic: tcp $EXTERNAL_NET any -> $HOME_NET 502\nconditions:\n  - flow: established,to_server\npayload:\n  - content: "|00 01|ab"\n'
         "    offset: 2\n    depth: 5\n    nocase: true\n  - content: xy\n    negated: true\n    distance: 1\n    within: 9\n",
         'tcp $EXTERNAL_NET any -> $HOME_NET 502 (flow:established,to_server; content:"|00 01|ab"; offset:2; depth:5; nocase; '
         'content:!"xy"; distance:1; within:9; sid:1;)'),
        ("traffic: udp any any <> any 53\npayload:\n  - content: abc\n  - byte_test: 1,>,5,0,relative\n  - pcre: /a+b/i\n"
         "  - pcre: /zz/\n    negated: true\n  - isdataat: '!10,relative'\n",
         'udp any any <> any 53 (content:"abc"; byte_test:1,>,5,0,relative; pcre:"/a+b/i"; pcre:!"/zz/"; isdataat:!10,relative; sid:1;)'),
        ("traffic: tcp any any -> any any\npayload:\n  - buffer: tcp.hdr\n  - content: '|02 04|'\n  - byte_test: 2,>,500,0,relative\n",
         'tcp any any -> any any (tcp.hdr; content:"|02 04|"; byte_test:2,>,500,0,relative; sid:1;)'),
        ("traffic: ip any any -> any any\nconditions:\n  - ttl: '<5'\n  - sameip\n", "ip any any -> any any (ttl:<5; sameip; sid:1;)"),
        ("traffic: tcp any any -> any any\nconditions:\n  - flowbits: set,x\n  - flowbits: noalert\npayload:\n  - content: a\n",
         'tcp any any -> any any (flowbits:set,x; flowbits:noalert; content:"a"; sid:1;)'),
        ("traffic: tcp any any -> any any\nsuricata: {sid: 5, gid: 2, rev: 3, classtype: misc-attack, metadata: [a b, c d]}\npayload:\n  - content: a\n"
         "    fast_pattern: true\n",
         'tcp any any -> any any (content:"a"; fast_pattern; sid:5; gid:2; rev:3; classtype:misc-attack; metadata:a b, c d;)'),
    ],
)  # fmt: skip
def test_both_spellings_are_the_same_rule(tmp_path: Path, yaml: str, suricata: str) -> None:
    ours, theirs = of_yaml(tmp_path, yaml), of_suricata(tmp_path, f"alert {suricata}")
    assert ours.signature is not None and theirs.signature is not None
    sid = theirs.signature.sid if "suricata:" in yaml else 0
    assert ours.signature == replace(theirs.signature, sid=sid)
    assert ours.test == theirs.test and ours.silent == theirs.silent and ours.category == theirs.category


def test_detection_stands_beside_it(tmp_path: Path) -> None:
    """Both must hold; a rule of ours keeps the default limit, and an imported one says that it has none."""
    rule = of_yaml(
        tmp_path,
        "traffic: tcp any any -> any 502\npayload:\n  - content: a\ndetection:\n  big: {frame.len|gt: 100}\n  condition: big\n",
    )
    assert (
        rule.test is not None and rule.fields == ("frame.len",) and rule.signature is not None and rule.limit.count == 1
    )
    assert of_yaml(tmp_path, "traffic: tcp any any -> any 502\nalert: {limit: none}\n").limit.count == 2**31


def test_a_variable_that_is_not_set(tmp_path: Path) -> None:
    assert (
        of_yaml(tmp_path, "traffic: tcp any any -> $NOWHERE 502\npayload:\n  - content: a\n").inactive
        == "$NOWHERE is not set"
    )
