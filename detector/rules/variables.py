"""$VARIABLES of rules: names for a site's own addresses, ports and values.

A value is a comma list or @file; of numbers an entry may be a range, 0..99. $HOME_NET is what --home-net says, $EXTERNAL_NET everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detector.columns import Field
from detector.errors import InputError
from detector.lists import read_list
from detector.rules.model import (
    And,
    Exists,
    FieldValue,
    ListValue,
    Literal_,
    Membership,
    Not,
    Operand,
    Quantifier,
    Test,
)
from detector.rules.values import convert

HOME, EXTERNAL = "HOME_NET", "EXTERNAL_NET"


@dataclass
class Variables:
    """entries: {name: values as text}. `missing` collects names that were asked for and are not set."""

    entries: Mapping[str, Sequence[str]]
    missing: set[str] = field(default_factory=set)

    def membership(self, left: Operand, name: str, kind: Field, quantifier: Quantifier) -> Test:
        """`left in $NAME`; of an unset name the test is empty and the name is noted.

        Raises:
            InputError: without a position: an entry that is no value of the field.
        """
        if name == EXTERNAL:
            inside = self.membership(left, HOME, kind, quantifier)
            return And((Exists(left), Not(inside))) if isinstance(left, FieldValue) else Not(inside)
        if name not in self.entries:
            self.missing.add(name)
            return Membership(left, (ListValue(name, ()),), quantifier)
        return Membership(left, (ListValue(name, self.values(name, kind)),), quantifier)

    def values(self, name: str, kind: Field) -> tuple[Literal_, ...]:
        """The entries of a variable as values of a field; addresses of the other IP version are left to its own field."""
        found = []
        for text in self.entries[name]:
            if kind.kind in ("ipv4", "ipv6") and (":" in text) != (kind.kind == "ipv6"):
                continue
            try:
                found.append(entry_of(kind, text))
            except InputError as error:
                raise InputError(f"${name}: {error.problem}", hint=error.hint) from None
        return tuple(found)


def entry_of(kind: Field, text: str) -> Literal_:
    """One entry of a variable: a value, or for numbers a range such as 0..99, both ends included."""
    low, dots, high = text.partition("..")
    if not dots or kind.kind not in ("uint", "int"):
        return convert(kind, text, quoted=kind.kind in ("string", "bytes"))
    return Literal_((convert(kind, low.strip()).value, convert(kind, high.strip()).value))


NO_VARIABLES = Variables({})


def make_variables(given: Mapping[str, str], home_net: Sequence[str]) -> Variables:
    """Variables from NAME=VALUE pairs and the own networks.

    Raises:
        InputError: a list file that cannot be read, a network that is none.
    """
    entries: dict[str, Sequence[str]] = {}
    for name, value in given.items():
        parts = [part.strip() for part in value.split(",") if part.strip()]
        entries[name] = [
            entry for part in parts for entry in (read_list(Path(part[1:])) if part.startswith("@") else (part,))
        ]
        if not entries[name]:
            raise InputError(f"${name} is empty", hint="leave it unset: its rules are then listed as inactive")
    if home_net:
        for network in home_net:
            version = Field("--home-net", "ipv6" if ":" in network else "ipv4", "")
            convert(version, network)
        entries[HOME] = tuple(home_net)
    return Variables(entries)
