"""Why no alert may mean nothing: what a run did not see, said in its summary; `--strict` fails on any of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from detector.capture.source import SourceReport
from detector.pipeline import Run
from detector.protocols import PROTOCOLS
from detector.protocols.fields import PACKET
from detector.rules.model import Ruleset

ENOUGH_PACKETS = 10  # one direction in fewer says little: a scan's probes or a log line are one-sided by nature
MOST_NAMED = 20  # rules that a sentence names
# Anomalies that mean bytes which were on the wire and in no PDU or datagram here.
MISSING = {
    "packet.truncated": "packets were captured shorter than they were on the wire",
    "stream.gap": "gaps in TCP streams: what lay there was not judged",
    "stream.memcap": "segments that came before their turn found no memory",
    "ipv4.frag_no_room": "IPv4 fragments found no memory",
    "ipv6.frag_no_room": "IPv6 fragments found no memory",
    **{f"{protocol.name}.no_room": f"unfinished {protocol.title} PDUs found no memory" for protocol in PROTOCOLS},
}

# What payload rules ran into so that something was not inspected; an expression that took too long is its rule's failure.
UNINSPECTED = {
    "steps": "packets or streams were given up after a payload rule had tried too many ways to match in them",
    "untried": "times a rule's expression was not tried, because others of it had taken too long",
    "hits": "places in streams where payload rules might match were forgotten: too many of one stream waited for more bytes",
    "streams": "streams lost their last bytes for payload rules: the memory for them was full",
}


def reasons(pipeline: Run, report: SourceReport) -> Iterator[str]:
    """One sentence for each thing that the run did not see or could not judge."""
    yield from report.warnings
    yield from unread(pipeline, report)
    yield from unjudged(pipeline)


def unread(pipeline: Run, report: SourceReport) -> Iterator[str]:
    """What of the input did not become rows."""
    counts, decoder = pipeline.decoding.counts, pipeline.decoding.decoder
    if not counts.packets:
        yield "no packet was read"
    if counts.worker_restarts:
        yield (
            f"{counts.worker_restarts:,} times a worker died and was started anew: {counts.lost_packets:,} packets were "
            "lost with it, and what it knew of its flows"
        )
    for cause, skipped in report.skipped_bytes.items():
        yield f"{skipped:,} bytes were skipped: {cause}"
    for link_type, packets in sorted(decoder.unknown_link_types.items()):
        yield f"{packets:,} packets have link type {link_type}, which is not decoded"
    if evicted := pipeline.decoding.flows.evicted:
        yield f"{evicted:,} flows were given up before their time: the table of flows was full"
    anomalies = pipeline.decoding.anomalies
    for name, what in MISSING.items():  # per anomaly that means missing bytes
        if anomalies[name]:
            yield f"{anomalies[name]:,} {what} ({name})"
    directions = pipeline.decoding.flows.directions
    if sum(directions.values()) >= ENOUGH_PACKETS and not all(directions.values()):
        seen = "servers" if directions["to_server"] else "clients"
        yield f"only packets to {seen} were seen: the capture has one direction only"
    if counts.packets and not any(pipeline.decoding.pdus.values()):
        yield f"no PDU of any protocol was decoded (known: {', '.join(pipeline.decoding.pdus)})"


def unjudged(pipeline: Run) -> Iterator[str]:
    """Rules that could not have fired."""
    ruleset, engine = pipeline.ruleset, pipeline.engine
    yield from ruleset.warnings
    if not ruleset.rules:
        yield "no rule was loaded"
    if summary := refused_rules(ruleset):
        yield summary
    for why, titles in inactive_rules(ruleset).items():
        yield f"{rules_of(titles)} inactive, {why}: {listed(titles)}"
    titles_by_id = {rule.id: rule.title for rule in ruleset.rules}
    for rule_id, count in sorted(engine.rule_errors.items()):
        yield f"rule {titles_by_id[rule_id]!r} failed {count} times: see the log"
    for rule_id, count in sorted(engine.lost_groups.items()):
        yield f"rule {titles_by_id[rule_id]!r} forgot {count:,} groups before their time: its memory was full"
    for kind, count in sorted(engine.lost_states.items()):
        yield f"{count:,} states that rules keep by {kind} were forgotten before their time: their memory was full"
    for limit, what in UNINSPECTED.items():  # per limit of payload rules
        if count := engine.limits[limit]:
            yield f"{count:,} {what}"
    if pipeline.decoding.counts.packets:
        for table, titles in tables_without_rows(pipeline).items():
            yield f"{rules_of(titles)} without a row to judge, there is no {table} here: {listed(titles)}"


def rules_of(titles: list[str]) -> str:
    """So many rules are."""
    return "1 rule is" if len(titles) == 1 else f"{len(titles)} rules are"


def listed(titles: list[str]) -> str:
    """Titles, of very many the first."""
    more = f" and {len(titles) - MOST_NAMED:,} more" if len(titles) > MOST_NAMED else ""
    return ", ".join(titles[:MOST_NAMED]) + more


def refused_rules(ruleset: Ruleset) -> str:
    """How many Suricata rules were refused, by the keyword that is not supported; "" where none was.

    A revision that a newer one replaces is no loss.
    """
    found = Counter(
        "with a mistake (detector lint shows it)" if one.why == "mistake" else one.keyword
        for one in ruleset.refused
        if one.why != "replaced"
    )
    if not found:
        return ""
    parts = ", ".join(f"{keyword} {count:,}" for keyword, count in sorted(found.items(), key=lambda pair: (-pair[1], pair[0])))  # fmt: skip
    return f"refused {sum(found.values()):,} of {ruleset.suricata:,} Suricata rules: {parts}"


def inactive_rules(ruleset: Ruleset) -> dict[str, list[str]]:
    """Titles of inactive rules by what makes them so."""
    found: dict[str, list[str]] = {}
    for rule in ruleset.rules:
        if rule.inactive and not rule.silent:
            found.setdefault(rule.inactive, []).append(rule.title)
    return found


def tables_without_rows(pipeline: Run) -> dict[str, list[str]]:
    """Titles of active rules by table, for tables that never had a row; none where PDUs of another table were judged.

    The shipped packs are for more protocols than a site has; that none of a pack's was seen is told by the counts of PDUs.
    """
    found: dict[str, list[str]] = {}
    rows = pipeline.engine.rows_by_table
    for rule in pipeline.ruleset.active:
        if not rule.silent and not rows[rule.table]:
            found.setdefault(rule.table, []).append(rule.title)
    is_judged = any(rows[rule.table] for rule in pipeline.ruleset.active if rule.table != PACKET)
    return {} if is_judged else found


def still_learning(pipeline: Run) -> list[str]:
    """Titles of rules that took everything they saw as known good, so that they could not alert either."""
    return [
        rule.title
        for rule in pipeline.ruleset.active
        if pipeline.engine.is_learning(rule.id, pipeline.decoding.counts.last_ns)
    ]
