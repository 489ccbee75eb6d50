"""Fields of TCP, UDP, SCTP and their payload."""

from __future__ import annotations

import numpy as np

from detector.columns import Column, Field
from detector.packets.header import Make, PacketField, both, header, made, presence, ragged
from detector.packets.network import scaled
from detector.packets.options import inside, kinds, lengths, tcp_options
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

TCP_OPTIONS = {0: "End of Option List", 1: "No-Operation", 2: "Maximum Segment Size", 3: "Window Scale",
               4: "SACK permitted", 5: "SACK", 8: "Timestamps", 19: "MD5", 29: "TCP-AO"}  # fmt: skip


def flags_text() -> dict[int, str]:
    """Wireshark's tcp.flags.str of each value of the twelve bits: "·······AP···"."""
    letters = "RRRACEUAPRSF"
    return {
        value: "".join(letter if value >> (11 - bit) & 1 else "·" for bit, letter in enumerate(letters))
        for value in range(4096)
    }


def flags_str(table: PacketTable, field: Field) -> Column:
    """The flags as a label."""
    column = table.own("tcp.flags")
    return Column(field, column.values, column.present)


def segment_length(table: PacketTable, field: Field) -> Column:
    """Bytes of payload of a TCP segment."""
    structure = table.structure
    present = table.own("tcp.hdr_len").present
    return Column(
        field, (structure.cell(Cell.PAYLOAD_STOP) - structure.cell(Cell.PAYLOAD_START)).astype(np.uint32), present
    )


def relative_edge(offset: int) -> Make:
    """Edges of SACK blocks, relative to the other direction's first number where the flow is known."""

    def make(table: PacketTable, field: Field) -> Column:
        raw = inside(tcp_options, 5, offset, 32, 10, 8)(table, field)
        if not table.has("tcp.ack"):
            return raw
        values, rows = raw.flat()
        base = (
            table.own("tcp.ack_raw").values.astype(np.int64)
            - table.column("tcp.ack").take(np.arange(table.rows)).values[: table.rows]
        )
        return ragged(field, ((values.astype(np.int64) - base[rows]) & 0xFFFFFFFF).astype(np.uint32), rows, table.rows)

    return make


def multiplier(table: PacketTable, field: Field) -> Column:
    """What the window scale option multiplies by (RFC 7323 2.2: shifts above 14 count as 14)."""
    values, rows = table.own("tcp.options.wscale.shift").flat()
    return ragged(field, (1 << np.minimum(values.astype(np.int64), 14)).astype(np.uint16), rows, table.rows)


