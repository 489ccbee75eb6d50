"""Keywords about single header fields: tests on columns, by Wireshark's names.

Every test asks for the row's own header: an ICMP error's row lists the fields of the header that it quotes as well.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from detector.columns import Field
from detector.errors import InputError, PacketAnomaly, nearest
from detector.flows.events import StreamEvent
from detector.lists import read_list
from detector.packets.events import DecoderEvent
from detector.rules.keywords.contents import in_ranges, negated
from detector.rules.keywords.draft import Draft, Keyword
from detector.rules.keywords.known import DECODER_EVENTS, STREAM_EVENTS
from detector.rules.model import And, Arithmetic, Compare, Exists, FieldValue, ListValue, Literal_, Membership, Or, Test
from detector.rules.values import CONVERTERS

Ranges = tuple[tuple[int, int], ...]

TCP, ICMP, ICMPV6 = 6, 1, 58
PROTOCOL = "packet.ip_protocol"
IP_OPTIONS = {
    "rr": 7,
    "eol": 0,
    "nop": 1,
    "ts": 68,
    "sec": 130,
    "esec": 133,
    "lsrr": 131,
    "ssrr": 137,
    "satid": 136,
}  # RFC 791, IANA
FRAGMENT_BITS = {"M": 1, "D": 2, "R": 4}  # as in ip.flags
TCP_BITS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32, "E": 64, "2": 64, "C": 128, "1": 128, "0": 0}
FLAGS = re.compile(r"\s*([!*+]?)\s*([FSRPAUEC120]+)\s*([!*+]?)\s*(?:,\s*([FSRPAUEC12]+)\s*)?")
BITS = re.compile(r"\s*([!*+]?)\s*([MDR][MDR,\s]*?)\s*[!*+]?\s*")
TOS = re.compile(r"(!?)\s*(?:(\d{1,3})|x([0-9a-fA-F]{1,2}))")
COMPARED = re.compile(r"([<>]?)\s*(\d+)")
MTU_TYPE = 2
BEGIN_OR_END = 7  # FIN, SYN, RST
UNUSUAL = TCP_BITS["U"] | TCP_BITS["C"] | TCP_BITS["E"]
PROTOCOL_NUMBERS = {  # IANA
    "icmp": 1, "igmp": 2, "ggp": 3, "ipencap": 4, "st": 5, "tcp": 6, "egp": 8, "igp": 9, "pup": 12, "udp": 17, "hmp": 20, "xns-idp": 22,
    "rdp": 27, "iso-tp4": 29, "dccp": 33, "xtp": 36, "ddp": 37, "idpr-cmtp": 38, "ipv6": 41, "ipv6-route": 43, "ipv6-frag": 44, "idrp": 45,
    "rsvp": 46, "gre": 47, "esp": 50, "ah": 51, "skip": 57, "ipv6-icmp": 58, "icmpv6": 58, "ipv6-nonxt": 59, "ipv6-opts": 60, "rspf": 73,
    "vmtp": 81, "eigrp": 88, "ospf": 89, "ax.25": 93, "ipip": 94, "etherip": 97, "encap": 98, "pim": 103, "ipcomp": 108, "vrrp": 112,
    "l2tp": 115, "isis": 124, "sctp": 132, "fc": 133, "mobility-header": 135, "udplite": 136, "mpls-in-ip": 137, "manet": 138, "hip": 139,
    "shim6": 140, "wesp": 141, "rohc": 142,
}  # fmt: skip
ANOMALIES = {anomaly.label: anomaly.value for anomaly in PacketAnomaly}
# Suricata's names of what we name otherwise. A stream event without an entry is one of its TCP session's.
DECODER_NAMES = {"ltnull.pkt_too_small": "null.pkt_too_small", "ltnull.unsupported_type": "null.unsupported_type",
                 "too_many_layers": "packet.too_many_layers", "udp.len_invalid": "udp.hlen_invalid"}  # fmt: skip
STREAM_NAMES = {
    "reassembly_overlap_different_data": "stream.overlap_different_data",
    "reassembly_seq_gap": "stream.gap",
}
# Events that are no anomalies: the field that has them, and their values.
EVENTS = {
    "stream": ("stream.event", {event.label: event.value for event in StreamEvent}),
    "decode": ("packet.event", {event.label: event.value for event in DecoderEvent}),
}


def own(name: str) -> FieldValue:
    """A field of the row's own header."""
    return FieldValue(name, occurrence=1)


