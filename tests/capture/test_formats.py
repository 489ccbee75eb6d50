"""Every capture format, byte order and resolution, built by hand from its specification, and real ones against tshark."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from detector.capture import open_source
from detector.errors import InputError
from tests.differential import tshark
from tests.pcapng import OLD, SIMPLE, blocks, interface, option, packet, section
from tests.samples import IS_LONG, sample

SECOND = 10**9
PACKETS = [bytes([number]) * (20 + number) for number in range(5)]


def pcap(order: str, magic: int, fraction: int, snaplen: int = 65535, link_type: int = 1) -> bytes:
    """A pcap of PACKETS, a second and one tick apart, each captured up to snaplen."""
    data = struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type)
    for number, one in enumerate(PACKETS):
        kept = one[:snaplen]
        data += struct.pack(f"{order}IIII", 1_700_000_000 + number, number * fraction, len(kept), len(one)) + kept
    return data


def packets_of(path: Path) -> list[tuple[int, bytes, int, int]]:
    """(time, captured bytes, length on the wire, link type) of each packet."""
    found = []
    for batch in open_source([str(path)]).batches():
        for row in range(len(batch)):
            data = batch.buffer[batch.starts[row] : batch.stops[row]].tobytes()
            found.append((int(batch.times[row]), data, int(batch.wire_lengths[row]), int(batch.link_types[row])))
    return found


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("magic", "tick"), [(0xA1B2C3D4, 1000), (0xA1B23C4D, 1)])
def test_pcap_in_both_byte_orders_and_resolutions(order: str, magic: int, tick: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(order, magic, 7))
    assert packets_of(path) == [
        ((1_700_000_000 + number) * SECOND + 7 * number * tick, one, len(one), 1) for number, one in enumerate(PACKETS)
    ]


def test_a_snaplen_cuts_bytes_and_not_lengths(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B2C3D4, 0, snaplen=22))
    assert [(len(data), wire) for _, data, wire, _ in packets_of(path)] == [
        (min(22, len(one)), len(one)) for one in PACKETS
    ]


def test_the_link_type_is_read_without_its_flags(tmp_path: Path) -> None:
    """The upper bits of a pcap's link type say whether frames end in a checksum; the type is in the lower 16."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B2C3D4, 0, link_type=0x54000001))
    assert {link for *_, link in packets_of(path)} == {1}


RESOLUTIONS = [(6, 1_700_000_000_123_456, 1_700_000_000_123_456_000), (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
               (3, 1_700_000_000_123, 1_700_000_000_123_000_000), (0, 1_700_000_000, 1_700_000_000_000_000_000),
               (0x80 | 10, (1_700_000_000 << 10) + 512, 1_700_000_000_500_000_000),
               (0x80 | 30, (1_700_000_000 << 30) + (1 << 28), 1_700_000_000_250_000_000)]  # fmt: skip


@pytest.mark.parametrize(("resolution", "ticks", "expected"), RESOLUTIONS)
@pytest.mark.parametrize("order", "<>")
def test_time_resolution_of_an_interface(
    order: str, resolution: int, ticks: int, expected: int, tmp_path: Path
) -> None:
    """if_tsresol: 10**-n, or 2**-n where the highest bit is set (draft-ietf-opsawg-pcapng 4.2)."""
    path = tmp_path / "a.pcapng"
    parts = (
        section(order),
        interface(1, option(9, bytes([resolution]), order), order=order),
        packet(b"x" * 20, ticks, order=order),
    )
    path.write_bytes(blocks(*parts, order=order))
    assert packets_of(path) == [(expected, b"x" * 20, 20, 1)]


def test_time_offset_of_an_interface(tmp_path: Path) -> None:
    """if_tsoffset: seconds added to every time stamp."""
    path = tmp_path / "a.pcapng"
    offset = option(14, struct.pack("<q", 1_000_000_000))
    path.write_bytes(blocks(section(), interface(1, offset), packet(b"x" * 20, 5_000_000)))
    assert packets_of(path)[0][0] == 1_000_000_005 * SECOND


def test_sections_each_have_their_byte_order_and_interfaces(tmp_path: Path) -> None:
    """Two captures written one behind the other: the second section's interface 0 is another one."""
    path = tmp_path / "a.pcapng"
    first = blocks(section("<"), interface(1), interface(101), packet(b"a" * 20, 1, 0), packet(b"b" * 20, 2, 1))
    second = blocks(section(">"), interface(113, order=">"), packet(b"c" * 20, 3, 0, order=">"), order=">")
    path.write_bytes(first + second)
    assert [(time, data[:1], link) for time, data, _, link in packets_of(path)] == [
        (1000, b"a", 1), (2000, b"b", 101), (3000, b"c", 113)]  # fmt: skip


def test_simple_and_obsolete_packet_blocks(tmp_path: Path) -> None:
    """A simple packet has no time and is cut to the interface's snaplen; the obsolete block has a 16-bit interface."""
    path = tmp_path / "a.pcapng"
    simple = (SIMPLE, struct.pack("<I", 100) + b"s" * 40)
    old = (OLD, struct.pack("<HHIIII", 0, 0, 0, 9, 20, 20) + b"o" * 20)
    path.write_bytes(blocks(section(), interface(1, snaplen=40), simple, old))
    assert packets_of(path) == [(0, b"s" * 40, 100, 1), (9000, b"o" * 20, 20, 1)]


def test_comments_are_kept(tmp_path: Path) -> None:
    """What an analyst wrote beside a packet stays with it: the field frame.comment."""
    path = tmp_path / "a.pcapng"
    path.write_bytes(
        blocks(section(), interface(), packet(b"x" * 20), packet(b"x" * 20, comment="this one"), packet(b"x" * 20))
    )
    (batch,) = open_source([str(path)]).batches()
    assert batch.comments == {1: ["this one"]}


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "zstd": lambda data: zstandard.ZstdCompressor().compress(data), "xz": lzma.compress, "bzip2": bz2.compress,
    "two gzip members": lambda data: gzip.compress(data[:90]) + gzip.compress(data[90:]),
    "two zstd frames": lambda data: zstandard.ZstdCompressor().compress(data[:90]) + zstandard.ZstdCompressor().compress(data[90:]),
}  # fmt: skip


