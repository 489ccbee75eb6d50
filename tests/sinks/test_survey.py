"""What `detector spool list` shows is what the delivery counts, beside a daemon and without one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.sinks.delivery import FOLDER
from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.survey import destinations, quarantine_of, survey
from tests.sinks.spooled import Keeping, delivery_of, numbered, spool_at, until


def test_each_destination_with_what_waits_and_why(tmp_path: Path) -> None:
    away, picky = Keeping("away"), Keeping("picky")

    def fail(records: Sequence[Record]) -> None:
        raise Unavailable("unreachable", "away")

    def refuse(records: Sequence[Record]) -> Receipt:
        bad = [
            (one, "too long" if one.id == "id-3" else "no such field")
            for one in records
            if one.id in ("id-1", "id-2", "id-3")
        ]
        return Receipt(len(records) - len(bad), bad)

    away.behave, picky.behave = fail, refuse
    with spool_at(tmp_path) as spool, delivery_of(spool, away, picky) as delivery:
        spool.append(numbered(20))
        until(lambda: delivery.counts()["picky"].waiting == 0)
        until(lambda: survey(tmp_path).standings[1].waiting == 0)
        found = survey(tmp_path)
        assert (found.size, found.first, found.end) == (spool.size, spool.first, spool.end)
        one, other = found.standings
        counts = delivery.counts()
        assert (one.name, one.waiting, one.delivered, one.oldest_ns) == ("away", 20, 0, counts["away"].oldest_ns)
        assert (other.name, other.waiting, other.delivered, other.quarantined) == ("picky", 0, 17, 3)
        assert other.reasons == [("no such field", 2), ("too long", 1)] and other.place == spool.end
    quarantine_of(tmp_path, "picky").retry({"id-3"})
    quarantine_of(tmp_path, "picky").drop({"id-1"})
    other = survey(tmp_path).standings[1]
    assert (other.waiting, other.retried, other.quarantined, other.lost) == (1, 1, 1, 1)
    assert other.reasons == [("no such field", 1)]


def test_a_damaged_position_is_said(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool, delivery_of(spool, Keeping(), is_started=False):
        pass
    (tmp_path / FOLDER / "keeping" / "position.json").write_text("{")
    assert survey(tmp_path).standings[0].problem


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no spool is there"):
        survey(tmp_path / "none")
    with pytest.raises(InputError, match="no destination 'a'"):
        quarantine_of(tmp_path, "a")
    assert destinations(tmp_path) == [] and survey(tmp_path).standings == []
