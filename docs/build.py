"""Writes the reference pages from the code: fields.md, rule-keys.md, commands.md, anomalies.md. Run by `make docs`.

What the code cannot say, a meaning in a line, stands here; a key, operator or anomaly without one stops the script.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml

from detector.cli.main import COMMANDS, build_parsers
from detector.columns import Field
from detector.errors import PacketAnomaly
from detector.protocols import PROTOCOLS, Protocol
from detector.protocols.fields import ANY_PDU, FIELDS, PACKET, table_of
from detector.protocols.ics import ICS
from detector.protocols.vocabulary import VERBS
from detector.rules.compiler import MODIFIERS
from detector.rules.loader import MATCH_FACTS
from detector.rules.model import LEVELS, STATUSES
from detector.rules.parser import FUNCTIONS, OPERATORS
from detector.service.config import Config
from detector.service.metrics import METRICS
from detector.service.settings_reader import defaults_of, shown_as
from detector.settings import NONE, Setting, settings_of

FOLDER = Path(__file__).parent
RULES = FOLDER.parent / "rules"
ROOT = FOLDER.parent
WRITTEN = "<!-- Written by docs/build.py (make docs): change it there. -->"
MOST_VALUES = 60  # of a field, to be listed in the table
READERS = ("detector.rules.loader", "detector.rules.payload", "detector.rules.overrides", "detector.exercise.scenario")

DASHBOARDS_INTRO = """\
`dashboards/` has what Grafana, Prometheus and Kibana load. `make dashboards` writes Grafana's and Kibana's files from code
(`dashboards/*.py`, the Grafana Foundation SDK); a change in the browser is lost, so change the code. With
[compose](compose.md) everything is there after `docker compose up`. By hand:

| where | what | how |
| --- | --- | --- |
| Prometheus | `dashboards/prometheus/prometheus.yml`, `recording-rules.yml`, `alerting-rules.yml` | copy the folder to `/etc/prometheus`; name your sensors in `targets/*.yml`, each with the labels `sensor` (as in its detector.yml) and `namespace` (of its data stream). In a Prometheus of your own take the job `detector` and both rule files |
| Grafana | `dashboards/grafana/provisioning/` to `/etc/grafana/provisioning`, `dashboards/grafana/*.json` to `/etc/grafana/dashboards` | set DETECTOR_PROMETHEUS_URL, DETECTOR_ELASTICSEARCH_URL and DETECTOR_ELASTICSEARCH_USER; the password and the CA are read from /run/secrets. Or in the browser: data sources with the uids `detector-prometheus` and `detector-elasticsearch` (index `logs-detector.alert-*`, time field `@timestamp`), then import each file |
| Kibana | `dashboards/kibana/detector.ndjson` | Stack Management, Saved Objects, Import |

The user of Grafana's Elasticsearch source needs `read` and `view_index_metadata` on `logs-detector.alert-*`, no more.

At the top of every dashboard stand `namespace` and `sensor`. Alerts are chosen by `data_stream.namespace` and `observer.name`,
metrics by the labels of the scrape configuration, so both must say the same. Times are UTC. A panel that can be empty says so;
any other one has data as soon as a sensor runs. Alerts stand at the time of their packets: those of an old capture are where
the capture was made, so choose that time.

