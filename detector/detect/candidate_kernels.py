"""Kernels from hits of the search to candidates: which rule is to be looked at more closely, at which row or window.

A hit in a stream is kept with its stream for as long as its bytes may be part of a window: of a rule with several steps the
bytes that complete it may come with a later chunk.
"""

from __future__ import annotations

import numpy as np

from detector.detect.header_kernels import H_FLOW, OF_PACKET, OF_WINDOW, count_names, is_in_flow, is_rebuilt, names
from detector.flows.columns import (
    FLOW,
    PEER,
    PEER_ENTERED,
    W_POSITION,
    W_ROW,
    W_STREAM,
    W_TAIL,
)
from detector.kernel import kernel
from detector.packets.rows import PAYLOAD_START, PAYLOAD_STOP

# Columns of users: the rules that need a literal, and their headers. U_LOOKS: bits of rules.signature.Where.
U_RULE, U_LOOKS, U_WAITS, U_HEADER = 0, 1, 2, 3
IN_PACKET, IN_WINDOW = 1, 2
# Columns of candidates: rule, packet row, window or -1.
C_RULE, C_ROW, C_WINDOW = 0, 1, 2
WAITING = 8  # hits that are kept with a stream; the oldest gives way
# Columns of waiting: number of the flow + 1, hits that were ever kept; then a user and a place in the stream for each.
K_FLOW, K_COUNT, K_HITS = 0, 1, 2
WAITING_COLUMNS = 2 + 2 * WAITING


@kernel
def is_named(headers, header, lines, row):
    """Whether a row's window is one that a header names, but for what may change while its flow lives."""
    return names(headers, headers.lasting, header, lines, row, OF_WINDOW) > 0


@kernel
def is_now(headers, header, lines, row):
    """Whether a window's flow is, at its row, as a header asks."""
    is_of_fragments = is_rebuilt(lines.cells, row, lines.rebuilt_from)
    return is_in_flow(headers.cells[header, H_FLOW], lines.flows, row, is_of_fragments, OF_WINDOW)


@kernel
def take_rows(row_hits, users_of, users, headers, lines, seen, out, found, first):
    """Candidates of hits in packet rows.

    Args:
        row_hits: int64[n, 2], row and literal.  users_of: int64[literals + 1], users of each literal.
        headers: headers.HeaderArrays.  lines: headers.RowArrays.
        seen: int64[users], the last row of each + 1, since a literal may occur often in a row.

    Returns:
        (candidates so far, hit to go on with): fewer than there are where out is full.
    """
    for at in range(first, len(row_hits)):
        row, literal = row_hits[at, 0], row_hits[at, 1]
        if found + users_of[literal + 1] - users_of[literal] > len(out):
            return found, at
        for user in range(users_of[literal], users_of[literal + 1]):
            if seen[user] == row + 1:
                continue
            if users[user, U_LOOKS] & IN_PACKET or (
                users[user, U_LOOKS] & IN_WINDOW and lines.flows[row, PEER] & PEER_ENTERED == 0
            ):
                seen[user] = row + 1
                if count_names(headers, users[user, U_HEADER], lines, row, OF_PACKET):
                    out[found, C_RULE] = users[user, U_RULE]
                    out[found, C_ROW] = row
                    out[found, C_WINDOW] = -1
                    found += 1
    return found, len(row_hits)


@kernel
def wait(waiting, stream, user, position):
    """Keeps a hit with its stream, in place of an older one of the same rule or else of the oldest."""
    count = waiting[stream, K_COUNT]
    for i in range(min(count, WAITING)):
        if waiting[stream, K_HITS + 2 * i] == user:
            waiting[stream, K_HITS + 2 * i + 1] = position
            return 0
    i = count % WAITING
    waiting[stream, K_HITS + 2 * i] = user
    waiting[stream, K_HITS + 2 * i + 1] = position
    waiting[stream, K_COUNT] = count + 1
    return np.int64(count >= WAITING)


