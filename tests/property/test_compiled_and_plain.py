"""Kernels mean the same compiled and as plain Python: every column and every alert, and no kernel is left out."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.differential.test_modbus import built as built_modbus
from tests.differential.test_packet_fields import built_capture
from tests.rough import disordered, repeated, split_and_wrapped
from tests.runs import ROOT, SCENARIOS, frames_of, pcap_bytes

REAL = ("modbus/test-data-part1.pcap", "mixed/plant-modbus-s7-enip.pcap", "enip/enip-test.pcap")
SEED = 20240501


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Built packets of every layer, every Modbus function, rough traffic, and a piece of each scenario."""
    folder = tmp_path_factory.mktemp("digest")
    made = [built_capture(folder), built_modbus(folder)]
    pieces = {path.parent.name: frames_of(path, 150, 150) for path in sorted(SCENARIOS.glob("*/capture.pcap"))}
    pieces |= {
        "disordered": disordered(SEED)[500:900],
        "repeated": repeated(SEED)[800:1200],
        "split": split_and_wrapped(SEED)[700:1400],
    }
    for name, frames in pieces.items():
        made.append(folder / f"{name}.pcap")
        made[-1].write_bytes(pcap_bytes(frames))
    return made


def digests(files: list[Path], is_plain: bool) -> dict[str, Any]:
    """tests.digest in a process of its own."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1" if is_plain else "0"}
    warned = ["-W", "error::RuntimeWarning"] if is_plain else []
    done = subprocess.run([sys.executable, *warned, "-m", "tests.digest", *map(str, files)], capture_output=True, text=True,
                          env=environment, cwd=ROOT)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def kernels() -> set[str]:
    """file:function of every kernel."""
    return {
        f"{path.name}:{node.name}"
        for path in (ROOT / "detector").rglob("*_kernels.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


def test_columns_and_alerts_are_the_same(files: list[Path]) -> None:
    """A byte that wraps in one of the two, or a division that rounds otherwise, would be a rule that fires by chance."""
    compiled, plain = digests(files, False), digests(files, True)
    ran = set(plain.pop("kernels"))
    assert compiled.pop("kernels") == []
    assert len(compiled) > 1000
    assert [what for what in compiled if compiled[what] != plain.get(what)] == []
    assert len(compiled) == len(plain)
    assert sorted(kernels() - ran - ELSEWHERE) == [], "kernels that no capture here reaches"


# Reached by tests of their own, in both modes.
ELSEWHERE: set[str] = set()


def test_a_real_capture_is_the_same(captures: Path) -> None:
    """And on bytes that nobody here made."""
    for name in REAL:
        if (path := captures / name).exists():
            compiled, plain = digests([path], False), digests([path], True)
            assert {**compiled, "kernels": 0} == {**plain, "kernels": 0}
