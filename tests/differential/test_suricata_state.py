"""What rules remember and how often they alert, beside Suricata: the same packets alert for each rule, one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from detector.capture import open_source
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from tests.differential import tshark
from tests.differential.suricata.program import events
from tests.runs import Frame, alerts_of, pcap_bytes

pytestmark = pytest.mark.differential

MAC, SECOND, START = "02:00:00:00:00:01", 10**9, 1_700_000_000 * 10**9
YAML = """%YAML 1.1
---
outputs:
  - eve-log: {enabled: yes, filetype: regular, filename: eve.json, types: [alert]}
packet-alert-max: 255
stream: {checksum-validation: no, midstream: true}
host-mode: sniffer-only
"""
A, B, C = "10.0.0.1", "10.0.0.2", "10.0.0.3"


def packet(second: float, text: str, source: str = A, destination: str = B, port: int = 1000) -> Frame:
    """A datagram, its time in whole microseconds."""
    ports = (port, 2000) if source < destination else (2000, port)
    layers = (
        Ether(src=MAC, dst=MAC)
        / IP(src=source, dst=destination)
        / UDP(sport=ports[0], dport=ports[1])
        / Raw(text.encode())
    )
    return START + round(second * 10**6) * 1000, bytes(layers)


def letters(*pairs: tuple[float, str]) -> list[Frame]:
    return [packet(second, text) for second, text in pairs]


def threshold(kind: str, count: int, seconds: int, track: str = "by_src") -> str:
    return f"threshold: type {kind}, track {track}, count {count}, seconds {seconds}"


def filtered(count: int, seconds: int, track: str = "by_src") -> str:
    return f"detection_filter: track {track}, count {count}, seconds {seconds}"


ANY = "dsize:>0"  # without it a rule is IP-only, and looks at the first packet of a flow's direction only
EDGES = (0, 1, 2, 9.5, 10, 10.000001, 11, 12, 20, 20.000001, 20.000002, 30.5, 31, 45)
HOSTS = [(A, B), (B, A), (A, C), (C, A), (B, C), (C, B)]
CASES: dict[str, tuple[list[Frame], list[str]]] = {
    "flowbits": (
        [*letters(*enumerate("abcatBtuz")), packet(20, "z", port=7), packet(21, "a", port=7), packet(22, "z", port=7)],
        [f'content:"a"; {ANY}; flowbits:set,A', 'content:"b"; flowbits:set,B', f"{ANY}; flowbits:isset,A", f"{ANY}; flowbits:isset,B",
         f"{ANY}; flowbits:isset,A|B", f"{ANY}; flowbits:isnotset,A|B", f"{ANY}; flowbits:isnotset,A", 'content:"t"; flowbits:toggle,T',
         f"{ANY}; flowbits:isset,T", 'content:"u"; flowbits:unset,A', f"{ANY}; flowbits:isset,A; flowbits:noalert; flowbits:set,Z",
         f"{ANY}; flowbits:isset,Z", 'content:"c"; flowbits:isset,A; flowbits:isset,B; flowbits:set,C', f"{ANY}; flowbits:isset,C",
         f"{ANY}; flowbits:isset,A; flowbits:isnotset,C"],
    ),
    "flowint": (
        letters(*enumerate("abcattuz")),
        [f"{ANY}; flowint:nn,+,1", *(f"{ANY}; flowint:nn,{operator},3" for operator in ("==", ">", "!=", "<=", ">=", "<")),
         f"{ANY}; flowint:nn,isset", f"{ANY}; flowint:nn,notset", f"{ANY}; flowint:mm,-,1", f"{ANY}; flowint:mm,isset",
         'content:"b"; flowint:kk,=,5', f"{ANY}; flowint:kk,>,nn", 'content:"c"; flowint:kk,-,10', f"{ANY}; flowint:kk,>,4000000000",
         f"{ANY}; flowint:nn,>,qq", f"{ANY}; flowint:n2,=,nn", f"{ANY}; flowint:n2,==,nn", f"{ANY}; flowint:n3,+,nn",
         f"{ANY}; flowint:n3,>,30", 'content:"t"; flowint:zz,+,1; flowint:zz,>,0', 'content:"t"; flowint:yy,=,yy', f"{ANY}; flowint:yy,isset"],
    ),
    "xbits and hostbits": (
        [packet(0.5, "set"), packet(1, "x"), packet(2, "x", B, A), packet(3, "x", A, C), packet(4, "x", C, A), packet(5, "x", B, C),
         *(packet(second, "x") for second in (10.4, 10.5, 10.9, 11, 30, 30.9, 31.1, 299, 300.9, 301.1))],
        ['content:"set"; xbits:set,s,track ip_src,expire 10', 'content:"x"; xbits:isset,s,track ip_src', 'content:"x"; xbits:isset,s,track ip_dst',
         'content:"x"; xbits:isnotset,s,track ip_src', 'content:"set"; xbits:set,p,track ip_pair,expire 10',
         'content:"x"; xbits:isset,p,track ip_pair', 'content:"x"; xbits:isnotset,p,track ip_pair', 'content:"set"; xbits:set,d,track ip_dst',
         'content:"x"; xbits:isset,d,track ip_dst', 'content:"x"; hostbits:isset,s,src', 'content:"set"; hostbits:set,h,src',
         'content:"x"; hostbits:isset,h,src', 'content:"x"; xbits:isset,h,track ip_src', 'content:"x"; hostbits:isset,h,dst',
         'content:"x"; hostbits:isnotset,h,src', 'content:"x"; hostbits:isset,p,src'],
    ),
    "toggled and unset": (
        letters((0, "t"), (1, "x"), (2, "t"), (3, "x"), (4, "t"), (5, "x"), (20, "t"), (21, "x"), (22, "t"), (23, "x"), (24, "u"), (25, "x")),
        ['content:"t"; xbits:toggle,g,track ip_src,expire 10', 'content:"x"; xbits:isset,g,track ip_src', 'content:"t"; hostbits:toggle,h,src',
         'content:"x"; hostbits:isset,h,src', 'content:"t"; xbits:toggle,q,track ip_pair,expire 10', 'content:"x"; xbits:isset,q,track ip_pair',
         'content:"u"; xbits:unset,g,track ip_src', 'content:"u"; hostbits:unset,h,src'],
    ),
    "thresholds at their edges": (
        letters(*((second, "a") for second in EDGES)),
        [f"{ANY}; {one}" for one in (
            *(threshold(kind, count, 10) for kind in ("limit", "threshold", "both") for count in (1, 2, 3)),
            *(filtered(count, 10) for count in (1, 2, 3)), threshold("limit", 1, 1), threshold("both", 2, 20), filtered(2, 1))],
    ),
    "thresholds by subject": (
        [packet(at * 0.25, "a", *HOSTS[at * at % 6], port=1000 + at % 3) for at in range(40)],
        [*(f"{ANY}; {threshold(kind, count, 3, track)}" for kind in ("limit", "threshold", "both") for count in (1, 3)
           for track in ("by_src", "by_dst", "by_rule", "by_both")), *(f"{ANY}; {filtered(2, 3, track)}" for track in ("by_src", "by_dst"))],
    ),
    "states change whatever is held back": (
        letters(*enumerate("abcdefgh")),
        [f"{ANY}; flowbits:isset,D", f"{ANY}; {filtered(3, 60)}; flowbits:set,D", f"{ANY}; flowbits:isset,E",
         f"{ANY}; {threshold('threshold', 3, 60)}; flowbits:set,E", f"{ANY}; flowbits:isset,F; {filtered(2, 60)}", 'content:"c"; flowbits:set,F'],
    ),
}  # fmt: skip


def texts(options: Sequence[str]) -> str:
    """Rules of options, numbered."""
    return "".join(
        f'alert udp any any -> any any (msg:"{sid}"; {one}; sid:{sid};)\n' for sid, one in enumerate(options, 1)
    )


def theirs(folder: Path) -> dict[int, list[int]]:
    """Numbers of the packets on which Suricata alerts, by sid."""
    found = defaultdict(list)
    for event in events(YAML, folder / "case.rules", folder / "case.pcap", folder):
        found[event["alert"]["signature_id"]].append(event["pcap_cnt"])
    return dict(found)


def ours(
    ruleset: Ruleset, capture: Path, frames: list[Frame], batch_packets: int, workers: int
) -> dict[int, list[int]]:
    """The same of ours. Packets are known by their times."""
    numbers = {time: number for number, (time, _) in enumerate(frames, 1)}
    found = defaultdict(list)
    for alert in alerts_of(open_source([str(capture)], batch_packets=batch_packets), ruleset, workers=workers):
        found[int(alert.rule.title)].append(numbers[alert.time_ns])
    return dict(found)


@pytest.fixture(autouse=True, scope="module")
def suricata() -> None:
    tshark.require_tool("suricata")


@pytest.mark.parametrize("name", CASES)
def test_the_same_packets_alert(name: str, tmp_path: Path) -> None:
    """Whatever the batches and workers."""
    frames, options = CASES[name]
    (tmp_path / "case.rules").write_text(texts(options))
    (tmp_path / "case.pcap").write_bytes(pcap_bytes(frames))
    expected = theirs(tmp_path)
    assert expected
    ruleset = load_rules([tmp_path / "case.rules"])
    assert len(ruleset.active) == len(options)
    for batch_packets, workers in ((1000, 0), (1, 0), (7, 2)):
        found = ours(ruleset, tmp_path / "case.pcap", frames, batch_packets, workers)
        wrong = {options[sid - 1]: (expected.get(sid, []), found.get(sid, []))
                 for sid in range(1, len(options) + 1) if expected.get(sid) != found.get(sid)}  # fmt: skip
        assert wrong == {}, "(Suricata's, ours)"
