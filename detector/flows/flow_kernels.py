"""The kernel that gives every packet row its flow. One slot = one flow.

Slots lie in 64 shards, chosen by a symmetric hash of the flow key. Each shard has its own slots, its own hash chains and
its own list from least to most recently used; a full shard gives up its least recently used flow, in packet order, so that
what happens in one shard never depends on another. Whether a flow has expired is asked when its next packet arrives.

TCP's state follows RFC 9293's as far as an observer can: a handshake, or data of both sides where it began unseen, makes a
flow ESTABLISHED; a FIN CLOSING; FINs of both sides or a RST CLOSED. A SYN with another initial sequence number is a new
flow, as it is to Wireshark.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16
from detector.flows.columns import (
    AHEAD,
    BEGAN,
    BYTES_SO_FAR,
    CLOCK,
    DIRECTION,
    FLOW,
    FLOW_STATE,
    IS_NEW,
    PACKETS_SO_FAR,
    PEER,
    PEER_AGE,
    PEER_RESYN,
    RELATIVE_ACK,
    RELATIVE_SEQ,
    SHARDS,
    SLOT,
    WINDOW_SCALE,
    Direction,
    FlowState,
)  # fmt: skip
from detector.flows.peer_kernels import P_NONE, P_OVER, PEER_STATE, age_of_peer, begin_peer, follow_peer, is_peer_over
from detector.hash_kernels import mix_word
from detector.kernel import kernel
from detector.packets.rows import (
    DESTINATION_PORT,
    ETHERTYPE,
    ICMP,
    ICMPV6,
    IS_QUOTED,
    NETWORK,
    OUTER,
    PACKET,
    PAYLOAD_START,
    PAYLOAD_STOP,
    SEQUENCE,
    SOURCE_PORT,
    STOP,
    TCP,
    TCP_FLAGS,
    TRANSPORT,
    VLAN_ID,
)  # fmt: skip

SHARD_BITS = 6
assert SHARDS == 1 << SHARD_BITS
TO_SERVER, TO_CLIENT = int(Direction.TO_SERVER), int(Direction.TO_CLIENT)
NEW, ESTABLISHED, CLOSING, CLOSED = (int(x) for x in (FlowState.NEW, FlowState.ESTABLISHED, FlowState.CLOSING,
                                                      FlowState.CLOSED))  # fmt: skip
FIN, SYN, RST, ACK = 1, 2, 4, 16
T_GOOSE, T_SAMPLED_VALUES = 0x88B8, 0x88BA  # EtherTypes

# Columns of Flows.links: small and apart, since a flood walks through them and through little else.
NEXT, OLDER, NEWER, BUCKET = 0, 1, 2, 3
# A flow's row is 128 bytes, two cache lines that are fetched together, and Flows looks at it in three ways: `keys` (uint64)
# are its first five words, `slots` (int64) the next nine, `small` (int8) the bytes of the last two.
PORTS_KIND = 4  # word of keys behind the addresses: VLAN, transport, ports
NUMBER, STARTED, LAST, PACKETS, BYTES, BASE = 5, 6, 7, 8, 10, 12  # PACKETS, BYTES, BASE: two words each, by direction
STATE, SIDE, FINS, SENT, SCALE = 112, 113, 114, 116, 118  # SENT, SCALE: two bytes each, by direction
SCALE_UNKNOWN, SCALE_UNUSED = -1, -2  # else the shift of RFC 7323
NO_BASE = -1
SENT_SYN, SENT_OTHER = 1, 2
# Columns of Flows.shards: slots taken, oldest flow, newest flow, flows begun.
TAKEN, OLDEST, NEWEST, BEGUN = 0, 1, 2, 3
# Flows.counts.
CREATED, EXPIRED, EVICTED, ROWS = 0, 1, 2, 3  # ROWS: two columns, of TCP and UDP by direction

ECHO_PAIRS_4 = ((8, 0), (0, 8), (13, 14), (14, 13), (15, 16), (16, 15), (10, 9), (9, 10), (17, 18), (18, 17))
ECHO_PAIRS_6 = ((128, 129), (129, 128), (133, 134), (134, 133), (135, 136), (136, 135), (130, 131), (131, 130),
                (144, 145), (145, 144))  # fmt: skip


@kernel
def icmp_ports(transport, kind, code):
    """The two "ports" that Community ID v1 gives ICMP: type and the type that answers it, or type and code."""
    pairs = ECHO_PAIRS_6 if transport == 58 else ECHO_PAIRS_4
    for pair in pairs:
        if pair[0] == kind:
            return kind, pair[1]
    return kind, code


@kernel
def unlink(links, shards, shard, slot):
    """Takes a slot out of its shard's list."""
    older, newer = links[slot, OLDER], links[slot, NEWER]
    if older >= 0:
        links[older, NEWER] = newer
    else:
        shards[shard, OLDEST] = newer
    if newer >= 0:
        links[newer, OLDER] = older
    else:
        shards[shard, NEWEST] = older


