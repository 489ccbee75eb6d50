"""Overlapping segments beside Suricata's: what each policy of host-os-policy makes of bytes that come twice before a gap is filled."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.capture import open_source
from detector.flows.columns import Chunk
from detector.flows.streams import POLICIES, StreamSettings, StreamTable
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from tests.differential.suricata.compare import configuration
from tests.differential.suricata.program import events
from tests.differential.suricata.wire import Conversation, Wire

pytestmark = pytest.mark.differential

NAMES = [name for name in POLICIES if name != "first"]
OVERLAPS = [(5, 15), (5, 20), (5, 25), (10, 15), (10, 20), (10, 25), (12, 17), (12, 20), (12, 25)]
RULE = 'alert tcp any any -> any 7777 (msg:"x"; content:"0123"; content:"zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"; sid:1;)\n'


def conversations() -> Wire:
    """A connection for each policy and overlap; the receiver's address says which."""
    wire = Wire()
    for policy in range(len(NAMES)):
        for number, (start, stop) in enumerate(OVERLAPS):
            talk = Conversation(wire, ("10.9.0.1", 2000 + number), (f"10.1.{policy}.1", 7777)).open()
            for at, data in ((10, b"A" * 10), (start, b"B" * (stop - start)), (0, b"0123456789")):
                talk.wire.send(talk.segment(0, "PA", data, at))
            talk.sequences[0] += max(20, stop)
            talk.send(0, "PA", b"z" * 30)
            talk.send(1, "A")
            talk.close()
    return wire


def theirs(path: Path, folder: Path) -> dict[tuple[int, int], str]:
    """{(policy, overlap): the stream}."""
    rules = folder / "policies.rules"
    rules.write_text(RULE)
    yaml = configuration().replace("types: [alert", "types: [{alert: {payload-printable: yes}}")
    yaml += "host-os-policy:\n" + "".join(f"  {name}: [10.1.{number}.0/24]\n" for number, name in enumerate(NAMES))
    found = {}
    for event in events(yaml, rules, path, folder):
        if event["event_type"] == "alert":
            place = int(event["dest_ip"].split(".")[2]), event["src_port"] - 2000
            found[place] = event["payload_printable"].replace("z", "")
    return found


def test_every_policy(tmp_path: Path) -> None:
    path = conversations().write(tmp_path / "policies.pcap")
    policies = tuple((f"10.1.{number}.0/24", name) for number, name in enumerate(NAMES))
    flows, decoder = FlowTable(FlowSettings()), PacketDecoder()
    streams = StreamTable(StreamSettings(policies=policies), flows.slots)
    ours: dict[tuple[int, int], str] = {}
    for batch in open_source([str(path)]).batches():
        packets = decoder.decode(batch)
        chunks = streams.follow(packets, flows.follow(packets))
        for cells in chunks.cells.tolist():
            row = cells[Chunk.ROW]
            ends = packets.column("ip.dst").at(row)[0].split(".")
            place = int(ends[2]), int(packets.structure.ports[row, 0]) - 2000
            data = batch.buffer[cells[Chunk.START] : cells[Chunk.STOP]].tobytes().decode().replace("z", "")
            ours[place] = ours.get(place, "") + data
    their = theirs(path, tmp_path)
    assert len(their) == len(NAMES) * len(OVERLAPS)
    assert {
        NAMES[policy]: their[policy, number]
        for policy, number in their
        if ours[policy, number] != their[policy, number]
    } == {}
