"""What DNP3 messages list: objects with their points, values, flags and times (IEEE 1815-2012: 4.2.2.7, 11 and annex A).

An object that cannot be ends its message's list: nothing says where the next one begins.
"""

from __future__ import annotations

from detector.bytes_kernels import le16, le32, u8
from detector.kernel import kernel
from detector.protocols.dnp3_kernels import LAST_REQUEST, P_APPLICATION, P_APPLICATION_STOP

# Columns of objects. Bounds of: the object header, its range, an object's prefix, and the object's parts; FIRST: whether
# it is the first behind its header; CODE: group and variation, of octet strings the group alone; COUNTED: where it begins when it has no index of its own;
# INVALID: I_HEADER or I_DATA where it cannot be read on; -1: there is none.
(
    B_PDU, B_FIRST, B_HEADER, B_HEADER_STOP, B_RANGE, B_RANGE_STOP, B_RANGE_KIND, B_PREFIX, B_PREFIX_STOP, B_PREFIX_KIND,
    B_COUNTED, B_INDEX, B_FLAGS, B_FLAGS_KIND, B_VALUE, B_VALUE_STOP, B_VALUE_KIND, B_STATUS, B_TIME, B_TIME_KIND, B_NUMBER,
    B_STOP, B_CODE, B_INVALID,
) = range(24)  # fmt: skip
OBJECT_COLUMNS = 24
# Kinds of the parts, in the order of dnp3.FLAGS, VALUES and TIMES.
NO_FLAGS, STATUS_FIRST, STATUS_LAST = 0, 7, 8
(
    V_NONE, V_BIT, V_TWO_BITS, V_ANA16, V_ANA32, V_ANAF, V_ANAD, V_OUT16, V_OUT32, V_OUTF, V_OUTD, V_CNT16, V_CNT32, V_COMMANDED,
    V_CONTROL, V_DELAY, V_INTERVAL, V_OCTETS, V_FILE_READ, V_FILE_WRITE, V_FILE_APPEND, V_FILE_STATUS, V_FILE_BLOCK,
    V_FILE_BLOCK_STATUS, V_TEXT, V_U8, V_U16, V_U32, V_I8, V_I16, V_I32, V_F32, V_F64, V_ATTRIBUTE, V_EMPTY, V_UNKNOWN,
    V_AGGRESSIVE, V_KEY_REQUEST, V_CHALLENGE, V_REPLY, V_KEY_STATUS, V_KEY_CHANGE, V_AUTH_ERROR, V_MAC, V_SECURITY,
) = range(45)  # fmt: skip
T_NONE, T_ABSOLUTE, T_RELATIVE = 0, 1, 2
I_HEADER, I_DATA = 1, 2
LAYOUT_VARIATIONS, LAYOUT_GROUPS = 16, 128


@kernel
def range_of(buffer, at, stop, kind):
    """(bytes of a range field, first index, how many objects), of a qualifier's range code (4.2.2.7.3).

    How many: -I_HEADER where the field cannot be read, -I_DATA where it ends before it begins.
    """
    size = 0
    if kind <= 5:  # the first and the last index, or virtual address
        size = 2 << (kind % 3)
    elif 7 <= kind <= 9:
        size = 1 << (kind - 7)
    elif kind == 11:
        size = 1
    elif kind != 6:
        return 0, 0, -I_HEADER
    if at + size > stop:
        return 0, 0, -I_HEADER
    if kind <= 5:
        half = size // 2
        first, last = number_of(buffer, at, half), number_of(buffer, at + half, half)
        return size, first, last - first + 1 if last >= first else -I_DATA
    return size, 0, number_of(buffer, at, size) if size else 0


@kernel
def number_of(buffer, at, size):
    """A little-endian number of 1, 2 or 4 bytes."""
    return u8(buffer, at) if size == 1 else le16(buffer, at) if size == 2 else le32(buffer, at)


@kernel
def has_no_data(function):
    """Whether a function's objects are headers alone: what is read, frozen, assigned to a class, confirmed."""
    return function in (0, 1, 7, 8, 9, 10, 11, 12, 22)


