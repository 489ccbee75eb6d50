"""Windows of streams: against the bytes that were sent, put together slowly, whatever the size of a batch."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pytest

from detector.flows.columns import WINDOW_BYTES, Chunk, Window
from detector.flows.streams import StreamSettings, StreamTable
from detector.flows.table import FlowSettings, FlowTable
from detector.flows.windows import WindowTable
from detector.packets.decode import PacketDecoder
from tests.flows.frames import ACK, CLIENT, FIN, SECOND, SERVER, SYN, batches, tcp, udp

pytestmark = pytest.mark.kernel


class Seen(NamedTuple):
    """A window: packet, what its chunk said, the bytes before it and its own."""

    row: int
    flow: int
    stream: int
    is_start: bool  # first of its stream, or behind a gap
    position: int
    tail: bytes
    chunk: bytes


def windows_of(frames: Sequence[bytes], size: int = 1000, memory: int = 2**22, slots: int = 256,
               saves: bool = False) -> tuple[list[Seen], WindowTable]:  # fmt: skip
    decoder, flows = PacketDecoder(), FlowTable(FlowSettings(flows=slots))
    streams = StreamTable(StreamSettings(memory_bytes=64 * 65536), flows.slots)
    table = WindowTable(memory, flows.slots)
    found, rows = [], 0
    for batch in batches(frames, [SECOND + n for n in range(len(frames))], size):
        packets = decoder.decode(batch)
        columns = flows.follow(packets)
        chunks = streams.follow(packets, columns)
        if saves:
            again = WindowTable(memory, flows.slots)
            again.restore(table.state())
            table = again
        windows = table.follow(packets, chunks)
        starts = [c[Chunk.IS_FIRST] + c[Chunk.IS_GAP] > 0 for c in chunks.cells.tolist() if not c[Chunk.IS_DATAGRAM]]
        chosen = np.repeat(np.arange(len(windows.cells)), 2)  # each twice, which must not copy it twice
        spans = table.copy(batch, windows, chosen)
        assert (spans[::2] == spans[1::2]).all()
        for window, (cells, (start, stop)) in enumerate(zip(windows.cells.tolist(), spans[::2].tolist(), strict=True)):
            whole, tail, row = batch.buffer[start:stop].tobytes(), cells[Window.TAIL], cells[Window.ROW]
            assert whole[tail:] == batch.buffer[cells[Window.START] : cells[Window.STOP]].tobytes()
            found.append(Seen(rows + row, int(columns.flow[row]), cells[Window.STREAM], starts[window], cells[Window.POSITION],
                              whole[:tail], whole[tail:]))  # fmt: skip
        table.remember(batch, windows)
        rows += packets.rows
    return found, table


def check(found: Sequence[Seen]) -> None:
    """Each window's tail is the end of what came before in its stream since its last start, at most 4096 bytes of it."""
    before: dict[tuple[int, int], bytes] = {}
    for one in found:
        key = (one.flow, one.stream)
        known = b"" if one.is_start else before[key]
        assert one.tail == known[-WINDOW_BYTES:]
        before[key] = (known + one.chunk)[-2 * WINDOW_BYTES :]


def conversation(seed: int) -> list[bytes]:
    """Segments of a few connections that begin, end and begin anew: of any size, swapped, repeated, lost."""
    chance = random.Random(seed)
    frames = []
    ends = [(f"10.0.0.{n}", 40000 + n) for n in range(6)]
    following = {end: [chance.randrange(2**32), chance.randrange(2**32)] for end in ends}
    for _ in range(250):
        end = chance.choice(ends)
        if chance.random() < 0.03:
            following[end] = [chance.randrange(2**32), chance.randrange(2**32)]
            frames.append(tcp(end, SERVER, SYN, following[end][0] - 1))
        side = chance.randrange(2)
        pair = (end, SERVER) if side == 0 else (SERVER, end)
        payload = bytes(chance.randrange(256) for _ in range(chance.choice((1, 3, 20, 300, 1400, 5000))))
        frame = tcp(*pair, ACK, following[end][side], following[end][1 - side], payload)
        following[end][side] += len(payload)
        if chance.random() < 0.95:
            frames += [frame] * chance.choice((1, 1, 1, 2))
    for _ in range(40):
        a = chance.randrange(len(frames) - 4)
        b = a + chance.randrange(1, 4)
        frames[a], frames[b] = frames[b], frames[a]
    return frames


