"""Damaged and hostile captures end in alerts, counted anomalies or a one-line error: never a traceback, never a hang."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zstandard

from detector.capture import open_source
from detector.columns import Table
from detector.errors import InputError
from detector.pipeline import Pipeline
from detector.protocols.fields import FIELDS, table_of
from tests.flows.frames import SYN, tcp
from tests.pcapng import ENHANCED, Block, blocks, interface, section
from tests.rough import BUILT, attack, fragment
from tests.runs import SCENARIOS, Frame, frames_of, pcap_bytes, shipped_rules
from tests.samples import IS_LONG, SEED, sample

CAPTURES = sorted(SCENARIOS.glob("*/capture.pcap"))


def digested(path: Path, pipeline: Pipeline | None = None) -> str:
    """What became of a capture: "alerts" or the one line of its error."""
    pipeline = pipeline or Pipeline(shipped_rules())
    try:
        source = open_source([str(path)])
        for batch in source.batches():
            pipeline.process(batch)
    except InputError as error:
        assert error.problem and "\n" not in error.problem
        return str(error)
    assert not pipeline.engine.rule_errors
    return "; ".join(source.report.warnings) or "read"


def every_column(tables: dict[str, Table]) -> None:
    """Makes every column of every table, as rules and `detector decode` may ask."""
    for name in FIELDS:
        table: Table | None = tables.get(table_of(name))
        if table is None:
            continue
        if FIELDS[name].level == "object":
            objects = table.objects()
            assert objects is not None
            objects.column(name).flat()
        else:
            table.column(name).flat()


def test_every_malformed_capture(captures: Path) -> None:
    """What broke other programs: through all stages, all columns and all rules."""
    files = sorted(path for path in (captures / "malformed").rglob("*") if path.is_file())
    assert files
    for path in files:
        digested(path)
        pipeline = Pipeline(shipped_rules())
        try:
            for batch in open_source([str(path)]).batches():
                packets, pdus = pipeline.decoding.tables(batch)
                every_column({"packet": packets, **pdus})
                pipeline.decoding.following.remember(packets)
        except InputError as error:
            assert error.problem


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.parent.name)
def test_a_capture_cut_anywhere_in_its_first_2000_bytes(path: Path, tmp_path: Path) -> None:
    """A full disk or a killed tcpdump cuts a capture; what is whole is read, and the cut is said with its packet."""
    data = path.read_bytes()[:2000]
    pipeline = Pipeline(shipped_rules())
    cut = tmp_path / "cut.pcap"
    wholes = [24]
    while wholes[-1] + 16 <= len(data):
        wholes.append(wholes[-1] + 16 + int.from_bytes(data[wholes[-1] + 8 : wholes[-1] + 12], "little"))
    for length in sample(range(len(data) + 1), 250):
        cut.write_bytes(data[:length])
        said = digested(cut, pipeline)
        if length < 24:
            assert "cut short within the file header" in said or "is empty" in said or "is not a capture" in said, said
        else:
            packets = sum(whole <= length for whole in wholes) - 1
            expected = (
                "read" if length in wholes else f"{cut}: cut short in packet {packets + 1}; read up to packet {packets}"
            )
            assert said == expected, f"{length} bytes"


def overwritten(chosen: random.Random) -> Iterator[bytes]:
    """Small captures of every kind with some bytes overwritten, in packets and in the file's own headers."""
    pools: list[list[Frame]] = [frames_of(path, 0, 400) for path in CAPTURES] + [
        build(SEED) for build in BUILT.values()
    ]
    while True:
        pool = chosen.choice(pools)
        first = chosen.randrange(max(1, len(pool) - 12))
        data = bytearray(
            pcap_bytes(pool[first : first + 12], chosen.choice((1, 1, 1, 1, 0, 9, 12, 101, 113, 276, 228)))
        )
        start = 0 if chosen.random() < 0.1 else 24
        for _ in range(chosen.randrange(1, 40)):
            data[chosen.randrange(start, len(data))] = chosen.choice(
                (0, 1, 4, 6, 17, 69, 127, 128, 255, chosen.randrange(256))
            )
        yield bytes(data)


def test_captures_with_bytes_overwritten(tmp_path: Path) -> None:
    """No byte an attacker sends, wherever it stands, ends the program or a rule; every tenth has all columns made."""
    print(f"DETECTOR_SEED={SEED}")
    pipeline = Pipeline(shipped_rules())
    damaged = overwritten(random.Random(SEED))
    path = tmp_path / "damaged.pcap"
    for number in range(5000 if IS_LONG else 600):
        path.write_bytes(next(damaged))
        if number % 10:
            digested(path, pipeline)
            continue
        try:
            for batch in open_source([str(path)]).batches():
                packets, pdus = pipeline.decoding.tables(batch)
                every_column({"packet": packets, **pdus})
                pipeline.decoding.following.remember(packets)
        except InputError as error:
            assert error.problem
    assert pipeline.decoding.decoder.anomalies, "nothing was odd: the captures were not damaged"
    assert not pipeline.engine.rule_errors


@pytest.mark.parametrize("pack", ["gzip", "zstd", "xz", "bzip2"])
def test_a_compressed_capture_cut_or_damaged_anywhere(pack: str, tmp_path: Path) -> None:
    """A partly copied archive is read as far as it goes, and the rest is said."""
    data = pcap_bytes(attack()[:120])
    packed = {
        "gzip": gzip.compress,
        "zstd": zstandard.ZstdCompressor().compress,
        "xz": lzma.compress,
        "bzip2": bz2.compress,
    }[pack](data)
    path = tmp_path / "packed"
    path.write_bytes(packed)
    assert digested(path) == "read"
    chosen = random.Random(SEED)
    for _ in range(60):
        at = chosen.randrange(8, len(packed))
        path.write_bytes(packed[:at])
        assert digested(path) != "read", f"cut at {at} of {len(packed)}"
        path.write_bytes(packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :])
        digested(path)


