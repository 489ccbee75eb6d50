"""Packets written as Scapy expressions in rules' tests, read without being evaluated.

Known are calls of Scapy's layers with literal arguments, `/` between layers, `* n` for repetition, and `wait(seconds)`.
"""

from __future__ import annotations

import ast
from functools import cache
from ipaddress import ip_address
from typing import Any

from detector.errors import InputError, Position, nearest
from detector.layers import scapy_module

MODULES = ("scapy.packet", "scapy.layers.l2", "scapy.layers.inet", "scapy.contrib.modbus", "scapy.layers.inet6", "scapy.layers.dns",
           "scapy.layers.vxlan", "scapy.contrib.mpls", "detector.protocols.dnp3_layers",
           "detector.protocols.iec104_layers", "detector.protocols.s7comm_layers", "detector.protocols.enip_layers", "detector.protocols.goose_layers", "detector.protocols.sv_layers")  # fmt: skip
NOT_LAYERS = ("Packet", "NoPayload")
MOST_PACKETS = 100_000
MOST_LAYERS = 50
LONGEST = 65_536
LONGEST_WAIT = 366 * 24 * 3600  # seconds
EXAMPLE = 'for example IP(dst="10.0.0.5")/TCP(dport=502)'


@cache
def layers_of(module: str) -> dict[str, Any]:
    """{name: class} of the layers of a module. From here on Scapy asks no name server."""
    packet = scapy_module("scapy.packet")
    scapy_module("scapy.base_classes").Net.name2addr = classmethod(numeric)
    return {
        name: thing
        for name, thing in vars(scapy_module(module)).items()
        if isinstance(thing, type) and issubclass(thing, packet.Packet) and name not in NOT_LAYERS
    }


def layer_of(name: str) -> Any:
    """The class of a layer that tests may use, or None. Only the modules up to its own are loaded: lint is to be quick."""
    return next((found[name] for module in MODULES if name in (found := layers_of(module))), None)


def layers() -> list[str]:
    """The names of all layers that tests may use."""
    return [name for module in MODULES for name in layers_of(module)]


def numeric(_: type, name: str) -> str:
    """An address as it is, in place of a look-up: a test must not depend on a network."""
    try:
        return str(ip_address(name))
    except ValueError:
        raise ValueError(f"{name!r} is not an address, and names are not looked up") from None


