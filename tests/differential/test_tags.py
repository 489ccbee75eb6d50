"""`tag` beside Suricata's: the same packets behind the same alerts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.rules.loader import load_rules
from tests.differential.suricata.captures import LAPTOP, PLC, SPOKEN
from tests.differential.suricata.compare import configuration
from tests.differential.suricata.program import events
from tests.differential.suricata.wire import Conversation, Wire
from tests.runs import alerts_of

pytestmark = [pytest.mark.differential, pytest.mark.skipif(shutil.which("suricata") is None, reason="no suricata")]

TAGS = (
    "session",
    "session,5,packets",
    "session,1,packets",
    "session,400,bytes",
    "session,20,bytes",
    "session,3,seconds",
    "host,6,packets,src",
    "host,6,packets,dst",
    "host,500,bytes,src",
    "host,4,seconds,dst",
)


def two_connections(folder: Path) -> Path:
    """The first says the word twice, the second of the same client never; a second goes by now and then."""
    wire = Wire()
    first = Conversation(wire, (LAPTOP, 40001), (PLC, SPOKEN)).open()
    second = Conversation(wire, (LAPTOP, 40002), (PLC, SPOKEN)).open()
    for number in range(12):
        first.say(0, b"EVILWORD" if number in (2, 9) else b"nothing of it")
        second.say(number % 2, b"another connection" * (number + 1))
        wire.wait(1 if number % 2 else 0)
    first.close()
    second.close()
    return wire.write(folder / "tags.pcap")


@pytest.mark.parametrize("tag", TAGS)
def test_the_same_packets_are_tagged(tag: str, tmp_path: Path) -> None:
    capture, rules = two_connections(tmp_path), tmp_path / "tag.rules"
    rules.write_text(f'alert tcp-pkt any any -> any any (msg:"word"; content:"EVILWORD"; tag:{tag}; sid:7;)\n')
    yaml = configuration().replace("alert: {metadata: no}", "alert: {metadata: no, tagged-packets: yes}")
    found = events(yaml, rules, capture, tmp_path)
    expected = [event["timestamp"][:26] for event in found if event["event_type"] == "packet"]
    assert len([event for event in found if event["event_type"] == "alert"]) == 2
    alerts = alerts_of(open_source([str(capture)]), load_rules([rules]))
    mine = {alert.time_ns // 1000 for alert in alerts if "behind an alert" in alert.rule.title}
    assert sorted(f"{time % 1_000_000:06}" for time in mine) == sorted(stamp[-6:] for stamp in expected)
    assert expected or tag in ("session,1,packets", "session,20,bytes")
