"""Fields of the frame as captured, and what is odd about a packet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detector.columns import Array, Column, Field
from detector.errors import PacketAnomaly
from detector.packets.events import LABELS, events
from detector.packets.header import Make, PacketField, made, ragged
from detector.packets.rows import Cell
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


FLAGS, DROPPED, PACKET_ID, QUEUE = 2, 4, 5, 6  # options of pcapng's packet blocks
# Name, kind, lowest bit, width, meaning (draft-ietf-opsawg-pcapng 4.3.1).
PACKET_FLAGS = (
    ("direction", "uint", 0, 2, "1 inbound, 2 outbound"), ("reception_type", "uint", 2, 3, "1 unicast, 2 multicast, 3 broadcast, 4 promiscuous"),
    ("fcs_length", "uint", 5, 4, "bytes of the frame check sequence"), ("reserved", "uint", 9, 7, "reserved flags"),
    ("crc_error", "bool", 24, 1, "wrong checksum"), ("packet_too_error", "bool", 25, 1, "packet too long"),
    ("packet_too_short_error", "bool", 26, 1, "packet too short"), ("wrong_inter_frame_gap_error", "bool", 27, 1, "wrong gap between frames"),
    ("unaligned_frame_error", "bool", 28, 1, "unaligned frame"), ("start_frame_delimiter_error", "bool", 29, 1, "wrong start of frame"),
    ("preamble_error", "bool", 30, 1, "wrong preamble"), ("symbol_error", "bool", 31, 1, "wrong symbol"),
)  # fmt: skip


def of_packet(values: Callable[[PacketTable], Array]) -> Make:
    """A column of the batch's packets, over packet rows; a quoted row has none of its own."""

    def make(table: PacketTable, field: Field) -> Column:
        present = ~table.structure.is_quoted if table.has_quotes else None
        return Column(field, values(table)[table.structure.packet], present)

    return make


def interface(table: PacketTable, field: Field) -> Column:
    """The interface, where the format has interfaces."""
    numbers = table.batch.interfaces[table.structure.packet]
    return Column(field, numbers, (numbers >= 0) & ~table.structure.is_quoted)


def origin(part: str, default: str = "") -> Make:
    """What a pcapng file says of the packet's section or interface; a text that is not there is `default`."""

    def make(table: PacketTable, field: Field) -> Column:
        batch, packets = table.batch, table.structure.packet
        numbers = np.full(table.rows, -1) if batch.origins is None else batch.origins[packets]
        present = (numbers >= 0) & ~table.structure.is_quoted
        values = [getattr(one, part) or default for one in batch.described]  # per interface
        if field.kind == "uint":
            return Column(field, np.array([*values, 0], np.uint32)[numbers], present)
        texts = [text.encode() for text in values]
        stops = np.cumsum([len(text) for text in texts] + [0])[: len(texts) + 1]
        starts = stops - np.array([len(text) for text in texts] + [0])
        present = present & (stops - starts > 0)[numbers]
        joined = np.frombuffer(b"".join(texts) + b"\0", np.uint8)
        return Column(field, np.stack((starts, stops), axis=1)[numbers], present, None, joined)

    return make


def noted(code: int, first: int = 0, width: int = 64) -> Make:
    """Some bits of a number that a pcapng packet block has as an option, counted from the lowest."""

    def make(table: PacketTable, field: Field) -> Column:
        notes = table.batch.notes
        notes = notes[notes[:, 1] == code]
        rows = outer_rows(table)[notes[:, 0]]
        values = notes[rows >= 0, 2].view(np.uint64) >> np.uint64(first) & np.uint64(2**width - 1)
        values = values.astype(np.bool_) if field.kind == "bool" else values
        return ragged(field, values, rows[rows >= 0], table.rows)

    return make


def outer_rows(table: PacketTable) -> Array:
    """The row of each packet's outermost layer, int64[packets]; -1 for a packet that is left out."""
    structure = table.structure
    outer = np.flatnonzero((structure.outer < 0) & ~structure.is_quoted)
    rows = np.full(len(table.batch), -1)
    rows[structure.packet[outer]] = outer
    return rows


