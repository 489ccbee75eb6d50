"""The command line as a person or a script meets it: another process, its output, its exit code, and a terminal."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from detector.cli.main import main
from tests.runs import SCENARIOS

MASTERS = "MODBUS_MASTERS=10.20.0.10"
EVERYTHING = ("--home-net", "10.20.0.0/16", "--var", MASTERS, "--var", "MODBUS_WRITABLE_REGISTERS=0..99")
ATTACK = str(SCENARIOS / "minute-attack" / "capture.pcap")
POLLING = str(SCENARIOS / "minute-polling" / "capture.pcap")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
HIDE = re.compile(r"\x1b\[\?25[lh]")
STEPS = re.compile(r"(\r\n|\x1b\[1A|\x1b\[2K)")
COLUMNS = 100


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str
    seconds: float


def environment() -> dict[str, str]:
    """What a command sees: nothing that would widen, colour or silence its output."""
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR", "FORCE_COLOR")} | {
        "TERM": "xterm-256color",
        "PYTHONWARNINGS": "default,ignore::ResourceWarning",  # a file that is still open when a command is refused
    }


def detector(*words: str | Path, stdin: bytes = b"", cwd: Path | None = None, timeout: float = 120) -> Done:
    """Runs `detector` with its output in pipes."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "detector", *map(str, words)], input=stdin, capture_output=True,
                          timeout=timeout, env=environment(), cwd=cwd, check=False)  # fmt: skip
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), time.perf_counter() - began)


def on_terminal(*words: str | Path, columns: int = COLUMNS) -> tuple[int, str]:
    """Runs `detector` on a terminal of its own; (exit code, all that it wrote there)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    program = subprocess.Popen([sys.executable, "-m", "detector", *map(str, words)], stdin=theirs, stdout=theirs,
                               stderr=theirs, env=environment(), close_fds=True)  # fmt: skip
    os.close(theirs)
    parts = []
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # the terminal has no writer left
            break
        if not part:
            break
        parts.append(part)
    os.close(ours)
    return program.wait(timeout=60), b"".join(parts).decode()


def left_on_screen(written: str) -> list[str]:
    """The lines that stay, with their colours: a line that was erased, as a progress bar is, is gone."""
    lines = [""]
    for part in STEPS.split(HIDE.sub("", written)):
        match part:
            case "\r\n":
                lines.append("")
            case "\x1b[1A":
                lines.pop()
            case "\x1b[2K":
                lines[-1] = ""
            case _:
                lines[-1] += part.strip("\r")
    return lines


def refused(done: Done) -> str:
    """The one line with which a command refuses what it was given; exit code 2, nothing on standard output."""
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.endswith("\n") and done.err.count("\n") == 1, done.err
    return done.err[:-1]


def inside(*words: str | Path) -> Done:
    """Runs `detector` in this process, where its kernels are loaded: for what would start the program very often."""
    out, err = io.StringIO(), io.StringIO()
    began = time.perf_counter()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit as ended:  # as argparse ends a program
            code = int(str(ended.code or 0))
    return Done(code, out.getvalue(), err.getvalue(), time.perf_counter() - began)


def without_privileges(*words: str | Path, timeout: float = 120) -> Done:
    """Runs `detector` under the permissions of files also where the tests run as root, who may read everything."""
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []
    began = time.perf_counter()
    done = subprocess.run([*drop, sys.executable, "-m", "detector", *map(str, words)], capture_output=True, timeout=timeout,
                          env=environment(), check=False)  # fmt: skip
    return Done(done.returncode, done.stdout.decode(), done.stderr.decode(), time.perf_counter() - began)


def widths(text: str) -> set[int]:
    """How wide the lines are, colours aside."""
    return {len(COLOUR.sub("", line)) for line in text.splitlines()}
