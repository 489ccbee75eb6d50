"""EtherNet/IP: a PDU's items and CIP messages taken apart into pieces, each a run of bytes with fields of its own.

They are listed with a stack of tasks, since messages lie in messages: a task takes bytes, makes pieces, and puts what is still
to do on the stack, the last first. The stack's depth bounds how deep messages may lie in each other.
"""

from __future__ import annotations

from detector.bytes_kernels import le16, le32, u8
from detector.kernel import kernel, part
from detector.protocols.enip_kernels import (
    ADDRESS_TO_ORIGINATOR,
    ADDRESS_TO_TARGET,
    CONNECTED_ADDRESS,
    CONNECTED_DATA,
    CONNECTION_MANAGER,
    FORWARD_CLOSE,
    FORWARD_OPEN,
    IDENTITY,
    LARGE_FORWARD_OPEN,
    MODBUS,
    MULTIPLE,
    P_ASKED,
    P_ASKED_STOP,
    P_CONNECTION,
    P_HEADER,
    P_IS_MESSAGE,
    P_ITEMS,
    P_MESSAGE,
    P_MESSAGE_STOP,
    P_OPEN_FRAME,
    P_OT_API,
    P_OT_TIMEOUT,
    P_PATH,
    P_PATH_STOP,
    P_SEQUENCE,
    P_TO_API,
    P_TO_TIMEOUT,
    PCCC,
    SEQUENCED_ADDRESS,
    SERVICES_REPLY,
    UNCONNECTED_DATA,
    UNCONNECTED_SEND,
    class_of,
)  # fmt: skip
from detector.protocols.enip_parts import KINDS, LOGICALS
from detector.protocols.pairing_kernels import P_STOP

# Columns of pieces. OBJECT: the CIP message, counted through the batch, -1: none. NUMBER: what no bytes say.
B_PDU, B_OBJECT, B_KIND, B_START, B_STOP, B_NUMBER = range(6)
PIECE_COLUMNS = 6
# Columns of tasks. OBJECT and bounds, and of: the request that a message answers; a path, whose bytes may say more than it is long;
# a form that goes on at a step; a list's place, its length, the last offset, bytes so far.
T_WHAT, T_OBJECT, T_START, T_STOP, T_ASKED, T_ASKED_STOP, T_FORM, T_STEP, T_BEGIN, T_PLACE, T_COUNT, T_LAST, T_SUM = (
    range(13)
)
TASK_COLUMNS, TASKS = 13, 48
MESSAGE, DISPATCH, PATH, FORM, SERVICES, VALUES, LEFT, EMBEDDED, NUMBERS = range(9)
ALL, GET, SET, GET_REPLY, SET_REPLY = range(5)  # what VALUES lists
(
    ITEM, CONNECTED, SEQUENCED, IDENTITY_DATA, IDENTITY_NAME, IDENTITY_STATE, ADDRESS, ZERO, SERVICES_DATA, SERVICES_NAME, ITEM_DATA, SEQUENCE,
    IO_HEADER, IO_DATA, CONNECTION, ENIP_OPEN, CIP_OPEN, OT_API, TO_API, OT_TIMEOUT, TO_TIMEOUT, SERVICE, PATH_SIZE, STATUS, ADDSTAT, EPATH,
) = range(26)  # fmt: skip
LOGICAL = KINDS.index(LOGICALS[0])
(
    KEY, KEY_SERIAL, SERVICE_ID, EXTENDED8, EXTENDED16, EXTENDED32, LOGICAL_UNKNOWN, LOGICAL_FORMAT, SEGMENT_UNKNOWN, PORT_PLAIN, PORT_EXTENDED, PORT_LINK,
    PORT_LINK_EXTENDED, LINK_TEXT, SYMBOLIC, ASCII, SYMBOLIC_WIDE, SYMBOLIC_NUMBER, NUMBER8, NUMBER16, NUMBER32, DATA_SIMPLE, DATA_SYMBOL,
    DATA_UNKNOWN, DATA_WORDS, SYMBOL, SCHEDULE, FIXED_TAG, INHIBIT, INHIBIT_US, NETWORK, SAFETY, NETWORK_UNKNOWN, DATA, MSP_COUNT, MSP_OFFSET,
    LIST_COUNT, LIST_ATTRIBUTE, LIST_STATUS, SET_COUNT, SET_STATUS, ALL_ATTRIBUTE, CM_SERVICE, WAS_SEND, CM_STATUS, CM_EXTENDED,
    CM_STATUS_WORD, ROUTE_WORDS, PATH_WORDS, TICKS, PCCC_SERVICE, PCCC_ID, PCCC_REQUEST, PCCC_06, PCCC_07, PCCC_0F, PCCC_MODE, PCCC_COUNT,
    PCCC_COMMAND, PCCC_ADDRESS, PCCC_REPLY, PCCC_EXTENDED, PCCC_DATA, MB_SERVICE, STRINGI_COUNT, STRINGI, STRINGI_TYPE,
    STRINGI_TEXT,
) = range(LOGICAL + 15, LOGICAL + 15 + 68)  # fmt: skip
(
    S_FIXED, S_ITEMS, S_REST, S_SHORT, S_STRING, S_PADDED, S_LIST8, S_LIST16, S_PATH, S_PATH16, S_WORDS, S_BITS16, S_MANY, S_MESSAGE, S_PAD,
    S_BYTES,
) = range(16)  # fmt: skip
CONFLICT_ARP, CM_ENTRIES = KINDS.index("conflict_arp"), KINDS.index("cm_entries")
SUCCESS, FAILURE, PARTLY = 0, 1, 0x1E


