"""Suricata's keywords for industrial protocols: as many alerts of each rule on each capture as Suricata gives."""

from __future__ import annotations

import math
import re
import struct
from collections import Counter
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, NamedTuple

import pytest
from scapy.packet import Raw

from detector.protocols.dnp3_layers import DNP3, DNP3Object, DNP3Response
from tests.differential import tshark
from tests.differential.suricata.captures import cip
from tests.differential.suricata.compare import Flow, Seen, flow_of, load_ours, ours, refused_by_suricata, theirs
from tests.flows.frames import SECOND
from tests.protocols.streams import Turn, segments
from tests.protocols.test_dnp3 import CLIENT, MASTER, OPERATE, OUTSTATION, READ, SERVER, asked, told
from tests.runs import pcap_bytes
from tests.samples import IS_LONG, sample

pytestmark = [pytest.mark.differential, pytest.mark.slow]

MODBUS = (
    *(f"function {code}" for code in (1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 17, 20, 22, 23, 43, 90)),
    *(f"function 8, subfunction {code}" for code in (0, 1, 4, 10, 22)),
    *(f"function {sign}{name}" for sign in ("", "!") for name in ("assigned", "unassigned", "public", "user", "reserved", "all")),
    *(f"access {way}" for way in ("read", "write", "read coils", "read discretes", "read input", "read holding", "write coils", "write holding")),
    *(f"access {way}, address {at}" for way in ("read", "write", "read holding", "write coils") for at in ("1", "5", "<10", ">10", "2<>6", ">100")),
    *(f"access write holding, address {at}, value {value}" for at in (1, 2, 5, 11) for value in ("0", "<100", ">5", "5<>300")),
    *(f"unit {unit}" for unit in ("0", "1", "255", "<2", ">1", "0<>3", "1<>255")),
    "unit 1, function 3", "unit >0, access write", "unit 255, access read holding, address <20",
)  # fmt: skip
DNP3_EVENTS = ("len_too_small", "bad_link_crc", "bad_transport_crc", "unknown_object")
DNP3_RULES = (
    *(f"dnp3_func:{one}" for one in (0, 1, 2, 3, 4, 5, 6, 13, 14, 20, 21, 22, 23, 24, 129, 130, "read", "write", "operate", "cold_restart", "response", "unsolicited_response")),
    *(f"dnp3_ind:{one}" for one in ("device_restart", "need_time", "class_1_events,class_2_events", "all_stations", "object_unknown", "0x8000", "0x9000", "no_func_code_support", "parameter_error", "local_control")),
    *(f"dnp3_obj:{one}" for one in ("60,1", "60,2", "60,3", "12,1", "1,2", "30,1", "80,1", "50,1", "2,2", "32,2")),
    *(f"dnp3_data; {steps}" for steps in (
        'content:"|01|"; offset:1; depth:1', 'content:"|3c 02 06|"', 'content:"|3c|"; offset:2; depth:1; content:"|06|"; distance:1', "bsize:>60",
        "bsize:4<>40", 'content:!"|3c|"', "byte_test:1,&,16,2", 'pcre:"/^[\\xc0-\\xcf]\\x81/"', "isdataat:!10", 'content:"|06|"; endswith',
        'content:"|81|"; offset:1; depth:1; flow:to_client', 'content:"|0c 01|"; dnp3_func:direct_operate')),
    *(f"app-layer-event:dnp3.{one}" for one in DNP3_EVENTS),
)  # fmt: skip
ENIP = (
    *(f"enip_command:{one}" for one in (0, 1, 4, 99, 100, 101, 102, 111, 112)),
    *(f"cip_service:{one}" for one in (1, 2, 3, 4, 5, 6, 7, 10, 14, 16, 75, 76, 77, 82, 84, 78, 127)),
    *(f"cip_service:{one}" for one in ("3,1", "3,105", "3,139,8", "3,139,7", "3,139,!9", "14,1", "14,1,1", "14,1,7", "16,139", "16,100,1", "4,139,8", "1,1", "76,107")),
)  # fmt: skip
EVENTS = (
    "invalid_protocol_id",
    "invalid_length",
    "invalid_function_code",
    "invalid_value",
    "invalid_exception_code",
    "unsolicited_response",
    "value_mismatch",
    "flooded",
)
FIRST_SID = 9_500_000


class Case(NamedTuple):
    """A rule: its header and options."""

    header: str
    options: str


