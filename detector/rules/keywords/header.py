"""The seven words before a rule's options: which packets it looks at."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from detector.errors import InputError, nearest
from detector.rules.keywords.draft import Context, Draft, Group, Unsupported
from detector.rules.keywords.known import APPLICATIONS
from detector.rules.signature import (
    FIRST_ADDRESS,
    IPV4_BASE,
    LAST_ADDRESS,
    AddressGroup,
    Buffer,
    FlowCondition,
    Header,
    PortGroup,
    Protocol,
)

Ranges = list[tuple[int, int]]

IPV4 = (IPV4_BASE, IPV4_BASE + 0xFFFFFFFF)
EVERY_IPV4: Ranges = [IPV4]
EVERY_IPV6: Ranges = [(FIRST_ADDRESS, IPV4[0] - 1), (IPV4[1] + 1, LAST_ADDRESS)]
EVERY_PORT: Ranges = [(0, 65535)]
DEEPEST = 64  # lists and variables inside each other: Suricata's own bound is the same
TRANSPORT_BUFFERS = (Buffer.TCP_HDR, Buffer.UDP_HDR, Buffer.ICMPV4_HDR, Buffer.ICMPV6_HDR)
BOTH_DIRECTIONS = FlowCondition.TO_SERVER | FlowCondition.TO_CLIENT
WHOLE, BYTES = int(FlowCondition.WHOLE), int(FlowCondition.BYTES)
NAME = re.compile(r"\$[A-Za-z_]\w*")
PROTOCOLS: dict[str, Protocol] = {
    "ip": "ip", "ip4": "ip", "ip6": "ip", "ipv4": "ip", "ipv6": "ip", "tcp": "tcp", "tcp-pkt": "tcp", "tcp-stream": "tcp", "udp": "udp",
    "icmp": "icmp", "icmpv4": "icmp", "icmpv6": "icmp", "sctp": "sctp", "pkthdr": "pkthdr", "modbus": "tcp", "dnp3": "tcp", "enip": "ip",
}  # fmt: skip
PDU_PROTOCOLS = ("modbus", "dnp3", "enip")  # whose rules are about PDUs
FAMILIES = {
    "ip4": EVERY_IPV4,
    "ipv4": EVERY_IPV4,
    "icmpv4": EVERY_IPV4,
    "ip6": EVERY_IPV6,
    "ipv6": EVERY_IPV6,
    "icmpv6": EVERY_IPV6,
}
BLOCKING = ("drop", "reject", "rejectsrc", "rejectdst", "rejectboth")
ADDRESS_HINT = "write an address, a network 10.0.0.0/8, a range 10.0.0.1-10.0.0.9, any, $NAME, or a list of them [a,!b]"
PORT_HINT = "write a port, a range 1024:65535, any, $NAME, or a list of them [80,8000:8080,!8001]"


class Missing(Exception):
    """A variable that is not set."""


class Broken(Exception):
    """What is wrong with a group: (problem, the part that is meant)."""


def read_action(draft: Draft) -> None:
    """The first word. What would block packets is loaded to alert; there is nothing in this program that blocks.

    Raises:
        InputError: no action.  Unsupported: an action that makes no alerts.
    """
    word, at = draft.text.header[0].lower(), draft.text.header_at[0]
    if word == "alert":
        return
    position = draft.text.position(at, len(word))
    if word in BLOCKING:
        draft.warnings.append(f"{word}: loaded as alert, nothing is blocked here")
    elif word in ("pass", "config"):
        hint = "suppress lines of a threshold file do without alerts" if word == "pass" else "it configures Suricata"
        raise Unsupported(word, f"{word} rules are not supported", position=position, hint=hint)
    else:
        raise InputError(f"{word!r} is no action", position=position, hint="alert; drop and reject are loaded as alert")


def read_protocol(draft: Draft) -> Protocol:
    """The second word, and what it means for where payloads are looked at.

    Raises:
        InputError: no protocol.  Unsupported: an application's protocol.
    """
    word = draft.protocol = draft.text.header[1].lower()
    protocol = PROTOCOLS.get(word)
    if protocol is None:
        position = draft.text.position(draft.text.header_at[1], len(word))
        if word in APPLICATIONS:
            raise Unsupported(word, f"the protocol {word} is not supported in rules with payload keywords", position=position,
                              hint=f"alert tcp or udp with ports; a YAML rule may name fields of {word} where `detector fields` lists them")  # fmt: skip
        guess = nearest(word, PROTOCOLS)
        raise InputError(f"unknown protocol {word!r}", position=position, hint=f"did you mean {guess}?" if guess else f"known are {', '.join(PROTOCOLS)}")  # fmt: skip
    draft.needs_packet |= word == "tcp-pkt"
    draft.needs_stream |= word == "tcp-stream"
    return protocol


def read_header(draft: Draft, protocol: Protocol) -> tuple[Header, str]:
    """(the header, why it cannot be used: a variable is not set, or ""). Headers that say the same in the same words are one.

    Raises:
        InputError: a group that is none, or that nothing is in.
    """
    flow = 0 if draft.flow is None else int(draft.flow)  # as a number: that class reckons slowly
    if draft.table in ("modbus", "dnp3"):
        flow &= ~int(
            FlowCondition.ESTABLISHED
        )  # whose PDUs are of established sessions, of those too that were under way at first
    if draft.layers or (len(draft.chains) > 1 and any(map(draft.chains.get, TRANSPORT_BUFFERS))):
        flow |= WHOLE
    if draft.chains.get(Buffer.PAYLOAD) or draft.dsize:
        flow |= BYTES
    key = (draft.text.header, draft.protocol, flow, draft.is_syn_only, draft.is_ip_only)
    known = draft.context.headers.get(key)
    if known is None:
        known = draft.context.headers[key] = make_header(draft, protocol, FlowCondition(flow))
    return known


def make_header(draft: Draft, protocol: Protocol, flow: FlowCondition) -> tuple[Header, str]:
    """A header that was not read before. flow: what the options ask for.

    A rule that asks for addresses and ports only looks at the first packet of each direction of a flow, unless an address
    in it is negated: so has it Suricata.

    Raises:
        InputError: a group that is none, or that nothing is in.
    """
    words, at = draft.text.header, draft.text.header_at
    if words[4] not in ("->", "<>"):
        raise InputError(f"{words[4]!r} is no direction", position=draft.text.position(at[4], len(words[4])),
                         hint="-> one way, <> both ways")  # fmt: skip
    inactive, has_negation = "", False
    groups: list[AddressGroup] = []
    ports: list[PortGroup] = []
    for place in (2, 5):
        try:
            group, is_other = address_group(words[place], draft.context)
            groups.append(group)
            has_negation |= is_other
        except Missing as missing:
            inactive = inactive or f"{missing} is not set"
            groups.append(AddressGroup())
        except Broken as broken:
            raise wrong_group(draft, place, broken, ADDRESS_HINT) from None
        try:
            ports.append(port_group(words[place + 1], draft.context))
        except Missing as missing:
            inactive = inactive or f"{missing} is not set"
            ports.append(PortGroup())
        except Broken as broken:
            raise wrong_group(draft, place + 1, broken, PORT_HINT) from None
    family = FAMILIES.get(draft.protocol)
    if family is not None:
        groups = [of_family(group, family) for group in groups]
    if draft.is_syn_only and ports[0].is_any and not ports[1].is_any and not flow & BOTH_DIRECTIONS:
        flow |= FlowCondition.TO_SERVER  # Suricata: a lone SYN to some port begins a connection there
    if draft.is_ip_only and not has_negation:
        flow |= FlowCondition.FIRST_IN_DIRECTION
    is_both_ways = words[4] == "<>" and (groups[0], ports[0]) != (groups[1], ports[1])  # alike, there is one way only
    return Header(protocol, groups[0], ports[0], is_both_ways, groups[1], ports[1], flow), inactive


def wrong_group(draft: Draft, place: int, broken: Broken, hint: str) -> InputError:
    """A mistake in one of the header's groups, at the part that is meant where it stands in the rule itself."""
    problem, part = broken.args
    word = draft.text.header[place]
    shift = word.find(part) if part else -1
    position = draft.text.position(draft.text.header_at[place] + max(0, shift), len(part) if shift >= 0 else len(word))
    return InputError(problem, position=position, hint=hint)


