"""What a reload looks at: the difference of two sets of rules, files that have changed, rules that fail when they are tried."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import yaml

from detector.capture.batch import batch_of
from detector.pipeline import Pipeline
from detector.rules.loader import load_rules
from detector.rules.model import Ruleset
from detector.service.config import Config, read_config
from detector.service.reload import MOST_NAMED, Outcome, Reloader, RulesDiff, difference, fingerprint, rules_of
from detector.shipped import rules_folder
from tests.service.running import until
from tests.service.writes import RULE, writes

OTHER = (
    RULE.replace("8d1b7a54", "8d1b7a55").replace("Every write", "Every read").replace("func_code: 6", "func_code: 3")
)
TO_REGISTERS = RULE.replace("func_code: 6", "reference_num: $REGISTERS")


def rules(folder: Path, *texts: str, **variables: str) -> Ruleset:
    """The rules of files, each written into a folder of its own."""
    place = folder / str(len(list(folder.iterdir())))
    place.mkdir()
    for number, text in enumerate(texts):
        (place / f"{number}.yml").write_text(text)
    return load_rules([place], variables=variables)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([RULE], [RULE], {}),
        ([RULE], [RULE, OTHER], {"added": ["Every read"]}),
        ([RULE, OTHER], [OTHER], {"removed": ["Every write"]}),
        ([RULE], [RULE.replace("level: high", "level: low")], {"changed": ["Every write"]}),
        ([RULE], [RULE.replace("func_code: 6", "func_code: 5")], {"changed": ["Every write"]}),
        ([RULE], [RULE.replace("limit: none", "limit: {by: [ip.src], count: 1, every: 1m}")], {"changed": ["Every write"]}),
        ([RULE], ["# a comment\n" + RULE], {}),
        ([RULE, OTHER], [OTHER, RULE], {}),
        ([OTHER], [OTHER, TO_REGISTERS], {"added": ["Every write"], "inactive": ["Every write ($REGISTERS is not set)"]}),
    ],
)  # fmt: skip
def test_the_difference_of_two_sets_of_rules(before: list[str], after: list[str], expected: dict[str, list[str]], tmp_path: Path) -> None:  # fmt: skip
    """By id and by meaning: comments and places in files change nothing."""
    found = difference(rules(tmp_path, *before), rules(tmp_path, *after))
    assert {what: titles for what, titles in asdict(found).items() if titles} == expected
    assert bool(found) == bool(set(expected) - {"inactive"})


def test_a_variable_changes_the_rules_that_use_it(tmp_path: Path) -> None:
    one = rules(tmp_path, TO_REGISTERS, OTHER, REGISTERS="1,2")
    assert difference(one, rules(tmp_path, TO_REGISTERS, OTHER, REGISTERS="1,3")).changed == ["Every write"]
    assert difference(one, rules(tmp_path, TO_REGISTERS, OTHER, REGISTERS="1,2", UNUSED="5")).changed == []


def test_a_long_difference_is_said_in_short() -> None:
    assert str(RulesDiff()) == "no rule has changed"
    assert str(RulesDiff(added=["a"], inactive=["b (why)"])) == "1 added: a; 1 inactive: b (why)"
    said = str(RulesDiff(removed=[f"r{n}" for n in range(MOST_NAMED + 5)]))
    assert said.startswith("25 removed: r0, r1") and said.endswith("r19 and 5 more")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Rules in a folder, overrides and a list in files."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yml").write_text(RULE)
    (tmp_path / "masters.txt").write_text("10.0.0.10\n")
    (tmp_path / "overrides.yml").write_text("{}\n")
    (tmp_path / "suricata.yaml").write_text("threshold-file: threshold.config\n")
    (tmp_path / "threshold.config").write_text("# none\n")
    path = tmp_path / "detector.yml"
    path.write_text(yaml.safe_dump({"sources": [{"folder": {"path": "."}}], "rules": ["rules"], "overrides": ["overrides.yml"], "suricata_yaml": "suricata.yaml",
                                    "variables": {"MASTERS": ["10.0.0.1", "@masters.txt"]}}))  # fmt: skip
    return read_config(path)


@pytest.mark.parametrize("changed", ["detector.yml", "masters.txt", "overrides.yml", "rules/a.yml", "rules/new.yml",
                                     "suricata.yaml", "threshold.config"])  # fmt: skip
def test_every_file_that_rules_are_made_of_is_watched(changed: str, config: Config, tmp_path: Path) -> None:
    before = fingerprint(tmp_path / "detector.yml", config)
    assert fingerprint(tmp_path / "detector.yml", config) == before
    aside = tmp_path / "aside"
    aside.write_text((tmp_path / changed).read_text() if (tmp_path / changed).exists() else "{}")
    os.utime(aside, ns=(1, 1))
    aside.rename(tmp_path / changed)  # as editors do: another file of the same name
    assert fingerprint(tmp_path / "detector.yml", config) != before


def test_a_reload_says_which_suricata_rules_were_refused(config: Config, tmp_path: Path) -> None:
    (tmp_path / "overrides.yml").write_text("[]\n")
    before = rules_of(config)
    (tmp_path / "rules" / "b.rules").write_text('alert tcp any any -> any any (content:"abc"; http.uri; sid:1;)\n')
    assert str(difference(before, rules_of(config))) == "refused 1 of 1 Suricata rules: http.uri 1"


def test_a_file_that_has_gone_is_a_change_and_no_failure(config: Config, tmp_path: Path) -> None:
    before = fingerprint(tmp_path / "detector.yml", config)
    (tmp_path / "masters.txt").unlink()
    (tmp_path / "rules" / "a.yml").unlink()
    assert len(fingerprint(tmp_path / "detector.yml", config)) == len(before) - 2


def test_shipped_rules_run_where_none_are_named(tmp_path: Path) -> None:
    (tmp_path / "detector.yml").write_text("sources: [{folder: {path: .}}]\n")
    config = read_config(tmp_path / "detector.yml")
    assert len(rules_of(config).rules) > 20
    assert any(path.startswith(str(rules_folder())) for path in fingerprint(tmp_path / "detector.yml", config))


class Watched:
    """A Reloader of the rules of a configuration, and what the loop would do with it."""

    def __init__(self, path: Path) -> None:
        config = read_config(path)
        ruleset = rules_of(config)
        self.pipeline = Pipeline(ruleset)
        self.reloader = Reloader(path, config, ruleset, self.pipeline.prepare, time.time)
        self.reloader.start()

    def swap(self) -> None:
        """Takes what waits."""
        waiting = self.reloader.take()
        assert waiting is not None
        self.pipeline.exchange_rules(waiting.prepared)
        self.reloader.done(waiting, Outcome("ok", str(waiting.diff), waiting.diff))


@pytest.fixture
def watched(config: Config, tmp_path: Path) -> Iterator[Watched]:
    (tmp_path / "overrides.yml").write_text("# none yet\n")
    made = Watched(tmp_path / "detector.yml")
    yield made
    made.reloader.close()


def test_a_reload_back_to_what_runs_calls_off_the_one_that_waits(watched: Watched, tmp_path: Path) -> None:
    """The loop is busy; meanwhile rules are changed and changed back: it must not take the ones between."""
    rule = tmp_path / "rules" / "a.yml"
    rule.write_text(RULE.replace("Every write", "Any write"))
    first = watched.reloader.request("changed")
    until(lambda: watched.reloader._waiting is not None, 10, "rules to wait")
    rule.write_text(RULE)
    assert watched.reloader.request("changed back").result(10).result == "unchanged"
    assert first.result(10).message == "a later reload took its place"
    assert watched.reloader.take() is None


def test_a_reload_while_rules_are_swapped_is_compared_with_what_runs_then(watched: Watched, tmp_path: Path) -> None:
    rule = tmp_path / "rules" / "a.yml"
    rule.write_text(RULE.replace("Every write", "Any write"))
    watched.reloader.request("changed")
    until(lambda: watched.reloader._waiting is not None, 10, "rules to wait")
    taken = watched.reloader.take()
    assert taken is not None
    rule.write_text(RULE)
    second = watched.reloader.request("changed back")
    with pytest.raises(TimeoutError):
        second.result(1)
    watched.reloader.done(taken, Outcome("ok", "", taken.diff))
    until(lambda: watched.reloader._waiting is not None, 10, "rules to wait")
    watched.swap()
    assert second.result(10).result == "ok"


def test_files_of_the_new_configuration_are_watched(watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """Once they are named, whether or not they change a rule; and a change is one reload, not one every two seconds."""
    monkeypatch.setattr("detector.service.reload.WATCH_SECONDS", 0.1)
    path = tmp_path / "detector.yml"
    (tmp_path / "more.yml").write_text("# none yet\n")
    path.write_text(path.read_text().replace("- overrides.yml", "- overrides.yml\n- more.yml"))
    assert watched.reloader.request("asked for").result(10).result == "unchanged"
    time.sleep(1)
    assert watched.reloader.counts.total() == 1
    (tmp_path / "rules" / "b.yml").write_text(OTHER.replace("modbus.func_code", "modbus.funccode"))
    until(lambda: watched.reloader.counts["failed"] == 1, 10, "the new file to be noticed")
    (tmp_path / "rules" / "b.yml").write_text(OTHER)
    until(lambda: watched.reloader._waiting is not None, 10, "the corrected one to be noticed")
    watched.swap()
    assert {rule.title for rule in watched.pipeline.ruleset.rules} == {"Every write", "Every read"}


def test_rules_that_are_prepared_take_over_the_state_of_those_that_run(watched: Watched, tmp_path: Path) -> None:
    """Also where others were swapped in between: what was kept is asked anew."""
    limited = RULE.replace("limit: none", "limit: {by: [ip.src], count: 1, every: 1h}")
    (tmp_path / "rules" / "a.yml").write_text(limited)
    prepared = watched.pipeline.prepare(rules_of(read_config(tmp_path / "detector.yml")))
    watched.pipeline.exchange_rules(rules_of(read_config(tmp_path / "detector.yml")))
    packets = writes(20)
    batch = batch_of([data for _, data in packets[:10]], [time_ns for time_ns, _ in packets[:10]])
    assert len(watched.pipeline.feed(batch)) == 1
    assert len(watched.pipeline.exchange_rules(prepared)) == 1
    batch = batch_of([data for _, data in packets[10:]], [time_ns for time_ns, _ in packets[10:]])
    assert watched.pipeline.feed(batch) == []
