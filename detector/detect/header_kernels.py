"""Kernels that ask whether packet rows are among those that a payload rule's header names.

One row of headers = one distinct header of the ruleset. Address groups and port groups are sorted ranges that do not
overlap; group -1 is any. Addresses are two words, IPv4 mapped into IPv6.
"""

from __future__ import annotations

import numpy as np

from detector.flows.columns import FLOW, PEER, PEER_ALONE, PEER_ESTABLISHED, PEER_FIRST, PEER_OPEN, PEER_TO_CLIENT
from detector.flows.peer_kernels import NO_IP, has_no_transport
from detector.kernel import kernel
from detector.packets.rows import (
    ANOMALIES,
    DESTINATION_PORT,
    IS_FRAGMENT,
    IS_QUOTED,
    NETWORK,
    OUTER,
    SOURCE_PORT,
    STOP,
    TRANSPORT,
)

# Columns of headers.
H_PROTOCOL, H_SOURCE, H_SOURCE_PORTS, H_DESTINATION, H_DESTINATION_PORTS, H_BOTH_WAYS, H_FLOW = 0, 1, 2, 3, 4, 5, 6
HEADER_COLUMNS = 7
# H_PROTOCOL: an IP protocol number, or one of these.
ANY_IP, ICMP_OF_BOTH, ANY_PACKET = -1, -2, -3
# Bits of H_FLOW: rules.signature.FlowCondition.
(TO_SERVER, TO_CLIENT, IS_ESTABLISHED, IS_NOT_ESTABLISHED, NO_FRAG, ONLY_FRAG, FIRST_IN_DIRECTION, WHOLE, BYTES) = (
    1, 2, 4, 8, 16, 32, 64, 128, 256)  # fmt: skip
OF_FLOW = TO_SERVER | TO_CLIENT | IS_ESTABLISHED | IS_NOT_ESTABLISHED | FIRST_IN_DIRECTION
# What of a row is asked: its packet, which is the datagram where it completes one; its window of a stream, which is looked
# at once its bytes are acknowledged; either of them; the last fragment of a datagram, which is a packet beside it.
OF_PACKET, OF_WINDOW, OF_EITHER, OF_FRAGMENT = 0, 1, 2, 3


@kernel
def has_address(group, high, low, offsets, lows, highs):
    """Whether an address is in a group. offsets: int64[groups + 1]; lows, highs: uint64[ranges, 2]."""
    if group < 0:
        return True
    first, stop = offsets[group], offsets[group + 1]
    while first < stop:  # the last range that begins at or before the address
        middle = (first + stop) >> 1
        if lows[middle, 0] < high or (lows[middle, 0] == high and lows[middle, 1] <= low):
            first = middle + 1
        else:
            stop = middle
    at = first - 1
    if at < offsets[group]:
        return False
    return high < highs[at, 0] or (high == highs[at, 0] and low <= highs[at, 1])


@kernel
def has_port(group, port, offsets, ranges):
    """Whether a port is in a group. offsets: int64[groups + 1]; ranges: int64[n, 2]."""
    if group < 0:
        return True
    at, stop = offsets[group], offsets[group + 1]
    while at < stop and ranges[at, 1] < port:
        at += 1
    return at < stop and ranges[at, 0] <= port


@kernel
def is_protocol(wanted, network, transport):
    """Whether a row's protocols are those of a header."""
    if wanted == ANY_PACKET:
        return True
    if network == 0:
        return False
    if wanted == ANY_IP:
        return True
    if wanted == ICMP_OF_BOTH:
        return (transport == 1 and network == 4) or (transport == 58 and network == 6)
    return transport == wanted


@kernel
def has_bytes(cells, row, rows):
    """Whether a row's protocol has a payload for rules: not where another packet is inside."""
    transport = cells[TRANSPORT, row]
    if row + 1 < rows and cells[OUTER, row + 1] == row and not cells[IS_QUOTED, row + 1]:
        return False
    return transport == 6 or transport == 17 or transport == 1 or transport == 58 or transport == 132


@kernel
def is_in_flow(wanted, flows, row, is_rebuilt, kind):
    """Whether a row's flow is as a header asks. kind: OF_PACKET, OF_WINDOW, OF_EITHER or OF_FRAGMENT."""
    if wanted & NO_FRAG and is_rebuilt:
        return False
    if wanted & ONLY_FRAG and not is_rebuilt:
        return False
    if wanted & OF_FLOW == 0:
        return True
    if flows[row, FLOW] < 0:
        return False
    peer = flows[row, PEER]
    if kind == OF_FRAGMENT:
        peer = np.int64(PEER_ALONE | PEER_FIRST)
    if wanted & TO_SERVER and peer & PEER_TO_CLIENT:
        return False
    if wanted & TO_CLIENT and peer & PEER_TO_CLIENT == 0:
        return False
    if (
        wanted & IS_ESTABLISHED
        and peer & (PEER_ESTABLISHED if kind == OF_PACKET else PEER_ESTABLISHED | PEER_OPEN) == 0
    ):
        return False
    if wanted & IS_NOT_ESTABLISHED and peer & (PEER_ESTABLISHED | PEER_ALONE | (PEER_OPEN if kind == OF_WINDOW else 0)):
        return False
    return wanted & FIRST_IN_DIRECTION == 0 or peer & PEER_FIRST != 0


