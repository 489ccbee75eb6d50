"""What rules mean, as data: each file in cases/ is a rule, one behaviour, and packets that show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.testing.rule_tests import run_tests

FILES = sorted((Path(__file__).parent / "cases").glob("*.yml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_case(path: Path) -> None:
    outcomes = list(run_tests(path))
    assert outcomes
    for outcome in outcomes:
        wanted = outcome.test.alerts
        assert outcome.passed, (
            f"{outcome.test.position}: {outcome.problem or f'expected {wanted} alerts, got {outcome.alerts}'}"
        )


def test_there_are_forty() -> None:
    assert len(FILES) >= 40
