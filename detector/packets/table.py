"""The packet table: one row = one IP layer of a packet; columns of any packet field, made when asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch
from detector.columns import Column, Field, Table
from detector.errors import PacketAnomaly
from detector.packets.header import PacketField, place_of, ragged
from detector.packets.load import kernels, load
from detector.packets.rows import S_QUOTES, Cell, Layer, PacketRows, Seen


def anomaly_bits(*anomalies: PacketAnomaly) -> NDArray[np.uint64]:
    """The two words of PacketRows.anomalies with the bits of some."""
    words = np.zeros(2, np.uint64)
    for anomaly in anomalies:  # per anomaly
        words[anomaly >> 6] |= np.uint64(1) << np.uint64(anomaly & 63)
    return words


HeaderLength = int | Callable[["PacketTable"], NDArray[np.int64]] | None
LIMITED = (Layer.IP, Layer.IPV6, Layer.TCP)  # headers that may contradict themselves
CONTRADICTIONS = anomaly_bits(
    PacketAnomaly.IPV4_WRONG_IP_VERSION, PacketAnomaly.IPV4_HLEN_TOO_SMALL, PacketAnomaly.IPV4_IPLEN_SMALLER_THAN_HLEN,
    PacketAnomaly.IPV6_WRONG_IP_VERSION, PacketAnomaly.TCP_HLEN_TOO_SMALL,
)  # fmt: skip


class PacketTable(Table):
    """Packets of one batch.

    structure: PacketRows.  clock: int64[rows], ns, at which a row is judged.
    times: int64[packets] each, ns since the previous and since the first frame.
    fields: every packet field by its name.  spans: where protocols' bytes lie (packets/fields.py).
    seen: uint64[4], what all rows have together, words Seen.
    now: ns, the clock behind the batch; 0 where it has no packet.
    earlier: int64[n, 2], of the last n rows, whose packets came with earlier batches, packet and row by which they are
        ordered among those of this one.
    """

    def __init__(self, batch: Batch, structure: PacketRows, clock: NDArray[np.int64],
                 times: tuple[NDArray[np.int64], NDArray[np.int64]], fields: Mapping[str, PacketField],
                 spans: Mapping[str, tuple[Layer, HeaderLength]], seen: NDArray[np.uint64], now: int = 0) -> None:  # fmt: skip
        super().__init__("packet", len(structure.packet))
        self.batch = batch
        self.structure = structure
        self.clock = clock
        self.times = times
        self.seen = seen
        self.now = now
        self.earlier = np.zeros((0, 2), np.int64)
        self.fields = fields
        self.spans = spans
        self.has_quotes = bool(int(seen[Seen.LAYERS]) & S_QUOTES)
        self._has_limits = self.has_quotes or bool((seen[: Seen.ETHERTYPES] & CONTRADICTIONS).any())
        self.kept: dict[str, NDArray[np.int64]] = {}  # what fields share: walks through options
        self.followed: object = None  # flows.followed.Followed, once flows are followed
        self._own: dict[str, Column] = {}
        self._limits: NDArray[np.int32] | None = None

    def order_of(self, rows: NDArray[np.int64], places: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """int64[n, 2], packet and row by which rows of one clock are ordered. places: where rows stand in the whole batch."""
        own, keys = self.rows - len(self.earlier), np.empty((len(rows), 2), np.int64)
        ours = np.flatnonzero(rows < own) if len(self.earlier) else slice(None)
        keys[ours, 0] = self.structure.packet[rows[ours]]
        keys[ours, 1] = rows[ours] if places is None else places[rows[ours]]
        if len(self.earlier):
            late = np.flatnonzero(rows >= own)
            keys[late] = self.earlier[rows[late] - own]
        return keys

    def _make(self, name: str) -> Column:
        column = self.own(name)
        if self.has_quotes and column.field.protocol not in ("frame", "packet", "flow"):
            return self._with_quotes(column)
        return column

    def own(self, name: str) -> Column:
        """The column without what quoted rows add to their parents' values."""
        found = self._own.get(name)
        if found is None:
            found = self._own[name] = self._make_own(name)
        return found

    def span(self, name: str, is_whole: bool) -> Column:
        """A protocol's bytes, by the places in `spans`; a frame has its own, once."""
        return self._span(name, is_whole, True)

    def own_span(self, name: str) -> Column:
        """The bytes of a protocol's header in each row itself, without those of quoted rows; dense, (0, 0) for none."""
        return self._span(name, False, False)

    def _span(self, name: str, is_whole: bool, with_quotes: bool) -> Column:
        layer, length = self.spans[name]
        starts, stops = self.structure.layer(layer).astype(np.int64), self.structure.cell(Cell.STOP).astype(np.int64)
        present = starts >= 0
        if name == "frame":
            packets = self.structure.packet
            starts, stops = self.batch.starts[packets], self.batch.stops[packets]
            present = self.structure.outer < 0
        elif not is_whole and length is not None:
            sizes = length(self) if callable(length) else np.int64(length)
            stops = np.minimum(stops, starts + sizes)
        spans = np.where(present[:, None], np.stack((starts, np.maximum(starts, stops)), axis=1), 0)
        column = Column(Field(name, "bytes", self.fields[name].field.meaning), spans, present, None, self.batch.buffer)
        return self._with_quotes(column) if with_quotes and self.has_quotes and name != "frame" else column

    def stops(self, layer: Layer) -> NDArray[np.int32]:
        """Where the bytes of each row's header end: as far as the packet, or as the header itself makes sense."""
        if layer == Layer.PRP:  # behind all that the packet's headers speak of
            ends: NDArray[np.int32] = self.batch.stops[self.structure.packet].astype(np.int32)
            return ends
        if layer not in LIMITED or not self._has_limits:
            return self.structure.cell(Cell.STOP)
        if self._limits is None:
            self._limits = np.tile(self.structure.cell(Cell.STOP), (len(LIMITED), 1))
            kernels.limit_headers(self.batch.buffer, *map(self.structure.layer, LIMITED), self._limits)
        limits: NDArray[np.int32] = self._limits[LIMITED.index(layer)]
        return limits

    def _make_own(self, name: str) -> Column:
        declared = self.fields[name]
        if declared.make is not None:
            column = declared.make(self, declared.field)
        else:
            assert declared.layer is not None
            starts, stops = self.structure.layer(declared.layer), self.stops(declared.layer)
            column = load(declared.field, place_of(declared.at), self.batch.buffer, starts, stops)
        for other, wanted in declared.when:  # per condition
            condition = self.own(other)
            holds = np.isin(condition.values, wanted)
            if condition.present is not None:
                holds &= condition.present
            present = holds if column.present is None else column.present & holds
            column = Column(column.field, column.values, present, None, column.buffer)
        return column

    def _with_quotes(self, column: Column) -> Column:
        """The column in which an ICMP error's row lists what its quoted headers say behind its own values."""
        values, rows = column.flat()
        if column.field.kind == "protocol":
            rows, values = rows[values], values[values]
        structure = self.structure
        return ragged(
            column.field,
            values,
            np.where(structure.is_quoted[rows], structure.outer[rows], rows),
            self.rows,
            column.buffer,
        )
