"""Suricata rules as rules of ours: ids, levels, days, revisions, refusals."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.rules.suricata import NO_LIMIT, day_of, rule_id

HEADER = "alert tcp any any -> any any"


def loaded(folder: Path, *texts: str) -> Ruleset:
    path = folder / "a.rules"
    path.write_text("\n".join(texts) + "\n")
    return load_rules([path])


def test_an_id_is_made_of_gid_and_sid() -> None:
    """It is the UUID of version 5 that RFC 9562 gives for the name in our namespace, whatever the program's version."""
    for gid, sid in ((1, 2000001), (3, 1), (1, 4294967295)):
        assert rule_id(gid, sid) == str(uuid.uuid5(uuid.UUID("3f0c8a52-9d1e-4f6b-8a7c-5e2d40b1c973"), f"{gid}:{sid}"))


def test_what_an_alert_says_of_it(tmp_path: Path) -> None:
    (rule,) = loaded(tmp_path, f'{HEADER} (msg:"caf\u00e9"; content:"a"; classtype:trojan-activity; reference:url,example.com/x; sid:7; '
                               "rev:2; metadata:created_at 2020_01_05, mitre_technique_id T0836;)").rules  # fmt: skip
    assert rule.title == "caf\u00e9" and rule.level == "high" and rule.limit == NO_LIMIT and rule.date == "2020-01-05"
    assert rule.category == "A Network Trojan was detected" and rule.references == ("http://example.com/x",)
    assert rule.tags == ("attack.ics.t0836",) and rule.table == "packet"
    assert rule.signature is not None and (rule.signature.gid, rule.signature.sid, rule.signature.rev) == (1, 7, 2)


@pytest.mark.parametrize(
    ("priority", "level"), [(1, "high"), (2, "medium"), (3, "low"), (4, "informational"), (255, "informational")]
)
def test_level_follows_priority(tmp_path: Path, priority: int, level: str) -> None:
    assert loaded(tmp_path, f'{HEADER} (content:"a"; priority:{priority}; sid:1;)').rules[0].level == level


def test_of_one_number_the_higher_revision_counts_and_of_equal_ones_the_first(tmp_path: Path) -> None:
    """As Suricata 7.0.10 does: it refuses the second of equal revisions and lower ones, and replaces the first by higher."""
    ruleset = loaded(tmp_path, *(f'{HEADER} (msg:"{rev}{letter}"; content:"a"; sid:1; rev:{rev};)' for rev, letter in
                                 ((2, "a"), (2, "b"), (1, "c"), (3, "d"))), f'{HEADER} (content:"a"; sid:1; gid:2;)')  # fmt: skip
    assert [rule.title for rule in ruleset.rules] == ["3d", "Suricata rule 2:1"]
    assert [(one.title, one.why) for one in ruleset.refused] == [
        ("2a", "replaced"),
        ("2b", "mistake"),
        ("1c", "mistake"),
    ]


def test_a_refused_rule_stops_no_other(tmp_path: Path) -> None:
    ruleset = loaded(
        tmp_path,
        f'{HEADER} (content:"a"; http.uri; sid:1;)',
        f'{HEADER} (content:"a"; sid:2;)',
        f'{HEADER} (msg:"x"; sid:3; nosuch;)',
        "?",
    )
    assert [rule.signature.sid for rule in ruleset.rules if rule.signature] == [2]
    assert [(one.why, one.sid, one.keyword) for one in ruleset.refused] == [
        ("unsupported", 1, "http.uri"), ("mistake", 3, "nosuch"), ("mistake", 0, "")]  # fmt: skip
    assert ruleset.suricata == 4


def test_noalert_makes_a_rule_silent(tmp_path: Path) -> None:
    ruleset = loaded(tmp_path, f'{HEADER} (content:"a"; flowbits:set,x; flowbits:noalert; sid:1;)', f'{HEADER} (content:"a"; noalert; sid:2;)',
                     f'{HEADER} (content:"a"; flowbits:set,x; sid:3;)')  # fmt: skip
    assert [rule.silent for rule in ruleset.rules] == [True, True, False]


def test_a_variable_that_is_not_set_makes_it_inactive(tmp_path: Path) -> None:
    path = tmp_path / "a.rules"
    path.write_text('alert tcp $EXTERNAL_NET any -> $HOME_NET $PORTS (content:"a"; sid:1;)\n')
    assert "not set" in load_rules([path]).rules[0].inactive
    assert load_rules([path], home_net=["10.0.0.0/8"], variables={"PORTS": "80,1024..2048"}).rules[0].inactive == ""


def test_a_day_that_is_none_is_left_out() -> None:
    assert day_of([("created_at", "2020_02_30")]) == "" and day_of([("created_at", "2020_02_29")]) == "2020-02-29"


def test_yaml_and_rules_files_of_one_folder(tmp_path: Path) -> None:
    """In the order of files; an override names a Suricata rule by its numbers."""
    (tmp_path / "b.rules").write_text(f'{HEADER} (msg:"b"; content:"a"; sid:1;)\n')
    (tmp_path / "a.yml").write_text(
        "title: a\nid: 0e6f4b0e-2f0c-4a59-9b55-6d6c2d0f7c11\nlevel: low\ndetection: {x: {tcp.dstport: 1}, condition: x}\n"
    )
    (tmp_path / "overrides.yml").write_text(
        "- {rule: '1:1', reason: noise, until: 2100-01-01, level: low, disable: true}\n"
    )
    ruleset = load_rules([tmp_path])
    assert [(rule.title, bool(rule.inactive)) for rule in ruleset.rules] == [("a", False), ("b", True)]
