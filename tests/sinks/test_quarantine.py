"""Quarantine: what a destination refused is kept with its reason, and a person decides, whether or not a daemon runs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from detector.sinks.delivery import FOLDER, DeliverySettings
from detector.sinks.destination import Receipt, Record
from detector.sinks.quarantine import NAME, Quarantine, Refused, Tally
from detector.sinks.survey import quarantine_of
from tests.runs import ROOT
from tests.sinks.spooled import Keeping, adds_up, delivery_of, ids, numbered, record, spool_at, until


def refused(count: int, first: int = 0, reason: str = "bad") -> list[Refused]:
    return [Refused(record(number), number, 7, reason) for number in range(first, first + count)]


class Picky(Keeping):
    """Refuses what it is told to."""

    def __init__(self, bad: set[str]) -> None:
        super().__init__()
        self.bad = bad
        self.behave = self.refuse

    def refuse(self, records: Sequence[Record]) -> Receipt:
        found = [(one, f"cannot take {one.id}") for one in records if one.id in self.bad]
        return Receipt(len(records) - len(found), found)


def test_records_are_kept_with_reason_and_bytes(tmp_path: Path) -> None:
    odd = Refused(Record('a"b', b'{"a":"\xc5\x81 ,\\"document\\":"}'), 3, 5, 'said ,"document": and\nmore Ł')
    quarantine = Quarantine(tmp_path)
    assert quarantine.add([odd, *refused(2)]) == 0
    assert Quarantine(tmp_path).listed() == [odd, *refused(2)]
    for line in (tmp_path / NAME).read_bytes().splitlines():
        json.loads(line)


def test_a_record_is_kept_once(tmp_path: Path) -> None:
    """The process ended after it was kept, before the position said so: it is refused again."""
    Quarantine(tmp_path).add(refused(3))
    again = Quarantine(tmp_path)
    assert again.add(refused(5)) == 0 and again.tally == Tally(kept=5)
    assert again.listed() == refused(5)


def test_it_is_bounded(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path, most_bytes=2000)
    without_room = quarantine.add(refused(100))
    assert 80 < without_room < 100 and quarantine.tally.kept == 100 - without_room
    assert (tmp_path / NAME).stat().st_size <= 2000
    quarantine.drop()
    assert quarantine.add(refused(1, 200)) == 0


def test_retry_and_drop_choose_by_id(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path)
    quarantine.add(refused(6))
    assert quarantine.retry({"id-1", "id-3", "unknown"}) == 2
    assert quarantine.tally == Tally(kept=4, retried=2)
    assert quarantine.drop({"id-1", "id-2"}) == 1, "what waits to be delivered is not in quarantine any more"
    assert quarantine.tally == Tally(kept=3, retried=2, dropped=1)
    assert [one.record.id for one in quarantine.to_retry(1)] == ["id-1"]
    quarantine.settle({(1, "id-1")}, {(3, "id-3"): "still bad"})
    assert quarantine.tally == Tally(kept=4, delivered=1, dropped=1)
    assert {one.record.id: one.reason for one in quarantine.listed()}["id-3"] == "still bad"
    assert quarantine.retry() == 4 and quarantine.retry() == 0 and quarantine.drop() == 0


def test_an_empty_one_does_nothing(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "none")
    assert (quarantine.listed(), quarantine.retry(), quarantine.drop(), quarantine.tally) == ([], 0, 0, Tally())
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("cut", [1, 2, 30, 60])
def test_a_line_that_was_being_written_is_cut_off(cut: int, tmp_path: Path) -> None:
    Quarantine(tmp_path).add(refused(3))
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:-cut])
    quarantine = Quarantine(tmp_path)
    assert quarantine.listed() == refused(2) and quarantine.tally.kept == 2
    quarantine.add(refused(2, 2))
    assert quarantine.listed() == refused(4) == Quarantine(tmp_path).listed()


def test_damaged_lines_are_passed_over(tmp_path: Path) -> None:
    Quarantine(tmp_path).add(refused(3))
    path = tmp_path / NAME
    path.write_bytes(
        path.read_bytes().replace(b'"number":1', b'"number":x') + b"\xff\xfe\n" + b'{"a":1,"document":{}}\n'
    )
    assert [one.number for one in Quarantine(tmp_path).listed()] == [0, 2]


def test_a_command_has_records_delivered_again_while_the_daemon_runs(tmp_path: Path) -> None:
    """Another process, as that is what the command is."""
    picky = Picky({"id-2", "id-5"})
    with spool_at(tmp_path) as spool, delivery_of(spool, picky) as delivery:
        spool.append(numbered(10))
        assert delivery.drain(10)
        before = delivery.counts()["keeping"]
        assert (before.delivered, before.quarantined) == (8, 2)
        picky.bad = {"id-5"}
        code = (
            "import sys; from pathlib import Path; from detector.sinks.survey import quarantine_of\n"
            "print(quarantine_of(Path(sys.argv[1]), 'keeping').retry())"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout == "2\n"
        until(lambda: delivery.counts()["keeping"].delivered == 9)
        after = delivery.counts()["keeping"]
        assert (after.quarantined, after.waiting, after.appended) == (1, 0, 10) and adds_up(after)
        assert picky.calls[-1] == (["id-2", "id-5"], True)
        assert quarantine_of(tmp_path, "keeping").drop() == 1
        dropped = delivery.counts()["keeping"]
        assert dropped.lost == {"dropped": 1} and adds_up(dropped)


def test_and_while_it_does_not(tmp_path: Path) -> None:
    picky = Picky({"id-2", "id-5"})
    with spool_at(tmp_path) as spool, delivery_of(spool, picky) as delivery:
        spool.append(numbered(10))
        assert delivery.drain(10)
    assert quarantine_of(tmp_path, "keeping").retry({"id-2"}) == 1
    picky.bad = set()
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, picky, is_started=False) as delivery:
            waiting = delivery.counts()["keeping"]
            assert (waiting.waiting, waiting.quarantined, waiting.appended) == (1, 1, 10) and adds_up(waiting)
        with delivery_of(spool, picky) as delivery:
            assert delivery.drain(10)
            after = delivery.counts()["keeping"]
            assert (after.delivered, after.quarantined) == (9, 1) and adds_up(after)
    assert "id-2" in ids(picky.records)


def test_what_finds_no_room_is_lost_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    picky = Picky(set(ids(numbered(50))))
    settings = DeliverySettings(10**6, 10**7, quarantine=1500)
    with spool_at(tmp_path) as spool, delivery_of(spool, picky, settings=settings) as delivery:
        spool.append(numbered(50))
        assert delivery.drain(10)
        counts = delivery.counts()["keeping"]
        assert counts.refused == 50 and counts.lost["dropped"] + counts.quarantined == 50 and adds_up(counts)
        assert "the quarantine is full" in caplog.text


def test_records_that_cannot_be_kept_are_not_given_up(tmp_path: Path) -> None:
    """A quarantine that cannot be written, here because its name is taken: the refused wait until it can."""
    picky = Picky({"id-1"})
    with spool_at(tmp_path) as spool, delivery_of(spool, picky, is_started=True) as delivery:
        blocked = tmp_path / FOLDER / "keeping" / f"{NAME}.lock"
        blocked.mkdir()
        spool.append(numbered(3))
        until(lambda: delivery.counts()["keeping"].failures.get("io", 0) > 2)
        counts = delivery.counts()["keeping"]
        assert counts.waiting == 3 and adds_up(counts)
        blocked.rmdir()
        assert delivery.drain(10)
        counts = delivery.counts()["keeping"]
        assert (counts.delivered, counts.quarantined) == (2, 1) and adds_up(counts)


def test_a_kill_between_quarantine_and_position_counts_once(tmp_path: Path) -> None:
    picky = Picky({"id-1"})
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, picky, is_started=False):
            pass
        position = tmp_path / FOLDER / "keeping" / "position.json"
        before = position.read_bytes()
        with delivery_of(spool, picky) as delivery:
            spool.append(numbered(3))
            assert delivery.drain(10)
        after = json.loads(position.read_bytes())
        position.write_bytes(json.dumps(json.loads(before) | {"attempted": after["attempted"]}).encode())
        with delivery_of(spool, picky, is_started=False) as delivery:
            counts = delivery.counts()["keeping"]
            assert (counts.quarantined, counts.waiting, counts.appended) == (1, 2, 3) and adds_up(counts)
        with delivery_of(spool, picky) as delivery:
            assert delivery.drain(10)
            assert picky.calls[-1] == (["id-0", "id-2"], True) and adds_up(delivery.counts()["keeping"])
