"""The spool: what was appended is read in its order, over restarts, and what cannot be kept is counted."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.sinks.destination import Record
from detector.sinks.reader import Place, SpoolReader
from detector.sinks.segment import HEADER, size_of
from detector.sinks.spool import Spool, SpoolSettings
from tests.runs import ROOT
from tests.sinks.spooled import defaults_within_bounds, ids, numbered, record, spool_at

START = Place()
SMALL = {"size": 80_000, "segment": 10_000}


def all_of(spool: SpoolReader, place: Place = START, most: int = 7) -> list[str]:
    found: list[str] = []
    while entries := spool.read(place, most):
        found += [entry.record.id for entry in entries]
        place = entries[-1].after
    return found


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def test_records_come_back_in_their_order_with_their_bytes(tmp_path: Path) -> None:
    odd = [Record("", b""), Record("é", b'{"a":"\xc5\x81"}'), Record("big", b"x" * 1_000_000), record(1)]
    with spool_at(tmp_path) as spool:
        spool.append(odd)
        assert [entry.record for entry in spool.read(spool.first, 10)] == odd
        assert spool.read(spool.end, 10) == []


@pytest.mark.parametrize("sync", ["always", "interval", "never"])
def test_they_are_there_after_a_restart(sync: str, tmp_path: Path) -> None:
    for run in range(4):
        with spool_at(tmp_path, sync=sync, interval=10**7) as spool:
            assert all_of(spool) == ids(numbered(50 * run))
            for start in range(0, 50, 10):
                spool.append(numbered(10, 50 * run + start))
            time.sleep(0.05 if sync == "interval" else 0)
            assert spool.end.number == 50 * (run + 1)


def test_a_record_has_the_time_at_which_it_was_appended(tmp_path: Path) -> None:
    spool = Spool(tmp_path, SpoolSettings(), clock=iter([5, 7]).__next__)
    spool.append(numbered(2))
    spool.append(numbered(1, 2))
    assert [entry.time_ns for entry in spool.read(Place(), 5)] == [5, 5, 7]
    spool.close()


def test_one_can_go_on_from_any_place(tmp_path: Path) -> None:
    """Places outlive the process: they are in files of positions and checkpoints."""
    with spool_at(tmp_path, **SMALL) as spool:
        spool.append(numbered(100, size=500))
        places = [Place(), *(entry.after for entry in spool.read(Place(), 100))]
    with spool_at(tmp_path, **SMALL) as spool:
        for number, place in enumerate(places):
            assert all_of(spool, place) == ids(numbered(100 - number, number))
            assert spool.ids_since(place) == set(ids(numbered(100 - number, number)))
        assert places == sorted(places)


def test_a_segment_is_deleted_when_all_who_hold_it_have_passed(tmp_path: Path) -> None:
    with spool_at(tmp_path, ["checkpoint"], **SMALL) as spool:
        spool.append(numbered(100, size=500))
        count = len(segments(tmp_path))
        assert count > 5
        middle, end = spool.read(Place(), 50)[-1].after, spool.end
        spool.retain("a", end)
        assert len(segments(tmp_path)) == count, "the checkpoint has not said its place yet"
        spool.retain("checkpoint", middle)
        assert 1 < len(segments(tmp_path)) < count
        assert all_of(spool, middle) == ids(numbered(50, 50))
        spool.retain("b", middle)
        spool.retain("checkpoint", end)
        assert all_of(spool, middle) == ids(numbered(50, 50)), "b holds them"
        spool.retain("b", end)
        assert len(segments(tmp_path)) == 1
        assert spool.size == sum(path.stat().st_size for path in segments(tmp_path))
    with spool_at(tmp_path, **SMALL) as spool:
        assert spool.end.number == 100, "numbers go on"


def test_a_full_spool_drops_its_oldest(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with spool_at(tmp_path, **SMALL) as spool:
        start = spool.end
        for number in range(0, 1000, 20):
            spool.append(numbered(20, number, size=500))
            assert spool.size <= SMALL["size"]
        first = spool.first.number
        assert 800 < first < 950
        entries = spool.read(start, 2000)
        assert [entry.record.id for entry in entries] == ids(numbered(1000 - first, first))
        assert entries[0].dropped == first and sum(entry.dropped + entry.damaged for entry in entries) == first
        assert spool.level()[2:] == (0, 0, 0)
    assert sum(map(int, (line.split("its ")[1].split()[0] for line in caplog.messages))) == first, "each said once"


def test_a_full_spool_drops_what_is_new(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with spool_at(tmp_path, when_full="drop_newest", **SMALL) as spool:
        for number in range(0, 1000, 20):
            spool.append(numbered(20, number, size=500))
        kept = all_of(spool)
        assert kept == ids(numbered(len(kept))) and 100 < len(kept) < 150
        assert spool.level().lost_newest == 1000 - len(kept)
        assert len(caplog.messages) == 1, "said once, not for each alert"
        spool.retain("a", spool.end)
        spool.append(numbered(1, 1000, size=500))
        assert all_of(spool)[-1] == "id-1000"
        lost = spool.level().lost_newest
    with spool_at(tmp_path, when_full="drop_newest", **SMALL) as spool:
        assert spool.level().lost_newest == lost, "what was lost is remembered"


def test_a_record_larger_than_the_spool_is_lost_alone(tmp_path: Path) -> None:
    with spool_at(tmp_path, **SMALL) as spool:
        spool.append([record(0), record(1, size=100_000), record(2)])
        assert all_of(spool) == ["id-0", "id-2"] and spool.level().lost_newest == 1
        spool.append([record(3, size=60_000), record(4)])
        assert all_of(spool)[-2:] == ["id-3", "id-4"], "larger than a segment, not than the spool"


def test_a_second_daemon_is_refused(tmp_path: Path) -> None:
    """Two writers would tear each other's records apart. Another process, as that is what a second daemon is."""
    code = "import sys; from pathlib import Path; from detector.sinks.spool import *; Spool(Path(sys.argv[1]), SpoolSettings())"
    with spool_at(tmp_path):
        second = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert "InputError" in second.stderr and "another detector is using this spool" in second.stderr
    with spool_at(tmp_path):
        pass


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot keep the spool there: Not a directory"):
        Spool(tmp_path / "file" / "spool", SpoolSettings())


