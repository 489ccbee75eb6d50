"""EtherNet/IP: encapsulation PDUs framed, answers paired, connections known.

An encapsulation header says how long its PDU is (vol. 2, 2-3). Within a TCP connection the bytes that begin no header are
skipped up to the next that do, and told once.

Two things outlive a PDU besides what framing keeps. Of a request that waits for its answer the CIP message is kept, since an
answer does not say what it answers: which object, which attribute, which parts of a multiple service packet. Of a connection
that a Forward Open made, the path and the intervals are kept under three keys: both connection ids and the triad of its
originator.
"""

from __future__ import annotations

from detector import arena_kernels as arena
from detector.bytes_kernels import le16, le32, u8
from detector.flows.columns import DIRECTION, FLOW, IS_DATAGRAM, IS_FIRST, IS_GAP, ROW, SHARDS, START, STOP, STREAM
from detector.kernel import kernel, part
from detector.packets.rows import DESTINATION_PORT, PACKET, SOURCE_PORT
from detector.protocols.framing_kernels import (
    F_LENGTH,
    F_OWN,
    OTHER,
    SPOKEN,
    UNKNOWN,
    end_chunk,
    home_of,
    is_settled,
    mode_so_far,
    open_span,
    server_port,
)  # fmt: skip
from detector.protocols.pairing_kernels import (
    EXCEPTION,
    P_ANOMALIES,
    P_KIND,
    P_OWN,
    P_REQUEST_FRAME,
    P_START,
    P_STOP,
    R_FLOW,
    R_FRAME,
    R_KEY,
    R_OWN,
    R_TIME,
    REPORT,
    REQUEST,
    RESPONSE,
    add_row,
    find_request,
    is_request,
    join_request,
    keep_request,
)  # fmt: skip

PORT, IO_PORT = 44818, 2222
NUMBER = 4  # place among the protocols
HEADER = 24  # bytes
LONGEST = HEADER + 0xFFFF
LONGEST_KEPT = 4096  # bytes of a request that are kept for its answer
LONGEST_PATH = 510
SHORTEST_MESSAGE = 42  # bytes of a PDU that has a message, which is the least
NOP, LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES, REGISTER, UNREGISTER, SEND, SEND_UNIT = (
    0,
    4,
    0x63,
    0x64,
    0x65,
    0x66,
    0x6F,
    0x70,
)
CONNECTED_ADDRESS, CONNECTED_DATA, UNCONNECTED_DATA, SEQUENCED_ADDRESS = 0xA1, 0xB1, 0xB2, 0x8002
IDENTITY, SERVICES_REPLY, ADDRESS_TO_TARGET, ADDRESS_TO_ORIGINATOR = 0x0C, 0x100, 0x8000, 0x8001
# Stream state behind framing's own: what the stream was found to be and the flow that was found of; whether its bytes are skipped;
# of a flow's first stream: connections it has opened.
F_LOST, F_OPENED = range(F_OWN, F_OWN + 2)
STATE_COLUMNS = F_OWN + 2
# Columns of out. Bounds of: the encapsulation header, the command's data, the items, the CIP message, the request that it answers,
# the path of its connection. ANSWER: the request's frame where Wireshark says it. -1: there is none.
(
    P_HEADER, P_COMMAND, P_DATA, P_ITEMS, P_MESSAGE, P_MESSAGE_STOP, P_SEQUENCE, P_IS_MESSAGE, P_ANSWER, P_ANSWER_NS, P_ASKED, P_ASKED_STOP,
    P_PATH, P_PATH_STOP, P_CONNECTION, P_OPEN_FRAME, P_OT_API, P_TO_API, P_OT_TIMEOUT, P_TO_TIMEOUT, P_CONNECTION_ID,
) = range(P_OWN, P_OWN + 21)  # fmt: skip
OUT_COLUMNS = P_OWN + 21
# Bits of anomalies, in the order of enip.ANOMALIES.
O_HEADER, O_COMMAND, O_LENGTH, O_ITEMS, O_MESSAGE, O_UNSOLICITED, O_CLOSED, O_NO_ROOM = 1, 2, 4, 8, 16, 32, 64, 128
DOUBTS = O_HEADER | O_COMMAND | O_LENGTH | O_ITEMS | O_NO_ROOM
# Kinds of P_COMMAND, in the order of enip.COMMAND_KINDS.
K_OTHER, K_IDENTITY_REQUEST, K_REGISTER, K_SEND, K_SEND_UNIT, K_UNKNOWN = range(6)
R_HEAD, R_LENGTH = R_OWN, R_OWN + 1  # of a request's message: first block plus one, bytes
REQUEST_COLUMNS = R_OWN + 2
# Columns of connections, behind those that requests have: its path as above; its number in the flow; intervals that were agreed
# and after which it has ended, in microseconds; class of the object that it leads to; whether it was closed; its ids.
(
    C_HEAD,
    C_LENGTH,
    C_NUMBER,
    C_OT_API,
    C_TO_API,
    C_OT_TIMEOUT,
    C_TO_TIMEOUT,
    C_CLASS,
    C_IS_CLOSED,
    C_TARGET,
    C_ORIGINATOR,
) = range(R_OWN, R_OWN + 11)
CONNECTION_COLUMNS = R_OWN + 11
OF_TARGET, OF_ORIGINATOR, OF_TRIAD = 0, 1, 2  # what a connection is known by
CONNECTION_MANAGER, PCCC, MODBUS, ROUTER = 0x06, 0x67, 0x44, 0x02
UNCONNECTED_SEND, FORWARD_OPEN, LARGE_FORWARD_OPEN, FORWARD_CLOSE, MULTIPLE = 0x52, 0x54, 0x5B, 0x4E, 0x0A