def encapsulation(table: PacketTable) -> Array:
    """Wireshark's number of the link type."""
    links = table.batch.link_types
    known = np.array([ENCAPSULATIONS.get(int(link), 0) for link in np.unique(links)], np.uint16)
    return known[np.searchsorted(np.unique(links), links)]


def comments(table: PacketTable, field: Field) -> Column:
    """pcapng's packet comments."""
    row_of_packet = outer_rows(table)
    said = [(int(row_of_packet[packet]), text.encode()) for packet, texts in sorted(table.batch.comments.items())
            for text in texts if row_of_packet[packet] >= 0]  # fmt: skip
    lengths = np.array([len(text) for _, text in said], np.int64)
    stops = np.cumsum(lengths)
    spans = np.stack((stops - lengths, stops), axis=1) if said else np.zeros((0, 2), np.int64)
    rows = np.array([row for row, _ in said], np.int64)
    return ragged(field, spans, rows, table.rows, np.frombuffer(b"".join(text for _, text in said) + b"\0", np.uint8))


def anomalies(table: PacketTable, field: Field) -> Column:
    """The set bits of the anomaly words. Few anomalies occur in a batch, though one may be on every row."""
    words = table.structure.anomalies
    occurring = np.flatnonzero(
        np.bitwise_or.reduce(words, axis=0)[:, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)
    )
    found = [
        (bit, np.flatnonzero(words[:, bit >> 6] >> np.uint64(bit & 63) & np.uint64(1))) for bit in occurring.tolist()
    ]
    rows = np.concatenate([np.zeros(0, np.int64), *(rows for _, rows in found)])
    bits = np.repeat(occurring.astype(np.uint8), [len(rows) for _, rows in found])
    order = np.argsort(rows, kind="stable")
    return ragged(field, bits[order], rows[order], table.rows)


def payload_length(table: PacketTable, field: Field) -> Column:
    """Bytes of each row's payload."""
    structure = table.structure
    return Column(field, (structure.cell(Cell.PAYLOAD_STOP) - structure.cell(Cell.PAYLOAD_START)).astype(np.uint32))


def ip_protocol(table: PacketTable, field: Field) -> Column:
    """The IP protocol of rows that have an IP header."""
    structure = table.structure
    return Column(field, structure.transport.astype(np.uint8), structure.network > 0)


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
    made("frame.section_number", "uint", "section of a pcapng file, from 1", origin("section")),
    made("frame.interface_name", "string", "name of the interface", origin("name", "unknown")),
    made("frame.interface_description", "string", "description of the interface", origin("description")),
    made("frame.interface_queue", "uint", "queue of the interface", noted(QUEUE)),
    made("frame.packet_id", "uint", "number that packets have in common which were captured more than once", noted(PACKET_ID)),
    made("frame.drop_count", "uint", "packets lost between this one and the one before", noted(DROPPED)),
    made("frame.packet_flags", "uint", "flags of a pcapng packet block", noted(FLAGS), base=16),
    *(made(f"frame.packet_flags_{name}", kind, meaning, noted(FLAGS, first, width)) for name, kind, first, width, meaning in PACKET_FLAGS),
    made("frame.comment", "string", "packet comment of a pcapng file", comments),
    made("packet.anomaly", "label", "what is odd about the packet: names as in Suricata's decoder events", anomalies,
         labels={anomaly.value: anomaly.label for anomaly in PacketAnomaly}),
    made("packet.event", "label", "what is odd within its headers: Suricata's decoder events that are no packet.anomaly", events, labels=LABELS),
    made("packet.payload_len", "uint", "bytes above TCP, UDP, SCTP and ICMP's first header; above IP for other protocols", payload_length, unit="B"),
    made("packet.ip_protocol", "uint", "protocol above IP and its extension headers, as in ip.proto", ip_protocol),
)  # fmt: skip
