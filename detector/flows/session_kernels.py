"""The kernel of TCP sessions as Suricata 7 follows them, for `stream_size` and `stream-event`: how much each side sent, and
which segments do not fit. One row of state = one flow slot. It runs only where a rule asks for either.

Sides are 0, the client, and 1, the server, by Suricata's view (peer_kernels.py). A segment that is refused with an event
changes nothing but what is said below, so that those after it are judged as if it had not come.

    NONE       SYN -> SENT;  in midstream SYN/ACK -> RECEIVED, another ACK -> OPEN;  FIN, RST: an event
    SENT       the server's SYN/ACK -> RECEIVED
    RECEIVED   the client's ACK, or the server's ACK or data -> OPEN
    OPEN       the client's FIN -> CLOSE_WAIT, the server's -> FIN_WAIT1
    CLOSE_WAIT the server's FIN -> LAST_ACK;  the client's ACK of it -> CLOSED
    FIN_WAIT1  an ACK of the FIN -> FIN_WAIT2;  FIN -> CLOSING, FIN with ACK -> TIME_WAIT
    FIN_WAIT2  FIN -> TIME_WAIT;  CLOSING, TIME_WAIT: ACK -> TIME_WAIT, CLOSED
    any        RST with a fitting number -> CLOSED;  from LAST_ACK on a SYN or SYN/ACK with another number -> NONE

What decides about a segment are distances: `measure` takes them once, and the parts for each state are handed nothing else.
They say which events there are, what the state is then, and (TAKE_...) what is learned from the segment.
"""

from __future__ import annotations

import numpy as np

from detector.flows import events as odd
from detector.flows.columns import FLOW, PEER, PEER_RESYN, PEER_TO_CLIENT, SLOT
from detector.kernel import kernel
from detector.packets.rows import PACKET, PAYLOAD_START, PAYLOAD_STOP, SEQUENCE, STOP, TCP, TCP_FLAGS

FIN, SYN, RST, ACK = 1, 2, 4, 16
NONE, SENT, RECEIVED, OPEN, FIN_WAIT1, FIN_WAIT2, TIME_WAIT, LAST_ACK, CLOSE_WAIT, CLOSING, CLOSED = range(11)
# Columns of state: the flow's number + 1, the session's state, bits, how many SYN/ACKs wait, whether sides are the other way
# round than the flow's, the numbers of the SYN/ACKs that wait; then what is kept of each side.
T_FLOW, T_STATE, T_BITS, T_QUEUED, T_TURNED, T_QUEUE, T_SIDES = 0, 1, 2, 3, 4, 5, 10
# Of a side: its first number, the one behind its last byte, what the other acknowledged, how much it may send and up to where,
# the shift of its windows, its last timestamp and when that came (s), -1 for none.
ISN, NEXT, ACKED, WINDOW, LIMIT, SCALE, STAMP, STAMPED, SIDE_COLUMNS = 0, 1, 2, 3, 4, 5, 6, 7, 8
# Bits: handshake not seen; the server answered; the SYN had a window scale; both have timestamps; the server's first window is
# to come; windows are not known.
MIDSTREAM, CONFIRMED, SCALES, STAMPS, ANSWERS, UNLIMITED = 1, 2, 4, 8, 16, 32
LARGEST_SCALE = 14
MOST_QUEUED = 5  # SYN/ACKs
MASK, HALF = 0xFFFFFFFF, 1 << 31
PAWS_SECONDS = 24 * 24 * 3600  # RFC 7323 5.5
# What is learned from a segment: where its bytes end; the window; what it acknowledges; and up to where the other may send;
# that the other sent as much; what a SYN/ACK says; that one waits; that both sides send a SYN; that a RST ended it.
TAKE_END, TAKE_WINDOW, TAKE_ACK, TAKE_LIMIT, TAKE_RAISE, TAKE_ANSWER, TAKE_QUEUE, TAKE_BOTH, TAKE_RST = 1, 2, 4, 8, 16, 32, 64, 128, 256  # fmt: skip
TAKE_ALL = TAKE_END | TAKE_WINDOW | TAKE_ACK | TAKE_LIMIT
O_EVENTS, O_CLIENT, O_SERVER = 0, 1, 2