def rules() -> list[Case]:
    """All rules that are compared."""
    found = [Case("modbus any any -> any any", f"modbus: {one}; ") for one in MODBUS]
    found += [Case("dnp3 any any -> any any", f"{one}; ") for one in DNP3_RULES]
    found += [Case("enip any any -> any any", f"{one}; ") for one in ENIP]
    found += [Case("modbus any any -> any any", f"app-layer-event:modbus.{one}; ") for one in EVENTS]
    found += [
        Case("tcp any any -> any 502", "modbus: function 3; "),
        Case("tcp any 502 -> any any", "modbus: function 3; "),
        Case("modbus any any <> any 502", "modbus: function 3; "),
        Case("modbus any any -> any any", "flow:to_server,established; modbus: access write; "),
        Case(
            "modbus any any -> any any",
            "modbus: access read; threshold:type limit, track by_src, count 2, seconds 60; ",
        ),
        Case("modbus any any -> any any", "modbus: access read; modbus: unit 1; "),
        Case("modbus any any -> any any", "modbus: access read; flowbits:set,reads; noalert; "),
        Case("modbus any any -> any any", "modbus: access write; flowbits:isset,reads; "),
        Case("dnp3 any any -> any 20000", "dnp3_func:1; "),
        Case("tcp any 20000 -> any any", "dnp3_func:129; flow:to_client; "),
        Case("dnp3 any any -> any any", "dnp3_func:129; dnp3_ind:device_restart; "),
        Case("dnp3 any any -> any any", "dnp3_func:1; dnp3_obj:60,1; "),
        Case("tcp any any -> any 44818", "enip_command:101; "),
        Case("udp any any -> any 44818", "enip_command:99; "),
        Case("enip any any -> any any", "enip_command:111; flow:to_server; "),
        Case("enip any any -> any any", "enip_command:111; flow:to_client; "),
        *(Case(f"{one} any any -> any any", "") for one in NAMES),
        *(Case(f"{one} any any -> any any", 'dsize:>20; content:"|00 00|"; ') for one in NAMES),
        Case("modbus any any -> any 502", "dsize:>0; "),
        Case("modbus any any -> any any", "flags:F+; "),
        Case("dnp3 any any -> any any", "flow:to_client,established; "),
        Case("dnp3 any any -> any any", "ttl:128; "),
        Case("enip any any -> any 44818", "flow:to_server; threshold:type limit, track by_src, count 1, seconds 60; "),
        *(Case("tcp any any -> any any", f"app-layer-protocol:{one}; ") for one in NAMES),
        *(Case("ip any any -> any any", f"app-layer-protocol:{one}; dsize:>0; ") for one in NAMES),
        *(Case("tcp any any -> any any", f"app-layer-protocol:{one}; flow:to_client; ttl:>1; ") for one in NAMES),
        *(Case("tcp any any -> any [502,20000,44818]", f"app-layer-protocol:!{one}; dsize:>0; ") for one in NAMES),
        *(Case("tcp any [502,20000,44818] -> any any", f"app-layer-protocol:!{one}; ") for one in NAMES),
        Case("tcp any any -> any [502,20000,44818]", "app-layer-protocol:!dnp3; app-layer-protocol:!modbus; "),
        Case("udp any any -> any 44818", "app-layer-protocol:enip; dsize:>0; "),
    ]
    return found


def text(sid: int, case: Case) -> str:
    """A line of a .rules file."""
    return f'alert {case.header} (msg:"m"; {case.options}sid:{sid}; rev:1;)'


def write_cases(path: Path, cases: Mapping[int, Case]) -> None:
    """A .rules file of rules by their sids."""
    path.write_text("".join(text(sid, case) + "\n" for sid, case in cases.items()))


@pytest.fixture(autouse=True, scope="module")
def suricata() -> None:
    tshark.require_tool("suricata")


class Exemption(NamedTuple):
    """Rules whose options have what an expression finds may differ on captures of a name; or only have more alerts on one side."""

    captures: str
    options: str
    reason: str
    more: Literal["here", "there", ""] = ""

    def covers(self, capture: str, options: str, ours: int, theirs: int) -> bool:
        """Whether a difference is exempt."""
        fits = fnmatch(capture, self.captures) and re.search(self.options, options) is not None
        return fits and self.more in ("", "here" if ours > theirs else "there")


