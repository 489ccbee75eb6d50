"""What rules ask for and no rule ever sets: flowbits, flowint, xbits and hostbits. Such a rule cannot alert.

It is the one mistake of a rule that cannot be seen in it: the rule that sets the bit is in a file that was not loaded, is
switched off, was refused, or spells the name in another way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from detector.errors import InputError, Position, nearest
from detector.rules.model import Rule
from detector.rules.signature import SPOKEN, Bits, FlowInt

SETTING = ("set", "toggle", "=", "+", "-")
NOT_ASKING = ("unset", "isnotset")  # what holds where nothing was ever set, or only changes it


def keyword_of(state: Bits | FlowInt) -> str:
    """The keyword that a state was written with."""
    return "flowint" if isinstance(state, FlowInt) else state.kind


def shared(state: Bits | FlowInt) -> str:
    """What keywords name the same things: xbits and hostbits do."""
    return "hostbits" if keyword_of(state) == "xbits" else keyword_of(state)


def never_set(rules: Sequence[Rule]) -> Iterator[InputError]:
    """A warning for each name that rules ask for and none sets, at the first that does."""
    asked: dict[tuple[str, str], list[tuple[Rule, str]]] = {}
    is_set: set[tuple[str, str]] = set()
    for rule in rules:  # per rule
        for state in rule.signature.states if rule.signature is not None else ():
            action = state.operator if isinstance(state, FlowInt) else state.action
            for name in (state.name,) if isinstance(state, FlowInt) else state.names:
                if action in SETTING:
                    is_set.add((shared(state), name))
                elif action not in NOT_ASKING and not name.startswith(SPOKEN):
                    asked.setdefault((shared(state), name), []).append((rule, keyword_of(state)))
    for (kind, name), askers in asked.items():
        if (kind, name) in is_set:
            continue
        rule, keyword = askers[0]
        others = f", and {len(askers) - 1:,} more" if len(askers) > 1 else ""
        guess = nearest(name, [other for of, other in is_set if of == kind])
        yield InputError(
            f"no rule sets {keyword} {name!r}, which this rule asks for{others}", position=place_of(rule, name),
            hint=f"did you mean {guess}?" if guess else "is the rule that sets it not loaded, switched off, or refused?",
        )  # fmt: skip


def place_of(rule: Rule, name: str) -> Position:
    """Where a rule asks for a name; where the rule begins, if its line does not show that."""
    found = re.search(
        rf"(?:flow|x|host)(?:bits|int)\s*:[^;]*?(?<![\w.])({re.escape(name)})(?![\w.])", rule.position.text
    )
    if found is None:
        return rule.position
    return replace(rule.position, column=found.start(1) + 1, length=len(name))
