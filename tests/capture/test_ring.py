"""Rings in memory: blocks as Linux writes them, walked by the kernel. On a real interface: tests/live/test_capture.py."""

from __future__ import annotations

import mmap

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.capture import devices, packet_socket
from detector.capture.batch import batch_of
from detector.capture.interface import InterfaceSettings
from detector.capture.ring import LATEST, Columns, Ring, in_order
from detector.capture.ring_kernels import COOKED_TAG, ETHERNET_TAG, NO_TAG
from detector.errors import InputError
from detector.settings import settings_of
from detector.warming import read_ring, ring_block

BLOCK = 65536
MACS = bytes(range(12))
SECOND = 10**9
pytestmark = pytest.mark.kernel


def packet(number: int, size: int) -> bytes:
    """An Ethernet frame of IPv4's type that differs from others."""
    return (MACS + b"\x08\x00" + bytes((number * 7 + k) % 256 for k in range(size)))[:size]


def contents(columns: Columns) -> list[bytes]:
    """The packets' bytes."""
    rows = slice(columns.rows)
    return [columns.buffer[a:b].tobytes() for a, b in zip(columns.starts[rows], columns.stops[rows], strict=True)]


def status_words(memory: NDArray[np.uint8]) -> list[int]:
    """Whose each block is."""
    return [int(memory[at + 8]) for at in range(0, len(memory), BLOCK)]


def take(ring: Ring, packets: int, until: int = LATEST, now: int = LATEST) -> Columns:
    """What a batch of at most so many packets gets."""
    ready, count, size, bound = ring.survey(packets, 2**30)
    columns = Columns(min(count, packets), size)
    ring.walk(columns, ready, min(until, bound), now)
    return columns


def test_packets_of_every_length_and_place() -> None:
    """They are copied by words of eight bytes; neither end may lose or gain one."""
    packets = [packet(number, size) for number, size in enumerate([*range(1, 70), 1514, 9000])]
    columns = read_ring(ring_block(packets), BLOCK, ETHERNET_TAG)
    assert contents(columns) == packets
    assert columns.wire_lengths.tolist() == [len(data) for data in packets]
    assert columns.times.tolist() == [(n + 1) * SECOND + n for n in range(len(packets))]
    assert not columns.is_unsummed.any()
    starts, stops = columns.starts.tolist(), columns.stops.tolist()
    assert all(stop <= start for stop, start in zip(stops, starts[1:], strict=False)), "packets overlap"


@pytest.mark.parametrize(
    ("status", "tpid", "type_of_tag"), [(16, 0x88A8, "8100"), (16 | 64, 0x88A8, "88a8"), (16 | 64, 0x8100, "8100")]
)
def test_tags_are_put_back(status: int, tpid: int, type_of_tag: str) -> None:
    packets = [packet(number, size) for number, size in enumerate((14, 60, 61, 62, 63, 64, 65, 66, 67, 1514))]
    columns = read_ring(ring_block(packets, status=status, tag=0x6007, tpid=tpid), BLOCK, ETHERNET_TAG)
    tag = bytes.fromhex(f"{type_of_tag}6007")
    assert contents(columns) == [data[:12] + tag + data[12:] for data in packets]
    assert columns.wire_lengths.tolist() == [len(data) + 4 for data in packets]


def test_what_is_too_short_for_a_tag_gets_none() -> None:
    packets = [packet(0, 11), packet(1, 12)]
    assert contents(read_ring(ring_block(packets, status=16, tag=7), BLOCK, ETHERNET_TAG)) == [
        packets[0], packets[1] + b"\x81\x00\x00\x07"]  # fmt: skip
    assert contents(read_ring(ring_block(packets, status=16, tag=7), BLOCK, NO_TAG)) == packets


@pytest.mark.parametrize("status", [0, 16])
def test_cooked_headers_are_made(status: int) -> None:
    """LINKTYPE_LINUX_SLL: packet type, hardware type, length and bytes of the address, protocol; the tag before it."""
    packets = [packet(number, 40 + number) for number in range(9)]
    columns = read_ring(ring_block(packets, status=status, tag=7), BLOCK, COOKED_TAG)
    address = bytes.fromhex("000000010006") + MACS[6:] + b"\0\0"
    head = address + (b"\x81\x00\x00\x07" if status else b"") + b"\x08\x00"
    assert contents(columns) == [head + data for data in packets]
    assert columns.wire_lengths.tolist() == [len(head + data) for data in packets]


def test_unfinished_checksums_are_marked() -> None:
    memory = np.concatenate([ring_block([packet(0, 60)], status=8), ring_block([packet(1, 60)], status=128)])
    assert read_ring(memory, BLOCK, ETHERNET_TAG).is_unsummed.tolist() == [True, False]


def test_blocks_are_handed_back_and_come_again() -> None:
    """Round and round; a block that Linux still fills is left alone."""
    memory = np.concatenate([ring_block([packet(n, 60), packet(n + 50, 90)]) for n in range(4)])
    memory[2 * BLOCK + 8] = 0
    ring = Ring(memory, BLOCK, ETHERNET_TAG)
    assert contents(take(ring, 100)) == [packet(0, 60), packet(50, 90), packet(1, 60), packet(51, 90)]
    assert status_words(memory) == [0, 0, 0, 1]
    assert contents(take(ring, 100)) == []
    memory[2 * BLOCK + 8] = 1
    memory[:BLOCK] = ring_block([packet(9, 70)])
    assert contents(take(ring, 100)) == [packet(2, 60), packet(52, 90), packet(3, 60), packet(53, 90), packet(9, 70)]
    assert status_words(memory) == [0] * 4


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7, 100])
def test_a_batch_may_end_within_a_block(most: int) -> None:
    """The size of a batch changes nothing, and a block is kept until its last packet was taken."""
    packets = [[packet(10 * block + n, 60 + n) for n in range(block + 1)] for block in range(4)]
    memory = np.concatenate([ring_block(part) for part in packets])
    ring, found = Ring(memory, BLOCK, ETHERNET_TAG), []
    while part := contents(take(ring, most)):
        assert len(part) <= most
        found += part
        done = sum(len(found) >= count for count in (1, 3, 6, 10))
        assert status_words(memory) == [0] * done + [1] * (4 - done)
    assert found == [data for part in packets for data in part]


