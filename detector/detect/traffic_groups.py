"""Groups of traffic, so that bytes are searched only for what rules on such traffic look for.

Input: headers of rules. Output: TrafficGroups, which says for a packet row its group, and for a group the rules that may
match in it. A group is TCP or not, its direction as Suricata sees it, and a class of ports that rules name: those that the
same rules name are one class, every port that few rules name is in class 0. Rules that ask for no port are in all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.rules.signature import FlowCondition, Header, PortGroup

CLASSES = 8  # of ports, at each end, with class 0
NARROW = 64  # ports of a group that names ports, rather than leaves some out
LEAST_SHARE = 0.01  # of the rules of a protocol, that must name a port
PORTS = 65536
# Places of ports among a protocol's and direction's groups: classes of destinations, then of sources other than 0, then one for
# packets whose two ports are both named.
PLACES = 2 * CLASSES


class TrafficGroups(NamedTuple):
    """classes: uint8[2, 2, 65536], the class of a port: not TCP and TCP, as destination and as source.
    members: bool[groups, rules], the rules that may match in each group; groups are numbered by searched_kernels.group_of."""

    classes: NDArray[np.uint8]
    members: NDArray[np.bool_]


def traffic_groups(headers: Sequence[Header], of: NDArray[np.int64]) -> TrafficGroups:
    """The groups of a ruleset. of: int64[rules], each rule's header."""
    used = np.bincount(of, minlength=len(headers))
    classes = np.zeros((2, 2, PORTS), np.uint8)
    for is_tcp in (0, 1):  # per protocol
        about = [(header, int(count)) for header, count in zip(headers, used, strict=True) if has(header, is_tcp)]
        for end in (0, 1):  # per end
            classes[is_tcp, end] = port_classes(
                [(ports, count) for header, count in about for ports in asked(header, end)]
            )
    found = np.zeros((2, 2, PLACES, len(headers)), np.bool_)
    known: dict[tuple[int, int, PortGroup], NDArray[np.bool_]] = {}
    for number, header in enumerate(headers):  # per header
        directions = [
            way
            for way, refused in enumerate((FlowCondition.TO_CLIENT, FlowCondition.TO_SERVER))
            if not header.flow & refused
        ]
        for is_tcp in (0, 1):  # per protocol
            if has(header, is_tcp):
                places = np.zeros(PLACES, np.bool_)
                for to, source in ways(header):  # per way
                    for end, ports in ((0, to), (1, source)):  # per end
                        if (is_tcp, end, ports) not in known:
                            known[is_tcp, end, ports] = classes_in(classes[is_tcp, end], ports)
                    places |= in_places(known[is_tcp, 0, to], known[is_tcp, 1, source])
                found[is_tcp, directions, :, number] = places
    return TrafficGroups(classes, found.reshape(4 * PLACES, len(headers))[:, of])


def has(header: Header, is_tcp: int) -> bool:
    """Whether a header is about TCP, or about anything else."""
    return header.protocol in ("ip", "pkthdr") or (header.protocol == "tcp") == bool(is_tcp)


def ways(header: Header) -> list[tuple[PortGroup, PortGroup]]:
    """(ports of destinations, of sources), once or, for `<>`, both ways."""
    there = (header.destination_ports, header.source_ports)
    return [there, there[::-1]] if header.is_both_ways else [there]


def asked(header: Header, end: int) -> list[PortGroup]:
    """The ports that a header names as destinations (end 0) or as sources (1)."""
    return [way[end] for way in ways(header)]


def size(ports: PortGroup) -> int:
    """How many ports there are."""
    return sum(high - low + 1 for low, high in ports.ranges)


def port_classes(named: Sequence[tuple[PortGroup, int]]) -> NDArray[np.uint8]:
    """uint8[65536], from groups of ports and how many rules name each: the classes that most rules name, and 0."""
    counts: Counter[PortGroup] = Counter()
    for ports, count in named:  # per header
        counts[ports] += count
    narrow = [(ports, count) for ports, count in counts.items() if size(ports) <= NARROW]
    naming: defaultdict[int, list[int]] = defaultdict(list)
    for number, (ports, _) in enumerate(narrow):  # per group of ports
        for low, high in ports.ranges:  # per range
            for port in range(low, high + 1):  # per port of a narrow group
                naming[port].append(number)
    alike: defaultdict[tuple[int, ...], list[int]] = defaultdict(list)
    for port, names in sorted(naming.items()):  # per port that is named
        alike[tuple(names)].append(port)
    weights = {numbers: sum(narrow[number][1] for number in numbers) for numbers in alike}
    least = LEAST_SHARE * sum(counts.values())
    best = sorted(
        (numbers for numbers in alike if weights[numbers] >= least), key=lambda numbers: (-weights[numbers], numbers)
    )
    classes = np.zeros(PORTS, np.uint8)
    for number, numbers in enumerate(best[: CLASSES - 1], 1):  # per class
        classes[alike[numbers]] = number
    return classes


def classes_in(classes: NDArray[np.uint8], ports: PortGroup) -> NDArray[np.bool_]:
    """bool[CLASSES]: the classes that have one of some ports."""
    found = np.zeros(CLASSES, np.bool_)
    for low, high in ports.ranges:  # per range
        found[classes[low : high + 1]] = True
    return found


def in_places(to: NDArray[np.bool_], source: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """bool[PLACES]: where packets with these classes of ports may be."""
    both = to[1:].any() and source[1:].any()
    return np.concatenate((to & source[0], source[1:] & to[0], [both]))