def test_alerts_on_disk_are_for_the_owner_only(tmp_path: Path) -> None:
    with spool_at(tmp_path / "spool") as spool:
        spool.append(numbered(1))
        assert (tmp_path / "spool").stat().st_mode & 0o77 == 0
        assert segments(tmp_path / "spool")[0].stat().st_mode & 0o77 == 0


def test_a_place_behind_the_end_after_a_power_failure(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The checkpoint outlived records that it counts on: their numbers are not given to others, so all can tell."""
    with spool_at(tmp_path) as spool:
        spool.append(numbered(10))
        place = spool.read(Place(), 7)[-1].after
        checkpoint = spool.end
    cut = [size_of(one) for one in numbered(3, 7)]
    os.truncate(segments(tmp_path)[0], segments(tmp_path)[0].stat().st_size - sum(cut))
    with spool_at(tmp_path) as spool:
        assert spool.end.number == 7
        assert spool.resume("checkpoint", checkpoint) == set()
        assert "3 alerts written before the last checkpoint are lost" in caplog.text
        spool.append(numbered(2, 10))
        entries = spool.read(place, 10)
        assert [(entry.record.id, entry.number, entry.damaged) for entry in entries] == [
            ("id-10", 10, 3),
            ("id-11", 11, 0),
        ]
        assert spool.ids_since(checkpoint) == {"id-10", "id-11"}


def test_after_a_crash_what_was_spooled_since_the_checkpoint_is_known(tmp_path: Path) -> None:
    with spool_at(tmp_path, ["checkpoint"]) as spool:
        spool.append(numbered(5))
        checkpoint = spool.end
        spool.append(numbered(5, 5))
    with spool_at(tmp_path, ["checkpoint"]) as spool:
        spool.retain("a", spool.end)
        assert spool.resume("checkpoint", checkpoint) == set(ids(numbered(5, 5)))


def test_readers_and_the_writer_at_once(tmp_path: Path) -> None:
    """Readers see every record once, in order, while segments begin and are deleted."""
    found: dict[str, list[str]] = {"a": [], "b": []}
    total = 3000

    def read(name: str) -> None:
        place = Place()
        while len(found[name]) < total:
            entries = spool.read(place, 50)
            found[name] += [entry.record.id for entry in entries]
            place = entries[-1].after if entries else place
            spool.retain(name, place)

    with spool_at(tmp_path, ["a", "b"], size=10_000_000, segment=20_000) as spool:
        threads = [threading.Thread(target=read, args=(name,)) for name in found]
        for thread in threads:
            thread.start()
        for start in range(0, total, 30):
            spool.append(numbered(30, start, size=300))
        for thread in threads:
            thread.join(30)
        assert found["a"] == found["b"] == ids(numbered(total))
        assert len(segments(tmp_path)) < 5


def test_another_process_may_look(tmp_path: Path) -> None:
    """`detector spool list` beside the daemon."""
    with spool_at(tmp_path, **SMALL) as spool:
        spool.append(numbered(50, size=500))
        reader = SpoolReader(tmp_path)
        assert (reader.end, reader.first, reader.size) == (spool.end, spool.first, spool.size)
        assert all_of(reader) == ids(numbered(50))


def test_a_segment_that_somebody_removed_is_a_gap(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with spool_at(tmp_path, **SMALL) as spool:
        spool.append(numbered(50, size=500))
        segments(tmp_path)[1].unlink()
        entries = spool.read(Place(), 100)
        assert len(entries) < 50 and len(entries) + sum(entry.damaged for entry in entries) == 50
        assert "the records in it are lost" in caplog.text
        segments(tmp_path)[-1].unlink()
        all_of(spool)
        spool.append(numbered(1, 50))
        assert all_of(spool)[-1] == "id-50", "appended to a file that has a name"


def test_files_that_are_no_segments_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "00000007.spool").write_bytes(b"")
    with spool_at(tmp_path) as spool:
        spool.append(numbered(1))
        assert spool.end.segment == 8 and not (tmp_path / "00000007.spool").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_thousand_alerts_in_one_call_are_cheap(tmp_path: Path) -> None:
    """They hold up the detection; measured 4 ms."""
    with spool_at(tmp_path, sync="never") as spool:
        batches = [numbered(1000, start, size=2000) for start in range(0, 5000, 1000)]
        times = []
        for batch in batches:
            started = time.perf_counter()
            spool.append(batch)
            times.append(time.perf_counter() - started)
        assert min(times) < 0.05


def test_what_waits_in_memory_is_said_and_written_when_it_can(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that is gone, as one on a share that was unmounted."""
    caplog.set_level(logging.WARNING)
    folder, away = tmp_path / "spool", tmp_path / "away"
    with spool_at(folder, memory=20_000, **SMALL) as spool:
        spool.append(numbered(15, size=500))
        folder.rename(away)
        for number in range(15, 115, 5):
            spool.append(numbered(5, number, size=500))
        level = spool.level()
        assert level.unwritten + level.end.number + level.lost_disk == 115 and level.lost_disk > 20
        away.rename(folder)
        spool.flush()
        assert spool.level().unwritten == 0 and spool.level().lost_disk == level.lost_disk
        kept = all_of(spool)
        assert kept == ids(numbered(len(kept))), "the oldest were kept, in their order"
    assert sum("cannot write" in line for line in caplog.messages) == 1
    assert f"can write again; alerts lost so far: {level.lost_disk}" in caplog.text


def test_settings_have_defaults_that_they_allow() -> None:
    assert defaults_within_bounds(SpoolSettings)
    assert HEADER.size == 28, "the format of files on disk"
