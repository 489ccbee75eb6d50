"""$VARIABLES of rules: names for a site's own addresses, ports and values.

A value is a comma list or @file; of numbers and addresses an entry may be a range, 0..99. $HOME_NET is what --home-net says, $EXTERNAL_NET everything else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from detector.columns import Field
from detector.errors import InputError
from detector.lists import Entry, read_list
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
RANGES = ("uint", "int", "ipv4", "ipv6", "ether")
OTHER = {"ipv4": "ipv6", "ipv6": "ipv4"}  # fields of one IP version leave the other's addresses to its own fields


@dataclass
class Variables:
    """entries: {name: its entries}. `missing` collects names that were asked for and are not set."""

    entries: Mapping[str, Sequence[Entry]]
    missing: set[str] = field(default_factory=set)
    _read: dict[tuple[str, str], tuple[Literal_, ...]] = field(default_factory=dict, repr=False, compare=False)

    def membership(
        self, left: Operand, name: str, kind: Field, quantifier: Quantifier, ignore_case: bool = False
    ) -> Test:
        """`left in $NAME`; of an unset name the test is empty and the name is noted.

        Raises:
            InputError: an entry that is no value of the field; with its position where it stands in a file.
        """
        if name == EXTERNAL and name not in self.entries:  # any value that is none of HOME: not all of them are
            inside = self.membership(left, HOME, kind, "all" if quantifier == "any" else "any")
            return And((Exists(left), Not(inside))) if isinstance(left, FieldValue) else Not(inside)
        if name not in self.entries:
            self.missing.add(name)
            return Membership(left, (ListValue(name, ()),), quantifier, ignore_case)
        return Membership(left, (ListValue(name, self.values(name, kind)),), quantifier, ignore_case)

    def values(self, name: str, kind: Field) -> tuple[Literal_, ...]:
        """The entries of a variable as values of a field; addresses of the other IP version are left to its own field.

        They are read once: hundreds of rules may ask for one list of 50,000.
        """
        if (name, kind.name) not in self._read:
            self._read[name, kind.name] = self._values(name, kind)
        return self._read[name, kind.name]

    def _values(self, name: str, kind: Field) -> tuple[Literal_, ...]:
        found = []
        for entry in self.entries[name]:
            try:
                found.append(entry_of(kind, entry.text))
            except InputError as error:
                if kind.kind not in OTHER or not is_value(Field(kind.name, OTHER[kind.kind], ""), entry.text):
                    problem = f"${name}: {error.problem}"
                    raise InputError(problem, position=entry.position, hint=error.hint) from None
        return tuple(found)


def entry_of(kind: Field, text: str) -> Literal_:
    """One entry of a variable: a value, or of numbers and addresses a range such as 0..99, both ends included."""
    low, dots, high = text.partition("..")
    if not dots or kind.kind not in RANGES:
        return convert(kind, text, quoted=kind.kind in ("string", "bytes"))
    first, last = convert(kind, low.strip()).value, convert(kind, high.strip()).value
    if isinstance(first, tuple) or isinstance(last, tuple):
        raise InputError(f"{text!r} is a range of networks", hint="a range goes from one address to another")
    if last < first:
        raise InputError(f"the range {text} contains nothing", hint="write the smaller end first")
    return Literal_((first, last))


def is_value(kind: Field, text: str) -> bool:
    """Whether a text is a value of a field."""
    try:
        entry_of(kind, text)
    except InputError:
        return False
    return True


NO_VARIABLES = Variables({})


def make_variables(given: Mapping[str, str], home_net: Sequence[str]) -> Variables:
    """Variables from NAME=VALUE pairs and the own networks.

    Raises:
        InputError: a list file that cannot be read, a network that is none.
    """
    entries: dict[str, Sequence[Entry]] = {}
    for name, value in given.items():
        parts = [part.strip() for part in value.split(",") if part.strip()]
        entries[name] = [
            entry for part in parts for entry in (read_list(Path(part[1:])) if part.startswith("@") else (Entry(part),))
        ]
        if not entries[name]:
            raise InputError(f"${name} is empty", hint="leave it unset: its rules are then listed as inactive")
    if home_net:
        for network in home_net:
            version = Field("--home-net", "ipv6" if ":" in network else "ipv4", "")
            convert(version, network)
        entries[HOME] = tuple(map(Entry, home_net))
    return Variables(entries)
