"""Folders of captures: which of their files are captures, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from detector.capture import compressed, pcap, pcapng
from detector.errors import InputError


def expand(paths: Sequence[str]) -> list[str]:
    """The captures that paths name; folders are searched to the bottom in the order of names.

    Raises:
        InputError: nothing there, or a folder without captures.
    """
    found: list[str] = []
    for path in paths:  # per argument
        folder = Path(path)
        if path != "-" and not folder.exists():
            raise InputError(f"{path}: no such file or folder")
        if path == "-" or not folder.is_dir():
            found.append(path)
            continue
        files = [str(file) for file in sorted(folder.rglob("*")) if file.is_file()]
        captures = [file for file in files if looks_like_capture(file)]
        if not captures:
            raise InputError(f"{path}: no capture in this folder", hint="read are pcap and pcapng, also compressed")
        found += captures
    return found


def looks_like_capture(path: str) -> bool:
    """Whether a file's first bytes are those of a capture, or of a compressed file named like one."""
    try:
        with Path(path).open("rb") as file:
            first = file.read(pcap.HEADER_BYTES)
    except OSError:
        return False
    if compressed.recognise(first):
        return ".pcap" in Path(path).name or ".cap" in Path(path).name
    return first.startswith(pcapng.MAGIC) or pcap.recognise(first) is not None
