"""Delivery: each destination gets every alert, in order, whatever the others do; nothing is lost without being counted."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from detector.errors import InputError
from detector.sinks.delivery import FOLDER, Counts, Delivery, DeliverySettings, check
from detector.sinks.destination import Receipt, Record, Unavailable
from detector.sinks.reader import Place
from detector.sinks.spool import Spool
from tests.sinks.spooled import (
    BOUNDS,
    FAST,
    Keeping,
    adds_up,
    defaults_within_bounds,
    delivery_of,
    ids,
    numbered,
    spool_at,
    until,
)


def delivered(delivery: Delivery, name: str = "keeping") -> int:
    return delivery.counts()[name].delivered


def killed(spool: Spool, destination: Keeping, settings: DeliverySettings = FAST) -> None:
    """Delivers, and leaves the position as it is in the middle of a delivery, as kill -9 does."""
    entered, let_go = threading.Event(), threading.Event()
    position = spool.folder / FOLDER / destination.name / "position.json"

    def hang(records: Sequence[Record]) -> None:
        entered.set()
        let_go.wait()

    destination.behave = hang
    delivery = Delivery(spool, [destination], settings, bounds=BOUNDS)
    delivery.start()
    assert entered.wait(5)
    kept = position.read_bytes()
    let_go.set()
    delivery.close()
    position.write_bytes(kept)
    destination.behave = lambda records: None


def test_every_destination_gets_every_alert_in_order(tmp_path: Path) -> None:
    one, other = Keeping("one", batch=3), Keeping("other", batch=100)
    with spool_at(tmp_path) as spool, delivery_of(spool, one, other) as delivery:
        for start in range(0, 100, 10):
            spool.append(numbered(10, start))
        assert delivery.drain(10)
        assert ids(one.records) == ids(other.records) == ids(numbered(100))
        counts = delivery.counts()["one"]
        assert (counts.appended, counts.delivered, counts.waiting, counts.is_up) == (100, 100, 0, True)
        assert counts.lost == counts.failures == {} and adds_up(counts)
        assert abs(counts.success_ns - time.time_ns()) < 60 * 10**9
        assert sum(counts.seconds) == len(one.calls) and len(counts.seconds) == len(BOUNDS) + 1
        assert not any(is_resent for _, is_resent in one.calls)
        assert all(len(batch) <= 3 for batch, _ in one.calls)
    assert one.closed == other.closed == 1


def test_alerts_are_delivered_as_soon_as_they_are_appended(tmp_path: Path) -> None:
    keeping = Keeping()
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping):
        time.sleep(0.1)
        started = time.monotonic()
        spool.append(numbered(1))
        until(lambda: keeping.records)
        assert time.monotonic() - started < 0.8, "not at the next look a second later"


def test_one_that_is_away_holds_up_no_other(tmp_path: Path) -> None:
    away, there = Keeping("away"), Keeping("there")
    is_away = threading.Event()
    is_away.set()

    def behave(records: Sequence[Record]) -> None:
        if is_away.is_set():
            raise Unavailable("unreachable", "no route to host")

    away.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, away, there) as delivery:
        spool.append(numbered(50))
        until(lambda: delivered(delivery, "there") == 50)
        counts = delivery.counts()["away"]
        assert (counts.delivered, counts.waiting, counts.is_up) == (0, 50, False) and adds_up(counts)
        assert 0 < time.time_ns() - counts.oldest_ns < 60 * 10**9
        until(lambda: delivery.counts()["away"].failures["unreachable"] > 3)
        is_away.clear()
        until(lambda: delivered(delivery, "away") == 50)
        assert ids(away.records) == ids(numbered(50))
        assert delivery.counts()["away"].is_up and delivery.counts()["away"].oldest_ns == 0
        resent = [is_resent for batch, is_resent in away.calls if batch[0] == "id-0"]
        assert resent == [False] + [True] * (len(resent) - 1), "what may have arrived is marked"


def test_the_log_tells_of_an_outage_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    keeping = Keeping()
    failures = iter(range(20))

    def behave(records: Sequence[Record]) -> None:
        if next(failures, None) is not None:
            raise Unavailable("timeout", "no answer in 10 s")

    keeping.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(5))
        assert delivery.drain(10)
    assert caplog.messages == [
        "keeping: cannot deliver (timeout): no answer in 10 s; trying again",
        "keeping: delivers again",
    ]


def test_waits_grow_to_a_ceiling_and_differ(tmp_path: Path) -> None:
    """Jitter, so that a hundred sensors do not come back at the same moment."""
    keeping = Keeping()
    times: list[float] = []

    def behave(records: Sequence[Record]) -> None:
        times.append(time.monotonic())
        if len(times) < 9:
            raise Unavailable("unreachable", "away")

    keeping.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping, settings=DeliverySettings(10**7, 10**8)) as delivery:
        spool.append(numbered(1))
        until(lambda: delivered(delivery) == 1)
    waits = [after - before for before, after in pairwise(times)]
    expected = [0.01, 0.02, 0.04, 0.08, 0.1, 0.1, 0.1, 0.1]
    assert all(wait >= most / 2 for wait, most in zip(waits, expected, strict=True))
    assert len({round(wait / most, 3) for wait, most in zip(waits, expected, strict=True)}) > 3


def test_a_destination_may_ask_to_be_left_alone(tmp_path: Path) -> None:
    keeping = Keeping()
    times: list[float] = []

    def behave(records: Sequence[Record]) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise Unavailable("busy", "429", after=0.5)

    keeping.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(1))
        until(lambda: delivered(delivery) == 1)
    assert times[1] - times[0] >= 0.5


def test_part_of_a_delivery_is_tried_again(tmp_path: Path) -> None:
    """Before what comes after it, and without what has arrived."""
    keeping = Keeping(batch=6)
    refusals = iter([("id-1", "id-4"), ("id-4",)])

    def behave(records: Sequence[Record]) -> Receipt | None:
        again = next(refusals, ())
        found = [one for one in records if one.id in again]
        return Receipt(len(records) - len(found), again=found, cause="busy", why="queue full")

    keeping.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(12))
        assert delivery.drain(10)
        assert [batch for batch, _ in keeping.calls[:3]] == [ids(numbered(6)), ["id-1", "id-4"], ["id-4"]]
        assert sorted(ids(keeping.records)) == sorted(ids(numbered(12)))
        assert delivery.counts()["keeping"].failures == {"busy": 2} and adds_up(delivery.counts()["keeping"])


def test_what_is_settled_of_a_delivery_stays_settled_after_a_crash(tmp_path: Path) -> None:
    keeping = Keeping(batch=6)
    stuck = threading.Event()

    def behave(records: Sequence[Record]) -> Receipt | None:
        if stuck.is_set():
            raise Unavailable("busy", "full")
        stuck.set()
        refused = [(one, "bad") for one in records if one.id == "id-2"]
        again = [one for one in records if one.id in ("id-1", "id-4")]
        return Receipt(3, refused, again, "busy", "full")

    keeping.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(8))
        until(lambda: len(keeping.calls) > 3)
        before = delivery.counts()["keeping"]
        assert (before.delivered, before.quarantined, before.waiting) == (3, 1, 4) and adds_up(before)
    with spool_at(tmp_path) as spool:
        again = Keeping(batch=6)
        with delivery_of(spool, again, is_started=False) as delivery:
            after = delivery.counts()["keeping"]
            assert (after.delivered, after.quarantined, after.waiting, after.appended) == (3, 1, 4, 8)
        with delivery_of(spool, again) as delivery:
            assert delivery.drain(10) and adds_up(delivery.counts()["keeping"])
        assert [call for call in again.calls if call[1]] == [(["id-1", "id-4"], True)]
        assert ids(again.records) == ["id-1", "id-4", "id-6", "id-7"]


def test_what_is_refused_goes_to_quarantine_and_the_rest_goes_on(tmp_path: Path) -> None:
    keeping = Keeping()
    keeping.behave = lambda records: Receipt(
        sum(int(one.id[3:]) % 5 > 0 for one in records),
        [(one, "no such field") for one in records if int(one.id[3:]) % 5 == 0],
    )
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(50))
        assert delivery.drain(10)
        counts = delivery.counts()["keeping"]
        assert (counts.delivered, counts.quarantined, counts.refused, counts.waiting) == (40, 10, 10, 0) and adds_up(
            counts
        )
        assert counts.failures == {}
    lines = (tmp_path / FOLDER / "keeping" / "quarantine.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines[1:]]
    assert [one["id"] for one in kept] == [f"id-{number}" for number in range(0, 50, 5)]
    assert kept[0]["reason"] == "no such field" and kept[0]["document"]["message"] == "alert 0"


def test_one_that_fails_unexpectedly_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake in a destination loses no alert, ends no thread, and can be found in the log."""
    keeping = Keeping()
    mistakes = iter([KeyError("took"), None, "receipt", "strange"])

    def behave(records: Sequence[Record]) -> Receipt | None:
        mistake = next(mistakes, None)
        if isinstance(mistake, Exception):
            raise mistake
        if mistake == "strange":
            return Receipt(len(records), again=[Record("another", b"{}")])
        return Receipt(len(records) - 1) if mistake else None

    keeping.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(1))
        assert delivery.drain(10)
        spool.append(numbered(1, 1))
        assert delivery.drain(10)
        assert delivery.counts()["keeping"].failures == {"error": 3} and adds_up(delivery.counts()["keeping"])
    assert keeping.calls[-1] == (["id-1"], True) and keeping.records[-1].id == "id-1"
    assert "Traceback" in caplog.text and "KeyError: 'took'" in caplog.text
    assert "tells of 0 records, 1 were sent" in caplog.text


