"""The sentence of an alert: a template whose {field} references are filled from the matched row."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

REFERENCE = re.compile(r"\{\{|\}\}|\{([A-Za-z0-9_.\-]+)\}")
SPECIAL = ("count", "group", "stood_for", "note")  # facts of the match, beside fields


def references(template: str) -> list[str]:
    """The field names that a template refers to, in order, without the special ones."""
    return [name for name in REFERENCE.findall(template) if name and name not in SPECIAL]


def fill(template: str, values: Callable[[str], list[Any]]) -> str:
    """The template with every reference replaced: several values joined by ", ", a missing one shown as "-"."""

    def text(found: re.Match[str]) -> str:
        if found.group(1) is None:
            return found.group(0)[0]
        return ", ".join(map(str, values(found.group(1)))) or "-"

    return REFERENCE.sub(text, template)
