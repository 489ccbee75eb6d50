"""Which table claims which conversation, against what tshark calls it: a table over captures, and no mistake in it.

A conversation is tshark's TCP or UDP stream, or the frames between two MAC addresses. It is claimed by a protocol of which a
PDU was found in it, other than a malformed one. Of large captures the first frames are taken, and of the captures a part: all with DETECTOR_LONG=1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.packets.decode import DecodeSettings
from detector.pipeline import Decoding, PipelineSettings
from tests.differential import tshark
from tests.runs import SCENARIOS
from tests.samples import IS_LONG, sample

pytestmark = pytest.mark.differential

MOST = 10**9 if IS_LONG else 800  # frames of a capture
FIELDS = ("frame.number", "frame.protocols", "tcp.stream", "udp.stream", "eth.src", "eth.dst", "data.data")
# tshark's words for what our tables have. S7comm's table has every TPKT: what is none of S7's is claimed as TPKT.
WORDS = {
    "mbtcp": "modbus", "modbus": "modbus", "mbudp": "modbus", "dnp3": "dnp3", "iec60870_104": "iec60870_104", "104apci": "iec60870_104",
    "s7comm": "s7comm", "s7comm-plus": "s7comm", "tpkt": "tpkt", "enip": "enip", "cip": "enip", "cipio": "enip", "goose": "goose", "sv": "sv",
}  # fmt: skip
PLUS = ("7201", "7202", "7203", "72fe")  # what S7-plus begins with in COTP: Wireshark 4.0 has no dissector of it
# Capture and conversation, and why tshark does not say there what it is.
EXEMPT = {
    "enip/controlprotocolchangeattempt.pcap tcp 0": "midstream from client port 1102, whose dissector is asked before 44818's",
    "dnp3/conformance-6.6.2.4.pcap tcp 0": "dnp3.not_dnp3 is said of a first frame that is damaged; those behind it are not",
    "malformed/dnp3-malformed.pcap tcp 0": "its one header has a length of 2, and the least is 5 (IEEE 1815, 9.2.4.1.2)",
}
Conversation = tuple[str, ...]
Found = dict[Conversation, set[str]]


def theirs(path: Path) -> tuple[Found, dict[Conversation, str], dict[int, Conversation]]:
    """(our protocols that tshark sees, the innermost of its words, the conversation of each frame)."""
    found: Found = defaultdict(set)
    called: dict[Conversation, str] = {}
    of_frame: dict[int, Conversation] = {}
    for values in tshark.values(path, FIELDS, MOST):
        words = values["frame.protocols"][0].split(":")
        kind = "tcp" if "tcp" in words else "udp" if "udp" in words else "eth"
        ends = values[f"{kind}.stream"][-1:] if kind != "eth" else [*values["eth.src"][:1], *values["eth.dst"][:1]]
        key = of_frame[int(values["frame.number"][0])] = (kind, *ends)
        found[key] |= {WORDS[word] for word in words if word in WORDS}
        if "cotp" in words and values["data.data"] and values["data.data"][0].startswith(PLUS):
            found[key].add("s7comm")
        if words[-1] not in ("tcp", "udp", "ip", "ipv6", "data") or key not in called:
            called[key] = words[-1]
    return found, called, of_frame


def ours(path: Path) -> Iterator[tuple[int, str]]:
    """(frame, protocol) of every PDU that is not malformed, and (frame, anomaly) of what is said of ports."""
    decoding = Decoding(PipelineSettings(decode=DecodeSettings(drop_redundant=False)))
    for batch in open_source([str(path)], batch_packets=min(MOST, 16384)).batches():
        for name, table in decoding.tables(batch)[1].items():
            if table.rows == 0:
                continue
            numbers = table.column("frame.number").values
            is_own = table.column(name).values.astype(bool)
            if name == "s7comm":
                is_own |= table.column("s7comm-plus").values.astype(bool)
            anomalies = table.column("pdu.anomaly")
            for value, row in zip(*anomalies.flat(), strict=True):
                said = anomalies.field.labels[int(value)]
                if said in (f"{name}.not_{name}", f"{name}.other_port"):
                    yield int(numbers[row]), said
            for row in (table.kinds != 3).nonzero()[0]:
                if is_own[row]:
                    yield int(numbers[row]), name
                elif name == "s7comm":
                    yield int(numbers[row]), "tpkt"
        if not IS_LONG:
            break


def test_every_conversation_is_claimed_by_its_protocol(captures: Path) -> None:
    tshark.require_tool("tshark")
    confusion: Counter[tuple[str, str]] = Counter()
    ports: Counter[str] = Counter()
    wrong, missed = [], []
    paths = sorted([*captures.rglob("*.pcap*"), *captures.rglob("*.cap"), *SCENARIOS.rglob("*.pcap")])
    for path in sample(paths, 40):
        found, called, of_frame = theirs(path)
        claimed: Found = defaultdict(set)
        said: Found = defaultdict(set)
        for number, name in ours(path):
            if number in of_frame:
                (said if "." in name else claimed)[of_frame[number]].add(name)
        for key, words in found.items():
            where = f"{path.parent.name}/{path.name} {' '.join(key)}"
            ports.update(said[key])
            for name in sorted(claimed[key] or {"-"}):
                confusion["+".join(sorted(words - {"tpkt"} or words)) or f"({called[key]})", name] += 1
            if where in EXEMPT:
                continue
            wrong += [f"{where}: {name}, tshark says {called[key]}" for name in sorted(claimed[key] - words)]
            wrong += [f"{where}: not_{name}" for name in sorted(words) if f"{name}.not_{name}" in said[key]]
            wrong += [
                f"{where}: {one}" for one in said[key] if one.endswith("other_port") and one.split(".")[0] not in words
            ]
            missed += [f"{where}: {name}" for name in sorted(words - claimed[key] - {"tpkt"})]
    print("\n".join(f"{count:8,} {truth:30} {name}" for (truth, name), count in sorted(confusion.items())))
    print("\n".join(f"{count:8,} {name}" for name, count in sorted(ports.items())))
    assert wrong == [], "\n".join(wrong[:40])
    assert missed == [], "\n".join(missed[:40])
