"""Writes golden alerts anew. Read the diff before you commit it: each line of it is an alert that somebody would get.

python -m tests.golden.refresh [CASE...]
"""

from __future__ import annotations

import os
import sys

from tests.golden.golden import CASES, lines
from tests.runs import ROOT


def main() -> None:
    """The named cases, or all."""
    os.chdir(ROOT)
    for folder in CASES:
        if not sys.argv[1:] or folder.name in sys.argv[1:]:
            text = "".join(lines(folder))
            (folder / "alerts.jsonl").write_text(text, encoding="utf-8")
            print(f"{folder.name}: {text.count(chr(10))} alerts")


if __name__ == "__main__":
    main()
