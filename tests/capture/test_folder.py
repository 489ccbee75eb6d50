"""A watched folder: every packet that another program writes into it is read once, in order, whatever it does with files."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from detector.capture import folder as folder_module
from detector.capture import open_source
from detector.capture.folder import FolderSource
from detector.capture.folder_settings import FolderSettings
from detector.capture.watch import natural
from detector.errors import InputError
from tests.capture.folders import FORMATS, as_pcap, frames, hurry, numbers, packets_of, read_on, source_of
from tests.differential.tshark import require_tool
from tests.runs import ROOT, SCENARIOS, alerts_of, frames_of, lines_of, pcap_bytes


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.mark.parametrize("names", [
    ["t.pcap", "t.pcap1", "t.pcap2", "t.pcap10", "t.pcap11"],  # tcpdump -C
    ["t.pcap.gz", "t.pcap1.gz", "t.pcap10"],  # -z gzip
    ["t_00001_20240501235959.pcapng", "t_00002_20240502000000.pcapng", "t_00010_20240501.pcapng"],  # dumpcap -b
    ["2024-05-01_23.59.pcap", "2024-05-02_00.00.pcap"],  # -G with strftime
    ["t00.pcap", "t01.pcap", "t09.pcap", "t10.pcap"],  # -W
])  # fmt: skip
def test_names_of_the_usual_writers_are_in_order(names: list[str]) -> None:
    turned = names[::-1]
    assert sorted(turned, key=natural) == names


def test_files_are_read_once_in_order_and_as_they_come(tmp_path: Path) -> None:
    """Backlog by natural order, then a file that appears, then one that grows: numbers count within each file."""
    for part in (10, 1, 0, 2):
        (tmp_path / f"t.pcap{part or ''}").write_bytes(as_pcap(part * 100, 100))
    (tmp_path / "README").write_text("not a capture, and longer than a header")
    (tmp_path / ".t.pcap3").write_bytes(as_pcap(0, 9))
    (tmp_path / "t.pcap4.tmp").write_bytes(as_pcap(0, 9))
    source = source_of(tmp_path)
    seen = read_on(source, 400, rest=0.2)
    assert [name for name, number, _ in seen if number == 1] == ["t.pcap", "t.pcap1", "t.pcap2", "t.pcap10"]
    assert [number for _, number, _ in seen] == [*range(1, 101)] * 4
    whole = as_pcap(1100, 100)
    with (tmp_path / "t.pcap11").open("wb", buffering=0) as file:
        for at in range(0, len(whole), 1000):  # not at the bounds of packets
            file.write(whole[at : at + 1000])
            seen += read_on(source, 0, rest=0.02)
    seen += read_on(source, 500 - len(seen), rest=0.1)
    assert numbers(seen) == [*range(300), *range(1000, 1200)]
    assert source.report.packets == 500 and source.report.files == {"read": 4, "damaged": 1}
    assert [warning.split(": ")[0] for warning in source.report.warnings] == [str(tmp_path / "README")]
    assert dict(source.report.skipped_bytes) == {"foreign": 39}


def test_it_goes_on_when_idle_and_ends_when_told(tmp_path: Path) -> None:
    """The daemon gets its turn at least every tenth of a second; at once where other sources share its time."""
    source = FolderSource(FolderSettings(path=str(tmp_path)))
    batches = source.batches()
    began = time.monotonic()
    assert [len(next(batches)) for _ in range(5)] == [0] * 5
    assert 0.4 < time.monotonic() - began < 2
    source.idle_seconds = 0
    began = time.monotonic()
    for _ in range(5):
        next(batches)
    assert time.monotonic() - began < 0.4
    source.stop()
    assert list(batches) == [] or len(list(batches)) <= 1


@pytest.mark.parametrize("seed", range(6))
def test_a_restart_anywhere_loses_and_repeats_nothing(seed: int, tmp_path: Path) -> None:
    """A writer of all formats, batches of odd sizes, crashes back to the last checkpoint: each packet once, in order."""
    chosen = random.Random(seed)
    made, first = [], 0
    for number in range(8):
        ending, count = chosen.choice(sorted(FORMATS)), chosen.choice((0, 1, 40, 200))
        data = FORMATS[ending](first, count)
        made.append((f"c{number}{ending}", data))
        first += count
    writer = written(tmp_path, made, chosen)
    kept, position, since = [], None, 0  # what a checkpoint holds
    is_written, deadline = False, time.monotonic() + 20
    while (len(kept) < first or not is_written) and time.monotonic() < deadline:
        source = source_of(tmp_path, position, batch_packets=chosen.choice((1, 7, 1000)))
        batches, seen = source.batches(), list(kept)
        for _ in range(chosen.randrange(1, 60)):
            is_written = next(writer, None) is None
            seen += packets_of(next(batches))
            if chosen.random() < 0.3:
                kept, position = list(seen), source.position
                since += 1
        batches.close()  # type: ignore[attr-defined]
    assert numbers(kept) == list(range(first)), f"seed {seed}"
    assert since > 3
    source = source_of(tmp_path, position)
    assert read_on(source, 1, seconds=0.2) == []


def written(folder: Path, made: list[tuple[str, bytes]], chosen: random.Random) -> Iterator[bool]:
    """Writes captures one after the other: in pieces, or by renaming where a piece could not be told from the whole."""
    for name, data in made:
        if name.endswith((".gz", ".zst")):
            (folder / f".{name}").write_bytes(data)
            (folder / f".{name}").rename(folder / name)
            yield True
            continue
        with (folder / name).open("wb", buffering=0) as file:
            while data:
                size = chosen.choice((1, 30, 1000, 5000))
                file.write(data[:size])
                data = data[size:]
                yield True


READER = """
import json, sys
from pathlib import Path
from detector.capture.folder import FolderSource
from detector.capture.folder_settings import FolderSettings
from tests.capture.folders import packets_of
log = Path(sys.argv[2])
lines = log.read_bytes().split(b"\\n")[:-1] if log.exists() else []
position = json.loads(lines[-1])["position"] if lines else None
log.write_bytes(b"".join(line + b"\\n" for line in lines))
source = FolderSource(FolderSettings(path=sys.argv[1]), position, batch_packets=50)
source.idle_seconds = 0.01
with log.open("ab", buffering=0) as file:
    for batch in source.batches():
        seen = [int.from_bytes(data[:8], "big") for _, _, data in packets_of(batch)]
        if seen:
            file.write(json.dumps({"seen": seen, "position": source.position}).encode() + b"\\n")