@part
def put(pieces, found, pdu, owner, kind, start, stop, number):
    """A piece; how many there are with it. Where there is no room for it the last row is taken."""
    o = pieces[found] if found < len(pieces) - 1 else pieces[len(pieces) - 1]
    o[B_PDU], o[B_OBJECT], o[B_KIND], o[B_START], o[B_STOP], o[B_NUMBER] = pdu, owner, kind, start, stop, number
    return found + 1


@part
def push(tasks, depth, what, owner, start, stop):
    """A task on the stack; its depth then. What finds no room there lies too deep, and is left undone: the row is scratch."""
    t = tasks[depth] if depth < TASKS else tasks[TASKS]
    for column in range(TASK_COLUMNS):
        t[column] = -1
    t[T_WHAT], t[T_OBJECT], t[T_START], t[T_STOP] = what, owner, start, stop
    return min(depth + 1, TASKS)


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


@part
def push_path(tasks, depth, owner, start, path_stop, stop, is_generated, counts):
    """A path's task. counts: whether its class, instance and attribute are those that the next task works with."""
    place = min(depth, TASKS)
    depth = push(tasks, depth, PATH, owner, start, stop)
    tasks[place, T_ASKED_STOP], tasks[place, T_STEP], tasks[place, T_COUNT] = path_stop, is_generated, counts
    return depth


@part
def push_form(tasks, depth, owner, form, step, at, stop, begin):
    """A form's task, from a step on."""
    place = min(depth, TASKS)
    depth = push(tasks, depth, FORM, owner, at, stop)
    tasks[place, T_FORM], tasks[place, T_STEP], tasks[place, T_BEGIN] = form, step, begin
    return depth


@part
def push_words(tasks, depth, owner, kind, words, skip, stop):
    """The task of a path of a request that is answered, `skip` bytes behind where its words are counted, -1: nowhere."""
    if words < 0:
        return depth
    place = min(depth, TASKS)
    depth = push(tasks, depth, EMBEDDED, owner, words, stop)
    tasks[place, T_FORM], tasks[place, T_STEP] = kind, skip
    return depth


