"""Sigma selections and conditions: what each form means, on texts, numbers, addresses, labels and objects.

What a text with wildcards and escapes means is Sigma's specification, "Escaping"; what conditions mean its "Condition".
"""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from detector.columns import Column, Field, Table
from detector.detect.predicates import evaluate
from detector.errors import InputError
from detector.protocols.fields import FIELDS
from detector.rules.compiler import ConditionCompiler, SelectionCompiler, literal_text, wildcard
from detector.rules.document import read_documents
from detector.rules.lexer import Place
from detector.rules.model import Compare, FieldValue, Literal_
from detector.rules.variables import make_variables
from tests.rules.written import SYN, WRITE, alerts, loaded, mistakes, places, rule, selecting, written

KNOWN = {
    "a.text": Field("a.text", "string", ""),
    "a.number": Field("a.number", "uint", ""),
    "a.label": Field("a.label", "label", "", labels={0: "to_server", 1: "to_client", 2: "list[0]"}),
}
TEXTS = [
    "Siemens AG",
    "siemens",
    "SIEMENS\n",
    "C:\\Windows\\a",
    "a*b",
    "a?b",
    "aXb",
    "ab",
    "a\\Xb",
    "\\*",
    "",
    "Łódź",
    "$5",
    "[ab]",
]


def selected(folder: Path, selection: str, values: list[str], name: str = "a.text") -> list[str]:
    """The texts that a selection selects."""
    document, nodes = read_documents(written(folder, f"chosen: {selection}\n"))
    compiler = SelectionCompiler(document, KNOWN, make_variables({"VENDORS": "siemens ag, A*B"}, []), {})
    test = compiler.selection(document.mapping(next(nodes), "it")["chosen"][1])
    assert not document.errors, document.errors
    encoded = [value.encode() for value in values]
    stops = np.cumsum([len(value) for value in encoded])
    spans = np.stack((stops - [len(value) for value in encoded], stops), axis=1)
    table = Table("a", len(values))
    table.offer(
        name, lambda _: Column(KNOWN[name], spans, None, None, np.frombuffer(b"".join(encoded) + b"\0", np.uint8))
    )
    return [value for value, holds in zip(values, evaluate(test, table), strict=True) if holds]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        # as a whole, without regard to case
        ("{a.text: SIEMENS ag}", ["Siemens AG"]),
        ("{a.text|cased: SIEMENS ag}", []),
        ("{a.text|cased: siemens}", ["siemens"]),
        ('{a.text: ""}', [""]),
        ("{a.text: [siemens, ab]}", ["siemens", "ab"]),
        ("{a.text: Łódź}", ["Łódź"]),
        # wildcards
        ("{a.text: siemens*}", ["Siemens AG", "siemens", "SIEMENS\n"]),
        ("{a.text: '*AG'}", ["Siemens AG"]),
        ("{a.text: '*i*m*'}", ["Siemens AG", "siemens", "SIEMENS\n"]),
        ("{a.text: siemens?}", ["SIEMENS\n"]),
        ("{a.text: a?b}", ["a*b", "a?b", "aXb"]),
        ("{a.text: a*b}", ["a*b", "a?b", "aXb", "ab", "a\\Xb"]),
        ("{a.text: '*'}", TEXTS),
        ("{a.text|cased: Siemens*}", ["Siemens AG"]),
        # escapes
        (r"{a.text: 'a\*b'}", ["a*b"]),
        (r"{a.text: 'a\?b'}", ["a?b"]),
        (r"{a.text: 'a\\?b'}", ["a\\Xb"]),
        (r"{a.text: 'a\Xb'}", ["a\\Xb"]),
        (r"{a.text: 'a\\Xb'}", ["a\\Xb"]),
        (r"{a.text: '\\\*'}", ["\\*"]),
        (r"{a.text: 'c:\windows\a'}", ["C:\\Windows\\a"]),
        (r"{a.text: 'c:\\windows\\*'}", ["C:\\Windows\\a"]),
        ("{a.text: '[ab]'}", ["[ab]"]),
        ("{a.text: $5}", ["$5"]),
        # parts
        ("{a.text|contains: EMEN}", ["Siemens AG", "siemens", "SIEMENS\n"]),
        ("{a.text|contains|cased: emen}", ["Siemens AG", "siemens"]),
        ("{a.text|startswith: SIEMENS}", ["Siemens AG", "siemens", "SIEMENS\n"]),
        ("{a.text|endswith: ag}", ["Siemens AG"]),
        ("{a.text|contains: 'm?n'}", ["Siemens AG", "siemens", "SIEMENS\n"]),
        ("{a.text|startswith: 's*s '}", ["Siemens AG"]),
        ("{a.text|endswith: '?g'}", ["Siemens AG"]),
        (r"{a.text|contains: '\*'}", ["a*b", "\\*"]),
        (r"{a.text|contains: '\'}", ["C:\\Windows\\a", "a\\Xb", "\\*"]),
        ("{a.text|contains|all: [a, b]}", ["a*b", "a?b", "aXb", "ab", "a\\Xb", "[ab]"]),
        ("{a.text|contains: [AG, odź]}", ["Siemens AG"]),  # case is folded in ASCII only
        ("{a.text|contains: ódź}", ["Łódź"]),
        # regular expressions
        ("{a.text|re: '^Siemens'}", ["Siemens AG"]),
        ("{a.text|re: '(?i)^siemens.'}", ["Siemens AG", "SIEMENS\n"]),
        ("{a.text|re: '[ai]..$'}", ["a*b", "a?b", "aXb", "[ab]"]),
        # lists of a variable, as lists in the rule
        ("{a.text: $VENDORS}", ["Siemens AG", "a*b"]),
        ("{a.text|cased: $VENDORS}", []),
        # several keys, lists of mappings
        ("{a.text|startswith: a, a.text|endswith: b}", ["a*b", "a?b", "aXb", "ab", "a\\Xb"]),
        ("[{a.text: ab}, {a.text: axb}]", ["aXb", "ab"]),
        ("""'a.text contains "X" or a.text == "ab"'""", ["aXb", "ab", "a\\Xb"]),
        ("""['a.text == "ab"', {a.text: axb}]""", ["aXb", "ab"]),
    ],
)  # fmt: skip
def test_texts(selection: str, expected: list[str], tmp_path: Path) -> None:
    assert selected(tmp_path, selection, TEXTS) == expected


