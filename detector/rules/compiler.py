"""Sigma selections and conditions to trees of tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import regex
import yaml

from detector.columns import Field
from detector.errors import InputError, nearest
from detector.protocols.fields import ANY_PDU, FIELDS, PACKET, table_of
from detector.rules.document import Document, scalar
from detector.rules.lexer import Place
from detector.rules.model import (
    And,
    Compare,
    Every,
    Exists,
    FieldValue,
    Literal_,
    Membership,
    Not,
    OneObject,
    Operator,
    Or,
    Test,
)
from detector.rules.parser import parse_filter
from detector.rules.values import convert
from detector.rules.variables import Variables

COMPARISONS: dict[str, Operator] = {"gt": "gt", "gte": "ge", "lt": "lt", "lte": "le"}
TEXTUAL: dict[str, Operator] = {"contains": "contains", "startswith": "startswith", "endswith": "endswith"}
VARIABLE = re.compile(r"\$[A-Za-z_]\w*")
PARTS = re.compile(r"\\[*?\\]|.", re.DOTALL)  # of Sigma's texts: * ? and what a backslash takes their meaning from
DEEPEST = 100  # brackets and nots of a condition inside each other
MODIFIERS = (*COMPARISONS, *TEXTUAL, "re", "cidr", "all", "fieldref", "exists", "every", "cased")
WORDS = re.compile(r"\(|\)|[^\s()]+")
NUMERIC = ("uint", "int", "float", "time", "duration", "label")


@dataclass
class SelectionCompiler:
    """Compiles the selections of one rule. `names` collects every field that they name."""

    document: Document
    known: Mapping[str, Field]
    variables: Variables
    names: dict[str, Any]

    def selection(self, node: Any) -> Test:
        """A selection: a mapping, a list of mappings (any of them), or a display filter in one text."""
        if isinstance(node, yaml.SequenceNode):
            if not node.value:
                self.document.error(node, "an empty selection matches nothing", "name at least one field")
            return either([self.selection(one) for one in node.value])
        if isinstance(node, yaml.ScalarNode):
            return self.filter(node)
        tests: list[Test] = []
        objects: list[Test] = []
        if not node.value:
            self.document.error(node, "an empty selection matches nothing", "name at least one field")
        for key, value in self.document.mapping(node, "a selection").values():
            test, is_object = self.entry(key, value)
            (objects if is_object else tests).append(test)
        if objects:
            tests.append(OneObject(every(objects)))
        return every(tests)

    def filter(self, node: Any) -> Test:
        """A display filter."""
        try:
            test = parse_filter(
                str(node.value), place=self.document.place(node), known=self.known, variables=self.variables
            )
        except InputError as error:
            self.document.errors.append(
                error
                if error.position
                else InputError(error.problem, position=self.document.position(node), hint=error.hint)
            )
            return Or(())
        for name in fields_of(test):
            self.names.setdefault(name, node)
        return test

    def entry(self, key: Any, value: Any) -> tuple[Test, bool]:
        """One `field|modifiers: value` of a selection, and whether it is about objects."""
        name, *modifiers = str(key.value).split("|")
        field = self.field(key, name)
        for modifier in modifiers:
            if modifier not in MODIFIERS:
                guess = nearest(modifier, MODIFIERS)
                self.document.error(
                    key,
                    f"unknown modifier {modifier!r}",
                    f"did you mean {guess}?" if guess else f"known are {', '.join(MODIFIERS)}",
                )
                return Or(()), False
        if field is None:
            return Or(()), False
        is_object = field.level == "object"
        if "every" in modifiers and not is_object:
            self.document.error(
                key,
                f"|every asks for all objects, {name} is no object field",
                f"objects' fields: detector fields {field.protocol}",
            )
            return Or(()), False
        values = value.value if isinstance(value, yaml.SequenceNode) else [value]
        if not values:
            self.document.error(value, f"{name} has an empty list: it never matches", "give at least one value")
            return Or(()), False
        tests = [self.value(field, key, one, modifiers) for one in values]
        test = every(tests) if "all" in modifiers else merged(tests)
        if "every" in modifiers:
            return Every(test), False
        return test, is_object and not isinstance(
            test, Not
        )  # that there is no value is said of the row, not of an object

    def field(self, node: Any, name: str) -> Field | None:
        """The field of a name; an unknown one is noted."""
        field = self.known.get(name)
        if field is None:
            guess = nearest(name, self.known)
            protocol = name.partition(".")[0]
            listed = (
                f"detector fields {protocol}"
                if any(other.startswith(protocol + ".") for other in self.known)
                else "detector fields"
            )
            at = self.document.position(node)
            problem = InputError(f"unknown field {name!r}", position=type(at)(at.path, at.line, at.column, max(1, len(name)), at.text),
                                 hint=(f"did you mean {guess}? " if guess else "") + f"All fields of this table: {listed}")  # fmt: skip
            self.document.errors.append(problem)
            return None
        self.names.setdefault(name, node)
        return field

    def value(self, field: Field, key: Any, node: Any, modifiers: list[str]) -> Test:
        """The test of one value."""
        try:
            return self.compare(FieldValue(field.name), field, node, modifiers)
        except InputError as error:
            position = error.position or self.document.position(node)
            self.document.errors.append(InputError(error.problem, position=position, hint=error.hint))
            return Or(())

    def compare(self, left: FieldValue, field: Field, node: Any, modifiers: list[str]) -> Test:
        """The comparison that modifiers ask for. Raises InputError without a position."""
        if not isinstance(node, yaml.ScalarNode):
            raise InputError(
                f"{field.name} takes a value or a list of values", hint="nested mappings mean nothing here"
            )
        value = scalar(node)
        chosen = [modifier for modifier in modifiers if modifier not in ("all", "every", "cased")]
        if len(chosen) > 1:
            raise InputError(f"modifiers {' and '.join(chosen)} exclude each other", hint="use one of them")
        modifier = chosen[0] if chosen else ""
        if modifier == "exists":
            if not isinstance(value, bool):
                raise InputError("exists is true or false", hint=f"{field.name}|exists: true")
            return Exists(left) if value else Not(Exists(left))
        if value is None:
            if modifier:
                raise InputError(
                    f"{modifier} needs a value", hint=f"{field.name}|exists: false asks for rows without one"
                )
            return Not(Exists(left))
        if modifier == "cidr" and field.kind not in ("ipv4", "ipv6"):
            raise InputError(
                f"cidr needs an address, {field.name} is {field.kind}", hint="for example ip.src|cidr: 10.0.0.0/8"
            )
        if isinstance(value, str) and VARIABLE.fullmatch(value) and modifier != "re":
            if modifier not in ("", "cidr"):
                raise InputError(
                    f"{modifier} takes no list, {value} is one",
                    hint=f"{field.name}: {value} asks for any of its values",
                )
            is_folded = field.kind == "string" and "cased" not in modifiers
            return self.variables.membership(left, value[1:], field, "any", is_folded)
        if modifier == "fieldref":
            other = self.field(node, str(value))
            if other is None:
                return Or(())
            if other.kind != field.kind:
                raise InputError(
                    f"{field.name} is {field.kind}, {other.name} is {other.kind}", hint="compare fields of one kind"
                )
            if field.level == "object" and other.level != "object":
                raise InputError(
                    f"{field.name} is a field of objects, {other.name} of the whole row",
                    hint=f"write it the other way round: {other.name}|fieldref: {field.name}",
                )
            return Compare("eq", left, FieldValue(other.name))
        if modifier in COMPARISONS:
            if field.kind not in NUMERIC or field.kind == "label":
                raise InputError(
                    f"{modifier} needs a number, {field.name} is {field.kind}", hint="gt, gte, lt, lte compare numbers"
                )
            return Compare(COMPARISONS[modifier], left, convert(field, str(node.value)))
        if modifier == "cidr":
            return Compare("eq", left, convert(field, str(value)))
        if modifier == "re":
            return self.regular(left, field, str(value))
        return self.textual(left, field, node, value, modifier, "cased" in modifiers)

    def regular(self, left: FieldValue, field: Field, pattern: str) -> Test:
        """|re on bytes and texts."""
        if field.kind not in ("bytes", "string", "label"):
            raise InputError(
                f"re needs a text or bytes, {field.name} is {field.kind}",
                hint="numbers are compared with gt, gte, lt, lte",
            )
        try:
            compiled = regex.compile(pattern.encode())
        except regex.error as problem:
            raise InputError(f"not a regular expression: {problem}", hint="as in Perl, on bytes") from None
        if field.kind == "label":
            codes = [code for code, text in field.labels.items() if compiled.search(text.encode())]
            if not codes:
                raise no_label(field, pattern)
            return Membership(left, tuple(Literal_(code) for code in codes))
        return Compare("matches", left, Literal_(pattern))

    def textual(self, left: FieldValue, field: Field, node: Any, value: Any, modifier: str, cased: bool) -> Test:
        """Equality, with wildcards on texts and labels; contains, startswith, endswith."""
        text = str(value) if field.kind in ("bool", "protocol") else str(node.value)
        if modifier in TEXTUAL and field.kind not in ("bytes", "string", "label"):
            raise InputError(
                f"{modifier} needs a text or bytes, {field.name} is {field.kind}",
                hint="numbers and addresses are compared as a whole",
            )
        if field.kind == "label":
            return self.labels(left, field, text, modifier)
        if field.kind == "string":
            return self.string(left, text, modifier, not cased)
        return Compare(TEXTUAL.get(modifier, "eq"), left, convert(field, text))

    def string(self, left: FieldValue, text: str, modifier: str, ignore_case: bool) -> Test:
        """A text, with Sigma's wildcards; as a whole, or as a part of the value."""
        plain, has_wildcards = literal_text(text)
        if has_wildcards:
            return Compare("matches", left, Literal_(wildcard(text, modifier)), ignore_case=ignore_case)
        return Compare(TEXTUAL.get(modifier, "eq"), left, Literal_(plain.encode()), ignore_case=ignore_case)

    def labels(self, left: FieldValue, field: Field, text: str, modifier: str) -> Test:
        """A label by its name, with wildcards, or by part of its name."""
        plain, has_wildcards = literal_text(text)
        if not has_wildcards and modifier not in TEXTUAL:
            return Compare("eq", left, convert(field, plain))
        pattern = re.compile(wildcard(text, modifier), re.IGNORECASE)
        codes = [code for code, name in field.labels.items() if pattern.search(name)]
        if not codes:
            raise no_label(field, text)
        return Membership(left, tuple(Literal_(code) for code in codes))


