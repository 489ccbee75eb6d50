"""Plays the shipped scenarios in a loop into a watched folder, as a capturing program would: packets of now, in files of a
few seconds, each complete when it appears under its name. For the profile `demo` of docker-compose.yml.

A scenario that takes longer than a few minutes is played faster, so that all of them come round in less than half an hour.
"""

from __future__ import annotations

import argparse
import struct
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

HEADER, RECORD = struct.Struct("<IHHiIII"), struct.Struct("<IIII")
NANOSECONDS = 0xA1B23C4D
MOST_SECONDS = 150.0  # of one scenario
Packet = tuple[float, bytes, int]  # seconds since the first one, captured bytes, length on the wire


def packets_of(capture: Path) -> list[Packet]:
    """The packets of a shipped capture, which is a little-endian pcap with nanoseconds."""
    data, at, found = capture.read_bytes(), HEADER.size, list[tuple[int, bytes, int]]()
    if HEADER.unpack_from(data)[0] != NANOSECONDS:
        raise SystemExit(f"{capture}: not a pcap with nanoseconds, as replay_pcaps/build.py writes it")
    while at < len(data):
        seconds, fraction, size, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        found.append((seconds * 10**9 + fraction, data[at : at + size], length))
        at += size
    return [((when - found[0][0]) / 1e9, content, length) for when, content, length in found]


def chunks(packets: list[Packet], seconds: float, speed: float) -> Iterator[tuple[float, list[Packet]]]:
    """(when it ends, its packets) of every part of so many seconds, also of those without packets; times as they are played."""
    chunk: list[Packet] = []
    end = seconds
    for when, content, length in packets:
        while when / speed >= end:
            yield end, chunk
            chunk, end = [], end + seconds
        chunk.append((when / speed, content, length))
    yield end, chunk


def write(folder: Path, name: str, began: float, chunk: list[Packet]) -> None:
    """One file, which appears whole."""
    parts = [HEADER.pack(NANOSECONDS, 2, 4, 0, 0, 262144, 1)]
    for when, content, length in chunk:
        seconds, fraction = divmod(int((began + when) * 1e9), 10**9)
        parts += [RECORD.pack(seconds, fraction, len(content), length), content]
    unfinished = folder / f".{name}.part"
    unfinished.write_bytes(b"".join(parts))
    unfinished.rename(folder / name)


def play(scenarios: Path, folder: Path, seconds: float, rounds: int, most: float) -> None:
    """Plays every scenario so many times, 0: for ever."""
    captures = sorted(scenarios.glob("*/capture.pcap"))
    if not captures:
        raise SystemExit(f"{scenarios}: no scenario")
    for number, capture in enumerate(cycle(captures)):
        if rounds and number == rounds * len(captures):
            return
        packets = packets_of(capture)
        speed = max(1.0, packets[-1][0] / most)
        print(f"{capture.parent.name}: {len(packets)} packets in {packets[-1][0] / speed:.0f} s", flush=True)
        began = time.time()
        for end, chunk in chunks(packets, seconds, speed):
            time.sleep(max(0.0, began + end - time.time()))
            if chunk:
                write(folder, f"{began + end:017.6f}-{capture.parent.name}.pcap", began, chunk)


def main() -> None:
    """Reads the arguments and plays."""
    parser = argparse.ArgumentParser(description="plays scenarios in a loop into a watched folder")
    parser.add_argument("scenarios", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a file")
    parser.add_argument("--rounds", type=int, default=0, help="0: for ever")
    parser.add_argument(
        "--most", type=float, default=MOST_SECONDS, help="seconds of one scenario; longer ones are played faster"
    )
    given = parser.parse_args()
    play(given.scenarios, given.folder, given.seconds, given.rounds, given.most)


if __name__ == "__main__":
    main()
