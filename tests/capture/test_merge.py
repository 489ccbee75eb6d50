"""Several captures as one: time order, a capture's own order, ties, empty ones, comments, interfaces, and any batch size."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest

from detector.capture import open_source
from tests.pcapng import blocks, interface, packet, section
from tests.runs import pcap_bytes

SECOND = 10**9
Seen = tuple[str, int, float]  # file's name, number, seconds


def capture(path: Path, times: Sequence[float]) -> Path:
    """A capture whose packets come at these seconds; each says in its bytes whose it is."""
    frames = [
        (int(time * SECOND), path.name[:1].encode() * 20 + bytes([number % 256])) for number, time in enumerate(times)
    ]
    path.write_bytes(pcap_bytes(frames))
    return path


def merged(*paths: Path, batch_packets: int = 1000) -> list[Seen]:
    """What the captures are together; every packet's bytes are its own."""
    found = []
    for batch in open_source([str(path) for path in paths], batch_packets=batch_packets).batches():
        assert 0 < len(batch) <= batch_packets
        for row in range(len(batch)):
            name, number = Path(batch.paths[batch.files[row]]).name, int(batch.numbers[row])
            data = batch.buffer[batch.starts[row] : batch.stops[row]].tobytes()
            assert data == name[:1].encode() * 20 + bytes([(number - 1) % 256])
            found.append((name, number, int(batch.times[row]) / SECOND))
    return found


def test_time_order_whatever_the_batch_size(tmp_path: Path) -> None:
    """Against sorting everything: three captures in order, hundreds of packets, from batches of one to one batch."""
    chosen = random.Random(7)
    paths = [capture(tmp_path / f"{name}.pcap", sorted(chosen.randrange(500) for _ in range(count))) for name, count in
             (("a", 300), ("b", 1), ("c", 77))]  # fmt: skip
    whole = merged(*paths)
    assert len(whole) == 378
    assert [(time, name) for name, _, time in whole] == sorted((time, name) for name, _, time in whole)
    for size in (1, 2, 7, 100):
        assert merged(*paths, batch_packets=size) == whole


def test_a_captures_own_order_is_kept_and_late_packets_hold_nobody_up(tmp_path: Path) -> None:
    """A disordered capture: each packet is placed by the latest time before it; its own packets never change places."""
    late = capture(tmp_path / "a.pcap", [1, 5, 2, 3, 6])
    other = capture(tmp_path / "b.pcap", [1.5, 4, 5, 5.5])
    assert [(name, time) for name, _, time in merged(late, other)] == [
        ("a.pcap", 1), ("b.pcap", 1.5), ("b.pcap", 4), ("a.pcap", 5), ("a.pcap", 2), ("a.pcap", 3), ("b.pcap", 5), ("b.pcap", 5.5),
        ("a.pcap", 6)]  # fmt: skip


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_ties_go_to_the_capture_named_first(size: int, tmp_path: Path) -> None:
    first, second = capture(tmp_path / "z.pcap", [1, 1, 2]), capture(tmp_path / "a.pcap", [1, 2, 2])
    names = [name[0] for name, _, _ in merged(first, second, batch_packets=size)]
    assert names == ["z", "z", "a", "z", "a", "a"]


def test_an_empty_capture_among_others(tmp_path: Path) -> None:
    """A header and no packet: a sensor that saw nothing in that hour."""
    paths = [capture(tmp_path / "a.pcap", [2]), capture(tmp_path / "b.pcap", []), capture(tmp_path / "c.pcap", [1, 3])]
    assert [name[0] for name, _, _ in merged(*paths)] == ["c", "a", "c"]
    assert merged(paths[1]) == [] and merged(paths[1], capture(tmp_path / "d.pcap", [])) == []


def test_a_path_named_twice_is_read_once(tmp_path: Path) -> None:
    """By itself, by its folder, by another spelling, by a link: thresholds must not count its packets twice."""
    one, other = capture(tmp_path / "a.pcap", [1, 3]), capture(tmp_path / "b.pcap", [2])
    (tmp_path / "link.pcap").symlink_to(one)
    once = [("a.pcap", 1, 1), ("b.pcap", 1, 2), ("a.pcap", 2, 3)]
    assert merged(one, other, one) == once
    assert merged(one, tmp_path, tmp_path / ".." / tmp_path.name / "b.pcap") == once


def test_a_capture_that_ends_early_is_cut_alone(tmp_path: Path) -> None:
    """The other captures are read to their ends; the report says which one was cut, and sums up all."""
    one, other = capture(tmp_path / "a.pcap", [1, 3, 5]), capture(tmp_path / "b.pcap", [2, 4, 6])
    one.write_bytes(one.read_bytes()[:-1])
    source = open_source([str(one), str(other)])
    numbers = [number for batch in source.batches() for number in batch.numbers.tolist()]
    assert numbers == [1, 1, 2, 2, 3]
    report = source.report
    assert report.packets == 5 and report.warnings == [f"{one}: cut short in packet 3; read up to packet 2"]
    assert report.read_bytes == report.size_bytes == one.stat().st_size + other.stat().st_size
    assert dict(report.skipped_bytes) == {f"{one}: cut short": 16 + 20}


def test_comments_link_types_and_interfaces_stay_with_their_packets(tmp_path: Path) -> None:
    """Two formats, two link types; the comment of the third packet of the merge is that of its own capture."""
    plain = tmp_path / "a.pcap"
    plain.write_bytes(pcap_bytes([(SECOND, b"a" * 20), (3 * SECOND, b"a" * 20)], 113))
    commented = tmp_path / "b.pcapng"
    parts = [
        packet(b"b" * 20, seconds * 10**6, number, comment=f"at {seconds}") for seconds, number in ((2, 1), (4, 0))
    ]
    commented.write_bytes(blocks(section(), interface(1), interface(101), *parts))
    (batch,) = (one for one in open_source([str(plain), str(commented)], batch_packets=10).batches() if len(one) == 3)
    assert batch.link_types.tolist() == [113, 101, 113] and batch.interfaces.tolist() == [-1, 1, -1]
    assert batch.comments == {1: ["at 2"]}


def test_stop_ends_every_capture(tmp_path: Path) -> None:
    paths = [capture(tmp_path / f"{name}.pcap", range(1000)) for name in "abc"]
    source = open_source([str(path) for path in paths], batch_packets=10)
    batches = source.batches()
    next(batches)
    source.stop()
    assert sum(len(batch) for batch in batches) <= 30
    assert len(source.report.warnings) == 3


def test_many_captures_of_which_each_has_a_packet(tmp_path: Path) -> None:
    """A rotation of a day: two hundred files, the blocks of all of them together within bounds."""
    paths = [capture(tmp_path / f"{number:03d}.pcap", [200 - number]) for number in range(200)]
    found = merged_names(paths)
    assert found == [f"{number:03d}.pcap" for number in reversed(range(200))]


def merged_names(paths: Sequence[Path]) -> list[str]:
    return [
        Path(batch.paths[file]).name
        for batch in open_source([str(path) for path in paths]).batches()
        for file in batch.files
    ]


def test_times_to_the_nanosecond_and_before_1970_order_too(tmp_path: Path) -> None:
    one, other = tmp_path / "a.pcap", tmp_path / "b.pcap"
    header = pcap_bytes([])
    record = struct.pack("<IIII", 5, 7, 1, 1) + b"a"
    one.write_bytes(header + record)
    other.write_bytes(header + struct.pack("<IIII", 5, 6, 1, 1) + b"b")
    assert merged_names([one, other]) == ["b.pcap", "a.pcap"]
