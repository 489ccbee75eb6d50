"""What connections speak: rules that are made beside those that were loaded, and remember it of each flow.

A rule may ask for packets of flows that speak a protocol (`alert modbus`), or of a direction that is known to speak it or to
speak something else (app-layer-protocol). Suricata looks at what one side of a TCP connection sent when it was acknowledged,
that is with the next packet of the other side; from that packet on its rules hold. So a silent rule notes whose PDU, or
whose data, was seen, and another, on packets of the other side, that it is known from here on. Of a datagram it is known at
once. What speaks none of these protocols is known as such when both sides have sent data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from detector.rules.followers import beside
from detector.rules.keywords.compile import DATA, KNOWN
from detector.rules.keywords.header import PDU_PROTOCOLS
from detector.rules.model import Compare, Exists, FieldValue, Literal_, Rule, Test
from detector.rules.signature import SPOKEN, Bits, FlowCondition, Header, Protocol, Signature, Subject, spoken
from detector.rules.suricata import EVERY_ROW, rule_id

GID = 0  # of no rule that somebody writes
FIRST, SECOND, LAST = (-4,), (-3,), (3,)  # as Signature.order: before all rules on the same packet, and behind all
SIDES = {FlowCondition.TO_SERVER: FlowCondition.TO_CLIENT, FlowCondition.TO_CLIENT: FlowCondition.TO_SERVER}
IS_NO_SYN = Compare("eq", FieldValue("tcp.flags.syn"), Literal_(False))  # one that is sent again acknowledges nothing
HAS_DATA = Compare("gt", FieldValue("packet.payload_len", occurrence=1), Literal_(0))


def listeners_of(rules: Iterable[Rule]) -> Iterator[Rule]:
    """The rules that remember what rules that are run ask for, each protocol's once."""
    known: set[str] = set()
    for rule in rules:  # per rule
        if rule.signature is None or rule.inactive:
            continue
        for state in rule.signature.states:  # per state
            if not isinstance(state, Bits) or not state.names[0].startswith(SPOKEN):
                continue
            what = state.names[0].removeprefix(SPOKEN).split()[0]
            if state.action != "set":
                for one in (what, *PDU_PROTOCOLS) if what == DATA else (what,):  # per protocol
                    if one not in known:
                        known.add(one)
                        yield from listen(one, rule)


def listen(what: str, first: Rule) -> Iterator[Rule]:
    """The rules that remember who speaks a protocol, or who sends data at all. first: the first rule that asks for it."""
    is_data = what == DATA
    table, test = ("packet", HAS_DATA) if is_data else (what, Exists(FieldValue(what)))

    is_known = spoken("set", what, Subject.SIDE), spoken("set", KNOWN, Subject.SIDE)

    def made(
        protocol: Protocol, side: FlowCondition, states: tuple[Bits, ...], order: tuple[int, ...], of: str, asked: Test
    ) -> Rule:
        title = f"Flows that speak {what} ({of} {protocol} {side.name} {states[0].names[0].removeprefix(SPOKEN)})"
        signature = Signature(Header(protocol, flow=side), states=states, order=order)
        return beside(first, rule_id(GID, 0, title), title, signature, is_silent=True, table=of, test=asked)

    for side, other in SIDES.items():  # per side
        seen, heard = f"{what} {side.name}", f"{what} {side.name} heard"
        yield made("tcp", side, (spoken("set", seen),), LAST, table, test)
        yield made("tcp", other, (spoken("isset", seen), spoken("set", heard)), FIRST, "packet", IS_NO_SYN)
        yield made("udp", FlowCondition.NOTHING, (spoken("set", heard),), FIRST, table, test)
        if is_data:
            both = (*(spoken("isset", f"{what} {one.name} heard") for one in SIDES), spoken("set", KNOWN, Subject.SIDE))
            yield made("ip", side, both, SECOND, "packet", EVERY_ROW)
        else:
            yield made(
                "tcp", FlowCondition.NOTHING, (spoken("isset", heard), spoken("set", what)), SECOND, "packet", EVERY_ROW
            )
            yield made("tcp", side, (spoken("isset", heard), *is_known), SECOND, "packet", EVERY_ROW)
    if not is_data:
        yield made("udp", FlowCondition.NOTHING, (spoken("set", what), *is_known), FIRST, table, test)
