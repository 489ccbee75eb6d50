"""Fields of TCP, UDP, SCTP and their payload."""

from __future__ import annotations

import numpy as np

from detector.columns import Array, Column, Field
from detector.packets.header import Make, PacketField, both, header, made, presence, ragged
from detector.packets.items import (
    KIND,
    LENGTH,
    ROW,
    Found,
    Shape,
    Walk,
    among,
    bits,
    kept,
    listed,
    repeated,
    spans_of,
    walked,
)
from detector.packets.load import Place
from detector.packets.network import scaled, sent_stops
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

TCP_OPTIONS = {0: "End of Option List", 1: "No-Operation", 2: "Maximum Segment Size", 3: "Window Scale",
               4: "SACK permitted", 5: "SACK", 8: "Timestamps", 19: "MD5", 29: "TCP-AO"}  # fmt: skip
SACK = 5
# What each option holds. TCPM's registry of option kinds and of experiment identifiers; an option that is not as long as
# its document says has no values.
OPTION_FIELDS = """
    tcp.option_kind                  uint     @0:8    *           kind of each option
    tcp.option_len                   uint     @8:8    !0,1        length of each option that has one
    tcp.options.eol                  bytes    @0:     0           end of the options (as bytes, like all options below)
    tcp.options.nop                  bytes    @0:     1           no operation
    tcp.options.mss                  bytes    @0:     2           maximum segment size option
    tcp.options.mss_val              uint     @16:16  2           if len=4 maximum segment size
    tcp.options.wscale               bytes    @0:     3           window scale option (RFC 7323)
    tcp.options.wscale.shift         uint     @16:8   3           if len=3 window scale
    tcp.options.sack_perm            bytes    @0:     4           selective acknowledgement is permitted (RFC 2018)
    tcp.options.sack                 bytes    @0:     5           selective acknowledgement option
    tcp.options.echo                 bytes    @0:     6,7         echo and its reply (RFC 1072)
    tcp.options.echo_value           uint     @16:32  6,7         if len=6 value that is echoed
    tcp.options.timestamp            bytes    @0:     8           timestamps option (RFC 7323)
    tcp.options.timestamp.tsval      uint     @16:32  8           if len=10 timestamp
    tcp.options.timestamp.tsecr      uint     @48:32  8           if len=10 timestamp that is answered
    tcp.options.cc                   bytes    @0:     11,12,13    connection count of T/TCP (RFC 1644)
    tcp.options.cc_value             uint     @16:32  11,12,13    if len=6 connection count
    tcp.options.md5                  bytes    @0:     19          MD5 signature option (RFC 2385)
    tcp.options.md5.digest           bytes    @16:128 19          if len=18 MD5 signature
    tcp.options.qs                   bytes    @0:     27          quick start response (RFC 4782)
    tcp.options.qs.rate              uint     @20:4   27          if len=8 rate that is granted
    tcp.options.qs.ttl_diff          uint     @24:8   27          if len=8 difference of lifetimes
    tcp.options.user_to              bytes    @0:     28          user timeout option (RFC 5482)
    tcp.options.user_to_granularity  bool     @16:1   28          if len=4 the timeout is in minutes
    tcp.options.user_to_val          uint     @17:15  28          if len=4 user timeout
    tcp.options.ao                   bytes    @0:     29          authentication option (RFC 5925)
    tcp.options.ao.keyid             uint     @16:8   29          if len>=4 key of this segment
    tcp.options.ao.rnextkeyid        uint     @24:8   29          if len>=4 key wanted next
    tcp.options.ao.mac               bytes    @32:    29          message authentication code
    tcp.options.tfo                  bytes    @0:     34          fast open option (RFC 7413)
    tcp.options.tfo.request          protocol @0:16   34          if len=2 a cookie is asked for
    tcp.options.tfo.request          protocol @0:32   253,254     if len=4;16:16=63881 a cookie is asked for
    tcp.options.tfo.cookie           bytes    @16:    34          fast open cookie
    tcp.options.tfo.cookie           bytes    @32:    253,254     if 16:16=63881 fast open cookie
    tcp.options.acc_ecn              bytes    @0:     172,174     accurate ECN option
    tcp.options.acc_ecn.ee0b         uint     @16:24  172         bytes received with ECT(0)
    tcp.options.acc_ecn.ee0b         uint     @64:24  174         bytes received with ECT(0)
    tcp.options.acc_ecn.ee0b         uint     @32:24  253,254     if 16:16=44224 bytes received with ECT(0)
    tcp.options.acc_ecn.ee0b         uint     @80:24  253,254     if 16:16=44225 bytes received with ECT(0)
    tcp.options.acc_ecn.eceb         uint     @40:24  172,174     bytes received with CE
    tcp.options.acc_ecn.eceb         uint     @56:24  253,254     if 16:16=44224,44225 bytes received with CE
    tcp.options.acc_ecn.ee1b         uint     @64:24  172         bytes received with ECT(1)
    tcp.options.acc_ecn.ee1b         uint     @16:24  174         bytes received with ECT(1)
    tcp.options.acc_ecn.ee1b         uint     @80:24  253,254     if 16:16=44224 bytes received with ECT(1)
    tcp.options.acc_ecn.ee1b         uint     @32:24  253,254     if 16:16=44225 bytes received with ECT(1)
    tcp.options.experimental         bytes    @0:     253,254     experimental option (RFC 6994)
    tcp.options.experimental.exid    uintx    @16:16  253,254     experiment identifier
    tcp.options.experimental.data    bytes    @32:    253,254     if 16:16!=63881,44224,44225 data of an experiment
    tcp.options.unknown              bytes    @0:     !0,1,2,3,4,5,6,7,8,11,12,13,19,20,21,22,23,27,28,29,30,34,76,78,172,174,253,254 option of another kind
    tcp.options.unknown.payload      bytes    @16:    !0,1,2,3,4,5,6,7,8,11,12,13,19,20,21,22,23,27,28,29,30,34,76,78,172,174,253,254 what such an option holds
"""


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
    """Bytes of payload of a TCP segment, as sent."""
    structure, lengths = table.structure, table.own("tcp.hdr_len")
    size = sent_stops(table) - structure.layer(Layer.TCP) - lengths.values.astype(np.int32)
    return Column(field, np.maximum(size, 0).astype(np.uint32), lengths.present)


