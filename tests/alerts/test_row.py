"""The matched row as an alert sees it: its two ends, its bytes, where they stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.alerts.row import Row, address_text
from detector.capture.batch import batch_of
from detector.pipeline import Decoding, PipelineSettings
from tests.flows.frames import SYN, icmp, ip, tcp, udp
from tests.rules.written import WRITE, frames

ARP = bytes.fromhex("ffffffffffff0200000000010806" + "00010800060400010200000000010a0000010000000000000a000002")
UDP_INSIDE = ip("192.168.0.1", "192.168.0.2", 17, b"\0\x35\0\x35\0\x08\0\0")[14:]


def row_of(frame: bytes, row: int = 0) -> Row:
    packets, _ = Decoding(PipelineSettings()).tables(batch_of([frame], [5]))
    return Row(packets, row)


@pytest.mark.parametrize(
    ("frame", "source", "destination"),
    [
        (tcp(("10.0.0.1", 40000), ("10.0.0.2", 80), SYN), "10.0.0.1", "10.0.0.2:80"),
        (udp(("fe80::1", 5), ("fe80::2", 53)), "fe80::1", "[fe80::2]:53"),
        (icmp("10.0.0.1", "10.0.0.2", 8), "10.0.0.1", "10.0.0.2"),
        (icmp("::1", "::2", 128), "::1", "::2"),
        (ARP, "02:00:00:00:00:01", "ff:ff:ff:ff:ff:ff"),
        (b"\x01", "-", "-"),
        (ip("10.0.0.1", "10.0.0.2", 6, b""), "10.0.0.1", "10.0.0.2"),  # a TCP header that is not there has no ports
        (ip("10.0.0.1", "10.0.0.2", 17, b"\0\x35", fragment=100), "10.0.0.1", "10.0.0.2"),
    ],
)
def test_the_two_ends_for_people(frame: bytes, source: str, destination: str) -> None:
    ends = row_of(frame).endpoints()
    assert (ends.source_text, ends.destination_text) == (source, destination)


@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (b"\0" * 10 + b"\xff\xff\x0a\0\0\x01", "10.0.0.1"),
        (b"\0" * 16, "::"),
        (b"\xfe\x80" + b"\0" * 13 + b"\x01", "fe80::1"),
        (b"\0" * 12 + b"\x0a\0\0\x01", "::a00:1"),
    ],
)
def test_addresses(packed: bytes, text: str) -> None:
    assert address_text(packed) == text


def test_a_packet_is_told_by_all_its_bytes_and_a_tunnels_row_by_its_depth() -> None:
    frame = ip("10.0.0.1", "10.0.0.2", 4, UDP_INSIDE)
    outer, inner = row_of(frame, 0), row_of(frame, 1)
    assert outer.data == inner.data == inner.packet_bytes == frame
    assert (outer.offset, inner.offset) == (0, 1)
    assert inner.values("ip.src") == ["192.168.0.1"] and inner.values("vlan.id") == []


def test_a_pdu_is_told_by_its_own_bytes_and_place() -> None:
    """Two writes in one segment are two alerts with two ids."""
    one = bytes.fromhex("000100000006ff0600010003")
    frame = tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), 24, 1, 1, one + one)
    packets, pdus = Decoding(PipelineSettings()).tables(batch_of([frame], [5]))
    rows = [Row(pdus["modbus"], row) for row in range(2)]
    assert [row.data for row in rows] == [one, one]
    assert [row.offset for row in rows] == [14 + 20 + 20, 14 + 20 + 20 + 12]
    assert [row.packet_row for row in rows] == [0, 0] and rows[0].packets is packets
    assert rows[1].values("modbus.func_code") == [6] and rows[1].values("ip.src") == ["10.0.0.1"]


def test_a_pdu_that_was_put_together_has_no_place_in_its_packet() -> None:
    one = bytes.fromhex("000100000006ff0600010003")
    first = tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), 24, 1, 1, one[:5])
    second = tcp(("10.0.0.1", 40000), ("10.0.0.2", 502), 24, 6, 1, one[5:])
    _, pdus = Decoding(PipelineSettings()).tables(batch_of([first, second], [5, 6]))
    row = Row(pdus["modbus"], 0)
    assert row.data == one and row.offset == -1 and row.packet == 1 and row.time_ns == 6


def test_rows_of_whole_runs_have_two_ends(tmp_path: Path) -> None:
    found = frames(WRITE)
    packets, _ = Decoding(PipelineSettings()).tables(batch_of([data for _, data in found], [time for time, _ in found]))
    assert {Row(packets, row).endpoints().source_ip for row in range(packets.rows)} == {"10.0.0.1", "10.0.0.2"}
