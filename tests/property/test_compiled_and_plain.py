"""Kernels mean the same compiled and as plain Python: every column and every alert, and no kernel is left out."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from detector.capture import open_source
from tests.differential.suricata.captures import frames_of as wire_of
from tests.differential.suricata.compare import configuration
from tests.differential.suricata.rules import all_rules, write_rules
from tests.differential.suricata.wire import MACS, SECOND
from tests.differential.test_dnp3 import built as built_dnp3
from tests.differential.test_enip import built as built_enip
from tests.differential.test_goose import built_goose, built_sv
from tests.differential.test_iec104 import built as built_iec104
from tests.differential.test_modbus import built as built_modbus
from tests.differential.test_packet_fields import built_capture
from tests.differential.test_redundancy import built_redundancy
from tests.differential.test_s7comm import built as built_s7comm
from tests.differential.test_suricata_policies import conversations
from tests.differential.test_suricata_sessions import stamped
from tests.flows.frames import CLIENT
from tests.pcapng import blocks, interface, option, packet, section
from tests.protocols.streams import Turn, segments
from tests.protocols.test_ics import MODBUS_SERVER, adu
from tests.protocols.test_s7comm import plus_turns
from tests.rough import disordered, repeated, split_and_wrapped, torn
from tests.runs import ROOT, SCENARIOS, frames_of, pcap_bytes

REAL = (
    "modbus/test-data-part1.pcap",
    "dnp3/example.pcap",
    "mixed/plant-modbus-s7-enip.pcap",
    "mixed/synchrophasor-and-it.pcapng",
)
OF_SIGNATURES = (
    "chains", "connections", "long_flows", "udp_payloads", "server_texts", "disordered_streams", "hosts", "rates", "marked_flows",
    "fragments", "broken", "odd_streams", "icmp", "icmp6", "flags", "numbers", "lifetimes", "tunnels",
)  # fmt: skip
SEED = 20240501


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Built packets of every layer, every Modbus function, every DNP3 object, rough traffic, and a piece of each scenario."""
    folder = tmp_path_factory.mktemp("digest")
    made = [
        built_capture(folder),
        built_modbus(folder),
        built_dnp3(folder),
        built_iec104(folder),
        built_s7comm(folder),
        built_enip(folder),
    ]
    made += [built_goose(folder), built_sv(folder), built_redundancy(folder), over_batches(folder)]
    pieces = {path.parent.name: frames_of(path, 150, 25) for path in sorted(SCENARIOS.glob("*/capture.pcap"))}
    pieces |= {
        "disordered": disordered(SEED)[500:700],
        "repeated": repeated(SEED)[800:1000],
        "split": split_and_wrapped(SEED)[700:1100],
        "torn": torn(SEED),
    }
    for name, frames in pieces.items():
        made.append(folder / f"{name}.pcap")
        made[-1].write_bytes(pcap_bytes(frames))
    made += [conversations().write(folder / "policies.pcap"), stamped(range(30))[0].write(folder / "stamped.pcap")]
    return [*made, many_links(folder / "links.pcapng")]


def over_batches(folder: Path) -> Path:
    """A write whose reply comes in the next of tests.digest's batches, of 97 packets; and S7comm-plus."""
    turns: list[Turn] = [("c", adu(number, "03 0064 0002")) for number in range(93)]
    turns += [("c", adu(200, "10 0005 0002 04 0001 0002")), ("s", adu(200, "10 0005 0002"))]
    frames = segments(turns, (), CLIENT, MODBUS_SERVER) + segments(
        plus_turns(), (), ("10.0.0.1", 40001), ("10.0.0.2", 102)
    )
    path = folder / "over-batches.pcap"
    path.write_bytes(pcap_bytes([(SECOND, frame) for frame in frames]))
    return path