@kernel
def past(number, reference):
    """How far a sequence number is behind another; negative before it."""
    return ((number - reference + HALF) & MASK) - HALF


@kernel
def word_at(buffer, at):
    """Four bytes, most significant first."""
    high = np.int64(buffer[at]) << 8 | np.int64(buffer[at + 1])
    return high << 16 | np.int64(buffer[at + 2]) << 8 | np.int64(buffer[at + 3])


@kernel
def read_options(buffer, cells, row):
    """The shift of the window scale option and the two numbers of the timestamp option, -1 where there is none."""
    scale, stamp, echoed = np.int64(-1), np.int64(-1), np.int64(-1)
    at = np.int64(cells[TCP, row])
    stop = min(at + (np.int64(buffer[at + 12]) >> 4) * 4, np.int64(cells[STOP, row]))
    at += 20
    while at + 1 < stop and buffer[at] != 0:
        kind, size = np.int64(buffer[at]), np.int64(buffer[at + 1])
        if kind == 1:
            size = 1
        elif size < 2 or at + size > stop:
            break
        if kind == 3 and size == 3:
            scale = min(np.int64(buffer[at + 2]), LARGEST_SCALE)
        elif kind == 8 and size == 10:
            stamp, echoed = word_at(buffer, at + 2), word_at(buffer, at + 6)
        at += size
    return scale, stamp, echoed


@kernel
def begin(state, slot, at, number, window):
    """What is known of a side, whose columns begin at `at`, before it spoke."""
    state[slot, at + ISN] = (number - 1) & MASK
    state[slot, at + NEXT] = number
    state[slot, at + ACKED] = number
    state[slot, at + WINDOW] = window
    state[slot, at + LIMIT] = (number + window) & MASK
    state[slot, at + SCALE] = 0
    state[slot, at + STAMP] = -1
    state[slot, at + STAMPED] = 0


@kernel
def begin_session(state, slot, flags, sequence, acknowledged, length, window, scale, stamp, echoed, now_s):
    """The first segment of a session, whose sender is the client, of a SYN/ACK the server."""
    side = np.int64(flags & (SYN | ACK) == SYN | ACK)
    own, other = T_SIDES + side * SIDE_COLUMNS, T_SIDES + (1 - side) * SIDE_COLUMNS
    is_syn, is_midstream = flags & SYN != 0, flags & ACK != 0
    seen = window << LARGEST_SCALE if is_midstream and not is_syn else window if is_midstream else np.int64(0)
    begin(state, slot, own, (sequence + np.int64(is_syn)) & MASK, seen)
    begin(state, slot, other, acknowledged, np.int64(0))
    state[slot, T_QUEUED] = 0
    state[slot, T_BITS] = SCALES if scale >= 0 else 0
    state[slot, T_STATE] = SENT
    state[slot, other + SCALE] = max(scale, 0)
    state[slot, own + STAMP] = stamp
    state[slot, own + STAMPED] = now_s
    if not is_midstream:
        state[slot, other + ISN] = 0
        state[slot, other + NEXT] = 0
        state[slot, other + WINDOW] = window
        return
    state[slot, own + SCALE] = LARGEST_SCALE if not is_syn or scale >= 0 else 0
    state[slot, T_BITS] |= MIDSTREAM
    if stamp >= 0:
        state[slot, T_BITS] |= STAMPS
        state[slot, other + STAMP] = echoed
    state[slot, T_STATE] = RECEIVED
    if is_syn:
        state[slot, other + LIMIT] = (acknowledged - 1) & MASK  # before its ACK came the client may not even end
    else:
        state[slot, own + NEXT] = (sequence + length) & MASK
        state[slot, other + SCALE] = LARGEST_SCALE
        state[slot, T_BITS] |= CONFIRMED | ANSWERS
        state[slot, T_STATE] = OPEN