@part
def push_values(tasks, depth, owner, what, place, count, stop):
    """The task of a list of attributes from a place on, whose bytes go on where the last form ended."""
    row = min(depth, TASKS)
    depth = push(tasks, depth, VALUES, owner, -1, stop)
    tasks[row, T_FORM], tasks[row, T_PLACE], tasks[row, T_COUNT] = what, place, count
    return depth


@part
def push_message(tasks, depth, start, stop, asked, asked_stop):
    """A message's task, with the request that it answers, -1 where that is not known."""
    place = min(depth, TASKS)
    depth = push(tasks, depth, MESSAGE, -1, start, stop)
    tasks[place, T_ASKED], tasks[place, T_ASKED_STOP] = asked, asked_stop
    return depth


@kernel
def form_of_attribute(attributes, one, instance, number):
    """The form of an attribute's value, -1: not known. Attributes 1 to 7 of a class itself are the same for all."""
    if not 0 <= number < attributes.shape[2] or instance < 0:
        return -1
    level = 1 if instance > 0 else 0
    found = attributes[one, level, number] if 0 <= one < len(attributes) else -1
    return attributes[0, 0, number] if found < 0 and level == 0 else found


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


@part
def take_pccc(buffer, at, stop, pieces, found, pdu, owner):
    """A message that executes a PCCC command (class 0x67)."""
    is_response = u8(buffer, at) & 0x80 != 0
    found = put(pieces, found, pdu, owner, PCCC_SERVICE, at, stop, 0)
    start = at + 4 + 2 * u8(buffer, at + 3) if is_response else at + 2 + 2 * u8(buffer, at + 1)
    if start + 7 > stop:
        return found
    found = put(pieces, found, pdu, owner, PCCC_ID, start, stop, 0)
    start += u8(buffer, start)
    if start + 4 > stop:
        return found
    found = put(pieces, found, pdu, owner, PCCC_REPLY if is_response else PCCC_REQUEST, start, stop, 0)
    data = start + 4
    if is_response:
        if data < stop:
            is_extended = u8(buffer, start + 1) == 0xF0
            found = put(pieces, found, pdu, owner, PCCC_EXTENDED if is_extended else PCCC_DATA, data, stop, 0)
        return found
    command = u8(buffer, start)
    if data >= stop:
        return found
    if command in (0x06, 0x07, 0x0F):
        kind = PCCC_0F if command == 0x0F else PCCC_07 if command == 0x07 else PCCC_06
        found = put(pieces, found, pdu, owner, kind, data, stop, 0)
    function, data = u8(buffer, data), data + 1
    if data >= stop:
        return found
    if command != 0x0F:
        return put(pieces, found, pdu, owner, PCCC_DATA, data, data + 1, 0)
    if function == 0x80:
        return put(pieces, found, pdu, owner, PCCC_MODE, data, stop, 0)
    if function == 0x88:
        count = u8(buffer, data)
        found = put(pieces, found, pdu, owner, PCCC_COUNT, data, stop, 0)
        data += 1
        for _ in range(count):
            if data + 2 > stop:
                return found
            size = u8(buffer, data)
            found = put(pieces, found, pdu, owner, PCCC_COMMAND, data, stop, 0)
            if size > 2 and data + 1 + size <= stop:
                found = put(pieces, found, pdu, owner, PCCC_DATA, data + 2, data + 1 + size, 0)
            data += size + 1
        return found
    if function == 0xA2 or function == 0xAA:
        found = put(pieces, found, pdu, owner, PCCC_ADDRESS, data, stop, 0)
        end = data + 5 + u8(buffer, data)
        if function == 0xAA and data + 5 < end <= stop:
            found = put(pieces, found, pdu, owner, PCCC_DATA, data + 5, end, 0)
        return found
    return put(pieces, found, pdu, owner, PCCC_DATA, data, stop, 0)


