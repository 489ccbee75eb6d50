"""Every kind of destination: the key that names it in a configuration, its settings, and its class, which is imported late:
the client of a server may take long to load, and most commands need none."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from detector.sinks.destination import Destination
from detector.sinks.elasticsearch_settings import ElasticsearchSettings
from detector.sinks.jsonfile import JsonFileSettings
from detector.sinks.syslog import SyslogSettings
from detector.sinks.webhook import WebhookSettings

DESTINATIONS: dict[str, tuple[type, str]] = {
    "elasticsearch": (ElasticsearchSettings, "detector.sinks.elasticsearch.ElasticsearchDestination"),
    "jsonl": (JsonFileSettings, "detector.sinks.jsonfile.JsonFile"),
    "syslog": (SyslogSettings, "detector.sinks.syslog.Syslog"),
    "webhook": (WebhookSettings, "detector.sinks.webhook.Webhook"),
}
DECLARED = {key: declared for key, (declared, _) in DESTINATIONS.items()}


def class_of(settings: object) -> Callable[[Any], Destination]:
    """The class that these settings are of, imported."""
    for declared, dotted in DESTINATIONS.values():
        if type(settings) is declared:
            module, _, name = dotted.rpartition(".")
            found: Callable[[Any], Destination] = getattr(import_module(module), name)
            return found
    raise TypeError(f"{type(settings).__name__} are no settings of a destination")


def make(settings: object) -> Destination:
    """The destination that these settings are of."""
    return class_of(settings)(settings)
