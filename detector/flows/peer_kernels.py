"""The kernel of a flow as Suricata 7 sees it, which `flow:` in payload rules asks for: who is the client, and whether a packet
comes on an established flow. It differs from ours (flow_kernels.py) on purpose: imported rules are to alert where they did.

A flow's first sender is its client; where a TCP session is picked up at a SYN/ACK, its direction turns round. A packet is on
an established flow if the session was established *before* it; other flows are once packets went both ways, this one
included. What was established stays so, closed or not.

    NONE      SYN -> SENT;  picked up in midstream: SYN/ACK -> ANSWERED, another ACK -> OPEN;  FIN, RST: nothing
    SENT      the server's SYN/ACK of that SYN -> ANSWERED
    ANSWERED  the client's ACK of that SYN/ACK, or the server's first data -> OPEN
    any       RST, or a FIN of both sides -> OVER, where a SYN begins another flow; before that it does not
"""

from __future__ import annotations

import numpy as np

from detector.flows.columns import PEER_ALONE, PEER_ESTABLISHED, PEER_FIRST, PEER_FOLLOWED, PEER_TO_CLIENT
from detector.kernel import kernel
from detector.packets.rows import PAYLOAD_START, PAYLOAD_STOP, SEQUENCE, TCP, TCP_FLAGS, TRANSPORT

FIN, SYN, RST, ACK = 1, 2, 4, 16
P_NONE, P_SENT, P_ANSWERED, P_OPEN, P_OVER = 0, 1, 2, 3, 4
# Bytes of Flows.small: the session's state, which end of the key is the server, ends that sent, ends that sent a FIN.
PEER_STATE, PEER_SIDE, PEER_SEEN, PEER_FINS = 115, 120, 121, 122
MASK = 0xFFFFFFFF


@kernel
def begin_peer(small, slot, end):
    """A new flow, of which one end of the key, 0 or 1, sends first."""
    small[slot, PEER_STATE] = P_NONE
    small[slot, PEER_SIDE] = end
    small[slot, PEER_SEEN] = 0
    small[slot, PEER_FINS] = 0


@kernel
def follow_session(small, slot, bases, own, direction, cells, words, row, is_midstream):
    """The session's state after a TCP row.

    Args:
        bases: int64[slots, ...], initial sequence numbers: column `own` the sender's, column `own + 1` or `own - 1` the other's
            (-1 unknown), as flow_kernels.py keeps them by our own direction, in two neighbouring columns.
        own: the sender's column, and in `direction` 0 to the server, 1 to the client, by the peer's view.
    """
    flags, state = np.int64(cells[TCP_FLAGS, row]), np.int64(small[slot, PEER_STATE])
    sequence = np.int64(words[row, SEQUENCE] >> np.uint64(32))
    acknowledged = np.int64(words[row, SEQUENCE] & np.uint64(MASK))
    if state == P_NONE:
        if flags & (RST | FIN):
            return
        if flags & (SYN | ACK) == SYN | ACK:
            if is_midstream:
                small[slot, PEER_STATE] = P_ANSWERED
                small[slot, PEER_SIDE] ^= 1
        elif flags & SYN:
            small[slot, PEER_STATE] = P_SENT
        elif flags & ACK and is_midstream:
            small[slot, PEER_STATE] = P_OPEN
        return
    if flags & RST:
        small[slot, PEER_STATE] = P_OVER
        return
    if state == P_SENT:
        if direction and flags & (SYN | ACK) == SYN | ACK and acknowledged == (bases[slot, own[1]] + 1) & MASK:
            small[slot, PEER_STATE] = P_ANSWERED
    elif state == P_ANSWERED and flags & ACK and flags & SYN == 0:
        if direction:
            is_open = (
                cells[PAYLOAD_STOP, row] > cells[PAYLOAD_START, row] and sequence == (bases[slot, own[0]] + 1) & MASK
            )
        else:
            is_open = acknowledged == (bases[slot, own[1]] + 1) & MASK
        if is_open:
            small[slot, PEER_STATE] = P_OPEN
    if flags & FIN:
        small[slot, PEER_FINS] |= 1 << direction
        if small[slot, PEER_FINS] == 3:
            small[slot, PEER_STATE] = P_OVER


@kernel
def follow_peer(small, slot, end, bases, own, cells, words, row, is_midstream):
    """Bits of columns.Peer for a row. end: which end of the key sends."""
    transport = cells[TRANSPORT, row]
    if not (
        transport == 6 or transport == 17 or transport == 1 or transport == 58 or transport == 132 or transport == 50
    ):
        return np.int64(PEER_ALONE | PEER_FIRST)
    is_tcp, bits = transport == 6, np.int64(0)
    if is_tcp and cells[TCP_FLAGS, row] & SYN and small[slot, PEER_STATE] == P_NONE:
        begin_peer(small, slot, end)  # whoever sent what belongs to no session
    if is_tcp and cells[TCP, row] >= 0:
        before, direction = np.int64(small[slot, PEER_STATE]), np.int64(small[slot, PEER_SIDE]) ^ end
        follow_session(small, slot, bases, own, direction, cells, words, row, is_midstream)
        has_data = cells[PAYLOAD_STOP, row] > cells[PAYLOAD_START, row]
        opens = before == P_ANSWERED and small[slot, PEER_STATE] >= P_OPEN and direction == 0 and has_data
        if before >= P_OPEN or opens:
            bits |= PEER_ESTABLISHED
    if small[slot, PEER_SEEN] & (1 << end) == 0:
        small[slot, PEER_SEEN] |= 1 << end
        bits |= PEER_FIRST
    if not is_tcp and small[slot, PEER_SEEN] == 3:
        bits |= PEER_ESTABLISHED
    if is_midstream or small[slot, PEER_STATE] != P_NONE:
        bits |= PEER_FOLLOWED
    return bits | (np.int64(small[slot, PEER_SIDE]) ^ end) * PEER_TO_CLIENT
