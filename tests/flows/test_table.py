"""Flows: ids, direction, state and time-outs, against the rules of design section 6 and a dictionary."""

from __future__ import annotations

import random
from ipaddress import ip_address

import numpy as np
import pytest

from detector.capture.batch import batch_of
from detector.flows.communityid import community_id
from detector.flows.fields import FLOW_FIELDS
from detector.flows.table import FlowSettings, FlowTable
from detector.packets.decode import PacketDecoder
from tests.flows.frames import ACK, CLIENT, FIN, PUSH, RST, SECOND, SERVER, SYN, Followed, follow, icmp, ip, tcp, udp

pytestmark = pytest.mark.kernel

FIELDS = ("flow.id", "flow.direction", "flow.state", "flow.is_new")


def numbered(found: Followed) -> list[int]:
    """flow.id of each row, in the order in which flows began: 0, 1, ..."""
    places: dict[object, int] = {}
    return [places.setdefault(number, len(places)) for number in found.values["flow.id"]]


def directions(frames: list[bytes]) -> list[object]:
    return follow(frames, FIELDS).values["flow.direction"]


def test_direction_by_handshake() -> None:
    """Who sends the SYN is the client, whatever the ports."""
    client, server = ("10.0.0.1", 502), ("10.0.0.2", 40000)
    assert directions([tcp(client, server, SYN), tcp(server, client, SYN | ACK)]) == ["to_server", "to_client"]
    assert directions([tcp(server, client, SYN | ACK), tcp(client, server, ACK)]) == ["to_client", "to_server"]


def test_direction_by_service_port_where_the_handshake_was_not_seen() -> None:
    assert directions([tcp(SERVER, CLIENT, PUSH | ACK), tcp(CLIENT, SERVER, ACK)]) == ["to_client", "to_server"]
    assert directions([udp(("10.0.0.2", 53), ("10.0.0.1", 40000)), udp(("10.0.0.1", 40000), ("10.0.0.2", 53))]) == [
        "to_client", "to_server"]  # fmt: skip


def test_direction_by_the_first_packet_where_nothing_else_tells() -> None:
    first, second = ("10.0.0.9", 45000), ("10.0.0.1", 46000)
    assert directions([tcp(first, second, ACK), tcp(second, first, ACK)]) == ["to_server", "to_client"]


def test_direction_is_never_revised() -> None:
    """A late SYN of the other side would turn alerts that were already told."""
    first, second = ("10.0.0.9", 45000), ("10.0.0.1", 46000)
    found = directions(
        [tcp(first, second, ACK, 10, 20), tcp(second, first, SYN | ACK, 19, 11), tcp(first, second, ACK, 11, 20)]
    )
    assert found == ["to_server", "to_client", "to_server"]


def test_states_of_a_connection() -> None:
    frames = [tcp(CLIENT, SERVER, SYN, 1), tcp(SERVER, CLIENT, SYN | ACK, 5, 2), tcp(CLIENT, SERVER, ACK, 2, 6),
              tcp(CLIENT, SERVER, PUSH | ACK, 2, 6, b"x"), tcp(CLIENT, SERVER, FIN | ACK, 3, 6), tcp(SERVER, CLIENT, FIN | ACK, 6, 4)]  # fmt: skip
    assert follow(frames, FIELDS).values["flow.state"] == [
        "new",
        "new",
        "established",
        "established",
        "closing",
        "closed",
    ]
    assert follow([*frames[:3], tcp(SERVER, CLIENT, RST, 6)], FIELDS).values["flow.state"][-1] == "closed"


def test_a_syn_with_another_sequence_number_is_another_connection() -> None:
    """Ports are used again; a SYN that is sent again is not that."""
    frames = [tcp(CLIENT, SERVER, SYN, 1), tcp(CLIENT, SERVER, SYN, 1), tcp(CLIENT, SERVER, SYN, 900)]
    assert numbered(follow(frames, FIELDS)) == [0, 0, 1]


@pytest.mark.parametrize(
    ("frames", "seconds"),
    [([tcp(CLIENT, SERVER, SYN, 1), tcp(CLIENT, SERVER, ACK, 2, 1)], 60),
     ([udp(("10.0.0.1", 1), ("10.0.0.2", 2)), udp(("10.0.0.1", 1), ("10.0.0.2", 2))], 300),
     ([icmp("10.0.0.1", "10.0.0.2", 8), icmp("10.0.0.1", "10.0.0.2", 8)], 300)],
)  # fmt: skip
def test_idle_flows_end_in_event_time(frames: list[bytes], seconds: int) -> None:
    """Exactly the time-out is still the same flow, a nanosecond more is another."""
    for idle, expected in ((seconds * SECOND, [0, 0]), (seconds * SECOND + 1, [0, 1])):
        assert numbered(follow(frames, FIELDS, times=[0, idle])) == expected


