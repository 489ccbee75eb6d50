"""YAML with positions: nodes that know where they stand, and a reader that collects every mistake."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from detector.errors import InputError, InputErrors, Position, nearest
from detector.lists import read_bounded
from detector.rules.lexer import Place

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SPAN = re.compile(r"([0-9]+)\s*(ms|s|m|h|d|w)")
UNITS = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9, "w": 7 * 86400 * 10**9}
LONGEST_SPAN = 3650 * UNITS["d"]
LARGEST_NUMBER = 10**9
LARGEST_FILE = 4 * 2**20
MOST_NODES = 200_000  # of a file once its aliases are followed: a longer list belongs into a list file
DEEPEST = 50  # levels of nodes: a rule has a handful


class Document:
    """The text of one file; turns nodes into positions and gathers mistakes."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = str(path)
        self.source = text
        self.lines = text.splitlines()
        self.errors: list[InputError] = []

    def position(self, node: Any) -> Position:
        """Where a node stands."""
        start, end = node.start_mark, node.end_mark
        line = self.lines[start.line] if start.line < len(self.lines) else ""
        length = end.column - start.column if end.line == start.line else len(line) - start.column
        return Position(self.path, start.line + 1, start.column + 1, max(1, length), line)

    def place(self, node: Any) -> Place:
        """Where the text inside a scalar begins, for filters in it."""
        at = self.position(node)
        shift = 1 if node.style in ("'", '"') else 0
        if node.start_mark.line == node.end_mark.line:
            return Place(self.path, at.line, at.column + shift, at.text)
        parts: list[tuple[int, Position]] = []
        found, text = 0, str(node.value)
        for number in range(node.start_mark.line, min(node.end_mark.line + 1, len(self.lines))):
            source = self.lines[number]
            begin = at.column - 1 + shift if number == node.start_mark.line else 0
            content = source[begin:].strip().rstrip("'\"") if node.style not in ("|", ">") else source[begin:].strip()
            if content and (offset := text.find(content, found)) >= 0:
                parts.append((offset, Position(self.path, number + 1, source.index(content, begin) + 1, 1, source)))
                found = offset + len(content)
        return Place(self.path, at.line, at.column + shift, at.text, tuple(parts))

    def error(self, node: Any, problem: str, hint: str = "") -> None:
        """Notes a mistake at a node."""
        self.errors.append(InputError(problem, position=self.position(node), hint=hint))

    def mapping(
        self, node: Any, what: str, allowed: Collection[str] | None = None, required: Collection[str] = ()
    ) -> dict[str, tuple[Any, Any]]:
        """{key: (key node, value node)}; unknown, repeated and missing keys are noted."""
        if not isinstance(node, yaml.MappingNode):
            self.error(node, f"{what} must be a mapping", "write it as key: value lines")
            return {}
        found: dict[str, tuple[Any, Any]] = {}
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else ""
            if not name:
                self.error(key, f"a key of {what} must be a text", "write it as key: value")
            elif name in found:
                first = self.position(found[name][0])
                self.error(key, f"{name!r} is given twice", f"the first is on line {first.line}: keep one of them")
            elif allowed is not None and name not in allowed:
                guess = nearest(name, allowed)
                self.error(
                    key,
                    f"unknown key {name!r} in {what}",
                    f"did you mean {guess}?" if guess else f"known are {', '.join(allowed)}",
                )
            else:
                found[name] = (key, value)
        for name in required:
            if name not in found:
                self.error(
                    node.value[0][0] if node.value else node, f"{what} has no {name!r}", f"add a line {name}: ..."
                )
        return found

    def text(self, node: Any, what: str, choices: Collection[str] = ()) -> str:
        """A text, one of the choices where there are any."""
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self.error(node, f"{what} must be a text", f"write it as {what}: some words")
            return ""
        value = str(node.value)
        if not value.strip():
            self.error(node, f"{what} is empty", f"write it as {what}: some words, or leave the line out")
            return ""
        if choices and value not in choices:
            guess = nearest(value, choices)
            self.error(
                node,
                f"{what} cannot be {value!r}",
                f"did you mean {guess}?" if guess else f"one of {', '.join(choices)}",
            )
            return ""
        return value

    def texts(self, node: Any, what: str) -> tuple[str, ...]:
        """A list of texts; one text stands for a list of one."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return tuple(self.text(one, what) for one in nodes)

    def entries(self, parts: dict[str, tuple[Any, Any]], key: str) -> list[Any]:
        """The entries of a list among the parts of a mapping; what is none is a mistake, for nothing may go unjudged."""
        node = parts[key][1] if key in parts else None
        if isinstance(node, yaml.SequenceNode):
            return list(node.value)
        if node is not None:
            self.error(
                node, f"{key} must be a list", f"write its entries as lines that begin with a dash, or {key}: []"
            )
        return []

    def decimal(self, node: Any, what: str, default: float = 0.0) -> float:
        """A number with or without a fraction."""
        text = self.text(node, what)
        try:
            value = float(text) if text else default
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            self.error(node, f"{what} must be a number, not {text!r}", f"for example {what}: 0.1")
            return default
        return value

    def number(self, node: Any, what: str, least: int = 0) -> int:
        """A whole number."""
        try:
            value = int(str(node.value), 0)
        except (ValueError, TypeError):
            self.error(node, f"{what} must be a whole number", f"for example {max(1, least)}")
            return least
        if value < least:
            self.error(node, f"{what} must be at least {least}", f"for example {what}: {max(1, least)}")
        if value > LARGEST_NUMBER:
            self.error(node, f"{what} must be at most {LARGEST_NUMBER}", f"for example {what}: {max(1, least)}")
        return min(value, LARGEST_NUMBER)

    def span(self, node: Any, what: str) -> int:
        """A duration such as 10m, in ns."""
        text = self.text(node, what)
        if not text:
            return 1
        found = SPAN.fullmatch(text.strip())
        if found is None or not found[1].strip("0"):
            self.error(node, f"{what} must be a duration, not {text!r}", "a number and a unit: 500ms, 30s, 10m, 2h, 7d")
            return 1
        if len(found[1]) > 18 or (length := int(found[1]) * UNITS[found[2]]) > LONGEST_SPAN:
            self.error(node, f"{what} must be at most ten years, not {text!r}", "a number and a unit: 30s, 10m, 2h, 7d")
            return 1
        return length


def scalar(node: Any) -> Any:
    """The Python value of a scalar node: text, number, bool or None, as YAML resolves it."""
    match node.tag.rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return node.value.lower() in ("true", "yes", "on")
        case "int":
            try:
                return int(node.value.replace("_", ""), 0)
            except ValueError:
                return node.value
        case _:
            return node.value


def read_documents(path: Path, hint: str = "rules are .yml files") -> tuple[Document, Iterator[Any]]:
    """The nodes of a YAML file's documents. hint: what to do where the file cannot be read.

    Raises:
        InputError: the file cannot be read or is no YAML.
    """
    try:
        text = read_bounded(path, LARGEST_FILE).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", hint=hint) from None
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode("utf-8", "replace")
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        shown = error.object.decode("utf-8", "replace").split("\n")[line - 1].rstrip("\r")
        raise InputError(f"not UTF-8: byte 0x{error.object[error.start]:02x}", position=Position(str(path), line, column, 1, shown),
                         hint="save the file as UTF-8") from None  # fmt: skip
    document = Document(path, text)
    try:
        refuse_depth(document, text)
        nodes = [node for node in yaml.compose_all(text, Loader=Loader) if not is_empty(node)]
    except yaml.YAMLError as error:
        raise InputErrors([yaml_error(document, error)]) from None
    refuse_shapeless(document, nodes)
    return document, iter(nodes)


def read_single(
    path: Path, missing: tuple[str, str], another: tuple[str, str], hint: str = "rules are .yml files"
) -> tuple[Document, Any]:
    """The node of a file's only document. missing, another: problem and hint where there is none, or a further one.

    Raises:
        InputError: as read_documents; InputErrors where there is none.
    """
    document, nodes = read_documents(path, hint)
    node, *others = list(nodes) or [None]
    if node is None:
        raise InputErrors([InputError(missing[0], position=Position(str(path), 1, 1), hint=missing[1])])
    for other in others:
        document.error(other, *another)
    return document, node


def is_empty(node: Any) -> bool:
    """Whether a document holds nothing, as what follows a last --- does."""
    return node is None or (isinstance(node, yaml.ScalarNode) and not node.value and not node.style)


def refuse_depth(document: Document, text: str) -> None:
    """Refuses a text that is nested too deeply, before it is made into nodes: that recurses, in some versions without end.

    Raises:
        InputErrors: with the place.  yaml.YAMLError: it is no YAML.
    """
    depth = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEEPEST:
                mark: Any = event.start_mark
                at = Position(
                    document.path, mark.line + 1, mark.column + 1, 1, *document.lines[mark.line : mark.line + 1]
                )
                raise InputErrors([InputError("nested too deeply", position=at, hint="rules need a handful of levels")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def refuse_shapeless(document: Document, nodes: Sequence[Any]) -> None:
    """Refuses nodes that are nested too deeply, or are too many once aliases are followed.

    An alias is a node that stands in several places; one that stands within itself is endless, and a few lines of them
    stand for billions.

    Raises:
        InputErrors: with the place of the first such node.
    """
    sizes: dict[int, int] = {}

    def size(node: Any, depth: int) -> int:
        if depth > DEEPEST:
            raise InputErrors([InputError("nested too deeply", position=document.position(node), hint="rules need a handful of levels")])  # fmt: skip
        if id(node) not in sizes:
            inner: Any = () if isinstance(node, yaml.ScalarNode) else node.value
            if isinstance(node, yaml.MappingNode):
                inner = (part for pair in node.value for part in pair)
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in inner)
            if sizes[id(node)] > MOST_NODES:
                raise InputErrors([InputError("too many values, aliases included", position=document.position(node),
                                              hint="put a long list into a file: $NAME with --var NAME=@file")])  # fmt: skip
        return sizes[id(node)]

    for node in nodes:
        size(node, 1)


def yaml_error(document: Document, error: yaml.YAMLError) -> InputError:
    """PyYAML's complaint as one of ours."""
    mark, context = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    if context is not None and (
        mark is None or mark.line >= len(document.lines)
    ):  # at the end of the file: show where it began
        mark, problem = context, f"{problem} {error.context}"  # type: ignore[attr-defined]
    if mark is None:
        return character_error(document, problem)
    at = Position(document.path, mark.line + 1, mark.column + 1, 1, *document.lines[mark.line : mark.line + 1])
    if mark.line >= len(document.lines) > 0:  # behind the last line: at its end
        at = Position(document.path, len(document.lines), len(document.lines[-1]) + 1, 1, document.lines[-1])
    hint = (
        "indent with spaces"
        if "\t" in at.text or "\\t" in problem
        else "check indentation, colons and quotes around here"
    )
    return InputError(f"not YAML: {problem}", position=at, hint=hint)


def character_error(document: Document, problem: str) -> InputError:
    """A character that YAML does not allow; PyYAML does not say where it stands."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(document.source)
    before = document.source[: found.start()] if found else ""
    line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
    source = document.source.split("\n")[line - 1]
    return InputError(f"not YAML: {problem}", position=Position(document.path, line, column, 1, source),
                      hint="remove this character, or write it as an escape in double quotes")  # fmt: skip
