"""Privileges are gone for good, in every thread, and what is left is found. Each test is a process of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.service.privileges import PrivilegesLeft, identity_of, proof
from tests.live.network import require_root
from tests.runs import ROOT

USER = "nobody"
HEAD = """
import ctypes, os, socket, subprocess, sys, threading, time
import numpy  # starts a thread where it has a use for one
from pathlib import Path
from detector.service.privileges import *
from detector.service import privileges
me = identity_of("nobody")
"""


def ran(script: str, *words: str) -> str:
    """What a script prints that is started as root."""
    require_root()
    done = subprocess.run([sys.executable, "-c", HEAD + script, *words], capture_output=True, text=True, cwd=ROOT, check=False,
                          timeout=60, env={**os.environ, "OPENBLAS_NUM_THREADS": "2"})  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_every_thread_has_lost_everything() -> None:
    """Read by another process, from outside: user, groups, five capability sets, no_new_privs, of every thread."""
    require_root()
    script = "\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\ndrop(me)\nprint('done', flush=True)\ntime.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", HEAD + script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == "done\n"
            tasks = list(Path(f"/proc/{process.pid}/task").iterdir())
            assert len(tasks) > 1
            for task in tasks:
                lines = (task / "status").read_text().splitlines()
                status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
                user = pwd.getpwnam(USER)
                assert status["Uid"] == [str(user.pw_uid)] * 4 and status["Gid"] == [str(user.pw_gid)] * 4
                assert status["Groups"] == []
                for name in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                    assert int(status[name][0], 16) == 0, name
                assert status["NoNewPrivs"] == ["1"]
                if task.name == str(process.pid):
                    assert int(status["CapBnd"][0], 16) == 0
        finally:
            process.kill()


def test_nothing_gives_them_back(tmp_path: Path) -> None:
    """Neither asking for user 0, nor raw sockets, nor a program that runs as root for everybody (setuid)."""
    require_root()
    program = tmp_path / "id"
    shutil.copy("/usr/bin/id", program)
    program.chmod(0o4755)
    for folder in (tmp_path, *tmp_path.parents):
        if str(folder).startswith("/tmp/") or folder == tmp_path:
            folder.chmod(0o755)
    script = """
made = drop(me)
def tried(call):
    try:
        call()
    except OSError as error:
        return type(error).__name__
    return "succeeded"
print(made.user == os.getuid() == me.user, made.capabilities, tried(lambda: os.setuid(0)), tried(lambda: os.setgroups([0])),
      tried(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)), tried(lambda: os.chroot("/")),
      subprocess.run([sys.argv[1], "-u"], capture_output=True, text=True).stdout.strip() == str(me.user),
      Path("/proc/self/status").stat().st_uid)
"""
    before = subprocess.run([sys.executable, "-c", HEAD + "os.setresuid(me.user, me.user, me.user)\n"
                             "print(subprocess.run([sys.argv[1], '-u'], capture_output=True, text=True).stdout.strip())",
                             str(program)], capture_output=True, text=True, cwd=ROOT, check=True)  # fmt: skip
    assert before.stdout.strip() == "0", "the program gives no privileges here, so that the test shows nothing"
    expected = "True 0 PermissionError PermissionError PermissionError PermissionError True 0"
    assert ran(script, str(program)) == expected  # 0: what is not dumpable belongs to root in /proc


def test_one_capability_can_be_kept() -> None:
    """The opener's own way: packet sockets and nothing else."""
    script = """
made = drop(me, keep=frozenset({NET_RAW}))
socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
try:
    os.chroot("/")
except PermissionError:
    print(f"{made.capabilities:x}", made.is_bounded)
"""
    require_root()
    done = subprocess.run([sys.executable, "-c", HEAD + script], capture_output=True, text=True, cwd=ROOT, check=False,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"})  # fmt: skip
    assert done.stdout.strip() == "2000 True", done.stderr
    assert "cannot be kept for one thread of several" in refused(
        "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\ndrop(me, keep=frozenset({NET_RAW}))"
    )


def refused(script: str) -> str:
    """What PrivilegesLeft says."""
    indented = "\n".join(f"    {line}" for line in script.splitlines())
    return ran(f"try:\n{indented}\nexcept PrivilegesLeft as left:\n    print(left)\n")


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("os.setresuid(me.user, me.user, 0)\nproof(me)", f"user [0, {pwd.getpwnam(USER).pw_uid}]"),
        ("os.setresuid(me.user, me.user, 0)\nproof(me)", "setuid(0) succeeds"),
        ("os.setgroups([4])\nos.setresuid(me.user, me.user, me.user)\nproof(me)", "groups 4"),
        ("os.setresuid(me.user, me.user, me.user)\nproof(me)", "a thread without no_new_privs"),
        ("os.setresuid(me.user, me.user, me.user)\nproof(me)", "group [0]"),
        ("prctl(8, 1)\nos.setresuid(me.user, me.user, me.user)\nproof(me)", "permitted capabilities"),
        ("prctl(8, 1)\nos.setresuid(me.user, me.user, me.user)\nset_capabilities(frozenset({13}))\nproof(me)",
         "a packet socket can be opened"),
        ("privileges.spread_to_threads = lambda: None\n"
         "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\ndrop(me)", "a thread without no_new_privs"),
    ],
)  # fmt: skip
def test_what_is_left_is_found(script: str, expected: str) -> None:
    """A drop that is only half done must not look like one."""
    assert expected in refused(script)


def test_root_is_not_proven_to_be_harmless() -> None:
    require_root()
    with pytest.raises(PrivilegesLeft) as caught:
        proof()
    for what in ("user [0]", "effective capabilities", "setuid(0) succeeds", "a raw socket can be opened"):
        assert what in str(caught.value)


def test_users_that_cannot_be() -> None:
    with pytest.raises(InputError, match="there is no user 'detectr'"):
        identity_of("detectr")
    with pytest.raises(InputError, match="there is no group 'nowhere'"):
        identity_of(USER, "nowhere")
    with pytest.raises(InputError, match="user 'root' is root"):
        identity_of("root")
    assert identity_of(USER).user == pwd.getpwnam(USER).pw_uid
