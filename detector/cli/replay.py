"""`detector replay`: captures through the rules to alerts."""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from detector.alerts.alert import Alert
from detector.capture import open_source
from detector.capture.source import BATCH_PACKETS, Source, SourceReport
from detector.cli.options import add_rule_options, amount, load_ruleset, of_site, pace, positive, time_ns
from detector.cli.startup import kept_for_good
from detector.cli.terminal import Terminal
from detector.columns import printable
from detector.errors import InputError
from detector.exercise.pacing import Pacer
from detector.flows.streams import StreamSettings
from detector.packets.decode import DecodeSettings
from detector.pipeline import Pipeline, PipelineSettings, Run
from detector.portions import Portions
from detector.rules.model import Ruleset
from detector.rules.suricata_config import read_suricata_yaml
from detector.service.signals import handled
from detector.silence import reasons, still_learning
from detector.sinks import ConsoleTable, JsonLines, Sink, Summary
from detector.workers import WorkerPipeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument(
        "captures",
        nargs="*",
        metavar="CAPTURE",
        help="capture files and folders, merged in time order; - is standard input",
    )
    add_rule_options(parser)
    parser.add_argument("--alerts", metavar="FILE", help="write alerts as JSON lines; - is standard output")
    parser.add_argument("--strict", action="store_true", help="exit 1 where silence could not be trusted")
    parser.add_argument("--follow", action="store_true", help="wait for more at the end of a file, until interrupted")
    parser.add_argument(
        "--speed", type=pace, default=0.0, metavar="X", help="1: in the capture's own time; 10: ten times as fast"
    )
    parser.add_argument("--since", type=time_ns, metavar="T", help="leave out packets before this time")
    parser.add_argument("--until", type=time_ns, metavar="T", help="leave out packets from this time on")
    parser.add_argument(
        "--run",
        default="",
        dest="run_name",
        metavar="NAME",
        help="name of the exercise run, part of every alert and its id",
    )
    parser.add_argument(
        "--batch-packets", type=positive, default=BATCH_PACKETS, metavar="N", help="packets per batch at most"
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        metavar="N",
        help="processes that follow flows and test rules; the same alerts",
    )
    parser.add_argument(
        "--learn-from", action="append", default=[], metavar="CAPTURE", help="known good traffic for new_value rules"
    )
    parser.add_argument("--check-checksums", action="store_true", help="verify IP, TCP, UDP and ICMP checksums")
    parser.add_argument("--drop-repeats", action="store_true", help="leave out repeats that a mirror port makes")
    parser.add_argument(
        "--keep-redundant", action="store_true", help="judge both copies that PRP or HSR make of a frame"
    )


def run(arguments: argparse.Namespace) -> int:
    """Replays, shows alerts and a summary."""
    if not arguments.captures:
        raise InputError("no capture is given", hint="captures come before --rules, which takes all paths behind it")
    refuse_contradictions(arguments)
    with ExitStack() as startup:
        startup.enter_context(kept_for_good())
        return replayed(arguments, startup)


def replayed(arguments: argparse.Namespace, startup: ExitStack) -> int:
    """The replay; `startup` is over with the first batch, for which all kernels are loaded."""
    ruleset = load_ruleset(arguments)
    decode = DecodeSettings(
        check_checksums=arguments.check_checksums, drop_repeats=arguments.drop_repeats, drop_redundant=not arguments.keep_redundant
    )  # fmt: skip
    policies = read_suricata_yaml(Path(arguments.suricata_yaml)).policies if arguments.suricata_yaml else ()
    settings = PipelineSettings(decode=decode, streams=StreamSettings(policies=policies), run=arguments.run_name)
    settings = of_site(settings, arguments)
    with closing(pipeline_of(ruleset, settings, arguments.workers)) as pipeline:
        return run_through(pipeline, arguments, startup)


def pipeline_of(ruleset: Ruleset, settings: PipelineSettings, workers: int) -> Run:
    """A run in this process, or in several."""
    return WorkerPipeline(ruleset, settings, workers) if workers > 1 else Pipeline(ruleset, settings)


