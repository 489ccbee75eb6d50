"""What framing has in common: a PDU that is not whole yet waits for its stream's next chunk.

A protocol's kernel goes through the chunks of a batch; for each it calls `open_span`, takes PDUs from the front of the span
as long as they are whole, and hands the rest to `end_chunk`. The store has a pool for each shard of flows, so that what
one shard keeps never depends on another. Bytes are copied only where a PDU lies in several chunks.

`end_chunk` also says what a protocol's port is used for, once for a flow. A PDU without doubt shows that it speaks the
protocol: on a port that is not registered that PDU has the anomaly `other_port`. Where so many bytes have gone by before the
first such PDU that none can have begun among them, a row of its own has the anomaly `not_<protocol>`.
"""

from __future__ import annotations

from detector import arena_kernels as arena
from detector.flows.columns import (
    DIRECTION,
    FLOW,
    IS_DATAGRAM,
    IS_FIRST,
    IS_GAP,
    ROW,
    START,
    STOP,
    STREAM,
    WINDOW_SCALE,
)  # fmt: skip
from detector.kernel import kernel, part
from detector.packets.rows import DESTINATION_PORT, SOURCE_PORT
from detector.protocols.pairing_kernels import (
    EXCEPTION,
    MALFORMED,
    P_ANOMALIES,
    P_KIND,
    P_PLACE,
    P_START,
    P_STOP,
    REQUEST,
    RESPONSE,
    add_row,
)

# Columns of a protocol's stream state, as far as framing uses them; further ones are the protocol's own.
F_CARRY, F_LENGTH = 0, 1  # first block of the unfinished PDU plus one (0: none), its bytes
# The flow plus one of which it is known what it speaks (of a flow's first stream alone), and the bytes that may still go by
# without a PDU.
F_CLAIMED, F_PATIENCE = 2, 3
F_OWN = 4
# Columns of marks, which all protocols share: the flow plus one of which the others speak, and a bit for each protocol that
# the stream speaks, and that it does not.
M_FLOW, M_SPOKEN, M_OTHERS = 0, 1, 2
MARKS = 3
UNKNOWN, SPOKEN, OTHER = 0, 1, 2  # modes: nothing was looked at yet, it speaks the protocol, it does not
HOME, BETWEEN, AWAY = 0, 1, 2  # a registered port is the server's, the client's, nobody's
# Bytes without a PDU that show that a stream is something else: from its beginning on more than a connection's first PDU can
# be late by; from its middle on, as behind a gap, more than the rest of any PDU in use.
PATIENCE, PATIENCE_INSIDE = 16, 4096
MOST_OPEN = 500  # requests of a connection without a reply, as in Suricata
NUMBER_BYTES = 8  # of a frame's number, of the frames that a message came in


@kernel
def server_port(cells, flows, row):
    """The port of a row's server. A client's own may be any above 1023, and says nothing of what it speaks."""
    return cells[DESTINATION_PORT if flows[row, DIRECTION] == 0 else SOURCE_PORT, row]


@kernel
def mode_so_far(marks, chunks, i, protocol, flows, has_bytes):
    """What the stream of chunk i was found to be in its flow, or, as that can be told, its other direction; else UNKNOWN.

    The caller then looks at the bytes, and what it finds is kept by who deals.

    Args:
        marks: int64[streams, MARKS], columns M_*, which the stream's chunk has made its own.
        protocol: place among the protocols.
    """
    stream, bit = chunks[i, STREAM], 1 << protocol
    if marks[stream, M_OTHERS] & bit:
        return OTHER
    if marks[stream, M_SPOKEN] & bit:
        return SPOKEN
    other = stream ^ 1
    if has_bytes and marks[other, M_SPOKEN] & bit and marks[other, M_FLOW] == flows[chunks[i, ROW], FLOW] + 1:
        marks[stream, M_SPOKEN] |= bit
        return SPOKEN
    return UNKNOWN


@kernel
def drop_carry(state, links, meta, pool, stream):
    """Gives up an unfinished PDU."""
    if state[stream, F_CARRY]:
        arena.free_blocks(links, meta, pool, state[stream, F_CARRY] - 1)
    state[stream, F_CARRY] = 0
    state[stream, F_LENGTH] = 0


@kernel
def open_span(state, blocks, links, meta, pool, chunks, i, buffer, used):
    """The bytes of chunk i, behind what was left of the chunk before it.

    Returns:
        (start, stop, used): where the bytes lie in buffer, and how much of it is taken now. The caller sees to it that
        the carried bytes and the chunk fit behind `used`.
    """
    stream, start, stop = chunks[i, STREAM], chunks[i, START], chunks[i, STOP]
    if chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
        drop_carry(state, links, meta, pool, stream)
    length = state[stream, F_LENGTH]
    if length == 0:
        return start, stop, used
    arena.load_blocks(blocks, links, state[stream, F_CARRY] - 1, length, buffer, used)
    for k in range(stop - start):
        buffer[used + length + k] = buffer[start + k]
    drop_carry(state, links, meta, pool, stream)
    return used, used + length + stop - start, used + length + stop - start