@kernel
def answer(state, slot, own, other, sequence, window, scale, stamp, now_s):
    """What a SYN/ACK says."""
    may_send, shift = state[slot, own + WINDOW], state[slot, own + SCALE]
    begin(state, slot, own, (sequence + 1) & MASK, may_send)
    state[slot, own + SCALE] = shift
    acked = (state[slot, other + ISN] + 1) & MASK
    state[slot, other + ACKED] = acked
    state[slot, other + WINDOW] = window
    state[slot, other + LIMIT] = (acked + window) & MASK
    state[slot, other + SCALE] = scale if scale >= 0 and state[slot, T_BITS] & SCALES else 0
    if stamp >= 0 and state[slot, other + STAMP] >= 0:
        state[slot, T_BITS] |= STAMPS
        state[slot, own + STAMP] = stamp
        state[slot, own + STAMPED] = now_s


@kernel
def take_syn_ack(now, side, is_first, is_right, is_acked, is_confirmed):
    """A SYN/ACK in a session. is_first: with the side's first number; is_right, is_acked: acknowledges the other's first number,
    and what was acknowledged before."""
    if now == SENT:
        if side == 0:
            return odd.WHS3_SYNACK_IN_WRONG_DIRECTION, now, 0
        return (0, RECEIVED, TAKE_ANSWER) if is_right else (odd.WHS3_SYNACK_WITH_WRONG_ACK, now, 0)
    if now == RECEIVED:
        if side == 0:
            return odd.WHS3_SYNACK_TOSERVER_ON_SYN_RECV, now, 0
        if not is_right:
            return odd.WHS3_SYNACK_RESEND_WITH_DIFFERENT_ACK, now, 0
        return 0, now, 0 if is_first else TAKE_QUEUE
    if now > OPEN:
        return odd.SHUTDOWN_SYN_RESEND, now, 0
    if side == 0:
        return odd.EST_SYNACK_TOSERVER, now, 0
    if not is_acked:
        return odd.EST_SYNACK_RESEND_WITH_DIFFERENT_ACK, now, 0
    if not is_first:
        return odd.EST_SYNACK_RESEND_WITH_DIFF_SEQ, now, 0
    return odd.EST_SYNACK_RESEND if is_confirmed else 0, now, 0


@kernel
def take_syn(now, side, is_first):
    """A SYN in a session."""
    if now == SENT:
        return 0, now, TAKE_BOTH if side else 0
    if now == RECEIVED:
        if side == 1:
            return odd.WHS3_SYN_TOCLIENT_ON_SYN_RECV, now, 0
        return 0 if is_first else odd.WHS3_SYN_RESEND_DIFF_SEQ_ON_SYN_RECV, now, 0
    if now == OPEN:
        if side == 1:
            return odd.EST_SYN_TOCLIENT, now, 0
        return odd.EST_SYN_RESEND if is_first else odd.EST_SYN_RESEND_DIFF_SEQ, now, 0
    return odd.SHUTDOWN_SYN_RESEND, now, 0


@kernel
def complete(now, side, length, past_next, ack_past_next, bits):
    """What may complete the handshake. past_next: how far it begins behind its side's last byte; ack_past_next: how far behind
    the other's it acknowledges. Of the server's segments some are believed: the client's may have been lost."""
    is_right = ack_past_next == 0
    if side == 1:
        is_due = past_next == 0 and is_right and bits & MIDSTREAM == 0
        if ack_past_next > 0 or (length and is_due):
            return 0, OPEN, TAKE_ALL | TAKE_BOTH
        if is_due:
            return 0, OPEN, 0
    elif is_right:
        return (0, OPEN, TAKE_ALL) if past_next >= 0 else (0, now, 0)
    elif past_next == 0:
        return odd.WHS3_RIGHT_SEQ_WRONG_ACK_EVASION, now, 0
    return odd.WHS3_WRONG_SEQ_WRONG_ACK, now, 0


@kernel
def take_open(now, is_meant, end_past_acked, end_past_next, end_past_limit, acked_past_next, bits):
    """An ACK or data on an open session. is_meant: what it acknowledges can be meant."""
    if not is_meant:
        return odd.EST_INVALID_ACK | odd.PKT_INVALID_ACK, now, 0
    if end_past_acked < 0 and not (acked_past_next > 0 and end_past_next > 0):
        return odd.EST_PKT_BEFORE_LAST_ACK, now, 0
    if end_past_limit > 0 and bits & (MIDSTREAM | UNLIMITED) == 0:
        return odd.EST_PACKET_OUT_OF_WINDOW, now, TAKE_END
    return 0, now, TAKE_ALL


