"""Starting and ending worker processes.

They are forked from a server process that has loaded all kernels and has no threads (Python's forkserver): a worker is
ready after some milliseconds, also one that takes a dead one's place in a daemon full of threads. The server listens on a
socket in a folder of its own.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.util
import os
from collections.abc import Callable, Sequence
from multiprocessing import forkserver
from multiprocessing.reduction import send_handle
from pathlib import Path
from typing import Any

GRACE_SECONDS = 5.0
LOADED = "detector.workers.loaded"


def load(*modules: str) -> None:
    """Starts the server, where it does not run. modules: what it is to import behind that what all workers need."""
    forkserver.set_forkserver_preload([LOADED, *modules])
    forkserver.ensure_running()


def hand_over(user: int, group: int) -> None:
    """Lets another user reach the server, whom this process is about to become."""
    folder = Path(multiprocessing.util.get_temp_dir())  # type: ignore[attr-defined]
    for path in (*folder.iterdir(), folder):
        os.chown(path, user, group)


class Process:
    """One worker process, as the coordinator sees it. `is_heard`: it has answered."""

    def __init__(self, number: int, main: Callable[..., None], descriptors: int) -> None:
        """Starts main(connection, descriptors): how many descriptors are handed over first."""
        context = multiprocessing.get_context("forkserver")
        self.number = number
        self.is_heard = False
        self.connection, other = context.Pipe()
        self._process = context.Process(
            target=main, args=(other, descriptors), name=f"detector-worker-{number}", daemon=True
        )
        self._process.start()
        other.close()

    def begin(self, begin: Any, descriptors: Sequence[int]) -> None:
        """Hands over descriptors and says what is to be done."""
        for descriptor in descriptors:  # per slot or socket
            send_handle(self.connection, descriptor, self.pid)
        self.connection.send(begin)

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process.pid is not None
        return self._process.pid

    def end(self) -> int | None:
        """Ends the process, which goes when its connection does, and returns its exit code; None: it was ended before."""
        if self.connection.closed:
            return None
        self.connection.close()
        self._process.join(GRACE_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._process.close()
        return code
