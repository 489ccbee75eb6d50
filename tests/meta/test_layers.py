"""Imports go one way: a part imports only parts above it in this list. Without this check the promise would not last."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    "errors", "settings", "cache", "columns", "kernel", "bytes_kernels", "hash_kernels", "arena", "arena_kernels", "snapshot", "layers", "lists",
    "capture", "packets", "flows", "protocols", "rules", "detect", "alerts", "evidence", "sinks", "sharing",
    "shipped", "portions", "pipeline", "workers", "silence", "warming", "service", "exercise", "testing", "cli", "__main__",
)  # fmt: skip
LATE = {"cli/main.py", "kernel.py", "layers.py", "sinks/destinations.py"}
MODULES = sorted((ROOT / "detector").rglob("*.py"))


def part_of(dotted: str) -> str:
    words = dotted.split(".")
    return words[1] if len(words) > 1 else "__init__"


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            module = node.module or ""
            yield from ((f"{module}.{alias.name}" if module == "detector" else module, node) for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_only_parts_above(path: Path) -> None:
    own = part_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
    if own == "__init__":
        return
    for name, node in imports(ast.parse(path.read_text())):
        other = part_of(name)
        if name.startswith("detector.") and other != "__version__":
            assert LAYERS.index(other) <= LAYERS.index(own), f"{path}:{node.lineno}: {own} must not import {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_import_inside_a_function(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            inner = [node for _, node in imports(function)]
            assert not inner, f"{path}:{inner[0].lineno}: import inside {function.name}"


def test_imports_by_name_are_the_known_ones() -> None:
    found = {
        str(path.relative_to(ROOT / "detector"))
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "import_module"
    }
    assert found == LATE


def for_types_only(tree: ast.AST) -> set[ast.AST]:
    """Everything below an `if TYPE_CHECKING:`, which no running program imports."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }


def test_no_import_cycles() -> None:
    graph: dict[str, set[str]] = {}
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in MODULES}
    for path in MODULES:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found = set()
        tree = ast.parse(path.read_text())
        unseen = for_types_only(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and node not in unseen:
                whole = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= whole if whole <= names else {*whole, node.module}
        graph[name] = {other for other in found & names if other != name and other != "detector"}

    def reaches(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(graph[start])
        while todo:
            if (name := todo.pop()) not in seen:
                seen.add(name)
                todo += graph[name]
        return seen

    assert [name for name in graph if name in reaches(name)] == []
