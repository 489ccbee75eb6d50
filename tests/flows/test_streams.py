"""Stream order: against hand-made cases, a naive reference on random disorder, and tshark on real captures."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from itertools import groupby
from pathlib import Path

import pytest

from detector.capture import open_source
from detector.errors import InputError
from detector.flows.columns import Chunk
from detector.flows.streams import StreamSettings, StreamTable, check_policy
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from tests.flows.frames import ACK, CLIENT, FIN, PUSH, RST, SECOND, SERVER, SYN, Followed, follow, tcp, udp

pytestmark = pytest.mark.kernel
ISN, OTHER_ISN = 2**32 - 9, 77  # the client's numbers wrap after eight bytes
Event = tuple[str, int, bytes, int | None]  # side, offset in its stream, payload, offset acknowledged


def frame(side: str, offset: int, payload: bytes = b"", acknowledged: int | None = 0, flags: int = PUSH) -> bytes:
    """A segment of the connection: offsets count from the first byte behind the SYN."""
    ends = (CLIENT, SERVER) if side == "c" else (SERVER, CLIENT)
    own, other = (ISN, OTHER_ISN) if side == "c" else (OTHER_ISN, ISN)
    answer = 0 if acknowledged is None else other + 1 + acknowledged
    return tcp(*ends, flags | (0 if acknowledged is None else ACK), own + 1 + offset, answer, payload)


HANDSHAKE = (
    tcp(CLIENT, SERVER, SYN, ISN),
    tcp(SERVER, CLIENT, SYN | ACK, OTHER_ISN, ISN + 1),
    tcp(CLIENT, SERVER, ACK, ISN + 1, OTHER_ISN + 1),
)


def chunks(done: Followed) -> list[tuple[int, bytes, bool]]:
    """(row, bytes, is_gap), with neighbours of one row put together."""
    found: list[tuple[int, bytes, bool]] = []
    for row, _, data, _, is_gap, _ in done.chunks:
        if found and found[-1][0] == row and not is_gap:
            found[-1] = (row, found[-1][1] + data, found[-1][2])
        else:
            found.append((row, data, is_gap))
    return found


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        pytest.param([("c", 0, b"abcd"), ("c", 4, b"efgh")], [(3, b"abcd", False), (4, b"efgh", False)], id="in order"),
        pytest.param([("c", 4, b"efgh"), ("c", 0, b"abcd")], [(4, b"abcdefgh", False)], id="swapped, over the wrap"),
        pytest.param([("c", 0, b"abcd"), ("c", 0, b"abcd")], [(3, b"abcd", False)], id="sent again"),
        pytest.param([("c", 0, b"abcd"), ("c", 2, b"cdef")], [(3, b"abcd", False), (4, b"ef", False)], id="partly again"),
        pytest.param([("c", 0, b"abcd"), ("c", 3, b"d")], [(3, b"abcd", False)], id="keep-alive"),
        pytest.param([("c", 4, b"ef"), ("c", 8, b"ij"), ("c", 2, b"cdEFghIJ"), ("c", 0, b"ab")], [(6, b"abcdefghij", False)],
                     id="first bytes win among those that wait"),
        pytest.param([("c", 4, b"ef"), ("c", 0, b"abcdEFgh")], [(4, b"abcdefgh", False)], id="first bytes win over the gap"),
        pytest.param([("c", 4, b"efgh"), ("s", 0, b"", 8), ("c", 8, b"ijkl")], [(5, b"efghijkl", True)],
                     id="acknowledged gap is given up with the sender's next row"),
        pytest.param([("c", 0, b"ab"), ("s", 0, b"", 4), ("c", 4, b"ef")], [(3, b"ab", False), (5, b"ef", True)],
                     id="gap acknowledged before what follows"),
        pytest.param([("c", 0, b"ab"), ("s", 0, b"", 4), ("c", 2, b"cd")], [(3, b"ab", False), (5, b"cd", False)],
                     id="acknowledgement captured before the bytes"),
        pytest.param([("s", 0, b"xy"), ("c", 0, b"ab")], [(3, b"xy", False), (4, b"ab", False)], id="two directions"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_order(segments: list[tuple[str, int, bytes]], expected: list[tuple[int, bytes, bool]], size: int) -> None:
    """Without this, bytes reach the protocols in the wrong order, twice, or not at all."""
    done = follow([*HANDSHAKE, *(frame(*segment) for segment in segments)], size=size)
    assert chunks(done) == expected


def test_first_bytes_are_marked_once_for_each_flow() -> None:
    """Without this a slot's next flow goes on with the unfinished PDU of the one before."""
    again = tcp(CLIENT, SERVER, SYN, 5000)
    done = follow([*HANDSHAKE, frame("c", 0, b"ab"), frame("c", 2, b"cd"), again,
                   tcp(CLIENT, SERVER, ACK, 5001, 9, b"xy")])  # fmt: skip
    assert [(data, is_first) for _, _, data, is_first, _, _ in done.chunks] == [
        (b"ab", True), (b"cd", False), (b"xy", True)]  # fmt: skip