"""


def test_killed_at_any_moment_nothing_is_lost(tmp_path: Path) -> None:
    """kill -9 between, before and while positions are written with what they cover: every packet once, in order."""
    log, watched, chosen = tmp_path / "log", tmp_path / "in", random.Random(5)
    watched.mkdir()
    count, kills = 0, 0
    for number in range(12):
        ending = (".pcap", ".pcapng", ".pcap.gz")[number % 3]
        (watched / f"c{number}{ending}").write_bytes(FORMATS[ending](count, 4000))
        count += 4000
    seen: list[int] = []
    for _ in range(40):
        before = log.stat().st_size if log.exists() else 0
        program = subprocess.Popen([sys.executable, "-c", READER, str(watched), str(log)], cwd=ROOT)
        until = time.monotonic() + 30
        while (not log.exists() or log.stat().st_size <= before) and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(chosen.random() * 0.3)
        program.send_signal(signal.SIGKILL)
        program.wait()
        kills += 1
        seen = [n for line in log.read_bytes().split(b"\n")[:-1] for n in json.loads(line)["seen"]]
        if len(seen) >= count:
            break
    assert seen == list(range(count))
    assert kills > 1


def test_files_leave_only_when_released(tmp_path: Path) -> None:
    """A crash goes back to the checkpoint: what lies behind it must still be there. What grew or is damaged stays."""
    for part in range(4):
        (tmp_path / f"t{part}.pcap").write_bytes(as_pcap(part * 10, 10))
    (tmp_path / "t2.pcap").write_bytes(as_pcap(20, 10)[:-3])
    source = source_of(tmp_path, batch_packets=10, finished="delete")
    batches = source.batches()
    next(batches)
    early = source.position  # within the first file
    seen = read_on(source, 29, rest=0.1)
    late = source.position
    assert len(seen) == 29
    source.release(early)
    assert len(list(tmp_path.iterdir())) == 4
    with (tmp_path / "t1.pcap").open("ab") as file:
        file.write(as_pcap(1000, 1)[24:])
    source.release(late)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t1.pcap", "t2.pcap", "t3.pcap"]
    assert numbers(read_on(source, 1)) == [1000]
    read_on(source, 0, rest=0.1)
    source.release(source.position)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["t2.pcap", "t3.pcap"]  # cut short; the newest


def test_a_crash_between_finishing_and_deleting(tmp_path: Path) -> None:
    for part in range(3):
        (tmp_path / f"t{part}.pcap").write_bytes(as_pcap(part * 10, 10))
    source = source_of(tmp_path, finished="delete")
    read_on(source, 30, rest=0.1)
    source = source_of(tmp_path, source.position, finished="delete")
    assert read_on(source, 1, seconds=0.1) == []
    source.release(source.position)
    assert [path.name for path in tmp_path.iterdir()] == ["t2.pcap"]


def test_finished_files_move_without_replacing_others(tmp_path: Path) -> None:
    watched, done = tmp_path / "in", tmp_path / "done"
    (watched / "a").mkdir(parents=True)
    done.mkdir()
    (done / "a").mkdir()
    (done / "a" / "t0.pcap").write_text("another day's")
    for part in range(3):
        (watched / "a" / f"t{part}.pcap").write_bytes(as_pcap(part * 10, 10))
    source = source_of(watched, finished="move", move_to=str(done), recursive=True)
    read_on(source, 30, rest=0.1)
    source.release(source.position)
    assert [str(path.relative_to(done)) for path in sorted(done.rglob("*.pcap*"))] == [
        "a/t0.pcap", "a/t0.pcap.1", "a/t1.pcap"]  # fmt: skip
    assert (done / "a" / "t0.pcap").read_text() == "another day's"
    assert [path.name for path in watched.rglob("*.pcap")] == ["t2.pcap"]
    assert source.report.warnings == []


def test_the_last_file_is_finished_after_a_long_silence(tmp_path: Path) -> None:
    (tmp_path / "t.pcap").write_bytes(as_pcap(0, 5))
    source = source_of(tmp_path, finished="delete", quiet=10**8)
    read_on(source, 5)
    source.release(source.position)
    assert (tmp_path / "t.pcap").exists()
    read_on(source, 0, rest=0.3)
    source.release(source.position)
    assert not (tmp_path / "t.pcap").exists()


def test_a_file_that_comes_late_is_read_and_told(tmp_path: Path) -> None:
    """An older name, after later ones were begun: before what waits, and the one that grows is then read on."""
    (tmp_path / "t5.pcap").write_bytes(as_pcap(500, 10))
    source = source_of(tmp_path)
    seen = read_on(source, 10)
    (tmp_path / "t3.pcap").write_bytes(as_pcap(300, 10))
    seen += read_on(source, 10)
    with (tmp_path / "t5.pcap").open("ab") as file:
        file.write(as_pcap(510, 10)[24:])
    seen += read_on(source, 10, rest=0.1)
    assert numbers(seen) == [*range(500, 510), *range(300, 310), *range(510, 520)]
    assert source.report.warnings == [
        f"{tmp_path}/t3.pcap: came after a later file was begun; its packets are judged late"
    ]
    (tmp_path / "t1.pcap").write_bytes(as_pcap(100, 10))  # while nobody looks
    assert numbers(read_on(source_of(tmp_path, source.position), 10, rest=0.1)) == [*range(100, 110)]


def test_by_time_names_do_not_count(tmp_path: Path) -> None:
    for second, name in enumerate(("z", "m", "a")):
        (tmp_path / name).write_bytes(as_pcap(second * 10, 10))
        os.utime(tmp_path / name, (1000 + second, 1000 + second))
    source = source_of(tmp_path, order="time", batch_packets=5)
    batches = source.batches()
    seen = [one for _ in range(3) for one in packets_of(next(batches))]
    seen += read_on(source_of(tmp_path, source.position, order="time"), 15, rest=0.1)
    assert numbers(seen) == [*range(30)]


@pytest.mark.parametrize("restart", [False, True])
def test_a_ring_that_writes_anew_under_old_names(tmp_path: Path, restart: bool) -> None:
    """In place (tcpdump -W), by a new inode, and by one used again: what is new is read, after what came before it."""
    source, seen = source_of(tmp_path), []
    for number in range(20):
        path = tmp_path / f"ring{number % 3}.pcap"
        if number % 5 == 2:
            path.unlink(missing_ok=True)
        path.write_bytes(as_pcap(number * 10, 10))
        if restart:
            source = source_of(tmp_path, source.position)
        seen += read_on(source, 10, rest=0.05)
    assert numbers(seen) == [*range(200)]
    assert source.report.warnings == []


def test_overwritten_while_it_is_read(tmp_path: Path) -> None:
    """A slow reader and a fast ring: what was not read is lost, told and counted, and nothing is made up."""
    path = tmp_path / "ring.pcap"
    path.write_bytes(pcap_bytes((time, data * 300) for time, data in frames(0, 2000)))
    source = source_of(tmp_path, batch_packets=10)
    batches = source.batches()
    seen = packets_of(next(batches))
    path.write_bytes(pcap_bytes((time, data * 300) for time, data in frames(5000, 2000)))
    while len(seen) < 2500 and (not seen or numbers(seen)[-1] < 6999):
        seen += packets_of(next(batches))
    batches.close()  # type: ignore[attr-defined]
    found = numbers(seen)
    first = found.index(5000)
    assert 0 < first < 2000 and found == [*range(first), *range(5000, 7000)]
    assert any("was overwritten while it was read" in warning for warning in source.report.warnings)
    assert source.report.skipped_bytes["overwritten"] > 10**5


@pytest.mark.parametrize("restart", [False, True])
def test_renamed_files_are_the_same(tmp_path: Path, restart: bool) -> None:
    """logrotate: cap, cap.1, cap.2 change places, each is read once."""
    source = source_of(tmp_path)
    seen = []
    for number in range(6):
        for old in reversed(range(number)):
            (tmp_path / (f"cap.{old}" if old else "cap")).rename(tmp_path / f"cap.{old + 1}")
        (tmp_path / "cap").write_bytes(as_pcap(number * 10, 10))
        if restart:
            source = source_of(tmp_path, source.position)
        seen += read_on(source, 10, rest=0.05)
    assert numbers(seen) == [*range(60)]


@pytest.mark.parametrize("restart", [False, True])
def test_compressed_after_it_was_read(tmp_path: Path, restart: bool) -> None:
    """tcpdump -z gzip: the same packets under another name are not read twice, also in the middle and by a restart."""
    for part in range(3):
        (tmp_path / f"t.pcap{part}").write_bytes(as_pcap(part * 100, 100))
    source = source_of(tmp_path, batch_packets=30)
    batches = source.batches()
    seen = []
    while len(seen) < 130:
        seen += packets_of(next(batches))
    for part in range(3):
        path = tmp_path / f"t.pcap{part}"
        (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    if restart:
        batches.close()  # type: ignore[attr-defined]
        source = source_of(tmp_path, source.position, batch_packets=30)
        batches = source.batches()
    until = time.monotonic() + 5
    while len(seen) < 300 and time.monotonic() < until:
        seen += packets_of(next(batches))
    batches.close()  # type: ignore[attr-defined]
    assert numbers(seen + read_on(source, 1, seconds=0.2)) == [*range(300)]
    assert source.report.warnings == []


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_compressed_file_may_hold_more_than_was_read(tmp_path: Path, ending: str) -> None:
    """The original grew a last time, after it was taken as finished and before it was compressed."""
    (tmp_path / "a.pcap").write_bytes(as_pcap(0, 10))
    (tmp_path / "b.pcap").write_bytes(as_pcap(100, 10))
    source = source_of(tmp_path)
    seen = read_on(source, 20, rest=0.1)
    pack = gzip.compress if ending == ".gz" else zstandard.compress
    (tmp_path / f"a.pcap{ending}").write_bytes(pack(as_pcap(0, 15)))
    (tmp_path / "a.pcap").unlink()
    assert numbers(seen + read_on(source, 5, rest=0.1)) == [*range(10), *range(100, 110), *range(10, 15)]


def test_compressing_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """gzip takes seconds for a large file: what comes after it is read meanwhile."""
    monkeypatch.setattr(folder_module, "PACKED_SECONDS", 60.0)
    (tmp_path / "t.pcap0").write_bytes(as_pcap(0, 100))
    source = source_of(tmp_path)
    seen = read_on(source, 100)
    (tmp_path / "t.pcap1").write_bytes(as_pcap(100, 10))
    seen += read_on(source, 10, rest=0.1)
    packed = gzip.compress((tmp_path / "t.pcap0").read_bytes())
    with (tmp_path / "t.pcap0.gz").open("wb", buffering=0) as file:
        seen += read_on(source, 0, rest=0.1)
        with (tmp_path / "t.pcap1").open("ab") as growing:
            growing.write(as_pcap(110, 10)[24:])
        seen += read_on(source, 10, seconds=1)
        file.write(packed)
    (tmp_path / "t.pcap0").unlink()
    seen += read_on(source, 0, rest=0.1)
    (tmp_path / "t.pcap2").write_bytes(as_pcap(120, 10))
    seen += read_on(source, 10, rest=0.1)
    assert numbers(seen) == [*range(130)] and source.report.warnings == []


def test_damaged_foreign_and_vanished_files_are_told_and_passed_over(tmp_path: Path) -> None:
    whole = as_pcap(0, 10)
    (tmp_path / "a.pcap").write_bytes(whole + struct.pack("<IIII", 1, 1, 2**31, 2**31) + bytes(5000))
    (tmp_path / "b.pcap").write_bytes(b"")
    (tmp_path / "c.pcap").write_bytes(whole[:10])
    (tmp_path / "d.pcap.gz").write_bytes(gzip.compress(as_pcap(10, 2000))[:-2000])
    (tmp_path / "e.pcap").write_bytes(b"\0" * 100)
    (tmp_path / "f.pcap").symlink_to("nowhere")
    (tmp_path / "g.pcap").write_bytes(whole)
    (tmp_path / "h.pcap").write_bytes(as_pcap(5000, 10))
    source = source_of(tmp_path)
    (tmp_path / "g.pcap").unlink()
    seen = read_on(source, 10**9, seconds=1.0)
    found = numbers(seen)
    assert found[:10] == [*range(10)] and found[-10:] == [*range(5000, 5010)] and len(found) > 100
    told = {Path(warning.split(":")[0]).name: warning.split(": ", 1)[1] for warning in source.report.warnings}
    assert sorted(told) == ["a.pcap", "b.pcap", "c.pcap", "d.pcap.gz", "e.pcap", "g.pcap"]
    assert "damaged in packet 11" in told["a.pcap"] and "cut short in packet 17" in told["d.pcap.gz"]
    assert source.report.files == {"damaged": 6}
    assert source.report.skipped_bytes["damaged"] == 5016 and source.report.skipped_bytes["gone"] == len(whole)


def test_a_finished_file_that_grows_is_read_on(tmp_path: Path) -> None:
    """A writer that kept its old file open, or a copy that took a pause: nothing is lost, nothing comes twice."""
    data = gzip.compress(as_pcap(0, 3000))
    (tmp_path / "a.pcap.gz").write_bytes(data[: len(data) // 2])
    (tmp_path / "b.pcap").write_bytes(as_pcap(10000, 10))
    source = source_of(tmp_path)
    seen = read_on(source, 10**9, seconds=0.4)
    assert 10 < len(seen) < 3000
    (tmp_path / "new").write_bytes(data)
    (tmp_path / "new").rename(tmp_path / "a.pcap.gz")  # as rsync does
    seen += read_on(source, 3010 - len(seen), rest=0.1)
    assert sorted(numbers(seen)) == [*range(3000), *range(10000, 10010)]


def test_a_position_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of files that are kept: a position names the last ones only, and all are known after a restart."""
    monkeypatch.setattr(folder_module, "RECENT", 20)
    monkeypatch.setattr(folder_module, "LOOK_SHARE", 20)
    for number in range(1500):
        (tmp_path / f"t{number}.pcap").write_bytes(as_pcap(number, 1))
    source = source_of(tmp_path)
    assert numbers(read_on(source, 1500, seconds=30)) == [*range(1500)]
    position = source.position
    assert len(json.dumps(position)) < 4000
    (tmp_path / "t1500.pcap").write_bytes(as_pcap(1500, 1))
    (tmp_path / "t77.pcap").write_bytes(as_pcap(7777, 1))  # written anew long after
    (tmp_path / "t0.5.pcap").write_bytes(as_pcap(8888, 1))  # late
    again = source_of(tmp_path, position)
    assert sorted(numbers(read_on(again, 3, rest=0.2))) == [1500, 7777, 8888]