@kernel
def is_command(command):
    """Whether the standard has a command (vol. 2, table 2-3.2)."""
    return command in (
        NOP,
        1,
        LIST_SERVICES,
        LIST_IDENTITY,
        LIST_INTERFACES,
        REGISTER,
        UNREGISTER,
        SEND,
        SEND_UNIT,
        0x72,
        0x73,
        0xC8,
    )


@kernel
def is_header(buffer, start, is_lost):
    """Whether 24 bytes can be a header: of a command that there is, or at least with a status and options of zero.

    Where bytes were skipped both are asked for, since 0 is a command.
    """
    is_quiet = le32(buffer, start + 8) == 0 and le32(buffer, start + 20) == 0
    if is_lost:
        return is_command(le16(buffer, start)) and le16(buffer, start) > 0 and is_quiet
    return is_command(le16(buffer, start)) or is_quiet


@kernel
def is_strict(buffer, start, stop):
    """Whether a chunk is what a session begins with: its registration, with version 1 and zeros (vol. 2, 2-4.4)."""
    if stop - start != HEADER + 4 or le32(buffer, start) != 0x00040065 or le32(buffer, start + HEADER) != 1:
        return False
    return le32(buffer, start + 4) == 0 and le32(buffer, start + 8) == 0 and le32(buffer, start + 20) == 0


@kernel
def mode_of(marks, chunks, i, cells, flows, buffer, start, stop):
    """Whether a chunk's stream speaks EtherNet/IP: on its port, or like its other direction, or as a session begins."""
    row = chunks[i, ROW]
    port = server_port(cells, flows, row)
    if port == PORT or (port == IO_PORT and chunks[i, IS_DATAGRAM]):
        return SPOKEN
    if chunks[i, IS_DATAGRAM]:
        return SPOKEN if cells[SOURCE_PORT, row] == PORT or cells[DESTINATION_PORT, row] in (PORT, IO_PORT) else OTHER
    mode = mode_so_far(marks, chunks, i, NUMBER, flows, start < stop)
    if mode == UNKNOWN and start < stop:
        mode = SPOKEN if is_strict(buffer, start, stop) else OTHER
    return mode


