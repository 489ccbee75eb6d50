"""`detector lint`: every mistake of every file at once, and what would be better; exit code 1 for mistakes only."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.cli.command import COLOUR, detector, inside, on_terminal, refused
from tests.rules.test_messages import FOLDER as BROKEN
from tests.runs import RULES

RULE = RULES / "modbus" / "modbus-write-from-unknown-master.yml"


def test_the_shipped_rules_have_no_mistake() -> None:
    done = detector("lint", RULES)
    assert done.code == 0 and done.err == ""
    assert re.fullmatch(r"\d+ rules in \d+ files, no mistakes, 0 warnings\n\d+ rules run only where .*\n", done.out)


def test_all_mistakes_at_once_with_their_places(tmp_path: Path) -> None:
    """A file with several mistakes and a folder with more: one run says all, in order, and counts them."""
    for name in ("several-mistakes", "field-unknown", "yaml-tab"):
        shutil.copy(BROKEN / f"{name}.yml", tmp_path)
    done = detector("lint", tmp_path, BROKEN / "level-unknown.yml")
    assert done.code == 1 and done.err == ""
    places = re.findall(r"^(\S+\.yml):(\d+):(\d+): ", done.out, re.MULTILINE)
    assert done.out.splitlines()[-1] == f"{len(places)} mistakes" and len(places) >= 6
    assert {Path(path).stem for path, *_ in places} == {
        "several-mistakes",
        "field-unknown",
        "yaml-tab",
        "level-unknown",
    }
    assert [(path, int(line), int(column)) for path, line, column in places] == sorted(
        (path, int(line), int(column)) for path, line, column in places
    )
    assert done.out.count("\nhint: ") == len(places)


def test_one_mistake_is_one() -> None:
    assert inside("lint", BROKEN / "id-no-uuid.yml").out.splitlines()[-1] == "1 mistake"


def test_packets_of_tests_are_read_too(tmp_path: Path) -> None:
    """A test whose packets cannot be read is a mistake in the file: its author wants to know before CI does."""
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE.read_text().replace("TCP(dport=502)", "TPC(dport=502)", 1))
    assert "TPC(" in rule.read_text()
    done = inside("lint", rule)
    assert done.code == 1
    assert "unknown layer 'TPC'" in done.out and "hint: did you mean TCP?" in done.out
    line = next(number for number, text in enumerate(rule.read_text().splitlines(), 1) if "TPC(" in text)
    column = rule.read_text().splitlines()[line - 1].index("TPC") + 1
    assert done.out.startswith(f"{rule}:{line}:{column}: ")
    assert done.out.splitlines()[2].index("^^^") == done.out.splitlines()[1].index("TPC")


def test_warnings_are_no_mistakes(tmp_path: Path) -> None:
    rule = tmp_path / "rule.yml"
    rule.write_text(
        "title: Bare\nid: 5c2d1f0e-6f0b-4a43-9a0e-3a1c8f6f2a12\nlevel: low\n"
        "detection: {a: {tcp.dstport: 502}, condition: a}\n"
    )
    done = inside("lint", rule)
    assert done.code == 0
    assert done.out.count("warning: ") == 3 and done.out.endswith("1 rule in 1 file, no mistakes, 3 warnings\n")


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    done = inside("lint", "/no/such/file", RULE, "/no/such/folder")
    assert done.code == 2 and done.out == ""
    assert [line.partition(" (hint")[0] for line in done.err.splitlines()] == [
        "/no/such/file: no such file or folder", "/no/such/folder: no such file or folder"]  # fmt: skip
    assert (
        refused(inside("lint", tmp_path))
        == f"{tmp_path}: no rule in this folder (hint: rules are .yml and .rules files)"
    )


@pytest.mark.parametrize("name", ["Makefile", "README.md", "replay_pcaps/minute-attack/capture.pcap"])
def test_files_that_hold_no_rules(name: str) -> None:
    done = inside("lint", RULES.parent / name)
    assert done.code == 1 and done.err == "" and "mistake" in done.out.splitlines()[-1]


def test_nothing_is_coloured() -> None:
    code, written = on_terminal("lint", BROKEN / "level-unknown.yml")
    assert code == 1 and COLOUR.search(written) is None and "did you mean high?" in written


def test_suricata_rules_are_listed_by_what_is_wrong(tmp_path: Path) -> None:
    """Mistakes fail; what is not supported is said and counted; older revisions and missing classtypes are warnings."""
    path = tmp_path / "a.rules"
    good = 'alert tcp any any -> any any (msg:"a"; content:"abc"; sid:1; rev:1;)\n'
    path.write_text(good + good.replace("rev:1", "rev:2") + good.replace("sid:1", "http.uri; sid:2"))
    done = detector("lint", path)
    assert (
        done.code == 0 and "not supported: " in done.out and "a.rules:3:55: rule 1:2: the keyword http.uri" in done.out
    )
    assert done.out.endswith("1 rule in 1 file, no mistakes, 1 warning, 1 refused: http.uri 1\n")
    path.write_text(good + "alert tcp any any -> any any (sid:3)\n")
    done = detector("lint", path)
    assert done.code == 1 and "a.rules:2:35: rule 1:3: the option 'sid' does not end with ;" in done.out
    assert done.out.endswith("1 rule in 1 file, 1 mistake, 0 warnings\n")


def test_rules_that_wait_for_variables_are_counted(tmp_path: Path) -> None:
    """Whoever runs them elsewhere sees what has to be set; what a suricata.yaml sets is not asked for."""
    path = tmp_path / "team.rules"
    path.write_text(
        'alert tcp $PLC any -> $HOME_NET 502 (msg:"a"; content:"abc"; sid:1;)\n'
        'alert tcp $PLC any -> any 502 (msg:"b"; content:"abc"; sid:2;)\n'
    )
    said = "only where variables are set (--home-net, --var)"
    assert detector("lint", path).out.splitlines()[-1] == f"2 rules run {said}: $PLC 2"
    (tmp_path / "suricata.yaml").write_text('%YAML 1.1\n---\nvars:\n  address-groups:\n    PLC: "10.0.0.1"\n')
    done = detector("lint", path, "--suricata-yaml", tmp_path / "suricata.yaml")
    assert done.out.splitlines()[-1] == f"1 rule runs {said}: $HOME_NET 1"
