"""Cache files: read only where nobody else could have written them, and never half of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.cache import read_own, write_own


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "below" / "kept"
    assert write_own(path, b"content")
    assert read_own(path) == b"content"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["kept"], "nothing is left beside it"


def test_a_file_for_others_to_read(tmp_path: Path) -> None:
    assert write_own(tmp_path / "kept", b"content", mode=0o644)
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o644
    assert read_own(tmp_path / "kept") == b"content"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_read(tmp_path: Path, mode: int) -> None:
    write_own(tmp_path / "kept", b"content")
    (tmp_path / "kept").chmod(mode)
    assert read_own(tmp_path / "kept") is None


def test_nor_one_in_a_folder_that_others_may_write(tmp_path: Path) -> None:
    write_own(tmp_path / "below" / "kept", b"content")
    (tmp_path / "below").chmod(0o777)
    assert read_own(tmp_path / "below" / "kept") is None


def test_nor_a_link_or_no_file(tmp_path: Path) -> None:
    write_own(tmp_path / "kept", b"content")
    (tmp_path / "link").symlink_to(tmp_path / "kept")
    assert read_own(tmp_path / "link") is None
    assert read_own(tmp_path / "nowhere") is None
    assert read_own(tmp_path) is None


def test_a_folder_that_cannot_be_made_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not write_own(tmp_path / "file" / "kept", b"content")
