"""tshark as a reference: values of fields per frame, and frames that a display filter selects."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

OPTIONS = ("tcp.desegment_tcp_streams:TRUE", "tcp.reassemble_out_of_order:TRUE", "tcp.check_checksum:FALSE", "ip.defragment:TRUE",
           "ip.check_checksum:FALSE", "udp.check_checksum:FALSE", "tcp.no_subdissector_on_error:TRUE")  # fmt: skip
SEPARATOR, AGGREGATOR = "\x1e", "\x1f"


def require_tool(name: str) -> None:
    """Skips loudly where a program is missing; in CI that is a failure."""
    if shutil.which(name) is None:
        message = f"{name} is not installed: tests/install_tools.sh installs it"
        if os.environ.get("DETECTOR_REQUIRE_TOOLS"):
            pytest.fail(message)
        pytest.skip(message)


def run(arguments: Sequence[str]) -> Iterator[str]:
    """tshark's lines. The user's own profile is not read."""
    with tempfile.TemporaryDirectory() as profile:
        options = [word for option in OPTIONS for word in ("-o", option)]
        made = subprocess.run(["tshark", "-n", *options, *arguments], capture_output=True, check=False, encoding="utf-8", errors="replace",
                              env={**os.environ, "WIRESHARK_CONFIG_DIR": profile})  # fmt: skip
    yield from made.stdout.split("\n")[:-1]


def values(capture: Path, fields: Sequence[str], most: int) -> Iterator[dict[str, list[str]]]:
    """{field: values as text} of each frame."""
    chosen = [word for field in fields for word in ("-e", field)]
    for line in run(["-r", str(capture), "-c", str(most), "-T", "fields", "-E", f"separator={SEPARATOR}", "-E", f"aggregator={AGGREGATOR}",
                     "-E", "occurrence=a", *chosen]):  # fmt: skip
        texts = line.split(SEPARATOR)
        yield {field: text.split(AGGREGATOR) if text else [] for field, text in zip(fields, texts, strict=True)}


def frames(capture: Path, display_filter: str) -> list[int]:
    """Numbers of the frames that a filter selects."""
    return [int(line) for line in run(["-r", str(capture), "-Y", display_filter, "-T", "fields", "-e", "frame.number"])]


def select(capture: Path, display_filter: str, path: Path) -> Path:
    """Writes the frames that a filter selects; the path."""
    list(run(["-r", str(capture), "-Y", display_filter, "-F", "pcap", "-w", str(path)]))
    return path


def accepts(display_filter: str, capture: Path) -> bool:
    """Whether tshark can compile a filter."""
    made = subprocess.run(
        ["tshark", "-n", "-r", str(capture), "-c", "1", "-Y", display_filter], capture_output=True, check=False
    )
    return made.returncode == 0