@kernel
def take_fin(now, side, flags, is_meant, past_acked, past_limit, past_next, past_room, end_past_next):
    """A FIN. past_acked, past_limit, past_next: how far it begins behind what was acknowledged, may be sent, was sent;
    past_room: behind what may be sent by the last window alone."""
    if now == RECEIVED or now == OPEN:
        if not is_meant:
            return odd.FIN_INVALID_ACK | odd.PKT_INVALID_ACK, now, 0
        if past_acked < 0 or past_limit > 0:
            return odd.FIN_OUT_OF_WINDOW, now, 0
        if flags & SYN and side == 0:
            return odd.FIN_SYN, now, 0
        return 0, CLOSE_WAIT if side == 0 else FIN_WAIT1, TAKE_END | TAKE_WINDOW | TAKE_ACK | TAKE_RAISE
    if now == TIME_WAIT or now == LAST_ACK or now == CLOSING:
        return 0, now, 0
    is_again = end_past_next <= 0 and (side == 0) == (now == CLOSE_WAIT)
    wrong, invalid, following = odd.CLOSEWAIT_FIN_OUT_OF_WINDOW, odd.CLOSEWAIT_INVALID_ACK, LAST_ACK
    learned, before = TAKE_WINDOW | TAKE_ACK | TAKE_RAISE, past_next
    if now != CLOSE_WAIT:
        wrong, invalid, following = odd.FIN1_FIN_WRONG_SEQ, odd.FIN1_INVALID_ACK, TIME_WAIT if flags & ACK else CLOSING
        learned, before = learned | TAKE_END, past_acked
    if now == FIN_WAIT2:
        wrong, invalid = odd.FIN2_FIN_WRONG_SEQ, odd.FIN2_INVALID_ACK
    if not is_again and (before < 0 or past_room > 0):
        return wrong, now, 0
    if not is_meant:
        return invalid | odd.PKT_INVALID_ACK, now, 0
    return (0, now, 0) if is_again else (0, following, learned)


@kernel
def take_closing(
    now, side, length, is_meant, end_past_acked, end_past_limit, past_next, past_room, is_acknowledging, bits
):
    """An ACK or data once a FIN was seen. is_acknowledging: all that the other sent."""
    wrong, invalid, learned = odd.FIN1_ACK_WRONG_SEQ, odd.FIN1_INVALID_ACK, TAKE_WINDOW | TAKE_ACK | TAKE_LIMIT
    is_wrong = end_past_limit > 0 and bits & (MIDSTREAM | UNLIMITED) == 0
    following = now
    if now == LAST_ACK and side == 1:
        return 0, now, 0
    if now == FIN_WAIT2:
        wrong, invalid = odd.FIN2_ACK_WRONG_SEQ, odd.FIN2_INVALID_ACK
    else:
        learned |= TAKE_RAISE
    if now == FIN_WAIT1:
        following = FIN_WAIT2 if side == 0 and past_next == 0 and is_acknowledging else now
    elif now == CLOSE_WAIT:
        wrong, invalid = odd.CLOSEWAIT_ACK_OUT_OF_WINDOW, odd.CLOSEWAIT_INVALID_ACK
        if length and end_past_acked <= 0:
            return odd.CLOSEWAIT_PKT_BEFORE_LAST_ACK, now, 0
        is_wrong = past_room > 0
    elif now == CLOSING:
        wrong, invalid, following = odd.CLOSING_ACK_WRONG_SEQ, odd.CLOSING_INVALID_ACK, TIME_WAIT
        is_wrong = past_next != 0
    elif now == TIME_WAIT:
        wrong, invalid, following = odd.TIMEWAIT_ACK_WRONG_SEQ, odd.TIMEWAIT_INVALID_ACK, CLOSED
        is_wrong = past_next != 0 and past_next != 1
    elif now == LAST_ACK:
        wrong, invalid, following = odd.LASTACK_ACK_WRONG_SEQ, odd.LASTACK_INVALID_ACK, CLOSED
        is_wrong = past_room > 0 or past_next < 0
    is_waiting = now == FIN_WAIT1 or now == FIN_WAIT2
    if is_wrong and (is_meant or not is_waiting):
        return wrong, now, 0
    if not is_meant:
        return invalid | odd.PKT_INVALID_ACK, now, 0
    if past_next == 0 and (side == 1 if now == CLOSE_WAIT else side == 0 and is_waiting):
        learned |= TAKE_END
    return 0, following, learned