def of_family(group: AddressGroup, family: Ranges) -> AddressGroup:
    """The addresses of a group that are of one IP version."""
    return AddressGroup(tuple(without(list(group.ranges), complement(family, LAST_ADDRESS))))


# --- groups ---------------------------------------------------------------------------------------------------------


def address_group(text: str, context: Context) -> Group:
    """The addresses that a group's text stands for.

    As in Suricata: a list is what stands in it less what is negated in it; of negations alone, everything else of the same
    IP version.

    Raises:
        Missing: a variable is not set.  Broken: it is no group, or an empty one.
    """
    group = context.addresses.get(text)
    if group is None:
        ranges, has_negation = listed([text], context, 0)
        if not ranges:
            raise Broken(f"no address is left in {text}", "")
        group = context.addresses[text] = AddressGroup(tuple(ranges)), has_negation
    return group


def listed(parts: list[str], context: Context, depth: int) -> tuple[Ranges, bool]:
    """(the addresses of a list, whether something is negated in it)."""
    if depth > DEEPEST:
        raise Broken("lists or variables are nested too deeply", "")
    wanted: Ranges = []
    refused: Ranges = []
    has_negation = False
    for part in parts:
        name = part.lstrip("!").strip()
        is_negated = name != part
        inner = listed_in(name, context)
        found, is_other = (addresses(name), False) if inner is None else listed(inner, context, depth + 1)
        has_negation |= is_negated or is_other
        (refused if is_negated else wanted).extend(found)
    ranges: Ranges = []
    for family in (EVERY_IPV4, EVERY_IPV6):
        mine, others = within_family(wanted, family), within_family(refused, family)
        if others and not without(family, others):
            raise Broken("every address is negated", "any" if "any" in ",".join(parts) else "")
        ranges += without(mine or (family if others else []), others)
    return merged(ranges), has_negation


