"""What hostile rules and hostile traffic cost: a command in a process of its own, with what it said, its time and its memory.

DETECTOR_HOSTILE=10 makes the tests take the sizes that attackers would; by default they take a tenth.
"""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.runs import pcap_bytes

SCALE = int(os.environ.get("DETECTOR_HOSTILE", "1"))
MEGABYTE = 2**20
START = 1_700_000_000 * 10**9
TIMED = """
import resource, sys
from detector.cli.main import main
code = main(sys.argv[1:])
sys.stdout.flush()
spent = resource.getrusage(resource.RUSAGE_SELF)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(f"\\nSPENT {spent.ru_utime + spent.ru_stime:.2f} {peak}")
sys.exit(code)
"""


@dataclass(frozen=True)
class Outcome:
    """What a command did. said: its output without colours; seconds: of processor; megabytes: the peak of its memory."""

    code: int
    said: str
    seconds: float
    megabytes: float

    def counted(self, pattern: str) -> int:
        """The number that is said before a text."""
        found = re.search(rf"([0-9,]+) {pattern}", self.said)
        assert found, f"nothing of {pattern!r} in:\n{self.said[-2000:]}"
        return int(found[1].replace(",", ""))


def commanded(name: str, *arguments: object) -> Outcome:
    """Runs a command; one that ends in an exception fails."""
    done = subprocess.run(
        [sys.executable, "-c", TIMED, *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=600
    )  # fmt: skip
    said, _, spent = done.stdout.rpartition("\nSPENT ")
    assert spent and "Traceback" not in done.stderr, f"{name}: {done.stderr[-3000:]}"
    seconds, kilobytes = spent.split()
    found = Outcome(done.returncode, said + done.stderr, float(seconds), int(kilobytes) / 1024)
    print(f"{name}: {found.seconds:.1f} s, {found.megabytes:.0f} MB, exit {found.code}")
    return found


def replayed(name: str, folder: Path, rules: str, frames: Iterable[bytes], step_ns: int = 20_000) -> Outcome:
    """Replays frames, so many nanoseconds apart, with the rules of a text. What may cost a rule's answer is said."""
    (folder / "hostile.rules").write_text(rules)
    with (folder / "hostile.pcap").open("wb") as file:
        file.write(pcap_bytes([]))
        for number, data in enumerate(frames):
            time = START + number * step_ns
            file.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(data), len(data)) + data)
    found = commanded(name, "replay", folder / "hostile.pcap", "--rules", folder / "hostile.rules")
    assert found.code == 0, found.said[-2000:]
    return found


def rule(number: int, options: str, protocol: str = "udp") -> str:
    """A rule on everything of a protocol."""
    return f'alert {protocol} any any -> any any (msg:"hostile {number}"; {options} sid:{number};)\n'


def datagram(payload: bytes, source: int = 0x0A000001) -> bytes:
    """A frame with a datagram of up to 65,507 bytes."""
    header = struct.pack(">BBHHHBBHII", 0x45, 0, 28 + len(payload), 1, 0, 64, 17, 0, source, 0x0A000002)
    return bytes(12) + b"\x08\x00" + header + struct.pack(">HHHH", 4000, 5000, 8 + len(payload), 0) + payload