@kernel
def attribute_kind(kind, length):
    """What a device attribute's value is (11.9, table of data types)."""
    if kind == 1:
        return V_TEXT
    if kind == 2 and length in (1, 2, 4):
        return V_U8 if length == 1 else V_U16 if length == 2 else V_U32
    if kind == 3 and length in (1, 2, 4):
        return V_I8 if length == 1 else V_I16 if length == 2 else V_I32
    if kind == 4 and length in (4, 8):
        return V_F32 if length == 4 else V_F64
    return V_ATTRIBUTE


@kernel
def put_value(o, buffer, at, stop, group, size, layout, sizes):
    """Says in o, the cells of an object, where its parts lie, whose first byte is at; where it ends, -1 where it cannot.

    size: of the object by its prefix, -1 where it has no such.
    """
    value = layout[1]
    if group == 0:
        if at + 2 > stop or at + 2 + u8(buffer, at + 1) > stop:
            return -1
        end = at + 2 + u8(buffer, at + 1)
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, end, attribute_kind(u8(buffer, at), end - at - 2)
        return end
    if value >= V_FILE_READ and value <= V_FILE_BLOCK_STATUS:
        end = at + size if size >= 0 else stop
        least = 26 if value == V_FILE_READ else 13 if value == V_FILE_STATUS else 8 if value == V_FILE_BLOCK else 9
        if end > stop or end - at < least:
            return -1
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, end, value
        if value == V_FILE_READ:
            mode, name = le16(buffer, at + 20), le16(buffer, at + 2)
            o[B_VALUE_KIND] = V_FILE_WRITE if mode == 2 else V_FILE_APPEND if mode == 3 else V_FILE_READ
            o[B_VALUE_STOP] = min(end, at + 26 + name)
        elif value != V_FILE_STATUS:
            o[B_NUMBER] = le32(buffer, at + 4) & 0x7FFFFFFF
        return end
    if value >= V_AGGRESSIVE:  # of these, two need no size of their own
        end = at + size if size >= 0 else at + sizes[value] if value <= V_KEY_REQUEST else -1
        if end > stop or end - at < sizes[value]:
            return -1
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, end, value
        return end
    flags, time = layout[0], layout[2]
    if flags != NO_FLAGS and flags < STATUS_FIRST:
        o[B_FLAGS], o[B_FLAGS_KIND] = at, flags
        at += 1
    elif flags == STATUS_FIRST:
        o[B_STATUS] = at
        at += 1
    if value == V_COMMANDED:
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at - 1, at, value
    elif value != V_NONE and value != V_INTERVAL:
        o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = at, at + sizes[value], value
        if value == V_CONTROL:
            o[B_STATUS] = at + 10
        at += sizes[value]
    if flags == STATUS_LAST:
        o[B_STATUS] = at
        at += 1
    if time != T_NONE:
        o[B_TIME], o[B_TIME_KIND] = at, time
        at += 6 if time == T_ABSOLUTE else 2
    if value == V_INTERVAL:
        at += sizes[value]
    return at if at <= stop else -1


@kernel
def clear_object(o, pdu, header, range_stop, is_first, code):
    """An object behind a header, of which nothing else is known yet."""
    for column in range(OBJECT_COLUMNS):
        o[column] = -1
    o[B_PDU], o[B_FIRST] = pdu, is_first
    o[B_HEADER], o[B_HEADER_STOP] = header, header + 3
    o[B_RANGE], o[B_RANGE_STOP] = header + 3, range_stop
    o[B_STOP], o[B_CODE] = range_stop, code


