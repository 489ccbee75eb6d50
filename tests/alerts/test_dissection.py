"""Scapy's dissection of what an alert is about: of the PDU in its direction, of the packet by its link type, of anything."""

from __future__ import annotations

import random
import warnings
from pathlib import Path

import pytest

from detector.alerts import dissection
from detector.alerts.row import Row
from detector.capture import open_source
from detector.capture.batch import batch_of
from detector.pipeline import Decoding, PipelineSettings
from tests.alerts.made import START, identification, made
from tests.flows.frames import SYN, tcp
from tests.rules.written import selecting
from tests.runs import pcap_bytes

WRITES = bytes.fromhex("000100000006ff0600010003")
CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 502)
PDUS = selecting("{modbus: true}", "protocol: modbus")


def layers(text: str) -> list[str]:
    return [line.strip("#[] ") for line in text.splitlines() if line.startswith("###[")]


def test_a_pdu_is_dissected_as_what_its_direction_says(tmp_path: Path) -> None:
    """A request and its reply have the same bytes here."""
    request = made(tmp_path, tcp(CLIENT, SERVER, 24, 1, 1, WRITES), PDUS).document["detector"]["dissection"]
    reply = made(tmp_path, tcp(SERVER, CLIENT, 24, 1, 1, WRITES), PDUS).document["detector"]["dissection"]
    assert layers(request) == ["ModbusADU", "Write Single Register"]
    assert layers(reply) == ["ModbusADU", "Write Single Register Response"]
    assert "registerValue= 0x3" in request


def link_capture(folder: Path, link_type: int, data: bytes) -> Row:
    path = folder / "link.pcap"
    path.write_bytes(pcap_bytes([(START, data)], link_type))
    batch = next(iter(open_source([str(path)]).batches()))
    return Row(Decoding(PipelineSettings()).tables(batch)[0], 0)


IP4 = tcp(CLIENT, SERVER, SYN)[14:]
IP6 = tcp(("::1", 1), ("::2", 2), SYN)[14:]


@pytest.mark.parametrize(
    ("link_type", "data", "first"),
    [
        (1, tcp(CLIENT, SERVER, SYN), "Ethernet"),
        (101, IP4, "IP"),
        (101, IP6, "IPv6"),
        (228, IP4, "IP"),
        (229, IP6, "IPv6"),
        (0, b"\x02\0\0\0" + IP4, "Loopback"),
        (113, bytes.fromhex("00000001000602000000000100000800") + IP4, "cooked linux"),
        (147, b"abc", "Raw"),
        (101, b"\xff", "Raw"),
    ],
)
def test_a_packet_is_dissected_from_its_link_type_on(link_type: int, data: bytes, first: str, tmp_path: Path) -> None:
    assert layers(dissection.text_of(link_capture(tmp_path, link_type, data)))[0] == first


def test_bytes_of_the_network_steer_no_terminal(tmp_path: Path) -> None:
    text = made(tmp_path, identification(b"\x1b[2J\x07\xc2\x9b"), PDUS).document["detector"]["dissection"]
    assert all(line.isprintable() for line in text.split("\n")), text


def test_what_scapy_cannot_dissect_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Scapy raises what it likes on hostile bytes; the alert must leave."""

    class Refuses:
        def __init__(self, data: bytes) -> None:
            raise RuntimeError("too odd")

    row = link_capture(tmp_path, 1, tcp(CLIENT, SERVER, SYN))
    monkeypatch.setattr(dissection, "class_of", lambda row: Refuses)
    assert dissection.text_of(row) == "Scapy could not dissect this: RuntimeError: too odd"


def test_random_bytes_are_dissected_or_said_to_be_impossible() -> None:
    chosen = random.Random(5)
    base = tcp(CLIENT, SERVER, 24, 1, 1, WRITES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(60):
            frame = bytearray(base)
            for _ in range(chosen.randrange(1, 12)):
                frame[chosen.randrange(14, len(frame))] = chosen.randrange(256)
            packets, _ = Decoding(PipelineSettings()).tables(
                batch_of([bytes(frame[: chosen.randrange(1, 80)])], [START])
            )
            text = dissection.text_of(Row(packets, 0))
            assert text and all(line.isprintable() for line in text.split("\n")), text


def test_a_dissection_is_bounded(tmp_path: Path) -> None:
    """A jumbo frame must not make a document of megabytes."""
    row = link_capture(tmp_path, 147, bytes(60_000))
    assert len(dissection.text_of(row)) == dissection.LONGEST