def listed_in(name: str, context: Context) -> list[str] | None:
    """The entries of a list, or of a variable; None of a single entry."""
    if name.startswith("["):
        if not name.endswith("]"):
            raise Broken(f"{name} is no list", name)
        return entries(name[1:-1])
    if name.startswith("$"):
        if not NAME.fullmatch(name):
            raise Broken(f"{name!r} is no variable", name)
        return entries(variable(name[1:], context))
    parts = entries(name)  # a list without its brackets, as variables often are
    return parts if len(parts) > 1 else None


def within_family(ranges: Ranges, family: Ranges) -> Ranges:
    """The part of ranges that is of one IP version."""
    return without(ranges, complement(family, LAST_ADDRESS))


def port_group(text: str, context: Context) -> PortGroup:
    """The ports that a group's text stands for; as address_group."""
    group = context.ports.get(text)
    if group is None:
        wanted, refused = members(text, context)
        if refused and not without(EVERY_PORT, refused):
            raise Broken(f"{text} negates every port", "any" if "any" in text else "")
        left = without(wanted or (EVERY_PORT if refused else []), refused)
        if not left:
            raise Broken(f"no port is left in {text}", "")
        group = context.ports[text] = PortGroup(tuple(left))
    return group


def variable(name: str, context: Context) -> str:
    """The text of a variable. $EXTERNAL_NET is what is not $HOME_NET where nothing else was said."""
    if name in context.variables:
        return context.variables[name].strip()
    if name == "EXTERNAL_NET" and "HOME_NET" in context.variables:
        return "any" if context.variables["HOME_NET"].strip() == "any" else "!$HOME_NET"
    raise Missing(f"${name}")


def members(text: str, context: Context) -> tuple[Ranges, Ranges]:
    """(the ports of a group, those that are negated). Unlike in lists of addresses, a negation within a negated list is a port
    of the group: so has it Suricata."""
    wanted: Ranges = []
    refused: Ranges = []

    def read(parts: list[str], is_negated: bool, depth: int) -> None:
        if depth > DEEPEST:
            raise Broken("lists or variables are nested too deeply", "")
        for part in parts:
            name = part.lstrip("!").strip()
            is_refused = is_negated != (name != part)
            inner = listed_in(name, context)
            if inner is None:
                (refused if is_refused else wanted).extend(ports(name))
            else:
                read(inner, is_refused, depth + 1)

    read([text.strip()], False, 0)
    return wanted, refused