LATE = "app-layer-event:dnp3.(bad_link_crc|bad_transport_crc|len_too_small);"
EXEMPTIONS = (
    *(
        Exemption(captures, LATE, "Suricata gives an event to the last transaction, and there is none yet", more="here")
        for captures in (
            "read.pcap",
            "readrequest.pcap",
            "requestlink.pcap",
            "requestlinkstatus.pcap",
            "selectoperate.pcap",
            "selectoperaterequest.pcap",
            "write.pcap",
            "writerequest.pcap",
            "test-data-part1.pcap",
            "dnp3-malformed.pcap",
            "conformance-6.6.2.*",
        )
    ),
    Exemption(
        "conformance-6.6.2.4.pcap",
        "^(ttl|flow:to_client|app-layer-protocol|$)",
        "the first frame's header has a wrong checksum: for Suricata, which looks at start and length only, it is DNP3",
    ),
    Exemption(
        "conformance-8.6.2.2.pcap",
        "dnp3_obj:60,1;",
        "the function 0x70 is none of the standard's: what its objects are nobody knows, tshark reads none either",
    ),
    *(
        Exemption(
            captures,
            'dnp3_data; content:!"',
            "Suricata looks at a message of several frames when the first is there, and finds nothing in it yet",
            more="there",
        )
        for captures in ("conformance-8.6.6.2.2.pcap", "conformance-8.9.*")
    ),
    Exemption(
        "file-list-directory.pcap", "dnp3.unknown_object;", "Suricata knows blocks of a file of up to 254 bytes only"
    ),
    Exemption(
        "dnp3-vto-empty.pcap",
        "dnp3.unknown_object;",
        "a string without a byte, whose variation 0 is any variation for Suricata",
    ),
    Exemption("*", "dnp3_func:0;", "Suricata makes no transaction of confirmations, so that its rule never matches"),
    Exemption("*", r"cip_service:.*\d{3}", "Suricata reads two digits of each number: test_cip_numbers_are_read_whole"),
    Exemption("*", r"cip_service:[34],.*!", "of lists Suricata looks for the attribute itself, whatever the ! says"),
    Exemption(
        "dnp3-malformed.pcap",
        "dnp3.unknown_object;",
        "five messages have an attribute of variation 0: any variation, without data, for Suricata; tshark reads one",
        more="there",
    ),
    *(
        Exemption(captures, options, "what an Unconnected Send carries is unpacked here only", more="here")
        for captures, options in (
            ("*", "cip_service:[13];"),
            ("ipaddresschangeattempt.pcap", "cip_service:14;"),
            ("controlprotocolchangeattempt.pcap", "cip_service:3,1;"),
        )
    ),
    Exemption(
        "*",
        "modbus.value_mismatch;",
        "Suricata reckons the length of replies with registers in bits, so that each is a mismatch",
    ),
)
OF_PDUS = re.compile(
    "modbus:|dnp3_|enip_|cip_|app-layer-event:"
)  # others hold on packets, and not on those that Suricata makes
# Frames that both are to do without: a reply that is sent again behind the end of the connection. Suricata takes it for
# invalid, and passes over the rules for the reply itself with it.
LEFT_OUT = {"view-device-status.pcap": "frame.number == 14"}
FLOODED = "modbus.flooded"  # of Suricata's: it does not read on
# Asked of Suricata alone: packets that acknowledge what was not captured. It looks at none of them.
UNSEEN_SID, UNSEEN = 9_499_999, Case("tcp any any -> any any", "stream-event:pkt_invalid_ack; ")
NAMES = ("modbus", "dnp3", "enip")
PORTS = (502, 20000, 44818)


# Functions and commands with which Suricata takes a connection for Modbus (rust/src/modbus, its crate sawp-modbus) or
# EtherNet/IP (app-layer-enip.c), where they are the first that is seen.
TAKEN = {
    "modbus.func_code": {*range(1, 9), 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43},
    "enip.command": {0, 4, 99, 100, 101, 102, 111, 112, 114, 115},
}


