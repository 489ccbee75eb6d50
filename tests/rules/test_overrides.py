"""overrides.yml: what a site changes of shipped rules, until when, and what it must not change in silence."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from detector.errors import InputError, InputErrors
from detector.rules.loader import load_rules
from detector.rules.model import Limit, Ruleset
from tests.rules.written import SYN, WRITE, alerts, id_of, places, rule, selecting, written

TODAY = date(2026, 11, 24)
FROM_1 = 'IP(src="10.0.0.1", dst="10.0.0.2")/TCP(dport={}, flags="S")'
FROM_9 = 'IP(src="10.0.0.9", dst="10.0.0.2")/TCP(dport={}, flags="S")'
BASE = rule("name: base\ngenerate: false\ndetection: {a: {tcp.flags.syn: true}, condition: a}")
SCAN = rule(
    "correlation: {type: event_count, rules: [base], group-by: [ip.dst], timespan: 10s, condition: {gte: 3}}\n"
    "alert: {limit: none}", 2, "A scan",
)  # fmt: skip


def entry(changes: str, number: int = 1, until: str = "2026-12-31") -> str:
    return f"- {{rule: {id_of(number)}, reason: known, until: {until}, {changes}}}\n"


def changed(folder: Path, rules: str, overrides: str, **options: Any) -> Ruleset:
    """The rules of a folder with an overrides.yml in it."""
    written(folder, rules)
    written(folder, overrides, "overrides.yml")
    return load_rules([folder], today=options.pop("today", TODAY), **options)


def refused(folder: Path, rules: str, overrides: str, **options: Any) -> list[InputError]:
    with pytest.raises(InputErrors) as found:
        changed(folder, rules, overrides, **options)
    assert all(error.position and error.hint for error in found.value.errors)
    return found.value.errors


def test_a_rule_is_disabled_and_listed_with_the_reason(tmp_path: Path) -> None:
    ruleset = changed(tmp_path, selecting("{tcp.flags.syn: true}"), entry("disable: true"))
    assert [one.inactive for one in ruleset.rules] == ["disabled until 2026-12-31: known"]
    assert ruleset.active == ()


@pytest.mark.parametrize(
    ("until", "is_in_force"), [("2026-11-23", False), ("2026-11-24", True), ("2026-11-25", True), ("2020-01-01", False)]
)
def test_an_override_ends_after_its_last_day(until: str, is_in_force: bool, tmp_path: Path) -> None:
    """An exception that nobody remembers is a hole that nobody knows; its end is told."""
    ruleset = changed(tmp_path, selecting("{tcp.flags.syn: true}"), entry("level: critical", until=until))
    assert ruleset.rules[0].level == ("critical" if is_in_force else "low")
    assert [text.split(": ", 1)[1] for text in ruleset.warnings] == (
        [] if is_in_force else [f"this override ended on {until}: known"]
    )


def test_without_a_today_nothing_has_ended(tmp_path: Path) -> None:
    """`detector test` gives the same result next year."""
    ruleset = changed(
        tmp_path, selecting("{tcp.flags.syn: true}"), entry("level: high", until="2020-01-01"), today=None
    )
    assert ruleset.rules[0].level == "high"


def test_an_exception_leaves_the_rest(tmp_path: Path) -> None:
    ruleset = changed(tmp_path, selecting("{tcp.flags.syn: true}"), entry("except: 'ip.src == 10.0.0.9'"))
    assert [one.source for one in alerts(ruleset, FROM_1.format(80), FROM_9.format(80))] == ["10.0.0.1"]


@pytest.mark.parametrize(
    "exception",
    ["'ip.src == 10.0.0.9'", "{ip.src: 10.0.0.9}", "[{ip.src: 10.0.0.9}, {tcp.dstport: 1}]", "{ip.src: $SCANNERS}"],
)
def test_an_exception_is_a_selection_or_a_filter(exception: str, tmp_path: Path) -> None:
    ruleset = changed(
        tmp_path, selecting("{tcp.flags.syn: true}"), entry(f"except: {exception}"), variables={"SCANNERS": "10.0.0.9"}
    )
    assert len(alerts(ruleset, FROM_1.format(80), FROM_9.format(80))) == 1


def test_several_exceptions_of_one_rule_add_up(tmp_path: Path) -> None:
    both = entry("except: 'ip.src == 10.0.0.9'") + entry("except: 'tcp.dstport == 22'")
    ruleset = changed(tmp_path, selecting("{tcp.flags.syn: true}"), both)
    assert len(alerts(ruleset, FROM_1.format(80), FROM_1.format(22), FROM_9.format(80))) == 1


def test_what_a_correlation_excepts_is_not_counted(tmp_path: Path) -> None:
    """The site's own vulnerability scanner: three SYNs of 10.0.0.9 are no scan, three of anybody are."""
    scans = [FROM_9.format(port) for port in (1, 2, 3)] + [FROM_1.format(port) for port in (4, 5)]
    assert len(alerts(load_rules([written(tmp_path, BASE + "---\n" + SCAN)]), *scans)) == 3
    ruleset = changed(tmp_path, BASE + "---\n" + SCAN, entry("except: 'ip.src == 10.0.0.9'", 2))
    assert len(alerts(ruleset, *scans)) == 0
    assert len(alerts(ruleset, *scans, FROM_1.format(6))) == 1