Tested with Prometheus 2.42 and Elasticsearch 8.19 and 9.2: every query of every panel, rule and saved search is asked of the real
servers (tests/dashboards), alarms have unit tests of promtool. Not tested, since they cannot be had where the tests run: Grafana
and Kibana themselves."""

# what `Document.mapping` calls a mapping -> (heading, {key: meaning})
KEYS: dict[str, tuple[str, dict[str, str]]] = {
    "a rule": ("A rule", {
        "title": "what it finds, in some words; the file is named after it",
        "id": "a UUID of its own, which never changes: overrides and alert ids hang on it",
        "name": "how correlations name it",
        "status": f"one of {', '.join(STATUSES)}",
        "level": f"how grave an alert is: {', '.join(LEVELS)}",
        "description": "what happens on the wire, and why it matters",
        "references": "where it is described",
        "author": "who wrote it",
        "date": "the day on which it was written: 2026-11-24",
        "modified": "the day on which it was last changed",
        "tags": "namespace and name, such as attack.ics.t0855: ATT&CK's techniques go into `threat.*`",
        "falsepositives": "whom it alerts about wrongly",
        "protocol": "the table whose rows are tested: packet, or a protocol; without it the one whose fields are named",
        "detection": "named selections and a condition",
        "traffic": "a payload rule: protocol source ports -> destination ports, as in a Suricata rule: tcp any any -> $HOME_NET 502",
        "conditions": "a list of Suricata's keywords on headers, flow and state, one an entry: - flow: established,to_server",
        "payload": "a list of steps on bytes, keywords as Suricata spells them, a content's modifiers beside it ([suricata](suricata.md))",
        "suricata": "the numbers of a rule that was written for Suricata",
        "correlation": "in place of detection: counts over other rules",
        "anomaly": "with detection: alerts on what was not seen before",
        "alert": "message and limit",
        "generate": "false: makes no alerts of its own, feeds correlations only",
        "tests": "packets or captures, and how many alerts they give: `detector test`",
        "license": "of the rule",
    }),
    "detection": ("detection", {
        "condition": "what must hold of the selections: and, or, not, brackets, 1 of a*, all of them; every other key is a selection",
    }),
    "suricata": ("suricata", {
        "sid": "its number", "gid": "its group, 1 where it is not given", "rev": "its revision", "classtype": "its class",
        "priority": "1 is the gravest; without it that of the class", "metadata": "a list of name value",
        "action": "what Suricata would do; here every rule alerts",
    }),
    "correlation": ("correlation", {
        "type": "event_count: how many rows matched; value_count: how many different values a field had",
        "rules": "names or ids of the rules whose matches are counted",
        "group-by": "fields: each combination of their values is counted for itself",
        "timespan": "length of the sliding window: 30s, 10m, 2h",
        "condition": "when it alerts",
    }),
    "condition": ("correlation.condition", {
        "gt": "more than so many", "gte": "so many or more", "lt": "fewer than so many", "lte": "so many or fewer",
        "eq": "exactly so many", "field": "value_count: whose different values are counted",
    }),
    "anomaly": ("anomaly", {
        "type": "new_value: a combination of values that was not seen before",
        "fields": "the combination",
        "learn": "how long, from the first packet, everything is taken as known (24h where it is not given); --learn-from ends it at once",
        "max_values": "how many combinations are remembered (100000 where it is not given); when they are full each alert says so",
    }),
    "alert": ("alert", {
        "message": "the sentence of an alert; {ip.src} stands for the field's values, numbers with their names: Cold Restart (13); {{ and }} for braces",
        "limit": "how often it may alert, or none; without it one alert in ten minutes for each pair of addresses (of a correlation: each group)",
    }),
    "limit": ("alert.limit", {
        "by": "fields: each combination of their values has its own limit",
        "count": "so many alerts pass",
        "every": "in this time from the first one; the next alert says how many it stood for",
    }),
    "a test": ("tests", {
        "packets": "Scapy expressions, read and never evaluated: layers with literals, /, * n, wait(seconds); what is left out is filled in",
        "capture": "in place of packets: a capture, its path taken from the rule's folder",
        "alerts": "how many alerts of this rule must come",
        "variables": "values of $VARIABLES for this test",
        "zones": "zones of this test, as in zones.yml",
        "conduits": "conduits between them",
        "devices": "devices of this test with their points, as in points.yml",
        "learn": "the first so many packets are known good traffic, as --learn-from is",
    }),
    "an override": ("overrides.yml", {
        "rule": "the id of the rule that is changed",
        "reason": "why; it is shown where the rule is missed",
        "until": "the day on which the change ends: 2026-12-31",
        "disable": "true: the rule is not run",
        "level": "another level",
        "except": "a selection or a display filter: the rule is silent where it holds",
        "limit": "another alert.limit",
    }),
    "a scenario": ("scenario.yml", {
        "title": "what it is called",
        "description": "what happens",
        "variables": "values of $VARIABLES: {MODBUS_MASTERS: 10.20.0.10}",
        "home_net": "own networks: $HOME_NET",
        "zones": "zones.yml: a file beside the scenario with the zones that its rules know",
        "points": "points.yml: a file beside the scenario with the points that its rules know",
        "injects": "what was planted, and what is expected of it",
    }),
    "an inject": ("scenario.yml, an inject", {
        "at": "when, since the first packet: 90s, 10m",
        "name": "what happens then",
        "attack": "its technique of ATT&CK for ICS: T0855",
        "expect": "the rules that must alert; [] where none may",
    }),
    "an expectation": ("scenario.yml, what is expected", {
        "rule": "the rule, as its file is named: modbus-write-from-unknown-master",
        "within": "how long after the inject it may alert",
        "alerts": "exactly so many; without it at least one",
    }),
}  # fmt: skip

MODIFIER_MEANINGS = {
    "gt": "greater than", "gte": "greater or equal", "lt": "less than", "lte": "less or equal",
    "contains": "has the text or bytes in it", "startswith": "begins with it", "endswith": "ends with it",
    "re": "matches the regular expression", "cidr": "is in the network", "all": "every value of the list, not one of them",
    "fieldref": "compared with another field of the row", "exists": "true: the field is there; false: it is not",
    "every": "holds on all objects of the row (registers, coils), not on one", "cased": "upper and lower case differ",
}  # fmt: skip
OPERATOR_MEANINGS = {
    ("eq", "any"): "one value is equal", ("eq", "all"): "all values are equal", ("ne", "all"): "no value is equal",
    ("ne", "any"): "one value differs", ("gt", "any"): "greater", ("ge", "any"): "greater or equal", ("lt", "any"): "less",
    ("le", "any"): "less or equal", ("contains", "any"): "has the text or bytes in it",
    ("matches", "any"): "matches the regular expression, upper and lower case alike",
}  # fmt: skip
FUNCTION_MEANINGS = {
    "len": "length in bytes of each value", "lower": "text in lower case", "upper": "text in upper case",
    "count": "how many values the field has in the row", "string": "the value as text, to be matched",
    "min": "the smallest of its arguments", "max": "the largest of its arguments", "abs": "without its sign",
}  # fmt: skip
FACT_MEANINGS = {
    "count": "of a correlation: how many were counted", "group": "the values that it is grouped by",
    "stood_for": "how many alike the limit held back before this alert", "note": "what the rule's state has to say",
}  # fmt: skip
REST = (
    ("`and` `&&`, `or` `||`, `xor` `^^`, `not` `!`, brackets", "join tests; `not` binds tightest, then `and`, `xor`, `or`"),
    ("`in {1, 5..7}`, `not in {...}`, `in $NAME`", "one value is among them; ranges include both ends; $NAME is a variable's list"),
    ("`any ip.addr == ...`, `all ip.addr == ...`", "for one value of the field, or for all"),
    ("`field[0:2]`, `field[4]`, `field[-2:]`, `field[1-3]`", "bytes of a value: from and length, one, from the end, first and last"),
    ("`field#1`, `field#-1`", "the first, the last value in the row"),
    ("`&`, `+`, `-`, `*`, `/`, `%`", "arithmetic: `tcp.flags & 0x02`, `-ip.ttl`. Of whole numbers `/` leaves no fraction, of floats it does; what is divided by zero has no value. `+` and `-` work on durations too (`frame.time_delta + 1` is a second more), `-` between two times"),
    ("a field or protocol alone", "the row has it"),
)  # fmt: skip

ANOMALIES = {
    "packet.late": "older than a packet before it: kept in its place, judged at the clock",
    "packet.time_jump": "a day or more ahead of the clock, and no second packet confirms it",
    "packet.unknown_link_type": "of a link type that is not decoded",
    "packet.too_many_layers": "more than eight tunnels inside each other",
    "packet.repeat": "the same packet again within a millisecond, as a mirror port sends it",
    "packet.redundant": "the same frame over the other LAN (PRP) or the other way round the ring (HSR): left out unless it is asked for",
    "packet.truncated": "captured shorter than it was on the wire: a snap length, or a cut record",
    "ethernet.pkt_too_small": "shorter than an Ethernet header", "sll.pkt_too_small": "shorter than a Linux cooked header",
    "null.pkt_too_small": "shorter than a loopback header", "null.unsupported_type": "a loopback header of another family than IP",
    "hsr.pkt_too_small": "shorter than an HSR tag",
    "ppp.pkt_too_small": "shorter than a PPP header", "pppoe.pkt_too_small": "shorter than a PPPoE header",
    "vlan.header_too_small": "shorter than a VLAN tag", "vlan.too_many_layers": "more VLAN tags than are followed",
    "mpls.header_too_small": "shorter than an MPLS label", "llc.pkt_too_small": "shorter than an LLC header",
    "arp.pkt_too_small": "shorter than its addresses need",
    "ipv4.pkt_too_small": "shorter than an IPv4 header", "ipv4.hlen_too_small": "a header length below 20 bytes",
    "ipv4.iplen_smaller_than_hlen": "a total length below the header's", "ipv4.trunc_pkt": "a total length beyond the packet",
    "ipv4.wrong_ip_version": "another version than 4 where IPv4 was announced", "ipv4.opt_invalid_len": "an option longer than the header",
    "ipv4.csum_invalid": "a wrong header checksum (--check-checksums)",
    "ipv4.frag_overlap": "a fragment that overlaps another, or repeats one with other bytes", "ipv4.frag_pkt_too_large": "fragments of more than 65535 bytes together",
    "ipv4.frag_too_many": "more fragments of one packet than are kept", "ipv4.frag_no_room": "a fragment for which there was no memory",
    "ipv6.pkt_too_small": "shorter than an IPv6 header", "ipv6.trunc_pkt": "a payload length beyond the packet",
    "ipv6.wrong_ip_version": "another version than 6 where IPv6 was announced", "ipv6.trunc_exthdr": "an extension header beyond the packet",
    "ipv6.too_many_exthdr": "more extension headers than are followed",
    "ipv6.frag_overlap": "a fragment that overlaps another, or repeats one with other bytes", "ipv6.frag_pkt_too_large": "fragments of more than 65535 bytes together",
    "ipv6.frag_too_many": "more fragments of one packet than are kept", "ipv6.frag_no_room": "a fragment for which there was no memory",
    "tcp.pkt_too_small": "shorter than a TCP header", "tcp.hlen_too_small": "a header length below 20 bytes",
    "tcp.invalid_optlen": "an option whose length does not fit", "tcp.csum_invalid": "a wrong checksum (--check-checksums)",
    "udp.pkt_too_small": "shorter than a UDP header", "udp.hlen_too_small": "a length below 8 bytes",
    "udp.hlen_invalid": "a length beyond the packet", "udp.csum_invalid": "a wrong checksum (--check-checksums)",
    "icmpv4.pkt_too_small": "shorter than an ICMP header", "icmpv4.csum_invalid": "a wrong checksum (--check-checksums)",
    "icmpv6.pkt_too_small": "shorter than an ICMPv6 header", "icmpv6.csum_invalid": "a wrong checksum (--check-checksums)",
    "igmp.pkt_too_small": "shorter than an IGMP header", "sctp.pkt_too_small": "shorter than an SCTP header",
    "gre.pkt_too_small": "shorter than a GRE header", "gre.wrong_version": "another GRE version than 0 or 1",
    "vxlan.pkt_too_small": "shorter than a VXLAN header",
    "stream.overlap_different_data": "TCP bytes sent twice that differ: one of the two readers is deceived",
    "stream.gap": "TCP bytes that were never seen", "stream.memcap": "TCP bytes for which there was no memory",
    "stream.urgent_data": "TCP bytes with the urgent flag, which receivers leave out or not",
    "stream.est_syn_resend_diff_seq": "a SYN with another number on a connection that was not over",
    "stream.est_packet_out_of_window": "TCP bytes from before the stream's beginning",
    "stream.rst_out_of_window": "a RST whose number is far from the stream's: no receiver obeys it",
}  # fmt: skip


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in lines)


def page(title: str, *parts: str) -> str:
    """A page of parts."""
    return "\n\n".join([WRITTEN, f"# {title}", *parts]) + "\n"


def explained(names: Iterable[str], meanings: Mapping[str, str], what: str) -> Iterator[tuple[str, str]]:
    """(`name`, meaning) of every name; SystemExit where one has no meaning, or a meaning is of none."""
    listed = list(names)
    for name in listed:
        if name not in meanings:
            sys.exit(f"docs/build.py: say in a line what {what} {name!r} means")
        yield f"`{name}`", meanings[name]
    if spare := set(meanings) - set(listed):
        sys.exit(f"docs/build.py: {what} {', '.join(sorted(spare))} is no longer there")


def kind_of(field: Field) -> str:
    """Type, and whether it belongs to an object."""
    return field.kind + (", of an object" if field.level == "object" else "")


def values_of(field: Field) -> str:
    """The values that have names."""
    if not field.labels:
        return ""
    if field.name in ("packet.anomaly", "pdu.anomaly"):
        return "see [anomalies](anomalies.md)"
    if len(field.labels) > MOST_VALUES:
        return f"{len(field.labels)} named values: `detector fields {field.name}`"
    names = (
        field.labels.values()
        if field.kind == "label"
        else (f"{number} {name}" for number, name in field.labels.items())
    )
    return ", ".join(names)


def fields_page() -> str:
    """Every field, a section for each protocol of each table."""
    intro = (
        "Fields that rules, display filters and `detector decode --fields` name. Names are Wireshark's; what Wireshark does not have "
        "(`flow.*`, `pdu.*`, `packet.*`) is ours. On the command line: `detector fields`, `detector fields modbus`."
    )
    parts = [intro]
    titles = {PACKET: "Packets: one row is one IP layer of a packet", ANY_PDU: "PDUs of every protocol"}
    titles |= {
        ICS: "All industrial protocols in one vocabulary: one row is one command, reply or report (see [ics](ics.md))"
    }
    parts.append(
        "Fields of PDUs are on a page for each protocol: " + ", ".join(linked(protocol) for protocol in PROTOCOLS) + "."
    )
    for owner, title in titles.items():
        parts.append(f"## {title}")
        for protocol in dict.fromkeys(field.protocol for field in owned_by(owner)):
            if owner == PACKET:
                parts.append(f"### {protocol}")
            parts.append(fields_table(field for field in owned_by(owner) if field.protocol == protocol))
    return page("Fields", *parts)


def owned_by(owner: str) -> list[Field]:
    """The fields of a table."""
    return [field for field in FIELDS.values() if table_of(field.name) == owner]


def fields_table(fields: Iterable[Field]) -> str:
    """A line for each field."""
    rows = ((f"`{field.name}`", kind_of(field), field.unit, values_of(field), field.meaning) for field in fields)
    return table(("field", "type", "unit", "values", "meaning"), rows)


def linked(protocol: Protocol, folder: str = "protocols/") -> str:
    """A link to the protocol's page."""
    return f"[{protocol.title}]({folder}{protocol.name}.md)"


