"""A soak of the daemon: live traffic for minutes, rules that change all the while, and whether anything grows, drops or is missed.

python -m tests.bench.soak --minutes 20 --pps 20000 --workers 1

Two network namespaces and a cable; tcpreplay sends the shipped scenarios again and again, mixed with Modbus writes over UDP of
which every one alerts, so that the number of alerts is known from the number of packets. Every so often rules are loaded anew:
one changes its title and level, one comes or goes with ever another value, all others stay and must keep their state.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.traffic import shipped_packets, write_capture
from tests.live.network import Cable, network, sent
from tests.runs import RULES
from tests.service.running import RunningDaemon, until
from tests.service.writes import writes

REPETITIONS = 8  # of all scenarios in the capture that is sent in a loop: some ten seconds
EVERY = 400  # one packet in so many is a write
SAMPLE_SECONDS, SCRAPE_SECONDS = 2.0, 15.0
WINDOWS = 6  # of the rest; the first is compared with the others
FLAT = 1.05

EVERY_WRITE, FIRST_WRITE = "5e0d3a57-7f0a-4a39-8a44-1c3d2b7c0a01", "5e0d3a57-7f0a-4a39-8a44-1c3d2b7c0a02"
RULE = """\
title: {title}
id: {id}
status: test
level: {level}
protocol: modbus
detection:
  write: {{modbus.func_code: 6, pdu.kind: request, ip.proto: 17}}
  condition: write
alert: {{message: "{{ip.src}} wrote register {{modbus.reference_num}}", limit: {limit}}}
"""
COMES_AND_GOES = """\
title: Soak, a rule that comes and goes
id: 5e0d3a57-7f0a-4a39-8a44-1c3d2b7c0a03
status: test
level: low
protocol: modbus
detection:
  register: {{modbus.reference_num: [{value}, 65535]}}
  text: {{tcp.payload|re: "never {value} in traffic"}}
  condition: register and text
"""


@dataclass(frozen=True)
class Plan:
    """What is to be done."""

    minutes: float = 20.0
    pps: int = 20_000
    workers: int = 1
    reload_seconds: float = 30.0
    warm: float = 0.25  # of the time: memory is compared from then on


@dataclass(frozen=True)
class Sample:
    """The daemon at one moment. memory: proportional set size of all its processes."""

    seconds: float
    memory: int
    descriptors: int
    processes: int


@dataclass
class Result:
    """What happened. alerts: lines of the file by rule id; titles: of the rule that alerts at every write."""

    plan: Plan
    packets: int = 0  # that were sent
    per_second: float = 0.0
    decoded: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    expected: int = 0  # alerts of every write
    stations: int = 0  # that write
    alerts: Counter[str] = field(default_factory=Counter)
    titles: Counter[str] = field(default_factory=Counter)
    counted: int = 0  # alerts by /metrics
    delivered: int = 0  # by /metrics
    repeated: int = 0  # alerts whose id is in the file already
    reloads: int = 0
    failed_reloads: list[str] = field(default_factory=list)
    reload_seconds: float = 0.0  # the longest
    within: float = 0.0  # share of alerts that were in the spool 250 ms after their packet
    samples: list[Sample] = field(default_factory=list)
    exit_code: int = -1
    log_errors: list[str] = field(default_factory=list)

    def windows(self) -> list[list[Sample]]:
        """The samples after the warm-up, in parts of equal length."""
        begin, end = self.samples[-1].seconds * self.plan.warm, self.samples[-1].seconds
        length = (end - begin) / WINDOWS
        found: list[list[Sample]] = [[] for _ in range(WINDOWS)]
        for sample in self.samples:
            if sample.seconds >= begin:
                found[min(WINDOWS - 1, int((sample.seconds - begin) / length))].append(sample)
        return found

    @property
    def growth(self) -> float:
        """Memory of the last window, as a multiple of the first's after the warm-up."""
        first, *_, last = self.windows()
        return memory_of(last) / memory_of(first)

    def mistakes(self) -> list[str]:
        """What is not as it must be."""
        first, *_, last = self.windows()
        wrong = {
            "packets were dropped": any(self.dropped.values()),
            "packets are missing": self.decoded != self.packets,
            "alerts of the writes are missing, or too many": self.alerts[EVERY_WRITE] != self.expected,
            "alerts in the file are not those of /metrics": not self.counted == self.delivered == self.alerts.total(),
            "alerts were written twice": self.repeated > 0,
            "the rule that did not change forgot its state": self.alerts[FIRST_WRITE] != self.stations,
            "the rule that changed did not alert under both titles": len(self.titles) != 2,
            "a reload failed": bool(self.failed_reloads) or not self.reloads,
            f"memory grew by {self.growth - 1:.1%}": self.growth > FLAT,
            "descriptors are left open": descriptors_of(last) > descriptors_of(first),
            "processes came or went": len({sample.processes for sample in self.samples}) != 1,
            "the log tells of errors": bool(self.log_errors),
            f"it ended with {self.exit_code}": self.exit_code != 0,
        }
        return [what for what, is_so in wrong.items() if is_so]

    def lines(self) -> Iterator[str]:
        """The result for a reader."""
        yield f"{'from s':>8} {'memory MB':>10} {'highest':>8} {'descriptors':>12}"
        warming = [sample for sample in self.samples if sample.seconds < self.samples[-1].seconds * self.plan.warm]
        for part in (warming, *self.windows()):
            highest = max(sample.memory for sample in part)
            yield (
                f"{part[0].seconds:>8.0f} {memory_of(part) / 1e6:>10.1f} {highest / 1e6:>8.1f} "
                f"{descriptors_of(part):>12}"
            )
        yield f"{self.packets:,} packets sent at {self.per_second:,.0f} a second, {self.decoded:,} decoded, dropped {self.dropped}"
        yield (
            f"{self.alerts.total():,} alerts in the file, {self.alerts[EVERY_WRITE]:,} of {self.expected:,} expected of writes, "
            f"{self.within:.2%} in the spool within 250 ms"
        )
        yield (
            f"{self.reloads} reloads, the longest {self.reload_seconds:.2f} s; memory {self.growth - 1:+.2%} after the warm-up; "
            f"{self.plan.workers} worker(s)"
        )
        yield "\n".join(self.failed_reloads + self.log_errors)
        yield "OK" if not (wrong := self.mistakes()) else "WRONG: " + "; ".join(wrong)


