"""S7 framing: TPKT (RFC 1006), COTP of class 0 (ISO 8073, 13), S7 and S7-plus PDUs in it, their parts, and pairing.

A row is a TPKT. A PDU in several is put together behind the batch's bytes, and so are data that a PLC sends in several PDUs;
the row that completes them has them. What is no TPKT is skipped up to the next one, and told once.
"""

from __future__ import annotations

from detector import arena_kernels as arena
from detector.bytes_kernels import be16, u8
from detector.flows.columns import DIRECTION, FLOW, IS_DATAGRAM, IS_FIRST, IS_GAP, ROW, SHARDS, START, STOP, STREAM
from detector.kernel import kernel
from detector.packets.rows import PACKET
from detector.protocols.framing_kernels import (
    F_LENGTH,
    F_OWN,
    NUMBER_BYTES,
    OTHER,
    SPOKEN,
    UNKNOWN,
    end_chunk,
    home_of,
    is_settled,
    mode_so_far,
    open_span,
    put_number,
    server_port,
)  # fmt: skip
from detector.protocols.pairing_kernels import (
    EXCEPTION,
    LINK,
    MALFORMED,
    P_ANOMALIES,
    P_KIND,
    P_OWN,
    P_START,
    P_STOP,
    PART,
    R_OWN,
    REPORT,
    REQUEST,
    RESPONSE,
    add_row,
    find_request,
    is_request,
    join_request,
    keep_request,
)  # fmt: skip

PORT = 102
NUMBER = 3  # place among the protocols
HEADER = 4  # bytes of a TPKT's header
SHORTEST = 7  # TPKT: with the shortest COTP header
MOST_BYTES, MOST_PIECES = 65536, 1024  # of a PDU in several TPKTs, of data in several PDUs
# Stream state behind framing's own: what the stream was found to be and the flow that was found of; whether its bytes are
# skipped. Of a PDU and of data that are not whole yet: first block of the bytes plus one, their number, first block of the
# frames' numbers plus one, pieces. REFERENCE: what joins data. F_PLUS: an S7-plus PDU goes on.
F_LOST, F_PDU = F_OWN, F_OWN + 1
F_UNIT, F_REFERENCE, F_PLUS = F_PDU + 4, F_PDU + 8, F_PDU + 9
STATE_COLUMNS = F_PLUS + 1
J_HEAD, J_LENGTH, J_NUMBERS, J_PIECES = range(4)  # behind F_PDU and F_UNIT
# Columns of out. Bounds of: the TPKT, its COTP header; TSAPs and their texts; SIZE: of a TPDU. The last piece of a PDU in
# several; of the whole the numbers of its frames, pieces, bytes. The S7 header, parameters, data; what stands behind the parameters'
# first part; a service's parameter block and name; what data consist of, joined, and what they were joined of. The S7-plus
# PDU, its data and trailer. KIND: as s7comm.py has them. -1: there is none.
(
    P_TPKT, P_COTP, P_COTP_STOP, P_COTP_KIND, P_SOURCE, P_SOURCE_STOP, P_TARGET,
    P_TARGET_STOP, P_SOURCE_TEXT, P_SOURCE_TEXT_STOP, P_TARGET_TEXT, P_TARGET_TEXT_STOP, P_SIZE, P_PIECE, P_PIECE_STOP, P_FRAMES,
    P_PIECES, P_LENGTH, P_S7, P_S7_STOP, P_S7_KIND, P_PARAM, P_PARAM_STOP, P_PARAM_KIND, P_DATA, P_DATA_STOP, P_DATA_KIND, P_TAIL,
    P_TAIL_STOP, P_TAIL_KIND, P_BLOCK, P_BLOCK_STOP, P_BLOCK_KIND, P_SERVICE, P_SERVICE_STOP, P_PAYLOAD, P_PAYLOAD_STOP,
    P_PAYLOAD_KIND, P_UNIT_FRAMES, P_UNITS, P_UNIT_LENGTH, P_PLUS, P_PLUS_KIND, P_CONTENT, P_CONTENT_KIND, P_TRAILER,
) = range(P_OWN, P_OWN + 46)  # fmt: skip
OUT_COLUMNS = P_OWN + 46
# Bits of anomalies, in the order of s7comm.ANOMALIES.
O_HEADER, O_LENGTH, O_INCOMPLETE, O_TOO_LONG, O_TYPE, O_UNSOLICITED, O_NO_ROOM = 1, 2, 4, 8, 16, 32, 64
DOUBTS = O_HEADER | O_NO_ROOM
REQUEST_COLUMNS = R_OWN
# Kinds of parts, in the order of the tuples in s7comm.py.
C_ASK, C_CONFIRM, C_END, C_ENDED, C_DATA, C_OTHER = range(6)
JOB, ACK, ACK_DATA, USERDATA = 1, 2, 3, 7
H_SHORT, H_LONG, H_ERROR = range(3)
(
    A_OTHER, A_ITEMS, A_SETUP, A_DOWNLOAD, A_BLOCK, A_DOWNLOADED, A_UPLOAD, A_UPLOADING, A_UPLOAD_BLOCK, A_UPLOADED, A_SERVICE, A_STOP,
    A_STATUS, A_EMPTY, A_SHORT, A_LONG, A_MODE,
) = range(17)  # fmt: skip
D_NONE, D_ITEMS, D_CODES, D_BLOCK, D_BYTES, D_USER = range(6)
B_ARGUMENT, B_BLOCKS, B_OTHER = range(3)
L_DOWNLOAD, L_LENGTH = range(2)
Y_NONE, Y_SZL_ASK, Y_SZL_TOLD, Y_CYCLIC_ASK, Y_CYCLIC_TOLD, Y_CYCLIC_STOP, Y_TIME, Y_BLOCKS, Y_CPU, Y_TEST, Y_BYTES = (
    range(11)
)
PLUS_LENGTH, PLUS_ALIVE = 0, 1
N_ASK, N_TOLD, N_REPORT, N_PART = range(4)
TYPE_ASK, TYPE_TOLD, TYPE_REPORT = 4, 8, 0
GROUP_TEST, GROUP_CYCLIC, GROUP_BLOCKS, GROUP_CPU, GROUP_TIME = 1, 2, 3, 4, 7
OK = 0xFF  # a return code


