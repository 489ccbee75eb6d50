"""What a payload rule is once its text has been read, whether it came from a Suricata rule or from YAML.

A signature says which packets it looks at (Header, FlowCondition), what must stand in which bytes (Inspection: a buffer
and its steps), and what it remembers (states, threshold). Conditions on single header fields are the rule's test tree.
Keywords mean what they mean in Suricata 7. Numbers that may be a variable are int, or the variable's name as str.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Literal

from detector.rules.shelf import Shelved

# --- which packets --------------------------------------------------------------------------------------------------

FIRST_ADDRESS, LAST_ADDRESS = 0, 2**128 - 1
IPV4_BASE = 0xFFFF << 32  # IPv4 addresses are mapped into IPv6 (::ffff:a.b.c.d), as in packet rows


@dataclass(frozen=True)
class AddressGroup:
    """Sorted ranges, both ends included, that do not overlap; of 128-bit addresses. Negations are worked out."""

    ranges: tuple[tuple[int, int], ...] = ((FIRST_ADDRESS, LAST_ADDRESS),)

    @property
    def is_any(self) -> bool:
        """Whether every address is in it."""
        return self.ranges == ((FIRST_ADDRESS, LAST_ADDRESS),)


@dataclass(frozen=True)
class PortGroup:
    """Sorted ranges of ports, both ends included, that do not overlap."""

    ranges: tuple[tuple[int, int], ...] = ((0, 65535),)

    @property
    def is_any(self) -> bool:
        """Whether every port is in it."""
        return self.ranges == ((0, 65535),)


class FlowCondition(IntFlag):
    """What `flow:` asks for; 0: nothing. Directions and states are Suricata's own (flows/columns.py)."""

    NOTHING = 0
    TO_SERVER = 1
    TO_CLIENT = 2
    ESTABLISHED = 4
    NOT_ESTABLISHED = 8
    NO_FRAG = 16
    ONLY_FRAG = 32
    FIRST_IN_DIRECTION = 64  # IP-only rules look at the first packet of each direction of a flow
    WHOLE = 128  # a transport header is asked for: fragments, and packets where it makes no sense, have none
    BYTES = 256  # a payload is asked for: packets of few protocols have one


Protocol = Literal["ip", "tcp", "udp", "icmp", "sctp", "pkthdr"]


@dataclass(frozen=True)
class Header:
    """The packets that a rule looks at. `ports` are asked of TCP, UDP and SCTP only. pkthdr: every packet, broken or not."""

    protocol: Protocol = "ip"
    source: AddressGroup = AddressGroup()
    source_ports: PortGroup = PortGroup()
    is_both_ways: bool = False
    destination: AddressGroup = AddressGroup()
    destination_ports: PortGroup = PortGroup()
    flow: FlowCondition = FlowCondition.NOTHING


# --- what stands in which bytes -------------------------------------------------------------------------------------

Number = int | str  # str: the name of a variable that an earlier step extracts


class Buffer(IntEnum):
    """Columns of bytes that steps look into. A value's name in rules: `Buffer.TCP_HDR.label`."""

    PAYLOAD = 0  # of a packet row
    STREAM = 1  # the window of a TCP stream
    IPV4_HDR = 2
    IPV6_HDR = 3
    TCP_HDR = 4
    UDP_HDR = 5
    ICMPV4_HDR = 6
    ICMPV6_HDR = 7
    DNP3_DATA = 8  # the application message of a PDU

    @property
    def label(self) -> str:
        """As rules spell it."""
        return self.name.lower().replace("_", ".")


IN_PAYLOAD = (Buffer.PAYLOAD, Buffer.STREAM)
IN_PDUS = (Buffer.DNP3_DATA,)


@dataclass(frozen=True)
class Content:
    """Bytes that must (or, negated, must not) occur. None: not given.

    startswith and endswith, distance 0 and so on are kept as written; `offset`, `depth` count from the buffer's start,
    `distance`, `within` from the end of the match before. is_fast: the rule's author chose it as fast pattern;
    fast_part: (offset, length) of the part to be searched; is_fast_only: nothing else than the search is wanted.
    """

    pattern: bytes
    is_negated: bool = False
    nocase: bool = False
    offset: Number | None = None
    depth: Number | None = None
    distance: Number | None = None
    within: Number | None = None
    startswith: bool = False
    endswith: bool = False
    is_fast: bool = False
    is_fast_only: bool = False
    fast_part: tuple[int, int] | None = None

    @property
    def is_relative(self) -> bool:
        """Whether it counts from the match before."""
        return self.distance is not None or self.within is not None

    @property
    def sought(self) -> bytes:
        """The pattern as it is compared: in lower case where case does not matter."""
        return self.pattern.lower() if self.nocase else self.pattern