@part
def take_items(pdus, pdu, buffer, pieces, found):
    """The items of the common packet format of a PDU, what they say besides messages; how many pieces there are with them."""
    at, stop = pdus[pdu, P_ITEMS], pdus[pdu, P_STOP]
    count, at = le16(buffer, at), at + 2
    is_io = pdus[pdu, P_HEADER] < 0
    for _ in range(count):
        if at + 4 > stop:
            break
        kind, size = le16(buffer, at), le16(buffer, at + 2)
        found = put(pieces, found, pdu, -1, ITEM, at, at + 4, 0)
        at += 4
        end = min(at + size, stop)
        if at == end:
            continue
        if kind == CONNECTED_ADDRESS:
            found = put(pieces, found, pdu, -1, CONNECTED, at, end, 0)
        elif kind == SEQUENCED_ADDRESS:
            found = put(pieces, found, pdu, -1, SEQUENCED, at, end, 0)
        elif kind == CONNECTED_DATA:
            if is_io:
                found = put(pieces, found, pdu, -1, IO_DATA, at, end, 0)
            else:
                found = put(pieces, found, pdu, -1, SEQUENCE, at, end, 0)
        elif kind == IDENTITY:
            found = put(pieces, found, pdu, -1, IDENTITY_DATA, at, end, 0)
            if at + 18 <= end:
                found = put(pieces, found, pdu, -1, ZERO, at + 10, at + 18, 0)
            if at + 33 <= end:
                name = min(at + 33 + u8(buffer, at + 32), end)
                found = put(pieces, found, pdu, -1, IDENTITY_NAME, at + 33, name, 0)
                if name < end:
                    found = put(pieces, found, pdu, -1, IDENTITY_STATE, name, end, 0)
        elif kind == SERVICES_REPLY:
            found = put(pieces, found, pdu, -1, SERVICES_DATA, at, end, 0)
            if at + 20 <= end:
                name = at + 4
                while name < at + 20 and u8(buffer, name) != 0:
                    name += 1
                found = put(pieces, found, pdu, -1, SERVICES_NAME, at + 4, name, 0)
        elif kind == ADDRESS_TO_TARGET or kind == ADDRESS_TO_ORIGINATOR:
            found = put(pieces, found, pdu, -1, ADDRESS, at, end, 0)
            if at + 16 <= end:
                found = put(pieces, found, pdu, -1, ZERO, at + 8, at + 16, 0)
        elif kind != UNCONNECTED_DATA:
            found = put(pieces, found, pdu, -1, ITEM_DATA, at, end, 0)
        at += size
    return found


@part
def take_numbers(pdus, pdu, pieces, found, owner, is_close):
    """What is known of the connection that a PDU belongs to, or closes."""
    p = pdus[pdu]
    found = put(pieces, found, pdu, owner, CONNECTION, 0, 0, p[P_CONNECTION])
    found = put(pieces, found, pdu, owner, CIP_OPEN if is_close else ENIP_OPEN, 0, 0, p[P_OPEN_FRAME])
    found = put(pieces, found, pdu, owner, OT_API, 0, 0, p[P_OT_API])
    found = put(pieces, found, pdu, owner, TO_API, 0, 0, p[P_TO_API])
    if is_close:
        found = put(pieces, found, pdu, owner, OT_TIMEOUT, 0, 0, p[P_OT_TIMEOUT])
        found = put(pieces, found, pdu, owner, TO_TIMEOUT, 0, 0, p[P_TO_TIMEOUT])
    return found


