"""Fields of redundant networks (IEC 62439-3): HSR tags, PRP trailers, and the frames with which both supervise their nodes.

Wireshark shows PRP's trailer where it is told to (`--enable-protocol prp`); its first version, without a suffix, is not known here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.packets.header import header, made, presence
from detector.packets.items import KIND, LENGTH, ROW, START, Found, Shape, among, bits, kept, listed, spans_of, walked
from detector.packets.load import Place
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

SUPERVISION = 0x88FB
END, RED_BOX, VIRTUAL_NODE = 0, 30, 31
LISTS = Shape(added=2, ends=1)
LANS = {10: "LAN A", 11: "LAN B"}
LANES = {0: "Lane A", 1: "Lane B"}
TYPES = {
    20: "PRP Node (Duplicate Discard)", 21: "PRP Node (Duplicate Accept)", 23: "HSR Node", RED_BOX: "Redundancy Box MAC Address",
    VIRTUAL_NODE: "Virtual Dual Attached Node", END: "End of TLVs",
}  # fmt: skip
NAME = "hsr_prp_supervision"


def supervision_frames(table: PacketTable) -> Found:
    """Supervision frames above their EtherType; the kind is their version."""
    structure = table.structure
    rows = np.flatnonzero((structure.cell(Cell.ETHERTYPE) == SUPERVISION) & ~structure.is_quoted)
    found = spans_of(rows, rows, structure.cell(Cell.PAYLOAD_START)[rows], structure.cell(Cell.PAYLOAD_STOP)[rows])
    found[:, KIND], has = bits(table, found, Place(4, 12, False))
    return found[has]


def supervision_items(table: PacketTable) -> Found:
    """What a supervision frame says, one TLV each. Before its version 1 nothing follows on a box or a virtual node."""
    lists = frames(table).copy()
    size = np.where(lists[:, KIND] > 0, 4, 2)
    lists[:, START] += size
    lists[:, LENGTH] = np.maximum(0, lists[:, LENGTH] - size)
    found = walked(table, lists, LISTS)
    old = lists[lists[:, KIND] == 0, ROW]
    ends = found[
        np.isin(found[:, KIND], (RED_BOX, VIRTUAL_NODE)) & (found[:, LENGTH] == 8) & np.isin(found[:, ROW], old)
    ]
    last = np.full(table.rows, np.iinfo(np.int64).max)
    np.minimum.at(last, ends[:, ROW], ends[:, START])
    return among(found, found[:, START] <= last[found[:, ROW]])


frames = kept("supervision frames", supervision_frames)
items = kept("supervision items", supervision_items)


def supervision_stops(table: PacketTable) -> NDArray[np.int64]:
    """Where what a supervision frame says ends, int64[rows]; -1 for other rows."""
    stops, begun, said = np.full(table.rows, -1), frames(table), items(table)
    stops[begun[:, ROW]] = begun[:, START] + np.where(begun[:, KIND] > 0, 4, 2)
    np.maximum.at(stops, said[:, ROW], said[:, START] + said[:, LENGTH])
    return stops


def version_of_trailer(table: PacketTable, field: Field) -> Column:
    """The version of PRP whose trailer has a suffix."""
    present = table.structure.layer(Layer.PRP) >= 0
    return Column(field, np.ones(table.rows, np.uint8), present)


FIELDS = (
    made("hsr", "protocol", "the packet has a tag of High-availability Seamless Redundancy", presence(Layer.HSR)),
    *header(Layer.HSR, """
        hsr.path         uint  @0:4   ring and way of the first HSR tag
        hsr.netid        uint  @0:3   ring
        hsr.laneid       uint  @3:1   way round the ring
        hsr.lsdu_size    uint  @4:12  octets from the tag on
        hsr.sequence_nr  uint  @16:16 number of the frame of its sender
        hsr.type         uintx @32:16 EtherType behind the tag
    """, {"hsr.laneid": LANES}),
    made("prp", "protocol", "the frame has a trailer of the Parallel Redundancy Protocol", presence(Layer.PRP)),
    *header(Layer.PRP, """
        prp.trailer.prp_sequence_nr uint  @0:16  number of the frame of its sender
        prp.trailer.prp_lan         uint  @16:4  LAN that it came over: 10 or 11
        prp.trailer.prp_size        uint  @20:12 octets behind the EtherType, trailer included
        prp.trailer.prp1_suffix     uintx @32:16 suffix, 0x88fb
    """, {"prp.trailer.prp_lan": LANS}),
    made("prp.trailer.version", "label", "version of the protocol", version_of_trailer, labels={1: "PRP-1"}),
    *listed(frames, f"""
        {NAME}.path              uint @0:4   * ring of an HSR supervision frame
        {NAME}.version           uint @4:12  * version of the supervision protocol
        {NAME}.supervision_seqno uint @16:16 * if 4:12>=1 number of the supervision frame
    """),
    *listed(items, f"""
        {NAME}.tlv.type             uint  @0:8   * what is said
        {NAME}.tlv.length           uint  @8:8   * octets of it
        {NAME}.source_mac_address_A ether @16:48 20,21,23 if 8:8=12 address in LAN A
        {NAME}.source_mac_address_B ether @64:48 20,21,23 if 8:8=12 address in LAN B
        {NAME}.source_mac_address   ether @16:48 20,21,23 if 8:8=6 address of the node
        {NAME}.red_box_mac_address  ether @16:48 30 if 8:8=6 address of the redundancy box
        {NAME}.vdan_mac_address     ether @16:48 31 if 8:8=6 address of a node behind the box
    """, {f"{NAME}.tlv.type": TYPES}),
)  # fmt: skip
