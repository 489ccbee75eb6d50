"""YAML to the dataclasses that declare settings, with a position for every mistake; and back, for people and for editors."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from detector.errors import InputError, InputErrors, nearest
from detector.lists import read_bounded
from detector.rules.document import UNITS, Document, read_documents
from detector.settings import NONE, Secret, Setting, settings_of

T = TypeVar("T")

SIZE = re.compile(r"([0-9]{1,15})\s*(B|KB|MB|GB|TB)?", re.IGNORECASE)
SIZES = {"": 1, "B": 1, "KB": 2**10, "MB": 2**20, "GB": 2**30, "TB": 2**40}
SPAN = re.compile(r"([0-9]{1,12})\s*(ms|s|m|h|d|w)")
ADDRESS = re.compile(r"(?:(\[[0-9A-Fa-f:.]+\]|[^:\[\]]*):)?([0-9]{1,5})")
LARGEST_SECRET = 64 * 2**10
LARGEST_INTEGER = 2**53  # beyond it a JSON number is not exact
LARGEST_AMOUNT = 100 * 365 * 86400 * 10**9  # of a span: a century; of a size: two exabytes
UNKNOWN: Any = object()  # a value that was refused: its mistake is noted


def read_settings(path: Path, declared: type[T], environment: Mapping[str, str]) -> T:
    """The settings of a configuration file.

    Raises:
        InputErrors: every mistake, by position.
        InputError: the file cannot be read.
    """
    document, nodes = read_documents(path, "--config names it; docs/detector.yml is one to begin with")
    found = list(nodes)
    reader = SettingsReader(document, environment)
    if len(found) > 1:
        document.error(found[1], "a second document", "a configuration is one YAML document: remove the ---")
    node = found[0] if found else yaml.MappingNode("tag:yaml.org,2002:map", [], *empty_marks())
    made = reader.section(node, declared, "the configuration")
    if document.errors:
        raise InputErrors(sorted(document.errors, key=lambda error: (error.position.line, error.position.column) if error.position else (0, 0)))  # fmt: skip
    assert made is not UNKNOWN
    return made  # type: ignore[no-any-return]


def empty_marks() -> tuple[Any, Any]:
    """Where an empty file's content would stand."""
    mark = yaml.Mark("", 0, 0, 0, "", 0)
    return mark, mark