@kernel
def take_rst(now, is_meant, past_next):
    """A RST. Its number must be the next one."""
    if not is_meant:
        return odd.RST_INVALID_ACK | odd.PKT_INVALID_ACK, now, 0
    if past_next:
        return 0, now, 0
    return 0, CLOSED, TAKE_RST if now == OPEN else 0


@kernel
def is_stale(state, slot, own, is_next, stamp, now_s):
    """Whether a timestamp is older than the last one of its side by more than 1, as Suricata 7 has it (RFC 7323 5.3)."""
    last = state[slot, own + STAMP]
    is_older = past(stamp + 1, last) < 0 or stamp == 0
    if now_s - state[slot, own + STAMPED] > PAWS_SECONDS:
        return not is_next and (is_older or last != 0)
    return is_older


@kernel
def learn(
    state, slot, side, own, other, learned, now, following, sequence, acknowledged, length, window, scale, stamp, now_s
):
    """Keeps what a segment tells; events of a queue that is full."""
    end, found, was_next = (sequence + length) & MASK, 0, state[slot, own + NEXT]
    state[slot, T_STATE] = following
    if learned & TAKE_ANSWER:
        answer(state, slot, own, other, sequence, window, scale, stamp, now_s)
    if learned & TAKE_BOTH:
        if now == SENT:
            begin(state, slot, own, (sequence + 1) & MASK, state[slot, own + WINDOW])
        else:
            state[slot, T_BITS] |= UNLIMITED
    if learned & TAKE_QUEUE:
        queued, is_known = state[slot, T_QUEUED], False
        for place in range(queued):
            is_known |= state[slot, T_QUEUE + place] == sequence
        if not is_known and queued < MOST_QUEUED:
            state[slot, T_QUEUE + queued] = sequence
            state[slot, T_QUEUED] = queued + 1
        elif not is_known:
            found = odd.WHS3_SYNACK_FLOOD
    if learned & TAKE_RST:
        state[slot, own + NEXT] = (end + side) & MASK
        state[slot, other + NEXT] = acknowledged
    if learned & TAKE_END:
        if following != now and (following == CLOSE_WAIT or following == FIN_WAIT1):
            state[slot, own + NEXT] = (end + side) & MASK if now == OPEN or state[slot, T_BITS] & MIDSTREAM else end
        elif past(end, state[slot, own + NEXT]) > 0:
            state[slot, own + NEXT] = end
    if learned & TAKE_WINDOW:
        state[slot, other + WINDOW] = window << state[slot, other + SCALE]
    if learned & TAKE_RAISE and past(acknowledged, state[slot, other + NEXT]) > 0:
        state[slot, other + NEXT] = acknowledged
    if learned & TAKE_ACK and past(acknowledged, state[slot, other + ACKED]) > 0:
        state[slot, other + ACKED] = acknowledged
    if learned & TAKE_LIMIT:
        limit = (state[slot, other + ACKED] + state[slot, other + WINDOW]) & MASK
        is_first = now == RECEIVED
        if is_first or past(limit, state[slot, other + LIMIT]) > 0:
            state[slot, other + LIMIT] = limit
        if is_first and state[slot, T_BITS] & MIDSTREAM:
            state[slot, own + WINDOW] = window
            state[slot, own + LIMIT] = (state[slot, own + ACKED] + window) & MASK
        if side == 1 and now >= RECEIVED:
            state[slot, T_BITS] |= CONFIRMED
    if learned & TAKE_ACK and stamp >= 0 and state[slot, T_BITS] & STAMPS:
        state[slot, own + STAMPED] = now_s
        # The end of a handshake moves it by its own number; later segments by what is next behind them, so none with data.
        at = was_next if now == RECEIVED and side == 0 else state[slot, own + NEXT]
        if sequence == at:
            state[slot, own + STAMP] = stamp
    return found


