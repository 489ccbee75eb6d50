"""What S7 PDUs list: variables with their values, blocks, entries of system status lists, alarms, test jobs.

A variable of a request and the value that is written to it are one object. What cannot be ends a PDU's list: nothing says
where the next object begins.
"""

from __future__ import annotations

from detector.bytes_kernels import be16, u8
from detector.kernel import kernel
from detector.protocols.s7comm_kernels import (
    A_DOWNLOAD,
    A_ITEMS,
    A_UPLOAD,
    B_BLOCKS,
    C_ASK,
    C_CONFIRM,
    C_END,
    D_BLOCK,
    D_BYTES,
    D_CODES,
    D_ITEMS,
    D_USER,
    JOB,
    OK,
    P_BLOCK,
    P_BLOCK_KIND,
    P_BLOCK_STOP,
    P_COTP,
    P_COTP_KIND,
    P_COTP_STOP,
    P_DATA,
    P_DATA_KIND,
    P_DATA_STOP,
    P_PARAM,
    P_PARAM_KIND,
    P_PARAM_STOP,
    P_PAYLOAD,
    P_PAYLOAD_KIND,
    P_PAYLOAD_STOP,
    P_S7,
    TYPE_ASK,
    TYPE_TOLD,
    Y_BLOCKS,
    Y_CPU,
    Y_CYCLIC_ASK,
    Y_CYCLIC_TOLD,
    Y_SZL_TOLD,
    Y_TEST,
    Y_TIME,
)  # fmt: skip

# Columns of objects. Bounds of: the variable that is asked for, its value with its header, the value's bytes, the entry of a
# list. LENGTH: bytes of the value as its header says. FILL: the byte that makes it even. TIME: of a date and time. -1: none.
(
    B_PDU, B_ITEM, B_ITEM_STOP, B_ITEM_KIND, B_DATA, B_DATA_STOP, B_DATA_KIND, B_LENGTH, B_VALUE, B_VALUE_STOP, B_FILL, B_FILL_STOP,
    B_ENTRY, B_ENTRY_STOP, B_ENTRY_KIND, B_TIME, B_TIME_STOP, B_TIME_KIND,
) = range(18)  # fmt: skip
OBJECT_COLUMNS = 18
# Kinds, in the order of s7comm.ITEMS, VALUES, TIMES and the first of ENTRIES.
I_ANY, I_NUMBER, I_RECORD, I_AREAS, I_SYMBOL_AREA, I_SYMBOL_BLOCK, I_SYMBOL, I_NCK, I_DRIVE, I_OTHER = range(10)
V_WHOLE, V_CODE, V_BLOCK, V_PAIR = range(4)
T_EIGHT, T_TEN = range(2)
(
    E_PARAMETER, E_AREA, E_NESTED, E_FILE, E_NAME, E_LISTED, E_BYTES, E_EVENT, E_BLOCK_COUNT, E_BLOCK_TYPE, E_BLOCK, E_BLOCK_ASK, E_BLOCK_INFO,
    E_MESSAGES, E_MESSAGED, E_SCAN, E_ALARM, E_ALARM_LOCK, E_ALARM_STATE, E_ALARM_ACK, E_ALARM_NOTIFY, E_ALARM_BY_TYPE, E_ALARM_BY_EVENT,
    E_ALARM_QUERY, E_ALARM_OTHER, E_ALARMS, E_ALARM_SET, E_SIZES, E_TEST, E_TESTED, E_CALL_REGISTERS, E_CALL_BLOCK, E_COUNT, E_ADDRESS,
    E_ADDRESS_BIT, E_STATUS2, E_STATUS, E_LINE2, E_LINE, E_LINES, E_LINES_OTHER, E_DELETE, E_JOB, E_JOB_LIST, E_JOB_STATE, E_JOB_DATA,
    E_BREAK_ASK, E_BREAK, E_HOLD, E_STACK_ASK, E_STACK, E_LOCALS_ASK, E_LOCALS, E_LOCALS_END, E_UNKNOWN,
) = range(55)  # fmt: skip


