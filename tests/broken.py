"""Broken files of users beside the messages that they give: NAME.yml and NAME.txt. DETECTOR_REFRESH=1 writes the messages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from detector.errors import InputError


def check_message(path: Path, mistakes: Sequence[InputError]) -> None:
    """All that is said of a file, to the letter. A message that changes is read again by a person."""
    said = "\n".join(map(str, mistakes)).replace(f"{path.parent}/", "") + "\n"
    expected = path.with_suffix(".txt")
    if os.environ.get("DETECTOR_REFRESH"):
        expected.write_text(said)
    assert said == expected.read_text()
