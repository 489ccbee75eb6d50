"""EtherNet/IP: the items of a PDU and the CIP messages in them: what each service carries, as pieces and tasks."""

from __future__ import annotations

from detector.bytes_kernels import le16, u8
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
    P_CONNECTION,
    P_HEADER,
    P_ITEMS,
    P_OPEN_FRAME,
    P_OT_API,
    P_OT_TIMEOUT,
    P_TO_API,
    P_TO_TIMEOUT,
    PCCC,
    SEQUENCED_ADDRESS,
    SERVICES_REPLY,
    UNCONNECTED_DATA,
    UNCONNECTED_SEND,
    class_of,
)
from detector.protocols.enip_path_kernels import path_of, route_of
from detector.protocols.enip_task_kernels import (
    ADDRESS,
    ADDSTAT,
    ALL,
    CIP_OPEN,
    CM_EXTENDED,
    CM_SERVICE,
    CM_STATUS,
    CONNECTED,
    CONNECTION,
    DISPATCH,
    ENIP_OPEN,
    EPATH,
    FAILURE,
    GET,
    GET_REPLY,
    IDENTITY_DATA,
    IDENTITY_NAME,
    IDENTITY_STATE,
    IO_DATA,
    ITEM,
    ITEM_DATA,
    LEFT,
    MB_SERVICE,
    NUMBERS,
    OT_API,
    OT_TIMEOUT,
    PARTLY,
    PATH_SIZE,
    PATH_WORDS,
    PCCC_0F,
    PCCC_06,
    PCCC_07,
    PCCC_ADDRESS,
    PCCC_COMMAND,
    PCCC_COUNT,
    PCCC_DATA,
    PCCC_EXTENDED,
    PCCC_ID,
    PCCC_MODE,
    PCCC_REPLY,
    PCCC_REQUEST,
    PCCC_SERVICE,
    ROUTE_WORDS,
    SEQUENCE,
    SEQUENCED,
    SERVICE,
    SERVICES,
    SERVICES_DATA,
    SERVICES_NAME,
    SET,
    SET_REPLY,
    STATUS,
    STRINGI,
    STRINGI_COUNT,
    STRINGI_TEXT,
    STRINGI_TYPE,
    SUCCESS,
    T_ASKED,
    T_ASKED_STOP,
    T_LAST,
    T_OBJECT,
    T_PLACE,
    T_START,
    T_STOP,
    T_SUM,
    TASKS,
    TO_API,
    TO_TIMEOUT,
    WAS_SEND,
    ZERO,
    push,
    push_form,
    push_path,
    push_values,
    push_words,
    put,
)
from detector.protocols.pairing_kernels import P_STOP


@kernel
def form_of_attribute(attributes, one, instance, number):
    """The form of an attribute's value, -1: not known. Attributes 1 to 7 of a class itself are the same for all."""
    if not 0 <= number < attributes.shape[2] or instance < 0:
        return -1
    level = 1 if instance > 0 else 0
    found = attributes[one, level, number] if 0 <= one < len(attributes) else -1
    return attributes[0, 0, number] if found < 0 and level == 0 else found


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
