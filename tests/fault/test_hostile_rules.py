"""Files of rules, and those beside them, that were made to harm: a clear refusal with its place, or bounded work.

Each prints its time of processor and its peak of memory; see hostile.py for the sizes.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.hostile import MEGABYTE, SCALE, Outcome, commanded, rule

SIZE = 5 * MEGABYTE * SCALE


def linted(name: str, path: Path, *options: object) -> Outcome:
    """What `detector lint` says of a file that has mistakes. A screen is enough to show what matters of it."""
    done = commanded(name, "lint", path, *options)
    assert (done.code == 1 or "not supported: " in done.said) and f"{path}:" in done.said and "hint: " in done.said, (
        done.said[-2000:]
    )
    assert max(map(len, done.said.splitlines())) < 400
    return done


NO_RULES = {
    "no rules at all": ("x\n", "more than 10,000 mistakes"),
    "actions alone": ("alert\n", "more than 10,000 mistakes"),
    "one line": ('alert tcp any any -> any any (msg:"a', "longer than 8,191 characters"),
    "one line of sids": (" sid : ", "longer than 8,191 characters"),
    "lines that go on": ("\\\n", "longer than 8,191 characters"),
    "headers without options": ("alert tcp any any -> any any" + " a:" * 2700 + "\n", "the rule has no options"),
    "open quotes": ('alert tcp any any -> any any (content:"' + "\\\\" * 4000 + "\n", "longer than 8,191 characters"),
}


@pytest.mark.parametrize("name", NO_RULES)
def test_a_large_file_of_nonsense(name: str, tmp_path: Path) -> None:
    """50 MB of it: read to its end, or up to where it is clear that it is none."""
    text, said = NO_RULES[name]
    path = tmp_path / "team.rules"
    if "line" in name:
        path.write_text('alert tcp any any -> any any (msg:"' + text * (SIZE // len(text)))
    else:
        path.write_text(text * (SIZE // len(text)))
    done = linted(name, path)
    assert said in done.said
    assert done.seconds < 5 + 8 * SCALE and done.megabytes < 150 + 40 * SCALE


def test_a_large_file_of_rules(tmp_path: Path) -> None:
    """Good ones: half a minute for each 100,000, and 8 KB for each."""
    count = 10_000 * SCALE
    path = tmp_path / "team.rules"
    options = 'content:"word{0:06}"; nocase; flow:established,to_server; pcre:"/abc{0}[0-9]+x/i"; reference:url,example.org/a/{0}; classtype:misc-attack;'
    path.write_text("".join(rule(number, options.format(number), "tcp") for number in range(1, count + 1)))
    done = commanded("good rules", "lint", path)
    assert done.code == 0 and f"{count:,} rules" in done.said
    assert done.megabytes < 100 + count * 0.01


LARGE = {
    "10,000 contents": ('content:"a"; ' * 10_000, "longer than 8,191 characters"),
    "a content of 1 MB": (f'content:"{"a" * MEGABYTE}";', "longer than 8,191 characters"),
    "an expression of 1 MB": (f'pcre:"/{"a" * MEGABYTE}/";', "longer than 8,191 characters"),
    "an expression of 5 KB": (f'pcre:"/{"a" * 5000}/";', "4096 are the most"),
    "text beside a look-ahead": (f'pcre:"/b{"a" * 4000}(?=c)/";', "512 plain ones together"),
    "brackets": (f'pcre:"/{"(" * 2000}a{")" * 2000}(?=b)/";', "an expression that RE2 cannot say may have"),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_rule_that_is_too_large(name: str, tmp_path: Path) -> None:
    """Refused by its line; the one behind it loads."""
    options, said = LARGE[name]
    path = tmp_path / "team.rules"
    path.write_text(rule(1, options) + rule(2, 'content:"abc";'))
    done = linted(name, path)
    assert said in done.said and "1 rule in 1 file" in done.said
    assert done.seconds < 5 and done.megabytes < 150


def test_nested_lists(tmp_path: Path) -> None:
    path = tmp_path / "team.rules"
    deep = ("[" * 1500 + "{}" + "]" * 1500, "![" * 1000 + "{}" + "]" * 1000)
    path.write_text("".join(f"alert tcp {one.format('10.0.0.1')} any -> any {one.format('80')} (sid:{number};)\n"
                            for number, one in enumerate(deep, 1)))  # fmt: skip
    done = linted("nested lists", path)
    assert done.said.count("nested too deeply") == 2 and done.seconds < 5


def yaml_of(payload: str) -> str:
    """A rule in YAML."""
    return (
        "title: Hostile\nid: 0a3c1a53-6f1c-4b0a-9d5e-5b1b4c8f0e11\nlevel: low\ntraffic: udp any any -> any any\n"
        f"payload:\n{payload}\nalert: {{limit: none}}\n"
    )


YAML = {
    "10,000 contents": "  - content: abc\n" * 10_000,
    "a content of 1 MB": f"  - content: {'a' * MEGABYTE}\n",
    "an expression of 1 MB": f"  - pcre: /{'a' * MEGABYTE}/\n",
}


@pytest.mark.parametrize("name", YAML)
def test_the_same_in_yaml(name: str, tmp_path: Path) -> None:
    path = tmp_path / "hostile.yml"
    path.write_text(yaml_of(YAML[name]))
    done = linted(f"{name} in YAML", path)
    assert done.seconds < 15 and done.megabytes < 300


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]\n" for number in range(1, 12)
)
CONFIGURATIONS = {
    "aliases of aliases": BOMB + "vars: {address-groups: {HOME_NET: *a11}}\n",
    "deep YAML": "vars: {address-groups: {HOME_NET: " + "[" * 5000 + "]" * 5000 + "}}\n",
    "YAML that ends": "vars: {address-groups: {HOME_NET: [",
    "itself included": "include: suricata.yaml\n",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_suricata_yaml_made_to_harm(name: str, tmp_path: Path) -> None:
    config = tmp_path / "suricata.yaml"
    config.write_text("%YAML 1.1\n---\n" + CONFIGURATIONS[name])
    path = tmp_path / "team.rules"
    path.write_text("alert tcp $HOME_NET any -> any any (sid:1;)\n")
    done = commanded(name, "lint", path, "--suricata-yaml", config)
    assert done.code in (1, 2) and str(config) in done.said and "hint: " in done.said, done.said[-2000:]
    assert done.seconds < 5 and done.megabytes < 200


def test_variables_that_name_each_other(tmp_path: Path) -> None:
    """In a ring, in a chain of a thousand, and doubling at each step: to 2^40 addresses."""
    config = tmp_path / "suricata.yaml"
    chain = "".join(f'    CHAIN{number}: "$CHAIN{number + 1}"\n' for number in range(1000))
    doubling = "".join(f'    DOUBLE{number}: "[$DOUBLE{number + 1},$DOUBLE{number + 1}]"\n' for number in range(40))
    config.write_text(
        "%YAML 1.1\n---\nvars:\n  address-groups:\n"
        '    RING: "[10.0.0.1,$ROUND]"\n    ROUND: "[!10.0.0.2,$RING]"\n'
        f'{chain}    CHAIN1000: 10.0.0.1\n{doubling}    DOUBLE40: 10.0.0.1\n'
    )  # fmt: skip
    path = tmp_path / "team.rules"
    names = ("RING", "CHAIN0", "DOUBLE0")
    path.write_text("".join(f"alert tcp ${name} any -> any any (sid:{sid};)\n" for sid, name in enumerate(names, 1)))
    done = linted("variables", path, "--suricata-yaml", config)
    assert done.said.count("nested too deeply") >= 2
    assert done.seconds < 10 and done.megabytes < 200


@pytest.mark.parametrize("key", ["classification-file", "reference-config-file", "threshold-file"])
def test_files_of_nonsense_beside_suricata_yaml(key: str, tmp_path: Path) -> None:
    """Named by their first mistakes."""
    (tmp_path / "nonsense.config").write_text("suppress nonsense\n" * (SIZE // 20))
    config = tmp_path / "suricata.yaml"
    config.write_text(f"%YAML 1.1\n---\n{key}: nonsense.config\n")
    path = tmp_path / "team.rules"
    path.write_text("alert tcp any any -> any any (sid:1;)\n")
    done = commanded(key, "lint", path, "--suricata-yaml", config)
    assert (
        done.code == 1
        and "nonsense.config:1:1" in done.said
        and "more than 100 mistakes" in done.said
        and "hint: " in done.said
    )
    assert len(done.said) < MEGABYTE and done.seconds < 5 + SCALE and done.megabytes < 150 + 20 * SCALE


def test_a_dataset_of_millions(tmp_path: Path) -> None:
    """10 million lines are larger than a list may be; some hundred thousand load."""
    path = tmp_path / "team.rules"
    listed = tmp_path / "bad.txt"
    path.write_text(rule(1, f"ip.src; dataset:isset,bad,type ip,load {listed};"))
    count = 100_000 * SCALE
    listed.write_text("".join(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(count)))
    done = commanded("a dataset", "lint", path)
    assert done.code == 0 and done.megabytes < 150 + count * 0.001
    listed.write_bytes(b"10.100.100.100\n" * 5_000_000)
    done = linted("a dataset of 75 MB", path)
    assert "larger than 64 MiB" in done.said and done.megabytes < 300


def test_files_without_an_end(tmp_path: Path) -> None:
    """A device where a file should be: as rules, or named by a rule."""
    path = tmp_path / "team.rules"
    path.write_text(rule(1, "ip.src; dataset:isset,bad,type ip,load /dev/zero;"))
    done = commanded("a dataset from /dev/zero", "lint", path)
    assert done.code == 1 and "larger than 64 MiB" in done.said and done.megabytes < 400
