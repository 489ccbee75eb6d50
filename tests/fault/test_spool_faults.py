"""The spool and the delivery under kill -9, full and read-only disks, torn and damaged files."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.reader import Place, SpoolReader
from detector.sinks.segment import HEADER, size_of
from detector.sinks.survey import quarantine_of
from tests.fault.spooling import SPOOL, Stumbling, is_bad
from tests.runs import ROOT
from tests.sinks.spooled import FAST, Keeping, adds_up, delivery_of, ids, numbered, spool_at, until

KILLS = 30


def can_mount() -> bool:
    """Skips loudly where it cannot; in CI that is a failure."""
    if os.geteuid() == 0 and shutil.which("mount"):
        return True
    if os.environ.get("DETECTOR_REQUIRE_TOOLS"):
        pytest.fail("a small disk needs root and mount")
    pytest.skip("a small disk needs root and mount")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte."""
    can_mount()
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def delivered_in(folder: Path) -> list[str]:
    """Ids in all files, the oldest file first."""
    paths = sorted(folder.glob("alerts.jsonl*"), key=lambda path: -int("0" + path.suffix[1:].replace("jsonl", "")))
    return [json.loads(line)["event"]["id"] for path in paths for line in path.read_bytes().splitlines()]


def test_kill_9_at_any_moment_loses_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    chance = random.Random(seed)
    code = "import sys; from pathlib import Path; from tests.fault.spooling import child; child(Path(sys.argv[1]))"
    spooled = 0
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(chance.random() * 0.15)
            process.send_signal(signal.SIGKILL)
            told = process.stdout.read().splitlines()
            spooled = int(told[-1]) if told else spooled
        assert SpoolReader(tmp_path).end.number >= spooled, "what was appended is there"
    with spool_at(tmp_path, **SPOOL) as spool, delivery_of(spool, Stumbling(tmp_path), settings=FAST) as delivery:
        assert delivery.drain(30)
        counts, end = delivery.counts()["jsonl"], spool.end.number
    found, every = delivered_in(tmp_path), ids(numbered(end))
    good, bad = [one for one in every if not is_bad(one)], [one for one in every if is_bad(one)]
    assert end > 500 and spooled <= end
    assert Counter(found).most_common(1)[0][1] == 1, "none twice"
    assert found == good, "none lost, in their order"
    assert [one.record.id for one in quarantine_of(tmp_path, "jsonl").listed()] == bad, "nor of those refused"
    assert (counts.appended, counts.delivered, counts.quarantined) == (end, len(good), len(bad))
    assert counts.lost == {} and adds_up(counts)


