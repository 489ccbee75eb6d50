"""What a change costs: an earlier commit and this tree, batch after batch in turn on one core, in one run.

Machines share their cores, so two runs one after the other differ by more than most changes do. Here each batch is done by both
before the next, again and again, and the least processor time of each batch counts. Traffic and rules are the earlier commit's.

    python -m tests.bench.against COMMIT [--packets 328000] [--rounds 14]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from detector.capture import open_source
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.loader import load_rules

ROOT = Path(__file__).parents[2]
STAGES = ("packets", "flows and protocols", "rules")
MADE = """
import sys
from pathlib import Path
from tests.bench.rules import write_ours
from tests.bench.traffic import shipped_packets, write_capture
folder = Path(sys.argv[1])
write_ours(folder / "rules.yml")
write_capture(folder / "traffic.pcap", shipped_packets(), int(sys.argv[2]))
"""


class Program:
    """A tree's program, which does one batch whenever it is asked to."""

    def __init__(self, tree: Path, folder: Path) -> None:
        core = str(min(os.sched_getaffinity(0)))
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        if tree != ROOT:
            environment["DETECTOR_CACHE"] = str(folder / "cache")
        subprocess.run([sys.executable, "-m", "detector", "warm"], check=True, cwd=tree, env=environment)
        files = [str(folder / "rules.yml"), str(folder / "traffic.pcap")]
        self._process = subprocess.Popen(
            ["taskset", "-c", core, sys.executable, __file__, "--steps", *files],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tree, env=environment, text=True,
        )  # fmt: skip

    def step(self) -> list[float] | None:
        """Nanoseconds a packet of each stage in the next batch; None behind the last, and then it begins anew."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return [float(word) for word in self._process.stdout.readline().split()] or None

    def end(self) -> None:
        """Stops it."""
        self._process.communicate()


def steps(rules: Path, capture: Path) -> None:
    """The child's side: one batch for each line read, whose times it prints, an empty line at the end of the capture."""
    clock = time.process_time_ns
    ruleset = load_rules([rules])
    asked = iter(sys.stdin)
    while next(asked, None) is not None:  # per round
        pipeline = Pipeline(ruleset, PipelineSettings())
        decoding = pipeline.decoding
        decoding.following.watch(pipeline.engine.selector.watched)
        for batch in open_source([str(capture)]).batches():
            times = [clock()]
            packets = decoding.decoder.decode(batch)
            times.append(clock())
            tables = decoding.following.tables(packets)
            times.append(clock())
            pipeline.engine.detect({"packet": packets, **tables})
            times.append(clock())
            decoding.following.remember(packets)
            print(*(np.diff(times) / len(batch)), flush=True)
            if next(asked, None) is None:
                return
        print(flush=True)


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Path]:
    """A tree of a commit."""
    tree = folder / "earlier"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(tree), commit], check=True, cwd=ROOT)
    try:
        yield tree
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(tree)], check=True, cwd=ROOT)


def main() -> None:
    """Builds, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--packets", type=int, default=328_000)
    parser.add_argument("--rounds", type=int, default=14)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="detector-against-") as name,
        checked_out(arguments.commit, Path(name)) as tree,
    ):
        folder = Path(name)
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        subprocess.run(
            [sys.executable, "-c", MADE, name, str(arguments.packets)], check=True, cwd=tree, env=environment
        )
        programs = {arguments.commit: Program(tree, folder), "this tree": Program(ROOT, folder)}
        least: dict[str, list[list[float]]] = {name: [] for name in programs}
        for _ in range(arguments.rounds):
            rows: dict[str, list[list[float]]] = {name: [] for name in programs}
            is_left = True
            while is_left:  # per batch
                for name, program in programs.items():
                    if (step := program.step()) is None:
                        is_left = False
                    else:
                        rows[name].append(step)
            for name, found in rows.items():
                least[name] = np.minimum(found, least[name] or np.inf).tolist()
        for program in programs.values():
            program.end()
    print(f"{'ns a packet':24}" + "".join(f"{stage:>22}" for stage in STAGES) + f"{'all':>10}")
    sums = {}
    for name, found in least.items():
        each = np.array(found)[1:]  # the first batch loads kernels
        sums[name] = each.sum(axis=1).mean()
        print(f"{name:24}" + "".join(f"{value:22.1f}" for value in each.mean(axis=0)) + f"{sums[name]:10.1f}")
    print(f"this tree takes {sums['this tree'] / sums[arguments.commit]:.3f} times as long")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--steps"]:
        steps(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
