"""Suricata rules written as YAML are the same rules when they are read again."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from detector.rules.keywords import Context
from detector.rules.loader import load_rules
from detector.rules.suricata import load_texts
from detector.rules.suricata_export import scalar, yaml_of
from detector.rules.suricata_tables import CLASSIFICATIONS, REFERENCES

RULES = r"""alert tcp any any -> any 80 (msg:"plain"; flow:established,to_server; content:"|00 01|abc"; offset:2; depth:9; nocase; content:!"x y"; distance:1; within:7; sid:1; rev:3;)
alert udp [10.0.0.0/8, !10.1.0.0/16] 1024: <> any [53,!5353] (msg:"it's: \"quoted\" # \; - {x}"; content:"a\;b\"c\\d\:e"; sid:2; gid:7;)
alert tcp any any -> any any (msg:"buffers"; content:"p"; tcp.hdr; content:"|02 04|"; byte_test:2,>,500,0,relative; pkt_data; content:"q"; fast_pattern; startswith; sid:3;)
alert tcp any any -> any any (msg:"numbers"; content:"yes"; byte_extract:2,0,len,relative,little; byte_jump:2,4,relative,multiplier 2; content:"null"; within:len; isdataat:!10,relative; pcre:!"/a[^\;]+\/b{1,2}/Ri"; sid:4;)
alert ip any any -> any any (msg:"headers"; ttl:<5; sameip; ip_proto:6; fragbits:M; metadata:created_at 2020_01_05, mitre_technique_id T0836; metadata:x; classtype:misc-attack; priority:1; sid:5;)
alert tcp any any -> any any (msg:"states"; content:"a"; flowbits:isset,one|two; flowbits:set,three; flowint:nn,+,1; xbits:set,seen,track ip_src,expire 60; threshold:type both,track by_dst,count 5,seconds 60; tag:session,5,packets; target:dest_ip; sid:6;)
alert tcp any any -> any any (content:"silent"; flowbits:set,x; flowbits:noalert; reference:cve,2020-1; reference:url,example.com/a b; sid:7;)
drop tcp any any -> any any (msg:"dropped"; content:"a"; detection_filter:track by_src,count 3,seconds 10; sid:8;)
alert icmp any any -> any any (msg:"true"; itype:8; icode:0; dsize:>100; content:"!b"; sid:9;)
alert tcp any any -> any any (msg:"base64"; content:"x"; base64_decode:bytes 8,offset 1,relative; base64_data; content:"yz"; sid:10;)
alert modbus any any -> any 502 (msg:"pdus"; flow:to_server; modbus: access write holding, address 5, value >7; flowbits:set,w; sid:11;)
"""


@pytest.fixture
def context() -> Context:
    return Context({}, CLASSIFICATIONS, REFERENCES)


@pytest.mark.parametrize("line", RULES.splitlines(), ids=lambda line: line.rpartition("sid:")[2][:2].strip(";"))
def test_there_and_back(tmp_path: Path, context: Context, line: str) -> None:
    """Signature, test, title, id, level, references, tags, silence, limit."""
    path = tmp_path / "a.rules"
    path.write_text(line + "\n")
    texts = load_texts(path, context)
    assert not texts.loaded.refused, texts.loaded.refused[0].error()
    (before,) = texts.loaded.rules
    again = tmp_path / "a.yml"
    again.write_text(yaml_of(texts.texts[0], before))
    (after,) = load_rules([again]).rules
    assert after.signature == before.signature
    for name in (
        "id",
        "title",
        "level",
        "status",
        "date",
        "tags",
        "references",
        "test",
        "fields",
        "silent",
        "limit",
        "category",
        "table",
    ):
        assert getattr(after, name) == getattr(before, name), name


def test_bytes_that_yaml_cannot_hold(tmp_path: Path, context: Context) -> None:
    path = tmp_path / "a.rules"
    path.write_bytes(
        b'alert tcp any any -> any any (msg:"caf\xe9"; content:"a\xff\xfe\x01b"; pcre:"/\xff+/"; content:"\xc3\xa9"; sid:1;)\n'
    )
    texts = load_texts(path, context)
    again = tmp_path / "a.yml"
    again.write_text(yaml_of(texts.texts[0], texts.loaded.rules[0]), encoding="utf-8")
    (after,) = load_rules([again]).rules
    assert after.title == "caf\u00e9" and "a|ff fe 01|b" in again.read_text() and r"/\xff+/" in again.read_text()
    steps = after.signature.inspections[0].steps if after.signature else ()
    before = texts.loaded.rules[0].signature
    assert (
        before is not None and steps[0] == before.inspections[0].steps[0] and steps[2] == before.inspections[0].steps[2]
    )


@pytest.mark.parametrize("text", ["yes", "null", "5", "a: b", "a:", "it's", "# x", " a", "{x}", "[1]", "!a", "&a", "*a", "- a", "a #b", "%x", "@x",
                                  "`x", '"x"', "a\tb", "\u2028", "é", "1.5", "0x10", "a,b", "|00 01|", "<5", ">5", "~", "", "=", "<<", "2020-01-05", "1:5"])  # fmt: skip
def test_a_scalar_is_the_text_again(text: str) -> None:
    node = yaml.compose(f"a: {scalar(text)}", Loader=yaml.SafeLoader).value[0][1]
    assert node.value == text
    assert node.tag != "tag:yaml.org,2002:bool" and (node.tag != "tag:yaml.org,2002:null")
