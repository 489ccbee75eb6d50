"""What a rule is once its text has been read. Selections and display filters end in the same tree of tests.

Test trees know field names and values only; detect/predicates.py turns them into operations on columns. Within one
Compare or Membership Wireshark's any/all semantics hold over the values a field has in the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from detector.errors import InputError, Position
from detector.packets.zones import Zones
from detector.protocols.points import Device
from detector.rules.shelf import Shelved
from detector.rules.signature import Signature

# --- operands -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FieldValue:
    """All values of a field in the row. `slices` are Wireshark's [a:b] on its bytes as (start, stop); stop None: to the
    end. `occurrence`: Wireshark's `ip.src#2` (1-based; negative from the end), None: all. `span`: of a protocol, its bytes
    in place of whether it is there: its header (which slices and len() see), or all from its first byte on (contains and
    matches)."""

    name: str
    slices: tuple[tuple[int, int | None], ...] = ()
    occurrence: int | None = None
    span: Literal["", "header", "whole"] = ""


@dataclass(frozen=True)
class Literal_:
    """A constant, already of the kind it is compared with: int, float, bool, bytes, str, or for addresses the integer
    (ipv4, ether) or 16 bytes (ipv6); a network is (low, high) inclusive."""

    value: Any


@dataclass(frozen=True)
class Call:
    """len, lower, upper, count, string, min, max, abs of its arguments."""

    function: str
    arguments: tuple[Operand, ...]


@dataclass(frozen=True)
class Arithmetic:
    """left OP right with OP one of + - * / % &; a unary minus is 0 - x."""

    operator: str
    left: Operand
    right: Operand


@dataclass(frozen=True)
class ListValue:
    """A $VARIABLE or a list from a file: its entries, by the kind of the field it is compared with. Resolved by the
    loader to Literal_ entries; `name` is kept for messages."""

    name: str
    entries: tuple[Literal_, ...]

    def __hash__(self) -> int:
        """Of the name: rules are hashed again and again as they are compiled, and a list may have 50,000 entries."""
        return hash((self.name, len(self.entries)))


Operand = FieldValue | Literal_ | Call | Arithmetic

# --- tests ----------------------------------------------------------------------------------------------------------

Operator = Literal["eq", "ne", "gt", "ge", "lt", "le", "contains", "startswith", "endswith", "matches"]
Quantifier = Literal["any", "all"]


@dataclass(frozen=True)
class Exists:
    """The row has a value of it (a protocol name: it has the protocol)."""

    operand: FieldValue


@dataclass(frozen=True)
class Compare:
    """left OP right for any, or for all and at least one, of left's values. Wireshark 4: `==` is any eq, `!=` is all ne,
    `===` is all eq, `!==` is any ne, the others any. `matches` takes a regular expression as str; `ignore_case` holds
    for matches (Wireshark's default) and for Sigma's string comparisons."""

    operator: Operator
    left: Operand
    right: Operand
    quantifier: Quantifier = "any"
    ignore_case: bool = False


@dataclass(frozen=True)
class Membership:
    """left in {entries}: single values, (low, high) ranges inclusive, or lists. quantifier and ignore_case as in Compare."""

    left: Operand
    entries: tuple[Literal_ | tuple[Literal_, Literal_] | ListValue, ...]
    quantifier: Quantifier = "any"
    ignore_case: bool = False


@dataclass(frozen=True)
class Every:
    """The row has objects, and `test` holds on all of them (`|every`)."""

    test: Test


@dataclass(frozen=True)
class OneObject:
    """`test` holds on one object below the row: the object keys of one selection together."""

    test: Test


@dataclass(frozen=True)
class Not:
    """The test does not hold."""

    test: Test


@dataclass(frozen=True)
class And:
    """All hold; of none, true."""

    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Or:
    """One holds; of none, false."""

    tests: tuple[Test, ...]


@dataclass(frozen=True)
class Xor:
    """An odd number of them hold: what a chain of xor means."""

    tests: tuple[Test, ...]


Test = Exists | Compare | Membership | Every | OneObject | Not | And | Or | Xor

# --- rules ----------------------------------------------------------------------------------------------------------

LEVELS = ("informational", "low", "medium", "high", "critical")
STATUSES = ("stable", "test", "experimental", "deprecated", "unsupported")


@dataclass(frozen=True)
class Limit:
    """At most `count` alerts per group of `by` values within `every_ns` from the group's first alert."""

    by: tuple[str, ...]
    count: int
    every_ns: int


@dataclass(frozen=True)
class Correlation:
    """Sigma correlation over named rules: event_count, or value_count of `field`, in a sliding window."""

    kind: Literal["event_count", "value_count"]
    rules: tuple[str, ...]  # ids of base rules, resolved
    group_by: tuple[str, ...]
    timespan_ns: int
    condition: Mapping[str, int]  # gt gte lt lte eq -> number
    field: str = ""  # value_count only


@dataclass(frozen=True)
class NewValue:
    """Alerts on a combination of `fields` not seen while learning."""

    fields: tuple[str, ...]
    learn_ns: int  # from the first packet of the run
    max_values: int


@dataclass(frozen=True)
class RuleTest:
    """One entry of a rule's `tests:`: packets as Scapy expressions, or a capture; and how many alerts are expected."""

    position: Position
    alerts: int
    packets: tuple[tuple[str, Position], ...] = ()
    capture: str = ""  # absolute path
    variables: Mapping[str, Any] = field(default_factory=dict)
    learn_packets: int = 0
    zones: Zones = field(default_factory=Zones)
    devices: tuple[Device, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule(Shelved):
    """One rule, ready to be matched. `table` is the table whose rows are tested ("packet", "modbus", ...).

    `test` alone: a signature; with `new_value`: which rows are looked at; with `correlation`: which of the rows of its
    base rules it counts, None for all.
    `inactive` says why a rule is loaded but not run (a variable that is not set), or is empty.
    """

    id: str
    name: str  # for correlations; "" where not given
    title: str
    level: str
    status: str
    description: str
    references: tuple[str, ...]
    author: str
    date: str
    tags: tuple[str, ...]
    falsepositives: tuple[str, ...]
    table: str
    test: Test | None
    correlation: Correlation | None
    new_value: NewValue | None
    message: str  # template with {field} references
    limit: Limit
    fields: tuple[str, ...]  # every field the rule names: what an alert carries in detector.fields
    tests: tuple[RuleTest, ...]
    position: Position
    silent: bool = False  # feeds correlations only, makes no alerts of its own (Sigma's generate: false)
    inactive: str = ""
    source: str = field(default="", compare=False)  # the rule's text, for rule.* of the alert
    signature: Signature | None = None  # of a payload rule: what its test tree does not say
    category: str = ""  # what its classtype is called; "" where it has none


@dataclass(frozen=True)
class Refused:
    """A Suricata rule that was not loaded. why: the engine has no such keyword; the text is wrong, as Suricata says too; or
    a newer revision took its place. keyword: what it is counted under."""

    why: Literal["unsupported", "mistake", "replaced"]
    position: Position
    gid: int
    sid: int
    title: str
    keyword: str
    reason: str
    hint: str

    def error(self) -> InputError:
        """As it is shown to people."""
        name = f"rule {self.gid}:{self.sid}: " if self.sid else ""
        return InputError(name + self.reason, position=self.position, hint=self.hint)


@dataclass(frozen=True)
class Ruleset:
    """All loaded rules in the order of (path, position), with what was said while loading."""

    rules: tuple[Rule, ...]
    warnings: tuple[str, ...] = ()
    refused: tuple[Refused, ...] = ()
    suricata: int = 0  # how many Suricata rules were read, with those that were refused
    followers: tuple[
        Rule, ...
    ] = ()  # rules that nobody has written: they tell of packets that rules have tagged, or remember for rules

    @property
    def active(self) -> tuple[Rule, ...]:
        """The rules that are run."""
        return (*(rule for rule in self.rules if not rule.inactive), *self.followers)

    @property
    def alerting(self) -> tuple[Rule, ...]:
        """Those of them that make alerts of their own: what a person counts as the rules that run."""
        return tuple(rule for rule in self.rules if not rule.inactive and not rule.silent)
