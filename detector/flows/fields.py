"""Fields of flows, as they stand at a packet row; and TCP's numbers that need the flow. Each with how its column is made."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.flows.columns import Cell, Direction, FlowColumns, FlowState, Peer
from detector.packets.rows import Cell as RowCell
from detector.packets.rows import Layer
from detector.packets.table import PacketTable

Make = Callable[[Field, FlowColumns, PacketTable], Column]

DIRECTIONS = {member.value: member.name.lower() for member in Direction}
STATES = {member.value: member.name.lower() for member in FlowState}
SYN, SYN_OR_FIN = 2, 3


def of_flow(cell: Cell, offset: int = 0) -> Make:
    """A column of FlowColumns as it is; rows without a flow have no value."""

    def make(field: Field, flows: FlowColumns, packets: PacketTable) -> Column:
        values = flows.cells[:, cell + offset]
        return Column(field, values != 0 if field.kind == "bool" else values, flows.flow >= 0)

    return make


def age(field: Field, flows: FlowColumns, packets: PacketTable) -> Column:
    """From the clock at the flow's first row to the clock at this one."""
    return Column(field, flows.cells[:, Cell.CLOCK] - flows.cells[:, Cell.BEGAN], flows.flow >= 0)


def of_peer(cell: Cell, side: int) -> Make:
    """A count by the direction that Suricata gives the flow (columns.Peer), 0 to the server, 1 to the client."""

    def make(field: Field, flows: FlowColumns, packets: PacketTable) -> Column:
        ours = (side + flows.cells[:, Cell.PEER] + flows.cells[:, Cell.DIRECTION]) & Peer.TO_CLIENT
        return Column(field, np.where(ours, flows.cells[:, cell + 1], flows.cells[:, cell]), flows.flow >= 0)

    return make


def is_followed(packets: PacketTable, flows: FlowColumns) -> NDArray[np.bool_]:
    """bool[rows]: TCP rows whose relative numbers are known."""
    known: NDArray[np.bool_] = (
        (flows.flow >= 0) & (packets.structure.layer(Layer.TCP) >= 0) & (flows.cells[:, Cell.RELATIVE_SEQ] >= 0)
    )
    return known


def has_whole_header(packets: PacketTable) -> NDArray[np.bool_]:
    """bool[rows]: TCP rows whose header is not shorter than it can be."""
    present = packets.own("tcp.flags").present
    assert present is not None
    return present


def of_tcp(cell: Cell) -> Make:
    """A relative number of TCP."""

    def make(field: Field, flows: FlowColumns, packets: PacketTable) -> Column:
        present = is_followed(packets, flows)
        if cell == Cell.RELATIVE_ACK:
            present &= has_whole_header(packets)
        return Column(field, flows.cells[:, cell], present)

    return make


def next_sequence(field: Field, flows: FlowColumns, packets: PacketTable) -> Column:
    """The sequence number, the payload's length, and one for a SYN or FIN."""
    structure, length = packets.structure, packets.own("tcp.len").values.astype(np.int64)
    behind = flows.cells[:, Cell.RELATIVE_SEQ] + length + ((structure.cell(RowCell.TCP_FLAGS) & SYN_OR_FIN) > 0)
    return Column(field, behind & 0xFFFFFFFF, is_followed(packets, flows) & has_whole_header(packets))


def scale_factor(flows: FlowColumns) -> NDArray[np.int64]:
    """int64[rows]: what the window is multiplied by, -1 unknown, -2 no scaling."""
    scale = flows.cells[:, Cell.WINDOW_SCALE]
    return np.where(scale >= 0, 1 << np.maximum(scale, 0), scale)


def window(packets: PacketTable, flows: FlowColumns) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """(the window as sent, where there is one, where the row is a SYN, whose window is never scaled)."""
    sent = packets.own("tcp.window_size_value")
    present = is_followed(packets, flows)
    if sent.present is not None:
        present &= sent.present
    return sent.values.astype(np.int64), present, (packets.structure.cell(RowCell.TCP_FLAGS) & SYN) > 0


def scaled_window(field: Field, flows: FlowColumns, packets: PacketTable) -> Column:
    """RFC 7323 2.2."""
    sent, present, is_syn = window(packets, flows)
    factor = scale_factor(flows)
    return Column(field, sent * np.where((factor > 0) & ~is_syn, factor, 1), present)


def window_factor(field: Field, flows: FlowColumns, packets: PacketTable) -> Column:
    """As Wireshark shows it, on every segment but a SYN."""
    _, present, is_syn = window(packets, flows)
    return Column(field, scale_factor(flows), present & ~is_syn)


FLOW_COLUMNS: tuple[tuple[Field, Make], ...] = (
    (Field("flow.id", "uint", "number of the flow in this run; not in the order in which flows began"), of_flow(Cell.FLOW)),
    (Field("flow.direction", "label", "which way the packet goes: by handshake, else by service port, else by first packet",
           labels=DIRECTIONS), of_flow(Cell.DIRECTION)),
    (Field("flow.state", "label", "state of the flow after this packet", labels=STATES), of_flow(Cell.FLOW_STATE)),
    (Field("flow.is_new", "bool", "first packet of its flow"), of_flow(Cell.IS_NEW)),
    (Field("flow.age", "duration", "since the flow's first packet", unit="s"), age),
    (Field("flow.peer_age", "uint", "whole seconds since the flow began as Suricata counts: idle, it ends sooner", unit="s"),
     of_flow(Cell.PEER_AGE)),
    (Field("flow.packets_to_server", "uint", "packets to the server so far, this one included"), of_flow(Cell.PACKETS_SO_FAR)),
    (Field("flow.packets_to_client", "uint", "packets to the client so far, this one included"), of_flow(Cell.PACKETS_SO_FAR, 1)),
    (Field("flow.bytes_to_server", "uint", "bytes on the wire to the server so far", unit="B"), of_flow(Cell.BYTES_SO_FAR)),
    (Field("flow.bytes_to_client", "uint", "bytes on the wire to the client so far", unit="B"), of_flow(Cell.BYTES_SO_FAR, 1)),
    (Field("flow.packets_from_client", "uint", "packets so far of the side that Suricata takes for the client"), of_peer(Cell.PACKETS_SO_FAR, 0)),
    (Field("flow.packets_from_server", "uint", "packets so far of the side that Suricata takes for the server"), of_peer(Cell.PACKETS_SO_FAR, 1)),
    (Field("flow.bytes_from_client", "uint", "as flow.packets_from_client, bytes on the wire", unit="B"), of_peer(Cell.BYTES_SO_FAR, 0)),
    (Field("flow.bytes_from_server", "uint", "as flow.packets_from_server, bytes on the wire", unit="B"), of_peer(Cell.BYTES_SO_FAR, 1)),
    (Field("tcp.seq", "uint", "sequence number, relative to the first of its direction"), of_tcp(Cell.RELATIVE_SEQ)),
    (Field("tcp.ack", "uint", "acknowledgement number, relative to the first of the other direction"), of_tcp(Cell.RELATIVE_ACK)),
    (Field("tcp.nxtseq", "uint", "relative sequence number behind this segment"), next_sequence),
    (Field("tcp.window_size", "uint", "window with the scale that the handshake agreed on", unit="B"), scaled_window),
    (Field("tcp.window_size_scalefactor", "int", "what the window is multiplied by; -1 handshake not seen, -2 no scaling"),
     window_factor),
)  # fmt: skip
FLOW_FIELDS = tuple(field for field, _ in FLOW_COLUMNS)
