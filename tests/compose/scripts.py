"""The scripts that containers run, as modules."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from tests.runs import ROOT


def script(name: str) -> ModuleType:
    """A script of compose/."""
    spec = spec_from_file_location(name, ROOT / "compose" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