def test_after_a_kill_what_was_under_way_is_resent_and_nothing_else(tmp_path: Path) -> None:
    keeping = Keeping()
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, keeping) as delivery:
            spool.append(numbered(20))
            assert delivery.drain(10)
        spool.append(numbered(25, 20))
        killed(spool, keeping)
        keeping.calls.clear()
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, keeping, is_started=False) as delivery:
            counts = delivery.counts()["keeping"]
            assert (counts.delivered, counts.waiting, counts.appended) == (20, 25, 45)
        with delivery_of(spool, keeping) as delivery:
            assert delivery.drain(10)
    assert keeping.calls[0] == (ids(numbered(10, 20)), True)
    assert all(not is_resent for _, is_resent in keeping.calls[1:])
    assert [number for batch, _ in keeping.calls for number in batch] == ids(numbered(25, 20))


def test_a_new_destination_begins_at_the_end(tmp_path: Path) -> None:
    old, new = Keeping("old"), Keeping("new")
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, old):
            spool.append(numbered(5))
            until(lambda: len(old.records) == 5)
        with delivery_of(spool, old, new) as delivery:
            spool.append(numbered(5, 5))
            assert delivery.drain(10)
            assert ids(new.records) == ids(numbered(5, 5)) and ids(old.records) == ids(numbered(10))
            assert delivery.counts()["new"].appended == 5 and adds_up(delivery.counts()["new"])


