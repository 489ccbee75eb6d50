"""Several processes are one run: the same alerts, counts and summary; rules exchanged and state restored on the way."""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from detector.alerts.alert import Alert
from detector.capture import open_source
from detector.capture.batch import Batch, batch_of, no_packets
from detector.capture.source import SourceReport
from detector.flows.table import FlowSettings
from detector.packets.decode import DecodeSettings
from detector.pipeline import Pipeline, PipelineSettings, Run
from detector.rules.model import Compare, FieldValue, Literal_
from detector.silence import reasons
from detector.snapshot import UnfitState
from detector.workers import WorkerPipeline
from tests.flows.frames import SYN, ip, tcp
from tests.rough import BUILT, split_and_wrapped
from tests.rules.written import id_of, loaded, rule, selecting
from tests.runs import SCENARIOS, counts_of, fed, frames_of, lines_of, pcap_bytes, shipped_rules

SETTINGS = PipelineSettings(
    decode=DecodeSettings(drop_repeats=True), flows=FlowSettings(flows=4096), run="x", observer="y"
)
START = 1_714_550_400 * 10**9
TAKEOVER = SCENARIOS / "modbus-takeover" / "capture.pcap"


def batches(path: Path, size: int = 200) -> Iterator[Batch]:
    return open_source([str(path)], batch_packets=size).batches()


def both(paths: list[str], workers: int, size: int, settings: PipelineSettings, folder: Path) -> int:
    """Compares a run in one process with one in several; how many alerts there were."""
    single = Pipeline(shipped_rules(), settings)
    expected = lines_of(fed(single, open_source(paths, batch_packets=size)), folder)
    with WorkerPipeline(shipped_rules(), settings, workers) as several:
        source = open_source(paths, batch_packets=size)
        assert lines_of(fed(several, source), folder) == expected
        assert counts_of(several) == counts_of(single)
        assert list(reasons(several, source.report)) == list(reasons(single, source.report))
    return len(expected)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_all_scenarios_merged(workers: int, tmp_path: Path) -> None:
    """Alerts, counts, and what the summary says; also with repeats left out and a full table of flows."""
    paths = [str(path) for path in sorted(SCENARIOS.glob("*/capture.pcap"))]
    assert both(paths, workers, 5000, SETTINGS, tmp_path) > 10


def test_real_captures(captures: Path, tmp_path: Path) -> None:
    """Layer-2 traffic, tunnels, VLANs, fragments, cut packets, comments and several interfaces."""
    folders = ("modbus", "mixed", "malformed", "goose_mms", "profinet", "iec104", "zigbee")
    paths = [str(path) for name in folders for path in sorted((captures / name).rglob("*.pcap*"))]
    assert both(paths, 3, 16384, PipelineSettings(), tmp_path) > 10


def test_memory_that_is_short_everywhere(tmp_path: Path) -> None:
    """What is given up for want of room depends on no other shard: floods, gaps and fragments in small tables."""
    settings = PipelineSettings(flows=FlowSettings(flows=128))
    for name, build in BUILT.items():
        path = tmp_path / f"{name}.pcap"
        path.write_bytes(pcap_bytes(build(11)))
        both([str(path)], 3, 300, settings, tmp_path)


def test_batches_of_one_packet(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_bytes(BUILT["torn"](5)))
    assert both([str(path)], 4, 1, SETTINGS, tmp_path) > 0


def test_a_tunnel_whose_rows_lie_with_different_workers(tmp_path: Path) -> None:
    """Of the rows of one packet the innermost alerts, whoever has it; its frame, its outer VLAN and its id are the packet's."""
    frames = []
    for number in range(60):
        inner = tcp((f"192.168.0.{number}", 40000), ("192.168.1.1", 80), SYN)[14:]
        frames.append(ip("10.0.0.1", f"10.0.1.{number % 7}", 4, inner, vlan=5))
        frames.append(ip("10.0.0.2", "10.0.0.9", 1, b"\x03\x03" + bytes(6) + inner))
    text = "---\n".join(
        selecting(one).replace(id_of(1), id_of(n)) for n, one in enumerate(("{ip: true}", "{ip.src: 10.0.0.1}", "{vlan: true}", "{tcp.dstport: 80}", "'frame contains 0a:00:00'"), 1)
    )  # fmt: skip
    ruleset = loaded(tmp_path, text)
    batch = batch_of(frames, [START + n for n in range(len(frames))])
    expected = Pipeline(ruleset, SETTINGS).feed(batch)
    for workers in (2, 3):
        with WorkerPipeline(ruleset, SETTINGS, workers) as several:
            made = several.feed(batch_of(frames, [START + n for n in range(len(frames))])) + several.finish()
        assert lines_of(made, tmp_path) == lines_of(expected, tmp_path)
    assert len({alert.rule.id for alert in expected}) == 5


def test_identical_packets_have_ids_of_their_own_wherever_they_are_built(tmp_path: Path) -> None:
    """Occurrences are counted by the coordinator, also for packets without a Community ID."""
    arp = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a0000010000000000000a000002")
    frames = [arp, tcp(("10.0.0.1", 1), ("10.0.0.2", 2), SYN)] * 6
    ruleset = loaded(tmp_path, selecting("{eth: true}"))
    expected = Pipeline(ruleset).feed(batch_of(frames, [START] * 12))
    with WorkerPipeline(ruleset, workers=2) as several:
        made = [one for frame in frames for one in several.feed(batch_of([frame], [START]))] + several.finish()
    ids = [alert.document["event"]["id"] for alert in made]
    assert ids == [alert.document["event"]["id"] for alert in expected] and len(set(ids)) == 12


