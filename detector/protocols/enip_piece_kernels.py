"""EtherNet/IP: a PDU's items and CIP messages taken apart into pieces, each a run of bytes with fields of its own.

They are listed with a stack of tasks, since messages lie in messages: a task takes bytes, makes pieces, and puts what is still
to do on the stack, the last first. The stack's depth bounds how deep messages may lie in each other.
"""

from __future__ import annotations

from detector.bytes_kernels import le16, u8
from detector.kernel import kernel, part
from detector.protocols.enip_kernels import (
    P_ASKED,
    P_ASKED_STOP,
    P_CONNECTION,
    P_IS_MESSAGE,
    P_ITEMS,
    P_MESSAGE,
    P_MESSAGE_STOP,
    P_PATH,
    P_PATH_STOP,
    P_SEQUENCE,
)
from detector.protocols.enip_message_kernels import (
    dispatch,
    form_of_attribute,
    start_message,
    take_items,
    take_numbers,
    take_texts,
)
from detector.protocols.enip_path_kernels import walk
from detector.protocols.enip_task_kernels import (
    ALL,
    ALL_ATTRIBUTE,
    B_KIND,
    CM_ENTRIES,
    CONFLICT_ARP,
    CONNECTION,
    DATA,
    DISPATCH,
    EPATH,
    FORM,
    GET,
    LEFT,
    LIST_ATTRIBUTE,
    LIST_COUNT,
    LIST_STATUS,
    MESSAGE,
    MSP_COUNT,
    MSP_OFFSET,
    NUMBERS,
    PATH,
    S_BITS16,
    S_BYTES,
    S_FIXED,
    S_ITEMS,
    S_LIST8,
    S_LIST16,
    S_MANY,
    S_MESSAGE,
    S_PAD,
    S_PADDED,
    S_PATH,
    S_PATH16,
    S_REST,
    S_SHORT,
    S_WORDS,
    SERVICES,
    SET,
    SET_COUNT,
    SET_REPLY,
    SET_STATUS,
    T_ASKED,
    T_ASKED_STOP,
    T_BEGIN,
    T_COUNT,
    T_FORM,
    T_LAST,
    T_OBJECT,
    T_PLACE,
    T_START,
    T_STEP,
    T_STOP,
    T_SUM,
    T_WHAT,
    TASK_COLUMNS,
    TASKS,
    TICKS,
    VALUES,
    push,
    push_form,
    push_message,
    push_path,
    push_values,
    put,
)
from detector.protocols.pairing_kernels import P_STOP


