"""Every module has its test file at the same place below tests/."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path
    for path in (ROOT / "detector").rglob("*.py")
    if path.name not in ("__init__.py", "__main__.py") and not path.stem.endswith("_kernels")
)
# Declarations without behaviour of their own: the stages that fill them test them.
DECLARATIONS = {"packets/rows.py", "flows/columns.py", "rules/model.py", "protocols/protocol.py", "sinks/sink.py",
                "capture/source.py", "detect/match.py"}  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "detector")))
def test_module_has_its_test_file(path: Path) -> None:
    below = path.relative_to(ROOT / "detector")
    if str(below) in DECLARATIONS:
        return
    assert (ROOT / "tests" / below.parent / f"test_{below.stem}.py").exists()