class Wait:
    """A pause before the next packet."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def read_packets(text: str, position: Position) -> list[Any]:
    """Scapy packets, and pauses, that an expression stands for.

    Raises:
        InputError: with the position of the part that cannot be read.
    """
    reader = Reader(text, position)
    try:
        found = reader.read(ast.parse(text.strip(), mode="eval").body)
    except RecursionError:
        raise InputError("not a packet: nested too deeply", position=position, hint=EXAMPLE) from None
    except (SyntaxError, ValueError, MemoryError) as error:
        said = str(getattr(error, "msg", error) or "too long")
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        raise InputError(f"not a packet: {said}", position=reader.at(line, column - 1, 1), hint=EXAMPLE) from None
    return found if isinstance(found, list) else [found]


def columns_of(text: str, position: Position) -> list[int]:
    """The column in the source line at which each character of a YAML scalar stands, quotes and escapes considered.

    Where the text goes on in another line the columns end.
    """
    line, at = position.text, position.column - 1
    quote = line[at : at + 1] if line[at : at + 1] in ("'", '"') else ""
    at += len(quote)
    found = []
    for letter in text:
        if (quote == '"' and line[at : at + 2] == f"\\{letter}") or (quote == "'" and line[at : at + 2] == "''"):
            at += 1
        if line[at : at + 1] != letter:
            break
        found.append(at + 1)
        at += 1
    return [*found, at + 1]


class Reader:
    """Turns the syntax tree of one expression into packets."""

    def __init__(self, text: str, position: Position) -> None:
        self.position = position
        self.lines = text.strip().splitlines() or [""]
        self.columns = columns_of(text, position)[len(text) - len(text.lstrip()) :]

    def at(self, line: int, start: int, length: int) -> Position:
        """The place of characters of the text; the beginning of the text where they are in another line."""
        first = sum(len(before) + 1 for before in self.lines[: line - 1]) + start
        if first >= len(self.columns):
            return self.position
        place = self.position
        return Position(place.path, place.line, self.columns[first], max(1, length), place.text)

    def error(self, node: ast.AST, problem: str, hint: str) -> InputError:
        """A mistake at a node."""
        line, start = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        stop = getattr(node, "end_col_offset", start + 1) or start + 1
        source = self.lines[line - 1].encode()  # Python counts bytes
        before, inside = (part.decode("utf-8", "replace") for part in (source[:start], source[start:stop]))
        return InputError(problem, position=self.at(line, len(before), len(inside)), hint=hint)

    def read(self, node: ast.expr) -> Any:
        """A packet, a list of packets, or a Wait."""
        match node:
            case ast.BinOp(left, ast.Div(), right):
                below, above = self.read(left), self.read(right)
                if isinstance(below, list | Wait) or isinstance(above, list | Wait):
                    raise self.error(
                        node, "a repetition cannot be part of a packet", "repeat the whole: IP()/TCP() * 5"
                    )
                made = below / above
                if len(made.layers()) > MOST_LAYERS:
                    raise self.error(node, f"more than {MOST_LAYERS} layers", "a packet has a handful of them")
                return made
            case ast.BinOp(left, ast.Mult(), ast.Constant(value=int(count))) if not isinstance(count, bool):
                one = self.read(left)
                repeated = one if isinstance(one, list) else [one]
                if not 1 <= count * len(repeated) <= MOST_PACKETS:
                    raise self.error(node, f"repetitions are 1 to {MOST_PACKETS}", "write several entries")
                return repeated * count
            case ast.Call(ast.Name("wait"), [ast.Constant(value=int() | float() as seconds)], []):
                if isinstance(seconds, bool) or not 0 <= seconds <= LONGEST_WAIT:
                    raise self.error(node, "a pause is 0 seconds to a year", "for example wait(61)")
                return Wait(seconds)
            case ast.Call(ast.Name("wait"), _, _):
                raise self.error(node, "wait takes a number of seconds", "for example wait(61)")
            case ast.Call(ast.Name(name), arguments, keywords):
                return self.layer(node, name, arguments, keywords)
            case ast.Name(name) if layer_of(name):
                raise self.error(node, f"{name} is not called", f"write {name}()")
            case _:
                raise self.error(
                    node, "only layers, / between them and * n are known here", 'for example IP(dst="10.0.0.5")/UDP()'
                )

    def layer(self, node: ast.Call, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        """One layer with its fields."""
        known = layer_of(name)
        if known is None:
            guess = nearest(name, layers())
            raise self.error(
                node.func, f"unknown layer {name!r}", f"did you mean {guess}?" if guess else "layers are Scapy's"
            )
        names = [field.name for field in known.fields_desc]
        fields: dict[str, Any] = {}
        for keyword in keywords:
            if keyword.arg is None:
                raise self.error(keyword.value, f"fields of {name} are given by name", "write them one by one")
            if keyword.arg not in names:
                guess = nearest(keyword.arg, names)
                hint = f"did you mean {guess}?" if guess else f"it has {', '.join(names) or 'no fields'}"
                raise self.error(keyword, f"{name} has no field {keyword.arg!r}", hint)
            if keyword.arg in fields:
                raise self.error(keyword, f"{keyword.arg} is given twice", "keep one of them")
            fields[keyword.arg] = self.value(keyword.value)
        if len(arguments) > 1 or (arguments and name != "Raw"):
            raise self.error(
                node, f"fields of {name} are given by name", f"for example {name}({names[0] if names else ''}=...)"
            )
        if arguments:
            fields["load"] = self.value(arguments[0])
        if name == "Raw" and not isinstance(fields.get("load", b""), str | bytes):
            raise self.error(node, "Raw takes bytes", 'for example Raw(b"\\x01\\x02")')
        return self.made(node, known, fields)

    def inner(self, node: ast.expr) -> Any:
        """Layers as the value of a field."""
        found = self.read(node)
        if isinstance(found, list | Wait):
            raise self.error(node, "a repetition cannot be part of a packet", "write each of them")
        return found

    def made(self, node: ast.Call, layer: Any, fields: dict[str, Any]) -> Any:
        """The layer as Scapy makes it: one packet, not a set of them."""
        try:
            packet = layer(**fields)
            stands_for = int(packet.__iterlen__())
        except Exception as error:  # noqa: BLE001 - Scapy raises what it likes about a value; the author needs to know where
            said = " ".join(str(error).split()) or type(error).__name__
            raise self.error(node, f"Scapy refuses this {layer.__name__}: {said}", "check the fields' values") from None
        if stands_for != 1:
            raise self.error(node, f"this stands for {stands_for} packets", "write an entry for each packet")
        return packet

    def value(self, node: ast.expr) -> Any:
        """A literal: number, text, bytes, list, tuple; or layers, or a list of them, as objects of a PDU are."""
        if is_layers(node):
            return self.inner(node)
        if isinstance(node, ast.List) and any(map(is_layers, node.elts)):
            return [self.inner(one) for one in node.elts]
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, MemoryError, RecursionError):
            raise self.error(
                node, "a field takes a literal", 'a number, "text", b"bytes", layers, or a list of them'
            ) from None
        if isinstance(value, str | bytes) and len(value) > LONGEST:
            raise self.error(node, "a value is too long", f"at most {LONGEST} bytes")
        return value


def is_layers(node: ast.expr) -> bool:
    """Whether an expression is written as layers are."""
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div | ast.Mult):
        node = node.left
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
