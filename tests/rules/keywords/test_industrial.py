"""Keywords of industrial protocols: which PDUs they find, told by functions, addresses and values that a hand can check."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from detector.capture import open_source
from detector.rules.keywords import Unsupported
from detector.rules.loader import load_rules
from tests.rules.keywords.written import compiled, refused
from tests.runs import alerts_of, pcap_bytes

REQUESTS = {  # name: unit and PDU
    "read coils 1 to 10": (1, "01 0000 000a"),
    "read holding 101 to 102": (1, "03 0064 0002"),
    "write register 101: 300": (2, "06 0064 012c"),
    "write registers 11 to 13: 1 2 3": (2, "10 000a 0003 06 0001 0002 0003"),
    "write coil 5: on": (3, "05 0004 ff00"),
    "write coils 1 to 10": (3, "0f 0000 000a 02 0502"),
    "restart": (9, "08 0001 0000"),
    "reserved diagnostic": (9, "08 0016 0000"),
    "identify": (9, "2b 0e 01 00"),
    "user 65": (200, "41 00"),
    "unity 90": (200, "5a 00 02"),
}


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The requests, each in a packet of its own."""
    path = tmp_path_factory.mktemp("modbus") / "requests.pcap"
    sequence, packets = 1, []
    for number, (unit, text) in enumerate(REQUESTS.values()):
        pdu = bytes.fromhex(text)
        data = struct.pack(">HHHB", number, 0, len(pdu) + 1, unit) + pdu
        header = TCP(sport=40000, dport=502, flags="PA", seq=sequence, ack=1)
        packets.append((number * 10**9, bytes(Ether() / IP(src="10.0.0.5", dst="10.0.1.7") / header / Raw(data))))
        sequence += len(data)
    path.write_bytes(pcap_bytes(packets))
    return path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("function 8", {"restart", "reserved diagnostic"}),
        ("function 8, subfunction 1", {"restart"}),
        ("function 90", {"unity 90"}),
        ("function user", {"user 65"}),
        ("function reserved", {"reserved diagnostic", "unity 90"}),
        ("function !assigned", {"reserved diagnostic", "unity 90", "user 65"}),
        ("function all", set(REQUESTS)),
        ("access read", {"read coils 1 to 10", "read holding 101 to 102"}),
        ("access write coils", {"write coil 5: on", "write coils 1 to 10"}),
        ("access write holding", {"write register 101: 300", "write registers 11 to 13: 1 2 3"}),
        ("access read, address 10", {"read coils 1 to 10"}),
        ("access read, address 11", set()),
        ("access read, address >101", {"read holding 101 to 102"}),
        ("access read, address >102", set()),
        ("access write, address <5", {"write coils 1 to 10"}),
        ("access write, address <6", {"write coil 5: on", "write coils 1 to 10"}),
        ("access write, address 10<>12", {"write registers 11 to 13: 1 2 3"}),
        ("access write holding, address 12, value 2", {"write registers 11 to 13: 1 2 3"}),
        ("access write holding, address 12, value >2", set()),
        ("access write holding, address 101, value 299<>301", {"write register 101: 300"}),
        ("access write coils, address 5, value 1", {"write coil 5: on"}),
        ("access write coils, address 3, value 1", {"write coils 1 to 10"}),
        ("access write coils, address 2, value 0", {"write coils 1 to 10"}),
        ("unit 2", {"write register 101: 300", "write registers 11 to 13: 1 2 3"}),
        ("unit 8<>10, function 43", {"identify"}),
        ("unit >199", {"user 65", "unity 90"}),
        ("unit <4, access write holding, address 101", {"write register 101: 300"}),
        ("unit <0", set()),
    ],
)  # fmt: skip
def test_modbus(capture: Path, tmp_path: Path, value: str, expected: set[str]) -> None:
    rules = tmp_path / "a.rules"
    rules.write_text(f'alert modbus any any -> any any (msg:"m"; modbus: {value}; sid:1;)\n')
    alerts = alerts_of(open_source([str(capture)]), load_rules([rules]))
    names = list(REQUESTS)
    assert {names[alert.document["packet"]["number"] - 1] for alert in alerts} == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [("tcp any any -> any 502", 2), ("tcp any 502 -> any any", 0), ("modbus 10.0.0.0/24 any -> 10.0.1.7 any", 2), ("udp any any -> any 502", 0),
     ("tcp any any -> !10.0.1.7 any", 0), ("modbus 10.0.1.7 any <> 10.0.0.5 any", 2)],
)  # fmt: skip
def test_headers(capture: Path, tmp_path: Path, header: str, expected: int) -> None:
    rules = tmp_path / "a.rules"
    rules.write_text(f'alert {header} (msg:"m"; flow:established,to_server; modbus: access read; sid:1;)\n')
    assert len(alerts_of(open_source([str(capture)]), load_rules([rules]))) == expected


