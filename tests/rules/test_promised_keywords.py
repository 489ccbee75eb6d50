"""Every keyword that is promised to a team with Suricata rules, in each of its variants: it loads, or is refused for the reason given.

That each means what it means in Suricata is the matter of tests/differential.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detector.rules.keywords.compile import SUPPORTED
from detector.rules.loader import load_rules

CONTENT = 'content:"abc"; '
EXTRACTED = CONTENT + "byte_extract:2,0,far,relative; "
# Keyword: its variants, as options of a rule on TCP where no header is given.
PAYLOAD = {
    "content": [CONTENT, 'content:"|00 ff|a|0D 0a|";', 'content:!"abc";', 'content:"a\\;b\\"c\\\\";'],
    "nocase": [CONTENT + "nocase;"],
    "offset": [CONTENT + "offset:5;", EXTRACTED + 'content:"d"; offset:far;'],
    "depth": [CONTENT + "depth:5;", EXTRACTED + 'content:"d"; depth:far;'],
    "distance": [CONTENT + f'content:"d"; distance:{one};' for one in ("0", "5", "-5")] + [EXTRACTED + 'content:"d"; distance:far;'],
    "within": [CONTENT + 'content:"d"; within:5;', EXTRACTED + 'content:"d"; within:far;', CONTENT + 'content:"d"; distance:1; within:5;'],
    "startswith": [CONTENT + "startswith;"],
    "endswith": [CONTENT + "endswith;", CONTENT + "startswith; endswith;"],
    "rawbytes": [CONTENT + "rawbytes;"],
    "fast_pattern": [CONTENT + "fast_pattern;", CONTENT + "fast_pattern:only;", CONTENT + "fast_pattern:1,2;"],
    "isdataat": ["isdataat:10;", "isdataat:!10;", CONTENT + "isdataat:10,relative;", CONTENT + "isdataat:!1,relative;", EXTRACTED + "isdataat:far,relative;"],
    "bsize": ["tcp.hdr; " + CONTENT + f"bsize:{one};" for one in ("10", ">10", "<10", ">=10", "<=10", "10<>20")],
    "dsize": [CONTENT + f"dsize:{one};" for one in ("10", ">10", "<10", "10<>20", "!10")],
    "byte_test": [
        f"byte_test:{one};"
        for one in (
            *(f"4,{sign},100,0" for sign in ("<", ">", "=", "<=", ">=", "&", "^", "!=", "!<", "!&")),
            "2,=,0x1F,4", "2,=,100,-4,relative", "4,>,100,0,little", "4,>,100,0,big", "4,=,100,0,string,dec", "4,=,0x10,0,string,hex",
            "3,=,07,0,string,oct", "2,=,1,0,bitmask 0x3FF0", "8,=,18446744073709551615,0",
        )
    ] + [EXTRACTED + "byte_test:2,=,far,0;", EXTRACTED + "byte_test:2,=,1,far;", EXTRACTED + "byte_test:far,=,1,0;"],
    "byte_jump": [
        f"byte_jump:{one}; " + CONTENT + "distance:0;"
        for one in ("2,0", "2,4,relative", "2,0,multiplier 4", "2,0,little", "2,0,big", "4,0,string,dec", "4,0,string,hex", "4,0,string,oct", "2,0,align",
                    "2,0,from_beginning", "2,0,from_end", "2,0,post_offset -4",)
    ] + [EXTRACTED + "byte_jump:2,far;", EXTRACTED + "byte_jump:far,0;"],
    "byte_extract": [
        f'byte_extract:{one}; content:"d"; offset:far;'
        for one in ("2,0,far", "2,4,far,relative", "2,0,far,multiplier 4", "2,0,far,little", "2,0,far,big", "4,0,far,string,dec", "4,0,far,string,hex",
                    "4,0,far,string,oct", "2,0,far,align 4")
    ],
    "byte_math": [
        f"byte_math:{one}, result far; byte_test:2,=,far,0;"
        for one in (*(f"bytes 2, offset 0, oper {sign}, rvalue 4" for sign in ("+", "-", "*", "/", "<<", ">>")),
                    "bytes 2, offset 4, oper +, rvalue 4, relative", "bytes 2, offset 0, oper +, rvalue 4, endian little",
                    "bytes 4, offset 0, oper +, rvalue 4, string dec", "bytes 2, offset 0, oper +, rvalue 4, bitmask 0x0FF0")
    ] + [EXTRACTED + "byte_math:bytes 2, offset 0, oper *, rvalue far, result more; isdataat:more;"],
    "pcre": [
        f'pcre:"{one}";'
        for one in ("/abc/", *(f"/a b$/{flag}" for flag in "ismxAEGBO"), "/a(?=b)/", "/(?<!a)b/", r"/(a)\\1/", r"/^(?:\\x00|[^\\r\\n]{1,3})+?/smi")
    ] + [CONTENT + 'pcre:"/d/R";', 'pcre:!"/abc/";'],
    "stream_size": [CONTENT + f"stream_size:{side},{sign},100;" for side in ("client", "server", "both", "either") for sign in ("<", ">", "=", "!=", "<=", ">=")],
    "base64_decode": ["base64_decode; base64_data; " + CONTENT] + [f"base64_decode:{one}; base64_data; " + CONTENT for one in ("bytes 10", "offset 3", "bytes 10, offset 3")]
    + [CONTENT + "base64_decode:bytes 10, offset 3, relative; base64_data; " + 'content:"d"; pcre:"/e/";'],
}  # fmt: skip
HEADERS = {
    "ttl": [f"ttl:{one};" for one in ("1", "<5", ">5", "<=5", ">=5", "5-10")],
    "tos": ["tos:8;", "tos:x2;", "tos:!3;"],
    "ipopts": [f"ipopts:{one};" for one in ("rr", "lsrr", "eol", "nop", "ts", "sec", "esec", "ssrr", "satid", "any")],
    "id": ["id:1;"],
    "fragbits": [f"fragbits:{one};" for one in ("M", "D", "R", "+MD", "*MD", "!M", "MDR")],
    "fragoffset": ["fragoffset:0;", "fragoffset:>0;", "fragoffset:<9;"],
    "ip_proto": [f"ip {one}" for one in ("ip_proto:6;", "ip_proto:TCP;", "ip_proto:!17;", "ip_proto:>100;", "ip_proto:<3;")],
    "sameip": ["ip sameip;"],
    "seq": ["seq:0;", "tcp.seq:1;"],
    "ack": ["ack:0;", "tcp.ack:1;"],
    "window": ["window:55808;", "window:!55808;", "tcp.window:1;"],
    "tcp.flags": [f"{name}:{one};" for name in ("flags", "tcp.flags") for one in ("S", "SA,12", "+A", "*FR", "!S", "0", "FPU", "S,CE", "SAFRPUEC")],
    "tcp.mss": [f"tcp.mss:{one};" for one in ("536", "<536", ">536", "123-456")],
    "tcp.hdr": ['tcp.hdr; content:"|02 04|"; offset:20;', "tcp.hdr; byte_test:1,&,2,13;", "tcp.hdr; bsize:>20;", 'tcp.hdr; pcre:"/a/";'],
    "udp.hdr": ['udp udp.hdr; content:"|00 35|"; depth:4;'],
    "ipv4.hdr": ['ip ipv4.hdr; content:"|06|"; offset:9; depth:1;'],
    "ipv6.hdr": ['ip ipv6.hdr; content:"|06|"; offset:6; depth:1;'],
    "itype": [f"icmp itype:{one};" for one in ("8", "<8", ">8", "3<>8")],
    "icode": [f"icmp icode:{one};" for one in ("0", "<8", ">1", "1<>4")],
    "icmp_id": ["icmp icmp_id:1;"],
    "icmp_seq": ["icmp icmp_seq:1;"],
    "icmpv4.hdr": ['icmp icmpv4.hdr; content:"|08|"; startswith;'],
    "icmpv6.hdr": ['icmp icmpv6.hdr; content:"|80|"; startswith;', 'icmpv6 icmpv6.hdr; content:"|80|";'],
    "icmpv6.mtu": [f"icmp icmpv6.mtu:{one};" for one in ("1280", "<1280", ">1280", "1280-1500")],
    "flow": [f"flow:{one}; {CONTENT}" for one in ("established", "not_established", "stateless", "to_server", "to_client", "from_server", "from_client", "only_stream",
                                                 "no_stream", "no_frag", "only_frag", "established,to_server", "to_client,stateless", "established,to_server,no_stream")],
    "flow.age": ["flow.age:>3600;", "flow.age:<10;", "flow.age:5;"],
    "flow.pkts": ["flow.pkts_toserver:>3;", "flow.pkts_toclient:3;", "flow.pkts:toserver,>3;", "flow.pkts:either,3;"],
    "flow.bytes": ["flow.bytes_toserver:>3;", "flow.bytes_toclient:<3;", "flow.bytes:toclient,>3;"],
    "flowbits": [CONTENT + f"flowbits:{one};" for one in ("set,a", "isset,a", "unset,a", "isnotset,a", "toggle,a", "noalert", "isset,a|b", "isnotset,a|b")],
    "flowint": [CONTENT + f"flowint:{one};" for one in ("n1,+,1", "n1,-,1", "n1,=,5", "n1,>,n2", "n1,<,5", "n1,==,5", "n1,!=,5", "n1,>=,5", "n1,<=,5", "n1,isset", "n1,notset", "n1,isnotset")],
    "xbits": [CONTENT + f"xbits:{action},a,track {track}{expire};" for action in ("set", "unset", "isset", "isnotset", "toggle")
              for track in ("ip_src", "ip_dst", "ip_pair") for expire in ("", ",expire 10")],
    "hostbits": [CONTENT + f"hostbits:{action},a,{side};" for action in ("set", "unset", "isset", "isnotset", "toggle") for side in ("src", "dst")],
    "threshold": [CONTENT + f"threshold:type {kind},track {track},count 5,seconds 60;" for kind in ("limit", "threshold", "both") for track in ("by_src", "by_dst", "by_both", "by_rule")],
    "detection_filter": [CONTENT + f"detection_filter:track {track},count 5,seconds 60;" for track in ("by_src", "by_dst")],
    "priority": ["priority:1;", "priority:4;"],
    "classtype": ["classtype:attempted-recon;", "classtype:trojan-activity; priority:2;"],
    "reference": [f"reference:{one};" for one in ("url,example.org/a", "cve,2015-5374", "cve,CVE-2015-5374", "bugtraq,123", "md5,0123456789abcdef")],
    "metadata": ["metadata:created_at 2020_01_02, mitre_technique_id T0855;", "metadata:policy balanced-ips drop, service http;"],
    "rev": ["rev:3;"],
    "gid": ["gid:3;"],
    "tag": [f"tag:{one};" for one in ("session", "session,5,packets", "session,60,seconds", "host,100,bytes,src", "host,10,packets,dst")],
    "target": ["target:src_ip;", "target:dest_ip;"],
    "noalert": ["flowbits:set,a; noalert;"],
    "decode-event": ["pkthdr decode-event:ipv4.trunc_pkt;", "pkthdr decode-event:ipv6.frag_overlap;", "pkthdr decode-event:tcp.hlen_too_small;"],
    "stream-event": ["stream-event:3whs_synack_with_wrong_ack;", "stream-event:est_packet_out_of_window;", "stream-event:reassembly_overlap_different_data;"],
    "protocols": [f"{one} dsize:>1;" if one != "tcp-stream" else f"{one} {CONTENT}" for one in ("ip", "tcp", "udp", "icmp", "pkthdr", "tcp-pkt", "tcp-stream")],
    "ip-only": ["ip "],
}  # fmt: skip
PROTOCOLS = ("ip", "tcp", "udp", "icmp", "icmpv6", "pkthdr", "dnp3", "enip", "tcp-pkt", "tcp-stream")
RULE_HEADERS = (
    "ip [10.0.0.0/8,!10.1.0.0/16] any -> [192.168.1.1,192.168.2.0/24] any", "tcp !10.0.0.1 any -> any !80", "tcp any [80,443,8000:8080,!8001] -> any :1024",
    "udp $HOME_NET 1024: -> !$HOME_NET any", "tcp any any <> any 502", "ip [2001:db8::/32,10.0.0.0/8] any -> any any", "tcp [!10.0.0.1,!10.0.0.2] any -> any any",
    "tcp any ![80,443] -> any any", "ip 10.0.0.1 any -> any any",
)  # fmt: skip
# What is refused, with the keyword that the summary counts it by.
REFUSED = {
    "http.uri": "http.uri; " + CONTENT, "http_uri": CONTENT + "http_uri;", "tls.sni": "tls.sni; " + CONTENT, "dns.query": "dns.query; " + CONTENT,
    "file.data": "file.data; " + CONTENT, "app-layer-event": "app-layer-event:http.anything;", "app-layer-protocol": "app-layer-protocol:http;",
    "lua": "lua:a.lua;", "iprep": "iprep:any,bad,>,10;", "geoip": "geoip:src,CN;", "ipv4-csum": "ipv4-csum:invalid;", "filemd5": "filemd5:a.txt;",
    "dataset": "tcp.hdr; dataset:isset,a,type string,load a.txt;",
}  # fmt: skip


def options_of(variant: str) -> tuple[str, str]:
    """(protocol, options) of a variant."""
    word, _, rest = variant.partition(" ")
    return (word, rest) if word in PROTOCOLS else ("tcp", variant)


def loaded(tmp_path: Path, lines: list[str]) -> list[str]:
    """Why lines are refused, "" where they are not."""
    path = tmp_path / "team.rules"
    path.write_text("\n".join(lines) + "\n")
    ruleset = load_rules([path], home_net=["10.0.0.0/8"])
    why = {one.position.line: f"{one.keyword}: {one.reason}" for one in ruleset.refused}
    assert len(ruleset.rules) + len(why) == len(lines) and not [one.inactive for one in ruleset.rules if one.inactive]
    return [why.get(number, "") for number in range(1, len(lines) + 1)]


@pytest.mark.parametrize("keyword", [*PAYLOAD, *HEADERS])
def test_a_keyword_in_all_its_variants(keyword: str, tmp_path: Path) -> None:
    """A team's rules were written over years: one variant that does not load is some rule of theirs."""
    variants = {**PAYLOAD, **HEADERS}[keyword]
    lines = []
    for number, variant in enumerate(variants, 1):
        protocol, options = options_of(variant)
        lines.append(f'alert {protocol} any any -> any any (msg:"{keyword}"; {options} sid:{number};)')
    assert {line: why for line, why in zip(lines, loaded(tmp_path, lines), strict=True) if why} == {}