@pytest.mark.parametrize("name", PACKERS)
def test_compression_is_recognised_by_content(name: str, tmp_path: Path) -> None:
    """Whatever the file is called."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(PACKERS[name](pcap("<", 0xA1B2C3D4, 0)))
    assert [data for _, data, _, _ in packets_of(path)] == PACKETS


def test_several_files_and_folders_are_merged_in_time_order(tmp_path: Path) -> None:
    """Numbers are counted in each file; of equal times the file named first comes first."""
    (tmp_path / "more").mkdir()
    first, second = tmp_path / "b.pcap", tmp_path / "more" / "a.pcap"
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for path, seconds in ((first, (10, 20, 40)), (second, (15, 20, 30))):
        records = [struct.pack("<IIII", at, 0, 20, 20) + path.name[:1].encode() * 20 for at in seconds]
        path.write_bytes(header + b"".join(records))
    seen = []
    for batch in open_source([str(first), str(tmp_path / "more")], batch_packets=2).batches():
        for row in range(len(batch)):
            seen.append(
                (int(batch.times[row]) // SECOND, Path(batch.paths[batch.files[row]]).name, int(batch.numbers[row]))
            )
    assert seen == [
        (10, "b.pcap", 1),
        (15, "a.pcap", 1),
        (20, "b.pcap", 2),
        (20, "a.pcap", 2),
        (30, "a.pcap", 3),
        (40, "b.pcap", 3),
    ]


def test_since_and_until(tmp_path: Path) -> None:
    """The first is included, the second is not, and packets keep their numbers."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap("<", 0xA1B2C3D4, 0))
    source = open_source([str(path)], since_ns=1_700_000_001 * SECOND, until_ns=1_700_000_003 * SECOND)
    assert [number for batch in source.batches() for number in batch.numbers.tolist()] == [2, 3]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"hello world, this is a text", "is not a capture"), (pcap("<", 0xA1B2C3D4, 0)[:20], "cut short within the file header")],
)  # fmt: skip
def test_what_is_no_capture_is_said(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        list(open_source([str(path)]).batches())


def test_a_missing_file_and_an_empty_folder_are_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        open_source([str(tmp_path / "none.pcap")])
    with pytest.raises(InputError, match="no capture"):
        open_source([str(tmp_path)])


@pytest.mark.slow
@pytest.mark.differential
def test_times_and_lengths_of_every_real_capture_are_tsharks(captures: Path) -> None:
    """Packet by packet: time to the nanosecond, captured and original length, over captures at hand, the long way over all."""
    tshark.require_tool("tshark")
    compared = 0
    for path in sample(sorted(captures.glob("*/*.pcap*")), 25):
        fields = ["frame.time_epoch", "frame.cap_len", "frame.len"]
        theirs = [
            (int(values[fields[0]][0].replace(".", "")), *(int(values[name][0]) for name in fields[1:]))
            for values in tshark.values(path, fields, 400)
        ]
        ours = [(time, len(data), wire) for time, data, wire, _ in packets_of(path)[:400]]
        assert ours == theirs, path
        compared += len(ours)
    print(f"{compared} packets compared")
    assert compared > (5000 if IS_LONG else 500)