@kernel
def new_object(objects, found, pdu):
    """The place of a row for an object; where there is no room for it the last one, which is for that."""
    place = min(found, len(objects) - 1)
    o = objects[place]
    for column in range(OBJECT_COLUMNS):
        o[column] = -1
    o[B_PDU] = pdu
    return place


@kernel
def put_entry(objects, found, pdu, start, stop, kind):
    """An object that is an entry of a list; how many there are with it."""
    o = objects[new_object(objects, found, pdu)]
    o[B_ENTRY], o[B_ENTRY_STOP], o[B_ENTRY_KIND] = start, stop, kind
    return found + 1


@kernel
def put_time(o, start, size):
    """A date and time of an object."""
    o[B_TIME], o[B_TIME_STOP], o[B_TIME_KIND] = start, start + size, T_EIGHT if size == 8 else T_TEN


@kernel
def item_kind(buffer, at, stop):
    """What a variable's address consists of."""
    kind, length, syntax = u8(buffer, at), u8(buffer, at + 1), u8(buffer, at + 2)
    if kind != 0x12 or at + 2 + length > stop:
        return I_OTHER
    if syntax == 0x10 and length == 10:
        area = u8(buffer, at + 8)
        return I_NUMBER if area == 0x1C or area == 0x1D else I_RECORD if area == 1 else I_ANY
    if syntax == 0xB0 and length >= 7:
        return I_AREAS
    if syntax == 0xB2 and length >= 14:
        area = be16(buffer, at + 4)
        return I_SYMBOL_AREA if area == 0 else I_SYMBOL_BLOCK if area == 0x8A0E else I_SYMBOL
    if 0x82 <= syntax <= 0x84 and length == 8:
        return I_NCK
    return I_DRIVE if syntax == 0xA2 and length == 10 else I_OTHER


@kernel
def list_items(buffer, objects, found, pdu, at, stop, count):
    """The variables of a request; how many objects there are then, and where the last one ends."""
    for k in range(count):
        if at + 3 > stop:
            break
        end = min(at + 2 + u8(buffer, at + 1), stop)
        o = objects[new_object(objects, found, pdu)]
        kind = item_kind(buffer, at, stop)
        o[B_ITEM], o[B_ITEM_STOP], o[B_ITEM_KIND] = at, end, kind
        found += 1
        if kind == I_AREAS:
            inner = at + 4
            for _ in range(u8(buffer, at + 3)):
                if inner + 5 > stop:
                    break
                found = put_entry(objects, found, pdu, inner, inner + 5, E_AREA)
                inner += 5
        elif kind == I_SYMBOL_AREA or kind == I_SYMBOL_BLOCK or kind == I_SYMBOL:
            inner = at + 12
            while inner + 4 <= end:
                found = put_entry(objects, found, pdu, inner, inner + 4, E_NESTED)
                inner += 4
        at = end + ((end - at) & 1 if k < count - 1 else 0)
    return found, at


@kernel
def put_value(o, buffer, at, stop, is_last, rounds):
    """The value at `at` with its header; where what follows it begins, -1 where it is cut.

    rounds: bits are counted of all types that count them, otherwise not of the type "bit".
    """
    if at + 4 > stop:
        return -1
    code, kind, length = u8(buffer, at), u8(buffer, at + 1), be16(buffer, at + 2)
    if 4 <= kind <= 5 or (kind == 3 and rounds):
        length = (length + 7) // 8 if rounds else length // 8
    o[B_DATA], o[B_DATA_STOP], o[B_DATA_KIND], o[B_LENGTH] = at, at + 4, V_WHOLE, length
    at += 4
    if code != OK and code != 0:
        return at
    end = at + length
    if end > stop:
        return -1
    if length:
        o[B_VALUE], o[B_VALUE_STOP] = at, end
    if length & 1 and not is_last:
        if end >= stop:
            return -1
        o[B_FILL], o[B_FILL_STOP] = end, end + 1
        end += 1
    return end


@kernel
def list_values(buffer, objects, found, pdu, at, stop, count):
    """Values, each an object; how many objects there are then, and where the last one ends, -1 where it is cut."""
    for k in range(count):
        if at < 0 or at + 4 > stop:
            return found, -1
        o = objects[new_object(objects, found, pdu)]
        found += 1
        at = put_value(o, buffer, at, stop, k == count - 1, True)
    return found, at


