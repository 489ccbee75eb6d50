"""Fields of the frame as captured, and what is odd about a packet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.columns import Array, Column, Field
from detector.errors import PacketAnomaly
from detector.packets.header import Make, PacketField, made, ragged
from detector.packets.table import PacketTable

ENCAPSULATIONS = {
    0: 15,
    1: 1,
    9: 4,
    12: 7,
    14: 7,
    50: 4,
    101: 7,
    108: 15,
    113: 25,
    195: 104,
    228: 129,
    229: 130,
    276: 210,
}


def of_packet(values: Callable[[PacketTable], Array]) -> Make:
    """A column of the batch's packets, over packet rows; a quoted row has none of its own."""

    def make(table: PacketTable, field: Field) -> Column:
        present = None if not table.structure.is_quoted.any() else ~table.structure.is_quoted
        return Column(field, values(table)[table.structure.packet], present)

    return make


def interface(table: PacketTable, field: Field) -> Column:
    """The interface, where the format has interfaces."""
    numbers = table.batch.interfaces[table.structure.packet]
    return Column(field, numbers, (numbers >= 0) & ~table.structure.is_quoted)


def encapsulation(table: PacketTable) -> Array:
    """Wireshark's number of the link type."""
    links = table.batch.link_types
    known = np.array([ENCAPSULATIONS.get(int(link), 0) for link in np.unique(links)], np.uint16)
    return known[np.searchsorted(np.unique(links), links)]


def comments(table: PacketTable, field: Field) -> Column:
    """pcapng's packet comments."""
    outer = np.flatnonzero((table.structure.outer < 0) & ~table.structure.is_quoted)
    row_of_packet = dict(zip(table.structure.packet[outer].tolist(), outer.tolist(), strict=True))
    said = [(row_of_packet[packet], text.encode()) for packet, texts in sorted(table.batch.comments.items())
            for text in texts if packet in row_of_packet]  # fmt: skip
    lengths = np.array([len(text) for _, text in said], np.int64)
    stops = np.cumsum(lengths)
    spans = np.stack((stops - lengths, stops), axis=1) if said else np.zeros((0, 2), np.int64)
    rows = np.array([row for row, _ in said], np.int64)
    return ragged(field, spans, rows, table.rows, np.frombuffer(b"".join(text for _, text in said) + b"\0", np.uint8))


def anomalies(table: PacketTable, field: Field) -> Column:
    """The set bits of the anomaly words."""
    words = table.structure.anomalies
    rows = np.flatnonzero(words.any(axis=1))
    bits = (words[rows][:, :, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
    at, bit = np.nonzero(bits.reshape(len(rows), 128))
    return ragged(field, bit.astype(np.uint8), rows[at], table.rows)


FIELDS: tuple[PacketField, ...] = (
    made("frame", "protocol", "every packet", lambda table, field: Column(field, np.ones(table.rows, np.bool_))),
    made("frame.number", "uint", "number of the packet within its file, from 1", of_packet(lambda t: t.batch.numbers)),
    made("frame.time_epoch", "time", "when it was captured, seconds since 1970", of_packet(lambda t: t.batch.times), unit="s"),
    made("frame.time_delta", "duration", "since the previous packet", of_packet(lambda t: t.times[0]), unit="s"),
    made("frame.time_delta_displayed", "duration", "since the previous packet", of_packet(lambda t: t.times[0]), unit="s"),
    made("frame.time_relative", "duration", "since the first packet of the run", of_packet(lambda t: t.times[1]), unit="s"),
    made("frame.len", "uint", "length on the wire", of_packet(lambda t: t.batch.wire_lengths), unit="B"),
    made("frame.cap_len", "uint", "captured length", of_packet(lambda t: t.batch.stops - t.batch.starts), unit="B"),
    made("frame.encap_type", "int", "Wireshark's number of the link type", of_packet(encapsulation)),
    made("frame.interface_id", "uint", "interface of a pcapng file", interface),
    made("frame.comment", "string", "packet comment of a pcapng file", comments),
    made("packet.anomaly", "label", "what is odd about the packet: names as in Suricata's decoder events", anomalies,
         labels={anomaly.value: anomaly.label for anomaly in PacketAnomaly}),
)  # fmt: skip
