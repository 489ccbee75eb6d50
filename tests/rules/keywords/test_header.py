"""Groups of addresses and ports as Suricata 7.0.10 reads them: what each list lets through was found with its alerts."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from detector.rules.keywords.header import IPV4_BASE, address_group, port_group
from detector.rules.signature import FlowCondition, Header
from tests.rules.keywords.written import CONTEXT, compiled, refused, signature

HOSTS = ("10.0.0.1", "10.1.0.1", "10.1.1.1", "192.168.1.1", "2001:db8::1", "2001:db9::1")


def lets_through(text: str) -> list[str]:
    ranges = address_group(text, CONTEXT)[0].ranges
    numbers = {host: int(ip_address(host)) + (IPV4_BASE if "." in host else 0) for host in HOSTS}
    return [host for host, number in numbers.items() if any(low <= number <= high for low, high in ranges)]


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("any", HOSTS),
        ("10.0.0.0/8", HOSTS[:3]),
        ("10.0.0.1/255.0.0.0", HOSTS[:3]),
        ("10.0.0.0-10.0.0.9", HOSTS[:1]),
        ("[10.0.0.1,192.168.1.1]", (HOSTS[0], HOSTS[3])),
        ("10.0.0.1,192.168.1.1", (HOSTS[0], HOSTS[3])),
        ("![10.0.0.0/8,!10.1.0.0/16]", HOSTS[1:4]),
        ("[10.0.0.0/8,![10.1.0.0/16,!10.1.1.0/24]]", (HOSTS[0], HOSTS[2])),
        ("!10.0.0.0/8", HOSTS[3:4]),
        ("[2001:db8::/32,!10.0.0.0/8]", HOSTS[3:5]),
        ("[any,!10.0.0.0/8]", HOSTS[3:]),
        ("!!10.0.0.0/8", HOSTS[3:4]),
        ("![!10.0.0.0/8]", HOSTS[:3]),
        ("$HOME_NET", HOSTS[:4]),
        ("[$HOME_NET,!10.1.0.0/16]", (HOSTS[0], HOSTS[3])),
        ("::/0", HOSTS[4:]),
        ("0.0.0.0/0", HOSTS[:4]),
    ],
)
def test_addresses(text: str, hosts: tuple[str, ...]) -> None:
    assert lets_through(text) == list(hosts)


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("any", ((0, 65535),)),
        ("80", ((80, 80),)),
        ("1024:", ((1024, 65535),)),
        (":1024", ((0, 1024),)),
        ("!80", ((0, 79), (81, 65535))),
        ("[80:90,!85]", ((80, 84), (86, 90))),
        ("![53,!54]", ((54, 54),)),
        ("!!53", ((0, 52), (54, 65535))),
        ("[$HTTP_PORTS,81]", ((80, 81), (8080, 8080))),
    ],
)
def test_ports(text: str, ranges: tuple[tuple[int, int], ...]) -> None:
    assert port_group(text, CONTEXT).ranges == ranges


def test_any_is_any() -> None:
    assert signature("ttl:1;", "alert ip any any -> any any").header == Header()


def test_families_of_ip_are_families_of_addresses() -> None:
    first = signature("", "alert ip4 any any -> any any").header.source.ranges
    assert first == ((IPV4_BASE, IPV4_BASE + 2**32 - 1),)
    second = signature("", "alert icmpv6 any any -> any any").header
    assert second.protocol == "icmp"
    assert second.source.ranges == ((0, IPV4_BASE - 1), (IPV4_BASE + 2**32, 2**128 - 1))


@pytest.mark.parametrize(
    ("options", "header", "is_first"),
    [
        ("", "alert tcp 10.0.0.1 any -> any 80", True),
        ("flowbits:set,a;", "alert ip any any -> any any", True),
        ("ip_proto:6;", "alert ip any any -> any any", True),
        ("", "alert ip any !80 -> any any", True),
        ("", "alert ip !10.0.0.1 any -> any any", False),
        ("", "alert ip $EXTERNAL_NET any -> any any", False),
        ("flowbits:isset,a;", "alert ip any any -> any any", False),
        ("flow:to_server;", "alert ip any any -> any any", False),
        ("sameip;", "alert ip any any -> any any", False),
        ('content:"a";', "alert ip any any -> any any", False),
        ('tcp.hdr; content:"a";', "alert ip any any -> any any", False),
    ],
)
def test_ip_only_rules_look_at_first_packets(options: str, header: str, is_first: bool) -> None:
    """As the rule types of `suricata --engine-analysis`: ip_only, and like_ip_only, which sees every packet."""
    assert bool(signature(options, header).header.flow & FlowCondition.FIRST_IN_DIRECTION) is is_first


def test_a_variable_that_is_not_set_makes_the_rule_inactive() -> None:
    assert compiled("", "alert tcp $PLC_NET any -> any any").inactive == "$PLC_NET is not set"
    assert compiled("", "alert tcp any $PLC_PORTS -> any any").inactive == "$PLC_PORTS is not set"


def test_what_blocks_is_loaded_as_alert() -> None:
    assert compiled("", "drop tcp any any -> any any").warnings == ("drop: loaded as alert, nothing is blocked here",)


@pytest.mark.parametrize(
    ("header", "column", "problem"),
    [
        ("alert tcp !any any -> any any", 12, "every address is negated"),
        ("alert tcp [10.0.0.1,!10.0.0.0/8] any -> any any", 11, "no address is left in [10.0.0.1,!10.0.0.0/8]"),
        ("alert tcp [10.0.0.1,10.0.0.256] any -> any any", 21, "'10.0.0.256' is no address"),
        ("alert tcp 10.0.0.0/33 any -> any any", 11, "'10.0.0.0/33' is no address"),
        ("alert tcp 10.0.0.0/255.0.255.0 any -> any any", 11, "255.0.255.0 is no netmask: its ones must come first"),
        ("alert tcp 10.0.0.5-10.0.0.1 any -> any any", 11, "the range 10.0.0.5-10.0.0.1 contains nothing"),
        ("alert tcp [10.0.0.1,,10.0.0.2] any -> any any", 11, "an entry of the list is empty"),
        ("alert tcp any 90:80 -> any any", 15, "the range 90:80 contains nothing"),
        ("alert tcp any 65536 -> any any", 15, "'65536' is no port"),
        ("alert tcp any any -> any [80,!80]", 26, "no port is left in [80,!80]"),
        ("alert tcp any any -> any !any", 27, "!any negates every port"),
        ("alert tpc any any -> any any", 7, "unknown protocol 'tpc'"),
        ("alert http any any -> any any", 7, "the protocol http is not supported in rules with payload keywords"),
        ("pass tcp any any -> any any", 1, "pass rules are not supported"),
    ],
)
def test_mistakes(header: str, column: int, problem: str) -> None:
    error = refused("", header)
    assert error.position is not None
    assert (error.position.column, error.problem) == (column, problem)
    assert error.hint