@kernel
def is_tpkt(buffer, start, have):
    """Whether bytes can be a TPKT's with a COTP header, as far as they go."""
    if u8(buffer, start) != 3 or (have > 1 and u8(buffer, start + 1) != 0):
        return False
    if have < 4:
        return True
    length = be16(buffer, start + 2)
    if length < SHORTEST:
        return False
    if have > 4 and not 2 <= u8(buffer, start + 4) <= length - 5:
        return False
    if have < 6:
        return True
    high = u8(buffer, start + 5) >> 4
    return high == 1 or high == 2 or 5 <= high <= 8 or high >= 12


@kernel
def is_opening(buffer, start, have):
    """Whether a stream's first bytes are a TPKT that S7 begins with: a connection with both TSAPs, or an S7 or S7-plus PDU."""
    if have < 11 or not is_tpkt(buffer, start, have):
        return False
    stop = start + be16(buffer, start + 2)
    kind = u8(buffer, start + 5)
    if kind == 0xF0:
        first, second = u8(buffer, start + 7), u8(buffer, start + 8)
        return u8(buffer, start + 4) == 2 and (
            (first == 0x32 and (1 <= second <= 3 or second == 7))
            or (first == 0x72 and (1 <= second <= 3 or second == 0xFE))
        )
    if (kind != 0xE0 and kind != 0xD0) or start + have < stop or start + 5 + u8(buffer, start + 4) != stop:
        return False
    at, found = start + 11, 0
    while at + 2 <= stop:
        code = u8(buffer, at)
        found |= 1 if code == 0xC1 else 2 if code == 0xC2 else 0
        at += 2 + u8(buffer, at + 1)
    return at == stop and found == 3