def run_through(pipeline: Run, arguments: argparse.Namespace, startup: ExitStack) -> int:
    """All batches to all sinks, and the summary. Where the next batch may take its time, alerts do not wait for it."""
    if arguments.learn_from:
        startup.close()  # a capture may be long, and what it leaves behind is garbage
        pipeline.learn(open_source(arguments.learn_from))
    source = open_source(arguments.captures, follow=arguments.follow, batch_packets=arguments.batch_packets,
                         since_ns=arguments.since, until_ns=arguments.until)  # fmt: skip
    on_stdout = arguments.alerts == "-"
    console = Terminal(is_error=on_stdout, is_all=not arguments.alerts or on_stdout)
    sinks: list[Sink] = [JsonLines(arguments.alerts)] if arguments.alerts else []
    sinks += [Summary(console)] if on_stdout else [ConsoleTable(console), Summary(console)]
    is_slow = arguments.follow or arguments.speed > 0 or any(map(is_pipe, arguments.captures))
    began = time.perf_counter()
    pacer = Pacer(arguments.speed, time.monotonic, time.sleep)
    portions = Portions(lambda: pipeline.engine.tally)
    with ended_by_signals(source, pacer), progress(console) as advance:
        for batch in pacer.paced(source.batches()):
            for portion in portions.of(batch):
                write(sinks, pipeline.feed(portion))
            if is_slow:
                write(sinks, pipeline.finish())
            advance(source.report)
            startup.close()
        write(sinks, pipeline.finish())
    for sink in sinks:
        sink.close()
    return summarise(console, pipeline, source.report, time.perf_counter() - began, arguments.strict)


def is_pipe(path: str) -> bool:
    """Whether a capture comes as it is written by another program."""
    return path == "-" or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path))


def write(sinks: Sequence[Sink], alerts: Sequence[Alert]) -> None:
    """Alerts to all sinks."""
    for sink in sinks:
        sink.write(alerts)


def refuse_contradictions(arguments: argparse.Namespace) -> None:
    """Arguments of which each alone is right."""
    if None not in (arguments.since, arguments.until) and arguments.since >= arguments.until:
        raise InputError("--until is not after --since", hint="packets from --since on and before --until are read")
    if "-" in arguments.captures and "-" in arguments.learn_from:
        raise InputError("standard input can be read only once", hint="give --learn-from a file")
    if arguments.alerts and arguments.alerts != "-":
        for path in (*arguments.captures, *arguments.learn_from):
            if os.path.exists(path) and os.path.exists(arguments.alerts) and os.path.samefile(path, arguments.alerts):
                raise InputError(
                    f"--alerts {arguments.alerts}: is a capture that is read", hint="it would be overwritten"
                )


@contextmanager
def ended_by_signals(source: Source, pacer: Pacer) -> Iterator[None]:
    """SIGINT and SIGTERM end the source after the packets at hand; the summary is still printed."""

    def stop() -> None:
        source.stop()
        pacer.stop()

    with handled(dict.fromkeys((signal.SIGINT, signal.SIGTERM), stop)):
        yield


Advance = Callable[[SourceReport], None]


@contextmanager
def progress(console: Terminal) -> Iterator[Advance]:
    """A progress bar on a terminal, nothing in a pipe; yields what is to be called after each batch."""
    if not console.is_terminal:
        yield lambda report: None
        return
    columns = (TextColumn("reading"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[packets]:,} packets"),
               TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=None, packets=0)
        yield lambda report: bar.update(
            task, completed=report.read_bytes, total=report.size_bytes or None, packets=report.packets
        )


def summarise(console: Terminal, pipeline: Run, report: SourceReport, seconds: float, strict: bool) -> int:
    """Prints what was seen and what was not; the exit code."""
    counts, engine = pipeline.decoding.counts, pipeline.engine
    pdus = ", ".join(f"{count:,} {name}" for name, count in pipeline.decoding.pdus.items() if count)
    console.say("")
    console.say(
        f"{amount(counts.packets, 'packet')}, {amount(counts.bytes, 'byte')}, {amount(pipeline.decoding.flows.created, 'flow')}, "
        f"PDUs: {pdus or 'none'}; {amount(counts.alerts, 'alert')} from "
        f"{amount(len(pipeline.ruleset.alerting), 'rule')}; {seconds:.1f} s"
    )
    if suppressed := sum(engine.suppressed.values()):
        console.say(f"{amount(suppressed, 'more match', 'more matches')} held back by the rules' limits")
    if anomalies := pipeline.decoding.anomalies:
        console.say("anomalies: " + ", ".join(f"{name} {count:,}" for name, count in sorted(anomalies.items())), "  ")
    if learning := still_learning(pipeline):
        console.say(f"still learning, --learn-from gives them known good traffic: {', '.join(learning)}", "  ")
    found = list(reasons(pipeline, report))
    if found:
        console.say("not everything was seen or judged:", style="yellow")
    for reason in found:
        console.say(f"  - {printable(reason)}", "    ")
    if strict and found:
        console.say(f"--strict: {amount(len(found), 'reason')} why silence cannot be trusted", style="red")
        return 1
    return 0