def test_a_removed_destination_holds_nothing_and_counts_what_it_missed(tmp_path: Path) -> None:
    one, other = Keeping("one"), Keeping("other")
    with spool_at(tmp_path, segment=10_000) as spool, delivery_of(spool, one, other) as delivery:
        spool.append(numbered(5))
        assert delivery.drain(10)
    with spool_at(tmp_path, segment=10_000) as spool, delivery_of(spool, one) as delivery:
        spool.append(numbered(500, 5, size=300))
        assert delivery.drain(10)
        until(lambda: len(list(tmp_path.glob("*.spool"))) < 3)
    with spool_at(tmp_path, segment=10_000) as spool, delivery_of(spool, one, other) as delivery:
        spool.append(numbered(1, 505))
        assert delivery.drain(10)
        counts = delivery.counts()["other"]
        assert counts.lost["oldest"] + counts.delivered == counts.appended == 506 and adds_up(counts)


def test_an_overfull_spool_is_counted_for_each_destination(tmp_path: Path) -> None:
    away, there = Keeping("away"), Keeping("there", batch=100)
    is_away = threading.Event()
    is_away.set()

    def behave(records: Sequence[Record]) -> None:
        if is_away.is_set():
            raise Unavailable("unreachable", "away")

    away.behave = behave
    with spool_at(tmp_path, size=80_000, segment=10_000) as spool, delivery_of(spool, away, there) as delivery:
        for start in range(0, 600, 20):
            spool.append(numbered(20, start, size=500))
            until(lambda: delivered(delivery, "there") == start + 20)  # noqa: B023
            assert adds_up(delivery.counts()["away"]), "at any time"
        counts = delivery.counts()
        assert counts["there"].lost == {} and counts["there"].delivered == 600
        lost = counts["away"].lost["oldest"]
        assert 400 < lost < 600 and counts["away"].waiting == 600 - lost
        is_away.clear()
        assert delivery.drain(10)
        after = delivery.counts()["away"]
        assert after.lost == {"oldest": lost} and after.delivered == 600 - lost and adds_up(after)
        assert ids(away.records)[-1] == "id-599"


def test_what_the_spool_could_not_keep_is_lost_for_every_destination(tmp_path: Path) -> None:
    away = Keeping("away")

    def behave(records: Sequence[Record]) -> None:
        raise Unavailable("unreachable", "away")

    away.behave = behave
    settings = {"size": 80_000, "segment": 10_000, "when_full": "drop_newest"}
    with spool_at(tmp_path, **settings) as spool, delivery_of(spool, away) as delivery:
        spool.append(numbered(300, size=500))
        counts = delivery.counts()["away"]
        assert counts.appended == 300 and counts.lost["newest"] == 300 - counts.waiting > 100 and adds_up(counts)
    with spool_at(tmp_path, **settings) as spool, delivery_of(spool, away, Keeping("new")) as delivery:
        again = delivery.counts()["away"]
        assert (again.appended, again.lost, again.waiting) == (300, counts.lost, counts.waiting)
        assert delivery.counts()["new"].lost == {} and delivery.counts()["new"].appended == 0