def test_established_connections_live_for_a_day() -> None:
    """A controller's connection that is polled once a shift."""
    frames = [
        tcp(CLIENT, SERVER, SYN, 1),
        tcp(SERVER, CLIENT, SYN | ACK, 5, 2),
        tcp(CLIENT, SERVER, ACK, 2, 6),
        tcp(CLIENT, SERVER, ACK, 2, 6),
    ]
    times = [0, 1, 2, 8 * 3600 * SECOND]
    assert numbered(follow(frames, FIELDS, times=times)) == [0, 0, 0, 0]


def test_layer_two_flows() -> None:
    """What has no IP is a flow of two MAC addresses and an EtherType."""
    one, two = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
    goose, lldp = b"\x88\xb8", b"\x88\xcc"
    frames = [one + two + goose + bytes(50), two + one + goose + bytes(50), one + two + lldp + bytes(50)]
    found = follow(frames, FIELDS)
    assert numbered(found) == [0, 0, 1]
    assert found.values["flow.direction"] == ["to_server", "to_client", "to_server"]


@pytest.mark.parametrize(("in_key", "expected"), [(False, [0, 0, 0]), (True, [0, 1, 2])])
def test_vlan_is_part_of_the_key_or_not(in_key: bool, expected: list[int]) -> None:
    """A mirror port may tag one direction only."""
    frames = [tcp(CLIENT, SERVER, ACK), tcp(SERVER, CLIENT, ACK, vlan=7), tcp(CLIENT, SERVER, ACK, vlan=8)]
    settings = FlowSettings(flows=256, vlan_in_key=in_key)
    assert numbered(follow(frames, FIELDS, settings=settings)) == expected


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(3))
def test_ids_and_counts_are_those_of_a_dictionary(seed: int, size: int) -> None:
    """The same flows, numbered in the order of their first packets, with the same counts so far, in any batch size."""
    chosen = random.Random(seed)
    ends = [(f"10.0.{chosen.randrange(3)}.{number}", chosen.choice((502, 80, 40000 + number))) for number in range(12)]
    frames, pairs = [], []
    for _ in range(300):
        source, destination = chosen.sample(ends, 2)
        frames.append(udp(source, destination, bytes(chosen.randrange(30))))
        pairs.append((source, destination))
    found = follow(
        frames,
        (*FIELDS, "flow.packets_to_server", "flow.bytes_to_client"),
        size=size,
        settings=FlowSettings(flows=16384),
    )
    numbers_of_rows = numbered(found)
    numbers: dict[frozenset[object], int] = {}
    counts: dict[tuple[int, object], int] = {}
    amounts: dict[tuple[int, object], int] = {}
    for row, (source, destination) in enumerate(pairs):
        number = numbers.setdefault(frozenset((source, destination)), len(numbers))
        assert numbers_of_rows[row] == number
        way = found.values["flow.direction"][row]
        counts[number, way] = counts.get((number, way), 0) + 1
        amounts[number, way] = amounts.get((number, way), 0) + len(frames[row])
        assert found.values["flow.packets_to_server"][row] == counts.get((number, "to_server"), 0)
        assert found.values["flow.bytes_to_client"][row] == amounts.get((number, "to_client"), 0)
    assert found.flows.created == len(numbers)


def test_a_full_table_gives_up_the_least_recently_used_flow_and_counts_it() -> None:
    """64 shards of one slot each: two flows in one shard cannot both stay."""
    table = FlowTable(FlowSettings(flows=64))
    frames = [udp((f"10.0.{number // 200}.{number % 200}", 1000), ("10.9.9.9", 2000)) for number in range(300)]
    found = follow(frames, FIELDS, flows=table)
    assert numbered(found) == list(range(300))
    assert table.created == 300
    assert 300 - 64 <= table.evicted < 300


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_shards_followed_apart_give_the_columns_of_all_together(size: int) -> None:
    """What workers rest on: a shard's flows depend on no other shard, in a full table neither."""
    chosen = random.Random(3)
    frames = []
    for _ in range(600):
        ends = [(f"10.0.1.{chosen.randrange(40)}", chosen.randrange(1000, 1004)) for _ in range(2)]
        frames.append(chosen.choice((udp(*ends), tcp(*ends, SYN, chosen.randrange(9)), tcp(*ends, ACK, 5, 5, b"abc"))))
    fields = [field.name for field in FLOW_FIELDS]
    whole = follow(frames, fields, size=size, settings=FlowSettings(flows=128))
    parts = []
    for first in range(3):
        mine = np.arange(64) % 3 == first
        parts.append(follow(frames, fields, size=size, flows=FlowTable(FlowSettings(flows=128), shards=mine)))
    seen = [[part.values["flow.id"][row] is not None for part in parts] for row in range(len(frames))]
    assert all(sum(one) == 1 for one in seen), "each row is followed by one"
    for name in fields:
        values = [parts[one.index(True)].values[name][row] for row, one in enumerate(seen)]
        assert values == whole.values[name], name
    assert sum(part.flows.created for part in parts) == whole.flows.created
    assert sum(part.flows.evicted for part in parts) == whole.flows.evicted > 0
    assert sorted(chunk for part in parts for chunk in part.chunks) == sorted(whole.chunks)


