"""One comparison over many captures: rules are loaded once by us and written once for Suricata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from detector.capture import open_source
from detector.rules.model import Ruleset
from tests.conftest import captures_folder
from tests.differential.suricata.captures import CAPTURES, frames_of
from tests.differential.suricata.compare import Table, load_ours, ours, refused_by_suricata, theirs
from tests.differential.suricata.generator import Maker, Payload, payload_of
from tests.differential.suricata.program import UnreadableCapture
from tests.differential.suricata.rules import all_rules, keywords_of, text_of
from tests.runs import SCENARIOS

MOST_PACKETS = 3000  # of a capture, that rules are made from
RULE = re.compile(r"alert (?P<header>[^(]+?) ?\((?P<options>.*)\)\s*$")
SID = re.compile(r"sid: ?(\d+);")
Compared = dict[int, tuple[str, str, list[str]]]


def built_capture(name: str, folder: Path) -> Path:
    """A capture of captures.py as a file."""
    return frames_of(name).write(folder / f"{name}.pcap")


def all_captures(folder: Path) -> Iterator[Path]:
    """Built, shipped and real captures."""
    yield from (built_capture(name, folder) for name in CAPTURES)
    yield from sorted(SCENARIOS.glob("*/capture.pcap"))
    if (real := captures_folder()) is not None:
        yield from sorted(path for path in real.rglob("*.pcap*") if path.is_file())


def quickdraw() -> list[str]:
    """The Quickdraw rules, where they are."""
    folder = captures_folder()
    if folder is None:
        return []
    lines = (folder / "quickdraw" / "all-quickdraw.rules").read_text("latin-1").splitlines()
    return [line for line in lines if line.startswith("alert")]


def sids_of(lines: list[str]) -> Compared:
    """{sid: (header, options, keywords)} of rules as text."""
    found: Compared = {}
    for line in lines:
        if (rule := RULE.match(line)) is not None and (sid := SID.search(line)) is not None:
            header, options = rule["header"], rule["options"] + " "
            found.setdefault(int(sid[1]), (header, options, keywords_of(header, options)))
    return found


def payloads_of(capture: Path) -> list[Payload]:
    """The payloads of the first packets of a capture."""
    batch = next(iter(open_source([str(capture)], batch_packets=MOST_PACKETS).batches()), None)
    if batch is None:
        return []
    frames = (batch.buffer[start:stop].tobytes() for start, stop in zip(batch.starts, batch.stops, strict=True))
    return [payload for frame in frames if (payload := payload_of(frame)) is not None]


class Comparison:
    """Our rules and the Quickdraw rules on both sides.

    refused: rules that one side takes for a mistake and the other does not. Those that Suricata refuses are compared in
    that only. unsupported: rules that we say we cannot do, by keyword.
    unreadable: captures of link types that Suricata does not know.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table, self.chance = Table(), Table()
        self.path = folder / "compared.rules"
        lines = [text_of(sid, rule) for sid, rule in all_rules().items()] + quickdraw()
        self.refused: list[str] = []
        self.unreadable: list[str] = []
        self.unsupported: Counter[str] = Counter()
        self.ruleset, kept = self.agreed(lines, self.path)
        self.rules = sids_of(kept)

    def agreed(self, lines: list[str], path: Path) -> tuple[Ruleset, list[str]]:
        """(our ruleset, the lines that both load)."""
        path.write_text("\n".join(lines) + "\n", "latin-1")
        not_theirs = refused_by_suricata(path, self.folder)
        ruleset = load_ours([path], self.folder)
        not_ours = {one.position.line: one for one in ruleset.refused}
        for line in sorted(not_theirs.keys() ^ not_ours.keys()):
            mine = not_ours.get(line)
            if mine is not None and mine.why == "unsupported":
                self.unsupported[mine.keyword] += 1
            else:
                reason = f"we: {mine.keyword}: {mine.reason}" if mine else f"Suricata: {not_theirs[line]}"
                self.refused.append(f"line {line}: {reason}: {lines[line - 1]}")
        left = not_theirs.keys() | not_ours.keys()
        return ruleset, [line for number, line in enumerate(lines, 1) if number not in left]

    def capture(self, path: Path) -> None:
        """Compares all rules on a capture."""
        name = path.parent.name + "/" + path.name if path.name == "capture.pcap" else path.name
        try:
            their = [seen for seen in theirs(path, self.path, self.folder) if seen.sid in self.rules]
        except UnreadableCapture:
            self.unreadable.append(name)
            return
        mine = [seen for seen in ours(path, self.ruleset) if seen.sid in self.rules]
        self.table.add(name, self.rules, mine, their)

    def random(self, path: Path, count: int, seed: int) -> None:
        """Compares rules made from a capture's traffic on that capture."""
        lines = list(Maker(payloads_of(path), seed).rules(count).values())
        if lines:
            rules = self.folder / "random.rules"
            ruleset, kept = self.agreed(lines, rules)
            named = sids_of(kept)
            mine = [seen for seen in ours(path, ruleset) if seen.sid in named]
            their = [seen for seen in theirs(path, rules, self.folder) if seen.sid in named]
            self.chance.add(path.name, named, mine, their)
