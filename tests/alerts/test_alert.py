"""One alert: its id, which is the same wherever and whenever it is made, and its sentence."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from pathlib import Path

import pytest

from detector.alerts import alert as module
from detector.alerts import ecs
from detector.alerts.alert import labelled
from detector.capture import open_source
from detector.capture.batch import batch_of
from detector.columns import Field
from detector.flows.table import FlowSettings
from detector.pipeline import Pipeline, PipelineSettings
from tests.alerts.made import START, made
from tests.flows.frames import SYN, tcp
from tests.rules.written import Frame, alerts_of_frames, loaded, rule, selecting
from tests.runs import pcap_bytes

ALL = selecting("{tcp.flags.syn: true}")


def syn(port: int) -> bytes:
    return tcp(("10.0.0.1", 40000), ("10.0.0.2", port), SYN)


FRAMES: list[Frame] = [(START + 1_000_000 * n, syn(port)) for n, port in enumerate((1, 2, 2, 3))]


def ids(folder: Path, frames: list[Frame] = FRAMES, text: str = ALL, size: int = 1000, **settings: str) -> list[str]:
    return [one.document["event"]["id"] for one in alerts_of_frames(loaded(folder, text), frames, size, **settings)]


def test_the_id_depends_on_neither_host_nor_version_nor_clock_nor_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sensor and a replay of its capture must name the same alert, so that nothing is indexed twice."""
    first = ids(tmp_path)
    assert len(set(first)) == 4
    monkeypatch.setattr(ecs, "__version__", "99.0")
    monkeypatch.setattr(time, "time", lambda: 0.0)
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    for size in (1, 3):
        assert ids(tmp_path, size=size) == first
    assert ids(tmp_path, observer="another sensor") == first


def test_the_id_does_not_depend_on_the_file_or_the_number_of_the_packet(tmp_path: Path) -> None:
    """Cut into two files, or with a packet in front."""
    one, two, three = tmp_path / "one.pcap", tmp_path / "two.pcap", tmp_path / "three.pcap"
    one.write_bytes(pcap_bytes(FRAMES[:2]))
    two.write_bytes(pcap_bytes(FRAMES[2:]))
    three.write_bytes(pcap_bytes([(START - 1, b"\0" * 60), *FRAMES]))
    found = []
    for paths in ([str(one), str(two)], [str(three)]):
        pipeline = Pipeline(loaded(tmp_path, ALL), PipelineSettings(flows=FlowSettings(flows=1024)))
        alerts = [alert for batch in open_source(paths).batches() for alert in pipeline.process(batch)]
        found.append([alert.document["event"]["id"] for alert in alerts])
        numbers = [(alert.document["log"]["file"]["path"], alert.document["packet"]["number"]) for alert in alerts]
        if len(paths) == 2:
            assert numbers == [(str(one), 1), (str(one), 2), (str(two), 1), (str(two), 2)], "from 1 within its file"
        else:
            assert numbers == [(str(three), number) for number in (2, 3, 4, 5)]
    assert found[0] == found[1] == ids(tmp_path)


def test_identical_packets_have_ids_of_their_own_and_keep_them(tmp_path: Path) -> None:
    """Same time, same bytes: what a mirror port makes. The second is not the first, in every run."""
    frames: list[Frame] = [(START, syn(1))] * 3 + [(START + 999, syn(1))]
    first = ids(tmp_path, frames)
    assert len(set(first)) == 4
    assert ids(tmp_path, frames, size=1) == first
    assert ids(tmp_path, frames[:2]) == first[:2]


@pytest.mark.parametrize(
    "other",
    [
        {"frames": [(START + 1000, syn(1))]},  # a microsecond later
        {"frames": [(START, syn(2))]},
        {"frames": [(START, tcp(("10.0.0.1", 40000), ("10.0.0.2", 1), SYN, sequence=1))]},
        {"text": ALL.replace("000001", "000002")},
        {"text": ALL.replace("limit: none", "limit: {by: [ip.src]}")},  # another group
        {"run": "exercise 7"},
    ],
)
def test_what_makes_it_another_alert(other: dict[str, object], tmp_path: Path) -> None:
    given: dict[str, object] = {"frames": [(START, syn(1))], **other}
    assert ids(tmp_path, **given) != ids(tmp_path, [(START, syn(1))])  # type: ignore[arg-type]


def test_a_run_sets_exercises_apart_and_is_named(tmp_path: Path) -> None:
    runs = [ids(tmp_path, run=name) for name in ("", "one", "two")]
    assert len({one for found in runs for one in found}) == 12
    (alert,) = alerts_of_frames(loaded(tmp_path, ALL), FRAMES[:1], run="one")
    assert alert.document["labels"] == {"run": "one"}
    assert "labels" not in made(tmp_path, syn(1)).document


def test_occurrences_are_counted_in_bounded_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT_IDS", 2)
    builder_frames: list[Frame] = [(START + n, syn(n)) for n in range(1, 200)]
    assert len(set(ids(tmp_path, builder_frames))) == 199
    seen = module.AlertBuilder()
    assert len(seen.occurrences._seen) == 0


def test_facts_of_the_match_in_the_sentence(tmp_path: Path) -> None:
    text = rule(
        "detection: {a: {tcp.flags.syn: true}, condition: a}\n"
        "alert: {message: '{ip.src} {vlan.id} {stood_for} {group} {count} {note} {{x}}', limit: {by: [ip.src, ip.dst], count: 1, every: 2ms}}"
    )
    made_alerts = alerts_of_frames(loaded(tmp_path, text), FRAMES)
    assert [one.message for one in made_alerts] == [
        "10.0.0.1 - 0 10.0.0.1, 10.0.0.2 - - {x}",
        "10.0.0.1 - 1 10.0.0.1, 10.0.0.2 - - {x}",
    ]
    assert (
        made_alerts[1].document["detector"]["stood_for"] == 1 and "stood_for" not in made_alerts[0].document["detector"]
    )


def test_an_alert_without_a_message_says_its_title(tmp_path: Path) -> None:
    alert = made(tmp_path, syn(1))
    assert alert.message == alert.document["message"] == "A rule"
    assert replace(alert, document={}) == alert, "documents are made of the rest"


def test_identical_occurrences_are_counted_on_over_a_pickle(tmp_path: Path) -> None:
    """A restart must not give a second alert the id of the first: Elasticsearch would take it for a resend."""
    pipeline = Pipeline(loaded(tmp_path, selecting("{ip: true}")))
    frame = syn(1)
    first = pipeline.process(batch_of([frame], [START]))
    kept = pickle.loads(pickle.dumps(pipeline._builder.occurrences))
    second = Pipeline(pipeline.ruleset)
    second._builder = module.AlertBuilder(occurrences=kept)
    again = second.process(batch_of([frame], [START]))
    plain = Pipeline(pipeline.ruleset).process(batch_of([frame], [START]))
    numbers = [one.document["event"]["id"] for one in (*first, *again, *plain)]
    assert numbers[0] == numbers[2] != numbers[1]


def test_numbers_in_messages_have_their_names() -> None:
    """What has none stays a number; names are not names of truths."""
    function = Field("a.func", "uint", "", labels={13: "Cold Restart"})
    assert labelled(function, [13, 90]) == ["Cold Restart (13)", 90]
    assert labelled(Field("a.flag", "bool", "", labels={1: "set"}), [True]) == [True]
