"""Settings from YAML: every kind read, every mistake placed, secrets never shown, the schema agreeing with the reader."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from detector.errors import InputError, InputErrors
from detector.service.settings_reader import read_settings, schema_of, shown, written_as
from detector.settings import Secret, setting


@dataclass(frozen=True)
class Inner:
    """A section."""

    host: str = setting("text", "where to")
    wait: int = setting("span", "how long", 10 * 10**9, least=10**9, most=3600 * 10**9)


@dataclass(frozen=True)
class Other:
    """Another."""

    path: str = setting("path", "which file")


@dataclass(frozen=True)
class Sample:
    """One setting of each kind."""

    sensor: str = setting("text", "name", "")
    mode: str = setting("text", "how", "fast", choices=("fast", "slow"))
    count: int = setting("number", "how many", 1, least=1, most=8)
    share: float = setting("ratio", "which part", 0.5)
    on: bool = setting("flag", "whether", False)
    room: int = setting("size", "how much", 2**20, least=4096)
    listen: tuple[str, int] = setting("address", "where", ("127.0.0.1", 9108))
    nets: tuple[str, ...] = setting("texts", "networks", ())
    files: tuple[str, ...] = setting("paths", "files", ())
    names: dict[str, str] = setting("table", "names", {})
    long: int = setting("span", "how long it is kept", 365 * 86400 * 10**9, least=10**9)
    key: Secret | None = setting("secret", "a key", None)
    users: dict[str, Secret] = setting("secrets", "users", {})
    inner: Inner | None = setting("section", "a section", None, of=Inner)
    many: tuple[Any, ...] = setting("variants", "several", (), among={"inner": Inner, "other": Other})

    def mistakes(self) -> Iterator[tuple[str, str, str]]:
        """A check over several settings."""
        if self.mode == "slow" and self.count > 4:
            yield "count", "slow allows at most 4", "count: 4"


def read(text: str, folder: Path, **environment: str) -> Sample:
    path = folder / "detector.yml"
    path.write_text(text)
    return read_settings(path, Sample, environment)


def test_every_kind_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    made = read(
        """
sensor: plant-a
mode: slow
count: 0x4
share: 0.25
on: yes
room: 64 KB
listen: "[::1]:80"
nets: [10.0.0.0/8, 192.168.0.0/16]
files: a.txt
names: {MASTERS: [10.0.0.1, 10.0.0.2], RANGE: 0..99}
long: 730d
key: {file: key}
users: {anna: {env: ANNA}, otto: plain}
inner: {host: h, wait: 5m}
many:
  - other: {path: /x}
  - inner: {host: i}
