"""Why no alert may mean nothing: each reason from a capture or a ruleset that has it, and none where all was seen."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from detector.capture import open_source
from detector.capture.source import SourceReport
from detector.flows.table import FlowSettings
from detector.pipeline import Pipeline, PipelineSettings
from detector.protocols import PROTOCOLS
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.silence import ENOUGH_PACKETS, reasons, refused_rules, still_learning
from tests.detect.test_signatures import datagram
from tests.runs import HOME_NET, RULES, SCENARIOS, VARIABLES, Frame, frames_of, pcap_bytes, shipped_rules

CAPTURE = SCENARIOS / "minute-attack" / "capture.pcap"
FRAMES = frames_of(CAPTURE)
WRITES = RULES / "modbus" / "modbus-write-from-unknown-master.yml"
NO_PDU = f"no PDU of any protocol was decoded (known: {', '.join(one.name for one in PROTOCOLS)})"
ARP = RULES / "network" / "arp-spoofing.yml"


def writes() -> Ruleset:
    return load_rules([WRITES], variables=VARIABLES)


def said(
    path: Path, content: bytes, ruleset: Ruleset | None = None, settings: PipelineSettings | None = None
) -> list[str]:
    """The reasons after a replay of a capture's bytes."""
    path.write_bytes(content)
    pipeline = Pipeline(ruleset or writes(), settings)
    report = SourceReport()
    for _, report in pipeline.run(source := open_source([str(path)])):  # noqa: B007 - the last one is wanted
        pass
    return list(reasons(pipeline, source.report or report))


def with_every_variable() -> Ruleset:
    """The shipped packs, no rule inactive."""
    names = {name for rule in shipped_rules().rules for name in re.findall(r"\$(\w+)", rule.inactive)}
    more = {"S7_WRITABLE_BLOCKS": "1", "DNP3_MASTER_ADDRESSES": "3"}
    return load_rules([RULES], variables={**dict.fromkeys(names, "10.20.0.10"), **more, **VARIABLES}, home_net=HOME_NET)


def test_nothing_is_said_where_everything_was_seen(tmp_path: Path) -> None:
    """A list that is never empty is never read."""
    assert said(tmp_path / "a.pcap", CAPTURE.read_bytes()) == []
    assert said(tmp_path / "a.pcap", CAPTURE.read_bytes(), with_every_variable()) == []


def test_no_packet_and_no_rule(tmp_path: Path) -> None:
    assert said(tmp_path / "a.pcap", pcap_bytes([])) == ["no packet was read"]
    assert said(tmp_path / "a.pcap", CAPTURE.read_bytes(), Ruleset(())) == ["no rule was loaded"]


