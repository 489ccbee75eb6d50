"""Finding the daemon that runs on this machine: by its control socket, or by its configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, cast

from detector import __version__
from detector.columns import printable
from detector.errors import InputError, InputErrors
from detector.rules.document import read_documents
from detector.service.control import ControlClient
from detector.service.settings_reader import UNKNOWN, SettingsReader
from detector.service.status import Status
from detector.settings import Setting

USUAL = "/run/detector/control.sock"


def add_daemon_options(parser: argparse.ArgumentParser) -> None:
    """--control, --config."""
    parser.add_argument("--control", metavar="PATH", help=f"control socket of the daemon (default: {USUAL})")
    parser.add_argument("--config", metavar="FILE", help="its configuration, which names the control socket")


def connect(arguments: argparse.Namespace) -> ControlClient:
    """A connection to the daemon that the options name. Raises InputError where there is none."""
    return ControlClient(control_path(arguments))


def control_path(arguments: argparse.Namespace) -> Path:
    """Where the daemon's control socket is.

    Of the configuration nothing else is read: who may ask the daemon need not be able to read its secrets.

    Raises:
        InputErrors: the configuration cannot be read.
    """
    if arguments.control or not arguments.config:
        return Path(arguments.control or USUAL)
    return named_path(Path(arguments.config), "control", USUAL)


def named_path(config: Path, wanted: str, usual: str) -> Path:
    """The path that one setting of a configuration names, the usual one where it does not.

    Raises:
        InputErrors: the configuration cannot be read.
    """
    document, nodes = read_documents(config, "a configuration is one YAML file")
    reader = SettingsReader(document, {})
    found: Any = usual
    for node in nodes:
        for name, (_, value) in document.mapping(node, "the configuration").items():
            found = reader.value(value, Setting("path", ""), name) if name == wanted else found
    if document.errors or found is UNKNOWN:
        raise InputErrors(document.errors)
    return Path(found)


def status_of(client: ControlClient) -> Status:
    """What the daemon says of itself. Raises InputError where it does not answer, or is of another version."""
    found = client.ask("status")
    if missing := sorted(set(Status.__annotations__) - set(found)):
        version = printable(str(found.get("version", "unknown")))
        raise InputError(f"the daemon is of another version, {version}: its status has no {', '.join(missing)}",
                         hint=f"this is {__version__}: restart the daemon after an upgrade")  # fmt: skip
    return cast(Status, found)
