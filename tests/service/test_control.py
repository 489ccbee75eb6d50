"""The control socket, as the daemon's user, root and others meet it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from detector.errors import InputError, InputErrors
from detector.service.control import CONNECTIONS, LONGEST_REQUEST, Command, ControlClient, ControlServer


def fail(request: dict[str, Any]) -> dict[str, Any]:
    raise RuntimeError("inside")


def refuse(request: dict[str, Any]) -> dict[str, Any]:
    raise InputErrors([InputError("one"), InputError("two")])


COMMANDS: dict[str, Command] = {
    "echo": lambda request: {"said": request.get("text")}, "fail": fail, "refuse": refuse, "path": lambda request: {"where": Path("/a")},
    "large": lambda request: {"text": "x" * 10**6},
}  # fmt: skip


@contextlib.contextmanager
def controlled(path: Path, commands: Mapping[str, Command] = COMMANDS) -> Iterator[ControlServer]:
    server = ControlServer(path, commands)
    try:
        server.start()
        yield server
    finally:
        server.close()


def raw(path: Path, data: bytes) -> bytes:
    """Everything that comes back for some bytes, until the daemon closes or has answered a line."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(path))
        with contextlib.suppress(BrokenPipeError):
            client.sendall(data)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while not received.endswith(b"\n") and (part := client.recv(65536)):
                received += part
        return received


def test_a_command_and_its_reply(tmp_path: Path) -> None:
    with controlled(tmp_path / "control"), ControlClient(tmp_path / "control") as client:
        assert client.ask("echo", text="ü\n") == {"said": "ü\n"}
        assert client.ask("path") == {"where": "/a"}
        assert client.ask("large") == {"text": "x" * 10**6}
        assert raw(tmp_path / "control", b'{"command": "echo", "text": 1}\n') == b'{"ok": true, "said": 1}\n'


def test_what_goes_wrong_is_said_and_the_connection_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        controlled(tmp_path / "control"),
        ControlClient(tmp_path / "control") as client,
        caplog.at_level(logging.ERROR),
    ):
        with pytest.raises(InputError, match=r"unknown command 'ecko' \(hint: did you mean echo\?\)"):
            client.ask("ecko")
        with pytest.raises(InputError, match="one\ntwo"):
            client.ask("refuse")
        with pytest.raises(InputError, match="fail failed: the daemon's log says why"):
            client.ask("fail")
        assert "RuntimeError: inside" in caplog.text
        assert client.ask("echo", text=5) == {"said": 5}


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"5", b'{"command": 5}', b"{}", b"[" * 60000, b"\xff\xfe", b"9" * 60000, b'"\x00"', b"null"],
)
def test_what_is_no_command_is_refused(tmp_path: Path, line: bytes) -> None:
    with controlled(tmp_path / "control"):
        reply = json.loads(raw(tmp_path / "control", line + b"\n"))
        assert reply["ok"] is False and "request" in reply["error"]


def test_a_line_that_never_ends_is_cut_off(tmp_path: Path) -> None:
    with controlled(tmp_path / "control"):
        assert raw(tmp_path / "control", b"x" * (4 * LONGEST_REQUEST)) == b""
        with ControlClient(tmp_path / "control") as client:
            assert client.ask("echo", text=1) == {"said": 1}


def test_too_many_connections_are_turned_away_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "control"
    with controlled(path), contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            assert stack.enter_context(ControlClient(path)).ask("echo", text=1) == {"said": 1}
        with ControlClient(path) as client, pytest.raises(InputError, match="too many connections"):
            client.ask("echo")
        stack.close()
        until = time.monotonic() + 5
        while True:
            with ControlClient(path) as client, contextlib.suppress(InputError):
                assert client.ask("echo", text=2) == {"said": 2}
                break
            assert time.monotonic() < until


def test_nobody_else_may_open_it(tmp_path: Path) -> None:
    with controlled(tmp_path / "new" / "control") as server:
        assert stat.S_IMODE(server.path.stat().st_mode) == 0o600
        assert stat.S_IMODE(server.path.parent.stat().st_mode) == 0o700
    assert not server.path.exists()