@pytest.mark.parametrize(
    "text", ["*", "?", "a*", "*a", "\\", "\\\\", "\\*", "a\\", "\\\\\\\\*", "a.b", "^a$", "(", "\n", ""]
)
def test_wildcards_against_the_definition(text: str) -> None:
    """Every text of up to four characters, against a matcher that follows the specification letter by letter."""

    def matches(pattern: str, value: str) -> bool:
        if not pattern:
            return not value
        if pattern[0] == "*":
            return any(matches(pattern[1:], value[at:]) for at in range(len(value) + 1))
        if pattern[0] == "?":
            return bool(value) and matches(pattern[1:], value[1:])
        if pattern[0] == "\\" and len(pattern) > 1 and pattern[1] in "*?\\":
            pattern = pattern[1:]
        return value[:1] == pattern[0] and matches(pattern[1:], value[1:])

    for size in range(5):
        for letters in product("a\\*\n", repeat=size):
            value = "".join(letters)
            assert bool(re.search(wildcard(text), value)) == matches(text, value), (text, value)
            plain, has_wildcards = literal_text(text)
            assert has_wildcards or (value == plain) == matches(text, value), (text, value)


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        # numbers: as they are, as texts, in any base
        ("{tcp.dstport: 80}", 1),
        ('{tcp.dstport: "80"}', 1),
        ("{tcp.dstport: 0x50}", 1),
        ("{tcp.dstport: [22, 80]}", 1),
        ("{tcp.dstport: 22}", 0),
        ("{tcp.dstport|gt: 79}", 1),
        ("{tcp.dstport|gt: 80}", 0),
        ("{tcp.dstport|gte: 80}", 1),
        ("{tcp.dstport|lt: 80}", 0),
        ("{tcp.dstport|lte: '80'}", 1),
        ("{tcp.dstport|gt: 79, tcp.dstport|lt: 81}", 1),
        ("{tcp.port|all: [80, 40000]}", 1),
        ("{tcp.port|all: [80, 22]}", 0),
        ("{tcp.port: [22, 40000]}", 1),
        # addresses and networks
        ("{ip.src: 10.0.0.1}", 1),
        ("{ip.src: 10.0.0.0/8}", 1),
        ("{ip.src|cidr: 10.0.0.0/31}", 1),
        ("{ip.src|cidr: [192.168.0.0/16, 10.0.0.1/32]}", 1),
        ("{ip.src|cidr: 10.0.0.2/31}", 0),
        ("{ip.addr|all: [10.0.0.1, 10.0.0.2]}", 1),
        ("{ip.src|fieldref: ip.dst}", 0),
        ("{ip.src|fieldref: ip.src}", 1),
        # truth
        ("{tcp.flags.syn: true}", 1),
        ("{tcp.flags.syn: yes}", 1),
        ("{tcp.flags.syn: 1}", 1),
        ('{tcp.flags.syn: "true"}', 1),
        ("{tcp.flags.ack: false}", 1),
        ("{tcp: true}", 1),
        ("{udp: false}", 1),
        ("{udp: true}", 0),
        # labels
        ("{flow.direction: TO_SERVER}", 1),
        ("{flow.direction: to_*}", 1),
        ("{flow.direction|contains: SERVER}", 1),
        ("{flow.direction|endswith: server}", 1),
        ("{flow.direction|endswith: client}", 0),
        ("{flow.direction|re: '^to_s'}", 1),
        ("{flow.direction|contains|all: [to, server]}", 1),
        # whether it is there
        ("{vlan.id: null}", 1),
        ("{vlan.id: ~}", 1),
        ("{vlan.id: }", 1),
        ("{tcp.dstport: null}", 0),
        ("{vlan.id|exists: false}", 1),
        ("{vlan.id|exists: true}", 0),
        ("{tcp.dstport|exists: yes}", 1),
        ("{vlan.id: [null, 7]}", 1),
        ("{udp|exists: false}", 1),
        # bytes
        ("{eth.type: 0x0800}", 1),
        ("{tcp.payload|contains: 0a}", 0),
    ],
)
def test_other_values(selection: str, count: int, tmp_path: Path) -> None:
    """On a SYN from 10.0.0.1:40000 to 10.0.0.2:80."""
    assert len(alerts(loaded(tmp_path, selecting(selection)), SYN)) == count