@kernel
def close_span(state, blocks, links, meta, pool, stream, buffer, start, stop):
    """Keeps buffer[start:stop] for the stream's next chunk; whether there was room."""
    if start >= stop:
        return True
    head = arena.store_blocks(blocks, links, meta, pool, buffer, start, stop)
    if head < 0:
        return False
    state[stream, F_CARRY] = head + 1
    state[stream, F_LENGTH] = stop - start
    return True


@kernel
def put_number(buffer, at, number):
    """NUMBER_BYTES bytes, the least first."""
    for k in range(NUMBER_BYTES):
        buffer[at + k] = (number >> (8 * k)) & 0xFF


@kernel
def home_of(cells, flows, row, port, other):
    """HOME, BETWEEN or AWAY, by a protocol's two registered ports, which may be the same."""
    server = server_port(cells, flows, row)
    if server == port or server == other:
        return HOME
    source, destination = cells[SOURCE_PORT, row], cells[DESTINATION_PORT, row]
    return BETWEEN if port in (source, destination) or other in (source, destination) else AWAY


@kernel
def watch_flood(state, stream, column, out, i, odd):
    """Marks PDU i where more than MOST_OPEN requests have come since the last reply: once until the next.

    Args:
        column: of state, requests of a stream since its other direction answered; the caller clears it for a new stream.
    """
    kind = out[i, P_KIND]
    if kind == REQUEST and out[i, P_PLACE] >= 0:
        state[stream, column] += 1
        if state[stream, column] == MOST_OPEN + 1:
            out[i, P_ANOMALIES] |= odd
    elif kind == RESPONSE or kind == EXCEPTION:
        state[stream ^ 1, column] = 0


@kernel
def is_settled(state, flows, row, stream):
    """Whether it is known of the flow of a row what it speaks."""
    return state[stream & ~1, F_CLAIMED] == flows[row, FLOW] + 1


@part
def end_chunk(
    state, blocks, links, meta, pool, chunks, i, flows, buffer, begin, start, stop, home, out, before, found, doubts, no_room
):  # fmt: skip
    """Keeps what is left of the span of chunk i, and settles what its flow speaks where that is seen now.

    Args:
        begin, start, stop: the span, and from where on it is left.
        home: as home_of says.
        before: the first row of the chunk.
        doubts: anomalies with which a row does not show that the protocol is spoken. It shows nothing else either, unless it is
            malformed: then its bytes are such as go by.
        no_room: the anomaly of what could not be kept; the two behind it are `not_<protocol>` and `other_port`.

    Returns:
        How many rows there are now: up to two more.
    """
    row, stream = chunks[i, ROW], chunks[i, STREAM]
    if start < stop and not close_span(state, blocks, links, meta, pool, stream, buffer, start, stop):
        add_row(out, found, row, start, start + 1, no_room)
        found += 1
    if is_settled(state, flows, row, stream):
        return found
    if chunks[i, IS_DATAGRAM]:  # each by itself
        state[stream, F_PATIENCE] = PATIENCE
    elif chunks[i, IS_FIRST] or chunks[i, IS_GAP]:
        is_beginning = flows[row, WINDOW_SCALE] != -1 and not chunks[i, IS_GAP]  # there was a SYN
        state[stream, F_PATIENCE] = PATIENCE if is_beginning else PATIENCE_INSIDE
    at, sure = begin, -1
    for k in range(before, found + 1):
        gap = (out[k, P_START] if k < found else start) - at
        if home == HOME and gap >= state[stream, F_PATIENCE]:
            told = at + state[stream, F_PATIENCE] - 1
            for later in range(found, k, -1):
                for column in range(out.shape[1]):
                    out[later, column] = out[later - 1, column]
            add_row(out, k, row, told, told + 1, no_room << 1)
            state[stream & ~1, F_CLAIMED] = flows[row, FLOW] + 1
            return found + 1
        if k < found and out[k, P_ANOMALIES] & doubts == 0:
            sure = k
            break
        if k == found or out[k, P_KIND] != MALFORMED:
            state[stream, F_PATIENCE] -= gap
            at = out[k, P_STOP] if k < found else start
    if sure >= 0:
        state[stream & ~1, F_CLAIMED] = flows[row, FLOW] + 1
        if home == AWAY:
            out[sure, P_ANOMALIES] |= no_room << 2
    return found
