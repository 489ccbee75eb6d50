"""A payload rule while its options are read, and what all families of keywords need: places of mistakes, and numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from detector.errors import InputError, Position
from detector.rules.model import Exists, FieldValue, Test
from detector.rules.options import Option, RuleText
from detector.rules.signature import (
    AddressGroup,
    Bits,
    Buffer,
    FlowCondition,
    FlowInt,
    Header,
    Number,
    PortGroup,
    Signature,
    Tag,
    Threshold,
)

C_NUMBER = re.compile(r"[+-]?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
RANGE = re.compile(r"(<=|>=|<|>|!=|!|=)?\s*([0-9]+)\s*(?:(<>|-)\s*([0-9]+))?")


Group = tuple[AddressGroup, bool]  # and whether something is negated in its text


class Unsupported(InputError):
    """A keyword, or an option of one, that Suricata has and we have not."""

    def __init__(self, keyword: str, problem: str, *, position: Position | None = None, hint: str = "") -> None:
        super().__init__(problem, position=position, hint=hint)
        self.keyword = keyword


@dataclass
class Context:
    """What rules refer to. variables: NAME -> the text of its address or port group; classifications: name ->
    (description, priority); references: system -> what its addresses begin with; folder: where files of datasets lie.

    What was read is kept by its text: a large ruleset has few headers, groups of addresses, `flow` and `threshold` options.
    """

    variables: Mapping[str, str] = field(default_factory=dict)
    classifications: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    references: Mapping[str, str] = field(default_factory=dict)
    folder: Path = Path()
    addresses: dict[str, Group] = field(default_factory=dict, repr=False, compare=False)
    ports: dict[str, PortGroup] = field(default_factory=dict, repr=False, compare=False)
    headers: dict[tuple[Any, ...], tuple[Header, str]] = field(default_factory=dict, repr=False, compare=False)
    conditions: dict[str, tuple[FlowCondition, bool, bool]] = field(default_factory=dict, repr=False, compare=False)
    thresholds: dict[str, Threshold] = field(default_factory=dict, repr=False, compare=False)


class CompiledRule(NamedTuple):
    """A rule that was understood. test: what its header fields must be, None for nothing; fields: those it names; silent: it
    only remembers (noalert); inactive: why it cannot run, "" where it can; warnings: what is left out of what its author wrote; table: as Rule.table."""

    title: str
    signature: Signature
    test: Test | None
    fields: tuple[str, ...]
    references: tuple[str, ...]
    level: str
    tags: tuple[str, ...]
    silent: bool = False
    inactive: str = ""
    warnings: tuple[str, ...] = ()
    table: str = "packet"


Parts = dict[str, Any]  # of a content: the arguments of Content so far
Piece = Any  # a Step, or the Parts of a content


class Draft:
    """One rule while it is read. `steps` is the list that payload keywords add to, that of `buffer`; `option` is read."""

    __slots__ = (
        "addresses_of", "asks_size", "base64", "bits", "buffer", "chains", "classtype", "context", "detection_filter", "dsize", "fast", "flow",
        "gid", "is_base64", "is_ip_only", "is_syn_only", "layers", "metadata", "msg", "names", "needs_packet", "needs_stream", "option", "pdu_option", "pdu_tests", "priority", "protocol",
        "protocols", "references", "rev", "set_buffers", "sid", "silent", "spoken", "states", "steps", "table", "tag", "target", "tests", "text", "threshold", "warnings",
    )  # fmt: skip

    def __init__(self, text: RuleText, context: Context) -> None:
        self.text, self.context = text, context
        self.option = Option("", None, 0, 0)
        self.protocol = ""
        self.buffer = Buffer.PAYLOAD
        self.steps: list[Piece] = []
        self.chains: dict[Buffer, list[Piece]] = {Buffer.PAYLOAD: self.steps}
        self.set_buffers: dict[Option, Buffer] = {}  # those that options ask for
        self.base64: list[Piece] | None = None
        self.is_base64 = False
        self.addresses_of = ""
        self.names: set[str] = set()
        self.fast = False
        self.dsize = ""
        self.tests: list[Test] = []
        self.table = "packet"  # whose rows the tests are of
        self.pdu_option = Option("", None, 0, 0)  # the first that asked for PDUs
        self.pdu_tests = 0  # how many of the tests are of PDUs
        self.protocols: list[tuple[str, int]] = []  # of ip_proto: sign and number
        self.layers: set[int] = set()  # IP protocols whose headers are tested
        self.flow: FlowCondition | None = None
        self.needs_packet = self.needs_stream = False
        self.asks_size = False
        self.is_ip_only = True
        self.is_syn_only = False
        self.states: list[Bits | FlowInt] = []
        self.spoken: list[str] = []  # of app-layer-protocol: protocols, those that must not be with ! before them
        self.threshold: Threshold | None = None
        self.detection_filter: Threshold | None = None
        self.tag: Tag | None = None
        self.silent = False
        self.msg, self.classtype = "", ""
        self.target: Literal["", "src_ip", "dest_ip"] = ""
        self.sid, self.rev, self.gid = 0, 0, 1
        self.priority = -1
        self.metadata: list[tuple[str, str]] = []
        self.references: list[str] = []
        self.warnings: list[str] = []

    def mistake(self, problem: str, hint: str, part: str = "") -> InputError:
        """What is wrong with the option that is read, at its value, or at a part of it."""
        return InputError(problem, position=self.position(part), hint=hint)

    def unsupported(self, problem: str, hint: str, part: str = "", keyword: str = "") -> Unsupported:
        """What Suricata has and we have not."""
        return Unsupported(keyword or self.option.keyword, problem, position=self.position(part), hint=hint)

    def position(self, part: str = "") -> Position:
        """Where the option that is read, or a part of its value, stands."""
        option = self.option
        if not option.value:
            return self.text.position(option.at, len(option.keyword))
        shift = max(0, option.value.find(part)) if part else 0
        return self.text.position(option.value_at + shift, len(part or option.value))

    def add_test(self, *tests: Test) -> None:
        """Conditions on header fields; such a rule looks at every packet."""
        self.tests += tests
        self.is_ip_only = False

    def add_pdu_test(self, table: str, *tests: Test, is_whole: bool = True) -> None:
        """Conditions on PDUs of a protocol. is_whole: not on bytes in which none could be found.

        Raises:
            InputError: the rule asks for another protocol already.
        """
        if self.table not in ("packet", table):
            raise self.mistake(f"a rule about {self.table} cannot ask for {table}", "put them into two rules")
        if self.table == "packet":
            self.table, self.pdu_option = table, self.option
            tests = (Exists(FieldValue(table)), *tests) if is_whole else tests
        self.pdu_tests += len(tests)
        self.add_test(*tests)

    def add_step(self, piece: Piece) -> None:
        """A step on the buffer that is set."""
        if self.addresses_of:
            raise self.unsupported(f"{self.option.keyword} on {self.addresses_of} is not supported",
                                   "addresses can be looked up with dataset, or named in the rule's header")  # fmt: skip
        self.is_ip_only = False
        self.steps.append(piece)

    def last_content(self) -> Parts:
        """The content that a modifier stands behind.

        Raises:
            InputError: there is none in this buffer.
        """
        for piece in reversed(self.steps):
            if type(piece) is dict:
                return piece
        raise InputError(
            f"{self.option.keyword} has no content before it", position=self.text.position(self.option.at, len(self.option.keyword)),
            hint="it belongs to the content right before it, in the same buffer",
        )  # fmt: skip

    def number(self, text: str, low: int, high: int, what: str, part: str = "") -> int:
        """A number as C reads it: 10, 0x0a, 012. part: what a mistake is shown at.

        Raises:
            InputError: it is none, or outside the bounds.
        """
        text = text.strip()
        if not C_NUMBER.fullmatch(text):
            raise self.mistake(f"{what} {text!r} is no number", f"a number from {low} to {high}", part or text)
        value = c_number(text)
        if not low <= value <= high:
            raise self.mistake(f"{what} {text} is out of bounds", f"a number from {low} to {high}", part or text)
        return value

    def number_or_name(self, text: str, low: int, high: int, what: str) -> Number:
        """A number, or the name of a variable that a step before this one extracts."""
        text = text.strip()
        if text[:1].isdigit() or text[:1] in "+-":
            return self.number(text, low, high, what)
        if text not in self.names:
            known = (
                f"extracted so far: {', '.join(sorted(self.names))}"
                if self.names
                else "byte_extract or byte_math before it gives one"
            )
            raise self.mistake(f"{what} {text!r} is neither a number nor a variable", known, text)
        return text

    def ranges(
        self, value: str, most: int, what: str, operators: str = "<= >= < > != ! ="
    ) -> tuple[tuple[int, int], ...]:
        """The values that `5`, `>5`, `!5`, `5<>10` (both ends excluded) and so on stand for, as ranges up to `most`.

        Raises:
            InputError: it is no such condition, or none can be met.
        """
        found = RANGE.fullmatch(value)
        hint = f"write N, {', '.join(sign + 'N' for sign in operators.split())} or N<>M with numbers up to {most}"
        if found is None or (found[1] and (found[3] or found[1] not in operators.split())):
            raise self.mistake(f"{what} {value!r} is no condition on a number", hint)
        sign, first, second = found[1] or "", int(found[2]), int(found[4] or 0)
        if first > most or second > most:
            raise self.mistake(f"{what} {value} is above {most}", hint)
        if found[3]:
            if second - first < 2:
                raise self.mistake(
                    f"nothing lies between {first} and {second}", "both ends are excluded: 4<>6 asks for 5"
                )
            return ((first + 1, second - 1),)
        if sign in ("!", "!="):
            return tuple(one for one in ((0, first - 1), (first + 1, most)) if one[0] <= one[1])
        low = first + 1 if sign == ">" else first if sign in (">=", "=", "") else 0
        high = first - 1 if sign == "<" else first if sign in ("<=", "=", "") else most
        if low > high:
            raise self.mistake(f"{what} {value} is never met", hint)
        return ((low, high),)


Handler = Callable[[Draft, str], None]


class Keyword(NamedTuple):
    """How a keyword is written. value: needed, none, or optional. quotes: refused, needed, or optional.
    negation: `!` may stand before the quotes; the handler is then given the value with it."""

    read: Handler
    value: str = "needed"
    quotes: str = "refused"
    negation: bool = False


def c_number(text: str) -> int:
    """A number as C's strtol reads it with base 0."""
    digits = text.lstrip("+-")
    sign = -1 if text[0] == "-" else 1
    if digits[:2] in ("0x", "0X"):
        return sign * int(digits, 16)
    if len(digits) > 1 and digits[0] == "0" and not set(digits) & {"8", "9"}:
        return sign * int(digits, 8)
    return sign * int(digits)
