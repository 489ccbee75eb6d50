"""`detector warm`: compiles every kernel now, so that the first packets need not wait for it."""

from __future__ import annotations

import argparse
import gc
import sys
import time

from rich.console import Console
from rich.progress import track

from detector.errors import InputError
from detector.kernel import cache_folder
from detector.warming import steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command has no arguments."""


def run(arguments: argparse.Namespace) -> int:
    """Compiles all kernels and says where they are kept."""
    began = time.perf_counter()
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{cache_folder()}: cannot keep kernels: {error.strerror}",
                         hint="DETECTOR_CACHE names another folder") from None  # fmt: skip
    todo = steps()
    gc.disable()  # compiling makes millions of objects that last, among which there is little garbage
    try:
        for _, step in track(todo, "compiling kernels", console=Console(stderr=True), disable=not sys.stderr.isatty()):
            step()
    finally:
        gc.enable()
    print(f"{len(todo)} groups of kernels ready after {time.perf_counter() - began:.1f} s, kept in {cache_folder()}")
    return 0