def test_data_with_the_syn_and_after_a_forged_answer() -> None:
    """A SYN's own data counts from the number behind it; the last SYN before data says where data begins."""
    done = follow([tcp(CLIENT, SERVER, SYN, ISN, payload=b"ab"), frame("c", 2, b"cd")])
    assert chunks(done) == [(0, b"ab", False), (1, b"cd", False)]
    forged = tcp(SERVER, CLIENT, SYN | ACK, 999999, ISN + 1)
    done = follow([HANDSHAKE[0], forged, *HANDSHAKE[1:], frame("s", 0, b"xy")])
    assert chunks(done) == [(4, b"xy", False)]


def test_capture_that_begins_in_the_middle() -> None:
    """A stream begins at the first data seen, but not with a keep-alive's byte."""
    done = follow([frame("c", 50, b"ab"), frame("c", 52, b"cd"), frame("c", 40, b"old")])
    assert chunks(done) == [(0, b"ab", False), (1, b"cd", False)]
    done = follow([frame("s", 0, b"", 50), frame("c", 49, b"\0"), frame("c", 50, b"ab")])
    assert chunks(done) == [(2, b"ab", False)]


def test_rst_and_fin() -> None:
    """Text in a RST is no data; data sent with a FIN is."""
    done = follow([*HANDSHAKE, frame("c", 0, b"no", flags=RST), frame("c", 0, b"ab", flags=FIN)])
    assert chunks(done) == [(4, b"ab", False)]


def test_different_bytes_for_the_same_place_are_marked() -> None:
    """The mark of an insertion attack, as far as bytes still wait."""
    done = follow([*HANDSHAKE, frame("c", 4, b"efgh"), frame("c", 4, b"eFgh"), frame("c", 0, b"abcdef"),
                   frame("c", 6, b"GH")])  # fmt: skip
    marked = [[name for name in names if name.startswith("stream.")] for names in done.odd[3:]]
    assert marked == [[], ["stream.overlap_different_data"], [], []]
    assert done.streams.anomalies == {"stream.overlap_different_data": 1}


def test_gap_is_marked_and_counted() -> None:
    done = follow([*HANDSHAKE, frame("s", 0, b"", 4), frame("c", 4, b"efgh")])
    assert done.odd[-1] == ["stream.gap"]
    assert done.streams.anomalies == {"stream.gap": 1}
    assert done.streams.waiting_bytes == 0


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_one_direction_only(size: int) -> None:
    """Nobody acknowledges: a gap is given up when too much waits, and the stream goes on."""
    segments = [
        frame("c", 0, b"a" * 100, None),
        *(frame("c", 100 * n, b"%03d" % n + b"." * 97, None) for n in range(2, 9)),
    ]
    done = follow(segments, size=size, limits=StreamSettings(stream_bytes=500, memory_bytes=64 * 65536))
    assert [(row, data[:3], is_gap) for row, _, data, _, is_gap, _ in done.chunks] == [
        (0, b"aaa", False), (6, b"002", True), (6, b"003", False), (6, b"004", False), (6, b"005", False),
        (6, b"006", False), (6, b"007", False), (7, b"008", False),
    ]  # fmt: skip


def test_many_small_segments_behind_a_gap() -> None:
    """The number of pieces of a stream is bounded as its bytes are: 128 wait, the next gives the gap up."""
    done = follow([*HANDSHAKE, *(frame("c", 2 * n, b"x") for n in range(1, 140))])
    first = done.chunks[0]
    assert first[0] == 3 + 128
    assert first[4]
    assert len(done.chunks) == 139 - 128


