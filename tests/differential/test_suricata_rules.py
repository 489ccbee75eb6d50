"""Payload rules in Suricata and here: each keyword's rules on captures that make it matter, on real ones, and rules at random."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from detector.capture import open_source
from tests.conftest import captures_folder
from tests.differential import tshark
from tests.differential.suricata.captures import CAPTURES
from tests.differential.suricata.compare import (
    Table,
    flow_of_document,
    load_ours,
    ours,
    refused_by_suricata,
    theirs,
)
from tests.differential.suricata.exemptions import EXEMPTIONS
from tests.differential.suricata.generator import Payload, quoted
from tests.differential.suricata.rules import FAMILIES, all_rules, keywords_of, write_rules
from tests.differential.suricata.run import Comparison, built_capture, payloads_of
from tests.runs import SCENARIOS, alerts_of
from tests.samples import IS_LONG

pytestmark = pytest.mark.differential
REAL_FOLDERS = ("bacnet", "beckhoff", "dnp3", "enip", "fins", "fox", "goose_mms", "hart_ip", "iec104", "malformed", "melsec", "mixed",
                "modbus", "modicon", "opcua", "profinet", "s7comm", "synchrophasor", "zigbee")  # fmt: skip
MOST_OF_A_FOLDER = 4
MOST_BYTES = 3_000_000
RANDOM_CAPTURES = ("udp_payloads", "tcp_payloads", "server_texts", "chains")


@pytest.fixture(autouse=True, scope="module")
def suricata() -> None:
    tshark.require_tool("suricata")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The rules, loaded once."""
    return Comparison(tmp_path_factory.mktemp("suricata"))


def test_suricata_loads_every_rule(tmp_path: Path) -> None:
    """Five hundred and more, all valid: a rule that Suricata refuses would be compared with nothing."""
    rules = all_rules()
    assert len(rules) >= 500
    assert refused_by_suricata(write_rules(tmp_path / "all.rules", rules), tmp_path) == {}


def test_captures_make_keywords_matter(tmp_path: Path) -> None:
    """Every keyword has a rule that alerts in Suricata on some capture, but for those that ask for silence."""
    rules = all_rules()
    path = write_rules(tmp_path / "all.rules", rules)
    keywords = {sid: keywords_of(header, options) for sid, (_, header, options) in rules.items()}
    loud: Counter[str] = Counter()
    for name in CAPTURES:
        for sid in {seen.sid for seen in theirs(built_capture(name, tmp_path), path, tmp_path)}:
            loud.update(keywords[sid])
    known = {keyword for found in keywords.values() for keyword in found}
    assert known - loud.keys() == {"noalert", "flowbits:noalert"}


def test_both_load_the_same_rules(comparison: Comparison) -> None:
    assert comparison.refused == []


@pytest.mark.parametrize("name", CAPTURES)
def test_built_captures(comparison: Comparison, name: str, tmp_path: Path) -> None:
    compare(comparison, [built_capture(name, tmp_path)])


@pytest.mark.parametrize("name", sorted(path.parent.name for path in SCENARIOS.glob("*/capture.pcap")))
def test_shipped_scenarios(comparison: Comparison, name: str) -> None:
    compare(comparison, [SCENARIOS / name / "capture.pcap"])


@pytest.mark.slow
@pytest.mark.parametrize("folder", REAL_FOLDERS)
def test_real_captures(comparison: Comparison, captures: Path, folder: str) -> None:
    """Every so many of a folder's files; `make test-long` and `python -m tests.differential.suricata` take all."""
    files = sorted(path for path in (captures / folder).glob("*.pcap*") if path.stat().st_size <= MOST_BYTES)
    comparison.unreadable.clear()
    chosen = files if IS_LONG else files[:: len(files) // MOST_OF_A_FOLDER + 1]
    compare(comparison, chosen)
    if len(comparison.unreadable) == len(chosen):
        pytest.skip(f"Suricata knows no link type of {folder}'s captures")


@pytest.mark.parametrize("name", RANDOM_CAPTURES)
def test_rules_made_from_traffic(comparison: Comparison, name: str, tmp_path: Path) -> None:
    compare_random(comparison, built_capture(name, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["modbus/test-data-part1.pcap", "mixed/plant-modbus-s7-enip.pcap", "bacnet/services.pcap"]
)
def test_rules_made_from_real_traffic(comparison: Comparison, captures: Path, name: str) -> None:
    """Of 150 rules three may differ: Suricata misses what lies over the seam of two of its chunks, and has others where it
    parses the protocol."""
    compare_random(comparison, captures / name, 3)


def compare(comparison: Comparison, paths: list[Path]) -> None:
    """All rules on captures."""
    comparison.table = Table()
    for path in paths:
        comparison.capture(path)
    print(comparison.table.text())
    assert comparison.table.differences == []


def compare_random(comparison: Comparison, path: Path, most: int = 0) -> None:
    """150 rules made from a capture. most: of them that may differ."""
    comparison.chance = Table()
    comparison.random(path, 150, 5)
    print(comparison.chance.text())
    assert comparison.chance.agreed >= 40
    assert len(comparison.chance.differences) <= most, comparison.chance.differences


def test_exemptions_name_rules_and_reasons() -> None:
    """An exemption of nothing, or without a reason, hides the next difference."""
    for one in EXEMPTIONS:
        assert all(sid in all_rules() or 1_111_000 <= sid < 1_112_000 for sid in one.sids)
        assert len(one.reason.split()) > 4


def test_documents_say_the_same(tmp_path: Path) -> None:
    """Our alerts are told from rows; the documents that users get name the same rules and flows."""
    path = built_capture("datagrams", tmp_path)
    ruleset = load_ours([write_rules(tmp_path / "all.rules", all_rules())], tmp_path)
    documents = [
        (alert.rule.signature.sid, flow_of_document(alert.document))
        for alert in alerts_of(open_source([str(path)]), ruleset)
        if alert.rule.signature is not None
    ]
    assert documents == [(seen.sid, seen.flow) for seen in ours(path, ruleset)]
    assert len(documents) > 500


def test_families_are_tagged() -> None:
    """A rule's keywords are told from its options, whatever stands in quotes."""
    assert keywords_of("tcp any any -> any any", 'content:"a;depth:5"; pcre:!"/;dsize:1;/Ri"; flow:established,to_server; ') == [
        "alert tcp", "content", "pcre, negated", "flow:established", "flow:to_server"]  # fmt: skip
    assert all(keywords_of(header, options) for family in FAMILIES.values() for _, header, options in family)


def test_contents_are_quoted_as_rules_spell_them() -> None:
    assert quoted(b"ab\0;c|") == "ab|00 3b|c|7c|"
    assert re.fullmatch(r"\|00 01\|x", quoted(b"\0\x01x"))


def test_payloads_are_those_of_the_capture(tmp_path: Path) -> None:
    """tshark counts the datagrams with data of this capture."""
    path = built_capture("datagrams", tmp_path)
    found = payloads_of(path)
    frames = tshark.frames(path, "udp.length > 8 && ip")
    assert len(found) == len(frames)
    assert Payload("udp", 3000, 9999, b"GREETING udp client") in found


def test_real_folders_are_all_of_them() -> None:
    folder = captures_folder()
    if folder is None:
        pytest.skip("real captures are not here: set DETECTOR_CAPTURES")
    assert {path.name for path in folder.iterdir() if path.is_dir()} - {"quickdraw"} == set(REAL_FOLDERS)