@kernel
def append(links, shards, shard, slot):
    """Puts a slot at the list's most recently used end."""
    newest = shards[shard, NEWEST]
    links[slot, OLDER] = newest
    links[slot, NEWER] = -1
    if newest >= 0:
        links[newest, NEWER] = slot
    else:
        shards[shard, OLDEST] = slot
    shards[shard, NEWEST] = slot


@kernel
def unchain(links, buckets, slot):
    """Takes a slot out of its hash chain."""
    bucket = links[slot, BUCKET]
    at = buckets[bucket]
    if at == slot:
        buckets[bucket] = links[slot, NEXT]
        return
    while links[at, NEXT] != slot:
        at = links[at, NEXT]
    links[at, NEXT] = links[slot, NEXT]


@kernel
def take_slot(links, shards, buckets, counts, shard, bucket):
    """A slot for a new flow: a fresh one, or the shard's least recently used."""
    per_shard = len(links) // SHARDS
    if shards[shard, TAKEN] < per_shard:
        slot = shard * per_shard + shards[shard, TAKEN]
        shards[shard, TAKEN] += 1
    else:
        slot = shards[shard, OLDEST]
        unlink(links, shards, shard, slot)
        unchain(links, buckets, slot)
        counts[EVICTED] += 1
    links[slot, BUCKET] = bucket
    links[slot, NEXT] = buckets[bucket]
    buckets[bucket] = slot
    append(links, shards, shard, slot)
    return slot


@kernel
def begin_flow(slots, small, counts, shards, shard, slot, side, clock):
    """A slot's state for a new flow; side: whether the key's first end is the client (0) or the server (1)."""
    slots[slot, NUMBER] = shards[shard, BEGUN] * SHARDS + shard
    shards[shard, BEGUN] += 1
    counts[CREATED] += 1
    slots[slot, STARTED] = clock
    small[slot, STATE] = NEW
    small[slot, SIDE] = side
    small[slot, FINS] = 0
    for d in range(2):
        slots[slot, PACKETS + d] = 0
        slots[slot, BYTES + d] = 0
        slots[slot, BASE + d] = NO_BASE
        small[slot, SENT + d] = 0
        small[slot, SCALE + d] = SCALE_UNKNOWN


@kernel
def is_expired(slots, small, slot, transport, clock, timeouts):
    """Whether a flow was idle for longer than its kind may be. timeouts: int64[5] ns: TCP where nobody but
    SYNs spoke, TCP, TCP closed; UDP; others."""
    idle = clock - slots[slot, LAST]
    if transport == 6:
        only_syn = (small[slot, SENT] | small[slot, SENT + 1]) & SENT_OTHER == 0
        closed = small[slot, STATE] == CLOSED
        return idle > (timeouts[0] if only_syn else timeouts[2] if closed else timeouts[1])
    return idle > (timeouts[3] if transport == 17 else timeouts[4])


@kernel
def client_is_sender(cells, row, transport, tcp_ports, udp_ports):
    """Direction of a flow at its first packet: by handshake, else by service port, else the first sender asks."""
    source_port, destination_port = cells[SOURCE_PORT, row], cells[DESTINATION_PORT, row]
    if transport == 6:
        flags = cells[TCP_FLAGS, row] & (SYN | ACK)
        if flags == SYN:
            return True
        if flags == SYN | ACK:
            return False
        known_source, known_destination = tcp_ports[source_port], tcp_ports[destination_port]
    elif transport == 17:
        known_source, known_destination = udp_ports[source_port], udp_ports[destination_port]
    else:
        return True
    return not (known_source and not known_destination)