@kernel
def list_message(buffer, pdu, at, stop, function, layouts, sizes, objects, found):
    """The objects of one message; how many there are with it. One that cannot be ends it: nothing says where the next begins."""
    o = objects[len(objects) - 1]  # where what finds no room is put
    while at + 3 <= stop:
        group, variation, qualifier = u8(buffer, at), u8(buffer, at + 1), u8(buffer, at + 2)
        prefix, kind = (qualifier >> 4) & 7, qualifier & 15
        size, index, count = range_of(buffer, at + 3, stop, kind)
        header, at = at, at + 3 + size
        range_stop = at
        layout = layouts[0]
        if group == 0:  # attributes of the device, which say themselves what they are
            layout = layouts[1]
        elif group < LAYOUT_GROUPS and variation < LAYOUT_VARIATIONS:
            layout = layouts[group * LAYOUT_VARIATIONS + variation]
        octets = group in (110, 111, 112, 113)
        code = group << 8 if octets else (group << 8) | variation
        value = layout[1]
        if octets:  # the variation is their length
            value = V_OCTETS if variation > 0 else V_EMPTY
        has_data = not has_no_data(function) or (4 <= prefix <= 6)
        if count <= 0 or (not has_data and prefix == 0):
            if found < len(objects) - 1:
                o = objects[found]
            clear_object(o, pdu, header, range_stop, 1, code)
            o[B_RANGE_KIND] = kind
            found += 1
            if count < 0:
                o[B_INVALID] = -count
                return found
            continue
        prefix_size = 0 if prefix == 0 else 1 << ((prefix - 1) % 3)
        k = 0
        while k < count:
            o = objects[found] if found < len(objects) - 1 else objects[len(objects) - 1]
            clear_object(o, pdu, header, range_stop, 1 if k == 0 else 0, code)
            o[B_RANGE_KIND], o[B_PREFIX_KIND] = kind, prefix
            found += 1
            point, data = at, at + prefix_size
            if data > stop or prefix == 7:
                o[B_INVALID] = I_DATA
                return found
            if prefix == 0:
                o[B_COUNTED], o[B_INDEX] = at, index + k
            else:
                o[B_PREFIX], o[B_PREFIX_STOP] = at, data
                o[B_INDEX] = number_of(buffer, at, prefix_size)
            given = number_of(buffer, at, prefix_size) if prefix >= 4 else -1
            if not has_data:
                at = data
            elif value == V_EMPTY:  # such an object has no data, and so none of them is there
                at, k = data, count
            elif value == V_BIT or value == V_TWO_BITS:
                each = 8 if value == V_BIT else 4
                if prefix > 0:
                    each = 1
                if data >= stop:
                    o[B_INVALID] = I_DATA
                    return found
                bits = u8(buffer, data)
                shift = (k % each) * (8 // each if each > 1 else 0)
                o[B_NUMBER] = (bits >> shift) & (1 if value == V_BIT else 3)
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = data, data + 1, value
                if k % each == each - 1 or k == count - 1:
                    at = data + 1
            elif value == V_UNKNOWN and given < 0:
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = point, stop, value
                return found
            elif value == V_UNKNOWN:
                if data + given > stop:
                    o[B_INVALID] = I_DATA
                    return found
                at = data + given
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = data, at, value
            elif octets:
                if data + variation > stop:
                    o[B_INVALID] = I_DATA
                    return found
                o[B_VALUE], o[B_VALUE_STOP], o[B_VALUE_KIND] = data, data + variation, value
                at = data + variation
            else:
                end = put_value(o, buffer, data, stop, group, given, layout, sizes)
                if end < 0:
                    for column in range(B_FLAGS, B_STOP):
                        o[column] = -1
                    o[B_INVALID] = I_DATA
                    return found
                at = end
            o[B_STOP] = at
            k += 1
    return found


@kernel
def list_objects(pdus, buffer, layouts, sizes, objects):
    """Objects of every message; how many there are.

    Args:
        pdus: int64[pdus, OUT_COLUMNS].
        layouts: int64[groups * variations, 3], flags, value and time of each object.
        sizes: int64[values], bytes of each kind of value.
        objects: int64[capacity, OBJECT_COLUMNS]; the last row is scratch.
    """
    found = 0
    for pdu in range(len(pdus)):
        start, stop = pdus[pdu, P_APPLICATION], pdus[pdu, P_APPLICATION_STOP]
        if start < 0 or stop - start < 2:
            continue
        function = u8(buffer, start + 1)
        at = start + 2
        if 129 <= function <= 131:
            at += 2
        elif function > LAST_REQUEST:
            continue
        found = list_message(buffer, pdu, at, stop, function, layouts, sizes, objects, found)
    return found
