"""Whom states belong to, and which rows are suppressed, on real packets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from detector.capture import open_source
from detector.detect.judge import Judge
from detector.detect.selector import Selector
from detector.detect.subjects import Suppressions, subjects_of
from detector.flows.table import FlowSettings
from detector.packets.table import PacketTable
from detector.pipeline import Decoding, PipelineSettings
from detector.rules.model import Exists, FieldValue, Limit, Ruleset
from detector.rules.signature import IPV4_BASE, AddressGroup, Bits, Header, Signature, Subject, Suppression, Threshold
from tests.flows.frames import SYN, tcp
from tests.rules.written import rule_with
from tests.runs import pcap_bytes

SECOND = 10**9
ENDS = [("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.1"), ("10.0.0.1", "10.0.0.3"), ("10.0.0.3", "10.0.0.2")]


def packets_of(tmp_path: Path) -> PacketTable:
    """A SYN for each of ENDS, the second in the flow of the first; then ARP."""
    frames = [tcp((a, 40000 if a < b else 80), (b, 80 if a < b else 40000), SYN) for a, b in ENDS] + [
        bytes(12) + b"\x08\x06" + bytes(28)
    ]
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_bytes([(1_700_000_000 * SECOND + at * SECOND, frame) for at, frame in enumerate(frames)]))
    decoding = Decoding(PipelineSettings(flows=FlowSettings(flows=1024)))
    return decoding.tables(next(iter(open_source([str(path)]).batches())))[0]


def group(*ends: tuple[str, str]) -> AddressGroup:
    """Ranges of 10.0.0.x by x."""
    base = IPV4_BASE + (10 << 24)
    return AddressGroup(tuple((base + int(low), base + int(high)) for low, high in ends))


def test_an_address_is_one_as_source_and_destination_and_a_pair_has_no_order(tmp_path: Path) -> None:
    packets = packets_of(tmp_path)
    found = subjects_of(packets, np.arange(5))
    source, destination, pair, flow = (
        found[:, one] for one in (Subject.SOURCE, Subject.DESTINATION, Subject.PAIR, Subject.FLOW)
    )
    assert (source[0] == destination[1]).all() and (source[1] == destination[3]).all()
    assert len({tuple(one) for one in source[:4].tolist()}) == 3
    assert (pair[0] == pair[1]).all() and len({tuple(one) for one in pair[:4].tolist()}) == 3
    assert (flow[0] == flow[1]).all() and len({tuple(one) for one in flow[:4].tolist()}) == 3
    assert found[:4, Subject.RULE].tolist() == [[1, 1]] * 4
    assert not found[4, [Subject.RULE, Subject.SOURCE, Subject.DESTINATION, Subject.PAIR]].any(), (
        "ARP has no IP address"
    )


def test_suppressions_by_address(tmp_path: Path) -> None:
    packets, rows = packets_of(tmp_path), np.arange(5)
    cases: list[tuple[Subject, AddressGroup | None, list[int]]] = [
        (Subject.SOURCE, group(("1", "1")), [0, 2]),
        (Subject.DESTINATION, group(("1", "1")), [1]),
        (Subject.PAIR, group(("1", "1")), [0, 1, 2]),
        (Subject.SOURCE, group(("0", "0"), ("2", "3")), [1, 3]),
        (Subject.RULE, None, [0, 1, 2, 3]),
        (Subject.SOURCE, AddressGroup(()), []),
    ]
    for subject, addresses, expected in cases:
        found = Suppressions([Suppression(subject, addresses)]).of(packets, rows)
        assert np.flatnonzero(found).tolist() == expected, (subject, addresses)


def test_what_is_suppressed_sets_bits_and_is_counted_but_not_by_a_filter(tmp_path: Path) -> None:
    """Suricata 7.0.10: suppressions come before detection_filter, and behind flowbits."""
    bit = Bits("set", "flowbits", ("a",), Subject.FLOW)
    suppressed = Signature(Header(), states=(bit,), suppressions=(Suppression(Subject.SOURCE, group(("1", "1"))),),
                           detection_filter=Threshold("detection", Subject.RULE, 1, 60))  # fmt: skip
    asking = Signature(Header(), states=(Bits("isset", "flowbits", ("a",), Subject.FLOW),), order=(1,))
    parts = {"test": Exists(FieldValue("ip")), "limit": Limit((), 2**31, 1)}
    ruleset = Ruleset((rule_with(1, signature=suppressed, **parts), rule_with(2, signature=asking, **parts)))
    packets, judge = packets_of(tmp_path), Judge(ruleset)
    cells = judge.judge([Selector(ruleset).select({"packet": packets})]).cells
    alerted = [(rule, row) for _, _, _, rule, row, *_ in cells.tolist()]
    assert alerted == [(1, 0), (1, 1), (1, 2), (0, 3), (1, 3)], "of rows 1 and 3, not suppressed, the first is filtered"
    first = ruleset.rules[0].id
    assert (judge.matched[first], judge.suppressed[first]) == (3, 2) and not judge.rule_errors
