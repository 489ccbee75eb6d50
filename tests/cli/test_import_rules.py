"""`detector import suricata`: what is written, what is refused and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.cli.main import main
from detector.rules.loader import load_rules

GOOD = 'alert tcp any any -> any 80 (msg:"good"; content:"abc"; sid:1; rev:2;)\n'
UNSUPPORTED = 'alert tcp any any -> any 80 (msg:"uri"; content:"abc"; http.uri; sid:2;)\n'
BROKEN = 'alert tcp any any -> any 80 (msg:"broken"; content:"abc"; nosuch:1; sid:3;)\n'


def test_rules_become_yaml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file for each, readable again; refused rules are listed and stand nowhere."""
    (tmp_path / "a.rules").write_text(GOOD + UNSUPPORTED + BROKEN)
    (tmp_path / "b.rules").write_text(GOOD.replace("sid:1", "sid:4"))
    out = tmp_path / "team"
    assert main(["import", "suricata", str(tmp_path / "a.rules"), str(tmp_path / "b.rules"), "-o", str(out)]) == 1
    said = capsys.readouterr().out
    assert (
        "a.rules:2:56: rule 1:2: the keyword http.uri is not supported" in said and "unknown keyword 'nosuch'" in said
    )
    assert said.endswith(f"2 rules written to 2 files in {out}; 2 rules refused, of these not supported: http.uri 1\n")
    assert sorted(file.name for file in out.iterdir()) == ["a.yml", "b.yml"]
    assert [rule.signature.sid for rule in load_rules([out]).rules if rule.signature] == [1, 4]
    assert "nosuch" not in (out / "a.yml").read_text()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.rules").write_text(GOOD)
    arguments = ["import", "suricata", str(tmp_path / "a.rules"), "-o", str(tmp_path / "team")]
    assert main(arguments) == 0
    assert main(arguments) == 2
    assert "is there already" in capsys.readouterr().err


def test_what_is_no_rules_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yml").write_text("title: a\n")
    assert main(["import", "suricata", str(tmp_path / "a.yml"), "-o", str(tmp_path / "team")]) == 2
    assert "no .rules file" in capsys.readouterr().err


def test_a_large_file_becomes_several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A YAML file of rules has a bound, a .rules file has not."""
    monkeypatch.setattr("detector.cli.import_rules.MOST_CHARACTERS", 1000)
    (tmp_path / "a.rules").write_text("".join(GOOD.replace("sid:1", f"sid:{number}") for number in range(1, 13)))
    assert main(["import", "suricata", str(tmp_path / "a.rules"), "-o", str(tmp_path / "team")]) == 0
    assert len(list((tmp_path / "team").iterdir())) > 1
    assert {rule.signature.sid for rule in load_rules([tmp_path / "team"]).rules if rule.signature} == set(range(1, 13))
