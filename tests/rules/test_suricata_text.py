"""Rules files taken apart: words, options and their places; what Suricata reads as a rule is read as one."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from itertools import accumulate
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.rules.options import RuleText
from detector.rules.suricata_text import LONGEST_RULE, Unreadable, glimpse, pieces, read_rules, readable, rules_of

HEADER = "alert tcp any any -> any any"


def rules(text: str) -> list[RuleText]:
    found = list(rules_of(text, "a.rules"))
    assert all(isinstance(one, RuleText) for one in found), found
    return [one for one in found if isinstance(one, RuleText)]


def options(text: str) -> list[tuple[str, str | None]]:
    (rule,) = rules(f"{HEADER} ({text})\n")
    return [(option.keyword, option.value) for option in rule.options]


def test_a_header_and_its_places() -> None:
    (rule,) = rules('alert  tcp [10.0.0.1, !10.0.0.2] any <> $HOME_NET [80,443] (msg:"a"; sid:1;)')
    assert rule.header == ("alert", "tcp", "[10.0.0.1, !10.0.0.2]", "any", "<>", "$HOME_NET", "[80,443]")
    assert [rule.text[at : at + len(word)] for at, word in zip(rule.header_at, rule.header, strict=True)] == list(
        rule.header
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('msg:"a"; sid:1;', [("msg", '"a"'), ("sid", "1")]),
        (' msg : "a" ; nocase ; sid : 1 ; ', [("msg", '"a"'), ("nocase", None), ("sid", "1")]),
        (r'content:"a\;b"; nocase;', [("content", r'"a\;b"'), ("nocase", None)]),
        (r'content:"a\\"; nocase;', [("content", r'"a\\"'), ("nocase", None)]),
        (r'msg:"say \"a\""; nocase;', [("msg", r'"say \"a\""'), ("nocase", None)]),
        ('content:!"a:b"; flow:to_server,established;', [("content", '!"a:b"'), ("flow", "to_server,established")]),
        ('pcre:"/a(b)c/i"; Content:"x";', [("pcre", '"/a(b)c/i"'), ("content", '"x"')]),
    ],
)  # fmt: skip
def test_options(text: str, expected: list[tuple[str, str | None]]) -> None:
    """Blanks, quotes, escapes and brackets within options, keywords in capitals."""
    assert options(text) == expected


def test_the_places_of_options() -> None:
    (rule,) = rules(f'{HEADER} (msg:"a"; content : "b" ; nocase; sid:1;)')
    for option in rule.options:
        assert rule.text[option.at :].startswith(option.keyword)
        assert option.value is None or rule.text[option.value_at :].startswith(option.value)
    assert str(rule.position(rule.options[1].value_at, 3)) == "a.rules:1:50"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_comments_empty_lines_and_lines_that_go_on(end: str) -> None:
    text = end.join(
        ["\ufeff# a comment", "", "   ", f'#{HEADER} (msg:"off"; sid:9;)', f"{HEADER} \\", '  (msg:"a"; \\', "  sid:1;)", f'{HEADER} (msg:"b"; sid:2;)', ""]
    )  # fmt: skip
    first, second = rules(text.removeprefix("\ufeff"))
    assert [option.value for option in first.options] == ['"a"', "1"]
    place = first.position(first.options[1].at, 3)
    assert (place.line, place.column, place.length, place.text) == (7, 3, 3, "  sid:1;)")
    assert second.position(0, 5).line == 8


def test_a_comment_that_goes_on_takes_the_lines_set_in_under_it() -> None:
    assert rules(f'#{HEADER} \\\n  (msg:"a"; sid:1;)\n{HEADER} (sid:2;)\n')[0].options[0].value == "2"


def test_bytes_that_are_no_utf8_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "a.rules"
    path.write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b' (content:"\xff\xc3\xa9"; sid:1;)\n')
    (rule,) = read_rules(path)
    assert isinstance(rule, RuleText)
    value = rule.options[0].value
    assert value is not None and value.encode("utf-8", "surrogateescape") == b'"\xff\xc3\xa9"'
    assert readable(value) == '"\xff\xc3\xa9"' and readable("é") == "é"


def test_a_rule_that_is_too_long_is_refused_without_showing_it() -> None:
    """1 MB of content is a clear refusal of one line; at Suricata's bound it still loads."""
    start, end = f'{HEADER} (content:"', '"; sid:1;)'
    assert rules(start + "a" * (LONGEST_RULE - len(start) - len(end)) + end)
    (found,) = rules_of(start + "a" * 2**20 + end, "a.rules")
    assert isinstance(found, Unreadable) and len(str(found.error)) < 300


def test_the_rest_of_a_file_loads() -> None:
    found = list(rules_of(f"{HEADER} (sid:1;\n{HEADER} (sid:2;)\nnonsense\n{HEADER} (sid:3;)\n", "a.rules"))
    assert [isinstance(one, RuleText) for one in found] == [False, True, False, True]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        list(read_rules(tmp_path / "none.rules"))


def test_a_lone_backslash_before_an_empty_line_is_nothing() -> None:
    """Suricata 7.0.10 loads such a file without a word."""
    (rule,) = rules(f"\\\n\n{HEADER} (sid:1;)\n\\\n\n")
    assert rule.position(0, 5).line == 3