def no_label(field: Field, pattern: str) -> InputError:
    """A pattern that would never match."""
    hint = f"its values: detector fields {field.protocol}"
    return InputError(f"no value of {field.name} matches {pattern!r}", hint=hint)


def literal_text(text: str) -> tuple[str, bool]:
    """(a Sigma text without its escapes, whether it has wildcards).

    A backslash takes the meaning from *, ? and a backslash behind it; before anything else it is a character itself.
    """
    parts = PARTS.findall(text)
    return "".join(part[-1] for part in parts), "*" in parts or "?" in parts


def wildcard(text: str, modifier: str = "") -> str:
    """A regular expression for a text with Sigma's wildcards."""
    meant = {"*": "[\\s\\S]*", "?": "[\\s\\S]"}
    body = "".join(meant.get(part) or re.escape(part[-1]) for part in PARTS.findall(text))
    begin = "" if modifier in ("contains", "endswith") else r"\A"
    return begin + body + ("" if modifier in ("contains", "startswith") else r"\Z")


def every(tests: list[Test]) -> Test:
    """All of the tests."""
    return tests[0] if len(tests) == 1 else And(tuple(tests))


def either(tests: list[Test]) -> Test:
    """Any of the tests."""
    return tests[0] if len(tests) == 1 else Or(tuple(tests))