@kernel
def put_text(buffer, start, stop, used):
    """A TSAP as people read it, behind `used`: its text, or its hexadecimal digits; how much is used then."""
    is_text = stop > start
    for k in range(start, stop):
        is_text = is_text and 32 <= u8(buffer, k) < 127
    if not is_text:
        buffer[used], buffer[used + 1] = 48, 120  # 0x
        used += 2
    for k in range(start, stop):
        if is_text:
            buffer[used] = buffer[k]
            used += 1
        else:
            for digit in (u8(buffer, k) >> 4, u8(buffer, k) & 15):
                buffer[used] = digit + (48 if digit < 10 else 87)
                used += 1
    return used


@kernel
def take_connection(out, i, buffer, used):
    """The parameters of a connection's PDU (ISO 8073, 13.3); how much of the buffer is used then."""
    at, stop = out[i, P_COTP] + 7, out[i, P_COTP_STOP]
    while at + 2 <= stop:
        code, end = u8(buffer, at), at + 2 + u8(buffer, at + 1)
        if end > stop:
            out[i, P_ANOMALIES] |= O_LENGTH
            break
        if code == 0xC1:
            out[i, P_SOURCE], out[i, P_SOURCE_STOP], out[i, P_SOURCE_TEXT] = at + 2, end, used
            used = put_text(buffer, at + 2, end, used)
            out[i, P_SOURCE_TEXT_STOP] = used
        elif code == 0xC2:
            out[i, P_TARGET], out[i, P_TARGET_STOP], out[i, P_TARGET_TEXT] = at + 2, end, used
            used = put_text(buffer, at + 2, end, used)
            out[i, P_TARGET_TEXT_STOP] = used
        elif code == 0xC0 and end == at + 3:
            out[i, P_SIZE] = 1 << (u8(buffer, at + 2) & 15)
        at = end
    if at != stop:
        out[i, P_ANOMALIES] |= O_LENGTH
    return used


@kernel
def give_up(state, links, meta, pool, stream, join):
    """Gives up what waits to be put together; whether there was any."""
    if state[stream, join + J_HEAD] == 0:
        return False
    arena.free_blocks(links, meta, pool, state[stream, join + J_HEAD] - 1)
    arena.free_blocks(links, meta, pool, state[stream, join + J_NUMBERS] - 1)
    for column in range(4):
        state[stream, join + column] = 0
    return True


@kernel
def keep_piece(state, blocks, links, meta, pool, stream, join, buffer, start, stop, used, frame):
    """Puts a piece behind those that wait; whether there was room for it. Otherwise all are given up."""
    first, numbers = state[stream, join + J_HEAD] - 1, state[stream, join + J_NUMBERS] - 1
    length, pieces = state[stream, join + J_LENGTH], state[stream, join + J_PIECES]
    put_number(buffer, used, frame)
    for column in range(4):
        state[stream, join + column] = 0
    first = arena.append_blocks(blocks, links, meta, pool, first, length, buffer, start, stop)
    if first == arena.NONE:
        if numbers >= 0:
            arena.free_blocks(links, meta, pool, numbers)
        return False
    numbers = arena.append_blocks(
        blocks, links, meta, pool, numbers, pieces * NUMBER_BYTES, buffer, used, used + NUMBER_BYTES
    )
    if numbers == arena.NONE:
        arena.free_blocks(links, meta, pool, first)
        return False
    state[stream, join + J_HEAD], state[stream, join + J_NUMBERS] = first + 1, numbers + 1
    state[stream, join + J_LENGTH], state[stream, join + J_PIECES] = length + stop - start, pieces + 1
    return True


@kernel
def join_pieces(state, blocks, links, meta, pool, stream, join, buffer, start, stop, used, is_last, frame):
    """Takes one more piece of what comes in several.

    Returns:
        (outcome, pieces, first byte of the whole, its end, where the numbers of its frames are, bytes used). The outcome is
        0: it waits for more, 1: it is whole, otherwise the bit of an anomaly, and what waited was given up.
    """
    length, pieces = state[stream, join + J_LENGTH], state[stream, join + J_PIECES]
    if length + stop - start > MOST_BYTES or pieces == MOST_PIECES:
        give_up(state, links, meta, pool, stream, join)
        return O_TOO_LONG, 0, -1, -1, -1, used
    if not is_last:
        if not keep_piece(state, blocks, links, meta, pool, stream, join, buffer, start, stop, used, frame):
            return O_NO_ROOM, 0, -1, -1, -1, used
        return 0, 0, -1, -1, -1, used
    begin = used
    arena.load_blocks(blocks, links, state[stream, join + J_HEAD] - 1, length, buffer, begin)
    for k in range(stop - start):
        buffer[begin + length + k] = buffer[start + k]
    end = begin + length + stop - start
    arena.load_blocks(blocks, links, state[stream, join + J_NUMBERS] - 1, pieces * NUMBER_BYTES, buffer, end)
    put_number(buffer, end + pieces * NUMBER_BYTES, frame)
    give_up(state, links, meta, pool, stream, join)
    return 1, pieces + 1, begin, end, end, end + (pieces + 1) * NUMBER_BYTES


