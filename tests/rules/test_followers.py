"""Rules that tags bring with them: how many, of what, and what a person sees of them. That they tell of the packets that
Suricata tags is compared in tests/differential/test_tags.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.capture import open_source
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.followers import followers_of
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from tests.cli.command import detector
from tests.detect.test_signatures import connection
from tests.runs import alerts_of, pcap_bytes

RULE = 'alert tcp any any -> any any (msg:"{0}"; content:"{0}word"; {1} sid:{2};)\n'


def loaded(folder: Path, *tags: str) -> Ruleset:
    """A rule for each tag; "" for none."""
    path = folder / "team.rules"
    path.write_text("".join(RULE.format("abcdefgh"[n], tag and f"tag:{tag};", n + 1) for n, tag in enumerate(tags)))
    return load_rules([path])


def test_a_follower_for_each_tag_that_is_used(tmp_path: Path) -> None:
    """Rules with the same tag share it; one without a tag has none; those of hosts look both ways."""
    assert loaded(tmp_path, "", "").followers == ()
    ruleset = loaded(tmp_path, "session,5,seconds", "session,5,seconds", "host,5,seconds,dst")
    titles = [rule.title for rule in ruleset.followers]
    assert titles == [
        "Packet behind an alert (tag:session,5,seconds)",
        "Packet from the host behind an alert (tag:host,5,seconds,dst)",
        "Packet to the host behind an alert (tag:host,5,seconds,dst)",
    ]
    assert len({rule.id for rule in ruleset.followers}) == 3
    assert {rule.level for rule in ruleset.followers} == {"informational"}
    assert len(ruleset.rules) == len(ruleset.alerting) == 3


def test_a_rule_that_is_not_run_tags_nothing(tmp_path: Path) -> None:
    (tmp_path / "team.rules").write_text('alert tcp $UNSET any -> any any (content:"a"; tag:session; sid:1;)\n')
    ruleset = load_rules([tmp_path / "team.rules"])
    assert ruleset.followers == () and not list(followers_of(ruleset.rules))


@pytest.mark.parametrize("batch", [1, 2, 16384])
def test_packets_behind_an_alert(tmp_path: Path, batch: int) -> None:
    """Of the connection that it is about, and not the one that is tagged by nobody; the same whatever the batch."""
    frames = connection(b"xaword", b"second", b"third", b"fourth") + connection(b"else", b"more", client_port=40001)
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_bytes([(number * 10**7, frame) for number, frame in enumerate(frames, 1)]))
    ruleset = loaded(tmp_path, "session,3,packets")
    source = open_source([str(path)], batch_packets=batch)
    found = [(alert.time_ns // 10**7, alert.rule.title) for alert in alerts_of(source, ruleset)]
    follower = "Packet behind an alert (tag:session,3,packets)"
    assert found == [(4, "a"), (5, follower), (6, follower)]


def test_a_tag_outlives_new_rules(tmp_path: Path) -> None:
    """The follower of the same tag in other rules is the same one."""
    before, after = loaded(tmp_path, "session,4,packets"), loaded(tmp_path, "session,4,packets", "")
    pipeline = Pipeline(before, PipelineSettings())
    frames = connection(b"xaword", b"second", b"third", b"fourth", b"fifth")
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_bytes([(number * 10**7, frame) for number, frame in enumerate(frames, 1)]))
    titles = []
    for number, batch in enumerate(open_source([str(path)], batch_packets=1).batches(), 1):
        titles += [alert.rule.title for alert in pipeline.feed(batch)]
        if number == 5:
            pipeline.exchange_rules(after)
    assert titles == ["a", *["Packet behind an alert (tag:session,4,packets)"] * 3]


def test_whoever_reads_them_sees_what_they_are(tmp_path: Path) -> None:
    """In the summary of a replay, and no mistake or warning in lint."""
    loaded(tmp_path, "session,3,packets")
    frames = connection(b"xaword", b"second", b"third", b"fourth")
    (tmp_path / "a.pcap").write_bytes(pcap_bytes([(n * 10**7, frame) for n, frame in enumerate(frames, 1)]))
    done = detector("replay", tmp_path / "a.pcap", "--rules", tmp_path / "team.rules")
    assert "Packet behind an alert (tag:session,3,packets)" in done.out
    assert detector("lint", tmp_path / "team.rules").out == "1 rule in 1 file, no mistakes, 0 warnings\n"
