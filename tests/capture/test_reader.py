"""One capture to batches: sizes and numbers, blocks and their seams, rotation, stop, and memory whatever the file's size."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.capture.reader import SMALLEST_BLOCK, CaptureReader
from detector.errors import InputError
from tests.pcapng import blocks, interface, packet, section
from tests.runs import ROOT, Frame, pcap_bytes

CHOSEN = random.Random(3)


def frames(count: int, most: int) -> list[Frame]:
    """Packets of random sizes and bytes."""
    return [(number * 1000, CHOSEN.randbytes(CHOSEN.randrange(most + 1))) for number in range(count)]


def read(reader: CaptureReader) -> list[tuple[int, bytes]]:
    found = []
    for batch in reader.batches():
        for row in range(len(batch)):
            found.append((int(batch.numbers[row]), batch.buffer[batch.starts[row] : batch.stops[row]].tobytes()))
    return found


@pytest.mark.parametrize("batch_packets", [1, 3, 1000, 16384])
def test_batches_are_never_larger_than_asked_and_numbers_go_on(batch_packets: int, tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    made = frames(2500, 100)
    path.write_bytes(pcap_bytes(made))
    sizes, numbers = [], []
    for batch in open_source([str(path)], batch_packets=batch_packets).batches():
        sizes.append(len(batch))
        numbers += batch.numbers.tolist()
        assert batch.paths == [str(path)] and not batch.files.any()
    assert max(sizes) <= batch_packets and numbers == list(range(1, 2501))


@pytest.mark.parametrize("kind", ["pcap", "pcapng"])
def test_packets_over_the_seams_of_blocks(kind: str, tmp_path: Path) -> None:
    """Records that begin in one block and end in the next, of every size down to nothing and up to the largest."""
    path = tmp_path / "a"
    large = [(10**9, CHOSEN.randbytes(262144)), (10**9, b""), (10**9, CHOSEN.randbytes(262144))]
    made = [*frames(300, 20000), *large]
    ng = [packet(data, number) for number, (_, data) in enumerate(made)]
    path.write_bytes(pcap_bytes(made) if kind == "pcap" else blocks(section(), interface(), *ng))
    assert path.stat().st_size > 4 * SMALLEST_BLOCK
    found = read(CaptureReader(str(path), block_bytes=SMALLEST_BLOCK))
    assert found == [(number, data) for number, (_, data) in enumerate(made, 1)]


def test_a_pcapng_block_that_is_larger_than_the_buffer(tmp_path: Path) -> None:
    """A block of names or decryption secrets may have megabytes; the packet behind it is read."""
    path = tmp_path / "a.pcapng"
    large = (0x0000000A, bytes(3 * 2**20))
    path.write_bytes(blocks(section(), interface(), packet(b"a" * 20), large, packet(b"b" * 20)))
    assert read(CaptureReader(str(path), block_bytes=SMALLEST_BLOCK)) == [(1, b"a" * 20), (2, b"b" * 20)]


def test_stop_ends_after_the_packets_at_hand(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_bytes(frames(30000, 1000)))
    reader = CaptureReader(str(path), batch_packets=100, block_bytes=SMALLEST_BLOCK)
    batches = reader.batches()
    first = next(batches)
    reader.stop()
    rest = sum(len(batch) for batch in batches)
    assert len(first) == 100 and rest == 0
    assert reader.report.warnings == [f"{path}: not read to its end: stopped after packet 100"]


def test_what_a_file_becomes_while_it_is_followed(tmp_path: Path) -> None:
    """The next file of a rotation is no capture: what came before stands, and the end is said."""
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_bytes(frames(3, 50)))
    reader = CaptureReader(str(path), follow=True)

    def rotate() -> None:
        time.sleep(0.3)
        path.rename(tmp_path / "a.1")
        path.write_bytes(b"this is a text and no capture")

    writer = threading.Thread(target=rotate)
    writer.start()
    with pytest.raises(InputError, match="is not a capture"):
        read(reader)
    writer.join()


@pytest.mark.parametrize("content", [b"", pcap_bytes([])[:10]])
def test_a_followed_file_that_has_no_header_yet_is_waited_for(content: bytes, tmp_path: Path) -> None:
    """tcpdump makes the file first and writes its header later."""
    path = tmp_path / "a.pcap"
    path.write_bytes(content)
    reader = CaptureReader(str(path), follow=True)
    whole = pcap_bytes([(1, b"x" * 20)])

    def write() -> None:
        time.sleep(0.3)
        with path.open("ab") as file:
            file.write(whole[len(content) :])
        until = time.monotonic() + 10
        while reader.report.packets < 1 and time.monotonic() < until:
            time.sleep(0.02)
        reader.stop()

    writer = threading.Thread(target=write)
    writer.start()
    assert read(reader) == [(1, b"x" * 20)]
    writer.join()


def test_the_report_adds_up(tmp_path: Path) -> None:
    path = tmp_path / "a.pcap"
    made = frames(50, 100)
    path.write_bytes(pcap_bytes(made))
    reader = CaptureReader(str(path))
    read(reader)
    report = reader.report
    assert (report.packets, report.bytes) == (50, sum(len(data) for _, data in made))
    assert report.read_bytes == report.size_bytes == path.stat().st_size
    assert not report.warnings and not report.skipped_bytes


PROBE = """
import json, sys
from detector.capture import open_source

