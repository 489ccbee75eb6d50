"""Folders of captures: which of their files are captures, in which order."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from detector.capture import compressed, pcap, pcapng
from detector.errors import InputError


def expand(paths: Sequence[str]) -> list[str]:
    """The captures that paths name; folders are searched to the bottom in the order of names.

    A file that is named twice, by a link or in a folder as well, is read once: its packets came once.

    Raises:
        InputError: nothing there, or a folder without captures.
    """
    found: list[str] = []
    for path in paths:  # per argument
        folder = Path(path)
        if path != "-" and not exists(folder):
            raise InputError(f"{path}: no such file or folder")
        if path == "-" or not folder.is_dir():
            found.append(path)
            continue
        files = [str(file) for file in sorted(folder.rglob("*")) if file.is_file()]
        captures = [file for file in files if looks_like_capture(file)]
        if not captures:
            raise InputError(f"{path}: no capture in this folder", hint="read are pcap and pcapng, also compressed")
        found += captures
    return list({path if path == "-" else os.path.realpath(path): path for path in reversed(found)}.values())[::-1]


def exists(path: Path) -> bool:
    """Whether there is something at a path. Raises InputError where one may not look."""
    try:
        return path.exists()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def looks_like_capture(path: str) -> bool:
    """Whether a file's first bytes are those of a capture, or of a compressed file named like one.

    A file that cannot be read and is named like one is one: that it is left out must not go unsaid.
    """
    try:
        with Path(path).open("rb") as file:
            first = file.read(pcap.HEADER_BYTES)
    except OSError:
        return is_named_so(path)
    if compressed.recognise(first):
        return is_named_so(path)
    return first.startswith(pcapng.MAGIC) or pcap.recognise(first) is not None


def is_named_so(path: str) -> bool:
    """Whether a file is called like a capture, compressed or not."""
    return ".pcap" in Path(path).name or ".cap" in Path(path).name
