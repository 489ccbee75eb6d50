"""Packets written as Scapy expressions in rules' tests, read without being evaluated.

Known are calls of the layers in LAYERS with literal arguments, `/` between layers, `* n` for repetition, and `wait(seconds)`.
"""

from __future__ import annotations

import ast
from functools import cache
from typing import Any

from detector.errors import InputError, Position, nearest
from detector.layers import scapy_module

MODULES = ("scapy.layers.l2", "scapy.layers.inet", "scapy.layers.inet6", "scapy.layers.dns", "scapy.layers.vxlan", "scapy.contrib.mpls",
           "scapy.contrib.modbus")  # fmt: skip
MOST_PACKETS = 100_000
LONGEST = 65_536


@cache
def layers() -> dict[str, Any]:
    """{name: class} of the layers that tests may use."""
    packet = scapy_module("scapy.packet")
    found = {"Raw": packet.Raw, "Padding": packet.Padding}
    for module in MODULES:
        loaded = scapy_module(module)
        found |= {
            name: thing
            for name, thing in vars(loaded).items()
            if isinstance(thing, type) and issubclass(thing, packet.Packet)
        }
    return found


class Wait:
    """A pause before the next packet."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def read_packets(text: str, position: Position) -> list[Any]:
    """Scapy packets, and pauses, that an expression stands for.

    Raises:
        InputError: with the position of the part that cannot be read.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        at = getattr(error, "offset", None) or 1
        raise InputError(f"not a packet: {getattr(error, 'msg', error)}", position=moved(position, at - 1, 1),
                         hint='for example IP(dst="10.0.0.5")/TCP(dport=502)') from None  # fmt: skip
    found = Reader(position).read(tree.body)
    return found if isinstance(found, list) else [found]


def moved(position: Position, by: int, length: int) -> Position:
    """A place further into the same line."""
    return Position(position.path, position.line, position.column + by, max(1, length), position.text)


class Reader:
    """Turns the syntax tree of one expression into packets."""

    def __init__(self, position: Position) -> None:
        self.position = position

    def error(self, node: ast.AST, problem: str, hint: str) -> InputError:
        """A mistake at a node."""
        start = getattr(node, "col_offset", 0)
        stop = getattr(node, "end_col_offset", start + 1) or start + 1
        return InputError(problem, position=moved(self.position, start, stop - start), hint=hint)

    def read(self, node: ast.expr) -> Any:
        """A packet, a list of packets, or a Wait."""
        match node:
            case ast.BinOp(left, ast.Div(), right):
                below, above = self.read(left), self.read(right)
                if isinstance(below, list | Wait) or isinstance(above, list | Wait):
                    raise self.error(
                        node, "a repetition cannot be part of a packet", "repeat the whole: IP()/TCP() * 5"
                    )
                return below / above
            case ast.BinOp(left, ast.Mult(), ast.Constant(value=int(count))):
                if not 1 <= count <= MOST_PACKETS:
                    raise self.error(node, f"repetitions are 1 to {MOST_PACKETS}", "write several entries")
                one = self.read(left)
                return (one if isinstance(one, list) else [one]) * count
            case ast.Call(ast.Name("wait"), [ast.Constant(value=int() | float() as seconds)], []):
                return Wait(seconds)
            case ast.Call(ast.Name(name), arguments, keywords):
                return self.layer(node, name, arguments, keywords)
            case _:
                raise self.error(
                    node, "only layers, / between them and * n are known here", 'for example IP(dst="10.0.0.5")/UDP()'
                )

    def layer(self, node: ast.Call, name: str, arguments: list[ast.expr], keywords: list[ast.keyword]) -> Any:
        """One layer with its fields."""
        known = layers()
        if name not in known:
            guess = nearest(name, known)
            raise self.error(
                node.func, f"unknown layer {name!r}", f"did you mean {guess}?" if guess else "layers are Scapy's"
            )
        made = known[name]
        names = [field.name for field in made.fields_desc]
        fields: dict[str, Any] = {}
        for keyword in keywords:
            if keyword.arg not in names:
                guess = nearest(str(keyword.arg), names)
                raise self.error(
                    keyword,
                    f"{name} has no field {keyword.arg!r}",
                    f"did you mean {guess}?" if guess else f"it has {', '.join(names)}",
                )
            fields[str(keyword.arg)] = self.value(keyword.value)
        if len(arguments) > 1 or (arguments and name != "Raw"):
            raise self.error(
                node, f"fields of {name} are given by name", f"for example {name}({names[0] if names else ''}=...)"
            )
        try:
            return made(**fields) if not arguments else made(self.value(arguments[0]))
        except Exception as error:  # noqa: BLE001 - Scapy raises what it likes about a value; the author needs to know where
            raise self.error(node, f"Scapy refuses this {name}: {error}", "check the fields' values") from None

    def value(self, node: ast.expr) -> Any:
        """A literal: number, text, bytes, list, tuple."""
        try:
            value = ast.literal_eval(node)
        except (ValueError, TypeError, MemoryError, RecursionError):
            raise self.error(node, "a field takes a literal", 'a number, "text", b"bytes" or a list of them') from None
        if isinstance(value, str | bytes) and len(value) > LONGEST:
            raise self.error(node, "a value is too long", f"at most {LONGEST} bytes")
        return value
