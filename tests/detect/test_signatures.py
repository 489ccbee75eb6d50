"""Payload rules on packets and streams, from the rule's text to the alert; Suricata is asked the same in tests/differential."""

from __future__ import annotations

import pickle
import struct
from pathlib import Path

import pytest

from detector.alerts.alert import Alert
from detector.capture import open_source
from detector.pipeline import Pipeline
from detector.rules.loader import load_rules
from tests.runs import alerts_of, pcap_bytes

pytestmark = pytest.mark.kernel
MAC = bytes.fromhex("0200000000020200000000010800")
SECOND = 10**9
CLIENT, SERVER = 0x0A000001, 0x0A000002
FIN, SYN, ACK, PUSH = 1, 2, 16, 8


def segment(
    source: int,
    destination: int,
    ports: tuple[int, int],
    sequence: int,
    flags: int,
    data: bytes = b"",
    acknowledged: int = 0,
) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledged, 0x50, flags, 8192, 0, 0)
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 40 + len(data), 1, 0x4000, 64, 6, 0, source, destination)
    return (MAC + ip + tcp + data).ljust(60, b"\0")


def connection(*parts: bytes, port: int = 80, client_port: int = 40000) -> list[bytes]:
    """A handshake, then the client's segments."""
    there, back = (client_port, port), (port, client_port)
    frames = [
        segment(CLIENT, SERVER, there, 99, SYN),
        segment(SERVER, CLIENT, back, 499, SYN | ACK, acknowledged=100),
        segment(CLIENT, SERVER, there, 100, ACK, acknowledged=500),
    ]
    sequence = 100
    for part in parts:
        frames.append(segment(CLIENT, SERVER, there, sequence, ACK | PUSH, part, 500))
        sequence += len(part)
    return frames


def datagram(
    data: bytes, ports: tuple[int, int] = (4000, 5000), source: int = CLIENT, destination: int = SERVER
) -> bytes:
    udp = struct.pack(">HHHH", *ports, 8 + len(data), 0)
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, 28 + len(data), 1, 0, 64, 17, 0, source, destination)
    return MAC + ip + udp + data