def test_jump_of_sequence_numbers() -> None:
    """After a loss of any size in a one-sided capture the stream is found again, ahead or behind."""
    for jump in (2**20, 2**28, 2**31 + 5, 2**32 - 2**27):
        done = follow([frame("c", 0, b"ab", None), *(frame("c", jump + 100 * n, b"y" * 100, None) for n in range(9))],
                      limits=StreamSettings(stream_bytes=600, memory_bytes=64 * 65536))  # fmt: skip
        assert b"".join(data for _, data, _ in chunks(done)) == b"ab" + b"y" * 900
        assert sum(is_gap for _, _, is_gap in chunks(done)) == 1


def test_memory_is_bounded_and_the_oldest_gives_way() -> None:
    """Holes in many streams must not take the room of those that come later. These are of one shard, which has its part."""
    ends = [("10.0.1.1", port) for port in range(1000, 9000)]
    shards = [number % 64 for number in follow([tcp(end, SERVER, ACK) for end in ends], ["flow.id"]).values["flow.id"]]  # type: ignore[operator]
    segments = []
    for end in [end for end, shard in zip(ends, shards, strict=True) if shard == shards[0]][:60]:
        segments += [tcp(end, SERVER, ACK, 1, 1, b"ab"), tcp(end, SERVER, ACK, 1000, 1, b"." * 700)]
    segments += [tcp(end, SERVER, ACK, 3, 1, b"x" * 997)]
    done = follow(segments, settings=FlowSettings(flows=8192), limits=StreamSettings(memory_bytes=64 * 16 * 256))
    assert done.streams.waiting_bytes <= 16 * 256
    assert done.streams.anomalies["stream.memcap"] == 60 - 16 // 3  # 700 bytes take three of the sixteen blocks
    assert done.chunks[-1][2] == b"." * 700  # what came last still waited
    assert not done.chunks[-1][4]


def test_segment_larger_than_the_store() -> None:
    """What cannot wait is passed on behind a gap at once: never lost."""
    done = follow([*HANDSHAKE, frame("c", 5, b"z" * 1000)], limits=StreamSettings(memory_bytes=64 * 512))
    assert chunks(done) == [(3, b"z" * 1000, True)]
    assert done.odd[-1] == ["stream.gap", "stream.memcap"]


def test_capture_with_short_packets() -> None:
    """What was not captured of a packet is a gap right behind it; its end waits for nobody."""
    done = follow([*HANDSHAKE, frame("c", 0, b"abcdefgh"), frame("c", 8, b"ijkl")], cut=14 + 40 + 4)
    assert chunks(done) == [(3, b"abcd", False), (4, b"ijkl", True)]


def test_datagrams() -> None:
    done = follow([udp(("10.0.0.1", 999), ("10.0.0.2", 53), b"abc"), udp(("10.0.0.1", 999), ("10.0.0.2", 53))])
    assert [(row, data, is_datagram) for row, _, data, _, _, is_datagram in done.chunks] == [(0, b"abc", True)]


def reference(events: list[Event]) -> list[tuple[int, bytes, bool]]:
    """The definition, slowly: bytes by their place, the first kept; ceilings left out."""
    found: list[tuple[int, bytes, bool]] = []
    following, held, acked = {"c": 0, "s": 0}, {"c": {}, "s": {}}, {"c": 0, "s": 0}  # type: ignore[var-annotated]
    for row, (side, offset, payload, acknowledged) in enumerate(events):
        other = "s" if side == "c" else "c"
        acked[other] = max(acked[other], acknowledged or 0)
        for place, byte in enumerate(payload, offset):
            if place >= following[side]:
                held[side].setdefault(place, byte)
        is_gap = False
        while held[side]:
            taken = bytearray()
            while following[side] in held[side]:
                taken.append(held[side].pop(following[side]))
                following[side] += 1
            if taken:
                found.append((row, bytes(taken), is_gap))
            if not held[side] or acked[side] < min(held[side]):
                break
            following[side], is_gap = min(held[side]), True
    return found


