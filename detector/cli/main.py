"""The console script: finds the command, imports it, and turns mistakes into one line and an exit code.

Exit codes: 0 fine; 1 the command's own negative answer; 2 bad arguments or bad input.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

from detector import __version__
from detector.cli.startup import kept_for_good, open_streams
from detector.errors import InputError, InputErrors, nearest

COMMANDS = {
    "replay": "read captures, match rules, show alerts",
    "decode": "print fields of every packet or PDU",
    "fields": "list the fields that rules and filters can name",
    "lint": "find every mistake in rules",
    "import": "write Suricata's rules as YAML that gives the same alerts",
    "test": "run the tests of rules and scenarios",
    "setup": "put templates on an Elasticsearch server",
    "warm": "compile all kernels ahead",
    "run": "watch interfaces and folders, as a daemon",
    "config": "check or show the daemon's configuration",
    "status": "show how the running daemon is; 0 where it is healthy, 1 where it is not",
    "top": "show what the running daemon does, renewed every second",
    "reload": "have the running daemon load its rules, lists and variables anew",
    "test-alert": "send a marked alert through the running daemon to every destination",
    "spool": "show alerts that wait or were refused; deliver those again, or drop them",
}

MODULES = {"import": "import_rules"}  # of commands that Python has as words


class Parser(argparse.ArgumentParser):
    """Says what is wrong with arguments in one line."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with 2."""
        self.exit(2, f"{self.prog}: {message} (hint: {self.prog} --help)\n")

    def refuse(self, words: Sequence[str]) -> NoReturn:
        """Ends the program because of words that no argument takes."""
        guess = nearest(words[0], self._option_string_actions)
        hint = f"did you mean {guess}?" if guess else f"{self.prog} --help"
        self.exit(2, f"{self.prog}: unrecognized arguments: {' '.join(words)} (hint: {hint})\n")


def build_parsers(command: str | None) -> dict[str, Parser]:
    """A parser for each command, and the one above them as ""; only the chosen command's module is imported."""
    parser = Parser(prog="detector", description="Detects attacks in the traffic of control networks.")
    parser.add_argument("--version", action="version", version=f"detector {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    parsers = {"": parser}
    for name, text in COMMANDS.items():
        parsers[name] = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        if name == command:
            module_of(name).add_arguments(parsers[name])
    return parsers


def module_of(command: str) -> Any:
    """A command's module: the one import inside a function, since each command loads only what it needs."""
    return import_module(f"detector.cli.{MODULES.get(command, command.replace('-', '_'))}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    open_streams()
    with kept_for_good():
        command, parsed = parse(words)
    try:
        code = int(module_of(command).run(parsed))
        sys.stdout.flush()
        return code
    except (InputError, InputErrors) as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our output has gone, as `| head` does
        leave_output()
        return 0
    except OSError as error:  # the machine refuses: permissions, a full disk, a name too long
        leave_output()
        print(f"{error.filename or 'standard output'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def parse(words: Sequence[str]) -> tuple[str, argparse.Namespace]:
    """The command and its arguments. Ends the program where they are wrong."""
    command = next((word for word in words if not word.startswith("-")), None)
    parsers = build_parsers(command)
    if command in COMMANDS and words[0] == command:  # options and captures in any order
        parsed, unknown = parsers[command].parse_known_intermixed_args(list(words[1:]))
    else:
        parsed, unknown = parsers[""].parse_known_args(list(words))
        command = str(parsed.command)
    if unknown:
        parsers[command].refuse(unknown)
    return command, parsed


def leave_output() -> None:
    """What is still to be written to standard output goes nowhere: Python would fail once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
