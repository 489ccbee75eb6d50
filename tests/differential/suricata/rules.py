"""Rules that use every header, flow, payload and state keyword in its variants, as Suricata writes them.

FAMILIES: name -> rules as (title, header without action, options). Titles, sids and revisions are put in by `text_of`;
what a rule is about is told by its own keywords (`keywords_of`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

Rule = tuple[str, str, str]

ANY = "any any -> any any"
IP, TCP, UDP, ICMP, ICMP6 = (f"{name} {ANY}" for name in ("ip", "tcp", "udp", "icmp", "icmpv6"))
TO_SERVER, TO_CLIENT = "flow:established,to_server; ", "flow:established,to_client; "
FIRST_SID = 9_000_000

ADDRESSES = {
    "HOME_NET": "[10.10.0.0/16,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,141.81.0.0/16,2001:db8::/32]",
    "EXTERNAL_NET": "!$HOME_NET",
    "PLCS": "[10.10.2.0/24,!10.10.2.21,2001:db8:2::/48]",
    "STATIONS": "[10.10.1.5,10.10.1.6,2001:db8:1::5]",
}
PORTS = {"CONTROL_PORTS": "[102,502,2404,20000,44818]", "HIGH_PORTS": "1024:", "PLAIN_PORTS": "[7000:8000,!7001]"}


def number_tests(title: str, header: str, keyword: str, values: Iterable[object], also: str = "") -> list[Rule]:
    """One rule for each value of a keyword."""
    return [(f"{title} {keyword} {value}", header, f"{keyword}:{value}; {also}") for value in values]


def ip_header() -> list[Rule]:
    """ttl, tos, id, ipopts, fragbits, fragoffset, ip_proto, sameip."""
    return [
        *number_tests("Lifetime", IP, "ttl", (0, 1, "<5", ">200", "5-10", "<=9", ">=254", "!64", "30-66")),
        *number_tests("Lifetime of a segment", TCP, "ttl", ("<3", ">250", 64, 128, "1-6")),
        *number_tests("Traceroute datagram", UDP, "ttl", (1, "<2", 255)),
        *number_tests("Ping with a lifetime", ICMP, "ttl", (1, 255, "100-210"), "itype:8; "),
        *number_tests("Service", UDP, "tos", (0, 8, 16, 40, 184, "!0", 255)),
        *number_tests("Service", IP, "tos", (4, 32, "!0", "!184")),
        *number_tests("Identification", IP, "id", (0, 1, 666, 3868, 31337, 65535, 1000)),
        *number_tests("Identification", TCP, "id", (0, 64)),
        *number_tests("Option", IP, "ipopts", ("rr", "eol", "nop", "ts", "sec", "lsrr", "ssrr", "satid", "any", "esec")),
        ("Source route of a ping", ICMP, "ipopts:lsrr; itype:8; "),
        ("Source route of a connection", TCP, "ipopts:ssrr; flags:S; "),
        *number_tests("Fragment bits", IP, "fragbits", ("M", "D", "R", "MD", "M+", "D+", "R+", "+MD", "*DM", "*RM", "!D", "!M", "!RM", "DR")),
        ("Fragment bits of a datagram", UDP, "fragbits:!D; dsize:>10; "),
        *number_tests("Fragment offset", IP, "fragoffset", (0, 1, ">0", "<100", ">8000", 100)),
        ("First fragment", IP, "fragbits:M; fragoffset:0; "),
        ("Last fragment", IP, "fragbits:!M; fragoffset:>0; "),
        *number_tests("Protocol", IP, "ip_proto", (0, 1, 2, 4, 6, 17, 41, 47, 50, 89, 132, 255, ">100", "<2", "igmp", "gre", "ospf")),
        ("Neither TCP nor UDP nor ICMP", IP, "ip_proto:!6; ip_proto:!17; ip_proto:!1; "),
        ("Protocol other than TCP with content", IP, "ip_proto:!6; content:\"bytes of protocol\"; "),
        ("Protocol above 100 to a PLC", "ip any any -> $PLCS any", "ip_proto:>100; "),
        ("Land", IP, "sameip; "), ("Land of TCP", TCP, "sameip; flags:S; "), ("Land of UDP", UDP, "sameip; "), ("Land of ICMP", ICMP, "sameip; "),
    ]  # fmt: skip


def tcp_header() -> list[Rule]:
    """seq, ack, window, flags, mss."""
    return [
        *number_tests("Flags", TCP, "flags", ("S", "SA", "F", "FPU", "0", "SF", "S,CE", "S,12", "+SF", "SF+", "*UP", "UP*", "!A", "!S,12", "A", "PA",
                                              "R", "RA", "SR", "FSRPAU", "SRAFPU+", "+P", "C", "E", "CE", "12", "S,U", "!SAF", "*SRF", "FUP,CE", "UAPRSF,12")),
        *number_tests("Flags", TCP, "tcp.flags", ("S", "+R", "!0")),
        *number_tests("Sequence", TCP, "seq", (0, 1, 674711609, 1958810375, 4294967295, 7)),
        *number_tests("Sequence", TCP, "tcp.seq", (2147483648,)),
        *number_tests("Acknowledgement", TCP, "ack", (0, 1, 674711609, 4294967295)),
        ("Nmap's ping", TCP, "ack:0; flags:A; "), ("Ping of hping", TCP, "flags:S; ack:0; window:512; "),
        *number_tests("Acknowledgement", TCP, "tcp.ack", (1958810375,)),
        *number_tests("Window", TCP, "window", (0, 512, 1024, 55808, 65535, "!8192", 3)),
        *number_tests("Window", TCP, "tcp.window", ("!0", 2048)),
        *number_tests("Segment size", TCP, "tcp.mss", (536, "<536", ">1460", "100-540", "<=535", ">=8960", 0, 1460, "!1460")),
        ("Small segments asked of a PLC", "tcp any any -> $PLCS any", "flags:S; tcp.mss:<500; "),
        ("Answer with a small segment size", TCP, "flags:SA; tcp.mss:<=536; "),
        ("SYN to high ports", "tcp any any -> any $HIGH_PORTS", "flags:S,CE; "),
        ("SYN from home", "tcp $HOME_NET any -> $HOME_NET any", "flags:S,CE; "),
        ("SYN from outside", "tcp $EXTERNAL_NET any -> $HOME_NET any", "flags:S,CE; flow:stateless; "),
        ("SYN both ways", "tcp 10.10.1.5 any <> any 7777", "flags:S+; "),
        ("Fingerprint of masscan", TCP, "flags:S; window:1024; "),
        *[(f"Answer of port {port}", f"tcp any {port} -> any any", "flags:SA; ") for port in (22, 80, 102, 445, 502, 2404, 7777, 20000, 44818)],
        *[(f"Connection to port {port}", f"tcp any any -> any {port}", "flags:S; flow:to_server; ") for port in (21, 22, 23, 80, 102, 502, 2404, 7777)],
    ]  # fmt: skip


def icmp_header() -> list[Rule]:
    """itype, icode, icmp_id, icmp_seq, icmpv6.mtu."""
    return [
        *number_tests("Type", ICMP, "itype", (0, 3, 5, 8, 13, 17, ">10", "<4", "8<>14", "8-14", "!8", ">=30", 128, 135)),
        *number_tests("Type", ICMP6, "itype", (1, 2, 3, 128, 129, 134, 135, ">130", "<4", "128<>136")),
        *number_tests("Code", ICMP, "icode", (0, 4, 13, ">9", "<2", "2<>7", "!0")),
        *number_tests("Unreachable", ICMP, "icode", (0, 1, 3, 4, 9, 10, 13, ">9"), "itype:3; "),
        *number_tests("Unreachable", ICMP6, "icode", (0, 1, 4, 7), "itype:1; "),
        *number_tests("Identifier", ICMP, "icmp_id", (0, 1, 123, 666, 6666, 65535)),
        *number_tests("Number", ICMP, "icmp_seq", (0, 1, 666, 30000, 65535)),
        *number_tests("Identifier", ICMP6, "icmp_id", (0, 123, 666)),
        *number_tests("Number", ICMP6, "icmp_seq", (0, 7, 65535)),
        ("Stacheldraht", ICMP, "itype:0; icmp_id:666; "), ("Loki", ICMP, "itype:0; icmp_seq:1; icmp_id:1; "),
        *number_tests("MTU", ICMP6, "icmpv6.mtu", (0, "<1280", ">1500", "1280-1500", 1400, "<=56", ">=65535", "!1500")),
        ("Ping with much data", ICMP, "itype:8; dsize:>800; "), ("Ping without data", ICMP, "itype:8; dsize:0; "),
        ("Shell in a ping", ICMP, "itype:8; content:\"/etc/passwd\"; "), ("Ping of Windows", ICMP, "itype:8; content:\"abcdefghijklmnop\"; depth:16; "),
        ("Ping of zeros", ICMP, "itype:8; content:\"|00 00 00 00 00 00 00 00|\"; depth:8; dsize:64; "),
        ("Quoted datagram", ICMP, "itype:3; content:\"quoted!!\"; "), ("Redirect with a body", ICMP, "itype:5; content:\"icmp\"; "),
        ("ICMP from a PLC", "icmp $PLCS any -> any any", "itype:3; "), ("ICMP over IPv6 with content", ICMP6, "content:\"abcdefgh\"; "),
        ("ICMP version 4 only", f"icmpv4 {ANY}", "itype:8; "), ("Router advertisement", ICMP6, "itype:134; ttl:255; "),
    ]  # fmt: skip


def raw_headers() -> list[Rule]:
    """Sticky buffers of headers."""
    return [
        ("SYN in the header's byte", TCP, "tcp.hdr; content:\"|02|\"; offset:13; depth:1; "),
        ("SACK allowed", TCP, "tcp.hdr; content:\"|04 02|\"; offset:20; "),
        ("Segment size option", TCP, "flags:S; tcp.hdr; content:\"|02 04|\"; offset:20; byte_test:2,<,537,0,big,relative; "),
        ("Window scale 14", TCP, "flags:S; tcp.hdr; content:\"|03 03 0e|\"; "),
        ("Port 7777 in the header", TCP, "tcp.hdr; content:\"|1e 61|\"; offset:2; depth:2; "),
        ("No options", TCP, "flags:S; tcp.hdr; bsize:20; "), ("Many options", TCP, "flags:S; tcp.hdr; bsize:>30; "),
        ("Header up to 24 bytes", TCP, "flags:S; tcp.hdr; bsize:21<>32; "),
        ("Urgent pointer", TCP, "tcp.hdr; byte_test:2,>,0,18; "), ("Header with words", TCP, "tcp.hdr; content:\"|1e 61|\"; offset:2; depth:2; content:\"|18|\"; distance:9; within:1; pkt_data; content:\"EVIL\"; "),
        ("Datagram of 20 bytes", UDP, "udp.hdr; content:\"|00 1c|\"; offset:4; depth:2; "), ("Datagram to 9999", UDP, "udp.hdr; content:\"|27 0f|\"; offset:2; depth:2; "),
        ("Datagram with zero checksum", UDP, "udp.hdr; content:\"|00 00|\"; offset:6; depth:2; "), ("Datagram's length", UDP, "udp.hdr; byte_test:2,>,500,4; "),
        ("Protocol byte", IP, "ipv4.hdr; content:\"|2f|\"; offset:9; depth:1; "), ("Lifetime below 3 in the header", IP, "ipv4.hdr; byte_test:1,<,3,8; "),
        ("Long header", IP, "ipv4.hdr; bsize:>20; "), ("Source route bytes", IP, "ipv4.hdr; content:\"|83|\"; offset:20; "),
        ("Don't fragment bit", IP, "ipv4.hdr; byte_test:1,&,0x40,6; "), ("Evil bit", IP, "ipv4.hdr; byte_test:1,&,128,6; "), ("More fragments, no evil", IP, "ipv4.hdr; byte_test:2,!&,0x8000,6; byte_test:2,&,0x2000,6; "),
        ("Documentation network inside", IP, "ipv4.hdr; content:\"|cb 00 71|\"; offset:12; depth:3; "),
        ("Hop limit 1", IP, "ipv6.hdr; content:\"|01|\"; offset:7; depth:1; "), ("Next header", IP, "ipv6.hdr; content:\"|3a|\"; offset:6; depth:1; "),
        ("IPv6 to the PLCs", IP, "ipv6.hdr; content:\"|20 01 0d b8 00 02|\"; offset:24; depth:6; "), ("Long IPv6 header", IP, "ipv6.hdr; bsize:>40; "),
        ("Timestamp request in the header", ICMP, "icmpv4.hdr; content:\"|0d|\"; startswith; "), ("Unreachable by a filter", ICMP, "icmpv4.hdr; content:\"|03 0d|\"; startswith; "),
        ("Quoted MTU", ICMP, "itype:3; icode:4; icmpv4.hdr; byte_test:2,<,500,6; "), ("ICMP header of eight bytes", ICMP, "icmpv4.hdr; bsize:8; "),
        ("Packet too big in the header", ICMP6, "icmpv6.hdr; content:\"|02|\"; startswith; "), ("MTU in the header", ICMP6, "icmpv6.hdr; content:\"|02 00|\"; startswith; byte_test:4,<,1280,4; "),
        ("Echo of version 6", ICMP6, "icmpv6.hdr; content:\"|80|\"; depth:1; "),
    ]  # fmt: skip


def flow() -> list[Rule]:
    """flow and flow.age, with and without content."""
    conditions = ("to_server", "to_client", "from_server", "from_client", "established", "not_established", "stateless", "established,to_server",
                  "established,to_client", "not_established,to_server", "to_client,not_established")  # fmt: skip
    words = 'content:"GREETING"; '
    return [
        *[(f"Greeting {chosen}", TCP, f"flow:{chosen}; {words}") for chosen in conditions],
        *[(f"Greeting datagram {chosen}", UDP, f"flow:{chosen}; {words}") for chosen in conditions],
        *[(f"Segment {chosen}", "tcp any any -> any any", f"flow:{chosen}; flags:PA; ") for chosen in conditions],
        *[(f"Acknowledgement {chosen}", "tcp 10.10.1.5 any -> any 7777", f"flow:{chosen}; flags:A; ") for chosen in conditions],
        *[(f"Datagram {chosen}", "udp any any -> any 9999", f"flow:{chosen}; dsize:>5; ") for chosen in conditions],
        *[(f"Ping {chosen}", ICMP, f"flow:{chosen}; itype:<9; ") for chosen in ("to_server", "to_client", "established", "not_established")],
        *[(f"Greeting {chosen}", TCP, f"flow:established,{chosen}; {words}") for chosen in ("only_stream", "no_stream", "no_frag", "only_frag")],
        *[(f"Datagram with {chosen}", UDP, f"flow:{chosen}; content:\"EVILFRAGMENT\"; ") for chosen in ("no_frag", "only_frag")],
        ("Greeting as packet", f"tcp-pkt {ANY}", words), ("Greeting as stream", f"tcp-stream {ANY}", words), ("Greeting of IP", IP, words),
        ("Greeting of a client's packet", f"tcp-pkt {ANY}", TO_SERVER + words), ("Greeting of a server's stream", f"tcp-stream {ANY}", TO_CLIENT + words),
        ("Greeting from a station", "tcp $STATIONS any -> $PLCS any", TO_SERVER + words), ("Greeting to a station", "tcp $PLCS any -> $STATIONS any", TO_CLIENT + words),
        ("Greeting not from a station", "tcp !$STATIONS any -> any any", words), ("Greeting of a plain port", "tcp any any -> any $PLAIN_PORTS", words),
        ("Greeting of another port", "tcp any any -> any ![502,7777]", words), ("Greeting both ways", "tcp any any <> any 7777", words),
        ("Greeting between stations and PLCs", "udp $STATIONS any <> [10.10.2.0/24,2001:db8:2::20] any", words),
        *number_tests("Flow's age", TCP, "flow.age", (">30", "<2", "10-20", ">=60"), "flags:PA; "),
        *number_tests("Flow's age", UDP, "flow.age", (">30", "<=5", ">400"), "dsize:>0; "),
        *number_tests("Old flow", TCP, "flow.age", (">30", "<10"), "content:\"TICK\"; "),
        ("Old flow, ticking", UDP, "flow.age:>10; content:\"TICK\"; "),
        *[(f"IP only {at}", header, options) for at, (header, options) in enumerate((
            ("ip 203.0.113.9 any -> any any", ""), ("ip any any -> 203.0.113.9 any", ""), ("ip [203.0.113.0/24,!203.0.113.9] any -> $HOME_NET any", ""),
            ("tcp 10.10.3.7 any -> 10.10.2.20 any", ""), ("udp 10.10.3.7 any -> 10.10.2.20 any", ""), ("icmp 10.10.3.7 any -> any any", ""),
            ("ip 10.10.1.5 any <> 10.10.2.20 any", ""), ("ip $EXTERNAL_NET any -> $HOME_NET any", ""), ("ip 2001:db8:1::5 any -> any any", ""),
            ("ip $STATIONS any -> $PLCS any", ""), ("ip !$HOME_NET any -> any any", ""), ("ip 192.0.2.0/24 any -> any any", ""),
            ("ip 203.0.113.9 any -> any any", TO_SERVER), ("tcp 203.0.113.9 any -> any any", "flow:established; "), ("tcp 203.0.113.9 any -> any any", "flow:to_client; "),
        ))],
        ("Ports only, TCP", "tcp any any -> any 22", ""), ("Ports only, UDP", "udp any any -> any 161", ""), ("Ports only, from", "tcp any 7777 -> any any", ""),
        ("Control ports", "tcp any any -> any $CONTROL_PORTS", TO_SERVER), ("All of SCTP", f"sctp {ANY}", ""), ("All packets", f"pkthdr {ANY}", "dsize:>1200; "),
        ("All of IPv6", f"ip6 {ANY}", "ttl:1; "), ("All of IPv4", f"ip4 {ANY}", "ttl:1; "), ("Anything at all", IP, "dsize:1; "),
        ("A datagram's ports", "udp any [20000:20010,21005] -> any [9000:9999,!9998]", "content:\"HTTP\"; "),
    ]  # fmt: skip


IT_TEXTS: tuple[tuple[str, str], ...] = (
    ("Nikto", "content:\"User-Agent|3a 20|Nikto\"; nocase; "), ("Path traversal", "content:\"..%2f..%2f\"; nocase; "), ("Path traversal as written", "content:\"..%2f..%2f\"; "),
    ("Password file", "content:\"GET \"; startswith; content:\"/etc/passwd\"; distance:0; "), ("Password file any case", "content:\"get \"; nocase; depth:4; content:\"/ETC/passwd\"; nocase; distance:5; within:40; "),
    ("JNDI", "content:\"${jndi:\"; nocase; pcre:\"/\\$\\{jndi:(ldap|rmi|dns)s?:/i\"; "), ("JNDI to a number", "content:\"${jndi:\"; pcre:\"/^ldap:\\x2f\\x2f\\d{1,3}(\\.\\d{1,3}){3}/R\"; "),
    ("Anonymous FTP", "content:\"USER \"; depth:5; content:\"anonymous|0d 0a|\"; within:11; "), ("FTP password", "content:\"USER root\"; content:\"PASS \"; distance:2; within:7; "), ("Not anonymous", "content:\"USER \"; startswith; content:!\"anonymous\"; within:9; "),
    ("NOP sled", "content:\"|90 90 90 90 90 90 90 90 90 90 90 90 90 90 90 90|\"; "), ("NOP sled before a shell", "content:\"|90 90 90 90|\"; content:\"/bin\"; distance:10; within:60; "),
    ("Overlong argument", "content:\"AAAAAAAAAAAAAAAA\"; isdataat:280,relative; "), ("Overlong argument by pcre", "pcre:\"/A{300}\\xef\\xbe\\xad\\xde/\"; "), ("Return address", "content:\"|ef be ad de|\"; isdataat:30,relative; isdataat:!31,relative; "),
    ("Encoded command", "content:\"-EncodedCommand \"; nocase; base64_decode:offset 0, relative; base64_data; content:\"I|00|E|00|X|00|\"; depth:6; "),
    ("Basic admin", "content:\"Authorization|3a| Basic \"; base64_decode:bytes 16, relative; base64_data; content:\"admin:admin\"; startswith; endswith; "),
    ("Basic operator", "content:\"Basic \"; base64_decode:relative; base64_data; content:\"operator:\"; "), ("Basic not admin", "content:\"Basic \"; base64_decode:relative; base64_data; content:!\"admin\"; "),
    ("Token", "content:\"token=\"; base64_decode:bytes 36, offset 0, relative; base64_data; content:\"cmd.exe\"; content:\"whoami\"; distance:0; "), ("Token at a place", "content:\"token=\"; depth:6; base64_decode:offset 6; base64_data; pcre:\"/net\\s+user/\"; "),
    ("SMB negotiation", "content:\"|ff|SMB|72|\"; depth:5; content:\"LANMAN1.0\"; distance:20; "), ("SMB 1 length", "content:\"|ff|SMB\"; byte_extract:1,28,count,relative; byte_test:1,=,count,28,relative; "), ("SMB 2 create", "content:\"|fe|SMB\"; offset:4; depth:4; byte_test:2,=,5,8,relative,little; "),
    ("Libssh", "content:\"SSH-2.0-libssh\"; startswith; "), ("OpenSSH of a version", "content:\"SSH-2.0-OpenSSH_\"; depth:16; content:\"9.2|0d 0a|\"; endswith; "),
    ("SQL tautology", "content:\"' OR 1=1\"; nocase; "), ("SQL union", "content:\"union\"; nocase; content:\"select\"; nocase; distance:1; within:7; "), ("SQL by pcre", "pcre:\"/select\\b.+\\bfrom\\b.+(union|or\\s+1=1)/si\"; "), ("Select first", "content:\"SELECT\"; nocase; startswith; content:\"FROM\"; nocase; distance:0; fast_pattern; "),
    ("Length says", "content:\"len=\"; byte_test:4,=,12,0,relative,string,dec; content:\"data=\"; distance:5; within:5; byte_jump:0,0,relative; "),
    ("Length lies", "content:\"len=\"; byte_test:4,>,20,0,relative,string,dec; "), ("Length jump", "content:\"len=\"; byte_jump:4,0,relative,string,dec,post_offset 6; content:\"|3b|crc=\"; within:5; "), ("Size decimal", "content:\"size \"; byte_test:2,=,48,0,relative,string,dec; "),
    ("Size hexadecimal", "content:\"size 0x\"; byte_test:2,=,48,0,relative,string,hex; "), ("Size octal", "content:\"size 0\"; byte_test:2,=,48,0,relative,string,oct; "), ("Same key twice", "content:\"key1=\"; content:\"key1=\"; distance:0; "),
    ("Value with a key", "pcre:\"/key2=(\\w+)&key3=/\"; "), ("Only with a look back", "pcre:\"/(?<=key1=)val1(?!&)/\"; "), ("The same twice", "pcre:\"/(key1=val1).*\\1/\"; "),
    ("Backtracking", "content:\"abc\"; content:\"abd\"; distance:0; within:3; "), ("Backtracking to baz", "content:\"foo\"; content:\"baz\"; distance:0; within:3; "), ("Backtracking over a pcre", "content:\"foo\"; pcre:\"/^ba[a-z]/R\"; content:\"foobar\"; distance:0; within:6; "), ("Backtracking in vain", "content:\"foo\"; content:\"bax\"; distance:0; within:3; "),
    ("Words apart", "content:\"two\"; content:\"five\"; distance:10; within:16; "), ("Words before", "content:\"five\"; content:\"two\"; distance:-20; within:10; "), ("Words not between", "content:\"two\"; content:!\"four\"; distance:0; within:8; "), ("Words not between but", "content:\"two\"; content:!\"four\"; distance:0; within:20; "), ("No words at all", "content:\"one\"; content:!\"eleven\"; "),
    ("Rising bytes", "content:\"|00 01 02 03|\"; content:\"|0c 0d 0e 0f|\"; distance:8; within:4; isdataat:!49,relative; "), ("Rising bytes to the end", "content:\"|0c 0d 0e 0f|\"; endswith; "), ("Sum of two bytes", "content:\"|00 01 02 03|\"; depth:4; byte_math:bytes 1,offset 0,oper +,rvalue 5,result sum,relative; byte_test:1,=,sum,4,relative; "),
    ("Product", "content:\"|01 02 03|\"; offset:1; depth:3; byte_math:bytes 1,offset 0,oper *,rvalue 2,result twice,relative; content:\"|08|\"; offset:twice; depth:1; "), ("Shift", "content:\"|00 01|\"; depth:2; byte_math:bytes 2,offset 2,oper >>,rvalue 8,result high; byte_test:1,=,high,2; "), ("Difference masked", "content:\"|0f|\"; byte_math:bytes 2,offset -2,oper -,rvalue 14,result low,relative,bitmask 0xff; byte_test:1,=,low,1; "), ("Quotient little endian", "content:\"|0e 0f 00|\"; byte_math:bytes 2,offset -3,oper /,rvalue 2,result half,relative,endian little; byte_test:2,<,half,0; "),
    ("Only one byte", "dsize:1; content:\"X\"; "), ("One zero", "content:\"|00|\"; isdataat:!1; "), ("Specials", "content:\"beacon|7c|00\"; "), ("Specials escaped", "content:\"\\;\\:\\\"\\\\quoted\"; "), ("Specials as written", "content:\"|3b 3a 22 5c|quoted\"; rawbytes; "),
    ("Miner", "content:\"\\\"method\\\"\\:\\\"mining.subscribe\\\"\"; fast_pattern; content:\"xmrig/\"; distance:0; "), ("Miner by part", "content:\"mining.subscribe\"; fast_pattern:7,9; content:\"id\"; "), ("Miner by pattern only", "content:\"mining.subscribe\"; fast_pattern:only; "), ("Onion", "content:\".onion\"; nocase; pcre:\"/[a-z2-7]{16}\\.onion/i\"; "),
    ("Program", "content:\"MZ\"; depth:2; byte_jump:4,60,little,from_beginning; content:\"PE|00 00|\"; within:4; "), ("Program, jump from", "content:\"MZ\"; depth:2; byte_extract:4,58,header,relative,little; content:\"PE|00 00|\"; offset:header; depth:4; "), ("No program", "content:\"MZ\"; startswith; byte_jump:4,58,relative,little,from_beginning; content:!\"PE|00 00|\"; within:4; "), ("Program of Linux", "content:\"|7f|ELF\"; startswith; byte_test:2,=,2,16,little; byte_test:2,&,0x28,18,little; "),
    ("Vsftpd", "content:\"220 vsFTPd 2.3.4\"; "), ("Login failed", "content:\"530 \"; depth:4; content:\"Login incorrect\"; "), ("Root", "content:\"uid=0|28|root|29|\"; "), ("Command line of Windows", "content:\"Microsoft Windows [Version \"; depth:27; pcre:\"/\\x0d\\x0a[A-Z]:\\\\>$/\"; "), ("Realm", "content:\"WWW-Authenticate|3a|\"; nocase; content:\"realm=|22|PLC|22|\"; distance:0; "),
    ("Server of an old kind", "content:\"Server|3a 20|GoAhead\"; content:\"|0d 0a 0d 0a|\"; distance:0; "), ("Root's line", "pcre:\"/^root:[^:]*:0:0:/m\"; "), ("Lines", "pcre:\"/^size 0x[0-9a-f]+ bytes$/m\"; "), ("Dot matches lines", "pcre:\"/USER.+PASS/s\"; "), ("Dot does not match lines", "pcre:\"/USER.+PASS/\"; "),
    ("Extended pcre", "pcre:\"/ GET \\s+ \\x2f [a-z]+ \\. html /x\"; "), ("Anchored pcre", "pcre:\"/SELECT/A\"; "), ("Anchored pcre of another word", "pcre:\"/FROM/A\"; "), ("Lazy pcre", "pcre:\"/key1.*key2/G\"; "), ("Pcre at the end only", "pcre:\"/ten$/E\"; "), ("Negated pcre", "content:\"GET \"; depth:4; pcre:!\"/HTTP\\/1\\.[01]\\r\\n\\r\\n/\"; "), ("Negated pcre alone", "dsize:<20; content:\"USER\"; pcre:!\"/root/\"; "),
    ("Bytes in a class", "pcre:\"/[\\x00-\\x05]{4}/\"; content:\"|00 01|\"; "), ("High bytes", "content:\"|ff ff ff ff ff ff ff ff|\"; isdataat:8,relative; isdataat:!9,relative; "), ("Bytes tested to 64 bits", "content:\"|ff ff|\"; byte_test:8,>,0xfffffffffffffff0,0; "), ("Bits clear", "content:\"|00 01 02|\"; startswith; byte_test:1,!&,4,0,relative; "), ("Bits masked", "content:\"|00 01 02|\"; startswith; byte_test:2,=,3,0,relative,bitmask 0x300; "), ("Not equal", "content:\"|00 01 02|\"; startswith; byte_test:1,!=,4,0,relative; "), ("At most", "content:\"|00 01 02 03|\"; startswith; byte_test:1,<=,4,0,relative; "), ("Not at most", "content:\"|00 01 02 03|\"; startswith; byte_test:1,!<,4,0,relative; "),
    ("Jump by a multiple", "content:\"|00 01|\"; startswith; byte_jump:1,0,relative,multiplier 4; content:\"|0b|\"; within:1; "), ("Jump aligned", "content:\"|00|\"; startswith; byte_jump:1,0,relative,align; content:\"|05|\"; within:1; "), ("Jump from the end", "content:\"|00 01|\"; startswith; byte_jump:1,15,from_end,post_offset -17; content:\"|0e|\"; within:1; "), ("Jump back", "content:\"|00 01|\"; startswith; byte_jump:1,4,post_offset -1; content:\"|08|\"; within:1; "), ("Jump beyond the end", "content:\"|ff|\"; byte_jump:2,0,relative; content:\"|ff|\"; within:1; "), ("Jump to the end", "content:\"|00 01|\"; startswith; byte_jump:1,13,relative,multiplier 3,post_offset 3; isdataat:!1,relative; "),
    ("Extracted depth", "content:\"|00 01 02 03|\"; startswith; byte_extract:1,8,deep; content:\"|07|\"; depth:deep; "), ("Extracted distance", "content:\"|00 01 02 03|\"; startswith; byte_extract:1,0,far,relative; content:\"|09|\"; distance:far; within:1; "), ("Extracted within", "content:\"|00 01 02 03|\"; startswith; byte_extract:1,0,near,relative; content:\"|07|\"; within:near; "), ("Extracted for isdataat", "content:\"|00 01 02 03|\"; startswith; byte_extract:1,0,place; isdataat:place; "), ("Extracted multiplied", "content:\"|00 01 02 03|\"; startswith; byte_extract:1,0,times,relative,multiplier 3; byte_test:1,=,times,12; "), ("Extracted aligned", "content:\"|00 01 02|\"; startswith; byte_extract:1,0,whole,relative,align 4; content:\"|04|\"; offset:whole; depth:1; "), ("Extracted text", "content:\"len=\"; byte_extract:4,0,told,relative,string,dec; byte_test:4,=,told,0,relative,string,dec; "),
    ("Little endian", "content:\"|00 01|\"; startswith; byte_test:2,=,0x0302,0,relative,little; "), ("Big endian", "content:\"|00 01|\"; startswith; byte_test:2,=,515,0,relative,big; "), ("Three bytes", "content:\"|00 01|\"; startswith; byte_test:3,>,131000,0,relative; "), ("Data up to 63", "content:\"|00 01 02|\"; startswith; isdataat:63; isdataat:!64; "),
)  # fmt: skip


def texts() -> list[Rule]:
    """The payload keywords on datagrams, on streams, on packets of TCP."""
    found: list[Rule] = []
    for at, (title, options) in enumerate(IT_TEXTS):
        found.append((f"{title} in a datagram", UDP, options))
        found.append(
            (
                f"{title} in TCP",
                ("tcp any any -> any any", "tcp any any -> any 7777", "tcp any any <> any 7777")[at % 3],
                options,
            )
        )
        if at % 4 == 1:
            found.append((f"{title} in a connection", TCP, "flow:established; " + options))
        if at % 4 == 3:
            found.append((f"{title} in a packet", f"tcp-pkt {ANY}", options))
    return found


def payload_sizes() -> list[Rule]:
    """dsize, isdataat without content, stream_size, places in long streams."""
    return [
        *number_tests("Datagram of", "udp any any -> any 9998", "dsize", (0, 1, 16, "<9", ">300", "7<>17", "!0", ">1399", "<2")),
        *number_tests("Segment of", "tcp any any -> any 7777", "dsize", (5, ">1400", "<4", "10<>13", 1), "flags:PA; "),
        *number_tests("Words in a segment of", TCP, "dsize", (">900", "<20"), "content:\"EVILSTREAM\"; "),
        *number_tests("Anything with a byte at", "udp any any -> any 9998", "isdataat", (0, 1, 16, 300, "!8", "!100", "!1")),
        *number_tests("A byte of TCP at", f"tcp-pkt {ANY}", "isdataat", ("1399", "!5"), "content:\"a\"; "),
        *[(f"Stream of {text}", TCP, f"stream_size:{text}; flags:PA; ") for text in ("client,>,100", "server,>,100", "both,>,20", "either,>,900", "client,=,11", "server,<,2", "client,>=,5000", "client,<=,20", "client,!=,1")],
        *[(f"Stream with content of {text}", TCP, f"stream_size:{text}; content:\"EVILSTREAM\"; ") for text in ("client,<,100", "client,>,3000", "both,>,50", "either,>,5000")],
        ("Stream's mark", TCP, "content:\"EVILSTREAM\"; "), ("Stream's mark to the server", TCP, TO_SERVER + "content:\"EVILSTREAM\"; "), ("Stream's mark to the client", TCP, TO_CLIENT + "content:\"EVILSTREAM\"; "),
        ("Mark in the first 100 bytes", TCP, "content:\"EVILSTREAM\"; depth:100; "), ("Mark after 3000 bytes", TCP, "content:\"EVILSTREAM\"; offset:3000; "), ("Mark after 11000 bytes", TCP, "flow:only_stream; content:\"EVILSTREAM\"; offset:11000; "),
        ("Two marks", TCP, "content:\"EVILSTREAM\"; content:\"EVILSTREAM\"; distance:1000; within:2000; "), ("Mark in a packet", f"tcp-pkt {ANY}", "content:\"EVILSTREAM\"; "), ("Mark without stream", TCP, "flow:no_stream; content:\"EVILSTREAM\"; "),
        ("Mark of any case", TCP, "content:\"evilstream\"; nocase; "), ("Two halves", TCP, "content:\"EVIL\"; content:\"STREAM\"; within:6; "), ("Two halves apart", TCP, "content:\"EVIL\"; content:\"STREAM\"; distance:1; "), ("Mark by pcre", TCP, "pcre:\"/EVIL.?STREAM/\"; "), ("Mark and no other", TCP, "content:\"EVILSTREAM\"; content:!\"second\"; "),
        ("Alarm", TCP, "content:\"ALARM\"; "), ("Alarm with number", TCP, "content:\":\"; content:\"ALARM\"; distance:0; within:12; "), ("Quiet to the server", TCP, TO_SERVER + "content:\"quiet\"; dsize:<12; "), ("Okay", TCP, TO_CLIENT + "content:\"ok \"; startswith; "), ("Nothing but a size", "udp any any -> any 9999", "dsize:>200; "),
        ("Fragmented word", UDP, "content:\"EVILFRAGMENT\"; "), ("Fragmented word in TCP", TCP, "content:\"EVILFRAGMENT\"; "), ("Fragmented word in IP", IP, "content:\"EVILFRAGMENT\"; "), ("Inner words", UDP, "content:\"INNER words\"; "), ("Inner words of IP", IP, "content:\"INNER words\"; "), ("Inner words in a stream", TCP, "content:\"INNER words\"; "), ("Inner answer", TCP, TO_CLIENT + "content:\"INNER answer\"; "),
        ("Inner words on the outer addresses", "ip 192.0.2.0/24 any -> any any", "content:\"INNER words\"; "), ("Piece of protocol 89", IP, "ip_proto:89; content:\"protocol 089\"; "),
    ]  # fmt: skip


def industrial() -> list[Rule]:
    """What rule authors write for control systems: functions at their places in requests."""
    modbus = {1: "read coils", 3: "read registers", 5: "write coil", 6: "write register", 8: "diagnostics", 15: "write coils", 16: "write registers", 17: "report server",
              43: "device identification", 90: "Unity", 131: "refused read", 134: "refused write"}  # fmt: skip
    dnp3 = {
        0: "confirm",
        1: "read",
        2: "write",
        3: "select",
        4: "operate",
        5: "direct operate",
        13: "cold restart",
        14: "warm restart",
        18: "stop application",
        21: "disable unsolicited",
        129: "response",
        130: "unsolicited",
    }
    enip = {
        0x04: "list services",
        0x63: "list identity",
        0x64: "list interfaces",
        0x65: "register",
        0x66: "unregister",
        0x6F: "send data",
    }
    s7 = {0x04: "read", 0x05: "write", 0x1D: "start upload", 0x28: "start", 0x29: "stop", 0xF0: "set up"}
    iec = {
        1: "single point",
        13: "measured value",
        45: "single command",
        46: "double command",
        100: "interrogation",
        103: "clock",
        105: "reset process",
    }
    bacnet = {
        0x02: "read broadcast table",
        0x05: "register foreign device",
        0x06: "read foreign devices",
        0x0A: "unicast",
        0x0B: "broadcast",
    }
    two_ways = ("tcp any any -> any 502", "tcp any any -> any any")
    return [
        *[(f"Modbus {name}", two_ways[at % 2], TO_SERVER + f"content:\"|00 00|\"; offset:2; depth:2; content:\"|{code:02x}|\"; offset:7; depth:1; ") for at, (code, name) in enumerate(modbus.items())],
        *[(f"DNP3 {name}", "tcp any any -> any 20000", f"content:\"|05 64|\"; depth:2; content:\"|{code:02x}|\"; distance:10; within:1; ") for code, name in dnp3.items()],
        *[(f"DNP3 {name} on any port", TCP, TO_SERVER + f"content:\"|05 64|\"; startswith; byte_test:1,=,{code},12; ") for code, name in dnp3.items()],
        *[(f"EtherNet/IP {name}", "tcp any any -> any 44818", f"content:\"|{code:02x} 00|\"; startswith; content:\"|c1 de be d1|\"; distance:10; within:4; ") for code, name in enip.items()],
        *[(f"EtherNet/IP {name} of datagrams", UDP, f"content:\"|{code:02x} 00|\"; depth:2; dsize:>23; ") for code, name in enip.items()],
        *[(f"S7 {name}", "tcp any any -> any 102", TO_SERVER + f"content:\"|03 00|\"; depth:2; content:\"|32 01|\"; offset:7; depth:2; content:\"|{code:02x}|\"; distance:8; within:1; ") for code, name in s7.items()],
        *[(f"S7 {name} on any port", TCP, f"content:\"|32|\"; offset:7; depth:1; byte_test:1,=,1,8; byte_test:1,=,{code},17; isdataat:17; ") for code, name in s7.items()],
        *[(f"IEC 104 {name}", "tcp any any -> any 2404", f"content:\"|68|\"; depth:1; byte_test:1,!&,1,2; content:\"|{code:02x}|\"; offset:6; depth:1; ") for code, name in iec.items()],
        *[(f"BACnet {name}", "udp any any -> any 47808", f"content:\"|81 {code:02x}|\"; depth:2; byte_jump:2,2,post_offset -4; isdataat:!1,relative; ") for code, name in bacnet.items()],
        *[(f"FINS {name}", "udp any any -> any 9600", f"content:\"|80|\"; depth:1; content:\"|{code}|\"; offset:10; depth:2; ") for name, code in {"controller data": "05 01", "read": "01 01", "write": "01 02", "stop": "04 02"}.items()],
        ("Modbus to many registers", two_ways[0], "content:\"|00 00|\"; offset:2; depth:2; content:\"|03|\"; offset:7; depth:1; byte_test:2,>,125,2,relative; "), ("Modbus of another protocol", two_ways[0], TO_SERVER + "content:!\"|00 00|\"; offset:2; depth:2; "),
        ("Modbus length too long", two_ways[0], TO_SERVER + "byte_test:2,>,254,4; "), ("Modbus length lies", two_ways[1], TO_SERVER + "content:\"|00 00|\"; offset:2; depth:2; byte_jump:2,4; isdataat:0,relative; "), ("Modbus too large a segment", "tcp any any <> any 502", "flow:established; dsize:>260; "),
        ("Modbus write by pcre", two_ways[0], TO_SERVER + "content:\"|00 00|\"; offset:2; depth:2; pcre:\"/^[\\s\\S]{3}(\\x05|\\x06|\\x0f|\\x10)/R\"; "), ("Modbus force listen only", two_ways[0], TO_SERVER + "content:\"|08 00 04|\"; offset:7; depth:3; "), ("Modbus not Modbus", "tcp any any <> any 502", "flow:established; pcre:\"/^[\\s\\S]{2}(?!\\x00\\x00)/\"; "),
        ("DNP3 to all", "tcp any any -> any 20000", TO_SERVER + "content:\"|05 64|\"; depth:2; content:\"|ff ff|\"; distance:2; within:2; "), ("DNP3 not DNP3", "tcp any any <> any 20000", "flow:established; pcre:\"/^(?!\\x05\\x64)/\"; "), ("DNP3 from a stranger", "tcp !$STATIONS any -> any 20000", "content:\"|05 64|\"; startswith; "),
        ("CIP reset", "tcp any any -> any 44818", TO_SERVER + "content:\"|6f 00|\"; startswith; content:\"|b2 00|\"; distance:0; content:\"|05|\"; distance:2; within:1; "), ("CIP stop", TCP, "content:\"|6f 00|\"; startswith; content:\"|07 02 20 64|\"; distance:28; "), ("EtherNet/IP length", TCP, "content:\"|c1 de be d1|\"; offset:16; depth:4; byte_jump:2,2,little,post_offset 20; isdataat:!1,relative; "),
        ("S7 stop of the program", TCP, TO_SERVER + "content:\"|32 01|\"; content:\"|29|\"; distance:8; within:1; content:\"P_PROGRAM\"; distance:0; "), ("COTP connection", TCP, "content:\"|03 00|\"; startswith; content:\"|e0 00 00|\"; distance:3; within:3; "), ("S7 not in its length", TCP, "content:\"|03 00|\"; startswith; byte_jump:2,2,from_beginning; isdataat:1,relative; "),
        ("IEC 104 start of data", "tcp any any -> any 2404", TO_SERVER + "content:\"|68 04 07 00 00 00|\"; startswith; "), ("IEC 104 stop of data", TCP, "dsize:6; content:\"|68 04 13|\"; "), ("IEC 104 command selected", TCP, "content:\"|68|\"; startswith; content:\"|2d 01 06|\"; offset:6; depth:3; byte_test:1,&,0x80,6,relative; "), ("IEC 104 command done", TCP, "content:\"|68|\"; startswith; content:\"|2d 01 06|\"; offset:6; depth:3; byte_test:1,!&,0x80,6,relative; "),
        ("BACnet write", "udp any any -> any 47808", "content:\"|81 0a|\"; startswith; content:\"|0f|\"; offset:9; depth:1; "), ("BACnet who is", UDP, "content:\"|10 08|\"; endswith; "), ("BACnet reinitialise", UDP, "content:\"|81|\"; startswith; content:\"|14 09|\"; distance:0; "),
    ]  # fmt: skip


def states() -> list[Rule]:
    """flowbits, flowint, xbits, hostbits. Later rules read what earlier ones set, in this order and in others."""
    login, command, logout = 'content:"LOGIN admin"; ', 'content:"COMMAND stop"; ', 'content:"LOGOUT"; '
    knock, opened, clear = 'content:"KNOCK"; ', 'content:"OPEN"; ', 'content:"CLEAR"; '
    found: list[Rule] = [
        ("Command read before it is set", TCP, TO_SERVER + command + "flowbits:isset,admin.late; "), ("Login set late", TCP, TO_SERVER + login + "flowbits:set,admin.late; "),
        ("Login", TCP, TO_SERVER + login + "flowbits:set,admin; flowbits:noalert; "), ("Login heard", TCP, TO_SERVER + login + "flowbits:set,admin.heard; "), ("Guest", TCP, TO_SERVER + 'content:"LOGIN guest"; flowbits:set,guest; noalert; '),
        ("Logout", TCP, TO_SERVER + logout + "flowbits:isset,admin; flowbits:unset,admin; "), ("Command of an admin", TCP, TO_SERVER + command + "flowbits:isset,admin; "), ("Command without login", TCP, TO_SERVER + command + "flowbits:isnotset,admin; "),
        ("Command after either", TCP, TO_SERVER + command + "flowbits:isset,admin|guest; "), ("Command after neither", TCP, TO_SERVER + command + "flowbits:isnotset,admin|guest; "), ("Command after login once", TCP, TO_SERVER + command + "flowbits:isset,admin.heard; flowbits:set,commanded; "),
        ("Command again", TCP, TO_SERVER + command + "flowbits:isset,commanded; "), ("Toggle", TCP, TO_SERVER + 'content:"TOGGLE"; flowbits:toggle,lamp; '), ("Command with the lamp", TCP, TO_SERVER + command + "flowbits:isset,lamp; "), ("Command without the lamp", TCP, TO_SERVER + command + "flowbits:isnotset,lamp; "),
        ("Answer to an admin", TCP, TO_CLIENT + 'content:"done"; flowbits:isset,admin; '), ("Acknowledged while admin", TCP, "flags:A; flowbits:isset,admin; "), ("First SYN marks", TCP, "flags:S; flowbits:set,seen.syn; "), ("FIN of a marked flow", TCP, "flags:F+; flowbits:isset,seen.syn; "), ("Data of an unmarked flow", TCP, "flags:PA; flowbits:isnotset,seen.syn; "),
        ("Datagram login", UDP, login + "flowbits:set,udp.admin; noalert; "), ("Datagram command", UDP, command + "flowbits:isset,udp.admin; "), ("Datagram command alone", UDP, command + "flowbits:isnotset,udp.admin; "), ("Datagram answer", UDP, 'content:"done"; flowbits:isset,udp.admin; '),
        ("Counting", UDP, 'content:"COUNT"; startswith; flowint:counted,+,1; noalert; '), ("Counted three", UDP, 'content:"COUNT"; startswith; flowint:counted,==,3; '), ("Counted more than two", UDP, 'content:"COUNT"; startswith; flowint:counted,>,2; '), ("Counted at all", UDP, 'content:"COMMAND"; startswith; flowint:counted,isset; '), ("Never counted", UDP, 'content:"COMMAND"; startswith; flowint:counted,notset; '),
        ("Count reset", UDP, 'content:"RESET"; flowint:counted,=,0; '), ("Count in a stream", TCP, TO_SERVER + 'content:"COUNT"; flowint:streamed,+,1; '), ("Count in a stream, thrice", TCP, TO_SERVER + 'content:"COUNT"; flowint:streamed,>=,3; '), ("Twenty events of a flow", TCP, TO_SERVER + 'content:"RATE event"; flowint:events,+,1; noalert; '), ("Many events of a flow", TCP, TO_SERVER + 'content:"RATE event"; flowint:events,>,5; '), ("Not five", TCP, TO_SERVER + 'content:"RATE event"; flowint:events,!=,5; '), ("At most four", TCP, TO_SERVER + 'content:"RATE event"; flowint:events,<=,4; '), ("Below", TCP, TO_SERVER + 'content:"RATE event"; flowint:events,<,3; '),
        ("Countdown starts", UDP, 'content:"LOGIN"; startswith; flowint:left,=,3; '), ("Countdown", UDP, 'content:"COMMAND"; startswith; flowint:left,isset; flowint:left,-,1; '), ("Countdown over", UDP, 'content:"COMMAND"; startswith; flowint:left,<,2; '),
    ]  # fmt: skip
    for kind, subject in (("source", "ip_src"), ("destination", "ip_dst"), ("pair", "ip_pair")):
        found += [
            (f"Knock of a {kind}", UDP, knock + f"xbits:set,knocked.{kind},track {subject},expire 10; noalert; "), (f"Opened by a {kind}", UDP, opened + f"xbits:isset,knocked.{kind},track {subject}; "),
            (f"Opened without a knock of its {kind}", UDP, opened + f"xbits:isnotset,knocked.{kind},track {subject}; "), (f"Clear of a {kind}", UDP, clear + f"xbits:unset,knocked.{kind},track {subject}; "),
        ]  # fmt: skip
    for kind in ("src", "dst"):
        found += [
            (f"Knock, host bit of {kind}", UDP, knock + f"hostbits:set,knock.{kind},{kind}; "), (f"Opened with a host bit of {kind}", UDP, opened + f"hostbits:isset,knock.{kind},{kind}; "), (f"Opened without a host bit of {kind}", UDP, opened + f"hostbits:isnotset,knock.{kind},{kind}; "),
            (f"Clear host bit of {kind}", UDP, clear + f"hostbits:unset,knock.{kind},{kind}; "), (f"Turn host bit of {kind}", UDP, f'content:"TURN"; hostbits:toggle,turned.{kind},{kind}; '), (f"Opened turned {kind}", UDP, opened + f"hostbits:isset,turned.{kind},{kind}; "),
        ]  # fmt: skip
    found += [
        ("Knock that the other side remembers", UDP, knock + "xbits:set,crossed,track ip_src,expire 60; noalert; "), ("Opened towards the knocker", UDP, opened + "xbits:isset,crossed,track ip_dst; "), ("Knock for a long time", UDP, knock + "xbits:set,long,track ip_pair,expire 3600; "), ("Opened long after", UDP, opened + "xbits:isset,long,track ip_pair; "),
        ("Turn with xbits", UDP, 'content:"TURN"; xbits:toggle,turn.x,track ip_src,expire 100; '), ("Opened after turning", UDP, opened + "xbits:isset,turn.x,track ip_src; "), ("Opened by default expiry", UDP, knock + "xbits:set,default,track ip_src; "), ("Opened within default expiry", UDP, opened + "xbits:isset,default,track ip_src; "),
    ]  # fmt: skip
    return found


def rates() -> list[Rule]:
    """threshold and detection_filter."""
    event = 'content:"RATE event"; '
    subjects = ("by_src", "by_dst", "by_rule", "by_both")
    found: list[Rule] = []
    for at, subject in enumerate(subjects):
        for kind, count, seconds in (
            ("limit", 1, 60),
            ("limit", 3, 10),
            ("threshold", 5, 10),
            ("threshold", 10, 60),
            ("both", 4, 30),
            ("both", 10, 5),
        ):
            found.append(
                (
                    f"{kind} {count} in {seconds} s {subject}",
                    UDP,
                    event + f"threshold:type {kind}, track {subject}, count {count}, seconds {seconds}; ",
                )
            )
        found.append(
            (
                f"SYN {subject}",
                "tcp any any -> any 22",
                f"flags:S; threshold:type {('threshold', 'both', 'limit')[at % 3]}, track {subject}, count 4, seconds 8; ",
            )
        )
        found.append((f"Ping {subject}", ICMP, f"itype:8; threshold:type both, track {subject}, count 5, seconds 20; "))
        found.append(
            (
                f"Stream events {subject}",
                TCP,
                TO_SERVER
                + event
                + f"threshold:type {('both', 'limit', 'threshold')[at % 3]}, track {subject}, count 3, seconds 60; ",
            )
        )
        if subject in ("by_src", "by_dst"):
            found.append(
                (f"Filter 5 in 10 s {subject}", UDP, event + f"detection_filter:track {subject}, count 5, seconds 10; ")
            )
            found.append(
                (
                    f"Filter 2 in 60 s {subject}",
                    TCP,
                    TO_SERVER + event + f"detection_filter:track {subject}, count 2, seconds 60; ",
                )
            )
            found.append(
                (
                    f"Filter of SYNs {subject}",
                    "tcp any any -> any 22",
                    f"flags:S; detection_filter:track {subject}, count 6, seconds 30; ",
                )
            )
    found += [
        ("Refused logins", "tcp any 21 -> any any", 'flow:established,to_client; content:"530 "; threshold:type threshold, track by_dst, count 3, seconds 60; '), ("Refused logins, filtered", "tcp any any -> any any", 'flow:to_client; content:"530 "; detection_filter:track by_dst, count 2, seconds 60; '),
        ("Marks with a limit", UDP, event + "flowbits:set,rated; threshold:type limit, track by_src, count 1, seconds 3600; "), ("Marked by a limited rule", UDP, event + "flowbits:isset,rated; threshold:type limit, track by_src, count 2, seconds 3600; "), ("Horizontal scan", ICMP, "itype:8; detection_filter:track by_src, count 10, seconds 60; "),
    ]  # fmt: skip
    return found


DECODER_EVENTS = (
    "ipv4.pkt_too_small", "ipv4.hlen_too_small", "ipv4.iplen_smaller_than_hlen", "ipv4.trunc_pkt", "ipv4.opt_invalid", "ipv4.opt_invalid_len", "ipv4.opt_malformed", "ipv4.opt_eol_required", "ipv4.opt_duplicate",
    "ipv4.opt_unknown", "ipv4.wrong_ip_version", "ipv4.icmpv6", "icmpv4.pkt_too_small", "icmpv4.unknown_type", "icmpv4.unknown_code", "icmpv4.ipv4_trunc_pkt", "ipv6.pkt_too_small", "ipv6.trunc_pkt", "ipv6.trunc_exthdr", "ipv6.exthdr_dupl_hh",
    "ipv6.wrong_ip_version", "ipv6.rh_type_0", "ipv6.zero_len_padn", "ipv6.icmpv4", "icmpv6.pkt_too_small", "icmpv6.unknown_type", "icmpv6.unknown_code", "tcp.pkt_too_small", "tcp.hlen_too_small", "tcp.invalid_optlen", "tcp.opt_invalid_len",
    "tcp.opt_duplicate", "udp.pkt_too_small", "udp.hlen_too_small", "udp.len_invalid", "ethernet.pkt_too_small", "vlan.header_too_small", "vlan.unknown_type", "gre.pkt_too_small", "gre.wrong_version", "gre.version1_flags", "ipv4.frag_pkt_too_large",
    "ipv4.frag_overlap", "ipv6.frag_overlap", "ipv6.unknown_next_header", "ipv6.data_after_none_header",
)  # fmt: skip
STREAM_EVENTS = (
    "3whs_ack_in_wrong_dir", "3whs_async_wrong_seq", "3whs_right_seq_wrong_ack_evasion", "3whs_synack_in_wrong_direction", "3whs_synack_resend_with_different_ack", "3whs_synack_resend_with_diff_seq", "3whs_synack_toserver_on_syn_recv",
    "3whs_synack_with_wrong_ack", "3whs_syn_resend_diff_seq_on_syn_recv", "3whs_syn_toclient_on_syn_recv", "3whs_wrong_seq_wrong_ack", "4whs_synack_with_wrong_ack", "closewait_ack_out_of_window", "closewait_fin_out_of_window", "est_packet_out_of_window",
    "est_synack_resend", "est_synack_resend_with_different_ack", "est_synack_resend_with_diff_seq", "est_synack_toserver", "est_syn_resend", "est_syn_resend_diff_seq", "est_syn_toclient", "est_invalid_ack", "fin_invalid_ack", "fin1_ack_wrong_seq", "shutdown_syn_resend",
    "fin_out_of_window", "fin_syn", "rst_but_no_session", "suspected_rst_inject", "pkt_invalid_timestamp", "pkt_invalid_ack", "pkt_broken_ack", "pkt_retransmission", "pkt_bad_window_update", "reassembly_overlap_different_data", "reassembly_no_segment", "reassembly_seq_gap", "wrong_thread",
)  # fmt: skip


def events() -> list[Rule]:
    """decode-event and stream-event."""
    return [
        *[(f"Event {name}", f"pkthdr {ANY}", f"decode-event:{name}; ") for name in DECODER_EVENTS],
        *[(f"Event {name}", TCP, f"stream-event:{name}; ") for name in STREAM_EVENTS],
    ]


FAMILIES = {
    build.__name__: build()
    for build in (
        ip_header,
        tcp_header,
        icmp_header,
        raw_headers,
        flow,
        texts,
        payload_sizes,
        industrial,
        states,
        rates,
        events,
    )
}


def keywords_of(header: str, options: str) -> list[str]:
    """What a rule is about: its protocol, and its keywords without their values; of flow, bits and rates what they ask for."""
    found = [f"alert {header.split()[0]}"]
    for keyword, value in re.findall(r"([a-z0-9_.\-]+)(?::((?:\"(?:\\.|[^\"])*\"|[^;\"\\]|\\.)*))?;", options):
        match keyword:
            case "msg" | "sid" | "rev" | "gid":
                continue
            case "flow":
                found += [f"flow:{word.strip()}" for word in value.split(",")]
            case "flowbits" | "xbits" | "hostbits":
                found.append(f"{keyword}:{value.split(',')[0]}")
            case "threshold":
                found += [
                    f"threshold:{value.split(',')[0].split()[-1]}",
                    f"threshold:{re.search(r'by_[a-z]+', value)[0]}",
                ]  # type: ignore[index]
            case "content" | "pcre" | "isdataat" if value.startswith(("!", " !")):
                found.append(f"{keyword}, negated")
            case "pcre":
                flags = value[value.rindex("/") + 1 : -1] if "/" in value else ""
                found += ["pcre", *(f"pcre /{flag}" for flag in flags)]
            case _:
                found.append(keyword)
    return list(dict.fromkeys(found))


def all_rules() -> dict[int, Rule]:
    """{sid: rule}."""
    return dict(enumerate((rule for family in FAMILIES.values() for rule in family), FIRST_SID))


def text_of(sid: int, rule: Rule) -> str:
    """A line of a .rules file."""
    title, header, options = rule
    title = re.sub(r"[;\":\\|]", " ", title)
    return f'alert {header} (msg:"{title}"; {options}sid:{sid}; rev:1;)'


def write_rules(path: Path, rules: dict[int, Rule]) -> Path:
    """A .rules file."""
    path.write_text("".join(text_of(sid, rule) + "\n" for sid, rule in rules.items()))
    return path
