"""The short form of the soak (tests/bench/soak.py): a minute of live traffic while rules change, and nothing grows or is missed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.bench.soak import EVERY_WRITE, FIRST_WRITE, Plan, Result, Sample, soak


@pytest.mark.slow
@pytest.mark.alone
def test_a_minute_with_a_reload_every_five_seconds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Memory flat, no descriptor left open, no drop, no alert missed, told twice or forgotten by a reload.

    Tables are touched for the first time, flow by flow, for half a minute: memory is compared after that.
    """
    result = soak(tmp_path, Plan(minutes=1.25, reload_seconds=5, warm=0.5))
    with capsys.disabled():
        print("", *result.lines(), sep="\n")
    assert result.reloads >= 8
    assert result.mistakes() == []


def good() -> Result:
    """A soak without a fault."""
    result = Result(
        Plan(), packets=1000, decoded=1000, expected=4, stations=2, counted=6, delivered=6, reloads=3, exit_code=0
    )
    result.alerts.update({EVERY_WRITE: 4, FIRST_WRITE: 2})
    result.titles.update({"one": 2, "other": 2})
    result.samples = [Sample(float(second), 100_000_000, 14, 1) for second in range(100)]
    return result


def test_a_good_soak_has_no_mistakes() -> None:
    assert good().mistakes() == []


@pytest.mark.parametrize(
    ("what", "changed"),
    [
        ("packets were dropped", {"dropped": {"ring": 1}}),
        ("packets are missing", {"decoded": 999}),
        ("alerts of the writes are missing", {"expected": 5}),
        ("alerts in the file are not those", {"delivered": 5}),
        ("alerts were written twice", {"repeated": 1}),
        ("forgot its state", {"stations": 1}),
        ("a reload failed", {"failed_reloads": ["no"]}),
        ("the log tells of errors", {"log_errors": ["Traceback"]}),
        ("it ended with 1", {"exit_code": 1}),
    ],
)
def test_every_mistake_is_found(what: str, changed: dict[str, object]) -> None:
    """A soak that cannot fail proves nothing."""
    [found] = replace(good(), **changed).mistakes()  # type: ignore[arg-type]
    assert what in found


@pytest.mark.parametrize(
    ("what", "grown"), [("memory grew by", "memory"), ("descriptors are left open", "descriptors")]
)
def test_slow_growth_is_found(what: str, grown: str) -> None:
    result = good()
    by = 120_000 if grown == "memory" else 1
    result.samples = [
        replace(one, **{grown: getattr(one, grown) + by * int(one.seconds if grown == "memory" else one.seconds // 30)})
        for one in result.samples
    ]
    [found] = result.mistakes()
    assert what in found