@lru_cache(1 << 14)
def any_in(names: tuple[str, ...], ranges: Ranges) -> Test:
    """One of some fields, of which a packet has one, is in some ranges."""
    tests = tuple(in_ranges(name, ranges) for name in names)
    return tests[0] if len(tests) == 1 else Or(tests)


def add(draft: Draft, test: Test, protocol: int = 0) -> None:
    """A test on a header. protocol: whose header it is; a row that only quotes one is not meant."""
    draft.needs_packet = True
    draft.add_test(test)
    if protocol:
        draft.layers.add(protocol)


def ttl(draft: Draft, value: str) -> None:
    """ttl:5; of IPv4, or IPv6's hop limit."""
    add(draft, any_in(("ip.ttl", "ipv6.hlim"), draft.ranges(value, 255, "the lifetime")))


def tos(draft: Draft, value: str) -> None:
    """tos:8; tos:!x10;"""
    found = TOS.fullmatch(value)
    number = 256 if found is None else int(found[2]) if found[2] else int(found[3], 16)
    if found is None or number > 255:
        raise draft.mistake(
            f"tos {value!r} is no byte", "a number from 0 to 255, in hexadecimal x1f, with ! for every other one"
        )
    ranges = draft.ranges(f"!{number}", 255, "tos") if found[1] else ((number, number),)
    add(draft, in_ranges("ip.dsfield", ranges))


def ipopts(draft: Draft, value: str) -> None:
    """ipopts:rr; ipopts:any;"""
    name = value.lower()
    if name == "any":  # what its manual promises, Suricata 7 does not do: no packet has ever matched
        draft.warnings.append("ipopts:any never matches, as in Suricata 7: name the options that are meant")
        add(draft, Or(()))
    elif name in IP_OPTIONS:
        add(draft, Compare("eq", FieldValue("ip.opt.type"), Literal_(IP_OPTIONS[name])))
    else:
        raise draft.mistake(f"unknown IP option {value!r}", f"known are {', '.join(IP_OPTIONS)}, any")


def exactly(name: str, most: int, protocol: int = 0) -> Keyword:
    """A keyword that takes one number."""

    def read(draft: Draft, value: str) -> None:
        digits = value.removeprefix("+") if draft.option.keyword in ("seq", "ack", "tcp.seq", "tcp.ack") else value
        if not (digits.isascii() and digits.isdigit()) or int(digits) > most:
            raise draft.mistake(f"{draft.option.keyword} {value!r} is no number", f"a number from 0 to {most}")
        add(draft, in_ranges(name, ((int(digits), int(digits)),)), protocol)

    return Keyword(read)


def window(draft: Draft, value: str) -> None:
    """window:5; window:!5; as sent, not scaled."""
    is_negated = value.startswith("!")
    digits = value[1:].strip() if is_negated else value
    if not (digits.isascii() and digits.isdigit()) or int(digits) > 65535:
        raise draft.mistake(f"window {value!r} is no number", "a number from 0 to 65535, with ! for every other one")
    ranges = draft.ranges(f"!{digits}" if is_negated else digits, 65535, "the window")
    add(draft, in_ranges("tcp.window_size_value", ranges), TCP)


def fragoffset(draft: Draft, value: str) -> None:
    """fragoffset:>5; in units of eight bytes."""
    found = COMPARED.fullmatch(value)
    if found is None or int(found[2]) > 65535:
        raise draft.mistake(f"fragoffset {value!r} is no condition on a number", "N, >N or <N, with N up to 65535")
    add(draft, in_ranges("ip.frag_offset", draft.ranges(value, 65535, "the offset", "< >")))


def fragbits(draft: Draft, value: str) -> None:
    """fragbits:M; fragbits:+MD; a modifier behind the letters changes nothing (Suricata 7 reads no further than the letters)."""
    found = BITS.fullmatch(value)
    if found is None:
        raise draft.mistake(
            f"fragbits {value!r} cannot be read",
            "M more fragments, D do not fragment, R reserved; before them + these and another, * any, ! not",
        )
    wanted = 0
    for letter in found[2]:
        wanted |= FRAGMENT_BITS.get(letter, 0)
    add(draft, of_fragment(found[1], wanted))


