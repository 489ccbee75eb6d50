"""Alerts of frames for tests of documents and sinks, among them one that carries hostile text from the network."""

from __future__ import annotations

import struct
from pathlib import Path

from detector.alerts.alert import Alert
from tests.flows.frames import ACK, PUSH, tcp
from tests.rules.written import Frame, alerts_of_frames, loaded, rule

START = 1_714_550_400_123_456_789  # 2024-05-01T08:00:00.123456789Z
HOSTILE = b'\x1b[2J\x07\r\n\t"\\\xff\xfe\xe2\x80\xa8\x7f\xc2\x9b31m\xe2\x80\xae<\xf0\x9f\x98\x80>\x00{ip.src}'
IDENTIFIED = rule(
    "detection: {a: {modbus.object_str_value|exists: true}, condition: a}\n"
    "alert: {message: 'a device says {modbus.object_str_value}', limit: none}", level="high",
)  # fmt: skip


def identification(value: bytes) -> bytes:
    """A device's answer to Read Device Identification with one object; Modbus Application Protocol 1.1b3, 6.21."""
    pdu = b"\x2b\x0e\x01\x01\x00\x00\x01\x00" + bytes([len(value)]) + value
    return tcp(
        ("10.0.0.2", 502),
        ("10.0.0.1", 40000),
        ACK | PUSH,
        1,
        1,
        struct.pack(">HHHB", 1, 0, len(pdu) + 1, 5) + pdu,
    )


def hostile(folder: Path) -> Alert:
    """The alert of a device that names itself with escape sequences, line ends and bytes that are no text."""
    (alert,) = alerts_of_frames(loaded(folder, IDENTIFIED), [(START, identification(HOSTILE))])
    return alert


def made(folder: Path, frame: bytes, text: str = "", time: int = START) -> Alert:
    """The one alert of a frame."""
    text = text or rule("detection: {a: {frame.number|gt: 0}, condition: a}\nalert: {limit: none}")
    frames: list[Frame] = [(time, frame)]
    (alert,) = alerts_of_frames(loaded(folder, text), frames)
    return alert
