"""Warming compiles everything: after it no capture and no rule of ours makes a kernel wait for the compiler."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scapy.config import conf

from detector.capture import open_source
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols import PROTOCOLS
from detector.warming import steps, traffic
from tests.differential.suricata.captures import frames_of as wire_of
from tests.differential.suricata.rules import all_rules, write_rules
from tests.property.test_compiled_and_plain import SEED, many_links
from tests.rough import repeated, split_and_wrapped, torn
from tests.runs import ROOT, SCENARIOS, pcap_bytes

PROBE = """
import gc, json, sys
from numba.core.dispatcher import Dispatcher
from detector.capture import open_source
from detector.pipeline import PipelineSettings
from pathlib import Path
from detector.rules.loader import load_rules
from detector.warming import steps
from tests.digest import digest, signatures

def known():
    made = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    return {(one.py_func.__name__, str(signature)) for one in made for signature in one.signatures}

for _, step in steps():
    step()
before = known()
rules, *captures = sys.argv[1:]
for path in captures:
    digest(path, [path], PipelineSettings())
    signatures(path, load_rules([Path(rules)]), path, PipelineSettings())
for _ in open_source(captures, batch_packets=50).batches():
    pass
print(json.dumps([len(before), sorted({name for name, _ in known() - before})]))
"""


def test_steps_run_and_are_named() -> None:
    """What the progress bar counts: decoding, each table's columns, rules, the same in workers."""
    todo = steps()
    assert [name for name, _ in todo] == [
        "capture",
        "live capture",
        "decode",
        "windows of streams",
        "columns of packet",
        *(f"columns of {protocol.name}" for protocol in PROTOCOLS),
        "columns of ics",
        "filters",
        "rules",
        "payload rules",
        "workers",
    ]
    for _, step in todo:
        step()


def test_the_traffic_has_what_kernels_branch_on(tmp_path: Path) -> None:
    """A PDU of every protocol."""
    path, decoding = tmp_path / "traffic.pcap", Decoding(PipelineSettings())
    path.write_bytes(pcap_bytes(list(enumerate(traffic()))))
    for batch in open_source([str(path)]).batches():
        decoding.tables(batch)
    assert {name for name, pdus in decoding.pdus.items() if pdus} == {protocol.name for protocol in PROTOCOLS}


def test_warming_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scapy asks the network for an Ethernet address it is not given: on a sensor beside a plant that must not happen."""

    def asked(*_: object, **__: object) -> None:
        raise AssertionError("Scapy looked for an address")

    monkeypatch.setattr(conf.neighbor, "resolve", asked)
    monkeypatch.setattr("scapy.layers.l2.getmacbyip", asked)
    assert traffic()


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_after_warming_nothing_is_compiled(tmp_path: Path) -> None:
    """Else the first attack waits for a compiler, on a sensor whose cache is read-only at every start."""
    captures = [SCENARIOS / "minute-attack" / "capture.pcap", many_links(tmp_path / "links.pcapng")]
    captures += [wire_of(name).write(tmp_path / f"{name}.pcap") for name in ("chains", "marked_flows", "fragments")]
    for name, frames in (
        ("split", split_and_wrapped(SEED)[:900]),
        ("torn", torn(SEED)),
        ("repeated", repeated(SEED)[:900]),
    ):
        captures.append(tmp_path / f"{name}.pcap")
        captures[-1].write_bytes(pcap_bytes(frames))
    rules = write_rules(tmp_path / "all.rules", all_rules())
    done = subprocess.run(
        [sys.executable, "-c", PROBE, str(rules), *map(str, captures)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    kernels, missed = json.loads(done.stdout)
    assert kernels > 20
    assert missed == [], f"compiled after warming: {missed}"
