"""What a user reads when something is wrong, and the names of what is wrong with packets."""

from __future__ import annotations

import pytest

from detector.errors import InputError, InputErrors, PacketAnomaly, Position, nearest


def test_a_mistake_shows_its_place_its_line_and_what_to_do() -> None:
    """Without the mark under the word the reader has to count columns."""
    position = Position("rules/a.yml", 8, 11, 5, "  write: {modbus.funccode: 5}")
    error = InputError("unknown field 'modbus.funccode'", position=position, hint="did you mean modbus.func_code?")
    assert str(error).splitlines() == [
        "rules/a.yml:8:11: unknown field 'modbus.funccode'",
        "     8 |   write: {modbus.funccode: 5}",
        "       |           ^^^^^",
        "hint: did you mean modbus.func_code?",
    ]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("no packet"), "no packet"),
        (InputError("no packet", hint="give one"), "no packet (hint: give one)"),
        (InputError("odd", position=Position("a", 1, 1)), "a:1:1: odd"),
        (InputError("odd", position=Position("a", 1, 1, 0, "x")), "a:1:1: odd\n     1 | x\n       | ^"),
    ],
)
def test_what_is_not_known_is_left_out(error: InputError, said: str) -> None:
    assert str(error) == said


@pytest.mark.parametrize("text", ["\tkey: x", "\x1b[2Jkey: x", "é\u202ekey: x"])
def test_the_mark_stands_below_its_character_and_a_line_steers_no_terminal(text: str) -> None:
    """A rule file may come from anywhere: an escape sequence in it must not clear the screen of who checks it."""
    column = text.index("key") + 1
    _, line, mark = str(InputError("p", position=Position("a", 1, column, 3, text))).splitlines()
    assert line.isprintable()
    assert line[mark.index("^") : mark.rindex("^") + 1] == "key"


@pytest.mark.parametrize("at", [0, 100, 5000, 8180])
def test_of_a_long_line_what_stands_around_the_place_is_shown(at: int) -> None:
    """A rule may have 8,191 characters, and a screen has some 200."""
    text = "a" * at + "wrong" + "b" * (8185 - at)
    _, line, mark = str(InputError("p", position=Position("a", 1, at + 1, 5, text))).splitlines()
    assert len(line) < 260 and "…" in line
    assert line[mark.index("^") : mark.rindex("^") + 1] == "wrong"


def test_several_mistakes_are_told_one_after_the_other() -> None:
    several = InputErrors([InputError("first"), InputError("second", hint="h")])
    assert str(several) == "first\nsecond (hint: h)"
    assert len(several.errors) == 2


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [("ip.scr", ["ip.src", "ip.dst", "tcp"], "ip.src"), ("zzz", ["ip.src"], ""), ("x", [], ""), ("", ["ip.src"], "")],
)
def test_nearest(word: str, known: list[str], found: str) -> None:
    assert nearest(word, known) == found


def test_anomalies_have_names_that_rules_can_use() -> None:
    """Names are Suricata's where it has one (decoder-events.rules); a value is a bit in 64, and never used twice."""
    labels = [one.label for one in PacketAnomaly]
    assert {"ipv4.trunc_pkt", "tcp.hlen_too_small", "ipv4.opt_invalid_len", "udp.hlen_invalid"} <= set(labels)
    assert len(set(labels)) == len(labels) == len(PacketAnomaly.__members__), "no two names for one value"
    assert all(value < 64 for value in PacketAnomaly if value < 100)