@kernel
def holds(headers, header, cells, words, flows, rebuilt_from, row, kind, groups, lows, highs, port_groups, ranges):
    """How often a header names a row: twice, where it is for both ways and the row fits either way."""
    if cells[IS_QUOTED, row]:
        return 0
    wanted, protocol = headers[header, H_FLOW], headers[header, H_PROTOCOL]
    if not is_protocol(protocol, cells[NETWORK, row], cells[TRANSPORT, row]):
        return 0
    is_bare = False
    if protocol != ANY_PACKET or wanted & FIRST_IN_DIRECTION:
        if cells[NETWORK, row] == 0 or words[row, ANOMALIES] & NO_IP:
            return 0
        is_bare = kind == OF_FRAGMENT or has_no_transport(cells, words, row)
        if is_bare and wanted & (WHOLE | BYTES):
            return 0
        if wanted & BYTES and kind != OF_WINDOW and not has_bytes(cells, row, len(words)):
            return 0
    source_port, destination_port = np.int64(0), np.int64(0)
    if not is_bare:
        source_port, destination_port = np.int64(cells[SOURCE_PORT, row]), np.int64(cells[DESTINATION_PORT, row])
    source, source_ports = headers[header, H_SOURCE], headers[header, H_SOURCE_PORTS]
    destination, destination_ports = headers[header, H_DESTINATION], headers[header, H_DESTINATION_PORTS]
    straight = has_port(destination_ports, destination_port, port_groups, ranges) and has_port(
        source_ports, source_port, port_groups, ranges
    )
    turned = headers[header, H_BOTH_WAYS] and (
        has_port(destination_ports, source_port, port_groups, ranges)
        and has_port(source_ports, destination_port, port_groups, ranges)
    )
    if not (straight or turned):
        return 0
    if not is_in_flow(wanted, flows, row, not is_bare and is_rebuilt(cells, row, rebuilt_from), kind):
        return 0
    count = 0
    if straight and has_address(source, words[row, 0], words[row, 1], groups, lows, highs):
        count += has_address(destination, words[row, 2], words[row, 3], groups, lows, highs)
    if turned and has_address(source, words[row, 2], words[row, 3], groups, lows, highs):
        count += has_address(destination, words[row, 0], words[row, 1], groups, lows, highs)
    return count


@kernel
def is_rebuilt(cells, row, rebuilt_from):
    """Whether a row's datagram was put together from fragments: its bytes then stand behind those of the packets."""
    return cells[STOP, row] > rebuilt_from


@kernel
def names(headers, cells, header, lines, row, kind):
    """How often a header names a row, or what of it is asked.

    headers: headers.HeaderArrays; cells: its cells, or those without what may change while a flow lives.  lines: headers.RowArrays.  kind: OF_PACKET, OF_WINDOW, OF_EITHER or OF_FRAGMENT.
    """
    return holds(
        cells, header, lines.cells, lines.words, lines.flows, lines.rebuilt_from, row, kind, headers.groups,
        headers.lows, headers.highs, headers.port_groups, headers.ranges,
    )  # fmt: skip


@kernel
def completes(lines, row):
    """Whether a row is the last fragment of a datagram, and the datagram itself."""
    return lines.cells[IS_FRAGMENT, row] != 0 and is_rebuilt(lines.cells, row, lines.rebuilt_from)


@kernel
def count_names(headers, header, lines, row, kind):
    """How often a header names a row: a datagram and the fragment that completes it are two. kind: as names."""
    count = np.int64(0)
    kinds = 2 if kind != OF_WINDOW and completes(lines, row) else 1
    for i in range(kinds):
        count += names(headers, headers.cells, header, lines, row, OF_FRAGMENT if i else kind)
    return count


@kernel
def check_headers(headers, which, rows, windows, lines, out):
    """How often the header of rule which[i] names rows[i], or where windows[i] >= 0 its window. out: int8[n]."""
    for i in range(len(rows)):
        out[i] = count_names(headers, headers.of[which[i]], lines, rows[i], OF_PACKET if windows[i] < 0 else OF_WINDOW)


@kernel
def spread_headers(headers, chosen, lines, out):
    """out: bool[headers, rows], whether a row or its window may be among those of the headers that are chosen."""
    for row in range(len(lines.words)):
        for i in range(len(chosen)):
            out[chosen[i], row] = count_names(headers, chosen[i], lines, row, OF_EITHER) > 0
