"""Rules kept on disk: the same rules, made anew when anything has changed, and nothing that cannot be trusted is read."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Sequence
from pathlib import Path

import pytest

from detector.detect.engine import Engine
from detector.rules import rule_cache
from detector.rules.keywords import Context
from detector.rules.model import Ruleset
from detector.rules.packed import LENGTH
from detector.rules.rule_cache import Make
from detector.rules.shares import Made, make_pieces
from detector.rules.suricata import Loaded

RULES = """alert tcp any any -> $HOME_NET 80 (msg:"one"; content:"a"; nocase; offset:2; pcre:"/x+/i"; classtype:misc-attack; sid:1; rev:2;)
alert tcp any any -> any any (msg:"two"; ttl:5; flowbits:set,x; byte_test:1,>,5,0; sid:2;)
alert tcp any any -> any any (content:"a"; http.uri; sid:3;)
"""


class Maker:
    """Counts how often rules are made."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, paths: Sequence[Path], context: Context) -> dict[Path, Made]:
        self.count += len(paths)
        return make_pieces(paths, context)


def cached(path: Path, context: Context, make: Make) -> Loaded:
    found = rule_cache.cached([path], context, make)[path]
    assert isinstance(found, Loaded)
    return found


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.rules"
    path.write_text(RULES)
    return path


def kept(path: Path) -> Path:
    (file,) = (path.parent / "cache" / "rules").iterdir()
    return file


def test_the_second_time_they_come_from_disk_and_are_the_same(rules: Path) -> None:
    make, context = Maker(), Context({"HOME_NET": "10.0.0.0/8"})
    first, second = (cached(rules, context, make) for _ in range(2))
    assert make.count == 1 and first == second and len(first.rules) == 2 and len(first.refused) == 1
    assert [rule.source for rule in first.rules] == [rule.source for rule in second.rules]
    assert first.rules[0].position.text == second.rules[0].position.text
    assert str(first.refused[0].error()) == str(second.refused[0].error())


def test_what_they_are_made_of_makes_them_anew(rules: Path, tmp_path: Path) -> None:
    make = Maker()
    cached(rules, Context({"HOME_NET": "10.0.0.0/8"}), make)
    for context in (
        Context({"HOME_NET": "10.0.0.0/9"}),
        Context({}),
        Context({}, {"misc-attack": ("x", 1)}),
        Context({}, {}, {"cve": "x"}),
    ):
        before = make.count
        cached(rules, context, make)
        assert make.count == before + 1
    rules.write_text(RULES.replace("rev:2", "rev:3"))
    assert cached(rules, Context({}), make).rules[0].signature.rev == 3  # type: ignore[union-attr]
    other = tmp_path / "b.rules"
    other.write_text(RULES)
    assert cached(other, Context({}), make).rules[0].position.path == str(other)


def test_a_list_that_a_rule_names_makes_it_anew(rules: Path, tmp_path: Path) -> None:
    listed = tmp_path / "names.lst"
    listed.write_text("YQ==\n")
    rules.write_text("alert tcp any any -> any any (tcp.hdr; dataset:isset,names,type string,load names.lst; sid:1;)\n")
    context = Context(folder=tmp_path)
    first = rule_cache.name_of(rules, context)
    listed.write_text("Yg==\n")
    assert rule_cache.name_of(rules, context) != first


@pytest.mark.parametrize("broken", [b"", b"nonsense", b"\x00" * 100, "cut", "flipped"])
def test_a_broken_file_is_made_anew(rules: Path, broken: bytes | str) -> None:
    make, context = Maker(), Context({"HOME_NET": "any"})
    expected = cached(rules, context, make)
    data = kept(rules).read_bytes()
    if broken == "cut":
        broken = data[:-10]
    elif broken == "flipped":
        broken = data[:60] + bytes([data[60] ^ 1]) + data[61:]
    assert isinstance(broken, bytes)
    kept(rules).write_bytes(broken)
    assert cached(rules, context, make) == expected and make.count == 2
    assert kept(rules).read_bytes() == data