@kernel
def param_kind(function, rosctr, length):
    """What the parameters of a job, or of what answers it, consist of."""
    if function == 0x04 or function == 0x05:
        return A_ITEMS
    if function == 0xF0:
        return A_SETUP
    if 0x1A <= function <= 0x1F or function == 0x28:
        if rosctr == JOB:
            if function == 0x28:
                return A_SERVICE
            if function <= 0x1C:
                return A_DOWNLOAD + function - 0x1A
            return A_UPLOAD if function == 0x1D else A_UPLOAD_BLOCK if function == 0x1E else A_UPLOADED
        if function == 0x1D:
            return A_UPLOADING
        return A_STATUS if length >= 2 else A_EMPTY
    return A_STOP if function == 0x29 and rosctr == JOB else A_OTHER


@kernel
def is_name(buffer, start, stop, second, third, fourth, fifth):
    """Whether the letters of a name from its second on are these."""
    return stop - start >= 5 and (
        u8(buffer, start + 1) == second and u8(buffer, start + 2) == third and u8(buffer, start + 3) == fourth
        and u8(buffer, start + 4) == fifth
    )  # fmt: skip


@kernel
def take_service(out, i, buffer):
    """The parts of a job that calls a program invocation service: its parameter block and its name."""
    start, stop = out[i, P_PARAM], out[i, P_PARAM_STOP]
    if start + 10 > stop:
        return
    block = start + 10
    end = block + be16(buffer, start + 8)
    if end >= stop or end + 1 + u8(buffer, end) > stop:
        out[i, P_ANOMALIES] |= O_LENGTH
        return
    name = end + 1
    out[i, P_SERVICE], out[i, P_SERVICE_STOP] = end, name + u8(buffer, end)
    stop = out[i, P_SERVICE_STOP]
    out[i, P_BLOCK], out[i, P_BLOCK_STOP], out[i, P_BLOCK_KIND] = block, end, B_OTHER
    if u8(buffer, end) == 5 and u8(buffer, name) == 95:  # _INSE, _INS2, _DELE; _MODU, _GARB
        if (
            is_name(buffer, name, stop, 73, 78, 83, 69)
            or is_name(buffer, name, stop, 73, 78, 83, 50)
            or is_name(buffer, name, stop, 68, 69, 76, 69)
        ):
            out[i, P_BLOCK_KIND] = B_BLOCKS
        elif is_name(buffer, name, stop, 77, 79, 68, 85) or is_name(buffer, name, stop, 71, 65, 82, 66):
            out[i, P_BLOCK_KIND] = B_ARGUMENT
    elif u8(buffer, end) == 9 and u8(buffer, name) == 80 and is_name(buffer, name, stop, 95, 80, 82, 79):  # P_PROGRAM
        out[i, P_BLOCK_KIND] = B_ARGUMENT


