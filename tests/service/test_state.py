"""Checkpoints: what is written comes back; what is damaged, foreign or half written is refused; the old one stays."""

from __future__ import annotations

import os
import pickle
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import InputError
from detector.service.state import freeze, read


def sample() -> dict[str, Any]:
    sparse = np.zeros((1000, 128), np.int64)
    sparse[17, 3], sparse[999, 127] = 5, -1
    return {"sparse": sparse, "counts": Counter(a=1), "order": OrderedDict([(b"x", 1)]), "empty": np.zeros(0, np.uint8),
            "bools": np.array([True, False]), "clock": 12, "column": np.asfortranarray(np.arange(12).reshape(3, 4))}  # fmt: skip


def same(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray):
        return left.dtype == right.dtype and left.shape == right.shape and bool((left == right).all())
    return bool(left == right)


def test_what_is_written_comes_back_and_may_be_changed(tmp_path: Path) -> None:
    state = sample()
    freeze({"position": {"file": "a"}}, state).write(tmp_path / "c")
    header, found = read(tmp_path / "c")
    assert header == {"position": {"file": "a"}}
    assert found.keys() == state.keys()
    assert all(same(found[name], state[name]) for name in state)
    found["sparse"][0, 0] = 1


def test_a_frozen_state_does_not_change(tmp_path: Path) -> None:
    """The loop goes on while the file is written."""
    state = sample()
    frozen = freeze({}, state)
    state["sparse"][17, 3] = 6
    frozen.write(tmp_path / "c")
    assert read(tmp_path / "c")[1]["sparse"][17, 3] == 5


def test_damage_anywhere_is_found(tmp_path: Path) -> None:
    path = tmp_path / "c"
    freeze({"a": 1}, sample()).write(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 200)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        with pytest.raises(InputError, match=r"damaged|no checkpoint"):
            read(path)
        path.write_bytes(whole[:place])
        with pytest.raises(InputError, match=r"damaged|no checkpoint"):
            read(path)


def test_no_other_object_can_be_made(tmp_path: Path) -> None:
    """A checkpoint that an intruder rewrote must not run anything."""

    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path}/ran",)

    frozen = freeze({}, {})
    object.__setattr__(frozen, "body", pickle.dumps(Evil()))
    frozen.write(tmp_path / "c")
    with pytest.raises(InputError, match="no state has"):
        read(tmp_path / "c")
    assert not (tmp_path / "ran").exists()


def test_a_full_disk_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "c"
    freeze({"n": 1}, {}).write(path)
    (tmp_path / ".c.new").mkdir()  # what stands in the way of writing, also for root
    with pytest.raises(OSError):
        freeze({"n": 2}, {}).write(path)
    assert read(path)[0] == {"n": 1}


def test_none_is_no_mistake(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none")
