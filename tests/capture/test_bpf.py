"""Capture filters: what libpcap makes of them, and what it says of those that are wrong."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from detector.capture import bpf
from detector.errors import InputError
from tests.differential.tshark import require_tool
from tests.runs import ROOT


def listing(program: bytes) -> list[str]:
    """As `tcpdump -ddd` prints instructions."""
    return [" ".join(map(str, step)) for step in bpf.INSTRUCTION.iter_unpack(program)]


@pytest.mark.parametrize(("text", "link_type", "name"), [
    ("tcp port 502", 1, "EN10MB"), ("not (host 10.0.0.1 and udp)", 1, "EN10MB"), ("tcp[13] & 2 != 0", 12, "RAW"), ("vlan 7", 1, "EN10MB"),
])  # fmt: skip
def test_filters_are_what_tcpdump_makes_of_them(text: str, link_type: int, name: str) -> None:
    require_tool("tcpdump")
    made = subprocess.run(["tcpdump", "-ddd", "-s", "96", "-y", name, text], capture_output=True, text=True, check=True,
                          stdin=subprocess.DEVNULL)  # fmt: skip
    assert listing(bpf.compile_filter(text, link_type, 96)) == made.stdout.split("\n")[1:-1]


def test_no_filter_takes_everything_up_to_the_snaplen() -> None:
    assert listing(bpf.compile_filter("  ", 1, 96)) == ["6 0 0 96"]


@pytest.mark.parametrize("text", ["tcp prt 502", "port 99999", "host", "(", "ether host 10.0.0.1 and and", "port ü"])
def test_a_wrong_filter_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(InputError) as caught:
        bpf.compile_filter(text, 1, 96)
    assert caught.value.problem.startswith(f"filter {text!r}: ") and len(caught.value.problem) > len(text) + 15


def test_without_libpcap_one_is_told() -> None:
    """Only where a filter is asked for."""
    script = "import ctypes.util\nctypes.util.find_library = lambda name: None\nfrom detector.capture import bpf\n" \
             "bpf.compile_filter('', 1, 96)\ntry:\n    bpf.compile_filter('tcp', 1, 96)\nexcept Exception as e:\n    print(e)"  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, env=os.environ, check=True
    )
    assert done.stdout == "capture filters need libpcap (hint: install it (Debian: libpcap0.8))\n"
