"""The one decorator of compiled loops, where their machine code is kept, and how they are imported late.

A kernel is a plain Python loop over packets, PDUs or objects that Numba compiles: it takes arrays, fills arrays, calls
only other kernels. Bounds checks stay on in production, since these bytes are an attacker's. NUMBA_DISABLE_JIT=1 runs
the same code as ordinary Python; to mean the same in both, a byte is widened as it is loaded: `int(buffer[i])`.

Numba does not notice when a kernel that is called from another file changes, so the cache folder is named after a hash
of all kernel sources and of the versions that compile them. Kernels lie in modules named `*_kernels.py`.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

PACKAGE = Path(__file__).parent
Loop = TypeVar("Loop", bound=Callable[..., Any])
OPTIONS = {"cache": True, "nogil": True, "_nrt": False, "forceinline": True}


def kernel_files() -> list[Path]:
    """Every source file whose change must make the compiled kernels anew."""
    return [Path(__file__), *sorted(PACKAGE.rglob("*_kernels.py"))]


def cache_folder() -> Path:
    """Folder of this build's compiled kernels, below DETECTOR_CACHE or the user's cache folder."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {version('numba')} {version('numpy')}".encode())
    for path in kernel_files():
        digest.update(path.read_bytes())
    return cache_root() / f"kernels-{digest.hexdigest()[:16]}"


def cache_root() -> Path:
    """Folder of everything that is kept to start faster: DETECTOR_CACHE, or below the user's cache folder."""
    given = os.environ.get("DETECTOR_CACHE")
    return Path(given) if given else Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "detector"


@cache
def _njit() -> Callable[..., Any]:
    """Numba's njit with its cache folder set, imported when the first kernel module is."""
    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_folder()))
    return import_module("numba").njit  # type: ignore[no-any-return]


def kernel(loop: Loop) -> Loop:
    """The loop compiled by Numba: cached on disk, with bounds checks, without the interpreter lock.

    And without Numba's reference counts (`_nrt`): a kernel allocates no array, and counting those it was handed up and
    down at each call of another kernel took more than half of all time. Slices that would need a copy do not compile.
    A kernel that another one calls becomes part of it (`forceinline`): handing arrays over costs more than small parts
    do. Decoding took 102 ns a packet with neither, 98 without counts, 49 with both (tests/bench, stages).
    """
    return _njit()(**OPTIONS, boundscheck=True)(loop)  # type: ignore[no-any-return]


def unchecked(loop: Loop) -> Loop:
    """A kernel without bounds checks, for a loop whose whole range its caller has checked: that makes it vector code.

    Copying 1,400 bytes takes 2,000 ns with a check at each byte and 110 without. bytes_kernels alone has such loops.
    """
    return _njit()(**OPTIONS, boundscheck=False)(loop)  # type: ignore[no-any-return]


class Kernels:
    """A kernel module that is imported at its first use, so that commands that decode nothing never load Numba."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__[name] = getattr(import_module(self._module), name)
        return found
