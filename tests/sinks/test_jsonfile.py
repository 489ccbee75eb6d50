"""The file of JSON lines: every alert once, over crashes, full disks and rotation by us or by logrotate."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.sinks.destination import Record, Unavailable
from detector.sinks.jsonfile import JsonFile, JsonFileSettings
from tests.sinks.spooled import Keeping, defaults_within_bounds, ids, numbered, record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.jsonl"


@pytest.fixture
def file(path: Path) -> Iterator[JsonFile]:
    made = JsonFile(JsonFileSettings(str(path)))
    yield made
    made.close()


def ids_in(path: Path) -> list[str]:
    return [json.loads(line)["event"]["id"] for line in path.read_bytes().splitlines()]


def test_alerts_are_appended_to_what_is_there(path: Path, file: JsonFile) -> None:
    path.write_bytes(record(100).body + b"\n")
    assert file.deliver(numbered(3), is_resent=False).delivered == 3
    file.deliver(numbered(2, 3), is_resent=False)
    assert ids_in(path) == ["id-100", *ids(numbered(5))]


def test_a_resend_writes_what_is_not_there(path: Path, file: JsonFile) -> None:
    file.deliver(numbered(3), is_resent=False)
    assert file.deliver(numbered(5), is_resent=True).delivered == 5
    assert ids_in(path) == ids(numbered(5))


def test_a_resend_after_a_rotation_looks_into_the_renamed_files(path: Path, file: JsonFile) -> None:
    file.deliver(numbered(3), is_resent=False)
    path.rename(path.with_name("alerts.jsonl-20260101"))
    file.reopen()
    file.deliver(numbered(3, 3), is_resent=False)
    path.rename(path.with_name("alerts.jsonl.1"))
    path.with_name("alerts.jsonl.2.gz").write_bytes(b"packed")
    file.reopen()
    file.deliver(numbered(7), is_resent=True)
    assert ids_in(path) == ["id-6"]


def test_only_an_alert_s_own_id_counts(path: Path, file: JsonFile) -> None:
    """Not one that another alert speaks of."""
    file.deliver([Record("a", b'{"event":{"id":"a"},"related":["id-0"],"x":{"event":{"id":"id-0"}}}')], is_resent=False)
    file.deliver(numbered(1), is_resent=True)
    assert ids_in(path) == ["a", "id-0"]


@pytest.mark.parametrize("cut", range(1, len(record(2).body) + 1, 3))
def test_an_unfinished_line_is_taken_back(cut: int, path: Path, file: JsonFile) -> None:
    """Torn anywhere by a crash, then sent again: three lines, each whole."""
    whole = b"".join(one.body + b"\n" for one in numbered(3))
    path.write_bytes(whole[:-cut])
    file.deliver(numbered(3), is_resent=True)
    assert ids_in(path) == ids(numbered(3))


def test_a_whole_last_line_without_newline_stays(path: Path, file: JsonFile) -> None:
    path.write_bytes(record(0).body)
    file.deliver(numbered(2, 1), is_resent=False)
    assert ids_in(path) == ids(numbered(3))


def test_text_of_others_is_not_cut(path: Path, file: JsonFile) -> None:
    path.write_bytes(b"a note")
    file.deliver(numbered(1), is_resent=False)
    assert path.read_bytes() == b"a note\n" + record(0).body + b"\n"


def test_it_is_rotated_by_size_and_the_oldest_go(path: Path) -> None:
    size = len(record(100, 100).body) + 1
    file = JsonFile(JsonFileSettings(str(path), rotate=4 * size, keep=2))
    for number in range(100, 120):
        file.deliver([record(number, 100)], is_resent=False)
    file.close()
    names = sorted(other.name for other in path.parent.iterdir())
    assert names == ["alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2"]
    assert [number for name in reversed(names) for number in ids_in(path.parent / name)] == ids(numbered(12, 108))
    assert all((path.parent / name).stat().st_size == 4 * size for name in names)


@pytest.mark.parametrize("is_told", [True, False])
def test_logrotate_may_take_the_file_away(is_told: bool, path: Path, file: JsonFile) -> None:
    """With SIGHUP, and without: alerts never go to a file that has no name."""
    file.deliver(numbered(2), is_resent=False)
    path.rename(path.with_name("old"))
    if is_told:
        file.reopen()
    file.deliver(numbered(2, 2), is_resent=False)
    path.unlink()
    file.deliver(numbered(2, 4), is_resent=False)
    assert ids_in(path.with_name("old")) == ["id-0", "id-1"] and ids_in(path) == ["id-4", "id-5"]


def test_what_cannot_be_written_is_said_and_tried_again(path: Path) -> None:
    file = JsonFile(JsonFileSettings(str(path.parent / "none" / "alerts.jsonl")))
    with pytest.raises(Unavailable, match="No such file") as failure:
        file.deliver(numbered(2), is_resent=False)
    assert failure.value.cause == "io"
    (path.parent / "none").mkdir()
    file.deliver(numbered(2), is_resent=True)
    assert ids_in(path.parent / "none" / "alerts.jsonl") == ids(numbered(2))
    file.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
def test_a_full_disk_is_a_failure_of_io() -> None:
    file = JsonFile(JsonFileSettings("/dev/full", sync=False))
    with pytest.raises(Unavailable) as failure:
        file.deliver(numbered(1), is_resent=False)
    assert failure.value.cause == "io"
    file.close()


def test_other_users_cannot_read_it(path: Path, file: JsonFile) -> None:
    file.deliver(numbered(1), is_resent=False)
    assert os.stat(path).st_mode & 0o7 == 0


def test_settings_have_defaults_that_they_allow() -> None:
    assert defaults_within_bounds(JsonFileSettings) and Keeping().batch