def flags(draft: Draft, value: str) -> None:
    """flags:S; flags:SA,CE; flags:+SF;"""
    found = FLAGS.fullmatch(value)
    if found is None or (found[1] and found[3]):
        raise draft.mistake(f"flags {value!r} cannot be read",
                            "letters of FSRPAUCE, 0 for none; + others too, * any of them, ! not; behind a comma those that do not matter: S,CE")  # fmt: skip
    wanted, counted = 0, 255
    for letter in found[2]:
        wanted |= TCP_BITS[letter]
    for letter in found[4] or "":
        counted &= ~TCP_BITS[letter]
    draft.is_syn_only |= wanted == TCP_BITS["S"] and not (found[1] or found[3])
    add(draft, of_flags(found[1] or found[3], wanted, counted), TCP)


@lru_cache(1 << 10)
def of_bits(name: str, modifier: str, wanted: int, counted: int) -> Test:
    """Bits of a field: all others not set, with * any, with ! not all."""
    mask = wanted & counted if modifier else counted
    left = Arithmetic("&", own(name), Literal_(mask))
    if modifier == "*":
        return Compare("gt", left, Literal_(0))
    return Compare("ne" if modifier == "!" else "eq", left, Literal_(wanted))


@lru_cache(1 << 6)
def of_fragment(modifier: str, wanted: int) -> Test:
    """IPv4's three flags. With + all that are wanted, and another one (Suricata's manual has "plus any others")."""
    if modifier != "+":
        return of_bits("ip.flags", modifier, wanted, 7)
    values = tuple(Literal_(value) for value in range(8) if value & wanted == wanted and value != wanted)
    return Membership(own("ip.flags"), values) if values else Or(())


@lru_cache(1 << 10)
def of_flags(modifier: str, wanted: int, counted: int) -> Test:
    """TCP's eight flags. Of no flags, + and nothing ask for none, ! for any.

    Suricata keeps rules that name SYN, FIN or RST for packets that have one of them: `!S` is not asked of an ACK; those
    that name URG, ECE or CWR for packets that have one of these; and those that name SYN, but for `!`, for packets with SYN.
    """
    if not wanted:
        if modifier == "*":
            return Or(())
        return Compare("gt" if modifier == "!" else "eq", Arithmetic("&", own("tcp.flags"), Literal_(255)), Literal_(0))
    test = of_bits("tcp.flags", modifier, wanted, counted)
    if modifier not in ("!", "*"):
        return test
    groups = [TCP_BITS["S"] if modifier == "*" and wanted & TCP_BITS["S"] else BEGIN_OR_END, UNUSUAL]
    return And((*(Compare("gt", Arithmetic("&", own("tcp.flags"), Literal_(group)), Literal_(0)) for group in groups
                  if wanted & group), test))  # fmt: skip


def mss(draft: Draft, value: str) -> None:
    """tcp.mss:<536;"""
    add(draft, in_ranges("tcp.options.mss_val", draft.ranges(value, 65535, "the segment size")), TCP)


def of_icmp(version4: str, version6: str) -> Keyword:
    """A byte of ICMP, of either version."""

    def read(draft: Draft, value: str) -> None:
        add(draft, any_in((version4, version6), draft.ranges(value, 255, draft.option.keyword)))
        draft.layers |= {ICMP, ICMPV6}

    return Keyword(read)


def of_echo(version4: str, version6: str) -> Keyword:
    """A number of ICMP's echo and its like, of either version."""

    def read(draft: Draft, value: str) -> None:
        if not (value.isascii() and value.isdigit()) or int(value) > 65535:
            raise draft.mistake(f"{draft.option.keyword} {value!r} is no number", "a number from 0 to 65535")
        add(draft, any_in((version4, version6), ((int(value), int(value)),)))
        draft.layers |= {ICMP, ICMPV6}

    return Keyword(read)


