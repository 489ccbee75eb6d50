"""`detector fields`: every field with type, unit, values and meaning; near names; readable at 100 columns."""

from __future__ import annotations

import pytest

from detector.protocols import PROTOCOLS
from detector.protocols.fields import FIELDS
from tests.cli.command import COLUMNS, detector, inside, on_terminal, refused, widths


def test_every_field_is_listed_once_in_order() -> None:
    done = detector("fields")
    assert done.code == 0 and done.err == ""
    assert done.out.splitlines()[0].split() == ["field", "type", "unit", "meaning", "and", "values"]
    listed = [line.split()[0] for line in done.out.splitlines()[1:] if not line.startswith(" ")]
    assert listed == list(FIELDS)


def test_nothing_is_wider_than_the_terminal() -> None:
    """A pipe counts as 100 columns; a terminal is as wide as it is, down to a limit."""
    assert max(widths(detector("fields").out)) <= COLUMNS
    code, written = on_terminal("fields", "modbus", columns=80)
    assert code == 0 and max(widths(written)) <= 80 and "\x1b" not in written


@pytest.mark.parametrize(("name", "first", "count"), [("modbus", "modbus", 20), ("Modbus", "modbus", 20), ("tcp", "tcp", 20),
                                                     ("flow", "flow.id", 5), ("mbtcp", "mbtcp", 5), ("pdu", "pdu.", 3),
                                                     ("modbus.func_code", "modbus.func_code", 1), ("tcp.options", "tcp.options", 5)])  # fmt: skip
def test_fields_of_a_protocol_or_one_with_those_below_it(name: str, first: str, count: int) -> None:
    done = inside("fields", name)
    listed = [line.split()[0] for line in done.out.splitlines()[1:] if not line.startswith(" ")]
    assert listed[0].startswith(first) and len(listed) >= count


def test_values_are_named() -> None:
    said = " ".join(inside("fields", "modbus.exception_code").out.split())
    assert "uint why a request was refused: 1 Illegal function, 2 Illegal data address" in said
    assert "to_server, to_client" in " ".join(inside("fields", "flow.direction").out.split())
    assert " uint (object) " in inside("fields", "modbus.regnum16").out


def test_an_unknown_protocol_is_refused_with_the_nearest() -> None:
    assert refused(inside("fields", "modbsu")) == "no fields of 'modbsu' (hint: did you mean modbus?)"
    assert refused(inside("fields", "modbus.funccode")).endswith("(hint: did you mean modbus.func_code?)")
    said = refused(inside("fields", "zzz"))
    assert said.startswith("no fields of 'zzz' (hint: known are arp, ") and all(
        f" {one.name}," in said for one in PROTOCOLS
    )
