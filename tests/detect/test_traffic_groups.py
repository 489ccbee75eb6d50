"""Groups of traffic: every packet that a rule's header names is in a group that has the rule."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
from numpy.typing import NDArray

from detector.detect.searched_kernels import group_of
from detector.detect.traffic_groups import CLASSES, traffic_groups
from detector.flows.columns import CELLS, PEER, PEER_TO_CLIENT
from detector.packets.rows import DESTINATION_PORT, SOURCE_PORT, TRANSPORT
from detector.rules.signature import FlowCondition, Header, PortGroup, Protocol

pytestmark = pytest.mark.kernel

NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1, "sctp": 132}
SPECIAL = [0, 21, 53, 80, 102, 443, 502, 1023, 1024, 2404, 8080, 20000, 65535]


def group(protocol: str, to_client: bool, source: int, destination: int, classes: NDArray[np.uint8]) -> int:
    """The group of a packet."""
    cells = np.zeros((64, 1), np.int32)
    cells[[TRANSPORT, SOURCE_PORT, DESTINATION_PORT], 0] = NUMBERS[protocol], source, destination
    flows = np.zeros((1, CELLS), np.int64)
    flows[0, PEER] = PEER_TO_CLIENT if to_client else 0
    return int(group_of(classes, cells, flows, 0))


def ports(*ranges: tuple[int, int]) -> PortGroup:
    return PortGroup(ranges)


def some_headers(choose: random.Random) -> list[Header]:
    """As rulesets have them: single ports, lists, ranges, all but one; some many times."""
    kinds = [
        PortGroup(), PortGroup(), ports((80, 80)), ports((502, 502)), ports((80, 80), (8080, 8080)), ports((102, 102), (502, 502), (2404, 2404)),
        ports((1024, 65535)), ports((0, 52), (54, 65535)), ports((20000, 20030)), ports((21, 21)),
    ]  # fmt: skip
    protocols: list[Protocol] = ["tcp", "tcp", "tcp", "udp", "ip", "icmp", "pkthdr"]
    flows = [FlowCondition.NOTHING, FlowCondition.TO_SERVER, FlowCondition.TO_CLIENT | FlowCondition.ESTABLISHED]
    return [
        Header(
            choose.choice(protocols), source_ports=choose.choice([PortGroup(), PortGroup(), choose.choice(kinds)]),
            is_both_ways=choose.random() < 0.2, destination_ports=choose.choice(kinds), flow=choose.choice(flows),
        )
        for _ in range(300)
    ]  # fmt: skip


def names(header: Header, protocol: str, to_client: bool, source: int, destination: int) -> bool:
    """Whether a header names a packet, as the rule's text says it."""
    if header.protocol not in ("ip", "pkthdr", protocol):
        return False
    if header.flow & (FlowCondition.TO_SERVER if to_client else FlowCondition.TO_CLIENT):
        return False

    def has(group: PortGroup, port: int) -> bool:
        return any(low <= port <= high for low, high in group.ranges)

    ends = [(source, destination)] + ([(destination, source)] if header.is_both_ways else [])
    return any(has(header.source_ports, one) and has(header.destination_ports, other) for one, other in ends)


@pytest.mark.parametrize("seed", range(3))
def test_a_packet_s_group_has_the_rules_that_name_it(seed: int) -> None:
    choose = random.Random(seed)
    headers = list(dict.fromkeys(some_headers(choose)))
    of = np.array([choose.randrange(len(headers)) for _ in range(2000)])
    groups = traffic_groups(headers, of)
    left_out = 0
    for protocol, to_client in itertools.product(NUMBERS, (False, True)):
        for source, destination in itertools.product(SPECIAL, SPECIAL):
            members = groups.members[group(protocol, to_client, source, destination, groups.classes)]
            named = np.array([names(header, protocol, to_client, source, destination) for header in headers])[of]
            assert not (named & ~members).any(), (protocol, to_client, source, destination)
            left_out += int((~members).sum())
    assert left_out > 4 * 2 * len(SPECIAL) ** 2 * len(of) // 2, "groups are to leave most rules out"


def test_ports_that_the_same_rules_name_are_one_class() -> None:
    headers = [
        Header("tcp", destination_ports=ports((102, 102), (502, 502))),
        Header("tcp", destination_ports=ports((80, 80))),
    ]
    classes = traffic_groups(headers, np.array([0, 0, 1])).classes[1, 0]
    assert (classes[102], classes[502], classes[80], classes[81]) == (1, 1, 2, 0)


def test_ports_beyond_the_classes_are_as_any_other() -> None:
    headers = [Header("udp", destination_ports=ports((port, port))) for port in range(1, 3 * CLASSES)]
    groups = traffic_groups(headers, np.arange(len(headers)))
    assert groups.classes[0, 0].max() == CLASSES - 1
    assert sorted(groups.members.sum(axis=1).tolist()).count(2 * CLASSES) > 0, "the rest is looked for in one group"