@kernel
def list_codes(buffer, objects, found, pdu, at, stop, count):
    """Return codes, each an object; how many objects there are then."""
    for k in range(min(count, stop - at)):
        o = objects[new_object(objects, found, pdu)]
        o[B_DATA], o[B_DATA_STOP], o[B_DATA_KIND] = at + k, at + k + 1, V_CODE
        found += 1
    return found


@kernel
def list_variables(p, buffer, objects, found, pdu):
    """Variables of a job that reads or writes and their values, or the values of an answer."""
    start, stop = p[P_PARAM], p[P_PARAM_STOP]
    if start + 2 > stop:
        return found
    count = u8(buffer, start + 1)
    data, end = p[P_DATA], p[P_DATA_STOP]
    if p[P_DATA_KIND] == D_CODES:
        return list_codes(buffer, objects, found, pdu, data, end, count)
    if u8(buffer, p[P_S7] + 1) != JOB:
        return list_values(buffer, objects, found, pdu, data, end, count)[0]
    before = found
    found = list_items(buffer, objects, found, pdu, start + 2, stop, count)[0]
    if p[P_DATA_KIND] != D_ITEMS or data >= end:
        return found
    at, place, number = data, before, 0
    while number < count and at >= 0 and at + 4 <= end:  # each value to its variable
        while place < found and place < len(objects) - 1 and objects[place, B_ITEM] < 0:
            place += 1
        if place < found and place < len(objects) - 1:
            o = objects[place]
            place += 1
        else:
            o = objects[new_object(objects, found, pdu)]
            found += 1
        at = put_value(o, buffer, at, end, number == count - 1, True)
        number += 1
    return found


@kernel
def put_name(buffer, objects, found, pdu, start, stop):
    """The name of a block or file behind its length; how many objects there are then."""
    if start >= stop:
        return found
    end = min(start + 1 + u8(buffer, start), stop)
    kind = E_NAME
    if end - start == 10 and u8(buffer, start + 1) == 95 and 0x3038 <= be16(buffer, start + 2) <= 0x3046:
        kind = E_FILE
    return put_entry(objects, found, pdu, start + 1, end, kind) if start + 1 < end else found


@kernel
def list_szl(buffer, objects, found, pdu, at, stop, layouts):
    """The entries of a system status list; how many objects there are then."""
    if at + 8 > stop:
        return found
    number, index = be16(buffer, at), be16(buffer, at + 2)
    size, count = be16(buffer, at + 4), be16(buffer, at + 6)
    kind = E_BYTES
    for k in range(len(layouts)):
        if layouts[k, 0] == number and (layouts[k, 1] == index or layouts[k, 1] < 0):
            kind = layouts[k, 2]
    is_name, first = number & 255 == 0x1C and kind != E_BYTES and size >= 2, kind
    at += 8
    for _ in range(count):
        if size == 0 or at + size > stop:
            return found
        if is_name:  # the first of eleven kinds, then one for each index of 1 to 11 but 6
            inner = be16(buffer, at) & 15
            kind = first + (0 if inner == 6 or inner > 11 else inner if inner < 6 else inner - 1)
        o = objects[new_object(objects, found, pdu)]
        found += 1
        o[B_ENTRY], o[B_ENTRY_STOP], o[B_ENTRY_KIND] = at, at + size, kind
        if kind == E_EVENT and size >= 20:
            put_time(o, at + 12, 8)
        at += size
    return found