def test_what_can_be_made_out_of_a_broken_rule() -> None:
    assert glimpse(f'{HEADER} (msg:"it \\"is\\""; gid:3; sid : 77;') == (3, 77, 'it "is"')
    assert glimpse("nonsense") == (1, 0, "")


# What Suricata says of a line: whether it is refused.
LINES = (
    ('(msg:"a"; content:"a"; sid:{};)', False),
    ('(msg:"a"; content:"a"; sid:{})', True),
    ('(msg:"a;b"; content:"a"; sid:{};)', True),
    ('(msg:"a"; content:"a\\;"; sid:{};)', False),
    ('(msg:"a"; content:"a\\\\"; sid:{};)', False),
    ('(msg:"a";; content:"a"; sid:{};)', True),
    ('(msg : "a" ; content : "a" ; sid : {} ; )', False),
    ('(msg:"a"; content:"a"; sid:{};) # behind', True),
    ('(msg:"a \\"b\\" c"; content:"a"; sid:{};)', False),
    ('(content:"a" nocase; sid:{};)', True),
    ('(content:"a; sid:{};)', True),
)


@pytest.mark.differential
@pytest.mark.skipif(shutil.which("suricata") is None, reason="no suricata here")
def test_suricata_refuses_the_same(tmp_path: Path) -> None:
    texts = [f"{HEADER} {line.format(number)}" for number, (line, _) in enumerate(LINES, 1)]
    path = tmp_path / "a.rules"
    path.write_text("\n".join(texts) + "\n")
    said = subprocess.run(
        ["suricata", "-T", "-S", str(path), "-l", str(tmp_path)], capture_output=True, text=True, check=False
    )
    refused = {int(number) for number in re.findall(r"a\.rules at line (\d+)", said.stdout + said.stderr)}
    assert refused == {number for number, (_, is_refused) in enumerate(LINES, 1) if is_refused}
    ours = {number for number, one in enumerate(read_rules(path), 1) if isinstance(one, Unreadable)}
    assert ours == refused


@pytest.mark.parametrize(
    ("text", "column", "problem", "hint"),
    [
        (
            f'{HEADER} (content:"abc",nocase,offset 5; sid:1;)',
            44,
            "options behind a content, as Snort 3 writes them",
            "nocase; offset:5;",
        ),
        ('alert http (content:"a"; sid:1;)', 10, "the header has 2 words, not seven", "Snort 3 lets addresses"),
        (f"log{HEADER.removeprefix('alert')} (sid:1;)", 1, "'log' is no action", "one of Snort's"),
    ],
)
def test_rules_of_snort(text: str, column: int, problem: str, hint: str) -> None:
    """What a team finds first when it brings its Snort rules along is said by name."""
    (found,) = rules_of(text, "a.rules")
    assert isinstance(found, Unreadable)
    assert found.error.position is not None
    assert (found.error.position.column, found.error.problem) == (column, problem)
    assert hint in found.error.hint


@pytest.mark.parametrize("code", ["utf-16", "utf-16-be"])
def test_a_file_of_another_code(code: str, tmp_path: Path) -> None:
    path = tmp_path / "a.rules"
    path.write_bytes(
        f"\ufeff{HEADER} (sid:1;)\n".encode(code) if code == "utf-16-be" else f"{HEADER} (sid:1;)\n".encode(code)
    )
    with pytest.raises(InputError) as caught:
        list(read_rules(path))
    assert (caught.value.problem, caught.value.hint) == ("the file is in UTF-16", "save it as UTF-8, or as plain text")
    assert str(caught.value.position) == f"{path}:1:1"


CUT = (
    "",
    "# a comment",
    "# a comment that goes on \\",
    "  \\",
    "alert \\",
    f"{HEADER} (sid:1;)",
    f"{HEADER} (sid:2; \\  ",
    "sid:3;)",
    "\\",
    "a\\\\",
    "\x85",
)


@pytest.mark.parametrize("size", [0, 1, 7, 40, 10**6])
def test_a_file_in_pieces_is_the_same_file(size: int) -> None:
    """Wherever it is cut, rules and places are those of the whole, which is read line by line."""
    chance = random.Random(size)
    for _ in range(300):
        text = "\n".join(chance.choices(CUT, k=chance.randrange(30))) + chance.choice(("", "\n"))
        cut = list(pieces(text, size))
        assert "".join(piece for _, piece in cut) == text
        starts = accumulate((len(piece) for _, piece in cut), initial=0)
        assert [before for before, _ in cut] == [text.count("\n", 0, at) for at, _ in zip(starts, cut, strict=False)]
        whole = list(rules_of(text, "a.rules"))
        parts = [one for before, piece in cut for one in rules_of(piece, "a.rules", before)]
        assert [shown(one) for one in parts] == [shown(one) for one in whole]
    assert len(list(pieces("a\n" * 1000, 100))) == 20
    assert list(pieces("a\\\nb\\\nc\nd", 1)) == [(0, "a\\\nb\\\nc\n"), (3, "d")]


def shown(one: RuleText | Unreadable) -> str:
    """Everything of a rule that was read."""
    if isinstance(one, Unreadable):
        return f"{one.text!r} {one.error}"
    return f"{one.text!r} {one.header} {one.options} {[one.position(option.at, 3) for option in one.options]}"
