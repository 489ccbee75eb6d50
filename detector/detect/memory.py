"""What rules remember of flows and hosts (flowbits, flowint, xbits, hostbits): which rows stay, once they are asked.

A rule's rows that match without memory are looked at together with those of all others, in the order of packets and on one
packet in that of Signature.order, so that a later rule sees what an earlier one has set. As in Suricata 7, a rule that holds
changes what it remembers whether or not it alerts: suppressions, detection_filter and thresholds come afterwards.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detector.detect.selection import CLOCK, PACKET, PACKET_ROW, Found, Rows
from detector.detect.state import SECOND, StateTable
from detector.kernel import Kernels
from detector.rules.model import Rule
from detector.rules.signature import Bits, FlowInt, Signature, Subject

kernels = Kernels("detector.detect.memory_kernels")

KINDS = ("flow", "host")  # the tables
OF_FLOWS = (Subject.FLOW, Subject.SIDE)
# As in memory_kernels; here, so that rules are compiled without Numba.
BITS = {"isset": 0, "isnotset": 1, "set": 2, "unset": 3, "toggle": 4}
OPERATORS = ("isset", "isnotset", "<", "<=", "==", "!=", ">=", ">", "=", "+", "-", "take")
NUMBERS = {operator: len(BITS) + place for place, operator in enumerate(OPERATORS)}
CHANGES = {BITS["set"], BITS["unset"], BITS["toggle"], NUMBERS["="], NUMBERS["+"], NUMBERS["-"], NUMBERS["take"]}
STATE_COLUMNS = 8
CONSTANT, LENGTH = -1, -2  # in place of the name of another number


def name_hash(kind: str, name: str) -> tuple[int, int]:
    """A name's part of the key, the same in every run. kind keeps apart what may have one name."""
    digest = hashlib.blake2b(f"{kind}:{name}".encode(), digest_size=16).digest()
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def kind_of(state: Bits | FlowInt) -> str:
    """What shares its names: xbits and hostbits of an address do."""
    if isinstance(state, FlowInt):
        return "flowint"
    if state.subject in OF_FLOWS:
        return "flowbits"
    return "pairbits" if state.subject == Subject.PAIR else "hostbits"


def names_of(signature: Signature) -> set[tuple[str, str]]:
    """(kind, name) of all that a rule asks for and changes."""
    found = set()
    for state in signature.states:  # per state
        names = state.names if isinstance(state, Bits) else (state.name, state.value)
        found |= {(kind_of(state), name) for name in names if isinstance(name, str)}
    return found


class Programs:
    """The states of all rules that have some, as arrays: bounds, states, names of memory_kernels.remember."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        signatures = [
            (place, one.signature) for place, one in enumerate(rules) if one.signature and one.signature.states
        ]
        self.places = {place: number for number, (place, _) in enumerate(signatures)}
        by_order = sorted(range(len(signatures)), key=lambda number: (signatures[number][1].order, number))
        self.ranks = np.empty(len(signatures), np.int64)
        self.ranks[by_order] = np.arange(len(signatures))
        self._names: list[tuple[int, int]] = []
        self._states: list[list[int]] = []
        bounds = [self._compile(signature) for _, signature in signatures]
        self.bounds = np.array(bounds, np.int64).reshape(-1, 3)
        self.states = np.array(self._states, np.int64).reshape(-1, STATE_COLUMNS)
        self.names = np.array(self._names, np.uint64).reshape(-1, 2)

    def _compile(self, signature: Signature) -> tuple[int, int, int]:
        """(first condition, first change, end) of a rule's states: conditions first, each in their order."""
        states = [self._state(one) for one in signature.states]
        conditions = [one for one in states if one[0] not in CHANGES]
        first = len(self._states)
        self._states += conditions + [one for one in states if one[0] in CHANGES]
        return first, first + len(conditions), len(self._states)

    def _state(self, state: Bits | FlowInt) -> list[int]:
        first = len(self._names)
        if isinstance(state, Bits):
            self._names += [name_hash(kind_of(state), name) for name in state.names]
            is_host = state.subject not in OF_FLOWS
            return [
                BITS[state.action],
                is_host,
                state.subject,
                first,
                len(self._names),
                state.expire_ns // SECOND,
                0,
                -1,
            ]
        self._names.append(name_hash("flowint", state.name))
        number, other = 0, LENGTH
        if isinstance(state.value, str):
            other = len(self._names)
            self._names.append(name_hash("flowint", state.value))
        elif state.value is not None:
            number, other = state.value, CONSTANT
        is_host = state.subject not in OF_FLOWS
        return [NUMBERS[state.operator], is_host, state.subject, first, first + 1, 0, number, other]


