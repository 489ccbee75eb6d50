"""`detector run`: the daemon."""

from __future__ import annotations

import argparse
from pathlib import Path

from detector.cli.config import add_config_option
from detector.service.assembly import serve
from detector.service.config import read_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    add_config_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Runs until SIGTERM or SIGINT."""
    path = Path(arguments.config).resolve()
    return serve(path, read_config(path))
