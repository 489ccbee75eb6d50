"""Where commands show things: a terminal, or a pipe whose reader may leave at any time."""

from __future__ import annotations

import os
import sys
import textwrap

from rich.console import Console
from rich.text import Text

NARROWEST = 40


class Terminal(Console):
    """A rich console that folds on a terminal only, and does not decide on its own that a program ends.

    is_all: nothing but this output comes of the run, so that it ends with BrokenPipeError where its reader leaves, as
    `| head` does. Otherwise the rest is dropped and the run goes on: its alerts still go to a file.
    """

    def __init__(self, *, is_error: bool = False, is_all: bool = True) -> None:
        super().__init__(stderr=is_error, highlight=False, soft_wrap=True)
        self._is_all = is_all

    def on_broken_pipe(self) -> None:
        """In place of rich's own exit code of 1."""
        if self._is_all:
            raise BrokenPipeError
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def say(self, text: str, indent: str = "", style: str = "") -> None:
        """A sentence, folded at blanks on a terminal, with its further lines behind `indent`; in a pipe one line."""
        if self.is_terminal:
            text = textwrap.fill(text, max(NARROWEST, self.width), subsequent_indent=indent, break_on_hyphens=False,
                                 break_long_words=False)  # fmt: skip
        self.print(Text(text, style=style))
