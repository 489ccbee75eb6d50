"""The same packets give the same alerts, byte for byte: whatever the batch, the source, and what comes afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.pipeline import Pipeline
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.rules.signature import Signature
from tests.differential.suricata.captures import frames_of as wire_of
from tests.differential.suricata.compare import configuration
from tests.differential.suricata.rules import all_rules, write_rules
from tests.rough import BUILT
from tests.runs import ROOT, SCENARIOS, VARIABLES, Frame, alerts_of, frames_of, lines_of, pcap_bytes, replayed

SEED = int(os.environ.get("DETECTOR_SEED", random.SystemRandom().randrange(2**31)))
CASES: dict[str, Callable[[], list[Frame]]] = {
    **{name: lambda build=build: build(SEED) for name, build in BUILT.items()},
    **{name: lambda name=name: frames_of(SCENARIOS / name / "capture.pcap", 0, 2500)
       for name in ("modbus-takeover", "syn-flood", "mixed-day", "replayed-commands")},
}  # fmt: skip


# Built captures that are hard on payload rules: seams and gaps, fragments, bits, hosts, thresholds.
OF_PAYLOADS = ("disordered_streams", "fragments", "marked_flows", "hosts", "rates", "odd_streams")
TAGS = ("session,3,packets", "session,500,bytes", "host,2,seconds,src", "host,4,packets,dst")
TAGGING = 'alert ip any any -> any any (msg:"tags"; content:"EVIL"; tag:{0}; sid:{1};)\n'


@pytest.fixture(scope="module")
def payloads(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ruleset]:
    """Rules with every payload and state keyword, and one capture of all of OF_PAYLOADS, an hour apart."""
    folder = tmp_path_factory.mktemp("payloads")
    (folder / "suricata.yaml").write_text(configuration())
    rules = write_rules(folder / "all.rules", all_rules())
    tagging = folder / "tags.rules"
    tagging.write_text("".join(TAGGING.format(tag, 9_990_000 + number) for number, tag in enumerate(TAGS)))
    frames = [
        (time + place * 3600 * 10**9, data)
        for place, name in enumerate(OF_PAYLOADS)
        for time, data in wire_of(name).frames
    ]
    path = folder / "payloads.pcap"
    path.write_bytes(pcap_bytes(frames))
    return path, load_rules([rules, tagging], suricata_yaml=folder / "suricata.yaml")


def matched(capture: Path, ruleset: Ruleset, batch_packets: int) -> list[tuple[int, str, int]]:
    """(time, rule, how many it stands for) of what would alert. Alerts are not made: there are 13,000."""
    run, found = Pipeline(ruleset), []
    for batch in open_source([str(capture)], batch_packets=batch_packets).batches():
        packets, pdus = run.decoding.tables(batch)
        matches = run.engine.detect({"packet": packets, **pdus})
        run.decoding.following.remember(packets)
        found += [(match.clock_ns, match.rule.id, match.stood_for) for match in matches]
    assert not run.engine.rule_errors
    return found


def test_the_batch_size_changes_nothing_for_payload_rules(payloads: tuple[Path, Ruleset]) -> None:
    """A thousand rules: windows over seams, waiting hits, bits, numbers, hosts and thresholds go on in the next batch."""
    whole = matched(*payloads, 16384)
    assert len({rule for _, rule, _ in whole}) > 250
    assert {rule.id for rule in payloads[1].followers if not rule.silent} <= {rule for _, rule, _ in whole}
    for batch_packets in (1, 7, 1000):
        assert matched(*payloads, batch_packets) == whole, f"batches of {batch_packets}"


def test_the_number_of_workers_changes_nothing_for_payload_rules(
    payloads: tuple[Path, Ruleset], tmp_path: Path
) -> None:
    """Every keyword by workers: each follows some flows, one judge remembers."""
    path, ruleset = payloads
    rules = tuple(
        rule for number, rule in enumerate(ruleset.rules) if rule.signature and needs_order(rule.signature, number)
    )
    some = replace(ruleset, rules=rules)
    whole = lines_of(alerts_of(open_source([str(path)]), some), tmp_path)
    assert len(whole) > 500
    for workers, batch_packets in ((1, 16384), (2, 7), (3, 1000), (4, 64)):
        source = open_source([str(path)], batch_packets=batch_packets)
        found = lines_of(alerts_of(source, some, workers=workers), tmp_path)
        assert found == whole, f"{workers} workers, batches of {batch_packets}"


def needs_order(signature: Signature, number: int) -> bool:
    """Rules that keep something, and one in twelve of the others."""
    return bool(signature.states or signature.threshold or signature.detection_filter) or number % 12 == 0


@pytest.fixture(params=CASES, scope="module")
def capture(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of each kind. DETECTOR_SEED makes a failed run's captures again."""
    print(f"DETECTOR_SEED={SEED}")
    path = tmp_path_factory.mktemp("determinism") / "capture.pcap"
    path.write_bytes(pcap_bytes(CASES[request.param]()))
    return path


def test_the_batch_size_changes_nothing(capture: Path) -> None:
    """State that a batch forgot, or judged at its end, would show as other alerts with other batches."""
    whole = replayed(capture)
    assert whole, "a capture without alerts proves nothing"
    for batch_packets in (1, 7, 1000):
        assert replayed(capture, batch_packets) == whole, f"batches of {batch_packets}"