@dataclass(frozen=True)
class IsDataAt:
    """Bytes up to a place: there, or negated not there."""

    position: Number
    is_negated: bool = False
    is_relative: bool = False


@dataclass(frozen=True)
class Numeral:
    """How a number stands in bytes. base 0: binary, `size` bytes; 8, 10, 16: text of up to `size` characters. A
    binary number of no bytes is 0."""

    size: Number
    is_little: bool = False
    base: int = 0


@dataclass(frozen=True)
class ByteTest:
    """A number compared. operator: < > = <= >= & ^."""

    numeral: Numeral
    operator: str
    is_negated: bool
    value: Number
    offset: Number
    is_relative: bool = False
    bitmask: int | None = None


@dataclass(frozen=True)
class ByteJump:
    """Moves the place that relative steps count from."""

    numeral: Numeral
    offset: Number
    is_relative: bool = False
    multiplier: int = 1
    is_aligned: bool = False
    origin: Literal["", "beginning", "end"] = ""
    post_offset: Number = 0
    bitmask: int | None = None


@dataclass(frozen=True)
class ByteExtract:
    """Keeps a number under a name. align 0, 2 or 4."""

    numeral: Numeral
    offset: int
    name: str
    is_relative: bool = False
    multiplier: int = 1
    align: int = 0


@dataclass(frozen=True)
class ByteMath:
    """Calculates with a number and keeps the result under a name. operator: + - * / << >>."""

    numeral: Numeral
    offset: Number
    operator: str
    right: Number
    name: str
    is_relative: bool = False
    bitmask: int | None = None


@dataclass(frozen=True)
class Pcre:
    """A regular expression on the buffer. flags: of PCRE's letters those that change how it matches (i m s x A E G);
    is_relative: R."""

    pattern: str
    flags: str = ""
    is_negated: bool = False
    is_relative: bool = False


@dataclass(frozen=True)
class BufferSize:
    """bsize: low <= length <= high; negated: outside."""

    low: int
    high: int
    is_negated: bool = False


@dataclass(frozen=True)
class Base64:
    """base64_decode: decodes `length` bytes (None: as many as can be) at offset; `steps` are those of base64_data."""

    length: int | None
    offset: int
    is_relative: bool
    steps: tuple[Step, ...] = ()


Step = Content | IsDataAt | ByteTest | ByteJump | ByteExtract | ByteMath | Pcre | BufferSize | Base64


@dataclass(frozen=True)
class Inspection:
    """Steps on one buffer, in the order in which they are tried."""

    buffer: Buffer
    steps: tuple[Step, ...]


class Where(IntFlag):
    """Where steps on a TCP payload look."""

    PACKET = 1
    STREAM = 2


# --- what it remembers ----------------------------------------------------------------------------------------------

SPOKEN = "app-layer-protocol "  # begins the names of bits that rules cannot name: theirs have no blanks


class Subject(IntEnum):
    """Whom a state or a threshold belongs to."""

    RULE = 0
    FLOW = 1
    SOURCE = 2
    DESTINATION = 3
    PAIR = 4  # of two hosts, whichever speaks: Suricata's ip_pair, and track by_both
    SIDE = 5  # of a flow, the direction in which Suricata sees the packet go


@dataclass(frozen=True)
class Bits:
    """flowbits, xbits, hostbits. Of several names `isset` asks for any that is set, `isnotset` for any that is not (Suricata's
    or-lists). expire_ns 0: as long as its flow."""

    action: Literal["set", "unset", "toggle", "isset", "isnotset"]
    kind: Literal["flowbits", "xbits", "hostbits"]
    names: tuple[str, ...]
    subject: Subject
    expire_ns: int = 0


