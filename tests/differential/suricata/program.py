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
    """Suricata in single mode; its files go into the folder. stdout has stderr too.

    Raises:
        UnreadableCapture: it cannot read the capture, and would now wait for a minute.
    """
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
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as program:
        assert program.stdout is not None
        for line in program.stdout:
            said.append(line)
            if "datalink type" in line:
                program.kill()
                raise UnreadableCapture(line)
    return subprocess.CompletedProcess(command, program.returncode, "".join(said))


def events(yaml: str, rules: Path, capture: Path, folder: Path, *, may_refuse: bool = False) -> list[dict[str, Any]]:
    """What Suricata writes into eve.json, which the configuration must ask for. may_refuse: rules that do not load are left out."""
    log = folder / "eve.json"
    log.unlink(missing_ok=True)
    done = run(yaml, ["-S", rules, "-r", capture], folder)
    assert done.returncode == 0, done.stdout[-2000:]
    assert may_refuse or "rror parsing signature" not in done.stdout, done.stdout[-2000:]
    return [json.loads(line) for line in log.read_text().splitlines()]
