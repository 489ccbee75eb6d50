"""The search: hits lie in the rows and windows whose bytes hold the literals, found by hand."""

from __future__ import annotations

import random

import numpy as np
import pytest

from detector.detect import searched
from detector.detect.fast_patterns import FastPatterns, Literal
from detector.detect.searched import Search
from detector.detect.traffic_groups import traffic_groups
from detector.flows.columns import Window
from detector.flows.followed import Watched, followed
from detector.packets.rows import TRANSPORT, Cell
from detector.pipeline import Decoding, PipelineSettings
from detector.rules.signature import FlowCondition, Header, PortGroup
from tests.flows.frames import ACK, CLIENT, SECOND, SERVER, batches, tcp, udp

pytestmark = pytest.mark.kernel

EIGHTY = PortGroup(((80, 80),))
HEADERS = [
    Header("tcp"),
    Header("udp"),
    Header("tcp", destination_ports=EIGHTY),
    Header("tcp", flow=FlowCondition.TO_CLIENT),
    Header("ip"),
]
LITERALS = [
    Literal(b"aabb", False),
    Literal(b"bbaa", False),
    Literal(b"abab", False),
    Literal(b"baba", False),
    Literal(b"a" * 16, True),
]


def frames(seed: int) -> list[bytes]:
    """Segments and datagrams in both directions, of few letters; a segment is sometimes sent twice, or only in part."""
    choose = random.Random(seed)
    made, sent = [], [100, 100]
    for _ in range(200):
        text = bytes(choose.choice(b"abA" if choose.random() < 0.5 else b"aA") for _ in range(choose.randint(0, 40)))
        way = choose.random() < 0.5
        ends = (SERVER, CLIENT) if way else (CLIENT, SERVER)
        if choose.random() < 0.3:
            made.append(udp(*ends, text))
            continue
        back = choose.choice((0, 0, 0, 5))
        made.append(tcp(*ends, ACK, sent[way] - back, sent[not way], text))
        sent[way] = max(sent[way], sent[way] - back + len(text))
    return made


def occurrences(literal: Literal, text: bytes) -> list[int]:
    """Where a literal begins."""
    text = text.lower() if literal.nocase else text
    return [at for at in range(len(text)) if text.startswith(literal.text, at)]


@pytest.mark.parametrize("grouped_from", [0, 1000], ids=["groups", "one region"])
@pytest.mark.parametrize("size", [7, 1000])
def test_hits_are_where_the_bytes_are(size: int, grouped_from: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searched, "GROUPED_FROM", grouped_from)
    groups = traffic_groups(HEADERS, np.arange(len(HEADERS)))
    search = Search(FastPatterns(tuple(LITERALS), np.arange(len(LITERALS))), groups)
    decoding = Decoding(PipelineSettings())
    decoding.following.watch(Watched(streams=True))
    count = 0
    for batch in batches(frames(3), [SECOND + n for n in range(200)], size):
        packets, _ = decoding.tables(batch)
        about = followed(packets)
        assert about.windows is not None
        spans = about.copy_windows(packets, np.arange(len(about.windows.cells)))
        row_hits, window_hits = search.hits(packets, about, None)
        assert window_hits[:, 0].tolist() == sorted(window_hits[:, 0].tolist())
        found = set(map(tuple, window_hits.tolist()))
        for window, (cells, (start, stop)) in enumerate(zip(about.windows.cells.tolist(), spans.tolist(), strict=True)):
            known = batch.buffer[start:stop].tobytes()
            tail, position = cells[Window.TAIL], cells[Window.POSITION]
            for number in (0, 4):  # of rules on every TCP packet
                new = [at for at in occurrences(LITERALS[number], known) if at + len(LITERALS[number].text) > tail]
                places = {(window, number, position - tail + at) for at in new}
                assert places == {hit for hit in found if hit[0] == window and hit[1] == number}
                count += len(places)
        starts, stops = packets.structure.cell(Cell.PAYLOAD_START), packets.structure.cell(Cell.PAYLOAD_STOP)
        is_tcp = packets.structure.cells[TRANSPORT] == 6
        for row in range(packets.rows):
            text = batch.buffer[starts[row] : stops[row]].tobytes()
            hits = set(row_hits[row_hits[:, 0] == row, 1].tolist())
            assert (4 in hits) == bool(occurrences(LITERALS[4], text))
            if is_tcp[row] or grouped_from == 0:
                assert (0 in hits) == (is_tcp[row] and LITERALS[0].text in text)
        decoding.following.remember(packets)
    assert count > 50