@part
def run_form(buffer, tasks, depth, t, steps, starts, pieces, found, pdu):
    """The pieces of a structure; (depth, pieces, where it ends, -1: that is not known yet)."""
    form, at, stop, owner, begin = t[T_FORM], t[T_START], t[T_STOP], t[T_OBJECT], t[T_BEGIN]
    first = starts[form] if t[T_STEP] < 0 else t[T_STEP]
    for step in range(first, starts[form + 1]):
        what, kind, number = steps[step, 0], steps[step, 1], steps[step, 2]
        size, before = 0, 0
        if what == S_FIXED:
            if at + number > stop:
                return depth, found, stop
            if kind == CONFLICT_ARP and u8(buffer, at - 7):  # an ARP packet, where a conflict was found
                return depth, found, at + number
            told = 0  # milliseconds to wait; bytes of bits
            if kind == TICKS:
                told = (1 << (u8(buffer, at) & 15)) * u8(buffer, at + 1)
            elif kind == CM_ENTRIES:
                told = (le16(buffer, at) + 7) // 8
            found = put(pieces, found, pdu, owner, kind, at, at + number, told)
            at += number
        elif what == S_ITEMS or what == S_LIST8 or what == S_LIST16 or what == S_BYTES:
            count = u8(buffer, at - 1) if what == S_LIST8 else le16(buffer, at - 2) if what == S_LIST16 else stop - at
            if what == S_BYTES:
                count = (le16(buffer, at - 2) + 7) // 8
            if what == S_LIST16 and at + count * number > stop:
                return depth, found, stop
            for _ in range(count):
                if at + number > stop:
                    break
                found = put(pieces, found, pdu, owner, kind, at, at + number, 0)
                at += number
        elif what == S_PATH or what == S_PATH16:
            end = at + 2 * (u8(buffer, at - number) if what == S_PATH else le16(buffer, at - number))
            if what == S_PATH16 and end > stop:
                return depth, found, stop
            end = min(end, stop)
            if end > at:
                found = put(pieces, found, pdu, owner, EPATH, at, end, 0)
                depth = push_form(tasks, depth, owner, form, step + 1, end, stop, begin)
                return push_path(tasks, depth, owner, at, end, stop, 0, 0), found, -1
        elif what == S_MANY:
            found, at = take_texts(buffer, at, stop, pieces, found, pdu, owner)
        elif what == S_MESSAGE:
            end = at + le16(buffer, at - 2)
            if end <= stop:
                depth = push_form(tasks, depth, owner, form, step + 1, end, stop, begin)
            return push_message(tasks, depth, at, min(end, stop), -1, -1), found, -1
        elif what == S_PAD:
            if (at - begin) & 1 and at < stop:
                if kind >= 0:
                    found = put(pieces, found, pdu, owner, kind, at, at + 1, 0)
                at += 1
        else:
            if what == S_REST:
                size = stop - at
            elif what == S_WORDS:
                size = 2 * u8(buffer, at - number)
            elif what == S_BITS16:
                size = (le16(buffer, at - 2) * number + 7) // 8
            else:
                before = 1 if what == S_SHORT else 2
                if at + before > stop:
                    return depth, found, stop
                size = u8(buffer, at) if what == S_SHORT else le16(buffer, at)
            if at + before + size > stop:
                return depth, found, stop
            if size > 0:
                found = put(pieces, found, pdu, owner, kind, at + before, at + before + size, 0)
            at += before + size
            if what == S_PADDED and size & 1:
                at = min(at + 1, stop)
    return depth, found, at


@part
def run_values(buffer, tasks, depth, t, cursor, attributes, returned, pieces, found, pdu):
    """Attributes of a list, up to the next value that has a form; (depth, pieces, where their bytes go on)."""
    at, stop, what, owner = t[T_START], t[T_STOP], t[T_FORM], t[T_OBJECT]
    if at < 0:
        at = cursor
    place, count, one, instance = t[T_PLACE], t[T_COUNT], t[T_LAST], t[T_SUM]
    if place < 0:
        if at + 2 > stop:
            return depth, found, at
        count, place = le16(buffer, at), 0
        found = put(pieces, found, pdu, owner, SET_COUNT if what in (SET, SET_REPLY) else LIST_COUNT, at, at + 2, 0)
        at += 2
    size = 2 if what in (GET, SET) else 4
    while place < count:
        number, form, is_good = place, -1, True
        place += 1
        if what == ALL:
            level = 0 if instance == 0 else 1
            if at >= stop or not 0 < one < len(attributes):
                return depth, found, at
            if returned[one, level, number] == 0:
                continue
            form = attributes[one, level, number]
            found = put(pieces, found, pdu, owner, ALL_ATTRIBUTE, at, at, number)
        else:
            if at + size > stop:
                return depth, found, at
            number = le16(buffer, at)
            found = put(pieces, found, pdu, owner, LIST_ATTRIBUTE, at, at + 2, 0)
            if size == 4:
                found = put(
                    pieces, found, pdu, owner, SET_STATUS if what == SET_REPLY else LIST_STATUS, at + 2, at + 4, 0
                )
                is_good = le16(buffer, at + 2) == 0
            at += size
            if what in (GET, SET_REPLY) or not is_good:
                continue
            form = form_of_attribute(attributes, one, instance, number)
        if form < 0:
            return depth, found, at
        row = min(depth, TASKS)
        depth = push_values(tasks, depth, owner, what, place, count, stop)
        tasks[row, T_LAST], tasks[row, T_SUM] = one, instance
        return push_form(tasks, depth, owner, form, -1, at, stop, at), found, at
    return depth, found, at


