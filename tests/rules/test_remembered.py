from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from detector.rules.loader import load_rules

ASKING = 'alert tcp any any -> any any (msg:"{0}"; content:"abc"; {1} sid:{0};)\n'


def warnings(tmp_path: Path, *options: str) -> list[str]:
    path = tmp_path / "team.rules"
    path.write_text("".join(ASKING.format(sid, one) for sid, one in enumerate(options, 1)))
    return [warning.replace(f"{path}:", "") for warning in load_rules([path]).warnings]


def test_a_bit_that_no_rule_sets(tmp_path: Path) -> None:
    """Such a rule is loaded and never alerts, which nothing else would tell."""
    found = warnings(
        tmp_path, "flowbits:isset,login;", "flowbits:set,logins;", "flowbits:isset,out|login;", "flowbits:set,out;"
    )
    assert found == [
        "1:70: no rule sets flowbits 'login', which this rule asks for, and 1 more\n"
        f"     1 | {ASKING.format(1, 'flowbits:isset,login;').rstrip()}\n"
        f"       | {' ' * 69}^^^^^\n"
        "hint: did you mean logins?"
    ]


@pytest.mark.parametrize(
    ("asks", "sets"),
    [
        ("flowbits:isset,a.b;", "flowbits:toggle,a.b;"),
        ("xbits:isset,seen,track ip_src;", "hostbits:set,seen,src;"),
        ("hostbits:isset,seen,dst;", "xbits:set,seen,track ip_src;"),
        ("flowint:tries,>,3;", "flowint:tries,+,1;"),
        ("flowint:tries,isset;", "flowint:tries,=,0;"),
    ],
)
def test_what_is_set_by_any_of_its_keywords(asks: str, sets: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, asks, sets) == []
    (only,) = warnings(tmp_path, asks)
    assert "no rule sets" in only and "not loaded, switched off, or refused" in only


@pytest.mark.parametrize("options", ["flowbits:isnotset,never;", "flowbits:unset,never;", "flowint:never,notset;"])
def test_what_holds_where_nothing_was_ever_set(options: str, tmp_path: Path) -> None:
    assert warnings(tmp_path, options) == []


@pytest.mark.differential
@pytest.mark.skipif(shutil.which("suricata") is None, reason="no suricata here")
def test_suricata_warns_of_the_same_flowbits(tmp_path: Path) -> None:
    options = ("flowbits:isset,login;", "flowbits:isnotset,never;", "flowbits:isset,out|in;", "flowbits:toggle,in;")
    ours = warnings(tmp_path, *options)
    done = subprocess.run(["suricata", "-T", "-S", tmp_path / "team.rules", "-l", tmp_path, "-v"], capture_output=True, text=True)  # fmt: skip
    theirs = [line for line in (done.stdout + done.stderr).splitlines() if "is checked but not set" in line]
    assert len(theirs) == len(ours) == 2
    for name in ("login", "out"):
        assert sum(f"'{name}'" in line for line in theirs) == sum(f"'{name}'" in warning for warning in ours) == 1
