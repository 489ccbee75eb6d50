"""Keywords about flows: direction and state, age, how much was sent."""

from __future__ import annotations

import re

from detector.errors import nearest
from detector.rules.keywords.contents import in_ranges
from detector.rules.keywords.draft import Draft, Keyword
from detector.rules.model import And, Or
from detector.rules.signature import FlowCondition

WORDS = {
    "to_server": FlowCondition.TO_SERVER, "from_client": FlowCondition.TO_SERVER, "to_client": FlowCondition.TO_CLIENT,
    "from_server": FlowCondition.TO_CLIENT, "established": FlowCondition.ESTABLISHED, "not_established": FlowCondition.NOT_ESTABLISHED,
    "no_frag": FlowCondition.NO_FRAG, "only_frag": FlowCondition.ONLY_FRAG,
}  # fmt: skip
STREAMS = ("only_stream", "no_stream")
STATELESS = "stateless"
KNOWN = (*WORDS, *STREAMS, STATELESS)
EXCLUDING = (
    ("to_server", "from_client", "to_client", "from_server"), ("established", "not_established"), ("established", STATELESS),
    ("only_stream", "no_stream"), ("no_frag", "only_frag"),
)  # fmt: skip
MOST_WORDS = 3  # Suricata's
MOST = 2**32 - 1
STREAM_SIZE = re.compile(r"\s*(client|server|both|either)\s*,\s*(<=|>=|!=|<|>|!|=)\s*,\s*([0-9]+)\s*")
SIDES = {"both": ("client", "server"), "either": ("client", "server")}
DIRECTIONS = {"toserver": ("client",), "toclient": ("server",), "either": ("client", "server")}


def flow(draft: Draft, value: str) -> None:
    """flow:established,to_server;"""
    if draft.flow is not None:
        raise draft.mistake("flow is given twice", "write both in one: flow:established,to_server")
    known = draft.context.conditions.get(value)
    if known is None:
        known = draft.context.conditions[value] = read_condition(draft, value)
    draft.flow, is_stream, is_packet = known
    draft.needs_stream |= is_stream
    draft.needs_packet |= is_packet
    draft.is_ip_only = False


def read_condition(draft: Draft, value: str) -> tuple[FlowCondition, bool, bool]:
    """(the condition, whether it asks for streams only, for packets only).

    Raises:
        InputError: a word that is unknown, or does not go with another.
    """
    words = [word.strip().lower() for word in value.split(",")]
    condition = FlowCondition(0)
    for place, word in enumerate(words):
        if word not in KNOWN:
            guess = nearest(word, KNOWN)
            raise draft.mistake(
                f"unknown flow option {word!r}",
                f"did you mean {guess}?" if guess else f"known are {', '.join(KNOWN)}",
                word,
            )
        for group in EXCLUDING:
            if word in group and any(other in group for other in words[:place]):
                raise draft.mistake(
                    f"{word} does not go with what stands before it", f"one of {', '.join(group)}, and once", word
                )
        condition |= WORDS.get(word, FlowCondition(0))
    if len(words) > MOST_WORDS:
        raise draft.mistake(f"flow has {len(words)} options", f"Suricata knows {MOST_WORDS} at most")
    return condition, "only_stream" in words, "no_stream" in words


def age(draft: Draft, value: str) -> None:
    """flow.age:>3600; whole seconds since the flow's first packet."""
    draft.needs_packet = True
    draft.add_test(in_ranges("flow.peer_age", draft.ranges(value, MOST, "the age")))


def amount(name: str, side: str = "") -> Keyword:
    """flow.pkts, flow.bytes: `toserver,>5`, or of one side `>5`."""

    def read(draft: Draft, value: str) -> None:
        first, comma, condition = value.partition(",")
        sides = DIRECTIONS.get(side or first.strip())
        if sides is None or bool(comma) == bool(side):
            raise draft.mistake(
                f"{draft.option.keyword} cannot be read: {value}",
                f"{draft.option.keyword}:" + (">5" if side else "toserver,>5; toclient or either"),
            )
        ranges = draft.ranges(value if side else condition.strip(), MOST, "the number")
        draft.needs_packet = True
        tests = tuple(in_ranges(f"flow.{name}_from_{one}", ranges) for one in sides)
        draft.add_test(tests[0] if len(tests) == 1 else Or(tests))

    return Keyword(read)


def stream_size(draft: Draft, value: str) -> None:
    """stream_size:client,>,5000; of client, server, both or either; a SYN counts as one byte."""
    found = STREAM_SIZE.fullmatch(value)
    if found is None:
        raise draft.mistake(
            f"stream_size cannot be read: {value}",
            "stream_size:client,>,5000; of client, server, both or either, with < > <= >= = or !=",
        )
    side, sign, number = found[1], found[2], int(found[3])
    if number > MOST:
        raise draft.mistake(f"{number} is too large", f"streams are counted up to {MOST}", found[3])
    if (sign, number) in (("<", 0), (">", MOST)):
        draft.warnings.append(f"stream_size:{value} is never met")
        draft.add_test(Or(()))
        return
    ranges = draft.ranges(f"{sign}{number}", MOST, "the size")
    tests = tuple(in_ranges(f"stream.{one}_size", ranges) for one in SIDES.get(side, (side,)))
    draft.asks_size = True
    draft.add_test(tests[0] if len(tests) == 1 else And(tests) if side == "both" else Or(tests))


KEYWORDS = {
    "stream_size": Keyword(stream_size), "flow": Keyword(flow), "flow.age": Keyword(age), "flow.pkts": amount("packets"), "flow.bytes": amount("bytes"),
    "flow.pkts_toserver": amount("packets", "toserver"), "flow.pkts_toclient": amount("packets", "toclient"),
    "flow.bytes_toserver": amount("bytes", "toserver"), "flow.bytes_toclient": amount("bytes", "toclient"),
}  # fmt: skip
