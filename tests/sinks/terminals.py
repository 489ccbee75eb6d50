"""Consoles of a width, as a terminal or a pipe, and what they were written."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console

from detector.alerts.alert import Alert
from detector.sinks import Sink
from tests.cli.command import COLOUR


def console(width: int = 100, is_terminal: bool = True) -> Console:
    """A console as the commands make it."""
    return Console(file=io.StringIO(), width=width, force_terminal=is_terminal, highlight=False, soft_wrap=True,
                   color_system="truecolor" if is_terminal else None, legacy_windows=False)  # fmt: skip


def shown(sink: Sink, target: Console, *alerts: Sequence[Alert]) -> list[str]:
    """The lines that a sink writes, with their colours."""
    for some in alerts:
        sink.write(some)
    sink.close()
    file = target.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().split("\n")[:-1]


def plain(lines: Sequence[str]) -> list[str]:
    """Lines without colours."""
    return [COLOUR.sub("", line) for line in lines]
