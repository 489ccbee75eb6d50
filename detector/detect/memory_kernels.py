"""What rules remember of flows and hosts, and ask for: one pass over the rows of all rules in their order.

Entries lie in sets of WAYS places as those of limits do (state_kernels). A bit that ends has LAST set to its end, so that of
a full set the one goes that ends first; what has no end has LAST set to when it was last asked for or changed.
"""

from __future__ import annotations

import numpy as np

from detector.detect.state_kernels import BEGAN, COUNT, HELD, LAST, USED, WAYS, find_place, look_up
from detector.kernel import kernel

VALUE, ENDS = COUNT, BEGAN  # a number; the last second at which a bit is set
NO_END, LONG_AGO = 1 << 62, -(1 << 62)
SECOND = 1_000_000_000
LOW_32 = 0xFFFFFFFF
# Columns of states.
OPERATION, IS_HOST, SUBJECT, FIRST_NAME, LAST_NAME, SECONDS, NUMBER, OTHER = 0, 1, 2, 3, 4, 5, 6, 7
# Operations. Bits: asked for, changed. Numbers: asked for, compared, changed.
IS_SET, IS_NOT_SET, SET, UNSET, TOGGLE = 0, 1, 2, 3, 4
HAS_NUMBER, HAS_NO_NUMBER, LESS, LESS_EQUAL, EQUAL, UNEQUAL, GREATER_EQUAL, GREATER = 5, 6, 7, 8, 9, 10, 11, 12
ASSIGN, ADD, SUBTRACT, TAKE = 13, 14, 15, 16
LENGTH = -2  # as OTHER: the length of the packet


@kernel
def find_held(keys, entries, first, second, now):
    """Place of what is remembered, -1 where it is not or its time has passed, which removes it."""
    place = look_up(keys, entries, first, second)
    if place >= 0:
        if entries[place, ENDS] < now // SECOND:
            entries[place, USED] = 0
            return -1
        if entries[place, ENDS] == NO_END:
            entries[place, LAST] = now
    return place


@kernel
def put(keys, entries, touched, first, second, value, seconds, now):
    """Remembers a number or a bit; whether something else was pushed out before its time. seconds 0: without end."""
    place, _, pushed = find_place(keys, entries, first, second, now if seconds else LONG_AGO)
    touched[place // WAYS] = True
    entries[place, USED] = 1
    entries[place, VALUE] = value
    entries[place, HELD] = 0
    if seconds:
        ends = now // SECOND + seconds
        entries[place, ENDS] = ends
        entries[place, LAST] = (ends + 1) * SECOND - 1
    else:
        entries[place, ENDS] = NO_END
        entries[place, LAST] = now
    return pushed


@kernel
def number_of(keys, entries, names, states, number, first, second, now, length):
    """What a number is compared with or changed by: a constant, or another number of the subject, 0 where it has none."""
    if states[number, OTHER] < 0:
        return length if states[number, OTHER] == LENGTH else states[number, NUMBER]
    place = find_held(
        keys, entries, first ^ names[states[number, OTHER], 0], second ^ names[states[number, OTHER], 1], now
    )
    return entries[place, VALUE] if place >= 0 else np.int64(0)


@kernel
def holds(keys, entries, names, states, number, first, second, now, length):
    """Whether one condition holds. Of several bits one is enough, that is set or, where it asks for that, is not."""
    operation = states[number, OPERATION]
    if operation == IS_SET or operation == IS_NOT_SET:
        for name in range(states[number, FIRST_NAME], states[number, LAST_NAME]):
            place = find_held(keys, entries, first ^ names[name, 0], second ^ names[name, 1], now)
            if (place >= 0) == (operation == IS_SET):
                return True
        return False
    name = states[number, FIRST_NAME]
    place = find_held(keys, entries, first ^ names[name, 0], second ^ names[name, 1], now)
    if operation == HAS_NO_NUMBER:
        return place < 0
    if place < 0:
        return False
    if operation == HAS_NUMBER:
        return True
    value, other = entries[place, VALUE], number_of(keys, entries, names, states, number, first, second, now, length)
    if operation == LESS:
        return value < other
    if operation == LESS_EQUAL:
        return value <= other
    if operation == EQUAL:
        return value == other
    if operation == UNEQUAL:
        return value != other
    if operation == GREATER_EQUAL:
        return value >= other
    return value > other


@kernel
def change(keys, entries, touched, names, states, number, first, second, now, length):
    """Carries out one change; how many others were pushed out. Numbers have 32 bits; nothing is taken from one that is not there.

    A bit whose time has passed is still there for TOGGLE, unless a condition has asked for it since: as in Suricata.
    """
    operation, lost = states[number, OPERATION], 0
    for name in range(states[number, FIRST_NAME], states[number, LAST_NAME]):
        one, two = first ^ names[name, 0], second ^ names[name, 1]
        place = look_up(keys, entries, one, two)
        if operation == UNSET or (operation == TOGGLE and place >= 0):
            if place >= 0:
                entries[place, USED] = 0
        elif operation == SET or operation == TOGGLE:
            lost += put(keys, entries, touched, one, two, 1, states[number, SECONDS], now)
        else:
            other = number_of(keys, entries, names, states, number, first, second, now, length)
            if operation == ASSIGN or (operation == ADD and place < 0):
                lost += put(keys, entries, touched, one, two, other, 0, now)
            elif place >= 0:
                value = entries[place, VALUE] + (other if operation == ADD else -other)
                if operation == TAKE:
                    value = max(np.int64(0), value)
                lost += put(keys, entries, touched, one, two, value & LOW_32, 0, now)
    return lost


@kernel
def remember(order, programs, clocks, subjects, lengths, bounds, states, names, keys, entries, touched, host_keys, host_entries,
             host_touched, stays, lost):  # fmt: skip
    """Which rows stay: those at which all conditions of their rules hold. Only then the rule's changes are carried out.

    Args:
        order: int64[rows], in which rows are looked at.  programs: int64[rows], the rule of each.  clocks: int64[rows].
        subjects: uint64[rows, 5, 2], zero where a row has none: it holds no condition and changes nothing.
        lengths: int64[rows], of the packets.  bounds: int64[programs, 3]: first condition, first change, end, among states.
        states: int64[states, 8].  names: uint64[names, 2].
        keys, entries, touched: what is remembered of flows; host_...: of hosts and their pairs.
        stays: bool[rows], filled.  lost: int64[2], added to: what of flows and of hosts was pushed out.
    """
    for at in range(len(order)):
        row = order[at]
        program, now = programs[row], clocks[row]
        is_held = True
        for number in range(bounds[program, 0], bounds[program, 1]):
            first, second = subjects[row, states[number, SUBJECT], 0], subjects[row, states[number, SUBJECT], 1]
            is_host = states[number, IS_HOST] != 0
            is_held = (first != 0 or second != 0) and holds(
                host_keys if is_host else keys,
                host_entries if is_host else entries,
                names,
                states,
                number,
                first,
                second,
                now,
                lengths[row],
            )
            if not is_held:
                break
        stays[row] = is_held
        if not is_held:
            continue
        for number in range(bounds[program, 1], bounds[program, 2]):
            first, second = subjects[row, states[number, SUBJECT], 0], subjects[row, states[number, SUBJECT], 1]
            if first == 0 and second == 0:
                continue
            is_host = states[number, IS_HOST] != 0
            lost[1 if is_host else 0] += change(
                host_keys if is_host else keys, host_entries if is_host else entries,
                host_touched if is_host else touched, names, states, number, first, second, now, lengths[row],
            )  # fmt: skip