class SettingsReader:
    """Reads the nodes of one document; mistakes gather in it."""

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._document = document
        self._environment = environment
        self._folder = Path(document.path).resolve().parent

    def section(self, node: Any, declared: type, what: str) -> Any:
        """The dataclass of a mapping, UNKNOWN where something in it is wrong."""
        settings = settings_of(declared)
        defaults = defaults_of(declared)
        required = [name for name in settings if defaults[name] is NONE]
        before = len(self._document.errors)
        given = self._document.mapping(node, what, settings, required)
        values = {
            name: self.value(value, settings[name], name if what == "the configuration" else f"{what}.{name}")
            for name, (_, value) in given.items()
        }
        if len(self._document.errors) > before:
            return UNKNOWN
        made = declared(**values)
        for name, problem, hint in getattr(made, "mistakes", no_mistakes)():
            self._document.error(given[name][1] if name in given else node, problem, hint)
        return made if len(self._document.errors) == before else UNKNOWN

    def value(self, node: Any, setting: Setting, what: str) -> Any:
        """The value of one setting."""
        return getattr(self, f"_{setting.kind}")(node, setting, what)

    def _error(self, node: Any, problem: str, hint: str) -> Any:
        self._document.error(node, problem, hint)
        return UNKNOWN

    def _scalar(self, node: Any, what: str, example: str) -> str:
        """The text of a scalar, "" where it is none."""
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self._error(node, f"{what} must be one value", f"for example {what.rpartition('.')[2]}: {example}")
            return ""
        if not node.value.strip():
            self._error(node, f"{what} is empty", f"for example {what.rpartition('.')[2]}: {example}, or leave the line out")  # fmt: skip
        return str(node.value).strip()

    def _text(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, setting.example or (setting.choices[0] if setting.choices else "some words"))
        if text and setting.choices and text not in setting.choices:
            guess = nearest(text, setting.choices)
            hint = f"did you mean {guess}?" if guess else f"one of {', '.join(setting.choices)}"
            return self._error(node, f"{what} cannot be {text!r}", hint)
        return text

    def _bounded(self, node: Any, number: int, setting: Setting, what: str, written: str) -> Any:
        least = 0 if setting.least is None else setting.least
        usual = LARGEST_INTEGER if setting.kind == "number" else LARGEST_AMOUNT
        most = usual if setting.most is None else setting.most
        if not least <= number <= most:
            bound = f"at {'least' if number < least else 'most'} {written_as(least if number < least else most, setting.kind)}"
            return self._error(node, f"{what} must be {bound}, not {written}", f"for example {example_of(setting)}")
        return number

    def _number(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, example_of(setting))
        if not text:
            return UNKNOWN
        try:
            number = int(text.replace("_", ""), 0)
        except ValueError:
            return self._error(node, f"{what} must be a whole number, not {text!r}", f"for example {example_of(setting)}")  # fmt: skip
        return self._bounded(node, number, setting, what, text)

    def _ratio(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, example_of(setting))
        if not text:
            return UNKNOWN
        try:
            number = float(text)
        except ValueError:
            number = float("nan")
        if not (0 if setting.least is None else setting.least) <= number <= (setting.most or LARGEST_INTEGER):
            return self._error(node, f"{what} must be a number of a sensible size, not {text!r}", f"for example {example_of(setting)}")  # fmt: skip
        return number

    def _flag(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, "true")
        if text and text.lower() not in ("true", "false", "yes", "no", "on", "off"):
            return self._error(node, f"{what} must be true or false, not {text!r}", "write true or false")
        return text.lower() in ("true", "yes", "on")

    def _size(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, "64MB")
        found = SIZE.fullmatch(text)
        if found is None:
            return (
                self._error(node, f"{what} must be a size, not {text!r}", "a number and a unit: 64KB, 16MB, 1GB")
                if text
                else UNKNOWN
            )
        return self._bounded(node, int(found[1]) * SIZES[(found[2] or "").upper()], setting, what, text)

    def _span(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, "10s")
        found = SPAN.fullmatch(text)
        if found is None:
            return (
                self._error(
                    node, f"{what} must be a duration, not {text!r}", "a number and a unit: 500ms, 30s, 10m, 2h, 7d"
                )
                if text
                else UNKNOWN
            )
        return self._bounded(node, int(found[1]) * UNITS[found[2]], setting, what, text)

    def _path(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, setting.example or "/var/lib/detector")
        if "\0" in text:
            return self._error(node, f"{what} has a zero byte", "a path has none")
        return str(self._folder / text) if text else UNKNOWN

    def _address(self, node: Any, setting: Setting, what: str) -> Any:
        text = self._scalar(node, what, setting.example or "127.0.0.1:9108")
        found = ADDRESS.fullmatch(text)
        if found is None or not 0 <= int(found[2]) <= 65535:
            return (
                self._error(
                    node,
                    f"{what} must be host:port, not {text!r}",
                    f"for example {setting.example or '127.0.0.1:9108, [::1]:9108 or 9108'}",
                )
                if text
                else UNKNOWN
            )
        host = (found[1] or "").strip("[]")
        return (host or "127.0.0.1", int(found[2]))

    def _texts(self, node: Any, setting: Setting, what: str) -> Any:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return tuple(self._text(one, setting, what) for one in nodes)

    def _paths(self, node: Any, setting: Setting, what: str) -> Any:
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        return tuple(self._path(one, setting, what) for one in nodes)

    def _table(self, node: Any, setting: Setting, what: str) -> Any:
        found = {}
        for name, (_, value) in self._document.mapping(node, what).items():
            nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
            texts = [self._scalar(one, f"{what}.{name}", "10.0.0.10") for one in nodes]
            found[name] = ",".join(f"@{self._folder / text[1:]}" if text.startswith("@") else text for text in texts)
        return found

    def _secret(self, node: Any, setting: Setting, what: str) -> Any:
        if not isinstance(node, yaml.MappingNode):
            return Secret(self._scalar(node, what, "{file: /etc/detector/secret}"))
        given = self._document.mapping(node, what, ("file", "env"))
        if len(given) != 1:
            return self._error(node, f"{what} must name one place", "write {file: PATH} or {env: NAME}")
        ((kind, (_, value)),) = given.items()
        if kind == "env":
            name = self._scalar(value, f"{what}.env", "DETECTOR_SECRET")
            if name and name not in self._environment:
                return self._error(value, f"{what}: the environment has no {name}", "set it for the daemon, or use {file: PATH}")  # fmt: skip
            return Secret(self._environment.get(name, ""), f"env {name}")
        return self._secret_file(value, what)

    def _secret_file(self, node: Any, what: str) -> Any:
        path = self._path(node, Setting("path", ""), f"{what}.file")
        if path is UNKNOWN:
            return UNKNOWN
        try:
            text = read_bounded(Path(path), LARGEST_SECRET).decode("utf-8").rstrip("\r\n")
        except OSError as error:
            return self._error(node, f"{what}: {path} cannot be read: {error.strerror}", "who runs the daemon must be able to read it")  # fmt: skip
        except (UnicodeDecodeError, InputError):
            return self._error(node, f"{what}: {path} is no short text", "a secret file holds one line of UTF-8")
        if not text:
            return self._error(node, f"{what}: {path} is empty", "a secret file holds one line of UTF-8")
        return Secret(text, f"file {path}")

    def _secrets(self, node: Any, setting: Setting, what: str) -> Any:
        given = self._document.mapping(node, what)
        return {name: self._secret(value, setting, f"{what}.{name}") for name, (_, value) in given.items()}

    def _section(self, node: Any, setting: Setting, what: str) -> Any:
        assert setting.of is not None
        return self.section(node, setting.of, what)

    def _variants(self, node: Any, setting: Setting, what: str) -> Any:
        among = setting.among or {}
        if not isinstance(node, yaml.SequenceNode):
            return self._error(node, f"{what} must be a list", f"write - {next(iter(among))}: ... on lines of their own")  # fmt: skip
        made = []
        for entry in node.value:
            given = self._document.mapping(entry, f"an entry of {what}", among)
            if len(given) > 1:
                self._error(entry, f"an entry of {what} has {len(given)} kinds: {', '.join(given)}", "begin each with - on a line of its own")  # fmt: skip
            for kind, (_, value) in given.items():
                made.append(self.section(value, among[kind], f"{what}.{kind}"))
        return tuple(made)