@part
def push_manager(pdus, pdu, buffer, tasks, depth, at, stop, asked, asked_stop, pieces, found, owner, services):
    """A message to or from the Connection Manager (vol. 1, 3-5.5); (depth, pieces)."""
    service, is_response = u8(buffer, at) & 0x7F, u8(buffer, at) & 0x80 != 0
    found = put(pieces, found, pdu, owner, CM_SERVICE, at, stop, 0)
    status = u8(buffer, at + 2) if is_response else 0
    data = at + 4 + 2 * u8(buffer, at + 3) if is_response else at + 2 + 2 * u8(buffer, at + 1)
    if is_response and status == FAILURE:
        found = put(pieces, found, pdu, owner, CM_STATUS, at + 2, stop, 0)
        if u8(buffer, at + 3) and at + 6 <= stop:
            found = put(pieces, found, pdu, owner, CM_EXTENDED, at + 4, min(data, stop), le16(buffer, at + 4))
    if data >= stop:
        return depth, found
    form = services[CONNECTION_MANAGER, service, 1 if is_response else 0]
    if status != SUCCESS:
        form = services[0, 0x54 if service in (FORWARD_OPEN, LARGE_FORWARD_OPEN, FORWARD_CLOSE) else service, 1]
    is_known = pdus[pdu, P_CONNECTION] >= 0
    if is_response and service in (FORWARD_OPEN, LARGE_FORWARD_OPEN, FORWARD_CLOSE) and asked >= 0:
        words = path_of(buffer, asked, asked_stop) if status != SUCCESS or service != FORWARD_CLOSE or is_known else -1
        depth = push_words(tasks, depth, owner, PATH_WORDS, words, 2 if service == FORWARD_CLOSE else 1, asked_stop)
    elif is_response and service == UNCONNECTED_SEND and status != SUCCESS and asked >= 0:
        depth = push_words(tasks, depth, owner, ROUTE_WORDS, route_of(buffer, asked, asked_stop), 2, asked_stop)
    if service == FORWARD_CLOSE and is_known and status == SUCCESS:
        depth = push(tasks, depth, NUMBERS, owner, 0 if is_response else 1, stop)
    if is_response or form < 0:
        depth = push(tasks, depth, LEFT, owner, data if form < 0 else -1, stop)
    if form >= 0:
        depth = push_form(tasks, depth, owner, form, -1, data, stop, data)
    return depth, found


@part
def push_generic(buffer, tasks, depth, at, stop, asked, asked_stop, owner, seen, names, services, attributes):
    """A service that all objects may have; the depth then. seen: class, instance and attribute that it is about."""
    service, is_response = u8(buffer, at) & 0x7F, u8(buffer, at) & 0x80 != 0
    data = at + 4 + 2 * u8(buffer, at + 3) if is_response else at + 2 + 2 * u8(buffer, at + 1)
    if data > stop:
        return depth
    if service == MULTIPLE:
        place = min(depth, TASKS)
        depth = push(tasks, depth, SERVICES, owner, data, stop)
        t = tasks[place]
        t[T_PLACE], t[T_LAST], t[T_SUM] = -1, 0, 0
        if asked >= 0 and u8(buffer, asked) == MULTIPLE:
            t[T_ASKED], t[T_ASKED_STOP] = asked + 2 + 2 * u8(buffer, asked + 1), asked_stop
        return depth
    left = min(depth, TASKS)
    depth = push(tasks, depth, LEFT, owner, -1, stop)
    if is_response and service == 1:
        depth = push_values(tasks, depth, owner, ALL, 0, attributes.shape[2], stop)
    elif is_response and service == 3:
        depth = push_values(tasks, depth, owner, GET_REPLY, -1, 0, stop)
    elif is_response and service == 4:
        depth = push_values(tasks, depth, owner, SET_REPLY, -1, 0, stop)
    elif not is_response and service == 3:
        depth = push_values(tasks, depth, owner, GET, -1, 0, stop)
    elif not is_response and service == 4:
        depth = push_values(tasks, depth, owner, SET, -1, 0, stop)
    else:
        form = services[0, service, 1 if is_response else 0]
        if service == (0x0E if is_response else 0x10):
            form = form_of_attribute(attributes, seen[0], seen[1], seen[2])
        if form < 0:
            tasks[left, T_START] = data
            return depth
        return push_form(tasks, depth, owner, form, -1, data, stop, data)
    row = depth - 1
    tasks[row, T_START], tasks[row, T_LAST], tasks[row, T_SUM] = data, seen[0], seen[1]
    return depth