@kernel
def list_blocks(p, buffer, objects, found, pdu):
    """Blocks that are listed or described; how many objects there are then."""
    at, stop = p[P_PAYLOAD], p[P_PAYLOAD_STOP]
    way, subfunction = u8(buffer, p[P_PARAM] + 5) >> 4, u8(buffer, p[P_PARAM] + 6)
    code, kind = u8(buffer, p[P_DATA]), u8(buffer, p[P_DATA] + 1)
    if subfunction == 3:
        if way == TYPE_ASK and kind != 0 and at + 8 <= stop:
            return put_entry(objects, found, pdu, at, at + 8, E_BLOCK_ASK)
        if way == TYPE_TOLD and code == OK:
            return put_entry(objects, found, pdu, at, stop, E_BLOCK_INFO)
        return found
    if way == TYPE_ASK:
        return (
            put_entry(objects, found, pdu, at, at + 2, E_BLOCK_TYPE)
            if subfunction == 2 and kind != 0 and at + 2 <= stop
            else found
        )
    if subfunction == 2 and kind == 0:
        return found
    while at + 4 <= stop:
        found = put_entry(objects, found, pdu, at, at + 4, E_BLOCK_COUNT if subfunction == 1 else E_BLOCK)
        at += 4
    return found


@kernel
def list_alarm(buffer, objects, found, pdu, at, stop, way, subfunction):
    """An alarm message or the answer to one (all but the answer to a query); how many objects there are then."""
    time = -1
    if subfunction == 0x09:  # scan
        if at + 12 > stop:
            return found
        found = put_entry(objects, found, pdu, at, at + 12, E_SCAN)
        put_time(objects[min(found - 1, len(objects) - 1)], at + 2, 8)
        at += 12
    elif subfunction in (0x05, 0x06, 0x0C, 0x11, 0x12, 0x16):
        time = at
        at += 8
    if at + 2 > stop:
        return found
    o = objects[new_object(objects, found, pdu)]
    found += 1
    o[B_ENTRY], o[B_ENTRY_STOP], o[B_ENTRY_KIND] = at, at + 2, E_ALARM
    if time >= 0:
        put_time(o, time, 8)
    count = u8(buffer, at + 1)
    at += 2
    if way == TYPE_TOLD:
        return list_codes(buffer, objects, found, pdu, at, stop, count)
    for _ in range(count):
        if at < 0 or at + 4 > stop:
            return found
        length, syntax, values = u8(buffer, at + 1), u8(buffer, at + 2), u8(buffer, at + 3)
        kind, size = E_ALARM_OTHER, 2 + length
        if syntax == 0x15:
            kind, size = E_ALARM_LOCK, 8
        elif syntax == 0x16:
            kind, size = E_ALARM_STATE, 12
        elif syntax == 0x19:
            kind, size = E_ALARM_ACK, 10
        elif syntax == 0x1C:
            kind, size = E_ALARM_NOTIFY, 16
        elif syntax == 0x1A and at + 5 <= stop:
            query = u8(buffer, at + 4)
            kind, size = E_ALARM_BY_TYPE if query == 1 else E_ALARM_BY_EVENT if query == 3 else E_ALARM_QUERY, 10
        if at + size > stop:
            return found
        found = put_entry(objects, found, pdu, at, at + size, kind)
        at += max(size, 3)
        if kind == E_ALARM_STATE or kind == E_ALARM_NOTIFY:
            found, at = list_values(buffer, objects, found, pdu, at, stop, values)
    return found


@kernel
def list_alarms(buffer, objects, found, pdu, at, stop):
    """The alarms that answer a query; how many objects there are then."""
    if at + 6 > stop:
        return found
    o = objects[new_object(objects, found, pdu)]
    found += 1
    o[B_ENTRY], o[B_ENTRY_STOP], o[B_ENTRY_KIND] = at, at + 6, E_ALARMS
    o[B_DATA], o[B_DATA_STOP], o[B_DATA_KIND] = at + 2, at + 4, V_PAIR
    left, code = be16(buffer, at + 4), u8(buffer, at + 2)
    is_open = left == 0xFFFF  # ends with a zero byte
    at += 6
    if code != OK:
        return found
    while at + 12 <= stop and (u8(buffer, at) > 0 if is_open else left > 0):
        begin = at
        found = put_entry(objects, found, pdu, at, at + 12, E_ALARM_SET)
        kind = u8(buffer, at + 3)
        at += 12
        if kind == 4:
            for _ in range(2):  # as it came, as it went: a time and a value
                if at + 8 > stop:
                    return found
                o = objects[new_object(objects, found, pdu)]
                found += 1
                put_time(o, at, 8)
                at = put_value(o, buffer, at + 8, stop, True, True)
                if at < 0:
                    return found
        left -= at - begin
    return found