@kernel
def take_segment(
    state, slot, side, flags, sequence, acknowledged, length, window, scale, stamp, echoed, now_s, is_midstream
):
    """A segment of a session; bits of its events."""
    found, now = 0, state[slot, T_STATE]
    if flags & ACK == 0 and acknowledged:
        found |= odd.PKT_BROKEN_ACK
    own, other = T_SIDES + side * SIDE_COLUMNS, T_SIDES + (1 - side) * SIDE_COLUMNS
    is_first, is_answer = sequence == state[slot, own + ISN], flags & (SYN | ACK) == SYN | ACK
    if now >= LAST_ACK and flags & SYN and flags & (FIN | RST) == 0 and (not is_answer or is_midstream):
        if not is_first or (side == 1 and not is_answer):
            now = NONE
            state[slot, T_STATE] = NONE
            state[slot, T_TURNED] ^= side ^ np.int64(is_answer)
    if now == NONE:
        if flags & RST:
            return found | odd.RST_BUT_NO_SESSION
        if flags & FIN:
            return found | odd.FIN_BUT_NO_SESSION
        if (flags & SYN and not is_answer) or (flags & ACK and is_midstream):
            begin_session(state, slot, flags, sequence, acknowledged, length, window, scale, stamp, echoed, now_s)
        return found
    bits, end = state[slot, T_BITS], (sequence + length) & MASK
    if now == RECEIVED and side == 0 and flags & SYN == 0:
        for place in range(state[slot, T_QUEUED]):
            if acknowledged == (state[slot, T_QUEUE + place] + 1) & MASK:
                begin(state, slot, other, acknowledged, state[slot, other + WINDOW])
    past_next, end_past_next = past(sequence, state[slot, own + NEXT]), past(end, state[slot, own + NEXT])
    past_acked, end_past_acked = past(sequence, state[slot, own + ACKED]), past(end, state[slot, own + ACKED])
    ack_past_acked, ack_past_next = (
        past(acknowledged, state[slot, other + ACKED]),
        past(acknowledged, state[slot, other + NEXT]),
    )
    may_send = state[slot, other + WINDOW]
    if flags & ACK == 0 or ack_past_acked == 0:
        is_meant = True
    elif ack_past_acked < 0:
        is_meant = may_send == 0 or -ack_past_acked <= may_send
    else:
        is_meant = past(acknowledged, state[slot, other + LIMIT]) <= 0
    is_plain = flags & (SYN | FIN | RST) == 0
    if flags & ACK and is_plain and OPEN <= now < CLOSED:
        shrinks = may_send - (window << state[slot, other + SCALE])
        if shrinks > length and ack_past_next > 0 and past_next > 0 and is_meant:
            return found | odd.PKT_BAD_WINDOW_UPDATE
        if length <= 1 and past_next == -1 and ack_past_acked == 0:
            return found  # a keep-alive
        if length == 0 and past_next == 0 and ack_past_acked < 0:
            return found  # says nothing new
    if length and now >= RECEIVED and past(end, (state[slot, own + ISN] + 1) & MASK) <= 0:
        return found | odd.PKT_SPURIOUS_RETRANSMISSION
    if length and now >= OPEN:
        if end_past_acked <= 0:
            found |= odd.PKT_SPURIOUS_RETRANSMISSION
        if end_past_next <= 0 and OPEN < now < CLOSED and now != TIME_WAIT:
            found |= odd.PKT_RETRANSMISSION
    if stamp >= 0 and flags & SYN == 0 and bits & STAMPS and is_stale(state, slot, own, past_next == 0, stamp, now_s):
        return found | odd.PKT_INVALID_TIMESTAMP
    if now == CLOSED or (now == SENT and flags & (SYN | RST) == 0) or (is_plain and flags & ACK == 0):
        return found
    if now == OPEN and bits & ANSWERS and side == 1 and is_plain:
        bits &= ~ANSWERS
        state[slot, T_BITS] = bits
        state[slot, own + WINDOW] = window << LARGEST_SCALE
        state[slot, own + LIMIT] = (state[slot, own + ACKED] + (window << LARGEST_SCALE)) & MASK
    past_limit, end_past_limit = past(sequence, state[slot, own + LIMIT]), past(end, state[slot, own + LIMIT])
    past_room = past_acked - state[slot, own + WINDOW]
    if flags & RST:
        event, following, learned = take_rst(now, is_meant, past_next)
    elif flags & FIN:
        event, following, learned = take_fin(
            now, side, flags, is_meant, past_acked, past_limit, past_next, past_room, end_past_next
        )
        learned &= -1 if flags & ACK else ~(TAKE_ACK | TAKE_RAISE)
    elif is_answer:
        is_right = acknowledged == (state[slot, other + ISN] + 1) & MASK
        event, following, learned = take_syn_ack(now, side, is_first, is_right, ack_past_acked == 0, bits & CONFIRMED)
    elif flags & SYN:
        event, following, learned = take_syn(now, side, is_first)
    elif now == RECEIVED:
        event, following, learned = complete(now, side, length, past_next, ack_past_next, bits)
        learned &= -1 if is_meant else ~TAKE_ACK
    elif now == OPEN:
        acked_past_next = end_past_next - end_past_acked
        event, following, learned = take_open(
            now, is_meant, end_past_acked, end_past_next, end_past_limit, acked_past_next, bits
        )
    else:
        event, following, learned = take_closing(
            now, side, length, is_meant, end_past_acked, end_past_limit, past_next, past_room, ack_past_next >= 0, bits
        )
    found |= event
    return found | learn(
        state,
        slot,
        side,
        own,
        other,
        learned,
        now,
        following,
        sequence,
        acknowledged,
        length,
        window,
        scale,
        stamp,
        now_s,
    )


