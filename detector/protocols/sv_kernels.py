"""Sampled Values: frames, ASDUs, and whether samples follow on each other (IEC 61850-9-2, 8; IEC 61869-9).

A row is a frame. Its ASDUs are objects.
"""

from __future__ import annotations

import numpy as np

from detector.bytes_kernels import be16
from detector.flows.columns import FLOW
from detector.kernel import kernel
from detector.packets.arrival_kernels import hash_bytes
from detector.packets.rows import ANOMALIES, PACKET, PAYLOAD_START, PAYLOAD_STOP
from detector.protocols.ber_kernels import UTC_BYTES, integer, is_integer, read_element, utc_time
from detector.protocols.goose_kernels import (
    CONTEXT,
    HEADER,
    IS_CONSTRUCTED,
    IS_REPEAT,
    keep_sender,
    sender_of,
)
from detector.protocols.pairing_kernels import (
    MALFORMED,
    P_ANOMALIES,
    P_KIND,
    P_OWN,
    P_ROW,
    P_START,
    P_STOP,
    R_OWN,
    REPORT,
    find_request,
    is_request,
)

SAV_PDU, ASDU = 0x60, 0x30  # identifiers
G_COUNT, G_SECURITY, G_ASDUS = 0, 1, 2  # members of a savPdu
MOST_ASDUS = 64  # of a frame that are compared with what came before; the standard has up to 16
# Members of an ASDU.
M_ID, M_SET, M_COUNT, M_REVISION, M_TIME, M_SYNC, M_RATE, M_DATA, M_MODE, M_CLOCK = range(10)
MEMBERS = 10
NEEDED = (1 << M_ID) | (1 << M_COUNT) | (1 << M_REVISION) | (1 << M_DATA)
INTEGERS = (1 << M_COUNT) | (1 << M_REVISION) | (1 << M_SYNC) | (1 << M_RATE) | (1 << M_MODE)
CLOCK_BYTES, OF_MAKER = 8, 0xFFFE  # an EUI-64 that was made of a MAC address has these in its middle

# Bits of anomalies, in the order of sv.ANOMALIES.
O_LENGTH, O_PDU, O_MISSING, O_COUNT, O_GAP, O_REPLAY, O_REVISION, O_SYNC = (1 << bit for bit in range(8))

# Columns of frames. HEADER_AT, PDU: where the header and the contents of the savPdu begin; COUNT: ASDUs that it says it has, at
# COUNT_AT; ASDUS, ASDUS_STOP: where they lie, ALL: how many there are.  -1: not there.
P_HEADER, P_PDU, P_COUNT_AT, P_COUNT, P_ASDUS, P_ASDUS_STOP, P_ALL = range(P_OWN, P_OWN + 7)
OUT_COLUMNS = P_OWN + 7

# What is known of a stream of samples: its latest one, and the last number before it began anew.
S_COUNT, S_REVISION, S_SYNC, S_HIGHEST = range(R_OWN, R_OWN + 4)
STATE_COLUMNS = R_OWN + 4

# Columns of objects. STARTS, STOPS, VALUES: MEMBERS columns each; a member begins at -1 where it is not there. The
# value of a clock's identity is where its maker's number ends.
B_PDU, B_START, B_STOP, B_ODD = range(4)
B_STARTS = 4
B_STOPS = B_STARTS + MEMBERS
B_VALUES = B_STOPS + MEMBERS
OBJECT_COLUMNS = B_VALUES + MEMBERS


@kernel
def take_asdu(o, pdu, buffer, start, at, stop):
    """The members of an ASDU whose contents are buffer[at:stop]; one that is cut short is left out."""
    for column in range(OBJECT_COLUMNS):
        o[column] = -1
    o[B_PDU], o[B_START], o[B_STOP], o[B_ODD] = pdu, start, stop, 0
    missing = NEEDED
    while at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        if begin < 0 or end > stop:
            o[B_ODD] |= O_PDU
            break
        number, size = identifier & 31, end - begin
        is_right = identifier & 0xE0 == CONTEXT and number < MEMBERS
        if is_right and INTEGERS & (1 << number):
            is_right = is_integer(begin, end)
        elif number == M_TIME or number == M_CLOCK:
            is_right = is_right and size == (UTC_BYTES if number == M_TIME else CLOCK_BYTES)
        if not is_right:
            o[B_ODD] |= O_PDU
        else:
            missing &= ~(1 << number)
            o[B_STARTS + number], o[B_STOPS + number] = begin, end
            if INTEGERS & (1 << number):
                value = integer(buffer, begin, end)
                o[B_VALUES + number] = value & ((1 << 8 * size) - 1) if size < 8 else value
            elif number == M_TIME:
                o[B_VALUES + number] = utc_time(buffer, begin)
            elif number == M_CLOCK and be16(buffer, begin + 3) == OF_MAKER:
                o[B_VALUES + number] = begin + 3
        at = end
    if missing:
        o[B_ODD] |= O_MISSING