def test_old_files_that_are_compressed_at_night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long after they were read, more at once than a position names."""
    monkeypatch.setattr(folder_module, "RECENT", 3)
    for number in range(30):
        (tmp_path / f"t{number}.pcap").write_bytes(as_pcap(number * 10, 10))
    source = source_of(tmp_path)
    assert len(read_on(source, 300, rest=0.1)) == 300
    for number in range(25):
        path = tmp_path / f"t{number}.pcap"
        (tmp_path / f"t{number}.pcap.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    assert read_on(source, 1, seconds=0.5) == []
    assert numbers(read_on(source_of(tmp_path, source.position), 1, seconds=0.5)) == []


def test_a_folder_that_goes_away_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A drive that is unmounted: said, shown as down, and read on."""
    watched = tmp_path / "in"
    watched.mkdir()
    (watched / "a.pcap").write_bytes(as_pcap(0, 10))
    source = source_of(watched)
    seen = read_on(source, 10, rest=0.05)
    watched.rename(tmp_path / "away")
    read_on(source, 0, rest=0.1)
    assert not source.report.is_up
    (tmp_path / "away").rename(watched)
    (watched / "b.pcap").write_bytes(as_pcap(10, 10))
    seen += read_on(source, 10)
    assert numbers(seen) == [*range(20)] and source.report.is_up and source.report.reconnects == 1


