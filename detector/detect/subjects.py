"""Whom a rule's states and thresholds belong to, as hashes: the flow, the source, the destination, the pair of a packet row.

An address has one hash as source and as destination, a pair one whichever of the two speaks. Zero: the row has no such
subject (no flow; no IP).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detector.detect.groups import LANES, Hashes, mixed
from detector.flows.columns import Cell as FlowCell
from detector.flows.columns import Peer
from detector.flows.followed import followed
from detector.packets.rows import Cell, Word
from detector.packets.table import PacketTable
from detector.rules.signature import AddressGroup, FlowInt, Signature, Subject, Suppression

Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]
SEEDS = np.array(LANES, np.uint64)
ENDS = [Word.SOURCE_HIGH, Word.SOURCE_LOW, Word.DESTINATION_HIGH, Word.DESTINATION_LOW]
ADDRESS = "S16"  # compares as 16 bytes do; zeros at its end count for nothing, as in a shorter one


def has_subjects(signature: Signature) -> bool:
    """Whether a rule remembers or counts by subject."""
    return bool(signature.states or signature.threshold or signature.detection_filter)


def asks_for_flow(signature: Signature) -> bool:
    """Whether a flow is among the subjects that a rule asks for."""
    counts = [one for one in (signature.threshold, signature.detection_filter) if one is not None]
    return any(one.subject in (Subject.FLOW, Subject.SIDE) for one in (*signature.states, *counts))


def counts_bytes(signature: Signature) -> bool:
    """Whether a rule counts how long packets are."""
    return any(isinstance(one, FlowInt) and one.value is None for one in signature.states)


def lengths_of(packets: PacketTable, rows: Rows) -> Rows:
    """int64[rows]: how long the packet of each row is, as it was captured."""
    numbers = packets.structure.packet[rows]
    found: Rows = packets.batch.stops[numbers] - packets.batch.starts[numbers]
    return found


def hashed(words: NDArray[np.uint64]) -> Hashes:
    """uint64[rows, 2] of uint64[rows, words]."""
    made = np.tile(SEEDS, (len(words), 1))
    for word in range(words.shape[1]):  # per word
        made = mixed(made * LANES[0] + words[:, word, None])
    return made


def subjects_of(packets: PacketTable, rows: Rows, with_flow: bool = True) -> Hashes:
    """uint64[rows, 6, 2], by Subject. RULE is one for all IP packets; FLOW and SIDE are left out where nobody asks for it.

    A flow is its number, when it began and its hosts: workers that capture for themselves number their flows alike.
    """
    words = packets.structure.words[rows]
    ends = hashed(words[:, ENDS].reshape(-1, 2)).reshape(-1, 2, 2)
    pair = mixed(ends[:, 0] + ends[:, 1])
    made = np.zeros((len(rows), len(Subject), 2), np.uint64)
    made[:, Subject.RULE] = 1
    made[:, Subject.SOURCE : Subject.DESTINATION + 1] = ends
    made[:, Subject.PAIR] = pair
    made[packets.structure.cell(Cell.NETWORK)[rows] == 0] = 0
    if with_flow:
        flows = followed(packets).flows.cells[rows]
        known = flows[:, (FlowCell.FLOW, FlowCell.BEGAN)].astype(np.uint64)
        made[:, Subject.FLOW] = hashed(np.concatenate((known, pair), axis=1))
        made[:, Subject.SIDE] = mixed(
            made[:, Subject.FLOW] + (1 + (flows[:, FlowCell.PEER, None] & Peer.TO_CLIENT)).astype(np.uint64)
        )
        made[flows[:, FlowCell.FLOW] < 0, Subject.FLOW] = made[flows[:, FlowCell.FLOW] < 0, Subject.SIDE] = 0
    return made


def addresses_of(words: NDArray[np.uint64]) -> NDArray[np.bytes_]:
    """S16[rows] of the two words of addresses."""
    found: NDArray[np.bytes_] = words.astype(">u8").view(ADDRESS).reshape(-1)
    return found


def bounds_of(group: AddressGroup, end: int) -> NDArray[np.bytes_]:
    """S16[ranges]: the lowest (0) or the highest (1) addresses."""
    return np.array([ends[end].to_bytes(16, "big") for ends in group.ranges], ADDRESS)


class Suppressions:
    """The suppressions of one rule."""

    def __init__(self, suppressions: Sequence[Suppression]) -> None:
        self._everywhere = any(one.addresses is None for one in suppressions)
        self._ranges = [
            (one.subject, bounds_of(one.addresses, 0), bounds_of(one.addresses, 1))
            for one in suppressions
            if one.addresses is not None
        ]

    def of(self, packets: PacketTable, rows: Rows) -> Mask:
        """bool[rows]: those that make no alert. Rows that are no IP packets are never suppressed."""
        words = packets.structure.words[rows]
        ends = {
            Subject.SOURCE: addresses_of(words[:, Word.SOURCE_HIGH : Word.SOURCE_HIGH + 2]),
            Subject.DESTINATION: addresses_of(words[:, Word.DESTINATION_HIGH : Word.DESTINATION_HIGH + 2]),
        }
        made = np.full(len(rows), self._everywhere)
        for subject, lows, highs in self._ranges:  # per suppression
            for end in ends if subject == Subject.PAIR else (subject,):  # per address asked
                made |= within(ends[end], lows, highs)
        is_ip: Mask = packets.structure.cell(Cell.NETWORK)[rows] != 0
        return made & is_ip


def within(addresses: NDArray[np.bytes_], lows: NDArray[np.bytes_], highs: NDArray[np.bytes_]) -> Mask:
    """bool[rows]: whether an address lies in one of sorted ranges."""
    if not len(lows):
        return np.zeros(len(addresses), np.bool_)
    at = np.searchsorted(lows, addresses, "right") - 1
    found: Mask = (at >= 0) & (addresses <= highs[at])
    return found
