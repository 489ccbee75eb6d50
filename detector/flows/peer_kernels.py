"""The kernel of a flow as Suricata 7 sees it, which `flow:` in payload rules asks for: who is the client, and whether a packet
comes on an established flow. It differs from ours (flow_kernels.py) on purpose: imported rules are to alert where they did.

A flow's first sender is its client; where a TCP session is picked up at a SYN/ACK, its direction turns round. A packet is on
an established flow if the session was established *before* it; other flows are once packets went both ways, this one
included. What was established stays so, closed or not. A flow that was idle for too long is another one.

    NONE      SYN -> SENT;  picked up in midstream: SYN/ACK -> ANSWERED, another ACK -> OPEN;  FIN, RST: nothing
    SENT      the server's SYN/ACK of that SYN -> ANSWERED
    ANSWERED  the client's ACK of that SYN/ACK, or the server's first data -> OPEN
    OPEN      a FIN of both sides -> OVER
    any       RST -> OVER, where a SYN begins another flow; before that it does not
"""

from __future__ import annotations

import numpy as np

from detector.errors import PacketAnomaly
from detector.flows.columns import (
    PEER_ALONE,
    PEER_ESTABLISHED,
    PEER_FIRST,
    PEER_FOLLOWED,
    PEER_LOOKS,
    PEER_OPEN,
    PEER_TO_CLIENT,
)
from detector.kernel import kernel
from detector.packets.rows import (
    ANOMALIES,
    ICMP,
    ICMPV6,
    IS_FRAGMENT,
    NETWORK,
    PAYLOAD_START,
    PAYLOAD_STOP,
    SEQUENCE,
    STOP,
    TCP,
    TCP_FLAGS,
    TRANSPORT,
    UDP,
)

FIN, SYN, RST, ACK = 1, 2, 4, 16
P_NONE, P_SENT, P_ANSWERED, P_OPEN, P_OVER = 0, 1, 2, 3, 4
# Bytes of Flows.small: the session's state, which end of the key is the server, ends that sent (and times 4, those that sent data
# of which none ended the session yet), ends that sent a FIN; four bytes, the second in which it began.
PEER_STATE, PEER_SIDE, PEER_SEEN, PEER_FINS, PEER_BEGAN = 115, 120, 121, 122, 123
SECOND = 1_000_000_000
# Seconds without a packet behind which a flow is another one, as in the suricata.yaml of Debian.
IDLE_NEW, IDLE_ESTABLISHED, IDLE_TCP_NEW, IDLE_TCP_ESTABLISHED, IDLE_TCP_OVER = 30, 300, 60, 600, 60
MASK = 0xFFFFFFFF
# Anomalies of rows that Suricata takes for no IP packet, and of those whose transport header it does not read: all in the
# first of the two words.
BROKEN = (
    PacketAnomaly.IPV4_PKT_TOO_SMALL, PacketAnomaly.IPV4_HLEN_TOO_SMALL, PacketAnomaly.IPV4_IPLEN_SMALLER_THAN_HLEN,
    PacketAnomaly.IPV4_TRUNC_PKT, PacketAnomaly.IPV4_WRONG_IP_VERSION, PacketAnomaly.IPV6_PKT_TOO_SMALL,
    PacketAnomaly.IPV6_TRUNC_PKT, PacketAnomaly.IPV6_WRONG_IP_VERSION,
)  # fmt: skip
WITHOUT_TRANSPORT = (
    PacketAnomaly.IPV4_OPT_INVALID_LEN, PacketAnomaly.TCP_PKT_TOO_SMALL, PacketAnomaly.TCP_HLEN_TOO_SMALL,
    PacketAnomaly.UDP_PKT_TOO_SMALL, PacketAnomaly.UDP_HLEN_TOO_SMALL,
    PacketAnomaly.UDP_HLEN_INVALID, PacketAnomaly.ICMPV4_PKT_TOO_SMALL, PacketAnomaly.ICMPV6_PKT_TOO_SMALL,
    PacketAnomaly.SCTP_PKT_TOO_SMALL,
)  # fmt: skip
NO_IP = np.uint64(sum(1 << anomaly for anomaly in BROKEN))
NO_TRANSPORT = np.uint64(sum(1 << anomaly for anomaly in WITHOUT_TRANSPORT))


@kernel
def begin_peer(small, slot, end, clock):
    """A new flow, of which one end of the key, 0 or 1, sends first. clock: ns."""
    seconds = clock // SECOND
    for k in range(4):
        small[slot, PEER_BEGAN + k] = np.int8(((seconds >> 8 * k & 255) ^ 128) - 128)
    small[slot, PEER_STATE] = P_NONE
    small[slot, PEER_SIDE] = end
    small[slot, PEER_SEEN] = 0
    small[slot, PEER_FINS] = 0