def test_a_subfolder_that_may_not_be_read_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """lost+found: told once. (Tests run as root, whom no mode refuses anything: the system call itself does.)"""
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "t.pcap").write_bytes(as_pcap(0, 10))
    scandir = os.scandir

    def refusing(path: Path) -> Iterator[os.DirEntry[str]]:
        if path.name == "lost+found":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    source = source_of(tmp_path, recursive=True)
    assert numbers(read_on(source, 10, rest=0.1)) == [*range(10)]
    assert source.report.warnings == [f"{tmp_path}/lost+found: cannot be read, it is left out: Permission denied"]


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    watched = tmp_path / "in"
    watched.mkdir()
    for settings, problem in (
        (FolderSettings(path=str(tmp_path / "none")), "no such folder"),
        (FolderSettings(path=str(watched), finished="move"), "move_to does not say where"),
        (FolderSettings(path=str(watched), finished="move", move_to=str(watched)), "lies in the watched folder"),
        (FolderSettings(path=str(watched), finished="move", move_to="/dev/shm/h7"), "on another file system"),
    ):
        with pytest.raises(InputError, match=problem):
            FolderSource(settings)
    shutil.rmtree("/dev/shm/h7", ignore_errors=True)


def test_the_alerts_are_those_of_a_replay(tmp_path: Path) -> None:
    """An attack cut into rotated files gives the alerts of the capture, each with its file and number in it."""
    watched = tmp_path / "in"
    watched.mkdir()
    whole = frames_of(SCENARIOS / "minute-attack" / "capture.pcap")
    step = len(whole) // 7 + 1
    paths = []
    for number in range(7):
        path = watched / f"m.pcap{number or ''}"
        path.write_bytes(pcap_bytes(whole[number * step : (number + 1) * step]))
        paths.append(str(path))
    expected = lines_of(alerts_of(open_source(paths)), tmp_path)
    source = source_of(watched)
    assert lines_of(alerts_of(Limited(source, len(whole))), tmp_path) == expected
    assert len(expected) == 2


