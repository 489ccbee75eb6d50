"""Payload rules beside Suricata, in one run, both pinned to one core: `make bench-payload`.

A capture of the shipped scenarios mixed with office traffic, and rules of tests/bench/signatures.py, a part of whose words
and paths occur in the traffic. The rate is the slope between a smaller and a larger capture, so that start-up does not
count. What more rules cost us is measured within one process, where two rulesets take turns batch by batch: a slope of
processes that run minutes apart tells more of the machine's other work. How long rulesets take to load, cold and from the
cache, is printed beside it. Read the ratios: machines differ.

    python -m tests.bench.payload [--small 100000] [--large 2000000] [--rules 50 10000] [--load 40000] [--pairs 5]
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np

from detector.capture import open_source
from detector.detect.engine import Engine
from detector.pipeline import Decoding, Pipeline, PipelineSettings
from detector.rules.loader import load_rules
from detector.sinks.jsonl import JsonLines
from tests.bench import traffic
from tests.bench.bench import SURICATA_YAML, bench_folder, elapsed, measured, suricata
from tests.bench.office import Office
from tests.bench.signatures import write_rules

HOME = "10.0.0.0/8"
OFFICE_BYTES = 6_000_000
LOADS = 3
Measure = Callable[[Sequence[str]], tuple[float, float]]


class PayloadBench:
    """Captures and rules of one run."""

    def __init__(self, folder: Path, small: int, large: int) -> None:
        self.folder, self.sizes = folder, (small, large)
        self.captures = [folder / f"office-{count}.pcap" for count in self.sizes]
        packets = traffic.shipped_packets() + Office().packets(OFFICE_BYTES)
        for path, count in zip(self.captures, self.sizes, strict=True):
            traffic.write_capture(path, packets, count)
        (folder / "suricata.yaml").write_text(SURICATA_YAML)

    def rules(self, count: int) -> Path:
        """A ruleset."""
        path = self.folder / f"{count}.rules"
        if not path.exists():
            write_rules(path, count)
        return path

    def ours(self, capture: Path, count: int, measure: Measure = measured) -> tuple[float, float]:
        """(processor seconds, peak MB) of a whole replay."""
        return measure([sys.executable, "-m", "detector", "replay", str(capture), "--rules", str(self.rules(count)),
                         "--home-net", HOME, "--alerts", str(self.folder / "alerts.jsonl")])  # fmt: skip

    def theirs(self, capture: Path, count: int) -> tuple[float, float]:
        """The same of Suricata in single mode."""
        return measured(suricata(self.folder, self.rules(count), capture))

    def compare(self, counts: Sequence[int], pairs: int) -> None:
        """Prints our rate beside Suricata's with some rulesets.

        Of each command the least of all pairs counts: what else the machine does can only add to it. Rulesets take turns,
        so that none has a better hour than another.
        """
        for count in counts:
            self.ours(self.captures[-1], count)  # so that kernels, rules and patterns are in the cache
        least: dict[tuple[str, int, int], float] = {}
        for _ in range(pairs):  # per pair
            for count, run in product(counts, (self.ours, self.theirs)):
                for size, capture in zip(self.sizes, self.captures, strict=True):
                    seconds, peak = run(capture, count)
                    print(f"  {run.__name__:8}{count:7,} rules{size:10,} packets{seconds:8.2f} s{peak:8.0f} MB")
                    key = run.__name__, count, size
                    least[key] = min(seconds, least.get(key, seconds))
        for count in counts:
            ours, theirs = (self.slope(least, name, count) for name in ("ours", "theirs"))
            print(
                f"{count:,} rules: {ours:.0f} and {theirs:.0f} ns a packet, {theirs / ours:.2f} times Suricata's rate"
            )

    def slope(self, least: Mapping[tuple[str, int, int], float], name: str, count: int) -> float:
        """Nanoseconds a packet between the two captures."""
        small, large = (least[name, count, size] for size in self.sizes)
        return (large - small) / (self.sizes[1] - self.sizes[0]) * 1e9

    def take_turns(self, few: int, many: int, passes: int) -> None:
        """Prints how much our rate falls from few to many rules: processor time of each batch, read, decoded, matched and
        written, the least of some passes, in which the two are next to each other and take turns in being first."""
        spent: dict[int, dict[int, int]] = {few: {}, many: {}}
        packets = 0
        for number in range(passes):
            pipelines = {count: self.pipeline(count) for count in (few, many)}
            sources = {count: open_source([str(self.captures[-1])]).batches() for count in (few, many)}
            sinks = {count: JsonLines(str(self.folder / f"alerts-{count}.jsonl")) for count in (few, many)}
            packets = index = 0
            while True:
                for count in (few, many) if (number + index) % 2 else (many, few):
                    began = time.process_time_ns()
                    batch = next(sources[count], None)
                    alerts = pipelines[count].feed(batch) if batch is not None else []
                    sinks[count].write(alerts)
                    took = time.process_time_ns() - began
                    spent[count][index] = min(took, spent[count].get(index, took))
                if batch is None:
                    break  # for both: it is one capture
                packets, index = packets + (len(batch) if index else 0), index + 1
            for sink in sinks.values():
                sink.close()
        # without the first batch, which loads kernels
        rates = {count: sum(list(spent[count].values())[1:]) / packets for count in spent}
        print(f"in one process: {rates[few]:.0f} ns a packet with {few:,} rules, {rates[many]:.0f} with {many:,}: "
              f"our rate falls by {1 - rates[few] / rates[many]:.0%}")  # fmt: skip

    def pipeline(self, count: int) -> Pipeline:
        """The stages with a ruleset."""
        return Pipeline(load_rules([self.rules(count)], home_net=[HOME]), PipelineSettings())

    def searched(self, count: int) -> None:
        """How much is found of what is searched for, and what the search costs of all."""
        pipeline = self.pipeline(count)
        assert isinstance(pipeline.engine, Engine) and isinstance(pipeline.decoding, Decoding)
        scanner = pipeline.engine.selector.signatures.search.scanner
        hits = searched = whole = 0
        scan = scanner.scan

        def counted(arena: np.ndarray, bounds: Sequence[int]) -> np.ndarray:
            nonlocal hits, searched
            found = scan(arena, bounds)
            hits, searched = hits + len(found), searched + bounds[-1]
            return found

        scanner.scan = counted  # type: ignore[method-assign]
        for batch in open_source([str(self.captures[0])]).batches():
            pipeline.feed(batch)
            whole += int((batch.stops - batch.starts).sum())
        print(f"  {count:,} rules: {searched / whole:.0%} of {whole / 1e6:.0f} MB are searched, for {len(scanner.literals):,} literals in {len(scanner.regions)} groups; "
              f"{hits / searched * 2**20:.0f} hits a megabyte")  # fmt: skip

    def load(self, count: int) -> None:
        """How long a ruleset takes to load, cold and from the cache: whole processes on a capture of 100 packets and on all
        cores, the least of some."""
        few = self.folder / "few.pcap"
        traffic.write_capture(few, traffic.shipped_packets(), 100)
        cache = Path(os.environ["DETECTOR_CACHE"])
        start, cold, kept = [], [], []
        for _ in range(LOADS):
            start.append(self.ours(few, 1, elapsed))
            for file in [*cache.glob("patterns-*"), *cache.glob("rules/*")]:
                file.unlink()
            cold.append(self.ours(few, count, elapsed))
            kept.append(self.ours(few, count, elapsed))
        print(f"the program's start: {min(start)[0]:.1f} s")
        for what, runs in (("cold", cold), ("from the cache", kept)):
            print(f"{count:,} rules {what}: {min(runs)[0]:.1f} s with it, {max(peak for _, peak in runs):.0f} MB")


def main() -> None:
    """Builds, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=100_000)
    parser.add_argument("--large", type=int, default=2_000_000)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rules", type=int, nargs="*", default=[50, 10_000])
    parser.add_argument("--load", type=int, default=40_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with bench_folder(arguments.folder) as folder:
        os.environ["DETECTOR_CACHE"] = str(folder / "cache")  # what is measured cold is deleted: not the user's
        bench = PayloadBench(folder, arguments.small, arguments.large)
        bench.compare(arguments.rules, arguments.pairs)
        bench.load(arguments.load)  # before this process grows: the peak of a child begins with its parent's size
        bench.take_turns(min(arguments.rules), max(arguments.rules), arguments.pairs)
        for count in arguments.rules:  # per ruleset
            bench.searched(count)


if __name__ == "__main__":
    main()
