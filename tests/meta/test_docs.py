"""The reference pages say what the code says: they are written anew and compared, byte for byte."""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pytest

from detector.cli.main import COMMANDS
from detector.protocols import PROTOCOLS
from detector.protocols.fields import FIELDS
from tests.runs import ROOT

PAGES = (
    *(f"protocols/{protocol.name}.md" for protocol in PROTOCOLS),
    "fields.md",
    "rule-keys.md",
    "commands.md",
    "anomalies.md",
    "ics.md",
    "configuration.md",
    "metrics.md",
    "dashboards.md",
)


@cache
def builder() -> ModuleType:
    """docs/build.py."""
    spec = spec_from_file_location("docs_build", ROOT / "docs" / "build.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    """A field, key, option or anomaly that is added, changed or gone without `make docs` would leave readers behind."""
    kept, made = (ROOT / "docs" / name).read_text(encoding="utf-8"), builder().PAGES[name]()
    diff = difflib.unified_diff(kept.splitlines(True), made.splitlines(True), f"docs/{name}", "from the code", n=0)
    assert kept == made, f"run: make docs (python docs/build.py)\n{''.join(list(diff)[:30])}"


def test_every_page_is_compared() -> None:
    assert tuple(builder().PAGES) == PAGES


def test_pages_name_everything() -> None:
    """The builder itself could forget: fields and commands are counted."""
    pages = [ROOT / "docs" / "fields.md", *(ROOT / "docs" / "protocols").glob("*.md")]
    told = {
        name
        for path in pages
        for name in re.findall(r"^\| `([^`]+)` \|", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert set(FIELDS) <= told
    assert {path.stem for path in pages[1:]} == {protocol.name for protocol in PROTOCOLS}
    commands = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.findall(r"^## detector ([\w-]+)$", commands, re.MULTILINE) == list(COMMANDS)


def test_what_has_no_meaning_stops_the_builder() -> None:
    """A new key or anomaly cannot slip by without a line for people; nor can a line outlive what it tells of."""
    module = builder()
    with pytest.raises(SystemExit, match="say in a line what the key 'b' means"):
        list(module.explained(["a", "b"], {"a": "x"}, "the key"))
    with pytest.raises(SystemExit, match="the key b is no longer there"):
        list(module.explained(["a"], {"a": "x", "b": "y"}, "the key"))