def mtu(draft: Draft, value: str) -> None:
    """icmpv6.mtu:<1280; of Packet Too Big."""
    ranges = draft.ranges(value, 2**32 - 1, "the size")
    add(draft, And((in_ranges("icmpv6.type", ((MTU_TYPE, MTU_TYPE),)), in_ranges("icmpv6.mtu", ranges))), ICMPV6)


def sameip(draft: Draft, value: str) -> None:
    """sameip; sender and receiver are the same."""
    add(draft, Or((Compare("eq", own("ip.src"), own("ip.dst")), Compare("eq", own("ipv6.src"), own("ipv6.dst")))))


def ip_proto(draft: Draft, value: str) -> None:
    """ip_proto:47; ip_proto:!tcp; several hold together."""
    if draft.protocol not in ("ip", "ip4", "ip6", "ipv4", "ipv6", "pkthdr"):
        raise draft.mistake(f"ip_proto in an alert {draft.protocol} rule says nothing", "write alert ip")
    sign = value[0] if value[0] in "!<>" else ""
    name = value[len(sign) :].strip().lower()
    number = int(name) if name.isascii() and name.isdigit() else PROTOCOL_NUMBERS.get(name, -1)
    if not 0 <= number <= 255:
        guess = nearest(name, PROTOCOL_NUMBERS)
        raise draft.mistake(
            f"unknown IP protocol {name!r}",
            f"did you mean {guess}?" if guess else "a number from 0 to 255, or a name such as gre",
        )
    refuse_combined(draft, sign, number)
    draft.protocols.append((sign or "=", number))
    draft.needs_packet = True
    draft.tests.append(in_ranges(PROTOCOL, draft.ranges(f"{sign}{number}", 255, "the protocol")))


def refuse_combined(draft: Draft, sign: str, number: int) -> None:
    """One of several ip_proto may not say the same as another, or what leaves nothing."""
    before = draft.protocols
    signs = [one[0] for one in before]
    if before and (not sign or "=" in signs):
        raise draft.mistake(
            "ip_proto with one protocol goes with no other ip_proto", "keep this one, or write !, < and > only"
        )
    if sign in ("<", ">") and sign in signs:
        raise draft.mistake(f"ip_proto with {sign} is given twice", "remove one of them")
    other = next((one[1] for one in before if one[0] in "<>"), None)
    if sign in ("<", ">") and other is not None and (other >= number - 1 if sign == "<" else number >= other - 1):
        raise draft.mistake("no protocol lies between the two", "ip_proto:>5; ip_proto:<10; asks for 6 to 9")


# --- events ---------------------------------------------------------------------------------------------------------


def event(kind: str, names: dict[str, str], known: frozenset[str]) -> Keyword:
    """decode-event and stream-event: events and anomalies of the row."""

    def read(draft: Draft, value: str) -> None:
        name = value.lower()
        name = name.removeprefix("stream.") if kind == "stream" and draft.option.keyword == "engine-event" else name
        label = names.get(name, name)
        field, values = EVENTS[kind]
        if name in values:
            draft.add_test(Compare("eq", FieldValue(field), Literal_(values[name])))
        elif label in ANOMALIES:
            draft.add_test(Compare("eq", FieldValue("packet.anomaly"), Literal_(ANOMALIES[label])))
        elif name in known:
            raise draft.unsupported(
                f"the event {name} is not noticed here",
                f"what is: detector fields {field}, detector fields packet.anomaly",
                value,
            )
        else:
            guess = nearest(name, known)
            raise draft.mistake(
                f"unknown event {value!r}",
                f"did you mean {guess}?"
                if guess
                else "names are those of Suricata's decoder-events.rules and stream-events.rules",
            )

    return Keyword(read)


DECODE_EVENT = event("decode", DECODER_NAMES, DECODER_EVENTS)
STREAM_EVENT = event("stream", STREAM_NAMES, STREAM_EVENTS)


def engine_event(draft: Draft, value: str) -> None:
    """engine-event:stream.x; and engine-event:decoder.x;"""
    chosen = STREAM_EVENT if value.lower().startswith("stream.") else DECODE_EVENT
    if not value.lower().startswith(("stream.", "decoder.")):
        raise draft.mistake(f"unknown event {value!r}", "engine-event:stream.NAME or engine-event:decoder.NAME")
    chosen.read(draft, value if chosen is STREAM_EVENT else value[len("decoder.") :])


