"""Rules for tests of keywords: written short, read and compiled as a file's are."""

from __future__ import annotations

import pytest

from detector.errors import InputError
from detector.rules.keywords import CompiledRule, Context, compile_rule
from detector.rules.model import And, Test
from detector.rules.options import RuleText
from detector.rules.signature import Buffer, Signature, Step
from detector.rules.suricata_text import Unreadable, rules_of

HEADER = "alert tcp any any -> any any"
CONTEXT = Context(
    {"HOME_NET": "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]", "EXTERNAL_NET": "!$HOME_NET", "HTTP_PORTS": "[80,8080]"},
    {"attempted-admin": ("Attempted Administrator Privilege Gain", 1), "misc-activity": ("Misc activity", 3)},
    {"url": "https://", "cve": "https://cve.example/"},
)


def read(options: str, header: str = HEADER) -> RuleText:
    """The text of one rule, taken apart."""
    rule = next(rules_of(f'{header} (msg:"m"; {options} sid:1;)', "team.rules"))
    if isinstance(rule, Unreadable):
        raise rule.error
    return rule


def compiled(options: str, header: str = HEADER, context: Context = CONTEXT) -> CompiledRule:
    """One rule."""
    return compile_rule(read(options, header), context)


def signature(options: str, header: str = HEADER) -> Signature:
    """What a rule has beside its test."""
    return compiled(options, header).signature


def steps(options: str, buffer: Buffer = Buffer.PAYLOAD, header: str = HEADER) -> tuple[Step, ...]:
    """The steps on a buffer."""
    return next(one.steps for one in signature(options, header).inspections if one.buffer == buffer)


def conditions(options: str, header: str = "alert ip any any -> any any") -> tuple[Test, ...]:
    """The conditions on header fields."""
    test = compiled(options, header).test
    return () if test is None else test.tests if isinstance(test, And) else (test,)


def refused(options: str, header: str = HEADER) -> InputError:
    """The mistake in a rule."""
    with pytest.raises(InputError) as caught:
        compiled(options, header)
    return caught.value
