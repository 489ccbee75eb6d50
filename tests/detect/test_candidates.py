"""Rules that need a value which a batch does not have are not tried; all others are, whatever their tests look like."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.detect.candidates import FEW, needed, occurring
from detector.rules.parser import parse_filter
from tests.flows.frames import SYN, tcp, udp
from tests.rules.written import alerts_of_frames, loaded, rule

SEED = 20240502
TARGET = int.from_bytes(bytes((10, 0, 0, 9)), "big")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcp.dstport == 502", ("tcp.dstport", {502})),
        ("tcp.dstport in {80, 443}", ("tcp.dstport", {80, 443})),
        ("tcp.dstport in {80, 443} and ip.dst == 10.0.0.9", ("ip.dst", {TARGET})),
        ("ip.ttl < 5 and (tcp.flags.syn == 1 and tcp.dstport == 23)", ("tcp.flags.syn", {1})),
        ("tcp.port == 502", ("tcp.port", {502})),
        # A row that holds may have none of these values, or not on the whole field.
        ("tcp.dstport != 502", None),
        ("not tcp.dstport == 502", None),
        ("all tcp.port == 502", None),
        ("tcp.dstport == 502 or tcp.srcport == 502", None),
        ("tcp.dstport in {80, 1000..2000}", None),
        ("ip.dst == 10.0.0.0/8", None),
        ("tcp.dstport == tcp.srcport", None),
        ("tcp.dstport + 1 == 503", None),
        ("ip.src[0] == 0a", None),
        ("ip.addr#1 == 10.0.0.9", None),
        ("ipv6.dst == fe80::1", None),
        ("tcp.payload == 61", None),
        ("tcp", None),
    ],
)
def test_what_a_test_needs(text: str, expected: tuple[str, set[int]] | None) -> None:
    assert needed(parse_filter(text)) == (expected and (expected[0], frozenset(expected[1])))


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.uint16, np.uint32, np.uint64, np.int64])
@pytest.mark.parametrize("count", [1, FEW, 3 * FEW])
def test_which_constants_occur(dtype: Any, count: int) -> None:
    """Also those that the column's numbers cannot hold, and those that a float would round to each other."""
    chosen = random.Random(SEED)
    most = 2 if dtype is np.bool_ else min(np.iinfo(dtype).max, 2**62)
    near = [min(most - 1, 2**60 + number) for number in range(6)]
    for _ in range(30):
        values = np.array([chosen.choice((chosen.randrange(min(most, 12)), *near)) for _ in range(40)]).astype(dtype)
        constants = np.unique([chosen.choice((chosen.randrange(-2, 14), 70000, *near)) for _ in range(count)]).astype(
            np.int64
        )
        found = occurring(values, constants).tolist()
        assert found == [constant in set(map(int, values.tolist())) for constant in constants.tolist()]


@pytest.mark.slow
def test_the_same_alerts_as_rules_tried_one_by_one(tmp_path: Path) -> None:
    """Sixty rules on ports, addresses and flags, in batches of any size."""
    chosen = random.Random(SEED)
    tests = []
    for _ in range(60):
        port, host = chosen.choice((23, 80, 502, *range(1000, 1040))), chosen.randrange(1, 30)
        parts = (f"tcp.dstport == {port}", f"ip.dst == 10.0.0.{host}", f"tcp.dstport in {{{port}, {port + 1}}}",
                 "tcp.flags.syn == 1", f"not tcp.srcport == {port}", f"udp.dstport == {port}", "ip.ttl > 3")  # fmt: skip
        tests.append(chosen.choice((" and ", " or ")).join(chosen.sample(parts, chosen.randrange(1, 4))))
    bodies = [f"detection: {{a: '{test}', condition: a}}\nalert: {{limit: none}}" for test in tests]
    text = "---\n".join(rule(body, number) for number, body in enumerate(bodies, 1))
    frames = []
    for number in range(300):
        ends = (
            (f"10.0.0.{chosen.randrange(1, 30)}", 40000),
            (f"10.0.0.{chosen.randrange(1, 30)}", chosen.choice((23, 80, 502, 1001, 1030))),
        )
        made = tcp(*ends, SYN, number) if chosen.random() < 0.7 else udp(*ends, b"x")
        frames.append((1_700_000_000 * 10**9 + number, made))
    expected = []
    for number, body in enumerate(bodies, 1):
        alone = loaded(tmp_path, rule(body, number))
        expected += [(one.time_ns, number, one.rule.id) for one in alerts_of_frames(alone, frames, 100)]
    assert len(expected) > 300
    together = loaded(tmp_path, text)
    for size in (7, 1000):
        found = [
            (one.time_ns, int(one.rule.id.replace("-", ""), 16), one.rule.id)
            for one in alerts_of_frames(together, frames, size)
        ]
        assert found == sorted(expected), size
