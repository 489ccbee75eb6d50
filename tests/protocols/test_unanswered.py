"""Requests that nobody answers: rows of `ics` at the moment in which their time has passed. Expected by hand: 10 s."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from detector.capture import open_source
from detector.flows.followed import Watched
from detector.pipeline import Decoding, PipelineSettings
from detector.rules.loader import load_rules
from tests.flows.frames import SECOND, batches, tcp
from tests.protocols.streams import Turn, segments
from tests.protocols.test_dnp3 import READ, asked
from tests.protocols.test_ics import MODBUS_SERVER, adu
from tests.runs import alerts_of, pcap_bytes

pytestmark = pytest.mark.kernel

FIELDS = ("ics.verb", "ics.outcome", "ics.unit", "ics.target", "ics.value", "ip.src", "ip.dst", "tcp.dstport",
          "flow.direction", "pdu.kind")  # fmt: skip
READ_TWO, WRITE_ONE = adu(1, "03 0064 0002"), adu(2, "06 0007 002a")
ANSWERED = adu(1, "03 04 0141 ffff")
LATER = tcp(("10.9.9.9", 1), ("10.9.9.8", 2), 2)  # a packet of somebody else, with which the clock goes on
Row = tuple[Any, ...]


def rows_of(
    frames: Sequence[bytes], times: Sequence[float], size: int = 1000, only_unanswered: bool = True
) -> list[Row]:
    """(seconds at which it is judged, verb, outcome, ...) of the rows of `ics`."""
    decoding = Decoding(PipelineSettings())
    decoding.following.watch(Watched(ics=True))
    found = []
    for batch in batches(frames, [int(time * SECOND) for time in times], size):
        table = decoding.tables(batch)[1]["ics"]
        for row in range(table.rows):
            values = {name: table.column(name).at(row) for name in FIELDS}
            if not only_unanswered or values["ics.outcome"] == ["unanswered"]:
                clock = table.packets.clock[table.row_of_pdu[row]] / SECOND
                found.append((clock, *(one[0] if len(one) == 1 else one or None for one in values.values())))
    return found


def exchange(*turns: Turn) -> list[bytes]:
    """Frames of a connection, one for each turn, behind three of its handshake."""
    return segments(list(turns), (), server=MODBUS_SERVER)


@pytest.mark.parametrize("size", [1, 2, 1000])
def test_a_request_that_nobody_answers_makes_a_row_when_its_time_has_passed(size: int) -> None:
    frames = [*exchange(("c", READ_TWO), ("c", WRITE_ONE)), LATER, LATER, LATER]
    assert rows_of(frames, [1, 1, 1, 2, 3, 12, 12.5, 13.5], size) == [
        (12.0, "read", "unanswered", 7, ["register:100", "register:101"], None, "10.0.0.1", "10.0.0.2", 502, "to_server",
         "unanswered"),
        (13.0, "write", "unanswered", 7, "register:7", 42.0, "10.0.0.1", "10.0.0.2", 502, "to_server", "unanswered"),
    ]  # fmt: skip


@pytest.mark.parametrize("size", [1, 1000])
def test_a_request_whose_time_has_not_passed_makes_none(size: int) -> None:
    frames = [*exchange(("c", READ_TWO)), LATER]
    assert rows_of(frames, [1, 1, 1, 2, 12], size) == []


@pytest.mark.parametrize("size", [1, 4, 1000])
def test_one_that_is_answered_makes_none_and_one_that_is_answered_late_does(size: int) -> None:
    frames = exchange(("c", READ_TWO), ("s", ANSWERED))
    assert rows_of(frames, [1, 1, 1, 2, 12], size) == []
    late = rows_of(frames, [1, 1, 1, 2, 12.5], size, only_unanswered=False)
    assert [(row[0], *row[1:3], row[4]) for row in late] == [
        (2.0, "read", None, ["register:100", "register:101"]),
        (12.0, "read", "unanswered", ["register:100", "register:101"]),
        (12.5, "read", "ok", ["register:100", "register:101"]),
    ]


@pytest.mark.parametrize("size", [1, 1000])
def test_a_request_that_is_made_again_ends_the_time_of_the_first(size: int) -> None:
    """A client that gives every request the same number, a second apart, and a device that is dead."""
    frames = exchange(("c", READ_TWO), ("c", READ_TWO), ("c", READ_TWO), ("s", ANSWERED))
    assert [row[0] for row in rows_of(frames, [1, 1, 1, 2, 3, 4, 5], size)] == [3.0, 4.0]


@pytest.mark.parametrize("size", [1, 1000])
def test_broadcasts_and_confirmations_of_dnp3_expect_no_answer(size: int) -> None:
    server = ("10.0.0.2", 20000)
    for data, expected in ((asked(READ, 1), 1), (asked(READ, 1, dst=65535), 0)):
        frames = [*segments([("c", data)], (), server=server), LATER]
        assert len(rows_of(frames, [1, 1, 1, 2, 20], size)) == expected


ONE = """
title: {0}
id: {1}
status: experimental
level: low
description: {0}
tags: [attack.ics.t0855]
protocol: {2}
detection:
  found: {3}
  condition: found
