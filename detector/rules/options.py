"""The text of a payload rule, taken apart: what both spellings, a Suricata rule and YAML, are read into.

Nothing is understood yet here; detector/rules/keywords does that. Places are kept as plain numbers, since most rules have
no mistake and a large ruleset has a million options.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from detector.errors import Position


class Option(NamedTuple):
    """keyword:value; of a rule. value None: a keyword that stands alone. at, value_at: where they begin in the rule's text."""

    keyword: str
    value: str | None
    at: int
    value_at: int


@dataclass(frozen=True, slots=True)
class RuleText:
    """action protocol source source_ports direction destination destination_ports (options).

    header, header_at: the seven words and where each begins.  position: what turns such a place (and a length) into file,
    line and column.  text: the rule as it was written.
    """

    header: tuple[str, str, str, str, str, str, str]
    header_at: tuple[int, int, int, int, int, int, int]
    options: tuple[Option, ...]
    position: Callable[[int, int], Position]
    text: str
