"""The loop that replay and daemon share: what it counts, what it learns, and that runs do not touch each other."""

from __future__ import annotations

from pathlib import Path

from detector.capture import open_source
from detector.pipeline import Decoding, Pipeline, PipelineSettings, replay
from detector.protocols import PROTOCOLS
from detector.rules.loader import load_rules
from tests.runs import RULES, SCENARIOS, VARIABLES, frames_of, pcap_bytes, shipped_rules

CAPTURE = SCENARIOS / "minute-attack" / "capture.pcap"
POLLING = SCENARIOS / "minute-polling" / "capture.pcap"
FRAMES = frames_of(CAPTURE)


def test_counts_are_those_of_the_capture() -> None:
    """Packets, bytes, first and last time as they stand in the file; PDUs as tshark counts them (-Y modbus: 252)."""
    pipeline = Pipeline(shipped_rules())
    found = [alerts for alerts, _ in pipeline.run(open_source([str(CAPTURE)], batch_packets=50))]
    counts = pipeline.decoding.counts
    assert counts.packets == len(FRAMES) and counts.bytes == sum(len(data) for _, data in FRAMES)
    assert (counts.first_ns, counts.last_ns) == (FRAMES[0][0], FRAMES[-1][0])
    assert (
        pipeline.decoding.pdus == {protocol.name: 0 for protocol in PROTOCOLS} | {"modbus": 252}
        and not pipeline.decoding.anomalies
    )
    assert counts.alerts == sum(map(len, found)) > 0
    assert all(count > 0 for count in pipeline.decoding.flows.directions.values())


def test_run_gives_the_report_with_each_batch() -> None:
    """A progress bar moves while a capture is read, not at its end."""
    source = open_source([str(CAPTURE)], batch_packets=100)
    seen = [report.packets for _, report in Pipeline(load_rules([RULES / "network"])).run(source)]
    assert seen == [100, 200, 300, 393]


def test_replay_is_the_whole_run() -> None:
    alerts = replay([str(CAPTURE)], shipped_rules())
    assert [alert.document["event"]["id"] for alert in alerts] == [
        alert.document["event"]["id"] for alert in replay([str(CAPTURE)], shipped_rules(), batch_packets=7)
    ]


def test_runs_share_nothing() -> None:
    """One ruleset, two pipelines side by side, batch by batch: each sees only its own packets."""
    first, second = Pipeline(shipped_rules()), Pipeline(shipped_rules())
    found: list[list[str]] = [[], []]
    batches = zip(open_source([str(CAPTURE)], batch_packets=100).batches(), open_source([str(CAPTURE)], batch_packets=100).batches(),
                  strict=True)  # fmt: skip
    for one, other in batches:
        for place, (pipeline, batch) in enumerate(((first, one), (second, other))):
            found[place] += [alert.document["event"]["id"] for alert in pipeline.process(batch)]
    assert found[0] == found[1] and found[0]


def test_learning_alerts_nothing_and_leaves_flows_and_clock_alone(tmp_path: Path) -> None:
    """Known good traffic is of another day: it must neither alert nor make the run's packets late."""
    later = tmp_path / "later.pcap"
    later.write_bytes(pcap_bytes([(time + 10**9 * 86400 * 30, data) for time, data in frames_of(POLLING)]))
    rules = load_rules([RULES / "modbus" / "new-modbus-master.yml"], variables=VARIABLES)
    pipeline = Pipeline(rules)
    pipeline.learn(open_source([str(later)]))
    assert pipeline.decoding.counts.packets == 0 and pipeline.decoding.flows.created == 0
    alerts = [alert for found, _ in pipeline.run(open_source([str(CAPTURE)])) for alert in found]
    assert {alert.source for alert in alerts} == {"10.20.0.66"}, "the master of the polling is known"
    assert "packet.late" not in pipeline.decoding.decoder.anomalies


def test_the_name_of_a_run_and_of_the_sensor_are_in_its_alerts() -> None:
    settings = PipelineSettings(run="blue-1", observer="sensor-7")
    alerts = replay([str(CAPTURE)], shipped_rules(), settings)
    assert all("blue-1" in str(alert.document) and "sensor-7" in str(alert.document["observer"]) for alert in alerts)


def test_decoding_alone_makes_the_tables_that_rules_see() -> None:
    """`detector decode` shows what a rule is tested on."""
    decoding = Decoding(PipelineSettings())
    rows = 0
    for batch in open_source([str(CAPTURE)], batch_packets=64).batches():
        packets, pdus = decoding.tables(batch)
        assert set(pdus) == {protocol.name for protocol in PROTOCOLS} and packets.rows == len(batch)
        rows += pdus["modbus"].rows
    assert rows == decoding.pdus["modbus"] == 252
