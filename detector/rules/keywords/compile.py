"""The text of a payload rule to a compiled rule: its options one after the other, then what they mean together."""

from __future__ import annotations

import re
from functools import lru_cache

from detector.errors import InputError, nearest
from detector.rules.compiler import fields_of
from detector.rules.keywords import about, contents, flow, industrial, numbers, packet, regular, states
from detector.rules.keywords.about import DEFAULT_PRIORITY, level_of, priority_of, tags_of
from detector.rules.keywords.contents import in_ranges
from detector.rules.keywords.draft import CompiledRule, Context, Draft, Keyword, Piece, Unsupported
from detector.rules.keywords.header import PDU_PROTOCOLS, read_action, read_header, read_protocol
from detector.rules.keywords.known import OTHER_KEYWORDS, SNORT_KEYWORDS
from detector.rules.keywords.packet import ICMP, ICMPV6, PROTOCOL, TCP
from detector.rules.model import And, Test
from detector.rules.options import Option, RuleText
from detector.rules.signature import (
    IN_PDUS,
    Base64,
    Bits,
    Buffer,
    BufferSize,
    Content,
    FlowCondition,
    FlowInt,
    Inspection,
    Protocol,
    Signature,
    Step,
    Subject,
    Where,
    spoken,
)

KEYWORDS: dict[str, Keyword] = {
    **contents.KEYWORDS, **numbers.KEYWORDS, **regular.KEYWORDS, **packet.KEYWORDS, **flow.KEYWORDS, **states.KEYWORDS, **about.KEYWORDS,
    **industrial.KEYWORDS,
}  # fmt: skip
SUPPORTED: tuple[str, ...] = tuple(sorted(KEYWORDS))
WITH_STREAMS = ("ip", "tcp", "pkthdr")  # protocols of rules that see TCP
LAYERS: dict[Protocol, set[int]] = {"tcp": {TCP}, "icmp": {ICMP, ICMPV6}}
UNUSED, ASKS, BOTH, SETS = 0, 1, 2, 3  # what a rule does with a kind of state: what sets goes first
ASKING = ("isset", "isnotset")
DATA = "data"  # in place of a protocol: whatever is spoken
KNOWN = f"{DATA} known"  # the bit of directions of which it is known what they speak
CURLED = "\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019"  # quotes that are none
EXACT = re.compile(r"=?\s*([0-9]+)")  # a size that is one number
ACTION_ORDER = {"drop": 0, "reject": 1, "rejectsrc": 1, "rejectdst": 1, "rejectboth": 1, "alert": 2}


def is_supported(keyword: str) -> bool:
    """Whether a keyword may stand in a rule."""
    return keyword in KEYWORDS


def compile_rule(text: RuleText, context: Context) -> CompiledRule:
    """What a rule means.

    Raises:
        Unsupported: it asks for what Suricata has and this program has not.
        InputError: a mistake, as Suricata refuses it too.
    """
    draft = Draft(text, context)
    read_action(draft)
    protocol = read_protocol(draft)
    for option in text.options:  # per option
        draft.option = option
        keyword = KEYWORDS.get(option.keyword)
        if keyword is None:
            raise unknown(draft, option)
        keyword.read(draft, value_of(draft, keyword, option))
    refuse_empty(draft)
    refuse_mixed(draft)
    header, inactive = read_header(draft, protocol)
    layers = draft.layers - LAYERS.get(protocol, set())
    if layers:
        draft.tests.insert(0, in_ranges(PROTOCOL, tuple((layer, layer) for layer in sorted(layers))))
    test: Test | None = (
        None if not draft.tests else draft.tests[0] if len(draft.tests) == 1 else And(tuple(draft.tests))
    )
    priority = (
        draft.priority
        if draft.priority >= 0
        else priority_of(draft, draft.classtype)
        if draft.classtype
        else DEFAULT_PRIORITY
    )
    where = where_of(draft, protocol)
    signature = Signature(
        header, inspections_of(draft), where, (*spoken_states(draft), *draft.states, *(draft.tag.states if draft.tag else ())), draft.threshold, draft.detection_filter, (), draft.tag, draft.gid, draft.sid,
        draft.rev, priority, draft.classtype, draft.target, tuple(draft.metadata), order_of(draft, text.header[0].lower(), priority),
    )  # fmt: skip
    return CompiledRule(
        draft.msg, signature, test, named(test) if test is not None else (), tuple(draft.references), level_of(priority),
        tags_of(draft.metadata), draft.silent, inactive, tuple(draft.warnings), draft.table,
    )  # fmt: skip


@lru_cache(1 << 12)
def named(test: Test) -> tuple[str, ...]:
    """The fields of a test."""
    return tuple(fields_of(test))