@kernel
def list_cpu(p, buffer, objects, found, pdu):
    """Messages and alarms of a CPU; how many objects there are then."""
    at, stop = p[P_PAYLOAD], p[P_PAYLOAD_STOP]
    way, subfunction = u8(buffer, p[P_PARAM] + 5) >> 4, u8(buffer, p[P_PARAM] + 6)
    if subfunction == 2:
        if way == TYPE_ASK:
            has_alarms = u8(buffer, at) & 0x80 and stop - at > 10
            return put_entry(objects, found, pdu, at, stop if has_alarms else min(at + 10, stop), E_MESSAGES)
        return put_entry(objects, found, pdu, at, stop, E_MESSAGED) if way == TYPE_TOLD else found
    if subfunction == 3:
        if at + 20 <= stop:
            found = put_entry(objects, found, pdu, at, at + 20, E_EVENT)
            put_time(objects[min(found - 1, len(objects) - 1)], at + 12, 8)
        return found
    if subfunction == 0x13 and way == TYPE_TOLD:
        return list_alarms(buffer, objects, found, pdu, at, stop)
    return list_alarm(buffer, objects, found, pdu, at, stop, way, subfunction)


@kernel
def list_test_parameters(buffer, objects, found, pdu, at, size, stop, asks):
    """The parameters of a test job or of its answer; how many objects there are then."""
    if size <= 0 or at + size > stop:
        return found
    if not asks:
        return put_entry(objects, found, pdu, at, at + size, E_TESTED)
    shown = 0
    for end in (4, 20, 26, 28, 32):
        if size >= end + (4 if end == 32 else 0):
            shown = end
    if shown:
        found = put_entry(objects, found, pdu, at, at + shown, E_TEST)
    if size >= 36:
        kind = E_CALL_REGISTERS if be16(buffer, at + 28) == 2 else E_CALL_BLOCK
        found = put_entry(objects, found, pdu, at + 32, at + (38 if size >= 38 and kind == E_CALL_BLOCK else 36), kind)
    return found


@kernel
def list_addresses(buffer, objects, found, pdu, at, stop, count):
    """Addresses of variables that are watched or changed; how many objects there are then."""
    for _ in range(count):
        if at + 6 > stop:
            break
        found = put_entry(objects, found, pdu, at, at + 6, E_ADDRESS if u8(buffer, at) & 15 else E_ADDRESS_BIT)
        at += 6
    return found


@kernel
def list_watched(buffer, objects, found, pdu, at, stop, way, subfunction):
    """Variables that a test job watches, changes or forces, their values, or return codes; how many objects there are then."""
    if at + 2 > stop or (way != TYPE_ASK and way != 0):
        return found
    count = be16(buffer, at)
    found = put_entry(objects, found, pdu, at, at + 2, E_COUNT)
    at += 2
    place = found
    if way == TYPE_ASK:
        found = list_addresses(buffer, objects, found, pdu, at, stop, count)
        at += 6 * count
        if subfunction == 2:
            return found
    elif subfunction != 2:
        found = list_codes(buffer, objects, found, pdu, at, stop, count)
        if count & 1 and found > place and at + count < stop:
            o = objects[min(found - 1, len(objects) - 1)]
            o[B_FILL], o[B_FILL_STOP] = at + count, at + count + 1
        return found
    for _ in range(count):
        if at < 0 or at + 4 > stop:
            break
        if place < found:  # what is written to the address
            o = objects[min(place, len(objects) - 1)]
        else:
            o = objects[new_object(objects, found, pdu)]
            found += 1
        place += 1
        at = put_value(o, buffer, at, stop, False, False)
    return found


