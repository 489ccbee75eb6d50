"""Rules' own tests: packets and captures through the pipeline, variables, known good traffic, and tests that cannot run."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import InputErrors
from detector.testing.rule_tests import Outcome, run_tests
from tests.runs import SCENARIOS

RULE = """\
title: Syn
id: 68ee89b5-54cd-50e7-a711-206df45a82d1
level: low
detection: {chosen: {tcp.flags.syn: true, tcp.flags.ack: false, tcp.dstport: 80%s}, condition: chosen}
alert: {limit: none}
%s
tests:
"""
SYN = 'IP(src="10.0.0.%d", dst="10.0.0.9")/TCP(sport=40000, dport=80, flags="S")'


def outcomes(folder: Path, tests: str, extra: str = "", keys: str = "") -> list[Outcome]:
    """What comes of the tests of a rule."""
    path = folder / "rule.yml"
    path.write_text(RULE % (extra, keys) + tests)
    return list(run_tests(path))


def one(folder: Path, tests: str, extra: str = "", keys: str = "") -> Outcome:
    (found,) = outcomes(folder, tests, extra, keys)
    return found


def test_alerts_of_packets_are_counted(tmp_path: Path) -> None:
    tests = "".join(f"  - packets: ['{SYN % 1}', '{SYN % 2} * 2']\n    alerts: {count}\n" for count in (3, 2, 0))
    found = outcomes(tmp_path, tests)
    assert [(outcome.alerts, outcome.passed, outcome.problem) for outcome in found] == [
        (3, True, ""),
        (3, False, ""),
        (3, False, ""),
    ]
    assert [outcome.test.position.line for outcome in found] == [8, 10, 12]


def test_alerts_of_a_capture_are_counted(tmp_path: Path) -> None:
    capture = SCENARIOS / "minute-attack" / "capture.pcap"
    found = one(tmp_path, f"  - {{capture: {capture}, alerts: 0}}\n")
    assert found.passed


def test_a_tests_variables_are_its_own(tmp_path: Path) -> None:
    """A rule that waits for a value is tried with the test's; without one the test could not run, and fails."""
    tests = (
        f"  - packets: ['{SYN % 1}', '{SYN % 2}']\n    variables: {{KNOWN: [10.0.0.2, 10.0.0.3]}}\n    alerts: 1\n"
        f"  - packets: ['{SYN % 1}']\n    alerts: 0\n"
    )
    with_value, without = outcomes(tmp_path, tests, ", ip.src: $KNOWN")
    assert with_value.passed
    assert not without.passed and without.problem == (
        "the rule is inactive: $KNOWN is not set; give the test variables: {NAME: value}"
    )


@pytest.mark.parametrize(("learn", "alerts"), [(0, 0), (1, 2), (2, 1), (3, 0), (99, 0)])
def test_the_first_packets_may_be_known_good(learn: int, alerts: int, tmp_path: Path) -> None:
    """`learn: n`: a new_value rule takes them as --learn-from does, and what differs afterwards alerts at once."""
    packets = ", ".join(f"'{SYN % number}'" for number in (1, 2, 3))
    keys = "anomaly: {type: new_value, fields: [ip.src], learn: 1h}"
    more = f"    learn: {learn}\n" if learn else ""
    found = one(tmp_path, f"  - packets: [{packets}]\n{more}    alerts: {alerts}\n", keys=keys)
    assert (found.problem, found.alerts) == ("", alerts)


def test_only_the_tested_rules_alerts_count(tmp_path: Path) -> None:
    """The rules of the whole file run, so that a correlation has its base; the base's own alerts are not the correlation's."""
    path = tmp_path / "rule.yml"
    base = RULE.replace("title:", "name: base\ntitle:").partition("tests:")[0] % ("", "")
    path.write_text(
        base + "---\ntitle: Many\nid: 68ee89b5-54cd-50e7-a711-206df45a82d2\nlevel: low\n"
        "correlation: {type: event_count, rules: base, group-by: [ip.dst], timespan: 1m, condition: {gte: 3}}\n"
        f"tests:\n  - packets: ['{SYN % 1} * 3']\n    alerts: 1\n  - packets: ['{SYN % 1} * 2']\n    alerts: 0\n"
    )
    assert [outcome.passed for outcome in run_tests(path)] == [True, True]


@pytest.mark.parametrize(
    ("packet", "problem"),
    [
        ("IP(dst=5)/UDP()", "Scapy"),
        ("IP()/TCP(dport=99999)", "Scapy cannot build this packet: While building field 'dport'"),
        ('IP(ttl="x")/UDP()', "Scapy cannot build this packet: While building field 'ttl'"),
        ("IP()/TPC()", "unknown layer 'TPC'"),
        ('__import__("os")', "unknown layer '__import__'"),
    ],
)
def test_packets_that_cannot_be_made_fail_the_test_at_their_place(packet: str, problem: str, tmp_path: Path) -> None:
    """Never a traceback: the file, the line, and what Scapy said in a line."""
    found = one(tmp_path, f"  - packets:\n      - '{packet}'\n    alerts: 0\n")
    assert not found.passed and problem in found.problem
    assert found.problem.startswith(f"{tmp_path / 'rule.yml'}:9:") and "\nhint: " in found.problem
    assert len(found.problem.splitlines()) == 4


def test_a_capture_that_is_none_fails_the_test(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_text("this is a text")
    found = one(tmp_path, "  - {capture: a.pcap, alerts: 0}\n")
    assert not found.passed and "is not a capture" in found.problem


def test_a_test_without_packets_is_refused(tmp_path: Path) -> None:
    """It would pass whatever the rule says."""
    with pytest.raises(InputErrors):
        one(tmp_path, "  - {packets: [], alerts: 0}\n")