@kernel
def scale_of(buffer, cells, row):
    """The shift of a SYN's window scale option, SCALE_UNUSED where it has none."""
    at = np.int64(cells[TCP, row])
    stop = min(at + (np.int64(buffer[at + 12]) >> 4) * 4, np.int64(cells[STOP, row]))
    at += 20
    while at + 2 < stop:
        kind = np.int64(buffer[at])
        if kind == 3 and buffer[at + 1] == 3:
            return min(np.int64(buffer[at + 2]), 14)
        if kind > 1:
            if buffer[at + 1] < 2:
                break
            at += np.int64(buffer[at + 1])
        else:
            at += 1
    return SCALE_UNUSED


@kernel
def follow_scale(small, slot, direction, buffer, cells, row):
    """What the handshake says of window scaling: it is used only where both sides offer it (RFC 7323 2.2)."""
    small[slot, SCALE + direction] = scale_of(buffer, cells, row)
    if small[slot, SCALE] == SCALE_UNUSED or small[slot, SCALE + 1] == SCALE_UNUSED:
        small[slot, SCALE], small[slot, SCALE + 1] = SCALE_UNUSED, SCALE_UNUSED


@kernel
def follow_tcp(slots, small, slot, direction, cells, words, row, out):
    """TCP state and relative sequence numbers of one row."""
    flags = np.int64(cells[TCP_FLAGS, row])
    sequence, acknowledged = (
        np.int64(words[row, SEQUENCE] >> np.uint64(32)),
        np.int64(words[row, SEQUENCE] & np.uint64(0xFFFFFFFF)),
    )
    if slots[slot, BASE + direction] == NO_BASE:
        slots[slot, BASE + direction] = sequence if flags & SYN else (sequence - 1) & 0xFFFFFFFF
    if flags & ACK and slots[slot, BASE + 1 - direction] == NO_BASE:
        slots[slot, BASE + 1 - direction] = (acknowledged - 1) & 0xFFFFFFFF
    out[row, RELATIVE_SEQ] = (sequence - slots[slot, BASE + direction]) & 0xFFFFFFFF
    if flags & ACK:
        out[row, RELATIVE_ACK] = (acknowledged - slots[slot, BASE + 1 - direction]) & 0xFFFFFFFF
    else:
        out[row, RELATIVE_ACK] = acknowledged
    state = np.int64(small[slot, STATE])
    small[slot, SENT + direction] |= SENT_SYN if flags & SYN else SENT_OTHER
    both = small[slot, SENT] & small[slot, SENT + 1]
    handshake = small[slot, SENT] == SENT_SYN | SENT_OTHER and small[slot, SENT + 1] & SENT_SYN
    if state == NEW and (both & SENT_OTHER or handshake):
        state = ESTABLISHED
    if flags & FIN:
        small[slot, FINS] |= 1 << direction
        state = CLOSED if small[slot, FINS] == 3 else max(state, CLOSING)
    if flags & RST:
        state = CLOSED
    small[slot, STATE] = state


@kernel
def key_of_row(cells, words, buffer, row, vlan_in_key):
    """The flow key of a row: both ends in a fixed order, what tells their flows apart, whether the sender is the second."""
    transport = np.int64(cells[TRANSPORT, row])
    a_port, b_port = np.int64(cells[SOURCE_PORT, row]), np.int64(cells[DESTINATION_PORT, row])
    if transport == 1 or transport == 58:
        at = np.int64(cells[ICMP if transport == 1 else ICMPV6, row])
        if at >= 0 and at + 2 <= cells[STOP, row]:
            a_port, b_port = icmp_ports(transport, np.int64(buffer[at]), np.int64(buffer[at + 1]))
    elif cells[NETWORK, row] == 0 and (cells[ETHERTYPE, row] == T_GOOSE or cells[ETHERTYPE, row] == T_SAMPLED_VALUES):
        at = np.int64(cells[PAYLOAD_START, row])
        if at + 2 <= cells[PAYLOAD_STOP, row]:
            a_port = b_port = be16(buffer, at)  # APPID (IEC 61850-8-1, annex C): each has a flow of its own
    a_high, a_low = words[row, 0], words[row, 1]
    b_high, b_low = words[row, 2], words[row, 3]
    is_swapped = a_high > b_high or (a_high == b_high and (a_low > b_low or (a_low == b_low and a_port > b_port)))
    if is_swapped:
        a_high, a_low, b_high, b_low, a_port, b_port = b_high, b_low, a_high, a_low, b_port, a_port
    kind = transport if cells[NETWORK, row] else 0x10000 + np.int64(cells[ETHERTYPE, row])
    tag = np.int64(cells[VLAN_ID, row]) + 1 if vlan_in_key else np.int64(0)
    last = np.uint64((a_port << 16) | b_port) | (np.uint64(kind) << np.uint64(32)) | (np.uint64(tag) << np.uint64(50))
    return a_high, a_low, b_high, b_low, last, np.int64(is_swapped)