@kernel
def list_status(buffer, objects, found, pdu, at, stop, way, subfunction):
    """Lines of a block that are watched; how many objects there are then."""
    if way == 0:
        return put_entry(objects, found, pdu, at, stop, E_LINES)
    if way != TYPE_ASK:
        return put_entry(objects, found, pdu, at, stop, E_LINES_OTHER)
    if subfunction == 0x13:
        if at + 4 > stop:
            return found
        count, size, head = u8(buffer, at + 1), 4, 4
        found = put_entry(objects, found, pdu, at, at + 4, E_STATUS2)
    else:
        count, size, head = (stop - at - 2) // 2, 2, 2
        found = put_entry(objects, found, pdu, at, min(at + 2, stop), E_STATUS)
    at += head
    for _ in range(count):
        if at + size > stop:
            break
        found = put_entry(objects, found, pdu, at, at + size, E_LINE2 if size == 4 else E_LINE)
        at += size
    return found


@kernel
def test_entry(subfunction, asks):
    """What the data of a test job, or of what answers it, are as a whole; -1: nothing."""
    if subfunction == 0x03:
        return E_STACK_ASK if asks else E_STACK
    if subfunction == 0x0A:
        return E_BREAK_ASK if asks else E_BREAK
    if subfunction == 0x10:
        return E_JOB_LIST if asks else E_JOB_STATE
    if subfunction == 0x0B or 0x0D <= subfunction <= 0x0F or subfunction == 0x11:
        if not asks:
            return -1
        return E_HOLD if subfunction == 0x0B else E_DELETE if subfunction == 0x0F else E_JOB
    return E_LOCALS_ASK if subfunction == 0x05 else E_UNKNOWN


@kernel
def list_test_data(buffer, objects, found, pdu, at, stop, way, subfunction):
    """The data of a test job, or of what answers it, but for those that carry a job; how many objects there are then."""
    if at >= stop:
        return found
    asks = way == TYPE_ASK
    if subfunction == 0x01 or subfunction == 0x13:
        return list_status(buffer, objects, found, pdu, at, stop, way, subfunction)
    if subfunction == 0x02 or subfunction == 0x08 or subfunction == 0x09:
        return list_watched(buffer, objects, found, pdu, at, stop, way, subfunction)
    if subfunction == 0x05 and not asks:
        end = at + 8 + be16(buffer, at + 6) if at + 8 <= stop else stop
        if end + 12 > stop:
            return found
        found = put_entry(objects, found, pdu, at, end, E_LOCALS)
        found = put_entry(objects, found, pdu, end, end + 4, E_LOCALS_END)
        put_time(objects[min(found - 1, len(objects) - 1)], end + 4, 8)
        return found
    kind = test_entry(subfunction, asks)
    while kind >= 0 and at < stop:
        end = at + 4 if kind == E_JOB_STATE else stop
        if end > stop:
            break
        found = put_entry(objects, found, pdu, at, end, kind)
        at = end
    return found


@kernel
def list_test(p, buffer, objects, found, pdu):
    """A test job: its parameters, its data, and a job within it; how many objects there are then."""
    at, stop = p[P_PAYLOAD], p[P_PAYLOAD_STOP]
    way, subfunction = u8(buffer, p[P_PARAM] + 5) >> 4, u8(buffer, p[P_PARAM] + 6)
    asks = way == TYPE_ASK
    for depth in range(2):
        if at + 4 > stop:
            return found
        size, length = be16(buffer, at), be16(buffer, at + 2)
        found = put_entry(objects, found, pdu, at, at + 4, E_SIZES)
        at += 4
        found = list_test_parameters(buffer, objects, found, pdu, at, size, stop, asks)
        at += size
        end = min(at + length, stop)
        if at >= end:
            return found
        if depth == 0 and subfunction == 0x12 and asks:  # replaces a job by one that it carries
            if at + 4 > end:
                return found
            found = put_entry(objects, found, pdu, at, at + 4, E_DELETE)
            subfunction, at, stop = u8(buffer, at + 2), at + 4, end
        elif depth == 0 and subfunction == 0x11 and not asks:  # the job that was asked for
            at, stop, asks, subfunction = at, end, True, -1
        elif subfunction < 0:
            return put_entry(objects, found, pdu, at, end, E_JOB_DATA)
        else:
            return list_test_data(buffer, objects, found, pdu, at, end, way, subfunction)
    return found


