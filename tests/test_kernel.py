"""The decorator of compiled loops: bounds checks are on, and machine code is kept where its sources say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core.event import install_recorder

from detector import kernel
from detector.arena import make_arena
from detector.arena_kernels import equal_blocks, free_blocks, load_blocks, store_blocks
from detector.bytes_kernels import be16, be32, copy_bytes, find_byte, le16, le32, u8

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize("at", [-5, 4, 5, 1 << 40])
def test_bounds_checks_are_on(at: int) -> None:
    """These bytes are an attacker's: an offset beyond the buffer is an error of ours that is seen, not memory that is read."""
    with pytest.raises(IndexError):
        u8(np.zeros(4, np.uint8), at)


def test_numbers_are_widened_as_they_are_loaded() -> None:
    """A uint8 that wraps in NumPy and not in Numba would make two programs of one."""
    data = np.array([0xFF, 0xFE, 0xFD, 0xFC], np.uint8)
    assert (be16(data, 0), le16(data, 0), be32(data, 0), le32(data, 0)) == (0xFFFE, 0xFEFF, 0xFFFEFDFC, 0xFCFDFEFF)
    assert u8(data, 0) * 1000 == 255000


@pytest.mark.parametrize(
    ("start", "at", "length"), [(-1, 0, 4), (0, -1, 4), (7, 0, 4), (0, 5, 4), (1 << 40, 0, 4), (0, 0, 1 << 62)]
)
def test_a_copy_is_checked_as_a_whole(start: int, at: int, length: int) -> None:
    target = np.zeros(8, np.uint8)
    with pytest.raises(IndexError):
        copy_bytes(np.arange(10, dtype=np.uint8), start, target, at, length)
    assert not target.any()


def test_copies_and_searches_of_bytes() -> None:
    data, target = np.frombuffer(bytes(range(100)) + b"AbC", np.uint8), np.zeros(50, np.uint8)
    for length in range(48):
        target[:] = 255
        copy_bytes(data, 3, target, 1, length)
        assert target.tolist() == [255, *range(3, 3 + length), *[255] * (49 - length)]
    assert find_byte(data, 99, 103, ord("b"), ord("B")) == 101
    assert find_byte(data, 102, 103, ord("b"), ord("B")) == 103
    assert find_byte(data, 60, 20, 1, 2) == 20
    for start, stop in ((-1, 5), (100, 104)):
        with pytest.raises(IndexError):
            find_byte(data, start, stop, 250, 250)


def test_machine_code_of_other_sources_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba does not notice when a kernel that is called from another file changes: the folder's name does."""
    monkeypatch.setenv("DETECTOR_CACHE", str(tmp_path))
    before = kernel.cache_folder()
    assert before == kernel.cache_folder() and before.parent == tmp_path
    changed = tmp_path / "other_kernels.py"
    changed.write_text("# a change\n")
    monkeypatch.setattr(kernel, "kernel_files", lambda: [changed])
    assert kernel.cache_folder() != before


def test_constants_that_kernels_take_from_elsewhere_are_part_of_the_name(tmp_path: Path) -> None:
    """A column that moves in columns.py would leave kernels that write to where it was."""
    package = tmp_path / "detector"
    (package / "flows").mkdir(parents=True)
    sources = {
        "a_kernels.py": "from detector.flows.columns import (\n    Cell,\n)\n",
        "flows/columns.py": "import detector.sizes\nfrom detector.flows import places\n",
        "flows/__init__.py": "",
        "flows/places.py": "import json\n",
        "sizes.py": "",
        "other.py": "from detector import a_kernels\n",
    }
    for name, text in sources.items():
        (package / name).write_text(text)
    found = {path.relative_to(package).as_posix() for path in kernel.kernel_files(package) if package in path.parents}
    assert found == sources.keys() - {"other.py"}
    names = {path.name for path in kernel.kernel_files()}
    assert {"kernel.py", "columns.py", "rows.py", "state_kernels.py"} <= names and "engine.py" not in names


@kernel.kernel
def times(value, factor):  # type: ignore[no-untyped-def]
    return value * factor


@njit
def thirty(value):  # type: ignore[no-untyped-def]
    return times(value, 10) + times(value, 20)


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="nothing is compiled")
def test_a_constant_from_a_kernel_makes_no_kernel_of_its_own() -> None:
    """Warming took twice as long: marks of anomalies were compiled once for each anomaly."""
    with install_recorder("numba:compile") as recorder:
        assert thirty(7) == 210
    done = [event.data for _, event in recorder.buffer if event.is_start]
    assert [(one["dispatcher"].py_func.__name__, str(one["args"])) for one in done] == [
        ("thirty", "(int64,)"),
        ("times", "(int64, int64)"),
    ]


def test_commands_that_decode_nothing_never_load_numba() -> None:
    """`detector lint` in a pre-commit hook takes a moment, not a second."""
    program = "import sys; from detector.cli.main import main\ntry:\n main(['lint', 'rules'])\nexcept SystemExit: pass\nassert 'numba' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent.parent,
                          env={**os.environ}, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_byte_store_keeps_strings_and_gives_blocks_back() -> None:
    """Strings of any length, until there is no room; then a refusal, and room again for what was given back."""
    store = make_arena(2 * 4096, 2)
    data = np.arange(3000, dtype=np.uint64).astype(np.uint8)
    out = np.zeros(3000, np.uint8)
    first = store_blocks(store.blocks, store.links, store.meta, 1, data, 0, 1000)
    second = store_blocks(store.blocks, store.links, store.meta, 1, data, 1000, 3000)
    assert first >= 0 and second >= 0
    assert store_blocks(store.blocks, store.links, store.meta, 1, data, 0, 2000) == -1, "4096 bytes hold no 5000"
    load_blocks(store.blocks, store.links, first, 1000, out, 0)
    load_blocks(store.blocks, store.links, second, 2000, out, 1000)
    assert (out == data).all()
    assert equal_blocks(store.blocks, store.links, second, 700, data, 1700, 1300)
    assert not equal_blocks(store.blocks, store.links, second, 700, data, 1701, 1200)
    free_blocks(store.links, store.meta, 1, first)
    free_blocks(store.links, store.meta, 1, second)
    assert store.meta.tolist()[0] == [0, 16] and store.meta[1, 1] == 16, "the other pool has its own"
    assert store_blocks(store.blocks, store.links, store.meta, 1, data, 0, 3000) >= 0
