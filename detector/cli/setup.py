"""`detector setup elasticsearch`: puts our templates on the servers of a configuration, or shows what would be put there."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detector.cli.config import add_config_option
from detector.cli.options import amount
from detector.errors import InputError
from detector.service.config import read_config
from detector.settings import Secret
from detector.sinks.destination import Unavailable
from detector.sinks.elasticsearch_client import connect
from detector.sinks.elasticsearch_settings import ElasticsearchSettings, check
from detector.sinks.elasticsearch_setup import apply, plan
from detector.sinks.elasticsearch_template import SENSOR_ROLE, SETUP_ROLE

TARGETS = ("elasticsearch",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("target", choices=TARGETS, metavar="elasticsearch", help="what to set up")
    add_config_option(parser)
    parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
    parser.add_argument(
        "--show-role", action="store_true", help="print the roles that this command and the daemon need, ask no server"
    )
    own = parser.add_argument_group("credentials, in place of the daemon's, which should not be allowed to do this")
    own.add_argument("--api-key-file", metavar="FILE", help="file with an encoded API key")
    own.add_argument("--username", default="", metavar="NAME", help="a user, with --password-file")
    own.add_argument("--password-file", metavar="FILE", help="file with the user's password")


def run(arguments: argparse.Namespace) -> int:
    """Prints each change; 1 where a server refuses or does not answer."""
    if arguments.show_role:
        print(json.dumps({"detector-setup": SETUP_ROLE, "detector-sensor": SENSOR_ROLE}, indent=2))
        return 0
    servers = servers_of(arguments)
    return max([set_up(settings, is_dry=arguments.dry_run) for settings in servers])


def servers_of(arguments: argparse.Namespace) -> Sequence[ElasticsearchSettings]:
    """The Elasticsearch destinations of the configuration, with the credentials of the options."""
    path = arguments.config
    found = [one for one in read_config(Path(path)).alerts if isinstance(one, ElasticsearchSettings)]
    if not found:
        raise InputError(f"{path}: no alerts go to Elasticsearch", hint="alerts: [{elasticsearch: {hosts: URL}}]")
    if arguments.api_key_file or arguments.username or arguments.password_file:
        own = {"api_key": secret_of(arguments.api_key_file), "username": arguments.username,
               "password": secret_of(arguments.password_file), "bearer": None}  # fmt: skip
        found = [replace(one, **own) for one in found]
    return found


def set_up(settings: ElasticsearchSettings, *, is_dry: bool) -> int:
    """Sets one server up, or says what that would change."""
    check(settings)
    hosts = ", ".join(settings.hosts)
    try:
        with connect(settings) as client:
            planned = plan(client, settings)
            for change in planned.changes:
                print(change.shown())
                if not is_dry:
                    apply(client, change)
    except Unavailable as error:
        print(f"{hosts}: {error.cause}: {error.why}")
        return 1
    for note in planned.notes:
        print(f"note: {note}")
    count = amount(len(planned.changes), "change") if planned.changes else "nothing to change"
    print(f"{hosts}: {count}{' would be made' if is_dry and planned.changes else ''}")
    return 0


def secret_of(path: str | None) -> Secret | None:
    """The text of a file, which is read when it is used."""
    return None if path is None else Secret("", f"file {path}")
