"""Kernels that gather the bytes to be searched, group by group, and that say whose bytes a hit lies in."""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import copy_bytes
from detector.detect.traffic_groups import CLASSES
from detector.flows.columns import PEER, PEER_TO_CLIENT, W_POSITION, W_ROW, W_START, W_STOP, W_TAIL
from detector.flows.window_kernels import copy_before
from detector.kernel import kernel
from detector.packets.rows import DESTINATION_PORT, IS_QUOTED, PAYLOAD_START, PAYLOAD_STOP, SOURCE_PORT, TRANSPORT

TCP = 6
SEAM = 15  # bytes before a chunk that are searched with it: what one literal of 16 bytes can have there
# Columns of extents. X_ROW: the packet row whose payload this is, X_WINDOW: the window whose chunk it is, or -1; X_BEFORE:
# bytes that stand before the chunk and are not of the row. X_START, X_STOP: bounds in the arena.
X_REGION, X_ROW, X_WINDOW, X_BEFORE, X_START, X_STOP = 0, 1, 2, 3, 4, 5


@kernel
def group_of(classes, cells, flows, row):
    """The number of a row's group among those of traffic_groups.TrafficGroups."""
    is_tcp = np.int64(cells[TRANSPORT, row] == TCP)
    way = np.int64(flows[row, PEER] & PEER_TO_CLIENT != 0)
    to = np.int64(classes[is_tcp, 0, max(0, np.int64(cells[DESTINATION_PORT, row]))])
    source = np.int64(classes[is_tcp, 1, max(0, np.int64(cells[SOURCE_PORT, row]))])
    places = 2 * CLASSES
    place = to
    if source:
        place = places - 1 if to else CLASSES - 1 + source
    return (2 * is_tcp + way) * places + place


@kernel
def list_extents(cells, flows, owned, windows, classes, regions, is_listed, totals, out):
    """The payloads and chunks of a batch that are to be searched, in no order yet; how many.

    Args:
        owned: bool[rows], rows that are this process's.  windows: int64[windows, 8], of flows.windows.Windows.
        classes: traffic_groups.TrafficGroups.  regions: int64[groups], the region of each group, -1: nothing is looked for.
        is_listed: bool[rows], False.  totals: int64[regions, 2], extents and bytes of each region, added to.
        out: int64[rows + windows, 6], columns X_; X_START and X_STOP are bounds in the batch's buffer.
    """
    found = 0
    for window in range(len(windows)):
        row = windows[window, W_ROW]
        region = regions[group_of(classes, cells, flows, row)]
        if region < 0 or not owned[row]:
            continue
        start, stop = windows[window, W_START], windows[window, W_STOP]
        is_whole = start == cells[PAYLOAD_START, row] and stop == cells[PAYLOAD_STOP, row] and not cells[IS_QUOTED, row]
        is_listed[row] |= is_whole
        before = min(SEAM, windows[window, W_TAIL])
        out[found, X_REGION] = region
        out[found, X_ROW] = row if is_whole else -1
        out[found, X_WINDOW] = window
        out[found, X_BEFORE] = before
        out[found, X_START] = start
        out[found, X_STOP] = stop
        totals[region, 0] += 1
        totals[region, 1] += before + stop - start
        found += 1
    for row in range(len(owned)):
        start, stop = np.int64(cells[PAYLOAD_START, row]), np.int64(cells[PAYLOAD_STOP, row])
        if is_listed[row] or not owned[row] or stop <= start or cells[IS_QUOTED, row]:
            continue
        region = regions[group_of(classes, cells, flows, row)]
        if region < 0:
            continue
        out[found, X_REGION] = region
        out[found, X_ROW] = row
        out[found, X_WINDOW] = -1
        out[found, X_BEFORE] = 0
        out[found, X_START] = start
        out[found, X_STOP] = stop
        totals[region, 0] += 1
        totals[region, 1] += stop - start
        found += 1
    return found


@kernel
def gather(listed, windows, tails, buffer, heads, arena, out):
    """Copies extents into the arena, region by region.

    Args:
        listed: int64[n, 6], as list_extents fills it.  tails: flows.windows.Tails.
        heads: int64[regions, 2], place in out and byte in the arena of each region's next extent, moved on.
        arena: uint8[bytes of all regions].  out: int64[n, 6], bounds in the arena, ascending.
    """
    for k in range(len(listed)):
        region, before, start = listed[k, X_REGION], listed[k, X_BEFORE], listed[k, X_START]
        length = listed[k, X_STOP] - start
        at, byte = heads[region, 0], heads[region, 1]
        for column in range(X_START):
            out[at, column] = listed[k, column]
        out[at, X_START] = byte
        out[at, X_STOP] = byte + before + length
        if before:
            copy_before(windows, tails, buffer, listed[k, X_WINDOW], before, arena, byte + before)
        copy_bytes(buffer, start, arena, byte + before, length)
        heads[region, 0] = at + 1
        heads[region, 1] = byte + before + length


@kernel
def place_hits(hits, lengths, extents, windows, row_hits, window_hits):
    """The rows and windows that hits lie in.

    Args:
        hits: int64[n, 2], place in the arena behind each and literal, by place.  lengths: int64[literals].
        row_hits: int64[n, 2], out: packet row, literal.
        window_hits: int64[n, 3], out: window, literal, place in the stream of the literal's first byte.

    Returns:
        (row hits, window hits).
    """
    in_rows = in_windows = extent = 0
    for hit in range(len(hits)):
        stop, literal = hits[hit, 0], hits[hit, 1]
        start = stop - lengths[literal]
        while extents[extent, X_STOP] < stop:
            extent += 1
        if start < extents[extent, X_START]:
            continue  # over the end of what stands before it in the arena
        own = start - extents[extent, X_START] - extents[extent, X_BEFORE]
        window = extents[extent, X_WINDOW]
        if window >= 0 and own + lengths[literal] > 0:  # not wholly in what was searched before
            window_hits[in_windows, 0] = window
            window_hits[in_windows, 1] = literal
            window_hits[in_windows, 2] = windows[window, W_POSITION] + own
            in_windows += 1
        if extents[extent, X_ROW] >= 0 and own >= 0:
            row_hits[in_rows, 0] = extents[extent, X_ROW]
            row_hits[in_rows, 1] = literal
            in_rows += 1
    return in_rows, in_windows
