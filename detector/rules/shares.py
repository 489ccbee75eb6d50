"""The rules of .rules files, piece by piece, a large ruleset's by several processes at once.

This process and its partners take pieces of the files in their order until none is left. A partner is a Python of its own
that has not been forked from this one, which may have threads: it needs half a second until it can help, and never loads
Numba. What a partner does not give back, because it could not be started or died, this process makes itself; so what comes
out is the same whoever makes it.

A partner is told its pieces by its standard input and answers by its standard output; each message is its length and a
pickle, or what packed.py makes. It ends when its input does.
"""

from __future__ import annotations

import gc
import logging
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from typing import IO, NamedTuple

from detector.errors import InputError
from detector.rules.keywords import Context
from detector.rules.packed import LENGTH, packed
from detector.rules.suricata import MOST_MISTAKES, compiled, no_collection
from detector.rules.suricata_text import pieces, read_text, rules_of

log = logging.getLogger(__name__)

SHARED_FROM = 2**21  # bytes of files for each partner, about 8,000 rules: of fewer, most are made before it is there
GRACE_SECONDS = 60.0  # for the last piece, which takes a fifth of a second
MOST_PARTNERS = 7  # each takes the memory of a Python
NICE = 5  # a daemon that loads rules anew has packets to look at, which go first
PIPE = 2**20  # bytes: an answer is hardly ever larger, so that nobody waits for its reader
Made = list[bytes] | InputError  # what came of the pieces of a file, packed; or why it cannot be read


class Piece(NamedTuple):
    """A part of a file. number: its place in it. before: lines of the file that lie before it."""

    path: Path
    number: int
    before: int
    text: str


