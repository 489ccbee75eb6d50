"""`python -m tests.differential.suricata [captures...]`: the whole comparison, with its table by keyword.

Without captures: those that are built, the shipped scenarios, and the real ones where DETECTOR_CAPTURES is.
--random N compares N rules made from each capture's own traffic beside them; --keep FOLDER keeps captures and rules.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.differential.suricata.exemptions import EXEMPTIONS
from tests.differential.suricata.run import Comparison, all_captures


def main() -> int:
    """Compares, prints; 1 where something differs."""
    reader = argparse.ArgumentParser(prog="python -m tests.differential.suricata", description=__doc__)
    reader.add_argument("captures", nargs="*", type=Path, help="capture files in place of all")
    reader.add_argument("--random", type=int, default=0, metavar="N", help="rules made from each capture's traffic")
    reader.add_argument("--seed", type=int, default=1, help="of the random rules")
    reader.add_argument("--keep", type=Path, help="a folder for captures and rules that stays")
    wanted = reader.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = wanted.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        comparison = Comparison(folder)
        for line in comparison.refused:
            print(f"refused by one side only: {line}")
        for keyword, count in sorted(comparison.unsupported.items()):
            print(f"{count} rules with {keyword} are not supported here")
        for path in wanted.captures or all_captures(folder):
            comparison.capture(path)
            if wanted.random:
                comparison.random(path, wanted.random, wanted.seed)
        for name in comparison.unreadable:
            print(f"{name}: Suricata cannot read it")
        for line in comparison.table.differences + comparison.chance.differences:
            print(line)
        print(comparison.table.text())
        if not wanted.captures:
            for exemption in EXEMPTIONS:  # per exemption
                if exemption not in comparison.table.needed | comparison.chance.needed:
                    print(f"not needed: {exemption.captures}: {exemption.reason}")
        if wanted.random:
            print("rules made from traffic:", comparison.chance.text(), sep="\n")
    return bool(comparison.refused or comparison.table.differences or comparison.chance.differences)


if __name__ == "__main__":
    sys.exit(main())
