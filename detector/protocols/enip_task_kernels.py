"""EtherNet/IP: the pieces that PDUs are taken apart into, the stack of what is still to do, and how both grow."""

from __future__ import annotations

from detector.kernel import part
from detector.protocols.enip_parts import KINDS, LOGICALS

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