class Work:
    """The pieces of files, handed out to threads, and what came of them."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._made: dict[Path, dict[int, bytes]] = {path: {} for path in paths}
        self._errors: dict[Path, InputError] = {}
        self._mistakes: Counter[Path] = Counter()
        self._left = self._pieces(paths)
        self._returned: list[Piece] = []
        self._failure: Exception | None = None
        self._lock = Lock()

    def _pieces(self, paths: Sequence[Path]) -> Iterator[Piece]:
        for path in paths:  # per file
            try:
                text = read_text(path)
            except InputError as error:
                self._errors[path] = error
                continue
            for number, (before, piece) in enumerate(pieces(text)):
                if self._mistakes[path] > MOST_MISTAKES:  # all those of pieces before this one will be known
                    break
                yield Piece(path, number, before, piece)

    def take(self) -> Piece | None:
        """The next piece; None where none is left."""
        with self._lock:
            if self._returned:
                return self._returned.pop()
            try:
                return next(self._left, None)
            except Exception as error:  # noqa: BLE001 - no memory, say: whichever thread met it, it is raised with the result
                self._failure = error
                return None

    def give_back(self, piece: Piece) -> None:
        """Lets another one take a piece."""
        with self._lock:
            self._returned.append(piece)

    def put(self, piece: Piece, mistakes: int, made: bytes) -> None:
        """What came of a piece."""
        with self._lock:
            self._mistakes[piece.path] += mistakes
            self._made[piece.path][piece.number] = made

    def result(self) -> dict[Path, Made]:
        """What came of each file. Raises what went wrong while files were read."""
        if self._failure is not None:
            raise self._failure
        return {
            path: self._errors.get(path) or [made[number] for number in sorted(made)]
            for path, made in self._made.items()
        }


class Partner:
    """Another process that makes rules, and the thread of this one that gives it pieces."""

    def __init__(self, work: Work, context: bytes) -> None:
        """Starts both. context: pickled. Raises OSError where one cannot be."""
        self._work, self._context = work, context
        self._is_ready = self._is_dismissed = False
        command = [sys.executable or "python3", "-I", "-B", "-X", f"utf8={sys.flags.utf8_mode}", "-c",
                   f"import sys; sys.path[:] = {sys.path!r}; from detector.rules.shares import serve; serve()"]  # fmt: skip
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=PIPE,
            start_new_session=True,  # not Ctrl-C's
        )
        self._thread = Thread(target=self._run, name="detector-rules", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._stop()
            raise OSError(str(error)) from None

    def _run(self) -> None:
        process = self._process
        assert process.stdin is not None and process.stdout is not None
        piece = None
        try:
            send(process.stdin, self._context)
            receive(process.stdout)
            self._is_ready = True
            while (piece := self._work.take()) is not None:  # per piece
                send(process.stdin, pickle.dumps(piece))
                mistakes = int.from_bytes(receive(process.stdout), "little")
                self._work.put(piece, mistakes, receive(process.stdout))
        except OSError as error:
            if not self._is_dismissed:
                log.info(
                    "a process that was to share in loading rules has ended, this one goes on without it: %s", error
                )

        finally:
            if piece is not None:
                self._work.give_back(piece)

    def end(self, *, at_once: bool = False) -> None:
        """Waits until the process has made its last piece, if it has one. at_once: it need not finish that."""
        if at_once or not self._is_ready:
            self._is_dismissed = True
            self._process.kill()
        self._thread.join(GRACE_SECONDS)
        self._process.kill()
        self._thread.join()
        self._stop()

    def _stop(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        self._process.wait()


def send(pipe: IO[bytes], message: bytes) -> None:
    """Writes a message. Raises OSError where nobody reads it."""
    pipe.write(len(message).to_bytes(LENGTH, "little") + message)
    pipe.flush()


def receive(pipe: IO[bytes]) -> bytes:
    """Reads a message. Raises BrokenPipeError where none comes any more."""
    head = pipe.read(LENGTH)
    size = int.from_bytes(head, "little")
    message = pipe.read(size) if len(head) == LENGTH else b""
    if len(head) < LENGTH or len(message) < size:
        raise BrokenPipeError("it says nothing more")
    return message


def make(piece: Piece, context: Context) -> tuple[int, bytes]:
    """(how many rules of a piece are wrong, what came of it)."""
    loaded = compiled(rules_of(piece.text, str(piece.path), piece.before), context).loaded
    return sum(one.why == "mistake" for one in loaded.refused), packed(loaded)


def serve() -> None:
    """What a partner does until its input ends."""
    given, answers = sys.stdin.buffer, sys.stdout.buffer
    gc.disable()
    os.nice(NICE)
    with suppress(BrokenPipeError):
        context = pickle.loads(receive(given))
        send(answers, b"ready")
        while True:  # per piece
            mistakes, made = make(pickle.loads(receive(given)), context)
            send(answers, mistakes.to_bytes(LENGTH, "little"))
            send(answers, made)
    os._exit(0)  # without a last attempt to write


def partners_for(paths: Sequence[Path]) -> int:
    """How many other processes are worth their start."""
    size = 0
    for path in paths:  # per file
        with suppress(OSError):
            size += path.stat().st_size
    return min(MOST_PARTNERS, len(os.sched_getaffinity(0)) - 1, size // SHARED_FROM)


def make_pieces(paths: Sequence[Path], context: Context) -> dict[Path, Made]:
    """What came of the pieces of each file."""
    work = Work(paths)
    partners: list[Partner] = []
    plain = pickle.dumps(Context(context.variables, context.classifications, context.references, context.folder))
    is_whole = False
    try:
        with no_collection():
            for _ in range(partners_for(paths)):  # per partner
                try:
                    partners.append(Partner(work, plain))
                except OSError as error:
                    log.info(
                        "no other process can be started to share in loading rules, this one does it alone: %s", error
                    )
                    break
            finish(work, context)
            is_whole = True
    finally:
        for partner in partners:
            partner.end(at_once=not is_whole)
    finish(work, context)  # what partners could not
    return work.result()


def finish(work: Work, context: Context) -> None:
    """Makes pieces until none is left."""
    while (piece := work.take()) is not None:  # per piece
        work.put(piece, *make(piece, context))