def memory_of(part: Sequence[Sample]) -> float:
    """The median: a checkpoint copies the state, for a moment."""
    return statistics.median(sample.memory for sample in part)


def descriptors_of(part: Sequence[Sample]) -> int:
    """The fewest: a file that is being written, or somebody's question, is open for a moment."""
    return min(sample.descriptors for sample in part)


def soak(folder: Path, plan: Plan, say: Callable[[str], None] = lambda _: None) -> Result:
    """Runs it; the daemon's files lie in a folder."""
    result = Result(plan)
    capture, writes_in_capture, packets_in_capture = traffic(folder, result)
    loops = max(1, round(plan.minutes * 60 * plan.pps / packets_in_capture))
    write_rules(folder, 0)
    with network() as cable, daemon_on(cable, folder, plan) as daemon:
        daemon.start()
        # Some packets at once and then a rest: tcpreplay would keep a core busy with waiting otherwise.
        options = ("--pps", str(plan.pps), "--pps-multi", str(max(1, plan.pps // 1000)), "--loop", str(loops))
        sending = cable.start_replay(capture, *options)
        try:
            watch(daemon, sending, folder, plan, result, say)
            said = sent(sending.communicate(timeout=60)[0])
        finally:
            if sending.poll() is None:
                sending.kill()
                sending.communicate()
        result.packets, result.per_second = said.packets, said.per_second
        assert said.packets == loops * packets_in_capture, "tcpreplay could not send everything"
        result.expected = loops * writes_in_capture
        finish(daemon, result)
    read_alerts(folder, result)
    result.log_errors = errors_of(daemon.log_text())
    return result


def traffic(folder: Path, result: Result) -> tuple[Path, int, int]:
    """A capture, how many writes are in it, and how many packets."""
    packets = shipped_packets()
    places = range(EVERY, len(packets), EVERY)
    result.stations = len(places)
    for number, place in enumerate(places):
        [(_, frame)] = writes(1, first=1000 * number)  # each of another station
        packets.insert(place, frame)
    path = folder / "traffic.pcap"
    write_capture(path, packets, REPETITIONS * len(packets))
    return path, REPETITIONS * len(places), REPETITIONS * len(packets)


def daemon_on(cable: Cable, folder: Path, plan: Plan) -> RunningDaemon:
    """A daemon with the shipped rules and those of the soak; its file of alerts is rotated, and nothing of it is deleted."""
    return RunningDaemon(folder, {
        "rules": [str(RULES), str(folder / "rules")], "watch_rules": False, "workers": plan.workers, "checkpoint": "10s",
        "sources": [{"interface": {"name": cable.sensor.interface}}],
        "alerts": [{"jsonl": {"path": str(folder / "alerts.jsonl"), "rotate": "4MB", "keep": 1000}}],
    }, namespace=cable.sensor.namespace)  # fmt: skip


def write_rules(folder: Path, number: int) -> None:
    """The rules as they are after so many reloads."""
    rules = folder / "rules"
    rules.mkdir(exist_ok=True)
    title, level = (("Soak, every write", "high"), ("Soak, any write", "low"))[number % 2]
    (rules / "every.yml").write_text(RULE.format(title=title, id=EVERY_WRITE, level=level, limit="none"))
    (rules / "first.yml").write_text(
        RULE.format(
            title="Soak, the first write of a station",
            id=FIRST_WRITE,
            level="low",
            limit="{by: [ip.src], count: 1, every: 12h}",
        )
    )
    if number % 2:
        (rules / "guest.yml").write_text(COMES_AND_GOES.format(value=60_000 + number))
    else:
        (rules / "guest.yml").unlink(missing_ok=True)


def watch(
    daemon: RunningDaemon, sending: subprocess.Popen[str], folder: Path, plan: Plan, result: Result,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Samples, scrapes and reloads for as long as packets are sent."""
    began = time.monotonic()
    next_scrape, next_reload = SCRAPE_SECONDS, plan.reload_seconds
    while sending.poll() is None:
        now = time.monotonic() - began
        if now >= next_reload:
            next_reload += plan.reload_seconds
            reload(daemon, folder, result)
        if now >= next_scrape:
            next_scrape += SCRAPE_SECONDS
            daemon.page()
        result.samples.append(sample(daemon.pid, time.monotonic() - began))
        say(f"{now:6.0f} s {result.samples[-1].memory / 1e6:8.1f} MB, {result.samples[-1].descriptors} descriptors")
        with suppress(subprocess.TimeoutExpired):
            sending.wait(SAMPLE_SECONDS)


def reload(daemon: RunningDaemon, folder: Path, result: Result) -> None:
    """Other rules, and whether they took effect."""
    result.reloads += 1
    write_rules(folder, result.reloads)
    began = time.monotonic()
    try:
        answer = daemon.ask("reload", timeout=120)
    except AssertionError as error:
        result.failed_reloads.append(str(error))
        return
    result.reload_seconds = max(result.reload_seconds, time.monotonic() - began)
    diff = answer["diff"]
    if len(diff["changed"]) != 1 or len(diff["added"]) + len(diff["removed"]) != 1:
        result.failed_reloads.append(str(diff))


def sample(pid: int, seconds: float) -> Sample:
    """Memory and descriptors of a process and its children."""
    memory = descriptors = processes = 0
    todo = [pid]
    while todo:
        one = Path(f"/proc/{todo.pop()}")
        with suppress(OSError):  # it has just ended
            sizes = dict(line.split(":") for line in (one / "smaps_rollup").read_text().splitlines()[1:])
            memory += sum(int(sizes[name].split()[0]) * 1024 for name in ("Pss", "SwapPss"))
            descriptors += len(list((one / "fd").iterdir()))
            processes += 1
            for task in (one / "task").iterdir():
                todo += [int(child) for child in (task / "children").read_text().split()]
    return Sample(seconds, memory, descriptors, processes)


def finish(daemon: RunningDaemon, result: Result) -> None:
    """Waits until all that was sent is judged and delivered, notes what the daemon says of it, and stops it."""

    def judged() -> int:
        source = daemon.ask("status")["sources"][0]
        result.decoded, result.dropped = source["packets"], source["dropped"]
        return int(source["packets"] + sum(source["dropped"].values()))

    with suppress(AssertionError):  # what is missing is told by the result
        until(lambda: judged() >= result.packets, 30, "the rest to be judged")
        until(lambda: daemon.metric("detector_spool_waiting") == 0, 30, "alerts to be delivered")
    until(
        lambda: daemon.metric("detector_packets_seen_total") >= judged(), 30, "the page to tell of it"
    )  # a page may be some seconds old
    result.counted = int(daemon.metric("detector_alerts_total"))
    result.delivered = int(daemon.metric("detector_sink_delivered_total"))
    late = "detector_detection_latency_seconds"
    result.within = daemon.metric(f"{late}_bucket", le="0.25") / max(1.0, daemon.metric(f"{late}_count"))
    result.exit_code = daemon.stop()


def read_alerts(folder: Path, result: Result) -> None:
    """Counts the lines of the file and of those that it was rotated to."""
    ids: set[bytes] = set()
    for path in folder.glob("alerts.jsonl*"):
        with path.open("rb") as lines:
            for line in lines:
                alert = json.loads(line)
                event_id = bytes.fromhex(alert["event"]["id"])
                result.repeated += event_id in ids
                ids.add(event_id)
                result.alerts[alert["rule"]["id"]] += 1
                if alert["rule"]["id"] == EVERY_WRITE:
                    result.titles[alert["rule"]["name"]] += 1


def errors_of(log: str) -> list[str]:
    """Lines of the daemon's log that tell of an error, and those that are no log lines at all, as of a crash."""
    found = []
    for line in log.splitlines():
        try:
            if json.loads(line)["level"] in ("error", "critical"):
                found.append(line)
        except ValueError:
            found.append(line)
    return found


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=Plan.minutes)
    parser.add_argument("--pps", type=int, default=Plan.pps)
    parser.add_argument("--workers", type=int, default=Plan.workers)
    parser.add_argument("--reload", type=float, default=Plan.reload_seconds, help="seconds between two reloads")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # ends daemon, sender and network as well
    with tempfile.TemporaryDirectory(prefix="detector-soak-") as name:
        result = soak(
            Path(name),
            Plan(given.minutes, given.pps, given.workers, given.reload),
            lambda line: print(line, flush=True),
        )
    print("\n".join(result.lines()))
    return 1 if result.mistakes() else 0


if __name__ == "__main__":
    sys.exit(main())
