"""Speed beside Suricata, in one run, both pinned to one core: `make bench`.

The rate of each program is the slope between a smaller and a larger capture, so that start-up does not count; whole
processes, stages and worst cases are printed beside it. Read the ratios: machines differ.

    python tests/bench/bench.py [--small 2000000] [--large 8000000] [--pairs 3] [--folder /tmp/...]
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from detector.capture import open_source
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.loader import load_rules
from tests.bench import traffic
from tests.bench.rules import write_ours, write_suricata

STAGES = ("capture", "packets", "flows", "streams", "protocols", "rules")
SURICATA_YAML = """%YAML 1.1
---
vars:
  address-groups: {HOME_NET: "[10.0.0.0/8]", EXTERNAL_NET: "!$HOME_NET"}
outputs:
  - fast: {enabled: yes, filename: fast.log}
app-layer:
  protocols:
    modbus: {enabled: yes, detection-ports: {dp: 502}, stream-depth: 0}
stream: {checksum-validation: no, midstream: true}
host-mode: sniffer-only
"""


def measured(command: Sequence[str]) -> tuple[float, float]:
    """Processor seconds and peak megabytes of a whole process, pinned to one core."""
    usage = usage_of(["taskset", "-c", str(min(os.sched_getaffinity(0))), *command])
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def elapsed(command: Sequence[str]) -> tuple[float, float]:
    """Seconds until a whole process has ended, on all cores, and its own peak megabytes."""
    began = time.monotonic()
    usage = usage_of(command)
    return time.monotonic() - began, usage.ru_maxrss / 1024


def usage_of(command: Sequence[str]) -> resource.struct_rusage:
    """What a process took. SystemExit where it fails."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        message = child.stderr.read().decode()[-2000:] if child.stderr else ""
        raise SystemExit(f"{command[0]} failed:\n{message}")
    return usage


def suricata(folder: Path, rules: Path, capture: Path) -> list[str]:
    """Suricata in single mode, with the suricata.yaml of a folder; its logs are new each time."""
    logs = folder / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    return ["suricata", "--runmode", "single", "-k", "none", "-c", str(folder / "suricata.yaml"),
            "-S", str(rules), "-r", str(capture), "-l", str(logs)]  # fmt: skip


@contextmanager
def bench_folder(given: Path | None) -> Iterator[Path]:
    """The folder that was given, or one that is removed; says what machine this is.

    Raises:
        SystemExit: there is no Suricata.
    """
    if shutil.which("suricata") is None:
        raise SystemExit("suricata is not installed: run tests/install_tools.sh as root")
    folder = given or Path(tempfile.mkdtemp(prefix="detector-bench-"))
    folder.mkdir(exist_ok=True)
    print(f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} cores")
    try:
        yield folder
    finally:
        if not given:
            shutil.rmtree(folder)


class Bench:
    """Captures, rules and commands of one run."""

    def __init__(self, folder: Path, small: int, large: int) -> None:
        self.folder, self.sizes = folder, (small, large)
        self.captures = [folder / f"mixed-{count}.pcap" for count in self.sizes]
        packets = traffic.shipped_packets()
        for path, count in zip(self.captures, self.sizes, strict=True):
            traffic.write_capture(path, packets, count)
        write_ours(folder / "rules.yml")
        write_suricata(folder / "bench.rules")
        (folder / "suricata.yaml").write_text(SURICATA_YAML)

    def ours(self, capture: Path) -> list[str]:
        """The replay of a capture with the fifty rules."""
        return [sys.executable, "-m", "detector", "replay", str(capture), "--rules", str(self.folder / "rules.yml"),
                "--alerts", str(self.folder / "alerts.jsonl")]  # fmt: skip

    def theirs(self, capture: Path) -> list[str]:
        """Suricata with the fifty rules."""
        return suricata(self.folder, self.folder / "bench.rules", capture)

    def pair(self, command: Callable[[Path], list[str]]) -> tuple[float, float, float, float]:
        """(ns a packet by slope, seconds for the small one, for the large one, peak MB)."""
        (small, _), (large, peak) = (measured(command(path)) for path in self.captures)
        return (large - small) / (self.sizes[1] - self.sizes[0]) * 1e9, small, large, peak