def no_mistakes() -> Iterator[tuple[str, str, str]]:
    """Of settings that have no check of their own."""
    return iter(())


def defaults_of(declared: type) -> dict[str, Any]:
    """What each setting is where it is not given; NONE: it must be."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(declared):
        make = field.default_factory
        found[field.name] = field.default if make is dataclasses.MISSING else make()
    return found


def example_of(setting: Setting) -> str:
    """A value that would do."""
    usual = {"number": 1, "size": 2**20, "span": 10**9}.get(setting.kind, 0)
    return setting.example or written_as(max(setting.least or 0, usual), setting.kind)


def written_as(value: int, kind: str) -> str:
    """A number as a person writes it: 64MB, 10m."""
    units = {"size": SIZES, "span": UNITS}.get(kind)
    if units is None:
        return str(value)
    fitting = [(name, unit) for name, unit in units.items() if name and value % unit == 0]
    name, unit = fitting[-1] if value else fitting[0]
    return f"{value // unit}{name}"


def shown(value: Any) -> Any:
    """Settings as plain data for YAML: durations and sizes as people write them, secrets as where they come from."""
    found: dict[str, Any] = {}
    for name, setting in settings_of(type(value)).items():
        found[name] = shown_as(getattr(value, name), setting)
    return found


def shown_as(value: Any, setting: Setting) -> Any:
    """One setting as plain data."""
    if value is None:
        return None
    match setting.kind:
        case "section":
            return shown(value)
        case "variants":
            kinds = {declared: kind for kind, declared in (setting.among or {}).items()}
            return [{kinds[type(one)]: shown(one)} for one in value]
        case "size" | "span":
            return written_as(value, setting.kind)
        case "address":
            host = f"[{value[0]}]" if ":" in value[0] else value[0]
            return f"{host}:{value[1]}"
        case "texts" | "paths":
            return list(value)
        case "secret":
            return repr(value) if value else ""
        case "secrets":
            return {name: repr(secret) for name, secret in value.items()}
        case _:
            return value


def schema_of(declared: type) -> dict[str, Any]:
    """JSON Schema of a section, for editors."""
    properties = {name: schema_of_setting(setting) for name, setting in settings_of(declared).items()}
    required = [name for name, default in defaults_of(declared).items() if default is NONE]
    found: dict[str, Any] = {"type": "object", "additionalProperties": False, "properties": properties}
    return found | ({"required": required} if required else {})


TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
SHAPES: dict[str, dict[str, Any]] = {
    "text": TEXT,
    "number": {"type": "integer"},
    "ratio": {"type": "number"},
    "flag": {"type": "boolean"},
    "size": {"anyOf": [{"type": "integer"}, {"type": "string", "pattern": r"^[0-9]+\s*([kKmMgGtT]?[bB])?$"}]},
    "span": {"type": "string", "pattern": r"^[0-9]+\s*(ms|s|m|h|d|w)$"},
    "path": TEXT,
    "address": {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 65535}, TEXT]},
    "texts": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]},
    "paths": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]},
    "table": {"type": "object"},
    "secret": {
        "anyOf": [
            TEXT,
            {"type": "object", "properties": {"file": TEXT, "env": TEXT}, "additionalProperties": False,
             "minProperties": 1, "maxProperties": 1},
        ]
    },
}  # fmt: skip
SHAPES["secrets"] = {"type": "object", "additionalProperties": SHAPES["secret"]}


def schema_of_setting(setting: Setting) -> dict[str, Any]:
    """JSON Schema of one setting."""
    found: dict[str, Any] = {"description": setting.meaning}
    if setting.kind == "section":
        assert setting.of is not None
        return found | schema_of(setting.of)
    if setting.kind == "variants":
        kinds = [
            {"type": "object", "additionalProperties": False, "required": [kind], "properties": {kind: schema_of(one)}}
            for kind, one in (setting.among or {}).items()
        ]
        return found | {"type": "array", "items": {"oneOf": kinds}}
    found |= SHAPES[setting.kind]
    if setting.choices:
        found |= {"enum": list(setting.choices)} if setting.kind == "text" else {}
    if setting.kind in ("number", "ratio"):
        found["minimum"] = setting.least or 0
        found |= {} if setting.most is None else {"maximum": setting.most}
    return found