def value_of(draft: Draft, keyword: Keyword, option: Option) -> str:
    """The value of an option, with or without its quotes as the keyword wants it.

    Raises:
        InputError: there is none, or one too much, or its quotes are not as they must be.
    """
    value = option.value
    if not value:
        if value is None and keyword.value != "needed":
            return ""
        raise draft.mistake(f"{option.keyword} has no value", "it is written " + usage(keyword, option.keyword))
    if keyword.value == "none":
        raise draft.mistake(f"{option.keyword} takes no value", f"write {option.keyword};")
    is_quoted = value[-1] == '"' and (
        value[0] == '"' or (keyword.negation and value[0] == "!" and value[1:].lstrip()[:1] == '"')
    )
    if keyword.quotes == "needed" and (not is_quoted or len(value) < 2):
        hint = f'write {option.keyword}:"...";'
        raise draft.mistake(f"the value of {option.keyword} needs quotes",
                            f"a text editor made other quotes of them: {hint}" if value.strip("!")[:1] in CURLED else hint)  # fmt: skip
    if keyword.quotes == "refused" and value[0] == '"':
        raise draft.mistake(f"the value of {option.keyword} has quotes", "write it without them")
    return value


def usage(keyword: Keyword, name: str) -> str:
    """How an option is written, from the first line of its handler."""
    return (keyword.read.__doc__ or f"{name}:...;").split("\n")[0].rstrip(".")


def unknown(draft: Draft, option: Option) -> InputError:
    """A keyword that is not supported, or that nobody knows."""
    position = draft.text.position(option.at, len(option.keyword))
    if option.keyword in OTHER_KEYWORDS:
        return Unsupported(option.keyword, f"the keyword {option.keyword} is not supported", position=position,
                           hint="what is supported, and why not all: docs/suricata.md")  # fmt: skip
    if option.keyword in SNORT_KEYWORDS:
        return InputError(f"{option.keyword} is a keyword of Snort, and none of Suricata's", position=position,
                          hint="leave it out if the rule means the same without it")  # fmt: skip
    guess = nearest(option.keyword, KEYWORDS)
    return InputError(
        f"unknown keyword {option.keyword!r}",
        position=position,
        hint=f"did you mean {guess}?" if guess else "all: docs/suricata.md",
    )


def refuse_empty(draft: Draft) -> None:
    """What can be seen only when all options are read.

    Raises:
        InputError: no sid; a buffer that nothing is asked of; packets and streams asked for at once; a content that never fits.
    """
    text = draft.text
    if not draft.sid:
        raise InputError(
            "the rule has no sid",
            position=text.position(0, len(text.header[0])),
            hint="give it a number of its own: sid:1000001;",
        )
    for option, buffer in draft.set_buffers.items():
        if not draft.chains[buffer]:
            raise InputError(f"nothing is asked of {option.keyword}", position=text.position(option.at, len(option.keyword)),
                             hint="a content, pcre or another keyword follows a buffer")  # fmt: skip
    if draft.needs_packet and draft.needs_stream:
        at = next((option for option in text.options if option.keyword == "flow"), text.options[0])
        raise InputError("the rule asks for streams only, and for what a packet alone has", position=text.position(at.at, len(at.keyword)),
                         hint="tcp-stream and flow:only_stream go with payload keywords only")  # fmt: skip
    exact = EXACT.fullmatch(draft.dsize)
    sizes = [(int(exact[1]), draft.chains[Buffer.PAYLOAD], "dsize")] if exact else []
    for buffer, chain in draft.chains.items():
        sizes += [(piece.low, chain, f"bsize of {buffer.label}") for piece in chain
                  if type(piece) is BufferSize and piece.low == piece.high and not piece.is_negated]  # fmt: skip
    for size, chain, name in sizes:
        if (needed := least_length(chain)) > size:
            raise InputError(f"the contents need {needed} bytes, {name} is {size}", position=text.position(0, len(text.header[0])),
                             hint="the rule would never match")  # fmt: skip


def refuse_mixed(draft: Draft) -> None:
    """A rule about PDUs that asks for bytes or headers of packets as well. One that names a protocol only is about its packets.

    Raises:
        Unsupported: it does.
        InputError: its header names another protocol.
    """
    name, at = draft.protocol, draft.text.header_at[1]
    if name in PDU_PROTOCOLS and draft.table != name:
        if draft.table != "packet":
            raise InputError(
                f"a rule about {draft.table} cannot be one of {name}", position=draft.text.position(at, len(name)), hint=f"alert {draft.table}"
            )  # fmt: skip
        if draft.spoken:
            option = next(one for one in draft.text.options if one.keyword == "app-layer-protocol")
            raise InputError(f"alert {name} says what is spoken already", position=draft.text.position(option.at, len(option.keyword)),
                             hint="leave app-layer-protocol out, or write alert tcp")  # fmt: skip
        draft.is_ip_only = False
    if draft.table == "packet":
        return
    if draft.table == "modbus" and draft.flow is not None and FlowCondition.TO_CLIENT in draft.flow:
        option = next(one for one in draft.text.options if one.keyword == "flow")
        raise InputError("modbus sees requests, and flow asks for packets to the client", position=draft.text.position(option.at, len(option.keyword)),
                         hint="leave to_client out")  # fmt: skip
    if (
        len(draft.tests) > draft.pdu_tests
        or any(chain for buffer, chain in draft.chains.items() if buffer not in IN_PDUS)
        or draft.dsize
        or draft.needs_packet
        or draft.needs_stream
        or draft.tag
        or draft.spoken
    ):
        option = draft.pdu_option
        raise Unsupported(
            option.keyword, f"{option.keyword} is not supported beside keywords of packets and payloads",
            position=draft.text.position(option.at, len(option.keyword)),
            hint="put both into one rule each; flow, flowbits and threshold may stand beside it",
        )  # fmt: skip