def protocol_page(protocol: Protocol) -> str:
    """What there is to know of one protocol: standard, where it is expected, anomalies, common words, an example, fields."""
    about = str(import_module(protocol.table.__module__).__doc__).split("\n\n")
    ports = [f"TCP {port}" for port in protocol.tcp_ports] + [f"UDP {port}" for port in protocol.udp_ports]
    parts = [" ".join(about[0].split()), *(" ".join(part.split()) for part in about[1:])]
    parts.append(
        f"Rules: `protocol: {protocol.name}`. Registered ports: {', '.join(ports) or 'none, it has a type of Ethernet frame'}."
    )
    rows = ((f"`{name}`", meaning) for name, meaning in protocol.anomalies.items())
    parts += ["## What is anomalous", "Values of `pdu.anomaly`.", table(("anomaly", "meaning"), rows)]
    parts += ["## In the words of all protocols", "See [one vocabulary](../ics.md).", *vocabulary_tables(protocol)]
    example = min(
        (RULES / protocol.name).glob("*.yml"), key=lambda path: (len(path.read_text(encoding="utf-8")), path.name)
    )
    parts += ["## An example", f"`rules/{protocol.name}/{example.name}`, which is shipped and tested:"]
    parts.append("```yaml\n" + example.read_text(encoding="utf-8").strip() + "\n```")
    levels = {"row": "## Fields of a PDU", "object": "## Fields of the objects in it"}
    for level, title in levels.items():
        fields = [field for field in owned_by(protocol.name) if field.level == level]
        if fields:
            parts += [title, fields_table(fields)]
    return page(protocol.title, *parts)