@kernel
def is_whole_request(buffer, at, stop):
    """Whether a request that was kept can be looked into."""
    return at >= 0 and stop - at >= 2 and u8(buffer, at) & 0x80 == 0 and at + 2 + 2 * u8(buffer, at + 1) <= stop


@part
def start_message(buffer, tasks, depth, t, pieces, found, pdu, owner, seen):
    """A CIP message's header and status; (depth, pieces). Its path and its data are tasks."""
    at, stop, asked, asked_stop = t[T_START], t[T_STOP], t[T_ASKED], t[T_ASKED_STOP]
    found = put(pieces, found, pdu, owner, SERVICE, at, stop, 0)
    service, is_response = u8(buffer, at) & 0x7F, u8(buffer, at) & 0x80 != 0
    seen[0, 0], seen[0, 1], seen[0, 2] = -1, -1, -1
    place = min(depth, TASKS)
    if not is_response:
        if stop - at < 2:
            return depth, found
        found = put(pieces, found, pdu, owner, PATH_SIZE, at + 1, stop, 0)
        end = at + 2 + 2 * u8(buffer, at + 1)
        if end > stop:
            return push_path(tasks, depth, owner, at + 2, stop, stop, 0, 1), found
        depth = push(tasks, depth, DISPATCH, owner, at, stop)
        if end > at + 2:
            found = put(pieces, found, pdu, owner, EPATH, at + 2, end, 0)
        return push_path(tasks, depth, owner, at + 2, end, stop, 0, 1), found
    found = put(pieces, found, pdu, owner, STATUS, min(at + 2, stop), stop, 0)
    if stop - at < 4:
        return depth, found
    for k in range(u8(buffer, at + 3)):
        if at + 6 + 2 * k > stop:
            return depth, found
        found = put(pieces, found, pdu, owner, ADDSTAT, at + 4 + 2 * k, at + 6 + 2 * k, 0)
    depth = push(tasks, depth, DISPATCH, owner, at, stop)
    if not is_whole_request(buffer, asked, asked_stop):
        return depth, found
    was_send = u8(buffer, asked) == UNCONNECTED_SEND and class_of(buffer, asked, asked_stop) == CONNECTION_MANAGER
    if u8(buffer, asked) != service and not was_send:
        return depth, found
    tasks[place, T_ASKED], tasks[place, T_ASKED_STOP] = asked, asked_stop
    if u8(buffer, asked + 1):
        found = put(pieces, found, pdu, owner, PATH_SIZE, asked + 1, asked_stop, 0)
        end = asked + 2 + 2 * u8(buffer, asked + 1)
        depth = push_path(tasks, depth, owner, asked + 2, end, end, 1, 1)
    return depth, found


@kernel
def is_answer_of_send(buffer, at, stop):
    """Whether the answer to an unconnected send is one of its own: that it could not be passed on (vol. 1, 3-5.5.4)."""
    status = u8(buffer, at + 2)
    if status == SUCCESS or u8(buffer, at) & 0x7F != UNCONNECTED_SEND:
        return False
    extended = le16(buffer, at + 4) if u8(buffer, at + 3) == 1 and at + 6 <= stop else 0
    return status in (2, 4) or (status == FAILURE and extended in (0x204, 0x311, 0x312, 0x315, 0x318))


