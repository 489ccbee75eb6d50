"""EtherNet/IP: the segments of CIP paths, and where a message has its path."""

from __future__ import annotations

from detector.bytes_kernels import le16, le32, u8
from detector.kernel import kernel, part
from detector.protocols.enip_kernels import FORWARD_OPEN, LARGE_FORWARD_OPEN
from detector.protocols.enip_task_kernels import (
    ASCII,
    DATA,
    DATA_SIMPLE,
    DATA_SYMBOL,
    DATA_UNKNOWN,
    DATA_WORDS,
    EXTENDED8,
    INHIBIT_US,
    KEY,
    KEY_SERIAL,
    LINK_TEXT,
    LOGICAL,
    LOGICAL_FORMAT,
    LOGICAL_UNKNOWN,
    NETWORK,
    NETWORK_UNKNOWN,
    NUMBER8,
    PORT_EXTENDED,
    PORT_LINK,
    PORT_LINK_EXTENDED,
    PORT_PLAIN,
    SAFETY,
    SCHEDULE,
    SEGMENT_UNKNOWN,
    SERVICE_ID,
    SYMBOL,
    SYMBOLIC,
    SYMBOLIC_NUMBER,
    SYMBOLIC_WIDE,
    put,
)


@part
def segment_size(buffer, at, stop):
    """Bytes of a path's segment and the kind of its piece (vol. 1, C-1.4); 0 bytes: nothing can be read behind it."""
    kind = u8(buffer, at)
    second = u8(buffer, at + 1) if at + 1 < stop else 0
    top, sub = kind >> 5, (kind >> 2) & 7
    if top == 0:
        extended = kind & 15 == 15
        if kind & 16:
            size = 2 + second + (2 if extended else 0)
            return size + (size & 1), PORT_LINK_EXTENDED if extended else PORT_LINK
        return 4 if extended else 2, PORT_EXTENDED if extended else PORT_PLAIN
    if top == 1:
        bits = kind & 3
        if sub <= 4:
            return (0, LOGICAL_FORMAT) if bits == 3 else (2 + 2 * bits, LOGICAL + 3 * sub + bits)
        if sub == 5:
            if bits != 0 or (second != 4 and second != 5):
                return 0, LOGICAL_UNKNOWN
            return (10, KEY) if second == 4 else (14, KEY_SERIAL)
        if sub == 6:
            return (2, SERVICE_ID) if bits == 0 else (0, LOGICAL_UNKNOWN)
        return (0, LOGICAL_FORMAT) if bits == 3 else (6 if bits == 2 else 4, EXTENDED8 + bits)
    if top == 2:
        network = kind & 31
        if network <= 3 and network > 0:
            return 2, SCHEDULE + network - 1
        if network == 0x11:
            return 2 + 2 * second, INHIBIT_US
        if network == 0x1F or network == 0x10:
            return 2 + 2 * second, NETWORK if network == 0x1F else SAFETY
        return 0, NETWORK_UNKNOWN
    if top == 3:
        if kind & 31:
            size = 1 + (kind & 31)
            return size + (size & 1), SYMBOLIC
        wide, length = second >> 5, second & 31
        if wide == 1 or wide == 2:
            size = 2 + (wide + 1) * length
            return size + (size & 1), SYMBOLIC_WIDE
        if wide == 6 and 6 <= length <= 8:
            return 4 if length < 8 else 6, SYMBOLIC_NUMBER
        return 0, SYMBOLIC
    if top == 4:
        if kind == 0x80:
            return 2 + 2 * second, DATA_SIMPLE
        if kind == 0x91:
            return 2 + second + (second & 1), DATA_SYMBOL
        return 0, DATA_UNKNOWN
    return 0, SEGMENT_UNKNOWN


@part
def walk(buffer, at, path_stop, stop, pieces, found, pdu, owner, is_generated, seen):
    """The segments of a path; how many pieces there are with them. seen: int64[3], last class, instance and attribute, -1."""
    seen[0], seen[1], seen[2] = -1, -1, -1
    while at < path_stop and at < stop:
        size, kind = segment_size(buffer, at, stop)
        end = min(at + size, stop) if size else min(at + 2, stop)
        if is_generated:  # of these no more is told where they are a request's
            kind = KEY if kind == KEY_SERIAL else NETWORK_UNKNOWN if kind == SAFETY else kind
        found = put(pieces, found, pdu, owner, kind, at, end, 0)
        if LOGICAL <= kind < LOGICAL + 15 and at + size <= stop:
            bits, sub = (kind - LOGICAL) % 3, (kind - LOGICAL) // 3
            value = u8(buffer, at + 1) if bits == 0 else le16(buffer, at + 2) if bits == 1 else le32(buffer, at + 2)
            if sub < 2:
                seen[sub] = value
            elif sub == 4:
                seen[2] = value
        inner, inner_start, inner_stop = -1, at, end
        if kind == PORT_LINK or kind == PORT_LINK_EXTENDED:
            inner, inner_start = LINK_TEXT, at + (4 if kind == PORT_LINK_EXTENDED else 2)
            inner_stop = min(inner_start + (u8(buffer, at + 1) if at + 1 < stop else 0), stop)
        elif kind == SYMBOLIC and u8(buffer, at) & 31:
            inner, inner_start, inner_stop = ASCII, at + 1, min(at + 1 + (u8(buffer, at) & 31), stop)
        elif kind == SYMBOLIC_NUMBER:
            inner, inner_start = NUMBER8 + (u8(buffer, at + 1) & 31) - 6, at + 2
        elif kind == DATA_SYMBOL:
            inner, inner_start, inner_stop = (
                SYMBOL,
                at + 2,
                min(at + 2 + u8(buffer, at + 1) if at + 1 < stop else 0, stop),
            )
        elif kind == SYMBOLIC_WIDE and not is_generated:
            inner, inner_start = DATA, at + 2
        elif kind == DATA_SIMPLE and not is_generated:
            inner, inner_start = DATA_WORDS, at + 2
        elif kind == NETWORK and not is_generated and size > 4:
            inner, inner_start = DATA, at + 4
        if inner >= 0 and inner_start < inner_stop:
            found = put(pieces, found, pdu, owner, inner, inner_start, inner_stop, 0)
        if size == 0 or at + size > stop:
            return found
        at += size
    return found


@kernel
def route_of(buffer, asked, asked_stop):
    """Where an unconnected send says how many words its route has; -1: nowhere."""
    data = asked + 2 + 2 * u8(buffer, asked + 1)
    if data + 4 > asked_stop:
        return -1
    size = le16(buffer, data + 2)
    at = data + 4 + size + (size & 1)
    return at if at + 2 <= asked_stop else -1


@kernel
def path_of(buffer, asked, asked_stop):
    """Where a request to the Connection Manager says how many words the connection's path has; -1: nowhere."""
    service, at = u8(buffer, asked), asked + 2 + 2 * u8(buffer, asked + 1)
    at += 35 if service == FORWARD_OPEN else 39 if service == LARGE_FORWARD_OPEN else 10
    return at if at < asked_stop else -1
