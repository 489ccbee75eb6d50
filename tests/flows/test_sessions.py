"""Sizes and events of TCP sessions, by hand from the sequence numbers; Suricata's own are in differential/test_suricata_sessions.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from detector.flows.events import StreamEvent
from detector.flows.followed import Watched
from detector.flows.sessions import EVENT, SESSION_FIELDS, SessionTable
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from detector.pipeline import Decoding, PipelineSettings
from tests.flows.frames import ACK, CLIENT, FIN, PUSH, RST, SECOND, SERVER, SYN, batches, tcp, udp

pytestmark = pytest.mark.kernel

C, S = CLIENT, SERVER
HELLO = [tcp(C, S, SYN, 100), tcp(S, C, SYN | ACK, 500, 101), tcp(C, S, ACK, 101, 501)]
Row = tuple[list[object], list[object], list[object]]  # events, the client's size, the server's


def sessions_of(frames: Sequence[bytes], size: int = 1000, *, midstream: bool = True, saves: bool = False) -> list[Row]:
    """What each row has in the three columns."""
    decoder, flows = PacketDecoder(), FlowTable(FlowSettings(flows=256, midstream=midstream))
    table, found = SessionTable(flows.slots, midstream), []
    for batch in batches(frames, [SECOND + n for n in range(len(frames))], size):
        packets = decoder.decode(batch)
        if saves:
            state, table = table.state(), SessionTable(flows.slots, midstream)
            table.restore(state)
        table.follow(packets, flows.follow(packets))
        columns = [packets.column(field.name) for field in SESSION_FIELDS]
        found += [(columns[0].at(row), columns[1].at(row), columns[2].at(row)) for row in range(packets.rows)]
    return found


def test_sizes_of_a_whole_connection() -> None:
    """A SYN counts as one byte, the client's FIN once it is acknowledged, the server's at once where it is the first."""
    frames = [
        *HELLO, tcp(C, S, ACK | PUSH, 101, 501, b"question"), tcp(S, C, ACK | PUSH, 501, 109, b"answer"), tcp(S, C, ACK | FIN, 507, 109),
        tcp(C, S, ACK | FIN, 109, 508), tcp(S, C, ACK, 508, 110), udp(C, S, b"no session"),
    ]  # fmt: skip
    assert sessions_of(frames) == [
        ([], [1], [0]), ([], [1], [1]), ([], [1], [1]), ([], [9], [1]), ([], [9], [7]), ([], [9], [8]), ([], [9], [8]), ([], [10], [8]),
        ([], [], []),
    ]  # fmt: skip


def test_midstream() -> None:
    """Without the handshake the first sender is the client, and its first byte stands behind the one of a SYN; or nobody follows it."""
    frames = [
        tcp(S, C, ACK | PUSH, 7000, 90, b"four"),
        tcp(C, S, ACK, 90, 7004),
        tcp(C, S, ACK | PUSH, 90, 7004, b"12"),
    ]
    assert sessions_of(frames) == [([], [5], [1]), ([], [5], [1]), ([], [5], [3])]
    assert sessions_of(frames, midstream=False) == [([], [], [])] * 3


@pytest.mark.parametrize(
    ("frame", "event"),
    [
        (tcp(C, S, SYN, 100), "est_syn_resend"),
        (tcp(C, S, SYN, 4000), "est_syn_resend_diff_seq"),
        (tcp(S, C, SYN, 500), "est_syn_toclient"),
        (tcp(C, S, SYN | ACK, 100, 501), "est_synack_toserver"),
        (tcp(S, C, SYN | ACK, 500, 100), "est_synack_resend_with_different_ack"),
        (tcp(S, C, SYN | ACK, 510, 101), "est_synack_resend_with_diff_seq"),
        (tcp(C, S, ACK, 101, 90_000), "est_invalid_ack pkt_invalid_ack"),
        (tcp(C, S, ACK, 20_000, 501, b"far"), "est_packet_out_of_window"),
        (tcp(C, S, ACK, 90, 501), "est_pkt_before_last_ack"),
        (tcp(C, S, FIN | ACK, 20_000, 501), "fin_out_of_window"),
        (tcp(C, S, RST | ACK, 101, 90_000), "pkt_invalid_ack rst_invalid_ack"),
        (tcp(C, S, PUSH, 101, 7), "pkt_broken_ack"),
        (tcp(C, S, ACK | PUSH, 101, 501, b"fine"), ""),
    ],
)
def test_events_of_an_open_session(frame: bytes, event: str) -> None:
    """Each alone behind a handshake, by what its name says; windows are 8192 bytes."""
    assert sorted(map(str, sessions_of([*HELLO, frame])[-1][0])) == event.split()


def test_a_session_is_the_same_in_batches_of_any_size_and_over_a_restart() -> None:
    generator = np.random.default_rng(5)
    frames = list(HELLO)
    for _ in range(300):
        ends = (C, S) if generator.random() < 0.5 else (S, C)
        flags = int(
            generator.choice((ACK, ACK | PUSH, SYN, SYN | ACK, FIN | ACK, RST), p=(0.4, 0.4, 0.06, 0.06, 0.06, 0.02))
        )
        base = (101, 501) if ends[0] == C else (501, 101)
        shifts = generator.integers(-20, 2000, 2).tolist()
        frames.append(tcp(*ends, flags, base[0] + shifts[0], base[1] + shifts[1], b"x" * int(generator.integers(9))))
    whole = sessions_of(frames)
    assert len({str(event) for row in whole for event in row[0]}) > 8
    assert sessions_of(frames, 1) == sessions_of(frames, 7) == sessions_of(frames, 7, saves=True) == whole


def test_only_where_it_is_asked_for() -> None:
    """Nothing is followed for nobody, and the columns are there all the same."""
    for watched, expected in ((Watched(), []), (Watched(sessions=True), [1])):
        decoding = Decoding(PipelineSettings())
        decoding.following.watch(watched)
        packets, _ = decoding.tables(batches(HELLO, [SECOND] * 3, 3)[0])
        assert packets.column("stream.client_size").at(2) == expected
        assert packets.column("stream.event").at(2) == []


def test_names() -> None:
    """Suricata's, all different, each a bit of one word."""
    assert EVENT.labels[StreamEvent.WHS3_SYNACK_FLOOD] == "3whs_synack_flood"
    assert len(set(EVENT.labels.values())) == len(StreamEvent) < 63
