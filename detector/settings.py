"""How a part declares what a configuration may say of it: a frozen dataclass whose fields are made by `setting`.

The declaration is the only one: service/config.py reads it from YAML with positions, `detector config schema` and
docs/configuration.md are made of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

# What YAML may hold for a kind, and what Python gets:
#   text     a text                                          str
#   number   a whole number                                  int
#   ratio    a number, also with a fraction                  float
#   flag     true or false                                   bool
#   size     bytes: 4096, 64KB, 1GB (powers of 1024)         int
#   span     a duration: 500ms, 30s, 10m, 2h, 7d             int, ns
#   path     a path, relative to the configuration's folder  str, absolute
#   address  host:port, [::1]:port, or a port of localhost   tuple[str, int]
#   texts    a text or a list of texts                       tuple[str, ...]
#   paths    a path or a list of paths                       tuple[str, ...]
#   table    a mapping of texts to texts or lists of texts   dict[str, str], lists joined by commas, @FILE as path does
#   secret   a text, {file: PATH} or {env: NAME}             Secret
#   secrets  a mapping of names to secrets                   dict[str, Secret]
#   section  a mapping with settings of its own              the dataclass in `of`
#   variants a list of sections; each names its kind by its key   tuple of the dataclasses in `among`
KINDS = ("text", "number", "ratio", "flag", "size", "span", "path", "address", "texts", "paths", "table", "secret", "secrets",
         "section", "variants")  # fmt: skip
KEY = "setting"
NONE: Any = dataclasses.MISSING


class Secret:
    """A text that is used and never shown. `source` says where it came from: file PATH, env NAME, or the configuration."""

    __slots__ = ("_value", "source")

    def __init__(self, value: str, source: str = "configuration") -> None:
        self._value = value
        self.source = source

    def reveal(self) -> str:
        """The text itself: for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"<secret from {self.source}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True)
class Setting:
    """meaning: one line for people. least, most: bounds of numbers, sizes (bytes) and spans (ns). of: class of a section.
    among: {key: class} of variants. example: YAML that documentation shows where the default says little."""

    kind: str
    meaning: str
    choices: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    of: type | None = None
    among: dict[str, type] | None = None
    example: str = ""


def setting(
    kind: str, meaning: str, default: Any = NONE, *, choices: Sequence[str] = (), least: int | None = None,
    most: int | None = None, of: type | None = None, among: dict[str, type] | None = None, example: str = "",
) -> Any:  # fmt: skip
    """A field of a settings dataclass. Without a default it must be given. A default is what Python gets (ns, bytes)."""
    assert kind in KINDS, kind
    metadata = {KEY: Setting(kind, meaning, tuple(choices), least, most, of, among, example)}
    if kind == "section" and default is NONE:
        assert of is not None
        return dataclasses.field(default_factory=of, metadata=metadata)
    if isinstance(default, dict | list):
        return dataclasses.field(default_factory=lambda: type(default)(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(declared: type) -> dict[str, Setting]:
    """The settings of a dataclass by name, in their order."""
    return {field.name: field.metadata[KEY] for field in dataclasses.fields(declared) if KEY in field.metadata}
