"""The console script: help at once, one line for what is wrong, the three exit codes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from detector import __version__
from detector.cli.main import COMMANDS
from tests.cli.command import ATTACK, detector, environment, refused
from tests.runs import RULES


@pytest.mark.alone
def test_help_is_there_before_one_notices() -> None:
    """Best of three under 0.3 s; it names every command."""
    done = [detector("--help") for _ in range(3)]
    assert all(one.code == 0 and one.err == "" for one in done)
    assert min(one.seconds for one in done) < 0.3
    assert {line.split()[0] for line in done[0].out.splitlines() if line.startswith("    ")} >= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str) -> None:
    done = detector(name, "--help")
    assert done.code == 0 and done.err == ""
    assert done.out.startswith(f"usage: detector {name}")


def test_version() -> None:
    assert detector("--version").out == f"detector {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "detector: the following arguments are required: COMMAND (hint: detector --help)"),
        (("repaly",), "detector: argument COMMAND: invalid choice: 'repaly'"),
        (("replay", ATTACK, "--stirct"), "detector replay: unrecognized arguments: --stirct (hint: did you mean --strict?)"),
        (("decode", ATTACK), "detector decode: the following arguments are required: --fields (hint: detector decode --help)"),
        (("lint",), "detector lint: the following arguments are required: PATH (hint: detector lint --help)"),
        (("test",), "detector test: the following arguments are required: PATH (hint: detector test --help)"),
        (("warm", "now"), "detector warm: unrecognized arguments: now (hint: detector warm --help)"),
        (("fields", "ip", "tcp"), "detector fields: unrecognized arguments: tcp (hint: detector fields --help)"),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_line(words: tuple[str, ...], said: str) -> None:
    assert refused(detector(*words)).startswith(said)


@pytest.mark.parametrize("words", [["--help"], ["replay", "--help"], ["lint", str(RULES)], ["fields"]])
def test_commands_that_decode_nothing_never_import_numba(words: list[str]) -> None:
    """Numba costs a quarter of a second and 100 MB: an editor that lints on every save must not pay it."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", "detector", *words], capture_output=True, text=True,
                          env=environment(), check=True)  # fmt: skip
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "detector.cli.main" in imported
    assert not {name for name in imported if name.split(".")[0] in ("numba", "llvmlite")}


def test_a_reader_that_has_enough_ends_the_command_quietly() -> None:
    """`detector fields | head -1` must not end in a traceback."""
    program = subprocess.Popen(
        [sys.executable, "-m", "detector", "decode", ATTACK, "--fields", "ip.src"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())  # fmt: skip
    assert program.stdout is not None and program.stderr is not None
    assert program.stdout.readline().startswith("frame.number")
    program.stdout.close()
    said = program.stderr.read()
    program.stderr.close()
    assert program.wait(timeout=60) == 0 and said == ""