@part
def find_message(out, i, buffer, at, stop):
    """Goes through the items of the common packet format (vol. 2, 2-6) and says in row i which bytes are the CIP message."""
    if at + 2 > stop:
        out[i, P_ANOMALIES] |= O_ITEMS
        return
    out[i, P_ITEMS] = at
    count, at = le16(buffer, at), at + 2
    for _ in range(count):
        if at + 4 > stop or at + 4 + le16(buffer, at + 2) > stop:
            out[i, P_ANOMALIES] |= O_ITEMS
            return
        kind, size, at = le16(buffer, at), le16(buffer, at + 2), at + 4
        if (kind == CONNECTED_ADDRESS or kind == SEQUENCED_ADDRESS) and size >= 4:
            out[i, P_CONNECTION_ID] = le32(buffer, at)
        if out[i, P_MESSAGE] < 0 and kind == UNCONNECTED_DATA and size > 0:
            out[i, P_MESSAGE], out[i, P_MESSAGE_STOP], out[i, P_IS_MESSAGE] = at, at + size, 1
        elif out[i, P_MESSAGE] < 0 and kind == CONNECTED_DATA and size >= 2:
            out[i, P_SEQUENCE] = le16(buffer, at)
            out[i, P_MESSAGE], out[i, P_MESSAGE_STOP], out[i, P_IS_MESSAGE] = at + 2, at + size, 1
        at += size


@kernel
def has_bad_shape(buffer, at, stop):
    """Whether a CIP message is too short for its header and path, or for its status."""
    if stop - at < 2:
        return True
    if u8(buffer, at) & 0x80:
        return stop - at < 4 or stop - at < 4 + 2 * u8(buffer, at + 3)
    return stop - at < 2 + 2 * u8(buffer, at + 1)


@kernel
def class_of(buffer, at, stop):
    """The class that a request's path begins with, -1 where it begins otherwise."""
    if stop - at < 4 or u8(buffer, at + 1) < 1 or u8(buffer, at + 2) != 0x20:
        return -1
    return u8(buffer, at + 3)


@kernel
def last_class(buffer, at, stop):
    """The class that a connection's path leads to, -1: none that is told in a byte."""
    found = -1
    while at + 2 <= stop:
        kind = u8(buffer, at)
        if kind == 0x20:
            found = u8(buffer, at + 1)
        at += 10 if kind == 0x34 else 4 if kind & 0xE3 == 0x21 else 6 if kind & 0xE3 == 0x22 else 2
    return found


@kernel
def triad_key(buffer, at):
    """What a connection's originator, its vendor and its number make up."""
    return (OF_TRIAD << 60) | ((le32(buffer, at + 4) & 0xFFFFFFF) << 32) | le32(buffer, at)


@part
def find_connection(connections, flow, number, is_to_server):
    """The place of a connection by its id in a direction, -1: not known. What the other direction calls it is taken as well."""
    for turn in range(2):
        side = OF_TARGET if is_to_server == (turn == 0) else OF_ORIGINATOR
        key = (side << 60) | number
        place = find_request(connections, flow, key)
        if is_request(connections, place, flow, key):
            return place
    return -1


@part
def load_connection(connections, place, kept, kept_links, out, i, buffer, used):
    """Says in row i what is known of a connection, its path behind `used`; how much is used then."""
    out[i, P_CONNECTION], out[i, P_OPEN_FRAME] = connections[place, C_NUMBER], connections[place, R_FRAME]
    out[i, P_OT_API], out[i, P_TO_API] = connections[place, C_OT_API], connections[place, C_TO_API]
    out[i, P_OT_TIMEOUT], out[i, P_TO_TIMEOUT] = connections[place, C_OT_TIMEOUT], connections[place, C_TO_TIMEOUT]
    size = connections[place, C_LENGTH]
    if connections[place, C_HEAD] == 0:
        return used
    arena.load_blocks(kept, kept_links, connections[place, C_HEAD] - 1, size, buffer, used)
    out[i, P_PATH], out[i, P_PATH_STOP] = used, used + size
    return used + size


