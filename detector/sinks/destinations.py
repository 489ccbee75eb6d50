"""Every kind of destination: the key that names it in a configuration, its settings and its class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detector.sinks.destination import Destination
from detector.sinks.jsonfile import JsonFile, JsonFileSettings
from detector.sinks.syslog import Syslog, SyslogSettings
from detector.sinks.webhook import Webhook, WebhookSettings

DESTINATIONS: dict[str, tuple[type, Callable[[Any], Destination]]] = {
    "jsonl": (JsonFileSettings, JsonFile),
    "syslog": (SyslogSettings, Syslog),
    "webhook": (WebhookSettings, Webhook),
}


def make(settings: object) -> Destination:
    """The destination that these settings are of."""
    for declared, made in DESTINATIONS.values():
        if type(settings) is declared:
            return made(settings)
    raise TypeError(f"{type(settings).__name__} are no settings of a destination")
