"""`detector run`: what a stranger reads where a daemon cannot start. That it runs is tested in service/test_daemon.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.cli.command import Done, detector, refused
from tests.service.running import RunningDaemon
from tests.service.writes import write_rule


def ran(folder: Path, **changes: object) -> Done:
    path = folder / "detector.yml"
    path.write_text(yaml.safe_dump({
        "sources": [{"folder": {"path": "."}}], "rules": [str(write_rule(folder))], "state": "state", "control": "control.sock",
        "metrics": {"listen": "127.0.0.1:0"}, "log": {"level": "error"},
    } | changes, sort_keys=False))  # fmt: skip
    return detector("run", "--config", path)


def test_without_a_configuration(tmp_path: Path) -> None:
    said = refused(detector("run", "--config", tmp_path / "none.yml"))
    assert said.endswith("cannot be read: No such file or directory (hint: --config names it; docs/detector.yml is one to begin with)")  # fmt: skip


def test_a_mistake_has_its_place(tmp_path: Path) -> None:
    done = ran(tmp_path, wrokers=2)
    assert done.code == 2 and done.out == ""
    assert "detector.yml:12:1: unknown key 'wrokers' in the configuration\n" in done.err
    assert done.err.endswith("hint: did you mean workers?\n")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": [{"folder": {"path": "nowhere"}}]}, "{folder}/nowhere: no such folder"),
        ({"sources": [{"interface": {"name": "nosuch0"}}]}, "there is no network interface 'nosuch0' (hint: "),
        ({"alerts": [{"syslog": {"server": "127.0.0.1:1", "ca": "none.pem"}}]}, "{folder}/none.pem: cannot be used as ca: No such file"),
    ],
)  # fmt: skip
def test_what_is_missing_is_said_in_a_line(changes: dict[str, object], said: str, tmp_path: Path) -> None:
    assert refused(ran(tmp_path, **changes)).startswith(said.replace("{folder}", str(tmp_path)))


def test_a_second_daemon_is_refused_the_first_ones_places(tmp_path: Path) -> None:
    """The page for Prometheus, the control socket, the spool: the line says what to do."""
    (tmp_path / "second").mkdir()
    options = {"rules": [str(write_rule(tmp_path))], "sources": [{"folder": {"path": str(tmp_path / "second")}}]}
    with RunningDaemon(tmp_path, options).start() as first:
        second = tmp_path / "second"
        assert "cannot be used: Address already in use (hint: who has it: ss " in refused(ran(second, metrics={"listen": f"127.0.0.1:{first.port}"}))  # fmt: skip
        said = refused(ran(second, control=str(tmp_path / "control.sock")))
        assert said.startswith(f"control: a daemon is running at {tmp_path}/control.sock (hint: stop it first")
        assert str(tmp_path / "state") in refused(ran(second, state=str(tmp_path / "state")))
        assert first.stop() == 0
    assert "alerts go nowhere" in first.log_text()
