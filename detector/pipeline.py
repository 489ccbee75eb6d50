"""The loop that replay and daemon share: a source's batches through the stages to alerts.

    capture -> packets -> flows, streams -> protocol tables -> rules -> alerts

Each stage keeps its state in itself; a batch is only the unit of work, so its size changes no alert.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from detector.alerts.alert import Alert, AlertBuilder
from detector.capture import open_source
from detector.capture.batch import Batch
from detector.capture.source import BATCH_PACKETS, Source, SourceReport
from detector.columns import Table
from detector.detect.costs import Clock
from detector.detect.engine import Engine
from detector.detect.judge import EngineSettings
from detector.flows.columns import Chunks, FlowColumns
from detector.flows.streams import StreamSettings, StreamTable
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import DecodeSettings, PacketDecoder
from detector.packets.table import PacketTable
from detector.protocols import PROTOCOLS
from detector.protocols.table import PduTable
from detector.rules.model import Ruleset
from detector.snapshot import UnfitState


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of the stages, and what an alert says of the run and the sensor."""

    decode: DecodeSettings = field(default_factory=DecodeSettings)
    flows: FlowSettings = field(default_factory=FlowSettings)
    streams: StreamSettings = field(default_factory=StreamSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    run: str = ""
    observer: str = ""


@dataclass
class Counts:
    """What went through, for the summary and later for metrics."""

    packets: int = 0
    bytes: int = 0
    rows: int = 0  # packet rows that rules saw
    pdus: Counter[str] = field(default_factory=Counter)  # by protocol
    pdu_anomalies: Counter[str] = field(default_factory=Counter)
    directions: dict[str, int] = field(default_factory=dict)  # packet rows of TCP and UDP, to_server and to_client
    alerts: int = 0
    first_ns: int | None = None
    last_ns: int = 0


@dataclass(frozen=True)
class Totals:
    """What all stages have counted so far: for metrics. Rules by id."""

    directions: Mapping[str, int]
    pdus: Mapping[str, int]
    anomalies: Mapping[str, int]
    flows_created: int
    flows_evicted: int
    matched: Mapping[str, int]
    suppressed: Mapping[str, int]
    rule_errors: Mapping[str, int]
    groups_lost: Mapping[str, int]
    shed_rows: Mapping[str, int]
    rule_ns: Mapping[str, int]  # time spent on rules, empty unless it is measured
    workers: int = 1
    worker_restarts: int = 0


class Decoding:
    """Capture bytes to tables: the stages before rules, used by replay, daemon and `detector decode` alike."""

    def __init__(self, settings: PipelineSettings) -> None:
        self.decoder = PacketDecoder(settings.decode)
        tcp = tuple(port for protocol in PROTOCOLS for port in protocol.tcp_ports)
        udp = tuple(port for protocol in PROTOCOLS for port in protocol.udp_ports)
        self.flows = FlowTable(settings.flows, tcp, udp)
        self.streams = StreamTable(settings.streams, self.flows.slots)
        self._readers = [(protocol.name, protocol.reader()) for protocol in PROTOCOLS]
        self.counts = Counts()

    def tables(self, batch: Batch) -> tuple[PacketTable, dict[str, PduTable]]:
        """The packet table of a batch and a table for each protocol, in the order of PROTOCOLS."""
        packets = self.decoder.decode(batch)
        flows = self.flows.follow(packets)
        tables = self.frame(packets, flows, self.streams.follow(packets, flows))
        self._count(batch, packets, tables)
        return packets, tables

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by the name of their anomalies, of packets, streams and PDUs."""
        return self.decoder.anomalies + self.streams.anomalies + self.counts.pdu_anomalies

    def frame(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks) -> dict[str, PduTable]:
        """A table for each protocol, in the order of PROTOCOLS."""
        return {name: reader.frame(packets, flows, chunks) for name, reader in self._readers}

    def state(self) -> dict[str, Any]:
        """What a later run needs to go on where this one stands. Pickle it before the next batch."""
        return {
            "decoder": self.decoder.state(),
            "flows": self.flows.state(),
            "streams": self.streams.state(),
            "readers": {name: reader.state() for name, reader in self._readers},
            "counts": self.counts,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state, before the first batch.

        Raises:
            UnfitState: it was made with other ceilings; this Decoding is not to be used.
        """
        self.decoder.restore(state["decoder"])
        self.flows.restore(state["flows"])
        self.streams.restore(state["streams"])
        if list(state["readers"]) != [name for name, _ in self._readers]:
            raise UnfitState("the saved state was made by a version with other protocols")
        for name, reader in self._readers:  # per protocol
            reader.restore(state["readers"][name])
        self.counts = state["counts"]

    def _count(self, batch: Batch, packets: PacketTable, tables: dict[str, PduTable]) -> None:
        counts = self.counts
        counts.packets += len(batch)
        counts.bytes += int((batch.stops - batch.starts).sum())
        counts.rows += packets.rows
        for name, table in tables.items():
            counts.pdus[name] += table.rows
            if table.rows and table.anomalies.any():
                column = table.column("pdu.anomaly")
                counts.pdu_anomalies.update(column.field.labels[int(value)] for value in column.flat()[0])
        counts.directions = self.flows.directions
        if len(batch):
            counts.first_ns = int(batch.times[0]) if counts.first_ns is None else counts.first_ns
            counts.last_ns = max(counts.last_ns, int(batch.times.max()))


class Pipeline:
    """One run of one ruleset. `process` takes batches in their order and returns their alerts in order."""

    def __init__(self, ruleset: Ruleset, settings: PipelineSettings | None = None) -> None:
        settings = self._settings = settings or PipelineSettings()
        self.ruleset = ruleset
        self.decoding = Decoding(settings)
        self.engine = Engine(ruleset, settings.engine)
        self._builder = AlertBuilder(settings.run, settings.observer)
        self._clock: Clock | None = None
        self._shed: frozenset[str] = frozenset()
        self.onlooker: Callable[[PacketTable], None] | None = None  # sees the packets of each batch

    def process(self, batch: Batch) -> list[Alert]:
        """The alerts of a batch."""
        packets, pdus = self.decoding.tables(batch)
        if self.onlooker is not None:
            self.onlooker(packets)
        tables: dict[str, Table] = {"packet": packets, **pdus}
        alerts = [self._builder.build(match, tables) for match in self.engine.detect(tables)]
        self.decoding.counts.alerts += len(alerts)
        return alerts

    def feed(self, batch: Batch) -> list[Alert]:
        """As `process`: alerts that are ready by now, of this batch or of earlier ones."""
        return self.process(batch)

    def finish(self) -> list[Alert]:
        """The alerts of everything that was fed and is not judged yet."""
        return []

    def totals(self) -> Totals:
        """What was counted so far."""
        decoding, engine = self.decoding, self.engine
        return Totals(
            decoding.counts.directions, decoding.counts.pdus, decoding.anomalies, decoding.flows.created,
            decoding.flows.evicted, engine.matched, engine.suppressed, engine.rule_errors, engine.lost_groups,
            engine.shed_rows, engine.spent_ns,
        )  # fmt: skip

    def measure(self, clock: Clock) -> None:
        """Measures from now on what rules cost, on a sample of batches; clock in ns."""
        self._clock = clock
        self.engine.measure(clock)

    def shed(self, rule_ids: Collection[str]) -> None:
        """Switches these rules off from the next batch on, all others on."""
        self._shed = frozenset(rule_ids)
        self.engine.shed(self._shed)

    def swap(self, ruleset: Ruleset) -> None:
        """Other rules from the next batch on. Rules that mean the same keep their state; their counts go on."""
        engine = Engine(ruleset, self._settings.engine)
        engine.judge.restore(self.engine.judge.state())
        if self._clock is not None:
            engine.measure(self._clock)
        engine.shed(self._shed)
        self.ruleset, self.engine = ruleset, engine

    def learn(self, source: Source) -> None:
        """Takes a source as known good: new_value rules learn from it, nothing alerts, its flows and clock are its own."""
        decoding = Decoding(self._settings)
        for batch in source.batches():
            packets, pdus = decoding.tables(batch)
            self.engine.learn({"packet": packets, **pdus})

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: of all stages, of all rules, and which alerts were told. Pickle it before the next batch."""
        return {
            "decoding": self.decoding.state(),
            "judge": self.engine.judge.state(),
            "occurrences": self._builder.occurrences,
        }

    def restore(self, state: dict[str, Any]) -> frozenset[str]:
        """Goes on from an unpickled state, before the first batch; ids of the rules whose state could be taken over.

        Rules that are new or mean something else begin anew.

        Raises:
            UnfitState: it was made with other ceilings; this Pipeline has not changed.
        """
        decoding = Decoding(self._settings)
        decoding.restore(state["decoding"])
        self.decoding = decoding
        self._builder = replace(self._builder, occurrences=state["occurrences"])
        return self.engine.judge.restore(state["judge"])

    def run(self, source: Source) -> Iterator[tuple[list[Alert], SourceReport]]:
        """The alerts of each batch of a source, with the source's report so far."""
        for batch in source.batches():
            yield self.process(batch), source.report


def replay(
    paths: Sequence[str], ruleset: Ruleset, settings: PipelineSettings | None = None, batch_packets: int = BATCH_PACKETS
) -> list[Alert]:
    """All alerts of the given captures, merged in time order."""
    pipeline = Pipeline(ruleset, settings)
    source = open_source(paths, batch_packets=batch_packets)
    return [alert for alerts, _ in pipeline.run(source) for alert in alerts]
