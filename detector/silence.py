"""Why no alert may mean nothing: what a run did not see, said in its summary; `--strict` fails on any of it."""

from __future__ import annotations

from collections.abc import Iterator

from detector.capture.source import SourceReport
from detector.pipeline import Pipeline

ENOUGH_PACKETS = 100  # one direction in fewer says little: a scan's probes or a syslog stream are one-sided by nature


def reasons(pipeline: Pipeline, report: SourceReport) -> Iterator[str]:
    """One sentence for each thing that the run did not see or could not judge."""
    yield from report.warnings
    yield from unread(pipeline, report)
    yield from unjudged(pipeline)


def unread(pipeline: Pipeline, report: SourceReport) -> Iterator[str]:
    """What of the input did not become rows."""
    counts, decoder = pipeline.decoding.counts, pipeline.decoding.decoder
    if not counts.packets:
        yield "no packet was read"
    for cause, skipped in report.skipped_bytes.items():
        yield f"{skipped} bytes were skipped: {cause}"
    for link_type, packets in sorted(decoder.unknown_link_types.items()):
        yield f"{packets} packets have link type {link_type}, which is not decoded"
    directions = counts.directions
    if sum(directions.values()) >= ENOUGH_PACKETS and not all((directions["to_server"], directions["to_client"])):
        seen = "to servers" if directions["to_server"] else "to clients"
        yield f"only packets {seen} were seen: the capture has one direction only"
    if counts.packets and not any(counts.pdus.values()):
        yield "no PDU of any protocol was decoded: " + ", ".join(counts.pdus)


def unjudged(pipeline: Pipeline) -> Iterator[str]:
    """Rules that could not have fired."""
    ruleset, engine = pipeline.ruleset, pipeline.engine
    yield from ruleset.warnings
    if not ruleset.rules:
        yield "no rule was loaded"
    for rule in ruleset.rules:
        if rule.inactive:
            yield f"inactive rule {rule.title!r}: {rule.inactive}"
    for rule_id, count in sorted(engine.rule_errors.items()):
        title = next(rule.title for rule in ruleset.rules if rule.id == rule_id)
        yield f"rule {title!r} failed {count} times: see the log"
    if pipeline.decoding.counts.packets:
        for table, titles in tables_without_rows(pipeline).items():
            yield f"{len(titles)} rules had no row to judge in table {table}: {', '.join(titles)}"


def tables_without_rows(pipeline: Pipeline) -> dict[str, list[str]]:
    """Titles of active rules by table, for tables that never had a row."""
    found: dict[str, list[str]] = {}
    for rule in pipeline.ruleset.active:
        if rule.correlation is None and not pipeline.engine.rows_by_table[rule.table]:
            found.setdefault(rule.table, []).append(rule.title)
    return found
