"""YAML with positions: odd files, odd nodes, and where each mistake stands. No text ends in a traceback."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from detector.errors import InputError, InputErrors
from detector.rules.document import LARGEST_FILE, MOST_NODES, Document, read_documents, scalar
from tests.rules.written import loaded, mistakes, places, rule, selecting, written

GOOD = selecting("{tcp.dstport: 80}")


def root(folder: Path, text: str) -> tuple[Document, object]:
    document, nodes = read_documents(written(folder, text))
    return document, next(nodes)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "\r").encode(),
        b"%YAML 1.1\n---\n" + GOOD.encode(),
        b"---\n" + GOOD.encode() + b"---\n",
        b"# a comment\n" + GOOD.encode() + b"...\n",
        GOOD.rstrip("\n").encode(),
    ],
    ids=["byte order mark", "CRLF", "CR", "directive", "marks", "comment and end", "no newline at the end"],
)
def test_the_same_rule_in_other_clothes(content: bytes, tmp_path: Path) -> None:
    assert [one.title for one in loaded(tmp_path, content).rules] == ["A rule"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ["1:1 the file holds no rule"]),
        (b"# nothing\n", ["1:1 the file holds no rule"]),
        (b"---\n...\n---\n", ["1:1 the file holds no rule"]),
        (b"null\n", ["1:1 a rule must be a mapping"]),
        (b"- a\n- b\n", ["1:1 a rule must be a mapping"]),
        (b"42\n", ["1:1 a rule must be a mapping"]),
        (b"title: x\n\ttags: y\n", ["2:1 not YAML: found a tab character that violates indentation"]),
        (b"title: 'x\n", ["1:8 not YAML: found unexpected end of stream while scanning a quoted scalar"]),
        (b"title: a\nauthor: caf\xe9\n", ["2:12 not UTF-8: byte 0xe9"]),
        (b"author: \xc5\x81\xff\n", ["1:10 not UTF-8: byte 0xff"]),
        ("title: x\n".encode("utf-16"), ["1:1 not UTF-8: byte 0xff"]),
        (b"title: a\nauthor: a\x07b\n", ["2:10 not YAML: unacceptable character #x0007: control characters are not allowed"]),
        (b"title: a\n\x00\n", ["2:1 not YAML: unacceptable character #x0000: control characters are not allowed"]),
        (b'author: "\\ud800"\n', ["1:12 not YAML: found invalid Unicode character escape code"]),
        (b"%YAML 9.9\n---\na: b\n", ["1:1 not YAML: found incompatible YAML document"]),
        (b"a: *nowhere\n", ["1:4 not YAML: found undefined alias"]),
        (b"a: [1, 2\n", ["1:4 not YAML: did not find expected ',' or ']' while parsing a flow sequence"]),
    ],
)  # fmt: skip
def test_what_is_no_rule_file(content: bytes, said: list[str], tmp_path: Path) -> None:
    found = places(mistakes(tmp_path, content))
    assert found == said


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &a [*a]\n", "1:4"),
        ("a: &a {b: {c: *a}}\n", "1:8"),
        ("a: " + "[" * 400 + "]" * 400 + "\n", "1:53"),
        ("a: " + "[" * 100_000, ""),
        ("- " * 100_000, ""),
        ("? " * 100_000, ""),
        ("a: " + "{a: " * 100_000, ""),
    ],
    ids=["list in itself", "mapping in itself", "lists", "open lists", "block lists", "keys", "open mappings"],
)
def test_endless_and_bottomless_nodes_are_refused(text: str, place: str, tmp_path: Path) -> None:
    """Reading them in full would never end, or exhaust the stack."""
    errors = mistakes(tmp_path, text)
    assert len(errors) == 1
    assert errors[0].problem in ("nested too deeply", "not YAML: exceeded maximum nesting depth")  # libyaml's own limit
    if place:
        assert places(errors) == [f"{place} nested too deeply"]


def test_a_few_aliases_that_stand_for_billions_are_refused(tmp_path: Path) -> None:
    """The billion laughs: 10 lines, 9^10 values."""
    lines = ["x0: &x0 [lol, lol]"] + [f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 11)]
    errors = mistakes(tmp_path, "\n".join(lines))
    assert len(errors) == 1 and errors[0].problem == "too many values, aliases included"
    assert "--var NAME=@file" in errors[0].hint


def test_aliases_that_stand_for_a_few_values_are_fine(tmp_path: Path) -> None:
    text = rule(
        "detection:\n  a: &ports {tcp.dstport: [80, 443]}\n  b: {ip.ttl: 5}\n  c: [*ports, {ip.ttl: 6}]\n  condition: a and b or c"
    )
    assert len(loaded(tmp_path, text).rules) == 1


def test_files_too_large_to_be_rules_and_files_that_are_none(tmp_path: Path) -> None:
    large = tmp_path / "large.yml"
    large.write_bytes(b"#" * (LARGEST_FILE + 1))
    for path, said in (
        (large, "larger than 4 MiB"),
        (tmp_path, "cannot be read"),
        (tmp_path / "none", "cannot be read"),
    ):
        with pytest.raises(InputError, match=said) as refused:
            read_documents(path)
        assert refused.value.hint
    many = written(tmp_path, "a: [" + "1," * MOST_NODES + "1]")
    with pytest.raises(InputErrors, match="too many values"):
        read_documents(many)


def test_a_key_given_twice_names_both_places(tmp_path: Path) -> None:
    """YAML takes the last in silence: half a rule would be gone."""
    document, node = root(tmp_path, "a: 1\nb: 2\na: 3\n")
    assert list(document.mapping(node, "it")) == ["a", "b"]
    assert places(document.errors) == ["3:1 'a' is given twice"]
    assert "line 1" in document.errors[0].hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour: red", ["1:1 unknown key 'colour' in it", "1:1 it has no 'color'"]),
        ("[a]: b", ["1:1 a key of it must be a text", "1:1 it has no 'color'"]),
        ('? ""\n: b', ["1:3 a key of it must be a text", "1:3 it has no 'color'"]),
        ("<<: {color: red}", ["1:1 unknown key '<<' in it", "1:1 it has no 'color'"]),
        ("{}", ["1:1 it has no 'color'"]),
        ("[color]", ["1:1 it must be a mapping"]),
        ("color", ["1:1 it must be a mapping"]),
    ],
)
def test_keys_that_are_not_known_or_missing(text: str, said: list[str], tmp_path: Path) -> None:
    document, node = root(tmp_path, text)
    document.mapping(node, "it", ("color",), ("color",))
    assert places(document.errors) == said


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 10m", 600 * 10**9),
        ("a: 500ms", 500 * 10**6),
        ("a: 1 h", 3600 * 10**9),
        ("a: 2d", 172_800 * 10**9),
        ("a: 1w", 604_800 * 10**9),
        ("a: 3650d", 315_360_000 * 10**9),
    ],
)
def test_durations(text: str, value: int, tmp_path: Path) -> None:
    document, node = root(tmp_path, text)
    assert document.span(document.mapping(node, "it")["a"][1], "a") == value
    assert not document.errors


@pytest.mark.parametrize(
    "text", ["0s", "10", "s", "-1s", "1.5h", "10 minutes", "1y", "99999999999d", "9" * 5000 + "s", "~", "[1s]", "''"]
)
def test_what_is_no_duration(text: str, tmp_path: Path) -> None:
    """A year of 365 days is no unit here; and what does not fit into 64 bits of nanoseconds would fail at the first packet."""
    document, node = root(tmp_path, f"a: {text}")
    document.span(document.mapping(node, "it")["a"][1], "a")
    assert len(document.errors) == 1 and document.errors[0].hint


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), ("0x10", 16), ("1_000", 1000), ("'7'", 7), ("1000000000", 10**9)]
)
def test_numbers(text: str, value: int, tmp_path: Path) -> None:
    document, node = root(tmp_path, f"a: {text}")
    assert document.number(document.mapping(node, "it")["a"][1], "a", 1) == value
    assert not document.errors


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "many", "~", "true", "[1]", "{a: 1}", "1000000001", "9" * 5000])
def test_what_is_no_number(text: str, tmp_path: Path) -> None:
    document, node = root(tmp_path, f"a: {text}")
    assert document.number(document.mapping(node, "it")["a"][1], "a", 1) <= 10**9
    assert len(document.errors) == 1 and document.errors[0].hint


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", "text"),
        ("5", 5),
        ("0x1f", 31),
        ("1_0", 10),
        ("'5'", "5"),
        ("yes", True),
        ("Off", False),
        ("'yes'", "yes"),
        ("~", None),
        ("", None),
        ("null", None),
        ("2024-05-01", "2024-05-01"),
        ("1:30", "1:30"),  # YAML 1.1 counts in sixties; nobody means that
        ("10:11:22:33:44:55", "10:11:22:33:44:55"),
        ("1.5", "1.5"),
        ("010", "010"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars(text: str, value: object, tmp_path: Path) -> None:
    """YAML 1.1 sees dates, sixties and truth where a person wrote an address, a port or a word."""
    document, node = root(tmp_path, f"a: {text}")
    assert scalar(document.mapping(node, "it")["a"][1]) == value


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: ip.ttl == oops.x\n", "1:14"),
        ("a: 'ip.ttl == oops.x'\n", "1:15"),
        ("a: >\n  ip.ttl ==\n  oops.x\n", "3:3"),
        ("a: |\n  ip.ttl ==\n    oops.x\n", "3:5"),
        ("a: 'ip.ttl ==\n\n    oops.x'\n", "3:5"),
        ("a: ip.ttl ==\n   oops.x\n", "2:4"),
    ],
    ids=["plain", "quoted", "folded", "literal", "quoted over lines", "plain over lines"],
)
def test_a_place_inside_a_text(text: str, place: str, tmp_path: Path) -> None:
    """A mistake in a filter is shown in its line of the file, however YAML folds lines."""
    document, node = root(tmp_path, text)
    value = document.mapping(node, "it")["a"][1]
    at = document.place(value).position(value.value.index("oops"), 6, value.value)
    assert f"{at.line}:{at.column}" == place
    assert at.text[at.column - 1 :].startswith("oops.x")


def test_random_bytes_end_in_mistakes_with_places(tmp_path: Path) -> None:
    """Files that are no YAML at all, and rules with bytes overwritten."""
    chosen = random.Random(11)
    good = GOOD.encode()
    for _ in range(400):
        if chosen.random() < 0.3:
            content = chosen.randbytes(chosen.randrange(1, 200))
        else:
            content = bytearray(good)
            for _ in range(chosen.randrange(1, 6)):
                content[chosen.randrange(len(content))] = chosen.randrange(256)
        try:
            loaded(tmp_path, bytes(content))
        except InputErrors as refused:
            assert all(error.position and error.hint for error in refused.errors), bytes(content)
