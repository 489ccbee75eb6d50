"""Folders of captures: which files are captures, in which order, and what cannot be read is never passed over in silence."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest

from detector.capture.directory import expand, looks_like_capture
from detector.errors import InputError
from tests.pcapng import blocks, section
from tests.runs import pcap_bytes

CAPTURE = pcap_bytes([(1, b"x" * 20)])


def names(found: list[str], folder: Path) -> list[str]:
    return [str(Path(path).relative_to(folder)) for path in found]


def test_captures_by_content_in_the_order_of_names(tmp_path: Path) -> None:
    """To the bottom; texts, tables, and compressed files that are something else stay out."""
    for name, content in {
        "b": CAPTURE, "a.pcap": CAPTURE, "deep/er/c.bin": blocks(section()), "d.pcap.gz": gzip.compress(CAPTURE), "e.cap.gz": gzip.compress(CAPTURE),
        "log.txt": b"a text", "logs.gz": gzip.compress(b"a text"), "empty.pcap": b"", ".hidden.pcap": CAPTURE, "short": CAPTURE[:3],
    }.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert names(expand([str(tmp_path)]), tmp_path) == [
        ".hidden.pcap",
        "a.pcap",
        "b",
        "d.pcap.gz",
        "deep/er/c.bin",
        "e.cap.gz",
    ]


def test_files_that_are_named_are_taken_as_they_are(tmp_path: Path) -> None:
    """The reader says what is wrong with them."""
    (tmp_path / "notes.txt").write_text("a text")
    assert expand([str(tmp_path / "notes.txt"), "-"]) == [str(tmp_path / "notes.txt"), "-"]


def test_each_once_in_the_order_of_its_first_mention(tmp_path: Path) -> None:
    one, other = tmp_path / "a.pcap", tmp_path / "b.pcap"
    for path in (one, other):
        path.write_bytes(CAPTURE)
    (tmp_path / "c.pcap").symlink_to(other)
    assert expand(["-", str(other), str(tmp_path), "-", f"{tmp_path}/./b.pcap"]) == ["-", str(other), str(one)]


@pytest.mark.parametrize("make", ["nothing", "empty", "texts"])
def test_what_holds_no_capture_is_refused(make: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    if make != "nothing":
        folder.mkdir()
    if make == "texts":
        (folder / "a.txt").write_text("a text")
    with pytest.raises(InputError) as refused:
        expand([str(folder)])
    said = "no such file or folder" if make == "nothing" else "no capture in this folder"
    assert refused.value.problem == f"{folder}: {said}"


def test_a_link_to_nowhere_and_a_loop_of_links(tmp_path: Path) -> None:
    (tmp_path / "a.pcap").write_bytes(CAPTURE)
    (tmp_path / "gone.pcap").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert names(expand([str(tmp_path)]), tmp_path) == ["a.pcap"]


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    """Opening a pipe without a writer would wait for ever."""
    os.mkfifo(tmp_path / "b.pcap")
    (tmp_path / "a.pcap").write_bytes(CAPTURE)
    assert names(expand([str(tmp_path)]), tmp_path) == ["a.pcap"]


def test_what_may_not_be_read_and_is_called_like_a_capture_is_one(tmp_path: Path) -> None:
    """Left out of a folder in silence it would be traffic that nobody looked at: so the reader refuses it."""
    for name in ("a.pcap", "secret.pcapng", "secret.txt"):
        (tmp_path / name).write_bytes(CAPTURE)
    for name in ("secret.pcapng", "secret.txt"):
        (tmp_path / name).chmod(0)
    program = f"from detector.capture.directory import expand; print(*expand([{str(tmp_path)!r}]), sep='\\n')"
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"] if os.geteuid() == 0 else []
    done = subprocess.run([*drop, sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert names(done.stdout.split(), tmp_path) == ["a.pcap", "secret.pcapng"]


def test_a_file_that_went_away_is_none(tmp_path: Path) -> None:
    assert not looks_like_capture(str(tmp_path / "gone"))