def spoken(action: Literal["set", "isset", "isnotset"], what: str, subject: Subject = Subject.FLOW) -> Bits:
    """A bit of flows, or of one direction of them, that speak a protocol as far as is known (listeners.py)."""
    return Bits(action, "flowbits", (SPOKEN + what,), subject)


@dataclass(frozen=True)
class FlowInt:
    """flowint: a number of a flow, or of a host for a tag. operator: + - = set it; take sets it too, and leaves nothing below 0;
    < <= == != >= > compare; isset, isnotset. value: a number, the name of another flowint, or None: how long the packet is."""

    name: str
    operator: str
    value: int | str | None = 0
    subject: Subject = Subject.FLOW


@dataclass(frozen=True)
class Threshold:
    """threshold and suppress-file thresholds. kind: limit, threshold, both; detection: detection_filter."""

    kind: Literal["limit", "threshold", "both", "detection"]
    subject: Subject
    count: int
    seconds: int


@dataclass(frozen=True)
class Suppression:
    """Rows of a rule that make no alert. ranges of `subject`'s address; None: all rows."""

    subject: Subject
    addresses: AddressGroup | None


@dataclass(frozen=True)
class Tag:
    """tag: packets behind a match that are told of as well (followers.py), of its session or of one of its hosts."""

    scope: Literal["session", "host"]
    count: int
    unit: Literal["packets", "bytes", "seconds"]
    subject: Subject = Subject.FLOW

    @property
    def name(self) -> str:
        """As it is written, which no name that a rule can give is."""
        side = {Subject.SOURCE: ",src", Subject.DESTINATION: ",dst"}.get(self.subject, "")
        return f"tag:{self.scope},{self.count},{self.unit}{side}"

    @property
    def each(self) -> int | None:
        """What a packet counts, as FlowInt.value: one, or its bytes."""
        return None if self.unit == "bytes" else 1

    @property
    def states(self) -> tuple[Bits | FlowInt, ...]:
        """What a rule with it changes where it matches."""
        if self.unit == "seconds":
            return (self.bit("set", self.subject),)
        return (FlowInt(self.name, "=", self.count, self.subject), FlowInt(self.name, "take", self.each, self.subject))

    def bit(self, action: Literal["set", "isset"], subject: Subject) -> Bits:
        """The bit of a tag in seconds."""
        kind: Literal["flowbits", "hostbits"] = "flowbits" if self.scope == "session" else "hostbits"
        return Bits(action, kind, (self.name,), subject, self.count * 10**9)


@dataclass(frozen=True, slots=True)
class Signature(Shelved):
    """All that a payload rule has beside Rule's fields. order: Suricata's order of rules on one packet, smaller is first.

    silent rules (noalert) set states only. target: who is attacked, for the alert.
    What a search for its bytes needs to know of its inspections stands beside them. buffers: of each; sought: (bytes as they
    are compared, nocase) of the contents that must occur in a payload or stream; is_one_content: it has no other step, and
    bytes that come later change nothing.
    """

    header: Header
    inspections: tuple[Inspection, ...] = ()
    where: Where = Where.PACKET
    states: tuple[Bits | FlowInt, ...] = ()
    threshold: Threshold | None = None
    detection_filter: Threshold | None = None
    suppressions: tuple[Suppression, ...] = ()
    tag: Tag | None = None
    gid: int = 1
    sid: int = 0
    rev: int = 0
    priority: int = 3
    classtype: str = ""
    target: Literal["", "src_ip", "dest_ip"] = ""
    metadata: tuple[tuple[str, str], ...] = ()
    order: tuple[int, ...] = field(default=())
    buffers: tuple[Buffer, ...] = field(init=False, compare=False, repr=False)
    sought: tuple[tuple[bytes, bool], ...] = field(init=False, compare=False, repr=False)
    is_one_content: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        sought: list[tuple[bytes, bool]] = []
        last: Step | None = None
        count = 0
        for one in self.inspections:
            is_searched = one.buffer in IN_PAYLOAD
            for last in one.steps:
                count += 1
                if type(last) is Content and is_searched and not last.is_negated:
                    sought.append((last.sought, last.nocase))
        set_field = object.__setattr__  # the class is frozen
        set_field(self, "buffers", tuple(one.buffer for one in self.inspections))
        set_field(self, "sought", tuple(sought))
        set_field(self, "is_one_content", count == 1 and type(last) is Content and not last.endswith)