ASK_AS_NOBODY = """
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
    try:
        client.sendall(b'{"command": "echo", "text": 1}\\n')
    except BrokenPipeError:
        pass
    print(client.makefile().readline(), end="")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
def test_another_user_is_refused_even_where_the_file_lets_him(caplog: pytest.LogCaptureFixture) -> None:
    """The socket's mode may be changed by mistake; who asks is what the kernel says."""
    with tempfile.TemporaryDirectory() as folder, caplog.at_level(logging.WARNING):
        os.chmod(folder, 0o755)
        with controlled(Path(folder) / "control") as server:
            words = [sys.executable, "-I", "-S", "-c", ASK_AS_NOBODY, str(server.path)]
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 1 and "PermissionError" in done.stderr
            server.path.chmod(0o666)
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert json.loads(done.stdout) == {
                "ok": False,
                "error": "only root and the daemon's own user may use the control socket",
            }
            (record,) = caplog.records
            assert record.__dict__["user"] == 65534
            with ControlClient(server.path) as client:
                assert client.ask("echo", text=1) == {"said": 1}


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no daemon is running at .*gone"):
        ControlClient(tmp_path / "gone")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    with pytest.raises(InputError, match="no daemon is running"):
        ControlClient(tmp_path / "dead")
    with pytest.raises(InputError, match="control socket"):
        ControlClient(tmp_path / ("x" * 200))


def test_a_socket_left_by_a_crash_gives_way(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "control"))
    with controlled(tmp_path / "control"), ControlClient(tmp_path / "control") as client:
        assert client.ask("echo", text=1) == {"said": 1}


RUN = """
import sys, time
from detector.service.control import ControlServer
server = ControlServer(sys.argv[1], {"echo": lambda request: {"said": 1}})
server.start()
print("ready", flush=True)
time.sleep(60)
"""


def test_a_daemon_that_lives_keeps_its_socket(tmp_path: Path) -> None:
    path = tmp_path / "control"
    running = subprocess.Popen([sys.executable, "-c", RUN, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None and running.stdout.readline() == "ready\n"
        with pytest.raises(InputError, match="a daemon is running at"):
            ControlServer(path, COMMANDS)
        with ControlClient(path) as client:
            assert client.ask("echo") == {"said": 1}
        running.kill()
        running.wait()
        with controlled(path), ControlClient(path) as client:
            assert client.ask("echo", text=2) == {"said": 2}
    finally:
        running.kill()
        running.communicate()


def test_another_programs_socket_or_file_is_left_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        with pytest.raises(InputError, match="another program listens"):
            ControlServer(tmp_path / "other", COMMANDS)
    (tmp_path / "file").write_text("precious")
    (tmp_path / "link").symlink_to("file")
    for name in ("file", "link"):
        with pytest.raises(InputError, match="is no socket"):
            ControlServer(tmp_path / name, COMMANDS)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_folder_that_others_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(InputError, match="other users can write to"):
        ControlServer(tmp_path / "control", COMMANDS)
    tmp_path.chmod(0o1777)
    with controlled(tmp_path / "control"):
        pass
    with pytest.raises(InputError, match=r"the folder .* cannot be used"):
        ControlServer(tmp_path / "a" / "b" / "control", COMMANDS)
    with pytest.raises(InputError, match="longer than 107 bytes"):
        ControlServer(tmp_path / ("x" * 200), COMMANDS)


def test_closing_waits_for_no_one_but_a_running_command(tmp_path: Path) -> None:
    path, entered, leaving = tmp_path / "control", threading.Event(), threading.Event()

    def slow(request: dict[str, Any]) -> dict[str, Any]:
        entered.set()
        leaving.wait(10)
        return {"done": True}

    replies: list[dict[str, Any]] = []
    server = ControlServer(path, {"slow": slow})
    server.start()
    with ControlClient(path), ControlClient(path) as busy:
        asking = threading.Thread(target=lambda: replies.append(busy.ask("slow")))
        asking.start()
        assert entered.wait(10)
        threading.Timer(0.2, leaving.set).start()
        began = time.monotonic()
        server.close()
        assert time.monotonic() - began < 8
        asking.join(10)
    assert replies == [{"done": True}] and not path.exists()


def test_a_daemon_that_hangs_is_given_up(tmp_path: Path) -> None:
    leaving = threading.Event()
    with (
        controlled(tmp_path / "control", {"hang": lambda request: {"x": leaving.wait(10)}}),
        ControlClient(tmp_path / "control") as client,
    ):
        with pytest.raises(InputError, match=r"gave no answer within 0.2 seconds"):
            client.ask("hang", timeout=0.2)
        leaving.set()
