"""The one decorator of compiled loops, where their machine code is kept, and how they are imported late.

A kernel is a plain Python loop over packets, PDUs or objects that Numba compiles: it takes arrays, fills arrays, calls
only other kernels. Bounds checks stay on in production, since these bytes are an attacker's. NUMBA_DISABLE_JIT=1 runs
the same code as ordinary Python; to mean the same in both, a byte is widened as it is loaded: `int(buffer[i])`.

Numba does not notice when a kernel that is called from another file changes, or a constant that became part of it, so the
cache folder is named after a hash of all kernel sources, of every module they import, and of the versions that compile
them. Kernels lie in modules named `*_kernels.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

PACKAGE = Path(__file__).parent
IMPORT = re.compile(r"^(?:from|import) +([\w.]+)(?: +import +(\([^)]*\)|.*))?", re.MULTILINE)
Loop = TypeVar("Loop", bound=Callable[..., Any])
OPTIONS = {"nogil": True, "_nrt": False, "forceinline": True, "no_cfunc_wrapper": True}


def kernel_files(package: Path = PACKAGE) -> list[Path]:
    """Every source file whose change must make the compiled kernels anew: kernels, and all of the package that they import."""
    found = {Path(__file__), *package.rglob("*_kernels.py")}
    left = list(found)
    while left:
        new = imported(left.pop(), package) - found
        found |= new
        left += new
    return sorted(found)


def imported(path: Path, package: Path) -> set[Path]:
    """The modules of the package that a source file imports."""
    names: list[str] = []
    for module, taken in IMPORT.findall(path.read_text("utf-8")):
        names += [module, *(f"{module}.{name}" for name in re.findall(r"\w+", taken))]
    own = (package.parent.joinpath(*name.split(".")) for name in names if name.split(".")[0] == package.name)
    files = (file for each in own for file in (each.with_suffix(".py"), each / "__init__.py"))
    return {file for file in files if file.is_file()}


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


@cache
def _for_callers() -> type:
    """Numba's compiler, whose result is there for callers to take in alone: they optimize it, as part of themselves."""
    codegen, compiler = import_module("numba.core.codegen"), import_module("numba.core.compiler")

    class Library(codegen.JITCodeLibrary):  # type: ignore[name-defined, misc]
        """A kernel as LLVM's text, from which no machine code is made."""

        def _optimize_final_module(self) -> None:
            """Left to callers."""

        def _finalize_final_module(self) -> None:
            self._finalize_dynamic_globals()
            self._finalized = True

        def get_pointer_to_function(self, name: str) -> int:
            self._ensure_finalized()
            return 0

        @property
        def codegen(self) -> Library:
            """Asked for `set_env` alone."""
            return self

        def set_env(self, name: str, environment: object) -> None:
            """Python objects of a function, by its machine code's name: kernels have none."""

    class Compiler(compiler.Compiler):  # type: ignore[name-defined, misc]
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.state.library = Library(self.state.targetctx.codegen(), "kernel for callers")

    return Compiler


def kernel(loop: Loop) -> Loop:
    """The loop compiled by Numba: cached on disk, with bounds checks, without the interpreter lock.

    And without Numba's reference counts (`_nrt`): a kernel allocates no array, and counting those it was handed up and
    down at each call of another kernel took more than half of all time. Slices that would need a copy do not compile.
    A kernel that another one calls becomes part of it (`forceinline`): handing arrays over costs more than small parts
    do. Decoding took 102 ns a packet with neither, 98 without counts, 49 with both (tests/bench, stages).
    """
    return compiled(loop, True)


def part(loop: Loop) -> Loop:
    """A kernel that others call as it is: a large one with several callers, or one of many that a loop chooses from.

    Made part of each caller these would be compiled again at each place: EtherNet/IP's pieces took minutes.
    """
    return compiled(loop, True, {"forceinline": False})


def unchecked(loop: Loop) -> Loop:
    """A kernel without bounds checks, for a loop whose whole range its caller has checked: that makes it vector code.

    Copying 1,400 bytes takes 2,000 ns with a check at each byte and 110 without. bytes_kernels alone has such loops.
    """
    return compiled(loop, False)


def compiled(loop: Loop, is_checked: bool, own: Mapping[str, bool] = MappingProxyType({})) -> Loop:
    """The loop as Numba's, compiled at its first call.

    What other kernels call is a twin that takes constants for the numbers they are, and has no entry from Python or C, no
    place on disk, and no machine code of its own (`_for_callers`). Left alone, Numba compiles a kernel anew for each
    constant that it is called with, and makes all of these for each: the kernels of decoding take 1.7 times as long.
    """
    make = _njit()
    options = {**OPTIONS, **own}
    made = make(**options, cache=True, boundscheck=is_checked)(loop)
    if hasattr(made, "get_call_template"):  # not with NUMBA_DISABLE_JIT
        twin = make(**options, no_cpython_wrapper=True, boundscheck=is_checked, pipeline_class=_for_callers())(loop)
        plain = import_module("numba").types.unliteral
        made.get_call_template = lambda args, named: twin.get_call_template(
            tuple(map(plain, args)), {name: plain(kind) for name, kind in named.items()}
        )
        made.get_overload = twin.get_overload
    return made  # type: ignore[no-any-return]


class Kernels:
    """A kernel module that is imported at its first use, so that commands that decode nothing never load Numba."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = self.__dict__[name] = getattr(import_module(self._module), name)
        return found
