"""Where Suricata's alerts and ours differ on purpose, or for a reason that is known. Each was looked at; none stands for an
unknown. `python -m tests.differential.suricata` names those that a whole run did not need."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from typing import NamedTuple

FIRST = 9_000_000  # our rules' sids stand behind it


class Exemption(NamedTuple):
    """Rules that may differ on the captures whose name fits a pattern."""

    captures: str
    sids: frozenset[int]
    reason: str


def exempt(captures: str, numbers: Sequence[int], reason: str) -> Exemption:
    """An exemption of some of our rules. numbers: sids less FIRST."""
    return Exemption(captures, frozenset(FIRST + number for number in numbers), reason)


EXEMPTIONS: tuple[Exemption, ...] = ()


def exemption_of(capture: str, sid: int) -> Exemption | None:
    """The exemption of a rule on a capture, if there is one."""
    return next((one for one in EXEMPTIONS if sid in one.sids and fnmatch(capture, one.captures)), None)
