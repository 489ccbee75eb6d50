"""Values of options: times with their zones, speeds, numbers, variables and networks; each wrong one in one line."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from detector.cli.options import add_rule_options, amount, load_ruleset, pace, positive, time_ns
from detector.rules.model import Rule
from tests.cli.command import ATTACK, detector, inside, refused

SECOND = 10**9
MAY_DAY = 1_714_550_400 * SECOND  # 2024-05-01 08:00:00 UTC, by date -u -d


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1714550400", MAY_DAY),
        ("1714550400.5", MAY_DAY + SECOND // 2),
        ("1714550400.123456789", MAY_DAY + 123456789),
        ("1714550400.1234567891", MAY_DAY + 123456789),
        ("1714550400.", MAY_DAY),
        ("2024-05-01T08:00:00", MAY_DAY),
        ("2024-05-01 08:00", MAY_DAY),
        ("2024-05-01T08:00:00Z", MAY_DAY),
        ("2024-05-01T10:00:00+02:00", MAY_DAY),
        ("2024-05-01T03:30:00-04:30", MAY_DAY),
        ("2024-05-01T08:00:00.5Z", MAY_DAY + SECOND // 2),
        ("2024-05-01T10:00:00.123456789+02:00", MAY_DAY + 123456789),
        ("2024-05-01T08:00:00,25", MAY_DAY + SECOND // 4),
        ("2024-05-01", MAY_DAY - 8 * 3600 * SECOND),
        ("20240501", MAY_DAY - 8 * 3600 * SECOND),
        ("0", 0),
        ("12", 12 * SECOND),
        ("-1.5", -SECOND * 3 // 2),
        ("1969-12-31T23:59:58.5", -SECOND * 3 // 2),
    ],
)
def test_times(text: str, expected: int) -> None:
    """Seconds or ISO 8601, to the nanosecond, in UTC unless a zone is named; what an alert's @timestamp says works."""
    assert time_ns(text) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "2024-05-01T25:00", "1714550400.5abc", "1e9", "nan", "0x10", "1_000",
                                  "99999999999999999999", "20241301", "²", "2024-05-01T08:00:00+99:00", "--1"])  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=r"not a time: .*for example"):
        time_ns(text)


def test_speeds_and_numbers() -> None:
    assert (pace("0"), pace("1"), pace("0.5"), pace("1e3")) == (0, 1, 0.5, 1000)
    assert (positive("1"), positive("16384")) == (1, 16384)
    for text in ("-1", "nan", "inf", "fast", "", "1e12"):
        with pytest.raises(argparse.ArgumentTypeError):
            pace(text)
    for text in ("0", "-1", "1.5", "1e3", "many", ""):
        with pytest.raises(argparse.ArgumentTypeError):
            positive(text)