def list_options(table: PacketTable) -> Found:
    """Options of TCP headers (RFC 9293 3.1)."""
    structure, lengths = table.structure, table.own("tcp.hdr_len")
    assert lengths.present is not None
    rows = np.flatnonzero(lengths.present & (lengths.values > 20))
    starts = structure.layer(Layer.TCP)[rows]
    stops = np.minimum(starts + lengths.values[rows].astype(np.int32), structure.cell(Cell.STOP)[rows])
    return walked(table, spans_of(rows, np.zeros_like(rows), starts + 20, stops), Shape(singles=1, ends=2))


tcp_options = kept("options of TCP", list_options)
sack_blocks = repeated("blocks of SACK", tcp_options, (SACK,), 2, 8)


def is_duplicate(table: PacketTable) -> Found:
    """First blocks of SACK options that tell of data received twice (RFC 2883 4): acknowledged, or within the second block."""
    found = sack_blocks(table)
    left, right = (bits(table, found, Place(offset, 32, False))[0] for offset in (0, 32))
    first = np.flatnonzero(np.diff(found[:, ROW], prepend=-1) != 0)
    second = np.minimum(first + 1, max(0, len(found) - 1))
    has_second = (first + 1 < len(found)) & (found[second, ROW] == found[first, ROW])
    acknowledged = ~is_after(right[first], table.own("tcp.ack_raw").values.astype(np.int64)[found[first, ROW]])
    within = has_second & is_after(right[first], left[second]) & ~is_after(right[first], right[second])
    return among(found, first[acknowledged | within])


def is_after(first: Array, second: Array) -> Array:
    """Whether one sequence number lies behind another, modulo 2**32."""
    distance = (first - second) & 0xFFFFFFFF
    return (distance > 0) & (distance < 2**31)


def edge(blocks: Walk, offset: int) -> Make:
    """Edges of SACK blocks, relative to the other direction's first number where the flow is known."""

    def make(table: PacketTable, field: Field) -> Column:
        found = blocks(table)
        values, _ = bits(table, found, Place(offset, 32, False))
        rows = found[:, ROW]
        if table.has("tcp.ack"):
            sent = table.own("tcp.ack_raw").values.astype(np.int64)[rows]
            values = values - sent + table.column("tcp.ack").take(rows).values
        return ragged(field, (values & 0xFFFFFFFF).astype(np.uint32), rows, table.rows)

    return make


def multiplier(table: PacketTable, field: Field) -> Column:
    """What the window scale option multiplies by (RFC 7323 2.2: shifts above 14 count as 14)."""
    values, rows = table.own("tcp.options.wscale.shift").flat()
    return ragged(field, (1 << np.minimum(values.astype(np.int64), 14)).astype(np.uint16), rows, table.rows)


def sack_count(table: PacketTable, field: Field) -> Column:
    """Number of whole blocks of every SACK option."""
    found = tcp_options(table)
    found = found[found[:, KIND] == SACK]
    return ragged(field, ((found[:, LENGTH] - 2) // 8).astype(np.uint8), found[:, ROW], table.rows)


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
    """The bytes above a transport header, where there are any: to the end of IP's, as in Wireshark, also behind UDP's length."""

    def make(table: PacketTable, field: Field) -> Column:
        structure = table.structure
        has = structure.cell(Cell.PAYLOAD_STOP) > structure.cell(Cell.PAYLOAD_START)
        stops = np.where(has, structure.cell(Cell.STOP), structure.cell(Cell.PAYLOAD_START))
        spans = np.stack((structure.cell(Cell.PAYLOAD_START), stops), axis=1).astype(np.int64)
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
        tcp.flags.res         bool  @100:3            any of the reserved bits
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
    made("tcp.options", "bytes", "the options as bytes", option_bytes),
    *listed(tcp_options, OPTION_FIELDS, {"tcp.option_kind": TCP_OPTIONS}),
    made("tcp.options.wscale.multiplier", "uint", "what the window is multiplied by", multiplier),
    made("tcp.options.sack.count", "uint", "number of SACK blocks", sack_count),
    made("tcp.options.sack_le", "uint", "left edges of SACK blocks, relative", edge(sack_blocks, 0)),
    made("tcp.options.sack_re", "uint", "right edges of SACK blocks, relative", edge(sack_blocks, 32)),
    made("tcp.options.sack.dsack_le", "uint", "left edge of a block received twice", edge(is_duplicate, 0)),
    made("tcp.options.sack.dsack_re", "uint", "right edge of a block received twice", edge(is_duplicate, 32)),
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