def merged(tests: list[Test]) -> Test:
    """Any of the tests; equalities of one field become one membership."""
    if len(tests) > 1 and all(
        isinstance(one, Compare) and one.operator == "eq" and isinstance(one.right, Literal_) and not one.ignore_case
        for one in tests
    ):
        compares = [one for one in tests if isinstance(one, Compare)]
        return Membership(compares[0].left, tuple(one.right for one in compares if isinstance(one.right, Literal_)))
    return either(tests)


def fields_of(node: Any) -> list[str]:
    """The names of all fields in a tree of tests, each once, in order."""
    found: dict[str, None] = {}

    def visit(part: Any) -> None:
        if isinstance(part, FieldValue):
            found[part.name] = None
        elif isinstance(part, tuple):
            for one in part:
                visit(one)
        elif hasattr(part, "__dataclass_fields__"):
            for name in part.__dataclass_fields__:
                visit(getattr(part, name))

    visit(node)
    return list(found)


def refuse_foreign(document: Document, names: Mapping[str, Any], table: str) -> None:
    """Notes fields that rows of a table do not have. `names`: fields with the nodes that name them first."""
    owners = {table_of(name): name for name in list(names)[::-1] if name in FIELDS}
    for owner, name in owners.items():
        if owner == ANY_PDU and table == PACKET:
            document.error(names[name], f"{name} needs a protocol", "add protocol: modbus")
        elif owner not in (PACKET, ANY_PDU, table):
            document.error(names[name], f"{name} is a field of {owner}, the rule tests rows of {table}",
                           f"one rule tests one table: write protocol: {owner}, or two rules and a correlation")  # fmt: skip