def test_amounts_are_said_as_people_say_them() -> None:
    assert (amount(0, "alert"), amount(1, "alert"), amount(1234, "alert")) == ("0 alerts", "1 alert", "1,234 alerts")
    assert (amount(1, "match", "matches"), amount(2, "match", "matches")) == ("1 match", "2 matches")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--since", "yesterday"], "detector replay: argument --since: not a time: 'yesterday'; for example 2024-05-01T08:00:00 or 1714550400.5 (hint: detector replay --help)"),
        (["--since", "2024-05-02", "--until", "2024-05-01"], "--until is not after --since (hint: packets from --since on and before --until are read)"),
        (["--speed", "-1"], "detector replay: argument --speed: not a speed: '-1'; 1 is the capture's own time, 10 ten times as fast (hint: detector replay --help)"),
        (["--batch-packets", "0"], "detector replay: argument --batch-packets: not a whole number above zero: '0' (hint: detector replay --help)"),
        (["--home-net", "10.0.0.0/8,garbage"], "'garbage' is no value of --home-net (hint: --home-net is an IPv4 address or network such as 10.0.0.0/8)"),
        (["--home-net", "10.20.0.1/33"], "'10.20.0.1/33' is no value of --home-net (hint: --home-net is an IPv4 address or network such as 10.0.0.0/8)"),
        (["--home-net", "2001:db8::/200"], "'2001:db8::/200' is no value of --home-net (hint: --home-net is an IPv6 address or network such as fe80::/10)"),
        (["--var", "MODBUS_MASTERS"], "--var MODBUS_MASTERS: not of the form NAME=VALUE (hint: for example --var MODBUS_MASTERS=10.0.0.10,10.0.0.11)"),
        (["--var", "=10.0.0.1"], "--var =10.0.0.1: not of the form NAME=VALUE (hint: for example --var MODBUS_MASTERS=10.0.0.10,10.0.0.11)"),
        (["--var", "MODBUS_MASTERS="], "$MODBUS_MASTERS is empty (hint: leave it unset: its rules are then listed as inactive)"),
        (["--var", "MODBUS_MASTERS=@/no/such/list"], "/no/such/list: cannot be read: No such file or directory (hint: a list has one entry a line)"),
        (["--var", "MODBUS_MASTERS=@/usr"], "/usr: cannot be read: Is a directory (hint: a list has one entry a line)"),
        (["--var", "MODBUS_MASTER=10.20.0.10"], "--var MODBUS_MASTER: no rule names $MODBUS_MASTER (hint: did you mean MODBUS_MASTERS?)"),
        (["--var", "A=1", "--var", "A=2"], "--var A: is given twice (hint: several values are joined by commas)"),
        (["--rules", "/no/such/rules"], "/no/such/rules: no such file or folder"),
        (["--overrides", "/no/such/overrides.yml"], "/no/such/overrides.yml: cannot be read: No such file or directory"),
        (["--overrides", "/usr"], "/usr: cannot be read: Is a directory"),
        (["--learn-from", "/no/such/capture"], "/no/such/capture: no such file or folder"),
        (["--alerts", "/no/such/folder/alerts.jsonl"], "/no/such/folder/alerts.jsonl: cannot write alerts: No such file or directory (hint: --alerts takes a file)"),
        (["--alerts", "/usr"], "/usr: cannot write alerts: Is a directory (hint: --alerts takes a file)"),
        (["--alerts", ATTACK], f"--alerts {ATTACK}: is a capture that is read (hint: it would be overwritten)"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)  # fmt: skip
def test_a_wrong_value_is_one_line(words: list[str], said: str) -> None:
    """What and where, and what to do; a capture is evidence, and never overwritten."""
    before = Path(ATTACK).read_bytes()
    run = detector if "--alerts" in words else inside  # a capture is open already: that process ends
    assert refused(run("replay", ATTACK, *words)).startswith(said)
    assert Path(ATTACK).read_bytes() == before


def test_a_wrong_value_of_a_variable_is_said_once_however_many_rules_use_it() -> None:
    said = refused(inside("replay", ATTACK, "--var", "MODBUS_MASTERS=10.20.0.10,plc7"))
    assert said.startswith(
        "--var MODBUS_MASTERS: 'plc7' is no value of ip.src (hint: ip.src is an IPv4 address or network"
    )
    assert said.endswith("modbus-broadcast-write.yml:17:19)")


def test_suricata_yaml_gives_variables_and_rule_files(tmp_path: Path) -> None:
    """--var and --home-net come before its variables; its rule files are loaded where --rules is not given."""
    (tmp_path / "a.rules").write_text(
        'alert tcp $HOME_NET any -> any $PORTS (msg:"a"; content:"a"; sid:1;)\n'
        'alert tcp $SERVERS any -> any any (msg:"b"; content:"a"; sid:2;)\n'
    )
    (tmp_path / "s.yaml").write_text(
        "vars: {address-groups: {HOME_NET: 10.0.0.0/8}, port-groups: {PORTS: '80'}}\nrule-files: [a.rules]\n"
    )
    parser = argparse.ArgumentParser()
    add_rule_options(parser)

    def rules(*words: str) -> dict[str, Rule]:
        ruleset = load_ruleset(parser.parse_args(["--suricata-yaml", str(tmp_path / "s.yaml"), *words]))
        return {rule.title: rule for rule in ruleset.rules}

    found = rules()
    assert found["a"].inactive == "" and found["b"].inactive == "$SERVERS is not set" and len(found) > 2
    first, second = found["a"].signature, rules("--home-net", "10.1.0.0/16", "--var", "SERVERS=10.2.0.1")["a"].signature
    assert first is not None and second is not None
    base = 0xFFFF << 32
    assert first.header.source.ranges == ((base + 0x0A000000, base + 0x0AFFFFFF),)
    assert second.header.source.ranges == ((base + 0x0A010000, base + 0x0A01FFFF),)
    assert set(rules("--rules", str(tmp_path / "a.rules"))) == {"a", "b"}