@kernel
def multiplier_of(code):
    """How many intervals without data end a connection (vol. 1, 3-5.4.1.4)."""
    return 4 << code if code < 8 else 0


@part
def open_connection(connections, kept, kept_links, kept_meta, state, stream, out, i, buffer, flow, now):
    """Keeps the connection that the answer of row i to a Forward Open made, unless it carries no messages."""
    at, asked = out[i, P_MESSAGE], out[i, P_ASKED]
    reply = at + 4 + 2 * u8(buffer, at + 3)
    d = asked + 2 + 2 * u8(buffer, asked + 1)
    is_large = u8(buffer, asked) == LARGE_FORWARD_OPEN
    tail = d + (40 if is_large else 36)
    if out[i, P_MESSAGE_STOP] - reply < 26 or out[i, P_ASKED_STOP] < tail:
        return
    path, size = tail, 2 * u8(buffer, tail - 1)
    if path + size > out[i, P_ASKED_STOP] or u8(buffer, tail - 2) & 15 < 2:
        return
    to_target = u8(buffer, d + (29 if is_large else 27)) & 0x60
    to_originator = u8(buffer, d + (37 if is_large else 33)) & 0x60
    if to_target == 0 and to_originator == 0:
        return
    if le32(buffer, reply + 8) != le32(buffer, d + 10) or le32(buffer, reply + 12) != le32(buffer, d + 14):
        return
    target = last_class(buffer, path, path + size)
    multiplier = multiplier_of(u8(buffer, d + 18))
    number = state[stream & ~1, F_OPENED]
    for kind in range(3):
        key = triad_key(buffer, d + 10) if kind == OF_TRIAD else (kind << 60) | le32(buffer, reply + 4 * kind)
        place = find_request(connections, flow, key)
        if connections[place, C_HEAD]:
            arena.free_blocks(kept_links, kept_meta, flow % SHARDS, connections[place, C_HEAD] - 1)
        connections[place, R_FLOW], connections[place, R_KEY] = flow + 1, key
        connections[place, R_FRAME], connections[place, R_TIME] = out[i, P_REQUEST_FRAME], now
        connections[place, C_HEAD] = (
            arena.store_blocks(kept, kept_links, kept_meta, flow % SHARDS, buffer, path, path + size) + 1
        )
        connections[place, C_LENGTH], connections[place, C_NUMBER] = size, number
        connections[place, C_OT_API], connections[place, C_TO_API] = le32(buffer, reply + 16), le32(buffer, reply + 20)
        connections[place, C_OT_TIMEOUT] = le32(buffer, d + 22) * multiplier
        connections[place, C_TO_TIMEOUT] = le32(buffer, d + (30 if is_large else 28)) * multiplier
        connections[place, C_CLASS], connections[place, C_IS_CLOSED] = target, 0
        connections[place, C_TARGET], connections[place, C_ORIGINATOR] = le32(buffer, reply), le32(buffer, reply + 4)
    state[stream & ~1, F_OPENED] += 1


@part
def close_connection(connections, kept, kept_links, out, i, buffer, triad, flow, used):
    """A Forward Close, or its answer: what is known of the connection, which has ended; how much is used then."""
    key = triad_key(buffer, triad)
    place = find_request(connections, flow, key)
    if not is_request(connections, place, flow, key):
        return used
    for side in range(2):
        known = find_connection(connections, flow, connections[place, C_ORIGINATOR if side else C_TARGET], side == 0)
        if known >= 0:
            connections[known, C_IS_CLOSED] = 1
    return load_connection(connections, place, kept, kept_links, out, i, buffer, used)


@kernel
def context_key(buffer, start, command):
    """What an answer without a connection repeats of its request: the sender's context, and the session where there is one yet."""
    context = (le32(buffer, start + 16) << 32) | le32(buffer, start + 12)
    session = le32(buffer, start + 4) if command == SEND or command == SEND_UNIT else 0
    return context ^ (session << 17) ^ (command << 48)


