"""`detector status`: what a person, a script and somebody without a daemon get."""

from __future__ import annotations

import json
import re
import socket
import threading
from pathlib import Path

from tests.cli.command import COLOUR, Done, detector, inside, on_terminal, refused, without_privileges
from tests.service.daemons import daemon, fresh_status


def greet(listener: socket.socket) -> None:
    """Speaks first, and of something else."""
    with listener.accept()[0] as connection:
        connection.sendall(b"220 mail.example.org\n")
        connection.recv(4096)


def asked(path: Path, *words: str) -> Done:
    return inside("status", "--control", path, *words)


def test_a_healthy_daemon(tmp_path: Path) -> None:
    with daemon(tmp_path / "control", fresh_status()) as server:
        done = detector("status", "--control", server.path)
    assert done.code == 0 and done.err == "" and "\x1b" not in done.out
    text = done.out
    assert text.startswith("detector 0.1.0 on substation-7: healthy\n  up 2 h 1 min, since 20")
    assert "process 4711, 2 workers (1 restart), 400.0 MB of memory" in text
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "name kind state packets bytes lag last packet reopened dropped" in lines
    eth1 = r"eth1 interface up 1,234,567 286\.1 MB 0\.1 s \S+ s ago 1 12 \(ring 10, interface 2\)"
    assert any(re.fullmatch(eth1, line) for line in lines)
    assert "27 active, 1 inactive, 0 off under overload" in lines
    assert "inactive: Modbus write outside known registers: $MODBUS_WRITABLE_REGISTERS is not set" in lines
    assert "3 errors: Register scan (5c2d)" in lines
    assert "spool: 4.8 MB of 1.0 GB" in lines
    assert "es elasticsearch up 5,120 12 3.0 s 1 4 (oldest 4) 2 (timeout 2)" in lines
    assert "es: no answer within 30 s" in lines
    assert "last reload: ok, 5 min ago: 2 added, 1 changed" in lines
    assert any(re.fullmatch(r"last checkpoint: 1\d s ago", line) for line in lines)


def test_an_unhealthy_daemon_says_why_and_exits_with_1(tmp_path: Path) -> None:
    status = fresh_status()
    status["ready"] = False
    status["checks"][1] = {"name": "spool", "ok": False, "why": "No space left on device"}
    status["sources"][0]["up"] = False
    status["sinks"][0]["up"] = False
    status["overload"] = {"level": 2, "shed": ["scapy fields", "pcre"]}
    status["rules"]["shed"] = ["Costly rule"]
    status["reload"] |= {"result": "failed", "message": "rules/a.yml:3:1: unknown key"}
    status["checkpoint"] |= {"ok": False, "message": "disk full"}
    with daemon(tmp_path / "control", status) as server:
        done = asked(server.path)
    assert done.code == 1
    for part in ("not healthy", "spool: No space left on device", "eth1      interface  down", "overload, step 2: scapy fields, pcre", "off: Costly rule",
                 "last reload: failed, 5 min ago: rules/a.yml:3:1: unknown key", "last checkpoint: failed, ", " s ago: disk full"):  # fmt: skip
        assert part in done.out, part


def test_a_daemon_that_has_done_nothing_yet(tmp_path: Path) -> None:
    status = fresh_status()
    status["sources"], status["sinks"] = [], []
    status["reload"] |= {"result": "", "time": 0.0}
    status["checkpoint"]["time"] = 0.0
    with daemon(tmp_path / "control", status) as server:
        done = asked(server.path)
    assert done.code == 0 and "last reload: none" in done.out and "last checkpoint: never" in done.out


def test_json_is_what_the_daemon_said(tmp_path: Path) -> None:
    status = fresh_status()
    status["ready"] = False
    with daemon(tmp_path / "control", status) as server:
        done = asked(server.path, "--json")
    assert done.code == 1 and json.loads(done.out) == status


def test_texts_from_outside_cannot_steer_the_terminal(tmp_path: Path) -> None:
    status = fresh_status()
    status["rules"]["inactive"][0]["title"] = status["sinks"][0]["last_error"] = status["sources"][0]["name"] = (
        "x\x1b[2J\n[bold]y"
    )
    status["rules"]["errors"] *= 30
    with daemon(tmp_path / "control", status) as server:
        code, written = on_terminal("status", "--control", server.path, columns=180)
    assert code == 0 and "\x1b[2J" not in written
    shown = COLOUR.sub("", written)
    assert shown.count("x\\x1b[2J\\n[bold]y") == 3 and "... and 20 more: detector status --json" in shown
    assert "\x1b[" in written, "no colours on a terminal"


def test_the_configuration_says_where_the_daemon_listens(tmp_path: Path) -> None:
    """Nothing else of it is read, so that its secrets need not be readable."""
    config = tmp_path / "detector.yml"
    config.write_text(
        "sensor: x\nalerts:\n  - elasticsearch: {api_key: {file: /nobody/reads/this}}\ncontrol: run.sock\n"
    )
    with daemon(tmp_path / "run.sock", fresh_status()):
        assert inside("status", "--config", config).code == 0
    config.write_text("control: [a]\n")
    assert inside("status", "--config", config).err.startswith(f"{config}:1:10: control must be one value\n")
    assert "gone.yml" in refused(inside("status", "--config", tmp_path / "gone.yml"))


def test_no_daemon_is_running(tmp_path: Path) -> None:
    said = refused(detector("status", "--control", tmp_path / "control"))
    assert said.startswith(f"no daemon is running at {tmp_path}/control (hint: detector run starts one")


def test_a_daemon_of_another_version(tmp_path: Path) -> None:
    """After an upgrade the old one still runs."""
    status = fresh_status()
    status["version"] = "0.0.1"
    del status["overload"]  # type: ignore[misc]
    with daemon(tmp_path / "control", status) as server:
        said = refused(asked(server.path))
    assert said.startswith("the daemon is of another version, 0.0.1: its status has no overload (hint: this is ")


def test_permission_is_denied(tmp_path: Path) -> None:
    with daemon(tmp_path / "control", fresh_status()) as server:
        server.path.chmod(0)
        said = refused(without_privileges("status", "--control", server.path))
    assert (
        said
        == f"{tmp_path}/control: permission denied (hint: only root and the daemon's own user may ask: sudo -u USER detector ...)"
    )


def test_something_else_listens_there(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        greeting = threading.Thread(target=greet, args=(other,))
        greeting.start()
        said = refused(asked(tmp_path / "other"))
        greeting.join()
    assert (
        said
        == f"the daemon at {tmp_path}/other gave no answer that can be read (hint: is {tmp_path}/other the socket of a detector?)"
    )