def spoken_states(draft: Draft) -> list[Bits]:
    """What flows that a rule is about must speak, as bits that listeners.py sets.

    A rule that asks for nothing else but app-layer-protocol and flow holds once in each direction, as Suricata has it: on the
    first packet at which it is known.
    """
    if draft.table != "packet":
        return []
    if draft.protocol in PDU_PROTOCOLS:
        return [spoken("isset", draft.protocol)]
    made = [bit for word in draft.spoken for bit in asked(word)]
    is_alone = not (draft.tests or any(draft.chains.values()) or draft.states or draft.layers or draft.needs_packet)
    if made and is_alone:
        name = f"told {draft.gid}:{draft.sid}"
        made += [spoken("isnotset", name, Subject.SIDE), spoken("set", name, Subject.SIDE)]
    return made


def asked(word: str) -> list[Bits]:
    """The bits of one app-layer-protocol."""
    if word.startswith("!"):
        return [spoken("isset", KNOWN, Subject.SIDE), spoken("isnotset", word[1:])]
    return [spoken("isset", word, Subject.SIDE)]


def least_length(chain: list[Piece]) -> int:
    """Bytes that a chain of contents needs, as Suricata reckons: the first one and those relative to it."""
    total, is_first = 0, True
    for piece in chain:
        if type(piece) is dict:
            if not is_first and (piece.get("is_negated") or ("distance" not in piece and "within" not in piece)):
                continue
            shifts = [piece.get(name, 0) for name in ("offset", "distance")]
            total += len(piece["pattern"]) + sum(shift for shift in shifts if isinstance(shift, int))
            is_first = False
    return total


def where_of(draft: Draft, protocol: Protocol) -> Where:
    """Where the payload is looked at: in packets, in streams, or both, as Suricata 7 chooses."""
    if protocol not in WITH_STREAMS or not draft.chains[Buffer.PAYLOAD]:
        return Where.STREAM if draft.needs_stream and protocol in WITH_STREAMS else Where.PACKET
    if draft.needs_packet:
        return Where.PACKET
    if draft.needs_stream:
        return Where.STREAM
    is_placed = draft.asks_size or any(
        type(piece) is dict and ("offset" in piece or "depth" in piece or "startswith" in piece)
        for piece in draft.chains[Buffer.PAYLOAD]
    )
    return Where.STREAM | Where.PACKET if is_placed else Where.STREAM


def inspections_of(draft: Draft) -> tuple[Inspection, ...]:
    """The steps of each buffer that has some."""
    return tuple(Inspection(buffer, steps_of(chain)) for buffer, chain in draft.chains.items() if chain)


def steps_of(chain: list[Piece]) -> tuple[Step, ...]:
    """A chain's pieces as steps."""
    return tuple(step_of(piece) for piece in chain)


def step_of(piece: Piece) -> Step:
    """A piece as a step."""
    if type(piece) is dict:
        piece.pop("rawbytes", None)
        return Content(**piece)
    if type(piece) is tuple:
        _, length, offset, is_relative, inner = piece
        return Base64(length, offset, is_relative, steps_of(inner))
    step: Step = piece
    return step


def order_of(draft: Draft, action: str, priority: int) -> tuple[int, ...]:
    """Suricata's order of rules on one packet, the first one smallest: by action, by what they do with each kind of state, by
    priority, by sid. Of hostbits it sorts those that set, of xbits those that ask."""
    if not draft.states:
        return (ACTION_ORDER[action], UNUSED, UNUSED, UNUSED, UNUSED, priority, draft.sid)
    flowbits = [
        state.action in ASKING for state in draft.states if isinstance(state, Bits) and state.kind == "flowbits"
    ]
    flowints = [state.operator not in ("+", "-", "=") for state in draft.states if isinstance(state, FlowInt)]
    hosts = [state.kind == "xbits" for state in draft.states if isinstance(state, Bits) and state.subject != Subject.PAIR
             and ((state.kind == "hostbits" and state.action not in ASKING) or (state.kind == "xbits" and state.action in ASKING))]  # fmt: skip
    pairs = [
        True
        for state in draft.states
        if isinstance(state, Bits) and state.subject == Subject.PAIR and state.action in ASKING
    ]
    return (ACTION_ORDER[action], *(-use(asks) for asks in (flowbits, flowints, hosts, pairs)), priority, draft.sid)


def use(asks: list[bool]) -> int:
    """What a rule does with a kind of state. asks: of each keyword, whether it asks rather than sets."""
    if not asks:
        return UNUSED
    return ASKS if all(asks) else BOTH if any(asks) else SETS
