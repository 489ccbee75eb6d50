"""What the options of a rule mean together."""

from __future__ import annotations

import pytest

from detector.errors import InputError
from detector.rules.keywords import SUPPORTED, Unsupported, compile_rule, is_supported
from detector.rules.keywords.known import OTHER_KEYWORDS, SNORT_KEYWORDS
from detector.rules.options import RuleText
from detector.rules.signature import Where
from detector.rules.suricata_text import rules_of
from tests.rules.keywords.written import CONTEXT, compiled, refused, signature


@pytest.mark.parametrize(
    ("options", "header", "where"),
    [
        ('content:"a";', "alert tcp any any -> any any", Where.STREAM),
        ('content:"a"; endswith;', "alert tcp any any -> any any", Where.STREAM),
        ('content:"a"; content:"b"; distance:1;', "alert tcp any any -> any any", Where.STREAM),
        ('content:"a"; offset:0;', "alert tcp any any -> any any", Where.STREAM | Where.PACKET),
        ('content:"a"; depth:5;', "alert tcp any any -> any any", Where.STREAM | Where.PACKET),
        ('content:"a"; startswith;', "alert tcp any any -> any any", Where.STREAM | Where.PACKET),
        ('content:"a"; dsize:5;', "alert tcp any any -> any any", Where.PACKET),
        ('content:"a"; flags:A;', "alert tcp any any -> any any", Where.PACKET),
        ('content:"a"; flow.age:>1;', "alert tcp any any -> any any", Where.PACKET),
        ('content:"a"; decode-event:ipv4.trunc_pkt;', "alert tcp any any -> any any", Where.STREAM),
        ('content:"a"; flowbits:isset,x;', "alert tcp any any -> any any", Where.STREAM),
        ('content:"a"; tcp.hdr; content:"b";', "alert tcp any any -> any any", Where.PACKET),
        ('content:"a";', "alert tcp-pkt any any -> any any", Where.PACKET),
        ('content:"a"; depth:5;', "alert tcp-stream any any -> any any", Where.STREAM),
        ('content:"a";', "alert ip any any -> any any", Where.STREAM),
        ('content:"a";', "alert udp any any -> any any", Where.PACKET),
        ("isdataat:5;", "alert tcp any any -> any any", Where.STREAM),
    ],
)
def test_where(options: str, header: str, where: Where) -> None:
    """As the flags need_packet and need_stream of `suricata --engine-analysis`."""
    assert signature(options, header).where == where


def test_order() -> None:
    """The order in which Suricata 7.0.10 wrote the alerts of one packet."""
    rules = (
        ("", "drop"), ("", "reject"), ("flowbits:set,b;", "alert"), ("flowbits:isset,b; flowbits:set,c;", "alert"), ("flowbits:isset,b;", "alert"),
        ("flowint:cnt,+,1;", "alert"), ("flowint:cnt,=,3; flowint:cnt,>=,0;", "alert"), ("flowint:cnt,>=,0;", "alert"), ("hostbits:set,h;", "alert"),
        ("xbits:isnotset,z,track ip_src; priority:1;", "alert"), ("xbits:isset,z,track ip_pair;", "alert"), ("priority:1;", "alert"),
        ("xbits:set,z,track ip_src;", "alert"), ("priority:5;", "alert"),
    )  # fmt: skip
    orders = [signature(options, f"{action} udp any any -> any any").order for options, action in rules]
    assert orders == sorted(orders)
    assert len(set(orders)) == len(orders)


def test_keywords_in_capitals() -> None:
    assert signature('CONTENT:"a";').inspections == signature('content:"a";').inspections


def test_what_is_not_supported_is_named() -> None:
    error = refused('http.uri; content:"a";')
    assert isinstance(error, Unsupported)
    assert (error.keyword, error.problem) == ("http.uri", "the keyword http.uri is not supported")
    assert error.position is not None
    assert (error.position.path, error.position.line, error.position.column) == ("team.rules", 1, 40)


def test_what_nobody_knows_is_a_mistake() -> None:
    error = refused("contnet:1;")
    assert not isinstance(error, Unsupported)
    assert (error.problem, error.hint) == ("unknown keyword 'contnet'", "did you mean content?")


def test_what_snort_alone_knows_is_said_so() -> None:
    error = refused("service:http;")
    assert not isinstance(error, Unsupported)
    assert error.problem == "service is a keyword of Snort, and none of Suricata's"


def test_quotes_of_a_text_editor() -> None:
    """A rule that went through a document has other quotes, which look the same on many screens."""
    assert refused("content:\u201cabc\u201d;").hint == 'a text editor made other quotes of them: write content:"...";'
    assert refused("content:abc;").hint == 'write content:"...";'


@pytest.mark.parametrize("keyword", ["dsize", "content", "flow", "byte_test", "msg", "classtype"])
def test_a_value_that_is_missing(keyword: str) -> None:
    error = refused(f"{keyword};")
    assert error.problem == f"{keyword} has no value"
    assert error.hint.startswith(f"it is written {keyword}:")


def test_names_are_known_once() -> None:
    assert not set(SUPPORTED) & OTHER_KEYWORDS
    assert not SNORT_KEYWORDS & (OTHER_KEYWORDS | set(SUPPORTED))
    assert is_supported("content")
    assert not is_supported("http.uri")


def test_a_rule_has_a_sid() -> None:
    (rule,) = rules_of('alert tcp any any -> any any (msg:"m";)', "team.rules")
    assert isinstance(rule, RuleText)
    with pytest.raises(InputError, match="the rule has no sid"):
        compile_rule(rule, CONTEXT)


def test_fields_are_those_of_the_test() -> None:
    assert compiled("ttl:5; flags:S;").fields == ("ip.ttl", "ipv6.hlim", "tcp.flags")
    assert compiled('content:"a";').fields == ()