def test_the_number_of_workers_changes_nothing(capture: Path) -> None:
    """Nor does it with any batch size: what a worker shared with another, or told too late, would show."""
    whole = replayed(capture)
    for workers, batch_packets in ((1, 16384), (2, 7), (3, 1000), (4, 64)):
        assert replayed(capture, batch_packets, workers) == whole, f"{workers} workers, batches of {batch_packets}"


def test_alerts_of_a_prefix_are_a_prefix_with_workers_too(capture: Path, tmp_path: Path) -> None:
    whole, frames = replayed(capture), frames_of(capture)
    part = tmp_path / "capture.pcap"
    count = random.Random(SEED).randrange(len(frames) // 2, len(frames))
    part.write_bytes(pcap_bytes(frames[:count]))
    found = [line.replace(str(part).encode(), str(capture).encode()) for line in replayed(part, 100, 3)]
    assert found == whole[: len(found)], f"the first {count} packets"


def test_alerts_of_a_prefix_are_a_prefix(capture: Path, tmp_path: Path) -> None:
    """A replay that is stopped early, and a sensor's alerts so far, are never taken back by what comes later."""
    whole, frames = replayed(capture), frames_of(capture)
    chosen = random.Random(SEED)
    part = tmp_path / "capture.pcap"
    counts = set()
    for count in (*(chosen.randrange(len(frames)) for _ in range(6)), len(frames) - 1):
        part.write_bytes(pcap_bytes(frames[:count]))
        found = replayed(part)
        renamed = [line.replace(str(part).encode(), str(capture).encode()) for line in found]
        assert renamed == whole[: len(found)], f"the first {count} packets"
        counts.add(len(found))
    assert max(counts) > 0


def in_pieces(data: bytes) -> Iterator[bytes]:
    """Pieces of random sizes, down to one byte."""
    chosen, at = random.Random(SEED), 0
    while at < len(data):
        size = chosen.choice((1, 13, 1000, 70000, 300000))
        yield data[at : at + size]
        at += size


def test_a_pipe_gives_the_alerts_of_the_file(capture: Path, tmp_path: Path) -> None:
    """tcpdump into a pipe must not see less than a replay of what it wrote."""
    pipe = tmp_path / "capture.pcap"
    os.mkfifo(pipe)

    def write() -> None:
        with pipe.open("wb", buffering=0) as file:
            for piece in in_pieces(capture.read_bytes()):
                file.write(piece)

    writer = threading.Thread(target=write)
    writer.start()
    found = lines_of(alerts_of(open_source([str(pipe)])), tmp_path)
    writer.join()
    assert [line.replace(str(pipe).encode(), str(capture).encode()) for line in found] == replayed(capture)


def test_a_growing_file_gives_the_alerts_of_the_whole(capture: Path, tmp_path: Path) -> None:
    """--follow on a capture that is being written sees every packet once."""
    growing = tmp_path / "capture.pcap"
    pieces = in_pieces(capture.read_bytes())
    growing.write_bytes(next(pieces))
    packets = len(frames_of(capture))
    source = open_source([str(growing)], follow=True)

    def write() -> None:
        with growing.open("ab", buffering=0) as file:
            for piece in pieces:
                file.write(piece)
        until = time.monotonic() + 30
        while source.report.packets < packets and time.monotonic() < until:
            time.sleep(0.02)
        source.stop()

    writer = threading.Thread(target=write)
    writer.start()
    found = lines_of(alerts_of(source), tmp_path)
    writer.join()
    assert [line.replace(str(growing).encode(), str(capture).encode()) for line in found] == replayed(capture)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_following_with_everything_told(number: signal.Signals, tmp_path: Path) -> None:
    """A person who ends `--follow` gets all alerts so far, the summary, and exit code 0."""
    frames = frames_of(SCENARIOS / "modbus-takeover" / "capture.pcap")
    growing, alerts = tmp_path / "capture.pcap", tmp_path / "alerts.jsonl"
    growing.write_bytes(pcap_bytes(frames[:200]))
    masters = f"MODBUS_MASTERS={VARIABLES['MODBUS_MASTERS']}"
    program = subprocess.Popen(
        [sys.executable, "-m", "detector", "replay", "--follow", str(growing), "--alerts", str(alerts), "--var", masters,
         "--rules", str(ROOT / "rules" / "modbus")], stdout=subprocess.PIPE, text=True)  # fmt: skip
    with growing.open("ab") as file:
        file.write(pcap_bytes(frames[200:])[24:] + b"\0\0\0")  # three bytes of a record that is never finished
    until = time.monotonic() + 60
    while (not alerts.exists() or alerts.read_bytes().count(b"\n") < 1) and time.monotonic() < until:
        time.sleep(0.1)
    time.sleep(1)
    program.send_signal(number)
    out, _ = program.communicate(timeout=20)
    assert program.returncode == 0
    assert f"{len(frames):,} packets" in out
    whole = tmp_path / "whole.pcap"
    whole.write_bytes(pcap_bytes(frames))
    done = subprocess.run(
        [sys.executable, "-m", "detector", "replay", str(whole), "--alerts", str(tmp_path / "whole.jsonl"), "--var", masters,
         "--rules", str(ROOT / "rules" / "modbus")], stdout=subprocess.PIPE, check=True)  # fmt: skip
    assert done.returncode == 0
    expected = (tmp_path / "whole.jsonl").read_bytes().replace(str(whole).encode(), str(growing).encode())
    assert expected and alerts.read_bytes() == expected