def test_a_correlation_whose_base_is_disabled_is_listed_as_inactive(tmp_path: Path) -> None:
    """It could never alert again, and nobody would know."""
    ruleset = changed(tmp_path, BASE + "---\n" + SCAN, entry("disable: true"))
    assert [one.inactive for one in ruleset.rules] == ["disabled until 2026-12-31: known"] * 2


def test_a_limit_takes_the_place_of_the_rules_own(tmp_path: Path) -> None:
    text = rule("detection: {a: {tcp.flags.syn: true}, condition: a}\nalert: {limit: none}")
    ruleset = changed(tmp_path, text, entry("limit: {by: [ip.src], count: 2, every: 1h}"))
    assert ruleset.rules[0].limit == Limit(("ip.src",), 2, 3600 * 10**9)
    assert len(alerts(ruleset, *[SYN] * 5)) == 2


@pytest.mark.parametrize("spelt", [id_of(10).upper(), id_of(10).replace("-", ""), f"urn:uuid:{id_of(10)}"])
def test_an_id_may_be_written_in_any_way_uuids_are(spelt: str, tmp_path: Path) -> None:
    text = selecting("{tcp.flags.syn: true}").replace(id_of(1), id_of(10))
    ruleset = changed(tmp_path, text, f"- {{rule: '{spelt}', reason: known, until: 2026-12-31, level: high}}")
    assert ruleset.rules[0].level == "high"


def test_an_exception_whose_variable_is_not_set_excepts_nothing_and_says_so(tmp_path: Path) -> None:
    """Its rule runs on: too many alerts are seen, too few are not."""
    ruleset = changed(tmp_path, selecting("{tcp.flags.syn: true}"), entry("except: {ip.src: [$OURS, 10.0.0.1]}"))
    assert len(ruleset.warnings) == 1 and "$OURS is not set: known" in ruleset.warnings[0]
    assert len(alerts(ruleset, SYN)) == 1


@pytest.mark.parametrize("content", ["", "# none yet\n", "[]\n", "---\n"])
def test_an_empty_file_changes_nothing(content: str, tmp_path: Path) -> None:
    ruleset = changed(tmp_path, selecting("{tcp.flags.syn: true}"), content)
    assert ruleset.warnings == () and len(ruleset.active) == 1