""",
        tmp_path,
        ANNA="a",
    )
    assert made == Sample(
        sensor="plant-a", mode="slow", count=4, share=0.25, on=True, room=65536, listen=("::1", 80),
        nets=("10.0.0.0/8", "192.168.0.0/16"), files=(str(tmp_path / "a.txt"),),
        names={"MASTERS": "10.0.0.1,10.0.0.2", "RANGE": "0..99"}, long=730 * 86400 * 10**9, key=Secret("s3cret"),
        users={"anna": Secret("a"), "otto": Secret("plain")}, inner=Inner("h", 300 * 10**9),
        many=(Other("/x"), Inner("i")),
    )  # fmt: skip
    assert made.key is not None and made.key.reveal() == "s3cret"
    assert "s3cret" not in repr(made) and "plain" not in repr(made)
    text = yaml.safe_dump(shown(made))
    assert "s3cret" not in text and "plain\n" not in text
    assert shown(made)["inner"] == {"host": "h", "wait": "5m"}
    assert shown(made)["listen"] == "[::1]:80"


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert read("", tmp_path) == Sample() == read("# nothing\n", tmp_path)


# the file -> line:column of the mistake, what is said, the hint
WRONG = {
    "sensr: x": ("1:1", "unknown key 'sensr' in the configuration", "did you mean sensor?"),
    "sensor: x\nsensor: y": ("2:1", "'sensor' is given twice", "the first is on line 1: keep one of them"),
    "mode: fats": ("1:7", "mode cannot be 'fats'", "did you mean fast?"),
    "count: many": ("1:8", "count must be a whole number, not 'many'", "for example 1"),
    "count: 9": ("1:8", "count must be at most 8, not 9", "for example 1"),
    "count: [1]": ("1:8", "count must be one value", "for example count: 1"),
    "share: much": ("1:8", "share must be a number of a sensible size, not 'much'", "for example 0"),
    "on: maybe": ("1:5", "on must be true or false, not 'maybe'", "write true or false"),
    "room: 12 parsecs": ("1:7", "room must be a size, not '12 parsecs'", "a number and a unit: 64KB, 16MB, 1GB"),
    "room: 12": ("1:7", "room must be at least 4KB, not 12", "for example 1MB"),
    "listen: a:b": ("1:9", "listen must be host:port, not 'a:b'", "for example 127.0.0.1:9108, [::1]:9108 or 9108"),
    "listen: 1:70000": ("1:9", "listen must be host:port, not '1:70000'", "for example 127.0.0.1:9108, [::1]:9108 or 9108"),
    "nets: {a: b}": ("1:7", "nets must be one value", "for example nets: some words"),
    "key: {}": ("1:6", "key must name one place", "write {file: PATH} or {env: NAME}"),
    "key: {env: NOPE}": ("1:12", "key: the environment has no NOPE", "set it for the daemon, or use {file: PATH}"),
    "inner: {}": ("1:8", "inner has no 'host'", "add a line host: ..."),
    "inner: {host: h, wait: 5}": ("1:24", "inner.wait must be a duration, not '5'", "a number and a unit: 500ms, 30s, 10m, 2h, 7d"),
    "inner: {host: h, wait: 5ms}": ("1:24", "inner.wait must be at least 1s, not 5ms", "for example 1s"),
    "long: 1ms": ("1:7", "long must be at least 1s, not 1ms", "for example 1s"),
    "long: 5300w": ("1:7", "long must be at most 36500d, not 5300w", "for example 1s"),
    "inner: {host: h, wait: 2h}": ("1:24", "inner.wait must be at most 1h, not 2h", "for example 1s"),
    "many: {inner: {host: h}}": ("1:7", "many must be a list", "write - inner: ... on lines of their own"),
    "many: [{iner: {}}]": ("1:9", "unknown key 'iner' in an entry of many", "did you mean inner?"),
    "mode: slow\ncount: 5": ("2:8", "slow allows at most 4", "count: 4"),
    "sensor: a\n---\nsensor: b": ("3:1", "a second document", "a configuration is one YAML document: remove the ---"),
    "sensor: ''": ("1:9", "sensor is empty", "for example sensor: some words, or leave the line out"),
}  # fmt: skip


@pytest.mark.parametrize("text", WRONG)
def test_mistakes_are_placed_and_say_what_to_do(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputErrors) as raised:
        read(text, tmp_path)
    (error,) = raised.value.errors
    at = error.position
    assert at is not None
    assert (f"{at.line}:{at.column}", error.problem, error.hint) == WRONG[text]


def test_all_mistakes_come_at_once_in_their_order(tmp_path: Path) -> None:
    with pytest.raises(InputErrors) as raised:
        read("count: x\nmode: y\ninner: {hos: z}\n", tmp_path)
    assert [error.position.line for error in raised.value.errors if error.position] == [1, 2, 3, 3]


def test_a_secret_file_that_cannot_be_read_is_a_mistake_at_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, why in (("missing", "No such file"), ("empty", "is empty"), ("binary", "is no short text")):
        with pytest.raises(InputErrors, match=why) as raised:
            read(f"key: {{file: {name}}}", tmp_path)
        assert raised.value.errors[0].position is not None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_settings(tmp_path / "none.yml", Sample, {})


def test_numbers_are_written_as_people_do() -> None:
    assert [written_as(n, "span") for n in (0, 5 * 10**8, 90 * 10**9, 3600 * 10**9)] == ["0ms", "500ms", "90s", "1h"]
    assert [written_as(n, "size") for n in (0, 1000, 65536, 2**30)] == ["0B", "1000B", "64KB", "1GB"]


def test_what_the_schema_allows_the_reader_allows(tmp_path: Path) -> None:
    """An editor that follows the schema must not call wrong what the daemon takes, nor let a misspelt key pass."""
    check = jsonschema.Draft202012Validator(schema_of(Sample))
    check.check_schema(schema_of(Sample))
    fine = {
        "sensor": "a",
        "mode": "slow",
        "room": "64KB",
        "listen": 80,
        "key": {"env": "A"},
        "many": [{"other": {"path": "x"}}],
    }
    assert not list(check.iter_errors(fine))
    for wrong in ({"sensr": 1}, {"mode": "fats"}, {"count": 99}, {"key": {}}, {"many": [{"iner": {}}]}, {"inner": {}}):
        assert list(check.iter_errors(wrong)), wrong
