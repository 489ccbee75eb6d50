"""`detector reload`: the diff of rules, what waits for a restart, and the mistake that leaves everything as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Done, detector, inside, refused
from tests.service.running import RunningDaemon
from tests.service.writes import RULE, write_rule

SECOND = RULE.replace("8d1b7a54", "8d1b7a55").replace("Every write", "Writes to $REGISTERS").replace("func_code: 6", "reference_num: $REGISTERS")  # fmt: skip


@pytest.fixture
def live(tmp_path: Path) -> Iterator[RunningDaemon]:
    """A daemon with one rule that does not look at its files by itself."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "watched").mkdir()
    write_rule(tmp_path / "rules")
    daemon = RunningDaemon(tmp_path, {
        "rules": [str(tmp_path / "rules")], "sources": [{"folder": {"path": str(tmp_path / "watched")}}], "watch_rules": False,
    })  # fmt: skip
    with daemon.start():
        yield daemon
        assert daemon.stop() == 0


def reload(daemon: RunningDaemon) -> Done:
    return inside("reload", "--config", daemon.config)


def test_what_has_changed_is_shown(live: RunningDaemon, tmp_path: Path) -> None:
    assert reload(live).out == "no rule has changed; 1 rule active\n"
    (tmp_path / "rules" / "second.yml").write_text(SECOND)
    (tmp_path / "rules" / "every-write.yml").write_text(RULE.replace("level: high", "level: low"))
    live.configure(sensor="other", shutdown="5s")
    done = reload(live)
    assert done.code == 0 and done.err == ""
    assert done.out.splitlines() == [
        "1 added, 1 changed; 1 rule active",
        "  added:    Writes to $REGISTERS",
        "  changed:  Every write",
        "  inactive: Writes to $REGISTERS ($REGISTERS is not set)",
        "only a restart of the daemon changes sensor, shutdown",
    ]
    again = reload(live)
    assert again.out.splitlines()[-1] == "only a restart of the daemon changes sensor, shutdown", "it is still so"
    (tmp_path / "rules" / "every-write.yml").unlink()
    live.configure(variables={"REGISTERS": "0..99"}, sensor="test", shutdown="10s")
    assert reload(live).out.splitlines() == [
        "1 removed, 1 changed; 1 rule active", "  removed:  Every write", "  changed:  Writes to $REGISTERS",
    ]  # fmt: skip


def test_a_mistake_is_told_with_its_place(live: RunningDaemon, tmp_path: Path) -> None:
    (tmp_path / "rules" / "every-write.yml").write_text(RULE.replace("modbus.func_code", "modbus.funccode"))
    done = reload(live)
    assert done.code == 1 and done.out == ""
    assert done.err.startswith(
        f"the rules before go on: {tmp_path}/rules/every-write.yml:7:11: unknown field 'modbus.funccode'\n"
    )
    assert done.err.endswith("hint: did you mean modbus.func_code? All fields of this table: detector fields modbus\n")
    assert "last reload: failed" in inside("status", "--config", live.config).out
    (tmp_path / "rules" / "every-write.yml").write_text(RULE)
    live.config.write_text(live.config.read_text() + "worker: 2\n")
    assert "did you mean workers?" in reload(live).err


def test_without_a_daemon(tmp_path: Path) -> None:
    assert refused(detector("reload", "--control", tmp_path / "none")).startswith(
        f"no daemon is running at {tmp_path}/none"
    )