WRITES = 'IP(src="10.0.0.1", dst="10.0.0.2")/TCP(dport=502)/ModbusADURequest()/ModbusPDU10WriteMultipleRegistersRequest(startAddr=4, quantityRegisters=3, byteCount=6, outputsValue=[200, 300, 400])'
READ = 'IP(src="10.0.0.1", dst="10.0.0.2")/TCP(dport=502)/ModbusADURequest()/ModbusPDU03ReadHoldingRegistersRequest(startAddr=4, quantity=3)'


@pytest.mark.parametrize(
    ("selection", "on_writes", "on_read"),
    [
        # registers 4, 5, 6 get 200, 300, 400; the request that reads has no values
        ("{modbus.regnum16: 5, modbus.regval_uint16: 300}", 1, 0),
        ("{modbus.regnum16: 5, modbus.regval_uint16: 400}", 0, 0),
        ("{modbus.regval_uint16: [1, 400]}", 1, 0),
        ("{modbus.regval_uint16|gt: 100, modbus.regval_uint16|lt: 250}", 1, 0),
        ("{modbus.regval_uint16|all: [200, 400]}", 0, 0),  # of one object: no register has two values
        ("{modbus.regval_uint16|every|gt: 100}", 1, 0),
        ("{modbus.regval_uint16|every|gt: 200}", 0, 0),
        ("{modbus.regval_uint16|every: [200, 300, 400]}", 1, 0),
        ("{modbus.func_code: 16, modbus.regnum16: 4}", 1, 0),
        ("{modbus.regval_uint16|exists: true}", 1, 0),
        ("{modbus.regval_uint16|exists: false}", 0, 1),
        ("{modbus.regval_uint16: null}", 0, 1),
        ("{modbus.func_code: 3, modbus.regval_uint16: null}", 0, 1),
        ("{modbus.regnum16: 4, modbus.bitval: null}", 1, 0),
        ("{mbtcp.unit_id|fieldref: modbus.regval_uint16}", 0, 0),
    ],
)
def test_objects(selection: str, on_writes: int, on_read: int, tmp_path: Path) -> None:
    """All keys of a selection hold on one object; that there is no value is said of the PDU, which may have no object."""
    ruleset = loaded(tmp_path, selecting(selection, "protocol: modbus"))
    assert (len(alerts(ruleset, WRITES)), len(alerts(ruleset, READ))) == (on_writes, on_read)


