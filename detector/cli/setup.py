"""`detector setup elasticsearch`: puts our templates on a server, or shows what would be put there."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from detector.cli.options import amount
from detector.errors import InputError
from detector.settings import Secret
from detector.sinks.destination import Unavailable
from detector.sinks.elasticsearch_client import connect
from detector.sinks.elasticsearch_settings import DAY_NS, ElasticsearchSettings, check
from detector.sinks.elasticsearch_setup import apply, plan
from detector.sinks.elasticsearch_template import SENSOR_ROLE, SETUP_ROLE

TARGETS = ("elasticsearch",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.add_argument("target", choices=TARGETS, metavar="elasticsearch", help="what to set up")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, change nothing")
    parser.add_argument("--show-role", action="store_true", help="print the roles that setup and the daemon need")
    parser.add_argument("--host", action="append", default=[], metavar="URL", help="a node: https://es1.example:9200")
    parser.add_argument(
        "--namespace", default="default", metavar="NAME", help="of the data stream logs-detector.alert-NAME"
    )
    parser.add_argument(
        "--retention-days", type=int, default=365, metavar="DAYS", help="how long alerts are kept; 0: for good"
    )
    parser.add_argument("--api-key-file", metavar="FILE", help="file with an encoded API key")
    parser.add_argument("--username", default="", metavar="NAME", help="a user, with --password-file")
    parser.add_argument("--password-file", metavar="FILE", help="file with the user's password")
    parser.add_argument("--ca", metavar="FILE", help="certificates that the server's is checked with")
    parser.add_argument("--client-certificate", metavar="FILE", help="certificate that is shown to the server")
    parser.add_argument("--client-key", metavar="FILE", help="its key")


def run(arguments: argparse.Namespace) -> int:
    """Prints each change; 1 where the server refuses or does not answer."""
    if arguments.show_role:
        print(json.dumps({"detector-setup": SETUP_ROLE, "detector-sensor": SENSOR_ROLE}, indent=2))
        return 0
    return set_up(settings_of(arguments), is_dry=arguments.dry_run)


def set_up(settings: ElasticsearchSettings, *, is_dry: bool) -> int:
    """Sets one server up, or says what that would change."""
    check(settings)
    try:
        with connect(settings) as client:
            planned = plan(client, settings)
            for change in planned.changes:
                print(change.shown())
                if not is_dry:
                    apply(client, change)
    except Unavailable as error:
        print(f"{', '.join(settings.hosts)}: {error.cause}: {error.why}")
        return 1
    for note in planned.notes:
        print(f"note: {note}")
    count = amount(len(planned.changes), "change")
    print(f"{count} would be made" if is_dry else f"{count} made" if planned.changes else "nothing to change")
    return 0


def settings_of(arguments: argparse.Namespace) -> ElasticsearchSettings:
    """The settings that the options ask for."""
    if arguments.retention_days < 0:
        raise InputError("--retention-days: below zero")
    return ElasticsearchSettings(
        hosts=tuple(arguments.host),
        namespace=arguments.namespace,
        retention=arguments.retention_days * DAY_NS,
        api_key=secret_of(arguments.api_key_file),
        username=arguments.username,
        password=secret_of(arguments.password_file),
        ca=arguments.ca,
        client_certificate=arguments.client_certificate,
        client_key=arguments.client_key,
    )


def secret_of(path: str | None) -> Secret | None:
    """The text of a file, without the end of its line. Raises InputError, and OSError naming the file."""
    if path is None:
        return None
    try:
        return Secret(Path(path).read_text(encoding="utf-8").strip(), f"file {path}")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not text in UTF-8") from None