@part
def dispatch(pdus, pdu, buffer, tasks, depth, t, pieces, found, seen, services, attributes, generic):
    """What a CIP message's data are, by the service and the class of the object that it is for; (depth, pieces)."""
    at, stop, asked, asked_stop, owner = t[T_START], t[T_STOP], t[T_ASKED], t[T_ASKED_STOP], t[T_OBJECT]
    service, is_response = u8(buffer, at) & 0x7F, u8(buffer, at) & 0x80 != 0
    one = seen[0, 0] if 0 < seen[0, 0] < len(services) else 0
    data = at + 4 + 2 * u8(buffer, at + 3) if is_response else at + 2 + 2 * u8(buffer, at + 1)
    has_own = one in (CONNECTION_MANAGER, PCCC, MODBUS)
    form = services[one, service, 1 if is_response else 0] if one > 0 and not has_own else -1
    is_generic = generic[service] != 0 and form < 0
    if is_response:
        has_own = has_own and asked >= 0 and generic[u8(buffer, asked) & 0x7F] == 0
    else:
        has_own = has_own and not is_generic
    if has_own and one == CONNECTION_MANAGER:
        if is_response and u8(buffer, asked) == UNCONNECTED_SEND and not is_answer_of_send(buffer, at, stop):
            inner = asked + 6 + 2 * u8(buffer, asked + 1)
            route = route_of(buffer, asked, asked_stop)
            inner_stop = inner + le16(buffer, inner - 2) if route >= 0 else inner
            if is_whole_request(buffer, inner, inner_stop):
                found = put(pieces, found, pdu, owner, WAS_SEND, at, at, UNCONNECTED_SEND)
                place = min(depth, TASKS)
                depth = push(tasks, depth, DISPATCH, owner, at, stop)
                tasks[place, T_ASKED], tasks[place, T_ASKED_STOP] = inner, inner_stop
                depth = push_words(tasks, depth, owner, ROUTE_WORDS, route, 2, asked_stop)
                end = inner + 2 + 2 * u8(buffer, inner + 1)
                if end > inner + 2:
                    found = put(pieces, found, pdu, owner, PATH_SIZE, inner + 1, inner_stop, 0)
                    depth = push_path(tasks, depth, owner, inner + 2, end, end, 1, 1)
                return depth, found
        return push_manager(
            pdus, pdu, buffer, tasks, depth, at, stop, asked, asked_stop, pieces, found, owner, services
        )
    if has_own and one == PCCC:
        return depth, take_pccc(buffer, at, stop, pieces, found, pdu, owner)
    if has_own:
        found = put(pieces, found, pdu, owner, MB_SERVICE, at, stop, 0)
        form = services[MODBUS, service, 1 if is_response else 0]
        if form < 0 or (is_response and u8(buffer, at + 2) not in (SUCCESS, PARTLY)):
            form = services[MODBUS, 0, 0]
    elif is_generic:
        return push_generic(
            buffer, tasks, depth, at, stop, asked, asked_stop, owner, seen[0], generic, services, attributes
        ), found
    if data < stop or form >= 0:
        depth = push(tasks, depth, LEFT, owner, data if form < 0 else -1, stop)
    if form >= 0:
        depth = push_form(tasks, depth, owner, form, -1, data, stop, data)
    return depth, found


@part
def take_texts(buffer, at, stop, pieces, found, pdu, owner):
    """A text in several languages (STRINGI, vol. 1, C-5.2.4); (pieces, where it ends)."""
    if at >= stop:
        return found, stop
    count = u8(buffer, at)
    found = put(pieces, found, pdu, owner, STRINGI_COUNT, at, at + 1, 0)
    at += 1
    for _ in range(count):
        if at + 6 > stop:
            return found, stop
        kind = u8(buffer, at + 3)
        found = put(pieces, found, pdu, owner, STRINGI, at, at + 3, 0)
        found = put(pieces, found, pdu, owner, STRINGI_TYPE, at + 3, at + 6, 0)
        at += 6
        if kind not in (0xD0, 0xD5, 0xDA):
            return found, at
        before = 1 if kind == 0xDA else 2
        if at + before > stop:
            return found, stop
        size = u8(buffer, at) if kind == 0xDA else le16(buffer, at) * (2 if kind == 0xD5 else 1)
        if at + before + size > stop:
            return found, stop
        found = put(pieces, found, pdu, owner, STRINGI_TEXT, at + before, at + before + size, 0)
        at += before + size
    return found, at


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