def test_a_file_that_others_can_write_is_not_trusted(rules: Path) -> None:
    make, context = Maker(), Context({})
    cached(rules, context, make)
    kept(rules).chmod(0o622)
    cached(rules, context, make)
    assert make.count == 2 and kept(rules).stat().st_mode & 0o022 == 0
    kept(rules).parent.chmod(0o777)
    cached(rules, context, make)
    assert make.count == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_not_trusted(rules: Path) -> None:
    make, context = Maker(), Context({})
    cached(rules, context, make)
    os.chown(kept(rules), 12345, 12345)
    cached(rules, context, make)
    assert make.count == 2


def test_a_link_is_not_followed(rules: Path, tmp_path: Path) -> None:
    make, context = Maker(), Context({})
    cached(rules, context, make)
    file = kept(rules)
    file.rename(tmp_path / "elsewhere")
    file.symlink_to(tmp_path / "elsewhere")
    cached(rules, context, make)
    assert make.count == 2


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


def test_a_pickle_of_anything_else_does_nothing(rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that lies where ours does, is ours, and has the right sum."""
    monkeypatch.chdir(tmp_path)
    make, context = Maker(), Context({})
    cached(rules, context, make)
    index = pickle.dumps(Evil())
    piece = len(index).to_bytes(LENGTH, "little") + index
    data = len(piece).to_bytes(LENGTH, "little") + piece
    kept(rules).write_bytes(hashlib.sha256(data).digest() + data)
    cached(rules, context, make)
    assert make.count == 2 and not (tmp_path / "evil").exists()


def test_a_folder_that_cannot_be_written_is_no_mistake(rules: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file in the folder's place")
    assert len(cached(rules, Context({}), Maker()).rules) == 2


def test_of_several_files_only_those_are_made_that_are_not_there(rules: Path, tmp_path: Path) -> None:
    """And what cannot be read stops no other, and is not kept."""
    make, context = Maker(), Context({"HOME_NET": "10.0.0.0/8"})
    cached(rules, context, make)
    other, none, broken = tmp_path / "b.rules", tmp_path / "none.rules", tmp_path / "c.rules"
    other.write_text('alert tcp any any -> any any (content:"b"; sid:9;)\n')
    broken.write_bytes(b"\xff\xfea\0")
    for _ in range(2):
        found = rule_cache.cached([none, other, rules, broken], context, make)
        assert list(found) == [none, other, rules, broken]
        assert "cannot be read" in str(found[none]) and "UTF-16" in str(found[broken])
        assert [len(found[path].rules) for path in (other, rules)] == [1, 2]  # type: ignore[union-attr]
    assert make.count == 1 + 3 + 2 and len(list(tmp_path.glob("cache/rules/*"))) == 2


def test_old_files_go(rules: Path) -> None:
    for number in range(rule_cache.MOST_FILES + 5):
        cached(rules, Context({"HOME_NET": f"10.0.0.{number}"}), make_pieces)
    assert len(list(rules.parent.glob("cache/rules/*"))) == rule_cache.MOST_FILES


def test_an_engine_needs_nothing_of_the_rest(rules: Path) -> None:
    """The time it takes to start with a large ruleset is the time that this would take for each rule."""
    rules.write_text(
        RULES.replace('content:"a"', 'content:"longer text"').replace("byte_test", 'content:"other text"; byte_test')
    )
    cached(rules, Context({"HOME_NET": "10.0.0.0/8"}), make_pieces)
    found = cached(rules, Context({"HOME_NET": "10.0.0.0/8"}), Maker()).rules
    assert len(found) == 2
    Engine(Ruleset(found))
    assert not any(is_read(rule, "position") or is_read(rule.signature, "inspections") for rule in found)
    assert found[0].position.line == 1 and is_read(found[0], "position")


def is_read(one: object, field: str) -> bool:
    try:
        getattr(type(one), field).__get__(one)  # the slot itself: it asks no shelf
    except AttributeError:
        return False
    return True
