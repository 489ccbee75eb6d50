"""$VARIABLES: values from the command line and from files, for fields of every kind, and names that are not set."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.columns import Field
from detector.errors import InputError
from detector.rules.model import And, Exists, FieldValue, ListValue, Membership, Not
from detector.rules.variables import Variables, make_variables
from tests.rules.written import SYN, alerts, loaded, mistakes, places, selecting

PORT = Field("tcp.dstport", "uint", "")
SOURCE = Field("ip.src", "ipv4", "")
SOURCE6 = Field("ipv6.src", "ipv6", "")


def values(field: Field, value: str) -> list[object]:
    return [one.value for one in make_variables({"X": value}, []).values("X", field)]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        (PORT, "80", [80]),
        (PORT, " 80 , 0x1f6,", [80, 502]),
        (PORT, "0..99, 502", [(0, 99), 502]),
        (SOURCE, "10.0.0.1, 10.1.0.0/16", [0x0A000001, (0x0A010000, 0x0A01FFFF)]),
        (SOURCE, "10.0.0.1..10.0.0.9", [(0x0A000001, 0x0A000009)]),
        (SOURCE, "10.0.0.1, fe80::1", [0x0A000001]),  # the other version's addresses are its own field's matter
        (SOURCE6, "10.0.0.1, fe80::1", [bytes.fromhex("fe80" + "0" * 27 + "1")]),
        (Field("eth.src", "ether", ""), "00:1d:9c:c7:b0:70", [0x001D9CC7B070]),
        (Field("a.name", "string", ""), "Siemens", [b"Siemens"]),
        (Field("flow.direction", "label", "", labels={0: "to_server"}), "TO_SERVER", [0]),
        (Field("a.flag", "bool", ""), "true", [True]),
    ],
)
def test_values_by_the_kind_of_the_field(field: Field, value: str, expected: list[object]) -> None:
    assert values(field, value) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (PORT, "http"),
        (PORT, "99..0"),
        (PORT, "1.."),
        (SOURCE, "10.0.0.300"),
        (SOURCE, "plc-1"),
        (SOURCE6, "plc-1"),  # not an address of either version: it must not be passed over
        (SOURCE, "10.0.0.9..10.0.0.1"),
        (SOURCE, "10.0.0.0/8..11.0.0.0/8"),
    ],
)
def test_an_entry_that_is_no_value_is_refused_by_name(field: Field, value: str) -> None:
    """An entry that is left out in silence is an attack that is not seen, or a false alert a minute."""
    with pytest.raises(InputError) as refused:
        values(field, value)
    assert refused.value.problem.startswith("$X: ") and refused.value.hint


def test_a_file_of_entries(tmp_path: Path) -> None:
    path = tmp_path / "masters.txt"
    path.write_text("10.0.0.1 # HMI\n10.0.0.0/30\n")
    assert values(SOURCE, f"@{path}, 10.0.0.9") == [0x0A000001, (0x0A000000, 0x0A000003), 0x0A000009]


def test_a_wrong_entry_of_a_file_is_shown_where_it_stands(tmp_path: Path) -> None:
    """Not at the rule, which is right: the site's list is wrong."""
    path = tmp_path / "masters.txt"
    path.write_text("10.0.0.1\n10.0.0.300\n")
    errors = mistakes(tmp_path, selecting("{ip.src: $MASTERS}"), variables={"MASTERS": f"@{path}"})
    assert [str(error.position) for error in errors] == [f"{path}:2:1"]
    assert places(errors) == ["2:1 $MASTERS: '10.0.0.300' is no value of ip.src"]


def test_a_wrong_entry_of_the_command_line_is_shown_at_the_rule_that_uses_it(tmp_path: Path) -> None:
    errors = mistakes(tmp_path, selecting("{ip.src: $MASTERS}"), variables={"MASTERS": "plc"})
    assert places(errors) == ["5:20 $MASTERS: 'plc' is no value of ip.src"]


def test_a_name_without_entries_is_a_mistake(tmp_path: Path) -> None:
    """An empty list would make `not known` hold for everybody."""
    empty = tmp_path / "empty.txt"
    empty.write_text("# to be filled\n")
    for value in ("", " , ", f"@{empty}"):
        with pytest.raises(InputError, match="is empty"):
            make_variables({"X": value}, [])


