"""What may be wrong with a user's text or with the network's bytes, and how each is said.

A user's mistake is an InputError with a position; several of them travel together as InputErrors. Bytes from the
network never raise: their oddities are anomalies (PacketAnomaly here, a protocol's own beside the protocol), which are
counted and can be matched by rules.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

WIDEST = 240  # characters that are shown of a line


@dataclass(frozen=True, order=True)
class Position:
    """A place in a user's text: `line` and `column` count from 1, `length` is in characters."""

    path: str
    line: int
    column: int
    length: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class InputError(Exception):
    """One mistake in what a user wrote: where, what, and what to do about it."""

    def __init__(self, problem: str, *, position: Position | None = None, hint: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.position = position
        self.hint = hint

    def __str__(self) -> str:
        if self.position is None:
            return self.problem + (f" (hint: {self.hint})" if self.hint else "")
        lines = [f"{self.position}: {self.problem}"]
        if self.position.text:
            text, before = self.position.text, self.position.column - 1
            length = max(1, min(self.position.length, WIDEST // 2))
            if len(text) > WIDEST:  # what is shown of it begins a little before the place
                start = max(0, min(before - WIDEST // 4, len(text) - WIDEST))
                cut = text[start : start + WIDEST]
                text = f"{'…' if start else cut[0]}{cut[1:-1]}{'…' if start + WIDEST < len(text) else cut[-1]}"
                before -= start
            lines += [f"{self.position.line:>6} | {shown(text)}", f"{'':>6} | {' ' * before}{'^' * length}"]
        if self.hint:
            lines.append(f"hint: {self.hint}")
        return "\n".join(lines)


class InputErrors(Exception):
    """Every mistake found in one go, in the order of their positions."""

    def __init__(self, errors: Iterable[InputError]) -> None:
        self.errors = list(errors)
        super().__init__(f"{len(self.errors)} mistakes")

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))


def shown(text: str) -> str:
    """A line of a user's file, one column a character, without what would move the mark below it or steer a terminal."""
    return "".join(letter if letter.isprintable() else " " if letter == "\t" else "\ufffd" for letter in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word closest to a misspelt one, or an empty string."""
    candidates: Sequence[str] = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return candidates[0] if candidates else ""


class PacketAnomaly(IntEnum):
    """Oddities of a packet row; the value is the bit in PacketRows.anomalies, the wire name is `label`.

    Names are Suricata's decoder events where one exists. Values are never reused.
    """

    PACKET_LATE = 0
    PACKET_TIME_JUMP = 1
    PACKET_UNKNOWN_LINK_TYPE = 2
    PACKET_TOO_MANY_LAYERS = 3
    PACKET_REPEAT = 4
    PACKET_TRUNCATED = 5
    ETHERNET_PKT_TOO_SMALL = 6
    SLL_PKT_TOO_SMALL = 7
    NULL_PKT_TOO_SMALL = 8
    NULL_UNSUPPORTED_TYPE = 9
    PPP_PKT_TOO_SMALL = 10
    PPPOE_PKT_TOO_SMALL = 11
    VLAN_HEADER_TOO_SMALL = 12
    VLAN_TOO_MANY_LAYERS = 13
    MPLS_HEADER_TOO_SMALL = 14
    LLC_PKT_TOO_SMALL = 15
    ARP_PKT_TOO_SMALL = 16
    IPV4_PKT_TOO_SMALL = 17
    IPV4_HLEN_TOO_SMALL = 18
    IPV4_IPLEN_SMALLER_THAN_HLEN = 19
    IPV4_TRUNC_PKT = 20
    IPV4_WRONG_IP_VERSION = 21
    IPV4_OPT_INVALID_LEN = 22
    IPV4_CSUM_INVALID = 23
    IPV4_FRAG_OVERLAP = 24
    IPV4_FRAG_PKT_TOO_LARGE = 25
    IPV4_FRAG_TOO_MANY = 26
    IPV4_FRAG_NO_ROOM = 27
    IPV6_PKT_TOO_SMALL = 28
    IPV6_TRUNC_PKT = 29
    IPV6_WRONG_IP_VERSION = 30
    IPV6_TRUNC_EXTHDR = 31
    IPV6_TOO_MANY_EXTHDR = 32
    IPV6_FRAG_OVERLAP = 33
    IPV6_FRAG_PKT_TOO_LARGE = 34
    IPV6_FRAG_TOO_MANY = 35
    IPV6_FRAG_NO_ROOM = 36
    TCP_PKT_TOO_SMALL = 37
    TCP_HLEN_TOO_SMALL = 38
    TCP_INVALID_OPTLEN = 39
    TCP_CSUM_INVALID = 40
    UDP_PKT_TOO_SMALL = 41
    UDP_HLEN_TOO_SMALL = 42
    UDP_HLEN_INVALID = 43
    UDP_CSUM_INVALID = 44
    ICMPV4_PKT_TOO_SMALL = 45
    ICMPV4_CSUM_INVALID = 46
    ICMPV6_PKT_TOO_SMALL = 47
    ICMPV6_CSUM_INVALID = 48
    IGMP_PKT_TOO_SMALL = 49
    SCTP_PKT_TOO_SMALL = 50
    GRE_PKT_TOO_SMALL = 51
    GRE_WRONG_VERSION = 52
    VXLAN_PKT_TOO_SMALL = 53
    PACKET_REDUNDANT = 54
    HSR_PKT_TOO_SMALL = 55
    STREAM_OVERLAP_DIFFERENT_DATA = 100
    STREAM_GAP = 101
    STREAM_MEMCAP = 102
    STREAM_URGENT_DATA = 103
    STREAM_EST_SYN_RESEND_DIFF_SEQ = 104
    STREAM_EST_PACKET_OUT_OF_WINDOW = 105
    STREAM_RST_OUT_OF_WINDOW = 106

    @property
    def label(self) -> str:
        """The name a rule uses: `IPV4_TRUNC_PKT` is `ipv4.trunc_pkt`."""
        protocol, _, name = self.name.lower().partition("_")
        return f"{protocol}.{name}"