def test_alerts_come_with_a_later_batch_at_the_latest_with_an_empty_one() -> None:
    """A live source yields an empty batch where nothing came: nobody waits for the next packet to see an alert."""
    with WorkerPipeline(shipped_rules(), workers=2) as several:
        made = [alert for batch in batches(TAKEOVER, 5000) for alert in several.feed(batch)]
        for _ in range(2000):
            made += several.feed(no_packets())
            if several.decoding.counts.alerts == len(made) > 0 and not several._under_way:
                break
            time.sleep(0.005)
        assert made and several.finish() == []


def test_batches_larger_than_any_before(tmp_path: Path) -> None:
    """A slot grows while workers look at it."""
    frames = frames_of(TAKEOVER)
    single = Pipeline(shipped_rules(), SETTINGS)
    sizes, at, parts = (1, 3, 500, 10, 900, 2000, 5, 10**6), 0, []
    for size in sizes:
        parts.append([(time, data + bytes(size if size < 1000 else 0)) for time, data in frames[at : at + size]])
        at += size

    def made_of(pipeline: Run) -> list[Alert]:
        given = (batch_of([data for _, data in part], [time for time, _ in part]) for part in parts)
        return [alert for batch in given for alert in pipeline.feed(batch)] + pipeline.finish()

    with WorkerPipeline(shipped_rules(), SETTINGS, 2) as several:
        assert lines_of(made_of(several), tmp_path) == lines_of(made_of(single), tmp_path)


def test_learning(tmp_path: Path) -> None:
    """--learn-from: the coordinator learns, its workers know nothing of it."""
    polling = SCENARIOS / "minute-polling" / "capture.pcap"
    made = []
    for pipeline in (Pipeline(shipped_rules()), WorkerPipeline(shipped_rules(), workers=2)):
        with closing(pipeline):
            pipeline.learn(open_source([str(polling)]))
            made.append(
                lines_of(fed(pipeline, open_source([str(SCENARIOS / "minute-attack" / "capture.pcap")])), tmp_path)
            )
    assert made[0] == made[1] and any(b"never seen" in line or b"new" in line.lower() for line in made[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_rules_exchanged_between_batches(workers: int, tmp_path: Path) -> None:
    """State of what means the same goes on, flows too; alerts of before are of the rules of before."""
    limited = "detection: {{a: {{tcp.dstport: {}}}, condition: a}}\nalert: {{limit: {{by: [tcp.dstport], count: 1, every: 1h}}}}"
    before = loaded(tmp_path, rule(limited.format(80)) + "---\n" + rule(limited.format(81), 2))
    after = loaded(tmp_path, rule(limited.format(81), 2) + "---\n" + rule(limited.format(80), 3))
    frames = [tcp((f"10.0.0.{n}", 40000), ("10.0.1.1", port), SYN) for n in range(1, 9) for port in (80, 81)]
    given = [batch_of(frames, [START + later + n for n in range(len(frames))]) for later in (0, 10**9)]
    with closing(WorkerPipeline(before, SETTINGS, workers) if workers else Pipeline(before, SETTINGS)) as pipeline:
        made = pipeline.feed(given[0])
        assert pipeline.exchange_rules(after) == {id_of(2)}
        made += pipeline.feed(given[1]) + pipeline.finish()
        assert [alert.rule.id for alert in made] == [id_of(1), id_of(2), id_of(3)]
        assert pipeline.decoding.flows.created == 16, "flows go on"


def test_a_run_with_workers_goes_on_from_its_state(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_bytes(split_and_wrapped(3)))
    whole = Pipeline(shipped_rules(), SETTINGS)
    expected = fed(whole, open_source([str(path)]))
    made: list[Alert] = []
    state = None
    parts = list(batches(path, 250))
    for some in (parts[:3], parts[3:4], parts[4:]):
        with WorkerPipeline(shipped_rules(), SETTINGS, 2) as pipeline:
            if state is not None:
                assert pipeline.restore(pickle.loads(state)) == {one.id for one in shipped_rules().active}
            made += [alert for batch in some for alert in pipeline.feed(batch)] + pipeline.finish()
            state = pickle.dumps(pipeline.state())
            assert counts_of(pipeline)["flows"] is not None
            last = counts_of(pipeline)
    assert lines_of(made, tmp_path) == lines_of(expected, tmp_path)
    assert last == counts_of(whole)
    with (
        WorkerPipeline(shipped_rules(), SETTINGS, 3) as other,
        pytest.raises(UnfitState, match="made with 2 workers, and there are 3"),
    ):
        other.restore(pickle.loads(state))
    with (
        WorkerPipeline(shipped_rules(), replace(SETTINGS, flows=FlowSettings(flows=1024)), 2) as other,
        pytest.raises(UnfitState, match="other ceilings"),
    ):
        other.restore(pickle.loads(state))


def test_a_rule_that_fails_in_workers_is_counted_as_in_one_process(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Once a batch, however many workers it failed in, and told once, by the coordinator."""
    ruleset = loaded(tmp_path, selecting("{ip.ttl: 64}"))
    broken = replace(ruleset.rules[0], test=Compare("eq", FieldValue("no.such.field"), Literal_(1)))
    frames = [tcp((f"10.0.0.{n}", 40000), ("10.0.1.1", 80), SYN) for n in range(40)]
    with WorkerPipeline(replace(ruleset, rules=(broken,)), SETTINGS, 2) as several:
        for n in range(3):
            several.feed(batch_of(frames, [START + n * 10**9] * 40))
        several.finish()
        assert several.engine.rule_errors == {id_of(1): 3}
        assert any("failed 3 times" in said for said in reasons(several, SourceReport()))
    (told,) = [record for record in caplog.records if "failed" in record.message]
    assert "no.such.field" in told.message
