"""Conditions of any kinds of fields put together at random: each is refused with its place, or it can be asked of packets."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from detector.capture import open_source
from detector.detect.predicates import evaluate
from detector.errors import InputError
from detector.exercise.synthesis import write_capture
from detector.pipeline import Decoding, PipelineSettings
from detector.protocols.frames import FrameTable
from detector.rules.parser import parse_filter
from tests.differential.test_iec104 import built as built_iec104
from tests.differential.test_packet_fields import built_capture
from tests.runs import frames_of
from tests.samples import IS_LONG, SEED

pytestmark = pytest.mark.kernel

CASES = 20_000 if IS_LONG else 3_000
GROUPS = {  # fields and constants that mostly can be put together
    "whole": (("ip.ttl", "tcp.srcport", "frame.len", "iec60870_asdu.ioa", "modbus.func_code", "tcp.options.mss_val", "packet.anomaly",
               "iec60870_asdu.typeid"), ("0", "1", "-1", "5", "0x10", "2404", "99999999999999999999")),
    "float": (("iec60870_asdu.float", "iec60870_asdu.normval", "ip.ttl"), ("0", "1.5", "-0.5", "1e3", "nan", "inf")),
    "duration": (("frame.time_delta", "frame.time_relative"), ("0", "0.001", "-1", "1e3", "5s")),
    "time": (("frame.time_epoch", "iec60870_asdu.cp56time"), ("0", "1714550400.5", "-1")),
    "address": (("ip.src", "ip.addr"), ("10.0.0.1", "10.0.0.0/8")),
    "other": (("ipv6.src", "eth.src", "ip", "tcp", "tcp.flags.syn"), ("fe80::1", "02:00:00:00:00:01", "true", "1", "00:01")),
    "text": (("tcp.payload", "modbus.object_str_value", "tcp", "frame"), ('"text"', "00:01", "'a'", "5", '"^a"')),
}  # fmt: skip
COMPARISONS = ("==", "!=", "===", "!==", ">", ">=", "<", "<=", "contains", "matches")
FUNCTIONS = ("len", "lower", "upper", "count", "string", "min", "max", "abs")


def operand(chance: random.Random, group: str, depth: int = 2) -> str:
    """A field, a constant, a call or arithmetic; now and then of another group."""
    fields, constants = GROUPS[group if chance.random() < 0.95 else chance.choice(list(GROUPS))]
    ways = ("field", "field", "field", "constant", "slice") + (("call", "sum", "minus", "brackets") if depth else ())
    match chance.choice(ways):
        case "field":
            return chance.choice(fields)
        case "constant":
            return chance.choice(constants)
        case "slice":
            return chance.choice(fields) + chance.choice(("[0]", "[0:2]", "[-2:]", "[1-3]", "#1", "#-1", "#2[0]"))
        case "call":
            count = chance.choice((1, 1, 1, 2, 3))
            return f"{chance.choice(FUNCTIONS)}({', '.join(operand(chance, group, depth - 1) for _ in range(count))})"
        case "sum":
            return f"{operand(chance, group, depth - 1)} {chance.choice('+-*/%&')} {operand(chance, group, depth - 1)}"
        case "minus":
            return f"-{operand(chance, group, depth - 1)}"
        case _:
            return f"({operand(chance, group, depth - 1)})"


def condition(chance: random.Random, depth: int = 2) -> str:
    """A test of operands, or tests joined."""
    group = chance.choice(list(GROUPS))
    fields, constants = GROUPS[group]

    def one() -> str:
        return operand(chance, group)

    ways = ("compare", "compare", "compare", "chain", "alone", "in", "quantified") + (("join", "not") if depth else ())
    match chance.choice(ways):
        case "chain":
            return f"{one()} {chance.choice('<>')} {one()} {chance.choice('<>')} {one()}"
        case "alone":
            return one()
        case "in":
            entries = (
                chance.choice(constants) + chance.choice(("", "", f"..{chance.choice(constants)}")) for _ in range(2)
            )
            return f"{one()} {chance.choice(('', 'not '))}in {{{', '.join(entries)}}}"
        case "quantified":
            return f"{chance.choice(('any', 'all'))} {chance.choice(fields)} {chance.choice(COMPARISONS)} {one()}"
        case "join":
            return (
                f"({condition(chance, depth - 1)}) {chance.choice(('and', 'or', 'xor'))} {condition(chance, depth - 1)}"
            )
        case "not":
            return f"not ({condition(chance, depth - 1)})"
        case _:
            return f"{one()} {chance.choice(COMPARISONS)} {one()}"


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> FrameTable:
    folder = tmp_path_factory.mktemp("expressions")
    path = folder / "some.pcap"
    write_capture(path, frames_of(built_capture(folder)) + frames_of(built_iec104(folder)))
    (batch,) = open_source([str(path)]).batches()
    return FrameTable(*Decoding(PipelineSettings()).tables(batch))


def test_each_is_refused_or_can_be_asked(frames: FrameTable) -> None:
    chance, seen = random.Random(SEED), Counter[str]()
    print(f"DETECTOR_SEED={SEED}")
    for _ in range(CASES):
        text = condition(chance)
        try:
            test = parse_filter(text)
        except InputError as refused:
            assert refused.position is not None and refused.problem and refused.hint, text
            seen["refused"] += 1
            continue
        try:
            chosen = evaluate(test, frames)
        except Exception as error:
            raise AssertionError(f"{text}: {error!r}") from error
        assert chosen.shape == (frames.rows,), text
        seen["selects some" if 0 < chosen.sum() < frames.rows else "selects all or none"] += 1
    print(seen)
    assert min(seen[each] for each in ("refused", "selects some", "selects all or none")) > CASES // 50