def entries(text: str) -> list[str]:
    """A list's text at its commas; a comma behind the last one means nothing."""
    parts, depth, begin = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append(text[begin:place].strip())
            begin = place + 1
    last = text[begin:].strip()
    return [*parts, last] if last or not parts else parts


def addresses(text: str) -> Ranges:
    """One entry of an address list."""
    if text == "any":
        return EVERY_IPV4 + EVERY_IPV6
    try:
        if ":" in text:
            return ipv6(text)
        low, dash, high = text.partition("-")
        address, slash, mask = text.partition("/")
        if dash:
            first, last = int(IPv4Address(low.strip())), int(IPv4Address(high.strip()))
        else:
            bits = 32 - prefix(mask, text) if slash else 0
            first = int(IPv4Address(address)) >> bits << bits
            last = first + (1 << bits) - 1
    except (AddressValueError, ValueError):
        raise Broken(f"{text!r} is no address" if text else "an entry of the list is empty", text) from None
    if last < first:
        raise Broken(f"the range {text} contains nothing", text)
    return [(IPV4_BASE + first, IPV4_BASE + last)]


def prefix(mask: str, text: str) -> int:
    """The length that follows an IPv4 address: as a number, or as a netmask."""
    if "." not in mask:
        if not mask.isdigit() or int(mask) > 32:
            raise ValueError(mask)
        return int(mask)
    bits = int(IPv4Address(mask))
    length = bits.bit_count()
    if bits != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
        raise Broken(f"{mask} is no netmask: its ones must come first", text)
    return length


def ipv6(text: str) -> Ranges:
    """One IPv6 entry. Where it holds the place of IPv4's addresses, that is left out: those are IPv4."""
    if "-" in text:
        raise Broken(f"ranges of IPv6 addresses are not known to Suricata: {text}", text)
    address, slash, mask = text.partition("/")
    if slash and (not mask.isdigit() or int(mask) > 128):
        raise ValueError(mask)
    bits = 128 - int(mask) if slash else 0
    first = int(IPv6Address(address)) >> bits << bits
    return without([(first, first + (1 << bits) - 1)], [IPV4])


def ports(text: str) -> Ranges:
    """One entry of a port list."""
    if text == "any":
        return EVERY_PORT
    low, colon, high = text.partition(":")
    low, high = low.strip() or ("0" if colon else ""), high.strip() or ("65535" if colon else low.strip())
    if not low.isdigit() or not high.isdigit() or int(high) > 65535 or int(low) > 65535:
        raise Broken(f"{text!r} is no port" if text else "an entry of the list is empty", text)
    if int(high) < int(low):
        raise Broken(f"the range {text} contains nothing", text)
    return [(int(low), int(high))]


# --- ranges ---------------------------------------------------------------------------------------------------------


def merged(ranges: Ranges) -> Ranges:
    """Sorted, without overlaps, neighbours joined."""
    found: Ranges = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return found


def complement(ranges: Ranges, last: int) -> Ranges:
    """Everything from 0 to `last` that is not in the ranges."""
    found, begin = [], 0
    for low, high in merged(ranges):
        if begin < low:
            found.append((begin, low - 1))
        begin = high + 1
    return [*found, (begin, last)] if begin <= last else found


def without(ranges: Ranges, refused: Ranges) -> Ranges:
    """The ranges less others; merged."""
    kept = merged(ranges)
    if not refused:
        return kept
    found: Ranges = []
    holes = merged(refused)
    for low, high in kept:
        for hole_low, hole_high in holes:
            if hole_high < low or hole_low > high:
                continue
            if low < hole_low:
                found.append((low, hole_low - 1))
            low = hole_high + 1
            if low > high:
                break
        if low <= high:
            found.append((low, high))
    return found