@kernel
def drop_kept(requests, place, kept_links, kept_meta, flow):
    """Gives up the message of a request."""
    if requests[place, R_HEAD]:
        arena.free_blocks(kept_links, kept_meta, flow % SHARDS, requests[place, R_HEAD] - 1)
    requests[place, R_HEAD] = 0


@part
def pair(requests, kept, kept_links, kept_meta, out, i, buffer, used, flow, key, frame, now):
    """Keeps a request, or finds the one that row i answers and its message, which is put behind `used`; how much is used then."""
    place = find_request(requests, flow, key)
    start, stop = out[i, P_MESSAGE], out[i, P_MESSAGE_STOP]
    if out[i, P_KIND] == REQUEST:
        drop_kept(requests, place, kept_links, kept_meta, flow)
        keep_request(requests, place, flow, key, frame, now, out, i)
        if 0 <= start < stop and stop - start <= LONGEST_KEPT:
            requests[place, R_HEAD] = (
                arena.store_blocks(kept, kept_links, kept_meta, flow % SHARDS, buffer, start, stop) + 1
            )
            requests[place, R_LENGTH] = stop - start
        return used
    if not is_request(requests, place, flow, key):
        if start >= 0:
            out[i, P_ANOMALIES] |= O_UNSOLICITED
        return used
    join_request(requests, place, out, i)
    if start >= 0:
        out[i, P_ANSWER], out[i, P_ANSWER_NS] = requests[place, R_FRAME], now - requests[place, R_TIME]
    if start < 0 or requests[place, R_HEAD] == 0:
        return used
    size = requests[place, R_LENGTH]
    arena.load_blocks(kept, kept_links, requests[place, R_HEAD] - 1, size, buffer, used)
    drop_kept(requests, place, kept_links, kept_meta, flow)
    out[i, P_ASKED], out[i, P_ASKED_STOP] = used, used + size
    return used + size


@part
def judge(
    requests,
    connections,
    kept,
    kept_links,
    kept_meta,
    state,
    stream,
    out,
    i,
    buffer,
    used,
    flow,
    is_to_server,
    frame,
    now,
):
    """What a message is, the connection that it belongs to, and the request that it answers; how much of buffer is used then."""
    start, at, stop = out[i, P_START], out[i, P_MESSAGE], out[i, P_MESSAGE_STOP]
    key, is_response = context_key(buffer, start, le16(buffer, start)), not is_to_server
    if out[i, P_SEQUENCE] >= 0:
        known, number = -1, 0
        if out[i, P_CONNECTION_ID] >= 0:
            known = find_connection(connections, flow, out[i, P_CONNECTION_ID], is_to_server)
        if known >= 0:
            used = load_connection(connections, known, kept, kept_links, out, i, buffer, used)
            number = connections[known, C_TARGET]
            if connections[known, C_IS_CLOSED]:
                out[i, P_ANOMALIES] |= O_CLOSED
            if connections[known, C_CLASS] != ROUTER:
                out[i, P_IS_MESSAGE] = 0
        key = (1 << 62) | (number << 16) | out[i, P_SEQUENCE]
    if out[i, P_IS_MESSAGE] == 1:
        if has_bad_shape(buffer, at, stop):
            out[i, P_ANOMALIES] |= O_MESSAGE
        if at < stop:
            is_response = u8(buffer, at) & 0x80 != 0
    out[i, P_KIND] = RESPONSE if is_response else REQUEST
    used = pair(requests, kept, kept_links, kept_meta, out, i, buffer, used, flow, key, frame, now)
    if out[i, P_IS_MESSAGE] != 1 or out[i, P_ANOMALIES] & O_MESSAGE:
        return used
    if not is_response:
        triad = at + 4 + 2 * u8(buffer, at + 1)
        if u8(buffer, at) == FORWARD_CLOSE and class_of(buffer, at, stop) == CONNECTION_MANAGER and triad + 8 <= stop:
            used = close_connection(connections, kept, kept_links, out, i, buffer, triad, flow, used)
        return used
    if u8(buffer, at + 2) != 0:
        out[i, P_KIND] = EXCEPTION
        return used
    asked, asked_stop = out[i, P_ASKED], out[i, P_ASKED_STOP]
    if asked < 0 or class_of(buffer, asked, asked_stop) != CONNECTION_MANAGER:
        return used
    service, data = u8(buffer, at) & 0x7F, at + 4 + 2 * u8(buffer, at + 3)
    if service != u8(buffer, asked):
        return used
    if service == FORWARD_OPEN or service == LARGE_FORWARD_OPEN:
        open_connection(connections, kept, kept_links, kept_meta, state, stream, out, i, buffer, flow, now)
    elif service == FORWARD_CLOSE and data + 8 <= stop:
        used = close_connection(connections, kept, kept_links, out, i, buffer, data, flow, used)
    return used