HEAD = f"rule: {id_of(1)}, reason: known, until: 2026-12-31"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        (f"- {{rule: {id_of(1)}, until: 2026-12-31, disable: true}}", "1:4 an override has no 'reason'", "reason: ..."),
        (f"- {{rule: {id_of(1)}, reason: known, disable: true}}", "1:4 an override has no 'until'", "until: ..."),
        ("- {reason: known, until: 2026-12-31, disable: true}", "1:4 an override has no 'rule'", "rule: ..."),
        (f"- {{rule: {id_of(1)}, reason: ' ', until: 2026-12-31, disable: true}}", "1:56 reason is empty", "some words"),
        (f"- {{rule: {id_of(1)}, reason: known, until: never, disable: true}}", "1:70 until must be a date", "2026-12-31"),
        (f"- {{rule: {id_of(1)}, reason: known, until: 2026-02-30, disable: true}}", "1:70 until must be a date", "2026-12-31"),
        (f"- {{rule: {id_of(1)}, reason: known, until: , disable: true}}", "1:70 until must be a text", "some words"),
        (f"- {{{HEAD}}}", "1:3 the override changes nothing", "disable, level, except, limit"),
        (f"- {{{HEAD}, disabled: true}}", "1:82 unknown key 'disabled' in an override", "did you mean disable?"),
        (f"- {{{HEAD}, disable: yes}}", "1:91 disable cannot be 'yes'", "one of true, false"),
        (f"- {{{HEAD}, level: severe}}", "1:89 level cannot be 'severe'", "one of informational"),
        (f"- {{{HEAD}, except: 'ip.srcc == 10.0.0.1'}}", "1:91 unknown field 'ip.srcc'", "did you mean ip.src?"),
        (f"- {{{HEAD}, except: 'modbus.func_code == 6'}}", "1:90 modbus.func_code is a field of modbus, the rule tests rows of packet", ""),
        (f"- {{{HEAD}, limit: {{by: [ip.srcc], count: 1, every: 1h}}}}", "1:95 unknown field 'ip.srcc'", "did you mean ip.src?"),
        (f"- {{{HEAD}, limit: {{by: [zzzz], count: 1, every: 1h}}}}", "1:95 unknown field 'zzzz'", "detector fields"),
        (f"- {{{HEAD}, limit: {{by: [modbus.func_code], count: 1, every: 1h}}}}", "1:95 modbus.func_code is a field of modbus, the rule tests rows of packet", ""),
        (f"- {{{HEAD}, limit: {{by: [ip.src], count: 0, every: 1h}}}}", "1:111 count must be at least 1", ""),
        (f"- {{{HEAD}, limit: {{by: [ip.src], count: 1}}}}", "1:90 limit has no 'every'", "every: ..."),
        ("- {rule: 00000000-0000-0000-0000-000000000002, reason: known, until: 2026-12-31, disable: true}",
         "1:10 no rule has the id '00000000-0000-0000-0000-000000000002'", f"did you mean {id_of(1)}?"),
        ("- {rule: a scan, reason: known, until: 2026-12-31, disable: true}", "1:10 no rule has the id 'a scan'", "rules' files"),
        ("- a text", "1:3 an override must be a mapping", "key: value"),
        ("a text", "1:1 an override must be a mapping", "key: value"),
        ("- {a: b", "1:3 not YAML: did not find expected ',' or '}' while parsing a flow mapping", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_override_and_where(text: str, said: str, hint: str, tmp_path: Path) -> None:
    errors = refused(tmp_path, selecting("{tcp.flags.syn: true}"), text)
    assert said in places(errors)
    assert hint in next(error.hint for error in errors if said.endswith(error.problem))
    assert all(error.position is not None and error.position.path.endswith("overrides.yml") for error in errors)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("level: high", "level: low"),
        ("disable: true", "disable: true"),
        ("limit: {by: [ip.src], count: 1, every: 1h}", "limit: {by: [ip.dst], count: 1, every: 1h}"),
    ],
)
def test_two_overrides_that_contradict_each_other_are_a_mistake(first: str, second: str, tmp_path: Path) -> None:
    """The last would win in silence; the error names both places. What has ended contradicts nothing."""
    text = selecting("{tcp.flags.syn: true}")
    errors = refused(tmp_path, text, entry(first) + entry(second))
    assert len(errors) == 1 and errors[0].position is not None and errors[0].position.line == 2
    assert f"{tmp_path / 'overrides.yml'}:1:3" in errors[0].problem
    changed(tmp_path, text, entry(first, until="2020-01-01") + entry(second))


def test_a_field_of_the_rules_own_table_may_be_excepted(tmp_path: Path) -> None:
    text = selecting("{modbus.func_code: 6}", "protocol: modbus")
    ruleset = changed(tmp_path, text, entry("except: {mbtcp.unit_id: 255, ip.src: 10.0.0.1}"))
    assert len(alerts(ruleset, WRITE)) == 0


def test_files_given_beside_the_folders(tmp_path: Path) -> None:
    """--overrides FILE; a file that is also found in a folder is read once."""
    rules = written(tmp_path, selecting("{tcp.flags.syn: true}"))
    other = written(tmp_path, entry("level: high"), "site.yaml.txt")
    assert load_rules([rules], overrides=[other]).rules[0].level == "high"
    inside = written(tmp_path, entry("level: high"), "overrides.yml")
    assert load_rules([tmp_path], overrides=[inside]).rules[0].level == "high"
    with pytest.raises(InputErrors, match="cannot be read"):
        load_rules([rules], overrides=[tmp_path / "none.yml"])