def test_damaged_records_are_counted_as_lost_by_the_disk(tmp_path: Path) -> None:
    keeping = Keeping()
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, keeping, is_started=False) as delivery:
            spool.append(numbered(20))
            (path,) = tmp_path.glob("*.spool")
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
            assert adds_up(delivery.counts()["keeping"])
        with delivery_of(spool, keeping) as delivery:
            assert delivery.drain(10)
            counts = delivery.counts()["keeping"]
            assert (counts.delivered, counts.lost) == (19, {"disk": 1}) and adds_up(counts)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"acknowledged": 5}', b'{"acknowledged": [1, 28, 0]}', b"[]", b"\xff"])
def test_a_damaged_position_loses_nothing(damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """All that is in the spool is sent again, marked as resent, so that a destination can leave out what it has."""
    keeping = Keeping()
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, keeping) as delivery:
            spool.append(numbered(15))
            assert delivery.drain(10)
        (tmp_path / FOLDER / "keeping" / "position.json").write_bytes(damage)
        keeping.calls.clear()
        with delivery_of(spool, keeping) as delivery:
            spool.append(numbered(5, 15))
            assert delivery.drain(10) and adds_up(delivery.counts()["keeping"])
    assert [number for batch, _ in keeping.calls for number in batch] == ids(numbered(20))
    assert keeping.calls[0][1] and "all that is in the spool is delivered again" in caplog.text


def test_the_spool_lost_what_was_delivered(tmp_path: Path) -> None:
    """A power failure without fsync: the alerts come again with the numbers of before, and are marked as resent."""
    keeping = Keeping()
    with spool_at(tmp_path) as spool:
        with delivery_of(spool, keeping) as delivery:
            spool.append(numbered(10))
            assert delivery.drain(10)
        (path,) = tmp_path.glob("*.spool")
        cut = [entry.after.offset for entry in spool.read(Place(), 10)][5]
    with path.open("r+b") as file:
        file.truncate(cut)
    keeping.calls.clear()
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        assert adds_up(delivery.counts()["keeping"]) and delivered(delivery) == 10
        spool.append(numbered(8, 6))
        assert delivery.drain(10)
        assert keeping.calls[0] == (ids(numbered(4, 6)), True)
        assert delivered(delivery) == 18 and adds_up(delivery.counts()["keeping"])


def test_pause_and_resume(tmp_path: Path) -> None:
    keeping = Keeping()
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        delivery.pause()
        time.sleep(0.05)
        spool.append(numbered(5))
        time.sleep(0.2)
        assert keeping.records == [] and delivery.counts()["keeping"].waiting == 5
        delivery.resume()
        until(lambda: len(keeping.records) == 5)


def test_draining_ends_waits_and_gives_up_in_time(tmp_path: Path) -> None:
    """A stop does not wait a minute for a server that has come back, nor for ever for one that has not."""
    keeping = Keeping()
    is_away = threading.Event()
    is_away.set()

    def behave(records: Sequence[Record]) -> None:
        if is_away.is_set():
            raise Unavailable("unreachable", "away", after=3000)

    keeping.behave = behave
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping, settings=DeliverySettings()) as delivery:
        spool.append(numbered(5))
        until(lambda: keeping.calls)
        started = time.monotonic()
        assert not delivery.drain(0.3)
        assert time.monotonic() - started < 5
        is_away.clear()
        assert delivery.drain(10) and len(keeping.records) == 5


def test_closing_does_not_wait_for_one_that_hangs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keeping = Keeping()
    let_go = threading.Event()
    keeping.behave = lambda records: let_go.wait(20) and None
    with spool_at(tmp_path) as spool:
        delivery = Delivery(spool, [keeping], FAST, bounds=BOUNDS)
        delivery.start()
        spool.append(numbered(1))
        until(lambda: keeping.calls)
        delivery.close(seconds=0.1)
        assert "keeping: a delivery does not end" in caplog.text
        let_go.set()
        until(lambda: keeping.closed)


