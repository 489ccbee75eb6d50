"""What a threshold file does to rules: Suricata's order of precedence."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import InputErrors
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.rules.signature import Signature, Subject, Threshold

RULES = """alert tcp any any -> any any (content:"a"; sid:1;)
alert tcp any any -> any any (content:"a"; threshold:type limit,track by_src,count 9,seconds 9; sid:2;)
alert tcp any any -> any any (content:"a"; detection_filter:track by_src,count 9,seconds 9; sid:3; gid:2;)
"""


def loaded(folder: Path, entries: str) -> Ruleset:
    (folder / "a.rules").write_text(RULES)
    (folder / "t.config").write_text(entries)
    (folder / "s.yaml").write_text("vars: {address-groups: {LAB: 10.9.0.0/16}}\nthreshold-file: t.config\n")
    return load_rules([folder / "a.rules"], suricata_yaml=folder / "s.yaml")


def signatures(ruleset: Ruleset) -> list[Signature]:
    return [rule.signature for rule in ruleset.rules if rule.signature is not None]


def test_an_entry_for_one_rule_takes_the_place_of_its_own(tmp_path: Path) -> None:
    entry = "type both, track by_dst, count 2, seconds 60"
    made = signatures(
        loaded(tmp_path, f"threshold gen_id 1, sig_id 2, {entry}\nthreshold gen_id 2, sig_id 3, {entry}\n")
    )
    wanted = Threshold("both", Subject.DESTINATION, 2, 60)
    assert [(one.threshold, one.detection_filter) for one in made] == [(None, None), (wanted, None), (wanted, None)]


def test_an_entry_for_all_leaves_those_alone_that_have_one(tmp_path: Path) -> None:
    made = signatures(loaded(tmp_path, "threshold gen_id 0, sig_id 0, type limit, track by_src, count 1, seconds 5\n"))
    assert [one.threshold.count if one.threshold else 0 for one in made] == [1, 9, 0] and made[
        2
    ].detection_filter is not None
    made = signatures(loaded(tmp_path, "suppress gen_id 2, sig_id 0\n"))
    assert [len(one.suppressions) for one in made] == [0, 0, 1]


def test_suppressions_add_up(tmp_path: Path) -> None:
    base = 0xFFFF << 32
    made = signatures(
        loaded(
            tmp_path,
            "suppress gen_id 1, sig_id 1, track by_src, ip 10.0.0.7\nsuppress gen_id 1, sig_id 1, track by_dst, ip $LAB\n",
        )
    )
    first, second = made[0].suppressions
    assert (
        first.subject == Subject.SOURCE
        and first.addresses is not None
        and first.addresses.ranges == ((base + 0x0A000007, base + 0x0A000007),)
    )
    assert (
        second.subject == Subject.DESTINATION
        and second.addresses is not None
        and second.addresses.ranges == ((base + 0x0A090000, base + 0x0A09FFFF),)
    )


def test_a_rule_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    ruleset = loaded(tmp_path, "suppress gen_id 1, sig_id 99\n")
    assert len(ruleset.warnings) == 1 and "there is no rule 1:99" in ruleset.warnings[0]


def test_addresses_that_are_none(tmp_path: Path) -> None:
    for text in ("10.0.0.300", "$NOWHERE"):
        with pytest.raises(InputErrors) as refused:
            loaded(tmp_path, f"suppress gen_id 1, sig_id 1, track by_src, ip {text}\n")
        (error,) = refused.value.errors
        assert error.position is not None and error.position.line == 1 and error.hint