def disorder(seed: int) -> list[Event]:
    """Segments cut at random, repeated, swapped, lost, with other bytes, acknowledged."""
    chance = random.Random(seed)
    events: list[Event] = []
    sent = {"c": 0, "s": 0}
    for _ in range(60):
        side = chance.choice("cs")
        length = chance.randrange(0, 12)
        offset = max(0, sent[side] - chance.choice((0, 0, 0, 0, 3, 9)))
        payload = bytes(chance.randrange(97, 100) for _ in range(length))
        sent[side] = max(sent[side], offset + length)
        if chance.random() > 0.1:
            other = sent["s" if side == "c" else "c"]
            events.append((side, offset, payload, other if chance.random() < 0.2 else 0))
    for _ in range(20):
        a = chance.randrange(len(events) - 4)
        b = a + chance.randrange(1, 4)
        events[a], events[b] = events[b], events[a]
    return events


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(12))
def test_random_disorder(seed: int, size: int) -> None:
    """Equal to the definition for any batch size."""
    events = disorder(seed)
    done = follow([*HANDSHAKE, *(frame(*event) for event in events)], size=size)
    assert [(row - 3, data, is_gap) for row, data, is_gap in chunks(done)] == reference(events)


def streams_of(path: Path) -> dict[int, dict[bytes, bytes]]:
    """Bytes of each TCP flow by the sender's address and port, as this engine orders them; flows as they began."""
    decoder, flows = PacketDecoder(), FlowTable(FlowSettings(flows=16384))
    table = StreamTable(StreamSettings(), flows.slots)
    found: dict[int, dict[bytes, bytes]] = {}
    for batch in open_source([str(path)]).batches():
        packets = decoder.decode(batch)
        columns = flows.follow(packets)
        for number in columns.flow.tolist():
            found.setdefault(number, {})
        for cells in table.follow(packets, columns).cells.tolist():
            row = cells[Chunk.ROW]
            if not cells[Chunk.IS_DATAGRAM]:
                sender = packets.structure.addresses[row, :2].tobytes() + packets.structure.ports[row, :1].tobytes()
                data = batch.buffer[cells[Chunk.START] : cells[Chunk.STOP]].tobytes()
                one = found[int(columns.flow[row])]
                one[sender] = one.get(sender, b"") + data
    return {number: sides for number, sides in found.items() if sides}


FOLLOWED = ("modbus/test.pcap", "modbus/tcp.pcap", "enip/cip-multiple-1.pcap", "iec104/090813-diverse.pcap")


@pytest.mark.differential
@pytest.mark.parametrize("name", FOLLOWED)
def test_streams_equal_tsharks(captures: Path, name: str, tmp_path: Path) -> None:
    """`tshark -z follow,tcp,raw` prints the same bytes for both directions of the capture's first TCP streams."""
    if shutil.which("tshark") is None:
        if os.environ.get("DETECTOR_REQUIRE_TOOLS"):
            pytest.fail("tshark is not installed")
        pytest.skip("tshark is not installed")
    ours = list(streams_of(captures / name).values())[:3]
    assert ours
    for number, sides in enumerate(ours):
        said = followed(captures / name, number, tmp_path)
        assert sorted(said) == sorted(sides.values())


def followed(path: Path, stream: int, profile: Path) -> list[bytes]:
    """The bytes of the sides of a stream that sent any, as tshark follows it."""
    command = ["tshark", "-r", str(path), "-q", "-z", f"follow,tcp,raw,{stream}"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True,
                             env={**os.environ, "WIRESHARK_CONFIG_DIR": str(profile)}).stdout  # fmt: skip
    lines = [line for line in printed.splitlines() if line.strip("\t") and set(line.strip()) <= set("0123456789abcdef")]
    by_side = groupby(sorted(lines, key=lambda line: line.startswith("\t")), lambda line: line.startswith("\t"))
    return [b"".join(bytes.fromhex(line.strip()) for line in group) for _, group in by_side]