def test_not_of_objects_acts_on_the_pdu(tmp_path: Path) -> None:
    text = rule(
        "protocol: modbus\ndetection:\n  high: {modbus.regval_uint16|gt: 250}\n  condition: not high\nalert: {limit: none}"
    )
    assert len(alerts(loaded(tmp_path, text), WRITES)) == 0, "one register is high"
    assert len(alerts(loaded(tmp_path, text), READ)) == 1
    assert len(alerts(loaded(tmp_path, text), WRITE)) == 1, "register 1 gets 3"


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        ("{}", "5:11 an empty selection matches nothing"),
        ("[]", "5:11 an empty selection matches nothing"),
        ("{tcp.dstport: []}", "5:25 tcp.dstport has an empty list: it never matches"),
        ("{tcp.dstport: {a: b}}", "5:25 tcp.dstport takes a value or a list of values"),
        ("{tcp.dstport: [[80]]}", "5:26 tcp.dstport takes a value or a list of values"),
        ("{tcp.dstprt: 80}", "5:12 unknown field 'tcp.dstprt'"),
        ("{tcp.dstport|above: 80}", "5:12 unknown modifier 'above'"),
        ("{tcp.dstport|: 80}", "5:12 unknown modifier ''"),
        ("{tcp.dstport|gt|lt: 80}", "5:31 modifiers gt and lt exclude each other"),
        ("{tcp.dstport|gt: }", "5:28 gt needs a value"),
        ("{tcp.dstport|gt: $X}", "5:28 gt takes no list, $X is one"),
        ("{ip.src|gt: 10.0.0.1}", "5:23 gt needs a number, ip.src is ipv4"),
        ("{flow.direction|gt: to_server}", "5:31 gt needs a number, flow.direction is label"),
        ("{tcp.dstport|cidr: 10.0.0.0/8}", "5:30 cidr needs an address, tcp.dstport is uint"),
        ("{tcp.dstport|cidr: $X}", "5:30 cidr needs an address, tcp.dstport is uint"),
        ("{tcp.dstport|re: 8.}", "5:28 re needs a text or bytes, tcp.dstport is uint"),
        ("{tcp.dstport|contains: 8}", "5:34 contains needs a text or bytes, tcp.dstport is uint"),
        ("{tcp.dstport|exists: maybe}", "5:32 exists is true or false"),
        ("{tcp.dstport|every: 80}", "5:12 |every asks for all objects, tcp.dstport is no object field"),
        ("{tcp.dstport|fieldref: ip.src}", "5:34 tcp.dstport is uint, ip.src is ipv4"),
        ("{tcp.dstport|fieldref: ip.scr}", "5:34 unknown field 'ip.scr'"),
        ("{modbus.regval_uint16|fieldref: mbtcp.unit_id}", "5:43 modbus.regval_uint16 is a field of objects, mbtcp.unit_id of the whole row"),
        ("{flow.direction: sideways}", "5:28 'sideways' is no value of flow.direction"),
        ("{flow.direction: on}", "5:28 'on' is no value of flow.direction"),
        ("{flow.direction: 'x*'}", "5:28 no value of flow.direction matches 'x*'"),
        ("{flow.direction: '*[r]'}", "5:28 no value of flow.direction matches '*[r]'"),
        ("{flow.direction|re: TO_}", "5:31 no value of flow.direction matches 'TO_'"),
        ("{tcp.payload|re: '('}", "5:28 not a regular expression: missing ) at position 1"),
        ("{tcp.dstport: 1.5}", "5:25 '1.5' is no value of tcp.dstport"),
        ("'ip.ttl == '", "5:22 expected a field or a value, found the end"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_selection_and_where(selection: str, said: str, tmp_path: Path) -> None:
    """Each of these would otherwise be a rule that never matches."""
    found = places(mistakes(tmp_path, selecting(selection), variables={"X": "80"}))
    assert found[0] == said


# --- conditions -----------------------------------------------------------------------------------------------------

NAMES = ("a", "b", "c", "sel_x", "sel_y", "_hidden")


def condition(text: str) -> ConditionCompiler:
    """A condition over selections that hold where the column of their name is true."""
    selections = {name: Compare("eq", FieldValue(f"s.{name}"), Literal_(True)) for name in NAMES}
    return ConditionCompiler(text, Place(), selections)


def combinations() -> tuple[Table, list[dict[str, bool]]]:
    """A row for each way in which selections may hold."""
    rows = [dict(zip(NAMES, values, strict=True)) for values in product((False, True), repeat=len(NAMES))]
    table = Table("s", len(rows))
    for name in NAMES:
        column = Column(Field(f"s.{name}", "bool", ""), np.array([row[name] for row in rows]))
        table.offer(f"s.{name}", lambda _, column=column: column)
    return table, rows


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a", "a"),
        ("a and b", "a and b"),
        ("a or b and c", "a or (b and c)"),
        ("a and b or c", "(a and b) or c"),
        ("not a and b", "(not a) and b"),
        ("not a or b", "(not a) or b"),
        ("not (a or b)", "not (a or b)"),
        ("not not a", "a"),
        ("(a or b) and (b or c)", "(a or b) and (b or c)"),
        ("(a)", "a"),
        ("a AND NOT b OR c", "(a and not b) or c"),
        ("1 of sel_*", "sel_x or sel_y"),
        ("any of sel_*", "sel_x or sel_y"),
        ("all of sel_*", "sel_x and sel_y"),
        ("1 of sel_x", "sel_x"),
        ("1 of *_y", "sel_y"),
        ("not 1 of sel_*", "not (sel_x or sel_y)"),
        ("a and not all of sel_*", "a and not (sel_x and sel_y)"),
        ("1 of them", "a or b or c or sel_x or sel_y"),  # pySigma: names that begin with _ are left out
        ("all of them", "a and b and c and sel_x and sel_y"),
        ("all of THEM and _hidden", "a and b and c and sel_x and sel_y and _hidden"),
        ("a  and\n  b", "a and b"),
    ],
)
def test_conditions_on_every_combination(text: str, same: str) -> None:
    """Precedence: not, and, or. Compared with Python's, which has the same."""
    table, rows = combinations()
    mask = evaluate(condition(text).compile(), table)
    assert mask.tolist() == [eval(same, {"__builtins__": {}}, row) for row in rows]