def test_the_shard_of_a_row_is_that_of_its_flow() -> None:
    """A packet quoted in an ICMP error goes with the error."""
    inner = udp(("10.0.0.1", 5), ("10.0.0.2", 6))
    error = ip("10.0.0.2", "10.0.0.1", 1, b"\x03\x03" + bytes(6) + inner[14:])
    tunnel = ip("10.0.0.3", "10.0.0.4", 4, inner[14:])
    batch = batch_of([inner, error, tunnel], [0, 1, 2])
    packets, flows = PacketDecoder().decode(batch), FlowTable(FlowSettings(flows=256))
    shards, columns = flows.shards_of(packets).tolist(), flows.follow(packets)
    assert packets.structure.is_quoted.tolist() == [False, False, True, False, False]
    assert shards[2] == shards[1]
    assert [shards[row] for row in (0, 1, 3, 4)] == [int(columns.flow[row]) % 64 for row in (0, 1, 3, 4)]


VECTORS = [  # the test vectors of github.com/corelight/community-id-spec, baseline of seed 0
    ("128.232.110.120", "66.35.250.204", 6, 34855, 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    ("66.35.250.204", "128.232.110.120", 6, 80, 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    ("192.168.1.52", "8.8.8.8", 17, 54585, 53, "1:d/FP5EW3wiY1vCndhwleRRKHowQ="),
    ("192.168.0.89", "192.168.0.1", 1, 8, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    ("192.168.0.1", "192.168.0.89", 1, 0, 0, "1:X0snYXpgwiv9TZtqg64sgzUn6Dk="),
    ("192.168.170.8", "192.168.170.56", 132, 7, 80, "1:jQgCxbku+pNGw8WPbEc/TS/uTpQ="),
    ("192.168.0.89", "192.168.0.1", 1, 20, 1, "1:tz/fHIDUHs19NkixVVoOZywde+I="),
    ("fe80::200:86ff:fe05:80da", "fe80::260:97ff:fe07:69ea", 58, 135, 0, "1:dGHyGvjMfljg6Bppwm3bg0LO8TY="),
]


@pytest.mark.parametrize(("source", "destination", "protocol", "first", "second", "expected"), VECTORS)
def test_community_id_of_the_published_vectors(
    source: str, destination: str, protocol: int, first: int, second: int, expected: str
) -> None:
    """Alerts join with Zeek's and Suricata's logs by this value."""
    packed = [ip_address(address).packed for address in (source, destination)]
    assert community_id(packed[0], packed[1], protocol, first, second) == expected


def test_age_as_suricata_counts_it() -> None:
    """Whole seconds of the clock; a datagram more than 30 s after an unanswered one begins again, behind an answer 300 s."""
    there, back = udp(CLIENT, SERVER), udp(SERVER, CLIENT)
    nearly = SECOND - 1
    for frames, seconds, expected in (
        ([there, there, there], [0, 30, 31], [0, 30, 31]), ([there, there], [0, 31], [0, 0]), ([there, back, there], [0, 1, 301], [0, 1, 301]),
        ([there, back, there], [0, 1, 302], [0, 1, 0]),
    ):  # fmt: skip
        times = [SECOND + second * SECOND + nearly for second in seconds]
        assert follow(frames, ["flow.peer_age"], times=times).values["flow.peer_age"] == expected
    assert follow([there, there], ["flow.peer_age"], times=[nearly, SECOND]).values["flow.peer_age"] == [0, 1]


def test_an_idle_connection_is_another_one_to_suricata() -> None:
    """tcp: new 60 s, established 600 s, closed 60 s in Debian's suricata.yaml; ours goes on."""
    syn, synack = tcp(CLIENT, SERVER, SYN, 1), tcp(SERVER, CLIENT, SYN | ACK, 5, 2)
    ack, reset = tcp(CLIENT, SERVER, ACK, 2, 6), tcp(CLIENT, SERVER, RST, 2)
    for idle, expected in ((600, 600), (601, 0)):
        found = follow([syn, synack, ack, ack], ["flow.peer_age", *FIELDS], times=[0, 0, 0, idle * SECOND])
        assert found.values["flow.peer_age"] == [0, 0, 0, expected]
        assert numbered(found) == [0, 0, 0, 0]
    for idle, expected in ((60, 60), (61, 0)):
        found = follow([syn, synack, ack, reset, ack], ["flow.peer_age"], times=[0, 0, 0, 0, idle * SECOND])
        assert found.values["flow.peer_age"][-1] == expected
