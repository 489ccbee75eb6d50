"""Runs the real Suricata on a capture, with a configuration of the caller's."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class UnreadableCapture(Exception):
    """Suricata does not know the link type."""


def run(yaml: str, arguments: Sequence[str | Path], folder: Path) -> subprocess.CompletedProcess[str]:
    """Suricata in single mode; its files go into the folder."""
    path = folder / "suricata.yaml"
    path.write_text(yaml)
    command = [
        "suricata",
        "--runmode",
        "single",
        "-k",
        "none",
        "-c",
        str(path),
        "-l",
        str(folder),
        *map(str, arguments),
    ]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def events(yaml: str, rules: Path, capture: Path, folder: Path, *, may_refuse: bool = False) -> list[dict[str, Any]]:
    """What Suricata writes into eve.json, which the configuration must ask for. may_refuse: rules that do not load are left out."""
    log = folder / "eve.json"
    log.unlink(missing_ok=True)
    done = run(yaml, ["-S", rules, "-r", capture], folder)
    if "datalink type" in done.stderr:
        raise UnreadableCapture(capture)
    assert done.returncode == 0, done.stderr[-2000:]
    assert may_refuse or "rror parsing signature" not in done.stdout + done.stderr, done.stderr[-2000:]
    return [json.loads(line) for line in log.read_text().splitlines()]