@kernel
def take_job(out, i, buffer, rosctr):
    """The parts of a job, or of what answers it."""
    start, stop = out[i, P_PARAM], out[i, P_PARAM_STOP]
    if start >= stop:
        return
    function = u8(buffer, start)
    kind = param_kind(function, rosctr, stop - start)
    out[i, P_PARAM_KIND] = kind
    has_data = out[i, P_DATA] < out[i, P_DATA_STOP]
    out[i, P_DATA_KIND] = D_NONE
    if kind == A_ITEMS:
        if rosctr == ACK_DATA and function == 0x05:
            out[i, P_DATA_KIND] = D_CODES
        elif (rosctr == ACK_DATA) == (function == 0x04):
            out[i, P_DATA_KIND] = D_ITEMS
    elif kind == A_OTHER or kind == A_STOP:
        if has_data:
            out[i, P_DATA_KIND] = D_BYTES
    elif rosctr == ACK_DATA and has_data and (function == 0x1B or function == 0x1E):
        out[i, P_DATA_KIND] = D_BLOCK
    if kind == A_SERVICE:
        take_service(out, i, buffer)
    elif kind == A_DOWNLOAD and start + 9 <= stop:
        tail = start + 9 + u8(buffer, start + 8)
        if stop - start > 18 and tail < stop:
            out[i, P_TAIL], out[i, P_TAIL_STOP], out[i, P_TAIL_KIND] = tail, stop, L_DOWNLOAD
    elif kind == A_UPLOADING and stop - start > 8:
        tail = min(start + 9 + u8(buffer, start + 8), stop)
        out[i, P_TAIL], out[i, P_TAIL_STOP], out[i, P_TAIL_KIND] = start + 9, tail, L_LENGTH
    elif kind == A_STOP and start + 7 <= stop:
        out[i, P_SERVICE] = start + 6
        out[i, P_SERVICE_STOP] = min(start + 7 + u8(buffer, start + 6), stop)


@kernel
def payload_kind(group, subfunction, kind, code, size):
    """What the data of a userdata PDU consist of."""
    if group == GROUP_TEST:
        return Y_TEST
    if group == GROUP_CYCLIC:
        if subfunction == 1 or subfunction == 5 or subfunction == 7:
            return Y_CYCLIC_ASK if kind == TYPE_ASK else Y_CYCLIC_TOLD
        return Y_CYCLIC_STOP if subfunction == 4 and kind == TYPE_ASK else Y_BYTES
    if group == GROUP_BLOCKS:
        return Y_BLOCKS if 1 <= subfunction <= 3 and kind != TYPE_REPORT else Y_BYTES
    if group == GROUP_CPU:
        if subfunction == 1:
            return Y_SZL_ASK if kind == TYPE_ASK else Y_SZL_TOLD if kind == TYPE_TOLD and code == OK else Y_NONE
        if (
            2 <= subfunction <= 3
            or 5 <= subfunction <= 9
            or 11 <= subfunction <= 14
            or 17 <= subfunction <= 19
            or subfunction == 22
        ):
            return Y_CPU
        return Y_BYTES
    if group == GROUP_TIME:
        asks = (subfunction == 1 or subfunction == 3) and kind == TYPE_TOLD
        sets = (subfunction == 2 or subfunction == 4) and kind == TYPE_ASK
        return (Y_TIME if code == OK else Y_NONE) if asks or sets else Y_BYTES
    return Y_BYTES if size > 0 else Y_NONE


@kernel
def take_userdata(state, blocks, links, meta, pool, stream, out, i, buffer, used, frame):
    """The parts of a userdata PDU, and what was joined with its data; how much of the buffer is used then."""
    start, stop = out[i, P_PARAM], out[i, P_PARAM_STOP]
    if stop - start < 8:
        out[i, P_ANOMALIES] |= O_LENGTH
        return used
    kind, group = u8(buffer, start + 5) >> 4, u8(buffer, start + 5) & 15
    subfunction = u8(buffer, start + 6)
    is_long = u8(buffer, start + 3) >= 8 and stop - start >= 12
    if kind == TYPE_REPORT and group == 0:
        out[i, P_PARAM_KIND] = A_MODE
    else:
        out[i, P_PARAM_KIND] = A_LONG if is_long else A_SHORT
    data, end = out[i, P_DATA], out[i, P_DATA_STOP]
    out[i, P_DATA_KIND] = D_NONE
    if end - data < 4:
        return used
    out[i, P_DATA_KIND] = D_USER
    reference = u8(buffer, start + 8) if is_long else 0
    has_more = is_long and u8(buffer, start + 9) != 0
    size = be16(buffer, data + 2)
    if size < 2:
        return used
    begin, end = data + 4, min(end, data + 4 + size)
    if end < data + 4 + size:
        out[i, P_ANOMALIES] |= O_LENGTH
    if reference > 0 and state[stream, F_UNIT + J_HEAD] and state[stream, F_REFERENCE] != reference:
        give_up(state, links, meta, pool, stream, F_UNIT)
        out[i, P_ANOMALIES] |= O_INCOMPLETE
    if reference > 0 and (has_more or state[stream, F_UNIT + J_HEAD]):
        state[stream, F_REFERENCE] = reference
        outcome, pieces, first, last, numbers, used = join_pieces(
            state, blocks, links, meta, pool, stream, F_UNIT, buffer, begin, end, used, not has_more, frame
        )
        if outcome == 1:
            begin, end = first, last
            out[i, P_UNIT_FRAMES], out[i, P_UNITS], out[i, P_UNIT_LENGTH] = numbers, pieces, last - first
        else:
            out[i, P_ANOMALIES] |= outcome
    if not has_more and begin < end:
        out[i, P_PAYLOAD], out[i, P_PAYLOAD_STOP] = begin, end
        out[i, P_PAYLOAD_KIND] = payload_kind(group, subfunction, kind, u8(buffer, data), end - begin)
    return used


