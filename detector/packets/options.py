"""Lists of options: every option of every row, found by one walk, as columns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.columns import Column, Field
from detector.packets.header import Make, ragged
from detector.packets.load import Place, kernels, load
from detector.packets.rows import Cell, Layer
from detector.packets.table import PacketTable

Found = NDArray[np.int64]  # [options, 4]: row, kind, start, length
Walk = Callable[[PacketTable], Found]


def walk(table: PacketTable, key: str, kernel: Callable[..., int], *arrays: NDArray[Any]) -> Found:
    """All options of a table, found once and kept with it."""
    found: Found | None = table.kept.get(key)
    if found is None:
        found = np.zeros((256, 4), np.int64)
        while (count := kernel(table.batch.buffer, *arrays, found)) > len(found):  # per growth
            found = np.zeros((count, 4), np.int64)
        found = table.kept[key] = found[:count]
    return found


def tcp_options(table: PacketTable) -> Found:
    """Options of TCP headers."""
    structure = table.structure
    starts = np.where(structure.layer(Layer.TCP) >= 0, structure.layer(Layer.TCP) + 20, -1).astype(np.int32)
    offsets = table.own("tcp.hdr_len")
    assert offsets.present is not None
    stops = np.where(
        offsets.present,
        np.minimum(structure.layer(Layer.TCP) + offsets.values.astype(np.int32), structure.cell(Cell.STOP)),
        0,
    )
    return walk(table, "tcp", kernels.walk_options, starts, stops.astype(np.int32))


def ip_options(table: PacketTable) -> Found:
    """Options of IPv4 headers."""
    structure = table.structure
    starts = np.where(structure.layer(Layer.IP) >= 0, structure.layer(Layer.IP) + 20, -1).astype(np.int32)
    offsets = table.own("ip.hdr_len")
    assert offsets.present is not None
    stops = np.where(
        offsets.present,
        np.minimum(structure.layer(Layer.IP) + offsets.values.astype(np.int32), structure.cell(Cell.STOP)),
        0,
    )
    return walk(table, "ip", kernels.walk_options, starts, stops.astype(np.int32))


def extensions(table: PacketTable) -> Found:
    """Extension headers of IPv6."""
    structure = table.structure
    starts = np.ascontiguousarray(structure.layer(Layer.IPV6_EXT))
    return walk(
        table,
        "ipv6",
        kernels.walk_extensions,
        starts,
        structure.cell(Cell.STOP),
        np.ascontiguousarray(structure.layer(Layer.IPV6)),
    )


def kinds(options: Walk) -> Make:
    """The kind of every option."""

    def make(table: PacketTable, field: Field) -> Column:
        found = options(table)
        return ragged(field, found[:, 1].astype(np.uint8), found[:, 0], table.rows)

    return make


def lengths(options: Walk) -> Make:
    """The length of every option that has one."""

    def make(table: PacketTable, field: Field) -> Column:
        found = options(table)
        found = found[found[:, 1] > 1]
        return ragged(field, found[:, 3].astype(np.uint8), found[:, 0], table.rows)

    return make


def inside(options: Walk, kind: int, offset: int, width: int, least: int, repeat: int = 0) -> Make:
    """Some bits of every option of a kind that is `least` bytes long; again every `repeat` bytes where that is given."""

    def make(table: PacketTable, field: Field) -> Column:
        found = options(table)
        found = found[(found[:, 1] == kind) & (found[:, 3] >= least)]
        starts, rows = found[:, 2], found[:, 0]
        if repeat:
            counts = (found[:, 3] - least) // repeat + 1
            starts = np.repeat(starts, counts) + repeat * (
                np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
            )
            rows = np.repeat(rows, counts)
        column = load(
            field,
            Place(offset, width, False),
            table.batch.buffer,
            starts.astype(np.int32),
            table.structure.cell(Cell.STOP)[rows],
        )
        return ragged(field, column.values, rows, table.rows)

    return make