def sack_count(table: PacketTable, field: Field) -> Column:
    """Number of blocks of every SACK option."""
    found = tcp_options(table)
    found = found[(found[:, 1] == 5) & (found[:, 3] >= 10)]
    return ragged(field, ((found[:, 3] - 2) // 8).astype(np.uint8), found[:, 0], table.rows)


def option_bytes(table: PacketTable, field: Field) -> Column:
    """The whole list of options."""
    structure = table.structure
    starts = structure.layer(Layer.TCP).astype(np.int64) + 20
    lengths_ = table.own("tcp.hdr_len")
    assert lengths_.present is not None
    stops = np.minimum(starts - 20 + lengths_.values.astype(np.int64), structure.cell(Cell.STOP))
    present = lengths_.present & (stops > starts)
    return Column(field, np.stack((starts, stops), axis=1), present, None, table.batch.buffer)


def payload(layer: Layer) -> Make:
    """The bytes above a transport header, where there are any."""

    def make(table: PacketTable, field: Field) -> Column:
        structure = table.structure
        spans = np.stack((structure.cell(Cell.PAYLOAD_START), structure.cell(Cell.PAYLOAD_STOP)), axis=1).astype(
            np.int64
        )
        present = (structure.layer(layer) >= 0) & (spans[:, 1] > spans[:, 0])
        return Column(field, spans, present, None, table.batch.buffer)

    return make


FIELDS: tuple[PacketField, ...] = (
    made("tcp", "protocol", "the packet is TCP", presence(Layer.TCP)),
    *header(Layer.TCP, """
        tcp.srcport           uint  TCP.sport         port of the sender
        tcp.dstport           uint  TCP.dport         port of the receiver
    """),
    made("tcp.port", "uint", "port of either side", both("tcp.srcport", "tcp.dstport")),
    made("tcp.len", "uint", "bytes of payload", segment_length, unit="B"),
    *header(Layer.TCP, """
        tcp.seq_raw           uint  TCP.seq           sequence number as sent
        tcp.ack_raw           uint  TCP.ack           acknowledgement number as sent
    """),
    made("tcp.hdr_len", "uint", "length of the header", scaled((96, 4), Layer.TCP, 4), unit="B"),
    *header(Layer.TCP, """
        tcp.flags             uintx @100:12           the twelve flag bits
        tcp.flags.res         uint  @100:3            reserved bits
        tcp.flags.ae          bool  @103:1            accurate ECN
        tcp.flags.cwr         bool  @104:1            congestion window reduced
        tcp.flags.ece         bool  @105:1            ECN echo
        tcp.flags.urg         bool  @106:1            urgent
        tcp.flags.ack         bool  @107:1            acknowledgement
        tcp.flags.push        bool  @108:1            push
        tcp.flags.reset       bool  @109:1            reset
        tcp.flags.syn         bool  @110:1            synchronise
        tcp.flags.fin         bool  @111:1            finish
        tcp.window_size_value uint  TCP.window        window as sent, not scaled
        tcp.checksum          uintx TCP.chksum        checksum
        tcp.urgent_pointer    uint  TCP.urgptr        urgent pointer
    """),
    made("tcp.flags.str", "label", "the flags as letters, a dot for each that is not set", flags_str, labels=flags_text()),
    made("tcp.option_kind", "uint", "kind of each option", kinds(tcp_options), labels=TCP_OPTIONS),
    made("tcp.option_len", "uint", "length of each option that has one", lengths(tcp_options), unit="B"),
    made("tcp.options.mss_val", "uint", "maximum segment size", inside(tcp_options, 2, 16, 16, 4), unit="B"),
    made("tcp.options.wscale.shift", "uint", "window scale", inside(tcp_options, 3, 16, 8, 3)),
    made("tcp.options.wscale.multiplier", "uint", "what the window is multiplied by", multiplier),
    made("tcp.options", "bytes", "the options as bytes", option_bytes),
    made("tcp.options.sack.count", "uint", "number of SACK blocks", sack_count),
    made("tcp.options.sack_le", "uint", "left edges of SACK blocks, relative", relative_edge(16)),
    made("tcp.options.sack_re", "uint", "right edges of SACK blocks, relative", relative_edge(48)),
    made("tcp.options.timestamp.tsval", "uint", "timestamp", inside(tcp_options, 8, 16, 32, 10)),
    made("tcp.options.timestamp.tsecr", "uint", "timestamp that is answered", inside(tcp_options, 8, 48, 32, 10)),
    made("tcp.payload", "bytes", "bytes above the header", payload(Layer.TCP)),
    made("udp", "protocol", "the packet is UDP", presence(Layer.UDP)),
    *header(Layer.UDP, """
        udp.srcport           uint  UDP.sport         port of the sender
        udp.dstport           uint  UDP.dport         port of the receiver
        udp.length            uint  UDP.len           length of header and payload
        udp.checksum          uintx UDP.chksum        checksum
    """),
    made("udp.port", "uint", "port of either side", both("udp.srcport", "udp.dstport")),
    made("udp.payload", "bytes", "bytes above the header", payload(Layer.UDP)),
    made("sctp", "protocol", "the packet is SCTP", presence(Layer.SCTP)),
    *header(Layer.SCTP, """
        sctp.srcport          uint  SCTP.sport        port of the sender
        sctp.dstport          uint  SCTP.dport        port of the receiver
        sctp.verification_tag uintx SCTP.tag          verification tag
    """),
)  # fmt: skip