def not_followed(capture: Path) -> set[Flow]:
    """TCP connections that Suricata reads in another way, or not at all.

    Of those whose first packet comes from a server's port it takes the ends for each other, or asks for the protocol at the
    port that was connected to. It looks at the first PDU only, and one with a function that it does not know is none for it.
    """
    found: dict[str, tuple[Flow, bool]] = {}
    begun: set[str] = set()
    fields = ["tcp.stream", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", *TAKEN]
    for row in tshark.values(capture, fields, 2**31 - 1):
        if not row["tcp.stream"] or not row["ip.src"]:
            continue
        stream, source, port, destination, other = (row[name][0] for name in fields[:5])
        flow = flow_of("tcp", [(source, int(port)), (destination, int(other))])
        found.setdefault(stream, (flow, int(port) in PORTS))
        for name, known in TAKEN.items():  # per protocol
            if row[name] and stream not in begun:
                begun.add(stream)
                found[stream] = flow, found[stream][1] or int(row[name][0], 0) & 0x7F not in known
    return {flow for flow, is_other in found.values() if is_other}


def one_sided(capture: Path) -> set[Flow]:
    """TCP connections of which one side speaks one of the protocols, and the other nothing that tshark knows.

    Suricata gives that side the other's protocol, but only when the connection is at its end.
    """
    found: dict[str, tuple[Flow, set[bool]]] = {}
    names = ("dnp3.start", "modbus.func_code", "enip.command")
    for row in tshark.values(
        capture, ["tcp.stream", "ip.src", "tcp.srcport", "ip.dst", "tcp.dstport", *names], 2**31 - 1
    ):
        if row["tcp.stream"] and row["ip.src"] and any(row[name] for name in names):
            ends = [(row[f"ip.{end}"][0], int(row[f"tcp.{end}port"][0])) for end in ("src", "dst")]
            found.setdefault(row["tcp.stream"][0], (flow_of("tcp", ends), set()))[1].add(ends[0][1] in PORTS)
    return {flow for flow, sides in found.values() if len(sides) == 1}


@pytest.mark.parametrize("folder", ["modbus", "dnp3", "enip", "mixed", "malformed", "modicon"])
def test_as_many_alerts(captures: Path, folder: str, tmp_path: Path) -> None:
    cases = dict(enumerate(rules(), FIRST_SID))
    path, asked_of_suricata = tmp_path / "all.rules", tmp_path / "more.rules"
    write_cases(path, cases)
    write_cases(asked_of_suricata, cases | {UNSEEN_SID: UNSEEN})
    assert refused_by_suricata(asked_of_suricata, tmp_path) == {}
    ruleset = load_ours([path], tmp_path)
    assert ruleset.refused == ()
    differences, agreed = [], 0
    paths = [path for path in sorted((captures / folder).glob("*.pcap*")) if IS_LONG or path.stat().st_size < 3_000_000]
    for capture in sample(paths, math.ceil(len(paths) / (8 if folder == "dnp3" else 2))):
        if capture.name in LEFT_OUT:
            capture = tshark.select(capture, f"!({LEFT_OUT[capture.name]})", tmp_path / capture.name)
        alerts = ours(capture, ruleset), theirs(capture, asked_of_suricata, tmp_path)
        others, silent = not_followed(capture), one_sided(capture)
        others |= {seen.flow for seen in alerts[1] if seen.sid == UNSEEN_SID}
        flooded = {seen.flow for seen in alerts[1] if seen.sid != UNSEEN_SID and FLOODED in cases[seen.sid].options}
        mine, their = (
            Counter(seen.sid for seen in side if not (
                seen.flow in others
                or (seen.flow in silent and "app-layer-protocol:" in cases[seen.sid].options)
                or (seen.flow in flooded and OF_PDUS.search(cases[seen.sid].options))
                or (others | flooded and "threshold:" in cases[seen.sid].options)  # it counts alerts in these too
                or (side is alerts[1] and not seen.is_on_packet and not OF_PDUS.search(cases[seen.sid].options))))
            for side in alerts
        )  # fmt: skip
        for sid in sorted(mine.keys() | their.keys()):
            if mine[sid] == their[sid]:
                agreed += 1
            elif not any(one.covers(capture.name, cases[sid].options, mine[sid], their[sid]) for one in EXEMPTIONS):
                differences.append(
                    f"{capture.name}: {cases[sid].header} {cases[sid].options}: we {mine[sid]}, Suricata {their[sid]}"
                )
    print(agreed, "agree")
    assert not differences, f"{agreed} agree, {len(differences)} differ:\n" + "\n".join(differences[:80])


def test_events_of_dnp3(tmp_path: Path) -> None:
    """Damaged frames behind a good one; each in its own connection, as Suricata reads none on behind a broken header."""
    header, data = bytearray(asked(READ)), bytearray(asked(READ))
    header[8] ^= 1
    data[-1] ^= 1
    short = bytes(DNP3(dir=1, src=MASTER, dst=OUTSTATION) / Raw(b"\xc0\xc0"))
    unknown = told(
        DNP3Response(func=130, objects=[DNP3Object(group=99, variation=9, range=0, start=0, stop=0, data=b"\0")])
    )
    damaged: list[list[Turn]] = [
        [("c", bytes(header)), ("c", asked(OPERATE))], [("c", bytes(data))], [("c", short)], [("s", unknown)], [("c", bytes(data)), ("c", asked(READ)), ("c", short)], [],
    ]  # fmt: skip
    frames = [
        frame
        for number, turns in enumerate(damaged)
        for frame in segments([("c", asked(OPERATE)), *turns], (), (CLIENT[0], CLIENT[1] + number), SERVER)
    ]
    capture, path = tmp_path / "events.pcap", tmp_path / "all.rules"
    capture.write_bytes(pcap_bytes([(SECOND + number, frame) for number, frame in enumerate(frames)]))
    cases = dict(
        enumerate((Case("dnp3 any any -> any any", f"app-layer-event:dnp3.{one}; ") for one in DNP3_EVENTS), FIRST_SID)
    )
    write_cases(path, cases)
    mine = Counter((seen.sid, seen.flow) for seen in ours(capture, load_ours([path], tmp_path)))
    assert mine == Counter((seen.sid, seen.flow) for seen in theirs(capture, path, tmp_path))
    assert {sid for sid, _ in mine} == set(cases)


def test_cip_numbers_are_read_whole(tmp_path: Path) -> None:
    """A class of three digits is that class here; Suricata 7 takes its first two digits for it."""
    classes = (5, 10, 13, 25, 64, 99, 100, 105, 139, 255)
    frames = []
    for number in classes:
        get_attribute = bytes([14, 3, 0x20, number, 0x24, 1, 0x30, 7])
        sent = struct.pack("<IHHHHHH", 0, 0, 2, 0, 0, 0xB2, len(get_attribute)) + get_attribute
        turns: list[Turn] = [
            ("c", cip(0x65, b"\1\0\0\0", 0)), ("s", cip(0x65, b"\1\0\0\0")), ("c", cip(0x6F, sent)), ("c", cip(0x6F, sent)),
        ]  # fmt: skip
        frames += segments(turns, (), ("10.0.0.1", 40000 + number), ("10.0.0.2", 44818))
    capture, path = tmp_path / "classes.pcap", tmp_path / "all.rules"
    capture.write_bytes(pcap_bytes([(SECOND + number * 10**6, frame) for number, frame in enumerate(frames)]))
    cases = {number: Case("enip any any -> any any", f"cip_service:14,{number}; ") for number in classes}
    write_cases(path, cases)

    number_of = {flow_of("tcp", [("10.0.0.1", 40000 + number), ("10.0.0.2", 44818)]): number for number in classes}

    def found(alerts: Iterable[Seen]) -> set[tuple[int, int]]:
        return {(seen.sid, number_of[seen.flow]) for seen in alerts}

    assert found(ours(capture, load_ours([path], tmp_path))) == {(number, number) for number in classes}
    assert found(theirs(capture, path, tmp_path)) == {(number, int(str(number)[:2])) for number in classes}


@pytest.mark.parametrize("count", [500, 501, 700])
def test_a_flood_of_requests(count: int, tmp_path: Path) -> None:
    """Suricata says so of Modbus from the 501st request on. It has such an event for DNP3 too, and never raises it."""
    frames = []
    for asking, port in ((struct.pack(">HHHBBHH", 1, 0, 6, 1, 3, 0, 2), 502), (asked(READ), 20000)):
        frames += segments([("c", asking)] * count, (), ("10.0.0.1", 40000 + port), ("10.0.0.2", port))
    capture, path = tmp_path / "flood.pcap", tmp_path / "all.rules"
    capture.write_bytes(pcap_bytes([(SECOND + number * 10**6, frame) for number, frame in enumerate(frames)]))
    cases = {
        number: Case(f"{name} any any -> any any", f"app-layer-event:{name}.flooded; ")
        for number, name in enumerate(("modbus", "dnp3"), FIRST_SID)
    }
    write_cases(path, cases)
    mine = [(seen.sid, seen.flow) for seen in ours(capture, load_ours([path], tmp_path))]
    assert sorted(sid for sid, _ in mine) == ([*cases] if count > 500 else [])
    of_modbus = {one for one in mine if one[0] == FIRST_SID}
    assert of_modbus == {(seen.sid, seen.flow) for seen in theirs(capture, path, tmp_path)}
