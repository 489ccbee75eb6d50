"""Packets and PDUs are looped over in kernels only. A loop elsewhere in a hot module says what it runs over."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOT = ("capture", "packets", "flows", "protocols", "detect")
MODULES = sorted(path for part in HOT for path in (ROOT / "detector" / part).rglob("*.py"))
SAID = re.compile(r"#.*\bper ([a-z][a-z -]*)")
FORBIDDEN = {"packet", "packets", "pdu", "pdus", "row", "rows", "byte", "bytes", "object", "objects"}


def is_kernel(function: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id in ("kernel", "part", "unchecked") for node in function.decorator_list
    )


def loops(tree: ast.Module) -> list[ast.stmt]:
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef) and is_kernel(function)
        for node in ast.walk(function)
    }
    return [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While) and id(n) not in inside]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_loops_say_what_they_run_over(path: Path) -> None:
    lines = path.read_text().splitlines()
    for loop in loops(ast.parse(path.read_text())):
        near = lines[loop.lineno - 2 : loop.lineno + 1]
        found = next((match for line in near if (match := SAID.search(line))), None)
        where = f"{path.relative_to(ROOT)}:{loop.lineno}"
        assert found, f"{where}: say what this loop runs over, as in '# per file'"
        assert found.group(1).split()[0] not in FORBIDDEN, (
            f"{where}: a loop over {found.group(1)} belongs into a kernel"
        )


@pytest.mark.parametrize("path", sorted((ROOT / "detector").rglob("*_kernels.py")), ids=lambda path: path.name)
def test_kernel_modules_hold_kernels(path: Path) -> None:
    functions = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)]
    assert functions, path
    assert [function.name for function in functions if not is_kernel(function)] == []
