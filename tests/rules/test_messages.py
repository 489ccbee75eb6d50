"""What a rule author reads when a rule is wrong: the whole message, kept beside each broken file in broken/.

DETECTOR_REFRESH=1 pytest tests/rules/test_messages.py      writes the messages anew; read the diff before you commit it
"""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import pytest

from detector.errors import InputError, InputErrors
from detector.rules.loader import load_rules
from tests.broken import check_message
from tests.runs import RULES

FOLDER = Path(__file__).parent / "broken"
FILES = sorted([*FOLDER.glob("*.yml"), *FOLDER.glob("*.rules")])


def mistakes(path: Path) -> list[InputError]:
    if path.suffix == ".rules":  # one rule stops no other
        return [one.error() for one in load_rules([path]).refused]
    with pytest.raises(InputErrors) as refused:
        load_rules([path])
    return list(refused.value.errors)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_message(path: Path) -> None:
    check_message(path, mistakes(path))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_mistake_has_its_place_and_a_hint(path: Path) -> None:
    """File, line, column, the source line with a mark under it, and what to do."""
    for error in mistakes(path):
        place = error.position
        assert place is not None and place.path == str(path) and place.line >= 1 and place.column >= 1, error
        assert error.hint, error
        lines = path.read_text(
            encoding="utf-8", errors="replace" if path.suffix == ".yml" else "surrogateescape"
        ).splitlines()
        if lines:
            assert place.text == lines[place.line - 1].rstrip(), error
            assert place.column <= len(place.text) + 1, error
            assert re.search(r"\n +\| +\^", str(error)), error


def test_there_are_sixty() -> None:
    assert len(FILES) >= 60


def changed(chosen: random.Random, text: str) -> str:
    """A rule file after a slip of the hand: characters or lines lost, doubled, swapped, or others in their place."""
    lines = text.splitlines(keepends=True)
    for _ in range(chosen.randrange(1, 4)):
        at = chosen.randrange(len(lines))
        match chosen.randrange(6):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[at])
            case 2:
                lines[at] = "  " + lines[at]
            case 3:
                lines[at] = lines[at].replace(":", "", 1)
            case 4:
                place = chosen.randrange(len(lines[at]))
                lines[at] = lines[at][:place] + chosen.choice("{}[]:,'\"|&*!%@#\t$()\\\x00é-~") + lines[at][place + 1 :]
            case _:
                place = chosen.randrange(len(lines[at]))
                lines[at] = lines[at][:place] + lines[at][place + 1 :]
        lines = lines or ["\n"]
    return "".join(lines)


def test_no_rule_text_ends_in_a_traceback(tmp_path: Path) -> None:
    """Shipped rules with slips in them load or are refused with positions; nothing else is ever raised."""
    seed = int(os.environ.get("DETECTOR_SEED", random.SystemRandom().randrange(2**31)))
    print(f"DETECTOR_SEED={seed}")
    chosen = random.Random(seed)
    texts = [path.read_text() for path in sorted(RULES.rglob("*.yml"))]
    refused = 0
    path = tmp_path / "rule.yml"
    for _ in range(1200):
        path.write_text(changed(chosen, chosen.choice(texts)), encoding="utf-8")
        try:
            load_rules([path])
        except InputErrors as errors:
            refused += 1
            assert all(error.position and error.hint for error in errors.errors), str(errors)
    assert refused > 300