@kernel
def hash_key(a_high, a_low, b_high, b_low, last):
    """A hash of a flow key; its lowest bits are the shard, those above them the chain."""
    value = mix_word(np.int64(0), last)
    value = mix_word(mix_word(value, a_low), b_low)
    if a_high or b_high:
        value = mix_word(mix_word(value, a_high), b_high)
    return value


@kernel
def bucket_of(value, buckets):
    """The hash chain of a key with this hash, within the part of its shard."""
    per_shard = len(buckets) // SHARDS
    return (value & (SHARDS - 1)) * per_shard + ((value >> SHARD_BITS) & (per_shard - 1))


@kernel
def look_ahead(cells, words, buffer, first, stop, slots, links, buckets, shards, vlan_in_key, ahead, out):
    """Finds the hash chains of rows first..stop, and reads the flow that each will probably need or push out.

    A flood comes to a new place of the table with every packet, and would wait for memory eight times each. These reads
    wait for nobody: what they bring is written to `out` as it comes, is not used, and is in the cache soon after.

    ahead: uint64[AHEAD, 6], filled, the key of each row as key_of_row has it.
    """
    for row in range(first, stop):
        a_high, a_low, b_high, b_low, last, is_swapped = key_of_row(cells, words, buffer, row, vlan_in_key)
        place = row - first
        ahead[place, 0], ahead[place, 1], ahead[place, 2], ahead[place, 3] = a_high, a_low, b_high, b_low
        ahead[place, 4], ahead[place, 5] = last, np.uint64(is_swapped)
        value = hash_key(a_high, a_low, b_high, b_low, last)
        out[row, SLOT] = value
        out[row, FLOW] = buckets[bucket_of(value, buckets)]
    for row in range(first, stop):
        slot = out[row, FLOW]
        if slot < 0:
            slot = max(np.int64(0), shards[out[row, SLOT] & (SHARDS - 1), OLDEST])
        out[row, BEGAN] = slots[slot, LAST]
        out[row, IS_NEW] = slots[slot, BASE + 1]
        out[row, FLOW_STATE] = links[slot, NEWER]


@kernel
def find_shards(cells, words, buffer, vlan_in_key, out):
    """The shard of each row's flow, uint8[rows]; of a quoted row that of the row around it."""
    for row in range(len(words)):
        if cells[IS_QUOTED, row]:
            out[row] = out[cells[OUTER, row]]
            continue
        a_high, a_low, b_high, b_low, last, _ = key_of_row(cells, words, buffer, row, vlan_in_key)
        out[row] = hash_key(a_high, a_low, b_high, b_low, last) & (SHARDS - 1)


@kernel
def find_flow(keys, links, slot, a_high, a_low, b_high, b_low, last):
    """The slot of a key in the hash chain that begins with `slot`, or -1."""
    while slot >= 0 and not (
        keys[slot, PORTS_KIND] == last and keys[slot, 1] == a_low and keys[slot, 3] == b_low
        and keys[slot, 0] == a_high and keys[slot, 2] == b_high
    ):  # fmt: skip
        slot = np.int64(links[slot, NEXT])
    return slot


