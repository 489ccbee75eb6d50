"""Suricata's alerts and ours on the same capture with the same rules, compared by (capture, sid), and a table by keyword.

Alerts are counted. Where a rule looks into a TCP stream the alerted connections are compared instead, since Suricata
inspects streams in chunks and tells a match again as long as it stands in the window.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, NamedTuple

from detector.capture import open_source
from detector.detect.engine import Engine
from detector.packets.rows import Cell, Word
from detector.packets.table import PacketTable
from detector.pipeline import Decoding, PipelineSettings
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from tests.differential.suricata.exemptions import Exemption, exemption_of, exemption_of_meaning
from tests.differential.suricata.program import events, run
from tests.differential.suricata.rules import ADDRESSES, PORTS

Flow = tuple[str, ...]  # protocol and both ends, sorted
TRANSPORTS = {6: "tcp", 17: "udp", 132: "sctp"}
HEAD = """%YAML 1.1
---
stats: {enabled: yes, interval: 3600}
outputs:
  - eve-log:
      {enabled: yes, filetype: regular, filename: eve.json, types: [alert: {metadata: no}, stats: {totals: yes, threads: no}]}
app-layer:
  protocols:
    modbus: {enabled: yes, detection-ports: {dp: 502}}
    dnp3: {enabled: yes, detection-ports: {dp: 20000}}
    enip: {enabled: yes, detection-ports: {dp: 44818, sp: 44818}}
stream:
  midstream: true
  checksum-validation: no
  reassembly: {toserver-chunk-size: 2560, toclient-chunk-size: 2560, randomize-chunk-size: no}
flow-timeouts:  # as in Debian's suricata.yaml
  default: {new: 30, established: 300, closed: 0}
  tcp: {new: 60, established: 600, closed: 60}
  udp: {new: 30, established: 300}
  icmp: {new: 30, established: 300}
packet-alert-max: 255
mpm-algo: ac  # starts ten times sooner than Hyperscan does
classification-file: /etc/suricata/classification.config
reference-config-file: /etc/suricata/reference.config
vars:
"""
# What the Quickdraw rules call stations and devices; each group holds some of the hosts of the captures, and not all.
QUICKDRAW = {
    "BACNET_CLIENT": "[192.168.0.0/24]",
    "DNP3_CLIENT": "[10.0.0.0/9]",
    "DNP3_SERVER": "any",
    "FINS_CLIENT": "[192.168.0.0/17]",
    "FINS_SERVER": "any",
    "MODBUS_CLIENT": "[10.0.0.0/8,141.81.0.10/32]",
    "MODBUS_SERVER": "any",
    "MODICON_CLIENT": "[10.0.0.0/8]",
    "S7_CLIENT": "[192.168.1.0/24]",
    "S7_SERVER": "any",
}
QUICKDRAW_PORTS = {"DNP3_PORTS": "20000"}

OF_TIMEOUT = "stream (flow timeout)"
# Keywords that make Suricata look at packets one by one, and buffers that only packets have.
BY_PACKET = re.compile(
    r"(?:^|; ?)(dsize|flags|tcp\.flags|seq|ack|window|tcp\.(?:seq|ack|window|mss|hdr)|ttl|tos|id|ipopts|fragbits|fragoffset|ip_proto|sameip"
    r"|ipv4\.hdr|ipv6\.hdr|decode-event|stream-event)[:;]"
)
OF_PAYLOAD = re.compile(r"(?:^|; ?)(content|pcre|byte_test|byte_jump|byte_math|byte_extract|isdataat)[:;]")


class Seen(NamedTuple):
    """An alert of either side."""

    sid: int
    flow: Flow
    is_on_packet: bool = (
        True  # False: on a packet that Suricata made itself, at the end of a connection or of the capture
    )


def flow_of(protocol: str, ends: Iterable[tuple[str, int]]) -> Flow:
    """A flow's name, the same for both directions. Protocols without ports are spelled in many ways: their ends tell them."""
    name = protocol.lower() if protocol.lower() in ("tcp", "udp", "sctp") else "other"
    return name, *sorted(f"{ip_address(address) if address else ''} {port}" for address, port in ends)