SECTION, INTERFACE = section(), interface()


def claimed(number: int, captured: int, data: bytes) -> Block:
    """An enhanced packet block that says it holds `captured` bytes."""
    return ENHANCED, struct.pack("<IIIII", number, 0, 1, captured, captured) + data


HOSTILE = {
    "zero-length block": blocks(SECTION, INTERFACE) + struct.pack("<III", 6, 0, 0),
    "block of 4 GB": blocks(SECTION, INTERFACE) + struct.pack("<II", 6, 0xFFFFFFFC) + bytes(100),
    "length that is no multiple of four": blocks(SECTION, INTERFACE) + struct.pack("<II", 6, 33) + bytes(100),
    "packet longer than its block": blocks(SECTION, INTERFACE, claimed(0, 5000, b"abcd")),
    "packet of an interface that is not there": blocks(SECTION, INTERFACE, claimed(7, 4, b"abcd")),
    "packet before any interface": blocks(SECTION, claimed(0, 4, b"abcd")),
    "section with a wrong magic": blocks((0x0A0D0D0A, struct.pack("<IHHq", 0x12345678, 1, 0, -1)), INTERFACE),
    "section cut short": blocks(SECTION)[:20],
    "section of another version": blocks((0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 9, 0, -1)), INTERFACE, claimed(0, 4, b"abcd")),
    "option longer than its block": blocks(SECTION, (1, struct.pack("<HHIHH", 1, 0, 0, 9, 60000)), claimed(0, 4, b"abcd")),
    "resolution of 2**-127": blocks(SECTION, (1, struct.pack("<HHIHHB3xHH", 1, 0, 0, 9, 1, 255, 0, 0)), claimed(0, 14, bytes(14))),
    "time offset of years": blocks(SECTION, (1, struct.pack("<HHIHHqHH", 1, 0, 0, 14, 8, 2**62, 0, 0)), claimed(0, 14, bytes(14))),
    "lengths that differ": blocks(SECTION, INTERFACE)[:-4] + b"\xff\0\0\0",
    "100,000 sections": blocks(SECTION, INTERFACE) * 100_000,
    "100,000 interfaces": blocks(SECTION) + blocks(INTERFACE) * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pcapng(name: str, tmp_path: Path) -> None:
    """Block lengths are an attacker's too: no loop without end, no memory by the length a block claims."""
    path = tmp_path / "hostile.pcapng"
    path.write_bytes(HOSTILE[name])
    digested(path)


def test_a_damaged_record_is_said_with_its_packet(tmp_path: Path) -> None:
    """A person can look at the place: what came before was read, the rest is counted in bytes."""
    frames = attack()[:20]
    data = bytearray(pcap_bytes(frames))
    at = 24 + sum(16 + len(frame) for _, frame in frames[:10])
    struct.pack_into("<I", data, at + 8, 0x7FFFFFFF)
    path = tmp_path / "damaged.pcap"
    path.write_bytes(data)
    source = open_source([str(path)])
    assert sum(len(batch) for batch in source.batches()) == 10
    assert source.report.warnings == [f"{path}: damaged in packet 11; read up to packet 10"]
    assert sum(source.report.skipped_bytes.values()) == len(data) - at


def floods() -> dict[str, bytes]:
    """Traffic that asks an engine to remember: a quarter of a million packets each."""
    count = 250_000
    numbers = np.random.default_rng(SEED)
    sources = numbers.integers(0, 2**32, count, np.uint32)

    def spread(make: object, step: int = 20_000) -> bytes:
        out = io.BytesIO()
        out.write(pcap_bytes([]))
        for number in range(count):
            data = make(number)  # type: ignore[operator]
            time = 1_700_000_000 * 10**9 + number * step
            out.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(data), len(data)) + data)
        return out.getvalue()

    syn = bytearray(tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), SYN))
    segment = bytearray(tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), 24, 1000, payload=bytes(600)))
    piece = bytearray(fragment(bytes(segment), 1, 64)[3])

    def syns(number: int) -> bytes:
        struct.pack_into(">I", syn, 26, int(sources[number]))
        return bytes(syn)

    def holes(number: int) -> bytes:
        struct.pack_into(">H", segment, 34, number % 50_000 + 1)
        struct.pack_into(">I", segment, 38, 1000 + 4000 * (number // 50_000 + 1))
        return bytes(segment)

    def fragments(number: int) -> bytes:
        struct.pack_into(">H", piece, 18, number % 65536)
        struct.pack_into(">I", piece, 26, int(sources[number]))
        return bytes(piece)

    return {"SYN flood": spread(syns), "streams with holes": spread(holes), "lone fragments": spread(fragments)}


PEAK = """
import sys
from detector.cli.main import main
code = main(sys.argv[1:])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Floods that an attacker can send fill tables to their ceilings and no further: 500 MB, of which kernels are 200."""
    for name, data in floods().items():
        path = tmp_path / "flood.pcap"
        path.write_bytes(data)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, "replay", str(path)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0 and "250,000 packets" in done.stdout, f"{name}: {done.stderr[-500:]}"
        peak = int(done.stdout.split()[-2])
        print(f"{name}: {peak / 1024:.0f} MB")
        assert peak < 500 * 1024, name