@kernel
def follow_rows(
    cells,
    words,
    buffer,
    clocks,
    wire_lengths,
    keys,
    slots,
    small,
    links,
    buckets,
    shards,
    counts,
    tcp_ports,
    udp_ports,
    timeouts,
    vlan_in_key,
    is_midstream,
    followed,
    ahead,
    out,
):
    """Fills FlowColumns for all cells, words, in their order.

    Args:
        clocks: int64[rows], ns.
        wire_lengths: int64[packets].
        tcp_ports, udp_ports: bool[65536], known service ports.
        vlan_in_key: whether flows of different VLANs are different flows.
        is_midstream: whether TCP sessions whose handshake was not seen are followed.
        followed: bool[64], shards whose flows are followed; rows of the others have none.
        ahead: uint64[AHEAD, 6], room for keys.
    """
    for row in range(len(words)):
        place = row % AHEAD
        if place == 0:
            stop = min(row + AHEAD, len(words))
            look_ahead(cells, words, buffer, row, stop, slots, links, buckets, shards, vlan_in_key, ahead, out)
        out[row, RELATIVE_SEQ] = -1
        out[row, RELATIVE_ACK] = -1
        out[row, WINDOW_SCALE] = -1
        out[row, CLOCK] = clocks[row]
        if cells[IS_QUOTED, row] or not followed[out[row, SLOT] & (SHARDS - 1)]:
            for column in (FLOW, SLOT, DIRECTION, FLOW_STATE):
                out[row, column] = -1
            for column in (
                IS_NEW,
                BEGAN,
                PEER,
                PEER_AGE,
                PACKETS_SO_FAR,
                PACKETS_SO_FAR + 1,
                BYTES_SO_FAR,
                BYTES_SO_FAR + 1,
            ):
                out[row, column] = 0
            continue
        transport = np.int64(cells[TRANSPORT, row])
        a_high, a_low, b_high, b_low = ahead[place, 0], ahead[place, 1], ahead[place, 2], ahead[place, 3]
        last, is_swapped = ahead[place, 4], np.int64(ahead[place, 5])
        shard = out[row, SLOT] & (SHARDS - 1)
        bucket = bucket_of(out[row, SLOT], buckets)
        slot = find_flow(keys, links, np.int64(buckets[bucket]), a_high, a_low, b_high, b_low, last)
        is_new = slot < 0
        goes_on = False
        if is_new:
            slot = take_slot(links, shards, buckets, counts, shard, bucket)
            keys[slot, 0], keys[slot, 1] = a_high, a_low
            keys[slot, 2], keys[slot, 3], keys[slot, PORTS_KIND] = b_high, b_low, last
        else:
            if is_expired(slots, small, slot, transport, clocks[row], timeouts):
                is_new = True
                counts[EXPIRED] += 1
            elif transport == 6 and cells[TCP_FLAGS, row] & (SYN | ACK | RST) == SYN:
                sender = np.int64(small[slot, SIDE]) ^ is_swapped
                base = slots[slot, BASE + sender]
                is_new = base != NO_BASE and base != np.int64(words[row, SEQUENCE] >> np.uint64(32))
                goes_on = is_new and small[slot, PEER_STATE] != P_NONE and small[slot, PEER_STATE] != P_OVER
            if shards[shard, NEWEST] != slot:
                unlink(links, shards, shard, slot)
                append(links, shards, shard, slot)
        if is_new:
            sends = client_is_sender(cells, row, transport, tcp_ports, udp_ports)
            begin_flow(slots, small, counts, shards, shard, slot, is_swapped if sends else 1 - is_swapped, clocks[row])
        if (is_new and not goes_on) or is_peer_over(small, slot, transport, slots[slot, LAST], clocks[row]):
            begin_peer(small, slot, is_swapped, clocks[row])
        direction = np.int64(small[slot, SIDE]) ^ is_swapped
        slots[slot, LAST] = clocks[row]
        slots[slot, PACKETS + direction] += 1
        slots[slot, BYTES + direction] += wire_lengths[cells[PACKET, row]]
        if transport == 6 and cells[TCP, row] >= 0:
            follow_tcp(slots, small, slot, direction, cells, words, row, out)
            flags = np.int64(cells[TCP_FLAGS, row])
            if flags & SYN and cells[TCP, row] + 20 <= cells[STOP, row]:
                follow_scale(small, slot, direction, buffer, cells, row)
            out[row, WINDOW_SCALE] = small[slot, SCALE + direction]
        elif slots[slot, PACKETS] > 0 and slots[slot, PACKETS + 1] > 0:
            small[slot, STATE] = ESTABLISHED
        if transport == 6 or transport == 17:
            counts[ROWS + direction] += 1
        out[row, FLOW] = slots[slot, NUMBER]
        out[row, SLOT] = slot
        out[row, DIRECTION] = direction
        out[row, FLOW_STATE] = small[slot, STATE]
        out[row, IS_NEW] = np.int64(is_new)
        out[row, BEGAN] = slots[slot, STARTED]
        own = (BASE + direction, BASE + 1 - direction)
        out[row, PEER] = follow_peer(small, slot, is_swapped, slots, own, cells, words, buffer, row, is_midstream)
        out[row, PEER_AGE] = age_of_peer(small, slot, clocks[row])
        if goes_on:
            out[row, PEER] |= PEER_RESYN
        for d in range(2):
            out[row, PACKETS_SO_FAR + d] = slots[slot, PACKETS + d]
            out[row, BYTES_SO_FAR + d] = slots[slot, BYTES + d]