class Limited:
    """A source that ends after so many packets."""

    def __init__(self, source: FolderSource, packets: int) -> None:
        self._source, self._packets = source, packets
        self.report = source.report

    def batches(self) -> Iterator[object]:
        for batch in self._source.batches():
            yield batch
            if self.report.packets >= self._packets:
                self._source.stop()

    def stop(self) -> None:
        self._source.stop()


def feed(command: list[str], source: FolderSource, count: int, pieces: int, in_step: bool = False) -> list[int]:
    """Numbers that come through a capturing program which reads packets from its standard input.

    in_step: the next piece is sent when the last one was read, so that a ring is never turned faster than it is read.
    """
    seen: list[int] = []
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as program:
        assert program.stdin is not None
        each = count // pieces
        for piece in range(pieces):
            data = pcap_bytes((at, data.ljust(800, b"\0")) for at, data in frames(piece * each, each))
            program.stdin.write(data if piece == 0 else data[24:])
            program.stdin.flush()
            seen += numbers(read_on(source, each * in_step, 60, rest=0.06))
        program.stdin.close()
        assert program.wait(timeout=20) == 0
    return seen + numbers(read_on(source, count - len(seen), 60, rest=0.1))


def test_tcpdump_rotates_by_size(tmp_path: Path) -> None:
    require_tool("tcpdump")
    source = source_of(tmp_path)
    command = ["tcpdump", "-r", "-", "-w", str(tmp_path / "t.pcap"), "-C", "1", "-Z", "root"]
    assert feed(command, source, 13000, 13) == [*range(13000)]
    assert len(list(tmp_path.iterdir())) == 11 and (tmp_path / "t.pcap10").exists()
    assert source.report.warnings == []


