"""`detector warm`: progress on a terminal, none in a pipe, quick where everything is compiled, a folder of one's choice."""

from __future__ import annotations

import os
import re

import pytest

from tests.cli.command import detector, inside, left_on_screen, on_terminal, refused, without_privileges

SAID = re.compile(r"\d+ groups of kernels ready after \d+\.\d s, kept in /\S+/kernels-[0-9a-f]{16}")


def test_quick_the_second_time_and_quiet_in_a_pipe() -> None:
    """`make demo` calls it each time."""
    detector("warm", timeout=300)
    done = detector("warm")
    assert done.code == 0 and done.err == "" and SAID.fullmatch(done.out.strip())
    assert done.seconds < 30  # on a machine that does three things at once; compiling takes minutes


def test_a_progress_bar_on_a_terminal() -> None:
    code, written = on_terminal("warm")
    assert code == 0 and "compiling kernels" in written and "100%" in written
    assert SAID.fullmatch(left_on_screen(written)[-2])


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels that are kept nowhere would be compiled at each start: better to know at installation."""
    monkeypatch.setenv("DETECTOR_CACHE", "/proc/none")
    said = refused(inside("warm"))
    assert said.startswith("/proc/none/kernels-") and "cannot keep kernels" in said
    assert said.endswith("(hint: DETECTOR_CACHE names another folder)")


def test_a_folder_that_cannot_be_written(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    os.chmod(str(tmp_path), 0o500)
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path))
    said = refused(without_privileges("warm"))
    assert "cannot keep kernels: Permission denied" in said
