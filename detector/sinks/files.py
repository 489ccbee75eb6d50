"""Small files that are replaced as a whole: a reader, or the next start, sees the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path


def replace(path: Path, data: bytes, *, is_synced: bool) -> None:
    """Writes a file anew. is_synced: it is on the disk when this returns.

    Raises:
        OSError: the old file is as it was.
    """
    beside = path.with_name(f".{path.name}.new")
    file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        write_all(file, data)
        if is_synced:
            os.fsync(file)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    finally:
        os.close(file)
    beside.replace(path)


def write_all(file: int, data: bytes) -> None:
    """Writes every byte.

    Raises:
        OSError: some may have been written.
    """
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]


def sync_folder(folder: Path) -> None:
    """Forces a folder's entries to the disk."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
