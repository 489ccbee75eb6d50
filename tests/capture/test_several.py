"""Several live sources: each keeps its packets' order, its position and report; none waits for the silence of another."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from detector.capture.batch import Batch, batch_of, no_packets
from detector.capture.several import SeveralSources
from detector.capture.source import BATCH_SECONDS, SourceReport
from tests.capture.folders import as_pcap, hurry, packets_of, source_of


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


class Reusing:
    """A source that writes each batch into the same buffer, as a ring does, with packets at given times from its start."""

    def __init__(self, name: str, times: list[float]) -> None:
        self.idle_seconds = BATCH_SECONDS
        self.name, self._times, self._sent, self._stopped = name, times, 0, False
        self._batch = batch_of([name.encode() + bytes(4)], [0], path=name)
        self.report = SourceReport()
        self.released: list[Any] = []

    @property
    def reports(self) -> Mapping[str, SourceReport]:
        return {self.name: self.report}

    @property
    def position(self) -> dict[str, Any]:
        return {"sent": self._sent}

    def batches(self) -> Iterator[Batch]:
        began = time.monotonic()
        while not self._stopped:
            due = self._times[self._sent] - (time.monotonic() - began) if self._sent < len(self._times) else 1e9
            time.sleep(max(0.0, min(self.idle_seconds, due)))
            if due > self.idle_seconds:
                yield no_packets()
                continue
            self._sent += 1
            self._batch.buffer[1:5] = list(self._sent.to_bytes(4, "big"))
            self._batch.numbers[0] = self._sent
            self.report.packets += 1
            yield self._batch

    def stop(self) -> None:
        self._stopped = True

    def release(self, position: Mapping[str, Any]) -> None:
        self.released.append(position)


def test_each_batch_is_whole_when_it_comes_and_the_position_is_its_own() -> None:
    """Buffers are used again: a batch must still hold its own packets, and a position not what was not yielded yet."""
    chosen = random.Random(3)
    sources = {name: Reusing(name, [chosen.random() * 0.2 for _ in range(50)]) for name in "abc"}
    several = SeveralSources(sources)
    seen: dict[str, list[int]] = {name: [] for name in "abc"}
    for batch in several.batches():
        for name, number, data in packets_of(batch):
            assert data == name.encode() + number.to_bytes(4, "big")
            seen[name].append(number)
        assert several.position == {name: {"sent": len(numbers)} for name, numbers in seen.items()}
        if all(len(numbers) == 50 for numbers in seen.values()):
            several.stop()
    assert seen == {name: [*range(1, 51)] for name in "abc"}
    assert several.report.packets == 150 and set(several.reports) == {"a", "b", "c"}
    several.release(several.position)
    assert sources["b"].released == [{"sent": 50}]


def test_the_quiet_do_not_hold_up_the_busy() -> None:
    """Eleven silent sources and one with a packet every 10 ms: it comes within its own time and a round's, not a second."""
    times = [number / 100 for number in range(1, 60)]
    several = SeveralSources({name: Reusing(name, times if name == "f" else []) for name in "abcdefghijkl"})
    began, late = time.monotonic(), []
    for batch in several.batches():
        if len(batch):
            late.append(time.monotonic() - began - times[int(batch.numbers[0]) - 1])
        if len(late) == len(times):
            several.stop()
    print(f"latest {max(late) * 1000:.0f} ms, median {sorted(late)[30] * 1000:.0f} ms")
    assert sorted(late)[30] < 0.06


def test_the_busy_do_not_hold_up_each_other() -> None:
    """One that always has packets: another's turn comes after each batch of it."""
    busy, other = Reusing("busy", [0.0] * 10**6), Reusing("other", [0.0] * 100)
    several = SeveralSources({"busy": busy, "other": other})
    order = ""
    for batch in several.batches():
        order += batch.paths[0][:1]
        if order.count("o") == 100:
            several.stop()
    assert order.count("b") <= 101 and "bbb" not in order


def test_when_all_are_quiet_the_daemon_gets_its_turn() -> None:
    several = SeveralSources({name: Reusing(name, []) for name in "abc"})
    batches = several.batches()
    began = time.monotonic()
    assert [len(next(batches)) for _ in range(5)] == [0] * 5
    assert 0.3 < time.monotonic() - began < 2
    several.stop()
    assert sum(1 for _ in batches) <= 1


def test_a_source_that_ends_leaves_the_others() -> None:
    ending, other = Reusing("e", [0.0]), Reusing("o", [0.05, 0.1, 0.15])
    several = SeveralSources({"e": ending, "o": other})
    seen = []
    for batch in several.batches():
        seen += [name for name, _, _ in packets_of(batch)]
        if "e" in seen:
            ending.stop()
        if seen.count("o") == 3:
            other.stop()
    assert sorted(seen) == ["e", "o", "o", "o"]


def test_after_stop_each_hands_on_what_it_holds() -> None:
    """A ring still has packets when the daemon is told to end: they are judged, not thrown away."""
    several = SeveralSources({name: Draining(name, [0.0] * 1000) for name in "ab"})
    batches = several.batches()
    seen = [name for _ in range(4) for name, _, _ in packets_of(next(batches))]
    several.stop()
    seen += [name for batch in batches for name, _, _ in packets_of(batch)]
    assert seen.count("a") >= 5 and seen.count("b") >= 5 and len(seen) < 20


class Draining(Reusing):
    """Three packets more after `stop`."""

    def batches(self) -> Iterator[Batch]:
        yield from super().batches()
        for _ in range(3):
            yield self._batch


def test_folders_side_by_side_and_after_a_restart(tmp_path: Path) -> None:
    """Two watched folders; the position goes through JSON: every packet of both once, files leave both when released."""
    for name in "xy":
        (tmp_path / name).mkdir()
        for part in range(3):
            (tmp_path / name / f"{name}{part}.pcap").write_bytes(as_pcap(part * 100, 100))
    seen: list[tuple[str, int]] = []
    position: dict[str, Any] = {}
    for wanted in (150, 320, 600):
        several = SeveralSources(
            {name: source_of(tmp_path / name, position.get(name), 17, finished="delete") for name in "xy"}
        )
        for batch in several.batches():
            seen += [(name, number) for name, number, _ in packets_of(batch)]
            position = json.loads(json.dumps(several.position))
            if len(seen) >= wanted:
                several.stop()
    expected = [(f"{name}{part}.pcap", number) for name in "xy" for part in range(3) for number in range(1, 101)]
    assert sorted(seen) == expected
    assert [one for one in seen if one[0] < "y"] == expected[:300]
    several.release(position)
    assert sorted(path.name for path in tmp_path.rglob("*.pcap")) == ["x2.pcap", "y2.pcap"]