@pytest.mark.parametrize(
    "compress", [False, pytest.param(True, marks=pytest.mark.alone)]
)  # gzip may be too slow beside others
def test_tcpdump_in_a_ring(tmp_path: Path, compress: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """-W 3: the fourth file is written over the first. With -z gzip each is compressed as the next one is begun."""
    require_tool("tcpdump")
    monkeypatch.setattr(folder_module, "PACKED_SECONDS", 1.0)  # gzip may be slow to begin
    source = source_of(tmp_path)
    command = ["tcpdump", "-r", "-", "-w", str(tmp_path / "t.pcap"), "-C", "1", "-W", "3", "-Z", "root", "-U"]
    assert feed(command + ["-z", "gzip"] * compress, source, 8000, 20, in_step=True) == [*range(8000)]
    assert len(list(tmp_path.iterdir())) == (6 if compress else 3)
    assert source.report.warnings == []


def test_dumpcap_in_a_ring(tmp_path: Path) -> None:
    """-b files:3: names go on, the oldest file is deleted."""
    require_tool("dumpcap")
    source = source_of(tmp_path)
    command = ["dumpcap", "-q", "-i", "-", "-w", str(tmp_path / "d.pcapng"), "-b", "filesize:1000", "-b", "files:3"]
    assert feed(command, source, 8000, 20, in_step=True) == [*range(8000)]
    assert len(list(tmp_path.iterdir())) == 3
    assert source.report.warnings == []
