"""Files that are kept only to start faster. Who could write one could change what is run: so another user's is never read.

A cache that cannot be read or written is no mistake: what it would hold is made anew.
"""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

LARGEST = 2**31


def is_ours(status: os.stat_result) -> bool:
    """Whether this user or root owns a file or folder, and nobody else can write it."""
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def read_own(path: Path) -> bytes | None:
    """A cache file's bytes; None where there is none that can be trusted."""
    try:
        if not is_ours(path.parent.stat()):
            return None
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not is_ours(status) or status.st_size > LARGEST:
                return None
            return file.read()
    except OSError:
        return None


def write_own(path: Path, content: bytes, *, mode: int = 0o600) -> bool:
    """Writes a cache file so that nobody ever reads half of it; whether it could be. mode: of the file."""
    with suppress(OSError):
        path.parent.mkdir(mode=0o700 if mode == 0o600 else 0o777, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".new")
        try:
            with open(handle, "wb") as file:
                file.write(content)
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except OSError:
            os.unlink(temporary)
            raise
        return True
    return False