def compare(bench: Bench, pairs: int) -> list[float]:
    """Runs both in turn, prints each pair, returns the ratios."""
    ratios = []
    print(f"{'':10}{'ns/packet':>12}{'small s':>10}{'large s':>10}{'peak MB':>10}")
    for number in range(1, pairs + 1):
        ours, theirs = bench.pair(bench.ours), bench.pair(bench.theirs)
        for name, figures in (("detector", ours), ("suricata", theirs)):
            print(f"{name:10}{figures[0]:12.0f}{figures[1]:10.2f}{figures[2]:10.2f}{figures[3]:10.0f}")
        ratios.append(theirs[0] / ours[0])
        print(
            f"pair {number}: {ratios[-1]:.2f} times Suricata's rate; whole process, large capture {theirs[2] / ours[2]:.2f} times"
        )
    return ratios


def stages(capture: Path, rules: Path) -> None:
    """Nanoseconds a packet of each stage, in one process."""
    pipeline = Pipeline(load_rules([rules]), PipelineSettings())
    decoding = pipeline.decoding
    spent: dict[str, float] = {}
    packets = first = 0
    batches = open_source([str(capture)]).batches()
    clock = time.perf_counter
    while True:
        times = [clock()]
        if (batch := next(batches, None)) is None:
            break
        times.append(clock())
        table = decoding.decoder.decode(batch)
        times.append(clock())
        flows = decoding.following.flows.follow(table)
        times.append(clock())
        chunks = decoding.following.streams.follow(table, flows)
        times.append(clock())
        pdus = decoding.following.frame(table, flows, chunks)
        times.append(clock())
        pipeline.engine.detect({"packet": table, **pdus})
        times.append(clock())
        if packets:  # the first batch loads kernels
            for name, began, ended in zip(STAGES, times, times[1:], strict=False):
                spent[name] = spent.get(name, 0.0) + ended - began
        else:
            first = len(batch)
        packets += len(batch)
    for name, seconds in spent.items():
        print(f"  {name:12}{seconds / (packets - first) * 1e9:8.1f} ns a packet")


def worst_cases(bench: Bench, count: int) -> None:
    """Processor time on traffic that is hard on an engine, ours beside Suricata's."""
    cases = {
        "SYN flood": traffic.syn_flood,
        "one-byte segments": traffic.one_byte_segments,
        "fragments": traffic.fragments,
        "every packet an alert": traffic.writes,
    }
    print(f"\nworst cases, {count:,} packets, whole processes, seconds: ours, Suricata's")
    for name, make in cases.items():
        path = bench.folder / "worst.pcap"
        traffic.write_capture(path, make(), count)
        ours, theirs = measured(bench.ours(path)), measured(bench.theirs(path))
        print(f"  {name:24}{ours[0]:8.2f}{theirs[0]:8.2f}   ratio {theirs[0] / ours[0]:.2f}   peak {ours[1]:.0f} MB")


def main() -> None:
    """Builds, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=2_000_000)
    parser.add_argument("--large", type=int, default=8_000_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with bench_folder(arguments.folder) as folder:
        bench = Bench(folder, arguments.small, arguments.large)
        subprocess.run([sys.executable, "-m", "detector", "warm"], check=True)
        measured(bench.ours(bench.captures[0]))
        ratios = compare(bench, arguments.pairs)
        print(f"\nmedian of {len(ratios)} pairs: {statistics.median(ratios):.2f} times Suricata's rate")
        print("\nstages:")
        stages(bench.captures[0], folder / "rules.yml")
        worst_cases(bench, min(1_000_000, arguments.small))


if __name__ == "__main__":
    main()
