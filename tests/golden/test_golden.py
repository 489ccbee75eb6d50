"""Golden alerts, byte for byte: a change of any alert, its text, its id or its order is read by a person first."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from tests.golden.captures import CAPTURES
from tests.golden.golden import CASES, FOLDER, lines
from tests.golden.refresh import main
from tests.runs import ROOT, pcap_bytes

LARGEST = 200 * 1000  # bytes of all cases together


def name_of(folder: Path) -> str:
    return folder.name


def difference(folder: Path, found: list[str]) -> str:
    """A unified diff of the alerts, with the command that accepts it; nothing where there is none."""
    kept = (folder / "alerts.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    if found == kept:
        return ""
    diff = difflib.unified_diff(readable(kept), readable(found), f"{folder.name}/alerts.jsonl", "found now", n=2)
    return f"{''.join(diff)}\nright? then: python -m tests.golden.refresh {folder.name}"


def readable(documents: list[str]) -> list[str]:
    """A key a line, so that a diff shows what changed and not that a line of two kilobytes did."""
    return [f"{part}\n" for text in documents for part in text.rstrip().replace(',"', ',\n  "').split("\n")]


@pytest.mark.parametrize("folder", CASES, ids=name_of)
def test_alerts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    said = difference(folder, list(lines(folder)))
    assert not said, f"\n{said}"


def test_a_failure_shows_a_diff_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sees it red must see what changed, and how to accept it."""
    monkeypatch.chdir(ROOT)
    folder = FOLDER / "registers"
    found = list(lines(folder))
    found[0] = found[0].replace('"level":"', '"level":"not-')
    said = difference(folder, found)
    assert said.startswith("--- registers/alerts.jsonl\n+++ found now\n")
    changed = [line for line in said.splitlines() if line.startswith(("+", "-")) and line[:3] not in ("---", "+++")]
    assert len(changed) == 2 and "not-" in changed[1]
    assert said.endswith("right? then: python -m tests.golden.refresh registers")


def test_the_command_writes_what_is_there(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    path = FOLDER / "broken-packets" / "alerts.jsonl"
    before = path.read_bytes()
    monkeypatch.setattr("sys.argv", ["refresh", "broken-packets"])
    main()
    assert path.read_bytes() == before
    assert capsys.readouterr().out == f"broken-packets: {before.count(10)} alerts\n"


@pytest.mark.parametrize("name", CAPTURES)
def test_captures_are_built_byte_for_byte(name: str) -> None:
    assert (FOLDER / name / "capture.pcap").read_bytes() == pcap_bytes(CAPTURES[name]()), (
        "python -m tests.golden.captures"
    )


def test_every_case_tells_how_it_was_checked_and_all_are_small() -> None:
    assert len(CASES) >= 4
    for folder in CASES:
        said = (folder / "README.md").read_text(encoding="utf-8")
        assert said.startswith(f"# {folder.name}") and "tshark" in said
        assert (folder / "alerts.jsonl").read_bytes().count(b"\n") >= 1
    files = [path for folder in CASES for path in folder.iterdir() if not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < LARGEST
