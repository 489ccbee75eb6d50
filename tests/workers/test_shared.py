"""A batch read from a slot is the batch that was written, for each worker with room of its own behind it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from detector.capture import open_source
from detector.capture.batch import Batch, batch_of
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from detector.packets.table import PacketTable
from detector.protocols.fields import FIELDS, table_of
from detector.workers.shared import Slot, make_slot, packets_of, read_part, write_batch
from detector.workers.worker import shards_of
from tests.flows.frames import SYN, ip, tcp
from tests.runs import SCENARIOS

EVERY = np.ones(64, np.bool_)


@pytest.fixture
def slot() -> Iterator[Slot]:
    made = make_slot()
    yield made
    made.close()


def decoded(batch: Batch) -> tuple[PacketTable, np.ndarray]:
    packets = PacketDecoder().decode(batch)
    return packets, FlowTable(FlowSettings(flows=256)).shards_of(packets)


def test_every_column_of_packets_survives(slot: Slot) -> None:
    batch = next(open_source([str(SCENARIOS / "mixed-day" / "capture.pcap")], batch_packets=300).batches())
    batch.comments[7] = ["a comment"]
    batch.notes = np.array([[3, 2, 9]])
    packets, shards = decoded(batch)
    other = Slot(os.dup(slot.descriptor))
    part = read_part(other, write_batch(slot, 0, packets, shards, 2), 0, EVERY)
    other.close()
    assert part.owned.all() and part.places.tolist() == list(range(packets.rows))
    for name in FIELDS:
        if (
            table_of(name) == "packet"
            and name not in {"tcp.seq", "tcp.ack", "tcp.nxtseq", "tcp.window_size", "tcp.window_size_scalefactor"}
            and not name.startswith(("flow.", "stream.", "zone."))
        ):
            ours, theirs = part.packets.column(name), packets.column(name)
            for row in range(packets.rows):
                assert ours.at(row) == theirs.at(row), name


def test_workers_rooms_do_not_touch_each_other_nor_the_batch(slot: Slot) -> None:
    packets, shards = decoded(batch_of([tcp(("10.0.0.1", 1), ("10.0.0.2", 2), SYN)] * 5, range(5)))
    layout = write_batch(slot, 0, packets, shards, 3)
    parts = [read_part(slot, layout, number, EVERY).packets.batch for number in range(3)]
    before = parts[0].buffer[: layout.used].tobytes()
    for number, batch in enumerate(parts):
        batch.buffer[batch.used :] = number + 1
    for number, batch in enumerate(parts):
        assert (batch.buffer[batch.used :] == number + 1).all() and len(batch.buffer) - batch.used == 2**20
    assert parts[2].buffer[: layout.used].tobytes() == before
    parts[0].reserve(2**21)
    assert parts[0].buffer[: layout.used].tobytes() == before, "more than the room is the worker's alone"


def test_a_part_has_all_rows_of_its_packets_and_judges_its_own(slot: Slot) -> None:
    """A tunnel's outer row says how deep the inner one is; both workers have both."""
    inner = [tcp((f"192.168.0.{n}", 40000), ("192.168.1.1", 80), SYN)[14:] for n in range(50)]
    packets, shards = decoded(batch_of([ip("10.0.0.1", "10.0.0.2", 4, data) for data in inner], range(50)))
    layout = write_batch(slot, 0, packets, shards, 2)
    parts = [read_part(slot, layout, number, shards_of(number, 2)) for number in range(2)]
    assert sum(int(part.owned.sum()) for part in parts) == packets.rows
    for number, part in enumerate(parts):
        structure = part.packets.structure
        assert (structure.outer[1::2] == np.arange(0, len(part.owned), 2)).all()
        assert (structure.packet == packets.structure.packet[part.places]).all()
        assert len(set(structure.packet.tolist())) == packets_of(slot, layout, shards_of(number, 2))


def test_a_worker_marks_rows_of_its_own_copy(slot: Slot) -> None:
    packets, shards = decoded(batch_of([tcp(("10.0.0.1", 1), ("10.0.0.2", 2), SYN)] * 5, range(5)))
    layout = write_batch(slot, 0, packets, shards, 1)
    read_part(slot, layout, 0, EVERY).packets.structure.words[:] = 0
    assert read_part(slot, layout, 0, EVERY).packets.structure.words.any()