def configuration() -> str:
    """Suricata's configuration."""
    groups = {"address-groups": ADDRESSES | QUICKDRAW, "port-groups": PORTS | QUICKDRAW_PORTS}
    return HEAD + "".join(
        f"  {kind}:\n" + "".join(f'    {name}: "{text}"\n' for name, text in group.items())
        for kind, group in groups.items()
    )


def refused_by_suricata(rules: Path, folder: Path) -> dict[int, str]:
    """{line: why} of rules that Suricata does not load."""
    made = run(configuration(), ["-T", "-S", rules], folder)
    reasons, found = [], {}
    for line in made.stdout.splitlines():
        if (place := re.search(r"error parsing signature .* at line (\d+)$", line)) is not None:
            found[int(place[1])] = "; ".join(reasons)
            reasons = []
        elif line.startswith("Error: "):
            reasons.append(line.removeprefix("Error: "))
    return found


def theirs(capture: Path, rules: Path, folder: Path) -> list[Seen]:
    """Suricata's alerts. None may have been left out for want of room on a packet."""
    found, overflow = [], 0
    for event in events(configuration(), rules, capture, folder, may_refuse=True):
        if event["event_type"] == "stats":
            overflow = event["stats"]["detect"]["alert_queue_overflow"]
        else:
            ends = [(event.get(f"{side}_ip", ""), event.get(f"{side}_port", 0)) for side in ("src", "dest")]
            found.append(
                Seen(
                    event["alert"]["signature_id"],
                    flow_of(event.get("proto", ""), ends),
                    event["pkt_src"] != OF_TIMEOUT,
                )
            )
    assert not overflow, f"{capture}: Suricata left out {overflow} alerts"
    return found


def ours(capture: Path, ruleset: Ruleset) -> list[Seen]:
    """Our alerts, told from the rows that matched: thousands of documents would take minutes (test_documents_say_the_same)."""
    decoding, engine = Decoding(PipelineSettings()), Engine(ruleset)
    decoding.following.watch(engine.selector.watched)
    found = []
    for batch in open_source([str(capture)]).batches():
        packets, pdus = decoding.tables(batch)
        matches = [one for one in engine.detect({"packet": packets, **pdus}) if one.rule.signature is not None]
        decoding.following.remember(packets)
        flows = flows_of_rows(packets)
        rows = {name: table.row_of_pdu for name, table in pdus.items()}  # of packets, that each PDU was complete with
        found += [Seen(one.rule.signature.sid, flows(one.row if one.rule.table == "packet" else int(rows[one.rule.table][one.row])))
                  for one in matches if one.rule.signature is not None]  # fmt: skip
    assert not engine.rule_errors, engine.rule_errors
    return found


def flows_of_rows(packets: PacketTable) -> Callable[[int], Flow]:
    """The flow of a row of a packet table, each worked out once."""
    words, cells = packets.structure.words, packets.structure.cells

    @cache
    def flow(row: int) -> Flow:
        if not cells[Cell.NETWORK, row]:
            return flow_of("", [("", 0), ("", 0)])
        source = int(words[row, Word.SOURCE_HIGH]) << 64 | int(words[row, Word.SOURCE_LOW])
        destination = int(words[row, Word.DESTINATION_HIGH]) << 64 | int(words[row, Word.DESTINATION_LOW])
        addresses = [address_of(one, cells[Cell.NETWORK, row] == 4) for one in (source, destination)]
        name = TRANSPORTS.get(int(cells[Cell.TRANSPORT, row]), "")
        ports = [int(cells[one, row]) if name else 0 for one in (Cell.SOURCE_PORT, Cell.DESTINATION_PORT)]
        return flow_of(name, zip(addresses, ports, strict=True))

    return flow


def address_of(number: int, is_ipv4: bool) -> str:
    """An address of a packet row as text."""
    return str(IPv4Address(number & 0xFFFFFFFF) if is_ipv4 else IPv6Address(number))


