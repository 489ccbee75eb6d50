"""Content that is hidden from an observer of TCP is found by a rule, or an anomaly says that readers differ.

A case is a connection whose receiver gets PREFIX + content + suffix. How the bytes travel is drawn at random. Where nothing that
a receiver and an observer may take differently was mixed in, the content must be found; an anomaly alone is not enough.
"""

from __future__ import annotations

import random
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from detector.pipeline import Pipeline
from detector.rules.loader import load_rules
from tests.flows.frames import ACK, FIN, PUSH, RST, SECOND, SYN, batches, ethernet

pytestmark = pytest.mark.kernel

GROUPS, CASES = 40, 50  # 2,000 cases
URG, ECE, CWR = 32, 64, 128
SERVER = ("10.9.9.9", 80)
DECEPTIONS = (
    "other bytes before",
    "other bytes after",
    "fragments differ",
    "urgent",
    "forged SYN",
    "no ACK flag, other bytes",
)
HARMLESS = (
    "same bytes again",
    "fragments",
    "fragments overlap",
    "RST out of window",
    "odd flags",
    "low TTL",
    "keep-alive",
    "longer again",
)


@dataclass
class Case:
    """A connection as it is made: its end, sequence numbers of both sides, what was done to it, its frames."""

    port: int
    chance: random.Random
    ways: list[str] = field(default_factory=list)
    frames: list[bytes] = field(default_factory=list)
    content: bytes = b""
    number: int = 0

    def tcp(self, flags: int, sequence: int, acknowledged: int, payload: bytes = b"", ttl: int = 64, from_server: bool = False,
            urgent: int = 0) -> list[bytes]:  # fmt: skip
        """A segment as one frame."""
        ports = (SERVER[1], self.port) if from_server else (self.port, SERVER[1])
        head = struct.pack(">HHIIBBHHH", *ports, sequence % 2**32, acknowledged % 2**32, 5 << 4, flags, 8192, 0, urgent)
        return [self.ip(head + payload, 0, ttl, from_server)]

    def ip(self, data: bytes, fragment: int, ttl: int = 64, from_server: bool = False) -> bytes:
        """A frame of an IP packet; its number changes only with a datagram that is not in pieces."""
        if fragment == 0:
            self.number += 1
        ends = [bytes((10, 9, 9, 9)), bytes((10, 0, self.port >> 8, self.port & 255))]
        first, second = ends if from_server else ends[::-1]
        head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(data), self.number & 0xFFFF, fragment, ttl, 6, 0)
        return ethernet(head + first + second + data)

    def pieces(self, frame: bytes, differ: bool, overlap: bool) -> list[bytes]:
        """An IP packet in fragments of 8 bytes or more, in any order, some of them over others."""
        data, self.number = frame[34:], self.number + 1
        cuts = sorted(
            {0, *(8 * self.chance.randrange(3, len(data) // 8 + 1) for _ in range(self.chance.randrange(1, 4)))}
        )
        spans = [(a, b) for a, b in zip(cuts, [*cuts[1:], len(data)], strict=True) if a < b]
        if len(spans) == 1:
            return [frame]
        made = [self.ip(data[a:b], (a // 8) | (0x2000 if b < len(data) else 0)) for a, b in spans]
        if overlap:
            a, b = spans[0]
            again = bytearray(data[a:b])
            if differ:
                again[-1] ^= 0x55
            made.insert(self.chance.randrange(len(made)), self.ip(bytes(again), (a // 8) | 0x2000))
        self.chance.shuffle(made)
        return made


def scrambled(payload: bytes) -> bytes:
    """Other bytes of the same length, each different."""
    return bytes(byte ^ 0x21 for byte in payload)


def make_case(seed: int) -> Case:
    """One connection."""
    chance = random.Random(seed)
    case = Case(1024 + seed % 60000, chance)
    case.content = bytes(chance.choice(b"abcdefghijklmnopqrstuvwxyz") for _ in range(chance.randrange(4, 17)))
    text = bytes(chance.randrange(65, 91) for _ in range(chance.randrange(40))) + case.content
    text += bytes(chance.randrange(65, 91) for _ in range(chance.randrange(1, 40)))
    deceives = chance.random() < 0.5
    case.ways = chance.sample(HARMLESS, chance.randrange(1, 4))
    if deceives:
        case.ways += chance.sample(DECEPTIONS, chance.randrange(1, 3))
    client, server = chance.choice((chance.randrange(2**32), 2**32 - 20)), chance.randrange(2**32)
    if "urgent" in case.ways:
        at = text.index(case.content) + chance.randrange(1, len(case.content))
        text = text[:at] + b"!" + text[at:]
    else:
        at = -1
    frames = [
        case.tcp(SYN, client, 0),
        case.tcp(SYN | ACK, server, client + 1, from_server=True),
        case.tcp(ACK, client + 1, server + 1),
    ]
    cuts = sorted({0, *(chance.randrange(1, len(text)) for _ in range(chance.choice((0, 1, 2, 5, len(text)))))})
    units: list[list[list[bytes]]] = []
    hidden = range(text.index(case.content[:1]), len(text))
    for start, stop in zip(cuts, [*cuts[1:], len(text)], strict=True):
        units.append(segment(case, text, start, stop, client + 1 + start, server + 1, at, hidden))
    if chance.random() < 0.6:
        chance.shuffle(units)
    if "forged SYN" in case.ways:
        units.insert(
            chance.randrange(len(units) + 1), [case.tcp(SYN, client + chance.choice((-(10**6), 10**6)), 0, ttl=2)]
        )
    if "RST out of window" in case.ways:
        units.insert(chance.randrange(len(units) + 1), [case.tcp(RST, client + 10**8, server)])
    frames += [frame for unit in units for frame in unit]
    frames.append(case.tcp(ACK, server + 1, client + 1 + len(text), from_server=True))
    frames.append(case.tcp(FIN | ACK, client + 1 + len(text), server + 1))
    case.frames = [one for frame in frames for one in frame]
    return case


def segment(case: Case, text: bytes, start: int, stop: int, sequence: int, acknowledged: int, urgent: int,
            hidden: range) -> list[list[bytes]]:  # fmt: skip
    """text[start:stop] and what comes with it."""
    chance, payload = case.chance, text[start:stop]
    flags, ttl = ACK | PUSH, 64
    if "odd flags" in case.ways:
        flags |= chance.choice((0, ECE, CWR, ECE | CWR))
    if "low TTL" in case.ways:
        ttl = chance.choice((1, 2, 64))
    pointer = 0
    if start <= urgent < stop:
        flags, pointer = flags | URG, urgent - start + 1
    real = case.tcp(flags, sequence, acknowledged, payload, ttl, urgent=pointer)
    if len(payload) >= 8 and {"fragments", "fragments overlap", "fragments differ"} & set(case.ways):
        differ = "fragments differ" in case.ways
        real = case.pieces(real[0], differ, differ or "fragments overlap" in case.ways)
    unit = [real]
    if "same bytes again" in case.ways:
        unit += [case.tcp(ACK, sequence, acknowledged, payload)] * chance.randrange(2)
    if "longer again" in case.ways and start:
        back = chance.randrange(1, start + 1)
        unit.insert(chance.randrange(2), case.tcp(ACK, sequence - back, acknowledged, text[start - back : stop]))
    if "keep-alive" in case.ways and start == 0:
        unit.insert(0, case.tcp(ACK, sequence - 1, acknowledged, b"\0"))
    other = scrambled(payload)
    if "other bytes before" in case.ways:
        unit.insert(0, case.tcp(ACK | PUSH, sequence, acknowledged, other, 1))
    if "no ACK flag, other bytes" in case.ways:
        unit.insert(0, case.tcp(PUSH, sequence, 0, other))
    if "other bytes after" in case.ways:
        unit.append(case.tcp(ACK | PUSH, sequence, acknowledged, other))
    return unit


def outcomes(cases: list[Case], size: int, folder: Path) -> tuple[list[bool], list[set[str]]]:
    """(whether the rule on its content alerts with a packet of its own, anomalies) of each case; packets of the cases are mixed,
    each case's in order."""
    chance = random.Random(size)
    order = [number for number, case in enumerate(cases) for _ in case.frames]
    chance.shuffle(order)
    following = [iter(case.frames) for case in cases]
    frames = [next(following[number]) for number in order]
    rule = 'alert tcp any any -> any 80 (msg:"hidden"; content:"{}"; sid:{};)\n'
    text = (rule.format(case.content.decode(), number) for number, case in enumerate(cases, 1))
    (folder / "hidden.rules").write_text("".join(text))
    ruleset = load_rules([folder / "hidden.rules"])
    assert len(ruleset.active) == len(cases)
    pipeline = Pipeline(ruleset)
    found, odd, before = [False] * len(cases), [set[str]() for _ in cases], 0
    for batch in batches(frames, [SECOND + n for n in range(len(frames))], size):
        packets, pdus = pipeline.decoding.tables(batch)
        matches = pipeline.engine.detect({"packet": packets, **pdus})
        pipeline.decoding.following.remember(packets)
        for match in matches:
            number = order[before + match.packet]
            assert match.rule.signature is not None
            found[number] |= match.rule.signature.sid == number + 1
        column, of_row = packets.column("packet.anomaly"), packets.structure.packet.tolist()
        for row in np.flatnonzero(packets.structure.anomalies.any(axis=1)).tolist():
            odd[order[before + of_row[row]]].update(map(str, column.at(row)))
        before += len(batch)
    return found, odd


@pytest.mark.parametrize("group", range(GROUPS))
def test_hidden_content_is_found_or_an_anomaly_is_raised(group: int, tmp_path: Path) -> None:
    """Without this an attacker switches payload rules off by how bytes are sent."""
    cases = [make_case(group * CASES + number) for number in range(CASES)]
    found, odd = outcomes(cases, (1, 7, 64, 1000)[group % 4], tmp_path)
    for number, (case, is_found, anomalies) in enumerate(zip(cases, found, odd, strict=True)):
        seed = group * CASES + number
        assert is_found or anomalies, f"case {seed}: {case.ways}: {case.content!r} is neither found nor odd"
        assert is_found or not set(case.ways).isdisjoint(DECEPTIONS), (
            f"case {seed}: {case.ways}: must be found: {anomalies}"
        )


def test_every_way_is_drawn() -> None:
    """What the cases above are worth: each way in a hundred of them, and hundreds in which nothing but order and cuts differ."""
    ways = Counter(way for seed in range(GROUPS * CASES) for way in make_case(seed).ways)
    assert min(ways[way] for way in (*DECEPTIONS, *HARMLESS)) >= 100