class Memory:
    """What the rules of one run remember. tables: by kind; those of another run may take their place."""

    def __init__(self, rules: Sequence[Rule], places: int) -> None:
        self._programs = Programs(rules)
        self.tables = {kind: StateTable(places) for kind in KINDS} if self._programs.places else {}

    @property
    def lost(self) -> Counter[str]:
        """States that were pushed out by others, by kind: of flows and of hosts."""
        return +Counter({kind: table.lost for kind, table in self.tables.items()})

    def take(self, tables: dict[str, StateTable]) -> None:
        """Goes on with what another run remembered, where rules of this one remember anything."""
        if self._programs.places and tables:
            self.tables = tables

    def pass_rows(self, found: dict[int, Found], is_one_batch: bool) -> dict[int, Found]:
        """What rules found, without the rows at which a condition does not hold. is_one_batch: as in selection.merged."""
        places = [place for place in found if place in self._programs.places]
        if not places:
            return found
        keys = np.concatenate([found[place].keys for place in places])
        counts = [len(found[place].keys) for place in places]
        programs = np.repeat([self._programs.places[place] for place in places], counts)
        stays, lost = np.zeros(len(keys), np.bool_), np.zeros(2, np.int64)
        kernels.remember(
            in_order(keys, self._programs.ranks[programs], None if is_one_batch else origins_of(found, places)),
            programs, np.ascontiguousarray(keys[:, CLOCK]), np.concatenate([subjects_of(found[place]) for place in places]),
            np.concatenate([lengths_of(found[place]) for place in places]), self._programs.bounds, self._programs.states, self._programs.names,
            *self.tables["flow"].arrays, *self.tables["host"].arrays, stays, lost,
        )  # fmt: skip
        for kind, count in zip(KINDS, lost.tolist(), strict=True):  # per table
            self.tables[kind].lost += count
        parts = np.split(stays, np.cumsum(counts)[:-1])
        kept = {place: found[place].kept(part) for place, part in zip(places, parts, strict=True) if part.any()}
        return {place: kept.get(place, one) for place, one in found.items()
                if place in kept or place not in self._programs.places}  # fmt: skip


def subjects_of(found: Found) -> NDArray[np.uint64]:
    """uint64[n, 6, 2]: a rule with states has them."""
    assert found.subjects is not None
    return found.subjects


def lengths_of(found: Found) -> Rows:
    """int64[n]: of the packets, 0 where the rule does not ask."""
    return np.zeros(len(found.keys), np.int64) if found.lengths is None else found.lengths


def origins_of(found: dict[int, Found], places: Sequence[int]) -> Rows:
    """int64[rows]: which of several selections each row is from."""
    parts = (found[place] for place in places)
    return np.concatenate([np.zeros(len(one.keys), np.int64) if one.origins is None else one.origins for one in parts])


def in_order(keys: Rows, ranks: Rows, origins: Rows | None) -> Rows:
    """int64[rows]: packets in their order, on one packet rules in theirs. origins: packets of several have numbers alike."""
    if origins is None:  # packet rows are in the order of clock and packet
        return np.lexsort((ranks, keys[:, PACKET_ROW]))
    return np.lexsort((ranks, keys[:, PACKET_ROW], keys[:, PACKET], origins, keys[:, CLOCK]))