@pytest.mark.parametrize("network", ["10.0.0.0/33", "home", "fe80::/200"])
def test_own_networks_are_networks(network: str) -> None:
    with pytest.raises(InputError) as refused:
        make_variables({}, [network])
    assert "--home-net" in str(refused.value) and refused.value.hint


def test_a_name_that_is_not_set_is_noted() -> None:
    variables = Variables({})
    test = variables.membership(FieldValue("ip.src"), "MASTERS", SOURCE, "any")
    assert variables.missing == {"MASTERS"}
    assert test == Membership(FieldValue("ip.src"), (ListValue("MASTERS", ()),))


def test_external_is_what_is_not_home() -> None:
    variables = make_variables({}, ["10.0.0.0/8"])
    test = variables.membership(FieldValue("ip.src"), "EXTERNAL_NET", SOURCE, "any")
    assert isinstance(test, And) and isinstance(test.tests[0], Exists) and isinstance(test.tests[1], Not)
    variables = Variables({})
    variables.membership(FieldValue("ip.src"), "EXTERNAL_NET", SOURCE, "any")
    assert variables.missing == {"HOME_NET"}


@pytest.mark.parametrize(
    ("selection", "home", "count"),
    [
        ("{ip.src: $HOME_NET}", "10.0.0.0/8", 1),
        ("{ip.src: $EXTERNAL_NET}", "10.0.0.0/8", 0),
        ("{ip.src: $EXTERNAL_NET}", "192.168.0.0/16", 1),
        ("{ip.addr: $EXTERNAL_NET}", "10.0.0.1/32", 1),  # one of the two ends is outside: as for any list of values
        ("{ip.addr: $EXTERNAL_NET}", "10.0.0.0/8", 0),
        ("{ip.addr: $HOME_NET}", "10.0.0.1/32", 1),
        ("'ip.addr in $EXTERNAL_NET'", "10.0.0.1/32", 1),
        ("'all ip.addr in $EXTERNAL_NET'", "10.0.0.1/32", 0),
        ("'all ip.addr in $EXTERNAL_NET'", "192.168.0.0/16", 1),
        ("'not ip.addr in $HOME_NET'", "10.0.0.1/32", 0),
        ("{ipv6.src: $EXTERNAL_NET}", "fe80::/10", 0),  # a packet without the field is neither
    ],
)
def test_home_and_external_on_packets(selection: str, home: str, count: int, tmp_path: Path) -> None:
    """From 10.0.0.1 to 10.0.0.2."""
    assert len(alerts(loaded(tmp_path, selecting(selection), home_net=[home]), SYN)) == count


def test_variables_that_name_the_own_networks_are_taken(tmp_path: Path) -> None:
    """--var HOME_NET, and an EXTERNAL_NET of its own, as Suricata's configuration has them."""
    ruleset = loaded(tmp_path, selecting("{ip.src: $EXTERNAL_NET}"), variables={"EXTERNAL_NET": "10.0.0.1"})
    assert len(alerts(ruleset, SYN)) == 1
    ruleset = loaded(tmp_path, selecting("{ip.src: $HOME_NET}"), variables={"HOME_NET": "10.0.0.0/8"})
    assert len(alerts(ruleset, SYN)) == 1


def test_a_rule_whose_variable_is_not_set_is_listed_as_inactive(tmp_path: Path) -> None:
    """It must not run: `not known` would hold for every station."""
    ruleset = loaded(tmp_path, selecting("{tcp.dstport: $PORTS, ip.src: $MASTERS}"), variables={"PORTS": "80"})
    assert [one.inactive for one in ruleset.rules] == ["$MASTERS is not set"]
    assert ruleset.active == () and alerts(ruleset, SYN) == []


def test_one_rule_without_its_variable_leaves_the_next_alone(tmp_path: Path) -> None:
    text = selecting("{ip.src: $MASTERS}") + "---\n" + selecting("{tcp.dstport: 80}").replace("000001", "000002", 1)
    assert [one.inactive for one in loaded(tmp_path, text).rules] == ["$MASTERS is not set", ""]