def vocabulary_tables(protocol: Protocol) -> Iterator[str]:
    """How the protocol is put into common words."""
    heads = {
        "verbs": ("verb", "of PDUs with"), "points": ("ics.target", "verbs", "of PDUs with", "ics.value"),
        "outcomes": ("ics.outcome", "of replies with"), "units": ("ics.unit", "of PDUs with"),
    }  # fmt: skip
    for kind, head in heads.items():
        if written := protocol.vocabulary.written[kind]:
            yield table(head, (tuple(f"`{cell}`" if cell else "" for cell in row) for row in written))


def mappings(module: str) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """(what it is called, its keys, the required ones) of each mapping that a module reads."""
    loaded = import_module(module)
    for node in ast.walk(ast.parse(Path(str(loaded.__file__)).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "mapping":
            given: list[Any] = [
                eval(compile(ast.Expression(part), module, "eval"), vars(loaded))
                for part in node.args[1:]  # our own source
                if not isinstance(part, ast.Name) or part.id.isupper()
            ]
            if len(given) > 1:
                what, keys, required = given[0], given[1], given[2] if len(given) > 2 else ()
                yield str(what), tuple(keys or required), tuple(required)


def keys_page() -> str:
    """Every key of what users write, and the language of display filters."""
    parts = [
        "Rules are YAML in the shape of Sigma; `rules/README.md` tells how they work. Keys in **bold** must be there."
    ]
    seen: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    for module in READERS:
        for what, keys, required in mappings(module):
            seen.setdefault(what, (keys, required))
    for what, (heading, meanings) in KEYS.items():
        if what not in seen:
            sys.exit(f"docs/build.py: {what} is no longer read anywhere")
        keys, required = seen.pop(what)
        rows = [
            (f"**{key}**" if key.strip("`") in required else key, meaning)
            for key, meaning in explained(keys, meanings, f"the key of {what}")
        ]
        parts += [f"## {heading}", table(("key", "meaning"), rows)]
    if seen:
        sys.exit(f"docs/build.py: say what the keys of {', '.join(seen)} mean")
    parts += ["## Modifiers of a selection: `field|modifier: value`",
              table(("modifier", "meaning"), explained(MODIFIERS, MODIFIER_MEANINGS, "the modifier"))]  # fmt: skip
    operators: dict[tuple[str, str], list[str]] = {}
    for text, (operator, quantifier) in OPERATORS.items():
        operators.setdefault((str(operator), str(quantifier)), []).append(f"`{text}`")
    if unknown := set(operators) ^ set(OPERATOR_MEANINGS):
        sys.exit(f"docs/build.py: say what the operators {sorted(unknown)} mean")
    parts += ["## Operators of display filters", table(("written", "meaning"), [
        *((" ".join(texts), OPERATOR_MEANINGS[kind]) for kind, texts in operators.items()), *REST])]  # fmt: skip
    parts += [
        "## Functions of display filters",
        table(("function", "meaning"), explained(FUNCTIONS, FUNCTION_MEANINGS, "the function")),
    ]
    parts += ["## Facts of a match in `alert.message`", table(("written", "meaning"), [
        (f"`{{{name.strip('`')}}}`", meaning) for name, meaning in explained(MATCH_FACTS, FACT_MEANINGS, "the fact")])]  # fmt: skip
    return page("Keys of rules, overrides and scenarios", *parts)


def written(action: argparse.Action) -> str:
    """An argument as it is typed."""
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest
    if not action.option_strings:
        return {"*": f"[{metavar} ...]", "?": f"[{metavar}]", "+": f"{metavar} ..."}.get(str(action.nargs), metavar)
    value = "" if action.nargs == 0 else f" {metavar}" + (" ..." if action.nargs == "+" else "")
    return f"{action.option_strings[-1]}{value}"


def commands_page() -> str:
    """Every command with its arguments."""
    parts = [
        "Exit codes: 0 fine; 1 the command's own negative answer (lint found mistakes, a test failed, `--strict` was broken); "
        "2 bad arguments or bad input, with a line that says what and where. Options and paths may come in any order; "
        "`--rules` takes all paths behind it."
    ]
    for name, meaning in COMMANDS.items():
        actions = [action for action in build_parsers(name)[name]._actions if action.dest != "help"]
        parts.append(f"## detector {name}\n\n{meaning[0].upper()}{meaning[1:]}.")
        if actions:
            rows = [(f"`{written(action)}`" + (" (required)" if action.required and action.option_strings else ""), action.help or "")
                    for action in actions]  # fmt: skip
            parts.append(table(("argument", "meaning"), rows))
    return page("Commands", *parts)


def anomalies_page() -> str:
    """Every anomaly: of packets, of PDUs."""
    intro = (
        "Bytes that no honest station sends, or that could not be judged. They are counted in the summary, and a rule asks for them: "
        "`packet.anomaly: ipv4.frag_overlap`, `pdu.anomaly|startswith: modbus.`. Names are Suricata's where it has one."
    )
    rows = explained((anomaly.label for anomaly in PacketAnomaly), ANOMALIES, "the anomaly")
    parts = [intro, "## packet.anomaly", table(("anomaly", "meaning"), rows)]
    for protocol in PROTOCOLS:
        rows = ((f"`{name}`", meaning) for name, meaning in protocol.anomalies.items())
        parts += [f"## pdu.anomaly of {protocol.title}", table(("anomaly", "meaning"), rows)]
    return page("Anomalies", *parts)


def ics_page() -> str:
    """The vocabulary over all protocols, and how each is put into it."""
    intro = (
        "Rules with `protocol: ics` speak of all industrial protocols at once: one row is one command, reply or report, whatever "
        "protocol it came in. `ics.verb: restart` means the same of a DNP3 and of an IEC 104 device. A PDU that does two things "
        "makes two rows. The first reply to a request has the verb of it, and its points and values where these say more, unless "
        "they take more than a kilobyte. Of a range the first 1,999 points stand alone, the others are one: `coil:1999-65535`. `pdu.kind` tells "
        "requests, responses, exceptions and reports apart. A request that nobody answers within 10 seconds (`decoding.answer_timeout`), "
        "or before the same request takes its place, makes one row more: `ics.outcome: unanswered`, `pdu.kind: unanswered`, with what it "
        "asked for and the fields of its own packet, of which 512 bytes are kept. It is judged when its time has passed by the "
        "running clock, so never where the capture ends before. What a sensor does not see is not answered either: packets that the capture lost, a reply that takes "
        "another way, replies to a broadcast. Requests that others push out before, of more than 65,536 open ones of a protocol, are "
        "counted as `ics.forgotten_request`. The tables say what PDUs have which verb, what points they name, and "
        "what outcome a reply has that is not `ok`. In `<>` stand numbers, where several are given the first that is there; "
        "`a+n` are n from a on, `a..b` those from a to b. `field@1` is a byte of a field, `{1:0,2:1}` maps values, `=` is the "
        "verb of the request."
    )
    parts = [intro, "Verbs: " + ", ".join(f"`{verb}`" for verb in VERBS) + "."]
    parts.append("How each is put into these words: " + ", ".join(linked(protocol) for protocol in PROTOCOLS) + ".")
    return page("One vocabulary", *parts)


def configuration_page() -> str:
    """Every setting of the daemon, a section for each part."""
    intro = (
        "`detector.yml`, what `detector run --config` reads: one YAML mapping. `detector config check` finds every mistake in it and "
        "in its rules, `detector config show` prints it in full, `detector config schema` prints a JSON Schema for editors. Sizes are "
        "written 64KB, 16MB, 1GB (powers of 1024), durations 500ms, 30s, 10m, 2h, 7d. Paths are relative to the file's folder. A "
        "secret is a text, or `{file: PATH}`, or `{env: NAME}`, and is never printed. Settings in **bold** must be given."
    )
    return page("Configuration", intro, *settings_parts(Config, "The file"))


def settings_parts(declared: type, title: str, level: int = 2) -> Iterator[str]:
    """The table of a section, then its sections."""
    yield f"{'#' * level} {title}"
    defaults, below, rows = defaults_of(declared), [], []
    for name, setting in settings_of(declared).items():
        is_required = defaults[name] is NONE
        default = (
            "" if is_required or setting.kind in ("section", "variants") else written_default(defaults[name], setting)
        )
        said = setting.meaning + (f": {', '.join(setting.choices)}" if setting.choices else "")
        example = f"`{setting.example}`" if setting.example and not default else ""
        rows.append(
            (f"**{name}**" if is_required else name, setting.kind, default or (example and f"e.g. {example}"), said)
        )
        own = title if level > 2 else ""
        if setting.of is not None:
            below.append((setting.of, f"{own}.{name}" if own else name))
        below += [(of, f"an entry of {name}: {kind}") for kind, of in (setting.among or {}).items()]
    yield table(("setting", "kind", "default", "meaning"), rows)
    for of, name in below:
        yield from settings_parts(of, name, level + 1)


def written_default(value: Any, setting: Setting) -> str:
    """A default as it is written in YAML."""
    if value in (None, "", (), {}):
        return ""
    found = shown_as(value, setting)
    return f"`{str(found).lower() if isinstance(found, bool) else found}`"


def metrics_page() -> str:
    """Every metric, and the budgets that they add up to."""
    intro = (
        "What the daemon exports at `/metrics`, by default on 127.0.0.1:9108. Every label has a bounded set of values. Prometheus adds "
        "`sensor` and `namespace` by its scrape configuration (`dashboards/prometheus/prometheus.yml`); dashboards and alarms go by them."
    )
    budgets = [
        "Nothing is lost without being counted, so these add up:",
        "| what came | where it went |\n| --- | --- |\n"
        "| `detector_packets_seen_total` | `detector_packets_decoded_total` + `detector_packets_dropped_total`, by cause |\n"
        "| `detector_matches_total` | `detector_alerts_total` + `detector_suppressed_total` |\n"
        "| `detector_sink_due_total` of a sink | `detector_sink_delivered_total` + `detector_spool_waiting` + "
        "`detector_quarantine_alerts` + `detector_alerts_lost_total`, by cause |",
        "`sensor:detector_packets_unaccounted:rate5m` and `sensor_sink:detector_alerts_unaccounted` are what is left over: nothing, or "
        "an alarm.",
    ]
    rows = [
        (f"`{one.name}`", one.kind, ", ".join(f"`{label}`" for label in one.labels),
         one.meaning + (f"; bounds: {', '.join(f'{bound:g}' for bound in one.buckets)}" if one.buckets else ""))
        for one in METRICS
    ]  # fmt: skip
    return page("Metrics", intro, table(("metric", "type", "labels", "meaning"), rows), "## What adds up", *budgets)


def dashboards_page() -> str:
    """What each panel answers and each alarm wants, read from the files that users import."""
    parts = [DASHBOARDS_INTRO]
    for name in ("overview", "sensor-health", "rules-and-tuning", "industrial-protocols"):
        dashboard = json.loads((ROOT / "dashboards" / "grafana" / f"{name}.json").read_text(encoding="utf-8"))
        parts += [f"## {dashboard['title'].removeprefix('Detector: ').capitalize()}", dashboard["description"]]
        heading = ""
        rows = []
        for panel in dashboard["panels"]:
            if panel["type"] == "row":
                heading = panel["title"]
            else:
                rows.append((heading, panel["title"], panel["description"]))
                heading = ""
        parts.append(table(("row", "panel", "what it answers"), rows))
    alarms = yaml.safe_load((ROOT / "dashboards" / "prometheus" / "alerting-rules.yml").read_text(encoding="utf-8"))
    parts += ["## Alarms", "Of Prometheus, about sensors. Each carries its runbook; what stands here is the same text."]
    rows = [
        (f"`{rule['alert']}`", rule["labels"]["severity"], rule.get("for", "at once"), rule["annotations"]["runbook"])
        for group in alarms["groups"] for rule in group["rules"]
    ]  # fmt: skip
    parts.append(table(("alarm", "severity", "after", "what to do"), rows))
    return page("Dashboards", *parts)


PAGES: dict[str, Callable[[], str]] = {
    **{f"protocols/{protocol.name}.md": partial(protocol_page, protocol) for protocol in PROTOCOLS},
    "fields.md": fields_page, "rule-keys.md": keys_page, "commands.md": commands_page, "anomalies.md": anomalies_page,
    "ics.md": ics_page,
    "configuration.md": configuration_page, "metrics.md": metrics_page, "dashboards.md": dashboards_page,
}  # fmt: skip


def main() -> None:
    """Writes all pages."""
    for name, build in PAGES.items():
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_text(build(), encoding="utf-8")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