# --- datasets -------------------------------------------------------------------------------------------------------


def dataset(draft: Draft, value: str) -> None:
    """dataset:isset,name,type ip,load file; on ip.src and ip.dst."""
    words = [part.strip() for part in value.split(",")]
    given = dict(part.split(None, 1) for part in words[2:] if len(part.split(None, 1)) == 2)
    if words[0] not in ("isset", "isnotset", "set", "unset") or len(words) < 2:
        raise draft.mistake(f"dataset cannot be read: {value}", "dataset:isset,name,type ip,load addresses.txt")
    if not draft.addresses_of:
        if not draft.set_buffers and not draft.is_base64:
            raise draft.mistake(
                "dataset needs a buffer before it", "ip.src; dataset:isset,name,type ip,load addresses.txt;"
            )
        raise draft.unsupported(f"datasets of {draft.buffer.label} are not supported", "those of ip.src and ip.dst are")
    if words[0] in ("set", "unset") or "load" not in given or given.get("type") not in ("ip", "ipv4", "ipv6"):
        raise draft.unsupported(
            "only isset and isnotset on addresses of a file are supported",
            "dataset:isset,name,type ip,load addresses.txt",
        )
    side = draft.addresses_of.removeprefix("ip.")
    path = given["load"].strip()
    try:
        test = listed(side, str(draft.context.folder / path), words[1])
    except InputError as error:
        raise error if error.position else draft.mistake(error.problem, error.hint, path) from None
    draft.add_test(negated(test, words[0] == "isnotset"))
    if words[0] == "isnotset":
        draft.add_test(Or((Exists(own("ip.src")), Exists(own("ipv6.src")))))
    draft.addresses_of = ""


@lru_cache(256)
def listed(side: str, path: str, name: str) -> Test:
    """The sender or the receiver is one of the addresses of a file."""
    fields = {"ipv4": Field(f"ip.{side}", "ipv4", ""), "ipv6": Field(f"ipv6.{side}", "ipv6", "")}
    found: dict[str, list[Literal_]] = {"ipv4": [], "ipv6": []}
    for entry in read_list(Path(path)):
        kind = "ipv6" if ":" in entry.text else "ipv4"
        try:
            found[kind].append(Literal_(CONVERTERS[kind](fields[kind], entry.text.split(",")[0].strip(), False)))
        except ValueError:
            raise InputError(
                f"{entry.text!r} is no address", position=entry.position, hint="one address a line"
            ) from None
    return Or(
        tuple(Membership(own(field.name), (ListValue(name, tuple(found[kind])),)) for kind, field in fields.items())
    )


KEYWORDS: dict[str, Keyword] = {
    "ttl": Keyword(ttl), "tos": Keyword(tos), "ipopts": Keyword(ipopts), "id": exactly("ip.id", 65535), "fragbits": Keyword(fragbits),
    "fragoffset": Keyword(fragoffset), "ip_proto": Keyword(ip_proto), "sameip": Keyword(sameip, "none"),
    "seq": exactly("tcp.seq_raw", 2**32 - 1, TCP), "tcp.seq": exactly("tcp.seq_raw", 2**32 - 1, TCP),
    "ack": exactly("tcp.ack_raw", 2**32 - 1, TCP), "tcp.ack": exactly("tcp.ack_raw", 2**32 - 1, TCP),
    "window": Keyword(window), "tcp.window": Keyword(window), "flags": Keyword(flags), "tcp.flags": Keyword(flags), "tcp.mss": Keyword(mss),
    "itype": of_icmp("icmp.type", "icmpv6.type"), "icode": of_icmp("icmp.code", "icmpv6.code"),
    "icmp_id": of_echo("icmp.ident", "icmpv6.echo.identifier"), "icmp_seq": of_echo("icmp.seq", "icmpv6.echo.sequence_number"),
    "icmpv6.mtu": Keyword(mtu), "decode-event": DECODE_EVENT, "stream-event": STREAM_EVENT, "engine-event": Keyword(engine_event),
    "dataset": Keyword(dataset),
}  # fmt: skip