def alerted(tmp_path: Path, rules: str, frames: list[bytes], batch: int = 16384) -> list[tuple[int, int]]:
    """(packet from 1, sid) of each alert."""
    (tmp_path / "a.rules").write_text(rules)
    (tmp_path / "a.pcap").write_bytes(
        pcap_bytes([(number * SECOND // 100, frame) for number, frame in enumerate(frames, 1)])
    )
    ruleset = load_rules([tmp_path / "a.rules"], home_net=["10.0.0.0/8"])
    assert ruleset.refused == ()
    source = open_source([str(tmp_path / "a.pcap")], batch_packets=batch)
    return [(alert.time_ns // (SECOND // 100), sid_of(alert)) for alert in alerts_of(source, ruleset)]


def sid_of(alert: Alert) -> int:
    assert alert.rule.signature is not None
    return alert.rule.signature.sid


STREAM = 'alert tcp any any -> any any (msg:"a"; content:"EVILBYTES"; sid:1;)'


@pytest.mark.parametrize("batch", [1, 2, 16384])
@pytest.mark.parametrize("cut", range(1, 9))
def test_a_pattern_over_two_segments(tmp_path: Path, cut: int, batch: int) -> None:
    frames = connection(b"xx" + b"EVILBYTES"[:cut], b"EVILBYTES"[cut:] + b"yy")
    assert alerted(tmp_path, STREAM, frames, batch) == [(5, 1)]


@pytest.mark.parametrize("batch", [1, 3, 16384])
def test_a_pattern_a_byte_at_a_time(tmp_path: Path, batch: int) -> None:
    frames = connection(*(bytes([byte]) for byte in b"xxEVILBYTESyy"))
    assert alerted(tmp_path, STREAM, frames, batch) == [(3 + 11, 1)]


@pytest.mark.parametrize("batch", [1, 16384])
def test_contents_in_different_segments(tmp_path: Path, batch: int) -> None:
    """The literal that is searched for comes first, what completes the rule two segments later."""
    rule = 'alert tcp any any -> any any (msg:"a"; content:"LONGERPATTERN"; content:"ab"; distance:0; sid:1;)'
    frames = connection(b"LONGERPATTERN", b"x" * 50, b"yab", b"zzz")
    assert alerted(tmp_path, rule, frames, batch) == [(6, 1)]


def acknowledged(*parts: bytes) -> list[bytes]:
    """A handshake, then the client's segments, each acknowledged at once; the client closes."""
    frames, sequence = connection(), 100
    for part in parts:
        frames.append(segment(CLIENT, SERVER, (40000, 80), sequence, ACK | PUSH, part, 500))
        sequence += len(part)
        frames.append(segment(SERVER, CLIENT, (80, 40000), 500, ACK, acknowledged=sequence))
    return [*frames, segment(CLIENT, SERVER, (40000, 80), sequence, ACK | FIN, acknowledged=500)]


@pytest.mark.parametrize("batch", [1, 16384])
@pytest.mark.parametrize("steps", ['content:"MARK"; startswith;', 'content:"MARK"; depth:4;', 'content:"MARK"; content:!"PLAIN"; depth:20;',
                                   'content:"ARKS"; offset:1; depth:4;', 'content:"ARKS"; byte_test:1,=,0x4d,0;', 'pcre:"/^MARK/";'])  # fmt: skip
def test_places_in_streams_count_from_where_suricata_looked_last(tmp_path: Path, steps: str, batch: int) -> None:
    """It looks with the client's tenth segment, before which 2,700 bytes are acknowledged: the next begin with the tenth. With
    the ninth it were 2,400, less than 2,560. (Suricata itself says the same: tests/differential.)"""
    parts = [b"PLAIN".ljust(300, b"-")] * 12
    rule = f'alert tcp-stream any any -> any any (msg:"a"; {steps} sid:1;)'
    marked = b"MARKS".ljust(300, b"-")
    for place, expected in ((0, [(4, 1)]), (4, []), (8, []), (9, [(4 + 18, 1)]), (10, [])):
        frames = acknowledged(*parts[:place], marked, *parts[place + 1 :])
        assert alerted(tmp_path, rule, frames, batch)[:1] == expected, place


def test_segments_out_of_order(tmp_path: Path) -> None:
    frames = connection(b"xxEVIL", b"BYTESyy")
    frames[3], frames[4] = frames[4], frames[3]
    assert alerted(tmp_path, STREAM, frames) == [(5, 1)]


@pytest.mark.parametrize("batch", [1, 2, 16384])
def test_what_waits_is_found_with_its_own_packet_and_once(tmp_path: Path, batch: int) -> None:
    """The bytes before it may never come: the sensor lost them, and the capture ends."""
    over = 'alert tcp any any -> any any (msg:"b"; content:"STARTEVIL"; sid:2;)'
    negated = 'alert tcp any any -> any any (msg:"c"; content:"EVILBYTES"; content:!"FINE"; sid:3;)'
    both = 'alert tcp any any -> any any (msg:"d"; content:"EVILBYTES"; offset:0; sid:4;)'
    rules = "\n".join((STREAM, over, negated, both))
    frames = connection(b"first", b"FINESTART", b"EVILBYTES")
    lost = frames[:4] + frames[5:]
    assert alerted(tmp_path, rules, lost, batch) == [(5, 1), (5, 3), (5, 4)]
    late = [*lost, frames[4]]
    # Suricata looks at a packet and at its stream for `offset`, so both tell.
    assert alerted(tmp_path, rules, late, batch) == [(5, 1), (5, 3), (5, 4), (6, 2), (6, 4)]
    again = [*lost, lost[-1], frames[4]]
    assert alerted(tmp_path, STREAM, again, batch) == [(5, 1)]


def test_each_occurrence_is_told_once(tmp_path: Path) -> None:
    frames = connection(b"EVILBYTES", b"no", b"EVILBYTES", b"no")
    assert alerted(tmp_path, STREAM, frames) == [(4, 1), (6, 1)]


def test_a_stream_is_not_searched_by_packet_rules(tmp_path: Path) -> None:
    rule = 'alert tcp-pkt any any -> any any (msg:"a"; content:"EVILBYTES"; sid:1;)'
    assert alerted(tmp_path, rule, connection(b"EVIL", b"BYTES", b"EVILBYTES")) == [(6, 1)]


def test_headers(tmp_path: Path) -> None:
    """Protocol, addresses with negation, ports with ranges and negation, both ways, flow."""
    rules = "\n".join(
        f'alert {header} (msg:"{sid}"; content:"DATAGRAM"; sid:{sid};)'
        for sid, header in enumerate(
            (
                "udp any any -> any any", "tcp any any -> any any", "udp 10.0.0.1 any -> 10.0.0.2 5000", "udp 10.0.0.2 any -> any any",
                "udp !10.0.0.1 any -> any any", "udp any any -> any !5000", "udp any any -> any [4000:4999,5001:]", "udp any any -> any 4999:5000",
                "udp 10.0.0.2 5000 <> 10.0.0.1 4000", "udp [10.0.0.0/8,!10.0.0.0/24] any -> any any", "ip any any -> any any",
            ),
            1,
        )
    )  # fmt: skip
    assert [sid for _, sid in alerted(tmp_path, rules, [datagram(b"xDATAGRAMx")])] == [1, 3, 8, 9, 11]


def test_short_contents_are_found_too(tmp_path: Path) -> None:
    rules = 'alert udp any any -> any any (msg:"a"; content:"|00 01|"; offset:1; depth:2; sid:1;)\n'
    assert alerted(tmp_path, rules, [datagram(b"x\0\1"), datagram(b"\0\1x"), datagram(b"xx\0\1")]) == [(1, 1)]


def test_a_header_as_buffer(tmp_path: Path) -> None:
    rules = 'alert udp any any -> any any (msg:"a"; udp.hdr; content:"|13 88|"; offset:2; depth:2; sid:1;)\n'
    assert alerted(tmp_path, rules, [datagram(b"x"), datagram(b"x", (5000, 4000))]) == [(1, 1)]


def test_what_is_new_completes_a_rule(tmp_path: Path) -> None:
    """S7: the first packet's length names a place that only the second segment reaches (sid 9000850 of the comparison)."""
    rule = (
        'alert tcp any any -> any any (msg:"a"; content:"|03 00|"; startswith; byte_jump:2,2,from_beginning;'
        " isdataat:1,relative; sid:1;)"
    )
    frames = connection(b"\x03\x00\x00\x08abcd", b"\x03\x00\x00\x08abcd", b"more")
    assert alerted(tmp_path, rule, frames) == [(5, 1)]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ('content:!"|05 64|"; depth:2;', [5]), ('pcre:"/^(?!\\x05\\x64)/";', [5]), ("isdataat:!300;", [4, 5]),
        ('content:!"|05 64|";', []), ('content:!"|05 64|"; content:"|05|";', []), ('pcre:!"/\\x05/";', [5]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("batch", [1, 16384])
def test_rules_that_hold_on_nothing(tmp_path: Path, steps: str, expected: list[int], batch: int) -> None:
    """Suricata 7.0.10 on dnp3/cold-restart-and-response.pcap: such rules alert with the FIN of each side that sent data."""
    frames = connection(b"\x05\x64\x08\xc4")
    frames.append(segment(CLIENT, SERVER, (40000, 80), 104, FIN | ACK, b"", 500))
    frames.append(segment(SERVER, CLIENT, (80, 40000), 500, FIN | ACK, b"", 105))
    rule = f'alert tcp any any -> any any (msg:"a"; flow:established; {steps} sid:1;)'
    assert alerted(tmp_path, rule, frames, batch) == [(packet, 1) for packet in expected]


def test_a_stream_is_established_once_it_is_looked_at(tmp_path: Path) -> None:
    """Data that a session picked up in the middle begins with: as a packet it is not yet established, in the stream it is."""
    rules = "\n".join(
        f'alert {protocol} any any -> any any (msg:"a"; flow:{flow}; content:"EVILBYTES"; sid:{sid};)'
        for sid, (protocol, flow) in enumerate(
            [("tcp", "established"), ("tcp", "not_established"), ("tcp-pkt", "established"), ("tcp-pkt", "not_established")], 1
        )
    )  # fmt: skip
    frames = [segment(CLIENT, SERVER, (40000, 80), 100, ACK | PUSH, b"EVILBYTES", 500)]
    assert [sid for _, sid in alerted(tmp_path, rules, frames)] == [1, 4]


def fragments(data: bytes, size: int) -> list[bytes]:
    """A UDP datagram from port 4000 to 5000 in fragments of some bytes of its own."""
    whole = datagram(data)[34:]
    found = []
    for at in range(0, len(whole), size):
        part, more = whole[at : at + size], 0x2000 if at + size < len(whole) else 0
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(part), 7, more | at // 8, 64, 17, 0, CLIENT, SERVER)
        found.append(MAC + ip + part)
    return found


def test_fragments_and_their_datagram(tmp_path: Path) -> None:
    """Suricata's packets: each fragment, without ports and bytes, and the datagram (fragments.pcap of the comparison)."""
    rules = "\n".join(
        f'alert {rule} msg:"{sid}"; sid:{sid};)'
        for sid, rule in enumerate(
            (
                "ip any any -> any any (ttl:64;", "udp any any -> any any (ttl:64;", "udp any any -> any 5000 (ttl:64;",
                'udp any any -> any any (content:"BYTES";', 'ip any any -> any any (content:"EVILBYTES";', "udp any any -> any any (dsize:>1;",
                "ip any any -> any any (fragbits:M;",
            ),
            1,
        )
    )  # fmt: skip
    sids = [sid for _, sid in alerted(tmp_path, rules, fragments(b"xEVILBYTESx", 8))]
    assert [sids.count(sid) for sid in range(1, 8)] == [4, 4, 1, 1, 1, 1, 2]


def test_headers_that_make_no_sense(tmp_path: Path) -> None:
    """UDP whose length is wrong has its protocol's number and neither ports nor bytes; IPv4 cut short is no packet at all."""
    rules = "\n".join(
        f'alert {rule} msg:"{sid}"; sid:{sid};)'
        for sid, rule in enumerate(
            ("ip any any -> any any (ttl:64;", "udp any any -> any any (ttl:64;", "udp any any -> any 5000 (ttl:64;", "udp any any -> any any (dsize:>0;"),
            1,
        )
    )  # fmt: skip
    good = datagram(b"EVILBYTES")
    wrong, cut = bytearray(good), bytearray(good)
    wrong[38:40] = b"\0\4"
    cut[16:18] = b"\1\0"
    assert [sid for _, sid in alerted(tmp_path, rules, [good])] == [1, 2, 3, 4]
    assert [sid for _, sid in alerted(tmp_path, rules, [bytes(wrong)])] == [1, 2]
    assert alerted(tmp_path, rules, [bytes(cut)]) == []


def test_errors_of_icmp_have_no_flow(tmp_path: Path) -> None:
    """Suricata on icmp.pcap: types 3, 4, 5, 11, 12 go to a server and are neither established nor not."""
    rules = "\n".join(
        f'alert icmp any any -> any any (msg:"a"; {flow} itype:<20; sid:{sid};)'
        for sid, flow in enumerate(("", "flow:to_server;", "flow:not_established;", "flow:established;"), 1)
    )

    def message(kind: int) -> bytes:
        icmp = struct.pack(">BBHI", kind, 0, 0, 0) + bytes(24)
        ip = struct.pack(">BBHHHBBHII", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0, CLIENT, SERVER)
        return MAC + ip + icmp

    assert [sid for _, sid in alerted(tmp_path, rules, [message(11)])] == [1, 2]
    assert [sid for _, sid in alerted(tmp_path, rules, [message(8)])] == [1, 2, 3]


def test_extension_headers_belong_to_the_header_of_ipv6(tmp_path: Path) -> None:
    """Suricata on icmp6.pcap: bsize:>40 holds behind a hop-by-hop header."""
    rules = 'alert ip any any -> any any (msg:"a"; ipv6.hdr; bsize:48; sid:1;)\nalert ip any any -> any any (msg:"a"; ipv6.hdr; bsize:40; sid:2;)\n'
    udp = struct.pack(">HHHH", 1, 2, 10, 0) + b"xx"
    ends = bytes(15) + b"\1" + bytes(15) + b"\2"
    hop_by_hop = bytes((17, 0, 1, 4, 0, 0, 0, 0))
    ethernet = MAC[:12] + b"\x86\xdd"
    frames = [
        ethernet + struct.pack(">IHBB", 6 << 28, 18, 0, 64) + ends + hop_by_hop + udp,
        ethernet + struct.pack(">IHBB", 6 << 28, 10, 17, 64) + ends + udp,
    ]
    assert alerted(tmp_path, rules, frames) == [(1, 1), (2, 2)]


def test_a_run_that_is_stopped_and_restored_finds_the_same(tmp_path: Path) -> None:
    """After each packet: hits that wait for more bytes, windows of streams, bits and counts go over a restart; so do hits
    over a reload. Without it the first match over the restart is lost without a word."""
    (tmp_path / "a.rules").write_text(KEPT)
    frames = connection(b"....EVIL", b"BYTES--", b"and far", b" behind", b" it LOUD", b"word", b"EVILBYTES far")
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap_bytes([(number * SECOND // 100, frame) for number, frame in enumerate(frames, 1)]))
    ruleset = load_rules([tmp_path / "a.rules"])
    batches = list(open_source([str(path)], batch_packets=1).batches())

    def found(restart: int, reload: int) -> list[tuple[int, int]]:
        run, made = Pipeline(ruleset), []
        for number, batch in enumerate(batches):
            if number == restart:
                state = pickle.dumps(run.state())
                run = Pipeline(ruleset)
                assert len(run.restore(pickle.loads(state))) == len(ruleset.active)
            if number == reload:
                run.exchange_rules(load_rules([tmp_path / "a.rules"]))
            made += [(alert.time_ns, sid_of(alert)) for alert in run.feed(batch)]
        return made

    whole = found(-1, -1)
    assert {sid for _, sid in whole} == {1, 2, 3, 4}
    for number in range(len(batches)):
        assert found(number, -1) == whole, f"restarted before packet {number}"
        assert found(-1, number) == whole, f"reloaded before packet {number}"


KEPT = """alert tcp any any -> any any (msg:"over a seam"; content:"EVILBYTES"; sid:1;)
alert tcp any any -> any any (msg:"waits"; content:"EVILBYTES"; content:"far"; distance:0; flowbits:set,seen; sid:2;)
alert tcp any any -> any any (msg:"a bit"; flowbits:isset,seen; content:"LOUDword"; sid:3;)
alert tcp any any -> any any (msg:"counts"; flags:PA; threshold:type both,track by_src,count 3,seconds 60; sid:4;)
"""


def test_a_handshake_is_established_behind_it(tmp_path: Path) -> None:
    """Of rules of a header alone too: the client's ACK establishes the session and does not yet come on it."""
    rule = 'alert tcp any any -> any any (msg:"a"; flow:established; sid:1;)'
    assert alerted(tmp_path, rule, connection(b"abc")) == [(4, 1)]


def test_both_ways(tmp_path: Path) -> None:
    """Suricata on datagrams.pcap: a packet that fits either way of `<>` alerts twice, unless both sides are written alike."""
    headers = (
        "any any <> any 5000",
        "10.0.0.0/8 any <> any any",
        "any !1 <> any any",
        "any any <> any any",
        "10.0.0.0/8 any <> 10.0.0.0/8 any",
    )
    rules = "\n".join(
        f'alert udp {header} (msg:"{sid}-{kind}"; {options} sid:{10 * sid + kind};)'
        for sid, header in enumerate(headers, 1)
        for kind, options in enumerate(('content:"EVILBYTES";', "dsize:>0;"))
    )
    sids = [sid for _, sid in alerted(tmp_path, rules, [datagram(b"EVILBYTES")])]
    assert [sids.count(10 * sid + kind) for sid in range(1, 6) for kind in range(2)] == [1, 1, 2, 2, 2, 2, 1, 1, 1, 1]