@part
def take_pdu(
    requests,
    connections,
    kept,
    kept_links,
    kept_meta,
    state,
    stream,
    out,
    i,
    buffer,
    used,
    flow,
    is_to_server,
    frame,
    now,
):
    """Makes row i of the PDU whose bytes it has; how much of the buffer is used then."""
    start, stop = out[i, P_START], out[i, P_STOP]
    command, data = le16(buffer, start), start + HEADER
    out[i, P_HEADER], out[i, P_COMMAND] = start, K_OTHER
    out[i, P_KIND] = REQUEST if is_to_server else RESPONSE
    if data < stop:
        out[i, P_DATA] = data
    if not is_command(command):
        out[i, P_ANOMALIES] |= O_COMMAND
        out[i, P_COMMAND] = K_UNKNOWN
    elif command == LIST_IDENTITY and (data == stop or is_to_server):
        out[i, P_COMMAND] = K_IDENTITY_REQUEST
    elif command == REGISTER:
        out[i, P_COMMAND] = K_REGISTER
        if stop - data < 4:
            out[i, P_ANOMALIES] |= O_LENGTH
    elif command in (1, 0x72, 0x73, 0xC8):
        out[i, P_COMMAND] = K_UNKNOWN
    if command == NOP or command == UNREGISTER:
        out[i, P_KIND] = REPORT if command == NOP else REQUEST
        return used
    if command == SEND or command == SEND_UNIT:
        out[i, P_COMMAND] = K_SEND if command == SEND else K_SEND_UNIT
        if data < stop and stop - data < 8:
            out[i, P_ANOMALIES] |= O_LENGTH
        elif data < stop:
            find_message(out, i, buffer, data + 6, stop)
    elif command in (LIST_SERVICES, LIST_IDENTITY, LIST_INTERFACES) and data < stop:
        find_message(out, i, buffer, data, stop)
        out[i, P_MESSAGE], out[i, P_MESSAGE_STOP], out[i, P_IS_MESSAGE], out[i, P_SEQUENCE] = -1, -1, -1, -1
    if out[i, P_MESSAGE] >= 0:
        used = judge(
            requests,
            connections,
            kept,
            kept_links,
            kept_meta,
            state,
            stream,
            out,
            i,
            buffer,
            used,
            flow,
            is_to_server,
            frame,
            now,
        )
    else:
        if command == SEND_UNIT and data == stop:
            return used
        key = context_key(buffer, start, command)
        used = pair(requests, kept, kept_links, kept_meta, out, i, buffer, used, flow, key, frame, now)
    if le32(buffer, start + 8) != 0 and out[i, P_KIND] == RESPONSE:
        out[i, P_KIND] = EXCEPTION
    return used