def test_bytes_that_the_capture_does_not_have(tmp_path: Path) -> None:
    """A segment that is missing hides a write as surely as a rule that is switched off."""
    requests = [number for number, (_, data) in enumerate(FRAMES) if data[36:38] == b"\x01\xf6" and len(data) > 60]
    lost = [frame for number, frame in enumerate(FRAMES) if number != requests[5]]
    assert said(tmp_path / "a.pcap", pcap_bytes(lost)) == [
        "1 gaps in TCP streams: what lay there was not judged (stream.gap)"
    ]
    time, data = FRAMES[requests[5]]
    record = struct.pack("<IIII", time // 10**9, time % 10**9, len(data) - 3, len(data)) + data[:-3]
    cut = pcap_bytes(FRAMES[: requests[5]]) + record + pcap_bytes(FRAMES[requests[5] + 1 :])[24:]
    assert said(tmp_path / "b.pcap", cut) == [
        "1 packets were captured shorter than they were on the wire (packet.truncated)",
        "1 gaps in TCP streams: what lay there was not judged (stream.gap)",
    ]


def test_bytes_that_were_skipped(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    assert said(path, CAPTURE.read_bytes()[:-10]) == [
        f"{path}: cut short in packet 393; read up to packet 392",
        f"{len(FRAMES[-1][1]) + 16 - 10} bytes were skipped: {path}: cut short",
    ]
    damaged = pcap_bytes(FRAMES[:100]) + struct.pack("<IIII", 0, 0, 2**31, 2**31) + bytes(1000)
    assert said(path, damaged) == [
        f"{path}: damaged in packet 101; read up to packet 100",
        f"1,016 bytes were skipped: {path}: damaged",
    ]


def test_link_types_that_are_not_decoded(tmp_path: Path) -> None:
    """USB in place of Ethernet: every packet is counted, none is understood."""
    found = said(tmp_path / "a.pcap", pcap_bytes(FRAMES, 189))
    assert "393 packets have link type 189, which is not decoded" in found
    assert NO_PDU in found


def one_sided(port_at: int) -> list[Frame]:
    """Packets that go one way only: the port is at this offset."""
    return [
        (time, data)
        for time, data in FRAMES
        if data[12:14] == b"\x08\x00" and data[port_at : port_at + 2] == b"\x01\xf6"
    ]


def test_one_direction_only(tmp_path: Path) -> None:
    """A mirror port that is set up for one direction: answers are missing, and with them half of what rules look at."""
    path = tmp_path / "a.pcap"
    assert said(path, pcap_bytes(one_sided(36))) == [
        "only packets to servers were seen: the capture has one direction only"
    ]
    assert said(path, pcap_bytes(one_sided(34))) == [
        "only packets to clients were seen: the capture has one direction only"
    ]
    few = said(path, pcap_bytes(one_sided(36)[: ENOUGH_PACKETS - 1]))
    assert not any("one direction" in reason for reason in few), "a scan's probes are one-sided by nature"


def test_no_pdu_and_a_table_without_rows(tmp_path: Path) -> None:
    found = said(tmp_path / "a.pcap", pcap_bytes(FRAMES[:4]))
    assert found == [
        NO_PDU,
        "1 rule is without a row to judge, there is no modbus here: Modbus write from unknown master",
    ]


def test_inactive_rules_by_what_is_missing(tmp_path: Path) -> None:
    found = said(tmp_path / "a.pcap", CAPTURE.read_bytes(), load_rules([RULES / "modbus", RULES / "network"]))
    missing = [reason for reason in found if "inactive" in reason]
    assert len(missing) == 3 and len(found) == 3
    assert missing[-1] == "1 rule is inactive, $HOME_NET is not set: Cleartext remote administration"
    assert any(
        reason.startswith("5 rules are inactive, $MODBUS_MASTERS is not set: Modbus broadcast write, ")
        for reason in missing
    )


def test_flows_that_were_given_up(tmp_path: Path) -> None:
    flood = (SCENARIOS / "syn-flood" / "capture.pcap").read_bytes()
    found = said(tmp_path / "a.pcap", flood, load_rules([ARP]), PipelineSettings(flows=FlowSettings(flows=64)))
    assert any(
        reason.endswith(" flows were given up before their time: the table of flows was full") for reason in found
    )


def test_a_rule_that_fails_or_forgets(tmp_path: Path) -> None:
    """What the engine counted is said with the rule's title."""
    (tmp_path / "a.pcap").write_bytes(CAPTURE.read_bytes())
    ruleset = writes()
    pipeline = Pipeline(ruleset)
    for _ in pipeline.run(open_source([str(tmp_path / "a.pcap")])):
        pass
    pipeline.engine.rule_errors[ruleset.rules[0].id] += 3
    pipeline.engine.judge._limits[ruleset.rules[0].id].lost = 1234
    assert list(reasons(pipeline, SourceReport())) == [
        "rule 'Modbus write from unknown master' failed 3 times: see the log",
        "rule 'Modbus write from unknown master' forgot 1,234 groups before their time: its memory was full",
    ]


def test_what_payload_rules_ran_into(tmp_path: Path) -> None:
    """An expression without an end is its rule's failure; too many ways to match are said; both of them only once a batch."""
    text = """alert udp any any -> any any (msg:"endless"; content:"start"; pcre:"/(a+)+(?=b)c/"; sid:1;)
alert udp any any -> any any (msg:"ways"; content:"start"; content:"a"; %scontent:"z"; within:1; sid:2;)
""" % ('content:"a"; distance:0; ' * 8)
    (tmp_path / "a.rules").write_text(text)
    frames = [(number, datagram(b"start" + b"a" * 2000)) for number in range(6)]
    (tmp_path / "a.pcap").write_bytes(pcap_bytes(frames))
    pipeline = Pipeline(load_rules([tmp_path / "a.rules"]))
    for alerts, _ in pipeline.run(open_source([str(tmp_path / "a.pcap")])):
        assert alerts == []
    assert pipeline.engine.limits == {"expressions": 4, "untried": 2, "steps": 6}
    found = list(reasons(pipeline, SourceReport()))
    assert "rule 'endless' failed 1 times: see the log" in found
    assert "6 packets or streams were given up after a payload rule had tried too many ways to match in them" in found
    assert "2 times a rule's expression was not tried, because others of it had taken too long" in found


def test_rules_that_still_learn(tmp_path: Path) -> None:
    """A new_value rule within its day takes everything for good; taught by --learn-from, it no longer does."""
    rules = load_rules([RULES / "modbus" / "new-modbus-master.yml"], variables=VARIABLES)
    learning, taught = Pipeline(rules), Pipeline(rules)
    taught.learn(open_source([str(SCENARIOS / "minute-polling" / "capture.pcap")]))
    for pipeline in (learning, taught):
        for _ in pipeline.run(open_source([str(CAPTURE)])):
            pass
    assert still_learning(learning) == ["New Modbus master"]
    assert still_learning(taught) == []


def test_refused_suricata_rules_are_counted_by_keyword(tmp_path: Path) -> None:
    """Not each is named: there may be thousands. A revision that a newer one replaces is no loss."""
    path = tmp_path / "a.rules"
    rule = 'alert tcp any any -> any any (content:"abc"; {} sid:{};)\n'
    path.write_text("".join(rule.format(keyword, sid) for sid, keyword in enumerate(("", "http.uri;", "tls.sni;", "http.uri;", "nosuch;"), 1))
                    + rule.format("rev:2;", 1))  # fmt: skip
    expected = "refused 4 of 6 Suricata rules: http.uri 2, tls.sni 1, with a mistake (detector lint shows it) 1"
    assert refused_rules(load_rules([path])) == expected
    path.write_text(rule.format("", 1) + rule.format("rev:2;", 1))
    assert refused_rules(load_rules([path])) == ""
