"""Requests whose time passes: which they are, what is kept of them, and how a record is read."""

from __future__ import annotations

from detector.bytes_kernels import le16, le32, u8
from detector.kernel import kernel
from detector.protocols.ics_kernels import (
    C_BITS,
    C_HAS,
    C_ROW,
    C_START,
    C_STOP,
    I_KIND,
    I_PLACE,
    POINT_BYTES,
    ROW_BYTES,
    get_number,
    group_end,
)
from detector.protocols.pairing_kernels import EXCEPTION, REQUEST, RESPONSE

# Columns of what is found. SOURCE: the first row of the request, or -1 - its place among those of earlier batches.
# WHEN: ns, the clock at which its time has passed.  BY: the row that takes its place, -1 for none.
U_SOURCE, U_WHEN, U_BY = 0, 1, 2
NEVER = 2**63 - 1


@kernel
def tell(events, count, source, when, by):
    """One more."""
    events[count, U_SOURCE], events[count, U_WHEN], events[count, U_BY] = source, when, by
    return count + 1


@kernel
def tell_due(events, count, place, now, ends, latest):
    """One more if the time of the request at a place has passed with the batch."""
    if ends[place] == 0 or ends[place] >= now:
        return count
    source = latest[place] - 1 if latest[place] > 0 else -1 - place
    count = tell(events, count, source, ends[place], -1)
    ends[place] = 0
    return count


@kernel
def find_unanswered(rows, clocks, repeats, now, timeout, due, ends, latest, events):
    """Requests that nobody answered in time, each once.

    Args:
        rows: int64[rows, 4] of one protocol, columns I_*.  clocks: int64[rows], ns.
        repeats: bool[rows], requests with the mark of one before them, which takes its place.
        now: clock of the batch's end.  timeout: ns.
        due: int64[n], places whose time passes with the batch unless one of its rows ends it.
        ends: int64[places], ns: when the time of each request ends that is open; 0: none, or told.
        latest: int64[places], row of the batch's last request plus one; all 0 before and after.
        events: int64[2 * rows + n, 3], columns U_*, filled.

    Returns:
        (how many, requests that were pushed out before their time had passed, when the first time of the batch's requests
        ends: NEVER if it has none)
    """
    count, lost, soonest, i = 0, 0, NEVER, 0
    while i < len(rows):
        stop, place, kind = group_end(rows, i), rows[i, I_PLACE], rows[i, I_KIND]
        if place >= 0 and (kind == REQUEST or kind == RESPONSE or kind == EXCEPTION):
            end, source = ends[place], -1 - place
            if latest[place] > 0:
                source = latest[place] - 1
            if end > 0 and end < clocks[i]:
                count = tell(events, count, source, end, -1)
            elif end > 0 and kind == REQUEST and repeats[i]:
                count = tell(events, count, source, clocks[i], i)
            elif end > 0 and kind == REQUEST:
                lost += 1
            ends[place] = clocks[i] + timeout if kind == REQUEST else 0
            latest[place] = i + 1 if kind == REQUEST else 0
        i = stop
    for k in range(len(due)):
        count = tell_due(events, count, due[k], now, ends, latest)
    for i in range(len(rows)):
        if rows[i, I_PLACE] >= 0:
            place = rows[i, I_PLACE]
            count = tell_due(events, count, place, now, ends, latest)
            if ends[place] > 0:
                soonest = min(soonest, ends[place])
            latest[place] = 0
    return count, lost, soonest


@kernel
def copy_frames(buffer, starts, stops, places, frames):
    """The first bytes of some frames into rows of an array, with zeros behind them."""
    for i in range(len(starts)):
        size = min(stops[i] - starts[i], frames.shape[1])
        for k in range(frames.shape[1]):
            frames[places[i], k] = buffer[starts[i] + k] if k < size else 0


@kernel
def put_frames(frames, sizes, buffer, at):
    """The frames one behind the other into a buffer; where they end."""
    for i in range(len(sizes)):
        for k in range(sizes[i]):
            buffer[at + k] = frames[i, k]
        at += sizes[i]
    return at


@kernel
def read_records(lengths, records, rows, points):
    """The rows and points of some records.

    Args:
        lengths, records: int64[n], uint8[n, bytes], as ics_kernels.remember_requests leaves them.
        rows: int64[capacity, 2], record and verb of each.  points: int64[capacity, 5], columns C_*, texts counted from the
            first record.

    Returns:
        (rows, points); beyond the capacities they are counted only.
    """
    row = point = 0
    for i in range(len(lengths)):
        at = 0
        while at < lengths[i]:
            verb, number = u8(records[i], at), le32(records[i], at + 1)
            at += ROW_BYTES
            if row < len(rows):
                rows[row, 0], rows[row, 1] = i, verb
            for _ in range(number):
                size = le16(records[i], at + 9)
                if point < len(points):
                    start = i * records.shape[1] + at + POINT_BYTES
                    points[point, C_ROW] = row
                    points[point, C_START], points[point, C_STOP] = start, start + size
                    points[point, C_BITS], points[point, C_HAS] = get_number(records[i], at + 1), u8(records[i], at)
                point += 1
                at += POINT_BYTES + size
            row += 1
    return row, point
