"""What connections speak: what rules that ask for it are told of, what is refused. That Suricata tells of as many packets is
compared in tests/differential/test_suricata_protocols.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.rules.listeners import listeners_of
from detector.rules.loader import load_rules
from tests.detect.test_signatures import ACK, CLIENT, PUSH, SERVER, alerted, connection, segment

READ = bytes.fromhex("000100000006010300000001")  # asks for one holding register
VALUE = bytes.fromhex("0001000000050103020007")  # and is told it


def exchange(times: int) -> list[bytes]:
    """Packets 1 to 3 are a handshake; then requests (4, 6 ...) and replies (5, 7 ...), each of which acknowledges the one before."""
    frames = connection(port=502)
    for number in range(times):
        asked, told = 100 + number * len(READ), 500 + number * len(VALUE)
        frames.append(segment(CLIENT, SERVER, (40000, 502), asked, ACK | PUSH, READ, told))
        frames.append(segment(SERVER, CLIENT, (502, 40000), told, ACK | PUSH, VALUE, asked + len(READ)))
    return frames


@pytest.mark.parametrize("batch", [1, 3, 16384])
@pytest.mark.parametrize(
    ("header", "options", "packets"),
    [
        ("modbus any any -> any any", "", [5, 6, 7, 8, 9]),
        ("modbus any any -> any 502", "dsize:>0;", [6, 8]),
        ("dnp3 any any -> any any", "", []),
        ("tcp any any -> any any", "app-layer-protocol:modbus; ttl:>0;", [6, 7, 8, 9]),
        ("tcp any any -> any any", "app-layer-protocol:modbus;", [6, 7]),
        ("tcp any any -> any any", "app-layer-protocol:modbus; flow:to_client;", [7]),
        ("tcp any any -> any any", "app-layer-protocol:!modbus; ttl:>0;", []),
        ("tcp any any -> any any", "app-layer-protocol:!dnp3; app-layer-protocol:!enip; ttl:>0;", [6, 7, 8, 9]),
        ("tcp any any -> any any", "app-layer-protocol:!dnp3;", [6, 7]),
    ],
)
def test_packets_of_what_is_spoken(tmp_path: Path, header: str, options: str, packets: list[int], batch: int) -> None:
    """Known with the acknowledgement, of each side by itself; alone, app-layer-protocol holds once a side."""
    rule = f'alert {header} (msg:"m"; {options} sid:1;)\n'
    assert alerted(tmp_path, rule, exchange(3), batch) == [(packet, 1) for packet in packets]


def test_nothing_is_remembered_that_nobody_asks_for(tmp_path: Path) -> None:
    """Rules of one protocol share what is remembered; a rule that is not run asks for nothing."""
    path = tmp_path / "team.rules"
    path.write_text(
        'alert tcp any any -> any 502 (msg:"m"; content:"a"; sid:1;)\nalert modbus $UNSET any -> any any (sid:2;)\n'
    )
    assert not list(listeners_of(load_rules([path]).rules))
    path.write_text("".join(f"alert modbus any any -> any any (ttl:{n}; sid:{n};)\n" for n in (1, 2)))
    ruleset = load_rules([path])
    assert ruleset.warnings == () and len(ruleset.alerting) == 2
    followers = ruleset.followers
    assert followers and all(rule.silent and "modbus" in rule.title for rule in followers)
    assert len({rule.id for rule in followers}) == len(followers)


@pytest.mark.parametrize(
    ("header", "options", "why"),
    [
        ("tcp", "app-layer-protocol:http;", "app-layer-protocol:http is not supported"),
        ("tcp", "app-layer-protocol:!tls;", "app-layer-protocol:tls is not supported"),
        ("tcp", "app-layer-protocol:modbuss;", "unknown protocol 'modbuss'"),
        ("tcp", "app-layer-protocol:modbus; app-layer-protocol:!dnp3;", "a connection speaks one protocol"),
        ("modbus", "app-layer-protocol:modbus;", "alert modbus says what is spoken already"),
        ("tcp", "app-layer-protocol:modbus; modbus:function 3;", "modbus is not supported beside"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, header: str, options: str, why: str) -> None:
    path = tmp_path / "team.rules"
    path.write_text(f'alert {header} any any -> any any (msg:"m"; {options} sid:1;)\n')
    (refused,) = load_rules([path]).refused
    assert why in refused.reason and refused.hint