alert: {{message: "{0}", limit: {{by: [ip.src], count: 100, every: 1m}}}}
"""
RULES = (
    ONE.format(
        "no answer", "0b1c3e1e-5c55-4d4e-9d0d-0e1a4f4c0a01", "ics", "{ics.outcome: unanswered, ip.dst: 10.0.0.2}"
    ),
    ONE.format("a packet", "0b1c3e1e-5c55-4d4e-9d0d-0e1a4f4c0a02", "packet", "{tcp.dstport: 2}"),
)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_rule_alerts_in_the_order_of_clocks_with_the_packet_of_the_request(size: int, tmp_path: Path) -> None:
    for number, text in enumerate(RULES):
        (tmp_path / f"{number}.yml").write_text(text)
    capture = tmp_path / "c.pcap"
    frames = [*exchange(("c", READ_TWO)), LATER, LATER, LATER]
    capture.write_bytes(
        pcap_bytes(list(zip([SECOND * time for time in (1, 1, 1, 2, 11, 12, 13)], frames, strict=True)))
    )
    alerts = alerts_of(
        open_source([str(capture)], batch_packets=size), load_rules([tmp_path / "0.yml", tmp_path / "1.yml"])
    )
    said = [(alert.rule.title, alert.document["packet"]["number"]) for alert in alerts]
    assert said == [("a packet", 5), ("a packet", 6), ("no answer", 4), ("a packet", 7)]


@pytest.mark.parametrize(("size", "workers"), [(1, 0), (7, 0), (1000, 2), (5, 3)])
def test_batches_and_workers_change_nothing(size: int, workers: int, tmp_path: Path) -> None:
    """Thirty connections ask at the same moments, every third gets answers, half of those too late."""
    sent: list[tuple[float, bytes]] = []
    for number in range(30):
        client = (f"10.0.1.{number}", 40000 + number)
        turns: list[Turn] = [("c", READ_TWO), ("c", WRITE_ONE), ("c", READ_TWO)]
        times = [1.0, 1.0, 1.0, 2.0, 2.0 + number % 2, 4.0]
        if number % 3 == 0:
            turns, times = [*turns, ("s", ANSWERED)], [*times, 5.0 if number % 2 else 15.0]
        sent += zip(times, segments(turns, (), client, MODBUS_SERVER), strict=True)
    sent += [(12.5, LATER), (30.0, LATER)]
    sent.sort(key=lambda one: one[0])
    capture = tmp_path / "c.pcap"
    capture.write_bytes(pcap_bytes([(int(time * SECOND), data) for time, data in sent]))
    for number, text in enumerate(RULES):
        (tmp_path / f"{number}.yml").write_text(text)
    rules = load_rules([tmp_path / "0.yml", tmp_path / "1.yml"])

    def said(size: int, workers: int) -> list[tuple[Any, ...]]:
        alerts = alerts_of(open_source([str(capture)], batch_packets=size), rules, workers=workers)
        return [(one.rule.title, one.document["packet"]["number"], one.document["event"]["id"]) for one in alerts]

    once = said(1000, 0)
    # Thirty reads that are made again, thirty writes, and the last reads but for those five that were answered in time.
    assert len([one for one in once if one[0] == "no answer"]) == 30 + 30 + 25
    assert said(size, workers) == once
