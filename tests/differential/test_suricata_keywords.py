"""Some 1,300 rules, right and wrong: what Suricata refuses is refused here, and what it loads is loaded."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from detector.errors import InputError
from detector.rules.keywords import Context, Unsupported, compile_rule
from detector.rules.suricata_text import Unreadable, rules_of

pytestmark = pytest.mark.differential

CASES = Path(__file__).with_name("keywords.rules")
REFUSED = re.compile(r'error parsing signature ".*" from file .* at line (\d+)')
VARIABLES = {
    "HOME_NET": "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "EXTERNAL_NET": "!$HOME_NET", "HTTP_PORTS": "80",
}  # fmt: skip
# Keywords of Suricata 8, which issue 5 asks for: 7 does not know them.
NEWER = re.compile(r"flow\.(?:pkts|bytes)|track by_flow")
# Options for which the two differ, each with its reason.
EXEMPT = {
    'content:"||";': "an empty content is everywhere",
    'content:"abc"; fast_pattern:-1,2;': "a part cannot begin before the content",
    'dsize:!2; content:"abc";': "it can match; Suricata takes the size that is excluded for the one that is asked for",
    "ip_proto:<0;": "never met",
    "ip_proto:>255;": "never met",
    "threshold: type limit, track by_src, count 1, seconds 60, foo 1;": "Suricata does not read on behind the fourth part",
    "priority:4294967296;": "Suricata keeps what is left of it in 32 bits",
    "xbits:set,x, track ip_src , expire 5;": "a blank more than Suricata reads",
    "alert tcp $FOO_NET": "a variable that is not set makes a rule inactive (design, section 6)",
    "alert tcp any $FOO_PORTS": "a variable that is not set makes a rule inactive (design, section 6)",
}


def rules() -> list[str]:
    """The cases as rules, each with a sid of its own."""
    found = []
    for line in CASES.read_text().splitlines():
        if line and not line.startswith("#"):
            number = len(found) + 1
            if not re.match(r"[A-Za-z]+ [\w-]+ \S+ \S+ \S\S \S+", line):
                line = f'alert tcp any any -> any any (msg:"m"; {line} sid:{number};)'
            elif "sid:" not in line:
                line = f"{line.rstrip(')').rstrip()} sid:{number};)"
            else:
                line = re.sub(r"sid:\s*9\d\d\d\d", f"sid:{number}", line, count=1)
            found.append(line)
    return found


def theirs(cases: list[str], folder: Path) -> set[int]:
    """The lines that Suricata refuses."""
    file = folder / "cases.rules"
    file.write_text("\n".join(cases) + "\n")
    command = ["suricata", "-T", "-S", str(file), "-l", str(folder)]
    for name, value in VARIABLES.items():
        command += ["--set", f"vars.{'port' if 'PORTS' in name else 'address'}-groups.{name}={value}"]
    for name in ("modbus", "dnp3", "enip"):
        command += ["--set", f"app-layer.protocols.{name}.enabled=yes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return {int(found[1]) for found in REFUSED.finditer(done.stdout + done.stderr)}


def ours(rule: str) -> InputError | None:
    """The mistake that is found here."""
    (text,) = rules_of(rule, "cases.rules")
    if isinstance(text, Unreadable):
        return text.error
    try:
        compile_rule(text, Context(VARIABLES))
    except InputError as error:
        return error
    return None


def test_what_is_refused(tmp_path: Path, record_property: pytest.RecordProperty) -> None:
    cases = rules()
    refused = theirs(cases, tmp_path)
    assert len(cases) > 1000
    assert len(refused) > 300, "Suricata did not read the file"
    found = {rule: ours(rule) for rule in cases}
    different, used = [], set()
    for number, rule in enumerate(cases, 1):
        error = found[rule]
        if isinstance(error, Unsupported) or NEWER.search(rule) or (error is not None) is (number in refused):
            continue
        reason = next((options for options in EXEMPT if options in rule), "")
        used.add(reason)
        if not reason:
            different.append(
                f"{rule}: {'refused' if number in refused else 'loaded'} there, here {error and error.problem}"
            )
    assert different == []
    assert used == set(EXEMPT), "an exemption that is not needed any more"
    assert all(error.hint and error.position for error in found.values() if error is not None)
    record_property(
        "refused by both", sum(number in refused and found[rule] is not None for number, rule in enumerate(cases, 1))
    )
