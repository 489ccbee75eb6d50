"""State of groups over time, in arrays of fixed size: limits, counts of events and of values, values seen before.

A group is known by a 128-bit hash. Groups lie in sets of WAYS places; a new group takes a free place of its set, or one
whose time has passed, or else that of the group heard of longest ago, which is counted: so memory is bounded, and what
happens depends only on the order of events.
"""

from __future__ import annotations

import numpy as np

from detector.kernel import kernel

WAYS = 8
# Columns of entries.
USED, LAST, BEGAN, COUNT, HELD = 0, 1, 2, 3, 4
# Kinds of limits.
LIMIT, THRESHOLD, BOTH, DETECTION = 0, 1, 2, 3


@kernel
def look_up(keys, entries, first, second):
    """Place of a group, -1 where it is not there."""
    base = np.int64(first % np.uint64(len(keys) // WAYS)) * WAYS
    for place in range(base, base + WAYS):
        if entries[place, USED] and keys[place, 0] == first and keys[place, 1] == second:
            return place
    return -1


@kernel
def find_place(keys, entries, first, second, expired_before):
    """(place of the group, whether it is there, whether another group was pushed out)."""
    sets = len(keys) // WAYS
    base = np.int64(first % np.uint64(sets)) * WAYS
    best = base
    for place in range(base, base + WAYS):
        if entries[place, USED] and keys[place, 0] == first and keys[place, 1] == second:
            return place, True, False
        if not entries[place, USED]:
            if entries[best, USED]:
                best = place
        elif entries[best, USED] and entries[place, LAST] < entries[best, LAST]:
            best = place
    # What a limit holds back is told with the group's next alert: a group that still has some is never done with.
    pushed = entries[best, USED] != 0 and (entries[best, LAST] >= expired_before or entries[best, HELD] > 0)
    keys[best, 0] = first
    keys[best, 1] = second
    return best, False, pushed


@kernel
def limit_events(hashes, clocks, keys, entries, kind, most, every, passed, stood_for):
    """Which events a limit lets through. A group's events are counted within `every` ns from its first, then anew.

    Args:
        hashes: uint64[events, 2].  clocks: int64[events].
        kind: LIMIT: the first `most`; THRESHOLD: each `most`th; BOTH: the `most`th only; DETECTION: those behind `most`.
        passed: bool[events], filled.  stood_for: int64[events], filled where passed.

    Returns:
        Groups that were pushed out.
    """
    lost = 0
    for i in range(len(hashes)):
        now = clocks[i]
        place, is_there, pushed = find_place(keys, entries, hashes[i, 0], hashes[i, 1], now - every)
        lost += pushed
        if not is_there:
            entries[place, USED] = 1
            entries[place, HELD] = 0
            entries[place, BEGAN] = now
            entries[place, COUNT] = 0
        elif now - entries[place, BEGAN] >= every:
            entries[place, BEGAN] = now
            entries[place, COUNT] = 0
        entries[place, LAST] = now
        entries[place, COUNT] += 1
        count = entries[place, COUNT]
        if kind == LIMIT:
            passed[i] = count <= most
        elif kind == DETECTION:
            passed[i] = count > most
        else:
            passed[i] = count == most
            if kind == THRESHOLD and passed[i]:
                entries[place, COUNT] = 0
        if passed[i]:
            stood_for[i] = entries[place, HELD]
            entries[place, HELD] = 0
        else:
            entries[place, HELD] += 1
    return lost


@kernel
def count_events(hashes, clocks, keys, entries, rings, timespan, counts):
    """How many events of its group each event finds within `timespan` ns, itself included, at most as many as a ring holds.

    Args:
        rings: int64[groups, n], clocks of each group's last n events.
        counts: int64[events], filled.

    Returns:
        Groups that were pushed out.
    """
    lost = 0
    size = rings.shape[1]
    for i in range(len(hashes)):
        now = clocks[i]
        place, is_there, pushed = find_place(keys, entries, hashes[i, 0], hashes[i, 1], now - timespan)
        lost += pushed
        if not is_there:
            entries[place, USED] = 1
            entries[place, COUNT] = 0
        entries[place, LAST] = now
        total = entries[place, COUNT]
        rings[place, total % size] = now
        entries[place, COUNT] = total + 1
        low, high = max(0, total + 1 - size), total  # the ring is sorted: search for the first within the window
        while low < high:
            middle = (low + high) // 2
            if rings[place, middle % size] >= now - timespan:
                high = middle
            else:
                low = middle + 1
        counts[i] = total + 1 - low
    return lost


@kernel
def count_values(hashes, clocks, values, keys, entries, seen, times, timespan, counts):
    """How many different values each event's group had within `timespan` ns, at most as many as `seen` has columns.

    Args:
        values: uint64[events], hash of the counted value.
        seen: uint64[groups, n], times: int64[groups, n]: each group's latest n values, and when.
        counts: int64[events], filled.

    Returns:
        Groups that were pushed out.
    """
    lost = 0
    size = seen.shape[1]
    for i in range(len(hashes)):
        now = clocks[i]
        place, is_there, pushed = find_place(keys, entries, hashes[i, 0], hashes[i, 1], now - timespan)
        lost += pushed
        if not is_there:
            entries[place, USED] = 1
            entries[place, COUNT] = 0
        entries[place, LAST] = now
        filled = entries[place, COUNT]
        found, oldest, within = -1, 0, 0
        for k in range(filled):
            if seen[place, k] == values[i]:
                found = k
            elif times[place, k] >= now - timespan:
                within += 1
            if times[place, k] < times[place, oldest]:
                oldest = k
        if found < 0:
            if filled < size:
                found = filled
                entries[place, COUNT] = filled + 1
            else:
                found = oldest
                if times[place, oldest] >= now - timespan:
                    within -= 1
        seen[place, found] = values[i]
        times[place, found] = now
        counts[i] = within + 1
    return lost


@kernel
def add_values(hashes, keys, used, most, stored, is_new):
    """Which events bring a value that was not seen before; remembers it, as long as there is room.

    Args:
        hashes: uint64[events, 2].
        keys: uint64[power of two, 2], used: bool[power of two]: at least twice as many places as `most`.
        is_new: uint8[events], filled: 0 known, 1 new and remembered, 2 new and no room to remember it.

    Returns:
        Values stored now.
    """
    mask = len(keys) - 1
    for i in range(len(hashes)):
        place = np.int64(hashes[i, 0] & np.uint64(mask))
        while used[place] and not (keys[place, 0] == hashes[i, 0] and keys[place, 1] == hashes[i, 1]):
            place = (place + 1) & mask
        if used[place]:
            is_new[i] = 0
        elif stored >= most:
            is_new[i] = 2
        else:
            is_new[i] = 1
            used[place] = True
            keys[place, 0] = hashes[i, 0]
            keys[place, 1] = hashes[i, 1]
            stored += 1
    return stored