@kernel
def pair(requests, out, i, flow, side, key, frame, now, is_request_kind):
    """Keeps a request, or finds the one that a reply answers. side: the direction that asked."""
    key = (key << 1) | side
    place = find_request(requests, flow, key)
    if is_request_kind:
        keep_request(requests, place, flow, key, frame, now, out, i)
    elif is_request(requests, place, flow, key):
        join_request(requests, place, out, i)
    else:
        out[i, P_ANOMALIES] |= O_UNSOLICITED


@kernel
def take_s7(
    state, blocks, links, meta, pool, stream, requests, out, i, buffer, used, start, stop, flow, side, frame, now
):
    """An S7 PDU; how much of the buffer is used then."""
    rosctr = u8(buffer, start + 1)
    size = 12 if rosctr == ACK or rosctr == ACK_DATA else 10
    out[i, P_KIND] = MALFORMED
    if stop - start < size:
        out[i, P_ANOMALIES] |= O_LENGTH
        return used
    out[i, P_S7], out[i, P_S7_STOP], out[i, P_S7_KIND] = start, start + size, H_SHORT
    if size == 12:
        out[i, P_S7_KIND] = H_ERROR if be16(buffer, start + 10) != 0 else H_LONG
    param = start + size
    data = min(param + be16(buffer, start + 6), stop)
    end = min(data + be16(buffer, start + 8), stop)
    if param + be16(buffer, start + 6) + be16(buffer, start + 8) != stop:
        out[i, P_ANOMALIES] |= O_LENGTH
    out[i, P_PARAM], out[i, P_PARAM_STOP], out[i, P_DATA], out[i, P_DATA_STOP] = param, data, data, end
    out[i, P_PARAM_KIND], out[i, P_DATA_KIND] = A_EMPTY, D_NONE
    key = be16(buffer, start + 4)
    asks, answers = rosctr == JOB, size == 12
    if asks or answers:
        take_job(out, i, buffer, rosctr)
        out[i, P_KIND] = REQUEST if asks else EXCEPTION if be16(buffer, start + 10) != 0 else RESPONSE
    elif rosctr == USERDATA:
        used = take_userdata(state, blocks, links, meta, pool, stream, out, i, buffer, used, frame)
        key |= 1 << 16
        if out[i, P_PARAM_KIND] >= A_SHORT:
            way = u8(buffer, param + 5) >> 4
            asks, answers = way == TYPE_ASK, way == TYPE_TOLD
            out[i, P_KIND] = REQUEST if asks else RESPONSE if answers else REPORT
            if answers and out[i, P_PARAM_KIND] == A_LONG and be16(buffer, param + 10) != 0:
                out[i, P_KIND] = EXCEPTION
    else:
        out[i, P_ANOMALIES] |= O_TYPE
    if asks or answers:
        pair(requests, out, i, flow, side if asks else 1 - side, key, frame, now, asks)
    return used


