"""`detector config`: every mistake with its place, what this machine lacks, all settings without secrets, a schema."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.cli.command import Done, detector, inside, refused
from tests.live.network import require_root
from tests.runs import HOME_NET, VARIABLES
from tests.service.writes import write_rule


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "captures").mkdir()
        yield Path(name)


def configured(home: Path, **changes: Any) -> Path:
    """A configuration with which a daemon would run, save what is changed."""
    path = home / "detector.yml"
    path.write_text(yaml.safe_dump({
        "sources": [{"folder": {"path": "captures"}}], "rules": [str(write_rule(home))], "home_net": HOME_NET, "variables": VARIABLES,
        "alerts": [{"jsonl": {"path": "alerts.jsonl"}}], "state": "state", "control": "run/control.sock",
    } | changes, sort_keys=False))  # fmt: skip
    return path


def checked(home: Path, **changes: Any) -> Done:
    return inside("config", "check", "--config", configured(home, **changes))


def errors(done: Done) -> list[str]:
    """The lines that name what is missing."""
    assert done.code == 1 and done.err == "", done
    return [line.removeprefix("  error: ") for line in done.out.splitlines() if line.startswith("  error: ")]


def test_a_configuration_that_is_fine(home: Path) -> None:
    """Nothing is made, not even the folders that the daemon would make."""
    if os.getuid() == 0:
        shutil.chown(home, "nobody")
        path = configured(home, run_as={"user": "65534"})
    else:
        path = configured(home)
    done = inside("config", "check", "--config", path)
    assert done == Done(0, f"{path}: fine; 1 rule active, 0 inactive\n", "", done.seconds)
    assert sorted(path.name for path in home.iterdir()) == ["captures", "detector.yml", "every-write.yml"]


def test_mistakes_have_their_places(home: Path) -> None:
    path = configured(home)
    path.write_text(path.read_text() + "worker: 2\n")
    done = detector("config", "check", "--config", path)
    last = len(path.read_text().splitlines())
    assert done.code == 2 and done.out == ""
    assert done.err.splitlines() == [
        f"{path}:{last}:1: unknown key 'worker' in the configuration",
        f"{last:>6} | worker: 2",
        "       | ^^^^^^",
        "hint: did you mean workers?",
    ]


def test_mistakes_in_rules_are_found(home: Path) -> None:
    path = configured(home)
    write_rule(home).write_text(write_rule(home).read_text().replace("modbus.func_code", "modbus.funccode"))
    done = inside("config", "check", "--config", path)
    assert done.code == 2 and "every-write.yml:7:11: unknown field 'modbus.funccode'" in done.err


# what a configuration names -> what this machine is said to lack
LACKING = {
    "an interface": ({"sources": [{"interface": {"name": "nosuch0"}}]}, "sources: there is no network interface 'nosuch0' (hint: "),
    "a filter": (
        {"sources": [{"interface": {"name": "lo", "filter": "prot 5"}}]},
        "sources, lo: filter 'prot 5': ",
    ),
    "a watched folder": ({"sources": [{"folder": {"path": "nowhere"}}]}, "sources, nowhere: {home}/nowhere: no such folder"),
    "a file of known traffic": ({"learn_from": "good.pcap"}, "learn_from: {home}/good.pcap: no such file or folder"),
    "a file's folder": ({"alerts": [{"jsonl": {"path": "gone/a.jsonl"}}]}, "alerts, jsonl: {home}/gone: no such folder (hint: make it first)"),
    "a certificate authority": (
        {"alerts": [{"elasticsearch": {"hosts": "https://es.example", "ca": "ca.pem"}}]},
        "alerts, elasticsearch: {home}/ca.pem: cannot be used as ca: No such file or directory (hint: ",
    ),
    "a certificate": (
        {"alerts": [{"syslog": {"server": "es.example:6514", "certificate": "detector.yml"}}]},
        "alerts, syslog: {home}/detector.yml: cannot be used as certificate: ",
    ),
    "a certificate of its own": (
        {"metrics": {"certificate": "a.crt", "key": "a.key"}},
        "metrics: {home}/a.crt with {home}/a.key cannot be used: No such file or directory (hint: ",
    ),
    "an address": ({"metrics": {"listen": "192.0.2.1:9108"}}, "metrics.listen: 192.0.2.1:0 cannot be used: "),
    "a user": ({"run_as": {"user": "nosuch"}}, "run_as: there is no user 'nosuch' (hint: useradd "),
    "a folder of state": ({"state": "detector.yml/state"}, "state: {home}/detector.yml is no folder"),
    "a path that a socket can have": ({"control": "x" * 120}, "control: the path is longer than 107 bytes: "),
}  # fmt: skip


@pytest.mark.parametrize("what", LACKING)
def test_what_this_machine_lacks_is_named(what: str, home: Path) -> None:
    changes, said = LACKING[what]
    done = checked(home, **changes)
    assert done.out.startswith(f"{home}/detector.yml: is well written, but a daemon could not run with it here")
    (line,) = errors(done)
    assert line.startswith(said.replace("{home}", str(home))), line


def test_files_are_judged_as_the_user_that_the_daemon_becomes(home: Path) -> None:
    """Root may read everything; the daemon, once it is another user, may not: not at a reload, not in its sinks."""
    require_root()
    (home / "key").write_text("aWQ6a2V5\n")
    (home / "key").chmod(0o600)
    (home / "state").mkdir()
    alerts = [{"elasticsearch": {"hosts": "http://127.0.0.1:9", "api_key": {"file": "key"}}}]
    (home / "captures").chmod(0o755)
    sources = [{"folder": {"path": "captures", "finished": "delete"}}]
    said = errors(checked(home, alerts=alerts, run_as={"user": "nobody"}, sources=sources))
    assert said == [
        f"alerts, elasticsearch, api_key: {home}/key: user nobody may not read it",
        f"sources, captures: {home}/captures: user nobody may not take files away, as `finished: delete` wants",
        f"alerts, elasticsearch: {home}/key: cannot be used as secret: Permission denied",
        f"state: user nobody may not write in {home}/state (hint: install -d -o nobody -m 0750 {home}/state)",
        f"control: user nobody may not make {home}/run, write in {home} (hint: install -d -o nobody -m 0750 {home}/run)",
    ]
    assert os.geteuid() == 0


def test_what_is_worth_a_second_look(home: Path) -> None:
    done = checked(home, alerts=[], variables={}, rules=[], sources=[{"interface": {"name": "later0", "wait": True}}])
    assert done.code == 0
    for text in ("alerts go nowhere", "interface later0 is not there: the daemon waits for it",
                 "inactive, $MODBUS_MASTERS is not set: Modbus write from unknown master"):  # fmt: skip
        assert f"\n  - {text}" in done.out


def test_show_tells_everything_but_secrets(home: Path) -> None:
    (home / "key").write_text("s3cret\n")
    path = configured(home, alerts=[{"elasticsearch": {"hosts": "http://es.example", "api_key": {"file": "key"}}}])
    done = inside("config", "show", "--config", path)
    shown = yaml.safe_load(done.out)
    assert done.code == 0 and "s3cret" not in done.out
    assert shown["alerts"][0]["elasticsearch"]["api_key"] == f"<secret from file {home}/key>"
    assert shown["checkpoint"] == "30s" and shown["spool"]["size"] == "1GB" and shown["state"] == f"{home}/state"


def test_the_schema_fits_configurations(home: Path) -> None:
    schema = json.loads(inside("config", "schema").out)
    check = jsonschema.Draft202012Validator(schema)
    check.check_schema(schema)
    assert not list(check.iter_errors(yaml.safe_load(configured(home).read_text())))
    assert list(check.iter_errors({"sources": [], "worker": 2}))


def test_a_file_that_is_not_there(home: Path) -> None:
    said = refused(detector("config", "check", "--config", home / "none.yml"))
    assert said == f"{home}/none.yml: cannot be read: No such file or directory (hint: --config names it; docs/detector.yml is one to begin with)"  # fmt: skip