@kernel
def take_windows(
    window_hits, windows, users_of, users, headers, lines, seen, waiting, is_waiting, counts, out, found, first, hit
):
    """Candidates of windows in their order, of hits in them and of those that wait in their streams.

    Args:
        window_hits: int64[n, 3], by window.  windows: int64[m, ...], flows.windows.Windows.cells.
        headers: headers.HeaderArrays.  lines: headers.RowArrays.
        seen: int64[users], the last window of each + 1.
        waiting: int64[streams, 18], is_waiting: bool[streams].  counts: int64[1], hits that gave way to others.

    Returns:
        (candidates so far, window and hit to go on with).
    """
    for window in range(first, len(windows)):
        stream, row = windows[window, W_STREAM], windows[window, W_ROW]
        last = hit
        room = WAITING
        while last < len(window_hits) and window_hits[last, 0] == window:
            room += users_of[window_hits[last, 1] + 1] - users_of[window_hits[last, 1]]
            last += 1
        if found + room > len(out):
            return found, window, hit
        if is_waiting[stream]:
            if waiting[stream, K_FLOW] != lines.flows[row, FLOW] + 1:
                is_waiting[stream] = False
                waiting[stream, K_COUNT] = 0
            known_from = windows[window, W_POSITION] - windows[window, W_TAIL]
            for i in range(min(waiting[stream, K_COUNT], WAITING)):
                user = waiting[stream, K_HITS + 2 * i]
                if waiting[stream, K_HITS + 2 * i + 1] < known_from:
                    continue
                seen[user] = window + 1
                if is_now(headers, users[user, U_HEADER], lines, row):
                    out[found, C_RULE] = users[user, U_RULE]
                    out[found, C_ROW] = row
                    out[found, C_WINDOW] = window
                    found += 1
        for at in range(hit, last):
            literal = window_hits[at, 1]
            for user in range(users_of[literal], users_of[literal + 1]):
                header = users[user, U_HEADER]
                if users[user, U_LOOKS] & IN_WINDOW == 0 or not is_named(headers, header, lines, row):
                    continue
                if seen[user] != window + 1 and is_now(headers, header, lines, row):
                    seen[user] = window + 1
                    out[found, C_RULE] = users[user, U_RULE]
                    out[found, C_ROW] = row
                    out[found, C_WINDOW] = window
                    found += 1
                if users[user, U_WAITS]:
                    if not is_waiting[stream]:
                        is_waiting[stream] = True
                        waiting[stream, K_FLOW] = lines.flows[row, FLOW] + 1
                        waiting[stream, K_COUNT] = 0
                    counts[0] += wait(waiting, stream, user, window_hits[at, 2])
        hit = last
    return found, len(windows), hit


@kernel
def pair_rows(rules, looks, needs_payload, headers_of, masks, flows, cells, windows, out):
    """Candidates of rules without a literal: every row, or window, that their header admits; with payload where they need it.

    Args:
        rules: int64[n].  looks: int64[n].  needs_payload: bool[n].  headers_of: int64[n].  masks: bool[headers, rows].

    Returns:
        candidates; there is room for each rule in every row and window.
    """
    found = 0
    for i in range(len(rules)):
        header = headers_of[i]
        for row in range(masks.shape[1]):
            if not masks[header, row] or (needs_payload[i] and cells[PAYLOAD_STOP, row] <= cells[PAYLOAD_START, row]):
                continue
            if looks[i] & IN_PACKET or (looks[i] & IN_WINDOW and flows[row, PEER] & PEER_ENTERED == 0):
                out[found, C_RULE] = rules[i]
                out[found, C_ROW] = row
                out[found, C_WINDOW] = -1
                found += 1
        if looks[i] & IN_WINDOW:
            for window in range(len(windows)):
                if masks[header, windows[window, W_ROW]]:
                    out[found, C_RULE] = rules[i]
                    out[found, C_ROW] = windows[window, W_ROW]
                    out[found, C_WINDOW] = window
                    found += 1
    return found