def test_a_condition_notes_what_it_uses() -> None:
    compiler = condition("a and 1 of sel_*")
    compiler.compile()
    assert compiler.used == {"a", "sel_x", "sel_y"}


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("", 1, "a selection's name is missing here"),
        ("a and", 6, "a selection's name is missing here"),
        ("and a", 1, "a selection's name is missing here"),
        ("a b", 3, "unexpected 'b' after a complete condition"),
        ("(a", 3, "a bracket is not closed"),
        ("a)", 2, "unexpected ')' after a complete condition"),
        ("()", 2, "a selection's name is missing here"),
        ("not", 4, "a selection's name is missing here"),
        ("sel_z", 1, "no selection 'sel_z'"),
        ("1 of nothing*", 6, "no selection matches 'nothing*'"),
        ("1 of _hidden", 6, "no selection matches '_hidden'"),
        ("1 of", 5, "no selection matches ''"),
        ("2 of sel_*", 1, "no selection '2'"),
        ("(" * 500 + "a" + ")" * 500, 101, "the condition is nested too deeply"),
        ("not " * 5000 + "a", 401, "the condition is nested too deeply"),
    ],
)
def test_what_is_wrong_with_a_condition_and_where(text: str, column: int, problem: str) -> None:
    with pytest.raises(InputError) as refused:
        condition(text).compile()
    position = refused.value.position
    assert position is not None and (position.column, refused.value.problem) == (column, problem)
    assert refused.value.hint


def test_every_field_can_be_asked_for_by_whether_it_is_there(tmp_path: Path) -> None:
    """A field that is declared and cannot be made would be a rule that fails at the first packet."""
    texts = []
    for number, (name, field) in enumerate(FIELDS.items()):
        table = "protocol: modbus\n" if field.protocol in ("modbus", "mbtcp", "pdu") else ""
        body = f"detection:\n  chosen: {{{name}|exists: true}}\n  condition: chosen\nalert: {{limit: none}}\n{table}"
        texts.append(rule(body, number, title=name))
    ruleset = loaded(tmp_path, "---\n".join(texts))
    found = {alert.rule.title for alert in alerts(ruleset, SYN, WRITE)}
    assert len(ruleset.rules) == len(FIELDS) and {"ip.src", "tcp.flags.syn", "modbus.func_code"} <= found