@kernel
def is_peer_over(small, slot, transport, last, clock):
    """Whether a flow was idle for so long that a packet begins another. last, clock: ns, of the packet before and of this one."""
    if transport != 6:
        longest = IDLE_ESTABLISHED if small[slot, PEER_SEEN] & 3 == 3 else IDLE_NEW
    elif small[slot, PEER_STATE] < P_OPEN:
        longest = IDLE_TCP_NEW
    else:
        longest = IDLE_TCP_ESTABLISHED if small[slot, PEER_STATE] == P_OPEN else IDLE_TCP_OVER
    return clock // SECOND - last // SECOND > longest


@kernel
def age_of_peer(small, slot, clock):
    """Whole seconds since a flow began, as Suricata counts them. clock: ns."""
    began = np.int64(0)
    for k in range(4):
        began |= (np.int64(small[slot, PEER_BEGAN + k]) & 255) << 8 * k
    return clock // SECOND - began & MASK


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
        if small[slot, PEER_FINS] == 3 and small[slot, PEER_STATE] == P_OPEN:
            small[slot, PEER_STATE] = P_OVER


@kernel
def has_no_transport(cells, words, row):
    """Whether a row has a transport protocol's number and nothing of it: a fragment, a header that makes no sense or is ICMP's
    of the other IP version."""
    if words[row, ANOMALIES] & NO_TRANSPORT:
        return True
    network, transport = cells[NETWORK, row], cells[TRANSPORT, row]
    if (transport == 1 and network == 6) or (transport == 58 and network == 4):
        return True
    if not cells[IS_FRAGMENT, row]:
        return False
    return cells[TCP, row] < 0 and cells[UDP, row] < 0 and cells[ICMP, row] < 0 and cells[ICMPV6, row] < 0


@kernel
def has_no_peer(cells, words, buffer, row):
    """Whether Suricata keeps no flow for a row: of other protocols, and ICMP's errors (RFC 792: types 3, 4, 5, 11, 12)."""
    transport = cells[TRANSPORT, row]
    if not (
        transport == 6 or transport == 17 or transport == 1 or transport == 58 or transport == 132 or transport == 50
    ):
        return True
    if has_no_transport(cells, words, row):
        return True
    if transport == 1 and cells[ICMP, row] >= 0 and cells[ICMP, row] < cells[STOP, row]:
        kind = np.int64(buffer[cells[ICMP, row]])
        return 3 <= kind <= 5 or kind == 11 or kind == 12
    return False


@kernel
def follow_peer(small, slot, end, bases, own, cells, words, buffer, row, is_midstream):
    """Bits of columns.Peer for a row. end: which end of the key sends."""
    transport = cells[TRANSPORT, row]
    if has_no_peer(cells, words, buffer, row):
        return np.int64(PEER_ALONE | PEER_FIRST)
    is_tcp, bits = transport == 6, np.int64(0)
    if is_tcp and cells[TCP_FLAGS, row] & SYN and small[slot, PEER_STATE] == P_NONE:
        small[slot, PEER_SIDE] = end  # whoever sent what belongs to no session
        small[slot, PEER_SEEN] = 0
    if is_tcp and cells[TCP, row] >= 0:
        before, direction = np.int64(small[slot, PEER_STATE]), np.int64(small[slot, PEER_SIDE]) ^ end
        follow_session(small, slot, bases, own, direction, cells, words, row, is_midstream)
        has_data = cells[PAYLOAD_STOP, row] > cells[PAYLOAD_START, row]
        opens = before == P_ANSWERED and small[slot, PEER_STATE] >= P_OPEN and direction == 0 and has_data
        if before >= P_OPEN or opens:
            bits |= PEER_ESTABLISHED
        if small[slot, PEER_STATE] >= P_OPEN:
            bits |= PEER_OPEN
            if has_data:
                small[slot, PEER_SEEN] |= 4 << end
            elif np.int64(cells[TCP_FLAGS, row]) & (FIN | RST) and small[slot, PEER_SEEN] & (4 << end):
                small[slot, PEER_SEEN] &= ~(4 << end)
                bits |= PEER_LOOKS
    if small[slot, PEER_SEEN] & (1 << end) == 0:
        small[slot, PEER_SEEN] |= 1 << end
        bits |= PEER_FIRST
    if not is_tcp and small[slot, PEER_SEEN] & 3 == 3:
        bits |= PEER_ESTABLISHED
    if is_midstream or small[slot, PEER_STATE] != P_NONE:
        bits |= PEER_FOLLOWED
    return bits | (np.int64(small[slot, PEER_SIDE]) ^ end) * PEER_TO_CLIENT