def test_destinations_reopen_in_their_own_thread(tmp_path: Path) -> None:
    """Between two deliveries; also while nothing is to be delivered, as logrotate waits for the new file."""
    keeping = Keeping()
    with spool_at(tmp_path) as spool, delivery_of(spool, keeping) as delivery:
        spool.append(numbered(1))
        assert delivery.drain(10)
        delivery.reopen()
        until(lambda: keeping.reopened == 1, seconds=0.8)
        assert keeping.thread != threading.get_ident()


def test_names_are_checked(tmp_path: Path) -> None:
    with spool_at(tmp_path) as spool:
        with pytest.raises(InputError, match="2 destinations are named 'a'"):
            Delivery(spool, [Keeping("a"), Keeping("a")], FAST, bounds=BOUNDS)
        for name in ("", "a/b", "..", ".hidden", "a b"):
            with pytest.raises(InputError, match="cannot be the name"):
                Delivery(spool, [Keeping(name)], FAST, bounds=BOUNDS)


def test_a_receipt_tells_of_every_record() -> None:
    check(numbered(2), Receipt(1, [(numbered(1)[0], "bad")]))
    with pytest.raises(ValueError, match="not sent"):
        check(numbered(2), Receipt(2, again=numbered(1, 7)))


class Moody:
    """Fails, refuses, takes a part, loses answers, by chance. Keeps what arrived, once, as a real one must."""

    name = "moody"

    def __init__(self, seed: int, batch: int) -> None:
        self.batch = batch
        self.chance = random.Random(seed)
        self.arrived: dict[str, int] = {}
        self.twice = 0

    def deliver(self, records: Sequence[Record], *, is_resent: bool) -> Receipt:
        mood = self.chance.random()
        if mood < 0.2:
            raise Unavailable("unreachable", "away")
        if mood < 0.25:
            raise RuntimeError("a mistake")
        refused, again, taken = [], [], []
        for one in records:
            draw = self.chance.random()
            if draw < 0.1 and not (is_resent and one.id in self.arrived):
                refused.append((one, "refused"))
            elif draw < 0.3:
                again.append(one)
            else:
                taken.append(one)
        for one in taken:
            if is_resent and one.id in self.arrived:
                continue
            self.twice += one.id in self.arrived
            self.arrived[one.id] = 1
        if mood < 0.4:
            raise Unavailable("timeout", "the answer was lost")
        return Receipt(len(taken), refused, again, "busy" if again else "", "some")

    def reopen(self) -> None: ...

    def close(self) -> None: ...


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    batch=st.integers(1, 12),
    runs=st.lists(st.lists(st.integers(0, 15), min_size=1, max_size=6), min_size=1, max_size=4),
    is_small=st.booleans(),
    policy=st.sampled_from(["drop_oldest", "drop_newest"]),
)
def test_the_loss_budget_adds_up_at_any_time(
    seed: int, batch: int, runs: list[list[int]], is_small: bool, policy: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """appended = delivered + waiting + quarantined + lost, also while it fails, after restarts and with a spool that
    overflows; and what is said to be delivered is what arrived, once."""
    folder = tmp_path_factory.mktemp("spool")
    moody, appended = Moody(seed, batch), 0
    size = {"size": 8_000, "segment": 1_000} if is_small else {}
    counts: Counts | None = None
    logging.disable(logging.CRITICAL)
    try:
        for run in runs:
            with (
                spool_at(folder, when_full=policy, sync="never", **size) as spool,
                delivery_of(spool, moody, settings=DeliverySettings(10**5, 10**6)) as delivery,  # type: ignore[arg-type]
            ):
                first = delivery.counts()["moody"]
                assert counts is None or (first.appended, first.quarantined) >= (counts.appended, counts.quarantined)
                for count in run:
                    spool.append(numbered(count, appended, size=150))
                    appended += count
                    counts = delivery.counts()["moody"]
                    assert adds_up(counts) and counts.appended == appended, counts
                time.sleep(0.002)
        with (
            spool_at(folder, **size) as spool,
            delivery_of(spool, moody, settings=DeliverySettings(10**5, 10**6)) as delivery,
        ):  # type: ignore[arg-type]
            assert delivery.drain(30)
            counts = delivery.counts()["moody"]
        assert counts.appended == appended and adds_up(counts)
        # What was refused in one try may have arrived in an earlier one whose answer was lost, never the other way round.
        assert moody.twice == 0 and counts.delivered <= len(moody.arrived) <= counts.delivered + sum(
            counts.lost.values()
        )
        assert Counter(counts.lost).keys() <= {"oldest", "newest"}
    finally:
        logging.disable(logging.NOTSET)


def test_settings_have_defaults_that_they_allow() -> None:
    assert defaults_within_bounds(DeliverySettings)