@kernel
def follow_sessions(cells, words, buffer, flows, times, state, is_midstream, out):
    """What sessions say of each row.

    Args:
        flows: int64[rows, ...], FlowColumns.cells.  times: int64[packets], ns.
        state: int64[slots, T_SIDES + 2 * SIDE_COLUMNS].
        is_midstream: whether sessions whose handshake was not seen are followed.
        out: int64[rows, 3]: bits of events; bytes of the client's and the server's stream, -1 where there is no session.
    """
    for row in range(len(words)):
        out[row, O_EVENTS] = 0
        out[row, O_CLIENT] = -1
        out[row, O_SERVER] = -1
        slot = flows[row, SLOT]
        if slot < 0 or cells[TCP, row] < 0:
            continue
        number = flows[row, FLOW] + 1
        if state[slot, T_FLOW] != number:
            if flows[row, PEER] & PEER_RESYN == 0 and cells[TCP_FLAGS, row] & (SYN | FIN) != SYN | FIN:
                state[slot, T_STATE] = NONE
                state[slot, T_TURNED] = 0
            state[slot, T_FLOW] = number
        flags, side = np.int64(cells[TCP_FLAGS, row]), (flows[row, PEER] & PEER_TO_CLIENT) ^ state[slot, T_TURNED]
        sequence = np.int64(words[row, SEQUENCE] >> np.uint64(32))
        acknowledged = np.int64(words[row, SEQUENCE] & np.uint64(MASK))
        length = np.int64(cells[PAYLOAD_STOP, row] - cells[PAYLOAD_START, row])
        at = np.int64(cells[TCP, row])
        window, scale, stamp, echoed = np.int64(0), np.int64(-1), np.int64(-1), np.int64(-1)
        if at + 20 <= cells[STOP, row]:
            window = np.int64(buffer[at + 14]) << 8 | np.int64(buffer[at + 15])
            scale, stamp, echoed = read_options(buffer, cells, row)
        second = times[cells[PACKET, row]] // 1_000_000_000
        out[row, O_EVENTS] = take_segment(
            state, slot, side, flags, sequence, acknowledged, length, window, scale, stamp, echoed, second, is_midstream
        )
        if state[slot, T_STATE] != NONE:
            server = T_SIDES + SIDE_COLUMNS
            out[row, O_CLIENT] = (state[slot, T_SIDES + NEXT] - state[slot, T_SIDES + ISN]) & MASK
            out[row, O_SERVER] = (state[slot, server + NEXT] - state[slot, server + ISN]) & MASK