@kernel
def take_plus(state, stream, requests, out, i, buffer, start, stop, flow, side, frame, now):
    """An S7-plus PDU: its header, and what begins its data. One without a trailer goes on in the next."""
    version = u8(buffer, start + 1)
    out[i, P_PLUS], out[i, P_KIND] = start, LINK
    if version == 0xFF:
        out[i, P_PLUS_KIND] = PLUS_ALIVE
        return
    out[i, P_PLUS_KIND] = PLUS_LENGTH
    end = start + 4 + be16(buffer, start + 2)
    if end > stop:
        out[i, P_ANOMALIES] |= O_LENGTH
        out[i, P_KIND] = MALFORMED
        return
    is_part = state[stream, F_PLUS] != 0
    state[stream, F_PLUS] = 1
    if end + 4 <= stop:
        out[i, P_TRAILER] = end
        state[stream, F_PLUS] = 0
    at = start + 4
    if version == 3:  # a digest stands before the data
        if at < end:
            at += 1 + u8(buffer, at)
    out[i, P_CONTENT] = min(at, end)
    if is_part or at >= end:
        out[i, P_KIND], out[i, P_CONTENT_KIND] = PART, N_PART
        return
    opcode = u8(buffer, at)
    if opcode == 0x33:
        out[i, P_KIND], out[i, P_CONTENT_KIND] = REPORT, N_REPORT
        return
    if (opcode != 0x31 and opcode != 0x32 and opcode != 0x02) or end - at < 10:
        out[i, P_KIND], out[i, P_CONTENT_KIND] = MALFORMED, N_PART
        out[i, P_ANOMALIES] |= O_TYPE
        return
    asks = opcode == 0x31
    out[i, P_KIND], out[i, P_CONTENT_KIND] = (REQUEST, N_ASK) if asks else (RESPONSE, N_TOLD)
    pair(requests, out, i, flow, side if asks else 1 - side, (2 << 16) | be16(buffer, at + 7), frame, now, asks)


@kernel
def take_tpkt(state, blocks, links, meta, pool, stream, requests, out, i, buffer, used, flow, side, frame, now):
    """Makes row i of the whole TPKT whose bytes it has; how much of the buffer is used then."""
    start, stop = out[i, P_START], out[i, P_STOP]
    cotp = start + HEADER
    length, code = u8(buffer, cotp), u8(buffer, cotp + 1)
    out[i, P_TPKT], out[i, P_COTP], out[i, P_COTP_STOP], out[i, P_KIND] = start, cotp, cotp + 1 + length, LINK
    high = code >> 4
    if high != 15:
        out[i, P_COTP_KIND] = (
            C_ASK
            if high == 14
            else C_CONFIRM
            if high == 13
            else C_END
            if high == 8
            else C_ENDED
            if high == 12
            else C_OTHER
        )
        if high == 14 or high == 13 or high == 8:
            if length < 6:
                out[i, P_ANOMALIES] |= O_LENGTH
            return take_connection(out, i, buffer, used)
        return used
    if length != 2:  # a class of COTP with references in its data: not over TCP
        out[i, P_COTP_KIND] = C_OTHER
        return used
    out[i, P_COTP_KIND] = C_DATA
    begin, end = cotp + 3, stop
    is_last = u8(buffer, cotp + 2) >> 7
    if not is_last or state[stream, F_PDU + J_HEAD]:
        out[i, P_KIND] = PART
        outcome, pieces, first, last, numbers, used = join_pieces(
            state, blocks, links, meta, pool, stream, F_PDU, buffer, begin, end, used, is_last, frame
        )
        if outcome != 1:
            out[i, P_ANOMALIES] |= outcome
            return used
        if begin < end:
            out[i, P_PIECE], out[i, P_PIECE_STOP] = begin, end
        begin, end = first, last
        out[i, P_FRAMES], out[i, P_PIECES], out[i, P_LENGTH] = numbers, pieces, last - first
        out[i, P_KIND] = LINK
    if end - begin >= 10 and u8(buffer, begin) == 0x32 and 1 <= u8(buffer, begin + 1) <= 7:
        return take_s7(
            state, blocks, links, meta, pool, stream, requests, out, i, buffer, used, begin, end, flow, side, frame, now
        )
    if end - begin >= 4 and u8(buffer, begin) == 0x72:
        take_plus(state, stream, requests, out, i, buffer, begin, end, flow, side, frame, now)
    elif end > begin and (u8(buffer, begin) == 0x32 or u8(buffer, begin) == 0x72):
        out[i, P_ANOMALIES] |= O_LENGTH
        out[i, P_KIND] = MALFORMED
    return used