def test_headers_with_groups(tmp_path: Path) -> None:
    lines = [f'alert {header} (msg:"a"; sid:{number};)' for number, header in enumerate(RULE_HEADERS, 1)]
    assert loaded(tmp_path, lines) == [""] * len(lines)


def test_a_dataset_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("10.0.0.1\n2001:db8::1\n")
    lines = [f"alert ip any any -> any any ({side}; dataset:{action},bad,type {kind},load {tmp_path / 'bad.txt'}; sid:{number};)"
             for number, (side, action, kind) in enumerate((("ip.src", "isset", "ip"), ("ip.dst", "isnotset", "ipv4")), 1)]  # fmt: skip
    assert loaded(tmp_path, lines) == ["", ""]


def test_suppress_in_a_threshold_file(tmp_path: Path) -> None:
    (tmp_path / "threshold.config").write_text(
        "suppress gen_id 1, sig_id 1\nsuppress gen_id 1, sig_id 1, track by_src, ip 10.0.0.7\nsuppress gen_id 1, sig_id 1, track by_dst, ip [10.0.0.0/8,!10.1.0.0/16]\n"
        "suppress gen_id 1, sig_id 1, track by_either, ip $HOME_NET\nthreshold gen_id 1, sig_id 1, type both, track by_src, count 2, seconds 60\n"
        "event_filter gen_id 1, sig_id 0, type limit, track by_dst, count 1, seconds 60\n"
    )  # fmt: skip
    (tmp_path / "suricata.yaml").write_text("%YAML 1.1\n---\nthreshold-file: threshold.config\n")
    (tmp_path / "team.rules").write_text("alert ip any any -> any any (sid:1;)\n")
    ruleset = load_rules([tmp_path / "team.rules"], home_net=["10.0.0.0/8"], suricata_yaml=tmp_path / "suricata.yaml")
    assert (len(ruleset.rules), ruleset.refused, ruleset.warnings) == (1, (), ())