def test_determinism_over_batches_with_reused_slots() -> None:
    """Flows that come and go through few slots, in batches of any size, give the same chunks."""
    chance = random.Random(5)
    frames = []
    for _ in range(150):
        end = (f"10.0.3.{chance.randrange(9)}", chance.randrange(1000, 1030))
        frames.append(tcp(end, SERVER, ACK, 100 * chance.randrange(6), 1, b"%02d" % chance.randrange(99) * 50))
    times = [SECOND * n for n in range(len(frames))]
    runs = [follow(frames, times=times, size=size, settings=FlowSettings(flows=64)).chunks for size in (1, 7, 1000)]
    assert runs[0] == runs[1] == runs[2]


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        pytest.param([tcp(CLIENT, SERVER, ACK | 32, ISN + 1, 1, b"ab")], "stream.urgent_data", id="urgent data"),
        pytest.param([tcp(CLIENT, SERVER, SYN, 5000)], "stream.est_syn_resend_diff_seq", id="SYN of another connection"),
        pytest.param([tcp(CLIENT, SERVER, RST, ISN + 2**22)], "stream.rst_out_of_window", id="RST far away"),
        pytest.param([frame("c", -40, b"before")], "stream.est_packet_out_of_window", id="bytes before the beginning"),
    ],
)  # fmt: skip
def test_what_receivers_take_otherwise_is_marked(segments: list[bytes], expected: str) -> None:
    """Each is a way to make an observer see other bytes than the receiver; ordinary traffic has none of them."""
    done = follow([*HANDSHAKE, frame("c", 0, b""), *segments])
    assert done.odd[-1] == [expected]
    assert done.streams.anomalies == {expected: 1}
    ordinary = [
        *HANDSHAKE,
        frame("c", 0, b"ab"),
        tcp(CLIENT, SERVER, RST | ACK, ISN + 3, 1),
        tcp(CLIENT, SERVER, SYN, 5000),
    ]
    assert follow(ordinary).streams.anomalies == {}


OVERLAPS = [(5, 15), (5, 20), (5, 25), (10, 15), (10, 20), (10, 25), (12, 17), (12, 20), (12, 25)]
# What Suricata 7.0.10 makes, by policy, of bytes 10 to 20 (A), those of an overlap (B), and then 0 to 10 (digits): letters of the overlaps.
OF_POLICY = {
    "vista": "01234BBBBBAAAAAAAAAA 01234BBBBBAAAAAAAAAA 01234BBBBBAAAAAAAAAABBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA"
             " 0123456789AAAAAAAAAABBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA 0123456789AAAAAAAAAABBBBB",
    "windows": "0123456789BBBBBAAAAA 0123456789BBBBBBBBBB 0123456789BBBBBBBBBBBBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA"
               " 0123456789AAAAAAAAAABBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA 0123456789AAAAAAAAAABBBBB",
    "linux": "0123456789BBBBBAAAAA 0123456789BBBBBBBBBB 0123456789BBBBBBBBBBBBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA"
             " 0123456789BBBBBBBBBBBBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA 0123456789AAAAAAAAAABBBBB",
    "old-linux": "0123456789BBBBBAAAAA 0123456789BBBBBBBBBB 0123456789BBBBBBBBBBBBBBB 0123456789AAAAAAAAAA 0123456789BBBBBBBBBB"
                 " 0123456789BBBBBBBBBBBBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA 0123456789AAAAAAAAAABBBBB",
    "solaris": "01234BBBBBAAAAAAAAAA 01234BBBBBBBBBBBBBBB 01234BBBBBBBBBBBBBBBBBBBB 0123456789AAAAAAAAAA 0123456789BBBBBBBBBB"
               " 0123456789BBBBBBBBBBBBBBB 0123456789AAAAAAAAAA 0123456789AAAAAAAAAA 0123456789AABBBBBBBBBBBBB",
}  # fmt: skip


@pytest.mark.parametrize("policy", OF_POLICY)
def test_what_the_receiver_does_with_an_overlap(policy: str) -> None:
    """Of networks that hold the receiver the narrowest counts."""
    other = "solaris" if policy == "vista" else "vista"
    limits = StreamSettings(
        memory_bytes=64 * 65536, policies=(("10.0.0.0/8", other), ("10.0.0.2", policy), ("::/0", other))
    )
    found = []
    for start, stop in OVERLAPS:
        parts = [(10, b"A" * 10), (start, b"B" * (stop - start)), (0, b"0123456789")]
        done = follow([*HANDSHAKE, *(frame("c", at, data) for at, data in parts)], limits=limits)
        found.append(b"".join(chunk[2] for chunk in done.chunks).decode())
        assert any("stream.overlap_different_data" in odd for odd in done.odd)
    assert found == OF_POLICY[policy].split()


def test_policies_that_cannot_be_read() -> None:
    for network, name, hint in (
        ("10.0.0.0/8", "linus", "did you mean linux?"),
        ("10.0.0", "linux", "write 10.0.0.0/8"),
    ):
        with pytest.raises(InputError) as caught:
            check_policy(network, name)
        assert caught.value.hint.startswith(hint)