def flow_of_document(document: Mapping[str, Any]) -> Flow:
    """The flow of an ECS document."""
    ends = [
        (end.get("ip", ""), end.get("port", 0)) for end in (document.get("source", {}), document.get("destination", {}))
    ]
    return flow_of(document.get("network", {}).get("transport", ""), ends)


def load_ours(paths: Sequence[Path], folder: Path) -> Ruleset:
    """Rules with the variables that Suricata gets as well."""
    yaml = folder / "suricata.yaml"
    yaml.write_text(configuration())
    return load_rules(list(paths), suricata_yaml=yaml)


def looks_at_streams(header: str, options: str) -> bool:
    """Whether a rule's TCP alerts come from streams."""
    protocol = header.split()[0]
    if protocol not in ("tcp", "tcp-stream", "ip") or "no_stream" in options:
        return False
    return bool(OF_PAYLOAD.search(options)) and not BY_PACKET.search(options)


@dataclass
class Table:
    """Comparisons by keyword: how many had an alert on both sides, how many differed; and each difference in words."""

    both: Counter[str] = field(default_factory=Counter)
    exempt: Counter[str] = field(default_factory=Counter)
    different: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)
    needed: set[Exemption] = field(default_factory=set)
    compared: int = 0
    agreed: int = 0

    def add(self, capture: str, rules: Mapping[int, tuple[str, str, Sequence[str]]], first: Sequence[Seen], second: Sequence[Seen]) -> None:  # fmt: skip
        """Compares our alerts (first) with Suricata's (second); rules: {sid: (header, options, keywords)}."""
        streams = {sid for sid, (header, options, _) in rules.items() if looks_at_streams(header, options)}
        mine, their = by_sid(first), by_sid(seen for seen in second if seen.is_on_packet or seen.sid in streams)
        for sid in sorted(mine.keys() | their.keys()):
            header, options, keywords = rules[sid]
            a, b = mine.get(sid, []), their.get(sid, [])
            self.compared += 1
            if same(a, b, sid in streams):
                self.agreed += 1
                self.both.update(keywords)
            elif exemption := exemption_of(capture, sid) or (
                exemption_of_meaning(options, set(a), set(b)) if sid in streams else None
            ):
                self.exempt.update(keywords)
                self.needed.add(exemption)
            else:
                self.different.update(keywords)
                self.differences.append(f"{capture}: sid {sid}: {told(a, b)}: {header} ({options})")

    def text(self) -> str:
        """The table for people."""
        names = sorted(self.both.keys() | self.different.keys() | self.exempt.keys())
        lines = [f"{'keyword':34} {'alerts on both sides':>20} {'exempt':>7} {'different':>9}"]
        lines += [f"{name:34} {self.both[name]:20} {self.exempt[name]:7} {self.different[name]:9}" for name in names]
        share = 100 * self.agreed / max(self.compared, 1)
        return "\n".join([*lines, f"{self.compared} comparisons with an alert, {self.agreed} agree ({share:.2f} %)"])


def by_sid(alerts: Iterable[Seen]) -> dict[int, list[Flow]]:
    """{sid: flows of its alerts}."""
    found: dict[int, list[Flow]] = defaultdict(list)
    for seen in alerts:
        found[seen.sid].append(seen.flow)
    return found


def same(first: Sequence[Flow], second: Sequence[Flow], of_streams: bool) -> bool:
    """Whether two lists of alerts agree: in number, or for TCP of stream rules in connections."""
    if not of_streams:
        return len(first) == len(second)
    streams = [{flow for flow in flows if flow[0] == "tcp"} for flows in (first, second)]
    others = [sum(flow[0] != "tcp" for flow in flows) for flows in (first, second)]
    return streams[0] == streams[1] and others[0] == others[1]


def told(first: Sequence[Flow], second: Sequence[Flow]) -> str:
    """A difference in words."""
    only = [sorted(set(one) - set(other))[:2] for one, other in ((first, second), (second, first))]
    text = f"we {len(first)} alerts, Suricata {len(second)}"
    for name, flows in zip(("we", "Suricata"), only, strict=True):
        if flows:
            text += f"; only {name}: {', '.join(' '.join(flow) for flow in flows)}"
    return text