def test_a_full_disk_is_survived_and_counted(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Alerts wait in memory, then are lost and counted; once there is room, all goes on. The detection is not disturbed."""
    caplog.set_level(logging.WARNING)
    away, appended = Keeping("away"), 0
    is_away = [True]

    def behave(records: Sequence[Record]) -> Receipt | None:
        if is_away[0]:
            raise Unavailable("unreachable", "away")
        return None

    away.behave = behave
    filling = small_disk / "filling"
    with spool_at(small_disk / "spool", memory=100_000, **SPOOL) as spool, delivery_of(spool, away) as delivery:
        spool.append(numbered(20))
        filling.write_bytes(b"x" * 700_000)
        appended = 20
        for _ in range(60):
            spool.append(numbered(20, appended, size=900))
            appended += 20
            counts = delivery.counts()["away"]
            assert counts.appended == appended and adds_up(counts), "at any time"
        level = spool.level()
        assert level.unwritten > 20 and level.lost_disk > 200, "the memory is bounded"
        assert counts.lost == {"disk": level.lost_disk}
        filling.unlink()
        until(lambda: spool.level().unwritten == 0)
        spool.append(numbered(5, appended))
        appended += 5
        is_away[0] = False
        assert delivery.drain(10)
        counts = delivery.counts()["away"]
        assert (counts.appended, counts.lost) == (appended, {"disk": level.lost_disk}) and adds_up(counts)
        found = ids(away.records)
        assert len(found) == len(set(found)) == appended - level.lost_disk
        assert found == sorted(found, key=lambda one: int(one[3:])), "in their order"
    said = [line for line in caplog.messages if "cannot write" in line]
    assert len(said) == 1 and "No space left on device" in said[0], "said once, not for each alert"
    assert any("can write again" in line for line in caplog.messages)


def test_a_disk_filled_by_the_spool_itself_empties_again(small_disk: Path) -> None:
    """Positions must be written, and segments deleted, though there is no room for another file."""
    keeping = Keeping(batch=50)
    is_away = [True]

    def behave(records: Sequence[Record]) -> Receipt | None:
        if is_away[0]:
            raise Unavailable("unreachable", "away")
        return None

    keeping.behave = behave
    with spool_at(small_disk, memory=10_000_000, **SPOOL) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(2000, size=900))
        assert spool.level().unwritten > 500
        is_away[0] = False
        assert delivery.drain(20)
        assert ids(keeping.records) == ids(numbered(2000))
        assert delivery.counts()["keeping"].lost == {} and spool.size < 100_000
        until(lambda: len(list(small_disk.glob("*.spool"))) < 3)
    assert (
        Place(*json.loads((small_disk / "destinations/keeping/position.json").read_bytes())["acknowledged"]).number
        == 2000
    )


def test_a_folder_that_becomes_read_only_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    can_mount()
    folder = tmp_path / "spool"
    keeping = Keeping()
    with spool_at(folder, **SPOOL) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(10, size=900))
        until(lambda: len(keeping.records) == 10)
        subprocess.run(["mount", "--bind", "-o", "ro", str(folder), str(folder)], check=True)
        try:
            spool.append(numbered(90, 10, size=900))
            until(lambda: delivery.counts()["keeping"].delivered > 10)
            assert spool.level().unwritten > 50, "no new segment can be begun"
            assert adds_up(delivery.counts()["keeping"])
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        assert delivery.drain(10)
        assert ids(keeping.records) == ids(numbered(100))
    assert "Read-only file system" in caplog.text
    assert "the position cannot be written" in caplog.text


def spooled(folder: Path, count: int) -> tuple[Path, bytes]:
    with spool_at(folder, sync="never") as spool:
        spool.append(numbered(count))
    (path,) = folder.glob("*.spool")
    return path, path.read_bytes()


@pytest.mark.parametrize("end", [b"", b"\0" * 40], ids=["cut", "zeros"])
def test_a_tail_torn_at_every_byte(end: bytes, tmp_path: Path) -> None:
    """As a crash leaves it, and as a power failure leaves it on file systems that write lengths before contents."""
    path, whole = spooled(tmp_path, 4)
    for cut in range(1, size_of(numbered(4)[3]) + 1):
        for other in tmp_path.glob("*.spool"):
            other.unlink()
        path.write_bytes(whole[:-cut] + end)
        with spool_at(tmp_path, sync="never") as spool:
            assert [entry.record for entry in spool.read(Place(), 10)] == numbered(3)
            torn = len(whole) - cut + len(end) - (len(whole) - size_of(numbered(4)[3]))
            assert spool.cut_bytes == torn
            spool.append(numbered(2, 3))
        with spool_at(tmp_path, sync="never") as spool:
            assert spool.cut_bytes == 0
            entries = spool.read(Place(), 10)
            assert [entry.record for entry in entries] == numbered(5)
            assert not any(entry.damaged for entry in entries)


def test_a_torn_header_of_a_segment(tmp_path: Path) -> None:
    _, whole = spooled(tmp_path, 4)
    with spool_at(tmp_path, sync="never") as spool:
        spool.append(numbered(1, 4))
    last = max(tmp_path.glob("*.spool"))
    for length in range(HEADER.size):
        last.write_bytes(whole[:length])
        with spool_at(tmp_path, sync="never") as spool:
            assert spool.end.number == 4 and not last.exists()
            assert [entry.record for entry in spool.read(Place(), 10)] == numbered(4)


def test_a_bit_flipped_anywhere_costs_one_record_at_most(tmp_path: Path) -> None:
    path, whole = spooled(tmp_path, 5)
    stop = len(whole) - size_of(numbered(5)[4])  # what is wrong with the last one is a torn tail
    for at in range(stop):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        entries = SpoolReader(tmp_path).read(Place(), 10)
        missing = 5 - len(entries)
        assert missing == (at >= HEADER.size) and all(entry.record in numbered(5) for entry in entries)
        assert sum(entry.damaged for entry in entries) == missing, "and it is known how many"


def test_a_damaged_stretch_costs_what_lies_in_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A lost sector of the disk, over segments of which one is damaged altogether."""
    with spool_at(tmp_path, segment=10_000, sync="never") as spool:
        spool.append(numbered(100, size=500))
    first, second, third, *_ = sorted(tmp_path.glob("*.spool"))
    with first.open("r+b") as file:
        file.seek(3000)
        file.write(os.urandom(4096))
    second.write_bytes(bytes(second.stat().st_size))
    with third.open("r+b") as file:
        file.write(b"no header")
    keeping = Keeping()
    with spool_at(tmp_path, segment=10_000, sync="never") as spool:
        place, found, missing = Place(), [], 0
        while entries := spool.read(place, 3):
            place = entries[-1].after
            found += entries
        missing = sum(entry.damaged for entry in found)
        assert len(found) + missing == 100 and 20 < missing < 30
        for entry in found:
            assert entry.record == numbered(1, entry.number, size=500)[0], "what is read is what was written"
        with delivery_of(spool, keeping, is_started=False):
            pass
    assert len(re.findall("damaged bytes", caplog.text)) == 1 + caplog.text.count("00000002.spool: "), "each said once"
