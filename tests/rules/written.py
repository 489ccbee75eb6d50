"""Rules written in a test, the mistakes in them, and the packets that they are tried on."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from detector.alerts.alert import Alert
from detector.capture.batch import batch_of
from detector.errors import InputError, InputErrors, Position
from detector.exercise.synthesis import Synthesis
from detector.flows.table import FlowSettings
from detector.pipeline import Pipeline, PipelineSettings
from detector.rules.loader import load_rules
from detector.rules.model import Limit, Rule, Ruleset
from detector.testing.literals import Wait, read_packets

SYN = 'IP(src="10.0.0.1", dst="10.0.0.2")/TCP(sport=40000, dport=80, flags="S")'
WRITE = 'IP(src="10.0.0.1", dst="10.0.0.2")/TCP(dport=502)/ModbusADURequest()/ModbusPDU06WriteSingleRegisterRequest(registerAddr=1, registerValue=3)'
Frame = tuple[int, bytes]


def id_of(number: int) -> str:
    """The id of a test's n-th rule."""
    return str(uuid.UUID(int=number))


def rule(body: str, number: int = 1, title: str = "A rule", level: str = "low") -> str:
    """A rule with its head."""
    return f"title: {title}\nid: {id_of(number)}\nlevel: {level}\n{body}\n"


def rule_with(number: int = 1, **parts: Any) -> Rule:
    """A rule on packets made of its parts, without a text."""
    whole: dict[str, Any] = {
        "id": id_of(number), "name": "", "title": f"Rule {number}", "level": "low", "status": "test", "description": "", "references": (),
        "author": "", "date": "", "tags": (), "falsepositives": (), "table": "packet", "test": None, "correlation": None,
        "new_value": None, "message": "", "limit": Limit((), 2**31, 1), "fields": (), "tests": (), "position": Position("", 0, 0),
    }  # fmt: skip
    return Rule(**{**whole, **parts})


def selecting(selection: str, rest: str = "") -> str:
    """A rule with one selection, and without a limit."""
    return rule(f"detection:\n  chosen: {selection}\n  condition: chosen\nalert: {{limit: none}}\n{rest}")


def written(folder: Path, text: str | bytes, name: str = "rule.yml") -> Path:
    """A file of that text."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def loaded(folder: Path, text: str | bytes, **options: Any) -> Ruleset:
    """The rules of a text."""
    return load_rules([written(folder, text)], **options)


def mistakes(folder: Path, text: str | bytes, **options: Any) -> list[InputError]:
    """The mistakes in a text; each has a place in the file and a hint."""
    with pytest.raises(InputErrors) as refused:
        loaded(folder, text, **options)
    for error in refused.value.errors:
        assert error.position is not None and error.position.line >= 1 and error.position.column >= 1, error
        assert error.hint, error
    return refused.value.errors


def places(errors: Sequence[InputError]) -> list[str]:
    """line:column problem of each mistake."""
    return [f"{error.position.line}:{error.position.column} {error.problem}" for error in errors if error.position]


def frames(*packets: str) -> list[Frame]:
    """Frames of packets written as in rules' tests, wait(seconds) between them."""
    synthesis = Synthesis()
    for text in packets:
        for packet in read_packets(text, Position("test", 1, 1)):
            if isinstance(packet, Wait):
                synthesis.wait(packet.seconds)
            else:
                synthesis.send(packet)
    return synthesis.frames


def alerts_of_frames(ruleset: Ruleset, found: Sequence[Frame], size: int = 1000, **settings: Any) -> list[Alert]:
    """Alerts of frames, in batches of so many; no rule may fail."""
    pipeline = Pipeline(ruleset, PipelineSettings(flows=FlowSettings(flows=4096), **settings))
    alerts = []
    for first in range(0, len(found), size):
        part = found[first : first + size]
        alerts += pipeline.process(batch_of([data for _, data in part], [time for time, _ in part]))
    assert not pipeline.engine.rule_errors
    return alerts


def alerts(ruleset: Ruleset, *packets: str, size: int = 1000, **settings: Any) -> list[Alert]:
    """Alerts of packets written as in rules' tests."""
    return alerts_of_frames(ruleset, frames(*packets), size, **settings)