def peak():  # of this process alone: ru_maxrss of a child begins with its parent's
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0])

for _ in open_source([sys.argv[1]]).batches():
    pass
start = peak()
source = open_source(sys.argv[2:])
packets = sum(len(batch) for batch in source.batches())
print(json.dumps([packets, source.report.bytes, (peak() - start) * 1024]))
"""


def grown(first: Path, *paths: Path) -> tuple[int, int, int]:
    """(packets, their bytes, growth of resident memory in bytes) of a process that has read one, and reads others."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(first), *map(str, paths)], capture_output=True, text=True, check=True, cwd=ROOT,
                          env=os.environ)  # fmt: skip
    packets, size, memory = json.loads(done.stdout)
    return int(packets), int(size), int(memory)


def test_memory_is_bounded_whatever_the_files_size(tmp_path: Path) -> None:
    """A hundred and fifty megabytes take no more than fifteen; nor do eight files at once that are merged."""
    part = pcap_bytes(frames(3000, 1000))
    small, large = tmp_path / "small.pcap", tmp_path / "large.pcap"
    small.write_bytes(part + part[24:] * 9)
    large.write_bytes(part + part[24:] * 99)
    assert large.stat().st_size > 140 * 2**20
    packets, _, more = grown(small, large)
    assert packets == 300_000
    copies = [tmp_path / f"{number}.pcap" for number in range(8)]
    for copy in copies:
        copy.write_bytes(small.read_bytes())
    merged, _, for_eight = grown(small, *copies)
    print(f"{more / 2**20:.0f} MiB more for a large one, {for_eight / 2**20:.0f} for eight")
    assert merged == 240_000
    assert more < 16 * 2**20 and for_eight < 150 * 2**20
    for path in (small, large, *copies):
        path.unlink()


def test_a_disk_that_fails_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first packet the capture is refused; later what came before stands, and the warning says where it ends."""
    path = tmp_path / "a.pcap"
    made = frames(3000, 1000)
    path.write_bytes(pcap_bytes(made))
    for good in (0, 2):
        reader = CaptureReader(str(path), block_bytes=SMALLEST_BLOCK)
        calls = iter(range(100))
        real = reader._opened.read

        def fails(
            target: memoryview, seconds: float | None, real: object = real, calls: object = calls, good: int = good
        ) -> int | None:
            if next(calls) >= good:  # type: ignore[call-overload]
                raise OSError(5, "Input/output error")
            return real(target, seconds)  # type: ignore[operator]

        monkeypatch.setattr(reader._opened, "read", fails)
        if not good:
            with pytest.raises(InputError, match="cannot be read: Input/output error"):
                read(reader)
        else:
            found = read(reader)
            assert found == [(number, data) for number, (_, data) in enumerate(made[: len(found)], 1)] and found
            assert reader.report.warnings == [
                f"{path}: cannot be read on after packet {len(found)}: Input/output error"
            ]