@kernel
def mode_of(marks, chunks, i, cells, flows, buffer, start, stop):
    """Whether a chunk's stream speaks S7: on its port, or like its other direction, or as it begins with an opening."""
    row = chunks[i, ROW]
    if server_port(cells, flows, row) == PORT:
        return SPOKEN
    mode = mode_so_far(marks, chunks, i, NUMBER, flows, start < stop)
    if mode == UNKNOWN and start < stop:
        mode = SPOKEN if is_opening(buffer, start, stop - start) else OTHER
    return mode


@kernel
def forget(state, links, meta, pool, stream):
    """Gives up what a stream had not finished."""
    give_up(state, links, meta, pool, stream, F_PDU)
    give_up(state, links, meta, pool, stream, F_UNIT)
    state[stream, F_LOST] = 0
    state[stream, F_PLUS] = 0


@kernel
def room_of(state, stream, size):
    """Bytes that may be needed behind the batch's: the chunk's and what it goes on with, joined, their data joined, with the
    numbers of frames (a TPKT is no shorter than one) and texts of TSAPs; what waited of a PDU, and of data."""
    own = state[stream, F_LENGTH] + size
    numbers = state[stream, F_PDU + J_PIECES] + state[stream, F_UNIT + J_PIECES] + 4
    return 8 * own + 2 * state[stream, F_PDU + J_LENGTH] + state[stream, F_UNIT + J_LENGTH] + numbers * NUMBER_BYTES


@kernel
def frame_chunks(
    chunks, chosen, first, cells, flows, times, numbers, buffer, used, state, blocks, links, meta, requests, out, found
):
    """TPKTs of chosen chunks, in their order.

    Args:
        chosen: int64[n], ascending, the chunks of streams that speak it.  first: place in it.
        times, numbers: int64[packets], ns and frame number.
        state: int64[streams, STATE_COLUMNS].
        requests: int64[power of two, REQUEST_COLUMNS], open requests.
        out: int64[capacity, OUT_COLUMNS].

    Returns:
        (next place, TPKTs found, bytes used): next place < len(chosen) asks for room in out or buffer.
    """
    for place in range(first, len(chosen)):
        i = chosen[place]
        row, stream = chunks[i, ROW], chunks[i, STREAM]
        shard = flows[row, FLOW] % SHARDS
        if chunks[i, IS_DATAGRAM]:
            continue
        if found + (chunks[i, STOP] - chunks[i, START]) // SHORTEST + 9 > len(out):
            return place, found, used
        if len(buffer) - used < room_of(state, stream, chunks[i, STOP] - chunks[i, START]):
            return place, found, used
        if chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
            forget(state, links, meta, shard, stream)
        start, stop, used = open_span(state, blocks, links, meta, shard, chunks, i, buffer, used)
        packet, before, begin = cells[PACKET, row], found, start
        while start < stop:
            have = stop - start
            if not is_tpkt(buffer, start, have):
                if not state[stream, F_LOST]:
                    add_row(out, found, row, start, start + 1, O_HEADER)
                    found += 1
                    state[stream, F_LOST] = 1
                start += 1
                continue
            if have < HEADER or have < be16(buffer, start + 2):
                break
            state[stream, F_LOST] = 0
            end = start + be16(buffer, start + 2)
            add_row(out, found, row, start, end, 0)
            used = take_tpkt(
                state, blocks, links, meta, shard, stream, requests, out, found, buffer, used, flows[row, FLOW],
                flows[row, DIRECTION], numbers[packet], times[packet],
            )  # fmt: skip
            found += 1
            start = end
        if start < stop or not is_settled(state, flows, row, stream):
            found = end_chunk(
                state, blocks, links, meta, shard, chunks, i, flows, buffer, begin, start, stop, home_of(cells, flows, row, PORT, PORT),
                out, before, found, DOUBTS, O_NO_ROOM,
            )  # fmt: skip
    return len(chosen), found, used