@kernel
def frame_chunks(
    chunks, chosen, first, cells, flows, times, numbers, buffer, used, state, blocks, links, meta, requests, connections, kept, kept_links,
    kept_meta, out, found,
):  # fmt: skip
    """PDUs of chosen chunks, in their order.

    Args:
        chosen: int64[n], ascending, the chunks of streams that speak it.  first: place in it.
        times, numbers: int64[packets], ns and frame number.
        state: int64[streams, STATE_COLUMNS].
        requests: int64[power of two, REQUEST_COLUMNS], open requests.
        connections: int64[power of two, CONNECTION_COLUMNS].
        kept, kept_links, kept_meta: an arena of requests' messages and connections' paths.
        out: int64[capacity, OUT_COLUMNS].

    Returns:
        (next place, PDUs found, bytes used): next place < len(chosen) asks for room in out or buffer.
    """
    for place in range(first, len(chosen)):
        i = chosen[place]
        row, stream = chunks[i, ROW], chunks[i, STREAM]
        shard = flows[row, FLOW] % SHARDS
        is_datagram = chunks[i, IS_DATAGRAM] != 0
        size = chunks[i, STOP] - chunks[i, START] + (0 if is_datagram else state[stream, F_LENGTH])
        room = size + (size // SHORTEST_MESSAGE + 1) * (LONGEST_KEPT + 2 * LONGEST_PATH)
        if found + size // HEADER + 3 > len(out) or len(buffer) - used < room:
            return place, found, used
        packet, is_to_server = cells[PACKET, row], flows[row, DIRECTION] == 0
        if (cells[DESTINATION_PORT, row] == PORT) != (cells[SOURCE_PORT, row] == PORT):
            is_to_server = cells[DESTINATION_PORT, row] == PORT
        home = home_of(cells, flows, row, PORT, IO_PORT if is_datagram else PORT)
        before = found
        if is_datagram:
            begin, start, stop = chunks[i, START], chunks[i, STOP], chunks[i, STOP]
            if cells[DESTINATION_PORT, row] == IO_PORT or cells[SOURCE_PORT, row] == IO_PORT:
                add_row(out, found, row, begin, stop, 0)
                find_message(out, found, buffer, begin, stop)
                out[found, P_IS_MESSAGE] = -1
                if out[found, P_ANOMALIES] == 0:
                    out[found, P_KIND] = REPORT
            elif stop - begin < HEADER or not is_header(buffer, begin, False):
                add_row(out, found, row, begin, stop, O_HEADER)
            else:
                end = begin + HEADER + le16(buffer, begin + 2)
                add_row(out, found, row, begin, min(end, stop), O_LENGTH if end != stop else 0)
                used = take_pdu(
                    requests, connections, kept, kept_links, kept_meta, state, stream, out, found, buffer, used,
                    flows[row, FLOW], is_to_server, numbers[packet], times[packet],
                )  # fmt: skip
                out[found, P_ANOMALIES] &= ~O_UNSOLICITED  # a broadcast is answered in flows of their own
            found += 1
        else:
            if chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
                state[stream, F_LOST] = 0
                if chunks[i, IS_FIRST]:
                    state[stream & ~1, F_OPENED] = 0
            start, stop, used = open_span(state, blocks, links, meta, shard, chunks, i, buffer, used)
            begin = start
        while stop - start >= HEADER:
            if not is_header(buffer, start, state[stream, F_LOST] != 0):
                if not state[stream, F_LOST]:
                    add_row(out, found, row, start, start + 1, O_HEADER)
                    found += 1
                    state[stream, F_LOST] = 1
                start += 1
                continue
            end = start + HEADER + le16(buffer, start + 2)
            if end > stop:
                break
            state[stream, F_LOST] = 0
            add_row(out, found, row, start, end, 0)
            used = take_pdu(
                requests, connections, kept, kept_links, kept_meta, state, stream, out, found, buffer, used, flows[row, FLOW],
                is_to_server, numbers[packet], times[packet],
            )  # fmt: skip
            found += 1
            start = end
        if start < stop or not is_settled(state, flows, row, stream):
            found = end_chunk(
                state, blocks, links, meta, shard, chunks, i, flows, buffer, begin, start, stop, home,
                out, before, found, DOUBTS, O_NO_ROOM,
            )  # fmt: skip
    return len(chosen), found, used
