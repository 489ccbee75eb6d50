"""Rule files to a ruleset: what each key becomes, correlations and their bases, and every mistake in one go."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from detector.errors import InputErrors
from detector.rules.loader import DEFAULT_BY, DEFAULT_LIMIT_NS, NO_LIMIT, load_rules
from detector.rules.model import Correlation, Limit, NewValue
from tests.rules.written import SYN, WRITE, alerts, id_of, loaded, mistakes, places, rule, selecting, written

DETECTION = "detection: {a: {tcp.flags.syn: true}, condition: a}"
BASE = rule(f"name: base\ngenerate: false\n{DETECTION}")
MODBUS = rule("name: writes\ndetection: {a: {modbus.func_code: 6}, condition: a}", 3)


def correlation(inner: str, rest: str = "", base: str = BASE) -> str:
    return base + "---\n" + rule(f"correlation: {{{inner}}}\n{rest}", 2)


COUNT = "type: event_count, rules: [base], timespan: 10s, condition: {gte: 2}"


def test_every_key_of_a_rule(tmp_path: Path) -> None:
    text = rule(
        "name: one\nstatus: stable\ndescription: Some words.\nreferences: [https://a.example, https://b.example]\n"
        "author: Somebody\ndate: 2026/11/24\nmodified: 2026-11-25\ntags: [attack.ics.t0855, cve.2021.1]\n"
        "falsepositives: nobody\nlicense: BSD-3-Clause\n" + DETECTION + '\nalert: {message: "{ip.src} of {vlan.id}"}'
    )
    one = loaded(tmp_path, text).rules[0]
    assert (one.id, one.name, one.title, one.level, one.status) == (id_of(1), "one", "A rule", "low", "stable")
    assert (one.description, one.author, one.date) == ("Some words.", "Somebody", "2026-11-24")
    assert one.references == ("https://a.example", "https://b.example")
    assert one.tags == ("attack.ics.t0855", "cve.2021.1") and one.falsepositives == ("nobody",)
    assert one.table == "packet" and not one.silent and not one.inactive
    assert one.fields == ("tcp.flags.syn", "ip.src", "vlan.id"), "what an alert carries: named in test and message"
    assert (one.position.line, one.position.column) == (2, 5)


@pytest.mark.parametrize(
    ("alert", "limit"),
    [
        ("", Limit(DEFAULT_BY, 1, DEFAULT_LIMIT_NS)),
        ("alert: {message: x}", Limit(DEFAULT_BY, 1, DEFAULT_LIMIT_NS)),
        ("alert: {limit: none}", NO_LIMIT),
        ("alert: {limit: {count: 3}}", Limit(DEFAULT_BY, 3, DEFAULT_LIMIT_NS)),
        ("alert: {limit: {by: tcp.port, every: 1h}}", Limit(("tcp.port",), 1, 3600 * 10**9)),
        ("alert: {limit: {by: []}}", Limit((), 1, DEFAULT_LIMIT_NS)),
    ],
)
def test_limits_and_their_safe_default(alert: str, limit: Limit, tmp_path: Path) -> None:
    """A rule whose author did not think of floods alerts once in ten minutes for a pair of hosts."""
    assert loaded(tmp_path, rule(f"{DETECTION}\n{alert}")).rules[0].limit == limit


def test_a_correlation_without_a_limit_is_limited_by_its_groups(tmp_path: Path) -> None:
    for group, by in (("[ip.dst]", ("ip.dst",)), ("[]", DEFAULT_BY)):
        ruleset = loaded(tmp_path, correlation(f"{COUNT}, group-by: {group}"))
        assert ruleset.rules[1].limit.by == by


@pytest.mark.parametrize(
    ("body", "table"),
    [
        (DETECTION, "packet"),
        ("detection: {a: {modbus.func_code: 6}, condition: a}", "modbus"),
        ("detection: {a: {mbtcp.unit_id: 6}, condition: a}", "modbus"),
        ("detection: {a: 'ip and modbus.func_code == 6', condition: a}", "modbus"),
        ("protocol: modbus\ndetection: {a: {ip.ttl: 6}, condition: a}", "modbus"),
        ("protocol: modbus\ndetection: {a: {pdu.kind: malformed}, condition: a}", "modbus"),
        (DETECTION + '\nalert: {message: "{modbus.func_code}"}', "modbus"),
        ("detection: {a: {ip.ttl: 6}, condition: a}\nanomaly: {type: new_value, fields: [modbus.func_code]}", "modbus"),
    ],
)
def test_the_table_is_that_of_the_fields(body: str, table: str, tmp_path: Path) -> None:
    assert loaded(tmp_path, rule(body)).rules[0].table == table


def test_correlations(tmp_path: Path) -> None:
    text = correlation("type: value_count, rules: [base, writes], group-by: ip.src, timespan: 1m, condition: {field: ip.dst, gte: 5, lt: 9}",
                       base=BASE + "---\n" + MODBUS.replace("modbus.func_code: 6", "tcp.dstport: 502"))  # fmt: skip
    one = loaded(tmp_path, text).rules[2]
    assert one.correlation == Correlation(
        "value_count", (id_of(1), id_of(3)), ("ip.src",), 60 * 10**9, {"gte": 5, "lt": 9}, "ip.dst"
    )
    assert one.table == "packet" and one.fields == ("ip.src", "ip.dst") and one.test is None


@pytest.mark.parametrize("name", ["base", id_of(1)])
def test_bases_are_named_by_name_or_id_wherever_they_stand(name: str, tmp_path: Path) -> None:
    """In front of it, behind it, or in another file."""
    counting = rule("correlation: {" + COUNT.replace("base", f"'{name}'") + "}", 2)
    written(tmp_path, counting, "a.yml")
    written(tmp_path, BASE, "b.yml")
    for ruleset in (load_rules([tmp_path]), loaded(tmp_path, counting + "---\n" + BASE)):
        assert next(one for one in ruleset.rules if one.correlation).correlation.rules == (id_of(1),)  # type: ignore[union-attr]


def test_a_correlation_of_a_protocols_rows_has_their_fields(tmp_path: Path) -> None:
    counting = COUNT.replace("base", "writes").replace("gte: 2", "gte: 1") + ", group-by: [mbtcp.unit_id]"
    ruleset = loaded(tmp_path, correlation(counting, 'alert: {message: "{modbus.func_code}"}', MODBUS))
    assert [one.message for one in alerts(ruleset, WRITE) if one.rule.id == id_of(2)] == ["Write Single Register (6)"]


@pytest.mark.parametrize(
    ("inner", "rest", "said"),
    [
        (COUNT, 'alert: {message: "{modbus.func_code}"}', "modbus.func_code is a field of modbus, the rule tests rows of packet"),
        (COUNT, "alert: {limit: {by: [modbus.func_code]}}", "modbus.func_code is a field of modbus, the rule tests rows of packet"),
        (COUNT + ", group-by: [mbtcp.unit_id]", "", "mbtcp.unit_id is a field of modbus, the rule tests rows of packet"),
        (COUNT.replace("event", "value").replace("gte", "field: modbus.func_code, gte"), "", "modbus.func_code is a field of modbus, the rule tests rows of packet"),
        (COUNT + ", group-by: [pdu.kind]", "", "pdu.kind needs a protocol"),
        (COUNT, "protocol: modbus", "the rules it counts test rows of packet"),
        (COUNT, DETECTION, "a correlation has no detection of its own"),
        (COUNT.replace("[base]", "[bse]"), "", "no rule 'bse' to correlate"),
        (COUNT.replace("[base]", f"['{id_of(2)}']"), "", f"'{id_of(2)}' is a correlation itself"),
        (COUNT.replace("10s", "0s"), "", "timespan must be a duration, not '0s'"),
        (COUNT.replace("gte: 2", "gte: 100001"), "", "a count above 100000 would need too much memory for every group"),
        (COUNT.replace("gte: 2", "gte: 0"), "", "gte must be at least 1"),
        (COUNT.replace("gte: 2", "lt: 1"), "", "lt must be at least 2"),
        (COUNT.replace("gte: 2", "field: ip.dst, gte: 2"), "", "event_count counts events, not values"),
        (COUNT.replace("event", "value"), "", "value_count counts the values of a field"),
        (COUNT.replace("gte: 2", "above: 2"), "", "unknown key 'above' in condition"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_correlation(inner: str, rest: str, said: str, tmp_path: Path) -> None:
    """Each of these would be a traceback at the first packet, or a rule that never alerts."""
    errors = mistakes(tmp_path, correlation(inner, rest))
    assert said in [error.problem for error in errors]
    assert all(error.position is not None and error.position.line > 7 for error in errors), "in the second rule"


def test_new_values(tmp_path: Path) -> None:
    one = loaded(tmp_path, rule(f"{DETECTION}\nanomaly: {{type: new_value, fields: [ip.src, ip.dst], learn: 2h, max_values: 10}}")).rules[0]  # fmt: skip
    assert one.new_value == NewValue(("ip.src", "ip.dst"), 7200 * 10**9, 10)
    assert one.fields == ("tcp.flags.syn", "ip.src", "ip.dst")


def test_silent_rules_feed_correlations_only(tmp_path: Path) -> None:
    assert [one.silent for one in loaded(tmp_path, correlation(COUNT)).rules] == [True, False]
    assert alerts(loaded(tmp_path, BASE), SYN) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (rule(f"{DETECTION}\ngenerate: flase"), "5:11 generate cannot be 'flase'"),
        (rule(f"{DETECTION}\ngenerate: no"), "5:11 generate cannot be 'no'"),
        (rule(f"{DETECTION}\ndate: 2026-02-30"), "5:7 date is no day: '2026-02-30'"),
        (rule(f"{DETECTION}\ntags: [writes]"), "5:8 a tag has a namespace and a name, not 'writes'"),
        (rule(f"{DETECTION}\ntags: {{a: b}}"), "5:7 tags must be a text"),
        (rule(f"{DETECTION}\nstatus: ready"), "5:9 status cannot be 'ready'"),
        (rule(f"{DETECTION}\nprotocol: modbuss"), "5:11 protocol cannot be 'modbuss'"),
        (rule(f"{DETECTION}\nlicence: BSD"), "5:1 unknown key 'licence' in a rule"),
        (rule("detection: {a: {ip.ttl: 1}}"), "4:13 detection has no 'condition'"),
        (rule("detection: {condition: a}"), "4:24 no selection 'a'"),
        (rule("detection: {a: {ip.ttl: 1}, b: {ip.ttl: 2}, condition: a}"), "4:29 selection 'b' is never used"),
        (rule("detection: {a: {ip.ttl: 1}, condition: [a]}"), "4:40 condition must be a text"),
        (rule("status: test"), "1:1 the rule has neither detection nor correlation"),
        (rule("detection: {a: {pdu.kind: request}, condition: a}"), "4:17 pdu.kind needs a protocol"),
        (rule("protocol: packet\ndetection: {a: {modbus.func_code: 6}, condition: a}"), "5:17 modbus.func_code is a field of modbus, the rule tests rows of packet"),
        (rule(f"{DETECTION}\nalert: {{message: '{{ip.scr}}'}}"), "5:20 unknown field 'ip.scr'"),
        (rule(f"{DETECTION}\nalert: {{message: 'a {{'}}"), "5:21 a lone { in the message"),
        (rule(f"{DETECTION}\nalert: {{message: '{{}}'}}"), "5:20 unknown field ''"),
        (rule(f"{DETECTION}\nalert: {{limit: {{count: 0}}}}"), "5:24 count must be at least 1"),
        (rule(f"{DETECTION}\nalert: {{limit: {{count: {'9' * 30}, every: {'9' * 30}d}}}}"), "5:24 count must be at most 1000000000"),
        (rule(f"{DETECTION}\nalert: {{limit: never}}"), "5:16 limit must be a mapping"),
        (rule(f"{DETECTION}\nanomaly: {{type: new_value, fields: [ip.scr]}}"), "5:37 unknown field 'ip.scr'") ,
        (rule(f"{DETECTION}\nanomaly: {{type: new_value, fields: [ip.src], max_values: 10000001}}"), "5:58 max_values above 10000000 would need too much memory"),
        (rule(f"{DETECTION}\ntests: {{alerts: 1}}"), "5:8 tests must be a list"),
        (rule(f"{DETECTION}\ntests: [{{packets: [IP()]}}]"), "5:10 a test has no 'alerts'"),
        (rule(f"{DETECTION}\ntests: [{{alerts: 1}}]"), "5:9 a test has either packets or a capture"),
        (rule(f'{DETECTION}\ntests: [{{capture: "a\\0b", alerts: 1}}]'), "5:19 no such capture"),
        (rule(f"{DETECTION}\ntests: [{{capture: nowhere.pcap, alerts: 1}}]"), "5:19 no such capture"),
        ("title: a\nid: x\nlevel: low\n" + DETECTION, "2:5 id must be a UUID, not 'x'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_rule_and_where(text: str, said: str, tmp_path: Path) -> None:
    assert said in places(mistakes(tmp_path, text))


def test_every_mistake_of_every_file_is_told_in_the_order_of_the_files(tmp_path: Path) -> None:
    """One at a time would be a mistake a run."""
    written(tmp_path, rule("detection: {a: {ip.scr: 1}, condition: b}\nstatus: x"), "b.yml")
    written(tmp_path, "title: [", "a.yml")
    with pytest.raises(InputErrors) as refused:
        load_rules([tmp_path, tmp_path / "none.yml"])
    found = [(str(error.position or "none"), error.problem[:14]) for error in refused.value.errors]
    a, b = tmp_path / "a.yml", tmp_path / "b.yml"
    assert found == [
        ("none", f"{tmp_path}/none.yml: no such"[:14]),
        (f"{a}:1:9", "not YAML: did "),
        (f"{b}:4:17", "unknown field "),
        (f"{b}:4:40", "no selection '"),
        (f"{b}:5:9", "status cannot "),
    ]


@pytest.mark.parametrize(("key", "first", "second"), [("id", "x", "x"), ("name", "name: one", "name: one")])
def test_ids_and_names_are_unique_over_files(key: str, first: str, second: str, tmp_path: Path) -> None:
    numbers = (1, 1) if key == "id" else (1, 2)
    for name, number, line in zip("ab", numbers, (first, second), strict=True):
        written(tmp_path, rule(f"{line if key == 'name' else 'status: test'}\n{DETECTION}", number), f"{name}.yml")
    with pytest.raises(InputErrors) as refused:
        load_rules([tmp_path])
    (error,) = refused.value.errors
    assert str(tmp_path / "a.yml") in error.problem and error.position and error.position.path.endswith("b.yml")


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    """--rules rules rules/modbus: not a hundred duplicate ids."""
    path = written(tmp_path, selecting("{ip.ttl: 1}"))
    assert len(load_rules([path, tmp_path, path, tmp_path / ".." / tmp_path.name]).rules) == 1


def test_rules_are_in_the_order_of_their_paths(tmp_path: Path) -> None:
    """Alerts of one packet are in the order of the rules, on every machine."""
    (tmp_path / "z").mkdir()
    names = ["b.yml", "a.yaml", "z/a.yml", "c.yml"]
    random.Random(1).shuffle(names)
    for number, name in enumerate(names, 1):
        written(tmp_path, rule(DETECTION, number, name), name)
    written(tmp_path, "not a rule", "README.md")
    written(tmp_path, "MASTERS: 10.0.0.1", "variables.yml")
    assert [one.title for one in load_rules([tmp_path]).rules] == ["a.yaml", "b.yml", "c.yml", "z/a.yml"]


def test_paths_that_hold_no_rules_have_a_hint(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for path, said in ((tmp_path / "empty", "no rule in this folder"), (tmp_path / "none", "no such file")):
        with pytest.raises(InputErrors, match=said) as refused:
            load_rules([path])
        assert all(error.hint for error in refused.value.errors)


def test_a_rules_own_tests(tmp_path: Path) -> None:
    written(tmp_path, b"", "a.pcap")
    text = rule(
        f"{DETECTION}\ntests:\n  - {{packets: IP(), alerts: 1, variables: {{PORTS: [80, 443], X: 1}}}}\n"
        "  - {capture: a.pcap, alerts: 0}"
    )
    first, second = loaded(tmp_path, text).rules[0].tests
    assert [one for one, _ in first.packets] == ["IP()"] and first.alerts == 1
    assert first.variables == {"PORTS": "80,443", "X": "1"}
    assert second.capture == str(tmp_path / "a.pcap") and (second.position.line, second.position.column) == (7, 5)