@pytest.mark.parametrize("seed", range(6))
def test_windows_are_the_stream_before_the_chunk_whatever_the_batch(seed: int) -> None:
    """Without this a pattern over a seam is found or not as batches fall."""
    frames = conversation(seed)
    runs = [windows_of(frames, size)[0] for size in (1, 7, 100, 1000)]
    check(runs[0])
    assert any(len(one.tail) == WINDOW_BYTES for one in runs[0])
    assert any(one.is_start and one.position for one in runs[0]), "no gap was made"
    assert runs[0] == runs[1] == runs[2] == runs[3]


def test_positions_count_what_is_missing() -> None:
    """Seven bytes never came: 2 + 7 = 9."""
    frames = [tcp(CLIENT, SERVER, SYN, 2**32 - 5), tcp(CLIENT, SERVER, ACK, 2**32 - 4, 1, b"ab"),
              tcp(SERVER, CLIENT, ACK, 1, 10), tcp(CLIENT, SERVER, ACK, 5, 1, b"cd"),
              tcp(CLIENT, SERVER, ACK | FIN, 7, 1, b"e")]  # fmt: skip
    found, _ = windows_of(frames)
    assert [(one.position, one.tail, one.chunk) for one in found] == [
        (0, b"", b"ab"),
        (9, b"", b"cd"),
        (11, b"cd", b"e"),
    ]
    late, _ = windows_of([tcp(CLIENT, SERVER, ACK, 5, 1, b"ab"), tcp(CLIENT, SERVER, ACK, 7, 1, b"cd")])
    assert [(one.position, one.tail) for one in late] == [(0, b""), (2, b"ab")]


def test_one_byte_segments_over_many_batches() -> None:
    """Tails grow byte by byte, and go round their ring."""
    text = bytes(random.Random(1).randrange(256) for _ in range(5000))
    found, _ = windows_of([tcp(CLIENT, SERVER, ACK, 9 + n, 1, text[n : n + 1]) for n in range(5000)], size=1700)
    assert [one.tail for one in found[4990:]] == [text[n - 4096 : n] for n in range(4990, 5000)]


def test_datagrams_have_no_windows() -> None:
    assert windows_of([udp(("10.0.0.1", 999), ("10.0.0.2", 53), b"abc")])[0] == []


@pytest.mark.parametrize("seed", range(3))
def test_memory_is_bounded_and_eviction_is_counted_alike(seed: int) -> None:
    """One tail a shard: streams push each other out in packet order. What is known is a part of the stream's end."""
    chance = random.Random(seed)
    ends = [(f"10.0.{n}.1", 1000 + n) for n in range(100)]
    sent = dict.fromkeys(ends, b"")
    frames, payloads = [], []
    for _ in range(700):
        end = chance.choice(ends)
        payload = bytes(chance.randrange(256) for _ in range(chance.randrange(1, 50)))
        frames.append(tcp(end, SERVER, ACK, 1 + len(sent[end]), 1, payload))
        sent[end] += payload
        payloads.append((sent[end], len(payload)))
    runs = [windows_of(frames, size, memory=1) for size in (1, 7, 1000)]
    for one, (text, length) in zip(runs[0][0], payloads, strict=True):
        assert (one.tail + one.chunk)[-length:] == text[-length:]
        assert text.endswith(one.tail + one.chunk)
    assert 0 < runs[0][1].evicted < 700
    assert any(one.tail for one in runs[0][0])
    assert runs[0][0] == runs[1][0] == runs[2][0]
    assert runs[0][1].evicted == runs[1][1].evicted == runs[2][1].evicted


def test_goes_on_from_a_saved_state() -> None:
    """After a restart of the daemon a pattern whose beginning was seen before is still found."""
    frames = conversation(9)
    assert windows_of(frames, 20, saves=True)[0] == windows_of(frames, 20)[0]


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_bytes_that_come_again_otherwise_are_marked(size: int) -> None:
    """An insertion attack where nothing waited: what was passed on is compared as far back as it is known."""
    frames = [tcp(CLIENT, SERVER, ACK, 1, 1, b"abcd"), tcp(CLIENT, SERVER, ACK, 5, 1, b"efgh"), tcp(CLIENT, SERVER, ACK, 3, 1, b"cdef"),
              tcp(CLIENT, SERVER, ACK, 3, 1, b"cdeF"), tcp(CLIENT, SERVER, ACK, 1, 1, b"Abcdefghij"),
              tcp(CLIENT, SERVER, ACK, 10, 1, b"\0")]  # fmt: skip
    _, table = windows_of(frames, size)
    assert table.anomalies == {"stream.overlap_different_data": 2}
