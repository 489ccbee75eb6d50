"""The loop that replay and daemon share: a source's batches through the stages to alerts.

    capture -> packets -> flows, streams -> protocol tables -> rules -> alerts

Each stage keeps its state in itself; a batch is only the unit of work, so its size changes no alert.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from detector.alerts.alert import Alert, AlertBuilder
from detector.capture import open_source
from detector.capture.batch import Batch
from detector.capture.source import BATCH_PACKETS, Source, SourceReport
from detector.columns import Table
from detector.detect.engine import Engine, EngineSettings
from detector.errors import InputError
from detector.flows.columns import Chunks, FlowColumns
from detector.flows.streams import StreamSettings, StreamTable
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import DecodeSettings, PacketDecoder
from detector.packets.table import PacketTable
from detector.protocols import PROTOCOLS
from detector.protocols.table import PduTable
from detector.rules.model import Ruleset


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

    def state(self) -> dict[str, Any]:
        """What outlives a batch, for a checkpoint."""
        return {"decoder": self.decoder.state(), "flows": self.flows.state(), "streams": self.streams.state(),
                "readers": {name: reader.state() for name, reader in self._readers}, "counts": self.counts}  # fmt: skip

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up a state.

        Raises:
            InputError: it does not fit: other ceilings, or other protocols. What was taken up then is of no use.
        """
        if state["readers"].keys() != {name for name, _ in self._readers}:
            raise InputError("the saved state is of other protocols")
        self.decoder.restore(state["decoder"])
        self.flows.restore(state["flows"])
        self.streams.restore(state["streams"])
        for name, reader in self._readers:  # per protocol
            reader.restore(state["readers"][name])
        self.counts = state["counts"]

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by the name of their anomalies, of packets, streams and PDUs."""
        return self.decoder.anomalies + self.streams.anomalies + self.counts.pdu_anomalies

    def frame(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks) -> dict[str, PduTable]:
        """A table for each protocol, in the order of PROTOCOLS."""
        return {name: reader.frame(packets, flows, chunks) for name, reader in self._readers}

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

    def process(self, batch: Batch) -> list[Alert]:
        """The alerts of a batch."""
        packets, pdus = self.decoding.tables(batch)
        tables: dict[str, Table] = {"packet": packets, **pdus}
        alerts = [self._builder.build(match, tables) for match in self.engine.detect(tables)]
        self.decoding.counts.alerts += len(alerts)
        return alerts

    def state(self) -> dict[str, Any]:
        """What outlives a batch, for a checkpoint. Not a copy: to be written, or copied, before the next batch."""
        return {"decoding": self.decoding.state(), "engine": self.engine.state(), "builder": self._builder.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Takes up a state; of rules that have changed since it is left.

        Raises:
            InputError: it does not fit; this pipeline then begins anew.
        """
        decoding, engine = Decoding(self._settings), Engine(self.ruleset, self._settings.engine)
        decoding.restore(state["decoding"])
        engine.restore(state["engine"])
        self.decoding, self.engine = decoding, engine
        self._builder.restore(state["builder"])

    def swap(self, ruleset: Ruleset) -> None:
        """Other rules from the next batch on. Rules that mean the same keep their state; counts go on."""
        engine = Engine(ruleset, self._settings.engine)
        engine.restore(self.engine.state())
        self.ruleset, self.engine = ruleset, engine

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
        )  # fmt: skip

    def learn(self, source: Source) -> None:
        """Takes a source as known good: new_value rules learn from it, nothing alerts, its flows and clock are its own."""
        decoding = Decoding(self._settings)
        for batch in source.batches():
            packets, pdus = decoding.tables(batch)
            self.engine.learn({"packet": packets, **pdus})

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