@kernel
def list_userdata(p, buffer, objects, found, pdu, layouts):
    """What a userdata PDU lists, behind the header of its data; how many objects there are then."""
    o = objects[new_object(objects, found, pdu)]
    found += 1
    data = p[P_DATA]
    o[B_DATA], o[B_DATA_STOP], o[B_DATA_KIND], o[B_LENGTH] = data, data + 4, V_WHOLE, be16(buffer, data + 2)
    kind, at, stop = p[P_PAYLOAD_KIND], p[P_PAYLOAD], p[P_PAYLOAD_STOP]
    if at < 0:
        return found
    if kind == Y_SZL_TOLD:
        return list_szl(buffer, objects, found, pdu, at, stop, layouts)
    if kind == Y_BLOCKS:
        return list_blocks(p, buffer, objects, found, pdu)
    if kind == Y_TIME:
        if at + 10 <= stop:
            put_time(o, at, 10)
    elif kind == Y_CPU:
        return list_cpu(p, buffer, objects, found, pdu)
    elif kind == Y_TEST:
        return list_test(p, buffer, objects, found, pdu)
    elif kind == Y_CYCLIC_ASK and at + 4 <= stop:
        return list_items(buffer, objects, found, pdu, at + 4, stop, u8(buffer, at + 1))[0]
    elif kind == Y_CYCLIC_TOLD and at + 2 <= stop:
        return list_values(buffer, objects, found, pdu, at + 2, stop, u8(buffer, at + 1))[0]
    return found


@kernel
def list_parameters(p, buffer, objects, found, pdu):
    """The parameters of a connection's PDU; how many objects there are then."""
    at, stop = p[P_COTP] + 7, p[P_COTP_STOP]
    while at + 2 <= stop:
        end = at + 2 + u8(buffer, at + 1)
        found = put_entry(objects, found, pdu, at, min(end, stop), E_PARAMETER)
        at = end
    return found


@kernel
def list_objects(pdus, buffer, layouts, objects):
    """Objects of every PDU; how many there are.

    Args:
        pdus: int64[pdus, OUT_COLUMNS].
        layouts: int64[lists, 3], id, index or -1, and kind of the entries of each system status list.
        objects: int64[capacity, OBJECT_COLUMNS]; the last row is scratch.
    """
    found = 0
    for pdu in range(len(pdus)):
        p = pdus[pdu]
        kind = p[P_COTP_KIND]
        if kind == C_ASK or kind == C_CONFIRM or kind == C_END:
            found = list_parameters(p, buffer, objects, found, pdu)
        if p[P_S7] < 0:
            continue
        if p[P_DATA_KIND] == D_USER:
            found = list_userdata(p, buffer, objects, found, pdu, layouts)
            continue
        if p[P_PARAM_KIND] == A_ITEMS:
            found = list_variables(p, buffer, objects, found, pdu)
        elif A_DOWNLOAD <= p[P_PARAM_KIND] <= A_UPLOAD:
            found = put_name(buffer, objects, found, pdu, p[P_PARAM] + 8, p[P_PARAM_STOP])
        if p[P_BLOCK_KIND] == B_BLOCKS:
            at = p[P_BLOCK] + 2
            for _ in range(u8(buffer, p[P_BLOCK]) if at <= p[P_BLOCK_STOP] else 0):
                if at + 8 > p[P_BLOCK_STOP]:
                    break
                found = put_entry(objects, found, pdu, at, at + 8, E_LISTED)
                at += 8
        start, stop = p[P_DATA], p[P_DATA_STOP]
        if p[P_DATA_KIND] == D_BLOCK and start + 4 <= stop:
            o = objects[new_object(objects, found, pdu)]
            o[B_DATA], o[B_DATA_STOP], o[B_DATA_KIND] = start, start + 4, V_BLOCK
            o[B_VALUE], o[B_VALUE_STOP] = start + 4, stop
            found += 1
        elif p[P_DATA_KIND] == D_BYTES:
            o = objects[new_object(objects, found, pdu)]
            o[B_VALUE], o[B_VALUE_STOP] = start, stop
            found += 1
    return found
