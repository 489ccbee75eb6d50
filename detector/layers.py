"""Scapy's modules, imported when they are first needed, and without its look at this machine's routes and interfaces.

That look takes a seventh of the start of a replay, and nothing here depends on the machine's own addresses.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def scapy_module(name: str) -> ModuleType:
    """The module of that name. ImportError where Scapy has none."""
    settings = import_module("scapy.config").conf
    settings.route_autoload = settings.route6_autoload = False
    return import_module(name)