def many_links(path: Path) -> Path:
    """A pcapng in both byte orders, with an interface of each link type and time resolution, and comments."""
    inner = bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=2) / Raw(b"link"))
    links = {
        1: bytes(12) + b"\x08\x00", 101: b"", 12: b"", 228: b"", 0: b"\x02\0\0\0", 108: b"\0\0\0\x02", 9: b"\xff\x03\x00\x21", 50: b"\x21",
        113: bytes(14) + b"\x08\x00", 276: b"\x08\x00" + bytes(18), 147: b"",
    }  # fmt: skip
    data = b""
    for order in "<>":
        options = [option(9, bytes([power]), order) for power in (6, 9, 3, 0x8A, 0x94, 12)]
        parts = [section(order)]
        parts += [interface(link, options[number % 6], order=order) for number, link in enumerate(links)]
        parts += [packet(head + inner, (1 << 40) + number, number, comment=f"link {link}", order=order)
                  for number, (link, head) in enumerate(links.items())]  # fmt: skip
        data += blocks(*parts, order=order)
    path.write_bytes(data)
    return path


@pytest.fixture(scope="module")
def payloads(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Arguments for tests.digest: rules with every keyword of Suricata's that is known, and captures in which they match."""
    folder = tmp_path_factory.mktemp("payloads")
    rules = write_rules(folder / "all.rules", all_rules())
    (folder / "suricata.yaml").write_text(configuration())
    made = [wire_of(name).write(folder / f"{name}.pcap") for name in OF_SIGNATURES]
    made.append(full(folder / "full.pcap"))
    return ["--rules", rules, "--payloads", *made]


def full(path: Path) -> Path:
    """Datagrams that are full of a rule's bytes, so that the kernel searches for them."""
    packet = Ether(**MACS) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=4000) / Raw(b"Server: GoAhead\r\n" * 20)
    path.write_bytes(pcap_bytes([(SECOND * number, bytes(packet)) for number in range(1, 101)]))
    return path


def digests(files: Sequence[object], is_plain: bool) -> dict[str, Any]:
    """tests.digest in a process of its own."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1" if is_plain else "0"}
    warned = ["-W", "error::RuntimeWarning"] if is_plain else []
    done = subprocess.run([sys.executable, *warned, "-m", "tests.digest", *map(str, files)], capture_output=True, text=True,
                          env=environment, cwd=ROOT)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def kernels() -> set[str]:
    """file:function of every kernel."""
    return {
        f"{path.name}:{node.name}"
        for path in (ROOT / "detector").rglob("*_kernels.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }


@pytest.mark.slow
def test_columns_and_alerts_are_the_same(files: list[Path], payloads: list[object]) -> None:
    """A byte that wraps in one of the two, or a division that rounds otherwise, would be a rule that fires by chance."""
    compiled, plain = digests([*files, *payloads], False), digests([*files, *payloads], True)
    ran = set(plain.pop("kernels"))
    assert compiled.pop("kernels") == []
    assert len(compiled) > 1000
    assert [what for what in compiled if compiled[what] != plain.get(what)] == []
    assert len(compiled) == len(plain)
    left = sorted(kernels() - ran)
    assert left == [], f"{left}: kernels that no capture here reaches"


def test_real_captures_are_the_same(captures: Path, tmp_path: Path) -> None:
    """And on bytes that nobody here made."""
    cut = []
    for name in REAL:
        batch = next(iter(open_source([str(captures / name)], batch_packets=250).batches()))
        spans = zip(batch.times.tolist(), batch.starts.tolist(), batch.stops.tolist(), strict=True)
        frames = [(time, batch.buffer[start:stop].tobytes()) for time, start, stop in spans]
        cut.append(tmp_path / Path(name).with_suffix(".pcap").name)
        cut[-1].write_bytes(pcap_bytes(frames, int(batch.link_types[0])))
    compiled, plain = digests(cut, False), digests(cut, True)
    assert {**compiled, "kernels": 0} == {**plain, "kernels": 0}
