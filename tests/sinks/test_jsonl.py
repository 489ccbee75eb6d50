"""JSON lines: one alert a line, whatever the network sent; what cannot be written is said in one line."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from detector.alerts.alert import Alert
from detector.errors import InputError
from detector.sinks import JsonLines
from tests.alerts.made import HOSTILE, hostile, made
from tests.flows.frames import SYN, tcp


def written(alerts: list[Alert], folder: Path) -> bytes:
    path = folder / "alerts.jsonl"
    sink = JsonLines(str(path))
    sink.write(alerts)
    sink.close()
    return path.read_bytes()


def saying(alert: Alert, text: str) -> Alert:
    return replace(alert, document={**alert.document, "message": text})


def test_a_line_is_an_alert_and_nothing_else_breaks_lines(tmp_path: Path) -> None:
    """Split at LF, as every tool does, and as Python does at NEL, LS and PS."""
    alerts = [hostile(tmp_path), made(tmp_path, tcp(("10.0.0.1", 1), ("10.0.0.2", 2), SYN))]
    data = written(alerts, tmp_path)
    text = data.decode("utf-8")
    assert len(data.split(b"\n")) == len(text.splitlines()) + 1 == 3
    for line, alert in zip(text.splitlines(), alerts, strict=True):
        assert line.isprintable(), "nothing in it steers a terminal"
        assert json.loads(line) == alert.document


def test_what_the_network_sent_is_kept(tmp_path: Path) -> None:
    """Escaped, not cut: evidence. Bytes that are no UTF-8 are the replacement character."""
    document = json.loads(written([hostile(tmp_path)], tmp_path))
    value = document["detector"]["fields"]["modbus.object_str_value"]
    assert value == HOSTILE.decode("utf-8", "replace")
    assert document["message"] == f"a device says {value}"


@pytest.mark.parametrize(
    "text", ["Łódź 中 😀", "\x00\x1f\x7f\x80\x9f", "\u2028\u2029\u0085", "\u202e\u2066\ufeff", '"\\/', "</script>"]
)
def test_every_character_comes_back(text: str, tmp_path: Path) -> None:
    alert = saying(made(tmp_path, b"\0" * 60), text)
    line = written([alert], tmp_path).decode()
    assert json.loads(line)["message"] == text and line.rstrip("\n").isprintable()


def test_text_that_can_be_read_is_not_escaped(tmp_path: Path) -> None:
    """grep finds a station's name."""
    assert "Łódź 中 😀".encode() in written([saying(made(tmp_path, b"\0" * 60), "Łódź 中 😀")], tmp_path)


def test_half_a_character_ends_no_run(tmp_path: Path) -> None:
    """File names on Linux are bytes; Python writes those that are no UTF-8 as halves of UTF-16 pairs."""
    name = os.fsdecode(b"capture-\xff.pcap")
    line = written([saying(made(tmp_path, b"\0" * 60), name)], tmp_path)
    assert json.loads(line.decode("utf-8"))["message"] == "capture-\ufffd.pcap"


def test_alerts_can_be_read_as_soon_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "alerts.jsonl"
    path.write_text("of an earlier run\n")
    sink = JsonLines(str(path))
    alert = made(tmp_path, b"\0" * 60)
    for count in (1, 2, 3):
        sink.write([alert])
        assert path.read_bytes().count(b"\n") == count
    sink.write([])
    sink.close()
    assert path.read_bytes().count(b"\n") == 3


def test_standard_output_gets_utf8_whatever_its_encoding_and_stays_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service without a locale has ASCII there."""
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii", write_through=True))
    sink = JsonLines("-")
    sink.write([saying(made(tmp_path, b"\0" * 60), "Łódź")])
    sink.close()
    assert json.loads(buffer.getvalue().decode("utf-8"))["message"] == "Łódź"
    print("still open")


@pytest.mark.parametrize(("path", "said"), [("", "directory"), ("none/alerts.jsonl", "No such file"), ("a\0b", "null")])
def test_a_file_that_cannot_be_made_is_one_line(path: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        JsonLines(f"{tmp_path}/{path}")
    assert said in refused.value.problem and "--alerts" in refused.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    """Not a traceback after an hour of replay, and not silence."""
    sink = JsonLines("/dev/full")
    with pytest.raises(InputError, match="/dev/full: cannot write alerts: No space left on device"):
        sink.write([made(tmp_path, b"\0" * 60)])
    sink.close()