@kernel
def judge(streams, o, buffer, sender, now):
    """What is odd about a sample, by the latest one of its stream: numbers go up by one and begin anew at 0 each second."""
    count, revision, sync = o[B_VALUES + M_COUNT], o[B_VALUES + M_REVISION], o[B_VALUES + M_SYNC]
    key = hash_bytes(buffer, o[B_STARTS + M_ID], o[B_STOPS + M_ID], np.int64(1))
    place = find_request(streams, sender, key)
    odd, highest = 0, np.int64(-1)
    if is_request(streams, place, sender, key):
        k = streams[place]
        highest = k[S_HIGHEST]
        if revision != k[S_REVISION]:
            odd |= O_REVISION
        if sync < k[S_SYNC]:
            odd |= O_SYNC
        if count == 0 and k[S_COUNT] > 0:
            if k[S_COUNT] < highest:
                odd |= O_GAP
            highest = k[S_COUNT]
        elif count > k[S_COUNT] + 1:
            odd |= O_GAP
        elif count <= k[S_COUNT]:  # samples from the end of a second and the beginning of the next may be missing
            odd |= O_GAP if 2 * count < k[S_COUNT] else O_REPLAY
    keep_sender(streams, place, sender, key, now)
    streams[place, S_COUNT], streams[place, S_REVISION], streams[place, S_SYNC] = count, revision, sync
    streams[place, S_HIGHEST] = highest
    return odd


@kernel
def take_pdu(streams, out, i, buffer, at, stop, scratch, sender, now):
    """The members of a savPdu, and what its ASDUs say. sender: -1: it repeats the packet before it."""
    out[i, P_PDU] = at
    while at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        number = identifier & 31
        if begin < 0 or end > stop:
            out[i, P_ANOMALIES] |= O_PDU
            break
        if identifier == CONTEXT | G_COUNT and is_integer(begin, end):
            out[i, P_COUNT_AT], out[i, P_COUNT] = begin, integer(buffer, begin, end) & 0xFFFFFFFF
        elif identifier == CONTEXT | IS_CONSTRUCTED | G_ASDUS:
            out[i, P_ASDUS], out[i, P_ASDUS_STOP] = begin, end
        elif number != G_SECURITY:
            out[i, P_ANOMALIES] |= O_PDU
        at = end
    if out[i, P_ASDUS] < 0 or out[i, P_COUNT_AT] < 0:
        out[i, P_ANOMALIES] |= O_MISSING
    if out[i, P_ASDUS] < 0:
        return
    at, stop, count = out[i, P_ASDUS], out[i, P_ASDUS_STOP], 0
    while at < stop:
        identifier, begin, end = read_element(buffer, at, stop)
        if begin < 0 or end > stop or identifier != ASDU:
            out[i, P_ANOMALIES] |= O_PDU
            break
        if count < MOST_ASDUS:
            o = scratch[0]
            take_asdu(o, i, buffer, at, begin, end)
            if o[B_ODD] == 0 and sender >= 0:
                o[B_ODD] |= judge(streams, o, buffer, sender, now)
            out[i, P_ANOMALIES] |= o[B_ODD]
        count += 1
        at = end
    out[i, P_ALL] = count
    if out[i, P_COUNT_AT] >= 0 and count != out[i, P_COUNT]:
        out[i, P_ANOMALIES] |= O_COUNT


@kernel
def frame_packets(rows, first, cells, words, flows, times, buffer, streams, scratch, out, found):
    """Frames of packet rows, in their order.

    Args:
        rows: int64[n], packet rows of the protocol.
        streams: int64[power of two, STATE_COLUMNS], what is known of streams of samples.
        scratch: int64[1, OBJECT_COLUMNS].
        out: int64[capacity, OUT_COLUMNS].

    Returns:
        (next of rows, frames found): next < len(rows) asks for room in out.
    """
    for i in range(first, len(rows)):
        if found == len(out):
            return i, found
        row = rows[i]
        start, stop = np.int64(cells[PAYLOAD_START, row]), np.int64(cells[PAYLOAD_STOP, row])
        for column in range(OUT_COLUMNS):
            out[found, column] = -1
        out[found, P_ROW], out[found, P_START], out[found, P_STOP] = row, start, stop
        out[found, P_ANOMALIES], out[found, P_KIND], out[found, P_HEADER] = 0, MALFORMED, start
        found += 1
        if stop - start < HEADER:
            out[found - 1, P_ANOMALIES] |= O_LENGTH
            continue
        length, at = start + be16(buffer, start + 2), start + HEADER
        if at >= min(length, stop):
            out[found - 1, P_ANOMALIES] |= O_LENGTH
            continue
        identifier, begin, end = read_element(buffer, at, stop)
        if begin < 0 or identifier != SAV_PDU:
            out[found - 1, P_ANOMALIES] |= O_PDU
            continue
        if end > stop:
            out[found - 1, P_ANOMALIES] |= O_PDU
        if end != length:
            out[found - 1, P_ANOMALIES] |= O_LENGTH
        out[found - 1, P_STOP] = min(end, stop)
        sender = np.int64(-1)
        if words[row, ANOMALIES] & IS_REPEAT == np.uint64(0):
            sender = sender_of(words, row, flows[row, FLOW], be16(buffer, start))
        take_pdu(streams, out, found - 1, buffer, begin, min(end, stop), scratch, sender, times[cells[PACKET, row]])
        if out[found - 1, P_ANOMALIES] & (O_PDU | O_MISSING) == 0:
            out[found - 1, P_KIND] = REPORT
    return len(rows), found


@kernel
def list_objects(pdus, buffer, objects):
    """ASDUs of every frame; how many there are. What cannot be read is left out.

    Args:
        pdus: int64[frames, OUT_COLUMNS].
        objects: int64[capacity, OBJECT_COLUMNS]; the last row is scratch.
    """
    found = 0
    for pdu in range(len(pdus)):
        at, stop = pdus[pdu, P_ASDUS], pdus[pdu, P_ASDUS_STOP]
        while at >= 0 and at < stop:
            identifier, begin, end = read_element(buffer, at, stop)
            if begin < 0 or end > stop or identifier != ASDU:
                break
            take_asdu(objects[min(found, len(objects) - 1)], pdu, buffer, at, begin, end)
            found += 1
            at = end
    return found