def test_packets_wait_for_those_of_other_interfaces() -> None:
    """Up to a time; but a packet from the future means that a clock was set back, and does not wait for it."""
    ring = Ring(ring_block([packet(n, 60) for n in range(4)]), BLOCK, ETHERNET_TAG)  # at 1, 2, 3 and 4 s
    assert contents(take(ring, 100, until=2 * SECOND + 1, now=10 * SECOND)) == [packet(0, 60), packet(1, 60)]
    assert contents(take(ring, 100, until=2 * SECOND + 1, now=10 * SECOND)) == []
    assert contents(take(ring, 100, until=2 * SECOND + 1, now=3 * SECOND)) == [packet(2, 60), packet(3, 60)]


def test_the_time_up_to_which_one_may_read() -> None:
    """So that each of several rings gives its share, and none runs ahead of the others."""
    memory = np.concatenate(
        [ring_block([packet(n, 60) for n in range(3)]), ring_block([packet(n, 60) for n in range(2)])]
    )
    ring = Ring(memory, BLOCK, ETHERNET_TAG)
    assert [ring.survey(most, 2**30)[3] for most in (1, 2, 3, 4, 5, 6)] == [
        SECOND, 2 * SECOND + 1, 3 * SECOND + 2, SECOND, 2 * SECOND + 1, LATEST]  # fmt: skip
    assert ring.survey(100, 1)[:2] == (1, 3), "a ceiling of bytes ends it at a block"


def test_times_that_go_back_hold_nothing_up() -> None:
    """A clock that is set, or processors that do not agree: the next packet is later than the time up to which to read."""
    memory = np.concatenate(
        [ring_block([packet(n, 60) for n in range(3)]), ring_block([packet(n, 60) for n in range(2)])]
    )
    ring = Ring(memory, BLOCK, ETHERNET_TAG)
    assert len(contents(take(ring, 2))) == 2
    assert ring.survey(2, 2**30)[3] == 3 * SECOND + 2
    assert contents(take(ring, 2)) == [packet(2, 60), packet(0, 60)]


def test_an_empty_block_is_handed_back() -> None:
    memory = np.concatenate([ring_block([]), ring_block([packet(0, 60)])])
    assert contents(take(Ring(memory, BLOCK, ETHERNET_TAG), 100)) == [packet(0, 60)]
    assert status_words(memory) == [0, 0]


def test_tagged_packets_that_the_host_has_no_taker_for_are_told() -> None:
    goose = MACS + b"\x88\xb8" + bytes(60)
    ring = Ring(ring_block([goose, packet(0, 60), goose], status=16), BLOCK, ETHERNET_TAG)
    columns = Columns(3, BLOCK)
    assert ring.walk(columns, 1, LATEST, LATEST) == 2
    assert Ring(ring_block([goose]), BLOCK, ETHERNET_TAG).walk(Columns(1, BLOCK), 1, LATEST, LATEST) == 0


def test_several_interfaces_in_time_order() -> None:
    """Each one's own order is kept: a packet that is late on its interface stays behind those before it."""
    batch = batch_of([packet(n, 60 + n) for n in range(6)], [10, 40, 20, 15, 40, 50])
    found = in_order(batch, [3, 3])
    assert found.times.tolist() == [10, 15, 40, 20, 40, 50]
    packets = [found.buffer[a:b].tobytes() for a, b in zip(found.starts, found.stops, strict=True)]
    assert packets == [packet(n, 60 + n) for n in (0, 3, 1, 2, 4, 5)]
    assert found.starts.tolist() == sorted(found.starts.tolist())


@pytest.mark.parametrize(
    ("hardware", "link_type"), [(1, 1), (772, 1), (0xFFFE, 101), (519, 101), (512, 113), (768, 113), (803, 113)]
)
def test_link_types(hardware: int, link_type: int) -> None:
    assert packet_socket.link_type_of(hardware) == link_type


def test_the_shape_of_a_ring() -> None:
    assert packet_socket.ring_shape(InterfaceSettings("a")) == (2**18, 256)
    assert packet_socket.ring_shape(InterfaceSettings("a", ring=2**16, block=2**16)) == (2**16, 2)
    for block in (2**16 + mmap.PAGESIZE, 3 * 2**16):
        with pytest.raises(InputError, match="not a power of two"):
            packet_socket.ring_shape(InterfaceSettings("a", block=block))


def test_what_is_known_of_interfaces() -> None:
    assert devices.exists("lo") and devices.is_loopback("lo") and devices.hardware_of("lo") == 772
    assert devices.state_of("nothere0") == "gone" and not devices.exists("nothere0")
    assert devices.lost_before_capture("nothere0") == 0
    for name in ("lo0", "a-name-that-is-too-long", ""):
        with pytest.raises(InputError, match="there is no network interface") as caught:
            devices.check_name(name)
        assert "lo" in caught.value.hint


def test_every_setting_says_what_it_means() -> None:
    declared = settings_of(InterfaceSettings)
    assert list(declared) == ["name", "capture", "filter", "snaplen", "promiscuous", "direction", "ring", "block",
                              "block_timeout", "wait"]  # fmt: skip
    assert all(one.meaning for one in declared.values())
