"""Display filters (Wireshark 4.0) to trees of tests.

test        or-chain of xor-chains of and-chains; `not` binds tightest; nothing is nested deeper than DEEPEST
comparison  [any|all] operand OP operand [OP operand ...], operand [not] in {...}, or an operand alone: it exists
operand     terms joined by & * / % + -; a term is a field with [slices] or #occurrence, a function, a literal
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

import regex

from detector.columns import Field
from detector.errors import InputError, nearest
from detector.protocols.fields import FIELDS, SPANNED
from detector.rules.lexer import Place, Token, split
from detector.rules.model import (
    And,
    Arithmetic,
    Call,
    Compare,
    Exists,
    FieldValue,
    ListValue,
    Literal_,
    Membership,
    Not,
    Operator,
    Or,
    Quantifier,
    Test,
    Xor,
)  # fmt: skip
from detector.rules.values import convert
from detector.rules.variables import NO_VARIABLES, Variables

OPERATORS: dict[str, tuple[Operator, Quantifier]] = {
    "==": ("eq", "any"), "eq": ("eq", "any"), "any_eq": ("eq", "any"), "===": ("eq", "all"), "all_eq": ("eq", "all"),
    "!=": ("ne", "all"), "ne": ("ne", "all"), "all_ne": ("ne", "all"), "!==": ("ne", "any"), "~=": ("ne", "any"),
    "any_ne": ("ne", "any"), ">": ("gt", "any"), "gt": ("gt", "any"), ">=": ("ge", "any"), "ge": ("ge", "any"),
    "<": ("lt", "any"), "lt": ("lt", "any"), "<=": ("le", "any"), "le": ("le", "any"), "contains": ("contains", "any"),
    "matches": ("matches", "any"), "~": ("matches", "any"),
}  # fmt: skip
FUNCTIONS = ("len", "lower", "upper", "count", "string", "min", "max", "abs")
NUMBER = Field("a number", "int", "")
SPAN = Field("a duration", "duration", "")
TEXT = Field("a text", "string", "")
BYTES = Field("bytes", "bytes", "")
NUMERIC = ("uint", "int", "float", "duration", "time")
WHOLE = ("uint", "int", "label", "bool")
SIGNS = {
    "float": "+, -, * or /",
    "duration": "+ or -",
    "time": "-",
}  # that are known on these kinds; on whole numbers all are
TEXTUAL = ("bytes", "string")
DEEPEST = (
    100  # brackets, functions and nots inside each other, and operators of one sum: more is no filter a person reads
)
STRINGS = (*NUMERIC, *WHOLE, "ipv4", "ipv6", "ether")  # what string() takes
SLICEABLE = ("bytes", "string", "ether", "ipv4", "ipv6")
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def parse_filter(text: str, path: str = "filter", *, place: Place | None = None, known: Mapping[str, Field] = FIELDS,
                 variables: Variables = NO_VARIABLES) -> Test:  # fmt: skip
    """The test that a display filter stands for.

    Raises:
        InputError: with the position of the mistake.
    """
    return Parser(text, place or Place(path), known, variables).parse()


class Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str, place: Place, known: Mapping[str, Field], variables: Variables) -> None:
        self.text, self.place, self.known, self.variables = text, place, known, variables
        self.tokens = split(text, place)
        self.at = 0
        self.depth = 0

    def parse(self) -> Test:
        """The whole filter."""
        if self.token.kind == "end":
            raise self.error("the filter is empty", self.token, "for example tcp.dstport == 502")
        test = self.either()
        if self.token.kind != "end":
            raise self.error(
                f"unexpected {self.token.text!r} after a complete test", self.token, "join tests with and, or"
            )
        return test

    @property
    def token(self) -> Token:
        """The next token."""
        return self.tokens[self.at]

    def error(self, problem: str, token: Token, hint: str = "") -> InputError:
        """A mistake at a token."""
        return InputError(problem, position=self.place.position(token.at, len(token.text), self.text), hint=hint)

    def accept(self, *words: str) -> Token | None:
        """Takes the next token where it is one of these operators or words."""
        if self.token.kind in ("operator", "word") and self.token.text.lower() in words:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def expect(self, word: str, hint: str) -> None:
        """Takes an operator that must come now."""
        if not self.accept(word):
            raise self.error(f"expected {word!r}, found {named(self.token)}", self.token, hint)

    def either(self) -> Test:
        """Tests joined by or."""
        tests = [self.exclusive()]
        while self.accept("or", "||"):
            tests.append(self.exclusive())
        return tests[0] if len(tests) == 1 else Or(tuple(tests))

    def exclusive(self) -> Test:
        """Tests joined by xor."""
        tests = [self.both()]
        while self.accept("xor", "^^"):
            tests.append(self.both())
        return tests[0] if len(tests) == 1 else Xor(tuple(tests))

    def both(self) -> Test:
        """Tests joined by and."""
        tests = [self.negation()]
        while self.accept("and", "&&"):
            tests.append(self.negation())
        return tests[0] if len(tests) == 1 else And(tuple(tests))

    @contextmanager
    def deeper(self) -> Iterator[None]:
        """What is inside; refused where it is nested too deeply."""
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error("the filter is nested too deeply", self.token, f"{DEEPEST} levels at most: split it up")
        try:
            yield
        finally:
            self.depth -= 1

    def negation(self) -> Test:
        """not, brackets, or a comparison."""
        with self.deeper():
            return self.negated()

    def negated(self) -> Test:
        """not, brackets, or a comparison, one level down."""
        if self.accept("not", "!"):
            return Not(self.negation())
        start = self.at
        if self.accept("("):
            try:
                test = self.either()
                self.expect(")", "every ( needs its )")
                if not self.is_operator():
                    return test
            except InputError:
                if not self.brackets_hold_operand(start):
                    raise
            self.at = start
        return self.comparison()

    def is_operator(self) -> bool:
        """Whether a comparison or arithmetic goes on here."""
        return self.token.text.lower() in (*OPERATORS, "in", "&", "+", "-", "*", "/", "%") and self.token.kind in (
            "operator",
            "word",
        )

    def brackets_hold_operand(self, start: int) -> bool:
        """Whether the bracket that opens at `start` closes before an operator: arithmetic, not a test."""
        depth = 0
        for token in self.tokens[start:]:
            depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                after = self.tokens[min(self.tokens.index(token, start) + 1, len(self.tokens) - 1)]
                return after.text.lower() in (*OPERATORS, "in", "&", "+", "-", "*", "/", "%")
        return False

    def comparison(self) -> Test:
        """A comparison, a membership, or that something exists."""
        quantifier: Quantifier | None = None
        if self.token.text.lower() in ("any", "all") and self.tokens[self.at + 1].kind in ("word",):
            quantifier = "any" if self.token.text.lower() == "any" else "all"
            self.at += 1
        first = self.token
        left = self.operand()
        negated = self.token.text.lower() == "not" and self.tokens[self.at + 1].text.lower() == "in"
        if negated:
            self.at += 1
        if self.accept("in"):
            member = self.membership(left, quantifier or "any", first)
            return Not(member) if negated else member
        tests: list[Test] = []
        while self.token.kind in ("operator", "word") and self.token.text.lower() in OPERATORS:
            tests.append(self.compare(left, quantifier, first))
            left = self._last
        if not tests and quantifier:
            raise self.error(
                f"{quantifier} asks for a comparison", self.token, f"for example {quantifier} ip.addr == 10.0.0.1"
            )
        if not tests:
            return self.existence(left, first)
        return tests[0] if len(tests) == 1 else And(tuple(tests))

    def compare(self, left: Any, quantifier: Quantifier | None, first: Token) -> Test:
        """`left OP right`; the right operand is kept in `_last` for a chain."""
        sign = self.tokens[self.at]
        self.at += 1
        operator, default = OPERATORS[sign.text.lower()]
        start = self.token
        right = self.operand()
        self._last = right
        if isinstance(left, Token) and isinstance(right, Token):
            raise self.error("neither side is a field", first, self.guess(left))
        if operator in ("contains", "matches"):
            return self.bytes_compare(operator, left, right, quantifier or default, first, start)
        if isinstance(right, ListValue):
            raise self.error(f"${right.name} is a list", start, f"write: in ${right.name}")
        kind = self.kind(left) if not isinstance(left, Token) else self.kind(right)
        if not isinstance(left, Token) and not isinstance(right, Token):
            self.refuse_mixed(kind, self.kind(right), sign)
            for one, other in ((left, right), (right, left)):
                if isinstance(one, Call) and self.kind(one).kind not in TEXTUAL and self.kind(other).kind == "bytes":
                    raise self.error(f"{one.function}() makes a value, {self.kind(other).name} is bytes", sign,
                                     "compare fields of one kind")  # fmt: skip
        left, right = self.literal(left, kind, first), self.literal(right, kind, start)
        if isinstance(left, Literal_) and isinstance(right, FieldValue | Call | Arithmetic):
            left, right = right, left
            operator = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge"}.get(operator, operator)  # type: ignore[assignment]
        if isinstance(right, Literal_) and isinstance(right.value, tuple) and operator not in ("eq", "ne"):
            raise self.error("a network is equal or not, neither greater nor less", start, "compare with an address")
        if kind.kind == "protocol":
            raise self.error(
                f"{kind.name} is a protocol, not a number", first, f"write {kind.name} alone to ask for it"
            )
        return Compare(operator, left, right, quantifier or default)

    def refuse_mixed(self, left: Field, right: Field, sign: Token) -> None:
        """Two fields whose values cannot be compared: numbers with texts, IPv4 with IPv6."""
        is_text = left.kind in TEXTUAL or right.kind in TEXTUAL
        known = TEXTUAL if "string" in (left.kind, right.kind) else SLICEABLE if is_text else (*WHOLE, "float")
        if left.kind != right.kind and not (left.kind in known and right.kind in known):
            raise self.error(f"{left.name} is {left.kind}, {right.name} is {right.kind}", sign,
                             "compare fields of one kind")  # fmt: skip

    def bytes_compare(
        self, operator: Operator, left: Any, right: Any, quantifier: Quantifier, first: Token, start: Token
    ) -> Test:
        """contains and matches, on texts and bytes."""
        if isinstance(left, Token):
            raise self.error("the left side is no field", first, self.guess(left))
        left = self.spanned(left, first, "whole")
        kind = self.kind(left)
        if kind.kind not in ("bytes", "string", "ether") and not (isinstance(left, FieldValue) and left.slices):
            raise self.error(f"{operator} needs bytes or a text, {kind.name} is {kind.kind}", first,
                             "for example tcp.payload contains 0a:ff")  # fmt: skip
        if not isinstance(right, Token):
            raise self.error(
                f"{operator} needs a literal on its right", start, 'for example tcp.payload contains "abc"'
            )
        if operator == "matches":
            if right.kind != "string":
                raise self.error("matches needs a text in quotes", start, 'for example frame matches "GET /[a-z]+"')
            pattern = unquoted(right)
            try:
                regex.compile(pattern.encode("utf-8", "surrogateescape"))
            except regex.error as problem:
                raise self.error(f"not a regular expression: {problem}", start, "as in Perl, on bytes") from None
            return Compare("matches", left, Literal_(pattern), quantifier, ignore_case=True)
        return Compare(
            operator, left, self.literal(right, kind if kind.kind in ("bytes", "string") else BYTES, start), quantifier
        )

    def membership(self, left: Any, quantifier: Quantifier, first: Token) -> Test:
        """`in {...}` or `in $LIST`."""
        if isinstance(left, Token):
            raise self.error("the left side of in is no field", first, self.guess(left))
        kind = self.kind(left)
        if self.token.kind == "variable":
            return self.variables.membership(left, self.take().text[1:], kind, quantifier)
        self.expect("{", "for example tcp.dstport in {80, 443, 8000..8080}")
        entries: list[Literal_ | tuple[Literal_, Literal_] | ListValue] = []
        while not self.accept("}"):
            start = self.token
            if start.kind == "end" or start.text == ",":
                raise self.error(
                    "a set is not closed" if start.kind == "end" else "an entry is missing",
                    start,
                    "for example {1, 2, 5..9}",
                )
            low = self.literal(self.term(), kind, start)
            if self.accept(".."):
                last = self.token
                entries.append((low, self.literal(self.term(), kind, last)))
            else:
                entries.append(low)
            if self.accept(","):
                if self.token.text == "}":
                    raise self.error("an entry is missing", self.token, "for example {1, 2, 5..9}")
            elif self.token.text != "}":
                ended = self.token.kind == "end"
                raise self.error("a set is not closed" if ended else "a comma is missing in the set", self.token,
                                 "close it with }" if ended else "for example {1, 2, 5..9}")  # fmt: skip
        if not entries:
            raise self.error("an empty set contains nothing", self.tokens[self.at - 1], "for example {1, 2, 5..9}")
        return Membership(left, tuple(entries), quantifier)

    def existence(self, left: Any, first: Token) -> Test:
        """An operand alone."""
        if isinstance(left, Arithmetic):
            return Compare("ne", left, Literal_(0))
        if isinstance(left, FieldValue):
            return Exists(left)
        if isinstance(left, Token):
            raise self.unknown(left)
        raise self.error("a function alone is no test", first, "compare it, for example len(tcp.payload) > 10")

    def operand(self) -> Any:
        """Terms joined by arithmetic; a lone literal stays a Token until its kind is known."""
        with self.deeper():
            return self.joined(("+", "-"), lambda: self.joined(("&", "*", "/", "%"), self.term))

    def joined(self, signs: tuple[str, ...], part: Callable[[], Any]) -> Any:
        """Parts joined by some of the signs."""
        left, count = part(), 0
        while sign := self.accept(*signs):
            count += 1
            if count > DEEPEST:
                raise self.error("too many operators in one operand", sign, f"{DEEPEST} at most")
            left = self.arithmetic(sign, left, part())
        return left

    def arithmetic(self, sign: Token, left: Any, right: Any) -> Arithmetic:
        """left OP right on numbers: whole ones, floats and both; durations; the time between two times."""
        kinds = []
        for side in (left, right):
            is_bits = sign.text == "&" and isinstance(side, FieldValue) and side.slices
            if isinstance(side, Token) or is_bits:
                continue
            kinds.append(self.kind(side))
            if kinds[-1].kind not in (*NUMERIC, "label"):
                raise self.error(f"{kinds[-1].name} is no number", sign, "arithmetic needs numbers")
        kind = self.common(kinds, sign)
        if sign.text not in SIGNS.get(kind.kind, sign.text):
            what = f", as {kind.name} is" if "." in kind.name else ""
            raise self.error(f"{sign.text} does not work on a {kind.kind}{what}", sign,
                             f"use {SIGNS[kind.kind]}")  # fmt: skip
        if kind.kind == "time" and len(kinds) == 1:
            raise self.error(f"{kind.name} is a time, of which only another one can be subtracted", sign,
                             "for example frame.time_epoch - goose.t > 5")  # fmt: skip
        return Arithmetic(sign.text, *(self.single(side, kind, sign) for side in (left, right)))

    def common(self, kinds: list[Field], at: Token) -> Field:
        """The kind of what is made of values of these kinds: floats of floats and whole numbers."""
        for kind in kinds:
            self.refuse_mixed(kinds[0], kind, at)
        return mixed(kinds)

    def take(self) -> Token:
        """The next token, whatever it is."""
        self.at += 1
        return self.tokens[self.at - 1]

    def term(self) -> Any:
        """A field, a function, a literal, or arithmetic in brackets."""
        if self.accept("("):
            inner = self.operand()
            self.expect(")", "every ( needs its )")
            return inner
        if self.token.text == "-":
            sign, following = self.take(), self.token
            if following.text == "(" or following.text in self.known or following.text.lower() in FUNCTIONS:
                return self.arithmetic(sign, Token("literal", "0", sign.at), self.term())
            return Token("literal", "-" + self.take().text, sign.at)
        token = self.take()
        if token.kind == "variable":
            raise self.error(f"{token.text} is a list", token, f"write: in {token.text}")
        if token.kind == "end" or token.kind == "operator":
            raise self.error(
                f"expected a field or a value, found {named(token)}",
                token,
                "for example ip.src == 10.0.0.1",
            )
        if token.kind != "word":
            return token
        if self.token.text == "(" and token.text.lower() in FUNCTIONS:
            return self.call(token)
        if token.text in self.known:
            return self.refined(FieldValue(token.text), token)
        if "." in token.text and not token.text[0].isdigit():
            raise self.unknown(token)
        return token

    def call(self, token: Token) -> Call:
        """A function with its arguments."""
        name, read = token.text.lower(), []
        self.expect("(", "")
        while not self.accept(")"):
            read.append(self.operand())
            if not self.accept(",") and self.token.text != ")":
                raise self.error(f"{token.text}() is not closed", self.token, "separate arguments with commas")
        kinds = [self.kind(argument) for argument in read if not isinstance(argument, Token)]
        is_extreme = name in ("min", "max", "abs")
        if is_extreme:
            self.refuse_unordered(kinds, token)
        kind = self.common(kinds, token) if is_extreme else NUMBER
        arguments = [self.single(argument, kind, token) for argument in read]
        if not arguments or (name not in ("min", "max") and len(arguments) != 1):
            raise self.error(f"{name}() takes one argument", token, f"for example {name}(tcp.payload)")
        if name in ("lower", "upper") and self.kind(arguments[0]).kind != "string":
            raise self.error(f"{name}() takes a text", token, "as matches does not look at case, it may not be needed")
        if name in ("len", "count", "string") and not isinstance(arguments[0], FieldValue):
            raise self.error(f"{name}() takes a field", token, f"for example {name}(tcp.payload)")
        if name == "string" and kinds[0].kind not in STRINGS:
            raise self.error(f"string() takes numbers and addresses, {kinds[0].name} is {kinds[0].kind}", token,
                             "texts and bytes can be compared as they are")  # fmt: skip
        if name == "len":
            arguments[0] = self.spanned(arguments[0], token, "header")
        return Call(name, tuple(arguments))

    def refuse_unordered(self, kinds: list[Field], token: Token) -> None:
        """Arguments of min, max and abs that are no numbers; of addresses with a number there may be a least one."""
        known = (*WHOLE, "float", "duration") if token.text.lower() == "abs" else (*NUMERIC, *WHOLE, "ipv4", "ether")
        for kind in kinds:
            if kind.kind not in known:
                raise self.error(f"{token.text}() takes numbers, {kind.name} is {kind.kind}", token,
                                 f"for example {token.text}(tcp.len)")  # fmt: skip

    def refined(self, field: FieldValue, token: Token) -> FieldValue:
        """A field with its #occurrence and [slices]."""
        if self.accept("#"):
            sign = -1 if self.accept("-") else 1
            number = self.take()
            if not number.text.isdigit() or int(number.text) == 0:
                raise self.error("an occurrence is a number from 1 on", number, f"for example {field.name}#1")
            field = replace(field, occurrence=sign * int(number.text))
        if self.token.text == "[" and self.accept("["):
            field = self.spanned(field, token, "header")
            if self.kind(field).kind not in SLICEABLE:
                raise self.error(f"{field.name} cannot be sliced", token, "bytes, texts and addresses can")
            slices = [self.one_slice()]
            while self.accept(","):
                slices.append(self.one_slice())
            self.expect("]", "for example eth.src[0:3]")
            field = replace(field, slices=tuple(slices))
        return field

    def spanned(self, field: Any, token: Token, span: Literal["header", "whole"]) -> Any:
        """A protocol as its bytes; anything else as it is."""
        if not isinstance(field, FieldValue) or field.slices or self.known[field.name].kind != "protocol":
            return field
        if field.name not in SPANNED:
            raise self.error(
                f"the bytes of {field.name} are not kept apart",
                token,
                f"they can be asked of {', '.join(sorted(SPANNED))}",
            )
        return replace(field, span=span)

    def one_slice(self) -> tuple[int, int | None]:
        """i:n (n bytes from i), i-j (up to j), i: and :n, i alone; as (start, stop)."""
        text, at = "", self.token.at
        while self.token.kind != "end" and self.token.text not in ("]", ","):
            text += self.take().text
        whole = Token("literal", text, at)
        found = re.fullmatch(r"(-?\d+)?(?:(:|-)(-?\d+)?)?", text)
        if not found or not text:
            raise self.error(f"not a slice: {text!r}", whole, "for example [0:3], [1-2], [-4:], [:2]")
        start, sign, end = int(found[1] or 0), found[2], found[3]
        if sign is None:
            return start, start + 1 if start != -1 else None
        if end is None:
            return start, None
        stop = start + int(end) if sign == ":" else int(end) + 1
        if sign == ":" and int(end) < 1:
            raise self.error(f"a slice of {end} bytes", whole, "[0:3] are three bytes, [-3:] the last three")
        if sign == "-" and (start < 0) != (int(end) < 0):
            raise self.error(f"a slice from one end to the other: {text!r}", whole,
                             "both places are counted from the same end: [1-3] or [-3--1]")  # fmt: skip
        if (start < 0 < stop) or (sign == "-" and int(end) < start):
            raise self.error(f"a slice that is never there: {text!r}", whole,
                             "[0:3] are three bytes, [-3:] the last three")  # fmt: skip
        return start, stop if start >= 0 or stop < 0 else None

    def kind(self, operand: Any) -> Field:
        """The field whose kind an operand's values have."""
        if isinstance(operand, FieldValue):
            return BYTES if operand.slices or operand.span else self.known[operand.name]
        if isinstance(operand, Call):
            if operand.function in ("lower", "upper", "string"):
                return TEXT
            return NUMBER if operand.function in ("len", "count") else self.kind_of(operand.arguments)
        if isinstance(operand, Arithmetic):
            kind = NUMBER if operand.operator == "&" else self.kind_of((operand.left, operand.right))
            return SPAN if kind.kind == "time" else kind
        return NUMBER

    def kind_of(self, operands: Sequence[Any]) -> Field:
        """The kind of what is made of operands; constants among them have become of that kind."""
        return mixed([self.kind(one) for one in operands if not isinstance(one, Literal_)])

    def literal(self, operand: Any, kind: Field, at: Token) -> Any:
        """A Token as a value of a kind; anything else as it is."""
        if not isinstance(operand, Token):
            return operand
        if operand.kind == "word" and "." in operand.text and kind.kind not in ("bytes", "float", "string"):
            raise self.unknown(operand)
        try:
            return convert(kind, unquoted(operand), operand.kind in ("string", "char"))
        except InputError as error:
            raise self.error(error.problem, operand, error.hint) from None

    def single(self, operand: Any, kind: Field, at: Token) -> Any:
        """The same inside of functions and arithmetic, where a network has no place."""
        made = self.literal(operand, kind, at)
        if isinstance(made, Literal_) and isinstance(made.value, tuple):
            raise self.error("a network is no value that can be reckoned with", at, "write an address")
        return made

    def guess(self, token: Token) -> str:
        """A hint for a word that is no field."""
        guess = nearest(token.text, self.known)
        return f"did you mean {guess}?" if guess else "all fields: detector fields"

    def unknown(self, token: Token) -> InputError:
        """A word that should have been a field, or a function."""
        if self.token.text == "(" and self.token.at == token.at + len(token.text):
            guess = next((name for name in FUNCTIONS if token.text.lower().startswith(name)), "") or nearest(
                token.text, FUNCTIONS
            )
            hint = f"did you mean {guess}()?" if guess else f"functions are {', '.join(FUNCTIONS)}"
            return self.error(f"unknown function {token.text!r}", token, hint)
        return self.error(f"unknown field {token.text!r}", token, self.guess(token))


def mixed(kinds: Sequence[Field]) -> Field:
    """What is made of values of kinds that can be mixed: a float of floats and whole numbers."""
    found = next((kind for kind in kinds if kind.kind == "float"), kinds[0] if kinds else NUMBER)
    return NUMBER if found.kind in WHOLE else found


def named(token: Token) -> str:
    """A token as a message names it."""
    return repr(token.text) if token.text else "the end"


def unquoted(token: Token) -> str:
    """What a token's text stands for: strings without quotes and escapes."""
    if token.kind not in ("string", "char"):
        return token.text
    if token.text.startswith("r"):
        return token.text[2:-1]

    def escape(found: re.Match[str]) -> str:
        text = found.group(1)
        if text[0] == "x":
            return chr(int(text[1:], 16))
        return ESCAPES.get(text, text)

    return re.sub(r"\\(x[0-9A-Fa-f]{2}|.)", escape, token.text[1:-1])