class ConditionCompiler:
    """Compiles Sigma's condition over named selections. `used` collects the names that it uses."""

    def __init__(self, text: str, place: Place, selections: Mapping[str, Test]) -> None:
        self.text, self.place, self.selections = text, place, selections
        self.words = [(found.group(), found.start()) for found in WORDS.finditer(text)] + [("", len(text))]
        self.at = 0
        self.depth = 0
        self.used: set[str] = set()

    def compile(self) -> Test:
        """The whole condition. Raises InputError with its position."""
        test = self.either()
        if self.word:
            raise self.error(f"unexpected {self.word!r} after a complete condition", "join selections with and, or")
        return test

    @property
    def word(self) -> str:
        """The next word, an empty text at the end."""
        return self.words[self.at][0]

    def error(self, problem: str, hint: str) -> InputError:
        """A mistake at the next word."""
        return InputError(
            problem, position=self.place.position(self.words[self.at][1], len(self.word), self.text), hint=hint
        )

    def accept(self, *words: str) -> bool:
        """Takes the next word where it is one of these."""
        if self.word.lower() in words:
            self.at += 1
            return True
        return False

    def either(self) -> Test:
        """Parts joined by or."""
        tests = [self.both()]
        while self.accept("or"):
            tests.append(self.both())
        return either(tests)

    def both(self) -> Test:
        """Parts joined by and."""
        tests = [self.part()]
        while self.accept("and"):
            tests.append(self.part())
        return every(tests)

    def part(self) -> Test:
        """not, brackets, `1 of x*`, `all of them`, or a selection's name."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error("the condition is nested too deeply", f"{DEEPEST} levels at most")
        test = self.one_part()
        self.depth -= 1
        return test

    def one_part(self) -> Test:
        """A part, one level down."""
        if self.accept("not"):
            return Not(self.part())
        if self.accept("("):
            test = self.either()
            if not self.accept(")"):
                raise self.error("a bracket is not closed", "every ( needs its )")
            return test
        following = self.words[min(self.at + 1, len(self.words) - 1)][0].lower()
        if following == "of" and self.word.lower() in ("1", "any", "all"):
            return self.several(self.word.lower() == "all")
        if not self.word or self.word == ")" or self.word.lower() in ("and", "or"):
            raise self.error(
                "a selection's name is missing here", f"selections are {', '.join(self.selections) or 'none'}"
            )
        if self.word not in self.selections:
            guess = nearest(self.word, self.selections)
            raise self.error(
                f"no selection {self.word!r}",
                f"did you mean {guess}?" if guess else f"selections are {', '.join(self.selections)}",
            )
        self.used.add(self.word)
        self.at += 1
        return self.selections[self.words[self.at - 1][0]]

    def several(self, is_all: bool) -> Test:
        """`1 of pattern` and `all of pattern`; `them` is every selection. Those that begin with _ are called by name only."""
        self.at += 2
        pattern = "*" if self.word.lower() == "them" else self.word
        shape = re.compile(".*".join(map(re.escape, pattern.split("*"))))
        names = [name for name in self.selections if shape.fullmatch(name) and not name.startswith("_")]
        if not names:
            raise self.error(f"no selection matches {self.word!r}", f"selections are {', '.join(self.selections)}")
        self.at += 1
        self.used |= set(names)
        tests = [self.selections[name] for name in names]
        return every(tests) if is_all else either(tests)
