"""Fifty rules, each once for Suricata and once as a display filter for us, that ask the same of the same traffic.

A third look at Modbus functions and values, a third at headers and ports, a third at addresses; most of them stay
silent on the benchmark's traffic, as a ruleset in use does; both sides limit alerts to one a minute and source.
"""

from __future__ import annotations

import uuid
from pathlib import Path

MASTERS = "[10.77.0.10,10.77.0.11,10.77.0.12]"
MASTER_SET = "{10.77.0.10, 10.77.0.11, 10.77.0.12}"


def modbus() -> list[tuple[str, str, str]]:
    """(title, Suricata header and options, display filter) of rules on the Modbus table."""
    rules = []
    for code in (5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22, 23, 24, 43, 90):
        rules.append((f"Modbus function {code}", f"modbus any any -> any 502|modbus: function {code};",
                      f"modbus.func_code == {code} and tcp.dstport == 502"))  # fmt: skip
    for code in (5, 6, 15, 16):
        rules.append((f"Modbus function {code} by a stranger", f"modbus !{MASTERS} any -> any 502|modbus: function {code};",
                      f"modbus.func_code == {code} and tcp.dstport == 502 and not ip.src in {MASTER_SET}"))  # fmt: skip
    return rules


def ports() -> list[tuple[str, str, str]]:
    """Rules on TCP and UDP ports and flags."""
    rules = [
        (f"Connection to port {port}", f"tcp any any -> any {port}|flags: S,CE;",
         f"tcp.dstport == {port} and tcp.flags.syn == 1 and tcp.flags.ack == 0")
        for port in (21, 23, 445, 512, 513, 514, 3389, 5900, 102, 20000, 2404, 44818)
    ]  # fmt: skip
    rules += [(f"Datagram to port {port}", f"udp any any -> any {port}|dsize: >0;", f"udp.dstport == {port} and udp.length > 8")
              for port in (69, 161, 1900, 47808)]  # fmt: skip
    return rules


def addresses() -> list[tuple[str, str, str]]:
    """Rules on addresses, lifetimes and protocols."""
    rules = [
        (f"Traffic to 198.51.100.{host}", f"ip any any -> 198.51.100.{host} any|", f"ip.dst == 198.51.100.{host}")
        for host in range(1, 9)
    ]
    rules += [
        ("Short-lived packet", "ip any any -> any any|ttl: <2;", "ip.ttl < 2"),
        ("Null scan", "tcp any any -> any any|flags: 0;", "tcp.flags == 0"),
        ("Xmas scan", "tcp any any -> any any|flags: FPU;", "tcp.flags == 0x29"),
        ("SYN and FIN", "tcp any any -> any any|flags: SF;", "tcp.flags == 0x3"),
        (
            "Echo request with much data",
            "icmp any any -> any any|itype: 8; dsize: >1000;",
            "icmp.type == 8 and ip.len > 1028",
        ),
        ("Redirect", "icmp any any -> any any|itype: 5;", "icmp.type == 5"),
    ]
    return rules


RULES = modbus() + ports() + addresses()
assert len(RULES) == 50


def write_suricata(path: Path, is_limited: bool = True) -> None:
    """The fifty as a .rules file; is_limited: one alert a minute and source."""
    lines = []
    limit = "threshold: type limit, track by_src, count 1, seconds 60; " if is_limited else ""
    for number, (title, text, _) in enumerate(RULES, 1):
        header, _, options = text.partition("|")
        lines.append(f'alert {header} (msg:"{title}"; {options} {limit}'
                     f"sid:{number}; rev:1;)\n")  # fmt: skip
    path.write_text("".join(lines))


def write_ours(path: Path, is_limited: bool = True) -> None:
    """The fifty as YAML."""
    documents = []
    limit = "{by: [ip.src], count: 1, every: 60s}" if is_limited else "none"
    for title, _, condition in RULES:
        documents.append(
            f"title: {title}\nid: {uuid.uuid5(uuid.NAMESPACE_OID, title)}\nstatus: test\nlevel: low\n"
            f"detection:\n  chosen: '{condition}'\n  condition: chosen\n"
            f"alert:\n  limit: {limit}\n"
        )
    path.write_text("---\n".join(documents))
