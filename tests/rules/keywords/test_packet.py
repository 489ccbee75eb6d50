"""Keywords about header fields, by what they mean for rows: a small interpreter of the tests stands beside, and what each
condition lets through was found with Suricata 7.0.10's alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detector.errors import PacketAnomaly
from detector.flows.events import StreamEvent
from detector.packets.events import DecoderEvent
from detector.protocols.fields import FIELDS
from detector.rules.keywords import Context, Unsupported
from detector.rules.model import (
    And,
    Arithmetic,
    Compare,
    Exists,
    FieldValue,
    ListValue,
    Literal_,
    Membership,
    Not,
    Or,
    Test,
)
from detector.rules.signature import Where
from tests.rules.keywords.written import compiled, conditions, refused, signature

ANY = "alert ip any any -> any any"


def value_of(operand: Any, row: dict[str, int]) -> int | None:
    if isinstance(operand, Arithmetic):
        assert operand.operator == "&"
        left, right = value_of(operand.left, row), value_of(operand.right, row)
        return None if left is None or right is None else left & right
    if isinstance(operand, FieldValue):
        assert operand.name in FIELDS
        return row.get(operand.name)
    value: int = operand.value
    return value


def holds(test: Test, row: dict[str, int]) -> bool:
    match test:
        case And(parts):
            return all(holds(part, row) for part in parts)
        case Or(parts):
            return any(holds(part, row) for part in parts)
        case Not(part):
            return not holds(part, row)
        case Exists(operand):
            return operand.name in row
        case Compare(operator, left, right):
            a, b = value_of(left, row), value_of(right, row)
            if a is None or b is None:
                return False
            return {"eq": a == b, "ne": a != b, "gt": a > b}[operator]
        case Membership(left, entries):
            found = value_of(left, row)
            return found is not None and any(
                entry[0].value <= found <= entry[1].value if isinstance(entry, tuple) else found == entry.value
                for entry in entries
                if not isinstance(entry, ListValue)
            )
    raise AssertionError(test)


def chosen(options: str, field: str, values: Any, header: str = ANY, **others: int) -> list[int]:
    parts = conditions(options, header)
    more = {name.replace("__", "."): number for name, number in others.items()}
    return [value for value in values if all(holds(part, {field: value, **more}) for part in parts)]


TCP_ROWS = (0, 1, 2, 3, 4, 8, 16, 18, 24, 32, 0x29, 0x42, 0xC2, 0xFF)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("S", [2]), ("S,12", [2, 0x42, 0xC2]), ("S,CE", [2, 0x42, 0xC2]), ("+S", [2, 3, 18, 0x42, 0xC2, 0xFF]), ("S+", [2, 3, 18, 0x42, 0xC2, 0xFF]),
        ("*SA", [2, 3, 18, 0x42, 0xC2, 0xFF]), ("!S", [1, 4, 0x29]), ("!SF", [1, 2, 4, 18, 0x29, 0x42, 0xC2]), ("0", [0]), ("+0", [0]),
        ("!0", [value for value in TCP_ROWS if value]), ("!A", [0, 1, 2, 3, 4, 8, 32, 0x29, 0x42, 0xC2]), ("SA", [18]), ("FSRPAUCE", [0xFF]), ("*0", []),
    ],
)  # fmt: skip
def test_flags(value: str, expected: list[int]) -> None:
    assert chosen(f"flags:{value};", "tcp.flags", TCP_ROWS, packet__ip_protocol=6) == expected
    assert chosen(f"tcp.flags:{value};", "tcp.flags", TCP_ROWS, packet__ip_protocol=6) == expected
    assert chosen(f"flags:{value};", "tcp.flags", TCP_ROWS, packet__ip_protocol=1) == [], (
        "a header that an ICMP error quotes"
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("D", [2]),
        ("MD", [3]),
        ("+D", [3, 6, 7]),
        ("D+", [2]),  # as Suricata 7.0.10 does on headers.pcap and fragments.pcap
        ("*DR", [2, 3, 4, 5, 6, 7]),
        ("!DR", [0, 1, 2, 3, 4, 5]),
        ("!D", [0, 1, 4, 5]),
    ],
)
def test_fragbits(value: str, expected: list[int]) -> None:
    """Bits as in ip.flags: 4 reserved, 2 do not fragment, 1 more fragments."""
    assert chosen(f"fragbits:{value};", "ip.flags", range(8)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("5", [5]), ("=5", [5]), (">253", [254, 255]), ("<2", [0, 1]), (">=254", [254, 255]), ("<=1", [0, 1]), ("4-7", [5, 6]), ("4<>7", [5, 6]),
     ("!5", [*range(5), *range(6, 256)])],
)  # fmt: skip
@pytest.mark.parametrize(
    ("keyword", "field", "protocol"),
    [("ttl", "ip.ttl", 0), ("ttl", "ipv6.hlim", 0), ("itype", "icmp.type", 1), ("icode", "icmpv6.code", 58)],
)
def test_ranges(keyword: str, field: str, protocol: int, value: str, expected: list[int]) -> None:
    assert chosen(f"{keyword}:{value};", field, range(256), packet__ip_protocol=protocol) == expected


@pytest.mark.parametrize(
    ("options", "field", "expected"),
    [
        ("tos:5;", "ip.dsfield", [5]), ("tos:x1f;", "ip.dsfield", [31]), ("tos:!5;", "ip.dsfield", [*range(5), *range(6, 40)]), ("id:5;", "ip.id", [5]),
        ("fragoffset:>37;", "ip.frag_offset", [38, 39]), ("fragoffset:5;", "ip.frag_offset", [5]), ("ipopts:rr;", "ip.opt.type", [7]),
        ("ipopts:NOP;", "ip.opt.type", [1]), ("ipopts:any;", "ip.opt.type", []), ("ip_proto:gre;", "packet.ip_protocol", []),
        ("ip_proto:tcp;", "packet.ip_protocol", [6]), ("ip_proto:!6; ip_proto:<8;", "packet.ip_protocol", [0, 1, 2, 3, 4, 5, 7]),
    ],
)  # fmt: skip
def test_ip(options: str, field: str, expected: list[int]) -> None:
    assert chosen(options, field, range(40)) == expected


@pytest.mark.parametrize(
    ("options", "field", "protocol", "expected"),
    [
        ("seq:5;", "tcp.seq_raw", 6, [5]), ("tcp.ack:5;", "tcp.ack_raw", 6, [5]), ("window:5;", "tcp.window_size_value", 6, [5]),
        ("window:! 5;", "tcp.window_size_value", 6, [4, 6, 7]), ("tcp.mss:>5;", "tcp.options.mss_val", 6, [6, 7]), ("icmp_id:5;", "icmp.ident", 1, [5]),
        ("icmp_id:5;", "icmpv6.echo.identifier", 58, [5]), ("icmp_seq:6;", "icmp.seq", 1, [6]), ("icmp_seq:6;", "icmpv6.echo.sequence_number", 58, [6]),
    ],
)  # fmt: skip
def test_above_ip(options: str, field: str, protocol: int, expected: list[int]) -> None:
    assert chosen(options, field, (4, 5, 6, 7), packet__ip_protocol=protocol) == expected
    assert chosen(options, field, (4, 5, 6, 7), packet__ip_protocol=17) == []


def test_mtu() -> None:
    assert chosen("icmpv6.mtu:<1281;", "icmpv6.mtu", (1280, 1281), packet__ip_protocol=58, icmpv6__type=2) == [1280]
    assert chosen("icmpv6.mtu:<1281;", "icmpv6.mtu", (1280, 1281), packet__ip_protocol=58, icmpv6__type=134) == []


def test_sameip() -> None:
    (test,) = conditions("sameip;")
    assert [holds(test, {"ip.src": 1, "ip.dst": number}) for number in (1, 2)] == [True, False]


def test_a_rule_for_tcp_need_not_ask_for_tcp() -> None:
    assert len(conditions("flags:S;", "alert tcp any any -> any any")) == 1


def test_what_is_asked_of_packets_keeps_payloads_to_packets() -> None:
    assert signature('ttl:5; content:"a";').where == Where.PACKET


@pytest.mark.parametrize(
    ("options", "anomaly"),
    [
        ("decode-event:ipv4.trunc_pkt;", PacketAnomaly.IPV4_TRUNC_PKT), ("decode-event:IPV4.TRUNC_PKT;", PacketAnomaly.IPV4_TRUNC_PKT),
        ("decode-event:ltnull.pkt_too_small;", PacketAnomaly.NULL_PKT_TOO_SMALL),
        ("stream-event:reassembly_overlap_different_data;", PacketAnomaly.STREAM_OVERLAP_DIFFERENT_DATA),
        ("engine-event:stream.reassembly_seq_gap;", PacketAnomaly.STREAM_GAP), ("engine-event:decoder.udp.pkt_too_small;", PacketAnomaly.UDP_PKT_TOO_SMALL),
    ],
)  # fmt: skip
def test_events(options: str, anomaly: PacketAnomaly) -> None:
    assert conditions(options) == (Compare("eq", FieldValue("packet.anomaly"), Literal_(anomaly.value)),)


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ("decode-event:ipv6.rh_type_0;", "packet.event", DecoderEvent.IPV6_RH_TYPE_0),
        ("engine-event:decoder.ipv4.opt_invalid_len;", "packet.event", DecoderEvent.IPV4_OPT_INVALID_LEN),
        ("stream-event:3whs_synack_flood;", "stream.event", StreamEvent.WHS3_SYNACK_FLOOD),
        ("engine-event:stream.est_invalid_ack;", "stream.event", StreamEvent.EST_INVALID_ACK),
    ],
)
def test_events_that_are_no_anomalies(options: str, field: str, value: int) -> None:
    assert conditions(options) == (Compare("eq", FieldValue(field), Literal_(value)),)


def test_events_that_are_not_noticed_are_named() -> None:
    error = refused("decode-event:ppp.wrong_type;")
    assert isinstance(error, Unsupported)
    assert error.problem == "the event ppp.wrong_type is not noticed here"
    assert not isinstance(refused("decode-event:ipv4.trunc_pakt;"), Unsupported)
    assert refused("decode-event:ipv4.trunc_pakt;").hint == "did you mean ipv4.trunc_pkt?"


def test_datasets(tmp_path: Path) -> None:
    (tmp_path / "bad.lst").write_text("10.0.0.1\n2001:db8::1\n")
    context = Context(folder=tmp_path)
    found = compiled("ip.src; dataset:isset,bad,type ip,load bad.lst;", ANY, context).test
    assert found == Or((
        Membership(FieldValue("ip.src", occurrence=1), (ListValue("bad", (Literal_(0x0A000001),)),)),
        Membership(FieldValue("ipv6.src", occurrence=1), (ListValue("bad", (Literal_(bytes.fromhex("20010db8") + bytes(11) + b"\1"),)),)),
    ))  # fmt: skip
    lists = [one.entries[0] for one in found.tests if isinstance(one, Membership)]
    assert [list_.entries[0].value for list_ in lists if isinstance(list_, ListValue)] == [
        0x0A000001,
        bytes.fromhex("20010db8") + bytes(11) + b"\1",
    ]
    assert compiled("ip.dst; dataset:isnotset,bad,type ip,load bad.lst;", ANY, context).fields == (
        "ip.dst",
        "ipv6.dst",
        "ip.src",
        "ipv6.src",
    )


@pytest.mark.parametrize(
    ("options", "column", "problem"),
    [
        ("ttl:256;", 44, "the lifetime 256 is above 255"), ("ttl:5-6;", 44, "nothing lies between 5 and 6"), ("ttl:<0;", 44, "the lifetime <0 is never met"),
        ("tos:256;", 44, "tos '256' is no byte"), ("ipopts:foo;", 47, "unknown IP option 'foo'"), ("id:>5;", 43, "id '>5' is no number"),
        ("fragbits:X;", 49, "fragbits 'X' cannot be read"), ("fragoffset:!5;", 51, "fragoffset '!5' is no condition on a number"),
        ("seq:4294967296;", 44, "seq '4294967296' is no number"), ("window:>5;", 47, "window '>5' is no number"),
        ("flags:X;", 46, "flags 'X' cannot be read"), ("tcp.mss:10-5;", 48, "nothing lies between 10 and 5"), ("ip_proto:6;", 49, "ip_proto in an alert tcp rule says nothing"),
        ("dataset:isset,a,type ip;", 48, "dataset needs a buffer before it"), ("engine-event:ipv4.trunc_pkt;", 53, "unknown event 'ipv4.trunc_pkt'"),
        ("ip.src; dataset:isset,a,type ip,load none.lst;", 77, "none.lst: cannot be read: No such file or directory"),
        ("sameip:1;", 47, "sameip takes no value"),
    ],
)  # fmt: skip
def test_mistakes(options: str, column: int, problem: str) -> None:
    error = refused(options)
    assert error.position is not None
    assert (error.position.column, error.problem) == (column, problem)
    assert error.hint


@pytest.mark.parametrize(
    "options",
    [
        "ip_proto:6; ip_proto:17;",
        "ip_proto:6; ip_proto:!17;",
        "ip_proto:>6; ip_proto:>7;",
        "ip_proto:>250; ip_proto:<5;",
        "ip_proto:foo;",
        "ip_proto:256;",
    ],
)
def test_protocols_that_contradict_each_other(options: str) -> None:
    assert not isinstance(refused(options, ANY), Unsupported)
