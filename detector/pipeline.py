"""The loop that replay and daemon share: a source's batches through the stages to alerts.

    capture -> packets -> flows, streams -> protocol tables -> rules -> alerts

Each stage keeps its state in itself; a batch is only the unit of work, so its size changes no alert.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from detector.alerts.alert import Alert, AlertBuilder
from detector.capture import open_source
from detector.capture.batch import Batch
from detector.capture.source import BATCH_PACKETS, Source, SourceReport
from detector.columns import Table
from detector.detect.costs import Clock
from detector.detect.engine import Engine
from detector.detect.judge import EngineSettings, kept_rules
from detector.detect.selection import Tally
from detector.flows.columns import Chunks, FlowColumns
from detector.flows.followed import Followed, Watched, followed
from detector.flows.sessions import SessionTable
from detector.flows.sessions import offer as offer_sessions
from detector.flows.streams import StreamSettings, StreamTable
from detector.flows.table import FlowSettings, FlowTable
from detector.flows.windows import WindowTable
from detector.packets.decode import DecodeSettings, PacketDecoder
from detector.packets.table import PacketTable
from detector.packets.zones import Atlas, Zones
from detector.packets.zones import offer as offer_zones
from detector.protocols import PROTOCOLS
from detector.protocols.dealing import Dealer
from detector.protocols.ics import ICS, IcsReader
from detector.protocols.points import Device, Register
from detector.protocols.table import PduTable
from detector.rules.model import Rule, Ruleset
from detector.snapshot import UnfitState


@dataclass(frozen=True)
class PipelineSettings:
    """Settings of the stages, and what an alert says of the run and the sensor."""

    decode: DecodeSettings = field(default_factory=DecodeSettings)
    flows: FlowSettings = field(default_factory=FlowSettings)
    streams: StreamSettings = field(default_factory=StreamSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    zones: Zones = field(default_factory=Zones)
    points: tuple[Device, ...] = ()
    answer_timeout_ns: int = 10 * 10**9
    run: str = ""
    observer: str = ""


@dataclass
class Counts:
    """What went through, for the summary and later for metrics."""

    packets: int = 0
    bytes: int = 0
    rows: int = 0  # packet rows that rules saw
    alerts: int = 0
    first_ns: int | None = None
    last_ns: int = 0
    worker_restarts: int = 0
    lost_packets: int = 0  # of `packets`, those that a worker had not handed on when it died

    def count(self, packets: PacketTable) -> None:
        """Counts a batch and its rows."""
        batch = packets.batch
        self.packets += len(batch)
        self.bytes += int((batch.stops - batch.starts).sum())
        self.rows += packets.rows
        if len(batch):
            self.first_ns = int(batch.times[0]) if self.first_ns is None else self.first_ns
            self.last_ns = max(self.last_ns, int(batch.times.max()))


@dataclass(frozen=True)
class FlowTotals:
    """Flows of a run so far; directions: rows of TCP and UDP by flow.direction."""

    created: int = 0
    expired: int = 0
    evicted: int = 0
    directions: Mapping[str, int] = field(default_factory=lambda: {"to_server": 0, "to_client": 0})

    def __add__(self, other: FlowTotals) -> FlowTotals:
        directions = {name: count + other.directions[name] for name, count in self.directions.items()}
        return FlowTotals(
            self.created + other.created, self.expired + other.expired, self.evicted + other.evicted, directions
        )


@dataclass(frozen=True)
class Totals:
    """What following packet rows has counted so far. pdus: by protocol. anomalies: of streams and PDUs."""

    flows: FlowTotals = field(default_factory=FlowTotals)
    pdus: Counter[str] = field(default_factory=Counter)
    anomalies: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Totals) -> Totals:
        pdus = Counter(self.pdus)
        pdus.update(other.pdus)  # unlike a sum it keeps protocols without a PDU
        return Totals(self.flows + other.flows, pdus, self.anomalies + other.anomalies)


class Following:
    """Packet rows to tables of PDUs: the stages whose state is kept by flow. shards: bool[64], those that are followed."""

    def __init__(self, settings: PipelineSettings, shards: NDArray[np.bool_] | None = None) -> None:
        tcp = tuple(port for protocol in PROTOCOLS for port in protocol.tcp_ports)
        udp = tuple(port for protocol in PROTOCOLS for port in protocol.udp_ports)
        self.flows = FlowTable(settings.flows, tcp, udp, shards)
        self.streams = StreamTable(settings.streams, self.flows.slots)
        self.windows = WindowTable(settings.streams.window_bytes, self.flows.slots)
        self.sessions = SessionTable(self.flows.slots, settings.flows.midstream)
        self._watched = Watched()
        self._atlas = Atlas(settings.zones)
        self._readers = [(protocol.name, protocol.reader()) for protocol in PROTOCOLS]
        self._dealer = Dealer(len(self._readers))
        self._ics = IcsReader(Register(settings.points), self._atlas, settings.answer_timeout_ns)
        self._pdus: Counter[str] = Counter()
        self._pdu_anomalies: Counter[str] = Counter()

    def tables(self, packets: PacketTable) -> dict[str, PduTable]:
        """A table for each protocol, in the order of PROTOCOLS, and `ics` where it is watched."""
        offer_zones(packets, self._atlas)
        flows = self.flows.follow(packets)
        sessions = self.sessions.follow(packets, flows) if self._watched.sessions else None
        if sessions is None:
            offer_sessions(packets, None)
        chunks = self.streams.follow(packets, flows)
        before = self.windows.evicted
        windows = self.windows.follow(packets, chunks) if self._watched.streams else None
        evicted = self.windows.evicted - before
        packets.followed = Followed(flows, windows, self.windows, 2 * self.flows.slots, evicted)
        tables = self.frame(packets, flows, chunks)
        for name, table in tables.items():  # per protocol
            self._pdus[name] += table.rows
            if table.rows and table.anomalies.any():
                column = table.column("pdu.anomaly")
                self._pdu_anomalies.update(column.field.labels[int(value)] for value in column.flat()[0])
        if self._watched.ics:
            tables[ICS] = self._ics.table(packets, tables, flows, sessions)
        return tables

    def watch(self, watched: Watched) -> None:
        """Says what rules look at."""
        self._watched = watched

    def remember(self, packets: PacketTable) -> None:
        """Keeps of a batch that rules have seen what the next one's windows begin with."""
        about = followed(packets)
        if about.windows is not None:
            self.windows.remember(packets.batch, about.windows)

    def frame(self, packets: PacketTable, flows: FlowColumns, chunks: Chunks) -> dict[str, PduTable]:
        """A table for each protocol of chunks that were followed."""
        dealt = self._dealer.deal(packets, flows, chunks)
        return {
            name: reader.frame(packets, flows, chunks, own)
            for (name, reader), own in zip(self._readers, dealt, strict=True)
        }

    @property
    def totals(self) -> Totals:
        """What was counted so far."""
        flows = self.flows
        return Totals(
            FlowTotals(flows.created, flows.expired, flows.evicted, flows.directions), Counter(self._pdus),
            self.streams.anomalies + self.windows.anomalies + self._pdu_anomalies + self._ics.lost,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """What a later run needs to go on where this one stands. Pickle it before the next batch."""
        return {
            "flows": self.flows.state(),
            "streams": self.streams.state(),
            "windows": self.windows.state() if self._watched.streams else None,
            "sessions": self.sessions.state() if self._watched.sessions else None,
            "ics": self._ics.state() if self._watched.ics else None,
            "dealer": self._dealer.state(),
            "readers": {name: reader.state() for name, reader in self._readers},
            "pdus": (self._pdus, self._pdu_anomalies),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state, before the first batch.

        Raises:
            UnfitState: it was made with other ceilings; this object is not to be used.
        """
        self.flows.restore(state["flows"])
        self.streams.restore(state["streams"])
        if state["windows"] is not None:
            self.windows.restore(state["windows"])
        if state["sessions"] is not None:
            self.sessions.restore(state["sessions"])
        if state["ics"] is not None:
            self._ics.restore(state["ics"])
        if list(state["readers"]) != [name for name, _ in self._readers]:
            raise UnfitState("the saved state was made by a version with other protocols")
        self._dealer.restore(state["dealer"])
        for name, reader in self._readers:  # per protocol
            reader.restore(state["readers"][name])
        self._pdus, self._pdu_anomalies = state["pdus"]


class Decoding:
    """Capture bytes to tables: the stages before rules, used by replay, daemon and `detector decode` alike."""

    def __init__(self, settings: PipelineSettings) -> None:
        self.decoder = PacketDecoder(settings.decode)
        self.following = Following(settings)
        self.counts = Counts()

    def tables(self, batch: Batch) -> tuple[PacketTable, dict[str, PduTable]]:
        """The packet table of a batch and a table for each protocol, in the order of PROTOCOLS."""
        packets = self.decoder.decode(batch)
        tables = self.following.tables(packets)
        self.counts.count(packets)
        return packets, tables

    @property
    def flows(self) -> FlowTotals:
        """Flows so far."""
        return self.following.totals.flows

    @property
    def pdus(self) -> Counter[str]:
        """PDUs so far, by protocol."""
        return self.following.totals.pdus

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by the name of their anomalies, of packets, streams and PDUs."""
        return self.decoder.anomalies + self.following.totals.anomalies

    def state(self) -> dict[str, Any]:
        """What a later run needs to go on where this one stands. Pickle it before the next batch."""
        return {"decoder": self.decoder.state(), "following": self.following.state(), "counts": self.counts}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes on from a state, before the first batch.

        Raises:
            UnfitState: it was made with other ceilings; this Decoding is not to be used.
        """
        self.decoder.restore(state["decoder"])
        self.following.restore(state["following"])
        self.counts = state["counts"]


class Decoded(Protocol):
    """What is known of the packets of a run, whether one process decoded them or several."""

    @property
    def decoder(self) -> PacketDecoder:
        """What decoded them."""
        ...

    @property
    def counts(self) -> Counts:
        """Packets, rows, alerts."""
        ...

    @property
    def flows(self) -> FlowTotals:
        """Flows so far."""
        ...

    @property
    def pdus(self) -> Counter[str]:
        """PDUs so far, by protocol."""
        ...

    @property
    def anomalies(self) -> Counter[str]:
        """Rows by the name of their anomalies."""
        ...


class Judged(Protocol):
    """What is known of the rules of a run: Engine, or the Judge of several workers."""

    @property
    def matched(self) -> Counter[str]:
        """Matches by rule id, before limits."""
        ...

    @property
    def suppressed(self) -> Counter[str]:
        """Matches held back by a limit, by rule id."""
        ...

    @property
    def rule_errors(self) -> Counter[str]:
        """Failures by rule id."""
        ...

    @property
    def rows_by_table(self) -> Counter[str]:
        """Rows that rules could look at."""
        ...

    @property
    def lost_groups(self) -> Counter[str]:
        """Groups that were pushed out of a rule's state, by rule id."""
        ...

    @property
    def lost_states(self) -> Counter[str]:
        """What rules remembered of flows and of hosts and was pushed out, by these two."""
        ...

    @property
    def limits(self) -> Counter[str]:
        """How often payload rules ran into each of detect.selection.LIMITS."""
        ...

    @property
    def shed_rows(self) -> Counter[str]:
        """Rows that a rule did not look at because it was switched off, by rule id."""
        ...

    @property
    def spent_ns(self) -> Counter[str]:
        """Time spent on each rule, by rule id, sampled and scaled up; empty unless it is measured."""
        ...

    @property
    def tally(self) -> Tally:
        """What was judged, since these rules run."""
        ...

    def is_learning(self, rule_id: str, clock: int) -> bool:
        """Whether a new_value rule still takes what it sees at this clock as known good."""
        ...


class Prepared(Protocol):
    """Rules made ready for exchange_rules of the run that was asked."""

    @property
    def ruleset(self) -> Ruleset:
        """The rules."""
        ...


class Run(Protocol):
    """A run of one ruleset, in this process (Pipeline) or in several (WorkerPipeline)."""

    ruleset: Ruleset

    @property
    def decoding(self) -> Decoded:
        """What is known of its packets."""
        ...

    @property
    def engine(self) -> Judged:
        """What is known of its rules."""
        ...

    def feed(self, batch: Batch) -> list[Alert]:
        """Takes a batch; the alerts that are ready, in order: of this batch or of earlier ones."""
        ...

    def finish(self) -> list[Alert]:
        """The alerts of all that was fed. More may be fed afterwards."""
        ...

    def learn(self, source: Source) -> None:
        """Takes a source as known good."""
        ...

    def prepare(self, ruleset: Ruleset) -> Prepared:
        """Compiles rules beside the running ones, for exchange_rules. Another thread may do so meanwhile."""
        ...

    def exchange_rules(self, ruleset: Ruleset | Prepared) -> frozenset[str]:
        """Goes on with other rules from the next batch; ids of those whose state was kept."""
        ...

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps; to be asked after finish()."""
        ...

    def restore(self, state: dict[str, Any]) -> frozenset[str]:
        """Goes on from a state, before the first batch; ids of the rules whose state could be taken over."""
        ...

    def measure(self, clock: Clock) -> None:
        """Measures from now on what rules cost, on a sample of batches; clock in ns."""
        ...

    def shed(self, rule_ids: Collection[str]) -> None:
        """Switches these rules off from the next batch on, all others on."""
        ...

    def watch(self, onlooker: Callable[[PacketTable], None]) -> None:
        """Shows somebody the packets of each batch from now on."""
        ...

    def close(self) -> None:
        """Ends what runs beside this process."""
        ...


class PreparedEngine(NamedTuple):
    """Rules compiled for a Pipeline. kept: ids of those whose state goes on where `before` are the rules that run."""

    ruleset: Ruleset
    engine: Engine
    before: Sequence[Rule]
    kept: frozenset[str]


def ruleset_of(given: Ruleset | Prepared) -> Ruleset:
    """The rules, prepared or not."""
    return given if isinstance(given, Ruleset) else given.ruleset


class Pipeline:
    """One run of one ruleset. `process` takes batches in their order and returns their alerts in order."""

    def __init__(self, ruleset: Ruleset, settings: PipelineSettings | None = None) -> None:
        settings = self._settings = settings or PipelineSettings()
        self.ruleset = ruleset
        self.decoding = Decoding(settings)
        self.engine = Engine(ruleset, settings.engine)
        self._builder = AlertBuilder(settings.run, settings.observer)
        self.decoding.following.watch(self.engine.selector.watched)
        self._clock: Clock | None = None
        self._shed: frozenset[str] = frozenset()
        self._onlooker: Callable[[PacketTable], None] | None = None

    def process(self, batch: Batch) -> list[Alert]:
        """The alerts of a batch."""
        packets, pdus = self.decoding.tables(batch)
        if self._onlooker is not None:
            self._onlooker(packets)
        tables: dict[str, Table] = {"packet": packets, **pdus}
        matches = self.engine.detect(tables)
        self.decoding.following.remember(packets)
        alerts = [self._builder.build(match, tables) for match in matches]
        self.decoding.counts.alerts += len(alerts)
        return alerts

    def feed(self, batch: Batch) -> list[Alert]:
        """The alerts of a batch."""
        return self.process(batch)

    def finish(self) -> list[Alert]:
        """None: all alerts were handed out with their batches."""
        return []

    def close(self) -> None:
        """Nothing runs beside this process."""

    def learn(self, source: Source) -> None:
        """Takes a source as known good: new_value rules learn from it, nothing alerts, its flows and clock are its own."""
        decoding = Decoding(self._settings)
        decoding.following.watch(self.engine.selector.watched)
        for batch in source.batches():
            packets, pdus = decoding.tables(batch)
            self.engine.learn({"packet": packets, **pdus})
            decoding.following.remember(packets)

    def prepare(self, ruleset: Ruleset) -> PreparedEngine:
        """Compiles rules beside the running ones, for exchange_rules. Another thread may do so meanwhile."""
        engine, before = Engine(ruleset, self._settings.engine), self.engine.judge.rules
        return PreparedEngine(ruleset, engine, before, kept_rules(before, engine.judge.rules))

    def exchange_rules(self, ruleset: Ruleset | Prepared) -> frozenset[str]:
        """Goes on with other rules from the next batch; ids of those that mean what they meant, whose state goes on."""
        new = ruleset if isinstance(ruleset, PreparedEngine) else self.prepare(ruleset_of(ruleset))
        running = self.engine.judge
        kept = new.kept if new.before is running.rules else kept_rules(running.rules, new.engine.judge.rules)
        new.engine.judge.adopt(running, kept)
        new.engine.selector.signatures.restore(self.engine.selector.signatures.state())
        if self._clock is not None:
            new.engine.measure(self._clock)
        new.engine.shed(self._shed)
        self.ruleset, self.engine = new.ruleset, new.engine
        self.decoding.following.watch(self.engine.selector.watched)
        return kept

    def measure(self, clock: Clock) -> None:
        """Measures from now on what rules cost, on a sample of batches; clock in ns."""
        self._clock = clock
        self.engine.measure(clock)

    def shed(self, rule_ids: Collection[str]) -> None:
        """Switches these rules off from the next batch on, all others on."""
        self._shed = frozenset(rule_ids)
        self.engine.shed(self._shed)

    def watch(self, onlooker: Callable[[PacketTable], None]) -> None:
        """Shows somebody the packets of each batch from now on."""
        self._onlooker = onlooker

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps: of all stages, of all rules, and which alerts were told. Pickle it before the next batch."""
        return {
            "decoding": self.decoding.state(),
            "judge": self.engine.judge.state(),
            "waiting": self.engine.selector.signatures.state(),
            "occurrences": self._builder.occurrences,
        }

    def restore(self, state: dict[str, Any]) -> frozenset[str]:
        """Goes on from an unpickled state, before the first batch; ids of the rules whose state could be taken over.

        Rules that are new or mean something else begin anew.

        Raises:
            UnfitState: it was made with other ceilings, or by several processes; this Pipeline has not changed.
        """
        if workers := state.get("workers"):
            raise UnfitState(
                f"the saved state was made with {workers} workers, and there is none beside this process now"
            )
        if "waiting" not in state:
            raise UnfitState("the saved state was made by a version that did not keep what payload rules wait for")
        decoding = Decoding(self._settings)
        decoding.following.watch(self.engine.selector.watched)
        decoding.restore(state["decoding"])
        self.decoding = decoding
        self.engine.selector.signatures.restore(state["waiting"])
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
