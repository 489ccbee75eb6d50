"""`detector test-alert`: arrived, with its id, or what is in the way. A real daemon with files, and one without anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import detector, inside, refused
from tests.servers.ports import free_ports
from tests.service.daemons import daemon, fresh_status
from tests.service.running import RunningDaemon, lines_of
from tests.service.writes import write_rule


def running(folder: Path, alerts: list[dict[str, object]]) -> RunningDaemon:
    (folder / "watched").mkdir()
    return RunningDaemon(folder, {
        "rules": [str(write_rule(folder))], "sources": [{"folder": {"path": str(folder / "watched")}}], "alerts": alerts,
    })  # fmt: skip


def test_it_arrives_and_is_marked(tmp_path: Path) -> None:
    with running(tmp_path, [{"jsonl": {"path": str(tmp_path / "alerts.jsonl")}}]).start() as live:
        done = detector("test-alert", "--config", live.config)
        live.stop()
    (line,) = lines_of(tmp_path / "alerts.jsonl")
    assert done.code == 0 and done.err == ""
    assert done.out.splitlines() == [
        f"test alert, event.id {line['event']['id']}",
        "  destination  after 30 seconds at most",
        "  jsonl        delivered",
    ]
    assert line["rule"]["name"] == "Test alert" and line["labels"] == {"test": "true"}


def test_a_destination_that_is_away_is_named_with_its_reason(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    alerts: list[dict[str, object]] = [{"syslog": {"server": f"127.0.0.1:{port}", "protocol": "tcp"}}, {"jsonl": {"path": str(tmp_path / "a")}}]  # fmt: skip
    with running(tmp_path, alerts).start() as live:
        done = inside("test-alert", "--control", str(live.options["control"]), "--seconds", "2")
        live.kill()
    assert done.code == 1 and done.err == ""
    rows = done.out.splitlines()
    assert rows[2] == "  jsonl        delivered"
    assert rows[3].startswith(f"  syslog       waits: 127.0.0.1:{port}: Connection refused"), rows
    assert rows[4] == "what waits is delivered later; what was refused: detector spool list"


def test_without_destinations(tmp_path: Path) -> None:
    with running(tmp_path, []).start() as live:
        done = inside("test-alert", "--config", live.config)
        live.stop()
    assert done.code == 1 and done.out == ""
    assert done.err == "alerts go nowhere: `alerts` in the daemon's configuration names no destination\n"


@pytest.mark.parametrize("seconds", ["0", "601"])
def test_a_time_out_of_bounds(seconds: str) -> None:
    assert refused(inside("test-alert", "--seconds", seconds)).startswith("--seconds must be from 1 to 600, not ")


def test_without_a_daemon_and_with_one_that_does_not_know_it(tmp_path: Path) -> None:
    said = refused(inside("test-alert", "--control", tmp_path / "none"))
    assert said.startswith(f"no daemon is running at {tmp_path}/none (hint: detector run starts one")
    with daemon(tmp_path / "control", fresh_status()) as other:
        assert refused(inside("test-alert", "--control", other.path)).startswith("unknown command 'test-alert'")
