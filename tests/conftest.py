"""Shared by all tests: where the real captures are, and the loud skip where they are not."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.servers.elasticsearch import elasticsearch  # noqa: F401 - a fixture for tests of every folder
from tests.servers.prometheus import prometheus  # noqa: F401

ROOT = Path(__file__).parent.parent


def captures_folder() -> Path | None:
    """The folder of real captures: DETECTOR_CAPTURES, by default shared/captures beside the checkout."""
    folder = Path(os.environ.get("DETECTOR_CAPTURES", ROOT.parent / "shared" / "captures"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def captures() -> Path:
    """Real captures; skips loudly where there are none."""
    folder = captures_folder()
    if folder is None:
        pytest.skip("real captures are not here: set DETECTOR_CAPTURES")
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: as the last one, such a file would run on one core while the other has nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Halves of UTF-16 pairs, which tests of hostile names log, cannot go from a test process to the one that reports."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report
