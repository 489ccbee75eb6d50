"""Compressed captures that are cut, damaged, hostile or nested: read as far as they go, and said so."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import zstandard

from detector.capture import open_source
from detector.capture.compressed import FORMATS, recognise
from detector.errors import InputError
from tests.runs import pcap_bytes

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zstd": lambda data: zstandard.ZstdCompressor().compress(data), "xz": lzma.compress, "bzip2": bz2.compress,
}  # fmt: skip
CHOSEN = random.Random(1)
FRAMES = [(number * 10**9, CHOSEN.randbytes(1000)) for number in range(2000)]  # cannot be packed: a cut is anywhere
WHOLE = pcap_bytes(FRAMES)


@cache
def packed_by(name: str) -> bytes:
    """WHOLE, packed."""
    return PACKERS[name](WHOLE)


def read(path: Path) -> tuple[list[bytes], list[str]]:
    """The packets of a capture, and the warnings."""
    source = open_source([str(path)])
    found = []
    for batch in source.batches():
        found += [batch.buffer[start:stop].tobytes() for start, stop in zip(batch.starts, batch.stops, strict=True)]
    return found, source.report.warnings


@pytest.mark.parametrize("name", PACKERS)
def test_a_whole_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(packed_by(name))
    assert read(path) == ([data for _, data in FRAMES], [])
    assert recognise(path.read_bytes()[:10]) == next(one[1:] for one in FORMATS if one[1] == name)


@pytest.mark.parametrize("name", PACKERS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.999])
def test_a_cut_one_is_read_up_to_the_cut(name: str, part: float, tmp_path: Path) -> None:
    """A transfer that broke off: what came is still evidence, and the warning says at which packet it ends."""
    path = tmp_path / "a.pcap"
    packed = packed_by(name)
    path.write_bytes(packed[: int(len(packed) * part)])
    if name == "bzip2" and part == 0.1:  # its blocks are of 900 kB: not even the file header
        with pytest.raises(InputError, match="its bzip2 data is damaged or cut short"):
            read(path)
        return
    found, warnings = read(path)
    assert found == [data for _, data in FRAMES[: len(found)]]
    assert len(found) > len(FRAMES) * part - (900 if name == "bzip2" else 150)
    assert (
        len(warnings) == 1 and f"read up to packet {len(found)}" in warnings[0]
    ) or f"after packet {len(found)}" in warnings[0]
    assert name in warnings[0] or "cut short" in warnings[0]


@pytest.mark.parametrize("name", PACKERS)
def test_a_damaged_one_ends_where_the_damage_is(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    packed = bytearray(packed_by(name))
    for at in range(len(packed) // 2, len(packed) // 2 + 50):
        packed[at] ^= 0x5A
    path.write_bytes(packed)
    found, warnings = read(path)
    assert len(found) <= len(FRAMES) and warnings
    assert all(len(data) == 1000 for data in found)


@pytest.mark.parametrize("name", PACKERS)
def test_one_that_is_cut_within_the_file_header(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(PACKERS[name](WHOLE[:20]))
    with pytest.raises(InputError, match="cut short within the file header"):
        read(path)
    path.write_bytes(packed_by(name)[:8])
    with pytest.raises(InputError) as refused:
        read(path)
    assert str(path) in refused.value.problem and name in refused.value.problem, refused.value.problem


@pytest.mark.parametrize("name", PACKERS)
def test_one_that_holds_something_else(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(PACKERS[name](b"a text of some length, and no capture"))
    with pytest.raises(InputError, match="is not a capture"):
        read(path)
    path.write_bytes(PACKERS[name](packed_by(name)[:50000]))
    with pytest.raises(InputError, match="is not a capture"):
        read(path)


@pytest.mark.parametrize("name", PACKERS)
def test_a_bomb_costs_no_memory(name: str, tmp_path: Path) -> None:
    """Sixty-four megabytes of zeros from some kilobytes: unpacked piece by piece, given up at the first record that is none."""
    path = tmp_path / "a.pcap"
    path.write_bytes(PACKERS[name](WHOLE[:24] + b"\xff" * 16 + bytes(64 * 2**20)))
    tracemalloc.start()
    try:
        found, warnings = read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found == [] and "damaged" in warnings[0]
    assert peak < 32 * 2**20


def test_standard_input_may_be_compressed(tmp_path: Path) -> None:
    """`zcat` is not needed: `detector decode - < capture.pcap.gz`."""
    done = subprocess.run([sys.executable, "-m", "detector", "decode", "-", "--fields", "frame.len"], input=gzip.compress(WHOLE),
                          capture_output=True, check=True, env=os.environ)  # fmt: skip
    assert len(done.stdout.splitlines()) == len(FRAMES) + 1