@part
def run_services(buffer, tasks, depth, t, pieces, found, pdu):
    """The next message of a multiple service packet (vol. 1, A-4.10); (depth, pieces)."""
    base, stop, asked, asked_stop, owner, place = (
        t[T_START],
        t[T_STOP],
        t[T_ASKED],
        t[T_ASKED_STOP],
        t[T_OBJECT],
        t[T_PLACE],
    )
    if base + 2 > stop:
        return depth, found
    count, last, total = le16(buffer, base), t[T_LAST], t[T_SUM]
    most = min(count, (stop - base - 2) // 2)
    if place < 0:
        found = put(pieces, found, pdu, owner, MSP_COUNT, base, base + 2, 0)
        for k in range(most):
            found = put(pieces, found, pdu, owner, MSP_OFFSET, base + 2 + 2 * k, base + 4 + 2 * k, 0)
        place = 0
    if asked >= 0 and (asked + 2 + 2 * count > asked_stop or le16(buffer, asked) != count):
        asked = -1
    while place < most:
        k = base + 2 + 2 * place
        offset = le16(buffer, k)
        place += 1
        if base + offset >= stop:
            continue
        size = le16(buffer, k + 2) - offset if place < count else stop - base - offset
        if base + offset + size > stop:
            return depth, found
        found = put(pieces, found, pdu, owner, MSP_OFFSET, k, k + 2, 0)
        if size <= 0 or last >= offset:
            last = offset
            continue
        last = offset
        total += size
        row = min(depth, TASKS)
        depth = push(tasks, depth, SERVICES, owner, base, stop)
        n = tasks[row]
        n[T_ASKED], n[T_ASKED_STOP], n[T_PLACE], n[T_LAST], n[T_SUM] = asked, asked_stop, place, last, total
        one, one_stop = -1, -1
        if asked >= 0:
            one = asked + le16(buffer, asked + 2 * place)
            one_stop = asked + le16(buffer, asked + 2 * place + 2) if place < count else asked_stop
            if one >= one_stop or one_stop > asked_stop:
                one = -1
        return push_message(tasks, depth, base + offset, base + offset + size, one, one_stop), found
    end = base + 2 + 2 * count + total
    if end < stop and most == count:
        found = put(pieces, found, pdu, owner, DATA, end, stop, 0)
    return depth, found


@part
def list_pdu(
    pdus, pdu, buffer, steps, starts, services, attributes, returned, generic, tasks, seen, pieces, found, objects
):
    """The pieces of one PDU; (pieces, CIP messages) with it."""
    found = take_items(pdus, pdu, buffer, pieces, found)
    message, stop, depth, cursor = pdus[pdu, P_MESSAGE], pdus[pdu, P_MESSAGE_STOP], 0, pdus[pdu, P_STOP]
    if pdus[pdu, P_IS_MESSAGE] == 1:
        depth = push_message(tasks, depth, message, stop, pdus[pdu, P_ASKED], pdus[pdu, P_ASKED_STOP])
    elif pdus[pdu, P_IS_MESSAGE] == 0:
        depth = push(tasks, depth, LEFT, -1, message, stop)
    if pdus[pdu, P_CONNECTION] >= 0 and pdus[pdu, P_SEQUENCE] >= 0:
        found = take_numbers(pdus, pdu, pieces, found, -1, False)
        depth = push_path(tasks, depth, -1, pdus[pdu, P_PATH], pdus[pdu, P_PATH_STOP], pdus[pdu, P_PATH_STOP], 1, 0)
    while depth > 0:
        depth -= 1
        t = tasks[TASKS + 1]
        for column in range(TASK_COLUMNS):
            t[column] = tasks[depth, column]
        what, owner = t[T_WHAT], t[T_OBJECT]
        if what == MESSAGE:
            if t[T_START] < t[T_STOP]:
                depth, found = start_message(buffer, tasks, depth, t, pieces, found, pdu, objects, seen)
                objects += 1
        elif what == PATH:
            if t[T_START] >= 0:
                row = 0 if t[T_COUNT] else 1
                found = walk(
                    buffer, t[T_START], t[T_ASKED_STOP], t[T_STOP], pieces, found, pdu, owner, t[T_STEP] != 0, seen[row]
                )
        elif what == DISPATCH:
            depth, found = dispatch(
                pdus, pdu, buffer, tasks, depth, t, pieces, found, seen, services, attributes, generic
            )
        elif what == FORM:
            depth, found, end = run_form(buffer, tasks, depth, t, steps, starts, pieces, found, pdu)
            if end >= 0:
                cursor = end
        elif what == VALUES:
            depth, found, cursor = run_values(buffer, tasks, depth, t, cursor, attributes, returned, pieces, found, pdu)
        elif what == SERVICES:
            depth, found = run_services(buffer, tasks, depth, t, pieces, found, pdu)
        elif what == LEFT:
            left = t[T_START] if t[T_START] >= 0 else cursor
            if left < t[T_STOP]:
                found = put(pieces, found, pdu, owner, DATA, left, t[T_STOP], 0)
        elif what == NUMBERS:
            if t[T_START] == 1:
                found = take_numbers(pdus, pdu, pieces, found, owner, True)
                depth = push_path(
                    tasks, depth, owner, pdus[pdu, P_PATH], pdus[pdu, P_PATH_STOP], pdus[pdu, P_PATH_STOP], 1, 0
                )
            else:
                found = put(pieces, found, pdu, owner, CONNECTION, 0, 0, pdus[pdu, P_CONNECTION])
        else:
            words = t[T_START]
            end = min(words + t[T_STEP] + 2 * u8(buffer, words), t[T_STOP])
            if u8(buffer, words):
                found = put(pieces, found, pdu, owner, t[T_FORM], words, words + 1, 0)
                depth = push_path(tasks, depth, owner, words + t[T_STEP], end, end, 1, 0)
    return found, objects


@kernel
def list_pieces(pdus, buffer, steps, starts, services, attributes, returned, generic, tasks, seen, pieces):
    """The pieces of every PDU, in the order of its bytes; (how many, CIP messages).

    Args:
        pdus: int64[pdus, OUT_COLUMNS].
        steps, starts, services, attributes, returned, generic: enip_parts.tables().
        tasks, seen: int64[TASKS + 2, TASK_COLUMNS], int64[2, 3], scratch.
        pieces: int64[capacity, PIECE_COLUMNS]; the last row is scratch.
    """
    found, objects = 0, 0
    for pdu in range(len(pdus)):
        if pdus[pdu, P_ITEMS] >= 0:
            found, objects = list_pdu(
                pdus,
                pdu,
                buffer,
                steps,
                starts,
                services,
                attributes,
                returned,
                generic,
                tasks,
                seen,
                pieces,
                found,
                objects,
            )
    return found, objects


@kernel
def group_pieces(pieces, starts, places):
    """Puts the places of pieces together by their kinds, in their order.

    Args:
        starts: int64[kinds + 1], filled: where those of each kind begin in places.
        places: int64[pieces], filled.
    """
    for kind in range(len(starts)):
        starts[kind] = 0
    for i in range(len(pieces)):
        starts[pieces[i, B_KIND]] += 1
    total = 0
    for kind in range(len(starts)):
        total, starts[kind] = total + starts[kind], total
    for i in range(len(pieces)):
        kind = pieces[i, B_KIND]
        places[starts[kind]] = i
        starts[kind] += 1
    for kind in range(len(starts) - 1, 0, -1):
        starts[kind] = starts[kind - 1]
    starts[0] = 0