@pytest.mark.parametrize("keyword", REFUSED)
def test_what_is_not_there_is_refused_by_its_name(keyword: str, tmp_path: Path) -> None:
    (why,) = loaded(tmp_path, [f'alert tcp any any -> any any (msg:"a"; {REFUSED[keyword]} sid:1;)'])
    assert why.split(":")[0] in (keyword, keyword.replace("_", ".")) and "not supported" in why


@pytest.mark.parametrize("line", ["config tcp any any -> any any (sid:1;)", "pass ip any any -> any any (sid:1;)", "alert http any any -> any any (sid:1;)"])  # fmt: skip
def test_rules_that_are_no_alerts_or_of_applications(line: str, tmp_path: Path) -> None:
    (why,) = loaded(tmp_path, [line])
    assert "not supported" in why


def test_the_page_for_users_names_every_keyword() -> None:
    """Who has rules looks there first: a keyword that it does not name is one that nobody uses here."""
    page = (Path(__file__).parents[2] / "docs" / "suricata.md").read_text()
    named = set(re.findall(r"`([\w.-]+)`", page[page.index("## Which keywords") : page.index("## What is refused")]))
    assert set(SUPPORTED) - named == set()
    assert {word for word in named if word not in (*SUPPORTED, *PROTOCOLS)} == {"tls.sni"}
