"""Decoded batches in memory that the coordinator and its workers share.

A slot is an anonymous file in memory, which is handed from process to process and has no name: it is gone with the last
process that holds it, however that ends. A batch's arrays lie in it one after the other, the bytes of its packets last;
behind them each worker has room of its own, into which its stages put what they make contiguous.
"""

from __future__ import annotations

import mmap
import os
import pickle
import tempfile
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.capture.batch import Batch
from detector.packets.decode import without
from detector.packets.fields import BY_NAME, SPANS
from detector.packets.rows import Cell, PacketRows
from detector.packets.table import PacketTable

ALIGNED = 64
ROOM = 2**20  # bytes of each worker's own; a worker that needs more copies its batch
GROWTH = 2**22

Array = NDArray[Any]


class Place(NamedTuple):
    """An array in a slot."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


class Layout(NamedTuple):
    """Where a batch lies: its slot, the slot's size, each array, the first byte of its packets and how many there are."""

    slot: int
    size: int
    places: dict[str, Place]
    start: int
    used: int


class Slot:
    """One slot, in any process that has its descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory: Array = np.zeros(0, np.uint8)

    def grow(self, size: int) -> None:
        """Makes the slot at least so large; only the coordinator does."""
        if size > len(self._memory):
            os.ftruncate(self.descriptor, -(-size // GROWTH) * GROWTH)

    def memory(self, size: int) -> Array:
        """The slot's bytes, at least `size`. What was mapped before stays valid as long as somebody looks at it."""
        if size > len(self._memory):
            mapped = mmap.mmap(self.descriptor, os.fstat(self.descriptor).st_size)
            self._memory = np.frombuffer(mapped, np.uint8)
        return self._memory

    def array(self, layout: Layout, name: str) -> Array:
        """An array of the batch."""
        dtype, shape, offset = layout.places[name]
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        return self.memory(layout.size)[offset : offset + size].view(dtype).reshape(shape)

    def close(self) -> None:
        """Gives the descriptor back; the memory goes with its last user."""
        os.close(self.descriptor)


def make_slot() -> Slot:
    """An empty slot."""
    if hasattr(os, "memfd_create"):
        return Slot(os.memfd_create("detector-batches", os.MFD_CLOEXEC))
    with tempfile.TemporaryFile() as file:
        return Slot(os.dup(file.fileno()))


def write_batch(slot: Slot, number: int, packets: PacketTable, shards: NDArray[np.uint8], workers: int) -> Layout:
    """Puts a decoded batch into a slot for so many workers. shards: uint8[rows], the shard of each row's flow."""
    batch = packets.batch
    rest = (batch.paths, batch.comments, batch.described)
    arrays: dict[str, Array] = {
        "cells": packets.structure.cells[:, : packets.rows],
        "words": packets.structure.words,
        "clock": packets.clock,
        "deltas": packets.times[0],
        "since": packets.times[1],
        "seen": packets.seen,
        "shards": shards,
        **{name: getattr(batch, name) for name in COLUMNS},
        "rest": np.frombuffer(pickle.dumps(rest), np.uint8),
    }
    if batch.origins is not None:
        arrays["origins"] = batch.origins
    places, offset = {}, 0
    for name, array in arrays.items():  # per array
        places[name] = Place(array.dtype.str, array.shape, offset)
        offset += -(-array.nbytes // ALIGNED) * ALIGNED
    layout = Layout(number, offset + batch.used + workers * ROOM, places, offset, batch.used)
    slot.grow(layout.size)
    for name, array in arrays.items():  # per array
        slot.array(layout, name)[...] = array
    slot.memory(layout.size)[offset : offset + batch.used] = batch.buffer[: batch.used]
    return layout


COLUMNS = ("starts", "stops", "wire_lengths", "times", "link_types", "numbers", "files", "interfaces", "notes")


class Part(NamedTuple):
    """One worker's part of a batch: its packet table, which rows of that it judges, where they stand in the batch."""

    packets: PacketTable
    owned: NDArray[np.bool_]
    places: NDArray[np.int64]


def owned_rows(slot: Slot, layout: Layout, shards: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[rows], those whose flow lies in some shards."""
    owned: NDArray[np.bool_] = shards[slot.array(layout, "shards")]
    return owned


def read_part(slot: Slot, layout: Layout, worker: int, shards: NDArray[np.bool_]) -> Part:
    """The part of a worker: all rows of each packet of which it has one, copied, since its stages mark rows."""
    columns = {name: slot.array(layout, name) for name in COLUMNS}
    paths, comments, described = pickle.loads(slot.array(layout, "rest").tobytes())
    buffer = slot.memory(layout.size)[layout.start : layout.start + layout.used + (worker + 1) * ROOM]
    origins = slot.array(layout, "origins") if "origins" in layout.places else None
    batch = Batch(
        buffer, layout.used + worker * ROOM, **columns, paths=paths, comments=comments, origins=origins, described=described
    )  # fmt: skip
    rows = PacketRows(slot.array(layout, "cells"), slot.array(layout, "words"))
    owned = owned_rows(slot, layout, shards)
    is_packet_mine = np.zeros(len(batch), np.bool_)
    is_packet_mine[rows.packet[owned]] = True
    kept = is_packet_mine[rows.packet]
    times = (slot.array(layout, "deltas"), slot.array(layout, "since"))
    clock = slot.array(layout, "clock")
    packets = PacketTable(
        batch, without(rows, kept), clock[kept], times, BY_NAME, SPANS, slot.array(layout, "seen"),
        int(clock[-1]) if len(clock) else 0,
    )  # fmt: skip
    return Part(packets, owned[kept], np.flatnonzero(kept))


def packets_of(slot: Slot, layout: Layout, shards: NDArray[np.bool_]) -> int:
    """How many packets have a row whose flow lies in some shards."""
    packets = slot.array(layout, "cells")[Cell.PACKET][owned_rows(slot, layout, shards)]
    return len(np.unique(packets))