def test_flowbits_and_thresholds_stand_beside_it(capture: Path, tmp_path: Path) -> None:
    rules = tmp_path / "a.rules"
    rules.write_text(
        'alert modbus any any -> any any (modbus: function 3; flowbits:set,read; noalert; sid:1;)\n'
        'alert modbus any any -> any any (msg:"after"; modbus: access write; flowbits:isset,read; sid:2;)\n'
        'alert modbus any any -> any any (msg:"twice"; modbus: access write; threshold:type threshold, track by_src, count 2, seconds 60; sid:3;)\n'
    )  # fmt: skip
    alerts = alerts_of(open_source([str(capture)]), load_rules([rules]))
    assert [alert.rule.title for alert in alerts] == ["after", "after", "twice", "after", "after", "twice"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("modbus: function reservd;", "unknown kind of function 'reservd'"),
        ("modbus: function 0;", "the function 0 is out of bounds"),
        ("modbus: access write input;", "input can only be read"),
        ("modbus: access write, address <5, value 1;", "a value goes with one address only"),
        ("modbus: access read, address 5, value 1;", "a value goes with access write only"),
        ("modbus: nothing;", "modbus cannot be read: nothing"),
        ("modbus: function 3; dnp3_func:1;", "a rule about modbus cannot ask for dnp3"),
        ("flow:to_client; modbus: function 3;", "modbus sees requests, and flow asks for packets to the client"),
        ("dnp3_func:reed;", "unknown function 'reed'"),
        ("dnp3_ind:tired;", "unknown indication 'tired'"),
        ("dnp3_obj:12;", "dnp3_obj cannot be read: 12"),
        ("enip_command:70000;", "the command 70000 is out of bounds"),
        ("cip_service:1,2,3,4;", "cip_service cannot be read: 1,2,3,4"),
    ],
)
def test_mistakes(options: str, problem: str) -> None:
    assert refused(options).problem == problem


@pytest.mark.parametrize(
    "options", ['content:"a"; modbus: function 3;', "dnp3_func:1; ttl:<5;", "enip_command:99; dsize:>10;"]
)
def test_packets_and_pdus_at_once(options: str) -> None:
    """Suricata has both looked at; here the rule would mean something else, so it is refused."""
    error = refused(options)
    assert isinstance(error, Unsupported)
    assert "beside keywords of packets and payloads" in error.problem


def test_a_protocol_alone() -> None:
    assert (
        refused("enip_command:1;", "alert dnp3 any any -> any any").problem == "a rule about enip cannot be one of dnp3"
    )
    assert isinstance(refused("app-layer-event:dnp3.malformed;"), Unsupported)
    assert isinstance(refused('dnp3_data; content:"|01|"; pkt_data; content:"|02|";'), Unsupported)
    assert refused("dnp3_data; dnp3_func:1;").problem == "nothing is asked of dnp3_data"
    assert refused('enip_command:99; dnp3_data; content:"|01|";').problem == "a rule about enip cannot ask for dnp3"


def test_tables() -> None:
    assert [compiled(options).table for options in ("modbus: function 3;", "dnp3.ind:need_time;", 'dnp3_data; content:"|01|";', "cip_service:5,1,!7;", "dsize:1;")] == [
        "modbus", "dnp3", "dnp3", "enip", "packet"]  # fmt: skip
