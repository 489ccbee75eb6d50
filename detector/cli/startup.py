"""The first moments of the program: what it is given by whoever starts it, and what it makes for good."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def open_streams() -> None:
    """Opens standard streams that are closed, to nowhere: a file of ours would get their numbers, and others' words with them."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            setattr(sys, name, open(number, "r" if not number else "w", closefd=False))  # noqa: SIM115 - stays open


@contextmanager
def kept_for_good() -> Iterator[None]:
    """What is made inside stays as long as the process.

    Modules, rules and kernels are a million objects. Looking through them while they are made, now and then while packets
    are read, and once more at the end took 0.2 of the 0.8 s of a short replay.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
