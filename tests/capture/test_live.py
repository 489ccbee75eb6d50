"""Sources that are still being written: pipes that alert at once, files that grow, rotate and end."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

from detector.capture import open_source
from detector.rules.loader import load_rules
from tests.differential import tshark
from tests.runs import ROOT, SCENARIOS, VARIABLES, alerts_of, frames_of, pcap_bytes


def wait_for(path: Path, lines: int, seconds: float) -> float:
    """When a file has that many lines; how long that took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if path.exists() and path.read_bytes().count(b"\n") >= lines:
            return time.monotonic() - began
        time.sleep(0.01)
    raise AssertionError(f"{path}: fewer than {lines} lines after {seconds} s")


def test_a_pipe_alerts_at_once(tmp_path: Path) -> None:
    """`tcpdump -U -w - | detector replay -`: a few packets are no full batch, and nobody waits for one."""
    capture = SCENARIOS / "modbus-takeover" / "capture.pcap"
    frames = frames_of(capture)
    rules = [ROOT / "rules" / "modbus"]
    known = alerts_of(open_source([str(capture)]), load_rules(rules, variables=VARIABLES))
    numbers = sorted({alert.document["packet"]["number"] for alert in known})
    first, second = numbers[0], numbers[-1]
    assert first < second
    alerts = tmp_path / "alerts.jsonl"
    with subprocess.Popen(
        [sys.executable, "-m", "detector", "replay", "-", "--rules", *map(str, rules), "--alerts", str(alerts)]
        + [word for name, value in VARIABLES.items() for word in ("--var", f"{name}={value}")],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as program:  # fmt: skip
        assert program.stdin is not None
        program.stdin.write(pcap_bytes(frames[: second - 1]))
        program.stdin.flush()
        before = sum(alert.document["packet"]["number"] < second for alert in known)
        wait_for(alerts, before, 60)  # kernels are loaded now
        time.sleep(0.5)
        program.stdin.write(pcap_bytes(frames[second - 1 : second])[24:])
        program.stdin.flush()
        took = wait_for(alerts, before + 1, 10)
        program.stdin.close()
        assert program.wait(timeout=30) == 0
    print(f"alert after {took * 1000:.0f} ms")
    assert took < 0.5


def test_tcpdump_into_a_pipe() -> None:
    """The real program's own stream is read to its end."""
    tshark.require_tool("tcpdump")
    capture = SCENARIOS / "minute-attack" / "capture.pcap"
    with subprocess.Popen(
        ["tcpdump", "-U", "-r", str(capture), "-w", "-"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as tcpdump:
        done = subprocess.run([sys.executable, "-m", "detector", "replay", "-"], stdin=tcpdump.stdout,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
    assert tcpdump.returncode == 0
    assert done.returncode == 0 and f"{len(frames_of(capture)):,} packets" in done.stdout


def followed(path: Path, write: threading.Thread) -> list[tuple[bytes, int]]:
    """(bytes, number) of the packets that a followed file gives until `write` is done and a little longer."""
    source = open_source([str(path)], follow=True)
    found = []

    def end() -> None:
        write.join()
        time.sleep(1.2)
        source.stop()

    write.start()
    ended = threading.Thread(target=end)
    ended.start()
    for batch in source.batches():
        for row in range(len(batch)):
            found.append((batch.buffer[batch.starts[row] : batch.stops[row]].tobytes(), int(batch.numbers[row])))
    ended.join()
    return found


FRAMES = [(number * 10**9, bytes([number]) * 60) for number in range(12)]


def test_following_goes_on_after_rotation(tmp_path: Path) -> None:
    """logrotate moves the file away and the writer begins another under the same name."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_bytes(FRAMES[:4]))

    def write() -> None:
        time.sleep(0.5)
        path.rename(tmp_path / "capture.pcap.1")
        path.write_bytes(pcap_bytes(FRAMES[4:8]))
        time.sleep(0.5)
        with path.open("ab") as file:
            file.write(pcap_bytes(FRAMES[8:])[24:])

    found = followed(path, threading.Thread(target=write))
    assert found == [(data, number % 4 + 1 if number < 8 else number - 3) for number, (_, data) in enumerate(FRAMES)]


def test_following_goes_on_after_truncation(tmp_path: Path) -> None:
    """A writer that begins the same file anew."""
    path = tmp_path / "capture.pcap"
    path.write_bytes(pcap_bytes(FRAMES[:6]))

    def write() -> None:
        time.sleep(0.5)
        path.write_bytes(pcap_bytes(FRAMES[6:9]))

    found = followed(path, threading.Thread(target=write))
    assert [data for data, _ in found] == [data for _, data in FRAMES[:9]]


def test_following_stops_at_the_last_whole_record(tmp_path: Path) -> None:
    """Half a record is no packet; it is read when the rest has come."""
    path = tmp_path / "capture.pcap"
    whole = pcap_bytes(FRAMES)
    path.write_bytes(whole[:100])

    def write() -> None:
        for at in range(100, len(whole), 33):
            with path.open("ab") as file:
                file.write(whole[at : at + 33])
            time.sleep(0.02)

    found = followed(path, threading.Thread(target=write))
    assert found == [(data, number + 1) for number, (_, data) in enumerate(FRAMES)]
